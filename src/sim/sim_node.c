/* A node: its incarnations, its clock, and the time its file calls take. */
#include "base/mem.h"
#include "sim/net_int.h"
#include "sim/world_int.h"

#include <errno.h>
#include <stdio.h>

#define EPOCH_MS      INT64_C(1704067200000) /* the world begins on 2024-01-01 */
#define FIRST_PORT    40000
#define WORKERS_FIRST 4

struct sim_pace sim_pace_default(void)
{
    return (struct sim_pace){
        .turn = { .min_ns = 1000, .max_ns = 50000 },
        .wake = { .min_ns = 0, .max_ns = 200000 },
        .call = { .min_ns = 500, .max_ns = 20000 },
        .cold_read = { .min_ns = 50000, .max_ns = 10 * NS_PER_MS },
        .sync = { .min_ns = 100000, .max_ns = 30 * NS_PER_MS },
        .name = { .min_ns = 5000, .max_ns = 2 * NS_PER_MS },
    };
}

/* ---- file calls ------------------------------------------------------------------------------ */

static struct sim_range pace_of(const struct sim_pace *pace, enum sim_call call)
{
    if (call & (SIM_SYNC | SIM_SYNC_DIRECTORY))
        return pace->sync;
    if (call & SIM_READ_COLD)
        return pace->cold_read;
    if (call & (SIM_READ | SIM_WRITE | SIM_STAT))
        return pace->call;
    return pace->name;
}

static int on_call(void *context, enum sim_call call, const char *path, uint64_t size_bytes)
{
    struct sim_node *node = context;
    struct sim_world *world = node->world;
    sim__trace(world, SIM_TRACE_FILE, (int64_t)call,
               (int64_t)(bytes_hash(bytes_from_text(path), 0) ^ size_bytes));
    const int64_t duration_ns = sim__draw(world, pace_of(&node->pace, call));
    const bool is_of_job = world->working != NULL && world->working->node == node;
    if (!is_of_job && node->on_loop_call != NULL)
        node->on_loop_call(node->on_loop_call_context, call, path, size_bytes);
    if (is_of_job)
        sim__worker_wait(world->working, duration_ns);
    else if (world->running != NULL && world->running->node == node)
        world->running->present_ns += duration_ns;
    const bool opens = (call & (SIM_OPEN | SIM_CREATE)) != 0;
    return opens && !sim__node_has_descriptor(node) ? -EMFILE : 0;
}

static int64_t disk_now_ms(void *context)
{
    return sim__node_now_ms(context);
}

static void power_is_lost(void *context)
{
    const struct sim_node *node = context;
    if (node->on_losing != NULL)
        node->on_losing(node->on_losing_context);
}

