/* Points in time at which something has to be looked at, soonest first: a binary heap of intrusive entries.
 *
 * Equal deadlines come in the order of their arming, so that a run does not depend on the shape of the heap.
 * Threads: one.
 */
#pragma once

#include "base/vec.h"

/* Lives in its owner; zeroed means not armed. */
struct deadline {
    int64_t at_ms; /* monotonic */
    uint64_t sequence;
    uint32_t slot; /* 1-based; 0: not armed */
    uint8_t kind;  /* the owner's: tells what the deadline lies in */
};

struct deadlines {
    VEC(struct deadline *) heap;
    uint64_t sequence;
};

void deadlines_deinit(struct deadlines *deadlines); /* none may be armed */
void deadline_arm(struct deadlines *deadlines, struct deadline *deadline,
                  int64_t at_ms);                                             /* again: moves it */
void deadline_cancel(struct deadlines *deadlines, struct deadline *deadline); /* not armed: fine */
bool deadline_is_armed(const struct deadline *deadline);

int64_t deadlines_next_ms(const struct deadlines *deadlines); /* INT64_MAX: none */
/* The soonest that is due, disarmed; NULL if none is. */
struct deadline *deadlines_take_due(struct deadlines *deadlines, int64_t now_ms);
