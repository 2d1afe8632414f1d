/* Offsets by time. See log.h.
 *
 * The time index of a segment leads to the last entry with a timestamp below the one sought; from
 * the batch there on headers are walked to the first batch whose largest timestamp reaches it, and
 * in that batch the records, by a job where that takes long. (KIP-33, KIP-79, KIP-734)
 */
#include "log/batch_search.h"
#include "log/log_int.h"
#include "log/segment_checks.h"

#include "base/mem.h"
#include "wire/legacy.h"

#include <errno.h>

/* One look-up on its way. */
struct lookup {
    struct log *log;
    struct time_search
        search; /* start_offset moves on behind batches that took a job and have no such record */
    const struct long_search *done; /* what a job has found, when the call is repeated; NULL */
    struct log_time_offset found;
    struct segment *damaged_in; /* with -ERR_DAMAGED: what lies in the way, */
    struct damaged_batch *damage;
    struct log_wait wait; /* set with -ERR_WOULD_BLOCK */
};

/* ---- within a batch -------------------------------------------------------------------------- */

/* Batches of the old formats are whole in the window: their CRC or header needed it. */
static struct bytes window_bytes(const struct batch_scan *scan, const struct scanned_batch *batch)
{
    return bytes_from(scan->window + (batch->position - scan->window_position), batch->size_bytes);
}

/* 0, or what keeps the old formats' messages from being parsed. */
static int name_of(const struct batch_scan *scan, const struct scanned_batch *batch,
                   struct batch_name *out)
{
    *out = (struct batch_name){ .base_offset = batch->base_offset,
                                .size_bytes = batch->size_bytes,
                                .crc = batch->view.crc };
    if (batch->magic == BATCH_MAGIC)
        return 0;
    struct legacy_view legacy;
    const int r = legacy_parse(window_bytes(scan, batch), &legacy);
    if (r < 0)
        return r;
    out->crc = legacy.crc;
    return 0;
}

/* Leaves the batch to a job. */
static int put_off(struct lookup *l, const struct batch_scan *scan,
                   const struct scanned_batch *batch, const struct batch_name *name)
{
    struct long_search *by_job = MEM_NEW(struct long_search);
    *by_job = (struct long_search){ .search = l->search, .batch = *name };
    l->wait = (struct log_wait){ .file = io_file_ref(scan->file),
                                 .position = batch->position,
                                 .search = by_job };
    return -ERR_WOULD_BLOCK;
}

/* The records of a batch: what a job has found in it, or what is found now, or later by a job. */
static int find_in_records(struct lookup *l, struct batch_scan *scan, struct scanned_batch *batch)
{
    struct batch_name name;
    int r = name_of(scan, batch, &name);
    if (r < 0)
        return r;
    if (l->done != NULL && long_search_answers(l->done, &name, &l->search)) {
        l->found = l->done->found;
        if (l->done->result == 0)
            l->search.start_offset = batch->last_offset + 1;
        return l->done->result;
    }
    if (!scan->may_sleep && batch->size_bytes > BATCH_SEARCH_QUICK_BYTES)
        return put_off(l, scan, batch, &name);
    struct bytes bytes;
    if (batch->magic == BATCH_MAGIC) {
        r = batch_scan_load(scan, batch);
        if (r < 0)
            return r;
        bytes = batch->view.bytes;
    } else {
        bytes = window_bytes(scan, batch);
    }
    r = batch_search(bytes, &l->search, scan->may_sleep ? UINT64_MAX : BATCH_SEARCH_QUICK_BYTES,
                     &l->found);
    return r == -ERR_LIMIT && !scan->may_sleep ? put_off(l, scan, batch, &name) : r;
}

