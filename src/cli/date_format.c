/* See date_format.h. */
#include "cli/date_format.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

#define FIELDS "yMdEaHkKhmsS"

static const char *const month_names[] = { "January",   "February", "March",    "April",
                                           "May",       "June",     "July",     "August",
                                           "September", "October",  "November", "December" };
static const char *const day_names[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                         "Thursday", "Friday", "Saturday" };

/* Through a pattern, part by part: runs of one letter, and text. */
struct walk {
    const char *at;
    bool is_quoted;
};
struct part {
    char letter; /* 0: text */
    const char *text;
    size_t size;
};

/* Two quotes are one, within quotes and outside. */
static bool next_part(struct walk *w, struct part *out)
{
    const char *at = w->at;
    if (*at == '\0')
        return false;
    *out = (struct part){ .text = at, .size = 1 };
    w->at++;
    if (at[0] == '\'' && at[1] == '\'') {
        w->at++;
    } else if (at[0] == '\'') {
        w->is_quoted = !w->is_quoted;
        out->size = 0;
    } else if (!w->is_quoted && isalpha((unsigned char)*at)) {
        const char letter[] = { *at, '\0' };
        out->letter = *at;
        out->size = strspn(at, letter);
        w->at = at + out->size;
    }
    return true;
}

int date_format_check(const char *pattern, struct err_note *note)
{
    struct walk walk = { .at = pattern };
    struct part part;
    while (next_part(&walk, &part)) {
        if (part.letter != 0 && strchr(FIELDS, part.letter) == NULL)
            return err_note(note, -ERR_INVALID_ARGUMENT,
                            "'%c' is no letter of a date that can be printed here: " FIELDS " are",
                            part.letter);
    }
    return walk.is_quoted
               ? err_note(note, -ERR_INVALID_ARGUMENT, "Unterminated quote in '%s'", pattern)
               : 0;
}

static void put_number(struct buf *out, int value, size_t digits)
{
    buf_printf(out, "%0*d", (int)MIN(digits, (size_t)32), value);
}

static void put_name(struct buf *out, const char *name, size_t letters)
{
    buf_printf(out, "%.*s", letters < 4 ? 3 : (int)strlen(name), name);
}

static void put_field(struct buf *out, const struct part *part, const struct tm *tm, int ms)
{
    switch (part->letter) {
    case 'y':
        put_number(out, part->size == 2 ? tm->tm_year % 100 : tm->tm_year + 1900, part->size);
        break;
    case 'M':
        if (part->size > 2)
            put_name(out, month_names[tm->tm_mon], part->size);
        else
            put_number(out, tm->tm_mon + 1, part->size);
        break;
    case 'd':
        put_number(out, tm->tm_mday, part->size);
        break;
    case 'E':
        put_name(out, day_names[tm->tm_wday], part->size);
        break;
    case 'a':
        buf_put_text(out, tm->tm_hour < 12 ? "AM" : "PM");
        break;
    case 'H':
        put_number(out, tm->tm_hour, part->size);
        break;
    case 'k': /* 1 to 24 */
        put_number(out, tm->tm_hour == 0 ? 24 : tm->tm_hour, part->size);
        break;
    case 'K': /* 0 to 11 */
        put_number(out, tm->tm_hour % 12, part->size);
        break;
    case 'h': /* 1 to 12 */
        put_number(out, tm->tm_hour % 12 == 0 ? 12 : tm->tm_hour % 12, part->size);
        break;
    case 'm':
        put_number(out, tm->tm_min, part->size);
        break;
    case 's':
        put_number(out, tm->tm_sec, part->size);
        break;
    default: /* S */
        put_number(out, ms, part->size);
        break;
    }
}

void date_format_put(const char *pattern, const char *local_time, int ms, struct buf *out)
{
    struct tm tm = { 0 };
    if (strptime(local_time, "%Y-%m-%d %H:%M:%S", &tm) == NULL)
        return; /* the clock is beyond what the system can tell */
    struct walk walk = { .at = pattern };
    struct part part;
    while (next_part(&walk, &part)) {
        if (part.letter == 0)
            buf_put(out, part.text, part.size);
        else
            put_field(out, &part, &tm, ms);
    }
}
