/* What DescribeConfigs answers about a broker, topic, group or client-metrics resource.
 *
 * Names, order and wording of values are Apache Kafka's: the reference tables in tests/data/config are compared in a
 * unit test. Broker-logger resources are not settings: the server answers those itself. KIP-133, KIP-226, KIP-569.
 */
#pragma once

#include "base/arena.h"
#include "config/config.h"

/* Numbers of the protocol's ConfigSource. */
enum config_source {
    CONFIG_SOURCE_UNKNOWN = 0,
    CONFIG_SOURCE_TOPIC = 1,
    CONFIG_SOURCE_DYNAMIC_BROKER = 2,
    CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
    CONFIG_SOURCE_STATIC_BROKER = 4,
    CONFIG_SOURCE_DEFAULT = 5,
    CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER = 6,
    CONFIG_SOURCE_CLIENT_METRICS = 7,
    CONFIG_SOURCE_GROUP = 8,
};

struct config_synonym {
    const char *name;
    const char *value; /* NULL: null or secret */
    enum config_source source;
};

struct config_description {
    const char *name;
    const char *value; /* NULL: null or secret */
    bool is_read_only;
    bool is_default; /* source is DEFAULT: for versions of the protocol before sources */
    bool is_sensitive;
    enum config_source source;
    enum setting_type type;
    const char *documentation;
    const struct config_synonym *synonyms; /* in order of precedence */
    size_t synonym_count;
};

/* All settings that Kafka would name for this resource, ordered by name; an internal setting only when it was set.
 * Unknown names that were set by a client are described too, as STRING.
 *
 *   broker          the broker's snapshot
 *   config          NULL for the broker resource; else the topic's, group's or subscription's config
 *   is_cluster_wide with config NULL: the cluster default resource (name ""), which lists only what was set there
 *   out             *out_count elements from the arena; texts are borrowed from the configs and the arena
 *
 * Returns 0, or -ERR_LIMIT when the arena is full. */
MUST_CHECK int config_describe(const struct config *broker, const struct config *config,
                               bool is_cluster_wide, struct arena *arena,
                               const struct config_description **out, size_t *out_count);
