/* What DescribeConfigs says of every kind of resource, against what Apache Kafka said. */
#include "config/describe.h"

#include "base/buf.h"
#include "base/test.h"
#include "config/reference.h"

#include <stdio.h>
#include <string.h>

#define OVERRIDE(name, value)                                                                      \
    {                                                                                              \
        BYTES_LITERAL(name), BYTES_LITERAL(value)                                                  \
    }
#define OVERRIDES(array) ((struct config_overrides){ (array), ARRAY_LEN(array) })

/* A cluster with eligible leader replicas has this from its first day. */
static const struct config_override first_day[] = { OVERRIDE("min.insync.replicas", "1") };

/* What was set on the broker that describe.tsv was taken from. */
static const struct config_override cluster_wide[] = {
    OVERRIDE("log.retention.ms", "6000000"),  OVERRIDE("max.connections", "900"),
    OVERRIDE("log.cleaner.backoff.ms", "77"), OVERRIDE("plugin.secret", "s"),
    OVERRIDE("min.insync.replicas", "1"),
};
static const struct config_override per_broker[] = {
    OVERRIDE("log.retention.ms", "5000000"),
    OVERRIDE("max.connections", "800"),
    OVERRIDE("listener.name.plaintext.max.connections", "60"),
    OVERRIDE("num.io.threads", "9"),
    OVERRIDE("log.cleanup.policy", "delete,compact"),
    OVERRIDE("leader.replication.throttled.rate", "1000"),
    OVERRIDE("compression.type", "lz4"),
    OVERRIDE("log.message.timestamp.type", "LogAppendTime"),
    OVERRIDE("log.flush.interval.ms", "123"),
    OVERRIDE("log.roll.ms", "99999"),
};
static const struct config_override of_topic[] = {
    OVERRIDE("retention.ms", "5000"),
    OVERRIDE("cleanup.policy", "compact, delete"),
    OVERRIDE("segment.ms", "77"),
    OVERRIDE("flush.messages", "10"),
    OVERRIDE("min.cleanable.dirty.ratio", "5e-1"),
    OVERRIDE("leader.replication.throttled.replicas", "0:1, 1:2"),
};
static const struct config_override of_group[] = {
    OVERRIDE("consumer.session.timeout.ms", "50000"),
    OVERRIDE("share.auto.offset.reset", "earliest"),
};
static const struct config_override of_metrics[] = {
    OVERRIDE("metrics", "a,b"),
    OVERRIDE("interval.ms", "1000"),
    OVERRIDE("match", "client_id=x"),
};

static const char *source_name(enum config_source source)
{
    static const char *const names[] = { "unknown", "topic",  "broker",  "cluster", "static",
                                         "default", "logger", "metrics", "group" };
    ASSERT((unsigned)source < ARRAY_LEN(names));
    return names[source];
}

static const char *shown(const char *value)
{
    return value == NULL ? "(null)" : value[0] == '\0' ? "(empty)" : value;
}

/* One description in the form of the reference. */
static void put_description(struct buf *out, const struct config_description *d)
{
    const char *marks = d->is_read_only   ? d->is_sensitive ? "read-only,secret" : "read-only"
                        : d->is_sensitive ? "secret"
                                          : "-";
    buf_printf(out, "%s\t%s\t%s\t%s\t%s", d->name, setting_type_name(d->type), shown(d->value),
               source_name(d->source), marks);
    for (size_t i = 0; i < d->synonym_count; i++)
        buf_printf(out, "\t%s=%s@%s", d->synonyms[i].name, shown(d->synonyms[i].value),
                   source_name(d->synonyms[i].source));
    buf_put_u8(out, 0);
    EXPECT_EQ(d->is_default, d->source == CONFIG_SOURCE_DEFAULT);
    EXPECT(d->documentation != NULL);
}

static bool is_left_out(const char *resource, const char *name)
{
    return strcmp(resource, "broker-dynamic") == 0 &&
           (strcmp(name, "log.retention.hours") == 0 || strcmp(name, "log.roll.hours") == 0);
}

/* Every description of the resource is a line of the reference; a resource whose reference lists only what differs
 * from `base` may also have lines of that. */
