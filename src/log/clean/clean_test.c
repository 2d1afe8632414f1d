/* Compaction: what stays, what goes, and what is left when it is cut short. */
#include "log/clean/clean_history_test.h"

#include "base/mem.h"
#include "log/clean/clean_int.h"
#include "log/log_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct place_text {
    char text[96];
};

static const char *say(struct place_text *out, uint64_t seed, int round)
{
    snprintf(out->text, sizeof(out->text), "seed %" PRIu64 ", round %d", seed, round);
    return out->text;
}

/* ---- histories ------------------------------------------------------------------------------- */

static void remember(const struct log *log, struct log_producer out[CLEAN_PRODUCERS])
{
    for (int i = 1; i < CLEAN_PRODUCERS; i++) {
        if (!log_producer_get(log, 100 + i, &out[i]))
            out[i] = (struct log_producer){ .producer_id = -1 };
    }
}

/* Who goes on after a restart finds its sequence. */
static void expect_producers(const struct log *log, const struct log_producer *before)
{
    struct log_producer now[CLEAN_PRODUCERS];
    remember(log, now);
    for (int i = 1; i < CLEAN_PRODUCERS; i++) {
        EXPECT_EQ(now[i].producer_id, before[i].producer_id);
        EXPECT_EQ(now[i].last_sequence, before[i].last_sequence);
        EXPECT_EQ(now[i].last_offset, before[i].last_offset);
        EXPECT_EQ(now[i].txn_start_offset, before[i].txn_start_offset);
    }
}

static void live_through(uint64_t seed)
{
    struct clean_history h;
    clean_history_init(&h, seed);
    uint32_t segments = 0;
    for (int round = 0; round < 8; round++) {
        struct place_text where;
        segments = log_segment_count(h.log) + (uint32_t)rng_between(&h.rng, 1, 5);
        clean_history_fill(&h, segments);
        if (rng_chance(&h.rng, 500000))
            clean_history_settle(&h);
        h.now_ms += rng_between(&h.rng, 0, CLEAN_RETENTION_MS);
        if (clean_history_clean(&h, rng_below(&h.rng, 2) * rng_below(&h.rng, 30)))
            EXPECT_EQ(h.report.result, 0);
        clean_history_expect(&h, say(&where, seed, round));
        if (rng_chance(&h.rng, 300000)) {
            struct log_producer before[CLEAN_PRODUCERS];
            const int64_t cleaned_end = log_cleaned_end(h.log);
            log_flush(h.log);
            remember(h.log, before);
            clean_history_reopen(&h,
                                 rng_chance(&h.rng, 500000) ? log_offsets(h.log)->flushed_end : 0);
            h.log->cleaned_end = cleaned_end;
            clean_history_expect(&h, say(&where, seed, round));
            expect_producers(h.log, before);
        }
    }
    clean_history_deinit(&h);
}

TEST(log_clean, keeps_the_newest_record_of_each_key_and_nothing_else)
{
    for (uint64_t i = 0; i < 150; i++)
        live_through(context->seed + i);
}

TEST(log_clean, takes_tombstones_and_markers_away_in_time)
{
    struct clean_history h;
    clean_history_init(&h, context->seed);
    clean_history_fill(&h, 6);
    clean_history_settle(&h);
    EXPECT_OK(log_roll(h.log, h.now_ms, NULL));
    log_flush(h.log);
    int64_t size = INT64_MAX;
    for (int round = 0; round < 5; round++) {
        h.log->cleaned_end = 0;
        EXPECT(clean_history_clean(&h, 0));
        EXPECT_EQ(h.report.result, 0);
        EXPECT(log_size_bytes(h.log) <= size);
        size = log_size_bytes(h.log);
        h.now_ms += CLEAN_RETENTION_MS;
    }
    /* Values are left, the last batches of producers and of segments, and the markers of transactions that have left any. */
    for (size_t i = 0; i < h.records.count; i++)
        EXPECT(h.records.items[i].is_gone || h.records.items[i].value != 0);
    const struct bytes all = sample_read_all(h.log, 0);
    struct bytes rest = all;
    struct batch_view view;
    bool is_met[CLEAN_PRODUCERS] = { false };
    for (; batch_parse(rest, &view) > 0; rest = bytes_slice(rest, view.bytes.size, rest.size)) {
        const bool is_marker = (view.attributes & BATCH_CONTROL) != 0;
        /* Where those behind it are lost it is its producer's last, and would count as expired. */
        EXPECT(view.producer_id < 0 || view.max_timestamp >= 0);
        if ((view.attributes & BATCH_TRANSACTIONAL) == 0)
            continue;
        EXPECT(!is_marker || view.record_count == 0 || is_met[view.producer_id - 100]);
        is_met[view.producer_id - 100] = !is_marker;
    }
    bytes_free(all);
    clean_history_expect(&h, "after all");
    clean_history_deinit(&h);
}

