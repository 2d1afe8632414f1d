/* The contract of struct io, run against any driver. */
#include "io/loop_contract.h"

#include "base/test.h"

#include <errno.h>
#include <string.h>

static void turn(const struct loop_contract *driver)
{
    driver->turn(driver->context);
}

/* ---- timers, the turn's end, messages, jobs -------------------------------------------------- */

struct clock_hand {
    struct io_timer timer;
    struct io *io;
    int count;
};

static void on_timer(struct io_timer *timer)
{
    struct clock_hand *hand = CONTAINER_OF(timer, struct clock_hand, timer);
    EXPECT(!io_timer_is_armed(timer));
    EXPECT(io_monotonic_ns(hand->io) >= timer->deadline_ns);
    hand->count++;
}

static void on_turn_end(void *context)
{
    ++*(int *)context;
}

static void check_timers(const struct loop_contract *driver)
{
    struct io *io = driver->io;
    struct clock_hand hands[3];
    int turns = 0;
    io_on_turn_end(io, on_turn_end, &turns);
    for (int i = 0; i < 3; i++) {
        hands[i] = (struct clock_hand){ .timer.fire = on_timer, .io = io };
        io_timer_arm_after(io, &hands[i].timer, 2);
        EXPECT(io_timer_is_armed(&hands[i].timer));
    }
    io_timer_cancel(io, &hands[1].timer);
    io_timer_arm_after(io, &hands[2].timer, 5);
    while (hands[2].count == 0)
        turn(driver);
    EXPECT_EQ(hands[0].count, 1);
    EXPECT_EQ(hands[1].count, 0);
    EXPECT_EQ(hands[2].count, 1);
    EXPECT(turns > 0);
    io_on_turn_end(io, NULL, NULL);
}

struct note {
    struct io_message message;
    int *next;
    int number;
};

static void on_note(struct io_message *message)
{
    const struct note *note = CONTAINER_OF(message, struct note, message);
    EXPECT_EQ(note->number, (*note->next)++);
}

static void check_messages(const struct loop_contract *driver)
{
    struct note notes[20];
    int next = 0;
    for (int i = 0; i < 20; i++) {
        notes[i] = (struct note){ .message.deliver = on_note, .next = &next, .number = i };
        io_post(driver->io, &notes[i].message);
    }
    EXPECT_EQ(next, 0); /* never at once */
    while (next < 20)
        turn(driver);
}

struct task {
    struct io_job job;
    struct io_fs *fs;
    int *run_next; /* of its lane */
    int *done_next;
    int number;
};

static void task_run(struct io_job *job)
{
    const struct task *task = CONTAINER_OF(job, struct task, job);
    struct io_stat st;
    EXPECT_OK(io_fs_stat(task->fs, "/", &st));
    EXPECT_EQ(task->number, (*task->run_next)++);
}

static void task_done(struct io_job *job)
{
    const struct task *task = CONTAINER_OF(job, struct task, job);
    EXPECT_EQ(task->number, (*task->done_next)++);
}

static void check_jobs(const struct loop_contract *driver)
{
    struct io_job_queue *lanes[2] = { io_job_queue_new(driver->io), io_job_queue_new(driver->io) };
    int run_next[2] = { 0 };
    int done_next[2] = { 0 };
    struct task tasks[20];
    for (int i = 0; i < 20; i++) {
        tasks[i] = (struct task){ .job = { .run = task_run, .done = task_done },
                                  .fs = io_get_fs(driver->io),
                                  .run_next = &run_next[i % 2],
                                  .done_next = &done_next[i % 2],
                                  .number = i / 2 };
        io_submit(driver->io, lanes[i % 2], &tasks[i].job);
    }
    while (done_next[0] + done_next[1] < 20)
        turn(driver);
    io_job_queue_free(driver->io, lanes[0]);
    io_job_queue_free(driver->io, lanes[1]);
}

/* ---- sockets --------------------------------------------------------------------------------- */

struct talker {
    struct io_socket *socket;
    unsigned ready;
    int heard;
    bool closes; /* when it hears anything */
};

struct talk {
    const struct loop_contract *driver;
    struct io_listener *listener;
    uint16_t port;
    struct talker client;
    struct talker server;
};

static void on_ready(void *context, unsigned ready)
{
    struct talker *talker = context;
    EXPECT(talker->socket != NULL); /* never after a close */
    talker->ready |= ready;
    talker->heard++;
    if (talker->closes)
        io_socket_close(TAKE(talker->socket));
}

static void on_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct talk *talk = context;
    EXPECT(talk->server.socket == NULL);
    EXPECT(peer->port != 0 && peer->host[0] != '\0');
    talk->server = (struct talker){ .socket = socket };
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &talk->server };
    io_socket_set_owner(socket, &owner);
}

static void wait_heard(struct talk *talk, struct talker *talker)
{
    talker->heard = 0;
    talker->ready = 0;
    while (talker->heard == 0)
        turn(talk->driver);
}

/* It hears of nothing for five milliseconds. */
static void expect_silence(struct talk *talk, struct talker *talker)
{
    talker->heard = 0;
    struct clock_hand hand = { .timer.fire = on_timer, .io = talk->driver->io };
    io_timer_arm_after(talk->driver->io, &hand.timer, 5);
    while (hand.count == 0)
        turn(talk->driver);
    EXPECT_EQ(talker->heard, 0);
}

static void talk_connect(struct talk *talk)
{
    talk->client = (struct talker){ 0 };
    talk->server = (struct talker){ 0 };
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &talk->client };
    EXPECT_OK(
        io_connect(talk->driver->io, "localhost", talk->port, &owner, &talk->client.socket, NULL));
    wait_heard(talk, &talk->client);
    EXPECT(talk->client.ready & IO_WRITABLE);
}

