/* A segment file as a crash, a bad disk or a stranger left it.
 *
 * Input: 00000000000000000000.log. Properties: the log opens, ends between two batches, every
 * offset below its end can be looked for, what is appended then can be read, and a second recovery
 * finds nothing to mend.
 */
#include "fuzz.h"

#include "log_rig.h"

#define OFFSETS_MAX 200 /* looked for, of as many as there are */

static struct log *open_log(struct sim_disk *disk)
{
    return log_rig_open(disk, (struct log_params){ .seed = 1 });
}

static void put_segment(struct sim_disk *disk, const uint8_t *data, size_t size)
{
    struct io_fs *fs = sim_disk_fs(disk);
    struct io_file *file;
    ASSERT(io_fs_make_directory(fs, "/t-0") == 0);
    ASSERT(io_file_open(fs, "/t-0/00000000000000000000.log", IO_OPEN_WRITE | IO_OPEN_CREATE,
                        &file) == 0);
    ASSERT(io_file_write(file, 0, data, size) == 0);
    io_file_unref(file);
}

static void look_for(struct log *log, int64_t offset)
{
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = 1,
                                      .min_one = true,
                                      .may_sleep = true };
    struct log_piece piece = { 0 };
    struct log_wait wait = { 0 };
    const int r = log_read(log, &request, &piece, &wait, NULL);
    ASSERT(r == 0);
    ASSERT((piece.file != NULL) == (piece.size_bytes > 0));
    io_file_unref(piece.file);
}

static void look_around(struct log *log)
{
    const struct log_offsets *offsets = log_offsets(log);
    const int64_t step = (offsets->end - offsets->start) / OFFSETS_MAX + 1;
    for (int64_t offset = offsets->start; offset < offsets->end; offset += step)
        look_for(log, offset);
    struct log_time_offset found;
    struct log_wait wait = { 0 };
    /* Records are not checked by recovery: a batch may be right by its CRC and wrong inside. */
    IGNORE_RESULT(log_offset_for_time(log, 1, true, &found, &wait, NULL));
    IGNORE_RESULT(log_offset_of_max_time(log, true, &found, &wait, NULL));
}

static void append_one(struct log *log)
{
    const int64_t end = log_offsets(log)->end;
    const struct batch_options options = BATCH_OPTIONS_NONE;
    const struct log_append how = { .origin = LOG_ORIGIN_CLIENT };
    const struct log_append_result result =
        log_rig_append_record(log, &options, LOG_RIG_NOW_MS, BYTES_LITERAL("v"), how);
    if (end == INT64_MAX) /* no offset is left to give */
        return;
    ASSERT(result.error == KAFKA_NONE && result.first_offset == end);
    ASSERT(log_write(log, NULL) == 0);
    look_for(log, end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim_disk *disk = sim_disk_new(1);
    put_segment(disk, data, size);
    struct log *log = open_log(disk);
    look_around(log);
    append_one(log);
    const struct log_offsets before = *log_offsets(log);
    log_abandon(log);
    log = open_log(disk);
    ASSERT(log_offsets(log)->end == before.end);
    ASSERT(log_recovery(log).bytes_cut == 0);
    log_abandon(log);
    sim_disk_free(disk);
    return 0;
}
