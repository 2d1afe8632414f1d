/* A connection: two pipes with delay, bounded buffers, cuts, ends and resets. */
#include "base/mem.h"
#include "sim/net_int.h"

#include <errno.h>
#include <string.h>

#define RETRY_FIRST_NS (200 * NS_PER_MS)
#define RETRY_MAX_NS   (10 * NS_PER_SECOND)
#define GIVE_UP_NS     (15 * 60 * NS_PER_SECOND)

static void on_arrival(struct sim_connection *c, int end);
static void on_acknowledgement(struct sim_connection *c, int end);

/* ---- beginning and end ----------------------------------------------------------------------- */

/* Timers carry no context, so each pipe's two are told apart by where they lie. */
#define PIPE_EVENT(name_, member_, index_, call_)                                                  \
    static void name_(struct io_timer *event)                                                      \
    {                                                                                              \
        call_(CONTAINER_OF(event, struct sim_connection, pipes[index_].member_), index_);          \
    }
PIPE_EVENT(arrival_0, arrival, 0, on_arrival)
PIPE_EVENT(arrival_1, arrival, 1, on_arrival)
PIPE_EVENT(acknowledgement_0, acknowledgement, 0, on_acknowledgement)
PIPE_EVENT(acknowledgement_1, acknowledgement, 1, on_acknowledgement)

static int64_t draw_buffer(struct sim_world *world, const struct sim_link *link)
{
    return rng_between(&world->rng, link->buffer_bytes_min, link->buffer_bytes_max);
}

static void attach(struct sim_connection *c, int end, struct sim_socket *socket)
{
    c->ends[end] = (struct sim_end){ .node = socket->loop->node, .socket = socket };
    socket->connection = c;
    socket->end = end;
    c->pipes[end].stuck_since_ns = -1;
}

struct sim_connection *sim__connection_new(struct sim_socket *client, struct sim_socket *server)
{
    struct sim_world *world = client->loop->node->world;
    struct sim_connection *c = MEM_NEW(struct sim_connection);
    c->world = world;
    c->id = client->local.port;
    list_push_back(&world->connections, &c->link);
    attach(c, 0, client);
    attach(c, 1, server);
    for (int end = 0; end < 2; end++) {
        const struct sim_link *link = sim__link(world, c->ends[end].node, c->ends[!end].node);
        c->ends[end].send_buffer_bytes = draw_buffer(world, link);
        c->ends[end].receive_buffer_bytes = draw_buffer(world, link);
    }
    c->pipes[0].arrival.fire = arrival_0;
    c->pipes[1].arrival.fire = arrival_1;
    c->pipes[0].acknowledgement.fire = acknowledgement_0;
    c->pipes[1].acknowledgement.fire = acknowledgement_1;
    return c;
}

static void connection_free(struct sim_connection *c)
{
    for (int end = 0; end < 2; end++) {
        struct sim_pipe *pipe = &c->pipes[end];
        sim__unschedule(c->world, &pipe->arrival);
        sim__unschedule(c->world, &pipe->acknowledgement);
        VEC_DEINIT(&pipe->segments);
        mem_free(pipe->data);
    }
    list_remove(&c->link);
    mem_free(c);
}

static bool is_way_open(const struct sim_connection *c, int end)
{
    const struct sim_node *from = c->ends[end].node;
    const struct sim_node *to = c->ends[!end].node;
    return !sim__is_cut(from, to) && to->is_powered;
}

static void tell_end(const struct sim_connection *c, int end)
{
    if (c->ends[end].socket != NULL)
        sim__socket_update(c->ends[end].socket);
}

static void fail_end(const struct sim_connection *c, int end, int failure)
{
    if (c->ends[end].socket != NULL)
        sim__socket_fail(c->ends[end].socket, failure);
}

/* ---- the ring of bytes ----------------------------------------------------------------------- */

static void ring_copy_in(struct sim_pipe *pipe, int64_t at, const uint8_t *bytes, int64_t size)
{
    const int64_t from = at % pipe->data_capacity;
    const int64_t first = MIN(size, pipe->data_capacity - from);
    memcpy(pipe->data + from, bytes, (size_t)first);
    memcpy(pipe->data, bytes + first, (size_t)(size - first));
}

static void ring_copy_out(const struct sim_pipe *pipe, int64_t at, uint8_t *out, int64_t size)
{
    const int64_t from = at % pipe->data_capacity;
    const int64_t first = MIN(size, pipe->data_capacity - from);
    memcpy(out, pipe->data + from, (size_t)first);
    memcpy(out + first, pipe->data, (size_t)(size - first));
}

