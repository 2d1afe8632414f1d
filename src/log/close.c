/* Closing a log so that the next open trusts it. See log.h. */
#include "log/log_int.h"
#include "log/small_files.h"

#include "base/mem.h"

#include <errno.h>

int log__seal_active(struct log *log, struct err_note *note)
{
    struct segment *active = log__active(log);
    /* Not written to, not even looked at since it was opened: it is as the last clean close left
     * it. */
    if (!active->offsets.is_ready && active->offsets.has_file && active->times.has_file)
        return 0;
    int r = segment_load_times(active, &log->place, log->config.index_interval_bytes, NULL);
    if (r >= 0)
        r = segment_seal(active, &log->place);
    if (r < 0) {
        return err_note(note, r, "close the active segment of %s: %s", log->place.directory,
                        err_sentence(r));
    }
    return 0;
}

/* Producers as of the end, so that the next open reads no batches for them. */
static void plan_snapshot(struct log *log)
{
    const size_t count = log->snapshot_offsets.count;
    const int64_t newest = count == 0 ? 0 : log->snapshot_offsets.items[count - 1];
    if (log->offsets.end <= newest)
        return;
    VEC_ADD(&log->snapshots, log__take_snapshot(log, log->offsets.end));
    log__snapshot_remember(log, log->offsets.end);
}

/* Indexes that were made anew, and are in memory alone. */
static int mend_sealed(struct log *log, struct err_note *note)
{
    for (size_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        if (!segment->are_indexes_adopted)
            continue;
        const int r = segment_mend(segment, &log->place);
        segment_close_files(segment, NULL);
        if (r < 0)
            return err_note(note, r, "write the indexes of segment %020" PRId64 " of %s: %s",
                            segment->meter.base_offset, log->place.directory, err_sentence(r));
    }
    return 0;
}

static int close_well(struct log *log, bool flush, struct err_note *note)
{
    int r = mend_sealed(log, note);
    if (r == 0)
        r = log__seal_active(log, note);
    if (r < 0)
        return r;
    plan_snapshot(log);
    return log__flush_to_close(log, flush, note);
}

int log_close(struct log *log, bool flush, struct log_offsets *out_offsets, struct err_note *note)
{
    ASSERT(log->place.files == NULL && !log_has_planned(log));
    ASSERT(flush || !log->is_always_recovered); /* its snapshot would tell what is not so */
    log->place.may_sleep = true;
    int r = log->failure;
    if (r < 0)
        err_note(note, r, "%s has failed before: %s", log->place.directory, err_sentence(r));
    else
        r = close_well(log, flush, note);
    if (out_offsets != NULL)
        *out_offsets = log->offsets;
    log__free(log);
    return r;
}
