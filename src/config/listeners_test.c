/* Endpoints and listeners: what they become, and what a refusal says. */
#include "config/listeners.h"

#include "base/test.h"

#include <string.h>

TEST(endpoint_parse, takes_every_form_of_host)
{
    static const struct {
        const char *text;
        const char *name;
        const char *host;
        int port;
    } rows[] = {
        { "PLAINTEXT://:9092", "PLAINTEXT", "", 9092 },
        { "plaintext://localhost:0", "PLAINTEXT", "localhost", 0 },
        { "A-B_c://10.0.0.1:65535", "A-B_C", "10.0.0.1", 65535 },
        { "X://[::1]:1", "X", "::1", 1 },
        { "X://[fe80::1%eth0]:1", "X", "fe80::1%eth0", 1 },
        { "X://fe80::1:1", "X", "fe80::1", 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct endpoint endpoint;
        EXPECT_OK(endpoint_parse(bytes_from_text(rows[i].text), &endpoint, NULL));
        EXPECT_TEXT(endpoint.name, rows[i].name);
        EXPECT_TEXT(endpoint.host, rows[i].host);
        EXPECT_EQ(endpoint.port, rows[i].port);
        endpoint_deinit(&endpoint);
    }
}

TEST(endpoint_parse, names_what_is_wrong)
{
    static const char *const bad[] = {
        "",          "x",          "X:9092",     "X://",    "X://host",
        "X://host:", "X://host:x", "X://:70000", "X://:-1", "X://a b:1",
        "://h:1",    "X://h:1/",   "X://[::1:1", "X//h:1",  "X://h:99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct endpoint endpoint;
        struct err_note note = { .text = "" };
        if (endpoint_parse(bytes_from_text(bad[i]), &endpoint, &note) != -ERR_MALFORMED)
            test_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
        EXPECT(strstr(note.text, bad[i]) != NULL);
    }
}

static const struct listeners_input single_node = {
    .listeners = "PLAINTEXT://:9092,CONTROLLER://:9093",
    .controller_listener_names = "CONTROLLER",
    .is_broker = true,
    .is_controller = true,
};

TEST(listeners_parse, marks_each_listener)
{
    struct listeners_input input = single_node;
    input.listeners = "IN://10.0.0.1:9092,OUT://0.0.0.0:9094,CONTROLLER://:9093";
    input.advertised_listeners = "OUT://example.org:443,IN://10.0.0.1:9092";
    input.security_protocol_map = "IN:PLAINTEXT,OUT:SSL,CONTROLLER:PLAINTEXT";
    input.inter_broker_listener_name = "in";
    input.own_voter_host = "c1";
    input.own_voter_port = 9999;
    struct listeners *listeners = NULL;
    EXPECT_OK(listeners_parse(&input, &listeners, NULL));
    EXPECT_EQ(listeners->count, 3);
    const struct listener *out = listeners_find(listeners, "out");
    EXPECT(out == &listeners->items[1]);
    EXPECT_TEXT(out->advertised.host, "example.org");
    EXPECT_EQ(out->advertised.port, 443);
    EXPECT_EQ(out->protocol, SECURITY_SSL);
    EXPECT(!out->is_inter_broker && !out->is_controller && !out->is_early_start);
    EXPECT(listeners->items[0].is_inter_broker);
    const struct listener *controller = listeners_find(listeners, "CONTROLLER");
    EXPECT(controller->is_controller && controller->is_early_start && controller->is_advertised);
    EXPECT_TEXT(controller->advertised.host, "c1");
    EXPECT_EQ(controller->advertised.port, 9999);
    EXPECT_TEXT(listeners->inter_broker_name, "IN");
    EXPECT_TEXT(listeners->controllers[0].name, "CONTROLLER");
    EXPECT(listeners_find(listeners, "nope") == NULL);
    listeners_free(listeners);
}

/* A refusal names the setting and the listener or value it is about. */
TEST(listeners_parse, names_setting_and_value)
{
    static const struct {
        struct listeners_input input;
        const char *words[3];
    } rows[] = {
        { { .listeners = "A://:1,a://:2" }, { "listeners", "A", "twice" } },
        { { .listeners = "PLAINTEXT://:1,CONTROLLER://:1" }, { "listeners", "CONTROLLER", "1" } },
        { { .listeners = "FOO://:1,CONTROLLER://:2" }, { "listeners", "FOO", "protocol" } },
        { { .advertised_listeners = "PLAINTEXT://0.0.0.0:1" },
          { "advertised.listeners", "0.0.0.0", "PLAINTEXT" } },
        { { .advertised_listeners = "SSL://h:1" }, { "advertised.listeners", "SSL", "listeners" } },
        { { .advertised_listeners = "PLAINTEXT://h:1,PLAINTEXT://g:1" },
          { "advertised.listeners", "PLAINTEXT", "twice" } },
        { { .advertised_listeners = "PLAINTEXT://h" },
          { "advertised.listeners", "PLAINTEXT://h", "" } },
        { { .security_protocol_map = "PLAINTEXT:PLAIN" },
          { "listener.security.protocol.map", "PLAINTEXT:PLAIN", "SASL_SSL" } },
        { { .inter_broker_listener_name = "NOPE" }, { "inter.broker.listener.name", "NOPE", "" } },
        { { .early_start_listeners = "NOPE" }, { "early.start.listeners", "NOPE", "" } },
        { { .controller_listener_names = "PLAINTEXT,," },
          { "controller.listener.names", "PLAINTEXT,,", "" } },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct listeners_input input = rows[i].input;
        struct listeners *listeners = NULL;
        struct err_note note = { .text = "" };
        if (input.listeners == NULL)
            input.listeners = single_node.listeners;
        if (input.controller_listener_names == NULL)
            input.controller_listener_names = single_node.controller_listener_names;
        input.is_broker = true;
        input.is_controller = true;
        EXPECT_ERR(listeners_parse(&input, &listeners, &note), ERR_INVALID_SETTING);
        EXPECT(listeners == NULL);
        for (size_t j = 0; j < ARRAY_LEN(rows[i].words); j++) {
            if (strstr(note.text, rows[i].words[j]) == NULL)
                test_fail(__FILE__, __LINE__, "row %zu: no '%s' in: %s", i, rows[i].words[j],
                          note.text);
        }
    }
}
