/* The simulated network: what sockets of io.h promise, and what a network may do to them. */
#include "sim/sim_world.h"

#include "base/mem.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>

#define SEED_COUNT 200
#define PORT       9092

static const int64_t second_ns = NS_PER_SECOND;

/* A node at each end of one connection, with everything their owners have heard. */
struct side {
    struct sim_node *node;
    struct io *io;
    struct io_socket *socket;
    int heard; /* times on_ready was called */
    unsigned ready;
    /* A stream: side sends bytes 0 … to_send - 1 of it, and checks what it receives. */
    int64_t to_send;
    int64_t sent;
    int64_t received;
    bool finishes; /* when all is sent */
    bool has_ended;
    int error;  /* of recv or send; 0: none */
    bool pumps; /* it sends and receives whenever it can */
};

struct pair {
    struct sim_world *world;
    struct side client;
    struct side server;
    struct io_listener *listener;
};

static uint8_t stream_byte(int64_t position)
{
    return (uint8_t)(position * 131 + (position >> 8));
}

static void pump_out(struct side *side)
{
    while (side->error == 0 && side->sent < side->to_send) {
        uint8_t data[1500];
        const int64_t size = MIN(side->to_send - side->sent, (int64_t)sizeof(data));
        for (int64_t i = 0; i < size; i++)
            data[i] = stream_byte(side->sent + i);
        const struct iovec parts[] = { { .iov_base = data, .iov_len = (size_t)size / 3 },
                                       { .iov_base = data + size / 3,
                                         .iov_len = (size_t)(size - size / 3) } };
        const int64_t n = io_socket_sendv(side->socket, parts, 2, false);
        if (n == -EAGAIN)
            return;
        if (n < 0)
            side->error = (int)n;
        else
            side->sent += n;
    }
    if (side->finishes && side->sent == side->to_send)
        io_socket_finish(side->socket);
}

static void pump_in(struct side *side)
{
    uint8_t data[2000];
    int64_t n = 1;
    while (side->error == 0 && n > 0) {
        n = io_socket_recv(side->socket, data, sizeof(data));
        for (int64_t i = 0; i < n; i++)
            EXPECT_EQ(data[i], stream_byte(side->received + i));
        side->received += MAX(n, INT64_C(0));
    }
    side->has_ended = side->has_ended || n == 0;
    if (n < 0 && n != -EAGAIN)
        side->error = (int)n;
}

static void on_ready(void *context, unsigned ready)
{
    struct side *side = context;
    side->heard++;
    side->ready |= ready;
    if (!side->pumps)
        return;
    if (io_socket_status(side->socket) < 0) {
        side->error = io_socket_status(side->socket);
        return;
    }
    pump_in(side);
    pump_out(side);
    const bool sends = side->sent < side->to_send;
    const bool is_over = side->error != 0 || (side->has_ended && !sends);
    io_socket_set_interest(side->socket, is_over ? 0U
                                                 : (side->has_ended ? 0U : IO_READABLE) |
                                                       (sends ? IO_WRITABLE : 0U));
}

static void on_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct pair *pair = context;
    EXPECT(pair->server.socket == NULL);
    EXPECT_TEXT(peer->host, sim_node_address(pair->client.node));
    pair->server.socket = socket;
    io_socket_set_owner(
        socket, &(struct io_socket_owner){ .on_ready = on_ready, .context = &pair->server });
    io_socket_set_interest(socket, pair->server.pumps ? IO_READABLE | IO_WRITABLE : 0);
}

static void pair_listen(struct pair *pair)
{
    const struct io_listener_owner owner = { .on_accept = on_accept, .context = pair };
    EXPECT_OK(io_listen(pair->server.io, "", PORT, 5, &owner, &pair->listener, NULL));
}

static void pair_connect(struct pair *pair, const char *host)
{
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = &pair->client };
    EXPECT_OK(io_connect(pair->client.io, host, PORT, &owner, &pair->client.socket, NULL));
    io_socket_set_interest(pair->client.socket, pair->client.pumps ? IO_READABLE | IO_WRITABLE : 0);
}

