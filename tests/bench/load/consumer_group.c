/* A load of one group's members, consumer protocol (KIP-848): each connection is one. They join at the same time, and take
 * what the coordinator gives them as soon as it is told; heartbeats go out as often as the coordinator asks for.
 *
 * It ends when every partition has one owner and each member has its equal share. The time counts from when the last of
 * them asked to join.
 */
#include "load.h"

#include "asker.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "peer.h"
#include "wire/api.h"
#include "wire/kafka_error.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/consumer_group_heartbeat_response.h"

#include <stdio.h>
#include <string.h>

#define HEARTBEAT_VERSION 1 /* members choose their ids */
#define ANSWER_BYTES_MAX  (1u << 20)
#define REBALANCE_MS      300000
#define LOOK_NS           (50 * NS_PER_MS)

struct member_lane {
    char id[UUID_TEXT_SIZE];
    bool is_joined;
    bool must_tell; /* what it owns has changed since it was told */
    int32_t epoch;
    struct uuid topic_id;
    VEC(int32_t) owned;
    int64_t interval_ns;
    int64_t beat_ns; /* when the next heartbeat is due */
};

struct grouping {
    const struct load_options *options;
    struct askers askers;
    struct member_lane *lanes;
    int32_t *owner_counts; /* by partition */
    int32_t owned_once;    /* partitions that have one owner */
    struct arena arena;    /* of one message */
    int64_t last_join_ns;
    int64_t beats;
    bool has_changed; /* since it was last looked whether they have converged */
};

/* ---- asking ---------------------------------------------------------------------------------- */

