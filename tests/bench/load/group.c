/* A load of one group's members, classic protocol: each connection is one. They join at the same time; who becomes the leader
 * gives each an equal, consecutive share of the partitions; all send heartbeats, and join again when told to.
 *
 * It ends when all are of one generation and every partition has one owner. The time counts from when the last of them
 * asked to join for the first time with the id it was given.
 */
#include "load.h"

#include "asker.h"
#include "base/buf.h"
#include "base/mem.h"
#include "peer.h"
#include "wire/api.h"
#include "wire/kafka_error.h"
#include "wire/messages/consumer_protocol_assignment.h"
#include "wire/messages/consumer_protocol_subscription.h"
#include "wire/messages/heartbeat_request.h"
#include "wire/messages/heartbeat_response.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"

#include <stdio.h>
#include <string.h>

#define JOIN_GROUP_VERSION   9
#define SYNC_GROUP_VERSION   5
#define HEARTBEAT_VERSION    4
#define SUBSCRIPTION_VERSION 3
#define ASSIGNMENT_VERSION   3
#define ANSWER_BYTES_MAX     (4u << 20)
#define MESSAGE_BYTES_MAX    (16 << 20)

/* As the defaults of Kafka's consumers are. */
#define SESSION_TIMEOUT_MS 45000
#define REBALANCE_MS       300000
#define HEARTBEAT_NS       (3 * NS_PER_SECOND)
#define PROTOCOL_TYPE      "consumer"
#define PROTOCOL_NAME      "range"

enum member_stage { MEMBER_JOINS, MEMBER_SYNCS, MEMBER_IS_STABLE };

struct member_lane {
    enum member_stage stage;
    struct bytes id; /* owned; empty: not yet given one */
    int32_t generation;
    int32_t owned_count;
    int64_t beat_ns; /* when the next heartbeat is due */
};

struct grouping {
    const struct load_options *options;
    struct askers askers;
    struct member_lane *lanes;
    struct buf subscription;
    int32_t *owned_in;  /* by partition: the generation in which somebody was last given it */
    struct arena arena; /* of one message */
    int64_t last_join_ns;
    int64_t joins; /* generations' worth of JoinGroup answers */
};

/* ---- asking ---------------------------------------------------------------------------------- */

static void join(struct grouping *g, int32_t index)
{
    struct member_lane *lane = &g->lanes[index];
    struct join_group_request request = join_group_request_default;
    struct join_group_request_protocol protocol = join_group_request_protocol_default;
    request.group_id = bytes_from_text(g->options->group);
    request.session_timeout_ms = SESSION_TIMEOUT_MS;
    request.rebalance_timeout_ms = REBALANCE_MS;
    request.member_id = lane->id;
    request.protocol_type = BYTES_LITERAL(PROTOCOL_TYPE);
    request.protocols = &protocol;
    request.protocols_count = 1;
    protocol.name = BYTES_LITERAL(PROTOCOL_NAME);
    protocol.metadata = buf_view(&g->subscription);
    lane->stage = MEMBER_JOINS;
    askers_ask(&g->askers, index, API_JOIN_GROUP, JOIN_GROUP_VERSION, &request);
}

static void beat(struct grouping *g, int32_t index)
{
    const struct member_lane *lane = &g->lanes[index];
    struct heartbeat_request request = heartbeat_request_default;
    request.group_id = bytes_from_text(g->options->group);
    request.generation_id = lane->generation;
    request.member_id = lane->id;
    askers_ask(&g->askers, index, API_HEARTBEAT, HEARTBEAT_VERSION, &request);
}

static void put_message(struct buf *out, int16_t version, const struct wire_message *message,
                        const void *value)
{
    struct writer w = writer_to(out);
    write_i16(&w, version);
    struct err_note note = { 0 };
    if (wire_encode(message, version, value, &w, &note) < 0 || !buf_is_ok(out))
        load_fail("encode %s: %s", message->name, note.text);
}

