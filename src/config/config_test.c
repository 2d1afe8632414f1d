/* Whole configurations: files, topics, groups, dynamic changes, and what is refused of them. */
#include "config/config.h"

#include "base/buf.h"
#include "base/test.h"
#include "config/listeners.h"
#include "config/reference.h"

#include <string.h>

static const char single_node[] = "process.roles=broker,controller\n"
                                  "node.id=1\n"
                                  "controller.listener.names=CONTROLLER\n"
                                  "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                                  "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:"
                                  "PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,"
                                  "EXTERNAL:PLAINTEXT,INTERNAL:PLAINTEXT\n"
                                  "controller.quorum.bootstrap.servers=localhost:9093\n";

/* A broker of single_node and further lines, which must be good. */
static struct config *load(const char *lines)
{
    struct config *config = NULL;
    struct config_problems problems = { .error_count = 0 };
    AUTO(mem_freep) char *text = mem_printf("%s%s", single_node, lines);
    const int r = config_load(SETTING_KIND_BROKER, bytes_from_text(text), "test.properties",
                              CONFIG_OVERRIDES_NONE, &config, &problems);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", lines, problems.list.items[0].text);
    config_problems_deinit(&problems);
    return config;
}

/* The problems of single_node and further lines, one a line; freed by the caller. */
static char *load_problems(const char *lines, int *out_r)
{
    struct config *config = NULL;
    struct config_problems problems = { .error_count = 0 };
    struct buf out;
    AUTO(mem_freep) char *text = mem_printf("%s%s", single_node, lines);
    *out_r = config_load(SETTING_KIND_BROKER, bytes_from_text(text), "test.properties",
                         CONFIG_OVERRIDES_NONE, &config, &problems);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < problems.list.count; i++)
        buf_printf(&out, "%s %s\n",
                   problems.list.items[i].severity == CONFIG_ERROR ? "ERROR" : "WARNING",
                   problems.list.items[i].text);
    buf_put_u8(&out, 0);
    config_problems_deinit(&problems);
    config_unref(config);
    return (char *)buf_take(&out);
}

/* ---- what Kafka makes of whole files ------------------------------------------------------------------------ */

/* One row of load.tsv as a file. */
static char *row_text(char *row)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    const bool is_alone = row[0] == '!';
    char *base = mem_strdup(is_alone ? "" : single_node);
    char *rest = is_alone ? row + 1 : row;
    for (char *item; (item = strsep(&rest, ";")) != NULL;) {
        while (*item == ' ')
            item++;
        char *sign = strchr(item, '=');
        if (sign != NULL) {
            buf_printf(&text, "%s\n", item);
            continue;
        }
        /* A name alone takes the line away. */
        char *line = *item == '\0' ? NULL : strstr(base, item);
        if (line != NULL)
            memset(line, '#', 1);
    }
    struct buf all;
    buf_init(&all, 1 << 17);
    buf_put_text(&all, base);
    buf_put_bytes(&all, buf_view(&text));
    buf_put_u8(&all, 0);
    mem_free(base);
    buf_deinit(&text);
    return (char *)buf_take(&all);
}

static void put_endpoint(struct buf *out, const struct listener *listener, bool *first)
{
    buf_printf(out, "%s%s:%s://%s:%u", *first ? "" : ",", listener->bind.name,
               security_protocol_name(listener->protocol), listener->advertised.host,
               listener->advertised.port);
    *first = false;
}

/* Advertised brokers' listeners; controllers'; inter-broker listener; listeners that start early. */
static char *listeners_text(const struct listeners *listeners)
{
    struct buf out;
    buf_init(&out, 4096);
    for (int is_controller = 0; is_controller <= 1; is_controller++) {
        bool first = true;
        for (size_t i = 0; i < listeners->count; i++) {
            const struct listener *listener = &listeners->items[i];
            if (listener->is_advertised && listener->is_controller == (is_controller == 1))
                put_endpoint(&out, listener, &first);
        }
        buf_put_u8(&out, ';');
    }
    buf_printf(&out, "%s:%s;", listeners->inter_broker_name,
               security_protocol_name(listeners->inter_broker_protocol));
    bool first = true;
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->items[i].is_early_start)
            buf_printf(&out, "%s%s", first ? "" : ",", listeners->items[i].bind.name);
        first &= !listeners->items[i].is_early_start;
    }
    buf_put_u8(&out, 0);
    return (char *)buf_take(&out);
}

