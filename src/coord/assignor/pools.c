/* Pools of topics: see assignor_int.h.
 *
 * All topics begin in one pool; each subscription then splits every pool that it names in part.
 */
#include "coord/assignor/assignor_int.h"

#include <stdlib.h>
#include <string.h>

struct split {
    const struct assignor_group *group;
    uint32_t *pool_of; /* of each topic */
    uint32_t *sizes;   /* topics of each pool */
    uint32_t *hits;    /* of them, in the subscription at hand */
    uint32_t *halves;  /* the pool they go to */
    uint32_t count;    /* of pools */
};

/* Members of one kind mostly come one after another, and share the array or its content. */
static bool is_as_before(const struct assignor_group *group, uint32_t member)
{
    if (member == 0)
        return false;
    const struct assignor_member *a = &group->members[member - 1];
    const struct assignor_member *b = &group->members[member];
    return a->topic_count == b->topic_count &&
           (a->topics == b->topics || a->topic_count == 0 ||
            memcmp(a->topics, b->topics, a->topic_count * sizeof(uint32_t)) == 0);
}

static void split_by(struct split *split, const struct assignor_member *member)
{
    for (uint32_t i = 0; i < member->topic_count; i++)
        split->hits[split->pool_of[member->topics[i]]]++;
    for (uint32_t i = 0; i < member->topic_count; i++) {
        uint32_t *pool = &split->pool_of[member->topics[i]];
        const uint32_t from = *pool;
        if (split->hits[from] == split->sizes[from])
            continue;
        if (split->halves[from] == ASSIGNOR__NOBODY)
            split->halves[from] = split->count++;
        *pool = split->halves[from];
        split->sizes[*pool]++;
    }
    /* The sizes of those that were split, and a clean slate. */
    for (uint32_t i = 0; i < split->count; i++) {
        if (split->halves[i] != ASSIGNOR__NOBODY)
            split->sizes[i] -= split->sizes[split->halves[i]];
        split->halves[i] = ASSIGNOR__NOBODY;
        split->hits[i] = 0;
    }
}

static int split_topics(const struct assignor_group *group, struct arena *arena, struct split *out)
{
    const uint32_t count = group->topic_count;
    struct split split = { .group = group,
                           .pool_of = arena_zalloc(arena, count, sizeof(uint32_t)),
                           .sizes = arena_zalloc(arena, count, sizeof(uint32_t)),
                           .hits = arena_zalloc(arena, count, sizeof(uint32_t)),
                           .halves = arena_alloc(arena, count * sizeof(uint32_t)),
                           .count = 1 };
    if (split.pool_of == NULL || split.sizes == NULL || split.hits == NULL || split.halves == NULL)
        return -ERR_LIMIT;
    split.sizes[0] = count;
    for (uint32_t i = 0; i < count; i++)
        split.halves[i] = ASSIGNOR__NOBODY;
    for (uint32_t i = 0; i < group->member_count; i++) {
        if (!is_as_before(group, i))
            split_by(&split, &group->members[i]);
    }
    *out = split;
    return 0;
}

/* The pools that a member's subscription is made of; `list` holds those of the member before. */
static uint32_t pools_of(struct split *split, uint32_t member, uint32_t *list, uint32_t list_count)
{
    if (is_as_before(split->group, member))
        return list_count;
    const struct assignor_member *m = &split->group->members[member];
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->topic_count; i++) {
        const uint32_t pool = split->pool_of[m->topics[i]];
        if (split->hits[pool] == 0)
            list[count++] = pool;
        split->hits[pool] = 1;
    }
    for (uint32_t i = 0; i < count; i++)
        split->hits[list[i]] = 0;
    return count;
}

static int gather_members(struct split *split, struct arena *arena, struct assignor__pool *pools)
{
    uint32_t *list = arena_alloc(arena, split->count * sizeof(uint32_t));
    if (list == NULL)
        return -ERR_LIMIT;
    uint32_t list_count = 0;
    for (uint32_t i = 0; i < split->group->member_count; i++) {
        list_count = pools_of(split, i, list, list_count);
        for (uint32_t j = 0; j < list_count; j++)
            pools[list[j]].member_count++;
    }
    for (uint32_t i = 0; i < split->count; i++) {
        pools[i].members = arena_alloc(arena, pools[i].member_count * sizeof(uint32_t));
        if (pools[i].members == NULL)
            return -ERR_LIMIT;
        pools[i].member_count = 0;
    }
    for (uint32_t i = 0; i < split->group->member_count; i++) {
        list_count = pools_of(split, i, list, list_count);
        for (uint32_t j = 0; j < list_count; j++)
            pools[list[j]].members[pools[list[j]].member_count++] = i;
    }
    return 0;
}

static int gather_topics(const struct split *split, struct arena *arena,
                         struct assignor__pool *pools)
{
    for (uint32_t i = 0; i < split->count; i++) {
        pools[i].topics = arena_alloc(arena, split->sizes[i] * sizeof(uint32_t));
        if (pools[i].topics == NULL)
            return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < split->group->topic_count; i++) {
        struct assignor__pool *pool = &pools[split->pool_of[i]];
        pool->topics[pool->topic_count++] = i;
        pool->partition_count += split->group->topics[i].partition_count;
    }
    return 0;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_pools(const void *a, const void *b)
{
    const struct assignor__pool *x = a;
    const struct assignor__pool *y = b;
    int order = compare_numbers((uint64_t)y->partition_count * x->member_count,
                                (uint64_t)x->partition_count * y->member_count);
    if (order == 0)
        order = compare_numbers(x->member_count, y->member_count);
    return order != 0 ? order : compare_numbers(x->topics[0], y->topics[0]);
}

int assignor__pools(const struct assignor_group *group, struct arena *arena,
                    struct assignor__pool **out, uint32_t *out_count)
{
    *out_count = 0;
    if (group->topic_count == 0)
        return 0;
    struct split split = { .group = group };
    int r = split_topics(group, arena, &split);
    if (r < 0)
        return r;
    struct assignor__pool *pools = arena_zalloc(arena, split.count, sizeof(*pools));
    if (pools == NULL)
        return -ERR_LIMIT;
    r = gather_topics(&split, arena, pools);
    if (r == 0)
        r = gather_members(&split, arena, pools);
    if (r < 0)
        return r;
    qsort(pools, split.count, sizeof(*pools), compare_pools);
    *out = pools;
    *out_count = split.count;
    return 0;
}
