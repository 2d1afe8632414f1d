/* What a segment's index files tell, before it is believed: see segment.h. */
#include "log/segment_int.h"

#include "base/mem.h"
#include "log/log.h"
#include "log/segment_checks.h"

#define LARGE_BYTES (1u << 20) /* to go through so much for want of an index takes its time */

/* ---- by a job -------------------------------------------------------------------------------- */

/* Both indexes, by a job. */
static int wait_for_build(struct segment *segment, const struct log_place *place,
                          uint32_t index_interval_bytes, struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL);
    struct io_file *file;
    const int r = segment_file(segment, place, false, &file);
    if (r < 0)
        return r;
    struct segment_build *build = MEM_NEW(struct segment_build);
    build->size_bytes = segment->meter.size_bytes;
    segment_builder_init(&build->builder, segment, index_interval_bytes);
    segment_forget_checked(segment, 0, segment->meter.size_bytes); /* pages come back unseen */
    *out_wait = (struct log_wait){ .file = io_file_ref(file), .build = build };
    return -ERR_WOULD_BLOCK;
}

/* The batches behind the one that the last entry of the time index names, or all, by a job; `tail` tells which. */
static int wait_for_tail(struct segment *segment, const struct segment_build *tail,
                         struct io_file *file, struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL);
    struct segment_build *build = MEM_NEW(struct segment_build);
    *build = *tail;
    segment_forget_pages(segment, file, build->tail_begin,
                         build->size_bytes); /* they come back unseen */
    *out_wait = (struct log_wait){ .file = io_file_ref(file), .build = build };
    return -ERR_WOULD_BLOCK;
}

/* 1 when the indexes are ready now; 0 when this was made for another segment, or nothing was made. */
static int adopt_built(struct segment *segment, struct segment_build *build)
{
    if (build == NULL || !build->is_done || build->is_tail ||
        build->builder.meter.base_offset != segment->meter.base_offset ||
        build->size_bytes != segment->meter.size_bytes)
        return 0;
    if (build->result < 0)
        return build->result;
    struct segment_builder *builder = &build->builder;
    index_adopt(&segment->offsets, buf_take(&builder->offsets), builder->meter.offset_entries);
    index_adopt(&segment->times, buf_take(&builder->times), builder->meter.time_entries);
    segment->meter = builder->meter;
    segment->batches_end = builder->end_offset;
    segment->doubted_offset = -1;
    segment->is_meter_ready = segment->are_indexes_adopted = true;
    return 1;
}

/* ---- indexes --------------------------------------------------------------------------------- */

/* A sealed segment's time index has an entry at least, and many batches have one in the other. A
 * power failure soon after a clean shutdown may take the entries back. */
static void look_for_entries(struct segment *segment, uint32_t index_interval_bytes)
{
    const uint32_t size = segment->meter.size_bytes;
    if (size > 0 && index_count(&segment->times) == 0 && segment->times.fault == INDEX_IS_RIGHT)
        segment->times.fault = INDEX_IS_EMPTY;
    if (size > LARGE_BYTES && size / 16 > index_interval_bytes &&
        index_count(&segment->offsets) == 0 && segment->offsets.fault == INDEX_IS_RIGHT)
        segment->offsets.fault = INDEX_IS_EMPTY;
}

/* What the files hold: 0, or 1 when they are of no use. */
static int load_files(struct segment *segment, const struct log_place *place,
                      uint32_t index_interval_bytes, struct log_wait *out_wait)
{
    const struct index_place at = segment_index_place(segment, place);
    const struct index_limits limits = segment_index_limits(segment);
    struct index_wait wait;
    int r = index_load(&segment->offsets, at, limits, &wait);
    if (r >= 0)
        r = index_load(&segment->times, at, limits, &wait);
    if (r == -ERR_WOULD_BLOCK)
        return segment__wait_for_index(&wait, out_wait);
    if (r < 0)
        return r;
    look_for_entries(segment, index_interval_bytes);
    return segment->offsets.fault != INDEX_IS_RIGHT || segment->times.fault != INDEX_IS_RIGHT;
}

