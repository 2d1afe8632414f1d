/* OffsetFetch: every version as the questions of version 8, one for each group (KIP-709); then back into the version's shape.
 *
 *   versions    groups   topics
 *   0 to 7      one      by name; null (from 2): all
 *   8 and 9     many     by name
 *   10          many     by id (KIP-848)
 */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "server/steps.h"
#include "server/topic_lookup.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

#define VERSION_TELLS_ERROR 2 /* of the group; before that it stands at every partition */
#define VERSION_MANY_GROUPS 8
#define VERSION_TOPIC_IDS   10

/* Of the answer, in all its shapes, while it is made; of the question it is an index of 4. */
#define ANSWER_BYTES_OF_PARTITION 256

struct fetch;

/* What is asked about one group. */
struct part {
    struct group_ask ask;
    struct fetch *fetch;
    const struct offset_fetch_request_group *asked;
    struct offset_fetch_request question; /* with one group: what may be told of what is known */
    enum kafka_error *topic_errors;       /* of each topic asked for */
    struct offset_fetch_response_group *out;
};

struct fetch {
    struct request *request;
    struct steps steps;
    struct offset_fetch_response response;           /* in the form of version 8 */
    const struct offset_fetch_request_group *groups; /* the same of the request */
    int32_t next;                                    /* of them to be asked about */
    int32_t left; /* parts to be answered, and one while they are asked */
};

/* ---- answers ------------------------------------------------------------------------------------------- */

static void tell_error(struct arena *arena, const int32_t *indexes, int32_t count,
                       enum kafka_error error, struct offset_fetch_response_topics *out)
{
    out->partitions = offset_fetch_response_partitions_array(arena, (size_t)count);
    out->partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        out->partitions[i].partition_index = indexes[i];
        out->partitions[i].committed_offset = -1;
        out->partitions[i].metadata = BYTES_LITERAL("");
        out->partitions[i].error_code = (int16_t)error;
    }
}

/* Answers belong to the coordinator and go when it has been listened to. */
static void copy_topic(struct arena *arena, const struct offset_fetch_response_topics *told,
                       struct offset_fetch_response_topics *out)
{
    out->name = bytes_from(arena_dup(arena, told->name.data, told->name.size), told->name.size);
    out->topic_id = told->topic_id;
    out->partitions = offset_fetch_response_partitions_array(arena, (size_t)told->partitions_count);
    out->partitions_count = told->partitions_count;
    for (int32_t i = 0; i < told->partitions_count; i++) {
        const struct bytes metadata = told->partitions[i].metadata;
        out->partitions[i] = told->partitions[i];
        out->partitions[i].metadata =
            bytes_from(arena_dup(arena, metadata.data, metadata.size), metadata.size);
    }
}

/* Topics in the order in which they were asked for, those that were not passed on with their errors. */
static void take_asked(struct part *part, const struct offset_fetch_response_group *told)
{
    struct arena *arena = &part->fetch->request->arena;
    int32_t next = 0;
    part->out->topics =
        offset_fetch_response_topics_array(arena, (size_t)part->asked->topics_count);
    part->out->topics_count = part->asked->topics_count;
    for (int32_t i = 0; i < part->asked->topics_count; i++) {
        const struct offset_fetch_request_topics *asked = &part->asked->topics[i];
        if (part->topic_errors[i] == KAFKA_NONE)
            copy_topic(arena, &told->topics[next++], &part->out->topics[i]);
        else
            tell_error(arena, asked->partition_indexes, asked->partition_indexes_count,
                       part->topic_errors[i], &part->out->topics[i]);
        part->out->topics[i].name = asked->name;
        part->out->topics[i].topic_id = asked->topic_id;
    }
}

/* All there are: those that may be seen, and, where ids are spoken, that still exist. */
static void take_all(struct part *part, const struct offset_fetch_response_group *told)
{
    struct request *request = part->fetch->request;
    part->out->topics =
        offset_fetch_response_topics_array(&request->arena, (size_t)told->topics_count);
    for (int32_t i = 0; i < told->topics_count; i++) {
        const struct metadata_topic *topic =
            metadata_topic_by_name(request->shard->image, told->topics[i].name);
        if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, told->topics[i].name) ||
            (request->version >= VERSION_TOPIC_IDS && topic == NULL))
            continue;
        struct offset_fetch_response_topics *out = &part->out->topics[part->out->topics_count++];
        copy_topic(&request->arena, &told->topics[i], out);
        if (topic != NULL)
            out->topic_id = topic->id;
    }
}

