/* Where a batch ends whose bytes are damaged: its length may be what is.
 *
 * A batch begins behind it, or the file ends there. Of a length with one flipped bit the right one is found, since the CRC, which
 * does not cover the length, is right with it; that decides also where the wrong one leads to a batch as well, and where what is behind
 * the right one is damaged, too.
 *
 * Inside this folder only. Threads: the caller's, who may wait for the disk.
 */
#pragma once

#include "log/batch_scan.h"

struct batch_bounds {
    struct io_file *file; /* borrowed */
    int64_t limit;        /* the last batch ends there */
    int64_t first_offset; /* what follows the damaged batch lies in [first_offset, last_offset] */
    int64_t last_offset;
};

/* The size of the batch at a position, or 0 where that is not to be known. */
MUST_CHECK uint32_t batch_length_find(const struct batch_bounds *bounds, int64_t position);
/* Has a batch's first bytes tell its size. */
void batch_length_put(uint8_t *prefix, uint32_t size_bytes);
