/* A random generator passed by value or pointer (xoshiro256**); the same seed gives the same row.
 * Not for secrets: those come from io_random_bytes. */
#pragma once

#include "base/base.h"

struct rng {
    uint64_t state[4];
};

struct rng rng_from_seed(uint64_t seed);
uint64_t rng_u64(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); /* 0 … bound - 1; bound > 0; unbiased */
int64_t rng_between(struct rng *rng, int64_t low, int64_t high); /* both included */
bool rng_chance(struct rng *rng, uint32_t in_a_million);
double rng_unit(struct rng *rng); /* [0, 1) */
void rng_fill(struct rng *rng, void *out, size_t size_bytes);
