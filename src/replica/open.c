/* Logs that come and go: created, attached, closed and deleted, each by a job, and directories that fail. */
#include "replica/replicas_int.h"

#include "base/mem.h"
#include "log/clean/log_clean.h"

#define RETRY_WAIT_MIN_NS NS_PER_SECOND
#define RETRY_WAIT_MAX_NS (64 * NS_PER_SECOND)

/* ---- creating -------------------------------------------------------------------------------- */

struct open_job {
    struct io_job job;
    struct replicas *replicas;
    struct uuid topic_id;
    int32_t index;
    char *topic;
    uint32_t log_dir_index;
    bool is_retry;
    struct log_params params;
    struct log_config config;
    struct log *log;
    int result;
    struct err_note note;
};

static void open_run(struct io_job *job)
{
    struct open_job *open = CONTAINER_OF(job, struct open_job, job);
    open->result = log_open(&open->params, &open->log, &open->note);
}

/* Not of each, each second. */
void replicas__tell_open_short(struct replicas *r, const struct partition *p,
                               const struct err_note *note)
{
    struct replicas_dir *dir = &r->dir_states[p->log_dir_index];
    if (!dir->is_open_short)
        DIAG_ERROR(r->diag, "log",
                   "%s-%d cannot be opened now, and is tried again, as others of %s will be: %s",
                   p->topic, p->index, log_dirs_at(r->dirs, p->log_dir_index)->path, note->text);
    dir->is_open_short = true;
}

static void open_failed(const struct open_job *open, struct partition *p)
{
    struct replicas *r = open->replicas;
    p->state = PARTITION_OFFLINE;
    p->is_tried_again = err_is_shortage(open->result);
    log_dirs_unplace(r->dirs, open->log_dir_index);
    if (p->is_tried_again) {
        replicas__tell_open_short(r, p, &open->note);
        return;
    }
    DIAG_ERROR(r->diag, "log", "%s-%d cannot be opened: %s", open->topic, open->index,
               open->note.text);
    if (open->result == -ERR_EXISTS) {
        mem_free(TAKE(p->again)); /* what is there is another topic's: the next start moves it */
        return;
    }
    replicas__directory_failed(r, open->log_dir_index, open->result, &open->note);
}

static void open_again_in(struct replicas *r, uint32_t log_dir_index);

static void end_retry(struct replicas *r, uint32_t log_dir_index, int result)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    r->retrying_count--;
    dir->is_retrying = false;
    if (!err_is_shortage(result)) {
        dir->retry_wait_ns = 0;
        return;
    }
    dir->retry_wait_ns = MIN(MAX(2 * dir->retry_wait_ns, RETRY_WAIT_MIN_NS), RETRY_WAIT_MAX_NS);
    dir->retry_after_ns = io_monotonic_ns(r->io) + dir->retry_wait_ns;
}

static void open_done(struct io_job *job)
{
    struct open_job *open = CONTAINER_OF(job, struct open_job, job);
    struct replicas *r = open->replicas;
    struct partition *p = replicas_get(r, open->topic_id, open->index);
    ASSERT(p != NULL && p->state == PARTITION_OPENING); /* deleted meanwhile: it is left to us */

    if (open->is_retry)
        end_retry(r, open->log_dir_index, open->result);
    else
        r->opening_count--;
    if (open->result < 0) {
        open_failed(open, p);
    } else if (!log_dirs_at(r->dirs, open->log_dir_index)->is_online) {
        p->state = PARTITION_OFFLINE; /* the directory failed meanwhile */
        log_abandon(open->log);
    } else {
        r->dir_states[open->log_dir_index].is_open_short = false;
        mem_free(TAKE(p->again));
        replicas__attach(r, p, open->log, open->log_dir_index);
    }
    const bool is_late =
        open->is_retry && p->state == PARTITION_ONLINE && !p->is_deleted && !r->is_closing;
    if (p->is_deleted)
        replicas__delete(r, p);
    const uint32_t log_dir_index = open->log_dir_index;
    const bool was_retry = open->is_retry;
    mem_free(open->topic);
    mem_free(open);
    replicas__opened(r);
    if (is_late && r->owner.on_opened != NULL)
        r->owner.on_opened(r->owner.context);
    if (was_retry)
        open_again_in(r, log_dir_index); /* there was space: not one a tick */
}

static bool is_usable(const struct replicas *r, uint32_t log_dir_index)
{
    return log_dirs_at(r->dirs, log_dir_index)->is_online &&
           !r->dir_states[log_dir_index].has_failed;
}

