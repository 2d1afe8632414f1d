/* See subscriber.h.
 *
 *   AWAY ──► FINDING ──► JOINING ──► BEATING ── heartbeats, commits, naps, other subscriptions
 *     ▲         ▲           ▲           ├─ fenced: everything is given up
 *     │         │           └───────────┤
 *     └─────────┴───────────────────────┘ leaves or crashes; coordinator not here (then it goes on, when it was a member)
 *
 * After an error, or when an answer was lost, the next heartbeat tells everything, and is told everything; until then nothing is taken:
 * what was lost may have said that it does not have what it was to have, and that may be somebody else's by now.
 */
#include "subscriber.h"

#include "base/mem.h"
#include "base/vec.h"
#include "client.h"
#include "commits.h"
#include "cursor.h"
#include "model.h"
#include "ownership.h"
#include "seat.h"
#include "wire/kafka_error.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"

#include <stdio.h>
#include <string.h>

#define FIND_VERSION      4
#define HEARTBEAT_VERSION 1
#define REBALANCE_MS                                                                               \
    7000 /* longer than a session: until it is told to give something up, that counts */
#define TRUNCATED_NS  (2 * NS_PER_MS) /* the broker counts whole milliseconds */
#define NAP_MAX_NS    (9 * NS_PER_SECOND)
#define DAWDLE_MAX_NS (9 * NS_PER_SECOND)
#define PAUSE_MIN_NS  (50 * NS_PER_MS)
#define PAUSE_MAX_NS  (700 * NS_PER_MS)
#define EPOCH_JOIN    0
#define EPOCH_LEAVE   (-1)
#define EPOCH_PAUSE   (-2) /* of a static member that will come back */

enum state { AWAY, FINDING, JOINING, BEATING };

/* A partition that it is to have. */
struct target {
    struct uuid topic_id;
    int32_t partition;
};

struct subscriber {
    struct client client; /* first */
    uint32_t group;
    char name[16];        /* the client id */
    struct seat *seat;    /* borrowed */
    const char *assignor; /* that it asks for; NULL: any */
    uint32_t incarnation; /* of its process */
    char id[32];          /* of this one */
    enum state state;
    bool is_member; /* `claim` and `epoch` are valid */
    uint32_t claim; /* see ownership.h */
    int32_t epoch;
    uint32_t wants;             /* partitions of topics it subscribes to: bits */
    bool has_expression;        /* by which it does */
    bool tells_wants;           /* with the next heartbeat */
    bool tells_all;             /* too */
    VEC(struct target) targets; /* as it was told */
    uint32_t owned;
    uint32_t told_owned;
    bool
        has_news; /* targets that no heartbeat has acknowledged: what it has is told even where that did not change, as Kafka's clients do */
    uint32_t learned; /* of these it knows where to go on */
    uint32_t learning;
    struct cursor cursor;
    uint32_t
        lost; /* of what is being committed: it was somebody else's already when that was asked */
    int64_t asked_ns;
    int64_t unheard_ns;   /* the first heartbeat since the last answer; 0: there is none */
    int64_t revoking_ns;  /* since when it may have to give something up; 0: it has not */
    uint64_t round;       /* of ownership.h, when it asked */
    uint64_t heard_round; /* when it asked what was answered last */
    struct ownership_floor floor;
    bool has_committed;
    bool is_forgotten; /* perhaps: it has slept, and nothing was said to it since */
    int64_t asleep_until_ns;
    int64_t dawdles_until_ns; /* before it takes and gives up */
    int16_t error;            /* last told */
    char words[200];
};

struct client *subscriber_client(struct subscriber *s)
{
    return &s->client;
}

bool subscriber_is_away(const struct subscriber *s)
{
    return !s->seat->is_subscribers;
}

bool subscriber_is_committing(const struct subscriber *s)
{
    return s->cursor.is_committing;
}

uint32_t subscriber_group(const struct subscriber *s)
{
    return s->group;
}

int32_t subscriber_epoch(const struct subscriber *s)
{
    return s->epoch;
}

uint32_t subscriber_wants(const struct subscriber *s)
{
    return s->wants;
}

