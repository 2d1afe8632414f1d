/* Random histories of many clients, with failing writes and restarts, against what must always hold:
 *
 * - every request is answered once, and in the end none is left waiting
 * - a generation has one leader, and its members get what that leader assigned, or nothing
 * - what was committed and acknowledged is there, until something newer or a deletion takes its place
 * - a reload of the log gives the same state
 */
#include "base/mem.h"
#include "base/test.h"
#include "coord/group/rig_group_test.h"
#include "wire/api.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/delete_groups_response.h"
#include "wire/messages/heartbeat_request.h"
#include "wire/messages/heartbeat_response.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/leave_group_response.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"

#include <stdio.h>
#include <string.h>

enum { GROUPS = 3, CLIENTS = 8, PARTITIONS = 3, GENERATIONS = 4000 };

enum what { NOTHING, JOINING, SYNCING, BEATING, LEAVING, COMMITTING, FETCHING, DELETING };

struct client {
    int group;
    bool is_static;
    char member_id[64]; /* "" none */
    int32_t generation;
    bool is_leader;
    char members[CLIENTS + 1][64]; /* as the leader was told */
    int member_count;
    enum what asks; /* what it waits for */
    uint64_t token;
    struct arena arena; /* of its request */
    int32_t partition;  /* of a commit or fetch */
    int64_t offset;
    int64_t floor; /* of a fetch: what had been acknowledged when it was asked */
};

struct history {
    struct rig_group rig;
    bool has_failures; /* the log and memory may then tell different stories of members */
    struct client clients[CLIENTS];
    char leaders[GROUPS][GENERATIONS][64]; /* of this life of the group */
    int64_t acknowledged[GROUPS][PARTITIONS];
    int64_t attempted[GROUPS][PARTITIONS];
    uint64_t answered;
};

static const char *group_name(int group)
{
    static const char *const names[GROUPS] = { "zero", "one", "two" };
    return names[group];
}

