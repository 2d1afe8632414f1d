/* The partitions of one shard: following the image, and the writing half of a turn's end. */
#include "replica/replicas_int.h"

#include "base/be.h"
#include "base/mem.h"
#include "log/clean/log_clean.h"
#include "metadata/diff.h"
#include "metrics/metrics.h"

#include <string.h>

#define KEY_BYTES       20
#define RETAIN_SLICE    64 /* partitions that retention looks at in one turn, */
#define RETAIN_PAUSE_MS 10 /* and how long others have the loop, and the workers, then */

static struct bytes key_of(struct uuid topic_id, int32_t index, uint8_t space[KEY_BYTES])
{
    memcpy(space, topic_id.bytes, sizeof(topic_id.bytes));
    be_store_u32(space + sizeof(topic_id.bytes), (uint32_t)index);
    return bytes_from(space, KEY_BYTES);
}

struct replicas *replicas_new(const struct replicas_params *params)
{
    struct replicas *r = MEM_NEW(struct replicas);
    *r = (struct replicas){
        .io = params->io,
        .diag = params->diag,
        .node_id = params->node_id,
        .dirs = params->dirs,
        .files = params->files,
        .config = config_ref(params->config),
        .hash_seed = params->hash_seed,
        .owner = params->owner,
        .metadata_dir_index = params->metadata_dir_index,
        .reserved_bytes = -1,
    };
    list_init(&r->partitions);
    r->retain_next = &r->partitions;
    list_init(&r->dirty);
    map_init(&r->by_id, r->hash_seed);
    r->dir_states = MEM_NEW_ARRAY(struct replicas_dir, log_dirs_count(r->dirs));
    for (uint32_t i = 0; i < log_dirs_count(r->dirs); i++)
        map_init(&r->dir_states[i].departed, r->hash_seed);
    list_init(&r->undeleted);
    return r;
}

struct partition *replicas__add(struct replicas *r, const struct metadata_topic *topic,
                                const struct metadata_partition *told)
{
    struct partition *p = MEM_NEW(struct partition);
    p->replicas = r;
    p->topic = bytes_to_text(topic->name);
    p->topic_id = topic->id;
    p->index = told->id;
    p->state = PARTITION_OPENING;
    p->leader_epoch = -1;
    p->isr_count_min = 1;
    list_init(&p->append_waits);
    list_init(&p->fetch_watches);
    list_push_back(&r->partitions, &p->link);
    uint8_t space[KEY_BYTES];
    map_put(&r->by_id, key_of(p->topic_id, p->index, space), p);
    r->count++;
    return p;
}

void replicas__remove(struct replicas *r, struct partition *p)
{
    uint8_t space[KEY_BYTES];
    const struct bytes key = key_of(p->topic_id, p->index, space);
    if (map_get(&r->by_id, key) == p)
        map_remove(&r->by_id, key);
    if (r->retain_next == &p->link)
        r->retain_next = p->link.next;
    list_remove(&p->link);
    list_remove(&p->dirty_link);
    list_remove(&p->written_link);
    r->count--;
    mem_free(p->topic);
    mem_free(p->again);
    mem_free(p);
}

struct partition *replicas_get(const struct replicas *r, struct uuid topic_id, int32_t index)
{
    uint8_t space[KEY_BYTES];
    return map_get(&r->by_id, key_of(topic_id, index, space));
}

struct partition *replicas_next(const struct replicas *r, const struct partition *after)
{
    const struct list *link = after == NULL ? r->partitions.next : after->link.next;
    return link == &r->partitions
               ? NULL
               : LIST_ENTRY((struct list *)(uintptr_t)link, struct partition, link);
}

uint32_t replicas_count(const struct replicas *r)
{
    return r->count;
}

void replicas_measure(const struct replicas *r, struct metrics *metrics)
{
    for (uint32_t i = 0; i < log_dirs_count(r->dirs); i++) {
        int64_t offsets = 0;
        int64_t bytes = 0;
        LIST_FOR_EACH(&r->partitions, link)
        {
            const struct partition *p = LIST_ENTRY(link, struct partition, link);
            if (p->log == NULL || p->log_dir_index != i)
                continue;
            const struct log_unflushed unflushed = log_unflushed(p->log);
            offsets += unflushed.offsets;
            bytes += unflushed.bytes;
        }
        const struct metric_labels *labels = METRIC_LABELS(log_dirs_at(r->dirs, i)->path);
        *metrics_gauge(metrics, METRIC_UNFLUSHED_OFFSETS, labels) += offsets;
        *metrics_gauge(metrics, METRIC_UNFLUSHED_BYTES, labels) += bytes;
    }
}

