/* One connection to one broker: made on demand, versions, order, and every way in which it fails. */
#include "client/channel.h"

#include "client/rig_test.h"
#include "client/settings.h"
#include "wire/kafka_error.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/list_groups_request.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/produce_request.h"

#include <string.h>

#define CALLS_MAX 8

struct caller;

/* A call, and what became of it. */
struct asked {
    struct client_call call;
    struct caller *caller;
    uint32_t done_count;
    uint32_t place; /* among all that were done, from 1 */
};

struct caller {
    struct client_rig rig;
    struct channel *channel;
    struct metadata_request metadata;
    struct asked asked[CALLS_MAX];
    uint32_t done_count;
    bool is_sending;
};

static void begin(struct caller *caller, uint64_t seed, const char *settings)
{
    *caller = (struct caller){ .metadata = metadata_request_default };
    client_rig_begin(&caller->rig, seed, SETTING_KIND_ADMIN, settings);
    caller->metadata.topics_count = -1;
    const struct client_settings taken = client_settings_from(caller->rig.config);
    caller->channel = channel_new(caller->rig.loop.io, &taken, "broker1", CLIENT_RIG_PORT);
}

static void end(struct caller *caller)
{
    channel_free(caller->channel);
    for (size_t i = 0; i < CALLS_MAX; i++)
        client_call_deinit(&caller->asked[i].call);
    client_rig_end(&caller->rig);
}

static void on_done(struct client_call *call)
{
    struct asked *asked = CONTAINER_OF(call, struct asked, call);
    EXPECT(!asked->caller->is_sending); /* never from within channel_send */
    asked->done_count++;
    asked->place = ++asked->caller->done_count;
}

static struct asked *ask(struct caller *caller, size_t index, enum api_key key, const void *request)
{
    struct asked *asked = &caller->asked[index];
    asked->caller = caller;
    asked->call.key = key;
    asked->call.request = request;
    asked->call.done = on_done;
    caller->is_sending = true;
    channel_send(caller->channel, &asked->call);
    caller->is_sending = false;
    return asked;
}

static struct asked *ask_metadata(struct caller *caller, size_t index)
{
    return ask(caller, index, API_METADATA, &caller->metadata);
}

static bool is_done(void *context)
{
    const struct asked *asked = context;
    return asked->done_count > 0;
}

static void until_done(struct caller *caller, struct asked *asked)
{
    client_rig_until(&caller->rig, is_done, asked);
    EXPECT_EQ(asked->done_count, 1);
}

TEST(channel_send, connects_and_answers_in_order)
{
    struct caller c;
    begin(&c, context->seed, "");
    EXPECT(!channel_is_ready(c.channel));
    EXPECT_EQ(channel_version(c.channel, API_METADATA), -1);
    client_rig_run_ms(&c.rig, 1000);
    EXPECT_EQ(c.rig.brokers[0].accepted, 0);
    struct find_coordinator_request find = find_coordinator_request_default;
    find.key = BYTES_LITERAL("g");
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (i % 2 == 0) {
            (void)ask_metadata(&c, i);
        } else {
            c.asked[i].call.version_max = 3;
            (void)ask(&c, i, API_FIND_COORDINATOR, &find);
        }
    }
    until_done(&c, &c.asked[CALLS_MAX - 1]);
    for (size_t i = 0; i < CALLS_MAX; i++) {
        EXPECT_EQ(c.asked[i].call.result, 0);
        EXPECT_EQ(c.asked[i].place, i + 1);
        if (i % 2 == 0) {
            const struct metadata_response *response = c.asked[i].call.response;
            EXPECT_EQ(response->brokers_count, CLIENT_RIG_BROKERS);
        } else {
            const struct find_coordinator_response *response = c.asked[i].call.response;
            EXPECT_EQ(c.asked[i].call.version, 3);
            EXPECT_EQ(response->node_id, c.rig.coordinator);
        }
    }
    EXPECT(channel_is_ready(c.channel));
    EXPECT_EQ(channel_version(c.channel, API_METADATA), api_get(API_METADATA)->version_max_stable);
    EXPECT_EQ(c.rig.brokers[0].accepted, 1);
    EXPECT_EQ(c.rig.counts[API_API_VERSIONS], 1);
    end(&c);
}

