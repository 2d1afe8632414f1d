/* What a log is after a crash: every cut of a tail, every failing call, a loss of power at every change. */
#include "log/history_test.h"

#include "base/mem.h"
#include "log/log_int.h"
#include "log/small_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOG_FILE "/t-0/00000000000000000000.log"

/* ---- damaged tails ------------------------------------------------------------------------- */

struct image {
    struct buf bytes;
    VEC(int64_t) ends;    /* byte after each batch */
    VEC(int64_t) offsets; /* next offset after each batch */
};

/* A segment of several batches as appends make it. */
static void make_image(struct image *image)
{
    *image = (struct image){ 0 };
    buf_init(&image->bytes, 1u << 20);
    struct sim_disk *disk = sim_disk_new(1);
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    for (int i = 0; i < 5; i++) {
        sample_append(log, &(struct sample_batch){ .count = i + 1, .value_bytes = 20 });
        VEC_ADD(&image->ends, log__active(log)->meter.size_bytes);
        VEC_ADD(&image->offsets, log_offsets(log)->end);
    }
    const struct bytes all = sample_read_all(log, 0);
    buf_put_bytes(&image->bytes, all);
    bytes_free(all);
    log_abandon(log);
    sim_disk_free(disk);
}

static void free_image(struct image *image)
{
    buf_deinit(&image->bytes);
    VEC_DEINIT(&image->ends);
    VEC_DEINIT(&image->offsets);
}

static void put_file(struct io_fs *fs, const char *path, struct bytes content)
{
    struct io_file *file;
    EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file));
    EXPECT_OK(io_file_write(file, 0, content.data, content.size));
    io_file_unref(file);
}

/* Opens a directory whose one segment has these bytes, and expects `count` batches of the image. */
static void expect_recovered(const struct image *image, struct bytes content, size_t count)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    EXPECT_OK(io_fs_make_directories(fs, "/d/t-0"));
    put_file(fs, "/d" LOG_FILE, content);
    EXPECT_OK(partition_metadata_write(fs, "/d/t-0", sample_topic_id, NULL));
    struct log *log = sample_open(&(struct sample_open){ .fs = fs, .is_unclean = true });
    const int64_t end = count == 0 ? 0 : image->ends.items[count - 1];
    EXPECT_EQ(log_offsets(log)->end, count == 0 ? 0 : image->offsets.items[count - 1]);
    EXPECT_EQ(log__active(log)->meter.size_bytes, end);
    EXPECT_EQ(log_recovery(log).bytes_cut, (int64_t)content.size - end);
    EXPECT_EQ(log_recovery(log).note_count, (int64_t)content.size == end ? 0 : 1);
    const struct bytes all = sample_read_all(log, 0);
    EXPECT_BYTES(all, bytes_slice(buf_view(&image->bytes), 0, (size_t)end));
    bytes_free(all);
    /* The offsets that were lost are handed out again. */
    EXPECT_EQ(sample_append(log, &(struct sample_batch){ 0 }), log_offsets(log)->end - 1);
    sample_expect_readable(log);
    log_abandon(log);
    sim_disk_free(disk);
}

/* An unflushed tail may be cut anywhere: each whole batch before the cut is kept. */
TEST(log_recovery, keeps_whole_batches_at_every_cut)
{
    struct image image;
    make_image(&image);
    for (size_t cut = 0; cut <= image.bytes.size; cut++) {
        size_t whole = 0;
        while (whole < image.ends.count && image.ends.items[whole] <= (int64_t)cut)
            whole++;
        expect_recovered(&image, bytes_slice(buf_view(&image.bytes), 0, cut), whole);
    }
    free_image(&image);
}

/* A bit that flipped is found wherever it is, and the log ends before its batch. (Bits of the base
 * offset and the leader epoch are outside of the CRC: there only what contradicts the order of
 * offsets can be found.) */
TEST(log_recovery, cuts_at_every_flipped_bit_under_the_crc)
{
    struct image image;
    make_image(&image);
    for (size_t at = 0; at < image.bytes.size; at++) {
        size_t batch = 0;
        while (image.ends.items[batch] <= (int64_t)at)
            batch++;
        const size_t in_batch = at - (batch == 0 ? 0 : (size_t)image.ends.items[batch - 1]);
        if (in_batch < 8 || (in_batch >= 12 && in_batch < 16))
            continue;
        image.bytes.data[at] ^= (uint8_t)(1u << (at % 8));
        expect_recovered(&image, buf_view(&image.bytes), batch);
        image.bytes.data[at] ^= (uint8_t)(1u << (at % 8));
    }
    free_image(&image);
}

