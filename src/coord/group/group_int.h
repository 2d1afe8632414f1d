/* What the files of this folder share: the coordinator itself, and how they append, answer and arm.
 *
 * Within a step `c->effects` and `c->event` are set; files reach both through the functions below.
 */
#pragma once

#include "coord/group/consumer_record.h"
#include "coord/group/foreign.h"
#include "coord/group/group_coordinator.h"
#include "coord/group/topic_hash.h"
#include "coord/group/write.h"
#include "coord/java_string.h"
#include "coord/record.h"
#include "wire/api.h"
#include "wire/message.h"

/* A member that has never had an answer cannot send heartbeats; it is given up after this, as in Kafka. */
#define NEW_MEMBER_TIMEOUT_MS (5 * 60 * 1000)

enum deadline_kind {
    DEADLINE_SESSION,             /* in struct member */
    DEADLINE_PENDING,             /* in struct pending_member */
    DEADLINE_JOIN,                /* in struct membership */
    DEADLINE_SYNC,                /* in struct membership */
    DEADLINE_EXPIRY,              /* in struct group_coordinator */
    DEADLINE_WRITE,               /* in struct group_coordinator */
    DEADLINE_CONSUMER_SESSION,    /* in struct consumer */
    DEADLINE_CONSUMER_REVOCATION, /* the same */
    DEADLINE_CONSUMER_JOIN,       /* the same */
    DEADLINE_CONSUMER_SYNC,       /* the same */
    DEADLINE_REGEX,               /* in struct consumer_group */
};

/* Records that have taken effect one by one and will be appended as one batch, or taken back together. */
struct draft {
    struct write *write; /* owned; NULL: there is no draft */
    VEC(struct coord_record) records;
    size_t bytes;                 /* of the batch */
    struct coord_lines_mark told; /* before it */
};

struct group_coordinator {
    enum coordinator_state state;
    struct group_settings settings;
    uint64_t hash_seed;
    struct names names;
    struct map groups;      /* id → struct group */
    struct list group_list; /* the same, in order of creation */
    struct pending_offsets pending;
    struct deadlines deadlines;
    struct list writes; /* struct write, oldest first */
    uint64_t next_write_id;
    struct deadline write_deadline;
    struct deadline expiry_deadline;
    struct list
        *expiry_at; /* the group that expiry looks at next; the list's head between rounds */
    VEC(struct record) records; /* of the operation at hand, not yet appended */
    struct draft draft;
    struct metadata_image *image; /* counted; NULL: not told yet */
    int64_t topics_version;       /* of the image in which a topic last came into being; -1 */
    uint64_t
        image_number; /* of images in which topics were others than in the one before; 0: none */
    struct topic_hashes topic_hashes;
    uint64_t resolution_number; /* of the latest; 0: none yet */
    struct arena load_arena;

    const struct group_event *event;
    struct group_effects *effects;
};

/* ---- groups ------------------------------------------------------------------------------------ */

struct group *coord__find(const struct group_coordinator *c, struct bytes id); /* NULL */
/* `write`: undone with it; NULL while loading. */
struct group *coord__create(struct group_coordinator *c, struct bytes id, int64_t wall_ms);
void coord__undo_creation(struct write *write, struct group *group);
/* Answers everyone who waits, and ends all deadlines; ids that were handed out are forgotten. */
void coord__quiesce(struct group_coordinator *c, struct membership *membership,
                    enum kafka_error error);
/* Answers everyone who waits in it, lets go of its members. */
void coord__disperse(struct group_coordinator *c, struct group *group, enum kafka_error error);
/* Takes a void group out of the tables; frees it, or leaves it to the write. */
void coord__remove(struct group_coordinator *c, struct group *group, struct write *write);

/* ---- records (replay.c, append.c) ----------------------------------------------------------------- */

