/* How far a log reaches, found out after a clean or an unclean shutdown. Inside this folder
 * only. */
#pragma once

#include "log/log_int.h"

struct recovery {
    int64_t recovery_point; /* segments wholly below were flushed */
    int64_t flushed_offset; /* nothing below may be cut */
    bool is_point_known;    /* what lies above it may have been lost */
    bool is_clean; /* the log was closed well; becomes false when that turns out not to be so */
    bool are_epochs_lost; /* learn them from the batches, all of them */
    int64_t now_ms;
    int64_t start_offset; /* of the log */
    int64_t end_offset;   /* set: the next offset */
    bool has_producers;   /* set: the producers are those of end_offset */
    /* of the segment at hand */
    bool was_cut;
    bool was_left;      /* it is damaged, and its producers were not all learnt */
    struct buf aborted; /* its .txnindex as the batches tell it */
};

/* Trusts or scans the segments, cuts at the first bad byte, mends indexes. Segments that are opened
 * are left open. */
MUST_CHECK int recovery_run(struct recovery *recovery, struct log *log, int64_t log_start_offset,
                            struct err_note *note);
