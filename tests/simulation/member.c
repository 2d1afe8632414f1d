/* See member.h.
 *
 *   AWAY ──► FINDING ──► JOINING ──► SYNCING ──► LEARNING ──► SETTLED ── heartbeats, commits, naps
 *     ▲         ▲           └───────────┴──────────────┴─────────┤ told to join again, or unknown
 *     └─────────┴────────────────────────────────────────────────┘ leaves or crashes; coordinator not here
 */
#include "member.h"

#include "base/be.h"
#include "client.h"
#include "commits.h"
#include "cursor.h"
#include "generations.h"
#include "model.h"
#include "sim_broker.h"
#include "wire/kafka_error.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/heartbeat_request.h"
#include "wire/messages/heartbeat_response.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/leave_group_response.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"

#include <stdio.h>
#include <string.h>

#define FIND_VERSION        4
#define JOIN_VERSION        9
#define SYNC_VERSION        5
#define HEARTBEAT_VERSION   4
#define LEAVE_VERSION       5
#define SESSION_MS          6000
#define REBALANCE_MS        3000
#define NAP_MAX_NS          (9 * NS_PER_SECOND)
#define AWAY_MAX_NS         (5 * NS_PER_SECOND)
#define PAUSE_MIN_NS        (50 * NS_PER_MS)
#define PAUSE_MAX_NS        (700 * NS_PER_MS)
#define MEMBER_ID_BYTES_MAX 64
#define PROTOCOL            "rounds"

enum state { AWAY, FINDING, JOINING, SYNCING, LEARNING, SETTLED };

struct member {
    struct client client; /* first */
    uint32_t group;
    char name[24]; /* the client id; of a static member also its name in the group */
    bool is_static;
    enum state state;
    char id[MEMBER_ID_BYTES_MAX]; /* "": none yet */
    int32_t generation;
    bool is_leader;
    uint32_t keys;
    struct cursor cursor;
    int32_t newest; /* generation that was known when the commit was sent */
    bool has_committed;
    bool is_forgotten; /* perhaps: it has slept, and nothing was said to it since */
    int64_t asleep_until_ns;
    uint64_t life; /* of the broker, when the question was asked */
    bool goes_on;  /* in its generation, once the coordinator is found again */
    int16_t error; /* last told */
    char words[160];
};

struct client *member_client(struct member *m)
{
    return &m->client;
}

bool member_is_settled(const struct member *m)
{
    return m->state == SETTLED && (m->has_committed || m->keys == 0) && !m->is_forgotten;
}

bool member_is_committing(const struct member *m)
{
    return m->cursor.is_committing;
}

uint32_t member_group(const struct member *m)
{
    return m->group;
}

int32_t member_generation(const struct member *m)
{
    return m->generation;
}

uint32_t member_keys(const struct member *m)
{
    return m->keys;
}

const char *member_words(const struct member *m)
{
    static const char *const states[] = { "away",    "finding",  "joining",
                                          "syncing", "learning", "settled" };
    struct member *own = (struct member *)(uintptr_t)m; /* the words alone */
    (void)snprintf(own->words, sizeof(own->words),
                   "%s '%s': %s, generation %d, partitions %x; the last error was %s", m->name,
                   m->id, states[m->state], m->generation, m->keys, kafka_error_name(m->error));
    return m->words;
}

static struct commits *commits_of(const struct member *m)
{
    return m->client.scene->commits;
}

static struct generations *generations_of(const struct member *m)
{
    return m->client.scene->generations;
}

static struct bytes group_id(const struct member *m)
{
    return bytes_from_text(commits_group_name(commits_of(m), m->group));
}

static struct bytes instance_id(const struct member *m)
{
    return m->is_static ? bytes_from_text(m->name) : BYTES_NULL;
}

static void set_id(struct member *m, struct bytes id)
{
    if (id.size >= sizeof(m->id))
        model_fail("member id '%.*s' has %zu bytes", BYTES_PRINTF(id), id.size);
    memcpy(m->id, id.data, id.size);
    m->id[id.size] = '\0';
}

static void go_to(struct member *m, enum state state)
{
    m->goes_on = state == FINDING && (m->goes_on || m->state == SETTLED);
    if (state != SETTLED && !m->goes_on) {
        m->has_committed = false;
        if (state != LEARNING)
            m->keys = 0;
    }
    m->state = state;
    client_again(&m->client);
}

