/* Batch headers, the builder and the walk. */
#include "wire/batch_sample_test.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/test.h"
#include "wire/crc32c.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)

static void expect_same_record(const struct record *got, const struct sample_record *wanted,
                               struct arena *arena)
{
    EXPECT_EQ(got->timestamp, wanted->timestamp);
    EXPECT_BYTES(got->key, wanted->key);
    EXPECT_BYTES(got->value, wanted->value);
    EXPECT_EQ(bytes_is_null(got->key), bytes_is_null(wanted->key));
    EXPECT_EQ(bytes_is_null(got->value), bytes_is_null(wanted->value));
    struct record_header *headers;
    EXPECT_EQ(record_headers(got, arena, &headers), wanted->header_count);
    for (int32_t i = 0; i < wanted->header_count; i++) {
        EXPECT_BYTES(headers[i].key, wanted->headers[i].key);
        EXPECT_BYTES(headers[i].value, wanted->headers[i].value);
        EXPECT_EQ(bytes_is_null(headers[i].value), bytes_is_null(wanted->headers[i].value));
    }
}

/* Random records through every codec, with kept contexts and without. */
TEST(batch, gives_back_the_records_that_went_in)
{
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    for (int turn = 0; turn < 60; turn++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES_MAX);
        const int32_t count = (int32_t)rng_between(&rng, 1, 1 << rng_below(&rng, 11));
        const struct sample_record *records = sample_records(&rng, &arena, count);
        for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
            const struct bytes bytes = sample_batch(&arena, records, count, codec, 0);
            const struct batch_view view = sample_view(bytes);
            EXPECT_OK(batch_check_crc(&view));
            EXPECT_EQ(batch_codec(&view), codec);
            EXPECT_EQ(view.record_count, count);
            EXPECT_EQ(batch_last_offset(&view), count - 1);
            EXPECT_EQ(view.base_timestamp, records[0].timestamp);

            int64_t timestamp_max = -1;
            struct record record;
            AUTO(record_walk_deinit) struct record_walk walk;
            record_walk_init(&walk, &view, turn % 2 == 0 ? contexts : NULL, 1 << 20);
            for (int32_t i = 0; i < count; i++) {
                EXPECT_EQ(record_walk_next(&walk, &record), 1);
                EXPECT_EQ(record.offset, i);
                expect_same_record(&record, &records[i], &arena);
                timestamp_max = MAX(timestamp_max, record.timestamp);
            }
            EXPECT_EQ(record_walk_next(&walk, &record), 0);
            EXPECT_EQ(record_walk_next(&walk, &record), 0);
            EXPECT_EQ(view.max_timestamp, timestamp_max);
        }
        arena_deinit(&arena);
    }
    codec_contexts_free(contexts);
}

