/* Batches and logs for tests: see sample_test.h. */
#include "log/sample_test.h"

#include "base/mem.h"
#include "wire/control_record.h"

#include <string.h>

struct shared *sample_batch(const struct sample_batch *sample)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.base_offset = sample->base_offset;
    options.leader_epoch = sample->leader_epoch;
    options.codec = sample->codec;
    options.attributes = sample->attributes;
    if (sample->has_producer) {
        options.producer_id = sample->producer_id;
        options.producer_epoch = sample->producer_epoch;
        options.base_sequence = sample->sequence;
    }
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    const size_t value_size = sample->value_bytes == 0 ? 10 : sample->value_bytes;
    AUTO(mem_freep) uint8_t *value = mem_alloc(value_size);
    const int32_t count = sample->count == 0 ? 1 : sample->count;
    const int64_t first_ms = sample->timestamp_ms == 0 ? SAMPLE_NOW_MS : sample->timestamp_ms;
    const int64_t step_ms = sample->step_ms == 0 ? 1 : sample->step_ms;
    for (int32_t i = 0; i < count; i++) {
        memset(value, 'a' + i % 26, value_size);
        EXPECT_OK(batch_builder_add(&builder, first_ms + step_ms * i,
                                    sample->has_null_keys ? BYTES_NULL : BYTES_LITERAL("key"),
                                    bytes_from(value, value_size), NULL, 0));
    }
    struct bytes bytes;
    EXPECT_OK(batch_builder_finish(&builder, &bytes));
    struct shared *shared = shared_new(bytes.size);
    memcpy(shared->data, bytes.data, bytes.size);
    batch_builder_deinit(&builder);
    return shared;
}

struct shared *sample_marker(int64_t producer_id, int16_t epoch, bool is_commit,
                             int32_t coordinator_epoch)
{
    const struct transaction_marker marker = { .type = is_commit ? CONTROL_COMMIT : CONTROL_ABORT,
                                               .leader_epoch = -1,
                                               .timestamp_ms = SAMPLE_NOW_MS,
                                               .producer_id = producer_id,
                                               .producer_epoch = epoch,
                                               .coordinator_epoch = coordinator_epoch };
    struct shared *shared = shared_new(TRANSACTION_MARKER_BYTES);
    transaction_marker_encode(&marker, shared->data);
    return shared;
}

const struct uuid sample_topic_id = { { 1, 2, 3 } };

struct log_config sample_log_config(void)
{
    struct log_config config = LOG_CONFIG_DEFAULT;
    config.segment_bytes = 4096;
    config.index_interval_bytes = 256;
    config.segment_index_bytes = 4096;
    config.timestamp_after_max_ms = INT64_MAX;
    return config;
}

int sample_try_open(const struct sample_open *open, struct log **out, struct err_note *note)
{
    const struct log_config config = sample_log_config();
    const struct log_params params = {
        .fs = open->fs,
        .log_dir = open->log_dir == NULL ? "/d" : open->log_dir,
        .topic = "t",
        .topic_id = sample_topic_id,
        .config = open->config == NULL ? &config : open->config,
        .create = true,
        .had_clean_shutdown = !open->is_unclean,
        .is_always_recovered = open->is_always_recovered,
        .recovery_point = open->recovery_point,
        .flushed_offset = open->flushed_offset,
        .is_recovery_point_known = true,
        .log_start_offset = open->log_start_offset,
        .cleaned_end = open->cleaned_end,
        .now_ms = open->now_ms == 0 ? SAMPLE_NOW_MS : open->now_ms,
        .seed = 7,
    };
    const int r = io_fs_make_directories(open->fs, params.log_dir);
    return r < 0 ? r : log_open(&params, out, note);
}

struct log *sample_open(const struct sample_open *open)
{
    struct log *log = NULL;
    struct err_note note = { "" };
    const int r = sample_try_open(open, &log, &note);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "open: %s: %s", err_name(r), note.text);
    return log;
}

struct log_append_result sample_plan(struct log *log, enum log_origin origin, struct shared *batch)
{
    const struct log_append append = { .owner = batch,
                                       .records = batch->data,
                                       .size_bytes = (uint32_t)batch->size,
                                       .origin = origin,
                                       .leader_epoch =
                                           origin == LOG_ORIGIN_REPLICATION ? INT32_MAX : 0,
                                       .now_ms = SAMPLE_NOW_MS,
                                       .transaction_verified = true,
                                       .transaction_version = 0 };
    struct log_append_result result;
    log_append_plan(log, &append, &result);
    shared_unref(batch);
    return result;
}

int64_t sample_append(struct log *log, const struct sample_batch *sample)
{
    const struct log_append_result result =
        sample_plan(log, LOG_ORIGIN_CLIENT, sample_batch(sample));
    EXPECT_EQ(result.error, KAFKA_NONE);
    struct err_note note = { "" };
    const int r = log_write(log, &note);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "write: %s: %s", err_name(r), note.text);
    return result.first_offset;
}

static struct log_piece read_piece(struct log *log, int64_t offset, uint32_t bytes_max,
                                   struct arena *arena)
{
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = bytes_max,
                                      .min_one = true,
                                      .may_sleep = true,
                                      .copy_max = UINT32_MAX,
                                      .arena = arena };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    struct err_note note = { "" };
    const int r = log_read(log, &request, &piece, &wait, &note);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "read at %" PRId64 ": %s: %s", offset, err_name(r),
                  note.text);
    EXPECT(piece.file == NULL);
    return piece;
}

struct bytes sample_read_all(struct log *log, int64_t offset)
{
    struct buf all;
    buf_init(&all, INT32_MAX);
    while (offset < log_offsets(log)->end) {
        struct arena arena;
        arena_init(&arena, 1u << 30);
        const struct log_piece piece = read_piece(log, offset, 1000, &arena);
        struct bytes rest = bytes_from(piece.data, piece.size_bytes);
        const int64_t before = offset;
        struct batch_view view;
        while (batch_parse(rest, &view) > 0) {
            EXPECT_OK(batch_check_crc(&view));
            EXPECT(batch_last_offset(&view) >= offset);
            buf_put_bytes(&all, view.bytes);
            offset = batch_last_offset(&view) + 1;
            rest = bytes_slice(rest, view.bytes.size, rest.size);
        }
        EXPECT(offset > before);
        arena_deinit(&arena);
    }
    const size_t size = all.size;
    return size == 0 ? bytes_from(mem_alloc(0), 0) : bytes_from(buf_take(&all), size);
}

void sample_expect_readable(struct log *log)
{
    for (int64_t offset = log_offsets(log)->start; offset < log_offsets(log)->end; offset++) {
        struct arena arena;
        arena_init(&arena, 1u << 30);
        const struct log_piece piece = read_piece(log, offset, 1, &arena);
        struct batch_view view;
        EXPECT(batch_parse(bytes_from(piece.data, piece.size_bytes), &view) > 0);
        EXPECT_OK(batch_check_crc(&view));
        EXPECT(view.base_offset <= offset && offset <= batch_last_offset(&view));
        arena_deinit(&arena);
    }
}
