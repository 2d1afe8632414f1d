/* What comes where a request should: judged by its first four bytes, and answered in its own language where it has one. */
#include "server/server_int.h"

#include "base/be.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* A peer that speaks something else: tell it in its own language where it has one. */
static void last_word(struct connection *c, const void *bytes, size_t size)
{
    struct out_part *part = MEM_NEW(struct out_part);
    part->left_bytes = size;
    part->memory = mem_dup(bytes, size);
    connection__out_add(c, part);
}

static void answer_http(struct connection *c)
{
    static const char body[] =
        "This port speaks the Kafka protocol, not HTTP. Point a Kafka client at it.\r\n";
    AUTO(mem_freep)
    char *answer = mem_printf("HTTP/1.1 400 Bad Request\r\n"
                              "Content-Type: text/plain\r\n"
                              "Connection: close\r\n"
                              "Content-Length: %zu\r\n\r\n%s",
                              sizeof(body) - 1, body);
    last_word(c, answer, strlen(answer));
}

static bool looks_like_http(const uint8_t *p)
{
    static const char *const methods[] = { "GET ", "HEAD", "POST", "PUT ", "DELE",
                                           "OPTI", "PATC", "CONN", "PRI " };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (memcmp(p, methods[i], 4) == 0)
            return true;
    }
    return false;
}

/* What a person would have typed: ' ("SSH-")'; nothing where it is no text. */
static void print_prefix(const uint8_t *prefix, char text[32])
{
    text[0] = '\0';
    for (int i = 0; i < CONNECTION_PREFIX_BYTES; i++) {
        if (prefix[i] < ' ' || prefix[i] > '~')
            return;
    }
    (void)snprintf(text, 32, " (\"%.4s\")", (const char *)prefix);
}

bool connection__check_prefix(struct connection *c, const uint8_t *prefix)
{
    const int32_t size = be_load_i32(prefix);
    if (size >= 0 && (uint32_t)size <= c->server->limits.frame_bytes_max)
        return true;

    if (looks_like_http(prefix)) {
        answer_http(c);
        connection_refuse(c, "an HTTP request came on a port that speaks the Kafka protocol");
    } else if (prefix[0] == 0x16 && prefix[1] == 0x03) {
        /* A fatal alert, protocol_version (RFC 8446, 6.2), in the record form of every TLS version. */
        static const uint8_t alert[] = { 0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46 };
        last_word(c, alert, sizeof(alert));
        connection_refuse(c, "a TLS handshake came on a plaintext port; set "
                             "security.protocol=PLAINTEXT in the client");
    } else {
        char text[32];
        print_prefix(prefix, text);
        if (size < 0)
            connection_refuse(c, "frame size %d%s is negative; this is no Kafka request", size,
                              text);
        else
            connection_refuse(c, "frame size %d%s is above socket.request.max.bytes=%u", size, text,
                              c->server->limits.frame_bytes_max);
    }
    return false;
}