/* ---- the shape before version 8 --------------------------------------------------------------------------- */

static void copy_to_old(struct arena *arena, const struct offset_fetch_response_topics *told,
                        struct offset_fetch_response_topic *out)
{
    out->name = told->name;
    out->partitions = offset_fetch_response_partition_array(arena, (size_t)told->partitions_count);
    out->partitions_count = told->partitions_count;
    for (int32_t i = 0; i < told->partitions_count; i++) {
        out->partitions[i].partition_index = told->partitions[i].partition_index;
        out->partitions[i].committed_offset = told->partitions[i].committed_offset;
        out->partitions[i].committed_leader_epoch = told->partitions[i].committed_leader_epoch;
        out->partitions[i].metadata = told->partitions[i].metadata;
        out->partitions[i].error_code = told->partitions[i].error_code;
    }
}

/* Version 1 has no place for the group's error. */
static void spread_error(struct fetch *fetch, struct offset_fetch_response_group *group)
{
    const struct offset_fetch_request *asked = fetch->request->message;
    struct arena *arena = &fetch->request->arena;
    group->topics = offset_fetch_response_topics_array(arena, (size_t)asked->topics_count);
    group->topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        group->topics[i].name = asked->topics[i].name;
        tell_error(arena, asked->topics[i].partition_indexes,
                   asked->topics[i].partition_indexes_count, (enum kafka_error)group->error_code,
                   &group->topics[i]);
    }
}

static void reply_old(struct fetch *fetch)
{
    struct arena *arena = &fetch->request->arena;
    struct offset_fetch_response_group *group = &fetch->response.groups[0];
    struct offset_fetch_response old = offset_fetch_response_default;
    if (fetch->request->version >= VERSION_TELLS_ERROR)
        old.error_code = group->error_code;
    else if (group->error_code != KAFKA_NONE)
        spread_error(fetch, group);
    old.topics = offset_fetch_response_topic_array(arena, (size_t)group->topics_count);
    old.topics_count = group->topics_count;
    for (int32_t i = 0; i < group->topics_count; i++)
        copy_to_old(arena, &group->topics[i], &old.topics[i]);
    request_reply(fetch->request, &old);
}

static void part_done(struct fetch *fetch)
{
    if (--fetch->left > 0)
        return;
    if (fetch->request->version < VERSION_MANY_GROUPS)
        reply_old(fetch);
    else
        request_reply(fetch->request, &fetch->response);
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    const struct offset_fetch_response *told = response;
    part->out->error_code = told->groups[0].error_code;
    if (part->out->error_code == KAFKA_NONE && part->asked->topics_count < 0)
        take_all(part, &told->groups[0]);
    else if (part->out->error_code == KAFKA_NONE)
        take_asked(part, &told->groups[0]);
    part_done(part->fetch);
}

/* ---- questions ---------------------------------------------------------------------------------------------- */

