/* An image as records: the content of a snapshot. */
#include "metadata/writer.h"

#include "metadata/feature.h"
#include "metadata/item_int.h"
#include "wire/messages/access_control_entry_record.h"
#include "wire/messages/client_quota_record.h"
#include "wire/messages/config_record.h"
#include "wire/messages/delegation_token_record.h"
#include "wire/messages/feature_level_record.h"
#include "wire/messages/partition_record.h"
#include "wire/messages/producer_ids_record.h"
#include "wire/messages/register_broker_record.h"
#include "wire/messages/register_controller_record.h"
#include "wire/messages/topic_record.h"
#include "wire/messages/user_scram_credential_record.h"
#include "wire/messages/zk_migration_state_record.h"

/* Records point to lists, never change them; the generated structs have no const inside. */
#define LENT(pointer) ((void *)(uintptr_t)(pointer))

#define WRITER_ARENA_BYTES_MAX (64u << 20) /* one record's arrays */

struct writing {
    const struct metadata_image *image;
    struct metadata_sink sink;
    struct arena scratch; /* for one record */
    int16_t level;
};

static int put(struct writing *w, const struct wire_message *message, int16_t version,
               const void *value)
{
    const struct metadata_record record = { .message = message,
                                            .version = version,
                                            .value = value };
    const int r = w->sink.put(w->sink.context, &record);
    arena_reset(&w->scratch);
    return r;
}

static int put_feature(struct writing *w, struct bytes name, int16_t level)
{
    struct feature_level_record record;
    feature_level_record_init(&record);
    record.name = name;
    record.feature_level = level;
    return put(w, &feature_level_record_message, 0, &record);
}

/* metadata.version comes first: it says how to read the rest. */
static int write_features(struct writing *w)
{
    const struct bytes first = bytes_from_text(FEATURE_METADATA_VERSION);
    int r = 0;
    if (metadata_feature_level(w->image, first) != 0)
        r = put_feature(w, first, w->level);
    struct metadata_walk walk;
    metadata_walk_features(&walk, w->image);
    const struct metadata_feature *feature;
    while (r >= 0 && (feature = metadata_next_feature(&walk)) != NULL) {
        if (!bytes_equal(feature->name, first))
            r = put_feature(w, feature->name, feature->level);
    }
    return r;
}

static int write_broker(struct writing *w, const struct metadata_broker *b)
{
    const int16_t version = metadata_register_broker_version(w->level);
    struct register_broker_record record;
    register_broker_record_init(&record);
    record.broker_id = b->id;
    record.is_migrating_zk_broker = version >= 2 && b->is_migrating_zk_broker;
    record.incarnation_id = b->incarnation_id;
    record.broker_epoch = b->epoch;
    record.rack = b->rack;
    record.fenced = b->is_fenced;
    record.in_controlled_shutdown = version >= 1 && b->is_in_controlled_shutdown;
    record.end_points = ARENA_NEW_ARRAY(&w->scratch, struct register_broker_record_broker_endpoint,
                                        b->endpoint_count);
    record.end_points_count = (int32_t)b->endpoint_count;
    for (uint32_t i = 0; i < b->endpoint_count; i++) {
        record.end_points[i] = (struct register_broker_record_broker_endpoint){
            .name = b->endpoints[i].name,
            .host = b->endpoints[i].host,
            .port = b->endpoints[i].port,
            .security_protocol = b->endpoints[i].security_protocol,
        };
    }
    record.features = ARENA_NEW_ARRAY(&w->scratch, struct register_broker_record_broker_feature,
                                      b->feature_count);
    record.features_count = (int32_t)b->feature_count;
    for (uint32_t i = 0; i < b->feature_count; i++) {
        record.features[i] = (struct register_broker_record_broker_feature){
            .name = b->features[i].name,
            .min_supported_version = b->features[i].min,
            .max_supported_version = b->features[i].max,
        };
    }
    if (version >= 3) {
        record.log_dirs = LENT(b->directories);
        record.log_dirs_count = (int32_t)b->directory_count;
    }
    if (version >= 4 && b->has_cordoned_directories) {
        record.cordoned_log_dirs = LENT(b->cordoned_directories);
        record.cordoned_log_dirs_count = (int32_t)b->cordoned_directory_count;
    }
    return put(w, &register_broker_record_message, version, &record);
}

