/* Inside the server room: server, listener and connection, and who calls whom.
 *
 *   listener.c    accepts, counts, makes connections
 *   connection.c  opened and closed; deadlines
 *   receive.c     bytes in, frames out of them; memory for them
 *   foreign.c     what is said to who speaks something else
 *   send.c        answers in order, bytes out
 *   pipeline.c    frame → request → handler, and back to an encoded answer
 *   steps.c       requests that take more than a turn
 *   server.c      the value that holds them
 */
#pragma once

#include "base/map.h"
#include "server/api_handler.h"
#include "server/server.h"

struct server_listener {
    struct list link;
    struct server *server;
    struct io_listener *io_listener;
    char *name;
    enum api_listener kind;
    bool is_held;
};

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_CLOSING, /* sends what is answered, reads no more */
    CONNECTION_LINGERING, /* all is sent; reads and forgets until the peer has seen the end: to close a socket with
                             unread bytes is a reset, which may overtake the last answer */
};

/* Received and not yet framed bytes: data[start … end) of a counted buffer. */
struct receive_window {
    struct shared *shared; /* NULL: none; the next bytes land in the server's landing buffer */
    size_t start;
    size_t end;
    bool is_landing; /* a slice of that buffer, in which others receive behind `end` */
};

struct connection {
    uint32_t magic;
    enum connection_state state;
    struct list link; /* in server->connections, least recently active first */
    struct list
        resume_link;        /* in server->resume: bytes have come, or what blocked it may be over */
    struct list send_link;  /* in server->sending: has output to try */
    struct list frame_link; /* in server->frames: an incomplete frame, oldest first */
    struct list starve_link; /* in server->starved: not read until memory is free */
    struct list room_link;   /* in server->crowded: its request waits until answers are read */
    struct list ending_link; /* in server->ending: nothing is to be answered any more */
    struct server *server;
    struct server_listener *listener;
    struct io_socket *socket;
    struct io_address peer;
    struct receive_window window;
    size_t frame_bytes_last; /* size of the latest frame: where to receive the next one */
    struct list requests;    /* in flight, oldest first */
    uint32_t request_count;
    struct list out;  /* struct out_part, answers in order */
    size_t out_bytes; /* of memory in them */
    uint64_t sent_bytes;
    int64_t
        unread_ns; /* since when its answers are watched, because others wait for them to be read; 0: not */
    uint64_t unread_sent_bytes; /* what had been sent then */
    unsigned interest;
    bool is_first_request_done;
    bool is_blocked; /* the next frame waits for an answer before it, or for answers to be read */
    bool has_sent;   /* a peer that was never answered needs no long farewell */
    int64_t active_ns;
    int64_t frame_began_ns;   /* of an incomplete one */
    int64_t frame_started_ns; /* the same; the time it waited for memory does not count */
    int64_t frame_heard_ns;   /* when its latest bytes came */
    int64_t ending_ns;
};

#define CONNECTION_MAGIC 0x4f434f4eu

struct server {
    struct shard *shard;
    struct server_limits limits;
    struct server_counters counters;
    struct list listeners;
    struct list connections;
    struct list resume;
    struct list sending;
    struct list frames;
    struct list starved;
    struct list crowded[PURSE_COUNT];
    bool
        watches_readers; /* somebody was crowded at the last look at deadlines: see connection_cut_deaf */
    struct list ending;
    uint32_t connection_count;
    struct map connections_by_host; /* a tally */
    uint32_t request_count;         /* in flight */
    struct list free_requests;
    uint32_t free_request_count;
    struct shared_pool pool;
    size_t out_bytes;                /* of all connections */
    size_t purse_bytes[PURSE_COUNT]; /* its two parts */
    size_t waiting_bytes;            /* of requests that wait */
    struct receive_window landing;   /* where connections without a window receive */
    struct io_timer deadlines;
    struct io_timer again;              /* makes a turn follow */
    struct list stepping[PURSE_COUNT];  /* struct steps */
    size_t stepping_bytes[PURSE_COUNT]; /* that they hold */
    struct io_timer step;               /* makes the turn of a step */
    bool is_paused;                     /* as many connections as may be */
    int64_t full_told_ns;               /* when that was told last; 0: never */
    bool memory_warned;
    int64_t
        pressed_ns; /* since when received bytes of large frames are watched, as memory is short; 0: not */
    uint64_t pressed_bytes; /* of them that came since */
};

