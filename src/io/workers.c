/* Two lines of jobs under one lock, and threads that are started when there is more work than idle threads.
 *
 *     short  ->[ job ]->[ job of lane A ]->[ job ]        threads take the first of these,
 *     long   ->[ job ]->[ job ]                           or of these, while few enough of them run
 *     lane A:   [ job ]->[ job ]                          wait until the one before them has run
 *
 * A lane stands in a line with one job at most, so that its jobs run one at a time and in order.
 */
#include "io/workers.h"

#include "base/mem.h"
#include "io/epoll.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>

/* Enough for zstd's and the resolver's frames; sanitizers pad frames and need more. */
#if ADDRESS_SANITIZER || defined(__SANITIZE_THREAD__)
#    define STACK_BYTES ((size_t)2 << 20)
#else
#    define STACK_BYTES ((size_t)256 << 10)
#endif

#define KEPT_FOR_SHORT 2 /* threads that are given no long job, where there are more */

struct worker {
    struct epoll_workers *workers;
    pthread_t thread;
    const struct io *running_for; /* NULL: idle. Guarded by the lock */
};

/* One who waits in workers_forget. */
struct forgetting {
    struct list link;
    const struct io *io;
};

struct epoll_workers {
    pthread_mutex_t lock;
    struct list forgettings;
    pthread_cond_t has_work;
    pthread_cond_t has_finished; /* somebody's running_for has changed */
    struct job_line ready[2];    /* [is_long] */
    uint32_t ready_count;        /* in both */
    uint32_t long_count;         /* running */
    uint32_t long_count_max;
    uint32_t idle_count;
    uint32_t thread_count;
    uint32_t thread_count_max;
    bool must_end;
    struct worker threads[];
};

/* pthread calls fail by misuse only (but for making threads). */
static void must(int result)
{
    ASSERT(result == 0);
}

static struct io_job *next_of(const struct io_job *job)
{
    struct io_message *next = job->message_.next_;
    return next == NULL ? NULL : CONTAINER_OF(next, struct io_job, message_);
}

static void line_add(struct job_line *line, struct io_job *job)
{
    job->message_.next_ = NULL;
    if (line->first == NULL)
        line->first = job;
    else
        line->last->message_.next_ = &job->message_;
    line->last = job;
}

static struct io_job *line_take(struct job_line *line)
{
    struct io_job *job = line->first;
    line->first = next_of(job);
    return job;
}

static void make_ready(struct epoll_workers *workers, struct io_job *job)
{
    line_add(&workers->ready[job->is_long], job);
    workers->ready_count++;
}

/* The next job that may run now, or NULL. */
static struct io_job *take_ready(struct epoll_workers *workers)
{
    struct job_line *line = &workers->ready[false];
    if (line->first == NULL && workers->long_count < workers->long_count_max)
        line = &workers->ready[true];
    if (line->first == NULL)
        return NULL;
    workers->ready_count--;
    return line_take(line);
}

static bool is_forgotten(const struct epoll_workers *workers, const struct io *io)
{
    LIST_FOR_EACH(&workers->forgettings, link)
    {
        if (LIST_ENTRY(link, struct forgetting, link)->io == io)
            return true;
    }
    return false;
}

/* A job of the lane has run: the next one gets in line, unless they are to be forgotten. */
static void lane_advance(struct epoll_workers *workers, struct io_job_queue *queue)
{
    if (queue->waiting.first != NULL && is_forgotten(workers, queue->waiting.first->io_))
        queue->waiting.first = NULL;
    queue->is_active = queue->waiting.first != NULL;
    if (queue->is_active)
        make_ready(workers, line_take(&queue->waiting));
}

/* Runs a job without the lock, which is held before and after. Its end is told under the lock, with the lane already
 * moved on: so the ends of a lane are told in order, and whoever is told may free the lane. */
static void run_job(struct epoll_workers *workers, struct io_job *job)
{
    const bool is_long = job->is_long;
    workers->long_count += is_long;
    must(pthread_mutex_unlock(&workers->lock));
    job->run(job);
    must(pthread_mutex_lock(&workers->lock));
    workers->long_count -= is_long;
    if (is_long && workers->ready[true].first != NULL)
        must(pthread_cond_signal(&workers->has_work)); /* this thread may take a short one next */
    if (job->queue_ != NULL)
        lane_advance(workers, job->queue_);
    io_post(job->io_, &job->message_);
}

static void *worker_main(void *argument)
{
    struct worker *self = argument;
    struct epoll_workers *workers = self->workers;
    must(pthread_mutex_lock(&workers->lock));
    for (;;) {
        struct io_job *job = take_ready(workers);
        while (job == NULL && !workers->must_end) {
            workers->idle_count++;
            must(pthread_cond_wait(&workers->has_work, &workers->lock));
            workers->idle_count--;
            job = take_ready(workers);
        }
        if (job == NULL)
            break;
        self->running_for = job->io_;
        run_job(workers, job);
        self->running_for = NULL;
        must(pthread_cond_broadcast(&workers->has_finished));
    }
    must(pthread_mutex_unlock(&workers->lock));
    return NULL;
}

