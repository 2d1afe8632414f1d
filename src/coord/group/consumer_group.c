/* See consumer_group.h. */
#include "coord/group/consumer_group.h"

/* Which partitions of a topic members have: partition → how many, as a pointer. Two only for moments of a load. */
struct held_topic {
    struct map_i64 counts;
};

static struct bytes uuid_key(const struct uuid *id)
{
    return bytes_from(id->bytes, sizeof(id->bytes));
}

/* ---- birth and death ---------------------------------------------------------------------------- */

struct consumer_group *consumer_group_new(struct group *group, struct deadlines *deadlines,
                                          uint64_t hash_seed)
{
    struct consumer_group *out = MEM_NEW(struct consumer_group);
    out->group = group;
    out->deadlines = deadlines;
    out->epoch = out->assignment_epoch = 1;
    struct map *const maps[] = { &out->members,   &out->instances, &out->topics, &out->regexes,
                                 &out->assignors, &out->protocols, &out->held };
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        map_init(maps[i], hash_seed);
    return out;
}

static void release(struct consumer_group *group, struct consumer *consumer)
{
    group_consumer_disarm(consumer, group->deadlines);
    group_consumer_free(consumer);
}

void consumer_group_free(struct consumer_group *group)
{
    if (group == NULL)
        return;
    deadline_cancel(group->deadlines, &group->regex);
    for (struct map_walk w = { 0 }; map_next(&group->members, &w);)
        release(group, w.value);
    for (struct map_walk w = { 0 }; map_next(&group->topics, &w);)
        mem_free(w.value);
    for (struct map_walk w = { 0 }; map_next(&group->regexes, &w);) {
        struct consumer_regex *regex = w.value;
        mem_free(regex->resolved);
        mem_free(regex);
    }
    for (struct map_walk w = { 0 }; map_next(&group->held, &w);) {
        struct held_topic *topic = w.value;
        map_i64_deinit(&topic->counts);
        mem_free(topic);
    }
    struct map *const maps[] = { &group->members, &group->instances, &group->topics,
                                 &group->regexes, &group->assignors, &group->protocols,
                                 &group->held };
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        map_deinit(maps[i]);
    mem_free(group);
}

struct resolved_regex *resolved_regex_new(int64_t version, int64_t resolved_ms,
                                          const struct bytes *topics, uint32_t topic_count)
{
    size_t text_size = 0;
    for (uint32_t i = 0; i < topic_count; i++)
        text_size += topics[i].size;
    struct resolved_regex *out =
        mem_alloc(sizeof(*out) + topic_count * sizeof(*topics) + text_size + 1);
    struct bytes *copies = (struct bytes *)(out + 1);
    uint8_t *at = (uint8_t *)(copies + topic_count);
    for (uint32_t i = 0; i < topic_count; i++)
        copies[i] = bytes_append(&at, topics[i]);
    *out = (struct resolved_regex){
        .version = version, .resolved_ms = resolved_ms, .topic_count = topic_count, .topics = copies
    };
    return out;
}

/* ---- questions ------------------------------------------------------------------------------------ */

bool consumer_group_is_blank(const struct consumer_group *group)
{
    return !group->has_epoch && !group->has_partition_metadata && !group->has_assignment_epoch &&
           map_count(&group->members) == 0 && map_count(&group->regexes) == 0;
}

const char *consumer_group_state_name(const struct consumer_group *group)
{
    if (group->member_count == 0)
        return "Empty";
    if (group->epoch > group->assignment_epoch)
        return "Assigning";
    return group->settled_count < group->member_count ? "Reconciling" : "Stable";
}

struct consumer *consumer_group_member(const struct consumer_group *group, struct bytes id)
{
    struct consumer *consumer = map_get(&group->members, id);
    return group_consumer_is_member(consumer) ? consumer : NULL;
}

struct consumer *consumer_group_instance(const struct consumer_group *group,
                                         struct bytes instance_id)
{
    return bytes_is_null(instance_id) ? NULL : map_get(&group->instances, instance_id);
}

bool consumer_group_next(const struct consumer_group *group, struct map_walk *walk,
                         struct consumer **out)
{
    while (map_next(&group->members, walk)) {
        *out = walk->value;
        if (group_consumer_is_member(*out))
            return true;
    }
    return false;
}

