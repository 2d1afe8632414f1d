/* Which transactions compaction meets on its way through a log: whose records may go, and whose markers (KIP-98, KIP-534).
 *
 *   records of an aborted transaction   go at once; the .txnindex of all segments tells which those are
 *   its marker, or that of a committed  may go when a cleaning meets no batch of the transaction before it; a batch that
 *                                       stays as an empty one, for its producer's sequence, counts
 *
 * The marker of an aborted one that the .txnindex does not tell of, after a record of it, is a contradiction: the entry is lost,
 * and what was aborted would be kept as committed. Below the log's start it is none: who has read the log from there on, as
 * recovery does, knows nothing of the record.
 *
 * So a marker outlives its records by one cleaning at least, and then by its delete horizon. What is fed has to be
 * below the last stable offset. Inside this folder only. Threads: one at a time.
 */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "log/producers.h"

struct clean_txn {
    struct producer_ended_txn ended; /* an entry of a .txnindex */
    bool is_observed;                /* a batch of it was met */
};

struct clean_txns {
    int64_t log_start;
    int64_t begin_offset;
    VEC(struct clean_txn) aborted; /* ascending by first offset, from clean_txns_begin on */
    size_t next;                   /* the first that has not begun yet */
    struct map_i64 open_aborted;   /* producer id -> struct clean_txn */
    struct map_i64 open_committed; /* a set: producer ids of which records were met */
    struct map_i64 open_known;     /* of those the ones whose last record is not below log_start */
};

void clean_txns_init(struct clean_txns *txns, int64_t log_start, uint64_t seed);
void clean_txns_deinit(struct clean_txns *txns);

/* All aborted transactions that may have records in what is to be read; in any order. */
void clean_txns_add(struct clean_txns *txns, const struct producer_ended_txn *aborted);
/* Begins to read at an offset, or begins anew there. */
void clean_txns_begin(struct clean_txns *txns, int64_t offset);

/* Batches in the order of the log. Whether this one, of data, belongs to an aborted transaction. */
bool clean_txns_on_data(struct clean_txns *txns, const struct batch_view *batch);

struct clean_marker {
    bool is_spent; /* nothing of its transaction was met: it may go in time */
    const struct producer_ended_txn
        *aborted; /* set where the segment's .txnindex keeps the entry; borrowed */
};
/* The batch is a control batch, whole. What is no marker of a transaction stays. 0, or -ERR_NOT_FOUND: the .txnindex
 * does not tell of what it ends. */
MUST_CHECK int clean_txns_on_control(struct clean_txns *txns, const struct batch_view *batch,
                                     struct clean_marker *out);
