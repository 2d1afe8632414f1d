/* What is said to those who speak nonsense, and how their connections end. */
#include "server/rig_test.h"

#include "base/be.h"
#include "base/mem.h"
#include "server/server_int.h"
#include "wire/messages/api_versions_response.h"

#include <string.h>

#define ARENA_BYTES_MAX (64u << 20)

/* What may come, and what is said of it. Each ends its own connection and no other. */
struct nonsense {
    const char *bytes;
    size_t size;
    const char *line;
    const char *last_word; /* what the peer reads begins so; NULL: nothing */
};
#define NONSENSE(bytes_, line_, last_word_)                                                        \
    {                                                                                              \
        .bytes = (bytes_), .size = sizeof(bytes_) - 1, .line = (line_), .last_word = (last_word_)  \
    }

static const struct nonsense nonsenses[] = {
    NONSENSE("\xff\xff\xff\xff", "frame size -1 is negative", NULL),
    NONSENSE("\x80\x00\x00\x00", "frame size -2147483648 is negative", NULL),
    NONSENSE("\x7f\xff\xff\xff",
             "frame size 2147483647 is above socket.request.max.bytes=104857600", NULL),
    NONSENSE("SSH-2.0-OpenSSH_9.2\r\n", "frame size 1397966893 (\"SSH-\") is above", NULL),
    NONSENSE("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request came", "HTTP/1.1 400 "),
    NONSENSE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "an HTTP request came", "HTTP/1.1 400 "),
    NONSENSE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS handshake came",
             "\x15\x03\x01"),
    NONSENSE("\x00\x00\x00\x00", "a request of 0 bytes is too short for a header", NULL),
    NONSENSE("\x00\x00\x00\x07\x00\x12\x00\x00\x00\x00\x00", "a request of 7 bytes is too short",
             NULL),
    NONSENSE("\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff",
             "API key 32767 (unknown) is not served here", NULL),
    NONSENSE("\x00\x00\x00\x0a\xff\xff\x00\x00\x00\x00\x00\x01\xff\xff", "API key -1 (unknown)",
             NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x34\x00\x00\x00\x00\x00\x01\xff\xff",
             "API key 52 (Vote) is not served", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x03\x7f\xff\x00\x00\x00\x01\xff\xff",
             "Metadata version 32767 is not served", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x03\xff\xff\x00\x00\x00\x01\xff\xff",
             "Metadata version -1 is not served", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\x7f\xff",
             "the header of a ApiVersions request is malformed", NULL),
    NONSENSE("\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x7f\xff\xff\xff",
             "cannot be decoded: Metadata", NULL),
    NONSENSE("\x00\x00\x00\x0a\x00\x00\x00\x03\x00\x00\x00\x01\xff\xff",
             "cannot be decoded: Produce", NULL),
};

/* A client id of any length below zero is none, as Kafka reads it. */
TEST(connection, takes_a_negative_client_id_for_none)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    static const char request[] = "\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x07\xff\xfe";
    rig_peer_send(&peer, bytes_from(request, sizeof(request) - 1));
    server_rig_run_ms(&rig, 200);
    EXPECT_EQ(rig_peer_take_id(&peer, API_API_VERSIONS, 0), 7);
    EXPECT(!peer.is_ended);
    rig_peer_close(&peer);
    server_rig_end(&rig);
}

TEST(connection, tells_who_speaks_nonsense_what_it_was)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct buf request = rig_buf();
    rig_put_api_versions(&request, 3);
    struct rig_peer other;
    rig_peer_connect(&rig, &other, SERVER_RIG_PORT);
    for (size_t i = 0; i < ARRAY_LEN(nonsenses); i++) {
        const struct nonsense *n = &nonsenses[i];
        struct rig_peer peer;
        rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
        /* A good request before it is answered. */
        if (i % 2 == 0)
            rig_peer_send(&peer, buf_view(&request));
        rig_peer_send(&peer, bytes_from(n->bytes, n->size));
        server_rig_run_ms(&rig, 200);
        EXPECT(peer.is_ended);
        server_rig_expect_line(&rig, n->line);
        server_rig_expect_line(&rig, "closing connection from 10.0.0.2:");
        server_rig_expect_line(&rig, "on listener PLAINTEXT: ");
        if (i % 2 == 0)
            EXPECT_EQ(rig_peer_take_id(&peer, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 3);
        const size_t said = rig_peer_waiting(&peer);
        EXPECT_EQ(said > 0, n->last_word != NULL);
        if (n->last_word != NULL)
            EXPECT(memcmp(peer.in.data + peer.taken, n->last_word, strlen(n->last_word)) == 0);
        rig_peer_close(&peer);
        EXPECT_EQ(rig.base.line_counts[DIAG_WARN], i + 1);
        EXPECT_EQ(server_counters(rig.shard.server)->requests_refused, i + 1);

        rig_peer_send(&other, buf_view(&request));
        server_rig_run_ms(&rig, 200);
        EXPECT_EQ(rig_peer_take_id(&other, API_API_VERSIONS, RIG_API_VERSIONS_VERSION), 3);
    }
    server_rig_run_ms(&rig, 10000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 1);
    rig_peer_close(&other);
    buf_deinit(&request);
    server_rig_end(&rig);
}

