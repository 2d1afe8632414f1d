/* Numbers and durations as Java reads and writes them: settings files and DescribeConfigs hold such text.
 *
 * Differences: digits outside ASCII, which Java takes as digits too, are refused here.
 */
#pragma once

#include "base/bytes.h"

/* Without characters up to U+0020 at both ends (String.trim). */
struct bytes java_trim(struct bytes text);

/* Optional sign, decimal digits, low <= value <= high (Long.parseLong). Whether it was one. */
bool java_parse_integer(struct bytes text, int64_t low, int64_t high, int64_t *out);

/* Decimal or hexadecimal floating point with optional exponent and suffix, NaN, Infinity; white space around it
 * is fine; too large gives Infinity (Double.parseDouble). Whether it was one. */
bool java_parse_double(struct bytes text, double *out);

/* The shortest text that reads back as the same value, in Double.toString's form: "0.5", "1.0E-4", "NaN". */
#define JAVA_DOUBLE_TEXT_SIZE 64
void java_print_double(double value, char out[JAVA_DOUBLE_TEXT_SIZE]);

/* An ISO-8601 duration of days, hours, minutes and seconds such as P1DT2H3M4.5S, in whole milliseconds, rounded
 * down (Duration.parse). False if it is none, or does not fit. */
bool java_parse_duration_ms(struct bytes text, int64_t *out_ms);
