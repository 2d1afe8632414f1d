/* The transaction coordinator fed with whatever a partition of __transaction_state may hold, and asked about it afterwards.
 *
 * Input, again and again: u8 what is done, then
 *   0 … 219    u8 size of the key, the key, u16 size of the value (65535: a tombstone), the value; a record
 *   from 220 on the log is at its end; every following byte is an event: a request of its own, a timer, a write's end,
 *              what became of markers, a producer id
 * Properties: no overrun, no stop; every request is answered by the time the coordinator closes; what it would append
 * can be replayed; a marker names a partition that the log named or a request added.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "coord/txn/txn_coordinator.h"
#include "coord_rig.h"
#include "wire/api.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/describe_transactions_request.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/list_transactions_request.h"

#define ID_COUNT 4

struct sent_marker {
    uint64_t ending;
    struct bytes topic; /* in the arena */
    int32_t partition;
};

struct run {
    struct txn_coordinator *coordinator;
    struct txn_coordinator *shadow; /* replays what is appended */
    struct txn_effects effects;
    struct arena arena;
    VEC(struct sent_marker) markers; /* nobody knows yet what became of them */
    VEC(uint64_t) id_wants;
    int64_t now_ms;
    int64_t next_producer_id;
    uint64_t next_token;
    uint64_t answered;
    uint64_t writes_end; /* ids that were appended */
    uint64_t writes_done;
};

static void keep_marker(struct run *run, const struct txn_marker *marker)
{
    const struct bytes topic = bytes_from(
        arena_dup(&run->arena, marker->topic.data, marker->topic.size), marker->topic.size);
    VEC_ADD(&run->markers,
            ((struct sent_marker){
                .ending = marker->ending, .topic = topic, .partition = marker->partition }));
}

static void step(struct run *run, struct txn_event event)
{
    event.now_ms = run->now_ms;
    event.wall_ms = INT64_C(1700000000000) + run->now_ms;
    txn_coordinator_step(run->coordinator, &event, &run->effects);
    for (size_t i = 0; i < run->effects.appends.count; i++) {
        const struct coord_append *append = &run->effects.appends.items[i];
        run->writes_end = append->write_id;
        for (uint32_t j = 0; j < append->record_count; j++)
            ASSERT(txn_coordinator_replay(run->shadow, append->records[j].key,
                                          append->records[j].value, NULL) == 0);
    }
    for (size_t i = 0; i < run->effects.markers.count; i++)
        keep_marker(run, &run->effects.markers.items[i]);
    for (size_t i = 0; i < run->effects.id_wants.count; i++)
        VEC_ADD(&run->id_wants, run->effects.id_wants.items[i]);
    run->answered += run->effects.answers.count;
    txn_effects_clear(&run->effects);
}

static void load_record(struct run *run, struct reader *r)
{
    struct bytes key, value;
    if (!coord_rig_read_record(r, &key, &value))
        return;
    struct err_note note = { "" };
    const int result = txn_coordinator_replay(run->coordinator, key, value, &note);
    ASSERT(result == 0 || note.text[0] != '\0');
}

static void load(struct run *run, struct reader *r)
{
    while (reader_left(r) > 0 && reader_is_ok(r)) {
        if ((uint8_t)read_i8(r) >= 220)
            return;
        load_record(run, r);
    }
}

/* Ids by the names that the corpus uses. */
static struct bytes name_of(uint8_t number)
{
    static const char *const names[ID_COUNT] = { "", "t", "txn", "other" };
    return bytes_from_text(names[number % ID_COUNT]);
}

/* A producer that the corpus knows, or nearly. */
static int64_t producer_of(uint8_t number)
{
    return 1000 + number % 3;
}

static const void *make_request(struct arena *arena, uint8_t what, struct bytes id,
                                int16_t *out_api_key)
{
    switch (what % 8) {
    case 0:
    case 1: {
        struct init_producer_id_request *m = ARENA_NEW(arena, struct init_producer_id_request);
        init_producer_id_request_init(m);
        m->transactional_id = id;
        m->transaction_timeout_ms = 60000;
        m->producer_id = what % 8 == 1 ? producer_of(what / 16) : -1;
        m->producer_epoch = what % 8 == 1 ? (int16_t)(what % 3) : -1;
        *out_api_key = API_INIT_PRODUCER_ID;
        return m;
    }
    case 2:
    case 3: {
        struct add_partitions_to_txn_request *m =
            ARENA_NEW(arena, struct add_partitions_to_txn_request);
        add_partitions_to_txn_request_init(m);
        m->transactions = add_partitions_to_txn_request_transaction_array(arena, 1);
        m->transactions_count = 1;
        struct add_partitions_to_txn_request_transaction *t = &m->transactions[0];
        t->transactional_id = id;
        t->producer_id = producer_of(what / 16);
        t->producer_epoch = (int16_t)(what % 3);
        t->verify_only = what % 8 == 3;
        t->topics = add_partitions_to_txn_request_topic_array(arena, 1);
        t->topics_count = 1;
        t->topics[0].name = BYTES_LITERAL("t");
        t->topics[0].partitions = ARENA_NEW(arena, int32_t);
        t->topics[0].partitions[0] = what / 64;
        t->topics[0].partitions_count = 1;
        *out_api_key = API_ADD_PARTITIONS_TO_TXN;
        return m;
    }
    case 4:
    case 5: {
        struct end_txn_request *m = ARENA_NEW(arena, struct end_txn_request);
        end_txn_request_init(m);
        m->transactional_id = id;
        m->producer_id = producer_of(what / 16);
        m->producer_epoch = (int16_t)(what % 3);
        m->committed = what % 8 == 4;
        *out_api_key = API_END_TXN;
        return m;
    }
    case 6: {
        struct describe_transactions_request *m =
            ARENA_NEW(arena, struct describe_transactions_request);
        describe_transactions_request_init(m);
        m->transactional_ids = ARENA_NEW(arena, struct bytes);
        m->transactional_ids[0] = id;
        m->transactional_ids_count = 1;
        *out_api_key = API_DESCRIBE_TRANSACTIONS;
        return m;
    }
    default: {
        struct list_transactions_request *m = ARENA_NEW(arena, struct list_transactions_request);
        list_transactions_request_init(m);
        m->duration_filter = what / 16 - 1;
        *out_api_key = API_LIST_TRANSACTIONS;
        return m;
    }
    }
}

