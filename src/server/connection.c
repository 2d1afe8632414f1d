/* One connection: bytes in, frames out of them; answers in, bytes out of them.
 *
 * Receiving. A connection without unfinished bytes owns no buffer: its bytes land in the server's
 * landing buffer, are framed there in place, and records of a Produce go from there to their file.
 * An incomplete frame moves to a window of the connection's own, as large as the frame when that is
 * moderate, growing with what has really arrived when it is not. A connection whose frames are
 * large gets a window of that size before it is read, so that their bytes are never moved.
 */
#include "server/server_int.h"

#include "base/be.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LANDING_BYTES      (256u << 10)
#define LANDING_LEFT_MIN   (32u << 10) /* a fresh landing buffer is taken below this */
#define FRAME_PREFIX_BYTES 4
#define WINDOW_TRUST_BYTES (1u << 20) /* a frame up to this size gets its whole window at once */
#define SEND_PARTS_MAX     64
#define DEADLINE_TICK_MS   500

static void update_interest(struct connection *c);

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
    update_interest(c);
    if (!io_timer_is_armed(&server->deadlines))
        io_timer_arm_after(server->shard->io, &server->deadlines, DEADLINE_TICK_MS);
}

static void window_release(struct connection *c)
{
    shared_unref(c->window.shared);
    c->window = (struct receive_window){ 0 };
    list_remove(&c->frame_link);
}

void connection_close(struct connection *c)
{
    struct server *server = c->server;
    ASSERT(c->magic == CONNECTION_MAGIC);

    io_socket_close(c->socket);
    window_release(c);
    while (!list_is_empty(&c->out))
        out_part_free(LIST_ENTRY(list_pop_front(&c->out), struct out_part, link));
    list_remove(&c->link);
    list_remove(&c->resume_link);
    list_remove(&c->send_link);
    list_remove(&c->starve_link);
    listener_forget_host(server, c->peer.host);
    server->connection_count--;
    server->counters.connections_closed++;

    /* Requests in flight outlive the connection: appends happen, answers are dropped. */
    while (!list_is_empty(&c->requests)) {
        struct request *request = LIST_ENTRY(list_pop_front(&c->requests), struct request, link);
        request->connection = NULL;
        request->listener = NULL;
        if (request->state == REQUEST_ANSWERED)
            pipeline_free_request(request);
        else if (request->on_gone != NULL)
            request->on_gone(request);
    }
    c->magic = 0;
    mem_free(c);
}

static bool has_output(const struct connection *c)
{
    return !list_is_empty(&c->out) || !list_is_empty(&c->requests);
}

