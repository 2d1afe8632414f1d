/* Decisions about topics: what a request says twice, and what is told of success. */
#include "controller/controller.h"

#include "base/rng.h"
#include "base/test.h"
#include "metadata/feature.h"
#include "metadata/sample_test.h"
#include "wire/kafka_error.h"
#include "wire/messages/config_record.h"
#include "wire/messages/create_partitions_request.h"
#include "wire/messages/create_partitions_response.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/delete_topics_request.h"
#include "wire/messages/delete_topics_response.h"

struct scene {
    struct controller *controller;
    struct arena arena;
    struct rng rng;
    struct controller_call call;
    struct controller_result result;
};

/* Settings as they come: none is refused, none is told. */
static int validate(__attribute__((unused)) void *context,
                    __attribute__((unused)) enum metadata_config_type type,
                    __attribute__((unused)) struct bytes resource,
                    __attribute__((unused)) const struct controller_config_entry *entries,
                    __attribute__((unused)) uint32_t count,
                    __attribute__((unused)) struct err_note *note)
{
    return 0;
}

static uint32_t describe_topic(__attribute__((unused)) void *context,
                               __attribute__((unused))
                               const struct controller_config_entry *entries,
                               __attribute__((unused)) uint32_t count,
                               __attribute__((unused)) struct arena *arena,
                               struct controller_config_description **out)
{
    *out = NULL;
    return 0;
}

/* Broker 1 leads the one partition of the topics "a" and "b". */
static void scene_begin(struct scene *scene)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    sample_feature(loader, "metadata.version", METADATA_LEVEL_MAX);
    sample_broker(loader, 1, 5, false);
    sample_topic(loader, "a", sample_id(1));
    sample_partition(loader, sample_id(1), 0, (const int32_t[]){ 1 }, 1);
    sample_topic(loader, "b", sample_id(2));
    sample_partition(loader, sample_id(2), 0, (const int32_t[]){ 1 }, 1);
    struct metadata_image *image = metadata_loader_publish(loader);
    metadata_loader_free(loader);

    *scene = (struct scene){ .rng = rng_from_seed(1) };
    arena_init(&scene->arena, SIZE_MAX);
    scene->call = (struct controller_call){ .now_ms = 1000,
                                            .wall_ms = 1000,
                                            .next_offset = image->provenance.offset + 1,
                                            .rng = &scene->rng,
                                            .arena = &scene->arena };
    const struct controller_settings settings = {
        .node_id = 1,
        .default_replication_factor = 1,
        .num_partitions = 1,
        .min_insync_replicas = 1,
        .broker_session_timeout_ms = 9000,
        .rules = { .validate = validate, .describe_topic = describe_topic },
    };
    scene->controller = controller_new(&settings);
    controller_activate(scene->controller, &scene->call, 2, image, -1, NULL, 0, &scene->result);
    metadata_image_unref(image);
}

static void scene_end(struct scene *scene)
{
    controller_free(scene->controller);
    arena_deinit(&scene->arena);
}

/* ---- deleting -------------------------------------------------------------------------------- */

static const struct delete_topics_response *delete (
    struct scene *scene, struct delete_topics_request_delete_topic_state *topics, int32_t count)
{
    struct delete_topics_request request = delete_topics_request_default;
    request.topics = topics;
    request.topics_count = count;
    EXPECT_OK(
        controller_delete_topics(scene->controller, &scene->call, &request, 6, &scene->result));
    return scene->result.response;
}

static struct delete_topics_request_delete_topic_state by_name(const char *name)
{
    struct delete_topics_request_delete_topic_state topic =
        delete_topics_request_delete_topic_state_default;
    topic.name = bytes_from_text(name);
    return topic;
}

static struct delete_topics_request_delete_topic_state by_id(uint8_t number)
{
    struct delete_topics_request_delete_topic_state topic =
        delete_topics_request_delete_topic_state_default;
    topic.name = BYTES_NULL;
    topic.topic_id = sample_id(number);
    return topic;
}

/* Apache Kafka 4.3.1 refuses both and tells it once, with name and id; two records for one removal would stop the
 * controller. */