/* KIP-511: who does not know our version of ApiVersions says so in version 0, and is asked again in that. */
TEST(channel_send, comes_to_terms_with_an_old_broker)
{
    struct caller c;
    begin(&c, context->seed, "");
    c.rig.is_old = true;
    struct asked *asked = ask_metadata(&c, 0);
    until_done(&c, asked);
    EXPECT_EQ(asked->call.result, 0);
    EXPECT_EQ(c.rig.counts[API_API_VERSIONS], 2);
    end(&c);
}

TEST(channel_send, refuses_what_the_broker_does_not_know)
{
    struct caller c;
    begin(&c, context->seed, "");
    const struct delete_groups_request request = delete_groups_request_default;
    struct asked *unknown = ask(&c, 0, API_DELETE_GROUPS, &request);
    struct asked *known = ask_metadata(&c, 1);
    until_done(&c, known);
    EXPECT_ERR(unknown->call.result, ERR_VERSION);
    EXPECT_TEXT(unknown->call.note.text, "broker1:9092 does not support DeleteGroups");
    EXPECT_EQ(known->call.result, 0);
    end(&c);
}

/* acks=0: done when it is sent, and the next answer is another's. */
TEST(channel_send, waits_for_no_answer_where_there_is_none)
{
    struct caller c;
    begin(&c, context->seed, "");
    struct produce_request request = produce_request_default;
    request.transactional_id = BYTES_NULL;
    request.acks = 0;
    c.asked[0].call.has_no_answer = true;
    c.asked[0].call.version_max = 12;
    (void)ask(&c, 0, API_PRODUCE, &request);
    (void)ask_metadata(&c, 1);
    until_done(&c, &c.asked[1]);
    EXPECT_EQ(c.asked[0].done_count, 1);
    EXPECT_EQ(c.asked[0].call.result, 0);
    EXPECT(c.asked[0].call.response == NULL);
    EXPECT_EQ(c.asked[1].call.result, 0);
    end(&c);
}

/* KIP-144: the pause doubles from try to try, up to its limit; a success begins anew. */
TEST(channel_send, tries_again_no_sooner_than_the_backoff_allows)
{
    struct caller c;
    begin(&c, context->seed, "reconnect.backoff.ms=100\nreconnect.backoff.max.ms=1000");
    client_rig_stop(&c.rig, 1);
    int64_t before_ns = 0;
    for (int attempt = 0; attempt < 8; attempt++) {
        struct asked *asked = &c.asked[0];
        asked->done_count = 0;
        (void)ask_metadata(&c, 0);
        until_done(&c, asked);
        EXPECT(asked->call.result < 0);
        const int64_t now_ns = sim_world_now_ns(c.rig.world);
        if (attempt > 0) {
            const int64_t pause_ms = MIN(INT64_C(100) << (attempt - 1), INT64_C(1000));
            EXPECT(now_ns - before_ns >= pause_ms * NS_PER_MS * 8 / 10);
            EXPECT(now_ns - before_ns <= pause_ms * NS_PER_MS * 12 / 10 + 200 * NS_PER_MS);
        }
        before_ns = now_ns;
    }
    client_rig_start(&c.rig, 1);
    c.asked[0].done_count = 0;
    (void)ask_metadata(&c, 0);
    until_done(&c, &c.asked[0]);
    EXPECT_EQ(c.asked[0].call.result, 0);
    end(&c);
}

/* What the connection had to do fails together; the next call makes a new one. */
static void expect_failure(uint64_t seed, enum rig_deed deed, int error)
{
    struct caller c;
    begin(&c, seed, "request.timeout.ms=2000");
    (void)ask_metadata(&c, 0);
    until_done(&c, &c.asked[0]);
    client_rig_rule(&c.rig, (struct rig_rule){ .api_key = API_METADATA, .deed = deed });
    (void)ask_metadata(&c, 1);
    (void)ask_metadata(&c, 2);
    until_done(&c, &c.asked[2]);
    for (size_t i = 1; i <= 2; i++) {
        EXPECT_EQ(c.asked[i].done_count, 1);
        EXPECT_EQ(c.asked[i].call.result, error);
    }
    EXPECT(!channel_is_ready(c.channel));
    (void)ask_metadata(&c, 3);
    until_done(&c, &c.asked[3]);
    EXPECT_EQ(c.asked[3].call.result, 0);
    EXPECT_EQ(c.rig.brokers[0].accepted, 2);
    end(&c);
}

