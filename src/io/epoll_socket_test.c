/* Sockets of the epoll driver against plain blocking sockets of the kernel, on loopback. */
#include "io/epoll.h"

#include "base/mem.h"
#include "base/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTED_MAX 4000

/* A loop with a listener, and what it has accepted. */
struct server {
    struct epoll_workers *workers;
    struct io *io;
    struct io_listener *listener;
    uint16_t port;
    struct io_socket *sockets[ACCEPTED_MAX]; /* owned */
    int count;
    struct io_address last_peer;
};

static void on_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct server *server = context;
    EXPECT(server->count < ACCEPTED_MAX);
    server->sockets[server->count++] = socket;
    server->last_peer = *peer;
}

static struct server *server_new(const char *host)
{
    struct server *server = MEM_NEW(struct server);
    server->workers = epoll_workers_new(2);
    EXPECT_OK(epoll_io_new(server->workers, &server->io, NULL));
    const struct io_listener_owner owner = { .on_accept = on_accept, .context = server };
    struct err_note note;
    EXPECT_OK(io_listen(server->io, host, 0, 4096, &owner, &server->listener, &note));
    struct io_address address;
    io_listener_address(server->listener, &address);
    server->port = address.port;
    return server;
}

static void server_free(struct server *server)
{
    for (int i = 0; i < server->count; i++)
        io_socket_close(server->sockets[i]);
    io_listener_close(server->listener);
    epoll_io_free(server->io);
    epoll_workers_free(server->workers);
    mem_free(server);
}

static void turn(struct server *server)
{
    EXPECT_OK(epoll_io_turn(server->io, 1000));
}

static struct io_socket *accept_next(struct server *server)
{
    const int before = server->count;
    while (server->count == before)
        turn(server);
    return server->sockets[before];
}