void connection_refuse(struct connection *c, const char *format, ...)
{
    char cause[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(cause, sizeof(cause), format, args); /* truncation is fine in a message */
    va_end(args);

    c->server->counters.requests_refused++;
    DIAG_WARN(c->server->shard->diag, "server", "closing connection from %s:%u on listener %s: %s",
              c->peer.host, c->peer.port, c->listener->name, cause);
    c->state = CONNECTION_CLOSING;
    window_release(c);
    list_remove(&c->starve_link);
    if (!list_is_linked(&c->send_link))
        list_push_back(&c->server->sending, &c->send_link);
    update_interest(c);
}

static void update_interest(struct connection *c)
{
    unsigned interest = 0;
    if (c->state == CONNECTION_OPEN && !c->is_blocked && !list_is_linked(&c->starve_link))
        interest |= IO_READABLE;
    if (!list_is_empty(&c->out))
        interest |= IO_WRITABLE;
    if (interest != c->interest) {
        c->interest = interest;
        io_socket_set_interest(c->socket, interest);
    }
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* A peer that speaks something else: tell it in its own language where it has one. */
static void answer_text(struct connection *c, const char *text)
{
    struct out_part *part = MEM_NEW(struct out_part);
    part->left_bytes = strlen(text);
    part->memory = mem_dup(text, part->left_bytes);
    list_push_back(&c->out, &part->link);
}

static const char http_answer[] =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain\r\n"
    "Connection: close\r\n"
    "Content-Length: 78\r\n"
    "\r\n"
    "This port speaks the Kafka protocol, not HTTP. Point a Kafka client at it.   \r\n";

static bool looks_like_http(const uint8_t *p)
{
    static const char *const methods[] = { "GET ", "HEAD", "POST", "PUT ", "DELE",
                                           "OPTI", "PATC", "CONN", "PRI " };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (memcmp(p, methods[i], 4) == 0)
            return true;
    }
    return false;
}

/* Judges the size prefix. False: the connection was refused. */
static bool check_frame_size(struct connection *c, const uint8_t *prefix)
{
    const int32_t size = be_load_i32(prefix);
    if (size >= 0 && (uint32_t)size <= c->server->limits.frame_bytes_max)
        return true;

    if (looks_like_http(prefix)) {
        answer_text(c, http_answer);
        connection_refuse(c, "an HTTP request came on a port that speaks the Kafka protocol");
    } else if (prefix[0] == 0x16 && prefix[1] == 0x03) {
        /* A fatal alert, protocol_version (RFC 8446, 6.2), in the record form of every TLS version. */
        struct out_part *part = MEM_NEW(struct out_part);
        static const uint8_t alert[] = { 0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46 };
        part->left_bytes = sizeof(alert);
        part->memory = mem_dup(alert, sizeof(alert));
        list_push_back(&c->out, &part->link);
        connection_refuse(c, "a TLS handshake came on a plaintext port; set "
                             "security.protocol=PLAINTEXT in the client");
    } else if (size < 0) {
        connection_refuse(c, "frame size %d is negative; this is no Kafka request", size);
    } else {
        connection_refuse(c, "frame size %d is above socket.request.max.bytes=%u", size,
                          c->server->limits.frame_bytes_max);
    }
    return false;
}

/* Handles the complete frames of `window`. What is left begins at window->start. False: the connection is
 * closing, or gone (then *out_gone). */
static bool take_frames(struct connection *c, struct receive_window *window)
{
    while (c->state == CONNECTION_OPEN && window->end - window->start >= FRAME_PREFIX_BYTES) {
        const uint8_t *at = window->shared->data + window->start;
        if (!check_frame_size(c, at))
            return false;
        const size_t size = be_load_u32(at);
        const size_t have = window->end - window->start - FRAME_PREFIX_BYTES;
        const struct bytes body = bytes_from(at + FRAME_PREFIX_BYTES, MIN(size, have));
        c->is_blocked = !pipeline_may_start(c, body);
        if (have < size || c->is_blocked)
            return true;
        c->frame_bytes_last = size + FRAME_PREFIX_BYTES;
        window->start += size + FRAME_PREFIX_BYTES;
        c->server->counters.requests++;
        if (!pipeline_on_frame(c, window->shared, body))
            return false;
    }
    return c->state == CONNECTION_OPEN;
}

/* ---- memory for received bytes --------------------------------------------------------------- */

static bool memory_is_short(const struct server *server)
{
    return server->pool.lent_bytes > server->limits.memory_bytes_max;
}

/* Not read until memory is free. A frame that has begun goes on when it is the oldest such one, so that
 * one oversized request at a time always finishes. */
static bool must_starve(struct connection *c)
{
    struct server *server = c->server;
    if (!memory_is_short(server))
        return false;
    return server->frames.next != &c->frame_link;
}

static void starve(struct connection *c)
{
    struct server *server = c->server;
    if (!server->memory_warned) {
        server->memory_warned = true;
        DIAG_WARN(server->shard->diag, "server",
                  "%zu bytes of requests wait in memory (limit %zu): reading pauses",
                  server->pool.lent_bytes, server->limits.memory_bytes_max);
    }
    if (!list_is_linked(&c->starve_link))
        list_push_back(&server->starved, &c->starve_link);
    update_interest(c);
}

void connection_unstarve(struct server *server)
{
    if (list_is_empty(&server->starved))
        return;
    const bool is_short = memory_is_short(server);
    LIST_FOR_EACH(&server->starved, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, starve_link);
        if (is_short && server->frames.next != &c->frame_link)
            continue;
        list_remove(link);
        update_interest(c);
    }
    server->memory_warned = is_short && server->memory_warned;
}

/* Moves unfinished bytes to a window of the connection's own with room for the whole frame, or, for a large
 * one, for twice what has come. */
