/* Numbers as Java prints them. */
#include "cli/deserializer.h"

#include "base/test.h"

#include <math.h>

static void expect_text(enum deserializer deserializer, const char *bytes, size_t size,
                        const char *wanted)
{
    struct buf out;
    struct err_note note = { 0 };
    buf_init(&out, SIZE_MAX);
    const int r = deserializer_put(deserializer, bytes_from(bytes, size), &out, &note);
    if (wanted == NULL)
        EXPECT_ERR(r, ERR_MALFORMED);
    else
        EXPECT_OK(r);
    EXPECT(bytes_equal_text(buf_view(&out), wanted == NULL ? "" : wanted));
    buf_deinit(&out);
}

/* What java.lang.Double.toString and Float.toString of JDK 19 and later give. */
TEST(deserializer, prints_floating_numbers_as_java_does)
{
    static const struct {
        double value;
        const char *text;
    } doubles[] = { { 0, "0.0" },
                    { -0.0, "-0.0" },
                    { 1, "1.0" },
                    { -1.5, "-1.5" },
                    { 100, "100.0" },
                    { 0.1, "0.1" },
                    { 0.001, "0.001" },
                    { 0.00099, "9.9E-4" },
                    { 123456.789, "123456.789" },
                    { 9999999, "9999999.0" },
                    { 10000000, "1.0E7" },
                    { 1.0 / 3, "0.3333333333333333" },
                    { 1.7976931348623157e308, "1.7976931348623157E308" },
                    { 4.9e-324, "4.9E-324" },
                    { 1e22, "1.0E22" },
                    { (double)INFINITY, "Infinity" },
                    { (double)-INFINITY, "-Infinity" },
                    { (double)NAN, "NaN" } };
    struct buf out;
    buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(doubles); i++) {
        buf_clear(&out);
        put_java_double(&out, doubles[i].value);
        buf_put_u8(&out, 0);
        EXPECT_TEXT((const char *)out.data, doubles[i].text);
    }
    buf_clear(&out);
    put_java_float(&out, 0.1f);
    buf_put_text(&out, " ");
    put_java_float(&out, 16777216.0f);
    buf_put_text(&out, " ");
    put_java_float(&out, 3.4028235e38f);
    EXPECT(bytes_equal_text(buf_view(&out), "0.1 1.6777216E7 3.4028235E38"));
    buf_deinit(&out);
}

TEST(deserializer, wants_the_size_of_its_kind)
{
    expect_text(DESERIALIZER_SHORT, "\xff\xfe", 2, "-2");
    expect_text(DESERIALIZER_SHORT, "\xff\xfe\x00", 3, NULL);
    expect_text(DESERIALIZER_INTEGER, "\x00\x00\x01\x00", 4, "256");
    expect_text(DESERIALIZER_INTEGER, "", 0, NULL);
    expect_text(DESERIALIZER_LONG, "\x80\0\0\0\0\0\0\0", 8, "-9223372036854775808");
    expect_text(DESERIALIZER_FLOAT, "\x3f\x80\0\0", 4, "1.0");
    expect_text(DESERIALIZER_DOUBLE, "\x40\x09\x21\xfb\x54\x44\x2d\x18", 8, "3.141592653589793");
    expect_text(DESERIALIZER_BOOLEAN, "\1", 1, "true");
    expect_text(DESERIALIZER_BOOLEAN, "\2", 1, NULL);
    expect_text(DESERIALIZER_BYTES, "a\\\n\xff", 4, "a\\x5C\\x0A\\xFF");
    expect_text(DESERIALIZER_UUID, "6BA7B810-9dad-11d1-80b4-00c04fd430c8", 36,
                "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    expect_text(DESERIALIZER_UUID, "6BA7B810-9dad-11d1-80b4-00c04fd430cg", 36, NULL);
}

TEST(deserializer, is_found_by_the_whole_name_of_its_class)
{
    enum deserializer found = DESERIALIZER_NONE;
    EXPECT_OK(deserializer_find("org.apache.kafka.common.serialization.LongDeserializer", &found));
    EXPECT_EQ(found, DESERIALIZER_LONG);
    EXPECT_ERR(deserializer_find("LongDeserializer", &found), ERR_UNSUPPORTED);
    EXPECT_ERR(deserializer_find("org.apache.kafka.common.serialization.ListDeserializer", &found),
               ERR_UNSUPPORTED);
}