/* A blocking socket of the kernel, connected to the server. */
static int raw_connect(const struct server *server)
{
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_port = htons(server->port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_OK(descriptor);
    EXPECT_OK(connect(descriptor, (const struct sockaddr *)&to, sizeof(to)));
    return descriptor;
}

/* What an owner has heard. */
struct ear {
    int count;
    unsigned ready; /* all of it together */
    struct io_socket *to_close;
};

static void on_ready(void *context, unsigned ready)
{
    struct ear *ear = context;
    ear->count++;
    ear->ready |= ready;
    if (ear->to_close != NULL)
        io_socket_close(TAKE(ear->to_close));
}

static void listen_to(struct io_socket *socket, struct ear *ear, unsigned interest)
{
    io_socket_set_owner(socket, &(struct io_socket_owner){ .on_ready = on_ready, .context = ear });
    io_socket_set_interest(socket, interest);
}

static void wait_for(struct server *server, struct ear *ear)
{
    ear->count = 0;
    while (ear->count == 0)
        turn(server);
}

static int64_t send_text(struct io_socket *socket, const char *text)
{
    char copy[100];
    const size_t size = strlen(text);
    memcpy(copy, text, size);
    const struct iovec parts[] = { { .iov_base = copy, .iov_len = 1 },
                                   { .iov_base = copy + 1, .iov_len = size - 1 } };
    return io_socket_sendv(socket, parts, 2, false);
}

static void expect_recv(struct io_socket *socket, const char *wanted)
{
    char data[100] = { 0 };
    EXPECT_EQ(io_socket_recv(socket, data, sizeof(data) - 1), strlen(wanted));
    EXPECT_TEXT(data, wanted);
}

static void expect_raw_recv(int descriptor, const char *wanted)
{
    char data[100] = { 0 };
    EXPECT_EQ(recv(descriptor, data, strlen(wanted), MSG_WAITALL), strlen(wanted));
    EXPECT_TEXT(data, wanted);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static bool has_ipv6(void)
{
    const struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    const int descriptor = socket(AF_INET6, SOCK_STREAM, 0);
    const bool has = bind(descriptor, (const struct sockaddr *)&any, sizeof(any)) == 0;
    (void)close(descriptor);
    return has;
}

static void check_conversation(const char *listen_host, const char *host, const char *address)
{
    struct server *server = server_new(listen_host);
    struct ear ear = { 0 };
    struct io_socket *client;
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &ear };
    EXPECT_OK(io_connect(server->io, host, server->port, &owner, &client, NULL));
    char byte;
    if (io_socket_status(client) == -EINPROGRESS) {
        EXPECT_ERR(send_text(client, "too early"), EAGAIN);
        EXPECT_ERR(io_socket_recv(client, &byte, 1), EAGAIN);
    }
    wait_for(server, &ear);
    EXPECT_EQ(ear.ready, IO_WRITABLE);
    EXPECT_OK(io_socket_status(client));
    struct io_socket *accepted = server->count > 0 ? server->sockets[0] : accept_next(server);

    struct io_address peer;
    struct io_address local;
    io_socket_peer(client, &peer);
    EXPECT_TEXT(peer.host, address);
    EXPECT_EQ(peer.port, server->port);
    io_socket_local(client, &local);
    EXPECT_TEXT(local.host, address);
    io_socket_peer(accepted, &peer);
    EXPECT_TEXT(peer.host, address);
    EXPECT_EQ(peer.port, local.port);
    EXPECT_TEXT(server->last_peer.host, address);
    EXPECT_EQ(server->last_peer.port, local.port);

    struct ear accepted_ear = { 0 };
    listen_to(accepted, &accepted_ear, IO_READABLE);
    EXPECT_ERR(io_socket_recv(accepted, &byte, 1), EAGAIN);
    EXPECT_EQ(send_text(client, "hello"), 5);
    wait_for(server, &accepted_ear);
    EXPECT_EQ(accepted_ear.ready, IO_READABLE);
    expect_recv(accepted, "hello");
    EXPECT_EQ(send_text(accepted, "to you"), 6);
    listen_to(client, &ear, IO_READABLE);
    wait_for(server, &ear);
    expect_recv(client, "to you");
    io_socket_close(client);
    wait_for(server, &accepted_ear);
    EXPECT_EQ(io_socket_recv(accepted, &byte, 1), 0);
    server_free(server);
}

TEST(epoll_socket, talks_over_ipv4)
{
    check_conversation("127.0.0.1", "127.0.0.1", "127.0.0.1");
    check_conversation("localhost", "localhost", "127.0.0.1");
    check_conversation("", "127.0.0.1", "127.0.0.1");
    check_conversation(NULL, "localhost", "127.0.0.1");
}

TEST(epoll_socket, talks_over_ipv6_where_there_is_any)
{
    if (!has_ipv6())
        return;
    check_conversation("::1", "::1", "::1");
    check_conversation("", "::1", "::1");
    check_conversation("::1", "localhost", "::1"); /* after 127.0.0.1 has refused */
}

/* The system's resolver, in a worker. Every machine knows "ip6-localhost" or its own name; none needs to. */
TEST(epoll_socket, asks_the_resolver_for_other_names)
{
    char name[256] = { 0 };
    EXPECT_OK(gethostname(name, sizeof(name) - 1));
    struct server *server = server_new("");
    struct ear ear = { 0 };
    struct io_socket *client;
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &ear };
    EXPECT_OK(io_connect(server->io, name, server->port, &owner, &client, NULL));
    EXPECT_EQ(io_socket_status(client), -EINPROGRESS);
    wait_for(server, &ear);
    const int status = io_socket_status(client);
    EXPECT(status == 0 || status == -ERR_NOT_FOUND || status == -EHOSTUNREACH);
    io_socket_close(client);
    server_free(server);
}

