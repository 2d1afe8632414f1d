/* A broker's life as the controller sees it: registered, caught up, unfenced, alive, leaving (KIP-500, KIP-631).
 *
 *   REGISTERING ──► STARTING (fenced; logs are opened) ──► RUNNING ──► LEAVING ──► GONE
 *
 * Heartbeats keep it alive and carry what it wants. Threads: shard 0.
 */
#pragma once

#include "server/shard.h"
#include "wire/kafka_error.h"

struct broker;

struct broker_owner {
    void (*on_registered)(void *context); /* the image has this incarnation: open the logs */
    void (*on_running)(void *context);    /* unfenced: open the listeners */
    void (*on_refused)(void *context,
                       enum kafka_error error); /* the controller does not take this broker: stop */
    void (*on_gone)(void *context); /* the controller has let it go, or did not answer in time */
    void *context;
};

struct broker *broker_new(struct shard *shard, const struct broker_owner *owner,
                          int64_t previous_epoch);
void broker_free(struct broker *broker); /* NULL is fine */

/* The controller can be asked (again). */
void broker_controller_active(struct broker *broker);
/* Everything is open: asks to be unfenced. */
void broker_ready(struct broker *broker);
/* Asks to leave; on_gone follows, at the latest after patience_ms. */
void broker_leave(struct broker *broker, int64_t patience_ms);
int64_t broker_epoch(const struct broker *broker); /* -1: not registered */
