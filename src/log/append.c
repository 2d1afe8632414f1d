/* Planning appends: offsets, producers and epochs advance; the bytes wait for log_write. See
 * log.h. */
#include "log/append_check.h"
#include "log/log_int.h"
#include "log/producer_snapshot.h"

#include "base/mem.h"
#include "wire/legacy.h"

#include <string.h>

static void refuse(struct log_append_result *out, const struct log_append *append,
                   enum kafka_error error, const struct err_note *note)
{
    out->error = error;
    if (append->arena != NULL && note != NULL) {
        const char *text = arena_dup(append->arena, note->text, strlen(note->text) + 1);
        out->message = bytes_from_text(text);
    }
}

bool log_has_planned(const struct log *log)
{
    return log->plan.batches.count > 0;
}

/* ---- one batch ------------------------------------------------------------------------------- */

/* What a plan knows of one batch of an append. */
struct batch_at_hand {
    uint8_t *bytes;
    uint32_t size_bytes;
    bool is_legacy;
    bool has_event;
    int64_t base_offset;
    int32_t leader_epoch; /* -1 in the old formats */
    struct metered_batch metered;
    struct producer_event event;
};

static void describe(struct batch_at_hand *batch, const struct batch_view *view)
{
    batch->base_offset = view->base_offset;
    batch->leader_epoch = view->leader_epoch;
    batch->metered = (struct metered_batch){ .last_offset = batch_last_offset(view),
                                             .max_timestamp = view->max_timestamp,
                                             .size_bytes = batch->size_bytes };
    batch->has_event = view->producer_id >= 0 && producer_event_read(view, &batch->event) == 0;
}

/* A plan begins where the active segment ends. */
static void begin_plan(struct log *log)
{
    if (log->plan.batches.count > 0)
        return;
    ASSERT(log__active(log)->is_meter_ready);
    log->plan.meter = log__active(log)->meter;
}

static void note_epoch(struct log *log, int32_t epoch, int64_t offset)
{
    if (epoch < 0 || epoch == epochs_latest(&log->epochs))
        return;
    if (!log->plan.has_epochs_before) {
        log->plan.has_epochs_before = true;
        log->plan.epochs_before.entries.count = 0;
        log->plan.epochs_before.is_dirty = log->epochs.is_dirty;
        for (size_t i = 0; i < log->epochs.entries.count; i++)
            VEC_ADD(&log->plan.epochs_before.entries, log->epochs.entries.items[i]);
    }
    epochs_assign(&log->epochs, epoch, offset);
}

struct planned_snapshot *log__take_snapshot(const struct log *log, int64_t offset)
{
    struct planned_snapshot *snapshot = MEM_NEW(struct planned_snapshot);
    snapshot->offset = offset;
    snapshot->has_producers = producers_count(&log->producers) > 0;
    buf_init(&snapshot->bytes, PRODUCER_SNAPSHOT_BYTES_MAX);
    producer_snapshot_encode(&log->producers, &snapshot->bytes);
    return snapshot;
}

static void plan_batch(struct log *log, struct shared *owner, const struct batch_at_hand *batch,
                       int64_t now_ms)
{
    struct planned_batch *planned = VEC_PUSH(&log->plan.batches);
    planned->owner = shared_ref(owner);
    planned->bytes = batch->bytes;
    planned->metered = batch->metered;
    planned->base_offset = batch->base_offset;
    planned->now_ms = now_ms;
    if (segment_meter_is_full(&log->plan.meter, &log->config, &batch->metered, now_ms)) {
        planned->rolls = true;
        /* Old formats tell no first offset: one far enough below the last holds them all. */
        if (batch->is_legacy)
            planned->base_offset =
                MAX(batch->metered.last_offset - INT32_MAX, log->offsets.planned_end);
        planned->snapshot = log__take_snapshot(log, planned->base_offset);
        log->plan.meter = (struct segment_meter){ .base_offset = planned->base_offset,
                                                  .indexed_timestamp = -1,
                                                  .max_timestamp = -1,
                                                  .first_timestamp = -1,
                                                  .created_ms = now_ms,
                                                  .roll_jitter_ms = log__draw_jitter(log) };
    }
    (void)segment_meter_add(&log->plan.meter, log->config.index_interval_bytes, &batch->metered);
    if (batch->has_event && producers_apply(&log->producers, &batch->event, &planned->ended))
        planned->ends_aborted_txn = planned->ended.is_aborted;
    note_epoch(log, batch->leader_epoch, batch->base_offset);
    log->offsets.planned_end = batch->metered.last_offset + 1;
}

