/* What a coordinator tells the operator of its node in one step: a sentence each, with a level.
 *
 * Sentences are told when something is decided, as Kafka does it; what a log that is being loaded says is told to nobody.
 * Of each kind a step tells COORD_LINES_MAX at most, and then how many more there were. What clients choose (ids, names,
 * reasons) is quoted by coord_quoted.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/vec.h"

#include <stdarg.h>

#define COORD_LINES_MAX       10u
#define COORD_QUOTE_BYTES_MAX 100

struct coord_line {
    enum diag_level level;
    const char *text; /* in the arena of the effects */
};

enum coord_line_kind {
    COORD_LINE_MEMBER, /* INFO, of one of many: what becomes of the group is not lost among them */
    COORD_LINE_INFO,
    COORD_LINE_WARN,
    COORD_LINE_ERROR,
};
#define COORD_LINE_KINDS 4

/* All zero: none. */
struct coord_lines {
    VEC(struct coord_line) items;
    uint32_t counts[COORD_LINE_KINDS]; /* of each; those that were left out, too */
};
void coord_lines_clear(struct coord_lines *lines);
void coord_lines_deinit(struct coord_lines *lines);

/* A sentence beyond COORD_LINES_MAX is counted only. */
void coord_lines_add(struct coord_lines *lines, struct arena *arena, enum coord_line_kind kind,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* `what "id": sentence`, the id quoted. */
void coord_lines_about(struct coord_lines *lines, struct arena *arena, enum coord_line_kind kind,
                       const char *what, struct bytes id, const char *format, va_list args)
    PRINTF_LIKE(6, 0);
/* At the end of a step: tells how many were left out. */
void coord_lines_end(struct coord_lines *lines, struct arena *arena);

/* So that what did not come to be after all is not told: a refusal, or an undo. */
struct coord_lines_mark {
    size_t count;
    uint32_t counts[COORD_LINE_KINDS];
};
struct coord_lines_mark coord_lines_mark(const struct coord_lines *lines);
/* Forgets what was told since, but for warnings and errors: these say why. */
void coord_lines_forget(struct coord_lines *lines, struct coord_lines_mark mark);

/* In double quotes, escaped as in JSON, cut with "..." after COORD_QUOTE_BYTES_MAX bytes. Null is as empty. */
const char *coord_quoted(struct arena *arena, struct bytes text);
