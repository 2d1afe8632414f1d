/* See auto_topic.h. */
#include "server/auto_topic.h"

#include "base/mem.h"
#include "config/config.h"
#include "replica/replicas.h"
#include "server/controller_link.h"
#include "server/topic_lookup.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"

#define CREATE_TOPICS_VERSION 7
#define TIMEOUT_MS            30000
#define IN_CREATION_MAX       1000 /* at once; who asks for more asks again */

/* Asked for and not yet answered. */
struct auto_topic {
    struct shard *shard;
    char *name;
    struct principal principal;
    struct arena arena;
    struct create_topics_request request;
};

static void on_answer(void *context, enum kafka_error error, const void *response)
{
    struct auto_topic *topic = context;
    const struct create_topics_response *answer = response;
    if (error == KAFKA_NONE && answer->topics_count == 1)
        error = (enum kafka_error)answer->topics[0].error_code;
    if (error != KAFKA_NONE && error != KAFKA_TOPIC_ALREADY_EXISTS)
        DIAG_WARN(topic->shard->diag, "metadata", "topic %s could not be created on demand: %s",
                  topic->name, kafka_error_name((int16_t)error));
    map_remove(&topic->shard->topics_in_creation, bytes_from_text(topic->name));
    arena_deinit(&topic->arena);
    mem_free(topic->name);
    mem_free(topic);
}

#define NO_SETTING SETTING_COUNT

/* Settings of the internal topics, as 4.3.1 gives them when it creates them. */
struct internal_topic {
    const char *name;
    enum setting_id partitions;
    enum setting_id replication_factor;
    enum setting_id segment_bytes;
    enum setting_id isr_min; /* NO_SETTING: the broker's */
    const char *compression;
    bool is_clean; /* no leader may lack what was committed */
};
static const struct internal_topic internal_topics[] = {
    { TOPIC_CONSUMER_OFFSETS, SETTING_BROKER_OFFSETS_TOPIC_NUM_PARTITIONS,
      SETTING_BROKER_OFFSETS_TOPIC_REPLICATION_FACTOR, SETTING_BROKER_OFFSETS_TOPIC_SEGMENT_BYTES,
      NO_SETTING, "producer", false },
    { TOPIC_TRANSACTION_STATE, SETTING_BROKER_TRANSACTION_STATE_LOG_NUM_PARTITIONS,
      SETTING_BROKER_TRANSACTION_STATE_LOG_REPLICATION_FACTOR,
      SETTING_BROKER_TRANSACTION_STATE_LOG_SEGMENT_BYTES,
      SETTING_BROKER_TRANSACTION_STATE_LOG_MIN_ISR, "uncompressed", true },
};

static void add_config(struct create_topics_request_creatable_topic *topic, const char *name,
                       const char *value)
{
    struct create_topics_request_creatable_topic_config *config =
        &topic->configs[topic->configs_count++];
    config->name = bytes_from_text(name);
    config->value = bytes_from_text(value);
}

static void add_number(struct auto_topic *asked,
                       struct create_topics_request_creatable_topic *topic, const char *name,
                       int64_t value)
{
    add_config(topic, name, arena_printf(&asked->arena, "%" PRId64, value));
}

static void fill_internal(struct auto_topic *asked,
                          struct create_topics_request_creatable_topic *topic,
                          const struct internal_topic *internal)
{
    const struct config *config = asked->shard->config;
    topic->num_partitions = (int32_t)config_i64(config, internal->partitions);
    topic->replication_factor = (int16_t)config_i64(config, internal->replication_factor);
    topic->configs = create_topics_request_creatable_topic_config_array(&asked->arena, 5);
    add_config(topic, "compression.type", internal->compression);
    add_config(topic, "cleanup.policy", "compact");
    add_number(asked, topic, "segment.bytes", config_i64(config, internal->segment_bytes));
    if (internal->isr_min != NO_SETTING)
        add_number(asked, topic, "min.insync.replicas", config_i64(config, internal->isr_min));
    if (internal->is_clean)
        add_config(topic, "unclean.leader.election.enable", "false");
}

void auto_topic_create(const struct request *request, struct bytes name)
{
    struct shard *shard = request->shard;
    if (replicas_lacks_space_for_logs(shard->replicas))
        return; /* who asks finds no topic, and asks again */
    if (map_get(&shard->topics_in_creation, name) != NULL ||
        map_count(&shard->topics_in_creation) >= IN_CREATION_MAX)
        return;

    struct auto_topic *asked = MEM_NEW(struct auto_topic);
    asked->shard = shard;
    asked->name = bytes_to_text(name);
    asked->principal = PRINCIPAL_ANONYMOUS;
    arena_init(&asked->arena, 1u << 16);
    asked->request = create_topics_request_default;
    asked->request.timeout_ms = TIMEOUT_MS;
    asked->request.topics = create_topics_request_creatable_topic_array(&asked->arena, 1);
    asked->request.topics_count = 1;
    struct create_topics_request_creatable_topic *topic = asked->request.topics;
    topic->name = bytes_from_text(asked->name);
    topic->num_partitions = -1;
    topic->replication_factor = -1;
    for (size_t i = 0; i < ARRAY_LEN(internal_topics); i++) {
        if (bytes_equal_text(name, internal_topics[i].name))
            fill_internal(asked, topic, &internal_topics[i]);
    }
    map_put(&shard->topics_in_creation, name, asked);
    shard->controller->ask(shard->controller, API_CREATE_TOPICS, CREATE_TOPICS_VERSION,
                           &asked->request, &asked->principal, on_answer, asked);
}