static int find_in_scanned(struct lookup *l, struct batch_scan *scan, struct scanned_batch *batch)
{
    const bool is_whole = batch->magic == BATCH_MAGIC &&
                          batch->view.record_count == batch->view.last_offset_delta + INT64_C(1);
    if (is_whole && (batch->view.attributes & BATCH_LOG_APPEND_TIME) != 0 &&
        batch->base_offset >= l->search.start_offset) {
        /* All records have the time of the batch: the first is it, without decompression. */
        l->found = (struct log_time_offset){ .offset = batch->base_offset,
                                             .timestamp = batch->max_timestamp,
                                             .leader_epoch = batch->leader_epoch };
        return 1;
    }
    return find_in_records(l, scan, batch);
}

/* ---- within a segment ------------------------------------------------------------------------ */

/* Batches up to `end`, which are good: 1 and the record, or 0. */
static int scan_good(struct lookup *l, struct segment *segment, uint32_t *position, uint32_t end)
{
    const struct log_place *place = &l->log->place;
    struct batch_scan scan;
    struct scanned_batch batch;
    int r = segment_scan(segment, place, *position, end, BATCH_SCAN_WINDOW_SMALL, &scan);
    if (r < 0)
        return r;
    int found = 0;
    while (found == 0 && (r = batch_scan_next(&scan, &batch)) > 0) {
        *position = (uint32_t)batch.position;
        if (batch.max_timestamp >= l->search.timestamp &&
            batch.last_offset >= l->search.start_offset)
            found = find_in_scanned(l, &scan, &batch);
    }
    batch_scan_deinit(&scan);
    if (found != 0)
        return found;
    if (r == 0)
        *position = end;
    /* Bytes that were good when they were checked, and are others by now, are looked at anew. */
    return batch_scan_is_damage(r) && !place->may_sleep ? -ERR_WOULD_BLOCK : r;
}

#define WALK_BYTES (64u << 10) /* that are checked at least */

static int scan_from(struct lookup *l, struct segment *segment, uint32_t position)
{
    const struct log_place *place = &l->log->place;
    const struct batch_clue clue = { .first_offset = -1, .last_offset = -1 };
    int r = 0;
    while (r == 0 && position < segment->meter.size_bytes) {
        struct segment_trust trust;
        r = segment_trust(segment, place, position, clue, position + WALK_BYTES, &trust, &l->wait);
        if (r == SEGMENT_DAMAGED) {
            l->damaged_in = segment;
            l->damage = trust.damage;
            return -ERR_DAMAGED;
        }
        if (r == SEGMENT_GOOD)
            r = scan_good(l, segment, &position, trust.end);
        if (r == -ERR_WOULD_BLOCK && l->wait.file == NULL)
            r = segment_ask_check(segment, place, position, clue, position + WALK_BYTES, &l->wait);
    }
    return r;
}

/* Where to begin: behind the last entry of the time index that is below the time sought, since up
 * to its offset nothing is later than it says. 1, or 0 when the segment ends below. */
static int find_begin(struct lookup *l, struct segment *segment, struct segment_found *out)
{
    const struct log_place *place = &l->log->place;
    const int64_t start = MAX(l->search.start_offset, segment->meter.base_offset);
    struct index_entry entry;
    struct index_wait wait;
    int r = index_find(&segment->times, segment_index_place(segment, place),
                       l->search.timestamp - 1, &entry, &wait);
    if (r == -ERR_WOULD_BLOCK) {
        l->wait = (struct log_wait){ .file = io_file_ref(wait.file),
                                     .position = wait.position,
                                     .size_bytes = wait.size_bytes };
        return r;
    }
    if (r < 0 && r != -ERR_CORRUPT)
        return r;
    const int64_t indexed = segment->meter.base_offset + (int64_t)entry.value;
    if (r > 0 && indexed > start) {
        r = segment_find(segment, place, indexed, 0, out, &l->wait);
        /* An entry names a batch by an offset in it and by its largest time; else it is damaged. */
        if (r < 0 || (r > 0 && out->max_timestamp == entry.key))
            return r;
    }
    return segment_find(segment, place, start, 0, out, &l->wait);
}

