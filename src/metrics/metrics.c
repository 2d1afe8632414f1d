/* A registry of series, and the page made of it. See metrics.h.
 *
 * Series are kept in a map by family and label values, "id\0value\0value\0value", so that one that is asked for again is found,
 * and the same ones of two registries can be added. They never move: what callers hold stays valid.
 */
#include "metrics/metrics.h"

#include "base/map.h"
#include "base/mem.h"
#include "metrics/histogram.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNTER   METRIC_COUNTER
#define GAUGE     METRIC_GAUGE
#define HISTOGRAM METRIC_HISTOGRAM
static const struct metric_family families[METRIC_COUNT] = {
#define METRIC(id_, kind_, bean_, attribute_, labels_, unit_, words_)                              \
    [METRIC_##id_] = {                                                                             \
        .id = METRIC_##id_,                                                                        \
        .kind = (kind_),                                                                           \
        .bean = (bean_),                                                                           \
        .attribute = (attribute_),                                                                 \
        .labels = (labels_),                                                                       \
        .unit = (unit_),                                                                           \
        .words = (words_),                                                                         \
    },
#include "metrics/families.def"
#undef METRIC
};
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM

struct series {
    enum metric_id id;
    char *labels[METRIC_LABEL_COUNT_MAX]; /* owned; "" where left out */
    union {
        uint64_t counter;
        int64_t gauge;
        struct metric_histogram *histogram; /* owned */
    };
};

struct metrics {
    struct map by_key; /* to struct series, owned */
    uint64_t unseen_count;
    struct series *unseen[METRIC_HISTOGRAM +
                          1]; /* handed out beyond the bound, one a kind; owned, made when needed */
};

const struct metric_family *metric_family(enum metric_id id)
{
    ASSERT((unsigned)id < METRIC_COUNT);
    return &families[id];
}

/* ---- series ------------------------------------------------------------------------------------------ */

#define KEY_SIZE_MAX 4096 /* longer label values are cut */

static struct bytes make_key(enum metric_id id, const struct metric_labels *labels,
                             char out[KEY_SIZE_MAX])
{
    size_t size = (size_t)snprintf(out, KEY_SIZE_MAX, "%u", (unsigned)id) + 1;
    for (size_t i = 0; i < METRIC_LABEL_COUNT_MAX; i++) {
        const char *value = labels == NULL || labels->values[i] == NULL ? "" : labels->values[i];
        const size_t room = (KEY_SIZE_MAX - size) / (METRIC_LABEL_COUNT_MAX - i);
        const size_t value_size = MIN(strlen(value), room - 1);
        memcpy(out + size, value, value_size);
        out[size + value_size] = '\0';
        size += value_size + 1;
    }
    return bytes_from(out, size);
}

static struct series *series_new(enum metric_id id, struct bytes key)
{
    struct series *series = MEM_NEW(struct series);
    const char *part = (const char *)key.data;
    series->id = id;
    for (size_t i = 0; i < METRIC_LABEL_COUNT_MAX; i++) {
        part += strlen(part) + 1;
        series->labels[i] = mem_strdup(part);
    }
    if (families[id].kind == METRIC_HISTOGRAM)
        series->histogram = metric_histogram_new();
    return series;
}

static void series_free(struct series *series)
{
    if (series == NULL)
        return;
    for (size_t i = 0; i < METRIC_LABEL_COUNT_MAX; i++)
        mem_free(series->labels[i]);
    if (families[series->id].kind == METRIC_HISTOGRAM)
        metric_histogram_free(series->histogram);
    mem_free(series);
}

struct metrics *metrics_new(void)
{
    struct metrics *metrics = MEM_NEW(struct metrics);
    map_init(&metrics->by_key, 0); /* label values are names that the cluster has let in */
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (struct map_walk w = { 0 }; map_next(&metrics->by_key, &w);)
        series_free(w.value);
    map_deinit(&metrics->by_key);
    for (size_t i = 0; i < ARRAY_LEN(metrics->unseen); i++)
        series_free(metrics->unseen[i]);
    mem_free(metrics);
}

static struct series *find_or_add(struct metrics *metrics, enum metric_id id, struct bytes key)
{
    struct series *series = map_get(&metrics->by_key, key);
    if (series != NULL)
        return series;
    if (map_count(&metrics->by_key) < METRICS_SERIES_MAX) {
        series = series_new(id, key);
        (void)map_put(&metrics->by_key, key, series);
        return series;
    }
    struct series **unseen = &metrics->unseen[families[id].kind];
    metrics->unseen_count++;
    if (*unseen == NULL)
        *unseen = series_new(id, key);
    return *unseen;
}

