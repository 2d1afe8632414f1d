/* See admin.h. */
#include "admin.h"

#include "base/mem.h"
#include "client.h"
#include "model.h"
#include "sim_broker.h"
#include "wire/kafka_error.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/delete_records_request.h"
#include "wire/messages/delete_records_response.h"
#include "wire/messages/delete_topics_request.h"
#include "wire/messages/delete_topics_response.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/describe_configs_response.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/incremental_alter_configs_request.h"
#include "wire/messages/incremental_alter_configs_response.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"

#include <inttypes.h>
#include <stdio.h>

#define CREATE_VERSION         7
#define METADATA_VERSION       12
#define DELETE_TOPICS_VERSION  6
#define DELETE_RECORDS_VERSION 2
#define ALTER_VERSION          1
#define DESCRIBE_VERSION       4
#define FETCH_VERSION          15
#define TIMEOUT_MS             5000
#define PAUSE_MIN_NS           (100 * NS_PER_MS)
#define PAUSE_MAX_NS           (900 * NS_PER_MS)
#define CONFIGS_MAX            16
#define RESOURCE_TOPIC         2
#define ALTERED_SETTING        "max.message.bytes"
#define ALTERED_BASE           1000000 /* the stamp is added */

/* A setting that is altered again and again: the value is the stamp of the alteration. */
struct altered {
    const struct model_topic *topic;
    int64_t done; /* the last that was acknowledged; 0: none */
    int64_t sent; /* the last that was sent */
    int64_t lost; /* the first whose outcome is not known, in this life: it may come about yet */
    uint64_t lost_life;
};

struct admin {
    struct client client;    /* first */
    struct model_plan *plan; /* of the request under way */
    struct model_topic *topic;
    struct model_partition *partition;
    int64_t offset; /* that records are deleted below */
    struct altered altered[MODEL_TOPICS_MAX];
    int64_t stamp;
    uint64_t life;
};

struct client *admin_client(struct admin *a)
{
    return &a->client;
}

bool admin_is_settled(const struct admin *a)
{
    struct model *model = a->client.scene->model;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        const struct model_topic *topic = model_plan(model, i)->topic;
        if (topic == NULL || topic->state != MODEL_TOPIC_PRESENT)
            return false;
    }
    return true;
}

/* Errors after which the same may be asked again. */
static bool is_passing(const struct admin *a, int16_t error)
{
    const struct scene *scene = a->client.scene;
    switch ((int)error) {
    case KAFKA_NOT_CONTROLLER:
    case KAFKA_INVALID_REPLICATION_FACTOR: /* the broker is fenced */
    case KAFKA_REQUEST_TIMED_OUT:
        return scene_may_be_full(scene) || a->life != scene->life ||
               sim_broker_is_stopping(scene->broker) || scene_may_be_slow(scene);
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        return a->life != scene->life || sim_broker_is_stopping(scene->broker);
    case KAFKA_KAFKA_STORAGE_ERROR:
        return scene_may_be_full(scene);
    default:
        return false;
    }
}

static void on_other_error(const struct admin *a, const char *what, int16_t error)
{
    if (!is_passing(a, error))
        model_fail("%s is answered with %s", what, kafka_error_name(error));
}

/* ---- creating ----------------------------------------------------------------------------------- */

static void ask_id(struct admin *a);

static void on_id(void *context, const void *message)
{
    struct admin *a = context;
    const struct metadata_response *answer = message;
    if (answer != NULL && answer->topics_count == 1 && answer->topics[0].error_code == KAFKA_NONE)
        (void)model_topic_found(a->client.scene->model, a->plan, answer->topics[0].topic_id);
    client_again(&a->client);
}

/* An answer was lost, and the topic is there. */
static void ask_id(struct admin *a)
{
    struct metadata_request_topic topic = metadata_request_topic_default;
    topic.name = bytes_from_text(a->plan->name);
    struct metadata_request request = metadata_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    client_ask(&a->client, API_METADATA, METADATA_VERSION, &request, on_id, a);
}

