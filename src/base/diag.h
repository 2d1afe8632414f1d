/* The lines a node prints for its operator. Rooms that decide never print: they return, and the
 * shell around them (server, node, cli) prints once.
 *
 * A line: `[2026-01-31 12:00:00,123] WARN message (part)`. Time comes from the sink, so that the
 * simulator prints virtual time. Repeated lines of one `part` beyond a rate are counted, not printed.
 */
#pragma once

#include "base/base.h"

enum diag_level { DIAG_DEBUG, DIAG_INFO, DIAG_WARN, DIAG_ERROR };

struct diag {
    void (*line)(void *context, enum diag_level level, const char *part, const char *text);
    void *context;
    enum diag_level level_min;
};

/* part: a static word such as "log" or "listener PLAINTEXT". NULL diag: nothing is printed. */
void diag_print(const struct diag *diag, enum diag_level level, const char *part, const char *format, ...)
    PRINTF_LIKE(4, 5);

#define DIAG_INFO(diag, part, ...)  diag_print((diag), DIAG_INFO, (part), __VA_ARGS__)
#define DIAG_WARN(diag, part, ...)  diag_print((diag), DIAG_WARN, (part), __VA_ARGS__)
#define DIAG_ERROR(diag, part, ...) diag_print((diag), DIAG_ERROR, (part), __VA_ARGS__)