/* The last batch of a producer stays for its sequence, empty, for years. So does its marker: without it nothing behind would be
 * stable after a restart. */
TEST(log_clean, keeps_the_marker_of_a_batch_that_stays_for_its_sequence)
{
    for (int is_commit = 0; is_commit < 2; is_commit++) {
        struct clean_history h;
        clean_history_init(&h, context->seed);
        clean_history_append(&h, 2);
        clean_history_end(&h, 2, is_commit != 0);
        for (uint32_t round = 2; round < 8; round++) {
            while (log_segment_count(h.log) < round)
                clean_history_append(&h, 0);
            log_flush(h.log);
            EXPECT(clean_history_clean(&h, 0));
            clean_history_expect(&h, "a producer that has gone");
            h.now_ms += CLEAN_RETENTION_MS;
        }
        clean_history_reopen(&h, 0);
        EXPECT_EQ(log_first_unstable_offset(h.log, log_offsets(h.log)->end), -1);
        clean_history_deinit(&h);
    }
}

/* A message set of magic 1: gzip, "x" and "y", each with the value "1". */
static const uint8_t old_set[] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x4d, 0x9d, 0x58, 0xaa,
    0x8f, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, 0xff, 0xff, 0xff, 0xff,
    0x00, 0x00, 0x00, 0x37, 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x63,
    0x60, 0x80, 0x03, 0x09, 0x2f, 0x2f, 0x06, 0x6d, 0x46, 0x18, 0x8f, 0x1d, 0x88, 0x19, 0x2b,
    0x40, 0x84, 0x21, 0x54, 0x04, 0x24, 0x25, 0x21, 0xf4, 0x4e, 0xdd, 0x03, 0xae, 0x86, 0x03,
    0x24, 0x5a, 0x09, 0x56, 0x03, 0x00, 0x2b, 0xc2, 0xa5, 0xf9, 0x48, 0x00, 0x00, 0x00,
};

static void append_bytes(struct log *log, enum log_origin origin, struct bytes bytes)
{
    struct shared *shared = shared_new(bytes.size);
    memcpy(shared->data, bytes.data, bytes.size);
    EXPECT_EQ(sample_plan(log, origin, shared).error, KAFKA_NONE);
    EXPECT_OK(log_write(log, NULL));
}

/* How many records that batches hold have this key; bytes of old formats end the walk. */
static int count_of_key(struct log *log, struct bytes key, bool *out_is_old)
{
    const struct bytes all = sample_read_all(log, 0);
    int count = 0;
    struct bytes rest = all;
    struct batch_view view;
    for (; batch_parse(rest, &view) > 0; rest = bytes_slice(rest, view.bytes.size, rest.size)) {
        AUTO(record_walk_deinit) struct record_walk walk;
        record_walk_init(&walk, &view, NULL, INT32_MAX);
        struct record record;
        while (record_walk_next(&walk, &record) > 0)
            count += bytes_equal(record.key, key);
    }
    *out_is_old = rest.size > 0;
    bytes_free(all);
    return count;
}

/* The tombstone goes one day, and the value that it deleted shall not be back then. */
TEST(log_clean, takes_what_was_deleted_out_of_a_set_of_an_old_format)
{
    struct clean_history h;
    clean_history_init(&h, context->seed);
    append_bytes(h.log, LOG_ORIGIN_REPLICATION, bytes_from(old_set, sizeof(old_set)));
    struct batch_builder tombstone;
    batch_builder_init(&tombstone, &BATCH_OPTIONS_NONE);
    EXPECT_OK(
        batch_builder_add(&tombstone, SAMPLE_NOW_MS, BYTES_LITERAL("x"), BYTES_NULL, NULL, 0));
    struct bytes bytes;
    EXPECT_OK(batch_builder_finish(&tombstone, &bytes));
    append_bytes(h.log, LOG_ORIGIN_CLIENT, bytes);
    batch_builder_deinit(&tombstone);
    for (int round = 0; round < 3; round++) {
        EXPECT_OK(log_roll(h.log, h.now_ms, NULL));
        log_flush(h.log);
        h.log->cleaned_end = 0;
        EXPECT(clean_history_clean(&h, 0));
        EXPECT_EQ(h.report.result, 0);
        h.now_ms += CLEAN_RETENTION_MS;
        clean_history_append(&h, 0);
    }
    bool is_old;
    EXPECT_EQ(count_of_key(h.log, BYTES_LITERAL("x"), &is_old), 0);
    EXPECT(!is_old);
    EXPECT_EQ(count_of_key(h.log, BYTES_LITERAL("y"), &is_old), 1);
    clean_history_deinit(&h);
}