static void text_copy(char out[64], struct bytes text)
{
    EXPECT(text.size < 64);
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

/* ---- answers ------------------------------------------------------------------------------------------- */

static void on_joined(struct history *h, struct client *client,
                      const struct join_group_response *told)
{
    if (told->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        text_copy(client->member_id, told->member_id);
        return;
    }
    if (told->error_code != KAFKA_NONE) {
        if (told->error_code == KAFKA_UNKNOWN_MEMBER_ID ||
            told->error_code == KAFKA_FENCED_INSTANCE_ID)
            client->member_id[0] = '\0';
        client->generation = -1;
        return;
    }
    text_copy(client->member_id, told->member_id);
    client->generation = told->generation_id;
    EXPECT(told->generation_id > 0 && told->generation_id < GENERATIONS);
    client->is_leader = bytes_equal(told->leader, told->member_id);
    EXPECT_EQ(told->members_count > 0, client->is_leader);
    client->member_count = told->members_count;
    for (int32_t i = 0; i < told->members_count; i++)
        text_copy(client->members[i], told->members[i].member_id);
    /* A static leader that comes back within its generation leads it under a new id, without assigning. */
    char *leader = h->leaders[client->group][told->generation_id];
    if (*leader == 'i' && bytes_starts_with(told->leader, bytes_from(leader, 3)))
        *leader = '\0';
    if (*leader == '\0')
        text_copy(leader, told->leader);
    EXPECT_BYTES(told->leader, bytes_from_text(leader));
    if (told->skip_assignment)
        client->is_leader = false;
}

/* "generation:client" in every assignment. */
static void on_synced(struct client *client, const struct sync_group_response *told)
{
    if (told->error_code != KAFKA_NONE) {
        client->generation = -1;
        return;
    }
    if (told->assignment.size == 0)
        return;
    char wanted[32];
    (void)snprintf(wanted, sizeof(wanted), "%d:", client->generation);
    EXPECT(bytes_starts_with(told->assignment, bytes_from_text(wanted)));
}

static void on_committed(struct history *h, const struct client *client,
                         const struct offset_commit_response *told)
{
    if (told->topics[0].partitions[0].error_code == KAFKA_NONE &&
        client->offset > h->acknowledged[client->group][client->partition])
        h->acknowledged[client->group][client->partition] = client->offset;
}

static void on_fetched(const struct history *h, const struct client *client,
                       const struct offset_fetch_response *told)
{
    if (told->groups[0].error_code != KAFKA_NONE)
        return;
    const int64_t offset = told->groups[0].topics[0].partitions[0].committed_offset;
    EXPECT(offset >= client->floor);
    EXPECT(offset <= h->attempted[client->group][client->partition]);
}

/* The group begins anew: whatever was committed is gone, or about to be. */
static void forget_group(struct history *h, int group)
{
    memset(h->leaders[group], 0, sizeof(h->leaders[group]));
    for (int i = 0; i < PARTITIONS; i++)
        h->acknowledged[group][i] = -1;
    for (int i = 0; i < CLIENTS; i++) {
        if (h->clients[i].group == group)
            h->clients[i].floor = h->clients[i].offset = -1; /* of what is under way, too */
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
    const enum what asked = client->asks;
    client->asks = NOTHING;
    const struct heartbeat_response *beaten = answer->message;
    switch (asked) {
    case JOINING:
        on_joined(h, client, answer->message);
        break;
    case SYNCING:
        on_synced(client, answer->message);
        break;
    case BEATING:
        if (beaten->error_code == KAFKA_UNKNOWN_MEMBER_ID ||
            beaten->error_code == KAFKA_FENCED_INSTANCE_ID)
            client->member_id[0] = '\0';
        break;
    case COMMITTING:
        on_committed(h, client, answer->message);
        break;
    case FETCHING:
        on_fetched(h, client, answer->message);
        break;
    case LEAVING:
        client->member_id[0] = '\0';
        client->generation = -1;
        break;
    case DELETING:
    case NOTHING:
        break;
    }
    arena_deinit(&client->arena);
}

/* ---- the log --------------------------------------------------------------------------------------------- */

static bool has_word(struct bytes line, const char *word)
{
    return memmem(line.data, line.size, word, strlen(word)) != NULL;
}

/* Deleted, expired, or never written: such a group begins at generation 1 again. */
static void forget_leaders_of_the_gone(void *context)
{
    struct history *h = context;
    struct buf state;
    buf_init(&state, 1 << 20);
    group_coordinator_print(h->rig.coordinator, &state);
    for (int i = 0; i < GROUPS; i++) {
        char words[32];
        (void)snprintf(words, sizeof(words), "group \"%s\"", group_name(i));
        if (!has_word(buf_view(&state), words))
            memset(h->leaders[i], 0, sizeof(h->leaders[i]));
    }
    buf_deinit(&state);
}

/* ---- requests --------------------------------------------------------------------------------------------- */

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

static void join(struct history *h, struct client *client)
{
    struct join_group_request *m = ARENA_NEW(&client->arena, struct join_group_request);
    join_group_request_init(m);
    m->group_id = bytes_from_text(group_name(client->group));
    m->session_timeout_ms = 10000;
    m->rebalance_timeout_ms = 5000 + (int32_t)rng_below(&h->rig.rng, 5000);
    m->member_id = bytes_from_text(arena_printf(&client->arena, "%s", client->member_id));
    m->group_instance_id = instance_of(h, client);
    m->protocol_type = BYTES_LITERAL("consumer");
    m->protocols = join_group_request_protocol_array(&client->arena, 1);
    m->protocols_count = 1;
    m->protocols[0].name = BYTES_LITERAL("range");
    m->protocols[0].metadata = rng_chance(&h->rig.rng, 100000)
                                   ? BYTES_LITERAL("\0\0\0\0\0\1\0\1u\xff\xff\xff\xff")
                                   : BYTES_LITERAL("\0\0\0\0\0\1\0\1t\xff\xff\xff\xff");
    client->generation = -1;
    ask(h, client, JOINING, API_JOIN_GROUP, 9, m);
}

static void sync_group(struct history *h, struct client *client)
{
    struct sync_group_request *m = ARENA_NEW(&client->arena, struct sync_group_request);
    sync_group_request_init(m);
    m->group_id = bytes_from_text(group_name(client->group));
    m->generation_id = client->generation;
    m->member_id = bytes_from_text(arena_printf(&client->arena, "%s", client->member_id));
    m->group_instance_id = instance_of(h, client);
    m->protocol_type = BYTES_LITERAL("consumer");
    m->protocol_name = BYTES_LITERAL("range");
    if (client->is_leader) {
        m->assignments =
            sync_group_request_assignment_array(&client->arena, (size_t)client->member_count);
        m->assignments_count = client->member_count;
        for (int i = 0; i < client->member_count; i++) {
            m->assignments[i].member_id =
                bytes_from_text(arena_printf(&client->arena, "%s", client->members[i]));
            m->assignments[i].assignment =
                bytes_from_text(arena_printf(&client->arena, "%d:%d", client->generation, i));
        }
    }
    ask(h, client, SYNCING, API_SYNC_GROUP, 5, m);
}

static void heartbeat(struct history *h, struct client *client)
{
    struct heartbeat_request *m = ARENA_NEW(&client->arena, struct heartbeat_request);
    heartbeat_request_init(m);
    m->group_id = bytes_from_text(group_name(client->group));
    m->generation_id = client->generation;
    m->member_id = bytes_from_text(arena_printf(&client->arena, "%s", client->member_id));
    m->group_instance_id = instance_of(h, client);
    ask(h, client, BEATING, API_HEARTBEAT, 4, m);
}

static void leave(struct history *h, struct client *client)
{
    struct leave_group_request *m = ARENA_NEW(&client->arena, struct leave_group_request);
    leave_group_request_init(m);
    m->group_id = bytes_from_text(group_name(client->group));
    m->members = leave_group_request_member_identity_array(&client->arena, 1);
    m->members_count = 1;
    m->members[0].member_id =
        bytes_from_text(arena_printf(&client->arena, "%s", client->member_id));
    m->members[0].group_instance_id = instance_of(h, client);
    ask(h, client, LEAVING, API_LEAVE_GROUP, 5, m);
}

static void commit(struct history *h, struct client *client)
{
    struct offset_commit_request *m = ARENA_NEW(&client->arena, struct offset_commit_request);
    offset_commit_request_init(m);
    m->group_id = bytes_from_text(group_name(client->group));
    m->member_id = bytes_from_text(arena_printf(&client->arena, "%s", client->member_id));
    m->generation_id_or_member_epoch = client->generation;
    m->group_instance_id = client->generation < 0 ? BYTES_NULL : instance_of(h, client);
    m->topics = offset_commit_request_topic_array(&client->arena, 1);
    m->topics_count = 1;
    m->topics[0].name = BYTES_LITERAL("t");
    m->topics[0].partitions = offset_commit_request_partition_array(&client->arena, 1);
    m->topics[0].partitions_count = 1;
    client->partition = (int32_t)rng_below(&h->rig.rng, PARTITIONS);
    client->offset = ++h->attempted[client->group][client->partition];
    m->topics[0].partitions[0].partition_index = client->partition;
    m->topics[0].partitions[0].committed_offset = client->offset;
    ask(h, client, COMMITTING, API_OFFSET_COMMIT, 9, m);
}

static void fetch(struct history *h, struct client *client)
{
    struct offset_fetch_request *m = ARENA_NEW(&client->arena, struct offset_fetch_request);
    offset_fetch_request_init(m);
    m->groups = offset_fetch_request_group_array(&client->arena, 1);
    m->groups_count = 1;
    m->groups[0].group_id = bytes_from_text(group_name(client->group));
    m->groups[0].topics = offset_fetch_request_topics_array(&client->arena, 1);
    m->groups[0].topics_count = 1;
    m->groups[0].topics[0].name = BYTES_LITERAL("t");
    m->groups[0].topics[0].partition_indexes = ARENA_NEW(&client->arena, int32_t);
    m->groups[0].topics[0].partition_indexes_count = 1;
    client->partition = (int32_t)rng_below(&h->rig.rng, PARTITIONS);
    client->floor = h->acknowledged[client->group][client->partition];
    m->groups[0].topics[0].partition_indexes[0] = client->partition;
    ask(h, client, FETCHING, API_OFFSET_FETCH, 9, m);
}

/* Its effect is counted from the moment it is asked for: it may take place with an error for an answer. */
static void delete_group(struct history *h, struct client *client)
{
    struct delete_groups_request *m = ARENA_NEW(&client->arena, struct delete_groups_request);
    delete_groups_request_init(m);
    m->groups_names = ARENA_NEW(&client->arena, struct bytes);
    m->groups_names_count = 1;
    m->groups_names[0] = bytes_from_text(group_name(client->group));
    struct buf before;
    struct buf after;
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    group_coordinator_print(h->rig.coordinator, &before);
    ask(h, client, DELETING, API_DELETE_GROUPS, 2, m);
    group_coordinator_print(h->rig.coordinator, &after);
    if (!bytes_equal(buf_view(&before), buf_view(&after)))
        forget_group(h, client->group);
    buf_deinit(&before);
    buf_deinit(&after);
}

static void act(struct history *h, struct client *client)
{
    arena_init(&client->arena, 1 << 20);
    const uint64_t dice = rng_below(&h->rig.rng, 100);
    const bool is_member = client->member_id[0] != '\0' && client->generation > 0;
    if (dice < 2)
        delete_group(h, client);
    else if (dice < 5 && client->member_id[0] != '\0')
        leave(h, client);
    else if (dice < 20)
        commit(h, client);
    else if (dice < 35)
        fetch(h, client);
    else if (is_member && dice < 60)
        heartbeat(h, client);
    else if (is_member && dice < 90)
        sync_group(h, client);
    else
        join(h, client);
}

/* ---- restarts and comparisons ----------------------------------------------------------------------------------- */

static void clients_forget(struct history *h)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *client = &h->clients[i];
        if (client->asks != NOTHING)
            arena_deinit(&client->arena);
        client->asks = NOTHING;
        client->generation = -1;
    }
}

