/* The one way of every request: header, table of APIs, decoding, handler, and back.
 *
 * Places on the way: the principal (set at request_new), authorisation (authorize.h, asked by handlers). Quota delay belongs
 * before an answer's parts are handed to the connection, audit and metrics to where a request begins and ends; none of the
 * three is there yet.
 */
#include "server/server_int.h"

#include "base/be.h"
#include "base/mem.h"
#include "wire/messages/api_versions_response.h"

#include <stdarg.h>
#include <stdio.h>

#define FREE_REQUESTS_MAX 256

/* Kafka's request header, v1 and v2 (v2 adds tagged fields after the client id). */
struct header {
    int16_t api_key;
    int16_t version;
    int32_t correlation_id;
    struct bytes client_id;
    size_t size; /* bytes up to the message */
};

#define HEADER_FIXED_BYTES 8

bool pipeline_may_start(const struct connection *c, struct bytes body)
{
    if (c->request_count == 0)
        return true;
    if (c->request_count >= CONNECTION_REQUESTS_MAX ||
        body.size < 2) /* too short: judged in its turn */
        return false;
    const struct api_handler *next = api_handler_get(be_load_i16(body.data), c->listener->kind);
    if (next == NULL || !next->may_pipeline)
        return false;
    /* What is in flight is of one kind, or the first would not have let the second start. */
    const struct request *last = LIST_ENTRY(c->requests.prev, struct request, link);
    return last->handler == next && !last->holds_back;
}

void request_hold_back(struct request *request)
{
    request->holds_back = true;
}

void request_let_follow(struct request *request)
{
    const bool held_back = request->holds_back;
    request->holds_back = false;
    if (held_back && request->connection != NULL)
        connection__resume_soon(request->connection);
}

/* Above this a request can name so much that even an answer of its own kind is large, or fails so often that it is. */
#define SMALL_REQUEST_BYTES_MAX 512u
#define LITTLE_ANSWER_BYTES_MAX (64u << 10)

static size_t load_bytes(const struct api_handler *handler, const void *message)
{
    return handler->load_bytes == NULL ? 0 : handler->load_bytes(message);
}

/* message: NULL, while it is not decoded. */
static bool answers_little(const struct api_handler *handler, struct bytes body,
                           const void *message)
{
    if (handler == NULL)
        return true; /* it is refused */
    if (!handler->answers_little)
        return false;
    return body.size <= LITTLE_ANSWER_BYTES_MAX ||
           (message != NULL && body.size - load_bytes(handler, message) <= LITTLE_ANSWER_BYTES_MAX);
}

static enum purse purse_of(bool answers_little, struct bytes body)
{
    return answers_little || body.size <= SMALL_REQUEST_BYTES_MAX ? PURSE_SMALL : PURSE_LARGE;
}

/* ---- requests as values ---------------------------------------------------------------------- */

static struct request *request_new(struct connection *c, struct shared *frame)
{
    struct server *server = c->server;
    struct list *link = list_pop_front(&server->free_requests);
    struct request *request;
    if (link != NULL) {
        server->free_request_count--;
        request = LIST_ENTRY(link, struct request, link);
        const struct arena arena = request->arena;
        *request = (struct request){ .arena = arena };
    } else {
        request = MEM_NEW(struct request);
        arena_init(&request->arena, REQUEST_DECODED_BYTES_MAX);
    }
    request->connection = c;
    request->shard = server->shard;
    request->principal = PRINCIPAL_ANONYMOUS;
    request->listener = c->listener;
    request->frame = shared_ref(frame);
    list_init(&request->out);
    list_push_back(&c->requests, &request->link);
    c->request_count++;
    server->request_count++;
    return request;
}

void out_part_free(struct out_part *part)
{
    io_file_unref(part->file);
    mem_free(part->memory);
    mem_free(part);
}

void pipeline_free_request(struct request *request)
{
    struct server *server = request->shard->server;
    server->request_count--;
    server->waiting_bytes -= request->waiting_bytes;
    while (!list_is_empty(&request->out))
        out_part_free(LIST_ENTRY(list_pop_front(&request->out), struct out_part, link));
    shared_unref(request->frame);
    request->frame = NULL;
    if (server->free_request_count < FREE_REQUESTS_MAX) {
        arena_reset(&request->arena);
        request->arena.used_bytes_max = REQUEST_DECODED_BYTES_MAX;
        list_push_front(&server->free_requests, &request->link);
        server->free_request_count++;
        return;
    }
    arena_deinit(&request->arena);
    mem_free(request);
}

