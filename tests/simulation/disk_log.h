/* A log on the broker's disk, read from outside: batch by batch, with nothing of the code under test but the forms of batches. */
#pragma once

#include "base/base.h"
#include "sim/sim_disk.h"

struct batch_view;
struct rot;

struct disk_log {
    const struct sim_disk *disk;
    const struct rot *rot;
    enum sim_view view;
    void (*on_batch)(struct disk_log *log, const struct batch_view *batch); /* may be NULL */
    void *context;
    /* found: */
    char *directory; /* owned; NULL: there is none */
    int64_t start;   /* of its first segment */
    int64_t end;     /* after the last whole batch that follows without a gap */
    int64_t reach;   /* after the last whole batch of the segment that was looked at last */
    bool has_gaps;   /* that compaction has left */
};

/* Finds the directory of the partition, and goes through it. What is above `found` is set by the caller, all else is zero. */
void disk_log_scan(struct disk_log *log, const char *topic, int32_t partition);
void disk_log_deinit(struct disk_log *log);
