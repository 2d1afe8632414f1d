/* ConsumerGroupHeartbeat (KIP-848): a member joins, tells what it subscribes to and has, learns what it is to have, and leaves.
 *
 *   check ► find the group ► find the member ► its profile ► the group's epoch ► the assignment ► one step of the member
 *
 * All records of a heartbeat are one batch; what is told is told when that is written.
 */
#include "base/mem.h"
#include "coord/assignor/assignor.h"
#include "coord/group/consumer_int.h"

#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/consumer_group_heartbeat_response.h"

/* From here on members bring an id of their own. */
#define VERSION_CLIENT_IDS 1

struct beat {
    const struct consumer_group_heartbeat_request *asked;
    struct consumer_refusal refusal;
    struct group *group;
    struct bytes member_id;
    struct assignment *owned; /* partitions that the member says it has; owned */
    bool tells_owned;
    bool has_other_partitions; /* than before */
    bool upgrades;             /* the group, which was a classic one */
    bool has_assigned;         /* on the draft, to all members */
};

/* ---- what is wrong with a request itself ------------------------------------------------------------- */

static bool is_blank(struct bytes text)
{
    return !bytes_is_null(text) && bytes_trim(text).size == 0;
}

static const char *blank_field(const struct group_coordinator *c, const struct beat *beat)
{
    const struct consumer_group_heartbeat_request *asked = beat->asked;
    const bool needs_id = c->event->request.version >= VERSION_CLIENT_IDS ||
                          asked->member_epoch > EPOCH_JOIN || asked->member_epoch == EPOCH_LEAVE;
    return needs_id && is_blank(asked->member_id) ? "MemberId"
           : is_blank(asked->group_id)            ? "GroupId"
           : is_blank(asked->instance_id)         ? "InstanceId"
           : is_blank(asked->rack_id)             ? "RackId"
                                                  : NULL;
}

static const char *check_join(const struct consumer_group_heartbeat_request *asked)
{
    if (asked->rebalance_timeout_ms == -1)
        return "RebalanceTimeoutMs must be provided in first request.";
    if (asked->topic_partitions_count != 0)
        return "TopicPartitions must be empty when (re-)joining.";
    if (asked->subscribed_topic_names_count < 0 && bytes_is_null(asked->subscribed_topic_regex))
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
               "(re-)joining.";
    return NULL;
}

static const char *check_epoch(const struct consumer_group_heartbeat_request *asked)
{
    if (asked->member_epoch == EPOCH_JOIN)
        return check_join(asked);
    if (asked->member_epoch == EPOCH_LEAVE_STATIC && bytes_is_null(asked->instance_id))
        return "InstanceId can't be null.";
    return asked->member_epoch < EPOCH_LEAVE_STATIC ? "MemberEpoch is invalid." : NULL;
}

static bool is_served(const struct group_coordinator *c, struct bytes name)
{
    enum assignor assignor;
    if (group_assignor_by_name(name, &assignor) < 0)
        return false;
    for (uint32_t i = 0; i < c->settings.assignor_count; i++) {
        if (c->settings.assignors[i] == assignor)
            return true;
    }
    return false;
}

static enum kafka_error refuse_assignor(struct group_coordinator *c, struct beat *beat)
{
    const struct bytes quoted = bytes_utf8_prefix(beat->asked->server_assignor, QUOTED_BYTES_MAX);
    struct buf names;
    buf_init(&names, 1000);
    for (uint32_t i = 0; i < c->settings.assignor_count; i++)
        buf_printf(&names, "%s%s", i == 0 ? "" : ", ",
                   group_assignor_name(c->settings.assignors[i]));
    const enum kafka_error error =
        consumer_refuse(c, &beat->refusal, KAFKA_UNSUPPORTED_ASSIGNOR,
                        "ServerAssignor %.*s is not supported. Supported assignors: %.*s.",
                        BYTES_PRINTF(quoted), BYTES_PRINTF(buf_view(&names)));
    buf_deinit(&names);
    return error;
}

