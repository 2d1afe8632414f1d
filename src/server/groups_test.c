/* What groups make of the broker's settings. */
#include "server/groups.h"

#include "metadata/sample_test.h"
#include "server/world_test.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/feature_level_record.h"

static void serve_consumers(struct world *w)
{
    struct feature_level_record record = feature_level_record_default;
    record.name = BYTES_LITERAL("group.version");
    record.feature_level = 1;
    sample_put(w->rig.base.loader, &feature_level_record_message, 0, &record);
    server_rig_apply(&w->rig);
}

static int16_t join_with(struct world *w, const char *assignor)
{
    struct consumer_group_heartbeat_request m = consumer_group_heartbeat_request_default;
    struct bytes topic = BYTES_LITERAL("t");
    m.group_id = BYTES_LITERAL("G");
    m.member_id = BYTES_LITERAL("m");
    m.rebalance_timeout_ms = 60000;
    m.subscribed_topic_names = &topic;
    m.subscribed_topic_names_count = 1;
    m.topic_partitions_count = 0;
    m.server_assignor = bytes_from_text(assignor);
    const struct consumer_group_heartbeat_response *answer =
        world_call(w, API_CONSUMER_GROUP_HEARTBEAT, 1, &m);
    return answer->error_code;
}

/* As Kafka, which looks for a class where a name is not one of its own; a name that comes twice counts once. */
TEST(groups, know_assignors_by_the_names_of_classes)
{
    struct world w;
    world_begin_with(&w, context->seed,
                     "group.consumer.assignors="
                     "org.apache.kafka.coordinator.group.assignor.RangeAssignor,range,range\n");
    serve_consumers(&w);
    EXPECT_EQ(join_with(&w, "uniform"), KAFKA_UNSUPPORTED_ASSIGNOR);
    EXPECT_EQ(join_with(&w, "range"), KAFKA_NONE);
    world_end(&w);
}
