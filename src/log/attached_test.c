/* Logs attached to a shard: open files, jobs, delayed removal. On the kernel's files, with a real
 * loop. */
#include "log/sample_test.h"

#include "base/mem.h"
#include "log/log_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct shard {
    struct epoll_workers *workers;
    struct io *io;
    struct log_files *files;
    struct log_config config;
    const char *directory;
    uint32_t flushed_count;
    uint32_t failed_count;
    uint32_t detached_count;
};

static void shard_begin(struct shard *shard, const struct test_context *context, uint32_t open_max)
{
    *shard = (struct shard){ .config = sample_log_config(), .directory = context->directory };
    shard->workers = epoll_workers_new(2);
    EXPECT_OK(epoll_io_new(shard->workers, &shard->io, NULL));
    shard->files = log_files_new(shard->io, open_max);
}

static void shard_end(struct shard *shard)
{
    while (!log_files_is_idle(shard->files))
        EXPECT_OK(epoll_io_turn(shard->io, 100));
    log_files_free(shard->files);
    epoll_io_free(shard->io);
    epoll_workers_free(shard->workers);
}

static void on_flushed(void *context, struct log *log)
{
    struct shard *shard = context;
    shard->flushed_count++;
    EXPECT(log_offsets(log)->flushed_end <= log_offsets(log)->end);
}

static void on_failed(void *context, struct log *log, int error, const struct err_note *note)
{
    struct shard *shard = context;
    shard->failed_count++;
    EXPECT_EQ(log_failure(log), error);
    EXPECT(note->text[0] != '\0');
}

static struct log *attach_partition(struct shard *shard, int32_t partition)
{
    const struct log_params params = { .fs = posix_fs(),
                                       .log_dir = shard->directory,
                                       .topic = "t",
                                       .partition = partition,
                                       .config = &shard->config,
                                       .create = true,
                                       .now_ms = SAMPLE_NOW_MS };
    struct log *log;
    EXPECT_OK(log_open(&params, &log, NULL));
    log_attach(
        log, shard->files,
        &(struct log_owner){ .on_flushed = on_flushed, .on_failed = on_failed, .context = shard });
    return log;
}

static void on_detached(void *context, struct log *log)
{
    struct shard *shard = context;
    (void)log;
    shard->detached_count++;
}

static void detach(struct shard *shard, struct log *log)
{
    const uint32_t before = shard->detached_count;
    log_detach(log, on_detached, shard);
    while (shard->detached_count == before)
        EXPECT_OK(epoll_io_turn(shard->io, 100));
}

static bool has_file(struct shard *shard, const char *name)
{
    AUTO(mem_freep) char *path = mem_printf("%s/t-0/%s", shard->directory, name);
    struct io_stat st;
    return io_fs_stat(posix_fs(), path, &st) == 0;
}

/* Many partitions share few descriptors, and notice nothing. */
TEST(log_files, keep_to_their_bound_with_many_logs)
{
    struct shard shard;
    shard_begin(&shard, context, LOG_FILES_OPEN_MIN);
    struct log *logs[50];
    for (int32_t i = 0; i < 50; i++)
        logs[i] = attach_partition(&shard, i);
    for (int round = 0; round < 6; round++) {
        for (int32_t i = 0; i < 50; i++) {
            sample_append(logs[i], &(struct sample_batch){ .value_bytes = 300 });
            EXPECT(log_files_open_count(shard.files) <= LOG_FILES_OPEN_MIN);
        }
    }
    for (int32_t i = 0; i < 50; i++) {
        sample_expect_readable(logs[i]);
        EXPECT(log_files_open_count(shard.files) <= LOG_FILES_OPEN_MIN);
        detach(&shard, logs[i]);
        EXPECT_OK(log_close(logs[i], false, NULL, NULL));
    }
    EXPECT_EQ(log_files_open_count(shard.files), 0);
    shard_end(&shard);
}

static void flush_through(struct shard *shard, struct log *log)
{
    log_flush(log);
    while (log_is_flushing(log))
        EXPECT_OK(epoll_io_turn(shard->io, 100));
}

