/* What a blocking face of the client stands on: a loop that it turns until what it waits for is there. */
#pragma once

#include "io/io.h"

struct client_loop {
    struct io *io;
    int (*turn)(struct io *io, int64_t timeout_ms);
    bool (*is_interrupted)(void *context); /* may be NULL */
    void *context;
};

/* Turns until is_done, or deadline_ns (monotonic) has come: 0, -ERR_TIMEOUT, -ERR_CANCELLED when interrupted, or what turning
 * failed with. */
MUST_CHECK int client_loop_wait(const struct client_loop *loop, bool (*is_done)(void *context),
                                void *context, int64_t deadline_ns);
/* One turn without waiting: 0, -ERR_CANCELLED when interrupted, or what turning failed with. */
MUST_CHECK int client_loop_turn(const struct client_loop *loop);
