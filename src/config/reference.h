/* For tests of this folder: reference tables of tests/data/config, line by line. */
#pragma once

#include "base/mem.h"

/* The whole file, terminated, to be freed; the test fails if it is not there. `path` is relative to the root of the
 * sources. */
char *reference_read(const char *path, size_t *out_size);

/* Cuts `*rest` at the next line end and answers the line, without comment lines ("# …") and empty ones; NULL at the end. */
char *reference_line(char **rest);

/* Cuts a line at tabs; answers how many fields there are (at most max, the rest stays in the last). */
size_t reference_fields(char *line, char **out, size_t max);
