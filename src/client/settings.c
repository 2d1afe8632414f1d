/* See settings.h. */
#include "client/settings.h"

#define MS(name) MIN(config_i64(config, SETTING_##name##_MS), CLIENT_MS_MAX)

#define FILL(KIND)                                                                                 \
    ((struct client_settings){                                                                     \
        .client_id = config_text(config, SETTING_##KIND##_CLIENT_ID),                              \
        .request_timeout_ms = MS(KIND##_REQUEST_TIMEOUT),                                          \
        .reconnect_backoff_ms = MS(KIND##_RECONNECT_BACKOFF),                                      \
        .reconnect_backoff_max_ms = MS(KIND##_RECONNECT_BACKOFF_MAX),                              \
        .retry_backoff_ms = MS(KIND##_RETRY_BACKOFF),                                              \
        .retry_backoff_max_ms = MS(KIND##_RETRY_BACKOFF_MAX),                                      \
        .metadata_max_age_ms = MS(KIND##_METADATA_MAX_AGE),                                        \
    })

struct client_settings client_settings_from(const struct config *config)
{
    if (config_kind(config) == SETTING_KIND_PRODUCER)
        return FILL(PRODUCER);
    if (config_kind(config) == SETTING_KIND_CONSUMER)
        return FILL(CONSUMER);
    return FILL(ADMIN);
}

int64_t client_backoff_ns(int64_t ms, int64_t ms_max, uint32_t failure_count, struct rng *rng)
{
    const uint32_t shift = MIN(failure_count, 20u);
    const int64_t grown_ms = ms > ms_max >> shift ? ms_max : ms << shift;
    const int64_t fifth_ns = grown_ms * NS_PER_MS / 5;
    return fifth_ns * 4 + rng_between(rng, 0, fifth_ns * 2);
}

int64_t client_retry_backoff_ns(const struct client_settings *settings, uint32_t failure_count,
                                struct rng *rng)
{
    return client_backoff_ns(settings->retry_backoff_ms, settings->retry_backoff_max_ms,
                             failure_count, rng);
}

struct config_list client_bootstrap_servers(const struct config *config)
{
    if (config_kind(config) == SETTING_KIND_PRODUCER)
        return config_list(config, SETTING_PRODUCER_BOOTSTRAP_SERVERS);
    if (config_kind(config) == SETTING_KIND_CONSUMER)
        return config_list(config, SETTING_CONSUMER_BOOTSTRAP_SERVERS);
    return config_list(config, SETTING_ADMIN_BOOTSTRAP_SERVERS);
}
