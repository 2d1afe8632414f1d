/* Where the group stands: committed offsets are looked up where a position begins, and committed as records are consumed. */
#include "client/consumer_int.h"

#include "wire/kafka_error.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

#include <string.h>

#define OFFSET_FETCH_VERSION_ONE_GROUP 7 /* also the first that can wait for transactions */
#define OFFSET_COMMIT_VERSION_NAMES    9

/* ---- committing ------------------------------------------------------------------------------ */

/* A record that was polled counts when the next one is, not earlier. */
static int64_t consumed(const struct consumer *c, const struct position *p)
{
    return p == c->given ? c->given_offset : p->offset;
}

static bool is_uncommitted(const struct consumer *c, const struct position *p)
{
    const int64_t offset = consumed(c, p);
    return offset >= 0 && offset != p->committed;
}

bool consumer__has_uncommitted(const struct consumer *c)
{
    for (size_t i = 0; i < c->positions.count; i++) {
        if (is_uncommitted(c, c->positions.items[i]))
            return true;
    }
    return false;
}

static void commit_failed(struct consumer *c, int16_t error)
{
    c->commit_result = err_note(&c->commit_note, -ERR_PROTOCOL, "%s", kafka_error_sentence(error));
}

void consumer__commit_missed(struct consumer *c)
{
    if (c->wants_commit && consumer__has_uncommitted(c))
        commit_failed(c, KAFKA_REBALANCE_IN_PROGRESS);
    c->wants_commit = false;
}

/* Unless the positions that it told of are given up. */
static void commit_again(struct consumer *c)
{
    c->wants_commit = consumer__has_uncommitted(c);
    if (!c->wants_commit)
        commit_failed(c, KAFKA_REBALANCE_IN_PROGRESS);
}

static void take_commit_error(struct consumer *c, int16_t error)
{
    switch (error) {
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        consumer__lose_coordinator(c);
        commit_again(c);
        break;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_FENCED_INSTANCE_ID:
        commit_failed(c, error);
        if (c->group == GROUP_MEMBER)
            consumer__group_error(c, error);
        break;
    default:
        if (kafka_error_is_retriable(error)) {
            commit_again(c);
            c->group_not_before_ns = MAX(c->group_not_before_ns, consumer__retry_at(c));
        } else {
            commit_failed(c, error);
        }
        break;
    }
}

static void take_committed(struct consumer *c, struct bytes topic, int32_t partition)
{
    const struct offset_commit_request *request = c->commit_call.request;
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct offset_commit_request_topic *asked = &request->topics[i];
        struct position *p;
        if (asked->partitions[0].partition_index == partition && bytes_equal(asked->name, topic) &&
            (p = consumer__position(c, topic, partition)) != NULL)
            p->committed = asked->partitions[0].committed_offset;
    }
}

static void on_committed(struct client_call *call)
{
    struct consumer *c = call->context;
    const struct offset_commit_response *response = call->response;
    int16_t error = KAFKA_NONE; /* the first of them: one answer has one cause, as a rule */
    for (int32_t i = 0; call->result == 0 && i < response->topics_count; i++) {
        const struct offset_commit_response_topic *topic = &response->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            if (topic->partitions[k].error_code == KAFKA_NONE)
                take_committed(c, topic->name, topic->partitions[k].partition_index);
            else if (error == KAFKA_NONE)
                error = topic->partitions[k].error_code;
        }
    }
    arena_deinit(&c->commit_arena);
    if (c->is_closing)
        return;
    if (call->result < 0) {
        consumer__lose_coordinator(c);
        commit_again(c);
    } else if (error != KAFKA_NONE) {
        take_commit_error(c, error);
    }
    consumer__tick_soon(c);
}

