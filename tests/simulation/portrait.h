/* A portrait of the broker at rest, as lines of text: what it answers about its topics, settings, logs, producers and groups.
 * A restarted node is the node it was: portraits of before and after must be equal, as far as what happened in between allows.
 * painter.h makes them.
 */
#pragma once

#include "base/base.h"

struct portrait;

enum portrait_part {
    PORTRAIT_METADATA = 1, /* topics, ids, settings: always flushed before they are acknowledged */
    PORTRAIT_SYNCED = 2,   /* logs that are flushed before an answer, and their producers */
    PORTRAIT_LOGS = 4,     /* the other logs, and their producers */
    PORTRAIT_GROUPS = 8,   /* members and offsets */
    PORTRAIT_ALL = 15,
};

struct portrait *portrait_new(void);
void portrait_free(struct portrait *portrait); /* NULL is fine */
/* One line, that names its thing. */
void portrait_add(struct portrait *portrait, enum portrait_part part, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* All lines are there: they are brought into an order that does not depend on that of the answers. */
void portrait_sort(struct portrait *portrait);

/* Both are sorted. Differences in these parts are broken promises; `what` happened in between. */
void portrait_compare(const struct portrait *before, const struct portrait *after, unsigned parts,
                      const char *what);
