/* Small parts: hashes, names, deadlines. */
#include "base/test.h"
#include "coord/deadlines.h"
#include "coord/java_string.h"
#include "coord/names.h"

/* What java.lang.String.hashCode gives; a group on the wrong partition would be lost to Kafka. */
TEST(java_string, hashes_as_java_does)
{
    EXPECT_EQ(java_string_hash(BYTES_LITERAL("")), 0);
    EXPECT_EQ(java_string_hash(BYTES_LITERAL("g")), 103);
    EXPECT_EQ(java_string_hash(BYTES_LITERAL("group-1")), 293427299);
    EXPECT_EQ(java_string_hash(BYTES_LITERAL("polygenelubricants")), INT32_MIN);
    EXPECT_EQ(java_string_hash(BYTES_LITERAL("\xc3\xa9\xf0\x9f\x98\x80x")), 61901292);
    EXPECT_EQ(java_string_hash(BYTES_LITERAL("\xff")), 0xfffd);
    EXPECT_EQ(java_string_hash(BYTES_LITERAL("\xe2\x82\xac")), 0x20ac);
}

TEST(java_string, partition_is_that_of_kafka)
{
    EXPECT_EQ(java_partition_for(BYTES_LITERAL("polygenelubricants"), 50), 0);
    EXPECT_EQ(java_partition_for(BYTES_LITERAL("group-1"), 50), 49);
    EXPECT_EQ(java_partition_for(BYTES_LITERAL("g"), 50), 3);
    /* Where Apache Kafka 4.3.1 put these; the hash of "simple" is negative. */
    EXPECT(java_string_hash(BYTES_LITERAL("simple")) < 0);
    EXPECT_EQ(java_partition_for(BYTES_LITERAL("simple"), 4), 2);
    EXPECT_EQ(java_partition_for(BYTES_LITERAL("simple"), 50), 26);
    EXPECT_EQ(java_partition_for(BYTES_LITERAL("j1"), 4), 3);
    EXPECT_EQ(java_partition_for(BYTES_LITERAL("j3"), 4), 1);
}

TEST(java_string, length_counts_utf16_units)
{
    EXPECT_EQ(java_string_length(BYTES_LITERAL("")), 0);
    EXPECT_EQ(java_string_length(BYTES_LITERAL("abc")), 3);
    EXPECT_EQ(java_string_length(BYTES_LITERAL("\xc3\xa9")), 1);
    EXPECT_EQ(java_string_length(BYTES_LITERAL("\xf0\x9f\x98\x80")), 2);
}

TEST(names, are_kept_once_and_as_long_as_they_are_held)
{
    struct names names;
    names_init(&names, 1);
    struct name *a = name_ref_text(&names, BYTES_LITERAL("orders"));
    struct name *b = name_ref_text(&names, BYTES_LITERAL("payments"));
    EXPECT(name_ref_text(&names, BYTES_LITERAL("orders")) == a);
    EXPECT(a->serial < b->serial);
    EXPECT_BYTES(name_text(a), BYTES_LITERAL("orders"));
    EXPECT(bytes_is_null(name_text(NULL)));
    name_unref(&names, a);
    EXPECT(name_find(&names, BYTES_LITERAL("orders")) == a);
    name_unref(&names, a);
    EXPECT(name_find(&names, BYTES_LITERAL("orders")) == NULL);
    name_unref(&names, b);
    names_deinit(&names);
}

/* Against the plain rule: of what is armed, the least deadline, of equals the one armed first. */
TEST(deadlines, come_in_order_whatever_is_moved)
{
    enum { COUNT = 64 };
    struct rng rng = rng_from_seed(7);
    struct deadlines deadlines = { 0 };
    struct deadline items[COUNT] = { 0 };
    for (int round = 0; round < 5000; round++) {
        struct deadline *item = &items[rng_below(&rng, COUNT)];
        if (rng_chance(&rng, 300000))
            deadline_cancel(&deadlines, item);
        else
            deadline_arm(&deadlines, item, (int64_t)rng_below(&rng, 50));
        const struct deadline *first = NULL;
        for (int i = 0; i < COUNT; i++) {
            if (deadline_is_armed(&items[i]) &&
                (first == NULL || items[i].at_ms < first->at_ms ||
                 (items[i].at_ms == first->at_ms && items[i].sequence < first->sequence)))
                first = &items[i];
        }
        EXPECT_EQ(deadlines_next_ms(&deadlines), first == NULL ? INT64_MAX : first->at_ms);
        if (first != NULL && rng_chance(&rng, 200000)) {
            EXPECT(deadlines_take_due(&deadlines, first->at_ms - 1) == NULL);
            EXPECT(deadlines_take_due(&deadlines, first->at_ms) == first);
            EXPECT(!deadline_is_armed(first));
        }
    }
    for (int i = 0; i < COUNT; i++)
        deadline_cancel(&deadlines, &items[i]);
    deadlines_deinit(&deadlines);
}
