/* See pending_offsets.h. */
#include "coord/group/pending_offsets.h"

#include "base/mem.h"

/* Offsets that have something in common, linked through one of their lists. */
struct pending_list {
    struct list items;
};

void pending_offsets_init(struct pending_offsets *pending, uint64_t hash_seed)
{
    map_i64_init(&pending->by_producer, hash_seed);
    map_init(&pending->by_place, hash_seed);
}

static void item_free(struct pending_offset *item, struct names *names)
{
    offset_saved_deinit(&item->offset, names);
    mem_free(item);
}

/* ---- the lists that an offset is in ------------------------------------------------------------- */

/* Of addresses: they name a place for as long as something is pending there, and no walk goes by them. */
struct place_key {
    const struct group *group;
    const struct name *topic;
    int64_t partition;
};

static struct bytes place_bytes(const struct place_key *key)
{
    return bytes_from(key, sizeof(*key));
}

static struct place_key place_of(const struct pending_offset *item)
{
    return (struct place_key){ .group = item->group,
                               .topic = item->offset.name,
                               .partition = item->offset.partition };
}

/* NULL: nothing is pending there. */
static struct pending_list *find_place(const struct pending_offsets *pending,
                                       const struct group *group, const struct name *topic,
                                       int32_t partition)
{
    const struct place_key key = { .group = group, .topic = topic, .partition = partition };
    return group->pending_offset_count == 0 ? NULL : map_get(&pending->by_place, place_bytes(&key));
}

static struct pending_list *list_new(void)
{
    struct pending_list *list = MEM_NEW(struct pending_list);
    list_init(&list->items);
    return list;
}

static void attach(struct pending_offsets *pending, struct pending_offset *item)
{
    const struct place_key key = place_of(item);
    struct pending_list *place = map_get(&pending->by_place, place_bytes(&key));
    struct pending_list *transaction = map_i64_get(&pending->by_producer, item->producer_id);
    if (place == NULL)
        (void)map_put(&pending->by_place, place_bytes(&key), place = list_new());
    if (transaction == NULL)
        (void)map_i64_put(&pending->by_producer, item->producer_id, transaction = list_new());
    list_push_back(&place->items, &item->at_place);
    list_push_back(&transaction->items, &item->in_transaction);
    list_push_back(&item->group->pending_offsets, &item->in_group);
    item->group->pending_offset_count++;
}

/* The item is the caller's. */
static void detach(struct pending_offsets *pending, struct pending_offset *item)
{
    const struct place_key key = place_of(item);
    struct pending_list *place = map_get(&pending->by_place, place_bytes(&key));
    struct pending_list *transaction = map_i64_get(&pending->by_producer, item->producer_id);
    ASSERT(item->group->pending_offset_count > 0);
    item->group->pending_offset_count--;
    list_remove(&item->in_group);
    list_remove(&item->at_place);
    list_remove(&item->in_transaction);
    if (list_is_empty(&place->items))
        mem_free(map_remove(&pending->by_place, place_bytes(&key)));
    if (list_is_empty(&transaction->items))
        mem_free(map_i64_remove(&pending->by_producer, item->producer_id));
}

/* NULL when nothing of the transaction is left. */
static struct pending_offset *last_of(const struct pending_offsets *pending, int64_t producer_id)
{
    const struct pending_list *transaction = map_i64_get(&pending->by_producer, producer_id);
    return transaction == NULL
               ? NULL
               : LIST_ENTRY(transaction->items.prev, struct pending_offset, in_transaction);
}

void pending_offsets_deinit(struct pending_offsets *pending, struct names *names)
{
    for (struct map_i64_walk w = { 0 }; map_i64_next(&pending->by_producer, &w);) {
        for (struct pending_offset *item; (item = last_of(pending, w.key)) != NULL;) {
            detach(pending, item);
            item_free(item, names);
        }
    }
    map_i64_deinit(&pending->by_producer);
    map_deinit(&pending->by_place);
}

/* ---- changes ---------------------------------------------------------------------------------- */

