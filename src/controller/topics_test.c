/* Topics created, enlarged and deleted: what becomes records, and every refusal. */
#include "controller/rig_test.h"

#include "base/mem.h"
#include "wire/messages/create_partitions_request.h"
#include "wire/messages/create_partitions_response.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/delete_topics_request.h"
#include "wire/messages/delete_topics_response.h"

#include <stdio.h>
#include <string.h>

typedef struct create_topics_request_creatable_topic topic_asked;
typedef struct create_topics_request_creatable_replica_assignment row;

static topic_asked topic(const char *name, int32_t partitions, int16_t replication_factor)
{
    topic_asked asked = create_topics_request_creatable_topic_default;
    asked.name = bytes_from_text(name);
    asked.num_partitions = partitions;
    asked.replication_factor = replication_factor;
    return asked;
}

static const struct create_topics_response *create(struct controller_rig *rig, topic_asked *topics,
                                                   int32_t count, bool validate_only)
{
    struct create_topics_request request = create_topics_request_default;
    request.topics = topics;
    request.topics_count = count;
    request.validate_only = validate_only;
    EXPECT_OK(controller_create_topics(rig->controller, controller_rig_call(rig), &request, 7,
                                       &rig->result));
    return controller_rig_take(rig, &create_topics_response_message);
}

static void expect_words(struct bytes message, const char *part)
{
    AUTO(mem_freep) char *text = bytes_to_text(message);
    if (text == NULL || strstr(text, part) == NULL)
        test_fail(__FILE__, __LINE__, "the message is \"%s\", without \"%s\"",
                  text == NULL ? "" : text, part);
}

/* One topic that is refused with these words, and leaves no record. */
static void refuse(struct controller_rig *rig, topic_asked asked, enum kafka_error error,
                   const char *words)
{
    const struct create_topics_response *response = create(rig, &asked, 1, false);
    EXPECT_EQ(response->topics_count, 1);
    EXPECT_EQ(response->topics[0].error_code, error);
    expect_words(response->topics[0].error_message, words);
    EXPECT_EQ(rig->result.record_count, 0);
}

/* ---- creating ---------------------------------------------------------------------------------- */

/* A TopicRecord, a ConfigRecord for each setting, a PartitionRecord for each partition; the answer tells id, counts and all
 * effective settings. */
TEST(controller_create_topics, makes_records_and_an_answer)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    struct create_topics_request_creatable_topic_config config = { .name =
                                                                       BYTES_LITERAL(RULES_NUMBER),
                                                                   .value = BYTES_LITERAL("5") };
    topic_asked asked = topic("orders", 2, 3);
    asked.configs = &config;
    asked.configs_count = 1;
    const struct create_topics_response *response = create(&rig, &asked, 1, false);
    EXPECT_EQ(response->topics[0].error_code, KAFKA_NONE);
    EXPECT_EQ(response->topics[0].num_partitions, 2);
    EXPECT_EQ(response->topics[0].replication_factor, 3);
    EXPECT_EQ(response->topics[0].configs_count, 2);
    EXPECT(!uuid_is_reserved(response->topics[0].topic_id));
    EXPECT(rig.result.is_atomic);
    EXPECT_EQ(rig.result.record_count, 4);
    EXPECT(controller_rig_has(&rig, "TopicRecord", "\"orders\""));
    EXPECT(controller_rig_has(&rig, "ConfigRecord", "\"retention.ms\""));
    EXPECT_EQ(controller_rig_count(&rig, "PartitionRecord"), 2);
    const struct metadata_partition *p = controller_rig_partition(&rig, "orders", 1);
    EXPECT_EQ(p->replica_count, 3);
    EXPECT_EQ(p->isr_count, 3);
    EXPECT_EQ(p->leader, metadata_partition_replicas(p)[0]);
    EXPECT_EQ(p->leader_epoch, 0);
    controller_rig_end(&rig);
}

/* -1 means the broker's default, for either number. */
TEST(controller_create_topics, takes_defaults_where_nothing_is_said)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    topic_asked asked = topic("t", -1, -1);
    const struct create_topics_response *response = create(&rig, &asked, 1, false);
    EXPECT_EQ(response->topics[0].num_partitions, 3);
    EXPECT_EQ(response->topics[0].replication_factor, 1);
    controller_rig_end(&rig);
}

