/* Offsets that nobody needs any more, and groups of which nothing is left (KIP-211, KIP-496).
 *
 *   group                                 an offset's time runs from
 *   simple                                its commit
 *   Empty, of a protocol                  the moment the group became empty (its commit, if that is not known)
 *   Stable, of consumers, topics known    its commit, where its topic is not subscribed to
 *   consumer                              its commit, where its topic is not subscribed to
 *   any other                             never
 *
 * An offset that was committed with an expiry of its own (OffsetCommit 2 to 4) goes by that. A round walks all groups in
 * slices, so that a step stays short.
 */
#include "coord/group/group_int.h"

#define SLICE_OFFSETS_MAX    2000
#define SLICE_TOMBSTONES_MAX 1000

struct expiry {
    const struct group *group;
    uint32_t looked_at;
    uint32_t tombstones;
    bool is_all_gone; /* of the group at hand */
};

static bool can_expire(const struct group *group)
{
    if (group->kind == GROUP_CONSUMER)
        return true;
    if (group->kind != GROUP_CLASSIC)
        return false;
    if (group->protocol_type == NULL || group->state == GROUP_EMPTY)
        return true;
    return group->state == GROUP_STABLE && group_uses_consumers(group) &&
           group->membership->knows_topics;
}

static bool is_expired(const struct group_coordinator *c, const struct group *group,
                       const struct offset_value *value)
{
    if (value->expire_ms != -1)
        return c->event->wall_ms >= value->expire_ms;
    const bool counts_from_emptiness = group->protocol_type != NULL &&
                                       group->state == GROUP_EMPTY && group->state_changed_ms != -1;
    const int64_t from_ms = counts_from_emptiness ? group->state_changed_ms : value->committed_ms;
    return i64_sub_clamped(c->event->wall_ms, from_ms) >= c->settings.offsets_retention_ms;
}

static void expire_topic(struct group_coordinator *c, struct expiry *expiry,
                         const struct offset_topic *topic)
{
    const struct group *group = expiry->group;
    expiry->looked_at += topic->count;
    if (group_is_subscribed(group, name_text(topic->name))) {
        expiry->is_all_gone = false;
        return;
    }
    const struct bytes name = coord__copy(&c->effects->arena, name_text(topic->name));
    for (uint32_t i = 0; i < topic->count; i++) {
        const int32_t partition = topic->items[i].partition;
        const struct offset_value value = committed_value(topic, &topic->items[i]);
        if (expiry->tombstones == SLICE_TOMBSTONES_MAX || !is_expired(c, group, &value) ||
            pending_offsets_has(&c->pending, group, topic->name, partition)) {
            expiry->is_all_gone = false;
            continue;
        }
        coord__record_offset(c, group_id(group), name, partition, NULL);
        expiry->tombstones++;
    }
}

static void expire_group(struct group_coordinator *c, struct expiry *expiry,
                         const struct group *group)
{
    expiry->group = group;
    expiry->looked_at++;
    expiry->is_all_gone = can_expire(group) || offsets_is_empty(&group->offsets);
    if (!expiry->is_all_gone)
        return;
    for (uint32_t i = 0; i < group->offsets.topic_count; i++)
        expire_topic(c, expiry, &group->offsets.topics[i]);
    if (expiry->is_all_gone && group->kind == GROUP_CONSUMER && group_is_empty(group) &&
        group->pending_offset_count == 0)
        coord__record_consumer_tombstones(c, group);
    else if (expiry->is_all_gone && group->kind == GROUP_CLASSIC && group->state == GROUP_EMPTY &&
             group->membership == NULL && group->foreign == NULL &&
             group->pending_offset_count == 0)
        coord__record_group_tombstone(c, group_id(group));
    else
        return;
    coord__tell(c, COORD_LINE_INFO, group, "dead: it is empty, and none of its offsets is left");
}

static void arm(struct group_coordinator *c, int64_t delay_ms)
{
    deadline_arm(&c->deadlines, &c->expiry_deadline, c->event->now_ms + delay_ms);
}

void coord__end_expiry_round(struct group_coordinator *c)
{
    c->expiry_at = &c->group_list;
    if (c->state == COORDINATOR_ACTIVE)
        arm(c, c->settings.retention_check_interval_ms);
}

void coord__expire(struct group_coordinator *c)
{
    struct expiry expiry = { 0 };
    if (c->expiry_at == &c->group_list)
        c->expiry_at = c->group_list.next;
    /* A group that has more to expire than a slice takes is looked at again by the next one. */
    while (c->expiry_at != &c->group_list && expiry.looked_at < SLICE_OFFSETS_MAX &&
           expiry.tombstones < SLICE_TOMBSTONES_MAX) {
        expire_group(c, &expiry, LIST_ENTRY(c->expiry_at, struct group, link));
        if (expiry.tombstones < SLICE_TOMBSTONES_MAX)
            c->expiry_at = c->expiry_at->next;
    }
    struct list *left = c->expiry_at;
    struct write *write;
    const enum kafka_error error = coord__append(c, APPEND_REPLAY | APPEND_EXPIRY, &write);
    ASSERT(error == KAFKA_NONE); /* what no batch holds is left out */
    if (write == NULL && c->expiry_at == left && expiry.tombstones >= SLICE_TOMBSTONES_MAX)
        c->expiry_at = left->next; /* nothing can be written of that group */
    if (c->expiry_at == &c->group_list)
        coord__end_expiry_round(c);
    else
        arm(c, 0);
}
