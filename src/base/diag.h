/* The lines a node prints for its operator. Rooms that decide never print: they return, and the
 * shell around them (server, node, cli) prints once.
 *
 * A line: `[2026-01-31 12:00:00,123] WARN message (part)`. The sink (`line`) adds time, so that the simulator
 * prints virtual time, and keeps the rate: nothing here has state. Control characters become '?', and
 * text beyond DIAG_TEXT_SIZE is cut.
 */
#pragma once

#include "base/base.h"

enum diag_level { DIAG_DEBUG, DIAG_INFO, DIAG_WARN, DIAG_ERROR };

#define DIAG_TEXT_SIZE 2048

struct diag {
    /* text: terminated, one line, borrowed for the call. May be called from any thread that holds the diag. */
    void (*line)(void *context, enum diag_level level, const char *part, const char *text);
    void *context;
    enum diag_level level_min;
};

/* part: a static word such as "log" or "listener PLAINTEXT". NULL diag: nothing is printed. */
void diag_print(const struct diag *diag, enum diag_level level, const char *part,
                const char *format, ...) PRINTF_LIKE(4, 5);

#define DIAG_INFO(diag, part, ...)  diag_print((diag), DIAG_INFO, (part), __VA_ARGS__)
#define DIAG_WARN(diag, part, ...)  diag_print((diag), DIAG_WARN, (part), __VA_ARGS__)
#define DIAG_ERROR(diag, part, ...) diag_print((diag), DIAG_ERROR, (part), __VA_ARGS__)

const char *diag_level_name(enum diag_level level); /* "WARN"; static */
