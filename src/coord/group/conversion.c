/* Groups that turn into ones of another kind: what they were is set aside until that is written. */
#include "coord/group/group_int.h"

void coord__set_aside(struct group_coordinator *c, struct group *group, enum kafka_error error,
                      struct write *write)
{
    /* Of a draft nobody is told before it is known to fit. */
    const bool is_draft = write != NULL && write == c->draft.write;
    if (group->membership != NULL && !is_draft)
        coord__quiesce(c, group->membership, error);
    if (group->consumer != NULL)
        coord__disarm_consumers(c, group->consumer);
    struct group_past past = group_take_past(group);
    past.is_quiet = !is_draft;
    if (write == NULL)
        group_past_deinit(&past, &c->names);
    else
        VEC_ADD(&write->undos,
                ((struct undo){ .kind = UNDO_CONVERTED, .group = group, .past = past }));
}

void coord__quiesce_set_aside(struct group_coordinator *c, struct write *write)
{
    for (size_t i = 0; i < write->undos.count; i++) {
        struct undo *undo = &write->undos.items[i];
        if (undo->kind != UNDO_CONVERTED || undo->past.is_quiet)
            continue;
        undo->past.is_quiet = true;
        if (undo->past.membership != NULL)
            coord__quiesce(c, undo->past.membership, KAFKA_REBALANCE_IN_PROGRESS);
    }
}

struct consumer_group *coord__become_consumer(struct group_coordinator *c, struct group *group,
                                              struct write *write)
{
    if (group->kind == GROUP_CONSUMER)
        return group->consumer;
    coord__set_aside(c, group, KAFKA_UNKNOWN_MEMBER_ID, write);
    group->kind = GROUP_CONSUMER;
    group->consumer = consumer_group_new(group, &c->deadlines, c->hash_seed);
    return group->consumer;
}

/* Its members have a whole session from now on; a rebalance that was under way goes on with whoever joins again. */
static void resume_classic(struct group_coordinator *c, struct group *group)
{
    struct membership *membership = group->membership;
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        struct member *member = w.value;
        coord__renew_session(c, member, member->session_timeout_ms);
    }
    if (group->state == GROUP_PREPARING || group->state == GROUP_COMPLETING)
        coord__resume_rebalance(c, group);
    group_drop_membership(group); /* of ids that were handed out only */
}

void coord__undo_conversion(struct group_coordinator *c, struct group *group,
                            struct group_past *past, enum kafka_error error)
{
    if (group->membership != NULL)
        coord__quiesce(c, group->membership, error);
    const bool was_told = past->is_quiet;
    group_restore_past(group, &c->names, past);
    if (group->membership != NULL && was_told)
        resume_classic(c, group);
    if (group->consumer != NULL)
        coord__arm_consumers(c, group->consumer);
}

void coord__undo_consumer(struct group_coordinator *c, struct group *group,
                          struct consumer_change *change)
{
    const struct bytes member_id = change->key;
    consumer_group_swap(group->consumer, change);
    struct consumer *consumer = change->part == CONSUMER_PROFILE || change->part == CONSUMER_STATE
                                    ? consumer_group_member(group->consumer, member_id)
                                    : NULL;
    if (consumer != NULL)
        coord__arm_consumer(c, consumer);
}
