/* The log directories of a node (log.dirs, metadata.log.dir): locks, meta.properties, checkpoints, and which
 * partitions lie where.
 *
 *   <log dir>/
 *     .lock                              held while a node runs
 *     .kafka_cleanshutdown               present while no node runs: the last one closed every log
 *     meta.properties                    which cluster, node and directory this is
 * (meta_properties.h)
 *     recovery-point-offset-checkpoint   per partition: flushed below this (offset_checkpoint.h)
 *     log-start-offset-checkpoint        per partition, where it is not the first segment's
 *     replication-offset-checkpoint      per partition: high watermark
 *     cleaner-offset-checkpoint          per partition: compacted below this
 *     .ottla-reserve                     empty, with blocks that are given up when the disk is full
 *     <topic>-<partition>/               a log (log.h); with the suffixes -future, .<hex>-delete,
 * -stray
 *
 * A directory that fails (any error but a full disk) goes offline alone; the node ends when none is
 * left, or when the one with the metadata log fails: that is the owner's to decide. Threads: one,
 * the node's first shard; what takes a struct io_fs * alone may run in a job.
 */
#pragma once

#include "base/diag.h"
#include "log/dirs/meta_properties.h"
#include "log/dirs/offset_checkpoint.h"
#include "log/log.h"

struct log_dirs;

#define LOG_DIRS_MAX 256

struct log_dir {
    const char *path; /* absolute or as configured, without a final slash */
    struct uuid id;   /* directory.id; zero: none (formatted before KIP-858) */
    bool is_online;
    bool
        is_for_metadata; /* metadata.log.dir, not among log.dirs: holds no partitions, is not told to others */
    bool had_clean_shutdown;       /* as found at open; the marker is removed then */
    int64_t previous_broker_epoch; /* from the marker; -1: none */
    uint32_t log_count; /* partitions placed here, kept by log_dirs_place and log_dirs_unplace */
};

struct log_dirs_params {
    struct io *io;
    const char *const *paths; /* log.dirs */
    uint32_t path_count;
    const char *metadata_path; /* one of them, or one more, which comes last; NULL: as the first */
    int32_t node_id;           /* -1: whatever the files say */
    struct bytes cluster_id;   /* null: whatever the files say */
    uint64_t seed;
};

/* Reads each directory's meta.properties; where all of them agree, locks each and takes its clean-shutdown marker (which is
 * removed, so that a crash while loading counts as one). Directories with an I/O error
 * are offline from the start (out-> log_dirs_at(i)->is_online). Fails, with a note that a person
 * can act on: -ERR_LOCKED (another process), -ERR_NOT_FORMATTED (a directory has no
 * meta.properties), -ERR_WRONG_CLUSTER (cluster or node differ), -ERR_EXISTS (a path or a
 * directory.id twice), -ERR_MALFORMED, or when every directory fails, the last error. Those
 * without a directory.id get one (KIP-858). Does file
 * I/O at once: it runs at start. */
MUST_CHECK int log_dirs_open(const struct log_dirs_params *params, struct log_dirs **out,
                             struct err_note *note);

/* Lets go of the locks. The logs are closed before, and no job of the directories is under way
 * (log_dirs_is_idle). NULL is fine. */
void log_dirs_free(struct log_dirs *dirs);
bool log_dirs_is_idle(const struct log_dirs *dirs);
/* Nothing more is removed: what waits is found by its name at the next start. */
void log_dirs_end_removals(struct log_dirs *dirs);

uint32_t log_dirs_count(const struct log_dirs *dirs); /* all of them */
const struct log_dir *log_dirs_at(const struct log_dirs *dirs,
                                  uint32_t index); /* borrowed; in the configured order */
/* Why a directory was offline from the start; empty otherwise. */
const struct err_note *log_dirs_failure(const struct log_dirs *dirs, uint32_t index);
int log_dirs_find(const struct log_dirs *dirs, const char *path); /* index, or -ERR_NOT_FOUND */
/* A partition's directory in one of those that are online, but not __cluster_metadata's: heap; NULL: there is none. Lists
 * directories at once: at start. */
char *log_dirs_find_partition(const struct log_dirs *dirs);
const struct meta_properties *
log_dirs_meta(const struct log_dirs *dirs); /* cluster and node, of the first online directory */

/* Where the next new partition goes: online, fewest partitions, first of equals. -ERR_NOT_FOUND:
 * none is online. */
int log_dirs_choose(const struct log_dirs *dirs);
void log_dirs_place(struct log_dirs *dirs, uint32_t index);
void log_dirs_unplace(struct log_dirs *dirs, uint32_t index);

/* Takes a directory offline: it is not chosen, checkpointed or marked clean any more, and its lock
 * is let go. The owner abandons its logs. Answers how many directories for partitions are left. */
uint32_t log_dirs_fail(struct log_dirs *dirs, uint32_t index);

/* ---- space ----------------------------------------------------------------------------------- */

