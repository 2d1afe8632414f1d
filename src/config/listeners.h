/* Where a node listens and what it tells others to connect to.
 *
 * Made from `listeners`, `advertised.listeners`, `listener.security.protocol.map`, `controller.listener.names`,
 * `inter.broker.listener.name`, `security.inter.broker.protocol` and `early.start.listeners`, by Kafka's rules (KIP-103,
 * KIP-291, KIP-631, KIP-797). Part of a broker's config (config_listeners); immutable.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

/* The numbers are the protocol's (SecurityProtocol in registration records). */
enum security_protocol {
    SECURITY_PLAINTEXT = 0,
    SECURITY_SSL = 1,
    SECURITY_SASL_PLAINTEXT = 2,
    SECURITY_SASL_SSL = 3,
};
const char *security_protocol_name(enum security_protocol protocol); /* "SASL_SSL"; static */

struct endpoint {
    char *name; /* listener name, upper case; owned */
    char *host; /* "" where the setting names none: all addresses (listeners), this machine (advertised) */
    int32_t port;
    enum security_protocol protocol;
};

struct listener {
    struct endpoint bind;
    struct endpoint advertised; /* what Metadata answers for this listener; brokers' listeners only */
    bool is_advertised;         /* false: not named in advertised.listeners */
    bool is_controller;         /* named in controller.listener.names */
    bool is_inter_broker;       /* other brokers come here */
    bool is_early_start;        /* opens before the broker is ready */
};

struct listeners {
    struct listener *items; /* what this node binds, in the order of `listeners` */
    size_t count;
    struct endpoint *advertised; /* in the order of advertised.listeners (controllers' included where named) */
    size_t advertised_count;
    char *inter_broker_name; /* owned */
    enum security_protocol inter_broker_protocol;
    char **controller_names; /* controller.listener.names in order; owned; the first is the one others are told */
    enum security_protocol *controller_protocols;
    size_t controller_count;
};

/* The settings' texts; NULL: not set. Defaults are filled in by the caller, except those that depend on others. */
struct listeners_input {
    const char *listeners;
    const char *advertised_listeners;
    const char *security_protocol_map;
    const char *controller_listener_names;
    const char *inter_broker_listener_name;
    const char *security_inter_broker_protocol; /* NULL: not set by the operator */
    const char *early_start_listeners;
    bool is_broker;
    bool is_controller;
};

/* Returns 0 with *out to be freed by listeners_free, or -ERR_INVALID_SETTING with a note that names setting and
 * value: a bad URI, a name twice, a port twice (unless one address is IPv4 and the other IPv6), a name outside the map,
 * an advertised 0.0.0.0, an inter-broker name that is not advertised, controller names among a pure broker's, … */
MUST_CHECK int listeners_parse(const struct listeners_input *input, struct listeners **out,
                               struct err_note *note);
void listeners_free(struct listeners *listeners); /* NULL is fine */

/* By name in any case; NULL if there is none. */
const struct listener *listeners_find(const struct listeners *listeners, const char *name);

/* One "NAME://host:port"; IPv6 hosts in brackets, which come off. Needs no protocol map: protocol stays PLAINTEXT.
 * -ERR_MALFORMED with the note naming the text. The caller frees with endpoint_deinit. */
MUST_CHECK int endpoint_parse(struct bytes text, struct endpoint *out, struct err_note *note);
void endpoint_deinit(struct endpoint *endpoint);
