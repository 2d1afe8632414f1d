/* See portrait.h. */
#include "portrait.h"

#include "base/mem.h"
#include "base/vec.h"
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 300

struct line {
    enum portrait_part part;
    char *text; /* owned */
};

struct portrait {
    VEC(struct line) lines;
};

struct portrait *portrait_new(void)
{
    return MEM_NEW(struct portrait);
}

void portrait_free(struct portrait *portrait)
{
    if (portrait == NULL)
        return;
    for (size_t i = 0; i < portrait->lines.count; i++)
        mem_free(portrait->lines.items[i].text);
    VEC_DEINIT(&portrait->lines);
    mem_free(portrait);
}

void portrait_add(struct portrait *portrait, enum portrait_part part, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    VEC_ADD(&portrait->lines, ((struct line){ .part = part, .text = mem_strdup(text) }));
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

void portrait_sort(struct portrait *portrait)
{
    qsort(portrait->lines.items, portrait->lines.count, sizeof(struct line), compare_lines);
}

static const char *next_line(const struct portrait *portrait, unsigned parts, size_t *index)
{
    while (*index < portrait->lines.count) {
        const struct line *line = &portrait->lines.items[(*index)++];
        if ((line->part & parts) != 0)
            return line->text;
    }
    return "";
}

void portrait_compare(const struct portrait *before, const struct portrait *after, unsigned parts,
                      const char *what)
{
    size_t i = 0;
    size_t k = 0;
    for (;;) {
        const char *was = next_line(before, parts, &i);
        const char *is = next_line(after, parts, &k);
        if (strcmp(was, is) != 0)
            model_fail("after %s the broker is not what it was: '%s' before, '%s' now", what, was,
                       is);
        if (was[0] == '\0')
            return;
    }
}
