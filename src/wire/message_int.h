/* What the tables made by tools/gen look like, and what the parts of the interpreter share.
 *
 * A message is a tree of structs; a struct is a row of fields in wire order, of which the tagged ones
 * are written last, by ascending tag (KIP-482). Every struct has a default image, which is copied
 * before decoding and compared with to know whether a field must be written.
 * Inside src/wire only.
 */
#pragma once

#include "wire/message.h"

#include <string.h>

enum wire_type {
    WIRE_BOOL,
    WIRE_INT8,
    WIRE_INT16,
    WIRE_UINT16,
    WIRE_INT32,
    WIRE_UINT32,
    WIRE_INT64,
    WIRE_FLOAT64,
    WIRE_UUID,
    WIRE_STRING,
    WIRE_BYTES,
    WIRE_RECORDS,
    WIRE_STRUCT,
};

enum wire_flag {
    WIRE_ARRAY = 1,     /* a pointer, then an int32_t count */
    WIRE_IGNORABLE = 2, /* silently left out where the version lacks it */
    WIRE_TAGGED = 4,
    WIRE_RIGID = 8,    /* never in compact form */
    WIRE_POINTER = 16, /* a struct that may be null */
};

#define WIRE_NO_TAGS UINT16_MAX
#define WIRE_EMPTY_RUN                                                                             \
    {                                                                                              \
        (const uint8_t *)"", 0                                                                     \
    }
#define WIRE_EMPTY_RECORDS                                                                         \
    {                                                                                              \
        (const uint8_t *)"", 0, NULL                                                               \
    }

struct wire_field {
    const char *name;                  /* as JSON knows it */
    const struct wire_struct *element; /* of a struct, or of an array of structs */
    uint16_t offset;                   /* in the C struct */
    uint8_t type;                      /* enum wire_type; of the elements, if array */
    uint8_t flags;                     /* enum wire_flag */
    int8_t version_min;
    int8_t version_max;
    int8_t null_min; /* versions that allow null; null_max < null_min: none */
    int8_t null_max;
    uint8_t tag;
};

struct wire_struct {
    const struct wire_field *fields;
    const uint8_t *tagged;    /* places of the tagged fields, by ascending tag */
    const uint16_t *size_min; /* fewest bytes of an instance, by version - version_min */
    const void *default_value;
    uint16_t struct_bytes;
    uint16_t tags_offset; /* of unknown_tags, or WIRE_NO_TAGS */
    uint8_t field_count;
    uint8_t tagged_count;
    int8_t version_min; /* of the message */
};

extern const struct wire_message *const wire__messages[];
extern const uint32_t wire__message_count;

#define WIRE_RECORD_TABLE(name)                                                                    \
    extern const struct wire_message *const wire__##name[];                                        \
    extern const uint32_t wire__##name##_count
WIRE_RECORD_TABLE(metadata_records);
WIRE_RECORD_TABLE(remote_log_records);
WIRE_RECORD_TABLE(group_keys);
WIRE_RECORD_TABLE(group_values);
WIRE_RECORD_TABLE(transaction_keys);
WIRE_RECORD_TABLE(transaction_values);
WIRE_RECORD_TABLE(share_keys);
WIRE_RECORD_TABLE(share_values);

/* Bytes of one value in memory, arrays and pointers not counted. */
static inline size_t wire__value_bytes(const struct wire_field *field)
{
    static const uint8_t bytes[] = {
        [WIRE_BOOL] = sizeof(bool),
        [WIRE_INT8] = 1,
        [WIRE_INT16] = 2,
        [WIRE_UINT16] = 2,
        [WIRE_INT32] = 4,
        [WIRE_UINT32] = 4,
        [WIRE_INT64] = 8,
        [WIRE_FLOAT64] = 8,
        [WIRE_UUID] = sizeof(struct uuid),
        [WIRE_STRING] = sizeof(struct bytes),
        [WIRE_BYTES] = sizeof(struct bytes),
        [WIRE_RECORDS] = sizeof(struct wire_records),
    };
    return field->type == WIRE_STRUCT ? field->element->struct_bytes : bytes[field->type];
}