static struct pair *pair_new(uint64_t seed, bool pumps)
{
    struct pair *pair = MEM_NEW(struct pair);
    pair->world = sim_world_new(seed);
    pair->client = (struct side){ .node = sim_node_new(pair->world, "client"), .pumps = pumps };
    pair->server = (struct side){ .node = sim_node_new(pair->world, "server"), .pumps = pumps };
    pair->client.io = sim_node_io(pair->client.node);
    pair->server.io = sim_node_io(pair->server.node);
    return pair;
}

/* Connected, and accepted. */
static struct pair *pair_connected(uint64_t seed, bool pumps)
{
    struct pair *pair = pair_new(seed, pumps);
    pair_listen(pair);
    pair_connect(pair, "server");
    sim_world_run_for(pair->world, second_ns);
    EXPECT_OK(io_socket_status(pair->client.socket));
    EXPECT(pair->server.socket != NULL);
    return pair;
}

static void pair_free(struct pair *pair)
{
    sim_world_free(pair->world); /* sockets that are open are closed with their loops */
    mem_free(pair);
}

static int64_t send_text(struct side *side, const char *text)
{
    char copy[64];
    memcpy(copy, text, strlen(text));
    const struct iovec part = { .iov_base = copy, .iov_len = strlen(text) };
    return io_socket_sendv(side->socket, &part, 1, false);
}

/* ---- streams --------------------------------------------------------------------------------- */

static bool streams_are_over(void *context)
{
    const struct pair *pair = context;
    return pair->client.has_ended && pair->server.has_ended;
}

/* Both ways at once, through buffers and partial sends of every size: all bytes, in order, and the end. */
TEST(sim_net, carries_streams_whole_and_in_order)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct pair *pair = pair_new(seed, true);
        struct sim_link link = sim_link_default();
        struct rng *rng = sim_world_rng(pair->world);
        link.buffer_bytes_min = 1;
        link.buffer_bytes_max = 1 + (int64_t)rng_below(rng, seed % 2 == 0 ? 5000 : 100000);
        link.partial_in_a_million = (uint32_t)rng_below(rng, 1000000);
        link.bytes_per_second = seed % 3 == 0 ? 1000000 : 0;
        sim_world_set_link(pair->world, &link);
        pair->client.to_send = rng_between(rng, 0, 50000);
        pair->server.to_send = rng_between(rng, 0, 50000);
        pair->client.finishes = pair->server.finishes = true;
        pair_listen(pair);
        pair_connect(pair, "server");
        EXPECT(sim_world_run_until_true(pair->world, 3600 * second_ns, streams_are_over, pair));
        EXPECT_EQ(pair->server.received, pair->client.to_send);
        EXPECT_EQ(pair->client.received, pair->server.to_send);
        EXPECT_EQ(pair->client.error, 0);
        EXPECT_EQ(pair->server.error, 0);
        pair_free(pair);
    }
}

TEST(sim_net, holds_senders_back_from_slow_readers)
{
    struct pair *pair = pair_connected(context->seed, false);
    struct side *client = &pair->client;
    client->to_send = 10000000;
    pump_out(client);
    const int64_t first = client->sent;
    EXPECT(first > 0 && first <= 400000); /* two buffers */
    EXPECT_ERR(send_text(client, "x"), EAGAIN);
    io_socket_set_interest(client->socket, IO_WRITABLE);
    client->heard = 0;
    sim_world_run_for(pair->world, 60 * second_ns);
    EXPECT_EQ(client->heard, 0);
    pump_in(&pair->server);
    sim_world_run_for(pair->world, second_ns / 10);
    EXPECT(client->heard > 0);
    pump_out(client);
    EXPECT(client->sent > first);
    pair_free(pair);
}

