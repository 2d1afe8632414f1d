/* Records that stay, and records that go: see batch_filter.h.
 *
 * Nothing is copied before the first record goes: of many batches none does. From then on runs of kept records are
 * copied, one memcpy a run. Where a horizon is given, every timestamp delta changes, and the records are gone through
 * once more: that happens once in the life of a batch.
 */
#include "wire/batch_filter.h"

#include "wire/batch_int.h"
#include "wire/record_int.h"

#include <string.h>

#define KEEP_MEMORY_BYTES ((size_t)4 << 20) /* more is given back after a batch that needed it */

void batch_filter_init(struct batch_filter *filter, struct codec_contexts *contexts,
                       size_t uncompressed_bytes_max)
{
    *filter = (struct batch_filter){ .contexts = contexts,
                                     .uncompressed_bytes_max = uncompressed_bytes_max };
    /* One byte more, so that a stream of exactly the maximum can tell that it is over. */
    buf_init(&filter->unpacked, MIN(uncompressed_bytes_max, (size_t)INT32_MAX) + 1);
    buf_init(&filter->kept, INT32_MAX);
    buf_init(&filter->rebased, INT32_MAX);
}

void batch_filter_deinit(struct batch_filter *filter)
{
    buf_deinit(&filter->unpacked);
    buf_deinit(&filter->kept);
    buf_deinit(&filter->rebased);
}

static void give_back(struct buf *buf)
{
    buf_clear(buf);
    if (buf->capacity > KEEP_MEMORY_BYTES) {
        const size_t size_max = buf->size_max;
        buf_deinit(buf);
        buf_init(buf, size_max);
    }
}

/* ---- which ----------------------------------------------------------------------------------- */

/* One batch's way through the filter. */
struct sift {
    struct batch_filter *filter;
    const struct batch_view *batch;
    struct bytes records;
    const uint8_t *run; /* kept, and not copied yet, from here on */
    int32_t offset_delta_last;
    int32_t kept_count;
    bool has_tombstone; /* among the kept */
    int64_t max_timestamp;
};

/* Records that the caller is asked for at once. */
struct sift_run {
    int32_t count;
    const uint8_t *begins[BATCH_FILTER_RUN_MAX + 1]; /* and where the last one ends */
    int64_t timestamps[BATCH_FILTER_RUN_MAX];
    struct batch_filter_record records[BATCH_FILTER_RUN_MAX];
    bool kept[BATCH_FILTER_RUN_MAX];
};

static int copy_run(struct sift *s, const uint8_t *run_end)
{
    buf_put(&s->filter->kept, s->run, (size_t)(run_end - s->run));
    return buf_is_ok(&s->filter->kept) ? 0 : -ERR_LIMIT;
}

static int64_t timestamp_of(const struct batch_view *batch, const struct record_parts *parts)
{
    return (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)parts->timestamp_delta);
}

static int read_run(struct sift *s, const uint8_t *p, int32_t count, struct sift_run *run)
{
    const uint8_t *end = s->records.data + s->records.size;
    run->count = count;
    for (int32_t i = 0; i < count; i++) {
        struct record_parts parts;
        run->begins[i] = p;
        if (record__next(p, end, &p, &parts) <= 0 || parts.offset_delta <= s->offset_delta_last ||
            parts.offset_delta > s->batch->last_offset_delta)
            return -ERR_MALFORMED;
        s->offset_delta_last = parts.offset_delta;
        run->timestamps[i] = timestamp_of(s->batch, &parts);
        run->records[i] = (struct batch_filter_record){
            .offset = s->batch->base_offset + parts.offset_delta,
            .key =
                parts.key_bytes < 0 ? BYTES_NULL : bytes_from(parts.key, (size_t)parts.key_bytes),
            .has_value = parts.value_bytes >= 0,
        };
    }
    run->begins[count] = p;
    return 0;
}

static int sift_run(struct sift *s, struct sift_run *run)
{
    s->filter->keep(s->filter->context, run->records, run->count, run->kept);
    for (int32_t i = 0; i < run->count; i++) {
        if (run->kept[i]) {
            s->kept_count++;
            s->has_tombstone |= !run->records[i].has_value;
            s->max_timestamp = MAX(s->max_timestamp, run->timestamps[i]);
            continue;
        }
        const int r = copy_run(s, run->begins[i]);
        if (r < 0)
            return r;
        s->run = run->begins[i + 1];
    }
    return 0;
}

static int sift_records(struct sift *s)
{
    struct sift_run run;
    const uint8_t *p = s->records.data;
    s->run = p;
    for (int32_t i = 0; i < s->batch->record_count; i += run.count) {
        int r = read_run(s, p, MIN(s->batch->record_count - i, BATCH_FILTER_RUN_MAX), &run);
        if (r == 0)
            r = sift_run(s, &run);
        if (r < 0)
            return r;
        p = run.begins[run.count];
    }
    return p == s->records.data + s->records.size ? 0 : -ERR_MALFORMED;
}

/* ---- with another base timestamp ------------------------------------------------------------- */

static int put_rebased(struct buf *out, const struct record_parts *parts, const uint8_t *record_end,
                       int64_t shift_ms)
{
    const int64_t delta = (int64_t)((uint64_t)parts->timestamp_delta + (uint64_t)shift_ms);
    const uint64_t timestamp_delta = record__zigzag64(delta);
    const size_t tail_bytes = (size_t)(record_end - parts->tail);
    const size_t body_bytes = 1 + record__uvarlong_bytes(timestamp_delta) +
                              record__varint_bytes(parts->offset_delta) + tail_bytes;
    uint8_t *to = body_bytes > INT32_MAX
                      ? NULL
                      : buf_extend(out, record__varint_bytes((int32_t)body_bytes) + body_bytes);
    if (to == NULL)
        return -ERR_LIMIT;
    to = record__put_varint(to, (int32_t)body_bytes);
    *to++ = parts->attributes;
    to = record__put_uvarlong(to, timestamp_delta);
    to = record__put_varint(to, parts->offset_delta);
    memcpy(to, parts->tail, tail_bytes);
    return 0;
}