TEST(config_load, takes_and_refuses_what_kafka_does)
{
    size_t size;
    char *table = reference_read("tests/data/config/load.tsv", &size);
    char *rest = table;
    unsigned count = 0;
    for (char *line; (line = reference_line(&rest)) != NULL; count++) {
        char *field[3] = { NULL, NULL, NULL };
        const size_t field_count = reference_fields(line, field, ARRAY_LEN(field));
        AUTO(mem_freep) char *shown = mem_strdup(field[0]);
        AUTO(mem_freep) char *text = row_text(field[0]);
        struct config *config = NULL;
        struct config_problems problems = { .error_count = 0 };
        const int r = config_load(SETTING_KIND_BROKER, bytes_from_text(text), "t",
                                  CONFIG_OVERRIDES_NONE, &config, &problems);
        const bool is_good_there = field[1][0] == '=';
        const bool is_different = field_count == 3;
        const char *problem = problems.list.count > 0 ? problems.list.items[0].text : "";
        if ((r == 0) != (is_good_there != is_different))
            test_fail(__FILE__, __LINE__, "%s: %s %s", shown, r == 0 ? "taken" : "refused",
                      problem);
        if (r == 0 && is_good_there) {
            AUTO(mem_freep) char *actual = listeners_text(config_listeners(config));
            if (strcmp(actual, field[1] + 1) != 0)
                test_fail(__FILE__, __LINE__, "%s: %s, wanted %s", shown, actual, field[1] + 1);
        }
        config_unref(config);
        config_problems_deinit(&problems);
    }
    mem_free(table);
    EXPECT(count > 250);
}

/* ---- problems ------------------------------------------------------------------------------------------------ */

TEST(config_load, gathers_every_problem)
{
    int r;
    AUTO(mem_freep)
    char *text = load_problems("log.segment.bytes=5\nnum.partition=3\nlog.retention.ms=abc\n"
                               "zookeeper.connect=a\nzookeeper.session.timeout.ms=4\nhost.name=x\n"
                               "rsm.config.x=1\nssl.key.password=s3cret\n",
                               &r);
    EXPECT_EQ(r, -ERR_INVALID_SETTING);
    EXPECT_TEXT(
        text,
        "ERROR test.properties line 7: Invalid value 5 for configuration log.segment.bytes: Value "
        "must "
        "be at least 1048576\n"
        "WARNING test.properties line 8: unknown setting num.partition is ignored; did you mean "
        "num.partitions?\n"
        "ERROR test.properties line 9: Invalid value abc for configuration log.retention.ms: Not a "
        "number of type LONG\n"
        "WARNING test.properties line 12: host.name is not a setting any more and is ignored: use "
        "listeners\n"
        "WARNING test.properties: 2 ZooKeeper settings are ignored: nodes keep the cluster's "
        "metadata "
        "themselves\n");
}

/* What would be less safe if it were ignored stops the start; what is only missing does not. */
TEST(config_load, refuses_what_would_be_unsafe)
{
    static const char *const unsafe[] = {
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "listeners=SSL://:9092,CONTROLLER://:9093\ninter.broker.listener.name=SSL",
        "listeners=PLAINTEXT://:9092,SASL_SSL://:9094,CONTROLLER://:9093",
        "remote.log.storage.system.enable=true",
        "create.topic.policy.class.name=x",
        "config.providers=env",
    };
    for (size_t i = 0; i < ARRAY_LEN(unsafe); i++) {
        int r;
        AUTO(mem_freep) char *text = load_problems(unsafe[i], &r);
        if (r == 0 || strstr(text, "ERROR") == NULL)
            test_fail(__FILE__, __LINE__, "%s is taken", unsafe[i]);
    }
    int r;
    AUTO(mem_freep) char *text = load_problems("ssl.key.password=s3cret\n", &r);
    EXPECT_EQ(r, 0);
    EXPECT(strstr(text, "s3cret") == NULL);
}

TEST(config_load, bounds_its_report)
{
    struct buf lines;
    int r;
    buf_init(&lines, 1 << 20);
    for (int i = 0; i < 20000; i++)
        buf_printf(&lines, "what.is.this.setting.%d=x\n", i);
    buf_printf(&lines, "num.partitions=x\n");
    buf_put_u8(&lines, 0);
    AUTO(mem_freep) char *text = load_problems((const char *)lines.data, &r);
    EXPECT_EQ(r, -ERR_INVALID_SETTING); /* the error counts though nobody sees it */
    EXPECT(strlen(text) < 60000);
    EXPECT(strstr(text, "There are more problems than are shown here") != NULL);
    buf_deinit(&lines);
}

