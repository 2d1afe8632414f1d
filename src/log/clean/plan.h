/* What of a log is to be compacted: decided from the outlines of its segments alone.
 *
 *    log start        first dirty           first uncleanable              end
 *        │   clean        │        dirty          │   not yet               │
 *        ├────────────────┼───────────────────────┼─────────────────────────┤
 *
 * The clean part was compacted before, up to what cleaner-offset-checkpoint says. Not yet: the active segment; what is at or
 * above the last stable offset; what is younger than min.compaction.lag.ms; and, here, what is not on stable storage: a record
 * must not be lost for one that a power failure takes back. A log is due when more than min.cleanable.dirty.ratio of its bytes
 * (those not yet cleanable left out) is dirty, or when a dirty segment is older than max.compaction.lag.ms (KIP-354).
 *
 * All that is cleaned is rewritten in groups of neighbouring segments, as many as fit into one. Inside this folder only.
 */
#pragma once

#include "base/base.h"

/* One segment's outline. */
struct clean_outline {
    int64_t base_offset;
    uint32_t size_bytes;
    uint32_t offset_index_bytes;
    uint32_t time_index_bytes;
    int64_t first_ms;   /* of the first batch; looked at under max_lag_ms */
    int64_t largest_ms; /* looked at under min_lag_ms */
};

struct clean_view {
    const struct clean_outline *segments;
    uint32_t count; /* at least 1; the last is active */
    int64_t log_start;
    int64_t log_end;
    int64_t stable_end;  /* last stable offset, high watermark included */
    int64_t durable_end; /* batches and indexes of segments below are on stable storage */
    int64_t cleaned_end; /* 0: never cleaned */
    int64_t now_ms;
    int64_t min_lag_ms;
    int64_t max_lag_ms; /* INT64_MAX: none */
    double dirty_ratio_min;
};

struct clean_plan {
    int64_t first_dirty;
    uint32_t dirty_index;      /* of the segment that it lies in */
    uint32_t end_index;        /* segments from here on are left alone */
    int64_t first_uncleanable; /* base of that segment */
    int64_t clean_bytes;
    int64_t dirty_bytes;
    double dirty_ratio;
    int64_t overdue_ms; /* past max.compaction.lag.ms; 0: not */
    bool is_due;
    bool is_cleaned_end_wrong; /* it lies outside of the log: everything counts as dirty */
    bool waits_for_flush;      /* more could be cleaned, were it on stable storage */
};

struct clean_plan clean_plan_make(const struct clean_view *view);

struct clean_group_limits {
    uint32_t segment_bytes; /* segment.bytes */
    uint32_t index_bytes;   /* segment.index.bytes */
};
/* How many segments from `first` on become one: at least 1. `end` of them may be taken, and there is one at that index. */
uint32_t clean_plan_group(const struct clean_outline *segments, uint32_t first, uint32_t end,
                          const struct clean_group_limits *limits);