/* ---- settings -------------------------------------------------------------------------------- */

static void apply_settings(struct replicas *r, struct partition *p)
{
    struct config *topic = log_settings_topic(r->config, r->image, bytes_from_text(p->topic));
    p->isr_count_min = (int32_t)config_i64(topic, SETTING_TOPIC_MIN_INSYNC_REPLICAS);
    if (p->log != NULL) {
        const struct log_config settings = log_settings(r->config, topic);
        log_set_config(p->log, &settings);
    }
    config_unref(topic);
}

void replicas_set_config(struct replicas *r, struct config *config)
{
    config_unref(r->config);
    r->config = config_ref(config);
    if (r->image == NULL)
        return;
    LIST_FOR_EACH(&r->partitions, link)
    apply_settings(r, LIST_ENTRY(link, struct partition, link));
}

/* ---- following the image --------------------------------------------------------------------- */

static void on_partition(void *context, const struct metadata_topic *topic,
                         const struct metadata_partition *before,
                         const struct metadata_partition *after)
{
    struct replicas *r = context;
    const int32_t id = after != NULL ? after->id : before->id;
    struct partition *p = replicas_get(r, topic->id, id);
    const bool is_ours = after != NULL && metadata_partition_has_replica(after, r->node_id);
    if (!is_ours) {
        if (p != NULL)
            replicas__delete(r, p);
        return;
    }
    if (p == NULL) {
        p = replicas__add(r, topic, after);
        partition__lead(p, after);
        replicas__open(r, p);
        return;
    }
    partition__lead(p, after);
}

static void on_config(void *context, const struct metadata_config *before,
                      const struct metadata_config *after)
{
    struct replicas *r = context;
    const struct metadata_config *config = after != NULL ? after : before;
    if (config->type != METADATA_CONFIG_TOPIC)
        return;
    const struct metadata_topic *topic = metadata_topic_by_name(r->image, config->name);
    if (topic == NULL)
        return;
    struct metadata_walk walk;
    const struct metadata_partition *told;
    for (metadata_walk_partitions(&walk, topic); (told = metadata_next_partition(&walk)) != NULL;) {
        struct partition *p = replicas_get(r, topic->id, told->id);
        if (p != NULL)
            apply_settings(r, p);
    }
}

static void add_wait(struct replicas *r, void (*done)(void *context), void *context)
{
    if (done != NULL)
        VEC_ADD(&r->waits, ((struct replicas_wait){ .done = done, .context = context }));
    replicas__opened(r);
}

void replicas_apply(struct replicas *r, struct metadata_image *image, void (*done)(void *context),
                    void *context)
{
    static const struct metadata_observer observer_template = { .on_partition = on_partition,
                                                                .on_config = on_config };
    struct metadata_observer observer = observer_template;
    observer.context = r;

    struct metadata_image *before = r->image;
    r->image = metadata_image_ref(image);
    if (!r->is_closing)
        metadata_image_diff(before, image, &observer);
    metadata_image_unref(before);
    add_wait(r, done, context);
}

/* ---- loading at start ------------------------------------------------------------------------ */

static bool want_log(void *context, const char *topic_name, int32_t index,
                     struct uuid *out_topic_id, struct log_config *out_config)
{
    struct replicas *r = context;
    const struct metadata_topic *topic =
        metadata_topic_by_name(r->image, bytes_from_text(topic_name));
    if (topic == NULL)
        return false;
    const struct metadata_partition *told = metadata_topic_partition(topic, index);
    if (told == NULL || !metadata_partition_has_replica(told, r->node_id))
        return false;
    struct config *config = log_settings_topic(r->config, r->image, topic->name);
    *out_topic_id = topic->id;
    *out_config = log_settings(r->config, config);
    config_unref(config);
    return true;
}

/* The partition of a log that was found; NULL, with a line, when there is one already or none any more. */
static struct partition *add_found(struct replicas *r, const char *topic_name, int32_t index,
                                   const char *log_dir)
{
    const struct metadata_topic *topic =
        metadata_topic_by_name(r->image, bytes_from_text(topic_name));
    const struct metadata_partition *told =
        topic == NULL ? NULL : metadata_topic_partition(topic, index);
    if (told == NULL || replicas_get(r, topic->id, told->id) != NULL) {
        DIAG_ERROR(r->diag, "log",
                   "%s/%s-%" PRId32
                   " is here twice or was deleted while it was opened; this copy is left alone",
                   log_dir, topic_name, index);
        return NULL;
    }
    struct partition *p = replicas__add(r, topic, told);
    partition__lead(p, told);
    return p;
}