/* Whether it tells of more topics and partitions than a record holds: that is not sorted, to be refused in the end. */
static bool tells_too_much(const struct group_coordinator *c,
                           const struct consumer_group_heartbeat_request *asked)
{
    size_t left = c->settings.batch_bytes_max;
    for (int32_t i = 0; i < asked->subscribed_topic_names_count; i++) {
        const size_t bytes = asked->subscribed_topic_names[i].size + 1;
        if (bytes > left)
            return true;
        left -= bytes;
    }
    for (int32_t i = 0; i < asked->topic_partitions_count; i++) {
        const size_t bytes = sizeof(struct uuid) +
                             (size_t)asked->topic_partitions[i].partitions_count * sizeof(int32_t);
        if (bytes > left)
            return true;
        left -= bytes;
    }
    return false;
}

static enum kafka_error check(struct group_coordinator *c, struct beat *beat)
{
    const char *blank = blank_field(c, beat);
    if (blank != NULL)
        return consumer_refuse(c, &beat->refusal, KAFKA_INVALID_REQUEST, "%s can't be empty.",
                               blank);
    const char *wrong = check_epoch(beat->asked);
    if (wrong != NULL)
        return consumer_refuse(c, &beat->refusal, KAFKA_INVALID_REQUEST, "%s", wrong);
    if (!bytes_is_null(beat->asked->server_assignor) && !is_served(c, beat->asked->server_assignor))
        return refuse_assignor(c, beat);
    if (tells_too_much(c, beat->asked))
        return consumer_refuse(c, &beat->refusal, KAFKA_UNKNOWN_SERVER_ERROR,
                               "SubscribedTopicNames and TopicPartitions have more bytes than the "
                               "%u of a batch.",
                               c->settings.batch_bytes_max);
    return KAFKA_NONE;
}

/* ---- the group --------------------------------------------------------------------------------------- */

/* An empty classic group gives way; its offsets stay. */
static void replace_empty_classic(struct group_coordinator *c, struct beat *beat)
{
    coord__record_group_tombstone(c, coord__copy(&c->effects->arena, beat->asked->group_id));
    coord__draft_take_records(c);
    coord__become_consumer(c, beat->group, coord__draft_write(c));
    coord__tell(c, COORD_LINE_INFO, beat->group,
                "empty, and from now on one of the consumer protocol");
}

static enum kafka_error find_group(struct group_coordinator *c, struct beat *beat)
{
    const struct bytes id = beat->asked->group_id;
    const bool may_make = beat->asked->member_epoch == EPOCH_JOIN;
    beat->group = coord__find(c, id);
    if (beat->group == NULL && !may_make)
        return consumer_refuse(c, &beat->refusal, KAFKA_GROUP_ID_NOT_FOUND,
                               "Consumer group %.*s not found.", BYTES_PRINTF(id));
    if (beat->group == NULL) {
        beat->group = coord__create(c, id, c->event->wall_ms);
        coord__undo_creation(coord__draft_write(c), beat->group);
        coord__become_consumer(c, beat->group, NULL);
        return KAFKA_NONE;
    }
    if (beat->group->kind == GROUP_CONSUMER)
        return KAFKA_NONE;
    if (may_make && beat->group->kind == GROUP_CLASSIC && beat->group->state != GROUP_EMPTY) {
        beat->upgrades = true;
        return coord__upgrade(c, beat->group, &beat->refusal);
    }
    if (!may_make || beat->group->kind != GROUP_CLASSIC)
        return consumer_refuse(c, &beat->refusal, KAFKA_GROUP_ID_NOT_FOUND,
                               "Group %.*s is not a consumer group.", BYTES_PRINTF(id));
    replace_empty_classic(c, beat);
    return KAFKA_NONE;
}

