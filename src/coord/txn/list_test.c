/* ListTransactions of a coordinator that has very many ids: in slices, while ids go. */
#include "base/mem.h"
#include "base/test.h"
#include "coord/record.h"
#include "coord/rig_log_test.h"
#include "coord/txn/txn.h"
#include "coord/txn/txn_coordinator.h"
#include "wire/api.h"
#include "wire/messages/list_transactions_request.h"
#include "wire/messages/list_transactions_response.h"
#include "wire/messages/transaction_log_value.h"

#include <stdio.h>

enum { IDS = 5000, OLD_FIRST = 4000, OLD_COUNT = 10, SLICE = 1000 };

#define WALL_MS INT64_C(1700000000000)

struct lister {
    struct txn_coordinator *coordinator;
    struct txn_effects effects;
    struct list_transactions_request request;
    struct txn_filter filter;
};

static void replay_id(struct txn_coordinator *coordinator, int number)
{
    char id[16];
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct transaction_log_value value = transaction_log_value_default;
    value.producer_id = number;
    value.transaction_status = TXN_EMPTY;
    value.transaction_partitions_count = -1;
    const bool is_old = number >= OLD_FIRST && number < OLD_FIRST + OLD_COUNT;
    value.transaction_last_update_timestamp_ms = is_old ? 0 : WALL_MS;
    const struct bytes name = bytes_from(id, (size_t)snprintf(id, sizeof(id), "id-%04d", number));
    const struct coord_record bytes = rig_txn_record(name, &value, &arena);
    EXPECT_OK(txn_coordinator_replay(coordinator, bytes.key, bytes.value, NULL));
    arena_deinit(&arena);
}

static void step(struct lister *l, int64_t now_ms, struct txn_event event)
{
    txn_effects_clear(&l->effects);
    event.now_ms = now_ms;
    event.wall_ms = WALL_MS + now_ms;
    txn_coordinator_step(l->coordinator, &event, &l->effects);
}

static void ask(struct lister *l, uint64_t token)
{
    txn_filter_init(&l->filter, &l->request);
    step(l, 0,
         (struct txn_event){ .type = TXN_ON_REQUEST,
                             .request = { .token = token,
                                          .api_key = API_LIST_TRANSACTIONS,
                                          .version = 2,
                                          .message = &l->request,
                                          .filter = &l->filter } });
}

static void begin(struct lister *l)
{
    const struct txn_settings settings = { .timeout_ms_max = 900000,
                                           .abort_interval_ms = 1000,
                                           .expiration_ms = 60000,
                                           .expiry_interval_ms = 1,
                                           .transaction_version = 2,
                                           .batch_bytes_max = 1048588 };
    *l = (struct lister){ .coordinator = txn_coordinator_new(&settings, 1) };
    txn_effects_init(&l->effects);
    list_transactions_request_init(&l->request);
    for (int i = 0; i < IDS; i++)
        replay_id(l->coordinator, i);
    step(l, 0, (struct txn_event){ .type = TXN_ON_LOADED });
}

static void end(struct lister *l)
{
    txn_effects_deinit(&l->effects);
    txn_coordinator_free(l->coordinator);
}

/* The ids that the listing would look at next expire between two slices. */
TEST(txn_list, looks_at_some_ids_a_step_while_others_go)
{
    struct lister l;
    begin(&l);
    ask(&l, 7);
    int slices = 1;
    bool has_expired = false;
    while (l.effects.answers.count == 0) {
        EXPECT(l.effects.deadline_ms <= 1);
        if (l.effects.appends.count > 0) {
            const uint64_t write_id = l.effects.appends.items[0].write_id;
            EXPECT_EQ(l.effects.appends.items[0].record_count, OLD_COUNT);
            EXPECT_EQ(slices, OLD_FIRST / SLICE);
            has_expired = true;
            step(&l, 1,
                 (struct txn_event){ .type = TXN_ON_APPENDED, .appended.write_id = write_id });
            continue;
        }
        step(&l, 1, (struct txn_event){ .type = TXN_ON_TIMER });
        slices++;
    }
    EXPECT(has_expired);
    EXPECT_EQ(slices, IDS / SLICE);
    const struct list_transactions_response *told = l.effects.answers.items[0].message;
    EXPECT_EQ(l.effects.answers.items[0].token, 7);
    EXPECT_EQ(told->transaction_states_count, IDS - OLD_COUNT);
    for (int32_t i = 0; i < told->transaction_states_count; i++)
        EXPECT_EQ(told->transaction_states[i].producer_id, i + (i < OLD_FIRST ? 0 : OLD_COUNT));
    end(&l);
}

enum { FILTERS = 250000 };

/* As many producer ids and states as a request can name, in no order: each id of the coordinator is looked up among them. */
TEST(txn_list, finds_ids_among_very_many_filters)
{
    struct lister l;
    begin(&l);
    int64_t *ids = MEM_NEW_ARRAY(int64_t, FILTERS);
    struct bytes *states = MEM_NEW_ARRAY(struct bytes, FILTERS);
    for (int i = 0; i < FILTERS; i++) {
        ids[i] = (int64_t)(FILTERS - i) * 7;
        states[i] = i == FILTERS - 1 ? BYTES_LITERAL("Empty") : BYTES_LITERAL("None");
    }
    l.request.producer_id_filters = ids;
    l.request.producer_id_filters_count = FILTERS;
    l.request.state_filters = states;
    l.request.state_filters_count = FILTERS;
    ask(&l, 7);
    while (l.effects.answers.count == 0)
        step(&l, 0, (struct txn_event){ .type = TXN_ON_TIMER });
    const struct list_transactions_response *told = l.effects.answers.items[0].message;
    EXPECT_EQ(told->transaction_states_count, (IDS - 1) / 7);
    for (int32_t i = 0; i < told->transaction_states_count; i++)
        EXPECT_EQ(told->transaction_states[i].producer_id, 7 * (i + 1));
    states[FILTERS - 1] = BYTES_LITERAL("Ongoing");
    ask(&l, 8);
    while (l.effects.answers.count == 0)
        step(&l, 0, (struct txn_event){ .type = TXN_ON_TIMER });
    told = l.effects.answers.items[0].message;
    EXPECT_EQ(told->transaction_states_count, 0);
    end(&l);
    mem_free(ids);
    mem_free(states);
}

TEST(txn_list, is_answered_when_the_coordinator_moves)
{
    struct lister l;
    begin(&l);
    ask(&l, 7);
    ask(&l, 8);
    step(&l, 0, (struct txn_event){ .type = TXN_ON_UNLOAD });
    EXPECT_EQ(l.effects.answers.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct list_transactions_response *told = l.effects.answers.items[i].message;
        EXPECT_EQ(l.effects.answers.items[i].token, 7 + i);
        EXPECT_EQ(told->error_code, KAFKA_NOT_COORDINATOR);
    }
    end(&l);
    begin(&l);
    ask(&l, 9);
    end(&l); /* forgotten */
}
