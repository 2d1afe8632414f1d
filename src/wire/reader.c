/* Reading with a sticky error: nothing moves after the first failure. */
#include "wire/reader.h"

#include "base/be.h"
#include "base/err.h"

#include <string.h>

struct reader reader_from(struct bytes input)
{
    /* An empty run is never null, so that adding to the pointer is defined. */
    const uint8_t *data = input.data != NULL ? input.data : (const uint8_t *)"";
    return (struct reader){ .data = data, .size = input.size };
}

bool reader_is_ok(const struct reader *r)
{
    return r->error == 0;
}

size_t reader_left(const struct reader *r)
{
    return r->size - r->position;
}

void reader_fail(struct reader *r, int code)
{
    ASSERT(code < 0);
    if (r->error == 0)
        r->error = code;
}

/* The next size_bytes, passed over; NULL once anything has failed. */
static const uint8_t *take(struct reader *r, size_t size_bytes)
{
    if (UNLIKELY(r->error != 0))
        return NULL;
    if (UNLIKELY(size_bytes > r->size - r->position)) {
        r->error = -ERR_OVERRUN;
        return NULL;
    }
    const uint8_t *at = r->data + r->position;
    r->position += size_bytes;
    return at;
}

int8_t read_i8(struct reader *r)
{
    const uint8_t *at = take(r, 1);
    return at == NULL ? 0 : (int8_t)*at;
}

int16_t read_i16(struct reader *r)
{
    return (int16_t)read_u16(r);
}

uint16_t read_u16(struct reader *r)
{
    const uint8_t *at = take(r, 2);
    return at == NULL ? 0 : be_load_u16(at);
}

int32_t read_i32(struct reader *r)
{
    return (int32_t)read_u32(r);
}

uint32_t read_u32(struct reader *r)
{
    const uint8_t *at = take(r, 4);
    return at == NULL ? 0 : be_load_u32(at);
}

int64_t read_i64(struct reader *r)
{
    const uint8_t *at = take(r, 8);
    return at == NULL ? 0 : be_load_i64(at);
}

double read_f64(struct reader *r)
{
    const int64_t bits = read_i64(r);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

bool read_bool(struct reader *r)
{
    return read_i8(r) != 0;
}

struct uuid read_uuid(struct reader *r)
{
    struct uuid id = UUID_ZERO;
    const uint8_t *at = take(r, sizeof(id.bytes));
    if (at != NULL)
        memcpy(id.bytes, at, sizeof(id.bytes));
    return id;
}

/* Seven bits a byte, lowest first, at most byte_count_max bytes; what the last byte holds beyond
 * `bits` falls away, as in Kafka. Nothing is passed over on failure. */
static uint64_t read_base128(struct reader *r, uint32_t byte_count_max)
{
    if (UNLIKELY(r->error != 0))
        return 0;
    uint64_t value = 0;
    for (uint32_t i = 0; i < byte_count_max; i++) {
        if (UNLIKELY(r->position + i >= r->size)) {
            r->error = -ERR_OVERRUN;
            return 0;
        }
        const uint8_t byte = r->data[r->position + i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            r->position += i + 1;
            return value;
        }
    }
    r->error = -ERR_MALFORMED;
    return 0;
}

uint32_t read_uvarint(struct reader *r)
{
    return (uint32_t)read_base128(r, 5);
}

int32_t read_varint(struct reader *r)
{
    const uint32_t raw = read_uvarint(r);
    return (int32_t)((raw >> 1) ^ (0 - (raw & 1)));
}

int64_t read_varlong(struct reader *r)
{
    const uint64_t raw = read_base128(r, 10);
    return (int64_t)((raw >> 1) ^ (0 - (raw & 1)));
}

struct bytes read_run(struct reader *r, size_t size_bytes)
{
    const uint8_t *at = take(r, size_bytes);
    if (at == NULL)
        return BYTES_NULL;
    return bytes_from(at, size_bytes);
}
