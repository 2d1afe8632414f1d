/* ListGroups (KIP-518, KIP-848) and DescribeGroups. */
#include "coord/group/group_int.h"

#include "wire/messages/describe_groups_request.h"
#include "wire/messages/describe_groups_response.h"
#include "wire/messages/list_groups_request.h"
#include "wire/messages/list_groups_response.h"

/* ---- ListGroups ---------------------------------------------------------------------------------------- */

static bool equals_folded(struct bytes text, const char *name)
{
    const struct bytes wanted = bytes_from_text(name);
    if (text.size != wanted.size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
        const uint8_t w = wanted.data[i];
        const bool is_upper = c >= 'A' && c <= 'Z';
        const uint8_t folded_w = w >= 'A' && w <= 'Z' ? (uint8_t)(w + 32) : w;
        if ((is_upper ? (uint8_t)(c + 32) : c) != folded_w)
            return false;
    }
    return true;
}

/* Names that filters can mean, of states and kinds. */
static const char *const filter_names[] = { "Empty",
                                            "PreparingRebalance",
                                            "CompletingRebalance",
                                            "Assigning",
                                            "Reconciling",
                                            "Stable",
                                            "Unknown",
                                            "classic",
                                            "consumer",
                                            "share",
                                            "streams" };

/* What means nothing is left out, but for one, so that the filter does not become one that lets all pass. */
static void reduce(struct bytes *filter, int32_t *count)
{
    uint32_t seen = 0;
    int32_t kept = 0;
    for (int32_t i = 0; i < *count; i++) {
        for (uint32_t n = 0; n < ARRAY_LEN(filter_names); n++) {
            if ((seen & 1u << n) != 0 || !equals_folded(bytes_trim(filter[i]), filter_names[n]))
                continue;
            seen |= 1u << n;
            filter[kept++] = filter[i];
            break;
        }
    }
    *count = MIN(*count, MAX(kept, 1));
}

void group_reduce_filters(struct list_groups_request *asked)
{
    reduce(asked->states_filter, &asked->states_filter_count);
    reduce(asked->types_filter, &asked->types_filter_count);
}

/* Whether a filter lets a name pass; an empty filter lets all. */
static bool passes(const struct bytes *filter, int32_t count, const char *name)
{
    for (int32_t i = 0; i < count; i++) {
        if (equals_folded(bytes_trim(filter[i]), name))
            return true;
    }
    return count <= 0;
}

static struct bytes protocol_type(const struct group *group)
{
    if (group->kind != GROUP_CLASSIC)
        return bytes_from_text(group_kind_name(group->kind));
    return group->protocol_type == NULL ? BYTES_LITERAL("") : name_text(group->protocol_type);
}

void coord__list(struct group_coordinator *c)
{
    const struct list_groups_request *request = c->event->request.message;
    struct arena *arena = coord__arena(c);
    struct list_groups_response *out = group_refusal(&c->event->request, KAFKA_NONE, arena);
    out->groups = list_groups_response_listed_group_array(arena, map_count(&c->groups));
    LIST_FOR_EACH(&c->group_list, link)
    {
        const struct group *group = LIST_ENTRY(link, struct group, link);
        const char *state = group_state_name(group);
        const char *kind = group_kind_name(group->kind);
        if (!passes(request->states_filter, request->states_filter_count, state) ||
            !passes(request->types_filter, request->types_filter_count, kind))
            continue;
        struct list_groups_response_listed_group *told = &out->groups[out->groups_count++];
        told->group_id = coord__copy(arena, group_id(group));
        told->protocol_type = coord__copy(arena, protocol_type(group));
        told->group_state = bytes_from_text(state);
        told->group_type = bytes_from_text(kind);
    }
    coord__answer(c, out);
}

/* ---- DescribeGroups --------------------------------------------------------------------------------------- */

/* KIP-1043: from here on a group that is not there is an error, and not just dead. */
#define VERSION_GROUP_NOT_FOUND 6

static void describe_missing(const struct group_coordinator *c, struct arena *arena,
                             const struct group *group, struct bytes id,
                             struct describe_groups_response_described_group *out)
{
    out->group_state = BYTES_LITERAL("Dead");
    if (c->event->request.version < VERSION_GROUP_NOT_FOUND)
        return;
    out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    out->error_message = bytes_from_text(
        group == NULL
            ? arena_printf(arena, "Group %.*s not found.", BYTES_PRINTF(id))
            : arena_printf(arena, "Group %.*s is not a classic group.", BYTES_PRINTF(id)));
}

static void describe_member(struct arena *arena, const struct group *group,
                            const struct member *member,
                            struct describe_groups_response_described_group_member *out)
{
    out->member_id = coord__copy(arena, member->id);
    out->group_instance_id = coord__copy(arena, member->instance_id);
    out->client_id = coord__copy(arena, member->client_id);
    out->client_host = coord__copy(arena, member->client_host);
    if (member->assignment.size > 0)
        out->member_assignment = coord__copy(arena, member->assignment);
    if (group->state != GROUP_STABLE)
        return;
    const struct bytes metadata = member_metadata(member, group->membership->protocol);
    if (!bytes_is_null(metadata))
        out->member_metadata = coord__copy(arena, metadata);
}

static void describe(struct arena *arena, const struct group *group,
                     struct describe_groups_response_described_group *out)
{
    const struct membership *membership = group->membership;
    out->group_state = bytes_from_text(group_state_name(group));
    out->protocol_type = coord__copy(arena, protocol_type(group));
    if (membership == NULL)
        return;
    if (group->state == GROUP_STABLE && !bytes_is_null(membership->protocol))
        out->protocol_data = coord__copy(arena, membership->protocol);
    out->members = describe_groups_response_described_group_member_array(
        arena, map_count(&membership->members));
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);)
        describe_member(arena, group, w.value, &out->members[out->members_count++]);
}

void coord__describe(struct group_coordinator *c)
{
    struct arena *arena = coord__arena(c);
    struct describe_groups_response *out = group_refusal(&c->event->request, KAFKA_NONE, arena);
    for (int32_t i = 0; i < out->groups_count; i++) {
        const struct bytes id = out->groups[i].group_id;
        const struct group *group = coord__find(c, id);
        if (group == NULL || group->kind != GROUP_CLASSIC)
            describe_missing(c, arena, group, id, &out->groups[i]);
        else
            describe(arena, group, &out->groups[i]);
    }
    coord__answer(c, out);
}
