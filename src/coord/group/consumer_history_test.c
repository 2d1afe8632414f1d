/* Random histories of groups of the consumer protocol (KIP-848): members that join, take and give up partitions, leave, come
 * back as static members, die and are fenced, while topics grow, writes fail and coordinators crash; against what must always hold:
 *
 * - no partition is with two members at once, and what a member in good standing owns is with it as the coordinator sees it
 * - the epochs of a group and of its members never go back
 * - after a write has failed, and after a crash, the state is what the log tells: nothing of what was lost is left, nothing is missing
 * - left to themselves the members come to own every partition that they subscribe to, each once
 */
#include "base/mem.h"
#include "base/test.h"
#include "coord/assignor/assignor.h"
#include "coord/group/rig_group_test.h"
#include "metadata/loader.h"
#include "wire/api.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/partition_record.h"
#include "wire/messages/topic_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUPS = 2, CLIENTS = 8, TOPICS = 2, PARTITIONS_MAX = 8, SESSION_MS = 10000 };

/* One bit for each partition of each topic. */
typedef uint32_t partitions;

enum what { NOTHING, BEATING, LEAVING, OTHER };

struct client {
    int group;
    bool is_static;
    int incarnation;
    char id[16];    /* of this incarnation */
    int32_t epoch;  /* 0: is to join */
    bool tells_all; /* something went wrong: the next heartbeat tells, and asks for, everything */
    int subscription;
    partitions owned;
    partitions target; /* as it was told last */
    partitions told_owned;
    enum what asks; /* what it waits for */
    uint64_t token;
    struct arena arena; /* of its request */
};

struct history {
    struct rig_group rig;
    struct metadata_loader *cluster;
    int64_t cluster_offset;
    int32_t partition_counts[TOPICS];
    bool has_failures;
    bool is_calm; /* nothing goes wrong any more */
    struct client clients[CLIENTS];
    int32_t epoch_floors[GROUPS]; /* that the log has seen */
    uint64_t answered;
};

static const char *const group_names[GROUPS] = { "zero", "one" };
static const char *const topic_names[TOPICS] = { "t", "u" };

static struct uuid topic_id(int topic)
{
    struct uuid id = { { 0 } };
    id.bytes[0] = (uint8_t)topic_names[topic][0];
    return id;
}

static int topic_of_id(struct uuid id)
{
    return id.bytes[0] == 't' ? 0 : 1;
}

static partitions bit(int topic, int32_t partition)
{
    EXPECT(partition >= 0 && partition < PARTITIONS_MAX);
    return (partitions)1 << (topic * PARTITIONS_MAX + partition);
}

/* ---- the state as the coordinator prints it --------------------------------------------------------------------- */

struct seen_member {
    struct bytes id;
    int32_t epoch;
    partitions held; /* has, or is still to give up */
};

struct seen_group {
    bool is_there;
    bool is_stable;
    int32_t epoch;
    int32_t assignment_epoch;
    struct seen_member members[CLIENTS * 8];
    int member_count;
};

static int32_t number_after(struct bytes line, const char *word)
{
    const uint8_t *at = memmem(line.data, line.size, word, strlen(word));
    EXPECT(at != NULL);
    return (int32_t)strtol((const char *)at + strlen(word), NULL, 10);
}

/* "dAAAAAAAAAAAAAAAAAAAAA:0@2,1@2" */
static partitions read_topic(const char *token)
{
    const int topic = token[1] == 'A' ? 0 : 1;
    partitions out = 0;
    for (const char *at = strchr(token, ':'); at != NULL && (*at == ':' || *at == ',');) {
        char *end;
        out |= bit(topic, (int32_t)strtol(at + 1, &end, 10));
        (void)strtol(end + 1, &end, 10); /* its epoch */
        at = end;
    }
    return out;
}

