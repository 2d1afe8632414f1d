/* What the event loop itself costs: wake-ups across threads, timers, jobs, an echo, a crowd of connections.
 *
 * Prints one line a measurement: nanoseconds for one of each, and the median of several runs where runs differ.
 * The bare twins (a pipe of system calls, no loop) stand beside what they are to be compared with.
 */
#include "base/mem.h"
#include "io/epoll.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RUNS       5
#define ROUNDS     20000
#define TIMERS_MAX 10000
#define CROWD      5000
#define ECHO_BYTES 100

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "micro_wakeup: %s: errno %d\n", what, errno);
        exit(1);
    }
}

static struct io *loop_new(struct epoll_workers *workers)
{
    struct io *io;
    must(epoll_io_new(workers, &io, NULL) == 0, "epoll_io_new");
    return io;
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Runs a measurement several times and prints the median. It answers nanoseconds for `rounds` of it. */
static void report(const char *name, int64_t (*measure)(void *context), void *context,
                   int64_t rounds)
{
    int64_t took[RUNS];
    for (int i = 0; i < RUNS; i++)
        took[i] = measure(context);
    qsort(took, RUNS, sizeof(took[0]), compare);
    printf("%-58s %10.0f ns\n", name, (double)took[RUNS / 2] / (double)rounds);
    fflush(stdout);
}

/* ---- wake-ups -------------------------------------------------------------------------------- */

struct ball {
    struct io_message message;
    struct io *sides[2];
    int side;
    int bounces_left;
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
    must(epoll_io_run(io) == 0, "epoll_io_run");
    return NULL;
}

static int64_t ping_pong(void *context)
{
    struct ball *ball = context;
    ball->bounces_left = ROUNDS * 2;
    pthread_t thread;
    const int64_t start_ns = now_ns();
    must(pthread_create(&thread, NULL, run_loop, ball->sides[1]) == 0, "pthread_create");
    io_post(ball->sides[0], &ball->message);
    run_loop(ball->sides[0]);
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    return now_ns() - start_ns;
}

static int64_t self_post(void *context)
{
    struct ball *ball = context;
    ball->bounces_left = ROUNDS;
    const int64_t start_ns = now_ns();
    io_post(ball->sides[0], &ball->message);
    run_loop(ball->sides[0]);
    return now_ns() - start_ns;
}

struct bare {
    int to_there;
    int to_here;
};

static void *bare_echo(void *context)
{
    const struct bare *bare = context;
    uint64_t count;
    for (int i = 0; i < ROUNDS; i++) {
        must(read(bare->to_there, &count, sizeof(count)) == sizeof(count), "read");
        must(write(bare->to_here, &count, sizeof(count)) == sizeof(count), "write");
    }
    return NULL;
}

static int64_t bare_ping_pong(void *context)
{
    const struct bare bare = { .to_there = eventfd(0, 0), .to_here = eventfd(0, 0) };
    (void)context;
    pthread_t thread;
    must(pthread_create(&thread, NULL, bare_echo, (void *)(uintptr_t)&bare) == 0, "pthread_create");
    const int64_t start_ns = now_ns();
    uint64_t count = 1;
    for (int i = 0; i < ROUNDS; i++) {
        must(write(bare.to_there, &count, sizeof(count)) == sizeof(count), "write");
        must(read(bare.to_here, &count, sizeof(count)) == sizeof(count), "read");
    }
    const int64_t took_ns = now_ns() - start_ns;
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    (void)close(bare.to_there);
    (void)close(bare.to_here);
    return took_ns;
}

struct flood {
    struct io *io;
    struct io_message *messages;
    int left;
};

struct drop {
    struct io_message message;
    struct flood *flood;
};

static void drop_deliver(struct io_message *message)
{
    struct flood *flood = CONTAINER_OF(message, struct drop, message)->flood;
    if (--flood->left == 0)
        epoll_io_stop(flood->io);
}

static int64_t flood(void *context)
{
    struct io *io = context;
    struct flood flood = { .io = io, .left = ROUNDS };
    AUTO(mem_freep) struct drop *drops = MEM_NEW_ARRAY(struct drop, ROUNDS);
    pthread_t thread;
    must(pthread_create(&thread, NULL, run_loop, io) == 0, "pthread_create");
    const int64_t start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        drops[i] = (struct drop){ .message.deliver = drop_deliver, .flood = &flood };
        io_post(io, &drops[i].message);
    }
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    return now_ns() - start_ns;
}

/* ---- jobs and timers ------------------------------------------------------------------------- */

