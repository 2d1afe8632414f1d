/* The codecs: round trips, cuts, damage, bombs, and the framings that clients use. */
#include "wire/compress.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/test.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zstd.h>

#define OUTPUT_BYTES_MAX ((size_t)64 << 20)

/* Text-like bytes: compressible, not trivially. */
static void fill_words(struct rng *rng, uint8_t *out, size_t size)
{
    static const char words[] =
        "offset leader epoch batch record header value timestamp partition ";
    for (size_t i = 0; i < size; i++)
        out[i] = rng_chance(rng, 50000) ? (uint8_t)rng_below(rng, 256)
                                        : (uint8_t)words[i % (sizeof(words) - 1)];
}

/* Reads all of a stream in steps of at most `step` bytes: its size or the error. */
static int64_t read_all(struct codec_contexts *contexts, enum codec codec, struct bytes input,
                        size_t step, struct buf *out)
{
    AUTO(decompressor_closep) struct decompressor *d = NULL;
    const int r = decompressor_open(contexts, codec, input, &d);
    if (r < 0)
        return r;
    AUTO(mem_freep) uint8_t *chunk = mem_alloc(step);
    for (;;) {
        const int64_t count = decompressor_read(d, chunk, step);
        if (count <= 0) {
            EXPECT_EQ(decompressor_read(d, chunk, step), count); /* it stays so */
            return count < 0 ? count : (int64_t)out->size;
        }
        EXPECT((size_t)count <= step);
        buf_put(out, chunk, (size_t)count);
        EXPECT(buf_is_ok(out));
    }
}

static void expect_round_trip(struct codec_contexts *contexts, enum codec codec, int level,
                              struct bytes input, size_t step)
{
    struct buf packed;
    struct buf out;
    buf_init(&packed, OUTPUT_BYTES_MAX);
    buf_init(&out, OUTPUT_BYTES_MAX);
    buf_put_text(&packed, "before");
    EXPECT_OK(codec_compress(contexts, codec, level, input, &packed));
    EXPECT_EQ(read_all(contexts, codec, bytes_slice(buf_view(&packed), 6, SIZE_MAX), step, &out),
              input.size);
    EXPECT_BYTES(buf_view(&out), bytes_from(input.data, input.size));
    EXPECT_BYTES(bytes_slice(buf_view(&packed), 0, 6), BYTES_LITERAL("before"));
    buf_deinit(&packed);
    buf_deinit(&out);
}

