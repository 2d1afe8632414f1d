/* DeleteGroups (KIP-229): empty groups, with their offsets. */
#include "coord/group/group_int.h"

#include "wire/messages/delete_groups_request.h"
#include "wire/messages/delete_groups_response.h"

static enum kafka_error check(const struct group *group)
{
    if (group == NULL)
        return KAFKA_GROUP_ID_NOT_FOUND;
    return group_is_empty(group) ? KAFKA_NONE : KAFKA_NON_EMPTY_GROUP;
}

/* Offsets first, so that at no moment they belong to nobody. */
static enum kafka_error delete_one(struct group_coordinator *c, struct bytes id)
{
    const struct group *group = coord__find(c, id);
    const enum kafka_error error = check(group);
    if (error != KAFKA_NONE)
        return error;
    coord__record_offset_tombstones(c, group);
    if (group->kind == GROUP_CLASSIC)
        coord__record_group_tombstone(c, id);
    else if (group->kind == GROUP_CONSUMER)
        coord__record_consumer_tombstones(c, group);
    coord__record_foreign_tombstones(c, group);
    struct write *write;
    const enum kafka_error refused = coord__append(c, APPEND_REPLAY, &write);
    if (refused == KAFKA_NONE)
        coord_lines_add(&c->effects->lines, &c->effects->arena, COORD_LINE_INFO,
                        "group %s: dead: it was deleted", coord__quoted(c, id));
    return refused;
}

void coord__delete(struct group_coordinator *c)
{
    const struct delete_groups_request *request = c->event->request.message;
    int16_t *errors =
        ARENA_NEW_ARRAY(&c->effects->arena, int16_t, (size_t)request->groups_names_count);
    for (int32_t i = 0; i < request->groups_names_count; i++)
        errors[i] = (int16_t)delete_one(c, request->groups_names[i]);
    struct delete_groups_response *out =
        group_refusal(&c->event->request, KAFKA_NONE, coord__arena(c));
    for (int32_t i = 0; i < out->results_count; i++)
        out->results[i].error_code = errors[i];
    coord__answer(c, out);
}
