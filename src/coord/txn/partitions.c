/* AddPartitionsToTxn: partitions become part of a transaction before anything is written to them; or are they part of it
 * (verify only, KIP-890)? */
#include "coord/txn/txn_int.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"

typedef struct add_partitions_to_txn_request_transaction asked_transaction;

static bool is_preparing(const struct txn *txn)
{
    return txn->now.state == TXN_PREPARE_COMMIT || txn->now.state == TXN_PREPARE_ABORT;
}

static enum kafka_error check_producer(const struct txn *txn, const asked_transaction *asked)
{
    if (txn == NULL || txn->now.producer_id != asked->producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    return txn->now.epoch != asked->producer_epoch ? KAFKA_PRODUCER_FENCED : KAFKA_NONE;
}

/* ---- is it in there? ------------------------------------------------------------------------------------- */

static void verify(struct txn_coordinator *c, const struct txn_request *request,
                   const asked_transaction *asked)
{
    const struct txn *txn = coord__txn_find(c, asked->transactional_id);
    enum kafka_error error = check_producer(txn, asked);
    if (error == KAFKA_NONE && is_preparing(txn))
        error = KAFKA_CONCURRENT_TRANSACTIONS;
    coord__txn_answer_partitions(c, request, error);
    if (error != KAFKA_NONE)
        return;
    struct add_partitions_to_txn_response *told =
        c->effects->answers.items[c->effects->answers.count - 1].message;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        struct add_partitions_to_txn_response_topic_result *topic =
            &told->results_by_transaction[0].topic_results[i];
        for (int32_t j = 0; j < topic->results_by_partition_count; j++) {
            if (!txn_partitions_has(&txn->now.partitions, &c->names, topic->name,
                                    topic->results_by_partition[j].partition_index))
                topic->results_by_partition[j].partition_error_code = KAFKA_TRANSACTION_ABORTABLE;
        }
    }
}

/* ---- put it in ----------------------------------------------------------------------------------------------- */

/* How many were not there. */
static uint32_t add(struct txn_coordinator *c, const asked_transaction *asked,
                    struct txn_partitions *set)
{
    const uint32_t before = set->count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        for (int32_t j = 0; j < asked->topics[i].partitions_count; j++)
            (void)txn_partitions_add(set, &c->names, asked->topics[i].name,
                                     asked->topics[i].partitions[j]);
    }
    return set->count - before;
}

static void extend(struct txn_coordinator *c, const struct txn_request *request,
                   const asked_transaction *asked, struct txn *txn)
{
    struct txn_values next;
    txn_values_copy(&next, &txn->now);
    const uint32_t added = add(c, asked, &next.partitions);
    if (txn->now.state == TXN_ONGOING && added == 0) {
        txn_values_deinit(&next, &c->names);
        coord__txn_answer_partitions(c, request, KAFKA_NONE);
        return;
    }
    if (txn->now.state != TXN_ONGOING)
        next.start_ms = c->event->wall_ms;
    next.state = TXN_ONGOING;
    next.previous_producer_id = next.producer_id;
    next.update_ms = c->event->wall_ms;
    /* Brokers add partitions for clients that run transactions in version 2. */
    next.client_version = request->version > 3 ? 2 : 0;
    (void)coord__txn_write(c, txn, &next, request, false); /* it tells what comes of it */
}

void coord__txn_add_partitions(struct txn_coordinator *c, const struct txn_request *request)
{
    const struct add_partitions_to_txn_request *message = request->message;
    const asked_transaction *asked = &message->transactions[0];
    if (asked->transactional_id.size == 0) {
        coord__txn_refuse(c, request, KAFKA_INVALID_REQUEST);
        return;
    }
    if (asked->verify_only) {
        verify(c, request, asked);
        return;
    }
    struct txn *txn = coord__txn_find(c, asked->transactional_id);
    enum kafka_error error = check_producer(txn, asked);
    if (error == KAFKA_NONE && (txn->pending != TXN_IDLE || is_preparing(txn)))
        error = KAFKA_CONCURRENT_TRANSACTIONS;
    if (error != KAFKA_NONE)
        coord__txn_refuse(c, request, error);
    else
        extend(c, request, asked, txn);
}
