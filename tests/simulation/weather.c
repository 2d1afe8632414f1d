/* See weather.h. */
#include "weather.h"

#include "base/mem.h"
#include "client.h"
#include "rot.h"
#include "sim_broker.h"

#define CLIENTS_MAX    40
#define CHANGES_MAX    60         /* of the disk, until a planned crash */
#define ROOM_BYTES_MAX (96 << 10) /* of a disk that becomes full */
#define FULL_MAX_NS    (6 * NS_PER_SECOND)
#define SLOW_MAX_NS    (5 * NS_PER_SECOND)
#define ROT_AFTER_NS   NS_PER_SECOND /* what was being sent when pages left memory is gone by then */
#define DELAY_MAX_NS   (400 * NS_PER_MS) /* until the broker is started again */

/* How often something happens, in a million of all that do. 0: never in this history. */
struct climate {
    uint32_t kill;
    uint32_t power;
    uint32_t stop;
    uint32_t full;
    uint32_t slow;
    uint32_t cold;
    uint32_t rot;
    uint32_t hang_up;
};

struct weather {
    struct scene *scene;
    struct rng rng;
    struct climate climate;
    int64_t pause_max_ns;
    int64_t cooled_ns; /* when pages left memory last */
    struct client *clients[CLIENTS_MAX];
    uint32_t client_count;
};

static struct sim_node *machine_of(const struct weather *w)
{
    return sim_broker_node(w->scene->broker);
}

static struct sim_disk *disk_of(const struct weather *w)
{
    return sim_node_disk(machine_of(w));
}

/* ---- the disk ----------------------------------------------------------------------------------- */

static void end_full(void *context)
{
    struct weather *w = context;
    if (scene_now_ns(w->scene) >= w->scene->full_until_ns)
        sim_disk_set_capacity(disk_of(w), 0);
}

static void become_full(struct weather *w)
{
    sim_disk_set_capacity(disk_of(w), sim_disk_used_bytes(disk_of(w)) +
                                          rng_between(&w->rng, 0, ROOM_BYTES_MAX));
    w->scene->full_until_ns =
        scene_now_ns(w->scene) + rng_between(&w->rng, NS_PER_SECOND / 10, FULL_MAX_NS);
    sim_world_at(w->scene->world, w->scene->full_until_ns, end_full, w);
}

static void end_slow(void *context)
{
    struct weather *w = context;
    if (scene_now_ns(w->scene) < w->scene->slow_until_ns)
        return;
    const struct sim_pace pace = sim_pace_default();
    sim_node_set_pace(machine_of(w), &pace);
}

/* A sync takes seconds; so may, with less chance, every call. */
static void become_slow(struct weather *w)
{
    struct sim_pace pace = sim_pace_default();
    pace.sync.max_ns = rng_between(&w->rng, NS_PER_SECOND / 2, 4 * NS_PER_SECOND);
    pace.cold_read.max_ns = NS_PER_SECOND / 4;
    if (rng_chance(&w->rng, 300000))
        pace.call.max_ns = rng_between(&w->rng, NS_PER_MS, 300 * NS_PER_MS);
    if (rng_chance(&w->rng, 300000))
        pace.name.max_ns = rng_between(&w->rng, NS_PER_MS, NS_PER_SECOND);
    sim_node_set_pace(machine_of(w), &pace);
    w->scene->slow_until_ns =
        scene_now_ns(w->scene) + rng_between(&w->rng, NS_PER_SECOND / 10, SLOW_MAX_NS);
    sim_world_at(w->scene->world, w->scene->slow_until_ns, end_slow, w);
}

static void cool(struct weather *w, uint32_t in_a_million)
{
    sim_disk_cool(disk_of(w), in_a_million);
    w->cooled_ns = scene_now_ns(w->scene);
}

static void flip_a_bit(void *context)
{
    struct weather *w = context;
    if (!w->scene->is_calm && scene_now_ns(w->scene) >= w->cooled_ns + ROT_AFTER_NS)
        rot_strike(w->scene->rot, &w->rng);
}

/* Pages leave memory; some time later a bit flips in what has not come back. */
static void become_rotten(struct weather *w)
{
    cool(w, 1000000);
    sim_world_at(w->scene->world, w->cooled_ns + ROT_AFTER_NS, flip_a_bit, w);
}

/* ---- ends of the broker -------------------------------------------------------------------------- */