TEST(sim_net, sends_files_from_the_disk)
{
    struct pair *pair = pair_connected(context->seed, false);
    struct io_fs *fs = io_get_fs(pair->server.io);
    struct io_file *file;
    uint8_t data[3000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = stream_byte((int64_t)i);
    EXPECT_OK(io_file_open(fs, "file", IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    EXPECT_OK(io_file_write(file, 0, data, sizeof(data)));
    sim_disk_cool(sim_node_disk(pair->server.node), 1000000);
    int64_t position = 0;
    while (position < 3000) {
        const int64_t n = io_socket_send_file(pair->server.socket, file, position, 5000);
        EXPECT(n > 0 || n == -EAGAIN);
        position += MAX(n, INT64_C(0));
        sim_world_run_for(pair->world, second_ns / 10);
        pump_in(&pair->client);
    }
    EXPECT_EQ(io_socket_send_file(pair->server.socket, file, position, 5000), 0);
    sim_world_run_for(pair->world, second_ns);
    pump_in(&pair->client);
    EXPECT_EQ(pair->client.received, 3000);
    io_file_unref(file);
    pair_free(pair);
}

TEST(sim_net, is_level_triggered)
{
    struct pair *pair = pair_connected(context->seed, false);
    struct side *server = &pair->server;
    io_socket_set_interest(server->socket, IO_READABLE);
    sim_world_run_for(pair->world, second_ns);
    EXPECT_EQ(server->heard, 0);
    pair->client.to_send = 10;
    pump_out(&pair->client);
    sim_world_run_for(pair->world, second_ns / 100);
    EXPECT(server->heard > 5); /* turn after turn, as long as nobody reads */
    EXPECT_EQ(server->ready, IO_READABLE);
    io_socket_set_interest(server->socket, 0);
    server->heard = 0;
    sim_world_run_for(pair->world, second_ns);
    EXPECT_EQ(server->heard, 0);
    io_socket_set_interest(server->socket, IO_READABLE);
    sim_world_run_for(pair->world, second_ns / 100);
    EXPECT(server->heard > 5);
    pump_in(server);
    EXPECT_EQ(server->received, 10);
    server->heard = 0;
    sim_world_run_for(pair->world, second_ns);
    EXPECT_EQ(server->heard, 0);
    pair_free(pair);
}

/* ---- ends ------------------------------------------------------------------------------------ */

TEST(sim_net, lets_a_closed_end_say_its_last_word)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct pair *pair = pair_connected(seed, false);
        pair->client.to_send = 1000;
        pump_out(&pair->client);
        io_socket_close(TAKE(pair->client.socket));
        sim_world_run_for(pair->world, second_ns);
        pump_in(&pair->server);
        EXPECT_EQ(pair->server.received, 1000);
        EXPECT(pair->server.has_ended);
        /* Nobody reads the answer: the first send goes, and then it is known. */
        EXPECT(send_text(&pair->server, "answer") > 0);
        sim_world_run_for(pair->world, second_ns);
        EXPECT_ERR(send_text(&pair->server, "more"), ECONNRESET);
        pair_free(pair);
    }
}

/* Bytes that were not read make a close a reset, which may overtake what was said before it. */
TEST(sim_net, resets_when_closed_with_unread_bytes)
{
    int overtaken = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct pair *pair = pair_connected(seed, false);
        EXPECT(send_text(&pair->client, "question") > 0);
        sim_world_run_for(pair->world, second_ns);
        pair->server.to_send = 100;
        pump_out(&pair->server);
        io_socket_close(TAKE(pair->server.socket));
        pair->client.heard = 0;
        sim_world_run_for(pair->world, second_ns);
        EXPECT_EQ(pair->client.heard, 1); /* a failure is told once to those who want nothing */
        pump_in(&pair->client);
        EXPECT_EQ(pair->client.error, -ECONNRESET);
        EXPECT(pair->client.received == 0 || pair->client.received == 100);
        overtaken += pair->client.received == 0;
        pair_free(pair);
    }
    EXPECT(overtaken > SEED_COUNT / 4 && overtaken < SEED_COUNT * 3 / 4);
}

TEST(sim_net, finishes_one_way_and_reads_on)
{
    struct pair *pair = pair_connected(context->seed, false);
    io_socket_finish(pair->client.socket);
    EXPECT_ERR(send_text(&pair->client, "x"), EPIPE);
    pair->server.to_send = 500;
    pump_out(&pair->server);
    sim_world_run_for(pair->world, second_ns);
    pump_in(&pair->server);
    EXPECT(pair->server.has_ended);
    pump_in(&pair->client);
    EXPECT_EQ(pair->client.received, 500);
    EXPECT(!pair->client.has_ended);
    pair_free(pair);
}

