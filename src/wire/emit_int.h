/* Writing into space that is known to be there: after a message has been measured nothing is asked twice.
 * Shared by the interpreter and by the straight-line code of hot messages. Inside src/wire only. */
#pragma once

#include "base/be.h"
#include "wire/message_int.h"

struct wire_emitter {
    uint8_t *at;
    int16_t version;
    bool is_flexible;
    struct writer *w; /* for gaps */
};

static inline void wire__emit_u8(struct wire_emitter *e, uint8_t value)
{
    *e->at++ = value;
}

static inline void wire__emit_u16(struct wire_emitter *e, uint16_t value)
{
    be_store_u16(e->at, value);
    e->at += sizeof(value);
}

static inline void wire__emit_u32(struct wire_emitter *e, uint32_t value)
{
    be_store_u32(e->at, value);
    e->at += sizeof(value);
}

static inline void wire__emit_u64(struct wire_emitter *e, uint64_t value)
{
    be_store_u64(e->at, value);
    e->at += sizeof(value);
}

static inline void wire__emit_uuid(struct wire_emitter *e, const void *id)
{
    memcpy(e->at, id, sizeof(struct uuid));
    e->at += sizeof(struct uuid);
}

static inline void wire__emit_uvarint(struct wire_emitter *e, uint32_t value)
{
    for (; UNLIKELY(value >= 0x80); value >>= 7)
        *e->at++ = (uint8_t)(value | 0x80);
    *e->at++ = (uint8_t)value;
}

/* A length of 32 bits that stands before a run or an array; -1 is null. */
static inline void wire__emit_length(struct wire_emitter *e, int64_t length)
{
    if (e->is_flexible)
        wire__emit_uvarint(e, (uint32_t)(length + 1));
    else
        wire__emit_u32(e, (uint32_t)length);
}

static inline void wire__emit_run(struct wire_emitter *e, const uint8_t *data, size_t size)
{
    if (size > 0)
        memcpy(e->at, data, size);
    e->at += size;
}

static inline void wire__emit_string(struct wire_emitter *e, bool is_compact,
                                     const struct bytes *text)
{
    const int64_t length = bytes_is_null(*text) ? -1 : (int64_t)text->size;
    if (is_compact)
        wire__emit_uvarint(e, (uint32_t)(length + 1));
    else
        wire__emit_u16(e, (uint16_t)length);
    wire__emit_run(e, text->data, text->size);
}

static inline void wire__emit_bytes(struct wire_emitter *e, const struct bytes *run)
{
    wire__emit_length(e, bytes_is_null(*run) ? -1 : (int64_t)run->size);
    wire__emit_run(e, run->data, run->size);
}

static inline void wire__emit_records(struct wire_emitter *e, const struct wire_records *records)
{
    if (wire__records_are_null(records)) {
        wire__emit_length(e, -1);
        return;
    }
    wire__emit_length(e, (int64_t)records->size);
    if (!wire__is_gap(records)) {
        wire__emit_run(e, records->data, records->size);
        return;
    }
    e->w->gaps[e->w->gap_count++] =
        (struct writer_gap){ .position = (size_t)(e->at - e->w->out->data),
                             .size_bytes = records->size,
                             .region = records->region };
}