TEST(codec, has_kafkas_names_and_numbers)
{
    static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    enum codec codec;
    for (int i = 0; i < CODEC_COUNT; i++) {
        EXPECT_TEXT(codec_name((enum codec)i), names[i]);
        EXPECT_OK(codec_from_name(bytes_from_text(names[i]), &codec));
        EXPECT_EQ(codec, i);
    }
    EXPECT_OK(codec_from_name(BYTES_LITERAL("uncompressed"), &codec));
    EXPECT_EQ(codec, CODEC_NONE);
    EXPECT_ERR(codec_from_name(BYTES_LITERAL("producer"), &codec), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(codec_from_name(BYTES_LITERAL(""), &codec), ERR_INVALID_ARGUMENT);
    EXPECT_TEXT(codec_name((enum codec)5), "unknown");
    EXPECT_TEXT(codec_name((enum codec) - 1), "unknown");
}

/* compression.gzip.level, compression.lz4.level, compression.zstd.level. */
TEST(codec, has_kafkas_levels)
{
    static const struct {
        enum codec codec;
        int level;
        bool is_good;
    } cases[] = {
        { CODEC_GZIP, -2, false },
        { CODEC_GZIP, -1, true },
        { CODEC_GZIP, 0, false },
        { CODEC_GZIP, 1, true },
        { CODEC_GZIP, 9, true },
        { CODEC_GZIP, 10, false },
        { CODEC_LZ4, 0, false },
        { CODEC_LZ4, 1, true },
        { CODEC_LZ4, 17, true },
        { CODEC_LZ4, 18, false },
        { CODEC_ZSTD, 22, true },
        { CODEC_ZSTD, 23, false },
        { CODEC_ZSTD, -131072, true },
        { CODEC_ZSTD, 0, true },
        { CODEC_ZSTD, -131073, false },
        { CODEC_SNAPPY, 1, false },
        { CODEC_NONE, 1, false },
        { (enum codec)5, 1, false },
        { (enum codec)5, COMPRESS_LEVEL_DEFAULT, false },
        { CODEC_NONE, COMPRESS_LEVEL_DEFAULT, true },
        { CODEC_SNAPPY, COMPRESS_LEVEL_DEFAULT, true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        EXPECT_EQ(codec_has_level(cases[i].codec, cases[i].level), cases[i].is_good);
        const int r =
            codec_compress(NULL, cases[i].codec, cases[i].level, BYTES_LITERAL("abc"), &out);
        EXPECT_EQ(r, cases[i].is_good ? 0 : -ERR_INVALID_ARGUMENT);
        buf_deinit(&out);
    }
}

/* Sizes about every block size that a codec uses, read in small and large steps, with kept contexts and without. */
TEST(compress, gives_back_what_it_took)
{
    static const size_t sizes[] = { 0,     1,     2,     13,    100,    32767,  32768,
                                    32769, 65535, 65536, 65537, 131072, 200000, 1000000 };
    static const size_t steps[] = { 1000, 65536, 2000000 };
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(mem_freep) uint8_t *input = mem_alloc(sizes[i]);
        for (int kind = 0; kind < 3; kind++) {
            if (kind == 0)
                fill_words(&rng, input, sizes[i]);
            else if (kind == 1)
                rng_fill(&rng, input, sizes[i]);
            else
                memset(input, 'x', sizes[i]);
            for (enum codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
                for (size_t s = 0; s < ARRAY_LEN(steps); s++)
                    expect_round_trip(s == 1 ? NULL : contexts, codec, COMPRESS_LEVEL_DEFAULT,
                                      bytes_from(input, sizes[i]), steps[s]);
            }
        }
    }
    codec_contexts_free(contexts);
}

TEST(compress, works_at_every_level)
{
    const size_t input_bytes = 100000;
    AUTO(mem_freep) uint8_t *input = mem_alloc(input_bytes);
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    fill_words(&rng, input, input_bytes);
    for (enum codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        for (int level = -20; level <= 22; level++) {
            if (codec_has_level(codec, level))
                expect_round_trip(contexts, codec, level, bytes_from(input, input_bytes), 65536);
        }
    }
    expect_round_trip(contexts, CODEC_ZSTD, -131072, bytes_from(input, input_bytes), 65536);
    codec_contexts_free(contexts);
}

/* A buffer one byte too small for the result: an error, and nothing of it remains. */
TEST(compress, leaves_a_full_buffer_as_it_was)
{
    const size_t input_bytes = 70000;
    AUTO(mem_freep) uint8_t *input = mem_alloc(input_bytes);
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    fill_words(&rng, input, input_bytes);
    for (enum codec codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct buf whole;
        buf_init(&whole, OUTPUT_BYTES_MAX);
        EXPECT_OK(codec_compress(contexts, codec, COMPRESS_LEVEL_DEFAULT,
                                 bytes_from(input, input_bytes), &whole));
        for (size_t room = 0; room < whole.size; room += 1 + room / 3) {
            struct buf tight;
            buf_init(&tight, 5 + room);
            buf_put_text(&tight, "12345");
            EXPECT_ERR(codec_compress(contexts, codec, COMPRESS_LEVEL_DEFAULT,
                                      bytes_from(input, input_bytes), &tight),
                       ERR_LIMIT);
            EXPECT(buf_is_ok(&tight));
            EXPECT_BYTES(buf_view(&tight), BYTES_LITERAL("12345"));
            buf_deinit(&tight);
        }
        struct buf exact;
        buf_init(&exact, whole.size);
        EXPECT_OK(codec_compress(contexts, codec, COMPRESS_LEVEL_DEFAULT,
                                 bytes_from(input, input_bytes), &exact));
        EXPECT_BYTES(buf_view(&exact), buf_view(&whole));
        buf_deinit(&exact);
        buf_deinit(&whole);
    }
    codec_contexts_free(contexts);
}

TEST(decompressor, refuses_what_is_no_codec)
{
    struct decompressor *d;
    static const int codecs[] = { 0, 5, 6, 7, 8, -1, INT32_MAX, INT32_MIN };
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        EXPECT_ERR(decompressor_open(NULL, (enum codec)codecs[i], BYTES_LITERAL("abc"), &d),
                   ERR_UNSUPPORTED);
    decompressor_close(NULL);
}

/* Every cut is an error (raw snappy tells its size, so it too), but xerial streams may end between blocks. */
TEST(decompressor, refuses_every_cut)
{
    const size_t input_bytes = 40000;
    AUTO(mem_freep) uint8_t *input = mem_alloc(input_bytes);
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    fill_words(&rng, input, input_bytes);
    for (enum codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buf packed;
        struct buf out;
        buf_init(&packed, OUTPUT_BYTES_MAX);
        buf_init(&out, OUTPUT_BYTES_MAX);
        EXPECT_OK(codec_compress(contexts, codec, COMPRESS_LEVEL_DEFAULT,
                                 bytes_from(input, input_bytes), &packed));
        uint32_t whole_blocks = 0;
        for (size_t cut = 0; cut < packed.size; cut++) {
            /* A copy of its own size, so that a sanitizer sees any step past the end. */
            AUTO(mem_freep) uint8_t *copy = mem_dup(packed.data, cut);
            buf_clear(&out);
            const int64_t r = read_all(contexts, codec, bytes_from(copy, cut), 65536, &out);
            if (codec == CODEC_SNAPPY && r >= 0) {
                whole_blocks++;
                EXPECT_EQ(r % 32768, 0);
            } else {
                EXPECT_EQ(r, -ERR_CORRUPT);
            }
        }
        EXPECT_EQ(whole_blocks,
                  codec == CODEC_SNAPPY ? 2 : 0); /* after the header, after the first block */
        buf_deinit(&packed);
        buf_deinit(&out);
    }
    codec_contexts_free(contexts);
}

TEST(decompressor, refuses_trailing_garbage)
{
    static const char *const tails[] = { "x",        "abcdefgh",         "\0",
                                         "\x1f\x8b", "\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18" };
    static const size_t tail_bytes[] = { 1, 8, 1, 2, 4, 4 };
    for (enum codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
            struct buf packed;
            struct buf out;
            buf_init(&packed, OUTPUT_BYTES_MAX);
            buf_init(&out, OUTPUT_BYTES_MAX);
            EXPECT_OK(codec_compress(NULL, codec, COMPRESS_LEVEL_DEFAULT,
                                     BYTES_LITERAL("hello hello hello"), &packed));
            buf_put(&packed, tails[i], tail_bytes[i]);
            EXPECT_EQ(read_all(NULL, codec, buf_view(&packed), 100, &out), -ERR_CORRUPT);
            buf_deinit(&packed);
            buf_deinit(&out);
        }
    }
}