/* A piece outlives whatever becomes of the segment it points into. */
TEST(log_files, let_a_piece_be_read_after_its_segment_was_removed)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    shard.config.retention_bytes = 1;
    shard.config.file_delete_delay_ms = 0;
    struct log *log = attach_partition(&shard, 0);
    while (log_segment_count(log) < 4)
        sample_append(log, &(struct sample_batch){ .value_bytes = 900 });
    const struct log_read request = { .offset = 0, .end_offset = INT64_MAX, .bytes_max = 10000 };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
    flush_through(&shard, log);
    EXPECT(log_retain(log, SAMPLE_NOW_MS, log_offsets(log)->end, NULL) >= 3);
    EXPECT_EQ(log_offsets(log)->start, log_segment_base(log, 0));
    while (has_file(&shard, "00000000000000000000.log") ||
           has_file(&shard, "00000000000000000000.log.deleted"))
        EXPECT_OK(epoll_io_turn(shard.io, 100));
    AUTO(mem_freep) uint8_t *bytes = mem_alloc(piece.size_bytes);
    EXPECT_EQ(io_file_read(piece.file, piece.position, bytes, piece.size_bytes), piece.size_bytes);
    struct batch_view view;
    EXPECT(batch_parse(bytes_from(bytes, piece.size_bytes), &view) > 0);
    EXPECT_EQ(view.base_offset, 0);
    io_file_unref(piece.file);
    detach(&shard, log);
    EXPECT_OK(log_close(log, false, NULL, NULL));
    shard_end(&shard);
}

/* Removed files keep their `.deleted` name for the delay; at the end of the shard they wait for the
 * next open. */
TEST(log_files, keep_deleted_files_for_the_delay)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    shard.config.retention_bytes = 1;
    shard.config.file_delete_delay_ms = 3600000;
    struct log *log = attach_partition(&shard, 0);
    while (log_segment_count(log) < 3)
        sample_append(log, &(struct sample_batch){ .value_bytes = 900 });
    flush_through(&shard, log);
    EXPECT(log_retain(log, SAMPLE_NOW_MS, log_offsets(log)->end, NULL) >= 2);
    detach(&shard, log); /* waits for the renames */
    EXPECT(!has_file(&shard, "00000000000000000000.log"));
    EXPECT(has_file(&shard, "00000000000000000000.log.deleted"));
    EXPECT_OK(log_close(log, false, NULL, NULL));
    log = attach_partition(&shard, 0);
    EXPECT(!has_file(&shard, "00000000000000000000.log.deleted"));
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* A segment whose batches may be lost in a crash, while its name comes back, would be a hole. */
TEST(log_retain, waits_for_what_is_not_flushed)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    shard.config.retention_ms = 1000;
    struct log *log = attach_partition(&shard, 0);
    sample_append(log, &(struct sample_batch){ .value_bytes = 900 });
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS + 5000, log_offsets(log)->end, NULL), 0);
    EXPECT(log_is_flushing(log));
    flush_through(&shard, log);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS + 5000, log_offsets(log)->end, NULL), 1);
    EXPECT_EQ(log_offsets(log)->start, 1);
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* Under flush.messages=1 an append counts when it is flushed, and so does what opening found. */
TEST(log_flush, settles_what_flush_messages_asks_for)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    sample_append(log, &(struct sample_batch){ .count = 4 });
    EXPECT_EQ(log_settled_end(log), 4);
    struct log_config config = shard.config;
    config.flush_messages = 1;
    log_set_config(log, &config);
    EXPECT_EQ(log_settled_end(log), 0);
    flush_through(&shard, log);
    EXPECT_EQ(log_settled_end(log), 4);
    sample_append(log, &(struct sample_batch){ 0 });
    EXPECT_EQ(log_offsets(log)->end, 5);
    EXPECT_EQ(log_settled_end(log), 4);
    flush_through(&shard, log);
    EXPECT_EQ(log_settled_end(log), 5);
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* A segment that was flushed before it was closed has indexes to be synced: recovery looks at it until they are. */
TEST(log_flush, holds_the_recovery_point_for_the_indexes_of_a_closed_segment)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    sample_append(log, &(struct sample_batch){ .count = 4 });
    flush_through(&shard, log);
    EXPECT_EQ(log_offsets(log)->recovery_point, 3); /* it is written to yet */
    EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
    EXPECT_EQ(log_offsets(log)->flushed_end, 4);
    EXPECT_EQ(log_offsets(log)->recovery_point, 3);
    flush_through(&shard, log);
    EXPECT_EQ(log_offsets(log)->recovery_point, 4);
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* Apache Kafka calls a segment damaged that the recovery point has reached and whose index has no file. */
TEST(log_flush, makes_the_index_of_the_segment_that_is_written_to)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    while (log_segment_count(log) < 2)
        sample_append(log, &(struct sample_batch){ .value_bytes = 900 });
    sample_append(log, &(struct sample_batch){ .count = 2 });
    flush_through(&shard, log);
    EXPECT(log_offsets(log)->recovery_point > log_segment_base(log, 1));
    char name[64];
    snprintf(name, sizeof(name), "%020" PRId64 ".index", log_segment_base(log, 1));
    EXPECT(has_file(&shard, name));
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* A job that keeps one of the two workers until the pipe has a byte for it. */
struct blocker {
    struct io_job job;
    int gate;
    bool is_done;
};