/* What a record means in memory, at load and when it is appended. producer_id -1: not in a transaction. */
void coord__replay(struct group_coordinator *c, int64_t producer_id, const struct record *record,
                   struct write *write);

/* The same of a marker. */
void coord__replay_end(struct group_coordinator *c, int64_t producer_id, bool is_commit,
                       struct write *write);

/* Each adds a record to c->records; the structs live in the effects' arena. */
void coord__record_offset(struct group_coordinator *c, struct bytes id, struct bytes topic,
                          int32_t partition,
                          const struct offset_value *value /* NULL: a tombstone */);
void coord__record_group(struct group_coordinator *c, const struct group *group); /* as it is now */
void coord__record_empty_group(struct group_coordinator *c,
                               const struct group *group); /* that is new */
void coord__record_group_tombstone(struct group_coordinator *c, struct bytes group_id);
void coord__record_foreign_tombstones(struct group_coordinator *c, const struct group *group);
/* For everything that the log may have of a consumer group. */
void coord__record_consumer_tombstones(struct group_coordinator *c, const struct group *group);

enum append_flags {
    APPEND_AS_ONE = 1, /* one batch or none */
    APPEND_REPLAY = 2, /* take effect in memory; else the caller has done that */
    APPEND_EXPIRY =
        4, /* of a round of expiry, which ends when the append fails; what no batch holds
                        * is left out */
};
/* Appends c->records and forgets them. NULL *out: there were none. NONE, or UNKNOWN_SERVER_ERROR and nothing done: they do not
 * fit in a batch, or a text is longer than the format holds. *out is the (last) write. */
MUST_CHECK enum kafka_error coord__append(struct group_coordinator *c, unsigned flags,
                                          struct write **out);
/* The same in a transaction (NULL: in none), or its end: then there are no records, and it cannot be refused. */
MUST_CHECK enum kafka_error coord__append_in(struct group_coordinator *c, unsigned flags,
                                             const struct coord_transaction *transaction,
                                             struct write **out);
/* Several records that build on one another, in one batch or not at all: begin, put one by one (each takes effect at once),
 * then append, or undo. While there is a draft nothing else may be appended. */
void coord__draft_begin(struct group_coordinator *c);
void coord__draft_put(struct group_coordinator *c, const struct record *record);
/* Those in c->records, whose effect is there already: they are only written. What undoes it belongs into coord__draft_write. */
void coord__draft_take_records(struct group_coordinator *c);
struct write *coord__draft_write(struct group_coordinator *c);
void coord__draft_undo(struct group_coordinator *c);
bool coord__draft_fits(const struct group_coordinator *c); /* in a batch, so far */
/* NONE; *out NULL: there was nothing to append. UNKNOWN_SERVER_ERROR: no batch holds them, and all is undone. */
MUST_CHECK enum kafka_error coord__draft_append(struct group_coordinator *c, struct write **out);
void coord__write_done(struct group_coordinator *c, uint64_t write_id, enum kafka_error error);
void coord__writes_give_up(struct group_coordinator *c); /* those whose time has passed */
/* Whatever becomes of them: their answers are errors, and nothing is undone. */
void coord__writes_abandon(struct group_coordinator *c, enum kafka_error error);

/* ---- answers (answer.c, refusal.c) ------------------------------------------------------------------ */

/* Where an answer to be given by coord__answer is built. After the appends of the operation. */
struct arena *coord__arena(struct group_coordinator *c);
struct bytes coord__copy(struct arena *arena, struct bytes b);
/* `group "<id>": …` for the operator. What an undone draft told is forgotten, but for warnings. */
void coord__tell(struct group_coordinator *c, enum coord_line_kind kind, const struct group *group,
                 const char *format, ...) PRINTF_LIKE(4, 5);
const char *coord__quoted(struct group_coordinator *c, struct bytes text); /* for such a line */
/* `member "…" of client "…" at "…"` */
const char *coord__who(struct group_coordinator *c, struct bytes member_id, struct bytes client_id,
                       struct bytes client_host);
