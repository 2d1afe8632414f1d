/* See pending_offsets.h. */
#include "coord/pending_offsets.h"

#include "base/mem.h"

void pending_offsets_init(struct pending_offsets *pending, uint64_t hash_seed)
{
    map_i64_init(&pending->by_producer, hash_seed);
}

static void transaction_free(struct pending_transaction *transaction, struct names *names)
{
    for (size_t i = 0; i < transaction->offsets.count; i++) {
        struct pending_offset *item = &transaction->offsets.items[i];
        ASSERT(item->group->pending_offset_count > 0);
        item->group->pending_offset_count--;
        offset_saved_deinit(&item->offset, names);
    }
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

/* ---- changes ---------------------------------------------------------------------------------- */

static struct pending_transaction *transaction_for(struct pending_offsets *pending,
                                                   int64_t producer_id)
{
    struct pending_transaction *transaction = map_i64_get(&pending->by_producer, producer_id);
    if (transaction == NULL) {
        transaction = MEM_NEW(struct pending_transaction);
        transaction->producer_id = producer_id;
        (void)map_i64_put(&pending->by_producer, producer_id, transaction); /* was not there */
    }
    return transaction;
}

static void add_item(struct pending_transaction *transaction, struct pending_offset item)
{
    item.group->pending_offset_count++;
    VEC_ADD(&transaction->offsets, item);
}

/* The item is the caller's. */
static struct pending_offset take_item(struct pending_transaction *transaction, size_t index)
{
    const struct pending_offset item = transaction->offsets.items[index];
    ASSERT(item.group->pending_offset_count > 0);
    item.group->pending_offset_count--;
    VEC_REMOVE_AT(&transaction->offsets, index);
    return item;
}

static void free_if_empty(struct pending_offsets *pending, struct pending_transaction *transaction)
{
    if (transaction->offsets.count > 0)
        return;
    (void)map_i64_remove(&pending->by_producer, transaction->producer_id); /* it is there */
    VEC_DEINIT(&transaction->offsets);
    mem_free(transaction);
}

static void note_removed(struct pending_changes *changes, struct names *names, int64_t producer_id,
                         struct pending_offset *item)
{
    if (changes == NULL) {
        offset_saved_deinit(&item->offset, names);
        return;
    }
    VEC_ADD(&changes->items, ((struct pending_change){ .kind = PENDING_REMOVED,
                                                       .group = item->group,
                                                       .producer_id = producer_id,
                                                       .order = item->order,
                                                       .before = *item }));
}

/* Committed somewhere of its own and taken out again, a value has the shape that offsets_restore knows. */
static struct offset_saved shelve(struct names *names, struct name *topic, int32_t partition,
                                  const struct offset_value *value)
{
    struct offsets shelf = { 0 };
    struct offset_saved saved;
    offsets_set(&shelf, names, topic, partition, value, NULL);
    offsets_set(&shelf, names, topic, partition, NULL, &saved);
    return saved;
}

void pending_offsets_put(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                         struct group *group, struct name *topic, int32_t partition,
                         const struct offset_value *value, struct pending_changes *changes)
{
    struct pending_transaction *transaction = transaction_for(pending, producer_id);
    struct pending_change change = { .kind = PENDING_PUT,
                                     .group = group,
                                     .producer_id = producer_id,
                                     .order = pending->next_order++ };
    for (size_t i = 0; i < transaction->offsets.count && change.before.group == NULL; i++) {
        if (is_at(&transaction->offsets.items[i], group, topic, partition))
            change.before = take_item(transaction, i);
    }
    add_item(transaction,
             (struct pending_offset){ .group = group,
                                      .order = change.order,
                                      .offset = shelve(names, topic, partition, value) });
    if (changes != NULL)
        VEC_ADD(&changes->items, change);
    else
        pending_change_deinit(&change, names);
}

static void overtake(struct pending_offsets *pending, struct group *group, const struct name *topic,
                     int32_t partition, uint64_t before_order, struct pending_changes *changes)
{
    if (group->pending_offset_count == 0)
        return;
    for (struct map_i64_walk w = { 0 }; map_i64_next(&pending->by_producer, &w);) {
        struct pending_transaction *transaction = w.value;
        for (size_t i = 0; i < transaction->offsets.count; i++) {
            struct pending_offset *item = &transaction->offsets.items[i];
            if (item->is_overtaken || item->order >= before_order ||
                !is_at(item, group, topic, partition))
                continue;
            item->is_overtaken = true;
            if (changes != NULL)
                VEC_ADD(&changes->items,
                        ((struct pending_change){ .kind = PENDING_OVERTAKEN,
                                                  .group = group,
                                                  .producer_id = transaction->producer_id,
                                                  .order = item->order }));
        }
    }
}

void pending_offsets_overtake(struct pending_offsets *pending, struct group *group,
                              const struct name *topic, int32_t partition,
                              struct pending_changes *changes)
{
    overtake(pending, group, topic, partition, UINT64_MAX, changes);
}

void pending_offsets_remove(struct pending_offsets *pending, struct names *names,
                            struct group *group, const struct name *topic, int32_t partition,
                            struct pending_changes *changes)
{
    if (group->pending_offset_count == 0)
        return;
    for (struct map_i64_walk w = { 0 }; map_i64_next(&pending->by_producer, &w);) {
        struct pending_transaction *transaction = w.value;
        for (size_t i = transaction->offsets.count; i-- > 0;) {
            if (!is_at(&transaction->offsets.items[i], group, topic, partition))
                continue;
            struct pending_offset item = take_item(transaction, i);
            note_removed(changes, names, transaction->producer_id, &item);
        }
        free_if_empty(pending, transaction);
    }
}

/* The group's offset becomes that of a transaction. */
static void commit(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                   const struct pending_offset *item, struct pending_changes *changes)
{
    struct name *topic = item->offset.name;
    const int32_t partition = item->offset.partition;
    const struct offset_value value = offset_saved_value(&item->offset);
    struct pending_change change = { .kind = PENDING_COMMITTED,
                                     .group = item->group,
                                     .producer_id = producer_id,
                                     .order = item->order };
    overtake(pending, item->group, topic, partition, item->order, changes);
    offsets_set(&item->group->offsets, names, topic, partition, &value, &change.saved);
    if (changes != NULL)
        VEC_ADD(&changes->items, change);
    else
        pending_change_deinit(&change, names);
}

void pending_offsets_end(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                         bool is_commit, struct pending_changes *changes)
{
    struct pending_transaction *transaction = map_i64_get(&pending->by_producer, producer_id);
    if (transaction == NULL)
        return;
    while (transaction->offsets.count > 0) {
        struct pending_offset item = take_item(transaction, transaction->offsets.count - 1);
        if (is_commit && !item.is_overtaken)
            commit(pending, names, producer_id, &item, changes);
        note_removed(changes, names, producer_id, &item);
    }
    free_if_empty(pending, transaction);
}

/* ---- and back ---------------------------------------------------------------------------------- */

static size_t find_item(const struct pending_transaction *transaction, uint64_t order)
{
    size_t i = 0;
    while (transaction->offsets.items[i].order != order)
        i++;
    return i;
}

static void undo_put(struct pending_offsets *pending, struct names *names,
                     struct pending_change *change)
{
    struct pending_transaction *transaction = transaction_for(pending, change->producer_id);
    struct pending_offset item = take_item(transaction, find_item(transaction, change->order));
    offset_saved_deinit(&item.offset, names);
    if (change->before.group != NULL)
        add_item(transaction, change->before);
    free_if_empty(pending, transaction);
}

void pending_change_undo(struct pending_offsets *pending, struct names *names,
                         struct pending_change *change)
{
    struct pending_transaction *transaction;
    switch (change->kind) {
    case PENDING_PUT:
        undo_put(pending, names, change);
        break;
    case PENDING_REMOVED:
        add_item(transaction_for(pending, change->producer_id), change->before);
        break;
    case PENDING_OVERTAKEN:
        transaction = transaction_for(pending, change->producer_id);
        transaction->offsets.items[find_item(transaction, change->order)].is_overtaken = false;
        break;
    case PENDING_COMMITTED:
        offsets_restore(&change->group->offsets, names, &change->saved);
        break;
    }
}

void pending_change_deinit(struct pending_change *change, struct names *names)
{
    if (change->kind == PENDING_COMMITTED)
        offset_saved_deinit(&change->saved, names);
    else if (change->before.group != NULL)
        offset_saved_deinit(&change->before.offset, names);
}

/* ---- looking ----------------------------------------------------------------------------------- */

bool pending_offsets_has(const struct pending_offsets *pending, const struct group *group,
                         const struct name *topic, int32_t partition)
{
    for (struct pending_walk w = { 0 }; pending_offsets_next(pending, group, &w);) {
        if (is_at(w.offset, group, topic, partition))
            return true;
    }
    return false;
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
