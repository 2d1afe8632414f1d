/* Members that speak the classic protocol in a consumer group (KIP-848): JoinGroup, SyncGroup, Heartbeat and LeaveGroup as they
 * know them, over the same state as everyone else's.
 *
 *   JoinGroup   one step of the member, as a heartbeat does it for others; its generation is its epoch
 *   SyncGroup   the partitions it has
 *   Heartbeat   tells it to join again when there is a step to do
 *
 * Nobody waits for anybody: there is no leader, and no moment in which all have joined. Who does not join or sync in time after
 * having been told to is taken out.
 */
#include "base/mem.h"
#include "coord/group/consumer_int.h"
#include "coord/group/subscription.h"

#include "wire/messages/consumer_protocol_subscription.h"
#include "wire/messages/heartbeat_request.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"

/* KIP-394, as in join.c. */
#define VERSION_NEEDS_MEMBER_ID 4

/* ---- who it is ---------------------------------------------------------------------------------------- */

static enum kafka_error find_member(const struct consumer_group *group, struct bytes member_id,
                                    struct bytes instance_id, struct consumer **out)
{
    *out = bytes_is_null(instance_id) ? consumer_group_member(group, member_id)
                                      : consumer_group_instance(group, instance_id);
    if (*out == NULL)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (!bytes_is_null(instance_id) && !bytes_equal(group_consumer_id(*out), member_id))
        return KAFKA_FENCED_INSTANCE_ID;
    return KAFKA_NONE;
}

static enum kafka_error find_classic(const struct consumer_group *group, struct bytes member_id,
                                     struct bytes instance_id, int32_t generation,
                                     struct consumer **out)
{
    const enum kafka_error error = find_member(group, member_id, instance_id, out);
    if (error != KAFKA_NONE)
        return error;
    if (!(*out)->profile->is_classic)
        return KAFKA_UNKNOWN_MEMBER_ID;
    return group_consumer_now(*out)->epoch == generation ? KAFKA_NONE : KAFKA_ILLEGAL_GENERATION;
}

/* From now on it has to join; the first time counts. */
static void await_join(struct group_coordinator *c, struct consumer *consumer)
{
    if (deadline_is_armed(&consumer->join))
        return;
    consumer->join.kind = DEADLINE_CONSUMER_JOIN;
    deadline_arm(&c->deadlines, &consumer->join,
                 c->event->now_ms + MAX(consumer->profile->rebalance_timeout_ms, 0));
}

static void await_sync(struct group_coordinator *c, struct consumer *consumer)
{
    consumer->sync.kind = DEADLINE_CONSUMER_SYNC;
    deadline_arm(&c->deadlines, &consumer->sync,
                 c->event->now_ms + MAX(consumer->profile->rebalance_timeout_ms, 0));
}

/* ---- JoinGroup ----------------------------------------------------------------------------------------- */

struct joining {
    const struct join_group_request *asked;
    struct group *group;
    struct bytes member_id;
    struct consumer_protocol_subscription told;
    struct assignment *owned; /* partitions that it says it has; owned */
    bool downgrades;          /* it is the last that makes the group one of consumers' */
    bool rebalances;          /* and the classic group begins with a rebalance */
    bool has_assigned;        /* on the draft, to all members */
};

static enum kafka_error check_join(struct group_coordinator *c, const struct joining *joining)
{
    const struct consumer_group *group = joining->group->consumer;
    if (c->settings.migration_policy == MIGRATION_DISABLED) {
        coord__tell(c, COORD_LINE_WARN, joining->group,
                    "client %s at %s may not join it with the classic protocol: it is one of the "
                    "consumer protocol, and group.consumer.migration.policy is disabled",
                    coord__quoted(c, c->event->request.client_id),
                    coord__quoted(c, c->event->request.client_host));
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    }
    if ((int64_t)group->member_count >= c->settings.consumer_count_max &&
        consumer_group_member(group, joining->asked->member_id) == NULL)
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    if (!bytes_equal_text(joining->asked->protocol_type, "consumer"))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    for (int32_t i = 0; i < joining->asked->protocols_count; i++) {
        if (consumer_group_speaks(group, joining->asked->protocols[i].name))
            return KAFKA_NONE;
    }
    return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
}