/* What stands between " has" and the target, each partition once. */
static partitions read_held(struct bytes line)
{
    const char *at = memmem(line.data, line.size, " has", 4);
    EXPECT(at != NULL);
    partitions held = 0;
    for (at += 4; memcmp(at, " target", 7) != 0 && memcmp(at, " no target", 10) != 0;) {
        at++;
        if (memcmp(at, "revokes", 7) != 0) {
            const partitions more = read_topic(at);
            EXPECT_EQ(held & more, 0);
            held |= more;
        }
        at += strcspn(at, " ");
    }
    return held;
}

static void read_member(struct bytes line, struct seen_member *out)
{
    const uint8_t *id = (const uint8_t *)memchr(line.data, '"', line.size) + 1;
    const uint8_t *end = memchr(id, '"', line.size);
    out->id = bytes_from(id, (size_t)(end - id));
    out->epoch = number_after(line, "\" epoch ");
    out->held = read_held(line);
}

static struct seen_group *group_of_line(struct bytes line, struct seen_group groups[GROUPS])
{
    char words[32];
    for (int i = 0; i < GROUPS; i++) {
        (void)snprintf(words, sizeof(words), "consumer group \"%s\"", group_names[i]);
        if (bytes_starts_with(line, bytes_from_text(words)))
            return &groups[i];
    }
    return NULL;
}

static void read_state(struct bytes text, struct seen_group groups[GROUPS])
{
    struct seen_group *group = NULL;
    memset(groups, 0, GROUPS * sizeof(*groups));
    while (text.size > 0) {
        const struct bytes line = rig_take_line(&text);
        if (!bytes_starts_with(line, BYTES_LITERAL("  ")))
            group = group_of_line(line, groups);
        if (group != NULL && bytes_starts_with(line, BYTES_LITERAL("consumer"))) {
            group->is_there = true;
            group->is_stable = memmem(line.data, line.size, " Stable ", 8) != NULL;
            group->epoch = number_after(line, " epoch ");
            group->assignment_epoch = number_after(line, " assignment ");
        } else if (group != NULL && bytes_starts_with(line, BYTES_LITERAL("  consumer"))) {
            EXPECT(group->member_count < CLIENTS * 8);
            read_member(line, &group->members[group->member_count++]);
        }
    }
}

static void expect_sound_group(const struct seen_group *group)
{
    partitions held = 0;
    EXPECT(group->assignment_epoch <= group->epoch);
    for (int i = 0; i < group->member_count; i++) {
        EXPECT_EQ(held & group->members[i].held, 0); /* with two at once */
        held |= group->members[i].held;
        EXPECT(group->members[i].epoch <= group->epoch);
    }
}

/* One that does not know yet that it was taken out owns what is no longer its own; Kafka's do, too. */
static void expect_sound_client(const struct client *client, const struct seen_group *group)
{
    for (int i = 0; client->epoch > 0 && i < group->member_count; i++) {
        if (bytes_equal_text(group->members[i].id, client->id))
            EXPECT_EQ(client->owned & ~group->members[i].held, 0);
    }
}

