/* See topic_lookup.h. */
#include "server/topic_lookup.h"

enum kafka_error topic_lookup(const struct shard *shard, struct bytes name, struct uuid id,
                              const struct metadata_topic **out)
{
    if (!uuid_is_zero(id)) {
        *out = metadata_topic_by_id(shard->image, id);
        return *out == NULL ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_NONE;
    }
    *out = metadata_topic_by_name(shard->image, name);
    return *out == NULL ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_NONE;
}

enum kafka_error partition_lookup(const struct shard *shard, const struct metadata_topic *topic,
                                  int32_t index, int32_t current_leader_epoch,
                                  struct partition **out)
{
    if (metadata_topic_partition(topic, index) == NULL)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    struct partition *p = replicas_get(shard->replicas, topic->id, index);
    if (p == NULL)
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    const enum kafka_error error = partition_check_leader(p, current_leader_epoch);
    if (error == KAFKA_NONE)
        *out = p;
    return error;
}

bool topic_is_internal(struct bytes name)
{
    return bytes_equal(name, BYTES_LITERAL(TOPIC_CONSUMER_OFFSETS)) ||
           bytes_equal(name, BYTES_LITERAL(TOPIC_TRANSACTION_STATE)) ||
           bytes_equal(name, BYTES_LITERAL("__share_group_state"));
}
