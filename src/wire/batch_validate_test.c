/* What a leader looks at, and rebuilding. */
#include "wire/batch_validate.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/test.h"
#include "wire/batch_int.h"
#include "wire/batch_sample_test.h"

#include <string.h>

#define ARENA_BYTES_MAX ((size_t)256 << 20)
#define NOW             INT64_C(1700000000000)

static struct batch_rules plain_rules(void)
{
    return (struct batch_rules){
        .is_from_client = true,
        .now_ms = NOW,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
        .uncompressed_bytes_max = BATCH_UNCOMPRESSED_BYTES_MAX,
    };
}

/* Every codec, with kept contexts and without: sound, and the verdict's numbers are those of a walk. */
TEST(batch_validate, finds_the_numbers_of_sound_batches)
{
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    for (int turn = 0; turn < 60; turn++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES_MAX);
        const int32_t count = (int32_t)rng_between(&rng, 1, 1 << rng_below(&rng, 11));
        const struct sample_record *records = sample_records(&rng, &arena, count);
        int64_t timestamp_max = -1;
        int32_t index_max = -1;
        for (int32_t i = 0; i < count; i++) {
            if (records[i].timestamp > timestamp_max) {
                timestamp_max = records[i].timestamp;
                index_max = i;
            }
        }
        const size_t uncompressed_bytes =
            sample_batch(&arena, records, count, CODEC_NONE, 0).size - BATCH_OVERHEAD_BYTES;
        for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
            const struct batch_view view =
                sample_view(sample_batch(&arena, records, count, codec, 0));
            struct batch_rules rules = plain_rules();
            rules.contexts = turn % 2 == 0 ? contexts : NULL;
            struct batch_verdict verdict;
            EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_SOUND);
            EXPECT_EQ(verdict.fault_index, -1);
            EXPECT_EQ(verdict.record_fault_count, 0);
            EXPECT(verdict.are_deltas_consecutive);
            EXPECT_EQ(verdict.max_timestamp, timestamp_max);
            EXPECT_EQ(verdict.max_timestamp_index, index_max);
            EXPECT_EQ(verdict.uncompressed_bytes, uncompressed_bytes);

            rules.uncompressed_bytes_max = uncompressed_bytes;
            EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_SOUND);
            rules.uncompressed_bytes_max = uncompressed_bytes - 1;
            EXPECT_EQ(batch_validate(&view, &rules, &verdict),
                      codec == CODEC_NONE ? BATCH_SOUND : BATCH_FAULT_UNCOMPRESSED_SIZE);
        }
        arena_deinit(&arena);
    }
    codec_contexts_free(contexts);
}