/* Every field of the options arrives at its place in the header. */
TEST(batch_builder, writes_every_field_of_the_header)
{
    const struct batch_options options = {
        .base_offset = INT64_C(0x0102030405060708),
        .leader_epoch = 0x11121314,
        .attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL | BATCH_LOG_APPEND_TIME,
        .codec = CODEC_NONE,
        .codec_level = COMPRESS_LEVEL_DEFAULT,
        .append_time_ms = INT64_C(0x2122232425262728),
        .producer_id = INT64_C(0x3132333435363738),
        .producer_epoch = 0x4142,
        .base_sequence = 0x51525354,
        .size_bytes_max = 1000,
    };
    static const uint8_t wanted[] = {
        1,    2,    3,    4,       5,    6,    7,    8,    /* base offset */
        0,    0,    0,    49 + 10,                         /* length */
        0x11, 0x12, 0x13, 0x14,    2,                      /* leader epoch, magic */
        0,    0,    0,    0,                               /* CRC, below */
        0,    0x38, 0,    0,       0,    5,                /* attributes, last offset delta */
        0,    0,    0,    0,       0,    0,    0,    77,   /* base timestamp */
        0x21, 0x22, 0x23, 0x24,    0x25, 0x26, 0x27, 0x28, /* max timestamp */
        0x31, 0x32, 0x33, 0x34,    0x35, 0x36, 0x37, 0x38, 0x41, 0x42, /* producer id, epoch */
        0x51, 0x52, 0x53, 0x54,    0,    0,    0,    1,                /* sequence, count */
        18,   0,    0,    10,      2,    'k',  4,    'v',  'w',  0,    /* the record */
    };
    AUTO(batch_builder_deinit) struct batch_builder b;
    batch_builder_init(&b, &options);
    EXPECT_OK(batch_builder_add_at(&b, 5, 77, BYTES_LITERAL("k"), BYTES_LITERAL("vw"), NULL, 0));
    EXPECT_EQ(batch_builder_size(&b), sizeof(wanted));
    struct bytes batch;
    EXPECT_OK(batch_builder_finish(&b, &batch));
    uint8_t sealed[sizeof(wanted)];
    memcpy(sealed, wanted, sizeof(wanted));
    be_store_u32(sealed + 17, crc32c(0, wanted + 21, sizeof(wanted) - 21));
    EXPECT_BYTES(batch, bytes_from(sealed, sizeof(sealed)));

    const struct batch_view view = sample_view(batch);
    EXPECT_EQ(view.base_offset, options.base_offset);
    EXPECT_EQ(view.leader_epoch, options.leader_epoch);
    EXPECT_EQ(view.attributes, options.attributes);
    EXPECT_EQ(view.last_offset_delta, 5);
    EXPECT_EQ(view.base_timestamp, 77);
    EXPECT_EQ(view.max_timestamp, options.append_time_ms);
    EXPECT_EQ(view.producer_id, options.producer_id);
    EXPECT_EQ(view.producer_epoch, options.producer_epoch);
    EXPECT_EQ(view.base_sequence, options.base_sequence);
    EXPECT_EQ(view.record_count, 1);
    EXPECT_EQ(batch_last_offset(&view), options.base_offset + 5);

    /* With log append time every record has the batch's. */
    struct record record;
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, &view, NULL, 100);
    EXPECT_EQ(record_walk_next(&walk, &record), 1);
    EXPECT_EQ(record.timestamp, options.append_time_ms);
    EXPECT_EQ(record.offset, options.base_offset + 5);
    EXPECT_EQ(record.size_bytes, 10);
}

/* At every maximum: what does not fit is refused and changes nothing. */
TEST(batch_builder, refuses_what_does_not_fit)
{
    for (size_t size_max = BATCH_OVERHEAD_BYTES; size_max < 400; size_max++) {
        struct batch_options options = BATCH_OPTIONS_NONE;
        options.size_bytes_max = size_max;
        AUTO(batch_builder_deinit) struct batch_builder b;
        batch_builder_init(&b, &options);
        struct bytes batch;
        EXPECT_ERR(batch_builder_finish(&b, &batch), ERR_INVALID_ARGUMENT);
        const struct record_header header = { BYTES_LITERAL("header"), BYTES_NULL };
        int32_t count = 0;
        for (;;) {
            const size_t size_before = batch_builder_size(&b);
            const int r =
                batch_builder_add(&b, count, BYTES_NULL, BYTES_LITERAL("0123456789"), &header, 1);
            if (r < 0) {
                EXPECT_EQ(r, -ERR_LIMIT);
                EXPECT_EQ(batch_builder_size(&b), size_before);
                EXPECT(size_before + 25 > size_max);
                break;
            }
            count++;
        }
        EXPECT_EQ(count, (size_max - BATCH_OVERHEAD_BYTES) / 25);
        if (count > 0) {
            EXPECT_OK(batch_builder_finish(&b, &batch));
            EXPECT_EQ(sample_view(batch).record_count, count);
        }
    }
}

/* A builder goes on after finish, and starts anew after reset. */
TEST(batch_builder, can_be_finished_twice_and_used_again)
{
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct batch_options options = BATCH_OPTIONS_NONE;
        options.codec = codec;
        AUTO(batch_builder_deinit) struct batch_builder b;
        batch_builder_init(&b, &options);
        for (int32_t round = 0; round < 3; round++) {
            for (int32_t i = 1; i < 50; i++) {
                EXPECT_OK(batch_builder_add(&b, i, BYTES_LITERAL("key"), BYTES_NULL, NULL, 0));
                struct bytes batch;
                EXPECT_OK(batch_builder_finish(&b, &batch));
                const struct batch_view view = sample_view(batch);
                EXPECT_OK(batch_check_crc(&view));
                EXPECT_EQ(view.record_count, i);
            }
            options.codec_level = round == 1 ? 99 : COMPRESS_LEVEL_DEFAULT;
            batch_builder_reset(&b, &options);
            EXPECT_EQ(batch_builder_size(&b), BATCH_OVERHEAD_BYTES);
            options.codec_level = COMPRESS_LEVEL_DEFAULT;
            if (round == 1) {
                struct bytes batch;
                EXPECT_OK(batch_builder_add(&b, 1, BYTES_NULL, BYTES_NULL, NULL, 0));
                EXPECT_ERR(batch_builder_finish(&b, &batch), ERR_INVALID_ARGUMENT);
                batch_builder_reset(&b, &options);
            }
        }
    }
}

