/* See latency.h. */
#include "latency.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void latency_init(struct latency *latency, size_t count_max)
{
    *latency = (struct latency){ .count_max = count_max };
    latency->items_ns = MEM_NEW_ARRAY(int64_t, count_max);
}

void latency_deinit(struct latency *latency)
{
    mem_free(latency->items_ns);
    latency->items_ns = NULL;
}

void latency_add(struct latency *latency, int64_t duration_ns)
{
    ASSERT(latency->count < latency->count_max);
    latency->items_ns[latency->count++] = duration_ns;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile_us(const struct latency *latency, double q)
{
    if (latency->count == 0)
        return 0;
    const size_t at = (size_t)(q * (double)(latency->count - 1));
    return (double)latency->items_ns[at] / 1000;
}

void latency_print(struct latency *latency, const char *prefix)
{
    static const struct {
        const char *name;
        double q;
    } told[] = { { "p50", 0.5 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 } };
    qsort(latency->items_ns, latency->count, sizeof(latency->items_ns[0]), compare);
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        printf(",\"%s%s_us\":%.1f", prefix, told[i].name, quantile_us(latency, told[i].q));
}
