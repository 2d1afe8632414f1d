/* What appends are refused for, and what becomes of those that are taken. */
#include "log/sample_test.h"

#include "base/be.h"
#include "base/mem.h"
#include "log/log_int.h"

#include <stdio.h>
#include <string.h>

enum {
    AT_LENGTH = 8,
    AT_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_DELTA = 23
};

struct scene {
    struct sim_disk *disk;
    struct log_config config;
    struct log *log;
    struct arena arena;
};

static void scene_open(struct scene *scene)
{
    if (scene->disk == NULL) {
        scene->disk = sim_disk_new(1);
        arena_init(&scene->arena, 1u << 24);
    }
    log_abandon(scene->log);
    AUTO(mem_freep) char *dir = mem_printf("/%" PRIu64, sim_disk_change_count(scene->disk));
    scene->log = sample_open(&(struct sample_open){
        .fs = sim_disk_fs(scene->disk), .log_dir = dir, .config = &scene->config });
}

static void scene_begin(struct scene *scene)
{
    *scene = (struct scene){ .config = sample_log_config() };
    scene_open(scene);
}

static void scene_end(struct scene *scene)
{
    log_abandon(scene->log);
    arena_deinit(&scene->arena);
    sim_disk_free(scene->disk);
}

static struct log_append_result plan(struct scene *scene, enum log_origin origin,
                                     struct shared *batch)
{
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = (uint32_t)batch->size,
                                       .origin = origin,
                                       .leader_epoch = 3,
                                       .now_ms = SAMPLE_NOW_MS,
                                       .arena = &scene->arena };
    struct log_append_result result;
    log_append_plan(scene->log, &append, &result);
    shared_unref(batch);
    return result;
}

/* Refused with the error and words, and nothing changed. */
static void expect_refused(struct scene *scene, enum log_origin origin, struct shared *batch,
                           enum kafka_error error, const char *words)
{
    const struct log_offsets before = *log_offsets(scene->log);
    const struct log_append_result result = plan(scene, origin, batch);
    if (result.error != error)
        test_fail(__FILE__, __LINE__, "%s, not %s: %.*s", kafka_error_name((int16_t)result.error),
                  kafka_error_name((int16_t)error), BYTES_PRINTF(result.message));
    AUTO(mem_freep) char *message = bytes_to_text(result.message);
    if (message == NULL || strstr(message, words) == NULL)
        test_fail(__FILE__, __LINE__, "'%s' does not speak of '%s'", message, words);
    EXPECT(memcmp(&before, log_offsets(scene->log), sizeof(before)) == 0);
    EXPECT(!log_has_planned(scene->log));
}

static struct shared *one(void)
{
    return sample_batch(&(struct sample_batch){ .count = 3 });
}

static struct shared *sealed(struct shared *batch)
{
    batch_seal(batch->data, batch->size);
    return batch;
}

/* ---- refusals ------------------------------------------------------------------------------ */

TEST(log_append, refuses_bytes_that_are_no_batch)
{
    struct scene scene;
    scene_begin(&scene);
    struct shared *batch = one();
    const size_t size = batch->size;
    shared_unref(batch);
    for (size_t cut = 0; cut < size; cut++) {
        batch = one();
        batch->size = cut;
        expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_INVALID_RECORD,
                       "no whole record batch");
    }
    for (int8_t magic = -1; magic < 5; magic++) {
        if (magic == BATCH_MAGIC)
            continue;
        batch = one();
        batch->data[AT_MAGIC] = (uint8_t)magic;
        expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_INVALID_RECORD, "magic");
    }
    batch = one();
    be_store_u32(batch->data + AT_LENGTH, 3);
    expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_CORRUPT_MESSAGE, "length");
    batch = one();
    be_store_u32(batch->data + AT_LENGTH, (uint32_t)-1);
    expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_CORRUPT_MESSAGE, "length");
    scene_end(&scene);
}

TEST(log_append, refuses_every_flipped_bit_under_the_crc)
{
    struct scene scene;
    scene_begin(&scene);
    struct shared *batch = one();
    const size_t size = batch->size;
    shared_unref(batch);
    for (size_t bit = AT_CRC * 8; bit < size * 8; bit++) {
        batch = one();
        batch->data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_CORRUPT_MESSAGE, "CRC");
    }
    scene_end(&scene);
}