/* Deltas and timestamps at the ends of their types. */
TEST(batch_builder, holds_extreme_deltas)
{
    static const int64_t timestamps[] = { INT64_MIN, INT64_MAX, 0, -1, INT64_MAX, INT64_MIN };
    static const int32_t deltas[] = { 0, 1, 63, 64, 8191, INT32_MAX };
    struct batch_options options = BATCH_OPTIONS_NONE;
    AUTO(batch_builder_deinit) struct batch_builder b;
    batch_builder_init(&b, &options);
    for (size_t i = 0; i < ARRAY_LEN(deltas); i++)
        EXPECT_OK(batch_builder_add_at(&b, deltas[i], timestamps[i], BYTES_NULL, BYTES_LITERAL(""),
                                       NULL, 0));
    struct bytes batch;
    EXPECT_OK(batch_builder_finish(&b, &batch));
    const struct batch_view view = sample_view(batch);
    EXPECT_EQ(view.max_timestamp, INT64_MAX);
    EXPECT_EQ(view.last_offset_delta, INT32_MAX);
    struct record record;
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, &view, NULL, 100);
    for (size_t i = 0; i < ARRAY_LEN(deltas); i++) {
        EXPECT_EQ(record_walk_next(&walk, &record), 1);
        EXPECT_EQ(record.offset, deltas[i]);
        EXPECT_EQ(record.timestamp, timestamps[i]);
    }
    EXPECT_EQ(record_walk_next(&walk, &record), 0);
}

/* A batch that is cut anywhere is not there yet; with more behind it, it is the first. */
TEST(batch_parse, tells_a_batch_cut_anywhere)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct bytes batch =
        sample_batch(&arena, sample_records(&rng, &arena, 5), 5, CODEC_NONE, 0);
    struct batch_view view;
    for (size_t cut = 0; cut < batch.size; cut++) {
        AUTO(mem_freep) uint8_t *copy = mem_dup(batch.data, cut);
        EXPECT_ERR(batch_parse(bytes_from(copy, cut), &view), ERR_OVERRUN);
        if (cut < BATCH_OVERHEAD_BYTES) {
            EXPECT_ERR(batch_parse_header(bytes_from(copy, cut), &view), ERR_OVERRUN);
        } else {
            EXPECT_EQ(batch_parse_header(bytes_from(copy, cut), &view), batch.size);
            EXPECT_EQ(view.record_count, 5);
            EXPECT(bytes_is_null(view.bytes));
        }
        EXPECT_EQ(batch_size(bytes_from(copy, cut)),
                  cut < BATCH_PREFIX_BYTES ? -ERR_OVERRUN : (int)batch.size);
    }
    AUTO(mem_freep) uint8_t *longer = mem_zalloc(batch.size + 100);
    memcpy(longer, batch.data, batch.size);
    EXPECT_EQ(batch_parse(bytes_from(longer, batch.size + 100), &view), batch.size);
    EXPECT_EQ(view.bytes.size, batch.size);
    arena_deinit(&arena);
}

