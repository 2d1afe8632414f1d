/* One call to whoever has to answer it: tried again where that helps, never after its time, and for good where it does not. */
#include "client/admin.h"

#include "client/rig_test.h"
#include "wire/kafka_error.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

#include <string.h>

#define OFFSET_FETCH_VERSION_ONE_GROUP 7
#define API_TIMEOUT_MS                 10000

struct scene {
    struct client_rig rig;
    struct admin *admin;
    struct client_call call;
    struct err_note note;
};

static void begin(struct scene *s, uint64_t seed, const char *settings)
{
    AUTO(mem_freep)
    char *all = mem_printf("request.timeout.ms=2000\ndefault.api.timeout.ms=10000\n%s", settings);
    *s = (struct scene){ .call = { .key = API_OFFSET_FETCH } };
    client_rig_begin(&s->rig, seed, SETTING_KIND_ADMIN, all);
    (void)client_rig_topic(&s->rig, "t", 1);
    EXPECT_OK(admin_new(&s->rig.loop, s->rig.config, &s->rig.diag, &s->admin, &s->note));
}

static void end(struct scene *s)
{
    client_call_deinit(&s->call);
    admin_free(s->admin);
    client_rig_end(&s->rig);
}

/* Asks the group's coordinator where the group stands. */
static int ask_group(struct scene *s)
{
    struct offset_fetch_request request = offset_fetch_request_default;
    request.group_id = BYTES_LITERAL("g");
    client_call_deinit(&s->call);
    s->call.request = &request;
    s->call.version_max = OFFSET_FETCH_VERSION_ONE_GROUP;
    return admin_call(s->admin, ADMIN_GROUP(BYTES_LITERAL("g")), &s->call, &s->note);
}

static int16_t answered(const struct scene *s)
{
    const struct offset_fetch_response *response = s->call.response;
    return response->error_code;
}

static int ask_broker(struct scene *s, int32_t id)
{
    struct metadata_request request = metadata_request_default;
    struct client_call call = { .key = API_METADATA, .request = &request };
    const int r = admin_call(s->admin, ADMIN_BROKER(id), &call, &s->note);
    client_call_deinit(&call);
    return r;
}

static int64_t passed_ms(const struct scene *s, int64_t since_ns)
{
    return (sim_world_now_ns(s->rig.world) - since_ns) / NS_PER_MS;
}

/* What breaks is tried again, at each of the two requests. */
TEST(admin_call, is_tried_again)
{
    static const int16_t apis[] = { API_FIND_COORDINATOR, API_OFFSET_FETCH };
    static const enum rig_deed deeds[] = { RIG_LOSE, RIG_DO_AND_LOSE, RIG_HOLD };
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        for (size_t k = 0; k < ARRAY_LEN(deeds); k++) {
            struct scene s;
            begin(&s, context->seed, "");
            client_rig_rule(&s.rig,
                            (struct rig_rule){ .api_key = apis[i], .deed = deeds[k], .times = 2 });
            EXPECT_OK(ask_group(&s));
            EXPECT_EQ(answered(&s), KAFKA_NONE);
            EXPECT_EQ(s.rig.counts[API_OFFSET_FETCH], apis[i] == API_OFFSET_FETCH ? 3 : 1);
            end(&s);
        }
    }
}

/* What is no answer of the protocol will not become one. */
TEST(admin_call, fails_at_once_where_trying_does_not_help)
{
    static const enum rig_deed deeds[] = { RIG_GARBLE, RIG_BABBLE };
    for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
        struct scene s;
        begin(&s, context->seed, "");
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_FETCH, .deed = deeds[i] });
        EXPECT_ERR(ask_group(&s), ERR_PROTOCOL);
        EXPECT(s.note.text[0] != '\0');
        EXPECT_EQ(s.rig.counts[API_OFFSET_FETCH], 1);
        EXPECT_OK(ask_group(&s)); /* and does no harm to the next */
        end(&s);
    }
}

