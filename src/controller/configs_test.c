/* Settings of resources: changed one by one, and replaced as a whole. */
#include "controller/rig_test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/messages/alter_configs_request.h"
#include "wire/messages/alter_configs_response.h"
#include "wire/messages/incremental_alter_configs_request.h"
#include "wire/messages/incremental_alter_configs_response.h"

#include <string.h>

enum { SET = 0, DELETE = 1, APPEND = 2, SUBTRACT = 3 };

typedef struct incremental_alter_configs_request_alterable_config change;
typedef struct incremental_alter_configs_request_alter_configs_resource resource;

static struct incremental_alter_configs_response_alter_configs_resource_response
alter_one(struct controller_rig *rig, int8_t type, const char *name, change *changes, int32_t count,
          bool validate_only)
{
    resource asked = { .resource_type = type,
                       .resource_name = bytes_from_text(name),
                       .configs = changes,
                       .configs_count = count };
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources = &asked;
    request.resources_count = 1;
    request.validate_only = validate_only;
    EXPECT_OK(controller_incremental_alter_configs(rig->controller, controller_rig_call(rig),
                                                   &request, 1, &rig->result));
    const struct incremental_alter_configs_response *response =
        controller_rig_take(rig, &incremental_alter_configs_response_message);
    EXPECT_EQ(response->responses_count, 1);
    return response->responses[0];
}

static enum kafka_error change_topic(struct controller_rig *rig, const char *name, int8_t operation,
                                     const char *key, const char *value)
{
    change asked = { .name = bytes_from_text(key),
                     .config_operation = operation,
                     .value = bytes_from_text(value) };
    return (enum kafka_error)alter_one(rig, METADATA_CONFIG_TOPIC, name, &asked, 1, false)
        .error_code;
}

static void expect_value(const struct controller_rig *rig, const char *topic, const char *key,
                         const char *value)
{
    const struct bytes found =
        metadata_config_value(controller_working(rig->controller), METADATA_CONFIG_TOPIC,
                              bytes_from_text(topic), bytes_from_text(key));
    AUTO(mem_freep) char *text = bytes_to_text(found);
    EXPECT_TEXT(text, value);
}

TEST(controller_incremental_alter_configs, sets_and_deletes)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "t", 1, 1);
    EXPECT_EQ(change_topic(&rig, "t", SET, RULES_NUMBER, "5"), KAFKA_NONE);
    expect_value(&rig, "t", RULES_NUMBER, "5");
    EXPECT_EQ(change_topic(&rig, "t", SET, RULES_NUMBER, "5"), KAFKA_NONE);
    EXPECT_EQ(rig.result.record_count, 0); /* nothing changes */
    EXPECT_EQ(change_topic(&rig, "t", DELETE, RULES_NUMBER, NULL), KAFKA_NONE);
    expect_value(&rig, "t", RULES_NUMBER, NULL);
    EXPECT_EQ(change_topic(&rig, "t", DELETE, RULES_NUMBER, NULL), KAFKA_NONE);
    EXPECT_EQ(rig.result.record_count, 0);
    controller_rig_end(&rig);
}

/* Lists grow and shrink by their items, from what is set or from the default; an item is there once. */
TEST(controller_incremental_alter_configs, appends_to_and_subtracts_from_lists)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "t", 1, 1);
    static const struct {
        int8_t operation;
        const char *value;
        const char *result;
    } steps[] = { { APPEND, "compact", "delete,compact" },
                  { APPEND, "compact", "delete,compact" },
                  { APPEND, " a , delete ,b", "delete,compact,a,b" },
                  { SUBTRACT, "compact,none", "delete,a,b" },
                  { SUBTRACT, "delete,a,b", "" },
                  { APPEND, "x,,x", "x,x" },
                  { SET, "y", "y" } };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        EXPECT_EQ(change_topic(&rig, "t", steps[i].operation, RULES_LIST, steps[i].value),
                  KAFKA_NONE);
        expect_value(&rig, "t", RULES_LIST, steps[i].result);
    }
    controller_rig_end(&rig);
}

