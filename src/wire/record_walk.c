/* One record after the other, compressed or not. See batch.h. */
#include "wire/batch.h"
#include "wire/record_int.h"

void record_walk_init(struct record_walk *walk, const struct batch_view *batch,
                      struct codec_contexts *contexts, uint32_t record_bytes_max)
{
    *walk = (struct record_walk){
        .batch = *batch,
        .contexts = contexts,
        .rest = batch_records(batch),
        .record_bytes_max = record_bytes_max,
        .offset_delta_last = -1,
    };
}

void record_walk_deinit(struct record_walk *walk)
{
    compress_window_close(&walk->window);
}

static bool is_compressed(const struct record_walk *walk)
{
    return walk->window.decompressor != NULL;
}

/* Gets more bytes behind the rest: how many, 0 at the end, or an error. */
static int64_t fill(struct record_walk *walk)
{
    if (!is_compressed(walk))
        return 0;
    const int64_t count = compress_window_fill(&walk->window);
    walk->rest = compress_window_view(&walk->window);
    return count;
}

static void advance(struct record_walk *walk, size_t size_bytes)
{
    walk->rest.data += size_bytes;
    walk->rest.size -= size_bytes;
    if (is_compressed(walk))
        compress_window_advance(&walk->window, size_bytes);
}

static int begin(struct record_walk *walk)
{
    walk->is_begun = true;
    if (walk->batch.record_count < 0)
        return -ERR_MALFORMED;
    /* A batch that compaction has emptied keeps its header, without a stream behind it. */
    if (batch_codec(&walk->batch) == CODEC_NONE || walk->rest.size == 0)
        return 0;
    const int r = compress_window_open(&walk->window, walk->contexts, batch_codec(&walk->batch),
                                       walk->rest, false);
    walk->rest = BYTES_LITERAL("");
    return r;
}

/* Nothing may follow the last record. */
static int check_end(struct record_walk *walk)
{
    const int64_t more = walk->rest.size > 0 ? 1 : fill(walk);
    if (more < 0)
        return (int)more;
    return more > 0 ? -ERR_MALFORMED : 0;
}

/* The size of the next record, whose beginning alone is there: positive, or 0 while not even that is known. */
static int64_t announced_size(const struct record_walk *walk)
{
    int32_t length;
    const uint8_t *p = walk->rest.data;
    const uint8_t *body = record__varint(p, p + walk->rest.size, false, &length);
    return body == NULL ? 0 : body - p + (int64_t)length;
}

/* Brings the next record into view, whole, and takes it apart. */
static int read_parts(struct record_walk *walk, struct record_parts *out, const uint8_t **out_end)
{
    for (;;) {
        const uint8_t *p = walk->rest.data;
        const int r = record__next(p, p + walk->rest.size, out_end, out);
        if (r < 0)
            return -ERR_MALFORMED;
        if (r > 0)
            return *out_end - p > walk->record_bytes_max ? -ERR_LIMIT : 0;
        if (announced_size(walk) > walk->record_bytes_max)
            return -ERR_LIMIT;
        const int64_t count = fill(walk);
        if (count <= 0)
            return count < 0 ? (int)count : -ERR_OVERRUN;
    }
}

static struct bytes run_or_null(const uint8_t *data, int32_t size)
{
    return size < 0 ? BYTES_NULL : (struct bytes){ .data = data, .size = (size_t)size };
}

static int read_record(struct record_walk *walk, struct record *out)
{
    struct record_parts parts = { 0 };
    const uint8_t *end = NULL;
    const int r = read_parts(walk, &parts, &end);
    if (r < 0)
        return r;
    if (parts.offset_delta <= walk->offset_delta_last ||
        parts.offset_delta > walk->batch.last_offset_delta)
        return -ERR_MALFORMED;

    const struct batch_view *batch = &walk->batch;
    const bool is_append_time = (batch->attributes & BATCH_LOG_APPEND_TIME) != 0;
    const uint64_t timestamp = (uint64_t)batch->base_timestamp + (uint64_t)parts.timestamp_delta;
    const size_t size = (size_t)(end - walk->rest.data);
    out->offset = (int64_t)((uint64_t)batch->base_offset + (uint64_t)parts.offset_delta);
    out->timestamp =
        is_append_time ? batch->max_timestamp : (int64_t)timestamp; /* wraps, as Java's */
    out->key = run_or_null(parts.key, parts.key_bytes);
    out->value = run_or_null(parts.value, parts.value_bytes);
    out->headers = (struct bytes){ .data = parts.headers, .size = (size_t)(end - parts.headers) };
    out->header_count = parts.header_count;
    out->size_bytes = (uint32_t)size;
    walk->offset_delta_last = parts.offset_delta;
    walk->index++;
    advance(walk, size);
    return 1;
}

int record_walk_next(struct record_walk *walk, struct record *out)
{
    if (walk->error == 0 && !walk->is_begun)
        walk->error = begin(walk);
    if (walk->error < 0)
        return walk->error;
    const int r = walk->index < walk->batch.record_count ? read_record(walk, out) : check_end(walk);
    if (r < 0)
        walk->error = r;
    return r;
}
