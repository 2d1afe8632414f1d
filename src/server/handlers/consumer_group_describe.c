/* ConsumerGroupDescribe (KIP-848): each coordinator is asked about its groups at once; answers in the order of the request. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "server/steps.h"
#include "wire/messages/consumer_group_describe_request.h"
#include "wire/messages/consumer_group_describe_response.h"

struct describe;

/* One group: a question of its own to each, so that no coordinator is asked for what is not its. */
struct part {
    struct group_ask ask;
    struct describe *op;
    struct consumer_group_describe_request question;
    struct consumer_group_describe_response_described_group *out;
};

struct describe {
    struct request *request;
    struct consumer_group_describe_response response;
    struct steps steps;
    int32_t next; /* to be asked */
    int32_t left; /* parts to be answered, and one while they are asked */
};

/* ---- answers, which belong to the coordinator and go when it has been listened to ------------------- */

static struct bytes copy(struct arena *arena, struct bytes b)
{
    return bytes_is_null(b) ? b : bytes_from(arena_dup(arena, b.data, b.size), b.size);
}

static void copy_assignment(struct arena *arena,
                            const struct consumer_group_describe_response_assignment *told,
                            struct consumer_group_describe_response_assignment *out)
{
    const int32_t count = told->topic_partitions_count;
    out->topic_partitions =
        consumer_group_describe_response_topic_partitions_array(arena, (size_t)count);
    out->topic_partitions_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct consumer_group_describe_response_topic_partitions *topic =
            &told->topic_partitions[i];
        out->topic_partitions[i].topic_id = topic->topic_id;
        out->topic_partitions[i].topic_name = copy(arena, topic->topic_name);
        out->topic_partitions[i].partitions = arena_dup(
            arena, topic->partitions, (size_t)topic->partitions_count * sizeof(*topic->partitions));
        out->topic_partitions[i].partitions_count = topic->partitions_count;
    }
}

static void copy_member(struct arena *arena,
                        const struct consumer_group_describe_response_member *told,
                        struct consumer_group_describe_response_member *out)
{
    out->member_id = copy(arena, told->member_id);
    out->instance_id = copy(arena, told->instance_id);
    out->rack_id = copy(arena, told->rack_id);
    out->member_epoch = told->member_epoch;
    out->client_id = copy(arena, told->client_id);
    out->client_host = copy(arena, told->client_host);
    const size_t count = (size_t)told->subscribed_topic_names_count;
    out->subscribed_topic_names = ARENA_NEW_ARRAY(arena, struct bytes, count);
    for (size_t i = 0; i < count; i++)
        out->subscribed_topic_names[i] = copy(arena, told->subscribed_topic_names[i]);
    out->subscribed_topic_names_count = told->subscribed_topic_names_count;
    out->subscribed_topic_regex = copy(arena, told->subscribed_topic_regex);
    copy_assignment(arena, &told->assignment, &out->assignment);
    copy_assignment(arena, &told->target_assignment, &out->target_assignment);
    out->member_type = told->member_type;
}

static bool may_see_topics(struct request *request,
                           const struct consumer_group_describe_response_assignment *assignment)
{
    for (int32_t i = 0; i < assignment->topic_partitions_count; i++) {
        if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC,
                       assignment->topic_partitions[i].topic_name))
            return false;
    }
    return true;
}

/* Who may not see a topic that a member has or is to have does not see the group. */
static bool may_see(struct request *request,
                    const struct consumer_group_describe_response_described_group *group)
{
    for (int32_t i = 0; i < group->members_count; i++) {
        if (!may_see_topics(request, &group->members[i].assignment) ||
            !may_see_topics(request, &group->members[i].target_assignment))
            return false;
    }
    return true;
}

static void hide(struct consumer_group_describe_response_described_group *out, struct bytes id)
{
    consumer_group_describe_response_described_group_init(out);
    out->group_id = id;
    out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    out->error_message = BYTES_LITERAL("The group has described topic(s) that the client is not "
                                       "authorized to describe.");
}

static void take(struct part *part,
                 const struct consumer_group_describe_response_described_group *told)
{
    struct request *request = part->op->request;
    const struct consumer_group_describe_request *asked = request->message;
    struct arena *arena = &request->arena;
    const struct bytes id = part->out->group_id;
    if (!may_see(request, told)) {
        hide(part->out, id);
        return;
    }
    *part->out = *told;
    part->out->group_id = id;
    part->out->error_message = copy(arena, told->error_message);
    part->out->group_state = copy(arena, told->group_state);
    part->out->assignor_name = copy(arena, told->assignor_name);
    part->out->members =
        consumer_group_describe_response_member_array(arena, (size_t)told->members_count);
    for (int32_t i = 0; i < told->members_count; i++)
        copy_member(arena, &told->members[i], &part->out->members[i]);
    if (asked->include_authorized_operations && told->error_code == KAFKA_NONE)
        part->out->authorized_operations = authorized_operations(request, ACL_GROUP, id);
}

static void part_done(struct describe *op)
{
    if (--op->left == 0)
        request_reply(op->request, &op->response);
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    const struct consumer_group_describe_response *told = response;
    take(part, &told->groups[0]);
    part_done(part->op);
}

/* ---- questions ----------------------------------------------------------------------------------------- */

static enum kafka_error check(struct request *request, struct bytes group_id)
{
    if (!groups_serve_consumers(request->shard))
        return KAFKA_UNSUPPORTED_VERSION;
    if (!authorize(request, ACL_DESCRIBE, ACL_GROUP, group_id))
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    if (group_id.size == 0)
        return KAFKA_INVALID_GROUP_ID;
    return request_has_room(request) ? KAFKA_NONE : KAFKA_INVALID_REQUEST; /* too many at once */
}

static void ask_group(struct describe *op, struct bytes *group_id,
                      struct consumer_group_describe_response_described_group *out)
{
    struct request *request = op->request;
    out->group_id = *group_id;
    out->error_code = (int16_t)check(request, *group_id);
    if (out->error_code != KAFKA_NONE)
        return;
    struct part *part = REQUEST_NEW(request, struct part);
    part->ask = (struct group_ask){ .request = request, .done = on_answer };
    part->op = op;
    part->out = out;
    consumer_group_describe_request_init(&part->question);
    part->question.group_ids = group_id;
    part->question.group_ids_count = 1;
    op->left++;
    groups_ask(request, groups_partition_of(request->shard, *group_id), &part->question,
               &part->ask);
}

static enum steps_result step(struct steps *steps)
{
    struct describe *op = CONTAINER_OF(steps, struct describe, steps);
    const struct consumer_group_describe_request *asked = steps->request->message;
    for (; op->next < asked->group_ids_count; op->next++) {
        if (!steps_may_add(steps, 10))
            return STEPS_MORE;
        ask_group(op, &asked->group_ids[op->next], &op->response.groups[op->next]);
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    part_done(CONTAINER_OF(steps, struct describe, steps));
}

static void handle(struct request *request)
{
    const struct consumer_group_describe_request *asked = request->message;
    struct describe *op = REQUEST_NEW(request, struct describe);
    op->request = request;
    op->left = 1;
    consumer_group_describe_response_init(&op->response);
    op->response.groups = consumer_group_describe_response_described_group_array(
        &request->arena, (size_t)asked->group_ids_count);
    op->response.groups_count = asked->group_ids_count;
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler consumer_group_describe_handler = {
    .api_key = API_CONSUMER_GROUP_DESCRIBE,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
