/* One connection of a load: frames out of constant bytes with a correlation id of their own, and answers, whole.
 *
 * Connections are opened all at once and say hello first (ApiVersions), for a connection that the kernel has taken
 * need not have reached the broker: a full backlog is found out by the answer alone. One that is not greeted within some ten
 * seconds is made anew, as Kafka's clients do (socket.connection.setup.timeout.ms): the kernel itself would try again after 1, 3,
 * 7, 15, 31, 63 and 127 s.
 */
#pragma once

#include "options.h"

#define LINK_HEAD_BYTES 12 /* size, API key, version, correlation id */

/* A request ready to be sent, but for its correlation id. */
struct link_frame {
    uint8_t *bytes; /* owned by who made it; constant while a link sends it */
    size_t size;
};

struct link {
    int fd;
    int epoll;
    bool is_greeted;
    bool wants_output;
    int64_t late_ns; /* when it is made anew, unless it is greeted before */
    uint8_t head[LINK_HEAD_BYTES];
    const struct link_frame *frame; /* being sent; NULL: none */
    size_t sent_bytes;
    uint8_t *answer; /* owned: what has come of the answers */
    size_t answer_size;
    size_t answer_size_max;
};

struct links {
    int epoll;
    int32_t count;
    struct link *items; /* owned */
    double connect_seconds;
    int32_t again_count; /* connections that were made anew before they were greeted */
};

/* Connects all of them and waits until each is greeted. */
void links_open(struct links *links, const struct load_options *options, size_t answer_bytes_max);
void links_close(struct links *links);

/* Waits up to `wait_ns` (negative: for ever); calls on_event for each link with something to do. */
void links_wait(struct links *links, int64_t wait_ns,
                void (*on_event)(void *context, int32_t index, bool can_read, bool can_write),
                void *context);

/* Begins to send, or goes on with what has begun (frame NULL). True: all of it is with the kernel. */
bool link_send(struct link *link, const struct link_frame *frame, int32_t correlation_id);

/* Asks to hear of room for output as long as a frame is unfinished; after link_send. */
void link_watch_output(struct links *links, int32_t index);

/* Receives what is there, once. */
void link_receive(struct link *link);
/* The next whole answer, without its size prefix, from *at on; false: none. *at moves on. */
bool link_next_answer(const struct link *link, size_t *at, struct bytes *out);
/* Forgets the answers before `at`. */
void link_consume(struct link *link, size_t at);
