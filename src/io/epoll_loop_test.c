/* The loop's clock, timers, messages and jobs, with threads as a node has them. */
#include "io/epoll.h"
#include "io/loop_contract.h"

#include "base/mem.h"
#include "base/test.h"
#include "io/epoll_int.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static struct io *loop_new(struct epoll_workers *workers)
{
    struct io *io = NULL;
    struct err_note note;
    EXPECT_OK(epoll_io_new(workers, &io, &note));
    return io;
}

static void turn(void *io)
{
    EXPECT_OK(epoll_io_turn(io, 1000));
}

TEST(epoll_loop, keeps_the_contract)
{
    struct epoll_workers *workers = epoll_workers_new(2);
    struct io *io = loop_new(workers);
    const struct loop_contract driver = { .io = io, .turn = turn, .context = io };
    loop_contract_check(&driver);
    epoll_io_free(io);
    epoll_workers_free(workers);
}

/* Kernels before 5.11, and containers that refuse what they do not know. */
TEST(epoll_loop, keeps_the_contract_without_waits_to_the_nanosecond)
{
    struct epoll_workers *workers = epoll_workers_new(2);
    struct io *io = loop_new(workers);
    epoll__loop_of(io)->waits_in_ms = true;
    const struct loop_contract driver = { .io = io, .turn = turn, .context = io };
    loop_contract_check(&driver);
    EXPECT_OK(epoll_io_turn(io, 1));
    epoll_io_free(io);
    epoll_workers_free(workers);
}

TEST(epoll_loop, says_why_it_cannot_be_made)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    const int next = dup(0);
    EXPECT_OK(next);
    for (int left = 0; left < 2; left++) { /* for one descriptor, but not for two */
        const struct rlimit limit = { .rlim_cur = (rlim_t)(next + 1 + left), .rlim_max = 1000 };
        EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit)); /* of this test's process alone */
        struct io *io = NULL;
        struct err_note note;
        EXPECT_ERR(epoll_io_new(workers, &io, &note), EMFILE);
        EXPECT_TEXT(note.text, "open an event loop");
    }
    epoll_workers_free(workers);
}

TEST(epoll_loop, tells_time_and_gives_chance)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    struct io *io = loop_new(workers);
    EXPECT(io_now_ms(io) > INT64_C(1700000000000));
    int64_t last_ns = io_monotonic_ns(io);
    for (int i = 0; i < 100; i++) {
        const int64_t now_ns = io_monotonic_ns(io);
        EXPECT(now_ns >= last_ns);
        last_ns = now_ns;
    }
    uint8_t bytes[1000] = { 0 };
    io_random(io, bytes, sizeof(bytes));
    int zeros = 0;
    for (size_t i = 0; i < sizeof(bytes); i++)
        zeros += bytes[i] == 0;
    EXPECT(zeros < 100);
    EXPECT(io_get_fs(io) == posix_fs());
    epoll_io_free(io);
    epoll_io_free(NULL);
    epoll_workers_free(workers);
    epoll_workers_free(NULL);
}

/* ---- timers ---------------------------------------------------------------------------------- */

struct ticker {
    struct io_timer timer;
    struct io *io;
    struct ticker *other; /* armed 1 ms ahead when this one fires; NULL: the loop stops */
    int64_t fired_ns;
    int count;
};

static void tick(struct io_timer *timer)
{
    struct ticker *t = CONTAINER_OF(timer, struct ticker, timer);
    t->count++;
    t->fired_ns = io_monotonic_ns(t->io);
    EXPECT(t->fired_ns >= timer->deadline_ns);
    if (t->other == NULL)
        epoll_io_stop(t->io);
    else
        io_timer_arm_after(t->io, &t->other->timer, 1);
}

TEST(epoll_loop, fires_timers_at_or_after_their_deadlines)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    struct io *io = loop_new(workers);
    struct ticker last = { .timer.fire = tick, .io = io };
    struct ticker first = { .timer.fire = tick, .io = io, .other = &last };
    struct ticker never = { .timer.fire = tick, .io = io };
    struct ticker far = { .timer.fire = tick, .io = io };
    io_timer_arm_after(io, &far.timer, INT64_MAX); /* "no limit" of some setting */
    io_timer_arm_after(io, &never.timer, 0);
    io_timer_arm(io, &first.timer, io_monotonic_ns(io) + 300000);
    EXPECT(io_timer_is_armed(&never.timer));
    io_timer_cancel(io, &never.timer);
    io_timer_cancel(io, &never.timer);
    EXPECT(!io_timer_is_armed(&never.timer));
    EXPECT_OK(epoll_io_run(io));
    EXPECT_EQ(first.count, 1);
    EXPECT_EQ(last.count, 1);
    EXPECT_EQ(never.count, 0);
    EXPECT_EQ(far.count, 0);
    EXPECT(last.fired_ns >= first.fired_ns + NS_PER_MS);
    io_timer_arm(io, &never.timer, INT64_MIN); /* long past: fires in the next turn */
    EXPECT_OK(epoll_io_turn(io, -1));
    EXPECT_EQ(never.count, 1);
    epoll_io_free(io);
    EXPECT(!io_timer_is_armed(&far.timer));
    epoll_workers_free(workers);
}