static void read_owned(const struct group_coordinator *c, struct joining *joining)
{
    struct assignment_builder builder = { 0 };
    for (int32_t i = 0; i < joining->told.owned_partitions_count; i++) {
        const struct consumer_protocol_subscription_topic_partition *owned =
            &joining->told.owned_partitions[i];
        const struct metadata_topic *topic =
            c->image == NULL ? NULL : metadata_topic_by_name(c->image, owned->topic);
        for (int32_t j = 0; topic != NULL && j < owned->partitions_count; j++)
            assignment_add(&builder, topic->id, owned->partitions[j], 0);
    }
    joining->owned = assignment_build(&builder);
}

static struct consumer_profile told_profile(struct group_coordinator *c,
                                            const struct joining *joining,
                                            const struct consumer_profile *before)
{
    const struct join_group_request *asked = joining->asked;
    struct consumer_profile after = *before;
    if (!bytes_is_null(asked->group_instance_id))
        after.instance_id = asked->group_instance_id;
    if (joining->told.rack_id.size > 0)
        after.rack_id = joining->told.rack_id;
    if (asked->rebalance_timeout_ms != -1)
        after.rebalance_timeout_ms = asked->rebalance_timeout_ms;
    consumer_profile_set_topics(&after, &c->effects->arena, joining->told.topics,
                                joining->told.topics_count);
    after.regex = BYTES_LITERAL("");
    after.client_id = c->event->request.client_id;
    after.client_host = c->event->request.client_host;
    after.is_classic = true;
    after.session_timeout_ms = asked->session_timeout_ms;
    const uint32_t count = (uint32_t)asked->protocols_count;
    struct member_protocol *protocols =
        ARENA_NEW_ARRAY(&c->effects->arena, struct member_protocol, count);
    for (uint32_t i = 0; i < count; i++)
        protocols[i] = (struct member_protocol){ .name = asked->protocols[i].name,
                                                 .metadata = asked->protocols[i].metadata };
    consumer_profile_set_protocols(&after, &c->effects->arena, protocols, count);
    return after;
}

static enum kafka_error arrive(struct group_coordinator *c, struct joining *joining,
                               struct consumer **out)
{
    const struct bytes instance_id = joining->asked->group_instance_id;
    const struct consumer_arrival arrival = {
        .member_id = joining->member_id,
        .instance_id = instance_id,
        .is_new = bytes_is_null(instance_id) || joining->asked->member_id.size == 0,
        .is_classic = true,
    };
    struct consumer_refusal refusal;
    return coord__consumer_arrive(c, joining->group, &arrival, out, &refusal);
}

/* Whether the classic group that this one becomes has to rebalance: when nothing was assigned in its epoch, and when others than the
 * member that joins are on their way, since nobody would tell them that they are there. */
static bool must_rebalance(const struct group *group, const struct consumer *joins)
{
    const struct consumer_group *consumers = group->consumer;
    const bool is_settled = group_consumer_is_settled(joins, consumers->assignment_epoch);
    return consumers->assignment_epoch < consumers->epoch ||
           consumers->settled_count + (is_settled ? 0 : 1) < consumers->member_count;
}

/* The member's step, and what becomes of the group. */
static enum kafka_error take_step(struct group_coordinator *c, struct joining *joining,
                                  const struct consumer *consumer)
{
    struct group *group = joining->group;
    const struct consumer_profile *before =
        consumer == NULL ? &consumer_profile_default : consumer->profile;
    const struct consumer_profile after = told_profile(c, joining, before);
    struct subscription_change change;
    struct consumer_refusal refusal;
    const enum kafka_error error =
        coord__consumer_update(c, group, joining->member_id, before, &after, &change, &refusal);
    if (error != KAFKA_NONE)
        return error;
    coord__consumer_refresh(c, group, change.has_changed);
    struct consumer *now = consumer_group_member(group->consumer, joining->member_id);
    joining->rebalances = joining->downgrades && must_rebalance(group, now);
    const bool has_assigned = !joining->downgrades && coord__consumer_assign(c, group);
    if (!joining->rebalances && group_consumer_now(now)->step == CONSUMER_STEP_UNKNOWN &&
        joining->owned != NULL)
        return KAFKA_FENCED_MEMBER_EPOCH; /* as a heartbeat: it has to give up everything first */
    if (!joining->rebalances)
        (void)coord__consumer_reconcile(c, now, change.has_changed, joining->owned, true);
    joining->has_assigned = has_assigned;
    return KAFKA_NONE;
}