/* ---- what is not cleaned --------------------------------------------------------------------- */

static struct log_clean_need look(struct clean_history *h, int64_t stable_end)
{
    struct log_clean_need need;
    EXPECT_OK(log_clean_look(
        h->log, &(struct log_clean_look){ .now_ms = h->now_ms, .stable_end = stable_end }, &need,
        NULL));
    return need;
}

TEST(log_clean, looks_at_policy_lag_and_what_is_stable)
{
    struct clean_history h;
    clean_history_init(&h, context->seed);
    clean_history_fill(&h, 4);
    clean_history_settle(&h);
    const int64_t end = log_offsets(h.log)->end;
    EXPECT(look(&h, end).is_due);
    EXPECT(!look(&h, 0).is_due);
    struct log_config config = h.config;
    config.min_compaction_lag_ms = CLEAN_RETENTION_MS;
    log_set_config(h.log, &config);
    EXPECT(!look(&h, end).is_due);
    config.min_compaction_lag_ms = 0;
    config.dirty_ratio_min = 1;
    log_set_config(h.log, &config);
    EXPECT(!look(&h, end).is_due && look(&h, end).dirty_ratio == 1.0);
    config.max_compaction_lag_ms = 1;
    log_set_config(h.log, &config);
    h.now_ms += 100000;
    EXPECT(look(&h, end).is_due && look(&h, end).overdue_ms > 0);
    config.cleanup_compact = false;
    log_set_config(h.log, &config);
    EXPECT(!look(&h, end).is_due);
    EXPECT(!clean_history_clean(&h, 0));
    clean_history_deinit(&h);
}

/* What one index may hold limits what is merged, also where the indexes of an earlier life were not looked at yet. */
TEST(log_clean, keeps_to_the_size_of_an_index_after_a_restart)
{
    struct clean_history h;
    clean_history_init(&h, context->seed);
    clean_history_fill(&h, 8);
    clean_history_settle(&h);
    log_flush(h.log);
    h.config.segment_bytes = 1u << 20;
    h.config.segment_index_bytes = 0;
    for (size_t i = 0; i + 1 < h.log->segments.count; i++)
        h.config.segment_index_bytes =
            MAX(h.config.segment_index_bytes,
                h.log->segments.items[i]->meter.time_entries * INDEX_ENTRY_TIME);
    clean_history_reopen(&h, log_offsets(h.log)->flushed_end);
    EXPECT(!h.log->segments.items[0]->is_meter_ready);
    EXPECT(clean_history_clean(&h, 0));
    EXPECT_EQ(h.report.result, 0);
    EXPECT(h.report.segments_before >= 6);
    EXPECT(h.report.segments_after >= h.report.segments_before / 2);
    clean_history_expect(&h, "after a restart");
    clean_history_deinit(&h);
}

/* ---- stopping -------------------------------------------------------------------------------- */

struct stop {
    struct clean_history h;
    bool is_stopped;
    uint32_t begun_after; /* files of a new segment that were made since */
};

/* In the midst of giving a group its names, which goes on to its end. */
static int stop_in_finish(void *context, enum sim_call call, const char *path, uint64_t size_bytes)
{
    struct stop *stop = context;
    (void)size_bytes;
    struct log_cleaning *c = stop->h.log->cleaning;
    stop->begun_after +=
        stop->is_stopped && call == SIM_CREATE && strstr(path, ".log.cleaned") != NULL;
    if (c != NULL && c->stage == CLEAN_FINISH && !stop->is_stopped) {
        stop->is_stopped = true;
        log_clean_stop(stop->h.log);
    }
    return 0;
}