bool consumer_group_subscribes(const struct consumer_group *group, struct bytes topic)
{
    return map_get(&group->topics, topic) != NULL;
}

uint32_t consumer_group_regex_subscribers(const struct consumer_group *group, struct bytes regex)
{
    const struct consumer_regex *known = map_get(&group->regexes, regex);
    return known == NULL ? 0 : known->subscriber_count;
}

const struct resolved_regex *consumer_group_resolved(const struct consumer_group *group,
                                                     struct bytes regex)
{
    const struct consumer_regex *known = map_get(&group->regexes, regex);
    return known == NULL ? NULL : known->resolved;
}

const struct resolved_regex *consumer_group_any_resolved(const struct consumer_group *group)
{
    for (struct map_walk w = { 0 }; map_next(&group->regexes, &w);) {
        const struct consumer_regex *regex = w.value;
        if (regex->resolved != NULL)
            return regex->resolved;
    }
    return NULL;
}

struct bytes consumer_group_assignor(const struct consumer_group *group)
{
    struct bytes best = BYTES_NULL;
    uintptr_t most = 0;
    for (struct map_walk w = { 0 }; map_next(&group->assignors, &w);) {
        const uintptr_t count = (uintptr_t)w.value;
        if (count > most || (count == most && bytes_compare(w.key, best) > 0)) {
            most = count;
            best = w.key;
        }
    }
    return best;
}

bool consumer_group_speaks(const struct consumer_group *group, struct bytes protocol)
{
    return map_tally(&group->protocols, protocol) == group->classic_count;
}

bool consumer_group_is_held(const struct consumer_group *group, struct uuid topic_id,
                            int32_t partition)
{
    const struct held_topic *topic = map_get(&group->held, uuid_key(&topic_id));
    return topic != NULL && map_i64_get(&topic->counts, partition) != NULL;
}

bool group_consumer_is_settled(const struct consumer *consumer, int32_t assignment_epoch)
{
    const struct consumer_state *state = group_consumer_now(consumer);
    return state->step == CONSUMER_STABLE && state->epoch == assignment_epoch;
}

/* ---- figures that follow ------------------------------------------------------------------------------ */

static struct subscribed_topic *topic_entry(struct consumer_group *group, struct bytes name)
{
    struct subscribed_topic *topic = map_get(&group->topics, name);
    if (topic == NULL) {
        topic = MEM_NEW(struct subscribed_topic);
        (void)map_put(&group->topics, name, topic); /* it was not there */
        group->topics_hash_image = 0;
    }
    return topic;
}

static void drop_idle_topic(struct consumer_group *group, struct bytes name,
                            struct subscribed_topic *topic)
{
    if (topic->name_count > 0 || topic->regex_count > 0)
        return;
    (void)map_remove(&group->topics, name); /* it is there */
    group->topics_hash_image = 0;
    mem_free(topic);
}

static struct consumer_regex *regex_entry(struct consumer_group *group, struct bytes text)
{
    struct consumer_regex *regex = map_get(&group->regexes, text);
    if (regex == NULL) {
        regex = MEM_NEW(struct consumer_regex);
        (void)map_put(&group->regexes, text, regex); /* it was not there */
    }
    return regex;
}

static void drop_idle_regex(struct consumer_group *group, struct bytes text,
                            struct consumer_regex *regex)
{
    if (regex->subscriber_count > 0 || regex->resolved != NULL)
        return;
    (void)map_remove(&group->regexes, text); /* it is there */
    mem_free(regex);
}

static void count_names(struct consumer_group *group, const struct consumer_profile *profile,
                        bool is_more)
{
    for (uint32_t i = 0; i < profile->topic_count; i++) {
        struct subscribed_topic *topic = topic_entry(group, profile->topics[i]);
        topic->name_count += is_more ? 1 : UINT32_MAX;
        drop_idle_topic(group, profile->topics[i], topic);
    }
}

static void count_regex(struct consumer_group *group, struct bytes text, bool is_more)
{
    if (text.size == 0)
        return;
    struct consumer_regex *regex = regex_entry(group, text);
    const bool was_idle = regex->subscriber_count == 0;
    regex->subscriber_count += is_more ? 1 : UINT32_MAX;
    if (was_idle != (regex->subscriber_count == 0))
        group->subscribed_regex_count += is_more ? 1 : UINT32_MAX;
    drop_idle_regex(group, text, regex);
}

