/* Who a member of a consumer group is: known, new, or a static member in the place of the one before (KIP-345, KIP-848). */
#include "coord/group/consumer_int.h"

static bool is_subset(const struct assignment *owned, const struct assignment *assigned)
{
    for (struct assignment_walk w = { 0 }; assignment_next(owned, &w);) {
        if (!assignment_has(assigned, w.item.topic_id, w.item.partition))
            return false;
    }
    return true;
}

/* An epoch behind is taken when the answer that raised it may have been lost. */
static enum kafka_error check_epoch(struct group_coordinator *c, const struct consumer *consumer,
                                    const struct consumer_arrival *arrival,
                                    struct consumer_refusal *refusal)
{
    const struct consumer_state *now =
        consumer == NULL ? &consumer_state_default : group_consumer_now(consumer);
    if (arrival->is_classic || arrival->epoch == 0 || arrival->epoch == now->epoch)
        return KAFKA_NONE;
    if (arrival->epoch < now->epoch && arrival->epoch == now->previous_epoch &&
        arrival->tells_owned && is_subset(arrival->owned, now->assigned))
        return KAFKA_NONE;
    return consumer_refuse(c, refusal, KAFKA_FENCED_MEMBER_EPOCH,
                           "The consumer group member has a %s member epoch (%d) than the one "
                           "known by the group coordinator (%d). The member must abandon all its "
                           "partitions and rejoin.",
                           arrival->epoch > now->epoch ? "greater" : "smaller", arrival->epoch,
                           now->epoch);
}

static enum kafka_error find_dynamic(struct group_coordinator *c, const struct group *group,
                                     const struct consumer_arrival *arrival, struct consumer **out,
                                     struct consumer_refusal *refusal)
{
    *out = consumer_group_member(group->consumer, arrival->member_id);
    if (*out == NULL && !arrival->is_new)
        return consumer_refuse(c, refusal, KAFKA_UNKNOWN_MEMBER_ID,
                               "Member %.*s is not a member of group %.*s.",
                               BYTES_PRINTF(arrival->member_id), BYTES_PRINTF(group_id(group)));
    return check_epoch(c, *out, arrival, refusal);
}

static enum kafka_error find_static(struct group_coordinator *c, const struct group *group,
                                    const struct consumer_arrival *arrival, struct consumer **out,
                                    struct consumer_refusal *refusal)
{
    *out = consumer_group_instance(group->consumer, arrival->instance_id);
    if (*out == NULL)
        return consumer_refuse(c, refusal, KAFKA_UNKNOWN_MEMBER_ID, "Instance id %.*s is unknown.",
                               BYTES_PRINTF(arrival->instance_id));
    if (!bytes_equal(group_consumer_id(*out), arrival->member_id))
        return consumer_refuse(
            c, refusal, KAFKA_FENCED_INSTANCE_ID,
            "Static member %.*s with instance id %.*s was fenced by member %.*s.",
            BYTES_PRINTF(arrival->member_id), BYTES_PRINTF(arrival->instance_id),
            BYTES_PRINTF(group_consumer_id(*out)));
    return check_epoch(c, *out, arrival, refusal);
}

/* The same member under a new id, in epoch 0, so that it is told everything. */
static struct consumer *replace(struct group_coordinator *c, const struct group *group,
                                const struct consumer *old, struct bytes new_id)
{
    struct arena *arena = &c->effects->arena;
    const struct consumer_state *was = group_consumer_now(old);
    /* What was stays in memory with the draft; only the member itself goes. */
    const struct consumer_profile *profile = old->profile;
    const struct assignment *target = old->target;
    const struct consumer_state state = { .step = was->step,
                                          .assigned = was->assigned,
                                          .revoking = was->revoking };
    const struct bytes id = coord__copy(arena, new_id);
    coord__tell(c, COORD_LINE_MEMBER, group, "static member %s came back: %s fences member %s",
                coord__quoted(c, profile->instance_id),
                coord__who(c, new_id, c->event->request.client_id, c->event->request.client_host),
                coord__quoted(c, group_consumer_id(old)));
    coord__put_member_tombstones(c, group, group_consumer_id(old));
    coord__put_profile(c, group, id, profile);
    coord__put_target(c, group, id, target);
    coord__put_state(c, group, id, &state);
    return consumer_group_member(group->consumer, id);
}

static enum kafka_error come_as_static(struct group_coordinator *c, const struct group *group,
                                       const struct consumer_arrival *arrival,
                                       struct consumer **out, struct consumer_refusal *refusal)
{
    struct consumer *known = consumer_group_instance(group->consumer, arrival->instance_id);
    if (known == NULL) {
        *out = consumer_group_member(group->consumer, arrival->member_id);
        return KAFKA_NONE;
    }
    const bool has_left = group_consumer_now(known)->epoch == EPOCH_LEAVE_STATIC;
    if (!arrival->is_classic && !known->profile->is_classic && !has_left)
        return consumer_refuse(
            c, refusal, KAFKA_UNRELEASED_INSTANCE_ID,
            "Static member %.*s with instance id %.*s cannot join the group because the instance "
            "id is owned by %.*s member.",
            BYTES_PRINTF(arrival->member_id), BYTES_PRINTF(arrival->instance_id),
            BYTES_PRINTF(group_consumer_id(known)));
    *out = replace(c, group, known, arrival->member_id);
    return KAFKA_NONE;
}

const char *coord__who_consumer(struct group_coordinator *c, const struct consumer *consumer)
{
    return coord__who(c, group_consumer_id(consumer), consumer->profile->client_id,
                      consumer->profile->client_host);
}

static void tell_joined(struct group_coordinator *c, const struct group *group,
                        const struct consumer_arrival *arrival)
{
    const struct group_request *request = &c->event->request;
    const bool is_static = !bytes_is_null(arrival->instance_id);
    coord__tell(c, COORD_LINE_MEMBER, group, "%s has joined%s%s%s",
                coord__who(c, arrival->member_id, request->client_id, request->client_host),
                arrival->is_classic ? " with the classic protocol" : "",
                is_static ? " as static member " : "",
                is_static ? coord__quoted(c, arrival->instance_id) : "");
}

enum kafka_error coord__consumer_arrive(struct group_coordinator *c, struct group *group,
                                        const struct consumer_arrival *arrival,
                                        struct consumer **out, struct consumer_refusal *refusal)
{
    const enum kafka_error error =
        bytes_is_null(arrival->instance_id) ? find_dynamic(c, group, arrival, out, refusal)
        : arrival->is_new                   ? come_as_static(c, group, arrival, out, refusal)
                                            : find_static(c, group, arrival, out, refusal);
    if (error == KAFKA_NONE && *out == NULL)
        tell_joined(c, group, arrival);
    return error;
}

struct bytes coord__new_consumer_id(struct group_coordinator *c)
{
    char text[UUID_TEXT_SIZE];
    uuid_to_text(uuid_from_random(c->event->random), text);
    return coord__copy(&c->effects->arena, bytes_from_text(text));
}
