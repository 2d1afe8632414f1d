/* What a log is that was closed well, or cut, or full, and loses its power then: what it had told is so, and what had gone stays away. */
#include "log/history_test.h"

#include "base/mem.h"
#include "log/log_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOG_FILE "/t-0/00000000000000000000.log"

/* ---- after a close ----------------------------------------------------------------------------- */

static struct log_time_offset offset_for_time(struct log *log, int64_t timestamp_ms)
{
    struct log_time_offset found;
    struct log_wait wait = { 0 };
    EXPECT_OK(log_offset_for_time(log, timestamp_ms, true, &found, &wait, NULL));
    return found;
}

/* An idempotent producer's nth batch of two records, of which the first is the youngest. */
static struct sample_batch nth_batch(int32_t n)
{
    return (struct sample_batch){ .count = 2,
                                  .value_bytes = 300,
                                  .timestamp_ms = SAMPLE_NOW_MS - 1000 * n,
                                  .has_producer = true,
                                  .producer_id = 7,
                                  .sequence = 2 * n };
}

static struct log_append_result append_nth(struct log *log, int32_t n, int32_t epoch)
{
    const struct sample_batch sample = nth_batch(n);
    struct shared *batch = sample_batch(&sample);
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = (uint32_t)batch->size,
                                       .origin = LOG_ORIGIN_CLIENT,
                                       .leader_epoch = epoch,
                                       .now_ms = SAMPLE_NOW_MS,
                                       .transaction_version = -1 };
    struct log_append_result result;
    log_append_plan(log, &append, &result);
    shared_unref(batch);
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT_EQ(result.first_offset, 2 * n);
    EXPECT_OK(log_write(log, NULL));
    return result;
}

/* Whatever a loss of power takes back after a close, a log that was closed well answers as before: epochs, offsets by
 * time, and duplicates of batches that a producer had in flight. */
TEST(log_crash, is_what_it_was_when_power_is_lost_after_a_close)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim_disk *disk = sim_disk_new(context->seed + seed);
        const int32_t lives = 1 + (int32_t)(seed % 4);
        const int32_t batches = 6;
        for (int32_t life = 0; life < lives; life++) {
            struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
            for (int32_t n = life * batches; n < (life + 1) * batches; n++)
                EXPECT(!append_nth(log, n, life).is_duplicate);
            EXPECT_OK(log_close(log, true, NULL, NULL));
        }
        sim_disk_crash(disk, SIM_POWER_LOST);
        struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
        EXPECT_EQ(log_offsets(log)->end, 2 * lives * batches);
        for (int32_t life = 0; life < lives - 1; life++)
            EXPECT_EQ(log_end_offset_for_epoch(log, life).end_offset, 2 * (life + 1) * batches);
        EXPECT_EQ(offset_for_time(log, SAMPLE_NOW_MS).offset, 0);
        EXPECT_EQ(offset_for_time(log, SAMPLE_NOW_MS + 2).offset, -1);
        for (int32_t n = lives * batches - 5; n < lives * batches; n++)
            EXPECT(append_nth(log, n, lives).is_duplicate);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* A segment that ends while its time index finds no room gets another one at the next open. */
TEST(log_crash, finds_times_in_a_segment_that_was_closed_on_a_full_disk)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim_disk *disk = sim_disk_new(context->seed + seed);
        struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
        for (int32_t n = 0; n < 12; n++) {
            if (n == (int32_t)(seed % 5)) {
                log_tick(log, SAMPLE_NOW_MS);
                log_tick(log, SAMPLE_NOW_MS); /* it is at rest: entries are written */
                sim_disk_add_fault(disk, &(struct sim_fault){ .calls = SIM_WRITE,
                                                              .path_part = ".timeindex",
                                                              .error = -ENOSPC });
            }
            sample_append(log, &(struct sample_batch){ .value_bytes = 600,
                                                       .timestamp_ms = SAMPLE_NOW_MS + n });
        }
        sim_disk_clear_faults(disk);
        EXPECT(log_segment_count(log) > 1);
        log_flush(log);
        EXPECT_OK(log_close(log, true, NULL, NULL));
        sim_disk_crash(disk, SIM_POWER_LOST);
        log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
        for (int32_t n = 0; n < 12; n++)
            EXPECT_EQ(offset_for_time(log, SAMPLE_NOW_MS + n).offset, n);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* What was cut off a segment stays cut off, also when the process dies before the cut is synced, and the log goes on in another. */
