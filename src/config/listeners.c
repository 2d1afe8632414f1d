/* From the listener settings to what is bound and advertised. See listeners.h.
 *
 * Order of work: the protocol map, controller names, endpoints of `listeners`, endpoints of `advertised.listeners`
 * laid over them, inter-broker and early-start marks, then the rules between them.
 */
#include "config/listeners.h"

#include "base/host_port.h"
#include "base/mem.h"
#include "base/vec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

static const char *const protocol_names[] = { "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL" };

const char *security_protocol_name(enum security_protocol protocol)
{
    ASSERT((unsigned)protocol < ARRAY_LEN(protocol_names));
    return protocol_names[protocol];
}

bool security_protocol_from_text(struct bytes text, enum security_protocol *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(protocol_names); i++) {
        if (text.size == strlen(protocol_names[i]) &&
            strncasecmp((const char *)text.data, protocol_names[i], text.size) == 0) {
            *out = (enum security_protocol)i;
            return true;
        }
    }
    return false;
}

static char *upper(struct bytes text)
{
    char *copy = mem_strndup((const char *)text.data, text.size);
    for (char *c = copy; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return copy;
}

/* ---- one endpoint ----------------------------------------------------------------------------------- */

int endpoint_parse(struct bytes text, struct endpoint *out, struct err_note *note)
{
    const struct bytes sign = BYTES_LITERAL("://");
    size_t name_end = 0;
    while (name_end < text.size && !bytes_starts_with(bytes_slice(text, name_end, text.size), sign))
        name_end++;
    if (name_end == 0 || name_end + sign.size >= text.size)
        return err_note(note, -ERR_MALFORMED, "'%.*s' is not of the form NAME://host:port",
                        BYTES_PRINTF(bytes_slice(text, 0, 200)));
    struct host_port place;
    const int r = host_port_parse(bytes_slice(text, name_end + sign.size, text.size), &place, note);
    if (r < 0)
        return err_note_prefix(note, r, "'%.*s'", BYTES_PRINTF(bytes_slice(text, 0, 200)));
    *out = (struct endpoint){ .name = upper(bytes_slice(text, 0, name_end)),
                              .host = mem_strndup((const char *)place.host.data, place.host.size),
                              .port = place.port };
    return 0;
}

void endpoint_deinit(struct endpoint *endpoint)
{
    mem_free(endpoint->name);
    mem_free(endpoint->host);
    *endpoint = (struct endpoint){ .name = NULL };
}

/* ---- lists of settings -------------------------------------------------------------------------------- */

/* The next comma-separated item of *rest, trimmed; *rest moves past it. False at the end. */
static bool next_item(const char **rest, struct bytes *out)
{
    if (*rest == NULL || **rest == '\0')
        return false;
    const size_t size = strcspn(*rest, ",");
    *out = bytes_trim(bytes_from(*rest, size));
    *rest += size;
    *rest += **rest == ',' ? 1 : 0;
    return true;
}

/* One entry of listener.security.protocol.map. */
struct mapping {
    char *name; /* upper case; owned */
    enum security_protocol protocol;
};

/* What the parser carries from step to step. */
struct parser {
    const struct listeners_input *input;
    struct listeners *out; /* owned until the end */
    VEC(struct mapping) map;
    VEC(struct listener) items;
    VEC(struct controller_listener) controllers;
    struct err_note *note;
};

static const struct mapping *find_mapping(const struct parser *p, const char *name)
{
    for (size_t i = p->map.count; i > 0; i--) { /* the last of two wins */
        if (strcmp(p->map.items[i - 1].name, name) == 0)
            return &p->map.items[i - 1];
    }
    return NULL;
}

static bool is_controller_name(const struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->controllers.count; i++) {
        if (strcmp(p->controllers.items[i].name, name) == 0)
            return true;
    }
    return false;
}

static struct listener *find_item(struct parser *p, const char *name)
{
    for (size_t i = 0; i < p->items.count; i++) {
        if (strcmp(p->items.items[i].bind.name, name) == 0)
            return &p->items.items[i];
    }
    return NULL;
}

