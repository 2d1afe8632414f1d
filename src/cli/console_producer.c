/* kafka-console-producer: a record for each line of standard input.
 *
 * Standard input is read by a job, so that what was read leaves while the next line is waited for.
 */
#include "cli/cli_int.h"
#include "cli/client_options.h"
#include "cli/line_reader.h"

#include "client/producer.h"
#include "wire/kafka_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_BYTES     65536
#define LINE_BYTES_MAX (512u << 20)
#define LINE_READER    "org.apache.kafka.tools.LineMessageReader"

static const struct cli_option table[] = {
    { .name = "batch-size",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_INT,
      .value_words = "size",
      .words =
          "Bytes of a partition's records that are sent together; batch.size. Default 16384." },
    { .name = "bootstrap-server",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "server to connect to",
      .words = "REQUIRED: brokers to begin with, host:port separated by commas." },
    { .name = "command-config",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "config file",
      .words = "A properties file with settings of the producer." },
    { .name = "command-property",
      .takes = CLI_VALUE,
      .value_words = "producer_prop",
      .words = "A setting of the producer, name=value; stronger than the file's." },
    { .name = "compression-codec",
      .takes = CLI_VALUE_OR_NOTHING,
      .is_once = true,
      .value_words = "compression-codec",
      .words = "none, gzip, snappy, lz4 or zstd; gzip when given without one." },
    { .name = "help", .words = "Show this help." },
    { .name = "line-reader",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "reader_class",
      .words = "Only Kafka's own LineMessageReader, the default." },
    { .name = "max-block-ms",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_LONG,
      .value_words = "max block on send",
      .words = "How long a record may wait for metadata or memory. Default 60000." },
    { .name = "max-memory-bytes",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_LONG,
      .value_words = "total memory in bytes",
      .words = "Memory for records that wait to be sent. Default 33554432." },
    { .name = "max-partition-memory-bytes",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_INT,
      .value_words = "memory in bytes per partition",
      .words = "Deprecated: as --batch-size." },
    { .name = "message-send-max-retries",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_INT,
      .words = "How often a batch is sent again. Default 3." },
    { .name = "metadata-expiry-ms",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_LONG,
      .value_words = "metadata expiration interval",
      .words = "How old knowledge of leaders may become. Default 300000." },
    { .name = "producer-property",
      .takes = CLI_VALUE,
      .value_words = "producer_prop",
      .words = "Deprecated: as --command-property." },
    { .name = "producer.config",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "config file",
      .words = "Deprecated: as --command-config." },
    { .name = "property",
      .takes = CLI_VALUE,
      .value_words = "prop",
      .words = "Deprecated: as --reader-property." },
    { .name = "reader-config",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "config file",
      .words = "A properties file for the reading of lines." },
    { .name = "reader-property",
      .takes = CLI_VALUE,
      .value_words = "prop",
      .words = "How lines are read: parse.key, parse.headers, ignore.error (true or false), "
               "key.separator (a tab), headers.delimiter (a tab), headers.separator (,), "
               "headers.key.separator (:), null.marker. A line is then headers, delimiter, key, "
               "separator, value." },
    { .name = "request-required-acks",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "request required acks",
      .words = "0, 1, -1 or all: who has to have a record before it counts. Default -1." },
    { .name = "request-timeout-ms",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_INT,
      .value_words = "request timeout ms",
      .words = "How long an answer may take. Default 1500." },
    { .name = "retry-backoff-ms",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_LONG,
      .words = "How long to wait before a batch is sent again. Default 100." },
    { .name = "socket-buffer-size",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_INT,
      .value_words = "size",
      .words = "The socket's send buffer; the system chooses it in this build." },
    { .name = "sync", .words = "Wait for each record's acknowledgement before the next is sent." },
    { .name = "timeout",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_LONG,
      .value_words = "timeout_ms",
      .words = "How long a batch may wait to become full. Default 1000." },
    { .name = "topic",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "topic",
      .words = "REQUIRED: the topic to write to." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-console-producer",
    .words = "Read lines from standard input and write them to a topic.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

/* ---- settings -------------------------------------------------------------------------------- */

/* Options over properties over the tool's defaults, which differ from the producer's. */
static void gather(const struct cli_options *o, struct cli_settings *list)
{
    static const struct {
        const char *option;
        const char *setting;
        const char *initial;
    } map[] = {
        { "timeout", "linger.ms", "1000" },
        { "request-required-acks", "acks", "-1" },
        { "request-timeout-ms", "request.timeout.ms", "1500" },
        { "message-send-max-retries", "retries", "3" },
        { "retry-backoff-ms", "retry.backoff.ms", "100" },
        { "socket-buffer-size", "send.buffer.bytes", "102400" },
        { "max-block-ms", "max.block.ms", "60000" },
        { "max-memory-bytes", "buffer.memory", "33554432" },
        { "metadata-expiry-ms", "metadata.max.age.ms", "300000" },
        { "max-partition-memory-bytes", "batch.size", NULL },
        { "batch-size", "batch.size", NULL },
    };
    cli_settings_put(list, "client.id", "console-producer");
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (map[i].initial != NULL)
            cli_settings_put(list, map[i].setting, map[i].initial);
    }
    cli_settings_put_options(list, o, "producer-property");
    cli_settings_put_options(list, o, "command-property");
    if (cli_has(o, "compression-codec"))
        cli_settings_put(list, "compression.type", cli_text(o, "compression-codec", "gzip"));
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (cli_has(o, map[i].option))
            cli_settings_put(list, map[i].setting, cli_text(o, map[i].option, ""));
    }
}