static enum kafka_error check_room(struct group_coordinator *c, struct beat *beat)
{
    const struct consumer_group *group = beat->group->consumer;
    const int32_t most = c->settings.consumer_count_max;
    if ((int64_t)group->member_count < most ||
        consumer_group_member(group, beat->asked->member_id) != NULL)
        return KAFKA_NONE;
    return consumer_refuse(c, &beat->refusal, KAFKA_GROUP_MAX_SIZE_REACHED,
                           "The consumer group has reached its maximum capacity of %d members.",
                           most);
}

/* ---- the member ------------------------------------------------------------------------------------------ */

static void choose_member_id(struct group_coordinator *c, struct beat *beat)
{
    beat->member_id = coord__copy(&c->effects->arena, beat->asked->member_id);
    if (beat->member_id.size > 0)
        return;
    beat->member_id = coord__new_consumer_id(c);
}

static void read_owned(struct beat *beat)
{
    struct assignment_builder builder = { 0 };
    for (int32_t i = 0; i < beat->asked->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_request_topic_partitions *topic =
            &beat->asked->topic_partitions[i];
        for (int32_t j = 0; j < topic->partitions_count; j++)
            assignment_add(&builder, topic->topic_id, topic->partitions[j], 0);
    }
    beat->owned = assignment_build(&builder);
    beat->tells_owned = beat->asked->topic_partitions_count >= 0;
}

/* The profile as the request has it, what it does not tell as it was. */
static struct consumer_profile told_profile(struct group_coordinator *c, const struct beat *beat,
                                            const struct consumer_profile *before)
{
    const struct consumer_group_heartbeat_request *asked = beat->asked;
    struct consumer_profile after = *before;
    if (!bytes_is_null(asked->instance_id))
        after.instance_id = asked->instance_id;
    if (!bytes_is_null(asked->rack_id))
        after.rack_id = asked->rack_id;
    if (asked->rebalance_timeout_ms != -1)
        after.rebalance_timeout_ms = asked->rebalance_timeout_ms;
    if (!bytes_is_null(asked->server_assignor))
        after.assignor = asked->server_assignor;
    if (asked->subscribed_topic_names_count >= 0)
        consumer_profile_set_topics(&after, &c->effects->arena, asked->subscribed_topic_names,
                                    asked->subscribed_topic_names_count);
    if (!bytes_is_null(asked->subscribed_topic_regex))
        after.regex = asked->subscribed_topic_regex;
    after.client_id = c->event->request.client_id;
    after.client_host = c->event->request.client_host;
    after.is_classic = false;
    after.session_timeout_ms = 0;
    after.protocol_count = 0;
    return after;
}

static enum kafka_error check_step(struct group_coordinator *c, struct beat *beat,
                                   const struct consumer *consumer)
{
    if (group_consumer_now(consumer)->step != CONSUMER_STEP_UNKNOWN ||
        (beat->tells_owned && beat->owned == NULL))
        return KAFKA_NONE;
    return consumer_refuse(c, &beat->refusal, KAFKA_FENCED_MEMBER_EPOCH,
                           "The consumer group member is in a unknown state. The member must "
                           "abandon all its partitions and rejoin.");
}

static enum kafka_error update(struct group_coordinator *c, struct beat *beat,
                               const struct consumer *consumer)
{
    const struct consumer_profile *before =
        consumer == NULL ? &consumer_profile_default : consumer->profile;
    const struct consumer_profile after = told_profile(c, beat, before);
    struct subscription_change change;
    enum kafka_error error = coord__consumer_update(c, beat->group, beat->member_id, before, &after,
                                                    &change, &beat->refusal);
    if (error != KAFKA_NONE)
        return error;
    /* The generation of the classic group may have been over, or have left partitions to its next one (KIP-429). */
    coord__consumer_refresh(c, beat->group, change.needs_rebalance || beat->upgrades);
    const bool has_assigned = coord__consumer_assign(c, beat->group);
    struct consumer *now = consumer_group_member(beat->group->consumer, beat->member_id);
    error = check_step(c, beat, now);
    if (error != KAFKA_NONE)
        return error;
    beat->has_assigned = has_assigned;
    beat->has_other_partitions =
        coord__consumer_reconcile(c, now, change.has_changed, beat->owned, beat->tells_owned);
    coord__renew_consumer(c, now);
    return KAFKA_NONE;
}