/* Now, or in the middle of some change that is to come. */
static void crash(struct weather *w, enum sim_crash kind)
{
    if (rng_chance(&w->rng, 600000)) {
        sim_disk_crash_at(disk_of(w), 1 + rng_below(&w->rng, CHANGES_MAX), kind);
        return;
    }
    sim_disk_crash_at(disk_of(w), 0, kind);
    sim_node_crash(machine_of(w), kind);
}

static void hang_up(struct weather *w)
{
    if (w->client_count > 0)
        client_hang_up(w->clients[rng_below(&w->rng, w->client_count)]);
}

/* ---- what comes ----------------------------------------------------------------------------------- */

static void next(struct weather *w);

static void strike(void *context)
{
    struct weather *w = context;
    if (w->scene->is_calm)
        return;
    const struct climate *c = &w->climate;
    const uint32_t all =
        c->kill + c->power + c->stop + c->full + c->slow + c->cold + c->rot + c->hang_up;
    uint64_t dice = rng_below(&w->rng, MAX(all, 1u));
    sim_broker_set_restart_delay_ns(w->scene->broker,
                                    rng_between(&w->rng, NS_PER_MS, DELAY_MAX_NS));
    if (dice < c->kill)
        crash(w, SIM_PROCESS_KILLED);
    else if ((dice -= c->kill) < c->power)
        crash(w, SIM_POWER_LOST);
    else if ((dice -= c->power) < c->stop)
        sim_broker_stop(w->scene->broker);
    else if ((dice -= c->stop) < c->full)
        become_full(w);
    else if ((dice -= c->full) < c->slow)
        become_slow(w);
    else if ((dice -= c->slow) < c->cold)
        cool(w, (uint32_t)rng_between(&w->rng, 1, 1000000));
    else if ((dice -= c->cold) < c->rot)
        become_rotten(w);
    else
        hang_up(w);
    next(w);
}

static void next(struct weather *w)
{
    sim_world_at(w->scene->world,
                 scene_now_ns(w->scene) + rng_between(&w->rng, 50 * NS_PER_MS, w->pause_max_ns),
                 strike, w);
}

static void draw_climate(struct weather *w)
{
    struct rng *rng = &w->rng;
    w->climate = (struct climate){
        .kill = rng_chance(rng, 700000) ? 400000 : 0,
        .power = rng_chance(rng, 500000) ? 200000 : 0,
        .stop = rng_chance(rng, 400000) ? 200000 : 0,
        .full = rng_chance(rng, 300000) ? 200000 : 0,
        .slow = rng_chance(rng, 300000) ? 200000 : 0,
        .cold = rng_chance(rng, 300000) ? 200000 : 0,
        .rot = rng_chance(rng, 300000) ? 400000 : 0,
        .hang_up = rng_chance(rng, 500000) ? 200000 : 50000,
    };
    w->pause_max_ns = rng_between(rng, NS_PER_SECOND, 4 * NS_PER_SECOND);
    struct sim_link link = sim_link_default();
    if (rng_chance(rng, 500000))
        link.partial_in_a_million = 200000;
    if (rng_chance(rng, 300000))
        link.reset_in_a_million = 5000;
    sim_world_set_link(w->scene->world, &link);
}

struct weather *weather_new(struct scene *scene)
{
    struct weather *w = MEM_NEW(struct weather);
    w->scene = scene;
    w->rng = scene_rng(scene, "weather");
    draw_climate(w);
    next(w);
    return w;
}

void weather_free(struct weather *w)
{
    mem_free(w);
}

void weather_add_client(struct weather *w, struct client *client)
{
    ASSERT(w->client_count < CLIENTS_MAX);
    w->clients[w->client_count++] = client;
}

void weather_end(struct weather *w)
{
    struct scene *scene = w->scene;
    scene->is_calm = true;
    sim_disk_crash_at(disk_of(w), 0, SIM_PROCESS_KILLED);
    const struct sim_link calm = sim_link_default();
    sim_world_set_link(scene->world, &calm);
    if (scene->full_until_ns > scene_now_ns(scene)) {
        scene->full_until_ns = scene_now_ns(scene);
        end_full(w);
    }
    if (scene->slow_until_ns > scene_now_ns(scene)) {
        scene->slow_until_ns = scene_now_ns(scene);
        end_slow(w);
    }
}
