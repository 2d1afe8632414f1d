/* Memory for requests and for answers: who must wait, who need not, and who is given up. */
#include "server/rig_test.h"

#include "base/be.h"
#include "base/mem.h"
#include "server/server_int.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/produce_request.h"

#include <string.h>

/* The server's own side of the only connection there is. */
static struct connection *only_connection(struct server_rig *rig)
{
    struct server *server = rig->shard.server;
    EXPECT_EQ(server->connection_count, 1);
    return LIST_ENTRY(server->connections.next, struct connection, link);
}

/* Who asks and does not listen: so much is kept for it and no more, and nothing is lost when it listens again. */
TEST(connection, starts_nothing_for_a_peer_that_reads_no_answers)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", 1000);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    rig_peer_set_deaf(&peer, true);
    struct buf all = rig_buf();
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
        const int32_t id = rig_peer_take_id(&peer, API_METADATA, RIG_METADATA_VERSION);
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
    server_rig_set_memory(&rig, 1u << 20);
    (void)server_rig_topic(&rig, "t", 1000);
    struct buf large = rig_buf(), small = rig_buf();
    put_amplified(&large, 1);
    rig_put_metadata(&small, 2, "t");
    struct rig_peer deaf[8], listener, modest;
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++) {
        rig_peer_connect(&rig, &deaf[i], SERVER_RIG_PORT);
        rig_peer_set_deaf(&deaf[i], true);
        rig_peer_send(&deaf[i], buf_view(&large));
    }
    server_rig_run_ms(&rig, 100);
    rig_peer_connect(&rig, &listener, SERVER_RIG_PORT);
    rig_peer_connect(&rig, &modest, SERVER_RIG_PORT);
    rig_peer_send(&listener, buf_view(&large));
    size_t most = 0;
    int32_t came = -1;
    for (int ms = 0; ms < 40000 && came < 0; ms++) {
        if (ms % 100 == 0)
            rig_peer_send(&modest, buf_view(&small));
        server_rig_run_ms(&rig, 1);
        if (ms % 100 == 99)
            EXPECT_EQ(rig_peer_take_id(&modest, API_METADATA, RIG_METADATA_VERSION), 2);
        most = MAX(most, rig.shard.server->out_bytes);
        came = rig_peer_take_id(&listener, API_DESCRIBE_CONFIGS, 4);
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

/* As many bytes of names as of records: what this is answered is no smaller. */
static void put_wide_produce(struct buf *out, int32_t correlation_id)
{
    enum { PARTS = 20000 };
    AUTO(mem_freep)
    struct produce_request_partition_produce_data *data =
        MEM_NEW_ARRAY(struct produce_request_partition_produce_data, PARTS);
    for (int32_t i = 0; i < PARTS; i++) {
        data[i] = produce_request_partition_produce_data_default;
        data[i].index = i;
    }
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_default;
    topic.name = BYTES_LITERAL("t");
    topic.partition_data = data;
    topic.partition_data_count = PARTS;
    struct produce_request request = produce_request_default;
    request.acks = 1;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    rig_put_request(out, API_PRODUCE, RIG_PRODUCE_VERSION, correlation_id, &request);
}

/* The memory of large answers is taken by some who read none. A producer's request is large and its answer is not: it need
 * not wait, unless the request is one of names above all. */
TEST(connection, serves_producers_while_large_answers_are_not_read)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    server_rig_set_memory(&rig, 4u << 20);
    (void)server_rig_topic(&rig, "t", 1);
    struct buf large = rig_buf(), records = rig_buf(), names = rig_buf();
    put_amplified(&large, 1);
    rig_put_produce_of(&records, 2, 1, "t",
                       &(struct sample_batch){ .count = 10, .value_bytes = 50000 });
    put_wide_produce(&names, 3);
    EXPECT(records.size > 500000 && names.size > 100000);
    struct rig_peer deaf[2], producer, wide;
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++) {
        rig_peer_connect(&rig, &deaf[i], SERVER_RIG_PORT);
        rig_peer_set_deaf(&deaf[i], true);
        rig_peer_send(&deaf[i], buf_view(&large));
    }
    server_rig_run_ms(&rig, 100);
    rig_peer_connect(&rig, &producer, SERVER_RIG_PORT);
    rig_peer_connect(&rig, &wide, SERVER_RIG_PORT);
    for (int i = 0; i < 5; i++) {
        rig_peer_send(&producer, buf_view(&records));
        server_rig_run_ms(&rig, 100);
        EXPECT_EQ(rig_peer_take_id(&producer, API_PRODUCE, RIG_PRODUCE_VERSION), 2);
    }
    rig_peer_send(&wide, buf_view(&names));
    server_rig_run_ms(&rig, 400);
    EXPECT_EQ(rig_peer_waiting(&wide), 0);
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
        rig_peer_close(&deaf[i]);
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(rig_peer_take_id(&wide, API_PRODUCE, RIG_PRODUCE_VERSION), 3);
    rig_peer_close(&producer);
    rig_peer_close(&wide);
    buf_deinit(&large);
    buf_deinit(&records);
    buf_deinit(&names);
    server_rig_end(&rig);
}

