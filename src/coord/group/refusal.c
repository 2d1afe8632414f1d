/* Answers of failure: for a request, and out of an answer that was to be one of success. */
#include "coord/group/group_int.h"

#include "wire/messages/consumer_group_describe_request.h"
#include "wire/messages/consumer_group_describe_response.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/delete_groups_response.h"
#include "wire/messages/describe_groups_request.h"
#include "wire/messages/describe_groups_response.h"
#include "wire/messages/heartbeat_response.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/leave_group_response.h"
#include "wire/messages/list_groups_response.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_delete_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"
#include "wire/messages/sync_group_response.h"
#include "wire/messages/txn_offset_commit_request.h"
#include "wire/messages/txn_offset_commit_response.h"
#include "wire/messages/write_txn_markers_response.h"

enum kafka_error group_error_of_append(enum kafka_error error)
{
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || error == KAFKA_NOT_ENOUGH_REPLICAS ||
        error == KAFKA_REQUEST_TIMED_OUT)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (error == KAFKA_NOT_LEADER_OR_FOLLOWER || error == KAFKA_KAFKA_STORAGE_ERROR)
        return KAFKA_NOT_COORDINATOR;
    if (error == KAFKA_MESSAGE_TOO_LARGE || error == KAFKA_RECORD_LIST_TOO_LARGE ||
        error == KAFKA_INVALID_FETCH_SIZE)
        return KAFKA_UNKNOWN_SERVER_ERROR;
    return error;
}

/* Consumers before 3.9 give up on COORDINATOR_NOT_AVAILABLE in this answer; this one makes them look again. */
static enum kafka_error fetch_error(enum kafka_error error)
{
    return error == KAFKA_COORDINATOR_NOT_AVAILABLE ? KAFKA_NOT_COORDINATOR : error;
}

/* ---- by API ------------------------------------------------------------------------------------------ */

static void *refuse_join(const struct group_request *request, enum kafka_error error,
                         struct arena *arena)
{
    const struct join_group_request *in = request->message;
    struct join_group_response *out = ARENA_NEW(arena, struct join_group_response);
    join_group_response_init(out);
    out->error_code = (int16_t)error;
    out->protocol_name = request->version < 7 ? BYTES_LITERAL("") : BYTES_NULL;
    /* What is wrong with the request itself is answered with the id that it came with. */
    if (error == KAFKA_INVALID_GROUP_ID || error == KAFKA_INVALID_SESSION_TIMEOUT)
        out->member_id = in->member_id;
    return out;
}

static void *refuse_sync(enum kafka_error error, struct arena *arena)
{
    struct sync_group_response *out = ARENA_NEW(arena, struct sync_group_response);
    sync_group_response_init(out);
    out->error_code = (int16_t)error;
    return out;
}

static void *refuse_heartbeat(enum kafka_error error, struct arena *arena)
{
    struct heartbeat_response *out = ARENA_NEW(arena, struct heartbeat_response);
    heartbeat_response_init(out);
    /* Members that are told of an error here would rebalance for nothing. */
    out->error_code = (int16_t)(error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ? KAFKA_NONE : error);
    return out;
}

static void *refuse_leave(enum kafka_error error, struct arena *arena)
{
    struct leave_group_response *out = ARENA_NEW(arena, struct leave_group_response);
    leave_group_response_init(out);
    out->error_code = (int16_t)error;
    return out;
}

static void *refuse_commit(const struct offset_commit_request *in, enum kafka_error error,
                           struct arena *arena)
{
    struct offset_commit_response *out = ARENA_NEW(arena, struct offset_commit_response);
    offset_commit_response_init(out);
    out->topics = offset_commit_response_topic_array(arena, (size_t)in->topics_count);
    out->topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct offset_commit_request_topic *asked = &in->topics[i];
        struct offset_commit_response_topic *topic = &out->topics[i];
        topic->name = asked->name;
        topic->topic_id = asked->topic_id;
        topic->partitions =
            offset_commit_response_partition_array(arena, (size_t)asked->partitions_count);
        topic->partitions_count = asked->partitions_count;
        for (int32_t j = 0; j < asked->partitions_count; j++) {
            topic->partitions[j].partition_index = asked->partitions[j].partition_index;
            topic->partitions[j].error_code = (int16_t)error;
        }
    }
    return out;
}

