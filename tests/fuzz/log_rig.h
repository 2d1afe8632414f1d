/* What the targets of the log share: the log "t", partition 0, of a simulated disk. */
#pragma once

#include "log/log.h"
#include "sim/sim_disk.h"
#include "wire/batch.h"

#define LOG_RIG_NOW_MS INT64_C(1700000000000)

/* Opens it as `how` says, where disk, place, time and settings (an index entry every 100 bytes) are filled in. */
struct log *log_rig_open(struct sim_disk *disk, struct log_params how);

/* A file of it is this from now on. */
void log_rig_replace_file(struct sim_disk *disk, const char *path, struct bytes content);

/* Plans to append a copy of a batch, as `how` says, where records and time are filled in; to be written by log_write. */
struct log_append_result log_rig_append(struct log *log, struct bytes batch, struct log_append how);
/* The same with a batch of one record without a key. */
struct log_append_result log_rig_append_record(struct log *log, const struct batch_options *options,
                                               int64_t timestamp_ms, struct bytes value,
                                               struct log_append how);
