/* See cluster_view.h. */
#include "server/cluster_view.h"

#include "server/server.h"

const struct metadata_endpoint *broker_endpoint(const struct request *request, int32_t broker_id)
{
    const struct metadata_broker *broker = metadata_broker_get(request->shard->image, broker_id);
    if (broker == NULL || broker->is_fenced || request->listener == NULL)
        return NULL;
    return metadata_broker_endpoint(broker, bytes_from_text(listener_name(request->listener)));
}

int32_t cluster_controller_id(const struct request *request)
{
    if (broker_endpoint(request, request->shard->node_id) != NULL)
        return request->shard->node_id;
    struct metadata_walk walk;
    const struct metadata_broker *broker;
    for (metadata_walk_brokers(&walk, request->shard->image);
         (broker = metadata_next_broker(&walk)) != NULL;) {
        if (broker_endpoint(request, broker->id) != NULL)
            return broker->id;
    }
    return -1;
}
