/* Answers in the order of their requests, bytes out. */
#include "server/server_int.h"

#define SEND_PARTS_MAX 64

/* ---- what is to be sent ---------------------------------------------------------------------- */

void connection__out_add(struct connection *c, struct out_part *part)
{
    const size_t bytes = part->memory == NULL ? 0 : part->left_bytes;
    c->out_bytes += bytes;
    c->server->out_bytes += bytes;
    c->server->purse_bytes[part->purse] += bytes;
    list_push_back(&c->out, &part->link);
}

/* So much of the first part is sent, or given up. */
static void out_drop(struct connection *c, struct out_part *part, size_t bytes)
{
    if (part->memory != NULL) {
        c->out_bytes -= bytes;
        c->server->out_bytes -= bytes;
        c->server->purse_bytes[part->purse] -= bytes;
    }
    part->position += (int64_t)bytes;
    part->left_bytes -= bytes;
    if (part->left_bytes > 0)
        return;
    list_remove(&part->link);
    out_part_free(part);
}

void connection__out_clear(struct connection *c)
{
    while (!list_is_empty(&c->out)) {
        struct out_part *part = LIST_ENTRY(c->out.next, struct out_part, link);
        out_drop(c, part, part->left_bytes);
    }
}

bool connection__is_out_full(const struct connection *c)
{
    return c->out_bytes > CONNECTION_OUT_BYTES_MAX ||
           (c->out_bytes > 0 && c->server->out_bytes > c->server->limits.memory_bytes_max);
}

/* Half of the memory for each purse: who asks little is served while large answers are not read. One answer may go
 * beyond, so that the largest can always be given. */
bool connection__has_room(const struct server *server, enum purse purse)
{
    return server->purse_bytes[purse] + server->stepping_bytes[purse] <=
           server->limits.memory_bytes_max / 2;
}

bool connection__may_answer(struct connection *c, struct bytes body)
{
    if (connection__has_room(c->server, PURSE_SMALL) &&
        connection__has_room(c->server, PURSE_LARGE))
        return true;
    bool needs_room;
    const enum purse purse = pipeline_purse(c, body, &needs_room);
    if (!needs_room || connection__has_room(c->server, purse))
        return true;
    if (!list_is_linked(&c->room_link))
        list_push_back(&c->server->crowded[purse], &c->room_link);
    return false;
}

/* In the order in which they came: those for whom there is no room after all come back in the same order. */
void connection_uncrowd(struct server *server)
{
    for (enum purse purse = 0; purse < PURSE_COUNT; purse++) {
        struct list *link;
        while (connection__has_room(server, purse) &&
               (link = list_pop_front(&server->crowded[purse])) != NULL) {
            struct connection *c = LIST_ENTRY(link, struct connection, room_link);
            if (!list_is_linked(&c->resume_link))
                list_push_back(&server->resume, &c->resume_link);
        }
    }
}

#define UNREAD_MS_MAX       2000
#define READ_BYTES_A_MS_MIN 32 /* 32 KB a second */

/* Whether it took too little of its answers while they were watched. */
static bool is_deaf(struct connection *c, int64_t now_ns)
{
    const int64_t watched_ms = (now_ns - c->unread_ns) / NS_PER_MS;
    if (c->unread_ns != 0 && watched_ms < UNREAD_MS_MAX)
        return false;
    const bool is_watched = c->unread_ns != 0;
    const uint64_t read_bytes = c->sent_bytes - c->unread_sent_bytes;
    c->unread_ns = now_ns;
    c->unread_sent_bytes = c->sent_bytes;
    return is_watched && read_bytes < (uint64_t)watched_ms * READ_BYTES_A_MS_MIN;
}

void connection_cut_deaf(struct server *server, int64_t now_ns)
{
    const bool is_crowded = !list_is_empty(&server->crowded[PURSE_SMALL]) ||
                            !list_is_empty(&server->crowded[PURSE_LARGE]) || steps_wait(server);
    if (!is_crowded && !server->watches_readers)
        return;
    server->watches_readers = is_crowded;
    LIST_FOR_EACH(&server->connections, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, link);
        if (!is_crowded)
            c->unread_ns = 0;
        else if (c->out_bytes > 0 && is_deaf(c, now_ns))
            connection_cut(c, "%zu bytes of answers are not read while others wait for memory",
                           c->out_bytes);
    }
}

void connection__send_soon(struct connection *c)
{
    if (!list_is_linked(&c->send_link))
        list_push_back(&c->server->sending, &c->send_link);
}

void connection__resume_soon(struct connection *c)
{
    if (c->is_blocked && !list_is_linked(&c->resume_link))
        list_push_back(&c->server->resume, &c->resume_link);
}

void connection_answers_ready(struct connection *c)
{
    bool moved = false;
    while (!list_is_empty(&c->requests)) {
        struct request *request = LIST_ENTRY(c->requests.next, struct request, link);
        if (request->state != REQUEST_ANSWERED)
            break;
        while (!list_is_empty(&request->out))
            connection__out_add(c,
                                LIST_ENTRY(list_pop_front(&request->out), struct out_part, link));
        const bool is_last = request->is_last;
        list_remove(&request->link);
        c->request_count--;
        pipeline_free_request(request);
        moved = true;
        if (is_last)
            connection__drop_requests(
                c); /* their answers would be taken for that of the one that failed */
    }
    if (!moved)
        return;
    connection__send_soon(c);
    connection__resume_soon(c);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The next run of memory parts in one call, or one file region. A count, or as the socket says. */
static int64_t send_some(struct connection *c)
{
    struct out_part *first = LIST_ENTRY(c->out.next, struct out_part, link);
    if (first->file != NULL) {
        const int64_t n =
            io_socket_send_file(c->socket, first->file, first->position, first->left_bytes);
        return n == 0 ? -ENODATA : n; /* the length is announced already */
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
        out_drop(c, part, n);
        sent_bytes -= n;
    }
}

/* Says that nothing follows, and waits for the peer to say the same. A peer that was sent nothing misses nothing. */
static void finish_sending(struct connection *c)
{
    if (!c->has_sent) {
        connection_close(c);
        return;
    }
    c->state = CONNECTION_LINGERING;
    io_socket_finish(c->socket);
    connection__update_interest(c);
}

/* From when on an end may not take long: the peer alone can hold it up. */
static void begin_ending(struct connection *c)
{
    if (c->state == CONNECTION_OPEN || !list_is_empty(&c->requests) ||
        list_is_linked(&c->ending_link))
        return;
    c->ending_ns = io_monotonic_ns(c->server->shard->io);
    list_push_back(&c->server->ending, &c->ending_link);
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
        if (n == -ENODATA) {
            const struct out_part *part = LIST_ENTRY(c->out.next, struct out_part, link);
            connection_cut(c,
                           "a segment ends at or before byte %" PRId64
                           ", where %zu bytes more were to be sent: it was cut off meanwhile",
                           part->position, part->left_bytes);
            return;
        }
        if (n < 0) {
            connection_close(c);
            return;
        }
        drop_sent(c, (size_t)n);
        sent_bytes += (size_t)n;
    }
    c->server->counters.sent_bytes += sent_bytes;
    c->sent_bytes += sent_bytes;
    c->has_sent |= sent_bytes > 0;
    if (list_is_empty(&c->out))
        c->unread_ns = 0;
    if (!connection__is_out_full(c))
        connection__resume_soon(c);
    begin_ending(c);
    if (c->state == CONNECTION_CLOSING && list_is_empty(&c->out) && list_is_empty(&c->requests))
        finish_sending(c);
    else
        connection__update_interest(c);
}