/* ---- standard input -------------------------------------------------------------------------- */

struct input {
    struct io_job job;
    const struct cli_context *context;
    uint8_t *piece; /* READ_BYTES */
    int64_t result; /* of the last read */
    bool is_reading;
};

static void on_read_run(struct io_job *job)
{
    struct input *in = CONTAINER_OF(job, struct input, job);
    in->result = in->context->read(in->context->context, in->piece, READ_BYTES);
}

static void on_read_done(struct io_job *job)
{
    CONTAINER_OF(job, struct input, job)->is_reading = false;
}

static bool is_read(void *context)
{
    const struct input *in = context;
    return !in->is_reading;
}

static void start_read(struct input *in)
{
    in->is_reading = true;
    in->job.run = on_read_run;
    in->job.done = on_read_done;
    io_submit(in->context->io, NULL, &in->job);
}

/* ---- the run --------------------------------------------------------------------------------- */

struct run {
    struct cli_remote remote;
    struct producer *producer;
    struct line_reader reader;
    struct input input;
    struct buf lines; /* read and not yet taken */
    const char *topic;
    bool is_sync;
    struct err_note failure; /* of the record that is waited for */
};

/* As Kafka: what is sent on the side is told and the next line is tried; what is waited for ends the tool. */
static int fail(struct run *run, const struct producer_record *record, int result,
                const char *words)
{
    if (run->is_sync) {
        cli_err(run->remote.context, "%s\n", words);
        return result;
    }
    DIAG_ERROR(&run->remote.diag, "producer",
               "Error when sending message to topic %s with key: %zu bytes, value: %zu bytes with "
               "error: %s",
               run->topic, record->key.size, record->value.size, words);
    return 0;
}

static void on_delivery(void *context, const struct producer_delivery *delivery)
{
    struct run *run = context;
    if (delivery->error == KAFKA_NONE)
        return;
    if (run->is_sync)
        (void)err_note(&run->failure, 0, "%s (%s)", delivery->words,
                       kafka_error_name(delivery->error));
    else
        DIAG_ERROR(&run->remote.diag, "producer",
                   "Error when sending message to topic %.*s, partition %" PRId32
                   " with error: %s (%s)",
                   BYTES_PRINTF(delivery->topic), delivery->partition, delivery->words,
                   kafka_error_name(delivery->error));
}