static void expect_resource(const char *reference, const char *resource, const char *base,
                            const struct config *broker, const struct config *config,
                            bool is_cluster_wide)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    const struct config_description *list = NULL;
    size_t count = 0;
    EXPECT_OK(config_describe(broker, config, is_cluster_wide, &arena, &list, &count));
    size_t own_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct buf line;
        buf_init(&line, 65536);
        put_description(&line, &list[i]);
        AUTO(mem_freep) char *own = mem_printf("\n%s\t%s\n", resource, (const char *)line.data);
        AUTO(mem_freep)
        char *of_base =
            mem_printf("\n%s\t%s\n", base == NULL ? "-" : base, (const char *)line.data);
        const bool is_own = strstr(reference, own) != NULL;
        own_count += is_own ? 1 : 0;
        if (!is_own && strstr(reference, of_base) == NULL && !is_left_out(resource, list[i].name))
            test_fail(__FILE__, __LINE__, "not in the reference: %s", own);
        buf_deinit(&line);
    }
    /* And every line of the reference was found. */
    AUTO(mem_freep) char *start = mem_printf("\n%s\t", resource);
    size_t wanted = 0;
    for (const char *at = reference; (at = strstr(at, start)) != NULL; at++)
        wanted++;
    EXPECT(wanted > 0);
    EXPECT_EQ(own_count, wanted);
    arena_deinit(&arena);
}

TEST(config_describe, answers_as_kafka_does)
{
    size_t size;
    char *reference = reference_read("tests/data/config/describe.tsv", &size);
    char *text = reference_read("tests/data/config/broker.properties", &size);
    struct config_problems problems = { .error_count = 0 };
    struct config *file = NULL;
    EXPECT_OK(config_load(SETTING_KIND_BROKER, bytes_from(text, size), "broker.properties",
                          CONFIG_OVERRIDES_NONE, &file, &problems));
    struct config *broker =
        config_with_dynamic(file, OVERRIDES(first_day), CONFIG_OVERRIDES_NONE, &problems);
    struct config *topic = config_for_topic(broker, CONFIG_OVERRIDES_NONE, NULL, NULL);
    struct config *group = config_for_group(broker, CONFIG_OVERRIDES_NONE, NULL, NULL);
    struct config *metrics = config_for_client_metrics(CONFIG_OVERRIDES_NONE, NULL, NULL);
    expect_resource(reference, "broker", NULL, broker, NULL, false);
    expect_resource(reference, "topic", NULL, broker, topic, false);
    expect_resource(reference, "group", NULL, broker, group, false);
    expect_resource(reference, "metrics", NULL, broker, metrics, false);
    config_unref(topic);
    config_unref(group);
    config_unref(metrics);
    config_unref(broker);

    broker = config_with_dynamic(file, OVERRIDES(cluster_wide), OVERRIDES(per_broker), &problems);
    EXPECT_EQ(problems.error_count, 0);
    topic = config_for_topic(broker, CONFIG_OVERRIDES_NONE, NULL, NULL);
    struct config *own_topic = config_for_topic(broker, OVERRIDES(of_topic), NULL, NULL);
    group = config_for_group(broker, OVERRIDES(of_group), NULL, NULL);
    metrics = config_for_client_metrics(OVERRIDES(of_metrics), NULL, NULL);
    expect_resource(reference, "broker-dynamic", "broker", broker, NULL, false);
    expect_resource(reference, "cluster", NULL, broker, NULL, true);
    expect_resource(reference, "topic-dynamic", "topic", broker, topic, false);
    expect_resource(reference, "topic-own", NULL, broker, own_topic, false);
    expect_resource(reference, "group-own", NULL, broker, group, false);
    expect_resource(reference, "metrics-own", NULL, broker, metrics, false);
    config_unref(topic);
    config_unref(own_topic);
    config_unref(group);
    config_unref(metrics);
    config_unref(broker);
    config_unref(file);
    config_problems_deinit(&problems);
    mem_free(text);
    mem_free(reference);
}

TEST(config_describe, says_when_the_arena_is_full)
{
    struct config *metrics = config_for_client_metrics(CONFIG_OVERRIDES_NONE, NULL, NULL);
    const struct config_description *list;
    size_t count;
    for (size_t limit = 0; limit < 4096; limit += 16) {
        struct arena arena;
        arena_init(&arena, limit);
        const int r = config_describe(NULL, metrics, false, &arena, &list, &count);
        EXPECT(r == 0 ? count == 3 : r == -ERR_LIMIT);
        EXPECT(limit > 0 || r == -ERR_LIMIT);
        arena_deinit(&arena);
    }
    config_unref(metrics);
}
