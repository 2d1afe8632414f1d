/* Jobs: coroutines that let others run at each of their file calls.
 *
 *     ready -> a worker that is idle takes it -> starts a little later -> file call, yields, goes on -> ... -> ends
 *
 * A lane stands in the line of its node with one job at most. When the incarnation ends, jobs that have begun run
 * to their end at once, against a dead disk. What is then not done is kept while the owner is told, who may ask for
 * it (sim_node_end_jobs); else it is forgotten.
 */
#include "base/mem.h"
#include "sim/world_int.h"

#define SLOW_IN_A_MILLION 60000 /* of jobs that start late: a busy machine */
#define SLOW_NS           (50 * NS_PER_MS)

struct io_job_queue {
    struct list link; /* among the loop's lanes */
    struct io_job *first;
    struct io_job *last;
    bool is_active; /* a job of it runs, or stands in line */
};

static struct io_job *next_of(const struct io_job *job)
{
    struct io_message *next = job->message_.next_;
    return next == NULL ? NULL : CONTAINER_OF(next, struct io_job, message_);
}

static void append(struct io_job **first, struct io_job **last, struct io_job *job)
{
    job->message_.next_ = NULL;
    if (*first == NULL)
        *first = job;
    else
        (*last)->message_.next_ = &job->message_;
    *last = job;
}

static struct io_job *take_first(struct io_job **first)
{
    struct io_job *job = *first;
    *first = next_of(job);
    return job;
}

/* ---- workers --------------------------------------------------------------------------------- */

static void assign(struct sim_node *node)
{
    struct sim_world *world = node->world;
    for (uint32_t i = 0; i < node->worker_count && node->first_job != NULL; i++) {
        struct sim_worker *worker = &node->workers[i];
        if (worker->job != NULL)
            continue;
        worker->job = take_first(&node->first_job);
        int64_t late_ns = sim__draw(world, node->pace.wake);
        if (sim__chance(world, SLOW_IN_A_MILLION))
            late_ns += rng_between(&world->rng, 0, SLOW_NS);
        sim__schedule(world, &worker->event, sim__present_ns(world) + late_ns);
    }
}

static void make_ready(struct sim_node *node, struct io_job *job)
{
    append(&node->first_job, &node->last_job, job);
}

static void job_done(struct io_message *message)
{
    struct io_job *job = CONTAINER_OF(message, struct io_job, message_);
    job->done(job);
}

/* A job of the lane has run: the next one gets in line. */
static void lane_advance(struct sim_node *node, struct io_job_queue *queue)
{
    if (queue == NULL)
        return;
    queue->is_active = queue->first != NULL;
    if (queue->is_active)
        make_ready(node, take_first(&queue->first));
}

static void end_job(struct sim_worker *worker)
{
    struct sim_node *node = worker->node;
    struct io_job *job = TAKE(worker->job);
    VEC_ADD(&node->world->idle_coroutines, TAKE(worker->coroutine));
    lane_advance(node, job->queue_);
    if (node->is_down) {
        append(&node->first_ended, &node->last_ended, job);
        return;
    }
    sim__trace(node->world, SIM_TRACE_JOB_DONE, node->id, worker - node->workers);
    sim__loop_mail(sim__loop_of(job->io_), &job->message_);
    assign(node);
}

static void job_body(struct coroutine *self, void *context)
{
    const struct sim_worker *worker = context;
    (void)self;
    worker->job->run(worker->job);
}

static void begin_job(struct sim_worker *worker)
{
    struct sim_world *world = worker->node->world;
    sim__trace(world, SIM_TRACE_JOB, worker->node->id, worker - worker->node->workers);
    if (world->idle_coroutines.count > 0) {
        worker->coroutine = VEC_POP(&world->idle_coroutines);
        coroutine_reuse(worker->coroutine, job_body, worker);
    } else {
        worker->coroutine = coroutine_new(job_body, worker);
    }
}