/* What an error of the coordinator means; those that have no place here are broken promises. */
static void on_error(struct member *m, int16_t error, const char *of)
{
    m->error = error;
    switch ((int)error) {
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
        go_to(m, FINDING);
        return;
    case KAFKA_REBALANCE_IN_PROGRESS:
        go_to(m, JOINING);
        return;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
        m->id[0] = '\0';
        go_to(m, JOINING);
        return;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_GROUP_ID_NOT_FOUND:
        go_to(m, JOINING);
        return;
    default:
        model_fail("%s of member '%s' of %s is answered with %s", of, m->id,
                   commits_group_name(commits_of(m), m->group), kafka_error_name(error));
    }
}

static bool is_lost(struct member *m, const void *answer)
{
    if (answer == NULL)
        client_again(&m->client); /* the same again, or whatever the state says */
    return answer == NULL;
}

/* ---- finding ------------------------------------------------------------------------------------ */

static void on_found(void *context, const void *message)
{
    struct member *m = context;
    const struct find_coordinator_response *answer = message;
    if (is_lost(m, answer))
        return;
    const int16_t error = answer->coordinators[0].error_code;
    m->error = error;
    if (error != KAFKA_NONE && error != KAFKA_COORDINATOR_NOT_AVAILABLE)
        model_fail("the coordinator of %s cannot be found: %s",
                   commits_group_name(commits_of(m), m->group), kafka_error_name(error));
    if (error != KAFKA_NONE)
        go_to(m, FINDING);
    else
        go_to(m, m->goes_on ? SETTLED : JOINING);
}

static void find(struct member *m)
{
    struct bytes key = group_id(m);
    struct find_coordinator_request request = find_coordinator_request_default;
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    client_ask(&m->client, API_FIND_COORDINATOR, FIND_VERSION, &request, on_found, m);
}

/* ---- assignments -------------------------------------------------------------------------------- */

/* In a SyncGroup: four bytes, the keys as bits. Consumers' own form is nothing to the broker. */
static uint32_t decode_keys(const struct member *m, struct bytes assignment)
{
    if (assignment.size != 0 && assignment.size != 4)
        model_fail("member '%s' of %s is given an assignment of %zu bytes", m->id,
                   commits_group_name(commits_of(m), m->group), assignment.size);
    return assignment.size == 0 ? 0 : be_load_u32(assignment.data);
}

struct plan_of_leader {
    struct sync_group_request_assignment assignments[COMMITS_MEMBERS_MAX];
    uint8_t keys[COMMITS_MEMBERS_MAX][4];
    int32_t count;
};

/* Deals the keys out in turn, beginning anywhere. */
static void deal(struct member *m, const struct join_group_response *joined,
                 struct plan_of_leader *out)
{
    if (joined->members_count < 1 || joined->members_count > COMMITS_MEMBERS_MAX)
        model_fail("generation %d of %s has %d members", joined->generation_id,
                   commits_group_name(commits_of(m), m->group), joined->members_count);
    uint32_t keys[COMMITS_MEMBERS_MAX] = { 0 };
    const uint32_t first = (uint32_t)rng_below(&m->client.rng, COMMITS_MEMBERS_MAX);
    for (uint32_t k = 0; k < commits_key_count(commits_of(m)); k++)
        keys[(first + k) % (uint32_t)joined->members_count] |= 1u << k;
    out->count = joined->members_count;
    for (int32_t i = 0; i < joined->members_count; i++) {
        const struct join_group_response_member *member = &joined->members[i];
        for (int32_t k = 0; k < i; k++) {
            if (bytes_equal(joined->members[k].member_id, member->member_id))
                model_fail("generation %d of %s has member '%.*s' twice", joined->generation_id,
                           commits_group_name(commits_of(m), m->group),
                           BYTES_PRINTF(member->member_id));
        }
        be_store_u32(out->keys[i], keys[i]);
        out->assignments[i] = sync_group_request_assignment_default;
        out->assignments[i].member_id = member->member_id;
        out->assignments[i].assignment = bytes_from(out->keys[i], 4);
        generations_assign(generations_of(m), m->group, joined->generation_id, member->member_id,
                           member->group_instance_id, keys[i]);
    }
}

/* ---- syncing ------------------------------------------------------------------------------------ */

