/* Reads a partition of __consumer_offsets into its coordinator, slice by slice, by jobs.
 *
 * A slice of up to offsets.load.buffer.size bytes is read and replayed by a worker; the shard only looks up where the
 * next one lies. As long as the load goes on the coordinator is the load's alone. Threads: the shard's.
 */
#pragma once

#include "base/uuid.h"
#include "io/io.h"

struct group_coordinator;
struct replicas;

struct group_load;

struct group_load_result {
    int error; /* 0: everything below the end that the log had at the beginning is in the coordinator */
    const struct err_note *note; /* why not: names the offset */
    uint64_t record_count;
    int64_t bytes;
};

struct group_load_params {
    struct io *io;
    struct replicas *replicas;
    struct uuid topic_id;
    int32_t partition;
    uint32_t slice_bytes;
    struct group_coordinator *coordinator; /* the load's until done */
    /* Once, on the loop, never inside group_load_start. `owner` is NULL after group_load_disown; the coordinator is the
     * receiver's again. */
    void (*done)(void *context, void *owner, struct group_coordinator *coordinator,
                 const struct group_load_result *result);
    void *context;
    void *owner;
};

struct group_load *group_load_start(const struct group_load_params *params);
/* Nobody wants the result any more; it ends with the slice at hand. */
void group_load_disown(struct group_load *load);
