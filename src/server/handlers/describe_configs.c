/* DescribeConfigs: effective settings of topics, brokers, groups and client-metrics subscriptions (KIP-133, KIP-226,
 * KIP-569, KIP-1142), and levels of loggers (KIP-412). */
#include "base/topic_name.h"
#include "base/vec.h"
#include "config/config.h"
#include "config/describe.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/loggers.h"
#include "server/steps.h"
#include "server/topic_lookup.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/describe_configs_response.h"

#include <stdlib.h>
#include <string.h>

/* Each of hundreds of settings is looked up among the keys, of which there may be very many. */
static void sort_keys(const struct describe_configs_request_resource *asked)
{
    if (asked->configuration_keys_count > 1)
        qsort(asked->configuration_keys, (size_t)asked->configuration_keys_count,
              sizeof(*asked->configuration_keys), bytes_compare_items);
}

static bool is_wanted(const struct describe_configs_request_resource *asked, const char *name)
{
    const struct bytes key = bytes_from_text(name);
    return asked->configuration_keys_count <= 0 || /* null, and as in Kafka none, are all */
           bsearch(&key, asked->configuration_keys, (size_t)asked->configuration_keys_count,
                   sizeof(key), bytes_compare_items) != NULL;
}

/* Configs live shorter than the answer: texts move to the arena. */
static struct bytes keep(struct request *request, const char *text)
{
    return text == NULL
               ? BYTES_NULL
               : bytes_from(arena_dup(&request->arena, text, strlen(text) + 1), strlen(text));
}

static void add_synonyms(struct request *request, const struct config_description *d,
                         struct describe_configs_response_resource_result *out)
{
    out->synonyms = describe_configs_response_synonym_array(&request->arena, d->synonym_count);
    out->synonyms_count = (int32_t)d->synonym_count;
    for (size_t i = 0; i < d->synonym_count; i++) {
        out->synonyms[i].name = keep(request, d->synonyms[i].name);
        out->synonyms[i].value = keep(request, d->synonyms[i].value);
        out->synonyms[i].source = (int8_t)d->synonyms[i].source;
    }
}

/* config NULL: the broker's own settings. */
static void fill(struct request *request, const struct describe_configs_request_resource *asked,
                 const struct config *config, bool is_cluster_wide,
                 struct describe_configs_response_result *out)
{
    const struct describe_configs_request *message = request->message;
    const struct config_description *described = NULL;
    size_t count = 0;
    if (config_describe(request->shard->config, config, is_cluster_wide, &request->arena,
                        &described, &count) < 0) {
        out->error_code = KAFKA_UNKNOWN_SERVER_ERROR;
        return;
    }
    out->configs = describe_configs_response_resource_result_array(&request->arena, count);
    for (size_t i = 0; i < count; i++) {
        const struct config_description *d = &described[i];
        if (!is_wanted(asked, d->name))
            continue;
        struct describe_configs_response_resource_result *entry =
            &out->configs[out->configs_count++];
        entry->name = keep(request, d->name);
        entry->value = keep(request, d->value);
        entry->read_only = d->is_read_only;
        entry->is_sensitive = d->is_sensitive;
        entry->config_source = (int8_t)d->source;
        entry->config_type = (int8_t)d->type;
        if (message->include_synonyms)
            add_synonyms(request, d, entry);
        entry->documentation =
            message->include_documentation ? keep(request, d->documentation) : BYTES_NULL;
    }
}

static void refuse(struct describe_configs_response_result *out, enum kafka_error error,
                   const char *message)
{
    out->error_code = (int16_t)error;
    out->error_message =
        bytes_from_text(message != NULL ? message : kafka_error_sentence((int16_t)error));
}

typedef VEC(struct config_override) override_vec;

static struct config_overrides overrides_of(const struct metadata_image *image,
                                            enum metadata_config_type type, struct bytes name,
                                            override_vec *space)
{
    const struct metadata_config *stored = metadata_config_get(image, type, name);
    if (stored != NULL) {
        struct metadata_walk walk;
        const struct metadata_config_entry *entry;
        for (metadata_walk_config_entries(&walk, stored);
             (entry = metadata_next_config_entry(&walk)) != NULL;)
            VEC_ADD(space,
                    ((struct config_override){ .name = entry->name, .value = entry->value }));
    }
    return (struct config_overrides){ .items = space->items, .count = space->count };
}

static void describe_stored(struct request *request,
                            const struct describe_configs_request_resource *asked,
                            struct describe_configs_response_result *out)
{
    const struct shard *shard = request->shard;
    const enum metadata_config_type type = (enum metadata_config_type)asked->resource_type;
    override_vec space = { 0 };
    const struct config_overrides overrides =
        overrides_of(shard->image, type, asked->resource_name, &space);
    struct config *config =
        type == METADATA_CONFIG_TOPIC   ? config_for_topic(shard->config, overrides, NULL, NULL)
        : type == METADATA_CONFIG_GROUP ? config_for_group(shard->config, overrides, NULL, NULL)
                                        : config_for_client_metrics(overrides, NULL, NULL);
    fill(request, asked, config, false, out);
    config_unref(config);
    VEC_DEINIT(&space);
}

