/* Receive buffers that are used again: counted bytes in power-of-two sizes, kept up to a bound.
 *
 * Threads: the shard's; what a job holds is released in its `done`.
 */
#pragma once

#include "base/shared.h"

#define SHARED_POOL_SIZE_MIN  (4u << 10)
#define SHARED_POOL_SIZE_MAX  (4u << 20)
#define SHARED_POOL_CLASSES   11 /* 4 KiB … 4 MiB */
#define SHARED_POOL_SMALL_MAX (16u << 10)

struct shared_pool {
    struct shared *free[SHARED_POOL_CLASSES]; /* linked through their first bytes */
    size_t kept_bytes;
    size_t kept_bytes_max;
    size_t lent_bytes;  /* handed out and not yet released */
    size_t small_bytes; /* of these, in buffers of at most SHARED_POOL_SMALL_MAX */
};

void shared_pool_init(struct shared_pool *pool, size_t kept_bytes_max);
void shared_pool_deinit(struct shared_pool *pool); /* everything lent has come back, or a bug */

/* At least size_bytes; `size` of the answer tells how many. Larger than SHARED_POOL_SIZE_MAX: exact, not kept. */
struct shared *shared_pool_take(struct shared_pool *pool, size_t size_bytes);

/* Frees what is kept beyond `keep_bytes`: called when the shard has been idle. */
void shared_pool_trim(struct shared_pool *pool, size_t keep_bytes);