/* Who reads nothing is watched while others wait for memory, and no longer: the next time it has its time again. */
TEST(connection, watches_who_does_not_read_only_while_others_wait)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct buf large = rig_buf();
    put_amplified(&large, 1);
    struct rig_peer deaf;
    rig_peer_connect(&rig, &deaf, SERVER_RIG_PORT);
    rig_peer_set_deaf(&deaf, true);
    rig_peer_send(&deaf, buf_view(&large));
    server_rig_run_ms(&rig, 100);
    for (int turn = 0; turn < 5; turn++) {
        server_rig_set_memory(&rig, 1u << 20);
        struct rig_peer other;
        rig_peer_connect(&rig, &other, SERVER_RIG_PORT);
        rig_peer_send(&other, buf_view(&large));
        server_rig_run_ms(&rig, 1500);
        EXPECT_EQ(rig_peer_waiting(&other), 0);
        server_rig_set_memory(&rig, 64u << 20); /* it need not wait any more */
        server_rig_run_ms(&rig, 10000);
        EXPECT_EQ(rig_peer_take_id(&other, API_DESCRIBE_CONFIGS, 4), 1);
        rig_peer_close(&other);
        server_rig_run_ms(&rig, 100);
        EXPECT_EQ(server_connection_count(rig.shard.server), 1);
    }
    rig_peer_set_deaf(&deaf, false);
    server_rig_run_ms(&rig, 5000);
    EXPECT_EQ(rig_peer_take_id(&deaf, API_DESCRIBE_CONFIGS, 4), 1);
    rig_peer_close(&deaf);
    buf_deinit(&large);
    server_rig_end(&rig);
}

static uint32_t crowded_count(const struct server_rig *rig)
{
    uint32_t count = 0;
    LIST_FOR_EACH(&rig->shard.server->crowded[PURSE_LARGE], link)
    count++;
    return count;
}

/* Whose requests wait for the memory of large answers, and who then go, leave their places to others. */
TEST(connection, notices_that_a_peer_goes_while_its_request_waits)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    server_rig_set_memory(&rig, 1u << 20);
    struct buf large = rig_buf();
    put_amplified(&large, 1);
    struct rig_peer deaf, waiting[4];
    rig_peer_connect(&rig, &deaf, SERVER_RIG_PORT);
    rig_peer_set_deaf(&deaf, true);
    rig_peer_send(&deaf, buf_view(&large));
    server_rig_run_ms(&rig, 100);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        rig_peer_connect(&rig, &waiting[i], SERVER_RIG_PORT);
        rig_peer_send(&waiting[i], buf_view(&large));
        rig_peer_send(&waiting[i], buf_view(&large)); /* bytes that nobody reads yet */
    }
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(crowded_count(&rig), ARRAY_LEN(waiting));
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        rig_peer_close(&waiting[i]);
        server_rig_run_ms(&rig, 100);
        EXPECT_EQ(crowded_count(&rig), ARRAY_LEN(waiting) - 1 - i);
        EXPECT_EQ(server_connection_count(rig.shard.server), ARRAY_LEN(waiting) - i);
    }
    rig_peer_close(&deaf);
    buf_deinit(&large);
    server_rig_end(&rig);
}

