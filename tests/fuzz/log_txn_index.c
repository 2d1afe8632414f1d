/* The aborted transactions of a segment, whatever is in its .txnindex.
 *
 * Input: a byte, then the content of .txnindex beside a sound segment in which three producers had transactions, one of them
 * committed, sealed or (byte & 1) active, after a clean (byte & 2) shutdown or none. Properties: the log opens; what readers are
 * told of is an aborted transaction that was there, whole or with another beginning where only the file tells of it; a reader of all
 * is told of every one where the file had to be made anew; the log goes on.
 */
#include "fuzz.h"

#include "log_rig.h"
#include "wire/control_record.h"

#define PRODUCERS 3

static struct log *open_log(struct sim_disk *disk, bool was_closed, int64_t recovery_point)
{
    return log_rig_open(disk, (struct log_params){ .create = true,
                                                   .had_clean_shutdown = was_closed,
                                                   .is_recovery_point_known = true,
                                                   .recovery_point = recovery_point });
}

/* What a producer whose transaction is known, or the coordinator, appends. */
static struct log_append append_of(enum log_origin origin)
{
    return (struct log_append){ .origin = origin, .transaction_verified = true };
}

static void write_planned(struct log *log, const struct log_append_result *planned)
{
    ASSERT(planned->error == KAFKA_NONE);
    ASSERT(log_write(log, NULL) == 0);
}

static void append_records(struct log *log, int64_t producer_id, int32_t sequence)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.attributes = BATCH_TRANSACTIONAL;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    const struct log_append_result planned = log_rig_append_record(
        log, &options, LOG_RIG_NOW_MS, BYTES_LITERAL("value"), append_of(LOG_ORIGIN_CLIENT));
    write_planned(log, &planned);
}

static void append_marker(struct log *log, int64_t producer_id, bool is_commit)
{
    const struct transaction_marker marker = { .type = is_commit ? CONTROL_COMMIT : CONTROL_ABORT,
                                               .leader_epoch = -1,
                                               .timestamp_ms = LOG_RIG_NOW_MS,
                                               .producer_id = producer_id };
    uint8_t bytes[TRANSACTION_MARKER_BYTES];
    transaction_marker_encode(&marker, bytes);
    const struct log_append_result planned =
        log_rig_append(log, bytes_from(bytes, sizeof(bytes)), append_of(LOG_ORIGIN_COORDINATOR));
    write_planned(log, &planned);
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
        ASSERT(log_roll(log, LOG_RIG_NOW_MS, NULL) == 0);
        append_records(log, 1, 2);
        append_marker(log, 1, true);
    }
    ASSERT(log_close(log, true, NULL, NULL) == 0);
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
    log_rig_replace_file(disk, "/t-0/00000000000000000000.txnindex",
                         bytes_from(data + 1, size - 1));
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
    ASSERT(log_truncate(log, 3, LOG_RIG_NOW_MS, NULL) == 0);
    (void)read_from(log, 0);
    log_abandon(log);
    sim_disk_free(disk);
    return 0;
}