static void add_mapping(struct parser *p, struct bytes name, enum security_protocol protocol)
{
    *VEC_PUSH(&p->map) = (struct mapping){ .name = upper(name), .protocol = protocol };
}

/* ---- the protocol map --------------------------------------------------------------------------------- */

MUST_CHECK static int read_map(struct parser *p)
{
    const char *rest = p->input->security_protocol_map;
    struct bytes item;
    if (rest == NULL) { /* the default: each protocol is a listener of its own name */
        for (unsigned i = 0; i < ARRAY_LEN(protocol_names); i++)
            add_mapping(p, bytes_from_text(protocol_names[i]), (enum security_protocol)i);
        return 0;
    }
    while (next_item(&rest, &item)) {
        size_t colon = item.size;
        while (colon > 0 && item.data[colon - 1] != ':')
            colon--;
        enum security_protocol protocol;
        if (colon < 2 || !security_protocol_from_text(
                             bytes_trim(bytes_slice(item, colon, item.size)), &protocol))
            return err_note(
                p->note, -ERR_INVALID_SETTING,
                "listener.security.protocol.map: '%.*s' is not NAME:PROTOCOL with one of the "
                "protocols PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL",
                BYTES_PRINTF(bytes_slice(item, 0, 100)));
        add_mapping(p, bytes_trim(bytes_slice(item, 0, colon - 1)), protocol);
    }
    return 0;
}

static bool is_secure_name(const char *name)
{
    return strcmp(name, "SSL") == 0 || strcmp(name, "SASL_SSL") == 0 ||
           strcmp(name, "SASL_PLAINTEXT") == 0;
}

/* Without a map of the operator's own, controllers' names mean PLAINTEXT, unless a name of another protocol is in
 * use: then nothing may become plain by accident. */
static void add_default_controller_mappings(struct parser *p)
{
    if (p->input->security_protocol_map != NULL)
        return;
    for (size_t i = 0; i < p->controllers.count; i++) {
        if (is_secure_name(p->controllers.items[i].name))
            return;
    }
    for (size_t i = 0; i < p->items.count; i++) {
        if (is_secure_name(p->items.items[i].bind.name))
            return;
    }
    for (size_t i = 0; i < p->controllers.count; i++)
        add_mapping(p, bytes_from_text(p->controllers.items[i].name), SECURITY_PLAINTEXT);
}

MUST_CHECK static int find_protocol(struct parser *p, const char *name, const char *setting,
                                    enum security_protocol *out)
{
    const struct mapping *mapping = find_mapping(p, name);
    if (mapping == NULL)
        return err_note(p->note, -ERR_INVALID_SETTING,
                        "%s: No security protocol defined for listener %s; add %s:<protocol> to "
                        "listener.security.protocol.map",
                        setting, name, name);
    *out = mapping->protocol;
    return 0;
}

/* ---- endpoints ------------------------------------------------------------------------------------------ */

MUST_CHECK static int read_controller_names(struct parser *p)
{
    const char *rest = p->input->controller_listener_names;
    struct bytes item;
    while (next_item(&rest, &item)) {
        if (item.size == 0)
            return err_note(p->note, -ERR_INVALID_SETTING,
                            "controller.listener.names: an empty listener name in '%s'",
                            p->input->controller_listener_names);
        *VEC_PUSH(&p->controllers) = (struct controller_listener){ .name = upper(item) };
    }
    return 0;
}

static bool is_address(int family, const char *host)
{
    struct in6_addr address; /* large enough for both */
    return inet_pton(family, host, &address) == 1;
}