static void ring_reserve(struct sim_pipe *pipe, int64_t size)
{
    if (size <= pipe->data_capacity)
        return;
    struct sim_pipe old = *pipe;
    pipe->data_capacity = MAX(size, old.data_capacity * 2);
    pipe->data = mem_alloc((size_t)pipe->data_capacity);
    for (int64_t at = old.read; at < old.sent; at++)
        pipe->data[at % pipe->data_capacity] = old.data[at % old.data_capacity];
    mem_free(old.data);
}

/* ---- sending --------------------------------------------------------------------------------- */

int64_t sim__pipe_space(const struct sim_connection *c, int end)
{
    const struct sim_pipe *pipe = &c->pipes[end];
    const int64_t capacity = c->ends[end].send_buffer_bytes + c->ends[!end].receive_buffer_bytes;
    return MAX(capacity - (pipe->sent - pipe->acknowledged), INT64_C(0));
}

/* At the time of whoever does it now. */
static void segment_push(struct sim_connection *c, int end, enum sim_segment_kind kind,
                         int64_t size_bytes)
{
    struct sim_pipe *pipe = &c->pipes[end];
    const struct sim_link *link = sim__link(c->world, c->ends[end].node, c->ends[!end].node);
    pipe->line_free_ns = MAX(pipe->line_free_ns, sim__present_ns(c->world));
    if (link->bytes_per_second > 0)
        pipe->line_free_ns += size_bytes * NS_PER_SECOND / link->bytes_per_second;
    const int64_t arrival_ns = pipe->line_free_ns + sim__draw(c->world, link->latency);
    pipe->last_arrival_ns = MAX(pipe->last_arrival_ns, arrival_ns);
    const struct sim_segment segment = { .kind = kind,
                                         .size_bytes = size_bytes,
                                         .arrival_ns = pipe->last_arrival_ns };
    VEC_ADD(&pipe->segments, segment);
    if (!io_timer_is_armed(&pipe->arrival))
        sim__schedule(c->world, &pipe->arrival, pipe->last_arrival_ns);
}

void sim__pipe_send(struct sim_connection *c, int end, const uint8_t *bytes, int64_t size_bytes)
{
    struct sim_pipe *pipe = &c->pipes[end];
    const struct sim_link *link = sim__link(c->world, c->ends[end].node, c->ends[!end].node);
    ASSERT(!pipe->is_finished);
    sim__trace(c->world, SIM_TRACE_SEND, c->id,
               (int64_t)bytes_hash(bytes_from(bytes, (size_t)size_bytes), (uint64_t)end));
    if (sim__chance(c->world, link->reset_in_a_million)) { /* it breaks, for both */
        segment_push(c, end, SIM_RESET, 0);
        segment_push(c, !end, SIM_RESET, 0);
        return;
    }
    ring_reserve(pipe, pipe->sent - pipe->read + size_bytes);
    ring_copy_in(pipe, pipe->sent, bytes, size_bytes);
    pipe->sent += size_bytes;
    segment_push(c, end, SIM_DATA, size_bytes);
}

void sim__pipe_finish(struct sim_connection *c, int end)
{
    if (!c->pipes[end].is_finished)
        segment_push(c, end, SIM_FIN, 0);
    c->pipes[end].is_finished = true;
}

/* ---- arriving -------------------------------------------------------------------------------- */

/* Nobody is there to take it: what was sent is forgotten, and the sender hears a reset in its time. */
static void refuse(struct sim_connection *c, int end, const struct sim_segment *segment)
{
    struct sim_pipe *pipe = &c->pipes[end];
    pipe->arrived += segment->size_bytes;
    pipe->read = pipe->arrived;
    if (segment->kind == SIM_DATA && c->ends[end].socket != NULL)
        segment_push(c, !end, SIM_RESET, 0);
}

static void arrive(struct sim_connection *c, int end, const struct sim_segment *segment)
{
    struct sim_pipe *pipe = &c->pipes[end];
    sim__trace(c->world, SIM_TRACE_ARRIVE, c->id, segment->size_bytes * 4 + (int64_t)segment->kind);
    if (pipe->is_broken) /* sent before its sender knew */
        return;
    if (c->ends[!end].socket == NULL) {
        refuse(c, end, segment);
        return;
    }
    switch (segment->kind) {
    case SIM_DATA:
        pipe->arrived += segment->size_bytes;
        break;
    case SIM_FIN:
        pipe->has_end_arrived = true;
        break;
    case SIM_RESET:
        pipe->is_broken = true;
        if (rng_below(&c->world->rng, 2) == 0)
            pipe->read = pipe->arrived; /* it may overtake what was not read yet */
        fail_end(c, !end, -ECONNRESET);
        return;
    }
    tell_end(c, !end);
}

