/* See damages.h. */
#include "log/damages.h"

void damages_deinit(struct damages *damages)
{
    VEC_DEINIT(&damages->items);
}

int64_t damages_add(struct damages *damages, const struct damaged_batch *batch)
{
    struct damaged_batch *known = damages_next(damages, batch->position);
    int64_t dropped = -1;
    if (known != NULL && known->position == batch->position) {
        const bool is_told = known->is_told;
        *known = *batch;
        known->is_told = is_told;
        return -1;
    }
    if (damages->items.count == DAMAGES_MAX) {
        dropped = damages->items.items[0].position;
        VEC_REMOVE_AT(&damages->items, 0);
    }
    VEC_ADD(&damages->items, *batch);
    return dropped;
}

struct damaged_batch *damages_find(const struct damages *damages, uint32_t position)
{
    for (size_t i = 0; i < damages->items.count; i++) {
        struct damaged_batch *batch = &damages->items.items[i];
        if (batch->position <= position && position - batch->position < MAX(batch->size_bytes, 1u))
            return batch;
    }
    return NULL;
}

struct damaged_batch *damages_next(const struct damages *damages, uint32_t position)
{
    struct damaged_batch *next = NULL;
    for (size_t i = 0; i < damages->items.count; i++) {
        struct damaged_batch *batch = &damages->items.items[i];
        if (batch->position >= position && (next == NULL || batch->position < next->position))
            next = batch;
    }
    return next;
}
