/* See transactor.h.
 *
 *   finds ──► asks for an epoch ──► begins ──► sends, consumes ──► commits or aborts
 *     ▲            ▲                   ▲              │                 │
 *     │            └── dies, is fenced ┼──────────────┴─────────────────┤
 *     └── coordinator not here         └────────────────────────────────┘
 */
#include "base/mem.h"
#include "model.h"
#include "transactor_own.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/end_txn_response.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"

#include <stdio.h>

#define FIND_VERSION     4
#define INIT_VERSION_OLD 4
#define INIT_VERSION     5
#define END_VERSION_OLD  3
#define END_VERSION      5
#define STEPS_MAX        4
#define TIMEOUT_MIN_MS   1000
#define PAUSE_MIN_NS     (5 * NS_PER_MS)
#define PAUSE_LEAST_NS   (30 * NS_PER_MS) /* the longest between two turns: drawn for each */
#define PAUSE_MOST_NS    (300 * NS_PER_MS)
#define AWAY_MAX_NS      (4 * NS_PER_SECOND)
#define NAP_MAX_NS       (8 * NS_PER_SECOND)
#define LINGER_NS        (6 * NS_PER_SECOND) /* until a request without an answer has no effect any more */

struct client *transactor_client(struct transactor *t)
{
    return &t->client;
}

bool transactor_is_busy(const struct transactor *t)
{
    return t->txn != 0;
}

const char *transactor_words(struct transactor *t)
{
    (void)snprintf(t->words, sizeof(t->words),
                   "%s: producer %" PRId64 ", epoch %d, transaction %u%s; the last error was %s",
                   t->name, t->epoch.producer_id, t->epoch.epoch, t->txn,
                   t->is_ending ? ", which is to end" : "", kafka_error_name(t->error));
    return t->words;
}

static void sleep_for(struct transactor *t, int64_t duration_max_ns)
{
    t->asleep_until_ns =
        scene_now_ns(t->client.scene) + rng_between(&t->client.rng, 0, duration_max_ns);
}

/* ---- what it is told ------------------------------------------------------------------------- */

void transactor_asks(struct transactor *t)
{
    t->newest = txns_newest(t->client.scene->txns, t->id);
    t->life = t->client.scene->life;
}

void transactor_was_taken(struct transactor *t, const char *what)
{
    t->error = KAFKA_NONE;
    t->is_added = true;
    txns_taken(t->client.scene->txns, t->id, t->epoch, t->newest, what);
}

bool transactor_is_excused(const struct transactor *t)
{
    const struct scene *scene = t->client.scene;
    return !txns_are_whole(scene->txns) || t->is_contended ||
           t->other->init_count != t->other_init_count ||
           scene_now_ns(scene) - t->txn_began_ns >= t->timeout_ms * NS_PER_MS;
}

static void end_locally(struct transactor *t)
{
    t->txn = 0;
    t->is_begun = t->is_added = t->is_ending = t->is_group_added = false;
    t->consuming = CONSUMING_NOTHING;
    t->consumed = 0;
    for (uint32_t i = 0; i < t->stream_count; i++)
        t->streams[i]->is_added = false;
    transactor_drop_parts(t);
}

static void set_epoch(struct transactor *t, struct txns_epoch epoch)
{
    if (epoch.producer_id == t->epoch.producer_id && epoch.epoch == t->epoch.epoch)
        return;
    t->epoch = epoch;
    for (uint32_t i = 0; i < t->stream_count; i++)
        t->streams[i]->sequence_next = 0;
}

void transactor_give_up(struct transactor *t)
{
    const struct txns_epoch none = { .producer_id = -1, .epoch = -1 };
    end_locally(t);
    if (t->epoch.producer_id >= 0)
        t->before = rng_chance(&t->client.rng, 300000) ? t->epoch : none;
    set_epoch(t, none);
}

/* Errors after which the same may be asked again. */
static bool is_passing(struct transactor *t, int16_t error, enum coordinator_kind of)
{
    switch ((int)error) {
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        t->missing |= of;
        return true;
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
    case KAFKA_CONCURRENT_TRANSACTIONS:
    case KAFKA_UNSTABLE_OFFSET_COMMIT:
    case KAFKA_NOT_ENOUGH_REPLICAS: /* the coordinator could not be asked: what clients of old are told then */
        return true;
    default:
        return false;
    }
}

static bool is_fenced(int16_t error)
{
    switch ((int)error) {
    case KAFKA_INVALID_PRODUCER_EPOCH:
    case KAFKA_PRODUCER_FENCED:
    case KAFKA_INVALID_TXN_STATE:
    case KAFKA_INVALID_PRODUCER_ID_MAPPING:
    case KAFKA_UNKNOWN_PRODUCER_ID:
    case KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KAFKA_TRANSACTION_ABORTABLE:
        return true;
    default:
        return false;
    }
}

