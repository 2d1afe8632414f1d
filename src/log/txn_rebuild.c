/* Rebuilding a .txnindex: see txn_rebuild.h. */
#include "log/txn_rebuild.h"

#include "base/mem.h"
#include "base/rng.h"
#include "log/txn_index.h"

#include <stdlib.h>

/* Offsets of which nothing is known. */
struct gap {
    int64_t begin;
    int64_t end;
};

struct rebuild {
    struct producers *producers; /* as of next_offset */
    int64_t next_offset;         /* follows the last batch that is whole */
    int64_t end_offset;
    bool is_lost;                        /* what follows next_offset is damaged */
    VEC(struct producer_ended_txn) old;  /* what the old file tells, ascending by marker */
    size_t old_next;                     /* those before have been dealt with */
    VEC(struct gap) gaps;                /* ascending */
    VEC(struct producer_ended_txn) told; /* ascending by marker */
    struct map_i64 markers; /* int64_t, owned: the last marker of each producer that has one here */
};

/* ---- the old file ---------------------------------------------------------------------------- */

static void add_old(void *context, const struct producer_ended_txn *txn)
{
    struct rebuild *rebuild = context;
    VEC_ADD(&rebuild->old, *txn);
}

static int by_marker(const void *a, const void *b)
{
    const struct producer_ended_txn *left = a;
    const struct producer_ended_txn *right = b;
    return (left->marker_offset > right->marker_offset) -
           (left->marker_offset < right->marker_offset);
}

/* On to the first old entry whose marker is not below the offset. */
static const struct producer_ended_txn *old_from(struct rebuild *rebuild, int64_t offset)
{
    while (rebuild->old_next < rebuild->old.count &&
           rebuild->old.items[rebuild->old_next].marker_offset < offset)
        rebuild->old_next++;
    return rebuild->old_next < rebuild->old.count ? &rebuild->old.items[rebuild->old_next] : NULL;
}

static const struct producer_ended_txn *old_of_marker(struct rebuild *rebuild, int64_t producer_id,
                                                      int64_t marker_offset)
{
    if (old_from(rebuild, marker_offset) == NULL)
        return NULL;
    for (size_t i = rebuild->old_next; i < rebuild->old.count; i++) {
        const struct producer_ended_txn *old = &rebuild->old.items[i];
        if (old->marker_offset != marker_offset)
            return NULL;
        if (old->producer_id == producer_id)
            return old;
    }
    return NULL;
}

/* ---- what is believed ------------------------------------------------------------------------ */

static bool is_damaged_within(const struct rebuild *rebuild, int64_t begin, int64_t end)
{
    for (size_t i = rebuild->gaps.count; i > 0; i--) {
        const struct gap *gap = &rebuild->gaps.items[i - 1];
        if (gap->end <= begin)
            return false;
        if (gap->begin < end)
            return true;
    }
    return false;
}

/* Where the transaction begins: `first` says so by the whole batches after the producer's last whole marker, -1 where there are none.
 * The old entry knows more of a batch in a gap that began it, or of a marker in a gap that ended the one before it. */
static int64_t choose_first(const struct rebuild *rebuild, const struct producer_ended_txn *old,
                            int64_t first)
{
    if (old == NULL || old->first_offset < 0)
        return first;
    const int64_t *ended = map_i64_get(&rebuild->markers, old->producer_id);
    if (ended != NULL && old->first_offset <= *ended)
        return first;
    const bool is_later = first >= 0 && old->first_offset > first;
    const int64_t begin = is_later ? first : old->first_offset;
    const int64_t end = is_later ? old->first_offset : begin + 1;
    return is_damaged_within(rebuild, begin, end) ? old->first_offset : first;
}

static void note_marker(struct rebuild *rebuild, int64_t producer_id, int64_t marker_offset)
{
    mem_free(map_i64_put(&rebuild->markers, producer_id,
                         mem_dup(&marker_offset, sizeof(marker_offset))));
}

