/* Java's .properties text, read as one pass over bytes. See properties.h. */
#include "config/properties.h"

#include "base/buf.h"

#include <string.h>

void properties_init(struct properties *properties)
{
    *properties = (struct properties){ 0 };
    map_init(&properties->index_of, 0); /* an operator's own file: nobody to defend against */
}

void properties_deinit(struct properties *properties)
{
    for (size_t i = 0; i < properties->list.count; i++) {
        mem_free(properties->list.items[i].name);
        mem_free(properties->list.items[i].value);
    }
    VEC_DEINIT(&properties->list);
    map_deinit(&properties->index_of);
}

static struct property *find(const struct properties *properties, struct bytes name)
{
    const uintptr_t position = (uintptr_t)map_get(&properties->index_of, name);
    return position == 0 ? NULL : &properties->list.items[position - 1];
}

const char *properties_get(const struct properties *properties, struct bytes name)
{
    const struct property *property = find(properties, name);
    return property == NULL ? NULL : property->value;
}

void properties_put(struct properties *properties, struct bytes name, struct bytes value,
                    uint32_t line)
{
    struct property *property = find(properties, name);
    if (property == NULL) {
        property = VEC_PUSH(&properties->list);
        property->name = mem_strndup((const char *)name.data, name.size);
        (void)map_put(&properties->index_of, name, (void *)(uintptr_t)properties->list.count);
    }
    mem_free(property->value);
    property->value = mem_strndup((const char *)value.data, value.size);
    property->line = line;
}

/* The text as a row of logical characters: continuation lines are joined, escapes are told apart. */
struct reader {
    struct bytes text;
    size_t at;
    uint32_t line;      /* of the byte at `at`, 1-based */
    uint16_t high_half; /* first half of a surrogate pair, waiting for the second */
    struct err_note *note;
};

static bool is_end(const struct reader *reader)
{
    return reader->at == reader->text.size;
}

static uint8_t peek(const struct reader *reader)
{
    return reader->text.data[reader->at];
}

static bool is_newline(uint8_t c)
{
    return c == '\n' || c == '\r';
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

/* Past one line end: \n, \r or \r\n. */
static void skip_newline(struct reader *reader)
{
    const bool is_cr = peek(reader) == '\r';
    reader->at++;
    if (is_cr && !is_end(reader) && peek(reader) == '\n')
        reader->at++;
    reader->line++;
}

static void skip_blanks(struct reader *reader)
{
    while (!is_end(reader) && is_blank(peek(reader)))
        reader->at++;
}

static void skip_line(struct reader *reader)
{
    while (!is_end(reader) && !is_newline(peek(reader)))
        reader->at++;
}

/* Whether a backslash at `at` joins this line with the next (or with the end of the text). Moves past it if so. */
static bool skip_continuation(struct reader *reader)
{
    const size_t next = reader->at + 1;
    if (peek(reader) != '\\' || (next < reader->text.size && !is_newline(reader->text.data[next])))
        return false;
    reader->at = next;
    if (!is_end(reader)) {
        skip_newline(reader);
        skip_blanks(reader);
    }
    return true;
}

/* To the first character of the next logical line that says something. False at the end. A line that is only joined to the
 * next says nothing yet; one that would be joined to what follows the end of the text is an empty name (JDK 17). */
static bool find_line(struct reader *reader)
{
    for (;;) {
        skip_blanks(reader);
        if (is_end(reader))
            return false;
        const size_t left = reader->text.size - reader->at;
        const bool is_last =
            left == 1 || (left == 2 && is_newline(reader->text.data[reader->at + 1]));
        if (peek(reader) == '#' || peek(reader) == '!')
            skip_line(reader);
        else if (is_newline(peek(reader)))
            skip_newline(reader);
        else if (is_last || !skip_continuation(reader))
            return true;
    }
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_put_u8(out, (uint8_t)c);
        return;
    }
    if (c < 0x800) {
        buf_put_u8(out, (uint8_t)(0xC0 | (c >> 6)));
    } else {
        if (c < 0x10000) {
            buf_put_u8(out, (uint8_t)(0xE0 | (c >> 12)));
        } else {
            buf_put_u8(out, (uint8_t)(0xF0 | (c >> 18)));
            buf_put_u8(out, (uint8_t)(0x80 | ((c >> 12) & 0x3F)));
        }
        buf_put_u8(out, (uint8_t)(0x80 | ((c >> 6) & 0x3F)));
    }
    buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3F)));
}

/* Half a surrogate pair without its other half has no UTF-8; it becomes '?', as Java writes it. */
static void flush_half(struct reader *reader, struct buf *out)
{
    if (reader->high_half != 0)
        buf_put_u8(out, '?');
    reader->high_half = 0;
}

