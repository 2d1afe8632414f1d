/* The first record of one batch that is late enough, and the long search for it that a job does.
 *
 * A batch of a megabyte may hold a gigabyte of records, so what a shard looks through is bounded; what takes longer is
 * noted in a struct long_search, which travels in a struct log_wait. Inside this folder only.
 */
#pragma once

#include "log/log.h"

/* Of records, uncompressed: what a shard looks through in well under a millisecond. */
#define BATCH_SEARCH_QUICK_BYTES (128u << 10)

struct time_search {
    int64_t timestamp;    /* records have at least this */
    int64_t start_offset; /* and at least this offset */
};

/* A whole batch of any magic. 1 and the record, or 0; -ERR_LIMIT: not within passed_bytes_max. A compressed message set of magic 0
 * or 1 is looked through without a limit (UINT64_MAX) or not at all. Else as the walks of wire. */
MUST_CHECK int batch_search(struct bytes batch, const struct time_search *search,
                            uint64_t passed_bytes_max, struct log_time_offset *out);

/* A batch is known again by its place and its CRC: what was found in it stays true wherever the batch lies. */
struct batch_name {
    int64_t base_offset; /* magic 0 and 1: the last one */
    uint32_t size_bytes;
    uint32_t crc;
};

struct long_search {
    struct time_search search;
    struct batch_name batch;
    bool is_done;
    int result; /* of batch_search */
    struct log_time_offset found;
};

/* On a worker: reads the batch at `position` of the file, and searches it. */
void long_search_run(struct long_search *search, struct io_file *file, int64_t position);
/* Whether it is done, and was this very search. */
bool long_search_answers(const struct long_search *search, const struct batch_name *batch,
                         const struct time_search *wanted);
