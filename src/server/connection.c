/* One connection: its birth, its end, and who is told what its socket has to say.
 *
 *   open ──► closing (what is answered is sent) ──► lingering (until the peer has seen it) ──► closed
 *
 * Neither of the middle two takes longer than ENDING_MS_MAX once nothing is to be answered any more.
 */
#include "server/server_int.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define DEADLINE_TICK_MS 500
#define ENDING_MS_MAX    5000

void connection__update_interest(struct connection *c)
{
    unsigned interest = 0;
    if (c->state == CONNECTION_LINGERING ||
        (c->state == CONNECTION_OPEN && !c->is_blocked && !list_is_linked(&c->starve_link)))
        interest |= IO_READABLE;
    else if (list_is_linked(&c->room_link))
        interest |= IO_ENDED; /* its place is for others when it goes */
    if (!list_is_empty(&c->out))
        interest |= IO_WRITABLE;
    if (interest != c->interest) {
        c->interest = interest;
        io_socket_set_interest(c->socket, interest);
    }
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void on_ready(void *context, unsigned ready);

void connection_open(struct server_listener *listener, struct io_socket *socket,
                     const struct io_address *peer)
{
    struct server *server = listener->server;
    struct connection *c = MEM_NEW(struct connection);
    *c = (struct connection){
        .magic = CONNECTION_MAGIC,
        .state = CONNECTION_OPEN,
        .server = server,
        .listener = listener,
        .socket = socket,
        .peer = *peer,
        .active_ns = io_monotonic_ns(server->shard->io),
    };
    list_init(&c->requests);
    list_init(&c->out);
    list_push_back(&server->connections, &c->link);
    server->connection_count++;

    const struct io_socket_owner owner = { .on_ready = on_ready, .context = c };
    io_socket_set_owner(socket, &owner);
    if (server->limits.send_buffer_bytes > 0 || server->limits.receive_buffer_bytes > 0)
        io_socket_set_buffers(socket, server->limits.send_buffer_bytes,
                              server->limits.receive_buffer_bytes);
    connection__update_interest(c);
    if (!io_timer_is_armed(&server->deadlines))
        io_timer_arm_after(server->shard->io, &server->deadlines, DEADLINE_TICK_MS);
}

/* Requests in flight outlive what their connection was to them: appends happen, answers are dropped. */
void connection__drop_requests(struct connection *c)
{
    while (!list_is_empty(&c->requests)) {
        struct request *request = LIST_ENTRY(list_pop_front(&c->requests), struct request, link);
        c->request_count--;
        request->connection = NULL;
        request->listener = NULL;
        if (request->state == REQUEST_ANSWERED)
            pipeline_free_request(request);
        else if (request->on_gone != NULL)
            request->on_gone(request);
    }
}

void connection_close(struct connection *c)
{
    struct server *server = c->server;
    ASSERT(c->magic == CONNECTION_MAGIC);

    io_socket_close(c->socket);
    connection__window_release(c);
    connection__out_clear(c);
    list_remove(&c->link);
    list_remove(&c->resume_link);
    list_remove(&c->send_link);
    list_remove(&c->starve_link);
    list_remove(&c->room_link);
    list_remove(&c->ending_link);
    server->connection_count--;
    server->counters.connections_closed++;
    listener_on_closed(server, c->peer.host);
    connection__drop_requests(c);
    c->magic = 0;
    mem_free(c);
}

PRINTF_LIKE(2, 0)
static void tell_end(struct connection *c, const char *format, va_list args)
{
    char cause[400];
    (void)vsnprintf(cause, sizeof(cause), format, args); /* truncation is fine in a message */
    c->server->counters.requests_refused++;
    DIAG_WARN(c->server->shard->diag, "server", "closing connection from %s:%u on listener %s: %s",
              c->peer.host, c->peer.port, c->listener->name, cause);
}

void connection_cut(struct connection *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell_end(c, format, args);
    va_end(args);
    connection_close(c);
}

void connection_refuse(struct connection *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell_end(c, format, args);
    va_end(args);
    c->state = CONNECTION_CLOSING;
    connection__window_release(c);
    list_remove(&c->starve_link);
    list_remove(&c->room_link);
    connection__send_soon(c);
    connection__update_interest(c);
}

/* ---- what the socket says -------------------------------------------------------------------- */

/* Its bytes are of no use any more; its end is what we wait for. */
static void on_lingering(struct connection *c)
{
    uint8_t lost[4096];
    const int64_t n = io_socket_recv(c->socket, lost, sizeof(lost));
    if (n <= 0 && n != -EAGAIN)
        connection_close(c);
}

static void on_ready(void *context, unsigned ready)
{
    struct connection *c = context;
    ASSERT(c->magic == CONNECTION_MAGIC);
    struct server *server = c->server;

    c->active_ns = io_monotonic_ns(server->shard->io);
    list_remove(&c->link);
    list_push_back(&server->connections, &c->link);

    if ((ready & IO_WRITABLE) != 0)
        connection__send_soon(c);
    if ((ready & IO_ENDED) != 0) {
        connection_close(c);
        return;
    }
    if ((ready & IO_READABLE) == 0)
        return;
    if (c->state == CONNECTION_LINGERING) {
        on_lingering(c);
        return;
    }
    if ((c->interest & IO_READABLE) != 0) {
        connection__readable(c);
        return;
    }
    if (io_socket_status(c->socket) < 0)
        connection_close(c); /* heard although nothing was asked for: the socket has failed */
}

/* ---- deadlines ------------------------------------------------------------------------------- */

void connection_check_deadlines(struct server *server)
{
    const int64_t now_ns = io_monotonic_ns(server->shard->io);
    const struct server_limits *limits = &server->limits;

    LIST_FOR_EACH(&server->frames, link)
    connection__check_frame(LIST_ENTRY(link, struct connection, frame_link), now_ns);
    connection_give_up_hoards(server, now_ns);
    connection_cut_deaf(server, now_ns);
    /* In order of time: each walk ends at the first that is still young. */
    LIST_FOR_EACH(&server->ending, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, ending_link);
        if (now_ns - c->ending_ns < ENDING_MS_MAX * NS_PER_MS)
            break;
        connection_close(c);
    }
    LIST_FOR_EACH(&server->connections, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, link);
        if (limits->idle_ms_max < 0 || now_ns - c->active_ns < limits->idle_ms_max * NS_PER_MS)
            break;
        if (c->request_count == 0)
            connection_close(c);
    }
    server->memory_warned &= connection__memory_is_short(server); /* not with every change */
    connection_unstarve(server);
    if (server->connection_count > 0)
        io_timer_arm_after(server->shard->io, &server->deadlines, DEADLINE_TICK_MS);
    else
        shared_pool_trim(&server->pool, 0);
}