static int write_controller(struct writing *w, const struct metadata_controller *c)
{
    struct register_controller_record record;
    register_controller_record_init(&record);
    record.controller_id = c->id;
    record.incarnation_id = c->incarnation_id;
    record.zk_migration_ready = c->is_zk_migration_ready;
    record.end_points = ARENA_NEW_ARRAY(
        &w->scratch, struct register_controller_record_controller_endpoint, c->endpoint_count);
    record.end_points_count = (int32_t)c->endpoint_count;
    for (uint32_t i = 0; i < c->endpoint_count; i++) {
        record.end_points[i] = (struct register_controller_record_controller_endpoint){
            .name = c->endpoints[i].name,
            .host = c->endpoints[i].host,
            .port = c->endpoints[i].port,
            .security_protocol = c->endpoints[i].security_protocol,
        };
    }
    record.features = ARENA_NEW_ARRAY(
        &w->scratch, struct register_controller_record_controller_feature, c->feature_count);
    record.features_count = (int32_t)c->feature_count;
    for (uint32_t i = 0; i < c->feature_count; i++) {
        record.features[i] = (struct register_controller_record_controller_feature){
            .name = c->features[i].name,
            .min_supported_version = c->features[i].min,
            .max_supported_version = c->features[i].max,
        };
    }
    return put(w, &register_controller_record_message, 0, &record);
}

static int write_nodes(struct writing *w)
{
    int r = 0;
    struct metadata_walk walk;
    const struct metadata_broker *broker;
    metadata_walk_brokers(&walk, w->image);
    while (r >= 0 && (broker = metadata_next_broker(&walk)) != NULL)
        r = write_broker(w, broker);
    const struct metadata_controller *controller;
    metadata_walk_controllers(&walk, w->image);
    while (r >= 0 && w->level >= METADATA_LEVEL_CONTROLLERS &&
           (controller = metadata_next_controller(&walk)) != NULL)
        r = write_controller(w, controller);
    return r;
}

static int write_partition(struct writing *w, const struct metadata_topic *topic,
                           const struct metadata_partition *p)
{
    const int16_t version = metadata_partition_version(w->level);
    struct partition_record record;
    partition_record_init(&record);
    record.partition_id = p->id;
    record.topic_id = topic->id;
    record.replicas = LENT(metadata_partition_replicas(p));
    record.replicas_count = p->replica_count;
    record.isr = LENT(metadata_partition_isr(p));
    record.isr_count = p->isr_count;
    record.removing_replicas = LENT(metadata_partition_removing(p));
    record.removing_replicas_count = p->removing_count;
    record.adding_replicas = LENT(metadata_partition_adding(p));
    record.adding_replicas_count = p->adding_count;
    record.leader = p->leader;
    record.leader_recovery_state = p->leader_recovery;
    record.leader_epoch = p->leader_epoch;
    record.partition_epoch = p->partition_epoch;
    if (version >= 1) {
        record.directories = LENT(metadata_partition_directories(p));
        record.directories_count = p->replica_count;
    }
    if (version >= 2 && p->elr_count > 0) {
        record.eligible_leader_replicas = LENT(metadata_partition_elr(p));
        record.eligible_leader_replicas_count = p->elr_count;
    }
    if (version >= 2 && p->last_known_elr_count > 0) {
        record.last_known_elr = LENT(metadata_partition_last_known_elr(p));
        record.last_known_elr_count = p->last_known_elr_count;
    }
    return put(w, &partition_record_message, version, &record);
}

static int write_topics(struct writing *w)
{
    int r = 0;
    struct metadata_walk topics;
    metadata_walk_topics(&topics, w->image);
    const struct metadata_topic *topic;
    while (r >= 0 && (topic = metadata_next_topic(&topics)) != NULL) {
        struct topic_record record;
        topic_record_init(&record);
        record.name = topic->name;
        record.topic_id = topic->id;
        r = put(w, &topic_record_message, 0, &record);
        struct metadata_walk partitions;
        metadata_walk_partitions(&partitions, topic);
        const struct metadata_partition *p;
        while (r >= 0 && (p = metadata_next_partition(&partitions)) != NULL)
            r = write_partition(w, topic, p);
    }
    return r;
}

static int write_configs(struct writing *w)
{
    int r = 0;
    struct metadata_walk configs;
    metadata_walk_configs(&configs, w->image);
    const struct metadata_config *config;
    while (r >= 0 && (config = metadata_next_config(&configs)) != NULL) {
        struct metadata_walk entries;
        metadata_walk_config_entries(&entries, config);
        const struct metadata_config_entry *entry;
        while (r >= 0 && (entry = metadata_next_config_entry(&entries)) != NULL) {
            struct config_record record;
            config_record_init(&record);
            record.resource_type = config->type;
            record.resource_name = config->name;
            record.name = entry->name;
            record.value = entry->value;
            r = put(w, &config_record_message, 0, &record);
        }
    }
    return r;
}

