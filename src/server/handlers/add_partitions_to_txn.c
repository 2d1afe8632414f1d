/* AddPartitionsToTxn: from clients one transaction (to version 3), from brokers many at once, to add or only to verify
 * (KIP-890). Each transaction's coordinator is asked by itself; one that names a partition which does not exist, or may not be
 * written to, is not asked. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/topic_lookup.h"
#include "server/transactions.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"

/* From here on a request holds many transactions, and comes from a broker. */
#define VERSION_BATCHED 4

struct add_partitions;

/* One transaction. */
struct part {
    struct transaction_ask ask;
    struct add_partitions *op;
    struct add_partitions_to_txn_request question;
    struct add_partitions_to_txn_response_result *out;
};

struct add_partitions {
    struct request *request;
    struct add_partitions_to_txn_response response;
    int32_t left; /* parts to be answered, and one while they are asked */
};

static void finish(struct add_partitions *op)
{
    struct add_partitions_to_txn_response *response = &op->response;
    if (op->request->version < VERSION_BATCHED) {
        response->results_by_topic_v3_and_below = response->results_by_transaction[0].topic_results;
        response->results_by_topic_v3_and_below_count =
            response->results_by_transaction[0].topic_results_count;
        response->results_by_transaction_count = 0;
    }
    request_reply(op->request, response);
}

static void part_done(struct add_partitions *op)
{
    if (--op->left == 0)
        finish(op);
}

/* ---- one transaction ------------------------------------------------------------------------------------- */

static void copy_topic(struct arena *arena,
                       const struct add_partitions_to_txn_response_topic_result *told,
                       struct add_partitions_to_txn_response_topic_result *out)
{
    const size_t count = (size_t)told->results_by_partition_count;
    out->name = told->name; /* as the question named it */
    out->results_by_partition = add_partitions_to_txn_response_partition_result_array(arena, count);
    out->results_by_partition_count = told->results_by_partition_count;
    for (size_t i = 0; i < count; i++)
        out->results_by_partition[i] = told->results_by_partition[i];
}

static void on_answer(struct transaction_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    struct arena *arena = &part->op->request->arena;
    const struct add_partitions_to_txn_response *told = response;
    const struct add_partitions_to_txn_response_result *result = &told->results_by_transaction[0];
    part->out->topic_results = add_partitions_to_txn_response_topic_result_array(
        arena, (size_t)result->topic_results_count);
    part->out->topic_results_count = result->topic_results_count;
    for (int32_t i = 0; i < result->topic_results_count; i++)
        copy_topic(arena, &result->topic_results[i], &part->out->topic_results[i]);
    part_done(part->op);
}

/* Why none of a topic's partitions can be part of a transaction. */
static enum kafka_error check_topic(struct request *request, struct bytes name,
                                    const struct metadata_topic **out)
{
    const bool is_client = request->version < VERSION_BATCHED;
    if (is_client && (topic_is_internal(name) || !authorize(request, ACL_WRITE, ACL_TOPIC, name)))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    *out = metadata_topic_by_name(request->shard->image, name);
    return *out == NULL ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_NONE;
}

/* Fills a topic's answer with an error for each partition: `whole` for all, else their own. True: there is one. */
static bool refuse_topic(struct request *request,
                         const struct add_partitions_to_txn_request_topic *asked,
                         enum kafka_error whole,
                         struct add_partitions_to_txn_response_topic_result *out)
{
    const struct metadata_topic *topic = NULL;
    if (whole == KAFKA_NONE)
        whole = check_topic(request, asked->name, &topic);
    bool is_refused = whole != KAFKA_NONE;
    out->name = asked->name;
    out->results_by_partition = add_partitions_to_txn_response_partition_result_array(
        &request->arena, (size_t)asked->partitions_count);
    out->results_by_partition_count = asked->partitions_count;
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        enum kafka_error own = whole;
        if (own == KAFKA_NONE && metadata_topic_partition(topic, asked->partitions[i]) == NULL)
            own = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        is_refused |= own != KAFKA_NONE;
        out->results_by_partition[i].partition_index = asked->partitions[i];
        /* Where one cannot be, the others are not tried. */
        out->results_by_partition[i].partition_error_code =
            (int16_t)(own != KAFKA_NONE ? own : KAFKA_OPERATION_NOT_ATTEMPTED);
    }
    return is_refused;
}

