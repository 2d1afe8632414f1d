/* Requests that name very many things are cut into steps, answered in whole, and bounded in what they hold meanwhile. */
#include "base/test.h"
#include "base/vec.h"
#include "server/rig_test.h"
#include "server/server_int.h"
#include "server/world_test.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/delete_groups_response.h"
#include "wire/messages/delete_records_request.h"
#include "wire/messages/delete_records_response.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/describe_configs_response.h"
#include "wire/messages/describe_producers_request.h"
#include "wire/messages/describe_producers_response.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"
#include "wire/messages/offset_for_leader_epoch_request.h"
#include "wire/messages/offset_for_leader_epoch_response.h"

enum { PARTS = 5000, PARTS_A_STEP = 1000 };

#define TOPIC BYTES_LITERAL("t")

/* Each makes a request of PARTS parts, and says how many of them an answer has that are well. */

static void *make_list_offsets(struct arena *arena)
{
    struct list_offsets_request *m = ARENA_NEW(arena, struct list_offsets_request);
    *m = list_offsets_request_default;
    m->topics = list_offsets_request_topic_array(arena, 1);
    m->topics_count = 1;
    m->topics[0].name = TOPIC;
    m->topics[0].partitions = list_offsets_request_partition_array(arena, PARTS);
    m->topics[0].partitions_count = PARTS;
    for (int32_t i = 0; i < PARTS; i++) {
        m->topics[0].partitions[i].partition_index = i;
        m->topics[0].partitions[i].timestamp = -1;
    }
    return m;
}

static int32_t count_list_offsets(const void *answer)
{
    const struct list_offsets_response *m = answer;
    int32_t count = 0;
    for (int32_t i = 0; i < m->topics[0].partitions_count; i++)
        count += m->topics[0].partitions[i].partition_index == i &&
                 m->topics[0].partitions[i].offset == 0;
    return count;
}

static void *make_epochs(struct arena *arena)
{
    struct offset_for_leader_epoch_request *m =
        ARENA_NEW(arena, struct offset_for_leader_epoch_request);
    *m = offset_for_leader_epoch_request_default;
    m->topics = offset_for_leader_epoch_request_offset_for_leader_topic_array(arena, 1);
    m->topics_count = 1;
    m->topics[0].topic = TOPIC;
    m->topics[0].partitions =
        offset_for_leader_epoch_request_offset_for_leader_partition_array(arena, PARTS);
    m->topics[0].partitions_count = PARTS;
    for (int32_t i = 0; i < PARTS; i++)
        m->topics[0].partitions[i].partition = i;
    return m;
}

static int32_t count_epochs(const void *answer)
{
    const struct offset_for_leader_epoch_response *m = answer;
    int32_t count = 0;
    for (int32_t i = 0; i < m->topics[0].partitions_count; i++)
        count += m->topics[0].partitions[i].partition == i &&
                 m->topics[0].partitions[i].error_code == KAFKA_NONE;
    return count;
}

static void *make_delete_records(struct arena *arena)
{
    struct delete_records_request *m = ARENA_NEW(arena, struct delete_records_request);
    *m = delete_records_request_default;
    m->topics = delete_records_request_topic_array(arena, 1);
    m->topics_count = 1;
    m->topics[0].name = TOPIC;
    m->topics[0].partitions = delete_records_request_partition_array(arena, PARTS);
    m->topics[0].partitions_count = PARTS;
    for (int32_t i = 0; i < PARTS; i++)
        m->topics[0].partitions[i].partition_index = i;
    return m;
}

static int32_t count_delete_records(const void *answer)
{
    const struct delete_records_response *m = answer;
    int32_t count = 0;
    for (int32_t i = 0; i < m->topics[0].partitions_count; i++)
        count += m->topics[0].partitions[i].partition_index == i &&
                 m->topics[0].partitions[i].low_watermark == 0;
    return count;
}

static void *make_producers(struct arena *arena)
{
    struct describe_producers_request *m = ARENA_NEW(arena, struct describe_producers_request);
    *m = describe_producers_request_default;
    m->topics = describe_producers_request_topic_request_array(arena, 1);
    m->topics_count = 1;
    m->topics[0].name = TOPIC;
    m->topics[0].partition_indexes = ARENA_NEW_ARRAY(arena, int32_t, PARTS);
    m->topics[0].partition_indexes_count = PARTS;
    for (int32_t i = 0; i < PARTS; i++)
        m->topics[0].partition_indexes[i] = i;
    return m;
}

static int32_t count_producers(const void *answer)
{
    const struct describe_producers_response *m = answer;
    int32_t count = 0;
    for (int32_t i = 0; i < m->topics[0].partitions_count; i++)
        count += m->topics[0].partitions[i].partition_index == i &&
                 m->topics[0].partitions[i].error_code == KAFKA_NONE;
    return count;
}

