/* Connections: framing at every cut, order, back-pressure, deadlines, and what is said to those who speak nonsense. */
#include "server/rig_test.h"

#include "base/be.h"
#include "base/mem.h"
#include "server/server_int.h"
#include "wire/messages/api_versions_response.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/produce_response.h"

#include <errno.h>
#include <string.h>

#define OUT_MAX (64u << 20)

static struct buf new_buf(void)
{
    struct buf buf;
    buf_init(&buf, OUT_MAX);
    return buf;
}

static void connect(struct server_rig *rig, struct rig_peer *peer)
{
    rig_peer_connect(rig, peer, SERVER_RIG_PORT);
}

/* The server's own side of the only connection there is. */
static struct connection *only_connection(struct server_rig *rig)
{
    struct server *server = rig->shard.server;
    EXPECT_EQ(server->connection_count, 1);
    return LIST_ENTRY(server->connections.next, struct connection, link);
}

/* ---- framing --------------------------------------------------------------------------------- */

/* Three requests, cut once at every byte: the same three answers. */
TEST(connection, frames_requests_at_every_cut)
{
    struct buf all = new_buf();
    rig_put_api_versions(&all, 1);
    rig_put_metadata(&all, 2, NULL);
    rig_put_api_versions(&all, 3);
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", 2);
    struct arena arena;
    arena_init(&arena, OUT_MAX);
    for (size_t cut = 0; cut <= all.size; cut++) {
        struct rig_peer peer;
        connect(&rig, &peer);
        rig_peer_send(&peer, bytes_from(all.data, cut));
        server_rig_run_ms(&rig, 50);
        rig_peer_send(&peer, bytes_from(all.data + cut, all.size - cut));
        server_rig_run_ms(&rig, 50);
        const void *message;
        EXPECT_EQ(
            rig_peer_take(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION, &arena, &message), 1);
        EXPECT_EQ(rig_peer_take(&peer, API_METADATA, RIG_METADATA_VERSION, &arena, &message), 2);
        const struct metadata_response *metadata = message;
        EXPECT_EQ(metadata->topics_count, 1);
        EXPECT_EQ(metadata->topics[0].partitions_count, 2);
        EXPECT_EQ(
            rig_peer_take(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION, &arena, &message), 3);
        EXPECT_EQ(rig_peer_waiting(&peer), 0);
        rig_peer_close(&peer);
        server_rig_run_ms(&rig, 50);
        arena_reset(&arena);
    }
    EXPECT_EQ(server_connection_count(rig.shard.server), 0);
    EXPECT_EQ(rig.shard.server->pool.lent_bytes, rig.shard.server->landing.shared == NULL
                                                     ? 0
                                                     : rig.shard.server->landing.shared->size);
    arena_deinit(&arena);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* A network that delivers in crumbs, both ways, and small socket buffers: nothing is lost or doubled. */
TEST(connection, survives_a_network_of_crumbs)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "a-topic-with-a-name-of-some-length", 50);
    struct sim_link link = sim_link_default();
    link.buffer_bytes_min = link.buffer_bytes_max = 2048;
    link.partial_in_a_million = 700000;
    sim_world_set_link(rig.base.world, &link);
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf all = new_buf();
    for (int32_t i = 0; i < 100; i++)
        rig_put_metadata(&all, i, NULL);
    rig_peer_send(&peer, buf_view(&all));
    struct arena arena;
    arena_init(&arena, OUT_MAX);
    for (int32_t i = 0; i < 100;) {
        const void *message;
        const int32_t id =
            rig_peer_take(&peer, API_METADATA, RIG_METADATA_VERSION, &arena, &message);
        if (id < 0) {
            server_rig_run_ms(&rig, 10);
            continue;
        }
        EXPECT_EQ(id, i++);
        EXPECT_EQ(((const struct metadata_response *)message)->topics[0].partitions_count, 50);
    }
    arena_deinit(&arena);
    rig_peer_close(&peer);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* A frame takes memory as it arrives, whatever size it announces. */
TEST(connection, gives_no_memory_for_an_announcement)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peers[20];
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        uint8_t prefix[5] = { 0 };
        connect(&rig, &peers[i]);
        be_store_u32(prefix, rig.limits.frame_bytes_max);
        rig_peer_send(&peers[i], bytes_from(prefix, sizeof(prefix)));
    }
    server_rig_run_ms(&rig, 100);
    EXPECT(rig.shard.server->pool.lent_bytes <=
           ARRAY_LEN(peers) * SHARED_POOL_SIZE_MIN + rig.shard.server->landing.shared->size);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++)
        rig_peer_close(&peers[i]);
    server_rig_end(&rig);
}

