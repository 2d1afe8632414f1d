/* What happens to partitions when a broker comes or goes: leaders, ISR and eligible leaders (KIP-966).
 *
 * As a 4.3.1 controller with ELR writes it. A broker that goes leaves the ISR; if that would empty it below
 * min.insync.replicas it becomes an eligible leader replica, and the last leader is remembered. The leader is the first
 * replica in order of assignment that is in the ISR (else eligible) and active; none: -1. A broker that comes back and is
 * eligible, where nobody leads, leads again with itself as ISR.
 */
#include "controller/controller_int.h"

#include "wire/messages/partition_change_record.h"

#define REPLICAS_MAX     128
#define LEADER_NO_CHANGE (-2)

struct ids {
    int32_t items[REPLICAS_MAX];
    int32_t count;
};

static struct ids ids_of(const int32_t *items, int32_t count)
{
    struct ids ids = { .count = MIN(count, REPLICAS_MAX) };
    for (int32_t i = 0; i < ids.count; i++)
        ids.items[i] = items[i];
    return ids;
}

static bool ids_has(const struct ids *ids, int32_t id)
{
    for (int32_t i = 0; i < ids->count; i++) {
        if (ids->items[i] == id)
            return true;
    }
    return false;
}

static void ids_add(struct ids *ids, int32_t id)
{
    if (!ids_has(ids, id) && ids->count < REPLICAS_MAX)
        ids->items[ids->count++] = id;
}

static void ids_remove(struct ids *ids, int32_t id)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < ids->count; i++) {
        if (ids->items[i] != id)
            ids->items[kept++] = ids->items[i];
    }
    ids->count = kept;
}

static bool ids_equal(const struct ids *a, const int32_t *items, int32_t count)
{
    if (a->count != count)
        return false;
    for (int32_t i = 0; i < count; i++) {
        if (a->items[i] != items[i])
            return false;
    }
    return true;
}

static int32_t *ids_keep(const struct ids *ids, struct arena *arena)
{
    return arena_dup(arena, ids->items, (size_t)ids->count * sizeof(ids->items[0]));
}

static bool is_active(const struct draft *draft, const struct broker_change *change, int32_t id)
{
    if (id == change->id)
        return change->becomes_active;
    return metadata_broker_is_active(draft->image, id);
}

/* min.insync.replicas of a topic: its own, else the cluster's default. */
static int32_t isr_count_min(const struct draft *draft, const struct metadata_topic *topic)
{
    struct bytes value = metadata_config_value(draft->image, METADATA_CONFIG_TOPIC, topic->name,
                                               BYTES_LITERAL("min.insync.replicas"));
    if (bytes_is_null(value))
        value = metadata_config_value(draft->image, METADATA_CONFIG_BROKER, BYTES_LITERAL(""),
                                      BYTES_LITERAL("min.insync.replicas"));
    int64_t count = 1;
    if (bytes_is_null(value) || bytes_to_i64(value, &count) < 0)
        count = 1;
    return (int32_t)MAX(count, (int64_t)1);
}

/* The state a partition is to have. */
struct target {
    struct ids isr;
    struct ids elr;
    struct ids last_known_elr;
    int32_t leader;
};

static int32_t elect(const struct draft *draft, const struct broker_change *change,
                     const struct metadata_partition *p, const struct target *t)
{
    if (p->leader >= 0 && is_active(draft, change, p->leader) && ids_has(&t->isr, p->leader))
        return p->leader;
    const int32_t *replicas = metadata_partition_replicas(p);
    for (int32_t i = 0; i < p->replica_count; i++) {
        if (ids_has(&t->isr, replicas[i]) && is_active(draft, change, replicas[i]))
            return replicas[i];
    }
    for (int32_t i = 0; i < p->replica_count; i++) {
        if (ids_has(&t->elr, replicas[i]) && is_active(draft, change, replicas[i]))
            return replicas[i];
    }
    return METADATA_LEADER_NONE;
}

