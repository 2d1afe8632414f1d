/* ListConfigResources: what has settings of its own (KIP-714, KIP-1142). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/topic_lookup.h"
#include "wire/messages/list_config_resources_request.h"
#include "wire/messages/list_config_resources_response.h"

static const int8_t all_types[] = { METADATA_CONFIG_TOPIC, METADATA_CONFIG_BROKER,
                                    METADATA_CONFIG_BROKER_LOGGER, METADATA_CONFIG_CLIENT_METRICS,
                                    METADATA_CONFIG_GROUP };

static void add(struct list_config_resources_response *response, struct bytes name, int8_t type)
{
    struct list_config_resources_response_config_resource *out =
        &response->config_resources[response->config_resources_count++];
    out->resource_name = name;
    out->resource_type = type;
}

static void add_brokers(struct request *request, struct list_config_resources_response *response,
                        int8_t type)
{
    struct metadata_walk walk;
    const struct metadata_broker *broker;
    for (metadata_walk_brokers(&walk, request->shard->image);
         (broker = metadata_next_broker(&walk)) != NULL;)
        add(response, bytes_from_text(arena_printf(&request->arena, "%d", broker->id)), type);
}

static void add_type(struct request *request, struct list_config_resources_response *response,
                     int8_t type)
{
    const struct metadata_image *image = request->shard->image;
    struct metadata_walk walk;
    if (type == METADATA_CONFIG_TOPIC) {
        const struct metadata_topic *topic;
        for (metadata_walk_topics(&walk, image); (topic = metadata_next_topic(&walk)) != NULL;)
            add(response, topic->name, type);
    } else if (type == METADATA_CONFIG_BROKER || type == METADATA_CONFIG_BROKER_LOGGER) {
        add_brokers(request, response, type);
    } else {
        const struct metadata_config *config;
        for (metadata_walk_configs(&walk, image); (config = metadata_next_config(&walk)) != NULL;) {
            if (config->type == type)
                add(response, config->name, type);
        }
    }
}

static bool is_known(int8_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(all_types); i++) {
        if (all_types[i] == type)
            return true;
    }
    return false;
}

static void handle(struct request *request)
{
    const struct list_config_resources_request *asked = request->message;
    const struct metadata_image *image = request->shard->image;
    struct list_config_resources_response response = list_config_resources_response_default;
    static const int8_t client_metrics[] = { METADATA_CONFIG_CLIENT_METRICS };
    const int8_t *types = request->version == 0 ? client_metrics : asked->resource_types;
    int32_t count = request->version == 0 ? 1 : asked->resource_types_count;
    if (count == 0) {
        types = all_types;
        count = (int32_t)ARRAY_LEN(all_types);
    }
    if (!authorize(request, ACL_DESCRIBE_CONFIGS, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster")))
        response.error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    bool is_type_asked[INT8_MAX + 1] = { false };
    for (int32_t i = 0; i < count; i++) {
        if (!is_known(types[i]))
            response.error_code = KAFKA_UNSUPPORTED_VERSION;
        else
            is_type_asked[types[i]] = true;
    }
    if (response.error_code == KAFKA_NONE) {
        const size_t count_max = metadata_tree_count(&image->topics_by_name) +
                                 2 * metadata_tree_count(&image->brokers) +
                                 metadata_tree_count(&image->configs);
        response.config_resources =
            list_config_resources_response_config_resource_array(&request->arena, count_max);
        for (size_t i = 0; i < ARRAY_LEN(all_types); i++) {
            if (is_type_asked[all_types[i]])
                add_type(request, &response, all_types[i]);
        }
    }
    request_reply(request, &response);
}

const struct api_handler list_config_resources_handler = {
    .api_key = API_LIST_CONFIG_RESOURCES,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