static void on_synced(void *context, const void *message)
{
    struct member *m = context;
    const struct sync_group_response *answer = message;
    if (is_lost(m, answer)) {
        m->state = JOINING;
        return;
    }
    m->error = answer->error_code;
    if (answer->error_code != KAFKA_NONE) {
        on_error(m, answer->error_code, "a SyncGroup");
        return;
    }
    if (m->life != m->client.scene->life) {
        go_to(m, FINDING); /* what a broker said that is gone */
        return;
    }
    m->is_forgotten = false;
    m->keys = decode_keys(m, answer->assignment);
    generations_synced(generations_of(m), m->group, m->generation, bytes_from_text(m->id),
                       instance_id(m), m->keys);
    go_to(m, LEARNING);
}

static void sync_group(struct member *m, const struct plan_of_leader *plan)
{
    struct sync_group_request request = sync_group_request_default;
    request.group_id = group_id(m);
    request.generation_id = m->generation;
    request.member_id = bytes_from_text(m->id);
    request.group_instance_id = instance_id(m);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocol_name = BYTES_LITERAL(PROTOCOL);
    if (plan != NULL) {
        request.assignments = (struct sync_group_request_assignment *)(uintptr_t)plan->assignments;
        request.assignments_count = plan->count;
    }
    m->life = m->client.scene->life;
    m->state = SYNCING;
    client_ask(&m->client, API_SYNC_GROUP, SYNC_VERSION, &request, on_synced, m);
}

/* ---- joining ------------------------------------------------------------------------------------ */

static void on_joined(void *context, const void *message)
{
    struct member *m = context;
    const struct join_group_response *answer = message;
    if (is_lost(m, answer))
        return;
    m->error = answer->error_code;
    if (answer->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        set_id(m, answer->member_id);
        client_at_once(&m->client);
        return;
    }
    if (answer->error_code != KAFKA_NONE) {
        on_error(m, answer->error_code, "a JoinGroup");
        return;
    }
    if (m->life != m->client.scene->life) {
        go_to(m, FINDING);
        return;
    }
    set_id(m, answer->member_id);
    m->generation = answer->generation_id;
    m->is_leader = bytes_equal(answer->leader, answer->member_id);
    generations_joined(generations_of(m), m->group, m->generation, answer->leader,
                       answer->member_id);
    if (!m->is_leader || answer->skip_assignment) {
        sync_group(m, NULL);
        return;
    }
    struct plan_of_leader plan;
    deal(m, answer, &plan);
    sync_group(m, &plan);
}

static void join(struct member *m)
{
    struct join_group_request_protocol protocol = join_group_request_protocol_default;
    protocol.name = BYTES_LITERAL(PROTOCOL);
    protocol.metadata = bytes_from_text(m->name);
    struct join_group_request request = join_group_request_default;
    request.group_id = group_id(m);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = REBALANCE_MS;
    request.member_id = bytes_from_text(m->id);
    request.group_instance_id = instance_id(m);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    request.reason = BYTES_NULL;
    m->life = m->client.scene->life;
    client_ask(&m->client, API_JOIN_GROUP, JOIN_VERSION, &request, on_joined, m);
}

/* ---- learning where to go on -------------------------------------------------------------------- */

static void on_learned(void *context, bool is_unanswered, int16_t error, uint32_t taken)
{
    struct member *m = context;
    (void)taken;
    if (is_unanswered) {
        client_again(&m->client);
        return;
    }
    m->error = error;
    if (error != KAFKA_NONE)
        on_error(m, error, "an OffsetFetch");
    else
        go_to(m, SETTLED);
}

static void learn(struct member *m)
{
    cursor_learn(&m->cursor, &CURSOR_ANYBODY, m->keys);
}

/* ---- committing --------------------------------------------------------------------------------- */

static void on_committed(void *context, bool is_unanswered, int16_t error, uint32_t taken)
{
    struct member *m = context;
    if (is_unanswered) {
        client_again(&m->client); /* whether they were made is not known */
        return;
    }
    if (taken != 0 && m->generation < m->newest)
        model_fail("%s: a commit of generation %d was taken, after generation %d began",
                   commits_group_name(commits_of(m), m->group), m->generation, m->newest);
    m->error = error;
    if (error != KAFKA_NONE) {
        on_error(m, error, "an OffsetCommit");
        return;
    }
    m->has_committed = true;
    m->is_forgotten = false;
    m->client.scene->acknowledged++;
    client_again(&m->client);
}

static void commit(struct member *m)
{
    const struct cursor_who who = { .member_id = bytes_from_text(m->id),
                                    .instance_id = instance_id(m),
                                    .epoch = m->generation };
    m->newest = generations_newest(generations_of(m), m->group);
    if (!cursor_commit(&m->cursor, &who, m->keys))
        client_again(&m->client);
}