/* ---- appends of one batch, whose offsets are assigned here ----------------------------------- */

/* True when the batch is to be planned; else out tells of an error or a duplicate. */
static bool check_producer(struct log *log, const struct log_append *append,
                           const struct batch_at_hand *batch, struct log_append_result *out)
{
    if (!batch->has_event)
        return true;
    const struct producer_check check = {
        .origin = append->origin,
        .transaction_verified =
            append->transaction_verified || !log->config.transaction_verification,
        .verification_guard = append->verification_guard,
        .transaction_version = append->transaction_version,
    };
    struct err_note note = { "" };
    struct producer_verdict verdict =
        producers_check(&log->producers, &batch->event, &check, &note);
    const struct producer *producer = producers_get(&log->producers, batch->event.producer_id);
    if (verdict.error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && producer != NULL &&
        producer->is_cut) {
        /* A batch of before a restart that is sent again, since its answer was lost: it is looked for, once a producer. */
        log__recall_batches(log, batch->event.producer_id);
        verdict = producers_check(&log->producers, &batch->event, &check, &note);
    }
    if (verdict.error != KAFKA_NONE) {
        refuse(out, append, verdict.error, &note);
        return false;
    }
    if (verdict.is_duplicate) {
        out->is_duplicate = true;
        out->first_offset = verdict.first_offset;
        out->last_offset = verdict.last_offset;
        out->append_time_ms = verdict.timestamp;
        out->size_bytes = 0;
    }
    return !verdict.is_duplicate;
}

static void plan_assigned(struct log *log, const struct log_append *append,
                          struct log_append_checked *checked, struct log_append_result *out)
{
    const int64_t base_offset = log->offsets.planned_end;
    if (base_offset > INT64_MAX - 1 - checked->first.last_offset_delta) {
        refuse(out, append, KAFKA_UNKNOWN_SERVER_ERROR, NULL);
        return;
    }
    checked->first.base_offset = base_offset;
    checked->first.leader_epoch = append->leader_epoch;
    struct batch_at_hand batch = { .bytes = checked->records, .size_bytes = checked->size_bytes };
    describe(&batch, &checked->first);
    if (!check_producer(log, append, &batch, out))
        return;
    batch_set_base_offset(checked->records, base_offset);
    batch_set_leader_epoch(checked->records, append->leader_epoch);
    plan_batch(log, checked->owner, &batch, append->now_ms);
    out->first_offset = base_offset;
    out->last_offset = batch.metered.last_offset;
}

/* ---- appends of several batches, whose offsets are kept -------------------------------------- */

/* The batch at `position`, which was looked at in the check. */
static void read_kept(const struct log_append_checked *checked, uint32_t position,
                      struct batch_at_hand *batch)
{
    const struct bytes rest =
        bytes_from(checked->records + position, checked->size_bytes - position);
    *batch = (struct batch_at_hand){ .bytes = checked->records + position };
    struct batch_view view;
    int size = batch_parse(rest, &view);
    if (size >= 0) {
        batch->size_bytes = (uint32_t)size;
        describe(batch, &view);
        return;
    }
    struct legacy_view legacy;
    size = legacy_parse(rest, &legacy);
    ASSERT(size > 0);
    batch->size_bytes = (uint32_t)size;
    batch->is_legacy = true;
    batch->base_offset = legacy.offset;
    batch->leader_epoch = -1;
    batch->metered = (struct metered_batch){ .last_offset = legacy.offset,
                                             .max_timestamp = legacy.timestamp,
                                             .size_bytes = batch->size_bytes };
}

