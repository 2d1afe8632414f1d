/* SyncGroup: the leader brings the assignment, everyone fetches its own (KIP-62, KIP-559). */
#include "coord/group/group_int.h"

#include "wire/messages/sync_group_request.h"

/* The last of a generation to ask ends the wait for the others. */
static void sync_received(struct group_coordinator *c, struct group *group, struct member *member)
{
    member_set_sync_due(group->membership, member, false);
    if (group->membership->sync_due_count == 0)
        deadline_cancel(&c->deadlines, &group->membership->sync_deadline);
}

/* To everyone who waits: the assignment, or the error and none. */
void coord__give_assignments(struct group_coordinator *c, struct group *group,
                             enum kafka_error error)
{
    for (struct map_walk w = { 0 }; map_next(&group->membership->members, &w);) {
        struct member *member = w.value;
        if (error != KAFKA_NONE)
            member_set_assignment(member, BYTES_LITERAL(""));
        struct parked parked;
        if (!member_unpark_sync(member, &parked))
            continue;
        coord__answer_sync(c, &parked, error, group, member);
        coord__renew_session(c, member, member->session_timeout_ms);
    }
}

void coord__assignment_stored(struct group_coordinator *c, const struct sequel *sequel,
                              uint64_t write_id, enum kafka_error error)
{
    struct group *group = sequel->group;
    if (group->state != GROUP_COMPLETING || group->membership->storing_write_id != write_id)
        return; /* a rebalance began meanwhile, and everyone has been told */
    group->membership->storing_write_id = 0;
    coord__give_assignments(c, group, error);
    if (error == KAFKA_NONE)
        group_set_state(group, GROUP_STABLE, c->event->wall_ms);
    else
        coord__prepare_rebalance(c, group, "its assignment could not be written");
}

static void take_assignments(struct group *group, const struct sync_group_request *request)
{
    struct membership *membership = group->membership;
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);)
        member_set_assignment(w.value, BYTES_LITERAL(""));
    for (int32_t i = 0; i < request->assignments_count; i++) {
        struct member *member = membership_get(membership, request->assignments[i].member_id);
        if (member != NULL)
            member_set_assignment(member, request->assignments[i].assignment);
    }
}

static void store_assignment(struct group_coordinator *c, struct group *group)
{
    const struct sync_group_request *request = c->event->request.message;
    if (group->membership->storing_write_id != 0)
        return; /* the leader asked twice; the first assignment is on its way to the log */
    take_assignments(group, request);
    coord__record_group(c, group);
    struct write *write;
    const enum kafka_error error = coord__append(c, APPEND_AS_ONE, &write);
    if (error != KAFKA_NONE) {
        coord__tell(c, COORD_LINE_WARN, group,
                    "the assignment and the subscriptions of its %u members do not fit into "
                    "max.message.bytes=%u of __consumer_offsets: no member gets a share (%s)",
                    (unsigned)map_count(&group->membership->members), c->settings.batch_bytes_max,
                    kafka_error_name((int16_t)error));
        coord__give_assignments(c, group, error);
        coord__prepare_rebalance(c, group, "its assignment could not be written");
        return;
    }
    write->sequel = (struct sequel){ .kind = SEQUEL_ASSIGNMENT, .group = group };
    group->membership->storing_write_id = write->id;
}

static bool differs(struct bytes told, struct bytes known)
{
    return !bytes_is_null(told) && !bytes_is_null(known) && !bytes_equal(told, known);
}

static enum kafka_error check(const struct group *group, const struct sync_group_request *request)
{
    if (group == NULL || group->kind != GROUP_CLASSIC || group->state == GROUP_EMPTY)
        return KAFKA_UNKNOWN_MEMBER_ID;
    const enum kafka_error error =
        coord__check_member(group, request->member_id, request->group_instance_id);
    if (error != KAFKA_NONE)
        return error;
    if (request->generation_id != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (differs(request->protocol_type, name_text(group->protocol_type)) ||
        differs(request->protocol_name, group->membership->protocol))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

void coord__sync(struct group_coordinator *c)
{
    const struct sync_group_request *request = c->event->request.message;
    if (request->group_id.size == 0) {
        coord__refuse(c, KAFKA_INVALID_GROUP_ID);
        return;
    }
    struct group *group = coord__find(c, request->group_id);
    if (group != NULL && group->kind == GROUP_CONSUMER && !group_is_empty(group)) {
        coord__sync_consumer_group(c, group);
        return;
    }
    const enum kafka_error error = check(group, request);
    if (error != KAFKA_NONE) {
        coord__refuse(c, error);
        return;
    }
    struct member *member = membership_get(group->membership, request->member_id);
    const struct parked parked = { .token = c->event->request.token,
                                   .version = c->event->request.version,
                                   .is_parked = true };
    sync_received(c, group, member);
    if (group->state == GROUP_STABLE) {
        coord__answer_sync(c, &parked, KAFKA_NONE, group, member);
        return;
    }
    struct parked older;
    if (member_unpark_sync(member, &older)) /* of two, the newer waits */
        coord__answer_sync(c, &older, KAFKA_REBALANCE_IN_PROGRESS, group, member);
    member->sync = parked;
    if (member == group->membership->leader)
        store_assignment(c, group);
}
