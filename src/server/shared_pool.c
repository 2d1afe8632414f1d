/* See shared_pool.h. */
#include "server/shared_pool.h"

#include "base/mem.h"

#include <string.h>

static uint32_t class_of(size_t size_bytes)
{
    uint32_t class = 0;
    while (((size_t)SHARED_POOL_SIZE_MIN << class) < size_bytes)
        class ++;
    return class;
}

static struct shared *next_free(const struct shared *shared)
{
    struct shared *next;
    memcpy(&next, shared->data, sizeof(next));
    return next;
}

static void set_next_free(struct shared *shared, struct shared *next)
{
    memcpy(shared->data, &next, sizeof(next));
}

static void on_free(struct shared *shared, void *context)
{
    struct shared_pool *pool = context;
    pool->lent_bytes -= shared->size;
    if (shared->size <= SHARED_POOL_SMALL_MAX)
        pool->small_bytes -= shared->size;
    if (shared->size > SHARED_POOL_SIZE_MAX ||
        pool->kept_bytes + shared->size > pool->kept_bytes_max) {
        mem_free(shared);
        return;
    }
    const uint32_t class = class_of(shared->size);
    set_next_free(shared, pool->free[class]);
    pool->free[class] = shared;
    pool->kept_bytes += shared->size;
}

void shared_pool_init(struct shared_pool *pool, size_t kept_bytes_max)
{
    *pool = (struct shared_pool){ .kept_bytes_max = kept_bytes_max };
}

struct shared *shared_pool_take(struct shared_pool *pool, size_t size_bytes)
{
    struct shared *shared = NULL;
    if (size_bytes <= SHARED_POOL_SIZE_MAX) {
        const uint32_t class = class_of(size_bytes);
        size_bytes = (size_t)SHARED_POOL_SIZE_MIN << class;
        shared = pool->free[class];
        if (shared != NULL) {
            pool->free[class] = next_free(shared);
            pool->kept_bytes -= shared->size;
            shared->reference_count = 1;
        }
    }
    if (shared == NULL)
        shared = shared_new(size_bytes);
    shared->on_free = on_free;
    shared->context = pool;
    pool->lent_bytes += shared->size;
    if (shared->size <= SHARED_POOL_SMALL_MAX)
        pool->small_bytes += shared->size;
    return shared;
}

void shared_pool_trim(struct shared_pool *pool, size_t keep_bytes)
{
    for (uint32_t class = SHARED_POOL_CLASSES; class -- > 0;) {
        while (pool->free[class] != NULL && pool->kept_bytes > keep_bytes) {
            struct shared *shared = pool->free[class];
            pool->free[class] = next_free(shared);
            pool->kept_bytes -= shared->size;
            mem_free(shared);
        }
    }
}

void shared_pool_deinit(struct shared_pool *pool)
{
    ASSERT(pool->lent_bytes == 0);
    shared_pool_trim(pool, 0);
}
