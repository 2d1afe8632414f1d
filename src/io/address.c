/* Addresses from names, and back to text. */
#include "io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

socklen_t address_size(const union address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

static union address from_v4(struct in_addr host, uint16_t port)
{
    return (union address){
        .v4 = { .sin_family = AF_INET, .sin_addr = host, .sin_port = htons(port) }
    };
}

static union address from_v6(struct in6_addr host, uint16_t port)
{
    return (union address){
        .v6 = { .sin6_family = AF_INET6, .sin6_addr = host, .sin6_port = htons(port) }
    };
}

void address_to_text(const union address *address, struct io_address *out)
{
    const struct in6_addr *v6 = &address->v6.sin6_addr;
    *out = (struct io_address){ 0 };
    const char *text;
    if (address->any.sa_family == AF_INET)
        text = inet_ntop(AF_INET, &address->v4.sin_addr, out->host, sizeof(out->host));
    else if (IN6_IS_ADDR_V4MAPPED(v6))
        text = inet_ntop(AF_INET, &v6->s6_addr[12], out->host, sizeof(out->host));
    else
        text = inet_ntop(AF_INET6, v6, out->host, sizeof(out->host));
    ASSERT(text != NULL);
    out->port =
        ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

int address_from_literal(const char *host, uint16_t port, union address out[ADDRESS_COUNT_MAX])
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcasecmp(host, "localhost") == 0) {
        out[0] = from_v4((struct in_addr){ htonl(INADDR_LOOPBACK) }, port);
        out[1] = from_v6(in6addr_loopback, port);
        return 2;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        out[0] = from_v4(v4, port);
        return 1;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        out[0] = from_v6(v6, port);
        return 1;
    }
    return 0;
}

static int resolver_error(int code)
{
    switch (code) {
    case EAI_SYSTEM:
        return errno == 0 ? -EHOSTUNREACH : -errno;
    case EAI_AGAIN:
    case EAI_FAIL:
        return -EHOSTUNREACH;
    case EAI_MEMORY:
        return -ENOMEM;
    default:
        return -ERR_NOT_FOUND;
    }
}

int address_resolve(const char *host, uint16_t port, union address out[ADDRESS_COUNT_MAX])
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV };
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo *found = NULL;
    const int r = getaddrinfo(host, service, &hints, &found);
    if (r != 0)
        return resolver_error(r);

    int count = 0;
    for (struct addrinfo *a = found; a != NULL && count < ADDRESS_COUNT_MAX; a = a->ai_next) {
        const bool is_known = a->ai_family == AF_INET || a->ai_family == AF_INET6;
        if (!is_known || a->ai_addrlen > sizeof(out[0]))
            continue;
        out[count] = (union address){ 0 };
        memcpy(&out[count++], a->ai_addr, a->ai_addrlen);
    }
    freeaddrinfo(found);
    return count > 0 ? count : -ERR_NOT_FOUND;
}
