/* OffsetCommit: topics are looked up here, the rest is coord/group/offset_commit.c.
 *
 * Partitions that do not exist are answered at once; what is left goes to the coordinator, and its answers take their places
 * in the row in which they were asked.
 */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "server/topic_lookup.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"

struct commit {
    struct group_ask ask;
    struct offset_commit_request wanted;     /* what exists */
    struct offset_commit_response *response; /* of all that was asked */
    int16_t *
        *awaited; /* the codes in it that are the coordinator's to say, in the order of `wanted` */
    size_t awaited_count;
};

static enum kafka_error look_up(struct request *request,
                                const struct offset_commit_request_topic *asked,
                                const struct metadata_topic **out)
{
    const bool is_by_id = request->version >= 10;
    if (is_by_id && uuid_is_zero(asked->topic_id))
        return KAFKA_UNKNOWN_TOPIC_ID;
    const enum kafka_error error =
        topic_lookup(request->shard, asked->name, is_by_id ? asked->topic_id : UUID_ZERO, out);
    const struct bytes name = *out == NULL ? asked->name : (*out)->name;
    if (!(is_by_id && *out == NULL) && !authorize(request, ACL_READ, ACL_TOPIC, name))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    return error;
}

/* Which of a topic's partitions are there; those go to `wanted`. */
static void sort_topic(struct commit *commit, const struct offset_commit_request_topic *asked,
                       struct offset_commit_request_topic *wanted,
                       struct offset_commit_response_topic *out)
{
    struct request *request = commit->ask.request;
    const struct metadata_topic *topic = NULL;
    const enum kafka_error error = look_up(request, asked, &topic);
    out->name = asked->name;
    out->topic_id = asked->topic_id;
    out->partitions =
        offset_commit_response_partition_array(&request->arena, (size_t)asked->partitions_count);
    out->partitions_count = asked->partitions_count;
    wanted->partitions =
        offset_commit_request_partition_array(&request->arena, (size_t)asked->partitions_count);
    wanted->name = topic == NULL ? asked->name : topic->name;
    wanted->topic_id = topic == NULL ? UUID_ZERO : topic->id;
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        const int32_t index = asked->partitions[i].partition_index;
        out->partitions[i].partition_index = index;
        out->partitions[i].error_code = (int16_t)error;
        if (error != KAFKA_NONE)
            continue;
        if (metadata_topic_partition(topic, index) == NULL) {
            out->partitions[i].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        commit->awaited[commit->awaited_count++] = &out->partitions[i].error_code;
        wanted->partitions[wanted->partitions_count++] = asked->partitions[i];
    }
}

static void merge(struct commit *commit, const struct offset_commit_response *answered)
{
    size_t next = 0;
    for (int32_t i = 0; i < answered->topics_count; i++) {
        for (int32_t j = 0; j < answered->topics[i].partitions_count; j++)
            *commit->awaited[next++] = answered->topics[i].partitions[j].error_code;
    }
    ASSERT(next == commit->awaited_count);
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct commit *commit = CONTAINER_OF(ask, struct commit, ask);
    merge(commit, response);
    request_reply(ask->request, commit->response);
}

static struct commit *sort_topics(struct request *request)
{
    const struct offset_commit_request *asked = request->message;
    struct commit *commit = REQUEST_NEW(request, struct commit);
    commit->ask = (struct group_ask){ .request = request, .done = on_answer };
    commit->wanted = *asked;
    commit->wanted.topics =
        offset_commit_request_topic_array(&request->arena, (size_t)asked->topics_count);
    commit->wanted.topics_count = 0;
    commit->response = REQUEST_NEW(request, struct offset_commit_response);
    offset_commit_response_init(commit->response);
    commit->response->topics =
        offset_commit_response_topic_array(&request->arena, (size_t)asked->topics_count);
    size_t partition_count = 0;
    for (int32_t i = 0; i < asked->topics_count; i++)
        partition_count += (size_t)asked->topics[i].partitions_count;
    commit->awaited = REQUEST_NEW_ARRAY(request, int16_t *, partition_count);
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (asked->topics[i].partitions_count == 0)
            continue; /* as in Kafka, of which nothing is told */
        struct offset_commit_request_topic *wanted =
            &commit->wanted.topics[commit->wanted.topics_count];
        sort_topic(commit, &asked->topics[i], wanted,
                   &commit->response->topics[commit->response->topics_count++]);
        if (wanted->partitions_count > 0)
            commit->wanted.topics_count++;
    }
    return commit;
}

static void handle(struct request *request)
{
    const struct offset_commit_request *asked = request->message;
    if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id)) {
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    struct commit *commit = sort_topics(request);
    if (commit->wanted.topics_count == 0)
        request_reply(request, commit->response);
    else
        groups_ask(request, groups_partition_of(request->shard, asked->group_id), &commit->wanted,
                   &commit->ask);
}

const struct api_handler offset_commit_handler = {
    .api_key = API_OFFSET_COMMIT,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
