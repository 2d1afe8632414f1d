/* Simulated sockets: what the owner calls, and when it is told. */
#include "base/mem.h"
#include "sim/net_int.h"

#include <errno.h>
#include <string.h>

#define SEND_FILE_BYTES_MAX 65536 /* at once */

static struct sim_socket *self(struct io_socket *socket)
{
    return CONTAINER_OF(socket, struct sim_socket, base);
}

static const struct sim_socket *self_const(const struct io_socket *socket)
{
    return (const struct sim_socket *)socket; /* base is the first member */
}

_Static_assert(offsetof(struct sim_socket, base) == 0, "self_const casts");

static struct sim_world *world_of(const struct sim_socket *socket)
{
    return socket->loop->node->world;
}

/* ---- readiness ------------------------------------------------------------------------------- */

static unsigned ready_of(const struct sim_socket *socket)
{
    if (socket->status < 0 || socket->failure < 0)
        return IO_READABLE | IO_WRITABLE | (socket->interest & IO_ENDED);
    const struct sim_connection *c = socket->connection;
    const bool readable =
        sim__pipe_readable(c, socket->end) > 0 || sim__pipe_has_ended(c, socket->end);
    return (readable ? IO_READABLE : 0U) |
           (sim__pipe_space(c, socket->end) > 0 ? IO_WRITABLE : 0U) |
           (c->pipes[!socket->end].has_end_arrived ? IO_ENDED : 0U);
}

static bool has_failed(const struct sim_socket *socket)
{
    return socket->failure < 0 || (socket->status < 0 && socket->status != -EINPROGRESS);
}

/* What its owner would be told now; 0: nothing. */
static unsigned news_of(const struct sim_socket *socket)
{
    if (socket->is_closed || socket->loop->is_dead || socket->status == -EINPROGRESS)
        return 0;
    const unsigned ready = ready_of(socket);
    if (!socket->is_told && has_failed(socket))
        return ready;
    if (!socket->is_told && socket->end == 0) /* the one that connected hears that it is */
        return (ready & socket->interest) | IO_WRITABLE;
    return ready & socket->interest;
}

void sim__socket_update(struct sim_socket *socket)
{
    if (list_is_linked(&socket->queue_link)) /* not accepted yet: nobody is there to be told */
        return;
    if (news_of(socket) == 0 || list_is_linked(&socket->ready_link))
        return;
    list_push_back(&socket->loop->ready, &socket->ready_link);
    sim__loop_want_turn(socket->loop, sim__present_ns(world_of(socket)));
}

void sim__socket_fail(struct sim_socket *socket, int failure)
{
    if (has_failed(socket))
        return;
    if (socket->status == -EINPROGRESS) {
        sim__socket_settle(socket, failure);
        return;
    }
    socket->failure = failure;
    socket->is_told = false;
    sim__socket_update(socket);
}

void sim__socket_settle(struct sim_socket *socket, int status)
{
    sim__unschedule(world_of(socket), &socket->attempt);
    sim__trace(world_of(socket), SIM_TRACE_CONNECTED, socket->local.port, status);
    socket->status = status;
    sim__socket_update(socket);
}

void sim__turn_sockets(struct sim_loop *loop)
{
    struct list batch;
    list_init(&batch);
    for (struct list *link; (link = list_pop_front(&loop->ready)) != NULL;)
        list_push_back(&batch, link);
    for (struct list *link; (link = list_pop_front(&batch)) != NULL;) {
        struct sim_socket *socket = LIST_ENTRY(link, struct sim_socket, ready_link);
        const unsigned news = news_of(socket);
        if (news == 0)
            continue;
        socket->is_told = true;
        if (socket->owner.on_ready != NULL)
            socket->owner.on_ready(socket->owner.context, news);
        sim__socket_update(socket); /* level-triggered: as long as it is so, it is told each turn */
    }
}

static int socket_status(struct io_socket *socket)
{
    return self(socket)->loop->is_dead ? -ECONNRESET : self(socket)->status;
}