struct errand {
    struct io_job job;
    struct io *io;
    int left;
};

static void errand_run(struct io_job *job)
{
    (void)job;
}

static void errand_done(struct io_job *job)
{
    struct errand *errand = CONTAINER_OF(job, struct errand, job);
    if (errand->left-- == 0)
        epoll_io_stop(errand->io);
    else
        io_submit(errand->io, NULL, job);
}

static int64_t jobs(void *context)
{
    struct errand errand = { .job = { .run = errand_run, .done = errand_done },
                             .io = context,
                             .left = ROUNDS };
    const int64_t start_ns = now_ns();
    io_submit(context, NULL, &errand.job);
    run_loop(context);
    return now_ns() - start_ns;
}

struct timers {
    struct io *io;
    struct io_timer *timers;
    int count;
};

static void timer_fire(struct io_timer *timer)
{
    (void)timer;
}

/* Every timer is moved ahead, as deadlines of connections are with each request. */
static int64_t rearm(void *context)
{
    const struct timers *t = context;
    const int64_t base_ns = io_monotonic_ns(t->io) + 60 * NS_PER_SECOND;
    const int64_t start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        io_timer_arm(t->io, &t->timers[i % t->count], base_ns + i);
    return now_ns() - start_ns;
}

static int64_t arm_and_cancel(void *context)
{
    const struct timers *t = context;
    const int64_t base_ns = io_monotonic_ns(t->io) + 30 * NS_PER_SECOND;
    struct io_timer timer = { .fire = timer_fire };
    const int64_t start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        io_timer_arm(t->io, &timer, base_ns + i);
        io_timer_cancel(t->io, &timer);
    }
    return now_ns() - start_ns;
}

static int64_t clock_calls(void *context)
{
    const int64_t start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        (void)io_monotonic_ns(context);
    return now_ns() - start_ns;
}

static int64_t bare_clock_calls(void *context)
{
    (void)context;
    const int64_t start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        (void)now_ns();
    return now_ns() - start_ns;
}

static void measure_timers(struct io *io)
{
    struct timers t = { .io = io, .timers = MEM_NEW_ARRAY(struct io_timer, TIMERS_MAX) };
    for (int i = 0; i < TIMERS_MAX; i++)
        t.timers[i].fire = timer_fire;
    report("clock_gettime alone", bare_clock_calls, NULL, ROUNDS);
    report("io_monotonic_ns", clock_calls, io, ROUNDS);
    static const int counts[] = { 1, 100, TIMERS_MAX };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        char name[80];
        t.count = counts[i];
        (void)snprintf(name, sizeof(name), "timer moved ahead, among %d", counts[i]);
        report(name, rearm, &t, ROUNDS);
        (void)snprintf(name, sizeof(name), "timer armed as the soonest and cancelled, among %d",
                       counts[i]);
        report(name, arm_and_cancel, &t, ROUNDS);
    }
    for (int i = 0; i < TIMERS_MAX; i++)
        io_timer_cancel(io, &t.timers[i]);
    mem_free(t.timers);
}

/* ---- sockets --------------------------------------------------------------------------------- */

struct echo {
    struct io *io;
    struct io_listener *listener;
    struct io_socket *sockets[CROWD];
    int count;
    uint16_t port;
};

static void echo_ready(void *context, unsigned ready)
{
    struct io_socket *socket = context;
    uint8_t data[4096];
    (void)ready;
    const int64_t n = io_socket_recv(socket, data, sizeof(data));
    if (n <= 0) {
        io_socket_set_interest(socket, 0);
        return;
    }
    const struct iovec part = { .iov_base = data, .iov_len = (size_t)n };
    must(io_socket_sendv(socket, &part, 1, false) == n, "io_socket_sendv");
}

static void echo_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct echo *echo = context;
    (void)peer;
    echo->sockets[echo->count++] = socket;
    io_socket_set_owner(socket,
                        &(struct io_socket_owner){ .on_ready = echo_ready, .context = socket });
    io_socket_set_interest(socket, IO_READABLE);
    if (echo->count == CROWD)
        epoll_io_stop(echo->io);
}

static void echo_begin(struct echo *echo, struct io *io)
{
    *echo = (struct echo){ .io = io };
    const struct io_listener_owner owner = { .on_accept = echo_accept, .context = echo };
    must(io_listen(io, "127.0.0.1", 0, 8192, &owner, &echo->listener, NULL) == 0, "io_listen");
    struct io_address address;
    io_listener_address(echo->listener, &address);
    echo->port = address.port;
}

