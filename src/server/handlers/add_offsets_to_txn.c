/* AddOffsetsToTxn: the partition of __consumer_offsets that a group belongs to becomes part of the transaction (KIP-98). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/auto_topic.h"
#include "server/groups.h"
#include "server/topic_lookup.h"
#include "server/transactions.h"
#include "wire/messages/add_offsets_to_txn_request.h"
#include "wire/messages/add_offsets_to_txn_response.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"

struct add_offsets {
    struct transaction_ask ask;
    struct request *request;
    struct add_partitions_to_txn_request question;
    struct add_partitions_to_txn_request_transaction transaction;
    struct add_partitions_to_txn_request_topic topic;
    int32_t partition;
};

static void reply(struct request *request, int16_t error_code)
{
    struct add_offsets_to_txn_response response = add_offsets_to_txn_response_default;
    response.error_code = error_code;
    request_reply(request, &response);
}

static void on_answer(struct transaction_ask *ask, void *response)
{
    const struct add_partitions_to_txn_response *told = response;
    reply(CONTAINER_OF(ask, struct add_offsets, ask)->request, told->results_by_transaction[0]
                                                                   .topic_results[0]
                                                                   .results_by_partition[0]
                                                                   .partition_error_code);
}

static void ask_for(struct request *request, int32_t partition)
{
    const struct add_offsets_to_txn_request *asked = request->message;
    struct add_offsets *op = REQUEST_NEW(request, struct add_offsets);
    op->request = request;
    op->partition = partition;
    add_partitions_to_txn_request_init(&op->question);
    add_partitions_to_txn_request_transaction_init(&op->transaction);
    add_partitions_to_txn_request_topic_init(&op->topic);
    op->topic.name = BYTES_LITERAL(TOPIC_CONSUMER_OFFSETS);
    op->topic.partitions = &op->partition;
    op->topic.partitions_count = 1;
    op->transaction.transactional_id = asked->transactional_id;
    op->transaction.producer_id = asked->producer_id;
    op->transaction.producer_epoch = asked->producer_epoch;
    op->transaction.topics = &op->topic;
    op->transaction.topics_count = 1;
    op->question.transactions = &op->transaction;
    op->question.transactions_count = 1;
    /* Versions of both APIs mean the same for clients. But who asks for this says itself what its transaction is about: a client
     * before transaction version 2, whose AddPartitionsToTxn ends with 3. */
    op->ask =
        (struct transaction_ask){ .request = { .api_key = API_ADD_PARTITIONS_TO_TXN,
                                               .version =
                                                   request->version > 3 ? 3 : request->version,
                                               .message = &op->question },
                                  .arena = &request->arena,
                                  .done = on_answer };
    transactions_ask(request->shard,
                     transactions_partition_of(request->shard, asked->transactional_id), &op->ask);
}

/* No group has had a coordinator yet. librdkafka looks for the group's only when this request has succeeded, so it is for this
 * request, too, to have the topic created; it is sent again until it is there. */
static void wait_for_topic(struct request *request)
{
    auto_topic_create(request, BYTES_LITERAL(TOPIC_CONSUMER_OFFSETS));
    reply(request, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

static void handle(struct request *request)
{
    const struct add_offsets_to_txn_request *asked = request->message;
    const int32_t partition = groups_partition_of(request->shard, asked->group_id);
    if (!authorize(request, ACL_WRITE, ACL_TRANSACTIONAL_ID, asked->transactional_id))
        reply(request, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    else if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id))
        reply(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
    else if (partition < 0)
        wait_for_topic(request);
    else
        ask_for(request, partition);
}

const struct api_handler add_offsets_to_txn_handler = {
    .api_key = API_ADD_OFFSETS_TO_TXN,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
