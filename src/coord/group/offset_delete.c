/* OffsetDelete, and what becomes of offsets whose topics were deleted (KIP-496). */
#include "coord/group/group_int.h"

#include "wire/messages/offset_delete_request.h"
#include "wire/messages/offset_delete_response.h"

static enum kafka_error check(const struct group *group)
{
    if (group == NULL)
        return KAFKA_GROUP_ID_NOT_FOUND;
    /* Only of consumers it is known what they still use. */
    const bool is_opaque =
        group->kind == GROUP_CLASSIC && group->state != GROUP_EMPTY && !group_uses_consumers(group);
    return is_opaque ? KAFKA_NON_EMPTY_GROUP : KAFKA_NONE;
}

static void record_topic(struct group_coordinator *c, const struct group *group,
                         const struct offset_delete_request_topic *asked)
{
    const struct name *name = name_find(&c->names, asked->name);
    if (name == NULL || group_is_subscribed(group, asked->name))
        return;
    const struct offset_topic *topic = offsets_topic(&group->offsets, name);
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        const int32_t partition = asked->partitions[i].partition_index;
        if (offset_topic_get(topic, partition) != NULL ||
            pending_offsets_has(&c->pending, group, name, partition))
            coord__record_offset(c, group_id(group), asked->name, partition, NULL);
    }
}

static void tell(struct arena *arena, const struct group *group,
                 const struct offset_delete_request *request, struct offset_delete_response *out)
{
    out->topics = offset_delete_response_topic_array(arena, (size_t)request->topics_count);
    out->topics_count = request->topics_count;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct offset_delete_request_topic *asked = &request->topics[i];
        struct offset_delete_response_topic *topic = &out->topics[i];
        const enum kafka_error error =
            group_is_subscribed(group, asked->name) ? KAFKA_GROUP_SUBSCRIBED_TO_TOPIC : KAFKA_NONE;
        topic->name = asked->name;
        topic->partitions =
            offset_delete_response_partition_array(arena, (size_t)asked->partitions_count);
        topic->partitions_count = asked->partitions_count;
        for (int32_t j = 0; j < asked->partitions_count; j++) {
            topic->partitions[j].partition_index = asked->partitions[j].partition_index;
            topic->partitions[j].error_code = (int16_t)error;
        }
    }
}

void coord__offset_delete(struct group_coordinator *c)
{
    const struct offset_delete_request *request = c->event->request.message;
    const struct group *group = coord__find(c, request->group_id);
    enum kafka_error error = request->group_id.size == 0 ? KAFKA_INVALID_GROUP_ID : check(group);
    if (error == KAFKA_NONE) {
        for (int32_t i = 0; i < request->topics_count; i++)
            record_topic(c, group, &request->topics[i]);
        struct write *write;
        error = coord__append(c, APPEND_AS_ONE | APPEND_REPLAY, &write);
    }
    if (error != KAFKA_NONE) {
        coord__refuse(c, error);
        return;
    }
    struct arena *arena = coord__arena(c);
    struct offset_delete_response *out = group_refusal(&c->event->request, KAFKA_NONE, arena);
    tell(arena, group, request, out);
    coord__answer(c, out);
}

/* ---- topics that are gone -------------------------------------------------------------------------------- */

/* By the serial numbers of names that are known here; values: struct group_topic_deleted. */
static const struct group_topic_deleted *find_deleted(const struct map_i64 *deleted,
                                                      const struct name *name)
{
    return map_i64_get(deleted, (int64_t)name->serial);
}

static void record_deleted_topic(struct group_coordinator *c, const struct group *group,
                                 const struct offset_topic *topic,
                                 const struct group_topic_deleted *deleted)
{
    for (uint32_t i = 0; i < topic->count; i++) {
        const struct offset_value value = committed_value(topic, &topic->items[i]);
        if (!uuid_is_zero(value.topic_id) && !uuid_is_zero(deleted->id) &&
            !uuid_equal(value.topic_id, deleted->id))
            continue; /* committed for a topic of the same name that came after */
        coord__record_offset(c, group_id(group), deleted->name, topic->items[i].partition, NULL);
    }
}

/* Goes through the group's topics or those that were deleted, whichever are fewer. */
static void record_deleted_committed(struct group_coordinator *c, const struct group *group,
                                     const struct map_i64 *deleted)
{
    const struct offsets *offsets = &group->offsets;
    if (offsets->topic_count <= map_i64_count(deleted)) {
        for (uint32_t i = 0; i < offsets->topic_count; i++) {
            const struct group_topic_deleted *topic =
                find_deleted(deleted, offsets->topics[i].name);
            if (topic != NULL)
                record_deleted_topic(c, group, &offsets->topics[i], topic);
        }
        return;
    }
    for (struct map_i64_walk w = { 0 }; map_i64_next(deleted, &w);) {
        const struct group_topic_deleted *topic = w.walk.value;
        const struct offset_topic *committed =
            offsets_topic(offsets, name_find(&c->names, topic->name));
        if (committed != NULL)
            record_deleted_topic(c, group, committed, topic);
    }
}

/* Those of a place at which something is committed go with that. */
static void record_deleted_pending(struct group_coordinator *c, const struct group *group,
                                   const struct map_i64 *deleted)
{
    for (struct pending_walk w = { 0 }; pending_offsets_next(group, &w);) {
        const struct name *name = w.offset->offset.name;
        const struct group_topic_deleted *topic = find_deleted(deleted, name);
        const int32_t partition = w.offset->offset.partition;
        if (topic != NULL &&
            offset_topic_get(offsets_topic(&group->offsets, name), partition) == NULL)
            coord__record_offset(c, group_id(group), topic->name, partition, NULL);
    }
}

static void record_deleted(struct group_coordinator *c, const struct map_i64 *deleted)
{
    if (map_i64_count(deleted) == 0)
        return;
    LIST_FOR_EACH(&c->group_list, link)
    {
        const struct group *group = LIST_ENTRY(link, struct group, link);
        record_deleted_committed(c, group, deleted);
        record_deleted_pending(c, group, deleted);
    }
}

void coord__delete_topics(struct group_coordinator *c, const struct group_topic_deleted *topics,
                          uint32_t count)
{
    struct map_i64 deleted;
    map_i64_init(&deleted, c->hash_seed);
    for (uint32_t i = 0; i < count; i++) {
        const struct name *name = name_find(&c->names, topics[i].name);
        if (name == NULL)
            continue;
        if (find_deleted(&deleted, name) != NULL) { /* it went, came again, and went again */
            record_deleted(c, &deleted);
            map_i64_clear(&deleted);
        }
        (void)map_i64_put(&deleted, (int64_t)name->serial, (void *)(uintptr_t)&topics[i]);
    }
    record_deleted(c, &deleted);
    map_i64_deinit(&deleted);
    struct write *write;
    /* Should it fail, the offsets stay until they expire. */
    IGNORE_RESULT(coord__append(c, APPEND_REPLAY, &write));
}
