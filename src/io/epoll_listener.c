/* Listening sockets: accepting in batches, and waiting out a shortage of descriptors.
 *
 * Options of the listening socket that an accepted one inherits (TCP_NODELAY, SO_KEEPALIVE) are set here once and
 * cost nothing for each connection.
 */
#include "base/mem.h"
#include "io/epoll_int.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 64 /* then the connections that are there get their turn */
#define RETRY_MS       100

struct epoll_listener {
    struct io_listener base;
    struct epoll_source source;
    struct io_listener_owner owner;
    struct io_timer retry; /* armed: out of descriptors or memory */
    bool is_paused;        /* by its owner */
};

static struct epoll_listener *self(struct io_listener *listener)
{
    return CONTAINER_OF(listener, struct epoll_listener, base);
}

static void watch(struct epoll_listener *listener)
{
    const bool listens = !listener->is_paused && !io_timer_is_armed(&listener->retry);
    epoll__source_want(&listener->source, listens ? EPOLLIN : 0);
}

static void on_retry(struct io_timer *timer)
{
    watch(CONTAINER_OF(timer, struct epoll_listener, retry));
}

static void wait_for_better_times(struct epoll_listener *listener)
{
    io_timer_arm_after(&listener->source.loop->base, &listener->retry, RETRY_MS);
    watch(listener);
}

/* A connection that failed before it was accepted says so here (accept(2)); it is no failure of the listener. */
static bool is_of_one_connection(int error)
{
    switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/* False: none is waiting, or none can be taken now. */
static bool accept_one(struct epoll_listener *listener)
{
    union address peer = { 0 };
    socklen_t size = sizeof(peer);
    const int descriptor =
        accept4(listener->source.descriptor, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) {
        if (errno == EAGAIN)
            return false;
        if (is_of_one_connection(errno))
            return true;
        wait_for_better_times(listener); /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
        return false;
    }
    struct epoll_socket *socket = epoll__socket_new(listener->source.loop, descriptor, 0);
    socket->peer = peer;
    struct io_address text;
    address_to_text(&peer, &text);
    listener->owner.on_accept(listener->owner.context, &socket->base, &text);
    return true;
}

static void on_events(struct epoll_source *source, uint32_t events)
{
    struct epoll_listener *listener = CONTAINER_OF(source, struct epoll_listener, source);
    if (events & EPOLLERR) {
        wait_for_better_times(listener); /* it could not be watched */
        return;
    }
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (!accept_one(listener) || source->is_closed || listener->is_paused)
            return;
    }
}

/* ---- the owner's calls ----------------------------------------------------------------------- */

static void listener_address(const struct io_listener *io_listener, struct io_address *out)
{
    const struct epoll_listener *listener = (const struct epoll_listener *)io_listener;
    union address address = { .any.sa_family = AF_INET };
    socklen_t size = sizeof(address);
    const int r = getsockname(listener->source.descriptor, &address.any, &size);
    ASSERT(r == 0);
    address_to_text(&address, out);
}

_Static_assert(offsetof(struct epoll_listener, base) == 0, "listener_address casts");

static void listener_pause(struct io_listener *io_listener, bool paused)
{
    struct epoll_listener *listener = self(io_listener);
    listener->is_paused = paused;
    watch(listener);
}

static void listener_close(struct io_listener *io_listener)
{
    struct epoll_listener *listener = self(io_listener);
    io_timer_cancel(&listener->source.loop->base, &listener->retry);
    epoll__source_close(&listener->source);
}

static void destroy(struct epoll_source *source)
{
    struct epoll_listener *listener = CONTAINER_OF(source, struct epoll_listener, source);
    io_timer_cancel(&source->loop->base, &listener->retry); /* where the loop closes it */
    mem_free(listener);
}

static const struct io_listener_ops listener_ops = {
    .address = listener_address,
    .pause = listener_pause,
    .close = listener_close,
};

/* ---- opening --------------------------------------------------------------------------------- */

/* A socket that listens there, or why not. */
static int open_at(const union address *address, bool both_families, int backlog)
{
    const int descriptor =
        socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    const int on = 1;
    const int v6_only = both_families ? 0 : 1;
    /* These fail only on what is no TCP socket. */
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int r = 0;
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)) < 0)
        r = -errno;
    if (r == 0 && bind(descriptor, &address->any, address_size(address)) < 0)
        r = -errno;
    if (r == 0 && listen(descriptor, backlog) < 0)
        r = -errno;
    if (r == 0)
        return descriptor;
    (void)close(descriptor); /* never used */
    return r;
}

/* One socket for both families; where the machine has no IPv6, for IPv4. */
static int open_at_all(uint16_t port, int backlog)
{
    const union address v6 = { .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) } };
    const union address v4 = { .v4 = { .sin_family = AF_INET, .sin_port = htons(port) } };
    const int r = open_at(&v6, true, backlog);
    const bool lacks_v6 = r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL || r == -ENOPROTOOPT;
    return lacks_v6 ? open_at(&v4, false, backlog) : r;
}

/* The first address of the name, IPv4 before IPv6, as a JVM chooses. */
static int open_at_name(const char *host, uint16_t port, int backlog)
{
    union address addresses[ADDRESS_COUNT_MAX];
    int count = address_from_literal(host, port, addresses);
    if (count == 0)
        count = address_resolve(host, port, addresses);
    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        if (addresses[i].any.sa_family == AF_INET)
            return open_at(&addresses[i], false, backlog);
    }
    return open_at(&addresses[0], false, backlog);
}

int epoll__listen(struct io *io, const char *host, uint16_t port, int backlog,
                  const struct io_listener_owner *owner, struct io_listener **out,
                  struct err_note *note)
{
    const bool at_all = host == NULL || host[0] == '\0';
    const int descriptor = at_all ? open_at_all(port, backlog) : open_at_name(host, port, backlog);
    if (descriptor < 0)
        return err_note(note, descriptor, "listen on %s, port %u: %s",
                        at_all ? "all addresses" : host, (unsigned)port, err_sentence(descriptor));
    struct epoll_listener *listener = MEM_NEW(struct epoll_listener);
    listener->base.ops = &listener_ops;
    listener->source.on_events = on_events;
    listener->source.destroy = destroy;
    listener->owner = *owner;
    listener->retry.fire = on_retry;
    epoll__source_init(epoll__loop_of(io), &listener->source, descriptor);
    watch(listener);
    *out = &listener->base;
    return 0;
}