/* What Apache Kafka reads off the header of a client's batch; brokers' own batches may do all that. */
TEST(batch_validate, judges_the_header)
{
    static const struct {
        int32_t last_offset_delta;
        int32_t count;
        int16_t attributes;
        int64_t producer_id;
        int32_t sequence;
        enum batch_fault wanted;
        enum batch_fault wanted_of_broker;
    } cases[] = {
        { 0, 1, 0, -1, -1, BATCH_SOUND, BATCH_SOUND },
        { -1, 1, 0, -1, -1, BATCH_FAULT_OFFSET_RANGE, BATCH_SOUND },
        { INT32_MIN, 1, 0, -1, -1, BATCH_FAULT_OFFSET_RANGE, BATCH_SOUND },
        { 0, 0, 0, -1, -1, BATCH_FAULT_COUNT, BATCH_FAULT_TRAILING },
        { 0, -1, 0, -1, -1, BATCH_FAULT_COUNT, BATCH_FAULT_COUNT },
        { 0, INT32_MIN, 0, -1, -1, BATCH_FAULT_COUNT, BATCH_FAULT_COUNT },
        { 1, 1, 0, -1, -1, BATCH_FAULT_COUNT_OFFSETS, BATCH_SOUND },
        { 0, 2, 0, -1, -1, BATCH_FAULT_COUNT_OFFSETS, BATCH_FAULT_TRUNCATED },
        { INT32_MAX, 1, 0, -1, -1, BATCH_FAULT_COUNT_OFFSETS, BATCH_SOUND },
        { 1, 2, 0, -1, -1, BATCH_FAULT_TRUNCATED, BATCH_FAULT_TRUNCATED },
        { INT32_MAX - 1, INT32_MAX, 0, -1, -1, BATCH_FAULT_TRUNCATED, BATCH_FAULT_TRUNCATED },
        { 0, 1, BATCH_CONTROL, -1, -1, BATCH_FAULT_CONTROL, BATCH_SOUND },
        { 0, 1, BATCH_TRANSACTIONAL, 5, 0, BATCH_SOUND, BATCH_SOUND },
        { 0, 1, 0, 5, -1, BATCH_FAULT_SEQUENCE, BATCH_SOUND },
        { 0, 1, 5, -1, -1, BATCH_FAULT_CODEC, BATCH_FAULT_CODEC },
        { 0, 1, 7, -1, -1, BATCH_FAULT_CODEC, BATCH_FAULT_CODEC },
        { 0, 1, CODEC_GZIP, -1, -1, BATCH_FAULT_COMPRESSION, BATCH_FAULT_COMPRESSION },
        { 0, 1, CODEC_SNAPPY, -1, -1, BATCH_FAULT_COMPRESSION, BATCH_FAULT_COMPRESSION },
        { 0, 1, CODEC_LZ4, -1, -1, BATCH_FAULT_COMPRESSION, BATCH_FAULT_COMPRESSION },
        { 0, 1, CODEC_ZSTD, -1, -1, BATCH_FAULT_COMPRESSION, BATCH_FAULT_COMPRESSION },
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct batch_view view =
        sample_view(sample_batch_of(&arena, BYTES_LITERAL("\x0c\0\0\0\1\1\0"), 1, CODEC_NONE));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        view.last_offset_delta = cases[i].last_offset_delta;
        view.record_count = cases[i].count;
        view.attributes = cases[i].attributes;
        view.producer_id = cases[i].producer_id;
        view.base_sequence = cases[i].sequence;
        struct batch_rules rules = plain_rules();
        struct batch_verdict verdict;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), cases[i].wanted);
        EXPECT_EQ(verdict.fault, cases[i].wanted);
        EXPECT(batch_fault_sentence(verdict.fault)[0] != '\0');
        rules.is_from_client = false;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), cases[i].wanted_of_broker);
    }
    arena_deinit(&arena);
}

/* Single records that are wrong in one thing each, alone and behind a sound one; padded past the window, so that
 * the walk part by part sees them too. */