/* Leaders go round the brokers, replicas of a partition lie apart. */
TEST(controller_create_topics, spreads_replicas_and_leaders)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 5);
    (void)controller_rig_topic(&rig, "t", 50, 3);
    int32_t leads[6] = { 0 };
    for (int32_t i = 0; i < 50; i++) {
        const struct metadata_partition *p = controller_rig_partition(&rig, "t", i);
        const int32_t *replicas = metadata_partition_replicas(p);
        leads[p->leader]++;
        EXPECT(replicas[0] != replicas[1] && replicas[0] != replicas[2] &&
               replicas[1] != replicas[2]);
    }
    for (int32_t id = 1; id <= 5; id++)
        EXPECT_EQ(leads[id], 10);
    controller_rig_end(&rig);
}

/* A fenced broker is used only where there are too few others, and does not lead or join the ISR. */
TEST(controller_create_topics, uses_fenced_brokers_last)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    (void)controller_rig_beat(&rig, 2, true, false);
    (void)controller_rig_topic(&rig, "two", 10, 2);
    (void)controller_rig_topic(&rig, "three", 10, 3);
    for (int32_t i = 0; i < 10; i++) {
        EXPECT(!metadata_partition_has_replica(controller_rig_partition(&rig, "two", i), 2));
        const struct metadata_partition *p = controller_rig_partition(&rig, "three", i);
        EXPECT(metadata_partition_has_replica(p, 2));
        EXPECT(p->leader != 2);
        EXPECT_EQ(p->isr_count, 2);
    }
    (void)controller_rig_beat(&rig, 1, true, false);
    (void)controller_rig_beat(&rig, 3, true, false);
    refuse(&rig, topic("none", 1, 1), KAFKA_INVALID_REPLICATION_FACTOR,
           "All brokers are currently fenced");
    controller_rig_end(&rig);
}

TEST(controller_create_topics, refuses_names_that_are_none)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    char name[300];
    memset(name, 'n', sizeof(name));
    name[250] = '\0';
    refuse(&rig, topic(name, 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION,
           "longer than the max allowed length 249");
    name[249] = '\0';
    (void)controller_rig_topic(&rig, name, 1, 1);
    refuse(&rig, topic("", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION, "the empty string");
    refuse(&rig, topic(".", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION, "'.' is not allowed");
    refuse(&rig, topic("..", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION, "'..' is not allowed");
    refuse(&rig, topic("__cluster_metadata", 1, 1), KAFKA_INVALID_REQUEST,
           "Creation of internal topic __cluster_metadata is prohibited");
    for (int c = 1; c < 256; c++) {
        const char text[] = { 'a', (char)c, 'b', '\0' };
        const bool is_legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        topic_asked asked = topic(text, 1, 1);
        const struct create_topics_response *response = create(&rig, &asked, 1, true);
        EXPECT_EQ(response->topics[0].error_code == KAFKA_NONE, is_legal);
    }
    controller_rig_end(&rig);
}

/* '.' and '_' are one in the names of metrics. */
TEST(controller_create_topics, refuses_names_that_are_there_or_collide)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "a.b_c", 1, 1);
    refuse(&rig, topic("a.b_c", 1, 1), KAFKA_TOPIC_ALREADY_EXISTS, "Topic 'a.b_c' already exists");
    refuse(&rig, topic("a_b.c", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION,
           "collides with existing topic: a.b_c");
    (void)controller_rig_topic(&rig, "a.b-c", 1, 1);
    refuse(&rig, topic("a_b_c", 1, 1), KAFKA_INVALID_TOPIC_EXCEPTION,
           "collides with existing topic: a.b_c");
    (void)controller_rig_topic(&rig, "abc", 1, 1);
    (void)controller_rig_topic(&rig, "a_bc", 1, 1);
    controller_rig_end(&rig);
}

/* Ten thousand topics that are there, ten thousand names: each that collides is told with whom, the others are not there. */
TEST(controller_create_topics, finds_collisions_among_many_names)
{
    enum { COUNT = 10000 };
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    topic_asked *asked = mem_reallocarray(NULL, COUNT, sizeof(*asked));
    char(*names)[16] = mem_reallocarray(NULL, COUNT, sizeof(*names));
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "a.%d", i);
        asked[i] = topic(names[i], 1, 1);
    }
    EXPECT_EQ(create(&rig, asked, COUNT, false)->topics[COUNT - 1].error_code, KAFKA_NONE);
    for (int i = 0; i < COUNT; i += 2)
        names[i][1] = '_';
    const struct create_topics_response *response = create(&rig, asked, COUNT, false);
    for (int i = 0; i < COUNT; i += 2) {
        EXPECT_EQ(response->topics[i].error_code, KAFKA_INVALID_TOPIC_EXCEPTION);
        EXPECT_EQ(response->topics[i + 1].error_code, KAFKA_TOPIC_ALREADY_EXISTS);
    }
    expect_words(response->topics[4].error_message,
                 "Topic 'a_4' collides with existing topic: a.4");
    mem_free(names);
    mem_free(asked);
    controller_rig_end(&rig);
}