static void keep_rest(struct connection *c, struct receive_window *from)
{
    const size_t have = from->end - from->start;
    struct server *server = c->server;
    size_t want = FRAME_PREFIX_BYTES;
    if (have >= FRAME_PREFIX_BYTES)
        want += be_load_u32(from->shared->data + from->start);
    if (want > WINDOW_TRUST_BYTES + FRAME_PREFIX_BYTES)
        want = MIN(want, MAX((size_t)WINDOW_TRUST_BYTES, 2 * have));
    want = MAX(want, have);

    const bool is_own = from == &c->window;
    if (is_own && from->start == 0 && from->shared->size >= want)
        return;
    struct shared *shared = shared_pool_take(&server->pool, want);
    memcpy(shared->data, from->shared->data + from->start, have);
    if (is_own)
        shared_unref(from->shared);
    c->window = (struct receive_window){ .shared = shared, .start = 0, .end = have };
    if (!list_is_linked(&c->frame_link)) {
        c->frame_started_ns = io_monotonic_ns(server->shard->io);
        list_push_back(&server->frames, &c->frame_link);
    }
}

/* The window to receive into: the connection's own when it has unfinished bytes or large frames. */
static struct receive_window *choose_window(struct connection *c)
{
    struct server *server = c->server;
    if (c->window.shared != NULL)
        return &c->window;
    if (c->frame_bytes_last > LANDING_BYTES / 2 && c->frame_bytes_last <= SHARED_POOL_SIZE_MAX) {
        c->window.shared = shared_pool_take(&server->pool, c->frame_bytes_last);
        return &c->window;
    }
    struct receive_window *landing = &server->landing;
    if (landing->shared != NULL && landing->shared->reference_count == 1)
        landing->end = 0;
    if (landing->shared != NULL && landing->shared->size - landing->end < LANDING_LEFT_MIN) {
        shared_unref(landing->shared);
        landing->shared = NULL;
    }
    if (landing->shared == NULL) {
        landing->shared = shared_pool_take(&server->pool, LANDING_BYTES);
        landing->end = 0;
    }
    landing->start = landing->end;
    return landing;
}

/* Frames what is in the window, and keeps or lets go of the rest. */
static void process_window(struct connection *c, struct receive_window *window)
{
    if (!take_frames(c, window)) {
        if (window != &c->window)
            window->start = window->end;
        return; /* closing: connection_refuse released the own window */
    }
    if (window->start == window->end) {
        if (window == &c->window)
            window_release(c);
    } else {
        keep_rest(c, window);
    }
    update_interest(c);
}

static void on_readable(struct connection *c)
{
    struct server *server = c->server;
    if (must_starve(c)) {
        starve(c);
        return;
    }
    struct receive_window *window = choose_window(c);
    const int64_t n = io_socket_recv(c->socket, window->shared->data + window->end,
                                     window->shared->size - window->end);
    if (n == -EAGAIN) {
        if (window == &c->window && window->start == window->end)
            window_release(c);
        return;
    }
    if (n <= 0) {
        connection_close(c); /* as Kafka: the end of the stream ends what was asked, too */
        return;
    }
    server->counters.received_bytes += (uint64_t)n;
    window->end += (size_t)n;
    process_window(c, window);
}

static void on_ready(void *context, unsigned ready)
{
    struct connection *c = context;
    ASSERT(c->magic == CONNECTION_MAGIC);
    struct server *server = c->server;

    c->active_ns = io_monotonic_ns(server->shard->io);
    list_remove(&c->link);
    list_push_back(&server->connections, &c->link);

    if ((ready & IO_WRITABLE) != 0 && !list_is_linked(&c->send_link))
        list_push_back(&server->sending, &c->send_link);
    if ((ready & IO_READABLE) == 0)
        return;
    if ((c->interest & IO_READABLE) != 0) {
        on_readable(c);
        return;
    }
    if (io_socket_status(c->socket) < 0)
        connection_close(c); /* heard although nothing was asked for: the socket has failed */
}

/* ---- answers --------------------------------------------------------------------------------- */

