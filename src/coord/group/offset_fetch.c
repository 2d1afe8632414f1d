/* OffsetFetch: what a group has committed, for some partitions or all (KIP-447 stable offsets, KIP-709 many groups, KIP-848). */
#include "coord/group/group_int.h"

#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

static void tell_none(int32_t partition, enum kafka_error error,
                      struct offset_fetch_response_partitions *out)
{
    out->partition_index = partition;
    out->committed_offset = -1;
    out->committed_leader_epoch = -1;
    out->metadata = BYTES_LITERAL("");
    out->error_code = (int16_t)error;
}

static void tell_value(struct arena *arena, int32_t partition, const struct offset_value *value,
                       struct offset_fetch_response_partitions *out)
{
    out->partition_index = partition;
    out->committed_offset = value->offset;
    out->committed_leader_epoch = value->leader_epoch;
    out->metadata = coord__copy(arena, value->metadata);
}

/* The offset of a topic that was deleted and made anew is not the offset of this one. */
static bool is_of_another_topic(struct uuid asked, struct uuid committed)
{
    return !uuid_is_zero(asked) && !uuid_is_zero(committed) && !uuid_equal(asked, committed);
}

struct fetch {
    struct group_coordinator *c;
    const struct group *group; /* NULL: there is none */
    bool needs_stable;
    struct arena *arena;
};

static void tell_partition(const struct fetch *fetch, const struct name *name,
                           const struct offset_topic *topic, struct uuid topic_id,
                           int32_t partition, struct offset_fetch_response_partitions *out)
{
    if (fetch->needs_stable && fetch->group != NULL &&
        pending_offsets_has(&fetch->c->pending, fetch->group, name, partition)) {
        tell_none(partition, KAFKA_UNSTABLE_OFFSET_COMMIT, out);
        return;
    }
    const struct committed *item = offset_topic_get(topic, partition);
    if (item == NULL) {
        tell_none(partition, KAFKA_NONE, out);
        return;
    }
    const struct offset_value value = committed_value(topic, item);
    if (is_of_another_topic(topic_id, value.topic_id))
        tell_none(partition, KAFKA_NONE, out);
    else
        tell_value(fetch->arena, partition, &value, out);
}

static void tell_asked(const struct fetch *fetch, const struct offset_fetch_request_group *asked,
                       struct offset_fetch_response_group *out)
{
    out->topics = offset_fetch_response_topics_array(fetch->arena, (size_t)asked->topics_count);
    out->topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct offset_fetch_request_topics *wanted = &asked->topics[i];
        struct offset_fetch_response_topics *told = &out->topics[i];
        const struct name *name = name_find(&fetch->c->names, wanted->name);
        const struct offset_topic *topic =
            fetch->group == NULL ? NULL : offsets_topic(&fetch->group->offsets, name);
        told->name = wanted->name;
        told->topic_id = wanted->topic_id;
        told->partitions = offset_fetch_response_partitions_array(
            fetch->arena, (size_t)wanted->partition_indexes_count);
        told->partitions_count = wanted->partition_indexes_count;
        for (int32_t j = 0; j < wanted->partition_indexes_count; j++)
            tell_partition(fetch, name, topic, wanted->topic_id, wanted->partition_indexes[j],
                           &told->partitions[j]);
    }
}

static void tell_all(const struct fetch *fetch, struct offset_fetch_response_group *out)
{
    if (fetch->group == NULL)
        return;
    const struct offsets *offsets = &fetch->group->offsets;
    out->topics = offset_fetch_response_topics_array(fetch->arena, offsets->topic_count);
    out->topics_count = (int32_t)offsets->topic_count;
    for (uint32_t i = 0; i < offsets->topic_count; i++) {
        const struct offset_topic *topic = &offsets->topics[i];
        struct offset_fetch_response_topics *told = &out->topics[i];
        told->name = coord__copy(fetch->arena, name_text(topic->name));
        told->partitions = offset_fetch_response_partitions_array(fetch->arena, topic->count);
        told->partitions_count = (int32_t)topic->count;
        for (uint32_t j = 0; j < topic->count; j++)
            tell_partition(fetch, topic->name, topic, UUID_ZERO, topic->items[j].partition,
                           &told->partitions[j]);
    }
}

static enum kafka_error check_consumer(const struct consumer_group *group,
                                       const struct offset_fetch_request_group *asked)
{
    const struct consumer *consumer = consumer_group_member(group, asked->member_id);
    if (consumer == NULL)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (asked->member_epoch == group_consumer_now(consumer)->epoch)
        return KAFKA_NONE;
    return consumer->profile->is_classic ? KAFKA_ILLEGAL_GENERATION : KAFKA_STALE_MEMBER_EPOCH;
}

/* Members of the new protocols are checked (KIP-848); in a classic group anyone may read. */
static enum kafka_error check(const struct group *group,
                              const struct offset_fetch_request_group *asked)
{
    if (group == NULL || group->kind == GROUP_CLASSIC ||
        (bytes_is_null(asked->member_id) && asked->member_epoch < 0))
        return KAFKA_NONE;
    if (group->kind == GROUP_CONSUMER)
        return check_consumer(group->consumer, asked);
    return foreign_has_member(group, asked->member_id) ? KAFKA_STALE_MEMBER_EPOCH
                                                       : KAFKA_UNKNOWN_MEMBER_ID;
}

void coord__offset_fetch(struct group_coordinator *c)
{
    const struct offset_fetch_request *request = c->event->request.message;
    ASSERT(request->groups_count == 1);
    const struct offset_fetch_request_group *asked = &request->groups[0];
    const struct fetch fetch = { .c = c,
                                 .group = coord__find(c, asked->group_id),
                                 .needs_stable = request->require_stable,
                                 .arena = coord__arena(c) };
    struct offset_fetch_response *out =
        group_refusal(&c->event->request, check(fetch.group, asked), fetch.arena);
    if (out->groups[0].error_code == KAFKA_NONE && asked->topics_count >= 0)
        tell_asked(&fetch, asked, &out->groups[0]);
    else if (out->groups[0].error_code == KAFKA_NONE)
        tell_all(&fetch, &out->groups[0]);
    coord__answer(c, out);
}