TEST(controller_create_topics, refuses_numbers_that_cannot_be)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    refuse(&rig, topic("t", 0, 1), KAFKA_INVALID_PARTITIONS, "non-positive");
    refuse(&rig, topic("t", -2, 1), KAFKA_INVALID_PARTITIONS, "non-positive");
    refuse(&rig, topic("t", INT32_MIN, 1), KAFKA_INVALID_PARTITIONS, "non-positive");
    refuse(&rig, topic("t", 1, 0), KAFKA_INVALID_REPLICATION_FACTOR, "larger than 0");
    refuse(&rig, topic("t", 1, -2), KAFKA_INVALID_REPLICATION_FACTOR, "larger than 0");
    refuse(&rig, topic("t", 1, 3), KAFKA_INVALID_REPLICATION_FACTOR,
           "only 2 broker(s) are registered");
    refuse(&rig, topic("t", 1, INT16_MAX), KAFKA_INVALID_REPLICATION_FACTOR, "only 2 broker(s)");
    refuse(&rig, topic("t", CONTROLLER_MUTATIONS_MAX + 1, 1), KAFKA_POLICY_VIOLATION,
           "Excessively large number of partitions per request: at most 10000");
    refuse(&rig, topic("t", INT32_MAX, 1), KAFKA_POLICY_VIOLATION,
           "Excessively large number of partitions per request: at most 10000");
    (void)controller_rig_topic(&rig, "t", CONTROLLER_MUTATIONS_MAX, 1);
    controller_rig_end(&rig);
}

/* Together they are too many: then none is created, as with Apache Kafka. */
TEST(controller_create_topics, counts_the_partitions_of_a_whole_request)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    topic_asked asked[] = { topic("a", 6000, 1), topic("b", 4001, 1) };
    const struct create_topics_response *response = create(&rig, asked, 2, false);
    EXPECT_EQ(response->topics[0].error_code, KAFKA_POLICY_VIOLATION);
    EXPECT_EQ(response->topics[1].error_code, KAFKA_POLICY_VIOLATION);
    EXPECT_EQ(rig.result.record_count, 0);
    asked[1].num_partitions = 4000;
    response = create(&rig, asked, 2, false);
    EXPECT_EQ(response->topics[0].error_code, KAFKA_NONE);
    EXPECT_EQ(response->topics[1].error_code, KAFKA_NONE);
    controller_rig_end(&rig);
}

static topic_asked by_hand(row *rows, int32_t count)
{
    topic_asked asked = topic("t", -1, -1);
    asked.assignments = rows;
    asked.assignments_count = count;
    return asked;
}

