/* Writing to a bounded buffer; regions of files are counted as gaps. */
#include "wire/writer.h"

#include "base/be.h"

#include <string.h>

struct writer writer_to(struct buf *out)
{
    return (struct writer){ .out = out };
}

struct writer writer_with_gaps(struct buf *out, struct writer_gap *gaps, uint32_t gap_count_max)
{
    return (struct writer){ .out = out, .gaps = gaps, .gap_count_max = gap_count_max };
}

void write_i8(struct writer *w, int8_t value)
{
    buf_put_u8(w->out, (uint8_t)value);
}

void write_i16(struct writer *w, int16_t value)
{
    buf_put_i16(w->out, value);
}

void write_i32(struct writer *w, int32_t value)
{
    buf_put_i32(w->out, value);
}

void write_i64(struct writer *w, int64_t value)
{
    buf_put_i64(w->out, value);
}

void write_f64(struct writer *w, double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    buf_put_i64(w->out, bits);
}

void write_bool(struct writer *w, bool value)
{
    buf_put_u8(w->out, value ? 1 : 0);
}

void write_uuid(struct writer *w, struct uuid value)
{
    buf_put(w->out, value.bytes, sizeof(value.bytes));
}

static void write_base128(struct writer *w, uint64_t value)
{
    uint8_t bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (uint8_t)(value | 0x80);
    bytes[count++] = (uint8_t)value;
    buf_put(w->out, bytes, count);
}

static uint32_t zigzag_32(int32_t value)
{
    return ((uint32_t)value << 1) ^ (value < 0 ? UINT32_MAX : 0);
}

static uint64_t zigzag_64(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

void write_uvarint(struct writer *w, uint32_t value)
{
    write_base128(w, value);
}

void write_varint(struct writer *w, int32_t value)
{
    write_base128(w, zigzag_32(value));
}

void write_varlong(struct writer *w, int64_t value)
{
    write_base128(w, zigzag_64(value));
}

void write_run(struct writer *w, struct bytes run)
{
    if (run.size > 0)
        buf_put(w->out, run.data, run.size);
}

void write_gap(struct writer *w, void *region, size_t size_bytes)
{
    if (w->gap_count == w->gap_count_max) {
        w->out->failed = true;
        return;
    }
    w->gaps[w->gap_count++] =
        (struct writer_gap){ .position = w->out->size, .size_bytes = size_bytes, .region = region };
}

static uint32_t base128_size(uint64_t value)
{
    const uint32_t bits = 64 - (uint32_t)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

uint32_t uvarint_size(uint32_t value)
{
    return base128_size(value);
}

uint32_t varint_size(int32_t value)
{
    return base128_size(zigzag_32(value));
}

uint32_t varlong_size(int64_t value)
{
    return base128_size(zigzag_64(value));
}
