/* See channel.h. */
#include "client/channel.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/rng.h"
#include "client/settings.h"
#include "wire/kafka_error.h"
#include "wire/messages/api_versions_request.h"
#include "wire/messages/api_versions_response.h"
#include "wire/messages/request_header.h"

#include <string.h>

#define ANSWER_CAPACITY_FIRST   65536u
#define CLIENT_SOFTWARE         "ottla"
#define CLIENT_SOFTWARE_VERSION "0.1.0"

enum state { CLOSED, CONNECTING, NEGOTIATING, READY };

struct channel {
    struct io *io;
    struct client_settings settings;
    char *host;
    uint16_t port;
    enum state state;
    struct io_socket *socket;
    struct list waiting; /* for a connection */
    struct list sending; /* encoded, not yet sent whole */
    struct list sent;    /* the answer is to come, in this order */
    size_t sent_bytes;   /* of the first in `sending` */
    int32_t correlation_id;
    struct io_timer timer;   /* the nearest deadline */
    struct io_timer backoff; /* when the next attempt may begin */
    int64_t attempt_after_ns;
    uint32_t failure_count;
    struct rng rng;

    uint8_t prefix[4];
    size_t prefix_size;
    uint8_t *answer;
    size_t answer_size; /* received */
    size_t answer_want;
    size_t answer_capacity;

    struct client_call versions; /* holds the answer of the negotiation */
    struct api_versions_request versions_request;
    int16_t versions_version;
    bool is_freeing;
};

void client_call_deinit(struct client_call *call)
{
    ASSERT(!call->is_open_);
    arena_deinit(&call->arena_);
    mem_free(TAKE(call->answer_));
    call->response = NULL;
    call->note.text[0] = '\0';
}

static void fail(struct channel *c, int error, const char *words);
static void try_connect(struct channel *c);
static void flush(struct channel *c);

/* ---- ends ------------------------------------------------------------------------------------ */

static void finish(struct client_call *call, int result)
{
    list_remove(&call->link_);
    if (call->frame_ != NULL) {
        buf_deinit(call->frame_);
        mem_free(TAKE(call->frame_));
    }
    call->result = result;
    call->is_open_ = false;
    call->done(call);
}

static void arm_deadline(struct channel *c)
{
    int64_t nearest = INT64_MAX;
    struct list *const lists[] = { &c->waiting, &c->sending, &c->sent };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        LIST_FOR_EACH(lists[i], link)
        {
            nearest = MIN(nearest, LIST_ENTRY(link, struct client_call, link_)->deadline_ns_);
        }
    }
    if (nearest == INT64_MAX)
        io_timer_cancel(c->io, &c->timer);
    else
        io_timer_arm(c->io, &c->timer, nearest);
}

static void on_deadline(struct io_timer *timer)
{
    struct channel *c = CONTAINER_OF(timer, struct channel, timer);
    fail(c, -ERR_TIMEOUT, "no answer in time");
}

static void close_socket(struct channel *c)
{
    io_socket_close(TAKE(c->socket));
    mem_free(TAKE(c->answer));
    c->prefix_size = c->answer_size = c->answer_want = c->answer_capacity = 0;
    c->sent_bytes = 0;
    c->state = CLOSED;
}

static void set_backoff(struct channel *c)
{
    c->attempt_after_ns =
        io_monotonic_ns(c->io) + client_backoff_ns(c->settings.reconnect_backoff_ms,
                                                   c->settings.reconnect_backoff_max_ms,
                                                   c->failure_count++, &c->rng);
}

