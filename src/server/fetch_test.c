/* Fetch through the whole pipeline: waiting, waking, cold bytes, and records that leave as regions of files. */
#include "server/rig_test.h"

#include "base/mem.h"
#include "server/server_int.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"

#include <string.h>

#define VERSION   12
#define ARENA_MAX (64u << 20)

struct ask {
    const char *topic;
    int32_t partitions; /* 0 … partitions - 1 */
    int64_t offset;
    int32_t max_wait_ms;
    int32_t min_bytes;
    int32_t session_id;
    int32_t epoch;
    int8_t isolation_level; /* 1: committed records only */
    int32_t max_bytes;      /* 0: what the message has by default */
};

static void send_fetch(struct rig_peer *peer, int32_t correlation_id, const struct ask *ask)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct fetch_request request = fetch_request_default;
    struct fetch_request_topic topic = fetch_request_topic_default;
    topic.topic = bytes_from_text(ask->topic);
    topic.partitions = fetch_request_partition_array(&arena, (size_t)MAX(ask->partitions, 1));
    topic.partitions_count = ask->partitions;
    for (int32_t i = 0; i < ask->partitions; i++) {
        topic.partitions[i].partition = i;
        topic.partitions[i].fetch_offset = ask->offset;
        topic.partitions[i].partition_max_bytes = 1 << 20;
    }
    request.max_wait_ms = ask->max_wait_ms;
    request.min_bytes = ask->min_bytes;
    request.max_bytes = ask->max_bytes == 0 ? request.max_bytes : ask->max_bytes;
    request.topics = &topic;
    request.topics_count = ask->partitions > 0 ? 1 : 0;
    request.session_id = ask->session_id;
    request.session_epoch = ask->epoch;
    request.isolation_level = ask->isolation_level;
    struct buf out;
    buf_init(&out, ARENA_MAX);
    rig_put_request(&out, API_FETCH, VERSION, correlation_id, &request);
    rig_peer_send(peer, buf_view(&out));
    buf_deinit(&out);
    arena_deinit(&arena);
}

static const struct fetch_response *take(struct rig_peer *peer, int32_t correlation_id,
                                         struct arena *arena)
{
    const void *message = NULL;
    EXPECT_EQ(rig_peer_take(peer, API_FETCH, VERSION, arena, &message), correlation_id);
    return message;
}

/* Records in all partitions of the answer's topics. */
static int32_t count_records(const struct fetch_response *response)
{
    int32_t count = 0;
    for (int32_t t = 0; t < response->responses_count; t++) {
        for (int32_t i = 0; i < response->responses[t].partitions_count; i++) {
            const struct fetch_response_partition_data *data =
                &response->responses[t].partitions[i];
            EXPECT_EQ(data->error_code, KAFKA_NONE);
            struct bytes rest = bytes_from(data->records.data, data->records.size);
            struct batch_view batch;
            while (rest.size > 0) {
                const int size = batch_parse(rest, &batch);
                EXPECT_OK(size);
                EXPECT_OK(batch_check_crc(&batch));
                count += batch.record_count;
                rest = bytes_slice(rest, (size_t)size, SIZE_MAX);
            }
        }
    }
    return count;
}

static void append(struct server_rig *rig, struct uuid topic, int32_t index, int32_t count)
{
    struct rig_append append;
    replica_rig_append(replicas_get(rig->shard.replicas, topic, index), count, false, &append);
    replica_rig_turn(&rig->base);
    EXPECT_EQ(append.error, KAFKA_NONE);
}

