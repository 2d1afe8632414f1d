/* A persistent ordered map of counted items: AVL trees that share structure.
 *
 *   root of version 1 ──► (D)            putting E into a shared tree copies the path to it, D and F here,
 *                        /   \           and shares the rest:
 *   root of version 2 ──►(D')─►(B)  (F)
 *                          \             changing costs log n; holding both versions costs the difference.
 *                           (F')──► (E)
 *
 * A node that nobody else holds is changed in place, so that loading a snapshot builds one tree, not one per record.
 * Keys live in the items; the order is given with every call and must be the same for all calls on a tree.
 * Threads: counts are atomic: a published tree may be read and dropped by any shard; a tree is changed by its one
 * owner, and only through its own root.
 */
#pragma once

#include "base/base.h"

/* Begins every item. Items are immutable once another version of the tree shares them. */
struct metadata_item {
    _Alignas(8) uint32_t reference_count; /* atomic; 1 at birth */
    uint32_t kind;                        /* enum metadata_item_kind: how it is freed */
};

enum metadata_item_kind {
    METADATA_ITEM_PLAIN, /* one allocation */
    METADATA_ITEM_TOPIC, /* these hold trees of their own */
    METADATA_ITEM_CONFIG,
    METADATA_ITEM_QUOTA,
};

void metadata_item_ref(struct metadata_item *item);
void metadata_item_unref(struct metadata_item *item); /* NULL is fine; item.c */

/* Negative, 0, positive: `key` against the item's key. */
typedef int metadata_compare(const void *key, const struct metadata_item *item);

struct metadata_node;
struct metadata_tree {
    struct metadata_node *root; /* owned; NULL: empty */
};

uint32_t metadata_tree_count(const struct metadata_tree *tree);             /* O(1) */
struct metadata_tree metadata_tree_share(const struct metadata_tree *tree); /* O(1) */
void metadata_tree_release(struct metadata_tree *tree);                     /* empties it */

/* Borrowed: lives as long as a tree that holds it. NULL if absent. */
struct metadata_item *metadata_tree_get(const struct metadata_tree *tree, metadata_compare *compare,
                                        const void *key);

/* Takes over the caller's reference of `item`, which replaces one of equal key. True if one was replaced. */
bool metadata_tree_put(struct metadata_tree *tree, metadata_compare *compare, const void *key,
                       struct metadata_item *item);
/* True if it was there. */
bool metadata_tree_remove(struct metadata_tree *tree, metadata_compare *compare, const void *key);

/* The place of an item in a node that only this tree holds (shared nodes on the way are copied), or NULL if it is
 * absent. An item found there with a count of 1 belongs to this tree alone and may be changed in place, except for its key;
 * others are replaced: by a copy, whose reference the tree takes over. Valid until the tree changes. */
struct metadata_item **metadata_tree_own(struct metadata_tree *tree, metadata_compare *compare,
                                         const void *key);
uint32_t metadata_item_count(const struct metadata_item *item); /* references */

/* In order of keys. The tree must not change meanwhile (walk a share of it if it may).
 *   for (metadata_walk_begin(&w, tree); (item = metadata_walk_next(&w)) != NULL;) */
#define METADATA_TREE_HEIGHT_MAX 48 /* AVL: enough for 2^32 items */
struct metadata_walk {
    const struct metadata_node *path[METADATA_TREE_HEIGHT_MAX];
    uint32_t depth;
};
void metadata_walk_begin(struct metadata_walk *walk, const struct metadata_tree *tree);
/* Begins with the lowest item that is not below the key. */
void metadata_walk_begin_at(struct metadata_walk *walk, const struct metadata_tree *tree,
                            metadata_compare *compare, const void *key);
struct metadata_item *metadata_walk_next(struct metadata_walk *walk);

/* What differs between two versions, in order of keys; shared parts are passed over without looking into them, so the
 * cost follows the number of changes. `order` compares two items' keys. Each step gives the old item (NULL:
 * added) and the new one (NULL: removed); items of equal key that are the same pointer are not given. */
typedef int metadata_order(const struct metadata_item *a, const struct metadata_item *b);
struct metadata_tree_diff_side {
    struct {
        const struct metadata_node *node;
        bool is_item_only; /* else the whole subtree */
    } stack[2 * METADATA_TREE_HEIGHT_MAX];
    uint32_t depth;
};
struct metadata_tree_diff {
    struct metadata_tree_diff_side before, after;
    metadata_order *order;
};
void metadata_tree_diff_begin(struct metadata_tree_diff *diff, const struct metadata_tree *before,
                              const struct metadata_tree *after, metadata_order *order);
bool metadata_tree_diff_next(struct metadata_tree_diff *diff, struct metadata_item **out_before,
                             struct metadata_item **out_after);
