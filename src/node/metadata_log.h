/* The files behind the quorum: the metadata log, its snapshots, quorum-state and bootstrap.checkpoint.
 *
 *   <metadata log dir>/bootstrap.checkpoint                 what a new cluster begins with
 *   <metadata log dir>/__cluster_metadata-0/….log          as any log
 *                                          /quorum-state    raft's vote and epoch
 *                                          /<offset>-<epoch>.checkpoint   snapshots (KIP-630)
 *
 * Threads: shard 0; snapshots are written and removed by jobs.
 */
#pragma once

#include "base/diag.h"
#include "base/vec.h"
#include "log/log.h"
#include "metadata/loader.h"
#include "raft/raft.h"
#include "raft/snapshot_plan.h"

struct metadata_log {
    struct io *io;
    const struct diag *diag;
    char *directory; /* …/__cluster_metadata-0; owned */
    struct log *log;
    bool is_attached;
    VEC(struct snapshot_stat) snapshots; /* whole ones, ascending */
};

struct metadata_log_params {
    struct io *io;
    const struct diag *diag;
    struct log_files *files;
    const char *log_dir;
    int64_t
        committed_offset; /* as last checkpointed: below it nothing may be missing; 0: not known, the directory may tell */
    uint64_t seed;
};

/* Opens or creates the log and finds the snapshots; removes what half-finished work left. -ERR_CORRUPT where that would
 * lose what is committed: then the batches stay as they are. Sleeps: at start only. */
MUST_CHECK int metadata_log_open(struct metadata_log *m, const struct metadata_log_params *params,
                                 const struct log_owner *owner, struct err_note *note);

/* Feeds the newest snapshot, then every batch of the log above it, to raft; the snapshot's records to the loader, too. Sets
 * out_start for RAFT_ON_START; out_start->quorum_state is heap text that the caller frees. */
MUST_CHECK int metadata_log_load(struct metadata_log *m, struct raft *raft,
                                 struct metadata_loader *loader, struct raft_start *out_start,
                                 struct err_note *note);

/* Replays the committed batches of [from, to) to the loader. */
MUST_CHECK int metadata_log_replay(struct metadata_log *m, int64_t from, int64_t to,
                                   struct metadata_loader *loader, int64_t *out_bytes,
                                   struct err_note *note);

/* The records of bootstrap.checkpoint, in the arena; none if the file is absent. */
MUST_CHECK int metadata_log_bootstrap(struct metadata_log *m, const char *log_dir,
                                      struct arena *arena, struct metadata_record **out,
                                      uint32_t *out_count, struct err_note *note);

char *metadata_log_quorum_state_path(const struct metadata_log *m); /* heap */

/* Writes a snapshot of the image by a job; `done` with 0 or why not. The new snapshot is in m->snapshots then. */
struct snapshot_job;
void metadata_log_write_snapshot(struct metadata_log *m, struct metadata_image *image,
                                 int64_t last_timestamp_ms, const struct raft *raft,
                                 void (*done)(void *context, int error), void *context);

/* Removes old snapshots and the log below the oldest that stays, as the settings say (KIP-630). */
void metadata_log_clean(struct metadata_log *m, const struct snapshot_settings *settings);

/* As log_detach; the log is the receiver's then. */
void metadata_log_detach(struct metadata_log *m, void (*then)(void *context, struct log *log),
                         void *context);
/* Frees; a log that is still here is not closed well, and has no jobs. Zeroed is fine. */
void metadata_log_abandon(struct metadata_log *m);
