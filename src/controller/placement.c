/* Where the replicas of new partitions go.
 *
 * Kafka's StripedReplicaPlacer in its effect: replicas of a partition lie on different brokers, spread over racks as far
 * as there are racks; leaders go round the active brokers, beginning at a random one; fenced brokers are used
 * only where the active ones do not suffice, and never as the first replica while one is active.
 */
#include "controller/controller_int.h"

#include "wire/messages/partition_record.h"

struct candidate {
    int32_t id;
    bool is_active;
    struct bytes rack;
};

struct field {
    struct candidate *items; /* active first, in random order within */
    uint32_t count;
    uint32_t active_count;
};

static void shuffle(struct candidate *items, uint32_t count, struct rng *rng)
{
    for (uint32_t i = count; i > 1; i--) {
        const uint32_t j = (uint32_t)rng_below(rng, i);
        const struct candidate swap = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swap;
    }
}

static struct field gather(const struct draft *draft)
{
    struct field field = { .items = ARENA_NEW_ARRAY(draft->call->arena, struct candidate,
                                                    metadata_tree_count(&draft->image->brokers)) };
    for (int pass = 0; pass < 2; pass++) {
        const bool wants_active = pass == 0;
        struct metadata_walk walk;
        const struct metadata_broker *broker;
        for (metadata_walk_brokers(&walk, draft->image);
             (broker = metadata_next_broker(&walk)) != NULL;) {
            const bool is_active = metadata_broker_is_active(draft->image, broker->id);
            if (is_active == wants_active)
                field.items[field.count++] = (struct candidate){ .id = broker->id,
                                                                 .is_active = is_active,
                                                                 .rack = broker->rack };
        }
        if (wants_active)
            field.active_count = field.count;
    }
    shuffle(field.items, field.active_count, draft->call->rng);
    shuffle(field.items + field.active_count, field.count - field.active_count, draft->call->rng);
    return field;
}

static bool has_broker(const int32_t *replicas, uint32_t count, int32_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (replicas[i] == id)
            return true;
    }
    return false;
}

static uint32_t rack_use(const struct field *field, const int32_t *replicas, uint32_t count,
                         struct bytes rack)
{
    uint32_t use = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < field->count; j++)
            use += field->items[j].id == replicas[i] && bytes_equal(field->items[j].rack, rack);
    }
    return use;
}

/* The next replica: active before fenced, then the rack used least, then the turn of `start`. */
static int32_t choose(const struct field *field, uint32_t start, const int32_t *replicas,
                      uint32_t count)
{
    const struct candidate *best = NULL;
    uint32_t best_use = 0;
    for (uint32_t i = 0; i < field->count; i++) {
        const uint32_t group = field->active_count;
        const uint32_t slot = i < group ? (start + count + i) % group : i;
        const struct candidate *candidate = &field->items[slot];
        if (has_broker(replicas, count, candidate->id) ||
            (best != NULL && best->is_active && !candidate->is_active))
            continue;
        const uint32_t use = rack_use(field, replicas, count, candidate->rack);
        if (best == NULL || use < best_use) {
            best = candidate;
            best_use = use;
        }
    }
    ASSERT(best != NULL);
    return best->id;
}

enum kafka_error placement_plan(const struct draft *draft, uint32_t partition_count,
                                uint16_t replication_factor, struct placement *out,
                                struct err_note *note)
{
    const struct field field = gather(draft);
    if (replication_factor > field.count) {
        (void)err_note(note, 0,
                       "Unable to replicate the partition %u time(s): The target replication "
                       "factor of %u cannot be reached "
                       "because only %u broker(s) are registered or some brokers have all their "
                       "log directories cordoned.",
                       replication_factor, replication_factor, field.count);
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    if (field.active_count == 0) {
        (void)err_note(
            note, 0,
            "Unable to replicate the partition %u time(s): All brokers are currently fenced.",
            replication_factor);
        return KAFKA_INVALID_REPLICATION_FACTOR;
    }
    const uint32_t start = (uint32_t)rng_below(draft->call->rng, field.active_count);
    out->partition_count = partition_count;
    out->replication_factor = replication_factor;
    out->replicas =
        ARENA_NEW_ARRAY(draft->call->arena, int32_t, (size_t)partition_count * replication_factor);
    for (uint32_t p = 0; p < partition_count; p++) {
        int32_t *replicas = out->replicas + (size_t)p * replication_factor;
        for (uint32_t i = 0; i < replication_factor; i++)
            replicas[i] = choose(&field, start + p, replicas, i);
    }
    return KAFKA_NONE;
}

/* A broker with one directory has no choice; with several it tells later which one it took; an old one tells none (KIP-858). */
static struct uuid directory_of(const struct draft *draft, int32_t broker_id)
{
    const struct metadata_broker *broker = metadata_broker_get(draft->image, broker_id);
    if (broker != NULL && broker->directory_count == 0)
        return METADATA_DIRECTORY_MIGRATING;
    return broker != NULL && broker->directory_count == 1 ? broker->directories[0]
                                                          : METADATA_DIRECTORY_UNASSIGNED;
}

bool placement_add_partition(struct draft *draft, struct uuid topic_id, int32_t partition,
                             const int32_t *replicas, uint16_t replica_count)
{
    struct arena *arena = draft->call->arena;
    struct partition_record *record = DRAFT_NEW(draft, struct partition_record);
    *record = partition_record_default;
    record->partition_id = partition;
    record->topic_id = topic_id;
    record->replicas = arena_dup(arena, replicas, replica_count * sizeof(*replicas));
    record->replicas_count = replica_count;
    record->isr = ARENA_NEW_ARRAY(arena, int32_t, replica_count);
    record->directories = ARENA_NEW_ARRAY(arena, struct uuid, replica_count);
    record->directories_count = replica_count;
    for (uint16_t i = 0; i < replica_count; i++) {
        record->directories[i] = directory_of(draft, replicas[i]);
        if (metadata_broker_is_active(draft->image, replicas[i]))
            record->isr[record->isr_count++] = replicas[i];
    }
    if (record->isr_count == 0)
        return false;
    record->leader = record->isr[0];
    record->leader_epoch = 0;
    record->partition_epoch = 0;
    draft_add(draft, &partition_record_message, metadata_partition_version(draft->level), record);
    return true;
}
