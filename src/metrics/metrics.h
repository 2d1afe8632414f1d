/* Numbers that a node keeps about itself, under the names that people's dashboards for Kafka know.
 *
 * A family is a bean of Apache Kafka ("kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec") with label names; the
 * table is families.def. A registry holds the series of families that somebody has asked for. Pages for Prometheus are
 * rendered under the names that the usual rules of the JMX exporter give (lower case, PerSec counted as _total,
 * percentiles as quantile label).
 *
 * A registry is a value, one a shard, used by that shard alone: updates are plain stores. To show a whole node, each shard
 * adds its registry to one that is passed round (metrics_add), and that one is rendered.
 *
 * Memory is bounded: beyond METRICS_SERIES_MAX series a registry hands out a series that nobody sees.
 */
#pragma once

#include "base/buf.h"

enum metric_id {
#define METRIC(id, kind, bean, attribute, labels, unit, words) METRIC_##id,
#include "metrics/families.def"
#undef METRIC
    METRIC_COUNT
};

enum metric_kind {
    METRIC_COUNTER, /* only grows; what Kafka calls a meter: dashboards take its rate */
    METRIC_GAUGE,   /* a level; of several shards the sum */
    METRIC_HISTOGRAM, /* how values are spread over the last one to two windows, and how many there were */
};

#define METRIC_LABEL_COUNT_MAX 3
#define METRICS_SERIES_MAX     100000 /* of one registry */

struct metric_family {
    enum metric_id id;
    enum metric_kind kind;
    const char *bean;
    const char *attribute; /* of beans that hold many numbers ("current-epoch"), else "" */
    const char *labels;    /* comma-separated, in order */
    double unit; /* a recorded value times this is what is shown: 0.001 for µs shown as ms */
    const char *words;
};
const struct metric_family *metric_family(enum metric_id id);

/* The exporter's name, without _total and _count: "kafka_server_brokertopicmetrics_messagesin". Terminated, cut to fit. */
#define METRIC_NAME_SIZE 160
void metric_name(const struct metric_family *family, char out[METRIC_NAME_SIZE]);

/* ---- a registry ---------------------------------------------------------------------------------- */

struct metrics;
struct metric_histogram;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics); /* NULL is fine; all series die with it */

/* Values of the family's labels in order; NULL or "" is left out of the page, so that a sum over all topics can stand
 * beside each topic's own. */
struct metric_labels {
    const char *values[METRIC_LABEL_COUNT_MAX];
};
#define METRIC_LABELS(...) (&(struct metric_labels){ { __VA_ARGS__ } })

/* The number to be counted up or set, made at the first call; valid until metrics_remove or metrics_free. Keep it where
 * it is used often. labels NULL: none. The family's kind must fit (ASSERT). */
uint64_t *metrics_counter(struct metrics *metrics, enum metric_id id,
                          const struct metric_labels *labels);
int64_t *metrics_gauge(struct metrics *metrics, enum metric_id id,
                       const struct metric_labels *labels);
struct metric_histogram *metrics_histogram(struct metrics *metrics, enum metric_id id,
                                           const struct metric_labels *labels);

/* Forgets a series, of a deleted topic for instance; absent ones are fine. */
void metrics_remove(struct metrics *metrics, enum metric_id id, const struct metric_labels *labels);

size_t metrics_series_count(const struct metrics *metrics);
uint64_t
metrics_unseen_count(const struct metrics *metrics); /* times that a series was beyond the bound */

/* ---- histograms ------------------------------------------------------------------------------------ */

/* Values below zero count as 0, huge ones as the largest (2^40 - 1). A bucket is at most an eighth of its values wide, so a
 * quantile is at most some 6 % off. */
void metric_histogram_record(struct metric_histogram *histogram, int64_t value);
uint64_t metric_histogram_count(const struct metric_histogram *histogram); /* since the beginning */
int64_t metric_histogram_quantile(const struct metric_histogram *histogram, double quantile);

/* Begins a new window; the one before the last is forgotten. For the owner to call about once a minute. */
void metrics_rotate(struct metrics *metrics);

/* ---- showing ------------------------------------------------------------------------------------------ */

/* Adds every series of `from` to the same one of `into`. */
void metrics_add(struct metrics *into, const struct metrics *from);

/* The page, Prometheus text format 0.0.4: families in the order of the table, series by label values. The caller tests the
 * buf. */
void metrics_render(const struct metrics *metrics, struct buf *out);