static void note_removed(struct pending_changes *changes, struct names *names,
                         struct pending_offset *item)
{
    if (changes == NULL) {
        item_free(item, names);
        return;
    }
    VEC_ADD(&changes->items, ((struct pending_change){
                                 .kind = PENDING_REMOVED, .group = item->group, .item = item }));
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

/* What the transaction had at the item's place before. */
static struct pending_offset *take_older(struct pending_offsets *pending,
                                         const struct pending_offset *item)
{
    struct pending_list *place =
        find_place(pending, item->group, item->offset.name, item->offset.partition);
    if (place == NULL)
        return NULL;
    LIST_FOR_EACH(&place->items, link)
    {
        struct pending_offset *older = LIST_ENTRY(link, struct pending_offset, at_place);
        if (older->producer_id != item->producer_id)
            continue;
        detach(pending, older);
        return older;
    }
    return NULL;
}

void pending_offsets_put(struct pending_offsets *pending, struct names *names, int64_t producer_id,
                         struct group *group, struct name *topic, int32_t partition,
                         const struct offset_value *value, struct pending_changes *changes)
{
    struct pending_offset *item = MEM_NEW(struct pending_offset);
    item->group = group;
    item->producer_id = producer_id;
    item->order = pending->next_order++;
    item->offset = shelve(names, topic, partition, value);
    struct pending_change change = {
        .kind = PENDING_PUT, .group = group, .item = item, .before = take_older(pending, item)
    };
    attach(pending, item);
    if (changes != NULL)
        VEC_ADD(&changes->items, change);
    else
        pending_change_deinit(&change, names);
}

static void overtake(struct pending_offsets *pending, struct group *group, const struct name *topic,
                     int32_t partition, uint64_t before_order, struct pending_changes *changes)
{
    struct pending_list *place = find_place(pending, group, topic, partition);
    if (place == NULL)
        return;
    LIST_FOR_EACH(&place->items, link)
    {
        struct pending_offset *item = LIST_ENTRY(link, struct pending_offset, at_place);
        if (item->is_overtaken || item->order >= before_order)
            continue;
        item->is_overtaken = true;
        if (changes != NULL)
            VEC_ADD(&changes->items,
                    ((struct pending_change){
                        .kind = PENDING_OVERTAKEN, .group = group, .item = item }));
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
    struct pending_list *place;
    while ((place = find_place(pending, group, topic, partition)) != NULL) {
        struct pending_offset *item =
            LIST_ENTRY(place->items.next, struct pending_offset, at_place);
        detach(pending, item);
        note_removed(changes, names, item);
    }
}

/* The group's offset becomes that of a transaction. */
static void commit(struct pending_offsets *pending, struct names *names,
                   const struct pending_offset *item, struct pending_changes *changes)
{
    struct name *topic = item->offset.name;
    const int32_t partition = item->offset.partition;
    const struct offset_value value = offset_saved_value(&item->offset);
    struct pending_change change = { .kind = PENDING_COMMITTED, .group = item->group };
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
    for (struct pending_offset *item; (item = last_of(pending, producer_id)) != NULL;) {
        detach(pending, item);
        if (is_commit && !item->is_overtaken)
            commit(pending, names, item, changes);
        note_removed(changes, names, item);
    }
}

/* ---- and back ---------------------------------------------------------------------------------- */

void pending_change_undo(struct pending_offsets *pending, struct names *names,
                         struct pending_change *change)
{
    switch (change->kind) {
    case PENDING_PUT:
        detach(pending, change->item);
        item_free(change->item, names);
        if (change->before != NULL)
            attach(pending, change->before);
        break;
    case PENDING_REMOVED:
        attach(pending, change->item);
        break;
    case PENDING_OVERTAKEN:
        change->item->is_overtaken = false;
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
    else if (change->kind == PENDING_REMOVED)
        item_free(change->item, names);
    else if (change->before != NULL)
        item_free(change->before, names);
}

/* ---- looking ----------------------------------------------------------------------------------- */

bool pending_offsets_has(const struct pending_offsets *pending, const struct group *group,
                         const struct name *topic, int32_t partition)
{
    return find_place(pending, group, topic, partition) != NULL;
}

bool pending_offsets_next(const struct group *group, struct pending_walk *walk)
{
    struct list *next =
        walk->offset == NULL ? group->pending_offsets.next : walk->offset->in_group.next;
    if (next == &group->pending_offsets)
        return false;
    walk->offset = LIST_ENTRY(next, struct pending_offset, in_group);
    return true;
}
