/* The uniform assignor: see assignor.h.
 *
 * Within a pool (topics with the same subscribers) partitions are alike, so only numbers matter first. What nobody has is
 * poured into the members as water into a vessel of uneven ground; then, as long as somebody stands two above another of its
 * pool, the heights are levelled:
 *
 *           #                                  level x: all members below it can be raised to it from what those above it
 *     # # # #       x ----#-#-#-#-#--          have of this pool; x + 1 could not be reached. Whatever order partitions are
 *   # # # # #             # # # # #            moved in one by one, from the highest to the lowest, ends here, with no move more.
 *
 * Pools share members, so that levelling one disturbs others: passes over all of them go on until none has anything to do. The sum
 * of squares of the heights falls with every partition that moves, so this ends; LOOKS_MAX bounds it where it would take long.
 * Which partitions go to whom is chosen after that: `take_back`, `hand_out`.
 */
#include "coord/assignor/assignor_int.h"

/* Members and partitions looked at after the first two passes: about a tenth of a second. */
#define LOOKS_MAX (UINT64_C(1) << 26)

#define RACK_COUNT 64

struct uniform {
    const struct assignor_group *group;
    struct assignor__map *map;
    uint32_t *homes;   /* of each partition, whose it was; ASSIGNOR__NOBODY */
    uint32_t *heights; /* of each member, what it has of all pools */
    uint32_t *own;     /* and of the pool at hand */
    uint32_t *gives;   /* what it has still to give, or to get */
    uint32_t *gets;
    bool has_racks;
};

/* ---- what was there ---------------------------------------------------------------------------------------- */

static bool subscribes(const struct assignor_member *member, uint32_t topic)
{
    uint32_t low = 0;
    uint32_t high = member->topic_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (member->topics[middle] < topic)
            low = middle + 1;
        else
            high = middle;
    }
    return low < member->topic_count && member->topics[low] == topic;
}

static void keep_owned(struct uniform *u, uint32_t index)
{
    const struct assignor_member *member = &u->group->members[index];
    uint32_t topic = ASSIGNOR__NOBODY;
    bool is_kept = false;
    for (uint32_t i = 0; i < member->owned_count; i++) {
        const struct assignor_partition *p = &member->owned[i];
        if (p->topic != topic) {
            topic = p->topic;
            is_kept = subscribes(member, topic);
        }
        if (!is_kept || p->partition >= u->group->topics[topic].partition_count)
            continue;
        const uint32_t at = u->map->topic_first[topic] + p->partition;
        if (u->map->owners[at] != ASSIGNOR__NOBODY)
            continue;
        u->map->owners[at] = index;
        u->homes[at] = index;
        u->heights[index]++;
    }
}

static int begin(struct uniform *u, struct assignor__map *map, struct arena *arena)
{
    const uint32_t member_count = map->group->member_count;
    *u = (struct uniform){
        .group = map->group,
        .map = map,
        .homes = arena_alloc(arena, (size_t)map->partition_count * sizeof(uint32_t)),
        .heights = arena_zalloc(arena, member_count, sizeof(uint32_t)),
        .own = arena_zalloc(arena, member_count, sizeof(uint32_t)),
        .gives = arena_zalloc(arena, member_count, sizeof(uint32_t)),
        .gets = arena_zalloc(arena, member_count, sizeof(uint32_t)),
    };
    if (u->homes == NULL || u->heights == NULL || u->own == NULL || u->gives == NULL ||
        u->gets == NULL)
        return -ERR_LIMIT;
    for (uint32_t i = 0; i < map->partition_count; i++)
        u->homes[i] = ASSIGNOR__NOBODY;
    for (uint32_t i = 0; i < member_count; i++) {
        keep_owned(u, i);
        u->has_racks |= u->group->members[i].rack != 0;
    }
    return 0;
}

/* ---- how many: levels -------------------------------------------------------------------------------------- */

static uint32_t above(uint32_t height, uint32_t level)
{
    return height > level ? height - level : 0;
}

static uint32_t can_give(const struct uniform *u, uint32_t member, uint32_t level)
{
    const uint32_t surplus = above(u->heights[member], level);
    return surplus < u->own[member] ? surplus : u->own[member];
}

/* What it takes to raise everybody to a level. */
static uint64_t demand(const struct uniform *u, const struct assignor__pool *pool, uint32_t level)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pool->member_count; i++)
        sum += above(level, u->heights[pool->members[i]]);
    return sum;
}

/* What those above a level have to give. */
static uint64_t supply(const struct uniform *u, const struct assignor__pool *pool, uint32_t level)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < pool->member_count; i++)
        sum += can_give(u, pool->members[i], level);
    return sum;
}

struct span {
    uint32_t low;
    uint32_t high;
};

