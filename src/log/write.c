/* Writing what was planned, and rolling to new segments. See log.h.
 *
 * Batches go out in runs: all of them in one, unless a segment ends in between. A run that was
 * written is settled; the first that fails takes back everything planned after the last success.
 */
#include "log/log_int.h"
#include "log/txn_index.h"

#include "base/mem.h"

#include <errno.h>

#define RUN_PARTS_MAX 512u /* of one pwritev; the kernel takes 1024 */

static void forget_planned(struct log *log, size_t count)
{
    struct planned_batch *batches = log->plan.batches.items;
    for (size_t i = 0; i < count; i++) {
        shared_unref(batches[i].owner);
        log__snapshot_free(batches[i].snapshot);
    }
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* How many batches from `first` on go into one write. */
static size_t run_length(const struct log *log, size_t first)
{
    const size_t count = log->plan.batches.count;
    size_t n = 1;
    while (first + n < count && n < RUN_PARTS_MAX && !log->plan.batches.items[first + n].rolls)
        n++;
    return n;
}

static int write_run(struct log *log, size_t first, size_t count)
{
    struct segment *active = log__active(log);
    struct io_file *file;
    int r = segment_file(active, &log->place, false, &file);
    if (r < 0)
        return r;
    struct iovec parts[RUN_PARTS_MAX];
    int part_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct planned_batch *batch = &log->plan.batches.items[first + i];
        struct iovec *last = part_count > 0 ? &parts[part_count - 1] : NULL;
        if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == batch->bytes) {
            last->iov_len += batch->metered.size_bytes; /* batches of one append lie together */
            continue;
        }
        /* iovec has no const; what is written is not changed */
        parts[part_count++] = (struct iovec){ .iov_base = (void *)(uintptr_t)batch->bytes,
                                              .iov_len = batch->metered.size_bytes };
    }
    active->is_dirty = true;
    r = io_file_writev(file, active->meter.size_bytes, parts, part_count);
    if (r == 0)
        return 0;
    /* What was written of it must not be found behind later batches. */
    const int cut = io_file_truncate(file, active->meter.size_bytes);
    return cut < 0 && (r == -ENOSPC || r == -EDQUOT) ? cut : r;
}

/* Aborted transactions are told of before their markers are there: a marker without its entry would make readers take what
 * was aborted for committed, and nobody would notice. An entry without its marker goes again, here or at the next open. */
static int index_aborted(struct log *log, size_t first, size_t count)
{
    struct segment *active = log__active(log);
    struct buf aborted;
    buf_init(&aborted, TXN_INDEX_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct planned_batch *batch = &log->plan.batches.items[first + i];
        if (batch->ends_aborted_txn)
            txn_index_put(&aborted, &batch->ended);
    }
    const int r = txn_index_append(&log->place, active->meter.base_offset, buf_view(&aborted));
    active->has_txn_index |= aborted.size > 0;
    buf_deinit(&aborted);
    return r;
}

/* Takes back what index_aborted told of a run that could not be written. */
static int unindex_aborted(struct log *log)
{
    struct segment *active = log__active(log);
    if (!active->has_txn_index)
        return 0;
    log_file_close(log->place.files, &active->aborted); /* the file may go */
    const int r = txn_index_truncate(&log->place, active->meter.base_offset, log->offsets.end);
    active->has_txn_index = r != 0;
    return r;
}

/* The run is in the file: readers may see it, and indexes are brought up to date. */
static int settle_run(struct log *log, size_t first, size_t count)
{
    struct segment *active = log__active(log);
    const int64_t size_before = active->meter.size_bytes;
    log__tail_add(log, log->plan.batches.items[first].base_offset, active->meter.size_bytes);
    int r = 0;
    for (size_t i = 0; i < count; i++) {
        const struct planned_batch *batch = &log->plan.batches.items[first + i];
        const struct segment_entries entries =
            segment_meter_add(&active->meter, log->config.index_interval_bytes, &batch->metered);
        const int added = segment_add_entries(active, &log->place, &entries);
        r = r < 0 ? r : added;
    }
    active->modified_ms = log->plan.batches.items[first + count - 1].now_ms;
    log->unflushed_bytes += (int64_t)active->meter.size_bytes - size_before;
    log->offsets.end = log->plan.batches.items[first + count - 1].metered.last_offset + 1;
    return r;
}

/* ---- rolling --------------------------------------------------------------------------------- */

static int seal_active(struct log *log)
{
    struct segment *active = log__active(log);
    ASSERT(active->is_meter_ready);
    int r = segment_seal_if_room(active, &log->place);
    struct io_file *file;
    if (r > 0 && log->config.preallocate &&
        (r = segment_file(active, &log->place, false, &file)) == 0)
        r = io_file_truncate(file, active->meter.size_bytes); /* gives back what was set aside */
    return r;
}