static void restart(struct history *h)
{
    rig_group_step(&h->rig, (struct group_event){ .type = GROUP_ON_UNLOAD });
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_EQ(h->clients[i].asks, NOTHING); /* unloading answers everyone */
    clients_forget(h);
    rig_group_replace(&h->rig);
    for (int i = 0; i < GROUPS; i++)
        memset(h->leaders[i], 0,
               sizeof(h->leaders[i])); /* a generation that was being formed comes again */
    rig_group_step(&h->rig, (struct group_event){ .type = GROUP_ON_LOADED });
}

/* Groups whose generation is being formed, and all members if the log lacks what memory knows, are left out. */
static void filter(struct bytes live, struct bytes text, bool only_offsets, struct buf *out)
{
    struct bytes moving[GROUPS];
    int moving_count = 0;
    while (live.size > 0) {
        const struct bytes line = rig_take_line(&live);
        if (has_word(line, "PreparingRebalance") || has_word(line, "CompletingRebalance"))
            moving[moving_count++] = bytes_slice(line, 0, 19); /* classic group "one" */
    }
    bool is_moving = false;
    while (text.size > 0) {
        const struct bytes line = rig_take_line(&text);
        if (bytes_starts_with(line, BYTES_LITERAL("classic"))) {
            is_moving = only_offsets;
            for (int i = 0; i < moving_count; i++)
                is_moving = is_moving || bytes_starts_with(line, bytes_slice(moving[i], 0, 17));
        }
        if (!is_moving || bytes_starts_with(line, BYTES_LITERAL("  offset")))
            buf_put_bytes(out, line);
    }
}

