/* When to make snapshots, and which may go. */
#include "raft/snapshot_plan.h"

void snapshot_progress_committed(struct snapshot_progress *p, int64_t bytes, int64_t now_ms)
{
    if (p->record_bytes == 0)
        p->first_record_ms = now_ms;
    p->record_bytes += bytes;
}

void snapshot_progress_started(struct snapshot_progress *p)
{
    *p = (struct snapshot_progress){ .is_writing = true };
}

void snapshot_progress_ended(struct snapshot_progress *p)
{
    p->is_writing = false;
}

int64_t snapshot_deadline_ms(const struct snapshot_progress *p,
                             const struct snapshot_settings *settings)
{
    if (p->is_writing || p->record_bytes == 0 || settings->interval_ms_max <= 0)
        return INT64_MAX;
    return p->first_record_ms + settings->interval_ms_max;
}

enum snapshot_reason snapshot_is_due(const struct snapshot_progress *p,
                                     const struct snapshot_settings *settings, int64_t now_ms)
{
    if (p->is_writing || p->record_bytes == 0)
        return SNAPSHOT_NOT_DUE;
    if (p->record_bytes >= settings->record_bytes_between)
        return SNAPSHOT_DUE_BYTES;
    return now_ms >= snapshot_deadline_ms(p, settings) ? SNAPSHOT_DUE_TIME : SNAPSHOT_NOT_DUE;
}

/* Old ones go while the log and all snapshots together are too large, then while they are too old; as in Kafka, each
 * rule is asked for one snapshot after the other and stops at the first that may stay. */
uint32_t snapshot_plan_deletion(const struct snapshot_stat *snapshots, uint32_t count,
                                int64_t log_size_bytes, const struct snapshot_settings *settings,
                                int64_t wall_ms)
{
    int64_t total = log_size_bytes;
    for (uint32_t i = 0; i < count; i++)
        total += snapshots[i].size_bytes;
    uint32_t gone = 0;
    while (gone + 1 < count) {
        const struct snapshot_stat *oldest = &snapshots[gone];
        const bool is_too_large =
            settings->retention_bytes >= 0 && total > settings->retention_bytes;
        const bool is_too_old =
            settings->retention_ms >= 0 &&
            wall_ms - oldest->last_contained_log_timestamp > settings->retention_ms;
        if (!is_too_large && !is_too_old)
            break;
        total -= oldest->size_bytes;
        gone++;
    }
    return gone;
}
