/* Making a batch, record by record. See batch.h. */
#include "wire/batch_int.h"
#include "wire/record_int.h"

#include <string.h>

/* A length, then as many bytes; null is length -1. */
static size_t run_bytes(struct bytes run)
{
    return bytes_is_null(run) ? 1 : record__varint_bytes((int32_t)run.size) + run.size;
}

static uint8_t *put_run(uint8_t *p, struct bytes run)
{
    if (bytes_is_null(run))
        return record__put_varint(p, -1);
    p = record__put_varint(p, (int32_t)run.size);
    if (run.size > 0)
        memcpy(p, run.data, run.size);
    return p + run.size;
}

static void start(struct batch_builder *b, const struct batch_options *options)
{
    ASSERT(options->size_bytes_max >= BATCH_OVERHEAD_BYTES && options->size_bytes_max <= INT32_MAX);
    b->options = *options;
    b->out.size_max = options->size_bytes_max;
    b->sealed.size_max = options->size_bytes_max;
    b->record_count = 0;
    b->base_timestamp = -1;
    b->max_timestamp = -1;
    b->last_offset_delta = -1;
    buf_clear(&b->out);
    buf_clear(&b->sealed);
    const uint8_t *header = buf_extend(&b->out, BATCH_OVERHEAD_BYTES);
    ASSERT(header != NULL);
}

void batch_builder_init(struct batch_builder *b, const struct batch_options *options)
{
    buf_init(&b->out, 0);
    buf_init(&b->sealed, 0);
    start(b, options);
}

void batch_builder_reset(struct batch_builder *b, const struct batch_options *options)
{
    start(b, options);
}

void batch_builder_deinit(struct batch_builder *b)
{
    buf_deinit(&b->out);
    buf_deinit(&b->sealed);
}

int batch_builder_add(struct batch_builder *b, int64_t timestamp_ms, struct bytes key,
                      struct bytes value, const struct record_header *headers, int32_t header_count)
{
    ASSERT(b->last_offset_delta < INT32_MAX);
    return batch_builder_add_at(b, (int32_t)b->last_offset_delta + 1, timestamp_ms, key, value,
                                headers, header_count);
}

/* Bytes of key, value and headers with their lengths; SIZE_MAX where no batch could hold them. */
static size_t content_bytes(struct bytes key, struct bytes value,
                            const struct record_header *headers, int32_t header_count)
{
    if (key.size > INT32_MAX || value.size > INT32_MAX)
        return SIZE_MAX;
    size_t size = run_bytes(key) + run_bytes(value) + record__varint_bytes(header_count);
    for (int32_t i = 0; i < header_count; i++) {
        ASSERT(!bytes_is_null(headers[i].key));
        if (headers[i].key.size > INT32_MAX || headers[i].value.size > INT32_MAX)
            return SIZE_MAX;
        size += run_bytes(headers[i].key) + run_bytes(headers[i].value);
    }
    return size;
}

int batch_builder_add_at(struct batch_builder *b, int32_t offset_delta, int64_t timestamp_ms,
                         struct bytes key, struct bytes value, const struct record_header *headers,
                         int32_t header_count)
{
    ASSERT(offset_delta > b->last_offset_delta);
    ASSERT(header_count >= 0);

    const int64_t base_timestamp = b->record_count == 0 ? timestamp_ms : b->base_timestamp;
    const uint64_t timestamp_delta = record__zigzag64(
        (int64_t)((uint64_t)timestamp_ms - (uint64_t)base_timestamp)); /* may wrap */
    const size_t content = content_bytes(key, value, headers, header_count);
    const size_t room = b->out.size_max - b->out.size;
    if (content > room)
        return -ERR_LIMIT;
    const size_t body =
        1 + record__uvarlong_bytes(timestamp_delta) + record__varint_bytes(offset_delta) + content;
    const size_t size = record__varint_bytes((int32_t)body) + body;
    if (size > room)
        return -ERR_LIMIT;

    uint8_t *p = buf_extend(&b->out, size);
    ASSERT(p != NULL);
    const uint8_t *end = p + size;
    p = record__put_varint(p, (int32_t)body);
    *p++ = 0;
    p = record__put_uvarlong(p, timestamp_delta);
    p = record__put_varint(p, offset_delta);
    p = put_run(p, key);
    p = put_run(p, value);
    p = record__put_varint(p, header_count);
    for (int32_t i = 0; i < header_count; i++) {
        p = put_run(p, headers[i].key);
        p = put_run(p, headers[i].value);
    }
    ASSERT(p == end);

    b->base_timestamp = base_timestamp;
    b->max_timestamp = MAX(b->max_timestamp, timestamp_ms);
    b->last_offset_delta = offset_delta;
    b->record_count++;
    return 0;
}

size_t batch_builder_size(const struct batch_builder *b)
{
    return b->out.size;
}

/* The header space, then the compressed records, in `sealed`. */
static int pack(struct batch_builder *b)
{
    const struct bytes records = bytes_slice(buf_view(&b->out), BATCH_OVERHEAD_BYTES, SIZE_MAX);
    buf_clear(&b->sealed);
    const uint8_t *header = buf_extend(&b->sealed, BATCH_OVERHEAD_BYTES);
    ASSERT(header != NULL);
    return codec_compress(b->options.contexts, b->options.codec, b->options.codec_level, records,
                          &b->sealed);
}

int batch_builder_finish(struct batch_builder *b, struct bytes *out)
{
    const struct batch_options *options = &b->options;
    if (b->record_count == 0 || !codec_has_level(options->codec, options->codec_level))
        return -ERR_INVALID_ARGUMENT;
    struct buf *whole = options->codec == CODEC_NONE ? &b->out : &b->sealed;
    if (options->codec != CODEC_NONE) {
        const int r = pack(b);
        if (r < 0)
            return r;
    }
    const bool is_append_time = (options->attributes & BATCH_LOG_APPEND_TIME) != 0;
    const struct batch_view header = {
        .base_offset = options->base_offset,
        .leader_epoch = options->leader_epoch,
        .attributes = (int16_t)((options->attributes & ~BATCH_CODEC_MASK) | (int)options->codec),
        .last_offset_delta = (int32_t)b->last_offset_delta,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = is_append_time ? options->append_time_ms : b->max_timestamp,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = options->base_sequence,
        .record_count = b->record_count,
    };
    batch__store_header(whole->data, &header, whole->size);
    *out = buf_view(whole);
    return 0;
}
