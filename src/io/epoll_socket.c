/* Stream sockets of the kernel.
 *
 * A socket that has hung up or failed would be reported by epoll for ever, wanted or not. So it is taken out of
 * the set; while its owner wants to hear anything it stands on the loop's ready list instead.
 */
#include "base/mem.h"
#include "io/epoll_int.h"
#include "io/posix_file.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static struct epoll_socket *self(struct io_socket *socket)
{
    return CONTAINER_OF(socket, struct epoll_socket, base);
}

static const struct epoll_socket *self_const(const struct io_socket *socket)
{
    return (const struct epoll_socket *)socket; /* base is the first member */
}

_Static_assert(offsetof(struct epoll_socket, base) == 0, "self_const casts");

static struct epoll_socket *of_source(struct epoll_source *source)
{
    return CONTAINER_OF(source, struct epoll_socket, source);
}

/* ---- readiness ------------------------------------------------------------------------------- */

static void tell_owner(struct epoll_socket *socket, unsigned ready)
{
    if (socket->owner.on_ready != NULL)
        socket->owner.on_ready(socket->owner.context, ready);
}

static void put_on_ready_list(struct epoll_socket *socket)
{
    if (!list_is_linked(&socket->ready_link))
        list_push_back(&socket->source.loop->ready, &socket->ready_link);
}

static void watch(struct epoll_socket *socket)
{
    const uint32_t in = (socket->interest & IO_READABLE) ? EPOLLIN : 0;
    const uint32_t out = (socket->interest & IO_WRITABLE) ? EPOLLOUT : 0;
    const uint32_t ended = (socket->interest & IO_ENDED) ? EPOLLRDHUP : 0;
    epoll__source_want(&socket->source, in | out | ended);
}

static void on_events(struct epoll_source *source, uint32_t events)
{
    struct epoll_socket *socket = of_source(source);
    if (socket->status == -EINPROGRESS) {
        epoll__attempt_on_events(socket, events);
        return;
    }
    if (events & (EPOLLERR | EPOLLHUP)) {
        if (!source->is_registered)
            socket->status = -ENOMEM; /* the connection is well, but cannot be watched */
        epoll__source_unwatch(source);
        socket->is_broken = true;
        put_on_ready_list(socket);
        return;
    }
    const unsigned in = (events & EPOLLIN) ? IO_READABLE : 0;
    const unsigned out = (events & EPOLLOUT) ? IO_WRITABLE : 0;
    const unsigned ended = (events & EPOLLRDHUP) ? IO_ENDED : 0;
    tell_owner(socket, in | out | ended);
}

void epoll__socket_on_ready_list(struct list *link)
{
    struct epoll_socket *socket = LIST_ENTRY(link, struct epoll_socket, ready_link);
    if (!socket->is_broken) { /* has just connected */
        tell_owner(socket, IO_WRITABLE);
        return;
    }
    if (socket->interest == 0 && socket->is_told)
        return;
    socket->is_told = true;
    if (socket->interest != 0)
        put_on_ready_list(socket);
    tell_owner(socket,
               IO_READABLE | IO_WRITABLE | (socket->interest & IO_ENDED)); /* may close it */
}

void epoll__socket_settle(struct epoll_socket *socket, int status)
{
    socket->status = status;
    socket->attempt = NULL;
    if (status == 0)
        watch(socket);
    else
        socket->is_broken = true;
    put_on_ready_list(socket);
}

static int socket_status(struct io_socket *socket)
{
    return self(socket)->status;
}

static void socket_set_owner(struct io_socket *socket, const struct io_socket_owner *owner)
{
    self(socket)->owner = *owner;
}

