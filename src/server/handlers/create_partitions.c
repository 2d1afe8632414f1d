/* CreatePartitions: decided by the controller; answered when this node has applied it (KIP-195). */
#include "replica/replicas.h"
#include "server/api_handler.h"
#include "server/controller_link.h"
#include "wire/messages/create_partitions_request.h"
#include "wire/messages/create_partitions_response.h"

static void failed(struct request *request, enum kafka_error error)
{
    const struct create_partitions_request *asked = request->message;
    struct create_partitions_response response = create_partitions_response_default;
    response.results_count = asked->topics_count;
    response.results =
        create_partitions_response_topic_result_array(&request->arena, (size_t)asked->topics_count);
    for (int32_t i = 0; i < asked->topics_count; i++) {
        response.results[i].error_code = (int16_t)error;
        response.results[i].error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
        response.results[i].name = asked->topics[i].name;
    }
    request_reply(request, &response);
}

static void handle(struct request *request)
{
    if (replicas_lacks_space_for_logs(request->shard->replicas))
        failed(request, KAFKA_KAFKA_STORAGE_ERROR);
    else
        forward_to_controller(request, failed);
}

const struct api_handler create_partitions_handler = {
    .api_key = API_CREATE_PARTITIONS,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
    .answers_little = true,
};
