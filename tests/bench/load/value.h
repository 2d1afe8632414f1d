/* Values like lines of a log: words, and digits that differ. They shrink to about a third. Used by every load, so
 * that codecs have the same work everywhere. */
#pragma once

#include "base/rng.h"

static inline void bench_fill_value(struct rng *rng, uint8_t *out, size_t size)
{
    static const char line[] =
        "2026-01-31 12:00:00,123 INFO request served from 10.0.0.1 in 0 ms status=200 path=/index ";
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)line[i % (sizeof(line) - 1)];
    for (size_t i = 0; i < size; i += 6)
        out[i] = (uint8_t)('0' + rng_below(rng, 10));
}