static int send_line(struct run *run, struct bytes line)
{
    struct err_note note = { 0 };
    struct producer_record record = { .topic = bytes_from_text(run->topic),
                                      .partition = -1,
                                      .timestamp_ms = -1 };
    int r = line_reader_parse(&run->reader, line, &record, &note);
    if (r < 0) {
        cli_err(run->remote.context, "%s\n", note.text);
        return r;
    }
    r = producer_send_wait(run->producer, &record, &note);
    if (r == -ERR_CANCELLED)
        return r;
    if (r < 0)
        return fail(run, &record, r, note.text[0] == '\0' ? err_sentence(r) : note.text);
    if (!run->is_sync)
        return 0;
    r = producer_flush(run->producer);
    return r == 0 && run->failure.text[0] != '\0'
               ? fail(run, &record, -ERR_PROTOCOL, run->failure.text)
               : r;
}

/* Sends the whole lines of run->lines; `all`: also what follows the last one. */
static int send_lines(struct run *run, bool all)
{
    struct bytes rest = buf_view(&run->lines);
    int r = 0;
    while (r == 0 && rest.size > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        if (end == NULL && !all)
            break;
        const size_t size = end == NULL ? rest.size : (size_t)(end - rest.data);
        r = send_line(run, bytes_from(rest.data, size));
        rest = bytes_from(rest.data + size + (end != NULL), rest.size - size - (end != NULL));
    }
    if (r == 0 && run->lines.size > 0) {
        memmove(run->lines.data, rest.data, rest.size);
        run->lines.size = rest.size;
    }
    return r;
}

static int loop(struct run *run)
{
    const struct cli_context *context = run->remote.context;
    for (;;) {
        if (context->is_terminal)
            cli_out(context, ">");
        start_read(&run->input);
        int r = client_loop_wait(&run->remote.loop, is_read, &run->input, INT64_MAX);
        if (r < 0)
            return r;
        if (run->input.result == -EINTR)
            return -ERR_CANCELLED;
        if (run->input.result < 0) {
            r = (int)run->input.result;
            cli_err(context, "Standard input cannot be read: %s\n", err_sentence(r));
            return r;
        }
        if (run->input.result == 0)
            return send_lines(run, true);
        buf_put(&run->lines, run->input.piece, (size_t)run->input.result);
        if (!buf_is_ok(&run->lines)) {
            cli_err(context, "A line is longer than %u bytes\n", LINE_BYTES_MAX);
            return -ERR_LIMIT;
        }
        r = send_lines(run, false);
        if (r < 0)
            return r;
    }
}

static int read_format(const struct cli_context *context, const struct cli_options *o,
                       struct line_reader *reader)
{
    struct err_note note = { 0 };
    struct properties properties;
    properties_init(&properties);
    int r = cli_read_properties(context, cli_text(o, "reader-config", NULL), &properties);
    if (r == 0) {
        cli_put_properties(o, "property", &properties);
        cli_put_properties(o, "reader-property", &properties);
        r = line_reader_init(reader, &properties, &note);
        if (r < 0)
            cli_err(context, "%s\n", note.text);
    }
    properties_deinit(&properties);
    return r;
}

static int start(struct run *run, const struct cli_options *o)
{
    struct cli_settings settings = { .list = { 0 } };
    gather(o, &settings);
    int r = cli_settings_load(&settings, run->remote.context, SETTING_KIND_PRODUCER,
                              cli_text(o, "bootstrap-server", NULL),
                              cli_text(o, "command-config", cli_text(o, "producer.config", NULL)),
                              &run->remote.config);
    cli_settings_deinit(&settings);
    if (r < 0)
        return r;
    struct err_note note = { 0 };
    const struct producer_owner owner = { .on_delivery = on_delivery, .context = run };
    r = producer_new(&run->remote.loop, run->remote.config, &run->remote.diag, &owner,
                     &run->producer, &note);
    if (r < 0)
        cli_err(run->remote.context, "%s\n", note.text);
    return r;
}