/* Until a log was flushed the name of its first segment may be lost, and a second one's not: then the log would begin
 * there, as if somebody had deleted what came before. Once in the life of a log. */
static int settle_first_name(struct log *log, struct err_note *note)
{
    if (log__has_flushed(log))
        return 0;
    const int r = io_fs_sync_directory(log->place.fs, log->place.directory);
    return r < 0 ? err_note(note, r, "sync %s: %s", log->place.directory, err_sentence(r)) : 0;
}

/* Begins a segment at base_offset. `snapshot` (taken on success) is of the producers before it. */
static int roll(struct log *log, int64_t base_offset, struct planned_snapshot **snapshot,
                int64_t now_ms, struct err_note *note)
{
    int r = settle_first_name(log, note);
    if (r == 0)
        r = log__segment_add(log, base_offset, now_ms, note);
    if (r < 0)
        return r;
    struct segment *fresh = VEC_POP(&log->segments);
    r = seal_active(log);
    VEC_ADD(&log->segments, fresh);
    if (r < 0) {
        return err_note(note, r, "close a segment of %s before offset %" PRId64 ": %s",
                        log->place.directory, base_offset, err_sentence(r));
    }
    log__settle_recovery_point(log);
    VEC_ADD(&log->snapshots, TAKE(*snapshot));
    log__snapshot_remember(log, base_offset);
    log__flush_to(log, base_offset);
    return 0;
}

int log_roll(struct log *log, int64_t now_ms, struct err_note *note)
{
    ASSERT(!log_has_planned(log));
    if (log->failure != 0)
        return log->failure;
    if (log__active(log)->meter.size_bytes == 0 &&
        log__active(log)->meter.base_offset == log->offsets.end)
        return 0;
    struct planned_snapshot *snapshot = log__take_snapshot(log, log->offsets.end);
    const int r = roll(log, log->offsets.end, &snapshot, now_ms, note);
    log__snapshot_free(snapshot);
    return r < 0 ? log__fail(log, r, note) : 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void take_back(struct log *log)
{
    producers_undo(&log->producers, log->offsets.end);
    if (log->plan.has_epochs_before) {
        struct epochs now = log->epochs;
        log->epochs = log->plan.epochs_before;
        log->epochs.is_dirty = true; /* a roll may have sent the others to the file */
        log->plan.epochs_before = now;
        /* Epochs of runs that did succeed are learned again. */
        for (size_t i = 0; i < now.entries.count; i++) {
            if (now.entries.items[i].start_offset < log->offsets.end)
                epochs_assign(&log->epochs, now.entries.items[i].epoch,
                              now.entries.items[i].start_offset);
        }
    }
    log->offsets.planned_end = log->offsets.end;
}

static void end_plan(struct log *log)
{
    forget_planned(log, log->plan.batches.count);
    log->plan.batches.count = 0;
    log->plan.has_epochs_before = false;
    producers_settle(&log->producers);
}

static int write_planned(struct log *log, struct err_note *note)
{
    size_t first = 0;
    while (first < log->plan.batches.count) {
        struct planned_batch *batch = &log->plan.batches.items[first];
        int r = 0;
        if (batch->rolls)
            r = roll(log, batch->base_offset, &batch->snapshot, batch->now_ms, note);
        if (r < 0)
            return r;
        const size_t count = run_length(log, first);
        r = index_aborted(log, first, count);
        if (r == 0)
            r = write_run(log, first, count);
        if (r < 0) {
            const int cut = unindex_aborted(log);
            r = cut < 0 ? cut : r;
            return err_note(note, r,
                            "write %zu batches at offset %" PRId64 ", byte %" PRIu32 " of %s: %s",
                            count, batch->base_offset, log__active(log)->meter.size_bytes,
                            log->place.directory, err_sentence(r));
        }
        r = settle_run(log, first, count);
        if (r < 0)
            return err_note(note, r, "index %s: %s", log->place.directory, err_sentence(r));
        first += count;
    }
    return 0;
}

void log_forget_planned(struct log *log)
{
    if (!log_has_planned(log))
        return;
    take_back(log);
    end_plan(log);
}

int log_write(struct log *log, struct err_note *note)
{
    if (!log_has_planned(log))
        return 0;
    int r = log->failure != 0 ? log->failure : write_planned(log, note);
    if (r < 0) {
        take_back(log);
        r = log__fail(log, r, note);
    }
    end_plan(log);
    if (log->failure == 0)
        log__follow_flush_messages(log); /* also for what was written before a write that failed */
    return r;
}
