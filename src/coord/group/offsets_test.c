/* Offsets of a group, committed and pending. */
#include "coord/group/offsets.h"

#include "base/test.h"
#include "coord/group/pending_offsets.h"

#include <string.h>

static struct uuid id_of(uint8_t number)
{
    struct uuid id = { { 0 } };
    id.bytes[15] = number;
    return id;
}

static void expect_value(const struct offsets *offsets, const struct name *name, int32_t partition,
                         int64_t offset)
{
    const struct offset_topic *topic = offsets_topic(offsets, name);
    const struct committed *item = offset_topic_get(topic, partition);
    EXPECT_EQ(item == NULL ? -1 : item->offset, offset);
}

TEST(offsets, keep_everything_that_was_committed)
{
    struct names names;
    names_init(&names, 1);
    struct name *name = name_ref_text(&names, BYTES_LITERAL("t"));
    struct offsets offsets = { 0 };
    const struct offset_value values[] = {
        { .offset = 1,
          .committed_ms = 2,
          .expire_ms = -1,
          .leader_epoch = -1,
          .topic_id = id_of(1) },
        { .offset = INT64_MAX,
          .committed_ms = 3,
          .expire_ms = 99,
          .leader_epoch = 7,
          .topic_id = id_of(1) },
        { .offset = 5,
          .committed_ms = 4,
          .expire_ms = -1,
          .leader_epoch = 0,
          .topic_id = id_of(2),
          .metadata = BYTES_LITERAL("where I was") },
    };
    for (int32_t i = 0; i < (int32_t)ARRAY_LEN(values); i++)
        offsets_set(&offsets, &names, name, i, &values[i], NULL);
    for (int32_t i = 0; i < (int32_t)ARRAY_LEN(values); i++) {
        const struct offset_topic *topic = offsets_topic(&offsets, name);
        const struct offset_value got = committed_value(topic, offset_topic_get(topic, i));
        EXPECT_EQ(got.offset, values[i].offset);
        EXPECT_EQ(got.committed_ms, values[i].committed_ms);
        EXPECT_EQ(got.expire_ms, values[i].expire_ms);
        EXPECT_EQ(got.leader_epoch, values[i].leader_epoch);
        EXPECT(uuid_equal(got.topic_id, values[i].topic_id));
        EXPECT_EQ(got.metadata.size, values[i].metadata.size);
    }
    EXPECT_EQ(offsets_count(&offsets), 3);
    offsets_deinit(&offsets, &names);
    name_unref(&names, name);
    names_deinit(&names);
}

struct model {
    int64_t offset[3][8]; /* -1: none */
    uint8_t id[3][8];
};

static void expect_model(const struct offsets *offsets, struct name *const topics[3],
                         const struct model *model)
{
    size_t count = 0;
    for (int t = 0; t < 3; t++) {
        for (int32_t p = 0; p < 8; p++) {
            expect_value(offsets, topics[t], p, model->offset[t][p]);
            if (model->offset[t][p] == -1)
                continue;
            count++;
            const struct offset_topic *topic = offsets_topic(offsets, topics[t]);
            EXPECT(uuid_equal(committed_value(topic, offset_topic_get(topic, p)).topic_id,
                              id_of(model->id[t][p])));
        }
    }
    EXPECT_EQ(offsets_count(offsets), count);
    EXPECT_EQ(offsets_is_empty(offsets), count == 0);
}