TEST(controller_create_topics, checks_assignments_by_hand)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    int32_t one_two[] = { 1, 2 }, two_three[] = { 2, 3 }, only_one[] = { 1 }, twice[] = { 1, 1 },
            strange[] = { 1, 9 };
    row rows[] = { { .partition_index = 1, .broker_ids = two_three, .broker_ids_count = 2 },
                   { .partition_index = 0, .broker_ids = one_two, .broker_ids_count = 2 } };
    topic_asked asked = by_hand(rows, 2);
    asked.num_partitions = 2;
    refuse(&rig, asked, KAFKA_INVALID_REQUEST, "numPartitions was not set to -1");
    asked = by_hand(rows, 2);
    asked.replication_factor = 2;
    refuse(&rig, asked, KAFKA_INVALID_REQUEST, "replication factor was not set to -1");
    rows[0].partition_index = 2;
    refuse(&rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT, "consecutive 0-based");
    rows[0].partition_index = 0;
    refuse(&rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT,
           "Found multiple manual partition assignments for partition 0");
    rows[0].partition_index = -1;
    refuse(&rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT, "consecutive 0-based");
    rows[0].broker_ids = strange; /* rows are looked at as they stand in the request */
    refuse(&rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT,
           "includes broker 9, but no such broker");
    rows[0].partition_index = 1;
    rows[0].broker_ids_count = 0;
    refuse(&rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT, "empty replica list");
    rows[0] = (row){ .partition_index = 1, .broker_ids = twice, .broker_ids_count = 2 };
    refuse(&rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT, "broker 1 more than once");
    rows[0].broker_ids = strange;
    refuse(&rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT,
           "includes broker 9, but no such broker");
    rows[0] = (row){ .partition_index = 1, .broker_ids = only_one, .broker_ids_count = 1 };
    refuse(
        &rig, by_hand(rows, 2), KAFKA_INVALID_REPLICA_ASSIGNMENT,
        "a partition with 2 replica(s), but this is not consistent with previous partitions, which "
        "have 1");
    rows[0] = (row){ .partition_index = 1, .broker_ids = two_three, .broker_ids_count = 2 };
    asked = by_hand(rows, 2);
    EXPECT_EQ(create(&rig, &asked, 1, false)->topics[0].error_code, KAFKA_NONE);
    EXPECT_EQ(controller_rig_partition(&rig, "t", 0)->leader, 1);
    EXPECT_EQ(controller_rig_partition(&rig, "t", 1)->leader, 2);

    (void)controller_rig_beat(&rig, 1, true, false);
    (void)controller_rig_beat(&rig, 2, true, false);
    asked = by_hand(&rows[1], 1);
    asked.name = BYTES_LITERAL("u");
    refuse(&rig, asked, KAFKA_INVALID_REPLICA_ASSIGNMENT, "are fenced or in controlled shutdown");
    controller_rig_end(&rig);
}

TEST(controller_create_topics, refuses_settings_that_are_wrong)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    struct create_topics_request_creatable_topic_config configs[2] = {
        { .name = BYTES_LITERAL(RULES_NUMBER), .value = BYTES_LITERAL("many") }
    };
    topic_asked asked = topic("t", 1, 1);
    asked.configs = configs;
    asked.configs_count = 1;
    refuse(&rig, asked, KAFKA_INVALID_CONFIG, "Invalid value many");
    configs[0].value = BYTES_NULL;
    refuse(&rig, asked, KAFKA_INVALID_CONFIG,
           "Null value not supported for topic configs: retention.ms");
    configs[0] =
        (struct create_topics_request_creatable_topic_config){ .name = BYTES_LITERAL("colour"),
                                                               .value = BYTES_LITERAL("red") };
    refuse(&rig, asked, KAFKA_INVALID_CONFIG, "Unknown config name: colour");
    controller_rig_end(&rig);
}

/* As Apache Kafka 4.3.1; alterations refuse it. */
TEST(controller_create_topics, takes_the_last_value_of_a_setting_that_is_given_twice)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    struct create_topics_request_creatable_topic_config configs[] = {
        { .name = BYTES_LITERAL(RULES_NUMBER), .value = BYTES_LITERAL("1") },
        { .name = BYTES_LITERAL(RULES_MIN_ISR), .value = BYTES_LITERAL("7") },
        { .name = BYTES_LITERAL(RULES_NUMBER), .value = BYTES_LITERAL("2") },
    };
    topic_asked asked = topic("t", 1, 1);
    asked.configs = configs;
    asked.configs_count = ARRAY_LEN(configs);
    const struct create_topics_response *response = create(&rig, &asked, 1, false);
    EXPECT_EQ(response->topics[0].error_code, KAFKA_NONE);
    EXPECT(bytes_is_null(response->topics[0].error_message)); /* words are for failures */
    EXPECT_EQ(controller_rig_count(&rig, "ConfigRecord"), 2);
    EXPECT(controller_rig_has(&rig, "ConfigRecord", "\"2\""));
    EXPECT(controller_rig_has(&rig, "ConfigRecord", "\"7\""));
    controller_rig_end(&rig);
}

