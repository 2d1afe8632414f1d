/* How a member gets from what it has to what it is to have, one step with each heartbeat (KIP-848).
 *
 *   STABLE ── the assignment's epoch is another ──► what it must give up?   yes ──► UNREVOKED (in its epoch, until it
 *     ▲                                             │ no                            no longer says that it has them)
 *     │                                             ▼
 *     └────────── nothing is with others ──── its new epoch, with what is free
 *                                                   │ some is with others
 *                                                   ▼
 *                                              UNRELEASED (asks again with each heartbeat)
 */
#include "coord/group/consumer_int.h"

struct step {
    struct group_coordinator *c;
    const struct consumer *consumer;
    const struct consumer_state *now;
    const struct assignment *owned;
    bool tells_owned;
    /* what is to come */
    struct assignment_builder kept;
    struct assignment_builder revoked;
    bool is_unreleased;
};

/* Whether the member still has some of what it is to give up: yes, as long as it does not say. */
static bool owns_some(const struct step *step, const struct assignment *revoking)
{
    if (!step->tells_owned)
        return true;
    for (struct assignment_walk w = { 0 }; assignment_next(step->owned, &w);) {
        if (assignment_has(revoking, w.item.topic_id, w.item.partition))
            return true;
    }
    return false;
}

/* Of what it has, what it may keep; the epochs stay. */
static void sort_out(struct step *step, const struct assigned_topic *has,
                     const struct assigned_topic *target)
{
    for (uint32_t i = 0; i < has->count; i++) {
        const bool stays = assigned_index(target, has->partitions[i]) >= 0;
        assignment_add(stays ? &step->kept : &step->revoked, has->topic_id, has->partitions[i],
                       has->epochs[i]);
    }
}

/* Of what it is to have, what is free. */
static void take_free(struct step *step, const struct assigned_topic *target, int32_t epoch,
                      struct assignment_builder *added)
{
    const struct assigned_topic *has = assignment_topic(step->now->assigned, target->topic_id);
    const struct consumer_group *group = step->consumer->group->consumer;
    for (uint32_t i = 0; i < target->count; i++) {
        const int32_t partition = target->partitions[i];
        if (assigned_index(has, partition) >= 0)
            continue;
        if (consumer_group_is_held(group, target->topic_id, partition) &&
            !assignment_has(step->now->revoking, target->topic_id, partition))
            step->is_unreleased = true;
        else
            assignment_add(added, target->topic_id, partition, epoch);
    }
}

static void add_all(struct assignment_builder *to, struct assignment_builder *from)
{
    for (size_t i = 0; i < from->items.count; i++)
        assignment_add(to, from->items.items[i].topic_id, from->items.items[i].partition,
                       from->items.items[i].epoch);
    VEC_DEINIT(&from->items);
}

/* The state that follows when the target is looked at. */
static struct consumer_state next_state(struct step *step, int32_t target_epoch)
{
    const struct assignment *assigned = step->now->assigned;
    const struct assignment *target = step->consumer->target;
    struct assignment_builder added = { 0 };
    for (uint32_t i = 0; assigned != NULL && i < assigned->topic_count; i++) {
        const struct assigned_topic *has = &assigned->topics[i];
        const bool wants = coord__consumer_subscribes(step->c, step->consumer, has->topic_id);
        sort_out(step, has, wants ? assignment_topic(target, has->topic_id) : NULL);
    }
    for (uint32_t i = 0; target != NULL && i < target->topic_count; i++) {
        if (coord__consumer_subscribes(step->c, step->consumer, target->topics[i].topic_id))
            take_free(step, &target->topics[i], target_epoch, &added);
    }
    struct assignment *revoking = assignment_build(&step->revoked);
    struct consumer_state next = { .previous_epoch = step->now->epoch };
    if (revoking != NULL && owns_some(step, revoking)) {
        VEC_DEINIT(&added.items);
        next.epoch = step->now->step == CONSUMER_STEP_UNKNOWN ? target_epoch : step->now->epoch;
        next.step = CONSUMER_UNREVOKED;
        next.assigned = assignment_build(&step->kept);
        next.revoking = revoking;
        return next;
    }
    mem_free(revoking);
    add_all(&step->kept, &added);
    next.epoch = target_epoch;
    next.step = step->is_unreleased ? CONSUMER_UNRELEASED : CONSUMER_STABLE;
    next.assigned = assignment_build(&step->kept);
    return next;
}