/* Nothing gets through, so it is tried again, ever more rarely; after long enough the sender gives up. */
static void retry(struct sim_connection *c, int end, struct io_timer *event)
{
    struct sim_pipe *pipe = &c->pipes[end];
    const int64_t now_ns = c->world->now_ns;
    if (pipe->stuck_since_ns < 0) {
        pipe->stuck_since_ns = now_ns;
        pipe->retry_ns = RETRY_FIRST_NS;
    } else {
        pipe->retry_ns = MIN(pipe->retry_ns * 2, RETRY_MAX_NS);
    }
    if (now_ns - pipe->stuck_since_ns < GIVE_UP_NS)
        sim__schedule(c->world, event, now_ns + pipe->retry_ns);
    else
        fail_end(c, end, -ETIMEDOUT);
}

static void segments_tidy(struct sim_pipe *pipe)
{
    if (pipe->segment_first == pipe->segments.count) {
        pipe->segments.count = 0;
        pipe->segment_first = 0;
    } else if (pipe->segment_first > 64) {
        const size_t left = pipe->segments.count - pipe->segment_first;
        memmove(pipe->segments.items, pipe->segments.items + pipe->segment_first,
                left * sizeof(pipe->segments.items[0]));
        pipe->segments.count = left;
        pipe->segment_first = 0;
    }
}

static void on_arrival(struct sim_connection *c, int end)
{
    struct sim_pipe *pipe = &c->pipes[end];
    if (!is_way_open(c, end)) {
        retry(c, end, &pipe->arrival);
        return;
    }
    pipe->stuck_since_ns = -1;
    const struct sim_segment segment = pipe->segments.items[pipe->segment_first++];
    segments_tidy(pipe);
    arrive(c, end, &segment);
    if (pipe->segments.count > 0)
        sim__schedule(c->world, &pipe->arrival,
                      pipe->segments.items[pipe->segment_first].arrival_ns);
}

/* ---- reading --------------------------------------------------------------------------------- */

int64_t sim__pipe_readable(const struct sim_connection *c, int end)
{
    return c->pipes[!end].arrived - c->pipes[!end].read;
}

bool sim__pipe_has_ended(const struct sim_connection *c, int end)
{
    return c->pipes[!end].has_end_arrived && sim__pipe_readable(c, end) == 0;
}

void sim__pipe_read(struct sim_connection *c, int end, uint8_t *out, int64_t size_bytes)
{
    struct sim_pipe *pipe = &c->pipes[!end];
    ASSERT(size_bytes <= sim__pipe_readable(c, end));
    ring_copy_out(pipe, pipe->read, out, size_bytes);
    pipe->read += size_bytes;
    sim__trace(c->world, SIM_TRACE_RECV, c->id, size_bytes);
    const struct sim_link *link = sim__link(c->world, c->ends[end].node, c->ends[!end].node);
    if (!io_timer_is_armed(&pipe->acknowledgement))
        sim__schedule(c->world, &pipe->acknowledgement,
                      sim__present_ns(c->world) + sim__draw(c->world, link->latency));
}

/* The sender of pipe `end` hears how much of it was read. */
static void on_acknowledgement(struct sim_connection *c, int end)
{
    struct sim_pipe *pipe = &c->pipes[end];
    if (!is_way_open(c, !end)) {
        retry(c, end, &pipe->acknowledgement);
        return;
    }
    pipe->stuck_since_ns = -1;
    pipe->acknowledged = pipe->read;
    tell_end(c, end);
}

/* ---- closing --------------------------------------------------------------------------------- */

/* A machine that loses power has not sent all it was asked to. */
static void forget_some_segments(struct sim_connection *c, int end)
{
    struct sim_pipe *pipe = &c->pipes[end];
    const size_t under_way = pipe->segments.count - pipe->segment_first;
    pipe->segments.count -= (size_t)rng_below(&c->world->rng, under_way + 1);
    if (pipe->segments.count == pipe->segment_first)
        sim__unschedule(c->world, &pipe->arrival);
    segments_tidy(pipe);
}

void sim__connection_close_end(struct sim_connection *c, int end, bool tell)
{
    const bool has_unread = sim__pipe_readable(c, end) > 0;
    c->ends[end].socket = NULL;
    if (c->ends[!end].socket == NULL) {
        connection_free(c);
        return;
    }
    if (!tell)
        forget_some_segments(c, end);
    else if (has_unread)
        segment_push(c, end, SIM_RESET, 0);
    else
        sim__pipe_finish(c, end);
}