TEST(sim_net, breaks_connections_by_chance)
{
    struct sim_link link = sim_link_default();
    link.reset_in_a_million = 20000;
    int broken = 0;
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct pair *pair = pair_new(seed, true);
        sim_world_set_link_between(pair->client.node, pair->server.node, &link);
        pair->client.to_send = 20000;
        pair_listen(pair);
        pair_connect(pair, "server");
        sim_world_run_for(pair->world, 60 * second_ns);
        const bool is_broken = pair->client.error != 0;
        EXPECT_EQ(pair->server.error != 0, is_broken);
        EXPECT(is_broken ? pair->server.received < 20000 : pair->server.received == 20000);
        broken += is_broken;
        pair_free(pair);
    }
    EXPECT(broken > SEED_COUNT / 20 && broken < SEED_COUNT * 19 / 20);
}

/* ---- coming together ------------------------------------------------------------------------- */

static bool has_heard(void *context)
{
    return ((const struct side *)context)->heard > 0;
}

static void expect_connect_fails(struct pair *pair, const char *host, int code)
{
    pair_connect(pair, host);
    pair->client.heard = 0;
    EXPECT(sim_world_run_until_true(pair->world, 200 * second_ns, has_heard, &pair->client));
    EXPECT_EQ(io_socket_status(pair->client.socket), code);
    EXPECT_EQ(send_text(&pair->client, "x"), code);
    io_socket_close(TAKE(pair->client.socket));
}

