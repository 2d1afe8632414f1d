/* Times printed by a pattern of java.text.SimpleDateFormat, as --date-format takes it.
 *
 *   yyyy-MM-dd HH:mm:ss:SSS    letters stand for fields, as many of them for digits at least; 'text' in quotes for itself
 *
 * Known are y M d E a H k K h m s S, in English. Eras, weeks, days of the year and time zones are not.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/* -ERR_INVALID_ARGUMENT with a note that names the letter. */
MUST_CHECK int date_format_check(const char *pattern, struct err_note *note);

/* Appends the time, given as cli_context's local_time tells it, by a pattern that was checked. */
void date_format_put(const char *pattern, const char *local_time, int ms, struct buf *out);
