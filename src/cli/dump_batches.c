/* kafka-dump-log: segments, and snapshots of the metadata log, batch by batch.
 *
 * A batch above BATCH_BYTES_MAX, one that is cut, or bytes that are none end the file with a line.
 */
#include "cli/dump_log.h"

#include "wire/control_record.h"
#include "wire/messages/kraft_version_record.h"
#include "wire/messages/leader_change_message.h"
#include "wire/messages/snapshot_footer_record.h"
#include "wire/messages/snapshot_header_record.h"
#include "wire/messages/voters_record.h"

#include <string.h>

#define BATCH_BYTES_MAX      (256u << 20)
#define OFFSET_DIGITS        20
#define SNAPSHOT_NAME_DIGITS 31 /* of "<20 digits>-<10 digits>.checkpoint", before the dot */

/* ---- batches of any magic -------------------------------------------------------------------- */

static int parse(struct bytes bytes, struct dump_batch *out)
{
    int r = batch_parse(bytes, &out->view);
    out->is_legacy = r == -ERR_VERSION && (out->view.magic == 0 || out->view.magic == 1);
    if (out->is_legacy)
        r = legacy_parse(bytes, &out->legacy);
    if (r < 0)
        return r;
    out->size_bytes = (size_t)r;
    out->last_offset = out->is_legacy ? out->legacy.offset : batch_last_offset(&out->view);
    return 1;
}

int dump_read_batch(struct io_file *file, int64_t position, struct buf *buffer,
                    struct dump_batch *out)
{
    uint8_t prefix[BATCH_PREFIX_BYTES];
    int64_t n = io_file_read(file, position, prefix, sizeof(prefix));
    if (n <= 0)
        return (int)n;
    if (n < (int64_t)sizeof(prefix))
        return -ERR_OVERRUN;
    const int size = batch_size(bytes_from(prefix, sizeof(prefix)));
    if (size < 0)
        return size;
    if ((uint32_t)size > BATCH_BYTES_MAX)
        return -ERR_LIMIT;
    if (position + size > io_file_size(file))
        return -ERR_OVERRUN; /* before its bytes are made room for */
    buf_clear(buffer);
    uint8_t *to = buf_extend(buffer, (size_t)size);
    n = io_file_read(file, position, to, (size_t)size);
    return n < 0 ? (int)n : parse(bytes_from(to, (size_t)n), out);
}

void dump_walk_init(struct dump_walk *w, const struct dump_batch *batch)
{
    w->is_legacy = batch->is_legacy;
    if (batch->is_legacy)
        legacy_walk_init(&w->legacy, &batch->legacy, NULL, BATCH_BYTES_MAX);
    else
        record_walk_init(&w->walk, &batch->view, NULL, BATCH_BYTES_MAX);
}

int dump_walk_next(struct dump_walk *w, struct record *out)
{
    return w->is_legacy ? legacy_walk_next(&w->legacy, out) : record_walk_next(&w->walk, out);
}

void dump_walk_deinit(struct dump_walk *w)
{
    if (w->is_legacy)
        legacy_walk_deinit(&w->legacy);
    else
        record_walk_deinit(&w->walk);
}

/* ---- records --------------------------------------------------------------------------------- */

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void put_control(struct buf *out, const struct record *record)
{
    static const struct {
        enum control_type type;
        const char *words;
        const struct wire_message *message;
    } messages[] = {
        { CONTROL_LEADER_CHANGE, " LeaderChange: ", &leader_change_message_message },
        { CONTROL_SNAPSHOT_HEADER, " SnapshotHeader ", &snapshot_header_record_message },
        { CONTROL_SNAPSHOT_FOOTER, " SnapshotFooter ", &snapshot_footer_record_message },
        { CONTROL_KRAFT_VERSION, " KRaftVersion ", &kraft_version_record_message },
        { CONTROL_KRAFT_VOTERS, " KRaftVoters ", &voters_record_message },
    };
    enum control_type type = CONTROL_UNKNOWN;
    int32_t epoch = -1;
    if (control_record_parse(record->key, &type) < 0)
        type = CONTROL_UNKNOWN;
    if ((type == CONTROL_ABORT || type == CONTROL_COMMIT) &&
        transaction_marker_parse(record->value, &epoch) == 0)
        buf_printf(out, " endTxnMarker: %s coordinatorEpoch: %" PRId32, control_type_name(type),
                   epoch);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        if (messages[i].type != type)
            continue;
        struct arena arena;
        arena_init(&arena, SIZE_MAX);
        void *value = arena_must_zalloc(&arena, 1, messages[i].message->struct_bytes);
        struct reader r = reader_from(record->value);
        if (wire_decode(messages[i].message, 0, &r, &arena, value, NULL) == 0) {
            buf_put_text(out, messages[i].words);
            wire_print(messages[i].message, 0, value, out);
        }
        arena_deinit(&arena);
    }
}

