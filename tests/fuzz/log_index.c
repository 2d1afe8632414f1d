/* The index files of a segment, whatever is in them.
 *
 * Input: a byte, then the content of .index (byte even) or .timeindex (odd) beside a sound segment
 * of 40 records, sealed or (byte & 2) active, after a clean shutdown. Properties: every offset is
 * found, by offset always, by time where the offset index is the damaged one.
 */
#include "fuzz.h"

#include "log/log.h"
#include "sim/sim_disk.h"
#include "wire/batch.h"

#include <string.h>

#define NOW_MS  INT64_C(1700000000000)
#define RECORDS 40

static struct log *open_log(struct sim_disk *disk)
{
    struct log_config config = LOG_CONFIG_DEFAULT;
    config.index_interval_bytes = 100;
    const struct log_params params = { .fs = sim_disk_fs(disk),
                                       .log_dir = "/",
                                       .topic = "t",
                                       .config = &config,
                                       .create = true,
                                       .had_clean_shutdown = true,
                                       .now_ms = NOW_MS };
    struct log *log;
    ASSERT(log_open(&params, &log, NULL) == 0);
    return log;
}

static void append_one(struct log *log, int64_t timestamp)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    ASSERT(batch_builder_add(&builder, timestamp, BYTES_NULL, BYTES_LITERAL("v"), NULL, 0) == 0);
    struct bytes bytes;
    ASSERT(batch_builder_finish(&builder, &bytes) == 0);
    struct shared *owner = shared_new(bytes.size);
    memcpy(owner->data, bytes.data, bytes.size);
    batch_builder_deinit(&builder);
    const struct log_append append = { .owner = owner,
                                       .records = owner->data,
                                       .size_bytes = (uint32_t)owner->size,
                                       .origin = LOG_ORIGIN_CLIENT,
                                       .now_ms = NOW_MS };
    struct log_append_result result;
    log_append_plan(log, &append, &result);
    ASSERT(result.error == KAFKA_NONE);
    shared_unref(owner);
    ASSERT(log_write(log, NULL) == 0);
}

static void make_log(struct sim_disk *disk, bool is_sealed)
{
    struct log *log = open_log(disk);
    for (int i = 0; i < RECORDS; i++)
        append_one(log, NOW_MS + i);
    if (is_sealed) {
        ASSERT(log_roll(log, NOW_MS, NULL) == 0);
        append_one(log, NOW_MS + RECORDS);
    }
    ASSERT(log_close(log, true, NULL, NULL) == 0);
}

static void put_index(struct sim_disk *disk, bool is_time, const uint8_t *data, size_t size)
{
    struct io_file *file;
    ASSERT(io_file_open(sim_disk_fs(disk),
                        is_time ? "/t-0/00000000000000000000.timeindex"
                                : "/t-0/00000000000000000000.index",
                        IO_OPEN_WRITE | IO_OPEN_TRUNCATE, &file) == 0);
    ASSERT(io_file_write(file, 0, data, size) == 0);
    io_file_unref(file);
}

static void expect_offset(struct log *log, int64_t offset)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = 1,
                                      .min_one = true,
                                      .may_sleep = true,
                                      .copy_max = UINT32_MAX,
                                      .arena = &arena };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    ASSERT(log_read(log, &request, &piece, &wait, NULL) == 0);
    struct batch_view view;
    ASSERT(batch_parse(bytes_from(piece.data, piece.size_bytes), &view) > 0);
    ASSERT(view.base_offset == offset);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const bool is_time = (data[0] & 1) != 0;
    struct sim_disk *disk = sim_disk_new(1);
    make_log(disk, (data[0] & 2) == 0);
    put_index(disk, is_time, data + 1, size - 1);
    struct log *log = open_log(disk);
    ASSERT(log_offsets(log)->end >= RECORDS);
    for (int i = 0; i < RECORDS; i++) {
        expect_offset(log, i);
        struct log_time_offset found;
        struct log_wait wait = { 0 };
        const int r = log_offset_for_time(log, NOW_MS + i, true, &found, &wait, NULL);
        ASSERT(r == 0);
        /* A time index may claim an end of time that is too early, and nothing in it shows that. */
        ASSERT(is_time || found.offset == i);
    }
    append_one(log, NOW_MS + RECORDS + 1);
    expect_offset(log, log_offsets(log)->end - 1);
    log_abandon(log);
    sim_disk_free(disk);
    return 0;
}
