/* A whole Ottla node in a simulated world: formatted, started, crashed or stopped, and started again.
 *
 * After a crash the old node value is freed: it has seen its disk and network die, and has no effect on anything.
 * Threads: one.
 */
#pragma once

#include "base/diag.h"
#include "sim/sim_world.h"

#define SIM_BROKER_PORT 9092
#define SIM_BROKER_DIR  "/data"

struct sim_broker;

enum sim_broker_end { SIM_BROKER_CRASHED, SIM_BROKER_STOPPED };

/* Called between events, but for on_error and on_failed. */
struct sim_broker_owner {
    void (*on_end)(void *context, enum sim_broker_end how); /* of an incarnation */
    void (*on_error)(void *context, const char *text);      /* a line of that level */
    /* It gave up, and its process ends. is_starting: it had not become ready. */
    void (*on_failed)(void *context, const char *text, bool is_starting);
    void *context;
};

/* `settings`: lines added to server.properties; may be "". transaction_version: of the cluster. is_verbose: prints the
 * node's lines. Formats the disk at once; sim_broker_start begins its life. */
struct sim_broker *sim_broker_new(struct sim_world *world, const char *settings,
                                  int16_t transaction_version, const struct sim_broker_owner *owner,
                                  bool is_verbose);
/* It is down or has no job under way. */
void sim_broker_free(struct sim_broker *broker);
struct sim_node *sim_broker_node(struct sim_broker *broker);

/* An incarnation begins; it is ready some time later. From then on it is started again by itself after each end. */
void sim_broker_start(struct sim_broker *broker);
bool sim_broker_is_ready(const struct sim_broker *broker);
bool sim_broker_is_down(const struct sim_broker *broker);
/* When this incarnation had loaded its groups, as it said; INT64_MAX: not yet. */
int64_t sim_broker_groups_loaded_ns(const struct sim_broker *broker);
/* Ends the incarnation in good order. */
void sim_broker_stop(struct sim_broker *broker);
bool sim_broker_is_stopping(const struct sim_broker *broker);
void sim_broker_set_restart_delay_ns(struct sim_broker *broker, int64_t delay_ns);
