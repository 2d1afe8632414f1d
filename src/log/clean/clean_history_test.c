/* A compacted log and its model: see clean_history_test.h. */
#include "log/clean/clean_history_test.h"

#include "base/mem.h"
#include "log/log_int.h"

#include <stdio.h>
#include <string.h>

#define PRODUCER_ID_BASE 100
#define VALUE_BYTES_MAX  90

void clean_history_init(struct clean_history *h, uint64_t seed)
{
    *h = (struct clean_history){ .disk = sim_disk_new(seed),
                                 .rng = rng_from_seed(seed),
                                 .config = sample_log_config(),
                                 .now_ms = SAMPLE_NOW_MS };
    h->config.segment_bytes = 2000;
    h->config.cleanup_delete = false;
    h->config.cleanup_compact = true;
    h->config.delete_retention_ms = CLEAN_RETENTION_MS;
    h->log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(h->disk), .config = &h->config });
}

void clean_history_deinit(struct clean_history *h)
{
    log_abandon(h->log);
    EXPECT_EQ(sim_disk_open_count(h->disk), 0);
    VEC_DEINIT(&h->records);
    VEC_DEINIT(&h->horizons);
    sim_disk_free(h->disk);
}

bool clean_history_try_reopen(struct clean_history *h, int64_t recovery_point)
{
    log_abandon(TAKE(h->log));
    struct err_note note = { "" };
    return sample_try_open(&(struct sample_open){ .fs = sim_disk_fs(h->disk),
                                                  .config = &h->config,
                                                  .is_unclean = true,
                                                  .recovery_point = recovery_point },
                           &h->log, &note) == 0;
}

void clean_history_reopen(struct clean_history *h, int64_t recovery_point)
{
    log_abandon(TAKE(h->log));
    h->log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(h->disk),
                                                .config = &h->config,
                                                .is_unclean = true,
                                                .recovery_point = recovery_point });
    log_flush(h->log);
}

/* ---- writing --------------------------------------------------------------------------------- */

static struct bytes print_value(uint32_t value, char space[VALUE_BYTES_MAX + 1])
{
    if (value == 0)
        return BYTES_NULL;
    const int size = snprintf(space, VALUE_BYTES_MAX, "value %" PRIu32 " ", value);
    const size_t wanted = (size_t)size + value % 60;
    memset(space + size, 'x', wanted - (size_t)size);
    return bytes_from(space, wanted);
}

static struct bytes print_key(uint32_t key, char space[16])
{
    return bytes_from(space, (size_t)snprintf(space, 16, "k%" PRIu32, key));
}

static void note_record(struct clean_history *h, uint32_t producer, int64_t batch, uint32_t key,
                        uint32_t value)
{
    const int64_t offset = batch + (int64_t)h->horizons.count - batch;
    VEC_ADD(&h->horizons, -1);
    VEC_ADD(&h->records,
            ((struct clean_record){ .offset = offset,
                                    .key = key,
                                    .value = value,
                                    .batch = batch,
                                    .producer = producer,
                                    .fate = producer >= 2 ? CLEAN_OPEN : CLEAN_COMMITTED }));
}

static struct log_append_result append(struct clean_history *h, enum log_origin origin,
                                       struct bytes bytes)
{
    struct shared *shared = shared_new(bytes.size);
    memcpy(shared->data, bytes.data, bytes.size);
    const struct log_append_result result = sample_plan(h->log, origin, shared);
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT_OK(log_write(h->log, NULL));
    return result;
}

