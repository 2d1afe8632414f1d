/* How values are spread, in bounded memory. Recording and reading are in metrics.h; here is the rest.
 *
 * Buckets, log-linear: values below 8 have one each; above, every power of two is divided into eight.
 *
 *     0 1 2 3 4 5 6 7 | 8 9 … 15 | 16-17 18-19 … 30-31 | 32-35 … | …   up to 2^40 - 1
 *
 * Two windows of counts: the one being filled, and the one before, which keeps quantiles from jumping when a window begins.
 */
#pragma once

#include "base/base.h"

#define HISTOGRAM_SUB_BITS   3
#define HISTOGRAM_VALUE_BITS 40
#define HISTOGRAM_BUCKET_COUNT                                                                     \
    ((HISTOGRAM_VALUE_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct metric_histogram;
struct metric_histogram *metric_histogram_new(void);
void metric_histogram_free(struct metric_histogram *histogram); /* NULL is fine */
void metric_histogram_rotate(struct metric_histogram *histogram);
void metric_histogram_add(struct metric_histogram *into, const struct metric_histogram *from);
