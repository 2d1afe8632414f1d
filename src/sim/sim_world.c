/* The world: its queue of events, its chance, its trace, and the state of its network. */
#include "base/bytes.h"
#include "base/mem.h"
#include "sim/net_int.h"
#include "sim/world_int.h"

#include <stdio.h>
#include <string.h>

#define START_NS                                                                                   \
    (3600 * NS_PER_SECOND) /* not 0: no code may take the clock's zero for a time that never was */

struct act {
    struct io_timer event;
    struct list link;
    struct sim_world *world;
    void (*act)(void *context);
    void *context;
};

/* ---- chance and order ------------------------------------------------------------------------ */

void sim__schedule(struct sim_world *world, struct io_timer *event, int64_t time_ns)
{
    timer_heap_arm(&world->queue, event, MAX(time_ns, world->now_ns));
}

void sim__unschedule(struct sim_world *world, struct io_timer *event)
{
    timer_heap_cancel(&world->queue, event);
}

/* Mostly near the lower end, at times anywhere: long delays are rare, and reorder what they must. */
int64_t sim__draw(struct sim_world *world, struct sim_range range)
{
    ASSERT(range.min_ns >= 0 && range.min_ns <= range.max_ns);
    const int64_t width = range.max_ns - range.min_ns;
    const int64_t reach = rng_below(&world->rng, 8) == 0 ? width : width / 8;
    return range.min_ns + rng_between(&world->rng, 0, reach);
}

bool sim__chance(struct sim_world *world, uint32_t in_a_million)
{
    return in_a_million > 0 && rng_chance(&world->rng, in_a_million);
}

int64_t sim__present_ns(const struct sim_world *world)
{
    return world->running == NULL ? world->now_ns : sim__loop_now_ns(world->running);
}

/* ---- trace ----------------------------------------------------------------------------------- */

static const char *const trace_names[] = {
    [SIM_TRACE_MARK] = "mark",
    [SIM_TRACE_TURN] = "turn of loop",
    [SIM_TRACE_TIMERS] = "timers",
    [SIM_TRACE_MESSAGE] = "message to loop",
    [SIM_TRACE_JOB] = "job of node",
    [SIM_TRACE_JOB_DONE] = "job done of node",
    [SIM_TRACE_FILE] = "file call",
    [SIM_TRACE_SEND] = "send on port",
    [SIM_TRACE_RECV] = "recv on port",
    [SIM_TRACE_ARRIVE] = "arrival at port",
    [SIM_TRACE_CONNECT] = "connect to port",
    [SIM_TRACE_CONNECTED] = "connected or failed",
    [SIM_TRACE_ACCEPT] = "accept on port",
    [SIM_TRACE_CLOSE] = "close of port",
    [SIM_TRACE_CRASH] = "crash of node",
    [SIM_TRACE_RESTART] = "restart of node",
};

static void trace_words(struct sim_world *world, const char *what, int64_t a, int64_t b)
{
    if (world->log == NULL)
        return;
    char text[160];
    (void)snprintf(text, sizeof(text), "%s %" PRId64 " %" PRId64, what, a, b);
    world->log(world->log_context, sim__present_ns(world), text);
}

static void trace_hash(struct sim_world *world, enum sim_trace_kind kind, int64_t a, int64_t b)
{
    const int64_t words[] = { (int64_t)kind, world->now_ns, a, b };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        world->trace = (world->trace ^ (uint64_t)words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        world->trace ^= world->trace >> 29;
    }
}

void sim__trace(struct sim_world *world, enum sim_trace_kind kind, int64_t a, int64_t b)
{
    trace_hash(world, kind, a, b);
    trace_words(world, trace_names[kind], a, b);
}

uint64_t sim_world_trace(const struct sim_world *world)
{
    return world->trace;
}

void sim_world_mark(struct sim_world *world, const char *what, int64_t a, int64_t b)
{
    trace_hash(world, SIM_TRACE_MARK, (int64_t)bytes_hash(bytes_from_text(what), 0), a);
    trace_hash(world, SIM_TRACE_MARK, 0, b);
    trace_words(world, what, a, b);
}

