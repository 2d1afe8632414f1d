/* From a classic group to a consumer group and back, while members are in it (KIP-848).
 *
 *   upgrade     a member of the consumer protocol joins a classic group: every member goes on in the new group in its
 *               generation as an epoch, with the partitions that its leader gave it
 *   downgrade   the last member of the consumer protocol leaves, or a classic one takes its place: every member goes on in a
 *               classic group, with the partitions of its target
 *
 * group.consumer.migration.policy says which of the two may be.
 */
#include "base/mem.h"
#include "coord/group/consumer_int.h"
#include "coord/group/subscription.h"

#include "wire/messages/consumer_protocol_assignment.h"
#include "wire/messages/consumer_protocol_subscription.h"

/* ---- upgrade ------------------------------------------------------------------------------------------ */

/* A member as it will be. */
struct upgraded {
    struct bytes id;
    struct consumer_profile profile;
    struct consumer_state state; /* `assigned` is owned */
};

static enum kafka_error refuse_upgrade(struct group_coordinator *c, const struct group *group,
                                       const char *why, struct consumer_refusal *refusal)
{
    const bool is_forbidden = (c->settings.migration_policy & MIGRATION_UPGRADE) == 0;
    coord__tell(c, COORD_LINE_WARN, group,
                "client %s at %s may not join it with the consumer protocol: it cannot be upgraded "
                "because %s%s",
                coord__quoted(c, c->event->request.client_id),
                coord__quoted(c, c->event->request.client_host), why,
                is_forbidden ? " See group.consumer.migration.policy." : "");
    return consumer_refuse(c, refusal, KAFKA_GROUP_ID_NOT_FOUND,
                           "Cannot upgrade classic group %.*s to consumer group because %s",
                           BYTES_PRINTF(group_id(group)), why);
}

static const char *why_not_upgrade(const struct group_coordinator *c, const struct group *group)
{
    if (!(c->settings.migration_policy & MIGRATION_UPGRADE))
        return "online upgrade is disabled.";
    if (!group_uses_consumers(group))
        return "the group does not use the consumer embedded protocol.";
    if ((int64_t)map_count(&group->membership->members) > c->settings.consumer_count_max)
        return "the group size exceeds the consumer group maximum size.";
    return NULL;
}

static int read_assigned(struct group_coordinator *c, const struct member *member, int32_t epoch,
                         struct assignment **out, bool *out_is_custom)
{
    struct assignment_builder builder = { 0 };
    struct consumer_protocol_assignment told = { 0 };
    *out = NULL;
    if (member->assignment.size == 0)
        return 0; /* it has never asked for one */
    const int r = protocol_assignment_read(member->assignment, &c->effects->arena, &told);
    if (r < 0)
        return r;
    *out_is_custom = *out_is_custom || told.user_data.size > 0;
    for (int32_t i = 0; i < told.assigned_partitions_count; i++) {
        const struct metadata_topic *topic =
            c->image == NULL ? NULL
                             : metadata_topic_by_name(c->image, told.assigned_partitions[i].topic);
        for (int32_t j = 0; topic != NULL && j < told.assigned_partitions[i].partitions_count; j++)
            assignment_add(&builder, topic->id, told.assigned_partitions[i].partitions[j], epoch);
    }
    *out = assignment_build(&builder);
    return 0;
}

/* A group that is forming its first generation has none yet; 0 is the epoch of who joins. */
static int32_t upgraded_epoch(const struct group *group)
{
    return MAX(group->generation, 1);
}

static int read_member(struct group_coordinator *c, const struct group *group,
                       const struct member *member, struct bytes protocol, struct upgraded *out,
                       bool *out_is_custom)
{
    struct consumer_protocol_subscription told = { 0 };
    int r = subscription_read(member_metadata(member, protocol), &c->effects->arena, &told);
    if (r == 0)
        r = read_assigned(c, member, upgraded_epoch(group), &out->state.assigned, out_is_custom);
    if (r < 0)
        return r;
    out->id = member->id;
    out->state.epoch = out->state.previous_epoch = upgraded_epoch(group);
    out->profile =
        (struct consumer_profile){ .instance_id = member->instance_id,
                                   .rack_id = told.rack_id.size == 0 ? BYTES_NULL : told.rack_id,
                                   .client_id = member->client_id,
                                   .client_host = member->client_host,
                                   .regex = BYTES_LITERAL(""),
                                   .rebalance_timeout_ms = member->rebalance_timeout_ms,
                                   .is_classic = true,
                                   .session_timeout_ms = member->session_timeout_ms,
                                   .protocol_count = member->protocols->count,
                                   .protocols = member->protocols->items };
    consumer_profile_set_topics(&out->profile, &c->effects->arena, told.topics, told.topics_count);
    return 0;
}

