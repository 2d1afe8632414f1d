/* Markers that end a transaction, on their way from its coordinator to the partitions: each goes to the broker that leads the
 * partition (WriteTxnMarkers). Here that is this node.
 *
 * Threads: the shard's.
 */
#pragma once

#include "replica/partition.h"
#include "server/groups.h"

/* One marker. Lives in its owner's memory until `done`. */
struct transaction_marker_write {
    struct bytes topic;
    int32_t partition;
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t transaction_version;
    int32_t coordinator_epoch;
    bool is_commit;
    /* Once, at a turn's end, never inside transaction_marker_write. is_gone: the partition exists no more. */
    void (*done)(struct transaction_marker_write *write, enum kafka_error error, bool is_gone);

    struct append_wait wait;
    struct group_end group_end; /* in __consumer_offsets */
    bool is_asking;             /* groups_end_transaction has not returned */
    struct io_timer timer;      /* for what need not wait for the log */
    struct shard *shard;
    enum kafka_error error;
    bool is_gone;
    char why[160]; /* of an error, what the partition says; may be empty */
};

void transaction_marker_write(struct shard *shard, struct transaction_marker_write *write);