static void expect_sound(void *context)
{
    struct history *h = context;
    struct seen_group groups[GROUPS];
    struct buf text;
    buf_init(&text, 1 << 20);
    group_coordinator_print(h->rig.coordinator, &text);
    read_state(buf_view(&text), groups);
    for (int i = 0; i < GROUPS; i++) {
        expect_sound_group(&groups[i]);
        if (!groups[i].is_there)
            h->epoch_floors[i] = 0; /* the next of that name begins anew */
        if (h->rig.log.writes.count > 0)
            continue; /* what is not written may come to nothing */
        EXPECT(groups[i].epoch >= h->epoch_floors[i]);
        h->epoch_floors[i] = groups[i].epoch;
    }
    for (int i = 0; i < CLIENTS; i++)
        expect_sound_client(&h->clients[i], &groups[h->clients[i].group]);
    buf_deinit(&text);
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

static void forget_membership(struct client *client)
{
    client->epoch = 0;
    client->owned = client->target = client->told_owned = 0;
    client->tells_all = true;
}

/* A new process in its place. */
static void begin_anew(struct history *h, struct client *client)
{
    forget_membership(client);
    (void)snprintf(client->id, sizeof(client->id), "m%d-%d", (int)(client - h->clients),
                   client->incarnation++);
}

static void take_assignment(struct client *client,
                            const struct consumer_group_heartbeat_response_assignment *told)
{
    client->target = 0;
    for (int32_t i = 0; i < told->topic_partitions_count; i++) {
        for (int32_t j = 0; j < told->topic_partitions[i].partitions_count; j++)
            client->target |= bit(topic_of_id(told->topic_partitions[i].topic_id),
                                  told->topic_partitions[i].partitions[j]);
    }
}

static void on_beaten(struct client *client, const struct consumer_group_heartbeat_response *told)
{
    switch (told->error_code) {
    case KAFKA_NONE:
        EXPECT(told->member_epoch >= client->epoch);
        client->epoch = told->member_epoch;
        client->tells_all = false;
        if (told->assignment != NULL)
            take_assignment(client, told->assignment);
        break;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_MEMBER_EPOCH:
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_UNRELEASED_INSTANCE_ID:
    case KAFKA_GROUP_ID_NOT_FOUND:
        forget_membership(client);
        break;
    default:
        client->tells_all = true;
        break;
    }
}

static void on_answer(void *context, const struct coord_answer *answer)
{
    struct history *h = context;
    struct client *client = NULL;
    for (int i = 0; i < CLIENTS; i++) {
        if (h->clients[i].asks != NOTHING && h->clients[i].token == answer->token)
            client = &h->clients[i];
    }
    EXPECT(client != NULL); /* asked, and not answered before */
    h->answered++;
    if (client->asks == BEATING && !h->is_calm && rng_chance(&h->rig.rng, 30000))
        client->tells_all = true; /* the answer is lost on the way */
    else if (client->asks == BEATING)
        on_beaten(client, answer->message);
    client->asks = NOTHING;
    arena_deinit(&client->arena);
}

/* ---- the log --------------------------------------------------------------------------------------------------------- */

static void end_write(struct history *h, enum kafka_error error)
{
    rig_group_end_write(&h->rig, error);
    if (h->rig.log.writes.count == 0 && (error != KAFKA_NONE || rng_chance(&h->rig.rng, 50000)))
        rig_group_expect_reloadable(&h->rig);
}

static void end_all_writes(struct history *h)
{
    while (h->rig.log.writes.count > 0)
        end_write(h, KAFKA_NONE);
}

/* ---- the cluster -------------------------------------------------------------------------------------------------------- */

static void cluster_put(struct history *h, const struct wire_message *message, const void *value)
{
    const struct metadata_provenance where = { .offset = ++h->cluster_offset, .epoch = 1 };
    const struct metadata_record record = { .message = message, .value = value };
    EXPECT_OK(metadata_loader_replay(h->cluster, where, &record, NULL));
}

static void tell_cluster(struct history *h)
{
    struct metadata_image *image = metadata_loader_publish(h->cluster);
    rig_group_step(&h->rig, (struct group_event){ .type = GROUP_ON_IMAGE, .image = image });
    metadata_image_unref(image);
}

static void put_topic(struct history *h, int topic)
{
    struct topic_record record = topic_record_default;
    record.name = bytes_from_text(topic_names[topic]);
    record.topic_id = topic_id(topic);
    cluster_put(h, &topic_record_message, &record);
}

static void grow_topic(struct history *h, int topic)
{
    int32_t replica = 0;
    struct partition_record record = partition_record_default;
    record.topic_id = topic_id(topic);
    record.partition_id = h->partition_counts[topic]++;
    record.replicas = record.isr = &replica;
    record.replicas_count = record.isr_count = 1;
    cluster_put(h, &partition_record_message, &record);
}

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

static void ask(struct history *h, struct client *client, enum what what, int16_t api_key,
                int16_t version, const void *message)
{
    client->asks = what;
    rig_group_ask(&h->rig, &client->token, api_key, version, message);
}

static struct bytes instance_of(const struct history *h, const struct client *client)
{
    static const char *const names[CLIENTS] = { "i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7" };
    return client->is_static ? bytes_from_text(names[client - h->clients]) : BYTES_NULL;
}

static struct consumer_group_heartbeat_request *heartbeat(const struct history *h,
                                                          struct client *client, int32_t epoch)
{
    struct consumer_group_heartbeat_request *m =
        ARENA_NEW(&client->arena, struct consumer_group_heartbeat_request);
    consumer_group_heartbeat_request_init(m);
    m->group_id = bytes_from_text(group_names[client->group]);
    m->member_id = bytes_from_text(arena_printf(&client->arena, "%s", client->id));
    m->member_epoch = epoch;
    m->instance_id = instance_of(h, client);
    return m;
}

/* 0: t, 1: u, 2: both, 3: both by an expression */
static void subscribe(struct client *client, struct consumer_group_heartbeat_request *m)
{
    m->subscribed_topic_names = ARENA_NEW_ARRAY(&client->arena, struct bytes, TOPICS);
    m->subscribed_topic_names_count = 0;
    for (int i = 0; i < TOPICS; i++) {
        if (client->subscription == i || client->subscription == 2)
            m->subscribed_topic_names[m->subscribed_topic_names_count++] =
                bytes_from_text(topic_names[i]);
    }
    m->subscribed_topic_regex =
        client->subscription == 3 ? BYTES_LITERAL("t|u") : BYTES_LITERAL("");
}

static void tell_owned(struct client *client, struct consumer_group_heartbeat_request *m)
{
    m->topic_partitions =
        consumer_group_heartbeat_request_topic_partitions_array(&client->arena, TOPICS);
    m->topic_partitions_count = 0;
    for (int topic = 0; topic < TOPICS; topic++) {
        if (((client->owned >> (topic * PARTITIONS_MAX)) & ((1U << PARTITIONS_MAX) - 1)) == 0)
            continue;
        struct consumer_group_heartbeat_request_topic_partitions *out =
            &m->topic_partitions[m->topic_partitions_count++];
        out->topic_id = topic_id(topic);
        out->partitions = ARENA_NEW_ARRAY(&client->arena, int32_t, PARTITIONS_MAX);
        for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
            if ((client->owned & bit(topic, i)) != 0)
                out->partitions[out->partitions_count++] = i;
        }
    }
    client->told_owned = client->owned;
}

