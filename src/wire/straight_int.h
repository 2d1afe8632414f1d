/* What the straight-line code of hot messages stands on (made by tools/gen; see src/wire/README.md).
 *
 * Straight-line code knows the usual case only and answers false to anything else: bytes that are not
 * well-formed, a value that cannot be written, tags that are not known. Then the interpreter does the
 * work again, from the start, and finds the words for it. Inside src/wire only.
 */
#pragma once

#include "wire/emit_int.h"

/* ---- reading */

struct wire_cursor {
    const uint8_t *at;
    const uint8_t *end;
    struct arena *arena;
    int16_t version;
    bool is_flexible;
};

static inline bool wire__has(const struct wire_cursor *c, size_t size)
{
    return LIKELY((size_t)(c->end - c->at) >= size);
}

static inline bool wire__get_bool(struct wire_cursor *c, bool *out)
{
    if (!wire__has(c, 1))
        return false;
    *out = *c->at++ != 0;
    return true;
}

static inline bool wire__get_int8(struct wire_cursor *c, int8_t *out)
{
    if (!wire__has(c, 1))
        return false;
    *out = (int8_t)*c->at++;
    return true;
}

static inline bool wire__get_int16(struct wire_cursor *c, int16_t *out)
{
    if (!wire__has(c, sizeof(*out)))
        return false;
    *out = be_load_i16(c->at);
    c->at += sizeof(*out);
    return true;
}

static inline bool wire__get_int32(struct wire_cursor *c, int32_t *out)
{
    if (!wire__has(c, sizeof(*out)))
        return false;
    *out = be_load_i32(c->at);
    c->at += sizeof(*out);
    return true;
}

static inline bool wire__get_int64(struct wire_cursor *c, int64_t *out)
{
    if (!wire__has(c, sizeof(*out)))
        return false;
    *out = be_load_i64(c->at);
    c->at += sizeof(*out);
    return true;
}

static inline bool wire__get_uuid(struct wire_cursor *c, struct uuid *out)
{
    if (!wire__has(c, sizeof(*out)))
        return false;
    memcpy(out, c->at, sizeof(*out));
    c->at += sizeof(*out);
    return true;
}

