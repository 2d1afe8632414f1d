/* See raft_shell.h. */
#include "node/raft_shell.h"

#include "base/mem.h"
#include "base/rng.h"
#include "config/config.h"

#include <errno.h>

static void feed(struct raft_shell *s, struct raft_event event);

static void stop(struct raft_shell *s, const struct err_note *note)
{
    s->owner.on_stop(s->owner.context, note);
}

/* ---- effects --------------------------------------------------------------------------------- */

struct persist_job {
    struct io_job job;
    struct raft_shell *shell;
    struct shared *content;
    char *path;
    int result;
};

static void persist_run(struct io_job *job)
{
    struct persist_job *p = CONTAINER_OF(job, struct persist_job, job);
    p->result = io_fs_replace(io_get_fs(p->shell->io), p->path,
                              bytes_from(p->content->data, p->content->size));
}

/* What was kept back is given up for what the disk has no more space for: true when there was something. */
static bool make_room(struct raft_shell *s, int error)
{
    if ((error != -ENOSPC && error != -EDQUOT) || s->owner.on_full == NULL ||
        !s->owner.on_full(s->owner.context))
        return false;
    DIAG_WARN(s->diag, "metadata", "%s: %s: what was kept back for the metadata log is given up",
              s->log.directory, err_sentence(error));
    return true;
}

static void persist_done(struct io_job *job)
{
    struct persist_job *p = CONTAINER_OF(job, struct persist_job, job);
    struct raft_shell *s = p->shell;
    if (make_room(s, p->result)) {
        io_submit(s->io, s->persist_queue, &p->job);
        return;
    }
    /* Not with every attempt; nor where an append has told it. */
    if (p->result < 0 && p->result != s->persist_error && p->result != s->append_error)
        DIAG_ERROR(s->diag, "raft", "%s cannot be written, which is tried until it can: %s",
                   p->path, err_sentence(p->result));
    else if (p->result == 0 && s->persist_error < 0 && s->append_error == 0)
        DIAG_INFO(s->diag, "raft", "%s can be written again", p->path);
    s->persist_error = p->result;
    const struct raft_event event = { .type = p->result < 0 ? RAFT_ON_PERSIST_FAILED
                                                            : RAFT_ON_PERSISTED };
    shared_unref(p->content);
    mem_free(p->path);
    mem_free(p);
    s->jobs--;
    feed(s, event);
}

static void persist(struct raft_shell *s, struct shared *content)
{
    struct persist_job *p = MEM_NEW(struct persist_job);
    *p = (struct persist_job){
        .job = { .run = persist_run, .done = persist_done },
        .shell = s,
        .content = shared_ref(content),
        .path = metadata_log_quorum_state_path(&s->log),
    };
    s->jobs++;
    io_submit(s->io, s->persist_queue, &p->job);
}

static int write_batch(struct raft_shell *s, const struct raft_effect *effect,
                       struct err_note *note)
{
    const struct log_append planned = {
        .owner = effect->append.batch,
        .records = effect->append.batch->data,
        .size_bytes = (uint32_t)effect->append.batch->size,
        .origin = LOG_ORIGIN_RAFT_LEADER,
        .leader_epoch = effect->append.epoch,
        .now_ms = io_now_ms(s->io),
        .transaction_version = -1,
    };
    struct log_append_result result;
    log_append_plan(s->log.log, &planned, &result);
    if (result.error != KAFKA_NONE)
        return err_note(note, -EIO, "%s", kafka_error_name((int16_t)result.error));
    return log_write(s->log.log, note);
}

/* Without space it is tried again and again, as is the election of a leader: the operator hears of it once, and of its end. */
static void tell_append(struct raft_shell *s, int written, const struct err_note *note)
{
    const bool is_short = err_is_shortage(written);
    if (written == 0 && s->append_error < 0)
        DIAG_INFO(s->diag, "metadata", "%s can be written again", s->log.directory);
    else if (is_short && written != s->append_error)
        DIAG_ERROR(
            s->diag, "metadata",
            "%s cannot be written: %s: until there is space no topic can be created, changed "
            "or deleted (%s)",
            s->log.directory, err_sentence(written), note->text);
    else if (written < 0 && !is_short)
        DIAG_ERROR(s->diag, "metadata", "an append to the metadata log failed: %s: %s",
                   err_sentence(written), note->text);
    s->append_error = written;
}

static void append(struct raft_shell *s, const struct raft_effect *effect)
{
    if (s->drops_appends)
        return;
    struct err_note note = { 0 };
    int written = write_batch(s, effect, &note);
    if (make_room(s, written))
        written = write_batch(s, effect, &note);
    tell_append(s, written, &note);
    if (written == 0)
        return;
    s->drops_appends = true;
    s->failed_append_count++;
    feed(s, (struct raft_event){ .type = RAFT_ON_APPEND_FAILED,
                                 .failed_offset = effect->append.base_offset });
}