static const char *time_type(const struct dump_batch *batch)
{
    if (batch->is_legacy && batch->legacy.magic == 0)
        return "NoTimestampType";
    const bool is_append_time = batch->is_legacy
                                    ? legacy_is_log_append_time(&batch->legacy)
                                    : (batch->view.attributes & BATCH_LOG_APPEND_TIME) != 0;
    return is_append_time ? "LogAppendTime" : "CreateTime";
}

static void put_header_keys(const struct record *record, struct buf *out)
{
    struct arena arena;
    struct record_header *headers = NULL;
    arena_init(&arena, SIZE_MAX);
    const int count = record_headers(record, &arena, &headers);
    buf_put_text(out, " headerKeys: [");
    for (int i = 0; i < count; i++)
        buf_printf(out, "%s%.*s", i == 0 ? "" : ",", BYTES_PRINTF(headers[i].key));
    buf_put_text(out, "]");
    arena_deinit(&arena);
}

/* Sequences follow offsets, also where compaction has left gaps; after the largest comes 0. */
static int32_t sequence_at(const struct batch_view *batch, int64_t offset)
{
    return batch->base_sequence < 0
               ? -1
               : (int32_t)((batch->base_sequence + (offset - batch->base_offset)) & INT32_MAX);
}

static void put_metadata(const struct dump_batch *batch, const struct dump_walk *walk,
                         const struct record *record, struct buf *out)
{
    buf_printf(out, "offset: %" PRId64 " %s: %" PRId64 " keySize: %d valueSize: %d", record->offset,
               time_type(batch), record->timestamp,
               bytes_is_null(record->key) ? -1 : (int)record->key.size,
               bytes_is_null(record->value) ? -1 : (int)record->value.size);
    if (batch->is_legacy) {
        const struct legacy_view *inner = &walk->legacy.inner;
        buf_printf(out, " isValid: %s crc: %" PRIu32, truth(legacy_check_crc(inner) == 0),
                   inner->crc);
        return;
    }
    const struct batch_view *view = &batch->view;
    buf_printf(out, " sequence: %" PRId32, sequence_at(view, record->offset));
    put_header_keys(record, out);
    if ((view->attributes & BATCH_CONTROL) != 0)
        put_control(out, record);
}

static void print_records(struct dump *d, const char *path, const struct dump_batch *batch,
                          int64_t *last_offset)
{
    struct dump_walk walk;
    struct record record;
    struct buf line;
    int r;
    dump_walk_init(&walk, batch);
    buf_init(&line, SIZE_MAX);
    const bool is_control = !batch->is_legacy && (batch->view.attributes & BATCH_CONTROL) != 0;
    while ((r = dump_walk_next(&walk, &record)) > 0) {
        if (record.offset != *last_offset + 1)
            dump_find(d, DUMP_NOT_CONSECUTIVE, path, *last_offset, record.offset);
        *last_offset = record.offset;
        buf_clear(&line);
        const char *gap = "| ";
        if (!d->skips_metadata) {
            buf_put_text(&line, gap);
            put_metadata(batch, &walk, &record, &line);
            gap = " ";
        }
        if (d->prints_data && !is_control)
            dump_put_data(d, &record, gap, &line);
        buf_put_text(&line, "\n");
        d->context->write(d->context->context, false, buf_view(&line));
    }
    if (r < 0)
        cli_err(d->context,
                "%s: a record of the batch that ends with offset %" PRId64 " cannot be read: %s\n",
                path, batch->last_offset, err_sentence(r));
    buf_deinit(&line);
    dump_walk_deinit(&walk);
}

/* ---- logs ------------------------------------------------------------------------------------ */

