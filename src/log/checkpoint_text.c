/* Version, count and lines of a checkpoint file: see checkpoint_text.h. */
#include "log/checkpoint_text.h"

#include <string.h>

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes one line off the text, its end of line not included; false at the end. */
static bool next_line(struct checkpoint_text *text, struct bytes *out)
{
    if (text->rest.size == 0)
        return false;
    const uint8_t *newline = memchr(text->rest.data, '\n', text->rest.size);
    const size_t size = newline == NULL ? text->rest.size : (size_t)(newline - text->rest.data);
    *out = bytes_slice(text->rest, 0, size);
    text->rest = bytes_slice(text->rest, size + 1, text->rest.size);
    text->line++;
    if (out->size > 0 && out->data[out->size - 1] == '\r')
        out->size--;
    return true;
}

static int malformed(const struct checkpoint_text *text, struct bytes what, struct err_note *note)
{
    return err_note(note, -ERR_MALFORMED, "%s, line %" PRIu32 ": '%.*s' is malformed", text->path,
                    text->line, BYTES_PRINTF(bytes_slice(what, 0, 80)));
}

int checkpoint_text_number(const struct checkpoint_text *text, struct bytes field, int64_t max,
                           int64_t *out, struct err_note *note)
{
    int64_t value;
    if (bytes_to_i64(field, &value) < 0 || value < 0 || value > max)
        return malformed(text, field, note);
    *out = value;
    return 0;
}

int checkpoint_text_begin(struct checkpoint_text *text, const char *path, struct bytes content,
                          int64_t version, struct err_note *note)
{
    *text = (struct checkpoint_text){ .path = path, .rest = content };
    struct bytes line;
    /* A number that a crash cut short would be another number. */
    if (content.size > 0 && content.data[content.size - 1] != '\n')
        return err_note(note, -ERR_MALFORMED, "%s ends in the middle of a line", path);
    if (!next_line(text, &line))
        return 0;
    int64_t found;
    int r = checkpoint_text_number(text, line, INT32_MAX, &found, note);
    if (r < 0)
        return r;
    if (found != version) {
        return err_note(note, -ERR_VERSION,
                        "%s has version %" PRId64 "; this build knows version %" PRId64, path,
                        found, version);
    }
    if (!next_line(text, &line))
        return 0;
    return checkpoint_text_number(text, line, INT32_MAX, &text->count, note);
}

int checkpoint_text_next(struct checkpoint_text *text, struct bytes *fields, uint32_t field_count,
                         struct err_note *note)
{
    struct bytes line;
    if (!next_line(text, &line)) {
        if (text->seen == text->count)
            return 0;
        return err_note(note, -ERR_MALFORMED, "%s announces %" PRId64 " entries and holds %" PRId64,
                        text->path, text->count, text->seen);
    }
    uint32_t found = 0;
    size_t at = 0;
    while (at < line.size) {
        size_t end = at;
        while (end < line.size && !is_space(line.data[end]))
            end++;
        if (found == field_count)
            return malformed(text, line, note);
        fields[found++] = bytes_slice(line, at, end - at);
        at = end;
        while (at < line.size && is_space(line.data[at]))
            at++;
    }
    if (found != field_count || fields[0].size == 0)
        return malformed(text, line, note);
    text->seen++;
    return 1;
}