TEST(log_clean, begins_nothing_when_it_was_stopped)
{
    struct stop stop = { 0 };
    struct clean_history *h = &stop.h;
    clean_history_init(h, context->seed);
    clean_history_fill(h, 12);
    clean_history_settle(h);
    log_flush(h->log);
    const struct sim_disk_hooks hooks = { .context = &stop, .on_call = stop_in_finish };
    sim_disk_set_hooks(h->disk, &hooks);
    EXPECT(clean_history_clean(h, 0));
    sim_disk_set_hooks(h->disk, &(struct sim_disk_hooks){ 0 });
    EXPECT(stop.is_stopped);
    EXPECT_EQ(stop.begun_after, 0);
    EXPECT_EQ(h->report.result, -ERR_CANCELLED);
    EXPECT_EQ(h->report.segments_after, 1);
    EXPECT_EQ(log_cleaned_end(h->log), 0);
    clean_history_expect_safe(h, "when it was stopped");
    EXPECT(clean_history_clean(h, 0));
    EXPECT_EQ(h->report.result, 0);
    clean_history_deinit(h);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* A bit that flipped is not given a new checksum. The log is left as it was, and alone from then on. */
TEST(log_clean, sets_a_log_aside_that_is_damaged_anywhere)
{
    uint32_t aside = 0;
    for (uint64_t i = 0; i < 60; i++) {
        struct clean_history h;
        clean_history_init(&h, context->seed + i);
        clean_history_fill(&h, 4);
        clean_history_settle(&h);
        log_flush(h.log);
        const struct segment *second = h.log->segments.items[1];
        AUTO(mem_freep)
        char *path = segment_path(second, &h.log->place, LOG_NAME_LOG, LOG_NAME_LIVE);
        const int64_t position = (int64_t)rng_below(&h.rng, second->meter.size_bytes - 100);
        const unsigned bit = (unsigned)rng_below(&h.rng, 8);
        EXPECT_OK(sim_disk_flip_bit(h.disk, path, position, bit));
        if (clean_history_clean(&h, 0) && h.report.result < 0) {
            aside++;
            EXPECT(h.report.is_set_aside && log_is_set_aside(h.log));
            EXPECT_EQ(log_failure(h.log), 0);
            EXPECT(h.report.note.text[0] != '\0');
            EXPECT(!look(&h, log_offsets(h.log)->end).is_due);
            EXPECT(!clean_history_clean(&h, 0));
            EXPECT_OK(sim_disk_flip_bit(h.disk, path, position, bit));
            clean_history_expect(&h, "after damage");
        } /* else it was a leader epoch's bit, or one of an offset that goes on ascending */
        clean_history_deinit(&h);
    }
    EXPECT(aside > 50);
}

static char *txn_index_of(const struct log *log, uint32_t segment)
{
    return log_name_path(log->place.directory,
                         (struct log_name){ .kind = LOG_NAME_TXN_INDEX,
                                            .base_offset = log_segment_base(log, segment) });
}

/* What it does not tell of any more would be kept as committed. */
TEST(log_clean, sets_a_log_aside_whose_aborted_transactions_are_not_known)
{
    for (int is_active = 0; is_active < 2; is_active++) {
        struct clean_history h;
        clean_history_init(&h, context->seed);
        clean_history_append(&h, 2);
        if (is_active == 0)
            clean_history_end(&h, 2, false);
        while (log_segment_count(h.log) < 3)
            clean_history_append(&h, 0);
        if (is_active == 1) /* where it ends lies behind what is cleaned */
            clean_history_end(&h, 2, false);
        log_flush(h.log);
        AUTO(mem_freep) char *path = txn_index_of(h.log, is_active == 0 ? 0 : 2);
        EXPECT_OK(sim_disk_flip_bit(h.disk, path, 1, 0)); /* its version */
        EXPECT(clean_history_clean(&h, 0));
        EXPECT_EQ(h.report.result, -ERR_CORRUPT);
        EXPECT(log_is_set_aside(h.log) && log_failure(h.log) == 0);
        EXPECT(strstr(h.report.note.text, ".txnindex") != NULL);
        EXPECT_OK(sim_disk_flip_bit(h.disk, path, 1, 0));
        clean_history_expect(&h, "after damage of a .txnindex");
        clean_history_deinit(&h);
    }
}

/* The same, with the whole entry gone. */
TEST(log_clean, sets_a_log_aside_whose_marker_contradicts_its_index)
{
    struct clean_history h;
    clean_history_init(&h, context->seed);
    clean_history_append(&h, 2);
    clean_history_end(&h, 2, false);
    while (log_segment_count(h.log) < 3)
        clean_history_append(&h, 0);
    log_flush(h.log);
    AUTO(mem_freep) char *path = txn_index_of(h.log, 0);
    EXPECT_OK(io_fs_unlink(h.log->place.fs, path));
    EXPECT(clean_history_clean(&h, 0));
    EXPECT_EQ(h.report.result, -ERR_NOT_FOUND);
    EXPECT(log_is_set_aside(h.log) && log_failure(h.log) == 0);
    EXPECT(strstr(h.report.note.text, "ends an aborted transaction") != NULL);
    clean_history_deinit(&h);
}

/* An operator who reads of damage looks for a broken disk. */
TEST(log_clean, tells_damage_from_what_it_cannot_take_apart)
{
    static const struct {
        int error;
        bool is_damage;
    } cases[] = {
        { -ERR_CORRUPT, true }, { -ERR_MALFORMED, true },    { -ERR_OVERRUN, true },
        { -ERR_LIMIT, false },  { -ERR_UNSUPPORTED, false }, { -EIO, false },
    };
    struct clean_outline outline = { .base_offset = 42 };
    struct log_cleaning c = { .place.directory = (char[]){ "/d/t-0" }, .outlines = &outline };
    const struct scanned_batch batch = { .base_offset = 43 };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        EXPECT_EQ(clean__fail_batch(&c, cases[i].error, &batch), cases[i].error);
        EXPECT(c.is_read_error);
        EXPECT_EQ(strstr(c.report.note.text, "is damaged") != NULL, cases[i].is_damage);
        EXPECT_EQ(strstr(c.report.note.text, "cannot be compacted") == NULL, cases[i].is_damage);
    }
}