/* The state without what it no longer subscribes to, where the target has nothing to say yet. False: nothing changes. */
static bool without_unsubscribed(struct step *step, struct consumer_state *out)
{
    bool has_changed = false;
    for (struct assignment_walk w = { 0 }; assignment_next(step->now->revoking, &w);)
        assignment_add(&step->revoked, w.item.topic_id, w.item.partition, w.item.epoch);
    for (struct assignment_walk w = { 0 }; assignment_next(step->now->assigned, &w);) {
        const bool stays = coord__consumer_subscribes(step->c, step->consumer, w.item.topic_id);
        has_changed = has_changed || !stays;
        assignment_add(stays ? &step->kept : &step->revoked, w.item.topic_id, w.item.partition,
                       w.item.epoch);
    }
    struct assignment *revoking = assignment_build(&step->revoked);
    *out = (struct consumer_state){ .epoch = step->now->epoch,
                                    .previous_epoch = step->now->epoch,
                                    .step = step->now->step,
                                    .assigned = assignment_build(&step->kept) };
    if (has_changed && owns_some(step, revoking)) {
        out->step = CONSUMER_UNREVOKED;
        out->revoking = revoking;
    } else {
        mem_free(revoking);
        out->revoking = assignment_copy(step->now->revoking);
    }
    return has_changed;
}

/* False: the member stays as it is. The assignments of *out are the caller's either way. */
static bool decide(struct step *step, bool has_subscription_changed, int32_t target_epoch,
                   struct consumer_state *out)
{
    const bool waits =
        step->now->step == CONSUMER_UNREVOKED && owns_some(step, step->now->revoking);
    const bool is_settled = step->now->step == CONSUMER_STABLE && step->now->epoch == target_epoch;
    if (waits || is_settled)
        return has_subscription_changed && without_unsubscribed(step, out);
    *out = next_state(step, target_epoch);
    return true;
}

static void watch_revocation(struct group_coordinator *c, struct consumer *consumer)
{
    if (group_consumer_now(consumer)->step != CONSUMER_UNREVOKED) {
        deadline_cancel(&c->deadlines, &consumer->revocation);
        return;
    }
    if (consumer->profile->is_classic)
        return; /* those have deadlines of their own; this one only after a load */
    consumer->revocation.kind = DEADLINE_CONSUMER_REVOCATION;
    deadline_arm(&c->deadlines, &consumer->revocation,
                 c->event->now_ms + MAX(consumer->profile->rebalance_timeout_ms, 0));
}

bool coord__consumer_reconcile(struct group_coordinator *c, struct consumer *consumer,
                               bool has_subscription_changed, const struct assignment *owned,
                               bool tells_owned)
{
    const int32_t target_epoch = consumer->group->consumer->assignment_epoch;
    if (!has_subscription_changed && group_consumer_is_settled(consumer, target_epoch))
        return false;
    struct step step = { .c = c,
                         .consumer = consumer,
                         .now = group_consumer_now(consumer),
                         .owned = owned,
                         .tells_owned = tells_owned };
    struct consumer_state next = { 0 };
    bool has_changed = false;
    if (decide(&step, has_subscription_changed, target_epoch, &next) &&
        !consumer_state_equal(&next, step.now)) {
        has_changed = !assignment_equal(next.assigned, step.now->assigned);
        coord__put_state(c, consumer->group, group_consumer_id(consumer), &next);
        watch_revocation(c, consumer);
    }
    mem_free(next.assigned);
    mem_free(next.revoking);
    return has_changed;
}

bool coord__consumer_waits(const struct consumer *consumer)
{
    const struct consumer_state *now = group_consumer_now(consumer);
    for (struct assignment_walk w = { 0 };
         now->step == CONSUMER_UNRELEASED && assignment_next(consumer->target, &w);) {
        if (!assignment_has(now->assigned, w.item.topic_id, w.item.partition) &&
            consumer_group_is_held(consumer->group->consumer, w.item.topic_id, w.item.partition))
            return true;
    }
    return false;
}