/* Gives up what it is not to have, then takes the rest; each may take its time. When an answer is missing it takes nothing: its
 * request may have said that it does not own what it was to have, and that may be another's by now. */
static void reconcile(struct history *h, struct client *client)
{
    const bool is_slow = !h->is_calm && rng_chance(&h->rig.rng, 300000);
    if (!is_slow && (client->owned & ~client->target) != 0)
        client->owned &= client->target;
    else if (!is_slow && !client->tells_all)
        client->owned = client->target;
}

static void beat(struct history *h, struct client *client)
{
    struct consumer_group_heartbeat_request *m = heartbeat(h, client, client->epoch);
    const bool changes_mind = !h->is_calm && rng_chance(&h->rig.rng, 30000);
    if (changes_mind)
        client->subscription = (int)rng_below(&h->rig.rng, 4);
    const bool tells_all = client->tells_all || client->epoch == 0;
    if (tells_all)
        m->rebalance_timeout_ms = 5000;
    if (tells_all || changes_mind)
        subscribe(client, m);
    if (tells_all || client->owned != client->told_owned)
        tell_owned(client, m);
    ask(h, client, BEATING, API_CONSUMER_GROUP_HEARTBEAT, 1, m);
}

static void leave(struct history *h, struct client *client)
{
    const bool is_for_a_while = client->is_static && rng_chance(&h->rig.rng, 700000);
    const struct consumer_group_heartbeat_request *m =
        heartbeat(h, client, is_for_a_while ? -2 : -1);
    begin_anew(h, client); /* whatever the answer */
    ask(h, client, LEAVING, API_CONSUMER_GROUP_HEARTBEAT, 1, m);
}