static void on_loaded_log(void *context, uint32_t dir_index, struct log *log, int error,
                          const struct err_note *note)
{
    struct replicas *r = context;
    if (log == NULL) {
        replicas__directory_failed(r, dir_index, error, note);
        return;
    }
    struct partition *p =
        add_found(r, log_topic(log), log_partition(log), log_parent_directory(log));
    if (p == NULL) {
        log_abandon(log);
        return;
    }
    log_dirs_place(r->dirs, dir_index);
    replicas__attach(r, p, log, dir_index);
}

static void on_unopened_log(void *context, uint32_t dir_index, const struct log_params *params,
                            int error, const struct err_note *note)
{
    struct replicas *r = context;
    if (!err_is_shortage(error))
        replicas__directory_failed(r, dir_index, error, note);
    struct partition *p = add_found(r, params->topic, params->partition, params->log_dir);
    if (p == NULL)
        return;
    p->state = PARTITION_OFFLINE;
    p->log_dir_index = dir_index;
    if (!err_is_shortage(error)) {
        DIAG_ERROR(r->diag, "log", "%s-%" PRId32 " cannot be opened: %s", p->topic, p->index,
                   note->text);
        return;
    }
    p->is_tried_again = true;
    p->again = mem_dup(params, sizeof(*params));
    replicas__tell_open_short(r, p, note);
}

/* A topic that exists, and whose files do not: somebody has removed them. */
static void tell_missing(const struct replicas *r, uint32_t dir_index, const char *name,
                         int32_t partition)
{
    const struct metadata_topic *topic = metadata_topic_by_name(r->image, bytes_from_text(name));
    const int64_t offset =
        log_dirs_checkpointed(r->dirs, dir_index, LOG_CHECKPOINT_RECOVERY_POINT, name, partition);
    if (offset <= 0 || topic == NULL || metadata_topic_partition(topic, partition) == NULL ||
        replicas_get(r, topic->id, partition) != NULL)
        return;
    DIAG_WARN(r->diag, "log",
              "%s-%" PRId32 " is not in %s, where its records up to offset %" PRId64
              " had been flushed: it begins empty",
              name, partition, log_dirs_at(r->dirs, dir_index)->path, offset);
}

static void on_stale_checkpoint(void *context, uint32_t dir_index, const char *topic,
                                int32_t partition)
{
    struct replicas *r = context;
    if (!replicas__is_departing(r, topic, partition))
        tell_missing(r, dir_index, topic, partition);
    replicas__gone(r, dir_index, topic, partition);
}

static void on_loaded_all(void *context)
{
    struct replicas *r = context;
    r->is_loading = false;
    r->is_loaded = true;
    /* What the image gives us and no directory holds is new, unless it may lie in one that is offline; and nothing is begun on
     * the way out. */
    struct metadata_walk topics;
    const struct metadata_topic *topic;
    for (metadata_walk_topics(&topics, r->image);
         !r->is_closing && (topic = metadata_next_topic(&topics)) != NULL;) {
        struct metadata_walk partitions;
        const struct metadata_partition *told;
        for (metadata_walk_partitions(&partitions, topic);
             (told = metadata_next_partition(&partitions)) != NULL;)
            on_partition(r, topic, NULL, told);
    }
    replicas__begin_cleaning(r);
    replicas__opened(r);
}

void replicas_load(struct replicas *r, struct metadata_image *image, void (*done)(void *context),
                   void *context)
{
    ASSERT(r->image == NULL);
    r->image = metadata_image_ref(image);
    r->is_loading = true;
    add_wait(r, done, context);
    const struct log_load load = {
        .dirs = r->dirs,
        .jobs_per_dir =
            (uint32_t)config_i64(r->config, SETTING_BROKER_NUM_RECOVERY_THREADS_PER_DATA_DIR),
        .now_ms = io_now_ms(r->io),
        .want = want_log,
        .on_log = on_loaded_log,
        .on_unopened = on_unopened_log,
        .on_stale = on_stale_checkpoint,
        .on_done = on_loaded_all,
        .context = r,
        .diag = r->diag,
    };
    log_dirs_load(&load);
}

/* ---- the turn's end -------------------------------------------------------------------------- */