TEST(config_load, reports_text_that_is_no_properties_file)
{
    int r;
    AUTO(mem_freep) char *text = load_problems("a=\\u12", &r);
    EXPECT_EQ(r, -ERR_MALFORMED);
    EXPECT_TEXT(text, "ERROR test.properties: line 7: \\u needs four hexadecimal digits\n");
}

TEST(config_load, lets_overrides_win)
{
    struct config *config = NULL;
    struct config_problems problems = { .error_count = 0 };
    const struct config_override items[] = {
        { BYTES_LITERAL("node.id"), BYTES_LITERAL("7") },
        { BYTES_LITERAL("broker.rack"), BYTES_NULL },
        { BYTES_LITERAL("num.partitions"), BYTES_LITERAL("4") },
    };
    EXPECT_OK(config_load(SETTING_KIND_BROKER, bytes_from_text(single_node), "t",
                          (struct config_overrides){ items, ARRAY_LEN(items) }, &config,
                          &problems));
    EXPECT_EQ(config_i64(config, SETTING_BROKER_NODE_ID), 7);
    EXPECT_EQ(config_i64(config, SETTING_BROKER_BROKER_ID), 7);
    EXPECT_EQ(config_i64(config, SETTING_BROKER_NUM_PARTITIONS), 4);
    EXPECT(config_is_null(config, SETTING_BROKER_BROKER_RACK));
    config_unref(config);
    config_problems_deinit(&problems);
}

/* One setting of two names is wrong once, whichever name it goes by. */
TEST(config_load, tells_of_a_wrong_node_id_once)
{
    static const char *const names[] = { "node.id", "broker.id" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(mem_freep)
        char *text = mem_printf("process.roles=broker,controller\n%s=abc\n", names[i]);
        struct config *config = NULL;
        struct config_problems problems = { .error_count = 0 };
        EXPECT_ERR(config_load(SETTING_KIND_BROKER, bytes_from_text(text), "t",
                               CONFIG_OVERRIDES_NONE, &config, &problems),
                   ERR_INVALID_SETTING);
        uint32_t told = 0;
        for (size_t k = 0; k < problems.list.count; k++)
            told += strstr(problems.list.items[k].text, "Invalid value abc") != NULL;
        EXPECT_EQ(told, 1);
        EXPECT(strstr(problems.list.items[0].text, names[i]) != NULL);
        config_problems_deinit(&problems);
    }
}

