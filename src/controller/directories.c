/* Which of its directories a broker keeps each replica in, as it tells (KIP-858). */
#include "controller/controller_int.h"

#include "wire/messages/assign_replicas_to_dirs_request.h"
#include "wire/messages/assign_replicas_to_dirs_response.h"
#include "wire/messages/partition_change_record.h"

/* Adds the record that says so, unless it is known. */
static void assign(struct draft *draft, const struct metadata_topic *topic,
                   const struct metadata_partition *p, int32_t broker_id, struct uuid directory)
{
    const int32_t *replicas = metadata_partition_replicas(p);
    struct uuid *directories = arena_dup(draft->call->arena, metadata_partition_directories(p),
                                         p->replica_count * sizeof(*directories));
    bool is_news = false;
    for (uint16_t i = 0; i < p->replica_count; i++) {
        if (replicas[i] == broker_id && !uuid_equal(directories[i], directory)) {
            directories[i] = directory;
            is_news = true;
        }
    }
    if (!is_news)
        return;
    struct partition_change_record *record = DRAFT_NEW(draft, struct partition_change_record);
    *record = partition_change_record_default;
    record->topic_id = topic->id;
    record->partition_id = p->id;
    record->directories = directories;
    record->directories_count = p->replica_count;
    draft_add(draft, &partition_change_record_message, metadata_partition_version(draft->level),
              record);
}

static enum kafka_error assign_named(struct draft *draft, int32_t broker_id, struct uuid topic_id,
                                     int32_t index, struct uuid directory)
{
    const struct metadata_topic *topic = metadata_topic_by_id(draft->image, topic_id);
    if (topic == NULL)
        return KAFKA_UNKNOWN_TOPIC_ID;
    const struct metadata_partition *p = metadata_topic_partition(topic, index);
    if (p == NULL)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!metadata_partition_has_replica(p, broker_id))
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    assign(draft, topic, p, broker_id, directory);
    return KAFKA_NONE;
}

static void assign_topic(struct draft *draft, int32_t broker_id, struct uuid directory,
                         const struct assign_replicas_to_dirs_request_topic_data *asked,
                         struct assign_replicas_to_dirs_response_topic_data *out)
{
    out->topic_id = asked->topic_id;
    out->partitions = assign_replicas_to_dirs_response_partition_data_array(
        draft->call->arena, (size_t)asked->partitions_count);
    out->partitions_count = asked->partitions_count;
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        const int32_t index = asked->partitions[i].partition_index;
        out->partitions[i].partition_index = index;
        out->partitions[i].error_code =
            (int16_t)assign_named(draft, broker_id, asked->topic_id, index, directory);
    }
}

static void assign_all(struct draft *draft, const struct assign_replicas_to_dirs_request *request,
                       struct assign_replicas_to_dirs_response *response)
{
    struct arena *arena = draft->call->arena;
    response->directories = assign_replicas_to_dirs_response_directory_data_array(
        arena, (size_t)request->directories_count);
    response->directories_count = request->directories_count;
    for (int32_t i = 0; i < request->directories_count; i++) {
        const struct assign_replicas_to_dirs_request_directory_data *asked =
            &request->directories[i];
        struct assign_replicas_to_dirs_response_directory_data *out = &response->directories[i];
        out->id = asked->id;
        out->topics =
            assign_replicas_to_dirs_response_topic_data_array(arena, (size_t)asked->topics_count);
        out->topics_count = asked->topics_count;
        for (int32_t k = 0; k < asked->topics_count; k++)
            assign_topic(draft, request->broker_id, asked->id, &asked->topics[k], &out->topics[k]);
    }
}

int controller_assign_directories(struct controller *c, const struct controller_call *call,
                                  const struct assign_replicas_to_dirs_request *request,
                                  int16_t version, struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct assign_replicas_to_dirs_response *response =
        DRAFT_NEW(&draft, struct assign_replicas_to_dirs_response);
    *response = assign_replicas_to_dirs_response_default;
    const enum kafka_error error =
        draft.level < METADATA_LEVEL_DIRECTORIES
            ? KAFKA_UNSUPPORTED_VERSION
            : draft_check_broker(&draft, request->broker_id, request->broker_epoch);
    response->error_code = (int16_t)error;
    if (error == KAFKA_NONE)
        assign_all(&draft, request, response);
    draft_finish(&draft, false, &assign_replicas_to_dirs_response_message, response, out);
    return 0;
}
