/* A message that message_size.c has judged and measured, written into space of exactly that size. */
#include "wire/straight_int.h"

static void emit_struct(struct wire_emitter *e, const struct wire_struct *s, const uint8_t *value);

/* A value that is no array: `value` is where it lies, for structs the struct itself. */
static void emit_value(struct wire_emitter *e, const struct wire_field *field, const uint8_t *value)
{
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        wire__emit_u8(e, *(const bool *)value ? 1 : 0);
        return;
    case WIRE_INT8:
        wire__emit_u8(e, *value);
        return;
    case WIRE_INT16:
    case WIRE_UINT16: {
        uint16_t v;
        memcpy(&v, value, sizeof(v));
        wire__emit_u16(e, v);
        return;
    }
    case WIRE_INT32:
    case WIRE_UINT32: {
        uint32_t v;
        memcpy(&v, value, sizeof(v));
        wire__emit_u32(e, v);
        return;
    }
    case WIRE_INT64:
    case WIRE_FLOAT64: {
        uint64_t v;
        memcpy(&v, value, sizeof(v));
        wire__emit_u64(e, v);
        return;
    }
    case WIRE_UUID:
        wire__emit_uuid(e, value);
        return;
    case WIRE_STRING:
        wire__emit_string(e, e->is_flexible && !(field->flags & WIRE_RIGID), (const void *)value);
        return;
    case WIRE_BYTES:
        wire__emit_bytes(e, (const void *)value);
        return;
    case WIRE_RECORDS:
        wire__emit_records(e, (const void *)value);
        return;
    case WIRE_STRUCT:
        emit_struct(e, field->element, value);
        return;
    }
}

static void emit_array(struct wire_emitter *e, const struct wire_field *field,
                       const uint8_t *member)
{
    const struct wire_items array = wire__items(member);
    wire__emit_length(e, array.count < 0 ? -1 : array.count);
    const size_t item_bytes = wire__value_bytes(field);
    for (int32_t i = 0; i < array.count; i++)
        emit_value(e, field, array.items + (size_t)i * item_bytes);
}

/* A struct that may be null is led by a byte: -1 for null, 1 for what follows (KIP-893); in a tag null is 0. */
static void emit_pointer(struct wire_emitter *e, const struct wire_field *field,
                         const uint8_t *member)
{
    const uint8_t *value = wire__pointer(member);
    if (wire__may_be_null(field, e->version))
        wire__emit_u8(e, value != NULL ? 1 : field->flags & WIRE_TAGGED ? 0 : 0xff);
    if (value != NULL)
        emit_struct(e, field->element, value);
}

static void emit_field(struct wire_emitter *e, const struct wire_field *field,
                       const uint8_t *member)
{
    if (field->flags & WIRE_ARRAY)
        emit_array(e, field, member);
    else if (field->flags & WIRE_POINTER)
        emit_pointer(e, field, member);
    else
        emit_value(e, field, member);
}

/* The tags that this build knows are 0, 1, 2 … (tools/gen sees to it), so that they come first. */
static void emit_tags(struct wire_emitter *e, const struct wire_struct *s, const uint8_t *value)
{
    const struct wire_tags *unknown = wire__tags(s, value);
    uint32_t count = unknown->count;
    for (uint32_t i = 0; i < s->tagged_count; i++)
        count += wire__tag_is_written(s, &s->fields[s->tagged[i]], e->version, value);
    wire__emit_uvarint(e, count);
    for (uint32_t i = 0; count > unknown->count && i < s->tagged_count; i++) {
        const struct wire_field *field = &s->fields[s->tagged[i]];
        if (!wire__tag_is_written(s, field, e->version, value))
            continue;
        const uint8_t *member = value + field->offset;
        wire__emit_uvarint(e, field->tag);
        wire__emit_uvarint(e, (uint32_t)wire__tag_size(field, e->version, member));
        emit_field(e, field, member);
    }
    for (uint32_t i = 0; i < unknown->count; i++) {
        const struct wire_tag *tag = &unknown->items[i];
        wire__emit_uvarint(e, tag->tag);
        wire__emit_uvarint(e, (uint32_t)tag->value.size);
        wire__emit_run(e, tag->value.data, tag->value.size);
    }
}

static void emit_struct(struct wire_emitter *e, const struct wire_struct *s, const uint8_t *value)
{
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *field = &s->fields[i];
        if (wire__has_version(field, e->version) && !(field->flags & WIRE_TAGGED))
            emit_field(e, field, value + field->offset);
    }
    if (e->is_flexible)
        emit_tags(e, s, value);
}

int wire_encode(const struct wire_message *message, int16_t version, const void *in,
                struct writer *w, struct err_note *note)
{
    struct wire_extent extent;
    const int r = wire__measure(message, version, in, &extent, note);
    if (r < 0)
        return r;
    if (extent.gap_count > w->gap_count_max - w->gap_count) {
        w->out->failed = true;
        return err_note(note, -ERR_LIMIT,
                        "%s: %" PRIu32 " regions of files, at most %" PRIu32 " fit", message->name,
                        extent.gap_count, w->gap_count_max - w->gap_count);
    }
    const size_t written_bytes = (size_t)(extent.size - extent.gap_bytes);
    struct wire_emitter e = { .at = buf_extend(w->out, written_bytes),
                              .version = version,
                              .is_flexible = version >= message->flexible_min,
                              .w = w };
    if (!buf_is_ok(w->out))
        return err_note(note, -ERR_LIMIT, "%s: the buffer holds at most %zu bytes", message->name,
                        w->out->size_max);
    if (extent.is_straight)
        message->straight->emit(&e, in);
    else if (written_bytes > 0)
        emit_struct(&e, message->root, in);
    ASSERT(e.at == w->out->data + w->out->size || written_bytes == 0);
    return 0;
}
