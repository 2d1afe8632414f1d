/* The transaction coordinators of one shard: one for each partition of __transaction_state that this node leads.
 *
 * Feeds them with requests, time and producer ids, carries out what they decide (appends with acks=all, answers, markers to
 * partitions), loads them from their logs, lets them go when leadership does. Follows the image: node calls transactions_apply, all
 * else goes by itself. A marker goes to the broker that leads its partition; this build has partitions of its own only.
 * Threads: the shard's.
 */
#pragma once

#include "coord/txn/txn_coordinator.h"
#include "server/request.h"

struct transactions;

struct transactions *transactions_new(struct shard *shard);
/* After the server's and the replicas' end: nobody is answered any more. NULL is fine. */
void transactions_free(struct transactions *transactions);

/* Follows shard->image and shard->config: call it when either has changed, and again when the logs that the image asks
 * for are open. */
void transactions_apply(struct transactions *transactions);

/* Answers everyone who waits (NOT_COORDINATOR: they look for the next one), and serves no more. `done` (may be NULL) is called,
 * now or later, when no job of ours is under way. */
void transactions_close(struct transactions *transactions, void (*done)(void *context),
                        void *context);

/* ---- for handlers --------------------------------------------------------------------------------- */

/* A question to a coordinator. Lives until its answer. */
struct transaction_ask {
    struct txn_request request; /* its token is filled in here */
    struct arena *arena;        /* for refusals */
    /* Once, perhaps before transactions_ask returns: `response` is the struct of the API's response, borrowed for the
     * call and free to be changed. */
    void (*done)(struct transaction_ask *ask, void *response);
};

/* Partitions of __transaction_state; 0: it does not exist yet. */
int32_t transactions_partition_count(const struct shard *shard);
/* Which of them a transactional id belongs to; -1: there are none. */
int32_t transactions_partition_of(const struct shard *shard, struct bytes transactional_id);

/* Where this node does not lead the partition the answer is NOT_COORDINATOR. */
void transactions_ask(struct shard *shard, int32_t partition, struct transaction_ask *ask);

/* The questions that wait for a transaction to be ended (transaction_questions.c). */
struct list *transactions_questions(const struct shard *shard);