static inline bool wire__has_version(const struct wire_field *field, int16_t version)
{
    return version >= field->version_min && version <= field->version_max;
}

static inline bool wire__may_be_null(const struct wire_field *field, int16_t version)
{
    return version >= field->null_min && version <= field->null_max;
}

/* An array as it lies in a C struct: `T *x; int32_t x_count;`. */
struct wire_items {
    const uint8_t *items;
    int32_t count; /* negative: null */
};

static inline struct wire_items wire__items(const void *member)
{
    struct wire_items array;
    memcpy(&array.items, member, sizeof(array.items));
    memcpy(&array.count, (const uint8_t *)member + sizeof(array.items), sizeof(array.count));
    return array;
}

static inline void wire__set_items(void *member, const void *items, int32_t count)
{
    memcpy(member, &items, sizeof(items));
    memcpy((uint8_t *)member + sizeof(items), &count, sizeof(count));
}

/* A struct that may be null, as it lies in a C struct: `struct t *x;`. */
static inline const uint8_t *wire__pointer(const void *member)
{
    const uint8_t *pointer;
    memcpy(&pointer, member, sizeof(pointer));
    return pointer;
}

static inline const struct wire_tags *wire__tags(const struct wire_struct *s, const void *value)
{
    return (const struct wire_tags *)(const void *)((const uint8_t *)value + s->tags_offset);
}

static inline bool wire__records_are_null(const struct wire_records *records)
{
    return records->data == NULL && records->region == NULL;
}

/* Records that stay in a file: they take no place in the buffer. */
static inline bool wire__is_gap(const struct wire_records *records)
{
    return records->data == NULL && records->size > 0;
}

/* Bytes that a value takes on the wire, for the types where that is always the same. */
static inline size_t wire__fixed_size(const struct wire_field *field)
{
    static const uint8_t bytes[] = {
        [WIRE_BOOL] = 1,   [WIRE_INT8] = 1,    [WIRE_INT16] = 2,
        [WIRE_UINT16] = 2, [WIRE_INT32] = 4,   [WIRE_UINT32] = 4,
        [WIRE_INT64] = 8,  [WIRE_FLOAT64] = 8, [WIRE_UUID] = 16,
    };
    return bytes[field->type];
}

static inline uint32_t wire__uvarint_size(uint32_t value)
{
    return (38 - (uint32_t)__builtin_clz(value | 1)) / 7;
}

/* Size of a whole message, and how much of it stays in files. */
struct wire_extent {
    uint64_t size;
    uint64_t gap_bytes;
    uint32_t gap_count;
    bool is_straight; /* nothing speaks against straight-line code */
};

/* wire_size, with the gaps told apart, by straight-line code where there is some. */
int wire__measure(const struct wire_message *message, int16_t version, const void *in,
                  struct wire_extent *out, struct err_note *note);

/* Bytes between the size of a tag and its end; of a message that wire__measure has judged. */
uint64_t wire__tag_size(const struct wire_field *field, int16_t version, const uint8_t *member);

/* 0, or -ERR_VERSION with a note. */
int wire__check_version(const struct wire_message *message, int16_t version, struct err_note *note);

/* Whether a member holds its default. `value` and `fallback` are addresses of the same member, in
 * an instance and in the default image of its struct. */
bool wire__is_default(const struct wire_field *field, const void *value, const void *fallback);

static inline const uint8_t *wire__default_of(const struct wire_struct *s,
                                              const struct wire_field *field)
{
    return (const uint8_t *)s->default_value + field->offset;
}

/* Tagged fields at their default are left out. */
static inline bool wire__tag_is_written(const struct wire_struct *s, const struct wire_field *field,
                                        int16_t version, const uint8_t *value)
{
    return wire__has_version(field, version) &&
           !wire__is_default(field, value + field->offset, wire__default_of(s, field));
}
