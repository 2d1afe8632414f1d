/* The active controller: requests become metadata records and an answer (KIP-500, KIP-631).
 *
 * Each function decides on the working state (committed records and those appended but not yet committed), changes
 * nothing, and gives a struct controller_result. The owner (node, shard 0) then
 *   1. encodes the records (wire/record_frame.h) and appends them through raft (RAFT_ON_APPEND): as one batch when
 *      `is_atomic`, else split at most every RAFT_BATCH_RECORDS_MAX records;
 *   2. calls controller_replay, so that the next request decides on top of them;
 *   3. sends the answer when raft has committed everything that was appended before or with it: also answers
 *      without records, since they may speak of uncommitted state.
 * If raft stops leading (RAFT_DO_UNLEAD), waiting answers fail with NOT_CONTROLLER and controller_deactivate drops the
 * working state; controller_activate builds it anew from the committed image.
 *
 * Error codes are Apache Kafka 4.3.1's, messages say the same in like words. Not here yet: partition reassignment,
 * leader election by request, AlterPartition and follower ISR changes, ACLs, SCRAM, quotas, tokens, UpdateFeatures.
 * Threads: one, the shard of raft.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/uuid.h"
#include "metadata/image.h"
#include "metadata/record.h"

/* Partitions that one request may create, change or delete, as Apache Kafka bounds a batch of records. */
#define CONTROLLER_MUTATIONS_MAX     10000
/* What the arena of one call must allow; requests are bounded by the frame they came in. */
#define CONTROLLER_ARENA_BYTES_MAX   (256u << 20)
#define CONTROLLER_PRODUCER_ID_BLOCK 1000

struct controller;

/* Settings and their rules live in src/config; these are given from above. Strings are borrowed for the call. */
struct controller_config_entry {
    struct bytes name;
    struct bytes value; /* never null */
};
struct controller_config_description {
    struct bytes name;
    struct bytes value; /* null: null or secret */
    bool is_read_only;
    bool is_sensitive;
    int8_t source; /* DescribeConfigs' ConfigSource */
};
struct controller_config_rules {
    void *context;
    /* Would this be the resource's whole new set? 0, or with a note for the client -ERR_UNKNOWN_SETTING,
     * -ERR_LIMIT (a number outside its range) or -ERR_INVALID_SETTING. */
    int (*validate)(void *context, enum metadata_config_type type, struct bytes resource,
                    const struct controller_config_entry *entries, uint32_t count,
                    struct err_note *note);
    /* Whether APPEND and SUBTRACT are possible (type LIST). */
    bool (*is_list)(void *context, enum metadata_config_type type, struct bytes name);
    /* Default of a setting for a resource without an own value; null if none. Borrowed until the next call. */
    struct bytes (*default_value)(void *context, enum metadata_config_type type, struct bytes name);
    /* All effective settings of a topic with these overrides, for CreateTopics answers; in the arena. */
    uint32_t (*describe_topic)(void *context, const struct controller_config_entry *entries,
                               uint32_t count, struct arena *arena,
                               struct controller_config_description **out);
};

struct controller_settings {
    int32_t node_id;
    struct bytes cluster_id;              /* copied */
    int16_t default_replication_factor;   /* default.replication.factor */
    int32_t num_partitions;               /* num.partitions */
    int32_t min_insync_replicas;          /* min.insync.replicas of the static configuration */
    int64_t broker_session_timeout_ms;    /* broker.session.timeout.ms */
    int64_t max_idle_interval_ms;         /* metadata.max.idle.interval.ms; 0: no NoOpRecords */
    struct controller_config_rules rules; /* borrowed context */
};

/* What comes with every call. */
enum controller_action {
    CONTROLLER_CREATE,
    CONTROLLER_DESCRIBE,
    CONTROLLER_ALTER,
    CONTROLLER_DELETE,
    CONTROLLER_DESCRIBE_CONFIGS
};
struct controller_call {
    int64_t now_ms; /* monotonic */
    int64_t wall_ms;
    int64_t
        next_offset; /* raft_next_offset: what the first record will get (broker epochs are offsets) */
    struct rng *rng;     /* topic ids and placement; seeded from io_random */
    struct arena *arena; /* everything in the result lives here */
    /* Asked for each topic by name where the answer depends on it; NULL: everything is allowed. */
    bool (*is_allowed)(void *context, enum controller_action action, struct bytes topic);
    void *allowed_context;
};

struct controller_result {
    struct metadata_record *
        records; /* in the arena of the call, with all they point to (or borrowed from the request) */
    uint32_t record_count;
    bool is_atomic;
    const struct wire_message
        *response_message; /* &create_topics_response_message …; NULL: no answer (timer) */
    void *response;        /* its struct, in the arena */
};

struct controller *controller_new(const struct controller_settings *settings);
void controller_free(struct controller *controller); /* NULL is fine */

/* ---- leading ----------------------------------------------------------------------------------- */

