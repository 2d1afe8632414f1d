/* Reading the image: look-ups and typed walks. */
#include "metadata/image.h"

#include "base/mem.h"
#include "metadata/feature.h"
#include "metadata/item_int.h"

/* ---- partitions and topics ----------------------------------------------------------------- */

const int32_t *metadata_partition_replicas(const struct metadata_partition *p)
{
    return p->ids_;
}

const int32_t *metadata_partition_isr(const struct metadata_partition *p)
{
    return p->ids_ + p->replica_count;
}

const int32_t *metadata_partition_removing(const struct metadata_partition *p)
{
    return metadata_partition_isr(p) + p->isr_count;
}

const int32_t *metadata_partition_adding(const struct metadata_partition *p)
{
    return metadata_partition_removing(p) + p->removing_count;
}

const int32_t *metadata_partition_elr(const struct metadata_partition *p)
{
    return metadata_partition_adding(p) + p->adding_count;
}

const int32_t *metadata_partition_last_known_elr(const struct metadata_partition *p)
{
    return metadata_partition_elr(p) + p->elr_count;
}

const struct uuid *metadata_partition_directories(const struct metadata_partition *p)
{
    return (const struct uuid *)(metadata_partition_last_known_elr(p) + p->last_known_elr_count);
}

struct uuid metadata_partition_directory(const struct metadata_partition *p, int32_t broker_id)
{
    const int32_t *replicas = metadata_partition_replicas(p);
    for (uint16_t i = 0; i < p->replica_count; i++) {
        if (replicas[i] == broker_id)
            return metadata_partition_directories(p)[i];
    }
    ASSERT(false);
    return METADATA_DIRECTORY_LOST;
}

