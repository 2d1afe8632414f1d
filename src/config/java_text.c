/* Numbers and durations in Java's text forms. See java_text.h. */
#include "config/java_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_SIZE_MAX                                                                            \
    1024 /* longer floating point text is not a number to us; Java has no limit */

struct bytes java_trim(struct bytes text)
{
    while (text.size > 0 && text.data[0] <= ' ')
        text = bytes_from(text.data + 1, text.size - 1);
    while (text.size > 0 && text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool java_parse_integer(struct bytes text, int64_t low, int64_t high, int64_t *out)
{
    ASSERT(low <= 0 && high >= 0);
    size_t at = 0;
    const bool is_negative = text.size > 0 && text.data[0] == '-';
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+'))
        at++;
    if (at == text.size)
        return false;
    int64_t value = 0; /* negative while reading: that side reaches one further */
    for (; at < text.size; at++) {
        if (!is_digit(text.data[at]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text.data[at] - '0', &value))
            return false;
    }
    if (is_negative ? value < low : value < -high)
        return false;
    *out = is_negative ? value : -value;
    return true;
}

/* A cursor over text: each step takes what it finds and tells whether it found any. */
struct scan {
    struct bytes text;
    size_t at;
};

static bool scan_one_of(struct scan *scan, const char *chars)
{
    if (scan->at == scan->text.size || scan->text.data[scan->at] == '\0' ||
        strchr(chars, scan->text.data[scan->at]) == NULL)
        return false;
    scan->at++;
    return true;
}

static size_t scan_all_of(struct scan *scan, const char *chars)
{
    size_t count = 0;
    while (scan_one_of(scan, chars))
        count++;
    return count;
}

static bool scan_exponent(struct scan *scan, const char *letters)
{
    if (!scan_one_of(scan, letters))
        return false;
    (void)scan_one_of(scan, "+-");
    return scan_all_of(scan, "0123456789") > 0;
}

/* Whether it is floating point text; *out_end is where the digits end and a suffix may begin. */
static bool is_floating_point(struct bytes text, size_t *out_end)
{
    struct scan scan = { .text = text };
    (void)scan_one_of(&scan, "+-");
    const bool is_hex = scan.at + 1 < text.size && text.data[scan.at] == '0' &&
                        (text.data[scan.at + 1] | 32) == 'x';
    scan.at += is_hex ? 2 : 0;
    const char *digits = is_hex ? "0123456789abcdefABCDEF" : "0123456789";
    size_t count = scan_all_of(&scan, digits);
    if (scan_one_of(&scan, "."))
        count += scan_all_of(&scan, digits);
    if (count == 0)
        return false;
    const size_t before_exponent = scan.at;
    if (!scan_exponent(&scan, is_hex ? "pP" : "eE") && (is_hex || scan.at != before_exponent))
        return false;
    *out_end = scan.at;
    (void)scan_one_of(&scan, "fFdD");
    return scan.at == text.size;
}

bool java_parse_double(struct bytes text, double *out)
{
    text = java_trim(text);
    const bool is_signed = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+');
    const struct bytes unsigned_text = bytes_slice(text, is_signed ? 1 : 0, text.size);
    const double sign = is_signed && text.data[0] == '-' ? -1.0 : 1.0;
    if (bytes_equal_text(unsigned_text, "NaN")) {
        *out = (double)NAN;
        return true;
    }
    if (bytes_equal_text(unsigned_text, "Infinity")) {
        *out = sign * (double)INFINITY;
        return true;
    }
    size_t end = 0;
    if (text.size >= NUMBER_SIZE_MAX || !is_floating_point(text, &end))
        return false;
    char copy[NUMBER_SIZE_MAX];
    memcpy(copy, text.data, end);
    copy[end] = '\0';
    *out = strtod(copy, NULL);
    return true;
}

/* Writes digits "d", "dd…" as d.d…; at least one digit after the point. */
static void put_with_point(char *out, size_t size, const char *sign, const char *digits,
                           int point_after, const char *end)
{
    const int count = (int)strlen(digits);
    if (point_after <= 0)
        (void)snprintf(out, size, "%s0.%.*s%s%s", sign, -point_after, "0000000000", digits, end);
    else if (point_after >= count)
        (void)snprintf(out, size, "%s%s%.*s.0%s", sign, digits, point_after - count, "0000000000",
                       end);
    else
        (void)snprintf(out, size, "%s%.*s.%s%s", sign, point_after, digits, digits + point_after,
                       end);
}

void java_print_double(double value, char out[JAVA_DOUBLE_TEXT_SIZE])
{
    const char *sign = signbit(value) ? "-" : "";
    if (isnan(value) || isinf(value)) {
        (void)snprintf(out, JAVA_DOUBLE_TEXT_SIZE, "%s", isnan(value) ? "NaN" : "");
        if (isinf(value))
            (void)snprintf(out, JAVA_DOUBLE_TEXT_SIZE, "%sInfinity", sign);
        return;
    }
    /* The fewest digits, but two at least, that read back the same: "d.ddde±xx". */
    char shortest[40];
    for (int digits = 1; digits < 17; digits++) {
        (void)snprintf(shortest, sizeof(shortest), "%.*e", digits, fabs(value));
        if (strtod(shortest, NULL) == fabs(value))
            break;
    }
    char *e = strchr(shortest, 'e');
    ASSERT(e != NULL);
    const int exponent = (int)strtol(e + 1, NULL, 10); /* printed just above */
    char digits[24];
    size_t count = 0;
    for (const char *c = shortest; c < e && count + 1 < sizeof(digits); c++) {
        if (*c != '.')
            digits[count++] = *c;
    }
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';

    char end[16] = "";
    const bool is_plain = value == 0 || (exponent >= -3 && exponent < 7);
    if (!is_plain)
        (void)snprintf(end, sizeof(end), "E%d", exponent);
    put_with_point(out, JAVA_DOUBLE_TEXT_SIZE, sign, digits, is_plain ? exponent + 1 : 1, end);
}

/* One "<sign><digits><unit>" where it is next; *out gains digits times unit_ms. */
static bool scan_component(struct scan *scan, const char *unit, int64_t unit_ms, int64_t *out,
                           bool *found)
{
    const size_t start = scan->at;
    (void)scan_one_of(scan, "+-");
    const size_t digits = scan_all_of(scan, "0123456789");
    const size_t end = scan->at;
    if (digits == 0 || !scan_one_of(scan, unit)) {
        scan->at = start;
        return true;
    }
    int64_t count;
    *found = true;
    return java_parse_integer(bytes_slice(scan->text, start, end - start), INT64_MIN, INT64_MAX,
                              &count) &&
           !__builtin_mul_overflow(count, unit_ms, &count) &&
           !__builtin_add_overflow(*out, count, out);
}

/* "<sign><digits>[.<up to nine digits>]S". */
static bool scan_seconds(struct scan *scan, int64_t *out, bool *found)
{
    const size_t start = scan->at;
    const bool is_negative = scan_one_of(scan, "-");
    if (!is_negative)
        (void)scan_one_of(scan, "+");
    const size_t digits = scan_all_of(scan, "0123456789");
    const struct bytes whole = bytes_slice(scan->text, start, scan->at - start);
    int64_t fraction_ns = 0;
    if (digits > 0 && scan_one_of(scan, ".,")) {
        int64_t place_ns = NS_PER_SECOND / 10;
        for (; scan->at < scan->text.size && is_digit(scan->text.data[scan->at]); scan->at++) {
            if (place_ns == 0)
                return false;
            fraction_ns += place_ns * (scan->text.data[scan->at] - '0');
            place_ns /= 10;
        }
    }
    if (digits == 0 || !scan_one_of(scan, "sS")) {
        scan->at = start;
        return true;
    }
    int64_t seconds;
    *found = true;
    /* Below zero a fraction rounds towards less, as nanoseconds of a second counted upwards do. */
    const int64_t fraction_ms =
        is_negative ? -((fraction_ns + NS_PER_MS - 1) / NS_PER_MS) : fraction_ns / NS_PER_MS;
    return java_parse_integer(whole, INT64_MIN, INT64_MAX, &seconds) &&
           !__builtin_mul_overflow(seconds, MS_PER_SECOND, &seconds) &&
           !__builtin_add_overflow(*out, seconds, out) &&
           !__builtin_add_overflow(*out, fraction_ms, out);
}

bool java_parse_duration_ms(struct bytes text, int64_t *out_ms)
{
    struct scan scan = { .text = text };
    const bool is_negated = scan_one_of(&scan, "-");
    if (!is_negated)
        (void)scan_one_of(&scan, "+");
    int64_t sum = 0;
    bool has_days = false;
    bool has_time = false;
    if (!scan_one_of(&scan, "pP") ||
        !scan_component(&scan, "dD", 24 * 3600 * MS_PER_SECOND, &sum, &has_days))
        return false;
    if (scan_one_of(&scan, "tT")) {
        if (!scan_component(&scan, "hH", 3600 * MS_PER_SECOND, &sum, &has_time) ||
            !scan_component(&scan, "mM", 60 * MS_PER_SECOND, &sum, &has_time) ||
            !scan_seconds(&scan, &sum, &has_time) || !has_time)
            return false;
    }
    if ((!has_days && !has_time) || scan.at != text.size ||
        (is_negated && __builtin_sub_overflow(INT64_C(0), sum, &sum)))
        return false;
    *out_ms = sum;
    return true;
}
