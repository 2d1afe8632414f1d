/* Heartbeat and LeaveGroup: members that are alive, and members that go (KIP-62, KIP-345, KIP-800). */
#include "coord/group/group_int.h"

#include "wire/messages/heartbeat_request.h"
#include "wire/messages/heartbeat_response.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/leave_group_response.h"

/* ---- Heartbeat ---------------------------------------------------------------------------------------- */

static enum kafka_error beat(struct group_coordinator *c, const struct heartbeat_request *request)
{
    struct group *group = coord__find(c, request->group_id);
    if (group != NULL && group->kind == GROUP_CONSUMER)
        return coord__beat_consumer_group(c, group);
    if (group == NULL || group->kind != GROUP_CLASSIC)
        return KAFKA_UNKNOWN_MEMBER_ID;
    const enum kafka_error error =
        coord__check_member(group, request->member_id, request->group_instance_id);
    if (error != KAFKA_NONE)
        return error;
    if (request->generation_id != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    struct member *member = membership_get(group->membership, request->member_id);
    coord__renew_session(c, member, member->session_timeout_ms);
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

void coord__heartbeat(struct group_coordinator *c)
{
    const struct heartbeat_request *request = c->event->request.message;
    struct heartbeat_response *out = ARENA_NEW(&c->effects->arena, struct heartbeat_response);
    heartbeat_response_init(out);
    out->error_code =
        (int16_t)(request->group_id.size == 0 ? KAFKA_INVALID_GROUP_ID : beat(c, request));
    coord__answer_now(c, c->event->request.token, API_HEARTBEAT, out);
}

/* ---- LeaveGroup ----------------------------------------------------------------------------------------- */

/* Before version 3 a request names one member. */
#define VERSION_MANY_MEMBERS 3

struct leaving {
    const struct leave_group_request_member_identity *members;
    int32_t count;
    int16_t *errors; /* of each */
};

static void tell_left(struct group_coordinator *c, const struct member *member,
                      const struct leave_group_request_member_identity *who)
{
    const bool is_told = who->reason.size > 0;
    coord__tell(c, COORD_LINE_MEMBER, member->group, "%s %s%s%s",
                coord__who(c, member->id, member->client_id, member->client_host),
                who->member_id.size == 0 ? "was removed by an administrator" : "has left",
                is_told ? ": " : "", is_told ? coord__quoted(c, who->reason) : "");
}

static enum kafka_error remove_one(struct group_coordinator *c, struct group *group,
                                   const struct leave_group_request_member_identity *who)
{
    struct membership *membership = group->membership;
    if (who->member_id.size == 0) {
        /* An administrator removes a static member (KIP-345). */
        struct member *member = bytes_is_null(who->group_instance_id)
                                    ? NULL
                                    : membership_by_instance(membership, who->group_instance_id);
        if (member == NULL)
            return KAFKA_UNKNOWN_MEMBER_ID;
        tell_left(c, member, who);
        coord__remove_member(c, member);
        return KAFKA_NONE;
    }
    struct pending_member *pending = membership_get_pending(membership, who->member_id);
    if (pending != NULL) {
        deadline_cancel(&c->deadlines, &pending->session);
        membership_remove_pending(membership, pending);
        return KAFKA_NONE;
    }
    const enum kafka_error error =
        coord__check_member(group, who->member_id, who->group_instance_id);
    if (error != KAFKA_NONE)
        return error;
    struct member *member = membership_get(membership, who->member_id);
    tell_left(c, member, who);
    coord__remove_member(c, member);
    return KAFKA_NONE;
}

/* An error: nothing was done. */
static enum kafka_error remove_all(struct group_coordinator *c,
                                   const struct leave_group_request *request,
                                   const struct leaving *leaving)
{
    struct group *group = coord__find(c, request->group_id);
    if (group != NULL && group->kind == GROUP_CONSUMER)
        return coord__leave_consumer_group(c, group, leaving->members, leaving->count,
                                           leaving->errors);
    const bool is_known = group != NULL && group->kind == GROUP_CLASSIC;
    bool has_changed = false;
    for (int32_t i = 0; i < leaving->count; i++) {
        leaving->errors[i] = (int16_t)(is_known ? remove_one(c, group, &leaving->members[i])
                                                : KAFKA_UNKNOWN_MEMBER_ID);
        has_changed = has_changed || leaving->errors[i] == KAFKA_NONE;
    }
    if (!has_changed)
        return KAFKA_NONE;
    if (group->state == GROUP_EMPTY)
        group_drop_membership(group);
    else
        coord__rebalance_or_complete(c, group, "a member left");
    return KAFKA_NONE;
}

static void tell(struct group_coordinator *c, const struct leaving *leaving)
{
    struct arena *arena = coord__arena(c);
    struct leave_group_response *out = ARENA_NEW(arena, struct leave_group_response);
    leave_group_response_init(out);
    if (c->event->request.version < VERSION_MANY_MEMBERS) {
        out->error_code = leaving->errors[0];
    } else {
        out->members = leave_group_response_member_response_array(arena, (size_t)leaving->count);
        out->members_count = leaving->count;
        for (int32_t i = 0; i < leaving->count; i++) {
            out->members[i].member_id = leaving->members[i].member_id;
            out->members[i].group_instance_id = leaving->members[i].group_instance_id;
            out->members[i].error_code = leaving->errors[i];
        }
    }
    coord__answer(c, out);
}

void coord__leave(struct group_coordinator *c)
{
    const struct leave_group_request *request = c->event->request.message;
    if (request->group_id.size == 0) {
        coord__refuse(c, KAFKA_INVALID_GROUP_ID);
        return;
    }
    const struct leave_group_request_member_identity one = { .member_id = request->member_id };
    const bool is_one = c->event->request.version < VERSION_MANY_MEMBERS;
    const int32_t count = is_one ? 1 : request->members_count;
    const struct leaving leaving = {
        .members = is_one ? &one : request->members,
        .count = count,
        .errors = ARENA_NEW_ARRAY(&c->effects->arena, int16_t, (size_t)count),
    };
    const enum kafka_error error = remove_all(c, request, &leaving);
    if (error != KAFKA_NONE)
        coord__refuse(c, error);
    else
        tell(c, &leaving);
}