/* Two listeners may share a port where one is an IPv4 and the other an IPv6 address; no third may. */
MUST_CHECK static int check_port(struct parser *p, const struct endpoint *added)
{
    const struct endpoint *twin = NULL;
    for (size_t i = 0; i < p->items.count; i++) {
        const struct endpoint *other = &p->items.items[i].bind;
        if (strcmp(other->name, added->name) == 0)
            return err_note(
                p->note, -ERR_INVALID_SETTING,
                "listeners: Each listener must have a different name, %s is there twice",
                added->name);
        if (other->port != added->port || added->port == 0)
            continue;
        const bool is_pair =
            (is_address(AF_INET, other->host) && is_address(AF_INET6, added->host)) ||
            (is_address(AF_INET6, other->host) && is_address(AF_INET, added->host));
        if (!is_pair || twin != NULL)
            return err_note(
                p->note, -ERR_INVALID_SETTING,
                "listeners: Each listener must have a different port, %s and %s both have %u "
                "(one of two may be an IPv4 and the other an IPv6 address)",
                other->name, added->name, added->port);
        twin = other;
    }
    return 0;
}

MUST_CHECK static int read_listeners(struct parser *p)
{
    const char *rest = p->input->listeners;
    struct bytes item;
    while (next_item(&rest, &item)) {
        struct endpoint endpoint;
        int r = endpoint_parse(item, &endpoint, p->note);
        if (r < 0)
            return err_note_prefix(p->note, -ERR_INVALID_SETTING, "listeners");
        r = check_port(p, &endpoint);
        if (r < 0) {
            endpoint_deinit(&endpoint);
            return r;
        }
        *VEC_PUSH(&p->items) = (struct listener){ .bind = endpoint };
    }
    return 0;
}

/* Lays one entry of advertised.listeners over the listener of its name; takes the endpoint. */
MUST_CHECK static int advertise(struct parser *p, struct endpoint *endpoint)
{
    enum security_protocol protocol;
    const int r = find_protocol(p, endpoint->name, "advertised.listeners", &protocol);
    struct listener *listener = r == 0 ? find_item(p, endpoint->name) : NULL;
    if (listener == NULL || listener->is_advertised) {
        if (r == 0)
            (void)err_note(
                p->note, r,
                listener == NULL
                    ? "advertised.listeners names %s, which is not in listeners '%s'"
                    : "advertised.listeners: Each listener must have a different name, %s is "
                      "there twice in '%s'",
                endpoint->name,
                listener == NULL ? p->input->listeners : p->input->advertised_listeners);
        endpoint_deinit(endpoint);
        return -ERR_INVALID_SETTING;
    }
    listener->advertised = *endpoint;
    listener->is_advertised = true;
    return 0;
}