/* Preallocated files, and blocks that a file system added without their bytes, end in zeros. */
TEST(log_recovery, cuts_a_tail_of_zeros_and_of_noise)
{
    struct image image;
    make_image(&image);
    const size_t size = image.bytes.size;
    for (uint32_t tail = 1; tail < 200; tail += 13) {
        uint8_t *extra = buf_extend(&image.bytes, tail);
        memset(extra, 0, tail);
        expect_recovered(&image, buf_view(&image.bytes), image.ends.count);
        struct rng rng = rng_from_seed(tail);
        rng_fill(&rng, extra, tail);
        expect_recovered(&image, buf_view(&image.bytes), image.ends.count);
        image.bytes.size = size;
    }
    free_image(&image);
}

/* ---- a scenario that goes through everything ----------------------------------------------- */

struct run {
    struct sim_disk *disk;
    struct log *log;
    struct history history;
    struct rng rng;
    int64_t recovery_point; /* as a checkpoint would have it */
    int64_t flushed_end;
    int64_t log_start_offset;
    int32_t sequence;
    uint32_t full_count; /* appends refused for a full disk */
    bool is_clean;
    struct err_note open_note;
};

static void run_open(struct run *run)
{
    const struct sample_open open = { .fs = sim_disk_fs(run->disk),
                                      .is_unclean = !run->is_clean,
                                      .recovery_point = run->recovery_point,
                                      .log_start_offset = run->log_start_offset };
    run->log = NULL;
    run->open_note.text[0] = '\0';
    int r = sample_try_open(&open, &run->log, &run->open_note);
    /* The id may be lost as long as nothing was flushed; the owner sets the directory aside then. */
    if (r == -ERR_EXISTS && run->recovery_point == 0) {
        r = io_fs_remove_tree(sim_disk_fs(run->disk), "/d/t-0");
        if (r == 0)
            IGNORE_RESULT(sample_try_open(&open, &run->log, &run->open_note));
    }
    run->is_clean = false;
}

static void run_checkpoint(struct run *run)
{
    run->recovery_point = log_offsets(run->log)->recovery_point;
    run->flushed_end = log_offsets(run->log)->flushed_end;
    run->log_start_offset = log_offsets(run->log)->start;
}

static void run_append(struct run *run)
{
    const int32_t batches = (int32_t)rng_between(&run->rng, 1, 4);
    for (int32_t i = 0; i < batches; i++) {
        const int32_t count = (int32_t)rng_between(&run->rng, 1, 5);
        const bool has_producer = rng_chance(&run->rng, 500000);
        const struct sample_batch sample = {
            .count = count,
            .value_bytes = (uint32_t)rng_between(&run->rng, 1, 400),
            .has_producer = has_producer,
            .producer_id = 5,
            .sequence = run->sequence,
            .codec = rng_chance(&run->rng, 300000) ? CODEC_LZ4 : CODEC_NONE,
        };
        struct log_append_result result =
            history_plan(&run->history, run->log, LOG_ORIGIN_CLIENT, sample_batch(&sample));
        if (result.error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER) /* an append before it was lost */
            break;
        if (result.error != KAFKA_NONE)
            EXPECT_EQ(result.error, KAFKA_KAFKA_STORAGE_ERROR);
        else if (has_producer)
            run->sequence += count;
    }
    const int r = history_write(&run->history, run->log);
    run->full_count += r == -ENOSPC;
    struct log_producer producer;
    run->sequence = log_producer_get(run->log, 5, &producer) ? producer.last_sequence + 1 : 0;
}