struct blockade {
    struct blocker blockers[2];
    int gate[2];
};

static void block(struct io_job *job)
{
    char byte;
    IGNORE_RESULT(read(CONTAINER_OF(job, struct blocker, job)->gate, &byte, 1));
}

static void unblocked(struct io_job *job)
{
    CONTAINER_OF(job, struct blocker, job)->is_done = true;
}

static void block_workers(struct shard *shard, struct blockade *blockade)
{
    EXPECT_OK(pipe(blockade->gate));
    for (int i = 0; i < 2; i++) {
        blockade->blockers[i] = (struct blocker){ .job = { .run = block, .done = unblocked },
                                                  .gate = blockade->gate[0] };
        io_submit(shard->io, NULL, &blockade->blockers[i].job);
    }
}

/* Until the log's flushes are through. */
static void unblock_workers(struct shard *shard, struct blockade *blockade, const struct log *log)
{
    EXPECT_EQ(write(blockade->gate[1], "ab", 2), 2);
    while (log_is_flushing(log) || !blockade->blockers[0].is_done || !blockade->blockers[1].is_done)
        EXPECT_OK(epoll_io_turn(shard->io, 100));
    close(blockade->gate[0]);
    close(blockade->gate[1]);
}

/* Retention, or compaction, may take a segment between the decision to flush it and the sync. */
TEST(log_flush, syncs_files_that_have_lost_their_names_meanwhile)
{
    struct shard shard;
    struct blockade blockade;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    sample_append(log, &(struct sample_batch){ .has_producer = true,
                                               .producer_id = 1,
                                               .attributes = BATCH_TRANSACTIONAL });
    EXPECT_EQ(sample_plan(log, LOG_ORIGIN_COORDINATOR, sample_marker(1, 0, false, 0)).error,
              KAFKA_NONE);
    EXPECT_OK(log_write(log, NULL));
    EXPECT(has_file(&shard, "00000000000000000000.txnindex"));
    EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));

    block_workers(&shard, &blockade);
    log_flush(log);
    AUTO(mem_freep)
    char *path = mem_printf("%s/t-0/00000000000000000000.txnindex", shard.directory);
    EXPECT_OK(io_fs_unlink(posix_fs(), path));
    unblock_workers(&shard, &blockade, log);
    EXPECT_EQ(shard.failed_count, 0);
    EXPECT_EQ(log_offsets(log)->flushed_end, 2);
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

static void append_and_flush(struct log *log, int count)
{
    for (int i = 0; i < count; i++) {
        sample_append(log, &(struct sample_batch){ 0 });
        log_flush(log);
    }
}

