/* A scripted peer in a simulated world: one connection, requests of the protocol, answers by call-back.
 *
 * Speaks by the message tables, and nothing else of the client library: a second opinion on the wire. Threads: one.
 */
#pragma once

#include "base/arena.h"
#include "sim/sim_world.h"
#include "wire/api.h"

struct sim_peer;

/* message: the decoded answer, valid for the call; NULL: the connection was lost before it came. */
typedef void sim_peer_answer(void *context, const void *message);

struct sim_peer *sim_peer_new(struct sim_node *machine, const char *name, const char *host,
                              uint16_t port); /* name: the client id; copied, as the host is */
void sim_peer_free(struct sim_peer *peer);    /* nobody is told */
/* Connects (again); answers of requests under way become NULL first. `on_open` is told once it is open, or lost. */
void sim_peer_connect(struct sim_peer *peer, void (*on_open)(void *context, bool is_open),
                      void *context);
bool sim_peer_is_open(const struct sim_peer *peer);
/* `message` is encoded before this returns. -ERR_CLOSED when there is no open connection: no answer follows. */
MUST_CHECK int sim_peer_ask(struct sim_peer *peer, int16_t api_key, int16_t version,
                            const void *message, sim_peer_answer *answer, void *context);
void sim_peer_close(struct sim_peer *peer);             /* requests under way get NULL */
uint32_t sim_peer_waiting(const struct sim_peer *peer); /* requests under way */
