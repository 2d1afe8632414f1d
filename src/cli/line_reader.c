/* See line_reader.h. */
#include "cli/line_reader.h"

#include <string.h>

#define HEADER_COUNT_MAX 1000

/* ---- the format ------------------------------------------------------------------------------ */

static const char *property(const struct line_reader *r, const char *name, const char *otherwise)
{
    const char *value = properties_get(&r->properties, bytes_from_text(name));
    return value == NULL ? otherwise : value;
}

/* As Kafka: white space around the word does not count, nor does its case. */
static bool is_true(const char *text)
{
    static const char word[] = "true";
    const struct bytes trimmed = bytes_trim(bytes_from_text(text));
    return trimmed.size == sizeof(word) - 1 &&
           strncasecmp((const char *)trimmed.data, word, trimmed.size) == 0;
}

/* Kafka's words, which are the names of the properties. */
static int check_separators(const struct line_format *f, struct err_note *note)
{
    const struct {
        const char *name;
        const char *value;
    } all[] = { { "headers.delimiter", f->headers_delimiter },
                { "headers.separator", f->headers_separator },
                { "headers.key.separator", f->headers_key_separator },
                { "key.separator", f->key_separator } };
    const size_t headers_count =
        ARRAY_LEN(all) - 1; /* a key may be parted from its value as headers are */
    for (size_t i = 0; i < headers_count; i++) {
        for (size_t k = i + 1; k < headers_count; k++) {
            if (strcmp(all[i].value, all[k].value) == 0)
                return err_note(note, -ERR_INVALID_ARGUMENT, "%s and %s may not be equal",
                                all[i].name, all[k].name);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(all) && f->null_marker != NULL; i++) {
        if (strcmp(all[i].value, f->null_marker) == 0)
            return err_note(note, -ERR_INVALID_ARGUMENT, "null.marker and %s may not be equal",
                            all[i].name);
    }
    return 0;
}

int line_reader_init(struct line_reader *r, struct properties *properties, struct err_note *note)
{
    *r = (struct line_reader){ .properties = *properties };
    properties_init(properties);
    r->format = (struct line_format){
        .has_key = is_true(property(r, "parse.key", "false")),
        .has_headers = is_true(property(r, "parse.headers", "false")),
        .ignores_errors = is_true(property(r, "ignore.error", "false")),
        .key_separator = property(r, "key.separator", "\t"),
        .headers_delimiter = property(r, "headers.delimiter", "\t"),
        .headers_separator = property(r, "headers.separator", ","),
        .headers_key_separator = property(r, "headers.key.separator", ":"),
        .null_marker = property(r, "null.marker", NULL),
    };
    return check_separators(&r->format, note);
}

void line_reader_deinit(struct line_reader *r)
{
    properties_deinit(&r->properties);
    VEC_DEINIT(&r->headers);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static struct bytes or_null(const struct line_format *f, struct bytes text)
{
    return f->null_marker != NULL && bytes_equal_text(text, f->null_marker) ? BYTES_NULL : text;
}

/* Splits `*rest` at the first `separator`: what was before it, and the rest after. */
static bool split(struct bytes *rest, const char *separator, struct bytes *out)
{
    const size_t size = strlen(separator);
    const uint8_t *at = memmem(rest->data, rest->size, separator, size);
    if (at == NULL)
        return false; /* an empty separator stands at the beginning */
    const size_t before = (size_t)(at - rest->data);
    *out = bytes_from(rest->data, before);
    *rest = bytes_from(at + size, rest->size - before - size);
    return true;
}

static int parse_headers(struct line_reader *r, struct bytes text, struct err_note *note)
{
    r->headers.count = 0;
    bool has_more = true;
    if (bytes_is_null(or_null(&r->format, text)))
        return 0;
    while (has_more) {
        struct bytes pair;
        struct bytes key;
        has_more = split(&text, r->format.headers_separator, &pair);
        if (!has_more)
            pair = text;
        struct bytes value = pair;
        if (!split(&value, r->format.headers_key_separator, &key)) {
            if (!r->format.ignores_errors)
                return err_note(note, -ERR_MALFORMED,
                                "No header key separator found in pair '%.*s' on line number "
                                "%" PRIu64,
                                BYTES_PRINTF(pair), r->line_number);
            key = pair;
            value = BYTES_NULL;
        }
        if (bytes_is_null(or_null(&r->format, key)))
            return err_note(note, -ERR_MALFORMED,
                            "Header keys should not be equal to the null marker '%s' as they can't "
                            "be null",
                            r->format.null_marker);
        if (r->headers.count == HEADER_COUNT_MAX)
            return err_note(note, -ERR_LIMIT, "More than %d headers on line number %" PRIu64,
                            HEADER_COUNT_MAX, r->line_number);
        VEC_ADD(&r->headers,
                ((struct record_header){ .key = key, .value = or_null(&r->format, value) }));
    }
    return 0;
}

int line_reader_parse(struct line_reader *r, struct bytes line, struct producer_record *out,
                      struct err_note *note)
{
    const struct line_format *f = &r->format;
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    struct bytes rest = line;
    struct bytes part;
    int e = 0;
    r->line_number++;
    r->headers.count = 0;
    out->key = BYTES_NULL;
    if (f->has_headers) {
        if (split(&rest, f->headers_delimiter, &part))
            e = parse_headers(r, part, note);
        else if (!f->ignores_errors)
            e = err_note(note, -ERR_MALFORMED,
                         "No headers delimiter found on line number %" PRIu64 ": '%.*s'",
                         r->line_number, BYTES_PRINTF(line));
    }
    if (e == 0 && f->has_key) {
        if (split(&rest, f->key_separator, &part))
            out->key = or_null(f, part);
        else if (!f->ignores_errors)
            e = err_note(note, -ERR_MALFORMED,
                         "No key separator found on line number %" PRIu64 ": '%.*s'",
                         r->line_number, BYTES_PRINTF(line));
    }
    out->value = or_null(f, rest);
    out->headers = r->headers.items;
    out->header_count = (int32_t)r->headers.count;
    return e;
}
