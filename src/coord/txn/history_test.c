/* Random histories of producers that share transactional ids, with failing writes, lost markers and restarts, against what must
 * always hold:
 *
 * - every request is answered once, and in the end none is left waiting
 * - epochs only grow under a producer id, and nobody gets one that somebody has
 * - the markers of a transaction all say the same
 * - every transaction comes to its end
 * - a reload of the log gives the same state
 */
#include "base/map.h"
#include "base/mem.h"
#include "base/test.h"
#include "coord/record.h"
#include "coord/rig_log_test.h"
#include "coord/txn/txn.h"
#include "coord/txn/txn_coordinator.h"
#include "wire/api.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/end_txn_response.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/transaction_log_value.h"

#include <stdio.h>
#include <string.h>

enum { IDS = 3, PRODUCERS = 6, PARTITIONS = 4 };

enum what { NOTHING, STARTING, ADDING, ENDING };

struct producer {
    int id;
    bool is_new; /* runs transactions in version 2 */
    int64_t producer_id;
    int16_t epoch;     /* -1: it has none */
    int32_t partition; /* that it adds */
    enum what asks;
    uint64_t token;
    struct arena arena; /* of its request */
};

struct pending_marker {
    struct txn_marker marker;
    char topic[16];
};

struct history {
    struct rng rng;
    struct txn_settings settings;
    struct txn_coordinator *coordinator;
    struct txn_effects effects;
    int64_t now_ms;
    uint64_t next_token;
    int64_t next_producer_id;
    struct producer producers[PRODUCERS];
    struct rig_log log;
    VEC(struct pending_marker) markers;
    VEC(uint64_t) wants;
    struct map given; /* "producer id, epoch" → itself: what producers were given */
    struct map fates; /* "producer id, epoch of the marker" → "C" or "A" */
};

static struct bytes id_name(int id)
{
    static const char *const names[IDS] = { "zero", "one", "two" };
    return bytes_from_text(names[id]);
}

/* ---- answers ------------------------------------------------------------------------------------------- */

/* Nobody gets an epoch that somebody was given, but who asks again by name. */
static void on_given(struct history *h, struct producer *p, int64_t producer_id, int16_t epoch)
{
    char key[48];
    const int size = snprintf(key, sizeof(key), "%" PRId64 " %d", producer_id, epoch);
    const bool is_same = p->producer_id == producer_id && p->epoch == epoch;
    void *old = map_put(&h->given, bytes_from(key, (size_t)size), h);
    EXPECT(old == NULL || is_same);
    EXPECT(epoch >= 0 && epoch < INT16_MAX);
    EXPECT(p->producer_id != producer_id || epoch >= p->epoch);
    p->producer_id = producer_id;
    p->epoch = epoch;
}

static void on_started(struct history *h, struct producer *p,
                       const struct init_producer_id_response *told)
{
    if (told->error_code == KAFKA_NONE)
        on_given(h, p, told->producer_id, told->producer_epoch);
    else if (told->error_code == KAFKA_PRODUCER_FENCED)
        p->epoch = -1;
}

static void on_added(struct producer *p, const struct add_partitions_to_txn_response *told)
{
    const int16_t error = told->results_by_transaction[0]
                              .topic_results[0]
                              .results_by_partition[0]
                              .partition_error_code;
    if (error == KAFKA_PRODUCER_FENCED || error == KAFKA_INVALID_PRODUCER_ID_MAPPING)
        p->epoch = -1;
}

static void on_ended(struct history *h, struct producer *p, const struct end_txn_response *told)
{
    const bool asks_again = told->error_code == KAFKA_CONCURRENT_TRANSACTIONS ||
                            told->error_code == KAFKA_COORDINATOR_NOT_AVAILABLE ||
                            told->error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    if (told->error_code == KAFKA_NONE && p->is_new)
        on_given(h, p, told->producer_id, told->producer_epoch);
    else if (told->error_code != KAFKA_NONE && !asks_again)
        p->epoch = -1; /* it begins anew */
}

static void on_answer(struct history *h, const struct coord_answer *answer)
{
    struct producer *p = NULL;
    for (int i = 0; i < PRODUCERS; i++) {
        if (h->producers[i].asks != NOTHING && h->producers[i].token == answer->token)
            p = &h->producers[i];
    }
    EXPECT(p != NULL); /* asked, and not answered before */
    const enum what asked = p->asks;
    p->asks = NOTHING;
    if (asked == STARTING)
        on_started(h, p, answer->message);
    else if (asked == ADDING)
        on_added(p, answer->message);
    else
        on_ended(h, p, answer->message);
    arena_deinit(&p->arena);
}

