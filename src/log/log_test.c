/* A log as a whole: appends, reads, rolls, retention, truncation, and a comparison with a naive
 * model. */
#include "log/sample_test.h"

#include "base/mem.h"
#include "base/vec.h"
#include "log/log_int.h"

#include <string.h>

static struct sim_disk *new_disk(void)
{
    return sim_disk_new(1);
}

/* ---- append and read ------------------------------------------------------------------------- */

TEST(log, answers_what_was_appended_at_every_offset)
{
    struct sim_disk *disk = new_disk();
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    int64_t expected = 0;
    for (int32_t i = 1; i <= 60; i++) {
        EXPECT_EQ(sample_append(log, &(struct sample_batch){ .count = i % 7 + 1 }), expected);
        expected += i % 7 + 1;
    }
    EXPECT_EQ(log_offsets(log)->end, expected);
    EXPECT(log_segment_count(log) > 1);
    sample_expect_readable(log);
    log_abandon(log);
    sim_disk_free(disk);
}

/* What is only planned is no reader's business. */
TEST(log, shows_planned_appends_only_after_the_write)
{
    struct sim_disk *disk = new_disk();
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    const struct log_append_result result =
        sample_plan(log, LOG_ORIGIN_CLIENT, sample_batch(&(struct sample_batch){ .count = 3 }));
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT_EQ(result.first_offset, 0);
    EXPECT_EQ(result.last_offset, 2);
    EXPECT_EQ(result.record_count, 3);
    EXPECT_EQ(log_offsets(log)->planned_end, 3);
    EXPECT_EQ(log_offsets(log)->end, 0);
    EXPECT(log_has_planned(log));
    EXPECT_OK(log_write(log, NULL));
    EXPECT_EQ(log_offsets(log)->end, 3);
    EXPECT(!log_has_planned(log));
    log_abandon(log);
    sim_disk_free(disk);
}

TEST(log, writes_all_appends_of_a_turn_at_once)
{
    struct sim_disk *disk = new_disk();
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    for (int i = 0; i < 20; i++) {
        const struct log_append_result result =
            sample_plan(log, LOG_ORIGIN_CLIENT, sample_batch(&(struct sample_batch){ 0 }));
        EXPECT_EQ(result.first_offset, i);
    }
    const uint64_t before = sim_disk_change_count(disk);
    EXPECT_OK(log_write(log, NULL));
    EXPECT_EQ(sim_disk_change_count(disk) - before, 1);
    sample_expect_readable(log);
    log_abandon(log);
    sim_disk_free(disk);
}

TEST(log, bounds_reads_by_bytes_and_offsets)
{
    struct sim_disk *disk = new_disk();
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    for (int i = 0; i < 5; i++)
        sample_append(log, &(struct sample_batch){ .count = 2 });
    struct log_read request = { .offset = 3, .end_offset = 8, .bytes_max = 1u << 20 };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
    const uint32_t batch_bytes = log__active(log)->meter.size_bytes / 5;
    EXPECT_EQ(piece.position, batch_bytes); /* of the batch that holds offsets 2 and 3 */
    EXPECT_EQ(piece.size_bytes, 3 * batch_bytes);
    EXPECT(piece.file != NULL);
    io_file_unref(piece.file);

    request.bytes_max = batch_bytes + 1; /* the second batch is cut */
    EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
    EXPECT_EQ(piece.size_bytes, batch_bytes + 1);
    EXPECT(!piece.first_is_cut);
    io_file_unref(piece.file);

    request.bytes_max = 5;
    EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
    EXPECT(piece.first_is_cut);
    io_file_unref(piece.file);

    request.min_one = true;
    EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
    EXPECT_EQ(piece.size_bytes, batch_bytes);
    EXPECT(!piece.first_is_cut);
    io_file_unref(piece.file);

    request.end_offset = 2; /* below the offset */
    EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
    EXPECT_EQ(piece.size_bytes, 0);
    EXPECT(piece.file == NULL);

    request.offset = 10; /* the end itself is no error, what lies beyond is */
    EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
    EXPECT_EQ(piece.size_bytes, 0);
    request.offset = 11;
    EXPECT_ERR(log_read(log, &request, &piece, &wait, NULL), ERR_OFFSET_OUT_OF_RANGE);
    EXPECT_EQ(log_advance_start(log, 4, 10), 1);
    request.offset = 3;
    EXPECT_ERR(log_read(log, &request, &piece, &wait, NULL), ERR_OFFSET_OUT_OF_RANGE);
    log_abandon(log);
    sim_disk_free(disk);
}

