/* What clients were told of topics and records, and what may therefore be asked of the broker. Stands outside the code under
 * test.
 *
 * Promises that are checked here:
 *   - a record that was acknowledged, or was read, is at its offset and nowhere else: also after the process was killed or
 *     stopped. After a power loss that holds for what had been flushed, which is told from outside (model_lose_from)
 *   - offsets are given once; ends of logs (high watermarks) do not go back; starts of logs move only where records were
 *     deleted or have expired
 *   - a topic stays, under its id, until it is deleted, and then stays away
 *
 *   - of a compacted topic only records go that have a newer one of their key, or are tombstones and old enough, or are of no
 *     transaction that was committed
 *
 * A record's value begins with the number of its client and its own number there, so that no two records are alike.
 */
#pragma once

#include "base/list.h"
#include "base/rng.h"
#include "base/uuid.h"
#include "base/vec.h"

#define MODEL_TOPICS_MAX     5
#define MODEL_PARTITIONS_MAX 4
#define MODEL_COMPACTED      "table" /* the topic that is */

struct model;
struct model_topic;

struct model_record {
    uint32_t client;
    uint32_t number;
    uint8_t key;       /* of a compacted topic; 0: none */
    bool is_tombstone; /* of that key */
};

/* What is known of one offset. */
struct model_slot {
    bool is_known;   /* acknowledged, or read */
    bool is_control; /* a marker is there, and no record */
    struct model_record record;
    int64_t timestamp_ms;
};

struct model_partition {
    struct model_topic *topic;
    int32_t index;
    VEC(struct model_slot) slots; /* by offset */
    int64_t known_end;            /* the log reaches at least so far */
    int64_t acknowledged_end; /* every offset below it was acknowledged, in this life of the disk */
    int64_t start;            /* highest log start told in this life of the broker */
    int64_t deleted_end;      /* DeleteRecords was asked for offsets below it */
};

/* One of the topics of a history; drawn before it begins. */
struct model_plan {
    const char *name;
    uint32_t partition_count;
    bool is_synced;        /* acknowledged means flushed: by flush.messages=1 */
    bool is_ottla_synced;  /* or, then, by ottla.flush.before.ack */
    bool is_brief;         /* deleted and made anew now and then */
    bool is_trimmed;       /* DeleteRecords */
    bool is_compacted;     /* and, when it is trimmed, deleted from too */
    int64_t tombstones_ms; /* delete.retention.ms */
    int64_t lag_ms;        /* min.compaction.lag.ms */
    int64_t retention_ms;  /* -1: forever */
    int64_t retention_bytes;
    int64_t index_bytes; /* segment.index.bytes; 0: the default */
    int64_t segment_ms;  /* 0: the default */
    const char *compression;
    bool has_append_time;
    struct model_topic *topic; /* as it is now; NULL: not created, or deleted */
};

enum model_topic_state {
    MODEL_TOPIC_PRESENT,
    MODEL_TOPIC_LEAVING, /* its deletion was asked for */
    MODEL_TOPIC_GONE,    /* and acknowledged */
};

/* A topic that was created, with its id. Lives as long as the model. */
struct model_topic {
    const struct model_plan *plan;
    struct uuid id;
    enum model_topic_state state;
    struct model_partition partitions[MODEL_PARTITIONS_MAX];
};

/* is_flushed: whatever is acknowledged is flushed. */
struct model *model_new(struct rng *rng, bool is_flushed);
void model_free(struct model *model);
uint32_t model_plan_count(const struct model *model);
struct model_plan *model_plan(struct model *model, uint32_t index);

/* A topic of the plan is there under that id: by the answer to its creation, or by metadata. */
struct model_topic *model_topic_found(struct model *model, struct model_plan *plan, struct uuid id);
void model_topic_leaves(struct model_topic *topic);
void model_topic_gone(struct model *model, struct model_topic *topic);
bool model_has_topic(struct model *model, const char *name);
/* A topic that is gone, or NULL. */
struct model_topic *model_topic_departed(struct model *model, struct rng *rng);

/* A topic at random among those that are there; NULL: none is. */
struct model_topic *model_choose(struct model *model, struct rng *rng);
struct model_partition *model_choose_partition(struct model *model, struct rng *rng);

/* An id for an idempotent producer was given out: it is nobody else's. */
void model_producer_id(struct model *model, int64_t producer_id);
/* A client that sends records gets a number; numbers of records count from 0. */
uint32_t model_client_new(struct model *model);

/* timestamp_ms: as the client sent it, or as the answer said under LogAppendTime. */
void model_acknowledge(struct model *model, struct model_partition *partition, int64_t offset,
                       struct model_record record, int64_t timestamp_ms);
void model_read(struct model *model, struct model_partition *partition, int64_t offset,
                struct model_record record, int64_t timestamp_ms);
/* A marker was read there. */
void model_read_marker(struct model_partition *partition, int64_t offset, int64_t timestamp_ms);
/* All of [start, end) has passed a reader, but for these offsets (ascending), which the log has no more. is_in_force answers
 * whether a record counts: 1, 0, or -1: it is not known. Answers how many of them once held a record. */
uint64_t model_missed(struct model_partition *partition, const int64_t *offsets, size_t count,
                      int64_t end, int64_t now_ms,
                      int (*is_in_force)(void *context, struct model_record record), void *context);
/* A log's ends were told. now_ms: wall clock of the broker. */
void model_told_end(struct model_partition *partition, int64_t end);
/* before: the start that was known when it was asked for. */
void model_told_start(struct model_partition *partition, int64_t start, int64_t before,
                      int64_t now_ms);
void model_deletes_below(struct model_partition *partition, int64_t offset);

/* The broker's incarnation has ended. is_crash: log starts that were not checkpointed may come back. */
void model_life_ended(struct model *model, bool is_crash);
/* Power is lost: what was not stable, from `offset` on, may be gone, and its offsets be given out again. */
void model_lose_from(struct model *model, struct model_partition *partition, int64_t offset);

/* A promise is broken: one line, and the process ends. */
NORETURN void model_fail(const char *format, ...) PRINTF_LIKE(1, 2);