/* Each topic for itself: what one of them leaves behind is none of the others'. */
TEST(controller_create_topics, answers_each_topic_for_itself)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    rig.forbidden = BYTES_LITERAL("secret");
    topic_asked asked[] = { topic("good", 2, 1),  topic("twice", 1, 1),  topic("bad/name", 1, 1),
                            topic("twice", 5, 1), topic("secret", 1, 1), topic("fine", 1, 1),
                            topic("large", 1, 9) };
    const struct create_topics_response *response = create(&rig, asked, 7, false);
    static const enum kafka_error errors[] = { KAFKA_NONE,
                                               KAFKA_INVALID_REQUEST,
                                               KAFKA_INVALID_TOPIC_EXCEPTION,
                                               KAFKA_TOPIC_AUTHORIZATION_FAILED,
                                               KAFKA_NONE,
                                               KAFKA_INVALID_REPLICATION_FACTOR };
    EXPECT_EQ(response->topics_count, 6); /* the one named twice is told once */
    for (int32_t i = 0; i < 6; i++)
        EXPECT_EQ(response->topics[i].error_code, errors[i]);
    EXPECT_EQ(rig.result.record_count, 2 + 3); /* topics, partitions */
    controller_rig_end(&rig);
}

TEST(controller_create_topics, changes_nothing_when_it_only_validates)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    topic_asked asked = topic("t", 2, 1);
    EXPECT_EQ(create(&rig, &asked, 1, true)->topics[0].error_code, KAFKA_NONE);
    EXPECT_EQ(rig.result.record_count, 0);
    EXPECT(controller_rig_partition(&rig, "t", 0) == NULL);
    controller_rig_end(&rig);
}

/* A million names in a request are found to be the same, or not, at once. */
TEST(controller_create_topics, takes_time_in_proportion_to_the_request)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    const int32_t count = 100000;
    topic_asked *asked = mem_reallocarray(NULL, (size_t)count, sizeof(*asked));
    for (int32_t i = 0; i < count; i++)
        asked[i] = topic(i % 2 == 0 ? "same" : "#", 1, 1);
    const struct create_topics_response *response = create(&rig, asked, count, false);
    EXPECT_EQ(response->topics_count, 2);
    EXPECT_EQ(response->topics[0].error_code, KAFKA_INVALID_REQUEST);
    EXPECT_EQ(response->topics[1].error_code, KAFKA_INVALID_REQUEST);
    mem_free(asked);
    controller_rig_end(&rig);
}

/* As many rows as there may be, the last one first. */
TEST(controller_create_topics, takes_assignments_in_any_order)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    int32_t brokers[] = { 1, 2 };
    row *rows = mem_reallocarray(NULL, CONTROLLER_MUTATIONS_MAX, sizeof(*rows));
    for (int32_t i = 0; i < CONTROLLER_MUTATIONS_MAX; i++)
        rows[i] = (row){ .partition_index = CONTROLLER_MUTATIONS_MAX - 1 - i,
                         .broker_ids = &brokers[i % 2],
                         .broker_ids_count = 1 };
    topic_asked asked = by_hand(rows, CONTROLLER_MUTATIONS_MAX);
    EXPECT_EQ(create(&rig, &asked, 1, false)->topics[0].error_code, KAFKA_NONE);
    EXPECT_EQ(controller_rig_partition(&rig, "t", 0)->leader, 2);
    EXPECT_EQ(controller_rig_partition(&rig, "t", 9999)->leader, 1);
    mem_free(rows);
    controller_rig_end(&rig);
}

/* ---- enlarging --------------------------------------------------------------------------------- */

typedef struct create_partitions_request_topic more_asked;

