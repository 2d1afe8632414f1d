/* What everybody who takes part in a history shares: the world, the broker, what is known, and what time of the history it is.
 */
#pragma once

#include "base/rng.h"
#include "sim/sim_world.h"

struct codec_contexts;
struct commits;
struct generations;
struct model;
struct ownership;
struct rot;
struct sim_broker;
struct txns;

struct scene {
    struct sim_world *world;
    struct sim_broker *broker;
    struct sim_node *machine; /* of all clients */
    struct model *model;
    struct commits *commits;
    struct generations *generations;
    struct ownership *ownership;
    struct txns *txns;
    struct rot *rot;
    struct codec_contexts *codecs; /* for all clients and checkers */
    uint64_t seed;
    int16_t transaction_version; /* of the cluster: 0 to 2 */
    bool is_flushed;             /* the broker acknowledges only what is on stable storage */
    uint64_t life;               /* of the broker: counts the ends of its incarnations */
    uint64_t power_losses;       /* among them */
    int64_t full_until_ns;       /* the disk is full until then, or was last; 0: never */
    int64_t slow_until_ns;       /* the same of a slow one */
    bool is_calm;                /* the faults are over */
    bool is_resting;             /* clients finish what they have begun, and begin nothing */
    uint64_t acknowledged;       /* records, commits and the like: that things go on */
    uint64_t read;
    uint64_t rotten;    /* bits that flipped on the disk */
    uint64_t compacted; /* records that a reader did not meet any more, each time */
};

static inline int64_t scene_now_ns(const struct scene *scene)
{
    return sim_world_now_ns(scene->world);
}

/* How long after a fault its effects may still be seen. */
#define SCENE_AFTERMATH_NS (30 * NS_PER_SECOND)

/* Whether the disk is or was full so lately that the broker may refuse writes for it. */
static inline bool scene_may_be_full(const struct scene *scene)
{
    return scene->full_until_ns != 0 &&
           scene_now_ns(scene) < scene->full_until_ns + SCENE_AFTERMATH_NS;
}

static inline bool scene_may_be_slow(const struct scene *scene)
{
    return scene->slow_until_ns != 0 &&
           scene_now_ns(scene) < scene->slow_until_ns + SCENE_AFTERMATH_NS;
}

/* Of each who takes part, row of its own: so that what one does changes little of what the others do. */
struct rng scene_rng(const struct scene *scene, const char *who);
