/* kafka-dump-log: what keys and values say. */
#include "cli/dump_log.h"

#include "base/be.h"
#include "wire/messages/consumer_protocol_assignment.h"
#include "wire/messages/consumer_protocol_subscription.h"
#include "wire/messages/group_metadata_value.h"
#include "wire/record_frame.h"

#include <ctype.h>
#include <string.h>

/* "FeatureLevelRecord" as FEATURE_LEVEL_RECORD */
static void put_type(struct buf *out, const char *name)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (i > 0 && isupper((unsigned char)name[i]))
            buf_put_text(out, "_");
        buf_printf(out, "%c", toupper((unsigned char)name[i]));
    }
}

/* A record of the metadata log or of remote storage. */
static void put_framed(const struct dump *d, const struct record *record, const char *gap,
                       struct arena *arena, struct buf *out)
{
    struct framed_record framed;
    struct err_note note = { 0 };
    const int r = record_frame_decode(d->decoder, record->value, arena, &framed, &note);
    buf_printf(out, "%spayload: ", gap);
    if (r < 0) {
        buf_printf(out, "Error at %s%" PRId64 ", skipping. %s",
                   d->decoder == WIRE_KIND_METADATA_RECORD ? "" : "offset ", record->offset,
                   note.text);
        return;
    }
    buf_put_text(out, "{\"type\":\"");
    put_type(out, framed.message->name);
    buf_printf(out, "\",\"version\":%d,\"data\":", framed.version);
    wire_print(framed.message, framed.version, framed.value, out);
    buf_put_text(out, "}");
}

/* ---- members of classic groups --------------------------------------------------------------- */

/* What the consumer protocol put into a member's bytes: version i16, message. Newer versions are read as the newest
 * known one, as the protocol wants it. false: it is something else. */
static bool put_protocol(const struct wire_message *message, struct bytes bytes, struct buf *out)
{
    struct arena arena;
    if (bytes.size < 2)
        return false;
    const int16_t told = (int16_t)be_load_u16(bytes.data);
    const int16_t version = told > message->version_max ? message->version_max : told;
    arena_init(&arena, bytes.size * 64 + 65536);
    void *value = arena_must_zalloc(&arena, 1, message->struct_bytes);
    struct reader r = reader_from(bytes_slice(bytes, 2, bytes.size - 2));
    const bool is_good = wire_decode(message, version, &r, &arena, value, NULL) == 0;
    if (is_good)
        wire_print(message, version, value, out);
    arena_deinit(&arena);
    return is_good;
}

/* Moves the text of *rest up to and without the string that is the value of `field` to out. The field's name cannot be found inside a
 * string: there its quotes would be escaped. */
static bool move_up_to_string(struct bytes *rest, const char *field, struct buf *out)
{
    const size_t size = strlen(field);
    const uint8_t *at = memmem(rest->data, rest->size, field, size);
    if (at == NULL)
        return false;
    const size_t before = (size_t)(at - rest->data) + size;
    buf_put(out, rest->data, before);
    *rest = bytes_slice(*rest, before, rest->size - before);
    return true;
}

static void put_member_bytes(const struct wire_message *message, struct bytes bytes,
                             const char *field, struct bytes *rest, struct buf *out)
{
    if (!move_up_to_string(rest, field, out))
        return;
    const uint8_t *quote = memchr(rest->data + 1, '"', rest->size - 1);
    ASSERT(rest->data[0] == '"' && quote != NULL); /* the printer wrote it */
    const size_t size = (size_t)(quote + 1 - rest->data);
    if (!put_protocol(message, bytes, out))
        buf_put(out, rest->data, size);
    *rest = bytes_slice(*rest, size, rest->size - size);
}

/* As wire_print, but for members of consumers: their subscription and assignment are told, too. */
static void put_group(const struct framed_record *value, struct buf *out)
{
    const struct group_metadata_value *group = value->value;
    struct buf printed;
    buf_init(&printed, SIZE_MAX);
    wire_print(value->message, value->version, group, &printed);
    struct bytes rest = buf_view(&printed);
    for (int32_t i = 0; i < group->members_count; i++) {
        put_member_bytes(&consumer_protocol_subscription_message, group->members[i].subscription,
                         "\"subscription\":", &rest, out);
        put_member_bytes(&consumer_protocol_assignment_message, group->members[i].assignment,
                         "\"assignment\":", &rest, out);
    }
    buf_put_bytes(out, rest);
    buf_deinit(&printed);
}

static bool is_consumers_group(const struct framed_record *value)
{
    if (value->message != &group_metadata_value_message)
        return false;
    const struct group_metadata_value *group = value->value;
    return bytes_equal_text(group->protocol_type, "consumer");
}

/* ---- coordinators ---------------------------------------------------------------------------- */

static void put_coordinator(const struct dump *d, const struct record *record, const char *gap,
                            struct arena *arena, struct buf *out)
{
    struct framed_record key;
    struct framed_record value;
    struct err_note note = { 0 };
    int r = bytes_is_null(record->key)
                ? err_note(&note, -ERR_MALFORMED, "The record has no key.")
                : coordinator_key_decode(d->decoder, record->key, arena, &key, &note);
    buf_printf(out, "%skey: ", gap);
    if (r < 0) {
        buf_printf(out, "Error at offset %" PRId64 ", skipping. %s", record->offset, note.text);
        return;
    }
    buf_printf(out, "{\"type\":\"%d\",\"data\":", key.message->id);
    wire_print(key.message, key.version, key.value, out);
    buf_put_text(out, "} payload: ");
    if (bytes_is_null(record->value)) {
        buf_put_text(out, "<DELETE>");
        return;
    }
    r = coordinator_value_decode(&key, record->value, arena, &value, &note);
    if (r < 0) {
        buf_printf(out, "Error at offset %" PRId64 ", skipping. %s", record->offset, note.text);
        return;
    }
    buf_printf(out, "{\"version\":\"%d\",\"data\":", value.version);
    if (is_consumers_group(&value))
        put_group(&value, out);
    else
        wire_print(value.message, value.version, value.value, out);
    buf_put_text(out, "}");
}

/* ---- any ------------------------------------------------------------------------------------- */

/* Kafka's decoders of numbers look at the first bytes, and leave the rest alone. */
static void put_text(enum deserializer decoder, struct bytes bytes, struct buf *out)
{
    struct err_note note = { 0 };
    if (decoder == DESERIALIZER_LONG || decoder == DESERIALIZER_INTEGER)
        bytes = bytes_slice(bytes, 0,
                            MIN(bytes.size, decoder == DESERIALIZER_LONG ? (size_t)8 : (size_t)4));
    if (deserializer_put(decoder, bytes, out, &note) < 0)
        buf_printf(out, "<%s>", note.text);
}

void dump_put_data(const struct dump *d, const struct record *record, const char *gap,
                   struct buf *out)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    if (d->has_decoder &&
        (d->decoder == WIRE_KIND_METADATA_RECORD || d->decoder == WIRE_KIND_REMOTE_LOG_RECORD)) {
        put_framed(d, record, gap, &arena, out);
    } else if (d->has_decoder) {
        put_coordinator(d, record, gap, &arena, out);
    } else {
        if (!bytes_is_null(record->key)) {
            buf_printf(out, "%skey: ", gap);
            put_text(d->key_decoder, record->key, out);
            gap = " ";
        }
        if (!bytes_is_null(record->value)) {
            buf_printf(out, "%spayload: ", gap);
            put_text(d->value_decoder, record->value, out);
        }
    }
    arena_deinit(&arena);
}
