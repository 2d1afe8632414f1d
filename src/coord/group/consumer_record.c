/* See consumer_record.h. */
#include "coord/group/consumer_record.h"

#include "wire/messages/consumer_group_current_member_assignment_key.h"
#include "wire/messages/consumer_group_current_member_assignment_value.h"
#include "wire/messages/consumer_group_member_metadata_key.h"
#include "wire/messages/consumer_group_member_metadata_value.h"
#include "wire/messages/consumer_group_metadata_key.h"
#include "wire/messages/consumer_group_metadata_value.h"
#include "wire/messages/consumer_group_partition_metadata_key.h"
#include "wire/messages/consumer_group_partition_metadata_value.h"
#include "wire/messages/consumer_group_regular_expression_key.h"
#include "wire/messages/consumer_group_regular_expression_value.h"
#include "wire/messages/consumer_group_target_assignment_member_key.h"
#include "wire/messages/consumer_group_target_assignment_member_value.h"
#include "wire/messages/consumer_group_target_assignment_metadata_key.h"
#include "wire/messages/consumer_group_target_assignment_metadata_value.h"

static const struct {
    const struct wire_message *key;
    const struct wire_message *value;
} types[] = {
    [CONSUMER_EPOCH] = { &consumer_group_metadata_key_message,
                         &consumer_group_metadata_value_message },
    [CONSUMER_PARTITION_METADATA] = { &consumer_group_partition_metadata_key_message,
                                      &consumer_group_partition_metadata_value_message },
    [CONSUMER_ASSIGNMENT_EPOCH] = { &consumer_group_target_assignment_metadata_key_message,
                                    &consumer_group_target_assignment_metadata_value_message },
    [CONSUMER_PROFILE] = { &consumer_group_member_metadata_key_message,
                           &consumer_group_member_metadata_value_message },
    [CONSUMER_TARGET] = { &consumer_group_target_assignment_member_key_message,
                          &consumer_group_target_assignment_member_value_message },
    [CONSUMER_STATE] = { &consumer_group_current_member_assignment_key_message,
                         &consumer_group_current_member_assignment_value_message },
    [CONSUMER_REGEX] = { &consumer_group_regular_expression_key_message,
                         &consumer_group_regular_expression_value_message },
};

static bool find_part(const struct wire_message *key_type, enum consumer_part *out)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].key == key_type) {
            *out = (enum consumer_part)i;
            return true;
        }
    }
    return false;
}

bool consumer_record_is(const struct wire_message *key_type)
{
    enum consumer_part part;
    return find_part(key_type, &part);
}

/* ---- keys ------------------------------------------------------------------------ */

/* A key is one text, the group's id, or two: whom or what in the group it is of comes behind. */
#define OF_GROUP(type) _Static_assert(sizeof(struct type) == sizeof(struct bytes), "one text")
#define OF_PART(type, field)                                                                       \
    _Static_assert(sizeof(struct type) == 2 * sizeof(struct bytes) &&                              \
                       offsetof(struct type, field) == sizeof(struct bytes),                       \
                   "two texts")
OF_GROUP(consumer_group_metadata_key);
OF_GROUP(consumer_group_partition_metadata_key);
OF_GROUP(consumer_group_target_assignment_metadata_key);
OF_PART(consumer_group_member_metadata_key, member_id);
OF_PART(consumer_group_target_assignment_member_key, member_id);
OF_PART(consumer_group_current_member_assignment_key, member_id);
OF_PART(consumer_group_regular_expression_key, regular_expression);

static size_t text_count(const struct wire_message *key_type)
{
    return key_type->struct_bytes / sizeof(struct bytes);
}

static const void *key_from(struct arena *arena, struct bytes group_id,
                            const struct consumer_change *change)
{
    const size_t count = text_count(types[change->part].key);
    struct bytes *texts = ARENA_NEW_ARRAY(arena, struct bytes, count);
    texts[0] = group_id;
    if (count > 1)
        texts[1] = change->key;
    return texts;
}

static void read_key(const struct record *record, struct bytes *out_group_id, struct bytes *out_key)
{
    const struct bytes *texts = record->key;
    *out_group_id = texts[0];
    *out_key = text_count(record->key_type) > 1 ? texts[1] : BYTES_NULL;
}

