/* From what members subscribe to and had as their targets to their new targets, by an assignor (KIP-848). */
#include "coord/assignor/assignor.h"
#include "coord/group/consumer_int.h"

#include <stdlib.h>
#include <string.h>

/* An assignment that no batch holds is not tried again before that. */
#define ASSIGNMENT_PAUSE_MS 10000

struct assigning {
    struct group_coordinator *c;
    const struct consumer_group *group;
    struct arena *arena;
    const struct metadata_topic **known; /* in the order of their ids */
    struct assignor_topic *topics;       /* the same ones */
    uint32_t topic_count;
    struct map topic_indexes; /* name → index + 1, as a pointer */
    struct assignor_member *members;
    struct consumer **consumers; /* of each member */
    uint32_t member_count;
    struct map rack_bits; /* of the racks of members: name → bit's number + 1, as a pointer */
};

/* ---- topics ---------------------------------------------------------------------------------------- */

static int by_topic_id(const void *a, const void *b)
{
    const struct metadata_topic *const *x = a;
    const struct metadata_topic *const *y = b;
    return uuid_compare((*x)->id, (*y)->id);
}

static void gather_topics(struct assigning *a)
{
    const uint32_t named = map_count(&a->group->topics);
    const struct metadata_topic **found = a->known =
        ARENA_NEW_ARRAY(a->arena, const struct metadata_topic *, named);
    for (struct map_walk w = { 0 }; a->c->image != NULL && map_next(&a->group->topics, &w);) {
        const struct metadata_topic *topic = metadata_topic_by_name(a->c->image, w.key);
        if (topic != NULL)
            found[a->topic_count++] = topic;
    }
    qsort(found, a->topic_count, sizeof(*found), by_topic_id);
    a->topics = ARENA_NEW_ARRAY(a->arena, struct assignor_topic, a->topic_count);
    for (uint32_t i = 0; i < a->topic_count; i++) {
        a->topics[i] =
            (struct assignor_topic){ .id = found[i]->id,
                                     .partition_count = metadata_topic_partition_count(found[i]) };
        (void)map_put(&a->topic_indexes, found[i]->name, (void *)((uintptr_t)i + 1)); /* a number */
    }
}

