/* One member of a consumer group (KIP-848), in the three parts that the log has of it:
 *
 *   profile   what it is and subscribes to                      ConsumerGroupMemberMetadata
 *   target    the partitions it is to have                      ConsumerGroupTargetAssignmentMember
 *   state     the epoch it is in, and the partitions it has     ConsumerGroupCurrentMemberAssignment
 *
 * Each part is a value: replaced whole, never changed. It is a member when it has a profile; the other parts may come before
 * that from a compacted log.
 * Threads: one.
 */
#pragma once

#include "base/arena.h"
#include "coord/deadlines.h"
#include "coord/group/assignment.h"
#include "coord/group/membership.h"

struct consumer_profile {
    union {
        struct {
            struct bytes instance_id; /* null: a dynamic member */
            struct bytes rack_id;     /* may be null */
            struct bytes client_id;
            struct bytes client_host;
            struct bytes regex;    /* empty: subscribes to names only */
            struct bytes assignor; /* that it asks for; null: any */
        };
        struct bytes texts[6]; /* the same, for whoever goes through all of them */
    };
    int32_t rebalance_timeout_ms;
    uint32_t topic_count;
    const struct bytes *topics; /* that it names: sorted, each once */
    /* Of one that speaks the classic protocol: */
    bool is_classic;
    int32_t session_timeout_ms;
    uint32_t protocol_count;
    const struct member_protocol *protocols; /* its own order */
};

/* As a member begins: nothing is known of it. */
extern const struct consumer_profile consumer_profile_default;

/* A copy in one allocation: mem_free. */
struct consumer_profile *consumer_profile_copy(const struct consumer_profile *profile);
bool consumer_profile_equal(const struct consumer_profile *a, const struct consumer_profile *b);
bool consumer_profile_same_topics(const struct consumer_profile *a,
                                  const struct consumer_profile *b);
/* Names in any order, perhaps twice; borrowed. */
void consumer_profile_set_topics(struct consumer_profile *profile, struct arena *arena,
                                 const struct bytes *names, int32_t count);
/* In their own order; of those with the same name the first counts. Keeps `items`, in the arena. */
void consumer_profile_set_protocols(struct consumer_profile *profile, struct arena *arena,
                                    struct member_protocol *items, uint32_t count);

/* Numbers of the log. */
enum consumer_step {
    CONSUMER_STABLE = 0,     /* it has what its epoch gives it */
    CONSUMER_UNREVOKED = 1,  /* it has to give partitions up, and is waited for */
    CONSUMER_UNRELEASED = 2, /* it waits for partitions that others still have */
    CONSUMER_STEP_UNKNOWN = 127,
};

struct consumer_state {
    int32_t epoch;
    int32_t previous_epoch;
    uint8_t step;                /* enum consumer_step */
    struct assignment *assigned; /* owned */
    struct assignment *revoking; /* owned: given to it before, and not given up yet */
};
/* A member that is new, or left for good: epoch 0, nothing before, no partitions. */
extern const struct consumer_state consumer_state_default;

/* Takes both assignments. */
struct consumer_state *consumer_state_new(struct consumer_state value);
void consumer_state_free(struct consumer_state *state); /* NULL is fine */
bool consumer_state_equal(const struct consumer_state *a, const struct consumer_state *b);

struct group;
struct consumer {
    struct group *group;
    struct consumer_profile *profile; /* owned; NULL: no member */
    struct consumer_state *state;     /* owned; NULL: consumer_state_default */
    struct assignment *target;        /* owned */
    bool has_target;                  /* in the log, be it empty */
    struct deadline session;
    struct deadline revocation; /* by then partitions have to be given up */
    struct deadline join;       /* one of the classic protocol has to join by then */
    struct deadline sync;       /* the same, to ask for its assignment */
    uint32_t id_size;
    char id[];
};

struct consumer *group_consumer_new(struct group *group, struct bytes id);
void group_consumer_disarm(struct consumer *consumer, struct deadlines *deadlines); /* all of its */
void group_consumer_free(struct consumer *consumer); /* nothing armed */
struct bytes group_consumer_id(const struct consumer *consumer);
bool group_consumer_is_member(const struct consumer *consumer); /* NULL: it is not */
const struct consumer_state *group_consumer_now(const struct consumer *consumer);