static void run_step(struct run *run)
{
    const int64_t end = log_offsets(run->log)->end;
    switch (rng_below(&run->rng, 12)) {
    case 0:
        log_flush(run->log);
        run_checkpoint(run);
        break;
    case 1:
        IGNORE_RESULT(log_roll(run->log, SAMPLE_NOW_MS, NULL));
        break;
    case 2: {
        const int64_t offset =
            MAX(end - (int64_t)rng_below(&run->rng, 6), log_offsets(run->log)->start);
        /* Where it fails it may be half done. */
        IGNORE_RESULT(log_truncate(run->log, offset, SAMPLE_NOW_MS, NULL));
        history_truncate(&run->history, offset);
        struct log_producer producer;
        run->sequence = log_producer_get(run->log, 5, &producer) ? producer.last_sequence + 1 : 0;
        run->recovery_point = MIN(run->recovery_point, log_offsets(run->log)->recovery_point);
        run->flushed_end = MIN(run->flushed_end, log_offsets(run->log)->flushed_end);
        break;
    }
    case 3:
        if (end > 30)
            IGNORE_RESULT(log_advance_start(run->log, end - 30, end));
        IGNORE_RESULT(log_retain(run->log, SAMPLE_NOW_MS, end, NULL));
        run->log_start_offset = log_offsets(run->log)->start;
        break;
    case 4: {
        log_flush(run->log);
        struct log_offsets offsets;
        run->is_clean = log_close(run->log, true, &offsets, NULL) == 0;
        run->log = NULL;
        if (run->is_clean) {
            run->recovery_point = offsets.recovery_point;
            run->flushed_end = offsets.flushed_end;
            run->log_start_offset = offsets.start;
        }
        run_open(run);
        break;
    }
    case 5:
        log_epoch_assign(run->log, log_epoch_latest(run->log) + 1);
        break;
    default:
        run_append(run);
    }
}

static void run_init(struct run *run, uint64_t seed)
{
    *run = (struct run){ .disk = sim_disk_new(seed), .rng = rng_from_seed(seed) };
    run_open(run);
}

/* Until `steps` are done, the log has failed, or the disk is dead. */
static void run_steps(struct run *run, int steps, uint32_t crashes)
{
    for (int i = 0; i < steps; i++) {
        if (run->log == NULL || log_failure(run->log) != 0 ||
            sim_disk_crash_count(run->disk) > crashes)
            return;
        run_step(run);
    }
}

static void run_deinit(struct run *run)
{
    log_abandon(run->log);
    EXPECT_EQ(sim_disk_open_count(run->disk), 0);
    history_deinit(&run->history);
    sim_disk_free(run->disk);
}

/* ---- calls that fail ----------------------------------------------------------------------- */

/* Whatever call fails, and however: what was acknowledged is there after the process has been
 * started again, since the page cache survives. */
static void fail_nth_call(uint64_t seed, uint64_t n, int error, uint64_t count)
{
    char where[80];
    snprintf(where, sizeof(where), "seed %" PRIu64 ", call %" PRIu64 ", %s", seed, n,
             err_name(error));
    struct run run;
    run_init(&run, seed);
    sim_disk_add_fault(run.disk, &(struct sim_fault){
                                     .calls = SIM_ANY, .skip = n, .count = count, .error = error });
    run_steps(&run, 40, 0);
    sim_disk_clear_faults(run.disk);
    log_abandon(run.log);
    run.is_clean = false;
    run_open(&run);
    if (run.log == NULL)
        test_fail(__FILE__, __LINE__, "%s: cannot be opened: %s", where, run.open_note.text);
    history_resync(&run.history, run.log, INT64_MAX, where);
    run_append(&run);
    history_expect(&run.history, run.log, where);
    run_deinit(&run);
}

TEST(log_failure, loses_nothing_acknowledged_whichever_call_fails)
{
    for (uint64_t n = 0; n < 400; n++) {
        fail_nth_call(context->seed + n % 5, n, -EIO, 1);
        fail_nth_call(context->seed + n % 5, n, -EIO, 0);
    }
}

/* A full disk refuses appends and harms nothing; they succeed again when there is space. */
TEST(log_failure, refuses_appends_on_a_full_disk_and_goes_on_when_there_is_space)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct run run;
        run_init(&run, context->seed + seed);
        run_steps(&run, 10, 0);
        sim_disk_set_capacity(run.disk, sim_disk_used_bytes(run.disk));
        for (int i = 0; i < 200 && run.full_count == 0 && log_failure(run.log) == 0; i++)
            run_append(&run);
        EXPECT_EQ(log_failure(run.log), 0);
        EXPECT(run.full_count > 0);
        history_expect(&run.history, run.log, "full");
        sim_disk_set_capacity(run.disk, 0);
        const size_t before = run.history.batches.count;
        run_append(&run);
        EXPECT(run.history.batches.count > before);
        history_expect(&run.history, run.log, "space");
        run_deinit(&run);
    }
}

/* A sync that fails may have lost what it was to sync: the log fails, and no later flush says
 * otherwise. */
