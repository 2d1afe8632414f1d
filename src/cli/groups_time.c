/* Times and durations as kafka-consumer-groups takes them. */
#include "cli/groups.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX (INT64_MAX / 4)

/* "+01:00", "+0100", "+01" or "Z"; NULL: nothing of the kind. */
static const char *parse_zone(const char *text, int *out_minutes)
{
    int hours = 0;
    int minutes = 0;
    int used = 0;
    *out_minutes = 0;
    if (*text == 'Z')
        return text + 1;
    if (*text != '+' && *text != '-')
        return NULL;
    if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
        sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) {
        minutes = 0;
        if (sscanf(text + 1, "%2d%n", &hours, &used) != 1)
            return NULL;
    }
    *out_minutes = (*text == '-' ? -1 : 1) * (hours * 60 + minutes);
    return text + 1 + used;
}

/* "2026-01-31T12:00:00.000", "…Z", "…+01:00"; without zone: UTC, as in Kafka. */
int groups_parse_datetime(const char *text, int64_t *out, struct err_note *note)
{
    struct tm tm = { 0 };
    int ms = 0;
    int used = 0;
    int zone_minutes = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest != NULL && *rest == '.' && sscanf(rest, ".%3d%n", &ms, &used) == 1)
        rest += used;
    if (rest != NULL && *rest != '\0')
        rest = parse_zone(rest, &zone_minutes);
    if (strchr(text, 'T') == NULL)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Error parsing timestamp. It does not contain a 'T' according to ISO8601 "
                        "format");
    if (rest == NULL || *rest != '\0')
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Unparseable date: \"%s\" (YYYY-MM-DDTHH:mm:ss.sss is wanted)", text);
    *out = ((int64_t)timegm(&tm) - zone_minutes * 60) * MS_PER_SECOND + ms;
    return 0;
}

/* One "[-+]digits[.digits]U" of a duration. Moves *at past it, or leaves it where it is. */
static bool take_part(const char **at, char unit, int64_t unit_ms, bool takes_fraction, int64_t *ms)
{
    const char *p = *at;
    const bool is_negative = *p == '-';
    if (*p == '-' || *p == '+')
        p++;
    if (!isdigit((unsigned char)*p))
        return false;
    int64_t whole = 0;
    for (; isdigit((unsigned char)*p); p++) {
        if (whole > DURATION_MAX / 10 / unit_ms)
            return false;
        whole = whole * 10 + (*p - '0');
    }
    int64_t fraction_ms = 0;
    if (takes_fraction && (*p == '.' || *p == ',')) {
        int64_t scale = MS_PER_SECOND;
        for (p++; isdigit((unsigned char)*p); p++) {
            scale /= 10;
            fraction_ms += scale * (*p - '0');
        }
    }
    if (toupper((unsigned char)*p) != unit)
        return false;
    const int64_t value = whole * unit_ms + fraction_ms;
    *ms += is_negative ? -value : value;
    *at = p + 1;
    return true;
}

/* java.time.Duration.parse: "P1DT2H3M4.5S", with signs before the whole and before each part. */
int groups_parse_duration(const char *text, int64_t *out, struct err_note *note)
{
    const char *at = text;
    int64_t ms = 0;
    const bool is_negative = *at == '-';
    if (*at == '-' || *at == '+')
        at++;
    bool has_any = false;
    bool is_good = toupper((unsigned char)*at) == 'P';
    if (is_good) {
        at++;
        has_any = take_part(&at, 'D', INT64_C(86400000), false, &ms);
    }
    if (is_good && toupper((unsigned char)*at) == 'T') {
        at++;
        const bool has_hours = take_part(&at, 'H', 3600000, false, &ms);
        const bool has_minutes = take_part(&at, 'M', 60000, false, &ms);
        const bool has_seconds = take_part(&at, 'S', MS_PER_SECOND, true, &ms);
        is_good = has_hours || has_minutes || has_seconds;
        has_any = true;
    }
    if (!is_good || !has_any || *at != '\0')
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Text cannot be parsed to a Duration: '%s' (PnDTnHnMnS is wanted)", text);
    *out = is_negative ? -ms : ms;
    return 0;
}
