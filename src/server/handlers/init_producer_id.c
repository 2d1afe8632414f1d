/* InitProducerId: an id for an idempotent producer (KIP-98, KIP-360). Transactional ids are not served yet. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/producer_ids.h"
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

static void handle(struct request *request)
{
    const struct init_producer_id_request *asked = request->message;
    const bool has_id = asked->producer_id >= 0;
    const bool has_epoch = asked->producer_epoch >= 0;
    if (has_id != has_epoch) {
        reply(request, KAFKA_INVALID_REQUEST, -1);
        return;
    }
    if (!bytes_is_null(asked->transactional_id)) {
        reply(request,
              asked->transactional_id.size == 0 ? KAFKA_INVALID_REQUEST
                                                : KAFKA_COORDINATOR_NOT_AVAILABLE,
              -1);
        return;
    }
    if (!authorize(request, ACL_IDEMPOTENT_WRITE, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster"))) {
        reply(request, KAFKA_CLUSTER_AUTHORIZATION_FAILED, -1);
        return;
    }
    producer_ids_take(request->shard->producer_ids, on_id, request);
}

const struct api_handler init_producer_id_handler = {
    .api_key = API_INIT_PRODUCER_ID,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
