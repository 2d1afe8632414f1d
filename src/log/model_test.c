/* A log against the naive model: long random histories of everything that can be done to one. */
#include "log/history_test.h"

#include "base/mem.h"
#include "log/log_int.h"

#include <stdio.h>

struct model_run {
    struct sim_disk *disk;
    struct log *log;
    struct history history;
    struct rng rng;
    struct log_config config;
    int64_t recovery_point;
    int64_t log_start_offset;
    int64_t clock_ms;
    int32_t sequence;
    int16_t epoch;
    char where[80];
};

static void open_again(struct model_run *run, bool is_clean)
{
    run->log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(run->disk),
                                                  .config = &run->config,
                                                  .is_unclean = !is_clean,
                                                  .recovery_point = run->recovery_point,
                                                  .log_start_offset = run->log_start_offset });
}

static void append_one(struct model_run *run)
{
    const int32_t count = (int32_t)rng_between(&run->rng, 1, 8);
    const bool has_producer = rng_chance(&run->rng, 400000);
    if (has_producer && rng_chance(&run->rng, 50000)) {
        run->epoch++;
        run->sequence = 0;
    }
    run->clock_ms += rng_between(&run->rng, -5, 20);
    const struct sample_batch sample = {
        .count = count,
        .value_bytes = (uint32_t)rng_between(&run->rng, 1, 200),
        .timestamp_ms = run->clock_ms,
        .codec = (enum codec)rng_below(&run->rng, 5),
        .has_producer = has_producer,
        .producer_id = 9,
        .producer_epoch = run->epoch,
        .sequence = run->sequence,
    };
    const struct log_append_result result =
        history_plan(&run->history, run->log, LOG_ORIGIN_CLIENT, sample_batch(&sample));
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT(!result.is_duplicate);
    if (has_producer)
        run->sequence += count;
}

/* After a cut the producer goes on from what the log still knows. */
static void learn_sequence(struct model_run *run)
{
    struct log_producer producer;
    const bool is_known = log_producer_get(run->log, 9, &producer);
    run->sequence = is_known ? producer.last_sequence + 1 : 0;
    run->epoch = is_known ? producer.producer_epoch : run->epoch;
}

static int64_t max_time(const struct history_batch *batch)
{
    struct batch_view view;
    EXPECT(batch_parse(batch->bytes, &view) > 0);
    return view.max_timestamp;
}

/* The first record at or after a time, found by going through all batches. */
static int64_t naive_offset_for_time(const struct model_run *run, int64_t timestamp)
{
    for (size_t i = 0; i < run->history.batches.count; i++) {
        const struct history_batch *batch = &run->history.batches.items[i];
        if (batch->last_offset < log_offsets(run->log)->start || max_time(batch) < timestamp)
            continue;
        struct batch_view view;
        EXPECT(batch_parse(batch->bytes, &view) > 0);
        for (int32_t j = 0; j <= view.last_offset_delta; j++) {
            /* The samples' timestamps rise by 1 from record to record. */
            if (view.base_timestamp + j >= timestamp &&
                view.base_offset + j >= log_offsets(run->log)->start)
                return view.base_offset + j;
        }
    }
    return -1;
}

static void check_times(struct model_run *run)
{
    for (int i = 0; i < 5; i++) {
        const int64_t timestamp =
            SAMPLE_NOW_MS + rng_between(&run->rng, -20, run->clock_ms - SAMPLE_NOW_MS + 20);
        struct log_time_offset found;
        struct log_wait wait = { 0 };
        EXPECT_OK(log_offset_for_time(run->log, timestamp, true, &found, &wait, NULL));
        const int64_t expected = naive_offset_for_time(run, timestamp);
        if (found.offset != expected)
            test_fail(__FILE__, __LINE__, "%s: at %" PRId64 " offset %" PRId64 ", not %" PRId64,
                      run->where, timestamp, found.offset, expected);
    }
}