static int64_t overfill(void *context, int64_t bytes)
{
    const struct clean_history *h = context;
    (void)bytes;
    if (h->log->cleaning->target.is_begun)
        h->log->cleaning->target.builder.meter.size_bytes = INT32_MAX;
    return 0;
}

static void on_overfilled(void *context, struct log *log, const struct log_clean_report *report)
{
    struct clean_history *h = context;
    (void)log;
    h->report = *report;
}

/* What is left of a log may grow beyond a file's limit, when it is compressed anew. That is no damage, and no broken disk. */
TEST(log_clean, sets_a_log_aside_that_does_not_fit)
{
    struct clean_history h;
    clean_history_init(&h, context->seed);
    clean_history_fill(&h, 4);
    clean_history_settle(&h);
    log_flush(h.log);
    const struct log_clean how = {
        .look = { .now_ms = h.now_ms, .stable_end = log_offsets(h.log)->end },
        .map_bytes_max = (size_t)1 << 20,
        .map_load_factor = 0.9,
        .step_bytes = 500,
        .pace = overfill,
        .done = on_overfilled,
        .context = &h,
    };
    EXPECT(log_clean_begin(h.log, &how));
    EXPECT_EQ(h.report.result, -ERR_LIMIT);
    EXPECT(h.report.is_set_aside);
    EXPECT(strstr(h.report.note.text, "does not fit") != NULL);
    EXPECT(strstr(h.report.note.text, "damaged") == NULL);
    EXPECT_EQ(log_failure(h.log), 0);
    clean_history_expect(&h, "after one that did not fit");
    clean_history_deinit(&h);
}

/* ---- cut short ------------------------------------------------------------------------------- */

static struct clean_history *prepared(struct clean_history *h, uint64_t seed)
{
    clean_history_init(h, seed);
    h->step_bytes = 3000;
    clean_history_fill(h, 5);
    clean_history_settle(h);
    log_flush(h->log);
    EXPECT(clean_history_clean(h, 0));
    clean_history_fill(h, log_segment_count(h->log) + 3);
    clean_history_settle(h);
    log_flush(h->log);
    h->now_ms += CLEAN_RETENTION_MS; /* tombstones go in the cleaning that is cut short */
    return h;
}

