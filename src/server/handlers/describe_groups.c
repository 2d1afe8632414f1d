/* DescribeGroups: each coordinator is asked about its groups at once; answers in the order of the request. */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "server/steps.h"
#include "wire/messages/describe_groups_request.h"
#include "wire/messages/describe_groups_response.h"

struct describe_groups;

/* One group: a coordinator of its own to each, so that none is asked for what is not its. */
struct part {
    struct group_ask ask;
    struct describe_groups *op;
    struct describe_groups_request question;
    struct describe_groups_response_described_group *out;
};

struct describe_groups {
    struct request *request;
    struct describe_groups_response response;
    struct steps steps;
    int32_t next; /* to be asked */
    int32_t left; /* parts to be answered, and one while they are asked */
};

static struct bytes copy(struct arena *arena, struct bytes b)
{
    return bytes_is_null(b) ? b : bytes_from(arena_dup(arena, b.data, b.size), b.size);
}

static void copy_members(struct arena *arena,
                         const struct describe_groups_response_described_group *told,
                         struct describe_groups_response_described_group *out)
{
    out->members =
        describe_groups_response_described_group_member_array(arena, (size_t)told->members_count);
    for (int32_t i = 0; i < told->members_count; i++) {
        const struct describe_groups_response_described_group_member *member = &told->members[i];
        out->members[i] = (struct describe_groups_response_described_group_member){
            .member_id = copy(arena, member->member_id),
            .group_instance_id = copy(arena, member->group_instance_id),
            .client_id = copy(arena, member->client_id),
            .client_host = copy(arena, member->client_host),
            .member_metadata = copy(arena, member->member_metadata),
            .member_assignment = copy(arena, member->member_assignment),
        };
    }
}

static void take(struct part *part, const struct describe_groups_response_described_group *told)
{
    struct request *request = part->op->request;
    const struct describe_groups_request *asked = request->message;
    struct arena *arena = &request->arena;
    const struct bytes id = part->out->group_id;
    *part->out = *told;
    part->out->group_id = id;
    part->out->error_message = copy(arena, told->error_message);
    part->out->group_state = copy(arena, told->group_state);
    part->out->protocol_type = copy(arena, told->protocol_type);
    part->out->protocol_data = copy(arena, told->protocol_data);
    copy_members(arena, told, part->out);
    if (asked->include_authorized_operations && told->error_code == KAFKA_NONE)
        part->out->authorized_operations = authorized_operations(request, ACL_GROUP, id);
}

static void part_done(struct describe_groups *op)
{
    if (--op->left == 0)
        request_reply(op->request, &op->response);
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    const struct describe_groups_response *told = response;
    take(part, &told->groups[0]);
    part_done(part->op);
}

static void ask_group(struct describe_groups *op, struct bytes *group_id,
                      struct describe_groups_response_described_group *out)
{
    struct request *request = op->request;
    out->group_id = *group_id;
    if (!authorize(request, ACL_DESCRIBE, ACL_GROUP, *group_id)) {
        out->error_code = KAFKA_GROUP_AUTHORIZATION_FAILED;
        return;
    }
    if (!request_has_room(request)) {
        out->error_code = KAFKA_INVALID_REQUEST; /* too many for one answer */
        return;
    }
    struct part *part = REQUEST_NEW(request, struct part);
    part->ask = (struct group_ask){ .request = request, .done = on_answer };
    part->op = op;
    part->out = out;
    describe_groups_request_init(&part->question);
    part->question.groups = group_id;
    part->question.groups_count = 1;
    op->left++;
    groups_ask(request, groups_partition_of(request->shard, *group_id), &part->question,
               &part->ask);
}

static enum steps_result step(struct steps *steps)
{
    struct describe_groups *op = CONTAINER_OF(steps, struct describe_groups, steps);
    const struct describe_groups_request *asked = steps->request->message;
    for (; op->next < asked->groups_count; op->next++) {
        if (!steps_may_add(steps, 10))
            return STEPS_MORE;
        ask_group(op, &asked->groups[op->next], &op->response.groups[op->next]);
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    part_done(CONTAINER_OF(steps, struct describe_groups, steps));
}

static void handle(struct request *request)
{
    const struct describe_groups_request *asked = request->message;
    struct describe_groups *op = REQUEST_NEW(request, struct describe_groups);
    op->request = request;
    op->left = 1;
    describe_groups_response_init(&op->response);
    op->response.groups = describe_groups_response_described_group_array(
        &request->arena, (size_t)asked->groups_count);
    op->response.groups_count = asked->groups_count;
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler describe_groups_handler = {
    .api_key = API_DESCRIBE_GROUPS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
