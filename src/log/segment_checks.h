/* What is known of a segment's bytes: which are good, and which batches are damaged.
 *
 * Nothing that came from the disk is believed, or served, before its batches were checked (piece_check.h) by a job. What this
 * process appended itself, or recovery has read through, is good from segment->good_from on. What jobs have found good is
 * remembered for as long as the pages stay in memory: whoever finds some of them gone asks for a check again, and that is also
 * why files are opened without read-ahead, which would bring back pages that nobody has looked at.
 *
 * What jobs find goes to the object that they were made for. A segment that is cut takes a new one, so that what a job has found in
 * bytes that are gone reaches nobody. Inside this folder only. Threads: the log's.
 */
#pragma once

#include "log/checked_ranges.h"
#include "log/damages.h"
#include "log/piece_check.h"
#include "log/segment.h"

struct segment_checks {
    uint32_t reference_count;
    struct checked_ranges ranges;
    struct damages damages;
    int64_t misfit_position; /* no batch with the last offset that an index told begins there, */
    int64_t misfit_offset;   /* which is this; -1: none */
    int error;               /* of the device, to be answered once */
    uint32_t error_position;
};
void segment_checks_unref(struct segment_checks *checks); /* NULL is fine */

/* What may be believed from the beginning of a batch on. */
enum segment_trust_kind {
    SEGMENT_GOOD = 1,    /* up to `end` */
    SEGMENT_DAMAGED = 2, /* `damage` begins there, or before, and has what is there */
    SEGMENT_MISFIT = 3,  /* the index that led there is wrong */
};
struct segment_trust {
    uint32_t end;
    struct damaged_batch *damage; /* borrowed until the next change */
};
/* What is known of a batch before it is looked at. */
struct batch_clue {
    int64_t first_offset; /* it has none below, by what lies before it; -1: not known */
    int64_t
        last_offset; /* by the index that leads there; -1: the position is known to be one's beginning */
};
/* Or -ERR_WOULD_BLOCK with out_wait set, which goes up to wanted_end at least; or what the device said. A caller that may sleep
 * believes all: SEGMENT_GOOD up to the end. */
MUST_CHECK int segment_trust(struct segment *segment, const struct log_place *place,
                             uint32_t position, struct batch_clue clue, uint32_t wanted_end,
                             struct segment_trust *out, struct log_wait *out_wait);
/* The end of what is known to be good; `position` itself where nothing is. */
uint32_t segment_good_end(const struct segment *segment, uint32_t position);
/* The damaged batch that has the byte at a position; NULL: none is known. Borrowed until the next change. */
struct damaged_batch *segment_damage_at(const struct segment *segment, uint32_t position);

/* Pages of [begin, end) are not in memory, or are about to come there unseen. `begin` is a batch's beginning. */
void segment_forget_checked(struct segment *segment, uint32_t begin, uint32_t end);
/* The same of bytes that begin and end anywhere: with them comes what shares a page with them, and is not in memory. */
void segment_forget_pages(struct segment *segment, struct io_file *file, uint32_t begin,
                          uint32_t end);
/* Everything: the bytes are others from now on. `position`: those below it are not. */
void segment_checks_cut(struct segment *segment, uint32_t position);

/* Makes out_wait a check from the beginning of a batch on. Answers -ERR_WOULD_BLOCK, or what the device said to the last one. */
MUST_CHECK int segment_ask_check(struct segment *segment, const struct log_place *place,
                                 uint32_t begin, struct batch_clue clue, uint32_t wanted_end,
                                 struct log_wait *out_wait);
/* Takes what a check has found, done or not, and frees it. */
void segment_checks_take(struct piece_check *check);