/* A cold reader is told what to wait for, step by step, and gets there. */
TEST(log, answers_would_block_until_cold_data_is_warm)
{
    struct sim_disk *disk = new_disk();
    struct log_config config = sample_log_config();
    config.segment_bytes = 1u << 20;
    struct log *log =
        sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk), .config = &config });
    for (int i = 0; i < 300; i++)
        sample_append(log, &(struct sample_batch){ .count = 1, .value_bytes = 300 });
    EXPECT_OK(log_close(log, true, NULL, NULL));
    log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk), .config = &config });
    EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL)); /* so that nothing counts as hot */
    sim_disk_cool(disk, 1000000);
    log->place.may_sleep = false;

    const struct log_read request = { .offset = 250, .end_offset = 300, .bytes_max = 5000 };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    int waits = 0;
    int r;
    while ((r = log_read(log, &request, &piece, &wait, NULL)) == -ERR_WOULD_BLOCK) {
        EXPECT(wait.file != NULL && wait.size_bytes > 0);
        log_wait_run(&wait);
        EXPECT(wait.file == NULL);
        EXPECT(++waits < 20);
    }
    EXPECT_OK(r);
    EXPECT(waits > 0);
    EXPECT_EQ(piece.size_bytes, 5000);
    io_file_unref(piece.file);
    log_abandon(log);
    sim_disk_free(disk);
}

/* Compaction leaves gaps, within segments and at their ends: the next batch there is is
 * answered. */
TEST(log, reads_over_gaps)
{
    struct sim_disk *disk = new_disk();
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    static const int64_t bases[] = { 0, 10, 11, 500, 1000 };
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        const struct log_append_result result = sample_plan(
            log, LOG_ORIGIN_REPLICATION,
            sample_batch(&(struct sample_batch){ .base_offset = bases[i], .value_bytes = 1500 }));
        EXPECT_EQ(result.error, KAFKA_NONE);
        EXPECT_EQ(result.first_offset, bases[i]);
        EXPECT_OK(log_write(log, NULL));
    }
    EXPECT(log_segment_count(log) > 1);
    for (int64_t offset = 0; offset <= 1000; offset++) {
        struct arena arena;
        arena_init(&arena, 1u << 20);
        const struct log_read request = { .offset = offset,
                                          .end_offset = 1001,
                                          .bytes_max = 1,
                                          .min_one = true,
                                          .may_sleep = true,
                                          .copy_max = 10000,
                                          .arena = &arena };
        struct log_piece piece;
        struct log_wait wait = { 0 };
        EXPECT_OK(log_read(log, &request, &piece, &wait, NULL));
        struct batch_view view;
        EXPECT(batch_parse(bytes_from(piece.data, piece.size_bytes), &view) > 0);
        size_t next = 0;
        while (bases[next] < offset)
            next++;
        EXPECT_EQ(view.base_offset, bases[next]);
        arena_deinit(&arena);
    }
    log_abandon(log);
    sim_disk_free(disk);
}

/* ---- rolling --------------------------------------------------------------------------------- */

TEST(log, rolls_by_size_age_index_and_offset)
{
    struct sim_disk *disk = new_disk();
    struct log_config config = sample_log_config();
    struct sample_open open = { .fs = sim_disk_fs(disk), .config = &config };

    struct log *log = sample_open(&open);
    sample_append(log, &(struct sample_batch){ .value_bytes = 2500 });
    EXPECT_EQ(log_segment_count(log), 1);
    sample_append(log, &(struct sample_batch){ .value_bytes = 2500 }); /* by size */
    EXPECT_EQ(log_segment_count(log), 2);
    EXPECT_EQ(log_segment_base(log, 1), 1);
    const int64_t later = SAMPLE_NOW_MS + config.segment_ms;
    sample_append(log, &(struct sample_batch){ .timestamp_ms = later }); /* not yet old enough */
    EXPECT_EQ(log_segment_count(log), 2);
    sample_append(log, &(struct sample_batch){ .timestamp_ms = later + 1 }); /* by age */
    EXPECT_EQ(log_segment_count(log), 3);
    log_abandon(log);

    config.segment_bytes = 1u << 20;
    config.segment_index_bytes = 3 * INDEX_ENTRY_TIME; /* full with two entries */
    open.log_dir = "/e";
    log = sample_open(&open);
    while (log_segment_count(log) == 1) {
        sample_append(log, &(struct sample_batch){ .value_bytes = 300,
                                                   .timestamp_ms = log_offsets(log)->end + 1 });
        EXPECT(log_offsets(log)->end < 10);
    }
    EXPECT_EQ(log_offsets(log)->end, 4); /* the first batch has no entry, the third would not fit */
    log_abandon(log);

    config.segment_index_bytes = 4096;
    open.log_dir = "/f";
    log = sample_open(&open);
    static const int64_t bases[] = { 0, INT32_MAX, INT32_MAX + INT64_C(1), INT64_C(1) << 40 };
    static const uint32_t counts[] = { 1, 1, 2, 3 };
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        const struct log_append_result result =
            sample_plan(log, LOG_ORIGIN_REPLICATION,
                        sample_batch(&(struct sample_batch){ .base_offset = bases[i] }));
        EXPECT_EQ(result.error, KAFKA_NONE);
        EXPECT_OK(log_write(log, NULL));
        EXPECT_EQ(log_segment_count(log), counts[i]);
        EXPECT_EQ(log_segment_base(log, counts[i] - 1), counts[i] == 1 ? 0 : bases[i]);
    }
    log_abandon(log);
    sim_disk_free(disk);
}

