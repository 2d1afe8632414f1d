/* Maps against a naive model: an array in order of insertion, searched from the front. */
#include "base/map.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/vec.h"

#include <stdio.h>
#include <string.h>

struct model_row {
    char key[48];
    void *value;
};

struct model {
    VEC(struct model_row) rows;
};

static size_t model_find(const struct model *model, const char *key)
{
    size_t i = 0;
    while (i < model->rows.count && strcmp(model->rows.items[i].key, key) != 0)
        i++;
    return i;
}

static void *model_put(struct model *model, const char *key, void *value)
{
    const size_t i = model_find(model, key);
    if (i == model->rows.count) {
        struct model_row *row = VEC_PUSH(&model->rows);
        (void)snprintf(row->key, sizeof(row->key), "%s", key);
        row->value = value;
        return NULL;
    }
    void *old = model->rows.items[i].value;
    model->rows.items[i].value = value;
    return old;
}

static void *model_remove(struct model *model, const char *key)
{
    const size_t i = model_find(model, key);
    if (i == model->rows.count)
        return NULL;
    void *old = model->rows.items[i].value;
    VEC_REMOVE_AT(&model->rows, i);
    return old;
}

static void expect_same_walk(const struct map *map, const struct model *model)
{
    size_t i = 0;
    for (struct map_walk w = { 0 }; map_next(map, &w); i++) {
        EXPECT(i < model->rows.count);
        EXPECT_BYTES(w.key, bytes_from_text(model->rows.items[i].key));
        EXPECT(w.value == model->rows.items[i].value);
    }
    EXPECT_EQ(i, model->rows.count);
    EXPECT_EQ(map_count(map), model->rows.count);
}

/* Keys of every kind of place: empty, kept within the entry (to 16 bytes), and on the heap. */
static void key_draw(struct rng *rng, uint64_t universe, char key[48])
{
    const uint64_t n = rng_below(rng, universe);
    (void)snprintf(key, 48, "%.*s%s", (int)(n % 23), "abcdefghijklmnopqrstuvw", "");
    if (n >= 23)
        (void)snprintf(key + n % 23, 48 - n % 23, "%" PRIu64, n);
}

/* Few different keys give many hits and removals; many give growth. Each universe, several seeds. */
TEST(map, does_what_the_model_does)
{
    static const uint64_t universes[] = { 1, 3, 10, 100, 1500 };
    static int value_places[1000];
    for (size_t u = 0; u < ARRAY_LEN(universes); u++) {
        struct rng rng = rng_from_seed(context->seed + u);
        struct map map;
        map_init(&map, rng_u64(&rng));
        struct model model = { 0 };
        for (int step = 0; step < 6000; step++) {
            char key[48];
            key_draw(&rng, universes[u], key);
            const struct bytes k = bytes_from_text(key);
            void *value = &value_places[rng_below(&rng, ARRAY_LEN(value_places))];
            const uint64_t what = rng_below(&rng, 1000);
            if (what < 450) {
                EXPECT(map_put(&map, k, value) == model_put(&model, key, value));
            } else if (what < 800) {
                EXPECT(map_remove(&map, k) == model_remove(&model, key));
            } else if (what < 998) {
                const size_t i = model_find(&model, key);
                EXPECT(map_get(&map, k) ==
                       (i < model.rows.count ? model.rows.items[i].value : NULL));
            } else if (what < 999) {
                map_clear(&map);
                VEC_DEINIT(&model.rows);
            }
            if (step % 64 == 0)
                expect_same_walk(&map, &model);
        }
        expect_same_walk(&map, &model);
        map_deinit(&map);
        VEC_DEINIT(&model.rows);
    }
}

/* The order of a walk is the order of insertion under every seed of the hash. */
TEST(map_next, does_not_depend_on_the_seed)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct map_i64 map;
        map_i64_init(&map, seed);
        for (int64_t i = 0; i < 100; i++)
            map_i64_put(&map, i * 7919 % 101, &map);
        for (int64_t i = 0; i < 100; i += 3)
            EXPECT(map_i64_remove(&map, i * 7919 % 101) == &map);
        int64_t i = 0;
        for (struct map_i64_walk w = { 0 }; map_i64_next(&map, &w); i++) {
            i += i % 3 == 0;
            EXPECT_EQ(w.key, i * 7919 % 101);
        }
        EXPECT_EQ(map_i64_count(&map), 66);
        map_i64_deinit(&map);
    }
}

/* For every pair of periods: entries that the walk itself removes do not disturb what it still has to see. */
TEST(map_next, allows_removal_of_the_current_entry)
{
    for (int64_t period = 1; period < 8; period++) {
        struct map_i64 map;
        map_i64_init(&map, 1);
        for (int64_t i = 0; i < 50; i++)
            map_i64_put(&map, i, &map);
        int64_t seen = 0;
        for (struct map_i64_walk w = { 0 }; map_i64_next(&map, &w); seen++) {
            EXPECT_EQ(w.key, seen);
            if (w.key % period == 0)
                EXPECT(map_i64_remove(&map, w.key) == &map);
        }
        EXPECT_EQ(seen, 50);
        for (int64_t i = 0; i < 50; i++)
            EXPECT_EQ(map_i64_get(&map, i) != NULL, i % period != 0);
        map_i64_deinit(&map);
    }
}