static const struct create_partitions_response *
enlarge(struct controller_rig *rig, more_asked *topics, int32_t count, bool validate_only)
{
    struct create_partitions_request request = create_partitions_request_default;
    request.topics = topics;
    request.topics_count = count;
    request.validate_only = validate_only;
    EXPECT_OK(controller_create_partitions(rig->controller, controller_rig_call(rig), &request, 3,
                                           &rig->result));
    return controller_rig_take(rig, &create_partitions_response_message);
}

static void refuse_more(struct controller_rig *rig, more_asked asked, enum kafka_error error,
                        const char *words)
{
    const struct create_partitions_response *response = enlarge(rig, &asked, 1, false);
    EXPECT_EQ(response->results[0].error_code, error);
    if (words != NULL)
        expect_words(response->results[0].error_message, words);
    EXPECT_EQ(rig->result.record_count, 0);
}

TEST(controller_create_partitions, adds_partitions_like_the_first_ones)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    (void)controller_rig_topic(&rig, "t", 2, 2);
    more_asked asked = { .name = BYTES_LITERAL("t"), .count = 5, .assignments_count = -1 };
    EXPECT_EQ(enlarge(&rig, &asked, 1, true)->results[0].error_code, KAFKA_NONE);
    EXPECT(controller_rig_partition(&rig, "t", 2) == NULL);
    EXPECT_EQ(enlarge(&rig, &asked, 1, false)->results[0].error_code, KAFKA_NONE);
    EXPECT_EQ(controller_rig_count(&rig, "PartitionRecord"), 3);
    EXPECT_EQ(controller_rig_partition(&rig, "t", 4)->replica_count, 2);
    EXPECT(controller_rig_partition(&rig, "t", 5) == NULL);
    int32_t ids[] = { 3, 1 };
    struct create_partitions_request_assignment placed = { .broker_ids = ids,
                                                           .broker_ids_count = 2 };
    asked = (more_asked){
        .name = BYTES_LITERAL("t"), .count = 6, .assignments = &placed, .assignments_count = 1
    };
    EXPECT_EQ(enlarge(&rig, &asked, 1, false)->results[0].error_code, KAFKA_NONE);
    EXPECT_EQ(controller_rig_partition(&rig, "t", 5)->leader, 3);
    controller_rig_end(&rig);
}

TEST(controller_create_partitions, refuses_what_is_no_increase)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    (void)controller_rig_topic(&rig, "t", 3, 2);
    int32_t ids[] = { 1, 2, 3, 9 };
    struct create_partitions_request_assignment rows[2] = {
        { .broker_ids = ids, .broker_ids_count = 2 }, { .broker_ids = ids, .broker_ids_count = 3 }
    };
    const struct bytes t = BYTES_LITERAL("t");
    refuse_more(&rig, (more_asked){ .name = t, .count = 3, .assignments_count = -1 },
                KAFKA_INVALID_PARTITIONS, "already has 3 partition(s)");
    refuse_more(&rig, (more_asked){ .name = t, .count = 2, .assignments_count = -1 },
                KAFKA_INVALID_PARTITIONS, "2 would not be an increase");
    refuse_more(&rig, (more_asked){ .name = t, .count = INT32_MIN, .assignments_count = -1 },
                KAFKA_INVALID_PARTITIONS, "would not be an increase");
    refuse_more(&rig, (more_asked){ .name = t, .count = INT32_MAX, .assignments_count = -1 },
                KAFKA_POLICY_VIOLATION,
                "Excessively large number of partitions per request: at most 10000");
    refuse_more(&rig,
                (more_asked){ .name = BYTES_LITERAL("u"), .count = 9, .assignments_count = -1 },
                KAFKA_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    /* No assignment (null) leaves the placement to the controller; an empty one assigns nothing to anyone. */
    refuse_more(&rig, (more_asked){ .name = t, .count = 5, .assignments_count = 0 },
                KAFKA_INVALID_REPLICA_ASSIGNMENT, "but only 0 assignment(s)");
    refuse_more(
        &rig, (more_asked){ .name = t, .count = 5, .assignments = rows, .assignments_count = 1 },
        KAFKA_INVALID_REPLICA_ASSIGNMENT, "2 additional partition(s), but only 1 assignment(s)");
    refuse_more(&rig,
                (more_asked){ .name = t, .count = 5, .assignments = rows, .assignments_count = 2 },
                KAFKA_INVALID_REPLICA_ASSIGNMENT, "a partition with 3 replica(s)");
    rows[1] = (struct create_partitions_request_assignment){ .broker_ids = ids + 2,
                                                             .broker_ids_count = 2 };
    refuse_more(&rig,
                (more_asked){ .name = t, .count = 5, .assignments = rows, .assignments_count = 2 },
                KAFKA_INVALID_REPLICA_ASSIGNMENT, "includes broker 9");
    rig.forbidden = t;
    refuse_more(&rig, (more_asked){ .name = t, .count = 5, .assignments_count = -1 },
                KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL);
    controller_rig_end(&rig);
}

