/* Replay of one record, by its type; and of settings, features and producer ids. */
#include "metadata/replay_int.h"

#include "metadata/feature.h"
#include "metadata/item_int.h"
#include "wire/message.h"
#include "wire/messages/config_record.h"
#include "wire/messages/feature_level_record.h"
#include "wire/messages/producer_ids_record.h"
#include "wire/messages/zk_migration_state_record.h"

static void put_config(struct metadata_image *image, const struct metadata_config_key *key,
                       const struct config_record *record)
{
    struct metadata_item **place = metadata_tree_own(&image->configs, metadata__by_config, key);
    const struct metadata_tree none = { .root = NULL };
    struct metadata_config *config = place == NULL ? NULL : (struct metadata_config *)*place;
    if (config == NULL || metadata_item_count(&config->item) > 1) {
        config =
            metadata__config_new(key->type, key->name, config == NULL ? &none : &config->entries);
        metadata_tree_put(&image->configs, metadata__by_config, key, &config->item);
    }
    struct metadata_config_entry *entry = metadata__config_entry_new(record->name, record->value);
    metadata_tree_put(&config->entries, metadata__by_entry_name, &entry->name, &entry->item);
}

static void remove_config(struct metadata_image *image, const struct metadata_config_key *key,
                          struct bytes name)
{
    const struct metadata_config *config = (const struct metadata_config *)metadata_tree_get(
        &image->configs, metadata__by_config, key);
    if (config == NULL)
        return;
    struct metadata_tree entries = metadata_tree_share(&config->entries);
    metadata_tree_remove(&entries, metadata__by_entry_name, &name);
    if (entries.root == NULL) {
        metadata_tree_remove(&image->configs, metadata__by_config, key);
    } else {
        struct metadata_config *copy = metadata__config_new(key->type, key->name, &entries);
        metadata_tree_put(&image->configs, metadata__by_config, key, &copy->item);
    }
    metadata_tree_release(&entries);
}

static int replay_config(struct metadata_image *image, const struct config_record *record)
{
    const struct metadata_config_key key = { .type = record->resource_type,
                                             .name = record->resource_name };
    if (bytes_is_null(record->value))
        remove_config(image, &key, record->name);
    else
        put_config(image, &key, record);
    return 0;
}

static int replay_feature(struct metadata_image *image, const struct feature_level_record *record,
                          struct err_note *note)
{
    if (bytes_equal_text(record->name, FEATURE_METADATA_VERSION) &&
        (record->feature_level < METADATA_LEVEL_MIN ||
         record->feature_level > METADATA_LEVEL_MAX)) {
        return err_note(
            note, -ERR_VERSION, "metadata.version %d; this build supports %d (%s) to %d (%s)",
            record->feature_level, METADATA_LEVEL_MIN, metadata_level_name(METADATA_LEVEL_MIN),
            METADATA_LEVEL_MAX, metadata_level_name(METADATA_LEVEL_MAX));
    }
    if (record->feature_level < 0) {
        return err_note(note, -ERR_MALFORMED, "feature %.*s has level %d",
                        BYTES_PRINTF(record->name), record->feature_level);
    }
    if (record->feature_level == 0) {
        metadata_tree_remove(&image->features, metadata__by_feature_name, &record->name);
        return 0;
    }
    struct metadata_feature *feature = metadata__feature_new(record->name, record->feature_level);
    metadata_tree_put(&image->features, metadata__by_feature_name, &feature->name, &feature->item);
    return 0;
}

int metadata__replay(struct metadata_image *image, const struct metadata_record *record,
                     struct err_note *note)
{
    switch (record->message->id) {
    case METADATA_TOPIC:
    case METADATA_PARTITION:
    case METADATA_PARTITION_CHANGE:
    case METADATA_REMOVE_TOPIC:
    case METADATA_CLEAR_ELR:
        return metadata__replay_topic(image, record, note);
    case METADATA_REGISTER_BROKER:
    case METADATA_UNREGISTER_BROKER:
    case METADATA_FENCE_BROKER:
    case METADATA_UNFENCE_BROKER:
    case METADATA_BROKER_REGISTRATION_CHANGE:
    case METADATA_REGISTER_CONTROLLER:
        return metadata__replay_node(image, record, note);
    case METADATA_CLIENT_QUOTA:
    case METADATA_ACCESS_CONTROL_ENTRY:
    case METADATA_REMOVE_ACCESS_CONTROL_ENTRY:
    case METADATA_USER_SCRAM_CREDENTIAL:
    case METADATA_REMOVE_USER_SCRAM_CREDENTIAL:
    case METADATA_DELEGATION_TOKEN:
    case METADATA_REMOVE_DELEGATION_TOKEN:
        return metadata__replay_security(image, record, note);
    case METADATA_CONFIG:
        return replay_config(image, record->value);
    case METADATA_FEATURE_LEVEL:
        return replay_feature(image, record->value, note);
    case METADATA_PRODUCER_IDS: {
        const struct producer_ids_record *ids = record->value;
        image->next_producer_id = ids->next_producer_id;
        image->producer_ids_broker_id = ids->broker_id;
        image->producer_ids_broker_epoch = ids->broker_epoch;
        return 0;
    }
    case METADATA_ZK_MIGRATION_STATE:
        image->zk_migration_state =
            ((const struct zk_migration_state_record *)record->value)->zk_migration_state;
        return 0;
    default:
        return err_note(note, -ERR_UNKNOWN_RECORD, "record type %d is not known to this build",
                        record->message->id);
    }
}
