/* Inside the simulator: the world, its nodes and their loops. The network is in net_int.h. */
#pragma once

#include "base/list.h"
#include "base/rng.h"
#include "base/vec.h"
#include "io/driver.h"
#include "io/timer_heap.h"
#include "sim/coroutine.h"
#include "sim/sim_world.h"

#define SIM_A_MILLION   1000000
#define SIM_WORKERS_MAX 16
#define SIM_LOOPS_MAX   64 /* of a node */

struct sim_loop;
struct sim_worker;

/* What the trace tells apart. */
enum sim_trace_kind {
    SIM_TRACE_MARK,
    SIM_TRACE_TURN,
    SIM_TRACE_TIMERS,
    SIM_TRACE_MESSAGE,
    SIM_TRACE_JOB,
    SIM_TRACE_JOB_DONE,
    SIM_TRACE_FILE,
    SIM_TRACE_SEND,
    SIM_TRACE_RECV,
    SIM_TRACE_ARRIVE,
    SIM_TRACE_CONNECT,
    SIM_TRACE_CONNECTED,
    SIM_TRACE_ACCEPT,
    SIM_TRACE_CLOSE,
    SIM_TRACE_CRASH,
    SIM_TRACE_RESTART,
};

/* From one node to another, where it differs from the rest of the network. */
struct sim_route {
    const struct sim_node *from;
    const struct sim_node *to;
    bool has_link;
    bool is_cut;
    struct sim_link link;
};

struct sim_world {
    int64_t now_ns;
    struct timer_heap queue; /* events: timers inside what they happen to */
    struct rng rng;          /* of the world's own choices */
    struct rng workload_rng;
    VEC(struct sim_node *) nodes; /* owned */
    struct sim_link link;
    VEC(struct sim_route) routes;
    struct list acts;           /* arranged by sim_world_at */
    struct list connections;    /* owned */
    struct sim_loop *running;   /* whose turn it is; NULL: none */
    struct sim_worker *working; /* whose job runs; NULL: none */
    bool is_stepping;
    bool has_crashed; /* some node waits for sim__world_settle */
    uint64_t trace;
    void (*log)(void *context, int64_t now_ns, const char *text);
    void *log_context;
    VEC(struct coroutine *) idle_coroutines; /* owned */
};

void sim__schedule(struct sim_world *world, struct io_timer *event, int64_t time_ns);
void sim__unschedule(struct sim_world *world, struct io_timer *event);
int64_t sim__draw(struct sim_world *world, struct sim_range range);
bool sim__chance(struct sim_world *world, uint32_t in_a_million);
void sim__trace(struct sim_world *world, enum sim_trace_kind kind, int64_t a, int64_t b);
const struct sim_link *sim__link(const struct sim_world *world, const struct sim_node *from,
                                 const struct sim_node *to);
bool sim__is_cut(const struct sim_node *from, const struct sim_node *to);
/* The time at which what runs now does what it does. */
int64_t sim__present_ns(const struct sim_world *world);
/* Between events: brings the ends of incarnations to their end. */
void sim__world_settle(struct sim_world *world);

/* ---- nodes ----------------------------------------------------------------------------------- */

/* A thread of the node's. */
struct sim_worker {
    struct io_timer event; /* starts or resumes the job */
    struct sim_node *node;
    struct io_job *job;          /* NULL: idle */
    struct coroutine *coroutine; /* owned while the job runs */
};

