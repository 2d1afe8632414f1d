/* Asking a cluster to do something: one typed call, sent to whoever has to answer it, blocking.
 *
 *     struct create_topics_request request; …
 *     struct client_call call = { .key = API_CREATE_TOPICS, .request = &request };
 *     r = admin_call(admin, ADMIN_CONTROLLER, &call, &note);
 *     if (r == 0) use((struct create_topics_response *)call.response);
 *     client_call_deinit(&call);
 *
 * What cannot be reached is tried again, elsewhere if that may help, until default.api.timeout.ms. Outcomes inside an answer are
 * the caller's. Requests for the controller go to any broker, which forwards them (KIP-590).
 */
#pragma once

#include "client/cluster.h"
#include "client/loop.h"

struct admin;

enum admin_route {
    ADMIN_TO_ANY,
    ADMIN_TO_CONTROLLER,
    ADMIN_TO_BROKER, /* id */
    ADMIN_TO_GROUP,  /* the coordinator of the group `key` */
};
struct admin_target {
    enum admin_route route;
    int32_t id;
    struct bytes key;
};
#define ADMIN_ANY         ((struct admin_target){ .route = ADMIN_TO_ANY })
#define ADMIN_CONTROLLER  ((struct admin_target){ .route = ADMIN_TO_CONTROLLER })
#define ADMIN_BROKER(id_) ((struct admin_target){ .route = ADMIN_TO_BROKER, .id = (id_) })
#define ADMIN_GROUP(key_) ((struct admin_target){ .route = ADMIN_TO_GROUP, .key = (key_) })

/* config: of kind admin (or another client kind), borrowed until admin_free, as is diag. */
MUST_CHECK int admin_new(const struct client_loop *loop, const struct config *config,
                         const struct diag *diag, struct admin **out, struct err_note *note);
void admin_free(struct admin *admin); /* NULL is fine */

/* call->key, request, and optionally version_max and timeout_ms are set. 0 with call->response, or negative with a note:
 * -ERR_TIMEOUT, -ERR_CANCELLED (interrupted), -ERR_VERSION, …; -ERR_NOT_FOUND: no such broker, or the group has no coordinator.
 * To be released by client_call_deinit either way. */
MUST_CHECK int admin_call(struct admin *admin, struct admin_target target, struct client_call *call,
                          struct err_note *note);
/* The answer said that this broker does not coordinate the group any more. */
void admin_forget_coordinator(struct admin *admin, struct bytes group);

/* Who coordinates a group, as far as a call found out; NULL and false otherwise. */
struct channel *admin_coordinator(struct admin *admin, struct bytes group);
bool admin_coordinator_id(const struct admin *admin, struct bytes group, int32_t *out);

/* Knows brokers, and of the topics named (or all, where `all`), who leads. 0 or as admin_call. */
MUST_CHECK int admin_refresh(struct admin *admin, const struct bytes *topics, size_t count,
                             bool all, struct err_note *note);
struct cluster *admin_cluster(struct admin *admin);
/* Waits; for retries of what an answer refused for now. -ERR_CANCELLED, or -ERR_TIMEOUT when all time is used up. */
MUST_CHECK int admin_pause(struct admin *admin, int64_t deadline_ns);
int64_t
admin_deadline(const struct admin *admin); /* default.api.timeout.ms from now, monotonic ns */
