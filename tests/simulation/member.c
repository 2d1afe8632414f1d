/* See member.h.
 *
 *   AWAY ──► FINDING ──► JOINING ──► SYNCING ──► LEARNING ──► SETTLED ── heartbeats, commits, naps
 *     ▲         ▲           └───────────┴──────────────┴─────────┤ told to join again, or unknown
 *     └─────────┴────────────────────────────────────────────────┘ leaves or crashes; coordinator not here
 *
 * An eager member gives its partitions up before it joins again. A cooperative one keeps them, says so, gives up what it is not given
 * again, and then joins once more; it has lost them all when its generation is over without it.
 *
 * In a group that subscribers have made one of the consumer protocol it goes on as it is: there are no leaders then.
 */
#include "member.h"

#include "base/mem.h"
#include "client.h"
#include "commits.h"
#include "cursor.h"
#include "embedded.h"
#include "generations.h"
#include "leader.h"
#include "model.h"
#include "ownership.h"
#include "seat.h"
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
#define PAUSE_MIN_NS        (50 * NS_PER_MS)
#define PAUSE_MAX_NS        (700 * NS_PER_MS)
#define TRUNCATED_NS        (2 * NS_PER_MS) /* the broker counts whole milliseconds */
#define MEMBER_ID_BYTES_MAX 64
#define METADATA_BYTES_MAX  ((size_t)4 << 10)

enum state { AWAY, FINDING, JOINING, SYNCING, LEARNING, SETTLED };