static void name_member(struct consumer *c, struct offset_commit_request *request)
{
    request->group_id = bytes_from_text(c->group_id);
    if (c->group != GROUP_MEMBER)
        return;
    const size_t id_size = strlen(c->member_id);
    request->generation_id_or_member_epoch = c->generation;
    request->member_id = bytes_from(arena_dup(&c->commit_arena, c->member_id, id_size), id_size);
    request->group_instance_id = consumer__instance_id(c);
}

void consumer__commit(struct consumer *c)
{
    c->wants_commit = c->commit_call.is_open_ || c->coordinator < 0;
    if (c->wants_commit)
        return;
    arena_deinit(&c->commit_arena);
    arena_init(&c->commit_arena, CLIENT_ARENA_BYTES_MAX);
    struct arena *arena = &c->commit_arena;
    struct offset_commit_request *request = ARENA_NEW(arena, struct offset_commit_request);
    offset_commit_request_init(request);
    name_member(c, request);
    request->topics = offset_commit_request_topic_array(arena, c->positions.count);
    for (size_t i = 0; i < c->positions.count; i++) {
        const struct position *p = c->positions.items[i];
        if (!is_uncommitted(c, p))
            continue;
        struct offset_commit_request_topic *topic = &request->topics[request->topics_count++];
        topic->name = bytes_from(arena_dup(arena, p->topic, strlen(p->topic)), strlen(p->topic));
        topic->partitions = offset_commit_request_partition_array(arena, 1);
        topic->partitions_count = 1;
        topic->partitions[0].partition_index = p->partition;
        topic->partitions[0].committed_offset = consumed(c, p);
        topic->partitions[0].committed_leader_epoch = p == c->given ? c->given_epoch : p->epoch;
        topic->partitions[0].committed_metadata = BYTES_LITERAL("");
    }
    if (request->topics_count == 0)
        return;
    c->commit_result = 0;
    c->commit_call.version_max = OFFSET_COMMIT_VERSION_NAMES;
    consumer__send(c, &c->commit_call, API_OFFSET_COMMIT, request, on_committed);
}

void consumer__commit_tick(struct consumer *c, int64_t now_ns)
{
    if (c->group_id == NULL || c->commit_call.is_open_)
        return;
    const bool may_commit = c->group == GROUP_MEMBER || c->group == GROUP_NONE;
    const int64_t interval_ns =
        config_i64(c->config, SETTING_CONSUMER_AUTO_COMMIT_INTERVAL_MS) * NS_PER_MS;
    if (may_commit && config_bool(c->config, SETTING_CONSUMER_ENABLE_AUTO_COMMIT) &&
        now_ns - c->commit_ns >= interval_ns) {
        c->commit_ns = now_ns;
        c->wants_commit |= consumer__has_uncommitted(c);
    }
    if (!c->wants_commit || now_ns < c->group_not_before_ns)
        return;
    if (c->coordinator >= 0)
        consumer__commit(c);
    else if (c->group == GROUP_NONE)
        consumer__find_coordinator(c);
}

/* ---- looking up ------------------------------------------------------------------------------ */

static void start_at(struct position *p, int64_t committed, int32_t epoch)
{
    p->offset = p->committed = committed;
    p->epoch = epoch;
}

static void take_offset(struct consumer *c, struct position *p,
                        const struct offset_fetch_response_partition *data)
{
    if (data->error_code != KAFKA_NONE && !kafka_error_is_retriable(data->error_code))
        consumer__fail(c, -ERR_PROTOCOL, "%s-%" PRId32 ": %s", p->topic, p->partition,
                       kafka_error_sentence(data->error_code));
    else if (data->error_code != KAFKA_NONE)
        p->not_before_ns = consumer__retry_at(c);
    else if (data->committed_offset < 0 && c->reset == 0)
        consumer__fail(c, -ERR_NOT_FOUND,
                       "Undefined offset with no reset policy for partition %s-%" PRId32, p->topic,
                       p->partition);
    else if (data->committed_offset < 0)
        p->offset = c->reset;
    else
        start_at(p, data->committed_offset, data->committed_leader_epoch);
}