/* ---- out of a change: values ------------------------------------------------------------------------ */

static struct consumer_group_member_metadata_value_classic_member_metadata *
classic_from(struct arena *arena, const struct consumer_profile *profile)
{
    struct consumer_group_member_metadata_value_classic_member_metadata *out =
        consumer_group_member_metadata_value_classic_member_metadata_array(arena, 1);
    out->session_timeout_ms = profile->session_timeout_ms;
    out->supported_protocols =
        consumer_group_member_metadata_value_classic_protocol_array(arena, profile->protocol_count);
    out->supported_protocols_count = (int32_t)profile->protocol_count;
    for (uint32_t i = 0; i < profile->protocol_count; i++) {
        out->supported_protocols[i].name = profile->protocols[i].name;
        out->supported_protocols[i].metadata = profile->protocols[i].metadata;
    }
    return out;
}

static const void *profile_from(struct arena *arena, const struct consumer_profile *profile)
{
    struct consumer_group_member_metadata_value *out =
        ARENA_NEW(arena, struct consumer_group_member_metadata_value);
    consumer_group_member_metadata_value_init(out);
    out->instance_id = profile->instance_id;
    out->rack_id = profile->rack_id;
    out->client_id = profile->client_id;
    out->client_host = profile->client_host;
    out->subscribed_topic_names = ARENA_NEW_ARRAY(arena, struct bytes, profile->topic_count);
    for (uint32_t i = 0; i < profile->topic_count; i++)
        out->subscribed_topic_names[i] = profile->topics[i];
    out->subscribed_topic_names_count = (int32_t)profile->topic_count;
    out->subscribed_topic_regex = profile->regex;
    out->rebalance_timeout_ms = profile->rebalance_timeout_ms;
    out->server_assignor = profile->assignor;
    /* What is not told is not null: the message's default is one without protocols. */
    out->classic_member_metadata = profile->is_classic ? classic_from(arena, profile) : NULL;
    return out;
}

static int32_t *numbers(struct arena *arena, const int32_t *from, uint32_t count)
{
    int32_t *out = arena_dup(arena, from, count * sizeof(*from));
    ASSERT(out != NULL);
    return out;
}

static const void *target_from(struct arena *arena, const struct assignment *target)
{
    struct consumer_group_target_assignment_member_value *out =
        ARENA_NEW(arena, struct consumer_group_target_assignment_member_value);
    consumer_group_target_assignment_member_value_init(out);
    const uint32_t count = target == NULL ? 0 : target->topic_count;
    out->topic_partitions =
        consumer_group_target_assignment_member_value_topic_partition_array(arena, count);
    out->topic_partitions_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        struct consumer_group_target_assignment_member_value_topic_partition *topic =
            &out->topic_partitions[i];
        topic->topic_id = target->topics[i].topic_id;
        topic->partitions = numbers(arena, target->topics[i].partitions, target->topics[i].count);
        topic->partitions_count = (int32_t)target->topics[i].count;
    }
    return out;
}

static struct consumer_group_current_member_assignment_value_topic_partitions *
state_topics_from(struct arena *arena, const struct assignment *assignment, int32_t *out_count)
{
    const uint32_t count = assignment == NULL ? 0 : assignment->topic_count;
    struct consumer_group_current_member_assignment_value_topic_partitions *out =
        consumer_group_current_member_assignment_value_topic_partitions_array(arena, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct assigned_topic *topic = &assignment->topics[i];
        out[i].topic_id = topic->topic_id;
        out[i].partitions = numbers(arena, topic->partitions, topic->count);
        out[i].partitions_count = (int32_t)topic->count;
        out[i].assignment_epochs = numbers(arena, topic->epochs, topic->count);
        out[i].assignment_epochs_count = (int32_t)topic->count;
    }
    *out_count = (int32_t)count;
    return out;
}