static int write_quota(struct writing *w, const struct metadata_quota *quota)
{
    int r = 0;
    struct metadata_walk values;
    metadata_walk_quota_values(&values, quota);
    const struct metadata_quota_value *value;
    while (r >= 0 && (value = metadata_next_quota_value(&values)) != NULL) {
        struct client_quota_record record;
        client_quota_record_init(&record);
        record.entity =
            ARENA_NEW_ARRAY(&w->scratch, struct client_quota_record_entity_data, quota->part_count);
        record.entity_count = (int32_t)quota->part_count;
        for (uint32_t i = 0; i < quota->part_count; i++) {
            record.entity[i] = (struct client_quota_record_entity_data){
                .entity_type = quota->parts[i].type,
                .entity_name = quota->parts[i].name,
            };
        }
        record.key = value->key;
        record.value = value->value;
        r = put(w, &client_quota_record_message, 0, &record);
    }
    return r;
}

static int write_quotas(struct writing *w)
{
    int r = 0;
    struct metadata_walk walk;
    metadata_walk_quotas(&walk, w->image);
    const struct metadata_quota *quota;
    while (r >= 0 && (quota = metadata_next_quota(&walk)) != NULL)
        r = write_quota(w, quota);
    return r;
}

static int write_producer_ids(struct writing *w)
{
    if (w->image->next_producer_id <= 0)
        return 0;
    struct producer_ids_record record;
    producer_ids_record_init(&record);
    record.broker_id = w->image->producer_ids_broker_id;
    record.broker_epoch = w->image->producer_ids_broker_epoch;
    record.next_producer_id = w->image->next_producer_id;
    return put(w, &producer_ids_record_message, 0, &record);
}

static int write_acls(struct writing *w)
{
    int r = 0;
    struct metadata_walk walk;
    metadata_walk_acls(&walk, w->image);
    const struct metadata_acl *acl;
    while (r >= 0 && (acl = metadata_next_acl(&walk)) != NULL) {
        struct access_control_entry_record record;
        access_control_entry_record_init(&record);
        record.id = acl->id;
        record.resource_type = acl->resource_type;
        record.resource_name = acl->resource_name;
        record.pattern_type = acl->pattern_type;
        record.principal = acl->principal;
        record.host = acl->host;
        record.operation = acl->operation;
        record.permission_type = acl->permission_type;
        r = put(w, &access_control_entry_record_message, 0, &record);
    }
    return r;
}

static int write_credentials(struct writing *w)
{
    int r = 0;
    struct metadata_walk walk;
    const struct metadata_scram *scram;
    metadata_walk_scram(&walk, w->image);
    while (r >= 0 && (scram = metadata_next_scram(&walk)) != NULL) {
        struct user_scram_credential_record record;
        user_scram_credential_record_init(&record);
        record.name = scram->user;
        record.mechanism = scram->mechanism;
        record.salt = scram->salt;
        record.stored_key = scram->stored_key;
        record.server_key = scram->server_key;
        record.iterations = scram->iterations;
        r = put(w, &user_scram_credential_record_message, 0, &record);
    }
    const struct metadata_token *token;
    metadata_walk_tokens(&walk, w->image);
    while (r >= 0 && (token = metadata_next_token(&walk)) != NULL) {
        struct delegation_token_record record;
        delegation_token_record_init(&record);
        record.owner = token->owner;
        record.requester = token->requester;
        record.renewers = LENT(token->renewers);
        record.renewers_count = (int32_t)token->renewer_count;
        record.issue_timestamp = token->issue_ms;
        record.max_timestamp = token->max_ms;
        record.expiration_timestamp = token->expiry_ms;
        record.token_id = token->id;
        r = put(w, &delegation_token_record_message, 0, &record);
    }
    return r;
}

/* Means nothing to Kafka 4, but a directory that once had it keeps it. */
static int write_zk_migration(struct writing *w)
{
    if (w->image->zk_migration_state < 0)
        return 0;
    struct zk_migration_state_record record;
    zk_migration_state_record_init(&record);
    record.zk_migration_state = w->image->zk_migration_state;
    return put(w, &zk_migration_state_record_message, 0, &record);
}

int metadata_image_write(const struct metadata_image *image, struct metadata_sink sink)
{
    static int (*const parts[])(struct writing *) = {
        write_features,     write_nodes, write_topics,      write_configs,      write_quotas,
        write_producer_ids, write_acls,  write_credentials, write_zk_migration,
    };
    struct writing w = { .image = image, .sink = sink, .level = metadata_level(image) };
    arena_init(&w.scratch, WRITER_ARENA_BYTES_MAX);
    int r = 0;
    for (size_t i = 0; r >= 0 && i < ARRAY_LEN(parts); i++)
        r = parts[i](&w);
    arena_deinit(&w.scratch);
    return r < 0 ? r : 0;
}
