/* Offsets by time where a batch holds more than a shard looks through in passing. */
#include "log/sample_test.h"

#include "base/mem.h"
#include "log/log_int.h"

#define RECORD_COUNT 100
#define VALUE_BYTES  10000 /* a megabyte in all */

struct scene {
    struct sim_disk *disk;
    struct log *log;
};

static void scene_begin(struct scene *scene)
{
    struct log_config config = sample_log_config();
    config.segment_bytes = 64 << 20;
    config.message_bytes_max = 8 << 20;
    scene->disk = sim_disk_new(1);
    scene->log =
        sample_open(&(struct sample_open){ .fs = sim_disk_fs(scene->disk), .config = &config });
}

static struct io_file *scene_file(const struct scene *scene)
{
    struct io_file *file;
    EXPECT_OK(segment_file(log__active(scene->log), &scene->log->place, false, &file));
    return file;
}

static void scene_end(struct scene *scene)
{
    log_abandon(scene->log);
    sim_disk_free(scene->disk);
}

static void append_long(struct scene *scene, enum codec codec, int64_t timestamp_ms)
{
    sample_append(scene->log, &(struct sample_batch){ .count = RECORD_COUNT,
                                                      .value_bytes = VALUE_BYTES,
                                                      .codec = codec,
                                                      .timestamp_ms = timestamp_ms });
}

/* As a shard asks: -1 for the largest time. How often a job had to look through a batch. */
static int look_up(struct scene *scene, int64_t timestamp_ms, struct log_time_offset *out)
{
    struct log_wait wait = { 0 };
    int jobs = 0;
    int r;
    do {
        r = timestamp_ms < 0
                ? log_offset_of_max_time(scene->log, false, out, &wait, NULL)
                : log_offset_for_time(scene->log, timestamp_ms, false, out, &wait, NULL);
        if (r == -ERR_WOULD_BLOCK) {
            jobs += wait.search != NULL;
            EXPECT(jobs < 10);
            log_wait_run(&wait);
        }
    } while (r == -ERR_WOULD_BLOCK);
    EXPECT_OK(r);
    EXPECT(wait.file == NULL && wait.search == NULL);
    return jobs;
}

TEST(log_offset_for_time, leaves_long_batches_to_a_job)
{
    for (enum codec codec = CODEC_NONE; codec <= CODEC_ZSTD; codec++) {
        struct scene scene;
        scene_begin(&scene);
        append_long(&scene, codec, SAMPLE_NOW_MS);
        append_long(&scene, codec, SAMPLE_NOW_MS + RECORD_COUNT);
        for (int32_t i = 0; i < 2 * RECORD_COUNT; i++) {
            struct log_time_offset found;
            const int jobs = look_up(&scene, SAMPLE_NOW_MS + i, &found);
            EXPECT_EQ(found.offset, i);
            EXPECT_EQ(found.timestamp, SAMPLE_NOW_MS + i);
            EXPECT_EQ(found.leader_epoch, 0);
            /* What stands at a batch's beginning is found in passing, if the batch itself is not large. */
            if (codec == CODEC_NONE || i % RECORD_COUNT > 20)
                EXPECT_EQ(jobs, 1);
            else if (i % RECORD_COUNT < 10)
                EXPECT_EQ(jobs, 0);
        }
        struct log_time_offset found;
        EXPECT_EQ(look_up(&scene, -1, &found), 1);
        EXPECT_EQ(found.offset, 2 * RECORD_COUNT - 1);
        EXPECT_EQ(look_up(&scene, SAMPLE_NOW_MS + INT64_C(2) * RECORD_COUNT, &found), 0);
        EXPECT_EQ(found.offset, -1);
        scene_end(&scene);
    }
}

/* While the job runs the log's start moves, or the batch goes: what was found then is no answer any more. */
TEST(log_offset_for_time, asks_again_when_the_log_has_changed_meanwhile)
{
    for (int is_cut = 0; is_cut <= 1; is_cut++) {
        struct scene scene;
        scene_begin(&scene);
        append_long(&scene, CODEC_ZSTD, SAMPLE_NOW_MS);
        struct log_time_offset found;
        struct log_wait wait = { 0 };
        EXPECT_ERR(log_offset_for_time(scene.log, SAMPLE_NOW_MS + 50, false, &found, &wait, NULL),
                   ERR_WOULD_BLOCK);
        EXPECT(wait.search != NULL);
        log_wait_run(&wait);
        if (is_cut) {
            EXPECT_OK(log_truncate(scene.log, 0, SAMPLE_NOW_MS, NULL));
            append_long(&scene, CODEC_ZSTD, SAMPLE_NOW_MS + 30);
        } else {
            EXPECT_OK(log_advance_start(scene.log, 60, RECORD_COUNT));
        }
        EXPECT_ERR(log_offset_for_time(scene.log, SAMPLE_NOW_MS + 50, false, &found, &wait, NULL),
                   ERR_WOULD_BLOCK);
        log_wait_run(&wait);
        EXPECT_OK(log_offset_for_time(scene.log, SAMPLE_NOW_MS + 50, false, &found, &wait, NULL));
        EXPECT_EQ(found.offset, is_cut ? 20 : 60);
        EXPECT(wait.search == NULL);
        scene_end(&scene);
    }
}