/* Nothing there: it waits, holds no receive buffer meanwhile, and answers when something comes or the time is over. */
TEST(fetch, waits_for_what_it_asks_for)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_topic(&rig, "t", 3);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    send_fetch(&peer, 1,
               &(struct ask){
                   .topic = "t", .partitions = 3, .max_wait_ms = 0, .min_bytes = 1, .epoch = -1 });
    server_rig_run_ms(&rig, 10);
    EXPECT_EQ(count_records(take(&peer, 1, &arena)), 0);

    send_fetch(
        &peer, 2,
        &(struct ask){
            .topic = "t", .partitions = 3, .max_wait_ms = 500, .min_bytes = 1, .epoch = -1 });
    server_rig_run_ms(&rig, 400);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    EXPECT(rig.shard.server->waiting_bytes > 0);
    server_rig_run_ms(&rig, 200);
    EXPECT_EQ(count_records(take(&peer, 2, &arena)), 0);
    EXPECT_EQ(rig.shard.server->waiting_bytes, 0);

    send_fetch(
        &peer, 3,
        &(struct ask){
            .topic = "t", .partitions = 3, .max_wait_ms = 60000, .min_bytes = 1, .epoch = -1 });
    server_rig_run_ms(&rig, 5000);
    append(&rig, topic, 1, 4);
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(count_records(take(&peer, 3, &arena)), 4);

    /* More than one byte: as much as was asked for, over all partitions together. */
    send_fetch(&peer, 4,
               &(struct ask){ .topic = "t",
                              .partitions = 3,
                              .offset = 0,
                              .max_wait_ms = 60000,
                              .min_bytes = 400,
                              .epoch = -1 });
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    append(&rig, topic, 0, 1);
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(rig_peer_waiting(&peer), 0);
    append(&rig, topic, 2, 8);
    server_rig_run_ms(&rig, 100);
    EXPECT_EQ(count_records(take(&peer, 4, &arena)), 13);
    rig_peer_close(&peer);
    arena_deinit(&arena);
    server_rig_end(&rig);
}

/* An answer that is full tells of the other partitions all but their records; it is enough, too, whatever is wanted. */
TEST(fetch, leaves_for_the_next_what_finds_no_room)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_topic(&rig, "t", 3);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    for (int32_t i = 0; i < 3; i++)
        append(&rig, topic, i, 4);
    for (int8_t isolation_level = 0; isolation_level <= 1; isolation_level++) {
        send_fetch(&peer, 1,
                   &(struct ask){ .topic = "t",
                                  .partitions = 3,
                                  .max_wait_ms = 60000,
                                  .min_bytes = 1 << 20,
                                  .epoch = -1,
                                  .isolation_level = isolation_level,
                                  .max_bytes = 10 });
        server_rig_run_ms(&rig, 100);
        const struct fetch_response *response = take(&peer, 1, &arena);
        EXPECT_EQ(count_records(response), 4);
        EXPECT_EQ(response->responses[0].partitions_count, 3);
        for (int32_t i = 0; i < 3; i++) {
            const struct fetch_response_partition_data *data =
                &response->responses[0].partitions[i];
            EXPECT_EQ(data->records.size > 0, i == 0);
            EXPECT_EQ(data->high_watermark, 4);
            EXPECT_EQ(data->last_stable_offset, 4);
            EXPECT_EQ(data->aborted_transactions_count, isolation_level == 1 ? 0 : -1);
        }
    }
    arena_deinit(&arena);
    rig_peer_close(&peer);
    server_rig_end(&rig);
}

/* What those who wait hold together is bounded: whoever would pass it is answered at once. */
TEST(fetch, does_not_wait_when_too_much_is_held_by_those_who_do)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", 100);
    struct rig_peer peers[10];
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        rig_peer_connect(&rig, &peers[i], SERVER_RIG_PORT);
        send_fetch(&peers[i], 1,
                   &(struct ask){ .topic = "t",
                                  .partitions = 100,
                                  .max_wait_ms = 60000,
                                  .min_bytes = 1,
                                  .epoch = -1 });
        if (i == 4) {
            server_rig_run_ms(&rig, 100);
            server_rig_set_memory(&rig, rig.shard.server->waiting_bytes + 1);
        }
    }
    server_rig_run_ms(&rig, 1000);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        EXPECT_EQ(rig_peer_waiting(&peers[i]) > 0, i > 4);
        rig_peer_close(&peers[i]);
    }
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(rig.shard.server->waiting_bytes, 0);
    server_rig_end(&rig);
}

static void cool(struct server_rig *rig)
{
    for (const struct partition *p = NULL; (p = replicas_next(rig->shard.replicas, p)) != NULL;)
        log_flush(p->log);
    server_rig_run_ms(rig, 2000);
    sim_disk_cool(sim_node_disk(rig->base.machine), 1000000);
}

/* Bytes that are not in memory are brought there, partition by partition; the answer goes on from where it stood, and what
 * it takes grows with the partitions alone. */