struct sim_node {
    struct sim_world *world;
    char *name;
    char address[IO_ADDRESS_TEXT_MAX];
    int64_t id;
    struct rng rng; /* what io_random gives */
    struct sim_disk *disk;
    VEC(struct sim_loop *) loops; /* of this incarnation; owned */
    bool is_down;
    bool is_powered;
    bool needs_settling;
    uint32_t crash_count;
    void (*on_crash)(void *context);
    void *on_crash_context;
    void (*on_losing)(void *context);
    void *on_losing_context;
    void (*on_loop_call)(void *context, enum sim_call call, const char *path, uint64_t size_bytes);
    void *on_loop_call_context;
    int64_t clock_offset_ms;
    uint32_t descriptor_max; /* 0: no limit */
    uint32_t socket_count;   /* accepted, connecting, connected, listening */
    struct sim_pace pace;
    uint32_t worker_count;
    struct sim_worker workers[SIM_WORKERS_MAX];
    struct io_job *first_job; /* ready for a worker, linked by message_.next_ */
    struct io_job *last_job;
    struct io_job *first_ended; /* have run, and are not done: the incarnation has ended */
    struct io_job *last_ended;
    bool keeps_jobs; /* of an incarnation that has ended, until its owner has been told */
    uint16_t next_port;
};

void sim__node_free(struct sim_node *node);
bool sim__node_has_descriptor(const struct sim_node *node);
uint16_t sim__node_next_port(struct sim_node *node); /* in turn; 40000 and above */
int64_t sim__node_now_ms(const struct sim_node *node);
/* Its incarnation is over; what is left of it comes to rest in sim__world_settle. */
void sim__node_go_down(struct sim_node *node, enum sim_crash kind);
void sim__node_settle(struct sim_node *node);

/* ---- loops ----------------------------------------------------------------------------------- */

struct sim_loop {
    struct io base;
    struct sim_node *node;
    int64_t id;   /* in the whole world, for the trace */
    size_t index; /* in its node */
    bool is_dead;
    bool in_turn;
    struct io_timer turn; /* the event */
    int64_t present_ns;   /* how far its own time has come */
    struct timer_heap timers;
    struct list mail; /* messages under way, by arrival */
    int64_t
        last_arrival_ns[SIM_LOOPS_MAX + 1]; /* of messages of each sender; the last: from outside */
    void (*turn_end)(void *context);
    void *turn_end_context;
    struct list lanes;
    struct list sockets;   /* open */
    struct list closed;    /* to be freed after the turn */
    struct list ready;     /* sockets to be told */
    struct list listeners; /* open */
};

struct sim_loop *sim__loop_new(struct sim_node *node);
void sim__loop_free(struct sim_loop *loop);
static inline struct sim_loop *sim__loop_of(struct io *io)
{
    return CONTAINER_OF(io, struct sim_loop, base);
}
int64_t sim__loop_now_ns(const struct sim_loop *loop);
/* Something will be there for it at that time. */
void sim__loop_want_turn(struct sim_loop *loop, int64_t time_ns);
/* A message under way to the loop; it has no sender when it is the end of a job. */
void sim__loop_mail(struct sim_loop *loop, struct io_message *message);
/* What is under way to it is dropped. */
void sim__loop_drop_mail(struct sim_loop *loop);

/* ---- jobs ------------------------------------------------------------------------------------ */

void sim__job_submit(struct io *io, struct io_job_queue *queue, struct io_job *job);
struct io_job_queue *sim__job_queue_new(struct io *io);
void sim__job_queue_free(struct io *io, struct io_job_queue *queue);
void sim__lanes_free(struct sim_loop *loop);
void sim__worker_init(struct sim_worker *worker, struct sim_node *node);
/* Time passes for the job that runs: others may run meanwhile. */
void sim__worker_wait(struct sim_worker *worker, int64_t duration_ns);
/* Runs what has begun to its end; the rest is ready. */
void sim__jobs_end(struct sim_node *node);
/* Drops what is under way to the node's loops, and keeps the ends of jobs among it, in the order in which they ended. */
void sim__jobs_drop_mail(struct sim_node *node);
/* Is the message, which is dropped, the end of a job? Then it is kept for sim_node_end_jobs. */
bool sim__job_keep_end(struct sim_node *node, struct io_message *message);
void sim__jobs_forget(struct sim_node *node);
