/* Changes of settings: what of a request this node answers itself, and what it asks the controller for. */
#include "server/rig_test.h"

#include "base/mem.h"
#include "metadata/image.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/describe_configs_response.h"
#include "wire/messages/incremental_alter_configs_request.h"
#include "wire/messages/incremental_alter_configs_response.h"

#define ARENA_MAX     (1u << 20)
#define ALTER_VERSION 1

static struct incremental_alter_configs_request_alter_configs_resource
resource(int8_t type, const char *name,
         struct incremental_alter_configs_request_alterable_config *config)
{
    struct incremental_alter_configs_request_alter_configs_resource out =
        incremental_alter_configs_request_alter_configs_resource_default;
    out.resource_type = type;
    out.resource_name = bytes_from_text(name);
    out.configs = config;
    out.configs_count = 1;
    return out;
}

static void send_alter(struct rig_peer *peer,
                       struct incremental_alter_configs_request_alter_configs_resource *resources,
                       int32_t count)
{
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources = resources;
    request.resources_count = count;
    struct buf out;
    buf_init(&out, ARENA_MAX);
    rig_put_request(&out, API_INCREMENTAL_ALTER_CONFIGS, ALTER_VERSION, 7, &request);
    rig_peer_send(peer, buf_view(&out));
    buf_deinit(&out);
    server_rig_run_ms(peer->rig, 50);
}

static const struct incremental_alter_configs_response *take_alter(struct rig_peer *peer,
                                                                   struct arena *arena)
{
    const void *message = NULL;
    EXPECT_EQ(rig_peer_take(peer, API_INCREMENTAL_ALTER_CONFIGS, ALTER_VERSION, arena, &message),
              7);
    return message;
}

static struct bytes root_level(struct rig_peer *peer, const char *node, struct arena *arena)
{
    struct describe_configs_request request = describe_configs_request_default;
    struct describe_configs_request_resource asked = describe_configs_request_resource_default;
    struct bytes key = BYTES_LITERAL("root");
    asked.resource_type = METADATA_CONFIG_BROKER_LOGGER;
    asked.resource_name = bytes_from_text(node);
    asked.configuration_keys = &key;
    asked.configuration_keys_count = 1;
    request.resources = &asked;
    request.resources_count = 1;
    struct buf out;
    buf_init(&out, ARENA_MAX);
    rig_put_request(&out, API_DESCRIBE_CONFIGS, 4, 8, &request);
    rig_peer_send(peer, buf_view(&out));
    buf_deinit(&out);
    server_rig_run_ms(peer->rig, 50);
    const void *message = NULL;
    EXPECT_EQ(rig_peer_take(peer, API_DESCRIBE_CONFIGS, 4, arena, &message), 8);
    const struct describe_configs_response *response = message;
    EXPECT_EQ(response->results[0].configs_count, 1);
    return response->results[0].configs[0].value;
}

/* Loggers are this node's, and so is the refusal of another broker's settings; only the rest reaches the controller, and the
 * answers stand in the order of the request. */
TEST(incremental_alter_configs, asks_the_controller_for_what_is_not_this_nodes)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    server_rig_run_ms(&rig, 50);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    AUTO(mem_freep) char *own = mem_printf("%d", REPLICA_RIG_NODE);
    AUTO(mem_freep) char *other = mem_printf("%d", REPLICA_RIG_NODE + 1);
    struct incremental_alter_configs_request_alterable_config level = {
        .name = BYTES_LITERAL("root"), .value = BYTES_LITERAL("WARN")
    };
    struct incremental_alter_configs_request_alterable_config retention = {
        .name = BYTES_LITERAL("retention.ms"), .value = BYTES_LITERAL("1")
    };
    struct incremental_alter_configs_request_alter_configs_resource resources[] = {
        resource(METADATA_CONFIG_BROKER_LOGGER, own, &level),
        resource(METADATA_CONFIG_TOPIC, "t", &retention),
        resource(METADATA_CONFIG_BROKER, other, &retention),
        resource(METADATA_CONFIG_TOPIC, "u", &retention)
    };
    send_alter(&peer, resources, 4);
    EXPECT_EQ(rig.ask_count, 1);
    const struct incremental_alter_configs_request *asked = rig.asks[0].message;
    EXPECT_EQ(asked->resources_count, 2);
    EXPECT(bytes_equal_text(asked->resources[0].resource_name, "t"));
    EXPECT(bytes_equal_text(asked->resources[1].resource_name, "u"));

    struct incremental_alter_configs_response_alter_configs_resource_response answers[] = {
        { .resource_type = METADATA_CONFIG_TOPIC, .resource_name = BYTES_LITERAL("t") },
        { .resource_type = METADATA_CONFIG_TOPIC,
          .resource_name = BYTES_LITERAL("u"),
          .error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION },
    };
    struct incremental_alter_configs_response answer = incremental_alter_configs_response_default;
    answer.responses = answers;
    answer.responses_count = 2;
    server_rig_answer(&rig, KAFKA_NONE, &answer);
    server_rig_run_ms(&rig, 50);
    const struct incremental_alter_configs_response *told = take_alter(&peer, &arena);
    static const enum kafka_error errors[] = { KAFKA_NONE, KAFKA_NONE, KAFKA_INVALID_REQUEST,
                                               KAFKA_UNKNOWN_TOPIC_OR_PARTITION };
    EXPECT_EQ(told->responses_count, 4);
    for (int32_t i = 0; i < 4; i++) {
        EXPECT_EQ(told->responses[i].error_code, errors[i]);
        EXPECT(bytes_equal(told->responses[i].resource_name, resources[i].resource_name));
    }
    EXPECT(bytes_equal_text(root_level(&peer, own, &arena), "WARN"));
    arena_deinit(&arena);
    rig_peer_close(&peer);
    server_rig_end(&rig);
}

