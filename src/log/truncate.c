/* Cutting a log from its end, and starting it anew. See log.h. */
#include "log/log_int.h"
#include "log/txn_index.h"

#include "base/mem.h"

static int fail(struct log *log, int r, const char *what, struct err_note *note)
{
    err_note(note, r, "%s %s: %s", what, log->place.directory, err_sentence(r));
    return log__fail(log, r, note);
}

/* Newest first, so that a crash on the way leaves a log without a hole. */
static int remove_segments_from(struct log *log, uint32_t first)
{
    while (log->segments.count > first) {
        const int r = log__segment_remove(log, VEC_POP(&log->segments));
        if (r < 0)
            return r;
    }
    log__mark_sealed(log);
    return 0;
}

static void remove_snapshots_above(struct log *log, int64_t offset)
{
    while (log->snapshot_offsets.count > 0 &&
           log->snapshot_offsets.items[log->snapshot_offsets.count - 1] > offset)
        log__snapshot_remove(log, log->snapshot_offsets.items[log->snapshot_offsets.count - 1]);
}

static int cut_active(struct log *log, int64_t offset, int64_t now_ms, int64_t *out_end)
{
    struct segment *active = log__active(log);
    int r = segment_load_times(active, &log->place, log->config.index_interval_bytes, NULL);
    if (r < 0)
        return r;
    struct segment_found found;
    r = segment_find(active, &log->place, MAX(offset, active->meter.base_offset), 0, &found, NULL);
    if (r < 0)
        return r;
    *out_end = offset;
    if (r > 0) {
        /* A batch that reaches over the offset goes whole: the log then ends where it begins. */
        if (found.base_offset < offset && found.base_offset >= active->meter.base_offset)
            *out_end = found.base_offset;
        r = segment_truncate(active, &log->place, (uint32_t)found.position,
                             log->config.index_interval_bytes, now_ms);
    }
    if (r >= 0 && active->has_txn_index) {
        log_file_close(log->place.files, &active->aborted); /* it may be removed */
        r = txn_index_truncate(&log->place, active->meter.base_offset, *out_end);
        active->has_txn_index = r != 0;
    }
    return r < 0 ? r : 0;
}

static void set_end(struct log *log, int64_t end)
{
    log->offsets.planned_end = log->offsets.end = end;
    log__cut_flushes(log, end);
    log->offsets.flushed_end = MIN(log->offsets.flushed_end, end);
    log->cleaned_end = MIN(log->cleaned_end, end);
    if (log->offsets.flushed_end == end)
        log->unflushed_bytes = 0;
    log->flush_due_end = MIN(log->flush_due_end, end);
    log->indexed_end = MIN(log->indexed_end, log__active(log)->meter.base_offset);
    log__settle_recovery_point(log);
    log->offsets.start = MIN(log->offsets.start, end);
    log->offsets.local_start = MIN(log->offsets.local_start, end);
    log__tail_clear(log);
}

static int truncate_to(struct log *log, int64_t offset, int64_t now_ms, struct err_note *note)
{
    /* A segment that begins at the offset stays, empty: its name tells where the log goes on. */
    const uint32_t last = log__segment_index(log, offset);
    int r = remove_segments_from(log, last + 1);
    if (r < 0)
        return fail(log, r, "remove segments of", note);
    int64_t end = offset;
    r = cut_active(log, offset, now_ms, &end);
    if (r < 0)
        return fail(log, r, "truncate", note);
    remove_snapshots_above(log, end);
    epochs_truncate_from_end(&log->epochs, end);
    set_end(log, end);
    const struct producers_load load = { .start_offset = log->offsets.start,
                                         .end_offset = end,
                                         .flushed_end = log->offsets.flushed_end,
                                         .now_ms = now_ms };
    r = log__load_producers(log, &load, note);
    return r < 0 ? log__fail(log, r, note) : 0;
}

int log_truncate(struct log *log, int64_t offset, int64_t now_ms, struct err_note *note)
{
    ASSERT(!log_has_planned(log) && log->cleaning == NULL && offset >= 0);
    if (log->failure != 0)
        return log->failure;
    if (offset >= log->offsets.end) {
        /* An epoch that began here without a record may be another one's now. */
        epochs_truncate_from_end(&log->epochs, log->offsets.end);
        return 0;
    }
    if (offset < log->segments.items[0]->meter.base_offset)
        return log_truncate_fully(log, offset, offset, now_ms, note);
    const bool may_sleep = log->place.may_sleep;
    log->place.may_sleep = true;
    const int r = truncate_to(log, offset, now_ms, note);
    log->place.may_sleep = may_sleep;
    return r;
}

int log_truncate_fully(struct log *log, int64_t offset, int64_t start_offset, int64_t now_ms,
                       struct err_note *note)
{
    ASSERT(!log_has_planned(log) && log->cleaning == NULL);
    ASSERT(start_offset >= 0 && start_offset <= offset);
    if (log->failure != 0)
        return log->failure;
    int r = remove_segments_from(log, 0);
    if (r < 0)
        return fail(log, r, "remove segments of", note);
    remove_snapshots_above(log, -1);
    epochs_clear(&log->epochs);
    producers_clear(&log->producers);
    r = log__segment_add(log, offset, now_ms, note);
    if (r == 0) {
        r = io_fs_sync_directory(log->place.fs,
                                 log->place.directory); /* its name tells the offset */
        if (r < 0)
            err_note(note, r, "sync %s: %s", log->place.directory, err_sentence(r));
    }
    if (r < 0) {
        /* Without a segment there is no log: even a full disk is fatal here. */
        log__break(log, r, note);
        return r;
    }
    log__cut_flushes(log, 0);
    log->flush_due_end = 0;
    log->cleaned_end = 0;
    log->unflushed_bytes = 0;
    log->indexed_end = offset;
    log->offsets = (struct log_offsets){ .start = start_offset,
                                         .local_start = offset,
                                         .planned_end = offset,
                                         .end = offset,
                                         .flushed_end = offset,
                                         .recovery_point = offset };
    return 0;
}

int log_advance_start(struct log *log, int64_t start_offset, int64_t high_watermark)
{
    if (start_offset > high_watermark || start_offset > log->offsets.end)
        return -ERR_OFFSET_OUT_OF_RANGE;
    if (start_offset <= log->offsets.start)
        return 0;
    log->offsets.start = start_offset;
    log->offsets.local_start = MAX(log->offsets.local_start, start_offset);
    epochs_truncate_from_start(&log->epochs, start_offset);
    return 1;
}