void pipeline_deinit(struct server *server)
{
    ASSERT(server->request_count == 0); /* a handler would come back to one */
    while (!list_is_empty(&server->free_requests)) {
        struct request *request =
            LIST_ENTRY(list_pop_front(&server->free_requests), struct request, link);
        arena_deinit(&request->arena);
        mem_free(request);
    }
}

bool request_has_room(const struct request *request)
{
    return request->arena.used_bytes < REQUEST_ROOM_BYTES_MAX;
}

static uint64_t room_wanted(const struct request *request, uint64_t count, size_t bytes)
{
    return request->arena.used_bytes + count * bytes;
}

bool request_has_room_for(const struct request *request, uint64_t count, size_t bytes)
{
    return room_wanted(request, count, bytes) <= REQUEST_ROOM_BYTES_MAX;
}

bool request_reserve(struct request *request, uint64_t count, size_t bytes)
{
    if (request_has_room_for(request, count, bytes))
        return true;
    request_fail(request,
                 "%s version %d asks for %" PRIu64 " parts, %" PRIu64
                 " bytes of memory, more than %u",
                 request->api->name, request->version, count, room_wanted(request, count, bytes),
                 REQUEST_ROOM_BYTES_MAX);
    return false;
}

bool request_may_wait(struct request *request)
{
    struct server *server = request->shard->server;
    const size_t bytes = request->arena.used_bytes;
    if (server->waiting_bytes + bytes > server->limits.memory_bytes_max)
        return false;
    request->waiting_bytes += bytes;
    server->waiting_bytes += bytes;
    return true;
}

void request_release_input(struct request *request)
{
    request->client_id =
        bytes_from(arena_dup(&request->arena, request->client_id.data, request->client_id.size),
                   request->client_id.size);
    request->message = NULL;
    request->body = BYTES_NULL;
    shared_unref(request->frame);
    request->frame = NULL;
}

/* ---- in -------------------------------------------------------------------------------------- */

/* 0, or -ERR_OVERRUN / -ERR_MALFORMED. */
static int header_parse(struct bytes body, int16_t header_version, struct header *out)
{
    struct reader r = reader_from(body);
    out->api_key = read_i16(&r);
    out->version = read_i16(&r);
    out->correlation_id = read_i32(&r);
    const int16_t client_id_size = read_i16(&r); /* any below zero is null, as Kafka reads it */
    out->client_id = client_id_size < 0 ? BYTES_NULL : read_run(&r, (size_t)client_id_size);
    if (header_version >= 2) {
        const uint32_t tag_count = read_uvarint(&r);
        for (uint32_t i = 0; i < tag_count && reader_is_ok(&r); i++) {
            (void)read_uvarint(&r); /* tags of the header: none is known, all are ignored */
            (void)read_run(&r, read_uvarint(&r));
        }
    }
    out->size = r.position;
    return r.error;
}

/* KIP-511: whatever version is asked, the answer to ApiVersions can be read by anyone. */
static void answer_unsupported_api_versions(struct request *request)
{
    request->version = 0;
    struct api_versions_response response;
    api_versions_response_init(&response);
    response.error_code = KAFKA_UNSUPPORTED_VERSION;
    struct api_versions_response_api_version *key =
        REQUEST_NEW(request, struct api_versions_response_api_version);
    const struct api *api = api_get(API_API_VERSIONS);
    key->api_key = API_API_VERSIONS;
    key->min_version = api->version_min;
    key->max_version = api->version_max_stable;
    response.api_keys = key;
    response.api_keys_count = 1;
    request_reply(request, &response);
}

/* Decodes a frame that may have to wait, only to see how much it asks; later it is decoded again. What cannot be decoded is
 * refused when it starts, which needs no room. */
