/* One group: what kind it is, how far it has got, and its committed offsets.
 *
 *   classic, Empty, no protocol type    a "simple" group: somebody commits offsets and manages partitions alone
 *   classic                             members in `membership`, while there are any
 *   consumer                            its state in `consumer` (consumer_group.h)
 *   share, streams                      groups of other protocols: only their records' keys are kept (foreign.h)
 *
 *   Empty ──► PreparingRebalance ──► CompletingRebalance ──► Stable
 *     ▲            │   ▲  ▲                 │                  │
 *     └────────────┘   │  └─────────────────┴──────────────────┘
 *                      └── a first member
 */
#pragma once

#include "base/list.h"
#include "coord/group/consumer_group.h"
#include "coord/group/membership.h"
#include "coord/group/offsets.h"

enum group_kind { GROUP_CLASSIC, GROUP_CONSUMER, GROUP_SHARE, GROUP_STREAMS };
enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

struct foreign;

struct group {
    struct list link; /* among all groups of the coordinator, in order of creation */
    uint8_t kind;     /* enum group_kind */
    uint8_t state;    /* enum group_state */
    bool
        is_first_rebalance; /* PREPARING that began in EMPTY: waits for the initial delay, not for members */
    bool is_listed; /* in the coordinator's tables */
    int32_t generation;
    int64_t state_changed_ms;        /* wall clock; -1: not known */
    struct name *protocol_type;      /* a reference; NULL: never had a member */
    struct membership *membership;   /* owned; NULL: no members */
    struct consumer_group *consumer; /* owned; NULL: of another kind */
    struct foreign *foreign;         /* owned; NULL: no records of other protocols */
    struct offsets offsets;
    struct list pending_offsets;   /* in transactions that are open: pending_offsets.h */
    uint32_t pending_offset_count; /* of them */
    uint32_t id_size;
    char id[];
};

struct group *group_new(struct bytes id, int64_t wall_ms);
void group_free(struct group *group, struct names *names); /* not listed; NULL is fine */

struct bytes group_id(const struct group *group);
const char *group_kind_name(enum group_kind kind);       /* "classic" */
const char *group_state_name(const struct group *group); /* "PreparingRebalance" */
bool group_is_empty(const struct group *group);          /* of whatever kind: no members */
bool group_uses_consumers(const struct group *group);    /* protocol type "consumer" */
/* Whether members may still need the topic's offsets (KIP-496); where nobody knows, they do. */
bool group_is_subscribed(const struct group *group, struct bytes topic);
/* Neither members nor offsets nor records of other protocols: nothing would be lost. */
bool group_is_void(const struct group *group);

/* What a group is beside its offsets: set aside when it turns into one of another kind, until that is written. */
struct group_past {
    uint8_t kind;
    uint8_t state;
    bool is_first_rebalance;
    bool is_quiet; /* nobody waits in the membership, nothing is armed; else that is still to be */
    int32_t generation;
    int64_t state_changed_ms;
    struct name *protocol_type;      /* a reference */
    struct membership *membership;   /* owned */
    struct consumer_group *consumer; /* owned */
};
/* Takes it out; what is left is an empty classic group without a protocol type. */
struct group_past group_take_past(struct group *group);
void group_restore_past(struct group *group, struct names *names, struct group_past *past);
void group_past_deinit(struct group_past *past, struct names *names);

void group_set_state(struct group *group, enum group_state state, int64_t wall_ms);
struct membership *group_membership(struct group *group, uint64_t hash_seed); /* made if need be */
void group_drop_membership(struct group *group);                              /* if it is vacant */
