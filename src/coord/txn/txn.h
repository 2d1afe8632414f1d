/* One transactional id: what its last record in the log says, and what is on its way.
 *
 * Values are those of a TransactionLogValue record; `last_epoch` alone is memory only (KIP-360). Threads: one.
 */
#pragma once

#include "base/list.h"
#include "base/vec.h"
#include "coord/deadlines.h"
#include "coord/names.h"

#define TXN_NO_PRODUCER_ID INT64_C(-1)
#define TXN_NO_EPOCH       (-1)
/* The last epoch is the coordinator's own, to fence with: producers get those below. */
#define TXN_EPOCH_MAX      INT16_MAX
/* The timeout of a transaction that takes part in a two-phase commit (KIP-939): none. */
#define TXN_NO_TIMEOUT_MS  INT32_MAX

/* As the record numbers them. */
enum txn_state {
    TXN_EMPTY = 0,
    TXN_ONGOING = 1,
    TXN_PREPARE_COMMIT = 2,
    TXN_PREPARE_ABORT = 3,
    TXN_COMPLETE_COMMIT = 4,
    TXN_COMPLETE_ABORT = 5,
    TXN_DEAD = 6,
    TXN_PREPARE_EPOCH_FENCE = 7,
};
#define TXN_STATE_COUNT 8

const char *txn_state_name(enum txn_state state); /* "PrepareCommit" */
/* False: no state has that name. */
bool txn_state_from_name(struct bytes name, enum txn_state *out);

/* ---- sets of partitions ------------------------------------------------------------------------------ */

struct txn_topic {
    struct name *name;       /* counted */
    VEC(int32_t) partitions; /* ascending */
};

/* Topics in the order of their names' serial numbers, in which they became known. All zero is the empty set. */
struct txn_partitions {
    VEC(struct txn_topic) topics;
    uint32_t count; /* of partitions */
};

void txn_partitions_deinit(struct txn_partitions *set, struct names *names); /* it is empty then */
/* False: it was (was not) there. */
bool txn_partitions_add(struct txn_partitions *set, struct names *names, struct bytes topic,
                        int32_t partition);
bool txn_partitions_remove(struct txn_partitions *set, struct names *names, struct bytes topic,
                           int32_t partition);
bool txn_partitions_has(const struct txn_partitions *set, const struct names *names,
                        struct bytes topic, int32_t partition);

/* ---- a transactional id -------------------------------------------------------------------------------- */

struct txn_values {
    int64_t producer_id;
    int64_t
        previous_producer_id; /* as it was before the last change; the same but for a rotation */
    int64_t next_producer_id; /* the one that follows an exhausted one when the end is complete */
    int16_t epoch;
    int16_t last_epoch;     /* that a client may still name when it asks again; not in the log */
    int16_t client_version; /* of transactions (KIP-890), as of the client that changed it last */
    enum txn_state state;
    int32_t timeout_ms;
    int64_t start_ms;  /* of the transaction; -1: none */
    int64_t update_ms; /* of the last change */
    struct txn_partitions partitions;
};
void txn_values_deinit(struct txn_values *values, struct names *names);
void txn_values_copy(struct txn_values *out, const struct txn_values *from);

enum txn_pending {
    TXN_IDLE,
    TXN_WRITING,    /* `next` is being written */
    TXN_MARKING,    /* Prepare… is written, markers are on their way */
    TXN_COMPLETING, /* `next`, which is Complete…, is being written or waits to be tried again */
    TXN_EXPIRING,   /* the tombstone is being written */
};

struct txn {
    struct list link;      /* in order of creation */
    struct list open_link; /* among the Ongoing, in the order in which they began */
    struct txn_values now;
    struct txn_values next; /* while WRITING or COMPLETING */
    enum txn_pending pending;
    bool is_epoch_ahead; /* of the log's, by one: raised for an abort that is not written, or could
                            * not be. Nobody has it, so it is not raised again */
    uint64_t ending;     /* while MARKING */
    struct txn_partitions unsent; /* of these the marker must be sent again, when `retry` comes */
    struct deadline retry;
    uint32_t id_size;
    char id[]; /* not terminated */
};

struct txn *txn_new(struct bytes id);
void txn_free(struct txn *txn, struct names *names); /* in no list; not armed */
struct bytes txn_id(const struct txn *txn);
bool txn_is_epoch_exhausted(int16_t epoch);
int16_t txn_logged_epoch(const struct txn *txn); /* of its last record */
