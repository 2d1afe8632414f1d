/* The settings that all clients share, from a config of any client kind. */
#pragma once

#include "base/rng.h"
#include "client/channel.h"
#include "config/config.h"

#define CLIENT_MS_MAX                                                                              \
    (INT64_MAX / NS_PER_MS / 4) /* decades: longer times are no longer, and sums do not overflow */

/* Borrows from the config. Times are CLIENT_MS_MAX at most. */
struct client_settings client_settings_from(const struct config *config);
struct config_list client_bootstrap_servers(const struct config *config);
/* How long to wait after so many failures in a row (0: the first): twice as long each time, up to ms_max, and a fifth of
 * chance either way (KIP-144, KIP-580). */
int64_t client_backoff_ns(int64_t ms, int64_t ms_max, uint32_t failure_count, struct rng *rng);
int64_t client_retry_backoff_ns(const struct client_settings *settings, uint32_t failure_count,
                                struct rng *rng);