void clean_history_append(struct clean_history *h, uint32_t producer)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec =
        rng_chance(&h->rng, 500000) ? (enum codec)rng_below(&h->rng, CODEC_COUNT) : CODEC_NONE;
    if (producer > 0) {
        options.producer_id = PRODUCER_ID_BASE + producer;
        options.producer_epoch = 0;
        options.base_sequence = h->sequence[producer];
    }
    if (producer >= 2) {
        options.attributes = BATCH_TRANSACTIONAL;
        h->is_open[producer] = true;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    const int64_t base = log_offsets(h->log)->end;
    const int32_t count = (int32_t)rng_between(&h->rng, 1, 6);
    for (int32_t i = 0; i < count; i++) {
        char key_space[16];
        char value_space[VALUE_BYTES_MAX + 1];
        const uint32_t key = (uint32_t)rng_below(&h->rng, CLEAN_KEYS);
        const uint32_t value = rng_chance(&h->rng, 250000) ? 0 : (uint32_t)h->horizons.count + 1;
        EXPECT_OK(batch_builder_add(&builder, SAMPLE_NOW_MS + (int64_t)h->horizons.count,
                                    print_key(key, key_space), print_value(value, value_space),
                                    NULL, 0));
        note_record(h, producer, base, key, value);
    }
    struct bytes bytes;
    EXPECT_OK(batch_builder_finish(&builder, &bytes));
    EXPECT_EQ(append(h, LOG_ORIGIN_CLIENT, bytes).first_offset, base);
    batch_builder_deinit(&builder);
    h->sequence[producer] += count;
}

void clean_history_end(struct clean_history *h, uint32_t producer, bool is_commit)
{
    struct shared *marker = sample_marker(PRODUCER_ID_BASE + producer, 0, is_commit, 0);
    EXPECT_EQ(sample_plan(h->log, LOG_ORIGIN_COORDINATOR, marker).error, KAFKA_NONE);
    EXPECT_OK(log_write(h->log, NULL));
    VEC_ADD(&h->horizons, -1);
    for (size_t i = 0; i < h->records.count; i++) {
        struct clean_record *record = &h->records.items[i];
        if (record->producer == producer && record->fate == CLEAN_OPEN)
            record->fate = is_commit ? CLEAN_COMMITTED : CLEAN_ABORTED;
    }
    h->is_open[producer] = false;
}

void clean_history_settle(struct clean_history *h)
{
    for (uint32_t producer = 2; producer < CLEAN_PRODUCERS; producer++) {
        if (h->is_open[producer])
            clean_history_end(h, producer, rng_chance(&h->rng, 500000));
    }
}

void clean_history_fill(struct clean_history *h, uint32_t segments)
{
    while (log_segment_count(h->log) < segments) {
        const uint32_t producer = (uint32_t)rng_below(&h->rng, CLEAN_PRODUCERS);
        if (h->is_open[producer] && rng_chance(&h->rng, 400000))
            clean_history_end(h, producer, rng_chance(&h->rng, 500000));
        else
            clean_history_append(h, producer);
    }
    log_flush(h->log);
}

void clean_history_lose(struct clean_history *h, uint32_t producer)
{
    const int64_t end = log_offsets(h->log)->end;
    h->horizons.count = (size_t)end;
    while (h->records.items[h->records.count - 1].offset >= end)
        h->sequence[VEC_POP(&h->records).producer]--;
    for (size_t i = 0; i < h->records.count; i++) {
        if (h->records.items[i].producer == producer)
            h->records.items[i].fate = CLEAN_OPEN;
    }
    h->is_open[producer] = true;
}

/* ---- cleaning -------------------------------------------------------------------------------- */

static void on_done(void *context, struct log *log, const struct log_clean_report *report)
{
    struct clean_history *h = context;
    EXPECT(log == h->log);
    EXPECT(!log_is_cleaning(log));
    h->report = *report;
}

static bool is_superseded(const struct clean_history *h, size_t index, int64_t end)
{
    const struct clean_record *record = &h->records.items[index];
    for (size_t i = index + 1; i < h->records.count && h->records.items[i].offset < end; i++) {
        const struct clean_record *later = &h->records.items[i];
        if (later->key == record->key && later->fate == CLEAN_COMMITTED)
            return true;
    }
    return false;
}

