/* Shares of partitions, and the hash of keys, as Kafka's Java client has them. */
#include "client/assignor.h"
#include "client/partitioner.h"

#include "base/test.h"

static int32_t counts(void *context, struct bytes topic)
{
    (void)context;
    return bytes_equal_text(topic, "a") ? 7 : bytes_equal_text(topic, "b") ? 2 : 0;
}

static int32_t total(const struct assignor_member *m)
{
    int32_t count = 0;
    for (size_t i = 0; i < m->share_count; i++)
        count += m->shares[i].count;
    return count;
}

TEST(assignor, every_partition_goes_to_one_member)
{
    const struct bytes topics[] = { BYTES_LITERAL("b"), BYTES_LITERAL("a"), BYTES_LITERAL("none") };
    const struct assignor_topics known = { .partition_count = counts };
    for (size_t members = 1; members <= 9; members++) {
        for (int kind = ASSIGNOR_RANGE; kind <= ASSIGNOR_ROUND_ROBIN; kind++) {
            struct arena arena;
            struct assignor_member list[9] = { 0 };
            char names[9][2];
            int seen[2][7] = { 0 };
            arena_init(&arena, SIZE_MAX);
            for (size_t i = 0; i < members; i++) {
                names[i][0] = (char)('z' - i);
                list[i].id = bytes_from(names[i], 1);
                list[i].topics = topics;
                list[i].topic_count = i == 1 ? 1 : 3; /* the second wants "b" only */
            }
            assignor_assign((enum assignor)kind, &known, list, members, &arena);
            for (size_t i = 0; i < members; i++) {
                for (size_t s = 0; s < list[i].share_count; s++) {
                    const struct assignor_share *share = &list[i].shares[s];
                    for (int32_t k = 0; k < share->count; k++)
                        seen[bytes_equal_text(share->topic, "b")][share->partitions[k]]++;
                }
            }
            for (int p = 0; p < 7; p++) {
                EXPECT_EQ(seen[0][p], 1);
                EXPECT_EQ(seen[1][p], p < 2);
            }
            arena_deinit(&arena);
        }
    }
}

/* Many members, each with topics of its own: memory as for the topics alone, not for each member's every topic. */
TEST(assignor, takes_memory_for_what_is_wanted)
{
    enum { MEMBERS = 2000, TOPICS = 5 };
    const struct assignor_topics known = { .partition_count = counts };
    for (int kind = ASSIGNOR_RANGE; kind <= ASSIGNOR_ROUND_ROBIN; kind++) {
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        struct assignor_member *list = ARENA_NEW_ARRAY(&arena, struct assignor_member, MEMBERS);
        for (int i = 0; i < MEMBERS; i++) {
            struct bytes *topics = ARENA_NEW_ARRAY(&arena, struct bytes, TOPICS);
            topics[0] = topics[1] = BYTES_LITERAL("a"); /* named twice, wanted once */
            for (int t = 2; t < TOPICS; t++)
                topics[t] = bytes_from_text(arena_printf(&arena, "topic-%d-of-%d", t, i));
            list[i].id = bytes_from_text(arena_printf(&arena, "%05d", i));
            list[i].topics = topics;
            list[i].topic_count = TOPICS;
        }
        const size_t before = arena.used_bytes;
        assignor_assign((enum assignor)kind, &known, list, MEMBERS, &arena);
        EXPECT(arena.used_bytes - before < (size_t)MEMBERS * TOPICS * 128);
        for (int i = 0; i < MEMBERS; i++)
            EXPECT_EQ(total(&list[i]), i < 7);
        arena_deinit(&arena);
    }
}

TEST(assignor, range_gives_the_first_members_more)
{
    const struct bytes topics[] = { BYTES_LITERAL("a") };
    const struct assignor_topics known = { .partition_count = counts };
    struct assignor_member list[3] = {
        { .id = BYTES_LITERAL("m3"), .topics = topics, .topic_count = 1 },
        { .id = BYTES_LITERAL("m1"), .topics = topics, .topic_count = 1 },
        { .id = BYTES_LITERAL("m2"), .topics = topics, .topic_count = 1 },
    };
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    assignor_assign(ASSIGNOR_RANGE, &known, list, 3, &arena);
    EXPECT_EQ(total(&list[0]), 3); /* m1 */
    EXPECT_EQ(total(&list[1]), 2);
    EXPECT_EQ(total(&list[2]), 2);
    EXPECT_EQ(list[1].shares[0].partitions[0], 3);
    arena_deinit(&arena);
}

TEST(assignor, is_found_by_protocol_and_by_class)
{
    enum assignor found;
    EXPECT(assignor_from_text(
        BYTES_LITERAL("class org.apache.kafka.clients.consumer.RangeAssignor"), &found));
    EXPECT_EQ(found, ASSIGNOR_RANGE);
    EXPECT(assignor_from_text(BYTES_LITERAL("roundrobin"), &found));
    EXPECT_EQ(found, ASSIGNOR_ROUND_ROBIN);
    EXPECT(!assignor_from_text(BYTES_LITERAL("sticky"), &found));
}

/* Values of Apache Kafka's own test of its hash. */
TEST(partitioner, hashes_as_kafka_does)
{
    EXPECT_EQ((int32_t)partitioner_murmur2(BYTES_LITERAL("21")), -973932308);
    EXPECT_EQ((int32_t)partitioner_murmur2(BYTES_LITERAL("foobar")), -790332482);
    EXPECT_EQ((int32_t)partitioner_murmur2(BYTES_LITERAL("a-little-bit-long-string")), -985981536);
    EXPECT_EQ((int32_t)partitioner_murmur2(BYTES_LITERAL("a-little-bit-longer-string")),
              -1486304829);
    EXPECT_EQ((int32_t)partitioner_murmur2(
                  BYTES_LITERAL("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")),
              -58897971);
    for (int32_t count = 1; count < 100; count++)
        EXPECT(partitioner_of_key(BYTES_LITERAL("key"), count) < count);
}
