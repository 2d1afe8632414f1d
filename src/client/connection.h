/* A connection to one broker, which makes itself when there is something to send.
 *
 *   closed → connecting → negotiating (ApiVersions, KIP-35, KIP-511) → ready → closed
 *
 * Calls are answered in order. When the connection fails or a call's time is over, the connection closes and every call
 * that it has fails; the next call connects again, not sooner than the back-off allows (KIP-144). Who sends again, and where to,
 * is for those above.
 * Threads: the loop's.
 */
#pragma once

#include "client/call.h"
#include "io/io.h"

struct client_settings {
    const char *client_id; /* borrowed */
    int64_t request_timeout_ms;
    int64_t reconnect_backoff_ms;
    int64_t reconnect_backoff_max_ms;
    int64_t retry_backoff_ms;
    int64_t retry_backoff_max_ms;
    int64_t metadata_max_age_ms;
};

struct connection;

/* settings and host are copied (client_id borrowed). Connects to nothing yet. */
struct connection *connection_new(struct io *io, const struct client_settings *settings,
                                  const char *host, uint16_t port);
void connection_free(
    struct connection *connection); /* open calls end with -ERR_CANCELLED; NULL is fine */

/* `done` follows, never from within this call. */
void connection_send(struct connection *connection, struct client_call *call);

bool connection_is_ready(const struct connection *connection);
/* The version that both sides speak best, once ready: -1 for APIs that the broker lacks. */
int16_t connection_version(const struct connection *connection, enum api_key key);
const char *connection_host(const struct connection *connection);
uint16_t connection_port(const struct connection *connection);
/* The features that the broker told with its versions; borrowed until the connection closes. */
struct api_versions_response;
const struct api_versions_response *connection_versions(const struct connection *connection);
