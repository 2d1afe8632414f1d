/* The batch that has an offset: from where the index leads, over headers that are known to be good, past damage. See segment.h. */
#include "log/segment_int.h"

#include "log/segment_checks.h"

#define WALK_BYTES (64u << 10) /* that are checked at least where headers are to be walked */

/* A walk to the first batch that reaches an offset. */
struct offset_walk {
    struct segment *segment;
    const struct log_place *place;
    int64_t offset;
    uint32_t position;     /* of the next batch */
    int64_t expected_last; /* of the first batch, by the index; -1: not known */
    int64_t first_last;    /* as it is; INT64_MIN: none was met */
    int64_t end;           /* behind the last batch that was passed; -1: none was */
    bool met_damage;
    struct damaged_batch *passed; /* the batch before, where it is damaged; NULL */
};

static struct segment_found found_damage(struct damaged_batch *damage)
{
    return (struct segment_found){ .position = damage->position,
                                   .size_bytes = damage->size_bytes,
                                   .base_offset = damage->first_offset,
                                   .last_offset = damage->last_offset,
                                   .max_timestamp = -1,
                                   .damage = damage };
}

/* Whether the offset is of the damaged batch before this one, as far as can be told. */
static bool is_of_passed(const struct offset_walk *walk, int64_t next_offset)
{
    return walk->passed != NULL && walk->offset < next_offset &&
           walk->offset <= walk->passed->last_offset;
}

/* Over the headers of good batches up to `end`: 1 and the batch, or 0. */
static int walk_good(struct offset_walk *walk, uint32_t end, struct segment_found *out)
{
    struct batch_scan scan;
    struct scanned_batch batch;
    int r = segment_scan(walk->segment, walk->place, walk->position, end, BATCH_SCAN_WINDOW_SMALL,
                         &scan);
    if (r < 0)
        return r;
    while ((r = batch_scan_next(&scan, &batch)) > 0) {
        if (walk->first_last == INT64_MIN)
            walk->first_last = batch.last_offset;
        if (is_of_passed(walk, batch.base_offset) || batch.last_offset >= walk->offset)
            break;
        walk->passed = NULL;
        walk->end = batch.last_offset + 1;
    }
    walk->position = (uint32_t)scan.position;
    batch_scan_deinit(&scan);
    if (r <= 0)
        return r;
    *out = is_of_passed(walk, batch.base_offset)
               ? found_damage(walk->passed)
               : (struct segment_found){ .position = batch.position,
                                         .size_bytes = batch.size_bytes,
                                         .base_offset = batch.base_offset,
                                         .last_offset = batch.last_offset,
                                         .max_timestamp = batch.max_timestamp };
    return 1;
}

/* Past a damaged batch, unless it is the one, or nobody knows where the next begins. */
static bool pass_damage(struct offset_walk *walk, struct damaged_batch *damage)
{
    if (walk->first_last == INT64_MIN)
        walk->first_last = walk->expected_last;
    walk->end = damage->last_offset == INT64_MAX ? -1 : damage->last_offset + 1;
    walk->passed = damage;
    walk->position = damage->position + damage->size_bytes;
    return damage->size_bytes > 0;
}

/* The batch that the index leads to is not there: from a position that is no batch's beginning nothing is to be concluded. */
static bool is_misled(const struct offset_walk *walk, uint32_t begin, int r)
{
    if (walk->expected_last < 0 || walk->place->may_sleep)
        return false;
    return walk->position > begin ? walk->first_last != walk->expected_last
                                  : batch_scan_is_damage(r);
}

/* Whether the index leads to a damaged batch that does not have the offset. */
static bool is_other(const struct damaged_batch *damage, int64_t expected_last)
{
    return expected_last >= 0 &&
           (expected_last < damage->first_offset || expected_last > damage->last_offset);
}

/* What is good from the walk's position on: 1 when the offset was found there, 0 when it lies behind. */
static int walk_trusted(struct offset_walk *walk, uint32_t begin, struct segment_found *out,
                        struct log_wait *out_wait)
{
    struct segment_trust trust;
    const uint32_t at = walk->position;
    struct batch_clue clue = { .first_offset = walk->end,
                               .last_offset = at == begin ? walk->expected_last : -1 };
    int r = segment_trust(walk->segment, walk->place, at, clue, at + WALK_BYTES, &trust, out_wait);
    walk->met_damage |= r == SEGMENT_DAMAGED;
    if (r == SEGMENT_MISFIT || (r == SEGMENT_DAMAGED && is_other(trust.damage, clue.last_offset)))
        return -ERR_NOT_FOUND;
    if (r == SEGMENT_DAMAGED && is_of_passed(walk, trust.damage->first_offset)) {
        *out = found_damage(walk->passed);
        return 1;
    }
    if (r == SEGMENT_DAMAGED && pass_damage(walk, trust.damage))
        return 0;
    if (r == SEGMENT_DAMAGED) {
        *out = found_damage(trust.damage);
        return 1;
    }
    if (r < 0)
        return r;
    r = walk_good(walk, trust.end, out);
    if (is_misled(walk, begin, r))
        return -ERR_NOT_FOUND;
    /* Good bytes that are not in memory any more, or are others by now, are looked at anew. */
    if (r == -ERR_WOULD_BLOCK || (batch_scan_is_damage(r) && !walk->place->may_sleep)) {
        clue.first_offset = walk->end;
        clue.last_offset = walk->position == begin ? walk->expected_last : -1;
        return segment_ask_check(walk->segment, walk->place, walk->position, clue,
                                 walk->position + WALK_BYTES, out_wait);
    }
    return r;
}

