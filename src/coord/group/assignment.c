/* See assignment.h. */
#include "coord/group/assignment.h"

#include <stdlib.h>
#include <string.h>

static int item_compare(const struct assignment_item *a, const struct assignment_item *b)
{
    const int by_topic = uuid_compare(a->topic_id, b->topic_id);
    if (by_topic != 0)
        return by_topic;
    return a->partition < b->partition ? -1 : a->partition > b->partition;
}

void assignment_add(struct assignment_builder *builder, struct uuid topic_id, int32_t partition,
                    int32_t epoch)
{
    const struct assignment_item item = { .topic_id = topic_id,
                                          .partition = partition,
                                          .epoch = epoch };
    const size_t count = builder->items.count;
    if (count > 0 && item_compare(&builder->items.items[count - 1], &item) >= 0)
        builder->is_unsorted = true;
    VEC_ADD(&builder->items, item);
}

/* ---- making one ---------------------------------------------------------------------------------- */

struct ranked_item {
    struct assignment_item item;
    size_t rank; /* the order of coming, by which equal ones are told apart */
};

static int ranked_compare(const void *a, const void *b)
{
    const struct ranked_item *x = a;
    const struct ranked_item *y = b;
    const int order = item_compare(&x->item, &y->item);
    if (order != 0)
        return order;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static void sort_items(struct assignment_builder *builder)
{
    const size_t count = builder->items.count;
    struct ranked_item *ranked = MEM_NEW_ARRAY(struct ranked_item, count);
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked_item){ .item = builder->items.items[i], .rank = i };
    qsort(ranked, count, sizeof(*ranked), ranked_compare);
    builder->items.count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || item_compare(&ranked[i - 1].item, &ranked[i].item) != 0)
            VEC_ADD(&builder->items, ranked[i].item);
    }
    mem_free(ranked);
}

static uint32_t count_topics(const struct assignment_item *items, size_t count)
{
    uint32_t topics = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !uuid_equal(items[i - 1].topic_id, items[i].topic_id))
            topics++;
    }
    return topics;
}

static size_t bytes_for(size_t topic_count, size_t partition_count)
{
    return sizeof(struct assignment) + topic_count * sizeof(struct assigned_topic) +
           2 * partition_count * sizeof(int32_t);
}

static struct assignment *from_sorted(const struct assignment_item *items, size_t count)
{
    const uint32_t topic_count = count_topics(items, count);
    struct assignment *out = mem_alloc(bytes_for(topic_count, count));
    int32_t *partitions = (int32_t *)&out->topics[topic_count];
    int32_t *epochs = partitions + count;
    out->topic_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !uuid_equal(items[i - 1].topic_id, items[i].topic_id))
            out->topics[out->topic_count++] = (struct assigned_topic){
                .topic_id = items[i].topic_id, .partitions = &partitions[i], .epochs = &epochs[i]
            };
        out->topics[out->topic_count - 1].count++;
        partitions[i] = items[i].partition;
        epochs[i] = items[i].epoch;
    }
    ASSERT(out->topic_count == topic_count);
    return out;
}

struct assignment *assignment_build(struct assignment_builder *builder)
{
    if (builder->is_unsorted)
        sort_items(builder);
    struct assignment *out =
        builder->items.count == 0 ? NULL : from_sorted(builder->items.items, builder->items.count);
    VEC_DEINIT(&builder->items);
    builder->is_unsorted = false;
    return out;
}

struct assignment *assignment_copy(const struct assignment *assignment)
{
    struct assignment_builder builder = { 0 };
    for (struct assignment_walk w = { 0 }; assignment_next(assignment, &w);)
        VEC_ADD(&builder.items, w.item);
    return assignment_build(&builder);
}

/* ---- questions ------------------------------------------------------------------------------------ */

bool assignment_equal(const struct assignment *a, const struct assignment *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (a->topic_count != b->topic_count)
        return false;
    for (uint32_t i = 0; i < a->topic_count; i++) {
        const struct assigned_topic *x = &a->topics[i];
        const struct assigned_topic *y = &b->topics[i];
        if (!uuid_equal(x->topic_id, y->topic_id) || x->count != y->count ||
            memcmp(x->partitions, y->partitions, x->count * sizeof(int32_t)) != 0 ||
            memcmp(x->epochs, y->epochs, x->count * sizeof(int32_t)) != 0)
            return false;
    }
    return true;
}

const struct assigned_topic *assignment_topic(const struct assignment *assignment,
                                              struct uuid topic_id)
{
    uint32_t low = 0;
    uint32_t high = assignment == NULL ? 0 : assignment->topic_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct assigned_topic *topic = &assignment->topics[middle];
        const int order = uuid_compare(topic->topic_id, topic_id);
        if (order == 0)
            return topic;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

int32_t assigned_index(const struct assigned_topic *topic, int32_t partition)
{
    uint32_t low = 0;
    uint32_t high = topic == NULL ? 0 : topic->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (topic->partitions[middle] == partition)
            return (int32_t)middle;
        if (topic->partitions[middle] < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

bool assignment_has(const struct assignment *assignment, struct uuid topic_id, int32_t partition)
{
    return assigned_index(assignment_topic(assignment, topic_id), partition) >= 0;
}

bool assignment_next(const struct assignment *assignment, struct assignment_walk *walk)
{
    if (assignment == NULL || walk->topic == assignment->topic_count)
        return false;
    const struct assigned_topic *topic = &assignment->topics[walk->topic];
    walk->item = (struct assignment_item){ .topic_id = topic->topic_id,
                                           .partition = topic->partitions[walk->index],
                                           .epoch = topic->epochs[walk->index] };
    if (++walk->index == topic->count) {
        walk->index = 0;
        walk->topic++;
    }
    return true;
}
