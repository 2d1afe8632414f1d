/* Registries: bounds, sums over shards, and the page against a reference of Kafka's names. */
#include "metrics/metrics.h"

#include "base/mem.h"
#include "base/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *render(const struct metrics *metrics)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    metrics_render(metrics, &out);
    buf_put_u8(&out, 0);
    EXPECT(buf_is_ok(&out));
    return (char *)buf_take(&out);
}

/* One of each kind and form, made in an order that the page does not show. */
TEST(metrics_render, has_the_exporters_names)
{
    struct metrics *metrics = metrics_new();
    struct metric_histogram *time =
        metrics_histogram(metrics, METRIC_REQUEST_TOTAL_TIME, METRIC_LABELS("Produce"));
    for (int i = 1; i <= 4; i++)
        metric_histogram_record(time, i);
    *metrics_gauge(metrics, METRIC_RAFT_CURRENT_EPOCH, NULL) = -1;
    *metrics_counter(metrics, METRIC_SOCKET_BYTES_IN, METRIC_LABELS("PLAINTEXT", "0")) = 7;
    *metrics_counter(metrics, METRIC_MESSAGES_IN, METRIC_LABELS("b")) = UINT64_MAX;
    *metrics_counter(metrics, METRIC_MESSAGES_IN, NULL) = 3;
    *metrics_counter(metrics, METRIC_MESSAGES_IN, METRIC_LABELS("a\"\\\n")) += 2;
    *metrics_gauge(metrics, METRIC_NETWORK_IDLE, NULL) = 250000;
    *metrics_gauge(metrics, METRIC_GROUPS, NULL) = 1;
    AUTO(mem_freep) char *page = render(metrics);
    EXPECT_TEXT(
        page,
        "# HELP kafka_coordinator_group_groupmetadatamanager_numgroups Classic groups.\n"
        "# TYPE kafka_coordinator_group_groupmetadatamanager_numgroups gauge\n"
        "kafka_coordinator_group_groupmetadatamanager_numgroups 1\n"
        "# HELP kafka_network_requestmetrics_totaltimems Time from the request's arrival until its "
        "answer "
        "has left.\n"
        "# TYPE kafka_network_requestmetrics_totaltimems gauge\n"
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.50\"} 0.002\n"
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.75\"} 0.003\n"
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.95\"} 0.003\n"
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.98\"} 0.003\n"
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.99\"} 0.003\n"
        "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.999\"} 0.003\n"
        "# HELP kafka_network_requestmetrics_totaltimems_count Time from the request's arrival "
        "until its "
        "answer has left.\n"
        "# TYPE kafka_network_requestmetrics_totaltimems_count counter\n"
        "kafka_network_requestmetrics_totaltimems_count{request=\"Produce\"} 4\n"
        "# HELP kafka_network_socketserver_networkprocessoravgidle_percent Share of time that "
        "loops wait, "
        "in millionths.\n"
        "# TYPE kafka_network_socketserver_networkprocessoravgidle_percent gauge\n"
        "kafka_network_socketserver_networkprocessoravgidle_percent 0.25\n"
        "# HELP kafka_server_brokertopicmetrics_messagesin_total Records that producers wrote.\n"
        "# TYPE kafka_server_brokertopicmetrics_messagesin_total counter\n"
        "kafka_server_brokertopicmetrics_messagesin_total 3\n"
        "kafka_server_brokertopicmetrics_messagesin_total{topic=\"a\\\"\\\\\\n\"} 2\n"
        "kafka_server_brokertopicmetrics_messagesin_total{topic=\"b\"} 18446744073709551615\n"
        "# HELP kafka_server_raftmetrics_current_epoch Epoch of the metadata quorum.\n"
        "# TYPE kafka_server_raftmetrics_current_epoch gauge\n"
        "kafka_server_raftmetrics_current_epoch -1\n"
        "# HELP kafka_server_socket_server_metrics_incoming_byte_total Bytes received.\n"
        "# TYPE kafka_server_socket_server_metrics_incoming_byte_total counter\n"
        "kafka_server_socket_server_metrics_incoming_byte_total{listener=\"PLAINTEXT\","
        "networkProcessor="
        "\"0\"} 7\n");
    metrics_free(metrics);
}

/* Every family is one of Kafka's, or says that it is ours, and no two have one name. */
TEST(metric_families, are_beans_of_kafka)
{
    char *full = mem_printf("%s/tests/data/metrics/beans.tsv", OTTLA_SOURCE_ROOT);
    FILE *file = fopen(full, "rb");
    EXPECT(file != NULL);
    char *beans = mem_zalloc(1 << 17);
    EXPECT(fread(beans, 1, (1 << 17) - 1, file) > 1000);
    (void)fclose(file);
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct metric_family *family = metric_family((enum metric_id)i);
        AUTO(mem_freep)
        char *row = mem_printf("\n%s\t%s\t%s\n", family->bean, family->labels, family->attribute);
        /* A topic's own series appear with the first event only; then the reference has the sum. */
        AUTO(mem_freep) char *sum = mem_printf("\n%s\t\t%s\n", family->bean, family->attribute);
        const bool is_own = strncmp(family->bean, "ottla.", strlen("ottla.")) == 0;
        if (!is_own && strstr(beans, row) == NULL && strstr(beans, sum) == NULL)
            test_fail(__FILE__, __LINE__, "not Kafka's:%s", row);
        char name[METRIC_NAME_SIZE];
        metric_name(family, name);
        EXPECT(strlen(name) < METRIC_NAME_SIZE - 10);
        for (unsigned j = 0; j < i; j++) {
            char other[METRIC_NAME_SIZE];
            metric_name(metric_family((enum metric_id)j), other);
            EXPECT(strcmp(name, other) != 0);
        }
    }
    mem_free(beans);
    mem_free(full);
}

