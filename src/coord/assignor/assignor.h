/* Who of a consumer group should own which partition (KIP-848): a pure function of members, topics and the target before.
 *
 * `range` gives each member the same run of partitions of each of its topics, so that equal topics are owned alike: per topic the
 * subscribed members in order (static members by instance id, then the others by member id), the first ones one more. It
 * keeps nothing of the old target.
 *
 * `uniform` balances first, then keeps what members have. With equal subscriptions nobody has two partitions more than another,
 * and no partition moves that need not. With unequal ones no partition can be handed to another of its topic's subscribers
 * so that the two end up closer to each other.
 * Among moves that are as good in both respects it prefers members in the rack of one of the partition's replicas (Apache Kafka
 * 4.3.1 knows the racks, and does not look at them).
 *
 * Members and topics are named by index. Deterministic: nothing depends on addresses or hashes.
 * Threads: none of its own; it keeps nothing between calls.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/uuid.h"

enum assignor {
    ASSIGNOR_UNIFORM,
    ASSIGNOR_RANGE,
};
#define ASSIGNOR_COUNT 2

/* "uniform", "range": as in group.consumer.assignors and in heartbeats. -ERR_NOT_FOUND. */
const char *group_assignor_name(enum assignor assignor);
MUST_CHECK int group_assignor_by_name(struct bytes name, enum assignor *out);

struct assignor_topic {
    struct uuid id;
    uint32_t partition_count;
    const uint64_t *racks; /* of each partition, one bit per rack with a replica; NULL: not known */
};

struct assignor_partition {
    uint32_t topic; /* index into assignor_group.topics */
    uint32_t partition;
};

struct assignor_member {
    struct bytes member_id;
    struct bytes instance_id; /* null: a dynamic member */
    uint64_t rack;            /* its bit, as in assignor_topic.racks; 0: not known */
    const uint32_t *topics; /* it subscribes to: indexes, ascending; members may share one array */
    uint32_t topic_count;
    /* Its target before, ascending by topic, then partition. What it does not subscribe to any more, and partitions that are not
     * there, may be among them; a partition is in the target of at most one member. */
    const struct assignor_partition *owned;
    uint32_t owned_count;
};

/* At most 64 racks have a bit; members and replicas in others count as if their rack were not known. */
struct assignor_group {
    const struct assignor_member *members; /* in the order of their ids (bytes_compare) */
    uint32_t member_count;
    const struct assignor_topic
        *topics; /* in the order of their ids (uuid_compare); those that somebody subscribes to */
    uint32_t topic_count;
};

struct assignor_share {
    const struct assignor_partition *partitions; /* ascending by topic, then partition */
    uint32_t partition_count;
};

/* The new target: out_shares has one share per member, in their order, and lives as the arena does.
 * -ERR_LIMIT when the arena's maximum would be passed, or the topics have more than INT32_MAX partitions together: nothing is
 * changed but what is used of the arena. */
MUST_CHECK int group_assignor_assign(enum assignor assignor, const struct assignor_group *group,
                                     struct arena *arena, const struct assignor_share **out_shares);
