/* Timers in order of deadline, and of arming where deadlines are equal: for drivers, and for the simulator's
 * queue of events.
 *
 *                 [ 1: soonest ]                 slot numbers begin at 1, as io_timer.heap_slot has them;
 *        [ 2 ]  [ 3 ]  [ 4 ]  [ 5 ]              four children each: half the depth of a binary heap, and the
 *   [ 6 … 9 ] [ 10 … 13 ] …                      deadlines lie beside one another, so that timers are not touched
 *
 * Threads: one. Nothing is owned but the array, which never shrinks.
 */
#pragma once

#include "io/io.h"

struct timer_heap_entry {
    int64_t deadline_ns;
    uint64_t sequence;
    struct io_timer *timer;
};

struct timer_heap {
    struct timer_heap_entry *entries; /* owned; entries[slot - 1] */
    uint32_t count;
    uint32_t capacity;
    uint64_t next_sequence;
    int64_t
        floor_ns; /* deadlines below it count as it, so that the overdue fire in the order of arming */
};

void timer_heap_init(struct timer_heap *heap);
void timer_heap_deinit(struct timer_heap *heap); /* timers still armed become unarmed */

void timer_heap_arm(struct timer_heap *heap, struct io_timer *timer, int64_t deadline_ns);
void timer_heap_cancel(struct timer_heap *heap, struct io_timer *timer);

/* The soonest deadline; INT64_MAX when there is none. */
int64_t timer_heap_next_ns(const struct timer_heap *heap);

/* Takes off the soonest timer, now unarmed, if it is due at now_ns and was armed before `sequence_end`; else NULL. */
struct io_timer *timer_heap_pop(struct timer_heap *heap, int64_t now_ns, uint64_t sequence_end);

/* Fires all timers due at now_ns, except those armed meanwhile. Answers how many fired. */
uint32_t timer_heap_fire(struct timer_heap *heap, int64_t now_ns);