/* The share of the member at this place among so many. */
static struct bytes share_of(struct grouping *g, int32_t at, int32_t count)
{
    const int32_t partitions = g->options->partitions;
    const int32_t first = (int32_t)((int64_t)partitions * at / count);
    const int32_t end = (int32_t)((int64_t)partitions * (at + 1) / count);
    struct consumer_protocol_assignment assignment = consumer_protocol_assignment_default;
    struct consumer_protocol_assignment_topic_partition topic =
        consumer_protocol_assignment_topic_partition_default;
    topic.topic = bytes_from_text(g->options->topic);
    topic.partitions = ARENA_NEW_ARRAY(&g->arena, int32_t, (size_t)(end - first));
    topic.partitions_count = end - first;
    for (int32_t i = first; i < end; i++)
        topic.partitions[i - first] = i;
    assignment.assigned_partitions = &topic;
    assignment.assigned_partitions_count = 1;
    struct buf out;
    buf_init(&out, MESSAGE_BYTES_MAX);
    put_message(&out, ASSIGNMENT_VERSION, &consumer_protocol_assignment_message, &assignment);
    const struct bytes bytes = bytes_from(arena_dup(&g->arena, out.data, out.size), out.size);
    buf_deinit(&out);
    return bytes;
}

static void sync_members(struct grouping *g, int32_t index,
                         const struct join_group_response *joined)
{
    struct member_lane *lane = &g->lanes[index];
    struct sync_group_request request = sync_group_request_default;
    request.group_id = bytes_from_text(g->options->group);
    request.generation_id = lane->generation;
    request.member_id = lane->id;
    request.protocol_type = BYTES_LITERAL(PROTOCOL_TYPE);
    request.protocol_name = BYTES_LITERAL(PROTOCOL_NAME);
    request.assignments_count = joined->members_count;
    request.assignments =
        sync_group_request_assignment_array(&g->arena, (size_t)joined->members_count);
    for (int32_t i = 0; i < joined->members_count; i++) {
        request.assignments[i].member_id = joined->members[i].member_id;
        request.assignments[i].assignment = share_of(g, i, joined->members_count);
    }
    lane->stage = MEMBER_SYNCS;
    askers_ask(&g->askers, index, API_SYNC_GROUP, SYNC_GROUP_VERSION, &request);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void on_joined(struct grouping *g, int32_t index, struct bytes answer)
{
    struct member_lane *lane = &g->lanes[index];
    struct join_group_response response;
    load_decode(API_JOIN_GROUP, JOIN_GROUP_VERSION, answer, &g->arena, &response);
    if (response.error_code == KAFKA_MEMBER_ID_REQUIRED && lane->id.size == 0) {
        uint8_t *id = mem_alloc(response.member_id.size);
        memcpy(id, response.member_id.data, response.member_id.size);
        lane->id = bytes_from(id, response.member_id.size);
        g->last_join_ns = load_now_ns();
        join(g, index);
        return;
    }
    if (response.error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
        response.error_code == KAFKA_NOT_COORDINATOR) {
        join(g, index);
        return;
    }
    if (response.error_code != KAFKA_NONE)
        load_fail("join: %s", kafka_error_name(response.error_code));
    g->joins++;
    lane->generation = response.generation_id;
    sync_members(g, index, &response);
}

static void own(struct grouping *g, int32_t index, const struct consumer_protocol_assignment *given)
{
    struct member_lane *lane = &g->lanes[index];
    lane->owned_count = 0;
    for (int32_t t = 0; t < given->assigned_partitions_count; t++) {
        const struct consumer_protocol_assignment_topic_partition *topic =
            &given->assigned_partitions[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            if (topic->partitions[i] < 0 || topic->partitions[i] >= g->options->partitions)
                load_fail("partition %d was given", topic->partitions[i]);
            g->owned_in[topic->partitions[i]] = lane->generation;
            lane->owned_count++;
        }
    }
}

static void on_synced(struct grouping *g, int32_t index, struct bytes answer)
{
    struct member_lane *lane = &g->lanes[index];
    struct sync_group_response response;
    load_decode(API_SYNC_GROUP, SYNC_GROUP_VERSION, answer, &g->arena, &response);
    if (response.error_code == KAFKA_REBALANCE_IN_PROGRESS) {
        join(g, index);
        return;
    }
    if (response.error_code != KAFKA_NONE)
        load_fail("sync: %s", kafka_error_name(response.error_code));
    struct reader r = reader_from(response.assignment);
    const int16_t version = read_i16(&r);
    struct consumer_protocol_assignment given;
    struct err_note note = { 0 };
    if (version != ASSIGNMENT_VERSION ||
        consumer_protocol_assignment_decode(version, &r, &g->arena, &given, &note) < 0)
        load_fail("an assignment that nobody made: %s", note.text);
    own(g, index, &given);
    lane->stage = MEMBER_IS_STABLE;
    lane->beat_ns = load_now_ns() + HEARTBEAT_NS;
}

static void on_beaten(struct grouping *g, int32_t index, struct bytes answer)
{
    struct heartbeat_response response;
    load_decode(API_HEARTBEAT, HEARTBEAT_VERSION, answer, &g->arena, &response);
    if (response.error_code == KAFKA_REBALANCE_IN_PROGRESS)
        join(g, index);
    else if (response.error_code != KAFKA_NONE)
        load_fail("heartbeat: %s", kafka_error_name(response.error_code));
    else
        g->lanes[index].beat_ns = load_now_ns() + HEARTBEAT_NS;
}

static void on_answer(void *context, int32_t index, struct bytes answer)
{
    struct grouping *g = context;
    const struct member_lane *lane = &g->lanes[index];
    arena_reset(&g->arena);
    if (lane->stage == MEMBER_JOINS)
        on_joined(g, index, answer);
    else if (lane->stage == MEMBER_SYNCS)
        on_synced(g, index, answer);
    else
        on_beaten(g, index, answer);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Sends what heartbeats are due; how long until the next one. */
static int64_t send_beats(struct grouping *g)
{
    const int64_t now_ns = load_now_ns();
    int64_t wait_ns = HEARTBEAT_NS;
    for (int32_t i = 0; i < g->options->connections; i++) {
        struct member_lane *lane = &g->lanes[i];
        if (lane->stage != MEMBER_IS_STABLE || g->askers.items[i].has_asked)
            continue;
        if (lane->beat_ns <= now_ns)
            beat(g, i);
        else
            wait_ns = MIN(wait_ns, lane->beat_ns - now_ns);
    }
    return wait_ns;
}

static bool has_converged(const struct grouping *g)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < g->options->connections; i++) {
        const struct member_lane *lane = &g->lanes[i];
        if (lane->stage != MEMBER_IS_STABLE || lane->generation != g->lanes[0].generation)
            return false;
        sum += lane->owned_count;
    }
    if (sum != g->options->partitions)
        return false;
    for (int32_t i = 0; i < g->options->partitions; i++) {
        if (g->owned_in[i] != g->lanes[0].generation)
            return false;
    }
    return true;
}