TEST(config_load, reads_client_files)
{
    struct config *config = NULL;
    struct config_problems problems = { .error_count = 0 };
    EXPECT_OK(config_load(SETTING_KIND_PRODUCER,
                          BYTES_LITERAL("bootstrap.servers=a:1, b:2\nacks=1\nkey.serializer=x.Y\n"),
                          "p", CONFIG_OVERRIDES_NONE, &config, &problems));
    const struct config_list servers = config_list(config, SETTING_PRODUCER_BOOTSTRAP_SERVERS);
    EXPECT_EQ(servers.count, 2);
    EXPECT_TEXT(servers.items[1], "b:2");
    EXPECT_TEXT(config_text(config, SETTING_PRODUCER_ACKS), "1");
    EXPECT_EQ(config_kind(config), SETTING_KIND_PRODUCER);
    config_unref(config);

    config = NULL;
    EXPECT_ERR(config_load(SETTING_KIND_CONSUMER,
                           BYTES_LITERAL("bootstrap.servers=a:1\nsecurity.protocol=sasl_ssl\n"),
                           "p", CONFIG_OVERRIDES_NONE, &config, &problems),
               ERR_INVALID_SETTING);
    EXPECT_ERR(config_load(SETTING_KIND_PRODUCER, BYTES_LITERAL(""), "p", CONFIG_OVERRIDES_NONE,
                           &config, &problems),
               ERR_INVALID_SETTING);
    EXPECT(config == NULL);
    config_problems_deinit(&problems);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

TEST(config_values, are_read_by_type)
{
    struct config *config =
        load("log.dirs=/a, /b\nmetadata.log.dir=/m\nlog.cleaner.min.cleanable.ratio=1\n"
             "auto.create.topics.enable=FALSE\nbroker.rack= r \n");
    EXPECT(!config_bool(config, SETTING_BROKER_AUTO_CREATE_TOPICS_ENABLE));
    EXPECT(config_f64(config, SETTING_BROKER_LOG_CLEANER_MIN_CLEANABLE_RATIO) > 0.99);
    EXPECT_TEXT(config_value_text(config, SETTING_BROKER_LOG_CLEANER_MIN_CLEANABLE_RATIO), "1.0");
    EXPECT_TEXT(config_text(config, SETTING_BROKER_BROKER_RACK), "r");
    EXPECT_EQ(config_log_dirs(config).count, 2);
    EXPECT_TEXT(config_log_dirs(config).items[1], "/b");
    EXPECT_TEXT(config_metadata_log_dir(config), "/m");
    EXPECT(config_has_role_broker(config) && config_has_role_controller(config));
    EXPECT(config_list_has(config, SETTING_BROKER_PROCESS_ROLES, "controller"));
    EXPECT_STOPS((void)config_i64(config, SETTING_TOPIC_SEGMENT_BYTES));
    EXPECT_STOPS((void)config_i64(config, SETTING_BROKER_BROKER_RACK));
    EXPECT_STOPS((void)config_i64(config, SETTING_BROKER_LOG_RETENTION_MS));
    config_unref(config);

    config = load("log.dirs=/a/,//b///c//,/\nmetadata.log.dir=/a//");
    EXPECT_TEXT(config_log_dirs(config).items[0], "/a");
    EXPECT_TEXT(config_log_dirs(config).items[1], "/b/c");
    EXPECT_TEXT(config_log_dirs(config).items[2], "/");
    EXPECT_TEXT(config_metadata_log_dir(config), "/a");
    config_unref(config);

    config = load("");
    EXPECT_TEXT(config_log_dirs(config).items[0], "/tmp/kafka-logs");
    EXPECT_TEXT(config_metadata_log_dir(config), "/tmp/kafka-logs");
    config_unref(config);
}

/* ms over minutes over hours, in a topic and in the broker's own view. */
TEST(config_values, take_units_that_stand_behind)
{
    static const struct {
        const char *lines;
        int64_t retention_ms;
        int64_t roll_ms;
    } rows[] = {
        { "", 168 * 3600000LL, 168 * 3600000LL },
        { "log.retention.hours=2\nlog.roll.hours=1\n", 7200000, 3600000 },
        { "log.retention.hours=2\nlog.retention.minutes=3\n", 180000, 168 * 3600000LL },
        { "log.retention.minutes=3\nlog.retention.ms=4\nlog.roll.ms=5\nlog.roll.hours=1\n", 4, 5 },
        { "log.retention.hours=-1\n", -1, 168 * 3600000LL },
        { "log.retention.ms=-7\n", -1, 168 * 3600000LL },
        { "log.retention.hours=2147483647\n", 2147483647 * 3600000LL, 168 * 3600000LL },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config *broker = load(rows[i].lines);
        struct config *topic = config_for_topic(broker, CONFIG_OVERRIDES_NONE, NULL, NULL);
        int64_t ms = 0;
        EXPECT_EQ(config_i64(topic, SETTING_TOPIC_RETENTION_MS), rows[i].retention_ms);
        EXPECT_EQ(config_i64(topic, SETTING_TOPIC_SEGMENT_MS), rows[i].roll_ms);
        EXPECT(config_effective_i64(broker, SETTING_BROKER_LOG_RETENTION_MS, &ms));
        EXPECT_EQ(ms, rows[i].retention_ms);
        EXPECT_EQ(config_i64(topic, SETTING_TOPIC_FLUSH_MS), INT64_MAX);
        config_unref(topic);
        config_unref(broker);
    }
}

/* Whoever limits a listener must hear that nobody does. */
TEST(config_load, warns_of_a_listeners_own_settings)
{
    struct config *config = NULL;
    struct config_problems problems = { 0 };
    const struct bytes text = BYTES_LITERAL("process.roles=broker,controller\nnode.id=1\n"
                                            "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                                            "controller.listener.names=CONTROLLER\n"
                                            "controller.quorum.bootstrap.servers=localhost:9093\n"
                                            "listener.name.plaintext.max.connections=3\n");
    EXPECT_OK(
        config_load(SETTING_KIND_BROKER, text, "f", CONFIG_OVERRIDES_NONE, &config, &problems));
    EXPECT_EQ(problems.list.count, 1);
    EXPECT(strstr(problems.list.items[0].text,
                  "listener.name.plaintext.max.connections=3 has no effect") != NULL);
    config_problems_deinit(&problems);
    config_unref(config);
}

TEST(config_values, of_a_listener_come_before_the_plain_ones)
{
    struct config *config = load("max.connections=10\nlistener.name.external.max.connections=5\n"
                                 "listener.name.plaintext.plain.sasl.jaas.config=abc\n");
    EXPECT_EQ(config_listener_i64(config, "EXTERNAL", SETTING_BROKER_MAX_CONNECTIONS), 5);
    EXPECT_EQ(config_listener_i64(config, "PLAINTEXT", SETTING_BROKER_MAX_CONNECTIONS), 10);
    EXPECT_TEXT(config_listener_text(config, "plaintext", SETTING_BROKER_SASL_JAAS_CONFIG), "abc");
    EXPECT(config_listener_text(config, "EXTERNAL", SETTING_BROKER_SASL_JAAS_CONFIG) == NULL);
    config_unref(config);

    int r;
    AUTO(mem_freep) char *text = load_problems("listener.name.external.max.connections=x\n", &r);
    EXPECT_EQ(r, -ERR_INVALID_SETTING);
    EXPECT(strstr(text, "listener.name.external.max.connections") != NULL);
}

/* ---- topics and groups ------------------------------------------------------------------------------------------ */

TEST(config_for_topic, skips_what_is_bad)
{
    struct config *broker = load("log.segment.bytes=2000000\n");
    const struct config_override items[] = {
        { BYTES_LITERAL("retention.ms"), BYTES_LITERAL("x") },
        { BYTES_LITERAL("nope"), BYTES_LITERAL("1") },
        { BYTES_LITERAL("cleanup.policy"), BYTES_LITERAL("compact, delete") },
        { BYTES_LITERAL("segment.ms"), BYTES_NULL },
    };
    size_t skipped = 0;
    struct err_note note = { .text = "" };
    struct config *topic = config_for_topic(
        broker, (struct config_overrides){ items, ARRAY_LEN(items) }, &skipped, &note);
    EXPECT_EQ(skipped, 2);
    EXPECT_TEXT(note.text, "Unknown topic config name: nope");
    EXPECT_EQ(config_i64(topic, SETTING_TOPIC_SEGMENT_BYTES), 2000000);
    EXPECT_EQ(config_list(topic, SETTING_TOPIC_CLEANUP_POLICY).count, 2);
    EXPECT_EQ(config_i64(topic, SETTING_TOPIC_RETENTION_MS), 604800000);
    EXPECT(config_is_null(topic, SETTING_TOPIC_INTERNAL_SEGMENT_BYTES));

    /* The topic outlives its broker's snapshot. */
    config_unref(broker);
    EXPECT_TEXT(config_text(topic, SETTING_TOPIC_COMPRESSION_TYPE), "producer");
    config_unref(topic);
}

struct verdict {
    const char *name;
    const char *value;
    const char *note; /* NULL: good */
    const char *name_2;
    const char *value_2;
};

typedef int validate(const struct config *broker, struct config_overrides overrides,
                     struct err_note *note);

static void expect_verdicts(validate *validate_it, const struct config *broker,
                            const struct verdict *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct config_override items[] = {
            { bytes_from_text(rows[i].name), bytes_from_text(rows[i].value) },
            { bytes_from_text(rows[i].name_2), bytes_from_text(rows[i].value_2) },
        };
        struct err_note note = { .text = "" };
        const int r = validate_it(
            broker, (struct config_overrides){ items, rows[i].name_2 == NULL ? 1 : 2 }, &note);
        if ((r == 0) != (rows[i].note == NULL) ||
            strcmp(note.text, rows[i].note == NULL ? "" : rows[i].note) != 0)
            test_fail(__FILE__, __LINE__, "%s=%s: %s", rows[i].name, rows[i].value, note.text);
    }
}