/* `ended` as the whole batches tell it. */
static void tell(struct rebuild *rebuild, struct producer_ended_txn ended,
                 const struct producer_ended_txn *old)
{
    ended.first_offset = choose_first(rebuild, old, ended.first_offset);
    if (ended.first_offset < 0)
        return; /* it has no batch that can be read */
    if (rebuild->gaps.count > 0) {
        /* Others may have begun in a gap. */
        ended.last_stable_offset =
            old != NULL ? old->last_stable_offset
                        : MIN(ended.last_stable_offset, rebuild->gaps.items[0].begin);
    }
    VEC_ADD(&rebuild->told, ended);
}

/* ---- the batches ----------------------------------------------------------------------------- */

static struct producer_ended_txn ended_nothing(int64_t producer_id, int64_t marker_offset)
{
    return (struct producer_ended_txn){ .producer_id = producer_id,
                                        .first_offset = -1,
                                        .marker_offset = marker_offset,
                                        .last_stable_offset = marker_offset + 1,
                                        .is_aborted = true };
}

static void apply(struct rebuild *rebuild, const struct producer_event *event)
{
    struct producer_ended_txn ended = ended_nothing(event->producer_id, event->first_offset);
    (void)producers_apply(rebuild->producers, event, &ended); /* or it stays as it is */
    producers_settle(rebuild->producers);
    if (!event->is_marker || !event->has_marker)
        return;
    if (event->marker_type == CONTROL_ABORT)
        tell(rebuild, ended, old_of_marker(rebuild, event->producer_id, event->first_offset));
    note_marker(rebuild, event->producer_id, event->first_offset);
}

/* A marker that is damaged, of which the old entry tells. */
static void keep_old(struct rebuild *rebuild, const struct producer_ended_txn *old)
{
    const struct producer *producer = producers_get(rebuild->producers, old->producer_id);
    if (producer == NULL) {
        tell(rebuild, ended_nothing(old->producer_id, old->marker_offset), old);
        note_marker(rebuild, old->producer_id, old->marker_offset);
        return;
    }
    const struct producer_event event = { .producer_id = old->producer_id,
                                          .epoch = producer->epoch,
                                          .is_transactional = true,
                                          .is_marker = true,
                                          .has_marker = true,
                                          .marker_type = CONTROL_ABORT,
                                          .coordinator_epoch = producer->coordinator_epoch,
                                          .first_offset = old->marker_offset,
                                          .last_offset = old->marker_offset,
                                          .timestamp = producer->last_timestamp };
    apply(rebuild, &event);
}

/* Nothing that is whole lies between next_offset and `end`. */
static void pass_gap(struct rebuild *rebuild, int64_t end)
{
    VEC_ADD(&rebuild->gaps, ((struct gap){ .begin = rebuild->next_offset, .end = end }));
    const struct producer_ended_txn *old = old_from(rebuild, rebuild->next_offset);
    while (old != NULL && old->marker_offset < end) {
        keep_old(rebuild, old);
        old = old_from(rebuild, old->marker_offset + 1);
    }
    rebuild->is_lost = false;
    rebuild->next_offset = end;
}

/* Of the old formats only the last offset is known. */
static int64_t first_of(const struct scanned_batch *batch)
{
    return batch->magic == BATCH_MAGIC ? batch->base_offset : batch->last_offset;
}

/* No CRC covers the base offset. One that is too high leaves no room for the batch that follows. */
static bool is_in_place(const struct rebuild *rebuild, const struct batch_scan *scan,
                        const struct scanned_batch *batch)
{
    struct scanned_batch next;
    const int64_t first = first_of(batch);
    if (first < rebuild->next_offset || batch->last_offset >= rebuild->end_offset)
        return false;
    return first == rebuild->next_offset || rebuild->is_lost ||
           !batch_scan_header(scan->file, scan->position, scan->end, &next) ||
           first_of(&next) < rebuild->next_offset || first_of(&next) > batch->last_offset;
}