/* Named twice: refused and told once. Many topics: their new partitions count together. */
TEST(controller_create_partitions, looks_at_the_whole_request)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    (void)controller_rig_topic(&rig, "a", 1, 1);
    (void)controller_rig_topic(&rig, "b", 1, 1);
    (void)controller_rig_topic(&rig, "c", 1, 1);
    more_asked asked[] = {
        { .name = BYTES_LITERAL("a"), .count = 3, .assignments_count = -1 },
        { .name = BYTES_LITERAL("b"), .count = 2, .assignments_count = -1 },
        { .name = BYTES_LITERAL("a"), .count = 4, .assignments_count = -1 },
    };
    const struct create_partitions_response *response = enlarge(&rig, asked, 3, false);
    EXPECT_EQ(response->results_count, 2);
    EXPECT_EQ(response->results[0].error_code, KAFKA_INVALID_REQUEST);
    EXPECT_EQ(response->results[1].error_code, KAFKA_NONE);
    more_asked many[] = {
        { .name = BYTES_LITERAL("a"), .count = 6001, .assignments_count = -1 },
        { .name = BYTES_LITERAL("b"), .count = 6002, .assignments_count = -1 },
        { .name = BYTES_LITERAL("c"), .count = 4001, .assignments_count = -1 },
    };
    response = enlarge(&rig, many, 3, false);
    EXPECT_EQ(response->results[0].error_code, KAFKA_NONE);
    EXPECT_EQ(response->results[1].error_code, KAFKA_POLICY_VIOLATION);
    EXPECT_EQ(response->results[2].error_code, KAFKA_NONE);
    EXPECT_EQ(rig.result.record_count, CONTROLLER_MUTATIONS_MAX);
    controller_rig_end(&rig);
}

/* ---- deleting ---------------------------------------------------------------------------------- */

static const struct delete_topics_response *delete (
    struct controller_rig *rig, struct delete_topics_request_delete_topic_state *states,
    int32_t count)
{
    struct delete_topics_request request = delete_topics_request_default;
    request.topics = states;
    request.topics_count = count;
    EXPECT_OK(controller_delete_topics(rig->controller, controller_rig_call(rig), &request, 6,
                                       &rig->result));
    return controller_rig_take(rig, &delete_topics_response_message);
}

