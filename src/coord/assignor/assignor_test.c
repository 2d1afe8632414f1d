/* What assignors promise, over many random groups, and by hand where the answer is known. */
#include "coord/assignor/assignor.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/test.h"
#include "coord/java_string.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX    40
#define TOPICS_MAX     12
#define PARTITIONS_MAX 24
#define ARENA_MAX      ((size_t)64 << 20)

/* A group under test: arrays of its own, and what a test needs to know of them. */
struct group {
    struct assignor_group in;
    struct assignor_member members[MEMBERS_MAX];
    struct assignor_topic topics[TOPICS_MAX];
    uint64_t racks[TOPICS_MAX][PARTITIONS_MAX];
    uint32_t subscriptions[MEMBERS_MAX][TOPICS_MAX];
    struct assignor_partition owned[MEMBERS_MAX][TOPICS_MAX * PARTITIONS_MAX];
    char ids[MEMBERS_MAX][16];
    struct arena arena;
    const struct assignor_share *shares;
};

static struct group *group_new(uint32_t member_count, uint32_t topic_count)
{
    struct group *g = MEM_NEW(struct group);
    arena_init(&g->arena, ARENA_MAX);
    g->in = (struct assignor_group){ .members = g->members,
                                     .member_count = member_count,
                                     .topics = g->topics,
                                     .topic_count = topic_count };
    for (uint32_t i = 0; i < member_count; i++) {
        snprintf(g->ids[i], sizeof(g->ids[i]), "m%02" PRIu32, i);
        g->members[i].member_id = bytes_from_text(g->ids[i]);
        g->members[i].topics = g->subscriptions[i];
        g->members[i].owned = g->owned[i];
    }
    for (uint32_t i = 0; i < topic_count; i++)
        g->topics[i].id.bytes[15] = (uint8_t)(i + 1);
    return g;
}

static void group_free(struct group *g)
{
    arena_deinit(&g->arena);
    mem_free(g);
}

static void subscribe(struct group *g, uint32_t member, uint32_t topic)
{
    g->subscriptions[member][g->members[member].topic_count++] = topic;
}

static void subscribe_all(struct group *g)
{
    for (uint32_t i = 0; i < g->in.member_count; i++) {
        for (uint32_t j = 0; j < g->in.topic_count; j++)
            subscribe(g, i, j);
    }
}

static bool subscribes(const struct group *g, uint32_t member, uint32_t topic)
{
    for (uint32_t i = 0; i < g->members[member].topic_count; i++) {
        if (g->subscriptions[member][i] == topic)
            return true;
    }
    return false;
}

static void assign(struct group *g, enum assignor assignor)
{
    EXPECT_OK(group_assignor_assign(assignor, &g->in, &g->arena, &g->shares));
}

/* What was assigned becomes what is owned. */
static void accept(struct group *g)
{
    for (uint32_t i = 0; i < g->in.member_count; i++) {
        const struct assignor_share *share = &g->shares[i];
        memcpy(g->owned[i], share->partitions, share->partition_count * sizeof(g->owned[i][0]));
        g->members[i].owned_count = share->partition_count;
    }
}

/* "0:1 0:2 3:0": topic and partition of what a member got. */
static const char *told(const struct group *g, uint32_t member, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < g->shares[member].partition_count; i++) {
        const struct assignor_partition *p = &g->shares[member].partitions[i];
        used += (size_t)snprintf(text + used, size - used, "%s%" PRIu32 ":%" PRIu32,
                                 i == 0 ? "" : " ", p->topic, p->partition);
    }
    return text;
}

static void expect_share(const struct group *g, uint32_t member, const char *wanted)
{
    char text[512];
    EXPECT_TEXT(told(g, member, text, sizeof(text)), wanted);
}

/* Each partition of a topic that somebody subscribes to has one owner, who does; shares are in order. */
static void check_shares(const struct group *g, int32_t owners[TOPICS_MAX][PARTITIONS_MAX])
{
    memset(owners, 0xff, sizeof(int32_t) * TOPICS_MAX * PARTITIONS_MAX);
    for (uint32_t i = 0; i < g->in.member_count; i++) {
        int64_t last = -1;
        for (uint32_t j = 0; j < g->shares[i].partition_count; j++) {
            const struct assignor_partition *p = &g->shares[i].partitions[j];
            EXPECT(p->topic < g->in.topic_count);
            EXPECT(p->partition < g->topics[p->topic].partition_count);
            EXPECT(subscribes(g, i, p->topic));
            EXPECT(owners[p->topic][p->partition] == -1);
            const int64_t place = (int64_t)p->topic << 32 | p->partition;
            EXPECT(place > last);
            last = place;
            owners[p->topic][p->partition] = (int32_t)i;
        }
    }
    for (uint32_t i = 0; i < g->in.topic_count; i++) {
        bool is_wanted = false;
        for (uint32_t j = 0; j < g->in.member_count; j++)
            is_wanted |= subscribes(g, j, i);
        for (uint32_t j = 0; j < g->topics[i].partition_count; j++)
            EXPECT_EQ(owners[i][j] != -1, is_wanted);
    }
}

