/* See txn.h. */
#include "coord/txn/txn.h"

#include "base/mem.h"

#include <string.h>

/* ---- states ------------------------------------------------------------------------------------------- */

static const char *const state_names[TXN_STATE_COUNT] = {
    [TXN_EMPTY] = "Empty",
    [TXN_ONGOING] = "Ongoing",
    [TXN_PREPARE_COMMIT] = "PrepareCommit",
    [TXN_PREPARE_ABORT] = "PrepareAbort",
    [TXN_COMPLETE_COMMIT] = "CompleteCommit",
    [TXN_COMPLETE_ABORT] = "CompleteAbort",
    [TXN_DEAD] = "Dead",
    [TXN_PREPARE_EPOCH_FENCE] = "PrepareEpochFence",
};

const char *txn_state_name(enum txn_state state)
{
    return state_names[state];
}

bool txn_state_from_name(struct bytes name, enum txn_state *out)
{
    for (int i = 0; i < TXN_STATE_COUNT; i++) {
        if (!bytes_equal_text(name, state_names[i]))
            continue;
        *out = (enum txn_state)i;
        return true;
    }
    return false;
}

/* ---- sets of partitions ------------------------------------------------------------------------------ */

/* Where a topic is, or would be. */
static size_t topic_place(const struct txn_partitions *set, const struct name *name)
{
    size_t low = 0;
    size_t high = set->topics.count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (set->topics.items[middle].name->serial < name->serial)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct txn_topic *topic_at(const struct txn_partitions *set, size_t place,
                                  const struct name *name)
{
    const bool is_there = place < set->topics.count && set->topics.items[place].name == name;
    return is_there ? &set->topics.items[place] : NULL;
}

static struct txn_topic *find_topic(const struct txn_partitions *set, const struct names *names,
                                    struct bytes text)
{
    const struct name *name = name_find(names, text);
    return name == NULL ? NULL : topic_at(set, topic_place(set, name), name);
}

/* The topic, which is made if it is not there. */
static struct txn_topic *topic_for(struct txn_partitions *set, struct names *names,
                                   struct bytes text)
{
    struct name *name = name_ref_text(names, text);
    const size_t place = topic_place(set, name);
    if (topic_at(set, place, name) != NULL) {
        name_unref(names, name); /* the topic has its own */
        return &set->topics.items[place];
    }
    (void)VEC_PUSH(&set->topics);
    struct txn_topic *topic = &set->topics.items[place];
    memmove(topic + 1, topic, (set->topics.count - 1 - place) * sizeof(*topic));
    *topic = (struct txn_topic){ .name = name };
    return topic;
}

/* Where a partition is, or would be. */
static size_t place_of(const struct txn_topic *topic, int32_t partition)
{
    size_t low = 0;
    size_t high = topic->partitions.count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (topic->partitions.items[middle] < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct txn_topic *topic, size_t place, int32_t partition)
{
    return place < topic->partitions.count && topic->partitions.items[place] == partition;
}

static void topic_deinit(struct txn_topic *topic, struct names *names)
{
    name_unref(names, topic->name);
    VEC_DEINIT(&topic->partitions);
}

void txn_partitions_deinit(struct txn_partitions *set, struct names *names)
{
    for (size_t i = 0; i < set->topics.count; i++)
        topic_deinit(&set->topics.items[i], names);
    VEC_DEINIT(&set->topics);
    set->count = 0;
}

bool txn_partitions_add(struct txn_partitions *set, struct names *names, struct bytes name,
                        int32_t partition)
{
    struct txn_topic *topic = topic_for(set, names, name);
    const size_t place = place_of(topic, partition);
    if (is_at(topic, place, partition))
        return false;
    VEC_ADD(&topic->partitions, partition);
    memmove(&topic->partitions.items[place + 1], &topic->partitions.items[place],
            (topic->partitions.count - 1 - place) * sizeof(partition));
    topic->partitions.items[place] = partition;
    set->count++;
    return true;
}

bool txn_partitions_remove(struct txn_partitions *set, struct names *names, struct bytes name,
                           int32_t partition)
{
    struct txn_topic *topic = find_topic(set, names, name);
    if (topic == NULL)
        return false;
    const size_t place = place_of(topic, partition);
    if (!is_at(topic, place, partition))
        return false;
    VEC_REMOVE_AT(&topic->partitions, place);
    set->count--;
    if (topic->partitions.count == 0) {
        const size_t index = (size_t)(topic - set->topics.items);
        topic_deinit(topic, names);
        VEC_REMOVE_AT(&set->topics, index);
    }
    return true;
}

bool txn_partitions_has(const struct txn_partitions *set, const struct names *names,
                        struct bytes name, int32_t partition)
{
    const struct txn_topic *topic = find_topic(set, names, name);
    return topic != NULL && is_at(topic, place_of(topic, partition), partition);
}

static void partitions_copy(struct txn_partitions *out, const struct txn_partitions *from)
{
    *out = (struct txn_partitions){ .count = from->count };
    for (size_t i = 0; i < from->topics.count; i++) {
        const struct txn_topic *source = &from->topics.items[i];
        struct txn_topic *topic = VEC_PUSH(&out->topics);
        *topic = (struct txn_topic){ .name = name_ref(source->name) };
        for (size_t j = 0; j < source->partitions.count; j++)
            VEC_ADD(&topic->partitions, source->partitions.items[j]);
    }
}

/* ---- a transactional id -------------------------------------------------------------------------------- */

void txn_values_deinit(struct txn_values *values, struct names *names)
{
    txn_partitions_deinit(&values->partitions, names);
    *values = (struct txn_values){ 0 };
}

void txn_values_copy(struct txn_values *out, const struct txn_values *from)
{
    *out = *from;
    partitions_copy(&out->partitions, &from->partitions);
}

struct txn *txn_new(struct bytes id)
{
    struct txn *txn = mem_zalloc(sizeof(*txn) + id.size);
    txn->now = (struct txn_values){ .producer_id = TXN_NO_PRODUCER_ID,
                                    .previous_producer_id = TXN_NO_PRODUCER_ID,
                                    .next_producer_id = TXN_NO_PRODUCER_ID,
                                    .epoch = TXN_NO_EPOCH,
                                    .last_epoch = TXN_NO_EPOCH,
                                    .start_ms = -1 };
    txn->id_size = (uint32_t)id.size;
    memcpy(txn->id, id.data, id.size);
    return txn;
}

void txn_free(struct txn *txn, struct names *names)
{
    ASSERT(!list_is_linked(&txn->link) && !list_is_linked(&txn->open_link));
    ASSERT(!deadline_is_armed(&txn->retry));
    txn_values_deinit(&txn->now, names);
    txn_values_deinit(&txn->next, names);
    txn_partitions_deinit(&txn->unsent, names);
    mem_free(txn);
}

struct bytes txn_id(const struct txn *txn)
{
    return bytes_from(txn->id, txn->id_size);
}

int16_t txn_logged_epoch(const struct txn *txn)
{
    return (int16_t)(txn->now.epoch - (txn->is_epoch_ahead ? 1 : 0));
}

bool txn_is_epoch_exhausted(int16_t epoch)
{
    return epoch >= TXN_EPOCH_MAX - 1;
}
