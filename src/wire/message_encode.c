/* Size and bytes of a message: one walk over its tables, which counts, and writes if there is a writer. */
#include "wire/message_int.h"

#include <inttypes.h>

struct encoder {
    struct writer *w; /* NULL: count only */
    int64_t size;
    int16_t version;
    bool is_flexible;
    struct err_note *note;
};

static int put_struct(struct encoder *e, const struct wire_struct *s, const uint8_t *value);

/* A length that stands before a run or an array; -1 is null. */
static void put_length(struct encoder *e, bool is_compact, int64_t length)
{
    if (is_compact) {
        const uint32_t coded = (uint32_t)(length + 1);
        e->size += uvarint_size(coded);
        if (e->w != NULL)
            write_uvarint(e->w, coded);
    } else {
        e->size += 4;
        if (e->w != NULL)
            write_i32(e->w, (int32_t)length);
    }
}

static int refuse_null(struct encoder *e)
{
    return err_note(e->note, -ERR_MALFORMED, "null is not allowed in version %d", e->version);
}

static int put_string(struct encoder *e, const struct wire_field *field, struct bytes text)
{
    const bool is_compact = e->is_flexible && !(field->flags & WIRE_RIGID);
    const bool is_null = bytes_is_null(text);
    if (UNLIKELY(is_null && !wire__may_be_null(field, e->version)))
        return refuse_null(e);
    if (UNLIKELY(text.size > INT16_MAX))
        return err_note(e->note, -ERR_MALFORMED, "%zu bytes of text, at most %d fit", text.size,
                        INT16_MAX);
    if (is_compact) {
        put_length(e, true, is_null ? -1 : (int64_t)text.size);
    } else {
        e->size += 2;
        if (e->w != NULL)
            write_i16(e->w, is_null ? -1 : (int16_t)text.size);
    }
    e->size += (int64_t)text.size;
    if (e->w != NULL)
        write_run(e->w, text);
    return 0;
}

/* Bytes and records: a length of 32 bits, then what it counts. */
static int put_run(struct encoder *e, const struct wire_field *field, bool is_null, size_t size,
                   const struct wire_records *records)
{
    if (UNLIKELY(is_null && !wire__may_be_null(field, e->version)))
        return refuse_null(e);
    if (UNLIKELY(size > INT32_MAX))
        return err_note(e->note, -ERR_LIMIT, "%zu bytes, at most %d fit", size, INT32_MAX);
    put_length(e, e->is_flexible, is_null ? -1 : (int64_t)size);
    e->size += (int64_t)size;
    if (e->w == NULL || size == 0)
        return 0;
    if (records->data == NULL)
        write_gap(e->w, records->region, size);
    else
        write_run(e->w, bytes_from(records->data, size));
    return 0;
}

static void put_number(struct encoder *e, const struct wire_field *field, const uint8_t *value)
{
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        e->size += 1;
        if (e->w != NULL)
            write_bool(e->w, *(const bool *)value);
        return;
    case WIRE_INT8:
        e->size += 1;
        if (e->w != NULL)
            write_i8(e->w, (int8_t)*value);
        return;
    case WIRE_INT16:
    case WIRE_UINT16: {
        int16_t v;
        memcpy(&v, value, sizeof(v));
        e->size += 2;
        if (e->w != NULL)
            write_i16(e->w, v);
        return;
    }
    case WIRE_INT32:
    case WIRE_UINT32: {
        int32_t v;
        memcpy(&v, value, sizeof(v));
        e->size += 4;
        if (e->w != NULL)
            write_i32(e->w, v);
        return;
    }
    case WIRE_INT64:
    case WIRE_FLOAT64: {
        int64_t v;
        memcpy(&v, value, sizeof(v));
        e->size += 8;
        if (e->w != NULL)
            write_i64(e->w, v);
        return;
    }
    case WIRE_UUID:
        e->size += 16;
        if (e->w != NULL)
            write_run(e->w, bytes_from(value, 16));
        return;
    case WIRE_STRING:
    case WIRE_BYTES:
    case WIRE_RECORDS:
    case WIRE_STRUCT:
        break;
    }
    ASSERT(false);
}