struct log_dir_space {
    int64_t free_bytes; /* for this user; negative: why it could not be found out */
    int64_t total_bytes;
    int64_t reserve_bytes; /* that its reserve holds; 0: it has none */
};
/* Asks a directory's file system, by a job; `done` hears of it on the loop. */
void log_dirs_measure(struct log_dirs *dirs, uint32_t index,
                      void (*done)(void *context, uint32_t index,
                                   const struct log_dir_space *space),
                      void *context);

/* Keeps so many bytes of a directory's file system back, in a file that Apache Kafka does not look at (0: none), by a job;
 * no effect when it is so already. `done` hears on the loop how it went; what failed leaves no file. */
#define LOG_RESERVE_NAME ".ottla-reserve"
void log_dirs_reserve(struct log_dirs *dirs, uint32_t index, int64_t bytes,
                      void (*done)(void *context, uint32_t index, int error), void *context);
/* Gives it up for something that must be written now: true when there was one. Sleeps, as an unlink does. Not while log_dirs_reserve is at work. */
bool log_dirs_release_reserve(struct log_dirs *dirs, uint32_t index);

/* ---- loading --------------------------------------------------------------------------------- */

struct log_load {
    struct log_dirs *dirs;
    uint32_t jobs_per_dir; /* num.recovery.threads.per.data.dir; at least 1 */
    int64_t now_ms;
    /* On the loop, before any log is opened, for each partition directory found: fills the topic's
     * id and the config. What is not wanted, or turns out to be another topic's, is renamed
     * `-stray`, as Kafka does with what the metadata does not know. A directory without an id (a
     * crash took its partition.metadata) gets the one given here. */
    bool (*want)(void *context, const char *topic, int32_t partition, struct uuid *out_topic_id,
                 struct log_config *out_config);
    /* On the loop, as jobs end: a detached log that is the receiver's, or NULL with error and note
     * (the directory is bad: log_dirs_fail). */
    void (*on_log)(void *context, uint32_t dir_index, struct log *log, int error,
                   const struct err_note *note);
    /* On the loop: a log could not be opened. For want of space or the like (err_is_shortage) it is to be opened later with
     * these parameters (borrowed), which the receiver keeps in the checkpoints meanwhile; else the directory is bad. NULL:
     * on_log hears of it. */
    void (*on_unopened)(void *context, uint32_t dir_index, const struct log_params *params,
                        int error, const struct err_note *note);
    /* On the loop, before on_done: a checkpoint has an offset for a partition that the directory does not hold. It is to be
     * written anew before a log of that name is made. May be told more than once. */
    void (*on_stale)(void *context, uint32_t dir_index, const char *topic, int32_t partition);
    /* Last of all. */
    void (*on_done)(void *context);
    void *context;
    /* Progress, and what is strange in the directories; NULL: silent. What recovery mended is told
     * by each log (log_recovery). */
    const struct diag *diag;
};
/* Finds every partition in the online directories, except __cluster_metadata, and opens them by
 * parallel jobs. Leftover `-delete` directories are removed in the background; names that are no
 * partition's are reported and left alone. `load` is copied. */
void log_dirs_load(const struct log_load *load);

/* ---- checkpoints ----------------------------------------------------------------------------- */

enum log_checkpoint_kind {
    LOG_CHECKPOINT_RECOVERY_POINT,
    LOG_CHECKPOINT_LOG_START,
    LOG_CHECKPOINT_HIGH_WATERMARK,
    LOG_CHECKPOINT_CLEANER,
};
#define LOG_CHECKPOINT_KINDS 4

const char *log_checkpoint_file_name(enum log_checkpoint_kind kind);

/* Replaces a checkpoint file of one directory by a job, unless it says the same already. `entries` is taken (and left empty). `done`
 * (may be NULL) hears the result on the loop; a failure means that the directory is bad. Of several
 * under way for one file the later request wins, and the others hear its result, once it has one. */
void log_dirs_checkpoint(struct log_dirs *dirs, uint32_t index, enum log_checkpoint_kind kind,
                         struct offset_checkpoint *entries,
                         void (*done)(void *context, uint32_t index, int error), void *context);

/* What was on disk at open: high watermarks are the replica's, the rest is used by log_dirs_load. 0
 * when absent. */
int64_t log_dirs_checkpointed(const struct log_dirs *dirs, uint32_t index,
                              enum log_checkpoint_kind kind, const char *topic, int32_t partition);

/* A directory that begins empty says so, by a checkpoint without entries, for recovery to know from
 * then on what was flushed. The formatter does it, and log_dirs_load where it did not. */
MUST_CHECK int log_dir_begin(struct io_fs *fs, const char *path, struct err_note *note);

/* Every log in the directory was closed well and the checkpoints are written: leaves the marker. In
 * a job or at the end. */
MUST_CHECK int log_dir_mark_clean(struct io_fs *fs, const char *path, int64_t broker_epoch,
                                  struct err_note *note);

/* Removes a directory tree of log directory `index` that log_delete renamed, after delay_ms, by a job, which sees to it first that
 * the new name is on stable storage. */
void log_dirs_remove_later(struct log_dirs *dirs, uint32_t index, const char *path,
                           int64_t delay_ms);
/* What waits goes now: its space is needed. */
void log_dirs_hurry_removals(struct log_dirs *dirs);