uint32_t subscriber_owned(const struct subscriber *s)
{
    return s->owned;
}

static struct commits *commits_of(const struct subscriber *s)
{
    return s->client.scene->commits;
}

static struct ownership *ownership_of(const struct subscriber *s)
{
    return s->client.scene->ownership;
}

static const char *group_name(const struct subscriber *s)
{
    return commits_group_name(commits_of(s), s->group);
}

static struct bytes instance_id(const struct subscriber *s)
{
    return s->seat->is_static ? bytes_from_text(s->seat->instance) : BYTES_NULL;
}

static void go_to(struct subscriber *s, enum state state)
{
    s->state = state;
    client_again(&s->client);
}

/* ---- partitions --------------------------------------------------------------------------------- */

static const struct model_topic *topic_by_id(const struct subscriber *s, struct uuid id)
{
    struct model *model = s->client.scene->model;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        const struct model_topic *topic = model_plan(model, i)->topic;
        if (topic != NULL && uuid_equal(topic->id, id))
            return topic;
    }
    return NULL;
}

static const struct model_topic *topic_by_name(const struct subscriber *s, const char *name)
{
    struct model *model = s->client.scene->model;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        if (strcmp(model_plan(model, i)->name, name) == 0)
            return model_plan(model, i)->topic;
    }
    return NULL;
}

/* What it is to have: bits. A topic whose id nobody has been told yet has to wait; *out_all: none has. */
static uint32_t find_targets(const struct subscriber *s, bool *out_all)
{
    uint32_t keys = 0;
    *out_all = true;
    for (size_t i = 0; i < s->targets.count; i++) {
        const struct target *target = &s->targets.items[i];
        const struct model_topic *topic = topic_by_id(s, target->topic_id);
        if (topic == NULL) {
            *out_all = false;
            continue;
        }
        const int key =
            commits_find_key(commits_of(s), bytes_from_text(topic->plan->name), target->partition);
        if (key < 0 || (keys & (1u << key)) != 0)
            model_fail("%s of %s is given %s-%d, which is no partition, or twice", s->name,
                       group_name(s), topic->plan->name, target->partition);
        keys |= 1u << key;
    }
    return keys;
}

bool subscriber_is_settled(const struct subscriber *s)
{
    bool is_all;
    const uint32_t targets = find_targets(s, &is_all);
    return s->state == BEATING && !s->tells_all && !s->tells_wants && !s->has_news && is_all &&
           s->owned == targets && s->told_owned == s->owned &&
           (s->has_committed || s->owned == 0) && !s->is_forgotten;
}

const char *subscriber_words(const struct subscriber *s)
{
    static const char *const states[] = { "away", "finding", "joining", "beating" };
    bool is_all;
    struct subscriber *own = (struct subscriber *)(uintptr_t)s; /* the words alone */
    (void)snprintf(own->words, sizeof(own->words),
                   "%s '%s': %s, epoch %d, wants partitions %x, is to have %x, has %x; the last "
                   "error was %s",
                   s->name, s->id, states[s->state], s->epoch, s->wants, find_targets(s, &is_all),
                   s->owned, kafka_error_name(s->error));
    return s->words;
}

static void give_up(struct subscriber *s, uint32_t keys)
{
    if (s->is_member)
        ownership_give_up(ownership_of(s), s->claim, keys);
    s->owned &= ~keys;
    s->learned &= ~keys;
}

/* Gives up first, and then takes. */
static void reconcile(struct subscriber *s)
{
    bool is_all;
    const uint32_t targets = find_targets(s, &is_all);
    if (!s->is_member || scene_now_ns(s->client.scene) < s->dawdles_until_ns)
        return;
    if ((s->owned & ~targets) != 0) {
        give_up(s, s->owned & ~targets);
        return;
    }
    const uint32_t added = targets & ~s->owned;
    if (added == 0 || s->tells_all || !ownership_is_in_force(ownership_of(s), s->claim))
        return;
    ownership_take(ownership_of(s), s->claim, added);
    s->owned |= added;
    s->has_committed = false;
}