TEST(batch_validate, refuses_records_that_do_not_add_up)
{
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t size;
        enum batch_fault wanted;
    } cases[] = {
        { "sound", { 12, 0, 0, 0, 1, 1, 0 }, 7, BATCH_SOUND },
        { "lengths of -5", { 12, 0, 0, 0, 9, 9, 0 }, 7, BATCH_SOUND },
        { "too short", { 10, 0, 0, 0, 1, 1 }, 6, BATCH_FAULT_RECORD },
        { "negative length", { 11, 0, 0, 0, 1, 1, 0 }, 7, BATCH_FAULT_RECORD },
        { "length of 0", { 0, 0, 0, 0, 1, 1, 0 }, 7, BATCH_FAULT_RECORD },
        { "one byte left over", { 14, 0, 0, 0, 1, 1, 0, 0 }, 8, BATCH_FAULT_RECORD },
        { "one byte after", { 12, 0, 0, 0, 1, 1, 0, 0 }, 8, BATCH_FAULT_TRAILING },
        { "key past the end", { 12, 0, 0, 0, 4, 1, 0 }, 7, BATCH_FAULT_RECORD },
        { "value past the end", { 12, 0, 0, 0, 1, 2, 0 }, 7, BATCH_FAULT_RECORD },
        { "negative header count", { 12, 0, 0, 0, 1, 1, 1 }, 7, BATCH_FAULT_RECORD },
        { "a header missing", { 12, 0, 0, 0, 1, 1, 2 }, 7, BATCH_FAULT_RECORD },
        { "null header key", { 16, 0, 0, 0, 1, 1, 2, 1, 1 }, 9, BATCH_FAULT_RECORD },
        { "sound header", { 16, 0, 0, 0, 1, 1, 2, 0, 1 }, 9, BATCH_SOUND },
        { "length of 6 bytes",
          { 0x8c, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 1, 1, 0 },
          12,
          BATCH_FAULT_RECORD },
        { "longer than the batch", { 14, 0, 0, 0, 1, 1, 0 }, 7, BATCH_FAULT_TRUNCATED },
        { "cut length", { 0x80 }, 1, BATCH_FAULT_TRUNCATED },
        { "nothing", { 0 }, 0, BATCH_FAULT_TRUNCATED },
    };
    static const uint8_t sound[] = { 12, 0, 0, 0, 1, 1, 0 };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int before = 0; before < 3; before++) {
            AUTO(buf_deinit) struct buf records;
            buf_init(&records, 1000);
            for (int b = 0; b < before; b++)
                buf_put(&records, sound, sizeof(sound));
            buf_put(&records, cases[i].bytes, cases[i].size);
            for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
                const struct batch_view view =
                    sample_view(sample_batch_of(&arena, buf_view(&records), before + 1, codec));
                const struct batch_rules rules = plain_rules();
                struct batch_verdict verdict;
                const enum batch_fault fault = batch_validate(&view, &rules, &verdict);
                if (fault != cases[i].wanted)
                    test_fail(__FILE__, __LINE__, "%s, %s: %s", cases[i].what, codec_name(codec),
                              batch_fault_sentence(fault));
                if (fault != BATCH_SOUND && fault != BATCH_FAULT_TRAILING)
                    EXPECT_EQ(verdict.fault_index, before);
            }
        }
    }
    arena_deinit(&arena);
}

/* The verdicts on the same records, uncompressed and compressed. */
static void expect_same_verdict(struct bytes records, int32_t count, struct arena *scratch)
{
    const struct batch_rules rules = plain_rules();
    struct batch_verdict plain;
    struct batch_verdict verdict;
    struct batch_view view = sample_view(sample_batch_of(scratch, records, count, CODEC_NONE));
    (void)batch_validate(&view, &rules, &plain);
    for (enum codec codec = CODEC_SNAPPY; codec <= CODEC_LZ4; codec++) {
        view = sample_view(sample_batch_of(scratch, records, count, codec));
        /* A record that is cut may be found out by its parts before its end. */
        const enum batch_fault fault = batch_validate(&view, &rules, &verdict);
        EXPECT_EQ(fault == BATCH_SOUND, plain.fault == BATCH_SOUND);
        EXPECT_EQ(verdict.fault_index, plain.fault_index);
        EXPECT_EQ(verdict.max_timestamp, plain.max_timestamp);
        EXPECT_EQ(verdict.max_timestamp_index, plain.max_timestamp_index);
        EXPECT_EQ(verdict.are_deltas_consecutive, plain.are_deltas_consecutive);
    }
}

/* A record of 280 KB, cut and damaged at and around every length it has: walked part by part, a compressed batch is
 * answered as the uncompressed one is. */