static void truncate_log(struct raft_shell *s, int64_t offset)
{
    struct err_note note = { 0 };
    if (log_truncate(s->log.log, offset, io_now_ms(s->io), &note) < 0)
        stop(s, &note);
}

static void carry_out(struct raft_shell *s, const struct raft_effect *effect)
{
    switch (effect->type) {
    case RAFT_DO_PERSIST:
        persist(s, effect->content);
        return;
    case RAFT_DO_APPEND:
        append(s, effect);
        return;
    case RAFT_DO_FLUSH:
        s->is_flush_wanted = true;
        return;
    case RAFT_DO_TRUNCATE:
        truncate_log(s, effect->offset);
        return;
    case RAFT_DO_COMMIT:
        s->owner.on_commit(s->owner.context, effect->commit.to_offset);
        return;
    case RAFT_DO_LEADER_CHANGED:
        DIAG_INFO(s->diag, "raft", "leader of epoch %d is node %d", effect->leader.epoch,
                  effect->leader.leader_id);
        return;
    case RAFT_DO_LEAD:
        s->owner.on_lead(s->owner.context, effect->leader.epoch);
        return;
    case RAFT_DO_UNLEAD:
        s->owner.on_unlead(s->owner.context);
        return;
    case RAFT_DO_ARM_TIMER:
        io_timer_arm(s->io, &s->timer, effect->deadline_ms * NS_PER_MS);
        return;
    case RAFT_DO_STOP:
        stop(s, effect->note);
        return;
    case RAFT_DO_SEND_VOTE:
    case RAFT_DO_SEND_BEGIN_EPOCH:
    case RAFT_DO_SEND_END_EPOCH:
    case RAFT_DO_ANSWER_VOTE:
    case RAFT_DO_ANSWER_EPOCH:
        /* A quorum of one has nobody to talk to; raft_shell_open refuses larger ones until the peer channel carries these. */
        return;
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static int step_one(struct raft_shell *s, struct raft_event event, struct err_note *note)
{
    struct raft_effects effects = { 0 };
    event.now_ms = io_monotonic_ns(s->io) / NS_PER_MS;
    event.wall_ms = io_now_ms(s->io);
    event.random = rng_u64(s->rng);
    const int r = raft_step(s->raft, &event, &effects, note);
    if (r < 0)
        return r;
    s->drops_appends = false;
    for (uint32_t i = 0; i < effects.count; i++)
        carry_out(s, &effects.items[i]);
    raft_effects_clear(&effects);
    return 0;
}

/* Steps an event and all that follow from it. */
static int step(struct raft_shell *s, struct raft_event event, struct err_note *note)
{
    ASSERT(!s->is_stepping);
    s->is_stepping = true;
    const int r = step_one(s, event, note);
    while (s->events.count > 0) {
        const struct raft_event next = s->events.items[0];
        VEC_REMOVE_AT(&s->events, 0);
        struct err_note event_note = { 0 };
        if (step_one(s, next, &event_note) < 0)
            stop(s, &event_note);
    }
    s->is_stepping = false;
    return r;
}

static void feed(struct raft_shell *s, struct raft_event event)
{
    if (s->log.log == NULL)
        return; /* closing: nothing follows from it any more */
    if (s->is_stepping) {
        VEC_ADD(&s->events, event);
        return;
    }
    struct err_note note = { 0 };
    if (step(s, event, &note) < 0)
        stop(s, &note);
    s->owner.on_settled(s->owner.context);
}

static void on_flushed(void *context, struct log *log)
{
    struct raft_shell *s = context;
    feed(s, (struct raft_event){ .type = RAFT_ON_FLUSHED,
                                 .flushed_offset = log_offsets(log)->flushed_end });
}

static void on_log_failed(void *context, struct log *log, int error, const struct err_note *note)
{
    struct raft_shell *s = context;
    (void)log;
    (void)error;
    stop(s, note);
}

static void on_timer(struct io_timer *timer)
{
    feed(CONTAINER_OF(timer, struct raft_shell, timer),
         (struct raft_event){ .type = RAFT_ON_TIMER });
}

int raft_shell_append(struct raft_shell *s, int32_t epoch, const struct bytes *values,
                      uint32_t count, struct err_note *note)
{
    const uint64_t failed_before = s->failed_append_count;
    const int r = step(
        s,
        (struct raft_event){ .type = RAFT_ON_APPEND,
                             .append = { .epoch = epoch, .values = values, .value_count = count } },
        note);
    /* Raft has taken it back by now, and resigned: nobody will hear that it is committed. */
    if (r == 0 && s->failed_append_count != failed_before)
        return err_note(note, -ERR_NOT_LEADER, "the metadata log could not be written");
    return r;
}

bool raft_shell_is_full(const struct raft_shell *s)
{
    return err_is_shortage(s->append_error) || err_is_shortage(s->persist_error);
}

void raft_shell_flush(struct raft_shell *s)
{
    if (!s->is_flush_wanted || s->log.log == NULL)
        return;
    s->is_flush_wanted = false;
    log_flush(s->log.log);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static struct raft *new_raft(const struct raft_shell_params *params,
                             const struct raft_voters *voters)
{
    const struct raft_settings settings = {
        .node_id = params->node_id,
        .directory_id = params->directory_id,
        .static_voters = voters->count == 0 ? NULL : voters,
        .election_timeout_ms =
            config_i64(params->config, SETTING_BROKER_CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS),
        .election_backoff_max_ms =
            config_i64(params->config, SETTING_BROKER_CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS),
        .fetch_timeout_ms =
            config_i64(params->config, SETTING_BROKER_CONTROLLER_QUORUM_FETCH_TIMEOUT_MS),
    };
    return raft_new(&settings);
}

/* controller.quorum.voters as text again: the parser of voters takes it whole. */
static int static_voters(const struct config *config, struct raft_voters *out,
                         struct err_note *note)
{
    const char *text = config_value_text(config, SETTING_BROKER_CONTROLLER_QUORUM_VOTERS);
    const struct config_list names = config_list(config, SETTING_BROKER_CONTROLLER_LISTENER_NAMES);
    return raft_voters_from_setting(
        bytes_from_text(text == NULL ? "" : text),
        bytes_from_text(names.count == 0 ? "CONTROLLER" : names.items[0]), out, note);
}

/* What this build cannot run, or what could never elect a leader. */
static int check_voters(const struct raft_shell *s, const struct raft_shell_params *params,
                        struct err_note *note)
{
    const struct raft_voters *voters = raft_voters(s->raft);
    if (voters->count > 1)
        return err_note(note, -ERR_UNSUPPORTED,
                        "the metadata quorum has %u voters; this build runs quorums of one only",
                        voters->count);
    if (raft_voters_has(voters, params->node_id, params->directory_id))
        return 0;
    const struct raft_voter *voter = raft_voters_get(voters, params->node_id);
    if (voter == NULL)
        return err_note(note, -ERR_WRONG_CLUSTER,
                        "node %" PRId32
                        " is no voter of the metadata quorum in %s, so nobody could lead it",
                        params->node_id, params->log_dir);
    char wanted[UUID_TEXT_SIZE];
    char found[UUID_TEXT_SIZE];
    uuid_to_text(voter->directory_id, wanted);
    uuid_to_text(params->directory_id, found);
    return err_note(note, -ERR_WRONG_CLUSTER,
                    "%s/meta.properties has directory.id %s, but the metadata log there knows this "
                    "voter as %s: "
                    "put that directory.id back",
                    params->log_dir, found, wanted);
}

int raft_shell_open(struct raft_shell *s, const struct raft_shell_params *params,
                    struct err_note *note)
{
    *s = (struct raft_shell){ .io = params->io,
                              .diag = params->diag,
                              .rng = params->rng,
                              .owner = params->owner,
                              .persist_queue = io_job_queue_new(params->io),
                              .timer = { .fire = on_timer } };
    const struct metadata_log_params log_params = { .io = s->io,
                                                    .diag = s->diag,
                                                    .files = params->files,
                                                    .log_dir = params->log_dir,
                                                    .committed_offset = params->committed_offset,
                                                    .seed = params->hash_seed };
    const struct log_owner owner = { .on_flushed = on_flushed,
                                     .on_failed = on_log_failed,
                                     .context = s };
    struct raft_voters voters = { 0 };
    int r = static_voters(params->config, &voters, note);
    if (r == 0)
        r = metadata_log_open(&s->log, &log_params, &owner, note);
    if (r == 0) {
        s->raft = new_raft(params, &voters);
        struct raft_event event = { .type = RAFT_ON_START };
        r = metadata_log_load(&s->log, s->raft, params->loader, &event.start, note);
        if (r == 0)
            r = check_voters(s, params, note);
        if (r == 0) {
            r = step(s, event, note);
            if (r < 0) /* of quorum-state, which it names */
                r = err_note_prefix(note, r, "%s", s->log.directory);
        }
        bytes_free(event.start.quorum_state);
    }
    raft_voters_deinit(&voters);
    return r;
}

void raft_shell_cancel(struct raft_shell *s)
{
    if (s->io != NULL)
        io_timer_cancel(s->io, &s->timer);
}

void raft_shell_deinit(struct raft_shell *s)
{
    if (s->io == NULL)
        return;
    ASSERT(s->jobs == 0);
    raft_shell_cancel(s);
    io_job_queue_free(s->io, s->persist_queue);
    metadata_log_abandon(&s->log);
    raft_free(s->raft);
    VEC_DEINIT(&s->events);
}