/* Memory for requests is used up by many: one of them goes on at a time, until all are through. */
TEST(connection, lets_one_oversized_request_finish_at_a_time)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    server_rig_set_memory(&rig, 1u << 20);
    (void)server_rig_topic(&rig, "t", 1);
    struct buf request = rig_buf();
    uint8_t padding[1000] = { 0 };
    rig_put_api_versions(&request, 5);
    while (request.size < 3u << 20) /* bytes after a message are left alone */
        buf_put(&request, padding, sizeof(padding));
    be_store_u32(request.data, (uint32_t)request.size - 4);
    struct rig_peer peers[8];
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        rig_peer_connect(&rig, &peers[i], SERVER_RIG_PORT);
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
        EXPECT_EQ(rig_peer_take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 5);
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
    server_rig_set_memory(&rig, 1);
    const struct uuid topic = server_rig_shared_topic(&rig, "s", 1);
    struct rig_peer peers[10], holder;
    struct buf request = rig_buf(), produce = rig_buf();
    rig_put_api_versions(&request, 1);
    rig_put_produce(&produce, 2, -1, "s", 1);
    rig_peer_connect(&rig, &holder, SERVER_RIG_PORT);
    rig_peer_send(&holder, buf_view(&produce)); /* its bytes stay as long as it waits */
    server_rig_run_ms(&rig, 100);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        rig_peer_connect(&rig, &peers[i], SERVER_RIG_PORT);
        rig_peer_send(&peers[i], bytes_from(request.data, 9));
        server_rig_run_ms(&rig, 10);
        rig_peer_send(&peers[i], bytes_from(request.data + 9, request.size - 9));
    }
    server_rig_run_ms(&rig, 1000);
    server_rig_commit(&rig, topic);
    server_rig_run_ms(&rig, 5000);
    EXPECT_EQ(rig_peer_take_id(&holder, API_PRODUCE, RIG_PRODUCE_VERSION), 2);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT_EQ(rig_peer_take_id(&peers[i], API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 1);
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
    server_rig_set_memory(&rig, 4u << 20);
    uint8_t *junk = mem_alloc(600000);
    memset(junk, 0, 600000);
    be_store_u32(junk, 50u << 20);
    struct rig_peer bad[20], small, large;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        rig_peer_connect(&rig, &bad[i], SERVER_RIG_PORT);
        rig_peer_send(&bad[i], bytes_from(junk, 600000));
    }
    server_rig_run_ms(&rig, 100);
    rig_peer_connect(&rig, &small, SERVER_RIG_PORT);
    rig_peer_connect(&rig, &large, SERVER_RIG_PORT);
    struct buf request = rig_buf(), long_request = rig_buf();
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
        EXPECT_EQ(rig_peer_take_id(&small, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 3);
        most = MAX(most, rig.shard.server->pool.lent_bytes);
    }
    EXPECT_EQ(rig_peer_take_id(&large, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 4);
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
    server_rig_set_memory(&rig, 1u << 20);
    uint8_t *junk = mem_alloc(600000);
    memset(junk, 0, 600000);
    be_store_u32(junk, 50u << 20);
    struct rig_peer bad[4];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        rig_peer_connect(&rig, &bad[i], SERVER_RIG_PORT);
        rig_peer_send(&bad[i], bytes_from(junk, 600000));
        server_rig_run_ms(&rig, 100);
    }
    struct rig_peer good;
    rig_peer_connect(&rig, &good, SERVER_RIG_PORT);
    struct buf request = rig_buf();
    rig_put_api_versions(&request, 9);
    rig_peer_send(&good, buf_view(&request));
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(rig_peer_take_id(&good, API_API_VERSIONS, RIG_API_VERSIONS_VERSION),
              9); /* it is small */
    buf_clear(&request);
    put_padded(&request, 9, 300000);
    rig_peer_send(&good, buf_view(&request));
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(rig_peer_waiting(&good), 0); /* it waits in its socket */
    server_rig_run_ms(&rig, 15000);
    EXPECT_EQ(rig_peer_take_id(&good, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 9);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        rig_peer_close(&bad[i]);
    rig_peer_close(&good);
    mem_free(junk);
    buf_deinit(&request);
    server_rig_end(&rig);
}