/* It is no member any more, or not in its own eyes. */
static void abandon(struct subscriber *s)
{
    give_up(s, s->owned);
    if (s->is_member)
        ownership_leave(ownership_of(s), s->claim);
    s->is_member = false;
    s->epoch = EPOCH_JOIN;
    s->targets.count = 0;
    s->told_owned = 0;
    s->unheard_ns = 0;
    s->revoking_ns = 0;
    s->has_committed = false;
    s->dawdles_until_ns = 0;
}

/* ---- errors ------------------------------------------------------------------------------------- */

static void on_fenced(struct subscriber *s, int16_t error)
{
    ownership_fenced(ownership_of(s), s->claim, s->tells_all, error);
    abandon(s);
    go_to(s, JOINING);
}

/* What an error of the coordinator means; those that have no place here are broken promises. */
static void on_error(struct subscriber *s, int16_t error, const char *of)
{
    s->error = error;
    switch ((int)error) {
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_NOT_COORDINATOR:
        s->tells_all = true;
        go_to(s, FINDING);
        return;
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_MEMBER_EPOCH:
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_GROUP_ID_NOT_FOUND:
        if (!s->is_member)
            break;
        on_fenced(s, error);
        return;
    case KAFKA_STALE_MEMBER_EPOCH: /* a heartbeat will tell it the new one */
        client_again(&s->client);
        return;
    case KAFKA_UNRELEASED_INSTANCE_ID: /* until the session of the process before ends */
        if (s->is_member || !s->seat->is_static)
            break;
        client_again(&s->client);
        return;
    default:
        break;
    }
    model_fail("%s of member '%s' of %s is answered with %s", of, s->id, group_name(s),
               kafka_error_name(error));
}

/* ---- finding ------------------------------------------------------------------------------------ */

static void on_found(void *context, const void *message)
{
    struct subscriber *s = context;
    const struct find_coordinator_response *answer = message;
    if (answer == NULL) {
        client_again(&s->client);
        return;
    }
    s->error = answer->coordinators[0].error_code;
    if (s->error != KAFKA_NONE && s->error != KAFKA_COORDINATOR_NOT_AVAILABLE)
        model_fail("the coordinator of %s cannot be found: %s", group_name(s),
                   kafka_error_name(s->error));
    go_to(s, s->error != KAFKA_NONE ? FINDING : s->is_member ? BEATING : JOINING);
}

static void find(struct subscriber *s)
{
    struct bytes key = bytes_from_text(group_name(s));
    struct find_coordinator_request request = find_coordinator_request_default;
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    client_ask(&s->client, API_FIND_COORDINATOR, FIND_VERSION, &request, on_found, s);
}

/* ---- heartbeats --------------------------------------------------------------------------------- */

static void take_targets(struct subscriber *s,
                         const struct consumer_group_heartbeat_response_assignment *told)
{
    s->targets.count = 0;
    for (int32_t i = 0; i < told->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_response_topic_partitions *topic =
            &told->topic_partitions[i];
        for (int32_t k = 0; k < topic->partitions_count; k++)
            VEC_ADD(&s->targets, ((struct target){ .topic_id = topic->topic_id,
                                                   .partition = topic->partitions[k] }));
    }
}

/* How long its partitions are its own for sure: a session since it asked; or, when it has to give some of them up, its
 * rebalance timeout since the first heartbeat that may have found that. */
static int64_t safe_until_ns(struct subscriber *s)
{
    bool is_all;
    if ((s->owned & ~find_targets(s, &is_all)) == 0)
        s->revoking_ns = 0;
    else if (s->revoking_ns == 0)
        s->revoking_ns = s->unheard_ns;
    const int64_t session_ns = s->asked_ns + SUBSCRIBER_SESSION_MS * NS_PER_MS;
    const int64_t revoked_ns = s->revoking_ns + REBALANCE_MS * NS_PER_MS;
    return (s->revoking_ns == 0 ? session_ns : MIN(session_ns, revoked_ns)) - TRUNCATED_NS;
}

