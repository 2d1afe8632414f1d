/* Decisions about brokers that touch many partitions. */
#include "controller/controller.h"

#include "base/rng.h"
#include "base/test.h"
#include "metadata/feature.h"
#include "metadata/sample_test.h"
#include "wire/kafka_error.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/messages/unregister_broker_request.h"

#define BATCH_RECORDS_MAX 10000 /* raft's: a larger decision must allow that it is split */
#define BROKER_EPOCH      5

struct scene {
    struct controller *controller;
    struct arena arena;
    struct rng rng;
    struct controller_call call;
    struct controller_result result;
};

/* Broker 1 leads one partition more than a batch of the metadata log may hold records. */
static void scene_begin(struct scene *scene, bool is_fenced)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    sample_feature(loader, "metadata.version", METADATA_LEVEL_MAX);
    sample_broker(loader, 1, BROKER_EPOCH, is_fenced);
    sample_topic(loader, "wide", sample_id(1));
    for (int32_t i = 0; i <= BATCH_RECORDS_MAX; i++)
        sample_partition(loader, sample_id(1), i, (const int32_t[]){ 1 }, 1);
    struct metadata_image *image = metadata_loader_publish(loader);
    metadata_loader_free(loader);

    *scene = (struct scene){ .rng = rng_from_seed(1) };
    arena_init(&scene->arena, SIZE_MAX);
    scene->call = (struct controller_call){ .now_ms = 1000,
                                            .wall_ms = 1000,
                                            .next_offset = image->provenance.offset + 1,
                                            .rng = &scene->rng,
                                            .arena = &scene->arena };
    const struct controller_settings settings = { .node_id = 1,
                                                  .default_replication_factor = 1,
                                                  .num_partitions = 1,
                                                  .min_insync_replicas = 1,
                                                  .broker_session_timeout_ms = 9000 };
    scene->controller = controller_new(&settings);
    controller_activate(scene->controller, &scene->call, 2, image, -1, NULL, 0, &scene->result);
    EXPECT_EQ(scene->result.record_count, 0);
    metadata_image_unref(image);
}

static void scene_end(struct scene *scene)
{
    controller_free(scene->controller);
    arena_deinit(&scene->arena);
}

static void beat(struct scene *scene, bool want_shut_down)
{
    struct broker_heartbeat_request request = broker_heartbeat_request_default;
    request.broker_id = 1;
    request.broker_epoch = BROKER_EPOCH;
    request.current_metadata_offset = scene->call.next_offset - 1;
    request.want_shut_down = want_shut_down;
    EXPECT_OK(
        controller_broker_heartbeat(scene->controller, &scene->call, &request, 1, &scene->result));
    const struct broker_heartbeat_response *answer = scene->result.response;
    EXPECT_EQ(answer->error_code, KAFKA_NONE);
}

static void expect_divisible(const struct scene *scene)
{
    EXPECT(scene->result.record_count > BATCH_RECORDS_MAX);
    EXPECT(!scene->result.is_atomic);
}

/* As Apache Kafka's ControllerResult.of: else a broker with so many partitions could neither stop nor start. */
TEST(controller_brokers, let_a_decision_be_split_that_no_batch_can_hold)
{
    struct scene scene;
    scene_begin(&scene, false);
    beat(&scene, true);
    expect_divisible(&scene);
    scene_end(&scene);

    scene_begin(&scene, false);
    scene.call.now_ms = INT32_MAX; /* never heard from */
    controller_on_timer(scene.controller, &scene.call, &scene.result);
    expect_divisible(&scene);
    scene_end(&scene);

    scene_begin(&scene, false);
    struct unregister_broker_request request = unregister_broker_request_default;
    request.broker_id = 1;
    EXPECT_OK(
        controller_unregister_broker(scene.controller, &scene.call, &request, 0, &scene.result));
    expect_divisible(&scene);
    scene_end(&scene);
}

/* And back: what the split shutdown left is led again in one decision. */
TEST(controller_brokers, lead_everything_again_when_unfenced)
{
    struct scene scene;
    scene_begin(&scene, false);
    beat(&scene, true);
    controller_replay(scene.controller, scene.call.next_offset, scene.result.records,
                      scene.result.record_count, scene.call.now_ms);
    scene.call.next_offset += scene.result.record_count;
    beat(&scene, true); /* leads nothing now: it may go, and is fenced */
    controller_replay(scene.controller, scene.call.next_offset, scene.result.records,
                      scene.result.record_count, scene.call.now_ms);
    scene.call.next_offset += scene.result.record_count;
    beat(&scene, false);
    expect_divisible(&scene);
    scene_end(&scene);
}