static bool answers_little_at_second_look(const struct api_handler *handler, struct bytes body)
{
    const struct api *api = api_get(handler->api_key);
    const int16_t version = body.size < HEADER_FIXED_BYTES ? -1 : be_load_i16(body.data + 2);
    struct header header;
    if (version < api->version_min || version > api->version_max_stable ||
        header_parse(body, api_request_header_version(api->key, version), &header) < 0)
        return true;
    struct arena arena;
    arena_init(&arena, REQUEST_DECODED_BYTES_MAX);
    void *message = arena_must_zalloc(&arena, 1, api->request->struct_bytes);
    struct reader reader = reader_from(bytes_slice(body, header.size, body.size));
    struct err_note note = { 0 };
    const bool is_little =
        wire_decode(api->request, version, &reader, &arena, message, &note) < 0 ||
        answers_little(handler, body, message);
    arena_deinit(&arena);
    return is_little;
}

enum purse pipeline_purse(const struct connection *c, struct bytes body, bool *out_needs_room)
{
    const struct api_handler *handler =
        body.size < 2 ? NULL : api_handler_get(be_load_i16(body.data), c->listener->kind);
    bool is_little = answers_little(handler, body, NULL);
    if (!is_little && handler->load_bytes != NULL)
        is_little = answers_little_at_second_look(handler, body);
    *out_needs_room = !is_little;
    return purse_of(is_little, body);
}

/* What a frame's beginning says of it. */
struct call {
    const struct api *api;
    const struct api_handler *handler;
    int16_t version;
    bool is_version_served; /* else it is ApiVersions, which is answered all the same */
    struct header header;
};

/* False: the connection was refused. */
static bool read_call(struct connection *c, struct bytes body, struct call *out)
{
    if (body.size < HEADER_FIXED_BYTES) {
        connection_refuse(c, "a request of %zu bytes is too short for a header", body.size);
        return false;
    }
    const int16_t api_key = be_load_i16(body.data);
    const struct api *api = api_get(api_key);
    *out = (struct call){ .api = api,
                          .handler = api_handler_get(api_key, c->listener->kind),
                          .version = be_load_i16(body.data + 2) };
    if (api == NULL || out->handler == NULL) {
        connection_refuse(c, "API key %d (%s) is not served here", api_key,
                          api == NULL ? "unknown" : api->name);
        return false;
    }
    out->is_version_served =
        out->version >= api->version_min && out->version <= api->version_max_stable;
    if (!out->is_version_served && api_key != API_API_VERSIONS) {
        connection_refuse(c, "%s version %d is not served, only %d to %d", api->name, out->version,
                          api->version_min, api->version_max_stable);
        return false;
    }
    const int16_t header_version =
        out->is_version_served ? api_request_header_version(api_key, out->version) : 1;
    const int r = header_parse(body, header_version, &out->header);
    if (r < 0)
        connection_refuse(c, "the header of a %s request is malformed: %s", api->name,
                          err_sentence(r));
    return r >= 0;
}

static struct request *request_for(struct connection *c, struct shared *frame, struct bytes body,
                                   const struct call *call)
{
    const struct header *header = &call->header;
    struct request *request = request_new(c, frame);
    request->api = call->api;
    request->handler = call->handler;
    request->version = call->version;
    request->correlation_id = header->correlation_id;
    request->client_id = header->client_id;
    request->body = bytes_slice(body, header->size, body.size - header->size);
    request->purse = PURSE_SMALL;
    return request;
}

bool pipeline_on_frame(struct connection *c, struct shared *frame, struct bytes body)
{
    struct call call;
    if (!read_call(c, body, &call))
        return false;
    struct request *request = request_for(c, frame, body, &call);
    c->is_first_request_done = true;
    if (!call.is_version_served) {
        answer_unsupported_api_versions(request);
        return true;
    }

    const struct api *api = call.api;
    struct err_note note = { 0 };
    struct reader reader = reader_from(request->body);
    request->message = arena_must_zalloc(&request->arena, 1, api->request->struct_bytes);
    /* Bytes after the message are left alone, as Apache Kafka does: librdkafka sends some (Metadata 13). */
    const int decoded =
        wire_decode(api->request, call.version, &reader, &request->arena, request->message, &note);
    if (decoded < 0) {
        request_fail(request, "%s version %d from client '%.*s' cannot be decoded: %s", api->name,
                     call.version, BYTES_PRINTF(request->client_id), note.text);
        return false;
    }
    request->purse = purse_of(answers_little(call.handler, body, request->message), body);
    request->arena.used_bytes_max = REQUEST_ARENA_BYTES_MAX;
    call.handler->handle(request);
    return true;
}