TEST(log_crash, cuts_a_damaged_end_for_good)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim_disk *disk = sim_disk_new(context->seed + seed);
        struct sample_open open = { .fs = sim_disk_fs(disk), .is_unclean = true };
        struct log *log = sample_open(&open);
        for (int i = 0; i < 3; i++)
            sample_append(log, &(struct sample_batch){ 0 });
        log_flush(log);
        open.recovery_point = log_offsets(log)->recovery_point;
        const int64_t size = log_size_bytes(log);
        struct io_file *file;
        EXPECT_OK(io_file_open(open.fs, "/d" LOG_FILE, IO_OPEN_WRITE, &file));
        EXPECT_OK(io_file_write(file, size, "what was not synced", 19));
        EXPECT_OK(io_file_sync(file));
        io_file_unref(file);
        log_abandon(log);
        log = sample_open(&open); /* cuts */
        EXPECT_EQ(log_size_bytes(log), size);
        /* It goes on in another, and dies before the flush that follows. */
        sim_disk_add_fault(
            disk, &(struct sim_fault){ .calls = SIM_SYNC, .path_part = ".log", .error = -EIO });
        IGNORE_RESULT(log_roll(log, SAMPLE_NOW_MS, NULL));
        log_abandon(log);
        sim_disk_clear_faults(disk);
        log = sample_open(&open);
        EXPECT_EQ(log_segment_count(log), 2);
        sample_append(log, &(struct sample_batch){ 0 });
        log_flush(log);
        open.recovery_point = log_offsets(log)->recovery_point;
        log_abandon(log);
        sim_disk_crash(disk, SIM_POWER_LOST);
        open.fs = sim_disk_fs(disk);
        log = sample_open(&open);
        EXPECT_EQ(log_offsets(log)->end, 4);
        EXPECT_EQ(log->segments.items[0]->meter.size_bytes, size);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

static void truncate_segment(struct io_fs *fs, int64_t base_offset, int64_t size_bytes)
{
    AUTO(mem_freep) char *path = mem_printf("/d/t-0/%020" PRId64 ".log", base_offset);
    struct io_file *file;
    EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE, &file));
    EXPECT_OK(io_file_truncate(file, size_bytes));
    io_file_unref(file);
}

/* A last segment that is cut at its first batch is empty, and no flush looks at it: the log is closed well with it, and the power lost. */
TEST(log_crash, cuts_a_last_segment_to_nothing_for_good)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim_disk *disk = sim_disk_new(context->seed + seed);
        struct sample_open open = { .fs = sim_disk_fs(disk), .is_unclean = true };
        struct log *log = sample_open(&open);
        sample_append(log, &(struct sample_batch){ 0 });
        EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
        const int64_t base_offset = sample_append(log, &(struct sample_batch){ 0 });
        log_flush(log);
        log_abandon(log);
        AUTO(mem_freep) char *path = mem_printf("/d/t-0/%020" PRId64 ".log", base_offset);
        EXPECT_OK(sim_disk_flip_bit(disk, path, BATCH_OVERHEAD_BYTES, 1));
        open.recovery_point = base_offset;
        log = sample_open(&open); /* cuts */
        EXPECT_EQ(log_offsets(log)->end, base_offset);
        EXPECT_OK(log_close(log, true, NULL, NULL));
        sim_disk_crash(disk, SIM_POWER_LOST);
        log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
        EXPECT_EQ(log_offsets(log)->end, base_offset);
        EXPECT_EQ(log__active(log)->meter.size_bytes, 0);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* The same of a write that found no room for all of its batches, in a segment that has no other yet. */