static void ask(struct run *run, uint8_t what)
{
    struct txn_event event = { .type = TXN_ON_REQUEST };
    event.request.message =
        make_request(&run->arena, what, name_of(what / 16), &event.request.api_key);
    const struct txn_filter filter = { .states = UINT32_MAX };
    event.request.filter = &filter;
    const struct api *api = api_get(event.request.api_key);
    event.request.version = what % 32 < 16 ? api->version_max_stable : api->version_min;
    event.request.token = run->next_token++;
    step(run, event);
}

static void end_write(struct run *run, enum kafka_error error)
{
    if (run->writes_done == run->writes_end)
        return;
    const uint64_t id = ++run->writes_done;
    step(run, (struct txn_event){ .type = TXN_ON_APPENDED,
                                  .appended = { .write_id = id, .error = error } });
}

static void end_marker(struct run *run, enum kafka_error error, bool is_gone)
{
    if (run->markers.count == 0)
        return;
    const struct sent_marker sent = run->markers.items[0];
    VEC_REMOVE_AT(&run->markers, 0);
    const struct txn_marker_result result = { .ending = sent.ending,
                                              .topic = sent.topic,
                                              .partition = sent.partition,
                                              .error = error,
                                              .is_gone = is_gone };
    step(run,
         (struct txn_event){ .type = TXN_ON_MARKERS, .markers = { .items = &result, .count = 1 } });
}

static void give_id(struct run *run, enum kafka_error error)
{
    if (run->id_wants.count == 0)
        return;
    const uint64_t want_id = run->id_wants.items[0];
    VEC_REMOVE_AT(&run->id_wants, 0);
    step(run, (struct txn_event){ .type = TXN_ON_PRODUCER_ID,
                                  .producer_id = { .want_id = want_id,
                                                   .error = error,
                                                   .producer_id = run->next_producer_id++ } });
}

static void live(struct run *run, struct reader *r)
{
    step(run, (struct txn_event){ .type = TXN_ON_LOADED });
    while (reader_left(r) > 0) {
        const uint8_t what = (uint8_t)read_i8(r);
        if (what < 128) {
            ask(run, what);
        } else if (what < 160) {
            run->now_ms += INT64_C(1000) << (what % 24);
            step(run, (struct txn_event){ .type = TXN_ON_TIMER });
        } else if (what < 192) {
            end_write(run, what % 8 == 0 ? KAFKA_KAFKA_STORAGE_ERROR : KAFKA_NONE);
        } else if (what < 224) {
            end_marker(run, what % 8 == 0 ? KAFKA_NOT_LEADER_OR_FOLLOWER : KAFKA_NONE,
                       what % 8 == 1);
        } else {
            give_id(run, what % 8 == 0 ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_NONE);
        }
    }
    step(run, (struct txn_event){ .type = TXN_ON_UNLOAD });
    ASSERT(run->answered == run->next_token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct txn_settings settings = { .timeout_ms_max = 900000,
                                           .abort_interval_ms = 10000,
                                           .expiration_ms = 1000000,
                                           .expiry_interval_ms = 100000,
                                           .transaction_version = (int16_t)(size % 3),
                                           .batch_bytes_max = 10000 };
    struct run run = { .coordinator = txn_coordinator_new(&settings, 1),
                       .shadow = txn_coordinator_new(&settings, 2),
                       .next_producer_id = 1001 };
    txn_effects_init(&run.effects);
    arena_init(&run.arena, SIZE_MAX);
    struct reader r = reader_from(bytes_from(data, size));
    load(&run, &r);
    if (reader_is_ok(&r))
        live(&run, &r);
    txn_coordinator_free(run.coordinator);
    txn_coordinator_free(run.shadow);
    txn_effects_deinit(&run.effects);
    VEC_DEINIT(&run.markers);
    VEC_DEINIT(&run.id_wants);
    arena_deinit(&run.arena);
    return 0;
}
