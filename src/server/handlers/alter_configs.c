/* AlterConfigs: decided by the controller; answered when this node has applied it (KIP-133). */
#include "server/api_handler.h"
#include "server/controller_link.h"
#include "wire/messages/alter_configs_request.h"
#include "wire/messages/alter_configs_response.h"

static void failed(struct request *request, enum kafka_error error)
{
    const struct alter_configs_request *asked = request->message;
    struct alter_configs_response response = alter_configs_response_default;
    response.responses_count = asked->resources_count;
    response.responses = alter_configs_response_resource_response_array(
        &request->arena, (size_t)asked->resources_count);
    for (int32_t i = 0; i < asked->resources_count; i++) {
        response.responses[i].error_code = (int16_t)error;
        response.responses[i].error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
        response.responses[i].resource_type = asked->resources[i].resource_type;
        response.responses[i].resource_name = asked->resources[i].resource_name;
    }
    request_reply(request, &response);
}

static void handle(struct request *request)
{
    forward_to_controller(request, failed);
}

const struct api_handler alter_configs_handler = {
    .api_key = API_ALTER_CONFIGS,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
};
