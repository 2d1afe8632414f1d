/* Connections: framing at every cut, order, and peers that go. */
#include "server/rig_test.h"

#include "base/be.h"
#include "server/server_int.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/produce_response.h"

#define ARENA_BYTES_MAX (64u << 20)

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
    struct buf all = rig_buf();
    rig_put_api_versions(&all, 1);
    rig_put_metadata(&all, 2, NULL);
    rig_put_api_versions(&all, 3);
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", 2);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    for (size_t cut = 0; cut <= all.size; cut++) {
        struct rig_peer peer;
        rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
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
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf all = rig_buf();
    for (int32_t i = 0; i < 100; i++)
        rig_put_metadata(&all, i, NULL);
    rig_peer_send(&peer, buf_view(&all));
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
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
        rig_peer_connect(&rig, &peers[i], SERVER_RIG_PORT);
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

/* Produce may start while an earlier Produce waits; everything else starts when what came before it is answered. */
TEST(connection, overlaps_produce_alone)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    const struct partition *p = replicas_get(rig.shard.replicas, topic, 0);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf all = rig_buf();
    rig_put_api_versions(&all, 1);
    rig_put_produce(&all, 2, -1, "s", 1);
    rig_put_produce(&all, 3, 1, "s", 1); /* safe at once, and yet behind the one that waits */
    rig_put_produce(&all, 4, 0, "s", 1); /* never answered */
    rig_put_produce(&all, 5, -1, "s", 1);
    rig_put_metadata(&all, 6, NULL);
    rig_put_produce(&all, 7, 1, "s", 1);
    rig_peer_send(&peer, buf_view(&all));
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(rig_peer_take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    EXPECT_EQ(log_offsets(p->log)->end, 4); /* the last one stands behind Metadata */
    server_rig_commit(&rig, topic);
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(rig_peer_take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 2);
    EXPECT_EQ(rig_peer_take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 3);
    EXPECT_EQ(rig_peer_take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 5);
    EXPECT_EQ(rig_peer_take_id(&peer, API_METADATA, RIG_METADATA_VERSION), 6);
    EXPECT_EQ(rig_peer_take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 7);
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
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf produce = rig_buf();
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
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf all = rig_buf();
    for (int32_t i = 0; i < 3 * CONNECTION_REQUESTS_MAX; i++)
        rig_put_produce(&all, i, -1, "s", 1);
    rig_peer_send(&peer, buf_view(&all));
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(only_connection(&rig)->request_count, CONNECTION_REQUESTS_MAX);
    server_rig_commit(&rig, topic);
    server_rig_run_ms(&rig, 1000);
    for (int32_t i = 0; i < 3 * CONNECTION_REQUESTS_MAX; i++)
        EXPECT_EQ(rig_peer_take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), i);
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
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf all = rig_buf();
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
    EXPECT_EQ(rig_peer_take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 1);
    EXPECT_EQ(rig_peer_take_id(&peer, API_PRODUCE, RIG_PRODUCE_VERSION), 3);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    EXPECT(peer.is_ended);
    EXPECT_EQ(peer.error, 0);
    rig_peer_close(&peer);
    buf_deinit(&all);
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
    struct buf all = rig_buf();
    rig_put_api_versions(&all, 1);
    rig_put_produce(&all, 2, -1, "s", 1);
    rig_put_produce(&all, 3, 1, "s", 1);
    rig_put_metadata(&all, 4, NULL);
    for (size_t cut = 0; cut <= all.size; cut += 3) {
        struct rig_peer peer;
        rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
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
