/* See steps.h. */
#include "server/steps.h"

#include "server/server_int.h"

#define STEP_WORK_MAX  1000u
#define STEP_BYTES_MAX (256u << 10) /* of answer */

bool steps_may_add(struct steps *steps, uint32_t cost)
{
    if (steps->work >= STEP_WORK_MAX ||
        steps->request->arena.used_bytes - steps->began_bytes >= STEP_BYTES_MAX)
        return false;
    steps->work += cost;
    return true;
}

static bool may_take(const struct server *server, enum purse purse)
{
    return !list_is_empty(&server->stepping[purse]) &&
           server->purse_bytes[purse] <= server->limits.memory_bytes_max / 2;
}

bool steps_wait(const struct server *server)
{
    bool do_wait = false;
    for (enum purse purse = 0; purse < PURSE_COUNT; purse++)
        do_wait |= !list_is_empty(&server->stepping[purse]) && !may_take(server, purse);
    return do_wait;
}

void steps_make_turn(struct server *server)
{
    if (io_timer_is_armed(&server->step))
        return;
    for (enum purse purse = 0; purse < PURSE_COUNT; purse++) {
        if (may_take(server, purse))
            io_timer_arm_after(server->shard->io, &server->step, 0);
    }
}

static void queue(struct steps *steps)
{
    struct server *server = steps->request->shard->server;
    const enum purse purse = steps->request->purse;
    steps->held_bytes = steps->request->arena.used_bytes;
    server->stepping_bytes[purse] += steps->held_bytes;
    if (connection__has_room(server, purse))
        list_push_back(&server->stepping[purse], &steps->link);
    else
        list_push_front(&server->stepping[purse], &steps->link);
    steps_make_turn(server);
}

void steps_go_on(struct steps *steps)
{
    steps->work = 0;
    steps->began_bytes = steps->request->arena.used_bytes;
    const enum steps_result result =
        steps->request->connection == NULL ? STEPS_DONE : steps->step(steps);
    if (result == STEPS_MORE)
        queue(steps);
    else if (result == STEPS_DONE)
        steps->end(steps);
}

void steps_begin(struct steps *steps, struct request *request,
                 enum steps_result (*step)(struct steps *steps), void (*end)(struct steps *steps))
{
    *steps = (struct steps){ .request = request, .step = step, .end = end };
    steps_go_on(steps);
}

static void take_one(struct server *server, enum purse purse)
{
    struct steps *steps = LIST_ENTRY(list_pop_front(&server->stepping[purse]), struct steps, link);
    server->stepping_bytes[purse] -= steps->held_bytes;
    server->counters.steps++;
    steps_go_on(steps);
}

void steps_take_turn(struct server *server)
{
    for (enum purse purse = 0; purse < PURSE_COUNT; purse++) {
        if (may_take(server, purse))
            take_one(server, purse);
    }
    steps_make_turn(server);
}

void steps_end_all(struct server *server)
{
    for (enum purse purse = 0; purse < PURSE_COUNT; purse++) {
        while (!list_is_empty(&server->stepping[purse]))
            take_one(server, purse);
    }
    io_timer_cancel(server->shard->io, &server->step);
}