/* Any row of changes, undone from any point backwards, gives what was there; ids of topics that were made anew included. */
TEST(offsets, changes_undo_in_reverse)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int round = 0; round < 300; round++) {
        struct names names;
        names_init(&names, 1);
        struct name *const topics[3] = { name_ref_text(&names, BYTES_LITERAL("a")),
                                         name_ref_text(&names, BYTES_LITERAL("b")),
                                         name_ref_text(&names, BYTES_LITERAL("c")) };
        struct offsets offsets = { 0 };
        enum { STEPS = 40 };
        struct model models[STEPS + 1];
        struct offset_saved saved[STEPS];
        memset(models[0].offset, 0xff, sizeof(models[0].offset));
        memset(models[0].id, 0, sizeof(models[0].id));
        for (int i = 0; i < STEPS; i++) {
            const int t = (int)rng_below(&rng, 3);
            const int32_t p = (int32_t)rng_below(&rng, 8);
            models[i + 1] = models[i];
            if (rng_chance(&rng, 500000)) {
                const uint8_t number = (uint8_t)rng_below(&rng, 3);
                const struct offset_value value = { .offset = (int64_t)rng_below(&rng, 1000),
                                                    .expire_ms = -1,
                                                    .topic_id = id_of(number),
                                                    .metadata = rng_chance(&rng, 200000)
                                                                    ? BYTES_LITERAL("m")
                                                                    : BYTES_NULL };
                offsets_set(&offsets, &names, topics[t], p, &value, &saved[i]);
                models[i + 1].offset[t][p] = value.offset;
                models[i + 1].id[t][p] = number;
            } else {
                offsets_set(&offsets, &names, topics[t], p, NULL, &saved[i]);
                models[i + 1].offset[t][p] = -1;
            }
            expect_model(&offsets, topics, &models[i + 1]);
        }
        const int kept = (int)rng_below(&rng, STEPS + 1);
        for (int i = STEPS; i-- > kept;) {
            offsets_restore(&offsets, &names, &saved[i]);
            expect_model(&offsets, topics, &models[i]);
        }
        for (int i = 0; i < kept; i++)
            offset_saved_deinit(&saved[i], &names);
        offsets_deinit(&offsets, &names);
        for (int t = 0; t < 3; t++)
            name_unref(&names, topics[t]);
        names_deinit(&names);
    }
}

/* What 100,000 committed offsets cost: written down, so that growth is noticed. */
TEST(offsets, cost_little_memory)
{
    struct names names;
    names_init(&names, 1);
    struct name *name = name_ref_text(&names, BYTES_LITERAL("a topic of some length"));
    struct offsets offsets = { 0 };
    for (int32_t i = 0; i < 1000; i++) {
        const struct offset_value value = { .offset = i, .expire_ms = -1, .topic_id = id_of(1) };
        offsets_set(&offsets, &names, name, i, &value, NULL);
    }
    EXPECT(sizeof(struct committed) == 32);
    EXPECT(offsets_memory_bytes(&offsets) <= 1024 * 32 + 100);
    offsets_deinit(&offsets, &names);
    name_unref(&names, name);
    names_deinit(&names);
}

/* ---- transactions ---------------------------------------------------------------------------------------- */

struct bench {
    struct names names;
    struct pending_offsets pending;
    struct group *group;
    struct name *topic;
};

static void bench_open(struct bench *b)
{
    names_init(&b->names, 1);
    pending_offsets_init(&b->pending, 1);
    b->group = group_new(BYTES_LITERAL("g"), 0);
    b->topic = name_ref_text(&b->names, BYTES_LITERAL("t"));
}

static void bench_close(struct bench *b)
{
    pending_offsets_deinit(&b->pending, &b->names);
    group_free(b->group, &b->names);
    name_unref(&b->names, b->topic);
    names_deinit(&b->names);
}

static void put(struct bench *b, int64_t producer_id, int64_t offset)
{
    const struct offset_value value = { .offset = offset,
                                        .expire_ms = -1,
                                        .metadata = BYTES_LITERAL("m") };
    pending_offsets_put(&b->pending, &b->names, producer_id, b->group, b->topic, 0, &value, NULL);
}

static void commit(struct bench *b, int64_t offset)
{
    const struct offset_value value = { .offset = offset, .expire_ms = -1 };
    offsets_set(&b->group->offsets, &b->names, b->topic, 0, &value, NULL);
    pending_offsets_overtake(&b->pending, b->group, b->topic, 0, NULL);
}

TEST(pending_offsets, count_when_their_transaction_commits)
{
    struct bench b;
    bench_open(&b);
    put(&b, 1, 10);
    put(&b, 1, 11); /* the later of one transaction */
    EXPECT(pending_offsets_has(&b.pending, b.group, b.topic, 0));
    expect_value(&b.group->offsets, b.topic, 0, -1);
    pending_offsets_end(&b.pending, &b.names, 1, true, NULL);
    expect_value(&b.group->offsets, b.topic, 0, 11);
    EXPECT(!pending_offsets_has(&b.pending, b.group, b.topic, 0));
    EXPECT_EQ(b.group->pending_offset_count, 0);
    put(&b, 2, 12);
    pending_offsets_end(&b.pending, &b.names, 2, false, NULL);
    expect_value(&b.group->offsets, b.topic, 0, 11);
    pending_offsets_end(&b.pending, &b.names, 3, true, NULL); /* nothing of it here */
    bench_close(&b);
}

