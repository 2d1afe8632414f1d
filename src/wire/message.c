/* Messages as values: defaults, comparison with them, and the list of all messages. */
#include "wire/message_int.h"

#include <string.h>

void wire_init(const struct wire_message *message, void *out)
{
    memcpy(out, message->root->default_value, message->struct_bytes);
}

void *wire_array(struct arena *arena, const void *default_value, size_t bytes, size_t count)
{
    ASSERT(bytes > 0 && count <= SIZE_MAX / bytes);
    uint8_t *items = arena_alloc(arena, bytes * count);
    for (size_t i = 0; items != NULL && i < count; i++)
        memcpy(items + i * bytes, default_value, bytes);
    return items;
}

static bool struct_is_default(const struct wire_struct *s, const uint8_t *value)
{
    const uint8_t *fallback = s->default_value;
    if (LIKELY(memcmp(value, fallback, s->struct_bytes) == 0))
        return true; /* usual; false may also mean other padding, or another pointer to nothing */
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *field = &s->fields[i];
        if (!wire__is_default(field, value + field->offset, fallback + field->offset))
            return false;
    }
    return s->tags_offset == WIRE_NO_TAGS || wire__tags(s, value)->count == 0;
}

bool wire__is_default(const struct wire_field *field, const void *value, const void *fallback)
{
    if (field->flags & WIRE_ARRAY) {
        const int32_t count = wire__items(value).count;
        const int32_t default_count = wire__items(fallback).count;
        return count == default_count || (count < 0 && default_count < 0);
    }
    if (field->flags & WIRE_POINTER) {
        const uint8_t *pointed = wire__pointer(value);
        if (pointed == NULL || wire__pointer(fallback) == NULL)
            return pointed == wire__pointer(fallback);
        return struct_is_default(field->element, pointed);
    }
    switch ((enum wire_type)field->type) {
    case WIRE_STRING:
    case WIRE_BYTES: {
        const struct bytes *run = value;
        return run->size == 0 &&
               bytes_is_null(*run) == bytes_is_null(*(const struct bytes *)fallback);
    }
    case WIRE_RECORDS:
        return wire__records_are_null(value);
    case WIRE_FLOAT64:
        return *(const double *)value == 0.0;
    case WIRE_STRUCT:
        return struct_is_default(field->element, value);
    case WIRE_BOOL:
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_INT32:
    case WIRE_UINT32:
    case WIRE_INT64:
    case WIRE_UUID:
        break;
    }
    return memcmp(value, fallback, wire__value_bytes(field)) == 0;
}

int wire__check_version(const struct wire_message *message, int16_t version, struct err_note *note)
{
    if (LIKELY(version >= message->version_min && version <= message->version_max))
        return 0;
    return err_note(note, -ERR_VERSION, "%s version %d: versions %d to %d are known", message->name,
                    version, message->version_min, message->version_max);
}

const struct wire_message *wire_message_by_name(struct bytes name)
{
    uint32_t low = 0;
    uint32_t high = wire__message_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct wire_message *message = wire__messages[middle];
        const int order = bytes_compare(name, bytes_from_text(message->name));
        if (order == 0)
            return message;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct wire_message *const *wire_messages(uint32_t *out_count)
{
    *out_count = wire__message_count;
    return wire__messages;
}
