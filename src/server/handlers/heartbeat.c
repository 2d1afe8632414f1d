/* Heartbeat: see coord/group/heartbeat.c. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "wire/messages/heartbeat_request.h"

static void handle(struct request *request)
{
    const struct heartbeat_request *asked = request->message;
    if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id))
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
    else
        groups_forward(request, asked->group_id);
}

const struct api_handler heartbeat_handler = {
    .api_key = API_HEARTBEAT,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
