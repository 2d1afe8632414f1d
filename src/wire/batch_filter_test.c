/* Batches of which some records go, against the records that should be left. */
#include "wire/batch_filter.h"

#include "base/arena.h"
#include "base/test.h"
#include "wire/batch_sample_test.h"

#include <string.h>

#define RECORDS_MAX  40
#define UNPACKED_MAX ((size_t)64 << 20)
#define HORIZON_MS   INT64_C(1800000000123)
#define NO_HORIZON   (&(struct batch_filter_horizon){ .delete_horizon_ms = -1 })
#define SOME_HORIZON (&(struct batch_filter_horizon){ .delete_horizon_ms = HORIZON_MS })
#define SURE_HORIZON                                                                               \
    (&(struct batch_filter_horizon){ .delete_horizon_ms = HORIZON_MS, .is_for_any = true })

struct choice {
    const struct sample_record *records;
    int64_t base_offset;
    uint64_t mask; /* the records that stay */
    int32_t asked;
};

static void keep_by_mask(void *context, const struct batch_filter_record *records, int32_t count,
                         bool *out_kept)
{
    struct choice *choice = context;
    EXPECT(count > 0 && count <= BATCH_FILTER_RUN_MAX);
    for (int32_t i = 0; i < count; i++) {
        const int64_t index = records[i].offset - choice->base_offset;
        EXPECT_EQ(index, choice->asked); /* each once, in order */
        EXPECT(bytes_equal(records[i].key, choice->records[index].key));
        EXPECT_EQ(records[i].has_value, !bytes_is_null(choice->records[index].value));
        choice->asked++;
        out_kept[i] = (choice->mask >> index & 1) != 0;
    }
}

static struct batch_view make(struct arena *arena, const struct sample_record *records,
                              int32_t count, enum codec codec, int16_t attributes)
{
    const struct bytes bytes = sample_batch(arena, records, count, codec, attributes);
    batch_set_base_offset((uint8_t *)(uintptr_t)bytes.data, 1000);
    batch_set_leader_epoch((uint8_t *)(uintptr_t)bytes.data, 7);
    return sample_view(bytes);
}

static int filter_by(struct batch_filter *filter, const struct batch_view *batch,
                     const struct sample_record *records, uint64_t mask,
                     const struct batch_filter_horizon *horizon, struct buf *out)
{
    struct choice choice = { .records = records, .base_offset = batch->base_offset, .mask = mask };
    filter->keep = keep_by_mask;
    filter->context = &choice;
    const int r = batch_filter_run(filter, batch, horizon, out);
    if (r >= 0)
        EXPECT_EQ(choice.asked, batch->record_count);
    return r;
}

/* That a batch holds the chosen ones of the records, as they were. */
static void expect_records(const struct batch_view *batch, const struct sample_record *records,
                           int32_t count, uint64_t mask)
{
    EXPECT_OK(batch_check_crc(batch));
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, batch, NULL, INT32_MAX);
    const bool is_append_time = (batch->attributes & BATCH_LOG_APPEND_TIME) != 0;
    int64_t max_timestamp = -1;
    struct record found;
    for (int32_t i = 0; i < count; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        EXPECT_EQ(record_walk_next(&walk, &found), 1);
        EXPECT_EQ(found.offset, batch->base_offset + i);
        EXPECT(bytes_equal(found.key, records[i].key));
        EXPECT(bytes_equal(found.value, records[i].value));
        EXPECT_EQ(found.header_count, records[i].header_count);
        if (!is_append_time)
            EXPECT_EQ(found.timestamp, records[i].timestamp);
        max_timestamp = MAX(max_timestamp, records[i].timestamp);
    }
    EXPECT_EQ(record_walk_next(&walk, &found), 0);
    if (!is_append_time)
        EXPECT_EQ(batch->max_timestamp, max_timestamp);
}

static void expect_same_place(const struct batch_view *now, const struct batch_view *before)
{
    EXPECT_EQ(now->base_offset, before->base_offset);
    EXPECT_EQ(now->last_offset_delta, before->last_offset_delta);
    EXPECT_EQ(now->leader_epoch, before->leader_epoch);
    EXPECT_EQ(now->producer_id, before->producer_id);
    EXPECT_EQ(now->producer_epoch, before->producer_epoch);
    EXPECT_EQ(now->base_sequence, before->base_sequence);
}

static bool has_tombstone(const struct sample_record *records, int32_t count, uint64_t mask)
{
    for (int32_t i = 0; i < count; i++) {
        if ((mask >> i & 1) != 0 && bytes_is_null(records[i].value))
            return true;
    }
    return false;
}

