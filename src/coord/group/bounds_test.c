/* Requests that name very much cost no more than their size. */
#include "base/mem.h"
#include "base/test.h"
#include "coord/assignor/assignor.h"
#include "coord/group/rig_group_test.h"
#include "wire/api.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/list_groups_request.h"

#include <stdio.h>

enum { NAMES = 1000000, BATCH_BYTES_MAX = 1 << 20 };

struct story {
    struct rig_group rig;
    enum kafka_error error; /* of the latest answer */
    char message[200];
    size_t used_bytes; /* by the step that gave it */
};

static void on_answer(void *context, const struct coord_answer *answer)
{
    struct story *s = context;
    const struct consumer_group_heartbeat_response *told = answer->message;
    s->error = (enum kafka_error)told->error_code;
    (void)snprintf(s->message, sizeof(s->message), "%.*s", BYTES_PRINTF(told->error_message));
    s->used_bytes = s->rig.effects.arena.used_bytes;
}

static void begin(struct story *s, uint64_t seed)
{
    *s = (struct story){ .rig = { .rng = rng_from_seed(seed), .on_answer = on_answer } };
    s->rig.context = s;
    s->rig.settings = (struct group_settings){
        .offsets_retention_ms = INT64_C(1) << 40,
        .retention_check_interval_ms = 1000000,
        .commit_timeout_ms = 5000,
        .batch_bytes_max = BATCH_BYTES_MAX,
        .consumer_session_timeout_ms = { SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS, 45000, 1,
                                         60000 },
        .consumer_heartbeat_interval_ms = { SETTING_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS, 5000, 1,
                                            60000 },
        .consumer_count_max = INT32_MAX,
        .assignors = { ASSIGNOR_UNIFORM },
        .assignor_count = 1
    };
    rig_group_begin(&s->rig);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_LOADED });
}

static void expect_too_much(struct story *s, const struct consumer_group_heartbeat_request *asked)
{
    uint64_t token;
    rig_group_ask(&s->rig, &token, API_CONSUMER_GROUP_HEARTBEAT, 1, asked);
    EXPECT_EQ(s->error, KAFKA_UNKNOWN_SERVER_ERROR);
    EXPECT_TEXT(s->message, "SubscribedTopicNames and TopicPartitions have more bytes than the "
                            "1048576 of a batch.");
    EXPECT(s->used_bytes < 10000); /* nothing was made of them */
    EXPECT_EQ(s->rig.log.writes.count, 0);
}

TEST(consumer_heartbeat, that_tells_more_than_a_batch_holds_is_refused_before_it_is_looked_through)
{
    struct story s;
    begin(&s, context->seed);
    struct bytes *names = MEM_NEW_ARRAY(struct bytes, NAMES);
    int32_t *partitions = MEM_NEW_ARRAY(int32_t, NAMES);
    for (int i = 0; i < NAMES; i++)
        names[i] = BYTES_LITERAL("topic");
    struct consumer_group_heartbeat_request asked = consumer_group_heartbeat_request_default;
    asked.group_id = BYTES_LITERAL("g");
    asked.member_id = BYTES_LITERAL("m");
    asked.rebalance_timeout_ms = 5000;
    asked.subscribed_topic_names = names;
    asked.subscribed_topic_names_count = NAMES;
    asked.topic_partitions_count = 0;
    expect_too_much(&s, &asked);
    struct consumer_group_heartbeat_request_topic_partitions topic =
        consumer_group_heartbeat_request_topic_partitions_default;
    topic.partitions = partitions;
    topic.partitions_count = NAMES;
    asked.member_epoch = 1;
    asked.subscribed_topic_names_count = 1;
    asked.topic_partitions = &topic;
    asked.topic_partitions_count = 1;
    expect_too_much(&s, &asked);
    rig_group_end(&s.rig);
    mem_free(names);
    mem_free(partitions);
}

/* However much they repeat and name what there is not, what is left lets the same groups pass. */
TEST(group_reduce_filters, keeps_each_name_once)
{
    struct bytes *states = MEM_NEW_ARRAY(struct bytes, NAMES);
    for (int i = 0; i < NAMES; i++)
        states[i] = i % 3 == 0   ? BYTES_LITERAL("nothing")
                    : i % 3 == 1 ? BYTES_LITERAL(" stable ")
                                 : BYTES_LITERAL("EMPTY");
    struct bytes types[] = { BYTES_LITERAL("none"), BYTES_LITERAL("") };
    struct list_groups_request asked = list_groups_request_default;
    asked.states_filter = states;
    asked.states_filter_count = NAMES;
    asked.types_filter = types;
    asked.types_filter_count = ARRAY_LEN(types);
    group_reduce_filters(&asked);
    EXPECT_EQ(asked.states_filter_count, 2);
    EXPECT_BYTES(states[0], BYTES_LITERAL(" stable "));
    EXPECT_BYTES(states[1], BYTES_LITERAL("EMPTY"));
    EXPECT_EQ(asked.types_filter_count, 1); /* it lets none pass */
    EXPECT_BYTES(types[0], BYTES_LITERAL("none"));
    asked.states_filter_count = 0;
    group_reduce_filters(&asked);
    EXPECT_EQ(asked.states_filter_count, 0); /* it lets all pass */
    mem_free(states);
}

/* Whether an expression is one is found out by a job, before the heartbeat is asked: no step makes a program of it. */
TEST(consumer_heartbeat, believes_what_was_found_out_of_its_expression)
{
    struct story s;
    begin(&s, context->seed);
    struct consumer_group_heartbeat_request asked = consumer_group_heartbeat_request_default;
    asked.group_id = BYTES_LITERAL("g");
    asked.member_id = BYTES_LITERAL("m");
    asked.rebalance_timeout_ms = 5000;
    asked.topic_partitions_count = 0;
    asked.subscribed_topic_regex = BYTES_LITERAL("(a");
    struct err_note note = { "" };
    EXPECT(!group_check_regex(&asked, &note));
    EXPECT_TEXT(note.text, "missing closing )");
    struct group_event event = { .type = GROUP_ON_REQUEST,
                                 .request = { .token = 1,
                                              .api_key = API_CONSUMER_GROUP_HEARTBEAT,
                                              .version = 1,
                                              .client_id = BYTES_LITERAL("c"),
                                              .client_host = BYTES_LITERAL("/h"),
                                              .message = &asked,
                                              .regex_fault = note.text } };
    rig_group_step(&s.rig, event);
    EXPECT_EQ(s.error, KAFKA_INVALID_REGULAR_EXPRESSION);
    EXPECT_TEXT(s.message,
                "SubscribedTopicRegex `(a` is not a valid regular expression: missing closing ).");
    event.request.regex_fault = NULL;
    rig_group_step(&s.rig, event);
    EXPECT_EQ(s.rig.log.writes.count, 1);
    while (s.rig.log.writes.count > 0)
        rig_group_end_write(&s.rig, KAFKA_NONE);
    EXPECT_EQ(s.error, KAFKA_NONE);
    rig_group_end(&s.rig);
}
