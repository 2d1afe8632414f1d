/* Frames of metadata records, and the leading numbers of coordinators' keys and values. */
#include "wire/record_frame.h"

#include "wire/message_int.h"

struct family {
    const struct wire_message *const *by_type;
    uint32_t count;
};

static struct family family_of(enum wire_kind kind)
{
    switch (kind) {
    case WIRE_KIND_METADATA_RECORD:
        return (struct family){ wire__metadata_records, wire__metadata_records_count };
    case WIRE_KIND_REMOTE_LOG_RECORD:
        return (struct family){ wire__remote_log_records, wire__remote_log_records_count };
    case WIRE_KIND_GROUP_KEY:
        return (struct family){ wire__group_keys, wire__group_keys_count };
    case WIRE_KIND_GROUP_VALUE:
        return (struct family){ wire__group_values, wire__group_values_count };
    case WIRE_KIND_TRANSACTION_KEY:
        return (struct family){ wire__transaction_keys, wire__transaction_keys_count };
    case WIRE_KIND_TRANSACTION_VALUE:
        return (struct family){ wire__transaction_values, wire__transaction_values_count };
    case WIRE_KIND_SHARE_KEY:
        return (struct family){ wire__share_keys, wire__share_keys_count };
    case WIRE_KIND_SHARE_VALUE:
        return (struct family){ wire__share_values, wire__share_values_count };
    case WIRE_KIND_REQUEST:
    case WIRE_KIND_RESPONSE:
    case WIRE_KIND_HEADER:
    case WIRE_KIND_DATA:
        break;
    }
    return (struct family){ NULL, 0 };
}

const struct wire_message *wire_record_by_type(enum wire_kind kind, int64_t type)
{
    const struct family family = family_of(kind);
    return type >= 0 && type < family.count ? family.by_type[type] : NULL;
}

static enum wire_kind value_kind_of(enum wire_kind key_kind)
{
    ASSERT(key_kind == WIRE_KIND_GROUP_KEY || key_kind == WIRE_KIND_TRANSACTION_KEY ||
           key_kind == WIRE_KIND_SHARE_KEY);
    return key_kind + 1;
}
_Static_assert(WIRE_KIND_GROUP_VALUE == WIRE_KIND_GROUP_KEY + 1 &&
                   WIRE_KIND_TRANSACTION_VALUE == WIRE_KIND_TRANSACTION_KEY + 1 &&
                   WIRE_KIND_SHARE_VALUE == WIRE_KIND_SHARE_KEY + 1,
               "a family's values follow its keys");

/* Decodes what follows the head. `r` has read the head without an error. */
static int decode_body(const struct wire_message *message, int16_t version, struct reader *r,
                       struct arena *arena, struct framed_record *out, struct err_note *note)
{
    void *value = arena_alloc(arena, message->struct_bytes);
    if (value == NULL)
        return err_note(note, -ERR_LIMIT, "%s: %zu bytes of memory are used up", message->name,
                        arena->used_bytes_max);
    const int result = wire_decode(message, version, r, arena, value, note);
    if (result == 0)
        *out = (struct framed_record){ .message = message, .version = version, .value = value };
    return result;
}

int64_t record_frame_size(const struct wire_message *message, int16_t version, const void *in,
                          struct err_note *note)
{
    ASSERT(message->id >= 0);
    const int64_t size = wire_size(message, version, in, note);
    if (size < 0)
        return size;
    return size + uvarint_size(RECORD_FRAME_VERSION) + uvarint_size((uint32_t)message->id) +
           uvarint_size((uint32_t)version);
}

int record_frame_encode(const struct wire_message *message, int16_t version, const void *in,
                        struct writer *w, struct err_note *note)
{
    ASSERT(message->id >= 0);
    const int known = wire__check_version(message, version, note);
    if (known < 0)
        return known;
    write_uvarint(w, RECORD_FRAME_VERSION);
    write_uvarint(w, (uint32_t)message->id);
    write_uvarint(w, (uint32_t)version);
    return wire_encode(message, version, in, w, note);
}

int record_frame_decode(enum wire_kind kind, struct bytes value, struct arena *arena,
                        struct framed_record *out, struct err_note *note)
{
    struct reader r = reader_from(value);
    const uint32_t frame_version = read_uvarint(&r);
    const uint32_t type = read_uvarint(&r);
    const uint32_t version = read_uvarint(&r);
    if (!reader_is_ok(&r))
        return err_note(note, r.error, "the record's frame: %s", err_sentence(r.error));
    if (frame_version != RECORD_FRAME_VERSION)
        return err_note(note, -ERR_VERSION, "record frame version %" PRIu32 ": only %d is known",
                        frame_version, RECORD_FRAME_VERSION);
    const struct wire_message *message = wire_record_by_type(kind, type);
    if (message == NULL)
        return err_note(note, -ERR_UNKNOWN_RECORD, "record type %" PRIu32 " is not known", type);
    if (version > INT16_MAX)
        return err_note(note, -ERR_VERSION, "%s version %" PRIu32 " is not known", message->name,
                        version);
    const int result = decode_body(message, (int16_t)version, &r, arena, out, note);
    if (result == 0 && reader_left(&r) > 0)
        return err_note(note, -ERR_MALFORMED, "%s: %zu bytes are left over", message->name,
                        reader_left(&r));
    return result;
}

int coordinator_key_encode(const struct wire_message *message, const void *in, struct writer *w,
                           struct err_note *note)
{
    ASSERT(message->id >= 0);
    write_i16(w, message->id);
    return wire_encode(message, message->version_max, in, w, note);
}

int coordinator_value_encode(const struct wire_message *message, int16_t version, const void *in,
                             struct writer *w, struct err_note *note)
{
    write_i16(w, version);
    return wire_encode(message, version, in, w, note);
}

int coordinator_key_decode(enum wire_kind kind, struct bytes key, struct arena *arena,
                           struct framed_record *out, struct err_note *note)
{
    struct reader r = reader_from(key);
    const int16_t type = read_i16(&r);
    if (!reader_is_ok(&r))
        return err_note(note, r.error, "the type of a key: %s", err_sentence(r.error));
    const struct wire_message *message = wire_record_by_type(kind, type);
    if (message == NULL)
        return err_note(note, -ERR_UNKNOWN_RECORD, "key type %d is not known", type);
    return decode_body(message, message->version_max, &r, arena, out, note);
}

int coordinator_value_decode(const struct framed_record *key, struct bytes value,
                             struct arena *arena, struct framed_record *out, struct err_note *note)
{
    const struct wire_message *message =
        wire_record_by_type(value_kind_of(key->message->kind), key->message->id);
    ASSERT(message != NULL);
    struct reader r = reader_from(value);
    const int16_t version = read_i16(&r);
    if (!reader_is_ok(&r))
        return err_note(note, r.error, "the version of a value of %s: %s", message->name,
                        err_sentence(r.error));
    return decode_body(message, version, &r, arena, out, note);
}