/* ---- effects --------------------------------------------------------------------------------------------- */

/* A transaction of version 2, which has its epoch for itself, has one fate, whatever restarts come between its markers. */
static void on_marker(struct history *h, const struct txn_marker *marker)
{
    char key[48];
    static char commit[] = "C";
    static char abort[] = "A";
    char *const fate = marker->is_commit ? commit : abort;
    const int size =
        snprintf(key, sizeof(key), "%" PRId64 " %d %d %.*s", marker->producer_id,
                 marker->producer_epoch, marker->transaction_version, BYTES_PRINTF(marker->topic));
    /* Before version 2 an epoch has many transactions. */
    void *old = marker->transaction_version < 2
                    ? NULL
                    : map_put(&h->fates, bytes_from(key, (size_t)size), fate);
    EXPECT(old == NULL || old == fate);
    struct pending_marker *pending = VEC_PUSH(&h->markers);
    pending->marker = *marker;
    memcpy(pending->topic, marker->topic.data, marker->topic.size);
    pending->marker.topic = bytes_from(NULL, marker->topic.size);
}

static void take_effects(struct history *h)
{
    for (size_t i = 0; i < h->effects.appends.count; i++)
        (void)rig_log_append(&h->log, &h->effects.appends.items[i]);
    for (size_t i = 0; i < h->effects.answers.count; i++)
        on_answer(h, &h->effects.answers.items[i]);
    for (size_t i = 0; i < h->effects.markers.count; i++)
        on_marker(h, &h->effects.markers.items[i]);
    for (size_t i = 0; i < h->effects.id_wants.count; i++)
        VEC_ADD(&h->wants, h->effects.id_wants.items[i]);
    txn_effects_clear(&h->effects);
}

static void step(struct history *h, struct txn_event event)
{
    event.now_ms = h->now_ms;
    event.wall_ms = INT64_C(1700000000000) + h->now_ms;
    txn_coordinator_step(h->coordinator, &event, &h->effects);
    take_effects(h);
}

/* ---- what happens -------------------------------------------------------------------------------------------- */

static void end_write(struct history *h, enum kafka_error error)
{
    const uint64_t write_id = rig_log_end_write(&h->log, error == KAFKA_NONE);
    step(h, (struct txn_event){ .type = TXN_ON_APPENDED,
                                .appended = { .write_id = write_id, .error = error } });
}

static void end_marker(struct history *h, bool is_written)
{
    const size_t index = rng_below(&h->rng, h->markers.count);
    struct pending_marker pending = h->markers.items[index];
    VEC_REMOVE_AT(&h->markers, index);
    const struct txn_marker_result result = {
        .ending = pending.marker.ending,
        .topic = bytes_from(pending.topic, pending.marker.topic.size),
        .partition = pending.marker.partition,
        .error = is_written ? KAFKA_NONE : KAFKA_NOT_LEADER_OR_FOLLOWER,
    };
    step(h,
         (struct txn_event){ .type = TXN_ON_MARKERS, .markers = { .items = &result, .count = 1 } });
}

static void give_id(struct history *h, enum kafka_error error)
{
    const uint64_t want_id = h->wants.items[0];
    VEC_REMOVE_AT(&h->wants, 0);
    step(h,
         (struct txn_event){
             .type = TXN_ON_PRODUCER_ID,
             .producer_id = { .want_id = want_id,
                              .error = error,
                              .producer_id = error == KAFKA_NONE ? h->next_producer_id++ : -1 } });
}

static struct txn_event ask(struct history *h, struct producer *p, enum what what, int16_t api_key,
                            int16_t version, const void *message)
{
    p->asks = what;
    p->token = h->next_token++;
    return (struct txn_event){
        .type = TXN_ON_REQUEST,
        .request = { .token = p->token, .api_key = api_key, .version = version, .message = message }
    };
}

static void start(struct history *h, struct producer *p)
{
    struct init_producer_id_request *m = ARENA_NEW(&p->arena, struct init_producer_id_request);
    init_producer_id_request_init(m);
    m->transactional_id = id_name(p->id);
    m->transaction_timeout_ms = 5000;
    if (p->epoch != -1 && rng_below(&h->rng, 2) == 0) {
        m->producer_id = p->producer_id;
        m->producer_epoch = p->epoch;
    }
    step(h, ask(h, p, STARTING, API_INIT_PRODUCER_ID, 5, m));
}