TEST(config_validate_topic, answers_as_kafka_does)
{
    static const struct verdict rows[] = {
        { "retention.ms", "1000", NULL, NULL, NULL },
        { "cleanup.policy", "", NULL, NULL, NULL },
        { "cleanup.policy", "delete,delete", NULL, NULL, NULL },
        { "internal.segment.bytes", "100", NULL, NULL, NULL },
        { "remote.storage.enable", "false", NULL, NULL, NULL },
        { "retention.ms", "",
          "Invalid value  for configuration retention.ms: Not a number of type LONG", NULL, NULL },
        { "segment.bytes", "5",
          "Invalid value 5 for configuration segment.bytes: Value must be at least 1048576", NULL,
          NULL },
        { "nope", "5", "Unknown topic config name: nope", NULL, NULL },
        { "preallocate", "x", "Unknown topic config name: nope", "nope", "1" },
        { "min.compaction.lag.ms", "10",
          "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
          "max.compaction.lag.ms", "5" },
        { "remote.storage.enable", "true",
          "remote.storage.enable=true: this build cannot do that yet, and without it the node "
          "would be less "
          "safe than you asked for; leave it at its default (false) to start",
          NULL, NULL },
    };
    struct config *broker = load("");
    expect_verdicts(config_validate_topic, broker, rows, ARRAY_LEN(rows));
    config_unref(broker);
}

