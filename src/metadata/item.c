/* Making, freeing and ordering the items of the image. */
#include "metadata/item_int.h"

#include "base/mem.h"

#include <string.h>

/* ---- one allocation for a struct and what it points to ------------------------------------------ */

union content {
    struct metadata_item item;
    struct metadata_topic topic;
    struct metadata_broker broker;
    struct metadata_controller controller;
    struct metadata_config config;
    struct metadata_config_entry config_entry;
    struct metadata_feature feature;
    struct metadata_quota quota;
    struct metadata_quota_value quota_value;
    struct metadata_acl acl;
    struct metadata_scram scram;
    struct metadata_token token;
};

/* Runs twice over the same content: with data NULL it only measures, then it copies. */
struct packer {
    uint8_t *data;
    size_t used_bytes;
};

static void *pack(struct packer *p, const void *from, size_t size_bytes)
{
    void *place = p->data == NULL ? NULL : p->data + p->used_bytes;
    if (place != NULL && size_bytes > 0)
        memcpy(place, from, size_bytes);
    p->used_bytes += (size_bytes + 7) & ~(size_t)7;
    return place;
}

static void pack_text(struct packer *p, struct bytes *text)
{
    if (bytes_is_null(*text))
        return;
    uint8_t *place = p->data == NULL ? NULL : p->data + p->used_bytes;
    if (place != NULL) {
        if (text->size > 0)
            memcpy(place, text->data, text->size);
        place[text->size] = '\0';
        text->data = place;
    }
    p->used_bytes += (text->size + 8) & ~(size_t)7;
}

/* The texts inside a packed array: in the measuring pass there is no copy to change, only sizes to count. */
#define PACK_TEXTS(p, array, original, count, member)                                              \
    do {                                                                                           \
        for (uint32_t i_ = 0; i_ < (count); i_++) {                                                \
            struct bytes text_ = (original)[i_].member;                                            \
            pack_text((p), &text_);                                                                \
            if ((array) != NULL)                                                                   \
                (array)[i_].member = text_;                                                        \
        }                                                                                          \
    } while (0)

static void pack_endpoints(struct packer *p, const struct metadata_endpoint **endpoints,
                           uint32_t count)
{
    const struct metadata_endpoint *original = *endpoints;
    struct metadata_endpoint *copy = pack(p, original, count * sizeof(*copy));
    PACK_TEXTS(p, copy, original, count, name);
    PACK_TEXTS(p, copy, original, count, host);
    *endpoints = copy;
}

static void pack_features(struct packer *p, const struct metadata_feature_range **features,
                          uint32_t count)
{
    const struct metadata_feature_range *original = *features;
    struct metadata_feature_range *copy = pack(p, original, count * sizeof(*copy));
    PACK_TEXTS(p, copy, original, count, name);
    *features = copy;
}

static void fill_topic(struct packer *p, union content *c)
{
    pack_text(p, &c->topic.name);
}

static void fill_broker(struct packer *p, union content *c)
{
    struct metadata_broker *b = &c->broker;
    pack_endpoints(p, &b->endpoints, b->endpoint_count);
    pack_features(p, &b->features, b->feature_count);
    b->directories = pack(p, b->directories, b->directory_count * sizeof(struct uuid));
    b->cordoned_directories =
        pack(p, b->cordoned_directories, b->cordoned_directory_count * sizeof(struct uuid));
    pack_text(p, &b->rack);
}

static void fill_controller(struct packer *p, union content *c)
{
    pack_endpoints(p, &c->controller.endpoints, c->controller.endpoint_count);
    pack_features(p, &c->controller.features, c->controller.feature_count);
}

static void fill_config(struct packer *p, union content *c)
{
    pack_text(p, &c->config.name);
}

static void fill_config_entry(struct packer *p, union content *c)
{
    pack_text(p, &c->config_entry.name);
    pack_text(p, &c->config_entry.value);
}

static void fill_feature(struct packer *p, union content *c)
{
    pack_text(p, &c->feature.name);
}

static void fill_quota(struct packer *p, union content *c)
{
    const struct metadata_quota_entity_part *original = c->quota.parts;
    const uint32_t count = c->quota.part_count;
    struct metadata_quota_entity_part *copy = pack(p, original, count * sizeof(*copy));
    PACK_TEXTS(p, copy, original, count, type);
    PACK_TEXTS(p, copy, original, count, name);
    c->quota.parts = copy;
}

static void fill_quota_value(struct packer *p, union content *c)
{
    pack_text(p, &c->quota_value.key);
}

