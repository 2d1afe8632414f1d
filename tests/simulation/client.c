/* See client.h. */
#include "client.h"

#include "base/bytes.h"
#include "sim_broker.h"

#define PAUSE_MIN_NS  (NS_PER_MS)
#define PAUSE_MAX_NS  (150 * NS_PER_MS)
#define REST_PAUSE_NS (100 * NS_PER_MS)

struct rng scene_rng(const struct scene *scene, const char *who)
{
    return rng_from_seed(scene->seed ^ bytes_hash(bytes_from_text(who), 0x5eed));
}

static void on_wake(void *context);

static void wake_at(struct client *c, int64_t pause_ns)
{
    c->is_waking = true;
    sim_world_at(c->scene->world, scene_now_ns(c->scene) + pause_ns, on_wake, c);
}

static bool must_rest(const struct client *c)
{
    return c->scene->is_resting && !c->works_at_rest;
}

static void on_open(void *context, bool is_open)
{
    struct client *c = context;
    if (is_open && !must_rest(c))
        c->act(c);
    else
        client_again(c);
}

static void on_wake(void *context)
{
    struct client *c = context;
    if (must_rest(c)) {
        wake_at(c, REST_PAUSE_NS);
        return;
    }
    c->is_waking = false;
    if (sim_peer_is_open(c->peer))
        c->act(c);
    else
        sim_peer_connect(c->peer, on_open, c);
}

void client_init(struct client *c, struct scene *scene, const char *name,
                 void (*act)(struct client *client))
{
    *c = (struct client){
        .scene = scene,
        .peer = sim_peer_new(scene->machine, name, "broker1", SIM_BROKER_PORT),
        .rng = scene_rng(scene, name),
        .act = act,
        .pause_min_ns = PAUSE_MIN_NS,
        .pause_max_ns = PAUSE_MAX_NS,
    };
    client_again(c);
}

void client_deinit(struct client *c)
{
    sim_peer_free(c->peer);
}

void client_again(struct client *c)
{
    if (!c->is_waking)
        wake_at(c, rng_between(&c->rng, c->pause_min_ns, c->pause_max_ns));
}

void client_at_once(struct client *c)
{
    if (!c->is_waking)
        wake_at(c, 0);
}

void client_ask(struct client *c, int16_t api_key, int16_t version, const void *message,
                sim_peer_answer *answer, void *context)
{
    if (sim_peer_ask(c->peer, api_key, version, message, answer, context) < 0)
        answer(context, NULL);
}

bool client_is_waiting(const struct client *c)
{
    return sim_peer_waiting(c->peer) > 0;
}

void client_hang_up(struct client *c)
{
    if (sim_peer_is_open(c->peer))
        sim_peer_close(c->peer);
}
