/* Socket addresses of the kernel, and the names that lead to them. No state; any thread. */
#pragma once

#include "io/io.h"

#include <netinet/in.h>

#define ADDRESS_COUNT_MAX 16 /* of one name; more are not tried */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

socklen_t address_size(const union address *address);

/* "10.0.0.1" also for an IPv4 peer of a socket that serves both families. */
void address_to_text(const union address *address, struct io_address *out);

/* Literal addresses and "localhost" (127.0.0.1, then ::1), which need nobody's help. Answers how many, 0 if `host`
 * is another kind of name. */
int address_from_literal(const char *host, uint16_t port, union address out[ADDRESS_COUNT_MAX]);

/* Asks the system's resolver, which may take long. Answers how many (> 0), or -ERR_NOT_FOUND: there is no such name,
 * -EHOSTUNREACH: nobody could be asked, or errno. */
MUST_CHECK int address_resolve(const char *host, uint16_t port,
                               union address out[ADDRESS_COUNT_MAX]);
