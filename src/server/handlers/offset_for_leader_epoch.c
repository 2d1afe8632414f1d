/* OffsetForLeaderEpoch: where an epoch ended here (KIP-101, KIP-279, KIP-320). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/steps.h"
#include "server/topic_lookup.h"
#include "wire/messages/offset_for_leader_epoch_request.h"
#include "wire/messages/offset_for_leader_epoch_response.h"

static void
answer_one(struct request *request, struct bytes topic_name,
           const struct offset_for_leader_epoch_request_offset_for_leader_partition *asked,
           struct offset_for_leader_epoch_response_epoch_end_offset *out)
{
    out->partition = asked->partition;
    const struct metadata_topic *topic = NULL;
    struct partition *p = NULL;
    enum kafka_error error = topic_lookup(request->shard, topic_name, UUID_ZERO, &topic);
    if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, topic_name))
        error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, asked->partition,
                                 asked->current_leader_epoch, &p);
    if (error == KAFKA_NONE && asked->current_leader_epoch < -1)
        error = KAFKA_FENCED_LEADER_EPOCH; /* -1 alone means none */
    out->error_code = (int16_t)error;
    if (error != KAFKA_NONE)
        return;
    const struct log_epoch_end end = log_end_offset_for_epoch(p->log, asked->leader_epoch);
    out->leader_epoch = end.leader_epoch;
    out->end_offset = end.end_offset;
}

struct offset_for_leader_epoch {
    struct steps steps;
    struct offset_for_leader_epoch_response response;
    int32_t topic; /* at this one, and this partition of it */
    int32_t partition;
};

static enum steps_result step(struct steps *steps)
{
    struct offset_for_leader_epoch *op = CONTAINER_OF(steps, struct offset_for_leader_epoch, steps);
    const struct offset_for_leader_epoch_request *asked = steps->request->message;
    for (; op->topic < asked->topics_count; op->topic++, op->partition = 0) {
        const struct offset_for_leader_epoch_request_offset_for_leader_topic *topic =
            &asked->topics[op->topic];
        struct offset_for_leader_epoch_response_offset_for_leader_topic_result *out =
            &op->response.topics[op->topic];
        for (; op->partition < topic->partitions_count; op->partition++) {
            if (!steps_may_add(steps, 1))
                return STEPS_MORE;
            answer_one(steps->request, topic->topic, &topic->partitions[op->partition],
                       &out->partitions[op->partition]);
        }
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    request_reply(steps->request,
                  &CONTAINER_OF(steps, struct offset_for_leader_epoch, steps)->response);
}

static void handle(struct request *request)
{
    const struct offset_for_leader_epoch_request *asked = request->message;
    struct offset_for_leader_epoch *op = REQUEST_NEW(request, struct offset_for_leader_epoch);
    op->response = offset_for_leader_epoch_response_default;
    op->response.topics_count = asked->topics_count;
    op->response.topics = offset_for_leader_epoch_response_offset_for_leader_topic_result_array(
        &request->arena, (size_t)asked->topics_count);
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const struct offset_for_leader_epoch_request_offset_for_leader_topic *topic =
            &asked->topics[t];
        struct offset_for_leader_epoch_response_offset_for_leader_topic_result *out =
            &op->response.topics[t];
        out->topic = topic->topic;
        out->partitions_count = topic->partitions_count;
        out->partitions = offset_for_leader_epoch_response_epoch_end_offset_array(
            &request->arena, (size_t)topic->partitions_count);
    }
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler offset_for_leader_epoch_handler = {
    .api_key = API_OFFSET_FOR_LEADER_EPOCH,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
