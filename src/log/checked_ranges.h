/* Which bytes of a segment were checked: a few disjoint ranges of whole batches. All in them is good but for the damaged batches that
 * are known (damages.h).
 *
 * What is not in it is merely not known. So it may forget what it likes: where a new range finds no place, the smallest goes.
 * Costs nothing until the first range is added. Inside this folder only. Threads: the log's.
 */
#pragma once

#include "base/base.h"

#define CHECKED_RANGES_MAX 8u

struct checked_range {
    uint32_t begin; /* of a batch */
    uint32_t end;   /* of one */
    int64_t
        next_offset; /* the first that a batch at the end may have: behind the last one within; -1: not known */
};

/* Zeroed: empty. */
struct checked_ranges {
    uint32_t count;
    struct checked_range
        *items; /* owned: CHECKED_RANGES_MAX of them, by position; NULL: none yet */
};
void checked_ranges_deinit(struct checked_ranges *ranges);

/* Ranges that it touches or overlaps become one with it. */
void checked_ranges_add(struct checked_ranges *ranges, struct checked_range range);
/* Forgets [begin, end), and of each range that it meets what lies behind it too, since only `begin` is a batch's. */
void checked_ranges_forget(struct checked_ranges *ranges, uint32_t begin, uint32_t end);
/* Ranges that have bytes of [begin, end) go as a whole. */
void checked_ranges_drop(struct checked_ranges *ranges, uint32_t begin, uint32_t end);
/* The range that holds the byte at `position`; NULL: none does. Valid until the next change. */
const struct checked_range *checked_ranges_find(const struct checked_ranges *ranges,
                                                uint32_t position);
/* The first that begins behind it. */
const struct checked_range *checked_ranges_next(const struct checked_ranges *ranges,
                                                uint32_t position);
/* The range that ends there. */
const struct checked_range *checked_ranges_before(const struct checked_ranges *ranges,
                                                  uint32_t position);