TEST(epoll_socket, tells_why_it_could_not_connect)
{
    struct server *server = server_new("127.0.0.1");
    io_listener_close(TAKE(server->listener)); /* its port is free now, and nobody listens */
    struct ear ear = { 0 };
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &ear };
    struct io_socket *client;
    static const char *const hosts[] = { "127.0.0.1", "localhost" };
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        EXPECT_OK(io_connect(server->io, hosts[i], server->port, &owner, &client, NULL));
        wait_for(server, &ear);
        EXPECT(ear.ready & IO_WRITABLE);
        EXPECT_ERR(io_socket_status(client), ECONNREFUSED);
        EXPECT_ERR(send_text(client, "hello"), ECONNREFUSED);
        io_socket_finish(client);
        io_socket_close(client);
    }
    EXPECT_OK(io_connect(server->io, "no-such-host.invalid", 1, &owner, &client, NULL));
    wait_for(server, &ear);
    EXPECT(io_socket_status(client) == -ERR_NOT_FOUND || io_socket_status(client) == -EHOSTUNREACH);
    io_socket_close(client);

    struct err_note note;
    char host[300] = { 0 };
    memset(host, 'x', sizeof(host) - 1);
    EXPECT_ERR(io_connect(server->io, host, 1, &owner, &client, &note), ERR_INVALID_ARGUMENT);
    EXPECT(strstr(note.text, "299") != NULL);
    EXPECT_ERR(io_connect(server->io, "", 1, &owner, &client, &note), ERR_INVALID_ARGUMENT);
    server_free(server);
}

/* The lowest descriptor that is free: the one that the next accept gives. */
static int next_descriptor(void)
{
    const int descriptor = dup(0);
    EXPECT_OK(descriptor);
    (void)close(descriptor);
    return descriptor;
}

/* Failures that are known before anything was sent. */
TEST(epoll_socket, tells_of_failures_at_once)
{
    struct server *server = server_new("127.0.0.1");
    struct ear ear = { 0 };
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &ear };
    struct io_socket *client;
    EXPECT_OK(io_connect(server->io, "255.255.255.255", 9, &owner, &client, NULL));
    EXPECT_EQ(ear.count, 0); /* told later, as always */
    EXPECT(io_socket_status(client) < 0);
    wait_for(server, &ear);
    io_socket_set_buffers(client, 1000, 1000);
    io_socket_close(client);

    const struct rlimit limit = { .rlim_cur = (rlim_t)next_descriptor(), .rlim_max = 1000 };
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit)); /* of this test's process alone */
    EXPECT_OK(io_connect(server->io, "127.0.0.1", server->port, &owner, &client, NULL));
    wait_for(server, &ear);
    EXPECT_ERR(io_socket_status(client), EMFILE);
    struct io_file *file = NULL;
    EXPECT_ERR(io_socket_send_file(client, file, 0, 1), EMFILE);
    io_socket_close(client);
    struct io_listener *second = NULL;
    const struct io_listener_owner accepts = { .on_accept = on_accept, .context = server };
    EXPECT_ERR(io_listen(server->io, "", 0, 10, &accepts, &second, NULL), EMFILE);
    server_free(server);
}

/* Closed at once, or when the loop ends, while a worker still asks. */
TEST(epoll_socket, gives_up_connecting)
{
    struct server *server = server_new("127.0.0.1");
    struct ear ear = { 0 };
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &ear };
    struct io_socket *client;
    static const char *const hosts[] = { "127.0.0.1", "no-such-host.invalid", "localhost" };
    for (int i = 0; i < 6; i++) {
        EXPECT_OK(io_connect(server->io, hosts[i % 3], server->port, &owner, &client, NULL));
        if (i < 3)
            io_socket_close(client);
    }
    EXPECT_OK(epoll_io_turn(server->io, 0));
    EXPECT(ear.count <= 3);
    server_free(server);
}

TEST(epoll_socket, says_where_it_could_not_listen)
{
    struct server *server = server_new("127.0.0.1");
    struct io_listener *second = NULL;
    struct err_note note;
    const struct io_listener_owner owner = { .on_accept = on_accept, .context = server };
    EXPECT_ERR(io_listen(server->io, "127.0.0.1", server->port, 10, &owner, &second, &note),
               EADDRINUSE);
    char wanted[96];
    (void)snprintf(wanted, sizeof(wanted), "listen on 127.0.0.1, port %u: Address already in use",
                   server->port);
    EXPECT_TEXT(note.text, wanted);
    EXPECT_ERR(io_listen(server->io, "192.0.2.1", 0, 10, &owner, &second, &note), EADDRNOTAVAIL);
    EXPECT(io_listen(server->io, "no-such-host.invalid", 0, 10, &owner, &second, NULL) < 0);
    server_free(server);
}