static void on_created(void *context, const void *message)
{
    struct admin *a = context;
    const struct create_topics_response *answer = message;
    if (answer == NULL) {
        client_again(&a->client);
        return;
    }
    if (answer->topics_count != 1)
        model_fail("the creation of one topic is answered for %d", answer->topics_count);
    const struct create_topics_response_creatable_topic_result *told = &answer->topics[0];
    if (told->error_code == KAFKA_TOPIC_ALREADY_EXISTS) {
        ask_id(a);
        return;
    }
    if (told->error_code == KAFKA_NONE)
        (void)model_topic_found(a->client.scene->model, a->plan, told->topic_id);
    else
        on_other_error(a, "the creation of a topic", told->error_code);
    client_again(&a->client);
}

struct configs {
    struct create_topics_request_creatable_topic_config items[CONFIGS_MAX];
    char texts[CONFIGS_MAX][24];
    int32_t count;
};

static void add_config(struct configs *configs, const char *name, const char *value)
{
    struct create_topics_request_creatable_topic_config *config = &configs->items[configs->count++];
    *config = create_topics_request_creatable_topic_config_default;
    config->name = bytes_from_text(name);
    config->value = bytes_from_text(value);
}

static void add_number(struct configs *configs, const char *name, int64_t value)
{
    char *text = configs->texts[configs->count];
    (void)snprintf(text, sizeof(configs->texts[0]), "%" PRId64, value);
    add_config(configs, name, text);
}

static void fill_configs(const struct model_plan *plan, struct configs *out)
{
    add_number(out, "index.interval.bytes", 256);
    add_number(out, "file.delete.delay.ms", 1000);
    add_config(out, "compression.type", plan->compression);
    if (plan->is_ottla_synced)
        add_config(out, "ottla.flush.before.ack", "true");
    else if (plan->is_synced)
        add_number(out, "flush.messages", 1);
    if (plan->index_bytes > 0)
        add_number(out, "segment.index.bytes", plan->index_bytes);
    if (plan->segment_ms > 0)
        add_number(out, "segment.ms", plan->segment_ms);
    if (plan->retention_ms >= 0)
        add_number(out, "retention.ms", plan->retention_ms);
    if (plan->retention_bytes >= 0)
        add_number(out, "retention.bytes", plan->retention_bytes);
    if (plan->is_compacted) {
        add_config(out, "cleanup.policy", plan->is_trimmed ? "compact,delete" : "compact");
        add_config(out, "min.cleanable.dirty.ratio", "0.01");
        add_number(out, "delete.retention.ms", plan->tombstones_ms);
        add_number(out, "min.compaction.lag.ms", plan->lag_ms);
    }
    if (plan->has_append_time)
        add_config(out, "message.timestamp.type", "LogAppendTime");
}

static void create(struct admin *a)
{
    struct configs configs = { .count = 0 };
    fill_configs(a->plan, &configs);
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_default;
    topic.name = bytes_from_text(a->plan->name);
    topic.num_partitions = (int32_t)a->plan->partition_count;
    topic.replication_factor = 1;
    topic.configs = configs.items;
    topic.configs_count = configs.count;
    struct create_topics_request request = create_topics_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    client_ask(&a->client, API_CREATE_TOPICS, CREATE_VERSION, &request, on_created, a);
}

/* ---- deleting topics ---------------------------------------------------------------------------- */

static void on_deleted(void *context, const void *message)
{
    struct admin *a = context;
    const struct delete_topics_response *answer = message;
    if (answer != NULL) {
        const int16_t error = answer->responses[0].error_code;
        if (error == KAFKA_NONE || error == KAFKA_UNKNOWN_TOPIC_ID)
            model_topic_gone(a->client.scene->model, a->topic);
        else
            on_other_error(a, "the deletion of a topic", error);
    }
    client_again(&a->client);
}

static void delete_topic(struct admin *a)
{
    struct delete_topics_request_delete_topic_state state =
        delete_topics_request_delete_topic_state_default;
    state.name = BYTES_NULL;
    state.topic_id = a->topic->id;
    struct delete_topics_request request = delete_topics_request_default;
    request.topics = &state;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    if (a->topic->state == MODEL_TOPIC_PRESENT)
        model_topic_leaves(a->topic);
    client_ask(&a->client, API_DELETE_TOPICS, DELETE_TOPICS_VERSION, &request, on_deleted, a);
}