static struct span span_of(const struct uniform *u, const struct assignor__pool *pool)
{
    struct span span = { .low = UINT32_MAX, .high = 0 };
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const uint32_t height = u->heights[pool->members[i]];
        span.low = height < span.low ? height : span.low;
        span.high = height > span.high ? height : span.high;
    }
    return span;
}

/* The highest level that everybody can be raised to: from `free_count`, or else from what others give. */
static uint32_t find_level(const struct uniform *u, const struct assignor__pool *pool,
                           uint32_t free_count)
{
    const struct span span = span_of(u, pool);
    uint32_t low = span.low; /* can be reached: there is nothing to do */
    uint32_t high = free_count > 0 ? span.low + free_count + 1 : span.high + 1; /* cannot */
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        const uint64_t there = free_count > 0 ? free_count : supply(u, pool, middle);
        if (demand(u, pool, middle) <= there)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Raises all to the level, and the first ones one above it until `count` are given out. */
static void plan_gets(struct uniform *u, const struct assignor__pool *pool, uint32_t level,
                      uint64_t count)
{
    uint64_t extra = count - demand(u, pool, level);
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const uint32_t member = pool->members[i];
        u->gets[member] = above(level, u->heights[member]);
        if (extra > 0 && u->heights[member] <= level) {
            u->gets[member]++;
            extra--;
        }
    }
    ASSERT(extra == 0);
}

/* Lowers all to one above the level, and the first ones to it until `count` are there. */
static void plan_gives(struct uniform *u, const struct assignor__pool *pool, uint32_t level,
                       uint64_t count)
{
    uint64_t extra = count - supply(u, pool, level + 1);
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const uint32_t member = pool->members[i];
        u->gives[member] = can_give(u, member, level + 1);
        if (extra > 0 && can_give(u, member, level) > u->gives[member]) {
            u->gives[member]++;
            extra--;
        }
    }
    ASSERT(extra == 0);
}

/* ---- which: partitions ------------------------------------------------------------------------------------- */

static bool is_near(const struct uniform *u, uint32_t topic, uint32_t partition, uint32_t member)
{
    const uint64_t *racks = u->group->topics[topic].racks;
    return racks != NULL && (racks[partition] & u->group->members[member].rack) != 0;
}

enum choice {
    CHOICE_BEST,
    CHOICE_GOOD,
    CHOICE_ANY,
};

/* Whether a partition is one to be taken from its owner: first what it did not have before, then what is far from it. */
static bool is_taken(const struct uniform *u, uint32_t topic, uint32_t partition,
                     enum choice choice)
{
    const uint32_t at = u->map->topic_first[topic] + partition;
    const uint32_t owner = u->map->owners[at];
    if (owner == ASSIGNOR__NOBODY || u->gives[owner] == 0)
        return false;
    if (choice == CHOICE_BEST)
        return u->homes[at] != owner;
    return choice == CHOICE_ANY || !is_near(u, topic, partition, owner);
}

static void take_back(struct uniform *u, const struct assignor__pool *pool)
{
    for (enum choice choice = CHOICE_BEST; choice <= CHOICE_ANY; choice++) {
        for (uint32_t i = pool->topic_count; i-- > 0;) {
            const uint32_t topic = pool->topics[i];
            for (uint32_t p = u->group->topics[topic].partition_count; p-- > 0;) {
                if (!is_taken(u, topic, p, choice))
                    continue;
                uint32_t *owner = &u->map->owners[u->map->topic_first[topic] + p];
                u->gives[*owner]--;
                u->heights[*owner]--;
                *owner = ASSIGNOR__NOBODY;
            }
        }
    }
}

/* Who of a pool still gets something, in order: all of them, and those of each rack. */
struct takers {
    uint32_t next; /* index into the pool's members */
    uint32_t next_near[RACK_COUNT];
    uint32_t near_count[RACK_COUNT]; /* what they are still to get together */
};

static uint32_t rack_number(uint64_t rack)
{
    return (uint32_t)__builtin_ctzll(rack);
}

static void count_takers(const struct uniform *u, const struct assignor__pool *pool,
                         struct takers *out)
{
    *out = (struct takers){ .next = 0 };
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const uint64_t rack = u->group->members[pool->members[i]].rack;
        if (rack != 0)
            out->near_count[rack_number(rack)] += u->gets[pool->members[i]];
    }
}

static uint32_t first_taker(const struct uniform *u, const struct assignor__pool *pool,
                            uint64_t rack, uint32_t *next)
{
    for (; *next < pool->member_count; ++*next) {
        const uint32_t member = pool->members[*next];
        if (u->gets[member] > 0 && (rack == 0 || u->group->members[member].rack == rack))
            return member;
    }
    return ASSIGNOR__NOBODY;
}