static void echo_end(struct echo *echo)
{
    for (int i = 0; i < echo->count; i++)
        io_socket_close(echo->sockets[i]);
    io_listener_close(echo->listener);
    must(epoll_io_turn(echo->io, 0) == 0, "epoll_io_turn");
}

static int bare_connect(uint16_t port)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons(port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    must(connect(descriptor, (const struct sockaddr *)&to, sizeof(to)) == 0, "connect");
    return descriptor;
}

static int64_t ask(int descriptor)
{
    uint8_t data[ECHO_BYTES] = { 0 };
    const int64_t start_ns = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        must(send(descriptor, data, sizeof(data), 0) == (int64_t)sizeof(data), "send");
        must(recv(descriptor, data, sizeof(data), MSG_WAITALL) == (int64_t)sizeof(data), "recv");
    }
    return now_ns() - start_ns;
}

static int64_t loop_echo(void *context)
{
    AUTO(mem_freep) struct echo *echo = MEM_NEW(struct echo);
    echo_begin(echo, context);
    pthread_t thread;
    must(pthread_create(&thread, NULL, run_loop, context) == 0, "pthread_create");
    const int descriptor = bare_connect(echo->port);
    const int64_t took_ns = ask(descriptor);
    epoll_io_stop(context);
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    (void)close(descriptor);
    echo_end(echo);
    return took_ns;
}

static void *bare_serve(void *context)
{
    const int listener = *(const int *)context;
    const int descriptor = accept(listener, NULL, NULL);
    const int on = 1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    uint8_t data[4096];
    for (;;) {
        const int64_t n = recv(descriptor, data, sizeof(data), 0);
        if (n <= 0)
            break;
        must(send(descriptor, data, (size_t)n, 0) == n, "send");
    }
    (void)close(descriptor);
    return NULL;
}

static int64_t bare_echo_trip(void *context)
{
    (void)context;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (const struct sockaddr *)&at, size) == 0, "bind");
    must(listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&at, &size) == 0, "getsockname");
    pthread_t thread;
    must(pthread_create(&thread, NULL, bare_serve, &listener) == 0, "pthread_create");
    const int descriptor = bare_connect(ntohs(at.sin_port));
    const int64_t took_ns = ask(descriptor);
    (void)close(descriptor);
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    (void)close(listener);
    return took_ns;
}

static int64_t crowd(void *context)
{
    AUTO(mem_freep) struct echo *echo = MEM_NEW(struct echo);
    AUTO(mem_freep) int *descriptors = MEM_NEW_ARRAY(int, CROWD);
    echo_begin(echo, context);
    pthread_t thread;
    must(pthread_create(&thread, NULL, run_loop, context) == 0, "pthread_create");
    const int64_t start_ns = now_ns();
    for (int i = 0; i < CROWD; i++)
        descriptors[i] = bare_connect(echo->port);
    must(pthread_join(thread, NULL) == 0, "pthread_join");
    const int64_t took_ns = now_ns() - start_ns;
    for (int i = 0; i < CROWD; i++)
        (void)close(descriptors[i]);
    echo_end(echo);
    return took_ns;
}

int main(void)
{
    struct rlimit limit;
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");

    struct epoll_workers *workers = epoll_workers_new(2);
    struct ball ball = { .message.deliver = ball_deliver };
    ball.sides[0] = loop_new(workers);
    ball.sides[1] = loop_new(workers);
    report("there and back between two threads, by eventfd alone", bare_ping_pong, NULL, ROUNDS);
    report("there and back between two loops, by io_post", ping_pong, &ball, ROUNDS);
    ball.sides[1] = ball.sides[0];
    report("a message to the own loop, and its turn", self_post, &ball, ROUNDS);
    ball.sides[1] = loop_new(workers);
    report("a message among many to another loop", flood, ball.sides[0], ROUNDS);
    report("a job, submitted and done", jobs, ball.sides[0], ROUNDS);
    measure_timers(ball.sides[0]);
    report("echo of 100 bytes, by recv and send alone", bare_echo_trip, NULL, ROUNDS);
    report("echo of 100 bytes, by a loop", loop_echo, ball.sides[0], ROUNDS);
    const int64_t before_ns = cpu_ns();
    report("a connection among 5,000 at once, both ends", crowd, ball.sides[1], CROWD);
    printf("%-58s %10.0f ns\n", "  processor time of it, both ends",
           (double)(cpu_ns() - before_ns) / RUNS / CROWD);
    epoll_io_free(ball.sides[0]);
    epoll_io_free(ball.sides[1]);
    epoll_workers_free(workers);
    return 0;
}