/* ---- order ----------------------------------------------------------------------------------- */

static int32_t take_id(struct rig_peer *peer, int16_t api_key, int16_t version)
{
    return rig_peer_take(peer, api_key, version, NULL, NULL);
}

/* Produce may start while an earlier Produce waits; everything else starts when what came before it is answered. */
TEST(connection, overlaps_produce_alone)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    const struct partition *p = replicas_get(rig.shard.replicas, topic, 0);
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf all = new_buf();
    rig_put_api_versions(&all, 1);
    rig_put_produce(&all, 2, -1, "s", 1);
    rig_put_produce(&all, 3, 1, "s", 1); /* safe at once, and yet behind the one that waits */
    rig_put_produce(&all, 4, 0, "s", 1); /* never answered */
    rig_put_produce(&all, 5, -1, "s", 1);
    rig_put_metadata(&all, 6, NULL);
    rig_put_produce(&all, 7, 1, "s", 1);
    rig_peer_send(&peer, buf_view(&all));
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    EXPECT_EQ(log_offsets(p->log)->end, 4); /* the last one stands behind Metadata */
    server_rig_commit(&rig, topic);
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 2);
    EXPECT_EQ(take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 3);
    EXPECT_EQ(take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 5);
    EXPECT_EQ(take_id(&peer, API_METADATA, RIG_METADATA_VERSION), 6);
    EXPECT_EQ(take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 7);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    EXPECT_EQ(log_offsets(p->log)->end, 5);
    rig_peer_close(&peer);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* The one that may overlap comes in two pieces, cut at every byte. */
TEST(connection, overlaps_produce_at_every_cut)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    const struct partition *p = replicas_get(rig.shard.replicas, topic, 0);
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf produce = new_buf();
    rig_put_produce(&produce, 1, -1, "s", 1);
    for (size_t cut = 1; cut < MIN(produce.size, (size_t)CONNECTION_REQUESTS_MAX); cut++) {
        rig_peer_send(&peer, bytes_from(produce.data, cut));
        server_rig_run_ms(&rig, 20);
        rig_peer_send(&peer, bytes_from(produce.data + cut, produce.size - cut));
        server_rig_run_ms(&rig, 20);
        EXPECT_EQ(log_offsets(p->log)->end, cut);
    }
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    rig_peer_close(&peer);
    buf_deinit(&produce);
    server_rig_end(&rig);
}

/* So many may be in flight and not one more; the rest is not even read. */
TEST(connection, bounds_what_is_in_flight)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf all = new_buf();
    for (int32_t i = 0; i < 3 * CONNECTION_REQUESTS_MAX; i++)
        rig_put_produce(&all, i, -1, "s", 1);
    rig_peer_send(&peer, buf_view(&all));
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(only_connection(&rig)->request_count, CONNECTION_REQUESTS_MAX);
    server_rig_commit(&rig, topic);
    server_rig_run_ms(&rig, 1000);
    for (int32_t i = 0; i < 3 * CONNECTION_REQUESTS_MAX; i++)
        EXPECT_EQ(take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), i);
    rig_peer_close(&peer);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* acks=0 tells of its failure by ending the connection: what was asked before is answered, what came after is not, since
 * its answer would be taken for that of the one that failed. */
TEST(connection, answers_nothing_after_a_request_that_ended_it)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf all = new_buf();
    rig_put_produce(&all, 1, -1, "s", 1);
    rig_put_produce(&all, 2, 0, "s", 1);
    rig_put_produce(&all, 3, -1, "s", 1);
    rig_peer_send(&peer, buf_view(&all));
    server_rig_run_ms(&rig, 100);
    buf_clear(&all);
    rig_put_produce(&all, 4, 0, "absent", 1);
    rig_put_produce(&all, 5, -1, "s", 1);
    rig_peer_send(&peer, buf_view(&all));
    server_rig_run_ms(&rig, 100);
    server_rig_expect_line(&rig,
                           "a produce request with acks=0 failed: UNKNOWN_TOPIC_OR_PARTITION");
    EXPECT(!peer.is_ended);
    server_rig_commit(&rig, topic);
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 1);
    EXPECT_EQ(take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 3);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    EXPECT(peer.is_ended);
    EXPECT_EQ(peer.error, 0);
    rig_peer_close(&peer);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* ---- back-pressure --------------------------------------------------------------------------- */

