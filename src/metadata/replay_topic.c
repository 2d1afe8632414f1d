/* Replay of topic and partition records, and of what hangs on them (ELR, the configs of a removed topic). */
#include "metadata/item_int.h"
#include "metadata/replay_int.h"
#include "wire/messages/clear_elr_record.h"
#include "wire/messages/partition_change_record.h"
#include "wire/messages/partition_record.h"
#include "wire/messages/remove_topic_record.h"
#include "wire/messages/topic_record.h"

#include "base/mem.h"

#include <string.h>

#define NO_LEADER_CHANGE   (-2)
#define NO_RECOVERY_CHANGE (-1)

static int replay_new_topic(struct metadata_image *image, const struct topic_record *record,
                            struct err_note *note)
{
    const struct metadata_topic *same_name = metadata_topic_by_name(image, record->name);
    if (same_name != NULL || metadata_topic_by_id(image, record->topic_id) != NULL) {
        return err_note(note, -ERR_MALFORMED, "topic '%.*s' exists, by name or by id",
                        BYTES_PRINTF(record->name));
    }
    const struct metadata_tree none = { .root = NULL };
    struct metadata_topic *topic = metadata__topic_new(record->topic_id, record->name, &none);
    metadata_item_ref(&topic->item);
    metadata_tree_put(&image->topics_by_name, metadata__by_topic_name, &topic->name, &topic->item);
    metadata_tree_put(&image->topics_by_id, metadata__by_topic_id, &topic->id, &topic->item);
    return 0;
}

/* The topic as this image alone holds it, so that its partitions may be changed; NULL if there is none. The two trees
 * hold one reference each: more means that an older image sees the topic too, and both get a copy. */
static struct metadata_topic *own_topic(struct metadata_image *image, struct uuid id)
{
    struct metadata_item **by_id =
        metadata_tree_own(&image->topics_by_id, metadata__by_topic_id, &id);
    if (by_id == NULL)
        return NULL;
    struct metadata_topic *topic = (struct metadata_topic *)*by_id;
    struct metadata_item **by_name =
        metadata_tree_own(&image->topics_by_name, metadata__by_topic_name, &topic->name);
    ASSERT(by_name != NULL && *by_name == *by_id);
    if (metadata_item_count(&topic->item) == 2)
        return topic;

    struct metadata_topic *copy = metadata__topic_new(topic->id, topic->name, &topic->partitions);
    metadata_item_ref(&copy->item);
    *by_id = *by_name = &copy->item;
    metadata_item_unref(&topic->item);
    metadata_item_unref(&topic->item);
    return copy;
}

static void put_partition(struct metadata_image *image, struct metadata_topic *topic,
                          struct metadata_partition *p)
{
    if (!metadata_tree_put(&topic->partitions, metadata__by_partition_id, &p->id, &p->item))
        image->partition_count++;
}

/* A list of a record: null (count -1) reads as `otherwise`. */
static int take_ids(const int32_t *items, int32_t count, struct metadata_ids otherwise,
                    struct metadata_ids *out, struct err_note *note)
{
    if (count > METADATA_REPLICA_COUNT_MAX) {
        return err_note(note, -ERR_LIMIT, "a list of %" PRId32 " replicas; at most %d are possible",
                        count, METADATA_REPLICA_COUNT_MAX);
    }
    *out =
        count < 0 ? otherwise : (struct metadata_ids){ .items = items, .count = (uint32_t)count };
    return 0;
}

static int check_directories(int32_t directories_count, uint32_t replica_count,
                             struct err_note *note)
{
    if (directories_count > 0 && (uint32_t)directories_count != replica_count) {
        return err_note(note, -ERR_MALFORMED, "%" PRId32 " directories for %" PRIu32 " replicas",
                        directories_count, replica_count);
    }
    return 0;
}

static struct uuid *migrating_directories(uint32_t count)
{
    struct uuid *directories = MEM_NEW_ARRAY(struct uuid, count);
    for (uint32_t i = 0; i < count; i++)
        directories[i] = METADATA_DIRECTORY_MIGRATING;
    return directories;
}

