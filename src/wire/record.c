/* The rarer parts of a record: long varints, and headers. See record_int.h and batch.h. */
#include "wire/batch.h"
#include "wire/record_int.h"

const uint8_t *record__uvarlong_long(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (p >= end) /* past it only after a roomy read */
            return NULL;
        const uint8_t byte = *p++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return p;
        }
    }
    return NULL;
}

const uint8_t *record__uvarint_long(const uint8_t *p, const uint8_t *end, uint32_t *out)
{
    uint64_t value;
    const uint8_t *after =
        record__uvarlong_long(p, end - p > VARINT_BYTES_MAX ? p + VARINT_BYTES_MAX : end, &value);
    if (after != NULL)
        *out = (uint32_t)value;
    return after;
}

/* Reads one header at p. Answers the byte after it, or NULL. */
static const uint8_t *header_parse(const uint8_t *p, const uint8_t *end, struct record_header *out)
{
    int32_t key_bytes;
    int32_t value_bytes;
    const uint8_t *key;
    const uint8_t *value;
    p = record__run(p, end, false, &key_bytes, &key);
    if (p == NULL || key_bytes < 0)
        return NULL;
    p = record__run(p, end, false, &value_bytes, &value);
    if (p == NULL)
        return NULL;
    out->key = bytes_from(key, (size_t)key_bytes);
    out->value = value_bytes < 0 ? BYTES_NULL : bytes_from(value, (size_t)value_bytes);
    return p;
}

bool record__headers_fit(const uint8_t *p, const uint8_t *end, int32_t count)
{
    if (count < 0)
        return false;
    struct record_header header;
    for (; count > 0; count--) {
        p = header_parse(p, end, &header);
        if (p == NULL)
            return false;
    }
    return p == end;
}

int record_headers(const struct record *record, struct arena *arena, struct record_header **out)
{
    const uint8_t *p = record->headers.data;
    const uint8_t *end = p + record->headers.size;
    const int32_t count = record->header_count;
    if (count < 0 ||
        (size_t)count > record->headers.size / 2) /* a header takes two bytes at least */
        return -ERR_MALFORMED;
    struct record_header *headers =
        arena_alloc(arena, MAX((size_t)count, (size_t)1) * sizeof(*headers));
    if (headers == NULL)
        return -ERR_LIMIT;
    for (int32_t i = 0; i < count; i++) {
        p = header_parse(p, end, &headers[i]);
        if (p == NULL)
            return -ERR_MALFORMED;
    }
    if (p != end)
        return -ERR_MALFORMED;
    *out = headers;
    return count;
}
