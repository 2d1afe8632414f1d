/* Values like lines of a log: words that come again and again, and fields that differ. zstd makes them about five times
 * smaller. Used by every load, so that codecs have the same work everywhere. */
#pragma once

#include "base/rng.h"

/* In the pattern, x is a hexadecimal digit and d a decimal one, drawn anew each time; A to Z stand for themselves. */
static inline void bench_fill_value(struct rng *rng, uint8_t *out, size_t size)
{
    static const char pattern[] = "TIME=1767225dddddd LEVEL=INFO USER=xxxxxxxx GET /ITEMS/dddddd "
                                  "STATUS=200 BYTES=dddd SESSION=xxxxxxxxxxxx ";
    for (size_t i = 0; i < size; i++) {
        const char c = pattern[i % (sizeof(pattern) - 1)];
        if (c == 'x')
            out[i] = (uint8_t) "0123456789abcdef"[rng_below(rng, 16)];
        else if (c == 'd')
            out[i] = (uint8_t)('0' + rng_below(rng, 10));
        else
            out[i] = (uint8_t)c;
    }
}