static void socket_set_interest(struct io_socket *io_socket, unsigned interest)
{
    struct epoll_socket *socket = self(io_socket);
    ASSERT((interest & ~(unsigned)(IO_READABLE | IO_WRITABLE | IO_ENDED)) == 0);
    socket->interest = (uint8_t)interest;
    if (socket->status == -EINPROGRESS)
        return; /* the attempt watches for itself */
    if (!socket->is_broken)
        watch(socket);
    else if (interest != 0)
        put_on_ready_list(socket);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* 0 when there is a connection to try, else what a call on it answers. */
static int64_t check_connected(const struct epoll_socket *socket)
{
    return socket->status == -EINPROGRESS ? -EAGAIN : socket->status;
}

/* What a call answered, as io tells it. */
static int64_t moved(struct epoll_socket *socket, int64_t n)
{
    if (n < 0)
        return -errno;
    patience_on_moved(&socket->source.loop->patience, (uint64_t)n);
    return n;
}

static int64_t socket_recvv(struct io_socket *io_socket, const struct iovec *out, int count)
{
    struct epoll_socket *socket = self(io_socket);
    const int64_t r = check_connected(socket);
    if (r < 0)
        return r;
    const int descriptor = socket->source.descriptor;
    struct msghdr message = { .msg_iovlen = (size_t)MIN(count, IOV_MAX) };
    message.msg_iov = (struct iovec *)(uintptr_t)out; /* the kernel does not write the vector */
    int64_t n;
    do {
        /* The kernel takes some 200 ns to copy and check the vector, which one part does not need. */
        n = count == 1 ? recv(descriptor, out->iov_base, out->iov_len, 0)
                       : recvmsg(descriptor, &message, 0);
    } while (n < 0 && errno == EINTR);
    return moved(socket, n);
}

static int64_t socket_sendv(struct io_socket *io_socket, const struct iovec *parts, int count,
                            bool more_follows)
{
    struct epoll_socket *socket = self(io_socket);
    const int64_t r = check_connected(socket);
    if (r < 0)
        return r;
    const int descriptor = socket->source.descriptor;
    const int flags = MSG_NOSIGNAL | (more_follows || count > IOV_MAX ? MSG_MORE : 0);
    struct msghdr message = { .msg_iovlen = (size_t)MIN(count, IOV_MAX) };
    message.msg_iov = (struct iovec *)(uintptr_t)parts; /* the kernel does not write the vector */
    int64_t n;
    do {
        n = count == 1 ? send(descriptor, parts->iov_base, parts->iov_len, flags)
                       : sendmsg(descriptor, &message, flags);
    } while (n < 0 && errno == EINTR);
    return moved(socket, n);
}

/* sendfile knows no MSG_NOSIGNAL: a thread that uses it holds SIGPIPE back for good. */
static void block_sigpipe(struct epoll_loop *loop)
{
    if (loop->has_sigpipe_thread && pthread_equal(loop->sigpipe_thread, pthread_self()))
        return;
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    const int r = pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    ASSERT(r == 0);
    loop->sigpipe_thread = pthread_self();
    loop->has_sigpipe_thread = true;
}

static int64_t socket_send_file(struct io_socket *io_socket, struct io_file *file, int64_t position,
                                size_t size_bytes)
{
    struct epoll_socket *socket = self(io_socket);
    const int64_t r = check_connected(socket);
    if (r < 0)
        return r;
    block_sigpipe(socket->source.loop);
    int64_t n;
    do {
        off_t from = position;
        n = sendfile(socket->source.descriptor, posix_file_descriptor(file), &from, size_bytes);
    } while (n < 0 && errno == EINTR);
    return moved(socket, n);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void socket_peer(const struct io_socket *socket, struct io_address *out)
{
    address_to_text(&self_const(socket)->peer, out);
}

static void socket_local(const struct io_socket *socket, struct io_address *out)
{
    union address local = { .any.sa_family = AF_INET };
    socklen_t size = sizeof(local);
    /* Without a descriptor, at connecting, it stays 0.0.0.0, port 0. */
    (void)getsockname(self_const(socket)->source.descriptor, &local.any, &size);
    address_to_text(&local, out);
}

static void socket_set_buffers(struct io_socket *socket, int send_bytes, int receive_bytes)
{
    const int descriptor = self(socket)->source.descriptor;
    /* Hints: the kernel bounds them itself. */
    if (send_bytes >= 0)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes));
    if (receive_bytes >= 0)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
}

static void socket_finish(struct io_socket *socket)
{
    if (self(socket)->status == 0)
        (void)shutdown(self(socket)->source.descriptor,
                       SHUT_WR); /* fails where it is of no use any more */
}

static void socket_close(struct io_socket *io_socket)
{
    struct epoll_socket *socket = self(io_socket);
    epoll__source_close(&socket->source);
    list_remove(&socket->ready_link);
    if (socket->attempt != NULL)
        epoll__attempt_abandon(TAKE(socket->attempt));
}

static void destroy(struct epoll_source *source)
{
    struct epoll_socket *socket = of_source(source);
    list_remove(&socket->ready_link); /* where the loop closes what its owner has left */
    if (socket->attempt != NULL)
        epoll__attempt_abandon(socket->attempt);
    mem_free(socket);
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

struct epoll_socket *epoll__socket_new(struct epoll_loop *loop, int descriptor, int status)
{
    struct epoll_socket *socket = MEM_NEW(struct epoll_socket);
    socket->base.ops = &socket_ops;
    socket->source.on_events = on_events;
    socket->source.destroy = destroy;
    socket->status = status;
    epoll__source_init(loop, &socket->source, descriptor);
    return socket;
}
