/* The persistent tree against a sorted array, under random changes and many live versions. */
#include "metadata/tree.h"

#include "base/mem.h"
#include "base/test.h"

#include <string.h>

struct number {
    struct metadata_item item;
    int32_t key;
    int32_t value;
};

static int by_key(const void *key, const struct metadata_item *item)
{
    const int32_t a = *(const int32_t *)key;
    const int32_t b = ((const struct number *)item)->key;
    return (a > b) - (a < b);
}

static int order(const struct metadata_item *a, const struct metadata_item *b)
{
    return by_key(&((const struct number *)a)->key, b);
}

static struct metadata_item *number(int32_t key, int32_t value)
{
    struct number *n = MEM_NEW(struct number);
    n->item.reference_count = 1;
    n->item.kind = METADATA_ITEM_PLAIN;
    n->key = key;
    n->value = value;
    return &n->item;
}

#define KEYS 64
/* values[k] is 0 where k is absent. */
struct model {
    int32_t values[KEYS];
};

static void expect_same(const struct metadata_tree *tree, const struct model *model)
{
    uint32_t count = 0;
    struct metadata_walk walk;
    metadata_walk_begin(&walk, tree);
    for (int32_t k = 0; k < KEYS; k++) {
        const struct number *n = (const struct number *)metadata_tree_get(tree, by_key, &k);
        EXPECT_EQ(n == NULL ? 0 : n->value, model->values[k]);
        if (model->values[k] != 0) {
            EXPECT(metadata_walk_next(&walk) == &n->item);
            count++;
        }
    }
    EXPECT(metadata_walk_next(&walk) == NULL);
    EXPECT_EQ(metadata_tree_count(tree), count);
}

static void expect_diff(const struct metadata_tree *a, const struct model *ma,
                        const struct metadata_tree *b, const struct model *mb)
{
    struct metadata_tree_diff diff;
    metadata_tree_diff_begin(&diff, a, b, order);
    struct metadata_item *x;
    struct metadata_item *y;
    int32_t last = -1;
    while (metadata_tree_diff_next(&diff, &x, &y)) {
        const struct number *nx = (const struct number *)x;
        const struct number *ny = (const struct number *)y;
        const int32_t key = nx != NULL ? nx->key : ny->key;
        for (int32_t k = last + 1; k < key; k++) /* what is passed over is equal */
            EXPECT_EQ(ma->values[k], mb->values[k]);
        EXPECT_EQ(nx == NULL ? 0 : nx->value, ma->values[key]);
        EXPECT_EQ(ny == NULL ? 0 : ny->value, mb->values[key]);
        EXPECT(ma->values[key] != mb->values[key]); /* every put here has a value of its own */
        last = key;
    }
    for (int32_t k = last + 1; k < KEYS; k++)
        EXPECT_EQ(ma->values[k], mb->values[k]);
}

/* Old versions must stay as they were while the newest one changes, whichever of them are dropped when. */
TEST(metadata_tree, versions_are_independent_under_random_changes)
{
    enum { VERSIONS = 8, STEPS = 4000 };
    struct rng rng = rng_from_seed(context->seed);
    struct metadata_tree trees[VERSIONS] = { { .root = NULL } };
    struct model models[VERSIONS];
    memset(models, 0, sizeof(models));

    for (int32_t step = 1; step <= STEPS; step++) {
        const size_t i = rng_below(&rng, VERSIONS);
        const int32_t key = (int32_t)rng_below(&rng, KEYS);
        switch (rng_below(&rng, 5)) {
        case 0: { /* one version becomes a share of another */
            const size_t from = rng_below(&rng, VERSIONS);
            struct metadata_tree share = metadata_tree_share(&trees[from]);
            metadata_tree_release(&trees[i]);
            trees[i] = share;
            models[i] = models[from];
            break;
        }
        case 1:
            EXPECT_EQ(metadata_tree_remove(&trees[i], by_key, &key), models[i].values[key] != 0);
            models[i].values[key] = 0;
            break;
        case 2: { /* change in place what is owned alone, replace what is shared */
            struct metadata_item **place = metadata_tree_own(&trees[i], by_key, &key);
            EXPECT_EQ(place != NULL, models[i].values[key] != 0);
            if (place == NULL)
                break;
            if (metadata_item_count(*place) == 1) {
                ((struct number *)*place)->value = step;
            } else {
                metadata_item_unref(*place);
                *place = number(key, step);
            }
            models[i].values[key] = step;
            break;
        }
        default:
            EXPECT_EQ(metadata_tree_put(&trees[i], by_key, &key, number(key, step)),
                      models[i].values[key] != 0);
            models[i].values[key] = step;
            break;
        }
        if (step % 50 == 0) {
            for (size_t v = 0; v < VERSIONS; v++) {
                expect_same(&trees[v], &models[v]);
                expect_diff(&trees[v], &models[v], &trees[i], &models[i]);
            }
        }
    }
    for (size_t v = 0; v < VERSIONS; v++)
        metadata_tree_release(&trees[v]);
}

