/* What io.h promises of every file system, as checks that fail the running test (base/test.h). The unit tests
 * of each driver run them, so that code tried on the simulator's disk behaves on the kernel's. */
#pragma once

#include "io/io.h"

/* directory: exists and is empty; left with files in it. */
void fs_contract_check(struct io_fs *fs, const char *directory);
