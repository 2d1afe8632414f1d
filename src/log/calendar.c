/* Days since 1970 to year, month and day, in the proleptic Gregorian calendar: see calendar.h. */
#include "log/calendar.h"

#include <stdio.h>

#define DAYS_PER_ERA         INT64_C(146097) /* 400 years */
#define DAYS_0000_03_TO_1970 INT64_C(719468) /* from 1 March of year 0 */
#define SECONDS_PER_DAY      INT64_C(86400)

struct date {
    int64_t year;
    int month; /* 0 January */
    int day;
};

/* Years are counted from March, so that the leap day is the last of its year. */
static struct date date_from_days(int64_t days_since_1970)
{
    const int64_t days = days_since_1970 + DAYS_0000_03_TO_1970;
    const int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    const int64_t day_of_era = days - era * DAYS_PER_ERA;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const int month = (int)((month_from_march + 2) % 12);
    return (struct date){
        .year = era * 400 + year_of_era + (month < 2 ? 1 : 0),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
}

void calendar_java_text(int64_t now_ms, char out[CALENDAR_TEXT_SIZE])
{
    static const char *const weekdays[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    int64_t seconds = now_ms / MS_PER_SECOND - (now_ms % MS_PER_SECOND < 0);
    const int64_t days = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);
    seconds -= days * SECONDS_PER_DAY;
    const struct date date = date_from_days(days);
    snprintf(out, CALENDAR_TEXT_SIZE, "%s %s %02d %02d:%02d:%02d UTC %" PRId64,
             weekdays[((days % 7) + 7) % 7], months[date.month], date.day, (int)(seconds / 3600),
             (int)(seconds / 60 % 60), (int)(seconds % 60), date.year);
}
