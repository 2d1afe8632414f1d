/* See node_resource.h. */
#include "server/node_resource.h"

#include "metadata/image.h"
#include "server/request.h"
#include "server/server.h"

enum kafka_error node_resource_check(const struct request *request, int8_t resource_type,
                                     struct bytes resource_name, struct err_note *note)
{
    const bool is_broker = resource_type == METADATA_CONFIG_BROKER;
    if (!is_broker && resource_type != METADATA_CONFIG_BROKER_LOGGER)
        return KAFKA_NONE;
    if (is_broker && (resource_name.size == 0 || listener_kind(request->listener) != API_ON_BROKER))
        return KAFKA_NONE;
    int64_t id = -1;
    if (bytes_to_i64(resource_name, &id) < 0) {
        (void)err_note(note, 0, "Node id must be an integer, but it is: %.*s",
                       BYTES_PRINTF(bytes_slice(resource_name, 0, 40)));
        return KAFKA_INVALID_REQUEST;
    }
    if (id != request->shard->node_id) {
        (void)err_note(note, 0, "Unexpected node id. Expected %d, but received %" PRId64,
                       request->shard->node_id, id);
        return KAFKA_INVALID_REQUEST;
    }
    return KAFKA_NONE;
}
