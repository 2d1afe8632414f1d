/* Connecting: a name becomes addresses, which are tried one after the other.
 *
 *     io_connect -> literal or localhost ------------------> try [0] -> fails -> try [1] -> ... -> settled
 *                \> any other name: a worker asks the resolver /
 *
 * An attempt belongs to its socket until it is settled. One whose socket is closed while a worker still asks is
 * abandoned, and freed when the worker is done.
 */
#include "base/mem.h"
#include "io/epoll_int.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_BYTES_MAX 253 /* of a name (RFC 1035) */

struct epoll_attempt {
    struct io_job job;           /* asks the resolver */
    struct list link;            /* among the loop's, while that runs */
    struct epoll_socket *socket; /* borrowed; NULL: abandoned */
    char host[HOST_BYTES_MAX + 1];
    uint16_t port;
    bool is_resolving;
    int first_error;   /* what is told when no address answers */
    int address_count; /* negative: why the resolver failed */
    int address_next;
    union address addresses[ADDRESS_COUNT_MAX];
};

static void attempt_free(struct epoll_attempt *attempt)
{
    list_remove(&attempt->link);
    mem_free(attempt);
}

void epoll__attempt_abandon(struct epoll_attempt *attempt)
{
    attempt->socket = NULL;
    if (!attempt->is_resolving)
        attempt_free(attempt);
}

void epoll__attempts_free(struct epoll_loop *loop)
{
    while (!list_is_empty(&loop->resolutions))
        attempt_free(LIST_ENTRY(loop->resolutions.next, struct epoll_attempt, link));
}

static void settle(struct epoll_attempt *attempt, int status)
{
    struct epoll_socket *socket = attempt->socket;
    attempt_free(attempt);
    if (status < 0)
        epoll__source_replace(&socket->source, -1);
    epoll__socket_settle(socket, status);
}

/* "Refused" says more than "no route", which a host without IPv6 answers for every such address. */
static void note_error(struct epoll_attempt *attempt, int error)
{
    if (attempt->first_error == 0 || error == -ECONNREFUSED)
        attempt->first_error = error;
}

static int open_socket(int family)
{
    const int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -errno;
    const int on = 1;
    /* They fail only on what is no TCP socket. */
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    return descriptor;
}

/* Begins with one address: 0 connected at once, -EINPROGRESS, or why not. */
static int try_address(struct epoll_attempt *attempt, const union address *address)
{
    struct epoll_source *source = &attempt->socket->source;
    const int descriptor = open_socket(address->any.sa_family);
    if (descriptor < 0)
        return descriptor;
    attempt->socket->peer = *address;
    epoll__source_replace(source, descriptor);
    /* An interrupted connect goes on in the background, as one in progress does. */
    if (connect(descriptor, &address->any, address_size(address)) < 0)
        return errno == EINTR ? -EINPROGRESS : -errno;
    return 0;
}

static void try_next(struct epoll_attempt *attempt)
{
    while (attempt->address_next < attempt->address_count) {
        const int r = try_address(attempt, &attempt->addresses[attempt->address_next++]);
        if (r == -EINPROGRESS) {
            epoll__source_want(&attempt->socket->source, EPOLLOUT);
            return;
        }
        if (r == 0) {
            settle(attempt, 0);
            return;
        }
        note_error(attempt, r);
    }
    settle(attempt, attempt->first_error);
}

void epoll__attempt_on_events(struct epoll_socket *socket, uint32_t events)
{
    struct epoll_attempt *attempt = socket->attempt;
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(socket->source.descriptor, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error == 0 && (events & EPOLLERR))
        error = ENOMEM; /* no failure of the connection: it could not be watched */
    if (error == 0) {
        settle(attempt, 0);
        return;
    }
    note_error(attempt, -error);
    try_next(attempt);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void resolve_run(struct io_job *job)
{
    struct epoll_attempt *attempt = CONTAINER_OF(job, struct epoll_attempt, job);
    attempt->address_count = address_resolve(attempt->host, attempt->port, attempt->addresses);
}

static void resolve_done(struct io_job *job)
{
    struct epoll_attempt *attempt = CONTAINER_OF(job, struct epoll_attempt, job);
    attempt->is_resolving = false;
    list_remove(&attempt->link);
    if (attempt->socket == NULL) {
        attempt_free(attempt);
        return;
    }
    if (attempt->address_count < 0)
        settle(attempt, attempt->address_count);
    else
        try_next(attempt);
}

static void resolve_begin(struct epoll_loop *loop, struct epoll_attempt *attempt)
{
    attempt->is_resolving = true;
    attempt->job.run = resolve_run;
    attempt->job.done = resolve_done;
    list_push_back(&loop->resolutions, &attempt->link);
    io_submit(&loop->base, NULL, &attempt->job);
}

int epoll__connect(struct io *io, const char *host, uint16_t port,
                   const struct io_socket_owner *owner, struct io_socket **out,
                   struct err_note *note)
{
    const size_t size = host == NULL ? 0 : strlen(host);
    if (size == 0 || size > HOST_BYTES_MAX)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "connect to a host name of %zu bytes: 1 to %d are possible", size,
                        HOST_BYTES_MAX);
    struct epoll_loop *loop = epoll__loop_of(io);
    struct epoll_attempt *attempt = MEM_NEW(struct epoll_attempt);
    memcpy(attempt->host, host, size);
    attempt->port = port;
    attempt->address_count = address_from_literal(host, port, attempt->addresses);

    struct epoll_socket *socket = epoll__socket_new(loop, -1, -EINPROGRESS);
    socket->peer.any.sa_family = AF_INET; /* 0.0.0.0 until an address is tried */
    socket->owner = *owner;
    socket->attempt = attempt;
    attempt->socket = socket;
    *out = &socket->base;
    if (attempt->address_count > 0)
        try_next(attempt);
    else
        resolve_begin(loop, attempt);
    return 0;
}