static struct series *get(struct metrics *metrics, enum metric_id id, enum metric_kind kind,
                          const struct metric_labels *labels)
{
    char key[KEY_SIZE_MAX];
    ASSERT(metric_family(id)->kind == kind);
    return find_or_add(metrics, id, make_key(id, labels, key));
}

uint64_t *metrics_counter(struct metrics *metrics, enum metric_id id,
                          const struct metric_labels *labels)
{
    return &get(metrics, id, METRIC_COUNTER, labels)->counter;
}

int64_t *metrics_gauge(struct metrics *metrics, enum metric_id id,
                       const struct metric_labels *labels)
{
    return &get(metrics, id, METRIC_GAUGE, labels)->gauge;
}

struct metric_histogram *metrics_histogram(struct metrics *metrics, enum metric_id id,
                                           const struct metric_labels *labels)
{
    return get(metrics, id, METRIC_HISTOGRAM, labels)->histogram;
}

void metrics_remove(struct metrics *metrics, enum metric_id id, const struct metric_labels *labels)
{
    char key[KEY_SIZE_MAX];
    series_free(map_remove(&metrics->by_key, make_key(id, labels, key)));
}

size_t metrics_series_count(const struct metrics *metrics)
{
    return map_count(&metrics->by_key);
}

uint64_t metrics_unseen_count(const struct metrics *metrics)
{
    return metrics->unseen_count;
}

void metrics_rotate(struct metrics *metrics)
{
    for (struct map_walk w = { 0 }; map_next(&metrics->by_key, &w);) {
        const struct series *series = w.value;
        if (families[series->id].kind == METRIC_HISTOGRAM)
            metric_histogram_rotate(series->histogram);
    }
}

void metrics_add(struct metrics *into, const struct metrics *from)
{
    for (struct map_walk w = { 0 }; map_next(&from->by_key, &w);) {
        const struct series *series = w.value;
        struct series *sum = find_or_add(into, series->id, w.key);
        switch (families[series->id].kind) {
        case METRIC_COUNTER:
            sum->counter += series->counter;
            break;
        case METRIC_GAUGE:
            sum->gauge += series->gauge;
            break;
        case METRIC_HISTOGRAM:
        default:
            metric_histogram_add(sum->histogram, series->histogram);
            break;
        }
    }
    into->unseen_count += from->unseen_count;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static bool take_suffix(struct bytes *text, const char *suffix)
{
    const size_t size = strlen(suffix);
    if (text->size < size || memcmp(text->data + text->size - size, suffix, size) != 0)
        return false;
    text->size -= size;
    return true;
}

/* Appends text in lower case, everything else than letters and digits as '_'; `dropped` not at all. */
static void put_name(char *out, size_t *used, struct bytes text, char dropped)
{
    for (size_t i = 0; i < text.size && *used + 1 < METRIC_NAME_SIZE; i++) {
        const uint8_t c = text.data[i];
        const bool is_upper = c >= 'A' && c <= 'Z';
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (c != (uint8_t)dropped)
            out[(*used)++] = is_upper ? (char)(c | 32) : is_plain ? (char)c : '_';
    }
    out[*used] = '\0';
}

/* What stands between `start` and the next comma of the bean. */
static struct bytes bean_part(const char *bean, const char *start)
{
    const char *part = strstr(bean, start);
    if (part == NULL)
        return BYTES_LITERAL("");
    part += strlen(start);
    return bytes_from(part, strcspn(part, ","));
}

/* domain_type_name by the exporter's rules; ...PerSec loses the ending and ...Percent becomes ..._percent. Of beans with many
 * numbers it is domain_type_attribute; dashboards know raft-metrics as raftmetrics. */
void metric_name(const struct metric_family *family, char out[METRIC_NAME_SIZE])
{
    size_t used = 0;
    const bool is_attribute = family->attribute[0] != '\0';
    const struct bytes type = bean_part(family->bean, ":type=");
    put_name(out, &used, bytes_from(family->bean, strcspn(family->bean, ":")), '\0');
    put_name(out, &used, BYTES_LITERAL("_"), '\0');
    put_name(out, &used, type, bytes_equal_text(type, "raft-metrics") ? '-' : '\0');
    put_name(out, &used, BYTES_LITERAL("_"), '\0');
    struct bytes name =
        is_attribute ? bytes_from_text(family->attribute) : bean_part(family->bean, ",name=");
    const bool is_percent = take_suffix(&name, "Percent");
    (void)take_suffix(&name, "PerSec");
    put_name(out, &used, name, '\0');
    if (is_percent)
        put_name(out, &used, BYTES_LITERAL("_percent"), '\0');
}

/* ---- the page -------------------------------------------------------------------------------------------- */

static void put_label_value(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            buf_put_text(out, "\\n");
        else if (*value == '\\' || *value == '"')
            buf_printf(out, "\\%c", *value);
        else
            buf_put_u8(out, (uint8_t)*value);
    }
}

