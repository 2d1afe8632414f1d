/* Growing buffers: the maximum, the sticky error, integers, text, JSON strings. */
#include "base/be.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/test.h"

#include <stdlib.h>
#include <string.h>

/* For every maximum and every way to cut the same content into writes: what fits is there, the first write that
 * does not fit leaves all before it, and nothing is written after. */
TEST(buf_put, stops_for_good_at_the_first_write_past_the_maximum)
{
    static const uint8_t content[300] = { 1, 2, 3 };
    for (size_t size_max = 0; size_max < 200; size_max++) {
        for (size_t step = 1; step < 40; step += 3) {
            struct buf buf;
            buf_init(&buf, size_max);
            size_t put = 0;
            while (put + step <= size_max) {
                buf_put(&buf, content + put, step);
                put += step;
                EXPECT(buf_is_ok(&buf));
                EXPECT_EQ(buf.size, put);
            }
            buf_put(&buf, content + put, step);
            EXPECT(!buf_is_ok(&buf));
            buf_put(&buf, content, 0);
            buf_put_u8(&buf, 1);
            EXPECT(buf_extend(&buf, 0) == NULL);
            EXPECT_EQ(buf.size, put);
            EXPECT(buf.capacity <= size_max);
            EXPECT_BYTES(buf_view(&buf), bytes_from(content, put));
            buf_deinit(&buf);
        }
    }
}

TEST(buf_clear, forgets_content_and_error_and_keeps_memory)
{
    struct buf buf;
    buf_init(&buf, 3);
    buf_put(&buf, "abc", 3);
    buf_put(&buf, "d", 1);
    const uint8_t *memory = buf.data;
    buf_clear(&buf);
    EXPECT(buf_is_ok(&buf));
    buf_put(&buf, "xyz", 3);
    EXPECT(buf_is_ok(&buf));
    EXPECT(buf.data == memory);
    EXPECT_BYTES(buf_view(&buf), BYTES_LITERAL("xyz"));
    buf_deinit(&buf);
    buf_deinit(&buf);
}

TEST(buf_view, of_nothing_is_empty_and_not_null)
{
    struct buf buf;
    buf_init(&buf, 10);
    EXPECT_BYTES(buf_view(&buf), BYTES_LITERAL(""));
    EXPECT(buf_extend(&buf, 0) != NULL);
    EXPECT_BYTES(buf_view(&buf), BYTES_LITERAL(""));
    buf_deinit(&buf);
}

TEST(buf_take, moves_the_memory_and_leaves_a_usable_buf)
{
    struct buf buf;
    buf_init(&buf, 100);
    EXPECT(buf_take(&buf) == NULL);
    buf_put_text(&buf, "mine");
    AUTO(mem_freep) uint8_t *data = buf_take(&buf);
    EXPECT_EQ(buf.size, 0);
    buf_put_text(&buf, "next");
    EXPECT_BYTES(buf_view(&buf), BYTES_LITERAL("next"));
    EXPECT_BYTES(bytes_from(data, 4), BYTES_LITERAL("mine"));
    buf_deinit(&buf);
}

TEST(buf_put_i64, writes_integers_big_endian)
{
    struct buf buf;
    buf_init(&buf, 100);
    buf_put_u8(&buf, 0xfe);
    buf_put_i16(&buf, 0x0102);
    buf_put_i32(&buf, -2);
    buf_put_i64(&buf, INT64_C(0x1122334455667788));
    EXPECT_BYTES(buf_view(&buf),
                 BYTES_LITERAL("\xfe\x01\x02\xff\xff\xff\xfe\x11\x22\x33\x44\x55\x66\x77\x88"));
    EXPECT_EQ(be_load_i16(buf.data + 1), 0x0102);
    EXPECT_EQ(be_load_i32(buf.data + 3), -2);
    EXPECT_EQ(be_load_i64(buf.data + 7), INT64_C(0x1122334455667788));
    buf_deinit(&buf);
}

/* The NUL that printf writes needs memory, but must not count: text as long as the maximum fits. */
TEST(buf_printf, fits_text_of_every_length_up_to_the_maximum)
{
    for (int length = 0; length < 300; length++) {
        struct buf buf;
        buf_init(&buf, (size_t)length);
        buf_printf(&buf, "%0*d", length, 0);
        EXPECT_EQ(buf_is_ok(&buf), length > 0); /* "%00d" is one digit, never none */
        if (length > 0) {
            EXPECT_EQ(buf.size, length);
            buf_printf(&buf, "%s", "");
            EXPECT(buf_is_ok(&buf));
            buf_printf(&buf, "%s", "!");
            EXPECT(!buf_is_ok(&buf));
        }
        buf_deinit(&buf);
    }
}

static void expect_json(struct bytes in, const char *wanted)
{
    struct buf buf;
    buf_init(&buf, 1000);
    buf_put_json_string(&buf, in);
    EXPECT(buf_is_ok(&buf));
    EXPECT_BYTES(buf_view(&buf), bytes_from_text(wanted));
    buf_deinit(&buf);
}

TEST(buf_put_json_string, escapes_what_json_forbids)
{
    expect_json(BYTES_LITERAL(""), "\"\"");
    expect_json(BYTES_NULL, "null");
    expect_json(BYTES_LITERAL("plain /text"), "\"plain /text\"");
    expect_json(BYTES_LITERAL("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    expect_json(BYTES_LITERAL("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"");
    expect_json(BYTES_LITERAL("z\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
                "\"z\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

/* As Unicode advises and Java does: one replacement for each maximal subpart of an ill-formed sequence. */
TEST(buf_put_json_string, replaces_ill_formed_utf8)
{
    expect_json(BYTES_LITERAL("a\xff"
                              "b"),
                "\"a\xef\xbf\xbd"
                "b\"");
    expect_json(BYTES_LITERAL("\xe2\x82"), "\"\xef\xbf\xbd\"");
    expect_json(BYTES_LITERAL("\xe2\x82x"), "\"\xef\xbf\xbdx\"");
    expect_json(BYTES_LITERAL("\xf0\x9f\x98"), "\"\xef\xbf\xbd\"");
    expect_json(BYTES_LITERAL("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    expect_json(BYTES_LITERAL("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(buf_put_json_string, fails_at_the_maximum_and_ends)
{
    for (size_t size_max = 0; size_max < 14; size_max++) {
        struct buf buf;
        buf_init(&buf, size_max);
        buf_put_json_string(&buf, BYTES_LITERAL("ab\x01\xff"));
        EXPECT_EQ(buf_is_ok(&buf), size_max >= 13);
        EXPECT(buf.size <= size_max);
        buf_deinit(&buf);
    }
}