static inline bool wire__get_uvarint(struct wire_cursor *c, uint32_t *out)
{
    uint32_t value = 0;
    for (uint32_t shift = 0; shift < 35; shift += 7) {
        if (!wire__has(c, 1))
            return false;
        const uint8_t byte = *c->at++;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (LIKELY(byte < 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* A length before a run or an array; -1 is null. */
static inline bool wire__get_length(struct wire_cursor *c, bool may_be_null, int32_t *out)
{
    if (c->is_flexible) {
        uint32_t coded;
        if (!wire__get_uvarint(c, &coded) || coded > (uint32_t)INT32_MAX)
            return false;
        *out = (int32_t)coded - 1;
    } else if (!wire__get_int32(c, out)) {
        return false;
    }
    return *out >= 0 || (may_be_null && *out == -1);
}

static inline bool wire__get_run(struct wire_cursor *c, int32_t length, const uint8_t **out_data,
                                 size_t *out_size)
{
    *out_data = NULL;
    *out_size = 0;
    if (length < 0)
        return true;
    if (!wire__has(c, (size_t)length))
        return false;
    *out_data = c->at;
    *out_size = (size_t)length;
    c->at += length;
    return true;
}

static inline bool wire__get_string(struct wire_cursor *c, bool is_compact, bool may_be_null,
                                    struct bytes *out)
{
    int32_t length;
    if (is_compact) {
        uint32_t coded;
        if (!wire__get_uvarint(c, &coded) || coded > INT16_MAX + 1)
            return false;
        length = (int32_t)coded - 1;
    } else {
        int16_t coded;
        if (!wire__get_int16(c, &coded))
            return false;
        length = coded;
    }
    return (length >= 0 || may_be_null) && wire__get_run(c, length, &out->data, &out->size);
}

static inline bool wire__get_bytes(struct wire_cursor *c, bool may_be_null, struct bytes *out)
{
    int32_t length;
    return wire__get_length(c, may_be_null, &length) &&
           wire__get_run(c, length, &out->data, &out->size);
}

static inline bool wire__get_records(struct wire_cursor *c, bool may_be_null,
                                     struct wire_records *out)
{
    int32_t length;
    return wire__get_length(c, may_be_null, &length) &&
           wire__get_run(c, length, &out->data, &out->size);
}

/* The count of an array, held against the bytes left, and memory for its elements. */
static inline bool wire__get_items(struct wire_cursor *c, bool may_be_null, size_t size_min,
                                   size_t item_bytes, int32_t *out_count, void **out_items)
{
    *out_items = NULL;
    if (!wire__get_length(c, may_be_null, out_count))
        return false;
    if (*out_count <= 0)
        return true;
    if ((size_t)*out_count > (size_t)(c->end - c->at) / size_min)
        return false;
    *out_items = arena_alloc(c->arena, (size_t)*out_count * item_bytes);
    return *out_items != NULL;
}

static inline bool wire__get_int32_items(struct wire_cursor *c, bool may_be_null,
                                         int32_t *out_count, int32_t **out_items)
{
    void *items;
    if (!wire__get_items(c, may_be_null, 4, sizeof(int32_t), out_count, &items))
        return false;
    *out_items = items;
    for (int32_t i = 0; i < *out_count; i++, c->at += 4)
        (*out_items)[i] = be_load_i32(c->at);
    return true;
}

/* The end of a struct that knows no tags. */
static inline bool wire__get_no_tags(struct wire_cursor *c)
{
    return wire__has(c, 1) && *c->at++ == 0;
}

/* Head of a tag. Its bytes lie before *out_end. */
static inline bool wire__get_tag(struct wire_cursor *c, uint32_t *out_tag, const uint8_t **out_end)
{
    uint32_t size;
    if (!wire__get_uvarint(c, out_tag) || !wire__get_uvarint(c, &size) || !wire__has(c, size))
        return false;
    *out_end = c->at + size;
    return true;
}

/* ---- measuring */

struct wire_measure {
    struct wire_extent extent;
    int16_t version;
    bool is_flexible;
};

static inline bool wire__add_string(struct wire_measure *m, bool is_compact, bool may_be_null,
                                    const struct bytes *text)
{
    if (UNLIKELY((bytes_is_null(*text) && !may_be_null) || text->size > INT16_MAX))
        return false;
    const uint32_t coded = bytes_is_null(*text) ? 0 : (uint32_t)text->size + 1;
    m->extent.size += text->size + (is_compact ? wire__uvarint_size(coded) : 2);
    return true;
}

static inline bool wire__add_run(struct wire_measure *m, bool is_null, bool may_be_null,
                                 size_t size)
{
    if (UNLIKELY((is_null && !may_be_null) || size > INT32_MAX - 1))
        return false;
    const uint32_t coded = is_null ? 0 : (uint32_t)size + 1;
    m->extent.size += size + (m->is_flexible ? wire__uvarint_size(coded) : 4);
    return true;
}

static inline bool wire__add_bytes(struct wire_measure *m, bool may_be_null,
                                   const struct bytes *run)
{
    return wire__add_run(m, bytes_is_null(*run), may_be_null, run->size);
}

static inline bool wire__add_records(struct wire_measure *m, bool may_be_null,
                                     const struct wire_records *records)
{
    if (wire__is_gap(records)) {
        m->extent.gap_bytes += records->size;
        m->extent.gap_count++;
    }
    return wire__add_run(m, wire__records_are_null(records), may_be_null, records->size);
}

/* The length before an array's elements. */
static inline bool wire__add_count(struct wire_measure *m, bool may_be_null, int32_t count)
{
    if (UNLIKELY(count < 0 && !may_be_null))
        return false;
    m->extent.size += m->is_flexible ? wire__uvarint_size(count < 0 ? 0 : (uint32_t)count + 1) : 4;
    return true;
}

/* Tag and size, before content that began at `from`. */
static inline void wire__add_tag_head(struct wire_measure *m, uint64_t from)
{
    m->extent.size += 1 + wire__uvarint_size((uint32_t)(m->extent.size - from));
}

/* ---- the code of one message */

struct wire_straight {
    bool (*decode)(struct wire_cursor *c, void *out);
    bool (*measure)(struct wire_measure *m, const void *in);
    void (*emit)(struct wire_emitter *e, const void *in);
};
