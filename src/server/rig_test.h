/* One shard's server in a simulated world, for unit tests: real listeners, pipeline, handlers and replicas; the controller
 * is the test, which answers what is asked of it. Peers are plain sockets that send what the test says, in the pieces it
 * says, and read when it says.
 */
#pragma once

#include "replica/rig_test.h"
#include "server/controller_link.h"
#include "server/fetch_session.h"
#include "server/loggers.h"
#include "server/producer_ids.h"
#include "server/quorum_view.h"
#include "server/server.h"

#define SERVER_RIG_PORT            9092
#define SERVER_RIG_CONTROLLER_PORT 9093
#define SERVER_RIG_ASKS_MAX        64

/* What was asked of the controller and is not answered yet. */
struct rig_ask {
    int16_t api_key;
    const void *message;
    void (*done)(void *context, enum kafka_error error, const void *response);
    void *context;
};

struct server_rig {
    struct replica_rig base;
    struct shard shard;
    struct fetch_sessions sessions;
    struct producer_ids producer_ids;
    struct loggers loggers;
    struct controller_link link;
    struct quorum_view view;
    struct rig_ask asks[SERVER_RIG_ASKS_MAX];
    uint32_t ask_count;
    struct sim_node *clients; /* the machine of all peers */
    struct server_limits limits;
};

/* Limits as a broker's defaults; `settings` as replica_rig_begin. Listens on both ports. */
void server_rig_begin(struct server_rig *rig, uint64_t seed, const char *settings);
void server_rig_end(
    struct server_rig *rig); /* closes what is open; every request has been answered */

void server_rig_set_limits(struct server_rig *rig); /* after a change of rig->limits */
void server_rig_set_memory(struct server_rig *rig, size_t bytes_max); /* that limit alone */
/* Topics as replica_rig_topic and replica_rig_shared_topic; other changes: put records, then apply. */
struct uuid server_rig_topic(struct server_rig *rig, const char *name, int32_t partitions);
struct uuid server_rig_shared_topic(struct server_rig *rig, const char *name, int32_t partitions);
void server_rig_commit(struct server_rig *rig,
                       struct uuid topic); /* the ISR of its partition 0 shrinks to us */
void server_rig_apply(struct server_rig *rig);
void server_rig_run_ms(struct server_rig *rig, int64_t ms);
/* Answers the oldest ask. */
void server_rig_answer(struct server_rig *rig, enum kafka_error error, const void *response);
/* The last line for the operator contains `part`, or the test fails. */
void server_rig_expect_line(const struct server_rig *rig, const char *part);

/* ---- peers ------------------------------------------------------------------------------------- */

struct rig_peer {
    struct server_rig *rig;
    struct io_socket *socket;
    struct buf out; /* not yet taken by the socket */
    struct buf in;  /* received */
    size_t taken;   /* of `in` */
    bool is_connected;
    bool is_deaf;  /* reads nothing */
    bool is_ended; /* the server said so, or the connection failed */
    int error;
};

void rig_peer_connect(struct server_rig *rig, struct rig_peer *peer, uint16_t port);
void rig_peer_send(struct rig_peer *peer,
                   struct bytes bytes); /* now, as far as the window goes; the rest follows */
void rig_peer_set_deaf(struct rig_peer *peer, bool is_deaf);
void rig_peer_close(struct rig_peer *peer);           /* closed: fine */
size_t rig_peer_waiting(const struct rig_peer *peer); /* bytes received and not taken */

/* A whole request. `message` is of the API's request. */
void rig_put_request(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                     const void *message);
/* Takes one whole answer: its correlation id, with the message decoded into the arena; -1: none is there. */
int32_t rig_peer_take(struct rig_peer *peer, int16_t api_key, int16_t version, struct arena *arena,
                      const void **out_message);

/* The correlation id alone. */
int32_t rig_peer_take_id(struct rig_peer *peer, int16_t api_key, int16_t version);

struct buf rig_buf(void); /* for what a peer sends */
/* Requests of a few words. */
void rig_put_api_versions(struct buf *out, int32_t correlation_id);
void rig_put_metadata(struct buf *out, int32_t correlation_id, const char *topic); /* NULL: all */
void rig_put_produce(struct buf *out, int32_t correlation_id, int16_t acks, const char *topic,
                     int32_t record_count);
void rig_put_produce_of(struct buf *out, int32_t correlation_id, int16_t acks, const char *topic,
                        const struct sample_batch *sample);
#define RIG_API_VERSIONS_VERSION 3
#define RIG_METADATA_VERSION     9
#define RIG_PRODUCE_VERSION      9