/* The next batch, if it is whole and right and in its place. */
static int next_batch(struct rebuild *rebuild, struct batch_scan *scan, struct scanned_batch *batch)
{
    const int r = batch_scan_next(scan, batch);
    if (r <= 0)
        return r;
    if (!is_in_place(rebuild, scan, batch)) {
        scan->position = batch->position;
        return -ERR_CORRUPT;
    }
    return r;
}

static int scan_batches(struct rebuild *rebuild, struct batch_scan *scan)
{
    for (;;) {
        struct scanned_batch batch;
        struct producer_event event;
        int r = next_batch(rebuild, scan, &batch);
        if (batch_scan_is_damage(r)) {
            rebuild->is_lost = true;
            r = batch_scan_resync(scan, rebuild->next_offset + 1, rebuild->end_offset - 1);
            if (r > 0)
                continue;
        }
        if (r <= 0)
            return r;
        if (rebuild->is_lost)
            pass_gap(rebuild, first_of(&batch));
        rebuild->next_offset = batch.last_offset + 1;
        /* A control batch of a kind that this build does not know concerns no producer here. */
        if (batch.producer_id >= 0 && producer_event_read(&batch.view, &event) == 0)
            apply(rebuild, &event);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* What is stable as of an entry lies below where any later one begins: else a reader does not come to that. */
static void put_told(struct rebuild *rebuild, struct buf *out)
{
    int64_t first = INT64_MAX;
    for (size_t i = rebuild->told.count; i > 0; i--) {
        struct producer_ended_txn *txn = &rebuild->told.items[i - 1];
        txn->last_stable_offset = MIN(txn->last_stable_offset, first);
        first = MIN(first, txn->first_offset);
    }
    for (size_t i = 0; i < rebuild->told.count; i++)
        txn_index_put(out, &rebuild->told.items[i]);
}

static void deinit(struct rebuild *rebuild)
{
    for (struct map_i64_walk walk = { 0 }; map_i64_next(&rebuild->markers, &walk);)
        mem_free(walk.value);
    map_i64_deinit(&rebuild->markers);
    VEC_DEINIT(&rebuild->old);
    VEC_DEINIT(&rebuild->gaps);
    VEC_DEINIT(&rebuild->told);
}

static int scan_segment(struct rebuild *rebuild, struct log *log, struct segment *segment)
{
    struct io_file *file;
    int r = segment_file(segment, &log->place, false, &file);
    if (r < 0)
        return r;
    struct batch_scan scan;
    batch_scan_init(&scan, file, 0, segment->meter.size_bytes, BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    scan.crc_from = 0;
    r = scan_batches(rebuild, &scan);
    batch_scan_deinit(&scan);
    return r;
}

int txn_rebuild(struct log *log, struct segment *segment, int64_t start_offset, int64_t end_offset,
                struct buf *out)
{
    const int64_t base_offset = segment->meter.base_offset;
    struct rebuild rebuild = { .producers = &log->producers,
                               .next_offset = base_offset,
                               .end_offset = end_offset };
    struct rng rng = log->rng; /* a copy: what is to come stays as it is */
    map_i64_init(&rebuild.markers, rng_u64(&rng));
    /* Without a snapshot the batches of segments before have told of the producers, and some of them may be damaged, too. */
    if (start_offset < base_offset && !log__snapshot_is_known(log, base_offset))
        VEC_ADD(&rebuild.gaps, ((struct gap){ .begin = start_offset, .end = base_offset }));
    int r = txn_index_salvage(&log->place, base_offset, end_offset, add_old, &rebuild);
    if (rebuild.old.count > 1)
        qsort(rebuild.old.items, rebuild.old.count, sizeof(rebuild.old.items[0]), by_marker);
    if (r == 0)
        r = scan_segment(&rebuild, log, segment);
    if (r == 0 && rebuild.next_offset < end_offset)
        pass_gap(&rebuild, end_offset);
    if (r == 0)
        put_told(&rebuild, out);
    deinit(&rebuild);
    return r;
}
