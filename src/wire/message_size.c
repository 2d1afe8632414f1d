/* The size of a message, which is also where it is judged: whatever passes here can be written without a
 * further question (message_encode.c). */
#include "wire/straight_int.h"

#include <inttypes.h>

struct counter {
    struct wire_extent extent;
    int16_t version;
    bool is_flexible;
    struct err_note *note;
};

static int count_struct(struct counter *c, const struct wire_struct *s, const uint8_t *value);

static int refuse_null(struct counter *c)
{
    return err_note(c->note, -ERR_MALFORMED, "null is not allowed in version %d", c->version);
}

static int count_null(struct counter *c, const struct wire_field *field, uint32_t rigid_bytes,
                      bool is_compact)
{
    if (!wire__may_be_null(field, c->version))
        return refuse_null(c);
    c->extent.size += is_compact ? 1 : rigid_bytes;
    return 0;
}

static int count_string(struct counter *c, const struct wire_field *field, const struct bytes *text)
{
    const bool is_compact = c->is_flexible && !(field->flags & WIRE_RIGID);
    if (bytes_is_null(*text))
        return count_null(c, field, 2, is_compact);
    if (UNLIKELY(text->size > INT16_MAX))
        return err_note(c->note, -ERR_MALFORMED, "%zu bytes of text, at most %d fit", text->size,
                        INT16_MAX);
    c->extent.size += text->size + (is_compact ? wire__uvarint_size((uint32_t)text->size + 1) : 2);
    return 0;
}

static int count_run(struct counter *c, const struct wire_field *field, bool is_null, size_t size)
{
    if (is_null)
        return count_null(c, field, 4, c->is_flexible);
    if (UNLIKELY(size > INT32_MAX))
        return err_note(c->note, -ERR_LIMIT, "%zu bytes, at most %d fit", size, INT32_MAX);
    c->extent.size += size + (c->is_flexible ? wire__uvarint_size((uint32_t)size + 1) : 4);
    return 0;
}

static int count_records(struct counter *c, const struct wire_field *field,
                         const struct wire_records *records)
{
    const int r = count_run(c, field, wire__records_are_null(records), records->size);
    if (r == 0 && wire__is_gap(records)) {
        c->extent.gap_bytes += records->size;
        c->extent.gap_count++;
    }
    return r;
}

/* A value that is no array: `value` is where it lies, for structs the struct itself. */
static int count_value(struct counter *c, const struct wire_field *field, const uint8_t *value)
{
    switch ((enum wire_type)field->type) {
    case WIRE_STRING:
        return count_string(c, field, (const void *)value);
    case WIRE_BYTES: {
        const struct bytes *run = (const void *)value;
        return count_run(c, field, bytes_is_null(*run), run->size);
    }
    case WIRE_RECORDS:
        return count_records(c, field, (const void *)value);
    case WIRE_STRUCT:
        return count_struct(c, field->element, value);
    case WIRE_BOOL:
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_INT32:
    case WIRE_UINT32:
    case WIRE_INT64:
    case WIRE_FLOAT64:
    case WIRE_UUID:
        break;
    }
    c->extent.size += wire__fixed_size(field);
    return 0;
}

static int count_array(struct counter *c, const struct wire_field *field, const uint8_t *member)
{
    const struct wire_items array = wire__items(member);
    if (array.count < 0)
        return count_null(c, field, 4, c->is_flexible);
    c->extent.size += c->is_flexible ? wire__uvarint_size((uint32_t)array.count + 1) : 4;
    if (field->type <= WIRE_UUID) {
        c->extent.size += (uint64_t)array.count * wire__fixed_size(field);
        return 0;
    }
    const size_t item_bytes = wire__value_bytes(field);
    for (int32_t i = 0; i < array.count; i++) {
        const int r = count_value(c, field, array.items + (size_t)i * item_bytes);
        if (UNLIKELY(r < 0))
            return err_note_prefix(c->note, r, "[%d]", i);
    }
    return 0;
}

static int count_pointer(struct counter *c, const struct wire_field *field, const uint8_t *member)
{
    const uint8_t *value = wire__pointer(member);
    const bool may_be_null = wire__may_be_null(field, c->version);
    if (may_be_null)
        c->extent.size += 1;
    if (value == NULL)
        return may_be_null ? 0 : refuse_null(c);
    return count_struct(c, field->element, value);
}