static void *refuse_txn_commit(const struct txn_offset_commit_request *in, enum kafka_error error,
                               struct arena *arena)
{
    struct txn_offset_commit_response *out = ARENA_NEW(arena, struct txn_offset_commit_response);
    txn_offset_commit_response_init(out);
    out->topics = txn_offset_commit_response_topic_array(arena, (size_t)in->topics_count);
    out->topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct txn_offset_commit_request_topic *asked = &in->topics[i];
        struct txn_offset_commit_response_topic *topic = &out->topics[i];
        topic->name = asked->name;
        topic->partitions =
            txn_offset_commit_response_partition_array(arena, (size_t)asked->partitions_count);
        topic->partitions_count = asked->partitions_count;
        for (int32_t j = 0; j < asked->partitions_count; j++) {
            topic->partitions[j].partition_index = asked->partitions[j].partition_index;
            topic->partitions[j].error_code = (int16_t)error;
        }
    }
    return out;
}

static void *refuse_fetch(const struct offset_fetch_request *in, enum kafka_error error,
                          struct arena *arena)
{
    struct offset_fetch_response *out = ARENA_NEW(arena, struct offset_fetch_response);
    offset_fetch_response_init(out);
    out->groups = offset_fetch_response_group_array(arena, 1);
    out->groups_count = 1;
    out->groups[0].group_id = in->groups[0].group_id;
    out->groups[0].error_code = (int16_t)fetch_error(error);
    return out;
}

static void *refuse_offset_delete(enum kafka_error error, struct arena *arena)
{
    struct offset_delete_response *out = ARENA_NEW(arena, struct offset_delete_response);
    offset_delete_response_init(out);
    out->error_code = (int16_t)error;
    return out;
}

static void *refuse_list(enum kafka_error error, struct arena *arena)
{
    struct list_groups_response *out = ARENA_NEW(arena, struct list_groups_response);
    list_groups_response_init(out);
    out->error_code = (int16_t)error;
    return out;
}

static void *refuse_describe(const struct describe_groups_request *in, enum kafka_error error,
                             struct arena *arena)
{
    struct describe_groups_response *out = ARENA_NEW(arena, struct describe_groups_response);
    describe_groups_response_init(out);
    out->groups = describe_groups_response_described_group_array(arena, (size_t)in->groups_count);
    out->groups_count = in->groups_count;
    for (int32_t i = 0; i < in->groups_count; i++) {
        out->groups[i].group_id = in->groups[i];
        out->groups[i].error_code = (int16_t)error;
    }
    return out;
}

static void *refuse_consumer_heartbeat(enum kafka_error error, struct arena *arena)
{
    struct consumer_group_heartbeat_response *out =
        ARENA_NEW(arena, struct consumer_group_heartbeat_response);
    consumer_group_heartbeat_response_init(out);
    out->error_code = (int16_t)error;
    return out;
}

static void *refuse_consumer_describe(const struct consumer_group_describe_request *in,
                                      enum kafka_error error, struct arena *arena)
{
    struct consumer_group_describe_response *out =
        ARENA_NEW(arena, struct consumer_group_describe_response);
    consumer_group_describe_response_init(out);
    out->groups =
        consumer_group_describe_response_described_group_array(arena, (size_t)in->group_ids_count);
    out->groups_count = in->group_ids_count;
    for (int32_t i = 0; i < in->group_ids_count; i++) {
        out->groups[i].group_id = in->group_ids[i];
        out->groups[i].error_code = (int16_t)error;
    }
    return out;
}

static void *refuse_delete(const struct delete_groups_request *in, enum kafka_error error,
                           struct arena *arena)
{
    struct delete_groups_response *out = ARENA_NEW(arena, struct delete_groups_response);
    delete_groups_response_init(out);
    out->results =
        delete_groups_response_deletable_group_result_array(arena, (size_t)in->groups_names_count);
    out->results_count = in->groups_names_count;
    for (int32_t i = 0; i < in->groups_names_count; i++) {
        out->results[i].group_id = in->groups_names[i];
        out->results[i].error_code = (int16_t)error;
    }
    return out;
}

void *group_refusal(const struct group_request *request, enum kafka_error error,
                    struct arena *arena)
{
    switch (request->api_key) {
    case API_JOIN_GROUP:
        return refuse_join(request, error, arena);
    case API_SYNC_GROUP:
        return refuse_sync(error, arena);
    case API_HEARTBEAT:
        return refuse_heartbeat(error, arena);
    case API_LEAVE_GROUP:
        return refuse_leave(error, arena);
    case API_OFFSET_COMMIT:
        return refuse_commit(request->message, error, arena);
    case API_TXN_OFFSET_COMMIT:
        return refuse_txn_commit(request->message, error, arena);
    case API_OFFSET_FETCH:
        return refuse_fetch(request->message, error, arena);
    case API_OFFSET_DELETE:
        return refuse_offset_delete(error, arena);
    case API_LIST_GROUPS:
        return refuse_list(error, arena);
    case API_DESCRIBE_GROUPS:
        return refuse_describe(request->message, error, arena);
    case API_CONSUMER_GROUP_HEARTBEAT:
        return refuse_consumer_heartbeat(error, arena);
    case API_CONSUMER_GROUP_DESCRIBE:
        return refuse_consumer_describe(request->message, error, arena);
    default:
        ASSERT(request->api_key == API_DELETE_GROUPS);
        return refuse_delete(request->message, error, arena);
    }
}

