/* The settings of listeners.
 *
 * Input: u8 bits (1 a broker, 2 a controller, 4… which of the texts below are set), then up to seven lines: listeners,
 * advertised.listeners, the protocol map, controllers' names, inter-broker name, inter-broker protocol, early start.
 * Properties: names are unique and upper case, every listener of a broker's that is told to others has an address that they
 * can use, brokers find one another, and an endpoint printed is parsed the same.
 */
#include "fuzz.h"

#include "config/listeners.h"

#include "base/mem.h"

#include <string.h>

#define LINE_COUNT 7

static void check_endpoint(const struct endpoint *endpoint)
{
    struct endpoint again;
    char *text = mem_printf("%s://[%s]:%u", endpoint->name, endpoint->host, endpoint->port);
    const int r = endpoint_parse(bytes_from_text(text), &again, NULL);
    ASSERT(r == 0);
    ASSERT(strcmp(again.name, endpoint->name) == 0 && strcmp(again.host, endpoint->host) == 0 &&
           again.port == endpoint->port);
    endpoint_deinit(&again);
    mem_free(text);
}

static void check_listeners(const struct listeners_input *input, const struct listeners *listeners)
{
    bool has_inter_broker = false;
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *listener = &listeners->items[i];
        ASSERT(listeners_find(listeners, listener->bind.name) == listener);
        check_endpoint(&listener->bind);
        if (listener->is_advertised) {
            ASSERT(strcmp(listener->advertised.name, listener->bind.name) == 0);
            ASSERT(strcmp(listener->advertised.host, "0.0.0.0") != 0);
            check_endpoint(&listener->advertised);
        }
        ASSERT(!listener->is_inter_broker || (listener->is_advertised && !listener->is_controller));
        has_inter_broker |= listener->is_inter_broker;
    }
    ASSERT(has_inter_broker || !input->is_broker);
    for (size_t i = 0; i < listeners->controller_count; i++) {
        const bool is_bound = listeners_find(listeners, listeners->controllers[i].name) != NULL;
        ASSERT(is_bound == input->is_controller);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = mem_strndup((const char *)data + 1, size - 1);
    char *lines[LINE_COUNT] = { NULL };
    char *rest = text;
    for (size_t i = 0; i < LINE_COUNT && rest != NULL; i++)
        lines[i] = strsep(&rest, "\n");
    const bool is_role_given = (data[0] & 3) != 0;
    const struct listeners_input input = {
        .is_broker = (data[0] & 1) != 0 || !is_role_given,
        .is_controller = (data[0] & 2) != 0,
        .listeners = lines[0] != NULL ? lines[0] : "PLAINTEXT://:9092",
        .advertised_listeners = (data[0] & 4) != 0 ? lines[1] : NULL,
        .security_protocol_map = (data[0] & 8) != 0 ? lines[2] : NULL,
        .controller_listener_names = lines[3] != NULL ? lines[3] : "CONTROLLER",
        .inter_broker_listener_name = (data[0] & 16) != 0 ? lines[4] : NULL,
        .security_inter_broker_protocol = (data[0] & 32) != 0 ? lines[5] : NULL,
        .early_start_listeners = (data[0] & 64) != 0 ? lines[6] : NULL,
        .own_voter_host = (data[0] & 128) != 0 ? "voter" : NULL,
    };
    struct listeners *listeners = NULL;
    struct err_note note = { .text = "" };
    const int r = listeners_parse(&input, &listeners, &note);
    ASSERT(r == 0 || (r == -ERR_INVALID_SETTING && note.text[0] != '\0' && listeners == NULL));
    if (r == 0)
        check_listeners(&input, listeners);
    listeners_free(listeners);
    mem_free(text);
    return 0;
}
