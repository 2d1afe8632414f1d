/* FindCoordinator: which broker serves a group or a transactional id (KIP-699: many at once). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/auto_topic.h"
#include "server/cluster_view.h"
#include "server/groups.h"
#include "server/steps.h"
#include "server/topic_lookup.h"
#include "server/transactions.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"

enum key_type { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

/* From here on a request holds many keys. */
#define VERSION_MANY_KEYS 4

/* The leader of a partition of an internal topic, which is created when first it is needed. */
static enum kafka_error find_leader(struct request *request, struct bytes topic_name, int32_t index,
                                    const struct metadata_endpoint **out, int32_t *out_id)
{
    const struct metadata_topic *topic = metadata_topic_by_name(request->shard->image, topic_name);
    if (topic == NULL) {
        auto_topic_create(request, topic_name); /* they ask again until it is there */
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    const struct metadata_partition *partition =
        index < 0 ? NULL : metadata_topic_partition(topic, index);
    if (partition == NULL || partition->leader == METADATA_LEADER_NONE)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    *out = broker_endpoint(request, partition->leader);
    *out_id = partition->leader;
    return *out == NULL ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_NONE;
}

static enum kafka_error find(struct request *request, int8_t key_type, struct bytes key,
                             const struct metadata_endpoint **out, int32_t *out_id)
{
    switch (key_type) {
    case KEY_GROUP:
        return authorize(request, ACL_DESCRIBE, ACL_GROUP, key)
                   ? find_leader(request, BYTES_LITERAL(TOPIC_CONSUMER_OFFSETS),
                                 groups_partition_of(request->shard, key), out, out_id)
                   : KAFKA_GROUP_AUTHORIZATION_FAILED;
    case KEY_TRANSACTION:
        return authorize(request, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, key)
                   ? find_leader(request, BYTES_LITERAL(TOPIC_TRANSACTION_STATE),
                                 transactions_partition_of(request->shard, key), out, out_id)
                   : KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    default:
        return KAFKA_INVALID_REQUEST; /* as Apache Kafka without a share coordinator */
    }
}

static void answer_one(struct request *request, const struct find_coordinator_request *asked)
{
    const struct metadata_endpoint *endpoint = NULL;
    int32_t node_id = -1;
    const enum kafka_error error = find(request, asked->key_type, asked->key, &endpoint, &node_id);
    struct find_coordinator_response response = find_coordinator_response_default;
    response.error_code = (int16_t)error;
    response.node_id = error == KAFKA_NONE ? node_id : -1;
    response.port = -1;
    response.error_message = BYTES_LITERAL("NONE");
    if (error == KAFKA_NONE) {
        response.host = endpoint->host;
        response.port = endpoint->port;
    } else {
        response.error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
    }
    request_reply(request, &response);
}

/* ---- many keys ---------------------------------------------------------------------------------------- */

struct find_many {
    struct steps steps;
    struct find_coordinator_response response;
    int32_t next;
};

static void answer_key(struct request *request, int8_t key_type, struct bytes key,
                       struct find_coordinator_response_coordinator *out)
{
    const struct metadata_endpoint *endpoint = NULL;
    int32_t node_id = -1;
    const enum kafka_error error = find(request, key_type, key, &endpoint, &node_id);
    out->key = key;
    out->error_code = (int16_t)error;
    out->node_id = error == KAFKA_NONE ? node_id : -1;
    out->port = -1;
    if (error == KAFKA_INVALID_REQUEST)
        out->error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
    if (error == KAFKA_NONE) {
        const struct bytes host = endpoint->host; /* the image's */
        out->host = bytes_from(arena_dup(&request->arena, host.data, host.size), host.size);
        out->port = endpoint->port;
    }
}

static enum steps_result step(struct steps *steps)
{
    struct find_many *op = CONTAINER_OF(steps, struct find_many, steps);
    const struct find_coordinator_request *asked = steps->request->message;
    for (; op->next < asked->coordinator_keys_count; op->next++) {
        if (!steps_may_add(steps, 1))
            return STEPS_MORE;
        answer_key(steps->request, asked->key_type, asked->coordinator_keys[op->next],
                   &op->response.coordinators[op->next]);
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    request_reply(steps->request, &CONTAINER_OF(steps, struct find_many, steps)->response);
}

static void answer_many(struct request *request, const struct find_coordinator_request *asked)
{
    struct find_many *op = REQUEST_NEW(request, struct find_many);
    op->response = find_coordinator_response_default;
    op->response.coordinators = find_coordinator_response_coordinator_array(
        &request->arena, (size_t)asked->coordinator_keys_count);
    op->response.coordinators_count = asked->coordinator_keys_count;
    steps_begin(&op->steps, request, step, end);
}

static void handle(struct request *request)
{
    if (request->version < VERSION_MANY_KEYS)
        answer_one(request, request->message);
    else
        answer_many(request, request->message);
}

const struct api_handler find_coordinator_handler = {
    .api_key = API_FIND_COORDINATOR,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
