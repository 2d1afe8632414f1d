/* DeleteGroups: each group's coordinator is asked; a group named twice is deleted once (KIP-229). */
#include "base/map.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "server/steps.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/delete_groups_response.h"

struct delete_groups;

struct part {
    struct group_ask ask;
    struct delete_groups *op;
    struct delete_groups_request question;
    struct delete_groups_response_deletable_group_result *out;
};

struct delete_groups {
    struct request *request;
    struct steps steps;
    struct delete_groups_response response;
    struct map seen; /* a set of names, while they are asked about */
    int32_t next;    /* of the names */
    int32_t left;    /* parts to be answered, and one while they are asked */
};

static void part_done(struct delete_groups *op)
{
    if (--op->left == 0)
        request_reply(op->request, &op->response);
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    const struct delete_groups_response *told = response;
    part->out->error_code = told->results[0].error_code;
    part_done(part->op);
}

static void ask_group(struct delete_groups *op, struct bytes *group_id,
                      struct delete_groups_response_deletable_group_result *out)
{
    struct request *request = op->request;
    out->group_id = *group_id;
    if (!authorize(request, ACL_DELETE, ACL_GROUP, *group_id)) {
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
    delete_groups_request_init(&part->question);
    part->question.groups_names = group_id;
    part->question.groups_names_count = 1;
    op->left++;
    groups_ask(request, groups_partition_of(request->shard, *group_id), &part->question,
               &part->ask);
}

static enum steps_result step(struct steps *steps)
{
    struct delete_groups *op = CONTAINER_OF(steps, struct delete_groups, steps);
    const struct delete_groups_request *asked = steps->request->message;
    for (; op->next < asked->groups_names_count; op->next++) {
        struct bytes *group_id = &asked->groups_names[op->next];
        if (!steps_may_add(steps, 10))
            return STEPS_MORE;
        if (map_put(&op->seen, *group_id, op) == NULL)
            ask_group(op, group_id, &op->response.results[op->response.results_count++]);
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    struct delete_groups *op = CONTAINER_OF(steps, struct delete_groups, steps);
    map_deinit(&op->seen);
    part_done(op);
}

static void handle(struct request *request)
{
    const struct delete_groups_request *asked = request->message;
    struct delete_groups *op = REQUEST_NEW(request, struct delete_groups);
    op->request = request;
    op->left = 1;
    delete_groups_response_init(&op->response);
    op->response.results = delete_groups_response_deletable_group_result_array(
        &request->arena, (size_t)asked->groups_names_count);
    map_init(&op->seen, request->shard->hash_seed);
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler delete_groups_handler = {
    .api_key = API_DELETE_GROUPS,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
