/* Which partitions a member of a consumer group has, or is to have: topics by their ids (KIP-848).
 *
 *   assignment → topics, in the order of their ids → partitions, ascending; the epoch at which the member got each (KIP-1251)
 *
 * A value: one allocation, made whole, never changed. NULL is the assignment without partitions, and fine everywhere.
 * Threads: one.
 */
#pragma once

#include "base/uuid.h"
#include "base/vec.h"

struct assigned_topic {
    struct uuid topic_id;
    uint32_t count; /* never 0 */
    const int32_t *partitions;
    const int32_t *epochs; /* one for each partition; all 0 where nobody asks (targets) */
};

struct assignment {
    uint32_t topic_count; /* never 0 */
    struct assigned_topic topics[];
};

struct assignment_item {
    struct uuid topic_id;
    int32_t partition;
    int32_t epoch;
};

/* Collects partitions in any order, each once or more often: the first counts. Zeroed is empty. */
struct assignment_builder {
    VEC(struct assignment_item) items;
    bool is_unsorted;
};
void assignment_add(struct assignment_builder *builder, struct uuid topic_id, int32_t partition,
                    int32_t epoch);
/* Owned by the caller: mem_free. The builder is empty afterwards, and holds no memory. */
struct assignment *assignment_build(struct assignment_builder *builder);

struct assignment *assignment_copy(const struct assignment *assignment);
bool assignment_equal(const struct assignment *a, const struct assignment *b); /* epochs too */

/* NULL: nothing of that topic. */
const struct assigned_topic *assignment_topic(const struct assignment *assignment,
                                              struct uuid topic_id);
/* Where it is in topic->partitions; -1: it is not. The topic may be NULL. */
int32_t assigned_index(const struct assigned_topic *topic, int32_t partition);
bool assignment_has(const struct assignment *assignment, struct uuid topic_id, int32_t partition);

/* for (struct assignment_walk w = { 0 }; assignment_next(a, &w);) use(w.item) */
struct assignment_walk {
    uint32_t topic;
    uint32_t index;
    struct assignment_item item;
};
bool assignment_next(const struct assignment *assignment, struct assignment_walk *walk);