/* The end comes at some change that a cleaning makes; the next start, and the cleaning after it, find a whole log. */
static bool crash_at(uint64_t seed, uint64_t change, enum sim_crash kind)
{
    struct clean_history h;
    struct place_text where;
    prepared(&h, seed);
    snprintf(where.text, sizeof(where.text), "seed %" PRIu64 ", %s at change %" PRIu64, seed,
             kind == SIM_POWER_LOST ? "power lost" : "killed", change);
    struct log_producer before[CLEAN_PRODUCERS];
    remember(h.log, before);
    const int64_t end = log_offsets(h.log)->end;
    const int64_t recovery_point = log_offsets(h.log)->recovery_point;
    sim_disk_crash_at(h.disk, change, kind);
    (void)clean_history_clean(&h, 10);
    const bool has_crashed = sim_disk_crash_count(h.disk) > 0;
    sim_disk_crash_at(h.disk, 0, kind);
    clean_history_reopen(&h, change % 2 == 0 ? 0 : recovery_point);
    EXPECT_EQ(log_offsets(h.log)->end, end);
    clean_history_expect_safe(&h, where.text);
    expect_producers(h.log, before);
    EXPECT(clean_history_clean(&h, 0));
    EXPECT_EQ(h.report.result, 0);
    clean_history_expect_safe(&h, where.text);
    clean_history_deinit(&h);
    return has_crashed;
}

TEST(log_clean, loses_nothing_when_killed_at_any_change)
{
    uint64_t change = 1;
    while (crash_at(context->seed, change, SIM_PROCESS_KILLED))
        change++;
    EXPECT(change > 40);
}

TEST(log_clean, loses_nothing_when_power_is_lost_at_any_change)
{
    for (uint64_t seed = 0; seed < 6; seed++) {
        uint64_t change = 1;
        while (crash_at(context->seed + seed, change, SIM_POWER_LOST))
            change++;
        EXPECT(change > 40);
    }
}

/* A transaction whose commit is written and not flushed may be aborted yet: a power loss takes the marker back. What is older
 * than its records stays until then. */
TEST(log_clean, takes_nothing_for_a_commit_that_the_power_may_take_back)
{
    uint32_t taken_back = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct clean_history h;
        clean_history_init(&h, context->seed + seed);
        while (log_segment_count(h.log) < 3)
            clean_history_append(&h, 0);
        do
            clean_history_append(&h, 2);
        while (log_segment_count(h.log) < 5); /* each of which is flushed, but the last */
        clean_history_end(&h, 2, true);
        const int64_t end = log_offsets(h.log)->end;
        (void)clean_history_clean(&h, 0);
        const int64_t recovery_point = log_offsets(h.log)->recovery_point;
        sim_disk_crash(h.disk, SIM_POWER_LOST);
        clean_history_reopen(&h, recovery_point);
        if (log_offsets(h.log)->end < end) {
            taken_back++;
            clean_history_lose(&h, 2);
            clean_history_end(&h, 2, false);
        }
        clean_history_expect_safe(&h, "a commit that was written, and not flushed");
        log_flush(h.log);
        EXPECT(clean_history_clean(&h, 0));
        EXPECT_EQ(h.report.result, 0);
        clean_history_expect_safe(&h, "a commit that was flushed");
        clean_history_deinit(&h);
    }
    EXPECT(taken_back > 5);
}

/* The same where the transaction has ended before the log is opened, or cut, and nothing was flushed since. */
TEST(log_clean, knows_what_is_not_flushed_of_a_log_that_is_opened_or_cut)
{
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        struct clean_history h;
        clean_history_init(&h, context->seed);
        clean_history_append(&h, 2);
        EXPECT_OK(log_roll(h.log, h.now_ms, NULL));
        const int64_t flushed_end = log_offsets(h.log)->flushed_end;
        clean_history_end(&h, 2, true);
        EXPECT_OK(log_roll(h.log, h.now_ms, NULL)); /* as if its flush was under way */
        clean_history_append(&h, 0);
        h.log->offsets.flushed_end = flushed_end;
        EXPECT(!clean_history_clean(&h, 0));
        if (is_cut) {
            clean_history_append(&h, 0);
            EXPECT_OK(log_truncate(h.log, log_offsets(h.log)->end - 1, h.now_ms, NULL));
        } else {
            log_abandon(TAKE(h.log));
            h.log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(h.disk),
                                                       .config = &h.config,
                                                       .is_unclean = true,
                                                       .recovery_point = flushed_end });
        }
        EXPECT_EQ(log_offsets(h.log)->flushed_end, flushed_end);
        EXPECT(!clean_history_clean(&h, 0));
        log_flush(h.log);
        EXPECT(clean_history_clean(&h, 0));
        EXPECT_EQ(h.report.result, 0);
        clean_history_deinit(&h);
    }
}