/* Who asks and does not listen: so much is kept for it and no more, and nothing is lost when it listens again. */
TEST(connection, starts_nothing_for_a_peer_that_reads_no_answers)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", 1000);
    struct rig_peer peer;
    connect(&rig, &peer);
    rig_peer_set_deaf(&peer, true);
    struct buf all = new_buf();
    const int32_t count = 1000;
    for (int32_t i = 0; i < count; i++)
        rig_put_metadata(&all, i, "t");
    rig_peer_send(&peer, buf_view(&all));
    server_rig_run_ms(&rig, 5000);
    const size_t kept = only_connection(&rig)->out_bytes;
    EXPECT(kept > CONNECTION_OUT_BYTES_MAX);
    EXPECT(kept < CONNECTION_OUT_BYTES_MAX + 100000); /* one answer more */
    EXPECT_EQ(kept, rig.shard.server->out_bytes);
    rig_peer_set_deaf(&peer, false);
    for (int32_t i = 0; i < count;) {
        const int32_t id = take_id(&peer, API_METADATA, RIG_METADATA_VERSION);
        if (id < 0)
            server_rig_run_ms(&rig, 10);
        else
            EXPECT_EQ(id, i++);
    }
    EXPECT_EQ(rig.shard.server->out_bytes, 0);
    rig_peer_close(&peer);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* A request of some KB whose answer has many times its size. */
static void put_amplified(struct buf *out, int32_t correlation_id)
{
    struct describe_configs_request_resource resources[100];
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        resources[i] = describe_configs_request_resource_default;
        resources[i].resource_type = METADATA_CONFIG_BROKER;
        resources[i].resource_name = BYTES_LITERAL("1");
        resources[i].configuration_keys_count = -1;
    }
    struct describe_configs_request request = describe_configs_request_default;
    request.resources = resources;
    request.resources_count = ARRAY_LEN(resources);
    rig_put_request(out, API_DESCRIBE_CONFIGS, 4, correlation_id, &request);
}

/* Many ask for large answers and read none: one answer above the limit is made and no more, who asks little is served all
 * the while, and those who do not read are cut, so that one who reads gets its large answer, too. */
TEST(connection, makes_no_more_answers_than_memory_holds)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.memory_bytes_max = 1u << 20;
    server_rig_set_limits(&rig);
    (void)server_rig_topic(&rig, "t", 1000);
    struct buf large = new_buf(), small = new_buf();
    put_amplified(&large, 1);
    rig_put_metadata(&small, 2, "t");
    struct rig_peer deaf[8], listener, modest;
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++) {
        connect(&rig, &deaf[i]);
        rig_peer_set_deaf(&deaf[i], true);
        rig_peer_send(&deaf[i], buf_view(&large));
    }
    server_rig_run_ms(&rig, 100);
    connect(&rig, &listener);
    connect(&rig, &modest);
    rig_peer_send(&listener, buf_view(&large));
    size_t most = 0;
    int32_t came = -1;
    for (int ms = 0; ms < 40000 && came < 0; ms++) {
        if (ms % 100 == 0)
            rig_peer_send(&modest, buf_view(&small));
        server_rig_run_ms(&rig, 1);
        if (ms % 100 == 99)
            EXPECT_EQ(take_id(&modest, API_METADATA, RIG_METADATA_VERSION), 2);
        most = MAX(most, rig.shard.server->out_bytes);
        came = take_id(&listener, API_DESCRIBE_CONFIGS, 4);
    }
    EXPECT_EQ(came, 1);
    EXPECT(listener.taken > 1u << 20); /* its answer */
    EXPECT(most < (1u << 20) + listener.taken);
    server_rig_expect_line(&rig, "of answers are not read while others wait for memory");
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
        rig_peer_close(&deaf[i]);
    rig_peer_close(&listener);
    rig_peer_close(&modest);
    buf_deinit(&large);
    buf_deinit(&small);
    server_rig_end(&rig);
}