TEST(log_append, refuses_what_kafka_refuses_in_a_header)
{
    struct scene scene;
    scene_begin(&scene);
    struct shared *batch = one();
    batch_set_base_offset(batch->data, 1);
    expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_INVALID_RECORD, "base offset 1");

    batch = one();
    be_store_u32(batch->data + AT_DELTA, 7);
    expect_refused(&scene, LOG_ORIGIN_CLIENT, sealed(batch), KAFKA_INVALID_RECORD, "");
    batch = sample_batch(&(struct sample_batch){ .attributes = BATCH_CONTROL });
    expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_INVALID_RECORD, "");
    batch = sample_batch(
        &(struct sample_batch){ .has_producer = true, .producer_id = 4, .sequence = -1 });
    expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_INVALID_RECORD, "");
    batch = one();
    batch->data[AT_ATTRIBUTES + 1] |= 7; /* no such codec */
    expect_refused(&scene, LOG_ORIGIN_CLIENT, sealed(batch), KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
                   "");

    /* Two batches for one partition. */
    struct shared *first = one();
    batch = shared_new(first->size * 2);
    memcpy(batch->data, first->data, first->size);
    memcpy(batch->data + first->size, first->data, first->size);
    shared_unref(first);
    expect_refused(&scene, LOG_ORIGIN_CLIENT, batch, KAFKA_INVALID_RECORD, "one batch");
    scene_end(&scene);
}

TEST(log_append, refuses_batches_larger_than_the_limits)
{
    struct scene scene;
    scene_begin(&scene);
    struct shared *batch = one();
    scene.config.message_bytes_max = (uint32_t)batch->size - 1;
    shared_unref(batch);
    scene_open(&scene);
    expect_refused(&scene, LOG_ORIGIN_CLIENT, one(), KAFKA_MESSAGE_TOO_LARGE, "max.message.bytes");
    expect_refused(&scene, LOG_ORIGIN_COORDINATOR, one(), KAFKA_MESSAGE_TOO_LARGE,
                   "max.message.bytes");
    /* A replica takes what its leader took. */
    EXPECT_EQ(plan(&scene, LOG_ORIGIN_REPLICATION, one()).error, KAFKA_NONE);
    EXPECT_OK(log_write(scene.log, NULL));

    scene.config = sample_log_config();
    expect_refused(
        &scene, LOG_ORIGIN_CLIENT,
        sample_batch(&(struct sample_batch){ .value_bytes = scene.config.message_bytes_max }),
        KAFKA_MESSAGE_TOO_LARGE, "max.message.bytes");
    scene_open(&scene);
    expect_refused(&scene, LOG_ORIGIN_CLIENT,
                   sample_batch(&(struct sample_batch){ .value_bytes = 5000 }),
                   KAFKA_RECORD_LIST_TOO_LARGE, "segment.bytes");
    scene_end(&scene);
}

TEST(log_append, names_each_record_that_is_refused)
{
    struct scene scene;
    scene_begin(&scene);
    scene.config.cleanup_compact = true;
    scene_open(&scene);
    struct log_append_result result =
        plan(&scene, LOG_ORIGIN_CLIENT,
             sample_batch(&(struct sample_batch){ .count = 3, .has_null_keys = true }));
    EXPECT_EQ(result.error, KAFKA_INVALID_RECORD);
    EXPECT_EQ(result.record_error_count, 3);
    for (int32_t i = 0; i < 3; i++) {
        EXPECT_EQ(result.record_errors[i].batch_index, i);
        EXPECT(result.record_errors[i].message.size > 0);
    }

    scene.config = sample_log_config();
    scene.config.timestamp_after_max_ms = 1; /* the third record is 2 ms ahead */
    scene_open(&scene);
    result = plan(&scene, LOG_ORIGIN_CLIENT, one());
    EXPECT_EQ(result.error, KAFKA_INVALID_TIMESTAMP);
    EXPECT_EQ(result.record_error_count, 1);
    EXPECT_EQ(result.record_errors[0].batch_index, 2);
    scene.config.timestamp_after_max_ms = 2;
    scene_open(&scene);
    EXPECT_EQ(plan(&scene, LOG_ORIGIN_CLIENT, one()).error, KAFKA_NONE);
    scene.config.timestamp_before_max_ms = 10;
    scene_open(&scene);
    result = plan(&scene, LOG_ORIGIN_CLIENT,
                  sample_batch(&(struct sample_batch){ .timestamp_ms = SAMPLE_NOW_MS - 11 }));
    EXPECT_EQ(result.error, KAFKA_INVALID_TIMESTAMP);
    scene_end(&scene);
}

