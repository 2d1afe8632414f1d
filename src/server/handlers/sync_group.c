/* SyncGroup: see coord/group/sync.c. Waits for the leader's assignment, so the bytes it came in are let go. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "wire/messages/sync_group_request.h"

/* KIP-559: from here on the protocol's type and name must be told. */
#define VERSION_TELLS_PROTOCOL 5

static void handle(struct request *request)
{
    const struct sync_group_request *asked = request->message;
    if (request->version >= VERSION_TELLS_PROTOCOL &&
        (bytes_is_null(asked->protocol_type) || bytes_is_null(asked->protocol_name)))
        groups_refuse(request, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    else if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id))
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
    else
        groups_forward_and_wait(request, asked->group_id);
}

const struct api_handler sync_group_handler = {
    .api_key = API_SYNC_GROUP,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