static const struct nonsense {
    int8_t type;
    const char *resource;
    int8_t operation;
    struct {
        const char *name, *value;
    } pairs[2];
    enum kafka_error error;
    const char *words;
} nonsense[] = {
    { METADATA_CONFIG_TOPIC,
      "u",
      SET,
      { { NULL, NULL } },
      KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
      "The topic 'u' does not exist" },
    { METADATA_CONFIG_TOPIC,
      "",
      SET,
      { { NULL, NULL } },
      KAFKA_INVALID_REQUEST,
      "Default topic resources" },
    { METADATA_CONFIG_BROKER,
      "x",
      SET,
      { { NULL, NULL } },
      KAFKA_INVALID_REQUEST,
      "base 10 number" },
    { METADATA_CONFIG_BROKER,
      "-1",
      SET,
      { { NULL, NULL } },
      KAFKA_INVALID_REQUEST,
      "base 10 number" },
    { METADATA_CONFIG_BROKER,
      "99999999999",
      SET,
      { { NULL, NULL } },
      KAFKA_INVALID_REQUEST,
      "base 10 number" },
    { METADATA_CONFIG_BROKER,
      "9",
      SET,
      { { NULL, NULL } },
      KAFKA_BROKER_ID_NOT_REGISTERED,
      "No broker with id 9" },
    { METADATA_CONFIG_GROUP,
      "",
      SET,
      { { NULL, NULL } },
      KAFKA_INVALID_REQUEST,
      "Default group resources" },
    { METADATA_CONFIG_CLIENT_METRICS,
      "",
      SET,
      { { NULL, NULL } },
      KAFKA_INVALID_REQUEST,
      "can't be empty" },
    { METADATA_CONFIG_BROKER_LOGGER,
      "1",
      SET,
      { { NULL, NULL } },
      KAFKA_INVALID_REQUEST,
      "Unknown resource type 8" },
    { 77, "1", SET, { { NULL, NULL } }, KAFKA_INVALID_REQUEST, "Unknown resource type 77" },
    { METADATA_CONFIG_TOPIC,
      "t",
      4,
      { { RULES_NUMBER, NULL } },
      KAFKA_INVALID_REQUEST,
      "Unknown operation type 4" },
    { METADATA_CONFIG_TOPIC,
      "t",
      -1,
      { { RULES_NUMBER, NULL } },
      KAFKA_INVALID_REQUEST,
      "Unknown operation type -1" },
    { METADATA_CONFIG_TOPIC,
      "t",
      SET,
      { { RULES_NUMBER, NULL } },
      KAFKA_INVALID_REQUEST,
      "Null value not supported for : retention.ms" },
    { METADATA_CONFIG_TOPIC,
      "t",
      APPEND,
      { { RULES_NUMBER, "1" } },
      KAFKA_INVALID_CONFIG,
      "Can't append to key retention.ms" },
    { METADATA_CONFIG_TOPIC,
      "t",
      SUBTRACT,
      { { RULES_NUMBER, "1" } },
      KAFKA_INVALID_CONFIG,
      "Can't subtract to key retention.ms" },
    { METADATA_CONFIG_TOPIC,
      "t",
      SET,
      { { RULES_NUMBER, "x" } },
      KAFKA_INVALID_CONFIG,
      "Invalid value x" },
    { METADATA_CONFIG_TOPIC,
      "t",
      SET,
      { { "colour", "x" } },
      KAFKA_INVALID_CONFIG,
      "Unknown config name: colour" },
    { METADATA_CONFIG_BROKER,
      "1",
      SET,
      { { RULES_NUMBER, "x" } },
      KAFKA_INVALID_REQUEST,
      "Invalid value x" },
    { METADATA_CONFIG_TOPIC,
      "t",
      SET,
      { { RULES_NUMBER, "1" }, { RULES_NUMBER, "2" } },
      KAFKA_INVALID_REQUEST,
      "duplicate config keys: retention.ms" },
    { METADATA_CONFIG_TOPIC,
      "t",
      SET,
      { { RULES_NUMBER, "1" }, { "colour", "2" } },
      KAFKA_INVALID_CONFIG,
      "colour" },
};

TEST(controller_incremental_alter_configs, refuses_each_kind_of_nonsense)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "t", 1, 1);
    for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
        const struct nonsense *n = &nonsense[i];
        change changes[2];
        int32_t count = 0;
        for (; count < 2 && n->pairs[count].name != NULL; count++)
            changes[count] = (change){ .name = bytes_from_text(n->pairs[count].name),
                                       .config_operation = n->operation,
                                       .value = bytes_from_text(n->pairs[count].value) };
        const struct incremental_alter_configs_response_alter_configs_resource_response answer =
            alter_one(&rig, n->type, n->resource, changes, count, false);
        AUTO(mem_freep) char *text = bytes_to_text(answer.error_message);
        if (answer.error_code != (int16_t)n->error || text == NULL ||
            strstr(text, n->words) == NULL)
            test_fail(__FILE__, __LINE__, "\"%s\": error %d, \"%s\"", n->words, answer.error_code,
                      text == NULL ? "" : text);
        EXPECT_EQ(rig.result.record_count, 0); /* all of a resource, or nothing */
    }
    rig.forbidden = BYTES_LITERAL("t");
    EXPECT_EQ(change_topic(&rig, "t", SET, RULES_NUMBER, "5"), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    controller_rig_end(&rig);
}