static void take_beat(struct subscriber *s, const struct consumer_group_heartbeat_response *answer)
{
    const bool is_new = !s->is_member;
    if (answer->member_epoch <= 0 || !bytes_equal_text(answer->member_id, s->id) ||
        (is_new && answer->assignment == NULL))
        model_fail("member '%s' of %s is told that it is '%.*s' in epoch %d%s", s->id,
                   group_name(s), BYTES_PRINTF(answer->member_id), answer->member_epoch,
                   answer->assignment == NULL ? ", and no assignment" : "");
    if (is_new)
        s->claim = ownership_enter(ownership_of(s),
                                   &(struct ownership_entry){ .group = s->group,
                                                              .member = s->name,
                                                              .epoch = answer->member_epoch,
                                                              .floor = s->floor });
    s->is_member = true;
    s->heard_round = s->round;
    s->epoch = answer->member_epoch;
    if (answer->assignment != NULL) {
        take_targets(s, answer->assignment);
        s->has_news = true;
    }
    ownership_heard(ownership_of(s), s->claim, s->epoch, s->owned, s->asked_ns, safe_until_ns(s));
    s->unheard_ns = 0;
    s->tells_all = false;
    s->is_forgotten = false;
    if (s->revoking_ns != 0 && !s->client.scene->is_calm && rng_chance(&s->client.rng, 200000))
        s->dawdles_until_ns =
            scene_now_ns(s->client.scene) + rng_between(&s->client.rng, 0, DAWDLE_MAX_NS);
    reconcile(s);
    go_to(s, BEATING);
}

static void on_beaten(void *context, const void *message)
{
    struct subscriber *s = context;
    const struct consumer_group_heartbeat_response *answer = message;
    if (answer == NULL || s->round != ownership_round(ownership_of(s))) {
        if (!s->is_member)
            ownership_doubts(ownership_of(s), s->group);
        s->tells_all = true;
        client_again(&s->client);
        return;
    }
    s->error = answer->error_code;
    if (answer->error_code == KAFKA_NONE) {
        take_beat(s, answer);
        return;
    }
    on_error(s, answer->error_code, "a heartbeat");
    s->tells_all = true;
}

/* Topics by name, or by an expression of their names. */
struct subscription {
    struct bytes names[COMMITS_KEYS_MAX];
    int32_t name_count;
    char expression[100];
};

static void subscribe(const struct subscriber *s, struct subscription *out,
                      struct consumer_group_heartbeat_request *request)
{
    size_t size = 0;
    out->name_count = 0;
    out->expression[0] = '\0';
    for (uint32_t k = 0; k < commits_key_count(commits_of(s)); k++) {
        const struct commits_key key = commits_key(commits_of(s), k);
        if ((s->wants & (1u << k)) == 0 || key.partition != 0)
            continue;
        if (!s->has_expression)
            out->names[out->name_count++] = bytes_from_text(key.topic);
        else
            size += (size_t)snprintf(out->expression + size, sizeof(out->expression) - size, "%s%s",
                                     size == 0 ? "" : "|", key.topic);
    }
    request->subscribed_topic_names = out->names;
    request->subscribed_topic_names_count = out->name_count;
    request->subscribed_topic_regex = bytes_from_text(out->expression);
}

struct possession {
    struct consumer_group_heartbeat_request_topic_partitions topics[COMMITS_KEYS_MAX];
    int32_t partitions[COMMITS_KEYS_MAX];
};

static void tell_owned(struct subscriber *s, struct possession *out,
                       struct consumer_group_heartbeat_request *request)
{
    const struct model_topic *last = NULL;
    struct consumer_group_heartbeat_request_topic_partitions *told = out->topics;
    request->topic_partitions = out->topics;
    request->topic_partitions_count = 0;
    for (uint32_t k = 0; k < commits_key_count(commits_of(s)); k++) {
        if ((s->owned & (1u << k)) == 0)
            continue;
        const struct commits_key key = commits_key(commits_of(s), k);
        const struct model_topic *topic = topic_by_name(s, key.topic);
        if (topic != last) {
            told = &out->topics[request->topic_partitions_count++];
            *told = consumer_group_heartbeat_request_topic_partitions_default;
            told->topic_id = topic->id;
            told->partitions = &out->partitions[k];
        }
        told->partitions[told->partitions_count++] = key.partition;
        last = topic;
    }
    s->told_owned = s->owned;
    s->has_news = false;
}

