/* kafka-console-consumer: prints a topic's records, a line each. */
#include "cli/cli_int.h"
#include "cli/remote.h"

#include "client/consumer.h"
#include "config/properties.h"

#include <string.h>

#define SETTING_COUNT_MAX 64
#define HEADERS_BYTES_MAX (64u << 20)

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
      .value_words = "consumer_prop",
      .words = "A setting of the consumer, name=value; stronger than the file's." },
    { .name = "consumer-property",
      .takes = CLI_VALUE,
      .value_words = "consumer_prop",
      .words = "Deprecated: as --command-property." },
    { .name = "consumer.config",
      .takes = CLI_VALUE,
      .value_words = "config file",
      .words = "Deprecated: as --command-config." },
    { .name = "enable-systest-events",
      .words = "Kafka's own system tests use it; without effect." },
    { .name = "formatter",
      .takes = CLI_VALUE,
      .value_words = "class",
      .words =
          "DefaultMessageFormatter (the default) or NoOpMessageFormatter, which prints nothing." },
    { .name = "formatter-config",
      .takes = CLI_VALUE,
      .value_words = "config file",
      .words = "A properties file for the printing of records." },
    { .name = "formatter-property",
      .takes = CLI_VALUE,
      .value_words = "prop",
      .words =
          "How records are printed: print.timestamp, print.partition, print.offset, print.epoch, "
          "print.headers, print.key, print.value (true or false), key.separator, "
          "line.separator, headers.separator, null.literal." },
    { .name = "from-beginning",
      .words =
          "Begin with the oldest record where the group has no offset yet, not with the next." },
    { .name = "group",
      .takes = CLI_VALUE,
      .value_words = "consumer group id",
      .words = "The group to be a member of; a random one without it." },
    { .name = "help", .words = "Show this help." },
    { .name = "include",
      .takes = CLI_VALUE,
      .value_words = "Java regex (String)",
      .words = "Topics by regular expression. POSIX extended expressions stand in for Java's." },
    { .name = "isolation-level",
      .takes = CLI_VALUE,
      .words = "read_uncommitted (the default) or read_committed: without records of aborted "
               "transactions." },
    { .name = "key-deserializer",
      .takes = CLI_VALUE,
      .value_words = "deserializer for keys",
      .words = "Keys are printed as the bytes they are; another class is refused." },
    { .name = "max-messages",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "num_messages",
      .words = "End after so many records." },
    { .name = "offset",
      .takes = CLI_VALUE,
      .value_words = "consume offset",
      .words = "With --partition: where to begin: an offset, earliest or latest (the default)." },
    { .name = "partition",
      .takes = CLI_VALUE,
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
      .type = CLI_LONG,
      .value_words = "timeout_ms",
      .words = "End when no record has come for so long." },
    { .name = "topic", .takes = CLI_VALUE, .value_words = "topic", .words = "The topic to read." },
    { .name = "value-deserializer",
      .takes = CLI_VALUE,
      .value_words = "deserializer for values",
      .words = "Values are printed as the bytes they are; another class is refused." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-console-consumer",
    .words = "Read records of a topic and print them.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

/* ---- printing -------------------------------------------------------------------------------- */

struct formatter {
    struct properties properties;
    bool timestamp, partition, offset, epoch, headers, key, value;
    bool is_silent;
    const char *key_separator;
    const char *line_separator;
    const char *headers_separator;
    struct bytes null_literal;
};

static const char *property(const struct formatter *f, const char *name, const char *otherwise)
{
    const char *value = properties_get(&f->properties, bytes_from_text(name));
    return value == NULL ? otherwise : value;
}

static bool is_on(const struct formatter *f, const char *name, const char *otherwise)
{
    return strcasecmp(property(f, name, otherwise), "true") == 0;
}

static int formatter_init(const struct cli_context *context, const struct cli_options *o,
                          struct formatter *f)
{
    const char *path = cli_text(o, "formatter-config", NULL);
    properties_init(&f->properties);
    if (path != NULL) {
        uint8_t *text;
        size_t size;
        struct err_note note = { 0 };
        int r =
            io_fs_read_whole(io_get_fs(context->io), path, PROPERTIES_TEXT_SIZE_MAX, &text, &size);
        if (r == 0) {
            r = properties_parse(&f->properties, bytes_from(text, size), &note);
            mem_free(text);
        }
        if (r < 0) {
            cli_err(context, "%s cannot be read: %s\n", path,
                    note.text[0] == '\0' ? err_sentence(r) : note.text);
            return r;
        }
    }
    static const char *const names[] = { "property", "formatter-property" };
    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        for (size_t i = 0; i < cli_count(o, names[k]); i++) {
            const char *text = cli_text_at(o, names[k], i);
            const size_t size = strcspn(text, "=");
            properties_put(&f->properties, bytes_from(text, size),
                           text[size] == '=' ? bytes_from_text(text + size + 1) : BYTES_LITERAL(""),
                           0);
        }
    }
    f->timestamp = is_on(f, "print.timestamp", "false");
    f->partition = is_on(f, "print.partition", "false");
    f->offset = is_on(f, "print.offset", "false");
    f->epoch = is_on(f, "print.epoch", "false");
    f->headers = is_on(f, "print.headers", "false");
    f->key = is_on(f, "print.key", "false");
    f->value = is_on(f, "print.value", "true");
    f->is_silent = strstr(cli_text(o, "formatter", ""), "NoOp") != NULL;
    f->key_separator = property(f, "key.separator", "\t");
    f->line_separator = property(f, "line.separator", "\n");
    f->headers_separator = property(f, "headers.separator", ",");
    f->null_literal = bytes_from_text(property(f, "null.literal", "null"));
    return 0;
}