struct member {
    struct client client; /* first */
    uint32_t group;
    char name[24];     /* the client id */
    struct seat *seat; /* borrowed */
    int16_t version;   /* of what it tells the leader */
    enum state state;
    char id[MEMBER_ID_BYTES_MAX]; /* "": none yet */
    int32_t generation;
    int32_t told; /* the last one that a JoinGroup of this membership was answered with; 0: none */
    bool is_leader;
    bool is_led;    /* its generation has a leader */
    uint32_t wants; /* partitions of topics it subscribes to: bits */
    uint32_t dealt; /* by it, when it is the leader */
    uint32_t keys;
    int32_t back_in; /* generation in which it came back, a static member; 0: none */
    bool has_claim;  /* it is a member, and has been told its share */
    uint32_t claim;  /* see ownership.h */
    struct ownership_floor floor;
    uint64_t round;    /* of ownership.h, when it asked */
    int64_t joined_ns; /* when it asked to be */
    int64_t tried_ns;  /* the first time since that was answered; 0: it was */
    int64_t asked_ns;
    int64_t renewed_ns; /* its session, at that time at the earliest */
    bool is_late;       /* it was told of its share, and may be none any more: first it beats */
    int64_t until_ns;   /* what it has is its own for sure */
    uint32_t
        lost; /* of what is being committed: it was somebody else's already when that was asked */
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

bool member_is_away(const struct member *m)
{
    return m->seat->is_subscribers;
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

uint32_t member_wants(const struct member *m)
{
    return m->wants;
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

static struct ownership *ownership_of(const struct member *m)
{
    return m->client.scene->ownership;
}

static bool is_cooperative(const struct member *m)
{
    return commits_is_cooperative(commits_of(m), m->group);
}

/* What generations.h holds against each other are generations of a leader; in mixed groups others are in between. */
static bool is_mixed(const struct member *m)
{
    return commits_is_mixed(commits_of(m), m->group);
}

static struct bytes protocol(const struct member *m)
{
    return is_cooperative(m) ? BYTES_LITERAL("cooperative-sticky") : BYTES_LITERAL("range");
}

static struct bytes group_id(const struct member *m)
{
    return bytes_from_text(commits_group_name(commits_of(m), m->group));
}

static struct bytes instance_id(const struct member *m)
{
    return m->seat->is_static ? bytes_from_text(m->seat->instance) : BYTES_NULL;
}

static void set_id(struct member *m, struct bytes id)
{
    if (id.size >= sizeof(m->id))
        model_fail("member id '%.*s' has %zu bytes", BYTES_PRINTF(id), id.size);
    memcpy(m->id, id.data, id.size);
    m->id[id.size] = '\0';
}

/* Topics have come into being, and it has not told so, or, as the leader, shared them out. Or a power loss may have taken something that
 * it was told: there may be less of what it has now. */
static bool must_join_again(const struct member *m)
{
    return (m->has_claim && ownership_is_void(ownership_of(m), m->claim)) ||
           (m->is_late && ownership_is_in_force(ownership_of(m), m->claim)) ||
           embedded_existing(m->client.scene) != m->wants || (m->is_leader && m->dealt != m->wants);
}

bool member_is_settled(const struct member *m)
{
    return m->state == SETTLED && (m->has_committed || m->keys == 0) && !m->is_forgotten &&
           !m->is_late && !must_join_again(m);
}

static void give_up(struct member *m, uint32_t keys)
{
    if (m->has_claim)
        ownership_give_up(ownership_of(m), m->claim, keys);
    m->keys &= ~keys;
}

/* It is no member any more, or not in its own eyes. */
static void abandon(struct member *m)
{
    if (m->has_claim)
        ownership_leave(ownership_of(m), m->claim);
    m->has_claim = false;
    m->keys = 0;
    m->back_in = 0;
    m->told = 0;
    m->tried_ns = 0;
    m->is_late = false;
}

static void go_to(struct member *m, enum state state)
{
    m->goes_on = state == FINDING && (m->goes_on || m->state == SETTLED);
    if (state != SETTLED && !m->goes_on) {
        m->has_committed = false;
        if (state != LEARNING && !is_cooperative(m))
            give_up(m, m->keys);
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
    case KAFKA_GROUP_ID_NOT_FOUND:
        if (m->has_claim)
            ownership_fenced(ownership_of(m), m->claim, false, error);
        abandon(m);
        m->id[0] = '\0';
        go_to(m, JOINING);
        return;
    case KAFKA_ILLEGAL_GENERATION: /* also of one that was heard of in time: when its group is converted */
        give_up(m, m->keys);
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

/* ---- syncing ------------------------------------------------------------------------------------ */

/* How long what it has is its own, after it was told that nothing is to be done: until then no rebalance can be over without it, and it
 * cannot be late, if its session does not end before. */
static int64_t safe_until_ns(const struct member *m)
{
    return MIN(m->asked_ns + REBALANCE_MS * NS_PER_MS, m->renewed_ns + SESSION_MS * NS_PER_MS) -
           TRUNCATED_NS;
}

/* Answers whether it has to join once more: who gave something up, for others to get it. A static member that comes back gets the
 * share of before without a new generation, and cannot know whether the one before it was about to do so. It says that it is back: one
 * without partitions would have nothing to tell that the coordinator does not know, and be told of the same generation again. */
static bool take_share(struct member *m, uint32_t keys)
{
    struct ownership *ownership = ownership_of(m);
    const bool comes_back = !m->has_claim && m->seat->is_static && is_cooperative(m);
    const uint32_t revoked = m->keys & ~keys;
    if (comes_back)
        m->back_in = m->generation;
    give_up(m, revoked);
    if (!m->has_claim || ownership_is_void(ownership, m->claim)) {
        if (m->has_claim) /* it is there from before, and may be on its way yet */
            m->floor = (struct ownership_floor){ 0 };
        m->claim = ownership_enter(ownership, &(struct ownership_entry){ .group = m->group,
                                                                         .member = m->name,
                                                                         .is_classic = true,
                                                                         .epoch = m->generation,
                                                                         .floor = m->floor });
        m->has_claim = true;
        m->keys = 0;
    }
    /* While it did not get to join, a generation without it may have given these away; now they are given to it. */
    m->keys &= ~ownership_lost(ownership, m->claim, m->keys);
    /* Before it has said that it has given them up, its time may be running. */
    if (revoked == 0)
        m->until_ns = safe_until_ns(m);
    ownership_heard(ownership, m->claim, m->generation, m->keys, m->asked_ns, m->until_ns);
    ownership_set_led(ownership, m->claim, m->is_led);
    if (m->is_led)
        ownership_is_led(ownership, m->group, m->joined_ns);
    m->is_late = !ownership_is_in_force(ownership, m->claim);
    if (!m->is_late) {
        ownership_take(ownership, m->claim, keys & ~m->keys);
        m->keys = keys;
    }
    return revoked != 0 || comes_back;
}

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
    const uint32_t keys = embedded_read_assignment(m->client.scene, answer->assignment);
    if (!is_mixed(m))
        generations_synced(generations_of(m), m->group, m->generation, bytes_from_text(m->id),
                           instance_id(m), keys);
    go_to(m, take_share(m, keys) ? JOINING : LEARNING);
}

static void sync_group(struct member *m, const struct leader_plan *plan)
{
    struct sync_group_request request = sync_group_request_default;
    request.group_id = group_id(m);
    request.generation_id = m->generation;
    request.member_id = bytes_from_text(m->id);
    request.group_instance_id = instance_id(m);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocol_name = protocol(m);
    if (plan != NULL) {
        request.assignments = (struct sync_group_request_assignment *)(uintptr_t)plan->assignments;
        request.assignments_count = plan->count;
    }
    m->life = m->client.scene->life;
    m->asked_ns = scene_now_ns(m->client.scene);
    m->state = SYNCING;
    client_ask(&m->client, API_SYNC_GROUP, SYNC_VERSION, &request, on_synced, m);
}

/* ---- joining ------------------------------------------------------------------------------------ */

/* Whether its session began anew when it was let into the generation. Not, as in Kafka, when it is told of the same one again, nor when
 * a static member, which generations take along without asking, is told of one that it was in already. */
static bool has_new_session(const struct member *m, const struct join_group_response *answer)
{
    const bool is_leader = bytes_equal(answer->leader, answer->member_id);
    if (answer->leader.size == 0 || m->told == 0)
        return true;
    return answer->generation_id > m->told && (is_leader || !m->seat->is_static);
}

static void check_generation(struct member *m, const struct join_group_response *answer)
{
    if (m->generation == m->back_in)
        model_fail("%s of %s came back in generation %d, told so, and is told of that one again",
                   m->id, commits_group_name(commits_of(m), m->group), m->generation);
    generations_joined(generations_of(m), m->group, m->generation, answer->leader,
                       answer->member_id);
}

static void on_joined(void *context, const void *message)
{
    struct member *m = context;
    const struct join_group_response *answer = message;
    if (is_lost(m, answer))
        return;
    const int64_t tried_ns = m->tried_ns; /* by that, or by one of those after it, it is in */
    m->tried_ns = 0;
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
    if (has_new_session(m, answer))
        m->renewed_ns = tried_ns;
    m->generation = answer->generation_id;
    m->told = m->generation;
    m->is_led = answer->leader.size > 0;
    m->is_leader = bytes_equal(answer->leader, answer->member_id);
    m->dealt = 0;
    if (!is_mixed(m))
        check_generation(m, answer);
    if (!m->is_leader || answer->skip_assignment) {
        sync_group(m, NULL);
        return;
    }
    struct leader_plan plan;
    leader_deal(&m->client, m->group, answer, &plan);
    m->dealt = plan.dealt;
    sync_group(m, &plan);
    leader_plan_deinit(&plan);
}

static void join(struct member *m)
{
    struct buf metadata;
    buf_init(&metadata, METADATA_BYTES_MAX);
    m->wants = embedded_existing(m->client.scene);
    const struct embedded_subscription told = { .wants = m->wants,
                                                .owned = m->keys,
                                                .generation = m->keys == 0 ? -1 : m->generation,
                                                .back_in = m->back_in };
    embedded_write_subscription(m->client.scene, m->version, &told, &metadata);
    struct join_group_request_protocol spoken = join_group_request_protocol_default;
    spoken.name = protocol(m);
    spoken.metadata = buf_view(&metadata);
    struct join_group_request request = join_group_request_default;
    request.group_id = group_id(m);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = REBALANCE_MS;
    request.member_id = bytes_from_text(m->id);
    request.group_instance_id = instance_id(m);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocols = &spoken;
    request.protocols_count = 1;
    request.reason = BYTES_NULL;
    m->life = m->client.scene->life;
    m->floor = ownership_floor(ownership_of(m), m->group);
    m->joined_ns = scene_now_ns(m->client.scene);
    if (m->tried_ns == 0)
        m->tried_ns = m->joined_ns;
    client_ask(&m->client, API_JOIN_GROUP, JOIN_VERSION, &request, on_joined, m);
    buf_deinit(&metadata);
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
    if ((taken & m->lost) != 0 && m->round == ownership_round(ownership_of(m)))
        model_fail("%s: a commit of %s in generation %d was taken for partitions %x, which were "
                   "somebody else's already",
                   commits_group_name(commits_of(m), m->group), m->name, m->generation,
                   taken & m->lost);
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
    m->lost = ownership_lost(ownership_of(m), m->claim, m->keys);
    m->round = ownership_round(ownership_of(m));
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
    if (answer->error_code != KAFKA_NONE) {
        on_error(m, answer->error_code, "a heartbeat");
    } else if (m->asked_ns < sim_broker_groups_loaded_ns(m->client.scene->broker)) {
        client_again(&m->client); /* until groups are loaded that is said to anybody, as by Kafka */
    } else {
        m->renewed_ns = m->asked_ns;
        m->until_ns = safe_until_ns(m);
        ownership_heard(ownership_of(m), m->claim, m->generation, m->keys, m->asked_ns,
                        m->until_ns);
        client_again(&m->client);
    }
    m->is_forgotten &= answer->error_code != KAFKA_NONE;
}

static void beat(struct member *m)
{
    struct heartbeat_request request = heartbeat_request_default;
    request.group_id = group_id(m);
    request.generation_id = m->generation;
    request.member_id = bytes_from_text(m->id);
    request.group_instance_id = instance_id(m);
    m->asked_ns = scene_now_ns(m->client.scene);
    client_ask(&m->client, API_HEARTBEAT, HEARTBEAT_VERSION, &request, on_beat, m);
}

static void sleep_for(struct member *m, int64_t duration_max_ns)
{
    m->asleep_until_ns =
        scene_now_ns(m->client.scene) + rng_between(&m->client.rng, 0, duration_max_ns);
}

static void go_away(struct member *m)
{
    abandon(m);
    m->id[0] = '\0';
    seat_leave(m->seat, &m->client.rng);
    sleep_for(m, seat_away_max_ns(m->seat));
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
    abandon(m);
    client_ask(&m->client, API_LEAVE_GROUP, LEAVE_VERSION, &request, on_left, m);
}

/* What a member does that has its partitions. */
static void live(struct member *m)
{
    struct rng *rng = &m->client.rng;
    const bool is_calm = m->client.scene->is_calm;
    const uint64_t going = seat_going(m->seat);
    const uint64_t dice = m->client.scene->is_resting ? 1000 : rng_below(rng, 1000);
    if (must_join_again(m) && !m->client.scene->is_resting) {
        go_to(m, JOINING);
    } else if (m->is_late) {
        beat(m);
    } else if (!is_calm && dice < going) {
        leave(m);
    } else if (!is_calm && dice < 2 * going) { /* it crashes */
        client_hang_up(&m->client);
        go_away(m);
    } else if (!is_calm && dice < 2 * going + 15) {
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
    if (scene_now_ns(client->scene) < m->asleep_until_ns || m->seat->is_subscribers) {
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

struct member *member_new(struct scene *scene, uint32_t group, uint32_t index, struct seat *seat)
{
    struct member *m = MEM_NEW(struct member);
    m->group = group;
    m->seat = seat;
    m->version = (int16_t)(1 + index % 3);
    (void)snprintf(m->name, sizeof(m->name), "%c%u.%u/", seat->is_static ? 's' : 'd', group, index);
    client_init(&m->client, scene, m->name, act);
    m->cursor = (struct cursor){
        .client = &m->client, .group = group, .on_learned = on_learned, .on_committed = on_committed
    };
    m->client.pause_min_ns = PAUSE_MIN_NS;
    m->client.pause_max_ns = PAUSE_MAX_NS;
    m->client.works_at_rest = true;
    sleep_for(m, seat_away_max_ns(m->seat));
    return m;
}

void member_free(struct member *m)
{
    client_deinit(&m->client);
    mem_free(m);
}