/* By an end or, where requests were under way to it, by a reset: it is the same to who asks. */
TEST(channel_send, fails_together_when_the_broker_hangs_up)
{
    for (uint64_t i = 0; i < 20; i++)
        expect_failure(context->seed + i, RIG_LOSE, -ERR_CLOSED);
}
TEST(channel_send, fails_together_when_no_answer_comes)
{
    expect_failure(context->seed, RIG_HOLD, -ERR_TIMEOUT);
}
TEST(channel_send, fails_together_when_another_request_is_answered)
{
    expect_failure(context->seed, RIG_GARBLE, -ERR_PROTOCOL);
}
TEST(channel_send, fails_together_when_the_answer_is_no_frame)
{
    expect_failure(context->seed, RIG_BABBLE, -ERR_PROTOCOL);
}

/* A hostile broker: elements of hardly a byte that take many times as much in memory. The call fails alone. */
TEST(channel_send, takes_no_more_memory_for_an_answer_than_its_size_allows)
{
    struct caller c;
    begin(&c, context->seed, "");
    struct list_groups_request groups = list_groups_request_default;
    static const int32_t counts[] = { 5000, 300000 };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        c.rig.listed_groups = counts[i];
        struct asked *asked = ask(&c, i, API_LIST_GROUPS, &groups);
        until_done(&c, asked);
        const size_t frame_bytes = (size_t)counts[i] * 5;
        EXPECT(asked->call.arena_.used_bytes <=
               CLIENT_DECODED_BYTES_SPARED + CLIENT_DECODED_FACTOR_MAX * (frame_bytes + 100));
        EXPECT_EQ(asked->call.result, i == 0 ? 0 : -ERR_LIMIT);
    }
    const char *note = c.asked[1].call.note.text;
    EXPECT(strstr(note, "broker1:9092: the answer to ListGroups (1500015 bytes) may take 13048696 "
                        "bytes of memory") != NULL);
    (void)ask_metadata(&c, 2);
    until_done(&c, &c.asked[2]);
    EXPECT_EQ(c.asked[2].call.result, 0);
    EXPECT_EQ(c.rig.brokers[0].accepted, 1);
    end(&c);
}

/* The negotiation is a call like others: it fails, and what waits for it. */
TEST(channel_send, fails_when_versions_are_not_told)
{
    static const struct {
        struct rig_rule rule;
        int error;
    } cases[] = {
        { { .api_key = API_API_VERSIONS, .deed = RIG_LOSE }, -ERR_CLOSED },
        { { .api_key = API_API_VERSIONS, .deed = RIG_HOLD }, -ERR_TIMEOUT },
        { { .api_key = API_API_VERSIONS,
            .deed = RIG_REFUSE,
            .error = KAFKA_CLUSTER_AUTHORIZATION_FAILED },
          -ERR_VERSION },
        { { .api_key = API_API_VERSIONS, .deed = RIG_BABBLE }, -ERR_PROTOCOL },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct caller c;
        begin(&c, context->seed, "request.timeout.ms=2000");
        client_rig_rule(&c.rig, cases[i].rule);
        (void)ask_metadata(&c, 0);
        (void)ask_metadata(&c, 1);
        until_done(&c, &c.asked[1]);
        EXPECT_EQ(c.asked[0].call.result, cases[i].error);
        EXPECT_EQ(c.asked[1].call.result, cases[i].error);
        c.asked[0].done_count = 0;
        (void)ask_metadata(&c, 0);
        until_done(&c, &c.asked[0]);
        EXPECT_EQ(c.asked[0].call.result, 0);
        end(&c);
    }
}

/* A call's own deadline counts, longer or shorter than the others'. */
TEST(channel_send, gives_each_call_its_time)
{
    struct caller c;
    begin(&c, context->seed, "request.timeout.ms=2000");
    client_rig_rule(&c.rig, (struct rig_rule){ .api_key = API_METADATA, .deed = RIG_HOLD });
    c.asked[0].call.timeout_ms = 10000;
    (void)ask_metadata(&c, 0);
    client_rig_run_ms(&c.rig, 9000);
    EXPECT_EQ(c.asked[0].done_count, 0);
    client_rig_release(&c.rig);
    until_done(&c, &c.asked[0]);
    EXPECT_EQ(c.asked[0].call.result, 0);
    end(&c);
}

