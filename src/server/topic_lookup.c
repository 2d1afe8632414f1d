/* See topic_lookup.h. */
#include "server/topic_lookup.h"

#define TOPIC_NAME_BYTES_MAX 249

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
    return bytes_equal(name, BYTES_LITERAL("__consumer_offsets")) ||
           bytes_equal(name, BYTES_LITERAL("__transaction_state")) ||
           bytes_equal(name, BYTES_LITERAL("__share_group_state"));
}

static bool is_legal_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool topic_name_is_legal(struct bytes name, struct err_note *note)
{
    const char *fault = NULL;
    if (name.size == 0)
        fault = "it is empty";
    else if (name.size > TOPIC_NAME_BYTES_MAX)
        fault = "it is longer than 249 characters";
    else if (bytes_equal_text(name, ".") || bytes_equal_text(name, ".."))
        fault = "it may not be '.' or '..'";
    for (size_t i = 0; i < name.size && fault == NULL; i++) {
        if (!is_legal_character(name.data[i]))
            fault = "only ASCII letters, digits, '.', '_' and '-' are allowed";
    }
    if (fault != NULL)
        (void)err_note(note, 0, "Topic name '%.*s' is illegal: %s", BYTES_PRINTF(name), fault);
    return fault == NULL;
}
