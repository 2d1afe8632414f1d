/* A world for whole nodes: one virtual clock, a network, and for each node loops, workers and a disk.
 *
 * A node runs its real code over `struct io`; the world decides when which callback comes. Everything happens in
 * strict order of (time, when it was arranged), on one thread, and every choice is drawn from the seed: one seed
 * is one history, and its trace (a running hash of all that happens) is the same in every run.
 *
 *     struct sim_world *world = sim_world_new(seed);
 *     struct sim_node *node = sim_node_new(world, "broker1");
 *     struct server *server = server_new(sim_node_io(node), ...);      // the code under test
 *     struct sim_node *client = sim_node_new(world, "client");         // a node that only connects
 *     ... io_connect(sim_node_io(client), "broker1", 9092, ...) ...
 *     sim_world_run_for(world, 10 * NS_PER_SECOND);
 *     server_free(server);
 *     sim_world_free(world);
 *
 * Time. A turn of a loop begins at the world's time and takes a little of its own; so does every file call in it.
 * Other nodes do not wait for that: each loop has its own present, which io_monotonic_ns tells, and what it sends
 * leaves at that time. A job is a coroutine that lets others run at each of its file calls.
 *
 * The end of an incarnation. sim_node_crash, or a crash planned by sim_disk_crash_at(sim_node_disk(node), ...), in
 * the middle of whatever the node does. From that point on its file calls fail with -EIO, its sends with -EPIPE, and
 * no callback comes. The code that is running returns to the world as usual; jobs that have begun run to their end
 * against the dead disk; messages are dropped. Then `on_crash` (sim_node_set_on_crash) is called: the owner frees
 * the node's value by the ordinary destructor, which may still cancel, close and free what it holds. Where the value's
 * jobs own memory, sim_node_end_jobs brings them to their `done` first. After sim_node_restart the node has new loops
 * on the same disk. At the end of a test a value with jobs under way is freed in the same manner: crash the node first.
 *
 * Threads: one. Nodes and their disks are owned by the world.
 */
#pragma once

#include "io/io.h"
#include "sim/sim_disk.h"

#include "base/rng.h"

struct sim_world;
struct sim_node;

/* ---- the world ------------------------------------------------------------------------------- */

struct sim_world *sim_world_new(uint64_t seed);
/* The values of all nodes are gone and their files closed; sockets left open are closed. NULL is fine. */
void sim_world_free(struct sim_world *world);

int64_t sim_world_now_ns(const struct sim_world *world);
/* For workloads: drawing from it changes nothing of what the world itself draws. */
struct rng *sim_world_rng(struct sim_world *world);

/* Does something from outside at that time (or now, if that is past). */
void sim_world_at(struct sim_world *world, int64_t time_ns, void (*act)(void *context),
                  void *context);

/* The next event; false when there will never be one. */
bool sim_world_step(struct sim_world *world);
/* All events up to and including that time; the world's time is then at least that. */
void sim_world_run_until(struct sim_world *world, int64_t time_ns);
void sim_world_run_for(struct sim_world *world, int64_t duration_ns);
/* Until `is_true` answers so after an event, or, answering false, until so much time has passed. */
MUST_CHECK bool sim_world_run_until_true(struct sim_world *world, int64_t duration_ns,
                                         bool (*is_true)(void *context), void *context);

/* For code that turns a loop by itself, called from outside of the world's events: the next event of the whole world, or
 * so much time when nothing comes before. 0, always, as a turn of the real driver answers. */
int sim_world_turn(struct io *io, int64_t timeout_ms);

/* The hash of all that has happened; a workload adds its own marks. */
uint64_t sim_world_trace(const struct sim_world *world);
void sim_world_mark(struct sim_world *world, const char *what, int64_t a, int64_t b);
/* One line an event, to read a history. `text` is borrowed for the call. NULL: silent. */
void sim_world_set_log(struct sim_world *world,
                       void (*line)(void *context, int64_t now_ns, const char *text),
                       void *context);

/* ---- nodes ----------------------------------------------------------------------------------- */

/* The name (copied) is its host name. Its address is 10.0.0.1 for the first node, and so on. */
struct sim_node *sim_node_new(struct sim_world *world, const char *name);
const char *sim_node_address(const struct sim_node *node); /* lives as long as the node */
struct sim_disk *sim_node_disk(struct sim_node *node);