/* Memory for requests is used up by many: one of them goes on at a time, until all are through. */
TEST(connection, lets_one_oversized_request_finish_at_a_time)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.memory_bytes_max = 1u << 20;
    server_rig_set_limits(&rig);
    (void)server_rig_topic(&rig, "t", 1);
    struct buf request = new_buf();
    uint8_t padding[1000] = { 0 };
    rig_put_api_versions(&request, 5);
    while (request.size < 3u << 20) /* bytes after a message are left alone */
        buf_put(&request, padding, sizeof(padding));
    be_store_u32(request.data, (uint32_t)request.size - 4);
    struct rig_peer peers[8];
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        connect(&rig, &peers[i]);
        rig_peer_send(&peers[i], buf_view(&request));
    }
    size_t most = 0;
    for (int ms = 0; ms < 20000; ms++) {
        server_rig_run_ms(&rig, 1);
        most = MAX(most, rig.shard.server->pool.lent_bytes);
    }
    /* The limit, one request above it, and what each connection had in hand when it was reached. */
    EXPECT(most < (1u << 20) + (8u << 20) + ARRAY_LEN(peers) * (256u << 10));
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT_EQ(take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 5);
        rig_peer_close(&peers[i]);
    }
    EXPECT_EQ(rig.base.line_counts[DIAG_WARN], 1);
    server_rig_expect_line(&rig, "reading pauses");
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* As little memory as may be set: requests come through one after the other. */
TEST(connection, serves_everyone_with_hardly_any_memory)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.memory_bytes_max = 1;
    server_rig_set_limits(&rig);
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    struct rig_peer peers[10], holder;
    struct buf request = new_buf(), produce = new_buf();
    rig_put_api_versions(&request, 1);
    rig_put_produce(&produce, 2, -1, "s", 1);
    connect(&rig, &holder);
    rig_peer_send(&holder, buf_view(&produce)); /* its bytes stay as long as it waits */
    server_rig_run_ms(&rig, 100);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        connect(&rig, &peers[i]);
        rig_peer_send(&peers[i], bytes_from(request.data, 9));
        server_rig_run_ms(&rig, 10);
        rig_peer_send(&peers[i], bytes_from(request.data + 9, request.size - 9));
    }
    server_rig_run_ms(&rig, 1000);
    server_rig_commit(&rig, topic);
    server_rig_run_ms(&rig, 5000);
    EXPECT_EQ(take_id(&holder, API_PRODUCE, RIG_PRODUCE_VERSION), 2);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT_EQ(take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
        rig_peer_close(&peers[i]);
    }
    rig_peer_close(&holder);
    buf_deinit(&request);
    buf_deinit(&produce);
    server_rig_end(&rig);
}

/* Bytes after a message are left alone. */
static void put_padded(struct buf *out, int32_t correlation_id, size_t size_bytes)
{
    static const uint8_t padding[1000] = { 0 };
    rig_put_api_versions(out, correlation_id);
    while (out->size < size_bytes)
        buf_put(out, padding, sizeof(padding));
    be_store_u32(out->data, (uint32_t)out->size - 4);
}

/* Many hold the memory and send a byte now and then: small requests come through all the while, in whatever pieces, and the
 * holders are given up, so that a large one comes through as well. */