/* Without an arena there are no words, and the errors are the same. */
TEST(log_append, needs_no_arena)
{
    struct scene scene;
    scene_begin(&scene);
    struct shared *batch = one();
    batch->data[30] ^= 1;
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = (uint32_t)batch->size,
                                       .origin = LOG_ORIGIN_CLIENT };
    struct log_append_result result;
    log_append_plan(scene.log, &append, &result);
    EXPECT_EQ(result.error, KAFKA_CORRUPT_MESSAGE);
    EXPECT(bytes_is_null(result.message));
    shared_unref(batch);
    scene_end(&scene);
}

TEST(log_append, takes_from_raft_only_what_continues_the_log)
{
    struct scene scene;
    scene_begin(&scene);
    const struct sample_batch fits = { .base_offset = 0, .leader_epoch = 3, .count = 2 };
    struct sample_batch other_epoch = fits;
    other_epoch.leader_epoch = 2;
    expect_refused(&scene, LOG_ORIGIN_RAFT_LEADER, sample_batch(&other_epoch), KAFKA_INVALID_RECORD,
                   "leader epoch 2");
    struct sample_batch ahead = fits;
    ahead.base_offset = 1;
    expect_refused(&scene, LOG_ORIGIN_RAFT_LEADER, sample_batch(&ahead), KAFKA_UNKNOWN_SERVER_ERROR,
                   "Offset 1");
    EXPECT_EQ(plan(&scene, LOG_ORIGIN_RAFT_LEADER, sample_batch(&fits)).error, KAFKA_NONE);
    EXPECT_OK(log_write(scene.log, NULL));
    expect_refused(&scene, LOG_ORIGIN_RAFT_LEADER, sample_batch(&fits), KAFKA_UNKNOWN_SERVER_ERROR,
                   "Offset 0");
    EXPECT_EQ(log_epoch_latest(scene.log), 3);
    scene_end(&scene);
}

/* A leader's answer that came late holds batches of a later epoch: they are left out, and fetched
 * again (KAFKA-18723). */
TEST(log_append, takes_from_a_leader_nothing_of_a_later_epoch)
{
    struct scene scene;
    scene_begin(&scene);
    struct shared *first = sample_batch(&(struct sample_batch){ .leader_epoch = 3 });
    struct shared *second =
        sample_batch(&(struct sample_batch){ .base_offset = 1, .leader_epoch = 4 });
    struct shared *both = shared_new(first->size + second->size + 20);
    memset(both->data, 0, both->size);
    memcpy(both->data, first->data, first->size);
    memcpy(both->data + first->size, second->data, second->size);
    struct log_append_result result = plan(&scene, LOG_ORIGIN_REPLICATION, shared_ref(both));
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT_EQ(result.size_bytes, (int64_t)first->size);
    EXPECT_EQ(result.last_offset, 0);
    EXPECT_OK(log_write(scene.log, NULL));
    expect_refused(&scene, LOG_ORIGIN_REPLICATION, both, KAFKA_UNKNOWN_SERVER_ERROR, "Offset 0");
    shared_unref(first);
    shared_unref(second);
    scene_end(&scene);
}

/* ---- what is stored ------------------------------------------------------------------------ */

static struct batch_view stored(struct scene *scene, int64_t offset)
{
    EXPECT_OK(log_write(scene->log, NULL));
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = 1u << 20,
                                      .copy_max = 1u << 20,
                                      .arena = &scene->arena };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    EXPECT_OK(log_read(scene->log, &request, &piece, &wait, NULL));
    struct batch_view view;
    EXPECT(batch_parse(bytes_from(piece.data, piece.size_bytes), &view) > 0);
    EXPECT_OK(batch_check_crc(&view));
    return view;
}

TEST(log_append, stores_the_received_bytes_but_for_offset_and_epoch)
{
    for (enum codec codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct scene scene;
        scene_begin(&scene);
        plan(&scene, LOG_ORIGIN_CLIENT, one());
        struct shared *batch = sample_batch(&(struct sample_batch){ .count = 5, .codec = codec });
        AUTO(mem_freep) uint8_t *before = mem_dup(batch->data, batch->size);
        const size_t size = batch->size;
        const struct log_append_result result = plan(&scene, LOG_ORIGIN_CLIENT, batch);
        EXPECT_EQ(result.error, KAFKA_NONE);
        EXPECT_EQ(result.append_time_ms, -1);
        const struct batch_view view = stored(&scene, 3);
        EXPECT_EQ(view.base_offset, 3);
        EXPECT_EQ(view.leader_epoch, 3);
        EXPECT_EQ(view.bytes.size, (int64_t)size);
        EXPECT(memcmp(view.bytes.data + AT_MAGIC, before + AT_MAGIC, size - AT_MAGIC) == 0);
        scene_end(&scene);
    }
}