/* listener.c */
void listener_stop(
    struct server_listener *listener); /* accepts no more; connections keep pointing to it */
void listener_free(struct server_listener *listener); /* after its connections */
void listener_on_limits(struct server *server);       /* they have changed */
void listener_on_closed(struct server *server,
                        const char *host); /* a connection of that host went */

/* connection.c */
void connection_open(struct server_listener *listener, struct io_socket *socket,
                     const struct io_address *peer);
void connection_close(struct connection *connection);
/* Closes at once, with a line for the operator. */
void connection_cut(struct connection *connection, const char *format, ...) PRINTF_LIKE(2, 3);
/* Finishes sending, then closes; with a line for the operator. */
void connection_refuse(struct connection *connection, const char *format, ...) PRINTF_LIKE(2, 3);
void connection_check_deadlines(struct server *server);
void connection__update_interest(struct connection *c); /* its state has changed */
/* Requests in flight outlive what their connection was to them: appends happen, answers are dropped. */
void connection__drop_requests(struct connection *c);

/* receive.c */
#define CONNECTION_PREFIX_BYTES 4
void connection__readable(struct connection *c);
bool connection_resume(struct connection *connection);
void connection_unstarve(struct server *server);
void connection__window_release(struct connection *c);
bool connection__memory_is_short(const struct server *server);
void connection__check_frame(struct connection *c, int64_t now_ns);
/* Where memory stays short and hardly anything comes, the largest incomplete frames are given up. */
void connection_give_up_hoards(struct server *server, int64_t now_ns);

/* foreign.c */
/* Judges the size prefix of a frame. False: the connection was refused. */
bool connection__check_prefix(struct connection *c, const uint8_t *prefix);

/* send.c */
void connection_answers_ready(
    struct connection *connection); /* the head of its row may be answered */
void connection_send(struct connection *connection);
/* What blocked it may be over: its frames are looked at in this turn. */
void connection__resume_soon(struct connection *connection);
void connection__send_soon(struct connection *c);
void connection__out_add(struct connection *c, struct out_part *part);
void connection__out_clear(struct connection *c);
/* As much unread as one connection, or all together, may have: no further request of it starts. */
bool connection__is_out_full(const struct connection *c);
/* Whether this whole frame may start, given what all connections have not read yet. False: it is started again later. */
bool connection__may_answer(struct connection *c, struct bytes body);
void connection_uncrowd(struct server *server);
bool connection__has_room(const struct server *server, enum purse purse);
/* Answers that nobody reads go when others wait for their place. */
void connection_cut_deaf(struct server *server, int64_t now_ns);

/* pipeline.c */
/* Handles one frame (without its size prefix). frame is borrowed. Returns false when the connection must
 * not go on (it is closed or closing). */
bool pipeline_on_frame(struct connection *connection, struct shared *frame, struct bytes body);
/* What a frame's answer will be counted in, and whether it waits for room there. */
enum purse pipeline_purse(const struct connection *connection, struct bytes body,
                          bool *out_needs_room);
/* Whether this whole frame may start now, given what is in flight. */
bool pipeline_may_start(const struct connection *connection, struct bytes body);
void pipeline_free_request(struct request *request);
void out_part_free(struct out_part *part);
void pipeline_deinit(struct server *server);

/* steps.c */
void steps_take_turn(struct server *server);
void steps_make_turn(struct server *server);  /* where some may go on */
bool steps_wait(const struct server *server); /* some, for answers to be read */
void steps_end_all(struct server *server);    /* their peers are gone */