static void check_max_time(struct model_run *run)
{
    int64_t largest = -1;
    for (size_t i = 0; i < run->history.batches.count; i++) {
        const struct history_batch *batch = &run->history.batches.items[i];
        if (batch->base_offset >= log_segment_base(run->log, 0))
            largest = MAX(largest, max_time(batch));
    }
    struct log_time_offset found;
    struct log_wait wait = { 0 };
    EXPECT_OK(log_offset_of_max_time(run->log, true, &found, &wait, NULL));
    EXPECT_EQ(found.timestamp, largest);
}

static void truncate_some(struct model_run *run)
{
    const struct log_offsets *offsets = log_offsets(run->log);
    const int64_t back = rng_between(&run->rng, 0, 60);
    const int64_t offset = MAX(offsets->end - back, MAX(offsets->start, INT64_C(0)));
    EXPECT_OK(log_truncate(run->log, offset, SAMPLE_NOW_MS, NULL));
    history_truncate(&run->history, offset);
    run->recovery_point = MIN(run->recovery_point, offsets->flushed_end);
    learn_sequence(run);
}

static void model_step(struct model_run *run)
{
    const struct log_offsets *offsets = log_offsets(run->log);
    switch (rng_below(&run->rng, 20)) {
    case 0:
        log_flush(run->log);
        run->recovery_point = offsets->flushed_end;
        break;
    case 1:
        EXPECT_OK(log_roll(run->log, SAMPLE_NOW_MS, NULL));
        break;
    case 2:
        truncate_some(run);
        break;
    case 3:
        if (offsets->end - offsets->start > 100)
            EXPECT_EQ(log_advance_start(run->log, offsets->end - 80, offsets->end), 1);
        EXPECT_OK(log_retain(run->log, SAMPLE_NOW_MS, offsets->end, NULL));
        run->log_start_offset = offsets->start;
        break;
    case 4: {
        struct log_offsets closed;
        EXPECT_OK(log_close(run->log, true, &closed, NULL));
        run->recovery_point = closed.flushed_end;
        run->log_start_offset = closed.start;
        open_again(run, true);
        EXPECT_EQ(log_recovery(run->log).segments_scanned, 0);
        EXPECT_EQ(log_recovery(run->log).note_count, 0);
        break;
    }
    case 5:
        log_abandon(run->log);
        sim_disk_crash(run->disk, SIM_PROCESS_KILLED);
        open_again(run, false);
        EXPECT_EQ(log_recovery(run->log).bytes_cut, 0);
        break;
    case 6:
        log_epoch_assign(run->log, log_epoch_latest(run->log) + 1);
        break;
    case 7:
        check_times(run);
        break;
    case 8:
        check_max_time(run);
        break;
    case 9:
        log_tick(run->log, SAMPLE_NOW_MS);
        break;
    default:
        for (uint64_t i = rng_below(&run->rng, 5); i < 5; i++)
            append_one(run);
        EXPECT_OK(history_write(&run->history, run->log));
    }
}

static void run_model(uint64_t seed)
{
    struct model_run run = { .disk = sim_disk_new(seed),
                             .rng = rng_from_seed(seed),
                             .config = sample_log_config(),
                             .clock_ms = SAMPLE_NOW_MS };
    snprintf(run.where, sizeof(run.where), "seed %" PRIu64, seed);
    run.config.retention_ms = -1;
    run.config.index_interval_bytes = (uint32_t)rng_below(&run.rng, 2000);
    run.config.segment_bytes = (uint32_t)rng_between(&run.rng, 2000, 20000);
    open_again(&run, true);
    for (int i = 0; i < 250; i++) {
        model_step(&run);
        if (i % 10 == 0)
            history_expect(&run.history, run.log, run.where);
    }
    history_expect(&run.history, run.log, run.where);
    log_abandon(run.log);
    history_deinit(&run.history);
    sim_disk_free(run.disk);
}

TEST(log_model, agrees_with_a_naive_log_through_random_histories)
{
    for (uint64_t i = 0; i < 40; i++)
        run_model(context->seed * 1000 + i);
}
