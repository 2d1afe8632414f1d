/* kafka-console-consumer: prints a topic's records, a line each. */
#include "cli/cli_int.h"
#include "cli/client_options.h"
#include "cli/formatter.h"

#include "client/consumer.h"

#include <string.h>

#define DEFAULT_FORMATTER "org.apache.kafka.tools.consumer.DefaultMessageFormatter"

static const struct cli_option table[] = {
    { .name = "bootstrap-server",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "server to connect to",
      .words = "REQUIRED: brokers to begin with, host:port separated by commas." },
    { .name = "command-config",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "config file",
      .words = "A properties file with settings of the consumer." },
    { .name = "command-property",
      .takes = CLI_VALUE,
      .value_words = "consumer_prop",
      .words = "A setting of the consumer, name=value; stronger than the file's." },
    { .name = "consumer-property",
      .takes = CLI_VALUE,
      .value_words = "consumer_prop",
      .words = "Deprecated: as --command-property." },
    { .name = "consumer.config",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "config file",
      .words = "Deprecated: as --command-config." },
    { .name = "enable-systest-events",
      .words = "Kafka's own system tests use it; without effect." },
    { .name = "formatter",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "class",
      .words = "What prints the records: a class of Kafka's, org.apache.kafka.tools.consumer. and "
               "DefaultMessageFormatter, NoOpMessageFormatter (prints nothing), or, for records of "
               "internal topics, OffsetsMessageFormatter, GroupMetadataMessageFormatter, "
               "TransactionLogMessageFormatter, ShareGroupMessageFormatter." },
    { .name = "formatter-config",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "config file",
      .words = "A properties file for the printing of records." },
    { .name = "formatter-property",
      .takes = CLI_VALUE,
      .value_words = "prop",
      .words =
          "How records are printed: print.timestamp, print.partition, print.offset, print.epoch, "
          "print.headers, print.key, print.value (true or false), key.separator, "
          "line.separator, headers.separator, null.literal, key.deserializer, "
          "value.deserializer, headers.deserializer." },
    { .name = "from-beginning",
      .words =
          "Begin with the oldest record where the group has no offset yet, not with the next." },
    { .name = "group",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "consumer group id",
      .words = "The group to be a member of; a random one without it." },
    { .name = "help", .words = "Show this help." },
    { .name = "include",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "Java regex (String)",
      .words = "Topics by regular expression. POSIX extended expressions stand in for Java's." },
    { .name = "isolation-level",
      .takes = CLI_VALUE,
      .is_once = true,
      .words = "read_uncommitted (the default) or read_committed: without records of aborted "
               "transactions." },
    { .name = "key-deserializer",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "deserializer for keys",
      .words = "A class of Kafka's, org.apache.kafka.common.serialization. and String, Bytes, "
               "ByteArray, "
               "Short, Integer, Long, Float, Double, Boolean or UUID, and Deserializer." },
    { .name = "max-messages",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_INT,
      .value_words = "num_messages",
      .words = "End after so many records." },
    { .name = "offset",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "consume offset",
      .words = "With --partition: where to begin: an offset, earliest or latest (the default)." },
    { .name = "partition",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_INT,
      .value_words = "partition",
      .words = "Only this partition, outside any group." },
    { .name = "property",
      .takes = CLI_VALUE,
      .value_words = "prop",
      .words = "Deprecated: as --formatter-property." },
    { .name = "skip-message-on-error", .words = "Go on after a record that cannot be printed." },
    { .name = "timeout-ms",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_LONG,
      .value_words = "timeout_ms",
      .words = "End when no record has come for so long." },
    { .name = "topic",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "topic",
      .words = "The topic to read." },
    { .name = "value-deserializer",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "deserializer for values",
      .words = "The same for values." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-console-consumer",
    .words = "Read records of a topic and print them.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

/* ---- settings -------------------------------------------------------------------------------- */

static const char *config_path(const struct cli_options *o)
{
    return cli_text(o, "command-config", cli_text(o, "consumer.config", NULL));
}

/* All places that name the group have to agree: the option, the properties, the file. NULL: none does. */
static int find_group(const struct cli_context *context, const struct cli_options *o,
                      const struct cli_settings *given, const struct properties *file,
                      const char **out)
{
    const char *const ids[] = { cli_text(o, "group", NULL), cli_settings_get(given, "group.id"),
                                properties_get(file, BYTES_LITERAL("group.id")) };
    *out = NULL;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        if (ids[i] != NULL && *out != NULL && strcmp(ids[i], *out) != 0) {
            cli_err(context,
                    "The group ids provided in different places (directly using '--group', via "
                    "'--consumer-property', or via '--consumer.config') do not match. Detected "
                    "group ids: '%s', '%s'\n",
                    *out, ids[i]);
            return -ERR_INVALID_ARGUMENT;
        }
        *out = ids[i] == NULL ? *out : ids[i];
    }
    if (*out != NULL && cli_has(o, "partition")) {
        cli_err(context, "Options group and partition cannot be specified together.\n");
        return -ERR_INVALID_ARGUMENT;
    }
    return 0;
}

static void put_random_group(const struct cli_context *context, struct cli_settings *out)
{
    uint32_t chance;
    io_random(context->io, &chance, sizeof(chance));
    char *group = mem_printf("console-consumer-%u", chance % 100000);
    cli_settings_put(out, "group.id", group);
    mem_free(group);
}

/* given: the properties among the options; file: those of the file. out: all of them over the tool's defaults. */
static int gather(const struct cli_context *context, const struct cli_options *o,
                  const struct cli_settings *given, const struct properties *file,
                  struct cli_settings *out)
{
    const char *group;
    const char *reset = cli_settings_get(given, "auto.offset.reset");
    const int r = find_group(context, o, given, file, &group);
    if (r < 0)
        return r;
    if (reset == NULL)
        reset = properties_get(file, BYTES_LITERAL("auto.offset.reset"));
    if (cli_has(o, "from-beginning") && reset != NULL && strcmp(reset, "earliest") != 0) {
        cli_err(context,
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset=%s', please "
                "remove one option\n",
                reset);
        return -ERR_INVALID_ARGUMENT;
    }
    if (properties_get(file, BYTES_LITERAL("client.id")) == NULL)
        cli_settings_put(out, "client.id", "console-consumer");
    if (reset == NULL)
        cli_settings_put(out, "auto.offset.reset",
                         cli_has(o, "from-beginning") ? "earliest" : "latest");
    if (group == NULL && !cli_has(o, "partition")) {
        put_random_group(context, out);
        if (properties_get(file, BYTES_LITERAL("enable.auto.commit")) == NULL)
            cli_settings_put(out, "enable.auto.commit", "false");
    }
    cli_settings_put_options(out, o, "consumer-property");
    cli_settings_put_options(out, o, "command-property");
    if (group != NULL)
        cli_settings_put(out, "group.id", group);
    if (cli_has(o, "isolation-level"))
        cli_settings_put(out, "isolation.level", cli_text(o, "isolation-level", ""));
    return 0;
}

static int load_config(struct cli_remote *remote, const struct cli_options *o)
{
    struct cli_settings given = { .list = { 0 } };
    struct cli_settings all = { .list = { 0 } };
    struct properties file;
    properties_init(&file);
    cli_settings_put_options(&given, o, "consumer-property");
    cli_settings_put_options(&given, o, "command-property");
    int r = cli_read_properties(remote->context, config_path(o), &file);
    if (r == 0)
        r = gather(remote->context, o, &given, &file, &all);
    if (r == 0)
        r = cli_settings_load(&all, remote->context, SETTING_KIND_CONSUMER,
                              cli_text(o, "bootstrap-server", NULL), config_path(o),
                              &remote->config);
    properties_deinit(&file);
    cli_settings_deinit(&all);
    cli_settings_deinit(&given);
    return r;
}

static int load_formatter(const struct cli_context *context, const struct cli_options *o,
                          struct formatter *f)
{
    static const struct {
        const char *option;
        const char *property;
    } map[] = { { "key-deserializer", "key.deserializer" },
                { "value-deserializer", "value.deserializer" } };
    struct err_note note = { 0 };
    properties_init(&f->properties);
    int r = cli_read_properties(context, cli_text(o, "formatter-config", NULL), &f->properties);
    if (r < 0)
        return r;
    cli_put_properties(o, "property", &f->properties);
    cli_put_properties(o, "formatter-property", &f->properties);
    for (size_t i = 0; i < ARRAY_LEN(map); i++) {
        if (cli_has(o, map[i].option))
            properties_put(&f->properties, bytes_from_text(map[i].property),
                           bytes_from_text(cli_text(o, map[i].option, "")), 0);
    }
    r = formatter_init(f, cli_text(o, "formatter", DEFAULT_FORMATTER), &note);
    if (r < 0)
        cli_err(context, "%s\n", note.text);
    return r;
}

/* ---- the run --------------------------------------------------------------------------------- */

struct run {
    struct cli_remote remote;
    struct consumer *consumer;
    struct formatter formatter;
    struct cli_pattern *pattern;
    uint64_t count;
};

static bool matches(void *context, struct bytes topic)
{
    const struct run *run = context;
    return cli_pattern_matches(run->pattern, topic);
}

static int64_t parse_offset(const struct cli_options *o)
{
    const char *text = cli_text(o, "offset", NULL);
    int64_t offset = CONSUMER_OFFSET_LATEST;
    if (cli_has(o, "from-beginning") || (text != NULL && strcasecmp(text, "earliest") == 0))
        return CONSUMER_OFFSET_EARLIEST;
    if (text != NULL && strcasecmp(text, "latest") != 0)
        IGNORE_RESULT(bytes_to_i64(bytes_from_text(text), &offset)); /* it was checked */
    return offset;
}

static int start(struct run *run, const struct cli_options *o)
{
    int r = load_config(&run->remote, o);
    struct err_note note = { 0 };
    const char *include = cli_text(o, "include", NULL);
    if (r == 0 && include != NULL) {
        r = cli_pattern_new(include, &run->pattern, &note);
        if (r < 0)
            cli_err(run->remote.context, "%s\n", note.text);
    }
    if (r < 0)
        return r;
    r = consumer_new(&run->remote.loop, run->remote.config, &run->remote.diag, NULL, &run->consumer,
                     &note);
    if (r < 0) {
        cli_err(run->remote.context, "%s\n", note.text);
        return r;
    }
    const struct bytes topic = bytes_from_text(cli_text(o, "topic", ""));
    const struct consumer_filter filter = { .matches = matches, .context = run };
    if (cli_has(o, "partition"))
        consumer_assign(run->consumer, topic, (int32_t)cli_number(o, "partition", 0),
                        parse_offset(o));
    else if (include != NULL)
        consumer_subscribe_matching(run->consumer, &filter);
    else
        consumer_subscribe(run->consumer, topic);
    return 0;
}

/* Prints one record; what cannot be printed ends the tool, or is passed over. */
static int print_record(struct run *run, const struct cli_options *o,
                        const struct consumer_record *record, struct buf *line)
{
    const struct cli_context *context = run->remote.context;
    struct err_note note = { 0 };
    buf_clear(line);
    const int r = formatter_put(&run->formatter, record, line, &note);
    if (line->size > 0)
        context->write(context->context, false, buf_view(line));
    if (r < 0 && cli_has(o, "skip-message-on-error")) {
        DIAG_ERROR(&run->remote.diag, "consumer",
                   "Error processing message, skipping this message: %s", note.text);
        return 0;
    }
    if (r < 0)
        cli_err(context, "Offset %" PRId64 " of %.*s-%" PRId32 " cannot be printed: %s\n",
                record->record.offset, BYTES_PRINTF(record->topic), record->partition, note.text);
    return r;
}

/* The next record, as consumer_poll. Before it waits, what was printed is shown: a reader of ours may wait, too. */
static int next(struct run *run, int64_t timeout_ms, struct consumer_record *out,
                struct err_note *note)
{
    const struct cli_context *context = run->remote.context;
    const int r = consumer_poll(run->consumer, 0, out, note);
    if (r != 0)
        return r;
    context->flush(context->context);
    return consumer_poll(run->consumer, timeout_ms, out, note);
}

static void tell_end(const struct run *run, int result, int64_t timeout_ms,
                     const struct err_note *note)
{
    if (result == -ERR_CANCELLED)
        return;
    struct err_note silence = { 0 };
    (void)err_note(&silence, result, "no record within %" PRId64 " ms (--timeout-ms)", timeout_ms);
    DIAG_ERROR(&run->remote.diag, "consumer",
               "Error processing message, terminating consumer process: %s",
               result == 0 ? silence.text : note->text);
}

/* 0: all was read that was asked for, or nothing more came in time. */
static int loop(struct run *run, const struct cli_options *o)
{
    const struct cli_context *context = run->remote.context;
    const int64_t timeout_ms = cli_number(o, "timeout-ms", INT64_MAX);
    const uint64_t count_max = (uint64_t)cli_number(o, "max-messages", -1);
    struct buf line;
    buf_init(&line, SIZE_MAX);
    int r = 0;
    while (r == 0 && run->count < count_max) {
        struct consumer_record record;
        struct err_note note = { 0 };
        r = next(run, timeout_ms < 0 ? INT64_MAX : timeout_ms, &record, &note);
        if (r <= 0) {
            tell_end(run, r, timeout_ms, &note);
            r = r == -ERR_INVALID_SETTING ? r : 0;
            break;
        }
        run->count++;
        r = print_record(run, o, &record, &line);
        if (context->is_interrupted != NULL && context->is_interrupted(context->context))
            break; /* nobody reads what is written */
    }
    buf_deinit(&line);
    return r;
}

static int consume(const struct cli_context *context, const struct cli_options *o)
{
    struct run run = { .count = 0 };
    cli_loop_init(&run.remote, context);
    int r = load_formatter(context, o, &run.formatter);
    if (r == 0)
        r = start(&run, o);
    if (r == 0) {
        r = loop(&run, o);
        consumer_free(run.consumer);
        if (r != -ERR_INVALID_SETTING)
            cli_err(context, "Processed a total of %" PRIu64 " messages\n", run.count);
        if (cli_has(o, "enable-systest-events"))
            cli_out(context, "shutdown_complete\n");
    }
    cli_pattern_free(run.pattern);
    cli_remote_deinit(&run.remote);
    formatter_deinit(&run.formatter);
    return r < 0 ? 1 : 0;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool is_offset(const char *text)
{
    int64_t offset;
    return strcasecmp(text, "earliest") == 0 || strcasecmp(text, "latest") == 0 ||
           (bytes_to_i64(bytes_from_text(text), &offset) == 0 && offset >= 0);
}

static int check_renamed(const struct cli_context *context, const struct cli_options *o)
{
    static const struct cli_renamed renamed[] = { { "consumer-property", "command-property" },
                                                  { "consumer.config", "command-config" },
                                                  { "property", "formatter-property" } };
    const int exit_code = cli_check_renamed(context, &spec, o, renamed, ARRAY_LEN(renamed), false);
    for (size_t i = 0; i < ARRAY_LEN(renamed) && exit_code < 0; i++) {
        if (cli_has(o, renamed[i].old))
            cli_out(context,
                    "Option --%s is deprecated and will be removed in a future version. Use --%s "
                    "instead.\n",
                    renamed[i].old, renamed[i].now);
    }
    return exit_code;
}

static int check(const struct cli_context *context, const struct cli_options *o)
{
    const char *offset = cli_text(o, "offset", NULL);
    if (cli_text(o, "bootstrap-server", NULL) == NULL)
        return cli_usage(context, &spec, "Missing required argument \"[bootstrap-server]\"");
    if (cli_has(o, "topic") == cli_has(o, "include"))
        return cli_usage(context, &spec,
                         "Exactly one of the following arguments is required: [topic], [include]");
    if (cli_has(o, "topic") && cli_text(o, "topic", "")[0] == '\0')
        return cli_usage(context, &spec, "The topic's name is empty");
    if (cli_has(o, "partition") && !cli_has(o, "topic"))
        return cli_usage(context, &spec, "The topic is required when partition is specified.");
    if (offset != NULL && !cli_has(o, "partition"))
        return cli_usage(context, &spec, "The partition is required when offset is specified.");
    if (offset != NULL && cli_has(o, "from-beginning"))
        return cli_usage(context, &spec,
                         "Options from-beginning and offset cannot be specified together.");
    if (offset != NULL && !is_offset(offset))
        return cli_usage(context, &spec,
                         "The provided offset value '%s' is incorrect. Valid values are "
                         "'earliest', 'latest', or a non-negative long.",
                         offset);
    return check_renamed(context, o);
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    struct cli_options options;
    int exit_code = cli_begin(context, &spec, argc, argv, &options);
    if (exit_code < 0)
        exit_code = check(context, &options);
    if (exit_code < 0)
        exit_code = consume(context, &options);
    cli_options_deinit(&options);
    return exit_code;
}

const struct cli_tool console_consumer_tool = {
    .name = "kafka-console-consumer",
    .words = "prints the records of a topic",
    .run = run,
};