/* With the lock. False when the system gives no thread. Signals stay with the threads that app made. */
static bool start_thread(struct epoll_workers *workers)
{
    struct worker *worker = &workers->threads[workers->thread_count];
    worker->workers = workers;
    pthread_attr_t attributes;
    must(pthread_attr_init(&attributes));
    must(pthread_attr_setstacksize(&attributes, MAX(STACK_BYTES, (size_t)PTHREAD_STACK_MIN)));
    sigset_t all;
    sigset_t before;
    must(sigfillset(&all));
    must(pthread_sigmask(SIG_SETMASK, &all, &before));
    const int r = pthread_create(&worker->thread, &attributes, worker_main, worker);
    must(pthread_sigmask(SIG_SETMASK, &before, NULL));
    must(pthread_attr_destroy(&attributes));
    workers->thread_count += r == 0;
    return r == 0;
}

struct epoll_workers *epoll_workers_new(uint32_t thread_count_max)
{
    ASSERT(thread_count_max > 0);
    struct epoll_workers *workers =
        mem_zalloc(sizeof(*workers) + thread_count_max * sizeof(workers->threads[0]));
    must(pthread_mutex_init(&workers->lock, NULL));
    must(pthread_cond_init(&workers->has_work, NULL));
    must(pthread_cond_init(&workers->has_finished, NULL));
    list_init(&workers->forgettings);
    workers->thread_count_max = thread_count_max;
    workers->long_count_max =
        thread_count_max > KEPT_FOR_SHORT ? thread_count_max - KEPT_FOR_SHORT : 1;
    return workers;
}

void epoll_workers_free(struct epoll_workers *workers)
{
    if (workers == NULL)
        return;
    must(pthread_mutex_lock(&workers->lock));
    ASSERT(workers->ready_count == 0); /* every loop has been freed */
    workers->must_end = true;
    must(pthread_cond_broadcast(&workers->has_work));
    must(pthread_mutex_unlock(&workers->lock));
    for (uint32_t i = 0; i < workers->thread_count; i++)
        must(pthread_join(workers->threads[i].thread, NULL));
    must(pthread_cond_destroy(&workers->has_finished));
    must(pthread_cond_destroy(&workers->has_work));
    must(pthread_mutex_destroy(&workers->lock));
    mem_free(workers);
}

/* With the lock: a thread for the job that was just added. False: there is none at all. */
static bool call_thread(struct epoll_workers *workers)
{
    const bool wants_more = workers->ready_count > workers->idle_count;
    if (wants_more && workers->thread_count < workers->thread_count_max && start_thread(workers))
        return true;
    must(pthread_cond_signal(&workers->has_work));
    return workers->thread_count > 0;
}

void workers_submit(struct epoll_workers *workers, struct io_job_queue *queue, struct io_job *job)
{
    job->queue_ = queue;
    must(pthread_mutex_lock(&workers->lock));
    bool is_served = true;
    if (queue != NULL && queue->is_active) {
        line_add(&queue->waiting, job);
    } else {
        if (queue != NULL)
            queue->is_active = true;
        make_ready(workers, job);
        is_served = call_thread(workers);
    }
    struct io_job *mine; /* slow, but work goes on: this thread does it */
    while (!is_served && (mine = take_ready(workers)) != NULL)
        run_job(workers, mine);
    must(pthread_mutex_unlock(&workers->lock));
}

static bool is_running_for(const struct epoll_workers *workers, const struct io *io)
{
    for (uint32_t i = 0; i < workers->thread_count; i++) {
        if (workers->threads[i].running_for == io)
            return true;
    }
    return false;
}

/* Takes the loop's jobs out of a line, and with each what waits in its lane. */
static void drop_ready(struct epoll_workers *workers, struct job_line *line, const struct io *io)
{
    struct io_job *job = line->first;
    *line = (struct job_line){ 0 };
    while (job != NULL) {
        struct io_job *next = next_of(job);
        workers->ready_count--;
        if (job->io_ != io)
            make_ready(workers, job);
        else if (job->queue_ != NULL)
            *job->queue_ = (struct io_job_queue){ .link = job->queue_->link };
        job = next;
    }
}

void workers_forget(struct epoll_workers *workers, const struct io *io)
{
    struct forgetting self = { .io = io };
    must(pthread_mutex_lock(&workers->lock));
    list_push_back(&workers->forgettings, &self.link);
    drop_ready(workers, &workers->ready[false], io);
    drop_ready(workers, &workers->ready[true], io);
    while (is_running_for(workers, io))
        must(pthread_cond_wait(&workers->has_finished, &workers->lock));
    list_remove(&self.link);
    must(pthread_mutex_unlock(&workers->lock));
}

bool workers_lane_is_idle(struct epoll_workers *workers, const struct io_job_queue *queue)
{
    must(pthread_mutex_lock(&workers->lock));
    const bool is_idle = !queue->is_active;
    must(pthread_mutex_unlock(&workers->lock));
    return is_idle;
}