TEST(log_append, sets_the_append_time_where_the_topic_says_so)
{
    for (enum codec codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct scene scene;
        scene_begin(&scene);
        scene.config.timestamp_is_append_time = true;
        scene.config.timestamp_before_max_ms = 0; /* bounds are for CreateTime */
        scene_open(&scene);
        const struct log_append_result result =
            plan(&scene, LOG_ORIGIN_CLIENT,
                 sample_batch(
                     &(struct sample_batch){ .count = 5, .timestamp_ms = 1000, .codec = codec }));
        EXPECT_EQ(result.error, KAFKA_NONE);
        EXPECT_EQ(result.append_time_ms, SAMPLE_NOW_MS);
        const struct batch_view view = stored(&scene, 0);
        EXPECT_EQ(view.max_timestamp, SAMPLE_NOW_MS);
        EXPECT((view.attributes & BATCH_LOG_APPEND_TIME) != 0);
        EXPECT_EQ(batch_codec(&view), codec);
        struct log_time_offset found;
        struct log_wait wait = { 0 };
        EXPECT_OK(log_offset_for_time(scene.log, SAMPLE_NOW_MS, true, &found, &wait, NULL));
        EXPECT_EQ(found.offset, 0);
        EXPECT_OK(log_offset_for_time(scene.log, SAMPLE_NOW_MS + 1, true, &found, &wait, NULL));
        EXPECT_EQ(found.offset, -1);
        scene_end(&scene);
    }
}

TEST(log_append, recompresses_only_where_the_topic_has_another_codec)
{
    for (enum codec from = CODEC_NONE; from <= CODEC_ZSTD; from++) {
        for (enum codec to = CODEC_NONE; to <= CODEC_ZSTD; to++) {
            struct scene scene;
            scene_begin(&scene);
            scene.config.compression_is_producers = false;
            scene.config.compression = to;
            scene_open(&scene);
            const struct log_append_result result =
                plan(&scene, LOG_ORIGIN_CLIENT,
                     sample_batch(&(struct sample_batch){ .count = 20,
                                                          .codec = from,
                                                          .has_producer = true,
                                                          .producer_id = 6,
                                                          .sequence = 40 }));
            EXPECT_EQ(result.error, KAFKA_NONE);
            const struct batch_view view = stored(&scene, 0);
            EXPECT_EQ(batch_codec(&view), to);
            EXPECT_EQ(view.record_count, 20);
            EXPECT_EQ(view.producer_id, 6);
            EXPECT_EQ(view.base_sequence, 40);
            EXPECT_EQ(view.leader_epoch, 3);
            EXPECT_EQ(result.size_bytes, (int64_t)view.bytes.size);
            EXPECT_EQ(view.max_timestamp, SAMPLE_NOW_MS + 19);
            /* Markers are never compressed. */
            EXPECT_EQ(
                sample_plan(scene.log, LOG_ORIGIN_COORDINATOR, sample_marker(6, 0, true, 1)).error,
                KAFKA_NONE);
            const struct batch_view marker = stored(&scene, 20);
            EXPECT_EQ(batch_codec(&marker), CODEC_NONE);
            EXPECT((marker.attributes & BATCH_CONTROL) != 0);
            scene_end(&scene);
        }
    }
}

/* What a job has checked is planned without a second look. */
TEST(log_append, can_be_checked_beforehand)
{
    struct scene scene;
    scene_begin(&scene);
    struct shared *batch = sample_batch(&(struct sample_batch){ .count = 4, .codec = CODEC_GZIP });
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = (uint32_t)batch->size,
                                       .origin = LOG_ORIGIN_CLIENT,
                                       .now_ms = SAMPLE_NOW_MS,
                                       .arena = &scene.arena };
    struct log_append checked = append;
    checked.checked = log_append_check(log_config(scene.log), &append);
    struct log_append_result result;
    log_append_plan(scene.log, &checked, &result);
    log_append_checked_free(checked.checked);
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT_EQ(result.last_offset, 3);
    shared_unref(batch);
    EXPECT_EQ(stored(&scene, 0).record_count, 4);
    scene_end(&scene);
}

