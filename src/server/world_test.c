/* See world_test.h. */
#include "server/world_test.h"

#include "base/mem.h"
#include "wire/messages/allocate_producer_ids_response.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/end_txn_response.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"

void world_begin(struct world *w, uint64_t seed)
{
    world_begin_with(w, seed, "");
}

void world_begin_with(struct world *w, uint64_t seed, const char *settings)
{
    *w = (struct world){ 0 };
    server_rig_begin(&w->rig, seed, settings);
    arena_init(&w->arena, WORLD_ARENA_MAX);
    w->topic = server_rig_topic(&w->rig, "t", 2);
    w->transactions_topic = server_rig_topic(&w->rig, "__transaction_state", 3);
    w->offsets_topic = server_rig_topic(&w->rig, "__consumer_offsets", 1);
    server_rig_run_ms(&w->rig, 1000); /* the logs of the coordinators are read */
    rig_peer_connect(&w->rig, &w->peer, SERVER_RIG_PORT);
}

static void leave(struct world *w)
{
    rig_peer_close(&w->peer);
    buf_deinit(&w->peer.in);
    buf_deinit(&w->peer.out);
}

void world_end(struct world *w)
{
    leave(w);
    arena_deinit(&w->arena);
    server_rig_end(&w->rig);
}

void world_leave(struct world *w)
{
    leave(w);
    server_rig_run_ms(&w->rig, 500);
    rig_peer_connect(&w->rig, &w->peer, SERVER_RIG_PORT);
}

void world_send(struct world *w, int16_t api_key, int16_t version, const void *message)
{
    struct buf out;
    buf_init(&out, WORLD_ARENA_MAX);
    rig_put_request(&out, api_key, version, ++w->correlation_id, message);
    rig_peer_send(&w->peer, buf_view(&out));
    buf_deinit(&out);
}

const void *world_take(struct world *w, int16_t api_key, int16_t version, int32_t correlation_id)
{
    const void *answer = NULL;
    EXPECT_EQ(rig_peer_take(&w->peer, api_key, version, &w->arena, &answer), correlation_id);
    return answer;
}

static void give_producer_ids(struct world *w)
{
    struct allocate_producer_ids_response block = allocate_producer_ids_response_default;
    block.producer_id_start = WORLD_FIRST_PRODUCER_ID;
    block.producer_id_len = 1000;
    EXPECT_EQ(w->rig.asks[0].api_key, API_ALLOCATE_PRODUCER_IDS);
    server_rig_answer(&w->rig, KAFKA_NONE, &block);
}

const void *world_call(struct world *w, int16_t api_key, int16_t version, const void *message)
{
    world_send(w, api_key, version, message);
    server_rig_run_ms(&w->rig, 100);
    if (w->rig.ask_count > 0) {
        give_producer_ids(w);
        server_rig_run_ms(&w->rig, 10);
    }
    return world_take(w, api_key, version, w->correlation_id);
}

int16_t world_init_producer(struct world *w)
{
    struct init_producer_id_request m = init_producer_id_request_default;
    m.transactional_id = WORLD_TRANSACTIONAL_ID;
    m.transaction_timeout_ms = 60000;
    const struct init_producer_id_response *answer = world_call(w, API_INIT_PRODUCER_ID, 5, &m);
    EXPECT_EQ(answer->error_code, KAFKA_NONE);
    EXPECT_EQ(answer->producer_id, WORLD_FIRST_PRODUCER_ID);
    return answer->producer_epoch;
}

int16_t world_end_transaction(struct world *w, int16_t version, int16_t epoch, bool is_commit)
{
    struct end_txn_request m = end_txn_request_default;
    m.transactional_id = WORLD_TRANSACTIONAL_ID;
    m.producer_id = WORLD_FIRST_PRODUCER_ID;
    m.producer_epoch = epoch;
    m.committed = is_commit;
    const struct end_txn_response *answer = world_call(w, API_END_TXN, version, &m);
    return answer->error_code;
}
