/* DeleteTopics, by name or id: decided by the controller; answered when this node has applied it (KIP-4, KIP-516). */
#include "config/config.h"
#include "server/api_handler.h"
#include "server/controller_link.h"
#include "wire/messages/delete_topics_request.h"
#include "wire/messages/delete_topics_response.h"

/* The same error for every topic that was named, in either form of the request. */
static void failed(struct request *request, enum kafka_error error)
{
    const struct delete_topics_request *asked = request->message;
    struct delete_topics_response response = delete_topics_response_default;
    const int32_t count = asked->topics_count + asked->topic_names_count;
    response.responses =
        delete_topics_response_deletable_topic_result_array(&request->arena, (size_t)count);
    response.responses_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct delete_topics_response_deletable_topic_result *out = &response.responses[i];
        const bool is_state = i < asked->topics_count;
        out->name = is_state ? asked->topics[i].name : asked->topic_names[i - asked->topics_count];
        out->topic_id = is_state ? asked->topics[i].topic_id : UUID_ZERO;
        out->error_code = (int16_t)error;
        out->error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
    }
    request_reply(request, &response);
}

static void handle(struct request *request)
{
    if (!config_bool(request->shard->config, SETTING_BROKER_DELETE_TOPIC_ENABLE))
        failed(request,
               request->version < 3 ? KAFKA_INVALID_REQUEST : KAFKA_TOPIC_DELETION_DISABLED);
    else
        forward_to_controller(request, failed);
}

const struct api_handler delete_topics_handler = {
    .api_key = API_DELETE_TOPICS,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
    .answers_little = true,
};