static void count_up(void *context)
{
    ++*(int *)context;
}

TEST(epoll_loop, calls_the_turns_end_once_a_turn)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    struct io *io = loop_new(workers);
    int count = 0;
    io_on_turn_end(io, count_up, &count);
    for (int i = 1; i <= 5; i++) {
        EXPECT_OK(epoll_io_turn(io, 0));
        EXPECT_EQ(count, i);
    }
    EXPECT_OK(epoll_io_turn(io, 1)); /* with nothing to hear it ends after the time given */
    EXPECT_EQ(count, 6);
    epoll_io_free(io);
    epoll_workers_free(workers);
}

static struct io
    *interrupted; /* what a signal handler is about: it takes no argument. tidy: a test's own */

static void on_signal(int number)
{
    (void)number;
    epoll_io_stop(interrupted);
}

TEST(epoll_loop, is_stopped_by_a_signal_handler)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    interrupted = loop_new(workers);
    signal(SIGUSR1, on_signal);
    EXPECT_OK(raise(SIGUSR1)); /* before it runs: it stops at once, but only this time */
    EXPECT_OK(epoll_io_run(interrupted));
    struct ticker t = { .timer.fire = tick, .io = interrupted };
    io_timer_arm_after(interrupted, &t.timer, 1);
    EXPECT_OK(epoll_io_run(interrupted));
    EXPECT_EQ(t.count, 1);
    epoll_io_free(interrupted);
    epoll_workers_free(workers);
}

/* ---- messages -------------------------------------------------------------------------------- */

#define SENDER_COUNT      3
#define MESSAGES_A_SENDER 20000
#define MESSAGES_IN_ALL   (SENDER_COUNT * MESSAGES_A_SENDER)

struct inbox {
    struct io *io;
    int64_t expected[SENDER_COUNT]; /* next number of each */
    int64_t count;
};

struct letter {
    struct io_message message;
    struct inbox *inbox;
    int sender;
    int64_t number;
};

struct sender {
    pthread_t thread;
    struct inbox *inbox;
    int index;
};

static void letter_deliver(struct io_message *message)
{
    struct letter *letter = CONTAINER_OF(message, struct letter, message);
    struct inbox *inbox = letter->inbox;
    EXPECT_EQ(letter->number, inbox->expected[letter->sender]);
    inbox->expected[letter->sender]++;
    if (++inbox->count == MESSAGES_IN_ALL)
        epoll_io_stop(inbox->io);
    mem_free(letter);
}

static void letter_drop(struct io_message *message)
{
    mem_free(CONTAINER_OF(message, struct letter, message));
}

static void letter_post(struct inbox *inbox, int sender, int64_t number)
{
    struct letter *letter = MEM_NEW(struct letter);
    *letter = (struct letter){ .message = { .deliver = letter_deliver, .drop = letter_drop },
                               .inbox = inbox,
                               .sender = sender,
                               .number = number };
    io_post(inbox->io, &letter->message);
}

static void *sender_main(void *argument)
{
    const struct sender *sender = argument;
    for (int64_t i = 0; i < MESSAGES_A_SENDER; i++)
        letter_post(sender->inbox, sender->index, i);
    return NULL;
}

TEST(epoll_loop, delivers_messages_of_many_threads_in_order)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    struct inbox inbox = { .io = loop_new(workers) };
    struct sender senders[SENDER_COUNT];
    for (int i = 0; i < SENDER_COUNT; i++) {
        senders[i] = (struct sender){ .inbox = &inbox, .index = i };
        EXPECT_OK(pthread_create(&senders[i].thread, NULL, sender_main, &senders[i]));
    }
    EXPECT_OK(epoll_io_run(inbox.io));
    EXPECT_EQ(inbox.count, MESSAGES_IN_ALL);
    for (int i = 0; i < SENDER_COUNT; i++)
        EXPECT_OK(pthread_join(senders[i].thread, NULL));
    epoll_io_free(inbox.io);
    epoll_workers_free(workers);
}