/* One that waits for the connection just goes; one that is sent takes the connection with it. */
TEST(client_call_cancel, ends_the_call_wherever_it_is)
{
    struct caller c;
    begin(&c, context->seed, "");
    (void)ask_metadata(&c, 0);
    (void)ask_metadata(&c, 1);
    client_call_cancel(&c.asked[0].call);
    EXPECT_EQ(c.asked[0].done_count, 1);
    EXPECT_ERR(c.asked[0].call.result, ERR_CANCELLED);
    until_done(&c, &c.asked[1]);
    EXPECT_EQ(c.asked[1].call.result, 0);

    client_rig_rule(&c.rig, (struct rig_rule){ .api_key = API_METADATA, .deed = RIG_HOLD });
    (void)ask_metadata(&c, 2);
    (void)ask_metadata(&c, 4);
    client_rig_run_ms(&c.rig, 100);
    EXPECT_EQ(client_rig_held(&c.rig), 1);
    client_call_cancel(&c.asked[2].call);
    EXPECT_EQ(c.asked[4].done_count, 1);
    EXPECT_ERR(c.asked[4].call.result, ERR_CLOSED);
    EXPECT_EQ(c.asked[2].done_count, 1);
    EXPECT_ERR(c.asked[2].call.result, ERR_CANCELLED);
    EXPECT(!channel_is_ready(c.channel));
    client_call_cancel(&c.asked[2].call); /* over already: fine */
    EXPECT_EQ(c.asked[2].done_count, 1);
    (void)ask_metadata(&c, 3);
    until_done(&c, &c.asked[3]);
    EXPECT_EQ(c.asked[3].call.result, 0);
    end(&c);
}

TEST(channel_free, ends_open_calls)
{
    struct caller c;
    begin(&c, context->seed, "");
    client_rig_rule(&c.rig, (struct rig_rule){ .api_key = API_METADATA, .deed = RIG_HOLD });
    (void)ask_metadata(&c, 0);
    client_rig_run_ms(&c.rig, 100);
    (void)ask_metadata(&c, 1);
    channel_free(TAKE(c.channel));
    for (size_t i = 0; i < 2; i++) {
        EXPECT_EQ(c.asked[i].done_count, 1);
        EXPECT_ERR(c.asked[i].call.result, ERR_CANCELLED);
    }
    end(&c);
}

/* Whoever is there now is used as long as the connection holds, or is being made; then it is the new address. */
TEST(channel_move, counts_from_the_next_connection_on)
{
    struct caller c;
    begin(&c, context->seed, "");
    (void)ask_metadata(&c, 0);
    until_done(&c, &c.asked[0]);
    channel_move(c.channel, "broker2", CLIENT_RIG_PORT);
    (void)ask_metadata(&c, 1);
    until_done(&c, &c.asked[1]);
    EXPECT_EQ(c.rig.brokers[1].accepted, 0);
    client_rig_stop(&c.rig, 1);
    client_rig_run_ms(&c.rig, 1000);
    (void)ask_metadata(&c, 2);
    until_done(&c, &c.asked[2]);
    EXPECT_EQ(c.asked[2].call.result, 0);
    EXPECT_EQ(c.rig.brokers[1].accepted, 1);
    EXPECT_TEXT(channel_host(c.channel), "broker2");
    end(&c);
}

/* A host that swallows everything: what waits for it goes to the new address at once, and a back-off was the old one's. */
TEST(channel_move, begins_again_where_nothing_is_connected)
{
    struct caller c;
    begin(&c, context->seed, "reconnect.backoff.ms=60000\nreconnect.backoff.max.ms=60000");
    sim_world_cut(c.rig.machine, c.rig.brokers[0].node, true);
    (void)ask_metadata(&c, 0);
    client_rig_run_ms(&c.rig, 1000);
    channel_move(c.channel, "broker2", CLIENT_RIG_PORT);
    client_rig_run_ms(&c.rig, 1000);
    EXPECT_EQ(c.asked[0].done_count, 1);
    EXPECT_EQ(c.asked[0].call.result, 0);
    end(&c);

    begin(&c, context->seed, "reconnect.backoff.ms=60000\nreconnect.backoff.max.ms=60000");
    client_rig_stop(&c.rig, 1);
    (void)ask_metadata(&c, 0);
    until_done(&c, &c.asked[0]);
    (void)ask_metadata(&c, 1);
    client_rig_run_ms(&c.rig, 1000);
    channel_move(c.channel, "broker2", CLIENT_RIG_PORT);
    client_rig_run_ms(&c.rig, 1000);
    EXPECT_EQ(c.asked[1].done_count, 1);
    EXPECT_EQ(c.asked[1].call.result, 0);
    end(&c);
}
