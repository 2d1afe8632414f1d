/* The loop: one epoll instance, a mailbox, timers, and the order of a turn:
 *
 *     tell the kernel what is watched, free what was closed, wait
 *     -> events -> timers -> messages and ends of jobs -> sockets told again -> the turn's end
 *
 * The mailbox is a stack that senders push on and the loop takes as a whole. Only a loop that is asleep has to be
 * woken by a system call, and only by the first who finds it so.
 */
#include "io/epoll.h"

#include "base/mem.h"
#include "io/epoll_int.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_TURN  256
#define RANDOM_AT_ONCE ((size_t)256) /* getrandom gives so much whole, whatever signals come */

/* ---- clock and chance ------------------------------------------------------------------------ */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    const int r = clock_gettime(clock, &now);
    ASSERT(r == 0);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static int64_t loop_now_ms(struct io *io)
{
    (void)io;
    return clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t epoll__monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static int64_t loop_monotonic_ns(struct io *io)
{
    (void)io;
    return epoll__monotonic_ns();
}

static void loop_random(struct io *io, void *out, size_t size_bytes)
{
    (void)io;
    uint8_t *at = out;
    while (size_bytes > 0) {
        const int64_t n = getrandom(at, MIN(size_bytes, RANDOM_AT_ONCE), 0);
        ASSERT(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            size_bytes -= (size_t)n;
        }
    }
}

/* ---- timers and the turn's end --------------------------------------------------------------- */

static void loop_timer_arm(struct io *io, struct io_timer *timer, int64_t deadline_ns)
{
    timer_heap_arm(&epoll__loop_of(io)->timers, timer, deadline_ns);
}

static void loop_timer_cancel(struct io *io, struct io_timer *timer)
{
    timer_heap_cancel(&epoll__loop_of(io)->timers, timer);
}

static void loop_on_turn_end(struct io *io, void (*turn_end)(void *context), void *context)
{
    epoll__loop_of(io)->turn_end = turn_end;
    epoll__loop_of(io)->turn_end_context = context;
}

/* ---- mailbox --------------------------------------------------------------------------------- */

static void wake(struct epoll_loop *loop)
{
    const uint64_t one = 1;
    const int64_t n = write(loop->wake_descriptor, &one, sizeof(one));
    (void)n; /* fails only when the count is full, and then the loop has been woken long ago */
}

static void loop_post(struct io *to, struct io_message *message)
{
    struct epoll_loop *loop = epoll__loop_of(to);
    if (__atomic_load_n(&loop->has_ended, __ATOMIC_ACQUIRE)) {
        if (message->drop != NULL)
            message->drop(message);
        return;
    }
    struct io_message *newest = __atomic_load_n(&loop->mailbox, __ATOMIC_RELAXED);
    do {
        message->next_ = newest;
    } while (!__atomic_compare_exchange_n(&loop->mailbox, &newest, message, true, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    /* Either this sees the loop asleep, or the loop, which looks again after it has said so, sees the message. */
    if (__atomic_load_n(&loop->is_asleep, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&loop->is_asleep, false, __ATOMIC_SEQ_CST))
        wake(loop);
}

bool epoll__has_mail(const struct epoll_loop *loop)
{
    return __atomic_load_n(&loop->mailbox, __ATOMIC_SEQ_CST) != NULL;
}

/* All that has been posted, oldest first. */
static struct io_message *take_mail(struct epoll_loop *loop)
{
    if (!epoll__has_mail(loop))
        return NULL;
    struct io_message *newest = __atomic_exchange_n(&loop->mailbox, NULL, __ATOMIC_ACQUIRE);
    struct io_message *oldest = NULL;
    while (newest != NULL) {
        struct io_message *next = newest->next_;
        newest->next_ = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void deliver_mail(struct epoll_loop *loop)
{
    struct io_message *message = take_mail(loop);
    while (message != NULL) {
        struct io_message *next = message->next_;
        message->deliver(message);
        message = next;
    }
}

/* ---- jobs ------------------------------------------------------------------------------------ */

static void job_done(struct io_message *message)
{
    struct io_job *job = CONTAINER_OF(message, struct io_job, message_);
    job->done(job);
}

static void loop_submit(struct io *io, struct io_job_queue *queue, struct io_job *job)
{
    struct epoll_loop *loop = epoll__loop_of(io);
    job->message_ = (struct io_message){ .deliver = job_done };
    job->io_ = io;
    if (!loop->has_ended)
        workers_submit(loop->workers, queue, job);
}

static struct io_job_queue *loop_job_queue_new(struct io *io)
{
    struct io_job_queue *queue = MEM_NEW(struct io_job_queue);
    list_push_back(&epoll__loop_of(io)->lanes, &queue->link);
    return queue;
}

static void loop_job_queue_free(struct io *io, struct io_job_queue *queue)
{
    ASSERT(workers_lane_is_idle(epoll__loop_of(io)->workers, queue));
    list_remove(&queue->link);
    mem_free(queue);
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Sockets on the ready list when this begins; those that are put on it meanwhile wait for the next turn. */
static void tell_ready(struct epoll_loop *loop)
{
    struct list batch;
    list_init(&batch);
    for (struct list *link; (link = list_pop_front(&loop->ready)) != NULL;)
        list_push_back(&batch, link);
    for (struct list *link; (link = list_pop_front(&batch)) != NULL;)
        epoll__socket_on_ready_list(link);
}

int epoll_io_turn(struct io *io, int64_t timeout_ms)
{
    struct epoll_loop *loop = epoll__loop_of(io);
    struct epoll_event events[EVENTS_A_TURN];
    epoll__sources_settle(loop);
    const int n = epoll__wait(loop, events, EVENTS_A_TURN, timeout_ms);
    if (n < 0 && n != -EINTR)
        return n;
    for (int i = 0; i < n; i++)
        epoll__source_on_event(&events[i]);
    if (timer_heap_next_ns(&loop->timers) != INT64_MAX)
        timer_heap_fire(&loop->timers, epoll__monotonic_ns());
    deliver_mail(loop);
    tell_ready(loop);
    if (loop->turn_end != NULL)
        loop->turn_end(loop->turn_end_context);
    return 0;
}

int epoll_io_run(struct io *io)
{
    struct epoll_loop *loop = epoll__loop_of(io);
    int r = 0;
    while (r == 0 && !__atomic_load_n(&loop->must_stop, __ATOMIC_SEQ_CST))
        r = epoll_io_turn(io, -1);
    __atomic_store_n(&loop->must_stop, false, __ATOMIC_SEQ_CST);
    return r;
}

/* Also from signal handlers, so errno is left as it was. */
void epoll_io_stop(struct io *io)
{
    struct epoll_loop *loop = epoll__loop_of(io);
    const int error = errno;
    __atomic_store_n(&loop->must_stop, true, __ATOMIC_SEQ_CST);
    wake(loop);
    errno = error;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static const struct io_ops loop_ops = {
    .now_ms = loop_now_ms,
    .monotonic_ns = loop_monotonic_ns,
    .random = loop_random,
    .timer_arm = loop_timer_arm,
    .timer_cancel = loop_timer_cancel,
    .on_turn_end = loop_on_turn_end,
    .post = loop_post,
    .submit = loop_submit,
    .job_queue_new = loop_job_queue_new,
    .job_queue_free = loop_job_queue_free,
    .listen = epoll__listen,
    .connect = epoll__connect,
};

static int open_descriptors(struct epoll_loop *loop)
{
    loop->wake_descriptor = -1;
    loop->epoll_descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_descriptor < 0)
        return -errno;
    loop->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_descriptor < 0)
        return -errno;
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    const int r = epoll_ctl(loop->epoll_descriptor, EPOLL_CTL_ADD, loop->wake_descriptor, &event);
    return r < 0 ? -errno : 0;
}

static void close_descriptors(struct epoll_loop *loop)
{
    if (loop->wake_descriptor >= 0)
        (void)close(loop->wake_descriptor); /* nothing is in it */
    if (loop->epoll_descriptor >= 0)
        (void)close(loop->epoll_descriptor); /* nor in this */
}

int epoll_io_new(struct epoll_workers *workers, struct io **out, struct err_note *note)
{
    struct epoll_loop *loop = MEM_NEW(struct epoll_loop);
    const int r = open_descriptors(loop);
    if (r < 0) {
        close_descriptors(loop);
        mem_free(loop);
        return err_note(note, r, "open an event loop");
    }
    loop->base = (struct io){ .ops = &loop_ops, .fs = posix_fs() };
    loop->workers = workers;
    timer_heap_init(&loop->timers);
    struct list *const lists[] = { &loop->lanes,   &loop->sources, &loop->closed,
                                   &loop->changed, &loop->ready,   &loop->resolutions };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
    *out = &loop->base;
    return 0;
}

/* Ends of jobs need no answer: their memory is the submitter's. */
static void drop_mail(struct epoll_loop *loop)
{
    struct io_message *message = take_mail(loop);
    while (message != NULL) {
        struct io_message *next = message->next_;
        if (message->drop != NULL)
            message->drop(message);
        message = next;
    }
}

void epoll_io_end(struct io *io)
{
    struct epoll_loop *loop = epoll__loop_of(io);
    workers_forget(loop->workers, io);
    __atomic_store_n(&loop->has_ended, true, __ATOMIC_RELEASE);
    drop_mail(loop);
}

void epoll_io_free(struct io *io)
{
    if (io == NULL)
        return;
    struct epoll_loop *loop = epoll__loop_of(io);
    epoll_io_end(io);
    epoll__sources_free(loop);
    epoll__attempts_free(loop);
    for (struct list *link; (link = list_pop_front(&loop->lanes)) != NULL;)
        mem_free(LIST_ENTRY(link, struct io_job_queue, link));
    timer_heap_deinit(&loop->timers);
    close_descriptors(loop);
    mem_free(loop);
}