/* What is all this node's own is answered without the controller, which may be away. */
TEST(incremental_alter_configs, alters_loggers_alone)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    server_rig_run_ms(&rig, 50);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    AUTO(mem_freep) char *own = mem_printf("%d", REPLICA_RIG_NODE);
    struct incremental_alter_configs_request_alterable_config level = {
        .name = BYTES_LITERAL("root"), .value = BYTES_LITERAL("LOUD")
    };
    struct incremental_alter_configs_request_alter_configs_resource loggers =
        resource(METADATA_CONFIG_BROKER_LOGGER, own, &level);
    send_alter(&peer, &loggers, 1);
    EXPECT_EQ(rig.ask_count, 0);
    const struct incremental_alter_configs_response *told = take_alter(&peer, &arena);
    EXPECT_EQ(told->responses[0].error_code, KAFKA_INVALID_CONFIG);
    EXPECT(!bytes_is_null(told->responses[0].error_message));
    EXPECT(bytes_equal_text(root_level(&peer, own, &arena), "INFO"));
    arena_deinit(&arena);
    rig_peer_close(&peer);
    server_rig_end(&rig);
}

/* Loggers that are named twice are the controller's to refuse, all of them, however many others stand before. */
TEST(incremental_alter_configs, passes_on_loggers_that_are_named_twice)
{
    enum { COUNT = 2000 };
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    server_rig_run_ms(&rig, 50);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    AUTO(mem_freep) char *own = mem_printf("%d", REPLICA_RIG_NODE);
    AUTO(mem_freep)
    char *same = mem_printf("0%d", REPLICA_RIG_NODE); /* the same node, another name */
    struct incremental_alter_configs_request_alterable_config level = {
        .name = BYTES_LITERAL("root"), .value = BYTES_LITERAL("WARN")
    };
    struct incremental_alter_configs_request_alter_configs_resource *resources =
        mem_reallocarray(NULL, COUNT, sizeof(*resources));
    for (int32_t i = 0; i < COUNT; i++)
        resources[i] = resource(
            i < COUNT / 2 ? METADATA_CONFIG_TOPIC : METADATA_CONFIG_BROKER_LOGGER, own, &level);
    resources[COUNT - 1].resource_name = bytes_from_text(same);
    send_alter(&peer, resources, COUNT);
    EXPECT_EQ(rig.ask_count, 1);
    const struct incremental_alter_configs_request *asked = rig.asks[0].message;
    EXPECT_EQ(asked->resources_count, COUNT - 1);
    server_rig_answer(&rig, KAFKA_NOT_CONTROLLER, NULL);
    server_rig_run_ms(&rig, 50);
    const struct incremental_alter_configs_response *told = take_alter(&peer, &arena);
    EXPECT_EQ(told->responses[COUNT - 2].error_code, KAFKA_NOT_CONTROLLER);
    EXPECT_EQ(told->responses[COUNT - 1].error_code, KAFKA_NONE); /* the one that is alone */
    EXPECT(bytes_equal_text(root_level(&peer, own, &arena), "WARN"));
    mem_free(resources);
    arena_deinit(&arena);
    rig_peer_close(&peer);
    server_rig_end(&rig);
}
