/* All partitions of one shard: found by id or name, opened and closed as the image says, written once a turn.
 *
 * Threads: the shard's; logs are opened and removed by jobs.
 */
#pragma once

#include "base/diag.h"
#include "base/map.h"
#include "replica/partition.h"

struct config;
struct metrics;
struct io;
struct log_dirs;
struct log_files;
struct metadata_delta;
struct metadata_image;
struct offset_checkpoint;

/* A directory failed and its partitions are offline; `left` directories still work. */
struct replicas_owner {
    void (*on_directory_failed)(void *context, const char *path, uint32_t left);
    /* A partition that an earlier replicas_load or replicas_apply left offline has its log now; may be NULL. */
    void (*on_opened)(void *context);
    /* Adds what else the recovery-point checkpoint of a directory is to remember; may be NULL. */
    void (*add_recovery_points)(void *context, uint32_t dir_index, struct offset_checkpoint *out);
    void *context;
};

struct replicas_params {
    struct io *io;
    const struct diag *diag;
    int32_t node_id;
    uint64_t hash_seed;
    struct log_dirs *dirs;       /* borrowed, outlives this */
    uint32_t metadata_dir_index; /* of the metadata log's directory, which is given a reserve */
    struct log_files *files;     /* borrowed */
    struct config *config;       /* counted: a reference is taken */
    struct replicas_owner owner;
};

struct replicas *replicas_new(const struct replicas_params *params);
/* A crash: whoever waits is told NOT_LEADER_OR_FOLLOWER, files are closed, nothing more is written. No job may be under
 * way. NULL is fine. */
void replicas_abandon(struct replicas *replicas);
/* After replicas_close has finished, or replicas_abandon. NULL is fine. */
void replicas_free(struct replicas *replicas);

/* At start, once: opens every log that the directories hold and the image knows, by parallel jobs; then as
 * replicas_apply. */
void replicas_load(struct replicas *replicas, struct metadata_image *image,
                   void (*done)(void *context), void *context);

/* Begins to follow an image: opens what this node is to hold (many at once, by jobs), takes over leader epochs,
 * removes what was deleted. `done` (may be NULL) is called when every log that this image asks for is online
 * or offline. Calls may follow one another without waiting. */
void replicas_apply(struct replicas *replicas, struct metadata_image *image,
                    void (*done)(void *context), void *context);
void replicas_set_config(struct replicas *replicas, struct config *config);

/* NULL: this node does not hold it. */
struct partition *replicas_get(const struct replicas *replicas, struct uuid topic_id,
                               int32_t index);

/* The turn's end, first half: writes every dirty log, moves high watermarks, calls waits and wakes. True when
 * something was written or woken. */
bool replicas_write(struct replicas *replicas);

/* Adds this shard's gauges to a registry: what is acknowledged and not flushed, by log directory. Goes through all partitions. */
void replicas_measure(const struct replicas *replicas, struct metrics *metrics);

/* In order of creation. */
struct partition *replicas_next(const struct replicas *replicas,
                                const struct partition *after); /* NULL: the first */
uint32_t replicas_count(const struct replicas *replicas);

/* Called by node's timers: log_tick of every log (each second or so), logs that could not be opened for want of space
 * tried again, one of a directory at a time, and after one that was in vain not for a second, then two, to about a minute, or until
 * appends are resumed there; and retention, which a tick begins as well where a directory has become full. */
void replicas_tick(struct replicas *replicas, int64_t now_ms);
void replicas_retain(struct replicas *replicas, int64_t now_ms);
/* Whether topics and partitions had better not be created: where they would go, or where the metadata log is, so little is left
 * that it is kept for a start and for deletions. */
bool replicas_lacks_space_for_logs(const struct replicas *replicas);
/* The metadata log found the disk full: gives up what was kept back for it. True when there was something. */
bool replicas_release_reserve(struct replicas *replicas);
/* High watermarks, recovery points and log starts as the checkpoint files want them; written by a job. */
void replicas_checkpoint(struct replicas *replicas);

/* Flushes and closes every log cleanly, by jobs, writes the checkpoints and the clean-shutdown markers; then `done`. No
 * append or read may follow. broker_epoch: for the marker; -1: not known. */
void replicas_close(struct replicas *replicas, int64_t broker_epoch, void (*done)(void *context),
                    void *context);