/* {a="x",quantile="0.5"}, without those that are empty; nothing if all are. */
static void put_labels(struct buf *out, const struct series *series, const char *quantile)
{
    const char *names = families[series->id].labels;
    const char *before = "{";
    for (size_t i = 0; i < METRIC_LABEL_COUNT_MAX && *names != '\0'; i++) {
        const size_t size = strcspn(names, ",");
        if (series->labels[i][0] != '\0') {
            buf_printf(out, "%s%.*s=\"", before, (int)size, names);
            put_label_value(out, series->labels[i]);
            buf_put_u8(out, '"');
            before = ",";
        }
        names += size + (names[size] == ',' ? 1 : 0);
    }
    if (quantile != NULL) {
        buf_printf(out, "%squantile=\"%s\"", before, quantile);
        before = ",";
    }
    if (*before == ',')
        buf_put_u8(out, '}');
}

static void put_value(struct buf *out, int64_t value, double unit)
{
    if (unit < 1.0)
        buf_printf(out, " %.9g\n", (double)value * unit);
    else
        buf_printf(out, " %" PRId64 "\n", value);
}

static void put_histogram(struct buf *out, const char *name, const struct series *series)
{
    static const struct {
        const char *label;
        double quantile;
    } quantiles[] = { { "0.50", 0.50 }, { "0.75", 0.75 }, { "0.95", 0.95 },
                      { "0.98", 0.98 }, { "0.99", 0.99 }, { "0.999", 0.999 } };
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
        buf_put_text(out, name);
        put_labels(out, series, quantiles[i].label);
        put_value(out, metric_histogram_quantile(series->histogram, quantiles[i].quantile),
                  families[series->id].unit);
    }
}

static void put_histogram_count(struct buf *out, const char *name, const struct series *series)
{
    buf_printf(out, "%s_count", name);
    put_labels(out, series, NULL);
    buf_printf(out, " %" PRIu64 "\n", metric_histogram_count(series->histogram));
}

static void put_head(struct buf *out, const struct metric_family *family, const char *name,
                     const char *ending, const char *type)
{
    buf_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, ending, family->words, name, ending,
               type);
}

static int compare_series(const void *a, const void *b)
{
    const struct series *left = *(const struct series *const *)a;
    const struct series *right = *(const struct series *const *)b;
    int order = (left->id > right->id) - (left->id < right->id);
    for (size_t i = 0; i < METRIC_LABEL_COUNT_MAX && order == 0; i++)
        order = strcmp(left->labels[i], right->labels[i]);
    return order;
}

/* All series of one family. */
static void put_family(struct buf *out, const struct series *const *series, size_t count)
{
    const struct metric_family *family = &families[series[0]->id];
    char name[METRIC_NAME_SIZE];
    metric_name(family, name);
    if (family->kind == METRIC_HISTOGRAM) {
        put_head(out, family, name, "", "gauge");
        for (size_t i = 0; i < count; i++)
            put_histogram(out, name, series[i]);
        put_head(out, family, name, "_count", "counter");
        for (size_t i = 0; i < count; i++)
            put_histogram_count(out, name, series[i]);
        return;
    }
    const bool is_counter = family->kind == METRIC_COUNTER;
    const char *ending = is_counter && family->attribute[0] == '\0' ? "_total" : "";
    put_head(out, family, name, ending, is_counter ? "counter" : "gauge");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%s", name, ending);
        put_labels(out, series[i], NULL);
        if (is_counter)
            buf_printf(out, " %" PRIu64 "\n", series[i]->counter);
        else
            put_value(out, series[i]->gauge, family->unit);
    }
}

void metrics_render(const struct metrics *metrics, struct buf *out)
{
    const size_t count = map_count(&metrics->by_key);
    const struct series **sorted = mem_calloc(MAX(count, (size_t)1), sizeof(*sorted));
    size_t next = 0;
    for (struct map_walk w = { 0 }; map_next(&metrics->by_key, &w);)
        sorted[next++] = w.value;
    qsort(sorted, count, sizeof(sorted[0]), compare_series);
    for (size_t first = 0, end; first < count; first = end) {
        for (end = first; end < count && sorted[end]->id == sorted[first]->id; end++)
            continue;
        put_family(out, sorted + first, end - first);
    }
    mem_free(sorted);
}