static void put_or_null(const struct formatter *f, struct buf *out, struct bytes text)
{
    buf_put_bytes(out, bytes_is_null(text) ? f->null_literal : text);
}

static void put_headers(const struct formatter *f, struct buf *out, const struct record *record)
{
    struct arena arena;
    struct record_header *headers;
    arena_init(&arena, HEADERS_BYTES_MAX);
    const int count = record_headers(record, &arena, &headers);
    if (count <= 0)
        buf_put_text(out, "NO_HEADERS");
    for (int i = 0; i < count; i++) {
        buf_put_text(out, i == 0 ? "" : f->headers_separator);
        buf_put_bytes(out, headers[i].key);
        buf_put_text(out, ":");
        put_or_null(f, out, headers[i].value);
    }
    arena_deinit(&arena);
}

/* Columns are parted by the key's separator; the line ends with the last of them. */
static void put_part(const struct formatter *f, struct buf *out, bool *is_first)
{
    if (!*is_first)
        buf_put_text(out, f->key_separator);
    *is_first = false;
}

static void put_record(const struct formatter *f, struct buf *out, const struct consumer_record *r)
{
    bool is_first = true;
    if (f->timestamp) {
        put_part(f, out, &is_first);
        if (r->record.timestamp < 0)
            buf_put_text(out, "NO_TIMESTAMP");
        else
            buf_printf(out, "%s:%" PRId64, r->is_append_time ? "LogAppendTime" : "CreateTime",
                       r->record.timestamp);
    }
    if (f->partition) {
        put_part(f, out, &is_first);
        buf_printf(out, "Partition:%" PRId32, r->partition);
    }
    if (f->offset) {
        put_part(f, out, &is_first);
        buf_printf(out, "Offset:%" PRId64, r->record.offset);
    }
    if (f->epoch) {
        put_part(f, out, &is_first);
        buf_printf(out, "Epoch:%" PRId32, r->leader_epoch);
    }
    if (f->headers) {
        put_part(f, out, &is_first);
        put_headers(f, out, &r->record);
    }
    if (f->key) {
        put_part(f, out, &is_first);
        put_or_null(f, out, r->record.key);
    }
    if (f->value) {
        put_part(f, out, &is_first);
        put_or_null(f, out, r->record.value);
    }
    buf_put_text(out, f->line_separator);
}

/* ---- settings -------------------------------------------------------------------------------- */

struct setting_list {
    char *items[SETTING_COUNT_MAX];
    size_t count;
};

static void add(struct setting_list *list, const char *name, const char *value)
{
    if (list->count < SETTING_COUNT_MAX)
        list->items[list->count++] = mem_printf("%s=%s", name, value);
}

static bool names_group(const struct cli_options *o)
{
    static const char *const properties[] = { "consumer-property", "command-property" };
    for (size_t k = 0; k < ARRAY_LEN(properties); k++) {
        for (size_t i = 0; i < cli_count(o, properties[k]); i++) {
            if (strncmp(cli_text_at(o, properties[k], i), "group.id=", 9) == 0)
                return true;
        }
    }
    return false;
}

