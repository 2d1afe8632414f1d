/* Bytes in, frames out of them.
 *
 * A connection without unfinished bytes owns no buffer: its bytes land in the server's landing buffer, are framed there in
 * place, and records of a Produce go from there to their file. An incomplete frame moves to a window of the connection's
 * own, which grows with what has really arrived: an announcement costs nobody anything. A connection that has sent large
 * frames before gets a window of that size before it is read, so that their bytes are never moved.
 *
 * A turn first receives from everybody, then frames and handles: with many small requests that is a tenth quicker than
 * one after the other, each with its system call, because code and branches stay warm.
 */
#include "server/server_int.h"

#include "base/be.h"

#include <string.h>

#define LANDING_BYTES          (256u << 10)
#define LANDING_LEFT_MIN       (32u << 10) /* a fresh landing buffer is taken below this */
#define STALL_MS_MAX           2000        /* of an incomplete frame while memory is short */
/* While memory is short, large frames must come at 64 KB a second, all together, in each run of so many ms. */
#define PRESSED_MS             2000
#define PRESSED_BYTES_A_MS_MIN 64
/* Kept for frames of at most SHARED_POOL_SMALL_MAX, beyond memory_bytes_max: however many large ones stand still, those who
 * send little are served. */
#define SMALL_MEMORY_BYTES_MAX (4u << 20)

void connection__window_release(struct connection *c)
{
    shared_unref(c->window.shared);
    c->window = (struct receive_window){ 0 };
    list_remove(&c->frame_link);
}

/* ---- memory for received bytes --------------------------------------------------------------- */

/* The landing buffer counts when somebody's bytes are in it. */
bool connection__memory_is_short(const struct server *server)
{
    const struct shared *landing = server->landing.shared;
    const size_t idle = landing != NULL && landing->reference_count == 1 ? landing->size : 0;
    const size_t reserved = MIN(server->pool.small_bytes, SMALL_MEMORY_BYTES_MAX);
    return server->pool.lent_bytes - idle - reserved > server->limits.memory_bytes_max;
}

/* The incomplete frame that goes on even when memory is short, so that one oversized request at a time always finishes:
 * the oldest that waits for its peer and not for us. */
static const struct connection *favourite(const struct server *server)
{
    LIST_FOR_EACH(&server->frames, link)
    {
        const struct connection *c = LIST_ENTRY(link, struct connection, frame_link);
        if (!c->is_blocked)
            return c;
    }
    return NULL;
}

/* The size of the frame at the window's start with its prefix; of the prefix alone while that is incomplete. */
static size_t frame_bytes(const struct connection *c)
{
    const struct receive_window *window = &c->window;
    if (window->end - window->start < CONNECTION_PREFIX_BYTES)
        return CONNECTION_PREFIX_BYTES;
    return CONNECTION_PREFIX_BYTES + (size_t)be_load_u32(window->shared->data + window->start);
}

/* Whether it may be read while memory is short: what it is about to send is small for all we know, and there is room. */
static bool fits_reserve(const struct connection *c)
{
    const struct shared *own = c->window.shared;
    return c->server->pool.small_bytes < SMALL_MEMORY_BYTES_MAX &&
           (own == NULL ||
            (own->size <= SHARED_POOL_SMALL_MAX && frame_bytes(c) <= SHARED_POOL_SMALL_MAX));
}

static bool is_out_of_memory(const struct connection *c)
{
    return connection__memory_is_short(c->server) && favourite(c->server) != c;
}

/* What came before does not count: it waited for us. */
static void begin_time(struct connection *c)
{
    c->frame_started_ns = c->frame_heard_ns = io_monotonic_ns(c->server->shard->io);
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
    if (server->pressed_ns == 0) {
        server->pressed_ns = io_monotonic_ns(server->shard->io);
        server->pressed_bytes = 0;
    }
    if (!list_is_linked(&c->starve_link))
        list_push_back(&server->starved, &c->starve_link);
    connection__update_interest(c);
}

void connection_unstarve(struct server *server)
{
    if (list_is_empty(&server->starved))
        return;
    const bool is_short = connection__memory_is_short(server);
    const struct connection *chosen = favourite(server);
    LIST_FOR_EACH(&server->starved, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, starve_link);
        if (is_short && c != chosen && !fits_reserve(c))
            continue;
        list_remove(link);
        begin_time(c);
        connection__update_interest(c);
    }
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Large windows for those who have used such before, as long as half of the memory is free. */
static bool has_earned(const struct connection *c, size_t size_bytes)
{
    const struct server *server = c->server;
    return size_bytes <= c->frame_bytes_last && size_bytes <= SHARED_POOL_SIZE_MAX &&
           server->pool.lent_bytes + size_bytes <= server->limits.memory_bytes_max / 2;
}

/* How much room unfinished bytes get: for more than has come, or for the whole frame where that is earned. A large one that
 * has to stand still while memory is short gets no more than it has; it grows before it is read again. */
