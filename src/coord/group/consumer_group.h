/* The state of a group of the consumer protocol (KIP-848), as the records of its group in the log tell it, and what follows
 * from them: who subscribes to what, which partitions somebody has, how far the members have got.
 *
 *   Empty        no members
 *   Assigning    the group's epoch is ahead of its assignment's
 *   Reconciling  members are on their way to the assignment
 *   Stable       all have what they are to have
 *
 * Everything that the log holds changes in one way: consumer_group_swap puts one record's meaning in its place, and hands out
 * what was there; swapping that back undoes it. The figures follow by themselves, so that no request walks all members.
 * Threads: one.
 */
#pragma once

#include "base/map.h"
#include "coord/group/consumer.h"

struct group;

/* How many members name a topic, and how many regular expressions hold it. */
struct subscribed_topic {
    uint32_t name_count;
    uint32_t regex_count;
};

/* The topics that a regular expression stood for (ConsumerGroupRegularExpression). */
struct resolved_regex {
    int64_t version; /* of the metadata: offset of its last record */
    int64_t resolved_ms;
    uint32_t topic_count;
    const struct bytes *topics; /* sorted, each once; behind the struct */
};
struct resolved_regex *resolved_regex_new(int64_t version, int64_t resolved_ms,
                                          const struct bytes *topics, uint32_t topic_count);

struct consumer_regex {
    uint32_t subscriber_count;
    struct resolved_regex *resolved; /* owned; NULL: not yet */
    uint32_t round;                  /* of the group, that resolved it last; not in the log */
};

struct consumer_group {
    struct group *group;
    struct deadlines
        *deadlines; /* of the coordinator: what members that go have armed there ends */
    /* ConsumerGroupMetadata */
    bool has_epoch;
    int32_t epoch; /* 1 before the first record, as in Kafka */
    int64_t metadata_hash;
    /* ConsumerGroupPartitionMetadata, of Kafka before 4.1: only that there is one */
    bool has_partition_metadata;
    /* ConsumerGroupTargetAssignmentMetadata */
    bool has_assignment_epoch;
    int32_t assignment_epoch; /* 1 before the first record, as in Kafka */
    int64_t assigned_ms;      /* wall clock; 0: not known */

    struct map members;   /* id → struct consumer: whoever has a record */
    struct map instances; /* instance id → struct consumer */
    uint32_t member_count;
    uint32_t classic_count; /* of them, those that speak the classic protocol */
    uint32_t settled_count; /* of them, those that are STABLE in assignment_epoch */
    struct map topics;      /* name → struct subscribed_topic, that somebody subscribes to */
    struct map regexes;     /* text → struct consumer_regex */
    uint32_t subscribed_regex_count; /* with subscribers */
    uint32_t resolved_regex_count;
    struct map assignors; /* a tally: how many members ask for it */
    struct map protocols; /* a tally: how many classic members speak it */
    struct map held;      /* topic id → struct held_topic: how many members have each partition */

    /* Not in the log: */
    int64_t refresh_ms;    /* monotonic: when the topics are to be looked at again */
    int32_t refresh_epoch; /* of the group when that was decided; ahead of `epoch`: it was undone */
    int64_t
        topics_hash; /* of `topics`, as they are in the coordinator's image of this number; 0: not known */
    uint64_t topics_hash_image;
    struct deadline regex;      /* armed: the expressions are to be resolved, in a round */
    uint64_t resolution_number; /* of the resolution that is out; 0: none */
    uint32_t regex_round;
    bool is_regex_other;          /* one stands for other topics than before this round */
    bool has_regex_failed;        /* one could not be written */
    int64_t regex_not_before_ms;  /* monotonic */
    int64_t assign_not_before_ms; /* the same */
};

struct consumer_group *consumer_group_new(struct group *group, struct deadlines *deadlines,
                                          uint64_t hash_seed);
void consumer_group_free(struct consumer_group *group); /* NULL is fine */
/* Nothing of it is in the log. */
bool consumer_group_is_blank(const struct consumer_group *group);
const char *consumer_group_state_name(const struct consumer_group *group);

/* NULL: not a member. */
struct consumer *consumer_group_member(const struct consumer_group *group, struct bytes id);
struct consumer *consumer_group_instance(const struct consumer_group *group,
                                         struct bytes instance_id);
/* The members, in the order in which they came. */
bool consumer_group_next(const struct consumer_group *group, struct map_walk *walk,
                         struct consumer **out);

bool consumer_group_subscribes(const struct consumer_group *group, struct bytes topic);
uint32_t consumer_group_regex_subscribers(const struct consumer_group *group, struct bytes regex);
const struct resolved_regex *consumer_group_resolved(const struct consumer_group *group,
                                                     struct bytes regex);
/* Any of them: they are resolved together. NULL: none is. */
const struct resolved_regex *consumer_group_any_resolved(const struct consumer_group *group);
/* The assignor that most members ask for; null: none. Of equals the one whose name sorts last: uniform, as
 * Kafka's table of names happens to give it. */
struct bytes consumer_group_assignor(const struct consumer_group *group);
/* Whether all members that speak the classic protocol speak this one. */
bool consumer_group_speaks(const struct consumer_group *group, struct bytes protocol);
/* Whether a member has it, or has not given it up. */
bool consumer_group_is_held(const struct consumer_group *group, struct uuid topic_id,
                            int32_t partition);
/* Whether it is STABLE in the epoch. */
bool group_consumer_is_settled(const struct consumer *consumer, int32_t assignment_epoch);

/* ---- changes ----------------------------------------------------------------------------------------- */

enum consumer_part {
    CONSUMER_EPOCH,
    CONSUMER_PARTITION_METADATA,
    CONSUMER_ASSIGNMENT_EPOCH,
    CONSUMER_PROFILE,
    CONSUMER_TARGET,
    CONSUMER_STATE,
    CONSUMER_REGEX,
};

/* What stands, or is to stand, in one place. */
struct consumer_change {
    enum consumer_part part;
    struct bytes key; /* member id or expression */
    bool is_there;    /* in the log; false: a tombstone */
    union {
        struct {
            int32_t epoch;
            int64_t number; /* metadata hash; time of the assignment */
        };
        struct consumer_profile *profile; /* owned */
        struct assignment *target;        /* owned */
        struct consumer_state *state;     /* owned */
        struct resolved_regex *resolved;  /* owned */
    };
};

/* At the end of a load: who has a state and no profile, because that was lost, is a member of which nothing else is known, as in
 * Kafka, and its session ends it. Else nobody would ever get what it holds. */
void consumer_group_take_in(struct consumer_group *group);

/* Exchanges: afterwards the change holds what was there before. Its key is borrowed for the call. */
void consumer_group_swap(struct consumer_group *group, struct consumer_change *change);
/* Frees what it holds; its key too, if that is owned. */
void consumer_change_deinit(struct consumer_change *change, bool owns_key);
