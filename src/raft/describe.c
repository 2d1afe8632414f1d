/* DescribeQuorum: the leader's view of the quorum (KIP-595, KIP-836, KIP-853). */
#include "raft/raft_int.h"
#include "wire/kafka_error.h"
#include "wire/messages/describe_quorum_request.h"
#include "wire/messages/describe_quorum_response.h"

#define METADATA_TOPIC "__cluster_metadata"

static void fill_voter(const struct raft *r, uint32_t slot, int16_t version, int64_t wall_ms,
                       struct describe_quorum_response_replica_state *out)
{
    const struct raft_voter *voter = &raft_voters(r)->items[slot];
    const struct raft_peer *peer = &r->peers[slot];
    const bool is_self = voter->id == r->settings.node_id;
    out->replica_id = voter->id;
    if (version >= 2)
        out->replica_directory_id = is_self ? r->settings.directory_id : voter->directory_id;
    out->log_end_offset = is_self ? r->flushed_end : peer->end_offset;
    out->last_fetch_timestamp = is_self ? wall_ms : peer->last_fetch_wall_ms;
    out->last_caught_up_timestamp = is_self ? wall_ms : peer->last_caught_up_wall_ms;
}

static void fill_nodes(const struct raft *r, struct arena *arena,
                       struct describe_quorum_response *out)
{
    const struct raft_voters *voters = raft_voters(r);
    out->nodes = describe_quorum_response_node_array(arena, voters->count);
    out->nodes_count = (int32_t)voters->count;
    for (uint32_t i = 0; i < voters->count; i++) {
        const struct raft_voter *voter = &voters->items[i];
        struct describe_quorum_response_node *node = &out->nodes[i];
        node->node_id = voter->id;
        node->listeners = describe_quorum_response_listener_array(arena, voter->endpoint_count);
        node->listeners_count = (int32_t)voter->endpoint_count;
        for (uint32_t k = 0; k < voter->endpoint_count; k++) {
            /* The voter set may change before the answer leaves: copies. */
            node->listeners[k].name =
                bytes_from_text(arena_printf(arena, "%s", voter->endpoints[k].name));
            node->listeners[k].host =
                bytes_from_text(arena_printf(arena, "%s", voter->endpoints[k].host));
            node->listeners[k].port = voter->endpoints[k].port;
        }
    }
}

static void fill_error(struct describe_quorum_response_partition_data *out, enum kafka_error error)
{
    out->error_code = (int16_t)error;
    out->error_message = bytes_from_text(kafka_error_sentence((int16_t)error));
}

static void fill_partition(const struct raft *r, int16_t version, int64_t wall_ms,
                           struct arena *arena, struct describe_quorum_response_partition_data *out)
{
    out->leader_id = r->settings.node_id;
    out->leader_epoch = r->state.leader_epoch;
    out->high_watermark = r->high_watermark;
    out->error_message = BYTES_LITERAL("");
    out->current_voters = describe_quorum_response_replica_state_array(arena, r->peer_count);
    out->current_voters_count = (int32_t)r->peer_count;
    for (uint32_t i = 0; i < r->peer_count; i++)
        fill_voter(r, i, version, wall_ms, &out->current_voters[i]);
}

/* Kafka answers about its one partition only when asked for nothing else. */
static bool asks_for_metadata_only(const struct describe_quorum_request *request)
{
    return request->topics_count == 1 && request->topics[0].partitions_count == 1 &&
           request->topics[0].partitions[0].partition_index == 0 &&
           bytes_equal_text(request->topics[0].topic_name, METADATA_TOPIC);
}

void raft_describe_quorum(const struct raft *r, const struct describe_quorum_request *request,
                          int16_t version, int64_t wall_ms, struct arena *arena,
                          struct describe_quorum_response *out)
{
    describe_quorum_response_init(out);
    out->error_message = BYTES_LITERAL("");
    const bool is_ours = asks_for_metadata_only(request);
    const bool can_answer = is_ours && raft_is_leader(r);
    const int32_t topic_count = MAX(request->topics_count, 0);
    out->topics = describe_quorum_response_topic_data_array(arena, (uint32_t)topic_count);
    out->topics_count = topic_count;
    for (int32_t t = 0; t < topic_count; t++) {
        const int32_t count = MAX(request->topics[t].partitions_count, 0);
        struct describe_quorum_response_topic_data *topic = &out->topics[t];
        topic->topic_name = request->topics[t].topic_name;
        topic->partitions = describe_quorum_response_partition_data_array(arena, (uint32_t)count);
        topic->partitions_count = count;
        for (int32_t p = 0; p < count; p++) {
            topic->partitions[p].partition_index = request->topics[t].partitions[p].partition_index;
            if (can_answer)
                fill_partition(r, version, wall_ms, arena, &topic->partitions[p]);
            else
                fill_error(&topic->partitions[p], is_ours ? KAFKA_NOT_LEADER_OR_FOLLOWER
                                                          : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        }
    }
    if (can_answer && version >= 2)
        fill_nodes(r, arena, out);
}
