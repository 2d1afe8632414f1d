/* What one log needs to know of the settings: plain numbers, filled in by whoever reads settings.
 *
 * The names are those of the topic settings with dots as underscores and the unit last. A log
 * copies the struct at open; log_set_config replaces the copy.
 */
#pragma once

#include "wire/compress.h"

struct log_config {
    uint32_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms;
    uint32_t segment_index_bytes; /* size at which an index counts as full */
    uint32_t index_interval_bytes;

    bool cleanup_delete; /* cleanup.policy */
    bool cleanup_compact;
    int64_t retention_ms;    /* -1: no limit */
    int64_t retention_bytes; /* -1: no limit */
    int64_t file_delete_delay_ms;
    double dirty_ratio_min; /* min.cleanable.dirty.ratio */
    int64_t delete_retention_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms; /* INT64_MAX: none */

    uint32_t message_bytes_max; /* of one batch as it is stored */
    bool timestamp_is_append_time;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;

    bool compression_is_producers; /* else batches are stored with `compression` */
    enum codec compression;
    int compression_level; /* COMPRESS_LEVEL_DEFAULT or the level set for `compression` */

    int64_t flush_messages; /* INT64_MAX: never by count */
    int64_t flush_ms;       /* INT64_MAX: never by time */
    bool preallocate;

    int64_t producer_id_expiration_ms; /* producer.id.expiration.ms, of the broker */
    int64_t
        producer_id_check_interval_ms; /* producer.id.expiration.check.interval.ms, of the broker */
    bool transaction_verification; /* transaction.partition.verification.enable, of the broker */
};

/* Apache Kafka's defaults. */
#define LOG_CONFIG_DEFAULT                                                                         \
    ((struct log_config){ .segment_bytes = 1073741824,                                             \
                          .segment_ms = INT64_C(604800000),                                        \
                          .segment_index_bytes = 10485760,                                         \
                          .index_interval_bytes = 4096,                                            \
                          .cleanup_delete = true,                                                  \
                          .retention_ms = INT64_C(604800000),                                      \
                          .retention_bytes = -1,                                                   \
                          .file_delete_delay_ms = 60000,                                           \
                          .dirty_ratio_min = 0.5,                                                  \
                          .delete_retention_ms = 86400000,                                         \
                          .max_compaction_lag_ms = INT64_MAX,                                      \
                          .message_bytes_max = 1048588,                                            \
                          .timestamp_before_max_ms = INT64_MAX,                                    \
                          .timestamp_after_max_ms = 3600000,                                       \
                          .compression_is_producers = true,                                        \
                          .compression_level = COMPRESS_LEVEL_DEFAULT,                             \
                          .flush_messages = INT64_MAX,                                             \
                          .flush_ms = INT64_MAX,                                                   \
                          .producer_id_expiration_ms = 86400000,                                   \
                          .producer_id_check_interval_ms = 600000,                                 \
                          .transaction_verification = true })
