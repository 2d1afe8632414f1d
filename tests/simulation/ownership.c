/* See ownership.h. */
#include "ownership.h"

#include "base/mem.h"
#include "base/vec.h"
#include "commits.h"
#include "model.h"
#include "wire/kafka_error.h"

#define NOBODY UINT32_MAX
#define EVER   INT64_MAX

struct claim {
    uint32_t group;
    const char *member; /* borrowed; lives as long as the history */
    bool is_classic;
    bool is_led;   /* its epoch is a generation of a classic group */
    bool is_loose; /* its partitions may be others since the leader has sent its assignment */
    int32_t epoch;
    int64_t heard_ns; /* when it asked what was answered last */
    int64_t until_ns;
    uint64_t round; /* another than now: it is void */
};

struct group {
    int32_t floor;
    uint64_t era; /* counts the times that it may have been empty; mixed ones only */
    uint32_t owners[COMMITS_KEYS_MAX]; /* claims: who was given it last */
    bool is_owned[COMMITS_KEYS_MAX];   /* and has not given it up */
    bool has_subscribers;              /* for sure */
    int64_t alone_ns;                  /* when that ended */
    int64_t downgraded_ns; /* at that time at the latest, if it was; EVER: it still may be */
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

uint64_t ownership_round(const struct ownership *o)
{
    return o->round;
}

static const char *group_name(const struct ownership *o, uint32_t group)
{
    return commits_group_name(o->scene->commits, group);
}

bool ownership_is_void(const struct ownership *o, uint32_t claim)
{
    return claim == NOBODY || o->claims.items[claim].round != o->round;
}

bool ownership_is_in_force(const struct ownership *o, uint32_t claim)
{
    return scene_now_ns(o->scene) < o->claims.items[claim].until_ns;
}

/* ---- who is there for sure ---------------------------------------------------------------------- */

static bool has_sure(const struct ownership *o, uint32_t group, bool subscribers_only)
{
    for (uint32_t i = 0; i < o->claims.count; i++) {
        const struct claim *claim = &o->claims.items[i];
        if (claim->group == group && !(subscribers_only && claim->is_classic) &&
            !ownership_is_void(o, i) && ownership_is_in_force(o, i))
            return true;
    }
    return false;
}

static void may_be_downgraded(struct ownership *o, struct group *group)
{
    group->has_subscribers = false;
    group->alone_ns = scene_now_ns(o->scene);
    group->downgraded_ns = EVER;
}

/* What time has brought about. */
static void look(struct ownership *o, uint32_t index)
{
    struct group *group = &o->groups[index];
    if (!commits_is_mixed(o->scene->commits, index))
        return;
    if (group->has_subscribers && !has_sure(o, index, true))
        may_be_downgraded(o, group);
    if (group->floor != 0 && !has_sure(o, index, false)) {
        group->floor = 0;
        group->era++;
    }
}

void ownership_doubts(struct ownership *o, uint32_t group)
{
    if (!o->groups[group].has_subscribers)
        may_be_downgraded(o, &o->groups[group]);
}

void ownership_is_led(struct ownership *o, uint32_t index, int64_t asked_ns)
{
    struct group *group = &o->groups[index];
    look(o, index);
    if (group->downgraded_ns == EVER && asked_ns >= group->alone_ns)
        group->downgraded_ns = scene_now_ns(o->scene);
}

void ownership_set_led(struct ownership *o, uint32_t claim, bool is_led)
{
    o->claims.items[claim].is_led = is_led;
}

void ownership_deal(struct ownership *o, uint32_t group)
{
    for (size_t i = 0; i < o->claims.count; i++) {
        if (o->claims.items[i].group == group && o->claims.items[i].is_classic)
            o->claims.items[i].is_loose = true;
    }
}

static void is_there(struct ownership *o, const struct claim *claim)
{
    struct group *group = &o->groups[claim->group];
    if (claim->is_classic || group->has_subscribers)
        return;
    group->has_subscribers = true;
    if (group->downgraded_ns == EVER)
        group->downgraded_ns = scene_now_ns(o->scene);
}

/* ---- epochs ------------------------------------------------------------------------------------- */

struct ownership_floor ownership_floor(struct ownership *o, uint32_t group)
{
    look(o, group);
    return (struct ownership_floor){ .epoch = o->groups[group].floor, .era = o->groups[group].era };
}

uint32_t ownership_enter(struct ownership *o, const struct ownership_entry *entry)
{
    struct group *group = &o->groups[entry->group];
    look(o, entry->group);
    if (entry->epoch < entry->floor.epoch && entry->floor.era == group->era)
        model_fail("%s of %s joined in epoch %d, and there was epoch %d before", entry->member,
                   group_name(o, entry->group), entry->epoch, entry->floor.epoch);
    VEC_ADD(&o->claims, ((struct claim){ .group = entry->group,
                                         .member = entry->member,
                                         .is_classic = entry->is_classic,
                                         .epoch = entry->epoch,
                                         .round = o->round }));
    return (uint32_t)o->claims.count - 1;
}

void ownership_told_group(struct ownership *o, uint32_t group, int32_t epoch)
{
    look(o, group);
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
                     int64_t asked_ns, int64_t until_ns)
{
    struct claim *own = &o->claims.items[claim];
    const struct group *group = &o->groups[own->group];
    look(o, own->group);
    own->until_ns = until_ns;
    own->heard_ns = asked_ns;
    own->is_loose = false;
    if (ownership_is_void(o, claim))
        return;
    is_there(o, own);
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

/* Whether what the other has, and was heard of with, is its own until it gives it up. */
static bool is_protected(const struct ownership *o, uint32_t index, const struct claim *taker)
{
    const struct claim *other = &o->claims.items[index];
    if (ownership_is_void(o, index) || !ownership_is_in_force(o, index) || other->is_loose)
        return false;
    return !other->is_classic || taker->is_led ||
           other->heard_ns >= o->groups[other->group].downgraded_ns;
}

static void take(struct ownership *o, uint32_t claim, uint32_t index)
{
    const struct claim *own = &o->claims.items[claim];
    struct group *group = &o->groups[own->group];
    const uint32_t other = group->owners[index];
    if (group->is_owned[index] && other != claim && is_protected(o, other, own)) {
        const struct commits_key key = commits_key(o->scene->commits, index);
        model_fail("%s: %s is given %s-%d, and %s has it", group_name(o, own->group), own->member,
                   key.topic, key.partition, o->claims.items[other].member);
    }
    group->owners[index] = claim;
    group->is_owned[index] = true;
}

void ownership_take(struct ownership *o, uint32_t claim, uint32_t keys)
{
    look(o, o->claims.items[claim].group);
    for (uint32_t k = 0; k < COMMITS_KEYS_MAX && !ownership_is_void(o, claim); k++) {
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

void ownership_leave(struct ownership *o, uint32_t claim)
{
    ownership_give_up(o, claim, UINT32_MAX);
    o->claims.items[claim].until_ns = 0;
    look(o, o->claims.items[claim].group);
}

uint32_t ownership_lost(const struct ownership *o, uint32_t claim, uint32_t keys)
{
    const struct group *group = &o->groups[o->claims.items[claim].group];
    uint32_t lost = 0;
    for (uint32_t k = 0; k < COMMITS_KEYS_MAX && !ownership_is_void(o, claim); k++) {
        if (group->owners[k] != claim && !ownership_is_void(o, group->owners[k]))
            lost |= keys & (1u << k);
    }
    return lost;
}

void ownership_fenced(const struct ownership *o, uint32_t claim, bool has_doubts, int16_t error)
{
    const struct claim *own = &o->claims.items[claim];
    if (ownership_is_void(o, claim) || !ownership_is_in_force(o, claim) ||
        (error == KAFKA_FENCED_MEMBER_EPOCH && has_doubts))
        return;
    model_fail("%s of %s was heard of in time, and is told %s", own->member,
               group_name(o, own->group), kafka_error_name(error));
}
