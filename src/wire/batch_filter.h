/* What is left of a batch of magic 2 when some of its records go: compaction's work on one batch.
 *
 * Kept records stay byte for byte; their offsets stay, and so do base offset, last offset, leader epoch, producer, sequence, codec
 * and bits of the header. Anew are the count, the largest timestamp and the CRC, and a compressed batch is compressed again.
 *
 * Delete horizon (KIP-534): the time from which a batch's tombstones, or a marker whose transaction has no records any
 * more, may go. A batch is given one when it is kept with such a record for the first time: base_timestamp then holds it, the
 * timestamp deltas count from it, and BATCH_DELETE_HORIZON is set.
 *
 * Threads: a filter belongs to one at a time. It lives as long as the work on one log, and keeps its memory from batch to
 * batch: of a compressed one, all its records.
 */
#pragma once

#include "wire/batch.h"

#define BATCH_FILTER_RUN_MAX 32 /* records that are asked for at once */

struct batch_filter_record {
    int64_t offset;
    struct bytes key; /* borrowed until the callback returns; may be null */
    bool has_value;   /* else it is a tombstone */
};

struct batch_filter {
    struct codec_contexts *contexts; /* borrowed; may be NULL */
    size_t uncompressed_bytes_max;   /* of the records of one batch */
    /* Of each of so many records that follow one another: whether it stays. */
    void (*keep)(void *context, const struct batch_filter_record *records, int32_t count,
                 bool *out_kept);
    void *context;
    struct buf unpacked;
    struct buf kept;
    struct buf rebased;
};

enum batch_filter_outcome {
    BATCH_FILTER_SAME,    /* the batch is good as it is; all records were kept */
    BATCH_FILTER_CHANGED, /* a new one was made */
    BATCH_FILTER_EMPTY,   /* no record was kept */
};

struct batch_filter_horizon {
    int64_t delete_horizon_ms; /* what a batch that has none is given; -1: it is given none */
    bool is_for_any;           /* also where no tombstone is kept: for the batch of a marker */
};

/* contexts as above; keep is set by the caller. */
void batch_filter_init(struct batch_filter *filter, struct codec_contexts *contexts,
                       size_t uncompressed_bytes_max);
void batch_filter_deinit(struct batch_filter *filter);

/* Asks keep for every record, in order, some at a time. The answer is an outcome; with BATCH_FILTER_CHANGED the new batch, sealed, is
 * appended to `out`. The CRC is not looked at. With `out` as before: -ERR_MALFORMED (a record whose parts do not add up, offsets
 * that do not ascend within the batch, a count that is not theirs), -ERR_CORRUPT and -ERR_UNSUPPORTED (codec), -ERR_LIMIT
 * (uncompressed_bytes_max, or out's maximum). `out` may be NULL where all is kept and no horizon is given. */
MUST_CHECK int batch_filter_run(struct batch_filter *filter, const struct batch_view *batch,
                                const struct batch_filter_horizon *horizon, struct buf *out);

/* Appends the header of a batch without records, which keeps the place and the sequence of `batch`; as Apache Kafka
 * writes it. Of the old formats (magic 0, 1) base_offset is the only field that is looked at. -ERR_LIMIT: out's maximum. */
MUST_CHECK int batch_put_empty(const struct batch_view *batch, struct buf *out);

static inline bool batch_has_delete_horizon(const struct batch_view *batch)
{
    return (batch->attributes & BATCH_DELETE_HORIZON) != 0;
}