/* What a cleaning up to cleaned_end does to the records of the segments below rewrite_end. */
static void model_clean(struct clean_history *h, int64_t cleaned_end, int64_t rewrite_end)
{
    for (size_t i = 0; i < h->records.count && h->records.items[i].batch < rewrite_end; i++) {
        struct clean_record *record = &h->records.items[i];
        const int64_t horizon = h->horizons.items[record->batch];
        if (record->fate == CLEAN_ABORTED)
            record->is_gone = true;
        else if (record->offset < cleaned_end)
            record->is_gone |= is_superseded(h, i, cleaned_end) ||
                               (record->value == 0 && horizon >= 0 && h->now_ms >= horizon);
    }
    for (size_t i = 0; i < h->records.count && h->records.items[i].batch < rewrite_end; i++) {
        const struct clean_record *record = &h->records.items[i];
        int64_t *horizon = &h->horizons.items[record->batch];
        if (!record->is_gone && record->value == 0 && *horizon < 0)
            *horizon = h->now_ms + CLEAN_RETENTION_MS;
    }
}

bool clean_history_clean(struct clean_history *h, size_t keys)
{
    const int64_t end = log_offsets(h->log)->end;
    const int64_t unstable = log_first_unstable_offset(h->log, end);
    VEC(int64_t) bases = { 0 };
    for (uint32_t i = 0; i < log_segment_count(h->log); i++)
        VEC_ADD(&bases, log_segment_base(h->log, i));
    const struct log_clean how = {
        .look = { .now_ms = h->now_ms, .stable_end = unstable < 0 ? end : unstable },
        .map_bytes_max = keys == 0 ? (size_t)1 << 20 : (66 + keys + keys / 8) * 16,
        .map_load_factor = 0.9,
        .step_bytes = h->step_bytes > 0 ? h->step_bytes : (uint32_t)rng_between(&h->rng, 1, 6000),
        .done = on_done,
        .context = h,
    };
    const bool has_begun = log_clean_begin(h->log, &how);
    if (has_begun && h->report.result == 0) {
        size_t i = 0;
        while (bases.items[i] < h->report.cleaned_end)
            i++;
        model_clean(h, h->report.cleaned_end, bases.items[i]);
    }
    VEC_DEINIT(&bases);
    return has_begun;
}

/* ---- what is there --------------------------------------------------------------------------- */

struct check {
    const struct clean_history *h;
    const char *where;
    bool *is_there; /* by the model's index of a record */
    size_t next;
};

static void expect_record(struct check *check, const struct record *found)
{
    const struct clean_history *h = check->h;
    while (check->next < h->records.count && h->records.items[check->next].offset < found->offset)
        check->next++;
    if (check->next == h->records.count || h->records.items[check->next].offset != found->offset)
        test_fail(__FILE__, __LINE__, "%s: offset %" PRId64 " was never written, or comes twice",
                  check->where, found->offset);
    const struct clean_record *record = &h->records.items[check->next];
    char key_space[16];
    char value_space[VALUE_BYTES_MAX + 1];
    EXPECT_BYTES(found->key, print_key(record->key, key_space));
    EXPECT(bytes_equal(found->value, print_value(record->value, value_space)));
    EXPECT_EQ(found->timestamp, SAMPLE_NOW_MS + found->offset);
    check->is_there[check->next++] = true;
}

static void expect_batch(struct check *check, const struct batch_view *batch)
{
    if ((batch->attributes & BATCH_CONTROL) != 0)
        return;
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, batch, NULL, INT32_MAX);
    struct record record;
    int r;
    while ((r = record_walk_next(&walk, &record)) > 0)
        expect_record(check, &record);
    EXPECT_EQ(r, 0);
}

/* A transaction that has left a batch has its marker, or is open yet: else nothing behind it would ever be stable. */
static void follow_transaction(bool is_open[CLEAN_PRODUCERS], const struct batch_view *batch)
{
    if ((batch->attributes & BATCH_TRANSACTIONAL) != 0 &&
        ((batch->attributes & BATCH_CONTROL) == 0 || batch->record_count > 0))
        is_open[batch->producer_id - PRODUCER_ID_BASE] = (batch->attributes & BATCH_CONTROL) == 0;
}

