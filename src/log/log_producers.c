/* Producer state as it lies on disk: snapshots, and the batches after them. See log_int.h. */
#include "log/batch_length.h"
#include "log/log_int.h"
#include "log/producer_snapshot.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

/* How far back the batches of a producer are looked for: those it had in flight at a restart. */
#define RECALL_OFFSETS 4096
/* A log of very many segments that all lack a snapshot: the newest of them are what a later start asks for. */
#define RENEWED_MAX    64

static char *snapshot_path(const struct log *log, int64_t offset)
{
    return log_name_path(log->place.directory,
                         (struct log_name){ .kind = LOG_NAME_SNAPSHOT, .base_offset = offset });
}

/* The first that is not below the offset. */
static size_t snapshot_place(const struct log *log, int64_t offset)
{
    size_t low = 0;
    size_t high = log->snapshot_offsets.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (log->snapshot_offsets.items[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct log *log, size_t place, int64_t offset)
{
    return place < log->snapshot_offsets.count && log->snapshot_offsets.items[place] == offset;
}

bool log__snapshot_is_known(const struct log *log, int64_t offset)
{
    return is_at(log, snapshot_place(log, offset), offset);
}

void log__snapshot_remember(struct log *log, int64_t offset)
{
    const size_t place = snapshot_place(log, offset);
    if (is_at(log, place, offset))
        return;
    VEC_ADD(&log->snapshot_offsets, offset);
    int64_t *offsets = log->snapshot_offsets.items;
    memmove(offsets + place + 1, offsets + place,
            (log->snapshot_offsets.count - 1 - place) * sizeof(*offsets));
    offsets[place] = offset;
}

static void drop_planned(struct log *log, int64_t offset)
{
    for (size_t i = 0; i < log->snapshots.count; i++) {
        if (log->snapshots.items[i]->offset == offset) {
            log__snapshot_free(log->snapshots.items[i]);
            VEC_REMOVE_AT(&log->snapshots, i);
            return;
        }
    }
}

void log__snapshot_forget(struct log *log, int64_t offset)
{
    const size_t place = snapshot_place(log, offset);
    if (is_at(log, place, offset))
        VEC_REMOVE_AT(&log->snapshot_offsets, place);
    drop_planned(log, offset);
}

void log__snapshot_remove(struct log *log, int64_t offset)
{
    log__snapshot_forget(log, offset);
    AUTO(mem_freep) char *path = snapshot_path(log, offset);
    /* One that stays is beyond the log's end or belongs to no segment: the next open removes it. */
    IGNORE_RESULT(io_fs_unlink(log->place.fs, path));
}

void log__snapshot_renew(struct log *log, int64_t offset)
{
    if (producers_count(&log->producers) == 0)
        return;
    drop_planned(log, offset);
    VEC_ADD(&log->snapshots, log__take_snapshot(log, offset));
    log__snapshot_remember(log, offset);
    if (log->snapshots.count > RENEWED_MAX)
        log__snapshot_forget(log, log->snapshots.items[0]->offset);
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Loads one snapshot. 0, or negative after which it has been removed. */
static int load_snapshot(struct log *log, int64_t offset, int64_t now_ms)
{
    AUTO(mem_freep) char *path = snapshot_path(log, offset);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    int r = io_fs_read_whole(log->place.fs, path, PRODUCER_SNAPSHOT_BYTES_MAX, &data, &size);
    if (r == 0) {
        r = producer_snapshot_decode(bytes_from(data, size), now_ms,
                                     log->config.producer_id_expiration_ms, &log->producers);
    }
    if (r == 0 || r == -ENOENT) /* a flush that failed has left none */
        return r;
    struct err_note note;
    err_note(&note, r, "%s cannot be used (%s): an earlier one and the records after it are", path,
             err_sentence(r));
    log__mend_note(log, &note);
    return r;
}

/* A snapshot that was planned and not yet written is as good as one on disk. */
static bool load_pending(struct log *log, int64_t offset, int64_t now_ms)
{
    for (size_t i = 0; i < log->snapshots.count; i++) {
        const struct planned_snapshot *snapshot = log->snapshots.items[i];
        if (snapshot->offset == offset) {
            return producer_snapshot_decode(buf_view(&snapshot->bytes), now_ms,
                                            log->config.producer_id_expiration_ms,
                                            &log->producers) == 0;
        }
    }
    return false;
}

/* Loads the newest snapshot that can be used; answers the offset to go on from. */
static int64_t load_newest(struct log *log, const struct producers_load *load)
{
    const int64_t end_offset = MIN(load->end_offset, load->flushed_end);
    for (size_t i = log->snapshot_offsets.count; i > 0; i--) {
        const int64_t offset = log->snapshot_offsets.items[i - 1];
        if (offset > end_offset || offset < load->start_offset)
            continue;
        if (load_pending(log, offset, load->now_ms) ||
            load_snapshot(log, offset, load->now_ms) == 0)
            return offset;
        log__snapshot_remove(log, offset);
    }
    return load->start_offset;
}

/* What is damaged tells nothing, and is told of by others: on to what follows it, up to the end of the segment. */
static int replay_batches(struct log *log, struct batch_scan *scan, int64_t from, int64_t end)
{
    for (;;) {
        struct scanned_batch batch;
        int r = batch_scan_next(scan, &batch);
        if (r > 0 && batch.base_offset >= end)
            return 0;
        if (r > 0 && (r = log__replay_producer(&log->producers, scan, &batch, NULL)) >= 0) {
            from = batch.last_offset + 1;
            continue;
        }
        if (!batch_scan_is_damage(r))
            return r;
        r = batch_scan_resync(scan, from, end - 1);
        if (r <= 0)
            return r;
    }
}

static int replay_segment(struct log *log, struct segment *segment, int64_t from, int64_t end)
{
    struct log_place place = log->place;
    place.may_sleep = true;
    struct segment_found found;
    int r = segment_load_indexes(segment, &place, log->config.index_interval_bytes, NULL);
    if (r >= 0)
        r = segment_find(segment, &place, from, 0, &found, NULL);
    if (r <= 0)
        return batch_scan_is_damage(r) ? 0 : r;
    struct io_file *file;
    r = segment_file(segment, &place, false, &file);
    if (r < 0)
        return r;
    struct batch_scan scan;
    batch_scan_init(&scan, file, found.position, segment->meter.size_bytes,
                    BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    r = replay_batches(log, &scan, from, end);
    batch_scan_deinit(&scan);
    if (place.files == NULL) /* one at a time, where no cache bounds them */
        segment_close_files(segment, NULL);
    return r;
}

int log__replay_producer(struct producers *producers, struct batch_scan *scan,
                         struct scanned_batch *batch, struct producer_ended_txn *out_ended)
{
    if (batch->producer_id < 0)
        return 0;
    if ((batch->view.attributes & BATCH_CONTROL) != 0 && bytes_is_null(batch->view.bytes)) {
        const int r = batch_scan_load(scan, batch);
        if (r < 0)
            return r;
    }
    struct producer_event event;
    /* A control batch of a kind that this build does not know concerns no producer here. */
    if (producer_event_read(&batch->view, &event) < 0)
        return 0;
    const bool has_ended = producers_apply(producers, &event, out_ended);
    producers_settle(producers);
    return has_ended ? 1 : 0;
}

/* ---- recalling ------------------------------------------------------------------------------- */

/* The newest batches of one producer before `end`, as they are found from the oldest on. */
struct recall {
    int64_t producer_id;
    int16_t epoch;
    int64_t end;
    struct producer_batch found[PRODUCER_BATCHES_KEPT]; /* oldest first */
    uint32_t count;
};

static void recall_batch(struct recall *recall, const struct scanned_batch *batch)
{
    struct producer_event event;
    if (batch->producer_id != recall->producer_id || batch->view.producer_epoch != recall->epoch ||
        (batch->view.attributes & BATCH_CONTROL) != 0 ||
        producer_event_read(&batch->view, &event) < 0)
        return;
    if (recall->count == PRODUCER_BATCHES_KEPT) {
        memmove(&recall->found[0], &recall->found[1],
                (PRODUCER_BATCHES_KEPT - 1) * sizeof(recall->found[0]));
        recall->count--;
    }
    recall->found[recall->count++] =
        (struct producer_batch){ .last_sequence = event.last_sequence,
                                 .offset_delta = (int32_t)(event.last_offset - event.first_offset),
                                 .last_offset = event.last_offset,
                                 .timestamp = event.timestamp };
}

/* A few small reads, but never a whole segment for want of its index. */
static int load_indexes_briefly(struct log *log, struct segment *segment)
{
    struct log_place place = log->place;
    place.may_sleep = false;
    struct log_wait wait = { 0 };
    int r;
    while ((r = segment_load_indexes(segment, &place, log->config.index_interval_bytes, &wait)) ==
               -ERR_WOULD_BLOCK &&
           wait.build == NULL)
        log_wait_run(&wait);
    log_wait_deinit(&wait);
    return r;
}

/* On behind a damaged batch, where its end is to be known: what it was is not recalled, the others are. */
static bool pass_damaged(struct batch_scan *scan, int64_t from)
{
    const struct batch_bounds bounds = {
        .file = scan->file, .limit = scan->end, .first_offset = from, .last_offset = INT64_MAX
    };
    const uint32_t size = batch_length_find(&bounds, scan->position);
    scan->position += size;
    return size > 0;
}

static int recall_segment(struct log *log, struct segment *segment, int64_t from,
                          struct recall *recall)
{
    struct segment_found found = { .position = 0 };
    int r = 1;
    if (from > segment->meter.base_offset) {
        r = load_indexes_briefly(log, segment);
        if (r >= 0)
            r = segment_find(segment, &log->place, from, 0, &found, NULL);
    }
    struct io_file *file;
    if (r > 0)
        r = segment_file(segment, &log->place, false, &file) < 0 ? -EIO : 1;
    if (r <= 0)
        return batch_scan_is_damage(r) ? 0 : r;
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, found.position, segment->meter.size_bytes,
                    BATCH_SCAN_WINDOW_SMALL);
    scan.may_sleep = true;
    while ((r = batch_scan_next(&scan, &batch)) > 0
               ? batch.base_offset < recall->end
               : batch_scan_is_damage(r) && pass_damaged(&scan, from)) {
        if (r > 0)
            recall_batch(recall, &batch);
    }
    batch_scan_deinit(&scan);
    return batch_scan_is_damage(r) ? 0 : r;
}

void log__recall_batches(struct log *log, int64_t producer_id)
{
    const struct producer *producer = producers_get(&log->producers, producer_id);
    ASSERT(producer != NULL && producer->batch_count > 0);
    struct recall recall = { .producer_id = producer_id,
                             .epoch = producer->epoch,
                             .end = producer->batches[0].last_offset -
                                    producer->batches[0].offset_delta };
    const bool may_sleep = log->place.may_sleep;
    log->place.may_sleep = true;
    const int64_t from = MAX(recall.end - RECALL_OFFSETS, log->offsets.start);
    int r = 0;
    for (uint32_t i = log__segment_index(log, from); i < log->segments.count && r >= 0; i++) {
        struct segment *segment = log->segments.items[i];
        if (segment->meter.base_offset >= recall.end)
            break;
        r = recall_segment(log, segment, MAX(from, segment->meter.base_offset), &recall);
    }
    log->place.may_sleep = may_sleep;
    producers_recall(&log->producers, producer_id, recall.found, r < 0 ? 0 : recall.count);
}

int log__load_producers(struct log *log, const struct producers_load *load, struct err_note *note)
{
    producers_clear(&log->producers);
    /* After a clean shutdown a log without any snapshot has never had a producer (or comes from a
     * version that kept none): Kafka does not read it through, and neither is it done here. */
    if (load->is_clean && log->snapshot_offsets.count == 0)
        return 0;
    const int64_t from = load_newest(log, load);
    for (uint32_t i = log__segment_index(log, from); i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        if (segment->meter.base_offset > load->end_offset || from >= load->end_offset)
            break;
        const int64_t first = MAX(from, segment->meter.base_offset);
        if (first > from)
            log__snapshot_renew(log, first);
        if (first == load->end_offset)
            break;
        const int r = replay_segment(log, segment, first, load->end_offset);
        if (r < 0) {
            return err_note(note, r, "read producers of %s, segment %020" PRId64 ": %s",
                            log->place.directory, segment->meter.base_offset, err_sentence(r));
        }
    }
    return 0;
}