TEST(sim_net, tells_why_it_could_not_connect)
{
    struct pair *pair = pair_new(context->seed, false);
    pair_connect(pair, "server");
    EXPECT_EQ(io_socket_status(pair->client.socket), -EINPROGRESS);
    EXPECT_EQ(send_text(&pair->client, "too early"), -EAGAIN);
    io_socket_close(TAKE(pair->client.socket));
    expect_connect_fails(pair, "server", -ECONNREFUSED);
    expect_connect_fails(pair, "10.0.0.2", -ECONNREFUSED);
    expect_connect_fails(pair, "localhost", -ECONNREFUSED);
    expect_connect_fails(pair, "nobody", -ERR_NOT_FOUND);
    pair_listen(pair);
    sim_world_cut(pair->client.node, pair->server.node, true);
    expect_connect_fails(pair, "server", -ETIMEDOUT);
    sim_world_cut(pair->client.node, pair->server.node, false);
    sim_world_cut(pair->server.node, pair->client.node, true);
    expect_connect_fails(pair, "server", -ETIMEDOUT);
    sim_world_cut(pair->server.node, pair->client.node, false);
    sim_node_set_descriptor_max(pair->client.node, 1);
    struct io_file *file;
    EXPECT_OK(io_file_open(io_get_fs(pair->client.io), "f", IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    expect_connect_fails(pair, "server", -EMFILE);
    io_file_unref(file);
    EXPECT(pair->server.socket == NULL);
    pair_connect(pair, "server");
    sim_world_run_for(pair->world, second_ns);
    EXPECT_OK(io_socket_status(pair->client.socket));
    struct io_address address;
    io_socket_peer(pair->client.socket, &address);
    EXPECT_TEXT(address.host, sim_node_address(pair->server.node));
    EXPECT_EQ(address.port, PORT);
    io_socket_local(pair->server.socket, &address);
    EXPECT_EQ(address.port, PORT);
    pair_free(pair);
}

TEST(sim_net, connects_when_the_network_heals)
{
    struct pair *pair = pair_new(context->seed, false);
    pair_listen(pair);
    sim_world_cut(pair->client.node, pair->server.node, true);
    pair_connect(pair, "server");
    sim_world_run_for(pair->world, 10 * second_ns);
    EXPECT_EQ(io_socket_status(pair->client.socket), -EINPROGRESS);
    sim_world_cut(pair->client.node, pair->server.node, false);
    sim_world_run_for(pair->world, 20 * second_ns);
    EXPECT_OK(io_socket_status(pair->client.socket));
    pair_free(pair);
}

TEST(sim_net, says_where_it_could_not_listen)
{
    struct pair *pair = pair_new(context->seed, false);
    pair_listen(pair);
    struct io_listener *second = NULL;
    const struct io_listener_owner owner = { .on_accept = on_accept, .context = pair };
    struct err_note note;
    EXPECT_ERR(io_listen(pair->server.io, "", PORT, 5, &owner, &second, &note), EADDRINUSE);
    EXPECT_TEXT(note.text, "listen on all addresses, port 9092: Address already in use");
    EXPECT_ERR(io_listen(pair->server.io, "client", 1, 5, &owner, &second, &note), EADDRNOTAVAIL);
    EXPECT_OK(io_listen(pair->server.io, "server", 0, 5, &owner, &second, &note));
    struct io_address address;
    io_listener_address(second, &address);
    EXPECT(address.port >= 40000);
    EXPECT_TEXT(address.host, sim_node_address(pair->server.node));
    io_listener_close(second);
    io_listener_close(TAKE(pair->listener));
    pair_listen(pair); /* the port is free again */
    pair_free(pair);
}

/* Connections wait in the backlog while accepting is paused or descriptors are short, no more than it holds. */
struct doorman {
    struct io_listener *listener;
    struct io_socket *accepted[10];
    int accepted_count;
    int connected;
};

static void doorman_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct doorman *d = context;
    (void)peer;
    EXPECT(d->accepted_count < 10);
    d->accepted[d->accepted_count++] = socket;
}

static void doorman_hear(void *context, unsigned ready)
{
    struct doorman *d = context;
    EXPECT(ready & IO_WRITABLE);
    d->connected++;
}

TEST(sim_net, keeps_connections_waiting_at_the_door)
{
    struct sim_world *world = sim_world_new(context->seed);
    struct sim_node *server = sim_node_new(world, "server");
    struct sim_node *client = sim_node_new(world, "client");
    struct doorman d = { 0 };
    const struct io_listener_owner owner = { .on_accept = doorman_accept, .context = &d };
    const struct io_socket_owner hears = { .on_ready = doorman_hear, .context = &d };
    EXPECT_OK(io_listen(sim_node_io(server), NULL, PORT, 4, &owner, &d.listener, NULL));
    io_listener_pause(d.listener, true);
    struct io_socket *sockets[10];
    for (int i = 0; i < 10; i++)
        EXPECT_OK(io_connect(sim_node_io(client), "server", PORT, &hears, &sockets[i], NULL));
    sim_world_run_for(world, second_ns / 2);
    EXPECT_EQ(d.accepted_count, 0);
    EXPECT_EQ(d.connected, 4);
    sim_node_set_descriptor_max(server,
                                5 + 3); /* what waits counts too, as it does not in a kernel */
    io_listener_pause(d.listener, false);
    sim_world_run_for(world, 60 * second_ns);
    EXPECT(d.accepted_count < 10);
    sim_node_set_descriptor_max(server, 0);
    sim_world_run_for(world, 60 * second_ns);
    EXPECT_EQ(d.accepted_count, 10);
    EXPECT_EQ(d.connected, 10);

    /* A listener that closes turns away who waits. */
    io_listener_pause(d.listener, true);
    struct io_socket *late;
    EXPECT_OK(io_connect(sim_node_io(client), "server", PORT, &hears, &late, NULL));
    sim_world_run_for(world, second_ns);
    EXPECT_EQ(d.connected, 11);
    io_listener_close(d.listener);
    sim_world_run_for(world, second_ns);
    char byte;
    EXPECT_EQ(io_socket_recv(late, &byte, 1), 0);
    sim_world_free(world);
}

/* ---- cuts and crashes ------------------------------------------------------------------------ */

TEST(sim_net, delivers_what_was_cut_off_when_it_heals)
{
    for (int way = 0; way < 3; way++) { /* there, back, both */
        struct pair *pair = pair_connected(context->seed, true);
        if (way != 1)
            sim_world_cut(pair->client.node, pair->server.node, true);
        if (way != 0)
            sim_world_cut(pair->server.node, pair->client.node, true);
        pair->client.to_send = pair->server.to_send = 20;
        io_socket_set_interest(pair->client.socket, IO_READABLE | IO_WRITABLE);
        io_socket_set_interest(pair->server.socket, IO_READABLE | IO_WRITABLE);
        sim_world_run_for(pair->world, 60 * second_ns);
        EXPECT_EQ(pair->server.received, way == 1 ? 20 : 0);
        EXPECT_EQ(pair->client.received, way == 0 ? 20 : 0);
        sim_world_cut(pair->client.node, pair->server.node, false);
        sim_world_cut(pair->server.node, pair->client.node, false);
        sim_world_run_for(pair->world, 20 * second_ns);
        EXPECT_EQ(pair->server.received, 20);
        EXPECT_EQ(pair->client.received, 20);
        pair_free(pair);
    }
}

TEST(sim_net, gives_up_what_does_not_get_through)
{
    struct pair *pair = pair_connected(context->seed, true);
    sim_world_cut(pair->client.node, pair->server.node, true);
    pair->client.to_send = 20;
    io_socket_set_interest(pair->client.socket, IO_READABLE | IO_WRITABLE);
    sim_world_run_for(pair->world, 14 * 60 * second_ns);
    EXPECT_EQ(pair->client.error, 0);
    sim_world_run_for(pair->world, 2 * 60 * second_ns);
    EXPECT_EQ(pair->client.error, -ETIMEDOUT);
    EXPECT_EQ(pair->server.error, 0); /* it has not sent anything, and knows nothing */
    pair_free(pair);
}

TEST(sim_net, tells_peers_of_a_killed_process)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct pair *pair = pair_connected(seed, true);
        pair->client.to_send = 1000000;
        io_socket_set_interest(pair->client.socket, IO_READABLE | IO_WRITABLE);
        sim_world_run_for(pair->world, second_ns / 1000);
        sim_node_crash(pair->server.node, SIM_PROCESS_KILLED);
        const int heard = pair->server.heard;
        char byte;
        EXPECT_ERR(io_socket_recv(pair->server.socket, &byte, 1), ECONNRESET);
        EXPECT_ERR(send_text(&pair->server, "x"), EPIPE);
        struct io_socket *socket;
        const struct io_socket_owner owner = { .on_ready = on_ready };
        EXPECT_ERR(io_connect(pair->server.io, "client", 1, &owner, &socket, NULL), ENETDOWN);
        sim_world_run_for(pair->world, 10 * second_ns);
        EXPECT(pair->client.error == -ECONNRESET);
        EXPECT_EQ(pair->server.heard, heard); /* the dead hear nothing */
        io_socket_close(TAKE(pair->server.socket));
        io_listener_close(TAKE(pair->listener));
        sim_node_restart(pair->server.node);
        pair_free(pair);
    }
}