static void open_lanes(struct grouping *g)
{
    const struct load_options *options = g->options;
    struct consumer_protocol_subscription subscription = consumer_protocol_subscription_default;
    struct bytes topic = bytes_from_text(options->topic);
    subscription.topics = &topic;
    subscription.topics_count = 1;
    buf_init(&g->subscription, MESSAGE_BYTES_MAX);
    put_message(&g->subscription, SUBSCRIPTION_VERSION, &consumer_protocol_subscription_message,
                &subscription);
    g->lanes = MEM_NEW_ARRAY(struct member_lane, (size_t)options->connections);
    g->owned_in = MEM_NEW_ARRAY(int32_t, (size_t)options->partitions);
    for (int32_t i = 0; i < options->connections; i++) {
        g->lanes[i].id = BYTES_LITERAL("");
    }
}

static void close_lanes(struct grouping *g)
{
    for (int32_t i = 0; i < g->options->connections; i++) {
        if (g->lanes[i].id.size > 0)
            bytes_free(g->lanes[i].id);
    }
    mem_free(g->lanes);
    mem_free(g->owned_in);
    buf_deinit(&g->subscription);
}

void load_group(const struct load_options *options)
{
    struct grouping g = { .options = options };
    arena_init(&g.arena, SIZE_MAX);
    open_lanes(&g);
    load_find_coordinator(options, LOAD_COORDINATOR_OF_GROUP);
    askers_open(&g.askers, options, ANSWER_BYTES_MAX);
    for (int32_t i = 0; i < options->connections; i++)
        join(&g, i);
    while (!has_converged(&g))
        askers_wait(&g.askers, send_beats(&g), on_answer, &g);
    const double seconds = (double)(load_now_ns() - g.last_join_ns) / NS_PER_SECOND;
    printf("{\"members\":%d,\"partitions\":%d,\"seconds\":%.6f,\"joins\":%" PRId64 "}\n",
           options->connections, options->partitions, seconds, g.joins);
    askers_close(&g.askers);
    close_lanes(&g);
    arena_deinit(&g.arena);
}