TEST(fetch, reads_many_cold_partitions_in_one_answer)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const int32_t count = 400;
    const struct uuid topic = server_rig_topic(&rig, "t", count);
    for (int32_t i = 0; i < count; i++) {
        struct rig_append append;
        replica_rig_append(replicas_get(rig.shard.replicas, topic, i), 2, false, &append);
        replica_rig_turn(&rig.base);
    }
    cool(&rig);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    send_fetch(
        &peer, 1,
        &(struct ask){
            .topic = "t", .partitions = count, .max_wait_ms = 0, .min_bytes = 1, .epoch = 0 });
    server_rig_run_ms(&rig, 60000);
    const struct fetch_response *response = take(&peer, 1, &arena);
    EXPECT_EQ(count_records(response), 2 * count);
    /* The same as a session goes on: nothing has changed, so nothing is told, however cold it is. */
    const int32_t id = response->session_id;
    EXPECT(id != 0);
    send_fetch(&peer, 2,
               &(struct ask){ .topic = "t",
                              .partitions = count,
                              .offset = 2,
                              .max_wait_ms = 0,
                              .min_bytes = 1,
                              .session_id = id,
                              .epoch = 1 });
    server_rig_run_ms(&rig, 10000);
    response = take(&peer, 2, &arena);
    EXPECT_EQ(response->responses_count, 0);
    rig_peer_close(&peer);
    arena_deinit(&arena);
    server_rig_end(&rig);
}

static const struct fetch_response_partition_data *fetch_for(struct server_rig *rig,
                                                             struct rig_peer *peer, int32_t id,
                                                             int64_t offset, int32_t min_bytes,
                                                             struct arena *arena)
{
    send_fetch(peer, id,
               &(struct ask){ .topic = "t",
                              .partitions = 1,
                              .offset = offset,
                              .max_wait_ms = 60000,
                              .min_bytes = min_bytes,
                              .epoch = -1 });
    server_rig_run_ms(rig, 1000);
    const struct fetch_response *response = take(peer, id, arena);
    EXPECT_EQ(response->responses_count, 1);
    return &response->responses[0].partitions[0];
}

/* A bit that flipped on the disk costs its batch alone: what is before it comes, and at once, since to wait brings no more; at its
 * own offsets the answer is CORRUPT_MESSAGE; one may go on behind it. */
TEST(fetch, serves_everything_but_a_batch_that_is_damaged)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_topic(&rig, "t", 1);
    for (int i = 0; i < 5; i++)
        append(&rig, topic, 0, 2);
    cool(&rig);
    AUTO(mem_freep)
    char *path = mem_printf("%s/00000000000000000000.log",
                            log_directory(replicas_get(rig.shard.replicas, topic, 0)->log));
    uint8_t *bytes;
    size_t size;
    struct sim_disk *disk = sim_node_disk(rig.base.machine);
    EXPECT_OK(sim_disk_look(disk, SIM_VOLATILE, path, &bytes, &size));
    mem_free(bytes);
    EXPECT_OK(sim_disk_flip_bit(disk, path, (int64_t)size / 2, 3)); /* in the third of five */
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    const struct fetch_response_partition_data *data = fetch_for(&rig, &peer, 1, 0, 100000, &arena);
    EXPECT_EQ(data->error_code, KAFKA_NONE);
    EXPECT_EQ(data->records.size, size / 5 * 2);
    for (int i = 0; i < 4; i++) {
        data = fetch_for(&rig, &peer, 2 + i, 4 + i % 2, 1, &arena);
        EXPECT_EQ(data->error_code, KAFKA_CORRUPT_MESSAGE);
        EXPECT_EQ(data->high_watermark, 10);
        EXPECT_EQ(data->records.size, 0);
    }
    EXPECT_EQ(rig.base.line_counts[DIAG_ERROR], 1);
    EXPECT(strstr(rig.base.last_line, "t-0: ") != NULL &&
           strstr(rig.base.last_line, "offsets from 4 to 5, is damaged") != NULL);
    data = fetch_for(&rig, &peer, 7, 6, 1, &arena);
    EXPECT_EQ(data->error_code, KAFKA_NONE);
    EXPECT_EQ(data->records.size, size / 5 * 2);
    EXPECT_EQ(log_failure(replicas_get(rig.shard.replicas, topic, 0)->log), 0);
    EXPECT_EQ(rig.base.line_counts[DIAG_ERROR], 1);
    rig_peer_close(&peer);
    arena_deinit(&arena);
    server_rig_end(&rig);
}

