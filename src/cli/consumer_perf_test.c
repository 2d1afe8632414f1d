/* kafka-consumer-perf-test: reads records as fast as they come, and tells rates. */
#include "cli/cli_int.h"
#include "cli/date_format.h"
#include "cli/remote.h"

#include "client/consumer.h"

#define TIMEOUT_MS_DEFAULT 10000
#define DATE_FORMAT        "yyyy-MM-dd HH:mm:ss:SSS"
#define MEGABYTE           (1024.0 * 1024.0)

static const struct cli_option table[] = {
    { .name = "bootstrap-server",
      .takes = CLI_VALUE,
      .value_words = "server to connect to",
      .words = "REQUIRED: brokers to begin with, host:port separated by commas." },
    { .name = "command-config",
      .takes = CLI_VALUE,
      .value_words = "config file",
      .words = "A properties file with settings of the consumer." },
    { .name = "command-property",
      .takes = CLI_VALUE,
      .value_words = "prop1=val1",
      .words = "A setting of the consumer; stronger than the file's." },
    { .name = "consumer.config",
      .takes = CLI_VALUE,
      .value_words = "config file",
      .words = "Deprecated: as --command-config." },
    { .name = "date-format",
      .takes = CLI_VALUE,
      .value_words = "date format",
      .words = "How times are printed, as Java's SimpleDateFormat does. Default " DATE_FORMAT "." },
    { .name = "fetch-size",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "size",
      .words = "Bytes of a partition in one answer. Default 1048576." },
    { .name = "from-latest", .words = "Begin at the end, where the group has no offset yet." },
    { .name = "group",
      .takes = CLI_VALUE,
      .value_words = "gid",
      .words = "The group; a random one." },
    { .name = "help", .words = "Show this help." },
    { .name = "hide-header", .words = "Without the line of names." },
    { .name = "include",
      .takes = CLI_VALUE,
      .value_words = "Java regex (String)",
      .words = "Topics by regular expression." },
    { .name = "messages",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "count",
      .words = "Deprecated: as --num-records." },
    { .name = "num-records",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "count",
      .words = "REQUIRED: how many records." },
    { .name = "print-metrics", .words = "Refused: this client has no metrics yet." },
    { .name = "reporting-interval",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "interval_ms",
      .words = "With --show-detailed-stats: how often a line is printed. Default 5000." },
    { .name = "show-detailed-stats", .words = "A line for each interval." },
    { .name = "socket-buffer-size",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "size",
      .words = "The socket's receive buffer; the system chooses it in this build." },
    { .name = "timeout",
      .takes = CLI_VALUE_OR_NOTHING,
      .type = CLI_LONG,
      .value_words = "milliseconds",
      .words = "End when no record has come for so long. Default 10000." },
    { .name = "topic", .takes = CLI_VALUE, .value_words = "topic", .words = "The topic to read." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-consumer-perf-test",
    .words = "Measure consuming.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

struct run {
    struct cli_remote remote;
    struct consumer *consumer;
    struct cli_pattern *pattern;
    const char *date_format;
    int64_t start_ms;
    int64_t waiting_ms; /* since when the group settles; 0: it does not */
    int64_t joined_ms;  /* spent until partitions were assigned */
    uint64_t bytes, count;
    int64_t window_ms;
    uint64_t window_bytes, window_count;
};

static bool matches(void *context, struct bytes topic)
{
    const struct run *run = context;
    return cli_pattern_matches(run->pattern, topic);
}

static void on_assigned(void *context, size_t partition_count)
{
    struct run *run = context;
    (void)partition_count;
    if (run->waiting_ms > 0)
        run->joined_ms += io_now_ms(run->remote.context->io) - run->waiting_ms;
    run->waiting_ms = 0;
}

static void on_revoked(void *context)
{
    struct run *run = context;
    run->waiting_ms = io_now_ms(run->remote.context->io);
}

static void print_time(const struct run *run, int64_t ms)
{
    const struct cli_context *context = run->remote.context;
    char local[32];
    struct buf text;
    buf_init(&text, SIZE_MAX);
    context->local_time(context->context, ms, local);
    date_format_put(run->date_format, local, (int)(ms % MS_PER_SECOND), &text);
    cli_out(context, "%.*s, ", BYTES_PRINTF(buf_view(&text)));
    buf_deinit(&text);
}

/* Figures of a span, as Kafka prints them. */
static void print_figures(const struct run *run, uint64_t bytes, uint64_t count, int64_t span_ms,
                          uint64_t span_bytes, uint64_t span_count, int64_t joined_ms)
{
    const double seconds = (double)MAX(span_ms, INT64_C(1)) / 1000.0;
    const int64_t fetch_ms = MAX(span_ms - joined_ms, INT64_C(1));
    cli_out(run->remote.context,
            "%.4f, %.4f, %" PRIu64 ", %.4f, %" PRId64 ", %" PRId64 ", %.4f, %.4f\n",
            (double)bytes / MEGABYTE, (double)span_bytes / MEGABYTE / seconds, count,
            (double)span_count / seconds, joined_ms, fetch_ms,
            (double)span_bytes / MEGABYTE / ((double)fetch_ms / 1000.0),
            (double)span_count / ((double)fetch_ms / 1000.0));
}

static void print_window(struct run *run, int64_t now_ms)
{
    print_time(run, now_ms);
    cli_out(run->remote.context, "0, ");
    print_figures(run, run->bytes, run->count, now_ms - run->window_ms,
                  run->bytes - run->window_bytes, run->count - run->window_count,
                  run->window_count == 0 ? run->joined_ms : 0);
    run->window_ms = now_ms;
    run->window_bytes = run->bytes;
    run->window_count = run->count;
}

static int loop(struct run *run, const struct cli_options *o)
{
    const uint64_t count = (uint64_t)cli_number(o, "num-records", cli_number(o, "messages", 0));
    const int64_t timeout_ms = cli_number(o, "timeout", TIMEOUT_MS_DEFAULT);
    const int64_t interval_ms = cli_number(o, "reporting-interval", 5000);
    const bool is_detailed = cli_has(o, "show-detailed-stats");
    struct io *io = run->remote.context->io;
    while (run->count < count) {
        struct consumer_record record;
        struct err_note note = { 0 };
        const int r = consumer_poll(run->consumer, timeout_ms, &record, &note);
        if (r < 0) {
            cli_err(run->remote.context, "%s\n", note.text);
            return r;
        }
        if (r == 0) {
            cli_out(run->remote.context,
                    "WARNING: Exiting before consuming the expected number of records: timeout "
                    "(%" PRId64 " ms) exceeded. You can use the --timeout option to increase the "
                    "timeout.\n",
                    timeout_ms);
            break;
        }
        run->count++;
        run->bytes += record.record.key.size + record.record.value.size;
        if (is_detailed && (run->count & 255) == 0) {
            const int64_t now_ms = io_now_ms(io);
            if (now_ms - run->window_ms >= interval_ms)
                print_window(run, now_ms);
        }
    }
    return 0;
}

static int start(struct run *run, const struct cli_options *o)
{
    const char *items[64];
    size_t count = 0;
    uint32_t chance;
    io_random(run->remote.context->io, &chance, sizeof(chance));
    char *group = mem_printf("group.id=perf-consumer-%u", chance % 100000);
    char *chosen = mem_printf("group.id=%s", cli_text(o, "group", ""));
    char *fetch =
        mem_printf("max.partition.fetch.bytes=%" PRId64, cli_number(o, "fetch-size", 1048576));
    items[count++] = "client.id=perf-consumer-client";
    items[count++] = cli_has(o, "group") ? chosen : group;
    items[count++] =
        cli_has(o, "from-latest") ? "auto.offset.reset=latest" : "auto.offset.reset=earliest";
    items[count++] = fetch;
    items[count++] = "check.crcs=false";
    for (size_t i = 0; i < cli_count(o, "command-property") && count < ARRAY_LEN(items); i++)
        items[count++] = cli_text_at(o, "command-property", i);
    const struct cli_properties properties = {
        .bootstrap = cli_text(o, "bootstrap-server", NULL),
        .config_path = cli_text(o, "command-config", cli_text(o, "consumer.config", NULL)),
        .properties = items,
        .property_count = count,
    };
    int r = cli_client_config(run->remote.context, SETTING_KIND_CONSUMER, &properties,
                              &run->remote.config);
    mem_free(group);
    mem_free(chosen);
    mem_free(fetch);
    struct err_note note = { 0 };
    const char *include = cli_text(o, "include", NULL);
    const struct consumer_owner owner = { .on_assigned = on_assigned,
                                          .on_revoked = on_revoked,
                                          .context = run };
    if (r < 0)
        return r;
    if (include != NULL)
        r = cli_pattern_new(include, &run->pattern, &note);
    if (r == 0)
        r = consumer_new(&run->remote.loop, run->remote.config, &run->remote.diag, &owner,
                         &run->consumer, &note);
    if (r < 0) {
        cli_err(run->remote.context, "%s\n", note.text);
        return r;
    }
    const struct consumer_filter filter = { .matches = matches, .context = run };
    if (include != NULL)
        consumer_subscribe_matching(run->consumer, &filter);
    else
        consumer_subscribe(run->consumer, bytes_from_text(cli_text(o, "topic", "")));
    return 0;
}

static int measure(const struct cli_context *context, const struct cli_options *o)
{
    struct run run = { .date_format = cli_text(o, "date-format", DATE_FORMAT) };
    const bool is_detailed = cli_has(o, "show-detailed-stats");
    cli_loop_init(&run.remote, context);
    int r = start(&run, o);
    if (r == 0) {
        if (!cli_has(o, "hide-header"))
            cli_out(context,
                    "%s, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
                    "rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n",
                    is_detailed ? "time, threadId" : "start.time, end.time");
        run.start_ms = run.waiting_ms = run.window_ms = io_now_ms(context->io);
        r = loop(&run, o);
        const int64_t end_ms = io_now_ms(context->io);
        if (r == 0 && !is_detailed) {
            print_time(&run, run.start_ms);
            print_time(&run, end_ms);
            print_figures(&run, run.bytes, run.count, end_ms - run.start_ms, run.bytes, run.count,
                          run.joined_ms);
        }
    }
    consumer_free(run.consumer);
    cli_pattern_free(run.pattern);
    cli_remote_deinit(&run.remote);
    return r < 0 ? 1 : 0;
}

static int check(const struct cli_context *context, const struct cli_options *o)
{
    struct err_note note = { 0 };
    if (cli_text(o, "bootstrap-server", NULL) == NULL)
        return cli_usage(context, &spec, "Missing required argument \"[bootstrap-server]\"");
    if (cli_has(o, "topic") == cli_has(o, "include"))
        return cli_usage(context, &spec,
                         "Exactly one of the following arguments is required: [topic], [include]");
    if (cli_has(o, "messages") == cli_has(o, "num-records"))
        return cli_usage(
            context, &spec,
            "Exactly one of the following arguments is required: [messages], [num-records]");
    if (cli_has(o, "consumer.config") && cli_has(o, "command-config"))
        return cli_usage(
            context, &spec,
            "Option \"[consumer.config]\" can't be used with option \"[command-config]\"");
    if (cli_has(o, "print-metrics"))
        return cli_usage(context, &spec, "--print-metrics is not possible yet");
    if (date_format_check(cli_text(o, "date-format", DATE_FORMAT), &note) < 0)
        return cli_usage(context, &spec, "--date-format: %s", note.text);
    if (cli_number(o, "reporting-interval", 5000) <= 0)
        return cli_usage(context, &spec, "Reporting interval must be greater than 0.");
    if (cli_has(o, "messages"))
        cli_out(context, "Warning: --messages is deprecated. Use --num-records instead.\n");
    if (cli_has(o, "consumer.config"))
        cli_out(context,
                "Warning: --consumer.config is deprecated. Use --command-config instead.\n");
    return -1;
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    struct cli_options options;
    int exit_code = cli_begin(context, &spec, argc, argv, &options);
    if (exit_code < 0)
        exit_code = check(context, &options);
    if (exit_code < 0)
        exit_code = measure(context, &options);
    cli_options_deinit(&options);
    return exit_code;
}

const struct cli_tool consumer_perf_test_tool = {
    .name = "kafka-consumer-perf-test",
    .words = "measures consuming",
    .run = run,
};