static void socket_set_owner(struct io_socket *socket, const struct io_socket_owner *owner)
{
    self(socket)->owner = *owner;
}

static void socket_set_interest(struct io_socket *io_socket, unsigned interest)
{
    ASSERT((interest & ~(unsigned)(IO_READABLE | IO_WRITABLE | IO_ENDED)) == 0);
    self(io_socket)->interest = (uint8_t)interest;
    sim__socket_update(self(io_socket));
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* 0, or why nothing can be sent or received. */
static int check_usable(const struct sim_socket *socket, int error_when_dead)
{
    ASSERT(!socket->is_closed);
    if (socket->loop->is_dead)
        return error_when_dead;
    if (socket->status < 0)
        return socket->status == -EINPROGRESS ? -EAGAIN : socket->status;
    return socket->failure;
}

/* At times less than could be done: callers must be ready for it anywhere. */
static int64_t some_of(const struct sim_socket *socket, int64_t size_bytes, bool sends)
{
    const struct sim_connection *c = socket->connection;
    const struct sim_node *mine = c->ends[socket->end].node;
    const struct sim_node *theirs = c->ends[!socket->end].node;
    const struct sim_link *link = sim__link(c->world, sends ? mine : theirs, sends ? theirs : mine);
    if (size_bytes > 1 && sim__chance(c->world, link->partial_in_a_million))
        return rng_between(&c->world->rng, 1, size_bytes - 1);
    return size_bytes;
}

static int64_t total_of(const struct iovec *parts, int count)
{
    int64_t total = 0;
    for (int i = 0; i < count; i++)
        total += (int64_t)parts[i].iov_len;
    return total;
}

static int64_t socket_recvv(struct io_socket *io_socket, const struct iovec *out, int count)
{
    struct sim_socket *socket = self(io_socket);
    const int error = check_usable(socket, -ECONNRESET);
    const int64_t wanted = total_of(out, count);
    const int64_t readable =
        socket->connection == NULL ? 0 : sim__pipe_readable(socket->connection, socket->end);
    if (error < 0 && (error != socket->failure || readable == 0))
        return error;
    if (readable == 0)
        return sim__pipe_has_ended(socket->connection, socket->end) || wanted == 0 ? 0 : -EAGAIN;
    const int64_t size = some_of(socket, MIN(wanted, readable), false);
    int64_t done = 0;
    for (int i = 0; i < count && done < size; i++) {
        const int64_t n = MIN((int64_t)out[i].iov_len, size - done);
        sim__pipe_read(socket->connection, socket->end, out[i].iov_base, n);
        done += n;
    }
    return done;
}

static int64_t room_for(const struct sim_socket *socket, int64_t wanted)
{
    const int error = check_usable(socket, -EPIPE);
    if (error < 0)
        return error;
    if (socket->connection->pipes[socket->end].is_finished)
        return -EPIPE;
    const int64_t space = sim__pipe_space(socket->connection, socket->end);
    if (space == 0 && wanted > 0)
        return -EAGAIN;
    return some_of(socket, MIN(wanted, space), true);
}

static int64_t socket_sendv(struct io_socket *io_socket, const struct iovec *parts, int count,
                            bool more_follows)
{
    struct sim_socket *socket = self(io_socket);
    (void)more_follows; /* a matter of packets, which are not modelled */
    const int64_t size = room_for(socket, total_of(parts, count));
    if (size <= 0)
        return size;
    AUTO(mem_freep) uint8_t *bytes = mem_alloc((size_t)size);
    int64_t done = 0;
    for (int i = 0; i < count && done < size; i++) {
        const int64_t n = MIN((int64_t)parts[i].iov_len, size - done);
        memcpy(bytes + done, parts[i].iov_base, (size_t)n);
        done += n;
    }
    sim__pipe_send(socket->connection, socket->end, bytes, size);
    return size;
}

static int64_t socket_send_file(struct io_socket *io_socket, struct io_file *file, int64_t position,
                                size_t size_bytes)
{
    struct sim_socket *socket = self(io_socket);
    const int64_t size = room_for(socket, (int64_t)MIN(size_bytes, (size_t)SEND_FILE_BYTES_MAX));
    if (size <= 0)
        return size;
    AUTO(mem_freep) uint8_t *bytes = mem_alloc((size_t)size);
    const int64_t n = io_file_read(file, position, bytes, (size_t)size);
    if (n > 0)
        sim__pipe_send(socket->connection, socket->end, bytes, n);
    return n;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void socket_peer(const struct io_socket *socket, struct io_address *out)
{
    *out = self_const(socket)->peer;
}

static void socket_local(const struct io_socket *socket, struct io_address *out)
{
    *out = self_const(socket)->local;
}

static void socket_set_buffers(struct io_socket *io_socket, int send_bytes, int receive_bytes)
{
    const struct sim_socket *socket = self(io_socket);
    if (socket->connection == NULL)
        return;
    struct sim_end *end = &socket->connection->ends[socket->end];
    if (send_bytes > 0)
        end->send_buffer_bytes = send_bytes;
    if (receive_bytes > 0)
        end->receive_buffer_bytes = receive_bytes;
}

static void socket_finish(struct io_socket *io_socket)
{
    const struct sim_socket *socket = self(io_socket);
    if (check_usable(socket, -EPIPE) == 0)
        sim__pipe_finish(socket->connection, socket->end);
}

/* The world lets go of it; the memory is still the owner's. */
static void detach(struct sim_socket *socket, bool tell)
{
    sim__unschedule(world_of(socket), &socket->attempt);
    list_remove(&socket->ready_link);
    if (socket->connection == NULL)
        return;
    sim__trace(world_of(socket), SIM_TRACE_CLOSE, socket->connection->id, socket->end);
    sim__connection_close_end(TAKE(socket->connection), socket->end, tell);
}

static void socket_close(struct io_socket *io_socket)
{
    struct sim_socket *socket = self(io_socket);
    ASSERT(!socket->is_closed);
    detach(socket, true);
    socket->is_closed = true;
    socket->loop->node->socket_count--;
    list_remove(&socket->queue_link);
    list_remove(&socket->link);
    list_push_back(&socket->loop->closed, &socket->link);
    if (!socket->loop->in_turn)
        sim__sockets_free_closed(socket->loop);
}

void sim__sockets_free_closed(struct sim_loop *loop)
{
    for (struct list *link; (link = list_pop_front(&loop->closed)) != NULL;) {
        struct sim_socket *socket = LIST_ENTRY(link, struct sim_socket, link);
        mem_free(socket->host);
        mem_free(socket);
    }
}

static const struct io_socket_ops socket_ops = {
    .status = socket_status,
    .set_owner = socket_set_owner,
    .set_interest = socket_set_interest,
    .recvv = socket_recvv,
    .sendv = socket_sendv,
    .send_file = socket_send_file,
    .peer = socket_peer,
    .local = socket_local,
    .set_buffers = socket_set_buffers,
    .finish = socket_finish,
    .close = socket_close,
};

struct sim_socket *sim__socket_new(struct sim_loop *loop)
{
    struct sim_socket *socket = MEM_NEW(struct sim_socket);
    socket->base.ops = &socket_ops;
    socket->loop = loop;
    loop->node->socket_count++;
    list_push_back(&loop->sockets, &socket->link);
    return socket;
}

void sim__net_end(struct sim_loop *loop, enum sim_crash kind)
{
    LIST_FOR_EACH(&loop->sockets, link)
    {
        detach(LIST_ENTRY(link, struct sim_socket, link), kind == SIM_PROCESS_KILLED);
    }
}

void sim__net_free(struct sim_loop *loop)
{
    sim__listeners_free(loop);
    while (!list_is_empty(&loop->sockets))
        socket_close(&LIST_ENTRY(loop->sockets.next, struct sim_socket, link)->base);
    sim__sockets_free_closed(loop);
}