/* As segment_find; -ERR_NOT_FOUND: the index has misled. */
static int walk_to(struct offset_walk *walk, struct segment_found *out, struct log_wait *out_wait)
{
    const uint32_t begin = walk->position;
    int r = 0;
    walk->first_last = INT64_MIN;
    walk->end = -1;
    walk->passed = NULL;
    while (r == 0 && walk->position < walk->segment->meter.size_bytes)
        r = walk_trusted(walk, begin, out, out_wait);
    if (r == 0 && is_of_passed(walk, INT64_MAX)) {
        *out = found_damage(walk->passed);
        return 1;
    }
    return r;
}

/* The index points at something else than the batch it names, on the way to an offset: it is not to be trusted. */
static void distrust_indexes(struct segment *segment, int64_t offset, uint32_t position)
{
    segment->doubted_offset = offset;
    segment->doubted_position = position;
}

/* Whether a damaged batch has the place that was told, or lies before it and nobody knows where it ends. */
static bool is_in_damage(const struct segment *segment, const struct offset_walk *walk)
{
    const struct damaged_batch *last = segment_damage_at(segment, walk->position);
    return segment_damage_at(segment, segment->doubted_position) != NULL ||
           (last != NULL && last->size_bytes == 0 && last->position < segment->doubted_position);
}

/* Whoever comes from the first batch as far as the index was to lead, and meets no damage on the way, knows that the index is
 * what was wrong. One that is not written to any more is made anew. Where a damaged batch has the place, the index was right. */
static void judge_indexes(struct segment *segment, const struct offset_walk *walk)
{
    if (segment->doubted_offset < 0 || walk->offset < segment->doubted_offset ||
        walk->place->may_sleep) /* nothing was checked */
        return;
    segment->doubted_offset = -1;
    if (is_in_damage(segment, walk))
        return;
    index_drop_pending(&segment->offsets);
    segment->offsets.disk_count = 0;
    if (segment->is_sealed && !walk->met_damage)
        segment->offsets.fault = INDEX_MISLEADS;
}

/* The entry that leads nearest to an offset: as index_find; 0 while the index is in doubt. */
static int find_entry(struct segment *segment, const struct log_place *place, int64_t offset,
                      struct index_entry *out, struct index_wait *out_wait)
{
    if (segment->doubted_offset >= 0)
        return 0;
    const int64_t key = MIN(offset - segment->meter.base_offset, (int64_t)INT32_MAX);
    return index_find(&segment->offsets, segment_index_place(segment, place), key, out, out_wait);
}

/* Where a walk has come to the end of the file, it knows where the batches end. */
static int note_end(struct segment *segment, const struct offset_walk *walk, int r)
{
    if (r == 0)
        segment->batches_end =
            segment->meter.size_bytes == 0 ? segment->meter.base_offset : walk->end;
    return r;
}

int segment_find(struct segment *segment, const struct log_place *place, int64_t offset,
                 uint32_t from_position, struct segment_found *out, struct log_wait *out_wait)
{
    ASSERT(segment->offsets.is_ready);
    struct index_entry entry;
    struct index_wait wait;
    int r = find_entry(segment, place, offset, &entry, &wait);
    if (r == -ERR_WOULD_BLOCK)
        return segment__wait_for_index(&wait, out_wait);
    if (r < 0 && r != -ERR_CORRUPT)
        return r;
    struct offset_walk walk = { .segment = segment, .place = place, .offset = offset };
    if (r > 0 && entry.value > from_position) {
        walk.position = entry.value;
        walk.expected_last = segment->meter.base_offset + entry.key;
        r = walk_to(&walk, out, out_wait);
        if (walk.first_last == walk.expected_last || r == -ERR_WOULD_BLOCK)
            return note_end(segment, &walk, r);
        distrust_indexes(segment, offset, entry.value);
    } else if (r == -ERR_CORRUPT) {
        distrust_indexes(segment, offset, 0);
    }
    walk.position = from_position;
    walk.expected_last = -1;
    walk.met_damage = false;
    r = walk_to(&walk, out, out_wait);
    if (r >= 0 && from_position == 0)
        judge_indexes(segment, &walk);
    return note_end(segment, &walk, r);
}

int segment_bound_of_position(struct segment *segment, const struct log_place *place,
                              uint32_t position, int64_t *out, struct log_wait *out_wait)
{
    struct index_entry entry;
    struct index_wait wait;
    struct scanned_batch batch;
    int r = index_find_value(&segment->offsets, segment_index_place(segment, place), position,
                             &entry, &wait);
    if (r == -ERR_WOULD_BLOCK)
        return segment__wait_for_index(&wait, out_wait);
    if (r <= 0)
        return r;
    const int64_t last_offset = segment->meter.base_offset + entry.key;
    if (entry.value < position || entry.value >= segment->meter.size_bytes)
        return 0;
    r = segment__find_header(segment, place, entry.value, last_offset, false, &batch, out_wait);
    if (r < 0)
        return batch_scan_is_damage(r) ? 0 : r;
    if (r == 0 || batch.position != entry.value || batch.last_offset != last_offset)
        return 0; /* the batch that it leads to is another one */
    *out = last_offset;
    return 1;
}
