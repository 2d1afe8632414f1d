/* Which directory a replica lies in, as brokers tell. */
#include "controller/rig_test.h"

#include "metadata/feature.h"
#include "wire/messages/assign_replicas_to_dirs_request.h"
#include "wire/messages/assign_replicas_to_dirs_response.h"

/* A request about one replica. */
struct telling {
    struct assign_replicas_to_dirs_request request;
    struct assign_replicas_to_dirs_request_directory_data directory;
    struct assign_replicas_to_dirs_request_topic_data topic;
    struct assign_replicas_to_dirs_request_partition_data partition;
};

static const struct metadata_broker *broker(const struct controller_rig *rig, int32_t id)
{
    return metadata_broker_get(controller_working(rig->controller), id);
}

static void fill(struct telling *t, const struct controller_rig *rig, int32_t broker_id,
                 struct uuid topic_id, int32_t index, struct uuid directory)
{
    *t = (struct telling){
        .request = assign_replicas_to_dirs_request_default,
        .directory = { .id = directory, .topics_count = 1 },
        .topic = { .topic_id = topic_id, .partitions_count = 1 },
        .partition = { .partition_index = index },
    };
    t->topic.partitions = &t->partition;
    t->directory.topics = &t->topic;
    t->request.directories = &t->directory;
    t->request.directories_count = 1;
    t->request.broker_id = broker_id;
    t->request.broker_epoch = broker(rig, broker_id)->epoch;
}

static const struct assign_replicas_to_dirs_response *tell(struct controller_rig *rig,
                                                           const struct telling *t)
{
    EXPECT_OK(controller_assign_directories(rig->controller, controller_rig_call(rig), &t->request,
                                            0, &rig->result));
    return controller_rig_take(rig, &assign_replicas_to_dirs_response_message);
}

/* The error of the one replica that was told of; nothing else may be wrong. */
static int16_t told(struct controller_rig *rig, const struct telling *t)
{
    const struct assign_replicas_to_dirs_response *response = tell(rig, t);
    EXPECT_EQ(response->error_code, KAFKA_NONE);
    EXPECT_EQ(response->directories_count, 1);
    EXPECT(uuid_equal(response->directories[0].id, t->directory.id));
    EXPECT(uuid_equal(response->directories[0].topics[0].topic_id, t->topic.topic_id));
    EXPECT_EQ(response->directories[0].topics[0].partitions[0].partition_index,
              t->partition.partition_index);
    return response->directories[0].topics[0].partitions[0].error_code;
}

TEST(controller_assign_directories, records_what_is_news)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    const struct uuid topic = controller_rig_topic(&rig, "t", 2, 3);
    const struct metadata_partition *p = controller_rig_partition(&rig, "t", 1);
    const int32_t first = metadata_partition_replicas(p)[0];
    const struct uuid other = metadata_partition_directories(p)[1];
    struct telling t;
    fill(&t, &rig, first, topic, 1, sample_id(77));
    EXPECT_EQ(told(&rig, &t), KAFKA_NONE);
    EXPECT_EQ(controller_rig_count(&rig, "PartitionChangeRecord"), 1);
    p = controller_rig_partition(&rig, "t", 1);
    EXPECT(uuid_equal(metadata_partition_directories(p)[0], sample_id(77)));
    EXPECT(uuid_equal(metadata_partition_directories(p)[1], other));
    EXPECT_EQ(p->leader_epoch, 0);
    EXPECT_EQ(told(&rig, &t), KAFKA_NONE);
    EXPECT_EQ(rig.result.record_count, 0);
    controller_rig_end(&rig);
}

TEST(controller_assign_directories, refuses_what_is_not_there)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    const struct uuid topic = controller_rig_topic(&rig, "t", 1, 1);
    const int32_t holder = metadata_partition_replicas(controller_rig_partition(&rig, "t", 0))[0];
    struct telling t;
    fill(&t, &rig, holder, sample_id(99), 0, sample_id(77));
    EXPECT_EQ(told(&rig, &t), KAFKA_UNKNOWN_TOPIC_ID);
    fill(&t, &rig, holder, topic, 1, sample_id(77));
    EXPECT_EQ(told(&rig, &t), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    fill(&t, &rig, 3 - holder, topic, 0, sample_id(77));
    EXPECT_EQ(told(&rig, &t), KAFKA_NOT_LEADER_OR_FOLLOWER);
    fill(&t, &rig, holder, topic, 0, sample_id(77));
    t.request.broker_epoch++;
    EXPECT_EQ(tell(&rig, &t)->error_code, KAFKA_STALE_BROKER_EPOCH);
    t.request.broker_id = 7;
    EXPECT_EQ(tell(&rig, &t)->error_code, KAFKA_BROKER_ID_NOT_REGISTERED);
    EXPECT_EQ(rig.result.record_count, 0);
    controller_deactivate(rig.controller);
    EXPECT_ERR(controller_assign_directories(rig.controller, controller_rig_call(&rig), &t.request,
                                             0, &rig.result),
               ERR_NOT_LEADER);
    controller_rig_end(&rig);
}