static void begin_request(const struct subscriber *s, int32_t epoch,
                          struct consumer_group_heartbeat_request *out)
{
    *out = consumer_group_heartbeat_request_default;
    out->group_id = bytes_from_text(group_name(s));
    out->member_id = bytes_from_text(s->id);
    out->member_epoch = epoch;
    out->instance_id = instance_id(s);
}

static void beat(struct subscriber *s)
{
    /* After a power loss, too: it may have taken something that this one was told. */
    const bool tells_all =
        s->tells_all || !s->is_member || s->heard_round != ownership_round(ownership_of(s));
    struct subscription subscription;
    struct possession possession;
    struct consumer_group_heartbeat_request request;
    begin_request(s, s->epoch, &request);
    if (tells_all) {
        request.rebalance_timeout_ms = REBALANCE_MS;
        request.server_assignor = bytes_from_text(s->assignor);
    }
    if (tells_all || s->tells_wants)
        subscribe(s, &subscription, &request);
    if (tells_all || s->has_news || s->owned != s->told_owned)
        tell_owned(s, &possession, &request);
    s->tells_wants = false;
    s->asked_ns = scene_now_ns(s->client.scene);
    if (s->unheard_ns == 0)
        s->unheard_ns = s->asked_ns;
    s->round = ownership_round(ownership_of(s));
    s->floor = ownership_floor(ownership_of(s), s->group);
    client_ask(&s->client, API_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, &request, on_beaten, s);
}

/* ---- offsets ------------------------------------------------------------------------------------ */

static struct cursor_who who(const struct subscriber *s)
{
    return (struct cursor_who){ .member_id = bytes_from_text(s->id),
                                .instance_id = instance_id(s),
                                .epoch = s->epoch };
}

static void on_learned(void *context, bool is_lost, int16_t error, uint32_t taken)
{
    struct subscriber *s = context;
    (void)taken;
    if (is_lost) {
        client_again(&s->client);
        return;
    }
    if (error != KAFKA_NONE) {
        on_error(s, error, "an OffsetFetch");
        return;
    }
    s->learned |= s->learning;
    client_again(&s->client);
}

static void learn(struct subscriber *s)
{
    const struct cursor_who own = who(s);
    s->learning = s->owned;
    cursor_learn(&s->cursor, rng_chance(&s->client.rng, 500000) ? &own : &CURSOR_ANYBODY, s->owned);
}

static void on_committed(void *context, bool is_lost, int16_t error, uint32_t taken)
{
    struct subscriber *s = context;
    if (is_lost) {
        client_again(&s->client);
        return;
    }
    if ((taken & s->lost) != 0 && s->round == ownership_round(ownership_of(s)))
        model_fail("%s: a commit of %s in epoch %d was taken for partitions %x, which were "
                   "somebody else's already",
                   group_name(s), s->name, s->epoch, taken & s->lost);
    if (error != KAFKA_NONE) {
        on_error(s, error, "an OffsetCommit");
        return;
    }
    s->has_committed = true;
    s->client.scene->acknowledged++;
    client_again(&s->client);
}

/* False: there is nothing to commit. */
static bool commit(struct subscriber *s)
{
    const struct cursor_who own = who(s);
    s->lost = ownership_lost(ownership_of(s), s->claim, s->learned);
    s->round = ownership_round(ownership_of(s));
    return cursor_commit(&s->cursor, &own, s->learned);
}

/* ---- coming and going --------------------------------------------------------------------------- */

static void sleep_for(struct subscriber *s, int64_t duration_max_ns)
{
    s->asleep_until_ns =
        scene_now_ns(s->client.scene) + rng_between(&s->client.rng, 0, duration_max_ns);
}