TEST(connection, serves_small_requests_while_others_hoard_memory)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.memory_bytes_max = 4u << 20;
    server_rig_set_limits(&rig);
    uint8_t *junk = mem_alloc(600000);
    memset(junk, 0, 600000);
    be_store_u32(junk, 50u << 20);
    struct rig_peer bad[20], small, large;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        connect(&rig, &bad[i]);
        rig_peer_send(&bad[i], bytes_from(junk, 600000));
    }
    server_rig_run_ms(&rig, 100);
    connect(&rig, &small);
    connect(&rig, &large);
    struct buf request = new_buf(), long_request = new_buf();
    put_padded(&request, 3, 9000);
    put_padded(&long_request, 4, 300000);
    rig_peer_send(&large, buf_view(&long_request));
    size_t most = 0;
    for (int tenth = 0; tenth < 250; tenth++) {
        const size_t cut = (size_t)tenth * 35;
        rig_peer_send(&small, bytes_from(request.data, cut));
        server_rig_run_ms(&rig, 50);
        rig_peer_send(&small, bytes_from(request.data + cut, request.size - cut));
        for (size_t i = 0; tenth % 12 == 0 && i < ARRAY_LEN(bad); i++)
            rig_peer_send(&bad[i], bytes_from(junk + 100, 1));
        server_rig_run_ms(&rig, 50);
        EXPECT_EQ(take_id(&small, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 3);
        most = MAX(most, rig.shard.server->pool.lent_bytes);
    }
    EXPECT_EQ(take_id(&large, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 4);
    EXPECT(most < (4u << 20) + ARRAY_LEN(bad) * (256u << 10) + (2u << 20));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        rig_peer_close(&bad[i]);
    rig_peer_close(&small);
    rig_peer_close(&large);
    mem_free(junk);
    buf_deinit(&request);
    buf_deinit(&long_request);
    server_rig_end(&rig);
}

/* Some hold the memory and send no more: they are given up soon, and the others go on. */
TEST(connection, gives_up_frames_that_stand_still_while_memory_is_short)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.memory_bytes_max = 1u << 20;
    server_rig_set_limits(&rig);
    uint8_t *junk = mem_alloc(600000);
    memset(junk, 0, 600000);
    be_store_u32(junk, 50u << 20);
    struct rig_peer bad[4];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        connect(&rig, &bad[i]);
        rig_peer_send(&bad[i], bytes_from(junk, 600000));
        server_rig_run_ms(&rig, 100);
    }
    struct rig_peer good;
    connect(&rig, &good);
    struct buf request = new_buf();
    rig_put_api_versions(&request, 9);
    rig_peer_send(&good, buf_view(&request));
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(take_id(&good, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 9); /* it is small */
    buf_clear(&request);
    put_padded(&request, 9, 300000);
    rig_peer_send(&good, buf_view(&request));
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(rig_peer_waiting(&good), 0); /* it waits in its socket */
    server_rig_run_ms(&rig, 15000);
    EXPECT_EQ(take_id(&good, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 9);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        rig_peer_close(&bad[i]);
    rig_peer_close(&good);
    mem_free(junk);
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

/* Slow, byte by byte: closed when the time of a frame is over, by how far it came. A connection that sends large frames
 * has its window before it is read, and no more time. */
TEST(connection, closes_a_frame_that_does_not_come_to_its_end)
{
    for (int is_large = 0; is_large < 2; is_large++) {
        struct server_rig rig;
        server_rig_begin(&rig, context->seed, "");
        struct rig_peer peer;
        connect(&rig, &peer);
        struct buf request = new_buf();
        rig_put_api_versions(&request, 1);
        uint8_t padding[1000] = { 0 };
        do
            buf_put(&request, padding, sizeof(padding)); /* which is left alone */
        while (is_large && request.size < 300000);
        be_store_u32(request.data, (uint32_t)request.size - 4);
        rig_peer_send(&peer, buf_view(&request));
        server_rig_run_ms(&rig, 1000);
        EXPECT_EQ(take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
        for (int second = 0; second < 29; second++) {
            rig_peer_send(&peer, bytes_from(request.data + second, 1));
            server_rig_run_ms(&rig, 1000);
            EXPECT(!peer.is_ended);
        }
        server_rig_run_ms(&rig, 3000);
        EXPECT(peer.is_ended);
        server_rig_expect_line(&rig, "is still incomplete (29 bytes came)");
        server_rig_run_ms(&rig, 10000);
        EXPECT_EQ(server_connection_count(rig.shard.server), 0);
        rig_peer_close(&peer);
        buf_deinit(&request);
        server_rig_end(&rig);
    }
}

/* A large request over a slow link takes longer than that, and keeps coming. */
TEST(connection, waits_for_a_frame_that_comes_slowly_but_steadily)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf request = new_buf();
    rig_put_api_versions(&request, 1);
    static const uint8_t padding[1000] = { 0 };
    while (request.size < 300000)
        buf_put(&request, padding, sizeof(padding)); /* which is left alone */
    be_store_u32(request.data, (uint32_t)request.size - 4);
    for (size_t at = 0; at < request.size; at += 6000) {
        rig_peer_send(&peer, bytes_slice(buf_view(&request), at, 6000));
        server_rig_run_ms(&rig, 1000);
        EXPECT(!peer.is_ended);
    }
    EXPECT_EQ(take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
    rig_peer_close(&peer);
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* A stream of requests in which some frame is always incomplete: each has its own time. */
TEST(connection, gives_each_frame_of_a_stream_its_own_time)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf request = new_buf();
    rig_put_api_versions(&request, 1);
    const size_t half = request.size / 2;
    rig_peer_send(&peer, bytes_from(request.data, half));
    for (int second = 0; second < 100; second++) {
        server_rig_run_ms(&rig, 1000);
        rig_peer_send(&peer, bytes_from(request.data + half, request.size - half));
        rig_peer_send(&peer, bytes_from(request.data, half));
    }
    server_rig_run_ms(&rig, 1000);
    EXPECT(!peer.is_ended);
    for (int second = 0; second < 100; second++)
        EXPECT_EQ(take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
    rig_peer_close(&peer);
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* Idle ones go after connections.max.idle.ms; who waits for an answer is not idle. */
TEST(connection, closes_idle_ones_and_not_those_who_wait)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.idle_ms_max = 10000;
    server_rig_set_limits(&rig);
    (void)server_rig_shared_topic(&rig, "s", 1);
    struct rig_peer idle, busy, waits;
    connect(&rig, &idle);
    connect(&rig, &busy);
    connect(&rig, &waits);
    struct buf request = new_buf(), produce = new_buf();
    rig_put_api_versions(&request, 1);
    rig_put_produce(&produce, 1, -1, "s", 1);
    rig_peer_send(&waits, buf_view(&produce));
    for (int second = 0; second < 12; second++) {
        rig_peer_send(&busy, buf_view(&request));
        server_rig_run_ms(&rig, 1000);
        EXPECT(second == 9 || idle.is_ended == (second > 9));
    }
    EXPECT(!busy.is_ended && !waits.is_ended);
    EXPECT_EQ(server_connection_count(rig.shard.server), 2);

    rig.limits.idle_ms_max = -1; /* never */
    server_rig_set_limits(&rig);
    server_rig_run_ms(&rig, 90000);
    EXPECT(!busy.is_ended);
    rig_peer_close(&idle);
    rig_peer_close(&busy);
    rig_peer_close(&waits);
    buf_deinit(&request);
    buf_deinit(&produce);
    server_rig_end(&rig);
}

/* ---- how many -------------------------------------------------------------------------------- */

/* Above max.connections they wait in the backlog, and get their turn as others go; controllers' are let in. */
TEST(listener, lets_those_wait_who_come_above_the_maximum)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.connection_count_max = 3;
    server_rig_set_limits(&rig);
    struct rig_peer peers[6], controller;
    struct buf request = new_buf();
    rig_put_api_versions(&request, 1);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        connect(&rig, &peers[i]);
        rig_peer_send(&peers[i], buf_view(&request));
    }
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(server_connection_count(rig.shard.server), 3);
    server_rig_expect_line(&rig, "max.connections=3: new ones wait");
    EXPECT_EQ(rig.base.line_counts[DIAG_WARN], 1);
    rig_peer_connect(&rig, &controller, SERVER_RIG_CONTROLLER_PORT);
    rig_peer_send(&controller, buf_view(&request));
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(take_id(&controller, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
    rig_peer_close(&controller);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT_EQ(take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
        rig_peer_close(&peers[i]);
        server_rig_run_ms(&rig, 100);
    }
    EXPECT_EQ(server_connection_count(rig.shard.server), 0);
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* A limit of open files is divided among logs and connections: these wait as well, and are told of once, however often
 * one goes and another comes. */
TEST(listener, lets_those_wait_for_whom_there_is_no_descriptor)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.socket_count_max = 8;
    server_rig_set_limits(&rig);
    struct rig_peer peers[20];
    struct buf request = new_buf();
    rig_put_api_versions(&request, 1);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        connect(&rig, &peers[i]);
        rig_peer_send(&peers[i], buf_view(&request));
    }
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(server_connection_count(rig.shard.server), 8);
    server_rig_expect_line(&rig, "leaves room for 8: new ones wait");
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT(server_connection_count(rig.shard.server) <= 8);
        EXPECT_EQ(take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
        rig_peer_close(&peers[i]);
        server_rig_run_ms(&rig, 100);
    }
    EXPECT_EQ(rig.base.line_counts[DIAG_WARN], 1);
    buf_deinit(&request);
    server_rig_end(&rig);
}

TEST(listener, refuses_more_of_one_host_than_may_be)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.connection_count_max_per_ip = 2;
    server_rig_set_limits(&rig);
    struct rig_peer one, two, three, four;
    connect(&rig, &one);
    connect(&rig, &two);
    connect(&rig, &three);
    server_rig_run_ms(&rig, 100);
    EXPECT(three.is_ended && !one.is_ended && !two.is_ended);
    server_rig_expect_line(&rig, "max.connections.per.ip=2");
    rig_peer_close(&one);
    server_rig_run_ms(&rig, 100);
    connect(&rig, &four);
    server_rig_run_ms(&rig, 100);
    EXPECT(!four.is_ended);
    rig_peer_close(&two);
    rig_peer_close(&three);
    rig_peer_close(&four);
    server_rig_end(&rig);
}

/* ---- nonsense -------------------------------------------------------------------------------- */

/* What may come, and what is said of it. Each ends its own connection and no other. */
struct nonsense {
    const char *bytes;
    size_t size;
    const char *line;
    const char *last_word; /* what the peer reads begins so; NULL: nothing */
};
#define NONSENSE(bytes_, line_, last_word_)                                                        \
    {                                                                                              \
        .bytes = (bytes_), .size = sizeof(bytes_) - 1, .line = (line_), .last_word = (last_word_)  \
    }

static const struct nonsense nonsenses[] = {
    NONSENSE("\xff\xff\xff\xff", "frame size -1 is negative", NULL),
    NONSENSE("\x80\x00\x00\x00", "frame size -2147483648 is negative", NULL),
    NONSENSE("\x7f\xff\xff\xff",
             "frame size 2147483647 is above socket.request.max.bytes=104857600", NULL),
    NONSENSE("SSH-2.0-OpenSSH_9.2\r\n", "frame size 1397966893 (\"SSH-\") is above", NULL),
    NONSENSE("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request came", "HTTP/1.1 400 "),
    NONSENSE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "an HTTP request came", "HTTP/1.1 400 "),
    NONSENSE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS handshake came",
             "\x15\x03\x01"),
    NONSENSE("\x00\x00\x00\x00", "a request of 0 bytes is too short for a header", NULL),
    NONSENSE("\x00\x00\x00\x07\x00\x12\x00\x00\x00\x00\x00", "a request of 7 bytes is too short",
             NULL),
    NONSENSE("\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff",
             "API key 32767 (unknown) is not served here", NULL),
    NONSENSE("\x00\x00\x00\x0a\xff\xff\x00\x00\x00\x00\x00\x01\xff\xff", "API key -1 (unknown)",
             NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x34\x00\x00\x00\x00\x00\x01\xff\xff",
             "API key 52 (Vote) is not served", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x03\x7f\xff\x00\x00\x00\x01\xff\xff",
             "Metadata version 32767 is not served", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x03\xff\xff\x00\x00\x00\x01\xff\xff",
             "Metadata version -1 is not served", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\x7f\xff",
             "the header of a ApiVersions request is malformed", NULL),
    NONSENSE("\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x7f\xff\xff\xff",
             "cannot be decoded: Metadata", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x00\x00\x03\x00\x00\x00\x01\xff\xff",
             "cannot be decoded: Produce", NULL),
};