static void count_resolved(struct consumer_group *group, const struct resolved_regex *resolved,
                           bool is_more)
{
    if (resolved == NULL)
        return;
    group->resolved_regex_count += is_more ? 1 : UINT32_MAX;
    for (uint32_t i = 0; i < resolved->topic_count; i++) {
        struct subscribed_topic *topic = topic_entry(group, resolved->topics[i]);
        topic->regex_count += is_more ? 1 : UINT32_MAX;
        drop_idle_topic(group, resolved->topics[i], topic);
    }
}

static void count_held(struct consumer_group *group, const struct assignment *assignment,
                       bool is_more)
{
    for (uint32_t i = 0; assignment != NULL && i < assignment->topic_count; i++) {
        const struct assigned_topic *assigned = &assignment->topics[i];
        struct held_topic *topic = map_get(&group->held, uuid_key(&assigned->topic_id));
        if (topic == NULL) {
            topic = MEM_NEW(struct held_topic);
            map_i64_init(&topic->counts, group->held.seed);
            (void)map_put(&group->held, uuid_key(&assigned->topic_id),
                          topic); /* it was not there */
        }
        for (uint32_t j = 0; j < assigned->count; j++) {
            const int64_t partition = assigned->partitions[j];
            const uintptr_t count =
                (uintptr_t)map_i64_get(&topic->counts, partition) + (is_more ? 1 : UINTPTR_MAX);
            if (count == 0)
                (void)map_i64_remove(&topic->counts, partition);
            else
                (void)map_i64_put(&topic->counts, partition, (void *)count); /* a number */
        }
        if (map_i64_count(&topic->counts) == 0) {
            (void)map_remove(&group->held, uuid_key(&assigned->topic_id));
            map_i64_deinit(&topic->counts);
            mem_free(topic);
        }
    }
}

/* Everything that a member with a profile counts for. */
static void count_member(struct consumer_group *group, struct consumer *consumer, bool is_more)
{
    const uint32_t step = is_more ? 1 : UINT32_MAX;
    void (*tally)(struct map *, struct bytes) = is_more ? map_tally_add : map_tally_drop;
    const struct consumer_profile *profile = consumer->profile;
    if (profile == NULL)
        return;
    group->member_count += step;
    group->classic_count += profile->is_classic ? step : 0;
    group->settled_count += group_consumer_is_settled(consumer, group->assignment_epoch) ? step : 0;
    count_names(group, profile, is_more);
    count_regex(group, profile->regex, is_more);
    if (!bytes_is_null(profile->assignor))
        tally(&group->assignors, profile->assignor);
    for (uint32_t i = 0; i < profile->protocol_count; i++)
        tally(&group->protocols, profile->protocols[i].name);
    if (bytes_is_null(profile->instance_id))
        return;
    if (is_more)
        (void)map_put(&group->instances, profile->instance_id, consumer); /* the newest counts */
    else if (map_get(&group->instances, profile->instance_id) == consumer)
        (void)map_remove(&group->instances, profile->instance_id);
}

void consumer_group_take_in(struct consumer_group *group)
{
    for (struct map_walk w = { 0 }; map_next(&group->members, &w);) {
        struct consumer *consumer = w.value;
        if (consumer->profile != NULL || consumer->state == NULL)
            continue;
        consumer->profile = consumer_profile_copy(&consumer_profile_default);
        count_member(group, consumer, true);
    }
}

static void recount_settled(struct consumer_group *group)
{
    group->settled_count = 0;
    struct consumer *consumer;
    for (struct map_walk w = { 0 }; consumer_group_next(group, &w, &consumer);)
        group->settled_count +=
            group_consumer_is_settled(consumer, group->assignment_epoch) ? 1 : 0;
}

/* ---- changes -------------------------------------------------------------------------------------------- */

static void swap_bool(bool *a, bool *b)
{
    const bool kept = *a;
    *a = *b;
    *b = kept;
}

static void swap_numbers(struct consumer_change *change, bool *has, int32_t *epoch, int64_t *number)
{
    const int32_t epoch_before = *epoch;
    const int64_t number_before = *number;
    *epoch = change->epoch;
    *number = change->number;
    change->epoch = epoch_before;
    change->number = number_before;
    swap_bool(has, &change->is_there);
}

