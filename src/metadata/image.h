/* The cluster as the metadata log tells it: an immutable image that shares structure with its predecessors.
 *
 * Holds what every metadata record type says, acted upon or not, so that a snapshot can be written from it alone.
 * Everything handed out is borrowed and lives as long as the image it came from; hold a reference
 * (metadata_image_ref) for what lasts longer than a turn. Walks go in order of keys: names by bytes, ids by number,
 * uuids by bytes.
 * Threads: immutable, counts are atomic; read from any shard. Images are made by metadata/loader.h.
 * Memory: about 150 bytes a partition with one replica, 300 a topic plus its name (image_test.c measures).
 * KIP-500, KIP-584 (features), KIP-631 (records), KIP-841/KIP-966 (fencing, ELR), KIP-858 (directories).
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"
#include "metadata/tree.h"

#define METADATA_TOPIC_NAME  "__cluster_metadata"
#define METADATA_LEADER_NONE (-1)

/* ---- topics -------------------------------------------------------------------------------- */

enum metadata_recovery { METADATA_RECOVERED = 0, METADATA_RECOVERING = 1 };

/* One allocation: the arrays follow the struct and are reached through the functions below. */
/* In place of a replica's directory (Kafka's DirectoryId, KIP-858): recorded before directories were; the broker has not told
 * yet which one it took; the one it had is gone. */
#define METADATA_DIRECTORY_MIGRATING  ((struct uuid){ .bytes = { 0 } })
#define METADATA_DIRECTORY_UNASSIGNED ((struct uuid){ .bytes = { [15] = 1 } })
#define METADATA_DIRECTORY_LOST       ((struct uuid){ .bytes = { [15] = 2 } })

struct metadata_partition {
    struct metadata_item item;
    int32_t id;
    int32_t leader; /* METADATA_LEADER_NONE */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t leader_recovery; /* enum metadata_recovery */
    uint16_t replica_count; /* also of directories */
    uint16_t isr_count;
    uint16_t removing_count;
    uint16_t adding_count;
    uint16_t elr_count;
    uint16_t last_known_elr_count;
    int32_t ids_[]; /* replicas, isr, removing, adding, elr, last known elr; then directories */
};
const int32_t *metadata_partition_replicas(const struct metadata_partition *p);
const int32_t *metadata_partition_isr(const struct metadata_partition *p);
const int32_t *metadata_partition_removing(const struct metadata_partition *p);
const int32_t *metadata_partition_adding(const struct metadata_partition *p);
const int32_t *metadata_partition_elr(const struct metadata_partition *p);
const int32_t *metadata_partition_last_known_elr(const struct metadata_partition *p);
const struct uuid *
metadata_partition_directories(const struct metadata_partition *p); /* one for each replica */
/* That of one replica, which there is. */
struct uuid metadata_partition_directory(const struct metadata_partition *p, int32_t broker_id);
bool metadata_partition_has_replica(const struct metadata_partition *p, int32_t broker_id);
bool metadata_partition_is_in_elr(const struct metadata_partition *p, int32_t broker_id);

struct metadata_topic {
    struct metadata_item item;
    struct uuid id;
    struct bytes name; /* NUL follows it */
    struct metadata_tree partitions;
};
uint32_t metadata_topic_partition_count(const struct metadata_topic *topic);
const struct metadata_partition *metadata_topic_partition(const struct metadata_topic *topic,
                                                          int32_t partition_id);

/* ---- nodes --------------------------------------------------------------------------------- */

struct metadata_endpoint {
    struct bytes name; /* of the listener; NUL follows each text */
    struct bytes host;
    uint16_t port;
    int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
};

struct metadata_feature_range {
    struct bytes name;
    int16_t min;
    int16_t max;
};

