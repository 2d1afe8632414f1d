/* Durations, kept one by one: quantiles are exact, and the memory is 8 bytes for each. */
#pragma once

#include "base/base.h"

struct latency {
    int64_t *items_ns; /* owned */
    size_t count;
    size_t count_max;
};

void latency_init(struct latency *latency, size_t count_max);
void latency_deinit(struct latency *latency);
void latency_add(struct latency *latency, int64_t duration_ns);
/* `,"p50_us":…` and so on, to standard output; `prefix` leads each name. */
void latency_print(struct latency *latency, const char *prefix);
