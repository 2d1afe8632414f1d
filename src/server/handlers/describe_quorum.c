/* DescribeQuorum: the state of the metadata quorum as its leader knows it (KIP-595, KIP-836, KIP-853). */
#include "server/api_handler.h"
#include "server/quorum_view.h"
#include "wire/messages/describe_quorum_request.h"
#include "wire/messages/describe_quorum_response.h"

static void handle(struct request *request)
{
    struct describe_quorum_response response = describe_quorum_response_default;
    struct quorum_view *quorum = request->shard->quorum;
    quorum->describe(quorum, request->message, request->version, &request->arena, &response);
    request_reply(request, &response);
}

const struct api_handler describe_quorum_handler = {
    .api_key = API_DESCRIBE_QUORUM,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
};