void connection_answers_ready(struct connection *c)
{
    bool moved = false;
    while (!list_is_empty(&c->requests)) {
        struct request *request = LIST_ENTRY(c->requests.next, struct request, link);
        if (request->state != REQUEST_ANSWERED)
            break;
        while (!list_is_empty(&request->out))
            list_push_back(&c->out, list_pop_front(&request->out));
        list_remove(&request->link);
        c->request_count--;
        pipeline_free_request(request);
        moved = true;
    }
    if (!moved)
        return;
    if (!list_is_linked(&c->send_link))
        list_push_back(&c->server->sending, &c->send_link);
    if (c->is_blocked && !list_is_linked(&c->resume_link))
        list_push_back(&c->server->resume, &c->resume_link);
}

bool connection_resume(struct connection *c)
{
    if (c->state != CONNECTION_OPEN || c->window.shared == NULL)
        return false;
    const uint64_t before = c->server->counters.requests;
    struct server *server = c->server;
    c->is_blocked = false;
    process_window(c, &c->window);
    return server->counters.requests != before;
}

/* The next run of memory parts in one call, or one file region. A count, or as the socket says. */
static int64_t send_some(struct connection *c)
{
    struct out_part *first = LIST_ENTRY(c->out.next, struct out_part, link);
    if (first->file != NULL) {
        const int64_t n =
            io_socket_send_file(c->socket, first->file, first->position, first->left_bytes);
        return n == 0 ? -EIO : n; /* cut short by truncation: the length is announced already */
    }
    struct iovec parts[SEND_PARTS_MAX];
    int count = 0;
    bool more_follows = false;
    for (struct list *link = c->out.next; link != &c->out; link = link->next) {
        const struct out_part *part = LIST_ENTRY(link, struct out_part, link);
        if (part->file != NULL || count == SEND_PARTS_MAX) {
            more_follows = true;
            break;
        }
        parts[count++] = (struct iovec){ .iov_base = part->memory + part->position,
                                         .iov_len = part->left_bytes };
    }
    return io_socket_sendv(c->socket, parts, count, more_follows);
}

static void drop_sent(struct connection *c, size_t sent_bytes)
{
    while (sent_bytes > 0) {
        struct out_part *part = LIST_ENTRY(c->out.next, struct out_part, link);
        const size_t n = MIN(sent_bytes, part->left_bytes);
        part->position += (int64_t)n;
        part->left_bytes -= n;
        sent_bytes -= n;
        if (part->left_bytes == 0) {
            list_remove(&part->link);
            out_part_free(part);
        }
    }
}

/* One turn's share of a connection with much to send, so that the others get theirs. */
#define SEND_BYTES_A_TURN (4u << 20)

void connection_send(struct connection *c)
{
    size_t sent_bytes = 0;
    while (!list_is_empty(&c->out) && sent_bytes < SEND_BYTES_A_TURN) {
        const int64_t n = send_some(c);
        if (n == -EAGAIN)
            break;
        if (n < 0) {
            connection_close(c);
            return;
        }
        drop_sent(c, (size_t)n);
        sent_bytes += (size_t)n;
    }
    c->server->counters.sent_bytes += sent_bytes;
    if (c->state == CONNECTION_CLOSING && !has_output(c)) {
        connection_close(c);
        return;
    }
    update_interest(c);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

void connection_check_deadlines(struct server *server)
{
    const int64_t now_ns = io_monotonic_ns(server->shard->io);
    const struct server_limits *limits = &server->limits;

    /* Both lists are in order of time, so each walk ends at the first that is still young. */
    LIST_FOR_EACH(&server->frames, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, frame_link);
        if (now_ns - c->frame_started_ns < limits->frame_ms_max * NS_PER_MS)
            break;
        if (c->is_blocked || list_is_linked(&c->starve_link))
            continue; /* it waits for us, not we for it */
        connection_refuse(
            c, "a request began %" PRId64 " ms ago and is still incomplete (%zu bytes came)",
            (now_ns - c->frame_started_ns) / NS_PER_MS, c->window.end - c->window.start);
    }
    LIST_FOR_EACH(&server->connections, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, link);
        if (limits->idle_ms_max < 0 || now_ns - c->active_ns < limits->idle_ms_max * NS_PER_MS)
            break;
        if (c->request_count == 0 || c->state == CONNECTION_CLOSING)
            connection_close(c);
    }
    connection_unstarve(server);
    if (server->connection_count > 0)
        io_timer_arm_after(server->shard->io, &server->deadlines, DEADLINE_TICK_MS);
    else
        shared_pool_trim(&server->pool, 0);
}
