/* Simulated listeners, and how a connection comes about:
 *
 *     connect -> (delay) at the other node: refused, or queued at a listener, or nobody answers and it is tried again
 *             -> (delay) the answer is back: connected; the server's side may have been accepted before or after
 */
#include "base/mem.h"
#include "sim/net_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ATTEMPT_WAIT_NS  (1 * NS_PER_SECOND) /* doubled each time */
#define ATTEMPT_UNTIL_NS (127 * NS_PER_SECOND)
#define ACCEPT_RETRY_MS  100
#define ACCEPTS_A_TURN   8

struct sim_listener {
    struct io_listener base;
    struct list link; /* among the loop's */
    struct sim_loop *loop;
    struct io_listener_owner owner;
    struct list queue; /* server ends not accepted yet; owned */
    uint32_t queue_count;
    uint32_t backlog;
    uint16_t port;
    bool is_paused;
    bool is_closed;
    struct io_timer retry; /* armed: out of descriptors */
};

static struct sim_listener *self(struct io_listener *listener)
{
    return CONTAINER_OF(listener, struct sim_listener, base);
}

static struct sim_world *world_of(const struct sim_loop *loop)
{
    return loop->node->world;
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_own_name(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "::1") == 0;
}

static bool is_name_of(const struct sim_node *node, const char *host)
{
    return strcasecmp(host, node->name) == 0 || strcmp(host, node->address) == 0;
}

/* The node that a name means at `from`; NULL: there is none. */
static struct sim_node *resolve(const struct sim_node *from, const char *host)
{
    const struct sim_world *world = from->world;
    for (size_t i = 0; i < world->nodes.count; i++) {
        struct sim_node *node = world->nodes.items[i];
        if (is_name_of(node, host) || (node == from && is_own_name(host)))
            return node;
    }
    return NULL;
}

static struct io_address address_of(const struct sim_node *node, uint16_t port)
{
    struct io_address address = { .port = port };
    memcpy(address.host, node->address, sizeof(address.host));
    return address;
}

/* ---- accepting ------------------------------------------------------------------------------- */

static bool is_listener_ready(const struct sim_listener *listener)
{
    return !listener->is_paused && listener->queue_count > 0 &&
           !io_timer_is_armed(&listener->retry);
}

bool sim__listeners_are_ready(const struct sim_loop *loop)
{
    LIST_FOR_EACH(&loop->listeners, link)
    {
        if (is_listener_ready(LIST_ENTRY(link, struct sim_listener, link)))
            return true;
    }
    return false;
}

static void wake_listener(struct sim_listener *listener)
{
    if (is_listener_ready(listener))
        sim__loop_want_turn(listener->loop, sim__present_ns(world_of(listener->loop)));
}

static void on_retry(struct io_timer *timer)
{
    wake_listener(CONTAINER_OF(timer, struct sim_listener, retry));
}

static void accept_one(struct sim_listener *listener)
{
    struct sim_loop *loop = listener->loop;
    struct sim_socket *socket = LIST_ENTRY(listener->queue.next, struct sim_socket, queue_link);
    list_remove(&socket->queue_link);
    listener->queue_count--;
    sim__trace(world_of(loop), SIM_TRACE_ACCEPT, listener->port, socket->peer.port);
    const struct io_address peer = socket->peer;
    listener->owner.on_accept(listener->owner.context, &socket->base, &peer);
    if (!socket->is_closed)
        sim__socket_update(socket);
}

static void turn_listener(struct sim_listener *listener)
{
    struct sim_loop *loop = listener->loop;
    int left = (int)rng_between(&world_of(loop)->rng, 1, ACCEPTS_A_TURN);
    while (left-- > 0 && !listener->is_closed && !loop->is_dead && is_listener_ready(listener)) {
        if (sim__node_has_descriptor(loop->node))
            accept_one(listener);
        else
            io_timer_arm_after(&loop->base, &listener->retry, ACCEPT_RETRY_MS);
    }
}

void sim__turn_listeners(struct sim_loop *loop)
{
    /* Listeners that are closed by a callback stay in the list until this is over. */
    LIST_FOR_EACH(&loop->listeners, link)
    {
        turn_listener(LIST_ENTRY(link, struct sim_listener, link));
    }
}