TEST(sim_net, leaves_peers_of_a_dead_machine_in_the_dark)
{
    for (uint64_t seed = 0; seed < SEED_COUNT; seed++) {
        struct pair *pair = pair_connected(seed, true);
        sim_node_crash(pair->server.node, SIM_POWER_LOST);
        pair->client.to_send = 100;
        io_socket_set_interest(pair->client.socket, IO_READABLE | IO_WRITABLE);
        sim_world_run_for(pair->world, 60 * second_ns);
        EXPECT_EQ(pair->client.sent, 100);
        EXPECT_EQ(pair->client.error, 0);
        EXPECT(!pair->client.has_ended);
        const bool comes_back = seed % 2 == 0;
        if (comes_back)
            sim_node_restart(pair->server.node); /* frees what the dead incarnation had open */
        sim_world_run_for(pair->world, 16 * 60 * second_ns);
        EXPECT_EQ(pair->client.error, comes_back ? -ECONNRESET : -ETIMEDOUT);
        pair_free(pair);
    }
}

/* ---- one seed, one history ------------------------------------------------------------------- */

static uint64_t trace_of(uint64_t seed)
{
    struct pair *pair = pair_new(seed, true);
    struct sim_link link = sim_link_default();
    link.reset_in_a_million = 1000;
    sim_world_set_link(pair->world, &link);
    pair->client.to_send = 30000;
    pair->server.to_send = 30000;
    pair_listen(pair);
    pair_connect(pair, "server");
    sim_world_run_for(pair->world, second_ns / 10);
    sim_world_cut(pair->client.node, pair->server.node, true);
    sim_world_run_for(pair->world, second_ns);
    sim_world_cut(pair->client.node, pair->server.node, false);
    sim_world_run_for(pair->world, 10 * second_ns);
    const uint64_t trace = sim_world_trace(pair->world);
    pair_free(pair);
    return trace;
}

TEST(sim_net, replays_a_seed)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        const uint64_t first = trace_of(seed);
        void *block = mem_alloc(1000 + seed);
        EXPECT(first == trace_of(seed));
        mem_free(block);
        EXPECT(first != trace_of(seed + 1000));
    }
}
