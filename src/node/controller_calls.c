/* See controller_calls.h. */
#include "node/controller_calls.h"

#include "wire/api.h"

int controller_call(struct controller *controller, const struct controller_call *call,
                    int16_t api_key, int16_t version, const void *message,
                    struct controller_result *out)
{
    switch (api_key) {
    case API_CREATE_TOPICS:
        return controller_create_topics(controller, call, message, version, out);
    case API_CREATE_PARTITIONS:
        return controller_create_partitions(controller, call, message, version, out);
    case API_DELETE_TOPICS:
        return controller_delete_topics(controller, call, message, version, out);
    case API_INCREMENTAL_ALTER_CONFIGS:
        return controller_incremental_alter_configs(controller, call, message, version, out);
    case API_ALTER_CONFIGS:
        return controller_alter_configs(controller, call, message, version, out);
    case API_BROKER_REGISTRATION:
        return controller_register_broker(controller, call, message, version, out);
    case API_BROKER_HEARTBEAT:
        return controller_broker_heartbeat(controller, call, message, version, out);
    case API_CONTROLLER_REGISTRATION:
        return controller_register_controller(controller, call, message, version, out);
    case API_ASSIGN_REPLICAS_TO_DIRS:
        return controller_assign_directories(controller, call, message, version, out);
    case API_ALLOCATE_PRODUCER_IDS:
        return controller_allocate_producer_ids(controller, call, message, version, out);
    default:
        break;
    }
    ASSERT(false);
    return -ERR_UNSUPPORTED;
}