struct metadata_broker {
    struct metadata_item item;
    int32_t id;
    int64_t epoch; /* the offset of its registration */
    struct uuid incarnation_id;
    struct bytes rack; /* may be null */
    bool is_fenced;
    bool is_in_controlled_shutdown;
    bool is_migrating_zk_broker;
    bool has_cordoned_directories; /* tells "none are" from "not told" */
    const struct metadata_endpoint *endpoints;
    const struct metadata_feature_range *features; /* sorted by name */
    const struct uuid *directories;                /* sorted */
    const struct uuid *cordoned_directories;       /* sorted */
    uint32_t endpoint_count;
    uint32_t feature_count;
    uint32_t directory_count;
    uint32_t cordoned_directory_count;
};
const struct metadata_endpoint *metadata_broker_endpoint(const struct metadata_broker *broker,
                                                         struct bytes listener);

struct metadata_controller {
    struct metadata_item item;
    int32_t id;
    struct uuid incarnation_id;
    bool is_zk_migration_ready;
    const struct metadata_endpoint *endpoints;
    const struct metadata_feature_range *features;
    uint32_t endpoint_count;
    uint32_t feature_count;
};

/* ---- settings ------------------------------------------------------------------------------- */

enum metadata_config_type { /* numbers of the protocol's resource types */
                            METADATA_CONFIG_TOPIC = 2,
                            METADATA_CONFIG_BROKER = 4, /* name "" is the default of all brokers */
                            METADATA_CONFIG_BROKER_LOGGER = 8,
                            METADATA_CONFIG_CLIENT_METRICS = 16,
                            METADATA_CONFIG_GROUP = 32,
};

struct metadata_config_entry {
    struct metadata_item item;
    struct bytes name;
    struct bytes value; /* never null */
};

struct metadata_config { /* of one resource; never empty */
    struct metadata_item item;
    int8_t type;
    struct bytes name;
    struct metadata_tree entries;
};

struct metadata_feature {
    struct metadata_item item;
    struct bytes name;
    int16_t level; /* never 0 */
};

/* ---- principals and limits ------------------------------------------------------------------- */

struct metadata_quota_entity_part {
    struct bytes type; /* "user", "client-id", "ip" */
    struct bytes name; /* null: the default entity */
};
struct metadata_quota_value {
    struct metadata_item item;
    struct bytes key;
    double value;
};
struct metadata_quota { /* of one entity; never empty */
    struct metadata_item item;
    const struct metadata_quota_entity_part *parts; /* sorted by type */
    uint32_t part_count;
    struct metadata_tree values;
};

struct metadata_acl {
    struct metadata_item item;
    struct uuid id;
    int8_t resource_type, pattern_type, operation, permission_type;
    struct bytes resource_name, principal, host;
};

struct metadata_scram { /* secrets: never printed */
    struct metadata_item item;
    int8_t mechanism; /* 1 SCRAM-SHA-256, 2 SCRAM-SHA-512 */
    struct bytes user, salt, stored_key, server_key;
    int32_t iterations;
};

struct metadata_token {
    struct metadata_item item;
    struct bytes id, owner, requester;
    const struct bytes *renewers;
    uint32_t renewer_count;
    int64_t issue_ms, expiry_ms, max_ms;
};

/* ---- the image ------------------------------------------------------------------------------- */

struct metadata_provenance {
    int64_t offset; /* of the last record in it; -1: none */
    int32_t epoch;
    int64_t timestamp_ms; /* of the batch that held that record */
};

struct metadata_image {
    uint32_t reference_count; /* atomic */
    struct metadata_provenance provenance;
    uint64_t version; /* counts publications of one loader: what shards compare */
    struct metadata_tree features;
    struct metadata_tree brokers;
    struct metadata_tree controllers;
    struct metadata_tree topics_by_name;
    struct metadata_tree topics_by_id;
    struct metadata_tree configs;
    struct metadata_tree quotas;
    struct metadata_tree acls;
    struct metadata_tree scram;
    struct metadata_tree tokens;
    uint64_t partition_count;       /* over all topics */
    int64_t next_producer_id;       /* first id that no block has; 0 at birth */
    int32_t producer_ids_broker_id; /* of the last ProducerIdsRecord; -1 */
    int64_t producer_ids_broker_epoch;
    int8_t zk_migration_state; /* -1: never recorded */
};

