/* What compaction is made of: the map of offsets, the transactions it meets, and the plan. */
#include "log/clean/offset_map.h"
#include "log/clean/plan.h"
#include "log/clean/txns.h"

#include "base/mem.h"
#include "base/test.h"

#include <math.h>
#include <stdio.h>

/* ---- the map --------------------------------------------------------------------------------- */

#define BASE INT64_C(5000000000)

static struct bytes key_of(uint64_t number, char space[32])
{
    return bytes_from(space, (size_t)snprintf(space, 32, "key-%" PRIu64, number));
}

static bool put(struct clean_map *map, struct bytes key, int64_t offset)
{
    return clean_map_put(map, clean_map_foresee(map, key), offset);
}

static int64_t get(const struct clean_map *map, struct bytes key)
{
    return clean_map_get(map, clean_map_foresee(map, key));
}

TEST(clean_map, answers_the_latest_offset_of_each_key)
{
    enum { KEYS = 1500 };
    struct rng rng = rng_from_seed(context->seed);
    int64_t latest[KEYS];
    for (int i = 0; i < KEYS; i++)
        latest[i] = -1;
    struct clean_map map;
    clean_map_init(&map, 1u << 20, 0.9, UINT64_MAX, BASE, rng_u64(&rng));
    char space[32];
    for (int64_t offset = BASE; offset < BASE + 20000; offset++) {
        const uint64_t key = rng_below(&rng, KEYS);
        EXPECT(put(&map, key_of(key, space), offset));
        latest[key] = offset;
    }
    uint64_t count = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        EXPECT_EQ(get(&map, key_of(key, space)), latest[key]);
        count += latest[key] >= 0;
    }
    EXPECT_EQ(map.count, count);
    EXPECT_EQ(get(&map, key_of(KEYS, space)), -1);
    EXPECT_EQ(get(&map, BYTES_LITERAL("")), -1);
    EXPECT(put(&map, BYTES_LITERAL(""), BASE + 20000));
    EXPECT_EQ(get(&map, BYTES_LITERAL("")), BASE + 20000);
    clean_map_deinit(&map);
}

/* Whatever its size: it takes as many keys as it says, stays within its bytes, and goes on to answer for those it has. */
TEST(clean_map, fills_up_to_its_load_and_refuses_the_rest)
{
    static const double loads[] = { 0.1, 0.5, 0.9, 1.0 };
    char space[32];
    for (size_t bytes = 0; bytes <= 400000; bytes += 40000) {
        for (size_t l = 0; l < ARRAY_LEN(loads); l++) {
            struct clean_map map;
            clean_map_init(&map, bytes, loads[l], UINT64_MAX, 0, context->seed + bytes);
            EXPECT(bytes < 8192 || map.entry_end * CLEAN_MAP_ENTRY_BYTES <= bytes);
            uint64_t taken = 0;
            while (put(&map, key_of(taken, space), (int64_t)taken))
                taken++;
            EXPECT_EQ(taken, map.count);
            EXPECT_EQ(taken, map.count_max);
            if (bytes > 8192) {
                const double share = (double)(taken * CLEAN_MAP_ENTRY_BYTES) / (double)bytes;
                EXPECT(share > MIN(loads[l], 0.95) - 0.06 && share <= loads[l]);
            }
            for (uint64_t key = 0; key < taken; key++)
                EXPECT_EQ(get(&map, key_of(key, space)), key);
            EXPECT_EQ(get(&map, key_of(taken, space)), -1);
            /* A key that it has it takes again. */
            EXPECT(put(&map, key_of(0, space), (int64_t)taken));
            EXPECT_EQ(get(&map, key_of(0, space)), taken);
            clean_map_deinit(&map);
        }
    }
}

/* The setting has no limits, in Apache Kafka either. */
TEST(clean_map, takes_any_load_factor)
{
    static const double loads[] = { -3, 0, 1e-300, NAN, INFINITY, -INFINITY, 1e300 };
    char space[32];
    for (size_t l = 0; l < ARRAY_LEN(loads); l++) {
        struct clean_map map;
        clean_map_init(&map, 40000, loads[l], l % 2 == 0 ? 50 : UINT64_MAX, 0, context->seed);
        EXPECT(map.entry_end * CLEAN_MAP_ENTRY_BYTES <= 40000);
        uint64_t taken = 0;
        while (put(&map, key_of(taken, space), (int64_t)taken))
            taken++;
        EXPECT(taken >= 50);
        EXPECT_EQ(taken, map.count_max);
        for (uint64_t key = 0; key < taken; key++)
            EXPECT_EQ(get(&map, key_of(key, space)), key);
        clean_map_deinit(&map);
    }
}