/* A client id of any length below zero is none, as Kafka reads it. */
TEST(connection, takes_a_negative_client_id_for_none)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    connect(&rig, &peer);
    static const char request[] = "\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x07\xff\xfe";
    rig_peer_send(&peer, bytes_from(request, sizeof(request) - 1));
    server_rig_run_ms(&rig, 200);
    EXPECT_EQ(take_id(&peer, API_API_VERSIONS, 0), 7);
    EXPECT(!peer.is_ended);
    rig_peer_close(&peer);
    server_rig_end(&rig);
}

TEST(connection, tells_who_speaks_nonsense_what_it_was)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct buf request = new_buf();
    rig_put_api_versions(&request, 3);
    struct rig_peer other;
    connect(&rig, &other);
    for (size_t i = 0; i < ARRAY_LEN(nonsenses); i++) {
        const struct nonsense *n = &nonsenses[i];
        struct rig_peer peer;
        connect(&rig, &peer);
        /* A good request before it is answered. */
        if (i % 2 == 0)
            rig_peer_send(&peer, buf_view(&request));
        rig_peer_send(&peer, bytes_from(n->bytes, n->size));
        server_rig_run_ms(&rig, 200);
        EXPECT(peer.is_ended);
        server_rig_expect_line(&rig, n->line);
        server_rig_expect_line(&rig, "closing connection from 10.0.0.2:");
        server_rig_expect_line(&rig, "on listener PLAINTEXT: ");
        if (i % 2 == 0)
            EXPECT_EQ(take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 3);
        const size_t said = rig_peer_waiting(&peer);
        EXPECT_EQ(said > 0, n->last_word != NULL);
        if (n->last_word != NULL)
            EXPECT(memcmp(peer.in.data + peer.taken, n->last_word, strlen(n->last_word)) == 0);
        rig_peer_close(&peer);
        EXPECT_EQ(rig.base.line_counts[DIAG_WARN], i + 1);
        EXPECT_EQ(server_counters(rig.shard.server)->requests_refused, i + 1);

        rig_peer_send(&other, buf_view(&request));
        server_rig_run_ms(&rig, 200);
        EXPECT_EQ(take_id(&other, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 3);
    }
    server_rig_run_ms(&rig, 10000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 1);
    rig_peer_close(&other);
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* An HTTP request with a body that is never read: the answer arrives whole, and only then the end. */
TEST(connection, lets_its_last_word_arrive_before_the_end)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    connect(&rig, &peer);
    struct buf post = new_buf();
    buf_put_text(&post, "POST /topics/t HTTP/1.1\r\nContent-Length: 900000\r\n\r\n");
    while (post.size < 900000)
        buf_put_text(&post, "0123456789");
    rig_peer_send(&peer, buf_view(&post));
    server_rig_run_ms(&rig, 4000);
    buf_put_u8(&peer.in, 0);
    const char *answer = (const char *)peer.in.data;
    const char *body = strstr(answer, "\r\n\r\n");
    EXPECT(strncmp(answer, "HTTP/1.1 400 Bad Request\r\n", 26) == 0 && body != NULL);
    AUTO(mem_freep) char *length = mem_printf("Content-Length: %zu\r\n", strlen(body + 4));
    EXPECT(strstr(answer, length) != NULL);
    EXPECT(peer.is_ended);
    EXPECT_EQ(peer.error, 0);
    rig_peer_close(&peer);
    server_rig_run_ms(&rig, 10000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 0);
    buf_deinit(&post);
    server_rig_end(&rig);
}