void transactor_on_error(struct transactor *t, int16_t error, enum coordinator_kind of,
                         const char *what)
{
    t->error = error;
    if (!is_passing(t, error, of)) {
        if (!is_fenced(error))
            model_fail("%s: %s is answered with %s", t->name, what, kafka_error_name(error));
        if (!transactor_is_excused(t))
            model_fail("%s: %s is answered with %s, and nobody else has asked for its id, nor was "
                       "it too late",
                       t->name, what, kafka_error_name(error));
        transactor_give_up(t);
        sleep_for(t, AWAY_MAX_NS);
    }
    client_again(&t->client);
}

/* ---- coordinators ---------------------------------------------------------------------------- */

static void on_found(void *context, const void *message)
{
    struct transactor *t = context;
    const struct find_coordinator_response *answer = message;
    if (answer != NULL) {
        t->error = answer->coordinators[0].error_code;
        if (t->error == KAFKA_NONE)
            t->missing &= t->missing - 1;
        else if (t->error != KAFKA_COORDINATOR_NOT_AVAILABLE)
            model_fail("%s: its coordinator cannot be found: %s", t->name,
                       kafka_error_name(t->error));
    }
    client_again(&t->client);
}

/* The one of the lowest bit. */
static void find(struct transactor *t)
{
    const bool is_group = (t->missing & COORDINATOR_OF_GROUP) != 0;
    struct bytes key = is_group ? bytes_from_text(txns_group_name(t->client.scene->txns, t->id))
                                : transactor_id(t);
    struct find_coordinator_request request = find_coordinator_request_default;
    request.key_type = is_group ? 0 : 1;
    request.coordinator_keys = &key;
    request.coordinator_keys_count = 1;
    client_ask(&t->client, API_FIND_COORDINATOR, FIND_VERSION, &request, on_found, t);
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static void on_init(void *context, const void *message)
{
    struct transactor *t = context;
    const struct init_producer_id_response *answer = message;
    const int64_t now_ns = scene_now_ns(t->client.scene);
    t->init_open_until_ns = answer == NULL ? now_ns + LINGER_NS : now_ns;
    if (answer == NULL) {
        client_again(&t->client);
        return;
    }
    t->error = answer->error_code;
    if (t->error == KAFKA_NONE) {
        const struct txns_epoch epoch = { .producer_id = answer->producer_id,
                                          .epoch = answer->producer_epoch };
        txns_told_epoch(t->client.scene->txns, t->id, epoch, t->before.producer_id < 0);
        set_epoch(t, epoch);
        t->before = (struct txns_epoch){ .producer_id = -1, .epoch = -1 };
    } else if (is_fenced(t->error) && t->before.producer_id >= 0) {
        t->before = (struct txns_epoch){ .producer_id = -1, .epoch = -1 };
        sleep_for(t, AWAY_MAX_NS);
    } else if (!is_passing(t, t->error, COORDINATOR_OF_TRANSACTIONS)) {
        model_fail("%s: an InitProducerId is answered with %s", t->name,
                   kafka_error_name(t->error));
    }
    client_again(&t->client);
}

static void ask_epoch(struct transactor *t)
{
    const int16_t level = t->client.scene->transaction_version;
    t->is_old = level < 2 || rng_chance(&t->client.rng, 200000);
    t->init_count++;
    t->other_init_count = t->other->init_count;
    t->is_contended =
        MAX(t->init_open_until_ns, t->other->init_open_until_ns) > scene_now_ns(t->client.scene);
    t->init_open_until_ns = INT64_MAX;
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transactional_id = transactor_id(t);
    request.transaction_timeout_ms = t->timeout_ms;
    request.producer_id = t->before.producer_id;
    request.producer_epoch = t->before.epoch;
    client_ask(&t->client, API_INIT_PRODUCER_ID, t->is_old ? INIT_VERSION_OLD : INIT_VERSION,
               &request, on_init, t);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void on_ended(void *context, const void *message)
{
    struct transactor *t = context;
    const struct end_txn_response *answer = message;
    if (answer == NULL) {
        client_again(&t->client);
        return;
    }
    t->error = answer->error_code;
    if (t->error == KAFKA_INVALID_TXN_STATE && !t->is_added) {
        transactor_give_up(t); /* nothing of it has come there */
        client_again(&t->client);
        return;
    }
    if (t->error != KAFKA_NONE) {
        transactor_on_error(t, t->error, COORDINATOR_OF_TRANSACTIONS, "an EndTxn");
        return;
    }
    transactor_was_taken(t, "an EndTxn");
    txns_ended(t->client.scene->txns, t->txn, t->is_commit ? TXNS_COMMITTED : TXNS_ABORTED,
               t->is_commit ? "its commit was acknowledged" : "its abort was acknowledged");
    t->client.scene->acknowledged++;
    end_locally(t);
    if (!t->is_old) {
        const struct txns_epoch epoch = { .producer_id = answer->producer_id,
                                          .epoch = answer->producer_epoch };
        txns_told_epoch(t->client.scene->txns, t->id, epoch, false);
        set_epoch(t, epoch);
    }
    client_again(&t->client);
}

static void end_txn(struct transactor *t)
{
    if (!t->is_begun) {
        end_locally(t);
        client_again(&t->client);
        return;
    }
    if (t->is_commit)
        txns_may_commit(t->client.scene->txns, t->txn);
    struct end_txn_request request = end_txn_request_default;
    request.transactional_id = transactor_id(t);
    request.producer_id = t->epoch.producer_id;
    request.producer_epoch = t->epoch.epoch;
    request.committed = t->is_commit;
    transactor_asks(t);
    client_ask(&t->client, API_END_TXN, t->is_old ? END_VERSION_OLD : END_VERSION, &request,
               on_ended, t);
}

/* ---- what it does next ----------------------------------------------------------------------- */

static void begin(struct transactor *t)
{
    t->txn = txns_begin(t->client.scene->txns, t->id);
    t->txn_began_ns = scene_now_ns(t->client.scene);
    t->steps_left = 1 + (uint32_t)rng_below(&t->client.rng, STEPS_MAX);
}

/* It dies, or stops for a while, in the midst of its transaction. True: it does nothing else now. */
static bool meets_fate(struct transactor *t)
{
    const uint64_t dice = rng_below(&t->client.rng, 1000);
    if (t->client.scene->is_calm || dice >= 50)
        return false;
    if (dice < 25) {
        client_hang_up(&t->client);
        transactor_give_up(t);
        sleep_for(t, AWAY_MAX_NS);
    } else {
        sleep_for(t, NAP_MAX_NS);
    }
    client_again(&t->client);
    return true;
}

static void go_on(struct transactor *t)
{
    if (meets_fate(t))
        return;
    if (t->is_ending) {
        end_txn(t);
        return;
    }
    if (transactor_continue(t))
        return;
    if (t->steps_left > 0 && !t->client.scene->is_resting) {
        t->steps_left--;
        transactor_begin_op(t);
        return;
    }
    t->is_ending = true;
    t->is_commit = rng_chance(&t->client.rng, 750000);
    end_txn(t);
}

static void act(struct client *client)
{
    struct transactor *t = CONTAINER_OF(client, struct transactor, client);
    if (client_is_waiting(client))
        return;
    const bool must_wait = scene_now_ns(client->scene) < t->asleep_until_ns ||
                           (client->scene->is_resting && t->txn == 0);
    if (must_wait) {
        client_again(client);
        return;
    }
    if (t->missing != 0) {
        find(t);
    } else if (t->epoch.producer_id < 0) {
        ask_epoch(t);
    } else {
        if (t->txn == 0)
            begin(t);
        go_on(t);
    }
}

struct transactor *transactor_new(struct scene *scene, uint32_t id, uint32_t index)
{
    struct transactor *t = MEM_NEW(struct transactor);
    (void)snprintf(t->name, sizeof(t->name), "transactor%u%c", id, 'a' + (char)index);
    t->id = id;
    t->author = model_client_new(scene->model);
    t->epoch = t->before = (struct txns_epoch){ .producer_id = -1, .epoch = -1 };
    t->missing = COORDINATOR_OF_GROUP | COORDINATOR_OF_TRANSACTIONS;
    client_init(&t->client, scene, t->name, act);
    t->timeout_ms = (int32_t)rng_between(&t->client.rng, TIMEOUT_MIN_MS, TRANSACTOR_TIMEOUT_MAX_MS);
    t->client.pause_min_ns = PAUSE_MIN_NS;
    t->client.pause_max_ns = rng_between(&t->client.rng, PAUSE_LEAST_NS, PAUSE_MOST_NS);
    t->client.works_at_rest = true;
    sleep_for(t, index * NAP_MAX_NS);
    return t;
}

void transactor_pair(struct transactor *a, struct transactor *b)
{
    a->other = b;
    b->other = a;
}

void transactor_free(struct transactor *t)
{
    client_deinit(&t->client);
    transactor_drop_parts(t);
    for (uint32_t i = 0; i < t->stream_count; i++)
        mem_free(t->streams[i]);
    mem_free(t);
}
