/* xoshiro256** of Blackman and Vigna (prng.di.unimi.it), its state filled by splitmix64 as its authors
 * advise. */
#include "base/rng.h"

#include <string.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct rng rng_from_seed(uint64_t seed)
{
    struct rng rng;
    for (size_t i = 0; i < ARRAY_LEN(rng.state); i++)
        rng.state[i] = splitmix64(&seed);
    return rng;
}

static uint64_t rotate_left(uint64_t x, unsigned count)
{
    return (x << count) | (x >> (64 - count));
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t *s = rng->state;
    const uint64_t out = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return out;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    ASSERT(bound > 0);
    /* Draws below 2^64 mod bound are thrown away: what is left divides evenly. */
    const uint64_t surplus = (0 - bound) % bound;
    uint64_t drawn;
    do {
        drawn = rng_u64(rng);
    } while (drawn < surplus);
    return drawn % bound;
}

int64_t rng_between(struct rng *rng, int64_t low, int64_t high)
{
    ASSERT(low <= high);
    const uint64_t span = (uint64_t)high - (uint64_t)low + 1; /* 0: all 2^64 values */
    const uint64_t drawn = span == 0 ? rng_u64(rng) : rng_below(rng, span);
    return (int64_t)((uint64_t)low + drawn);
}

bool rng_chance(struct rng *rng, uint32_t in_a_million)
{
    return rng_below(rng, 1000000) < in_a_million;
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_u64(rng) >> 11) * 0x1p-53;
}

void rng_fill(struct rng *rng, void *out, size_t size_bytes)
{
    uint8_t *at = out;
    while (size_bytes > 0) {
        const uint64_t word = rng_u64(rng);
        const size_t part = MIN(size_bytes, sizeof(word));
        for (size_t i = 0; i < part; i++)
            at[i] = (uint8_t)(word >> (8 * i));
        at += part;
        size_bytes -= part;
    }
}