/* The peer goes while its bytes are being read: no file stays open for it. */
TEST(fetch, lets_go_of_everything_when_its_peer_goes)
{
    for (int64_t ms = 1; ms < 200; ms += 7) {
        struct server_rig rig;
        server_rig_begin(&rig, context->seed + (uint64_t)ms, "");
        const struct uuid topic = server_rig_topic(&rig, "t", 20);
        for (int32_t i = 0; i < 20; i++)
            append(&rig, topic, i, 3);
        cool(&rig);
        struct rig_peer peer;
        rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
        send_fetch(
            &peer, 1,
            &(struct ask){
                .topic = "t", .partitions = 20, .max_wait_ms = 1000, .min_bytes = 1, .epoch = -1 });
        server_rig_run_ms(&rig, ms);
        rig_peer_close(&peer);
        server_rig_run_ms(&rig, 2000);
        EXPECT(server_is_idle(rig.shard.server));
        server_rig_end(&rig);
        /* sim_world_free would have stopped at a file that is open */
    }
}

/* Large answers leave as regions of files, in pieces as the network takes them; the bytes are those of the log. */
TEST(fetch, sends_regions_of_files_in_pieces)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "log.segment.bytes=1048576");
    const struct uuid topic = server_rig_topic(&rig, "t", 3);
    for (int32_t i = 0; i < 30; i++)
        append(&rig, topic, i % 3, 5000);
    struct sim_link link = sim_link_default();
    link.buffer_bytes_min = link.buffer_bytes_max = 20000;
    link.partial_in_a_million = 500000;
    sim_world_set_link(rig.base.world, &link);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    for (int32_t round = 0; round < 3; round++) {
        send_fetch(
            &peer, round,
            &(struct ask){
                .topic = "t", .partitions = 3, .max_wait_ms = 0, .min_bytes = 1, .epoch = -1 });
        server_rig_run_ms(&rig, 60000);
        EXPECT(count_records(take(&peer, round, &arena)) >= 3 * 5000);
        arena_reset(&arena);
    }
    rig_peer_close(&peer);
    arena_deinit(&arena);
    server_rig_end(&rig);
}

/* Somebody cuts a segment off under the node. What was announced cannot be sent: the connection ends, with a line that tells why. */
TEST(fetch, tells_of_a_segment_that_was_cut_off_meanwhile)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "log.segment.bytes=1048576");
    const struct uuid topic = server_rig_topic(&rig, "t", 1);
    for (int32_t i = 0; i < 10; i++)
        append(&rig, topic, 0, 5000);
    struct sim_link link = sim_link_default();
    link.buffer_bytes_min = link.buffer_bytes_max = 20000;
    sim_world_set_link(rig.base.world, &link);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    send_fetch(&peer, 1,
               &(struct ask){
                   .topic = "t", .partitions = 1, .max_wait_ms = 0, .min_bytes = 1, .epoch = -1 });
    rig_peer_set_deaf(&peer, true);
    server_rig_run_ms(&rig, 1000);
    struct io_file *file;
    EXPECT_OK(io_file_open(sim_disk_fs(sim_node_disk(rig.base.machine)),
                           "/a/t-0/00000000000000000000.log", IO_OPEN_WRITE, &file));
    EXPECT_OK(io_file_truncate(file, 100));
    io_file_unref(file);
    rig_peer_set_deaf(&peer, false);
    server_rig_run_ms(&rig, 1000);
    EXPECT(strstr(rig.base.last_line, "cut off meanwhile") != NULL);
    rig_peer_close(&peer);
    server_rig_end(&rig);
}

