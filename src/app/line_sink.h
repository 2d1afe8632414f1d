/* Where a process's lines for its operator go: standard output, in the form of Kafka's log4j pattern.
 *
 *   [2026-01-31 12:00:00,123] WARN message (part)
 *
 * A part that repeats itself faster than LINE_SINK_BURST lines a second is counted instead of printed. Threads: one. */
#pragma once

#include "base/diag.h"

#define LINE_SINK_BURST 20
#define LINE_SINK_PARTS 32

struct line_sink_part {
    const char *part;
    int64_t second;
    uint32_t printed;
    uint32_t held;
};

struct line_sink {
    struct diag diag;
    struct line_sink_part parts[LINE_SINK_PARTS];
};

void line_sink_init(struct line_sink *sink);