/* Random damage and pure noise: an answer, whatever it is, without overrun (sanitizers watch). */
TEST(decompressor, survives_damage)
{
    uint8_t input[3000];
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    fill_words(&rng, input, sizeof(input));
    for (enum codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buf packed;
        buf_init(&packed, OUTPUT_BYTES_MAX);
        EXPECT_OK(codec_compress(contexts, codec, COMPRESS_LEVEL_DEFAULT,
                                 bytes_from(input, sizeof(input)), &packed));
        for (int turn = 0; turn < 3000; turn++) {
            struct buf out;
            buf_init(&out, OUTPUT_BYTES_MAX);
            AUTO(mem_freep) uint8_t *copy = mem_dup(packed.data, packed.size);
            if (turn % 4 == 0)
                rng_fill(&rng, copy, packed.size);
            else
                copy[turn % (int)packed.size] ^= (uint8_t)rng_between(&rng, 1, 255);
            const int64_t r = read_all(contexts, codec, bytes_from(copy, packed.size),
                                       1 + rng_below(&rng, 5000), &out);
            EXPECT(r >= 0 || r == -ERR_CORRUPT);
            buf_deinit(&out);
        }
        /* The contexts are none the worse for it. */
        expect_round_trip(contexts, codec, COMPRESS_LEVEL_DEFAULT, bytes_from(input, sizeof(input)),
                          777);
        buf_deinit(&packed);
    }
    codec_contexts_free(contexts);
}

