/* JoinGroup: see coord/group/join.c. May wait for minutes, so the bytes it came in are let go. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "wire/messages/join_group_request.h"

static void handle(struct request *request)
{
    const struct join_group_request *asked = request->message;
    if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id))
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
    else
        groups_forward_and_wait(request, asked->group_id);
}

const struct api_handler join_group_handler = {
    .api_key = API_JOIN_GROUP,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