/* ---- accepting ------------------------------------------------------------------------------- */

#define CROWD 1500

struct crowd {
    pthread_t thread;
    const struct server *server;
    int descriptors[CROWD];
};

static void *crowd_main(void *argument)
{
    struct crowd *crowd = argument;
    for (int i = 0; i < CROWD; i++)
        crowd->descriptors[i] = raw_connect(crowd->server);
    return NULL;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    EXPECT_OK(getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit));
    EXPECT(limit.rlim_cur > 2 * CROWD + 100);
}

TEST(epoll_listener, accepts_a_crowd)
{
    raise_descriptor_limit();
    struct server *server = server_new("");
    AUTO(mem_freep) struct crowd *crowd = MEM_NEW(struct crowd);
    crowd->server = server;
    EXPECT_OK(pthread_create(&crowd->thread, NULL, crowd_main, crowd));
    while (server->count < CROWD)
        turn(server);
    EXPECT_OK(pthread_join(crowd->thread, NULL));
    for (int i = 0; i < CROWD; i++)
        EXPECT_EQ(send_text(server->sockets[i], "hi"), 2);
    for (int i = 0; i < CROWD; i++) {
        expect_raw_recv(crowd->descriptors[i], "hi");
        (void)close(crowd->descriptors[i]);
    }
    server_free(server);
}

TEST(epoll_listener, hands_its_options_down)
{
    struct server *server = server_new("127.0.0.1");
    const int raw = raw_connect(server);
    const int accepted = next_descriptor();
    accept_next(server);
    int on = 0;
    socklen_t size = sizeof(on);
    EXPECT_OK(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &size));
    EXPECT_EQ(on, 1);
    on = 0;
    EXPECT_OK(getsockopt(accepted, SOL_SOCKET, SO_KEEPALIVE, &on, &size));
    EXPECT_EQ(on, 1);
    EXPECT_EQ(fcntl(accepted, F_GETFD), FD_CLOEXEC);
    EXPECT(fcntl(accepted, F_GETFL) & O_NONBLOCK);
    (void)close(raw);
    server_free(server);
}

TEST(epoll_listener, pauses_and_goes_on)
{
    struct server *server = server_new("127.0.0.1");
    io_listener_pause(server->listener, true);
    const int raw = raw_connect(server); /* the kernel lets it in */
    for (int i = 0; i < 3; i++)
        EXPECT_OK(epoll_io_turn(server->io, 1));
    EXPECT_EQ(server->count, 0);
    io_listener_pause(server->listener, false);
    accept_next(server);
    (void)close(raw);
    server_free(server);
}

/* With no descriptor left, accepting waits without spinning, and goes on when one is free. */
TEST(epoll_listener, waits_out_a_shortage_of_descriptors)
{
    struct server *server = server_new("127.0.0.1");
    int raw[4];
    for (size_t i = 0; i < ARRAY_LEN(raw); i++)
        raw[i] = raw_connect(server);
    const int next = next_descriptor();
    const struct rlimit limit = { .rlim_cur = (rlim_t)next + 2, .rlim_max = (rlim_t)next + 2 };
    EXPECT_OK(setrlimit(RLIMIT_NOFILE, &limit)); /* of this test's process alone */
    while (server->count < 2)
        turn(server);
    int turns = 0;
    const int64_t until_ns = io_monotonic_ns(server->io) + 250 * NS_PER_MS;
    for (; io_monotonic_ns(server->io) < until_ns; turns++)
        EXPECT_OK(epoll_io_turn(server->io, 50));
    EXPECT_EQ(server->count, 2);
    EXPECT(turns < 50);
    io_socket_close(server->sockets[1]);
    server->count = 1;
    while (server->count < 2)
        turn(server);
    server_free(server);
    for (size_t i = 0; i < ARRAY_LEN(raw); i++)
        (void)close(raw[i]);
}