TEST(controller_delete_topics, deletes_by_name_and_by_id)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    const struct uuid a = controller_rig_topic(&rig, "a", 2, 1);
    const struct uuid b = controller_rig_topic(&rig, "b", 2, 1);
    struct delete_topics_request_delete_topic_state states[] = { { .name = BYTES_LITERAL("a") },
                                                                 { .topic_id = b } };
    const struct delete_topics_response *response = delete (&rig, states, 2);
    EXPECT_EQ(response->responses[0].error_code, KAFKA_NONE);
    EXPECT(uuid_equal(response->responses[0].topic_id, a));
    EXPECT_BYTES(response->responses[1].name, BYTES_LITERAL("b"));
    EXPECT_EQ(controller_rig_count(&rig, "RemoveTopicRecord"), 2);
    EXPECT(controller_rig_partition(&rig, "a", 0) == NULL);

    /* The old form: names alone. */
    (void)controller_rig_topic(&rig, "c", 1, 1);
    struct bytes names[] = { BYTES_LITERAL("c"), BYTES_LITERAL("d") };
    struct delete_topics_request request = delete_topics_request_default;
    request.topic_names = names;
    request.topic_names_count = 2;
    EXPECT_OK(controller_delete_topics(rig.controller, controller_rig_call(&rig), &request, 5,
                                       &rig.result));
    response = controller_rig_take(&rig, &delete_topics_response_message);
    EXPECT_EQ(response->responses[0].error_code, KAFKA_NONE);
    EXPECT_EQ(response->responses[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    controller_rig_end(&rig);
}

TEST(controller_delete_topics, refuses_each_kind_of_nonsense)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    const struct uuid a = controller_rig_topic(&rig, "a", 1, 1);
    const struct uuid secret = controller_rig_topic(&rig, "secret", 1, 1);
    rig.forbidden = BYTES_LITERAL("secret");
    struct delete_topics_request_delete_topic_state states[] = {
        { .name = BYTES_LITERAL("a"), .topic_id = a }, /* both */
        { .name = BYTES_NULL },                        /* neither */
        { .name = BYTES_NULL },                        /* and again */
        { .name = BYTES_LITERAL("absent") },
        { .topic_id = sample_id(99) },
        { .topic_id = secret },
        { .name = BYTES_LITERAL("a") },
        { .name = BYTES_LITERAL("a") },
        { .topic_id = sample_id(98) },
        { .topic_id = sample_id(98) },
    };
    static const enum kafka_error errors[] = {
        KAFKA_INVALID_REQUEST,  KAFKA_INVALID_REQUEST,
        KAFKA_INVALID_REQUEST,  KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
        KAFKA_UNKNOWN_TOPIC_ID, KAFKA_TOPIC_AUTHORIZATION_FAILED,
        KAFKA_INVALID_REQUEST,  KAFKA_INVALID_REQUEST,
    };
    const struct delete_topics_response *response = delete (&rig, states, 10);
    EXPECT_EQ(response->responses_count, 8); /* who is named twice is told once */
    for (int32_t i = 0; i < 8; i++)
        EXPECT_EQ(response->responses[i].error_code, errors[i]);
    EXPECT_EQ(rig.result.record_count, 0);
    EXPECT(controller_rig_partition(&rig, "a", 0) != NULL);
    controller_rig_end(&rig);
}

/* Apache Kafka 4.3.1 refuses both and tells it once, with name and id; two records for one removal would stop the
 * controller. */
TEST(controller_delete_topics, refuses_a_topic_that_is_meant_by_name_and_by_id)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    const struct uuid ids[] = { controller_rig_topic(&rig, "a", 1, 1),
                                controller_rig_topic(&rig, "b", 1, 1) };
    struct delete_topics_request_delete_topic_state states[] = { { .name = BYTES_LITERAL("a") },
                                                                 { .topic_id = ids[1] },
                                                                 { .topic_id = ids[0] },
                                                                 { .name = BYTES_LITERAL("b") } };
    const struct delete_topics_response *response = delete (&rig, states, 4);
    EXPECT_EQ(rig.result.record_count, 0);
    EXPECT_EQ(response->responses_count, 2);
    for (int32_t i = 0; i < 2; i++) {
        EXPECT_EQ(response->responses[i].error_code, KAFKA_INVALID_REQUEST);
        expect_words(response->responses[i].error_message,
                     "The provided topic name maps to an ID that was already supplied.");
        EXPECT(bytes_equal_text(response->responses[i].name, i == 0 ? "a" : "b"));
        EXPECT(uuid_equal(response->responses[i].topic_id, ids[i]));
    }
    controller_rig_end(&rig);
}

/* A name of as many bytes as an id has is no id. */
TEST(controller_delete_topics, takes_no_name_for_an_id)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    const struct uuid id = controller_rig_topic(&rig, "t", 1, 1);
    struct delete_topics_request_delete_topic_state states[] = {
        { .topic_id = id }, { .name = bytes_from(id.bytes, sizeof(id.bytes)) }
    };
    const struct delete_topics_response *response = delete (&rig, states, 2);
    EXPECT_EQ(response->responses_count, 2);
    EXPECT_EQ(response->responses[0].error_code, KAFKA_NONE);
    EXPECT_EQ(response->responses[1].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    controller_rig_end(&rig);
}
