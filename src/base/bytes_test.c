/* Borrowed bytes: comparison, slices, numbers, UTF-8, hash. */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/test.h"

#include <stdio.h>
#include <string.h>

#define EMPTY BYTES_LITERAL("")

TEST(bytes_equal, tells_null_from_empty)
{
    EXPECT(bytes_equal(BYTES_NULL, BYTES_NULL));
    EXPECT(bytes_equal(EMPTY, EMPTY));
    EXPECT(!bytes_equal(BYTES_NULL, EMPTY));
    EXPECT(!bytes_equal(EMPTY, BYTES_NULL));
    EXPECT(bytes_equal(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0b")));
    EXPECT(!bytes_equal(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0c")));
    EXPECT(!bytes_equal(BYTES_LITERAL("ab"), BYTES_LITERAL("abc")));
    EXPECT(bytes_equal_text(BYTES_LITERAL("ab"), "ab"));
    EXPECT(!bytes_equal_text(EMPTY, NULL));
    EXPECT(bytes_equal_text(BYTES_NULL, NULL));
}

/* The rows are in order; every pair must compare as their places do. */
TEST(bytes_compare, orders_null_then_shorter_then_by_unsigned_bytes)
{
    const struct bytes rows[] = {
        BYTES_NULL,
        EMPTY,
        BYTES_LITERAL("\0"),
        BYTES_LITERAL("\0\0"),
        BYTES_LITERAL("a"),
        BYTES_LITERAL("aa"),
        BYTES_LITERAL("b"),
        BYTES_LITERAL("\x7f"),
        BYTES_LITERAL("\x80"),
        BYTES_LITERAL("\xff"),
    };
    for (int i = 0; i < (int)ARRAY_LEN(rows); i++) {
        for (int k = 0; k < (int)ARRAY_LEN(rows); k++) {
            const int r = bytes_compare(rows[i], rows[k]);
            EXPECT_EQ((r > 0) - (r < 0), (i > k) - (i < k));
        }
    }
}

TEST(bytes_starts_with, every_prefix_and_nothing_longer)
{
    const struct bytes whole = BYTES_LITERAL("prefix");
    for (size_t n = 0; n <= whole.size; n++) {
        EXPECT(bytes_starts_with(whole, bytes_slice(whole, 0, n)));
        EXPECT_EQ(bytes_starts_with(bytes_slice(whole, 0, n), whole), n == whole.size);
    }
    EXPECT(!bytes_starts_with(whole, BYTES_LITERAL("q")));
    EXPECT(bytes_starts_with(BYTES_NULL, EMPTY));
    EXPECT(!bytes_starts_with(BYTES_NULL, whole));
}

TEST(bytes_slice, is_clamped_for_every_start_and_size)
{
    const struct bytes whole = BYTES_LITERAL("0123456789");
    for (size_t from = 0; from < 14; from++) {
        for (size_t size = 0; size < 14; size++) {
            const struct bytes s = bytes_slice(whole, from, size);
            const size_t first = from < 10 ? from : 10;
            EXPECT(s.data == whole.data + first);
            EXPECT_EQ(s.size, size < 10 - first ? size : 10 - first);
        }
    }
    EXPECT_EQ(bytes_slice(whole, SIZE_MAX, SIZE_MAX).size, 0);
    EXPECT(bytes_is_null(bytes_slice(BYTES_NULL, 1, 1)));
}

TEST(bytes_trim, takes_ascii_white_space_from_both_ends_only)
{
    EXPECT_BYTES(bytes_trim(BYTES_LITERAL(" \t\r\n\v\fa b\0 \n")), BYTES_LITERAL("a b\0"));
    EXPECT_BYTES(bytes_trim(BYTES_LITERAL("  ")), EMPTY);
    EXPECT_BYTES(bytes_trim(EMPTY), EMPTY);
    EXPECT_BYTES(bytes_trim(BYTES_NULL), BYTES_NULL);
    EXPECT_BYTES(bytes_trim(BYTES_LITERAL("\xa0x\x85")), BYTES_LITERAL("\xa0x\x85"));
}

/* Every power of ten and every power of two, their neighbours and their negatives. */
TEST(bytes_to_i64, reads_back_what_printf_wrote)
{
    char text[32];
    for (int bit = 0; bit < 64; bit++) {
        for (int off = -1; off <= 1; off++) {
            const int64_t wanted = (int64_t)((UINT64_C(1) << bit) + (uint64_t)(int64_t)off);
            (void)snprintf(text, sizeof(text), "%" PRId64, wanted);
            int64_t got = 0;
            EXPECT_OK(bytes_to_i64(bytes_from_text(text), &got));
            EXPECT_EQ(got, wanted);
        }
    }
}

TEST(bytes_to_i64, takes_the_whole_range_and_nothing_beyond)
{
    int64_t v = 7;
    EXPECT_OK(bytes_to_i64(bytes_from_text("9223372036854775807"), &v));
    EXPECT_EQ(v, INT64_MAX);
    EXPECT_OK(bytes_to_i64(bytes_from_text("-9223372036854775808"), &v));
    EXPECT_EQ(v, INT64_MIN);
    EXPECT_OK(bytes_to_i64(bytes_from_text("000000000000000000000000000012"), &v));
    EXPECT_EQ(v, 12);
    EXPECT_ERR(bytes_to_i64(bytes_from_text("9223372036854775808"), &v), ERR_LIMIT);
    EXPECT_ERR(bytes_to_i64(bytes_from_text("-9223372036854775809"), &v), ERR_LIMIT);
    EXPECT_ERR(bytes_to_i64(bytes_from_text("99999999999999999999"), &v), ERR_LIMIT);
    EXPECT_EQ(v, 12);
}

TEST(bytes_to_i64, refuses_all_but_digits)
{
    static const char *const bad[] = { "",   "-",   "+1",       " 1",
                                       "1 ", "1x",  "0x10",     "--1",
                                       "1-", "1.0", "\xd9\xa1", "99999999999999999999x" };
    int64_t v = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        EXPECT_ERR(bytes_to_i64(bytes_from_text(bad[i]), &v), ERR_MALFORMED);
    EXPECT_ERR(bytes_to_i64(BYTES_NULL, &v), ERR_MALFORMED);
    EXPECT_ERR(bytes_to_i64(BYTES_LITERAL("1\0"), &v), ERR_MALFORMED);
    EXPECT_EQ(v, 7);
}

TEST(bytes_to_text, terminates_and_keeps_null)
{
    AUTO(mem_freep) char *text = bytes_to_text(bytes_slice(BYTES_LITERAL("abcdef"), 0, 3));
    EXPECT_TEXT(text, "abc");
    AUTO(mem_freep) char *empty = bytes_to_text(EMPTY);
    EXPECT_TEXT(empty, "");
    EXPECT(bytes_to_text(BYTES_NULL) == NULL);
}

TEST(bytes_dup, copies_and_keeps_null)
{
    uint8_t from[] = { 'a', 'b', 'c' };
    const struct bytes copy = bytes_dup(bytes_from(from, sizeof(from)));
    from[0] = 'x';
    EXPECT_BYTES(copy, BYTES_LITERAL("abc"));
    const struct bytes empty = bytes_dup(EMPTY);
    EXPECT(!bytes_is_null(empty) && empty.size == 0);
    EXPECT(bytes_is_null(bytes_dup(BYTES_NULL)));
    bytes_free(copy);
    bytes_free(empty);
    bytes_free(BYTES_NULL);
}

static size_t utf8_write(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (code & 63));
    return 4;
}

/* Every number four bytes can spell: exactly the code points that are no surrogates pass, and every cut of a good
 * sequence fails whole. */
TEST(bytes_append, lays_texts_in_a_row_and_keeps_null)
{
    uint8_t row[3] = { 0 };
    uint8_t *at = row;
    const struct bytes a = bytes_append(&at, BYTES_LITERAL("ab"));
    EXPECT(bytes_is_null(bytes_append(&at, BYTES_NULL)));
    const struct bytes empty = bytes_append(&at, BYTES_LITERAL(""));
    const struct bytes b = bytes_append(&at, BYTES_LITERAL("c"));
    EXPECT_BYTES(a, BYTES_LITERAL("ab"));
    EXPECT_BYTES(empty, BYTES_LITERAL(""));
    EXPECT_BYTES(b, BYTES_LITERAL("c"));
    EXPECT(a.data == row && b.data == row + 2 && at == row + sizeof(row));
}

TEST(bytes_utf8_prefix, cuts_no_character)
{
    const struct bytes text = BYTES_LITERAL("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    static const size_t sizes[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        EXPECT_BYTES(bytes_utf8_prefix(text, i), bytes_slice(text, 0, sizes[i]));
    EXPECT(bytes_is_null(bytes_utf8_prefix(BYTES_NULL, 0)));
}

TEST(bytes_is_utf8, knows_every_code_point)
{
    for (uint32_t code = 0; code < 0x200000; code++) {
        uint8_t text[4];
        const size_t size = utf8_write(code, text);
        const bool good = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
        if (bytes_is_utf8(bytes_from(text, size)) != good)
            test_fail(__FILE__, __LINE__, "U+%04X is taken wrongly", code);
        if (!good)
            continue;
        EXPECT_EQ(bytes_utf8_step(bytes_from(text, size)), size);
        for (size_t cut = 1; cut < size; cut++)
            EXPECT_EQ(bytes_utf8_step(bytes_from(text, cut)), -(int)cut);
    }
}

/* All sequences of three bytes: whatever is accepted must be what the straightforward encoder writes. */
TEST(bytes_is_utf8, has_one_spelling_for_each_code_point)
{
    uint32_t accepted = 0;
    for (uint32_t n = 0xc00000; n <= 0xffffff; n++) {
        const uint8_t text[3] = { (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
        accepted += bytes_utf8_step(bytes_from(text, 3)) == 3;
    }
    EXPECT_EQ(accepted, 0x10000 - 0x800 - 0x800); /* U+0800 to U+FFFF without surrogates */
    EXPECT(bytes_is_utf8(EMPTY));
    EXPECT(bytes_is_utf8(BYTES_NULL));
    EXPECT(!bytes_is_utf8(BYTES_LITERAL("ok\xc0\xaf")));
}

/* SipHash-1-3 of the bytes 00, 01, 02 … of every length to 63 under the key 00 … 0f: the vectors of the reference
 * implementation (github.com/veorq/SipHash), which CPython's own hash of bytes agrees with. */
static const uint64_t sip_vectors[64] = {
    0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
    0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
    0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
    0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
    0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
    0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
    0xf464aeb267349c8c, 0x45cd5928705b0979, 0x3a3e35e3ca9913a5, 0xa91dc74e4ade3b35,
    0xfb0bed02ef6cd00d, 0x88d93cb44ab1e1f4, 0x540f11d643c5e663, 0x2370dd1f8c21d1bc,
    0x81157b6c16a7b60d, 0x4d54b9e57a8ff9bf, 0x759f12781f2a753e, 0xcea1a3bebf186b91,
    0x2cf508d3ada26206, 0xb6101c2da3c33057, 0xb3f47496ae3a36a1, 0x626b57547b108392,
    0xc1d2363299e41531, 0x667cc1923f1ad944, 0x65704ffec8138825, 0x24f280d1c28949a6,
    0xc2ca1cedfaf8876b, 0xc2164bfc9f042196, 0xa16e9c9368b1d623, 0x49fb169c8b5114fd,
    0x9f3143f8df074c46, 0xc6fdaf2412cc86b3, 0x7eaf49d10a52098f, 0x1cf313559d292f9a,
    0xc44a30dda2f41f12, 0x36fae98943a71ed0, 0x318fb34c73f0bce6, 0xa27abf3670a7e980,
    0xb4bcc0db243c6d75, 0x23f8d852fdb71513, 0x8f035f4da67d8a08, 0xd89cd0e5b7e8f148,
    0xf6f4e6bcf7a644ee, 0xaec59ad80f1837f2, 0xc3b2f6154b6694e0, 0x9d199062b7bbb3a8,
};

TEST(bytes_hash, is_siphash_1_3)
{
    uint8_t input[64];
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (uint8_t)i;
    for (size_t size = 0; size < ARRAY_LEN(sip_vectors); size++)
        EXPECT_EQ(bytes_hash(bytes_from(input, size), UINT64_C(0x0706050403020100)),
                  sip_vectors[size]);
}

/* SipHash-1-3 with 128 bits under the same key, by a second implementation that was held against the published vectors of
 * SipHash-2-4 with 128 bits. */
TEST(bytes_hash_wide, is_siphash_1_3_of_128_bits)
{
    static const struct {
        size_t size;
        struct wide_hash hash;
    } vectors[] = {
        { 0, { 0xbea58827b2bc7ee7, 0x013030dd6adb62fd } },
        { 1, { 0xa8edd36004376ffc, 0x63f02f2bcc73055e } },
        { 7, { 0xc3e0aaf223b98410, 0x77ab4808c82e2fa6 } },
        { 8, { 0xb4dae3d5e1fe12aa, 0x99c7f935ab164f72 } },
        { 9, { 0x9439f32c04b8dd81, 0x427c1394000e72f4 } },
        { 15, { 0x6c52bdb205557ec1, 0x09017e1eeccd2129 } },
        { 16, { 0xeb8e511557d9a8d0, 0x93179e3df8b013b5 } },
        { 63, { 0x6f42fe4ee300584c, 0xad6052a70a6b9f07 } },
    };
    uint8_t input[64];
    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct wide_hash hash =
            bytes_hash_wide(bytes_from(input, vectors[i].size), UINT64_C(0x0706050403020100));
        EXPECT_EQ(hash.low, vectors[i].hash.low);
        EXPECT_EQ(hash.high, vectors[i].hash.high);
    }
}

TEST(bytes_hash, does_not_depend_on_where_the_bytes_lie)
{
    uint8_t place[40];
    for (size_t at = 0; at < 16; at++) {
        memcpy(place + at, "the same name, moved", 20);
        EXPECT_EQ(bytes_hash(bytes_from(place + at, 20), 9),
                  bytes_hash(BYTES_LITERAL("the same name, moved"), 9));
    }
    EXPECT(bytes_hash(EMPTY, 1) != bytes_hash(EMPTY, 2));
    EXPECT_EQ(bytes_hash(EMPTY, 1), bytes_hash(BYTES_NULL, 1));
}
