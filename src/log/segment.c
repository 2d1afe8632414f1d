/* One segment's files: see segment.h. */
#include "log/segment.h"

#include "base/mem.h"
#include "log/log.h"
#include "log/names.h"
#include "log/segment_checks.h"

#include <errno.h>

#define LARGE_BYTES (1u << 20) /* to go through so much for want of an index takes its time */

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

/* ---- waiting --------------------------------------------------------------------------------- */

/* The bytes come into memory unseen: what is read there later is checked then. */
static int wait_for_scan(struct segment *segment, const struct batch_scan *scan,
                         struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL);
    segment_forget_checked(segment, (uint32_t)scan->position,
                           (uint32_t)(scan->wanted_position + scan->wanted_bytes));
    *out_wait = (struct log_wait){ .file = io_file_ref(scan->file),
                                   .position = scan->wanted_position,
                                   .size_bytes = scan->wanted_bytes };
    return -ERR_WOULD_BLOCK;
}

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

/* The headers behind the batch that the last entry of the time index names, by a job; `tail` tells which. */
static int wait_for_tail(struct segment *segment, const struct segment_build *tail,
                         struct io_file *file, struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL);
    struct segment_build *build = MEM_NEW(struct segment_build);
    *build = *tail;
    segment_forget_checked(segment, build->tail_begin,
                           build->size_bytes); /* pages come back unseen */
    *out_wait = (struct log_wait){ .file = io_file_ref(file), .build = build };
    return -ERR_WOULD_BLOCK;
}

static int wait_for_index(const struct index_wait *wait, struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL);
    *out_wait = (struct log_wait){ .file = io_file_ref(wait->file),
                                   .position = wait->position,
                                   .size_bytes = wait->size_bytes };
    return -ERR_WOULD_BLOCK;
}

/* ---- building -------------------------------------------------------------------------------- */