/* Queues a new connection's server end; false: there is no room. */
static bool listener_offer(struct sim_listener *listener, struct sim_socket *client)
{
    if (listener->queue_count >= listener->backlog)
        return false;
    struct sim_socket *server = sim__socket_new(listener->loop);
    server->local = address_of(listener->loop->node, listener->port);
    server->peer = client->local;
    (void)sim__connection_new(client, server); /* both sockets hold it */
    list_push_back(&listener->queue, &server->queue_link);
    listener->queue_count++;
    wake_listener(listener);
    return true;
}

/* NULL: nobody listens there. */
static struct sim_listener *listener_find(const struct sim_node *node, uint16_t port)
{
    for (size_t i = 0; i < node->loops.count; i++) {
        struct sim_loop *loop = node->loops.items[i];
        LIST_FOR_EACH(&loop->listeners, link)
        {
            struct sim_listener *listener = LIST_ENTRY(link, struct sim_listener, link);
            if (!loop->is_dead && !listener->is_closed && listener->port == port)
                return listener;
        }
    }
    return NULL;
}

/* ---- the owner's calls ----------------------------------------------------------------------- */

static void listener_address(const struct io_listener *io_listener, struct io_address *out)
{
    const struct sim_listener *listener = (const struct sim_listener *)io_listener;
    *out = address_of(listener->loop->node, listener->port);
}

_Static_assert(offsetof(struct sim_listener, base) == 0, "listener_address casts");

static void listener_pause(struct io_listener *io_listener, bool paused)
{
    self(io_listener)->is_paused = paused;
    wake_listener(self(io_listener));
}

static void listener_free(struct sim_listener *listener)
{
    list_remove(&listener->link);
    mem_free(listener);
}

static void listener_close(struct io_listener *io_listener)
{
    struct sim_listener *listener = self(io_listener);
    ASSERT(!listener->is_closed);
    listener->is_closed = true;
    io_timer_cancel(&listener->loop->base, &listener->retry);
    while (!list_is_empty(&listener->queue))
        io_socket_close(&LIST_ENTRY(listener->queue.next, struct sim_socket, queue_link)->base);
    listener->queue_count = 0;
    listener->loop->node->socket_count--;
    if (!listener->loop->in_turn)
        listener_free(listener);
}

static const struct io_listener_ops listener_ops = {
    .address = listener_address,
    .pause = listener_pause,
    .close = listener_close,
};

void sim__listeners_free(struct sim_loop *loop)
{
    LIST_FOR_EACH(&loop->listeners, link)
    {
        struct sim_listener *listener = LIST_ENTRY(link, struct sim_listener, link);
        if (!listener->is_closed)
            listener_close(&listener->base);
        else
            listener_free(listener);
    }
}

/* A port nobody listens on; 0 asks for any. */
static int choose_port(struct sim_node *node, uint16_t wanted, uint16_t *out)
{
    if (wanted == 0) {
        do
            wanted = sim__node_next_port(node);
        while (listener_find(node, wanted) != NULL);
    }
    if (listener_find(node, wanted) != NULL)
        return -EADDRINUSE;
    *out = wanted;
    return 0;
}

int sim__listen(struct io *io, const char *host, uint16_t port, int backlog,
                const struct io_listener_owner *owner, struct io_listener **out,
                struct err_note *note)
{
    struct sim_loop *loop = sim__loop_of(io);
    const bool at_all = host == NULL || host[0] == '\0';
    int r = loop->is_dead ? -ENETDOWN : 0;
    if (r == 0 && !at_all && resolve(loop->node, host) != loop->node)
        r = -EADDRNOTAVAIL;
    if (r == 0 && !sim__node_has_descriptor(loop->node))
        r = -EMFILE;
    uint16_t chosen = 0;
    if (r == 0)
        r = choose_port(loop->node, port, &chosen);
    if (r < 0)
        return err_note(note, r, "listen on %s, port %u: %s", at_all ? "all addresses" : host,
                        (unsigned)port, err_sentence(r));
    struct sim_listener *listener = MEM_NEW(struct sim_listener);
    listener->base.ops = &listener_ops;
    listener->loop = loop;
    listener->owner = *owner;
    listener->port = chosen;
    listener->backlog = (uint32_t)MAX(backlog, 1);
    listener->retry.fire = on_retry;
    list_init(&listener->queue);
    list_push_back(&loop->listeners, &listener->link);
    loop->node->socket_count++;
    *out = &listener->base;
    return 0;
}