TEST(controller_delete_topics, refuses_a_topic_that_is_meant_by_name_and_by_id)
{
    struct scene scene;
    scene_begin(&scene);
    struct delete_topics_request_delete_topic_state topics[] = { by_name("a"), by_id(2), by_id(1),
                                                                 by_name("b") };
    const struct delete_topics_response *response = delete (&scene, topics, 4);
    EXPECT_EQ(scene.result.record_count, 0);
    EXPECT_EQ(response->responses_count, 2);
    for (int32_t i = 0; i < 2; i++) {
        EXPECT_EQ(response->responses[i].error_code, KAFKA_INVALID_REQUEST);
        EXPECT(
            bytes_equal_text(response->responses[i].error_message,
                             "The provided topic name maps to an ID that was already supplied."));
        EXPECT(bytes_equal_text(response->responses[i].name, i == 0 ? "a" : "b"));
        EXPECT(uuid_equal(response->responses[i].topic_id, sample_id((uint8_t)(i + 1))));
    }
    scene_end(&scene);
}

TEST(controller_delete_topics, tells_each_name_once)
{
    struct scene scene;
    scene_begin(&scene);
    struct delete_topics_request_delete_topic_state topics[] = {
        by_name("a"), by_name("b"), by_name("a"), by_name("nowhere"), by_name("nowhere"), by_id(9)
    };
    const struct delete_topics_response *response = delete (&scene, topics, 6);
    EXPECT_EQ(scene.result.record_count, 1);
    EXPECT_EQ(response->responses_count, 4);
    static const enum kafka_error errors[] = { KAFKA_INVALID_REQUEST, KAFKA_NONE,
                                               KAFKA_INVALID_REQUEST, KAFKA_UNKNOWN_TOPIC_ID };
    for (int32_t i = 0; i < 4; i++)
        EXPECT_EQ(response->responses[i].error_code, errors[i]);
    EXPECT(bytes_is_null(response->responses[1].error_message)); /* words are for failures */
    scene_end(&scene);
}

/* ---- creating and enlarging ------------------------------------------------------------------ */

TEST(controller_create_topics, takes_the_last_value_of_a_setting_that_is_given_twice)
{
    struct scene scene;
    scene_begin(&scene);
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_default;
    struct create_topics_request_creatable_topic_config configs[] = {
        { .name = BYTES_LITERAL("retention.ms"), .value = BYTES_LITERAL("1") },
        { .name = BYTES_LITERAL("segment.ms"), .value = BYTES_LITERAL("7") },
        { .name = BYTES_LITERAL("retention.ms"), .value = BYTES_LITERAL("2") },
    };
    topic.name = BYTES_LITERAL("new");
    topic.num_partitions = topic.replication_factor = 1;
    topic.configs = configs;
    topic.configs_count = ARRAY_LEN(configs);
    request.topics = &topic;
    request.topics_count = 1;
    EXPECT_OK(controller_create_topics(scene.controller, &scene.call, &request, 7, &scene.result));
    const struct create_topics_response *response = scene.result.response;
    EXPECT_EQ(response->topics[0].error_code, KAFKA_NONE);
    EXPECT(bytes_is_null(response->topics[0].error_message));
    int settings = 0;
    for (uint32_t i = 0; i < scene.result.record_count; i++) {
        if (scene.result.records[i].message != &config_record_message)
            continue;
        const struct config_record *record = scene.result.records[i].value;
        EXPECT(bytes_equal_text(record->value,
                                bytes_equal_text(record->name, "retention.ms") ? "2" : "7"));
        settings++;
    }
    EXPECT_EQ(settings, 2);
    scene_end(&scene);
}

/* No assignment (null) leaves the placement to the controller; an empty one assigns nothing to anyone. */
TEST(controller_create_partitions, tells_no_assignment_from_an_empty_one)
{
    struct scene scene;
    scene_begin(&scene);
    struct create_partitions_request request = create_partitions_request_default;
    struct create_partitions_request_topic topic = create_partitions_request_topic_default;
    topic.name = BYTES_LITERAL("a");
    topic.count = 3;
    request.topics = &topic;
    request.topics_count = 1;
    for (int32_t count = -1; count <= 0; count++) {
        topic.assignments_count = count;
        EXPECT_OK(controller_create_partitions(scene.controller, &scene.call, &request, 3,
                                               &scene.result));
        const struct create_partitions_response *response = scene.result.response;
        EXPECT_EQ(response->results[0].error_code,
                  count < 0 ? KAFKA_NONE : KAFKA_INVALID_REPLICA_ASSIGNMENT);
        EXPECT_EQ(scene.result.record_count, count < 0 ? 2 : 0);
    }
    scene_end(&scene);
}
