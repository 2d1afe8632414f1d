/* ConsumerGroupHeartbeat (KIP-848): see coord/consumer_heartbeat.c. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "wire/messages/consumer_group_heartbeat_request.h"

static bool may_see_topics(struct request *request)
{
    const struct consumer_group_heartbeat_request *asked = request->message;
    for (int32_t i = 0; i < asked->subscribed_topic_names_count; i++) {
        if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, asked->subscribed_topic_names[i]))
            return false;
    }
    return true;
}

static void handle(struct request *request)
{
    const struct consumer_group_heartbeat_request *asked = request->message;
    if (!groups_serve_consumers(request->shard))
        groups_refuse(request, KAFKA_UNSUPPORTED_VERSION);
    else if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id))
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
    else if (!may_see_topics(request))
        groups_refuse(request, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    else
        groups_forward(request, asked->group_id);
}

const struct api_handler consumer_group_heartbeat_handler = {
    .api_key = API_CONSUMER_GROUP_HEARTBEAT,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
