/* However much is due at once, a step does a part of it, and asks for the next one. */
#include "base/test.h"
#include "coord/record.h"
#include "coord/rig_log_test.h"
#include "coord/txn/txn.h"
#include "coord/txn/txn_coordinator.h"
#include "wire/messages/transaction_log_value.h"

#include <stdio.h>

enum { IDS = 300, PARTS_A_STEP_MAX = 100 };

#define WALL_MS INT64_C(1700000000000)

struct desk {
    struct txn_coordinator *coordinator;
    struct txn_effects effects;
    struct rig_log log;
    int64_t now_ms;
};

static void step(struct desk *d, struct txn_event event)
{
    txn_effects_clear(&d->effects);
    event.now_ms = d->now_ms;
    event.wall_ms = WALL_MS + d->now_ms;
    txn_coordinator_step(d->coordinator, &event, &d->effects);
    for (size_t i = 0; i < d->effects.appends.count; i++)
        (void)rig_log_append(&d->log, &d->effects.appends.items[i]);
}

static void replay(struct desk *d, int number, enum txn_state state)
{
    char id[16];
    int32_t partition = 0;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct transaction_log_value value = transaction_log_value_default;
    struct transaction_log_value_partitions_schema topic =
        transaction_log_value_partitions_schema_default;
    topic.topic = BYTES_LITERAL("t");
    topic.partition_ids = &partition;
    topic.partition_ids_count = 1;
    value.producer_id = number;
    value.transaction_timeout_ms = 1000;
    value.transaction_status = (int8_t)state;
    value.transaction_partitions = &topic;
    value.transaction_partitions_count = 1;
    value.transaction_start_timestamp_ms = value.transaction_last_update_timestamp_ms = WALL_MS;
    const struct bytes name = bytes_from(id, (size_t)snprintf(id, sizeof(id), "id-%d", number));
    const struct coord_record bytes = rig_txn_record(name, &value, &arena);
    struct err_note note = { "" };
    EXPECT_OK(txn_coordinator_replay(d->coordinator, bytes.key, bytes.value, &note));
    arena_deinit(&arena);
}

/* A coordinator that has loaded IDS transactions in this state. */
static void desk_open(struct desk *d, enum txn_state state)
{
    static const struct txn_settings settings = { .timeout_ms_max = 900000,
                                                  .abort_interval_ms = 10000,
                                                  .expiration_ms = INT64_C(604800000),
                                                  .expiry_interval_ms = 3600000,
                                                  .transaction_version = 2,
                                                  .batch_bytes_max = 1048588 };
    *d = (struct desk){ .coordinator = txn_coordinator_new(&settings, 1) };
    txn_effects_init(&d->effects);
    for (int i = 0; i < IDS; i++)
        replay(d, i, state);
    step(d, (struct txn_event){ .type = TXN_ON_LOADED });
}

static void desk_close(struct desk *d)
{
    txn_coordinator_free(d->coordinator);
    txn_effects_deinit(&d->effects);
    rig_log_deinit(&d->log);
}

TEST(txn_expiry, aborts_what_is_overdue_in_slices)
{
    struct desk d;
    struct txn_stats stats;
    size_t aborted = 0;
    desk_open(&d, TXN_ONGOING);
    d.now_ms = d.effects.deadline_ms;
    for (int i = 0; i < IDS && d.effects.deadline_ms <= d.now_ms; i++) {
        step(&d, (struct txn_event){ .type = TXN_ON_TIMER });
        EXPECT(d.effects.appends.count <= PARTS_A_STEP_MAX);
        aborted += d.effects.appends.count;
        while (i == 1 && d.log.writes.count > 0) { /* those are not open any more */
            const uint64_t id = rig_log_end_write(&d.log, true);
            step(&d, (struct txn_event){ .type = TXN_ON_APPENDED, .appended = { .write_id = id } });
        }
    }
    EXPECT_EQ(aborted, IDS);
    EXPECT(d.effects.deadline_ms > d.now_ms);
    txn_coordinator_stats(d.coordinator, &stats);
    EXPECT_EQ(stats.timeout_count, IDS);
    desk_close(&d);
}

TEST(txn_expiry, tries_markers_again_in_slices)
{
    struct desk d;
    size_t told = 0;
    desk_open(&d, TXN_PREPARE_ABORT);
    EXPECT_EQ(d.effects.markers.count, IDS);
    for (uint64_t ending = 1; ending <= IDS; ending++) {
        const struct txn_marker_result result = { .ending = ending,
                                                  .topic = BYTES_LITERAL("t"),
                                                  .error = KAFKA_NOT_LEADER_OR_FOLLOWER };
        step(&d, (struct txn_event){ .type = TXN_ON_MARKERS,
                                     .markers = { .items = &result, .count = 1 } });
    }
    d.now_ms = d.effects.deadline_ms;
    for (int i = 0; i < IDS && d.effects.deadline_ms <= d.now_ms; i++) {
        step(&d, (struct txn_event){ .type = TXN_ON_TIMER });
        EXPECT(d.effects.markers.count <= PARTS_A_STEP_MAX);
        told += d.effects.markers.count;
    }
    EXPECT_EQ(told, IDS);
    desk_close(&d);
}