/* librdkafka and others write raw snappy. */
TEST(decompressor, reads_raw_snappy)
{
    static const size_t sizes[] = { 0, 1, 17, 70000, 3000000 };
    struct rng rng = rng_from_seed(context->seed);
    struct codec_contexts *contexts = codec_contexts_new();
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO(mem_freep) uint8_t *input = mem_alloc(sizes[i]);
        fill_words(&rng, input, sizes[i]);
        size_t packed_bytes = snappy_max_compressed_length(sizes[i]);
        AUTO(mem_freep) char *packed = mem_alloc(packed_bytes);
        EXPECT_EQ(snappy_compress((const char *)input, sizes[i], packed, &packed_bytes), SNAPPY_OK);
        for (size_t step = 1000; step <= 10000000; step *= 100) {
            struct buf out;
            buf_init(&out, OUTPUT_BYTES_MAX);
            EXPECT_EQ(
                read_all(contexts, CODEC_SNAPPY, bytes_from(packed, packed_bytes), step, &out),
                sizes[i]);
            EXPECT_BYTES(buf_view(&out), bytes_from(input, sizes[i]));
            buf_deinit(&out);
        }
        for (size_t cut = 0; cut < packed_bytes; cut += 1 + packed_bytes / 50) {
            struct buf out;
            buf_init(&out, OUTPUT_BYTES_MAX);
            EXPECT_EQ(read_all(contexts, CODEC_SNAPPY, bytes_from(packed, cut), 4096, &out),
                      -ERR_CORRUPT);
            buf_deinit(&out);
        }
    }
    codec_contexts_free(contexts);
}

/* A length of 256 MiB before three bytes of snappy is not believed, raw nor in a block. */
TEST(decompressor, allocates_no_more_snappy_than_the_input_can_fill)
{
    static const uint8_t raw[] = { 0x80, 0x80, 0x80, 0x80, 0x01, 0x00, 'a' };
    static const uint8_t framed[] = { 0x82, 'S', 'N',  'A',  'P',  'P',  'Y',  0,    0,
                                      0,    0,   1,    0,    0,    0,    1,    0,    0,
                                      0,    7,   0x80, 0x80, 0x80, 0x80, 0x01, 0x00, 'a' };
    struct buf out;
    buf_init(&out, OUTPUT_BYTES_MAX);
    EXPECT_EQ(read_all(NULL, CODEC_SNAPPY, bytes_from(raw, sizeof(raw)), 100, &out), -ERR_CORRUPT);
    EXPECT_EQ(read_all(NULL, CODEC_SNAPPY, bytes_from(framed, sizeof(framed)), 100, &out),
              -ERR_CORRUPT);
    buf_deinit(&out);
}

static void put_xerial_header(struct buf *buf, int32_t version, int32_t version_least)
{
    buf_put(buf, "\x82SNAPPY\0", 8);
    buf_put_i32(buf, version);
    buf_put_i32(buf, version_least);
}

/* A newer version is read if it says that version 1 is enough to know; two streams in a row are one. */
TEST(decompressor, reads_xerial_streams_of_any_version_and_number)
{
    static const uint8_t block[] = { 0, 0, 0, 5, 3, 0x08, 'a', 'b', 'c' };
    struct buf packed;
    struct buf out;
    buf_init(&packed, 1000);
    buf_init(&out, 1000);
    put_xerial_header(&packed, 7, 1);
    buf_put(&packed, block, sizeof(block));
    put_xerial_header(&packed, 1, 1);
    buf_put(&packed, block, sizeof(block));
    buf_put(&packed, block, sizeof(block));
    EXPECT_EQ(read_all(NULL, CODEC_SNAPPY, buf_view(&packed), 2, &out), 9);
    EXPECT_BYTES(buf_view(&out), BYTES_LITERAL("abcabcabc"));

    buf_clear(&packed);
    put_xerial_header(&packed, 1, 0);
    EXPECT_EQ(read_all(NULL, CODEC_SNAPPY, buf_view(&packed), 2, &out), -ERR_CORRUPT);
    buf_deinit(&packed);
    buf_deinit(&out);
}

