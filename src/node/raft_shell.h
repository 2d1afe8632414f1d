/* The shell around raft: carries out what a step asks for, in its order, on the metadata log and quorum-state, and feeds
 * completions back.
 *
 *   event ──► raft_step ──► effects ──► append, flush, persist, truncate … ──► completion: the next event
 *                              └──────► commit, lead, unlead, stop ──► the owner
 *
 * Threads: shard 0; quorum-state is written by a job.
 */
#pragma once

#include "base/diag.h"
#include "base/vec.h"
#include "io/io.h"
#include "node/metadata_log.h"

struct config;
struct rng;

struct raft_shell_owner {
    /* Committed up to `to_offset`, exclusive. Within a step. */
    void (*on_commit)(void *context, int64_t to_offset);
    void (*on_lead)(void *context, int32_t epoch); /* within a step */
    void (*on_unlead)(void *context);              /* within a step */
    /* A completion or the timer was stepped, with all that follows from it. Not after raft_shell_append. */
    void (*on_settled)(void *context);
    /* The metadata log cannot be trusted any more. */
    void (*on_stop)(void *context, const struct err_note *note);
    /* The disk is full: gives up what was kept back for the metadata log. True when there was something; NULL: never. */
    bool (*on_full)(void *context);
    void *context;
};

struct raft_shell {
    struct io *io;
    const struct diag *diag;
    struct rng *rng; /* the owner's */
    struct raft_shell_owner owner;
    struct metadata_log log; /* log.log is NULL before it opens and once it is detached */
    struct raft *raft;
    struct io_timer timer;
    struct io_job_queue *persist_queue;
    VEC(struct raft_event)
    events; /* to be stepped: completions met while effects are carried out */
    bool is_stepping;
    bool is_flush_wanted; /* at the turn's end */
    bool drops_appends;   /* one failed: later ones of the same step are not tried */
    uint64_t failed_append_count;
    int persist_error; /* of the latest attempt */
    int append_error;  /* the same */
    uint32_t jobs;     /* under way */
};

struct raft_shell_params {
    struct io *io;
    const struct diag *diag;
    const struct config *config; /* borrowed for the call */
    struct log_files *files;
    struct metadata_loader *loader; /* gets the newest snapshot's records */
    const char *log_dir;
    int64_t committed_offset; /* of an earlier life; 0: not known */
    int32_t node_id;
    struct uuid directory_id;
    uint64_t hash_seed;
    struct rng *rng; /* outlives the shell */
    struct raft_shell_owner owner;
};

/* Loads snapshot and log and starts raft. Sleeps: at start only. After a failure only deinit is left. */
MUST_CHECK int raft_shell_open(struct raft_shell *shell, const struct raft_shell_params *params,
                               struct err_note *note);

/* Appends values as one batch of the epoch. -ERR_NOT_LEADER, also when the log could not be written: nobody will hear
 * that it is committed; -ERR_LIMIT: more than a batch may hold. */
MUST_CHECK int raft_shell_append(struct raft_shell *shell, int32_t epoch,
                                 const struct bytes *values, uint32_t count, struct err_note *note);

/* There was no space, the last time that something was to be written: nothing can be decided until there is. */
bool raft_shell_is_full(const struct raft_shell *shell);

/* What was appended since the last time goes to stable storage by one sync. */
void raft_shell_flush(struct raft_shell *shell);

/* No event of time any more. */
void raft_shell_cancel(struct raft_shell *shell);
/* No job under way. Zeroed is fine. */
void raft_shell_deinit(struct raft_shell *shell);
