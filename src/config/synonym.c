/* Which broker settings stand behind which others. See setting_synonyms in setting.h and
 * config_effective_i64 in config.h.
 *
 * Facts: Apache Kafka 4.3.1, DescribeConfigs with synonyms of a topic, a group and a broker.
 */
#include "config/config_int.h"

#define MINUTE_MS (60 * MS_PER_SECOND)
#define HOUR_MS   (60 * MINUTE_MS)

struct link {
    enum setting_id of;
    enum setting_id broker;
    int64_t factor;
};

#define TOPIC(name, broker)                                                                        \
    {                                                                                              \
        SETTING_TOPIC_##name, SETTING_BROKER_##broker, 1                                           \
    }
#define GROUP(name)                                                                                \
    {                                                                                              \
        SETTING_GROUP_##name, SETTING_BROKER_GROUP_##name, 1                                       \
    }
#define UNIT(name, other, f)                                                                       \
    {                                                                                              \
        SETTING_BROKER_##name, SETTING_BROKER_##other, (f)                                         \
    }

static const struct link links[] = {
    TOPIC(CLEANUP_POLICY, LOG_CLEANUP_POLICY),
    TOPIC(COMPRESSION_GZIP_LEVEL, COMPRESSION_GZIP_LEVEL),
    TOPIC(COMPRESSION_LZ4_LEVEL, COMPRESSION_LZ4_LEVEL),
    TOPIC(COMPRESSION_TYPE, COMPRESSION_TYPE),
    TOPIC(COMPRESSION_ZSTD_LEVEL, COMPRESSION_ZSTD_LEVEL),
    TOPIC(DELETE_RETENTION_MS, LOG_CLEANER_DELETE_RETENTION_MS),
    TOPIC(FILE_DELETE_DELAY_MS, LOG_SEGMENT_DELETE_DELAY_MS),
    TOPIC(FLUSH_MESSAGES, LOG_FLUSH_INTERVAL_MESSAGES),
    TOPIC(FLUSH_MS, LOG_FLUSH_INTERVAL_MS),
    TOPIC(INDEX_INTERVAL_BYTES, LOG_INDEX_INTERVAL_BYTES),
    TOPIC(LOCAL_RETENTION_BYTES, LOG_LOCAL_RETENTION_BYTES),
    TOPIC(LOCAL_RETENTION_MS, LOG_LOCAL_RETENTION_MS),
    TOPIC(MAX_COMPACTION_LAG_MS, LOG_CLEANER_MAX_COMPACTION_LAG_MS),
    TOPIC(MAX_MESSAGE_BYTES, MESSAGE_MAX_BYTES),
    TOPIC(MESSAGE_TIMESTAMP_AFTER_MAX_MS, LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS),
    TOPIC(MESSAGE_TIMESTAMP_BEFORE_MAX_MS, LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
    TOPIC(MESSAGE_TIMESTAMP_TYPE, LOG_MESSAGE_TIMESTAMP_TYPE),
    TOPIC(MIN_CLEANABLE_DIRTY_RATIO, LOG_CLEANER_MIN_CLEANABLE_RATIO),
    TOPIC(MIN_COMPACTION_LAG_MS, LOG_CLEANER_MIN_COMPACTION_LAG_MS),
    TOPIC(MIN_INSYNC_REPLICAS, MIN_INSYNC_REPLICAS),
    TOPIC(OTTLA_FLUSH_BEFORE_ACK, OTTLA_FLUSH_BEFORE_ACK),
    TOPIC(PREALLOCATE, LOG_PREALLOCATE),
    TOPIC(RETENTION_BYTES, LOG_RETENTION_BYTES),
    TOPIC(RETENTION_MS, LOG_RETENTION_MS),
    TOPIC(SEGMENT_BYTES, LOG_SEGMENT_BYTES),
    TOPIC(SEGMENT_INDEX_BYTES, LOG_INDEX_SIZE_MAX_BYTES),
    TOPIC(SEGMENT_JITTER_MS, LOG_ROLL_JITTER_MS),
    TOPIC(SEGMENT_MS, LOG_ROLL_MS),
    TOPIC(UNCLEAN_LEADER_ELECTION_ENABLE, UNCLEAN_LEADER_ELECTION_ENABLE),
    GROUP(CONSUMER_ASSIGNMENT_INTERVAL_MS),
    GROUP(CONSUMER_HEARTBEAT_INTERVAL_MS),
    GROUP(CONSUMER_SESSION_TIMEOUT_MS),
    GROUP(SHARE_ASSIGNMENT_INTERVAL_MS),
    GROUP(SHARE_DELIVERY_COUNT_LIMIT),
    GROUP(SHARE_HEARTBEAT_INTERVAL_MS),
    GROUP(SHARE_PARTITION_MAX_RECORD_LOCKS),
    GROUP(SHARE_RECORD_LOCK_DURATION_MS),
    GROUP(SHARE_SESSION_TIMEOUT_MS),
    GROUP(STREAMS_ASSIGNMENT_INTERVAL_MS),
    GROUP(STREAMS_HEARTBEAT_INTERVAL_MS),
    GROUP(STREAMS_INITIAL_REBALANCE_DELAY_MS),
    GROUP(STREAMS_NUM_STANDBY_REPLICAS),
    GROUP(STREAMS_SESSION_TIMEOUT_MS),
    UNIT(LOG_FLUSH_INTERVAL_MS, LOG_FLUSH_SCHEDULER_INTERVAL_MS, 1),
    UNIT(LOG_RETENTION_MS, LOG_RETENTION_MINUTES, MINUTE_MS),
    UNIT(LOG_RETENTION_MS, LOG_RETENTION_HOURS, HOUR_MS),
    UNIT(LOG_ROLL_JITTER_MS, LOG_ROLL_JITTER_HOURS, HOUR_MS),
    UNIT(LOG_ROLL_MS, LOG_ROLL_HOURS, HOUR_MS),
};

size_t setting_synonyms(enum setting_id id, struct setting_synonym out[SETTING_SYNONYM_COUNT_MAX])
{
    size_t count = 0;
    enum setting_id first = id;
    if (setting_get(id)->kind == SETTING_KIND_BROKER)
        out[count++] = (struct setting_synonym){ .id = id, .factor = 1 };
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        if (links[i].of != first)
            continue;
        ASSERT(count < SETTING_SYNONYM_COUNT_MAX);
        out[count++] = (struct setting_synonym){ .id = links[i].broker, .factor = links[i].factor };
        if (links[i].of == id && setting_get(id)->kind != SETTING_KIND_BROKER)
            first = links[i].broker; /* from here on what stands behind the broker's */
    }
    return count;
}

/* Times for ever stay so: a product beyond 64 bits, and any retention below zero, which means none. */
bool config_effective_i64(const struct config *broker, enum setting_id id, int64_t *out)
{
    struct setting_synonym synonyms[SETTING_SYNONYM_COUNT_MAX];
    const size_t count = setting_synonyms(id, synonyms);
    for (size_t i = 0; i < count; i++) {
        if (config_is_null(broker, synonyms[i].id))
            continue;
        const int64_t value = config_i64(broker, synonyms[i].id);
        if (__builtin_mul_overflow(value, synonyms[i].factor, out))
            *out = value < 0 ? INT64_MIN : INT64_MAX;
        const bool is_retention =
            id == SETTING_BROKER_LOG_RETENTION_MS || id == SETTING_TOPIC_RETENTION_MS;
        if (is_retention && *out < 0)
            *out = -1;
        return true;
    }
    return false;
}
