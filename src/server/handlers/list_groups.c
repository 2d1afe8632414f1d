/* ListGroups: the groups of every coordinator of this broker (KIP-518, KIP-848). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "wire/messages/list_groups_request.h"
#include "wire/messages/list_groups_response.h"

struct list_groups;

struct part {
    struct group_ask ask;
    struct list_groups *op;
    struct list_groups_response_listed_group *groups;
    int32_t count;
};

struct list_groups {
    struct request *request;
    struct part *parts; /* one for each partition of __consumer_offsets */
    int32_t part_count;
    int32_t left; /* parts to be answered, and one while they are asked */
    int16_t error_code;
    size_t count;
};

static void finish(struct list_groups *op)
{
    struct list_groups_response response = list_groups_response_default;
    response.error_code = op->error_code;
    if (op->error_code == KAFKA_NONE) {
        response.groups = list_groups_response_listed_group_array(&op->request->arena, op->count);
        for (int32_t i = 0; i < op->part_count; i++) {
            for (int32_t j = 0; j < op->parts[i].count; j++)
                response.groups[response.groups_count++] = op->parts[i].groups[j];
        }
    }
    request_reply(op->request, &response);
}

static struct bytes copy(struct arena *arena, struct bytes b)
{
    return bytes_from(arena_dup(arena, b.data, b.size), b.size);
}

/* Who may describe the cluster sees all groups, others those that they may describe. False: they do not fit into one answer. */
static bool take(struct part *part, const struct list_groups_response *told)
{
    struct request *request = part->op->request;
    if ((size_t)told->groups_count > REQUEST_ROOM_BYTES_MAX / sizeof(*part->groups))
        return false;
    const bool sees_all =
        authorize(request, ACL_DESCRIBE, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster"));
    part->groups =
        list_groups_response_listed_group_array(&request->arena, (size_t)told->groups_count);
    for (int32_t i = 0; i < told->groups_count; i++) {
        if (!request_has_room(request))
            return false;
        const struct list_groups_response_listed_group *group = &told->groups[i];
        if (!sees_all && !authorize(request, ACL_DESCRIBE, ACL_GROUP, group->group_id))
            continue;
        struct list_groups_response_listed_group *out = &part->groups[part->count++];
        out->group_id = copy(&request->arena, group->group_id);
        out->protocol_type = copy(&request->arena, group->protocol_type);
        out->group_state = copy(&request->arena, group->group_state);
        out->group_type = copy(&request->arena, group->group_type);
    }
    part->op->count += (size_t)part->count;
    return true;
}

static void part_done(struct list_groups *op)
{
    if (--op->left == 0)
        finish(op);
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    struct list_groups *op = part->op;
    const struct list_groups_response *told = response;
    if (told->error_code != KAFKA_NONE && told->error_code != KAFKA_NOT_COORDINATOR)
        op->error_code = told->error_code; /* others lead those of NOT_COORDINATOR */
    if (told->error_code == KAFKA_NONE && op->error_code == KAFKA_NONE && !take(part, told))
        op->error_code = KAFKA_INVALID_REQUEST; /* too many for one answer */
    part_done(op);
}

static void handle(struct request *request)
{
    struct list_groups *op = REQUEST_NEW(request, struct list_groups);
    op->request = request;
    op->left = 1;
    op->part_count = groups_partition_count(request->shard);
    op->parts = REQUEST_NEW_ARRAY(request, struct part, op->part_count);
    for (int32_t i = 0; i < op->part_count; i++) {
        op->parts[i].ask = (struct group_ask){ .request = request, .done = on_answer };
        op->parts[i].op = op;
        op->left++;
        groups_ask(request, i, request->message, &op->parts[i].ask);
    }
    part_done(op);
}

const struct api_handler list_groups_handler = {
    .api_key = API_LIST_GROUPS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
