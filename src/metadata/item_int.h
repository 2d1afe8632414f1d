/* Items of the image: how they are made, and how their trees are ordered. Inside metadata only.
 *
 * Every item is one allocation; texts inside it end with a NUL that their size does not count. A function that makes
 * one answers a reference that the caller owns, usually to hand it to a tree.
 */
#pragma once

#include "metadata/image.h"

/* What a partition is made of; lists are copied. */
struct metadata_ids {
    const int32_t *items;
    uint32_t count;
};
struct metadata_partition_parts {
    int32_t id;
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t leader_recovery;
    struct metadata_ids replicas, isr, removing, adding, elr, last_known_elr;
    const struct uuid *directories; /* replicas.count of them */
};
#define METADATA_REPLICA_COUNT_MAX UINT16_MAX
/* Each list has at most METADATA_REPLICA_COUNT_MAX ids. */
struct metadata_partition *metadata__partition_new(const struct metadata_partition_parts *parts);
struct metadata_partition_parts
metadata__partition_parts(const struct metadata_partition *p); /* borrowed */

/* `partitions` is shared. */
struct metadata_topic *metadata__topic_new(struct uuid id, struct bytes name,
                                           const struct metadata_tree *partitions);

/* The counts and pointers of `content` say what is copied; its item part is ignored. */
struct metadata_broker *metadata__broker_new(const struct metadata_broker *content);
struct metadata_controller *metadata__controller_new(const struct metadata_controller *content);
struct metadata_config *metadata__config_new(int8_t type, struct bytes name,
                                             const struct metadata_tree *entries);
struct metadata_config_entry *metadata__config_entry_new(struct bytes name, struct bytes value);
struct metadata_feature *metadata__feature_new(struct bytes name, int16_t level);
struct metadata_quota *metadata__quota_new(const struct metadata_quota_entity_part *parts,
                                           uint32_t part_count, const struct metadata_tree *values);
struct metadata_quota_value *metadata__quota_value_new(struct bytes key, double value);
struct metadata_acl *metadata__acl_new(const struct metadata_acl *content);
struct metadata_scram *metadata__scram_new(const struct metadata_scram *content);
struct metadata_token *metadata__token_new(const struct metadata_token *content);

/* A new image of count 1 that shares everything with `image`. */
struct metadata_image *metadata__image_share(const struct metadata_image *image);

struct metadata_config_key {
    int8_t type;
    struct bytes name;
};
struct metadata_quota_key {
    const struct metadata_quota_entity_part *parts; /* sorted by type */
    uint32_t part_count;
};
struct metadata_scram_key {
    int8_t mechanism;
    struct bytes user;
};

/* Orders of the trees; the comment is the key's type. */
metadata_compare metadata__by_topic_name;    /* struct bytes */
metadata_compare metadata__by_topic_id;      /* struct uuid */
metadata_compare metadata__by_partition_id;  /* int32_t */
metadata_compare metadata__by_broker_id;     /* int32_t */
metadata_compare metadata__by_controller_id; /* int32_t */
metadata_compare metadata__by_config;        /* struct metadata_config_key */
metadata_compare metadata__by_entry_name;    /* struct bytes */
metadata_compare metadata__by_feature_name;  /* struct bytes */
metadata_compare metadata__by_quota_entity;  /* struct metadata_quota_key */
metadata_compare metadata__by_quota_value;   /* struct bytes */
metadata_compare metadata__by_acl_id;        /* struct uuid */
metadata_compare metadata__by_scram;         /* struct metadata_scram_key */
metadata_compare metadata__by_token_id;      /* struct bytes */

/* The same between two items, for differences. */
metadata_order metadata__order_topics; /* by name */
metadata_order metadata__order_partitions;
metadata_order metadata__order_brokers;
metadata_order metadata__order_controllers;
metadata_order metadata__order_configs;
metadata_order metadata__order_features;
metadata_order metadata__order_quotas;
metadata_order metadata__order_acls;
metadata_order metadata__order_scram;
metadata_order metadata__order_tokens;