/* ---- interest and ends ----------------------------------------------------------------------- */

/* Some turns in which nothing is heard. */
static void expect_silence(struct server *server, struct ear *ear)
{
    ear->count = 0;
    for (int i = 0; i < 5; i++)
        EXPECT_OK(epoll_io_turn(server->io, 1));
    EXPECT_EQ(ear->count, 0);
}

TEST(epoll_socket, hears_what_it_is_interested_in_as_long_as_it_lasts)
{
    struct server *server = server_new("127.0.0.1");
    const int raw = raw_connect(server);
    struct io_socket *socket = accept_next(server);
    struct ear ear = { 0 };
    listen_to(socket, &ear, 0);
    EXPECT_EQ(send(raw, "abc", 3, 0), 3);
    expect_silence(server, &ear);

    io_socket_set_interest(socket, IO_READABLE);
    char byte;
    for (int i = 0; i < 3; i++) { /* as long as there is something to read */
        wait_for(server, &ear);
        EXPECT_EQ(ear.count, 1);
        EXPECT_EQ(io_socket_recv(socket, &byte, 1), 1);
        EXPECT_EQ(byte, 'a' + i);
    }
    EXPECT_EQ(ear.ready, IO_READABLE);
    expect_silence(server, &ear);

    io_socket_set_interest(socket, IO_WRITABLE);
    EXPECT_EQ(send(raw, "d", 1, 0), 1);
    ear.ready = 0;
    for (int i = 0; i < 3; i++)
        wait_for(server, &ear);
    EXPECT_EQ(ear.ready, IO_WRITABLE);
    io_socket_set_interest(socket, 0);
    expect_silence(server, &ear);
    io_socket_set_interest(socket, IO_READABLE | IO_WRITABLE);
    wait_for(server, &ear);
    EXPECT_EQ(ear.ready, IO_READABLE | IO_WRITABLE);
    (void)close(raw);
    server_free(server);
}

/* A peer that has said all it wanted still reads. */
TEST(epoll_socket, answers_a_peer_that_has_finished)
{
    struct server *server = server_new("127.0.0.1");
    const int raw = raw_connect(server);
    struct io_socket *socket = accept_next(server);
    struct ear ear = { 0 };
    listen_to(socket, &ear, IO_READABLE);
    EXPECT_EQ(send(raw, "question", 8, 0), 8);
    EXPECT_OK(shutdown(raw, SHUT_WR));
    wait_for(server, &ear);
    expect_recv(socket, "question");
    wait_for(server, &ear);
    char byte;
    EXPECT_EQ(io_socket_recv(socket, &byte, 1), 0);
    EXPECT_EQ(send_text(socket, "answer"), 6);
    expect_raw_recv(raw, "answer");

    io_socket_finish(
        socket); /* both have: the socket hangs up, and says so as long as somebody listens */
    EXPECT_EQ(recv(raw, &byte, 1, 0), 0);
    for (int i = 0; i < 3; i++)
        wait_for(server, &ear);
    EXPECT_EQ(io_socket_recv(socket, &byte, 1), 0);
    io_socket_set_interest(socket, 0);
    expect_silence(server, &ear);
    (void)close(raw);
    server_free(server);
}

TEST(epoll_socket, finishes_before_it_closes)
{
    struct server *server = server_new("127.0.0.1");
    const int raw = raw_connect(server);
    struct io_socket *socket = accept_next(server);
    struct ear ear = { 0 };
    listen_to(socket, &ear, IO_READABLE);
    EXPECT_EQ(send_text(socket, "last word"), 9);
    io_socket_finish(socket);
    EXPECT_ERR(send_text(socket, "not any more"), EPIPE); /* and no SIGPIPE */
    expect_raw_recv(raw, "last word");
    char byte;
    EXPECT_EQ(recv(raw, &byte, 1, 0), 0);
    EXPECT_EQ(send(raw, "still heard", 11, 0), 11);
    wait_for(server, &ear);
    expect_recv(socket, "still heard");
    (void)close(raw);
    server_free(server);
}

