/* ListTransactions of a coordinator that has very many ids: in slices, while ids go. */
#include "base/test.h"
#include "coord/record.h"
#include "coord/rig_log_test.h"
#include "coord/txn.h"
#include "coord/txn_coordinator.h"
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
    int matched; /* how often the pattern was asked */
    struct list_transactions_request request;
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

static bool is_even(const void *pattern, struct bytes id)
{
    struct lister *l = (struct lister *)(uintptr_t)pattern;
    l->matched++;
    return (id.data[id.size - 1] - '0') % 2 == 0;
}

static void ask(struct lister *l, uint64_t token)
{
    list_transactions_request_init(&l->request);
    step(l, 0,
         (struct txn_event){ .type = TXN_ON_REQUEST,
                             .request = { .token = token,
                                          .api_key = API_LIST_TRANSACTIONS,
                                          .version = 2,
                                          .message = &l->request,
                                          .matches_pattern = is_even,
                                          .pattern = l } });
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
        EXPECT_EQ(l.matched, slices * SLICE);
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
    EXPECT_EQ(told->transaction_states_count, (IDS - OLD_COUNT) / 2);
    for (int32_t i = 0; i < told->transaction_states_count; i++)
        EXPECT_EQ(told->transaction_states[i].producer_id,
                  2 * i + (2 * i < OLD_FIRST ? 0 : OLD_COUNT));
    end(&l);
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
