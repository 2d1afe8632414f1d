/* Meter and indexes of a segment made anew from its batches, at once or by a job: see segment.h. */
#include "log/segment_int.h"

#include "base/mem.h"

void segment_builder_init(struct segment_builder *builder, const struct segment *segment,
                          uint32_t index_interval_bytes)
{
    *builder = (struct segment_builder){ .meter = segment->meter,
                                         .end_offset = segment->meter.base_offset,
                                         .damaged_offset = -1,
                                         .offset_limit = segment->offset_limit,
                                         .modified_ms = segment->modified_ms,
                                         .index_interval_bytes = index_interval_bytes };
    builder->meter.size_bytes = 0;
    builder->meter.bytes_since_entry = 0;
    builder->meter.offset_entries = 0;
    builder->meter.time_entries = 0;
    builder->meter.indexed_timestamp = -1;
    builder->meter.max_timestamp = -1;
    builder->meter.max_timestamp_offset = segment->meter.base_offset;
    builder->meter.first_timestamp = -1;
    buf_init(&builder->offsets, INT32_MAX);
    buf_init(&builder->times, INT32_MAX);
}

void segment_builder_deinit(struct segment_builder *builder)
{
    buf_deinit(&builder->offsets);
    buf_deinit(&builder->times);
}

static void put_entry(struct buf *out, enum index_kind kind, struct index_entry entry)
{
    uint8_t *at = buf_extend(out, index_entry_bytes(kind));
    if (at != NULL)
        index_encode(kind, entry, at);
}

void segment_builder_add(struct segment_builder *builder, const struct scanned_batch *batch)
{
    const struct metered_batch metered = { .last_offset = batch->last_offset,
                                           .max_timestamp = batch->max_timestamp,
                                           .size_bytes = batch->size_bytes };
    const struct segment_entries entries =
        segment_meter_add(&builder->meter, builder->index_interval_bytes, &metered);
    if (entries.has_offset)
        put_entry(&builder->offsets, INDEX_OFFSET, entries.offset);
    if (entries.has_time)
        put_entry(&builder->times, INDEX_TIME, entries.time);
    builder->end_offset = batch->last_offset + 1;
}

void segment_builder_pass(struct segment_builder *builder, int64_t position)
{
    builder->meter.size_bytes = (uint32_t)position;
    builder->meter.bytes_since_entry = INT32_MAX + 1u;
    builder->damaged_offset = builder->end_offset;
}

/* Once all batches are there, whose times are entries of their own. */
static void count_damaged(struct segment_builder *builder)
{
    if (builder->damaged_offset < 0 || builder->damaged_offset > builder->offset_limit ||
        builder->meter.max_timestamp >= builder->modified_ms)
        return;
    builder->meter.max_timestamp = builder->modified_ms;
    builder->meter.max_timestamp_offset = builder->damaged_offset;
}

int segment_builder_finish(struct segment_builder *builder, struct segment *segment,
                           const struct log_place *place)
{
    if (!buf_is_ok(&builder->offsets) || !buf_is_ok(&builder->times))
        return -ERR_LIMIT;
    count_damaged(builder);
    const struct index_place at = segment_index_place(segment, place);
    int r =
        index_replace(&segment->offsets, at, builder->offsets.data, builder->meter.offset_entries);
    if (r == 0)
        r = index_replace(&segment->times, at, builder->times.data, builder->meter.time_entries);
    if (r < 0)
        return r;
    segment->meter = builder->meter;
    segment->batches_end = builder->end_offset;
    segment->doubted_offset = -1;
    segment->is_meter_ready = true;
    return 0;
}

/* Index files made anew for a segment that no recovery will look at again. */
static int seal_for_good(struct segment *segment, const struct log_place *place)
{
    struct index *const indexes[] = { &segment->offsets, &segment->times };
    int r = segment_seal_if_room(segment, place);
    for (size_t i = 0; i < ARRAY_LEN(indexes) && r > 0; i++) {
        struct io_file *file;
        int synced = index_file(indexes[i], segment_index_place(segment, place), false, &file);
        if (synced == 0)
            synced = io_file_sync(file);
        if (synced < 0)
            r = synced;
    }
    return MIN(r, 0);
}

