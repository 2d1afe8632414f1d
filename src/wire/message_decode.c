/* Bytes to message: one walk over its tables. What comes from outside is never trusted: every count
 * is held against the bytes that are left, and the arena has its own bound. */
#include "wire/straight_int.h"

#include <inttypes.h>

struct decoder {
    struct reader *r;
    struct arena *arena;
    int16_t version;
    bool is_flexible;
    struct err_note *note;
};

static int get_struct(struct decoder *d, const struct wire_struct *s, uint8_t *out);

static int refuse_null(struct decoder *d)
{
    reader_fail(d->r, -ERR_MALFORMED);
    return err_note(d->note, -ERR_MALFORMED, "null is not allowed in version %d, byte %zu",
                    d->version, d->r->position);
}

static int overrun(struct decoder *d)
{
    return err_note(d->note, d->r->error, "%s at byte %zu of %zu", err_sentence(d->r->error),
                    d->r->position, d->r->size);
}

static int arena_is_full(struct decoder *d, size_t wanted_bytes)
{
    reader_fail(d->r, -ERR_LIMIT);
    return err_note(d->note, -ERR_LIMIT, "%zu more bytes of memory, at most %zu in all, byte %zu",
                    wanted_bytes, d->arena->used_bytes_max, d->r->position);
}

/* A length that stands before a run or an array: 0 … INT32_MAX, or -1 for null. */
static int64_t get_length(struct decoder *d, bool is_compact)
{
    if (is_compact) {
        const int64_t length = (int64_t)read_uvarint(d->r) - 1;
        if (length <= INT32_MAX)
            return length;
        reader_fail(d->r, -ERR_MALFORMED);
        return 0;
    }
    const int32_t length = read_i32(d->r);
    return length < 0 ? -1 : length;
}

static int get_run(struct decoder *d, const struct wire_field *field, int64_t length,
                   struct bytes *out)
{
    if (length < 0 && LIKELY(d->r->error == 0)) {
        if (!wire__may_be_null(field, d->version))
            return refuse_null(d);
        *out = BYTES_NULL;
        return 0;
    }
    *out = read_run(d->r, (size_t)length);
    return LIKELY(d->r->error == 0) ? 0 : overrun(d);
}

static int get_string(struct decoder *d, const struct wire_field *field, struct bytes *out)
{
    int64_t length;
    if (d->is_flexible && !(field->flags & WIRE_RIGID)) {
        length = get_length(d, true);
        if (UNLIKELY(length > INT16_MAX)) {
            reader_fail(d->r, -ERR_MALFORMED);
            return err_note(d->note, -ERR_MALFORMED,
                            "%" PRId64 " bytes of text, at most %d, byte %zu", length, INT16_MAX,
                            d->r->position);
        }
    } else {
        length = read_i16(d->r);
    }
    return get_run(d, field, length, out);
}

static int get_number(struct decoder *d, const struct wire_field *field, uint8_t *out)
{
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        *(bool *)out = read_bool(d->r);
        break;
    case WIRE_INT8:
        *out = (uint8_t)read_i8(d->r);
        break;
    case WIRE_INT16:
    case WIRE_UINT16: {
        const uint16_t v = read_u16(d->r);
        memcpy(out, &v, sizeof(v));
        break;
    }
    case WIRE_INT32:
    case WIRE_UINT32: {
        const uint32_t v = read_u32(d->r);
        memcpy(out, &v, sizeof(v));
        break;
    }
    case WIRE_INT64:
    case WIRE_FLOAT64: {
        const int64_t v = read_i64(d->r);
        memcpy(out, &v, sizeof(v));
        break;
    }
    case WIRE_UUID: {
        const struct uuid v = read_uuid(d->r);
        memcpy(out, &v, sizeof(v));
        break;
    }
    case WIRE_STRING:
    case WIRE_BYTES:
    case WIRE_RECORDS:
    case WIRE_STRUCT:
        ASSERT(false);
    }
    return LIKELY(d->r->error == 0) ? 0 : overrun(d);
}