static enum kafka_error stay(struct group_coordinator *c, struct beat *beat)
{
    enum kafka_error error = find_group(c, beat);
    if (error == KAFKA_NONE)
        error = check_room(c, beat);
    if (error != KAFKA_NONE)
        return error;
    choose_member_id(c, beat);
    const struct consumer_arrival arrival = {
        .member_id = beat->member_id,
        .instance_id = beat->asked->instance_id,
        .epoch = beat->asked->member_epoch,
        .is_new = beat->asked->member_epoch == EPOCH_JOIN,
        .owned = beat->owned,
        .tells_owned = beat->tells_owned,
    };
    struct consumer *consumer = NULL;
    error = coord__consumer_arrive(c, beat->group, &arrival, &consumer, &beat->refusal);
    return error != KAFKA_NONE ? error : update(c, beat, consumer);
}

/* ---- leaving ----------------------------------------------------------------------------------------------- */

/* The member keeps its partitions, so that nobody else gets them before the instance comes back, or its session ends. */
static void leave_for_a_while(struct group_coordinator *c, struct beat *beat,
                              struct consumer *consumer)
{
    const struct consumer_state *now = group_consumer_now(consumer);
    struct assignment_builder builder = { 0 };
    deadline_cancel(&c->deadlines, &consumer->revocation); /* it has its session */
    coord__tell(c, COORD_LINE_MEMBER, beat->group,
                "%s has left, and may come back as static member %s",
                coord__who_consumer(c, consumer), coord__quoted(c, beat->asked->instance_id));
    for (struct assignment_walk w = { 0 }; assignment_next(now->assigned, &w);)
        assignment_add(&builder, w.item.topic_id, w.item.partition, 0);
    struct assignment *assigned = assignment_build(&builder);
    const struct consumer_state left = { .epoch = EPOCH_LEAVE_STATIC,
                                         .previous_epoch = now->previous_epoch,
                                         .step = now->step,
                                         .assigned = assigned };
    coord__put_state(c, beat->group, group_consumer_id(consumer), &left);
    mem_free(assigned);
}

static enum kafka_error find_leaver(struct group_coordinator *c, struct beat *beat,
                                    struct consumer **out)
{
    const struct consumer_arrival arrival = { .member_id = beat->asked->member_id,
                                              .instance_id = beat->asked->instance_id,
                                              .is_classic = true }; /* whatever its epoch */
    return coord__consumer_arrive(c, beat->group, &arrival, out, &beat->refusal);
}

static enum kafka_error leave(struct group_coordinator *c, struct beat *beat)
{
    const struct bytes id = beat->asked->group_id;
    beat->member_id = beat->asked->member_id;
    beat->group = coord__find(c, id);
    if (beat->group == NULL)
        return consumer_refuse(c, &beat->refusal, KAFKA_GROUP_ID_NOT_FOUND, "Group %.*s not found.",
                               BYTES_PRINTF(id));
    if (beat->group->kind != GROUP_CONSUMER)
        return consumer_refuse(c, &beat->refusal, KAFKA_GROUP_ID_NOT_FOUND,
                               "Group %.*s is not a consumer group.", BYTES_PRINTF(id));
    struct consumer *consumer = NULL;
    const enum kafka_error error = find_leaver(c, beat, &consumer);
    if (error != KAFKA_NONE)
        return error;
    if (!bytes_is_null(beat->asked->instance_id) && beat->asked->member_epoch == EPOCH_LEAVE_STATIC)
        leave_for_a_while(c, beat, consumer);
    else
        coord__consumers_fence(c, beat->group, &consumer, 1, "has left");
    return KAFKA_NONE;
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static struct consumer_group_heartbeat_response_assignment *
tell_assignment(struct arena *arena, const struct assignment *assigned)
{
    struct consumer_group_heartbeat_response_assignment *out =
        consumer_group_heartbeat_response_assignment_array(arena, 1);
    const uint32_t count = assigned == NULL ? 0 : assigned->topic_count;
    out->topic_partitions = consumer_group_heartbeat_response_topic_partitions_array(arena, count);
    out->topic_partitions_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        const struct assigned_topic *topic = &assigned->topics[i];
        struct consumer_group_heartbeat_response_topic_partitions *told = &out->topic_partitions[i];
        told->topic_id = topic->topic_id;
        told->partitions =
            arena_dup(arena, topic->partitions, topic->count * sizeof(*topic->partitions));
        told->partitions_count = (int32_t)topic->count;
    }
    return out;
}