TEST(batch_parse, refuses_impossible_lengths_and_magics)
{
    static const struct {
        int32_t length;
        int8_t magic;
        int wanted;
    } cases[] = {
        { -1, 2, -ERR_CORRUPT },
        { 0, 2, -ERR_CORRUPT },
        { 48, 2, -ERR_CORRUPT },
        { 49, 2, 61 },
        { INT32_MIN, 2, -ERR_CORRUPT },
        { INT32_MAX, 2, -ERR_CORRUPT },
        { INT32_MAX - 12, 2, -ERR_OVERRUN },
        { INT32_MAX - 11, 2, -ERR_CORRUPT },
        { 13, 0, -ERR_CORRUPT },
        { 14, 0, -ERR_VERSION },
        { 13, 1, -ERR_CORRUPT },
        { 14, 1, -ERR_VERSION },
        { 49, 3, -ERR_VERSION },
        { 48, 3, -ERR_CORRUPT },
        { 14, -1, -ERR_VERSION },
    };
    uint8_t bytes[BATCH_OVERHEAD_BYTES] = { 0 };
    bytes[7] = 42;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct batch_view view = { 0 };
        be_store_u32(bytes + 8, (uint32_t)cases[i].length);
        bytes[16] = (uint8_t)cases[i].magic;
        EXPECT_EQ(batch_parse(bytes_from(bytes, sizeof(bytes)), &view), cases[i].wanted);
        if (cases[i].wanted == -ERR_VERSION) {
            EXPECT_EQ(view.base_offset, 42);
            EXPECT_EQ(view.magic, cases[i].magic);
            EXPECT_EQ(view.bytes.size, cases[i].length + 12);
        }
    }
}

/* The CRC covers every bit from the attributes on; what the leader patches lies before. */
TEST(batch_check_crc, notices_every_flipped_bit)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    const struct bytes batch =
        sample_batch(&arena, sample_records(&rng, &arena, 3), 3, CODEC_LZ4, 0);
    AUTO(mem_freep) uint8_t *copy = mem_dup(batch.data, batch.size);
    for (size_t bit = 0; bit < batch.size * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct batch_view view;
        const int r = batch_parse(bytes_from(copy, batch.size), &view);
        if (bit / 8 >= 17)
            EXPECT_ERR(batch_check_crc(&view), ERR_CORRUPT);
        else if (r == (int)batch.size)
            EXPECT_OK(batch_check_crc(&view));
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    arena_deinit(&arena);
}

TEST(batch, is_patched_in_place)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct rng rng = rng_from_seed(context->seed);
    const struct bytes batch =
        sample_batch(&arena, sample_records(&rng, &arena, 3), 3, CODEC_ZSTD, BATCH_TRANSACTIONAL);
    AUTO(mem_freep) uint8_t *copy = mem_dup(batch.data, batch.size);
    const struct bytes patched = bytes_from(copy, batch.size);
    batch_set_base_offset(copy, INT64_C(1) << 40);
    batch_set_leader_epoch(copy, 9);
    struct batch_view view = sample_view(patched);
    EXPECT_OK(batch_check_crc(&view));
    EXPECT_EQ(view.base_offset, INT64_C(1) << 40);
    EXPECT_EQ(view.leader_epoch, 9);

    batch_set_append_time(copy, 12345);
    view = sample_view(patched);
    EXPECT_ERR(batch_check_crc(&view), ERR_CORRUPT);
    batch_seal(copy, batch.size);
    view = sample_view(patched);
    EXPECT_OK(batch_check_crc(&view));
    EXPECT_EQ(view.max_timestamp, 12345);
    EXPECT_EQ(view.attributes, BATCH_TRANSACTIONAL | BATCH_LOG_APPEND_TIME | CODEC_ZSTD);

    batch_set_create_time(copy, 777);
    batch_seal(copy, batch.size);
    view = sample_view(patched);
    EXPECT_OK(batch_check_crc(&view));
    EXPECT_EQ(view.max_timestamp, 777);
    EXPECT_EQ(view.attributes, BATCH_TRANSACTIONAL | CODEC_ZSTD);
    arena_deinit(&arena);
}

/* Walks all records; the last answer. */
static int walk_all(const struct batch_view *view, uint32_t record_bytes_max)
{
    struct record record;
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, view, NULL, record_bytes_max);
    int r;
    do {
        r = record_walk_next(&walk, &record);
    } while (r > 0);
    EXPECT_EQ(record_walk_next(&walk, &record), r); /* it stays so */
    return r;
}