static void fill_acl(struct packer *p, union content *c)
{
    pack_text(p, &c->acl.resource_name);
    pack_text(p, &c->acl.principal);
    pack_text(p, &c->acl.host);
}

static void fill_scram(struct packer *p, union content *c)
{
    pack_text(p, &c->scram.user);
    pack_text(p, &c->scram.salt);
    pack_text(p, &c->scram.stored_key);
    pack_text(p, &c->scram.server_key);
}

static void fill_token(struct packer *p, union content *c)
{
    struct metadata_token *t = &c->token;
    const struct bytes *original = t->renewers;
    struct bytes *copy = pack(p, original, t->renewer_count * sizeof(*copy));
    for (uint32_t i = 0; i < t->renewer_count; i++) {
        struct bytes text = original[i];
        pack_text(p, &text);
        if (copy != NULL)
            copy[i] = text;
    }
    t->renewers = copy;
    pack_text(p, &t->id);
    pack_text(p, &t->owner);
    pack_text(p, &t->requester);
}

/* `content` is struct_bytes of one member of the union. */
static void *item_new(enum metadata_item_kind kind, const void *content, size_t struct_bytes,
                      void (*fill)(struct packer *p, union content *c))
{
    union content scratch;
    memset(&scratch, 0, sizeof(scratch));
    memcpy(&scratch, content, struct_bytes);
    const size_t head_bytes = (struct_bytes + 7) & ~(size_t)7;
    struct packer measure = { .data = NULL, .used_bytes = head_bytes };
    fill(&measure, &scratch);

    memcpy(&scratch, content, struct_bytes);
    scratch.item = (struct metadata_item){ .reference_count = 1, .kind = (uint32_t)kind };
    struct packer p = { .data = mem_alloc(measure.used_bytes), .used_bytes = head_bytes };
    fill(&p, &scratch);
    ASSERT(p.used_bytes == measure.used_bytes);
    memcpy(p.data, &scratch, struct_bytes);
    return p.data;
}

/* ---- partitions: packed closer, since there are many --------------------------------------------- */

static struct metadata_ids ids_next(const int32_t **next, uint16_t count)
{
    const struct metadata_ids ids = { .items = *next, .count = count };
    *next += count;
    return ids;
}

struct metadata_partition_parts metadata__partition_parts(const struct metadata_partition *p)
{
    struct metadata_partition_parts parts = { .id = p->id,
                                              .leader = p->leader,
                                              .leader_epoch = p->leader_epoch,
                                              .partition_epoch = p->partition_epoch,
                                              .leader_recovery = p->leader_recovery };
    const int32_t *next = p->ids_;
    parts.replicas = ids_next(&next, p->replica_count);
    parts.isr = ids_next(&next, p->isr_count);
    parts.removing = ids_next(&next, p->removing_count);
    parts.adding = ids_next(&next, p->adding_count);
    parts.elr = ids_next(&next, p->elr_count);
    parts.last_known_elr = ids_next(&next, p->last_known_elr_count);
    parts.directories = (const struct uuid *)next;
    return parts;
}

static uint16_t ids_put(int32_t **next, struct metadata_ids ids)
{
    ASSERT(ids.count <= METADATA_REPLICA_COUNT_MAX);
    if (ids.count > 0)
        memcpy(*next, ids.items, ids.count * sizeof(int32_t));
    *next += ids.count;
    return (uint16_t)ids.count;
}

struct metadata_partition *metadata__partition_new(const struct metadata_partition_parts *parts)
{
    const size_t id_count = (size_t)parts->replicas.count + parts->isr.count +
                            parts->removing.count + parts->adding.count + parts->elr.count +
                            parts->last_known_elr.count;
    const size_t directories_bytes = parts->replicas.count * sizeof(struct uuid);
    struct metadata_partition *p =
        mem_alloc(sizeof(*p) + id_count * sizeof(int32_t) + directories_bytes);
    *p = (struct metadata_partition){
        .item = { .reference_count = 1, .kind = METADATA_ITEM_PLAIN },
        .id = parts->id,
        .leader = parts->leader,
        .leader_epoch = parts->leader_epoch,
        .partition_epoch = parts->partition_epoch,
        .leader_recovery = parts->leader_recovery,
    };
    int32_t *next = p->ids_;
    p->replica_count = ids_put(&next, parts->replicas);
    p->isr_count = ids_put(&next, parts->isr);
    p->removing_count = ids_put(&next, parts->removing);
    p->adding_count = ids_put(&next, parts->adding);
    p->elr_count = ids_put(&next, parts->elr);
    p->last_known_elr_count = ids_put(&next, parts->last_known_elr);
    if (directories_bytes > 0)
        memcpy(next, parts->directories, directories_bytes);
    return p;
}