/* What is posted and not delivered is dropped when the loop ends: the leak check of sanitizers sees to it. */
TEST(epoll_loop, drops_messages_at_its_end)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    struct inbox inbox = { .io = loop_new(workers) };
    for (int i = 0; i < 10; i++)
        letter_post(&inbox, 0, i);
    epoll_io_end(inbox.io);
    letter_post(&inbox, 0, 10);
    epoll_io_free(inbox.io);
    EXPECT_EQ(inbox.count, 0);
    epoll_workers_free(workers);
}

struct ball {
    struct io_message message;
    struct io *sides[2];
    int bounces_left;
    int side; /* where it lies */
};

static void ball_deliver(struct io_message *message)
{
    struct ball *ball = CONTAINER_OF(message, struct ball, message);
    if (ball->bounces_left-- == 0) {
        epoll_io_stop(ball->sides[0]);
        epoll_io_stop(ball->sides[1]);
        return;
    }
    ball->side = !ball->side;
    io_post(ball->sides[ball->side], message);
}

static void *run_loop(void *io)
{
    EXPECT_OK(epoll_io_run(io));
    return NULL;
}

/* Each bounce finds the other loop asleep, or about to be: a wake-up that is lost would hang. */
TEST(epoll_loop, loses_no_wake_up_between_two_loops)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    struct ball ball = { .message.deliver = ball_deliver, .bounces_left = 20000 };
    ball.sides[0] = loop_new(workers);
    ball.sides[1] = loop_new(workers);
    io_post(ball.sides[0], &ball.message);
    pthread_t thread;
    EXPECT_OK(pthread_create(&thread, NULL, run_loop, ball.sides[1]));
    run_loop(ball.sides[0]);
    EXPECT_OK(pthread_join(thread, NULL));
    EXPECT_EQ(ball.bounces_left, -1);
    epoll_io_free(ball.sides[0]);
    epoll_io_free(ball.sides[1]);
    epoll_workers_free(workers);
}

/* ---- jobs ------------------------------------------------------------------------------------ */

#define LANE_COUNT   3
#define JOBS_A_LANE  300
#define WORKER_COUNT 4

struct lane {
    struct io_job_queue *queue;
    bool is_running;   /* written by its jobs alone: a data race if two of them ran at once */
    int64_t run_next;  /* likewise */
    int64_t done_next; /* the loop's */
};

struct errand {
    struct io_job job;
    struct lane *lane; /* NULL: none */
    int64_t number;
    int *undone; /* the loop's */
    struct io *io;
};

static void errand_run(struct io_job *job)
{
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    struct lane *lane = errand->lane;
    if (lane == NULL)
        return;
    EXPECT(!lane->is_running);
    lane->is_running = true;
    EXPECT_EQ(lane->run_next, errand->number);
    lane->run_next++;
    lane->is_running = false;
}

static void errand_done(struct io_job *job)
{
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    if (errand->lane != NULL)
        EXPECT_EQ(errand->lane->done_next++, errand->number);
    if (--*errand->undone == 0)
        epoll_io_stop(errand->io);
}

TEST(epoll_loop, runs_jobs_of_a_lane_one_by_one_and_in_order)
{
    struct epoll_workers *workers = epoll_workers_new(WORKER_COUNT);
    struct io *io = loop_new(workers);
    struct lane lanes[LANE_COUNT] = { 0 };
    enum { JOBS = (LANE_COUNT + 1) * JOBS_A_LANE }; /* a quarter without a lane */
    AUTO(mem_freep) struct errand *errands = MEM_NEW_ARRAY(struct errand, JOBS);
    int undone = JOBS;
    for (int i = 0; i < LANE_COUNT; i++)
        lanes[i].queue = io_job_queue_new(io);
    for (int i = 0; i < JOBS; i++) {
        const int lane = i % (LANE_COUNT + 1);
        errands[i] = (struct errand){ .job = { .run = errand_run, .done = errand_done },
                                      .lane = lane < LANE_COUNT ? &lanes[lane] : NULL,
                                      .number = i / (LANE_COUNT + 1),
                                      .undone = &undone,
                                      .io = io };
        io_submit(io, lane < LANE_COUNT ? lanes[lane].queue : NULL, &errands[i].job);
    }
    EXPECT_OK(epoll_io_run(io));
    EXPECT_EQ(undone, 0);
    for (int i = 0; i < LANE_COUNT; i++) {
        EXPECT_EQ(lanes[i].done_next, JOBS_A_LANE);
        io_job_queue_free(io, lanes[i].queue);
    }
    io_job_queue_free(io, NULL);
    epoll_io_free(io);
    epoll_workers_free(workers);
}

/* A lane may be freed, and its job's memory reused, as soon as the end has been told. */
struct relay {
    struct io_job job;
    struct io *io;
    struct io_job_queue *queue;
    int rounds_left;
};

