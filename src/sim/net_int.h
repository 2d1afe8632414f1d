/* Inside the simulator: connections and the sockets at their ends.
 *
 *     socket 0 --[ pipe 0: sent, under way, arrived, read ]--> socket 1
 *              <-[ pipe 1                                 ]--
 *
 * A socket belongs to its owner, a connection to the world: it lives while either end has a socket. When one end
 * is closed, or its node is gone, what it has sent still arrives.
 */
#pragma once

#include "sim/world_int.h"

struct sim_socket;
struct sim_listener;

enum sim_segment_kind { SIM_DATA, SIM_FIN, SIM_RESET };

/* What was sent at once. */
struct sim_segment {
    enum sim_segment_kind kind;
    int64_t size_bytes;
    int64_t arrival_ns;
};

/* From one end to the other. Positions count bytes of the stream: read <= arrived <= sent. */
struct sim_pipe {
    uint8_t *data; /* owned; a ring of data_capacity bytes: those from read to sent */
    int64_t data_capacity;
    int64_t sent;
    int64_t arrived;
    int64_t read;
    int64_t acknowledged;             /* as far as the sender knows what was read */
    VEC(struct sim_segment) segments; /* under way, in order; from segment_first on */
    size_t segment_first;
    int64_t last_arrival_ns; /* nothing overtakes */
    int64_t line_free_ns;    /* until then the line is busy with what was sent before */
    bool is_finished;        /* nothing more will be sent */
    bool has_end_arrived;
    bool is_broken;          /* a reset has arrived: what follows it does not count */
    struct io_timer arrival; /* of the first segment */
    struct io_timer acknowledgement;
    int64_t stuck_since_ns; /* nothing gets through; -1: it does */
    int64_t retry_ns;
};

struct sim_end {
    struct sim_node *node;
    struct sim_socket *socket; /* borrowed; NULL: closed, or its node is gone */
    int64_t send_buffer_bytes;
    int64_t receive_buffer_bytes;
};

struct sim_connection {
    struct list link; /* among the world's */
    struct sim_world *world;
    struct sim_end ends[2];
    struct sim_pipe pipes[2]; /* pipes[i] begins at ends[i] */
    int64_t id;               /* for the trace: the client's port */
};

/* client is end 0. */
struct sim_connection *sim__connection_new(struct sim_socket *client, struct sim_socket *server);

int64_t sim__pipe_space(const struct sim_connection *c, int end); /* what that end may send now */
void sim__pipe_send(struct sim_connection *c, int end, const uint8_t *bytes, int64_t size_bytes);
void sim__pipe_finish(struct sim_connection *c, int end);
int64_t sim__pipe_readable(const struct sim_connection *c,
                           int end); /* what that end may read now */
void sim__pipe_read(struct sim_connection *c, int end, uint8_t *out, int64_t size_bytes);
bool sim__pipe_has_ended(const struct sim_connection *c, int end); /* and all was read */
/* That end has no socket any more. `tell`: the peer hears of it, as a kernel closes; else nothing more is sent. */
void sim__connection_close_end(struct sim_connection *c, int end, bool tell);

/* ---- sockets --------------------------------------------------------------------------------- */

struct sim_socket {
    struct io_socket base;
    struct sim_loop *loop;
    struct list link;       /* among the loop's, open or closed */
    struct list ready_link; /* to be told */
    struct list queue_link; /* at a listener, before it is accepted */
    struct io_socket_owner owner;
    uint8_t interest;
    int status;   /* of connecting */
    int failure;  /* negative: of the connection since */
    bool is_told; /* of the failure, or of having connected */
    bool is_closed;
    struct sim_connection *connection; /* NULL: not yet, or not any more */
    int end;
    struct io_timer attempt; /* while connecting */
    int64_t attempt_until_ns;
    int64_t attempt_wait_ns;
    bool is_answered; /* the attempt waits for the answer only */
    char *host;       /* owned; while connecting */
    struct io_address peer;
    struct io_address local;
};

struct sim_socket *sim__socket_new(struct sim_loop *loop);
/* Something has changed that its owner may want to hear of. */
void sim__socket_update(struct sim_socket *socket);
void sim__socket_fail(struct sim_socket *socket, int failure);
/* Connecting has ended. */
void sim__socket_settle(struct sim_socket *socket, int status);
void sim__turn_sockets(struct sim_loop *loop);
void sim__sockets_free_closed(struct sim_loop *loop);

int sim__connect(struct io *io, const char *host, uint16_t port,
                 const struct io_socket_owner *owner, struct io_socket **out,
                 struct err_note *note);

/* ---- listeners ------------------------------------------------------------------------------- */

int sim__listen(struct io *io, const char *host, uint16_t port, int backlog,
                const struct io_listener_owner *owner, struct io_listener **out,
                struct err_note *note);
void sim__turn_listeners(struct sim_loop *loop);
bool sim__listeners_are_ready(const struct sim_loop *loop);
void sim__listeners_free(struct sim_loop *loop);

/* ---- the end --------------------------------------------------------------------------------- */

/* The incarnation has ended: its sockets are dead to the world. */
void sim__net_end(struct sim_loop *loop, enum sim_crash kind);
/* Closes and frees all. */
void sim__net_free(struct sim_loop *loop);