/* The same for all topics of a transaction. */
static bool refuse(struct part *part, enum kafka_error whole)
{
    struct request *request = part->op->request;
    const struct add_partitions_to_txn_request_transaction *asked = &part->question.transactions[0];
    bool is_refused = whole != KAFKA_NONE;
    part->out->topic_results = add_partitions_to_txn_response_topic_result_array(
        &request->arena, (size_t)asked->topics_count);
    part->out->topic_results_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (refuse_topic(request, &asked->topics[i], whole, &part->out->topic_results[i]))
            is_refused = true;
    }
    return is_refused;
}

static void ask_one(struct add_partitions *op,
                    struct add_partitions_to_txn_request_transaction *asked,
                    struct add_partitions_to_txn_response_result *out)
{
    struct request *request = op->request;
    struct part *part = REQUEST_NEW(request, struct part);
    part->op = op;
    part->out = out;
    out->transactional_id = asked->transactional_id;
    add_partitions_to_txn_request_init(&part->question);
    part->question.transactions = asked;
    part->question.transactions_count = 1;
    const bool is_allowed =
        request->version >= VERSION_BATCHED ||
        authorize(request, ACL_WRITE, ACL_TRANSACTIONAL_ID, asked->transactional_id);
    if (refuse(part, is_allowed ? KAFKA_NONE : KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED))
        return;
    part->ask = (struct transaction_ask){ .request = { .api_key = API_ADD_PARTITIONS_TO_TXN,
                                                       .version = request->version,
                                                       .message = &part->question },
                                          .arena = &request->arena,
                                          .done = on_answer };
    op->left++;
    transactions_ask(request->shard,
                     transactions_partition_of(request->shard, asked->transactional_id),
                     &part->ask);
}

/* ---- the request ----------------------------------------------------------------------------------------------- */

/* What a client asks, in the form of brokers. */
static void normalize(struct request *request, struct add_partitions_to_txn_request *asked)
{
    struct add_partitions_to_txn_request_transaction *transaction =
        add_partitions_to_txn_request_transaction_array(&request->arena, 1);
    transaction->transactional_id = asked->v3_and_below_transactional_id;
    transaction->producer_id = asked->v3_and_below_producer_id;
    transaction->producer_epoch = asked->v3_and_below_producer_epoch;
    transaction->topics = asked->v3_and_below_topics;
    transaction->topics_count = asked->v3_and_below_topics_count;
    asked->transactions = transaction;
    asked->transactions_count = 1;
}

/* What is built for a partition, with a topic of its own at worst: what it is told here, and what its coordinator tells. */
#define PARTITION_BYTES                                                                            \
    (2 * (sizeof(struct add_partitions_to_txn_response_partition_result) +                         \
          sizeof(struct add_partitions_to_txn_response_topic_result)))

static uint64_t count_partitions(const struct add_partitions_to_txn_request *asked)
{
    uint64_t count = 0;
    for (int32_t i = 0; i < asked->transactions_count; i++) {
        const struct add_partitions_to_txn_request_transaction *transaction =
            &asked->transactions[i];
        for (int32_t j = 0; j < transaction->topics_count; j++)
            count += (uint64_t)transaction->topics[j].partitions_count;
    }
    return count;
}

static void handle(struct request *request)
{
    struct add_partitions_to_txn_request *asked = request->message;
    if (request->version < VERSION_BATCHED)
        normalize(request, asked);
    if (!request_reserve(request, (uint64_t)asked->transactions_count, sizeof(struct part)) ||
        !request_reserve(request, count_partitions(asked), PARTITION_BYTES))
        return;
    struct add_partitions *op = REQUEST_NEW(request, struct add_partitions);
    op->request = request;
    op->left = 1;
    add_partitions_to_txn_response_init(&op->response);
    if (request->version >= VERSION_BATCHED &&
        !authorize(request, ACL_CLUSTER_ACTION, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster"))) {
        op->response.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_reply(request, &op->response);
        return;
    }
    op->response.results_by_transaction = add_partitions_to_txn_response_result_array(
        &request->arena, (size_t)asked->transactions_count);
    op->response.results_by_transaction_count = asked->transactions_count;
    for (int32_t i = 0; i < asked->transactions_count; i++)
        ask_one(op, &asked->transactions[i], &op->response.results_by_transaction[i]);
    part_done(op);
}

const struct api_handler add_partitions_to_txn_handler = {
    .api_key = API_ADD_PARTITIONS_TO_TXN,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