/* Indexes that are of no use: 1 when others are ready now. */
static int build_anew(struct segment *segment, const struct log_place *place,
                      uint32_t index_interval_bytes, struct log_wait *out_wait)
{
    /* One that misleads has been emptied, and serves so until the new one is there: whoever has looked at times does not look again. */
    segment->offsets.is_ready = segment->times.is_ready = segment->is_meter_ready;
    if (!place->may_sleep)
        return wait_for_build(segment, place, index_interval_bytes, out_wait);
    const int r = segment_rebuild(segment, place, index_interval_bytes);
    return r < 0 ? r : 1;
}

int segment_load_indexes(struct segment *segment, const struct log_place *place,
                         uint32_t index_interval_bytes, struct log_wait *out_wait)
{
    if (segment->offsets.is_ready && segment->times.is_ready &&
        segment->offsets.fault != INDEX_MISLEADS)
        return 0;
    int r = adopt_built(segment, place->built);
    if (r != 0)
        return r;
    r = load_files(segment, place, index_interval_bytes, out_wait);
    if (r > 0)
        return build_anew(segment, place, index_interval_bytes, out_wait);
    if (r < 0)
        return r;
    segment->meter.offset_entries = index_count(&segment->offsets);
    segment->meter.time_entries = index_count(&segment->times);
    return 0;
}

static int load_first_timestamp(struct segment *segment, const struct log_place *place,
                                struct log_wait *out_wait)
{
    if (segment->meter.size_bytes == 0)
        return 0;
    struct batch_scan scan;
    struct scanned_batch batch;
    int r = segment_scan(segment, place, 0, segment->meter.size_bytes, BATCH_OVERHEAD_BYTES, &scan);
    if (r < 0)
        return r;
    r = batch_scan_next(&scan, &batch);
    if (r == -ERR_WOULD_BLOCK)
        r = segment__wait_for_scan(segment, &scan, out_wait);
    else if (r > 0)
        segment->meter.first_timestamp = batch.max_timestamp;
    else if (batch_scan_is_damage(r))
        r = 0; /* nobody will be told more than that it is not known */
    batch_scan_deinit(&scan);
    return r;
}

/* ---- times ----------------------------------------------------------------------------------- */

/* Whether a job has looked at this very tail. */
static bool is_tail_done(const struct segment_build *build, const struct segment_build *tail)
{
    const struct segment_meter *meter = build == NULL ? NULL : &build->builder.meter;
    return meter != NULL && build->is_done && build->is_tail &&
           build->tail_begin == tail->tail_begin && build->size_bytes == tail->size_bytes &&
           meter->base_offset == tail->builder.meter.base_offset &&
           meter->indexed_timestamp == tail->builder.meter.indexed_timestamp;
}

/* Looks at what lies from a position on, with no offset below `first_offset`, by a job for who may not sleep: the fault of the time index.
 * `last` is its last entry, which gets a later time where one is in doubt. */
static int check_tail(struct segment *segment, const struct log_place *place, uint32_t position,
                      int64_t first_offset, struct index_entry *last, struct log_wait *out_wait)
{
    struct io_file *file;
    struct segment_build tail = { .size_bytes = segment->meter.size_bytes,
                                  .is_tail = true,
                                  .tail_begin = position };
    if (tail.tail_begin >= tail.size_bytes)
        return INDEX_IS_RIGHT;
    int r = segment_file(segment, place, false, &file);
    if (r < 0)
        return r;
    segment_builder_init(&tail.builder, segment, 0);
    tail.builder.meter.indexed_timestamp = tail.builder.meter.max_timestamp = last->key;
    tail.builder.end_offset = first_offset;
    const struct segment_build *done = &tail;
    if (place->may_sleep)
        segment_build_run(&tail, file);
    else if (is_tail_done(place->built, &tail))
        done = place->built;
    else
        return wait_for_tail(segment, &tail, file, out_wait);
    last->key = done->builder.meter.max_timestamp;
    return done->result < 0 ? done->result : (int)done->fault;
}

/* The batch that has an offset, by the index and headers from there on: 1, or 0 with the last one that was met, if any; -ERR_CORRUPT where nobody
 * gets to it. */