/* A value that no record could hold. */
TEST(config_validate_topic, bounds_the_size_of_values)
{
    struct config *broker = load("");
    char *text = mem_alloc(40000);
    memset(text, ',', 40000);
    const struct config_override item = { BYTES_LITERAL("cleanup.policy"),
                                          bytes_from(text, 40000) };
    struct err_note note = { .text = "" };
    EXPECT_ERR(config_validate_topic(broker, (struct config_overrides){ &item, 1 }, &note),
               ERR_INVALID_SETTING);
    EXPECT_TEXT(note.text, "The value of cleanup.policy is 40000 bytes long, the limit is 32767");
    mem_free(text);
    config_unref(broker);
}

/* What a coordinator makes of one text is what the whole config has. */
TEST(config_bounded_value, is_the_groups)
{
    static const enum setting_id ids[] = { SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS,
                                           SETTING_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS,
                                           SETTING_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS,
                                           SETTING_GROUP_STREAMS_NUM_STANDBY_REPLICAS };
    static const char *const texts[] = { NULL,    "",      "-1",         "0",          "1", "5000",
                                         "46000", "60001", " 50000 ",    "2147483647", "x", "1e3",
                                         "+7",    "5001",  "2147483648", "45001" };
    struct config *broker = load("group.consumer.session.timeout.ms=46000\n"
                                 "group.consumer.assignment.interval.ms=700\n");
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        const struct config_bounded setting = config_bounded_for_groups(broker, ids[i]);
        for (size_t j = 0; j < ARRAY_LEN(texts); j++) {
            const struct config_override own = { bytes_from_text(setting_get(ids[i])->name),
                                                 bytes_from_text(texts[j]) };
            struct config *group =
                config_for_group(broker, (struct config_overrides){ &own, 1 }, NULL, NULL);
            EXPECT_EQ(config_bounded_value(&setting, own.value), config_i64(group, ids[i]));
            config_unref(group);
        }
    }
    config_unref(broker);
}

TEST(config_validate_group, keeps_to_the_brokers_bounds)
{
    static const struct verdict rows[] = {
        { "consumer.session.timeout.ms", "50000", NULL, NULL, NULL },
        { "consumer.session.timeout.ms", "1",
          "consumer.session.timeout.ms must be greater than or equal to "
          "group.consumer.min.session.timeout.ms "
          "(45000); it is 1",
          NULL, NULL },
        { "consumer.session.timeout.ms", "70000",
          "consumer.session.timeout.ms must be less than or equal to "
          "group.consumer.max.session.timeout.ms "
          "(60000); it is 70000",
          NULL, NULL },
        { "consumer.heartbeat.interval.ms", "46000",
          "consumer.heartbeat.interval.ms (46000) must be less than consumer.session.timeout.ms "
          "(45000)",
          NULL, NULL },
        { "streams.num.standby.replicas", "3",
          "streams.num.standby.replicas must be less than or equal to "
          "group.streams.max.standby.replicas (2); "
          "it is 3",
          NULL, NULL },
        { "share.delivery.count.limit", "1",
          "Invalid value 1 for configuration share.delivery.count.limit: Value must be at least 2",
          NULL, NULL },
        { "nope", "1", "Unknown group config name: nope", NULL, NULL },
    };
    struct config *broker = load("group.consumer.max.heartbeat.interval.ms=60000\n");
    expect_verdicts(config_validate_group, broker, rows, ARRAY_LEN(rows));

    const struct config_override item = { BYTES_LITERAL("consumer.session.timeout.ms"),
                                          BYTES_LITERAL("70000") };
    struct config *group =
        config_for_group(broker, (struct config_overrides){ &item, 1 }, NULL, NULL);
    EXPECT_EQ(config_i64(group, SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS), 60000); /* clamped */
    EXPECT_TEXT(config_value_text(group, SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS), "60000");
    config_unref(group);
    config_unref(broker);
}