/* Records that are cut anywhere, with a header that knows nothing of it. */
TEST(record_walk, refuses_records_cut_anywhere)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct rng rng = rng_from_seed(context->seed);
    const struct bytes whole =
        sample_batch(&arena, sample_records(&rng, &arena, 4), 4, CODEC_NONE, 0);
    const struct bytes records = bytes_slice(whole, BATCH_OVERHEAD_BYTES, SIZE_MAX);
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        for (size_t cut = 0; cut <= records.size; cut += codec == CODEC_NONE ? 1 : 7) {
            const struct batch_view view =
                sample_view(sample_batch_of(&arena, bytes_slice(records, 0, cut), 4, codec));
            const int r = walk_all(&view, 1 << 20);
            EXPECT_EQ(r, cut == records.size ? 0 : -ERR_OVERRUN);
        }
        /* One record fewer, or one more, than the header says. */
        struct batch_view view = sample_view(sample_batch_of(&arena, records, 4, codec));
        EXPECT_EQ(walk_all(&view, 1 << 20), 0);
        view.record_count = 3;
        EXPECT_EQ(walk_all(&view, 1 << 20), -ERR_MALFORMED);
        view.record_count = 5;
        EXPECT_EQ(walk_all(&view, 1 << 20), -ERR_OVERRUN);
        view.record_count = -1;
        EXPECT_EQ(walk_all(&view, 1 << 20), -ERR_MALFORMED);
        view.record_count = 4;
        view.last_offset_delta = 2;
        EXPECT_EQ(walk_all(&view, 1 << 20), -ERR_MALFORMED);
    }
    arena_deinit(&arena);
}

/* Single records that are wrong in one thing each. */
TEST(record_walk, refuses_records_that_do_not_add_up)
{
    static const struct {
        const char *what;
        uint8_t bytes[20];
        size_t size;
        int wanted;
    } cases[] = {
        { "sound", { 12, 0, 0, 0, 1, 1, 0 }, 7, 0 },
        { "sound, length -5 for null", { 12, 0, 0, 0, 9, 9, 0 }, 7, 0 },
        { "too short", { 10, 0, 0, 0, 1, 1 }, 6, -ERR_MALFORMED },
        { "negative length", { 11, 0, 0, 0, 1, 1, 0 }, 7, -ERR_MALFORMED },
        { "length of 0", { 0, 0, 0, 0, 1, 1, 0 }, 7, -ERR_MALFORMED },
        { "one byte left over", { 14, 0, 0, 0, 1, 1, 0, 0 }, 8, -ERR_MALFORMED },
        { "one byte after the record", { 12, 0, 0, 0, 1, 1, 0, 0 }, 8, -ERR_MALFORMED },
        { "key past the end", { 12, 0, 0, 0, 4, 1, 0 }, 7, -ERR_MALFORMED },
        { "value past the end", { 12, 0, 0, 0, 1, 2, 0 }, 7, -ERR_MALFORMED },
        { "negative header count", { 12, 0, 0, 0, 1, 1, 1 }, 7, -ERR_MALFORMED },
        { "a header missing", { 12, 0, 0, 0, 1, 1, 2 }, 7, -ERR_MALFORMED },
        { "null header key", { 16, 0, 0, 0, 1, 1, 2, 1, 1 }, 9, -ERR_MALFORMED },
        { "sound header", { 16, 0, 0, 0, 1, 1, 2, 0, 1 }, 9, 0 },
        { "header value past the end", { 16, 0, 0, 0, 1, 1, 2, 0, 2 }, 9, -ERR_MALFORMED },
        { "offset delta 1 of 1", { 12, 0, 0, 2, 1, 1, 0 }, 7, -ERR_MALFORMED },
        { "offset delta -1", { 12, 0, 0, 1, 1, 1, 0 }, 7, -ERR_MALFORMED },
        { "length varint of 5 bytes", { 0x8c, 0x80, 0x80, 0x80, 0, 0, 0, 0, 1, 1, 0 }, 11, 0 },
        { "length varint of 6 bytes",
          { 0x8c, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 1, 1, 0 },
          12,
          -ERR_MALFORMED },
        { "timestamp varlong of 10 bytes",
          { 30, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 1, 1, 0 },
          16,
          0 },
        { "timestamp varlong of 11 bytes",
          { 32, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 1, 1, 0 },
          17,
          -ERR_MALFORMED },
        { "record longer than the batch", { 14, 0, 0, 0, 1, 1, 0 }, 7, -ERR_OVERRUN },
        { "nothing", { 0 }, 0, -ERR_OVERRUN },
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
            const struct batch_view view = sample_view(
                sample_batch_of(&arena, bytes_from(cases[i].bytes, cases[i].size), 1, codec));
            const int r = walk_all(&view, 100);
            if (r != cases[i].wanted)
                test_fail(__FILE__, __LINE__, "%s, %s: %s", cases[i].what, codec_name(codec),
                          err_name(r));
        }
    }
    arena_deinit(&arena);
}