static void try_one(struct rng *rng, struct arena *arena, struct batch_filter *filter)
{
    static const int16_t bits[] = { 0, BATCH_LOG_APPEND_TIME, BATCH_TRANSACTIONAL };
    const int32_t count = (int32_t)rng_between(rng, 1, RECORDS_MAX);
    const struct sample_record *records = sample_records(rng, arena, count);
    const enum codec codec = (enum codec)rng_below(rng, CODEC_COUNT);
    const int16_t attributes = bits[rng_below(rng, ARRAY_LEN(bits))];
    const struct batch_view batch = make(arena, records, count, codec, attributes);
    const uint64_t all = (UINT64_C(1) << count) - 1;
    uint64_t mask = rng_u64(rng) & all;
    if (rng_chance(rng, 200000))
        mask = rng_chance(rng, 500000) ? all : 0;
    const struct batch_filter_horizon *horizon = rng_chance(rng, 500000)   ? NO_HORIZON
                                                 : rng_chance(rng, 500000) ? SOME_HORIZON
                                                                           : SURE_HORIZON;
    const bool is_due = mask != 0 && horizon->delete_horizon_ms >= 0 &&
                        (horizon->is_for_any || has_tombstone(records, count, mask));

    AUTO(buf_deinit) struct buf out;
    buf_init(&out, UNPACKED_MAX);
    buf_put_text(&out, "before");
    const int r = filter_by(filter, &batch, records, mask, horizon, &out);
    if (mask == 0 || (mask == all && !is_due)) {
        EXPECT_EQ(r, mask == 0 ? BATCH_FILTER_EMPTY : BATCH_FILTER_SAME);
        EXPECT_EQ(out.size, 6);
        return;
    }
    EXPECT_EQ(r, BATCH_FILTER_CHANGED);
    const struct batch_view made = sample_view(bytes_slice(buf_view(&out), 6, SIZE_MAX));
    EXPECT_EQ(made.bytes.size, out.size - 6);
    expect_records(&made, records, count, mask);
    expect_same_place(&made, &batch);
    EXPECT_EQ(made.attributes, batch.attributes | (is_due ? BATCH_DELETE_HORIZON : 0));
    if (is_due)
        EXPECT_EQ(made.base_timestamp, HORIZON_MS);
}

TEST(batch_filter, keeps_the_chosen_records_as_they_were)
{
    struct rng rng = rng_from_seed(context->seed);
    AUTO(arena_deinit) struct arena arena;
    arena_init(&arena, (size_t)256 << 20);
    struct codec_contexts *contexts = codec_contexts_new();
    AUTO(batch_filter_deinit) struct batch_filter filter;
    batch_filter_init(&filter, contexts, UNPACKED_MAX);
    for (int i = 0; i < 2000; i++) {
        try_one(&rng, &arena, &filter);
        arena_reset(&arena);
    }
    codec_contexts_free(contexts);
}

static void keep_all(void *context, const struct batch_filter_record *records, int32_t count,
                     bool *out_kept)
{
    (void)context;
    (void)records;
    memset(out_kept, true, (size_t)count);
}

/* A tombstone's time runs from the first cleaning that meets it: a later one does not push it on. */
TEST(batch_filter, gives_a_horizon_once)
{
    struct rng rng = rng_from_seed(context->seed);
    AUTO(arena_deinit) struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    struct sample_record *records = sample_records(&rng, &arena, 3);
    records[1].value = BYTES_NULL;
    records[2].value = BYTES_LITERAL("v");
    const struct batch_view batch = make(&arena, records, 3, CODEC_NONE, 0);
    AUTO(batch_filter_deinit) struct batch_filter filter;
    batch_filter_init(&filter, NULL, UNPACKED_MAX);
    AUTO(buf_deinit) struct buf first;
    AUTO(buf_deinit) struct buf second;
    buf_init(&first, UNPACKED_MAX);
    buf_init(&second, UNPACKED_MAX);
    EXPECT_EQ(filter_by(&filter, &batch, records, 7, SOME_HORIZON, &first), BATCH_FILTER_CHANGED);
    const struct batch_view made = sample_view(buf_view(&first));
    const struct batch_filter_horizon later = { .delete_horizon_ms = HORIZON_MS + 5,
                                                .is_for_any = true };
    EXPECT_EQ(filter_by(&filter, &made, records, 7, &later, &second), BATCH_FILTER_SAME);
    /* What goes later leaves the horizon where it is. */
    filter.keep = keep_by_mask;
    filter.context = &(struct choice){ .records = records, .base_offset = 1000, .mask = 5 };
    EXPECT_EQ(batch_filter_run(&filter, &made, &later, &second), BATCH_FILTER_CHANGED);
    const struct batch_view left = sample_view(buf_view(&second));
    EXPECT_EQ(left.base_timestamp, HORIZON_MS);
    expect_records(&left, records, 3, 5);
}