static int count_field(struct counter *c, const struct wire_field *field, const uint8_t *member)
{
    int r;
    if (field->flags & WIRE_ARRAY)
        r = count_array(c, field, member);
    else if (field->flags & WIRE_POINTER)
        r = count_pointer(c, field, member);
    else
        r = count_value(c, field, member);
    return LIKELY(r == 0) ? 0 : err_note_prefix(c->note, r, "%s", field->name);
}

static int count_unknown_tags(struct counter *c, const struct wire_struct *s,
                              const struct wire_tags *tags)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        const struct wire_tag *tag = &tags->items[i];
        const bool ascends = i == 0 ? tag->tag >= s->tagged_count : tag->tag > tag[-1].tag;
        if (!ascends)
            return err_note(c->note, -ERR_MALFORMED,
                            "unknown tag %" PRIu32 " is known, or out of order", tag->tag);
        if (tag->value.size > INT32_MAX)
            return err_note(c->note, -ERR_LIMIT,
                            "unknown tag %" PRIu32 ": %zu bytes, at most %d fit", tag->tag,
                            tag->value.size, INT32_MAX);
        c->extent.size += wire__uvarint_size(tag->tag) +
                          wire__uvarint_size((uint32_t)tag->value.size) + tag->value.size;
    }
    return 0;
}

static int count_tags(struct counter *c, const struct wire_struct *s, const uint8_t *value)
{
    const struct wire_tags *unknown = wire__tags(s, value);
    uint32_t count = unknown->count;
    for (uint32_t i = 0; i < s->tagged_count; i++) {
        const struct wire_field *field = &s->fields[s->tagged[i]];
        if (!wire__tag_is_written(s, field, c->version, value))
            continue;
        count++;
        const uint64_t before = c->extent.size;
        const int r = count_field(c, field, value + field->offset);
        if (r < 0)
            return r;
        c->extent.size += 1 + wire__uvarint_size((uint32_t)(c->extent.size - before));
    }
    c->extent.size += wire__uvarint_size(count);
    return LIKELY(unknown->count == 0) ? 0 : count_unknown_tags(c, s, unknown);
}

static int check_absent(struct counter *c, const struct wire_struct *s,
                        const struct wire_field *field, const uint8_t *value)
{
    if (wire__is_default(field, value + field->offset, wire__default_of(s, field)))
        return 0;
    return err_note(c->note, -ERR_VERSION, "%s is set, but version %d has no such field",
                    field->name, c->version);
}

static int count_struct(struct counter *c, const struct wire_struct *s, const uint8_t *value)
{
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *field = &s->fields[i];
        int r = 0;
        if (!wire__has_version(field, c->version)) {
            if (!(field->flags & WIRE_IGNORABLE))
                r = check_absent(c, s, field, value);
        } else if (field->type <= WIRE_UUID && !(field->flags & (WIRE_ARRAY | WIRE_TAGGED))) {
            c->extent.size += wire__fixed_size(field);
        } else if (!(field->flags & WIRE_TAGGED)) {
            r = count_field(c, field, value + field->offset);
        }
        if (UNLIKELY(r < 0))
            return r;
    }
    return c->is_flexible ? count_tags(c, s, value) : 0;
}

int wire__measure(const struct wire_message *message, int16_t version, const void *in,
                  struct wire_extent *out, struct err_note *note)
{
    int r = wire__check_version(message, version, note);
    if (r < 0)
        return r;
    const bool is_flexible = version >= message->flexible_min;
    if (message->straight != NULL) {
        struct wire_measure m = { .version = version, .is_flexible = is_flexible };
        if (message->straight->measure(&m, in) && m.extent.size <= INT32_MAX) {
            *out = m.extent;
            out->is_straight = true;
            return 0;
        }
    }
    struct counter c = { .version = version, .is_flexible = is_flexible, .note = note };
    r = count_struct(&c, message->root, in);
    if (r < 0)
        return err_note_prefix(note, r, "%s", message->name);
    if (c.extent.size > INT32_MAX)
        return err_note(note, -ERR_LIMIT, "%s: %" PRIu64 " bytes, at most %d fit", message->name,
                        c.extent.size, INT32_MAX);
    *out = c.extent;
    return 0;
}

uint64_t wire__tag_size(const struct wire_field *field, int16_t version, const uint8_t *member)
{
    struct counter c = { .version = version, .is_flexible = true };
    const int r = count_field(&c, field, member);
    ASSERT(r == 0);
    return c.extent.size;
}

int64_t wire_size(const struct wire_message *message, int16_t version, const void *in,
                  struct err_note *note)
{
    struct wire_extent extent;
    const int r = wire__measure(message, version, in, &extent, note);
    return r < 0 ? r : (int64_t)extent.size;
}
