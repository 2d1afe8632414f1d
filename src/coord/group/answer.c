/* Answers: at once, or when what they saw is written. */
#include "coord/group/group_int.h"

#include "wire/messages/join_group_response.h"
#include "wire/messages/sync_group_response.h"

static struct write *newest_write(struct group_coordinator *c)
{
    return list_is_empty(&c->writes) ? NULL : LIST_ENTRY(c->writes.prev, struct write, link);
}

struct arena *coord__arena(struct group_coordinator *c)
{
    struct write *write = newest_write(c);
    return write == NULL ? &c->effects->arena : &write->arena;
}

struct bytes coord__copy(struct arena *arena, struct bytes b)
{
    if (bytes_is_null(b))
        return b;
    const void *copy = arena_dup(arena, b.data, b.size);
    ASSERT(copy != NULL);
    return bytes_from(copy, b.size);
}

void coord__answer_now(struct group_coordinator *c, uint64_t token, int16_t api_key, void *message)
{
    VEC_ADD(&c->effects->answers,
            ((struct coord_answer){ .token = token, .api_key = api_key, .message = message }));
}

void coord__answer(struct group_coordinator *c, void *message)
{
    const struct group_request *request = &c->event->request;
    struct write *write = newest_write(c);
    if (write == NULL) {
        coord__answer_now(c, request->token, request->api_key, message);
        return;
    }
    if (write->was_given_up) { /* who asks now waits as long as the others did */
        write->was_given_up = false;
        write->give_up_ms = c->event->now_ms + c->settings.commit_timeout_ms;
    }
    VEC_ADD(&write->answers,
            ((struct deferred_answer){
                .token = request->token, .api_key = request->api_key, .message = message }));
}

void coord__refuse(struct group_coordinator *c, enum kafka_error error)
{
    const struct group_request *request = &c->event->request;
    coord__answer_now(c, request->token, request->api_key,
                      group_refusal(request, error, &c->effects->arena));
}

/* ---- JoinGroup -------------------------------------------------------------------------------------- */

struct join_group_response *coord__join_answer(struct group_coordinator *c)
{
    struct join_group_response *message = ARENA_NEW(&c->effects->arena, struct join_group_response);
    join_group_response_init(message);
    message->protocol_name = BYTES_NULL;
    return message;
}

void coord__answer_join(struct group_coordinator *c, const struct parked *parked,
                        struct join_group_response *message)
{
    if (parked->version < 7 && bytes_is_null(message->protocol_name))
        message->protocol_name = BYTES_LITERAL("");
    coord__answer_now(c, parked->token, API_JOIN_GROUP, message);
}

void coord__answer_join_error(struct group_coordinator *c, const struct parked *parked,
                              struct bytes member_id, enum kafka_error error)
{
    struct join_group_response *message = coord__join_answer(c);
    message->error_code = (int16_t)error;
    message->member_id = coord__copy(&c->effects->arena, member_id);
    coord__answer_join(c, parked, message);
}

static void tell_members(struct arena *arena, const struct membership *membership,
                         struct join_group_response *out)
{
    out->members = join_group_response_member_array(arena, map_count(&membership->members));
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        const struct member *member = w.value;
        struct join_group_response_member *told = &out->members[out->members_count++];
        told->member_id = coord__copy(arena, member->id);
        told->group_instance_id = coord__copy(arena, member->instance_id);
        const struct bytes metadata = member_metadata(member, membership->protocol);
        if (!bytes_is_null(metadata))
            told->metadata = coord__copy(arena, metadata);
    }
}

void coord__answer_joined(struct group_coordinator *c, const struct parked *parked,
                          const struct group *group, const struct member *member)
{
    const struct membership *membership = group->membership;
    struct arena *arena = &c->effects->arena;
    struct join_group_response *message = coord__join_answer(c);
    message->generation_id = group->generation;
    message->protocol_type = coord__copy(arena, name_text(group->protocol_type));
    message->protocol_name = coord__copy(arena, membership->protocol);
    message->leader = coord__copy(arena, membership->leader->id);
    message->member_id = coord__copy(arena, member->id);
    if (member == membership->leader)
        tell_members(arena, membership, message);
    coord__answer_join(c, parked, message);
}

/* ---- SyncGroup ---------------------------------------------------------------------------------------- */

void coord__answer_sync(struct group_coordinator *c, const struct parked *parked,
                        enum kafka_error error, const struct group *group,
                        const struct member *member)
{
    struct arena *arena = &c->effects->arena;
    struct sync_group_response *message = ARENA_NEW(arena, struct sync_group_response);
    sync_group_response_init(message);
    message->error_code = (int16_t)error;
    if (error == KAFKA_NONE) {
        message->protocol_type = coord__copy(arena, name_text(group->protocol_type));
        message->protocol_name = coord__copy(arena, group->membership->protocol);
        if (member->assignment.size > 0)
            message->assignment = coord__copy(arena, member->assignment);
    }
    coord__answer_now(c, parked->token, API_SYNC_GROUP, message);
}
