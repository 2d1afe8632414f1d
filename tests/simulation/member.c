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
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"

#include <stdio.h>
#include <string.h>

#define FIND_VERSION        4
#define JOIN_VERSION        9
#define SYNC_VERSION        5
#define HEARTBEAT_VERSION   4
#define LEAVE_VERSION       5
#define COMMIT_VERSION      9
#define FETCH_VERSION       9
#define SESSION_MS          6000
#define REBALANCE_MS        3000
#define NAP_MAX_NS          (9 * NS_PER_SECOND)
#define AWAY_MAX_NS         (5 * NS_PER_SECOND)
#define PAUSE_MIN_NS        (50 * NS_PER_MS)
#define PAUSE_MAX_NS        (700 * NS_PER_MS)
#define MEMBER_ID_BYTES_MAX 64
#define PROTOCOL            "rounds"

enum state { AWAY, FINDING, JOINING, SYNCING, LEARNING, SETTLED };

struct commit {
    int64_t stamp; /* 0: none */
    int64_t offset;
};

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
    int64_t positions[COMMITS_KEYS_MAX];
    struct commit commits[COMMITS_KEYS_MAX]; /* under way */
    int32_t newest; /* generation that was known when the commit was sent */
    bool has_committed;
    bool is_committing;
    bool is_forgotten; /* perhaps: it has slept, and nothing was said to it since */
    int64_t asleep_until_ns;
    uint64_t life; /* of the broker, when the question was asked */
    struct commits_look look;
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
    return m->is_committing;
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

static void take_offset(struct member *m, struct bytes topic,
                        const struct offset_fetch_response_partitions *told)
{
    const int key = commits_find_key(commits_of(m), topic, told->partition_index);
    if (key < 0 || told->error_code != KAFKA_NONE)
        model_fail("%s: the committed offset of %.*s-%d is answered with %s",
                   commits_group_name(commits_of(m), m->group), BYTES_PRINTF(topic),
                   told->partition_index, kafka_error_name(told->error_code));
    commits_told(commits_of(m), m->group, (uint32_t)key, &m->look, told->committed_offset,
                 told->metadata);
    m->positions[key] = MAX(told->committed_offset, INT64_C(0));
}

static void on_learned(void *context, const void *message)
{
    struct member *m = context;
    const struct offset_fetch_response *answer = message;
    if (is_lost(m, answer))
        return;
    const struct offset_fetch_response_group *group = &answer->groups[0];
    m->error = group->error_code;
    if (group->error_code != KAFKA_NONE) {
        on_error(m, group->error_code, "an OffsetFetch");
        return;
    }
    for (int32_t i = 0; i < group->topics_count; i++) {
        for (int32_t k = 0; k < group->topics[i].partitions_count; k++)
            take_offset(m, group->topics[i].name, &group->topics[i].partitions[k]);
    }
    go_to(m, SETTLED);
}

static void learn(struct member *m)
{
    struct offset_fetch_request_topics topics[COMMITS_KEYS_MAX];
    int32_t partitions[COMMITS_KEYS_MAX];
    struct offset_fetch_request_group group = offset_fetch_request_group_default;
    group.group_id = group_id(m);
    group.member_id = BYTES_NULL;
    group.topics = topics;
    group.topics_count = 0;
    for (uint32_t k = 0; k < commits_key_count(commits_of(m)); k++) {
        if ((m->keys & (1u << k)) == 0)
            continue;
        const struct commits_key key = commits_key(commits_of(m), k);
        struct offset_fetch_request_topics *topic = &topics[group.topics_count];
        partitions[group.topics_count++] = key.partition;
        *topic = offset_fetch_request_topics_default;
        topic->name = bytes_from_text(key.topic);
        topic->partition_indexes = &partitions[group.topics_count - 1];
        topic->partition_indexes_count = 1;
    }
    struct offset_fetch_request request = offset_fetch_request_default;
    request.groups = &group;
    request.groups_count = 1;
    request.require_stable = rng_chance(&m->client.rng, 500000);
    m->look = commits_look(commits_of(m), m->group);
    client_ask(&m->client, API_OFFSET_FETCH, FETCH_VERSION, &request, on_learned, m);
}