static void tell_joined(struct group_coordinator *c, const struct joining *joining,
                        int32_t generation)
{
    const struct bytes protocol = joining->asked->protocols[0].name;
    struct arena *arena = coord__arena(c);
    struct join_group_response *out = ARENA_NEW(arena, struct join_group_response);
    join_group_response_init(out);
    out->member_id = coord__copy(arena, joining->member_id);
    out->generation_id = generation;
    out->protocol_type = BYTES_LITERAL("consumer");
    out->protocol_name = coord__copy(arena, protocol);
    coord__answer(c, out);
}

static enum kafka_error join(struct group_coordinator *c, struct joining *joining)
{
    joining->rebalances = joining->has_assigned = false;
    coord__draft_begin(c);
    struct consumer *consumer = NULL;
    enum kafka_error error = arrive(c, joining, &consumer);
    if (error == KAFKA_NONE)
        error = take_step(c, joining, consumer);
    if (error != KAFKA_NONE) {
        coord__draft_undo(c);
        return error;
    }
    struct group *group = joining->group;
    consumer = consumer_group_member(group->consumer, joining->member_id);
    const int32_t generation = group_consumer_now(consumer)->epoch;
    if (joining->downgrades)
        coord__downgrade(c, group, NULL, 0, joining->rebalances);
    struct write *write;
    error = coord__draft_append(c, &write);
    if (error != KAFKA_NONE)
        return error;
    if (!joining->downgrades) {
        deadline_cancel(&c->deadlines, &consumer->join);
        coord__renew_consumer(c, consumer);
        await_sync(c, consumer);
    }
    tell_joined(c, joining, generation);
    return KAFKA_NONE;
}

static void refuse_join(struct group_coordinator *c, struct bytes member_id, enum kafka_error error)
{
    const struct parked parked = { .token = c->event->request.token,
                                   .version = c->event->request.version };
    coord__answer_join_error(c, &parked, member_id, error);
}

/* The last member of the consumer protocol comes back as one of the classic. */
static bool replaces_last_consumer(const struct group_coordinator *c, const struct joining *joining)
{
    const struct consumer_group *group = joining->group->consumer;
    const struct consumer *known =
        consumer_group_instance(group, joining->asked->group_instance_id);
    return known != NULL && !known->profile->is_classic &&
           group->classic_count == group->member_count - 1 &&
           (c->settings.migration_policy & MIGRATION_DOWNGRADE) != 0 &&
           (int64_t)group->member_count <= c->settings.member_count_max;
}

void coord__join_consumer_group(struct group_coordinator *c, struct group *group)
{
    struct joining joining = { .asked = c->event->request.message, .group = group };
    const struct join_group_request *asked = joining.asked;
    const bool has_id = asked->member_id.size > 0;
    enum kafka_error error = check_join(c, &joining);
    if (error != KAFKA_NONE) {
        refuse_join(c, BYTES_LITERAL(""), error);
        return;
    }
    joining.member_id =
        has_id ? coord__copy(&c->effects->arena, asked->member_id) : coord__new_consumer_id(c);
    if (!has_id && bytes_is_null(asked->group_instance_id) &&
        c->event->request.version >= VERSION_NEEDS_MEMBER_ID) {
        refuse_join(c, joining.member_id, KAFKA_MEMBER_ID_REQUIRED);
        return;
    }
    if (subscription_read(asked->protocols[0].metadata, &c->effects->arena, &joining.told) < 0) {
        refuse_join(c, BYTES_LITERAL(""), KAFKA_UNKNOWN_SERVER_ERROR); /* as Kafka */
        return;
    }
    read_owned(c, &joining);
    joining.downgrades = replaces_last_consumer(c, &joining);
    error = join(c, &joining);
    if (error != KAFKA_NONE && joining.has_assigned &&
        coord__consumer_postpone_assignment(c, asked->group_id))
        error = join(c, &joining);
    if (error != KAFKA_NONE)
        refuse_join(c, BYTES_LITERAL(""), error);
    mem_free(joining.owned);
}

/* ---- SyncGroup -------------------------------------------------------------------------------------------- */

static bool differs(struct bytes told, struct bytes known)
{
    return !bytes_is_null(told) && !bytes_equal(told, known);
}