/* gzip members and zstd frames (skippable ones too) in a row are one stream; Java's readers see them so. */
TEST(decompressor, reads_members_and_frames_in_a_row)
{
    static const enum codec codecs[] = { CODEC_GZIP, CODEC_ZSTD };
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++) {
        for (size_t step = 1; step < 30; step++) {
            struct buf packed;
            struct buf out;
            buf_init(&packed, 1000);
            buf_init(&out, 1000);
            EXPECT_OK(codec_compress(NULL, codecs[i], COMPRESS_LEVEL_DEFAULT,
                                     BYTES_LITERAL("first "), &packed));
            EXPECT_OK(codec_compress(NULL, codecs[i], COMPRESS_LEVEL_DEFAULT, BYTES_LITERAL(""),
                                     &packed));
            if (codecs[i] == CODEC_ZSTD)
                buf_put(&packed, "\x50\x2a\x4d\x18\x03\0\0\0abc", 11);
            EXPECT_OK(codec_compress(NULL, codecs[i], COMPRESS_LEVEL_DEFAULT,
                                     BYTES_LITERAL("second"), &packed));
            EXPECT_EQ(read_all(NULL, codecs[i], buf_view(&packed), step, &out), 12);
            EXPECT_BYTES(buf_view(&out), BYTES_LITERAL("first second"));
            buf_deinit(&packed);
            buf_deinit(&out);
        }
    }
}

/* Any options of the LZ4 frame that Apache Kafka reads are read, and those it refuses are refused. */
TEST(decompressor, reads_the_lz4_frames_that_kafka_reads)
{
    AUTO(mem_freep) uint8_t *input = mem_alloc(300000);
    struct rng rng = rng_from_seed(context->seed);
    fill_words(&rng, input, 300000);
    for (int options = 0; options < 128; options++) {
        const LZ4F_preferences_t preferences = {
            .frameInfo = {
                .blockSizeID = (LZ4F_blockSizeID_t)(4 + (options & 3)),
                .blockMode = options & 4 ? LZ4F_blockLinked : LZ4F_blockIndependent,
                .contentChecksumFlag = options & 8 ? LZ4F_contentChecksumEnabled : LZ4F_noContentChecksum,
                .contentSize = options & 16 ? 300000 : 0,
                .blockChecksumFlag = options & 32 ? LZ4F_blockChecksumEnabled : LZ4F_noBlockChecksum,
                .dictID = options & 64 ? 1 : 0,
            },
        };
        const size_t room = LZ4F_compressFrameBound(300000, &preferences);
        AUTO(mem_freep) uint8_t *packed = mem_alloc(room);
        const size_t size = LZ4F_compressFrame(packed, room, input, 300000, &preferences);
        EXPECT(!LZ4F_isError(size));
        struct buf out;
        buf_init(&out, OUTPUT_BYTES_MAX);
        /* The library links no blocks where one block holds all. */
        const bool is_refused = (packed[4] & 0x20) == 0 || (options & 64) != 0;
        EXPECT(!is_refused || (options & (4 | 64)) != 0);
        EXPECT_EQ(read_all(NULL, CODEC_LZ4, bytes_from(packed, size), 50000, &out),
                  is_refused ? -ERR_CORRUPT : 300000);
        if (!is_refused)
            EXPECT_BYTES(buf_view(&out), bytes_from(input, 300000));
        buf_deinit(&out);
    }
}

/* KIP-57: only messages of magic 0 carry a header checksum that may be wrong. */
TEST(decompressor, overlooks_the_lz4_header_checksum_of_magic_0_alone)
{
    const LZ4F_preferences_t preferences = {
        .frameInfo = { .blockMode = LZ4F_blockIndependent, .contentSize = 9 },
    };
    for (int with_size = 0; with_size < 2; with_size++) {
        uint8_t packed[200];
        const LZ4F_preferences_t plain = { .frameInfo = { .blockMode = LZ4F_blockIndependent } };
        const size_t size = LZ4F_compressFrame(packed, sizeof(packed), "abcabcabc", 9,
                                               with_size ? &preferences : &plain);
        EXPECT(!LZ4F_isError(size));
        packed[with_size ? 14 : 6] ^= 0x55;
        struct buf out;
        buf_init(&out, 1000);
        EXPECT_EQ(read_all(NULL, CODEC_LZ4, bytes_from(packed, size), 100, &out), -ERR_CORRUPT);

        struct decompressor *d;
        uint8_t made[100];
        EXPECT_OK(decompressor_open_magic_0(NULL, CODEC_LZ4, bytes_from(packed, size), &d));
        EXPECT_EQ(decompressor_read(d, made, sizeof(made)), 9);
        EXPECT_BYTES(bytes_from(made, 9), BYTES_LITERAL("abcabcabc"));
        EXPECT_EQ(decompressor_read(d, made, sizeof(made)), 0);
        decompressor_close(d);
        buf_deinit(&out);
    }
}

