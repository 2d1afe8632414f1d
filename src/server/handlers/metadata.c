/* Metadata: brokers, topics, who leads what (KIP-4, KIP-430, KIP-516, KIP-700). Creates topics on demand. */
#include "base/map.h"
#include "base/topic_name.h"
#include "config/config.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/auto_topic.h"
#include "server/cluster_view.h"
#include "server/topic_lookup.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"

static int32_t *copy_ids(struct arena *arena, const int32_t *ids, int32_t count)
{
    return arena_dup(arena, ids, (size_t)count * sizeof(*ids));
}

/* Replicas whose broker is fenced or unknown. */
static void add_offline(struct request *request, const struct metadata_partition *told,
                        struct metadata_response_partition *out)
{
    const int32_t *replicas = metadata_partition_replicas(told);
    out->offline_replicas = REQUEST_NEW_ARRAY(request, int32_t, MAX(told->replica_count, 1));
    for (int32_t i = 0; i < told->replica_count; i++) {
        if (broker_endpoint(request, replicas[i]) == NULL)
            out->offline_replicas[out->offline_replicas_count++] = replicas[i];
    }
}

static void fill_partition(struct request *request, const struct metadata_partition *told,
                           struct metadata_response_partition *out)
{
    struct arena *arena = &request->arena;
    out->partition_index = told->id;
    out->leader_id = told->leader;
    out->leader_epoch = told->leader_epoch;
    out->replica_nodes_count = told->replica_count;
    out->replica_nodes = copy_ids(arena, metadata_partition_replicas(told), told->replica_count);
    out->isr_nodes_count = told->isr_count;
    out->isr_nodes = copy_ids(arena, metadata_partition_isr(told), told->isr_count);
    add_offline(request, told, out);
    if (told->leader == METADATA_LEADER_NONE ||
        metadata_broker_get(request->shard->image, told->leader) == NULL)
        out->error_code = KAFKA_LEADER_NOT_AVAILABLE;
    else if (broker_endpoint(request, told->leader) == NULL)
        out->error_code =
            request->version >= 6 ? KAFKA_LISTENER_NOT_FOUND : KAFKA_LEADER_NOT_AVAILABLE;
    if (out->error_code != KAFKA_NONE)
        out->leader_id = METADATA_LEADER_NONE;
}

static void fill_topic(struct request *request, const struct metadata_topic *topic,
                       struct metadata_response_topic *out)
{
    const struct metadata_request *asked = request->message;
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    const uint32_t count = metadata_topic_partition_count(topic);
    out->partitions = metadata_response_partition_array(&request->arena, MAX(count, 1u));
    struct metadata_walk walk;
    const struct metadata_partition *told;
    for (metadata_walk_partitions(&walk, topic); (told = metadata_next_partition(&walk)) != NULL;)
        fill_partition(request, told, &out->partitions[out->partitions_count++]);
    if (asked->include_topic_authorized_operations)
        out->topic_authorized_operations = authorized_operations(request, ACL_TOPIC, topic->name);
}

/* A topic that was asked for and is not there. */
static void fill_missing(struct request *request, struct bytes name, struct uuid id,
                         bool may_create, struct metadata_response_topic *out)
{
    const struct metadata_request *asked = request->message;
    out->name = name;
    out->topic_id = id;
    if (!uuid_is_zero(id)) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_ID;
        return;
    }
    if (asked->include_topic_authorized_operations)
        out->topic_authorized_operations = authorized_operations(request, ACL_TOPIC, name);
    out->is_internal = topic_is_internal(name);
    const bool is_legal = topic_name_is_legal(name, NULL);
    out->error_code = is_legal ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC_EXCEPTION;
    if (is_legal && may_create)
        auto_topic_create(request, name);
}

/* As Apache Kafka: a topic is told once, however often it was asked for. */
struct named {
    struct map names;
    struct map ids;
};

static void named_init(struct named *named, uint64_t seed)
{
    map_init(&named->names, seed);
    map_init(&named->ids, seed);
}

static void named_deinit(struct named *named)
{
    map_deinit(&named->names);
    map_deinit(&named->ids);
}

static bool named_first(struct named *named, const struct metadata_request_topic *wanted)
{
    if (uuid_is_zero(wanted->topic_id))
        return map_put(&named->names, wanted->name, named) == NULL;
    const struct bytes id = bytes_from(wanted->topic_id.bytes, sizeof(wanted->topic_id.bytes));
    return map_put(&named->ids, id, named) == NULL;
}

static bool asks_by_id(const struct metadata_request *asked)
{
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (!uuid_is_zero(asked->topics[i].topic_id))
            return true;
    }
    return false;
}