static uint32_t kept_count(const struct group *g, uint32_t member,
                           int32_t owners[TOPICS_MAX][PARTITIONS_MAX])
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->members[member].owned_count; i++) {
        const struct assignor_partition *p = &g->owned[member][i];
        if (p->topic < g->in.topic_count && p->partition < g->topics[p->topic].partition_count)
            kept += owners[p->topic][p->partition] == (int32_t)member;
    }
    return kept;
}

/* ---- random groups ----------------------------------------------------------------------------------------- */

static void draw_topics(struct group *g, struct rng *rng)
{
    for (uint32_t i = 0; i < g->in.topic_count; i++) {
        g->topics[i].partition_count = (uint32_t)rng_below(rng, PARTITIONS_MAX + 1);
        for (uint32_t j = 0; j < PARTITIONS_MAX; j++)
            g->racks[i][j] = UINT64_C(1) << rng_below(rng, 4) | UINT64_C(1) << rng_below(rng, 4);
        g->topics[i].racks = rng_chance(rng, 700000) ? g->racks[i] : NULL;
    }
}

/* An old target: of the partitions that are there, and of some more. */
static void draw_owned(struct group *g, struct rng *rng)
{
    const uint32_t owners = 1 + (uint32_t)rng_below(rng, g->in.member_count);
    for (uint32_t i = 0; i < g->in.topic_count; i++) {
        for (uint32_t j = 0; j < PARTITIONS_MAX; j++) {
            if (rng_chance(rng, 300000))
                continue;
            const uint32_t member = (uint32_t)rng_below(rng, owners);
            g->owned[member][g->members[member].owned_count++] =
                (struct assignor_partition){ .topic = i, .partition = j };
        }
    }
}

static struct group *draw_group(struct rng *rng, uint32_t unsubscribed_ppm)
{
    struct group *g = group_new(1 + (uint32_t)rng_below(rng, MEMBERS_MAX),
                                1 + (uint32_t)rng_below(rng, TOPICS_MAX));
    draw_topics(g, rng);
    for (uint32_t i = 0; i < g->in.member_count; i++) {
        g->members[i].rack = rng_chance(rng, 700000) ? UINT64_C(1) << rng_below(rng, 4) : 0;
        for (uint32_t j = 0; j < g->in.topic_count; j++) {
            if (!rng_chance(rng, unsubscribed_ppm))
                subscribe(g, i, j);
        }
    }
    if (rng_chance(rng, 800000))
        draw_owned(g, rng);
    return g;
}

/* What a member could keep at most: of what it owns, what is still there. */
static uint32_t keepable_count(const struct group *g, uint32_t member)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->members[member].owned_count; i++) {
        const struct assignor_partition *p = &g->owned[member][i];
        count += p->partition < g->topics[p->topic].partition_count;
    }
    return count;
}

static int compare_descending(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

/* The most that all can keep when some may have `quota` + 1, and the others `quota`. */
static uint32_t keepable_in_balance(const struct group *g)
{
    uint32_t partition_count = 0;
    for (uint32_t i = 0; i < g->in.topic_count; i++)
        partition_count += g->topics[i].partition_count;
    const uint32_t quota = partition_count / g->in.member_count;
    const uint32_t extras = partition_count % g->in.member_count;
    uint32_t counts[MEMBERS_MAX];
    for (uint32_t i = 0; i < g->in.member_count; i++)
        counts[i] = keepable_count(g, i);
    qsort(counts, g->in.member_count, sizeof(counts[0]), compare_descending);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < g->in.member_count; i++) {
        const uint32_t most = quota + (i < extras ? 1 : 0);
        sum += counts[i] < most ? counts[i] : most;
    }
    return sum;
}

TEST(assignor_uniform, balances_equal_subscriptions_and_moves_as_little_as_can_be)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int round = 0; round < 2000; round++) {
        struct group *g = draw_group(&rng, 0);
        assign(g, ASSIGNOR_UNIFORM);
        int32_t owners[TOPICS_MAX][PARTITIONS_MAX];
        check_shares(g, owners);
        uint32_t low = UINT32_MAX;
        uint32_t high = 0;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < g->in.member_count; i++) {
            const uint32_t count = g->shares[i].partition_count;
            low = count < low ? count : low;
            high = count > high ? count : high;
            kept += kept_count(g, i, owners);
        }
        EXPECT(high - low <= 1);
        EXPECT_EQ(kept, keepable_in_balance(g));
        group_free(g);
    }
}