static void put_upgraded(struct group_coordinator *c, struct group *group, int32_t epoch,
                         const struct upgraded *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        coord__put_profile(c, group, items[i].id, &items[i].profile);
    coord__put_epoch(c, group, epoch, coord__consumer_metadata_hash(c, group->consumer));
    for (size_t i = 0; i < count; i++) {
        struct assignment_builder builder = { 0 };
        for (struct assignment_walk w = { 0 }; assignment_next(items[i].state.assigned, &w);)
            assignment_add(&builder, w.item.topic_id, w.item.partition, 0);
        struct assignment *target = assignment_build(&builder);
        coord__put_target(c, group, items[i].id, target);
        mem_free(target);
    }
    coord__put_assignment_epoch(c, group, epoch, 0);
    for (size_t i = 0; i < count; i++)
        coord__put_state(c, group, items[i].id, &items[i].state);
    for (size_t i = 0; i < count; i++)
        coord__renew_consumer(c, consumer_group_member(group->consumer, items[i].id));
}

/* The members' texts stay valid: the classic group is set aside, not freed. */
static void upgrade(struct group_coordinator *c, struct group *group, const struct upgraded *items,
                    size_t count)
{
    const int32_t epoch = upgraded_epoch(group);
    struct write *write = coord__draft_write(c);
    coord__record_group_tombstone(c, group_id(group));
    coord__draft_take_records(c);
    coord__set_aside(c, group, KAFKA_REBALANCE_IN_PROGRESS, write);
    (void)coord__become_consumer(c, group, write);
    put_upgraded(c, group, epoch, items, count);
    coord__tell(c, COORD_LINE_INFO, group,
                "from now on one of the consumer protocol: epoch %" PRId32
                ", members of the classic one %zu",
                epoch, count);
}

enum kafka_error coord__upgrade(struct group_coordinator *c, struct group *group,
                                struct consumer_refusal *refusal)
{
    const char *why = why_not_upgrade(c, group);
    if (why != NULL)
        return refuse_upgrade(c, group, why, refusal);
    const struct membership *membership = group->membership;
    const struct bytes protocol = bytes_is_null(membership->protocol)
                                      ? membership_elect_protocol(membership)
                                      : membership->protocol;
    struct upgraded *items =
        ARENA_NEW_ARRAY(&c->effects->arena, struct upgraded, map_count(&membership->members));
    size_t count = 0;
    bool is_custom = false;
    int r = 0;
    for (struct map_walk w = { 0 }; r == 0 && map_next(&membership->members, &w);)
        r = read_member(c, group, w.value, protocol, &items[count++], &is_custom);
    if (r == 0 && !is_custom)
        upgrade(c, group, items, count);
    for (size_t i = 0; i < count; i++)
        mem_free(items[i].state.assigned);
    if (r < 0)
        return refuse_upgrade(c, group, "the embedded consumer protocol is malformed.", refusal);
    if (is_custom)
        return refuse_upgrade(c, group,
                              "an unsupported custom assignor is in use. Please refer to the "
                              "documentation or switch to a default assignor before "
                              "re-attempting the upgrade.",
                              refusal);
    return KAFKA_NONE;
}

/* ---- downgrade ------------------------------------------------------------------------------------------- */

bool coord__can_downgrade(struct group_coordinator *c, const struct consumer_group *group,
                          uint32_t leaving_count, uint32_t leaving_classic_count)
{
    const uint32_t left = group->member_count - leaving_count;
    if (left == 0 || group->classic_count - leaving_classic_count != left)
        return false;
    const bool is_allowed = (c->settings.migration_policy & MIGRATION_DOWNGRADE) != 0;
    if (is_allowed && (int64_t)left <= c->settings.member_count_max)
        return true;
    coord__tell(c, COORD_LINE_WARN, group->group,
                "it stays one of the consumer protocol, though all that are left (%" PRIu32
                ") speak the classic one: %s",
                left,
                is_allowed ? "they are more than group.max.size"
                           : "group.consumer.migration.policy does not allow the downgrade");
    return false;
}

