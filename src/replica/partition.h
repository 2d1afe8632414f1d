/* One partition as this node holds it: who leads, what may be read, and who waits for what.
 *
 * Threads: owned by the shard that owns the partition. Sources: KIP-101 (leader epochs), KIP-227,
 * KIP-320 (epoch fencing of clients), KIP-497 (ISR), Kafka's replication chapter.
 *
 *   log start ≤ last stable offset ≤ high watermark ≤ written end ≤ planned end
 *
 * A turn of the shard: handlers plan appends (partition_append), which marks the partition dirty; at the end
 * of the turn replicas_write writes each dirty log once, moves the high watermark, and lets go of what
 * waited: appends whose offsets are written (acks=1; flushed, under flush.messages=1) or below the high watermark (acks=all), and fetches
 * that now find enough.
 */
#pragma once

#include "base/list.h"
#include "base/uuid.h"
#include "log/log.h"
#include "wire/kafka_error.h"

struct replicas;

enum partition_state {
    PARTITION_OPENING, /* its log is being opened by a worker */
    PARTITION_ONLINE,
    PARTITION_OFFLINE, /* its directory or log failed: KAFKA_STORAGE_ERROR */
};

struct partition {
    struct list link;         /* among all partitions, in order of creation */
    struct list dirty_link;   /* has planned appends not yet written */
    struct list written_link; /* is written in this round, and those who wait are not told yet */
    struct replicas *replicas;
    char *topic; /* owned */
    struct uuid topic_id;
    int32_t index;
    enum partition_state state;
    struct log *log; /* owned; NULL unless online */
    uint32_t log_dir_index;
    bool is_deleted; /* the image no longer has it: goes when its log is opened */
    bool is_held;    /* a log of its name is on its way out; opened after that */
    struct log_params *
        again; /* owned: how it was to be opened at start, and could not be for want of space; NULL */
    bool awaits_retention;  /* its log is being looked at, and is asked again then */
    int64_t clean_after_ns; /* compaction found no space: not before then; 0: it did not */
    bool is_tried_again;    /* space or descriptors were lacking to open it: replicas_tick does */
    uint32_t try_count;     /* how often it did */

    int32_t leader_id; /* -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    bool is_leader;
    bool is_sole_in_sync; /* the ISR is this node alone: what is written is committed */
    uint16_t isr_count;
    uint16_t replica_count;
    int32_t isr_count_min; /* min.insync.replicas; more than there are replicas means all of them */

    int64_t high_watermark;
    int write_error; /* of this turn's log_write, between the two passes of replicas_write */
    struct list append_waits;  /* struct append_wait, by ascending offset */
    struct list fetch_watches; /* struct fetch_watch */
};

/* ---- appending ------------------------------------------------------------------------------- */

/* Waits for an append to be as safe as was asked. Lives in its owner's memory (a request's arena, a
 * coordinator's write) until `done`, which is called once, at a turn's end, never inside partition_append. */
struct append_wait {
    struct list link;
    int64_t offset_required; /* the first offset that need not be safe: last offset + 1 */
    bool is_all;             /* below the high watermark; else written is enough */
    void (*done)(struct append_wait *wait, enum kafka_error error);
};

/* Plans an append of whole batches to a partition this node leads.
 *
 *   append  see log_append_plan; leader_epoch is filled in here
 *   wait    called when the append is safe or has failed; NULL: nobody asks. Not taken when out->error is not
 *           NONE. is_all (acks=all): refused with NOT_ENOUGH_REPLICAS when the ISR is below min.insync.replicas
 *   out     as log_append_plan; also NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR
 */
void partition_append(struct partition *partition, const struct log_append *append,
                      struct append_wait *wait, struct log_append_result *out);

/* ---- ending transactions (KIP-98, KIP-1228) ---------------------------------------------------- */

struct partition_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    int16_t
        transaction_version; /* of the transaction: from 2 on the epoch is above that of its batches */
    bool is_commit;
    int64_t now_ms;
};

/* Plans the append of the marker that commits or aborts a producer's transaction in this partition; one without a transaction
 * here is written all the same, as in Kafka. `wait` is told when the marker is below the high watermark, or has failed;
 * it waits as for acks=all, and is not taken when out->error is not NONE:
 *   as partition_append; INVALID_PRODUCER_EPOCH (the partition has seen a later epoch, or, from transaction version 2 on, this
 *   one in an open transaction); TRANSACTION_COORDINATOR_FENCED (a later coordinator has written here).
 * In partitions of __consumer_offsets this is for their coordinator: groups_end_transaction (server/groups.h). */
void partition_end_transaction(struct partition *partition, const struct partition_marker *marker,
                               struct append_wait *wait, struct log_append_result *out);

/* ---- reading --------------------------------------------------------------------------------- */

enum fetch_isolation {
    FETCH_LOG_END,        /* followers */
    FETCH_HIGH_WATERMARK, /* read_uncommitted */
    FETCH_COMMITTED,      /* read_committed: the last stable offset */
};

/* The offset below which `isolation` may read. */
int64_t partition_readable_end(const struct partition *partition, enum fetch_isolation isolation);
int64_t partition_log_start(const struct partition *partition);
int64_t partition_last_stable_offset(const struct partition *partition);

/* Is this node the leader, in the epoch the client believes in? current_leader_epoch -1: not said (KIP-320).
 * NONE, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR. */
enum kafka_error partition_check_leader(const struct partition *partition,
                                        int32_t current_leader_epoch);

/* Told when more of a partition may be read, or when it stops being readable here. Lives in its owner's memory;
 * `wake` runs at a turn's end and may remove this watch and add others. */
struct fetch_watch {
    struct list link;
    struct partition *partition;
    void *owner;
    void (*wake)(struct fetch_watch *watch);
};
void partition_watch(struct partition *partition, struct fetch_watch *watch);
void fetch_watch_remove(struct fetch_watch *watch); /* not added: fine */
