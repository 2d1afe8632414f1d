/* Batches that hold more records than a shard looks at: checked by a job, in their order. */
#include "server/world_test.h"

#include "base/mem.h"
#include "log/sample_test.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#define VERSION 9

/* One batch for each partition that is named; a long one holds more than LOG_QUICK_BYTES_MAX. */
struct batch_wanted {
    int32_t partition;
    int32_t count;
    bool is_long;
};

static void send_batches(struct world *w, const struct batch_wanted *wanted, int32_t count)
{
    struct produce_request m = produce_request_default;
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_default;
    m.acks = 1;
    m.timeout_ms = 1000;
    m.topic_data = &topic;
    m.topic_data_count = 1;
    topic.name = BYTES_LITERAL("t");
    topic.partition_data = produce_request_partition_produce_data_array(&w->arena, (size_t)count);
    topic.partition_data_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct shared *batch = sample_batch(
            &(struct sample_batch){ .count = wanted[i].count,
                                    .codec = CODEC_ZSTD,
                                    .value_bytes = wanted[i].is_long ? LOG_QUICK_BYTES_MAX : 10 });
        topic.partition_data[i].index = wanted[i].partition;
        topic.partition_data[i].records.data = arena_dup(&w->arena, batch->data, batch->size);
        topic.partition_data[i].records.size = batch->size;
        shared_unref(batch);
    }
    world_send(w, API_PRODUCE, VERSION, &m);
}

static const struct produce_response_partition_produce_response *take(struct world *w,
                                                                      int32_t correlation_id)
{
    const struct produce_response *answer = world_take(w, API_PRODUCE, VERSION, correlation_id);
    return answer->responses[0].partition_responses;
}

TEST(produce, keeps_the_order_of_what_follows_a_long_batch)
{
    struct world w;
    world_begin(&w, context->seed);
    const struct batch_wanted requests[] = { { .count = 1 },
                                             { .count = 2, .is_long = true },
                                             { .count = 3 },
                                             { .count = 4, .is_long = true },
                                             { .count = 5 } };
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        send_batches(&w, &requests[i], 1);
    server_rig_run_ms(&w.rig, 200);
    int64_t offset = 0;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct produce_response_partition_produce_response *told = take(&w, (int32_t)i + 1);
        EXPECT_EQ(told->error_code, KAFKA_NONE);
        EXPECT_EQ(told->base_offset, offset);
        offset += requests[i].count;
    }
    world_end(&w);
}

TEST(produce, keeps_the_order_within_a_request)
{
    struct world w;
    world_begin(&w, context->seed);
    const struct batch_wanted batches[] = { { .partition = 0, .count = 1 },
                                            { .partition = 1, .count = 2, .is_long = true },
                                            { .partition = 1, .count = 3 },
                                            { .partition = 0, .count = 1 },
                                            { .partition = 7, .count = 1 } };
    static const int64_t offsets[] = { 0, 0, 2, 1, -1 };
    send_batches(&w, batches, ARRAY_LEN(batches));
    server_rig_run_ms(&w.rig, 200);
    const struct produce_response_partition_produce_response *told = take(&w, 1);
    for (size_t i = 0; i < ARRAY_LEN(batches); i++) {
        EXPECT_EQ(told[i].error_code, i < 4 ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        EXPECT_EQ(told[i].base_offset, offsets[i]);
    }
    world_end(&w);
}

/* The check has the request's memory; who leaves does not take it away. */
TEST(produce, appends_a_long_batch_of_one_who_left)
{
    struct world w;
    world_begin(&w, context->seed);
    send_batches(&w, &(struct batch_wanted){ .count = 2, .is_long = true }, 1);
    world_leave(&w);
    EXPECT_EQ(log_offsets(replicas_get(w.rig.shard.replicas, w.topic, 0)->log)->end, 2);
    world_end(&w);
}