static struct consumer *member_entry(struct consumer_group *group, struct bytes id)
{
    struct consumer *consumer = map_get(&group->members, id);
    if (consumer == NULL) {
        consumer = group_consumer_new(group->group, id);
        (void)map_put(&group->members, id, consumer); /* it was not there */
    }
    return consumer;
}

static void drop_blank_member(struct consumer_group *group, struct consumer *consumer)
{
    if (consumer->profile != NULL || consumer->state != NULL || consumer->has_target)
        return;
    (void)map_remove(&group->members, group_consumer_id(consumer)); /* it is there */
    release(group, consumer);
}

static void swap_profile(struct consumer_group *group, struct consumer_change *change)
{
    struct consumer *consumer = member_entry(group, change->key);
    struct consumer_profile *before = consumer->profile;
    count_member(group, consumer, false);
    consumer->profile = change->profile;
    count_member(group, consumer, true);
    change->profile = before;
    change->is_there = before != NULL;
    if (consumer->profile == NULL)
        group_consumer_disarm(consumer, group->deadlines);
    drop_blank_member(group, consumer);
}

static void swap_target(struct consumer_group *group, struct consumer_change *change)
{
    struct consumer *consumer = member_entry(group, change->key);
    struct assignment *before = consumer->target;
    consumer->target = change->target;
    change->target = before;
    swap_bool(&consumer->has_target, &change->is_there);
    drop_blank_member(group, consumer);
}

static void swap_state(struct consumer_group *group, struct consumer_change *change)
{
    struct consumer *consumer = member_entry(group, change->key);
    const struct consumer_state *now = group_consumer_now(consumer);
    const bool is_member = consumer->profile != NULL;
    count_held(group, now->assigned, false);
    count_held(group, now->revoking, false);
    if (is_member && group_consumer_is_settled(consumer, group->assignment_epoch))
        group->settled_count--;
    struct consumer_state *before = consumer->state;
    consumer->state = change->state;
    change->state = before;
    change->is_there = before != NULL;
    now = group_consumer_now(consumer);
    count_held(group, now->assigned, true);
    count_held(group, now->revoking, true);
    if (is_member && group_consumer_is_settled(consumer, group->assignment_epoch))
        group->settled_count++;
    drop_blank_member(group, consumer);
}

static void swap_regex(struct consumer_group *group, struct consumer_change *change)
{
    struct consumer_regex *regex = regex_entry(group, change->key);
    struct resolved_regex *before = regex->resolved;
    count_resolved(group, before, false);
    regex->resolved = change->resolved;
    count_resolved(group, regex->resolved, true);
    change->resolved = before;
    change->is_there = before != NULL;
    drop_idle_regex(group, change->key, regex);
}

void consumer_group_swap(struct consumer_group *group, struct consumer_change *change)
{
    switch (change->part) {
    case CONSUMER_EPOCH:
        swap_numbers(change, &group->has_epoch, &group->epoch, &group->metadata_hash);
        break;
    case CONSUMER_PARTITION_METADATA:
        swap_bool(&group->has_partition_metadata, &change->is_there);
        break;
    case CONSUMER_ASSIGNMENT_EPOCH:
        swap_numbers(change, &group->has_assignment_epoch, &group->assignment_epoch,
                     &group->assigned_ms);
        recount_settled(group);
        break;
    case CONSUMER_PROFILE:
        swap_profile(group, change);
        break;
    case CONSUMER_TARGET:
        swap_target(group, change);
        break;
    case CONSUMER_STATE:
        swap_state(group, change);
        break;
    case CONSUMER_REGEX:
        swap_regex(group, change);
        break;
    }
}

void consumer_change_deinit(struct consumer_change *change, bool owns_key)
{
    switch (change->part) {
    case CONSUMER_PROFILE:
        mem_free(change->profile);
        break;
    case CONSUMER_TARGET:
        mem_free(change->target);
        break;
    case CONSUMER_STATE:
        consumer_state_free(change->state);
        break;
    case CONSUMER_REGEX:
        mem_free(change->resolved);
        break;
    case CONSUMER_EPOCH:
    case CONSUMER_PARTITION_METADATA:
    case CONSUMER_ASSIGNMENT_EPOCH:
        break;
    }
    if (owns_key)
        bytes_free(change->key);
}
