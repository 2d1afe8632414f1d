/* Offsets committed in transactions that have not ended: they count when the transaction commits (KIP-98, KIP-447).
 *
 * Each change can be taken back, the newest first, for appends that fail: the functions below add what they did to `changes`,
 * or forget it (NULL).
 *
 * When a transaction commits, the newest record wins where plain commits and pending ones meet; so a plain commit marks
 * older pending ones as overtaken, and no record offsets need be kept.
 * Threads: one.
 */
#pragma once

#include "base/vec.h"
#include "coord/group/group.h"

struct pending_offset {
    struct list in_transaction; /* oldest first, as the others */
    struct list in_group;
    struct list at_place;
    struct group *group; /* groups that have such are not freed */
    int64_t producer_id;
    uint64_t order; /* of its record among all */
    bool is_overtaken;
    struct offset_saved offset; /* the name, the partition, and the offset itself: was_there */
};

struct pending_offsets {
    struct map_i64 by_producer; /* struct pending_list: those of a transaction */
    struct map by_place; /* the same: those of one group, topic and partition, of any producer */
    uint64_t next_order;
};

enum pending_change_kind {
    PENDING_PUT,
    PENDING_REMOVED,
    PENDING_OVERTAKEN,
    PENDING_COMMITTED, /* an offset of the group was set by a transaction that ended */
};

struct pending_change {
    enum pending_change_kind kind;
    struct group *group;
    struct pending_offset *item;   /* OVERTAKEN, PUT; REMOVED: owned */
    struct pending_offset *before; /* PUT: in place of this one, owned; NULL: of none */
    struct offset_saved saved;     /* COMMITTED: owned */
};
struct pending_changes {
    VEC(struct pending_change) items;
};
/* Everything that was changed since is as it was then. The change is spent. */
void pending_change_undo(struct pending_offsets *pending, struct names *names,
                         struct pending_change *change);
void pending_change_deinit(struct pending_change *change, struct names *names);

void pending_offsets_init(struct pending_offsets *pending, uint64_t hash_seed);
void pending_offsets_deinit(struct pending_offsets *pending, struct names *names);

void pending_offsets_put(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                         struct group *group, struct name *topic, int32_t partition,
                         const struct offset_value *value, struct pending_changes *changes);
/* A plain commit to the same place. */
void pending_offsets_overtake(struct pending_offsets *pending, struct group *group,
                              const struct name *topic, int32_t partition,
                              struct pending_changes *changes);
/* A tombstone there: nothing is pending any more. */
void pending_offsets_remove(struct pending_offsets *pending, struct names *names,
                            struct group *group, const struct name *topic, int32_t partition,
                            struct pending_changes *changes);
bool pending_offsets_has(const struct pending_offsets *pending, const struct group *group,
                         const struct name *topic, int32_t partition);
/* Takes effect on the groups' offsets, or not. */
void pending_offsets_end(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                         bool is_commit, struct pending_changes *changes);

/* Each place of a group once for each transaction, in no order that matters: the next after `walk`; false at the end. */
struct pending_walk {
    const struct pending_offset *offset; /* the current one */
};
bool pending_offsets_next(const struct group *group, struct pending_walk *walk);