static void add_member(struct group_coordinator *c, struct membership *membership,
                       const struct consumer *consumer)
{
    const struct consumer_profile *profile = consumer->profile;
    struct join_group_request_protocol *protocols =
        join_group_request_protocol_array(&c->effects->arena, profile->protocol_count);
    for (uint32_t i = 0; i < profile->protocol_count; i++) {
        protocols[i].name = profile->protocols[i].name;
        protocols[i].metadata = profile->protocols[i].metadata;
    }
    /* Twice in a group only in a log that nobody should have written. */
    const bool is_taken = !bytes_is_null(profile->instance_id) &&
                          membership_by_instance(membership, profile->instance_id) != NULL;
    const struct member_params params = {
        .id = group_consumer_id(consumer),
        .instance_id = is_taken ? BYTES_NULL : profile->instance_id,
        .client_id = profile->client_id,
        .client_host = profile->client_host,
        .rebalance_timeout_ms = profile->rebalance_timeout_ms,
        .session_timeout_ms = profile->session_timeout_ms,
        .protocols =
            member_protocols_new(protocols, (int32_t)profile->protocol_count, c->hash_seed),
    };
    struct member *member = membership_add(membership, &params);
    coord__renew_session(c, member, member->session_timeout_ms);
}

/* All but those that leave. */
static void add_members(struct group_coordinator *c, struct membership *membership,
                        const struct consumer_group *consumers, struct consumer *const *leaving,
                        size_t leaving_count)
{
    struct map gone;
    map_init(&gone, c->hash_seed);
    for (size_t i = 0; i < leaving_count; i++)
        (void)map_put(&gone, group_consumer_id(leaving[i]), leaving[i]); /* each is there once */
    struct consumer *consumer;
    for (struct map_walk w = { 0 }; consumer_group_next(consumers, &w, &consumer);) {
        if (map_get(&gone, group_consumer_id(consumer)) == NULL)
            add_member(c, membership, consumer);
    }
    map_deinit(&gone);
}

void coord__write_protocol_assignment(struct group_coordinator *c, struct bytes subscription,
                                      const struct assignment *assignment, struct buf *out)
{
    const uint32_t count = assignment == NULL ? 0 : assignment->topic_count;
    struct consumer_protocol_assignment told = { .user_data = BYTES_NULL };
    told.assigned_partitions =
        consumer_protocol_assignment_topic_partition_array(&c->effects->arena, count);
    for (uint32_t i = 0; c->image != NULL && i < count; i++) {
        const struct assigned_topic *topic = &assignment->topics[i];
        const struct metadata_topic *known = metadata_topic_by_id(c->image, topic->topic_id);
        if (known == NULL)
            continue;
        struct consumer_protocol_assignment_topic_partition *item =
            &told.assigned_partitions[told.assigned_partitions_count++];
        item->topic = known->name;
        item->partitions = arena_dup(&c->effects->arena, topic->partitions,
                                     topic->count * sizeof(*topic->partitions));
        item->partitions_count = (int32_t)topic->count;
    }
    if (protocol_assignment_write(subscription, &told, out) < 0)
        buf_clear(out); /* its own subscription cannot be read: it gets nothing */
}

static void give_targets(struct group_coordinator *c, const struct membership *membership,
                         const struct consumer_group *consumers)
{
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        struct member *member = w.value;
        struct buf bytes;
        buf_init(&bytes, INT32_MAX);
        coord__write_protocol_assignment(c, member_metadata(member, membership->protocol),
                                         consumer_group_member(consumers, member->id)->target,
                                         &bytes);
        member_set_assignment(member, buf_view(&bytes));
        buf_deinit(&bytes);
    }
}

void coord__downgrade(struct group_coordinator *c, struct group *group,
                      struct consumer *const *leaving, size_t leaving_count, bool rebalances)
{
    const struct consumer_group *consumers = group->consumer;
    coord__record_consumer_tombstones(c, group);
    coord__draft_take_records(c);
    struct membership *membership = membership_new(group, c->hash_seed);
    add_members(c, membership, consumers, leaving, leaving_count);
    membership_set_protocol(membership, membership_elect_protocol(membership));
    membership_learn_topics(membership);
    give_targets(c, membership, consumers);
    const int32_t generation = consumers->epoch;
    coord__set_aside(c, group, KAFKA_NONE, coord__draft_write(c));
    group->membership = membership;
    group->generation = generation;
    group->protocol_type = name_ref_text(&c->names, BYTES_LITERAL("consumer"));
    group->state = GROUP_STABLE;
    group->state_changed_ms = c->event->wall_ms;
    coord__tell(c, COORD_LINE_INFO, group,
                "from now on one of the classic protocol: generation %" PRId32 ", members %" PRIu32,
                generation, (uint32_t)map_count(&membership->members));
    if (rebalances)
        coord__prepare_rebalance(c, group, "it was one of the consumer protocol");
    coord__record_group(c, group);
    coord__draft_take_records(c);
}