TEST(metrics, finds_a_series_again_and_forgets_it)
{
    struct metrics *metrics = metrics_new();
    uint64_t *one = metrics_counter(metrics, METRIC_REQUESTS, METRIC_LABELS("Fetch", "17"));
    EXPECT(one == metrics_counter(metrics, METRIC_REQUESTS, METRIC_LABELS("Fetch", "17")));
    EXPECT(one != metrics_counter(metrics, METRIC_REQUESTS, METRIC_LABELS("Fetch", "1")));
    EXPECT(one != metrics_counter(metrics, METRIC_REQUESTS, METRIC_LABELS("Fetch1", "7")));
    EXPECT_EQ(metrics_series_count(metrics), 3);
    metrics_remove(metrics, METRIC_REQUESTS, METRIC_LABELS("Fetch", "17"));
    metrics_remove(metrics, METRIC_REQUESTS, METRIC_LABELS("never", "was"));
    EXPECT_EQ(metrics_series_count(metrics), 2);
    EXPECT_EQ(*metrics_counter(metrics, METRIC_REQUESTS, METRIC_LABELS("Fetch", "17")), 0);
    EXPECT_STOPS((void)metrics_gauge(metrics, METRIC_REQUESTS, NULL));
    metrics_free(metrics);
    metrics_free(NULL);
}

TEST(metrics, are_bounded)
{
    struct metrics *metrics = metrics_new();
    for (int i = 0; i < METRICS_SERIES_MAX + 5; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof(topic), "t%d", i);
        *metrics_counter(metrics, METRIC_BYTES_IN, METRIC_LABELS(topic)) += 1;
    }
    EXPECT_EQ(metrics_series_count(metrics), METRICS_SERIES_MAX);
    EXPECT_EQ(metrics_unseen_count(metrics), 5);
    metric_histogram_record(metrics_histogram(metrics, METRIC_LOG_FLUSH_TIME, NULL), 5);
    metrics_free(metrics);
}

TEST(metrics, add_up_over_shards)
{
    struct metrics *sum = metrics_new();
    for (int shard = 0; shard < 3; shard++) {
        struct metrics *one = metrics_new();
        *metrics_counter(one, METRIC_BYTES_IN, METRIC_LABELS("t")) = 10;
        *metrics_gauge(one, METRIC_PARTITIONS, NULL) = shard - 1;
        metric_histogram_record(metrics_histogram(one, METRIC_LOG_FLUSH_TIME, NULL), shard);
        metrics_add(sum, one);
        metrics_free(one);
    }
    EXPECT_EQ(*metrics_counter(sum, METRIC_BYTES_IN, METRIC_LABELS("t")), 30);
    EXPECT_EQ(*metrics_gauge(sum, METRIC_PARTITIONS, NULL), 0);
    const struct metric_histogram *time = metrics_histogram(sum, METRIC_LOG_FLUSH_TIME, NULL);
    EXPECT_EQ(metric_histogram_count(time), 3);
    EXPECT_EQ(metric_histogram_quantile(time, 0.5), 1);
    metrics_free(sum);
}

/* For every size of value, a quantile lies within an eighth of what was recorded. */
TEST(metric_histogram, is_near_for_every_size)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int bits = 0; bits < 40; bits++) {
        struct metrics *metrics = metrics_new();
        struct metric_histogram *histogram =
            metrics_histogram(metrics, METRIC_LOG_FLUSH_TIME, NULL);
        const int64_t value =
            (INT64_C(1) << bits) + (int64_t)(bits == 0 ? 0 : rng_below(&rng, UINT64_C(1) << bits));
        metric_histogram_record(histogram, value);
        const int64_t got = metric_histogram_quantile(histogram, 0.99);
        if (llabs(got - value) * 8 > value)
            test_fail(__FILE__, __LINE__, "%" PRId64 " is seen as %" PRId64, value, got);
        metrics_free(metrics);
    }
}

TEST(metric_histogram, clamps_and_forgets)
{
    struct metrics *metrics = metrics_new();
    struct metric_histogram *histogram = metrics_histogram(metrics, METRIC_LOG_FLUSH_TIME, NULL);
    EXPECT_EQ(metric_histogram_quantile(histogram, 1), 0);
    metric_histogram_record(histogram, INT64_MIN);
    EXPECT_EQ(metric_histogram_quantile(histogram, 1), 0);
    metric_histogram_record(histogram, INT64_MAX);
    EXPECT(metric_histogram_quantile(histogram, 1) > INT64_C(1) << 39);
    metrics_rotate(metrics);
    EXPECT(metric_histogram_quantile(histogram, 1) > INT64_C(1) << 39); /* of the window before */
    metrics_rotate(metrics);
    EXPECT_EQ(metric_histogram_quantile(histogram, 1), 0);
    EXPECT_EQ(metric_histogram_count(histogram), 2);
    metrics_free(metrics);
}
