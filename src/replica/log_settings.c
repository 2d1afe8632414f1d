/* See log_settings.h. */
#include "replica/log_settings.h"

#include "base/mem.h"
#include "metadata/image.h"

static void fill_compression(struct log_config *out, const struct config *topic)
{
    const char *type = config_text(topic, SETTING_TOPIC_COMPRESSION_TYPE);
    out->compression_is_producers = bytes_equal_text(bytes_from_text(type), "producer");
    out->compression_level = COMPRESS_LEVEL_DEFAULT;
    if (out->compression_is_producers ||
        codec_from_name(bytes_from_text(type), &out->compression) < 0)
        return;
    if (out->compression == CODEC_GZIP)
        out->compression_level = (int)config_i64(topic, SETTING_TOPIC_COMPRESSION_GZIP_LEVEL);
    else if (out->compression == CODEC_LZ4)
        out->compression_level = (int)config_i64(topic, SETTING_TOPIC_COMPRESSION_LZ4_LEVEL);
    else if (out->compression == CODEC_ZSTD)
        out->compression_level = (int)config_i64(topic, SETTING_TOPIC_COMPRESSION_ZSTD_LEVEL);
}

struct log_config log_settings(const struct config *broker, const struct config *topic)
{
    struct log_config out = {
        .segment_bytes = (uint32_t)config_i64(topic, SETTING_TOPIC_SEGMENT_BYTES),
        .segment_ms = config_i64(topic, SETTING_TOPIC_SEGMENT_MS),
        .segment_jitter_ms = config_i64(topic, SETTING_TOPIC_SEGMENT_JITTER_MS),
        .segment_index_bytes = (uint32_t)config_i64(topic, SETTING_TOPIC_SEGMENT_INDEX_BYTES),
        .index_interval_bytes = (uint32_t)config_i64(topic, SETTING_TOPIC_INDEX_INTERVAL_BYTES),
        .cleanup_delete = config_list_has(topic, SETTING_TOPIC_CLEANUP_POLICY, "delete"),
        .cleanup_compact = config_list_has(topic, SETTING_TOPIC_CLEANUP_POLICY, "compact"),
        .retention_ms = config_i64(topic, SETTING_TOPIC_RETENTION_MS),
        .retention_bytes = config_i64(topic, SETTING_TOPIC_RETENTION_BYTES),
        .file_delete_delay_ms = config_i64(topic, SETTING_TOPIC_FILE_DELETE_DELAY_MS),
        .dirty_ratio_min = config_f64(topic, SETTING_TOPIC_MIN_CLEANABLE_DIRTY_RATIO),
        .delete_retention_ms = config_i64(topic, SETTING_TOPIC_DELETE_RETENTION_MS),
        .min_compaction_lag_ms = config_i64(topic, SETTING_TOPIC_MIN_COMPACTION_LAG_MS),
        .max_compaction_lag_ms = config_i64(topic, SETTING_TOPIC_MAX_COMPACTION_LAG_MS),
        .message_bytes_max = (uint32_t)config_i64(topic, SETTING_TOPIC_MAX_MESSAGE_BYTES),
        .timestamp_is_append_time = bytes_equal_text(
            bytes_from_text(config_text(topic, SETTING_TOPIC_MESSAGE_TIMESTAMP_TYPE)),
            "LogAppendTime"),
        .timestamp_before_max_ms = config_i64(topic, SETTING_TOPIC_MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
        .timestamp_after_max_ms = config_i64(topic, SETTING_TOPIC_MESSAGE_TIMESTAMP_AFTER_MAX_MS),
        .flush_messages = config_bool(topic, SETTING_TOPIC_OTTLA_FLUSH_BEFORE_ACK)
                              ? 1
                              : config_i64(topic, SETTING_TOPIC_FLUSH_MESSAGES),
        .flush_ms = config_i64(topic, SETTING_TOPIC_FLUSH_MS),
        .preallocate = config_bool(topic, SETTING_TOPIC_PREALLOCATE),
        .producer_id_expiration_ms = config_i64(broker, SETTING_BROKER_PRODUCER_ID_EXPIRATION_MS),
        .producer_id_check_interval_ms =
            config_i64(broker, SETTING_BROKER_PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS),
        .transaction_verification =
            config_bool(broker, SETTING_BROKER_TRANSACTION_PARTITION_VERIFICATION_ENABLE),
    };
    fill_compression(&out, topic);
    return out;
}

struct config *log_settings_topic(const struct config *broker, const struct metadata_image *image,
                                  struct bytes topic)
{
    const struct metadata_config *stored = metadata_config_get(image, METADATA_CONFIG_TOPIC, topic);
    if (stored == NULL)
        return config_for_topic(broker, CONFIG_OVERRIDES_NONE, NULL, NULL);

    VEC(struct config_override) overrides = { 0 };
    struct metadata_walk walk;
    const struct metadata_config_entry *entry;
    for (metadata_walk_config_entries(&walk, stored);
         (entry = metadata_next_config_entry(&walk)) != NULL;)
        VEC_ADD(&overrides,
                ((struct config_override){ .name = entry->name, .value = entry->value }));
    struct config *config = config_for_topic(
        broker, (struct config_overrides){ .items = overrides.items, .count = overrides.count },
        NULL, NULL);
    VEC_DEINIT(&overrides);
    return config;
}