/* A value that is no array; `out` is where it lies, for structs the struct itself. */
static int get_value(struct decoder *d, const struct wire_field *field, uint8_t *out)
{
    switch ((enum wire_type)field->type) {
    case WIRE_STRING:
        return get_string(d, field, (struct bytes *)(void *)out);
    case WIRE_BYTES:
        return get_run(d, field, get_length(d, d->is_flexible), (struct bytes *)(void *)out);
    case WIRE_RECORDS: {
        struct bytes run;
        const int r = get_run(d, field, get_length(d, d->is_flexible), &run);
        if (r == 0)
            *(struct wire_records *)(void *)out =
                (struct wire_records){ .data = run.data, .size = run.size };
        return r;
    }
    case WIRE_STRUCT:
        return get_struct(d, field->element, out);
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
    return get_number(d, field, out);
}

/* The fewest bytes that one element takes. */
static size_t item_size_min(const struct decoder *d, const struct wire_field *field)
{
    if (field->type == WIRE_STRUCT) {
        const size_t size = field->element->size_min[d->version - field->element->version_min];
        return MAX(size, (size_t)1);
    }
    if (field->type == WIRE_STRING)
        return d->is_flexible ? 1 : 2;
    return wire__value_bytes(field);
}

static int get_array(struct decoder *d, const struct wire_field *field, uint8_t *member)
{
    const int64_t count = get_length(d, d->is_flexible);
    if (UNLIKELY(d->r->error != 0))
        return overrun(d);
    if (count < 0) {
        if (!wire__may_be_null(field, d->version))
            return refuse_null(d);
        wire__set_items(member, NULL, -1);
        return 0;
    }
    if (UNLIKELY((uint64_t)count > reader_left(d->r) / item_size_min(d, field))) {
        reader_fail(d->r, -ERR_LIMIT);
        return err_note(d->note, -ERR_LIMIT,
                        "%" PRId64 " elements announced, %zu bytes left, byte %zu", count,
                        reader_left(d->r), d->r->position);
    }
    const size_t item_bytes = wire__value_bytes(field);
    uint8_t *items = NULL;
    if (count > 0) {
        items = arena_alloc(d->arena, (size_t)count * item_bytes);
        if (items == NULL)
            return arena_is_full(d, (size_t)count * item_bytes);
    }
    for (int64_t i = 0; i < count; i++) {
        const int r = get_value(d, field, items + (size_t)i * item_bytes);
        if (UNLIKELY(r < 0))
            return err_note_prefix(d->note, r, "[%" PRId64 "]", i);
    }
    wire__set_items(member, items, (int32_t)count);
    return 0;
}

/* A struct that may be null is led by a byte: negative for null (KIP-893); in a tag by a number: 0 for null. */
static int get_pointer(struct decoder *d, const struct wire_field *field, uint8_t *member)
{
    if (wire__may_be_null(field, d->version)) {
        const bool is_null =
            field->flags & WIRE_TAGGED ? read_uvarint(d->r) == 0 : read_i8(d->r) < 0;
        if (d->r->error != 0)
            return overrun(d);
        if (is_null) {
            memset(member, 0, sizeof(void *));
            return 0;
        }
    }
    uint8_t *value = arena_alloc(d->arena, field->element->struct_bytes);
    if (value == NULL)
        return arena_is_full(d, field->element->struct_bytes);
    memcpy(member, &value, sizeof(value));
    return get_struct(d, field->element, value);
}

static int get_field(struct decoder *d, const struct wire_field *field, uint8_t *member)
{
    int r;
    if (field->flags & WIRE_ARRAY)
        r = get_array(d, field, member);
    else if (field->flags & WIRE_POINTER)
        r = get_pointer(d, field, member);
    else
        r = get_value(d, field, member);
    return LIKELY(r == 0) ? 0 : err_note_prefix(d->note, r, "%s", field->name);
}

/* Reads a tagged field, which must fill exactly the bytes that are announced for it. */
static int get_known_tag(struct decoder *d, const struct wire_field *field, uint8_t *out,
                         size_t size)
{
    if (!wire__has_version(field, d->version)) {
        reader_fail(d->r, -ERR_MALFORMED);
        return err_note(d->note, -ERR_MALFORMED, "%s (tag %u) does not exist in version %d",
                        field->name, field->tag, d->version);
    }
    struct reader *r = d->r;
    const size_t outer_size = r->size;
    const size_t end = r->position + size;
    r->size = end;
    const int result = get_field(d, field, out + field->offset);
    r->size = outer_size;
    if (result < 0)
        return result;
    if (r->position != end) {
        reader_fail(r, -ERR_MALFORMED);
        return err_note(d->note, -ERR_MALFORMED, "%s (tag %u) ends at byte %zu, not at %zu",
                        field->name, field->tag, r->position, end);
    }
    return 0;
}

/* Keeps a tag that this build does not know. `left` is how many tags may still follow. */
static int get_unknown_tag(struct decoder *d, struct wire_tags *tags, uint32_t tag, size_t size,
                           uint32_t left)
{
    if (tags->items == NULL) {
        const size_t wanted_bytes = (size_t)left * sizeof(*tags->items);
        tags->items = arena_alloc(d->arena, wanted_bytes);
        if (tags->items == NULL)
            return arena_is_full(d, wanted_bytes);
    }
    if (tags->count > 0 && tag <= tags->items[tags->count - 1].tag) {
        reader_fail(d->r, -ERR_MALFORMED);
        return err_note(d->note, -ERR_MALFORMED, "tag %" PRIu32 " is out of order, byte %zu", tag,
                        d->r->position);
    }
    tags->items[tags->count++] = (struct wire_tag){ .tag = tag, .value = read_run(d->r, size) };
    return 0;
}

static int get_tags(struct decoder *d, const struct wire_struct *s, uint8_t *out)
{
    const uint32_t count = read_uvarint(d->r);
    if (UNLIKELY(d->r->error != 0))
        return overrun(d);
    if (LIKELY(count == 0))
        return 0;
    if (count > reader_left(d->r) / 2) { /* a tag and a size take a byte each */
        reader_fail(d->r, -ERR_LIMIT);
        return err_note(d->note, -ERR_LIMIT, "%" PRIu32 " tags announced, %zu bytes left, byte %zu",
                        count, reader_left(d->r), d->r->position);
    }
    struct wire_tags *unknown = (struct wire_tags *)(void *)(out + s->tags_offset);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t tag = read_uvarint(d->r);
        const uint32_t size = read_uvarint(d->r);
        if (size > reader_left(d->r))
            reader_fail(d->r, -ERR_OVERRUN);
        if (d->r->error != 0)
            return overrun(d);
        const int r = tag < s->tagged_count
                          ? get_known_tag(d, &s->fields[s->tagged[tag]], out, size)
                          : get_unknown_tag(d, unknown, tag, size, count - i);
        if (r < 0)
            return r;
    }
    return 0;
}