/* Whether its records may lie in a directory that is offline, as Apache Kafka judges it: there is one, and the metadata have
 * the replica somewhere else than in those that are online. */
static bool may_lie_offline(const struct replicas *r, struct uuid directory)
{
    uint32_t usable = 0;
    bool is_there = uuid_equal(directory, METADATA_DIRECTORY_UNASSIGNED);
    for (uint32_t i = 0; i < log_dirs_count(r->dirs); i++) {
        usable += is_usable(r, i);
        is_there |= is_usable(r, i) && uuid_equal(log_dirs_at(r->dirs, i)->id, directory);
    }
    return !is_there && usable < log_dirs_count(r->dirs);
}

/* Where the metadata have its replica here; unassigned: they do not tell. */
static struct uuid assigned_directory(const struct replicas *r, const struct partition *p)
{
    const struct metadata_topic *topic = metadata_topic_by_id(r->image, p->topic_id);
    const struct metadata_partition *told =
        topic == NULL ? NULL : metadata_topic_partition(topic, p->index);
    return told != NULL && metadata_partition_has_replica(told, r->node_id)
               ? metadata_partition_directory(told, r->node_id)
               : METADATA_DIRECTORY_UNASSIGNED;
}

static int dir_for(const struct replicas *r, const struct partition *p)
{
    const struct uuid assigned = assigned_directory(r, p);
    if (p->again == NULL && may_lie_offline(r, assigned)) {
        char id[UUID_TEXT_SIZE];
        uuid_to_text(assigned, id);
        DIAG_WARN(r->diag, "log",
                  "%s-%" PRId32 " is offline, as a log directory is: its records may be there (the "
                  "metadata have them in %s), and it is not begun anew in another",
                  p->topic, p->index, id);
        return -1;
    }
    const int dir = p->again != NULL ? (int)p->log_dir_index : log_dirs_choose(r->dirs);
    return dir < 0 || !log_dirs_at(r->dirs, (uint32_t)dir)->is_online ? -1 : dir;
}

static void begin_open(struct replicas *r, struct partition *p, int dir, bool is_retry)
{
    struct open_job *open = MEM_NEW(struct open_job);
    struct config *topic = log_settings_topic(r->config, r->image, bytes_from_text(p->topic));
    p->isr_count_min = (int32_t)config_i64(topic, SETTING_TOPIC_MIN_INSYNC_REPLICAS);
    *open = (struct open_job){
        .job = { .run = open_run, .done = open_done },
        .replicas = r,
        .topic_id = p->topic_id,
        .index = p->index,
        .topic = mem_strdup(p->topic),
        .log_dir_index = (uint32_t)dir,
        .is_retry = is_retry,
        .config = log_settings(r->config, topic),
    };
    config_unref(topic);
    open->params = p->again != NULL ? *p->again : (struct log_params){ .had_clean_shutdown = true };
    open->params.fs = io_get_fs(r->io);
    open->params.log_dir = log_dirs_at(r->dirs, (uint32_t)dir)->path;
    open->params.topic = open->topic;
    open->params.partition = p->index;
    open->params.topic_id = p->topic_id;
    open->params.config = &open->config;
    open->params.create = true;
    open->params.now_ms = io_now_ms(r->io);
    open->params.seed = r->hash_seed;
    p->log_dir_index = (uint32_t)dir;
    log_dirs_place(r->dirs, (uint32_t)dir);
    r->retrying_count += is_retry;
    r->opening_count += !is_retry;
    io_submit(r->io, NULL, &open->job);
}

void replicas__open(struct replicas *r, struct partition *p)
{
    if (replicas__is_departing(r, p->topic, p->index)) {
        p->is_held = true;
        r->opening_count++;
        return;
    }
    const int dir = dir_for(r, p);
    if (dir < 0)
        p->state = PARTITION_OFFLINE;
    else
        begin_open(r, p, dir, false);
}

/* Of those that wait for space in a directory, one that was tried least; NULL: none. */
static struct partition *next_retry(const struct replicas *r, uint32_t log_dir_index)
{
    struct partition *next = NULL;
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (p->is_tried_again && p->log_dir_index == log_dir_index &&
            (next == NULL || p->try_count < next->try_count) &&
            !replicas__is_departing(r, p->topic, p->index))
            next = p;
    }
    return next;
}

