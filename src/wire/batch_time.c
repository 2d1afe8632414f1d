/* The first record of a batch that is late enough. See batch.h.
 *
 * Of each record only what stands before the key is looked at; the rest is passed over, chunk by chunk.
 */
#include "wire/batch.h"
#include "wire/record_int.h"

/* The record's length, attributes, timestamp delta and offset delta. */
#define HEAD_BYTES_MAX (VARINT_BYTES_MAX + 1 + VARLONG_BYTES_MAX + VARINT_BYTES_MAX)

struct time_walk {
    const struct batch_view *batch;
    struct compress_window window; /* closed: uncompressed */
    struct bytes rest;             /* what is there from the next byte on */
    int32_t offset_delta_last;
};

struct head {
    int64_t size_bytes; /* of the whole record */
    int64_t timestamp_delta;
    int32_t offset_delta;
};

/* Gets more bytes behind the rest: how many, 0 at the end, or an error. */
static int64_t fill(struct time_walk *w)
{
    if (w->window.decompressor == NULL)
        return 0;
    const int64_t count = compress_window_fill(&w->window);
    w->rest = compress_window_view(&w->window);
    return count;
}

static int skip(struct time_walk *w, int64_t size_bytes)
{
    for (;;) {
        const size_t step = MIN((size_t)size_bytes, w->rest.size);
        w->rest = bytes_slice(w->rest, step, SIZE_MAX);
        if (w->window.decompressor != NULL)
            compress_window_advance(&w->window, step);
        size_bytes -= (int64_t)step;
        if (size_bytes == 0)
            return 0;
        const int64_t count = fill(w);
        if (count <= 0)
            return count < 0 ? (int)count : -ERR_OVERRUN;
    }
}

static int parse_head(const struct time_walk *w, struct head *out)
{
    const uint8_t *end = w->rest.data + w->rest.size;
    int32_t length;
    const uint8_t *body = record__varint(w->rest.data, end, false, &length);
    if (body == NULL)
        return w->rest.size >= VARINT_BYTES_MAX ? -ERR_MALFORMED : -ERR_OVERRUN;
    if (length < RECORD_BYTES_MIN)
        return -ERR_MALFORMED;
    const int64_t left = end - body;
    if (length < left)
        end = body + length;
    const uint8_t *p = body < end ? body + 1 : NULL; /* attributes: none is defined */
    if (p != NULL)
        p = record__varlong(p, end, false, &out->timestamp_delta);
    if (p != NULL)
        p = record__varint(p, end, false, &out->offset_delta);
    if (p == NULL)
        return length <= left ? -ERR_MALFORMED : -ERR_OVERRUN;
    out->size_bytes = body - w->rest.data + (int64_t)length;
    return 0;
}

static int read_head(struct time_walk *w, struct head *out)
{
    while (w->rest.size < HEAD_BYTES_MAX) {
        const int64_t count = fill(w);
        if (count < 0)
            return (int)count;
        if (count == 0)
            break;
    }
    const int r = parse_head(w, out);
    if (r < 0)
        return r;
    if (out->offset_delta <= w->offset_delta_last ||
        out->offset_delta > w->batch->last_offset_delta)
        return -ERR_MALFORMED;
    w->offset_delta_last = out->offset_delta;
    return 0;
}

static int find(struct time_walk *w, const struct batch_time_search *search,
                struct batch_time_found *out)
{
    const struct batch_view *batch = w->batch;
    uint64_t passed_bytes = 0;
    for (int32_t i = 0; i < batch->record_count; i++) {
        struct head head = { 0 };
        int r = read_head(w, &head);
        if (r < 0)
            return r;
        const struct batch_time_found record = {
            .offset = (int64_t)((uint64_t)batch->base_offset + (uint64_t)head.offset_delta),
            .timestamp = (batch->attributes & BATCH_LOG_APPEND_TIME) != 0
                             ? batch->max_timestamp
                             : (int64_t)((uint64_t)batch->base_timestamp +
                                         (uint64_t)head.timestamp_delta), /* wraps, as Java's */
        };
        if (record.timestamp >= search->timestamp && record.offset >= search->start_offset) {
            *out = record;
            return 1;
        }
        passed_bytes += (uint64_t)head.size_bytes;
        if (passed_bytes > search->passed_bytes_max)
            return -ERR_LIMIT;
        r = skip(w, head.size_bytes);
        if (r < 0)
            return r;
    }
    return 0;
}

int batch_find_time(const struct batch_view *batch, const struct batch_time_search *search,
                    struct batch_time_found *out)
{
    if (batch->record_count < 0)
        return -ERR_MALFORMED;
    struct time_walk w = { .batch = batch, .rest = batch_records(batch), .offset_delta_last = -1 };
    /* A batch that compaction has emptied keeps its header, without a stream behind it. */
    if (batch_codec(batch) != CODEC_NONE && w.rest.size > 0) {
        const int r =
            compress_window_open(&w.window, search->contexts, batch_codec(batch), w.rest, false);
        if (r < 0)
            return r;
        w.rest = BYTES_LITERAL("");
    }
    const int r = find(&w, search, out);
    compress_window_close(&w.window);
    return r;
}