/* ---- connecting ------------------------------------------------------------------------------ */

/* Nobody has answered. */
static void attempt_again(struct sim_socket *socket)
{
    struct sim_world *world = world_of(socket->loop);
    if (world->now_ns + socket->attempt_wait_ns > socket->attempt_until_ns) {
        sim__socket_settle(socket, -ETIMEDOUT);
        return;
    }
    sim__schedule(world, &socket->attempt, world->now_ns + socket->attempt_wait_ns);
    socket->attempt_wait_ns *= 2;
}

/* The answer goes back; `refused` is one too. */
static void attempt_answer(struct sim_socket *socket, const struct sim_node *from, bool refused)
{
    struct sim_world *world = world_of(socket->loop);
    const struct sim_link *link = sim__link(world, from, socket->loop->node);
    const int64_t arrival_ns = world->now_ns + sim__draw(world, link->latency);
    socket->is_answered = true;
    socket->failure = refused ? -ECONNREFUSED : 0;
    if (!refused) /* what the server says at once comes behind */
        socket->connection->pipes[!socket->end].last_arrival_ns = arrival_ns;
    sim__schedule(world, &socket->attempt, arrival_ns);
}

static void attempt_arrives(struct sim_socket *socket)
{
    const struct sim_node *from = socket->loop->node;
    struct sim_node *to = resolve(from, socket->host);
    if (to == NULL) {
        sim__socket_settle(socket, -ERR_NOT_FOUND);
        return;
    }
    if (sim__is_cut(from, to) || sim__is_cut(to, from) || !to->is_powered) {
        attempt_again(socket);
        return;
    }
    socket->peer = address_of(to, socket->peer.port);
    struct sim_listener *listener = listener_find(to, socket->peer.port);
    if (listener == NULL)
        attempt_answer(socket, to, true);
    else if (listener_offer(listener, socket))
        attempt_answer(socket, to, false);
    else
        attempt_again(socket);
}

static void on_attempt(struct io_timer *event)
{
    struct sim_socket *socket = CONTAINER_OF(event, struct sim_socket, attempt);
    if (!socket->is_answered) {
        attempt_arrives(socket);
        return;
    }
    const int failure = socket->failure;
    socket->failure = 0;
    sim__socket_settle(socket, failure);
}

int sim__connect(struct io *io, const char *host, uint16_t port,
                 const struct io_socket_owner *owner, struct io_socket **out, struct err_note *note)
{
    struct sim_loop *loop = sim__loop_of(io);
    struct sim_world *world = world_of(loop);
    if (host == NULL || host[0] == '\0')
        return err_note(note, -ERR_INVALID_ARGUMENT, "connect to a host name of 0 bytes");
    if (loop->is_dead)
        return err_note(note, -ENETDOWN, "connect to %s, port %u", host, (unsigned)port);

    struct sim_socket *socket = sim__socket_new(loop);
    socket->owner = *owner;
    socket->status = -EINPROGRESS;
    socket->host = mem_strdup(host);
    socket->peer = (struct io_address){ .host = "0.0.0.0", .port = port };
    socket->local = address_of(loop->node, sim__node_next_port(loop->node));
    socket->attempt.fire = on_attempt;
    socket->attempt_wait_ns = ATTEMPT_WAIT_NS;
    const int64_t now_ns = sim__loop_now_ns(loop);
    socket->attempt_until_ns = now_ns + ATTEMPT_UNTIL_NS;
    sim__trace(world, SIM_TRACE_CONNECT, port, socket->local.port);
    *out = &socket->base;
    if (loop->node->descriptor_max != 0 &&
        loop->node->socket_count + sim_disk_open_count(loop->node->disk) >
            loop->node->descriptor_max) {
        sim__socket_settle(socket, -EMFILE);
        return 0;
    }
    const struct sim_node *to = resolve(loop->node, host);
    const struct sim_link *link = sim__link(world, loop->node, to == NULL ? loop->node : to);
    sim__schedule(world, &socket->attempt, now_ns + sim__draw(world, link->latency));
    return 0;
}
