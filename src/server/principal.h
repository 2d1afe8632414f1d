/* Who asks. Every handler sees one, also while nobody has to prove it: User:ANONYMOUS. */
#pragma once

#include "base/base.h"

struct principal {
    const char *type; /* "User" */
    const char *name; /* "ANONYMOUS" */
};

#define PRINCIPAL_ANONYMOUS ((struct principal){ .type = "User", .name = "ANONYMOUS" })
