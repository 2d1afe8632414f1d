/* The log directories from within. Inside this folder only. */
#pragma once

#include "base/map.h"
#include "base/rng.h"
#include "log/dirs/log_dirs.h"

#define LOG_DIR_NAMES_MAX  (1u << 22)
#define LOG_METADATA_TOPIC "__cluster_metadata" /* not among the partitions of a directory */

struct checkpoint_job;

struct one_dir {
    struct log_dir shown;
    char *path; /* owned */
    struct io_file *lock;
    struct meta_properties meta;
    bool is_formatted;
    struct err_note failure; /* why it was offline from the start */
    struct map checkpointed
        [LOG_CHECKPOINT_KINDS]; /* "<topic>-<partition>" -> int64_t, owned; as found at open */
    bool has_recovery_points;   /* the file was there, not empty, and could be read */
    struct err_note checkpoint_notes[LOG_CHECKPOINT_KINDS]; /* of those that could not be read */
    bool is_checkpointing[LOG_CHECKPOINT_KINDS];
    uint64_t checkpoint_written
        [LOG_CHECKPOINT_KINDS]; /* what the file holds; the job's, of which there is one at a time */
    struct checkpoint_job *next_checkpoint[LOG_CHECKPOINT_KINDS]; /* waits for the one under way */
    uint64_t renamed; /* trees to be removed, so far: each was renamed before */
    uint64_t renames_synced;
};

struct log_dirs {
    struct io *io;
    struct io_fs *fs;
    struct rng rng;
    struct meta_properties meta;
    struct one_dir *items; /* owned, count of them */
    uint32_t count;
    uint32_t job_count;   /* under way */
    struct list removals; /* directory trees whose time has not come */
};

void log_dirs__checkpointed_put(struct one_dir *dir, enum log_checkpoint_kind kind,
                                const char *topic, int32_t partition, int64_t offset);
/* Frees what loading needed of the checkpoints. */
void log_dirs__checkpointed_clear(struct one_dir *dir, enum log_checkpoint_kind kind);
