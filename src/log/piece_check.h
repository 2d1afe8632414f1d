/* One walk through batches of a segment that came from the disk, or may have: are they what was written?
 *
 *      begin          good_end            wanted_end    stop    limit
 *        | batch | batch |  damaged batch ...  |          |       |
 *
 * A batch is good when its CRC is right and when it fits the batches around it: base offset and leader epoch lie before the CRC,
 * which therefore does not tell of a flipped bit in them, but offsets ascend, and between two batches of one epoch there is none
 * of another. So each is held until the next has been seen. The walk ends at the first that is damaged, whose place, size and
 * offsets are told as well as its neighbours allow: of a length with one flipped bit the right one is found, since the CRC fits it. Of
 * one that is further from what it was the end is where the next whole batch begins, of several that are damaged together too: that
 * is looked for up to `stop`, through a window.
 *
 * A value that travels in a struct log_wait: made on the shard, run by a job, its outcome taken by the shard again
 * (segment_checks.h). Inside this folder only.
 */
#pragma once

#include "io/io.h"
#include "log/damages.h"

struct segment_checks;

#define CHECK_STEP_BYTES                                                                           \
    (4u << 20) /* that a job waits for the disk for at most, but for a larger batch */
#define CHECK_AHEAD_BYTES                                                                          \
    (2u << 20) /* beyond: what is in memory, and what is asked for without waiting */

struct piece_check {
    struct segment_checks *checks; /* a reference, of the shard; who is to learn of it */
    uint32_t begin;                /* of a batch */
    uint32_t
        wanted_end; /* nothing beyond is waited for, but the rest of a batch and the next one's header */
    uint32_t stop;         /* of a batch: what lies behind is known */
    uint32_t limit;        /* a batch ends there: what was written by then */
    int64_t base_offset;   /* of the segment */
    int64_t offset_limit;  /* no batch has a larger one */
    int64_t next_offset;   /* that a batch at `begin` has at least; -1: not known */
    int64_t expected_last; /* the last offset of the first batch, by the index; -1: not known */

    bool is_done; /* what follows is told: */
    uint32_t good_end;
    bool is_misfit; /* no batch with the expected offset begins there: nothing else is told */
    bool has_damage;
    struct damaged_batch damage; /* at good_end */
    int error;                   /* of the device, right at the beginning */
};

/* On a worker. */
void piece_check_run(struct piece_check *check, struct io_file *file);
