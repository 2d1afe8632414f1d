/* A client of a history, as what producers, readers, members of groups and administrators have in common: one connection, which
 * is made again when it was lost, pauses, and chance of its own.
 *
 *   act ── asks ──► answer (or NULL: the connection was lost) ── client_again ──► pause ──► connected ──► act
 *
 * `act` is called when the client has a connection and nothing to wait for; it asks something, or calls client_again.
 */
#pragma once

#include "scene.h"
#include "sim_peer.h"

struct client {
    struct scene *scene;
    struct sim_peer *peer; /* owned */
    struct rng rng;
    void (*act)(struct client *client);
    int64_t pause_min_ns;
    int64_t pause_max_ns;
    bool is_waking; /* client_again was called, and act was not since */
    bool works_at_rest;
};

/* name: of the client id too; copied. It acts after a pause. */
void client_init(struct client *client, struct scene *scene, const char *name,
                 void (*act)(struct client *client));
void client_deinit(struct client *client);

/* Acts after a pause; once, however often it is called before that. */
void client_again(struct client *client);
/* The same without a pause. */
void client_at_once(struct client *client);

/* Asks; `answer` is called with `context`, once, perhaps at once. */
void client_ask(struct client *client, int16_t api_key, int16_t version, const void *message,
                sim_peer_answer *answer, void *context);

/* Has asked for something that is not answered yet. */
bool client_is_waiting(const struct client *client);
/* Leaves without a word, in the middle of whatever it does. */
void client_hang_up(struct client *client);