static void commit(struct history *h, struct client *client)
{
    struct offset_commit_request *m = ARENA_NEW(&client->arena, struct offset_commit_request);
    offset_commit_request_init(m);
    m->group_id = bytes_from_text(group_names[client->group]);
    m->member_id = bytes_from_text(arena_printf(&client->arena, "%s", client->id));
    m->generation_id_or_member_epoch = client->epoch;
    m->topics = offset_commit_request_topic_array(&client->arena, 1);
    m->topics_count = 1;
    m->topics[0].name = BYTES_LITERAL("t");
    m->topics[0].topic_id = topic_id(0);
    m->topics[0].partitions = offset_commit_request_partition_array(&client->arena, 1);
    m->topics[0].partitions_count = 1;
    m->topics[0].partitions[0].committed_offset = (int64_t)rng_below(&h->rig.rng, 1000);
    ask(h, client, OTHER, API_OFFSET_COMMIT, 9, m);
}

static void delete_group(struct history *h, struct client *client)
{
    struct delete_groups_request *m = ARENA_NEW(&client->arena, struct delete_groups_request);
    delete_groups_request_init(m);
    m->groups_names = ARENA_NEW(&client->arena, struct bytes);
    m->groups_names_count = 1;
    m->groups_names[0] = bytes_from_text(group_names[client->group]);
    ask(h, client, OTHER, API_DELETE_GROUPS, 2, m);
}

static void act(struct history *h, struct client *client)
{
    arena_init(&client->arena, 1 << 20);
    reconcile(h, client);
    const uint64_t dice = h->is_calm ? 100 : rng_below(&h->rig.rng, 100);
    if (dice < 1) {
        begin_anew(h, client); /* its process dies */
        beat(h, client);
    } else if (dice < 3) {
        delete_group(h, client);
    } else if (dice < 6 && client->epoch > 0) {
        leave(h, client);
    } else if (dice < 15) {
        commit(h, client);
    } else {
        beat(h, client);
    }
}

/* ---- what happens ------------------------------------------------------------------------------------------------------------ */

/* Without a farewell: some of what was under way is in the log, and nobody is answered. */
static void crash(struct history *h)
{
    for (uint64_t i = rng_below(&h->rig.rng, h->rig.log.writes.count + 1); i > 0; i--)
        (void)rig_log_end_write(&h->rig.log, true); /* nobody is told */
    for (int i = 0; i < CLIENTS; i++) {
        if (h->clients[i].asks == NOTHING)
            continue;
        h->clients[i].asks = NOTHING;
        h->clients[i].tells_all = true;
        arena_deinit(&h->clients[i].arena);
    }
    rig_group_replace(&h->rig);
    tell_cluster(h);
    rig_group_step(&h->rig, (struct group_event){ .type = GROUP_ON_LOADED });
}

static void happen(struct history *h)
{
    const uint64_t dice = rng_below(&h->rig.rng, 1000);
    struct client *client = &h->clients[rng_below(&h->rig.rng, CLIENTS)];
    const int topic = (int)rng_below(&h->rig.rng, TOPICS);
    if (dice < 4) {
        crash(h);
    } else if (dice < 7 && h->partition_counts[topic] < PARTITIONS_MAX) {
        grow_topic(h, topic);
        tell_cluster(h);
    } else if (dice < 150) {
        rig_group_pass_time(&h->rig, (int64_t)rng_below(&h->rig.rng, dice < 20 ? SESSION_MS : 300));
    } else if (dice < 500 && h->rig.log.writes.count > 0) {
        end_write(h, h->has_failures && rng_chance(&h->rig.rng, 100000) ? KAFKA_NOT_ENOUGH_REPLICAS
                                                                        : KAFKA_NONE);
    } else if (client->asks == NOTHING) {
        act(h, client);
    }
}

