/* A whole node as a value: what a server.properties describes, run on an io driver.
 *
 * The same node runs in the program (epoll) and in the simulator (virtual time): nothing below knows which.
 * One shard so far: its loop is the given io. Life:
 *
 *   node_new ──► node_start ──► (loop) on_ready ──► node_stop ──► (loop) on_stopped ──► node_free
 *
 * node_free without on_stopped is a crash: nothing more is written; none of the node's jobs may be under way then (a
 * simulated machine brings them to their end when it goes down, and a process just ends). Threads: the shard's.
 */
#pragma once

#include "base/diag.h"
#include "base/err.h"
#include "io/io.h"

struct config;
struct node;

struct node_owner {
    void (*on_ready)(void *context);   /* listeners are open, the broker is unfenced */
    void (*on_stopped)(void *context); /* everything is closed */
    /* The node cannot go on (metadata log, last directory): stop the process; nothing more is promised. */
    void (*on_failed)(void *context, const struct err_note *note);
    void *context;
};

struct node_params {
    struct io *io;
    struct config *config;   /* a reference is taken */
    const struct diag *diag; /* outlives the node */
    struct node_owner owner;
    uint32_t open_files_max; /* descriptors this process may have */
};

/* Takes the directories and loads the metadata. Sleeps. Errors: as log_dirs_open (locked, not formatted, of another
 * cluster …) and quorum_open, each with a note that a person can act on. */
MUST_CHECK int node_new(const struct node_params *params, struct node **out, struct err_note *note);

/* Joins the cluster; the rest follows on the loop. */
void node_start(struct node *node);

/* Leaves in good order: controlled shutdown, answers what is in flight, flushes and closes every log. */
void node_stop(struct node *node);
void node_free(struct node *node); /* NULL is fine */

/* Lines for the operator: partitions, connections, requests, memory. */
void node_tell(const struct node *node);

/* The port that a listener got (after on_ready); 0 if there is none of that name. For tests that listen on port 0. */
uint16_t node_port(const struct node *node, const char *listener_name);
