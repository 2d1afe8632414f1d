/* What is dirty, what may be cleaned, and what goes together: see plan.h. */
#include "log/clean/plan.h"

/* The segment that holds the offset: the last whose base is at most it; the first one below all. */
static uint32_t segment_of(const struct clean_view *view, int64_t offset)
{
    uint32_t low = 0; /* the answer is in [low, high) */
    uint32_t high = view->count;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (view->segments[middle].base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_too_young(const struct clean_view *view, uint32_t index)
{
    return view->segments[index].largest_ms > view->now_ms - view->min_lag_ms;
}

static int64_t overdue_ms(const struct clean_view *view, uint32_t dirty_index)
{
    if (view->max_lag_ms == INT64_MAX)
        return 0;
    int64_t earliest = INT64_MAX;
    for (uint32_t i = dirty_index; i + 1 < view->count; i++) {
        if (view->segments[i].first_ms > 0)
            earliest = MIN(earliest, view->segments[i].first_ms);
    }
    const int64_t due_before = view->now_ms - view->max_lag_ms;
    return earliest < due_before ? due_before - earliest : 0;
}

static int64_t bytes_of(const struct clean_view *view, uint32_t from, uint32_t to)
{
    int64_t bytes = 0;
    for (uint32_t i = from; i < to; i++)
        bytes += view->segments[i].size_bytes;
    return bytes;
}

static uint32_t find_end(const struct clean_view *view, struct clean_plan *plan)
{
    const uint32_t active = view->count - 1;
    uint32_t end = MIN(segment_of(view, view->stable_end), active);
    if (view->min_lag_ms > 0) {
        for (uint32_t i = plan->dirty_index; i < end; i++) {
            if (is_too_young(view, i))
                end = i;
        }
    }
    const uint32_t durable = segment_of(view, view->durable_end);
    plan->waits_for_flush = durable < end;
    return MAX(MIN(end, durable), plan->dirty_index);
}

struct clean_plan clean_plan_make(const struct clean_view *view)
{
    struct clean_plan plan = { .first_dirty = view->cleaned_end };
    if (view->cleaned_end < view->log_start || view->cleaned_end > view->log_end) {
        plan.first_dirty = view->log_start;
        plan.is_cleaned_end_wrong = view->cleaned_end > 0;
    }
    plan.dirty_index = segment_of(view, plan.first_dirty);
    plan.end_index = find_end(view, &plan);
    plan.first_uncleanable = view->segments[plan.end_index].base_offset;
    uint32_t clean_end = plan.dirty_index;
    if (view->segments[clean_end].base_offset < plan.first_dirty)
        clean_end++; /* the segment that the boundary lies in counts on both sides */
    plan.clean_bytes = bytes_of(view, 0, MIN(clean_end, plan.end_index));
    plan.dirty_bytes = bytes_of(view, plan.dirty_index, plan.end_index);
    const int64_t all = plan.clean_bytes + plan.dirty_bytes;
    plan.dirty_ratio = all == 0 ? 0 : (double)plan.dirty_bytes / (double)all;
    plan.overdue_ms = overdue_ms(view, plan.dirty_index);
    plan.is_due =
        (plan.overdue_ms > 0 && plan.dirty_bytes > 0) || plan.dirty_ratio > view->dirty_ratio_min;
    return plan;
}

uint32_t clean_plan_group(const struct clean_outline *segments, uint32_t first, uint32_t end,
                          const struct clean_group_limits *limits)
{
    ASSERT(first < end);
    int64_t bytes = segments[first].size_bytes;
    int64_t offset_index_bytes = segments[first].offset_index_bytes;
    int64_t time_index_bytes = segments[first].time_index_bytes;
    uint32_t next = first + 1;
    for (; next < end; next++) {
        const struct clean_outline *segment = &segments[next];
        bytes += segment->size_bytes;
        offset_index_bytes += segment->offset_index_bytes;
        time_index_bytes += segment->time_index_bytes;
        /* An index holds 31 bits of an offset. What may be in a segment is known by where the next one begins. */
        const int64_t last_offset = segments[next + 1].base_offset - 1;
        if (bytes > limits->segment_bytes || offset_index_bytes > limits->index_bytes ||
            time_index_bytes > limits->index_bytes ||
            (segment->size_bytes > 0 && last_offset - segments[first].base_offset > INT32_MAX))
            break;
    }
    return next - first;
}
