/* Persistent AVL trees: see tree.h for the drawing.
 *
 * A node's count says how many parents and roots hold it. Whoever changes a tree goes down from its root and makes
 * each node on the way its own first: count 1 means nobody else can see it, anything else is copied. Copying a node raises
 * the counts of its children, so that below a copy everything is shared again until owned in turn.
 */
#include "metadata/tree.h"

#include "base/mem.h"

struct metadata_node {
    uint32_t reference_count; /* atomic */
    uint32_t count;           /* items in this subtree */
    struct metadata_node *left;
    struct metadata_node *right;
    struct metadata_item *item;
    uint8_t height; /* 1 for a leaf */
};

static void count_up(uint32_t *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

/* Whether the last reference has gone. */
static bool count_down(uint32_t *count)
{
    return __atomic_fetch_sub(count, 1, __ATOMIC_ACQ_REL) == 1;
}

void metadata_item_ref(struct metadata_item *item)
{
    count_up(&item->reference_count);
}

uint32_t metadata_item_count(const struct metadata_item *item)
{
    return __atomic_load_n(&item->reference_count, __ATOMIC_ACQUIRE);
}

static void node_unref(struct metadata_node *n)
{
    if (n == NULL || !count_down(&n->reference_count))
        return;
    node_unref(n->left);
    node_unref(n->right);
    metadata_item_unref(n->item);
    mem_free(n);
}

static struct metadata_node *node_new(struct metadata_item *item)
{
    struct metadata_node *n = MEM_NEW(struct metadata_node);
    *n = (struct metadata_node){ .reference_count = 1, .count = 1, .item = item, .height = 1 };
    return n;
}

/* Takes over the caller's reference to `n` and answers one to a node with the same content that nobody else holds. */
static struct metadata_node *node_own(struct metadata_node *n)
{
    if (__atomic_load_n(&n->reference_count, __ATOMIC_ACQUIRE) == 1)
        return n;
    struct metadata_node *copy = MEM_NEW(struct metadata_node);
    *copy = *n;
    copy->reference_count = 1;
    if (copy->left != NULL)
        count_up(&copy->left->reference_count);
    if (copy->right != NULL)
        count_up(&copy->right->reference_count);
    metadata_item_ref(copy->item);
    node_unref(n);
    return copy;
}

static uint32_t node_height(const struct metadata_node *n)
{
    return n == NULL ? 0 : n->height;
}

static uint32_t node_count(const struct metadata_node *n)
{
    return n == NULL ? 0 : n->count;
}

static void node_update(struct metadata_node *n)
{
    n->height = (uint8_t)(1 + MAX(node_height(n->left), node_height(n->right)));
    n->count = 1 + node_count(n->left) + node_count(n->right);
}

/* Both rotations want n owned; the child that rises is made so. */
static struct metadata_node *rotate_right(struct metadata_node *n)
{
    struct metadata_node *rising = node_own(n->left);
    n->left = rising->right;
    rising->right = n;
    node_update(n);
    node_update(rising);
    return rising;
}

static struct metadata_node *rotate_left(struct metadata_node *n)
{
    struct metadata_node *rising = node_own(n->right);
    n->right = rising->left;
    rising->left = n;
    node_update(n);
    node_update(rising);
    return rising;
}

static struct metadata_node *rebalance(struct metadata_node *n)
{
    const uint32_t left = node_height(n->left);
    const uint32_t right = node_height(n->right);
    if (left > right + 1) {
        if (node_height(n->left->left) < node_height(n->left->right))
            n->left = rotate_left(node_own(n->left));
        return rotate_right(n);
    }
    if (right > left + 1) {
        if (node_height(n->right->right) < node_height(n->right->left))
            n->right = rotate_right(node_own(n->right));
        return rotate_left(n);
    }
    node_update(n);
    return n;
}

static struct metadata_node *node_put(struct metadata_node *n, metadata_compare *compare,
                                      const void *key, struct metadata_item *item, bool *replaced)
{
    if (n == NULL)
        return node_new(item);
    n = node_own(n);
    const int order = compare(key, n->item);
    if (order == 0) {
        metadata_item_unref(n->item);
        n->item = item;
        *replaced = true;
        return n;
    }
    if (order < 0)
        n->left = node_put(n->left, compare, key, item, replaced);
    else
        n->right = node_put(n->right, compare, key, item, replaced);
    return rebalance(n);
}

/* Removes the lowest node and answers the rest; the item's reference moves to *out. */
static struct metadata_node *node_take_lowest(struct metadata_node *n, struct metadata_item **out)
{
    n = node_own(n);
    if (n->left == NULL) {
        struct metadata_node *rest = n->right;
        *out = n->item;
        mem_free(n);
        return rest;
    }
    n->left = node_take_lowest(n->left, out);
    return rebalance(n);
}

static struct metadata_node *node_remove(struct metadata_node *n, metadata_compare *compare,
                                         const void *key)
{
    n = node_own(n);
    const int order = compare(key, n->item);
    if (order < 0) {
        n->left = node_remove(n->left, compare, key);
        return rebalance(n);
    }
    if (order > 0) {
        n->right = node_remove(n->right, compare, key);
        return rebalance(n);
    }
    metadata_item_unref(n->item);
    if (n->left == NULL || n->right == NULL) {
        struct metadata_node *rest = n->left != NULL ? n->left : n->right;
        mem_free(n);
        return rest;
    }
    n->right = node_take_lowest(n->right, &n->item);
    return rebalance(n);
}

uint32_t metadata_tree_count(const struct metadata_tree *tree)
{
    return node_count(tree->root);
}

struct metadata_tree metadata_tree_share(const struct metadata_tree *tree)
{
    if (tree->root != NULL)
        count_up(&tree->root->reference_count);
    return *tree;
}

void metadata_tree_release(struct metadata_tree *tree)
{
    node_unref(tree->root);
    tree->root = NULL;
}

struct metadata_item *metadata_tree_get(const struct metadata_tree *tree, metadata_compare *compare,
                                        const void *key)
{
    const struct metadata_node *n = tree->root;
    while (n != NULL) {
        const int order = compare(key, n->item);
        if (order == 0)
            return n->item;
        n = order < 0 ? n->left : n->right;
    }
    return NULL;
}

bool metadata_tree_put(struct metadata_tree *tree, metadata_compare *compare, const void *key,
                       struct metadata_item *item)
{
    bool replaced = false;
    tree->root = node_put(tree->root, compare, key, item, &replaced);
    ASSERT(tree->root->height < METADATA_TREE_HEIGHT_MAX);
    return replaced;
}

bool metadata_tree_remove(struct metadata_tree *tree, metadata_compare *compare, const void *key)
{
    if (metadata_tree_get(tree, compare, key) == NULL)
        return false; /* nothing is copied for nothing */
    tree->root = node_remove(tree->root, compare, key);
    return true;
}

struct metadata_item **metadata_tree_own(struct metadata_tree *tree, metadata_compare *compare,
                                         const void *key)
{
    if (metadata_tree_get(tree, compare, key) == NULL)
        return NULL;
    struct metadata_node **place = &tree->root;
    for (;;) {
        struct metadata_node *n = *place = node_own(*place);
        const int order = compare(key, n->item);
        if (order == 0)
            return &n->item;
        place = order < 0 ? &n->left : &n->right;
    }
}

/* A walk keeps the nodes whose item and right subtree are still to come. */
static void walk_down_left(struct metadata_walk *walk, const struct metadata_node *n)
{
    for (; n != NULL; n = n->left)
        walk->path[walk->depth++] = n;
}

void metadata_walk_begin(struct metadata_walk *walk, const struct metadata_tree *tree)
{
    walk->depth = 0;
    walk_down_left(walk, tree->root);
}

void metadata_walk_begin_at(struct metadata_walk *walk, const struct metadata_tree *tree,
                            metadata_compare *compare, const void *key)
{
    walk->depth = 0;
    const struct metadata_node *n = tree->root;
    while (n != NULL) {
        if (compare(key, n->item) > 0) {
            n = n->right;
        } else {
            walk->path[walk->depth++] = n;
            n = n->left;
        }
    }
}

struct metadata_item *metadata_walk_next(struct metadata_walk *walk)
{
    if (walk->depth == 0)
        return NULL;
    const struct metadata_node *n = walk->path[--walk->depth];
    walk_down_left(walk, n->right);
    return n->item;
}

static void diff_push(struct metadata_tree_diff_side *side, const struct metadata_node *n,
                      bool is_item_only)
{
    if (n == NULL)
        return;
    ASSERT(side->depth < ARRAY_LEN(side->stack));
    side->stack[side->depth].node = n;
    side->stack[side->depth].is_item_only = is_item_only;
    side->depth++;
}

/* Replaces the subtree on top by its parts. */
static void diff_expand(struct metadata_tree_diff_side *side)
{
    const struct metadata_node *n = side->stack[--side->depth].node;
    diff_push(side, n->right, false);
    diff_push(side, n, true);
    diff_push(side, n->left, false);
}

static const struct metadata_node *diff_top_subtree(const struct metadata_tree_diff_side *side)
{
    if (side->depth == 0 || side->stack[side->depth - 1].is_item_only)
        return NULL;
    return side->stack[side->depth - 1].node;
}

/* The item on top, once there is no subtree above it; NULL at the end. */
static struct metadata_item *diff_top_item(struct metadata_tree_diff_side *side)
{
    return side->depth == 0 ? NULL : side->stack[side->depth - 1].node->item;
}

void metadata_tree_diff_begin(struct metadata_tree_diff *diff, const struct metadata_tree *before,
                              const struct metadata_tree *after, metadata_order *order)
{
    diff->before.depth = diff->after.depth = 0;
    diff->order = order;
    diff_push(&diff->before, before->root, false);
    diff_push(&diff->after, after->root, false);
}

bool metadata_tree_diff_next(struct metadata_tree_diff *diff, struct metadata_item **out_before,
                             struct metadata_item **out_after)
{
    struct metadata_tree_diff_side *a = &diff->before;
    struct metadata_tree_diff_side *b = &diff->after;
    for (;;) {
        const struct metadata_node *subtree_a = diff_top_subtree(a);
        const struct metadata_node *subtree_b = diff_top_subtree(b);
        if (subtree_a != NULL && subtree_a == subtree_b) { /* shared: nothing can differ inside */
            a->depth--;
            b->depth--;
            continue;
        }
        if (subtree_a != NULL || subtree_b != NULL) {
            /* The taller first, so that equal subtrees at unequal depths come to face each other. */
            const bool first = node_height(subtree_a) >= node_height(subtree_b);
            diff_expand(first ? a : b);
            continue;
        }
        struct metadata_item *item_a = diff_top_item(a);
        struct metadata_item *item_b = diff_top_item(b);
        if (item_a == NULL && item_b == NULL)
            return false;
        const int order = item_a == NULL ? 1 : item_b == NULL ? -1 : diff->order(item_a, item_b);
        if (order <= 0)
            a->depth--;
        if (order >= 0)
            b->depth--;
        if (item_a == item_b)
            continue;
        *out_before = order <= 0 ? item_a : NULL;
        *out_after = order >= 0 ? item_b : NULL;
        return true;
    }
}