static void put_unit(struct reader *reader, struct buf *out, uint16_t unit)
{
    if (unit >= 0xDC00 && unit <= 0xDFFF && reader->high_half != 0) {
        put_utf8(out, 0x10000 + ((uint32_t)(reader->high_half - 0xD800) << 10) +
                          (uint32_t)(unit - 0xDC00));
        reader->high_half = 0;
        return;
    }
    flush_half(reader, out);
    if (unit >= 0xD800 && unit <= 0xDBFF)
        reader->high_half = unit;
    else if (unit >= 0xDC00 && unit <= 0xDFFF)
        buf_put_u8(out, '?');
    else
        put_utf8(out, unit);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits after \u. */
MUST_CHECK static int take_unicode(struct reader *reader, uint16_t *out)
{
    uint16_t unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        while (!is_end(reader) && skip_continuation(reader))
            continue; /* lines are joined first */
        const int digit = is_end(reader) ? -1 : hex_digit(peek(reader));
        if (digit < 0)
            return err_note(reader->note, -ERR_MALFORMED,
                            "line %" PRIu32 ": \\u needs four hexadecimal digits", reader->line);
        unit = (uint16_t)(unit << 4 | digit);
    }
    *out = unit;
    return 0;
}

/* One character, perhaps escaped, appended to `out` as UTF-8. */
MUST_CHECK static int take_char(struct reader *reader, struct buf *out)
{
    uint16_t unit = peek(reader);
    reader->at++;
    if (unit == '\\') {
        unit = peek(reader); /* no line end and not the end: skip_continuation has looked */
        reader->at++;
        int r = 0;
        switch (unit) {
        case 't':
            unit = '\t';
            break;
        case 'n':
            unit = '\n';
            break;
        case 'r':
            unit = '\r';
            break;
        case 'f':
            unit = '\f';
            break;
        case 'u':
            r = take_unicode(reader, &unit);
            break;
        default:
            break;
        }
        if (r < 0)
            return r;
    }
    if (unit == 0)
        return err_note(reader->note, -ERR_MALFORMED, "line %" PRIu32 ": a NUL character",
                        reader->line);
    put_unit(reader, out, unit);
    return 0;
}

/* A name up to its separator, or a value up to the line's end. */
MUST_CHECK static int take_text(struct reader *reader, bool is_name, struct buf *out)
{
    while (!is_end(reader) && !is_newline(peek(reader))) {
        if (skip_continuation(reader))
            continue;
        const uint8_t c = peek(reader);
        if (is_name && (c == '=' || c == ':' || is_blank(c)))
            break;
        const int r = take_char(reader, out);
        if (r < 0)
            return r;
    }
    flush_half(reader, out);
    return 0;
}

/* Blanks (also over continuations) with at most one '=' or ':' among them. */
static void skip_separator(struct reader *reader)
{
    bool has_sign = false;
    while (!is_end(reader)) {
        const uint8_t c = peek(reader);
        if (is_blank(c)) {
            reader->at++;
        } else if (!has_sign && (c == '=' || c == ':')) {
            has_sign = true;
            reader->at++;
        } else if (!skip_continuation(reader)) {
            return;
        }
    }
}

int properties_parse(struct properties *properties, struct bytes text, struct err_note *note)
{
    if (text.size > PROPERTIES_TEXT_SIZE_MAX)
        return err_note(note, -ERR_LIMIT, "%zu bytes of properties, the limit is %d", text.size,
                        PROPERTIES_TEXT_SIZE_MAX);
    struct reader reader = { .text = text, .line = 1, .note = note };
    struct buf name;
    struct buf value;
    /* A Latin-1 byte becomes two at most; an escape is shorter than what it stands for. */
    buf_init(&name, 2 * (size_t)PROPERTIES_TEXT_SIZE_MAX);
    buf_init(&value, 2 * (size_t)PROPERTIES_TEXT_SIZE_MAX);
    int r = 0;
    while (r == 0 && find_line(&reader)) {
        const uint32_t line = reader.line;
        buf_clear(&name);
        buf_clear(&value);
        r = take_text(&reader, true, &name);
        if (r == 0) {
            skip_separator(&reader);
            r = take_text(&reader, false, &value);
        }
        if (r == 0) {
            ASSERT(buf_is_ok(&name) && buf_is_ok(&value));
            properties_put(properties, buf_view(&name), buf_view(&value), line);
        }
    }
    buf_deinit(&name);
    buf_deinit(&value);
    return r;
}