/* One sync serves all who asked before it began, until there are other files to be synced. */
TEST(log_flush, serves_all_who_asked_before_it_began)
{
    struct shard shard;
    struct blockade blockade;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    block_workers(&shard, &blockade);
    append_and_flush(log, 10);
    unblock_workers(&shard, &blockade, log);
    EXPECT_EQ(log_offsets(log)->flushed_end, 10);
    EXPECT_EQ(shard.flushed_count, 1);

    block_workers(&shard, &blockade);
    append_and_flush(log, 5);
    EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
    append_and_flush(log, 5);
    unblock_workers(&shard, &blockade, log);
    EXPECT_EQ(log_offsets(log)->flushed_end, 20);
    EXPECT_EQ(log_unflushed(log).bytes, 0);
    EXPECT(shard.flushed_count >= 3);
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* What was cut off while a flush was under way, and written anew, is not flushed with it. */
TEST(log_flush, tells_nothing_of_what_replaced_what_it_flushed)
{
    struct shard shard;
    struct blockade blockade;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    block_workers(&shard, &blockade);
    append_and_flush(log, 4);
    EXPECT_OK(log_truncate(log, 2, SAMPLE_NOW_MS, NULL));
    sample_append(log, &(struct sample_batch){ .count = 5 });
    unblock_workers(&shard, &blockade, log);
    EXPECT_EQ(log_offsets(log)->flushed_end, 2);
    flush_through(&shard, log);
    EXPECT_EQ(log_offsets(log)->flushed_end, 7);
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

TEST(log_flush, follows_flush_messages_and_flush_ms)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    shard.config.flush_messages = 3;
    struct log *log = attach_partition(&shard, 0);
    sample_append(log, &(struct sample_batch){ .count = 2 });
    EXPECT(!log_is_flushing(log));
    sample_append(log, &(struct sample_batch){ .count = 1 });
    EXPECT(log_is_flushing(log));
    while (log_is_flushing(log))
        EXPECT_OK(epoll_io_turn(shard.io, 100));
    EXPECT_EQ(log_offsets(log)->flushed_end, 3);

    struct log_config config = shard.config;
    config.flush_messages = INT64_MAX;
    config.flush_ms = 1000;
    log_set_config(log, &config);
    sample_append(log, &(struct sample_batch){ 0 });
    const int64_t now_ms = io_now_ms(shard.io);
    log_tick(log, now_ms);
    EXPECT(!log_is_flushing(log));
    log_tick(log, now_ms + 2000);
    EXPECT(log_is_flushing(log));
    detach(&shard, log); /* comes only when the flush is through */
    EXPECT_EQ(log_offsets(log)->flushed_end, 4);
    log_abandon(log);
    shard_end(&shard);
}

/* A roll syncs what it closes, in the background. */
TEST(log_flush, follows_a_roll)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    while (log_segment_count(log) < 2)
        sample_append(log, &(struct sample_batch){ .value_bytes = 900 });
    EXPECT(log_is_flushing(log));
    while (log_is_flushing(log))
        EXPECT_OK(epoll_io_turn(shard.io, 100));
    EXPECT_EQ(log_offsets(log)->flushed_end, log_segment_base(log, 1));
    char name[64];
    snprintf(name, sizeof(name), "%020" PRId64 ".snapshot", log_segment_base(log, 1));
    EXPECT(has_file(&shard, name));
    EXPECT(has_file(&shard, "leader-epoch-checkpoint"));
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* The buffers of a log at rest are given back, and what was in them is in the files. */
TEST(log_tick, writes_index_entries_of_logs_at_rest)
{
    struct shard shard;
    shard_begin(&shard, context, 100);
    struct log *log = attach_partition(&shard, 0);
    for (int i = 0; i < 5; i++)
        sample_append(log, &(struct sample_batch){ .value_bytes = 300 });
    EXPECT(log__active(log)->offsets.pending != NULL);
    log_tick(log, SAMPLE_NOW_MS);
    EXPECT(log__active(log)->offsets.pending != NULL);
    log_tick(log, SAMPLE_NOW_MS + 1000);
    EXPECT(log__active(log)->offsets.pending == NULL);
    EXPECT(log__active(log)->times.pending == NULL);
    EXPECT_EQ(log__active(log)->offsets.disk_count, 4);
    sample_expect_readable(log);
    detach(&shard, log);
    log_abandon(log);
    shard_end(&shard);
}

/* Retention: by size from the oldest, by time, not above the high watermark, and the active segment
 * too. */
TEST(log_retain, removes_what_size_time_and_start_allow)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct log_config config = sample_log_config();
    config.retention_ms = -1;
    struct log *log =
        sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk), .config = &config });
    for (int i = 0; i < 5; i++) {
        sample_append(
            log, &(struct sample_batch){ .count = 2, .timestamp_ms = SAMPLE_NOW_MS + 1000 * i });
        EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
    }
    EXPECT_EQ(log_segment_count(log), 6);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 10, NULL), 0);

    config.retention_bytes = log_size_bytes(log) - 1; /* a byte too many does not cost a segment */
    log_set_config(log, &config);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 10, NULL), 0);
    config.retention_bytes = log_size_bytes(log) * 4 / 5;
    log_set_config(log, &config);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 1, NULL), 0); /* the high watermark is in the first */
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 10, NULL), 1);
    EXPECT_EQ(log_offsets(log)->start, 2);

    config.retention_bytes = -1;
    config.retention_ms = 5000;
    log_set_config(log, &config);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS + 1001 + 5000, 10, NULL), 0);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS + 1002 + 5000, 10, NULL), 1);
    EXPECT_EQ(log_offsets(log)->start, 4);

    config.retention_ms = -1;
    config.cleanup_compact = true;
    log_set_config(log, &config);
    EXPECT_EQ(log_advance_start(log, 7, 10), 1); /* in the middle of a segment */
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 10, NULL), 1);
    EXPECT_EQ(log_segment_base(log, 0), 6);
    EXPECT_EQ(log_offsets(log)->start, 7);
    EXPECT_EQ(log_retain(log, INT64_MAX, 10, NULL), 0);

    config.cleanup_compact = false;
    config.retention_ms = 0;
    log_set_config(log, &config);
    EXPECT_EQ(sample_append(log, &(struct sample_batch){ 0 }), 10);
    EXPECT(log_retain(log, SAMPLE_NOW_MS + 10000, 11, NULL) >
           0); /* the active one is rolled first */
    EXPECT_EQ(log_segment_count(log), 1);
    EXPECT_EQ(log_offsets(log)->start, 11);
    EXPECT_EQ(log_offsets(log)->end, 11);
    EXPECT_ERR(log_advance_start(log, 12, 11), ERR_OFFSET_OUT_OF_RANGE);
    log_abandon(log);
    sim_disk_free(disk);
}

TEST(log_delete, renames_the_directory)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    sample_append(log, &(struct sample_batch){ 0 });
    AUTO(mem_freep) char *path = NULL;
    EXPECT_OK(log_delete(log, (struct uuid){ { 0xab, 0xcd } }, &path, NULL));
    EXPECT_TEXT(path, "/d/t-0.abcd0000000000000000000000000000-delete");
    struct io_stat st;
    EXPECT_OK(io_fs_stat(sim_disk_fs(disk), path, &st));
    EXPECT(st.is_directory);
    EXPECT_ERR(io_fs_stat(sim_disk_fs(disk), "/d/t-0", &st), ENOENT);
    /* Complete, or Apache Kafka finds fault with it when it comes to remove it. */
    AUTO(mem_freep) char *index = mem_printf("%s/00000000000000000000.index", path);
    AUTO(mem_freep) char *times = mem_printf("%s/00000000000000000000.timeindex", path);
    EXPECT_OK(io_fs_stat(sim_disk_fs(disk), index, &st));
    EXPECT_OK(io_fs_stat(sim_disk_fs(disk), times, &st));
    sim_disk_free(disk);
}