static int replay_partition(struct metadata_image *image, const struct partition_record *r,
                            struct err_note *note)
{
    const struct metadata_ids none = { .items = NULL, .count = 0 };
    struct metadata_partition_parts parts = { .id = r->partition_id,
                                              .leader = r->leader,
                                              .leader_epoch = r->leader_epoch,
                                              .partition_epoch = r->partition_epoch,
                                              .leader_recovery = r->leader_recovery_state };
    int e = take_ids(r->replicas, r->replicas_count, none, &parts.replicas, note);
    if (e == 0)
        e = take_ids(r->isr, r->isr_count, none, &parts.isr, note);
    if (e == 0)
        e = take_ids(r->removing_replicas, r->removing_replicas_count, none, &parts.removing, note);
    if (e == 0)
        e = take_ids(r->adding_replicas, r->adding_replicas_count, none, &parts.adding, note);
    if (e == 0)
        e = take_ids(r->eligible_leader_replicas, r->eligible_leader_replicas_count, none,
                     &parts.elr, note);
    if (e == 0)
        e = take_ids(r->last_known_elr, r->last_known_elr_count, none, &parts.last_known_elr, note);
    if (e == 0)
        e = check_directories(r->directories_count, parts.replicas.count, note);
    if (e < 0)
        return e;
    if (r->partition_id < 0)
        return err_note(note, -ERR_MALFORMED, "partition id %" PRId32, r->partition_id);
    struct metadata_topic *topic = own_topic(image, r->topic_id);
    if (topic == NULL)
        return err_note(note, -ERR_MALFORMED,
                        "partition %" PRId32 " of a topic that does not exist", r->partition_id);

    AUTO(mem_freep) struct uuid *migrating = NULL;
    parts.directories = r->directories;
    if (r->directories_count <= 0)
        parts.directories = migrating = migrating_directories(parts.replicas.count);
    put_partition(image, topic, metadata__partition_new(&parts));
    return 0;
}

/* Directories after a change of replicas that does not tell them: who stays keeps his, who comes has none assigned. */
static struct uuid *carry_directories(const struct metadata_partition_parts *old,
                                      struct metadata_ids replicas)
{
    struct uuid *directories = MEM_NEW_ARRAY(struct uuid, replicas.count);
    for (uint32_t i = 0; i < replicas.count; i++) {
        directories[i] = METADATA_DIRECTORY_UNASSIGNED;
        for (uint32_t k = 0; k < old->replicas.count; k++) {
            if (old->replicas.items[k] == replicas.items[i])
                directories[i] = old->directories[k];
        }
    }
    return directories;
}

static int replay_partition_change(struct metadata_image *image,
                                   const struct partition_change_record *r, struct err_note *note)
{
    const struct metadata_topic *topic = metadata_topic_by_id(image, r->topic_id);
    const struct metadata_partition *before =
        topic == NULL ? NULL : metadata_topic_partition(topic, r->partition_id);
    if (before == NULL) {
        return err_note(
            note, -ERR_MALFORMED, "partition %" PRId32 " of %.*s does not exist", r->partition_id,
            BYTES_PRINTF(topic == NULL ? BYTES_LITERAL("a topic that does not exist either")
                                       : topic->name));
    }
    const struct metadata_partition_parts old = metadata__partition_parts(before);
    struct metadata_partition_parts parts = old;
    int e = take_ids(r->replicas, r->replicas_count, old.replicas, &parts.replicas, note);
    if (e == 0)
        e = take_ids(r->isr, r->isr_count, old.isr, &parts.isr, note);
    if (e == 0)
        e = take_ids(r->removing_replicas, r->removing_replicas_count, old.removing,
                     &parts.removing, note);
    if (e == 0)
        e = take_ids(r->adding_replicas, r->adding_replicas_count, old.adding, &parts.adding, note);
    if (e == 0)
        e = take_ids(r->eligible_leader_replicas, r->eligible_leader_replicas_count, old.elr,
                     &parts.elr, note);
    if (e == 0)
        e = take_ids(r->last_known_elr, r->last_known_elr_count, old.last_known_elr,
                     &parts.last_known_elr, note);
    if (e == 0)
        e = check_directories(r->directories_count, parts.replicas.count, note);
    if (e < 0)
        return e;

    AUTO(mem_freep) struct uuid *carried = NULL;
    if (r->directories_count > 0)
        parts.directories = r->directories;
    else if (r->replicas_count >= 0)
        parts.directories = carried = carry_directories(&old, parts.replicas);
    if (r->leader != NO_LEADER_CHANGE) { /* naming the same leader again raises the epoch too */
        parts.leader = r->leader;
        parts.leader_epoch++;
    }
    if (r->leader_recovery_state != NO_RECOVERY_CHANGE)
        parts.leader_recovery = r->leader_recovery_state;
    parts.partition_epoch++;
    struct metadata_partition *after = metadata__partition_new(&parts);
    put_partition(image, own_topic(image, r->topic_id), after);
    return 0;
}

