/* Decisions that wait: what the controller decided goes out when everything that it saw is committed, and, where a client
 * will rely on it, applied by this node's shards.
 *
 *   decision_new ──► the controller decides ──► decisions_wait ──► decisions_release ──► done
 *                                                     └──────────► decisions_fail ─────► done, with the error
 *
 * Threads: shard 0.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "wire/kafka_error.h"

typedef void decision_done(void *context, enum kafka_error error, const void *response);

struct decision {
    struct list link;
    struct arena arena; /* records and answer; as long as the decision */
    int64_t offset;     /* exclusive: where its records end in the metadata log */
    bool needs_shards;
    int32_t held_broker_id; /* whose heartbeat it is (controller_hold_session); -1 */
    const void *response;   /* NULL: none */
    decision_done *done;    /* NULL: nobody asked */
    void *context;
};

struct decisions {
    struct list waiting;    /* in order of their offsets */
    int64_t applied_offset; /* exclusive: by this node's shards */
    /* A decision ends, before it is answered. */
    void (*on_end)(void *context, const struct decision *decision);
    void *context;
};

void decisions_init(struct decisions *decisions,
                    void (*on_end)(void *context, const struct decision *decision), void *context);

struct decision *decision_new(decision_done *done, void *context);

/* Answers at once, and frees. */
void decisions_finish(struct decisions *decisions, struct decision *decision,
                      enum kafka_error error, const void *response);
/* Its records are appended, and end below `offset`. */
void decisions_wait(struct decisions *decisions, struct decision *decision, int64_t offset);
/* Answers what waits no longer. An answer may bring further decisions. */
void decisions_release(struct decisions *decisions, int64_t committed_offset);
/* Answers all that wait now with the error. */
void decisions_fail(struct decisions *decisions, enum kafka_error error);