/* The frame header that every Java producer writes. */
TEST(compress, writes_the_lz4_header_of_java_clients)
{
    struct buf packed;
    buf_init(&packed, 1000);
    EXPECT_OK(codec_compress(NULL, CODEC_LZ4, COMPRESS_LEVEL_DEFAULT, BYTES_LITERAL(""), &packed));
    EXPECT_BYTES(buf_view(&packed), bytes_from("\x04\x22\x4d\x18\x60\x40\x82\0\0\0\0", 11));
    buf_deinit(&packed);
}

/* Formats from before zstd 1.0, and frames that need a dictionary or a window past 128 MiB. */
TEST(decompressor, refuses_zstd_that_no_client_writes)
{
    static const uint8_t version_07[] = { 0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0 };
    static const uint8_t dictionary[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 9, 0, 0, 'a' };
    static const uint8_t window_256m[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 9, 0, 0, 'a' };
    static const uint8_t window_128m[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 9, 0, 0, 'a' };
    struct buf out;
    buf_init(&out, 1000);
    EXPECT_EQ(read_all(NULL, CODEC_ZSTD, bytes_from(version_07, sizeof(version_07)), 100, &out),
              -ERR_CORRUPT);
    EXPECT_EQ(read_all(NULL, CODEC_ZSTD, bytes_from(dictionary, sizeof(dictionary)), 100, &out),
              -ERR_CORRUPT);
    EXPECT_EQ(read_all(NULL, CODEC_ZSTD, bytes_from(window_256m, sizeof(window_256m)), 100, &out),
              -ERR_CORRUPT);
    EXPECT_EQ(read_all(NULL, CODEC_ZSTD, bytes_from(window_128m, sizeof(window_128m)), 100, &out),
              1);
    buf_deinit(&out);
}

/* 1 GiB out of little: pulled chunk by chunk, it never needs more memory than a window. */
TEST(decompressor, pulls_a_bomb_in_bounded_memory)
{
    struct buf packed;
    buf_init(&packed, OUTPUT_BYTES_MAX);
    const size_t part_bytes = (size_t)1 << 20;
    AUTO(mem_freep) uint8_t *zeros = mem_zalloc(part_bytes);
    for (int i = 0; i < 64; i++)
        EXPECT_OK(codec_compress(NULL, CODEC_ZSTD, COMPRESS_LEVEL_DEFAULT,
                                 bytes_from(zeros, part_bytes), &packed));
    EXPECT(packed.size < 10000);
    struct decompressor *d;
    EXPECT_OK(decompressor_open(NULL, CODEC_ZSTD, buf_view(&packed), &d));
    uint8_t chunk[10000];
    int64_t total = 0;
    int64_t count;
    while ((count = decompressor_read(d, chunk, sizeof(chunk))) > 0)
        total += count;
    EXPECT_EQ(count, 0);
    EXPECT_EQ(total, 64 * (int64_t)part_bytes);
    decompressor_close(d);
    buf_deinit(&packed);
}

/* Several streams of one codec at once share no memory, in any order of closing. */
TEST(codec_contexts, serve_streams_that_overlap)
{
    struct codec_contexts *contexts = codec_contexts_new();
    struct decompressor *open[3];
    struct buf packed;
    buf_init(&packed, 1000);
    EXPECT_OK(codec_compress(contexts, CODEC_LZ4, COMPRESS_LEVEL_DEFAULT, BYTES_LITERAL("abcdefgh"),
                             &packed));
    for (int turn = 0; turn < 6; turn++) {
        for (int i = 0; i < 3; i++)
            EXPECT_OK(decompressor_open(contexts, CODEC_LZ4, buf_view(&packed), &open[i]));
        for (int step = 0; step < 4; step++) {
            for (int i = 0; i < 3; i++) {
                uint8_t two[2];
                EXPECT_EQ(decompressor_read(open[i], two, 2), 2);
                EXPECT_EQ(two[0], 'a' + 2 * step);
            }
        }
        for (int i = 0; i < 3; i++)
            decompressor_close(open[(turn + i) % 3]);
    }
    codec_contexts_free(contexts);
    codec_contexts_free(NULL);
    buf_deinit(&packed);
}