/* 0-based; -1: no such topic is assigned. */
static int64_t topic_index(const struct assigning *a, struct uuid id)
{
    uint32_t low = 0;
    uint32_t high = a->topic_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = uuid_compare(a->topics[middle].id, id);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* ---- racks ------------------------------------------------------------------------------------------- */

static uint64_t rack_bit(const struct assigning *a, struct bytes rack)
{
    const uintptr_t number = bytes_is_null(rack) ? 0 : (uintptr_t)map_get(&a->rack_bits, rack);
    return number == 0 ? 0 : UINT64_C(1) << (number - 1);
}

/* Racks beyond the 64th are as if they were not told. */
static uint64_t rack_of_member(struct assigning *a, struct bytes rack)
{
    const uint32_t count = map_count(&a->rack_bits);
    if (rack.size > 0 && count < 64 && map_get(&a->rack_bits, rack) == NULL)
        (void)map_put(&a->rack_bits, rack, (void *)((uintptr_t)count + 1)); /* a number */
    return rack_bit(a, rack);
}

static uint64_t racks_of(const struct assigning *a, const struct metadata_partition *partition)
{
    const int32_t *replicas = metadata_partition_replicas(partition);
    uint64_t racks = 0;
    for (uint16_t i = 0; i < partition->replica_count; i++) {
        const struct metadata_broker *broker = metadata_broker_get(a->c->image, replicas[i]);
        racks |= broker == NULL ? 0 : rack_bit(a, broker->rack);
    }
    return racks;
}

/* Nobody asks where replicas are as long as no member says where it is. */
static void gather_racks(struct assigning *a)
{
    for (uint32_t i = 0; map_count(&a->rack_bits) > 0 && i < a->topic_count; i++) {
        const uint32_t count = a->topics[i].partition_count;
        uint64_t *racks = ARENA_NEW_ARRAY(a->arena, uint64_t, count);
        for (uint32_t p = 0; p < count; p++) {
            const struct metadata_partition *partition =
                metadata_topic_partition(a->known[i], (int32_t)p);
            racks[p] = partition == NULL ? 0 : racks_of(a, partition);
        }
        a->topics[i].racks = racks;
    }
}

/* ---- members ----------------------------------------------------------------------------------------- */

static int by_index(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t add_indexes(const struct assigning *a, const struct bytes *names, uint32_t count,
                            uint32_t *out, uint32_t at)
{
    for (uint32_t i = 0; i < count; i++) {
        const uintptr_t index = (uintptr_t)map_get(&a->topic_indexes, names[i]);
        if (index != 0)
            out[at++] = (uint32_t)index - 1;
    }
    return at;
}

/* Members with the subscription of the one before them share its array. */
static void subscribe(struct assigning *a, struct assignor_member *member,
                      const struct consumer *consumer, const struct assignor_member *previous,
                      const struct consumer *previous_consumer)
{
    const struct consumer_profile *profile = consumer->profile;
    if (previous != NULL && bytes_equal(profile->regex, previous_consumer->profile->regex) &&
        consumer_profile_same_topics(profile, previous_consumer->profile)) {
        member->topics = previous->topics;
        member->topic_count = previous->topic_count;
        return;
    }
    const struct resolved_regex *resolved =
        profile->regex.size == 0 ? NULL : consumer_group_resolved(a->group, profile->regex);
    const uint32_t resolved_count = resolved == NULL ? 0 : resolved->topic_count;
    uint32_t *indexes =
        ARENA_NEW_ARRAY(a->arena, uint32_t, (size_t)profile->topic_count + (size_t)resolved_count);
    uint32_t count = add_indexes(a, profile->topics, profile->topic_count, indexes, 0);
    if (resolved != NULL)
        count = add_indexes(a, resolved->topics, resolved_count, indexes, count);
    if (count > 0)
        qsort(indexes, count, sizeof(*indexes), by_index);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || indexes[kept - 1] != indexes[i])
            indexes[kept++] = indexes[i];
    }
    member->topics = indexes;
    member->topic_count = kept;
}

static void tell_target(struct assigning *a, struct assignor_member *member,
                        const struct assignment *target)
{
    size_t count = 0;
    for (struct assignment_walk w = { 0 }; assignment_next(target, &w);)
        count++;
    struct assignor_partition *owned = ARENA_NEW_ARRAY(a->arena, struct assignor_partition, count);
    for (struct assignment_walk w = { 0 }; assignment_next(target, &w);) {
        const int64_t topic = topic_index(a, w.item.topic_id);
        if (topic >= 0 && w.item.partition >= 0)
            owned[member->owned_count++] =
                (struct assignor_partition){ .topic = (uint32_t)topic,
                                             .partition = (uint32_t)w.item.partition };
    }
    member->owned = owned;
}

static int by_member_id(const void *a, const void *b)
{
    const struct consumer *const *x = a;
    const struct consumer *const *y = b;
    return bytes_compare(group_consumer_id(*x), group_consumer_id(*y));
}

static void gather_members(struct assigning *a)
{
    a->consumers = ARENA_NEW_ARRAY(a->arena, struct consumer *, a->group->member_count);
    struct consumer *consumer;
    for (struct map_walk w = { 0 }; consumer_group_next(a->group, &w, &consumer);)
        a->consumers[a->member_count++] = consumer;
    qsort(a->consumers, a->member_count, sizeof(struct consumer *), by_member_id);
    a->members = ARENA_NEW_ARRAY(a->arena, struct assignor_member, a->member_count);
    for (uint32_t i = 0; i < a->member_count; i++) {
        struct assignor_member *member = &a->members[i];
        member->member_id = group_consumer_id(a->consumers[i]);
        member->instance_id = a->consumers[i]->profile->instance_id;
        member->rack = rack_of_member(a, a->consumers[i]->profile->rack_id);
        subscribe(a, member, a->consumers[i], i == 0 ? NULL : &a->members[i - 1],
                  i == 0 ? NULL : a->consumers[i - 1]);
        tell_target(a, member, a->consumers[i]->target);
    }
}

