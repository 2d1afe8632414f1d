/* The index files of a segment, whatever is in them.
 *
 * Input: a byte, then the content of .index (byte even) or .timeindex (odd) beside a sound segment
 * of 40 records, sealed or (byte & 2) active, after a clean shutdown. Properties: every offset is
 * found, by offset always, by time where the offset index is the damaged one.
 */
#include "fuzz.h"

#include "log_rig.h"

#define RECORDS 40

static struct log *open_log(struct sim_disk *disk)
{
    return log_rig_open(disk, (struct log_params){ .create = true, .had_clean_shutdown = true });
}

static void append_one(struct log *log, int64_t timestamp)
{
    const struct batch_options options = BATCH_OPTIONS_NONE;
    const struct log_append how = { .origin = LOG_ORIGIN_CLIENT };
    ASSERT(log_rig_append_record(log, &options, timestamp, BYTES_LITERAL("v"), how).error ==
           KAFKA_NONE);
    ASSERT(log_write(log, NULL) == 0);
}

static void make_log(struct sim_disk *disk, bool is_sealed)
{
    struct log *log = open_log(disk);
    for (int i = 0; i < RECORDS; i++)
        append_one(log, LOG_RIG_NOW_MS + i);
    if (is_sealed) {
        ASSERT(log_roll(log, LOG_RIG_NOW_MS, NULL) == 0);
        append_one(log, LOG_RIG_NOW_MS + RECORDS);
    }
    ASSERT(log_close(log, true, NULL, NULL) == 0);
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
    log_rig_replace_file(
        disk, is_time ? "/t-0/00000000000000000000.timeindex" : "/t-0/00000000000000000000.index",
        bytes_from(data + 1, size - 1));
    struct log *log = open_log(disk);
    ASSERT(log_offsets(log)->end >= RECORDS);
    for (int i = 0; i < RECORDS; i++) {
        expect_offset(log, i);
        struct log_time_offset found;
        struct log_wait wait = { 0 };
        const int r = log_offset_for_time(log, LOG_RIG_NOW_MS + i, true, &found, &wait, NULL);
        ASSERT(r == 0);
        /* A time index may claim an end of time that is too early, and nothing in it shows that. */
        ASSERT(is_time || found.offset == i);
    }
    append_one(log, LOG_RIG_NOW_MS + RECORDS + 1);
    expect_offset(log, log_offsets(log)->end - 1);
    log_abandon(log);
    sim_disk_free(disk);
    return 0;
}
