/* See lines.h. */
#include "coord/lines.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX 2000

void coord_lines_clear(struct coord_lines *lines)
{
    lines->items.count = 0;
    for (size_t i = 0; i < ARRAY_LEN(lines->counts); i++)
        lines->counts[i] = 0;
}

void coord_lines_deinit(struct coord_lines *lines)
{
    VEC_DEINIT(&lines->items);
}

static void add(struct coord_lines *lines, enum coord_line_kind kind, const char *text)
{
    static const enum diag_level levels[COORD_LINE_KINDS] = { DIAG_INFO, DIAG_INFO, DIAG_WARN,
                                                              DIAG_ERROR };
    VEC_ADD(&lines->items, ((struct coord_line){ .level = levels[kind], .text = text }));
}

void coord_lines_add(struct coord_lines *lines, struct arena *arena, enum coord_line_kind kind,
                     const char *format, ...)
{
    if (lines->counts[kind]++ >= COORD_LINES_MAX)
        return;
    char text[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* truncation is fine in a message */
    va_end(args);
    add(lines, kind, arena_printf(arena, "%s", text));
}

void coord_lines_about(struct coord_lines *lines, struct arena *arena, enum coord_line_kind kind,
                       const char *what, struct bytes id, const char *format, va_list args)
{
    char words[LINE_BYTES_MAX];
    (void)vsnprintf(words, sizeof(words), format, args); /* truncation is fine in a message */
    coord_lines_add(lines, arena, kind, "%s %s: %s", what, coord_quoted(arena, id), words);
}

void coord_lines_end(struct coord_lines *lines, struct arena *arena)
{
    for (size_t i = 0; i < ARRAY_LEN(lines->counts); i++) {
        if (lines->counts[i] <= COORD_LINES_MAX)
            continue;
        add(lines, (enum coord_line_kind)i,
            arena_printf(arena, "and %" PRIu32 " more that happened at once",
                         lines->counts[i] - COORD_LINES_MAX));
    }
}

struct coord_lines_mark coord_lines_mark(const struct coord_lines *lines)
{
    struct coord_lines_mark mark = { .count = lines->items.count };
    memcpy(mark.counts, lines->counts, sizeof(mark.counts));
    return mark;
}

void coord_lines_forget(struct coord_lines *lines, struct coord_lines_mark mark)
{
    size_t kept = mark.count;
    for (size_t i = mark.count; i < lines->items.count; i++) {
        if (lines->items.items[i].level > DIAG_INFO)
            lines->items.items[kept++] = lines->items.items[i];
    }
    lines->items.count = kept;
    lines->counts[COORD_LINE_INFO] = mark.counts[COORD_LINE_INFO];
    lines->counts[COORD_LINE_MEMBER] = mark.counts[COORD_LINE_MEMBER];
}

const char *coord_quoted(struct arena *arena, struct bytes text)
{
    const bool is_cut = text.size > COORD_QUOTE_BYTES_MAX;
    struct buf quoted;
    buf_init(&quoted, (size_t)COORD_QUOTE_BYTES_MAX * 6 + 2);
    buf_put_json_string(&quoted, bytes_is_null(text)
                                     ? BYTES_LITERAL("")
                                     : bytes_utf8_prefix(text, COORD_QUOTE_BYTES_MAX));
    const int shown = (int)quoted.size - (is_cut ? 1 : 0);
    const char *out =
        arena_printf(arena, "%.*s%s", shown, (const char *)quoted.data, is_cut ? "...\"" : "");
    buf_deinit(&quoted);
    return out;
}