static struct target plan(const struct draft *draft, const struct broker_change *change,
                          const struct metadata_topic *topic, const struct metadata_partition *p)
{
    const bool has_elr =
        metadata_feature_level(draft->image, BYTES_LITERAL(FEATURE_ELR_VERSION)) > 0;
    const int32_t count_min = MIN(isr_count_min(draft, topic), (int32_t)p->replica_count);
    struct target t = {
        .isr = ids_of(metadata_partition_isr(p), p->isr_count),
        .elr = ids_of(metadata_partition_elr(p), p->elr_count),
        .last_known_elr = ids_of(metadata_partition_last_known_elr(p), p->last_known_elr_count),
    };
    if (!change->becomes_active && ids_has(&t.isr, change->id)) {
        if (has_elr || t.isr.count > 1)
            ids_remove(
                &t.isr,
                change->id); /* without ELR the last member stays, or its data would be forgotten */
        if (has_elr && t.isr.count < count_min)
            ids_add(&t.elr, change->id);
    }
    t.leader = elect(draft, change, p, &t);
    if (t.leader == METADATA_LEADER_NONE && has_elr && p->leader >= 0) {
        t.last_known_elr.count = 0;
        ids_add(&t.last_known_elr, p->leader); /* who led last, should all eligible ones be lost */
    }
    if (t.leader >= 0 && !ids_has(&t.isr, t.leader)) {
        t.isr.count = 0; /* an eligible replica takes over: it alone is in sync */
        ids_add(&t.isr, t.leader);
        ids_remove(&t.elr, t.leader);
    }
    if (t.isr.count >= count_min)
        t.elr.count = 0;
    if (t.leader >= 0)
        t.last_known_elr.count = 0;
    return t;
}

static void add_change(struct draft *draft, const struct metadata_topic *topic,
                       const struct metadata_partition *p, const struct target *t)
{
    struct arena *arena = draft->call->arena;
    struct partition_change_record *record = DRAFT_NEW(draft, struct partition_change_record);
    *record = partition_change_record_default;
    record->partition_id = p->id;
    record->topic_id = topic->id;
    bool is_changed = false;
    if (!ids_equal(&t->isr, metadata_partition_isr(p), p->isr_count)) {
        record->isr = ids_keep(&t->isr, arena);
        record->isr_count = t->isr.count;
        is_changed = true;
    }
    if (t->leader != p->leader) {
        record->leader = t->leader;
        is_changed = true;
    }
    if (!ids_equal(&t->elr, metadata_partition_elr(p), p->elr_count)) {
        record->eligible_leader_replicas = ids_keep(&t->elr, arena);
        record->eligible_leader_replicas_count = t->elr.count;
        is_changed = true;
    }
    if (!ids_equal(&t->last_known_elr, metadata_partition_last_known_elr(p),
                   p->last_known_elr_count)) {
        record->last_known_elr = ids_keep(&t->last_known_elr, arena);
        record->last_known_elr_count = t->last_known_elr.count;
        is_changed = true;
    }
    if (is_changed)
        draft_add(draft, &partition_change_record_message, metadata_partition_version(draft->level),
                  record);
}

void partition_changes(struct draft *draft, const struct broker_change *change)
{
    struct metadata_walk topics;
    const struct metadata_topic *topic;
    for (metadata_walk_topics(&topics, draft->image);
         (topic = metadata_next_topic(&topics)) != NULL;) {
        struct metadata_walk partitions;
        const struct metadata_partition *p;
        for (metadata_walk_partitions(&partitions, topic);
             (p = metadata_next_partition(&partitions)) != NULL;) {
            if (!metadata_partition_has_replica(p, change->id))
                continue;
            if (change->becomes_active && p->leader >= 0)
                continue; /* it has a leader; the newcomer rejoins the ISR by catching up */
            const struct target target = plan(draft, change, topic, p);
            add_change(draft, topic, p, &target);
        }
    }
}