/* ---- what was deleted stays away ----------------------------------------------------------------- */

static void on_departed(void *context, const void *message)
{
    struct admin *a = context;
    const struct fetch_response *answer = message;
    if (answer != NULL && answer->error_code == KAFKA_NONE && answer->responses_count == 1) {
        const int16_t error = answer->responses[0].partitions[0].error_code;
        if (error != KAFKA_UNKNOWN_TOPIC_ID)
            model_fail("topic %s was deleted, and is read under its old id: %s",
                       a->topic->plan->name, kafka_error_name(error));
    }
    client_again(&a->client);
}

static void read_departed(struct admin *a)
{
    struct fetch_request_partition partition = fetch_request_partition_default;
    partition.partition_max_bytes = 1000;
    struct fetch_request_topic topic = fetch_request_topic_default;
    topic.topic_id = a->topic->id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct fetch_request request = fetch_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    client_ask(&a->client, API_FETCH, FETCH_VERSION, &request, on_departed, a);
}

/* ---- deleting records ---------------------------------------------------------------------------- */

static void on_records_deleted(void *context, const void *message)
{
    struct admin *a = context;
    const struct delete_records_response *answer = message;
    if (answer != NULL && a->life == a->client.scene->life) {
        const struct delete_records_response_partition_result *told =
            &answer->topics[0].partitions[0];
        if (told->error_code == KAFKA_NONE && told->low_watermark < a->offset)
            model_fail("%s-%d: records below offset %" PRId64
                       " were to be deleted, and the log starts at %" PRId64,
                       a->partition->topic->plan->name, a->partition->index, a->offset,
                       told->low_watermark);
        if (told->error_code == KAFKA_NONE)
            model_told_start(a->partition, told->low_watermark, a->offset,
                             io_now_ms(sim_node_io(a->client.scene->machine)));
        else
            on_other_error(a, "a deletion of records", told->error_code);
    }
    client_again(&a->client);
}