static void run(struct sim_worker *worker)
{
    struct sim_world *world = worker->node->world;
    struct sim_loop *running = world->running; /* NULL, unless a node crashes in its own turn */
    ASSERT(world->working == NULL);
    world->running = NULL;
    world->working = worker;
    coroutine_resume(worker->coroutine);
    world->working = NULL;
    world->running = running;
    if (coroutine_has_ended(worker->coroutine))
        end_job(worker);
}

static void on_worker_event(struct io_timer *event)
{
    struct sim_worker *worker = CONTAINER_OF(event, struct sim_worker, event);
    if (worker->coroutine == NULL)
        begin_job(worker);
    run(worker);
}

void sim__worker_init(struct sim_worker *worker, struct sim_node *node)
{
    worker->node = node;
    worker->event.fire = on_worker_event;
}

void sim__worker_wait(struct sim_worker *worker, int64_t duration_ns)
{
    struct sim_world *world = worker->node->world;
    if (worker->node->is_down) /* it runs to its end */
        return;
    sim__schedule(world, &worker->event, world->now_ns + duration_ns);
    coroutine_yield(worker->coroutine);
}

void sim__jobs_end(struct sim_node *node)
{
    const bool was_down = node->is_down;
    node->is_down = true;
    for (int i = 0; i < SIM_WORKERS_MAX; i++) {
        struct sim_worker *worker = &node->workers[i];
        sim__unschedule(node->world, &worker->event);
        if (worker->coroutine != NULL)
            run(worker);
        else if (worker->job != NULL)
            make_ready(node, TAKE(worker->job));
    }
    node->is_down = was_down;
}

void sim__jobs_drop_mail(struct sim_node *node)
{
    struct io_job *ended_later = TAKE(node->first_ended); /* as the node went down */
    for (size_t i = 0; i < node->loops.count; i++)
        sim__loop_drop_mail(node->loops.items[i]);
    while (ended_later != NULL)
        append(&node->first_ended, &node->last_ended, take_first(&ended_later));
}

bool sim__job_keep_end(struct sim_node *node, struct io_message *message)
{
    if (message->deliver != job_done)
        return false;
    append(&node->first_ended, &node->last_ended, CONTAINER_OF(message, struct io_job, message_));
    return true;
}

void sim__jobs_forget(struct sim_node *node)
{
    node->keeps_jobs = false;
    node->first_job = node->first_ended = NULL;
}

void sim_node_end_jobs(struct sim_node *node)
{
    ASSERT(node->keeps_jobs);
    while (node->first_ended != NULL || node->first_job != NULL) {
        struct io_job *job;
        if (node->first_ended != NULL) {
            job = take_first(&node->first_ended);
        } else {
            job = take_first(&node->first_job);
            job->run(job);
            lane_advance(node, job->queue_);
        }
        job->done(job);
    }
}

/* ---- the loop's calls ------------------------------------------------------------------------ */

void sim__job_submit(struct io *io, struct io_job_queue *queue, struct io_job *job)
{
    struct sim_loop *loop = sim__loop_of(io);
    job->message_ = (struct io_message){ .deliver = job_done };
    job->io_ = io;
    job->queue_ = queue;
    if (loop->is_dead && !loop->node->keeps_jobs)
        return;
    if (queue != NULL && queue->is_active) {
        append(&queue->first, &queue->last, job);
        return;
    }
    if (queue != NULL)
        queue->is_active = true;
    make_ready(loop->node, job);
    if (!loop->is_dead)
        assign(loop->node);
}

struct io_job_queue *sim__job_queue_new(struct io *io)
{
    struct io_job_queue *queue = MEM_NEW(struct io_job_queue);
    list_push_back(&sim__loop_of(io)->lanes, &queue->link);
    return queue;
}

void sim__job_queue_free(struct io *io, struct io_job_queue *queue)
{
    ASSERT(!queue->is_active || sim__loop_of(io)->is_dead);
    list_remove(&queue->link);
    mem_free(queue);
}

void sim__lanes_free(struct sim_loop *loop)
{
    for (struct list *link; (link = list_pop_front(&loop->lanes)) != NULL;)
        mem_free(LIST_ENTRY(link, struct io_job_queue, link));
}
