/* See sim_peer.h. */
#include "sim_peer.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/vec.h"

#include <string.h>

#define FRAME_BYTES_MAX (64u << 20)
#define ARENA_BYTES_MAX (256u << 20)
#define RECEIVE_BYTES   (64u << 10)
#define PATIENCE_MS     5000 /* a machine that lost its power never answers, and never says so */

struct asked {
    int16_t api_key;
    int16_t version;
    int32_t correlation_id;
    sim_peer_answer *answer;
    void *context;
};

struct sim_peer {
    struct sim_node *machine;
    char *name;
    char *host;
    uint16_t port;
    struct io_socket *socket;
    bool is_open;
    struct io_timer patience; /* of the oldest request under way */
    void (*on_open)(void *context, bool is_open);
    void *open_context;
    struct buf out;
    size_t sent;
    struct buf in;
    int32_t correlation_next;
    VEC(struct asked) asked;
};

static void on_ready(void *context, unsigned ready);
static void lost(struct sim_peer *peer);

static void on_patience(struct io_timer *timer)
{
    lost(CONTAINER_OF(timer, struct sim_peer, patience));
}

struct sim_peer *sim_peer_new(struct sim_node *machine, const char *name, const char *host,
                              uint16_t port)
{
    struct sim_peer *peer = MEM_NEW(struct sim_peer);
    peer->machine = machine;
    peer->name = mem_strdup(name);
    peer->host = mem_strdup(host);
    peer->port = port;
    peer->patience.fire = on_patience;
    buf_init(&peer->out, FRAME_BYTES_MAX);
    buf_init(&peer->in, FRAME_BYTES_MAX);
    return peer;
}

void sim_peer_free(struct sim_peer *peer)
{
    io_timer_cancel(sim_node_io(peer->machine), &peer->patience);
    io_socket_close(peer->socket);
    buf_deinit(&peer->out);
    buf_deinit(&peer->in);
    VEC_DEINIT(&peer->asked);
    mem_free(peer->name);
    mem_free(peer->host);
    mem_free(peer);
}

uint32_t sim_peer_waiting(const struct sim_peer *peer)
{
    return (uint32_t)peer->asked.count;
}

bool sim_peer_is_open(const struct sim_peer *peer)
{
    return peer->is_open;
}

void sim_peer_close(struct sim_peer *peer)
{
    io_timer_cancel(sim_node_io(peer->machine), &peer->patience);
    io_socket_close(TAKE(peer->socket));
    peer->is_open = false;
    buf_clear(&peer->out);
    buf_clear(&peer->in);
    peer->sent = 0;
    while (peer->asked.count > 0) {
        const struct asked asked = peer->asked.items[0];
        VEC_REMOVE_AT(&peer->asked, 0);
        asked.answer(asked.context, NULL);
    }
}

static void lost(struct sim_peer *peer)
{
    void (*on_open)(void *, bool) = TAKE(peer->on_open);
    sim_peer_close(peer);
    if (on_open != NULL)
        on_open(peer->open_context, false);
}

void sim_peer_connect(struct sim_peer *peer, void (*on_open)(void *context, bool is_open),
                      void *context)
{
    sim_peer_close(peer);
    peer->on_open = on_open;
    peer->open_context = context;
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = peer };
    if (io_connect(sim_node_io(peer->machine), peer->host, peer->port, &owner, &peer->socket,
                   NULL) < 0) {
        lost(peer);
        return;
    }
    io_socket_set_interest(peer->socket, IO_WRITABLE);
    io_timer_arm_after(sim_node_io(peer->machine), &peer->patience, PATIENCE_MS);
}

static void send_some(struct sim_peer *peer)
{
    while (peer->sent < peer->out.size) {
        const struct iovec part = { .iov_base = peer->out.data + peer->sent,
                                    .iov_len = peer->out.size - peer->sent };
        const int64_t n = io_socket_sendv(peer->socket, &part, 1, false);
        if (n == -EAGAIN) {
            io_socket_set_interest(peer->socket, IO_READABLE | IO_WRITABLE);
            return;
        }
        if (n < 0) {
            lost(peer);
            return;
        }
        peer->sent += (size_t)n;
    }
    buf_clear(&peer->out);
    peer->sent = 0;
    io_socket_set_interest(peer->socket, IO_READABLE);
}

