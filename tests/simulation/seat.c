/* See seat.h. */
#include "seat.h"

#include "commits.h"

#include <stdio.h>

void seat_init(struct seat *seat, const struct scene *scene, uint32_t group, uint32_t index)
{
    struct rng rng = scene_rng(scene, "static");
    for (uint32_t i = 0; i < COMMITS_MEMBERS_MAX * group + index; i++)
        (void)rng_u64(&rng);
    seat->is_static = rng_chance(&rng, 300000);
    (void)snprintf(seat->instance, sizeof(seat->instance), "s%u.%u/", group, index);
    seat->is_shared = commits_is_mixed(scene->commits, group);
    seat->is_subscribers =
        seat->is_shared ? rng_chance(&rng, 400000) : commits_has_subscribers(scene->commits, group);
}

uint64_t seat_going(const struct seat *seat)
{
    return seat->is_shared ? 60 : 12;
}

int64_t seat_away_max_ns(const struct seat *seat)
{
    return (seat->is_shared ? 2 : 5) * NS_PER_SECOND;
}

void seat_leave(struct seat *seat, struct rng *rng)
{
    if (seat->is_shared && rng_chance(rng, 600000))
        seat->is_subscribers = !seat->is_subscribers;
}
