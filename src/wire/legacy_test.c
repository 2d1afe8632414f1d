/* Message sets of magic 0 and 1. */
#include "wire/legacy.h"

#include "base/arena.h"
#include "base/be.h"
#include "base/mem.h"
#include "base/test.h"
#include "wire/crc32c.h"

#include <string.h>

#define SET_BYTES_MAX ((size_t)8 << 20)

struct message {
    int64_t offset;
    int8_t magic;
    int8_t attributes;
    int64_t timestamp;
    struct bytes key;
    struct bytes value;
};

static void put_run(struct buf *out, struct bytes run)
{
    buf_put_i32(out, bytes_is_null(run) ? -1 : (int32_t)run.size);
    buf_put_bytes(out, run);
}

/* Appends one message with a fitting size and CRC. */
static void put_message(struct buf *out, struct message m)
{
    AUTO(buf_deinit) struct buf body;
    buf_init(&body, SET_BYTES_MAX);
    buf_put_u8(&body, (uint8_t)m.magic);
    buf_put_u8(&body, (uint8_t)m.attributes);
    if (m.magic > 0)
        buf_put_i64(&body, m.timestamp);
    put_run(&body, m.key);
    put_run(&body, m.value);
    buf_put_i64(out, m.offset);
    buf_put_i32(out, (int32_t)body.size + 4);
    buf_put_i32(out, (int32_t)crc32_ieee(0, body.data, body.size));
    buf_put_bytes(out, buf_view(&body));
    EXPECT(buf_is_ok(out));
}

/* Appends a wrapper whose value is the compressed set. */
static void put_wrapper(struct buf *out, struct message m, enum codec codec, struct bytes set)
{
    AUTO(buf_deinit) struct buf packed;
    buf_init(&packed, SET_BYTES_MAX);
    EXPECT_OK(codec_compress(NULL, codec, COMPRESS_LEVEL_DEFAULT, set, &packed));
    m.attributes |= (int8_t)codec;
    m.value = buf_view(&packed);
    put_message(out, m);
}

/* Walks all; the last answer. */
static int walk_all(const struct legacy_view *view, uint32_t record_bytes_max, int32_t *out_count)
{
    struct record record;
    AUTO(legacy_walk_deinit) struct legacy_walk walk;
    legacy_walk_init(&walk, view, NULL, record_bytes_max);
    int r;
    *out_count = 0;
    while ((r = legacy_walk_next(&walk, &record)) > 0)
        ++*out_count;
    EXPECT_EQ(legacy_walk_next(&walk, &record), r);
    return r;
}

TEST(legacy, reads_messages_without_codec)
{
    for (int8_t magic = 0; magic < 2; magic++) {
        AUTO(buf_deinit) struct buf set;
        buf_init(&set, SET_BYTES_MAX);
        put_message(&set, (struct message){ 7, magic, 0, 1234, BYTES_LITERAL("key"),
                                            BYTES_LITERAL("value") });
        put_message(&set, (struct message){ 9, magic, BATCH_LOG_APPEND_TIME, 99, BYTES_NULL,
                                            BYTES_LITERAL("") });
        struct legacy_view view;
        const int size = legacy_parse(buf_view(&set), &view);
        EXPECT_EQ(size, (magic == 0 ? LEGACY_OVERHEAD_BYTES_0 : LEGACY_OVERHEAD_BYTES_1) + 8);
        EXPECT_OK(legacy_check_crc(&view));
        EXPECT_EQ(view.offset, 7);
        EXPECT_EQ(view.magic, magic);
        EXPECT_EQ(view.timestamp, magic == 0 ? -1 : 1234);
        EXPECT(!legacy_is_log_append_time(&view));
        EXPECT_BYTES(view.key, BYTES_LITERAL("key"));
        EXPECT_BYTES(view.value, BYTES_LITERAL("value"));

        struct record record;
        AUTO(legacy_walk_deinit) struct legacy_walk walk;
        legacy_walk_init(&walk, &view, NULL, 100);
        EXPECT_EQ(legacy_walk_next(&walk, &record), 1);
        EXPECT_EQ(record.offset, 7);
        EXPECT_EQ(record.timestamp, magic == 0 ? -1 : 1234);
        EXPECT_EQ(record.header_count, 0);
        EXPECT_EQ(record.size_bytes, size);
        EXPECT_EQ(legacy_walk_next(&walk, &record), 0);
        EXPECT_EQ(legacy_walk_next(&walk, &record), 0);

        EXPECT(legacy_parse(bytes_slice(buf_view(&set), (size_t)size, SIZE_MAX), &view) > 0);
        EXPECT_EQ(view.offset, 9);
        EXPECT_EQ(legacy_is_log_append_time(&view), magic == 1);
        EXPECT(bytes_is_null(view.key));
        EXPECT(!bytes_is_null(view.value));
        int64_t base_offset;
        EXPECT_OK(legacy_base_offset(&view, NULL, 100, &base_offset));
        EXPECT_EQ(base_offset, 9);
    }
}

