/* Offsets by time. See log.h.
 *
 * The time index of a segment leads to the last entry with a timestamp below the one sought; from
 * the batch there on headers are walked to the first batch whose largest timestamp reaches it, and
 * in that batch the records. (KIP-33, KIP-79, KIP-734)
 */
#include "log/log_int.h"

#include "base/mem.h"
#include "wire/legacy.h"

#include <errno.h>

#define RECORD_BYTES_MAX INT32_MAX

struct time_search {
    int64_t timestamp;    /* records have at least this */
    int64_t start_offset; /* and at least this offset */
};

/* ---- within a batch
 * --------------------------------------------------------------------------------- */

static bool fits(const struct time_search *search, const struct record *record)
{
    return record->timestamp >= search->timestamp && record->offset >= search->start_offset;
}

static int find_in_batch(const struct time_search *search, const struct batch_view *view,
                         struct log_time_offset *out)
{
    struct record_walk walk;
    struct record record;
    record_walk_init(&walk, view, NULL, RECORD_BYTES_MAX);
    int r;
    while ((r = record_walk_next(&walk, &record)) > 0 && !fits(search, &record))
        ;
    if (r > 0) {
        *out = (struct log_time_offset){ .offset = record.offset,
                                         .timestamp = record.timestamp,
                                         .leader_epoch = view->leader_epoch };
    }
    record_walk_deinit(&walk);
    return r;
}

static int find_in_legacy(const struct time_search *search, struct bytes bytes,
                          struct log_time_offset *out)
{
    struct legacy_view view;
    int r = legacy_parse(bytes, &view);
    if (r < 0)
        return r;
    struct legacy_walk walk;
    struct record record;
    legacy_walk_init(&walk, &view, NULL, RECORD_BYTES_MAX);
    while ((r = legacy_walk_next(&walk, &record)) > 0 && !fits(search, &record))
        ;
    if (r > 0) {
        *out = (struct log_time_offset){ .offset = record.offset,
                                         .timestamp = record.timestamp,
                                         .leader_epoch = -1 };
    }
    legacy_walk_deinit(&walk);
    return r;
}

/* Batches of the old formats are whole in the window: their CRC or header needed it. */
static struct bytes window_bytes(const struct batch_scan *scan, const struct scanned_batch *batch)
{
    return bytes_from(scan->window + (batch->position - scan->window_position), batch->size_bytes);
}

static int find_in_scanned(const struct time_search *search, struct batch_scan *scan,
                           struct scanned_batch *batch, struct log_time_offset *out)
{
    if (batch->magic != BATCH_MAGIC)
        return find_in_legacy(search, window_bytes(scan, batch), out);
    const bool is_whole = batch->view.record_count == batch->view.last_offset_delta + INT64_C(1);
    if ((batch->view.attributes & BATCH_LOG_APPEND_TIME) != 0 && is_whole &&
        batch->base_offset >= search->start_offset) {
        /* All records have the time of the batch: the first is it, without decompression. */
        *out = (struct log_time_offset){ .offset = batch->base_offset,
                                         .timestamp = batch->max_timestamp,
                                         .leader_epoch = batch->leader_epoch };
        return 1;
    }
    const int r = batch_scan_load(scan, batch);
    return r < 0 ? r : find_in_batch(search, &batch->view, out);
}

/* ---- within a segment
 * ------------------------------------------------------------------------------- */

static int would_block(struct batch_scan *scan, struct log_wait *out_wait)
{
    *out_wait = (struct log_wait){ .file = io_file_ref(scan->file),
                                   .position = scan->wanted_position,
                                   .size_bytes = scan->wanted_bytes };
    return -ERR_WOULD_BLOCK;
}

static int scan_from(struct log *log, struct segment *segment, uint32_t position,
                     const struct time_search *search, struct log_time_offset *out,
                     struct log_wait *out_wait)
{
    struct io_file *file;
    int r = segment_file(segment, &log->place, false, &file);
    if (r < 0)
        return r;
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, position, segment->meter.size_bytes, BATCH_SCAN_WINDOW_SMALL);
    scan.may_sleep = log->place.may_sleep;
    while ((r = batch_scan_next(&scan, &batch)) > 0) {
        if (batch.max_timestamp < search->timestamp || batch.last_offset < search->start_offset)
            continue;
        r = find_in_scanned(search, &scan, &batch, out);
        if (r != 0)
            break;
    }
    if (r == -ERR_WOULD_BLOCK)
        r = would_block(&scan, out_wait);
    batch_scan_deinit(&scan);
    return r;
}

/* Where to begin: behind the last entry of the time index that is below the time sought, since up
 * to its offset nothing is later than it says. 1, or 0 when the segment ends below. */
