/* The aborted transactions of a segment, whatever is in its .txnindex.
 *
 * Input: a byte, then the content of .txnindex beside a sound segment in which three producers had transactions, one of them
 * committed, sealed or (byte & 1) active, after a clean (byte & 2) shutdown or none. Properties: the log opens; what readers are
 * told of is an aborted transaction that was there, whole or with another beginning where only the file tells of it; a reader of all
 * is told of every one where the file had to be made anew; the log goes on.
 */
#include "fuzz.h"

#include "log/log.h"
#include "sim/sim_disk.h"
#include "wire/batch.h"
#include "wire/control_record.h"

#include <string.h>

#define NOW_MS    INT64_C(1700000000000)
#define PRODUCERS 3

static struct log *open_log(struct sim_disk *disk, bool was_closed, int64_t recovery_point)
{
    struct log_config config = LOG_CONFIG_DEFAULT;
    config.index_interval_bytes = 100;
    const struct log_params params = { .fs = sim_disk_fs(disk),
                                       .log_dir = "/",
                                       .topic = "t",
                                       .config = &config,
                                       .create = true,
                                       .had_clean_shutdown = was_closed,
                                       .is_recovery_point_known = true,
                                       .recovery_point = recovery_point,
                                       .now_ms = NOW_MS };
    struct log *log;
    ASSERT(log_open(&params, &log, NULL) == 0);
    return log;
}

static void append(struct log *log, enum log_origin origin, struct bytes bytes)
{
    struct shared *owner = shared_new(bytes.size);
    memcpy(owner->data, bytes.data, bytes.size);
    const struct log_append append = { .owner = owner,
                                       .records = owner->data,
                                       .size_bytes = (uint32_t)owner->size,
                                       .origin = origin,
                                       .now_ms = NOW_MS,
                                       .transaction_verified = true,
                                       .transaction_version = 0 };
    struct log_append_result result;
    log_append_plan(log, &append, &result);
    ASSERT(result.error == KAFKA_NONE);
    shared_unref(owner);
    ASSERT(log_write(log, NULL) == 0);
}

static void append_records(struct log *log, int64_t producer_id, int32_t sequence)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.attributes = BATCH_TRANSACTIONAL;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    ASSERT(batch_builder_add(&builder, NOW_MS, BYTES_NULL, BYTES_LITERAL("value"), NULL, 0) == 0);
    struct bytes bytes;
    ASSERT(batch_builder_finish(&builder, &bytes) == 0);
    append(log, LOG_ORIGIN_CLIENT, bytes);
    batch_builder_deinit(&builder);
}

static void append_marker(struct log *log, int64_t producer_id, bool is_commit)
{
    const struct transaction_marker marker = { .type = is_commit ? CONTROL_COMMIT : CONTROL_ABORT,
                                               .leader_epoch = -1,
                                               .timestamp_ms = NOW_MS,
                                               .producer_id = producer_id };
    uint8_t bytes[TRANSACTION_MARKER_BYTES];
    transaction_marker_encode(&marker, bytes);
    append(log, LOG_ORIGIN_COORDINATOR, bytes_from(bytes, sizeof(bytes)));
}

/* Producer 0 aborts, 1 commits, 2 aborts, twice, with records of the others in between. */
static void make_log(struct sim_disk *disk, bool is_sealed)
{
    struct log *log = open_log(disk, true, 0);
    for (int32_t turn = 0; turn < 2; turn++) {
        for (int64_t id = 0; id < PRODUCERS; id++)
            append_records(log, id, turn);
        for (int64_t id = 0; id < PRODUCERS; id++)
            append_marker(log, id, id == 1);
    }
    if (is_sealed) {
        ASSERT(log_roll(log, NOW_MS, NULL) == 0);
        append_records(log, 1, 2);
        append_marker(log, 1, true);
    }
    ASSERT(log_close(log, true, NULL, NULL) == 0);
}

static void put_index(struct sim_disk *disk, const uint8_t *data, size_t size)
{
    struct io_file *file;
    ASSERT(io_file_open(sim_disk_fs(disk), "/t-0/00000000000000000000.txnindex",
                        IO_OPEN_WRITE | IO_OPEN_TRUNCATE, &file) == 0);
    ASSERT(io_file_write(file, 0, data, size) == 0);
    ASSERT(io_file_sync(file) == 0);
    io_file_unref(file);
}

/* Reads all from an offset on, and answers how many aborted transactions were told of. */
static uint32_t read_from(struct log *log, int64_t offset)
{
    struct arena arena;
    arena_init(&arena, 64u << 20);
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = 1u << 20,
                                      .may_sleep = true,
                                      .copy_max = UINT32_MAX,
                                      .arena = &arena };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    ASSERT(log_read(log, &request, &piece, &wait, NULL) == 0);
    struct log_aborted aborted;
    const int r = log_aborted_txns(log, offset, &piece, true, &arena, &aborted, &wait, NULL);
    ASSERT(r == 0 || r == -ERR_CORRUPT);
    for (uint32_t i = 0; r == 0 && i < aborted.count; i++)
        ASSERT(aborted.txns[i].first_offset < log_offsets(log)->end);
    io_file_unref(piece.file);
    arena_deinit(&arena);
    return r == 0 ? aborted.count : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const bool is_sealed = (data[0] & 1) == 0;
    const bool was_closed = (data[0] & 2) != 0;
    struct sim_disk *disk = sim_disk_new(1);
    make_log(disk, is_sealed);
    put_index(disk, data + 1, size - 1);
    struct log *log = open_log(disk, was_closed, was_closed ? INT64_MAX : 0);
    const int64_t end = log_offsets(log)->end;
    ASSERT(end == 12 + (is_sealed ? 2 : 0));
    for (int64_t offset = 0; offset < end; offset++)
        (void)read_from(log, offset);
    if (!was_closed) /* everything was read again */
        ASSERT(read_from(log, 0) == 4);
    append_records(log, 0, 2);
    append_marker(log, 0, false);
    ASSERT(read_from(log, end) >= 1);
    ASSERT(log_truncate(log, 3, NOW_MS, NULL) == 0);
    (void)read_from(log, 0);
    log_abandon(log);
    sim_disk_free(disk);
    return 0;
}
