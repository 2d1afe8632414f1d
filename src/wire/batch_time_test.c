/* Looking for a time in a batch: held against a walk over its records. */
#include "base/mem.h"
#include "base/test.h"
#include "wire/batch_sample_test.h"

#define ARENA_BYTES_MAX (64u << 20)

static const enum codec codecs[] = { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD };

/* What a walk over all records answers. */
static int walk_to(const struct batch_view *view, const struct batch_time_search *search,
                   struct batch_time_found *out)
{
    struct record_walk walk;
    struct record record;
    record_walk_init(&walk, view, NULL, INT32_MAX);
    int r;
    while ((r = record_walk_next(&walk, &record)) > 0)
        if (record.timestamp >= search->timestamp && record.offset >= search->start_offset) {
            *out =
                (struct batch_time_found){ .offset = record.offset, .timestamp = record.timestamp };
            break;
        }
    record_walk_deinit(&walk);
    return r;
}

TEST(batch_find_time, answers_as_a_walk_does)
{
    struct rng rng = rng_from_seed(context->seed);
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES_MAX);
        const int32_t count = 300;
        const struct sample_record *records = sample_records(&rng, &arena, count);
        const struct batch_view view =
            sample_view(sample_batch(&arena, records, count, codecs[c], 0));
        uint32_t found_count = 0;
        for (int i = 0; i < 400; i++) {
            const struct batch_time_search search = {
                .timestamp = i == 0 ? view.max_timestamp
                                    : records[rng_below(&rng, (uint64_t)count)].timestamp +
                                          (int64_t)rng_below(&rng, 3) - 1,
                .start_offset = (int64_t)rng_below(&rng, 2) * (int64_t)rng_below(&rng, 400),
                .passed_bytes_max = UINT64_MAX,
            };
            struct batch_time_found wanted = { 0 };
            struct batch_time_found found = { 0 };
            const int r = walk_to(&view, &search, &wanted);
            EXPECT_EQ(batch_find_time(&view, &search, &found), r);
            EXPECT_EQ(found.offset, wanted.offset);
            EXPECT_EQ(found.timestamp, wanted.timestamp);
            found_count += r > 0;
        }
        EXPECT(found_count > 0);
        arena_deinit(&arena);
    }
}

/* One record after the other costs what it holds: the search stops where its bytes are spent, and not a record before. */
TEST(batch_find_time, passes_no_more_than_it_may)
{
    struct rng rng = rng_from_seed(context->seed);
    for (size_t c = 0; c < ARRAY_LEN(codecs); c++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES_MAX);
        const int32_t count = 40;
        const struct batch_view view = sample_view(
            sample_batch(&arena, sample_records(&rng, &arena, count), count, codecs[c], 0));
        uint64_t before = 0;
        struct record_walk walk;
        struct record record;
        record_walk_init(&walk, &view, NULL, INT32_MAX);
        while (record_walk_next(&walk, &record) > 0) {
            struct batch_time_search search = { .timestamp = INT64_MIN,
                                                .start_offset = record.offset,
                                                .passed_bytes_max = before };
            struct batch_time_found found = { 0 };
            EXPECT_EQ(batch_find_time(&view, &search, &found), 1);
            EXPECT_EQ(found.offset, record.offset);
            if (before > 0) {
                search.passed_bytes_max = before - 1;
                EXPECT_ERR(batch_find_time(&view, &search, &found), ERR_LIMIT);
            }
            before += record.size_bytes;
        }
        record_walk_deinit(&walk);
        arena_deinit(&arena);
    }
}

/* Whatever stands where records should: an answer, and no byte beyond the end. */
TEST(batch_find_time, refuses_what_is_cut_or_changed)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct bytes batch =
        sample_batch(&arena, sample_records(&rng, &arena, 5), 5, CODEC_NONE, 0);
    const struct bytes records = batch_records(&(struct batch_view){ .bytes = batch });
    const struct batch_time_search search = { .timestamp = INT64_MAX,
                                              .start_offset = INT64_MAX,
                                              .passed_bytes_max = UINT64_MAX };
    for (size_t cut = 0; cut < records.size; cut++) {
        const struct batch_view view =
            sample_view(sample_batch_of(&arena, bytes_slice(records, 0, cut), 5, CODEC_NONE));
        struct batch_time_found found;
        EXPECT(batch_find_time(&view, &search, &found) < 0);
    }
    for (int i = 0; i < 2000; i++) {
        uint8_t *changed = arena_dup(&arena, records.data, records.size);
        changed[rng_below(&rng, records.size)] = (uint8_t)rng_below(&rng, 256);
        const struct batch_view view =
            sample_view(sample_batch_of(&arena, bytes_from(changed, records.size), 5, CODEC_NONE));
        struct batch_time_found found;
        EXPECT(batch_find_time(&view, &search, &found) <= 0);
    }
    arena_deinit(&arena);
}