/* The latest record of the first batch has been deleted: its header promises what is not there, and so another batch is
 * looked through by a job, and not the first one again. */
TEST(log_offset_for_time, goes_on_behind_a_batch_that_a_job_found_nothing_in)
{
    struct scene scene;
    scene_begin(&scene);
    sample_append(scene.log, &(struct sample_batch){ .count = RECORD_COUNT,
                                                     .value_bytes = VALUE_BYTES,
                                                     .codec = CODEC_ZSTD,
                                                     .timestamp_ms = SAMPLE_NOW_MS + 1000,
                                                     .step_ms = -1 });
    append_long(&scene, CODEC_ZSTD, SAMPLE_NOW_MS + 950);
    EXPECT_OK(log_advance_start(scene.log, 1, 2 * RECORD_COUNT));
    struct log_time_offset found;
    EXPECT_EQ(look_up(&scene, SAMPLE_NOW_MS + 1000, &found), 2);
    EXPECT_EQ(found.offset, RECORD_COUNT + 50);
    scene_end(&scene);
}

/* What was the largest time when it was asked is the answer, however many later ones come while jobs run. */
TEST(log_offset_of_max_time, is_of_the_moment_it_was_asked)
{
    struct scene scene;
    scene_begin(&scene);
    append_long(&scene, CODEC_ZSTD, SAMPLE_NOW_MS);
    struct log_time_offset found;
    struct log_wait wait = { 0 };
    EXPECT_ERR(log_offset_of_max_time(scene.log, false, &found, &wait, NULL), ERR_WOULD_BLOCK);
    log_wait_run(&wait);
    append_long(&scene, CODEC_ZSTD, SAMPLE_NOW_MS + 500);
    EXPECT_OK(log_offset_of_max_time(scene.log, false, &found, &wait, NULL));
    EXPECT_EQ(found.offset, RECORD_COUNT - 1);
    EXPECT_EQ(look_up(&scene, -1, &found), 1);
    EXPECT_EQ(found.offset, 2 * RECORD_COUNT - 1);
    scene_end(&scene);
}

/* A job that only brings bytes into memory forgets nothing of what another job has found. */
TEST(log_offset_for_time, keeps_what_was_found_while_bytes_are_read)
{
    struct scene scene;
    scene_begin(&scene);
    append_long(&scene, CODEC_ZSTD, SAMPLE_NOW_MS);
    struct log_time_offset found;
    struct log_wait wait = { 0 };
    EXPECT_ERR(log_offset_for_time(scene.log, SAMPLE_NOW_MS + 50, false, &found, &wait, NULL),
               ERR_WOULD_BLOCK);
    log_wait_run(&wait);
    EXPECT(wait.search != NULL && wait.file == NULL);
    /* As the repeated call asks for bytes that are not in memory. */
    wait.file = io_file_ref(scene_file(&scene));
    wait.size_bytes = 100;
    log_wait_run(&wait);
    EXPECT(wait.search != NULL && wait.file == NULL);
    EXPECT_OK(log_offset_for_time(scene.log, SAMPLE_NOW_MS + 50, false, &found, &wait, NULL));
    EXPECT_EQ(found.offset, 50);
    scene_end(&scene);
}

/* A job whose answer nobody fetches any more. */
TEST(log_wait_deinit, lets_go_of_what_was_found)
{
    struct scene scene;
    scene_begin(&scene);
    append_long(&scene, CODEC_LZ4, SAMPLE_NOW_MS);
    struct log_time_offset found;
    struct log_wait wait = { 0 };
    EXPECT_ERR(log_offset_of_max_time(scene.log, false, &found, &wait, NULL), ERR_WOULD_BLOCK);
    log_wait_run(&wait);
    log_wait_deinit(&wait);
    EXPECT(wait.file == NULL && wait.search == NULL);
    scene_end(&scene);
}
