/* Coordinators and their logs: for each partition of an internal topic that this node leads, one coordinator, whatever kind it
 * is (coord/coordinator.h).
 *
 * Here is what every kind needs: following the image, reading the log into a new coordinator by jobs (a few partitions at
 * once), appending what it decides with acks=all, timers, letting go when leadership does. What the events and effects of a kind
 * are is its own affair: groups.c, transactions.c.
 *
 *   WAITING (for its log to be open, or for its turn) ──► LOADING ──► SERVING
 *
 * Threads: the shard's.
 */
#pragma once

#include "coord/coordinator.h"
#include "coord/lines.h"
#include "server/request.h"
#include "wire/compress.h"

struct coord_load;
struct coord_log;
struct coord_logs;

struct coord_kind {
    const char *topic;     /* "__consumer_offsets" */
    const char *logger;    /* whose lines they are: "groups" */
    int32_t base_sequence; /* that Kafka gives its batches */
    const char *things;    /* what is not served where a log cannot be read: "groups" */
    void *(*coordinator_new)(struct coord_log *log); /* LOADING */
    void (*coordinator_free)(void *coordinator);     /* NULL is fine */
    /* On a worker, while the coordinator is the load's. */
    int (*replay)(void *coordinator, int64_t producer_id, struct bytes key, struct bytes value,
                  struct err_note *note);
    void (*end_transaction)(void *coordinator, int64_t producer_id, bool is_commit);
    /* On the loop. */
    void (*on_open)(struct coord_log *log);                   /* may set log->own */
    void (*on_loaded)(struct coord_log *log, bool is_loaded); /* it serves from here on */
    void (*on_appended)(struct coord_log *log, uint64_t write_id, enum kafka_error error);
    void (*on_timer)(struct coord_log *log);
    void (*on_unload)(struct coord_log *log); /* it serves no longer; it may still answer */
    void (*on_close)(struct coord_log *log);  /* frees log->own */
};

enum coord_log_state {
    COORD_LOG_WAITING,
    COORD_LOG_LOADING,
    COORD_LOG_SERVING, /* or failed: the coordinator knows what to answer */
};

/* One partition that this node leads. */
struct coord_log {
    struct list link; /* in logs->all */
    struct coord_logs *logs;
    struct uuid topic_id;
    int32_t partition;
    enum coord_log_state state;
    void *coordinator; /* owned; while LOADING the load's */
    void *own;         /* the kind's */
    struct coord_load *load;
    struct io_timer timer;
};

/* Members are for reading. */
struct coord_logs {
    const struct coord_kind *kind;
    struct shard *shard;
    void *owner;          /* the kind's */
    struct uuid topic_id; /* zero: the topic does not exist */
    int32_t partition_count;
    struct list all;                 /* struct coord_log, in the order in which they came */
    struct coord_log **by_partition; /* partition_count of them; NULL where another node leads */
    uint32_t slice_bytes;            /* read at a time while loading */
    enum codec codec;                /* of batches */

    struct list waits; /* appends under way */
    uint32_t load_count;
    uint32_t job_count;    /* of the kind's own */
    uint32_t loaded_count; /* since the last line about it */
    uint64_t loaded_records;
    int64_t load_begun_ns;
    bool is_closed;
    void (*on_closed)(void *context);
    void *closed_context;
};

void coord_logs_init(struct coord_logs *logs, const struct coord_kind *kind, struct shard *shard,
                     void *owner);
/* After the server's and the replicas' end: nobody is told anything any more. */
void coord_logs_deinit(struct coord_logs *logs);
/* Follows an image: what this node leads is there, what it leads no longer goes. */
void coord_logs_follow(struct coord_logs *logs, const struct metadata_image *image);
/* Begins to load those whose logs are open. */
void coord_logs_load(struct coord_logs *logs);
/* All go. `done` (may be NULL) is called, now or later, when no job of ours is under way. */
void coord_logs_close(struct coord_logs *logs, void (*done)(void *context), void *context);

/* A job of the kind's own: closing waits for its end. */
void coord_logs_job_begun(struct coord_logs *logs);
void coord_logs_job_ended(struct coord_logs *logs);

/* NULL: this node does not lead it; *out_error says what to tell who asks: NOT_COORDINATOR, or COORDINATOR_LOAD_IN_PROGRESS. */
struct coord_log *coord_logs_serving(const struct coord_logs *logs, int32_t partition,
                                     enum kafka_error *out_error);

/* What a step tells the operator. */
void coord_log_print(const struct coord_log *log, const struct coord_lines *lines);

/* ---- of one log ------------------------------------------------------------------------------------- */

/* Appends in order; where one is refused the others are not tried, and fail with it: false, and which. Each that was appended is
 * told to on_appended, at a turn's end. */
bool coord_log_append(struct coord_log *log, const struct coord_append *appends, size_t count,
                      uint64_t *out_failed_id, enum kafka_error *out_error);
/* INT64_MAX: never. */
void coord_log_arm(struct coord_log *log, int64_t deadline_ms);
/* max.message.bytes of the partition; `otherwise` where its log is not open. */
uint32_t coord_log_batch_bytes_max(const struct coord_log *log, uint32_t otherwise);
/* Of the leader, which is this node; -1: none any more. */
int32_t coord_log_epoch(const struct coord_log *log);
