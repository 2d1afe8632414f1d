/* Numbers and durations in Java's forms. */
#include "config/java_text.h"

#include "base/test.h"

#include <math.h>
#include <string.h>

/* Java takes a plus sign, no spaces inside, and nothing that does not fit. */
TEST(java_parse_integer, takes_what_java_takes)
{
    static const struct {
        const char *text;
        bool is_good;
        int64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "+7", true, 7 },
        { "2147483647", true, 2147483647 },
        { "-2147483648", true, -2147483648 },
        { "2147483648", false, 0 },
        { "-2147483649", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "+-1", false, 0 },
        { "1 ", false, 0 },
        { "0x1", false, 0 },
        { "99999999999999999999", false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t value = -1;
        const bool is_good =
            java_parse_integer(bytes_from_text(rows[i].text), INT32_MIN, INT32_MAX, &value);
        if (is_good != rows[i].is_good || (is_good && value != rows[i].value))
            test_fail(__FILE__, __LINE__, "'%s' is %d, %" PRId64, rows[i].text, is_good, value);
    }
    int64_t value;
    EXPECT(java_parse_integer(BYTES_LITERAL("-9223372036854775808"), INT64_MIN, INT64_MAX, &value));
    EXPECT_EQ(value, INT64_MIN);
    EXPECT(!java_parse_integer(BYTES_LITERAL("9223372036854775808"), INT64_MIN, INT64_MAX, &value));
}

/* What is printed reads back as the same number, for numbers of every size. */
TEST(java_print_double, reads_back_the_same)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int i = 0; i < 100000; i++) {
        const uint64_t bits = rng_u64(&rng);
        double value;
        double back = 0;
        char text[JAVA_DOUBLE_TEXT_SIZE];
        memcpy(&value, &bits, sizeof(value));
        if (isnan(value))
            continue;
        java_print_double(value, text);
        if (!java_parse_double(bytes_from_text(text), &back) ||
            memcmp(&back, &value, sizeof(back)) != 0)
            test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %a is printed as %s", context->seed,
                      value, text);
    }
}

TEST(java_print_double, has_javas_form)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        { 0.0, "0.0" },
        { -0.0, "-0.0" },
        { 1.0, "1.0" },
        { 0.5, "0.5" },
        { 0.001, "0.001" },
        { 0.0001, "1.0E-4" },
        { 9999999.0, "9999999.0" },
        { 1e7, "1.0E7" },
        { 12345678.0, "1.2345678E7" },
        { 123.456, "123.456" },
        { 1.7976931348623157e308, "1.7976931348623157E308" },
        { 4.9e-324, "4.9E-324" },
        { -0.25, "-0.25" },
        { 100.0, "100.0" },
        { 1234567.0, "1234567.0" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[JAVA_DOUBLE_TEXT_SIZE];
        java_print_double(rows[i].value, text);
        EXPECT_TEXT(text, rows[i].text);
    }
}

TEST(java_parse_double, refuses_what_strtod_would_take)
{
    static const char *const bad[] = { "",   " ", "inf",  "nan", "infinity", "0x1", "1e",
                                       "e5", ".", "1.5x", "1 2", "0x",       "--1", "+" };
    static const char *const good[] = { "1",    ".5",  "5.",        "1e3", "0x1p-1", "1f",
                                        "1.5D", "NaN", "-Infinity", " 1 ", "1e400" };
    double value;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (java_parse_double(bytes_from_text(bad[i]), &value))
            test_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!java_parse_double(bytes_from_text(good[i]), &value))
            test_fail(__FILE__, __LINE__, "'%s' is refused", good[i]);
    }
}

TEST(java_parse_duration, knows_days_to_seconds)
{
    static const struct {
        const char *text;
        bool is_good;
        int64_t ms;
    } rows[] = {
        { "PT1H", true, 3600000 },
        { "P1D", true, 86400000 },
        { "P1DT2H3M4.5S", true, 93784500 },
        { "pt0.0015s", true, 1 },
        { "PT-0.0015S", true, -2 },
        { "-PT1S", true, -1000 },
        { "P-1D", true, -86400000 },
        { "PT1S2M", false, 0 },
        { "P1DT", false, 0 },
        { "P", false, 0 },
        { "PT", false, 0 },
        { "P1W", false, 0 },
        { "PT1.5H", false, 0 },
        { "PT0.1234567890S", false, 0 },
        { "P999999999999999D", false, 0 },
        { "PT1S ", false, 0 },
        { "", false, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ms = 0;
        const bool is_good = java_parse_duration_ms(bytes_from_text(rows[i].text), &ms);
        if (is_good != rows[i].is_good || (is_good && ms != rows[i].ms))
            test_fail(__FILE__, __LINE__, "'%s' is %d, %" PRId64, rows[i].text, is_good, ms);
    }
}
