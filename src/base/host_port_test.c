/* "host:port", well and badly written. */
#include "base/host_port.h"

#include "base/test.h"

#include <string.h>

TEST(host_port_parse, takes_what_kafka_takes)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        bool is_bracketed;
    } rows[] = {
        { "localhost:9092", "localhost", 9092, false },
        { "a-b_c.example:1", "a-b_c.example", 1, false },
        { "[2001:db8::1]:65535", "2001:db8::1", 65535, true },
        { "[fe80::1%eth0]:9", "fe80::1%eth0", 9, true },
        { "::1:9", "::1", 9, false }, /* the last colon counts */
        { "h:0", "h", 0, false },
        { ":9", "", 9, false },
        { "[]:9", "", 9, true },
        { "h:00009", "h", 9, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct host_port found;
        EXPECT_OK(host_port_parse(bytes_from_text(rows[i].text), &found, NULL));
        EXPECT(bytes_equal_text(found.host, rows[i].host));
        EXPECT_EQ(found.port, rows[i].port);
        EXPECT_EQ(found.is_bracketed, rows[i].is_bracketed);
    }
}

TEST(host_port_parse, names_the_text_and_what_is_wrong_with_it)
{
    static const struct {
        const char *text;
        const char *words;
    } rows[] = {
        { "", "'' is not host:port" },
        { "h", "'h' is not host:port" },
        { "h:", "'h:' needs a port from 0 to 65535 at its end" },
        { "h:x", "'h:x' needs a port from 0 to 65535 at its end" },
        { "h:9x", "'h:9x' needs a port from 0 to 65535 at its end" },
        { "h:+9", "'h:+9' needs a port from 0 to 65535 at its end" },
        { "h:-1", "'h:-1' needs a port from 0 to 65535 at its end" },
        { "h:65536", "'h:65536' needs a port from 0 to 65535 at its end" },
        { "h:99999999999999999999",
          "'h:99999999999999999999' needs a port from 0 to 65535 at its end" },
        { " h:9", "' h:9' has a host that no address can have" },
        { "h/x:9", "'h/x:9' has a host that no address can have" },
        { "[::1:9", "'[::1:9' has a host that no address can have" },
        { "[::1]x:9", "'[::1]x:9' has a host that no address can have" },
        { "h\xc3\xb6:9", "'h\xc3\xb6:9' has a host that no address can have" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct host_port found = { .port = 7 };
        struct err_note note = { 0 };
        EXPECT_ERR(host_port_parse(bytes_from_text(rows[i].text), &found, &note), ERR_MALFORMED);
        EXPECT_TEXT(note.text, rows[i].words);
        EXPECT_EQ(found.port, 7);
    }
    struct host_port found;
    EXPECT_ERR(host_port_parse(BYTES_NULL, &found, NULL), ERR_MALFORMED);
    EXPECT_ERR(host_port_parse(BYTES_LITERAL("h\0g:9"), &found, NULL), ERR_MALFORMED);
}