/* A value that is no array: `value` is where it lies, for structs the struct itself. */
static int put_value(struct encoder *e, const struct wire_field *field, const uint8_t *value)
{
    switch ((enum wire_type)field->type) {
    case WIRE_STRING:
        return put_string(e, field, *(const struct bytes *)(const void *)value);
    case WIRE_BYTES: {
        const struct bytes *run = (const void *)value;
        const struct wire_records as_records = { .data = run->data, .size = run->size };
        return put_run(e, field, bytes_is_null(*run), run->size, &as_records);
    }
    case WIRE_RECORDS: {
        const struct wire_records *records = (const void *)value;
        return put_run(e, field, wire__records_are_null(records), records->size, records);
    }
    case WIRE_STRUCT:
        return put_struct(e, field->element, value);
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
    put_number(e, field, value);
    return 0;
}

static int put_array(struct encoder *e, const struct wire_field *field, const uint8_t *member)
{
    const struct wire_items array = wire__items(member);
    if (array.count < 0) {
        if (!wire__may_be_null(field, e->version))
            return refuse_null(e);
        put_length(e, e->is_flexible, -1);
        return 0;
    }
    put_length(e, e->is_flexible, array.count);
    const size_t item_bytes = wire__value_bytes(field);
    for (int32_t i = 0; i < array.count; i++) {
        const int r = put_value(e, field, array.items + (size_t)i * item_bytes);
        if (UNLIKELY(r < 0))
            return err_note_prefix(e->note, r, "[%d]", i);
    }
    return 0;
}

/* A struct that may be null is led by a byte: -1 for null, 1 for what follows (KIP-893); in a tag 0 is null. */
static int put_pointer(struct encoder *e, const struct wire_field *field, const uint8_t *member)
{
    const uint8_t *value = wire__pointer(member);
    if (wire__may_be_null(field, e->version)) {
        e->size += 1;
        if (e->w != NULL)
            write_i8(e->w, value != NULL ? 1 : field->flags & WIRE_TAGGED ? 0 : -1);
        if (value == NULL)
            return 0;
    } else if (value == NULL) {
        return refuse_null(e);
    }
    return put_struct(e, field->element, value);
}

static int put_field(struct encoder *e, const struct wire_field *field, const uint8_t *member)
{
    int r;
    if (field->flags & WIRE_ARRAY)
        r = put_array(e, field, member);
    else if (field->flags & WIRE_POINTER)
        r = put_pointer(e, field, member);
    else
        r = put_value(e, field, member);
    return LIKELY(r == 0) ? 0 : err_note_prefix(e->note, r, "%s", field->name);
}

static void put_tag_head(struct encoder *e, uint32_t tag, int64_t size)
{
    e->size += uvarint_size(tag) + uvarint_size((uint32_t)size);
    if (e->w != NULL) {
        write_uvarint(e->w, tag);
        write_uvarint(e->w, (uint32_t)size);
    }
}

static int put_known_tag(struct encoder *e, const struct wire_field *field, const uint8_t *member)
{
    struct encoder counter = { .version = e->version, .is_flexible = true, .note = e->note };
    const int r = put_field(&counter, field, member);
    if (r < 0)
        return r;
    put_tag_head(e, field->tag, counter.size);
    if (e->w == NULL) {
        e->size += counter.size;
        return 0;
    }
    return put_field(e, field, member);
}

static int put_unknown_tags(struct encoder *e, const struct wire_struct *s,
                            const struct wire_tags *tags)
{
    for (uint32_t i = 0; i < tags->count; i++) {
        const struct wire_tag *tag = &tags->items[i];
        const bool ascends = i == 0 ? tag->tag >= s->tagged_count : tag->tag > tag[-1].tag;
        if (!ascends)
            return err_note(e->note, -ERR_MALFORMED,
                            "unknown tag %" PRIu32 " is known, or out of order", tag->tag);
        if (tag->value.size > INT32_MAX)
            return err_note(e->note, -ERR_LIMIT, "unknown tag %" PRIu32 ": %zu bytes", tag->tag,
                            tag->value.size);
        put_tag_head(e, tag->tag, (int64_t)tag->value.size);
        e->size += (int64_t)tag->value.size;
        if (e->w != NULL)
            write_run(e->w, tag->value);
    }
    return 0;
}

static bool tag_is_written(const struct encoder *e, const struct wire_struct *s,
                           const struct wire_field *field, const uint8_t *value)
{
    return wire__has_version(field, e->version) &&
           !wire__is_default(field, value + field->offset,
                             (const uint8_t *)s->default_value + field->offset);
}

/* The tags that this build knows are 0, 1, 2 … (tools/gen sees to it), so that they come first. */
static int put_tags(struct encoder *e, const struct wire_struct *s, const uint8_t *value)
{
    const struct wire_tags *unknown = wire__tags(s, value);
    uint32_t count = unknown->count;
    for (uint32_t i = 0; i < s->tagged_count; i++)
        count += tag_is_written(e, s, &s->fields[s->tagged[i]], value);
    e->size += uvarint_size(count);
    if (e->w != NULL)
        write_uvarint(e->w, count);
    if (count == 0)
        return 0;
    for (uint32_t i = 0; i < s->tagged_count; i++) {
        const struct wire_field *field = &s->fields[s->tagged[i]];
        if (!tag_is_written(e, s, field, value))
            continue;
        const int r = put_known_tag(e, field, value + field->offset);
        if (r < 0)
            return r;
    }
    return put_unknown_tags(e, s, unknown);
}

static int check_absent(struct encoder *e, const struct wire_struct *s,
                        const struct wire_field *field, const uint8_t *value)
{
    if ((field->flags & WIRE_IGNORABLE) ||
        wire__is_default(field, value + field->offset,
                         (const uint8_t *)s->default_value + field->offset))
        return 0;
    return err_note(e->note, -ERR_VERSION, "%s is set, but version %d has no such field",
                    field->name, e->version);
}

static int put_struct(struct encoder *e, const struct wire_struct *s, const uint8_t *value)
{
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *field = &s->fields[i];
        int r = 0;
        if (!wire__has_version(field, e->version))
            r = check_absent(e, s, field, value);
        else if (!(field->flags & WIRE_TAGGED))
            r = put_field(e, field, value + field->offset);
        if (UNLIKELY(r < 0))
            return r;
    }
    return e->is_flexible ? put_tags(e, s, value) : 0;
}

static int encode(const struct wire_message *message, const void *in, struct encoder *e)
{
    int r = wire__check_version(message, e->version, e->note);
    if (r < 0)
        return r;
    e->is_flexible = e->version >= message->flexible_min;
    r = put_struct(e, message->root, in);
    if (r < 0)
        return err_note_prefix(e->note, r, "%s", message->name);
    if (e->size > INT32_MAX)
        return err_note(e->note, -ERR_LIMIT, "%s: %" PRId64 " bytes, at most %d fit", message->name,
                        e->size, INT32_MAX);
    return 0;
}

int64_t wire_size(const struct wire_message *message, int16_t version, const void *in,
                  struct err_note *note)
{
    struct encoder e = { .version = version, .note = note };
    const int r = encode(message, in, &e);
    return r < 0 ? r : e.size;
}

int wire_encode(const struct wire_message *message, int16_t version, const void *in,
                struct writer *w, struct err_note *note)
{
    struct encoder e = { .w = w, .version = version, .note = note };
    const int r = encode(message, in, &e);
    if (r < 0)
        return r;
    if (!buf_is_ok(w->out))
        return err_note(note, -ERR_LIMIT, "%s: the buffer holds at most %zu bytes", message->name,
                        w->out->size_max);
    return 0;
}
