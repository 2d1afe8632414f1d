/* Counts by bucket. See histogram.h. */
#include "metrics/histogram.h"

#include "base/mem.h"
#include "metrics/metrics.h"

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)
#define VALUE_MAX ((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1)

struct metric_histogram {
    uint64_t count;   /* since the beginning */
    uint32_t current; /* index of the window being filled */
    uint32_t windows[2][HISTOGRAM_BUCKET_COUNT];
};

struct metric_histogram *metric_histogram_new(void)
{
    return MEM_NEW(struct metric_histogram);
}

void metric_histogram_free(struct metric_histogram *histogram)
{
    mem_free(histogram);
}

static uint32_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT)
        return (uint32_t)value;
    const uint32_t power = 63 - (uint32_t)__builtin_clzll(value);
    const uint32_t shift = power - HISTOGRAM_SUB_BITS;
    return (uint32_t)((shift + 1) << HISTOGRAM_SUB_BITS) + (uint32_t)((value >> shift) - SUB_COUNT);
}

/* The middle of a bucket. */
static int64_t value_of(uint32_t bucket)
{
    if (bucket < SUB_COUNT)
        return bucket;
    const uint32_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    const uint64_t low = (SUB_COUNT + (bucket & (SUB_COUNT - 1))) << shift;
    return (int64_t)(low + ((UINT64_C(1) << shift) - 1) / 2);
}

void metric_histogram_record(struct metric_histogram *histogram, int64_t value)
{
    const uint64_t clamped = value < 0 ? 0 : MIN((uint64_t)value, VALUE_MAX);
    uint32_t *bucket = &histogram->windows[histogram->current][bucket_of(clamped)];
    *bucket += *bucket == UINT32_MAX ? 0 : 1;
    histogram->count++;
}

uint64_t metric_histogram_count(const struct metric_histogram *histogram)
{
    return histogram->count;
}

int64_t metric_histogram_quantile(const struct metric_histogram *histogram, double quantile)
{
    ASSERT(quantile >= 0 && quantile <= 1);
    uint64_t total = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKET_COUNT; i++)
        total += (uint64_t)histogram->windows[0][i] + histogram->windows[1][i];
    if (total == 0)
        return 0;
    const uint64_t rank = (uint64_t)(quantile * (double)(total - 1));
    uint64_t below = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
        below += (uint64_t)histogram->windows[0][i] + histogram->windows[1][i];
        if (below > rank)
            return value_of(i);
    }
    return value_of(HISTOGRAM_BUCKET_COUNT - 1);
}

void metric_histogram_rotate(struct metric_histogram *histogram)
{
    histogram->current ^= 1;
    for (size_t i = 0; i < HISTOGRAM_BUCKET_COUNT; i++)
        histogram->windows[histogram->current][i] = 0;
}

void metric_histogram_add(struct metric_histogram *into, const struct metric_histogram *from)
{
    into->count += from->count;
    for (size_t i = 0; i < HISTOGRAM_BUCKET_COUNT; i++) {
        const uint64_t sum =
            (uint64_t)into->windows[into->current][i] + from->windows[0][i] + from->windows[1][i];
        into->windows[into->current][i] = (uint32_t)MIN(sum, (uint64_t)UINT32_MAX);
    }
}
