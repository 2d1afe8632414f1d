/* kafka-dump-log: what segments, snapshots of the metadata log and indexes hold.
 *
 * Files are read batch by batch; a batch above BATCH_BYTES_MAX, or one that is cut, ends the file with a line.
 */
#include "cli/cli_int.h"
#include "cli/options.h"

#include "base/be.h"
#include "base/mem.h"
#include "wire/control_record.h"
#include "wire/messages/kraft_version_record.h"
#include "wire/messages/leader_change_message.h"
#include "wire/messages/snapshot_footer_record.h"
#include "wire/messages/snapshot_header_record.h"
#include "wire/messages/voters_record.h"
#include "wire/record_frame.h"

#include <ctype.h>
#include <string.h>

#define BATCH_BYTES_MAX   (256u << 20)
#define INDEX_ENTRY_BYTES 8
#define TIME_ENTRY_BYTES  12

static const struct cli_option table[] = {
    { .name = "cluster-metadata-decoder", .words = "Records are cluster metadata." },
    { .name = "deep-iteration", .words = "Tell of each record." },
    { .name = "files",
      .takes = CLI_VALUE,
      .value_words = "file1, file2, ...",
      .words = "REQUIRED: the files, separated by commas." },
    { .name = "help", .words = "Show this help." },
    { .name = "index-sanity-check", .words = "Of indexes: only whether they are sound." },
    { .name = "key-decoder-class",
      .takes = CLI_VALUE_OR_NOTHING,
      .words = "Keys are printed as the bytes they are; another class is refused." },
    { .name = "max-bytes",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "size",
      .words = "Read so many bytes of a log at most." },
    { .name = "max-message-size",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "size",
      .words = "Without effect: batches up to 256 MiB are read." },
    { .name = "offsets-decoder", .words = "Records are __consumer_offsets'." },
    { .name = "print-data-log", .words = "Tell keys and values too." },
    { .name = "remote-log-metadata-decoder", .words = "Records are __remote_log_metadata's." },
    { .name = "share-group-state-decoder", .words = "Records are __share_group_state's." },
    { .name = "skip-record-metadata", .words = "With --print-data-log: only keys and values." },
    { .name = "transaction-log-decoder", .words = "Records are __transaction_state's." },
    { .name = "value-decoder-class",
      .takes = CLI_VALUE_OR_NOTHING,
      .words = "Values are printed as the bytes they are; another class is refused." },
    { .name = "verify-index-only", .words = "Of indexes: tell of faults only, not of entries." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-dump-log",
    .words = "Tell what log files, metadata snapshots and indexes hold.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

struct dump {
    const struct cli_context *context;
    const struct cli_options *options;
    enum wire_kind decoder;
    bool has_decoder;
    bool prints_data;
    bool prints_records;
    bool skips_metadata;
};

/* ---- records --------------------------------------------------------------------------------- */

/* "FeatureLevelRecord" as FEATURE_LEVEL_RECORD */
static void put_type(struct buf *out, const char *name)
{
    for (size_t i = 0; name[i] != '\0'; i++) {
        if (i > 0 && isupper((unsigned char)name[i]))
            buf_put_text(out, "_");
        buf_printf(out, "%c", toupper((unsigned char)name[i]));
    }
}

static void put_framed(struct dump *d, struct buf *out, const struct record *record)
{
    struct arena arena;
    struct framed_record framed;
    struct err_note note = { 0 };
    arena_init(&arena, SIZE_MAX);
    const int r = record_frame_decode(d->decoder, record->value, &arena, &framed, &note);
    if (r < 0) {
        buf_printf(out, " payload: <cannot be read: %s>", note.text);
    } else {
        buf_put_text(out, d->skips_metadata ? "payload: {\"type\":\"" : " payload: {\"type\":\"");
        put_type(out, framed.message->name);
        buf_printf(out, "\",\"version\":%d,\"data\":", framed.version);
        wire_print(framed.message, framed.version, framed.value, out);
        buf_put_text(out, "}");
    }
    arena_deinit(&arena);
}

static void put_coordinator(struct dump *d, struct buf *out, const struct record *record)
{
    struct arena arena;
    struct framed_record key;
    struct framed_record value;
    struct err_note note = { 0 };
    arena_init(&arena, SIZE_MAX);
    int r = coordinator_key_decode(d->decoder, record->key, &arena, &key, &note);
    if (r == 0) {
        buf_printf(out, "%skey: {\"type\":\"%d\",\"data\":", d->skips_metadata ? "" : " ",
                   key.message->id);
        wire_print(key.message, key.version, key.value, out);
        buf_put_text(out, "} payload: ");
        if (bytes_is_null(record->value))
            buf_put_text(out, "<DELETE>");
        else
            r = coordinator_value_decode(&key, record->value, &arena, &value, &note);
    }
    if (r < 0) {
        buf_printf(out, " payload: <cannot be read: %s>", note.text);
    } else if (!bytes_is_null(record->value)) {
        buf_printf(out, "{\"version\":\"%d\",\"data\":", value.version);
        wire_print(value.message, value.version, value.value, out);
        buf_put_text(out, "}");
    }
    arena_deinit(&arena);
}

static void put_data(struct dump *d, struct buf *out, const struct record *record)
{
    if (d->has_decoder &&
        (d->decoder == WIRE_KIND_METADATA_RECORD || d->decoder == WIRE_KIND_REMOTE_LOG_RECORD)) {
        put_framed(d, out, record);
        return;
    }
    if (d->has_decoder) {
        put_coordinator(d, out, record);
        return;
    }
    const char *gap = d->skips_metadata ? "" : " ";
    if (!bytes_is_null(record->key)) {
        buf_printf(out, "%skey: ", gap);
        buf_put_bytes(out, record->key);
        gap = " ";
    }
    if (!bytes_is_null(record->value)) {
        buf_printf(out, "%spayload: ", gap);
        buf_put_bytes(out, record->value);
    }
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

static void put_metadata(struct buf *out, const struct batch_view *batch,
                         const struct record *record, int32_t index)
{
    struct arena arena;
    struct record_header *headers = NULL;
    arena_init(&arena, SIZE_MAX);
    const int count = record_headers(record, &arena, &headers);
    buf_printf(out, "offset: %" PRId64 " %s: %" PRId64 " keySize: %d valueSize: %d", record->offset,
               (batch->attributes & BATCH_LOG_APPEND_TIME) != 0 ? "LogAppendTime" : "CreateTime",
               record->timestamp, bytes_is_null(record->key) ? -1 : (int)record->key.size,
               bytes_is_null(record->value) ? -1 : (int)record->value.size);
    buf_printf(out, " sequence: %" PRId32 " headerKeys: [",
               batch->base_sequence < 0 ? -1 : batch->base_sequence + index);
    for (int i = 0; i < count; i++)
        buf_printf(out, "%s%.*s", i == 0 ? "" : ",", BYTES_PRINTF(headers[i].key));
    buf_put_text(out, "]");
    arena_deinit(&arena);
}

static void print_records(struct dump *d, const struct batch_view *batch)
{
    AUTO(record_walk_deinit) struct record_walk walk;
    struct record record;
    struct buf line;
    int r;
    record_walk_init(&walk, batch, NULL, BATCH_BYTES_MAX);
    buf_init(&line, SIZE_MAX);
    for (int32_t i = 0; (r = record_walk_next(&walk, &record)) > 0; i++) {
        buf_clear(&line);
        buf_put_text(&line, "| ");
        if (!d->skips_metadata)
            put_metadata(&line, batch, &record, i);
        if ((batch->attributes & BATCH_CONTROL) != 0 && !d->skips_metadata)
            put_control(&line, &record);
        else if ((batch->attributes & BATCH_CONTROL) != 0)
            buf_clear(&line);
        else if (d->prints_data)
            put_data(d, &line, &record);
        buf_put_text(&line, "\n");
        d->context->write(d->context->context, false, buf_view(&line));
    }
    if (r < 0)
        cli_out(d->context, "A record of this batch cannot be read: %s\n", err_sentence(r));
    buf_deinit(&line);
}

/* ---- logs ------------------------------------------------------------------------------------ */

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

static void print_batch(struct dump *d, const struct batch_view *b, int64_t position)
{
    char horizon[48] = "OptionalLong.empty";
    if ((b->attributes & BATCH_DELETE_HORIZON) != 0) {
        char *text = mem_printf("OptionalLong[%" PRId64 "]", b->base_timestamp);
        memcpy(horizon, text, strlen(text) + 1);
        mem_free(text);
    }
    cli_out(d->context,
            "baseOffset: %" PRId64 " lastOffset: %" PRId64 " count: %" PRId32
            " baseSequence: %" PRId32 " lastSequence: %" PRId32 " producerId: %" PRId64
            " producerEpoch: %d partitionLeaderEpoch: %" PRId32
            " isTransactional: %s isControl: %s deleteHorizonMs: %s position: %" PRId64
            " %s: %" PRId64 " size: %zu magic: %d compresscodec: %s crc: %" PRIu32 " isvalid: %s\n",
            b->base_offset, batch_last_offset(b), b->record_count, b->base_sequence,
            b->base_sequence < 0 ? -1 : b->base_sequence + b->last_offset_delta, b->producer_id,
            b->producer_epoch, b->leader_epoch, truth((b->attributes & BATCH_TRANSACTIONAL) != 0),
            truth((b->attributes & BATCH_CONTROL) != 0), horizon, position,
            (b->attributes & BATCH_LOG_APPEND_TIME) != 0 ? "LogAppendTime" : "CreateTime",
            b->max_timestamp, b->bytes.size, b->magic, codec_name(batch_codec(b)), b->crc,
            truth(batch_check_crc(b) == 0));
}

/* The batch at `position`: 1 with its view into *buffer, 0 at the end, or negative. */
static int read_batch(struct io_file *file, int64_t position, struct buf *buffer,
                      struct batch_view *out)
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
    buf_clear(buffer);
    uint8_t *to = buf_extend(buffer, (size_t)size);
    n = io_file_read(file, position, to, (size_t)size);
    if (n < 0)
        return (int)n;
    const int r = batch_parse(bytes_from(to, (size_t)n), out);
    return r < 0 ? r : 1;
}

static int dump_log(struct dump *d, struct io_file *file, const char *name)
{
    const int64_t bytes_max = cli_number(d->options, "max-bytes", INT64_MAX);
    int64_t offset = 0;
    int64_t epoch = 0;
    IGNORE_RESULT(bytes_to_i64(bytes_from(name, MIN(strlen(name), (size_t)20)), &offset));
    if (strstr(name, ".checkpoint") != NULL && strlen(name) > 31) {
        IGNORE_RESULT(bytes_to_i64(bytes_from(name + 21, 10), &epoch));
        cli_out(d->context, "Snapshot end offset: %" PRId64 ", epoch: %" PRId64 "\n", offset,
                epoch);
    } else if (strstr(name, ".checkpoint") == NULL) {
        cli_out(d->context, "Log starting offset: %" PRId64 "\n", offset);
    }
    struct buf buffer;
    struct batch_view batch;
    int64_t position = 0;
    int r = 0;
    buf_init(&buffer, BATCH_BYTES_MAX);
    while (position < bytes_max && (r = read_batch(file, position, &buffer, &batch)) > 0) {
        print_batch(d, &batch, position);
        if (d->prints_records)
            print_records(d, &batch);
        position += (int64_t)batch.bytes.size;
    }
    if (r < 0) {
        const int64_t size = io_file_size(file);
        cli_out(d->context, "Found %" PRId64 " invalid bytes at the end of %s: %s\n",
                size - position, name, err_sentence(r));
    }
    buf_deinit(&buffer);
    return 0;
}

/* ---- indexes --------------------------------------------------------------------------------- */

/* Entries ascend; an index that was made ahead ends in zeroes. */
static int dump_index(struct dump *d, struct io_file *file, const char *name, size_t entry_bytes)
{
    int64_t base = 0;
    int64_t last = -1;
    bool is_sound = io_file_size(file) % (int64_t)entry_bytes == 0;
    const bool is_silent =
        cli_has(d->options, "index-sanity-check") || cli_has(d->options, "verify-index-only");
    IGNORE_RESULT(bytes_to_i64(bytes_from(name, MIN(strlen(name), (size_t)20)), &base));
    for (int64_t at = 0;; at += (int64_t)entry_bytes) {
        uint8_t entry[TIME_ENTRY_BYTES];
        const int64_t n = io_file_read(file, at, entry, entry_bytes);
        if (n < (int64_t)entry_bytes)
            break;
        const bool is_time = entry_bytes == TIME_ENTRY_BYTES;
        const int64_t key = is_time ? be_load_i64(entry) : (int64_t)be_load_u32(entry);
        const int64_t offset = base + be_load_u32(entry + (is_time ? 8 : 0));
        if (key == 0 && at > 0)
            break;
        if (!is_silent && is_time)
            cli_out(d->context, "timestamp: %" PRId64 " offset: %" PRId64 "\n", key, offset);
        else if (!is_silent)
            cli_out(d->context, "offset: %" PRId64 " position: %" PRId32 "\n", offset,
                    be_load_i32(entry + 4));
        if (key < last) {
            is_sound = false;
            cli_out(d->context, "Entry at byte %" PRId64 " of %s is smaller than the one before\n",
                    at, name);
        }
        last = key;
    }
    if (cli_has(d->options, "index-sanity-check"))
        cli_out(d->context, "%s %s sanity check.\n", name, is_sound ? "passed" : "failed");
    return is_sound ? 0 : -ERR_CORRUPT;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *suffix)
{
    const size_t size = strlen(name);
    const size_t suffix_size = strlen(suffix);
    return size >= suffix_size && strcmp(name + size - suffix_size, suffix) == 0;
}

static int dump_file(struct dump *d, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    struct io_file *file = NULL;
    cli_out(d->context, "Dumping %s\n", path);
    int r = io_file_open(io_get_fs(d->context->io), path, IO_OPEN_READ, &file);
    if (r < 0) {
        cli_err(d->context, "%s cannot be read: %s\n", path, err_sentence(r));
        return r;
    }
    if (ends_with(name, ".log") || ends_with(name, ".checkpoint")) {
        r = dump_log(d, file, name);
    } else if (ends_with(name, ".timeindex")) {
        r = dump_index(d, file, name, TIME_ENTRY_BYTES);
    } else if (ends_with(name, ".index")) {
        r = dump_index(d, file, name, INDEX_ENTRY_BYTES);
    } else {
        cli_err(d->context, "Ignoring unknown file %s\n", path);
    }
    io_file_unref(file);
    return r;
}

static int dump(const struct cli_context *context, const struct cli_options *o)
{
    static const struct {
        const char *option;
        enum wire_kind kind;
    } decoders[] = { { "cluster-metadata-decoder", WIRE_KIND_METADATA_RECORD },
                     { "offsets-decoder", WIRE_KIND_GROUP_KEY },
                     { "transaction-log-decoder", WIRE_KIND_TRANSACTION_KEY },
                     { "remote-log-metadata-decoder", WIRE_KIND_REMOTE_LOG_RECORD },
                     { "share-group-state-decoder", WIRE_KIND_SHARE_KEY } };
    struct dump d = { .context = context, .options = o };
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++) {
        if (cli_has(o, decoders[i].option)) {
            d.has_decoder = true;
            d.decoder = decoders[i].kind;
        }
    }
    d.prints_data = d.has_decoder || cli_has(o, "print-data-log") ||
                    cli_has(o, "value-decoder-class") || cli_has(o, "key-decoder-class");
    d.prints_records = d.prints_data || cli_has(o, "deep-iteration");
    d.skips_metadata = cli_has(o, "skip-record-metadata");
    int exit_code = 0;
    const char *list = cli_text(o, "files", "");
    while (*list != '\0') {
        const size_t size = strcspn(list, ",");
        char *path = bytes_to_text(bytes_trim(bytes_from(list, size)));
        if (path[0] != '\0' && dump_file(&d, path) < 0)
            exit_code = 1;
        mem_free(path);
        list += size + (list[size] == ',');
    }
    return exit_code;
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    struct cli_options options;
    int exit_code = cli_begin(context, &spec, argc, argv, &options);
    if (exit_code < 0 && cli_text(&options, "files", NULL) == NULL)
        exit_code = cli_usage(context, &spec, "Missing required argument \"[files]\"");
    if (exit_code < 0)
        exit_code = dump(context, &options);
    cli_options_deinit(&options);
    return exit_code;
}

const struct cli_tool dump_log_tool = {
    .name = "kafka-dump-log",
    .words = "tells what log files hold",
    .run = run,
};
