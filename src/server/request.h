/* One request on its way through the pipeline, and the answer that leaves for it.
 *
 *   frame ──► header ──► table of APIs ──► decode ──► handler ──► request_reply ──► connection
 *
 * A handler either answers before it returns or keeps the request and answers later. What waits long
 * (JoinGroup, a fetch at the end of the log) calls request_release_input first, so that it keeps no
 * receive buffer. A peer that goes away does not end its requests: they stay until the handler
 * answers, and the answer is dropped; handlers that hold a wait may ask to be told (on_gone).
 *
 * Deciders (coord/, controller/) never see a request: they carry a token by which the one who asked finds it again.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/shared.h"
#include "server/principal.h"
#include "server/shard.h"
#include "wire/api.h"
#include "wire/kafka_error.h"

struct api_handler;
struct connection;
struct server_listener;

/* What a request may take of memory, records not counted. A frame that decodes to more than the first is refused (it holds
 * some 200,000 partitions, or more). No handler makes more than some 20 bytes of one that was decoded, but for those whose
 * elements ask for lists of unknown length: they look at request_has_room, or request_has_room_for, before each. So the last is never reached, and
 * reaching it is a bug. */
#define REQUEST_DECODED_BYTES_MAX (16u << 20)
#define REQUEST_ROOM_BYTES_MAX    (128u << 20)
#define REQUEST_ARENA_BYTES_MAX   (512u << 20)

enum request_state {
    REQUEST_RUNNING,
    REQUEST_ANSWERED, /* its output waits for the answers before it */
};

/* What answers that wait to be read are counted in. */
enum purse {
    PURSE_SMALL, /* of small requests, and of those whose answer is about as large as they are */
    PURSE_LARGE, /* of all others: a request of some KB may make an answer of many MB */
    PURSE_COUNT,
};

/* A part of an answer: bytes of our own, or a region of a file. */
struct out_part {
    struct list link;
    enum purse purse;
    struct io_file *file; /* NULL: memory. A counted reference */
    uint8_t *memory;      /* owned */
    int64_t position;     /* in the file or in memory: next byte to send */
    size_t left_bytes;
};

struct request {
    struct list link;              /* in the connection's row, oldest first */
    struct connection *connection; /* NULL once the peer is gone */
    struct shard *shard;

    const struct api *api;
    const struct api_handler *handler;
    int16_t version;
    int32_t correlation_id;
    struct bytes
        client_id; /* points into the frame, or into the arena after request_release_input */
    struct principal principal;
    const struct server_listener *listener; /* valid as long as the connection */

    struct shared *frame; /* counted; the decoded message points into it */
    struct bytes body;    /* the undecoded message */
    void *message;        /* decoded, in the arena */
    struct arena arena;   /* everything of this request */

    enum request_state state;
    enum purse purse;
    uint32_t region_count; /* file regions in the answer, set by the handler */
    struct list out;       /* of struct out_part */
    bool is_last;          /* what follows on its connection is not answered any more */
    bool holds_back; /* what follows on its connection does not start yet: see request_hold_back */
    size_t waiting_bytes; /* counted by request_may_wait */

    /* For the handler. */
    void *wait;                               /* its own record of what it waits for */
    void (*on_gone)(struct request *request); /* the peer has left; may answer (dropped) at once */
};

/* Answers with a message of request->api->response, encoded in the request's version. `message` may live
 * in the arena; the request is gone when this returns. */
void request_reply(struct request *request, const void *message);

/* What a `wire_records.region` in an answer points to. The handler sets request->region_count first. */
struct file_region {
    struct io_file *file; /* borrowed for the call; the answer takes its own reference */
    int64_t position;
};

/* Ends a request that has no answer (Produce with acks=0). */
void request_finish_without_reply(struct request *request);

/* Ends a request whose peer broke the protocol: one line naming peer and cause, and the connection closes. */
void request_fail(struct request *request, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether the answer may still grow by an element. */
bool request_has_room(const struct request *request);
/* The same for `count` parts of `bytes` each. */
bool request_has_room_for(const struct request *request, uint64_t count, size_t bytes);
/* The same for parts that are known from the start: where they do not fit, the request fails (false). */
MUST_CHECK bool request_reserve(struct request *request, uint64_t count, size_t bytes);

/* Whether this request may keep what it holds while it waits, given what others hold that wait: true counts it until the
 * answer. What must wait, waits all the same. */
bool request_may_wait(struct request *request);

/* Of a request whose kind may be pipelined (api_handler.h), where its order with those behind it is not settled when the
 * handler returns: they start after request_let_follow, or the answer. */
void request_hold_back(struct request *request);
void request_let_follow(struct request *request);

/* Lets go of the frame: message and client_id may no longer point into it (message becomes NULL). */
void request_release_input(struct request *request);

/* Memory in the request's arena; never NULL (its limit is far above what a checked request needs; past it the
 * process would be lying about its bounds, and stops). */
#define REQUEST_NEW(request, type) ARENA_NEW(&(request)->arena, type)
#define REQUEST_NEW_ARRAY(request, type, count)                                                    \
    ARENA_NEW_ARRAY(&(request)->arena, type, (size_t)(count))
