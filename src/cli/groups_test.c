/* Times and durations of kafka-consumer-groups. */
#include "cli/groups.h"

#include "base/test.h"

#define DAY_MS INT64_C(86400000)

TEST(groups_parse_datetime, takes_zones_and_fractions)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } table[] = { { "1970-01-01T00:00:00.000", 0 },
                  { "1970-01-02T00:00:00.000Z", DAY_MS },
                  { "1970-01-01T00:00:01.5", 1005 }, /* Java reads a number, not a fraction */
                  { "1970-01-01T01:00:00.000+01:00", 0 },
                  { "1970-01-01T01:30:00.000+0130", 0 },
                  { "1970-01-01T00:00:00.000-02", 2 * 3600000 },
                  { "2026-02-28T23:59:59.999Z", INT64_C(1772323199999) },
                  { "1970-01-01", -1 },
                  { "1970-01-01T00:00", -1 },
                  { "1970-01-01T00:00:00.000 ", -1 },
                  { "1970-01-01T00:00:00.000+", -1 },
                  { "soon", -1 },
                  { "", -1 } };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int64_t ms = -1;
        struct err_note note = { 0 };
        const int r = groups_parse_datetime(table[i].text, &ms, &note);
        EXPECT_EQ(r, table[i].ms < 0 ? -ERR_INVALID_ARGUMENT : 0);
        EXPECT_EQ(ms, table[i].ms);
    }
}

TEST(groups_parse_duration, is_javas)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = { { "PT0S", 0 },
                 { "P1D", DAY_MS },
                 { "P1DT2H3M4.5S", DAY_MS + 2 * 3600000 + 3 * 60000 + 4500 },
                 { "pt1.001s", 1001 },
                 { "PT-6H", -6 * 3600000 },
                 { "-PT1H", -3600000 },
                 { "-PT-1H", 3600000 },
                 { "P+2D", 2 * DAY_MS } };
    static const char *const bad[] = { "",       "P",     "PT",     "1D",
                                       "P1H",    "PT1D",  "PT1H ",  "P1DT",
                                       "PT1S1H", "P1.5D", "PT1.5H", "P99999999999999999D",
                                       "soon" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = -1;
        EXPECT_OK(groups_parse_duration(good[i].text, &ms, NULL));
        EXPECT_EQ(ms, good[i].ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms = -1;
        EXPECT_ERR(groups_parse_duration(bad[i], &ms, NULL), ERR_INVALID_ARGUMENT);
        EXPECT_EQ(ms, -1);
    }
}
