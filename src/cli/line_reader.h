/* A record out of a line of text, as Kafka's LineMessageReader makes it: [headers delimiter] [key separator] value.
 *
 * Properties: parse.key, parse.headers, ignore.error (true or false); key.separator and headers.delimiter (a tab),
 * headers.separator (,), headers.key.separator (:), null.marker (none).
 */
#pragma once

#include "base/vec.h"
#include "client/producer.h"
#include "config/properties.h"

struct line_format {
    bool has_key;
    bool has_headers;
    bool ignores_errors;
    const char *key_separator;
    const char *headers_delimiter;
    const char *headers_separator;
    const char *headers_key_separator;
    const char *null_marker; /* NULL: none */
};

struct line_reader {
    struct properties properties; /* the format's texts are in it */
    struct line_format format;
    uint64_t line_number; /* of the last line */
    VEC(struct record_header) headers;
};

/* Takes the properties over and leaves none. -ERR_INVALID_ARGUMENT: two separators are the same; to be released all the same. */
MUST_CHECK int line_reader_init(struct line_reader *reader, struct properties *properties,
                                struct err_note *note);
void line_reader_deinit(struct line_reader *reader); /* a zeroed one is fine */

/* The next line, without its line feed; a carriage return at its end goes too. Sets key, value and headers, which are borrowed from the
 * line, and the headers' array from the reader until the next line. -ERR_MALFORMED: a separator is not there (unless
 * ignore.error) or a header's key is null; -ERR_LIMIT: too many headers. */
MUST_CHECK int line_reader_parse(struct line_reader *reader, struct bytes line,
                                 struct producer_record *out, struct err_note *note);