static void delete_records(struct admin *a)
{
    if (a->partition->known_end == 0) {
        client_again(&a->client);
        return;
    }
    a->offset = rng_between(&a->client.rng, 0, a->partition->known_end);
    model_deletes_below(a->partition, a->offset);
    struct delete_records_request_partition partition = delete_records_request_partition_default;
    partition.partition_index = a->partition->index;
    partition.offset = a->offset;
    struct delete_records_request_topic topic = delete_records_request_topic_default;
    topic.name = bytes_from_text(a->partition->topic->plan->name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct delete_records_request request = delete_records_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = TIMEOUT_MS;
    client_ask(&a->client, API_DELETE_RECORDS, DELETE_RECORDS_VERSION, &request, on_records_deleted,
               a);
}

/* ---- a setting ----------------------------------------------------------------------------------- */

static struct altered *altered_of(struct admin *a, const struct model_topic *topic)
{
    for (uint32_t i = 0; i < MODEL_TOPICS_MAX; i++) {
        if (model_plan(a->client.scene->model, i) != topic->plan)
            continue;
        if (a->altered[i].topic != topic) /* the setting went with the topic before it */
            a->altered[i] = (struct altered){ .topic = topic };
        return &a->altered[i];
    }
    ASSERT(false);
    return NULL;
}

static void on_altered(void *context, const void *message)
{
    struct admin *a = context;
    const struct incremental_alter_configs_response *answer = message;
    struct altered *altered = altered_of(a, a->topic);
    const int16_t error = answer == NULL ? KAFKA_NONE : answer->responses[0].error_code;
    if (error != KAFKA_NONE)
        on_other_error(a, "an alteration of a setting", error);
    if (answer != NULL && error == KAFKA_NONE) {
        altered->done = a->stamp;
    } else if (altered->lost_life != a->life || altered->lost == 0) {
        altered->lost = a->stamp;
        altered->lost_life = a->life;
    }
    client_again(&a->client);
}

/* The lowest stamp that the setting may have. */
static int64_t floor_of(const struct admin *a, const struct altered *altered)
{
    const bool is_open = altered->lost != 0 && altered->lost_life == a->client.scene->life;
    return is_open ? MIN(altered->lost, altered->done) : altered->done;
}

static void alter(struct admin *a)
{
    char value[24];
    a->stamp++;
    altered_of(a, a->topic)->sent = a->stamp;
    (void)snprintf(value, sizeof(value), "%" PRId64, ALTERED_BASE + a->stamp);
    struct incremental_alter_configs_request_alterable_config config =
        incremental_alter_configs_request_alterable_config_default;
    config.name = BYTES_LITERAL(ALTERED_SETTING);
    config.value = bytes_from_text(value);
    struct incremental_alter_configs_request_alter_configs_resource resource =
        incremental_alter_configs_request_alter_configs_resource_default;
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = bytes_from_text(a->topic->plan->name);
    resource.configs = &config;
    resource.configs_count = 1;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources = &resource;
    request.resources_count = 1;
    client_ask(&a->client, API_INCREMENTAL_ALTER_CONFIGS, ALTER_VERSION, &request, on_altered, a);
}

static void on_described(void *context, const void *message)
{
    struct admin *a = context;
    const struct describe_configs_response *answer = message;
    if (answer != NULL) {
        const struct describe_configs_response_result *told = &answer->results[0];
        int64_t value = 0;
        if (told->error_code != KAFKA_NONE || told->configs_count != 1 ||
            bytes_to_i64(told->configs[0].value, &value) < 0)
            model_fail("the settings of topic %s are answered with %s", a->topic->plan->name,
                       kafka_error_name(told->error_code));
        const struct altered *altered = altered_of(a, a->topic);
        const int64_t stamp = value - ALTERED_BASE;
        if (altered->done != 0 && (stamp < floor_of(a, altered) || stamp > altered->sent))
            model_fail("%s of topic %s was set to %" PRId64 ", and is %" PRId64, ALTERED_SETTING,
                       a->topic->plan->name, ALTERED_BASE + altered->done, value);
    }
    client_again(&a->client);
}

static void describe(struct admin *a)
{
    struct bytes key = BYTES_LITERAL(ALTERED_SETTING);
    struct describe_configs_request_resource resource = describe_configs_request_resource_default;
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = bytes_from_text(a->topic->plan->name);
    resource.configuration_keys = &key;
    resource.configuration_keys_count = 1;
    struct describe_configs_request request = describe_configs_request_default;
    request.resources = &resource;
    request.resources_count = 1;
    client_ask(&a->client, API_DESCRIBE_CONFIGS, DESCRIBE_VERSION, &request, on_described, a);
}

/* ---- what it does next ---------------------------------------------------------------------------- */

/* A topic of the plan that is to be created, or whose deletion is not known to have come about. */
static bool mend_plan(struct admin *a)
{
    struct model *model = a->client.scene->model;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        a->plan = model_plan(model, i);
        a->topic = a->plan->topic;
        if (a->topic == NULL) {
            create(a);
            return true;
        }
        if (a->topic->state == MODEL_TOPIC_LEAVING) {
            delete_topic(a);
            return true;
        }
    }
    return false;
}

static void act(struct client *client)
{
    struct admin *a = CONTAINER_OF(client, struct admin, client);
    struct scene *scene = client->scene;
    if (client_is_waiting(client))
        return;
    a->life = scene->life;
    if (mend_plan(a))
        return;
    a->partition = model_choose_partition(scene->model, &client->rng);
    a->topic = a->partition->topic;
    const uint64_t dice = rng_below(&client->rng, 100);
    if (a->topic->plan->is_trimmed && dice < 40) {
        delete_records(a);
    } else if (a->topic->plan->is_brief && dice < 30 && !scene->is_calm) {
        delete_topic(a);
    } else if (dice < 60) {
        alter(a);
    } else if (dice < 80) {
        describe(a);
    } else {
        a->topic = model_topic_departed(scene->model, &client->rng);
        if (a->topic != NULL)
            read_departed(a);
        else
            client_again(client);
    }
}

struct admin *admin_new(struct scene *scene)
{
    struct admin *a = MEM_NEW(struct admin);
    client_init(&a->client, scene, "admin", act);
    a->client.pause_min_ns = PAUSE_MIN_NS;
    a->client.pause_max_ns = PAUSE_MAX_NS;
    return a;
}

void admin_free(struct admin *a)
{
    client_deinit(&a->client);
    mem_free(a);
}