static void talk_begin(struct talk *talk)
{
    talk_connect(talk);
    EXPECT_OK(io_socket_status(talk->client.socket));
    while (talk->server.socket == NULL)
        turn(talk->driver);
}

static void talk_end(struct talk *talk)
{
    io_socket_close(TAKE(talk->client.socket));
    io_socket_close(TAKE(talk->server.socket));
}

/* All of it, as room comes. */
static void say(struct talk *talk, struct talker *talker, const char *text)
{
    char copy[64];
    size_t left = strlen(text);
    memcpy(copy, text, left);
    for (const char *at = copy; left > 0;) {
        struct iovec part = { .iov_len = left };
        memcpy(&part.iov_base, &at, sizeof(at));
        const int64_t n = io_socket_sendv(talker->socket, &part, 1, false);
        EXPECT(n > 0 || n == -EAGAIN);
        if (n == -EAGAIN) {
            turn(talk->driver);
            continue;
        }
        at += n;
        left -= (size_t)n;
    }
}

static void expect_said(struct talk *talk, struct talker *talker, const char *wanted)
{
    char data[64] = { 0 };
    size_t size = 0;
    io_socket_set_interest(talker->socket, IO_READABLE);
    while (size < strlen(wanted)) {
        const int64_t n = io_socket_recv(talker->socket, data + size, sizeof(data) - 1 - size);
        EXPECT(n > 0 || n == -EAGAIN);
        if (n == -EAGAIN)
            wait_heard(talk, talker);
        else
            size += (size_t)n;
    }
    EXPECT_TEXT(data, wanted);
}

static void expect_end(struct talk *talk, struct talker *talker)
{
    char byte;
    int64_t n;
    io_socket_set_interest(talker->socket, IO_READABLE);
    while ((n = io_socket_recv(talker->socket, &byte, 1)) == -EAGAIN)
        wait_heard(talk, talker);
    EXPECT_EQ(n, 0);
}

static void check_conversation(struct talk *talk)
{
    talk_begin(talk);
    char byte;
    EXPECT_ERR(io_socket_recv(talk->server.socket, &byte, 1), EAGAIN);
    say(talk, &talk->client, "question");
    expect_said(talk, &talk->server, "question");
    say(talk, &talk->server, "answer");
    io_socket_finish(talk->server.socket); /* one way is over, the other goes on */
    const struct iovec none = { .iov_base = &byte, .iov_len = 1 };
    EXPECT_ERR(io_socket_sendv(talk->server.socket, &none, 1, false), EPIPE);
    expect_said(talk, &talk->client, "answer");
    expect_end(talk, &talk->client);
    say(talk, &talk->client, "thanks");
    expect_said(talk, &talk->server, "thanks");
    talk_end(talk);
}

/* Readiness lasts until it is used up, and nobody is told what he does not listen for. */
static void check_interest(struct talk *talk)
{
    talk_begin(talk);
    struct talker *server = &talk->server;
    io_socket_set_interest(server->socket, IO_WRITABLE);
    for (int i = 0; i < 3; i++)
        wait_heard(talk, server);
    EXPECT_EQ(server->ready, IO_WRITABLE);
    io_socket_set_interest(server->socket, IO_READABLE);
    say(talk, &talk->client, "x");
    for (int i = 0; i < 3; i++)
        wait_heard(talk, server);
    EXPECT_EQ(server->ready, IO_READABLE);
    io_socket_set_interest(server->socket, 0);
    expect_silence(talk, server);
    talk_end(talk);
}

/* Who does not read hears of the end all the same, in front of which bytes lie. */
static void check_end_unread(struct talk *talk)
{
    talk_begin(talk);
    struct talker *server = &talk->server;
    io_socket_set_interest(server->socket, IO_ENDED);
    say(talk, &talk->client, "unread");
    expect_silence(talk, server);
    io_socket_finish(talk->client.socket);
    wait_heard(talk, server);
    EXPECT_EQ(server->ready, IO_ENDED);
    expect_said(talk, server, "unread");
    talk_end(talk);
}

/* Its owner closes a socket in its own callback, with bytes unread: the peer hears of a reset, or of the end. */
static void check_close_in_callback(struct talk *talk)
{
    talk_begin(talk);
    talk->server.closes = true;
    io_socket_set_interest(talk->server.socket, IO_READABLE);
    say(talk, &talk->client, "unread");
    io_socket_set_interest(talk->client.socket, IO_READABLE);
    wait_heard(talk, &talk->client);
    EXPECT(talk->server.socket == NULL);
    char byte;
    const int64_t n = io_socket_recv(talk->client.socket, &byte, 1);
    EXPECT(n == -ECONNRESET || n == 0);
    talk_end(talk);
}

static void check_refusal(struct talk *talk)
{
    io_listener_close(TAKE(talk->listener));
    talk_connect(talk);
    EXPECT_ERR(io_socket_status(talk->client.socket), ECONNREFUSED);
    talk_end(talk);
}

static void check_sockets(const struct loop_contract *driver)
{
    struct talk talk = { .driver = driver };
    const struct io_listener_owner owner = { .on_accept = on_accept, .context = &talk };
    EXPECT_OK(io_listen(driver->io, "localhost", 0, 10, &owner, &talk.listener, NULL));
    struct io_address address;
    io_listener_address(talk.listener, &address);
    talk.port = address.port;
    check_conversation(&talk);
    check_interest(&talk);
    check_end_unread(&talk);
    check_close_in_callback(&talk);
    check_refusal(&talk);
}

void loop_contract_check(const struct loop_contract *driver)
{
    check_timers(driver);
    check_messages(driver);
    check_jobs(driver);
    check_sockets(driver);
}