/* ---- the new targets ------------------------------------------------------------------------------------- */

static void put_share(struct assigning *a, const struct consumer *consumer,
                      const struct assignor_share *share)
{
    struct assignment_builder builder = { 0 };
    for (uint32_t i = 0; i < share->partition_count; i++)
        assignment_add(&builder, a->topics[share->partitions[i].topic].id,
                       (int32_t)share->partitions[i].partition, 0);
    struct assignment *target = assignment_build(&builder);
    if (!consumer->has_target || !assignment_equal(target, consumer->target))
        coord__put_target(a->c, consumer->group, group_consumer_id(consumer), target);
    mem_free(target);
}

static enum assignor choose(const struct group_coordinator *c, const struct consumer_group *group)
{
    enum assignor assignor = c->settings.assignors[0];
    const struct bytes wanted = consumer_group_assignor(group);
    if (!bytes_is_null(wanted) && group_assignor_by_name(wanted, &assignor) < 0)
        assignor = c->settings.assignors[0]; /* asked for in a log of another build */
    return assignor;
}

static void assign(struct group_coordinator *c, struct group *group)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct assigning a = { .c = c, .group = group->consumer, .arena = &arena };
    map_init(&a.topic_indexes, c->hash_seed);
    map_init(&a.rack_bits, c->hash_seed);
    gather_topics(&a);
    gather_members(&a);
    gather_racks(&a);
    const struct assignor_group asked = { .members = a.members,
                                          .member_count = a.member_count,
                                          .topics = a.topics,
                                          .topic_count = a.topic_count };
    const struct assignor_share *shares;
    const int r = group_assignor_assign(choose(c, group->consumer), &asked, &arena, &shares);
    ASSERT(r == 0); /* the arena has no limit, and no image could hold INT32_MAX partitions */
    for (uint32_t i = 0; i < a.member_count; i++)
        put_share(&a, a.consumers[i], &shares[i]);
    map_deinit(&a.topic_indexes);
    map_deinit(&a.rack_bits);
    arena_deinit(&arena);
    coord__put_assignment_epoch(c, group, group->consumer->epoch, c->event->wall_ms);
}

/* A last time that is yet to come was told by a clock that has been set back since. */
static bool is_too_early(const struct group_coordinator *c, const struct group *group)
{
    const int32_t interval_ms =
        coord__group_setting(c, group, &c->settings.consumer_assignment_interval_ms);
    const int64_t assigned_ms = group->consumer->assigned_ms;
    const int64_t wall_ms = c->event->wall_ms;
    return c->event->now_ms < group->consumer->assign_not_before_ms ||
           (assigned_ms != 0 && interval_ms != 0 && assigned_ms <= wall_ms &&
            wall_ms < i64_add_clamped(assigned_ms, interval_ms));
}

bool coord__consumer_assign(struct group_coordinator *c, struct group *group)
{
    const struct consumer_group *consumer = group->consumer;
    if (consumer->assignment_epoch >= consumer->epoch || is_too_early(c, group))
        return false;
    assign(c, group);
    return true;
}

bool coord__consumer_postpone_assignment(struct group_coordinator *c, struct bytes group_id)
{
    struct group *group = coord__find(c, group_id);
    if (group == NULL || group->consumer == NULL || !group->consumer->has_assignment_epoch)
        return false;
    group->consumer->assign_not_before_ms = i64_add_clamped(c->event->now_ms, ASSIGNMENT_PAUSE_MS);
    return true;
}