static void on_planned_crash(void *context, enum sim_crash kind)
{
    sim__node_go_down(context, kind);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

struct sim_node *sim_node_new(struct sim_world *world, const char *name)
{
    struct sim_node *node = MEM_NEW(struct sim_node);
    node->world = world;
    node->name = mem_strdup(name);
    VEC_ADD(&world->nodes, node);
    node->id = (int64_t)world->nodes.count;
    (void)snprintf(node->address, sizeof(node->address), "10.0.%d.%d", (int)(node->id / 250),
                   (int)(node->id % 250));
    node->rng = rng_from_seed(rng_u64(&world->rng));
    node->disk = sim_disk_new(rng_u64(&world->rng));
    const struct sim_disk_hooks hooks = { .context = node,
                                          .now_ms = disk_now_ms,
                                          .on_call = on_call,
                                          .on_losing = power_is_lost,
                                          .on_crash = on_planned_crash };
    sim_disk_set_hooks(node->disk, &hooks);
    node->is_powered = true;
    node->pace = sim_pace_default();
    node->next_port = FIRST_PORT;
    node->worker_count = WORKERS_FIRST;
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        sim__worker_init(&node->workers[i], node);
    return node;
}

static void loops_free(struct sim_node *node)
{
    for (size_t i = 0; i < node->loops.count; i++)
        sim__loop_free(node->loops.items[i]);
    node->loops.count = 0;
}

void sim__node_free(struct sim_node *node)
{
    sim__jobs_end(node);
    loops_free(node);
    VEC_DEINIT(&node->loops);
    sim_disk_free(node->disk);
    mem_free(node->name);
    mem_free(node);
}

const char *sim_node_address(const struct sim_node *node)
{
    return node->address;
}

struct sim_disk *sim_node_disk(struct sim_node *node)
{
    return node->disk;
}

struct io *sim_node_add_loop(struct sim_node *node)
{
    ASSERT(!node->is_down);
    ASSERT(node->loops.count < SIM_LOOPS_MAX);
    struct sim_loop *loop = sim__loop_new(node);
    VEC_ADD(&node->loops, loop);
    return &loop->base;
}

struct io *sim_node_io(struct sim_node *node)
{
    return node->loops.count == 0 ? sim_node_add_loop(node) : &node->loops.items[0]->base;
}

/* ---- crashes --------------------------------------------------------------------------------- */

void sim__node_go_down(struct sim_node *node, enum sim_crash kind)
{
    struct sim_world *world = node->world;
    ASSERT(!node->is_down);
    sim__trace(world, SIM_TRACE_CRASH, node->id, kind);
    node->is_down = true;
    node->is_powered = kind == SIM_PROCESS_KILLED;
    node->crash_count++;
    for (size_t i = 0; i < node->loops.count; i++) {
        struct sim_loop *loop = node->loops.items[i];
        loop->is_dead = true;
        sim__unschedule(world, &loop->turn);
        sim__net_end(loop, kind);
    }
    node->needs_settling = true;
    node->keeps_jobs = true;
    world->has_crashed = true;
}

void sim__node_settle(struct sim_node *node)
{
    node->needs_settling = false;
    sim__jobs_drop_mail(node);
    sim__jobs_end(node);
    if (node->on_crash != NULL)
        node->on_crash(node->on_crash_context);
    sim__jobs_forget(node);
}

void sim_node_crash(struct sim_node *node, enum sim_crash kind)
{
    if (node->is_down)
        return;
    sim_disk_crash(node->disk, kind);
    sim__node_go_down(node, kind);
    if (!node->world->is_stepping)
        sim__world_settle(node->world);
}

bool sim_node_is_down(const struct sim_node *node)
{
    return node->is_down;
}

uint32_t sim_node_crash_count(const struct sim_node *node)
{
    return node->crash_count;
}

void sim_node_set_on_crash(struct sim_node *node, void (*on_crash)(void *context), void *context)
{
    node->on_crash = on_crash;
    node->on_crash_context = context;
}

void sim_node_set_on_loop_call(struct sim_node *node,
                               void (*on_loop_call)(void *context, enum sim_call call,
                                                    const char *path, uint64_t size_bytes),
                               void *context)
{
    node->on_loop_call = on_loop_call;
    node->on_loop_call_context = context;
}

void sim_node_set_on_losing(struct sim_node *node, void (*on_losing)(void *context), void *context)
{
    node->on_losing = on_losing;
    node->on_losing_context = context;
}

void sim_node_restart(struct sim_node *node)
{
    ASSERT(!node->needs_settling);
    ASSERT(node->world->running == NULL || node->world->running->node != node);
    sim__trace(node->world, SIM_TRACE_RESTART, node->id, node->crash_count);
    if (!node->is_down) { /* an orderly end: the process is gone, the page cache stays */
        for (size_t i = 0; i < node->loops.count; i++)
            node->loops.items[i]->is_dead = true;
        sim__jobs_end(node);
        sim_disk_restart(node->disk);
    }
    loops_free(node);
    sim__jobs_forget(node);
    node->is_down = false;
    node->is_powered = true;
}

/* ---- settings -------------------------------------------------------------------------------- */

int64_t sim__node_now_ms(const struct sim_node *node)
{
    return EPOCH_MS + node->clock_offset_ms + sim__present_ns(node->world) / NS_PER_MS;
}

void sim_node_set_clock_offset_ms(struct sim_node *node, int64_t offset_ms)
{
    node->clock_offset_ms = offset_ms;
}

bool sim__node_has_descriptor(const struct sim_node *node)
{
    return node->descriptor_max == 0 ||
           node->socket_count + sim_disk_open_count(node->disk) < node->descriptor_max;
}

uint16_t sim__node_next_port(struct sim_node *node)
{
    const uint16_t port = node->next_port;
    node->next_port = port == UINT16_MAX ? FIRST_PORT : (uint16_t)(port + 1);
    return port;
}

void sim_node_set_descriptor_max(struct sim_node *node, uint32_t descriptor_max)
{
    node->descriptor_max = descriptor_max;
}

void sim_node_set_worker_count(struct sim_node *node, uint32_t worker_count)
{
    ASSERT(worker_count >= 1 && worker_count <= SIM_WORKERS_MAX);
    node->worker_count = worker_count;
}

void sim_node_set_pace(struct sim_node *node, const struct sim_pace *pace)
{
    node->pace = *pace;
}