void segment_builder_init(struct segment_builder *builder, const struct segment *segment,
                          uint32_t index_interval_bytes)
{
    *builder = (struct segment_builder){ .meter = segment->meter,
                                         .end_offset = segment->meter.base_offset,
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
}

int segment_builder_finish(struct segment_builder *builder, struct segment *segment,
                           const struct log_place *place)
{
    if (!buf_is_ok(&builder->offsets) || !buf_is_ok(&builder->times))
        return -ERR_LIMIT;
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

/* The next batch, or the one behind what is damaged. */
static int next_to_build(struct segment_builder *builder, struct batch_scan *scan,
                         struct scanned_batch *batch, bool *is_damaged)
{
    int r = batch_scan_next(scan, batch);
    if (!batch_scan_is_damage(r))
        return r;
    *is_damaged = true;
    r = batch_scan_resync(scan, builder->end_offset + 1,
                          MIN(builder->meter.base_offset + INT32_MAX, builder->offset_limit));
    if (r <= 0)
        return r;
    segment_builder_pass(builder, scan->position);
    return batch_scan_next(scan, batch);
}

/* Whether the batch at a position, up to `end`, is not what its CRC says: 1, 0, or what io says. */
static int check_batch(struct io_file *file, int64_t position, int64_t end)
{
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, position, end, BATCH_SCAN_WINDOW_SMALL);
    scan.may_sleep = true;
    scan.crc_from = position;
    const int r = batch_scan_next(&scan, &batch);
    batch_scan_deinit(&scan);
    return batch_scan_is_damage(r) ? 1 : MIN(r, 0);
}

/* What a damaged batch says of its time, as far as it can be: no time is of after the file was last changed, or a flipped bit would keep
 * the segment for ever. Where that is not known it is believed. */
static int64_t credible_time(int64_t time, int64_t modified_ms)
{
    return modified_ms > 0 ? MIN(time, modified_ms) : time;
}

/* Clients may give times of the future: one of a whole batch counts. Of a damaged one it is another now. */
static int doubt_time(const struct segment_builder *builder, struct io_file *file,
                      struct scanned_batch *batch)
{
    const int64_t credible = credible_time(batch->max_timestamp, builder->modified_ms);
    if (batch->max_timestamp == credible)
        return 0;
    const int r = check_batch(file, batch->position, batch->position + batch->size_bytes);
    if (r > 0)
        batch->max_timestamp = credible;
    return MIN(r, 0);
}

/* Feeds the builder the headers of the whole file: 0, or 1 when it is found to be damaged. By their headers alone batches in the midst tell
 * where they lie; the last one tells where all end. */
static int build_from(struct segment_builder *builder, struct io_file *file, uint32_t size_bytes)
{
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, 0, size_bytes, BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    bool is_damaged = false;
    int64_t last = size_bytes;
    int r;
    while ((r = next_to_build(builder, &scan, &batch, &is_damaged)) > 0) {
        r = doubt_time(builder, file, &batch);
        if (r < 0)
            break;
        segment_builder_add(builder, &batch);
        last = batch.position;
    }
    batch_scan_deinit(&scan);
    if (r == 0 && !is_damaged) {
        r = check_batch(file, last, size_bytes);
        is_damaged = r > 0;
    }
    if (r < 0 || !is_damaged)
        return r;
    builder->meter.size_bytes = size_bytes;
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

/* Whether a batch of the tail has a later time than the index tells. Only a whole one shows that entries are missing; a damaged one's time
 * counts, as far as it can be, since of what is in doubt nothing is to be taken too early. */
static int look_at_tail(struct segment_build *build, struct io_file *file)
{
    struct segment_builder *builder = &build->builder;
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, build->tail_begin, build->size_bytes, BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    bool is_damaged = false;
    int r = 0;
    while (!build->lacks_entries && (r = next_to_build(builder, &scan, &batch, &is_damaged)) > 0) {
        builder->end_offset = batch.last_offset + 1;
        if (batch.max_timestamp <= builder->meter.indexed_timestamp)
            continue;
        r = check_batch(file, batch.position, batch.position + batch.size_bytes);
        if (r < 0)
            break;
        build->lacks_entries = r == 0;
        builder->meter.max_timestamp = MAX(
            builder->meter.max_timestamp, credible_time(batch.max_timestamp, builder->modified_ms));
    }
    batch_scan_deinit(&scan);
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

int segment_mend(struct segment *segment, const struct log_place *place)
{
    ASSERT(segment->are_indexes_adopted);
    segment->are_indexes_adopted = false;
    return seal_for_good(segment, place);
}

/* ---- loading --------------------------------------------------------------------------------- */

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
        return wait_for_index(&wait, out_wait);
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
    struct io_file *file;
    int r = segment_file(segment, place, false, &file);
    if (r < 0)
        return r;
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, 0, segment->meter.size_bytes, BATCH_OVERHEAD_BYTES);
    scan.may_sleep = place->may_sleep;
    r = batch_scan_next(&scan, &batch);
    if (r == -ERR_WOULD_BLOCK)
        r = wait_for_scan(segment, &scan, out_wait);
    else if (r > 0)
        segment->meter.first_timestamp = batch.max_timestamp;
    else if (batch_scan_is_damage(r))
        r = 0; /* nobody will be told more than that it is not known */
    batch_scan_deinit(&scan);
    return r;
}

/* From a batch on, by their headers, to the first that reaches the offset: 1, or 0. A position that is no batch's beginning, and a batch that
 * is damaged: as batch_scan_next. */
static int find_header(struct segment *segment, const struct log_place *place, uint32_t position,
                       int64_t offset, bool checks_crc, struct scanned_batch *out,
                       struct log_wait *out_wait)
{
    struct io_file *file;
    int r = segment_file(segment, place, false, &file);
    if (r < 0)
        return r;
    struct batch_scan scan;
    batch_scan_init(&scan, file, position, segment->meter.size_bytes, BATCH_SCAN_WINDOW_SMALL);
    scan.may_sleep = place->may_sleep;
    scan.crc_from = checks_crc ? position : INT64_MAX;
    do {
        r = batch_scan_next(&scan, out);
    } while (r > 0 && out->last_offset < offset);
    if (r == -ERR_WOULD_BLOCK)
        r = wait_for_scan(segment, &scan, out_wait);
    batch_scan_deinit(&scan);
    return r;
}

/* Whether a job has looked at this very tail. */
static bool is_tail_done(const struct segment_build *build, const struct segment_build *tail)
{
    const struct segment_meter *meter = build == NULL ? NULL : &build->builder.meter;
    return meter != NULL && build->is_done && build->is_tail &&
           build->tail_begin == tail->tail_begin && build->size_bytes == tail->size_bytes &&
           meter->base_offset == tail->builder.meter.base_offset &&
           meter->indexed_timestamp == tail->builder.meter.indexed_timestamp;
}

/* Looks at what lies from a position on, with no offset below `first_offset`, by a job for who may not sleep: 1 when the time index lacks
 * entries, else 0. `last` is its last entry, which gets a later time where one is in doubt. */
static int check_tail(struct segment *segment, const struct log_place *place, uint32_t position,
                      int64_t first_offset, struct index_entry *last, struct log_wait *out_wait)
{
    struct io_file *file;
    struct segment_build tail = { .size_bytes = segment->meter.size_bytes,
                                  .is_tail = true,
                                  .tail_begin = position };
    if (tail.tail_begin >= tail.size_bytes)
        return 0;
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
    return done->result < 0 ? done->result : done->lacks_entries;
}

/* From where headers lead to an offset: 0, or -ERR_OVERRUN, with the beginning, where the index leads out of the file. */
static int find_before(struct segment *segment, const struct log_place *place, uint32_t offset,
                       uint32_t *out_position, struct log_wait *out_wait)
{
    struct index_entry before = { 0 };
    struct index_wait wait;
    const int r =
        index_find(&segment->offsets, segment_index_place(segment, place), offset, &before, &wait);
    if (r == -ERR_WOULD_BLOCK)
        return wait_for_index(&wait, out_wait);
    if (r < 0 && r != -ERR_CORRUPT)
        return r;
    const bool is_within = before.value < segment->meter.size_bytes;
    *out_position = is_within ? before.value : 0;
    return is_within ? 0 : -ERR_OVERRUN;
}

/* Retention and lookups by time go by the last entry of the time index, so it is held against the batch that it names and those behind:
 * INDEX_HAS_WRONG_TIME when that is whole and says otherwise, INDEX_LACKS_TIMES when one behind is whole and later, else INDEX_IS_RIGHT. Of two
 * times that are both in doubt the later one counts, as far as it can be: retention takes nothing too early. */
static int check_last_time(struct segment *segment, const struct log_place *place,
                           struct index_entry *last, struct log_wait *out_wait)
{
    const int64_t offset = segment->meter.base_offset + last->value;
    struct scanned_batch batch = { .max_timestamp = -1 };
    uint32_t position = 0;
    int r = find_before(segment, place, last->value, &position, out_wait);
    if (r == 0)
        r = find_header(segment, place, position, offset, false, &batch, out_wait);
    if (batch_scan_is_damage(r)) { /* nobody gets to it; what is whole may be later all the same */
        r = check_tail(segment, place, position, segment->meter.base_offset, last, out_wait);
        return r > 0 ? INDEX_LACKS_TIMES : r;
    }
    if (r < 0)
        return r;
    const bool is_found = r > 0;
    if (!is_found || batch.max_timestamp != last->key) {
        struct scanned_batch checked;
        const uint32_t from = is_found ? (uint32_t)batch.position : position;
        r = find_header(segment, place, from, offset, true, &checked, out_wait);
        if (r >= 0)
            return INDEX_HAS_WRONG_TIME;
        if (!batch_scan_is_damage(r))
            return r;
        last->key = MAX(last->key, credible_time(batch.max_timestamp, segment->modified_ms));
        if (!is_found) /* the last batch, that does not say to reach so far */
            return INDEX_IS_RIGHT;
    }
    r = check_tail(segment, place, (uint32_t)batch.position + batch.size_bytes,
                   batch.last_offset + 1, last, out_wait);
    return r > 0 ? INDEX_LACKS_TIMES : r;
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
        return wait_for_index(&wait, out_wait);
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

/* ---- finding --------------------------------------------------------------------------------- */

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
    struct io_file *file;
    int r = segment_file(walk->segment, walk->place, false, &file);
    if (r < 0)
        return r;
    struct batch_scan scan;
    struct scanned_batch batch;
    batch_scan_init(&scan, file, walk->position, end, BATCH_SCAN_WINDOW_SMALL);
    scan.may_sleep = walk->place->may_sleep;
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

/* What is good from the walk's position on: 1 when the offset was found there, 0 when it lies behind. */
static int walk_trusted(struct offset_walk *walk, uint32_t begin, struct segment_found *out,
                        struct log_wait *out_wait)
{
    struct segment_trust trust;
    const uint32_t at = walk->position;
    const int64_t expected_last = at == begin ? walk->expected_last : -1;
    int r = segment_trust(walk->segment, walk->place, at, expected_last, at + WALK_BYTES, &trust,
                          out_wait);
    walk->met_damage |= r == SEGMENT_DAMAGED;
    if (r == SEGMENT_MISFIT)
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
    if (r == -ERR_WOULD_BLOCK || (batch_scan_is_damage(r) && !walk->place->may_sleep))
        return segment_ask_check(walk->segment, walk->place, walk->position,
                                 walk->position == begin ? walk->expected_last : -1,
                                 walk->position + WALK_BYTES, out_wait);
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
        return wait_for_index(&wait, out_wait);
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
        return wait_for_index(&wait, out_wait);
    if (r <= 0)
        return r;
    const int64_t last_offset = segment->meter.base_offset + entry.key;
    if (entry.value < position || entry.value >= segment->meter.size_bytes)
        return 0;
    r = find_header(segment, place, entry.value, last_offset, false, &batch, out_wait);
    if (r < 0)
        return batch_scan_is_damage(r) ? 0 : r;
    if (r == 0 || batch.position != entry.value || batch.last_offset != last_offset)
        return 0; /* the batch that it leads to is another one */
    *out = last_offset;
    return 1;
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
