/* See pending_offsets.h. */
#include "coord/pending_offsets.h"

#include "base/mem.h"

void pending_offsets_init(struct pending_offsets *pending, uint64_t hash_seed)
{
    map_i64_init(&pending->by_producer, hash_seed);
}

static void forget(struct names *names, struct pending_offset *item)
{
    ASSERT(item->group->pending_offset_count > 0);
    item->group->pending_offset_count--;
    offset_saved_deinit(&item->offset, names);
}

static void transaction_free(struct pending_transaction *transaction, struct names *names)
{
    for (size_t i = 0; i < transaction->offsets.count; i++)
        forget(names, &transaction->offsets.items[i]);
    VEC_DEINIT(&transaction->offsets);
    mem_free(transaction);
}

void pending_offsets_deinit(struct pending_offsets *pending, struct names *names)
{
    for (struct map_i64_walk w = { 0 }; map_i64_next(&pending->by_producer, &w);)
        transaction_free(w.value, names);
    map_i64_deinit(&pending->by_producer);
}

static bool is_at(const struct pending_offset *item, const struct group *group,
                  const struct name *topic, int32_t partition)
{
    return item->group == group && item->offset.name == topic &&
           item->offset.partition == partition;
}

void pending_offsets_put(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                         struct group *group, struct name *topic, int32_t partition,
                         const struct offset_value *value)
{
    struct pending_transaction *transaction = map_i64_get(&pending->by_producer, producer_id);
    if (transaction == NULL) {
        transaction = MEM_NEW(struct pending_transaction);
        transaction->producer_id = producer_id;
        (void)map_i64_put(&pending->by_producer, producer_id, transaction); /* was not there */
    }
    struct pending_offset *item = NULL;
    for (size_t i = 0; i < transaction->offsets.count && item == NULL; i++) {
        if (is_at(&transaction->offsets.items[i], group, topic, partition))
            item = &transaction->offsets.items[i];
    }
    if (item != NULL)
        offset_saved_deinit(&item->offset, names);
    else
        item = VEC_PUSH(&transaction->offsets);
    if (item->group == NULL)
        group->pending_offset_count++;
    item->group = group;
    item->is_overtaken = false;
    item->order = pending->next_order++;
    /* Committed somewhere of its own and taken out again, the value has the shape that offsets_restore knows. */
    struct offsets shelf = { 0 };
    offsets_set(&shelf, names, topic, partition, value, NULL);
    offsets_set(&shelf, names, topic, partition, NULL, &item->offset);
}

static void overtake(struct pending_offsets *pending, const struct group *group,
                     const struct name *topic, int32_t partition, uint64_t before_order)
{
    if (group->pending_offset_count == 0)
        return;
    for (struct map_i64_walk w = { 0 }; map_i64_next(&pending->by_producer, &w);) {
        struct pending_transaction *transaction = w.value;
        for (size_t i = 0; i < transaction->offsets.count; i++) {
            struct pending_offset *item = &transaction->offsets.items[i];
            if (item->order < before_order && is_at(item, group, topic, partition))
                item->is_overtaken = true;
        }
    }
}

void pending_offsets_overtake(struct pending_offsets *pending, const struct group *group,
                              const struct name *topic, int32_t partition)
{
    overtake(pending, group, topic, partition, UINT64_MAX);
}

void pending_offsets_remove(struct pending_offsets *pending, struct names *names,
                            struct group *group, const struct name *topic, int32_t partition)
{
    if (group->pending_offset_count == 0)
        return;
    for (struct map_i64_walk w = { 0 }; map_i64_next(&pending->by_producer, &w);) {
        struct pending_transaction *transaction = w.value;
        for (size_t i = transaction->offsets.count; i-- > 0;) {
            if (!is_at(&transaction->offsets.items[i], group, topic, partition))
                continue;
            forget(names, &transaction->offsets.items[i]);
            VEC_REMOVE_AT(&transaction->offsets, i);
        }
    }
}

bool pending_offsets_has(const struct pending_offsets *pending, const struct group *group,
                         const struct name *topic, int32_t partition)
{
    for (struct pending_walk w = { 0 }; pending_offsets_next(pending, group, &w);) {
        if (is_at(w.offset, group, topic, partition))
            return true;
    }
    return false;
}

void pending_offsets_end(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                         bool is_commit)
{
    struct pending_transaction *transaction = map_i64_remove(&pending->by_producer, producer_id);
    if (transaction == NULL)
        return;
    for (size_t i = 0; is_commit && i < transaction->offsets.count; i++) {
        struct pending_offset *item = &transaction->offsets.items[i];
        if (item->is_overtaken)
            continue;
        overtake(pending, item->group, item->offset.name, item->offset.partition, item->order);
        offsets_restore(&item->group->offsets, names, &item->offset);
    }
    transaction_free(transaction, names);
}

bool pending_offsets_next(const struct pending_offsets *pending, const struct group *group,
                          struct pending_walk *walk)
{
    if (group->pending_offset_count == 0)
        return false;
    for (;;) {
        while (walk->transaction != NULL && walk->index < walk->transaction->offsets.count) {
            walk->offset = &walk->transaction->offsets.items[walk->index++];
            if (walk->offset->group == group)
                return true;
        }
        if (!map_i64_next(&pending->by_producer, &walk->transactions))
            return false;
        walk->transaction = walk->transactions.value;
        walk->index = 0;
    }
}
