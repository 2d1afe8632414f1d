/* The members of a classic group, and what follows from them: votes for a protocol, the leader, who is waited for.
 *
 * Exists only while a group has members or has handed out member ids; an empty group keeps none of it. Data and
 * rules, no decisions: those are in join.c, sync.c, heartbeat.c and rebalance.c.
 * Walks go in the order in which members came. KIP-62, KIP-345 (static members), KIP-394 (member ids first).
 * Threads: one.
 */
#pragma once

#include "base/map.h"
#include "coord/deadlines.h"
#include "wire/messages/join_group_request.h"

struct group;

/* A request that waits for the group. */
struct parked {
    uint64_t token;
    int16_t version; /* of the request */
    bool is_parked;
};

struct member_protocol {
    struct bytes name;
    struct bytes metadata;
};
bool member_protocol_same(const struct member_protocol *a, uint32_t a_count,
                          const struct member_protocol *b, uint32_t b_count);
/* In the member's order of preference, each name once. One allocation, bytes behind the items. */
struct member_protocols {
    size_t bytes; /* of memory, all in all */
    uint32_t count;
    struct member_protocol items[];
};
struct member_protocols *member_protocols_new(const struct join_group_request_protocol *items,
                                              int32_t count, uint64_t hash_seed);
/* What they would take of memory. */
size_t member_protocols_bytes(const struct join_group_request_protocol *items, int32_t count);

struct member {
    struct group *group;
    struct bytes id;
    struct bytes instance_id; /* null: a dynamic member */
    struct bytes client_id;
    struct bytes client_host;
    int32_t rebalance_timeout_ms;
    int32_t session_timeout_ms;
    struct member_protocols *protocols; /* owned */
    struct bytes assignment;            /* owned; empty until the leader gave one */
    struct parked join;
    struct parked sync;
    bool is_new; /* has not had an answer to its first join: may expire even while it waits */
    bool
        is_sync_due; /* has had the join answer of this generation and not asked for its assignment */
    struct deadline session;
    char text[]; /* id, instance id, client id, host */
};

/* A member id that was handed out and has not come back yet (KIP-394). */
struct pending_member {
    struct group *group;
    struct deadline session;
    uint32_t id_size;
    char id[];
};
/* So that strangers who never come back cannot fill the memory: the oldest goes first. */
#define MEMBERSHIP_PENDING_MAX 10000

struct membership {
    struct group *group;
    struct map members;     /* id → struct member */
    struct map instances;   /* instance id → struct member */
    struct map pending;     /* id → struct pending_member */
    struct map votes;       /* a tally: how many members speak a protocol */
    struct map topics;      /* that the members of this generation subscribe to; if knows_topics */
    size_t protocols_bytes; /* of all members */
    struct member *leader;
    struct bytes protocol; /* chosen for this generation; owned, null before the first */
    const char *why;       /* the last rebalance began; static */
    bool knows_topics;
    bool has_new_member;    /* since the initial delay began or was last extended */
    uint32_t joining_count; /* members whose join is parked */
    uint32_t sync_due_count;
    int32_t initial_delay_ms; /* running out on join_deadline; 0: this is not the first rebalance */
    int32_t initial_left_ms;  /* by which the delay may yet be extended */
    uint64_t storing_write_id; /* the write of this generation's assignment that is under way; 0 */
    struct deadline join_deadline;
    struct deadline sync_deadline;
};

struct membership *membership_new(struct group *group, uint64_t hash_seed);
/* Nothing may be parked, no deadline armed. NULL is fine. */
void membership_free(struct membership *membership);

/* What a new member brings; everything is copied, `protocols` is taken. */
struct member_params {
    struct bytes id;
    struct bytes instance_id;
    struct bytes client_id;
    struct bytes client_host;
    int32_t rebalance_timeout_ms;
    int32_t session_timeout_ms;
    struct member_protocols *protocols;
};

struct member *membership_get(const struct membership *membership, struct bytes id);
struct member *membership_by_instance(const struct membership *membership,
                                      struct bytes instance_id);
/* The first member becomes leader. Neither its id nor its instance id is there yet. */
struct member *membership_add(struct membership *membership, const struct member_params *params);
/* Nothing of it may be parked or armed. Of the others the oldest becomes leader, if it was. */
void membership_remove(struct membership *membership, struct member *member);
/* The same member under a new id (KIP-345): protocols and assignment move over, the old one is freed. */
struct member *membership_rename(struct membership *membership, struct member *member,
                                 struct bytes new_id);
void membership_set_protocols(struct membership *membership, struct member *member,
                              struct member_protocols *protocols);          /* taken */
void member_set_assignment(struct member *member, struct bytes assignment); /* copied */

void member_park_join(struct membership *membership, struct member *member, struct parked parked);
/* Takes what is parked; false: nothing. */
bool member_unpark_join(struct membership *membership, struct member *member, struct parked *out);
bool member_unpark_sync(struct member *member, struct parked *out);
void member_set_sync_due(struct membership *membership, struct member *member, bool is_due);

/* Null when it does not speak it. */
struct bytes member_metadata(const struct member *member, struct bytes protocol);
bool member_has_protocols(
    const struct member *member,
    const struct member_protocols *protocols); /* the same, in the same order */

/* Whether every member speaks one of these. */
bool membership_speaks(const struct membership *membership,
                       const struct member_protocols *protocols);
/* The protocol that most members prefer among those that all speak; of equals, the one voted for first. Null when there
 * is none (which no join lets happen). */
struct bytes membership_elect_protocol(const struct membership *membership);
void membership_set_protocol(struct membership *membership, struct bytes protocol); /* copied */
/* Reads from the members' metadata what they subscribe to (ConsumerProtocolSubscription). */
void membership_learn_topics(struct membership *membership);
/* Lets a member that joined lead if the leader did not: false when there is no leader, or nobody joined. */
bool membership_elect_leader(struct membership *membership);

int32_t
membership_rebalance_timeout_ms(const struct membership *membership); /* the longest of all */
bool membership_all_joined(
    const struct membership *membership); /* and no handed-out id is awaited */
bool membership_is_vacant(
    const struct membership *membership); /* neither members nor pending ones */

struct pending_member *membership_add_pending(struct membership *membership, struct bytes id);
struct pending_member *membership_get_pending(const struct membership *membership, struct bytes id);
void membership_remove_pending(struct membership *membership,
                               struct pending_member *pending); /* not armed */
struct pending_member *membership_oldest_pending(const struct membership *membership); /* or NULL */
