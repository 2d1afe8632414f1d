/* See ownership.h. */
#include "ownership.h"

#include "base/mem.h"
#include "base/vec.h"
#include "commits.h"
#include "model.h"
#include "wire/kafka_error.h"

#define NOBODY UINT32_MAX

struct claim {
    uint32_t group;
    const char *member; /* borrowed; lives as long as the history */
    int32_t epoch;
    int64_t until_ns;
    uint64_t round; /* another than now: it is void */
};

struct group {
    int32_t floor;
    uint32_t owners[COMMITS_KEYS_MAX]; /* claims: who was given it last */
    bool is_owned[COMMITS_KEYS_MAX];   /* and has not given it up */
};

struct ownership {
    const struct scene *scene;
    struct group groups[COMMITS_GROUPS_MAX];
    VEC(struct claim) claims;
    uint64_t round;
};

struct ownership *ownership_new(const struct scene *scene)
{
    struct ownership *o = MEM_NEW(struct ownership);
    o->scene = scene;
    for (uint32_t i = 0; i < COMMITS_GROUPS_MAX; i++) {
        for (uint32_t k = 0; k < COMMITS_KEYS_MAX; k++)
            o->groups[i].owners[k] = NOBODY;
    }
    return o;
}

void ownership_free(struct ownership *o)
{
    VEC_DEINIT(&o->claims);
    mem_free(o);
}

int32_t ownership_floor(const struct ownership *o, uint32_t group)
{
    return o->groups[group].floor;
}

uint64_t ownership_round(const struct ownership *o)
{
    return o->round;
}

static const char *group_name(const struct ownership *o, uint32_t group)
{
    return commits_group_name(o->scene->commits, group);
}

static bool is_void(const struct ownership *o, uint32_t claim)
{
    return claim == NOBODY || o->claims.items[claim].round != o->round;
}

bool ownership_is_in_force(const struct ownership *o, uint32_t claim)
{
    return scene_now_ns(o->scene) < o->claims.items[claim].until_ns;
}

/* ---- epochs ------------------------------------------------------------------------------------- */

uint32_t ownership_enter(struct ownership *o, uint32_t group, const char *member, int32_t epoch,
                         int32_t floor)
{
    if (epoch < floor)
        model_fail("%s of %s joined in epoch %d, and there was epoch %d before", member,
                   group_name(o, group), epoch, floor);
    VEC_ADD(&o->claims, ((struct claim){
                            .group = group, .member = member, .epoch = epoch, .round = o->round }));
    o->groups[group].floor = MAX(o->groups[group].floor, epoch);
    return (uint32_t)o->claims.count - 1;
}

void ownership_told_group(const struct ownership *o, uint32_t group, int32_t epoch)
{
    if (epoch < o->groups[group].floor)
        model_fail("%s is in epoch %d, and a member was told epoch %d before", group_name(o, group),
                   epoch, o->groups[group].floor);
}

void ownership_lose_begin(struct ownership *o)
{
    if (o->scene->is_flushed)
        return;
    o->round++;
    for (uint32_t i = 0; i < COMMITS_GROUPS_MAX; i++)
        o->groups[i].floor = 0;
}

void ownership_lose_epoch(struct ownership *o, uint32_t group, int32_t epoch, bool is_flushed)
{
    if (is_flushed && !o->scene->is_flushed)
        o->groups[group].floor = epoch;
}

/* ---- partitions --------------------------------------------------------------------------------- */

static void check_epoch(struct ownership *o, struct claim *claim, int32_t epoch)
{
    struct group *group = &o->groups[claim->group];
    if (epoch < claim->epoch)
        model_fail("%s of %s is in epoch %d, after epoch %d", claim->member,
                   group_name(o, claim->group), epoch, claim->epoch);
    claim->epoch = epoch;
    group->floor = MAX(group->floor, epoch);
}

void ownership_heard(struct ownership *o, uint32_t claim, int32_t epoch, uint32_t keys,
                     int64_t until_ns)
{
    struct claim *own = &o->claims.items[claim];
    const struct group *group = &o->groups[own->group];
    own->until_ns = until_ns;
    if (is_void(o, claim))
        return;
    check_epoch(o, own, epoch);
    for (uint32_t k = 0; k < COMMITS_KEYS_MAX; k++) {
        if ((keys & (1u << k)) == 0 || group->owners[k] == claim)
            continue;
        const struct commits_key key = commits_key(o->scene->commits, k);
        model_fail("%s is still a member of %s with %s-%d, which %s was given meanwhile",
                   own->member, group_name(o, own->group), key.topic, key.partition,
                   o->claims.items[group->owners[k]].member);
    }
}

static void take(struct ownership *o, uint32_t claim, uint32_t index)
{
    const struct claim *own = &o->claims.items[claim];
    struct group *group = &o->groups[own->group];
    const uint32_t other = group->owners[index];
    if (group->is_owned[index] && other != claim && !is_void(o, other) &&
        ownership_is_in_force(o, other)) {
        const struct commits_key key = commits_key(o->scene->commits, index);
        model_fail("%s: %s is given %s-%d, and %s has it", group_name(o, own->group), own->member,
                   key.topic, key.partition, o->claims.items[other].member);
    }
    group->owners[index] = claim;
    group->is_owned[index] = true;
}

void ownership_take(struct ownership *o, uint32_t claim, uint32_t keys)
{
    for (uint32_t k = 0; k < COMMITS_KEYS_MAX && !is_void(o, claim); k++) {
        if ((keys & (1u << k)) != 0)
            take(o, claim, k);
    }
}

void ownership_give_up(struct ownership *o, uint32_t claim, uint32_t keys)
{
    struct group *group = &o->groups[o->claims.items[claim].group];
    for (uint32_t k = 0; k < COMMITS_KEYS_MAX; k++) {
        if ((keys & (1u << k)) != 0 && group->owners[k] == claim)
            group->is_owned[k] = false;
    }
}

uint32_t ownership_lost(const struct ownership *o, uint32_t claim, uint32_t keys)
{
    const struct group *group = &o->groups[o->claims.items[claim].group];
    uint32_t lost = 0;
    for (uint32_t k = 0; k < COMMITS_KEYS_MAX && !is_void(o, claim); k++) {
        if (group->owners[k] != claim && !is_void(o, group->owners[k]))
            lost |= keys & (1u << k);
    }
    return lost;
}

void ownership_fenced(const struct ownership *o, uint32_t claim, bool has_doubts, int16_t error)
{
    const struct claim *own = &o->claims.items[claim];
    if (is_void(o, claim) || !ownership_is_in_force(o, claim) ||
        (error == KAFKA_FENCED_MEMBER_EPOCH && has_doubts))
        return;
    model_fail("%s of %s was heard of in time, and is told %s", own->member,
               group_name(o, own->group), kafka_error_name(error));
}
