/* The coordinator of the groups whose state lies in one partition of __consumer_offsets: members, generations,
 * assignments, committed offsets (classic protocol: KIP-62, 134, 211, 229, 345, 389, 394, 429, 496, 559, 800, 814; consumer
 * protocol: KIP-848, 1101, 1251, 1263).
 *
 * A pure state machine, group_coordinator_step(coordinator, event, effects): it decides, its owner (server/groups) does. No
 * clock, no chance, no files: events carry both times and random bytes; no step matches an expression. Cooperative rebalancing (KIP-429) is the clients'
 * affair: the coordinator hands their bytes about.
 *
 *   LOADING ── LOADED ──► ACTIVE ── UNLOAD ──► CLOSED       group_coordinator_replay feeds the log while LOADING
 *      └──── LOAD_FAILED ──► FAILED ── UNLOAD ─┘             FAILED answers NOT_COORDINATOR
 *
 * What is written and what is seen
 * - A record takes effect in memory when it is appended (GROUP_ON_APPENDED tells later how that went), so that the next
 *   event decides on it. Answers wait until every append that was under way when they were formed is done.
 * - JoinGroup and SyncGroup of classic groups speak of members, which live in memory only, and Heartbeat promises nothing:
 *   their answers leave at once, but for those that tell of an assignment or a static member, which wait for its record.
 * - A failed append undoes itself and all later ones (which the log fails too), and answers with an error of Kafka's
 *   choosing. After commit_timeout_ms the answer is an error although the append may still succeed (as in Kafka).
 * - Members of consumer groups are in the log: all else that they ask is answered when what it saw is written.
 *
 * Records of other protocols (share, streams groups) are kept by their keys: such a group is listed and may be
 * deleted when empty, its offsets may be read, and its records stay as they are.
 * Threads: one, the shard's.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "config/config.h"
#include "coord/coordinator.h"
#include "coord/lines.h"
#include "wire/kafka_error.h"

struct group_coordinator;
struct metadata_image;

/* group.consumer.migration.policy */
enum migration_policy {
    MIGRATION_DISABLED = 0,
    MIGRATION_DOWNGRADE = 1,
    MIGRATION_UPGRADE = 2,
    MIGRATION_BIDIRECTIONAL = MIGRATION_DOWNGRADE | MIGRATION_UPGRADE,
};

#define GROUP_ASSIGNORS_MAX 2 /* all there are (assignor.h) */

/* Settings of the broker; may change while it runs. */
struct group_settings {
    int32_t session_timeout_ms_min;     /* group.min.session.timeout.ms */
    int32_t session_timeout_ms_max;     /* group.max.session.timeout.ms */
    int32_t initial_rebalance_delay_ms; /* group.initial.rebalance.delay.ms */
    int32_t member_count_max;           /* group.max.size */
    int32_t metadata_length_max; /* offset.metadata.max.bytes; counts UTF-16 units, as Kafka does */
    int64_t offsets_retention_ms;        /* offsets.retention.minutes */
    int64_t retention_check_interval_ms; /* offsets.retention.check.interval.ms */
    int64_t commit_timeout_ms;           /* offsets.commit.timeout.ms */
    uint32_t batch_bytes_max;            /* max.message.bytes of __consumer_offsets */
    /* Consumer groups, which may have those of struct config_bounded for themselves: */
    struct config_bounded consumer_session_timeout_ms;
    struct config_bounded consumer_heartbeat_interval_ms;
    struct config_bounded consumer_assignment_interval_ms;
    int32_t consumer_count_max;        /* group.consumer.max.size */
    int32_t regex_refresh_interval_ms; /* group.consumer.regex.refresh.interval.ms */
    uint8_t migration_policy;          /* enum migration_policy */
    uint8_t assignors
        [GROUP_ASSIGNORS_MAX]; /* group.consumer.assignors: enum assignor, the default first, each once */
    uint32_t assignor_count; /* never 0 */
};

/* ---- expressions -------------------------------------------------------------------------------- */

/* Which topics of an image an expression of a group stands for: long work, given out as an effect and taken back as an event. */
struct group_resolution;
/* A part of it, on any thread, one at a time. True: all is done. */
MUST_CHECK bool group_resolution_work(struct group_resolution *resolution);
void group_resolution_free(struct group_resolution *resolution); /* NULL is fine */

/* Whether the expression of a heartbeat is one: up to 50 ms, so that it is asked by a job before the heartbeat is. Any thread. True: it
 * is, or there is none; else the note says why not. */
struct consumer_group_heartbeat_request;
MUST_CHECK bool group_check_regex(const struct consumer_group_heartbeat_request *asked,
                                  struct err_note *note);

/* ---- events ------------------------------------------------------------------------------------ */

/* A client's request, decoded. `message` is the struct of its API's request:
 *
 *   JoinGroup, SyncGroup       copied: may go when the step returns
 *   Heartbeat, LeaveGroup, OffsetCommit, TxnOffsetCommit, OffsetDelete
 *                              stays valid until the answer: what is echoed points into it. Topics of OffsetCommit
 *                              have both name and id, and exist; those of TxnOffsetCommit exist
 *   OffsetFetch                the same; in the form of version 8 and later with one group, topics by name
 *   ConsumerGroupHeartbeat     the same
 *   DescribeGroups, ConsumerGroupDescribe, DeleteGroups  the same; with groups of this partition only, each once
 *   ListGroups                 the same; after group_reduce_filters
 */