static int produce(const struct cli_context *context, const struct cli_options *o)
{
    struct run run = { .topic = cli_text(o, "topic", ""), .is_sync = cli_has(o, "sync") };
    cli_loop_init(&run.remote, context);
    run.input.context = context;
    run.input.piece = mem_alloc(READ_BYTES);
    buf_init(&run.lines, LINE_BYTES_MAX);
    int r = read_format(context, o, &run.reader);
    if (r == 0)
        r = start(&run, o);
    if (r == 0) {
        r = loop(&run);
        const int flushed = producer_flush(run.producer);
        if (r == 0)
            r = flushed;
    }
    producer_free(run.producer);
    /* A read that is under way owns its piece until it ends; the interruption ends it. */
    if (run.input.is_reading)
        IGNORE_RESULT(
            client_loop_wait(&(struct client_loop){ .io = context->io, .turn = context->turn },
                             is_read, &run.input, INT64_MAX));
    cli_remote_deinit(&run.remote);
    line_reader_deinit(&run.reader);
    buf_deinit(&run.lines);
    mem_free(run.input.piece);
    return r < 0 && r != -ERR_CANCELLED ? 1 : 0;
}

/* "host:port", several parted by commas. */
static bool is_address_list(const char *text)
{
    for (;;) {
        const size_t size = strcspn(text, ",");
        const struct bytes one = bytes_trim(bytes_from(text, size));
        size_t colon = one.size;
        while (colon > 0 && one.data[colon - 1] != ':')
            colon--;
        int64_t port;
        if (colon < 2 || bytes_to_i64(bytes_slice(one, colon, one.size - colon), &port) < 0 ||
            port < 0 || port > UINT16_MAX)
            return false;
        if (text[size] == '\0')
            return true;
        text += size + 1;
    }
}

static int check(const struct cli_context *context, const struct cli_options *o)
{
    static const struct cli_renamed renamed[] = { { "property", "reader-property" },
                                                  { "producer-property", "command-property" },
                                                  { "producer.config", "command-config" } };
    const char *reader = cli_text(o, "line-reader", LINE_READER);
    const char *bootstrap = cli_text(o, "bootstrap-server", NULL);
    if (cli_text(o, "topic", NULL) == NULL)
        return cli_usage(context, &spec, "Missing required argument \"[topic]\"");
    if (bootstrap == NULL)
        return cli_usage(context, &spec, "Missing required argument \"[bootstrap-server]\"");
    if (!is_address_list(bootstrap))
        return cli_usage(context, &spec,
                         "Please provide valid host:port like host1:9091,host2:9092");
    if (strcmp(reader, LINE_READER) != 0)
        return cli_usage(context, &spec, "--line-reader %s: only " LINE_READER " is here", reader);
    const int exit_code = cli_check_renamed(context, &spec, o, renamed, ARRAY_LEN(renamed), true);
    for (size_t i = 0; i < ARRAY_LEN(renamed) && exit_code < 0; i++) {
        if (cli_has(o, renamed[i].old))
            cli_out(context,
                    "Warning: --%s is deprecated and will be removed in a future version. Use "
                    "--%s instead.\n",
                    renamed[i].old, renamed[i].now);
    }
    if (exit_code < 0 && cli_has(o, "max-partition-memory-bytes"))
        cli_out(context, "Warning: --max-partition-memory-bytes is deprecated and will be removed "
                         "in Apache Kafka 5.0. Use --batch-size instead.\n");
    return exit_code;
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    struct cli_options options;
    int exit_code = cli_begin(context, &spec, argc, argv, &options);
    if (exit_code < 0)
        exit_code = check(context, &options);
    if (exit_code < 0)
        exit_code = produce(context, &options);
    cli_options_deinit(&options);
    return exit_code;
}

const struct cli_tool console_producer_tool = {
    .name = "kafka-console-producer",
    .words = "writes lines to a topic",
    .run = run,
};
