/* What a client knows of a cluster, and how it comes to know it. */
#include "client/cluster.h"

#include "client/rig_test.h"
#include "client/settings.h"
#include "wire/kafka_error.h"

#include <string.h>

struct knower {
    struct client_rig rig;
    struct cluster *cluster;
    uint32_t told;
    int last_result;
};

static void on_metadata(void *context, int result)
{
    struct knower *k = context;
    k->told++;
    k->last_result = result;
}

static void begin(struct knower *k, uint64_t seed, const char *settings)
{
    *k = (struct knower){ 0 };
    client_rig_begin(&k->rig, seed, SETTING_KIND_ADMIN, settings);
    const struct cluster_params params = {
        .io = k->rig.loop.io,
        .settings = client_settings_from(k->rig.config),
        .bootstrap = client_bootstrap_servers(k->rig.config),
        .diag = &k->rig.diag,
        .owner = { .on_metadata = on_metadata, .context = k },
    };
    struct err_note note = { 0 };
    EXPECT_OK(cluster_new(&params, &k->cluster, &note));
}

static void end(struct knower *k)
{
    cluster_free(k->cluster);
    client_rig_end(&k->rig);
}

struct ticket {
    struct knower *knower;
    uint64_t number;
};

static bool is_refreshed(void *context)
{
    const struct ticket *t = context;
    return cluster_is_refreshed(t->knower->cluster, t->number);
}

static void refresh(struct knower *k)
{
    struct ticket t = { .knower = k, .number = cluster_refresh(k->cluster) };
    client_rig_until(&k->rig, is_refreshed, &t);
}

TEST(cluster_new, refuses_addresses_that_are_none)
{
    static const char *const servers[] = { "",       "host",    "host:",    ":9092", "host:0",
                                           "h:9x",   "h:65536", "h:-1",     "h:1:",  "[::1]",
                                           "a:1,b:", "a:1, ,b", "[::1]9092" };
    struct knower k;
    begin(&k, context->seed, "");
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        const char *items[] = { servers[i] };
        const struct cluster_params params = { .io = k.rig.loop.io,
                                               .settings = client_settings_from(k.rig.config),
                                               .bootstrap = { .items = items, .count = 1 } };
        struct cluster *cluster;
        struct err_note note = { 0 };
        EXPECT_ERR(cluster_new(&params, &cluster, &note), ERR_INVALID_SETTING);
        EXPECT(note.text[0] != '\0');
    }
    const struct cluster_params none = { .io = k.rig.loop.io,
                                         .settings = client_settings_from(k.rig.config) };
    struct cluster *cluster;
    EXPECT_ERR(cluster_new(&none, &cluster, NULL), ERR_INVALID_SETTING);
    end(&k);
}