static void relay_run(struct io_job *job)
{
    (void)job;
}

static void relay_done(struct io_job *job)
{
    struct relay *relay = CONTAINER_OF(job, struct relay, job);
    io_job_queue_free(relay->io, relay->queue);
    if (relay->rounds_left-- == 0) {
        epoll_io_stop(relay->io);
        return;
    }
    memset(&relay->job.message_, 0xff, sizeof(relay->job.message_));
    relay->queue = io_job_queue_new(relay->io);
    io_submit(relay->io, relay->queue, job);
}

TEST(epoll_loop, lets_go_of_jobs_and_lanes_at_their_end)
{
    struct epoll_workers *workers = epoll_workers_new(2);
    struct io *io = loop_new(workers);
    struct relay relay = { .job = { .run = relay_run, .done = relay_done },
                           .io = io,
                           .queue = io_job_queue_new(io),
                           .rounds_left = 1000 };
    io_submit(io, relay.queue, &relay.job);
    EXPECT_OK(epoll_io_run(io));
    epoll_io_free(io);
    epoll_workers_free(workers);
}

struct slow {
    struct io_job job;
    bool *may_end; /* atomic */
    bool *has_begun;
    bool has_run; /* read after the loop has been freed */
};

static void slow_run(struct io_job *job)
{
    struct slow *slow = CONTAINER_OF(job, struct slow, job);
    __atomic_store_n(slow->has_begun, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(slow->may_end, __ATOMIC_ACQUIRE))
        sched_yield();
    slow->has_run = true;
}

static void slow_done(struct io_job *job)
{
    (void)job;
    EXPECT(false); /* the loop is gone by then */
}

static void *let_end(void *may_end)
{
    __atomic_store_n((bool *)may_end, true, __ATOMIC_RELEASE);
    return NULL;
}

/* A loop that ends waits for what runs and forgets what waits, also what waits in a lane. */
TEST(epoll_loop, waits_for_running_jobs_when_it_is_freed)
{
    struct epoll_workers *workers = epoll_workers_new(1);
    struct io *io = loop_new(workers);
    struct io_job_queue *queue = io_job_queue_new(io);
    bool may_end = false;
    bool has_begun = false;
    struct slow jobs[4];
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct slow){ .job = { .run = slow_run, .done = slow_done },
                                 .may_end = &may_end,
                                 .has_begun = &has_begun };
        io_submit(io, i % 2 == 0 ? queue : NULL, &jobs[i].job);
    }
    while (!__atomic_load_n(&has_begun, __ATOMIC_ACQUIRE))
        sched_yield();
    pthread_t thread;
    EXPECT_OK(pthread_create(&thread, NULL, let_end, &may_end));
    epoll_io_free(io);
    EXPECT(jobs[0].has_run);
    EXPECT_OK(pthread_join(thread, NULL));
    epoll_workers_free(workers);
}

/* ---- long jobs ------------------------------------------------------------------------------- */

struct gate {
    struct io *io;
    bool is_open; /* atomic */
    int undone;   /* the loop's */
};

struct guest {
    struct io_job job;
    struct gate *gate;
};

static void wait_for_gate(struct io_job *job)
{
    const struct guest *guest = CONTAINER_OF(job, struct guest, job);
    while (!__atomic_load_n(&guest->gate->is_open, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void open_gate(struct io_job *job)
{
    const struct guest *guest = CONTAINER_OF(job, struct guest, job);
    __atomic_store_n(&guest->gate->is_open, true, __ATOMIC_RELEASE);
}

static void guest_done(struct io_job *job)
{
    const struct guest *guest = CONTAINER_OF(job, struct guest, job);
    if (--guest->gate->undone == 0)
        epoll_io_stop(guest->gate->io);
}

/* More long jobs than workers wait for a short one, which comes last: without a worker of its own it would never run. */
TEST(epoll_loop, keeps_workers_for_short_jobs)
{
    struct epoll_workers *workers = epoll_workers_new(WORKER_COUNT);
    struct guest guests[2 * WORKER_COUNT];
    struct gate gate = { .io = loop_new(workers), .undone = ARRAY_LEN(guests) };
    for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
        const bool is_last = i + 1 == ARRAY_LEN(guests);
        guests[i].gate = &gate;
        guests[i].job = (struct io_job){ .run = is_last ? open_gate : wait_for_gate,
                                         .done = guest_done,
                                         .is_long = !is_last };
        io_submit(gate.io, NULL, &guests[i].job);
    }
    EXPECT_OK(epoll_io_run(gate.io));
    EXPECT_EQ(gate.undone, 0);
    epoll_io_free(gate.io);
    epoll_workers_free(workers);
}