/* ---- the rest -------------------------------------------------------------------------------- */

struct metadata_topic *metadata__topic_new(struct uuid id, struct bytes name,
                                           const struct metadata_tree *partitions)
{
    const struct metadata_topic content = { .id = id,
                                            .name = name,
                                            .partitions = metadata_tree_share(partitions) };
    return item_new(METADATA_ITEM_TOPIC, &content, sizeof(content), fill_topic);
}

struct metadata_broker *metadata__broker_new(const struct metadata_broker *content)
{
    return item_new(METADATA_ITEM_PLAIN, content, sizeof(*content), fill_broker);
}

struct metadata_controller *metadata__controller_new(const struct metadata_controller *content)
{
    return item_new(METADATA_ITEM_PLAIN, content, sizeof(*content), fill_controller);
}

struct metadata_config *metadata__config_new(int8_t type, struct bytes name,
                                             const struct metadata_tree *entries)
{
    const struct metadata_config content = { .type = type,
                                             .name = name,
                                             .entries = metadata_tree_share(entries) };
    return item_new(METADATA_ITEM_CONFIG, &content, sizeof(content), fill_config);
}

struct metadata_config_entry *metadata__config_entry_new(struct bytes name, struct bytes value)
{
    const struct metadata_config_entry content = { .name = name, .value = value };
    return item_new(METADATA_ITEM_PLAIN, &content, sizeof(content), fill_config_entry);
}

struct metadata_feature *metadata__feature_new(struct bytes name, int16_t level)
{
    const struct metadata_feature content = { .name = name, .level = level };
    return item_new(METADATA_ITEM_PLAIN, &content, sizeof(content), fill_feature);
}

struct metadata_quota *metadata__quota_new(const struct metadata_quota_entity_part *parts,
                                           uint32_t part_count, const struct metadata_tree *values)
{
    const struct metadata_quota content = { .parts = parts,
                                            .part_count = part_count,
                                            .values = metadata_tree_share(values) };
    return item_new(METADATA_ITEM_QUOTA, &content, sizeof(content), fill_quota);
}

struct metadata_quota_value *metadata__quota_value_new(struct bytes key, double value)
{
    const struct metadata_quota_value content = { .key = key, .value = value };
    return item_new(METADATA_ITEM_PLAIN, &content, sizeof(content), fill_quota_value);
}

struct metadata_acl *metadata__acl_new(const struct metadata_acl *content)
{
    return item_new(METADATA_ITEM_PLAIN, content, sizeof(*content), fill_acl);
}

struct metadata_scram *metadata__scram_new(const struct metadata_scram *content)
{
    return item_new(METADATA_ITEM_PLAIN, content, sizeof(*content), fill_scram);
}

struct metadata_token *metadata__token_new(const struct metadata_token *content)
{
    return item_new(METADATA_ITEM_PLAIN, content, sizeof(*content), fill_token);
}

