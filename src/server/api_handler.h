/* The table of APIs that this build serves. A new API is one file in handlers/ and one line in
 * api_handlers.def.
 */
#pragma once

#include "server/request.h"

struct api_handler {
    int16_t api_key;
    uint8_t listeners; /* bits of enum api_listener: where it is served */
    /* request->message is decoded (all versions of the API table). */
    void (*handle)(struct request *request);
    /* May start while earlier requests of its own kind still wait (Produce). */
    bool may_pipeline;
    /* Its answer is never much larger than the request: it starts however much waits to be read. */
    bool answers_little;
    /* With answers_little: how much of the request is a load of which the answer tells nothing. NULL: nothing of it. */
    size_t (*load_bytes)(const void *message);
};

/* NULL: this build does not serve it on that kind of listener. */
const struct api_handler *api_handler_get(int16_t api_key, enum api_listener where);

#define API_HANDLER(name) extern const struct api_handler name##_handler;
#include "server/api_handlers.def"
#undef API_HANDLER