TEST(batch_validate, walks_large_records_part_by_part)
{
    struct arena kept;
    struct arena scratch;
    arena_init(&kept, ARENA_BYTES_MAX);
    arena_init(&scratch, ARENA_BYTES_MAX);
    const struct bytes large = bytes_from(arena_zalloc(&kept, 1, 70000), 70000);
    const struct sample_record records[3] = {
        { .timestamp = NOW, .key = BYTES_LITERAL("small") },
        { .timestamp = NOW + 5,
          .key = large,
          .value = large,
          .headers = { { large, large }, { BYTES_LITERAL("h"), BYTES_NULL } },
          .header_count = 2 },
        { .timestamp = NOW + 1, .value = BYTES_LITERAL("small") },
    };
    const struct bytes batch = sample_batch(&kept, records, 3, CODEC_NONE, 0);
    const struct bytes plain = bytes_slice(batch, BATCH_OVERHEAD_BYTES, SIZE_MAX);
    for (size_t at = 0; at < plain.size; at += at % 70000 < 60 ? 1 : 14000 - at % 70000 % 14000) {
        uint8_t *copy = arena_dup(&kept, plain.data, plain.size);
        expect_same_verdict(bytes_from(copy, at), 3, &scratch);
        copy[at] = 0x7f;
        expect_same_verdict(bytes_from(copy, plain.size), 3, &scratch);
        copy[at] = 0xff;
        expect_same_verdict(bytes_from(copy, plain.size), 3, &scratch);
        arena_reset(&scratch);
    }
    expect_same_verdict(plain, 3, &scratch);
    arena_deinit(&kept);
    arena_deinit(&scratch);
}

/* Whatever is done to the bytes: what is found sound can be walked by every consumer, and the other way round. */
TEST(batch_validate, finds_sound_what_can_be_walked)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena kept;
    struct arena scratch;
    arena_init(&kept, ARENA_BYTES_MAX);
    arena_init(&scratch, ARENA_BYTES_MAX);
    const struct sample_record *records = sample_records(&rng, &kept, 6);
    const struct bytes batch = sample_batch(&kept, records, 6, CODEC_NONE, 0);
    uint32_t sound_count = 0;
    for (int turn = 0; turn < 20000; turn++) {
        uint8_t *copy = arena_dup(&scratch, batch.data + BATCH_OVERHEAD_BYTES,
                                  batch.size - BATCH_OVERHEAD_BYTES);
        const size_t size = batch.size - BATCH_OVERHEAD_BYTES;
        for (int64_t i = rng_between(&rng, 0, 3); i > 0; i--)
            copy[rng_below(&rng, size)] = (uint8_t)rng_below(&rng, turn % 2 == 0 ? 256 : 8);
        const struct batch_view view = sample_view(sample_batch_of(
            &scratch, bytes_from(copy, size), 6, turn % 3 == 0 ? CODEC_LZ4 : CODEC_NONE));
        struct batch_rules rules = plain_rules();
        rules.timestamp_after_max_ms = INT64_MAX;
        struct batch_verdict verdict;
        const bool is_sound = batch_validate(&view, &rules, &verdict) == BATCH_SOUND;
        sound_count += is_sound;

        struct record record;
        AUTO(record_walk_deinit) struct record_walk walk;
        record_walk_init(&walk, &view, NULL, 1 << 20);
        int64_t timestamp_max = -1;
        int r;
        while ((r = record_walk_next(&walk, &record)) > 0)
            timestamp_max = MAX(timestamp_max, record.timestamp);
        if (is_sound && verdict.are_deltas_consecutive) {
            EXPECT_EQ(r, 0);
            EXPECT_EQ(timestamp_max, verdict.max_timestamp);
        } else if (!is_sound) {
            EXPECT(r < 0);
        }
        arena_reset(&scratch);
    }
    EXPECT(sound_count > 1000);
    EXPECT(sound_count < 19000);
    arena_deinit(&kept);
    arena_deinit(&scratch);
}

/* message.timestamp.before.max.ms and .after.max.ms, at their borders and where differences do not fit 64 bits: Apache
 * Kafka's wrap, and so do these. */
