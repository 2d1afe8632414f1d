/* Patterns of dates; what Java's SimpleDateFormat prints for them. */
#include "cli/date_format.h"

#include "base/test.h"

#include <string.h>

static void expect(const char *pattern, const char *local_time, int ms, const char *wanted)
{
    struct buf out;
    buf_init(&out, SIZE_MAX);
    EXPECT_OK(date_format_check(pattern, NULL));
    date_format_put(pattern, local_time, ms, &out);
    if (!bytes_equal_text(buf_view(&out), wanted))
        test_fail(__FILE__, __LINE__, "%s gives '%.*s' and not '%s'", pattern,
                  BYTES_PRINTF(buf_view(&out)), wanted);
    buf_deinit(&out);
}

TEST(date_format_put, prints_as_java_does)
{
    static const char time[] = "2026-01-05 00:07:09";
    expect("yyyy-MM-dd HH:mm:ss:SSS", time, 4, "2026-01-05 00:07:09:004");
    expect("yy yyyyy y", time, 0, "26 02026 2026");
    expect("M MM MMM MMMM", time, 0, "1 01 Jan January");
    expect("E EEEE d dd", time, 0, "Mon Monday 5 05");
    expect("H k K h a", time, 0, "0 24 0 12 AM");
    expect("H k K h a", "2026-12-31 12:00:00", 0, "12 12 0 12 PM");
    expect("hh a", "2026-12-31 23:00:00", 0, "11 PM");
    expect("S SS SSSS", time, 42, "42 42 0042");
    expect("'at' H 'o''clock', ''yy''", time, 0, "at 0 o'clock, '26'");
    expect("", time, 0, "");
}

TEST(date_format_check, names_what_it_does_not_know)
{
    struct err_note note = { 0 };
    EXPECT_ERR(date_format_check("HH:mm z", &note), ERR_INVALID_ARGUMENT);
    EXPECT(strstr(note.text, "'z'") != NULL);
    EXPECT_ERR(date_format_check("HH 'h", &note), ERR_INVALID_ARGUMENT);
    EXPECT_ERR(date_format_check("'", &note), ERR_INVALID_ARGUMENT);
}
