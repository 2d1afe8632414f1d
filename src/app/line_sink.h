/* Where a process's lines for its operator go: standard output, in the form of Kafka's log4j pattern.
 *
 *   [2026-01-31 12:00:00,123] WARN message (part)
 *
 * A flood of bad requests must not become a full disk: each part may print LINE_SINK_BURST lines at once and
 * LINE_SINK_LINES_PER_S in the long run (some 80 MB a day); what is more is counted, and told as a number. Threads: one. */
#pragma once

#include "base/diag.h"

#define LINE_SINK_BURST       100
#define LINE_SINK_LINES_PER_S 5
#define LINE_SINK_FOR_ERRORS  20 /* of the burst: left for what is worse than a warning */
#define LINE_SINK_PARTS       32

struct line_sink_part {
    const char *part;
    int64_t filled_s; /* when `left` was last added to; monotonic */
    int64_t left;     /* lines that may be printed now */
    uint32_t held;    /* and were not, since the last one that was */
};

struct line_sink {
    struct diag diag;
    struct line_sink_part parts[LINE_SINK_PARTS];
};

void line_sink_init(struct line_sink *sink);