/* Answers come in the order of requests, whole and of the right kind: anything else is a defect of the broker. */
static void take_answer(struct sim_peer *peer, struct bytes body)
{
    ASSERT(peer->asked.count > 0);
    const struct asked asked = peer->asked.items[0];
    VEC_REMOVE_AT(&peer->asked, 0);
    io_timer_cancel(sim_node_io(peer->machine), &peer->patience);
    if (peer->asked.count > 0)
        io_timer_arm_after(sim_node_io(peer->machine), &peer->patience, PATIENCE_MS);
    const struct api *api = api_get(asked.api_key);
    struct reader r = reader_from(body);
    const int32_t correlation_id = read_i32(&r);
    ASSERT(correlation_id == asked.correlation_id);
    if (api_response_header_version(asked.api_key, asked.version) >= 1) {
        const uint32_t tag_count = read_uvarint(&r);
        ASSERT(tag_count == 0);
    }
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    void *message = arena_must_zalloc(&arena, 1, api->response->struct_bytes);
    struct err_note note = { 0 };
    const int decoded = wire_decode(api->response, asked.version, &r, &arena, message, &note);
    ASSERT(decoded == 0 && reader_left(&r) == 0);
    asked.answer(asked.context, message);
    arena_deinit(&arena);
}

static void take_frames(struct sim_peer *peer)
{
    size_t at = 0;
    while (peer->in.size - at >= 4) {
        const uint32_t size = be_load_u32(peer->in.data + at);
        ASSERT(size <= FRAME_BYTES_MAX);
        if (peer->in.size - at - 4 < size)
            break;
        uint8_t *frame =
            mem_dup(peer->in.data + at + 4, size); /* the call-back may close and clear */
        at += 4 + (size_t)size;
        const size_t before = peer->in.size;
        take_answer(peer, bytes_from(frame, size));
        mem_free(frame);
        if (peer->in.size != before)
            return; /* closed meanwhile */
    }
    const size_t rest = peer->in.size - at;
    uint8_t *left = mem_dup(peer->in.data + at, rest);
    buf_clear(&peer->in);
    buf_put(&peer->in, left, rest);
    mem_free(left);
}

static void on_ready(void *context, unsigned ready)
{
    struct sim_peer *peer = context;
    if (!peer->is_open) {
        const int status = io_socket_status(peer->socket);
        if (status == -EINPROGRESS)
            return;
        if (status < 0) {
            lost(peer);
            return;
        }
        peer->is_open = true;
        io_timer_cancel(sim_node_io(peer->machine), &peer->patience);
        io_socket_set_interest(peer->socket, IO_READABLE);
        void (*on_open)(void *, bool) = TAKE(peer->on_open);
        if (on_open != NULL)
            on_open(peer->open_context, true);
        return;
    }
    if ((ready & IO_WRITABLE) != 0 && peer->out.size > 0) {
        send_some(peer);
        if (!peer->is_open)
            return;
    }
    if ((ready & IO_READABLE) == 0)
        return;
    uint8_t *chunk = mem_alloc(RECEIVE_BYTES);
    const int64_t n = io_socket_recv(peer->socket, chunk, RECEIVE_BYTES);
    if (n > 0)
        buf_put(&peer->in, chunk, (size_t)n);
    mem_free(chunk);
    if (n > 0)
        take_frames(peer);
    else if (n != -EAGAIN)
        lost(peer);
}

int sim_peer_ask(struct sim_peer *peer, int16_t api_key, int16_t version, const void *message,
                 sim_peer_answer *answer, void *context)
{
    if (!peer->is_open)
        return -ERR_CLOSED;
    const struct api *api = api_get(api_key);
    const int16_t header_version = api_request_header_version(api_key, version);
    const int64_t size = wire_size(api->request, version, message, NULL);
    ASSERT(size >= 0);
    struct writer w = writer_to(&peer->out);
    const size_t name_size = strlen(peer->name);
    write_i32(&w, (int32_t)(10 + (int64_t)name_size + (header_version >= 2 ? 1 : 0) + size));
    write_i16(&w, api_key);
    write_i16(&w, version);
    write_i32(&w, peer->correlation_next);
    write_i16(&w, (int16_t)name_size);
    write_run(&w, bytes_from_text(peer->name));
    if (header_version >= 2)
        write_uvarint(&w, 0);
    const int r = wire_encode(api->request, version, message, &w, NULL);
    ASSERT(r == 0 && buf_is_ok(&peer->out));
    VEC_ADD(&peer->asked, ((struct asked){ .api_key = api_key,
                                           .version = version,
                                           .correlation_id = peer->correlation_next++,
                                           .answer = answer,
                                           .context = context }));
    if (!io_timer_is_armed(&peer->patience))
        io_timer_arm_after(sim_node_io(peer->machine), &peer->patience, PATIENCE_MS);
    send_some(peer);
    return 0;
}