static bool check_continues(const struct log *log, const struct log_append *append,
                            const struct batch_at_hand *first, struct log_append_result *out)
{
    const int64_t end = log->offsets.planned_end;
    const bool fits = append->origin == LOG_ORIGIN_RAFT_LEADER ? first->base_offset == end
                                                               : first->base_offset >= end;
    if (fits)
        return true;
    struct err_note note;
    err_note(&note, 0, "Offset %" PRId64 " does not continue the log, which ends at %" PRId64,
             first->base_offset, end);
    refuse(out, append, KAFKA_UNKNOWN_SERVER_ERROR, &note);
    return false;
}

static void plan_kept(struct log *log, const struct log_append *append,
                      struct log_append_checked *checked, struct log_append_result *out)
{
    out->first_offset = log->offsets.planned_end;
    uint32_t position = 0;
    while (position < checked->size_bytes) {
        struct batch_at_hand batch;
        read_kept(checked, position, &batch);
        if (position == 0) {
            if (!check_continues(log, append, &batch, out))
                return;
            out->first_offset = batch.base_offset;
        }
        plan_batch(log, checked->owner, &batch, append->now_ms);
        position += batch.size_bytes;
    }
    out->last_offset = log->offsets.planned_end - 1;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void plan(struct log *log, const struct log_append *append,
                 struct log_append_checked *checked, struct log_append_result *out)
{
    *out = (struct log_append_result){
        .error = checked->error,
        .message = checked->message,
        .record_errors = checked->record_errors,
        .record_error_count = checked->record_error_count,
        .first_offset = -1,
        .last_offset = -1,
        .append_time_ms = checked->append_time_ms,
        .log_start_offset = log->offsets.start,
        .record_count = checked->record_count,
        .size_bytes = checked->size_bytes,
    };
    if (checked->error != KAFKA_NONE)
        return;
    if (log->failure != 0) {
        struct err_note note;
        err_note(&note, log->failure, "%s cannot be written: %s", log->place.directory,
                 err_sentence(log->failure));
        refuse(out, append, KAFKA_KAFKA_STORAGE_ERROR, &note);
        return;
    }
    begin_plan(log);
    if (append->origin == LOG_ORIGIN_RAFT_LEADER || append->origin == LOG_ORIGIN_REPLICATION)
        plan_kept(log, append, checked, out);
    else
        plan_assigned(log, append, checked, out);
}

static struct log_append with_contexts(const struct log *log, const struct log_append *append)
{
    struct log_append out = *append;
    if (append->contexts == NULL && log->place.files != NULL)
        out.contexts = log_files_codecs(log->place.files);
    return out;
}

struct log_append_checked *log_append_check_quickly(struct log *log,
                                                    const struct log_append *append)
{
    const struct log_append here = with_contexts(log, append);
    struct log_append_checked *checked = MEM_NEW(struct log_append_checked);
    log__append_check(&log->config, &here, LOG_QUICK_BYTES_MAX, checked);
    if (!checked->is_long)
        return checked;
    log_append_checked_free(checked);
    return NULL;
}

void log_append_plan(struct log *log, const struct log_append *append,
                     struct log_append_result *out)
{
    if (append->checked != NULL) {
        plan(log, append, append->checked, out);
        return;
    }
    const struct log_append here = with_contexts(log, append);
    struct log_append_checked checked;
    log__append_check(&log->config, &here, LOG_CHECK_WHOLE, &checked);
    plan(log, append, &checked, out);
    log__append_checked_deinit(&checked);
}