static enum kafka_error check_sync(struct group_coordinator *c, const struct group *group,
                                   const struct sync_group_request *asked, struct consumer **out)
{
    const enum kafka_error error = find_classic(
        group->consumer, asked->member_id, asked->group_instance_id, asked->generation_id, out);
    if (error != KAFKA_NONE)
        return error;
    const struct consumer_profile *profile = (*out)->profile;
    const struct bytes protocol =
        profile->protocol_count == 0 ? BYTES_NULL : profile->protocols[0].name;
    if (differs(asked->protocol_type, BYTES_LITERAL("consumer")) ||
        differs(asked->protocol_name, protocol))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    const struct consumer_state *now = group_consumer_now(*out);
    if (group->consumer->assignment_epoch <= now->epoch || now->step == CONSUMER_UNREVOKED)
        return KAFKA_NONE;
    await_join(c, *out);
    return KAFKA_REBALANCE_IN_PROGRESS;
}

void coord__sync_consumer_group(struct group_coordinator *c, struct group *group)
{
    const struct sync_group_request *asked = c->event->request.message;
    struct consumer *consumer;
    const enum kafka_error error = check_sync(c, group, asked, &consumer);
    if (error != KAFKA_NONE) {
        coord__refuse(c, error);
        return;
    }
    deadline_cancel(&c->deadlines, &consumer->sync);
    coord__renew_consumer(c, consumer);
    const struct consumer_profile *profile = consumer->profile;
    struct buf bytes;
    buf_init(&bytes, INT32_MAX);
    coord__write_protocol_assignment(
        c, profile->protocol_count == 0 ? BYTES_NULL : profile->protocols[0].metadata,
        group_consumer_now(consumer)->assigned, &bytes);
    struct arena *arena = coord__arena(c);
    struct sync_group_response *out = ARENA_NEW(arena, struct sync_group_response);
    sync_group_response_init(out);
    out->protocol_type = coord__copy(arena, asked->protocol_type);
    out->protocol_name = coord__copy(arena, asked->protocol_name);
    out->assignment = coord__copy(arena, bytes.size == 0 ? BYTES_LITERAL("") : buf_view(&bytes));
    buf_deinit(&bytes);
    coord__answer(c, out);
}

/* ---- Heartbeat ------------------------------------------------------------------------------------------------ */

enum kafka_error coord__beat_consumer_group(struct group_coordinator *c, struct group *group)
{
    const struct heartbeat_request *asked = c->event->request.message;
    struct consumer *consumer;
    const enum kafka_error error =
        find_classic(group->consumer, asked->member_id, asked->group_instance_id,
                     asked->generation_id, &consumer);
    if (error != KAFKA_NONE)
        return error;
    coord__renew_consumer(c, consumer);
    const struct consumer_state *now = group_consumer_now(consumer);
    const bool has_step = now->epoch < group->consumer->assignment_epoch ||
                          now->step == CONSUMER_UNREVOKED ||
                          (now->step == CONSUMER_UNRELEASED && !coord__consumer_waits(consumer));
    if (!has_step)
        return KAFKA_NONE;
    await_join(c, consumer);
    return KAFKA_REBALANCE_IN_PROGRESS;
}

/* ---- LeaveGroup ------------------------------------------------------------------------------------------------- */

static enum kafka_error find_leaver(const struct consumer_group *group,
                                    const struct leave_group_request_member_identity *who,
                                    struct consumer **out)
{
    if (bytes_is_null(who->group_instance_id) || who->member_id.size > 0)
        return find_member(group, who->member_id, who->group_instance_id, out);
    *out = consumer_group_instance(group, who->group_instance_id); /* an administrator's wish */
    return *out == NULL ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_NONE;
}

enum kafka_error
coord__leave_consumer_group(struct group_coordinator *c, struct group *group,
                            const struct leave_group_request_member_identity *members,
                            int32_t count, int16_t *errors)
{
    struct consumer **leaving =
        ARENA_NEW_ARRAY(&c->effects->arena, struct consumer *, (size_t)count);
    size_t leaving_count = 0;
    struct map known;
    map_init(&known, c->hash_seed);
    for (int32_t i = 0; i < count; i++) {
        struct consumer *consumer;
        errors[i] = (int16_t)find_leaver(group->consumer, &members[i], &consumer);
        if (errors[i] == KAFKA_NONE &&
            map_put(&known, group_consumer_id(consumer), consumer) == NULL)
            leaving[leaving_count++] = consumer;
    }
    map_deinit(&known);
    if (leaving_count == 0)
        return KAFKA_NONE;
    coord__draft_begin(c);
    coord__consumers_fence(c, group, leaving, leaving_count, "has left");
    struct write *write;
    return coord__draft_append(c, &write);
}
