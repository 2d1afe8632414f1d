/* OffsetDelete: topics are looked up here, the rest is coord/group/offset_delete.c (KIP-496). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "server/topic_lookup.h"
#include "wire/messages/offset_delete_request.h"
#include "wire/messages/offset_delete_response.h"

struct deletion {
    struct group_ask ask;
    struct offset_delete_request wanted;     /* what exists */
    struct offset_delete_response *response; /* of all that was asked */
};

/* Placeholder of what the coordinator is to answer; no error has this number. */
#define AWAITED INT16_MAX

static void sort_topic(struct request *request, const struct offset_delete_request_topic *asked,
                       struct offset_delete_request_topic *wanted,
                       struct offset_delete_response_topic *out)
{
    const struct metadata_topic *topic = NULL;
    enum kafka_error error = topic_lookup(request->shard, asked->name, UUID_ZERO, &topic);
    if (!authorize(request, ACL_READ, ACL_TOPIC, asked->name))
        error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    out->name = asked->name;
    out->partitions =
        offset_delete_response_partition_array(&request->arena, (size_t)asked->partitions_count);
    out->partitions_count = asked->partitions_count;
    wanted->name = asked->name;
    wanted->partitions =
        offset_delete_request_partition_array(&request->arena, (size_t)asked->partitions_count);
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        const int32_t index = asked->partitions[i].partition_index;
        const bool is_there = error == KAFKA_NONE && metadata_topic_partition(topic, index) != NULL;
        out->partitions[i].partition_index = index;
        out->partitions[i].error_code =
            (int16_t)(error == KAFKA_NONE ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : error);
        if (!is_there)
            continue;
        out->partitions[i].error_code = AWAITED;
        wanted->partitions[wanted->partitions_count++] = asked->partitions[i];
    }
}

/* Both rows are in the order of the request. */
static void merge(struct deletion *op, const struct offset_delete_response *answered)
{
    int32_t topic = 0;
    int32_t partition = 0;
    for (int32_t i = 0; i < op->response->topics_count; i++) {
        struct offset_delete_response_topic *out = &op->response->topics[i];
        for (int32_t j = 0; j < out->partitions_count; j++) {
            if (out->partitions[j].error_code != AWAITED)
                continue;
            while (partition == answered->topics[topic].partitions_count) {
                topic++;
                partition = 0;
            }
            out->partitions[j].error_code =
                answered->topics[topic].partitions[partition++].error_code;
        }
    }
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct deletion *op = CONTAINER_OF(ask, struct deletion, ask);
    const struct offset_delete_response *answered = response;
    if (answered->error_code != KAFKA_NONE) {
        request_reply(ask->request, answered); /* of the whole group */
        return;
    }
    merge(op, answered);
    request_reply(ask->request, op->response);
}

static void handle(struct request *request)
{
    const struct offset_delete_request *asked = request->message;
    if (!authorize(request, ACL_DELETE, ACL_GROUP, asked->group_id)) {
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    struct deletion *op = REQUEST_NEW(request, struct deletion);
    op->ask = (struct group_ask){ .request = request, .done = on_answer };
    op->wanted = *asked;
    op->wanted.topics =
        offset_delete_request_topic_array(&request->arena, (size_t)asked->topics_count);
    op->wanted.topics_count = 0;
    op->response = REQUEST_NEW(request, struct offset_delete_response);
    offset_delete_response_init(op->response);
    op->response->topics =
        offset_delete_response_topic_array(&request->arena, (size_t)asked->topics_count);
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (asked->topics[i].partitions_count == 0)
            continue; /* as in Kafka, of which nothing is told */
        struct offset_delete_request_topic *wanted = &op->wanted.topics[op->wanted.topics_count];
        sort_topic(request, &asked->topics[i], wanted,
                   &op->response->topics[op->response->topics_count++]);
        if (wanted->partitions_count > 0)
            op->wanted.topics_count++;
    }
    groups_ask(request, groups_partition_of(request->shard, asked->group_id), &op->wanted,
               &op->ask);
}

const struct api_handler offset_delete_handler = {
    .api_key = API_OFFSET_DELETE,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
