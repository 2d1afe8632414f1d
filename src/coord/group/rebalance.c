/* How generations come about: who is waited for and how long, who leads, and when the members are sent to sync.
 *
 *   prepare ── everybody joined, or the longest rebalance timeout has passed ──► complete
 *   first rebalance of an empty group: group.initial.rebalance.delay.ms, and again that long while members keep coming, up to
 *   the rebalance timeout in all (KIP-134)
 */
#include "coord/group/group_int.h"

static int64_t after_ms(const struct group_coordinator *c, int64_t delay_ms)
{
    return c->event->now_ms + MAX(delay_ms, (int64_t)0);
}

void coord__renew_session(struct group_coordinator *c, struct member *member, int64_t timeout_ms)
{
    member->session.kind = DEADLINE_SESSION;
    deadline_arm(&c->deadlines, &member->session, after_ms(c, timeout_ms));
}

static void arm_join(struct group_coordinator *c, struct membership *membership, int64_t delay_ms)
{
    membership->join_deadline.kind = DEADLINE_JOIN;
    deadline_arm(&c->deadlines, &membership->join_deadline, after_ms(c, delay_ms));
}

enum kafka_error coord__check_member(const struct group *group, struct bytes member_id,
                                     struct bytes instance_id)
{
    if (!bytes_is_null(instance_id)) {
        const struct member *owner = membership_by_instance(group->membership, instance_id);
        if (owner == NULL)
            return KAFKA_UNKNOWN_MEMBER_ID;
        if (!bytes_equal(owner->id, member_id))
            return KAFKA_FENCED_INSTANCE_ID;
    }
    return membership_get(group->membership, member_id) == NULL ? KAFKA_UNKNOWN_MEMBER_ID
                                                                : KAFKA_NONE;
}

void coord__remove_member(struct group_coordinator *c, struct member *member)
{
    struct membership *membership = member->group->membership;
    struct parked parked;
    if (member_unpark_join(membership, member, &parked))
        coord__answer_join_error(c, &parked, BYTES_LITERAL(""), KAFKA_UNKNOWN_MEMBER_ID);
    if (member_unpark_sync(member, &parked))
        coord__answer_sync(c, &parked, KAFKA_UNKNOWN_MEMBER_ID, member->group, member);
    deadline_cancel(&c->deadlines, &member->session);
    membership_remove(membership, member);
}

/* ---- the end of a rebalance ---------------------------------------------------------------------------- */

static void tell_expired(struct group_coordinator *c, const struct member *member, const char *why,
                         int32_t ms)
{
    coord__tell(c, COORD_LINE_MEMBER, member->group, "%s has expired: %s %" PRId32 " ms",
                coord__who(c, member->id, member->client_id, member->client_host), why, ms);
}

static void remove_absent_members(struct group_coordinator *c, struct membership *membership)
{
    const int32_t timeout_ms = membership_rebalance_timeout_ms(membership);
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        struct member *member = w.value;
        if (member->join.is_parked || !bytes_is_null(member->instance_id))
            continue;
        tell_expired(c, member, "it did not join again within", timeout_ms);
        coord__remove_member(c, member);
    }
}

static void become_empty(struct group_coordinator *c, struct group *group)
{
    coord__tell(c, COORD_LINE_INFO, group, "empty in generation %" PRId32 ": %s", group->generation,
                group->membership->why);
    deadline_cancel(&c->deadlines, &group->membership->sync_deadline);
    membership_set_protocol(group->membership, BYTES_NULL);
    map_clear(&group->membership->topics);
    group->membership->knows_topics = group_uses_consumers(group);
    group_set_state(group, GROUP_EMPTY, c->event->wall_ms);
    group_drop_membership(group);
    coord__record_group(c, group);
    struct write *write;
    /* Should it not be written: members of an older generation that a restart brings back soon expire. */
    IGNORE_RESULT(coord__append(c, APPEND_AS_ONE, &write));
}

static void send_to_sync(struct group_coordinator *c, struct group *group)
{
    struct membership *membership = group->membership;
    membership_set_protocol(membership, membership_elect_protocol(membership));
    membership->knows_topics = false;
    if (group_uses_consumers(group))
        membership_learn_topics(membership);
    group_set_state(group, GROUP_COMPLETING, c->event->wall_ms);
    coord__tell(c, COORD_LINE_INFO, group,
                "generation %" PRId32 ", members %" PRIu32 ", protocol %s: %s", group->generation,
                (uint32_t)map_count(&membership->members), coord__quoted(c, membership->protocol),
                membership->why);
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        struct member *member = w.value;
        struct parked parked;
        if (member_unpark_join(membership, member, &parked))
            coord__answer_joined(c, &parked, group, member);
        member->is_new = false;
        member_set_sync_due(membership, member, true);
        coord__renew_session(c, member, member->session_timeout_ms);
    }
    membership->sync_deadline.kind = DEADLINE_SYNC;
    deadline_arm(&c->deadlines, &membership->sync_deadline,
                 after_ms(c, membership_rebalance_timeout_ms(membership)));
}