static void *make_coordinators(struct arena *arena)
{
    struct find_coordinator_request *m = ARENA_NEW(arena, struct find_coordinator_request);
    *m = find_coordinator_request_default;
    m->key_type = 2; /* of share groups, which are not served */
    m->coordinator_keys = ARENA_NEW_ARRAY(arena, struct bytes, PARTS);
    m->coordinator_keys_count = PARTS;
    for (int32_t i = 0; i < PARTS; i++)
        m->coordinator_keys[i] = TOPIC;
    return m;
}

static int32_t count_coordinators(const void *answer)
{
    const struct find_coordinator_response *m = answer;
    int32_t count = 0;
    for (int32_t i = 0; i < m->coordinators_count; i++)
        count += m->coordinators[i].error_code == KAFKA_INVALID_REQUEST;
    return count;
}

static const struct {
    int16_t api_key;
    int16_t version;
    void *(*make)(struct arena *arena);
    int32_t (*count)(const void *answer);
} requests[] = {
    { API_LIST_OFFSETS, 7, make_list_offsets, count_list_offsets },
    { API_OFFSET_FOR_LEADER_EPOCH, 4, make_epochs, count_epochs },
    { API_DELETE_RECORDS, 2, make_delete_records, count_delete_records },
    { API_DESCRIBE_PRODUCERS, 0, make_producers, count_producers },
    { API_FIND_COORDINATOR, 4, make_coordinators, count_coordinators },
};

/* One part more than fits takes a step more. */
TEST(steps, are_taken_by_requests_of_very_many_parts)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", PARTS);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        struct arena arena;
        arena_init(&arena, 64 << 20);
        struct buf request = rig_buf();
        const uint64_t before = server_counters(rig.shard.server)->steps;
        rig_put_request(&request, requests[i].api_key, requests[i].version, 7,
                        requests[i].make(&arena));
        rig_peer_send(&peer, buf_view(&request));
        server_rig_run_ms(&rig, 1000);
        const void *answer;
        EXPECT_EQ(rig_peer_take(&peer, requests[i].api_key, requests[i].version, &arena, &answer),
                  7);
        EXPECT_EQ(requests[i].count(answer), PARTS);
        EXPECT_EQ(server_counters(rig.shard.server)->steps - before, PARTS / PARTS_A_STEP - 1);
        arena_deinit(&arena);
        buf_deinit(&request);
    }
    rig_peer_close(&peer);
    server_rig_end(&rig);
}

/* Of lists whose length a log or a coordinator knows, before they are made. */
TEST(steps, know_whether_a_whole_list_has_room)
{
    struct request request = { .arena.used_bytes = REQUEST_ROOM_BYTES_MAX - 100 };
    EXPECT(request_has_room(&request));
    EXPECT(request_has_room_for(&request, 2, 50));
    EXPECT(!request_has_room_for(&request, 3, 50)); /* though there is room for one more */
    EXPECT(!request_has_room_for(&request, UINT32_MAX, 50));
    request.arena.used_bytes = REQUEST_ROOM_BYTES_MAX;
    EXPECT(!request_has_room(&request));
    EXPECT(!request_has_room_for(&request, 1, 50));
}

static void put_configs(struct buf *out, int32_t correlation_id, size_t count)
{
    VEC(struct describe_configs_request_resource) resources = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct describe_configs_request_resource resource =
            describe_configs_request_resource_default;
        resource.resource_type = 4; /* a broker */
        resource.resource_name = BYTES_LITERAL("1");
        resource.configuration_keys_count = -1;
        VEC_ADD(&resources, resource);
    }
    struct describe_configs_request request = describe_configs_request_default;
    request.resources = resources.items;
    request.resources_count = (int32_t)resources.count;
    rig_put_request(out, API_DESCRIBE_CONFIGS, 4, correlation_id, &request);
    VEC_DEINIT(&resources);
}

/* Many ask at once for answers of several MB, and read them: what they hold while they are made stays within the memory for
 * answers and one answer, and all are answered. */