/* The first loop of this incarnation, made when first asked for; and further ones (shards). A loop stays valid,
 * though dead after a crash, until sim_node_restart or sim_world_free. */
struct io *sim_node_io(struct sim_node *node);
struct io *sim_node_add_loop(struct sim_node *node);

/* Ends the incarnation. May be called from anywhere, also from the node's own callbacks. SIM_PROCESS_KILLED: the
 * kernel closes its connections. SIM_POWER_LOST: the peers hear nothing, until the node is up again and refuses what
 * they send. */
void sim_node_crash(struct sim_node *node, enum sim_crash kind);
bool sim_node_is_down(const struct sim_node *node); /* crashed and not restarted */
uint32_t sim_node_crash_count(const struct sim_node *node);
/* Called by the world between events after each crash. One a node; NULL: none. */
void sim_node_set_on_crash(struct sim_node *node, void (*on_crash)(void *context), void *context);
/* Called right before a power loss takes what is not stable: to look at the disk (sim_disk_look), and nothing else. */
void sim_node_set_on_losing(struct sim_node *node, void (*on_losing)(void *context), void *context);
/* Called before each file call that no job makes: who waits in it keeps a whole loop waiting. To look, and nothing else.
 * One a node; NULL: none. */
void sim_node_set_on_loop_call(struct sim_node *node,
                               void (*on_loop_call)(void *context, enum sim_call call,
                                                    const char *path, uint64_t size_bytes),
                               void *context);
/* Within on_crash: every job of the ended incarnation that is not done is run, against the dead disk, and done; and so
 * are the jobs that these submit. */
void sim_node_end_jobs(struct sim_node *node);
/* A new incarnation, after a crash or after an orderly end: the node's old value is gone. Also outside of the
 * node's own callbacks only. */
void sim_node_restart(struct sim_node *node);

/* The wall clock runs that much ahead of (or behind) the others'; may jump at any time. */
void sim_node_set_clock_offset_ms(struct sim_node *node, int64_t offset_ms);
/* Open sockets and files beyond it fail with -EMFILE, and accepting pauses. 0: no limit. */
void sim_node_set_descriptor_max(struct sim_node *node, uint32_t descriptor_max);
void sim_node_set_worker_count(struct sim_node *node,
                               uint32_t worker_count); /* 1 to 16; 4 at first */

/* Ranges from which each duration is drawn. */
struct sim_range {
    int64_t min_ns;
    int64_t max_ns;
};
struct sim_pace {
    struct sim_range turn; /* of processor time a turn takes at least */
    struct sim_range
        wake; /* from an event to the turn that hears of it; for jobs: to their start */
    struct sim_range call;      /* a file call that the page cache serves */
    struct sim_range cold_read; /* one that it does not */
    struct sim_range sync;
    struct sim_range name; /* create, rename, unlink, sync_directory, ... */
};
struct sim_pace sim_pace_default(void);
void sim_node_set_pace(struct sim_node *node, const struct sim_pace *pace);

/* ---- the network ----------------------------------------------------------------------------- */

struct sim_link {
    struct sim_range latency; /* one way */
    int64_t bytes_per_second; /* 0: no limit */
    int64_t buffer_bytes_min; /* of a socket's send and receive buffers each: drawn for each */
    int64_t buffer_bytes_max;
    uint32_t
        partial_in_a_million; /* of the chance that a send or receive stops earlier than it has to */
    uint32_t
        reset_in_a_million; /* of the chance that what is sent at once breaks the connection instead */
};
struct sim_link sim_link_default(void);
/* Between all nodes; and from one to another alone. What is under way is not affected. */
void sim_world_set_link(struct sim_world *world, const struct sim_link *link);
void sim_world_set_link_between(struct sim_node *from, struct sim_node *to,
                                const struct sim_link *link);
/* While cut, nothing gets from one to the other, acknowledgements included. Healed, what was sent is sent again. A
 * connection that gets nothing through for 15 minutes fails with -ETIMEDOUT, a new one after 2. */
void sim_world_cut(struct sim_node *from, struct sim_node *to, bool is_cut);