TEST(log_crash, brings_back_nothing_of_a_write_that_failed_in_an_empty_segment)
{
    struct log_config config = sample_log_config();
    config.segment_bytes = 1 << 20;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sim_disk *disk = sim_disk_new(context->seed + seed);
        const struct sample_open open = { .fs = sim_disk_fs(disk), .config = &config };
        struct log *log = sample_open(&open);
        sample_append(log, &(struct sample_batch){ 0 });
        EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
        log_flush(log);
        sim_disk_set_capacity(disk, sim_disk_used_bytes(disk) + 4096);
        struct err_note note = { 0 };
        for (uint32_t bytes = 2000; bytes <= 6000; bytes += 4000) {
            const struct sample_batch batch = { .value_bytes = bytes };
            (void)sample_plan(log, LOG_ORIGIN_CLIENT, sample_batch(&batch));
        }
        IGNORE_RESULT(log_write(log, &note));
        EXPECT_EQ(log_offsets(log)->end, 1);
        sim_disk_set_capacity(disk, 0);
        EXPECT_OK(log_close(log, true, NULL, NULL));
        sim_disk_crash(disk, SIM_POWER_LOST);
        log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
        EXPECT_EQ(log_offsets(log)->end, 1);
        EXPECT_EQ(log__active(log)->meter.size_bytes, 0);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* Power takes the batches of the last segments and leaves their names. What had been flushed keeps its offsets; and so does
 * what compaction left behind a hole. */
TEST(log_crash, ends_a_compacted_log_before_what_was_lost)
{
    static const struct {
        int64_t recovery_point;
        int64_t last_size_bytes; /* of segment 4 */
        int64_t end;
        size_t segment_count;
    } cases[] = {
        { 0, 0, 2, 2 }, { 0, 20, 2, 2 }, { 2, 0, 2, 2 },
        { 3, 0, 4, 3 }, { 4, 0, 4, 3 },  { 0, -1, 5, 3 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct log_config config = sample_log_config();
        config.cleanup_compact = true;
        struct sim_disk *disk = sim_disk_new(context->seed);
        struct sample_open open = { .fs = sim_disk_fs(disk), .config = &config };
        struct log *log = sample_open(&open);
        for (int n = 0; n < 5; n++) {
            sample_append(log, &(struct sample_batch){ 0 });
            if (n == 1 || n == 3)
                EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
        }
        log_flush(log);
        log_abandon(log);
        truncate_segment(open.fs, 2, 0);
        if (cases[i].last_size_bytes >= 0)
            truncate_segment(open.fs, 4, cases[i].last_size_bytes);
        open.is_unclean = true;
        open.recovery_point = cases[i].recovery_point;
        log = sample_open(&open);
        EXPECT_EQ(log_offsets(log)->end, cases[i].end);
        EXPECT_EQ(log_segment_count(log), cases[i].segment_count);
        EXPECT_EQ(sample_append(log, &(struct sample_batch){ 0 }), cases[i].end);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* A roll whose producer snapshot finds no room, and nothing appended since: the close writes one, so that the next open knows the
 * producer and its open transaction. */
TEST(log_crash, knows_producers_whose_snapshot_found_no_room)
{
    for (int calls = SIM_CREATE; calls <= SIM_WRITE; calls += SIM_WRITE - SIM_CREATE) {
        struct sim_disk *disk = sim_disk_new(context->seed);
        struct io_fs *fs = sim_disk_fs(disk);
        struct log *log = sample_open(&(struct sample_open){ .fs = fs });
        EXPECT_EQ(
            sample_plan(log, LOG_ORIGIN_REPLICATION,
                        sample_batch(&(struct sample_batch){ .has_producer = true,
                                                             .producer_id = 9,
                                                             .attributes = BATCH_TRANSACTIONAL }))
                .error,
            KAFKA_NONE);
        EXPECT_OK(log_write(log, NULL));
        sim_disk_add_fault(disk, &(struct sim_fault){ .calls = (uint32_t)calls,
                                                      .path_part = ".snapshot",
                                                      .error = -ENOSPC });
        EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
        sim_disk_clear_faults(disk);
        EXPECT_OK(log_close(log, true, NULL, NULL));

        log = sample_open(&(struct sample_open){ .fs = fs });
        EXPECT_EQ(log_recovery(log).segments_scanned, 0);
        EXPECT_EQ(log_recovery(log).note_count, 0);
        struct log_producer producer;
        EXPECT(log_producer_get(log, 9, &producer) && producer.txn_start_offset == 0);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

static void append_of_producer(struct log *log, int64_t producer_id)
{
    EXPECT_EQ(
        sample_plan(log, LOG_ORIGIN_REPLICATION,
                    sample_batch(&(struct sample_batch){ .has_producer = true,
                                                         .producer_id = producer_id,
                                                         .base_offset = log_offsets(log)->end }))
            .error,
        KAFKA_NONE);
    EXPECT_OK(log_write(log, NULL));
}

/* Kills the process, and expects these producers in the next. */
static struct log *kill_and_open(struct log *log, struct sample_open *open, bool has_first)
{
    open->is_unclean = true;
    open->recovery_point = log_offsets(log)->recovery_point;
    open->log_start_offset = log_offsets(log)->start;
    log_abandon(log);
    log = sample_open(open);
    struct log_producer producer;
    EXPECT_EQ(log_producer_get(log, 1, &producer), has_first);
    EXPECT(log_producer_get(log, 2, &producer) && producer.last_sequence == 0);
    return log;
}

/* Batches of producers leave a full disk only where a snapshot that is there tells of them: those before the second roll here, whose
 * snapshot finds no room, stay until it does. It is written by the next flush, also by that of a process that found it missing. */
TEST(log_crash, lets_no_batches_go_before_their_producers_are_written)
{
    for (int is_killed = 0; is_killed < 2; is_killed++) {
        struct sim_disk *disk = sim_disk_new(context->seed);
        struct log_config config = sample_log_config();
        config.retention_bytes = 0;
        struct sample_open open = { .fs = sim_disk_fs(disk), .config = &config };
        struct log *log = sample_open(&open);
        append_of_producer(log, 1);
        EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
        append_of_producer(log, 2);
        const struct sim_fault full = { .calls = SIM_WRITE,
                                        .path_part = ".snapshot",
                                        .error = -ENOSPC };
        sim_disk_add_fault(disk, &full);
        EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 2, NULL), 1);
        EXPECT_EQ(log_offsets(log)->start, 1);
        EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 2, NULL), 0);
        if (is_killed)
            log = kill_and_open(log, &open, true);
        EXPECT_EQ(log_offsets(log)->start, 1);
        EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 2, NULL), 0);
        sim_disk_clear_faults(disk);
        EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 2, NULL), 1);
        EXPECT_EQ(log_offsets(log)->start, 2);
        log = kill_and_open(log, &open, true);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* A snapshot whose sync fails is not tried again: what the device has of it is not known. */