static int get_struct(struct decoder *d, const struct wire_struct *s, uint8_t *out)
{
    memcpy(out, s->default_value, s->struct_bytes);
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *field = &s->fields[i];
        if (!wire__has_version(field, d->version) || (field->flags & WIRE_TAGGED))
            continue;
        const int r = get_field(d, field, out + field->offset);
        if (UNLIKELY(r < 0))
            return r;
    }
    return d->is_flexible ? get_tags(d, s, out) : 0;
}

/* The usual case of a hot message. Nothing has moved if the answer is false; some of the arena may be
 * spent, in proportion to the input. */
static bool decode_straight(const struct wire_message *message, int16_t version, struct reader *r,
                            struct arena *arena, void *out)
{
    struct wire_cursor c = { .at = r->data + r->position,
                             .end = r->data + r->size,
                             .arena = arena,
                             .version = version,
                             .is_flexible = version >= message->flexible_min };
    if (!message->straight->decode(&c, out))
        return false;
    r->position = (size_t)(c.at - r->data);
    return true;
}

int wire_decode(const struct wire_message *message, int16_t version, struct reader *r,
                struct arena *arena, void *out, struct err_note *note)
{
    const int known = wire__check_version(message, version, note);
    if (known < 0)
        return known;
    struct decoder d = { .r = r,
                         .arena = arena,
                         .version = version,
                         .is_flexible = version >= message->flexible_min,
                         .note = note };
    if (r->error != 0)
        return overrun(&d);
    if (message->straight != NULL && decode_straight(message, version, r, arena, out))
        return 0;
    const int result = get_struct(&d, message->root, out);
    return result < 0 ? err_note_prefix(note, result, "%s", message->name) : 0;
}