static void print_head(struct dump *d, const struct batch_view *b)
{
    cli_out(d->context,
            "baseOffset: %" PRId64 " lastOffset: %" PRId64 " count: %" PRId32
            " baseSequence: %" PRId32 " lastSequence: %" PRId32 " producerId: %" PRId64
            " producerEpoch: %d partitionLeaderEpoch: %" PRId32
            " isTransactional: %s isControl: %s deleteHorizonMs: ",
            b->base_offset, batch_last_offset(b), b->record_count, b->base_sequence,
            sequence_at(b, batch_last_offset(b)), b->producer_id, b->producer_epoch,
            b->leader_epoch, truth((b->attributes & BATCH_TRANSACTIONAL) != 0),
            truth((b->attributes & BATCH_CONTROL) != 0));
    if ((b->attributes & BATCH_DELETE_HORIZON) != 0)
        cli_out(d->context, "OptionalLong[%" PRId64 "]", b->base_timestamp);
    else
        cli_out(d->context, "OptionalLong.empty");
}

static void print_batch(struct dump *d, const struct dump_batch *batch, int64_t position)
{
    const struct batch_view *view = &batch->view;
    const struct legacy_view *legacy = &batch->legacy;
    const bool is_legacy = batch->is_legacy;
    if (is_legacy)
        cli_out(d->context, "offset: %" PRId64, legacy->offset);
    else
        print_head(d, view);
    cli_out(d->context,
            " position: %" PRId64 " %s: %" PRId64
            " size: %zu magic: %d compresscodec: %s crc: %" PRIu32 " isvalid: %s\n",
            position, time_type(batch), is_legacy ? legacy->timestamp : view->max_timestamp,
            batch->size_bytes, is_legacy ? legacy->magic : view->magic,
            codec_name(is_legacy ? legacy_codec(legacy) : batch_codec(view)),
            is_legacy ? legacy->crc : view->crc,
            truth((is_legacy ? legacy_check_crc(legacy) : batch_check_crc(view)) == 0));
}

/* "<offset>.log", "<offset>-<epoch>.checkpoint" or "bootstrap.checkpoint". */
static int print_name(struct dump *d, const char *path, const char *name)
{
    int64_t offset;
    int64_t epoch;
    const struct bytes text = bytes_from_text(name);
    const struct bytes digits = bytes_slice(text, 0, strcspn(name, ".-"));
    const bool is_snapshot = strstr(name, ".checkpoint") != NULL;
    if (strcmp(name, "bootstrap.checkpoint") == 0) {
        cli_out(d->context, "KRaft bootstrap snapshot\n");
        return 0;
    }
    if (bytes_to_i64(digits, &offset) == 0 && !is_snapshot) {
        cli_out(d->context, "Log starting offset: %" PRId64 "\n", offset);
        return 0;
    }
    if (is_snapshot && digits.size == OFFSET_DIGITS && text.size > SNAPSHOT_NAME_DIGITS &&
        bytes_to_i64(digits, &offset) == 0 &&
        bytes_to_i64(bytes_slice(text, OFFSET_DIGITS + 1, SNAPSHOT_NAME_DIGITS - OFFSET_DIGITS - 1),
                     &epoch) == 0) {
        cli_out(d->context, "Snapshot end offset: %" PRId64 ", epoch: %" PRId64 "\n", offset,
                epoch);
        return 0;
    }
    cli_err(d->context, "%s: its name tells no offset: 00000000000000000000.log is one that does\n",
            path);
    return -ERR_MALFORMED;
}

int dump_batches(struct dump *d, struct io_file *file, const char *path, const char *name)
{
    int r = print_name(d, path, name);
    if (r < 0)
        return r;
    struct buf buffer;
    struct dump_batch batch;
    int64_t position = 0;
    int64_t last_offset = -1;
    buf_init(&buffer, BATCH_BYTES_MAX);
    while ((r = dump_read_batch(file, position, &buffer, &batch)) > 0 &&
           position + (int64_t)batch.size_bytes <= d->bytes_max) {
        print_batch(d, &batch, position);
        if (d->prints_records)
            print_records(d, path, &batch, &last_offset);
        position += (int64_t)batch.size_bytes;
    }
    if (r < 0 && d->bytes_max == INT64_MAX) {
        cli_out(d->context, "Found %" PRId64 " invalid bytes at the end of %s\n",
                io_file_size(file) - position, name);
        cli_err(d->context, "%s, byte %" PRId64 ": %s\n", path, position, err_sentence(r));
    }
    buf_deinit(&buffer);
    return 0;
}