static void add(struct history *h, struct producer *p)
{
    struct add_partitions_to_txn_request *m =
        ARENA_NEW(&p->arena, struct add_partitions_to_txn_request);
    add_partitions_to_txn_request_init(m);
    m->transactions = add_partitions_to_txn_request_transaction_array(&p->arena, 1);
    m->transactions_count = 1;
    m->transactions[0].transactional_id = id_name(p->id);
    m->transactions[0].producer_id = p->producer_id;
    m->transactions[0].producer_epoch = p->epoch;
    m->transactions[0].topics = add_partitions_to_txn_request_topic_array(&p->arena, 1);
    m->transactions[0].topics_count = 1;
    m->transactions[0].topics[0].name = BYTES_LITERAL("t");
    p->partition = (int32_t)rng_below(&h->rng, PARTITIONS);
    m->transactions[0].topics[0].partitions = &p->partition;
    m->transactions[0].topics[0].partitions_count = 1;
    step(h, ask(h, p, ADDING, API_ADD_PARTITIONS_TO_TXN, p->is_new ? 5 : 3, m));
}

static void end(struct history *h, struct producer *p)
{
    struct end_txn_request *m = ARENA_NEW(&p->arena, struct end_txn_request);
    end_txn_request_init(m);
    m->transactional_id = id_name(p->id);
    m->producer_id = p->producer_id;
    m->producer_epoch = p->epoch;
    m->committed = rng_below(&h->rng, 3) > 0;
    step(h, ask(h, p, ENDING, API_END_TXN, p->is_new ? 5 : 4, m));
}

static void act(struct history *h, struct producer *p)
{
    if (p->asks != NOTHING)
        return;
    arena_init(&p->arena, 1 << 20);
    const uint64_t choice = rng_below(&h->rng, 8);
    if (p->epoch == -1 || choice == 0)
        start(h, p);
    else if (choice < 5)
        add(h, p);
    else
        end(h, p);
}

static void print(const struct txn_coordinator *coordinator, struct buf *out)
{
    buf_init(out, 1 << 20);
    txn_coordinator_print(coordinator, out);
}

static struct txn_coordinator *reload(struct history *h)
{
    struct txn_coordinator *fresh = txn_coordinator_new(&h->settings, 1);
    struct err_note note = { "" };
    for (size_t i = 0; i < h->log.records.count; i++)
        EXPECT_OK(txn_coordinator_replay(fresh, h->log.records.items[i].key,
                                         h->log.records.items[i].value, &note));
    return fresh;
}

/* A crash: what was under way never was, or was and nobody heard. */
static void crash(struct history *h)
{
    rig_log_forget_writes(&h->log);
    h->markers.count = 0;
    h->wants.count = 0;
    txn_coordinator_free(h->coordinator);
    h->coordinator = reload(h);
    for (int i = 0; i < PRODUCERS; i++) {
        struct producer *p = &h->producers[i];
        if (p->asks != NOTHING)
            arena_deinit(&p->arena);
        p->asks = NOTHING;
        p->epoch = -1; /* it cannot know what it has */
    }
    step(h, (struct txn_event){ .type = TXN_ON_LOADED });
}

static void happen(struct history *h)
{
    const uint64_t choice = rng_below(&h->rng, 1000);
    if (choice < 500)
        act(h, &h->producers[rng_below(&h->rng, PRODUCERS)]);
    else if (choice < 700 && h->log.writes.count > 0)
        end_write(h, rng_below(&h->rng, 20) == 0 ? KAFKA_NOT_ENOUGH_REPLICAS : KAFKA_NONE);
    else if (choice < 850 && h->markers.count > 0)
        end_marker(h, rng_below(&h->rng, 8) > 0);
    else if (choice < 900 && h->wants.count > 0)
        give_id(h, rng_below(&h->rng, 10) == 0 ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_NONE);
    else if (choice < 997) {
        h->now_ms += (int64_t)rng_below(&h->rng, 200);
        step(h, (struct txn_event){ .type = TXN_ON_TIMER });
    } else {
        crash(h);
    }
}

