/* How many connections there may be. */
#include "server/rig_test.h"

/* Above max.connections they wait in the backlog, and get their turn as others go; controllers' are let in. */
TEST(listener, lets_those_wait_who_come_above_the_maximum)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    rig.limits.connection_count_max = 3;
    server_rig_set_limits(&rig);
    struct rig_peer peers[6], controller;
    struct buf request = rig_buf();
    rig_put_api_versions(&request, 1);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        rig_peer_connect(&rig, &peers[i], SERVER_RIG_PORT);
        rig_peer_send(&peers[i], buf_view(&request));
    }
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(server_connection_count(rig.shard.server), 3);
    server_rig_expect_line(&rig, "max.connections=3: new ones wait");
    EXPECT_EQ(rig.base.line_counts[DIAG_WARN], 1);
    rig_peer_connect(&rig, &controller, SERVER_RIG_CONTROLLER_PORT);
    rig_peer_send(&controller, buf_view(&request));
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(rig_peer_take_id(&controller, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
    rig_peer_close(&controller);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT_EQ(rig_peer_take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
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
    struct buf request = rig_buf();
    rig_put_api_versions(&request, 1);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        rig_peer_connect(&rig, &peers[i], SERVER_RIG_PORT);
        rig_peer_send(&peers[i], buf_view(&request));
    }
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(server_connection_count(rig.shard.server), 8);
    server_rig_expect_line(&rig, "leaves room for 8: new ones wait");
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT(server_connection_count(rig.shard.server) <= 8);
        EXPECT_EQ(rig_peer_take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
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
    rig_peer_connect(&rig, &one, SERVER_RIG_PORT);
    rig_peer_connect(&rig, &two, SERVER_RIG_PORT);
    rig_peer_connect(&rig, &three, SERVER_RIG_PORT);
    server_rig_run_ms(&rig, 100);
    EXPECT(three.is_ended && !one.is_ended && !two.is_ended);
    server_rig_expect_line(&rig, "max.connections.per.ip=2");
    rig_peer_close(&one);
    server_rig_run_ms(&rig, 100);
    rig_peer_connect(&rig, &four, SERVER_RIG_PORT);
    server_rig_run_ms(&rig, 100);
    EXPECT(!four.is_ended);
    rig_peer_close(&two);
    rig_peer_close(&three);
    rig_peer_close(&four);
    server_rig_end(&rig);
}