/* Calls that fail: a full disk ends a cleaning and harms nothing; anything else fails the log, whose next open finds it whole. */
static bool fail_nth(uint64_t seed, uint64_t n, int error)
{
    struct clean_history h;
    struct place_text where;
    prepared(&h, seed);
    snprintf(where.text, sizeof(where.text), "seed %" PRIu64 ", call %" PRIu64 " fails with %s",
             seed, n, err_name(error));
    const int64_t end = log_offsets(h.log)->end;
    sim_disk_add_fault(
        h.disk, &(struct sim_fault){ .calls = SIM_ANY, .skip = n, .count = 1, .error = error });
    (void)clean_history_clean(&h, 10);
    const bool has_failed = h.report.result < 0;
    if (has_failed && error == -ENOSPC && !h.report.is_set_aside)
        EXPECT_EQ(h.report.result, -ENOSPC);
    sim_disk_clear_faults(h.disk);
    if (log_failure(h.log) == 0)
        clean_history_expect_safe(&h, where.text); /* it goes on being read */
    clean_history_reopen(&h, 0);
    EXPECT_EQ(log_offsets(h.log)->end, end);
    clean_history_expect_safe(&h, where.text);
    EXPECT(clean_history_clean(&h, 0));
    EXPECT_EQ(h.report.result, 0);
    clean_history_expect_safe(&h, where.text);
    clean_history_deinit(&h);
    return n < 400;
}

TEST(log_clean, survives_whichever_call_fails)
{
    for (uint64_t n = 0; fail_nth(context->seed, n, -EIO); n++) {
    }
    for (uint64_t n = 0; fail_nth(context->seed, n, -ENOSPC); n++) {
    }
}

/* ---- what opening makes of it ------------------------------------------------------------------ */

/* The process is killed, or the power lost, while names are changed, and the power while opening completes the swap: 1 when that
 * was so. What a killed process did with names is not on stable storage at the next open. */
static bool is_lost_again(uint64_t seed, uint64_t change, enum sim_crash first, uint64_t again)
{
    struct clean_history h;
    struct place_text where;
    prepared(&h, seed);
    const int64_t end = log_offsets(h.log)->end;
    const int64_t recovery_point = log_offsets(h.log)->recovery_point;
    sim_disk_crash_at(h.disk, change, first);
    (void)clean_history_clean(&h, 10);
    const bool has_crashed = sim_disk_crash_count(h.disk) > 0;
    sim_disk_crash_at(h.disk, has_crashed ? again : 0, SIM_POWER_LOST);
    const bool is_cut = has_crashed && !clean_history_try_reopen(&h, recovery_point);
    sim_disk_crash_at(h.disk, 0, SIM_POWER_LOST);
    clean_history_reopen(&h, recovery_point);
    EXPECT_EQ(log_offsets(h.log)->end, end);
    snprintf(where.text, sizeof(where.text), "seed %" PRIu64 ", changes %" PRIu64 " and %" PRIu64,
             seed, change, again);
    clean_history_expect_safe(&h, where.text);
    clean_history_deinit(&h);
    return is_cut;
}

static void lose_again(uint64_t seed_first, enum sim_crash first)
{
    uint32_t cut = 0;
    for (uint64_t seed = seed_first; seed < seed_first + 3; seed++) {
        for (uint64_t change = 10; change < 60; change++) {
            uint64_t again = 1;
            while (is_lost_again(seed, change, first, again))
                again++;
            cut += again > 4;
        }
    }
    EXPECT(cut > 20);
}

TEST(log_clean, loses_nothing_when_power_is_lost_again_at_the_next_open)
{
    lose_again(context->seed + 9, SIM_POWER_LOST); /* these found holes before names were synced */
}

TEST(log_clean, loses_nothing_when_power_is_lost_at_the_open_after_a_kill)
{
    lose_again(context->seed + 5,
               SIM_PROCESS_KILLED); /* these before they were synced at the open */
}

