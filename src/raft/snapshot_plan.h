/* When to make a snapshot, and which snapshots and how much of the log may go (KIP-630).
 *
 * Pure arithmetic over numbers that the owner gathers: no files here.
 */
#pragma once

#include "raft/snapshot.h"

struct snapshot_settings {
    int64_t record_bytes_between; /* metadata.log.max.record.bytes.between.snapshots */
    int64_t interval_ms_max;      /* metadata.log.max.snapshot.interval.ms; 0: by bytes only */
    int64_t retention_bytes;      /* metadata.max.retention.bytes; -1: no bound */
    int64_t retention_ms;         /* metadata.max.retention.ms; -1: no bound */
};

/* Since the newest snapshot. Zeroed at start, then told of it. */
struct snapshot_progress {
    int64_t record_bytes; /* committed record batches since it */
    int64_t
        first_record_ms; /* when (monotonic) the first of them was committed; meaningful when record_bytes > 0 */
    bool is_writing; /* one at a time */
};
void snapshot_progress_committed(struct snapshot_progress *p, int64_t bytes, int64_t now_ms);
void snapshot_progress_started(struct snapshot_progress *p); /* counting begins anew */
void snapshot_progress_ended(
    struct snapshot_progress *p); /* written, or failed: then it is due again by bytes */

enum snapshot_reason { SNAPSHOT_NOT_DUE, SNAPSHOT_DUE_BYTES, SNAPSHOT_DUE_TIME };
enum snapshot_reason snapshot_is_due(const struct snapshot_progress *p,
                                     const struct snapshot_settings *settings, int64_t now_ms);
/* When to ask again if nothing is committed; INT64_MAX: not by time. */
int64_t snapshot_deadline_ms(const struct snapshot_progress *p,
                             const struct snapshot_settings *settings);

/* One whole snapshot on disk. */
struct snapshot_stat {
    struct snapshot_id id;
    int64_t size_bytes;
    int64_t last_contained_log_timestamp; /* of its header */
};

/* How many of `snapshots` (ascending, all that are there) to delete from the front. At least one stays, so the log is
 * only cut below a snapshot that exists. The new log start offset is then the end offset of the first that stays; asked
 * every minute by Apache Kafka. */
uint32_t snapshot_plan_deletion(const struct snapshot_stat *snapshots, uint32_t count,
                                int64_t log_size_bytes, const struct snapshot_settings *settings,
                                int64_t wall_ms);