/* ---- out of an answer ----------------------------------------------------------------------------------- */

static void spoil_commit(struct offset_commit_response *out, enum kafka_error error)
{
    for (int32_t i = 0; i < out->topics_count; i++) {
        for (int32_t j = 0; j < out->topics[i].partitions_count; j++)
            out->topics[i].partitions[j].error_code = (int16_t)error;
    }
}

static void spoil_txn_commit(struct txn_offset_commit_response *out, enum kafka_error error)
{
    for (int32_t i = 0; i < out->topics_count; i++) {
        for (int32_t j = 0; j < out->topics[i].partitions_count; j++)
            out->topics[i].partitions[j].error_code = (int16_t)error;
    }
}

static void
spoil_marker(struct write_txn_markers_response_writable_txn_marker_partition_result *out,
             enum kafka_error error)
{
    out->error_code = (int16_t)error;
}

static void spoil_describe(struct describe_groups_response *out, enum kafka_error error)
{
    for (int32_t i = 0; i < out->groups_count; i++) {
        const struct bytes id = out->groups[i].group_id;
        describe_groups_response_described_group_init(&out->groups[i]);
        out->groups[i].group_id = id;
        out->groups[i].error_code = (int16_t)error;
    }
}

static void spoil_consumer_describe(struct consumer_group_describe_response *out,
                                    enum kafka_error error)
{
    for (int32_t i = 0; i < out->groups_count; i++) {
        const struct bytes id = out->groups[i].group_id;
        consumer_group_describe_response_described_group_init(&out->groups[i]);
        out->groups[i].group_id = id;
        out->groups[i].error_code = (int16_t)error;
    }
}

/* Those that have one error, and nothing beside it: whether it was one. */
static bool spoil_whole(int16_t api_key, void *message, enum kafka_error error)
{
    if (api_key == API_CONSUMER_GROUP_HEARTBEAT) {
        struct consumer_group_heartbeat_response *out = message;
        consumer_group_heartbeat_response_init(out);
        out->error_code = (int16_t)error;
    } else if (api_key == API_JOIN_GROUP) {
        struct join_group_response *out = message;
        join_group_response_init(out);
        out->protocol_name = BYTES_LITERAL(""); /* null is not for all versions */
        out->error_code = (int16_t)error;
    } else if (api_key == API_SYNC_GROUP) {
        struct sync_group_response *out = message;
        sync_group_response_init(out);
        out->error_code = (int16_t)error;
    } else if (api_key == API_HEARTBEAT) {
        struct heartbeat_response *out = message;
        out->error_code = (int16_t)error;
    } else {
        return false;
    }
    return true;
}

void refusal_from_answer(int16_t api_key, void *message, enum kafka_error error)
{
    if (spoil_whole(api_key, message, error))
        return;
    if (api_key == API_OFFSET_COMMIT) {
        spoil_commit(message, error);
    } else if (api_key == API_TXN_OFFSET_COMMIT) {
        spoil_txn_commit(message, error);
    } else if (api_key == API_WRITE_TXN_MARKERS) {
        spoil_marker(message, error);
    } else if (api_key == API_LEAVE_GROUP) {
        struct leave_group_response *out = message;
        leave_group_response_init(out);
        out->error_code = (int16_t)error;
    } else if (api_key == API_OFFSET_FETCH) {
        struct offset_fetch_response *out = message;
        out->groups[0].topics_count = 0;
        out->groups[0].error_code = (int16_t)fetch_error(error);
    } else if (api_key == API_OFFSET_DELETE) {
        struct offset_delete_response *out = message;
        offset_delete_response_init(out);
        out->error_code = (int16_t)error;
    } else if (api_key == API_LIST_GROUPS) {
        struct list_groups_response *out = message;
        list_groups_response_init(out);
        out->error_code = (int16_t)error;
    } else if (api_key == API_DESCRIBE_GROUPS) {
        spoil_describe(message, error);
    } else if (api_key == API_CONSUMER_GROUP_DESCRIBE) {
        spoil_consumer_describe(message, error);
    } else {
        ASSERT(api_key == API_DELETE_GROUPS);
        struct delete_groups_response *out = message;
        for (int32_t i = 0; i < out->results_count; i++)
            out->results[i].error_code = (int16_t)error;
    }
}