TEST(log_crash, fails_when_a_snapshot_cannot_be_synced)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    append_of_producer(log, 1);
    sim_disk_add_fault(
        disk, &(struct sim_fault){ .calls = SIM_SYNC, .path_part = ".snapshot", .error = -EIO });
    IGNORE_RESULT(log_roll(log, SAMPLE_NOW_MS, NULL));
    EXPECT_EQ(log_failure(log), -EIO);
    log_abandon(log);
    sim_disk_free(disk);
}

static bool is_there(struct io_fs *fs, int64_t base_offset, const char *suffix)
{
    AUTO(mem_freep) char *path = mem_printf("/d/t-0/%020" PRId64 "%s", base_offset, suffix);
    struct io_stat st;
    return io_fs_stat(fs, path, &st) == 0;
}

/* Three segments, of an aborted transaction each, and one to stay. */
static struct log *open_aborted(struct io_fs *fs)
{
    struct log_config config = sample_log_config();
    config.retention_bytes = 0;
    struct log *log = sample_open(&(struct sample_open){ .fs = fs, .config = &config });
    for (int i = 0; i < 3; i++) {
        struct shared *data =
            sample_batch(&(struct sample_batch){ .has_producer = true,
                                                 .producer_id = 9,
                                                 .sequence = i,
                                                 .attributes = BATCH_TRANSACTIONAL,
                                                 .base_offset = 2 * i });
        struct shared *marker = sample_marker(9, 0, false, 0);
        batch_set_base_offset(marker->data, 2 * i + 1);
        EXPECT_EQ(sample_plan(log, LOG_ORIGIN_REPLICATION, data).error, KAFKA_NONE);
        EXPECT_EQ(sample_plan(log, LOG_ORIGIN_REPLICATION, marker).error, KAFKA_NONE);
        EXPECT_OK(log_write(log, NULL));
        EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
        EXPECT(is_there(fs, 2 * i, ".txnindex"));
    }
    log_flush(log);
    EXPECT_EQ(log_offsets(log)->flushed_end, 6);
    return log;
}

/* A segment that a power loss brings back, after retention took it, has what tells readers of its aborted transactions. */
TEST(log_crash, brings_back_no_segment_without_its_aborted_transactions)
{
    for (uint64_t i = 0; i < 400; i++) {
        struct sim_disk *disk = sim_disk_new(context->seed + i);
        struct log *log = open_aborted(sim_disk_fs(disk));
        sim_disk_crash_at(disk, 1 + i % 20, SIM_POWER_LOST);
        IGNORE_RESULT(log_retain(log, SAMPLE_NOW_MS, 6, NULL)); /* the disk may die under it */
        log_abandon(log);
        if (sim_disk_crash_count(disk) == 0)
            sim_disk_crash(disk, SIM_POWER_LOST);
        for (int64_t base = 0; base < 6; base += 2)
            EXPECT(!is_there(sim_disk_fs(disk), base, ".log") ||
                   is_there(sim_disk_fs(disk), base, ".txnindex"));
        sim_disk_free(disk);
    }
}