/* A record past the limit is refused before its bytes are gathered. */
TEST(record_walk, refuses_a_record_past_its_limit)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    uint8_t *value = arena_zalloc(&arena, 1, 300000);
    const struct sample_record record = { .timestamp = 1, .value = bytes_from(value, 300000) };
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        const struct batch_view view = sample_view(sample_batch(&arena, &record, 1, codec, 0));
        EXPECT_EQ(walk_all(&view, 300011), 0);
        EXPECT_EQ(walk_all(&view, 300010), -ERR_LIMIT);
    }
    /* A length of 2 GB in a batch of a few bytes costs no memory. */
    static const uint8_t liar[] = { 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 1, 1, 0 };
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        const struct batch_view view =
            sample_view(sample_batch_of(&arena, bytes_from(liar, sizeof(liar)), 1, codec));
        EXPECT_EQ(walk_all(&view, UINT32_MAX), -ERR_OVERRUN);
    }
    arena_deinit(&arena);
}

/* Compaction leaves headers without records behind; codec bits that are no codec are told apart. */
TEST(record_walk, walks_an_empty_batch_and_refuses_unknown_codecs)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct batch_view view = sample_view(sample_batch_of(&arena, BYTES_LITERAL(""), 0, CODEC_NONE));
    for (int16_t codec = 0; codec < 8; codec++) {
        view.attributes = codec;
        EXPECT_EQ(walk_all(&view, 100), 0);
    }
    view = sample_view(sample_batch_of(&arena, BYTES_LITERAL("\x0c\0\0\0\1\1\0"), 1, CODEC_NONE));
    for (int16_t codec = 5; codec < 8; codec++) {
        view.attributes = codec;
        EXPECT_EQ(walk_all(&view, 100), -ERR_UNSUPPORTED);
    }
    view.attributes = 0;
    view.record_count = 0;
    EXPECT_EQ(walk_all(&view, 100), -ERR_MALFORMED);
    arena_deinit(&arena);
}

/* Any byte of header or records replaced by any of a few values: an answer, and no overrun. */
TEST(record_walk, survives_damage_anywhere)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct rng rng = rng_from_seed(context->seed);
    const struct sample_record *records = sample_records(&rng, &arena, 3);
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        const struct bytes batch = sample_batch(&arena, records, 3, codec, 0);
        for (size_t at = 0; at < batch.size; at++) {
            for (size_t v = 0; v < ARRAY_LEN(values); v++) {
                AUTO(mem_freep) uint8_t *copy = mem_dup(batch.data, batch.size);
                copy[at] = values[v];
                struct batch_view view;
                if (batch_parse(bytes_from(copy, batch.size), &view) >= 0)
                    EXPECT(walk_all(&view, 1 << 20) <= 0);
            }
        }
    }
    arena_deinit(&arena);
}

TEST(record_headers, refuses_what_does_not_add_up)
{
    static const struct {
        const char *bytes;
        size_t size;
        int32_t count;
        int wanted;
    } cases[] = {
        { "", 0, 0, 0 },
        { "\0\1", 2, 1, 1 },
        { "\2k\2v", 4, 1, 1 },
        { "\2k\2v\0\0", 6, 2, 2 },
        { "\2k\2v", 4, 0, -ERR_MALFORMED },
        { "\2k\2v", 4, 2, -ERR_MALFORMED },
        { "\2k\2", 3, 1, -ERR_MALFORMED },
        { "\2k", 2, 1, -ERR_MALFORMED },
        { "\1\1", 2, 1, -ERR_MALFORMED },
        { "\2k\2v", 4, -1, -ERR_MALFORMED },
        { "\2k\2v", 4, INT32_MAX, -ERR_MALFORMED },
    };
    struct arena arena;
    arena_init(&arena, 1000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct record record = { .headers = bytes_from(cases[i].bytes, cases[i].size),
                                       .header_count = cases[i].count };
        struct record_header *headers;
        EXPECT_EQ(record_headers(&record, &arena, &headers), cases[i].wanted);
    }
    uint8_t many[400] = { 0 };
    const struct record record = { .headers = bytes_from(many, sizeof(many)), .header_count = 200 };
    struct record_header *headers;
    EXPECT_ERR(record_headers(&record, &arena, &headers), ERR_LIMIT);
    arena_deinit(&arena);
}