/* Finds what is there of the model's records; all else that is there is a failure. */
static bool *find_records(const struct clean_history *h, const char *where)
{
    struct check check = { .h = h,
                           .where = where,
                           .is_there = MEM_NEW_ARRAY(bool, h->records.count + 1) };
    const struct bytes all = sample_read_all(h->log, log_offsets(h->log)->start);
    struct bytes rest = all;
    struct batch_view view;
    int64_t next = log_offsets(h->log)->start;
    bool is_open[CLEAN_PRODUCERS] = { false };
    while (batch_parse(rest, &view) > 0) {
        EXPECT(view.base_offset >= next);
        next = batch_last_offset(&view) + 1;
        expect_batch(&check, &view);
        follow_transaction(is_open, &view);
        rest = bytes_slice(rest, view.bytes.size, rest.size);
    }
    EXPECT_EQ(next, log_offsets(h->log)->end);
    for (uint32_t i = 0; i < CLEAN_PRODUCERS; i++)
        EXPECT_EQ(is_open[i], h->is_open[i]);
    bytes_free(all);
    return check.is_there;
}

/* One segment goes on where the other ends, and every segment is found by each of its offsets. */
static void expect_segments(const struct clean_history *h, const char *where)
{
    int64_t end = 0;
    for (size_t i = 0; i < h->log->segments.count; i++) {
        struct segment *segment = h->log->segments.items[i];
        if (segment->meter.base_offset != end)
            test_fail(__FILE__, __LINE__, "%s: a hole of offsets %" PRId64 " to %" PRId64, where,
                      end, segment->meter.base_offset);
        struct io_file *file;
        struct batch_scan scan;
        struct scanned_batch batch;
        EXPECT_OK(segment_file(segment, &h->log->place, false, &file));
        batch_scan_init(&scan, file, 0, segment->meter.size_bytes, BATCH_SCAN_WINDOW_LARGE);
        scan.may_sleep = true;
        scan.crc_from = 0;
        int r;
        while ((r = batch_scan_next(&scan, &batch)) > 0)
            end = batch.last_offset + 1;
        EXPECT_EQ(r, 0);
        batch_scan_deinit(&scan);
    }
    EXPECT_EQ(end, log_offsets(h->log)->end);
}

void clean_history_expect(const struct clean_history *h, const char *where)
{
    AUTO(mem_freep) bool *is_there = find_records(h, where);
    for (size_t i = 0; i < h->records.count; i++) {
        const struct clean_record *record = &h->records.items[i];
        if (is_there[i] == record->is_gone)
            test_fail(__FILE__, __LINE__, "%s: offset %" PRId64 " (key %" PRIu32 ") is %s", where,
                      record->offset, record->key, is_there[i] ? "there yet" : "gone");
    }
    expect_segments(h, where);
}

void clean_history_expect_safe(struct clean_history *h, const char *where)
{
    AUTO(mem_freep) bool *is_there = find_records(h, where);
    uint32_t replayed[CLEAN_KEYS] = { 0 };
    uint32_t wanted[CLEAN_KEYS] = { 0 };
    for (size_t i = 0; i < h->records.count; i++) {
        struct clean_record *record = &h->records.items[i];
        if (is_there[i] && record->is_gone)
            test_fail(__FILE__, __LINE__, "%s: offset %" PRId64 " is back", where, record->offset);
        record->is_gone = !is_there[i];
        if (record->fate == CLEAN_ABORTED)
            continue;
        wanted[record->key] = record->value;
        if (is_there[i])
            replayed[record->key] = record->value;
    }
    for (uint32_t key = 0; key < CLEAN_KEYS; key++) {
        if (replayed[key] != wanted[key])
            test_fail(__FILE__, __LINE__, "%s: key %" PRIu32 " has value %" PRIu32 ", not %" PRIu32,
                      where, key, replayed[key], wanted[key]);
    }
    expect_segments(h, where);
}
