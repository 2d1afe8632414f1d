/* What io.h promises of every loop, as checks that fail the running test (base/test.h). The unit tests of each driver
 * run them, because code above the seam must not be able to tell drivers apart. */
#pragma once

#include "io/io.h"

struct loop_contract {
    struct io *io;
    void (*turn)(void *context); /* lets something happen, waiting for it if need be */
    void *context;
};

/* Leaves nothing open. */
void loop_contract_check(const struct loop_contract *driver);