TEST(log_failure, fails_for_good_when_a_sync_fails)
{
    struct run run;
    run_init(&run, 3);
    sample_append(run.log, &(struct sample_batch){ 0 });
    sim_disk_add_fault(run.disk,
                       &(struct sim_fault){
                           .calls = SIM_SYNC, .path_part = ".log", .count = 1, .error = -ENOSPC });
    log_flush(run.log);
    EXPECT_EQ(log_failure(run.log), -ENOSPC);
    EXPECT_EQ(log_offsets(run.log)->flushed_end, 0);
    log_flush(run.log);
    EXPECT_EQ(log_offsets(run.log)->flushed_end, 0);
    const struct log_append_result result =
        sample_plan(run.log, LOG_ORIGIN_CLIENT, sample_batch(&(struct sample_batch){ 0 }));
    EXPECT_EQ(result.error, KAFKA_KAFKA_STORAGE_ERROR);
    run_deinit(&run);
}

static bool has_live_file(struct sim_disk *disk, int64_t base_offset)
{
    AUTO(mem_freep) char *path = mem_printf("/d/t-0/%020" PRId64 ".log", base_offset);
    struct io_stat st;
    return io_fs_stat(sim_disk_fs(disk), path, &st) == 0;
}

/* Were a later segment to leave while an earlier one stays, the next start would find a hole. */
TEST(log_failure, lets_no_segment_go_before_those_that_could_not)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    while (log_segment_count(log) < 4)
        sample_append(log, &(struct sample_batch){ .value_bytes = 900 });
    log_flush(log);
    const int64_t end = log_offsets(log)->end;
    const int64_t second = log->segments.items[1]->meter.base_offset;
    const int64_t third = log->segments.items[2]->meter.base_offset;
    sim_disk_add_fault(disk, &(struct sim_fault){ .calls = SIM_RENAME, .error = -ENOSPC });
    EXPECT_EQ(log_advance_start(log, second, end), 1);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, end, NULL), 1);
    EXPECT_EQ(log_advance_start(log, third, end), 1);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, end, NULL), 0);
    EXPECT(has_live_file(disk, 0) && has_live_file(disk, second));
    sim_disk_clear_faults(disk);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, end, NULL), 0);
    EXPECT(!has_live_file(disk, 0) && has_live_file(disk, second));
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, end, NULL), 1);
    EXPECT(!has_live_file(disk, second) && has_live_file(disk, third));
    log_abandon(log);
    sim_disk_free(disk);
}

/* ---- crashes ------------------------------------------------------------------------------- */

static void crash_at(uint64_t seed, uint64_t change, enum sim_crash kind)
{
    char where[80];
    snprintf(where, sizeof(where), "seed %" PRIu64 ", %s at change %" PRIu64, seed,
             kind == SIM_POWER_LOST ? "power lost" : "killed", change);
    struct run run;
    run_init(&run, seed);
    sim_disk_crash_at(run.disk, change, kind);
    run_steps(&run, 60, 0);
    if (sim_disk_crash_count(run.disk) == 0)
        sim_disk_crash(run.disk, kind);
    /* Twice: the first recovery may be cut short by a second crash. */
    for (uint32_t i = 1; i <= 2; i++) {
        log_abandon(run.log);
        run.is_clean = false;
        if (i == 1)
            sim_disk_crash_at(run.disk, change % 7 + 1, kind);
        run_open(&run);
        if (sim_disk_crash_count(run.disk) == i)
            break;
    }
    sim_disk_crash_at(run.disk, 0, kind);
    if (run.log == NULL)
        test_fail(__FILE__, __LINE__, "%s: cannot be opened: %s", where, run.open_note.text);
    history_resync(&run.history, run.log, kind == SIM_POWER_LOST ? run.flushed_end : INT64_MAX,
                   where);
    struct log_producer producer;
    run.sequence = log_producer_get(run.log, 5, &producer) ? producer.last_sequence + 1 : 0;
    run_steps(&run, 20, sim_disk_crash_count(run.disk));
    history_expect(&run.history, run.log, where);
    run_deinit(&run);
}

TEST(log_crash, keeps_what_was_written_when_the_process_is_killed_at_any_change)
{
    for (uint64_t n = 1; n < 250; n++)
        crash_at(context->seed + n % 3, n, SIM_PROCESS_KILLED);
}

TEST(log_crash, keeps_what_was_flushed_when_power_is_lost_at_any_change)
{
    for (uint64_t n = 1; n < 250; n++) {
        for (uint64_t seed = 0; seed < 3; seed++)
            crash_at(context->seed + 10 * n + seed, n, SIM_POWER_LOST);
    }
}