/* Everything that the connection had to do has failed. */
static void fail(struct channel *c, int error, const char *words)
{
    if (c->state != READY || error != -ERR_CLOSED)
        set_backoff(c);
    close_socket(c);
    struct list all;
    list_init(&all);
    struct list *const lists[] = { &c->sent, &c->sending, &c->waiting };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (struct list *link; (link = list_pop_front(lists[i])) != NULL;)
            list_push_back(&all, link);
    }
    io_timer_cancel(c->io, &c->timer);
    for (struct list *link; (link = list_pop_front(&all)) != NULL;) {
        struct client_call *call = LIST_ENTRY(link, struct client_call, link_);
        (void)err_note(&call->note, error, "%s:%u: %s", c->host, c->port, words);
        finish(call, error);
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

static int encode(struct channel *c, struct client_call *call)
{
    const struct api *api = api_get((int16_t)call->key);
    struct request_header header = request_header_default;
    header.request_api_key = (int16_t)call->key;
    header.request_api_version = call->version;
    header.correlation_id = call->correlation_id_;
    header.client_id = bytes_from_text(c->settings.client_id);
    const int16_t header_version = api_request_header_version((int16_t)call->key, call->version);
    const int64_t header_size = request_header_size(header_version, &header, &call->note);
    const int64_t body_size =
        header_size < 0 ? header_size
                        : wire_size(api->request, call->version, call->request, &call->note);
    if (body_size < 0)
        return (int)body_size;
    call->frame_ = mem_alloc(sizeof(*call->frame_));
    buf_init(call->frame_, (size_t)(4 + header_size + body_size));
    struct writer w = writer_to(call->frame_);
    write_i32(&w, (int32_t)(header_size + body_size));
    int r = request_header_encode(header_version, &header, &w, &call->note);
    if (r == 0)
        r = wire_encode(api->request, call->version, call->request, &w, &call->note);
    return r;
}

static int choose_version(const struct channel *c, struct client_call *call)
{
    const int16_t version = channel_version(c, call->key);
    const struct api *api = api_get((int16_t)call->key);
    call->version = version;
    if (call->version_max != 0 && call->version_max < version)
        call->version = call->version_max;
    if (version < 0 || call->version < api->version_min)
        return err_note(&call->note, -ERR_VERSION, "%s:%u does not support %s", c->host, c->port,
                        api->name);
    return 0;
}

static void queue(struct channel *c, struct client_call *call)
{
    call->was_begun = true;
    call->correlation_id_ = c->correlation_id++;
    const int r = encode(c, call);
    if (r < 0)
        finish(call, r);
    else
        list_push_back(&c->sending, &call->link_);
}

static void queue_waiting(struct channel *c)
{
    for (struct list *link; c->state == READY && (link = list_pop_front(&c->waiting)) != NULL;) {
        struct client_call *call = LIST_ENTRY(link, struct client_call, link_);
        const int r = choose_version(c, call);
        if (r < 0)
            finish(call, r);
        else
            queue(c, call);
    }
}

static void set_interest(struct channel *c)
{
    if (c->socket != NULL && c->state != CONNECTING)
        io_socket_set_interest(c->socket,
                               IO_READABLE | (list_is_empty(&c->sending) ? 0u : IO_WRITABLE));
}

static void flush(struct channel *c)
{
    while (c->socket != NULL && !list_is_empty(&c->sending)) {
        struct client_call *call = LIST_ENTRY(c->sending.next, struct client_call, link_);
        const struct bytes frame = buf_view(call->frame_);
        const struct iovec part = { .iov_base = call->frame_->data + c->sent_bytes,
                                    .iov_len = frame.size - c->sent_bytes };
        const int64_t n = io_socket_sendv(c->socket, &part, 1, false);
        if (n == -EAGAIN)
            break;
        if (n < 0) {
            fail(c, -ERR_CLOSED, err_sentence((int)n));
            return;
        }
        c->sent_bytes += (size_t)n;
        if (c->sent_bytes < frame.size)
            continue;
        c->sent_bytes = 0;
        list_remove(&call->link_);
        buf_deinit(call->frame_);
        mem_free(TAKE(call->frame_));
        if (call->has_no_answer)
            finish(call, 0);
        else
            list_push_back(&c->sent, &call->link_);
    }
    set_interest(c);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static size_t decoded_bytes_max(struct bytes frame)
{
    return MIN(CLIENT_DECODED_BYTES_SPARED + CLIENT_DECODED_FACTOR_MAX * frame.size,
               CLIENT_DECODED_BYTES_MAX);
}

static int decode(struct channel *c, struct client_call *call, struct bytes frame)
{
    const struct api *api = api_get((int16_t)call->key);
    struct reader r = reader_from(frame);
    const int32_t correlation_id = read_i32(&r);
    if (correlation_id != call->correlation_id_)
        return err_note(&call->note, -ERR_PROTOCOL,
                        "%s:%u answered request %" PRId32 " where %" PRId32 " was due", c->host,
                        c->port, correlation_id, call->correlation_id_);
    if (api_response_header_version((int16_t)call->key, call->version) >= 1) {
        for (uint32_t tags = read_uvarint(&r); tags > 0 && reader_is_ok(&r); tags--) {
            (void)read_uvarint(&r);
            (void)read_run(&r, read_uvarint(&r));
        }
    }
    const size_t bytes_max = decoded_bytes_max(frame);
    arena_init(&call->arena_, bytes_max);
    call->response = arena_must_zalloc(&call->arena_, 1, api->response->struct_bytes);
    int16_t version = call->version;
    /* A broker that does not know our version of ApiVersions answers in version 0 (KIP-511). */
    if (call->key == API_API_VERSIONS && reader_left(&r) >= 2 &&
        be_load_i16(r.data + r.position) == KAFKA_UNSUPPORTED_VERSION)
        version = 0;
    struct err_note note = { 0 };
    const int decoded =
        wire_decode(api->response, version, &r, &call->arena_, call->response, &note);
    if (decoded == -ERR_LIMIT)
        return err_note(&call->note, decoded,
                        "%s:%u: the answer to %s (%zu bytes) may take %zu bytes of memory: %s",
                        c->host, c->port, api->name, frame.size, bytes_max, note.text);
    call->note = note;
    return decoded;
}

static void on_answer(struct channel *c)
{
    if (list_is_empty(&c->sent)) {
        fail(c, -ERR_PROTOCOL, "it answered what was not asked");
        return;
    }
    struct client_call *call = LIST_ENTRY(list_pop_front(&c->sent), struct client_call, link_);
    const struct bytes frame = bytes_from(c->answer, c->answer_size);
    call->answer_ = TAKE(c->answer);
    c->answer_size = c->answer_capacity = c->prefix_size = c->answer_want = 0;
    const int r = decode(c, call, frame);
    if (r == -ERR_PROTOCOL)
        fail(c, r, "the order of answers is broken");
    finish(call, r);
}

/* The frame's memory grows with the bytes that came, not with what is announced. */
static void grow_answer(struct channel *c)
{
    if (c->answer_size < c->answer_capacity || c->answer_capacity == c->answer_want)
        return;
    c->answer_capacity = c->answer_capacity == 0
                             ? MIN(c->answer_want, (size_t)ANSWER_CAPACITY_FIRST)
                             : MIN(c->answer_want, c->answer_capacity * 2);
    c->answer = mem_realloc(c->answer, c->answer_capacity);
}

/* One piece. Answers what recv did. */
static int64_t receive_piece(struct channel *c)
{
    if (c->prefix_size < sizeof(c->prefix)) {
        const int64_t n = io_socket_recv(c->socket, c->prefix + c->prefix_size,
                                         sizeof(c->prefix) - c->prefix_size);
        if (n <= 0)
            return n;
        c->prefix_size += (size_t)n;
        if (c->prefix_size < sizeof(c->prefix))
            return n;
        const int32_t size = be_load_i32(c->prefix);
        if (size < 4 || (uint32_t)size > CLIENT_ANSWER_BYTES_MAX)
            return -ERR_PROTOCOL;
        c->answer_want = (size_t)size;
        return n;
    }
    grow_answer(c);
    const int64_t n =
        io_socket_recv(c->socket, c->answer + c->answer_size, c->answer_capacity - c->answer_size);
    if (n > 0)
        c->answer_size += (size_t)n;
    return n;
}

static void receive(struct channel *c)
{
    while (c->socket != NULL) {
        const int64_t n = receive_piece(c);
        if (n == -EAGAIN)
            break;
        if (n == 0) {
            fail(c, -ERR_CLOSED, "the broker closed the connection");
        } else if (n == -ERR_PROTOCOL) {
            fail(c, (int)n, "what it sent is no answer of the Kafka protocol");
        } else if (n < 0) {
            fail(c, -ERR_CLOSED, err_sentence((int)n)); /* a broken connection is a closed one */
        } else if (c->answer_want > 0 && c->answer_size == c->answer_want) {
            on_answer(c);
        }
    }
    arm_deadline(c);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void ask_versions(struct channel *c, int16_t version);

static void on_versions(struct client_call *call)
{
    struct channel *c = call->context;
    if (call->result < 0) {
        if (c->socket != NULL)
            fail(c, call->result, "it did not tell its versions");
        return;
    }
    const struct api_versions_response *response = call->response;
    if (response->error_code == KAFKA_UNSUPPORTED_VERSION && c->versions_version > 0) {
        ask_versions(c, 0);
    } else if (response->error_code != KAFKA_NONE) {
        fail(c, -ERR_VERSION, kafka_error_sentence(response->error_code));
    } else {
        c->state = READY;
        c->failure_count = 0;
        queue_waiting(c);
        flush(c);
    }
}

static void ask_versions(struct channel *c, int16_t version)
{
    client_call_deinit(&c->versions);
    c->versions_version = version;
    api_versions_request_init(&c->versions_request);
    c->versions_request.client_software_name = BYTES_LITERAL(CLIENT_SOFTWARE);
    c->versions_request.client_software_version = BYTES_LITERAL(CLIENT_SOFTWARE_VERSION);
    c->versions.key = API_API_VERSIONS;
    c->versions.request = &c->versions_request;
    c->versions.version = version;
    c->versions.done = on_versions;
    c->versions.context = c;
    c->versions.is_open_ = true;
    c->versions.deadline_ns_ = io_monotonic_ns(c->io) + c->settings.request_timeout_ms * NS_PER_MS;
    queue(c, &c->versions);
    flush(c);
}

static void on_ready(void *context, unsigned ready)
{
    struct channel *c = context;
    if (c->state == CONNECTING) {
        const int status = io_socket_status(c->socket);
        if (status == -EINPROGRESS)
            return;
        if (status < 0) {
            fail(c, status,
                 status == -ERR_NOT_FOUND ? "there is no such host" : err_sentence(status));
            return;
        }
        c->state = NEGOTIATING;
        ask_versions(c, api_get(API_API_VERSIONS)->version_max_stable);
        return;
    }
    if ((ready & IO_WRITABLE) != 0)
        flush(c);
    if (c->socket != NULL)
        receive(c);
}

static void try_connect(struct channel *c)
{
    if (c->state != CLOSED || list_is_empty(&c->waiting))
        return;
    if (io_monotonic_ns(c->io) < c->attempt_after_ns) {
        io_timer_arm(c->io, &c->backoff, c->attempt_after_ns);
        return;
    }
    c->state = CONNECTING;
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = c };
    struct err_note note = { 0 };
    const int r = io_connect(c->io, c->host, c->port, &owner, &c->socket, &note);
    if (r < 0)
        fail(c, r, note.text[0] == '\0' ? err_sentence(r) : note.text);
    else
        io_socket_set_interest(c->socket, IO_WRITABLE);
}

/* Also armed by channel_send, at once. */
static void on_backoff(struct io_timer *timer)
{
    struct channel *c = CONTAINER_OF(timer, struct channel, backoff);
    if (c->state == READY) {
        queue_waiting(c);
        flush(c);
    } else {
        try_connect(c);
    }
}

/* ---- face ------------------------------------------------------------------------------------ */

struct channel *channel_new(struct io *io, const struct client_settings *settings, const char *host,
                            uint16_t port)
{
    struct channel *c = MEM_NEW(struct channel);
    c->io = io;
    c->settings = *settings;
    c->host = mem_strdup(host);
    c->port = port;
    list_init(&c->waiting);
    list_init(&c->sending);
    list_init(&c->sent);
    c->timer.fire = on_deadline;
    c->backoff.fire = on_backoff;
    uint64_t seed;
    io_random(io, &seed, sizeof(seed));
    c->rng = rng_from_seed(seed);
    return c;
}

void channel_free(struct channel *c)
{
    if (c == NULL)
        return;
    c->is_freeing = true;
    fail(c, -ERR_CANCELLED, "the client is closing");
    io_timer_cancel(c->io, &c->backoff);
    client_call_deinit(&c->versions);
    mem_free(c->host);
    mem_free(c);
}

void channel_move(struct channel *c, const char *host, uint16_t port)
{
    mem_free(c->host);
    c->host = mem_strdup(host);
    c->port = port;
    if (c->state != CLOSED && c->state != CONNECTING)
        return;
    close_socket(c);
    c->attempt_after_ns = 0;
    c->failure_count = 0;
    io_timer_arm(c->io, &c->backoff, 0);
}

void channel_send(struct channel *c, struct client_call *call)
{
    ASSERT(!call->is_open_ && !c->is_freeing);
    client_call_deinit(call);
    call->is_open_ = true;
    call->was_begun = false;
    call->frame_ = NULL;
    call->channel_ = c;
    const int64_t timeout_ms =
        call->timeout_ms > 0 ? call->timeout_ms : c->settings.request_timeout_ms;
    call->deadline_ns_ = io_monotonic_ns(c->io) + timeout_ms * NS_PER_MS;
    list_push_back(&c->waiting, &call->link_);
    arm_deadline(c);
    /* By timer: `done` may not come from within this call. */
    if (!io_timer_is_armed(&c->backoff))
        io_timer_arm(c->io, &c->backoff, 0);
}

void client_call_cancel(struct client_call *call)
{
    if (!call->is_open_)
        return;
    struct channel *c = call->channel_;
    bool is_waiting = false;
    LIST_FOR_EACH(&c->waiting, link)
    {
        is_waiting |= link == &call->link_;
    }
    list_remove(&call->link_);
    if (!is_waiting) /* its answer would come where another one is due */
        fail(c, -ERR_CLOSED, "another call was given up");
    finish(call, -ERR_CANCELLED);
}

bool channel_is_ready(const struct channel *c)
{
    return c->state == READY;
}

int16_t channel_version(const struct channel *c, enum api_key key)
{
    const struct api_versions_response *versions = channel_versions(c);
    const struct api *api = api_get((int16_t)key);
    for (int32_t i = 0; versions != NULL && i < versions->api_keys_count; i++) {
        const struct api_versions_response_api_version *theirs = &versions->api_keys[i];
        if (theirs->api_key != (int16_t)key)
            continue;
        const int16_t best = theirs->max_version < api->version_max_stable
                                 ? theirs->max_version
                                 : api->version_max_stable;
        return best < theirs->min_version || best < api->version_min ? (int16_t)-1 : best;
    }
    return -1;
}

const struct api_versions_response *channel_versions(const struct channel *c)
{
    return c->state == READY ? c->versions.response : NULL;
}

const char *channel_host(const struct channel *c)
{
    return c->host;
}

uint16_t channel_port(const struct channel *c)
{
    return c->port;
}
