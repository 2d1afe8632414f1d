/* See pattern.h. Most is RE2's; what re2j reads otherwise is turned into RE2's words before (`translate`). */
#include "pattern/pattern.h"

#include "base/buf.h"
#include "pattern/re2_int.h"

static const struct {
    int code;
    const char *words; /* re2j's, but where it says "internal error" */
} faults[PATTERN__FAULT_COUNT] = {
    [PATTERN__FAULT_INTERNAL] = { -ERR_MALFORMED, "internal error" },
    [PATTERN__FAULT_ESCAPE] = { -ERR_MALFORMED, "invalid escape sequence" },
    [PATTERN__FAULT_CLASS] = { -ERR_MALFORMED, "invalid character class" },
    [PATTERN__FAULT_RANGE] = { -ERR_MALFORMED, "invalid character class range" },
    [PATTERN__FAULT_BRACKET] = { -ERR_MALFORMED, "missing closing ]" },
    [PATTERN__FAULT_PAREN] = { -ERR_MALFORMED, "missing closing )" },
    [PATTERN__FAULT_EXTRA_PAREN] = { -ERR_MALFORMED, "unexpected )" },
    [PATTERN__FAULT_BACKSLASH] = { -ERR_MALFORMED, "trailing backslash at end of expression" },
    [PATTERN__FAULT_REPEAT_ARGUMENT] = { -ERR_MALFORMED,
                                         "missing argument to repetition operator" },
    [PATTERN__FAULT_REPEAT_SIZE] = { -ERR_MALFORMED, "invalid repeat count" },
    [PATTERN__FAULT_REPEAT_OPERATOR] = { -ERR_MALFORMED, "invalid nested repetition operator" },
    [PATTERN__FAULT_PERL] = { -ERR_MALFORMED, "invalid or unsupported Perl syntax" },
    [PATTERN__FAULT_UTF8] = { -ERR_MALFORMED, "invalid UTF-8" },
    [PATTERN__FAULT_NAME] = { -ERR_MALFORMED, "invalid named capture" },
    [PATTERN__FAULT_SAME_NAME] = { -ERR_MALFORMED, "duplicate capture group name" },
};

/* ---- re2j's reading ---------------------------------------------------------------------------------------- */

static bool stands(struct bytes text, size_t at, const char *what)
{
    return bytes_starts_with(bytes_slice(text, at, text.size), bytes_from_text(what));
}

/* Behind [:name:] inside of a class, or `at` itself where there is none. */
static size_t behind_class_name(struct bytes text, size_t at)
{
    if (!stands(text, at, "[:"))
        return at;
    size_t end = at + 2;
    while (end < text.size && text.data[end] != ':' && text.data[end] != ']')
        end++;
    return stands(text, end, ":]") ? end + 2 : at;
}

/* A class from its bracket to the one that closes it: not one at its begin, an escaped one, or one of a [:name:]. */
static size_t behind_class(struct bytes text, size_t at)
{
    at += stands(text, at, "[^") ? 2 : 1;
    if (stands(text, at, "]"))
        at++;
    while (at < text.size && text.data[at] != ']') {
        const size_t name_end = behind_class_name(text, at);
        if (name_end != at)
            at = name_end;
        else
            at += text.data[at] == '\\' ? 2 : 1;
    }
    return at + 1;
}

static size_t behind_quote(struct bytes text, size_t at)
{
    while (at < text.size && !stands(text, at, "\\E"))
        at++;
    return at + 2;
}

/* Position behind what begins here and means the same to both libraries. */
static size_t behind_element(struct bytes text, size_t at)
{
    if (stands(text, at, "\\Q"))
        return behind_quote(text, at + 2);
    if (text.data[at] == '\\')
        return at + 2;
    return text.data[at] == '[' ? behind_class(text, at) : at + 1;
}

/* Writes RE2's words for what re2j takes the text for: (?<name>…) is a named group as (?P<name>…) is, and there is no \C (one
 * byte of a character). */
static enum pattern__fault translate(struct bytes text, struct buf *out)
{
    for (size_t at = 0; at < text.size;) {
        if (stands(text, at, "\\C"))
            return PATTERN__FAULT_ESCAPE;
        if (stands(text, at, "(?<")) {
            buf_put_bytes(out, BYTES_LITERAL("(?P<"));
            at += 3;
            continue;
        }
        const struct bytes element = bytes_slice(text, at, behind_element(text, at) - at);
        buf_put_bytes(out, element);
        at += element.size;
    }
    return PATTERN__FAULT_NONE;
}

/* ---- patterns ---------------------------------------------------------------------------------------------- */

int pattern_compile(struct bytes text, struct pattern **out, struct err_note *note)
{
    ASSERT(!bytes_is_null(text));
    if (text.size > PATTERN_TEXT_MAX)
        return err_note(note, -ERR_LIMIT, "%zu bytes are more than the %d that a pattern may have",
                        text.size, PATTERN_TEXT_MAX);
    struct buf words;
    buf_init(&words, 2 * PATTERN_TEXT_MAX);
    enum pattern__fault fault = translate(text, &words);
    if (fault == PATTERN__FAULT_NONE)
        fault = pattern__re2_new((const char *)words.data, words.size, PATTERN_MEMORY_MAX, out);
    buf_deinit(&words);
    if (fault == PATTERN__FAULT_NONE)
        return 0;
    if (fault == PATTERN__FAULT_MEMORY)
        return err_note(note, -ERR_LIMIT, "it needs more than the %d bytes that a pattern may hold",
                        PATTERN_MEMORY_MAX);
    return err_note(note, faults[fault].code, "%s", faults[fault].words);
}

bool pattern_matches(const struct pattern *pattern, struct bytes text)
{
    return pattern__re2_matches(pattern, (const char *)text.data, text.size);
}

uint64_t pattern_work(const struct pattern *pattern, size_t text_bytes)
{
    return (uint64_t)pattern__re2_program_size(pattern) * (text_bytes + 1);
}

void pattern_free(struct pattern *pattern)
{
    pattern__re2_free(pattern);
}
