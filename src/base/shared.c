/* Counted bytes. See shared.h. */
#include "base/shared.h"

#include "base/mem.h"

struct shared *shared_new(size_t size_bytes)
{
    ASSERT(size_bytes <= SIZE_MAX - sizeof(struct shared));
    struct shared *shared = mem_alloc(sizeof(*shared) + size_bytes);
    *shared = (struct shared){ .reference_count = 1, .size = size_bytes };
    return shared;
}

struct shared *shared_ref(struct shared *shared)
{
    const uint32_t before = __atomic_fetch_add(&shared->reference_count, 1, __ATOMIC_RELAXED);
    ASSERT(before > 0 && before < UINT32_MAX);
    return shared;
}

void shared_unref(struct shared *shared)
{
    if (shared == NULL)
        return;
    /* Release: what this holder wrote is seen by whoever frees. Acquire: the one that frees sees it. */
    const uint32_t before = __atomic_fetch_sub(&shared->reference_count, 1, __ATOMIC_ACQ_REL);
    ASSERT(before > 0);
    if (before > 1)
        return;
    if (shared->on_free != NULL)
        shared->on_free(shared, shared->context);
    else
        mem_free(shared);
}