static size_t room_wanted(const struct connection *c)
{
    const size_t have = c->window.end - c->window.start;
    const size_t whole = frame_bytes(c);
    if (whole > SHARED_POOL_SMALL_MAX && is_out_of_memory(c))
        return have;
    if (has_earned(c, whole))
        return MAX(whole, have);
    return MAX(have, MIN(whole, MAX((size_t)SHARED_POOL_SIZE_MIN, 2 * have)));
}

/* Moves unfinished bytes to a window of the connection's own. */
static void keep_rest(struct connection *c)
{
    struct receive_window *from = &c->window;
    const size_t have = from->end - from->start;
    struct server *server = c->server;
    if (!list_is_linked(&c->frame_link)) {
        begin_time(c);
        c->frame_began_ns = c->frame_started_ns;
        list_push_back(&server->frames, &c->frame_link);
    }
    const size_t want = room_wanted(c);
    if (!from->is_landing && from->start == 0 && from->shared->size >= want)
        return;
    struct shared *shared = shared_pool_take(&server->pool, want);
    memcpy(shared->data, from->shared->data + from->start, have);
    shared_unref(from->shared);
    c->window = (struct receive_window){ .shared = shared, .start = 0, .end = have };
}

/* A slice of the landing buffer, as long as its rest. */
static struct receive_window land(struct server *server)
{
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
    return (struct receive_window){ .shared = shared_ref(landing->shared),
                                    .start = landing->end,
                                    .end = landing->end,
                                    .is_landing = true };
}

/* Makes sure of a window to receive into: of its own, or large, or a place in the landing buffer. What the reserve serves
 * has its own, since others' bytes would keep the landing buffer. */
