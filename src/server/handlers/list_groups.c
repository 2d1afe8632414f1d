/* ListGroups: the groups of every coordinator of this broker (KIP-518, KIP-848). */
#include "coord/group/group_coordinator.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/gather.h"
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
    struct gather gather;
    struct request *request;
    struct part *parts; /* one for each partition of __consumer_offsets */
    int32_t part_count;
    size_t count;
};

static void finish(struct gather *gather)
{
    struct list_groups *op = CONTAINER_OF(gather, struct list_groups, gather);
    struct list_groups_response response = list_groups_response_default;
    response.error_code = (int16_t)gather->error;
    if (gather->error == KAFKA_NONE) {
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

static void on_answer(struct group_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    struct list_groups *op = part->op;
    const struct list_groups_response *told = response;
    if (gather_takes(&op->gather, told->error_code) && !take(part, told))
        op->gather.error = KAFKA_INVALID_REQUEST; /* too many for one answer */
    gather_end(&op->gather);
}

static void handle(struct request *request)
{
    struct list_groups *op = REQUEST_NEW(request, struct list_groups);
    op->request = request;
    gather_begin(&op->gather, finish);
    group_reduce_filters(request->message);
    op->part_count = groups_partition_count(request->shard);
    op->parts = REQUEST_NEW_ARRAY(request, struct part, op->part_count);
    for (int32_t i = 0; i < op->part_count; i++) {
        op->parts[i].ask = (struct group_ask){ .request = request, .done = on_answer };
        op->parts[i].op = op;
        gather_expect(&op->gather);
        groups_ask(request, i, request->message, &op->parts[i].ask);
    }
    gather_end(&op->gather);
}

const struct api_handler list_groups_handler = {
    .api_key = API_LIST_GROUPS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