void metadata_item_unref(struct metadata_item *item)
{
    if (item == NULL || __atomic_fetch_sub(&item->reference_count, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    switch ((enum metadata_item_kind)item->kind) {
    case METADATA_ITEM_PLAIN:
        break;
    case METADATA_ITEM_TOPIC:
        metadata_tree_release(&((struct metadata_topic *)item)->partitions);
        break;
    case METADATA_ITEM_CONFIG:
        metadata_tree_release(&((struct metadata_config *)item)->entries);
        break;
    case METADATA_ITEM_QUOTA:
        metadata_tree_release(&((struct metadata_quota *)item)->values);
        break;
    }
    mem_free(item);
}

/* ---- orders ---------------------------------------------------------------------------------- */

static int compare_i32(int32_t a, int32_t b)
{
    return (a > b) - (a < b);
}

static struct bytes text_key(const void *key)
{
    return *(const struct bytes *)key;
}

int metadata__by_topic_name(const void *key, const struct metadata_item *item)
{
    return bytes_compare(text_key(key), ((const struct metadata_topic *)item)->name);
}

int metadata__by_topic_id(const void *key, const struct metadata_item *item)
{
    return uuid_compare(*(const struct uuid *)key, ((const struct metadata_topic *)item)->id);
}

int metadata__by_partition_id(const void *key, const struct metadata_item *item)
{
    return compare_i32(*(const int32_t *)key, ((const struct metadata_partition *)item)->id);
}

int metadata__by_broker_id(const void *key, const struct metadata_item *item)
{
    return compare_i32(*(const int32_t *)key, ((const struct metadata_broker *)item)->id);
}

int metadata__by_controller_id(const void *key, const struct metadata_item *item)
{
    return compare_i32(*(const int32_t *)key, ((const struct metadata_controller *)item)->id);
}

int metadata__by_config(const void *key, const struct metadata_item *item)
{
    const struct metadata_config_key *k = key;
    const struct metadata_config *config = (const struct metadata_config *)item;
    const int order = compare_i32(k->type, config->type);
    return order != 0 ? order : bytes_compare(k->name, config->name);
}

int metadata__by_entry_name(const void *key, const struct metadata_item *item)
{
    return bytes_compare(text_key(key), ((const struct metadata_config_entry *)item)->name);
}

int metadata__by_feature_name(const void *key, const struct metadata_item *item)
{
    return bytes_compare(text_key(key), ((const struct metadata_feature *)item)->name);
}

int metadata__by_quota_entity(const void *key, const struct metadata_item *item)
{
    const struct metadata_quota_key *k = key;
    const struct metadata_quota *quota = (const struct metadata_quota *)item;
    for (uint32_t i = 0; i < k->part_count && i < quota->part_count; i++) {
        int order = bytes_compare(k->parts[i].type, quota->parts[i].type);
        if (order == 0)
            order = bytes_compare(k->parts[i].name, quota->parts[i].name);
        if (order != 0)
            return order;
    }
    return (k->part_count > quota->part_count) - (k->part_count < quota->part_count);
}

int metadata__by_quota_value(const void *key, const struct metadata_item *item)
{
    return bytes_compare(text_key(key), ((const struct metadata_quota_value *)item)->key);
}

int metadata__by_acl_id(const void *key, const struct metadata_item *item)
{
    return uuid_compare(*(const struct uuid *)key, ((const struct metadata_acl *)item)->id);
}

int metadata__by_scram(const void *key, const struct metadata_item *item)
{
    const struct metadata_scram_key *k = key;
    const struct metadata_scram *scram = (const struct metadata_scram *)item;
    const int order = compare_i32(k->mechanism, scram->mechanism);
    return order != 0 ? order : bytes_compare(k->user, scram->user);
}

int metadata__by_token_id(const void *key, const struct metadata_item *item)
{
    return bytes_compare(text_key(key), ((const struct metadata_token *)item)->id);
}

int metadata__order_topics(const struct metadata_item *a, const struct metadata_item *b)
{
    return metadata__by_topic_name(&((const struct metadata_topic *)a)->name, b);
}

int metadata__order_partitions(const struct metadata_item *a, const struct metadata_item *b)
{
    return metadata__by_partition_id(&((const struct metadata_partition *)a)->id, b);
}

int metadata__order_brokers(const struct metadata_item *a, const struct metadata_item *b)
{
    return metadata__by_broker_id(&((const struct metadata_broker *)a)->id, b);
}

int metadata__order_controllers(const struct metadata_item *a, const struct metadata_item *b)
{
    return metadata__by_controller_id(&((const struct metadata_controller *)a)->id, b);
}

int metadata__order_configs(const struct metadata_item *a, const struct metadata_item *b)
{
    const struct metadata_config *config = (const struct metadata_config *)a;
    const struct metadata_config_key key = { .type = config->type, .name = config->name };
    return metadata__by_config(&key, b);
}

int metadata__order_features(const struct metadata_item *a, const struct metadata_item *b)
{
    return metadata__by_feature_name(&((const struct metadata_feature *)a)->name, b);
}

int metadata__order_quotas(const struct metadata_item *a, const struct metadata_item *b)
{
    const struct metadata_quota *quota = (const struct metadata_quota *)a;
    const struct metadata_quota_key key = { .parts = quota->parts,
                                            .part_count = quota->part_count };
    return metadata__by_quota_entity(&key, b);
}

int metadata__order_acls(const struct metadata_item *a, const struct metadata_item *b)
{
    return metadata__by_acl_id(&((const struct metadata_acl *)a)->id, b);
}

int metadata__order_scram(const struct metadata_item *a, const struct metadata_item *b)
{
    const struct metadata_scram *scram = (const struct metadata_scram *)a;
    const struct metadata_scram_key key = { .mechanism = scram->mechanism, .user = scram->user };
    return metadata__by_scram(&key, b);
}

int metadata__order_tokens(const struct metadata_item *a, const struct metadata_item *b)
{
    return metadata__by_token_id(&((const struct metadata_token *)a)->id, b);
}