/* Of the racks that have the partition, the one whose members have most to get. */
static uint32_t near_taker(const struct uniform *u, const struct assignor__pool *pool,
                           struct takers *takers, uint64_t racks)
{
    uint32_t best = RACK_COUNT;
    for (; racks != 0; racks &= racks - 1) {
        const uint32_t rack = rack_number(racks);
        if (takers->near_count[rack] > 0 &&
            (best == RACK_COUNT || takers->near_count[rack] > takers->near_count[best]))
            best = rack;
    }
    if (best == RACK_COUNT)
        return ASSIGNOR__NOBODY;
    return first_taker(u, pool, UINT64_C(1) << best, &takers->next_near[best]);
}

static uint32_t choose_taker(const struct uniform *u, const struct assignor__pool *pool,
                             struct takers *takers, uint32_t topic, uint32_t partition,
                             enum choice choice)
{
    if (choice == CHOICE_BEST) {
        const uint32_t home = u->homes[u->map->topic_first[topic] + partition];
        return home != ASSIGNOR__NOBODY && u->gets[home] > 0 ? home : ASSIGNOR__NOBODY;
    }
    if (choice == CHOICE_ANY)
        return first_taker(u, pool, 0, &takers->next);
    const uint64_t *racks = u->group->topics[topic].racks;
    return racks == NULL || !u->has_racks ? ASSIGNOR__NOBODY
                                          : near_taker(u, pool, takers, racks[partition]);
}

static void give(struct uniform *u, struct takers *takers, uint32_t at, uint32_t member)
{
    const uint64_t rack = u->group->members[member].rack;
    if (rack != 0)
        takers->near_count[rack_number(rack)]--;
    u->map->owners[at] = member;
    u->heights[member]++;
    u->gets[member]--;
}

/* Gives what nobody has to those who get something: to whom had it before, then near its replicas, then in order. */
static void hand_out(struct uniform *u, const struct assignor__pool *pool)
{
    struct takers takers;
    count_takers(u, pool, &takers);
    for (enum choice choice = CHOICE_BEST; choice <= CHOICE_ANY; choice++) {
        for (uint32_t i = 0; i < pool->topic_count; i++) {
            const uint32_t first = u->map->topic_first[pool->topics[i]];
            for (uint32_t p = 0; p < u->group->topics[pool->topics[i]].partition_count; p++) {
                if (u->map->owners[first + p] != ASSIGNOR__NOBODY)
                    continue;
                const uint32_t member = choose_taker(u, pool, &takers, pool->topics[i], p, choice);
                if (member != ASSIGNOR__NOBODY)
                    give(u, &takers, first + p, member);
            }
        }
    }
}

/* ---- passes ------------------------------------------------------------------------------------------------ */

/* Answers how many nobody has. */
static uint32_t count_own(struct uniform *u, const struct assignor__pool *pool)
{
    for (uint32_t i = 0; i < pool->member_count; i++)
        u->own[pool->members[i]] = 0;
    uint32_t free_count = 0;
    for (uint32_t i = 0; i < pool->topic_count; i++) {
        const uint32_t topic = pool->topics[i];
        for (uint32_t at = u->map->topic_first[topic]; at < u->map->topic_first[topic + 1]; at++) {
            if (u->map->owners[at] == ASSIGNOR__NOBODY)
                free_count++;
            else
                u->own[u->map->owners[at]]++;
        }
    }
    return free_count;
}

static void pour(struct uniform *u, const struct assignor__pool *pool)
{
    if (pool->member_count == 0)
        return;
    const uint32_t free_count = count_own(u, pool);
    if (free_count == 0)
        return;
    plan_gets(u, pool, find_level(u, pool, free_count), free_count);
    hand_out(u, pool);
}

/* Answers whether something moved. */
static bool level_out(struct uniform *u, const struct assignor__pool *pool)
{
    const struct span span = span_of(u, pool);
    if (pool->member_count == 0 || span.high - span.low < 2)
        return false;
    (void)count_own(u, pool); /* none is free any more */
    const uint32_t level = find_level(u, pool, 0);
    const uint64_t raise = demand(u, pool, level);
    const uint64_t lower = supply(u, pool, level + 1);
    const uint64_t count = raise > lower ? raise : lower;
    if (count == 0)
        return false;
    plan_gives(u, pool, level, count);
    plan_gets(u, pool, level, count);
    take_back(u, pool);
    hand_out(u, pool);
    return true;
}

int assignor__uniform(struct assignor__map *map, struct arena *arena)
{
    struct uniform u;
    struct assignor__pool *pools = NULL;
    uint32_t pool_count = 0;
    int r = begin(&u, map, arena);
    if (r == 0)
        r = assignor__pools(map->group, arena, &pools, &pool_count);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < pool_count; i++)
        pour(&u, &pools[i]);
    uint64_t looks = 0;
    for (bool is_moving = true; is_moving && looks < LOOKS_MAX;) {
        is_moving = false;
        for (uint32_t i = 0; i < pool_count; i++) {
            is_moving |= level_out(&u, &pools[i]);
            looks += pools[i].member_count + pools[i].partition_count;
        }
    }
    return 0;
}