/* ---- beating, leaving --------------------------------------------------------------------------- */

static void on_beat(void *context, const void *message)
{
    struct member *m = context;
    const struct heartbeat_response *answer = message;
    if (is_lost(m, answer))
        return;
    m->error = answer->error_code;
    if (answer->error_code != KAFKA_NONE)
        on_error(m, answer->error_code, "a heartbeat");
    else
        client_again(&m->client);
    m->is_forgotten &= answer->error_code != KAFKA_NONE;
}

static void beat(struct member *m)
{
    struct heartbeat_request request = heartbeat_request_default;
    request.group_id = group_id(m);
    request.generation_id = m->generation;
    request.member_id = bytes_from_text(m->id);
    request.group_instance_id = instance_id(m);
    client_ask(&m->client, API_HEARTBEAT, HEARTBEAT_VERSION, &request, on_beat, m);
}

static void sleep_for(struct member *m, int64_t duration_max_ns)
{
    m->asleep_until_ns =
        scene_now_ns(m->client.scene) + rng_between(&m->client.rng, 0, duration_max_ns);
}

static void go_away(struct member *m)
{
    m->id[0] = '\0';
    sleep_for(m, AWAY_MAX_NS);
    go_to(m, AWAY);
}

static void on_left(void *context, const void *message)
{
    (void)message; /* whatever it says, and whether it came */
    go_away(context);
}

static void leave(struct member *m)
{
    struct leave_group_request_member_identity identity =
        leave_group_request_member_identity_default;
    identity.member_id = bytes_from_text(m->id);
    identity.group_instance_id = instance_id(m);
    identity.reason = BYTES_NULL;
    struct leave_group_request request = leave_group_request_default;
    request.group_id = group_id(m);
    request.members = &identity;
    request.members_count = 1;
    client_ask(&m->client, API_LEAVE_GROUP, LEAVE_VERSION, &request, on_left, m);
}

/* What a member does that has its partitions. */
static void live(struct member *m)
{
    struct rng *rng = &m->client.rng;
    const bool is_calm = m->client.scene->is_calm;
    const uint64_t dice = m->client.scene->is_resting ? 1000 : rng_below(rng, 1000);
    if (!is_calm && dice < 15) {
        leave(m);
    } else if (!is_calm && dice < 25) { /* it crashes */
        client_hang_up(&m->client);
        go_away(m);
    } else if (!is_calm && dice < 40) {
        sleep_for(m, NAP_MAX_NS);
        m->is_forgotten = true;
        client_again(&m->client);
    } else if (dice < 450) {
        commit(m);
    } else if (dice < 600) { /* what was committed is seen, also before the next commit hides it */
        learn(m);
    } else {
        beat(m);
    }
}

static void act(struct client *client)
{
    struct member *m = CONTAINER_OF(client, struct member, client);
    if (client_is_waiting(client))
        return;
    if (scene_now_ns(client->scene) < m->asleep_until_ns) {
        client_again(client);
        return;
    }
    switch (m->state) {
    case AWAY:
    case FINDING:
        m->state = FINDING;
        find(m);
        return;
    case JOINING:
    case SYNCING:
        m->state = JOINING;
        join(m);
        return;
    case LEARNING:
        learn(m);
        return;
    case SETTLED:
        live(m);
        return;
    }
}

struct member *member_new(struct scene *scene, uint32_t group, uint32_t index)
{
    struct member *m = MEM_NEW(struct member);
    struct rng rng = scene_rng(scene, "static");
    for (uint32_t i = 0; i < COMMITS_MEMBERS_MAX * group + index; i++)
        (void)rng_u64(&rng);
    m->group = group;
    m->is_static = rng_chance(&rng, 300000);
    (void)snprintf(m->name, sizeof(m->name), "%c%u.%u/", m->is_static ? 's' : 'd', group, index);
    client_init(&m->client, scene, m->name, act);
    m->cursor = (struct cursor){
        .client = &m->client, .group = group, .on_learned = on_learned, .on_committed = on_committed
    };
    m->client.pause_min_ns = PAUSE_MIN_NS;
    m->client.pause_max_ns = PAUSE_MAX_NS;
    m->client.works_at_rest = true;
    sleep_for(m, AWAY_MAX_NS);
    return m;
}

void member_free(struct member *m)
{
    client_deinit(&m->client);
    mem_free(m);
}
