/* See generations.h. */
#include "generations.h"

#include "base/mem.h"
#include "base/vec.h"
#include "commits.h"
#include "model.h"

#include <string.h>

/* Who a partition is given to: a static member by its name, any other by its id. */
struct owner {
    char *who; /* owned */
    uint32_t keys;
};

struct generation {
    int32_t number;
    char *leader;             /* owned */
    VEC(struct owner) given;  /* what leaders sent: one that syncs twice may give otherwise */
    VEC(struct owner) owners; /* what members were told */
    bool is_synced;
};

struct group {
    VEC(struct generation) generations;
};

struct generations {
    const struct commits *commits; /* for the names of groups */
    struct group groups[COMMITS_GROUPS_MAX];
};

struct generations *generations_new(const struct commits *commits)
{
    struct generations *all = MEM_NEW(struct generations);
    all->commits = commits;
    return all;
}

static void owners_clear(struct owner *owners, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(owners[i].who);
}

static void generation_deinit(struct generation *g)
{
    owners_clear(g->given.items, g->given.count);
    owners_clear(g->owners.items, g->owners.count);
    VEC_DEINIT(&g->given);
    VEC_DEINIT(&g->owners);
    mem_free(g->leader);
}

/* Those that are not on disk for sure; with `all`, any. */
static void forget_generations(struct group *group, bool all)
{
    size_t kept = 0;
    for (size_t i = 0; i < group->generations.count; i++) {
        if (group->generations.items[i].is_synced && !all)
            group->generations.items[kept++] = group->generations.items[i];
        else
            generation_deinit(&group->generations.items[i]);
    }
    group->generations.count = kept;
}

static const char *name_of(const struct generations *all, uint32_t group)
{
    return commits_group_name(all->commits, group);
}

void generations_free(struct generations *all)
{
    for (uint32_t i = 0; i < COMMITS_GROUPS_MAX; i++) {
        forget_generations(&all->groups[i], true);
        VEC_DEINIT(&all->groups[i].generations);
    }
    mem_free(all);
}

void generations_life_ended(struct generations *all, bool is_power_lost)
{
    for (uint32_t i = 0; i < COMMITS_GROUPS_MAX; i++)
        forget_generations(&all->groups[i], is_power_lost);
}

static struct generation *find_generation(struct group *group, int32_t number)
{
    for (size_t i = 0; i < group->generations.count; i++) {
        if (group->generations.items[i].number == number)
            return &group->generations.items[i];
    }
    return NULL;
}

static struct generation *get_generation(struct group *group, int32_t number)
{
    struct generation *g = find_generation(group, number);
    if (g == NULL) {
        g = VEC_PUSH(&group->generations);
        g->number = number;
    }
    return g;
}

/* A static member that comes again has the same name and another id: "<name>-<random>". */
static bool is_same_member(const char *id, struct bytes other)
{
    const char *end = strrchr(id, '/');
    return bytes_equal_text(other, id) ||
           (end != NULL && id[0] == 's' &&
            bytes_starts_with(other, bytes_from(id, (size_t)(end - id) + 1)));
}

void generations_joined(struct generations *all, uint32_t group_index, int32_t number,
                        struct bytes leader, struct bytes member_id)
{
    struct group *group = &all->groups[group_index];
    if (find_generation(group, number) == NULL && number < generations_newest(all, group_index))
        model_fail("member '%.*s' of %s joined generation %d, and there was generation %d before",
                   BYTES_PRINTF(member_id), name_of(all, group_index), number,
                   generations_newest(all, group_index));
    struct generation *g = get_generation(group, number);
    if (g->leader == NULL)
        g->leader = bytes_to_text(leader);
    if (!is_same_member(g->leader, leader))
        model_fail("generation %d of %s has the leaders '%s' and '%.*s'", number,
                   name_of(all, group_index), g->leader, BYTES_PRINTF(leader));
}

static char *owner_name(struct bytes member_id, struct bytes instance_id)
{
    return bytes_to_text(bytes_is_null(instance_id) ? member_id : instance_id);
}

void generations_assign(struct generations *all, uint32_t group, int32_t number,
                        struct bytes member_id, struct bytes instance_id, uint32_t keys)
{
    struct generation *g = get_generation(&all->groups[group], number);
    VEC_ADD(&g->given, ((struct owner){ .who = owner_name(member_id, instance_id), .keys = keys }));
}

static bool was_given(const struct generation *g, const char *who, uint32_t keys)
{
    for (size_t i = 0; i < g->given.count; i++) {
        if (strcmp(g->given.items[i].who, who) == 0 && g->given.items[i].keys == keys)
            return true;
    }
    /* Nothing is known of a generation that was lost sight of in a crash, and found again. */
    return keys == 0 || g->given.count == 0;
}

void generations_synced(struct generations *all, uint32_t group_index, int32_t number,
                        struct bytes member_id, struct bytes instance_id, uint32_t keys)
{
    struct group *group = &all->groups[group_index];
    struct generation *g = find_generation(group, number);
    if (g == NULL)
        return; /* of before a power loss */
    g->is_synced = true;
    AUTO(mem_freep) char *who = owner_name(member_id, instance_id);
    if (!was_given(g, who, keys))
        model_fail("%s of %s has partitions %x in generation %d, which nobody gave it", who,
                   name_of(all, group_index), keys, number);
    for (size_t i = 0; i < g->owners.count; i++) {
        const struct owner *other = &g->owners.items[i];
        const bool is_same = strcmp(other->who, who) == 0;
        if (is_same ? other->keys != keys : (other->keys & keys) != 0)
            model_fail("generation %d of %s: %s has partitions %x, and %s has %x", number,
                       name_of(all, group_index), other->who, other->keys, who, keys);
        if (is_same)
            return;
    }
    VEC_ADD(&g->owners, ((struct owner){ .who = TAKE(who), .keys = keys }));
}

int32_t generations_newest(const struct generations *all, uint32_t group)
{
    int32_t newest = 0;
    for (size_t i = 0; i < all->groups[group].generations.count; i++)
        newest = MAX(newest, all->groups[group].generations.items[i].number);
    return newest;
}
