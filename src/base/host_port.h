/* "host:port", where something listens: listeners, bootstrap servers, voters of a quorum. Kafka's grammar (its Utils.getHost and
 * getPort, without the protocol that these skip):
 *
 *     host ":" port      host: letters, digits and - . _ % :, or none; [host] is the same, as an IPv6 address is written
 *                        port: the digits behind the last colon, 0 to 65535
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

struct host_port {
    struct bytes host; /* without brackets; of the text that was parsed */
    uint16_t port;
    bool is_bracketed;
};

/* -ERR_MALFORMED with a sentence that names the text and what is wrong with it. Whether an empty host or port 0 is of
 * use, the caller knows. */
MUST_CHECK int host_port_parse(struct bytes text, struct host_port *out, struct err_note *note);

/* Of characters that a host's name or address has; also the empty one. */
bool host_is_legal(struct bytes host);