/* ---- committing --------------------------------------------------------------------------------- */

/* What a commit's error says of its effect. */
static enum commits_outcome outcome_of(int16_t error)
{
    switch ((int)error) {
    case KAFKA_NONE:
        return COMMITS_DONE;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_GROUP_ID_NOT_FOUND:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        return COMMITS_REFUSED;
    default: /* an append that failed or took too long, or a coordinator that ended */
        return COMMITS_UNKNOWN;
    }
}

static int16_t take_outcome(struct member *m, struct bytes topic,
                            const struct offset_commit_response_partition *told)
{
    const int key = commits_find_key(commits_of(m), topic, told->partition_index);
    if (key < 0)
        model_fail("%.*s-%d was not committed, but it is answered", BYTES_PRINTF(topic),
                   told->partition_index);
    if (told->error_code == KAFKA_NONE && m->generation < m->newest)
        model_fail("%s: a commit of generation %d was taken, after generation %d began",
                   commits_group_name(commits_of(m), m->group), m->generation, m->newest);
    commits_end(commits_of(m), m->group, (uint32_t)key, m->commits[key].stamp,
                outcome_of(told->error_code));
    if (told->error_code == KAFKA_NONE)
        m->positions[key] = m->commits[key].offset;
    return told->error_code;
}

static void on_committed(void *context, const void *message)
{
    struct member *m = context;
    const struct offset_commit_response *answer = message;
    m->is_committing = false;
    if (is_lost(m, answer))
        return; /* whether they were made is not known */
    int16_t error = KAFKA_NONE;
    for (int32_t i = 0; i < answer->topics_count; i++) {
        for (int32_t k = 0; k < answer->topics[i].partitions_count; k++) {
            const int16_t e =
                take_outcome(m, answer->topics[i].name, &answer->topics[i].partitions[k]);
            error = e != KAFKA_NONE ? e : error;
        }
    }
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
    struct offset_commit_request_topic topics[COMMITS_KEYS_MAX];
    struct offset_commit_request_partition partitions[COMMITS_KEYS_MAX];
    char *metadata[COMMITS_KEYS_MAX];
    struct offset_commit_request request = offset_commit_request_default;
    request.group_id = group_id(m);
    request.generation_id_or_member_epoch = m->generation;
    request.member_id = bytes_from_text(m->id);
    request.group_instance_id = instance_id(m);
    request.topics = topics;
    request.topics_count = 0;
    for (uint32_t k = 0; k < commits_key_count(commits_of(m)); k++) {
        if ((m->keys & (1u << k)) == 0 || rng_chance(&m->client.rng, 300000) ||
            !model_has_topic(m->client.scene->model, commits_key(commits_of(m), k).topic))
            continue;
        const int32_t n = request.topics_count++;
        const struct commits_key key = commits_key(commits_of(m), k);
        const int64_t offset = m->positions[k] + rng_between(&m->client.rng, 0, 5);
        const int64_t stamp = commits_begin(commits_of(m), m->group, k, offset);
        m->commits[k] = (struct commit){ .stamp = stamp, .offset = offset };
        metadata[n] = commits_metadata(stamp);
        partitions[n] = offset_commit_request_partition_default;
        partitions[n].partition_index = key.partition;
        partitions[n].committed_offset = offset;
        partitions[n].committed_metadata = bytes_from_text(metadata[n]);
        topics[n] = offset_commit_request_topic_default;
        topics[n].name = bytes_from_text(key.topic);
        topics[n].partitions = &partitions[n];
        topics[n].partitions_count = 1;
    }
    m->newest = generations_newest(generations_of(m), m->group);
    m->is_committing = request.topics_count > 0;
    if (request.topics_count > 0)
        client_ask(&m->client, API_OFFSET_COMMIT, COMMIT_VERSION, &request, on_committed, m);
    else
        client_again(&m->client);
    for (int32_t i = 0; i < request.topics_count; i++)
        mem_free(metadata[i]);
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
