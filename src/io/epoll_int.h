/* Inside the epoll driver: the loop, and what its events lead to. Loop thread only, where not said otherwise. */
#pragma once

#include "base/list.h"
#include "io/address.h"
#include "io/driver.h"
#include "io/patience.h"
#include "io/timer_heap.h"
#include "io/workers.h"

#include <pthread.h>

struct epoll_loop {
    struct io base;
    int epoll_descriptor;
    int wake_descriptor;        /* an eventfd, edge-triggered: written to wake, never read */
    struct io_message *mailbox; /* atomic; newest first */
    bool is_asleep;             /* atomic; a post has to wake it */
    bool must_stop;             /* atomic */
    bool has_ended;             /* atomic; nothing is posted to it any more */
    bool waits_in_ms;           /* the kernel lacks epoll_pwait2 */
    struct patience patience;   /* whether a wait begins by polling */
    struct timer_heap timers;
    void (*turn_end)(void *context);
    void *turn_end_context;
    struct epoll_workers *workers; /* borrowed */
    struct list lanes;
    struct list sources; /* open */
    struct list closed;  /* sources to be freed before the next wait: events may still name them */
    struct list changed; /* sources whose registration differs from what they want */
    struct list ready;   /* sockets to be told again without an event */
    struct list resolutions;  /* jobs of the driver's own */
    pthread_t sigpipe_thread; /* has SIGPIPE blocked, when has_sigpipe_thread */
    bool has_sigpipe_thread;
};

int64_t epoll__monotonic_ns(void);
bool epoll__has_mail(const struct epoll_loop *loop);
/* Until there are events, mail, a timer that is due, a stop, or timeout_ms are over (-1: never): as epoll_wait. */
struct epoll_event;
int epoll__wait(struct epoll_loop *loop, struct epoll_event *events, int count_max,
                int64_t timeout_ms);

/* A descriptor whose events are watched. */
struct epoll_source {
    struct epoll_loop *loop;
    int descriptor; /* owned; -1: none at present */
    uint32_t wanted_events;
    uint32_t armed_events; /* what the kernel was told */
    bool is_registered;
    bool is_closed;
    struct list link;
    struct list changed_link;
    void (*on_events)(struct epoll_source *source, uint32_t events);
    void (*destroy)(struct epoll_source *source); /* frees the memory */
};

static inline struct epoll_loop *epoll__loop_of(struct io *io)
{
    return CONTAINER_OF(io, struct epoll_loop, base);
}

/* Linked into the loop, not yet registered: that happens before the next wait, with what is wanted by then. */
void epoll__source_init(struct epoll_loop *loop, struct epoll_source *source, int descriptor);
/* Wanting less input than before is told to the kernel only when input arrives: a reader that pauses between two
 * requests costs no system call. */
void epoll__source_want(struct epoll_source *source, uint32_t events);
/* No events from here on; the descriptor stays open. */
void epoll__source_unwatch(struct epoll_source *source);
/* Another descriptor takes the place of the old one, which is closed; -1: none. */
void epoll__source_replace(struct epoll_source *source, int descriptor);
/* Closes the descriptor; no callback follows; the memory lives until the turn is over. */
void epoll__source_close(struct epoll_source *source);

/* Before the loop waits: tells the kernel what has changed, frees what was closed. */
void epoll__sources_settle(struct epoll_loop *loop);
/* Closes and frees all. */
void epoll__sources_free(struct epoll_loop *loop);
void epoll__source_on_event(const struct epoll_event *event);

/* epoll_listener.c, epoll_connect.c: entries of the loop's table. */
int epoll__listen(struct io *io, const char *host, uint16_t port, int backlog,
                  const struct io_listener_owner *owner, struct io_listener **out,
                  struct err_note *note);
int epoll__connect(struct io *io, const char *host, uint16_t port,
                   const struct io_socket_owner *owner, struct io_socket **out,
                   struct err_note *note);

/* ---- sockets (epoll_socket.c) ---------------------------------------------------------------- */

struct epoll_attempt; /* at connecting: epoll_connect.c */

struct epoll_socket {
    struct io_socket base;
    struct epoll_source source;
    struct io_socket_owner owner;
    struct epoll_attempt *attempt; /* owned; NULL once connected or failed */
    struct list ready_link;
    int status;       /* 0, -EINPROGRESS, or why it failed */
    uint8_t interest; /* bits of enum io_interest */
    bool is_broken;   /* hung up or failed: unwatched, and told through the ready list */
    bool is_told;     /* of that, once */
    union address peer;
};

struct epoll_socket *epoll__socket_new(struct epoll_loop *loop, int descriptor, int status);
/* Tells a socket on the ready list. */
void epoll__socket_on_ready_list(struct list *link);
/* Connected, or failed with a negative status: the owner is told in this turn or the next. */
void epoll__socket_settle(struct epoll_socket *socket, int status);
/* An event while connecting; and what is left of an attempt whose socket is closed. */
void epoll__attempt_on_events(struct epoll_socket *socket, uint32_t events);
void epoll__attempt_abandon(struct epoll_attempt *attempt);
/* At the end of the loop, when no worker knows it any more. */
void epoll__attempts_free(struct epoll_loop *loop);
