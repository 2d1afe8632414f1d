/* Connections on which one request at a time is asked: each waits for its answer before it asks again. */
#pragma once

#include "base/buf.h"
#include "link.h"

struct asker {
    struct buf request;
    struct link_frame frame;
    bool has_asked; /* a request is under way */
    int32_t asked_count;
};

struct askers {
    struct links links;
    struct asker *items; /* owned; one a link */
};

/* Connects all of them and waits until each is greeted. */
void askers_open(struct askers *askers, const struct load_options *options,
                 size_t answer_bytes_max);
void askers_close(struct askers *askers);

/* Sends a request of this connection's, which has none under way. */
void askers_ask(struct askers *askers, int32_t index, int16_t api_key, int16_t version,
                const void *message);

/* Waits up to `wait_ns` (negative: for ever); calls on_answer for each answer that has come, without its size prefix, and only
 * valid until on_answer returns; which may ask again. */
void askers_wait(struct askers *askers, int64_t wait_ns,
                 void (*on_answer)(void *context, int32_t index, struct bytes answer),
                 void *context);