TEST(assignor_uniform, leaves_no_single_move_that_would_balance_unequal_subscriptions_better)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int round = 0; round < 2000; round++) {
        struct group *g = draw_group(&rng, 100000 + (uint32_t)rng_below(&rng, 800000));
        assign(g, ASSIGNOR_UNIFORM);
        int32_t owners[TOPICS_MAX][PARTITIONS_MAX];
        check_shares(g, owners);
        for (uint32_t i = 0; i < g->in.member_count; i++) {
            for (uint32_t j = 0; j < g->in.member_count; j++) {
                if (g->shares[i].partition_count < g->shares[j].partition_count + 2)
                    continue;
                for (uint32_t k = 0; k < g->shares[i].partition_count; k++)
                    EXPECT(!subscribes(g, j, g->shares[i].partitions[k].topic));
            }
        }
        group_free(g);
    }
}

/* Nothing moves when nothing has changed, whatever the subscriptions. */
TEST(assignor_uniform, keeps_its_own_answer)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int round = 0; round < 1000; round++) {
        struct group *g = draw_group(&rng, round % 2 == 0 ? 0 : 300000);
        assign(g, ASSIGNOR_UNIFORM);
        accept(g);
        int32_t before[TOPICS_MAX][PARTITIONS_MAX];
        int32_t after[TOPICS_MAX][PARTITIONS_MAX];
        check_shares(g, before);
        assign(g, ASSIGNOR_UNIFORM);
        check_shares(g, after);
        EXPECT(memcmp(before, after, sizeof(before)) == 0);
        group_free(g);
    }
}

TEST(assignor_uniform, moves_one_share_when_one_joins_and_none_but_the_orphans_when_one_leaves)
{
    struct group *g = group_new(4, 2);
    g->topics[0].partition_count = 6;
    g->topics[1].partition_count = 6;
    subscribe_all(g);
    g->in.member_count = 3;
    assign(g, ASSIGNOR_UNIFORM);
    accept(g);
    expect_share(g, 0, "0:0 0:1 0:2 0:3");
    expect_share(g, 1, "0:4 0:5 1:0 1:1");
    expect_share(g, 2, "1:2 1:3 1:4 1:5");
    g->in.member_count = 4;
    assign(g, ASSIGNOR_UNIFORM);
    accept(g);
    expect_share(g, 0, "0:0 0:1 0:2");
    expect_share(g, 1, "0:4 0:5 1:0");
    expect_share(g, 2, "1:2 1:3 1:4");
    expect_share(g, 3, "0:3 1:1 1:5");
    g->in.member_count = 3;
    assign(g, ASSIGNOR_UNIFORM);
    expect_share(g, 0, "0:0 0:1 0:2 0:3");
    expect_share(g, 1, "0:4 0:5 1:0 1:1");
    expect_share(g, 2, "1:2 1:3 1:4 1:5");
    group_free(g);
}

/* Three racks, two members in each, each partition in one rack only: everybody can have near ones. */
TEST(assignor_uniform, prefers_racks_where_balance_and_stickiness_leave_a_choice)
{
    struct group *g = group_new(6, 1);
    g->topics[0].partition_count = 18;
    g->topics[0].racks = g->racks[0];
    for (uint32_t i = 0; i < 18; i++)
        g->racks[0][i] = UINT64_C(1) << (i % 3);
    for (uint32_t i = 0; i < 6; i++)
        g->members[i].rack = UINT64_C(1) << (i / 2);
    subscribe_all(g);
    assign(g, ASSIGNOR_UNIFORM);
    expect_share(g, 0, "0:0 0:3 0:6");
    expect_share(g, 1, "0:9 0:12 0:15");
    expect_share(g, 5, "0:11 0:14 0:17");
    accept(g);
    /* One of rack 0 owns all: what it keeps is near, and what it gives up is far. */
    g->members[0].owned_count = 18;
    for (uint32_t i = 0; i < 18; i++)
        g->owned[0][i] = (struct assignor_partition){ .topic = 0, .partition = i };
    for (uint32_t i = 1; i < 6; i++)
        g->members[i].owned_count = 0;
    assign(g, ASSIGNOR_UNIFORM);
    expect_share(g, 0, "0:0 0:3 0:6");
    expect_share(g, 1, "0:9 0:12 0:15");
    expect_share(g, 2, "0:1 0:4 0:7");
    group_free(g);
}