bool replicas_write(struct replicas *r)
{
    replicas__act_on_failures(r);
    replicas__forget_gone(r);
    if (list_is_empty(&r->dirty))
        return false;
    struct list written;
    list_init(&written);
    while (!list_is_empty(&r->dirty)) {
        struct partition *p = LIST_ENTRY(list_pop_front(&r->dirty), struct partition, dirty_link);
        list_push_back(&written, &p->written_link);
        struct err_note note = { 0 };
        partition__write(p, &note);
        replicas__tell_write(r, p, &note);
    }
    /* Only now the answers: a fetch that is woken finds everything that this turn wrote. Whoever is told may append, also to
     * one of these: it is dirty again then. */
    while (!list_is_empty(&written)) {
        struct partition *p = LIST_ENTRY(list_pop_front(&written), struct partition, written_link);
        partition__after_write(p);
    }
    replicas__act_on_failures(r);
    return true;
}

/* ---- housekeeping ---------------------------------------------------------------------------- */

void replicas_tick(struct replicas *r, int64_t now_ms)
{
    if (r->is_closing)
        return;
    replicas__tell_space(r);
    replicas__open_again(r);
    replicas__delete_again(r);
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (p->state == PARTITION_ONLINE)
            log_tick(p->log, now_ms);
    }
    if (r->is_retention_due)
        replicas_retain(r, now_ms);
}

void replicas__retain(struct replicas *r, struct partition *p, int64_t now_ms)
{
    struct err_note note = { 0 };
    const int n = log_retain(p->log, now_ms, p->high_watermark, &note);
    p->awaits_retention = n == -ERR_WOULD_BLOCK;
    if (p->awaits_retention)
        return;
    if (n < 0)
        DIAG_ERROR(r->diag, "log", "retention of %s-%d failed: %s", p->topic, p->index, note.text);
    else if (n > 0)
        DIAG_INFO(r->diag, "log",
                  "retention removed %d segments of %s-%d; it begins at offset %" PRId64 " now", n,
                  p->topic, p->index, log_offsets(p->log)->start);
}

static void may_retain(struct replicas *r, struct partition *p, int64_t now_ms)
{
    if (p->state == PARTITION_ONLINE && !log_has_planned(p->log))
        replicas__retain(r, p, now_ms);
}

void replicas__looked(struct replicas *r, struct partition *p)
{
    if (p->awaits_retention)
        may_retain(r, p, io_now_ms(r->io));
    if (p->state == PARTITION_ONLINE && log_config(p->log)->cleanup_compact)
        replicas__clean_soon(r);
}

static void on_retain_timer(struct io_timer *timer)
{
    struct replicas *r = CONTAINER_OF(timer, struct replicas, retain_timer);
    for (int i = 0; i < RETAIN_SLICE && r->retain_next != &r->partitions; i++) {
        struct partition *p = LIST_ENTRY(r->retain_next, struct partition, link);
        r->retain_next = p->link.next;
        may_retain(r, p, r->retain_now_ms);
    }
    if (r->retain_next != &r->partitions)
        io_timer_arm_after(r->io, timer, RETAIN_PAUSE_MS);
}

void replicas_retain(struct replicas *r, int64_t now_ms)
{
    r->is_retention_due = false;
    if (r->is_closing || r->retain_next != &r->partitions)
        return;
    r->retain_next = r->partitions.next;
    r->retain_now_ms = now_ms;
    r->retain_timer.fire = on_retain_timer;
    on_retain_timer(&r->retain_timer);
}

void replicas__end_retention(struct replicas *r)
{
    io_timer_cancel(r->io, &r->retain_timer);
    r->retain_next = &r->partitions;
}

static void gather(const struct log *log, int64_t high_watermark, struct offset_checkpoint *kinds)
{
    const struct log_offsets *offsets = log_offsets(log);
    const char *topic = log_topic(log);
    const int32_t index = log_partition(log);
    offset_checkpoint_add(&kinds[LOG_CHECKPOINT_RECOVERY_POINT], topic, index,
                          offsets->recovery_point);
    offset_checkpoint_add(&kinds[LOG_CHECKPOINT_HIGH_WATERMARK], topic, index, high_watermark);
    if (log_segment_count(log) == 0 || offsets->start > log_segment_base(log, 0))
        offset_checkpoint_add(&kinds[LOG_CHECKPOINT_LOG_START], topic, index, offsets->start);
}