/* One at a time, for each may be read from end to end before it finds that there is no space; after one that did not, not at once. */
static void open_again_in(struct replicas *r, uint32_t log_dir_index)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    if (r->is_closing || dir->is_retrying ||
        (dir->retry_wait_ns > 0 && dir->retry_after_ns > io_monotonic_ns(r->io)))
        return;
    struct partition *p = next_retry(r, log_dir_index);
    if (p == NULL)
        return;
    const int place = dir_for(r, p);
    if (place >= 0 && r->dir_states[place].is_retrying)
        return;
    p->is_tried_again = false;
    p->try_count++;
    if (place < 0)
        return;
    p->state = PARTITION_OPENING;
    r->dir_states[place].is_retrying = true;
    begin_open(r, p, place, true);
}

void replicas__open_again(struct replicas *r)
{
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++)
        open_again_in(r, dir);
}

void replicas__open_held(struct replicas *r)
{
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (!p->is_held || replicas__is_departing(r, p->topic, p->index))
            continue;
        p->is_held = false;
        r->opening_count--;
        if (p->is_deleted)
            replicas__remove(r, p);
        else
            replicas__open(r, p);
    }
    replicas__opened(r);
}

void replicas__drop_held(struct replicas *r)
{
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        r->opening_count -= p->is_held;
        p->is_held = false;
    }
}

static void on_log_flushed(void *context, struct log *log)
{
    (void)log; /* the partition knows it */
    partition__flushed(context);
}

static void on_log_looked(void *context, struct log *log)
{
    struct partition *p = context;
    (void)log; /* the partition knows it */
    replicas__looked(p->replicas, p);
}

static void on_log_failed(void *context, struct log *log, int error, const struct err_note *note)
{
    struct partition *p = context;
    (void)log; /* the partition knows it */
    replicas__directory_failed(p->replicas, p->log_dir_index, error, note);
}

static void on_log_damaged(void *context, struct log *log, const struct err_note *note)
{
    const struct partition *p = context;
    (void)log; /* the note names it */
    DIAG_ERROR(p->replicas->diag, "log", "%s", note->text);
}

static void on_log_mended(void *context, struct log *log, const struct err_note *note)
{
    const struct partition *p = context;
    (void)log; /* the note names it */
    DIAG_WARN(p->replicas->diag, "log", "%s", note->text);
}

void replicas__attach(struct replicas *r, struct partition *p, struct log *log,
                      uint32_t log_dir_index)
{
    const struct log_recovery mended = log_recovery(log);
    for (uint32_t i = 0; i < mended.note_count; i++)
        DIAG_WARN(r->diag, "log", "%s", mended.notes[i].text);
    if (mended.more_count > 0)
        DIAG_WARN(r->diag, "log", "%s-%" PRId32 ": and %" PRIu32 " more of these", p->topic,
                  p->index, mended.more_count);
    const struct log_owner owner = { .on_flushed = on_log_flushed,
                                     .on_looked = on_log_looked,
                                     .on_failed = on_log_failed,
                                     .on_damaged = on_log_damaged,
                                     .on_mended = on_log_mended,
                                     .context = p };
    log_attach(log, r->files, &owner);
    partition__online(p, log, log_dir_index);
}

void replicas__opened(struct replicas *r)
{
    if (r->is_loading || r->opening_count > 0 || (r->is_closing && r->retrying_count > 0))
        return;
    while (r->waits.count > 0) {
        const struct replicas_wait wait = r->waits.items[0];
        VEC_REMOVE_AT(&r->waits, 0);
        wait.done(wait.context);
    }
}

/* ---- deleting -------------------------------------------------------------------------------- */

struct delete_job {
    struct list link; /* in replicas->undeleted, while it waits for space */
    struct io_job job;
    struct replicas *replicas;
    struct log *log;     /* owned; NULL: it could not be opened */
    const char *log_dir; /* borrowed of the log_dirs */
    char *topic;         /* owned */
    int32_t index;
    uint32_t log_dir_index;
    int64_t delay_ms;
    struct uuid unique;
    char *path; /* owned: where it is then; NULL: it was not there */
    int result;
    struct err_note note;
};

static void replicas__closed(struct replicas *r);

static void delete_run(struct io_job *job)
{
    struct delete_job *d = CONTAINER_OF(job, struct delete_job, job);
    if (d->log == NULL) {
        d->result = log_delete_unopened(io_get_fs(d->replicas->io), d->log_dir, d->topic, d->index,
                                        d->unique, &d->path, &d->note);
        d->result = d->result == -ENOENT ? 0 : d->result;
        return;
    }
    d->result = log_delete(d->log, d->unique, &d->path, &d->note);
    if (!err_is_shortage(d->result))
        d->log = NULL;
}