struct group_request {
    uint64_t token;  /* the owner's; comes back in the answer */
    int16_t api_key; /* enum api_key */
    int16_t version;
    struct bytes client_id;   /* empty where it told none */
    struct bytes client_host; /* "/127.0.0.1", as Java prints an address */
    const void *message;
    uint64_t verification_guard; /* TxnOffsetCommit: struct coord_transaction */
    /* ConsumerGroupHeartbeat: what group_check_regex said of its expression; NULL: it is well, or there is none. Valid for the call. */
    const char *regex_fault;
};

/* A marker is to be written: WriteTxnMarkers. The answer is a partition result of that API (the index is left to the owner). */
struct group_transaction_end {
    uint64_t token;
    struct coord_transaction end; /* is_end is taken for granted */
};

struct group_topic_deleted {
    struct bytes name;
    struct uuid id;
};

enum group_event_type {
    GROUP_ON_LOADED,      /* every record was replayed: serve */
    GROUP_ON_LOAD_FAILED, /* the log cannot be read */
    GROUP_ON_UNLOAD,      /* this node leads the partition no longer, or stops */
    GROUP_ON_REQUEST,
    GROUP_ON_APPENDED,        /* an append is as safe as it was asked to be, or has failed */
    GROUP_ON_TIMER,           /* effects.deadline_ms has come; early or late does no harm */
    GROUP_ON_TRANSACTION_END, /* a transaction ends here; in any state */
    GROUP_ON_TOPICS_DELETED, /* their committed offsets go too; while ACTIVE, else nothing happens */
    GROUP_ON_IMAGE, /* of the cluster, in any state; groups whose topics have changed look at them again */
    GROUP_ON_RESOLVED, /* all of a resolution is done; in any state */
};

struct group_event {
    enum group_event_type type;
    int64_t now_ms;  /* monotonic: sessions, timeouts */
    int64_t wall_ms; /* Unix time: what is written, retention; never compared with now_ms */
    uint8_t random[16];
    union {
        struct group_request request;
        struct group_transaction_end transaction_end;
        struct {
            uint64_t write_id;
            enum kafka_error error;
        } appended;
        struct {
            const struct group_topic_deleted *items; /* borrowed for the call */
            uint32_t count;
        } topics_deleted;
        struct metadata_image *image; /* a reference is taken; later than the one before */
        const struct group_resolution *resolution; /* borrowed until the effects are cleared */
    };
};

/* ---- effects ------------------------------------------------------------------------------------- */

/* What is in them is valid until group_effects_clear. */
struct group_effects {
    VEC(struct coord_append) appends; /* first these, in order */
    VEC(struct coord_answer) answers;
    struct coord_lines lines;                   /* for the operator */
    VEC(struct group_resolution *) resolutions; /* to be worked at and taken back; the receiver's */
    int64_t
        deadline_ms; /* when to come back with GROUP_ON_TIMER; INT64_MAX: never. Replaces the last one */
    struct arena arena;
    VEC(struct arena) spent; /* of writes that are done */
};
void group_effects_init(struct group_effects *effects);
void group_effects_clear(struct group_effects *effects); /* before the next step */
void group_effects_deinit(struct group_effects *effects);

/* ---- the coordinator ------------------------------------------------------------------------------- */

/* LOADING, empty. hash_seed keys its tables. */
struct group_coordinator *group_coordinator_new(const struct group_settings *settings,
                                                uint64_t hash_seed);
/* Whatever still waits is forgotten without an answer. NULL is fine. */
void group_coordinator_free(struct group_coordinator *coordinator);
void group_coordinator_set_settings(struct group_coordinator *coordinator,
                                    const struct group_settings *settings);

/* While LOADING: a record of the partition, in order of offsets. producer_id: of a transactional batch, else -1. Types that this
 * build does not know are passed over. -ERR_MALFORMED, -ERR_OVERRUN, -ERR_VERSION, -ERR_LIMIT: a record of a known type that
 * cannot be read; the note names it, nothing changed. */
MUST_CHECK int group_coordinator_replay(struct group_coordinator *coordinator, int64_t producer_id,
                                        struct bytes key, struct bytes value,
                                        struct err_note *note);
/* While LOADING: a transaction marker. */
void group_coordinator_end_transaction(struct group_coordinator *coordinator, int64_t producer_id,
                                       bool is_commit);

/* One event. `effects` is empty on entry. */
void group_coordinator_step(struct group_coordinator *coordinator, const struct group_event *event,
                            struct group_effects *effects);

/* The answer that refuses a request with an error, in the arena: for partitions without a coordinator here. As Kafka's brokers
 * shape it: a Heartbeat while COORDINATOR_LOAD_IN_PROGRESS is well. */
void *group_refusal(const struct group_request *request, enum kafka_error error,
                    struct arena *arena);

/* Leaves in the filters of a ListGroups each name once, so that each group is held against some ten of them at most: once, for all
 * coordinators that are asked. */
struct list_groups_request;
void group_reduce_filters(struct list_groups_request *asked);

/* What an append's error means to clients of a coordinator. */
enum kafka_error group_error_of_append(enum kafka_error error);

/* The partition of __consumer_offsets that a group belongs to. */
int32_t group_partition_for(struct bytes group_id, int32_t partition_count);

/* Everything that a reload of the log would bring back, one line each in order of ids, for tests. */
void group_coordinator_print(const struct group_coordinator *coordinator, struct buf *out);