TEST(batch_validate, judges_timestamps_as_kafka_does)
{
    static const struct {
        int64_t timestamp;
        int64_t before_max;
        int64_t after_max;
        bool is_good;
    } cases[] = {
        { NOW, 0, 0, true },
        { NOW - 1, 0, 0, false },
        { NOW + 1, 0, 0, false },
        { NOW - 1000, 1000, 0, true },
        { NOW - 1001, 1000, 0, false },
        { NOW + 1000, 0, 1000, true },
        { NOW + 1001, 0, 1000, false },
        { 0, INT64_MAX, 3600000, true },
        { -1, 0, 0, true }, /* no timestamp */
        { -2, 0, 0, false },
        { -2, INT64_MAX, 0, true },
        { INT64_MIN, INT64_MAX, 3600000, false }, /* now - timestamp wraps to a lead */
        { INT64_MIN, INT64_MAX, INT64_MAX, true },
        { INT64_MAX, INT64_MAX, 3600000, false },
        { INT64_MAX, INT64_MAX, INT64_MAX, true },
        { NOW - INT64_MAX, INT64_MAX, 0, true },
        { NOW - INT64_MAX - 1, INT64_MAX, 0, true }, /* the lead of 2^63 wraps to itself */
        { NOW - INT64_MAX - 2, INT64_MAX, 0, false },
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct sample_record records[] = { { .timestamp = NOW },
                                                 { .timestamp = cases[i].timestamp,
                                                   .value = BYTES_LITERAL("12345") } };
        const struct batch_view view = sample_view(sample_batch(&arena, records, 2, CODEC_NONE, 0));
        struct record_fault faults[4];
        struct batch_rules rules = plain_rules();
        rules.timestamp_before_max_ms = cases[i].before_max;
        rules.timestamp_after_max_ms = cases[i].after_max;
        rules.record_faults = faults;
        rules.record_faults_max = ARRAY_LEN(faults);
        struct batch_verdict verdict;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict),
                  cases[i].is_good ? BATCH_SOUND : BATCH_FAULT_RECORDS);
        EXPECT_EQ(verdict.has_timestamp_fault, !cases[i].is_good);
        EXPECT_EQ(verdict.record_fault_count, cases[i].is_good ? 0 : 1);
        EXPECT_EQ(verdict.max_timestamp, MAX(NOW, cases[i].timestamp));
        if (!cases[i].is_good) {
            EXPECT_EQ(faults[0].reason, RECORD_FAULT_TIMESTAMP);
            EXPECT_EQ(faults[0].index, 1);
            EXPECT_EQ(faults[0].offset, 1);
            EXPECT_EQ(faults[0].timestamp, cases[i].timestamp);
            EXPECT_EQ(faults[0].key_bytes, -1);
            EXPECT_EQ(faults[0].value_bytes, 5);
        }
        /* The broker stamps the batch itself: whatever the records say. */
        rules.is_log_append_time = true;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_SOUND);
    }
    arena_deinit(&arena);
}

/* LogValidator's odd rule, kept: a batch that says LogAppendTime passes on a CreateTime topic if its time is in
 * bounds, and is refused, every record of it, on a LogAppendTime topic. */