MUST_CHECK static int read_advertised(struct parser *p)
{
    const char *rest = p->input->advertised_listeners;
    struct bytes item;
    while (next_item(&rest, &item)) {
        struct endpoint endpoint;
        int r = endpoint_parse(item, &endpoint, p->note);
        if (r < 0)
            return err_note_prefix(p->note, -ERR_INVALID_SETTING, "advertised.listeners");
        r = advertise(p, &endpoint);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What is told of a controller's listener that advertised.listeners does not name: where it is bound, unless that is
 * every address; then what controller.quorum.voters says, for the first of the controllers' listeners. */
static struct endpoint controller_endpoint(const struct parser *p, const struct endpoint *bind)
{
    const struct listeners_input *in = p->input;
    const char *host = bind->host;
    uint16_t port = bind->port;
    if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0) {
        const bool is_first = strcmp(p->controllers.items[0].name, bind->name) == 0;
        const bool is_voter = is_first && in->own_voter_host != NULL;
        host = is_voter ? in->own_voter_host : "";
        port = is_voter ? in->own_voter_port : port;
    }
    return (
        struct endpoint){ .name = mem_strdup(bind->name), .host = mem_strdup(host), .port = port };
}

static void advertise_rest(struct parser *p)
{
    for (size_t i = 0; i < p->items.count; i++) {
        struct listener *listener = &p->items.items[i];
        if (listener->is_advertised)
            continue;
        if (listener->is_controller)
            listener->advertised = controller_endpoint(p, &listener->bind);
        else if (p->input->advertised_listeners == NULL)
            listener->advertised = (struct endpoint){ .name = mem_strdup(listener->bind.name),
                                                      .host = mem_strdup(listener->bind.host),
                                                      .port = listener->bind.port };
        else
            continue;
        listener->is_advertised = true;
    }
}

MUST_CHECK static int find_protocols(struct parser *p)
{
    for (size_t i = 0; i < p->items.count; i++) {
        struct listener *listener = &p->items.items[i];
        listener->is_controller = is_controller_name(p, listener->bind.name);
        const int r = find_protocol(p, listener->bind.name, "listeners", &listener->protocol);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < p->controllers.count; i++) {
        struct controller_listener *controller = &p->controllers.items[i];
        const int r =
            find_protocol(p, controller->name, "controller.listener.names", &controller->protocol);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- marks ---------------------------------------------------------------------------------------------- */

MUST_CHECK static int mark_inter_broker(struct parser *p)
{
    const struct listeners_input *in = p->input;
    const char *name = in->inter_broker_listener_name;
    const char *setting = "inter.broker.listener.name";
    if (name != NULL && in->security_inter_broker_protocol != NULL)
        return err_note(p->note, -ERR_INVALID_SETTING,
                        "Only one of inter.broker.listener.name and security.inter.broker.protocol "
                        "should be set (they are '%s' and '%s')",
                        name, in->security_inter_broker_protocol);
    if (name != NULL && name[0] == '\0')
        return err_note(p->note, -ERR_INVALID_SETTING, "inter.broker.listener.name is empty");
    if (name == NULL) {
        setting = "security.inter.broker.protocol";
        name = in->security_inter_broker_protocol != NULL ? in->security_inter_broker_protocol
                                                          : "PLAINTEXT";
    }
    p->out->inter_broker_name = upper(bytes_from_text(name));
    name = p->out->inter_broker_name;
    if (strcmp(setting, "inter.broker.listener.name") != 0)
        (void)security_protocol_from_text(bytes_from_text(name), &p->out->inter_broker_protocol);
    else if (find_protocol(p, name, setting, &p->out->inter_broker_protocol) < 0)
        return -ERR_INVALID_SETTING;
    struct listener *listener = find_item(p, name);
    if (listener != NULL)
        listener->is_inter_broker = !listener->is_controller && listener->is_advertised;
    return 0;
}

MUST_CHECK static int mark_early_start(struct parser *p)
{
    if (p->input->early_start_listeners == NULL) {
        for (size_t i = 0; i < p->items.count; i++)
            p->items.items[i].is_early_start = p->items.items[i].is_controller;
        return 0;
    }
    const char *rest = p->input->early_start_listeners;
    struct bytes item;
    while (next_item(&rest, &item)) {
        char *name = upper(item);
        struct listener *listener = find_item(p, name);
        const bool is_known = listener != NULL || is_controller_name(p, name);
        if (listener != NULL)
            listener->is_early_start = true;
        mem_free(name);
        if (!is_known)
            return err_note(
                p->note, -ERR_INVALID_SETTING,
                "early.start.listeners contains listener %.*s, but this is not in listeners or "
                "controller.listener.names",
                BYTES_PRINTF(item));
    }
    return 0;
}

/* ---- rules ---------------------------------------------------------------------------------------------- */

/* Controllers' names against what is bound, by role. */
MUST_CHECK static int check_controllers(struct parser *p)
{
    const struct listeners_input *in = p->input;
    for (size_t i = 0; i < p->controllers.count; i++) {
        const char *name = p->controllers.items[i].name;
        const bool is_bound = find_item(p, name) != NULL;
        if (is_bound && !in->is_controller)
            return err_note(
                p->note, -ERR_INVALID_SETTING,
                "controller.listener.names must not contain %s, which is in listeners, when "
                "process.roles is just broker",
                name);
        if (!is_bound && in->is_controller)
            return err_note(p->note, -ERR_INVALID_SETTING,
                            "controller.listener.names must only contain names in listeners when "
                            "process.roles contains controller; %s is not in '%s'",
                            name, in->listeners);
    }
    if (in->is_controller && p->controllers.count == 0)
        return err_note(
            p->note, -ERR_INVALID_SETTING,
            "controller.listener.names must contain at least one name in listeners when "
            "process.roles contains controller");
    for (size_t i = 0; i < p->items.count && !in->is_broker; i++) {
        if (!p->items.items[i].is_controller)
            return err_note(p->note, -ERR_INVALID_SETTING,
                            "listeners must only contain names in controller.listener.names when "
                            "process.roles is just controller; %s is not one",
                            p->items.items[i].bind.name);
    }
    if (!in->is_broker && in->inter_broker_listener_name != NULL &&
        is_controller_name(p, p->out->inter_broker_name))
        return err_note(
            p->note, -ERR_INVALID_SETTING,
            "controller.listener.names must not contain inter.broker.listener.name '%s' when "
            "process.roles is just controller",
            in->inter_broker_listener_name);
    return 0;
}

MUST_CHECK static int check_advertised(struct parser *p)
{
    size_t broker_count = 0;
    bool has_inter_broker = false;
    for (size_t i = 0; i < p->items.count; i++) {
        const struct listener *listener = &p->items.items[i];
        if (!listener->is_advertised)
            continue;
        if (strcmp(listener->advertised.host, "0.0.0.0") == 0)
            return err_note(
                p->note, -ERR_INVALID_SETTING,
                "advertised.listeners cannot use 0.0.0.0, to which nobody can connect: give "
                "listener %s an address or name that clients can reach",
                listener->bind.name);
        broker_count += listener->is_controller ? 0 : 1;
        has_inter_broker |= listener->is_inter_broker;
    }
    if (!p->input->is_broker)
        return 0;
    if (broker_count == 0)
        return err_note(p->note, -ERR_INVALID_SETTING,
                        "There must be at least one broker advertised listener; perhaps all of "
                        "listeners '%s' appear in controller.listener.names",
                        p->input->listeners);
    if (!has_inter_broker)
        return err_note(p->note, -ERR_INVALID_SETTING,
                        "inter.broker.listener.name must be a listener name defined in "
                        "advertised.listeners, and not a controller's; it is %s%s",
                        p->out->inter_broker_name,
                        p->input->inter_broker_listener_name == NULL
                            ? " after security.inter.broker.protocol"
                            : "");
    return 0;
}

/* ---- all together ------------------------------------------------------------------------------------- */

MUST_CHECK static int parse(struct parser *p)
{
    int r = read_map(p);
    r = r < 0 ? r : read_controller_names(p);
    r = r < 0 ? r : read_listeners(p);
    if (r == 0)
        add_default_controller_mappings(p);
    r = r < 0 ? r : find_protocols(p);
    r = r < 0 ? r : read_advertised(p);
    if (r == 0)
        advertise_rest(p);
    r = r < 0 ? r : mark_inter_broker(p);
    r = r < 0 ? r : mark_early_start(p);
    r = r < 0 ? r : check_controllers(p);
    return r < 0 ? r : check_advertised(p);
}

int listeners_parse(const struct listeners_input *input, struct listeners **out,
                    struct err_note *note)
{
    struct parser parser = { .input = input, .out = MEM_NEW(struct listeners), .note = note };
    const int r = parse(&parser);
    for (size_t i = 0; i < parser.map.count; i++)
        mem_free(parser.map.items[i].name);
    VEC_DEINIT(&parser.map);

    struct listeners *listeners = parser.out;
    listeners->items = parser.items.items;
    listeners->count = parser.items.count;
    listeners->controllers = parser.controllers.items;
    listeners->controller_count = parser.controllers.count;
    if (r < 0)
        listeners_free(listeners);
    else
        *out = listeners;
    return r;
}

void listeners_free(struct listeners *listeners)
{
    if (listeners == NULL)
        return;
    for (size_t i = 0; i < listeners->count; i++) {
        endpoint_deinit(&listeners->items[i].bind);
        endpoint_deinit(&listeners->items[i].advertised);
    }
    for (size_t i = 0; i < listeners->controller_count; i++)
        mem_free(listeners->controllers[i].name);
    mem_free(listeners->items);
    mem_free(listeners->controllers);
    mem_free(listeners->inter_broker_name);
    mem_free(listeners);
}

const struct listener *listeners_find(const struct listeners *listeners, const char *name)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (strcasecmp(listeners->items[i].bind.name, name) == 0)
            return &listeners->items[i];
    }
    return NULL;
}