/* A topic is deleted under those who wait for it: they are told. */
TEST(fetch, hears_of_a_topic_that_goes)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    const struct uuid topic = server_rig_topic(&rig, "t", 2);
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    send_fetch(
        &peer, 1,
        &(struct ask){
            .topic = "t", .partitions = 2, .max_wait_ms = 60000, .min_bytes = 1, .epoch = -1 });
    server_rig_run_ms(&rig, 100);
    sample_remove_topic(rig.base.loader, topic);
    /* As a node does it: the image first, then the partitions. */
    metadata_image_unref(rig.shard.image);
    rig.shard.image = metadata_loader_publish(rig.base.loader);
    server_rig_apply(&rig);
    server_rig_run_ms(&rig, 100);
    const struct fetch_response *response = take(&peer, 1, &arena);
    EXPECT_EQ(response->responses[0].partitions_count, 2);
    EXPECT_EQ(response->responses[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    rig_peer_close(&peer);
    arena_deinit(&arena);
    server_rig_end(&rig);
}

/* ---- committed records only ------------------------------------------------------------------ */

static void plan(struct server_rig *rig, struct partition *p, struct shared *batch,
                 enum log_origin origin)
{
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = (uint32_t)batch->size,
                                       .origin = origin,
                                       .now_ms = SAMPLE_NOW_MS,
                                       .transaction_verified = true,
                                       .transaction_version = 0 };
    struct log_append_result result;
    partition_append(p, &append, NULL, &result);
    shared_unref(batch);
    EXPECT_EQ(result.error, KAFKA_NONE);
    replica_rig_turn(&rig->base);
}

static const struct fetch_response_partition_data *
fetch_one(struct rig_peer *peer, struct arena *arena, int64_t offset, int8_t isolation_level)
{
    send_fetch(peer, 7,
               &(struct ask){ .topic = "t",
                              .partitions = 1,
                              .offset = offset,
                              .epoch = -1,
                              .isolation_level = isolation_level });
    server_rig_run_ms(peer->rig, 10);
    const struct fetch_response *response = take(peer, 7, arena);
    EXPECT_EQ(response->responses_count, 1);
    return &response->responses[0].partitions[0];
}

/* Who asks for committed records gets them up to the last stable offset, and is told of what was aborted among them;
 * nobody else is told. */
TEST(fetch, tells_readers_of_committed_records_what_was_aborted)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct partition *p = replicas_get(rig.shard.replicas, server_rig_topic(&rig, "t", 1), 0);
    for (int32_t i = 0; i < 3;
         i++) { /* offsets 0, 1, 2: the first is aborted, the second committed */
        plan(&rig, p,
             sample_batch(&(struct sample_batch){
                 .has_producer = true, .producer_id = i, .attributes = BATCH_TRANSACTIONAL }),
             LOG_ORIGIN_CLIENT);
    }
    plan(&rig, p, sample_marker(0, 0, false, 0), LOG_ORIGIN_COORDINATOR);
    plan(&rig, p, sample_marker(1, 0, true, 0), LOG_ORIGIN_COORDINATOR);

    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    const struct fetch_response_partition_data *data = fetch_one(&peer, &arena, 0, 1);
    EXPECT_EQ(data->high_watermark, 5);
    EXPECT_EQ(data->last_stable_offset, 2);
    EXPECT_EQ(data->aborted_transactions_count, 1);
    EXPECT_EQ(data->aborted_transactions[0].producer_id, 0);
    EXPECT_EQ(data->aborted_transactions[0].first_offset, 0);
    struct batch_view batch;
    const struct bytes records = bytes_from(data->records.data, data->records.size);
    EXPECT_OK(batch_parse(records, &batch));
    EXPECT_EQ(records.size, 2 * batch.bytes.size); /* the third is open yet */

    data = fetch_one(&peer, &arena, 0, 0);
    EXPECT_EQ(data->last_stable_offset, 2);
    EXPECT_EQ(data->aborted_transactions_count, -1);
    EXPECT(data->records.size > records.size);

    plan(&rig, p, sample_marker(2, 0, true, 0), LOG_ORIGIN_COORDINATOR);
    data = fetch_one(&peer, &arena, 4, 1);
    EXPECT_EQ(data->last_stable_offset, 6);
    EXPECT_EQ(data->aborted_transactions_count, 0); /* its marker lies below */
    data = fetch_one(&peer, &arena, 6, 1);
    EXPECT_EQ(data->aborted_transactions_count, 0);
    EXPECT_EQ(data->records.size, 0);
    data = fetch_one(&peer, &arena, 7, 1);
    EXPECT_EQ(data->error_code, KAFKA_OFFSET_OUT_OF_RANGE);
    EXPECT_EQ(data->aborted_transactions_count, -1);
    rig_peer_close(&peer);
    buf_deinit(&peer.in);
    buf_deinit(&peer.out);
    arena_deinit(&arena);
    server_rig_end(&rig);
}