static void complete_join(struct group_coordinator *c, struct group *group)
{
    struct membership *membership = group->membership;
    deadline_cancel(&c->deadlines, &membership->join_deadline);
    remove_absent_members(c, membership);
    const uint32_t member_count = map_count(&membership->members);
    if (member_count > 0 && !membership_elect_leader(membership)) {
        /* Only static members are left, and none of them came: they have until their sessions end. */
        arm_join(c, membership, membership_rebalance_timeout_ms(membership));
        return;
    }
    membership->initial_delay_ms = 0;
    membership->has_new_member = false;
    membership->storing_write_id = 0;
    /* Begins anew, as no client takes a negative one for a generation. */
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    if (member_count == 0)
        become_empty(c, group);
    else
        send_to_sync(c, group);
}

/* ---- its beginning ---------------------------------------------------------------------------------------- */

static void clear_sync_due(struct group_coordinator *c, struct membership *membership)
{
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);)
        member_set_sync_due(membership, w.value, false);
    deadline_cancel(&c->deadlines, &membership->sync_deadline);
}

static void begin_initial_delay(struct group_coordinator *c, struct membership *membership)
{
    const int32_t delay_ms = c->settings.initial_rebalance_delay_ms;
    membership->initial_delay_ms = delay_ms;
    membership->initial_left_ms = MAX(membership_rebalance_timeout_ms(membership) - delay_ms, 0);
    arm_join(c, membership, delay_ms);
}

void coord__prepare_rebalance(struct group_coordinator *c, struct group *group, const char *why)
{
    struct membership *membership = group->membership;
    membership->why = why;
    if (group->state == GROUP_COMPLETING)
        coord__give_assignments(c, group, KAFKA_REBALANCE_IN_PROGRESS);
    clear_sync_due(c, membership);
    membership->storing_write_id = 0;
    group_set_state(group, GROUP_PREPARING, c->event->wall_ms);
    if (group->is_first_rebalance)
        begin_initial_delay(c, membership);
    else if (membership_all_joined(membership))
        complete_join(c, group);
    else
        arm_join(c, membership, membership_rebalance_timeout_ms(membership));
}

void coord__maybe_complete_join(struct group_coordinator *c, struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->is_first_rebalance &&
        membership_all_joined(group->membership))
        complete_join(c, group);
}

void coord__rebalance_or_complete(struct group_coordinator *c, struct group *group, const char *why)
{
    if (group->state == GROUP_PREPARING)
        coord__maybe_complete_join(c, group);
    else
        coord__prepare_rebalance(c, group, why);
}

void coord__resume_rebalance(struct group_coordinator *c, struct group *group)
{
    clear_sync_due(c, group->membership);
    group->membership->why = "it was interrupted";
    group->membership->storing_write_id = 0;
    group_set_state(group, GROUP_PREPARING, c->event->wall_ms);
    group->is_first_rebalance = false;
    arm_join(c, group->membership, membership_rebalance_timeout_ms(group->membership));
}

/* ---- deadlines ---------------------------------------------------------------------------------------------- */

void coord__on_join_deadline(struct group_coordinator *c, struct group *group)
{
    struct membership *membership = group->membership;
    if (!group->is_first_rebalance || !membership->has_new_member ||
        membership->initial_left_ms == 0) {
        complete_join(c, group);
        return;
    }
    const int32_t delay_ms =
        MIN(c->settings.initial_rebalance_delay_ms, membership->initial_left_ms);
    membership->initial_left_ms =
        MAX(membership->initial_left_ms - membership->initial_delay_ms, 0);
    membership->initial_delay_ms = delay_ms;
    membership->has_new_member = false;
    arm_join(c, membership, delay_ms);
}

/* Members that had the join answer and never asked for their assignment are taken for gone. */
void coord__on_sync_deadline(struct group_coordinator *c, struct group *group)
{
    struct membership *membership = group->membership;
    if (membership->sync_due_count == 0)
        return;
    const int32_t timeout_ms = membership_rebalance_timeout_ms(membership);
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        struct member *member = w.value;
        if (!member->is_sync_due)
            continue;
        tell_expired(c, member, "it did not ask for its assignment within", timeout_ms);
        coord__remove_member(c, member);
    }
    coord__prepare_rebalance(c, group, "a member expired");
}

/* One that waits for an answer of ours needs no heartbeat, unless it never had any answer. */
static bool is_excused(const struct member *member)
{
    return !member->is_new && (member->join.is_parked || member->sync.is_parked);
}

void coord__on_session_expired(struct group_coordinator *c, struct member *member)
{
    struct group *group = member->group;
    if (is_excused(member))
        return;
    tell_expired(c, member, "nothing was heard of it for",
                 member->is_new ? NEW_MEMBER_TIMEOUT_MS : member->session_timeout_ms);
    coord__remove_member(c, member);
    if (group->state == GROUP_PREPARING) {
        if (membership_all_joined(group->membership))
            complete_join(c, group);
    } else {
        coord__rebalance_or_complete(c, group, "a member expired");
    }
}

void coord__on_pending_expired(struct group_coordinator *c, struct pending_member *pending)
{
    struct group *group = pending->group;
    membership_remove_pending(group->membership, pending);
    if (group->state == GROUP_PREPARING && membership_all_joined(group->membership))
        complete_join(c, group);
    else
        group_drop_membership(group);
}