/* A queue-like life (add at the end, remove at the front) must not grow without end. */
TEST(map, keeps_its_size_while_entries_come_and_go)
{
    struct map_i64 map;
    map_i64_init(&map, 3);
    for (int64_t i = 0; i < 100000; i++) {
        map_i64_put(&map, i, &map);
        if (i >= 40)
            EXPECT(map_i64_remove(&map, i - 40) == &map);
    }
    EXPECT_EQ(map_i64_count(&map), 40);
    EXPECT(map.map.entry_capacity <= 96);
    map_i64_deinit(&map);
}

TEST(map_i64, takes_the_whole_range_of_keys)
{
    static const int64_t keys[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX };
    static int places[ARRAY_LEN(keys)];
    struct map_i64 map;
    map_i64_init(&map, 0);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        EXPECT(map_i64_put(&map, keys[i], &places[i]) == NULL);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        EXPECT(map_i64_get(&map, keys[i]) == &places[i]);
    EXPECT(map_i64_get(&map, 2) == NULL);
    map_i64_clear(&map);
    EXPECT_EQ(map_i64_count(&map), 0);
    EXPECT(map_i64_get(&map, 0) == NULL);
    map_i64_deinit(&map);
}

/* Under this seed 399 and 590 times 'a' have the same 32 bits of hash; the one begins the other. */
TEST(map, tells_colliding_keys_apart)
{
    static uint8_t text[590];
    memset(text, 'a', sizeof(text));
    const struct bytes longer = bytes_from(text, 590);
    const struct bytes shorter = bytes_from(text, 399);
    struct map map;
    map_init(&map, 20528);
    map_put(&map, longer, text);
    EXPECT(map_get(&map, shorter) == NULL);
    map_put(&map, shorter, &map);
    EXPECT_EQ(map_count(&map), 2);
    EXPECT(map_remove(&map, longer) == text);
    EXPECT(map_get(&map, shorter) == &map);
    map_deinit(&map);
}

/* In whatever order all entries go: an emptied map has no gaps left that a walk must step over. */
TEST(map_remove, leaves_no_gaps_behind_the_last_entry)
{
    for (int64_t step = 1; step < 64; step += 2) {
        struct map_i64 map;
        map_i64_init(&map, 1);
        for (int64_t i = 0; i < 64; i++)
            map_i64_put(&map, i, &map);
        for (int64_t i = 0; i < 64; i++)
            EXPECT(map_i64_remove(&map, i * step % 64) == &map);
        EXPECT_EQ(map.map.entry_end, 0);
        map_i64_deinit(&map);
    }
}

/* Who takes the oldest each time does not walk over those that were before it: else this would take an hour. */
TEST(map_next, finds_the_oldest_at_once)
{
    enum { COUNT = 1000000 };
    struct map_i64 map;
    map_i64_init(&map, 1);
    for (int64_t i = 0; i < COUNT; i++)
        (void)map_i64_put(&map, i, &map);
    for (int64_t i = 0; i < COUNT; i++) {
        struct map_i64_walk w = { 0 };
        EXPECT(map_i64_next(&map, &w));
        EXPECT_EQ(w.key, i);
        EXPECT(map_i64_remove(&map, i) != NULL);
    }
    EXPECT_EQ(map_i64_count(&map), 0);
    map_i64_deinit(&map);
}

TEST(map, copies_its_keys)
{
    struct map map;
    map_init(&map, 0);
    char key[40] = "a key of more than sixteen bytes";
    map_put(&map, bytes_from_text(key), key);
    memset(key, 'x', sizeof(key) - 1);
    EXPECT(map_get(&map, BYTES_LITERAL("a key of more than sixteen bytes")) == key);
    EXPECT(map_get(&map, bytes_from_text(key)) == NULL);
    map_put(&map, BYTES_NULL, &map);
    EXPECT(map_get(&map, BYTES_LITERAL("")) == &map);
    map_deinit(&map);
    map_deinit(&map);
    EXPECT(map_get(&map, BYTES_NULL) == NULL);
    EXPECT(map_remove(&map, BYTES_NULL) == NULL);
}

TEST(map_tally, counts_up_and_down_to_nothing)
{
    struct map map;
    map_init(&map, context->seed);
    const struct bytes a = BYTES_LITERAL("a");
    EXPECT_EQ(map_tally(&map, a), 0);
    for (uintptr_t i = 1; i <= 3; i++) {
        map_tally_add(&map, a);
        map_tally_add(&map, BYTES_NULL);
        EXPECT_EQ(map_tally(&map, a), i);
    }
    EXPECT_EQ(map_count(&map), 2);
    for (uintptr_t i = 3; i-- > 0;) {
        map_tally_drop(&map, a);
        EXPECT_EQ(map_tally(&map, a), i);
    }
    EXPECT_EQ(map_count(&map), 1);
    EXPECT_EQ(map_tally(&map, BYTES_LITERAL("")), 3);
    EXPECT_STOPS(map_tally_drop(&map, a));
    map_deinit(&map);
}

TEST(map_put, stops_on_a_null_value)
{
    struct map map;
    map_init(&map, 0);
    EXPECT_STOPS(map_put(&map, BYTES_LITERAL("k"), NULL));
    map_deinit(&map);
}