void sim_world_set_log(struct sim_world *world,
                       void (*line)(void *context, int64_t now_ns, const char *text), void *context)
{
    world->log = line;
    world->log_context = context;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

struct sim_world *sim_world_new(uint64_t seed)
{
    struct sim_world *world = MEM_NEW(struct sim_world);
    world->now_ns = START_NS;
    timer_heap_init(&world->queue);
    world->rng = rng_from_seed(seed);
    world->workload_rng = rng_from_seed(~seed);
    world->link = sim_link_default();
    world->trace = seed;
    list_init(&world->acts);
    list_init(&world->connections);
    return world;
}

static void act_free(struct act *act)
{
    sim__unschedule(act->world, &act->event);
    list_remove(&act->link);
    mem_free(act);
}

void sim_world_free(struct sim_world *world)
{
    if (world == NULL)
        return;
    for (size_t i = 0; i < world->nodes.count; i++)
        sim__node_free(world->nodes.items[i]);
    while (!list_is_empty(&world->acts))
        act_free(LIST_ENTRY(world->acts.next, struct act, link));
    ASSERT(list_is_empty(&world->connections));
    for (size_t i = 0; i < world->idle_coroutines.count; i++)
        coroutine_free(world->idle_coroutines.items[i]);
    VEC_DEINIT(&world->idle_coroutines);
    VEC_DEINIT(&world->nodes);
    VEC_DEINIT(&world->routes);
    timer_heap_deinit(&world->queue);
    mem_free(world);
}

int64_t sim_world_now_ns(const struct sim_world *world)
{
    return world->now_ns;
}

struct rng *sim_world_rng(struct sim_world *world)
{
    return &world->workload_rng;
}

/* ---- running --------------------------------------------------------------------------------- */

static void act_fire(struct io_timer *event)
{
    struct act *act = CONTAINER_OF(event, struct act, event);
    void (*what)(void *context) = act->act;
    void *context = act->context;
    act_free(act);
    what(context);
}

void sim_world_at(struct sim_world *world, int64_t time_ns, void (*act)(void *context),
                  void *context)
{
    struct act *a = MEM_NEW(struct act);
    *a = (struct act){ .world = world, .act = act, .context = context };
    a->event.fire = act_fire;
    list_push_back(&world->acts, &a->link);
    sim__schedule(world, &a->event, time_ns);
}

void sim__world_settle(struct sim_world *world)
{
    while (world->has_crashed) {
        world->has_crashed = false;
        for (size_t i = 0; i < world->nodes.count; i++) {
            if (world->nodes.items[i]->needs_settling)
                sim__node_settle(world->nodes.items[i]);
        }
    }
}

/* The next event, if it is due by then. */
static bool step_until(struct sim_world *world, int64_t time_ns)
{
    ASSERT(!world->is_stepping);
    struct io_timer *event = timer_heap_pop(&world->queue, time_ns, UINT64_MAX);
    if (event == NULL)
        return false;
    world->now_ns = MAX(world->now_ns, event->deadline_ns);
    world->is_stepping = true;
    event->fire(event);
    world->is_stepping = false;
    sim__world_settle(world);
    return true;
}

bool sim_world_step(struct sim_world *world)
{
    return step_until(world, INT64_MAX);
}

void sim_world_run_until(struct sim_world *world, int64_t time_ns)
{
    while (step_until(world, time_ns))
        continue;
    world->now_ns = MAX(world->now_ns, time_ns);
}

void sim_world_run_for(struct sim_world *world, int64_t duration_ns)
{
    sim_world_run_until(world, world->now_ns + duration_ns);
}

bool sim_world_run_until_true(struct sim_world *world, int64_t duration_ns,
                              bool (*is_true)(void *context), void *context)
{
    const int64_t end_ns = world->now_ns + duration_ns;
    while (!is_true(context)) {
        if (!step_until(world, end_ns)) {
            world->now_ns = end_ns;
            return is_true(context);
        }
    }
    return true;
}

int sim_world_turn(struct io *io, int64_t timeout_ms)
{
    struct sim_world *world = sim__loop_of(io)->node->world;
    const int64_t end_ns = world->now_ns + timeout_ms * NS_PER_MS;
    if (!step_until(world, end_ns))
        world->now_ns = end_ns;
    return 0;
}

/* ---- the network's state --------------------------------------------------------------------- */

struct sim_link sim_link_default(void)
{
    return (struct sim_link){
        .latency = { .min_ns = 20000, .max_ns = 2 * NS_PER_MS },
        .buffer_bytes_min = 2000,
        .buffer_bytes_max = 200000,
        .partial_in_a_million = 100000,
    };
}

static void check_link(const struct sim_link *link)
{
    ASSERT(link->buffer_bytes_min > 0 && link->buffer_bytes_min <= link->buffer_bytes_max);
    ASSERT(link->bytes_per_second >= 0);
}

void sim_world_set_link(struct sim_world *world, const struct sim_link *link)
{
    check_link(link);
    world->link = *link;
}

static struct sim_route *route_find(const struct sim_world *world, const struct sim_node *from,
                                    const struct sim_node *to)
{
    for (size_t i = 0; i < world->routes.count; i++) {
        if (world->routes.items[i].from == from && world->routes.items[i].to == to)
            return &world->routes.items[i];
    }
    return NULL;
}

static struct sim_route *route_get(struct sim_node *from, struct sim_node *to)
{
    ASSERT(from->world == to->world);
    struct sim_route *route = route_find(from->world, from, to);
    if (route == NULL) {
        route = VEC_PUSH(&from->world->routes);
        *route = (struct sim_route){ .from = from, .to = to };
    }
    return route;
}

void sim_world_set_link_between(struct sim_node *from, struct sim_node *to,
                                const struct sim_link *link)
{
    check_link(link);
    struct sim_route *route = route_get(from, to);
    route->has_link = true;
    route->link = *link;
}

void sim_world_cut(struct sim_node *from, struct sim_node *to, bool is_cut)
{
    route_get(from, to)->is_cut = is_cut;
}

const struct sim_link *sim__link(const struct sim_world *world, const struct sim_node *from,
                                 const struct sim_node *to)
{
    const struct sim_route *route = route_find(world, from, to);
    return route != NULL && route->has_link ? &route->link : &world->link;
}

bool sim__is_cut(const struct sim_node *from, const struct sim_node *to)
{
    const struct sim_route *route = route_find(from->world, from, to);
    return route != NULL && route->is_cut;
}
