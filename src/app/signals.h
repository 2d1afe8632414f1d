/* Signals as messages to a loop: a thread waits for them, so that nothing runs in a handler. */
#pragma once

#include "io/io.h"

#include <pthread.h>
#include <signal.h>

struct signals {
    struct io_message message; /* under way to the loop; one at a time */
    struct io *io;
    void (*on_signal)(void *context, int signal_number); /* on the loop */
    void *context;
    sigset_t set;
    pthread_t thread;
    int taken;      /* the signal that `message` tells of */
    bool is_told;   /* atomic: the loop has taken `message` back */
    bool is_ending; /* atomic */
};

/* Blocks SIGINT, SIGTERM, SIGHUP (and ignores SIGPIPE) in this thread and all it starts later: call it before any other thread
 * is started. */
void signals_block(struct signals *signals);
/* For who runs long, before signals_start: SIGQUIT is told of, too, and SIGUSR1, SIGUSR2 and SIGALRM end nothing. */
void signals_block_more(struct signals *signals);
MUST_CHECK int signals_start(struct signals *signals, struct io *io,
                             void (*on_signal)(void *context, int signal_number), void *context);
void signals_end(struct signals *signals); /* joins the thread; not started: fine */