/* Few bytes that hold many are no work for a shard; and nobody makes them anew in memory. */
TEST(log_append, leaves_a_batch_that_expands_much_to_a_job)
{
    for (int is_rebuilt = 0; is_rebuilt < 2; is_rebuilt++) {
        struct scene scene = { .config = sample_log_config() };
        scene.config.compression_is_producers = !is_rebuilt;
        scene.config.compression = CODEC_NONE;
        scene_open(&scene);
        struct shared *batch = sample_batch(&(struct sample_batch){
            .count = 4, .codec = CODEC_ZSTD, .value_bytes = LOG_QUICK_BYTES_MAX });
        EXPECT(batch->size < 10000);
        struct log_append append = { .owner = batch,
                                     .records = batch->data,
                                     .size_bytes = (uint32_t)batch->size,
                                     .origin = LOG_ORIGIN_CLIENT,
                                     .now_ms = SAMPLE_NOW_MS,
                                     .arena = &scene.arena };
        EXPECT(log_append_check_quickly(scene.log, &append) == NULL);
        append.checked = log_append_check(log_config(scene.log), &append);
        struct log_append_result result;
        log_append_plan(scene.log, &append, &result);
        EXPECT_EQ(result.error, is_rebuilt ? KAFKA_MESSAGE_TOO_LARGE : KAFKA_NONE);
        log_append_checked_free(append.checked);
        shared_unref(batch);
        scene_end(&scene);
    }
}

/* Pipelined batches of one producer are checked against the plan; when the write fails they are all
 * unknown again. */
TEST(log_append, checks_sequences_against_planned_batches_and_forgets_failed_ones)
{
    struct scene scene;
    scene_begin(&scene);
    for (int32_t i = 0; i < 3; i++) {
        EXPECT_EQ(plan(&scene, LOG_ORIGIN_CLIENT,
                       sample_batch(&(struct sample_batch){
                           .has_producer = true, .producer_id = 8, .sequence = i }))
                      .error,
                  KAFKA_NONE);
    }
    struct log_append_result result =
        plan(&scene, LOG_ORIGIN_CLIENT,
             sample_batch(
                 &(struct sample_batch){ .has_producer = true, .producer_id = 8, .sequence = 1 }));
    EXPECT(result.is_duplicate);
    EXPECT_EQ(result.first_offset, 1);
    sim_disk_set_capacity(scene.disk, 1);
    EXPECT(log_write(scene.log, NULL) < 0);
    EXPECT_EQ(log_offsets(scene.log)->planned_end, 0);
    EXPECT_EQ(log_producer_count(scene.log), 0);
    EXPECT_EQ(log_epoch_latest(scene.log), -1);
    sim_disk_set_capacity(scene.disk, 0);
    result = plan(&scene, LOG_ORIGIN_CLIENT,
                  sample_batch(&(struct sample_batch){
                      .has_producer = true, .producer_id = 8, .sequence = 0 }));
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT(!result.is_duplicate);
    EXPECT_EQ(result.first_offset, 0);
    scene_end(&scene);
}

TEST(log_append, keeps_aborted_transactions_in_an_index)
{
    struct scene scene;
    scene_begin(&scene);
    const struct sample_batch open = {
        .has_producer = true, .producer_id = 12, .attributes = BATCH_TRANSACTIONAL, .count = 2
    };
    EXPECT_EQ(sample_plan(scene.log, LOG_ORIGIN_CLIENT, sample_batch(&open)).error, KAFKA_NONE);
    EXPECT_EQ(log_first_unstable_offset(scene.log, 100), 0);
    EXPECT_EQ(sample_plan(scene.log, LOG_ORIGIN_COORDINATOR, sample_marker(12, 0, false, 5)).error,
              KAFKA_NONE);
    EXPECT_OK(log_write(scene.log, NULL));
    EXPECT_EQ(log_first_unstable_offset(scene.log, 2), 0);
    EXPECT_EQ(log_first_unstable_offset(scene.log, 3), -1);
    AUTO(mem_freep)
    char *path = mem_printf("%s/00000000000000000000.txnindex", log_directory(scene.log));
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    EXPECT_OK(io_fs_read_whole(sim_disk_fs(scene.disk), path, 1000, &data, &size));
    EXPECT_EQ(size, 34);
    EXPECT_EQ(be_load_i64(data + 2), 12);
    EXPECT_EQ(be_load_i64(data + 10), 0);
    EXPECT_EQ(be_load_i64(data + 18), 2);
    EXPECT_EQ(be_load_i64(data + 26), 3);
    EXPECT_OK(log_truncate(scene.log, 2, SAMPLE_NOW_MS, NULL));
    EXPECT_ERR(io_fs_read_whole(sim_disk_fs(scene.disk), path, 1000, &data, &size), 2 /* ENOENT */);
    EXPECT_EQ(log_first_unstable_offset(scene.log, 100), 0); /* open again */
    scene_end(&scene);
}