TEST(batch_filter, leaves_a_header_that_keeps_place_and_sequence)
{
    struct rng rng = rng_from_seed(context->seed);
    AUTO(arena_deinit) struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    const struct sample_record *records = sample_records(&rng, &arena, 5);
    const struct batch_view batch =
        make(&arena, records, 5, CODEC_LZ4, BATCH_TRANSACTIONAL | BATCH_LOG_APPEND_TIME);
    AUTO(buf_deinit) struct buf out;
    buf_init(&out, UNPACKED_MAX);
    EXPECT_OK(batch_put_empty(&batch, &out));
    EXPECT_EQ(out.size, BATCH_OVERHEAD_BYTES);
    const struct batch_view made = sample_view(buf_view(&out));
    expect_same_place(&made, &batch);
    EXPECT_OK(batch_check_crc(&made));
    EXPECT_EQ(made.record_count, 0);
    EXPECT_EQ(made.attributes, BATCH_TRANSACTIONAL | BATCH_LOG_APPEND_TIME);
    EXPECT_EQ(made.max_timestamp, batch.max_timestamp);
    EXPECT_EQ(made.base_timestamp, -1);
    /* And goes through the filter itself. */
    AUTO(batch_filter_deinit) struct batch_filter filter;
    batch_filter_init(&filter, NULL, UNPACKED_MAX);
    filter.keep = keep_all;
    EXPECT_EQ(batch_filter_run(&filter, &made, NO_HORIZON, &out), BATCH_FILTER_EMPTY);
}

/* Whatever the bytes of the records are: an outcome or an error, and nothing appended with the latter. */
TEST(batch_filter, refuses_records_that_lie)
{
    struct rng rng = rng_from_seed(context->seed);
    AUTO(arena_deinit) struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    AUTO(batch_filter_deinit) struct batch_filter filter;
    batch_filter_init(&filter, NULL, (size_t)1 << 20);
    filter.keep = keep_all;
    AUTO(buf_deinit) struct buf out;
    buf_init(&out, UNPACKED_MAX);
    uint32_t refused = 0;
    for (int i = 0; i < 4000; i++) {
        const struct sample_record *records = sample_records(&rng, &arena, 4);
        const enum codec codec = (enum codec)rng_below(&rng, CODEC_COUNT);
        struct batch_view batch = make(&arena, records, 4, codec, 0);
        uint8_t *bytes = (uint8_t *)(uintptr_t)batch.bytes.data;
        const size_t at =
            BATCH_OVERHEAD_BYTES + rng_below(&rng, batch.bytes.size - BATCH_OVERHEAD_BYTES);
        bytes[at] ^= (uint8_t)(1u << rng_below(&rng, 8));
        if (rng_chance(&rng, 100000))
            batch.record_count += (int32_t)rng_between(&rng, -4, 4);
        const int r = batch_filter_run(&filter, &batch, SURE_HORIZON, &out);
        refused += r < 0;
        EXPECT(r >= 0 ? r <= BATCH_FILTER_EMPTY
                      : r == -ERR_MALFORMED || r == -ERR_CORRUPT || r == -ERR_LIMIT);
        if (r != BATCH_FILTER_CHANGED)
            EXPECT_EQ(out.size, 0);
        buf_clear(&out);
        arena_reset(&arena);
    }
    EXPECT(refused > 1000);
}

TEST(batch_filter, bounds_what_a_batch_may_unpack_to)
{
    struct sample_record record = { .timestamp = 5, .key = BYTES_LITERAL("k") };
    AUTO(arena_deinit) struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    record.value = bytes_from(arena_zalloc(&arena, 1, 1u << 20), 1u << 20);
    const struct batch_view batch = make(&arena, &record, 1, CODEC_ZSTD, 0);
    AUTO(buf_deinit) struct buf out;
    buf_init(&out, UNPACKED_MAX);
    AUTO(batch_filter_deinit) struct batch_filter filter;
    batch_filter_init(&filter, NULL, 1u << 20);
    filter.keep = keep_all;
    EXPECT_ERR(batch_filter_run(&filter, &batch, NO_HORIZON, &out), ERR_LIMIT);
    batch_filter_deinit(&filter);
    batch_filter_init(&filter, NULL, UNPACKED_MAX);
    filter.keep = keep_all;
    EXPECT_EQ(batch_filter_run(&filter, &batch, NO_HORIZON, &out), BATCH_FILTER_SAME);
}
