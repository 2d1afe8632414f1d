/* What the files about consumer groups share: steps of a heartbeat, each on the draft that is open. */
#pragma once

#include "coord/group/group_int.h"

/* Epochs that members tell. */
#define EPOCH_JOIN         0
#define EPOCH_LEAVE        (-1)
#define EPOCH_LEAVE_STATIC (-2) /* for a while: the instance comes back */

/* An id that the coordinator chooses, of the event's random bytes. */
struct bytes coord__new_consumer_id(struct group_coordinator *c);

/* Of what a client told, and is told back, where a reason follows. */
#define QUOTED_BYTES_MAX ((size_t)16 << 10)

/* Why a request is refused; message null: Kafka has none. */
struct consumer_refusal {
    enum kafka_error error;
    struct bytes message;
};
enum kafka_error consumer_refuse(struct group_coordinator *c, struct consumer_refusal *refusal,
                                 enum kafka_error error, const char *format, ...) PRINTF_LIKE(4, 5);

/* ---- records ------------------------------------------------------------------------------------- */

/* Each puts a record on the draft; values are borrowed. */
void coord__put_profile(struct group_coordinator *c, const struct group *group,
                        struct bytes member_id, const struct consumer_profile *profile);
void coord__put_target(struct group_coordinator *c, const struct group *group,
                       struct bytes member_id, const struct assignment *target);
void coord__put_state(struct group_coordinator *c, const struct group *group,
                      struct bytes member_id, const struct consumer_state *state);
void coord__put_epoch(struct group_coordinator *c, const struct group *group, int32_t epoch,
                      int64_t metadata_hash);
/* The next one; the last there is stays. */
void coord__raise_epoch(struct group_coordinator *c, const struct group *group,
                        int64_t metadata_hash);
void coord__put_assignment_epoch(struct group_coordinator *c, const struct group *group,
                                 int32_t epoch, int64_t assigned_ms);
void coord__put_regex(struct group_coordinator *c, const struct group *group, struct bytes regex,
                      const struct resolved_regex *resolved);
void coord__put_partition_metadata_tombstone(struct group_coordinator *c,
                                             const struct group *group);
/* State, target and profile. */
void coord__put_member_tombstones(struct group_coordinator *c, const struct group *group,
                                  struct bytes member_id);
/* ---- members --------------------------------------------------------------------------------------- */

/* Who comes, of either protocol. */
struct consumer_arrival {
    struct bytes member_id;
    struct bytes instance_id; /* null: a dynamic member */
    int32_t epoch;
    bool is_new; /* may come into being, or take the place of its instance */
    bool is_classic;
    const struct assignment *owned; /* partitions that it says it has */
    bool tells_owned;
};
/* The member it is, or is to be (*out NULL). A static member that comes back takes over what the one before had. */
enum kafka_error coord__consumer_arrive(struct group_coordinator *c, struct group *group,
                                        const struct consumer_arrival *arrival,
                                        struct consumer **out, struct consumer_refusal *refusal);

/* ---- topics ------------------------------------------------------------------------------------------ */

#define REGEX_PAUSE_MS 10000 /* at least, between rounds of resolving a group's expressions */

/* What a change of profile did to a member's subscription. */
struct subscription_change {
    bool has_changed;     /* names or expression */
    bool needs_rebalance; /* what it stands for is known, and not what it was */
};
/* Gives the member the profile, if it is another one, and looks after expressions. INVALID_REGULAR_EXPRESSION. */
enum kafka_error
coord__consumer_update(struct group_coordinator *c, struct group *group, struct bytes member_id,
                       const struct consumer_profile *before, const struct consumer_profile *after,
                       struct subscription_change *out, struct consumer_refusal *refusal);
/* Raises the group's epoch: when it must be, or when its topics are no longer what they were. */
void coord__consumer_refresh(struct group_coordinator *c, struct group *group, bool must);
/* The same after expressions were resolved. */
void coord__raise_epoch_if_other(struct group_coordinator *c, struct group *group, bool must);
int64_t coord__consumer_metadata_hash(struct group_coordinator *c, struct consumer_group *group);
bool coord__consumer_subscribes(const struct group_coordinator *c, const struct consumer *consumer,
                                struct uuid topic_id);

/* ---- assignments ----------------------------------------------------------------------------------------- */

/* Assigns anew when the group's epoch is ahead and the last time was long enough ago; answers whether it did. */
bool coord__consumer_assign(struct group_coordinator *c, struct group *group);
/* Not now, and not for a while, because no batch holds it: members go on with the assignment there is. False: there is none. */
bool coord__consumer_postpone_assignment(struct group_coordinator *c, struct bytes group_id);
/* Leads a member towards its target; answers whether the partitions it has are others now. */
bool coord__consumer_reconcile(struct group_coordinator *c, struct consumer *consumer,
                               bool has_subscription_changed, const struct assignment *owned,
                               bool tells_owned);
/* Whether what it waits for is still with others. */
bool coord__consumer_waits(const struct consumer *consumer);

/* coord__who of it. */
const char *coord__who_consumer(struct group_coordinator *c, const struct consumer *consumer);

/* ---- leaving ----------------------------------------------------------------------------------------------- */

/* Takes members out, on the draft, on which nothing else is yet; where only members of the classic protocol are left the group
 * may become one of theirs. `what` they did is for the operator: "has left". */
void coord__consumers_fence(struct group_coordinator *c, struct group *group,
                            struct consumer *const *consumers, size_t count, const char *what);
void coord__renew_consumer(struct group_coordinator *c, struct consumer *consumer);

/* ---- migration (migration.c) ----------------------------------------------------------------------------------- */

/* Whether the group can become a classic one when so many members, of them so many classic ones, are gone. Where only settings
 * are against it the operator is told. */
bool coord__can_downgrade(struct group_coordinator *c, const struct consumer_group *group,
                          uint32_t leaving_count, uint32_t leaving_classic_count);
/* On the draft: a classic group of all members but these. With `rebalances` it begins one. */
void coord__downgrade(struct group_coordinator *c, struct group *group,
                      struct consumer *const *leaving, size_t leaving_count, bool rebalances);
/* On the draft: a consumer group of all members. GROUP_ID_NOT_FOUND: it cannot be. */
enum kafka_error coord__upgrade(struct group_coordinator *c, struct group *group,
                                struct consumer_refusal *refusal);

/* ConsumerProtocolAssignment in the version that the subscription is of; nothing where that cannot be read. */
void coord__write_protocol_assignment(struct group_coordinator *c, struct bytes subscription,
                                      const struct assignment *assignment, struct buf *out);