static void beat(struct grouping *g, int32_t index)
{
    struct member_lane *lane = &g->lanes[index];
    struct consumer_group_heartbeat_request request = consumer_group_heartbeat_request_default;
    struct consumer_group_heartbeat_request_topic_partitions topic =
        consumer_group_heartbeat_request_topic_partitions_default;
    struct bytes name = bytes_from_text(g->options->topic);
    request.group_id = bytes_from_text(g->options->group);
    request.member_id = bytes_from_text(lane->id);
    request.member_epoch = lane->epoch;
    request.subscribed_topic_names_count = -1;
    request.topic_partitions_count = -1;
    if (!lane->is_joined) {
        request.rebalance_timeout_ms = REBALANCE_MS;
        request.subscribed_topic_names = &name;
        request.subscribed_topic_names_count = 1;
        request.topic_partitions_count = 0;
        g->last_join_ns = load_now_ns();
    } else if (lane->must_tell) {
        topic.topic_id = lane->topic_id;
        topic.partitions = lane->owned.items;
        topic.partitions_count = (int32_t)lane->owned.count;
        request.topic_partitions = &topic;
        request.topic_partitions_count = lane->owned.count > 0 ? 1 : 0;
        lane->must_tell = false;
    }
    g->beats++;
    askers_ask(&g->askers, index, API_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, &request);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void count_owner(struct grouping *g, int32_t partition, int32_t by)
{
    int32_t *count = &g->owner_counts[partition];
    g->owned_once -= *count == 1;
    *count += by;
    g->owned_once += *count == 1;
}

static void own(struct grouping *g, struct member_lane *lane,
                const struct consumer_group_heartbeat_response_assignment *given)
{
    for (size_t i = 0; i < lane->owned.count; i++)
        count_owner(g, lane->owned.items[i], -1);
    lane->owned.count = 0;
    if (given->topic_partitions_count > 1)
        load_fail("partitions of %d topics were given", given->topic_partitions_count);
    for (int32_t t = 0; t < given->topic_partitions_count; t++) {
        lane->topic_id = given->topic_partitions[t].topic_id;
        for (int32_t i = 0; i < given->topic_partitions[t].partitions_count; i++) {
            const int32_t partition = given->topic_partitions[t].partitions[i];
            if (partition < 0 || partition >= g->options->partitions)
                load_fail("partition %d was given", partition);
            VEC_ADD(&lane->owned, partition);
            count_owner(g, partition, 1);
        }
    }
    lane->must_tell = true;
    g->has_changed = true;
}

static void on_beaten(struct grouping *g, int32_t index, struct bytes answer)
{
    struct member_lane *lane = &g->lanes[index];
    struct consumer_group_heartbeat_response response;
    load_decode(API_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, answer, &g->arena, &response);
    if (response.error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
        response.error_code == KAFKA_NOT_COORDINATOR) {
        lane->beat_ns = load_now_ns() + LOOK_NS;
        return;
    }
    if (response.error_code != KAFKA_NONE)
        load_fail("%s: heartbeat: %s", lane->id, kafka_error_name(response.error_code));
    lane->is_joined = true;
    lane->epoch = response.member_epoch;
    lane->interval_ns = response.heartbeat_interval_ms * NS_PER_MS;
    if (response.assignment != NULL)
        own(g, lane, response.assignment);
    lane->beat_ns = load_now_ns() + (lane->must_tell ? 0 : lane->interval_ns);
}

static void on_answer(void *context, int32_t index, struct bytes answer)
{
    struct grouping *g = context;
    arena_reset(&g->arena);
    on_beaten(g, index, answer);
    if (g->lanes[index].must_tell)
        beat(g, index);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Sends what heartbeats are due; how long until the next one, or until that is to be looked at again. */
static int64_t send_beats(struct grouping *g)
{
    const int64_t now_ns = load_now_ns();
    int64_t wait_ns = LOOK_NS;
    for (int32_t i = 0; i < g->options->connections; i++) {
        const struct member_lane *lane = &g->lanes[i];
        if (g->askers.items[i].has_asked)
            continue;
        if (lane->beat_ns <= now_ns)
            beat(g, i);
        else
            wait_ns = MIN(wait_ns, lane->beat_ns - now_ns);
    }
    return wait_ns;
}

static bool has_converged(struct grouping *g)
{
    if (!g->has_changed || g->owned_once != g->options->partitions)
        return false;
    g->has_changed = false;
    const size_t least = (size_t)(g->options->partitions / g->options->connections);
    for (int32_t i = 0; i < g->options->connections; i++) {
        if (g->lanes[i].owned.count < least)
            return false;
    }
    return true;
}

static void open_lanes(struct grouping *g)
{
    const struct load_options *options = g->options;
    struct rng rng = rng_from_seed((uint64_t)load_now_ns());
    g->lanes = MEM_NEW_ARRAY(struct member_lane, (size_t)options->connections);
    g->owner_counts = MEM_NEW_ARRAY(int32_t, (size_t)options->partitions);
    for (int32_t i = 0; i < options->connections; i++) {
        uuid_to_text(uuid_draw_from_rng(&rng), g->lanes[i].id);
    }
}

static void close_lanes(struct grouping *g)
{
    for (int32_t i = 0; i < g->options->connections; i++) {
        VEC_DEINIT(&g->lanes[i].owned);
    }
    mem_free(g->lanes);
    mem_free(g->owner_counts);
}

void load_consumer_group(const struct load_options *options)
{
    struct grouping g = { .options = options };
    arena_init(&g.arena, SIZE_MAX);
    open_lanes(&g);
    load_find_coordinator(options, LOAD_COORDINATOR_OF_GROUP);
    askers_open(&g.askers, options, ANSWER_BYTES_MAX);
    while (!has_converged(&g))
        askers_wait(&g.askers, send_beats(&g), on_answer, &g);
    const double seconds = (double)(load_now_ns() - g.last_join_ns) / NS_PER_SECOND;
    printf("{\"members\":%d,\"partitions\":%d,\"seconds\":%.6f,\"heartbeats\":%" PRId64 "}\n",
           options->connections, options->partitions, seconds, g.beats);
    askers_close(&g.askers);
    close_lanes(&g);
    arena_deinit(&g.arena);
}