static void delete_job_free(struct delete_job *d)
{
    list_remove(&d->link);
    mem_free(d->topic);
    log_abandon(d->log);
    mem_free(d->path);
    mem_free(d);
}

static void delete_done(struct io_job *job)
{
    struct delete_job *d = CONTAINER_OF(job, struct delete_job, job);
    struct replicas *r = d->replicas;
    if (d->result < 0)
        DIAG_ERROR(r->diag, "log", "a deleted log cannot be removed: %s", d->note.text);
    if (err_is_shortage(d->result)) {
        list_push_back(&r->undeleted, &d->link);
    } else if (d->result < 0) {
        replicas__directory_failed(r, d->log_dir_index, d->result, &d->note);
        delete_job_free(d);
    } else {
        if (d->path != NULL)
            log_dirs_remove_later(r->dirs, d->log_dir_index, d->path, d->delay_ms);
        replicas__gone(r, d->log_dir_index, d->topic, d->index);
        delete_job_free(d);
    }
    r->closing_count--;
    replicas__closed(r);
}

void replicas__delete_again(struct replicas *r)
{
    LIST_FOR_EACH(&r->undeleted, link)
    {
        struct delete_job *d = LIST_ENTRY(link, struct delete_job, link);
        list_remove(link);
        r->closing_count++;
        io_submit(r->io, NULL, &d->job);
    }
}

void replicas__forget_undeleted(struct replicas *r)
{
    LIST_FOR_EACH(&r->undeleted, link) /* the next start finds stray directories */
    delete_job_free(LIST_ENTRY(link, struct delete_job, link));
}

static void delete_detached(void *context, struct log *log)
{
    struct delete_job *d = context;
    d->log = log;
    io_submit(d->replicas->io, NULL, &d->job);
}

static struct delete_job *begin_delete(struct replicas *r, const struct partition *p)
{
    struct config *topic = log_settings_topic(r->config, r->image, bytes_from_text(p->topic));
    struct delete_job *d = MEM_NEW(struct delete_job);
    *d = (struct delete_job){
        .job = { .run = delete_run, .done = delete_done },
        .replicas = r,
        .log_dir = log_dirs_at(r->dirs, p->log_dir_index)->path,
        .topic = mem_strdup(p->topic),
        .index = p->index,
        .log_dir_index = p->log_dir_index,
        .delay_ms = p->log != NULL ? log_config(p->log)->file_delete_delay_ms
                                   : log_settings(r->config, topic).file_delete_delay_ms,
    };
    config_unref(topic);
    d->unique = io_random_uuid(r->io);
    r->closing_count++;
    replicas__leaving(r, p->log_dir_index, p->topic, p->index);
    return d;
}

void replicas__delete(struct replicas *r, struct partition *p)
{
    if (p->state == PARTITION_OPENING && p->log == NULL) {
        p->is_deleted = true; /* open_done comes back here */
        if (!p->is_held)
            replicas__leaving(r, p->log_dir_index, p->topic, p->index);
        return;
    }
    p->state = PARTITION_OFFLINE;
    p->is_leader = false;
    if (p->log != NULL && log_has_planned(p->log)) {
        struct err_note note = { 0 };
        partition__write(p, &note);
        partition__after_write(p);
    }
    partition__fail_waits(p, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    if (p->log != NULL) {
        struct delete_job *d = begin_delete(r, p);
        log_dirs_unplace(r->dirs, p->log_dir_index);
        log_detach(TAKE(p->log), delete_detached, d);
    } else if (p->again != NULL && log_dirs_at(r->dirs, p->log_dir_index)->is_online) {
        struct delete_job *d = begin_delete(r, p); /* it waits for space: its directory is there */
        io_submit(r->io, NULL, &d->job);
    } else if (p->is_deleted) {
        replicas__gone(r, p->log_dir_index, p->topic, p->index); /* it never had a log */
    }
    replicas__remove(r, p);
}

/* ---- directories that fail ------------------------------------------------------------------- */

static void abandon_detached(void *context, struct log *log)
{
    (void)context;
    log_abandon(log);
}

void replicas__abandon(struct replicas *r, struct partition *p)
{
    (void)r;
    list_remove(&p->dirty_link);
    list_remove(&p->written_link);
    log_forget_planned(p->log);
    log_detach(TAKE(p->log), abandon_detached, NULL);
}

void replicas__directory_failed(struct replicas *r, uint32_t log_dir_index, int error,
                                const struct err_note *note)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    if (!log_dirs_at(r->dirs, log_dir_index)->is_online || dir->has_failed)
        return;
    dir->has_failed = true;
    dir->error = error;
    if (note != NULL)
        dir->note = *note;
    r->has_dir_failures = true;
}

