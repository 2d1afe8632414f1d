/* Reads the log of a coordinator into it, slice by slice, by jobs.
 *
 * A slice of up to slice_bytes is read and replayed by a worker; the shard only looks up where the
 * next one lies. As long as the load goes on the coordinator is the load's alone. Threads: the shard's.
 */
#pragma once

#include "base/uuid.h"
#include "io/io.h"

struct replicas;

struct coord_load;

struct coord_load_result {
    int error; /* 0: everything below the end that the log had at the beginning is in the coordinator */
    const struct err_note *note; /* why not: names the offset */
    uint64_t record_count;
    int64_t bytes;
};

struct coord_load_params {
    struct io *io;
    struct replicas *replicas;
    struct uuid topic_id;
    int32_t partition;
    uint32_t slice_bytes;
    void *coordinator; /* the load's until done */
    /* On a worker. */
    int (*replay)(void *coordinator, int64_t producer_id, struct bytes key, struct bytes value,
                  struct err_note *note);
    void (*end_transaction)(void *coordinator, int64_t producer_id, bool is_commit);
    /* Once, on the loop, never inside coord_load_start. `owner` is NULL after coord_load_disown; the coordinator is the
     * receiver's again. */
    void (*done)(void *context, void *owner, void *coordinator,
                 const struct coord_load_result *result);
    void *context;
    void *owner;
};

struct coord_load *coord_load_start(const struct coord_load_params *params);
/* Nobody wants the result any more; it ends with the slice at hand. */
void coord_load_disown(struct coord_load *load);