/* Every cut is an overrun, every flipped bit behind the CRC is noticed. */
TEST(legacy, tells_cut_and_damaged_messages)
{
    for (int8_t magic = 0; magic < 2; magic++) {
        AUTO(buf_deinit) struct buf set;
        buf_init(&set, SET_BYTES_MAX);
        put_message(&set, (struct message){ 7, magic, 0, 1234, BYTES_LITERAL("key"),
                                            BYTES_LITERAL("value") });
        struct legacy_view view;
        for (size_t cut = 0; cut < set.size; cut++) {
            AUTO(mem_freep) uint8_t *copy = mem_dup(set.data, cut);
            EXPECT_ERR(legacy_parse(bytes_from(copy, cut), &view), ERR_OVERRUN);
        }
        for (size_t bit = 8 * 8; bit < set.size * 8; bit++) {
            AUTO(mem_freep) uint8_t *copy = mem_dup(set.data, set.size);
            copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
            const int r = legacy_parse(bytes_from(copy, set.size), &view);
            EXPECT(r < 0 || legacy_check_crc(&view) == -ERR_CORRUPT);
        }
    }
}

TEST(legacy, refuses_sizes_that_do_not_fit)
{
    static const struct {
        int32_t size;
        int8_t magic;
        int32_t key_bytes;
        int wanted;
    } cases[] = {
        { 30, 0, 0, 42 },
        { 13, 0, 0, -ERR_CORRUPT },
        { -1, 0, 0, -ERR_CORRUPT },
        { INT32_MAX, 0, 0, -ERR_CORRUPT },
        { 1000, 0, 0, -ERR_OVERRUN },
        { 30, 2, 0, -ERR_CORRUPT },
        { 50, 2, 0, -ERR_VERSION },
        { 50, -1, 0, -ERR_VERSION },
        { 21, 1, 0, -ERR_CORRUPT },
        { 30, 0, 16, 42 },
        { 30, 0, 17, -ERR_CORRUPT },
        { 30, 0, 21, -ERR_CORRUPT },
        { 30, 0, INT32_MAX, -ERR_CORRUPT },
        { 30, 0, -5, 42 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t bytes[62] = { 0 };
        be_store_u32(bytes + 8, (uint32_t)cases[i].size);
        bytes[16] = (uint8_t)cases[i].magic;
        be_store_u32(bytes + 18, (uint32_t)cases[i].key_bytes);
        struct legacy_view view;
        EXPECT_EQ(legacy_parse(bytes_from(bytes, sizeof(bytes)), &view), cases[i].wanted);
    }
}

/* Absolute offsets in magic 0; in magic 1 relative ones, gaps and all, counted back from the wrapper's. */
TEST(legacy_walk, finds_offsets_and_times_inside_wrappers)
{
    struct codec_contexts *contexts = codec_contexts_new();
    for (int8_t magic = 0; magic < 2; magic++) {
        for (enum codec codec = CODEC_GZIP; codec <= CODEC_LZ4; codec++) {
            for (int is_append_time = 0; is_append_time <= magic; is_append_time++) {
                AUTO(buf_deinit) struct buf inner;
                AUTO(buf_deinit) struct buf set;
                buf_init(&inner, SET_BYTES_MAX);
                buf_init(&set, SET_BYTES_MAX);
                AUTO(mem_freep) uint8_t *large = mem_zalloc(150000);
                static const int64_t relative[] = { 0, 1, 5, 6 };
                for (int i = 0; i < 4; i++)
                    put_message(&inner,
                                (struct message){ magic == 0 ? 100 + relative[i] : relative[i],
                                                  magic, 0, 10 + i, BYTES_LITERAL("k"),
                                                  i == 2 ? bytes_from(large, 150000)
                                                         : BYTES_LITERAL("v") });
                buf_put(&inner, "partial", 7); /* cut off: left out */
                put_wrapper(
                    &set,
                    (struct message){ .offset = 106,
                                      .magic = magic,
                                      .timestamp = 77,
                                      .attributes = is_append_time ? BATCH_LOG_APPEND_TIME : 0 },
                    codec, buf_view(&inner));
                struct legacy_view view;
                EXPECT_EQ(legacy_parse(buf_view(&set), &view), set.size);
                EXPECT_EQ(view.offset, 106);
                struct record record;
                AUTO(legacy_walk_deinit) struct legacy_walk walk;
                legacy_walk_init(&walk, &view, contexts, 200000);
                for (int i = 0; i < 4; i++) {
                    EXPECT_EQ(legacy_walk_next(&walk, &record), 1);
                    EXPECT_EQ(record.offset, 100 + relative[i]);
                    EXPECT_EQ(record.timestamp, magic == 0 ? -1 : is_append_time ? 77 : 10 + i);
                    EXPECT_BYTES(record.key, BYTES_LITERAL("k"));
                    EXPECT_EQ(record.value.size, i == 2 ? 150000 : 1);
                }
                EXPECT_EQ(legacy_walk_next(&walk, &record), 0);
                int64_t base_offset;
                EXPECT_OK(legacy_base_offset(&view, contexts, 200000, &base_offset));
                EXPECT_EQ(base_offset, 100);
                EXPECT_ERR(legacy_base_offset(&view, contexts, 100000, &base_offset),
                           magic == 0 ? 0 : ERR_LIMIT); /* magic 0 need not look so far */
                int32_t count;
                EXPECT_EQ(walk_all(&view, 100000, &count), -ERR_LIMIT);
            }
        }
    }
    codec_contexts_free(contexts);
}

TEST(legacy_walk, refuses_wrappers_that_make_no_sense)
{
    for (int8_t magic = 0; magic < 2; magic++) {
        AUTO(buf_deinit) struct buf inner;
        AUTO(buf_deinit) struct buf set;
        buf_init(&inner, SET_BYTES_MAX);
        buf_init(&set, SET_BYTES_MAX);
        struct message wrapper = { .offset = 3, .magic = magic };
        struct legacy_view view;
        int32_t count;

        put_wrapper(&set, wrapper, CODEC_GZIP, BYTES_LITERAL("")); /* no message inside */
        EXPECT(legacy_parse(buf_view(&set), &view) > 0);
        EXPECT_EQ(walk_all(&view, 1000, &count), -ERR_CORRUPT);

        buf_clear(&set); /* a wrapper inside a wrapper */
        put_wrapper(&inner, wrapper, CODEC_SNAPPY, BYTES_LITERAL("x"));
        put_wrapper(&set, wrapper, CODEC_GZIP, buf_view(&inner));
        EXPECT(legacy_parse(buf_view(&set), &view) > 0);
        EXPECT_EQ(walk_all(&view, 1000, &count), -ERR_CORRUPT);

        buf_clear(&set); /* a null value */
        put_message(&set, (struct message){ 0, magic, CODEC_GZIP, 0, BYTES_NULL, BYTES_NULL });
        EXPECT(legacy_parse(buf_view(&set), &view) > 0);
        EXPECT_EQ(walk_all(&view, 1000, &count), -ERR_CORRUPT);

        for (int8_t codec = CODEC_ZSTD; codec < 8;
             codec++) { /* codecs that magic 0 and 1 know not */
            buf_clear(&set);
            put_message(&set,
                        (struct message){ 0, magic, codec, 0, BYTES_NULL, BYTES_LITERAL("x") });
            EXPECT(legacy_parse(buf_view(&set), &view) > 0);
            EXPECT_EQ(walk_all(&view, 1000, &count), -ERR_UNSUPPORTED);
        }

        buf_clear(&set); /* an inner size below any message's */
        put_wrapper(&set, wrapper, CODEC_GZIP,
                    bytes_from("\0\0\0\0\0\0\0\0\0\0\0\1xxxxxxxxxxxxxxx", 27));
        EXPECT(legacy_parse(buf_view(&set), &view) > 0);
        EXPECT_EQ(walk_all(&view, 1000, &count), -ERR_CORRUPT);
    }
}

/* KIP-31: an outer offset of 0 comes from a producer, others cannot lie below the last inner one. */
TEST(legacy_walk, checks_the_outer_offset_of_magic_1)
{
    AUTO(buf_deinit) struct buf inner;
    buf_init(&inner, SET_BYTES_MAX);
    for (int64_t i = 0; i < 5; i++)
        put_message(&inner, (struct message){ i, 1, 0, 1, BYTES_NULL, BYTES_LITERAL("v") });
    for (int64_t outer = 0; outer < 8; outer++) {
        AUTO(buf_deinit) struct buf set;
        buf_init(&set, SET_BYTES_MAX);
        put_wrapper(&set, (struct message){ .offset = outer, .magic = 1 }, CODEC_LZ4,
                    buf_view(&inner));
        struct legacy_view view;
        EXPECT(legacy_parse(buf_view(&set), &view) > 0);
        int64_t base_offset;
        const int r = legacy_base_offset(&view, NULL, 1000, &base_offset);
        EXPECT_EQ(r, outer > 0 && outer < 4 ? -ERR_CORRUPT : 0);
        if (r == 0)
            EXPECT_EQ(base_offset, outer == 0 ? 0 : outer - 4);
    }
}

/* Any byte replaced by any of a few values: an answer, and no overrun. */
TEST(legacy_walk, survives_damage_anywhere)
{
    static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
    for (int8_t magic = 0; magic < 2; magic++) {
        for (enum codec codec = CODEC_NONE; codec <= CODEC_LZ4; codec++) {
            AUTO(buf_deinit) struct buf inner;
            AUTO(buf_deinit) struct buf set;
            buf_init(&inner, SET_BYTES_MAX);
            buf_init(&set, SET_BYTES_MAX);
            for (int64_t i = 0; i < 3; i++)
                put_message(&inner, (struct message){ i, magic, 0, 1, BYTES_LITERAL("key"),
                                                      BYTES_LITERAL("value") });
            if (codec == CODEC_NONE)
                buf_put_bytes(&set, buf_view(&inner));
            else
                put_wrapper(&set, (struct message){ .offset = 2, .magic = magic }, codec,
                            buf_view(&inner));
            for (size_t at = 0; at < set.size; at++) {
                for (size_t v = 0; v < ARRAY_LEN(values); v++) {
                    AUTO(mem_freep) uint8_t *copy = mem_dup(set.data, set.size);
                    copy[at] = values[v];
                    struct legacy_view view;
                    int32_t count;
                    if (legacy_parse(bytes_from(copy, set.size), &view) > 0)
                        EXPECT(walk_all(&view, 1 << 20, &count) <= 0);
                }
            }
        }
    }
}