/* Records that were gone through before, their timestamps counted from another base. */
static int rebase(struct bytes records, int64_t shift_ms, struct buf *out)
{
    const uint8_t *p = records.data;
    const uint8_t *end = p + records.size;
    while (p < end) {
        struct record_parts parts;
        const uint8_t *next;
        if (record__next(p, end, &next, &parts) <= 0)
            return -ERR_MALFORMED;
        const int r = put_rebased(out, &parts, next, shift_ms);
        if (r < 0)
            return r;
        p = next;
    }
    return 0;
}

/* ---- the new batch --------------------------------------------------------------------------- */

static struct batch_view header_of(const struct sift *s, int64_t horizon_ms)
{
    struct batch_view header = *s->batch;
    header.record_count = s->kept_count;
    if ((header.attributes & BATCH_LOG_APPEND_TIME) == 0)
        header.max_timestamp = s->max_timestamp;
    if (horizon_ms >= 0) {
        header.attributes = (int16_t)(header.attributes | BATCH_DELETE_HORIZON);
        header.base_timestamp = horizon_ms;
    }
    return header;
}

static int put_batch(const struct sift *s, const struct batch_view *header, struct bytes records,
                     struct buf *out)
{
    const size_t size_before = out->size;
    int r = -ERR_LIMIT;
    if (buf_extend(out, BATCH_OVERHEAD_BYTES) != NULL)
        r = codec_compress(s->filter->contexts, batch_codec(header), COMPRESS_LEVEL_DEFAULT,
                           records, out);
    if (r == 0 && out->size - size_before > INT32_MAX)
        r = -ERR_LIMIT;
    if (r < 0) {
        out->size = size_before;
        out->failed = false;
        return r;
    }
    batch__store_header(out->data + size_before, header, out->size - size_before);
    return BATCH_FILTER_CHANGED;
}

static int make_batch(struct sift *s, int64_t horizon_ms, struct buf *out)
{
    struct batch_filter *filter = s->filter;
    struct bytes kept = s->records;
    if (s->kept_count < s->batch->record_count) {
        const int r = copy_run(s, s->records.data + s->records.size);
        if (r < 0)
            return r;
        kept = buf_view(&filter->kept);
    }
    if (horizon_ms >= 0) {
        const int64_t shift_ms =
            (int64_t)((uint64_t)s->batch->base_timestamp - (uint64_t)horizon_ms);
        const int r = rebase(kept, shift_ms, &filter->rebased);
        if (r < 0)
            return r;
        kept = buf_view(&filter->rebased);
    }
    const struct batch_view header = header_of(s, horizon_ms);
    return put_batch(s, &header, kept, out);
}

static int run(struct batch_filter *filter, const struct batch_view *batch,
               const struct batch_filter_horizon *horizon, struct buf *out)
{
    struct sift s = { .filter = filter,
                      .batch = batch,
                      .records = batch_records(batch),
                      .offset_delta_last = -1,
                      .max_timestamp = -1 };
    int r = 0;
    if (batch_codec(batch) != CODEC_NONE && batch->record_count > 0) {
        r = batch__unpack(batch, filter->contexts, &filter->unpacked);
        if (r == 0 && filter->unpacked.size == filter->unpacked.size_max)
            r = -ERR_LIMIT;
        s.records = buf_view(&filter->unpacked);
    }
    if (r == 0)
        r = sift_records(&s);
    if (r < 0)
        return r;
    if (s.kept_count == 0)
        return BATCH_FILTER_EMPTY;
    const bool gets_horizon = horizon->delete_horizon_ms >= 0 && !batch_has_delete_horizon(batch) &&
                              (s.has_tombstone || horizon->is_for_any);
    if (s.kept_count == batch->record_count && !gets_horizon)
        return BATCH_FILTER_SAME;
    return make_batch(&s, gets_horizon ? horizon->delete_horizon_ms : -1, out);
}

int batch_filter_run(struct batch_filter *filter, const struct batch_view *batch,
                     const struct batch_filter_horizon *horizon, struct buf *out)
{
    const int r = run(filter, batch, horizon, out);
    give_back(&filter->unpacked);
    give_back(&filter->kept);
    give_back(&filter->rebased);
    return r;
}

int batch_put_empty(const struct batch_view *batch, struct buf *out)
{
    struct batch_view header = {
        .base_offset = batch->base_offset,
        .leader_epoch = -1,
        .base_timestamp = -1,
        .max_timestamp = -1,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
    };
    if (batch->magic == BATCH_MAGIC) {
        header = *batch;
        header.attributes = (int16_t)(batch->attributes & (BATCH_LOG_APPEND_TIME |
                                                           BATCH_TRANSACTIONAL | BATCH_CONTROL));
        header.base_timestamp = -1;
        header.record_count = 0;
    }
    const size_t size_before = out->size;
    if (buf_extend(out, BATCH_OVERHEAD_BYTES) == NULL) {
        out->failed = false;
        return -ERR_LIMIT;
    }
    batch__store_header(out->data + size_before, &header, BATCH_OVERHEAD_BYTES);
    return 0;
}