static bool ids_have(const int32_t *ids, uint32_t count, int32_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

bool metadata_partition_has_replica(const struct metadata_partition *p, int32_t broker_id)
{
    return ids_have(metadata_partition_replicas(p), p->replica_count, broker_id);
}

bool metadata_partition_is_in_elr(const struct metadata_partition *p, int32_t broker_id)
{
    return ids_have(metadata_partition_elr(p), p->elr_count, broker_id);
}

uint32_t metadata_topic_partition_count(const struct metadata_topic *topic)
{
    return metadata_tree_count(&topic->partitions);
}

const struct metadata_partition *metadata_topic_partition(const struct metadata_topic *topic,
                                                          int32_t partition_id)
{
    return (const struct metadata_partition *)metadata_tree_get(
        &topic->partitions, metadata__by_partition_id, &partition_id);
}

const struct metadata_endpoint *metadata_broker_endpoint(const struct metadata_broker *broker,
                                                         struct bytes listener)
{
    for (uint32_t i = 0; i < broker->endpoint_count; i++) {
        if (bytes_equal(broker->endpoints[i].name, listener))
            return &broker->endpoints[i];
    }
    return NULL;
}

/* ---- the image's life ------------------------------------------------------------------------ */

struct metadata_image *metadata_image_new(void)
{
    struct metadata_image *image = MEM_NEW(struct metadata_image);
    image->reference_count = 1;
    image->provenance.offset = -1;
    image->producer_ids_broker_id = -1;
    image->producer_ids_broker_epoch = -1;
    image->zk_migration_state = -1;
    return image;
}

struct metadata_image *metadata_image_ref(struct metadata_image *image)
{
    __atomic_fetch_add(&image->reference_count, 1, __ATOMIC_RELAXED);
    return image;
}

void metadata_image_unref(struct metadata_image *image)
{
    if (image == NULL || __atomic_fetch_sub(&image->reference_count, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    metadata_tree_release(&image->features);
    metadata_tree_release(&image->brokers);
    metadata_tree_release(&image->controllers);
    metadata_tree_release(&image->topics_by_name);
    metadata_tree_release(&image->topics_by_id);
    metadata_tree_release(&image->configs);
    metadata_tree_release(&image->quotas);
    metadata_tree_release(&image->acls);
    metadata_tree_release(&image->scram);
    metadata_tree_release(&image->tokens);
    mem_free(image);
}

void metadata_image_unrefp(struct metadata_image **image)
{
    metadata_image_unref(*image);
    *image = NULL;
}

struct metadata_image *metadata__image_share(const struct metadata_image *image)
{
    struct metadata_image *copy = MEM_NEW(struct metadata_image);
    *copy = *image;
    copy->reference_count = 1;
    copy->features = metadata_tree_share(&image->features);
    copy->brokers = metadata_tree_share(&image->brokers);
    copy->controllers = metadata_tree_share(&image->controllers);
    copy->topics_by_name = metadata_tree_share(&image->topics_by_name);
    copy->topics_by_id = metadata_tree_share(&image->topics_by_id);
    copy->configs = metadata_tree_share(&image->configs);
    copy->quotas = metadata_tree_share(&image->quotas);
    copy->acls = metadata_tree_share(&image->acls);
    copy->scram = metadata_tree_share(&image->scram);
    copy->tokens = metadata_tree_share(&image->tokens);
    return copy;
}

bool metadata_image_is_empty(const struct metadata_image *image)
{
    return image->features.root == NULL && image->brokers.root == NULL &&
           image->controllers.root == NULL && image->topics_by_name.root == NULL &&
           image->configs.root == NULL && image->quotas.root == NULL && image->acls.root == NULL &&
           image->scram.root == NULL && image->tokens.root == NULL &&
           image->next_producer_id == 0 && image->zk_migration_state < 0;
}

/* ---- look-ups -------------------------------------------------------------------------------- */

const struct metadata_topic *metadata_topic_by_name(const struct metadata_image *image,
                                                    struct bytes name)
{
    return (const struct metadata_topic *)metadata_tree_get(&image->topics_by_name,
                                                            metadata__by_topic_name, &name);
}

const struct metadata_topic *metadata_topic_by_id(const struct metadata_image *image,
                                                  struct uuid id)
{
    return (const struct metadata_topic *)metadata_tree_get(&image->topics_by_id,
                                                            metadata__by_topic_id, &id);
}

const struct metadata_partition *metadata_partition_get(const struct metadata_image *image,
                                                        struct bytes topic, int32_t partition_id)
{
    const struct metadata_topic *t = metadata_topic_by_name(image, topic);
    return t == NULL ? NULL : metadata_topic_partition(t, partition_id);
}

const struct metadata_broker *metadata_broker_get(const struct metadata_image *image, int32_t id)
{
    return (const struct metadata_broker *)metadata_tree_get(&image->brokers,
                                                             metadata__by_broker_id, &id);
}

const struct metadata_controller *metadata_controller_get(const struct metadata_image *image,
                                                          int32_t id)
{
    return (const struct metadata_controller *)metadata_tree_get(&image->controllers,
                                                                 metadata__by_controller_id, &id);
}

bool metadata_broker_is_active(const struct metadata_image *image, int32_t id)
{
    const struct metadata_broker *broker = metadata_broker_get(image, id);
    return broker != NULL && !broker->is_fenced && !broker->is_in_controlled_shutdown;
}

const struct metadata_config *metadata_config_get(const struct metadata_image *image,
                                                  enum metadata_config_type type,
                                                  struct bytes resource)
{
    const struct metadata_config_key key = { .type = (int8_t)type, .name = resource };
    return (const struct metadata_config *)metadata_tree_get(&image->configs, metadata__by_config,
                                                             &key);
}

struct bytes metadata_config_value(const struct metadata_image *image,
                                   enum metadata_config_type type, struct bytes resource,
                                   struct bytes name)
{
    const struct metadata_config *config = metadata_config_get(image, type, resource);
    if (config == NULL)
        return BYTES_NULL;
    const struct metadata_config_entry *entry =
        (const struct metadata_config_entry *)metadata_tree_get(&config->entries,
                                                                metadata__by_entry_name, &name);
    return entry == NULL ? BYTES_NULL : entry->value;
}

int16_t metadata_feature_level(const struct metadata_image *image, struct bytes name)
{
    const struct metadata_feature *feature = (const struct metadata_feature *)metadata_tree_get(
        &image->features, metadata__by_feature_name, &name);
    return feature == NULL ? 0 : feature->level;
}

/* ---- walks ----------------------------------------------------------------------------------- */

void metadata_walk_topics(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->topics_by_name);
}

void metadata_walk_topics_at(struct metadata_walk *walk, const struct metadata_image *image,
                             struct bytes name)
{
    metadata_walk_begin_at(walk, &image->topics_by_name, metadata__by_topic_name, &name);
}

void metadata_walk_partitions(struct metadata_walk *walk, const struct metadata_topic *topic)
{
    metadata_walk_begin(walk, &topic->partitions);
}

void metadata_walk_partitions_at(struct metadata_walk *walk, const struct metadata_topic *topic,
                                 int32_t partition_id)
{
    metadata_walk_begin_at(walk, &topic->partitions, metadata__by_partition_id, &partition_id);
}

void metadata_walk_brokers(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->brokers);
}

void metadata_walk_controllers(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->controllers);
}