/* As in Apache Kafka, names are passed over once a topic is asked for by its id. */
static void fill_asked(struct request *request, struct metadata_response *response)
{
    const struct metadata_request *asked = request->message;
    const bool is_by_id = asks_by_id(asked);
    const bool may_create =
        (asked->allow_auto_topic_creation || request->version < 4) &&
        config_bool(request->shard->config, SETTING_BROKER_AUTO_CREATE_TOPICS_ENABLE);
    struct named named;
    named_init(&named, request->shard->hash_seed);
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct metadata_request_topic *wanted = &asked->topics[i];
        if ((is_by_id && uuid_is_zero(wanted->topic_id)) || !named_first(&named, wanted))
            continue;
        struct metadata_response_topic *out = &response->topics[response->topics_count];
        const struct metadata_topic *topic = NULL;
        (void)topic_lookup(request->shard, wanted->name, wanted->topic_id,
                           &topic); /* absent: told below */
        const struct bytes name = topic != NULL ? topic->name : wanted->name;
        response->topics_count++;
        if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, name)) {
            out->name = wanted->name;
            out->topic_id = wanted->topic_id;
            out->error_code = uuid_is_zero(wanted->topic_id) ? KAFKA_TOPIC_AUTHORIZATION_FAILED
                                                             : KAFKA_UNKNOWN_TOPIC_ID;
        } else if (topic != NULL) {
            fill_topic(request, topic, out);
        } else {
            fill_missing(request, wanted->name, wanted->topic_id, may_create, out);
        }
        if (bytes_is_null(out->name) && request->version < 12)
            out->name = BYTES_LITERAL("");
    }
    named_deinit(&named);
}

static void fill_all(struct request *request, struct metadata_response *response)
{
    struct metadata_walk walk;
    const struct metadata_topic *topic;
    for (metadata_walk_topics(&walk, request->shard->image);
         (topic = metadata_next_topic(&walk)) != NULL;) {
        if (authorize(request, ACL_DESCRIBE, ACL_TOPIC, topic->name))
            fill_topic(request, topic, &response->topics[response->topics_count++]);
    }
}

static void fill_brokers(struct request *request, struct metadata_response *response)
{
    const struct metadata_image *image = request->shard->image;
    response->brokers = metadata_response_broker_array(
        &request->arena, MAX(metadata_tree_count(&image->brokers), 1u));
    struct metadata_walk walk;
    const struct metadata_broker *broker;
    for (metadata_walk_brokers(&walk, image); (broker = metadata_next_broker(&walk)) != NULL;) {
        const struct metadata_endpoint *endpoint = broker_endpoint(request, broker->id);
        if (endpoint == NULL)
            continue;
        struct metadata_response_broker *out = &response->brokers[response->brokers_count++];
        out->node_id = broker->id;
        out->host = endpoint->host;
        out->port = endpoint->port;
        out->rack = broker->rack;
    }
}

/* Ids are served from version 12 on (KIP-516); without them every topic has a name. */
static bool is_legal(const struct metadata_request *asked, int16_t version)
{
    const bool is_by_id = asks_by_id(asked);
    if (is_by_id)
        return version >= 12;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (bytes_is_null(asked->topics[i].name))
            return false;
    }
    return true;
}

static void refuse(struct request *request)
{
    const struct metadata_request *asked = request->message;
    struct metadata_response response = metadata_response_default;
    response.error_code = KAFKA_INVALID_REQUEST;
    response.topics = metadata_response_topic_array(&request->arena, (size_t)asked->topics_count);
    response.topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        response.topics[i].error_code = KAFKA_INVALID_REQUEST;
        response.topics[i].topic_id = asked->topics[i].topic_id;
        response.topics[i].name =
            bytes_is_null(asked->topics[i].name) ? BYTES_LITERAL("") : asked->topics[i].name;
    }
    request_reply(request, &response);
}

static void handle(struct request *request)
{
    const struct metadata_request *asked = request->message;
    const bool wants_all =
        asked->topics_count < 0 || (request->version == 0 && asked->topics_count == 0);
    if (!wants_all && !is_legal(asked, request->version)) {
        refuse(request);
        return;
    }
    struct metadata_response response = metadata_response_default;
    const size_t topics_max = wants_all
                                  ? metadata_tree_count(&request->shard->image->topics_by_name)
                                  : (size_t)asked->topics_count;
    response.topics = metadata_response_topic_array(&request->arena, MAX(topics_max, (size_t)1));
    response.cluster_id = bytes_from_text(request->shard->cluster_id);
    response.controller_id = cluster_controller_id(request);
    fill_brokers(request, &response);
    if (wants_all)
        fill_all(request, &response);
    else
        fill_asked(request, &response);
    if (asked->include_cluster_authorized_operations && request->version >= 8 &&
        request->version <= 10)
        response.cluster_authorized_operations =
            authorized_operations(request, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster"));
    request_reply(request, &response);
}

const struct api_handler metadata_handler = {
    .api_key = API_METADATA,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
