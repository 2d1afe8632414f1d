/* DescribeCluster: the brokers, or the controllers (KIP-700, KIP-919, KIP-1073). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/cluster_view.h"
#include "server/controller_link.h"
#include "server/server.h"
#include "wire/messages/describe_cluster_request.h"
#include "wire/messages/describe_cluster_response.h"

enum { ENDPOINTS_OF_BROKERS = 1, ENDPOINTS_OF_CONTROLLERS = 2 };

static void add(struct describe_cluster_response *response, int32_t id,
                const struct metadata_endpoint *endpoint, struct bytes rack, bool is_fenced)
{
    struct describe_cluster_response_broker *out = &response->brokers[response->brokers_count++];
    out->broker_id = id;
    out->host = endpoint->host;
    out->port = endpoint->port;
    out->rack = rack;
    out->is_fenced = is_fenced;
}

static void add_brokers(struct request *request, struct describe_cluster_response *response)
{
    const struct describe_cluster_request *asked = request->message;
    const struct metadata_image *image = request->shard->image;
    const struct bytes listener = bytes_from_text(listener_name(request->listener));
    struct metadata_walk walk;
    const struct metadata_broker *broker;
    response->brokers = describe_cluster_response_broker_array(
        &request->arena, metadata_tree_count(&image->brokers));
    for (metadata_walk_brokers(&walk, image); (broker = metadata_next_broker(&walk)) != NULL;) {
        const struct metadata_endpoint *endpoint = metadata_broker_endpoint(broker, listener);
        if (endpoint != NULL && (!broker->is_fenced || asked->include_fenced_brokers))
            add(response, broker->id, endpoint, broker->rack, broker->is_fenced);
    }
}

static void add_controllers(struct request *request, struct describe_cluster_response *response)
{
    const struct metadata_image *image = request->shard->image;
    const char *listener = listener_name(request->listener);
    struct metadata_walk walk;
    const struct metadata_controller *controller;
    response->brokers = describe_cluster_response_broker_array(
        &request->arena, metadata_tree_count(&image->controllers));
    for (metadata_walk_controllers(&walk, image);
         (controller = metadata_next_controller(&walk)) != NULL;) {
        for (uint32_t i = 0; i < controller->endpoint_count; i++) {
            if (bytes_equal_text(controller->endpoints[i].name, listener))
                add(response, controller->id, &controller->endpoints[i], BYTES_NULL, false);
        }
    }
}

static void refuse(struct request *request, enum kafka_error error, const char *message)
{
    struct describe_cluster_response response = describe_cluster_response_default;
    response.error_code = (int16_t)error;
    response.error_message = bytes_from_text(message);
    response.cluster_id = BYTES_LITERAL("");
    request_reply(request, &response);
}

static void handle(struct request *request)
{
    const struct describe_cluster_request *asked = request->message;
    const bool is_controller_listener = listener_kind(request->listener) == API_ON_CONTROLLER;
    if (asked->endpoint_type != ENDPOINTS_OF_BROKERS &&
        asked->endpoint_type != ENDPOINTS_OF_CONTROLLERS) {
        refuse(request, KAFKA_UNSUPPORTED_ENDPOINT_TYPE,
               arena_printf(&request->arena, "Unsupported endpoint type %d", asked->endpoint_type));
        return;
    }
    if ((asked->endpoint_type == ENDPOINTS_OF_CONTROLLERS) != is_controller_listener) {
        refuse(request,
               request->version == 0 ? KAFKA_INVALID_REQUEST : KAFKA_MISMATCHED_ENDPOINT_TYPE,
               is_controller_listener
                   ? "This is an endpoint of controllers; ask a broker for what brokers know"
                   : "This is an endpoint of brokers; ask a controller for what controllers know");
        return;
    }
    struct describe_cluster_response response = describe_cluster_response_default;
    response.endpoint_type = asked->endpoint_type;
    response.cluster_id = bytes_from_text(request->shard->cluster_id);
    if (is_controller_listener) {
        add_controllers(request, &response);
        response.controller_id =
            request->shard->controller->controller_id(request->shard->controller);
    } else {
        add_brokers(request, &response);
        response.controller_id = cluster_controller_id(request);
    }
    if (asked->include_cluster_authorized_operations)
        response.cluster_authorized_operations =
            authorized_operations(request, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster"));
    request_reply(request, &response);
}

const struct api_handler describe_cluster_handler = {
    .api_key = API_DESCRIBE_CLUSTER,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
};