/* A peer that does not want to hear the end is not waited for. */
TEST(connection, waits_for_no_peer_that_holds_up_its_end)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", 1000);
    struct rig_peer peer;
    connect(&rig, &peer);
    rig_peer_set_deaf(&peer, true);
    struct buf all = new_buf();
    for (int32_t i = 0; i < 5; i++)
        rig_put_metadata(&all, i, "t");
    rig_peer_send(&peer, buf_view(&all));
    rig_peer_send(&peer, BYTES_LITERAL("\xff\xff\xff\xff"));
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 1);
    server_rig_run_ms(&rig, 12000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 0);
    EXPECT_EQ(rig.shard.server->out_bytes, 0);
    rig_peer_close(&peer);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* KIP-511: whatever version is asked for, the answer to ApiVersions can be read, and tells what is there. */
TEST(pipeline, answers_api_versions_of_any_version)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct arena arena;
    arena_init(&arena, OUT_MAX);
    static const int16_t versions[] = { 5, 99, INT16_MAX, -1, INT16_MIN };
    struct rig_peer peer;
    connect(&rig, &peer);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        uint8_t frame[] = { 0, 0, 0, 12, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff, 0, 0 };
        be_store_u16(frame + 6, (uint16_t)versions[i]);
        rig_peer_send(&peer, bytes_from(frame, sizeof(frame)));
        server_rig_run_ms(&rig, 100);
        const void *message;
        EXPECT_EQ(rig_peer_take(&peer, API_API_VERSIONS, 0, &arena, &message), 7);
        const struct api_versions_response *answer = message;
        EXPECT_EQ(answer->error_code, KAFKA_UNSUPPORTED_VERSION);
        EXPECT_EQ(answer->api_keys_count, 1);
        EXPECT_EQ(answer->api_keys[0].api_key, API_API_VERSIONS);
    }
    EXPECT(!peer.is_ended);
    rig_peer_close(&peer);
    arena_deinit(&arena);
    server_rig_end(&rig);
}