/* Every partition of what members of the group subscribe to, with one of them. */
static void expect_all_owned(const struct history *h, int group)
{
    partitions wanted = 0;
    partitions owned = 0;
    for (int i = 0; i < CLIENTS; i++) {
        const struct client *client = &h->clients[i];
        if (client->group != group)
            continue;
        EXPECT(client->epoch > 0);
        EXPECT_EQ(owned & client->owned, 0);
        owned |= client->owned;
        for (int topic = 0; topic < TOPICS; topic++) {
            for (int32_t p = 0; p < h->partition_counts[topic]; p++)
                wanted |=
                    client->subscription == topic || client->subscription >= 2 ? bit(topic, p) : 0;
        }
    }
    EXPECT_EQ(owned, wanted);
}

/* Those whose processes died are fenced, the others come to an agreement. */
static void settle(struct history *h)
{
    h->is_calm = true;
    end_all_writes(h);
    for (int64_t ms = 0; ms < 4 * (int64_t)SESSION_MS; ms += 500) {
        for (int i = 0; i < CLIENTS; i++) {
            EXPECT_EQ(h->clients[i].asks, NOTHING);
            act(h, &h->clients[i]);
            end_all_writes(h);
        }
        rig_group_pass_time(&h->rig, 500);
        end_all_writes(h);
    }
    for (int i = 0; i < GROUPS; i++)
        expect_all_owned(h, i);
    rig_group_expect_reloadable(&h->rig);
}

static void history_begin(struct history *h, uint64_t seed, bool has_failures)
{
    h->rig.rng = rng_from_seed(seed);
    h->has_failures = has_failures;
    h->rig.settings = (struct group_settings){
        .session_timeout_ms_min = 6000,
        .session_timeout_ms_max = 1800000,
        .member_count_max = INT32_MAX,
        .metadata_length_max = 4096,
        .offsets_retention_ms = INT64_C(1) << 40,
        .retention_check_interval_ms = 10000,
        .commit_timeout_ms = 5000,
        .batch_bytes_max = 1 << 20,
        .consumer_session_timeout_ms = { SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS, SESSION_MS,
                                         SESSION_MS, SESSION_MS },
        .consumer_heartbeat_interval_ms = { SETTING_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS, 1000,
                                            1000, 1000 },
        .consumer_assignment_interval_ms = { SETTING_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS,
                                             (int32_t)rng_below(&h->rig.rng, 2) * 400, 0, 15000 },
        .consumer_count_max = INT32_MAX,
        .regex_refresh_interval_ms = 10000,
        .migration_policy = MIGRATION_BIDIRECTIONAL,
        .assignors = { ASSIGNOR_UNIFORM, ASSIGNOR_RANGE },
        .assignor_count = 2
    };
    h->cluster = metadata_loader_new(NULL);
    h->cluster_offset = -1;
    h->rig.on_answer = on_answer;
    h->rig.on_stepped = expect_sound;
    h->rig.context = h;
    for (int i = 0; i < TOPICS; i++) {
        put_topic(h, i);
        for (uint64_t more = 1 + rng_below(&h->rig.rng, 4); more > 0; more--)
            grow_topic(h, i);
    }
    for (int i = 0; i < CLIENTS; i++) {
        h->clients[i].group = i % GROUPS;
        h->clients[i].is_static = rng_chance(&h->rig.rng, 400000);
        h->clients[i].subscription = (int)rng_below(&h->rig.rng, 4);
        begin_anew(h, &h->clients[i]);
    }
    rig_group_begin(&h->rig);
    tell_cluster(h);
    rig_group_step(&h->rig, (struct group_event){ .type = GROUP_ON_LOADED });
}

static void live(uint64_t seed, bool has_failures)
{
    struct history *h = MEM_NEW(struct history);
    history_begin(h, seed, has_failures);
    for (int i = 0; i < 1500; i++)
        happen(h);
    settle(h);
    EXPECT(h->answered > 300);
    rig_group_end(&h->rig);
    metadata_loader_free(h->cluster);
    mem_free(h);
}

TEST(consumer_group, any_history_keeps_its_promises)
{
    for (uint64_t i = 0; i < 15; i++)
        live(context->seed + i, false);
}

TEST(consumer_group, any_history_with_failing_writes_keeps_its_promises)
{
    for (uint64_t i = 0; i < 15; i++)
        live(context->seed + 1000 + i, true);
}
