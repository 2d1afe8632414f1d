/* A heap with four children a node, keyed by deadline and order of arming. */
#include "io/timer_heap.h"

#include "base/mem.h"

#define CHILDREN       ((uint32_t)4)
#define CAPACITY_FIRST ((uint32_t)64)

static bool is_sooner(const struct timer_heap_entry *a, const struct timer_heap_entry *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns
                                            : a->sequence < b->sequence;
}

static void place(struct timer_heap *heap, uint32_t index, struct timer_heap_entry entry)
{
    heap->entries[index] = entry;
    entry.timer->heap_slot = index + 1;
}

/* Finds the place for `entry`, given that the one at `index` is free and nothing below it is sooner. */
static void sift_up(struct timer_heap *heap, uint32_t index, struct timer_heap_entry entry)
{
    while (index > 0) {
        const uint32_t parent = (index - 1) / CHILDREN;
        if (!is_sooner(&entry, &heap->entries[parent]))
            break;
        place(heap, index, heap->entries[parent]);
        index = parent;
    }
    place(heap, index, entry);
}

/* The same where nothing above it is later. */
static void sift_down(struct timer_heap *heap, uint32_t index, struct timer_heap_entry entry)
{
    for (;;) {
        const uint32_t first = index * CHILDREN + 1;
        const uint32_t end = MIN(first + CHILDREN, heap->count);
        if (first >= end)
            break;
        uint32_t soonest = first;
        for (uint32_t child = first + 1; child < end; child++) {
            if (is_sooner(&heap->entries[child], &heap->entries[soonest]))
                soonest = child;
        }
        if (!is_sooner(&heap->entries[soonest], &entry))
            break;
        place(heap, index, heap->entries[soonest]);
        index = soonest;
    }
    place(heap, index, entry);
}

static void sift(struct timer_heap *heap, uint32_t index, struct timer_heap_entry entry)
{
    if (index > 0 && is_sooner(&entry, &heap->entries[(index - 1) / CHILDREN]))
        sift_up(heap, index, entry);
    else
        sift_down(heap, index, entry);
}

void timer_heap_init(struct timer_heap *heap)
{
    *heap = (struct timer_heap){ .floor_ns = INT64_MIN };
}

void timer_heap_deinit(struct timer_heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++)
        heap->entries[i].timer->heap_slot = 0;
    mem_free(heap->entries);
    timer_heap_init(heap);
}

void timer_heap_arm(struct timer_heap *heap, struct io_timer *timer, int64_t deadline_ns)
{
    const struct timer_heap_entry entry = { .deadline_ns = MAX(deadline_ns, heap->floor_ns),
                                            .sequence = heap->next_sequence++,
                                            .timer = timer };
    timer->deadline_ns = deadline_ns;
    if (timer->heap_slot != 0) {
        ASSERT(heap->entries[timer->heap_slot - 1].timer == timer);
        sift(heap, timer->heap_slot - 1, entry);
        return;
    }
    if (heap->count == heap->capacity) {
        heap->capacity = MAX(CAPACITY_FIRST, heap->capacity * 2);
        heap->entries = mem_reallocarray(heap->entries, heap->capacity, sizeof(*heap->entries));
    }
    sift_up(heap, heap->count++, entry);
}

void timer_heap_cancel(struct timer_heap *heap, struct io_timer *timer)
{
    if (timer->heap_slot == 0)
        return;
    const uint32_t index = timer->heap_slot - 1;
    ASSERT(heap->entries[index].timer == timer);
    timer->heap_slot = 0;
    heap->count--;
    if (index < heap->count)
        sift(heap, index, heap->entries[heap->count]);
}

int64_t timer_heap_next_ns(const struct timer_heap *heap)
{
    return heap->count == 0 ? INT64_MAX : heap->entries[0].deadline_ns;
}

struct io_timer *timer_heap_pop(struct timer_heap *heap, int64_t now_ns, uint64_t sequence_end)
{
    if (heap->count == 0 || heap->entries[0].deadline_ns > now_ns ||
        heap->entries[0].sequence >= sequence_end)
        return NULL;
    struct io_timer *timer = heap->entries[0].timer;
    timer_heap_cancel(heap, timer);
    return timer;
}

uint32_t timer_heap_fire(struct timer_heap *heap, int64_t now_ns)
{
    /* With the floor at now, whatever is armed from here on sorts behind all that is due. */
    heap->floor_ns = MAX(heap->floor_ns, now_ns);
    const uint64_t sequence_end = heap->next_sequence;
    uint32_t count = 0;
    struct io_timer *timer;
    while ((timer = timer_heap_pop(heap, now_ns, sequence_end)) != NULL) {
        count++;
        timer->fire(timer);
    }
    return count;
}
