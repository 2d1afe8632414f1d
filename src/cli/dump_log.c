/* kafka-dump-log: what segments, snapshots and indexes hold. Here: options, files, what does not fit together. */
#include "cli/dump_log.h"
#include "cli/cli_int.h"

#include "base/mem.h"

#include <string.h>

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
      .words = "How keys are printed: org.apache.kafka.tools.api. and StringDecoder (the default), "
               "LongDecoder or IntegerDecoder." },
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
      .words = "The same for values." },
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

/* ---- what does not fit together -------------------------------------------------------------- */

void dump_find(struct dump *d, enum dump_fault fault, const char *path, int64_t a, int64_t b)
{
    VEC_ADD(&d->findings,
            ((struct dump_finding){
                .fault = fault, .path = arena_printf(&d->arena, "%s", path), .a = a, .b = b }));
}

/* In Kafka's words, which other programs look for. */
static void tell(const struct dump *d, enum dump_fault fault)
{
    static const struct {
        const char *head;
        const char *before;
        const char *between;
    } words[] = {
        [DUMP_INDEX_MISMATCH] = { "Mismatches in :", "  Index offset: ", ", log offset: " },
        [DUMP_TIME_MISMATCH] = { "Found timestamp mismatch in :", "  Index timestamp: ",
                                 ", log timestamp: " },
        [DUMP_TIME_ORDER] = { "Found out of order timestamp in :", "  Index timestamp: ",
                              ", Previously indexed timestamp: " },
        [DUMP_TIME_NOT_FOUND] = { "The following indexed offsets are not found in :",
                                  "Indexed offset: ", ", found log offset: " },
        [DUMP_NOT_CONSECUTIVE] = { "Non-consecutive offsets in ", "  ", " is followed by " },
    };
    const char *path = NULL;
    for (size_t i = 0; i < d->findings.count; i++) {
        const struct dump_finding *f = &d->findings.items[i];
        if (f->fault != fault)
            continue;
        if (path == NULL || strcmp(path, f->path) != 0)
            cli_err(d->context, "%s%s\n", words[fault].head, f->path);
        path = f->path;
        cli_err(d->context, "%s%" PRId64 "%s%" PRId64 "\n", words[fault].before, f->a,
                words[fault].between, f->b);
    }
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
    if (ends_with(name, ".log") || ends_with(name, ".checkpoint"))
        r = dump_batches(d, file, path, name);
    else if (ends_with(name, ".timeindex"))
        r = dump_time_index(d, file, path);
    else if (ends_with(name, ".txnindex"))
        r = dump_transaction_index(d, file, path);
    else if (ends_with(name, ".index"))
        r = dump_offset_index(d, file, path);
    else if (ends_with(name, ".snapshot"))
        r = dump_producer_snapshot(d, file, path);
    else
        cli_err(d->context, "Ignoring unknown file %s\n", path);
    io_file_unref(file);
    return r;
}

/* ---- options --------------------------------------------------------------------------------- */

/* Kafka's decoders are its deserializers by other names. */
static int find_decoder(const struct cli_context *context, const struct cli_options *o,
                        const char *option, enum deserializer *out)
{
    static const struct {
        const char *class;
        enum deserializer deserializer;
    } decoders[] = { { "org.apache.kafka.tools.api.StringDecoder", DESERIALIZER_STRING },
                     { "org.apache.kafka.tools.api.DefaultDecoder", DESERIALIZER_NONE },
                     { "org.apache.kafka.tools.api.LongDecoder", DESERIALIZER_LONG },
                     { "org.apache.kafka.tools.api.IntegerDecoder", DESERIALIZER_INTEGER } };
    const char *class = cli_text(o, option, decoders[0].class);
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++) {
        if (strcmp(class, decoders[i].class) == 0) {
            *out = decoders[i].deserializer;
            return -1;
        }
    }
    cli_err(context, "--%s: this build has no decoder %s\n", option, class);
    return 1;
}

static void take_options(struct dump *d, const struct cli_options *o)
{
    static const struct {
        const char *option;
        enum wire_kind kind;
    } decoders[] = { { "offsets-decoder", WIRE_KIND_GROUP_KEY },
                     { "transaction-log-decoder", WIRE_KIND_TRANSACTION_KEY },
                     { "cluster-metadata-decoder", WIRE_KIND_METADATA_RECORD },
                     { "remote-log-metadata-decoder", WIRE_KIND_REMOTE_LOG_RECORD },
                     { "share-group-state-decoder", WIRE_KIND_SHARE_KEY } };
    for (size_t i = 0; i < ARRAY_LEN(decoders) && !d->has_decoder; i++) {
        if (cli_has(o, decoders[i].option)) {
            d->has_decoder = true;
            d->decoder = decoders[i].kind;
        }
    }
    d->prints_data = d->has_decoder || cli_has(o, "print-data-log") ||
                     cli_has(o, "value-decoder-class") || cli_has(o, "key-decoder-class");
    d->prints_records = d->prints_data || cli_has(o, "deep-iteration");
    d->skips_metadata = cli_has(o, "skip-record-metadata");
    d->checks_only = cli_has(o, "index-sanity-check");
    d->verifies_only = cli_has(o, "verify-index-only");
    d->bytes_max = cli_number(o, "max-bytes", INT64_MAX);
}

/* The first file that cannot be read ends the run. */
static int dump(const struct cli_context *context, const struct cli_options *o)
{
    struct dump d = { .context = context };
    int exit_code = find_decoder(context, o, "key-decoder-class", &d.key_decoder);
    if (exit_code < 0)
        exit_code = find_decoder(context, o, "value-decoder-class", &d.value_decoder);
    if (exit_code > 0)
        return exit_code;
    arena_init(&d.arena, SIZE_MAX);
    take_options(&d, o);
    int r = 0;
    for (const char *list = cli_text(o, "files", ""); r == 0 && *list != '\0';) {
        const size_t size = strcspn(list, ",");
        char *path = bytes_to_text(bytes_trim(bytes_from(list, size)));
        if (path[0] != '\0')
            r = dump_file(&d, path);
        mem_free(path);
        list += size + (list[size] == ',');
    }
    for (int fault = DUMP_INDEX_MISMATCH; r == 0 && fault <= DUMP_NOT_CONSECUTIVE; fault++)
        tell(&d, (enum dump_fault)fault);
    VEC_DEINIT(&d.findings);
    arena_deinit(&d.arena);
    return r < 0 ? 1 : 0;
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
