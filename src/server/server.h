/* One shard's door to the network: named listeners, connections, and the request pipeline.
 *
 * Threads: the shard's. Wire format: a frame is a 4-byte big-endian size and that many bytes: request
 * header (v0–2), then the message (Kafka protocol guide, "Common Request and Response Structure").
 *
 * Promises:
 *   - requests of one connection take effect in order, and their answers leave in order; only Produce
 *     starts while earlier Produces wait; at most CONNECTION_REQUESTS_MAX are in flight;
 *   - an idle or waiting connection owns no buffer;
 *   - memory for received bytes is bounded (memory_bytes_max): beyond it one large frame comes in at a time, and small ones
 *     by a reserve of their own; who stalls meanwhile is given up, and where the one that may go on hardly does, the largest
 *     holders are. A frame takes memory as its bytes arrive, not as they are announced;
 *   - a connection that does not read its answers (CONNECTION_OUT_BYTES_MAX) gets no further request started;
 *   - memory for answers is bounded by the same number, and one answer above each half of it: requests that may be answered
 *     at length wait while so much is not read, small ones in a half of their own, and who reads too little then is cut;
 *   - above max.connections new ones wait in the backlog, as with Apache Kafka;
 *   - whatever bytes come, the answer is Kafka's or the connection closes with one line naming peer and cause.
 */
#pragma once

#include "server/request.h"
#include "server/shared_pool.h"

#define CONNECTION_REQUESTS_MAX  128
#define CONNECTION_OUT_BYTES_MAX (1u << 20)

struct listener_params {
    const char *name;       /* "PLAINTEXT" */
    enum api_listener kind; /* broker or controller */
    const char *host;       /* "" or NULL: all addresses */
    uint16_t port;          /* 0: any free one */
    bool is_held;           /* takes the address, and accepts nobody before server_accept */
};

struct server_limits {
    uint32_t frame_bytes_max; /* socket.request.max.bytes */
    size_t
        memory_bytes_max; /* received and not yet handled; the same again for answers that are not read yet */
    int64_t idle_ms_max; /* connections.max.idle.ms; -1: never */
    /* A frame that began must be complete after this long, or have come at FRAME_BYTES_A_MS_MIN on the average: a slow
     * link takes its time, one that holds memory with a byte now and then does not. */
    int64_t frame_ms_max;
    uint32_t connection_count_max; /* max.connections */
    uint32_t socket_count_max;     /* what the limit of open files leaves for connections */
    uint32_t connection_count_max_per_ip;
    int send_buffer_bytes; /* socket.send.buffer.bytes; -1: the system's */
    int receive_buffer_bytes;
    int backlog; /* socket.listen.backlog.size, at least LISTEN_BACKLOG_MIN */
};

#define FRAME_BYTES_A_MS_MIN 4 /* 4 KB a second */

#define LISTEN_BACKLOG_MIN                                                                         \
    1024 /* Kafka's default of 50 drops connections when thousands come at once */

struct server_counters {
    uint64_t requests;
    uint64_t steps; /* after the first one, of requests that are cut (steps.h) */
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t connections_accepted;
    uint64_t connections_closed;
    uint64_t requests_refused; /* connections that were closed for what came on them */
};

MUST_CHECK int server_new(struct shard *shard, const struct server_limits *limits,
                          struct server **out);
/* Closes listeners and connections at once. Requests stay until their handlers answer. NULL is fine. */
void server_close(struct server *server);
/* As server_close; every request has been answered. NULL is fine. */
void server_free(struct server *server);

MUST_CHECK int server_listen(struct server *server, const struct listener_params *params,
                             struct err_note *note);
/* Those of a kind that were held accept from now on: who came before has waited in the backlog. */
void server_accept(struct server *server, enum api_listener kind);
/* The port a listener got; 0 if there is none of that name. */
uint16_t server_listener_port(const struct server *server, const char *name);
const char *listener_name(const struct server_listener *listener);
enum api_listener listener_kind(const struct server_listener *listener);

/* Stops accepting; waits (up to the caller's patience) for requests in flight by server_is_idle. */
void server_stop_accepting(struct server *server);
bool server_is_idle(const struct server *server);

void server_set_limits(struct server *server, const struct server_limits *limits);

/* The two halves of a turn's end, called by node around the writing of logs:
 * server_resume starts requests that came in this turn or waited for an answer before them (true: something started);
 * server_send sends what the turn produced. True: that made room for requests which server_resume may start now; what
 * is not started in this turn makes another one follow. */
bool server_resume(struct server *server);
bool server_send(struct server *server);

const struct server_counters *server_counters(const struct server *server);
/* Lines for the operator: connections, requests, memory. */
void server_tell(const struct server *server);
uint32_t server_connection_count(const struct server *server);
