/* One segment's files: see segment.h. */
#include "log/segment_int.h"

#include "base/mem.h"
#include "log/log.h"
#include "log/names.h"
#include "log/segment_checks.h"

#include <errno.h>

struct segment *segment_new(int64_t base_offset, int64_t now_ms, int64_t roll_jitter_ms)
{
    ASSERT(base_offset >= 0);
    struct segment *segment = MEM_NEW(struct segment);
    segment->meter = (struct segment_meter){ .base_offset = base_offset,
                                             .indexed_timestamp = -1,
                                             .max_timestamp = -1,
                                             .max_timestamp_offset = base_offset,
                                             .first_timestamp = -1,
                                             .created_ms = now_ms,
                                             .roll_jitter_ms = roll_jitter_ms };
    segment->modified_ms = now_ms;
    segment->offset_limit = INT64_MAX;
    segment->batches_end = segment->doubted_offset = -1;
    index_init(&segment->offsets, INDEX_OFFSET);
    index_init(&segment->times, INDEX_TIME);
    return segment;
}

void segment_free(struct segment *segment, struct log_files *files)
{
    if (segment == NULL)
        return;
    segment_close_files(segment, files);
    segment_checks_unref(segment->checks);
    index_deinit(&segment->offsets, files);
    index_deinit(&segment->times, files);
    mem_free(segment);
}

void segment_close_files(struct segment *segment, struct log_files *files)
{
    log_file_close(files, &segment->file);
    log_file_close(files, &segment->offsets.file);
    log_file_close(files, &segment->times.file);
    log_file_close(files, &segment->aborted);
}

int segment_file(struct segment *segment, const struct log_place *place, bool create,
                 struct io_file **out)
{
    const struct log_name name = { .kind = LOG_NAME_LOG,
                                   .base_offset = segment->meter.base_offset };
    const bool was_open = segment->file.file != NULL;
    const int r = log_place_file(place, &segment->file, name, segment->is_swapping,
                                 IO_OPEN_READ | IO_OPEN_WRITE | (create ? IO_OPEN_CREATE : 0), out);
    /* While detached it is gone through from one end to the other. */
    if (r == 0 && !was_open && place->files != NULL)
        io_file_no_read_ahead(*out);
    return r;
}

int segment_scan(struct segment *segment, const struct log_place *place, uint32_t position,
                 uint32_t end, uint32_t window_bytes, struct batch_scan *out)
{
    struct io_file *file;
    const int r = segment_file(segment, place, false, &file);
    if (r < 0)
        return r;
    batch_scan_init(out, file, position, end, window_bytes);
    out->may_sleep = place->may_sleep;
    return 0;
}

/* ---- waiting --------------------------------------------------------------------------------- */

int segment__wait_for_scan(struct segment *segment, const struct batch_scan *scan,
                           struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL);
    segment_forget_pages(segment, scan->file, (uint32_t)scan->position,
                         (uint32_t)(scan->wanted_position + scan->wanted_bytes));
    *out_wait = (struct log_wait){ .file = io_file_ref(scan->file),
                                   .position = scan->wanted_position,
                                   .size_bytes = scan->wanted_bytes };
    return -ERR_WOULD_BLOCK;
}

int segment__wait_for_index(const struct index_wait *wait, struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL);
    *out_wait = (struct log_wait){ .file = io_file_ref(wait->file),
                                   .position = wait->position,
                                   .size_bytes = wait->size_bytes };
    return -ERR_WOULD_BLOCK;
}

/* ---- headers --------------------------------------------------------------------------------- */

int segment__find_header(struct segment *segment, const struct log_place *place, uint32_t position,
                         int64_t offset, bool checks_crc, struct scanned_batch *out,
                         struct log_wait *out_wait)
{
    struct batch_scan scan;
    int r = segment_scan(segment, place, position, segment->meter.size_bytes,
                         BATCH_SCAN_WINDOW_SMALL, &scan);
    if (r < 0)
        return r;
    scan.crc_from = checks_crc ? position : INT64_MAX;
    do {
        r = batch_scan_next(&scan, out);
    } while (r > 0 && out->last_offset < offset);
    if (r == -ERR_WOULD_BLOCK)
        r = segment__wait_for_scan(segment, &scan, out_wait);
    batch_scan_deinit(&scan);
    return r;
}

/* ---- changing -------------------------------------------------------------------------------- */

static int add_to(struct index *index, struct index_place at, struct index_entry entry)
{
    if (index_is_pending_full(index)) {
        const int r = index_flush(index, at);
        if (r == -ENOSPC || r == -EDQUOT)
            index_drop_pending(index);
        else if (r < 0)
            return r;
    }
    index_add(index, entry);
    return 0;
}

int segment_add_entries(struct segment *segment, const struct log_place *place,
                        const struct segment_entries *entries)
{
    const struct index_place at = segment_index_place(segment, place);
    int r = 0;
    if (entries->has_offset)
        r = add_to(&segment->offsets, at, entries->offset);
    if (r == 0 && entries->has_time)
        r = add_to(&segment->times, at, entries->time);
    return r;
}

int segment_seal(struct segment *segment, const struct log_place *place)
{
    const struct segment_entries last = segment_meter_last(&segment->meter);
    int r = segment_add_entries(segment, place, &last);
    const struct index_place at = segment_index_place(segment, place);
    if (r == 0)
        r = index_seal(&segment->offsets, at);
    if (r == 0)
        r = index_seal(&segment->times, at);
    return r;
}

int segment_seal_if_room(struct segment *segment, const struct log_place *place)
{
    const int r = segment_seal(segment, place);
    if (!err_is_shortage(r))
        return r < 0 ? r : 1;
    /* What is in memory serves. The next open would believe a file that lacks its last entries. */
    AUTO(mem_freep) char *path = segment_path(segment, place, LOG_NAME_TIME_INDEX, LOG_NAME_LIVE);
    IGNORE_RESULT(io_fs_unlink(place->fs, path)); /* it may never have been written */
    segment->is_new = true;                       /* the directory is to be synced */
    return 0;
}

int segment_truncate(struct segment *segment, const struct log_place *place, uint32_t position,
                     uint32_t index_interval_bytes, int64_t now_ms)
{
    ASSERT(place->may_sleep && position <= segment->meter.size_bytes);
    struct io_file *file;
    int r = segment_file(segment, place, false, &file);
    if (r == 0)
        r = io_file_truncate(file, position);
    /* For good: nothing may come back behind what is written from now on, or before a next
     * segment. */
    if (r == 0)
        r = io_file_sync(file);
    if (r < 0)
        return r;
    segment->meter.size_bytes = position;
    segment->modified_ms = now_ms;
    segment_checks_cut(segment, position);
    if (position == 0)
        segment->meter.created_ms = now_ms;
    r = segment_rebuild(segment, place, index_interval_bytes);
    return r < 0 ? r : 0;
}

char *segment_path(const struct segment *segment, const struct log_place *place,
                   enum log_name_kind kind, enum log_name_stage stage)
{
    return log_name_path(place->directory,
                         (struct log_name){ .kind = kind,
                                            .stage = stage,
                                            .base_offset = segment->meter.base_offset });
}