static int try_append_in_epoch(struct log *log, int32_t epoch)
{
    struct shared *batch = sample_batch(&(struct sample_batch){
        .base_offset = log_offsets(log)->planned_end, .leader_epoch = epoch });
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = (uint32_t)batch->size,
                                       .origin = LOG_ORIGIN_RAFT_LEADER,
                                       .leader_epoch = epoch,
                                       .now_ms = SAMPLE_NOW_MS,
                                       .transaction_version = -1 };
    struct log_append_result result;
    log_append_plan(log, &append, &result);
    shared_unref(batch);
    return result.error == KAFKA_NONE ? log_write(log, NULL) : -EIO;
}

static void append_in_epoch(struct log *log, int32_t epoch)
{
    EXPECT_OK(try_append_in_epoch(log, epoch));
}

/* Lives of a log that is always recovered, closed well each, up to the crash; the segments are small. */
static void live_until_crash(struct sim_disk *disk)
{
    int r = 0;
    for (int32_t epoch = 1; r == 0 && epoch <= 3; epoch++) {
        const struct sample_open open = { .fs = sim_disk_fs(disk),
                                          .is_unclean = true,
                                          .is_always_recovered = true };
        struct log *log;
        r = sample_try_open(&open, &log, NULL);
        if (r < 0)
            return;
        for (int i = 0; r == 0 && i < 12; i++) {
            r = try_append_in_epoch(log, epoch);
            if (r == 0 && i % 5 == 4)
                log_flush(log);
        }
        if (r == 0)
            r = log_close(log, true, NULL, NULL);
        else
            log_abandon(log);
    }
}

/* What its producer snapshots say was flushed is there, whenever the power is lost: it would not open otherwise. */
TEST(log_crash, has_what_the_names_of_snapshots_tell_when_it_is_always_recovered)
{
    int told_count = 0;
    for (uint64_t n = 1; n < 160; n++) {
        for (uint64_t seed = 0; seed < 5; seed++) {
            struct sim_disk *disk = sim_disk_new(context->seed + 10 * n + seed);
            sim_disk_crash_at(disk, n, SIM_POWER_LOST);
            live_until_crash(disk);
            if (sim_disk_crash_count(disk) == 0)
                sim_disk_crash(disk, SIM_POWER_LOST);
            sim_disk_crash_at(disk, 0, SIM_POWER_LOST);
            struct log_reach reach;
            EXPECT_OK(log_find_reach(sim_disk_fs(disk), "/d/t-0", &reach, NULL));
            told_count += reach.flushed_offset > 0;
            const struct sample_open open = { .fs = sim_disk_fs(disk),
                                              .is_unclean = true,
                                              .is_always_recovered = true,
                                              .flushed_offset = reach.flushed_offset };
            struct log *log = NULL;
            const int r = sample_try_open(&open, &log, NULL);
            /* Of a topic, as this one is, nothing had been flushed where its id is lost. */
            EXPECT(r == 0 || (r == -ERR_EXISTS && reach.flushed_offset == 0));
            EXPECT(r < 0 || log_offsets(log)->end >= reach.flushed_offset);
            log_abandon(log);
            sim_disk_free(disk);
        }
    }
    EXPECT(told_count > 100);
}

/* The metadata log's flush syncs its batches and nothing else: whatever a loss of power leaves of the epoch file,
 * the batches tell what it held. */
TEST(log_crash, learns_the_epochs_of_a_log_that_is_always_recovered)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim_disk *disk = sim_disk_new(context->seed + seed);
        for (int32_t epoch = 1; epoch <= 5; epoch++) {
            const struct sample_open open = { .fs = sim_disk_fs(disk),
                                              .is_unclean = true,
                                              .is_always_recovered = true };
            struct log *log = sample_open(&open);
            EXPECT_EQ(log_offsets(log)->end, 2 * (epoch - 1));
            EXPECT_EQ(log_epoch_latest(log), epoch == 1 ? -1 : epoch - 1);
            for (int64_t offset = 0; offset < log_offsets(log)->end; offset++)
                EXPECT_EQ(log_epoch_of(log, offset), offset / 2 + 1);
            append_in_epoch(log, epoch);
            append_in_epoch(log, epoch);
            log_flush(log);
            EXPECT_EQ(log_offsets(log)->flushed_end, 2 * epoch);
            log_abandon(log);
            sim_disk_crash(disk, SIM_POWER_LOST);
        }
        sim_disk_free(disk);
    }
}