static void lookup_failed(struct consumer *c, int result, int16_t error)
{
    if (result < 0 || error == KAFKA_COORDINATOR_NOT_AVAILABLE || error == KAFKA_NOT_COORDINATOR)
        consumer__lose_coordinator(c);
    else if (kafka_error_is_retriable(error))
        c->group_not_before_ns = MAX(c->group_not_before_ns, consumer__retry_at(c));
    else
        consumer__fail(c, -ERR_PROTOCOL, "Group %s: %s", c->group_id, kafka_error_sentence(error));
}

static void on_looked_up(struct client_call *call)
{
    struct consumer *c = call->context;
    const struct offset_fetch_response *response = call->response;
    arena_deinit(&c->lookup_arena);
    if (c->is_closing)
        return;
    const int16_t error = call->result < 0 ? KAFKA_NONE : response->error_code;
    if (call->result < 0 || error != KAFKA_NONE)
        lookup_failed(c, call->result, error);
    /* Of an earlier generation: others may have committed since. */
    const bool is_current = call->result == 0 && c->lookup_generation == c->generation;
    for (int32_t i = 0; is_current && i < response->topics_count; i++) {
        const struct offset_fetch_response_topic *topic = &response->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct position *p =
                consumer__position(c, topic->name, topic->partitions[k].partition_index);
            if (p != NULL && p->offset == CONSUMER_OFFSET_GROUP)
                take_offset(c, p, &topic->partitions[k]);
        }
    }
    consumer__tick_soon(c);
}

static bool is_looked_for(const struct position *p, int64_t now_ns)
{
    return p->offset == CONSUMER_OFFSET_GROUP && now_ns >= p->not_before_ns;
}

static void send_lookup(struct consumer *c, size_t count, int64_t now_ns)
{
    arena_deinit(&c->lookup_arena);
    arena_init(&c->lookup_arena, CLIENT_ARENA_BYTES_MAX);
    struct arena *arena = &c->lookup_arena;
    struct offset_fetch_request *request = ARENA_NEW(arena, struct offset_fetch_request);
    offset_fetch_request_init(request);
    request->group_id = bytes_from_text(c->group_id);
    /* What a transaction has not committed for good yet is waited for, where the broker can (KIP-447). */
    request->require_stable = channel_version(cluster_coordinator(c->cluster, c->coordinator),
                                              API_OFFSET_FETCH) >= OFFSET_FETCH_VERSION_ONE_GROUP;
    request->topics = offset_fetch_request_topic_array(arena, count);
    for (size_t i = 0; i < c->positions.count; i++) {
        const struct position *p = c->positions.items[i];
        if (!is_looked_for(p, now_ns))
            continue;
        struct offset_fetch_request_topic *topic = &request->topics[request->topics_count++];
        topic->name = bytes_from(arena_dup(arena, p->topic, strlen(p->topic)), strlen(p->topic));
        topic->partition_indexes = ARENA_NEW(arena, int32_t);
        topic->partition_indexes[0] = p->partition;
        topic->partition_indexes_count = 1;
    }
    c->lookup_generation = c->generation;
    c->lookup_call.version_max = OFFSET_FETCH_VERSION_ONE_GROUP;
    consumer__send(c, &c->lookup_call, API_OFFSET_FETCH, request, on_looked_up);
}

void consumer__lookup(struct consumer *c, int64_t now_ns)
{
    size_t wanting = 0;
    for (size_t i = 0; i < c->positions.count; i++) {
        struct position *p = c->positions.items[i];
        if (p->offset == CONSUMER_OFFSET_GROUP && c->group_id == NULL)
            p->offset = c->reset;
        wanting += is_looked_for(p, now_ns);
    }
    if (wanting == 0 || c->lookup_call.is_open_ || now_ns < c->group_not_before_ns)
        return;
    if (c->coordinator >= 0)
        send_lookup(c, wanting, now_ns);
    else if (c->group == GROUP_NONE)
        consumer__find_coordinator(c);
}