void metadata_walk_configs(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->configs);
}

void metadata_walk_config_entries(struct metadata_walk *walk, const struct metadata_config *config)
{
    metadata_walk_begin(walk, &config->entries);
}

void metadata_walk_features(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->features);
}

void metadata_walk_quotas(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->quotas);
}

void metadata_walk_quota_values(struct metadata_walk *walk, const struct metadata_quota *quota)
{
    metadata_walk_begin(walk, &quota->values);
}

void metadata_walk_acls(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->acls);
}

void metadata_walk_scram(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->scram);
}

void metadata_walk_tokens(struct metadata_walk *walk, const struct metadata_image *image)
{
    metadata_walk_begin(walk, &image->tokens);
}

const struct metadata_topic *metadata_next_topic(struct metadata_walk *walk)
{
    return (const struct metadata_topic *)metadata_walk_next(walk);
}

const struct metadata_partition *metadata_next_partition(struct metadata_walk *walk)
{
    return (const struct metadata_partition *)metadata_walk_next(walk);
}

const struct metadata_broker *metadata_next_broker(struct metadata_walk *walk)
{
    return (const struct metadata_broker *)metadata_walk_next(walk);
}

const struct metadata_controller *metadata_next_controller(struct metadata_walk *walk)
{
    return (const struct metadata_controller *)metadata_walk_next(walk);
}

const struct metadata_config *metadata_next_config(struct metadata_walk *walk)
{
    return (const struct metadata_config *)metadata_walk_next(walk);
}

const struct metadata_config_entry *metadata_next_config_entry(struct metadata_walk *walk)
{
    return (const struct metadata_config_entry *)metadata_walk_next(walk);
}

const struct metadata_feature *metadata_next_feature(struct metadata_walk *walk)
{
    return (const struct metadata_feature *)metadata_walk_next(walk);
}

const struct metadata_quota *metadata_next_quota(struct metadata_walk *walk)
{
    return (const struct metadata_quota *)metadata_walk_next(walk);
}

const struct metadata_quota_value *metadata_next_quota_value(struct metadata_walk *walk)
{
    return (const struct metadata_quota_value *)metadata_walk_next(walk);
}

const struct metadata_acl *metadata_next_acl(struct metadata_walk *walk)
{
    return (const struct metadata_acl *)metadata_walk_next(walk);
}

const struct metadata_scram *metadata_next_scram(struct metadata_walk *walk)
{
    return (const struct metadata_scram *)metadata_walk_next(walk);
}

const struct metadata_token *metadata_next_token(struct metadata_walk *walk)
{
    return (const struct metadata_token *)metadata_walk_next(walk);
}