TEST(steps, hold_no_more_than_the_memory_for_answers)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    server_rig_set_memory(&rig, 4u << 20);
    struct buf request = rig_buf();
    put_configs(&request, 1, 100);
    struct rig_peer peers[20];
    const struct server *server = rig.shard.server;
    size_t most = 0, answer_bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        rig_peer_connect(&rig, &peers[i], SERVER_RIG_PORT);
        rig_peer_send(&peers[i], buf_view(&request));
    }
    uint32_t answered = 0;
    for (int turn = 0; turn < 100000 && answered < ARRAY_LEN(peers); turn++) {
        server_rig_run_ms(&rig, 1);
        most = MAX(most, server->stepping_bytes[PURSE_LARGE] + server->out_bytes);
        for (size_t i = 0; i < ARRAY_LEN(peers); i++)
            answered += rig_peer_take_id(&peers[i], API_DESCRIBE_CONFIGS, 4) == 1;
    }
    EXPECT_EQ(answered, ARRAY_LEN(peers));
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        answer_bytes = MAX(answer_bytes, peers[i].taken);
        rig_peer_close(&peers[i]);
    }
    EXPECT(server->counters.steps > ARRAY_LEN(peers) * 5);
    /* Half of the memory, and one answer, which takes some times as much while it is made. */
    EXPECT(most < (4u << 20) / 2 + 6 * answer_bytes);
    EXPECT_EQ(server->stepping_bytes[PURSE_LARGE], 0);
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* A server is closed while requests are cut: they end without an answer. */
TEST(steps, end_with_the_server)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    server_rig_set_memory(&rig, 1u << 20);
    struct buf request = rig_buf();
    put_configs(&request, 1, 100);
    struct rig_peer deaf[4];
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++) {
        rig_peer_connect(&rig, &deaf[i], SERVER_RIG_PORT);
        rig_peer_set_deaf(&deaf[i], true);
        rig_peer_send(&deaf[i], buf_view(&request));
    }
    server_rig_run_ms(&rig, 100);
    server_close(rig.shard.server);
    EXPECT(server_is_idle(rig.shard.server));
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
        rig_peer_close(&deaf[i]);
    buf_deinit(&request);
    server_rig_end(&rig);
}

enum { GROUPS = 1000, GROUPS_A_STEP = 100 };

static struct bytes group_name(struct world *w, int32_t number)
{
    return bytes_from_text(arena_printf(&w->arena, "g%d", (int)number));
}

/* A group that is named again steps later is told of once, where it was named first. */
TEST(steps, are_taken_by_many_groups_to_be_deleted)
{
    struct world w;
    world_begin(&w, context->seed);
    struct delete_groups_request m = delete_groups_request_default;
    m.groups_names = ARENA_NEW_ARRAY(&w.arena, struct bytes, 2 * GROUPS);
    m.groups_names_count = 2 * GROUPS;
    for (int32_t i = 0; i < 2 * GROUPS; i++)
        m.groups_names[i] = group_name(&w, i % GROUPS);
    const uint64_t before = server_counters(w.rig.shard.server)->steps;
    const struct delete_groups_response *answer = world_call(&w, API_DELETE_GROUPS, 2, &m);
    EXPECT_EQ(server_counters(w.rig.shard.server)->steps - before, 2 * GROUPS / GROUPS_A_STEP - 1);
    EXPECT_EQ(answer->results_count, GROUPS);
    for (int32_t i = 0; i < GROUPS; i++) {
        EXPECT(bytes_equal(answer->results[i].group_id, m.groups_names[i]));
        EXPECT_EQ(answer->results[i].error_code, KAFKA_GROUP_ID_NOT_FOUND);
    }
    world_end(&w);
}

/* Groups are no cheaper than the partitions that are asked about in them. */
TEST(steps, are_taken_by_groups_with_many_offsets)
{
    enum { FETCHED = 20, INDEXES = 4000 };
    struct world w;
    world_begin(&w, context->seed);
    struct offset_fetch_request m = offset_fetch_request_default;
    m.groups = offset_fetch_request_group_array(&w.arena, FETCHED);
    m.groups_count = FETCHED;
    struct offset_fetch_request_topics topic = offset_fetch_request_topics_default;
    topic.name = TOPIC;
    topic.partition_indexes = ARENA_NEW_ARRAY(&w.arena, int32_t, INDEXES);
    topic.partition_indexes_count = INDEXES;
    for (int32_t i = 0; i < FETCHED; i++) {
        m.groups[i].group_id = group_name(&w, i);
        m.groups[i].topics = &topic;
        m.groups[i].topics_count = 1;
    }
    const uint64_t before = server_counters(w.rig.shard.server)->steps;
    const struct offset_fetch_response *answer = world_call(&w, API_OFFSET_FETCH, 8, &m);
    EXPECT_EQ(server_counters(w.rig.shard.server)->steps - before, FETCHED - 1);
    EXPECT_EQ(answer->groups_count, FETCHED);
    for (int32_t i = 0; i < FETCHED; i++) {
        EXPECT(bytes_equal(answer->groups[i].group_id, m.groups[i].group_id));
        EXPECT_EQ(answer->groups[i].topics[0].partitions_count, INDEXES);
    }
    world_end(&w);
}
