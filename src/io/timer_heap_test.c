/* The heap against a plain array that is searched from end to end. */
#include "io/timer_heap.h"

#include "base/test.h"

#define TIMER_COUNT 50

struct entry {
    struct io_timer timer;
    int64_t deadline_ns;
    uint64_t armed; /* 0: not armed; else when, counted */
};

/* What must come next at now_ns: the soonest, among equals the first armed. */
static struct entry *soonest(struct entry *entries, int64_t now_ns)
{
    struct entry *best = NULL;
    for (size_t i = 0; i < TIMER_COUNT; i++) {
        struct entry *e = &entries[i];
        if (e->armed == 0 || e->deadline_ns > now_ns)
            continue;
        if (best == NULL || e->deadline_ns < best->deadline_ns ||
            (e->deadline_ns == best->deadline_ns && e->armed < best->armed))
            best = e;
    }
    return best;
}

TEST(timer_heap, gives_timers_in_order_through_arming_moving_and_cancelling)
{
    struct rng rng = rng_from_seed(context->seed);
    struct entry entries[TIMER_COUNT] = { 0 };
    struct timer_heap heap;
    timer_heap_init(&heap);
    EXPECT_EQ(timer_heap_next_ns(&heap), INT64_MAX);
    uint64_t armed = 0;
    for (int step = 0; step < 20000; step++) {
        struct entry *e = &entries[rng_below(&rng, TIMER_COUNT)];
        const int64_t now_ns = rng_between(&rng, 0, 40);
        switch (rng_below(&rng, 4)) {
        case 0:
        case 1:
            e->deadline_ns = rng_between(&rng, 0, 40);
            e->armed = ++armed;
            timer_heap_arm(&heap, &e->timer, e->deadline_ns);
            break;
        case 2:
            timer_heap_cancel(&heap, &e->timer);
            e->armed = 0;
            break;
        default: {
            struct entry *wanted = soonest(entries, now_ns);
            struct io_timer *timer = timer_heap_pop(&heap, now_ns, UINT64_MAX);
            EXPECT(timer == (wanted == NULL ? NULL : &wanted->timer));
            if (wanted != NULL)
                wanted->armed = 0;
            break;
        }
        }
        EXPECT_EQ(io_timer_is_armed(&e->timer), e->armed != 0);
        const struct entry *first = soonest(entries, INT64_MAX);
        EXPECT_EQ(timer_heap_next_ns(&heap), first == NULL ? INT64_MAX : first->deadline_ns);
    }
    timer_heap_deinit(&heap);
    for (size_t i = 0; i < TIMER_COUNT; i++)
        EXPECT(!io_timer_is_armed(&entries[i].timer));
}

struct again {
    struct io_timer timer;
    struct timer_heap *heap;
    int count;
};

static void fire_again(struct io_timer *timer)
{
    struct again *a = CONTAINER_OF(timer, struct again, timer);
    EXPECT(!io_timer_is_armed(timer));
    a->count++;
    timer_heap_arm(a->heap, timer, 0); /* long past: next turn, and behind the others */
}

TEST(timer_heap, lets_no_timer_starve_the_others)
{
    struct timer_heap heap;
    timer_heap_init(&heap);
    struct again timers[3] = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
        timers[i] = (struct again){ .timer.fire = fire_again, .heap = &heap };
        timer_heap_arm(&heap, &timers[i].timer, (int64_t)i * 10);
    }
    EXPECT_EQ(timer_heap_fire(&heap, -1), 0);
    EXPECT_EQ(timer_heap_fire(&heap, 15), 2);
    EXPECT_EQ(timer_heap_fire(&heap, 20), 3);
    EXPECT_EQ(timer_heap_fire(&heap, 20), 3);
    EXPECT_EQ(timers[0].count, 3);
    EXPECT_EQ(timers[2].count, 2);
    timer_heap_deinit(&heap);
}
