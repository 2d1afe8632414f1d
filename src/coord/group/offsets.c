/* See offsets.h. */
#include "coord/group/offsets.h"

#include "base/mem.h"

#include <string.h>

struct committed_extra {
    int64_t expire_ms; /* -1 */
    struct uuid topic_id;
    uint32_t metadata_bytes;
    uint8_t metadata[];
};

/* ---- arrays that are sorted ------------------------------------------------------------------ */

/* Index of the first topic whose name's serial is not below `serial`. */
static uint32_t topic_place(const struct offsets *offsets, uint64_t serial)
{
    uint32_t low = 0;
    uint32_t high = offsets->topic_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (offsets->topics[middle].name->serial < serial)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t item_place(const struct offset_topic *topic, int32_t partition)
{
    uint32_t low = 0;
    uint32_t high = topic->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (topic->items[middle].partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Opens a gap at `place` in an array whose room doubles. */
static void *array_insert(void *items, uint32_t *count, uint32_t *capacity, uint32_t place,
                          size_t item_bytes)
{
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 1 : *capacity * 2;
        items = mem_reallocarray(items, *capacity, item_bytes);
    }
    uint8_t *at = (uint8_t *)items + place * item_bytes;
    memmove(at + item_bytes, at, (*count - place) * item_bytes);
    memset(at, 0, item_bytes);
    (*count)++;
    return items;
}

static void array_remove(void *items, uint32_t *count, uint32_t place, size_t item_bytes)
{
    uint8_t *at = (uint8_t *)items + place * item_bytes;
    (*count)--;
    memmove(at, at + item_bytes, (*count - place) * item_bytes);
}

static struct offset_topic *topic_at(struct offsets *offsets, uint32_t place,
                                     const struct name *name)
{
    if (place == offsets->topic_count || offsets->topics[place].name != name)
        return NULL;
    return &offsets->topics[place];
}

/* ---- reading ----------------------------------------------------------------------------------- */

bool offsets_is_empty(const struct offsets *offsets)
{
    return offsets->topic_count == 0;
}

size_t offsets_count(const struct offsets *offsets)
{
    size_t count = 0;
    for (uint32_t i = 0; i < offsets->topic_count; i++)
        count += offsets->topics[i].count;
    return count;
}

size_t offsets_memory_bytes(const struct offsets *offsets)
{
    size_t bytes = offsets->topic_capacity * sizeof(*offsets->topics);
    for (uint32_t i = 0; i < offsets->topic_count; i++) {
        const struct offset_topic *topic = &offsets->topics[i];
        bytes += topic->capacity * sizeof(*topic->items);
        for (uint32_t j = 0; j < topic->count; j++) {
            if (topic->items[j].extra != NULL)
                bytes += sizeof(*topic->items[j].extra) + topic->items[j].extra->metadata_bytes;
        }
    }
    return bytes;
}

const struct offset_topic *offsets_topic(const struct offsets *offsets, const struct name *name)
{
    if (name == NULL)
        return NULL;
    const uint32_t place = topic_place(offsets, name->serial);
    if (place == offsets->topic_count || offsets->topics[place].name != name)
        return NULL;
    return &offsets->topics[place];
}

const struct committed *offset_topic_get(const struct offset_topic *topic, int32_t partition)
{
    if (topic == NULL)
        return NULL;
    const uint32_t place = item_place(topic, partition);
    if (place == topic->count || topic->items[place].partition != partition)
        return NULL;
    return &topic->items[place];
}

struct offset_value committed_value(const struct offset_topic *topic, const struct committed *item)
{
    const struct committed_extra *extra = item->extra;
    return (struct offset_value){
        .offset = item->offset,
        .committed_ms = item->committed_ms,
        .expire_ms = extra == NULL ? -1 : extra->expire_ms,
        .metadata =
            extra == NULL ? bytes_from("", 0) : bytes_from(extra->metadata, extra->metadata_bytes),
        .topic_id = extra == NULL ? topic->topic_id : extra->topic_id,
        .leader_epoch = item->leader_epoch,
    };
}

/* ---- changing ------------------------------------------------------------------------------------ */

static struct committed_extra *extra_for(const struct offset_value *value, struct uuid topic_id)
{
    if (value->metadata.size == 0 && value->expire_ms == -1 &&
        uuid_equal(value->topic_id, topic_id))
        return NULL;
    struct committed_extra *extra = mem_alloc(sizeof(*extra) + value->metadata.size);
    extra->expire_ms = value->expire_ms;
    extra->topic_id = value->topic_id;
    extra->metadata_bytes = (uint32_t)value->metadata.size;
    if (value->metadata.size > 0)
        memcpy(extra->metadata, value->metadata.data, value->metadata.size);
    return extra;
}

static struct offset_topic *topic_for(struct offsets *offsets, struct name *name,
                                      struct uuid topic_id)
{
    const uint32_t place = topic_place(offsets, name->serial);
    struct offset_topic *topic = topic_at(offsets, place, name);
    if (topic != NULL)
        return topic;
    offsets->topics = array_insert(offsets->topics, &offsets->topic_count, &offsets->topic_capacity,
                                   place, sizeof(*offsets->topics));
    topic = &offsets->topics[place];
    topic->name = name_ref(name);
    topic->topic_id = topic_id;
    return topic;
}

/* The place for a partition's item, made if need be. */
static struct committed *item_for(struct offset_topic *topic, int32_t partition, bool *out_is_new)
{
    const uint32_t place = item_place(topic, partition);
    *out_is_new = place == topic->count || topic->items[place].partition != partition;
    if (*out_is_new) {
        topic->items = array_insert(topic->items, &topic->count, &topic->capacity, place,
                                    sizeof(*topic->items));
        topic->items[place].partition = partition;
    }
    return &topic->items[place];
}

static void item_remove(struct offsets *offsets, struct names *names, struct offset_topic *topic,
                        uint32_t place)
{
    array_remove(topic->items, &topic->count, place, sizeof(*topic->items));
    if (topic->count > 0)
        return;
    mem_free(topic->items);
    name_unref(names, topic->name);
    array_remove(offsets->topics, &offsets->topic_count, (uint32_t)(topic - offsets->topics),
                 sizeof(*offsets->topics));
    if (offsets->topic_count == 0) {
        mem_free(offsets->topics);
        *offsets = (struct offsets){ 0 };
    }
}

static void save(struct offset_saved *saved, const struct offset_topic *topic,
                 const struct committed *item)
{
    saved->was_there = true;
    saved->topic_id = topic->topic_id;
    saved->item = *item;
}

void offsets_set(struct offsets *offsets, struct names *names, struct name *name, int32_t partition,
                 const struct offset_value *value, struct offset_saved *saved)
{
    struct offset_saved old = { .name = name_ref(name), .partition = partition };
    if (value != NULL) {
        struct offset_topic *topic = topic_for(offsets, name, value->topic_id);
        bool is_new;
        struct committed *item = item_for(topic, partition, &is_new);
        if (!is_new)
            save(&old, topic, item);
        *item = (struct committed){ .partition = partition,
                                    .leader_epoch = value->leader_epoch,
                                    .offset = value->offset,
                                    .committed_ms = value->committed_ms,
                                    .extra = extra_for(value, topic->topic_id) };
    } else {
        struct offset_topic *topic = topic_at(offsets, topic_place(offsets, name->serial), name);
        const struct committed *item = offset_topic_get(topic, partition);
        if (item != NULL) {
            save(&old, topic, item);
            item_remove(offsets, names, topic, (uint32_t)(item - topic->items));
        }
    }
    if (saved != NULL)
        *saved = old;
    else
        offset_saved_deinit(&old, names);
}

struct offset_value offset_saved_value(const struct offset_saved *saved)
{
    const struct offset_topic was = { .topic_id = saved->topic_id };
    return committed_value(&was, &saved->item);
}

void offsets_restore(struct offsets *offsets, struct names *names, struct offset_saved *saved)
{
    if (!saved->was_there) {
        offsets_set(offsets, names, saved->name, saved->partition, NULL, NULL);
    } else {
        const struct offset_value value = offset_saved_value(saved);
        offsets_set(offsets, names, saved->name, saved->partition, &value, NULL);
    }
    offset_saved_deinit(saved, names);
}

void offset_saved_deinit(struct offset_saved *saved, struct names *names)
{
    mem_free(saved->item.extra);
    name_unref(names, saved->name);
    *saved = (struct offset_saved){ 0 };
}

void offsets_deinit(struct offsets *offsets, struct names *names)
{
    for (uint32_t i = 0; i < offsets->topic_count; i++) {
        struct offset_topic *topic = &offsets->topics[i];
        for (uint32_t j = 0; j < topic->count; j++)
            mem_free(topic->items[j].extra);
        mem_free(topic->items);
        name_unref(names, topic->name);
    }
    mem_free(offsets->topics);
    *offsets = (struct offsets){ 0 };
}