static void expect_same_after_reload(struct history *h)
{
    while (h->rig.log.writes.count > 0)
        rig_group_end_write(&h->rig, KAFKA_NONE);
    struct buf live;
    struct buf loaded;
    struct buf live_kept;
    struct buf loaded_kept;
    buf_init(&live, 1 << 20);
    buf_init(&loaded, 1 << 20);
    buf_init(&live_kept, 1 << 20);
    buf_init(&loaded_kept, 1 << 20);
    group_coordinator_print(h->rig.coordinator, &live);
    struct group_coordinator *coordinator = rig_group_reload(&h->rig, 99);
    group_coordinator_print(coordinator, &loaded);
    group_coordinator_free(coordinator);
    filter(buf_view(&live), buf_view(&live), h->has_failures, &live_kept);
    filter(buf_view(&live), buf_view(&loaded), h->has_failures, &loaded_kept);
    EXPECT_BYTES(buf_view(&loaded_kept), buf_view(&live_kept));
    buf_deinit(&live);
    buf_deinit(&loaded);
    buf_deinit(&live_kept);
    buf_deinit(&loaded_kept);
}

static void happen(struct history *h)
{
    const uint64_t dice = rng_below(&h->rig.rng, 1000);
    if (dice < 2) {
        restart(h);
    } else if (dice < 5) {
        expect_same_after_reload(h);
    } else if (dice < 200) {
        rig_group_pass_time(&h->rig, (int64_t)rng_below(&h->rig.rng, dice < 20 ? 12000 : 1000));
    } else if (dice < 500 && h->rig.log.writes.count > 0) {
        rig_group_end_write(&h->rig, h->has_failures && rng_chance(&h->rig.rng, 100000)
                                         ? KAFKA_NOT_ENOUGH_REPLICAS
                                         : KAFKA_NONE);
    } else {
        struct client *client = &h->clients[rng_below(&h->rig.rng, CLIENTS)];
        if (client->asks == NOTHING)
            act(h, client);
    }
}

