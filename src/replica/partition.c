/* One partition: appends, reads, and those who wait. */
#include "replica/replicas_int.h"

#include "wire/control_record.h"

enum kafka_error partition_check_leader(const struct partition *p, int32_t current_leader_epoch)
{
    if (p->state == PARTITION_OFFLINE)
        return KAFKA_KAFKA_STORAGE_ERROR;
    if (current_leader_epoch >= 0 && current_leader_epoch < p->leader_epoch)
        return KAFKA_FENCED_LEADER_EPOCH;
    if (current_leader_epoch >= 0 && current_leader_epoch > p->leader_epoch)
        return KAFKA_UNKNOWN_LEADER_EPOCH;
    if (!p->is_leader || p->state != PARTITION_ONLINE)
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    return KAFKA_NONE;
}

/* ---- appending ------------------------------------------------------------------------------- */

static void refuse(struct log_append_result *out, enum kafka_error error)
{
    *out = (struct log_append_result){
        .error = error,
        .first_offset = -1,
        .last_offset = -1,
        .append_time_ms = -1,
        .log_start_offset = -1,
    };
}

/* Waits stand by the offset they need; appends are planned in order, so nearly always at the end. */
static void add_wait(struct partition *p, struct append_wait *wait, int64_t offset_required)
{
    wait->offset_required = offset_required;
    struct list *after = p->append_waits.prev;
    while (after != &p->append_waits &&
           LIST_ENTRY(after, struct append_wait, link)->offset_required > offset_required)
        after = after->prev;
    list_push_front(after, &wait->link);
}

/* Something is to be written, or told, at the turn's end. */
static void mark_dirty(struct partition *p)
{
    if (!list_is_linked(&p->dirty_link))
        list_push_back(&p->replicas->dirty, &p->dirty_link);
}

void partition_append(struct partition *p, const struct log_append *append,
                      struct append_wait *wait, struct log_append_result *out)
{
    const enum kafka_error leads = partition_check_leader(p, -1);
    if (leads != KAFKA_NONE) {
        refuse(out, leads);
        return;
    }
    if (wait != NULL && wait->is_all &&
        p->isr_count < MIN(p->isr_count_min, (int32_t)p->replica_count)) {
        refuse(out, KAFKA_NOT_ENOUGH_REPLICAS);
        return;
    }
    if (replicas__lacks_space(p->replicas, p->log_dir_index, append, out))
        return;
    struct log_append planned = *append;
    planned.leader_epoch = p->leader_epoch;
    log_append_plan(p->log, &planned, out);
    if (out->error != KAFKA_NONE)
        return;

    replicas__appended(p->replicas, p->log_dir_index, out->size_bytes);
    if (wait != NULL)
        add_wait(p, wait, out->last_offset + 1);
    /* A duplicate plans nothing, but its wait is answered at the turn's end like any other. */
    mark_dirty(p);
}

void partition_end_transaction(struct partition *p, const struct partition_marker *marker,
                               struct append_wait *wait, struct log_append_result *out)
{
    const struct transaction_marker content = {
        .type = marker->is_commit ? CONTROL_COMMIT : CONTROL_ABORT,
        .leader_epoch = -1,
        .timestamp_ms = marker->now_ms,
        .producer_id = marker->producer_id,
        .producer_epoch = marker->producer_epoch,
        .coordinator_epoch = marker->coordinator_epoch,
    };
    struct shared *batch = shared_new(TRANSACTION_MARKER_BYTES);
    transaction_marker_encode(&content, batch->data);
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = TRANSACTION_MARKER_BYTES,
                                       .origin = LOG_ORIGIN_COORDINATOR,
                                       .now_ms = marker->now_ms,
                                       .transaction_version = marker->transaction_version };
    wait->is_all = true;
    partition_append(p, &append, wait, out);
    shared_unref(batch);
}

/* Lowest written end over the ISR; with others in it, their fetches move it (KIP-497). */
static void advance_high_watermark(struct partition *p)
{
    if (p->log == NULL || !p->is_leader || !p->is_sole_in_sync)
        return;
    const int64_t end = log_settled_end(p->log);
    if (end <= p->high_watermark)
        return;
    p->high_watermark = end;
    log_note_high_watermark(p->log, end);
}

static void tell_all(struct list *waits, enum kafka_error error)
{
    for (struct list *link; (link = list_pop_front(waits)) != NULL;) {
        struct append_wait *wait = LIST_ENTRY(link, struct append_wait, link);
        wait->done(wait, error);
    }
}

/* Answers who has what was asked for. The rest wait on, but for those who need an offset above `kept_end`: to them `error`.
 * They are found before the first is told, who may append anew to offsets that were given back. */