TEST(assignor_range, gives_the_same_runs_of_every_topic_to_the_same_member)
{
    struct group *g = group_new(3, 3);
    g->topics[0].partition_count = 8;
    g->topics[1].partition_count = 8;
    g->topics[2].partition_count = 2;
    subscribe_all(g);
    assign(g, ASSIGNOR_RANGE);
    expect_share(g, 0, "0:0 0:1 0:2 1:0 1:1 1:2 2:0");
    expect_share(g, 1, "0:3 0:4 0:5 1:3 1:4 1:5 2:1");
    expect_share(g, 2, "0:6 0:7 1:6 1:7");
    group_free(g);
}

/* Static members come first, by instance id, so that one that comes back under another member id gets what it had. */
TEST(assignor_range, orders_static_members_by_instance_id_before_the_others)
{
    struct group *g = group_new(3, 1);
    g->topics[0].partition_count = 3;
    subscribe_all(g);
    g->members[1].instance_id = BYTES_LITERAL("b");
    g->members[2].instance_id = BYTES_LITERAL("a");
    assign(g, ASSIGNOR_RANGE);
    expect_share(g, 0, "0:2");
    expect_share(g, 1, "0:1");
    expect_share(g, 2, "0:0");
    group_free(g);
}

TEST(assignor_range, counts_the_subscribers_of_each_topic_alone)
{
    struct group *g = group_new(3, 2);
    g->topics[0].partition_count = 3;
    g->topics[1].partition_count = 3;
    subscribe(g, 0, 0);
    subscribe(g, 1, 0);
    subscribe(g, 1, 1);
    subscribe(g, 2, 1);
    assign(g, ASSIGNOR_RANGE);
    expect_share(g, 0, "0:0 0:1");
    expect_share(g, 1, "0:2 1:0 1:1");
    expect_share(g, 2, "1:2");
    group_free(g);
}

TEST(assignor, answers_groups_without_members_topics_or_partitions)
{
    for (enum assignor i = 0; i < ASSIGNOR_COUNT; i++) {
        struct group *g = group_new(2, 1);
        const uint32_t member_counts[] = { 0, 2, 2 };
        const uint32_t topic_counts[] = { 0, 0, 1 };
        for (size_t j = 0; j < ARRAY_LEN(member_counts); j++) {
            g->in.member_count = member_counts[j];
            g->in.topic_count = topic_counts[j];
            assign(g, i);
            for (uint32_t k = 0; k < g->in.member_count; k++)
                EXPECT_EQ(g->shares[k].partition_count, 0);
        }
        group_free(g);
    }
}

TEST(assignor, stops_at_every_limit_of_the_arena)
{
    struct rng rng = rng_from_seed(context->seed);
    struct group *g = draw_group(&rng, 200000);
    for (enum assignor i = 0; i < ASSIGNOR_COUNT; i++) {
        arena_deinit(&g->arena);
        arena_init(&g->arena, ARENA_MAX);
        assign(g, i);
        const size_t needed = g->arena.used_bytes;
        for (size_t limit = 0; limit < needed; limit += 16) {
            struct arena small;
            arena_init(&small, limit);
            const struct assignor_share *shares = NULL;
            EXPECT_ERR(group_assignor_assign(i, &g->in, &small, &shares), ERR_LIMIT);
            EXPECT(shares == NULL);
            arena_deinit(&small);
        }
    }
    group_free(g);
}

TEST(group_assignor_by_name, knows_those_of_kafka)
{
    enum assignor assignor = ASSIGNOR_UNIFORM;
    EXPECT_OK(group_assignor_by_name(BYTES_LITERAL("range"), &assignor));
    EXPECT_EQ(assignor, ASSIGNOR_RANGE);
    EXPECT_OK(group_assignor_by_name(BYTES_LITERAL("uniform"), &assignor));
    EXPECT_EQ(assignor, ASSIGNOR_UNIFORM);
    EXPECT_TEXT(group_assignor_name(ASSIGNOR_UNIFORM), "uniform");
    EXPECT_ERR(group_assignor_by_name(BYTES_LITERAL("Range"), &assignor), ERR_NOT_FOUND);
    EXPECT_ERR(group_assignor_by_name(BYTES_NULL, &assignor), ERR_NOT_FOUND);
}

/* Java compares UTF-16 units: a character beyond U+FFFF comes before U+E000 and after U+D7FF. */
TEST(java_string_compare, orders_as_utf_16_units)
{
    const char *const order[] = {
        "", "a", "a\xed\x9f\xbf", "a\xf0\x9f\x98\x80", "a\xee\x80\x80", "a\xef\xbf\xbd", "ab"
    };
    const size_t ranks[] = { 0, 1, 3, 4, 5, 6, 2 };
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        for (size_t j = 0; j < ARRAY_LEN(order); j++) {
            const int wanted = (ranks[i] > ranks[j]) - (ranks[i] < ranks[j]);
            EXPECT_EQ(java_string_compare(bytes_from_text(order[i]), bytes_from_text(order[j])),
                      wanted);
        }
    }
}
