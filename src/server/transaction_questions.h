/* What a broker asks the transaction coordinator before it appends for a transactional producer (KIP-890): are these partitions
 * part of its open transaction, or, for clients of transaction version 2, make them part of it.
 *
 * Threads: the shard's.
 */
#pragma once

#include "server/transactions.h"

enum transaction_support {
    TRANSACTION_VERIFY_OLD, /* a client that does not know TRANSACTION_ABORTABLE */
    TRANSACTION_VERIFY,
    TRANSACTION_ADD, /* the partitions become part of the transaction (Produce 12, TxnOffsetCommit 5) */
};

struct transaction_partition {
    struct bytes topic; /* of partitions with the same topic: one after the other is best */
    int32_t partition;
    enum kafka_error error; /* the answer */
};

/* A question. Lives, with all that it points to, until its answer. */
struct transaction_question {
    struct bytes transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    enum transaction_support support;
    struct transaction_partition *partitions;
    uint32_t partition_count;
    struct arena *arena; /* for the question and its answer */
    /* Once, perhaps before transaction_question_ask returns: every partition has its `error`. As a producer is to be told: NONE,
     * INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, INVALID_TXN_STATE or TRANSACTION_ABORTABLE,
     * CONCURRENT_TRANSACTIONS, and what is no fault of the producer: COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS,
     * NOT_COORDINATOR, and others of a failed append. */
    void (*done)(struct transaction_question *question);
    /* Before it is asked again: the marker that it waits for makes guards void (log_verification_begin), so others are needed. */
    void (*again)(struct transaction_question *question);

    struct transaction_ask ask;
    struct list link; /* among those that wait; transactions_close ends them */
    struct shard *shard;
    struct io_timer timer;
    int64_t give_up_ms;
};

/* TRANSACTION_ADD waits a little where the last transaction is still being ended (add.partitions.to.txn.retry.backoff.ms, …max.ms). */
void transaction_question_ask(struct shard *shard, struct transaction_question *question);

/* Those that wait are answered with what they heard last. */
void transaction_questions_end(struct list *waiting);