TEST(admin_call, finds_the_coordinator_of_a_group)
{
    static const int16_t passing[] = { KAFKA_COORDINATOR_NOT_AVAILABLE,
                                       KAFKA_COORDINATOR_LOAD_IN_PROGRESS };
    struct scene s;
    begin(&s, context->seed, "");
    int32_t id = -1;
    EXPECT(!admin_coordinator_id(s.admin, BYTES_LITERAL("g"), &id));
    EXPECT(admin_coordinator(s.admin, BYTES_LITERAL("g")) == NULL);
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FIND_COORDINATOR,
                                                   .deed = RIG_REFUSE,
                                                   .error = passing[i] });
    EXPECT_OK(ask_group(&s));
    EXPECT(admin_coordinator_id(s.admin, BYTES_LITERAL("g"), &id));
    EXPECT_EQ(id, s.rig.coordinator);
    EXPECT(admin_coordinator(s.admin, BYTES_LITERAL("g")) != NULL);
    s.rig.coordinator = 3;
    EXPECT_OK(ask_group(
        &s)); /* what is known is not asked about again; the answer says that it is wrong */
    EXPECT_EQ(answered(&s), KAFKA_NOT_COORDINATOR);
    admin_forget_coordinator(s.admin, BYTES_LITERAL("g"));
    EXPECT_OK(ask_group(&s));
    EXPECT_EQ(answered(&s), KAFKA_NONE);
    client_rig_stop(&s.rig, 3);
    s.rig.coordinator = 1;
    EXPECT_OK(ask_group(&s)); /* one that is gone is forgotten without being told to */
    EXPECT_EQ(answered(&s), KAFKA_NONE);
    end(&s);

    begin(&s, context->seed, "");
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FIND_COORDINATOR,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_GROUP_AUTHORIZATION_FAILED });
    EXPECT_ERR(ask_group(&s), ERR_NOT_FOUND);
    EXPECT_TEXT(s.note.text, kafka_error_sentence(KAFKA_GROUP_AUTHORIZATION_FAILED));
    end(&s);
}

TEST(admin_call, goes_to_the_broker_that_is_named)
{
    struct scene s;
    begin(&s, context->seed, "");
    EXPECT_OK(ask_broker(&s, 1));
    const uint32_t before = s.rig.brokers[2].accepted;
    EXPECT_OK(ask_broker(&s, 3));
    EXPECT(s.rig.brokers[2].accepted > before);
    EXPECT_ERR(ask_broker(&s, 9), ERR_NOT_FOUND);
    EXPECT_TEXT(s.note.text, "There is no broker 9");
    end(&s);
}

/* A cluster that is down, and one that answers for ever that its coordinator is not here yet. */
TEST(admin_call, ends_in_time)
{
    struct scene s;
    begin(&s, context->seed, "");
    for (int32_t id = 1; id <= CLIENT_RIG_BROKERS; id++)
        client_rig_stop(&s.rig, id);
    int64_t begun_ns = sim_world_now_ns(s.rig.world);
    EXPECT_ERR(ask_group(&s), ERR_TIMEOUT);
    EXPECT(passed_ms(&s, begun_ns) >= API_TIMEOUT_MS && passed_ms(&s, begun_ns) < 13000);
    /* Whoever waits for it hears at once why. */
    EXPECT(strstr(s.rig.last_line, ":9092: ") != NULL &&
           strstr(s.rig.last_line, "Node may not be available") != NULL);
    for (int32_t id = 1; id <= CLIENT_RIG_BROKERS; id++)
        client_rig_start(&s.rig, id);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FIND_COORDINATOR,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_COORDINATOR_NOT_AVAILABLE,
                                               .times = 100000 });
    begun_ns = sim_world_now_ns(s.rig.world);
    EXPECT_ERR(ask_group(&s), ERR_TIMEOUT);
    EXPECT_TEXT(s.note.text, kafka_error_sentence(KAFKA_COORDINATOR_NOT_AVAILABLE));
    EXPECT(passed_ms(&s, begun_ns) >= API_TIMEOUT_MS && passed_ms(&s, begun_ns) < 13000);
    end(&s);
}

static bool is_interrupted(void *context)
{
    return *(bool *)context;
}

TEST(admin_call, can_be_interrupted)
{
    struct client_rig rig;
    client_rig_begin(&rig, context->seed, SETTING_KIND_ADMIN, "");
    bool is_over = true;
    rig.loop.is_interrupted = is_interrupted;
    rig.loop.context = &is_over;
    struct admin *admin;
    struct err_note note = { 0 };
    EXPECT_OK(admin_new(&rig.loop, rig.config, &rig.diag, &admin, &note));
    struct metadata_request request = metadata_request_default;
    struct client_call call = { .key = API_METADATA, .request = &request };
    EXPECT_ERR(admin_call(admin, ADMIN_ANY, &call, &note), ERR_CANCELLED);
    is_over = false;
    EXPECT_OK(admin_call(admin, ADMIN_ANY, &call, &note));
    client_call_deinit(&call);
    admin_free(admin);
    client_rig_end(&rig);
}

TEST(admin_refresh, knows_who_leads)
{
    struct scene s;
    begin(&s, context->seed, "");
    const struct bytes topic = BYTES_LITERAL("t");
    EXPECT_OK(admin_refresh(s.admin, &topic, 1, false, &s.note));
    EXPECT_EQ(cluster_partition(admin_cluster(s.admin), topic, 0)->leader, 1);
    (void)client_rig_topic(&s.rig, "u", 2);
    EXPECT_OK(admin_refresh(s.admin, NULL, 0, true, &s.note));
    EXPECT(cluster_topic(admin_cluster(s.admin), BYTES_LITERAL("u")) != NULL);
    end(&s);
}