static void open_window(struct connection *c, bool is_from_reserve)
{
    struct server *server = c->server;
    if (c->window.shared != NULL) {
        if (c->window.end == c->window.shared->size)
            keep_rest(c);
        return;
    }
    if (is_from_reserve)
        c->window.shared = shared_pool_take(&server->pool, SHARED_POOL_SIZE_MIN);
    else if (c->frame_bytes_last > LANDING_BYTES / 2 && has_earned(c, c->frame_bytes_last))
        c->window.shared = shared_pool_take(&server->pool, c->frame_bytes_last);
    else
        c->window = land(server);
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Handles the complete frames of the window. What is left begins at its start. False: the connection is closing. */
static bool take_frames(struct connection *c)
{
    struct receive_window *window = &c->window;
    while (c->state == CONNECTION_OPEN && window->end - window->start >= CONNECTION_PREFIX_BYTES) {
        const uint8_t *at = window->shared->data + window->start;
        if (!connection__check_prefix(c, at))
            return false;
        const size_t size = be_load_u32(at);
        const size_t have = window->end - window->start - CONNECTION_PREFIX_BYTES;
        const struct bytes body = bytes_from(at + CONNECTION_PREFIX_BYTES, MIN(size, have));
        c->is_blocked =
            connection__is_out_full(c) ||
            (have >= size && (!pipeline_may_start(c, body) || !connection__may_answer(c, body)));
        if (have < size || c->is_blocked)
            return true;
        c->frame_bytes_last = size + CONNECTION_PREFIX_BYTES;
        window->start += size + CONNECTION_PREFIX_BYTES;
        list_remove(&c->frame_link); /* the next one begins its own time */
        c->server->counters.requests++;
        if (!pipeline_on_frame(c, window->shared, body))
            return false;
    }
    return c->state == CONNECTION_OPEN;
}

/* Frames what is in the window, and keeps or lets go of the rest. */
static void process_window(struct connection *c)
{
    if (!take_frames(c))
        return; /* closing: connection_refuse released the window */
    if (c->window.start == c->window.end)
        connection__window_release(c);
    else
        keep_rest(c);
    connection__update_interest(c);
}

void connection__readable(struct connection *c)
{
    struct server *server = c->server;
    if (list_is_linked(&c->resume_link))
        return; /* what has come first is not looked at yet */
    const bool is_from_reserve = is_out_of_memory(c);
    if (is_from_reserve && !fits_reserve(c)) {
        starve(c);
        return;
    }
    open_window(c, is_from_reserve);
    struct receive_window *window = &c->window;
    const int64_t n = io_socket_recv(c->socket, window->shared->data + window->end,
                                     window->shared->size - window->end);
    if (n <= 0 && n != -EAGAIN) {
        connection_close(c); /* as Kafka: the end of the stream ends what was asked, too */
        return;
    }
    if (n == -EAGAIN) {
        if (window->start == window->end)
            connection__window_release(c);
        return;
    }
    server->counters.received_bytes += (uint64_t)n;
    if (window->shared->size > SHARED_POOL_SMALL_MAX)
        server->pressed_bytes += (uint64_t)n;
    window->end += (size_t)n;
    if (window->is_landing)
        server->landing.end = window->end;
    c->frame_heard_ns = c->active_ns;
    list_push_back(&server->resume, &c->resume_link);
}

bool connection_resume(struct connection *c)
{
    list_remove(&c->room_link); /* what it waits for, if anything, is found out anew */
    if (c->state != CONNECTION_OPEN || c->window.shared == NULL)
        return false;
    const uint64_t before = c->server->counters.requests;
    struct server *server = c->server;
    if (c->is_blocked) {
        c->is_blocked = false;
        begin_time(c);
        c->frame_began_ns = c->frame_started_ns;
    }
    process_window(c);
    return server->counters.requests != before;
}

/* ---- deadlines ------------------------------------------------------------------------------- */

/* It waits for us; but so long that its sender has given up, or in the place of those who send little. */
static void check_starved(struct connection *c, int64_t now_ns)
{
    const struct server *server = c->server;
    const int64_t age_ms = (now_ns - c->frame_began_ns) / NS_PER_MS;
    const bool is_in_reserve = c->window.shared->size <= SHARED_POOL_SMALL_MAX &&
                               server->pool.small_bytes > SMALL_MEMORY_BYTES_MAX / 2;
    if (age_ms >= (is_in_reserve ? STALL_MS_MAX : server->limits.frame_ms_max) &&
        connection__memory_is_short(server))
        connection_refuse(
            c, "a request began %" PRId64 " ms ago, and there is no memory for it (%zu bytes came)",
            age_ms, c->window.end - c->window.start);
}

/* The largest window of an incomplete frame that waits for its peer; the sum of all such. NULL: there is none. */
static struct connection *largest_holder(const struct server *server, size_t *out_sum_bytes)
{
    struct connection *largest = NULL;
    *out_sum_bytes = 0;
    LIST_FOR_EACH(&server->frames, link)
    {
        struct connection *c = LIST_ENTRY(link, struct connection, frame_link);
        if (c->is_blocked)
            continue;
        *out_sum_bytes += c->window.shared->size;
        if (largest == NULL || c->window.shared->size > largest->window.shared->size)
            largest = c;
    }
    return largest;
}

void connection_give_up_hoards(struct server *server, int64_t now_ns)
{
    const int64_t pressed_ms = (now_ns - server->pressed_ns) / NS_PER_MS;
    if (server->pressed_ns == 0 || pressed_ms < PRESSED_MS)
        return;
    const bool is_hoarded = server->pressed_bytes < (uint64_t)pressed_ms * PRESSED_BYTES_A_MS_MIN;
    server->pressed_bytes = 0;
    const size_t bytes_max = server->limits.memory_bytes_max;
    const bool is_still_short = server->pool.lent_bytes > bytes_max - bytes_max / 4;
    /* What fills the memory that becomes free now is not counted: the next run begins when it is short again. */
    server->pressed_ns = is_still_short && !is_hoarded ? now_ns : 0;
    if (!is_still_short || !is_hoarded)
        return;
    size_t held_bytes;
    struct connection *c;
    while ((c = largest_holder(server, &held_bytes)) != NULL && held_bytes > bytes_max / 2)
        connection_refuse(c,
                          "an incomplete request (%zu bytes came) is given up: memory for requests "
                          "is short, and hardly anything comes",
                          c->window.end - c->window.start);
}

void connection__check_frame(struct connection *c, int64_t now_ns)
{
    const struct server *server = c->server;
    if (connection__is_out_full(c) && connection__memory_is_short(server) &&
        now_ns - c->active_ns >= STALL_MS_MAX * NS_PER_MS) {
        connection_refuse(c, "%zu bytes of answers are not read while memory for requests is short",
                          c->out_bytes);
        return;
    }
    if (c->is_blocked)
        return; /* it waits for us, not we for it */
    if (list_is_linked(&c->starve_link)) {
        check_starved(c, now_ns);
        return;
    }
    const int64_t age_ms = (now_ns - c->frame_started_ns) / NS_PER_MS;
    const int64_t silent_ms = (now_ns - c->frame_heard_ns) / NS_PER_MS;
    const size_t came = c->window.end - c->window.start;
    const bool is_slow = came < (uint64_t)age_ms * FRAME_BYTES_A_MS_MIN;
    const bool is_short = connection__memory_is_short(server);
    const int64_t age_ms_max = server->limits.frame_ms_max;
    if (is_short ? now_ns - c->frame_began_ns >= age_ms_max * NS_PER_MS
                 : age_ms >= age_ms_max && is_slow)
        connection_refuse(
            c, "a request began %" PRId64 " ms ago and is still incomplete (%zu bytes came)",
            (now_ns - c->frame_began_ns) / NS_PER_MS, came);
    else if (silent_ms >= STALL_MS_MAX && is_short)
        connection_refuse(c,
                          "an incomplete request (%zu bytes came) stands still while memory for "
                          "requests is short",
                          came);
}