TEST(clean_map, is_small_for_few_keys_and_refuses_offsets_too_far_away)
{
    struct clean_map map;
    clean_map_init(&map, 128u << 20, 0.9, 1000, BASE, context->seed);
    EXPECT(map.entry_end < 1300);
    EXPECT(put(&map, BYTES_LITERAL("near"), BASE));
    EXPECT(put(&map, BYTES_LITERAL("far"), BASE + CLEAN_MAP_SPAN_MAX));
    EXPECT(!put(&map, BYTES_LITERAL("further"), BASE + CLEAN_MAP_SPAN_MAX + 1));
    EXPECT_EQ(get(&map, BYTES_LITERAL("near")), BASE);
    EXPECT_EQ(get(&map, BYTES_LITERAL("far")), BASE + CLEAN_MAP_SPAN_MAX);
    EXPECT_EQ(get(&map, BYTES_LITERAL("further")), -1);
    clean_map_deinit(&map);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static bool on_data(struct clean_txns *txns, int64_t producer_id, int64_t offset)
{
    const struct batch_view batch = { .magic = BATCH_MAGIC,
                                      .base_offset = offset,
                                      .producer_id = producer_id,
                                      .attributes = BATCH_TRANSACTIONAL };
    return clean_txns_on_data(txns, &batch);
}

static struct clean_marker on_marker_that(bool is_known, struct clean_txns *txns,
                                          int64_t producer_id, int64_t offset,
                                          enum control_type type)
{
    const struct transaction_marker marker = { .type = type,
                                               .base_offset = offset,
                                               .leader_epoch = -1,
                                               .timestamp_ms = 1,
                                               .producer_id = producer_id };
    uint8_t bytes[TRANSACTION_MARKER_BYTES];
    transaction_marker_encode(&marker, bytes);
    struct batch_view view;
    struct clean_marker out;
    EXPECT_OK(batch_parse(bytes_from(bytes, sizeof(bytes)), &view));
    const int r = clean_txns_on_control(txns, &view, &out);
    EXPECT_EQ(r, is_known ? 0 : -ERR_NOT_FOUND);
    return out;
}

static struct clean_marker on_marker(struct clean_txns *txns, int64_t producer_id, int64_t offset,
                                     enum control_type type)
{
    return on_marker_that(true, txns, producer_id, offset, type);
}

static void add(struct clean_txns *txns, int64_t producer_id, int64_t first, int64_t marker)
{
    clean_txns_add(txns, &(struct producer_ended_txn){ .producer_id = producer_id,
                                                       .first_offset = first,
                                                       .marker_offset = marker,
                                                       .is_aborted = true });
}

TEST(clean_txns, knows_aborted_records_and_spent_markers)
{
    struct clean_txns txns;
    clean_txns_init(&txns, 0, context->seed);
    add(&txns, 1, 30, 35); /* not in order */
    add(&txns, 1, 10, 20);
    add(&txns, 3, 14, 50);
    for (int pass = 0; pass < 2; pass++) { /* and the same again */
        clean_txns_begin(&txns, 0);
        EXPECT(on_data(&txns, 1, 10));
        EXPECT(!on_data(&txns, 2, 12)); /* committed */
        EXPECT(on_data(&txns, 1, 13));
        const struct clean_marker aborted = on_marker(&txns, 1, 20, CONTROL_ABORT);
        EXPECT(!aborted.is_spent && aborted.aborted != NULL && aborted.aborted->first_offset == 10);
        EXPECT(!on_data(&txns, 1, 22)); /* the next transaction of the producer */
        EXPECT(!on_marker(&txns, 1, 25, CONTROL_COMMIT).is_spent);
        EXPECT(!on_marker(&txns, 2, 26, CONTROL_COMMIT).is_spent);
        EXPECT(on_marker(&txns, 2, 27, CONTROL_COMMIT).is_spent); /* its records are gone */
        EXPECT(on_data(&txns, 1, 31));
        EXPECT(on_marker(&txns, 1, 35, CONTROL_ABORT).aborted != NULL);
        const struct clean_marker spent = on_marker(&txns, 3, 50, CONTROL_ABORT);
        EXPECT(spent.is_spent && spent.aborted == NULL);
    }
    /* From the middle on: what ended before is not met. */
    clean_txns_begin(&txns, 21);
    EXPECT(!on_data(&txns, 1, 22));
    EXPECT(!on_marker(&txns, 1, 25, CONTROL_COMMIT).is_spent);
    EXPECT(on_data(&txns, 3, 40));
    EXPECT(on_marker(&txns, 3, 50, CONTROL_ABORT).aborted != NULL);
    clean_txns_deinit(&txns);
}

/* It was aborted, and its records were taken for committed ones. */
TEST(clean_txns, does_not_believe_an_abort_that_no_index_tells_of)
{
    struct clean_txns txns;
    clean_txns_init(&txns, 40, context->seed);
    add(&txns, 1, 50, 60);
    clean_txns_begin(&txns, 0);
    EXPECT(!on_data(&txns, 1, 30)); /* below the log's start: recovery did not see it */
    EXPECT(on_marker(&txns, 1, 41, CONTROL_ABORT).is_spent);
    EXPECT(!on_data(&txns, 1, 31));
    EXPECT(on_data(&txns, 1, 50)); /* it saw the rest of the transaction */
    EXPECT(on_marker(&txns, 1, 60, CONTROL_ABORT).aborted != NULL);
    EXPECT(on_marker(&txns, 1, 61, CONTROL_ABORT).is_spent);
    EXPECT(!on_data(&txns, 1, 62));
    (void)on_marker_that(false, &txns, 1, 63, CONTROL_ABORT);
    clean_txns_deinit(&txns);
}

TEST(clean_txns, lets_an_empty_control_batch_go_and_keeps_unknown_ones)
{
    struct clean_txns txns;
    clean_txns_init(&txns, 0, context->seed);
    clean_txns_begin(&txns, 0);
    struct batch_view marker = { .magic = BATCH_MAGIC,
                                 .producer_id = 1,
                                 .attributes = BATCH_CONTROL | BATCH_TRANSACTIONAL };
    AUTO(buf_deinit) struct buf empty;
    buf_init(&empty, 1000);
    uint8_t bytes[BATCH_OVERHEAD_BYTES] = { 0 };
    marker.bytes = bytes_from(bytes, sizeof(bytes));
    struct clean_marker out;
    EXPECT_OK(clean_txns_on_control(&txns, &marker, &out));
    EXPECT(out.is_spent);
    struct batch_builder builder;
    control_batch_init(&builder, 7, 1, 1000);
    EXPECT_OK(control_batch_add(&builder, CONTROL_LEADER_CHANGE, 1, BYTES_LITERAL("x")));
    struct bytes unknown;
    EXPECT_OK(batch_builder_finish(&builder, &unknown));
    EXPECT_OK(batch_parse(unknown, &marker));
    EXPECT_OK(clean_txns_on_control(&txns, &marker, &out));
    EXPECT(!out.is_spent);
    batch_builder_deinit(&builder);
    clean_txns_deinit(&txns);
}

/* ---- the plan -------------------------------------------------------------------------------- */

#define NOW INT64_C(1000000)

/* Segments at 0, 100, 200, 300 (active), of 10 bytes each; written a thousand ms apart, the last at NOW. */
static const struct clean_outline four[] = {
    { .base_offset = 0, .size_bytes = 10, .first_ms = NOW - 3999, .largest_ms = NOW - 3000 },
    { .base_offset = 100, .size_bytes = 10, .first_ms = NOW - 2999, .largest_ms = NOW - 2000 },
    { .base_offset = 200, .size_bytes = 10, .first_ms = NOW - 1999, .largest_ms = NOW - 1000 },
    { .base_offset = 300, .size_bytes = 10, .first_ms = NOW - 999, .largest_ms = NOW },
};

static struct clean_view view_of_four(void)
{
    return (struct clean_view){ .segments = four,
                                .count = 4,
                                .log_end = 400,
                                .stable_end = 400,
                                .durable_end = 400,
                                .now_ms = NOW,
                                .max_lag_ms = INT64_MAX,
                                .dirty_ratio_min = 0.5 };
}

TEST(clean_plan, takes_all_but_the_active_segment_at_first)
{
    const struct clean_view view = view_of_four();
    const struct clean_plan plan = clean_plan_make(&view);
    EXPECT_EQ(plan.first_dirty, 0);
    EXPECT_EQ(plan.first_uncleanable, 300);
    EXPECT_EQ(plan.end_index, 3);
    EXPECT_EQ(plan.dirty_bytes, 30);
    EXPECT_EQ(plan.clean_bytes, 0);
    EXPECT(plan.is_due && plan.dirty_ratio == 1.0);
    EXPECT(!plan.is_cleaned_end_wrong && !plan.waits_for_flush);
}

TEST(clean_plan, goes_on_where_the_last_cleaning_ended_once_enough_is_dirty)
{
    struct clean_view view = view_of_four();
    view.cleaned_end = 200;
    struct clean_plan plan = clean_plan_make(&view);
    EXPECT_EQ(plan.first_dirty, 200);
    EXPECT_EQ(plan.clean_bytes, 20);
    EXPECT_EQ(plan.dirty_bytes, 10);
    EXPECT(!plan.is_due);
    view.dirty_ratio_min = 0.3;
    EXPECT(clean_plan_make(&view).is_due);
    /* In the midst of a segment, where the map of offsets was full. */
    view.cleaned_end = 150;
    plan = clean_plan_make(&view);
    EXPECT_EQ(plan.dirty_index, 1);
    EXPECT_EQ(plan.clean_bytes, 20);
    EXPECT_EQ(plan.dirty_bytes, 20);
    /* All is clean up to the active segment, or beyond its beginning. */
    view.cleaned_end = 300;
    EXPECT(!clean_plan_make(&view).is_due && clean_plan_make(&view).dirty_bytes == 0);
    view.cleaned_end = 350;
    EXPECT(!clean_plan_make(&view).is_due && clean_plan_make(&view).dirty_bytes == 0);
}

TEST(clean_plan, stops_at_what_is_not_stable_young_or_not_flushed)
{
    struct clean_view view = view_of_four();
    view.stable_end = 199;
    EXPECT_EQ(clean_plan_make(&view).first_uncleanable, 100);
    view.stable_end = 200;
    EXPECT_EQ(clean_plan_make(&view).first_uncleanable, 200);
    view.stable_end = 400;
    view.min_lag_ms = 1500;
    EXPECT_EQ(clean_plan_make(&view).first_uncleanable, 200);
    EXPECT(!clean_plan_make(&view).waits_for_flush);
    view.min_lag_ms = 10000;
    EXPECT_EQ(clean_plan_make(&view).dirty_bytes, 0);
    view.min_lag_ms = 0;
    view.durable_end = 250;
    const struct clean_plan plan = clean_plan_make(&view);
    EXPECT_EQ(plan.first_uncleanable, 200);
    EXPECT(plan.waits_for_flush);
    /* What is cleaned already may be younger than what a new setting asks for. */
    view.cleaned_end = 200;
    view.min_lag_ms = 10000;
    EXPECT_EQ(clean_plan_make(&view).dirty_bytes, 0);
    EXPECT_EQ(clean_plan_make(&view).end_index, 2);
}

TEST(clean_plan, is_due_when_a_segment_has_waited_too_long)
{
    struct clean_view view = view_of_four();
    view.cleaned_end = 200;
    view.max_lag_ms = 1500;
    const struct clean_plan plan = clean_plan_make(&view);
    EXPECT(plan.is_due);
    EXPECT_EQ(plan.overdue_ms, 499);
    view.max_lag_ms = 2000;
    EXPECT(!clean_plan_make(&view).is_due);
    /* Nothing that can be cleaned: the lag changes nothing. */
    view.max_lag_ms = 1500;
    view.stable_end = 200;
    EXPECT(!clean_plan_make(&view).is_due);
}

TEST(clean_plan, begins_anew_where_the_checkpoint_is_of_another_log)
{
    struct clean_view view = view_of_four();
    view.log_start = 120;
    view.cleaned_end = 50;
    EXPECT_EQ(clean_plan_make(&view).first_dirty, 120);
    EXPECT(clean_plan_make(&view).is_cleaned_end_wrong);
    view.cleaned_end = 401;
    EXPECT_EQ(clean_plan_make(&view).first_dirty, 120);
    EXPECT(clean_plan_make(&view).is_cleaned_end_wrong);
    view.cleaned_end = 400;
    EXPECT(!clean_plan_make(&view).is_cleaned_end_wrong);
}

TEST(clean_plan, groups_neighbours_as_long_as_they_fit_into_one_segment)
{
    const struct clean_group_limits wide = { .segment_bytes = 1000, .index_bytes = 1000 };
    EXPECT_EQ(clean_plan_group(four, 0, 3, &wide), 3);
    EXPECT_EQ(clean_plan_group(four, 1, 2, &wide), 1);
    EXPECT_EQ(clean_plan_group(four, 0, 3, &(struct clean_group_limits){ 20, 1000 }), 2);
    EXPECT_EQ(clean_plan_group(four, 0, 3, &(struct clean_group_limits){ 5, 1000 }), 1);
    struct clean_outline many[] = {
        { .base_offset = 0, .size_bytes = 10, .offset_index_bytes = 8, .time_index_bytes = 12 },
        { .base_offset = 10, .size_bytes = 10, .offset_index_bytes = 8, .time_index_bytes = 12 },
        { .base_offset = 20, .size_bytes = 0 },
        { .base_offset = INT64_C(0x80000001), .size_bytes = 10 },
        { .base_offset = INT64_C(0x80000002), .size_bytes = 10 },
    };
    EXPECT_EQ(clean_plan_group(many, 0, 4, &(struct clean_group_limits){ 1000, 20 }), 1);
    EXPECT_EQ(clean_plan_group(many, 0, 4, &(struct clean_group_limits){ 1000, 24 }), 3);
    many[2].size_bytes = 1; /* its offsets may reach up to where the next begins */
    EXPECT_EQ(clean_plan_group(many, 0, 4, &wide), 2);
}
