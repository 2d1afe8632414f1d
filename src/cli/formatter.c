/* See formatter.h. */
#include "cli/formatter.h"

#include "wire/record_frame.h"

#include <string.h>

#define HEADERS_BYTES_MAX (64u << 20)
#define RECORD_BYTES_MAX  (256u << 20)

#define PACKAGE "org.apache.kafka.tools.consumer."

static const struct known {
    const char *class;
    enum formatter_kind kind;
    enum wire_kind keys;
    int16_t type_min, type_max;
} table[] = {
    { .class = PACKAGE "DefaultMessageFormatter", .kind = FORMATTER_PARTS },
    /* What it logs besides, Kafka's tools do not keep either. */
    { .class = PACKAGE "LoggingMessageFormatter", .kind = FORMATTER_PARTS },
    { .class = PACKAGE "NoOpMessageFormatter", .kind = FORMATTER_NOTHING },
    { PACKAGE "OffsetsMessageFormatter", FORMATTER_COORDINATOR, WIRE_KIND_GROUP_KEY, 0, 1 },
    { PACKAGE "GroupMetadataMessageFormatter", FORMATTER_COORDINATOR, WIRE_KIND_GROUP_KEY, 2, 2 },
    { PACKAGE "ShareGroupMessageFormatter", FORMATTER_COORDINATOR, WIRE_KIND_GROUP_KEY, 10, 15 },
    { PACKAGE "TransactionLogMessageFormatter", FORMATTER_COORDINATOR, WIRE_KIND_TRANSACTION_KEY, 0,
      INT16_MAX },
    { PACKAGE "group.share.ShareGroupStateMessageFormatter", FORMATTER_COORDINATOR,
      WIRE_KIND_SHARE_KEY, 0, INT16_MAX },
};

/* ---- what is asked for ----------------------------------------------------------------------- */

static const char *property(const struct formatter *f, const char *name, const char *otherwise)
{
    const char *value = properties_get(&f->properties, bytes_from_text(name));
    return value == NULL ? otherwise : value;
}

static bool is_on(const struct formatter *f, const char *name, const char *otherwise)
{
    return strcasecmp(property(f, name, otherwise), "true") == 0;
}

static int find_deserializer(const struct formatter *f, const char *name, enum deserializer *out,
                             struct err_note *note)
{
    const char *class = property(f, name, NULL);
    *out = DESERIALIZER_NONE;
    if (class == NULL || deserializer_find(class, out) == 0)
        return 0;
    return err_note(note, -ERR_UNSUPPORTED, "%s: this build has no deserializer %s", name, class);
}

static int find_class(struct formatter *f, const char *class, struct err_note *note)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct known *known = &table[i];
        if (strcmp(class, known->class) != 0)
            continue;
        f->kind = known->kind;
        f->keys = known->keys;
        f->type_min = known->type_min;
        f->type_max = known->type_max;
        return 0;
    }
    return err_note(note, -ERR_UNSUPPORTED, "--formatter: this build has no formatter %s", class);
}

int formatter_init(struct formatter *f, const char *class, struct err_note *note)
{
    int r = find_class(f, class, note);
    if (r == 0)
        r = find_deserializer(f, "key.deserializer", &f->key_deserializer, note);
    if (r == 0)
        r = find_deserializer(f, "value.deserializer", &f->value_deserializer, note);
    if (r == 0)
        r = find_deserializer(f, "headers.deserializer", &f->headers_deserializer, note);
    f->timestamp = is_on(f, "print.timestamp", "false");
    f->partition = is_on(f, "print.partition", "false");
    f->offset = is_on(f, "print.offset", "false");
    f->epoch = is_on(f, "print.epoch", "false");
    f->headers = is_on(f, "print.headers", "false");
    f->key = is_on(f, "print.key", "false");
    f->value = is_on(f, "print.value", "true");
    f->key_separator = property(f, "key.separator", "\t");
    f->line_separator = property(f, "line.separator", "\n");
    f->headers_separator = property(f, "headers.separator", ",");
    f->null_literal = bytes_from_text(property(f, "null.literal", "null"));
    return r;
}

