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

struct channel;

/* settings and host are copied (client_id borrowed). Connects to nothing yet. */
struct channel *channel_new(struct io *io, const struct client_settings *settings, const char *host,
                            uint16_t port);
void channel_free(
    struct channel *connection); /* open calls end with -ERR_CANCELLED; NULL is fine */

/* The broker has another address: it counts from the next connection on, and at once where none is made yet. */
void channel_move(struct channel *connection, const char *host, uint16_t port);

/* `done` follows, never from within this call. */
void channel_send(struct channel *connection, struct client_call *call);

bool channel_is_ready(const struct channel *connection);
/* The version that both sides speak best, once ready: -1 for APIs that the broker lacks. */
int16_t channel_version(const struct channel *connection, enum api_key key);
const char *channel_host(const struct channel *connection);
uint16_t channel_port(const struct channel *connection);
/* The features that the broker told with its versions; borrowed until the connection closes. */
struct api_versions_response;
const struct api_versions_response *channel_versions(const struct channel *connection);
