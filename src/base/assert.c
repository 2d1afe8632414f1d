/* How a bug stops the process: one line on standard error, then abort. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

void assert_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: bug: not true: %s\n", file, line, condition);
    abort();
}