static enum kafka_error check_topic(struct request *request,
                                    const struct offset_fetch_request_topics *asked,
                                    struct bytes *out_name)
{
    *out_name = asked->name;
    if (request->version >= VERSION_TOPIC_IDS) {
        const struct metadata_topic *topic =
            metadata_topic_by_id(request->shard->image, asked->topic_id);
        if (topic == NULL)
            return KAFKA_UNKNOWN_TOPIC_ID;
        *out_name = topic->name;
    }
    return authorize(request, ACL_DESCRIBE, ACL_TOPIC, *out_name)
               ? KAFKA_NONE
               : KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

static void ask_topics(struct part *part, struct offset_fetch_request_group *question)
{
    struct request *request = part->fetch->request;
    const int32_t count = part->asked->topics_count;
    question->topics = offset_fetch_request_topics_array(&request->arena, (size_t)count);
    question->topics_count = 0;
    part->topic_errors = REQUEST_NEW_ARRAY(request, enum kafka_error, count);
    for (int32_t i = 0; i < count; i++) {
        struct bytes name;
        part->topic_errors[i] = check_topic(request, &part->asked->topics[i], &name);
        if (part->topic_errors[i] != KAFKA_NONE)
            continue;
        question->topics[question->topics_count] = part->asked->topics[i];
        question->topics[question->topics_count++].name = name;
    }
}

static void ask_group(struct fetch *fetch, const struct offset_fetch_request_group *asked,
                      struct offset_fetch_response_group *out)
{
    struct request *request = fetch->request;
    const struct offset_fetch_request *message = request->message;
    out->group_id = asked->group_id;
    if (!authorize(request, ACL_DESCRIBE, ACL_GROUP, asked->group_id)) {
        out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
        return;
    }
    if (!request_has_room(request)) {
        out->error_code = KAFKA_INVALID_REQUEST; /* too many for one answer */
        return;
    }
    struct part *part = REQUEST_NEW(request, struct part);
    part->ask = (struct group_ask){ .request = request, .done = on_answer };
    part->fetch = fetch;
    part->asked = asked;
    part->out = out;
    offset_fetch_request_init(&part->question);
    part->question.require_stable = message->require_stable;
    part->question.groups = offset_fetch_request_group_array(&request->arena, 1);
    part->question.groups_count = 1;
    part->question.groups[0] = *asked;
    if (asked->topics_count >= 0)
        ask_topics(part, &part->question.groups[0]);
    fetch->left++;
    groups_ask(request, groups_partition_of(request->shard, asked->group_id), &part->question,
               &part->ask);
}

/* The one group of the versions before 8. */
static struct offset_fetch_request_group *old_group(struct request *request,
                                                    const struct offset_fetch_request *asked)
{
    struct offset_fetch_request_group *group = offset_fetch_request_group_array(&request->arena, 1);
    group->group_id = asked->group_id;
    group->topics_count = asked->topics_count;
    group->topics = NULL;
    if (asked->topics_count < 0)
        return group;
    group->topics = offset_fetch_request_topics_array(&request->arena, (size_t)asked->topics_count);
    for (int32_t i = 0; i < asked->topics_count; i++) {
        group->topics[i].name = asked->topics[i].name;
        group->topics[i].partition_indexes = asked->topics[i].partition_indexes;
        group->topics[i].partition_indexes_count = asked->topics[i].partition_indexes_count;
    }
    return group;
}

static uint64_t count_partitions(const struct offset_fetch_request_group *groups, int32_t count)
{
    uint64_t sum = 0;
    for (int32_t i = 0; i < count; i++) {
        for (int32_t t = 0; t < groups[i].topics_count; t++)
            sum += (uint64_t)groups[i].topics[t].partition_indexes_count;
    }
    return sum;
}

static enum steps_result step(struct steps *steps)
{
    struct fetch *fetch = CONTAINER_OF(steps, struct fetch, steps);
    for (; fetch->next < fetch->response.groups_count; fetch->next++) {
        const struct offset_fetch_request_group *group = &fetch->groups[fetch->next];
        const uint64_t partitions = MIN(count_partitions(group, 1), UINT32_MAX);
        if (!steps_may_add(steps, 10 + (uint32_t)partitions / 4))
            return STEPS_MORE;
        ask_group(fetch, group, &fetch->response.groups[fetch->next]);
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    part_done(CONTAINER_OF(steps, struct fetch, steps));
}

static void handle(struct request *request)
{
    const struct offset_fetch_request *asked = request->message;
    const bool is_old = request->version < VERSION_MANY_GROUPS;
    const struct offset_fetch_request_group *groups =
        is_old ? old_group(request, asked) : asked->groups;
    const int32_t count = is_old ? 1 : asked->groups_count;
    if (!request_reserve(request, count_partitions(groups, count), ANSWER_BYTES_OF_PARTITION))
        return;
    struct fetch *fetch = REQUEST_NEW(request, struct fetch);
    fetch->request = request;
    fetch->left = 1;
    offset_fetch_response_init(&fetch->response);
    fetch->response.groups = offset_fetch_response_group_array(&request->arena, (size_t)count);
    fetch->response.groups_count = count;
    fetch->groups = groups;
    steps_begin(&fetch->steps, request, step, end);
}

const struct api_handler offset_fetch_handler = {
    .api_key = API_OFFSET_FETCH,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