static void reset(int descriptor)
{
    const struct linger none = { .l_onoff = 1 };
    EXPECT_OK(setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
    (void)close(descriptor);
}

/* A failure is heard by those who listen for nothing, once; and again by those who begin to listen. */
TEST(epoll_socket, hears_of_a_reset)
{
    struct server *server = server_new("127.0.0.1");
    const int raw = raw_connect(server);
    struct io_socket *socket = accept_next(server);
    struct ear ear = { 0 };
    listen_to(socket, &ear, 0);
    reset(raw);
    wait_for(server, &ear);
    EXPECT_EQ(ear.count, 1);
    expect_silence(server, &ear);
    io_socket_set_interest(socket, IO_READABLE);
    for (int i = 0; i < 3; i++)
        wait_for(server, &ear);
    char byte;
    EXPECT_ERR(io_socket_recv(socket, &byte, 1), ECONNRESET);
    EXPECT_ERR(send_text(socket, "hello"), EPIPE);
    server_free(server);
}

/* Events of one turn: the owner who hears first closes the other's socket, or its own. */
TEST(epoll_socket, is_not_heard_after_its_close)
{
    struct server *server = server_new("127.0.0.1");
    int raw[2];
    struct ear ears[2] = { 0 };
    for (int i = 0; i < 2; i++) {
        raw[i] = raw_connect(server);
        listen_to(accept_next(server), &ears[i], IO_READABLE);
    }
    ears[0].to_close = server->sockets[1];
    ears[1].to_close = server->sockets[0];
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(send(raw[i], "x", 1, 0), 1);
    while (ears[0].count + ears[1].count == 0)
        turn(server);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(epoll_io_turn(server->io, 1));
    const int first = ears[0].count > 0 ? 0 : 1;
    EXPECT_EQ(ears[!first].count, 0);
    ears[first].to_close = server->sockets[first];
    turn(server);
    server->count = 0;
    (void)close(raw[0]);
    (void)close(raw[1]);
    server_free(server);
}

/* ---- much at a time -------------------------------------------------------------------------- */

#define LOAD_BYTES ((size_t)6 << 20)

struct reader {
    pthread_t thread;
    int descriptor;
    size_t size;
    uint64_t sum; /* of all bytes, each times its place */
};

static uint64_t sum_of(uint64_t sum, const uint8_t *bytes, size_t from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += bytes[i] * (uint64_t)(from + i + 1);
    return sum;
}

/* Reads in uneven pieces, with pauses that let the sender's buffer fill. */
static void *reader_main(void *argument)
{
    struct reader *reader = argument;
    AUTO(mem_freep) uint8_t *data = mem_alloc(100000);
    for (size_t round = 0;; round++) {
        const int64_t n = recv(reader->descriptor, data, 1000 + round * 7919 % 90000, 0);
        EXPECT_OK(n);
        if (n == 0)
            return NULL;
        reader->sum = sum_of(reader->sum, data, reader->size, (size_t)n);
        reader->size += (size_t)n;
        if (round % 8 == 0)
            (void)poll(NULL, 0, 1);
    }
}

static struct io_file *load_file(const struct test_context *context, uint64_t *out_sum)
{
    AUTO(mem_freep) char *path = mem_printf("%s/load", context->directory);
    AUTO(mem_freep) uint8_t *data = mem_alloc(LOAD_BYTES);
    struct rng rng = rng_from_seed(context->seed);
    rng_fill(&rng, data, LOAD_BYTES);
    *out_sum = sum_of(0, data, 0, LOAD_BYTES);
    struct io_file *file;
    EXPECT_OK(io_file_open(posix_fs(), path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    EXPECT_OK(io_file_write(file, 0, data, LOAD_BYTES));
    return file;
}

TEST(epoll_socket, sends_a_file_in_parts_to_a_slow_reader)
{
    struct server *server = server_new("127.0.0.1");
    struct reader reader = { .descriptor = raw_connect(server) };
    struct io_socket *socket = accept_next(server);
    io_socket_set_buffers(socket, 16384, -1);
    uint64_t sum;
    struct io_file *file = load_file(context, &sum);
    struct ear ear = { 0 };
    listen_to(socket, &ear, IO_WRITABLE);
    EXPECT_OK(pthread_create(&reader.thread, NULL, reader_main, &reader));

    size_t sent = 0;
    int partial = 0, waited = 0;
    while (sent < LOAD_BYTES) {
        const int64_t n = io_socket_send_file(socket, file, (int64_t)sent, LOAD_BYTES - sent);
        if (n == -EAGAIN) {
            wait_for(server, &ear);
            waited++;
            continue;
        }
        EXPECT(n > 0);
        sent += (size_t)n;
        partial += sent < LOAD_BYTES;
    }
    EXPECT_EQ(io_socket_send_file(socket, file, (int64_t)LOAD_BYTES, 10), 0); /* beyond its end */
    EXPECT(partial > 0 && waited > 0);
    io_socket_finish(socket);
    EXPECT_OK(pthread_join(reader.thread, NULL));
    EXPECT_EQ(reader.size, LOAD_BYTES);
    EXPECT(reader.sum == sum);

    (void)close(reader.descriptor); /* sendfile has no flag against SIGPIPE */
    for (int i = 0; i < 3; i++)
        EXPECT(io_socket_send_file(socket, file, 0, 1000) < 0);
    io_file_unref(file);
    server_free(server);
}

/* More parts than a system call takes, larger than the buffers on the way. */
TEST(epoll_socket, sends_and_receives_many_parts)
{
    struct server *server = server_new("127.0.0.1");
    struct ear ear = { 0 };
    struct io_socket *client;
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &ear };
    EXPECT_OK(io_connect(server->io, "127.0.0.1", server->port, &owner, &client, NULL));
    struct io_socket *socket = accept_next(server);
    enum { PARTS = 3000, PART_BYTES = 1000 };
    AUTO(mem_freep) uint8_t *data = mem_alloc(PARTS * PART_BYTES);
    AUTO(mem_freep) uint8_t *back = mem_zalloc(PARTS * PART_BYTES);
    AUTO(mem_freep) struct iovec *parts = MEM_NEW_ARRAY(struct iovec, PARTS);
    struct rng rng = rng_from_seed(context->seed);
    rng_fill(&rng, data, PARTS * PART_BYTES);
    listen_to(socket, &ear, IO_READABLE);
    listen_to(client, &ear, IO_WRITABLE);
    size_t sent = 0, received = 0;
    while (received < PARTS * PART_BYTES) {
        for (size_t i = 0; i < PARTS; i++) {
            const size_t from = MIN(sent + i * PART_BYTES, (size_t)PARTS * PART_BYTES);
            const size_t end = MIN(from + PART_BYTES, (size_t)PARTS * PART_BYTES);
            parts[i] = (struct iovec){ .iov_base = data + from, .iov_len = end - from };
        }
        const int64_t n =
            sent == PARTS * PART_BYTES ? -EAGAIN : io_socket_sendv(client, parts, PARTS, false);
        EXPECT(n > 0 || n == -EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
        const struct iovec to[] = {
            { .iov_base = back + received, .iov_len = MIN(sent - received, (size_t)777) },
            { .iov_base = back + received + MIN(sent - received, (size_t)777),
              .iov_len = sent - received - MIN(sent - received, (size_t)777) },
        };
        const int64_t m = io_socket_recvv(socket, to, 2);
        EXPECT(m > 0 || m == -EAGAIN);
        received += m > 0 ? (size_t)m : 0;
        if (m == -EAGAIN)
            wait_for(server, &ear);
    }
    EXPECT(memcmp(data, back, PARTS * PART_BYTES) == 0);
    io_socket_close(client);
    server_free(server);
}