static int find_begin(struct log *log, struct segment *segment, const struct time_search *search,
                      struct segment_found *out, struct log_wait *out_wait)
{
    const int64_t start = MAX(search->start_offset, segment->meter.base_offset);
    struct index_entry entry;
    struct index_wait wait;
    int r = index_find(&segment->times, segment_index_place(segment, &log->place),
                       search->timestamp - 1, &entry, &wait);
    if (r == -ERR_WOULD_BLOCK) {
        *out_wait = (struct log_wait){ .file = io_file_ref(wait.file),
                                       .position = wait.position,
                                       .size_bytes = wait.size_bytes };
        return r;
    }
    if (r < 0 && r != -ERR_CORRUPT)
        return r;
    const int64_t indexed = segment->meter.base_offset + (int64_t)entry.value;
    if (r > 0 && indexed > start) {
        r = segment_find(segment, &log->place, indexed, 0, out, out_wait);
        /* An entry names a batch by an offset in it and by its largest time; else it is damaged. */
        if (r < 0 || (r > 0 && out->max_timestamp == entry.key))
            return r;
    }
    return segment_find(segment, &log->place, start, 0, out, out_wait);
}

/* 1 and the record, or 0 when the segment has none. */
static int find_in_segment(struct log *log, struct segment *segment,
                           const struct time_search *search, struct log_time_offset *out,
                           struct log_wait *out_wait)
{
    struct segment_found begin;
    const int r = find_begin(log, segment, search, &begin, out_wait);
    if (r <= 0)
        return r;
    return scan_from(log, segment, (uint32_t)begin.position, search, out, out_wait);
}

/* ---- the whole
 * -------------------------------------------------------------------------------------- */

static int load_times(struct log *log, struct segment *segment, struct log_wait *out_wait)
{
    return segment_load_times(segment, &log->place, log->config.index_interval_bytes, out_wait);
}

/* The segment's largest timestamp; of one without any, when it was last written to. */
int log__largest_time(struct log *log, struct segment *segment, int64_t *out,
                      struct log_wait *out_wait)
{
    int r = load_times(log, segment, out_wait);
    *out = segment->meter.max_timestamp;
    if (r < 0 || *out >= 0)
        return r < 0 ? r : 0;
    AUTO(mem_freep)
    char *path = segment_path(segment, &log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
    struct io_stat st;
    r = io_fs_stat(log->place.fs, path, &st);
    if (r == 0)
        *out = st.modified_ms;
    return r;
}

static int find_for_time(struct log *log, const struct time_search *search,
                         struct log_time_offset *out, struct log_wait *out_wait)
{
    for (uint32_t i = log__segment_index(log, search->start_offset); i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        int r = load_times(log, segment, out_wait);
        if (r < 0)
            return r;
        if (segment->meter.max_timestamp < search->timestamp)
            continue;
        r = find_in_segment(log, segment, search, out, out_wait);
        if (r != 0)
            return r;
    }
    return 0;
}

static int find_max_time(struct log *log, struct log_time_offset *out, struct log_wait *out_wait)
{
    struct segment *latest = NULL;
    for (uint32_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        const int r = load_times(log, segment, out_wait);
        if (r < 0)
            return r;
        if (latest == NULL || segment->meter.max_timestamp > latest->meter.max_timestamp)
            latest = segment;
    }
    if (latest == NULL || latest->meter.max_timestamp < 0)
        return 0;
    const struct time_search search = { .timestamp = latest->meter.max_timestamp,
                                        .start_offset = 0 };
    return find_in_segment(log, latest, &search, out, out_wait);
}

/* One frame for both: where reading may go, and what becomes of errors. */
static int search_log(struct log *log, const struct time_search *search, bool may_sleep,
                      struct log_time_offset *out, struct log_wait *out_wait, struct err_note *note)
{
    struct log_time_offset found = { .offset = -1, .timestamp = -1, .leader_epoch = -1 };
    struct log_wait wait = { 0 };
    const bool may_sleep_before = log->place.may_sleep;
    log->place.may_sleep = may_sleep;
    int r = search != NULL ? find_for_time(log, search, &found, &wait)
                           : find_max_time(log, &found, &wait);
    log->place.may_sleep = may_sleep_before;
    if (r == -ERR_WOULD_BLOCK) {
        *out_wait = wait;
        return r;
    }
    if (r < 0) {
        r = batch_scan_is_damage(r) ? -ERR_CORRUPT : r;
        return log__fail_read(log, r, search != NULL ? search->start_offset : log->offsets.start,
                              note);
    }
    *out = found;
    return 0;
}

int log_offset_for_time(struct log *log, int64_t timestamp_ms, bool may_sleep,
                        struct log_time_offset *out, struct log_wait *out_wait,
                        struct err_note *note)
{
    const struct time_search search = { .timestamp = MAX(timestamp_ms, INT64_C(0)),
                                        .start_offset = log->offsets.start };
    return search_log(log, &search, may_sleep, out, out_wait, note);
}

int log_offset_of_max_time(struct log *log, bool may_sleep, struct log_time_offset *out,
                           struct log_wait *out_wait, struct err_note *note)
{
    return search_log(log, NULL, may_sleep, out, out_wait, note);
}