static const void *state_from(struct arena *arena, const struct consumer_state *state)
{
    struct consumer_group_current_member_assignment_value *out =
        ARENA_NEW(arena, struct consumer_group_current_member_assignment_value);
    consumer_group_current_member_assignment_value_init(out);
    out->member_epoch = state->epoch;
    out->previous_member_epoch = state->previous_epoch;
    out->state = (int8_t)state->step;
    out->assigned_partitions =
        state_topics_from(arena, state->assigned, &out->assigned_partitions_count);
    out->partitions_pending_revocation =
        state_topics_from(arena, state->revoking, &out->partitions_pending_revocation_count);
    return out;
}

static const void *resolved_from(struct arena *arena, const struct resolved_regex *resolved)
{
    struct consumer_group_regular_expression_value *out =
        ARENA_NEW(arena, struct consumer_group_regular_expression_value);
    consumer_group_regular_expression_value_init(out);
    out->topics = ARENA_NEW_ARRAY(arena, struct bytes, resolved->topic_count);
    for (uint32_t i = 0; i < resolved->topic_count; i++)
        out->topics[i] = resolved->topics[i];
    out->topics_count = (int32_t)resolved->topic_count;
    out->version = resolved->version;
    out->timestamp = resolved->resolved_ms;
    return out;
}

static const void *value_from(struct arena *arena, const struct consumer_change *change)
{
    switch (change->part) {
    case CONSUMER_PROFILE:
        return profile_from(arena, change->profile);
    case CONSUMER_TARGET:
        return target_from(arena, change->target);
    case CONSUMER_STATE:
        return state_from(arena, change->state);
    case CONSUMER_REGEX:
        return resolved_from(arena, change->resolved);
    case CONSUMER_EPOCH: {
        struct consumer_group_metadata_value *out =
            ARENA_NEW(arena, struct consumer_group_metadata_value);
        consumer_group_metadata_value_init(out);
        out->epoch = change->epoch;
        out->metadata_hash = change->number;
        return out;
    }
    case CONSUMER_ASSIGNMENT_EPOCH: {
        struct consumer_group_target_assignment_metadata_value *out =
            ARENA_NEW(arena, struct consumer_group_target_assignment_metadata_value);
        consumer_group_target_assignment_metadata_value_init(out);
        out->assignment_epoch = change->epoch;
        out->assignment_timestamp = change->number;
        return out;
    }
    case CONSUMER_PARTITION_METADATA:
        break;
    }
    ASSERT(change->part != CONSUMER_PARTITION_METADATA); /* only its tombstone is written */
    return NULL;
}

void consumer_record_from(struct arena *arena, struct bytes group_id,
                          const struct consumer_change *change, struct record *out)
{
    *out = (struct record){ .key_type = types[change->part].key,
                            .key = key_from(arena, group_id, change) };
    if (!change->is_there)
        return;
    out->value_type = types[change->part].value;
    out->value = value_from(arena, change);
}

/* ---- into a change ------------------------------------------------------------------------------------- */

static void
read_classic(const struct consumer_group_member_metadata_value_classic_member_metadata *told,
             struct arena *scratch, struct consumer_profile *out)
{
    out->is_classic = true;
    out->session_timeout_ms = told->session_timeout_ms;
    const uint32_t count = (uint32_t)told->supported_protocols_count;
    struct member_protocol *protocols = ARENA_NEW_ARRAY(scratch, struct member_protocol, count);
    for (uint32_t i = 0; i < count; i++)
        protocols[i] =
            (struct member_protocol){ .name = told->supported_protocols[i].name,
                                      .metadata = told->supported_protocols[i].metadata };
    consumer_profile_set_protocols(out, scratch, protocols, count);
}

static struct consumer_profile *
read_profile(const struct consumer_group_member_metadata_value *told, struct arena *scratch)
{
    struct consumer_profile profile = consumer_profile_default;
    profile.instance_id = told->instance_id;
    profile.rack_id = told->rack_id;
    profile.client_id = told->client_id;
    profile.client_host = told->client_host;
    if (!bytes_is_null(told->subscribed_topic_regex))
        profile.regex = told->subscribed_topic_regex;
    profile.assignor = told->server_assignor;
    profile.rebalance_timeout_ms = told->rebalance_timeout_ms;
    consumer_profile_set_topics(&profile, scratch, told->subscribed_topic_names,
                                told->subscribed_topic_names_count);
    if (told->classic_member_metadata != NULL)
        read_classic(told->classic_member_metadata, scratch, &profile);
    return consumer_profile_copy(&profile);
}