/* Of whole topics, one at least. */
static void draw_wants(struct subscriber *s)
{
    const uint32_t count = commits_key_count(commits_of(s));
    s->wants = 0;
    while (s->wants == 0) {
        bool wants = false;
        for (uint32_t k = 0; k < count; k++) {
            if (commits_key(commits_of(s), k).partition == 0)
                wants = rng_chance(&s->client.rng, 600000);
            s->wants |= wants ? 1u << k : 0;
        }
    }
    s->has_expression = rng_chance(&s->client.rng, 300000);
    s->tells_wants = true;
}

/* Its process ends; another one comes after a while. */
static void go_away(struct subscriber *s)
{
    (void)snprintf(s->id, sizeof(s->id), "%s-%u", s->name, s->incarnation++);
    draw_wants(s);
    sleep_for(s, seat_away_max_ns(s->seat));
    s->tells_all = false;
    s->is_forgotten = false;
    seat_leave(s->seat, &s->client.rng);
    go_to(s, AWAY);
}

static void on_left(void *context, const void *message)
{
    (void)message; /* whatever it says, and whether it came */
    go_away(context);
}

static void leave(struct subscriber *s)
{
    const bool will_be_back = s->seat->is_static && rng_chance(&s->client.rng, 700000);
    struct consumer_group_heartbeat_request request;
    begin_request(s, will_be_back ? EPOCH_PAUSE : EPOCH_LEAVE, &request);
    abandon(s);
    client_ask(&s->client, API_CONSUMER_GROUP_HEARTBEAT, HEARTBEAT_VERSION, &request, on_left, s);
}

/* What a member does. */
static void live(struct subscriber *s)
{
    const bool is_calm = s->client.scene->is_calm;
    const uint64_t going = seat_going(s->seat);
    const uint64_t dice = s->client.scene->is_resting ? 1000 : rng_below(&s->client.rng, 1000);
    reconcile(s);
    if (!is_calm && dice < going) {
        leave(s);
    } else if (!is_calm && dice < 2 * going) { /* it crashes */
        client_hang_up(&s->client);
        abandon(s);
        go_away(s);
    } else if (!is_calm && dice < 2 * going + 15) {
        sleep_for(s, NAP_MAX_NS);
        s->is_forgotten = true;
        client_again(&s->client);
    } else if (!is_calm && dice < 2 * going + 35) {
        draw_wants(s);
        beat(s);
    } else if (dice < 500 && (s->owned & ~s->learned) != 0) {
        learn(s);
    } else if (dice >= 400 || !commit(s)) {
        beat(s);
    }
}

static void act(struct client *client)
{
    struct subscriber *s = CONTAINER_OF(client, struct subscriber, client);
    if (client_is_waiting(client))
        return;
    if (scene_now_ns(client->scene) < s->asleep_until_ns || !s->seat->is_subscribers) {
        client_again(client);
        return;
    }
    switch (s->state) {
    case AWAY:
    case FINDING:
        s->state = FINDING;
        find(s);
        return;
    case JOINING:
        beat(s);
        return;
    case BEATING:
        live(s);
        return;
    }
}

struct subscriber *subscriber_new(struct scene *scene, uint32_t group, uint32_t index,
                                  struct seat *seat)
{
    static const char *const assignors[] = { NULL, NULL, "uniform", "range" };
    struct subscriber *s = MEM_NEW(struct subscriber);
    s->group = group;
    s->seat = seat;
    (void)snprintf(s->name, sizeof(s->name), "c%u.%u", group, index);
    client_init(&s->client, scene, s->name, act);
    s->client.pause_min_ns = PAUSE_MIN_NS;
    s->client.pause_max_ns = PAUSE_MAX_NS;
    s->client.works_at_rest = true;
    s->assignor = assignors[rng_below(&s->client.rng, ARRAY_LEN(assignors))];
    s->cursor = (struct cursor){
        .client = &s->client, .group = group, .on_learned = on_learned, .on_committed = on_committed
    };
    go_away(s);
    return s;
}

void subscriber_free(struct subscriber *s)
{
    VEC_DEINIT(&s->targets);
    client_deinit(&s->client);
    mem_free(s);
}