/* Of a log that waits for space to be opened: what the checkpoints said of it. */
static void gather_waiting(const struct replicas *r, const struct partition *p,
                           struct offset_checkpoint *kinds)
{
    const int64_t high_watermark = log_dirs_checkpointed(
        r->dirs, p->log_dir_index, LOG_CHECKPOINT_HIGH_WATERMARK, p->topic, p->index);
    /* A file that is not empty says of each log what was flushed: that is not known of this one. */
    kinds[LOG_CHECKPOINT_RECOVERY_POINT].is_nothing_known |= !p->again->is_recovery_point_known;
    offset_checkpoint_add(&kinds[LOG_CHECKPOINT_RECOVERY_POINT], p->topic, p->index,
                          p->again->recovery_point);
    offset_checkpoint_add(&kinds[LOG_CHECKPOINT_HIGH_WATERMARK], p->topic, p->index,
                          high_watermark);
    if (p->again->log_start_offset > 0)
        offset_checkpoint_add(&kinds[LOG_CHECKPOINT_LOG_START], p->topic, p->index,
                              p->again->log_start_offset);
}

void replicas__gather_cleaned(const struct replicas *r, uint32_t log_dir_index,
                              struct offset_checkpoint *out)
{
    LIST_FOR_EACH(&r->partitions, link)
    {
        const struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (p->log_dir_index != log_dir_index)
            continue;
        const int64_t cleaned_end = p->log != NULL     ? log_cleaned_end(p->log)
                                    : p->again != NULL ? p->again->cleaned_end
                                                       : 0;
        if (cleaned_end > 0)
            offset_checkpoint_add(out, p->topic, p->index, cleaned_end);
    }
}

void replicas__gather(const struct replicas *r, uint32_t log_dir_index,
                      struct offset_checkpoint kinds[LOG_CHECKPOINT_KINDS])
{
    LIST_FOR_EACH(&r->partitions, link)
    {
        const struct partition *p = LIST_ENTRY(link, struct partition, link);
        if (p->log_dir_index != log_dir_index)
            continue;
        if (p->log != NULL)
            gather(p->log, p->high_watermark, kinds);
        else if (p->again != NULL)
            gather_waiting(r, p, kinds);
    }
    replicas__gather_cleaned(r, log_dir_index, &kinds[LOG_CHECKPOINT_CLEANER]);
}

void replicas__checkpointed(struct replicas *r, uint32_t log_dir_index, int error)
{
    if (error < 0 && !err_is_shortage(error)) {
        struct err_note note;
        (void)err_note(&note, error, "checkpoint files cannot be written");
        replicas__directory_failed(r, log_dir_index, error, &note);
    }
}

void replicas_checkpoint(struct replicas *r)
{
    if (!r->is_loaded || r->is_closing)
        return; /* what the files say of logs that are not open yet would be lost */
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++) {
        if (log_dirs_at(r->dirs, dir)->is_online)
            replicas__checkpoint_dir(r, dir);
    }
}

void replicas_abandon(struct replicas *r)
{
    if (r == NULL)
        return;
    r->is_closing = r->is_abandoned = true;
    replicas__end_cleaning(r);
    replicas__end_retention(r);
    replicas__drop_held(r);
    LIST_FOR_EACH(&r->partitions, link)
    LIST_ENTRY(link, struct partition, link)->state = PARTITION_OFFLINE;
    LIST_FOR_EACH(&r->partitions, link)
    {
        struct partition *p = LIST_ENTRY(link, struct partition, link);
        partition__fail_waits(p, KAFKA_NOT_LEADER_OR_FOLLOWER);
        if (p->log != NULL)
            replicas__abandon(r, p);
    }
    while (r->waits.count > 0) {
        const struct replicas_wait wait = r->waits.items[0];
        VEC_REMOVE_AT(&r->waits, 0);
        wait.done(wait.context);
    }
}

void replicas_free(struct replicas *r)
{
    if (r == NULL)
        return;
    ASSERT(r->opening_count == 0 && r->retrying_count == 0 && r->closing_count == 0);
    while (!list_is_empty(&r->partitions)) {
        struct partition *p = LIST_ENTRY(r->partitions.next, struct partition, link);
        ASSERT(p->log == NULL);
        replicas__remove(r, p);
    }
    map_deinit(&r->by_id);
    metadata_image_unref(r->image);
    config_unref(r->config);
    VEC_DEINIT(&r->waits);
    replicas__forget_undeleted(r);
    replicas__departed_deinit(r);
    mem_free(r->dir_states);
    mem_free(r);
}
