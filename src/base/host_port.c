/* Places in a network. See host_port.h. */
#include "base/host_port.h"

#include <string.h>

#define WORDS_BYTES_MAX 100 /* of the text that is named in a note */

static bool is_host_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("-._%:", c) != NULL);
}

bool host_is_legal(struct bytes host)
{
    for (size_t i = 0; i < host.size; i++) {
        if (!is_host_character(host.data[i]))
            return false;
    }
    return true;
}

static bool take_brackets_off(struct bytes *host)
{
    if (host->size < 2 || host->data[0] != '[' || host->data[host->size - 1] != ']')
        return false;
    *host = bytes_slice(*host, 1, host->size - 2);
    return true;
}

int host_port_parse(struct bytes text, struct host_port *out, struct err_note *note)
{
    const struct bytes named = bytes_slice(text, 0, WORDS_BYTES_MAX);
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return err_note(note, -ERR_MALFORMED, "'%.*s' is not host:port", BYTES_PRINTF(named));
    struct bytes host = bytes_slice(text, 0, colon - 1);
    const bool is_bracketed = take_brackets_off(&host);
    if (!host_is_legal(host))
        return err_note(note, -ERR_MALFORMED, "'%.*s' has a host that no address can have",
                        BYTES_PRINTF(named));
    int64_t port;
    if (bytes_to_i64(bytes_slice(text, colon, text.size), &port) < 0 || port < 0 ||
        port > UINT16_MAX)
        return err_note(note, -ERR_MALFORMED, "'%.*s' needs a port from 0 to %d at its end",
                        BYTES_PRINTF(named), UINT16_MAX);
    *out = (struct host_port){ .host = host, .port = (uint16_t)port, .is_bracketed = is_bracketed };
    return 0;
}