/* The next batch, or the one behind what is damaged; 0: what is left is damaged, or nothing is left. */
static int next_to_build(struct segment_builder *builder, struct batch_scan *scan,
                         struct scanned_batch *batch)
{
    int r = batch_scan_next(scan, batch);
    if (!batch_scan_is_damage(r))
        return r;
    r = batch_scan_resync(scan, builder->end_offset + 1,
                          MIN(builder->meter.base_offset + INT32_MAX, builder->offset_limit));
    if (r < 0)
        return r;
    segment_builder_pass(builder, r > 0 ? scan->position : scan->end);
    return r > 0 ? batch_scan_next(scan, batch) : 0;
}

/* Feeds the builder the whole file: 0, or 1 when it is found to be damaged. */
static int build_from(struct segment_builder *builder, struct io_file *file, uint32_t size_bytes)
{
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, 0, size_bytes, BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    scan.crc_from = 0;
    int r;
    while ((r = next_to_build(builder, &scan, &batch)) > 0)
        segment_builder_add(builder, &batch);
    batch_scan_deinit(&scan);
    if (r < 0 || builder->damaged_offset < 0)
        return r;
    builder->end_offset = -1; /* whoever reads there is told of the damage */
    return 1;
}

int segment_rebuild(struct segment *segment, const struct log_place *place,
                    uint32_t index_interval_bytes)
{
    ASSERT(place->may_sleep);
    struct io_file *file;
    int r = segment_file(segment, place, false, &file);
    if (r < 0)
        return r;
    io_file_ref(file); /* the indexes are opened below, and the cache may close this one */
    struct segment_builder builder;
    segment_builder_init(&builder, segment, index_interval_bytes);
    const int built = build_from(&builder, file, segment->meter.size_bytes);
    r = built < 0 ? built : segment_builder_finish(&builder, segment, place);
    if (r == 0 && segment->is_sealed)
        r = seal_for_good(segment, place);
    segment_builder_deinit(&builder);
    io_file_unref(file);
    return r < 0 ? r : built;
}

/* ---- building by a job ----------------------------------------------------------------------- */

/* Whether a whole batch of the tail is later than the time index tells, which then lacks entries; or, where the tail is all there is and
 * nothing of it damaged, none has the time. */
static int look_at_tail(struct segment_build *build, struct io_file *file)
{
    struct segment_builder *builder = &build->builder;
    const int64_t told = builder->meter.indexed_timestamp;
    int64_t newest = -1;
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, build->tail_begin, build->size_bytes, BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    scan.crc_from = build->tail_begin;
    int r = 0;
    while (newest <= told && (r = next_to_build(builder, &scan, &batch)) > 0) {
        builder->end_offset = batch.last_offset + 1;
        newest = MAX(newest, batch.max_timestamp);
    }
    batch_scan_deinit(&scan);
    count_damaged(builder);
    if (newest > told)
        build->fault = INDEX_LACKS_TIMES;
    else if (build->tail_begin == 0 && builder->damaged_offset < 0 && newest < told)
        build->fault = INDEX_HAS_WRONG_TIME;
    return MIN(r, 0);
}

void segment_build_run(struct segment_build *build, struct io_file *file)
{
    struct segment_builder *builder = &build->builder;
    if (build->is_tail) {
        build->result = look_at_tail(build, file);
        build->is_done = true;
        return;
    }
    const int r = build_from(builder, file, build->size_bytes);
    count_damaged(builder);
    const struct segment_entries last = segment_meter_last(&builder->meter);
    if (r >= 0 && last.has_time)
        put_entry(&builder->times, INDEX_TIME, last.time);
    const bool has_room = buf_is_ok(&builder->offsets) && buf_is_ok(&builder->times);
    build->result = r < 0 ? r : has_room ? 0 : -ERR_LIMIT;
    build->is_done = true;
}

void segment_build_free(struct segment_build *build)
{
    if (build == NULL)
        return;
    segment_builder_deinit(&build->builder);
    mem_free(build);
}

int segment_mend(struct segment *segment, const struct log_place *place)
{
    ASSERT(segment->are_indexes_adopted);
    segment->are_indexes_adopted = false;
    return seal_for_good(segment, place);
}