/* A request that tells everything, as after an error: then everything is told, too. */
static bool is_full(const struct consumer_group_heartbeat_request *asked)
{
    return asked->rebalance_timeout_ms != -1 && asked->topic_partitions_count >= 0 &&
           (asked->subscribed_topic_names_count >= 0 ||
            !bytes_is_null(asked->subscribed_topic_regex));
}

static void tell(struct group_coordinator *c, const struct beat *beat)
{
    const struct consumer_group_heartbeat_request *asked = beat->asked;
    struct arena *arena = coord__arena(c);
    struct consumer_group_heartbeat_response *out =
        ARENA_NEW(arena, struct consumer_group_heartbeat_response);
    consumer_group_heartbeat_response_init(out);
    out->member_id = coord__copy(arena, beat->member_id);
    out->member_epoch = asked->member_epoch;
    if (asked->member_epoch >= EPOCH_JOIN) {
        const struct consumer_state *now =
            group_consumer_now(consumer_group_member(beat->group->consumer, beat->member_id));
        out->member_epoch = now->epoch;
        out->heartbeat_interval_ms =
            coord__group_setting(c, beat->group, &c->settings.consumer_heartbeat_interval_ms);
        if (asked->member_epoch == EPOCH_JOIN || is_full(asked) || beat->has_other_partitions)
            out->assignment = tell_assignment(arena, now->assigned);
    }
    coord__answer(c, out);
}

static void refuse(struct group_coordinator *c, const struct beat *beat)
{
    struct consumer_group_heartbeat_response *out =
        group_refusal(&c->event->request, beat->refusal.error, &c->effects->arena);
    out->error_message = beat->refusal.message;
    coord__answer_now(c, c->event->request.token, API_CONSUMER_GROUP_HEARTBEAT, out);
}

static enum kafka_error beat_on_draft(struct group_coordinator *c, struct beat *beat)
{
    beat->has_assigned = false;
    coord__draft_begin(c);
    const enum kafka_error error =
        beat->asked->member_epoch < EPOCH_JOIN ? leave(c, beat) : stay(c, beat);
    if (error != KAFKA_NONE) {
        coord__draft_undo(c);
        return error;
    }
    struct write *write;
    beat->refusal = (struct consumer_refusal){ .error = coord__draft_append(c, &write) };
    return beat->refusal.error;
}

void coord__consumer_heartbeat(struct group_coordinator *c)
{
    struct beat beat = { .asked = c->event->request.message };
    enum kafka_error error = check(c, &beat);
    if (error == KAFKA_NONE) {
        read_owned(&beat);
        error = beat_on_draft(c, &beat);
        if (error != KAFKA_NONE && beat.has_assigned &&
            coord__consumer_postpone_assignment(c, beat.asked->group_id))
            error = beat_on_draft(c, &beat);
    }
    if (error != KAFKA_NONE)
        refuse(c, &beat);
    else
        tell(c, &beat);
    mem_free(beat.owned);
}