/* What a swap replaces is found by reading it. When that fails for the moment, so does opening: nothing goes for the sake of a part. */
TEST(log_clean, reads_a_swap_whole_or_does_not_open)
{
    uint32_t refused = 0;
    for (uint64_t change = 1; change < 200; change++) {
        struct clean_history h;
        prepared(&h, context->seed);
        const int64_t end = log_offsets(h.log)->end;
        sim_disk_crash_at(h.disk, change, SIM_PROCESS_KILLED);
        (void)clean_history_clean(&h, 10);
        const bool has_crashed = sim_disk_crash_count(h.disk) > 0;
        sim_disk_crash_at(h.disk, 0, SIM_PROCESS_KILLED);
        sim_disk_add_fault(h.disk, &(struct sim_fault){ .calls = SIM_READ | SIM_READ_COLD,
                                                        .path_part = ".log.swap",
                                                        .error = -EIO });
        refused += !clean_history_try_reopen(&h, 0);
        sim_disk_clear_faults(h.disk);
        clean_history_reopen(&h, 0);
        EXPECT_EQ(log_offsets(h.log)->end, end);
        clean_history_expect_safe(&h, "after a swap that could not be read");
        clean_history_deinit(&h);
        if (!has_crashed)
            break;
    }
    EXPECT(refused > 2);
}

/* A .cleaned file that stays would make the next open drop the swap of another cleaning: there is none until then. */
TEST(log_clean, sets_a_log_aside_that_keeps_what_was_not_finished)
{
    struct clean_history h;
    prepared(&h, context->seed);
    sim_disk_add_fault(h.disk, &(struct sim_fault){
                                   .calls = SIM_SYNC, .path_part = ".cleaned", .error = -ENOSPC });
    sim_disk_add_fault(
        h.disk, &(struct sim_fault){ .calls = SIM_UNLINK, .path_part = ".cleaned", .error = -EIO });
    EXPECT(clean_history_clean(&h, 10));
    EXPECT_EQ(h.report.result, -ENOSPC);
    EXPECT(h.report.is_set_aside);
    sim_disk_clear_faults(h.disk);
    EXPECT(!clean_history_clean(&h, 10));
    EXPECT_EQ(log_failure(h.log), 0);
    clean_history_expect_safe(&h, "after it");
    clean_history_reopen(&h, 0);
    EXPECT(clean_history_clean(&h, 0));
    EXPECT_EQ(h.report.result, 0);
    clean_history_expect_safe(&h, "opened anew");
    clean_history_deinit(&h);
}

/* The checkpoint may tell of records that are lost: what comes in their place is compared as if nothing ever was. */
TEST(log_clean, does_not_believe_a_checkpoint_beyond_the_end)
{
    struct clean_history h;
    prepared(&h, context->seed);
    const int64_t end = log_offsets(h.log)->end;
    for (int64_t beyond = 0; beyond < 2; beyond++) {
        log_abandon(TAKE(h.log));
        h.log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(h.disk),
                                                   .config = &h.config,
                                                   .is_unclean = true,
                                                   .cleaned_end = end + beyond });
        EXPECT_EQ(log_offsets(h.log)->end, end);
        EXPECT_EQ(log_cleaned_end(h.log), beyond == 0 ? end : 0);
        const struct log_recovery mended = log_recovery(h.log);
        uint32_t told = 0;
        for (uint32_t i = 0; i < mended.note_count; i++)
            told += strstr(mended.notes[i].text, "compacted below") != NULL;
        EXPECT_EQ(told, beyond);
    }
    h.log->cleaned_end = end;
    EXPECT_OK(log_truncate(h.log, end - 1, h.now_ms, NULL));
    EXPECT(log_cleaned_end(h.log) <= log_offsets(h.log)->end);
    EXPECT_OK(log_truncate_fully(h.log, 7, 7, h.now_ms, NULL));
    EXPECT_EQ(log_cleaned_end(h.log), 0);
    clean_history_deinit(&h);
}

/* Whoever deletes records from the beginning leaves a checkpoint that lies before the log. It is told once. */
TEST(log_clean, does_not_believe_a_checkpoint_before_the_start)
{
    struct clean_history h;
    prepared(&h, context->seed);
    const int64_t end = log_offsets(h.log)->end;
    const int64_t cleaned_end = log_cleaned_end(h.log);
    EXPECT(cleaned_end > 0 && cleaned_end < end);
    EXPECT_EQ(look(&h, end).disbelieved_end, 0);
    EXPECT_EQ(log_advance_start(h.log, cleaned_end + 1, end), 1);
    EXPECT_EQ(look(&h, end).disbelieved_end, cleaned_end);
    EXPECT_EQ(log_cleaned_end(h.log), cleaned_end + 1);
    EXPECT_EQ(look(&h, end).disbelieved_end, 0);
    clean_history_deinit(&h);
}