/* Leadership of `epoch` begins on a committed image (a reference is taken). Brokers are given a whole session time-out to
 * be heard from. The result has the records of activation, to be appended first, if any: for an empty image the
 * bootstrap records in a metadata transaction (Kafka: "Bootstrap records") with what the features demand beside them; an
 * AbortTransactionRecord for a transaction that a former leader left open (`transaction_offset` of the loader that made the
 * image, else -1).
 *   bootstrap  records of bootstrap.checkpoint (metadata/bootstrap.h); used for an empty image only */
void controller_activate(struct controller *controller, const struct controller_call *call,
                         int32_t epoch, struct metadata_image *committed,
                         int64_t transaction_offset, const struct metadata_record *bootstrap,
                         uint32_t bootstrap_count, struct controller_result *out);
void controller_deactivate(struct controller *controller); /* not active: fine */
bool controller_is_active(const struct controller *controller);
int32_t controller_epoch(const struct controller *controller); /* -1 when not active */

/* The records of a result were appended from base_offset on. The working state moves. */
void controller_replay(struct controller *controller, int64_t base_offset,
                       const struct metadata_record *records, uint32_t record_count,
                       int64_t now_ms);

/* State that decisions are made on. Borrowed until the next controller call. */
const struct metadata_image *controller_working(const struct controller *controller);

/* ---- time -------------------------------------------------------------------------------------- */

/* When (monotonic) controller_on_timer wants to be called; INT64_MAX: not by time. Changes with every call. */
int64_t controller_deadline_ms(const struct controller *controller);
/* Fences brokers that were not heard from, writes a NoOpRecord when nothing was written for max_idle_interval_ms,
 * elects leaders where one has become possible. May give no records; no answer. Call again while the deadline is past. */
void controller_on_timer(struct controller *controller, const struct controller_call *call,
                         struct controller_result *out);

/* A broker whose heartbeat was taken and is not answered yet (a slow disk keeps the answer back) can send no other, and
 * does not count as silent: its session stands still from one call to the other. Each hold is followed by one release;
 * with the sessions of another leadership they do nothing. */
void controller_hold_session(struct controller *controller, int32_t broker_id);
void controller_release_session(struct controller *controller, int32_t broker_id, int64_t now_ms);

/* ---- requests -----------------------------------------------------------------------------------
 * All return 0, or -ERR_NOT_LEADER when the controller is not active (the caller answers NOT_CONTROLLER). Requests are
 * borrowed until the records are encoded and the answer is written. `version`: of the request. */

struct create_topics_request;
struct create_partitions_request;
struct delete_topics_request;
struct incremental_alter_configs_request;
struct alter_configs_request;
struct broker_registration_request;
struct broker_heartbeat_request;
struct unregister_broker_request;
struct controller_registration_request;
struct allocate_producer_ids_request;
struct assign_replicas_to_dirs_request;

MUST_CHECK int controller_create_topics(struct controller *controller,
                                        const struct controller_call *call,
                                        const struct create_topics_request *request,
                                        int16_t version, struct controller_result *out);
MUST_CHECK int controller_create_partitions(struct controller *controller,
                                            const struct controller_call *call,
                                            const struct create_partitions_request *request,
                                            int16_t version, struct controller_result *out);
MUST_CHECK int controller_delete_topics(struct controller *controller,
                                        const struct controller_call *call,
                                        const struct delete_topics_request *request,
                                        int16_t version, struct controller_result *out);
MUST_CHECK int
controller_incremental_alter_configs(struct controller *controller,
                                     const struct controller_call *call,
                                     const struct incremental_alter_configs_request *request,
                                     int16_t version, struct controller_result *out);
MUST_CHECK int controller_alter_configs(struct controller *controller,
                                        const struct controller_call *call,
                                        const struct alter_configs_request *request,
                                        int16_t version, struct controller_result *out);
MUST_CHECK int controller_register_broker(struct controller *controller,
                                          const struct controller_call *call,
                                          const struct broker_registration_request *request,
                                          int16_t version, struct controller_result *out);
/* Also counts as a sign of life when it gives no records. */
MUST_CHECK int controller_broker_heartbeat(struct controller *controller,
                                           const struct controller_call *call,
                                           const struct broker_heartbeat_request *request,
                                           int16_t version, struct controller_result *out);
MUST_CHECK int controller_unregister_broker(struct controller *controller,
                                            const struct controller_call *call,
                                            const struct unregister_broker_request *request,
                                            int16_t version, struct controller_result *out);
MUST_CHECK int controller_register_controller(struct controller *controller,
                                              const struct controller_call *call,
                                              const struct controller_registration_request *request,
                                              int16_t version, struct controller_result *out);
MUST_CHECK int controller_assign_directories(struct controller *controller,
                                             const struct controller_call *call,
                                             const struct assign_replicas_to_dirs_request *request,
                                             int16_t version, struct controller_result *out);
MUST_CHECK int controller_allocate_producer_ids(struct controller *controller,
                                                const struct controller_call *call,
                                                const struct allocate_producer_ids_request *request,
                                                int16_t version, struct controller_result *out);