static int validate_metrics(__attribute__((unused)) const struct config *broker,
                            struct config_overrides overrides, struct err_note *note)
{
    return config_validate_client_metrics(overrides, note);
}

TEST(config_validate_client_metrics, checks_interval_and_match)
{
    static const struct verdict rows[] = {
        { "interval.ms", "100", NULL, NULL, NULL },
        { "metrics", "*", NULL, NULL, NULL },
        { "match", " client_id = a.*,client_source_port=1", NULL, NULL, NULL },
        { "interval.ms", "99",
          "Invalid value 99 for configuration interval.ms: Value must be at least 100", NULL,
          NULL },
        { "match", "client_id", "Illegal client matching pattern: client_id", NULL, NULL },
        { "match", "client_id=a=b", "Illegal client matching pattern: client_id=a=b", NULL, NULL },
        { "match", "client_id=", "Illegal client matching pattern: client_id=", NULL, NULL },
        { "match", "foo=a", "Illegal client matching pattern: foo=a", NULL, NULL },
        { "nope", "1", "Unknown client metrics config name: nope", NULL, NULL },
    };
    expect_verdicts(validate_metrics, NULL, rows, ARRAY_LEN(rows));
}

/* ---- dynamic settings ------------------------------------------------------------------------------------------- */

static int validate_one_broker(const struct config *broker, struct config_overrides overrides,
                               struct err_note *note)
{
    return config_validate_broker(broker, overrides, false, note);
}

static int validate_all_brokers(const struct config *broker, struct config_overrides overrides,
                                struct err_note *note)
{
    return config_validate_broker(broker, overrides, true, note);
}

TEST(config_validate_broker, answers_as_kafka_does)
{
    static const struct verdict for_one[] = {
        { "log.retention.ms", "5000", NULL, NULL, NULL },
        { "log.retention.ms", "-3", NULL, NULL, NULL },
        { "max.connections", "10", NULL, NULL, NULL },
        { "listener.name.plaintext.max.connections", "10", NULL, NULL, NULL },
        { "nobody.knows.this", "1", NULL, NULL, NULL },
        { "follower.replication.throttled.rate", "100", NULL, NULL, NULL },
        { "num.io.threads", "16", NULL, NULL, NULL },
        { "cordoned.log.dirs", "*", NULL, NULL, NULL },
        { "num.io.threads", "17",
          "Dynamic thread count update validation failed for num.io.threads=17, value should not "
          "be greater "
          "than double the current value 8",
          NULL, NULL },
        { "num.io.threads", "3",
          "Dynamic thread count update validation failed for num.io.threads=3, value should be at "
          "least half "
          "the current value 8",
          NULL, NULL },
        { "log.retention.hours", "5",
          "Cannot update these configs dynamically: [log.retention.hours]; it takes effect at a "
          "restart, from "
          "the broker's file",
          NULL, NULL },
        { "log.retention.ms", "0",
          "log.retention.ms must be unlimited (-1) or, greater than or equal to 1; it is 0", NULL,
          NULL },
        { "log.cleaner.threads", "0", "log.cleaner.threads must be at least 1; it is 0", NULL,
          NULL },
        { "log.segment.bytes", "100",
          "Invalid value 100 for configuration log.segment.bytes: Value must be at least 1048576",
          NULL, NULL },
        { "follower.replication.throttled.rate", "-1",
          "Invalid value -1 for configuration follower.replication.throttled.rate: Value must be "
          "at least 0",
          NULL, NULL },
        { "ssl.protocol", "TLSv1.2",
          "ssl.protocol cannot be updated dynamically for existing listeners; name one: "
          "listener.name.<listener>.ssl.protocol",
          NULL, NULL },
        { "listeners", "PLAINTEXT://:1,CONTROLLER://:2",
          "This build cannot change listeners while it runs; change the broker's file and restart "
          "it",
          NULL, NULL },
        { "listeners", "PLAINTEXT://:9092,CONTROLLER://:9093", NULL, NULL, NULL }, /* no change */
    };
    static const struct verdict for_all[] = {
        { "log.retention.ms", "5000", NULL, NULL, NULL },
        { "listener.name.plaintext.max.connections", "10", NULL, NULL, NULL },
        { "ssl.protocol", "TLSv1.2",
          "Cannot update these configs at default cluster level, broker id must be specified: "
          "[ssl.protocol]",
          NULL, NULL },
    };
    struct config *broker = load("");
    expect_verdicts(validate_one_broker, broker, for_one, ARRAY_LEN(for_one));
    expect_verdicts(validate_all_brokers, broker, for_all, ARRAY_LEN(for_all));
    config_unref(broker);
}

