/* The way to the active controller: on this node a call, in a cluster a forwarded request.
 *
 * Implemented by node. Threads: the shard's.
 */
#pragma once

#include "server/request.h"

struct controller_link {
    /* Asks the controller. `message` (of the API's request type, in `version`) and `principal` are borrowed until
     * `done`. `done` is called once, later or at once: with NONE and the response (borrowed for the call) after the
     * change is committed and (of what clients ask for) this node's shards have applied it; else with why it could not be asked
     * (NOT_CONTROLLER, REQUEST_TIMED_OUT: retriable; KAFKA_STORAGE_ERROR to clients while the metadata log finds the disk full). */
    void (*ask)(struct controller_link *link, int16_t api_key, int16_t version, const void *message,
                const struct principal *principal,
                void (*done)(void *context, enum kafka_error error, const void *response),
                void *context);
    /* The controller's node id as known here; -1. */
    int32_t (*controller_id)(struct controller_link *link);
};

/* For handlers whose request is the controller's own: forwards the message and answers with what comes back, or with
 * `failed`, which makes the API's answer for an error. */
void forward_to_controller(struct request *request,
                           void (*failed)(struct request *request, enum kafka_error error));