/* 1 and the record, or 0 when the segment has none. */
static int find_in_segment(struct lookup *l, struct segment *segment)
{
    struct segment_found begin;
    int r = find_begin(l, segment, &begin);
    if (r > 0)
        r = scan_from(l, segment, (uint32_t)begin.position);
    return r == -ERR_DAMAGED && log__pass_cut(l->log, segment, l->damage) ? 0 : r;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int find_for_time(struct lookup *l)
{
    struct log *log = l->log;
    for (uint32_t i = log__segment_index(log, l->search.start_offset); i < log->segments.count;
         i++) {
        struct segment *segment = log->segments.items[i];
        int r = log__load_times(log, segment, &l->wait);
        if (r < 0)
            return r;
        if (segment->meter.max_timestamp < l->search.timestamp)
            continue;
        r = find_in_segment(l, segment);
        if (r != 0)
            return r;
    }
    return 0;
}

static int find_max_time(struct lookup *l)
{
    struct log *log = l->log;
    if (l->done != NULL) {
        /* What was the largest when it was asked: later ones would put off the answer for ever. */
        const int r = find_for_time(l);
        if (r != 0)
            return r;
        l->search.start_offset = 0; /* it has been deleted meanwhile */
    }
    struct segment *latest = NULL;
    for (uint32_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        const int r = log__load_times(log, segment, &l->wait);
        if (r < 0)
            return r;
        if (latest == NULL || segment->meter.max_timestamp > latest->meter.max_timestamp)
            latest = segment;
    }
    if (latest == NULL || latest->meter.max_timestamp < 0)
        return 0;
    l->search.timestamp = latest->meter.max_timestamp;
    struct segment_found begin; /* a damaged batch that may have it has no such time in any index */
    int r =
        segment_find(latest, &log->place, latest->meter.max_timestamp_offset, 0, &begin, &l->wait);
    if (r > 0)
        r = scan_from(l, latest, (uint32_t)begin.position);
    /* Where the time is but that of the file's last change, which damaged batch it stands for is not known. */
    return r == 0 ? scan_from(l, latest, 0) : r;
}

/* One frame for both: where reading may go, and what becomes of errors. */
static int look_up(struct log *log, int64_t timestamp, int64_t start_offset,
                   int (*find)(struct lookup *l), bool may_sleep, struct log_time_offset *out,
                   struct log_wait *wait, struct err_note *note)
{
    AUTO(mem_freep) struct long_search *done = TAKE(wait->search);
    struct lookup l = {
        .log = log,
        .search = { .timestamp = timestamp, .start_offset = start_offset },
        .done = done,
        .found = { .offset = -1, .timestamp = -1, .leader_epoch = -1 },
    };
    if (done != NULL) {
        l.search = done->search;
        l.search.start_offset = MAX(l.search.start_offset, start_offset);
    }
    struct log_call call = log__begin_call(log, may_sleep, wait);
    int r = find(&l);
    log__end_call(log, &call);
    if (r == -ERR_WOULD_BLOCK) {
        *wait = l.wait;
        if (wait->search == NULL && done != NULL) { /* bytes are wanted: what is known is kept */
            done->search = l.search;
            wait->search = TAKE(done);
        }
        return r;
    }
    if (r == -ERR_DAMAGED)
        return log__tell_damage(log, l.damaged_in, l.damage, note);
    if (r < 0) {
        r = batch_scan_is_damage(r) ? -ERR_CORRUPT : r;
        return log__fail_read(log, r, start_offset, note);
    }
    *out = l.found;
    return 0;
}

int log_offset_for_time(struct log *log, int64_t timestamp_ms, bool may_sleep,
                        struct log_time_offset *out, struct log_wait *wait, struct err_note *note)
{
    return look_up(log, MAX(timestamp_ms, INT64_C(0)), log->offsets.start, find_for_time, may_sleep,
                   out, wait, note);
}

int log_offset_of_max_time(struct log *log, bool may_sleep, struct log_time_offset *out,
                           struct log_wait *wait, struct err_note *note)
{
    return look_up(log, 0, 0, find_max_time, may_sleep, out, wait, note);
}