static struct assignment *
read_target(const struct consumer_group_target_assignment_member_value *told)
{
    struct assignment_builder builder = { 0 };
    for (int32_t i = 0; i < told->topic_partitions_count; i++) {
        const struct consumer_group_target_assignment_member_value_topic_partition *topic =
            &told->topic_partitions[i];
        for (int32_t j = 0; j < topic->partitions_count; j++)
            assignment_add(&builder, topic->topic_id, topic->partitions[j], 0);
    }
    return assignment_build(&builder);
}

/* Before Kafka 4.3 no epochs of partitions were told: then it is the member's. */
static struct assignment *read_state_topics(
    const struct consumer_group_current_member_assignment_value_topic_partitions *topics,
    int32_t count, int32_t member_epoch)
{
    struct assignment_builder builder = { 0 };
    for (int32_t i = 0; i < count; i++) {
        const struct consumer_group_current_member_assignment_value_topic_partitions *topic =
            &topics[i];
        const bool has_epochs = topic->assignment_epochs != NULL &&
                                topic->assignment_epochs_count == topic->partitions_count;
        for (int32_t j = 0; j < topic->partitions_count; j++)
            assignment_add(&builder, topic->topic_id, topic->partitions[j],
                           has_epochs ? topic->assignment_epochs[j] : MAX(member_epoch, 0));
    }
    return assignment_build(&builder);
}

static struct consumer_state *
read_state(const struct consumer_group_current_member_assignment_value *told)
{
    const bool is_known_step = told->state >= CONSUMER_STABLE && told->state <= CONSUMER_UNRELEASED;
    return consumer_state_new((struct consumer_state){
        .epoch = told->member_epoch,
        .previous_epoch = told->previous_member_epoch,
        .step = is_known_step ? (uint8_t)told->state : CONSUMER_STEP_UNKNOWN,
        .assigned = read_state_topics(told->assigned_partitions, told->assigned_partitions_count,
                                      told->member_epoch),
        .revoking =
            read_state_topics(told->partitions_pending_revocation,
                              told->partitions_pending_revocation_count, told->member_epoch),
    });
}

static struct resolved_regex *
read_resolved(const struct consumer_group_regular_expression_value *told, struct arena *scratch)
{
    struct consumer_profile sorted = consumer_profile_default;
    consumer_profile_set_topics(&sorted, scratch, told->topics, told->topics_count);
    return resolved_regex_new(told->version, told->timestamp, sorted.topics, sorted.topic_count);
}

static void read_value(const struct record *record, struct arena *scratch,
                       struct consumer_change *out)
{
    switch (out->part) {
    case CONSUMER_EPOCH: {
        const struct consumer_group_metadata_value *told = record->value;
        out->epoch = told->epoch;
        out->number = told->metadata_hash;
        break;
    }
    case CONSUMER_ASSIGNMENT_EPOCH: {
        const struct consumer_group_target_assignment_metadata_value *told = record->value;
        out->epoch = told->assignment_epoch;
        out->number = told->assignment_timestamp;
        break;
    }
    case CONSUMER_PROFILE:
        out->profile = read_profile(record->value, scratch);
        break;
    case CONSUMER_TARGET:
        out->target = read_target(record->value);
        break;
    case CONSUMER_STATE:
        out->state = read_state(record->value);
        break;
    case CONSUMER_REGEX:
        out->resolved = read_resolved(record->value, scratch);
        break;
    case CONSUMER_PARTITION_METADATA:
        break;
    }
}

void consumer_record_read(const struct record *record, struct arena *scratch,
                          struct bytes *out_group_id, struct consumer_change *out)
{
    *out = (struct consumer_change){ .is_there = record->value != NULL };
    const bool is_known = find_part(record->key_type, &out->part);
    ASSERT(is_known);
    read_key(record, out_group_id, &out->key);
    if (out->is_there)
        read_value(record, scratch, out);
    else if (out->part == CONSUMER_ASSIGNMENT_EPOCH)
        out->epoch = -1; /* as in Kafka, none is left */
    else if (out->part == CONSUMER_EPOCH)
        out->epoch = 1;
}