void formatter_deinit(struct formatter *f)
{
    properties_deinit(&f->properties);
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* The literal goes through the deserializer too, as in Kafka. */
static int put_text(const struct formatter *f, enum deserializer deserializer, struct bytes text,
                    struct buf *out, struct err_note *note)
{
    return deserializer_put(deserializer, bytes_is_null(text) ? f->null_literal : text, out, note);
}

static int put_headers(const struct formatter *f, const struct record *record, struct buf *out,
                       struct err_note *note)
{
    struct arena arena;
    struct record_header *headers;
    arena_init(&arena, HEADERS_BYTES_MAX);
    const int count = record_headers(record, &arena, &headers);
    int r = 0;
    if (count <= 0)
        buf_put_text(out, "NO_HEADERS");
    for (int i = 0; i < count && r == 0; i++) {
        buf_put_text(out, i == 0 ? "" : f->headers_separator);
        buf_put_bytes(out, headers[i].key);
        buf_put_text(out, ":");
        r = put_text(f, f->headers_deserializer, headers[i].value, out, note);
    }
    arena_deinit(&arena);
    return r;
}

/* Parts are parted by the key's separator; the line ends with the last of them. */
static void begin(const struct formatter *f, struct buf *out, bool *is_first)
{
    if (!*is_first)
        buf_put_text(out, f->key_separator);
    *is_first = false;
}

static void put_place(const struct formatter *f, const struct consumer_record *r, struct buf *out,
                      bool *is_first)
{
    if (f->timestamp) {
        begin(f, out, is_first);
        if (r->record.timestamp < 0)
            buf_put_text(out, "NO_TIMESTAMP");
        else
            buf_printf(out, "%s:%" PRId64, r->is_append_time ? "LogAppendTime" : "CreateTime",
                       r->record.timestamp);
    }
    if (f->partition) {
        begin(f, out, is_first);
        buf_printf(out, "Partition:%" PRId32, r->partition);
    }
    if (f->offset) {
        begin(f, out, is_first);
        buf_printf(out, "Offset:%" PRId64, r->record.offset);
    }
    if (f->epoch) {
        begin(f, out, is_first);
        buf_printf(out, "Epoch:%" PRId32, r->leader_epoch);
    }
}

static int put_line(const struct formatter *f, const struct consumer_record *r, struct buf *out,
                    struct err_note *note)
{
    bool is_first = true;
    int e = 0;
    put_place(f, r, out, &is_first);
    if (f->headers) {
        begin(f, out, &is_first);
        e = put_headers(f, &r->record, out, note);
    }
    if (e == 0 && f->key) {
        begin(f, out, &is_first);
        e = put_text(f, f->key_deserializer, r->record.key, out, note);
    }
    if (e == 0 && f->value) {
        begin(f, out, &is_first);
        e = put_text(f, f->value_deserializer, r->record.value, out, note);
    }
    if (e == 0)
        buf_put_text(out, f->line_separator);
    return e;
}

/* ---- records of coordinators ----------------------------------------------------------------- */

/* {"key":{"type":1,"data":{…}},"value":{"version":4,"data":{…}}}, without an end of line. */
static int put_coordinator_record(const struct formatter *f, const struct record *record,
                                  struct arena *arena, struct buf *out, struct err_note *note)
{
    struct framed_record key;
    struct framed_record value;
    if (bytes_is_null(record->key))
        return 0;
    int r = coordinator_key_decode(f->keys, record->key, arena, &key, note);
    if (r == -ERR_UNKNOWN_RECORD)
        return 0;
    if (r < 0 || key.message->id < f->type_min || key.message->id > f->type_max)
        return r;
    if (!bytes_is_null(record->value))
        r = coordinator_value_decode(&key, record->value, arena, &value, note);
    if (r < 0)
        return r;
    buf_printf(out, "{\"key\":{\"type\":%d,\"data\":", key.message->id);
    wire_print(key.message, key.version, key.value, out);
    buf_put_text(out, "},\"value\":");
    if (bytes_is_null(record->value)) {
        buf_put_text(out, "null}");
        return 0;
    }
    buf_printf(out, "{\"version\":%d,\"data\":", value.version);
    wire_print(value.message, value.version, value.value, out);
    buf_put_text(out, "}}");
    return 0;
}

int formatter_put(const struct formatter *f, const struct consumer_record *record, struct buf *out,
                  struct err_note *note)
{
    if (f->kind == FORMATTER_NOTHING)
        return 0;
    if (f->kind == FORMATTER_PARTS)
        return put_line(f, record, out, note);
    struct arena arena;
    arena_init(&arena, RECORD_BYTES_MAX);
    const int r = put_coordinator_record(f, &record->record, &arena, out, note);
    arena_deinit(&arena);
    return r;
}