/* An HTTP request with a body that is never read: the answer arrives whole, and only then the end. */
TEST(connection, lets_its_last_word_arrive_before_the_end)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    struct buf post = rig_buf();
    buf_put_text(&post, "POST /topics/t HTTP/1.1\r\nContent-Length: 900000\r\n\r\n");
    while (post.size < 900000)
        buf_put_text(&post, "0123456789");
    rig_peer_send(&peer, buf_view(&post));
    server_rig_run_ms(&rig, 4000);
    buf_put_u8(&peer.in, 0);
    const char *answer = (const char *)peer.in.data;
    const char *body = strstr(answer, "\r\n\r\n");
    EXPECT(strncmp(answer, "HTTP/1.1 400 Bad Request\r\n", 26) == 0 && body != NULL);
    AUTO(mem_freep) char *length = mem_printf("Content-Length: %zu\r\n", strlen(body + 4));
    EXPECT(strstr(answer, length) != NULL);
    EXPECT(peer.is_ended);
    EXPECT_EQ(peer.error, 0);
    rig_peer_close(&peer);
    server_rig_run_ms(&rig, 10000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 0);
    buf_deinit(&post);
    server_rig_end(&rig);
}

/* A peer that does not want to hear the end is not waited for. */
TEST(connection, waits_for_no_peer_that_holds_up_its_end)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    (void)server_rig_topic(&rig, "t", 1000);
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    rig_peer_set_deaf(&peer, true);
    struct buf all = rig_buf();
    for (int32_t i = 0; i < 5; i++)
        rig_put_metadata(&all, i, "t");
    rig_peer_send(&peer, buf_view(&all));
    rig_peer_send(&peer, BYTES_LITERAL("\xff\xff\xff\xff"));
    server_rig_run_ms(&rig, 1000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 1);
    server_rig_run_ms(&rig, 12000);
    EXPECT_EQ(server_connection_count(rig.shard.server), 0);
    EXPECT_EQ(rig.shard.server->out_bytes, 0);
    rig_peer_close(&peer);
    buf_deinit(&all);
    server_rig_end(&rig);
}

/* KIP-511: whatever version is asked for, the answer to ApiVersions can be read, and tells what is there. */
TEST(pipeline, answers_api_versions_of_any_version)
{
    struct server_rig rig;
    server_rig_begin(&rig, context->seed, "");
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    static const int16_t versions[] = { 5, 99, INT16_MAX, -1, INT16_MIN };
    struct rig_peer peer;
    rig_peer_connect(&rig, &peer, SERVER_RIG_PORT);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        uint8_t frame[] = { 0, 0, 0, 12, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff, 0, 0 };
        be_store_u16(frame + 6, (uint16_t)versions[i]);
        rig_peer_send(&peer, bytes_from(frame, sizeof(frame)));
        server_rig_run_ms(&rig, 100);
        const void *message;
        EXPECT_EQ(rig_peer_take(&peer, API_API_VERSIONS, 0, &arena, &message), 7);
        const struct api_versions_response *answer = message;
        EXPECT_EQ(answer->error_code, KAFKA_UNSUPPORTED_VERSION);
        EXPECT_EQ(answer->api_keys_count, 1);
        EXPECT_EQ(answer->api_keys[0].api_key, API_API_VERSIONS);
    }
    EXPECT(!peer.is_ended);
    rig_peer_close(&peer);
    arena_deinit(&arena);
    server_rig_end(&rig);
}
