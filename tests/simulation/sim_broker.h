/* A whole Ottla node in a simulated world: formatted, started, crashed and started again.
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

/* `settings`: lines added to server.properties; may be "". is_verbose: prints the
 * node's lines. Formats the disk at once. */
struct sim_broker *sim_broker_new(struct sim_world *world, const char *settings, bool is_verbose);
struct sim_node *sim_broker_node(struct sim_broker *broker);

/* Starts an incarnation; it is ready some time later, or has failed. */
void sim_broker_start(struct sim_broker *broker);
bool sim_broker_is_ready(const struct sim_broker *broker);
/* Why the last start, or the running node, gave up; "" if it did not. */
const char *sim_broker_failure(const struct sim_broker *broker);
/* Ends it in good order; is_stopped follows. */
void sim_broker_stop(struct sim_broker *broker);
bool sim_broker_is_stopped(const struct sim_broker *broker);
/* Started again by itself this long after each crash. */
void sim_broker_set_restart_delay_ns(struct sim_broker *broker, int64_t delay_ns);