/* Of plain and transactional commits the one written last counts, whichever transaction ends first. */
TEST(pending_offsets, newest_record_wins)
{
    struct bench b;
    bench_open(&b);
    put(&b, 1, 10);
    commit(&b, 20);
    put(&b, 2, 30);
    pending_offsets_end(&b.pending, &b.names, 1, true, NULL);
    expect_value(&b.group->offsets, b.topic, 0, 20);
    pending_offsets_end(&b.pending, &b.names, 2, true, NULL);
    expect_value(&b.group->offsets, b.topic, 0, 30);
    put(&b, 3, 40);
    put(&b, 4, 50);
    pending_offsets_end(&b.pending, &b.names, 4, true, NULL);
    pending_offsets_end(&b.pending, &b.names, 3, true, NULL);
    expect_value(&b.group->offsets, b.topic, 0, 50);
    put(&b, 5, 60);
    put(&b, 6, 70);
    pending_offsets_end(&b.pending, &b.names, 5, true, NULL);
    expect_value(&b.group->offsets, b.topic, 0, 60);
    pending_offsets_end(&b.pending, &b.names, 6, true, NULL);
    expect_value(&b.group->offsets, b.topic, 0, 70);
    bench_close(&b);
}

TEST(pending_offsets, tombstone_forgets_them)
{
    struct bench b;
    bench_open(&b);
    put(&b, 1, 10);
    put(&b, 2, 20);
    pending_offsets_remove(&b.pending, &b.names, b.group, b.topic, 0, NULL);
    EXPECT_EQ(b.group->pending_offset_count, 0);
    pending_offsets_end(&b.pending, &b.names, 1, true, NULL);
    pending_offsets_end(&b.pending, &b.names, 2, true, NULL);
    expect_value(&b.group->offsets, b.topic, 0, -1);
    put(&b, 7, 1); /* left open: freed with everything else */
    bench_close(&b);
}

/* Thousands of places in one transaction, and what each change did is taken back, the newest first. */
TEST(pending_offsets, finds_its_way_among_many)
{
    enum { PLACES = 20000 };
    struct bench b;
    struct pending_changes changes = { 0 };
    bench_open(&b);
    for (int32_t i = 0; i < 2 * PLACES; i++) {
        const struct offset_value value = { .offset = i, .expire_ms = -1 };
        pending_offsets_put(&b.pending, &b.names, 1 + i / PLACES, b.group, b.topic, i % PLACES,
                            &value, &changes);
    }
    for (int32_t i = 0; i < PLACES; i++)
        pending_offsets_overtake(&b.pending, b.group, b.topic, i, &changes);
    pending_offsets_remove(&b.pending, &b.names, b.group, b.topic, 7, &changes);
    EXPECT_EQ(b.group->pending_offset_count, 2 * (PLACES - 1));
    EXPECT(!pending_offsets_has(&b.pending, b.group, b.topic, 7));
    const size_t before_end = changes.items.count;
    pending_offsets_end(&b.pending, &b.names, 2, true, &changes);
    expect_value(&b.group->offsets, b.topic, 8, -1); /* overtaken */
    EXPECT(pending_offsets_has(&b.pending, b.group, b.topic, 8));
    while (changes.items.count > 0) {
        struct pending_change change = VEC_POP(&changes.items);
        pending_change_undo(&b.pending, &b.names, &change);
        if (changes.items.count == before_end)
            EXPECT_EQ(b.group->pending_offset_count, 2 * (PLACES - 1));
    }
    VEC_DEINIT(&changes.items);
    EXPECT_EQ(b.group->pending_offset_count, 0);
    EXPECT(!pending_offsets_has(&b.pending, b.group, b.topic, 8));
    bench_close(&b);
}