TEST(metadata_tree, walk_begins_at_any_key)
{
    struct metadata_tree tree = { .root = NULL };
    for (int32_t k = 10; k <= 50; k += 10)
        metadata_tree_put(&tree, by_key, &k, number(k, k));
    for (int32_t k = 0; k <= 60; k++) {
        struct metadata_walk walk;
        metadata_walk_begin_at(&walk, &tree, by_key, &k);
        for (int32_t wanted = k <= 10 ? 10 : (k + 9) / 10 * 10; wanted <= 50; wanted += 10)
            EXPECT_EQ(((struct number *)metadata_walk_next(&walk))->key, wanted);
        EXPECT(metadata_walk_next(&walk) == NULL);
    }
    metadata_tree_release(&tree);
}

/* Balance: however keys come, a walk's path and recursion stay short. */
TEST(metadata_tree, stays_low_for_sorted_and_reverse_input)
{
    for (int reverse = 0; reverse < 2; reverse++) {
        struct metadata_tree tree = { .root = NULL };
        for (int32_t i = 0; i < 100000; i++) {
            const int32_t k = reverse ? -i : i;
            metadata_tree_put(&tree, by_key, &k, number(k, 1));
        }
        struct metadata_walk walk;
        metadata_walk_begin(&walk, &tree);
        EXPECT(walk.depth <= 20); /* 1.44 log2(100000) is 24: the left edge is at most the height */
        for (int32_t i = 0; i < 100000; i += 2) {
            const int32_t k = reverse ? -i : i;
            EXPECT(metadata_tree_remove(&tree, by_key, &k));
        }
        EXPECT_EQ(metadata_tree_count(&tree), 50000);
        metadata_tree_release(&tree);
    }
}

/* The promise of the difference: its cost follows the changes, not the size. Counted by comparisons. */
static uint32_t order_calls; /* tidy: allow mutable_globals: a test counts */
static int counting_order(const struct metadata_item *a, const struct metadata_item *b)
{
    order_calls++;
    return order(a, b);
}

TEST(metadata_tree, difference_costs_what_changed)
{
    struct metadata_tree before = { .root = NULL };
    for (int32_t k = 0; k < 100000; k++)
        metadata_tree_put(&before, by_key, &k, number(k, 1));
    struct metadata_tree after = metadata_tree_share(&before);
    for (int32_t k = 500; k < 100000; k += 10000)
        metadata_tree_put(&after, by_key, &k, number(k, 2));
    for (int32_t k = 700; k < 100000; k += 20000)
        EXPECT(metadata_tree_remove(&after, by_key, &k));

    struct metadata_tree_diff diff;
    metadata_tree_diff_begin(&diff, &before, &after, counting_order);
    struct metadata_item *x;
    struct metadata_item *y;
    uint32_t changes = 0;
    while (metadata_tree_diff_next(&diff, &x, &y))
        changes++;
    EXPECT_EQ(changes, 15);
    EXPECT(order_calls < 15 * 200);
    metadata_tree_release(&before);
    metadata_tree_release(&after);
}
