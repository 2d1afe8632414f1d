/* InitProducerId: an id for an idempotent producer, or an epoch of a transactional id from its coordinator (KIP-98, KIP-360). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/producer_ids.h"
#include "server/transactions.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"

static void reply(struct request *request, enum kafka_error error, int64_t producer_id)
{
    struct init_producer_id_response response = init_producer_id_response_default;
    response.error_code = (int16_t)error;
    response.producer_id = producer_id;
    response.producer_epoch = error == KAFKA_NONE ? 0 : -1;
    request_reply(request, &response);
}

static void on_id(void *context, enum kafka_error error, int64_t producer_id)
{
    reply(context, error, producer_id);
}

/* ---- with a transactional id ------------------------------------------------------------------------------ */

struct init_transactional {
    struct transaction_ask ask;
    struct request *request;
};

static void on_answer(struct transaction_ask *ask, void *response)
{
    request_reply(CONTAINER_OF(ask, struct init_transactional, ask)->request, response);
}

static void handle_transactional(struct request *request)
{
    const struct init_producer_id_request *asked = request->message;
    struct init_transactional *op = REQUEST_NEW(request, struct init_transactional);
    op->request = request;
    op->ask = (struct transaction_ask){ .request = { .api_key = API_INIT_PRODUCER_ID,
                                                     .version = request->version,
                                                     .message = asked },
                                        .arena = &request->arena,
                                        .done = on_answer };
    transactions_ask(request->shard,
                     transactions_partition_of(request->shard, asked->transactional_id), &op->ask);
}

/* ---- the request ------------------------------------------------------------------------------------------ */

static bool is_allowed(struct request *request, enum kafka_error *out_error)
{
    const struct init_producer_id_request *asked = request->message;
    if (bytes_is_null(asked->transactional_id)) {
        *out_error = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        return authorize(request, ACL_IDEMPOTENT_WRITE, ACL_CLUSTER,
                         BYTES_LITERAL("kafka-cluster"));
    }
    *out_error = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return authorize(request, ACL_WRITE, ACL_TRANSACTIONAL_ID, asked->transactional_id);
}

static void handle(struct request *request)
{
    const struct init_producer_id_request *asked = request->message;
    const bool has_id = asked->producer_id != -1;
    const bool has_epoch = asked->producer_epoch != -1;
    enum kafka_error error;
    if (!is_allowed(request, &error))
        reply(request, error, -1);
    else if (has_id != has_epoch)
        reply(request, KAFKA_INVALID_REQUEST, -1);
    else if (bytes_is_null(asked->transactional_id))
        producer_ids_take(request->shard->producer_ids, on_id, request);
    else if (asked->transactional_id.size == 0)
        reply(request, KAFKA_INVALID_REQUEST, -1); /* before it is asked whose it is */
    else
        handle_transactional(request);
}

const struct api_handler init_producer_id_handler = {
    .api_key = API_INIT_PRODUCER_ID,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