/* When everything under way is written. */
void coord__answer(struct group_coordinator *c, void *message);
/* At once. */
void coord__answer_now(struct group_coordinator *c, uint64_t token, int16_t api_key, void *message);
/* Refuses the request at hand, at once. */
void coord__refuse(struct group_coordinator *c, enum kafka_error error);
/* Makes an answer that was formed one of failure. */
void refusal_from_answer(int16_t api_key, void *message, enum kafka_error error);

void coord__answer_sync(struct group_coordinator *c, const struct parked *parked,
                        enum kafka_error error, const struct group *group,
                        const struct member *member);
struct join_group_response;
struct join_group_response *coord__join_answer(struct group_coordinator *c);
void coord__answer_join(struct group_coordinator *c, const struct parked *parked,
                        struct join_group_response *message);
void coord__answer_join_error(struct group_coordinator *c, const struct parked *parked,
                              struct bytes member_id, enum kafka_error error);
/* Generation, protocol, leader and, for the leader, all members. */
void coord__answer_joined(struct group_coordinator *c, const struct parked *parked,
                          const struct group *group, const struct member *member);

/* ---- requests ---------------------------------------------------------------------------------------- */

void coord__join(struct group_coordinator *c);
void coord__sync(struct group_coordinator *c);
void coord__heartbeat(struct group_coordinator *c);
void coord__leave(struct group_coordinator *c);
void coord__offset_commit(struct group_coordinator *c);
void coord__txn_offset_commit(struct group_coordinator *c);
void coord__end_transaction(struct group_coordinator *c); /* not a request: an event */
void coord__offset_fetch(struct group_coordinator *c);
void coord__offset_delete(struct group_coordinator *c);
void coord__list(struct group_coordinator *c);
void coord__describe(struct group_coordinator *c);
void coord__delete(struct group_coordinator *c);
void coord__consumer_heartbeat(struct group_coordinator *c);
void coord__consumer_describe(struct group_coordinator *c);

/* Who commits offsets, as the request says. */
struct offset_committer {
    struct bytes member_id;
    struct bytes instance_id;
    int32_t generation; /* or member epoch */
    bool is_transactional;
};
/* Whether it may: NONE, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, GROUP_ID_NOT_FOUND, REBALANCE_IN_PROGRESS,
 * STALE_MEMBER_EPOCH, UNSUPPORTED_VERSION. group NULL: there is none. */
enum kafka_error coord__check_committer(const struct group_coordinator *c,
                                        const struct group *group,
                                        const struct offset_committer *committer);
/* A committer that may, and is a member of a consumer group with an epoch that is behind; NULL: nothing more is to be checked. */
const struct consumer *coord__committer_behind(const struct group *group,
                                               const struct offset_committer *committer);
/* Of such a one: whether it had the partition already (KIP-1251). NONE, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION. */
enum kafka_error coord__check_commit(const struct consumer *behind,
                                     const struct offset_committer *committer, struct uuid topic_id,
                                     int32_t partition);
bool coord__is_metadata_too_long(const struct group_coordinator *c, struct bytes metadata);

/* ---- rebalancing ---------------------------------------------------------------------------------------- */

/* Who a request says it is: NONE, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID (KIP-345). */
enum kafka_error coord__check_member(const struct group *group, struct bytes member_id,
                                     struct bytes instance_id);
void coord__renew_session(struct group_coordinator *c, struct member *member, int64_t timeout_ms);
/* Takes a member out, after answering what it waits for with UNKNOWN_MEMBER_ID. */
void coord__remove_member(struct group_coordinator *c, struct member *member);
/* `why`: for the operator; lives forever. */
void coord__prepare_rebalance(struct group_coordinator *c, struct group *group, const char *why);
/* After a change of members: begins a rebalance where the state allows, or ends one that nobody is missing from. */
void coord__rebalance_or_complete(struct group_coordinator *c, struct group *group,
                                  const char *why);
