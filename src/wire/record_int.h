/* Taking one record of magic 2 apart, inlined into the loops that walk millions.
 *
 * Nothing here believes a length: every step ends before `end`. Varints are read as Apache Kafka reads them:
 * at most 5 bytes (10 for the timestamp), bits beyond the type fall away. Any negative key or value
 * length is null; a negative header key length or header count is an error.
 */
#pragma once

#include "base/base.h"

#define RECORD_BYTES_MIN   6 /* after the length: attributes, two deltas, two lengths, header count */
#define RECORD_SLACK_BYTES 8 /* what is_roomy promises */
#define VARINT_BYTES_MAX   5
#define VARLONG_BYTES_MAX  10

struct record_parts {
    uint8_t attributes;
    int64_t timestamp_delta;
    int32_t offset_delta;
    const uint8_t *tail; /* from the key's length on */
    int32_t key_bytes;   /* negative: null */
    const uint8_t *key;
    int32_t value_bytes;
    const uint8_t *value;
    int32_t header_count;
    const uint8_t *headers;
};

/* The longer forms, out of the way. Answer the byte after; NULL when cut off or too long. */
const uint8_t *record__uvarint_long(const uint8_t *p, const uint8_t *end, uint32_t *out);
const uint8_t *record__uvarlong_long(const uint8_t *p, const uint8_t *end, uint64_t *out);
/* Whether `count` headers fill p … end exactly. */
bool record__headers_fit(const uint8_t *p, const uint8_t *end, int32_t count);

/* The readers below take `is_roomy`, known when compiled: RECORD_SLACK_BYTES behind end may be read too. Then short
 * varints are read without looking where the end is; that a reader went past it shows in the next length, or
 * at the latest in the record not ending where it should. It makes a walk a third faster. */
ALWAYS_INLINE const uint8_t *record__varint(const uint8_t *p, const uint8_t *end,
                                            const bool is_roomy, int32_t *out)
{
    uint32_t raw;
    if (LIKELY((is_roomy || p < end) && *p < 0x80)) {
        raw = *p++;
    } else if (LIKELY((is_roomy || end - p >= 2) && p[1] < 0x80)) {
        raw = (uint32_t)(p[0] & 0x7f) | (uint32_t)p[1] << 7;
        p += 2;
    } else {
        p = record__uvarint_long(p, end, &raw);
        if (UNLIKELY(p == NULL))
            return NULL;
    }
    *out = (int32_t)(raw >> 1 ^ (0 - (raw & 1)));
    return p;
}

ALWAYS_INLINE const uint8_t *record__varlong(const uint8_t *p, const uint8_t *end,
                                             const bool is_roomy, int64_t *out)
{
    uint64_t raw;
    if (LIKELY((is_roomy || p < end) && *p < 0x80)) {
        raw = *p++;
    } else if (LIKELY((is_roomy || end - p >= 2) && p[1] < 0x80)) {
        raw = (uint64_t)(p[0] & 0x7f) | (uint64_t)p[1] << 7;
        p += 2;
    } else {
        p = record__uvarlong_long(p, end, &raw);
        if (UNLIKELY(p == NULL))
            return NULL;
    }
    *out = (int64_t)(raw >> 1 ^ (0 - (raw & 1)));
    return p;
}

/* Passes over a length and as many bytes. Answers the byte after, or NULL. */
ALWAYS_INLINE const uint8_t *record__run(const uint8_t *p, const uint8_t *end, const bool is_roomy,
                                         int32_t *out_bytes, const uint8_t **out)
{
    p = record__varint(p, end, is_roomy, out_bytes);
    if (UNLIKELY(p == NULL))
        return NULL;
    *out = p;
    const int64_t size = *out_bytes < 0 ? 0 : *out_bytes;
    return LIKELY(size <= end - p) ? p + size : NULL;
}

/* Takes the body of a record apart, which is p … end: what its length announced. False when the parts do not
 * fill it exactly. */
ALWAYS_INLINE bool record__parse(const uint8_t *p, const uint8_t *end, const bool is_roomy,
                                 struct record_parts *out)
{
    if (UNLIKELY(end - p < RECORD_BYTES_MIN))
        return false;
    out->attributes = *p++; /* none is defined, and Apache Kafka looks at none */
    p = record__varlong(p, end, is_roomy, &out->timestamp_delta);
    if (UNLIKELY(p == NULL))
        return false;
    p = record__varint(p, end, is_roomy, &out->offset_delta);
    if (UNLIKELY(p == NULL))
        return false;
    out->tail = p;
    p = record__run(p, end, is_roomy, &out->key_bytes, &out->key);
    if (UNLIKELY(p == NULL))
        return false;
    p = record__run(p, end, is_roomy, &out->value_bytes, &out->value);
    if (UNLIKELY(p == NULL))
        return false;
    p = record__varint(p, end, is_roomy, &out->header_count);
    if (UNLIKELY(p == NULL))
        return false;
    out->headers = p;
    return LIKELY(out->header_count == 0) ? p == end
                                          : record__headers_fit(p, end, out->header_count);
}

/* What stands at p: 1 when a whole record (its body in *out_body … *out_end, taken apart in *out), 0 when only the
 * beginning of one, -1 when it cannot be a record. */
ALWAYS_INLINE int record__next(const uint8_t *p, const uint8_t *end, const uint8_t **out_end,
                               struct record_parts *out)
{
    int32_t length;
    const uint8_t *body = record__varint(p, end, false, &length);
    if (UNLIKELY(body == NULL))
        return end - p >= VARINT_BYTES_MAX ? -1 : 0;
    if (UNLIKELY(length > end - body))
        return 0;
    if (UNLIKELY(length < 0))
        return -1;
    *out_end = body + length;
    if (LIKELY(length <= end - body - RECORD_SLACK_BYTES))
        return record__parse(body, body + length, true, out) ? 1 : -1;
    return record__parse(body, body + length, false, out) ? 1 : -1;
}

/* And the other way. */
static inline uint64_t record__zigzag64(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline size_t record__uvarlong_bytes(uint64_t v)
{
    return 1 + (size_t)(63 - __builtin_clzll(v | 1)) / 7;
}

static inline size_t record__varint_bytes(int32_t v)
{
    return record__uvarlong_bytes(record__zigzag64(v)); /* the same as with 32 bits */
}

/* Answer the byte after. */
static inline uint8_t *record__put_uvarlong(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static inline uint8_t *record__put_varint(uint8_t *p, int32_t v)
{
    return record__put_uvarlong(p, record__zigzag64(v));
}