static int find_named(struct segment *segment, const struct log_place *place, uint32_t relative,
                      struct scanned_batch *out, struct log_wait *out_wait)
{
    const int64_t offset = segment->meter.base_offset + relative;
    struct index_entry before = { 0 };
    struct index_wait wait;
    int r = index_find(&segment->offsets, segment_index_place(segment, place), relative, &before,
                       &wait);
    if (r == -ERR_WOULD_BLOCK)
        return segment__wait_for_index(&wait, out_wait);
    if (r < 0)
        return r;
    if (before.value >= segment->meter.size_bytes)
        return -ERR_CORRUPT;
    out->position = before.value;
    r = segment__find_header(segment, place, before.value, offset, false, out, out_wait);
    const bool is_misled = batch_scan_is_damage(r) ||
                           (r > 0 && (out->last_offset > segment->offset_limit ||
                                      (out->magic == BATCH_MAGIC && out->base_offset > offset)));
    return is_misled ? -ERR_CORRUPT : r;
}

/* Retention and lookups by time go by the last entry of the time index, so it is held against the batch that it names and those behind:
 * INDEX_HAS_WRONG_TIME when that is whole and says otherwise, INDEX_LACKS_TIMES when one behind is whole and later, else INDEX_IS_RIGHT. Where a batch
 * is damaged that may be later, its file's last change counts: retention takes nothing too early. */
static int check_last_time(struct segment *segment, const struct log_place *place,
                           struct index_entry *last, struct log_wait *out_wait)
{
    const int64_t offset = segment->meter.base_offset + last->value;
    struct scanned_batch batch = { .max_timestamp = -1 };
    int r = find_named(segment, place, last->value, &batch, out_wait);
    if (r == 0 || (r > 0 && batch.max_timestamp != last->key)) {
        struct scanned_batch checked;
        r = segment__find_header(segment, place, (uint32_t)batch.position, offset, true, &checked,
                                 out_wait);
        if (r >= 0)
            return INDEX_HAS_WRONG_TIME;
    }
    if (batch_scan_is_damage(r)) /* what is whole tells, wherever it lies */
        return check_tail(segment, place, 0, segment->meter.base_offset, last, out_wait);
    if (r < 0)
        return r;
    return check_tail(segment, place, (uint32_t)batch.position + batch.size_bytes,
                      batch.last_offset + 1, last, out_wait);
}

/* The last entries of both indexes: 1 with that of the time index, 0 when it has none. */
static int load_last_entries(struct segment *segment, const struct log_place *place,
                             struct index_entry *out_time, struct log_wait *out_wait)
{
    const struct index_place at = segment_index_place(segment, place);
    struct index_entry last = { 0 };
    struct index_wait wait;
    const int has_time = index_last(&segment->times, at, out_time, &wait);
    const int r = has_time < 0 ? has_time : index_last(&segment->offsets, at, &last, &wait);
    if (r == -ERR_WOULD_BLOCK)
        return segment__wait_for_index(&wait, out_wait);
    if (r < 0)
        return r;
    segment->meter.bytes_since_entry = segment->meter.size_bytes - (r > 0 ? last.value : 0);
    return has_time;
}

int segment_load_times(struct segment *segment, const struct log_place *place,
                       uint32_t index_interval_bytes, struct log_wait *out_wait)
{
    if (segment->is_meter_ready)
        return 0;
    int r = segment_load_indexes(segment, place, index_interval_bytes, out_wait);
    if (r < 0 || segment->is_meter_ready)
        return r;
    struct index_entry last;
    const int has_time = load_last_entries(segment, place, &last, out_wait);
    /* What a job finds in a tail is for the next call: whatever else may have to be waited for comes before. */
    r = has_time < 0 ? has_time : load_first_timestamp(segment, place, out_wait);
    if (r < 0)
        return r;
    if (has_time > 0) {
        const int fault = check_last_time(segment, place, &last, out_wait);
        if (fault < 0)
            return fault;
        if (fault != INDEX_IS_RIGHT) {
            segment->times.fault = (enum index_fault)fault;
            return build_anew(segment, place, index_interval_bytes, out_wait);
        }
        segment->meter.indexed_timestamp = segment->meter.max_timestamp = last.key;
        segment->meter.max_timestamp_offset = segment->meter.base_offset + last.value;
    }
    segment->is_meter_ready = true;
    return 0;
}