struct metadata_image *metadata_image_new(void); /* empty, count 1 */
struct metadata_image *metadata_image_ref(struct metadata_image *image);
void metadata_image_unref(struct metadata_image *image); /* NULL is fine */
void metadata_image_unrefp(struct metadata_image **image);
bool metadata_image_is_empty(const struct metadata_image *image); /* says nothing at all */

const struct metadata_topic *metadata_topic_by_name(const struct metadata_image *image,
                                                    struct bytes name);
const struct metadata_topic *metadata_topic_by_id(const struct metadata_image *image,
                                                  struct uuid id);
const struct metadata_partition *metadata_partition_get(const struct metadata_image *image,
                                                        struct bytes topic, int32_t partition_id);
const struct metadata_broker *metadata_broker_get(const struct metadata_image *image, int32_t id);
const struct metadata_controller *metadata_controller_get(const struct metadata_image *image,
                                                          int32_t id);
/* Registered, unfenced and not shutting down. */
bool metadata_broker_is_active(const struct metadata_image *image, int32_t id);
const struct metadata_config *metadata_config_get(const struct metadata_image *image,
                                                  enum metadata_config_type type,
                                                  struct bytes resource);
/* Null if not set. */
struct bytes metadata_config_value(const struct metadata_image *image,
                                   enum metadata_config_type type, struct bytes resource,
                                   struct bytes name);
int16_t metadata_feature_level(const struct metadata_image *image,
                               struct bytes name); /* 0: not set */

/* Typed walks. `metadata_walk_topics_at` begins with the first topic whose name is not below `name`.
 *   for (metadata_walk_topics(&w, image); (topic = metadata_next_topic(&w)) != NULL;) */
void metadata_walk_topics(struct metadata_walk *walk, const struct metadata_image *image);
void metadata_walk_topics_at(struct metadata_walk *walk, const struct metadata_image *image,
                             struct bytes name);
void metadata_walk_partitions(struct metadata_walk *walk, const struct metadata_topic *topic);
void metadata_walk_partitions_at(struct metadata_walk *walk, const struct metadata_topic *topic,
                                 int32_t partition_id);
void metadata_walk_brokers(struct metadata_walk *walk, const struct metadata_image *image);
void metadata_walk_controllers(struct metadata_walk *walk, const struct metadata_image *image);
void metadata_walk_configs(struct metadata_walk *walk,
                           const struct metadata_image *image); /* by type, then name */
void metadata_walk_config_entries(struct metadata_walk *walk, const struct metadata_config *config);
void metadata_walk_features(struct metadata_walk *walk, const struct metadata_image *image);
void metadata_walk_quotas(struct metadata_walk *walk, const struct metadata_image *image);
void metadata_walk_quota_values(struct metadata_walk *walk, const struct metadata_quota *quota);
void metadata_walk_acls(struct metadata_walk *walk, const struct metadata_image *image);
void metadata_walk_scram(struct metadata_walk *walk, const struct metadata_image *image);
void metadata_walk_tokens(struct metadata_walk *walk, const struct metadata_image *image);
const struct metadata_topic *metadata_next_topic(struct metadata_walk *walk);
const struct metadata_partition *metadata_next_partition(struct metadata_walk *walk);
const struct metadata_broker *metadata_next_broker(struct metadata_walk *walk);
const struct metadata_controller *metadata_next_controller(struct metadata_walk *walk);
const struct metadata_config *metadata_next_config(struct metadata_walk *walk);
const struct metadata_config_entry *metadata_next_config_entry(struct metadata_walk *walk);
const struct metadata_feature *metadata_next_feature(struct metadata_walk *walk);
const struct metadata_quota *metadata_next_quota(struct metadata_walk *walk);
const struct metadata_quota_value *metadata_next_quota_value(struct metadata_walk *walk);
const struct metadata_acl *metadata_next_acl(struct metadata_walk *walk);
const struct metadata_scram *metadata_next_scram(struct metadata_walk *walk);
const struct metadata_token *metadata_next_token(struct metadata_walk *walk);
