/* DescribeProducers: who has produced with a producer id to a partition (KIP-664). */
#include "base/topic_name.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/steps.h"
#include "server/topic_lookup.h"
#include "wire/messages/describe_producers_request.h"
#include "wire/messages/describe_producers_response.h"

static void add_producers(struct request *request, const struct partition *p,
                          struct describe_producers_response_partition_response *out)
{
    out->active_producers = describe_producers_response_producer_state_array(
        &request->arena, log_producer_count(p->log));
    for (struct log_producer_walk walk = { 0 }; log_producer_next(p->log, &walk);) {
        struct describe_producers_response_producer_state *state =
            &out->active_producers[out->active_producers_count++];
        state->producer_id = walk.producer.producer_id;
        state->producer_epoch = walk.producer.producer_epoch;
        state->last_sequence = walk.producer.last_sequence;
        state->last_timestamp = walk.producer.last_timestamp;
        state->coordinator_epoch = walk.producer.coordinator_epoch;
        state->current_txn_start_offset = walk.producer.txn_start_offset;
    }
}

static void answer_one(struct request *request, struct bytes name, int32_t index,
                       struct describe_producers_response_partition_response *out)
{
    out->partition_index = index;
    const struct metadata_topic *topic = NULL;
    struct partition *p = NULL;
    enum kafka_error error = topic_lookup(request->shard, name, UUID_ZERO, &topic);
    if (!authorize(request, ACL_READ, ACL_TOPIC, name))
        error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (!topic_name_is_legal(name, NULL))
        error = KAFKA_INVALID_TOPIC_EXCEPTION;
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, index, -1, &p);
    if (error == KAFKA_NONE &&
        !request_has_room_for(request, log_producer_count(p->log),
                              sizeof(struct describe_producers_response_producer_state)))
        error = KAFKA_INVALID_REQUEST; /* too many for one answer */
    out->error_code = (int16_t)error;
    if (error == KAFKA_NONE)
        add_producers(request, p, out);
    else
        out->error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
}

struct describe_producers {
    struct steps steps;
    struct describe_producers_response response;
    int32_t topic; /* at this one, and this partition of it */
    int32_t partition;
};

static enum steps_result step(struct steps *steps)
{
    struct describe_producers *op = CONTAINER_OF(steps, struct describe_producers, steps);
    const struct describe_producers_request *asked = steps->request->message;
    for (; op->topic < asked->topics_count; op->topic++, op->partition = 0) {
        const struct describe_producers_request_topic_request *topic = &asked->topics[op->topic];
        struct describe_producers_response_topic_response *out = &op->response.topics[op->topic];
        for (; op->partition < topic->partition_indexes_count; op->partition++) {
            if (!steps_may_add(steps, 1))
                return STEPS_MORE;
            answer_one(steps->request, topic->name, topic->partition_indexes[op->partition],
                       &out->partitions[op->partition]);
        }
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    request_reply(steps->request, &CONTAINER_OF(steps, struct describe_producers, steps)->response);
}

static void handle(struct request *request)
{
    const struct describe_producers_request *asked = request->message;
    uint64_t count = 0;
    for (int32_t t = 0; t < asked->topics_count; t++)
        count += (uint64_t)asked->topics[t].partition_indexes_count;
    if (!request_reserve(request, count,
                         sizeof(struct describe_producers_response_partition_response)))
        return;
    struct describe_producers *op = REQUEST_NEW(request, struct describe_producers);
    op->response = describe_producers_response_default;
    op->response.topics_count = asked->topics_count;
    op->response.topics = describe_producers_response_topic_response_array(
        &request->arena, (size_t)asked->topics_count);
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const struct describe_producers_request_topic_request *topic = &asked->topics[t];
        struct describe_producers_response_topic_response *out = &op->response.topics[t];
        out->name = topic->name;
        out->partitions_count = topic->partition_indexes_count;
        out->partitions = describe_producers_response_partition_response_array(
            &request->arena, (size_t)topic->partition_indexes_count);
    }
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler describe_producers_handler = {
    .api_key = API_DESCRIBE_PRODUCERS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