static void finish_waits(struct partition *p, int64_t kept_end, enum kafka_error error)
{
    const int64_t settled_end = p->log == NULL ? -1 : log_settled_end(p->log);
    struct list safe;
    struct list failed;
    list_init(&safe);
    list_init(&failed);
    LIST_FOR_EACH(&p->append_waits, link)
    {
        const struct append_wait *wait = LIST_ENTRY(link, struct append_wait, link);
        const int64_t safe_end = wait->is_all ? p->high_watermark : settled_end;
        const bool is_safe = wait->offset_required <= safe_end;
        if (!is_safe && wait->offset_required <= kept_end)
            continue;
        list_remove(link);
        list_push_back(is_safe ? &safe : &failed, link);
    }
    tell_all(&safe, KAFKA_NONE);
    tell_all(&failed, error);
}

void partition__write(struct partition *p, struct err_note *note)
{
    ASSERT(p->log != NULL);
    p->write_error = log_write(p->log, note);
    advance_high_watermark(p);
}

void partition__flushed(struct partition *p)
{
    if (!list_is_empty(&p->append_waits) || p->high_watermark < log_settled_end(p->log))
        mark_dirty(p);
}

void partition__after_write(struct partition *p)
{
    /* What was written before stays written, whatever happened to the rest. */
    const int64_t written_end = p->log == NULL ? -1 : log_offsets(p->log)->end;
    finish_waits(p, p->write_error < 0 ? written_end : INT64_MAX, KAFKA_KAFKA_STORAGE_ERROR);
    p->write_error = 0;
    partition__wake(p);
}

void partition__fail_waits(struct partition *p, enum kafka_error error)
{
    finish_waits(p, -1, error);
    partition__wake(p);
}

/* ---- reading --------------------------------------------------------------------------------- */

int64_t partition_last_stable_offset(const struct partition *p)
{
    const int64_t unstable = log_first_unstable_offset(p->log, p->high_watermark);
    return unstable < 0 ? p->high_watermark : MIN(unstable, p->high_watermark);
}

int64_t partition_readable_end(const struct partition *p, enum fetch_isolation isolation)
{
    switch (isolation) {
    case FETCH_LOG_END:
        return log_offsets(p->log)->end;
    case FETCH_HIGH_WATERMARK:
        return p->high_watermark;
    case FETCH_COMMITTED:
        return partition_last_stable_offset(p);
    }
    ASSERT(false);
    return -1;
}

int64_t partition_log_start(const struct partition *p)
{
    return log_offsets(p->log)->start;
}

void partition_watch(struct partition *p, struct fetch_watch *watch)
{
    watch->partition = p;
    list_push_back(&p->fetch_watches, &watch->link);
}

void fetch_watch_remove(struct fetch_watch *watch)
{
    list_remove(&watch->link);
    watch->partition = NULL;
}

void partition__wake(struct partition *p)
{
    /* A woken fetch may remove any watch and add new ones: take them one by one from a list of our own. */
    struct list woken;
    list_init(&woken);
    while (!list_is_empty(&p->fetch_watches))
        list_push_back(&woken, list_pop_front(&p->fetch_watches));
    struct list *link;
    while ((link = list_pop_front(&woken)) != NULL) {
        struct fetch_watch *watch = LIST_ENTRY(link, struct fetch_watch, link);
        watch->wake(watch);
    }
}

/* ---- leadership ------------------------------------------------------------------------------ */

void partition__lead(struct partition *p, const struct metadata_partition *told)
{
    const int32_t node_id = p->replicas->node_id;
    const bool is_new_epoch = told->leader_epoch != p->leader_epoch;
    p->leader_id = told->leader;
    p->leader_epoch = told->leader_epoch;
    p->partition_epoch = told->partition_epoch;
    p->isr_count = told->isr_count;
    p->replica_count = told->replica_count;
    p->is_leader = told->leader == node_id;
    p->is_sole_in_sync = told->isr_count == 1 && metadata_partition_isr(told)[0] == node_id;
    if (p->state != PARTITION_ONLINE)
        return;
    if (p->is_leader && is_new_epoch)
        log_epoch_assign(p->log, p->leader_epoch);
    const int64_t before = p->high_watermark;
    advance_high_watermark(p);
    if (p->high_watermark > before)
        mark_dirty(p); /* an ISR that shrank lets go of who waited for the others */
    if (!p->is_leader)
        partition__fail_waits(p, KAFKA_NOT_LEADER_OR_FOLLOWER);
}

void partition__online(struct partition *p, struct log *log, uint32_t log_dir_index)
{
    const struct log_offsets *offsets = log_offsets(log);
    p->log = log;
    p->log_dir_index = log_dir_index;
    p->state = PARTITION_ONLINE;
    const int64_t checkpointed = log_dirs_checkpointed(
        p->replicas->dirs, log_dir_index, LOG_CHECKPOINT_HIGH_WATERMARK, p->topic, p->index);
    p->high_watermark = MIN(MAX(checkpointed, offsets->start), offsets->end);
    if (p->is_leader)
        log_epoch_assign(log, p->leader_epoch);
    advance_high_watermark(p);
    log_note_high_watermark(log, p->high_watermark); /* though it need not have moved */
}
