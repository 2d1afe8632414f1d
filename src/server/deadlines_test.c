/* How long a frame and an idle connection may take. */
#include "server/rig_test.h"

#include "base/be.h"

/* Slow, byte by byte: closed when the time of a frame is over, by how far it came. A connection that sends large frames
 * has its window before it is read, and no more time. */
TEST(connection, closes_a_frame_that_does_not_come_to_its_end)
{
    for (int is_large = 0; is_large < 2; is_large++) {
        struct server_rig rig;
        server_rig_begin(&rig, context->seed, "");
        struct rig_peer peer;
        rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
        struct buf request = rig_buf();
        rig_put_api_versions(&request, 1);
        uint8_t padding[1000] = { 0 };
        do
            buf_put(&request, padding, sizeof(padding)); /* which is left alone */
        while (is_large && request.size < 300000);
        be_store_u32(request.data, (uint32_t)request.size - 4);
        rig_peer_send(&peer, buf_view(&request));
        server_rig_run_ms(&rig, 1000);
        EXPECT_EQ(rig_peer_take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
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
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf request = rig_buf();
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
    EXPECT_EQ(rig_peer_take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
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
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf request = rig_buf();
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
        EXPECT_EQ(rig_peer_take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
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
    rig_peer_connect(&rig, &idle, SERVER_RIG_PORT);
    rig_peer_connect(&rig, &busy, SERVER_RIG_PORT);
    rig_peer_connect(&rig, &waits, SERVER_RIG_PORT);
    struct buf request = rig_buf(), produce = rig_buf();
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
