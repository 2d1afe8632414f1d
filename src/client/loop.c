/* See loop.h. */
#include "client/loop.h"

#define TURN_MS_MAX 100 /* so that an interruption is noticed */

static bool is_interrupted(const struct client_loop *loop)
{
    return loop->is_interrupted != NULL && loop->is_interrupted(loop->context);
}

int client_loop_turn(const struct client_loop *loop)
{
    return is_interrupted(loop) ? -ERR_CANCELLED : loop->turn(loop->io, 0);
}

int client_loop_wait(const struct client_loop *loop, bool (*is_done)(void *context), void *context,
                     int64_t deadline_ns)
{
    while (!is_done(context)) {
        if (is_interrupted(loop))
            return -ERR_CANCELLED;
        const int64_t left_ns = deadline_ns - io_monotonic_ns(loop->io);
        if (left_ns <= 0)
            return -ERR_TIMEOUT;
        const int64_t left_ms = left_ns / NS_PER_MS + 1;
        const int r = loop->turn(loop->io, MIN(left_ms, (int64_t)TURN_MS_MAX));
        if (r < 0)
            return r;
    }
    return 0;
}