void coord__maybe_complete_join(struct group_coordinator *c, struct group *group);
void coord__on_session_expired(struct group_coordinator *c, struct member *member);
void coord__on_pending_expired(struct group_coordinator *c, struct pending_member *pending);
void coord__on_join_deadline(struct group_coordinator *c, struct group *group);
void coord__on_sync_deadline(struct group_coordinator *c, struct group *group);
/* A rebalance that had been interrupted waits for whoever joins. */
void coord__resume_rebalance(struct group_coordinator *c, struct group *group);

/* Sequels of writes; error NONE: it is written. */
void coord__assignment_stored(struct group_coordinator *c, const struct sequel *sequel,
                              uint64_t write_id, enum kafka_error error);
void coord__static_member_stored(struct group_coordinator *c, const struct sequel *sequel,
                                 enum kafka_error error);
void coord__give_assignments(struct group_coordinator *c, struct group *group,
                             enum kafka_error error);

/* ---- consumer groups: consumer_int.h has the rest ---------------------------------------------------------- */

/* Sessions, and what else is waited for: after a load, or when the group is back. */
void coord__arm_consumers(struct group_coordinator *c, struct consumer_group *group);
void coord__arm_consumer(struct group_coordinator *c, struct consumer *consumer);
void coord__disarm_consumers(struct group_coordinator *c, struct consumer_group *group);
/* Nothing was heard of the member in time, whatever it was. */
void coord__on_consumer_deadline(struct group_coordinator *c, struct consumer *consumer,
                                 enum deadline_kind kind);
void coord__on_regex_deadline(struct group_coordinator *c, struct consumer_group *group);
void coord__on_resolved(struct group_coordinator *c);
void coord__on_image(struct group_coordinator *c);

/* JoinGroup and its like where the group is one of consumers (consumer_classic.c). */
struct leave_group_request_member_identity;
void coord__join_consumer_group(struct group_coordinator *c, struct group *group);
void coord__sync_consumer_group(struct group_coordinator *c, struct group *group);
enum kafka_error coord__beat_consumer_group(struct group_coordinator *c, struct group *group);
enum kafka_error
coord__leave_consumer_group(struct group_coordinator *c, struct group *group,
                            const struct leave_group_request_member_identity *members,
                            int32_t count, int16_t *errors);

/* ---- groups that turn into others ------------------------------------------------------------------------ */

/* What the group is beside its offsets goes, into the write (NULL: for good). Who waits in it is answered. It is then an empty
 * classic group. */
void coord__set_aside(struct group_coordinator *c, struct group *group, enum kafka_error error,
                      struct write *write);
/* On a draft that wait is left for this, once it is sure to be appended. */
void coord__quiesce_set_aside(struct group_coordinator *c, struct write *write);
/* It is one of the consumer protocol from here on, with nothing in it, unless it was. */
struct consumer_group *coord__become_consumer(struct group_coordinator *c, struct group *group,
                                              struct write *write);
void coord__undo_conversion(struct group_coordinator *c, struct group *group,
                            struct group_past *past, enum kafka_error error);
void coord__undo_consumer(struct group_coordinator *c, struct group *group,
                          struct consumer_change *change);

/* ---- the rest ------------------------------------------------------------------------------------------- */

/* One of c->settings, as the group has it (KIP-848: GROUP resources). */
int32_t coord__group_setting(const struct group_coordinator *c, const struct group *group,
                             const struct config_bounded *setting);
void coord__expire(struct group_coordinator *c);
void coord__end_expiry_round(struct group_coordinator *c);
void coord__delete_topics(struct group_coordinator *c, const struct group_topic_deleted *topics,
                          uint32_t count);
/* Tombstones for all of a group's offsets, pending ones too. */
void coord__record_offset_tombstones(struct group_coordinator *c, const struct group *group);
