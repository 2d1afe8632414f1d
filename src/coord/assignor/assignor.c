/* See assignor.h. What is common: names, the map of owners, and each member's share of it. */
#include "coord/assignor/assignor_int.h"

static const char *const names[ASSIGNOR_COUNT] = {
    [ASSIGNOR_UNIFORM] = "uniform",
    [ASSIGNOR_RANGE] = "range",
};

const char *group_assignor_name(enum assignor assignor)
{
    ASSERT(assignor < ASSIGNOR_COUNT);
    return names[assignor];
}

int group_assignor_by_name(struct bytes name, enum assignor *out)
{
    for (enum assignor i = 0; i < ASSIGNOR_COUNT; i++) {
        if (bytes_equal_text(name, names[i])) {
            *out = i;
            return 0;
        }
    }
    return -ERR_NOT_FOUND;
}

static int make_map(const struct assignor_group *group, struct arena *arena,
                    struct assignor__map *out)
{
    uint64_t partition_count = 0;
    for (uint32_t i = 0; i < group->topic_count; i++)
        partition_count += group->topics[i].partition_count;
    uint32_t *firsts = arena_zalloc(arena, (size_t)group->topic_count + 1, sizeof(uint32_t));
    uint32_t *owners = partition_count > INT32_MAX
                           ? NULL
                           : arena_alloc(arena, (size_t)partition_count * sizeof(uint32_t));
    if (firsts == NULL || owners == NULL)
        return -ERR_LIMIT;
    for (uint32_t i = 0; i < group->topic_count; i++)
        firsts[i + 1] = firsts[i] + group->topics[i].partition_count;
    for (uint32_t i = 0; i < partition_count; i++)
        owners[i] = ASSIGNOR__NOBODY;
    *out = (struct assignor__map){ .group = group,
                                   .topic_first = firsts,
                                   .owners = owners,
                                   .partition_count = (uint32_t)partition_count };
    return 0;
}

/* Cuts `partitions` into shares of the sizes that members have in the map; `next` becomes where each begins. */
static void cut_shares(const struct assignor__map *map, const struct assignor_partition *partitions,
                       uint32_t *next, struct assignor_share *shares)
{
    for (uint32_t i = 0; i < map->partition_count; i++) {
        if (map->owners[i] != ASSIGNOR__NOBODY)
            shares[map->owners[i]].partition_count++;
    }
    uint32_t begin = 0;
    for (uint32_t i = 0; i < map->group->member_count; i++) {
        shares[i].partitions = &partitions[begin];
        next[i] = begin;
        begin += shares[i].partition_count;
    }
}

static int share_out(const struct assignor__map *map, struct arena *arena,
                     const struct assignor_share **out_shares)
{
    const uint32_t member_count = map->group->member_count;
    struct assignor_partition *partitions =
        arena_alloc(arena, (size_t)map->partition_count * sizeof(*partitions));
    struct assignor_share *shares = arena_zalloc(arena, member_count, sizeof(*shares));
    uint32_t *next = arena_alloc(arena, (size_t)member_count * sizeof(*next));
    if (partitions == NULL || shares == NULL || next == NULL)
        return -ERR_LIMIT;
    cut_shares(map, partitions, next, shares);
    for (uint32_t topic = 0; topic < map->group->topic_count; topic++) {
        const uint32_t first = map->topic_first[topic];
        for (uint32_t i = first; i < map->topic_first[topic + 1]; i++) {
            if (map->owners[i] != ASSIGNOR__NOBODY)
                partitions[next[map->owners[i]]++] =
                    (struct assignor_partition){ .topic = topic, .partition = i - first };
        }
    }
    *out_shares = shares;
    return 0;
}

int group_assignor_assign(enum assignor assignor, const struct assignor_group *group,
                          struct arena *arena, const struct assignor_share **out_shares)
{
    ASSERT(assignor < ASSIGNOR_COUNT);
    struct assignor__map map;
    int r = make_map(group, arena, &map);
    if (r < 0)
        return r;
    switch (assignor) {
    case ASSIGNOR_UNIFORM:
        r = assignor__uniform(&map, arena);
        break;
    case ASSIGNOR_RANGE:
        r = assignor__range(&map, arena);
        break;
    }
    return r == 0 ? share_out(&map, arena, out_shares) : r;
}
