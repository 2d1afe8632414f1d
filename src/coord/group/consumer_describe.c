/* ConsumerGroupDescribe (KIP-848): a consumer group with its members, and who has and is to have which partitions. */
#include "base/mem.h"
#include "coord/assignor/assignor.h"
#include "coord/group/consumer_int.h"

#include "wire/messages/consumer_group_describe_request.h"
#include "wire/messages/consumer_group_describe_response.h"

enum { MEMBER_TYPE_CLASSIC = 0, MEMBER_TYPE_CONSUMER = 1 };

/* Of topics that still exist. */
static void tell_assignment(const struct group_coordinator *c, struct arena *arena,
                            const struct assignment *assignment,
                            struct consumer_group_describe_response_assignment *out)
{
    const uint32_t count = assignment == NULL ? 0 : assignment->topic_count;
    out->topic_partitions = consumer_group_describe_response_topic_partitions_array(arena, count);
    for (uint32_t i = 0; c->image != NULL && i < count; i++) {
        const struct assigned_topic *topic = &assignment->topics[i];
        const struct metadata_topic *known = metadata_topic_by_id(c->image, topic->topic_id);
        if (known == NULL)
            continue;
        struct consumer_group_describe_response_topic_partitions *told =
            &out->topic_partitions[out->topic_partitions_count++];
        told->topic_id = topic->topic_id;
        told->topic_name = coord__copy(arena, known->name);
        told->partitions =
            arena_dup(arena, topic->partitions, topic->count * sizeof(*topic->partitions));
        told->partitions_count = (int32_t)topic->count;
    }
}

/* What it has, with what it has not given up yet. */
static void tell_held(const struct group_coordinator *c, struct arena *arena,
                      const struct consumer_state *now,
                      struct consumer_group_describe_response_assignment *out)
{
    struct assignment_builder builder = { 0 };
    for (struct assignment_walk w = { 0 }; assignment_next(now->assigned, &w);)
        assignment_add(&builder, w.item.topic_id, w.item.partition, 0);
    for (struct assignment_walk w = { 0 }; assignment_next(now->revoking, &w);)
        assignment_add(&builder, w.item.topic_id, w.item.partition, 0);
    struct assignment *held = assignment_build(&builder);
    tell_assignment(c, arena, held, out);
    mem_free(held);
}

static void tell_member(const struct group_coordinator *c, struct arena *arena,
                        const struct consumer *consumer,
                        struct consumer_group_describe_response_member *out)
{
    const struct consumer_profile *profile = consumer->profile;
    const struct consumer_state *now = group_consumer_now(consumer);
    out->member_id = coord__copy(arena, group_consumer_id(consumer));
    out->instance_id = coord__copy(arena, profile->instance_id);
    out->rack_id = coord__copy(arena, profile->rack_id);
    out->member_epoch = now->epoch;
    out->client_id = coord__copy(arena, profile->client_id);
    out->client_host = coord__copy(arena, profile->client_host);
    out->subscribed_topic_names = ARENA_NEW_ARRAY(arena, struct bytes, profile->topic_count);
    for (uint32_t i = 0; i < profile->topic_count; i++)
        out->subscribed_topic_names[i] = coord__copy(arena, profile->topics[i]);
    out->subscribed_topic_names_count = (int32_t)profile->topic_count;
    out->subscribed_topic_regex = coord__copy(arena, profile->regex);
    tell_held(c, arena, now, &out->assignment);
    tell_assignment(c, arena, consumer->target, &out->target_assignment);
    out->member_type = profile->is_classic ? MEMBER_TYPE_CLASSIC : MEMBER_TYPE_CONSUMER;
}

static void tell_group(const struct group_coordinator *c, struct arena *arena,
                       const struct consumer_group *group,
                       struct consumer_group_describe_response_described_group *out)
{
    const struct bytes assignor = consumer_group_assignor(group);
    out->group_state = bytes_from_text(consumer_group_state_name(group));
    out->group_epoch = group->epoch;
    out->assignment_epoch = group->assignment_epoch;
    out->assignor_name = bytes_is_null(assignor)
                             ? bytes_from_text(group_assignor_name(c->settings.assignors[0]))
                             : coord__copy(arena, assignor);
    out->members = consumer_group_describe_response_member_array(arena, group->member_count);
    struct consumer *consumer;
    for (struct map_walk w = { 0 }; consumer_group_next(group, &w, &consumer);)
        tell_member(c, arena, consumer, &out->members[out->members_count++]);
}

static void tell_missing(struct arena *arena, const struct group *group,
                         struct consumer_group_describe_response_described_group *out)
{
    out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    out->error_message = bytes_from_text(arena_printf(
        arena, group == NULL ? "Group %.*s not found." : "Group %.*s is not a consumer group.",
        BYTES_PRINTF(out->group_id)));
}

void coord__consumer_describe(struct group_coordinator *c)
{
    struct arena *arena = coord__arena(c);
    struct consumer_group_describe_response *out =
        group_refusal(&c->event->request, KAFKA_NONE, arena);
    for (int32_t i = 0; i < out->groups_count; i++) {
        const struct group *group = coord__find(c, out->groups[i].group_id);
        if (group == NULL || group->kind != GROUP_CONSUMER)
            tell_missing(arena, group, &out->groups[i]);
        else
            tell_group(c, arena, group->consumer, &out->groups[i]);
    }
    coord__answer(c, out);
}
