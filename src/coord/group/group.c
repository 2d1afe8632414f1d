/* See group.h. */
#include "coord/group/group.h"

#include "base/mem.h"
#include "coord/group/foreign.h"

#include <string.h>

struct group *group_new(struct bytes id, int64_t wall_ms)
{
    struct group *group = mem_zalloc(sizeof(*group) + id.size);
    group->state_changed_ms = wall_ms;
    list_init(&group->pending_offsets);
    group->id_size = (uint32_t)id.size;
    if (id.size > 0)
        memcpy(group->id, id.data, id.size);
    return group;
}

void group_free(struct group *group, struct names *names)
{
    if (group == NULL)
        return;
    ASSERT(!group->is_listed);
    membership_free(group->membership);
    consumer_group_free(group->consumer);
    foreign_free(group->foreign);
    offsets_deinit(&group->offsets, names);
    name_unref(names, group->protocol_type);
    mem_free(group);
}

struct bytes group_id(const struct group *group)
{
    return bytes_from(group->id, group->id_size);
}

const char *group_kind_name(enum group_kind kind)
{
    static const char *const names[] = { "classic", "consumer", "share", "streams" };
    return names[kind];
}

const char *group_state_name(const struct group *group)
{
    static const char *const names[] = { "Empty", "PreparingRebalance", "CompletingRebalance",
                                         "Stable" };
    if (group->kind == GROUP_CLASSIC)
        return names[group->state];
    if (group->kind == GROUP_CONSUMER)
        return consumer_group_state_name(group->consumer);
    return group_is_empty(group) ? "Empty" : "Unknown";
}

bool group_is_empty(const struct group *group)
{
    if (group->kind == GROUP_CLASSIC)
        return group->state == GROUP_EMPTY;
    if (group->kind == GROUP_CONSUMER)
        return group->consumer->member_count == 0;
    return foreign_member_count(group->foreign) == 0;
}

bool group_uses_consumers(const struct group *group)
{
    return bytes_equal_text(name_text(group->protocol_type), "consumer");
}

bool group_is_subscribed(const struct group *group, struct bytes topic)
{
    if (group->kind == GROUP_CONSUMER)
        return consumer_group_subscribes(group->consumer, topic);
    if (group->kind != GROUP_CLASSIC)
        return !group_is_empty(group);
    if (!group_uses_consumers(group) || group->membership == NULL)
        return false;
    const struct membership *membership = group->membership;
    return !membership->knows_topics || map_get(&membership->topics, topic) != NULL;
}

bool group_is_void(const struct group *group)
{
    return group_is_empty(group) && group->membership == NULL && group->consumer == NULL &&
           group->foreign == NULL && offsets_is_empty(&group->offsets) &&
           group->pending_offset_count == 0;
}

void group_set_state(struct group *group, enum group_state state, int64_t wall_ms)
{
    group->is_first_rebalance = state == GROUP_PREPARING && group->state == GROUP_EMPTY;
    group->state = (uint8_t)state;
    group->state_changed_ms = wall_ms;
}

struct membership *group_membership(struct group *group, uint64_t hash_seed)
{
    if (group->membership != NULL)
        return group->membership;
    group->membership = membership_new(group, hash_seed);
    /* A group of consumers that has been empty is known to subscribe to nothing, until its next generation. */
    group->membership->knows_topics = group_uses_consumers(group);
    return group->membership;
}

void group_drop_membership(struct group *group)
{
    if (group->membership == NULL || !membership_is_vacant(group->membership) ||
        group->state != GROUP_EMPTY)
        return;
    membership_free(group->membership);
    group->membership = NULL;
}

struct group_past group_take_past(struct group *group)
{
    const struct group_past past = { .kind = group->kind,
                                     .state = group->state,
                                     .is_first_rebalance = group->is_first_rebalance,
                                     .generation = group->generation,
                                     .state_changed_ms = group->state_changed_ms,
                                     .protocol_type = TAKE(group->protocol_type),
                                     .membership = TAKE(group->membership),
                                     .consumer = TAKE(group->consumer) };
    group->kind = GROUP_CLASSIC;
    group->state = GROUP_EMPTY;
    group->is_first_rebalance = false;
    group->generation = 0;
    return past;
}

void group_restore_past(struct group *group, struct names *names, struct group_past *past)
{
    struct group_past now = group_take_past(group);
    group_past_deinit(&now, names);
    group->kind = past->kind;
    group->state = past->state;
    group->is_first_rebalance = past->is_first_rebalance;
    group->generation = past->generation;
    group->state_changed_ms = past->state_changed_ms;
    group->protocol_type = TAKE(past->protocol_type);
    group->membership = TAKE(past->membership);
    group->consumer = TAKE(past->consumer);
}

void group_past_deinit(struct group_past *past, struct names *names)
{
    name_unref(names, past->protocol_type);
    membership_free(past->membership);
    consumer_group_free(past->consumer);
}
