/* DeleteRecords: moves the start of logs up (KIP-107). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/steps.h"
#include "server/topic_lookup.h"
#include "wire/messages/delete_records_request.h"
#include "wire/messages/delete_records_response.h"

#define OFFSET_HIGH_WATERMARK (-1) /* all that can be read */

static enum kafka_error delete_below(struct partition *p, int64_t offset,
                                     int64_t *out_low_watermark)
{
    const struct log_config *config = log_config(p->log);
    if (config->cleanup_compact && !config->cleanup_delete)
        return KAFKA_POLICY_VIOLATION;
    if (offset == OFFSET_HIGH_WATERMARK)
        offset = p->high_watermark;
    if (offset < 0)
        return KAFKA_OFFSET_OUT_OF_RANGE;
    if (log_advance_start(p->log, offset, p->high_watermark) < 0)
        return KAFKA_OFFSET_OUT_OF_RANGE;
    *out_low_watermark = log_offsets(p->log)->start;
    return KAFKA_NONE;
}

static void answer_one(struct request *request, struct bytes topic_name,
                       const struct delete_records_request_partition *asked,
                       struct delete_records_response_partition_result *out)
{
    out->partition_index = asked->partition_index;
    out->low_watermark = -1;
    const struct metadata_topic *topic = NULL;
    struct partition *p = NULL;
    enum kafka_error error = topic_lookup(request->shard, topic_name, UUID_ZERO, &topic);
    if (!authorize(request, ACL_DELETE, ACL_TOPIC, topic_name))
        error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (error == KAFKA_NONE && topic_is_internal(topic_name))
        error = KAFKA_INVALID_TOPIC_EXCEPTION;
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, asked->partition_index, -1, &p);
    if (error == KAFKA_NONE)
        error = delete_below(p, asked->offset, &out->low_watermark);
    out->error_code = (int16_t)error;
}

struct delete_records {
    struct steps steps;
    struct delete_records_response response;
    int32_t topic; /* at this one, and this partition of it */
    int32_t partition;
};

static enum steps_result step(struct steps *steps)
{
    struct delete_records *op = CONTAINER_OF(steps, struct delete_records, steps);
    const struct delete_records_request *asked = steps->request->message;
    for (; op->topic < asked->topics_count; op->topic++, op->partition = 0) {
        const struct delete_records_request_topic *topic = &asked->topics[op->topic];
        struct delete_records_response_topic_result *out = &op->response.topics[op->topic];
        for (; op->partition < topic->partitions_count; op->partition++) {
            if (!steps_may_add(steps, 1))
                return STEPS_MORE;
            answer_one(steps->request, topic->name, &topic->partitions[op->partition],
                       &out->partitions[op->partition]);
        }
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    request_reply(steps->request, &CONTAINER_OF(steps, struct delete_records, steps)->response);
}

static void handle(struct request *request)
{
    const struct delete_records_request *asked = request->message;
    struct delete_records *op = REQUEST_NEW(request, struct delete_records);
    op->response = delete_records_response_default;
    op->response.topics_count = asked->topics_count;
    op->response.topics =
        delete_records_response_topic_result_array(&request->arena, (size_t)asked->topics_count);
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const struct delete_records_request_topic *topic = &asked->topics[t];
        struct delete_records_response_topic_result *out = &op->response.topics[t];
        out->name = topic->name;
        out->partitions_count = topic->partitions_count;
        out->partitions = delete_records_response_partition_result_array(
            &request->arena, (size_t)topic->partitions_count);
    }
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler delete_records_handler = {
    .api_key = API_DELETE_RECORDS,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