/* Everything that is under way comes to its end. */
static void settle(struct history *h)
{
    for (int i = 0; i < 100 || h->log.writes.count + h->markers.count + h->wants.count > 0; i++) {
        while (h->wants.count > 0)
            give_id(h, KAFKA_NONE);
        while (h->log.writes.count > 0)
            end_write(h, KAFKA_NONE);
        while (h->markers.count > 0)
            end_marker(h, true);
        h->now_ms += 200;
        step(h, (struct txn_event){ .type = TXN_ON_TIMER });
    }
}

static void check_reload(struct history *h)
{
    struct buf now;
    struct buf later;
    struct txn_coordinator *fresh = reload(h);
    print(h->coordinator, &now);
    print(fresh, &later);
    EXPECT_BYTES(buf_view(&now), buf_view(&later));
    buf_deinit(&now);
    buf_deinit(&later);
    txn_coordinator_free(fresh);
}

static void history_free(struct history *h)
{
    rig_log_deinit(&h->log);
    VEC_DEINIT(&h->markers);
    VEC_DEINIT(&h->wants);
    map_deinit(&h->given);
    map_deinit(&h->fates);
    txn_effects_deinit(&h->effects);
    txn_coordinator_free(h->coordinator);
}

/* The log says that the id has used up all epochs of its producer id but a few. */
static void use_up(struct history *h, int id, int16_t epoch)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct transaction_log_value value = transaction_log_value_default;
    value.producer_id = h->next_producer_id++;
    value.producer_epoch = epoch;
    value.transaction_timeout_ms = 5000;
    value.transaction_status = TXN_EMPTY;
    value.transaction_partitions_count = -1;
    value.transaction_last_update_timestamp_ms = INT64_C(1700000000000);
    const struct bytes name = id_name(id);
    const struct coord_record bytes = rig_txn_record(name, &value, &arena);
    VEC_ADD(&h->log.records, rig_record_new(-1, bytes.key, bytes.value));
    arena_deinit(&arena);
}

/* epoch: that ids have in the beginning; -1: there are none yet. */
static void run_history(uint64_t seed, int16_t transaction_version, int16_t epoch)
{
    struct history h = { .settings = { .timeout_ms_max = 900000,
                                       .abort_interval_ms = 1000,
                                       .expiration_ms = 60000,
                                       .expiry_interval_ms = 20000,
                                       .transaction_version = transaction_version,
                                       .batch_bytes_max = 1048588 },
                         .rng = rng_from_seed(seed),
                         .next_token = 1,
                         .next_producer_id = 1000 };
    map_init(&h.given, 1);
    map_init(&h.fates, 1);
    txn_effects_init(&h.effects);
    for (int i = 0; i < PRODUCERS; i++)
        h.producers[i] = (struct producer){ .id = i % IDS,
                                            .is_new = transaction_version >= 2 && i < IDS,
                                            .epoch = -1 };
    for (int i = 0; i < IDS && epoch >= 0; i++)
        use_up(&h, i, epoch);
    h.coordinator = reload(&h);
    step(&h, (struct txn_event){ .type = TXN_ON_LOADED });
    for (int i = 0; i < 4000; i++)
        happen(&h);
    settle(&h);
    if (transaction_version >= 1) /* before that the log does not tell of the producer id before */
        check_reload(&h);
    for (int i = 0; i < PRODUCERS; i++)
        EXPECT_EQ(h.producers[i].asks, NOTHING);
    struct txn_stats stats;
    txn_coordinator_stats(h.coordinator, &stats);
    EXPECT_EQ(stats.ending_count, 0);
    EXPECT_EQ(stats.open_count, 0); /* settling takes longer than any transaction may */
    history_free(&h);
}

TEST(txn_history, holds_what_must_hold)
{
    for (uint64_t i = 0; i < 40; i++)
        run_history(context->seed + i, 2, -1);
}

/* In the midst of it each id is given other producer ids, by whatever comes when no epoch is left. */
TEST(txn_history, holds_where_epochs_end)
{
    for (uint64_t i = 0; i < 40; i++) {
        run_history(context->seed + i, 2, (int16_t)(INT16_MAX - 2 - (int)i % 10));
        run_history(context->seed + i, 1, (int16_t)(INT16_MAX - 2 - (int)i % 10));
    }
}

TEST(txn_history, holds_in_clusters_of_old)
{
    for (uint64_t i = 0; i < 10; i++) {
        run_history(context->seed + i, 0, -1);
        run_history(context->seed + i, 1, -1);
    }
}