static void gather(const struct cli_context *context, const struct cli_options *o,
                   struct setting_list *list)
{
    static const char *const properties[] = { "consumer-property", "command-property" };
    add(list, "client.id", "console-consumer");
    add(list, "auto.offset.reset", cli_has(o, "from-beginning") ? "earliest" : "latest");
    const bool has_file = cli_has(o, "command-config") || cli_has(o, "consumer.config");
    if (!cli_has(o, "group") && !names_group(o) && !has_file && !cli_has(o, "partition")) {
        uint32_t chance;
        io_random(context->io, &chance, sizeof(chance));
        char *group = mem_printf("console-consumer-%u", chance % 100000);
        add(list, "group.id", group);
        add(list, "enable.auto.commit", "false");
        mem_free(group);
    }
    for (size_t k = 0; k < ARRAY_LEN(properties); k++) {
        for (size_t i = 0; i < cli_count(o, properties[k]) && list->count < SETTING_COUNT_MAX; i++)
            list->items[list->count++] = mem_strdup(cli_text_at(o, properties[k], i));
    }
    if (cli_has(o, "group"))
        add(list, "group.id", cli_text(o, "group", ""));
    if (cli_has(o, "isolation-level"))
        add(list, "isolation.level", cli_text(o, "isolation-level", ""));
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
    struct setting_list settings = { .count = 0 };
    gather(run->remote.context, o, &settings);
    const struct cli_properties properties = {
        .bootstrap = cli_text(o, "bootstrap-server", NULL),
        .config_path = cli_text(o, "command-config", cli_text(o, "consumer.config", NULL)),
        .properties = (const char *const *)settings.items,
        .property_count = settings.count,
    };
    int r = cli_client_config(run->remote.context, SETTING_KIND_CONSUMER, &properties,
                              &run->remote.config);
    for (size_t i = 0; i < settings.count; i++)
        mem_free(settings.items[i]);
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

static void loop(struct run *run, const struct cli_options *o)
{
    const struct cli_context *context = run->remote.context;
    const int64_t timeout_ms = cli_number(o, "timeout-ms", INT64_MAX);
    const uint64_t count_max = (uint64_t)cli_number(o, "max-messages", -1);
    struct buf line;
    buf_init(&line, SIZE_MAX);
    while (run->count < count_max) {
        struct consumer_record record;
        struct err_note note = { 0 };
        const int r =
            consumer_poll(run->consumer, timeout_ms < 0 ? INT64_MAX : timeout_ms, &record, &note);
        if (r <= 0) {
            if (r != -ERR_CANCELLED)
                cli_err(context,
                        "ERROR Error processing message, terminating consumer process: %s\n",
                        r == 0 ? "org.apache.kafka.common.errors.TimeoutException" : note.text);
            break;
        }
        run->count++;
        if (run->formatter.is_silent)
            continue;
        buf_clear(&line);
        put_record(&run->formatter, &line, &record);
        context->write(context->context, false, buf_view(&line));
        if (context->is_interrupted != NULL && context->is_interrupted(context->context))
            break; /* nobody reads what is written */
    }
    buf_deinit(&line);
}

static int consume(const struct cli_context *context, const struct cli_options *o)
{
    struct run run = { .count = 0 };
    cli_loop_init(&run.remote, context);
    int r = formatter_init(context, o, &run.formatter);
    if (r == 0)
        r = start(&run, o);
    if (r == 0) {
        loop(&run, o);
        consumer_free(run.consumer);
        cli_err(context, "Processed a total of %" PRIu64 " messages\n", run.count);
    }
    cli_pattern_free(run.pattern);
    cli_remote_deinit(&run.remote);
    properties_deinit(&run.formatter.properties);
    return r < 0 ? 1 : 0;
}

/* ---- options --------------------------------------------------------------------------------- */

static bool is_offset(const char *text)
{
    int64_t offset;
    return strcasecmp(text, "earliest") == 0 || strcasecmp(text, "latest") == 0 ||
           (bytes_to_i64(bytes_from_text(text), &offset) == 0 && offset >= 0);
}

static bool is_known_deserializer(const char *text)
{
    return strstr(text, "StringDeserializer") != NULL ||
           strstr(text, "ByteArrayDeserializer") != NULL;
}

static int check(const struct cli_context *context, const struct cli_options *o)
{
    static const char *const deserializers[] = { "key-deserializer", "value-deserializer" };
    const char *offset = cli_text(o, "offset", NULL);
    const char *formatter = cli_text(o, "formatter", "DefaultMessageFormatter");
    if (cli_text(o, "bootstrap-server", NULL) == NULL)
        return cli_usage(context, &spec, "Missing required argument \"[bootstrap-server]\"");
    if (cli_has(o, "topic") == cli_has(o, "include"))
        return cli_usage(context, &spec,
                         "Exactly one of the following arguments is required: [topic], [include]");
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
    if (cli_has(o, "group") && cli_has(o, "partition"))
        return cli_usage(context, &spec,
                         "Options group and partition cannot be specified together.");
    if (strstr(formatter, "DefaultMessageFormatter") == NULL &&
        strstr(formatter, "NoOpMessageFormatter") == NULL)
        return cli_usage(
            context, &spec,
            "--formatter %s: only DefaultMessageFormatter and NoOpMessageFormatter are "
            "here",
            formatter);
    for (size_t i = 0; i < ARRAY_LEN(deserializers); i++) {
        const char *class = cli_text(o, deserializers[i], NULL);
        if (class != NULL && !is_known_deserializer(class))
            return cli_usage(context, &spec, "--%s %s: only StringDeserializer is here",
                             deserializers[i], class);
    }
    return -1;
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