static void live(uint64_t seed, bool has_failures)
{
    struct history *h = MEM_NEW(struct history);
    h->rig.rng = rng_from_seed(seed);
    h->has_failures = has_failures;
    h->rig.settings =
        (struct group_settings){ .session_timeout_ms_min = 6000,
                                 .session_timeout_ms_max = 1800000,
                                 .initial_rebalance_delay_ms = 100,
                                 .member_count_max = 1 + (int32_t)rng_below(&h->rig.rng, CLIENTS),
                                 .metadata_length_max = 4096,
                                 .offsets_retention_ms = INT64_C(1) << 40,
                                 .retention_check_interval_ms = 10000,
                                 .commit_timeout_ms = 5000,
                                 .batch_bytes_max = 1 << 20 };
    h->rig.on_answer = on_answer;
    h->rig.on_stepped = forget_leaders_of_the_gone;
    h->rig.context = h;
    for (int i = 0; i < CLIENTS; i++) {
        h->clients[i].group = i % GROUPS;
        h->clients[i].is_static = rng_chance(&h->rig.rng, 300000);
        h->clients[i].generation = -1;
    }
    for (int i = 0; i < GROUPS; i++)
        forget_group(h, i);
    rig_group_begin(&h->rig);
    rig_group_step(&h->rig, (struct group_event){ .type = GROUP_ON_LOADED });
    for (int i = 0; i < 2500; i++)
        happen(h);
    /* Left alone, everything comes to an end. */
    while (h->rig.log.writes.count > 0)
        rig_group_end_write(&h->rig, KAFKA_NONE);
    for (int i = 0; i < 100; i++) {
        rig_group_pass_time(&h->rig, 10000);
        while (h->rig.log.writes.count > 0)
            rig_group_end_write(&h->rig, KAFKA_NONE);
    }
    for (int i = 0; i < CLIENTS; i++)
        EXPECT_EQ(h->clients[i].asks, NOTHING);
    EXPECT(h->answered > 300);
    expect_same_after_reload(h);
    rig_group_end(&h->rig);
    mem_free(h);
}

TEST(group_coordinator, any_history_keeps_its_promises)
{
    for (uint64_t i = 0; i < 20; i++)
        live(context->seed + i, false);
}

TEST(group_coordinator, any_history_with_failing_writes_keeps_its_promises)
{
    for (uint64_t i = 0; i < 20; i++)
        live(context->seed + 1000 + i, true);
}