TEST(cluster_refresh, learns_brokers_and_topics)
{
    struct knower k;
    begin(&k, context->seed, "");
    const struct rig_topic *topic = client_rig_topic(&k.rig, "t", 4);
    EXPECT_EQ(cluster_generation(k.cluster), 0);
    EXPECT(cluster_broker(k.cluster, 1) == NULL);
    EXPECT(cluster_coordinator(k.cluster, 1) == NULL);
    cluster_want(k.cluster, BYTES_LITERAL("t"));
    cluster_want(k.cluster, BYTES_LITERAL("absent"));
    refresh(&k);
    EXPECT_EQ(cluster_broker_ids(k.cluster).count, CLIENT_RIG_BROKERS);
    EXPECT_TEXT(channel_host(cluster_broker(k.cluster, 3)), "broker3");
    EXPECT(cluster_coordinator(k.cluster, 3) != cluster_broker(k.cluster, 3));
    EXPECT(cluster_broker(k.cluster, 4) == NULL);
    const struct cluster_topic *known = cluster_topic(k.cluster, BYTES_LITERAL("t"));
    EXPECT_EQ(known->partition_count, 4);
    EXPECT(uuid_equal(known->id, topic->id));
    for (int32_t i = 0; i < 4; i++)
        EXPECT_EQ(cluster_partition(k.cluster, BYTES_LITERAL("t"), i)->leader, 1 + i % 3);
    EXPECT(cluster_partition(k.cluster, BYTES_LITERAL("t"), 4) == NULL);
    EXPECT(cluster_partition(k.cluster, BYTES_LITERAL("t"), -1) == NULL);
    EXPECT(cluster_partition(k.cluster, BYTES_LITERAL("nowhere"), 0) == NULL);
    EXPECT_EQ(cluster_topic(k.cluster, BYTES_LITERAL("absent"))->error,
              KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    end(&k);
}

/* All: also those that nobody named; one that is deleted is forgotten. */
TEST(cluster_want_all, follows_what_there_is)
{
    struct knower k;
    begin(&k, context->seed, "");
    (void)client_rig_topic(&k.rig, "a", 1);
    (void)client_rig_topic(&k.rig, "b", 1);
    cluster_want_all(k.cluster);
    refresh(&k);
    EXPECT_EQ(map_count(cluster_topics(k.cluster)), 2);
    rig_topic_free(k.rig.topics.items[0]);
    VEC_REMOVE_AT(&k.rig.topics, 0);
    refresh(&k);
    EXPECT_EQ(map_count(cluster_topics(k.cluster)), 1);
    EXPECT(cluster_topic(k.cluster, BYTES_LITERAL("a")) == NULL);
    end(&k);
}

/* Servers that are down are passed over, one after the other, for ever; the owner hears of each, and so does the operator. */
TEST(cluster_refresh, tries_one_server_after_the_other)
{
    struct knower k;
    begin(&k, context->seed, "");
    for (int32_t id = 1; id <= CLIENT_RIG_BROKERS; id++)
        client_rig_stop(&k.rig, id);
    (void)cluster_refresh(k.cluster);
    client_rig_run_ms(&k.rig, 10000);
    EXPECT(k.told >= 5);
    EXPECT(k.last_result < 0);
    EXPECT(strstr(k.rig.last_line, "could not be used") != NULL);
    client_rig_start(&k.rig, 2);
    client_rig_run_ms(&k.rig, 10000);
    EXPECT_EQ(k.last_result, 0);
    EXPECT_EQ(cluster_generation(k.cluster), 1); /* one answer is enough */
    end(&k);
}

/* Whatever is said against what we know comes in crowds: they do not become a crowd of requests. */
TEST(cluster_refresh, asks_no_sooner_than_the_backoff_allows)
{
    struct knower k;
    begin(&k, context->seed, "retry.backoff.ms=500");
    (void)client_rig_topic(&k.rig, "t", 1);
    refresh(&k);
    for (int i = 0; i < 1000; i++) {
        (void)cluster_refresh(k.cluster);
        client_rig_run_ms(&k.rig, 10);
    }
    EXPECT(k.rig.counts[API_METADATA] >= 15);
    EXPECT(k.rig.counts[API_METADATA] <= 22);
    /* A new wish does not wait. */
    refresh(&k);
    const uint32_t before = k.rig.counts[API_METADATA];
    cluster_want(k.cluster, BYTES_LITERAL("t"));
    (void)cluster_refresh(k.cluster);
    client_rig_run_ms(&k.rig, 50);
    EXPECT_EQ(k.rig.counts[API_METADATA], before + 1);
    EXPECT(cluster_topic(k.cluster, BYTES_LITERAL("t")) != NULL);
    end(&k);
}

/* An answer that was under way does not know what was wanted after its question. */
TEST(cluster_is_refreshed, means_an_answer_to_a_question_not_older)
{
    struct knower k;
    begin(&k, context->seed, "");
    (void)client_rig_topic(&k.rig, "t", 1);
    refresh(&k);
    client_rig_run_ms(&k.rig, 1000);
    client_rig_rule(&k.rig, (struct rig_rule){ .api_key = API_METADATA, .deed = RIG_HOLD });
    const uint64_t early = cluster_refresh(k.cluster);
    client_rig_run_ms(&k.rig, 100);
    EXPECT_EQ(client_rig_held(&k.rig), 1);
    cluster_want(k.cluster, BYTES_LITERAL("t"));
    struct ticket late = { .knower = &k, .number = cluster_refresh(k.cluster) };
    struct ticket first = { .knower = &k, .number = early };
    client_rig_release(&k.rig);
    client_rig_until(&k.rig, is_refreshed, &first);
    EXPECT(!is_refreshed(&late));
    EXPECT(cluster_topic(k.cluster, BYTES_LITERAL("t")) == NULL);
    client_rig_until(&k.rig, is_refreshed, &late);
    EXPECT(cluster_topic(k.cluster, BYTES_LITERAL("t")) != NULL);
    end(&k);
}

TEST(cluster, refreshes_when_its_knowledge_is_old)
{
    struct knower k;
    begin(&k, context->seed, "metadata.max.age.ms=5000");
    refresh(&k);
    client_rig_run_ms(&k.rig, 26000);
    EXPECT(k.rig.counts[API_METADATA] >= 5 && k.rig.counts[API_METADATA] <= 7);
    end(&k);
}

/* The answer that tells a broker's new address may come by the connection to its old one. */
TEST(cluster, follows_a_broker_that_moves)
{
    struct knower k;
    begin(&k, context->seed, "bootstrap.servers=broker1:9092");
    refresh(&k);
    for (int32_t id = 1; id <= CLIENT_RIG_BROKERS; id++) {
        EXPECT(cluster_broker(k.cluster, id) != NULL);
        EXPECT(cluster_coordinator(k.cluster, id) != NULL);
    }
    client_rig_move(&k.rig, 1);
    client_rig_stop(&k.rig, 2);
    client_rig_stop(&k.rig, 3);
    refresh(&k);
    EXPECT_TEXT(channel_host(cluster_broker(k.cluster, 1)), "elsewhere");
    EXPECT_TEXT(channel_host(cluster_coordinator(k.cluster, 1)), "elsewhere");
    refresh(&k); /* by the old connection, as long as it holds */
    EXPECT_EQ(k.rig.brokers[0].accepted, 1);
    client_rig_stop(&k.rig, 1);
    client_rig_start(&k.rig, 1);
    refresh(&k);
    EXPECT_EQ(k.rig.brokers[0].accepted, 2);
    EXPECT_EQ(k.last_result, 0);
    end(&k);
}

/* KIP-899: when nobody who is known answers, the bootstrap servers are asked again. */
TEST(cluster, begins_anew_with_its_bootstrap_servers)
{
    struct knower k;
    begin(&k, context->seed, "");
    k.rig.hidden_broker = 3;
    refresh(&k);
    EXPECT_EQ(cluster_broker_ids(k.cluster).count, 2);
    client_rig_stop(&k.rig, 1);
    client_rig_stop(&k.rig, 2);
    k.rig.hidden_broker = 0;
    refresh(&k);
    EXPECT_EQ(cluster_broker_ids(k.cluster).count, 3);
    end(&k);
}

static const struct cluster_partition *partition(const struct knower *k)
{
    return cluster_partition(k->cluster, BYTES_LITERAL("t"), 0);
}

/* What a broker that lags says does not take a leader back; a topic that is made anew begins anew. */
TEST(cluster, keeps_the_leader_of_the_latest_epoch)
{
    struct knower k;
    begin(&k, context->seed, "");
    struct rig_topic *topic = client_rig_topic(&k.rig, "t", 1);
    cluster_want(k.cluster, BYTES_LITERAL("t"));
    refresh(&k);
    EXPECT_EQ(partition(&k)->leader, 1);
    client_rig_lead(topic, 0, 2);
    refresh(&k);
    EXPECT_EQ(partition(&k)->leader, 2);
    topic->partitions[0].leader = 1;
    topic->partitions[0].leader_epoch = 5;
    refresh(&k);
    EXPECT_EQ(partition(&k)->leader, 2);
    topic->id.bytes[1] = 77;
    refresh(&k);
    EXPECT_EQ(partition(&k)->leader, 1);
    end(&k);
}

/* KIP-951: what an answer says of the leader counts when it is newer, and the leader somebody we know. */
TEST(cluster_set_leader, takes_what_is_newer)
{
    struct knower k;
    begin(&k, context->seed, "");
    (void)client_rig_topic(&k.rig, "t", 1);
    const struct bytes t = BYTES_LITERAL("t");
    cluster_want(k.cluster, t);
    refresh(&k);
    cluster_set_leader(k.cluster, t, 0, 2, 5);
    EXPECT_EQ(partition(&k)->leader, 1);
    cluster_set_leader(k.cluster, t, 0, 9, 6);
    EXPECT_EQ(partition(&k)->leader, 1);
    cluster_set_leader(k.cluster, t, 0, -1, -1);
    cluster_set_leader(k.cluster, t, 1, 2, 6);
    cluster_set_leader(k.cluster, t, -1, 2, 6);
    cluster_set_leader(k.cluster, BYTES_LITERAL("u"), 0, 2, 6);
    EXPECT_EQ(partition(&k)->leader, 1);
    cluster_set_leader(k.cluster, t, 0, 2, 6);
    EXPECT_EQ(partition(&k)->leader, 2);
    refresh(&k); /* the broker that answers does not know it yet */
    EXPECT_EQ(partition(&k)->leader, 2);
    end(&k);
}