TEST(batch_validate, refuses_append_time_from_clients)
{
    static const struct {
        bool topic_is_append_time;
        int64_t batch_time;
        enum batch_fault wanted;
        enum record_fault_reason reason;
    } cases[] = {
        { true, NOW, BATCH_FAULT_RECORDS, RECORD_FAULT_APPEND_TIME },
        { true, -1, BATCH_FAULT_RECORDS, RECORD_FAULT_APPEND_TIME },
        { false, NOW, BATCH_SOUND, 0 },
        { false, NOW + 3600001, BATCH_FAULT_RECORDS, RECORD_FAULT_TIMESTAMP },
        { false, -1, BATCH_FAULT_RECORDS, RECORD_FAULT_APPEND_TIME },
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct sample_record records[] = { { .timestamp = 5 },
                                             { .timestamp = 6 },
                                             { .timestamp = 7 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
            struct batch_view view =
                sample_view(sample_batch(&arena, records, 3, codec, BATCH_LOG_APPEND_TIME));
            view.max_timestamp = cases[i].batch_time;
            struct record_fault faults[2];
            struct batch_rules rules = plain_rules();
            rules.is_log_append_time = cases[i].topic_is_append_time;
            rules.record_faults = faults;
            rules.record_faults_max = ARRAY_LEN(faults);
            struct batch_verdict verdict;
            EXPECT_EQ(batch_validate(&view, &rules, &verdict), cases[i].wanted);
            EXPECT_EQ(verdict.max_timestamp, cases[i].batch_time);
            if (cases[i].wanted == BATCH_FAULT_RECORDS) {
                EXPECT_EQ(verdict.record_fault_count, 3); /* one more than were asked for */
                EXPECT(verdict.has_timestamp_fault);
                EXPECT_EQ(faults[1].reason, cases[i].reason);
                EXPECT_EQ(faults[1].index, 1);
                EXPECT_EQ(faults[1].timestamp, cases[i].batch_time);
                EXPECT(record_fault_sentence(faults[1].reason)[0] != '\0');
            }
        }
    }
    arena_deinit(&arena);
}

/* Compaction needs keys; a missing key is told before a bad timestamp of the same record. */
TEST(batch_validate, wants_keys_for_compaction)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct bytes large = bytes_from(arena_zalloc(&arena, 1, 100000), 100000);
    const struct sample_record records[] = {
        { .timestamp = NOW, .key = BYTES_LITERAL("") },
        { .timestamp = NOW + 9999999, .value = large },
        { .timestamp = NOW + 9999999, .key = large },
        { .timestamp = NOW, .value = BYTES_LITERAL("v") },
    };
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        const struct batch_view view = sample_view(sample_batch(&arena, records, 4, codec, 0));
        struct record_fault faults[4];
        struct batch_rules rules = plain_rules();
        rules.is_compacted = true;
        rules.record_faults = faults;
        rules.record_faults_max = ARRAY_LEN(faults);
        struct batch_verdict verdict;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_FAULT_RECORDS);
        EXPECT_EQ(verdict.record_fault_count, 3);
        EXPECT(verdict.has_timestamp_fault);
        EXPECT_EQ(faults[0].reason, RECORD_FAULT_NO_KEY);
        EXPECT_EQ(faults[0].index, 1);
        EXPECT_EQ(faults[0].key_bytes, -1);
        EXPECT_EQ(faults[0].value_bytes, 100000);
        EXPECT_EQ(faults[1].reason, RECORD_FAULT_TIMESTAMP);
        EXPECT_EQ(faults[1].index, 2);
        EXPECT_EQ(faults[1].key_bytes, 100000);
        EXPECT_EQ(faults[2].reason, RECORD_FAULT_NO_KEY);
        EXPECT_EQ(faults[2].index, 3);

        rules.timestamp_after_max_ms = INT64_MAX;
        rules.record_faults = NULL;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_FAULT_RECORDS);
        EXPECT_EQ(verdict.record_fault_count, 2);
        EXPECT(!verdict.has_timestamp_fault);
        rules.is_compacted = false;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_SOUND);
    }
    arena_deinit(&arena);
}