static int replay_remove_topic(struct metadata_image *image,
                               const struct remove_topic_record *record, struct err_note *note)
{
    struct metadata_item *item =
        metadata_tree_get(&image->topics_by_id, metadata__by_topic_id, &record->topic_id);
    if (item == NULL)
        return err_note(note, -ERR_MALFORMED, "there is no topic with this id");
    metadata_item_ref(item); /* its name is needed while it goes */
    const struct metadata_topic *topic = (const struct metadata_topic *)item;
    const struct metadata_config_key config = { .type = METADATA_CONFIG_TOPIC,
                                                .name = topic->name };
    image->partition_count -= metadata_topic_partition_count(topic);
    metadata_tree_remove(&image->configs, metadata__by_config, &config);
    metadata_tree_remove(&image->topics_by_name, metadata__by_topic_name, &topic->name);
    metadata_tree_remove(&image->topics_by_id, metadata__by_topic_id, &topic->id);
    metadata_item_unref(item);
    return 0;
}

static void clear_elr_of_topic(struct metadata_image *image, const struct metadata_topic *topic)
{
    struct metadata_tree partitions =
        metadata_tree_share(&topic->partitions); /* to walk while they change */
    const struct uuid id = topic->id;
    struct metadata_walk walk;
    metadata_walk_begin(&walk, &partitions);
    const struct metadata_partition *p;
    while ((p = metadata_next_partition(&walk)) != NULL) {
        if (p->elr_count == 0 && p->last_known_elr_count == 0)
            continue;
        struct metadata_partition_parts parts = metadata__partition_parts(p);
        parts.elr.count = parts.last_known_elr.count = 0;
        parts.partition_epoch++; /* as 4.3.1: it merges a change record */
        put_partition(image, own_topic(image, id), metadata__partition_new(&parts));
    }
    metadata_tree_release(&partitions);
}

static int replay_clear_elr(struct metadata_image *image, const struct clear_elr_record *record,
                            struct err_note *note)
{
    if (record->topic_name.size > 0) {
        const struct metadata_topic *topic = metadata_topic_by_name(image, record->topic_name);
        if (topic == NULL) {
            return err_note(note, -ERR_MALFORMED, "topic '%.*s' does not exist",
                            BYTES_PRINTF(record->topic_name));
        }
        clear_elr_of_topic(image, topic);
        return 0;
    }
    struct metadata_tree topics = metadata_tree_share(&image->topics_by_name);
    struct metadata_walk walk;
    metadata_walk_begin(&walk, &topics);
    const struct metadata_topic *topic;
    while ((topic = metadata_next_topic(&walk)) != NULL)
        clear_elr_of_topic(image, topic);
    metadata_tree_release(&topics);
    return 0;
}

int metadata__replay_topic(struct metadata_image *image, const struct metadata_record *record,
                           struct err_note *note)
{
    switch (record->message->id) {
    case METADATA_TOPIC:
        return replay_new_topic(image, record->value, note);
    case METADATA_PARTITION:
        return replay_partition(image, record->value, note);
    case METADATA_PARTITION_CHANGE:
        return replay_partition_change(image, record->value, note);
    case METADATA_REMOVE_TOPIC:
        return replay_remove_topic(image, record->value, note);
    case METADATA_CLEAR_ELR:
        return replay_clear_elr(image, record->value, note);
    default:
        return -ERR_UNKNOWN_RECORD;
    }
}