/* Brokers, all brokers, groups and subscriptions have settings too. */
TEST(controller_incremental_alter_configs, knows_every_kind_of_resource)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    static const struct {
        int8_t type;
        const char *name;
    } resources[] = { { METADATA_CONFIG_BROKER, "1" },
                      { METADATA_CONFIG_BROKER, "" },
                      { METADATA_CONFIG_GROUP, "g" },
                      { METADATA_CONFIG_CLIENT_METRICS, "m" } };
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        change asked = { .name = BYTES_LITERAL(RULES_NUMBER), .value = BYTES_LITERAL("7") };
        EXPECT_EQ(alter_one(&rig, resources[i].type, resources[i].name, &asked, 1, true).error_code,
                  KAFKA_NONE);
        EXPECT_EQ(rig.result.record_count, 0);
        EXPECT_EQ(
            alter_one(&rig, resources[i].type, resources[i].name, &asked, 1, false).error_code,
            KAFKA_NONE);
        EXPECT_EQ(rig.result.record_count, 1);
        EXPECT(!bytes_is_null(metadata_config_value(
            controller_working(rig.controller), (enum metadata_config_type)resources[i].type,
            bytes_from_text(resources[i].name), BYTES_LITERAL(RULES_NUMBER))));
    }
    controller_rig_end(&rig);
}

/* A resource that is there twice is refused each time; the same name of another kind is another resource. */
TEST(controller_incremental_alter_configs, tells_resources_apart_by_type_and_name)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "1", 1, 1);
    (void)controller_rig_topic(&rig, "t", 1, 1);
    change set = { .name = BYTES_LITERAL(RULES_NUMBER), .value = BYTES_LITERAL("7") };
    resource asked[] = {
        { .resource_type = METADATA_CONFIG_TOPIC,
          .resource_name = BYTES_LITERAL("1"),
          .configs = &set,
          .configs_count = 1 },
        { .resource_type = METADATA_CONFIG_BROKER,
          .resource_name = BYTES_LITERAL("1"),
          .configs = &set,
          .configs_count = 1 },
        { .resource_type = METADATA_CONFIG_TOPIC,
          .resource_name = BYTES_LITERAL("t"),
          .configs = &set,
          .configs_count = 1 },
        { .resource_type = METADATA_CONFIG_TOPIC,
          .resource_name = BYTES_LITERAL("t"),
          .configs = &set,
          .configs_count = 1 },
    };
    static const enum kafka_error errors[] = { KAFKA_NONE, KAFKA_NONE, KAFKA_INVALID_REQUEST,
                                               KAFKA_INVALID_REQUEST };
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    request.resources = asked;
    request.resources_count = 4;
    EXPECT_OK(controller_incremental_alter_configs(rig.controller, controller_rig_call(&rig),
                                                   &request, 1, &rig.result));
    const struct incremental_alter_configs_response *response =
        controller_rig_take(&rig, &incremental_alter_configs_response_message);
    EXPECT_EQ(response->responses_count, 4);
    for (int32_t i = 0; i < 4; i++)
        EXPECT_EQ(response->responses[i].error_code, errors[i]);
    EXPECT_EQ(rig.result.record_count, 2);
    controller_rig_end(&rig);
}