/* 1 GiB out of a few KB is given up at the limit. */
TEST(batch_validate, gives_up_on_a_bomb)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct bytes zeros = bytes_from(arena_zalloc(&arena, 1, 1 << 20), 1 << 20);
    AUTO(buf_deinit) struct buf bomb;
    buf_init(&bomb, 1 << 20);
    (void)buf_extend(&bomb, BATCH_OVERHEAD_BYTES);
    static const uint8_t head[] = { 0x80, 0x80, 0x80, 0x80, 0x0e, 0,    0,
                                    0,    1,    0x80, 0x80, 0x80, 0x80, 0x0d };
    EXPECT_OK(codec_compress(NULL, CODEC_ZSTD, COMPRESS_LEVEL_DEFAULT,
                             bytes_from(head, sizeof(head)), &bomb));
    for (int i = 0; i < 1024; i++)
        EXPECT_OK(codec_compress(NULL, CODEC_ZSTD, COMPRESS_LEVEL_DEFAULT, zeros, &bomb));
    const struct batch_view header = { .attributes = CODEC_ZSTD,
                                       .record_count = 1,
                                       .producer_id = -1 };
    batch__store_header(bomb.data, &header, bomb.size);
    const struct batch_view view = sample_view(buf_view(&bomb));
    struct batch_rules rules = plain_rules();
    rules.uncompressed_bytes_max = 10 << 20;
    struct batch_verdict verdict;
    EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_FAULT_UNCOMPRESSED_SIZE);
    EXPECT(verdict.uncompressed_bytes < 11 << 20);
    arena_deinit(&arena);
}

static struct batch_rebuild rebuild_to(enum codec codec, size_t uncompressed_bytes_max)
{
    return (struct batch_rebuild){ .codec = codec,
                                   .codec_level = COMPRESS_LEVEL_DEFAULT,
                                   .are_deltas_consecutive = true,
                                   .uncompressed_bytes_max = uncompressed_bytes_max };
}

/* From every codec to every codec: but for the codec all is as before. */
TEST(batch_rebuild, keeps_everything_but_the_codec)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct sample_record *records = sample_records(&rng, &arena, 300);
    const struct bytes plain = sample_batch(&arena, records, 300, CODEC_NONE, BATCH_TRANSACTIONAL);
    const size_t uncompressed_bytes = plain.size - BATCH_OVERHEAD_BYTES;
    for (enum codec from = CODEC_NONE; from < CODEC_COUNT; from++) {
        uint8_t *batch = arena_dup(&arena, plain.data, plain.size);
        struct batch_view view =
            sample_view(sample_batch(&arena, records, 300, from, BATCH_TRANSACTIONAL));
        view.base_offset = 1234567;
        view.producer_id = 99;
        view.leader_epoch = 8;
        view.base_sequence = 3;
        for (enum codec to = CODEC_NONE; to < CODEC_COUNT; to++) {
            struct batch_rebuild how = rebuild_to(to, uncompressed_bytes);
            AUTO(buf_deinit) struct buf out;
            buf_init(&out, 10 << 20);
            buf_put_text(&out, "before");
            EXPECT_OK(batch_rebuild(&view, &how, &out));
            const struct batch_view got = sample_view(bytes_slice(buf_view(&out), 6, SIZE_MAX));
            EXPECT_OK(batch_check_crc(&got));
            EXPECT_EQ(batch_codec(&got), to);
            EXPECT_EQ(got.attributes & ~BATCH_CODEC_MASK, BATCH_TRANSACTIONAL);
            EXPECT_EQ(got.base_offset, 1234567);
            EXPECT_EQ(got.producer_id, 99);
            EXPECT_EQ(got.leader_epoch, 8);
            EXPECT_EQ(got.base_sequence, 3);
            EXPECT_EQ(got.base_timestamp, view.base_timestamp);
            EXPECT_EQ(got.max_timestamp, view.max_timestamp);
            EXPECT_EQ(got.record_count, 300);
            EXPECT_EQ(got.last_offset_delta, 299);

            struct batch_view back = got;
            AUTO(buf_deinit) struct buf again;
            buf_init(&again, 10 << 20);
            how = rebuild_to(CODEC_NONE, uncompressed_bytes);
            EXPECT_OK(batch_rebuild(&back, &how, &again));
            EXPECT_BYTES(bytes_slice(buf_view(&again), BATCH_OVERHEAD_BYTES, SIZE_MAX),
                         bytes_from(batch + BATCH_OVERHEAD_BYTES, uncompressed_bytes));
        }
    }
    arena_deinit(&arena);
}