static void describe_topic(struct request *request,
                           const struct describe_configs_request_resource *asked,
                           struct describe_configs_response_result *out)
{
    struct err_note note = { 0 };
    const struct metadata_topic *topic = NULL;
    if (!topic_name_is_legal(asked->resource_name, &note))
        refuse(out, KAFKA_INVALID_TOPIC_EXCEPTION, arena_printf(&request->arena, "%s", note.text));
    else if (topic_lookup(request->shard, asked->resource_name, UUID_ZERO, &topic) != KAFKA_NONE)
        refuse(out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    else
        describe_stored(request, asked, out);
}

/* Whether a resource has this node's id for a name; if not, it is refused. */
static bool check_node(struct request *request, struct bytes name, const char *alternative,
                       struct describe_configs_response_result *out)
{
    int64_t id = -1;
    if (bytes_to_i64(name, &id) < 0)
        refuse(out, KAFKA_INVALID_REQUEST,
               arena_printf(&request->arena, "Broker id must be an integer, but it is: %.*s",
                            BYTES_PRINTF(name)));
    else if (id != request->shard->node_id)
        refuse(out, KAFKA_INVALID_REQUEST,
               arena_printf(&request->arena,
                            "Unexpected broker id, expected %d%s but received %.*s",
                            request->shard->node_id, alternative, BYTES_PRINTF(name)));
    return id == request->shard->node_id;
}

static void describe_broker(struct request *request,
                            const struct describe_configs_request_resource *asked,
                            struct describe_configs_response_result *out)
{
    if (asked->resource_name.size == 0)
        fill(request, asked, NULL, true, out);
    else if (check_node(request, asked->resource_name, " or empty string,", out))
        fill(request, asked, NULL, false, out);
}

static void describe_loggers(struct request *request,
                             const struct describe_configs_request_resource *asked,
                             struct describe_configs_response_result *out)
{
    if (asked->resource_name.size == 0) {
        refuse(out, KAFKA_INVALID_REQUEST, "Broker id must not be empty");
        return;
    }
    if (!check_node(request, asked->resource_name, "", out))
        return;
    const struct loggers *loggers = request->shard->loggers;
    out->configs = describe_configs_response_resource_result_array(&request->arena, LOGGER_COUNT);
    for (unsigned i = 0; i < LOGGER_COUNT; i++) {
        if (!is_wanted(asked, logger_name(i)))
            continue;
        struct describe_configs_response_resource_result *entry =
            &out->configs[out->configs_count++];
        entry->name = bytes_from_text(logger_name(i));
        entry->value = bytes_from_text(logger_level_name(loggers, i));
        entry->config_source = CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER;
    }
}

static void describe(struct request *request, const struct describe_configs_request_resource *asked,
                     struct describe_configs_response_result *out)
{
    out->resource_type = asked->resource_type;
    out->resource_name = asked->resource_name;
    if (!request_has_room(request)) {
        refuse(out, KAFKA_INVALID_REQUEST, "Too many resources in one request");
        return;
    }
    switch (asked->resource_type) {
    case METADATA_CONFIG_TOPIC:
        if (!authorize(request, ACL_DESCRIBE_CONFIGS, ACL_TOPIC, asked->resource_name))
            refuse(out, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL);
        else
            describe_topic(request, asked, out);
        return;
    case METADATA_CONFIG_GROUP:
    case METADATA_CONFIG_CLIENT_METRICS:
        if (asked->resource_name.size == 0)
            refuse(out, KAFKA_INVALID_REQUEST,
                   asked->resource_type == METADATA_CONFIG_GROUP
                       ? "Group name must not be empty"
                       : "Client metrics subscription name must not be empty");
        else
            describe_stored(request, asked, out);
        return;
    case METADATA_CONFIG_BROKER:
        describe_broker(request, asked, out);
        return;
    case METADATA_CONFIG_BROKER_LOGGER:
        describe_loggers(request, asked, out);
        return;
    default:
        refuse(
            out, KAFKA_INVALID_REQUEST,
            arena_printf(&request->arena, "Unsupported resource type: %d", asked->resource_type));
    }
}

struct describe_configs {
    struct steps steps;
    struct describe_configs_response response;
    int32_t next;
};

static enum steps_result step(struct steps *steps)
{
    struct describe_configs *op = CONTAINER_OF(steps, struct describe_configs, steps);
    const struct describe_configs_request *asked = steps->request->message;
    for (; op->next < asked->resources_count; op->next++) {
        if (!steps_may_add(steps, 100))
            return STEPS_MORE;
        sort_keys(&asked->resources[op->next]);
        describe(steps->request, &asked->resources[op->next], &op->response.results[op->next]);
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    request_reply(steps->request, &CONTAINER_OF(steps, struct describe_configs, steps)->response);
}

static void handle(struct request *request)
{
    const struct describe_configs_request *asked = request->message;
    struct describe_configs *op = REQUEST_NEW(request, struct describe_configs);
    op->response = describe_configs_response_default;
    op->response.results =
        describe_configs_response_result_array(&request->arena, (size_t)asked->resources_count);
    op->response.results_count = asked->resources_count;
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler describe_configs_handler = {
    .api_key = API_DESCRIBE_CONFIGS,
    .listeners = API_ON_BROKER | API_ON_CONTROLLER,
    .handle = handle,
};
