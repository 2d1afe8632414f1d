/* See settings.h. */
#include "client/settings.h"

#define FILL(KIND)                                                                                 \
    ((struct client_settings){                                                                     \
        .client_id = config_text(config, SETTING_##KIND##_CLIENT_ID),                              \
        .request_timeout_ms = config_i64(config, SETTING_##KIND##_REQUEST_TIMEOUT_MS),             \
        .reconnect_backoff_ms = config_i64(config, SETTING_##KIND##_RECONNECT_BACKOFF_MS),         \
        .reconnect_backoff_max_ms = config_i64(config, SETTING_##KIND##_RECONNECT_BACKOFF_MAX_MS), \
        .retry_backoff_ms = config_i64(config, SETTING_##KIND##_RETRY_BACKOFF_MS),                 \
        .retry_backoff_max_ms = config_i64(config, SETTING_##KIND##_RETRY_BACKOFF_MAX_MS),         \
        .metadata_max_age_ms = config_i64(config, SETTING_##KIND##_METADATA_MAX_AGE_MS),           \
    })

struct client_settings client_settings_from(const struct config *config)
{
    if (config_kind(config) == SETTING_KIND_PRODUCER)
        return FILL(PRODUCER);
    if (config_kind(config) == SETTING_KIND_CONSUMER)
        return FILL(CONSUMER);
    return FILL(ADMIN);
}

struct config_list client_bootstrap_servers(const struct config *config)
{
    if (config_kind(config) == SETTING_KIND_PRODUCER)
        return config_list(config, SETTING_PRODUCER_BOOTSTRAP_SERVERS);
    if (config_kind(config) == SETTING_KIND_CONSUMER)
        return config_list(config, SETTING_CONSUMER_BOOTSTRAP_SERVERS);
    return config_list(config, SETTING_ADMIN_BOOTSTRAP_SERVERS);
}