/* ---- peers that go --------------------------------------------------------------------------- */

/* A connection that breaks at every point of a conversation leaves nothing behind: no request, no memory, no wait. */
TEST(connection, leaves_nothing_behind_wherever_it_breaks)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    const struct partition *p = replicas_get(rig.shard.replicas, topic, 0);
    struct buf all = new_buf();
    rig_put_api_versions(&all, 1);
    rig_put_produce(&all, 2, -1, "s", 1);
    rig_put_produce(&all, 3, 1, "s", 1);
    rig_put_metadata(&all, 4, NULL);
    for (size_t cut = 0; cut <= all.size; cut += 3) {
        struct rig_peer peer;
        connect(&rig, &peer);
        rig_peer_send(&peer, bytes_from(all.data, cut));
        if (cut % 2 == 0)
            server_rig_run_ms(&rig, 20);
        rig_peer_close(&peer);
        server_rig_run_ms(&rig, 100);
    }
    server_rig_run_ms(
        &rig,
        101000); /* where Metadata waits behind Produce, nobody reads: that ends with its time */
    EXPECT_EQ(server_connection_count(rig.shard.server), 0);
    EXPECT(server_is_idle(rig.shard.server));
    EXPECT(list_is_empty(&p->append_waits));
    EXPECT(log_offsets(p->log)->end > 0); /* what was asked for happened */
    buf_deinit(&all);
    server_rig_end(&rig);
}
