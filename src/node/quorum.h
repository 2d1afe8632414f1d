/* Raft, the metadata log, the controller and the committed image, tied together on shard 0.
 *
 *   ask ──► controller decides ──► raft plans an append ──► log writes and flushes ──► committed
 *                                                                                       │
 *   answer ◄── this node's shards have applied the image ◄── loader replays ◄───────────┘
 *
 * Carries out raft's effects in their order, feeds completions back, and keeps what waits: an answer leaves
 * when everything that its decision saw is committed, and, unless it is one to a broker, applied here.
 * Threads: shard 0.
 */
#pragma once

#include "base/diag.h"
#include "io/io.h"
#include "metadata/image.h"
#include "server/controller_link.h"
#include "server/quorum_view.h"

struct config;
struct log_files;
struct quorum;

struct quorum_owner {
    /* A newer committed image (borrowed for the call). The owner calls quorum_applied when its shards have it. */
    void (*on_image)(void *context, struct metadata_image *image);
    /* The controller of this node has become active: it may be asked. */
    void (*on_active)(void *context);
    /* The metadata log cannot be trusted any more: the node must stop at once. */
    void (*on_stop)(void *context, const struct err_note *note);
    /* The disk is full: gives up what was kept back for the metadata log. True when there was something; NULL: never. */
    bool (*on_full)(void *context);
    void *context;
};

struct quorum_params {
    struct io *io;
    const struct diag *diag;
    struct config *config; /* a reference is taken */
    struct config *const *
        current_config; /* where the settings with dynamic ones over them are; outlives the quorum */
    struct log_files *files;
    const char *log_dir;      /* of the metadata log */
    int64_t committed_offset; /* quorum_committed_offset of an earlier life; 0: not known */
    const char *cluster_id;
    int32_t node_id;
    struct uuid directory_id;
    uint64_t hash_seed;
    struct quorum_owner owner;
};

/* Loads snapshot and log and starts raft. Nothing is told to the owner before quorum_start. Sleeps: at start. */
MUST_CHECK int quorum_open(const struct quorum_params *params, struct quorum **out,
                           struct err_note *note);
void quorum_start(
    struct quorum
        *quorum); /* images follow through on_image, the first at once if any is committed */

/* Every shard of this node has applied the committed image that ends with the record at `offset`. */
void quorum_applied(struct quorum *quorum, int64_t offset);

struct metadata_image *
quorum_image(const struct quorum *quorum); /* borrowed: the newest committed one */
/* What is committed and on stable storage here lies below this offset, and stays. 0 after the end. */
int64_t quorum_committed_offset(const struct quorum *quorum);
struct controller_link *quorum_controller(struct quorum *quorum);
struct quorum_view *quorum_view(struct quorum *quorum);

/* At a turn's end: what the turn appended to the metadata log goes to stable storage by one sync. */
void quorum_flush(struct quorum *quorum);

/* Answers what waits, and whoever asks from now on, with NOT_CONTROLLER. NULL is fine. */
void quorum_resign(struct quorum *quorum);
/* Resigns, flushes and closes the log; then `done`. */
void quorum_close(struct quorum *quorum, void (*done)(void *context), void *context);
/* Closed, or resigned (a crash), with no job under way. NULL is fine. */
void quorum_free(struct quorum *quorum);