static bool is_in(const struct partition *p, uint32_t log_dir_index)
{
    return p->log != NULL && p->log_dir_index == log_dir_index;
}

static void take_offline(struct replicas *r, uint32_t log_dir_index)
{
    const char *path = log_dirs_at(r->dirs, log_dir_index)->path;
    const struct replicas_dir *dir = &r->dir_states[log_dir_index];
    DIAG_ERROR(r->diag, "log", "log directory %s goes offline: %s: %s", path,
               err_sentence(dir->error), dir->note.text);
    const uint32_t left = log_dirs_fail(r->dirs, log_dir_index);
    /* First all of them: who is told of one may turn to another. */
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (is_in(p, log_dir_index))
            p->state = PARTITION_OFFLINE;
    }
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (!is_in(p, log_dir_index))
            continue;
        partition__fail_waits(p, KAFKA_KAFKA_STORAGE_ERROR);
        replicas__abandon(r, p);
    }
    replicas__open_held(r); /* elsewhere, where only this directory stood against it */
    if (r->owner.on_directory_failed != NULL)
        r->owner.on_directory_failed(r->owner.context, path, left);
}

void replicas__act_on_failures(struct replicas *r)
{
    if (!r->has_dir_failures)
        return;
    r->has_dir_failures = false;
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++) {
        if (r->dir_states[dir].has_failed && log_dirs_at(r->dirs, dir)->is_online)
            take_offline(r, dir);
    }
}

/* ---- closing all of them --------------------------------------------------------------------- */

struct close_job {
    struct io_job job;
    struct replicas *replicas;
    struct log *log;
    char *topic;
    int32_t index;
    uint32_t log_dir_index;
    int64_t high_watermark;
    int64_t cleaned_end;
    bool starts_late; /* the log start lies inside the first segment */
    struct log_offsets offsets;
    int result;
    struct err_note note;
};

/* The last job: the marker, for each directory whose logs all closed well and whose checkpoints say so. Where they were not
 * loaded yet, nothing is known of them, and what the last life left stands. */
struct finish_job {
    struct io_job job;
    struct replicas *replicas;
    int result;
    struct err_note note;
};

static void finish_run(struct io_job *job)
{
    struct finish_job *f = CONTAINER_OF(job, struct finish_job, job);
    struct replicas *r = f->replicas; /* nobody else touches it any more */
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++) {
        const struct log_dir *d = log_dirs_at(r->dirs, dir);
        if (!d->is_online || r->dir_states[dir].is_unclean || !r->is_loaded)
            continue;
        const int result = log_dir_mark_clean(io_get_fs(r->io), d->path, r->broker_epoch, &f->note);
        f->result = result < 0 ? result : f->result;
    }
}

static void finish_done(struct io_job *job)
{
    struct finish_job *f = CONTAINER_OF(job, struct finish_job, job);
    struct replicas *r = f->replicas;
    if (f->result < 0)
        DIAG_ERROR(r->diag, "log",
                   "the clean shutdown cannot be recorded; the next start will check the logs: %s",
                   f->note.text);
    mem_free(f);
    for (uint32_t i = 0; i < LOG_CHECKPOINT_KINDS * log_dirs_count(r->dirs); i++)
        offset_checkpoint_deinit(&r->at_close[i]);
    mem_free(TAKE(r->at_close));
    r->on_closed(r->on_closed_context);
}

static void finish(struct replicas *r)
{
    struct finish_job *f = MEM_NEW(struct finish_job);
    *f = (struct finish_job){ .job = { .run = finish_run, .done = finish_done }, .replicas = r };
    io_submit(r->io, NULL, &f->job);
}

static void on_last_checkpoint(void *context, uint32_t log_dir_index, int error)
{
    struct replicas *r = context;
    if (error < 0) {
        DIAG_ERROR(r->diag, "log", "the checkpoints of %s cannot be written: %s",
                   log_dirs_at(r->dirs, log_dir_index)->path, err_sentence(error));
        r->dir_states[log_dir_index].is_unclean = true;
    }
    if (--r->finishing_count == 0)
        finish(r);
}