/* ---- reopening ------------------------------------------------------------------------------- */

static void fill(struct log *log, int count)
{
    for (int i = 0; i < count; i++)
        sample_append(log, &(struct sample_batch){ .count = i % 5 + 1,
                                                   .timestamp_ms = SAMPLE_NOW_MS + i * 10 });
}

TEST(log, is_the_same_after_a_clean_close_and_scans_nothing)
{
    struct sim_disk *disk = new_disk();
    struct sample_open open = { .fs = sim_disk_fs(disk) };
    struct log *log = sample_open(&open);
    int32_t sequence = 0;
    for (int i = 0; i < 100; i++) {
        sample_append(
            log, &(struct sample_batch){
                     .count = 2, .has_producer = true, .producer_id = 77, .sequence = sequence });
        sequence += 2;
    }
    const struct bytes before = sample_read_all(log, 0);
    struct log_offsets offsets;
    EXPECT_OK(log_close(log, true, &offsets, NULL));
    EXPECT_EQ(offsets.end, 200);
    EXPECT_EQ(offsets.flushed_end, 200);

    log = sample_open(&open);
    EXPECT_EQ(log_recovery(log).segments_scanned, 0);
    EXPECT_EQ(log_recovery(log).note_count, 0);
    EXPECT_EQ(log_offsets(log)->end, 200);
    const struct bytes after = sample_read_all(log, 0);
    EXPECT_BYTES(after, before);
    sample_expect_readable(log);
    struct log_producer producer;
    EXPECT(log_producer_get(log, 77, &producer));
    EXPECT_EQ(producer.last_sequence, 199);
    EXPECT_EQ(producer.last_offset, 199);
    /* The last batch is known as a duplicate; what comes next is taken. */
    struct log_append_result result =
        sample_plan(log, LOG_ORIGIN_CLIENT,
                    sample_batch(&(struct sample_batch){
                        .count = 2, .has_producer = true, .producer_id = 77, .sequence = 198 }));
    EXPECT(result.is_duplicate);
    EXPECT_EQ(result.first_offset, 198);
    EXPECT_EQ(sample_append(log, &(struct sample_batch){ .has_producer = true,
                                                         .producer_id = 77,
                                                         .sequence = 200 }),
              200);
    bytes_free(before);
    bytes_free(after);
    log_abandon(log);
    sim_disk_free(disk);
}

TEST(log, opens_idle_logs_without_keeping_files_open)
{
    struct sim_disk *disk = new_disk();
    struct sample_open open = { .fs = sim_disk_fs(disk) };
    struct log *log = sample_open(&open);
    fill(log, 50);
    EXPECT_OK(log_close(log, true, NULL, NULL));
    EXPECT_EQ(sim_disk_open_count(disk), 0);
    log = sample_open(&open);
    EXPECT_EQ(sim_disk_open_count(disk), 0);
    log_abandon(log);
    open.is_unclean = true;
    log = sample_open(&open);
    EXPECT_EQ(sim_disk_open_count(disk), 0);
    log_abandon(log);
    sim_disk_free(disk);
}

/* producer.id.expiration.check.interval.ms: until it is over, an expired producer is still known. */
TEST(log_tick, expires_producers_as_often_as_it_is_told)
{
    struct sim_disk *disk = new_disk();
    struct log_config config = sample_log_config();
    config.producer_id_expiration_ms = 1000;
    config.producer_id_check_interval_ms = 5000;
    struct log *log =
        sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk), .config = &config });
    log_tick(log, SAMPLE_NOW_MS);
    sample_append(log, &(struct sample_batch){ .has_producer = true, .producer_id = 7 });
    EXPECT_EQ(log_producer_count(log), 1);
    log_tick(log, SAMPLE_NOW_MS + 4999);
    EXPECT_EQ(log_producer_count(log), 1);
    log_tick(log, SAMPLE_NOW_MS + 5000);
    EXPECT_EQ(log_producer_count(log), 0);
    log_abandon(log);
    sim_disk_free(disk);
}
