/* The same records in a batch with another codec. See batch_validate.h. */
#include "wire/batch_validate.h"

#include "wire/batch_int.h"
#include "wire/record_int.h"

#include <string.h>

#define READ_BYTES ((size_t)64 << 10)

int batch__unpack(const struct batch_view *batch, struct codec_contexts *contexts, struct buf *out)
{
    if (batch_codec(batch) == CODEC_NONE) {
        buf_put_bytes(out, batch_records(batch));
        return buf_is_ok(out) ? 0 : -ERR_LIMIT;
    }
    AUTO(decompressor_closep) struct decompressor *d = NULL;
    const int r = decompressor_open(contexts, batch_codec(batch), batch_records(batch), &d);
    if (r < 0)
        return r;
    int64_t count;
    do {
        const size_t size_before = out->size;
        const size_t room = MIN(READ_BYTES, out->size_max - size_before);
        uint8_t *chunk = buf_extend(out, room);
        count = room == 0 ? -ERR_LIMIT : decompressor_read(d, chunk, room);
        out->size = size_before + (size_t)MAX(count, (int64_t)0);
    } while (count > 0);
    return (int)count;
}

/* Copies the records with offset deltas 0, 1, 2 …; what stands behind the delta stays as it is. */
static int renumber(struct bytes records, int32_t count, struct buf *out)
{
    const uint8_t *p = records.data;
    const uint8_t *end = p + records.size;
    for (int32_t i = 0; i < count; i++) {
        struct record_parts parts;
        const uint8_t *record_end;
        const int r = record__next(p, end, &record_end, &parts);
        if (r <= 0)
            return r < 0 ? -ERR_MALFORMED : -ERR_OVERRUN;

        const uint64_t timestamp_delta = record__zigzag64(parts.timestamp_delta);
        const size_t tail_bytes = (size_t)(record_end - parts.tail);
        const size_t body_bytes =
            1 + record__uvarlong_bytes(timestamp_delta) + record__varint_bytes(i) + tail_bytes;
        uint8_t *to = body_bytes > INT32_MAX
                          ? NULL
                          : buf_extend(out, record__varint_bytes((int32_t)body_bytes) + body_bytes);
        if (to == NULL)
            return -ERR_LIMIT;
        to = record__put_varint(to, (int32_t)body_bytes);
        *to++ = parts.attributes;
        to = record__put_uvarlong(to, timestamp_delta);
        to = record__put_varint(to, i);
        memcpy(to, parts.tail, tail_bytes);
        p = record_end;
    }
    return p == end ? 0 : -ERR_MALFORMED;
}

/* Appends the new batch's records, in their new form, behind its header space. */
static int repack(const struct batch_view *batch, const struct batch_rebuild *how, struct buf *out)
{
    AUTO(buf_deinit) struct buf records;
    AUTO(buf_deinit) struct buf renumbered;
    /* One byte more, so that a stream of exactly the maximum can tell that it is over. */
    buf_init(&records, MIN(how->uncompressed_bytes_max, (size_t)INT32_MAX) + 1);
    buf_init(&renumbered, INT32_MAX);
    int r = batch__unpack(batch, how->contexts, &records);
    if (r == 0 && records.size == records.size_max)
        r = -ERR_LIMIT;
    if (r < 0)
        return r;
    if (!how->are_deltas_consecutive) {
        r = renumber(buf_view(&records), batch->record_count, &renumbered);
        if (r < 0)
            return r;
    }
    return codec_compress(how->contexts, how->codec, how->codec_level,
                          buf_view(how->are_deltas_consecutive ? &records : &renumbered), out);
}

int batch_rebuild(const struct batch_view *batch, const struct batch_rebuild *how, struct buf *out)
{
    if (!codec_has_level(how->codec, how->codec_level))
        return -ERR_INVALID_ARGUMENT;
    const size_t size_before = out->size;
    int r = -ERR_LIMIT;
    if (buf_extend(out, BATCH_OVERHEAD_BYTES) != NULL)
        r = repack(batch, how, out);
    if (r == 0 && out->size - size_before > INT32_MAX)
        r = -ERR_LIMIT;
    if (r < 0) {
        out->size = size_before;
        out->failed = false;
        return r;
    }
    struct batch_view header = *batch;
    header.attributes = (int16_t)((batch->attributes & ~BATCH_CODEC_MASK) | (int)how->codec);
    if (!how->are_deltas_consecutive)
        header.last_offset_delta = batch->record_count - 1;
    batch__store_header(out->data + size_before, &header, out->size - size_before);
    return 0;
}
