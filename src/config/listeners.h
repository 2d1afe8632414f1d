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
bool security_protocol_from_text(struct bytes text, enum security_protocol *out); /* in any case */

struct endpoint {
    char *name; /* listener name, upper case; owned */
    char *
        host; /* owned; "" where the setting names none: all addresses to bind, this machine's name to advertise */
    uint16_t port; /* 0: any free one */
};

struct listener {
    struct endpoint bind;
    struct endpoint
        advertised; /* what others are told to connect to; name as in bind, host and port NULL, 0 if none */
    enum security_protocol protocol;
    bool
        is_advertised; /* brokers': named in advertised.listeners, or that is not set; controllers': always */
    bool is_controller;   /* named in controller.listener.names; not for clients */
    bool is_inter_broker; /* other brokers come here */
    bool is_early_start;  /* opens before the broker is ready */
};

/* A listener of controllers, as this node reaches them (it need not be one). */
struct controller_listener {
    char *name; /* upper case; owned */
    enum security_protocol protocol;
};

struct listeners {
    struct listener *items; /* what this node binds, in the order of `listeners` */
    size_t count;
    struct controller_listener *
        controllers; /* in the order of controller.listener.names; the first is used to reach them */
    size_t controller_count;
    char *inter_broker_name; /* upper case; owned */
    enum security_protocol inter_broker_protocol;
};

/* The settings' texts. NULL: not set; the defaults that depend on other settings are found here. */
struct listeners_input {
    const char *listeners;
    const char *advertised_listeners;
    const char *security_protocol_map;
    const char *controller_listener_names;
    const char *inter_broker_listener_name;
    const char *security_inter_broker_protocol;
    const char *early_start_listeners;
    const char *own_voter_host; /* of this node in controller.quorum.voters */
    uint16_t own_voter_port;
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

/* One "NAME://host:port"; an IPv6 host may stand in brackets, which come off; the name becomes upper case. To be
 * released by endpoint_deinit. -ERR_MALFORMED with a note that names the text. */
MUST_CHECK int endpoint_parse(struct bytes text, struct endpoint *out, struct err_note *note);
void endpoint_deinit(struct endpoint *endpoint);
