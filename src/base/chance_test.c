/* The random generator and ids. */
#include "base/rng.h"
#include "base/test.h"
#include "base/uuid.h"

#include <string.h>

/* The first numbers of the published generator from state 1, 2, 3, 4. */
TEST(rng_u64, is_xoshiro256_starstar)
{
    static const uint64_t wanted[] = { 11520, 0, 1509978240, UINT64_C(1215971899390074240),
                                       UINT64_C(1216172134540287360) };
    struct rng rng = { .state = { 1, 2, 3, 4 } };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        EXPECT_EQ(rng_u64(&rng), wanted[i]);
}

/* splitmix64 from 1234567, as published with it. */
TEST(rng_from_seed, fills_its_state_by_splitmix64)
{
    const struct rng rng = rng_from_seed(1234567);
    EXPECT_EQ(rng.state[0], UINT64_C(6457827717110365317));
    EXPECT_EQ(rng.state[1], UINT64_C(3203168211198807973));
    EXPECT_EQ(rng.state[2], UINT64_C(9817491932198370423));
    EXPECT_EQ(rng.state[3], UINT64_C(4593380528125082431));
}

TEST(rng_below, stays_below_and_reaches_every_value)
{
    struct rng rng = rng_from_seed(context->seed);
    for (uint64_t bound = 1; bound < 40; bound++) {
        uint32_t seen[40] = { 0 };
        for (int i = 0; i < 2000; i++) {
            const uint64_t n = rng_below(&rng, bound);
            EXPECT(n < bound);
            seen[n]++;
        }
        for (uint64_t n = 0; n < bound; n++)
            EXPECT(seen[n] > 0);
    }
    for (int bit = 0; bit < 64; bit++)
        EXPECT(rng_below(&rng, UINT64_C(1) << bit) < UINT64_C(1) << bit);
    EXPECT(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
    EXPECT_STOPS(rng_below(&rng, 0));
}

TEST(rng_between, includes_both_ends_also_of_the_whole_range)
{
    struct rng rng = rng_from_seed(context->seed);
    bool low = false;
    bool high = false;
    for (int i = 0; i < 1000; i++) {
        const int64_t n = rng_between(&rng, -3, 3);
        EXPECT(n >= -3 && n <= 3);
        low |= n == -3;
        high |= n == 3;
    }
    EXPECT(low && high);
    EXPECT_EQ(rng_between(&rng, INT64_MIN, INT64_MIN), INT64_MIN);
    EXPECT_EQ(rng_between(&rng, INT64_MAX, INT64_MAX), INT64_MAX);
    bool negative = false;
    bool positive = false;
    for (int i = 0; i < 100; i++) {
        const int64_t n = rng_between(&rng, INT64_MIN, INT64_MAX);
        negative |= n < 0;
        positive |= n > 0;
    }
    EXPECT(negative && positive);
    EXPECT_STOPS(rng_between(&rng, 1, 0));
}

TEST(rng_chance, never_and_always_are_exact)
{
    struct rng rng = rng_from_seed(context->seed);
    int half = 0;
    for (int i = 0; i < 10000; i++) {
        EXPECT(!rng_chance(&rng, 0));
        EXPECT(rng_chance(&rng, 1000000));
        half += rng_chance(&rng, 500000);
        const double unit = rng_unit(&rng);
        EXPECT(unit >= 0 && unit < 1);
    }
    EXPECT(half > 4500 && half < 5500);
}

/* Filling in any number of pieces of whole words gives the same row, and never a byte too many. */
TEST(rng_fill, writes_exactly_the_size_asked)
{
    for (size_t size = 0; size < 50; size++) {
        uint8_t out[64];
        memset(out, 0xee, sizeof(out));
        struct rng rng = rng_from_seed(5);
        rng_fill(&rng, out, size);
        for (size_t i = size; i < sizeof(out); i++)
            EXPECT_EQ(out[i], 0xee);
        uint8_t again[64];
        rng = rng_from_seed(5);
        rng_fill(&rng, again, sizeof(again));
        EXPECT_BYTES(bytes_from(out, size), bytes_from(again, size));
    }
}

static struct uuid uuid_of_halves(uint64_t high, uint64_t low)
{
    struct uuid id;
    for (unsigned i = 0; i < 8; i++) {
        id.bytes[i] = (uint8_t)(high >> (56 - 8 * i));
        id.bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    return id;
}

/* Texts as Apache Kafka 4.3.1 prints and reads them. */
TEST(uuid_text, is_kafkas)
{
    static const struct {
        uint64_t high, low;
        const char *text;
    } rows[] = {
        { 0, 0, "AAAAAAAAAAAAAAAAAAAAAA" },
        { 0, 1, "AAAAAAAAAAAAAAAAAAAAAQ" },
        { UINT64_MAX, UINT64_MAX, "_____________________w" },
        { UINT64_C(0x0001020304050607), UINT64_C(0x08090a0b0c0d0e0f), "AAECAwQFBgcICQoLDA0ODw" },
        { UINT64_C(0x2f7a76657273696f), UINT64_C(0x6e30313233343536), "L3p2ZXJzaW9uMDEyMzQ1Ng" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[UUID_TEXT_SIZE];
        const struct uuid id = uuid_of_halves(rows[i].high, rows[i].low);
        uuid_to_text(id, text);
        EXPECT_TEXT(text, rows[i].text);
        struct uuid back;
        EXPECT_OK(uuid_from_text(bytes_from_text(text), &back));
        EXPECT(uuid_equal(id, back));
    }
}

/* Kafka's decoder also takes padding, and ignores the four bits that are left over. */
TEST(uuid_from_text, takes_what_kafka_takes_and_refuses_the_rest)
{
    struct uuid id = { { 9 } };
    EXPECT_OK(uuid_from_text(BYTES_LITERAL("AAAAAAAAAAAAAAAAAAAAAA=="), &id));
    EXPECT(uuid_is_zero(id));
    EXPECT_OK(uuid_from_text(BYTES_LITERAL("AAAAAAAAAAAAAAAAAAAAAB"), &id));
    EXPECT(uuid_is_zero(id));
    static const char *const bad[] = { "",
                                       "AAAAAAAAAAAAAAAAAAAAA",
                                       "AAAAAAAAAAAAAAAAAAAAAA=",
                                       "AAAAAAAAAAAAAAAAAAAAAAA",
                                       "AAAA AAAAAAAAAAAAAAAAA",
                                       "+///AAAAAAAAAAAAAAAAAA",
                                       "AAAAAAAAAAAAAAAAAAAAAA=A",
                                       "AAAAAAAAAAAAAAAAAAAAA=",
                                       "AAAAAAAAAAAAAAAAAAAAAAAA" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        EXPECT_ERR(uuid_from_text(bytes_from_text(bad[i]), &id), ERR_MALFORMED);
    EXPECT_ERR(uuid_from_text(BYTES_NULL, &id), ERR_MALFORMED);
    EXPECT_ERR(uuid_from_text(BYTES_LITERAL("AAAAAAAAAAAAAAAAAAAAA\0"), &id), ERR_MALFORMED);
    EXPECT(uuid_is_zero(id));
}

TEST(uuid_from_random, has_version_and_variant_and_survives_text)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int i = 0; i < 2000; i++) {
        uint8_t random[16];
        rng_fill(&rng, random, sizeof(random));
        const struct uuid id = uuid_from_random(random);
        EXPECT_EQ(id.bytes[6] >> 4, 4);
        EXPECT_EQ(id.bytes[8] >> 6, 2);
        char text[UUID_TEXT_SIZE];
        uuid_to_text(id, text);
        EXPECT_EQ(uuid_is_reserved(id), text[0] == '-');
        struct uuid back;
        EXPECT_OK(uuid_from_text(bytes_from_text(text), &back));
        EXPECT(uuid_equal(id, back));
    }
    EXPECT(uuid_is_reserved(UUID_ZERO));
    EXPECT(uuid_is_reserved(uuid_of_halves(0, 1)));
    EXPECT(!uuid_is_reserved(uuid_of_halves(0, 2)));
}

/* Bytes that begin with 0xf8 make a text that begins with '-'. */
static void fill_reserved_first(void *source, void *out, size_t size_bytes)
{
    int *count = source;
    memset(out, (*count)++ < 3 ? 0xf8 : 0x11, size_bytes);
}

TEST(uuid_draw, draws_again_while_the_id_is_reserved)
{
    int count = 0;
    const struct uuid id = uuid_draw(fill_reserved_first, &count);
    EXPECT_EQ(count, 4);
    EXPECT(!uuid_is_reserved(id));
    struct uuid wanted;
    memset(wanted.bytes, 0x11, sizeof(wanted.bytes));
    EXPECT(uuid_equal(id, uuid_from_random(wanted.bytes)));
}

TEST(uuid_draw_from_rng, takes_sixteen_bytes_for_a_try)
{
    struct rng rng = rng_from_seed(context->seed);
    struct rng same = rng;
    for (int i = 0; i < 500; i++) {
        struct uuid wanted;
        do {
            uint8_t random[16];
            rng_fill(&same, random, sizeof(random));
            wanted = uuid_from_random(random);
        } while (uuid_is_reserved(wanted));
        EXPECT(uuid_equal(uuid_draw_from_rng(&rng), wanted));
    }
}

TEST(uuid_compare, orders_signed_halves_as_kafka)
{
    static const uint64_t ordered[] = { UINT64_C(1) << 63, UINT64_MAX, 0, 1, INT64_MAX };
    for (int i = 0; i < 25; i++) {
        for (int k = 0; k < 25; k++) {
            const struct uuid a = uuid_of_halves(ordered[i / 5], ordered[i % 5]);
            const struct uuid b = uuid_of_halves(ordered[k / 5], ordered[k % 5]);
            EXPECT_EQ(uuid_compare(a, b), (i > k) - (i < k));
        }
    }
}
