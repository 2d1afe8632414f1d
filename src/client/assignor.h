/* Sharing out partitions among the members of a classic group, by the leader of the group (range, round robin; as Kafka's clients do).
 *
 * Deterministic: members are taken in order of instance id or, without, member id; topics in order of names. Memory grows with
 * the topics that members name and with the partitions of these, whatever the number of members.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

enum assignor { ASSIGNOR_RANGE, ASSIGNOR_ROUND_ROBIN };

struct assignor_member {
    struct bytes id;
    struct bytes instance_id; /* null: none */
    const struct bytes *topics;
    size_t topic_count;
    /* out: in the arena */
    struct assignor_share *shares; /* one a topic with partitions, in order of topics */
    size_t share_count;
};
struct assignor_share {
    struct bytes topic;
    int32_t *partitions;
    int32_t count;
};

/* Partitions of a topic; 0: there is no such topic. */
struct assignor_topics {
    int32_t (*partition_count)(void *context, struct bytes topic);
    void *context;
};

const char *assignor_name(enum assignor assignor); /* "range" */
/* By protocol name, or the name of Kafka's class for it ("org.apache.kafka.clients.consumer.RangeAssignor"). */
bool assignor_from_text(struct bytes text, enum assignor *out);
void assignor_assign(enum assignor assignor, const struct assignor_topics *topics,
                     struct assignor_member *members, size_t count, struct arena *arena);
