/* Segments coming and going within a log. See log_int.h. */
#include "log/log_int.h"

#include "base/mem.h"

#include <errno.h>

int log__segment_add(struct log *log, int64_t base_offset, int64_t now_ms, struct err_note *note)
{
    struct segment *segment = segment_new(base_offset, now_ms, log__draw_jitter(log));
    struct io_file *file;
    int r = segment_file(segment, &log->place, true, &file);
    if (r == 0) /* what an earlier life left under this name */
        r = io_file_truncate(file, 0);
    if (r == 0 && log->config.preallocate)
        r = io_file_allocate(file, 0, log->config.segment_bytes);
    if (r < 0) {
        err_note(note, r, "make segment %020" PRId64 " of %s: %s", base_offset,
                 log->place.directory, err_sentence(r));
        segment_free(segment, log->place.files);
        return r;
    }
    segment->offsets.is_ready = segment->times.is_ready = segment->is_meter_ready = true;
    segment->is_new = true;
    VEC_ADD(&log->segments, segment);
    log__mark_sealed(log);
    log__tail_clear(log);
    return 0;
}

void log__mark_sealed(struct log *log)
{
    for (size_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        segment->is_sealed = i + 1 < log->segments.count;
        segment->offset_limit =
            segment->is_sealed ? log->segments.items[i + 1]->meter.base_offset - 1 : INT64_MAX;
    }
}

int log__segment_remove(struct log *log, struct segment *segment)
{
    static const enum log_name_kind kinds[] = { LOG_NAME_TXN_INDEX, LOG_NAME_TIME_INDEX,
                                                LOG_NAME_OFFSET_INDEX, LOG_NAME_LOG };
    int r = 0;
    /* The .log goes last: while it is there, the next open finds the others by it. */
    for (size_t i = 0; i < ARRAY_LEN(kinds) && r == 0; i++) {
        AUTO(mem_freep)
        char *path = segment_path(segment, &log->place, kinds[i], LOG_NAME_LIVE);
        r = io_fs_unlink(log->place.fs, path);
        if (r == -ENOENT)
            r = 0;
    }
    if (r == 0)
        log__snapshot_remove(log, segment->meter.base_offset);
    segment_free(segment, log->place.files);
    /* Were it to come back after a power failure, behind others that did not or that end where it
     * begins, it would pass for a part of the log. */
    return r < 0 ? r : io_fs_sync_directory(log->place.fs, log->place.directory);
}