TEST(config_with_dynamic, lays_broker_over_cluster_over_file)
{
    struct config *file = load("log.cleaner.backoff.ms=1\nmax.connections=1\nnum.io.threads=2\n");
    const struct config_override cluster[] = {
        { BYTES_LITERAL("log.cleaner.backoff.ms"), BYTES_LITERAL("10") },
        { BYTES_LITERAL("max.connections"), BYTES_LITERAL("10") },
    };
    const struct config_override own[] = {
        { BYTES_LITERAL("max.connections"), BYTES_LITERAL("100") },
        { BYTES_LITERAL("node.id"), BYTES_LITERAL("9") },
        { BYTES_LITERAL("num.io.threads"), BYTES_LITERAL("many") },
        { BYTES_LITERAL("num.network.threads"), BYTES_NULL },
    };
    struct config_problems problems = { .error_count = 0 };
    struct config *config = config_with_dynamic(file, (struct config_overrides){ cluster, 2 },
                                                (struct config_overrides){ own, 4 }, &problems);
    EXPECT_EQ(config_i64(config, SETTING_BROKER_LOG_CLEANER_BACKOFF_MS), 10);
    EXPECT_EQ(config_i64(config, SETTING_BROKER_MAX_CONNECTIONS), 100);
    EXPECT_EQ(config_i64(config, SETTING_BROKER_NODE_ID), 1);
    EXPECT_EQ(config_i64(config, SETTING_BROKER_NUM_IO_THREADS), 2);
    EXPECT_EQ(problems.error_count, 2);

    /* The next snapshot replaces what was dynamic in this one. */
    struct config *next = config_with_dynamic(config, CONFIG_OVERRIDES_NONE,
                                              (struct config_overrides){ own, 1 }, &problems);
    EXPECT_EQ(config_i64(next, SETTING_BROKER_LOG_CLEANER_BACKOFF_MS), 1);
    EXPECT_EQ(config_i64(next, SETTING_BROKER_MAX_CONNECTIONS), 100);

    /* Values that only together are bad: the file counts. */
    const struct config_override bad = { BYTES_LITERAL("log.cleaner.dedupe.buffer.size"),
                                         BYTES_LITERAL("5") };
    struct config *safe = config_with_dynamic(next, CONFIG_OVERRIDES_NONE,
                                              (struct config_overrides){ &bad, 1 }, &problems);
    EXPECT_EQ(config_i64(safe, SETTING_BROKER_MAX_CONNECTIONS), 1);
    EXPECT_EQ(problems.error_count, 3);

    config_unref(file);
    config_unref(config);
    config_unref(next);
    config_unref(safe);
    config_problems_deinit(&problems);
}

/* Validation of one layer sees the other one that is in force. */
TEST(config_validate_broker, sees_the_other_layer)
{
    struct config *file = load("");
    const struct config_override cluster = { BYTES_LITERAL("log.cleaner.threads"),
                                             BYTES_LITERAL("2") };
    struct config_problems problems = { .error_count = 0 };
    struct config *running = config_with_dynamic(file, (struct config_overrides){ &cluster, 1 },
                                                 CONFIG_OVERRIDES_NONE, &problems);
    const struct config_override own = { BYTES_LITERAL("log.cleaner.dedupe.buffer.size"),
                                         BYTES_LITERAL("1100000") };
    EXPECT_OK(config_validate_broker(file, (struct config_overrides){ &own, 1 }, false, NULL));
    EXPECT_ERR(config_validate_broker(running, (struct config_overrides){ &own, 1 }, false, NULL),
               ERR_INVALID_SETTING);
    config_unref(running);
    config_unref(file);
    config_problems_deinit(&problems);
}