/* ---- out ------------------------------------------------------------------------------------- */

static void out_add_memory(struct request *request, uint8_t *memory, size_t size)
{
    struct out_part *part = MEM_NEW(struct out_part);
    part->purse = request->purse;
    part->memory = memory;
    part->left_bytes = size;
    list_push_back(&request->out, &part->link);
}

static void out_add_region(struct request *request, const struct file_region *region, size_t size)
{
    struct out_part *part = MEM_NEW(struct out_part);
    part->file = io_file_ref(region->file);
    part->position = region->position;
    part->left_bytes = size;
    list_push_back(&request->out, &part->link);
}

/* Cuts the encoded bytes at the gaps; the last memory part takes the buffer itself, the earlier ones copies of
 * their (small) runs. */
static void out_split(struct request *request, struct buf *encoded, const struct writer *w)
{
    size_t from = 0;
    for (uint32_t i = 0; i < w->gap_count; i++) {
        const struct writer_gap *gap = &w->gaps[i];
        if (gap->position > from)
            out_add_memory(request, mem_dup(encoded->data + from, gap->position - from),
                           gap->position - from);
        from = gap->position;
        if (gap->size_bytes > 0)
            out_add_region(request, gap->region, gap->size_bytes);
    }
    if (from == 0) {
        const size_t size = encoded->size;
        out_add_memory(request, buf_take(encoded), size);
    } else if (encoded->size > from) {
        out_add_memory(request, mem_dup(encoded->data + from, encoded->size - from),
                       encoded->size - from);
    }
}

static void request_end(struct request *request)
{
    struct connection *c = request->connection;
    request->state = REQUEST_ANSWERED;
    if (c == NULL) {
        pipeline_free_request(request);
        return;
    }
    connection_answers_ready(c);
}

/* Size prefix, response header, message. */
static int encode_answer(struct request *request, const void *message, struct writer *w,
                         struct err_note *note)
{
    const struct api *api = request->api;
    const int64_t message_bytes = wire_size(api->response, request->version, message, note);
    if (message_bytes < 0)
        return (int)message_bytes;
    const int16_t header_version = api_response_header_version(api->key, request->version);
    const int64_t size = 4 + (header_version >= 1 ? 1 : 0) + message_bytes;
    if (size > INT32_MAX)
        return err_note(note, -ERR_LIMIT, "the answer has %" PRId64 " bytes", size);
    if (request->region_count == 0) {
        (void)buf_extend(w->out, (size_t)size + 4); /* all of it at once, and no more */
        buf_clear(w->out);
    }
    write_i32(w, (int32_t)size);
    write_i32(w, request->correlation_id);
    if (header_version >= 1)
        write_uvarint(w, 0);
    return wire_encode(api->response, request->version, message, w, note);
}

void request_reply(struct request *request, const void *message)
{
    ASSERT(request->state == REQUEST_RUNNING);
    if (request->connection == NULL) {
        request_end(request);
        return;
    }
    struct err_note note = { 0 };
    struct buf encoded;
    struct writer_gap *gaps = NULL;
    buf_init(&encoded, INT32_MAX);
    struct writer w = writer_to(&encoded);
    if (request->region_count > 0) {
        gaps = REQUEST_NEW_ARRAY(request, struct writer_gap, request->region_count);
        w = writer_with_gaps(&encoded, gaps, request->region_count);
    }
    const int r = encode_answer(request, message, &w, &note);
    if (r < 0 || !buf_is_ok(&encoded)) {
        buf_deinit(&encoded);
        request_fail(request, "the answer to %s version %d cannot be encoded: %s",
                     request->api->name, request->version, note.text);
        return;
    }
    out_split(request, &encoded, &w);
    buf_deinit(&encoded);
    request_end(request);
}

void request_finish_without_reply(struct request *request)
{
    request_end(request);
}

void request_fail(struct request *request, const char *format, ...)
{
    char cause[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(cause, sizeof(cause), format, args); /* truncation is fine in a message */
    va_end(args);

    struct connection *c = request->connection;
    request->is_last = true;
    request_end(request);
    if (c != NULL)
        connection_refuse(c, "%s", cause);
}