/* Deltas that some old client got wrong become 0, 1, 2 … in the order of the records, and nothing else changes. */
TEST(batch_rebuild, numbers_the_records_anew)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const int32_t count = 200;
    const struct sample_record *records = sample_records(&rng, &arena, count);
    struct batch_options options = BATCH_OPTIONS_NONE;
    AUTO(batch_builder_deinit) struct batch_builder b;
    batch_builder_init(&b, &options);
    for (int32_t i = 0; i < count; i++)
        EXPECT_OK(batch_builder_add_at(&b, i * 1000, records[i].timestamp, records[i].key,
                                       records[i].value, records[i].headers,
                                       records[i].header_count));
    struct bytes batch;
    EXPECT_OK(batch_builder_finish(&b, &batch));
    struct batch_view view = sample_view(batch);
    struct batch_rules rules = plain_rules();
    struct batch_verdict verdict;
    view.last_offset_delta = count - 1; /* what such a client says */
    EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_SOUND);
    EXPECT(!verdict.are_deltas_consecutive);

    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct batch_rebuild how = rebuild_to(codec, verdict.uncompressed_bytes);
        how.are_deltas_consecutive = false;
        AUTO(buf_deinit) struct buf out;
        buf_init(&out, 10 << 20);
        EXPECT_OK(batch_rebuild(&view, &how, &out));
        const struct batch_view got = sample_view(buf_view(&out));
        struct batch_verdict verdict_after;
        EXPECT_EQ(batch_validate(&got, &rules, &verdict_after), BATCH_SOUND);
        EXPECT(verdict_after.are_deltas_consecutive);
        EXPECT_BYTES(
            bytes_from(buf_view(&out).data + BATCH_OVERHEAD_BYTES, 100),
            bytes_slice(sample_batch(&arena, records, count, codec, 0), BATCH_OVERHEAD_BYTES, 100));
    }
    arena_deinit(&arena);
}

TEST(batch_rebuild, leaves_nothing_behind_when_it_fails)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct sample_record *records = sample_records(&rng, &arena, 50);
    for (enum codec from = CODEC_NONE; from < CODEC_COUNT; from++) {
        struct batch_view view = sample_view(sample_batch(&arena, records, 50, from, 0));
        struct batch_rules rules = plain_rules();
        struct batch_verdict verdict;
        EXPECT_EQ(batch_validate(&view, &rules, &verdict), BATCH_SOUND);
        for (enum codec to = CODEC_NONE; to < CODEC_COUNT; to++) {
            for (int kind = 0; kind < 7; kind++) {
                struct batch_rebuild how = rebuild_to(to, verdict.uncompressed_bytes);
                struct batch_view broken = view;
                AUTO(buf_deinit) struct buf out;
                buf_init(&out, kind == 0 ? 100 : kind == 1 ? 10 : 10 << 20);
                buf_put_text(&out, "before");
                int wanted = -ERR_LIMIT;
                if (kind == 2) {
                    how.uncompressed_bytes_max--;
                } else if (kind == 3) {
                    how.codec_level = 1000;
                    wanted = -ERR_INVALID_ARGUMENT;
                } else if (kind == 4) {
                    how.codec = (enum codec)6;
                    wanted = -ERR_INVALID_ARGUMENT;
                } else if (kind == 5) {
                    broken.attributes = 7;
                    wanted = -ERR_UNSUPPORTED;
                } else if (kind == 6) {
                    how.are_deltas_consecutive = false;
                    broken.record_count++;
                    wanted = -ERR_OVERRUN;
                }
                EXPECT_EQ(batch_rebuild(&broken, &how, &out), wanted);
                EXPECT(buf_is_ok(&out));
                EXPECT_EQ(out.size, 6);
            }
        }
    }
    arena_deinit(&arena);
}
