/* See deadlines.h. */
#include "coord/deadlines.h"

static bool is_before(const struct deadline *a, const struct deadline *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->sequence < b->sequence);
}

static void place(struct deadlines *deadlines, size_t index, struct deadline *deadline)
{
    deadlines->heap.items[index] = deadline;
    deadline->slot = (uint32_t)index + 1;
}

/* Moves the entry at `index` to where it belongs. */
static void settle(struct deadlines *deadlines, size_t index)
{
    struct deadline *moving = deadlines->heap.items[index];
    const size_t count = deadlines->heap.count;
    while (index > 0) {
        const size_t parent = (index - 1) / 2;
        if (!is_before(moving, deadlines->heap.items[parent]))
            break;
        place(deadlines, index, deadlines->heap.items[parent]);
        index = parent;
    }
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= count)
            break;
        if (child + 1 < count &&
            is_before(deadlines->heap.items[child + 1], deadlines->heap.items[child]))
            child++;
        if (!is_before(deadlines->heap.items[child], moving))
            break;
        place(deadlines, index, deadlines->heap.items[child]);
        index = child;
    }
    place(deadlines, index, moving);
}

void deadlines_deinit(struct deadlines *deadlines)
{
    ASSERT(deadlines->heap.count == 0);
    VEC_DEINIT(&deadlines->heap);
}

void deadline_arm(struct deadlines *deadlines, struct deadline *deadline, int64_t at_ms)
{
    deadline->at_ms = at_ms;
    deadline->sequence = deadlines->sequence++;
    if (deadline->slot == 0) {
        VEC_ADD(&deadlines->heap, deadline);
        deadline->slot = (uint32_t)deadlines->heap.count;
    }
    settle(deadlines, deadline->slot - 1);
}

void deadline_cancel(struct deadlines *deadlines, struct deadline *deadline)
{
    if (deadline->slot == 0)
        return;
    const size_t index = deadline->slot - 1;
    ASSERT(deadlines->heap.items[index] == deadline);
    struct deadline *last = VEC_POP(&deadlines->heap);
    deadline->slot = 0;
    if (last != deadline) {
        place(deadlines, index, last);
        settle(deadlines, index);
    }
}

bool deadline_is_armed(const struct deadline *deadline)
{
    return deadline->slot != 0;
}

int64_t deadlines_next_ms(const struct deadlines *deadlines)
{
    return deadlines->heap.count == 0 ? INT64_MAX : deadlines->heap.items[0]->at_ms;
}

struct deadline *deadlines_take_due(struct deadlines *deadlines, int64_t now_ms)
{
    if (deadlines_next_ms(deadlines) > now_ms)
        return NULL;
    struct deadline *due = deadlines->heap.items[0];
    deadline_cancel(deadlines, due);
    return due;
}