/* AlterConfigs: what is not named goes. */
TEST(controller_alter_configs, replaces_the_whole_set)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "t", 1, 1);
    EXPECT_EQ(change_topic(&rig, "t", SET, RULES_NUMBER, "5"), KAFKA_NONE);
    EXPECT_EQ(change_topic(&rig, "t", SET, RULES_LIST, "compact"), KAFKA_NONE);
    struct alter_configs_request_alterable_config configs[] = {
        { .name = BYTES_LITERAL(RULES_LIST), .value = BYTES_LITERAL("compact") },
        { .name = BYTES_LITERAL(RULES_MIN_ISR), .value = BYTES_LITERAL("2") },
    };
    struct alter_configs_request_resource asked[2] = {
        { .resource_type = METADATA_CONFIG_TOPIC,
          .resource_name = BYTES_LITERAL("t"),
          .configs = configs,
          .configs_count = 2 },
    };
    asked[1] = asked[0];
    struct alter_configs_request request = alter_configs_request_default;
    request.resources = asked;
    request.resources_count = 2;
    EXPECT_OK(controller_alter_configs(rig.controller, controller_rig_call(&rig), &request, 2,
                                       &rig.result));
    const struct alter_configs_response *response =
        controller_rig_take(&rig, &alter_configs_response_message);
    EXPECT_EQ(response->responses[0].error_code, KAFKA_INVALID_REQUEST); /* twice */
    EXPECT_EQ(response->responses[1].error_code, KAFKA_INVALID_REQUEST);
    request.resources_count = 1;
    for (int round = 0; round < 3; round++) { /* validated, done, and nothing left to do */
        request.validate_only = round == 0;
        EXPECT_OK(controller_alter_configs(rig.controller, controller_rig_call(&rig), &request, 2,
                                           &rig.result));
        response = controller_rig_take(&rig, &alter_configs_response_message);
        EXPECT_EQ(response->responses[0].error_code, KAFKA_NONE);
        EXPECT_EQ(rig.result.record_count, round == 1 ? 2 : 0);
    }
    expect_value(&rig, "t", RULES_NUMBER, NULL);
    expect_value(&rig, "t", RULES_LIST, "compact");
    expect_value(&rig, "t", RULES_MIN_ISR, "2");

    configs[0].value = BYTES_NULL;
    EXPECT_OK(controller_alter_configs(rig.controller, controller_rig_call(&rig), &request, 2,
                                       &rig.result));
    response = controller_rig_take(&rig, &alter_configs_response_message);
    EXPECT_EQ(response->responses[0].error_code, KAFKA_INVALID_REQUEST);
    configs[0] = configs[1];
    EXPECT_OK(controller_alter_configs(rig.controller, controller_rig_call(&rig), &request, 2,
                                       &rig.result));
    response = controller_rig_take(&rig, &alter_configs_response_message);
    EXPECT_EQ(response->responses[0].error_code, KAFKA_INVALID_REQUEST);
    expect_value(&rig, "t", RULES_MIN_ISR, "2");
    controller_rig_end(&rig);
}

/* As many keys as a request can hold, all unknown, or all the same. */
TEST(controller_incremental_alter_configs, takes_time_in_proportion_to_the_request)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "t", 1, 1);
    const int32_t count = 100000;
    change *changes = mem_reallocarray(NULL, (size_t)count, sizeof(*changes));
    char(*names)[8] = mem_reallocarray(NULL, (size_t)count, sizeof(*names));
    for (int32_t i = 0; i < count; i++) {
        for (int digit = 0; digit < 8; digit++)
            names[i][digit] = (char)('a' + (i >> (4 * digit)) % 16);
        changes[i] = (change){ .name = bytes_from(names[i], 8), .value = BYTES_LITERAL("1") };
    }
    EXPECT_EQ(alter_one(&rig, METADATA_CONFIG_TOPIC, "t", changes, count, false).error_code,
              KAFKA_INVALID_CONFIG);
    changes[count - 1] = changes[0];
    EXPECT_EQ(alter_one(&rig, METADATA_CONFIG_TOPIC, "t", changes, count, false).error_code,
              KAFKA_INVALID_REQUEST);
    mem_free(names);
    mem_free(changes);
    controller_rig_end(&rig);
}

/* Lists of thousands of items, as long as a value may be: none of the new ones is added twice, none that goes stays. */
TEST(controller_incremental_alter_configs, changes_long_lists)
{
    enum { COUNT = 5000 };
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "t", 1, 1);
    struct buf evens, all;
    buf_init(&evens, 1 << 20);
    buf_init(&all, 1 << 20);
    for (int i = 0; i < COUNT; i++) {
        if (i % 2 == 0)
            buf_printf(&evens, "%s%d", i == 0 ? "" : ",", i);
        buf_printf(&all, "%s%d", i == 0 ? "" : ",", i);
    }
    AUTO(mem_freep) char *even_text = bytes_to_text(buf_view(&evens));
    AUTO(mem_freep) char *all_text = bytes_to_text(buf_view(&all));
    EXPECT_EQ(change_topic(&rig, "t", SET, RULES_LIST, even_text), KAFKA_NONE);
    EXPECT_EQ(change_topic(&rig, "t", APPEND, RULES_LIST, even_text), KAFKA_NONE);
    expect_value(&rig, "t", RULES_LIST, even_text);
    EXPECT_EQ(change_topic(&rig, "t", APPEND, RULES_LIST, all_text), KAFKA_NONE);
    EXPECT_EQ(change_topic(&rig, "t", SUBTRACT, RULES_LIST, even_text), KAFKA_NONE);
    EXPECT_EQ(change_topic(&rig, "t", APPEND, RULES_LIST, "4999,x"), KAFKA_NONE);
    EXPECT_EQ(change_topic(&rig, "t", SUBTRACT, RULES_LIST, all_text), KAFKA_NONE);
    expect_value(&rig, "t", RULES_LIST, "x");
    buf_deinit(&all);
    buf_deinit(&evens);
    controller_rig_end(&rig);
}