/* Every log is closed. The last checkpoints stand in line behind any that are being written. */
static void replicas__closed(struct replicas *r)
{
    if (!r->is_closing || r->closing_count > 0 || r->at_close == NULL)
        return;
    r->finishing_count++; /* held until all are on their way */
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++) {
        if (!log_dirs_at(r->dirs, dir)->is_online || r->dir_states[dir].is_unclean || !r->is_loaded)
            continue;
        r->finishing_count += LOG_CHECKPOINT_KINDS;
        for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++)
            log_dirs_checkpoint(r->dirs, dir, (enum log_checkpoint_kind)kind,
                                &r->at_close[dir * LOG_CHECKPOINT_KINDS + (uint32_t)kind],
                                on_last_checkpoint, r);
    }
    if (--r->finishing_count == 0)
        finish(r);
}

static void close_run(struct io_job *job)
{
    struct close_job *c = CONTAINER_OF(job, struct close_job, job);
    c->starts_late =
        log_segment_count(c->log) == 0 || log_offsets(c->log)->start > log_segment_base(c->log, 0);
    c->cleaned_end = log_cleaned_end(c->log);
    c->result = log_close(c->log, true, &c->offsets, &c->note);
}

static void close_done(struct io_job *job)
{
    struct close_job *c = CONTAINER_OF(job, struct close_job, job);
    struct replicas *r = c->replicas;
    if (c->result < 0) {
        DIAG_ERROR(r->diag, "log", "%s-%d did not close well; the next start will check it: %s",
                   c->topic, c->index, c->note.text);
        r->dir_states[c->log_dir_index].is_unclean = true;
    } else {
        struct offset_checkpoint *kinds = &r->at_close[c->log_dir_index * LOG_CHECKPOINT_KINDS];
        offset_checkpoint_add(&kinds[LOG_CHECKPOINT_RECOVERY_POINT], c->topic, c->index,
                              c->offsets.recovery_point);
        offset_checkpoint_add(&kinds[LOG_CHECKPOINT_HIGH_WATERMARK], c->topic, c->index,
                              c->high_watermark);
        if (c->starts_late)
            offset_checkpoint_add(&kinds[LOG_CHECKPOINT_LOG_START], c->topic, c->index,
                                  c->offsets.start);
        if (c->cleaned_end > 0)
            offset_checkpoint_add(&kinds[LOG_CHECKPOINT_CLEANER], c->topic, c->index,
                                  c->cleaned_end);
    }
    mem_free(c->topic);
    mem_free(c);
    r->closing_count--;
    replicas__closed(r);
}

static void close_detached(void *context, struct log *log)
{
    struct close_job *c = context;
    c->log = log;
    io_submit(c->replicas->io, NULL, &c->job);
}

static void begin_close(void *context)
{
    struct replicas *r = context;
    if (r->is_abandoned)
        return;
    r->at_close =
        MEM_NEW_ARRAY(struct offset_checkpoint, LOG_CHECKPOINT_KINDS * log_dirs_count(r->dirs));
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++)
        add_foreign_recovery_points(
            r, dir, &r->at_close[dir * LOG_CHECKPOINT_KINDS + LOG_CHECKPOINT_RECOVERY_POINT]);
    r->closing_count++; /* held until every log is on its way */
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        p->state = PARTITION_OFFLINE;
        partition__fail_waits(p, KAFKA_NOT_LEADER_OR_FOLLOWER);
        r->dir_states[p->log_dir_index].is_unclean |= p->again != NULL; /* it was never opened */
        if (p->log == NULL)
            continue;
        struct close_job *c = MEM_NEW(struct close_job);
        *c = (struct close_job){
            .job = { .run = close_run, .done = close_done },
            .replicas = r,
            .topic = mem_strdup(p->topic),
            .index = p->index,
            .log_dir_index = p->log_dir_index,
            .high_watermark = p->high_watermark,
        };
        r->closing_count++;
        log_detach(TAKE(p->log), close_detached, c);
    }
    r->closing_count--;
    replicas__closed(r);
}

void replicas_close(struct replicas *r, int64_t broker_epoch, void (*done)(void *context),
                    void *context)
{
    while (replicas_write(r)) {
        /* who was told has appended anew */
    }
    r->is_closing = true;
    replicas__end_cleaning(r);
    replicas__end_retention(r);
    r->broker_epoch = broker_epoch;
    r->on_closed = done;
    r->on_closed_context = context;
    replicas__drop_held(r);
    VEC_ADD(&r->waits, ((struct replicas_wait){ .done = begin_close, .context = r }));
    replicas__opened(r); /* logs still being opened are waited for first */
}
