/* Who writes to one log with a producer id, and how far they are: sequence checks, duplicates,
 * fencing and open transactions (KIP-98, KIP-360, KIP-890, KIP-1228).
 *
 * The state is that of the planned end. Each change since the last producers_settle can be taken
 * back, for appends that then fail to be written. Inside this folder only. Threads: the log's.
 */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "log/log.h"
#include "wire/batch.h"
#include "wire/control_record.h"

#define PRODUCER_BATCHES_KEPT 5 /* as many as a client has in flight (KIP-98) */

struct producer_batch {
    int32_t last_sequence;
    int32_t offset_delta; /* last offset - first offset */
    int64_t last_offset;
    int64_t timestamp;
};

struct producer {
    int64_t id;
    int16_t epoch; /* -1: none seen */
    uint8_t batch_count;
    struct producer_batch batches[PRODUCER_BATCHES_KEPT]; /* oldest first */
    bool
        is_cut; /* it comes from a snapshot, which keeps the newest batch alone: there may be others before these */
    int32_t coordinator_epoch; /* of the last marker; -1 */
    int64_t last_timestamp;    /* of the last batch or marker */
    int64_t txn_first_offset;  /* of the open transaction; -1 */
};

/* An open transaction, or one whose marker may still lie above the high watermark or the flushed end. */
struct producer_txn {
    int64_t first_offset;
    int64_t marker_offset; /* -1: open */
    int64_t producer_id;
};

/* Of a producer that is not known any sequence may begin. But of one whose first batch could not be written that batch must
 * come again, before those that were sent behind it. */
struct producer_awaited {
    int16_t epoch;
    int32_t first_sequence;
};

/* A transaction that the coordinator is being asked about (KIP-890). Which append it was asked for does not matter: whatever
 * begins or ends a transaction of the producer here makes the answer void, so that a late one cannot open a transaction that
 * nobody will end. */
struct producer_verification {
    uint64_t guard;
    int64_t since_ms;
    int32_t lowest_sequence; /* of what waits for the answer: none above it may come first */
    int16_t epoch;
};

struct producers {
    struct map_i64 by_id;         /* struct producer, owned */
    struct map_i64 verifications; /* struct producer_verification, owned */
    uint64_t last_guard;
    VEC(struct producer_txn) txns; /* ascending by first_offset */
    size_t txn_first_open;         /* all before this one have ended */
    size_t txn_count_swept;        /* as many as there were when ended ones were last forgotten */
    VEC(struct producer_undo) undo;
    struct map_i64
        awaited; /* struct producer_awaited, owned: producers whose first batch could not be written */
};

/* What a batch brings to the state, taken from its header and, for a marker, its record. */
struct producer_event {
    int64_t producer_id;
    int16_t epoch;
    bool is_transactional;
    bool is_marker;
    bool has_marker; /* compaction leaves control batches that have none */
    enum control_type marker_type;
    int32_t coordinator_epoch;
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t first_offset;
    int64_t last_offset;
    int64_t timestamp; /* max timestamp of data, timestamp of a marker */
};

/* An aborted transaction's line in the .txnindex, from its marker. */
struct producer_ended_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t marker_offset;
    int64_t last_stable_offset; /* once this one is out of the way */
    bool is_aborted;
};

void producers_init(struct producers *producers, uint64_t seed);
void producers_deinit(struct producers *producers);
void producers_clear(struct producers *producers); /* forgets everything, the ability to undo too */

uint32_t producers_count(const struct producers *producers);
const struct producer *producers_get(const struct producers *producers, int64_t producer_id);

/* Reads what a batch of magic 2 brings. -ERR_MALFORMED (or as record_walk_next) for a control batch
 * whose record is no marker. */
MUST_CHECK int producer_event_read(const struct batch_view *batch, struct producer_event *out);

/* As log_verification_begin. */
uint64_t producers_verify(struct producers *producers, int64_t producer_id, int16_t epoch,
                          int32_t sequence, int64_t now_ms);

struct producer_check {
    enum log_origin origin;
    bool transaction_verified;   /* nobody asks the coordinator */
    uint64_t verification_guard; /* it was asked, and has said yes; 0: it was not */
    int16_t transaction_version;
};
struct producer_verdict {
    enum kafka_error error;
    bool is_duplicate; /* then the offsets of the original are told */
    int64_t first_offset;
    int64_t last_offset;
    int64_t timestamp;
};
/* Whether the batch may follow, as Kafka's ProducerAppendInfo decides. Changes nothing. Words for
 * the error go into `note`. */
struct producer_verdict producers_check(const struct producers *producers,
                                        const struct producer_event *event,
                                        const struct producer_check *check, struct err_note *note);

/* Applies a batch that was checked, or that was read back from disk (then nothing is refused).
 * out_ended (may be NULL) is set, and true answered, when it ended a transaction. */
bool producers_apply(struct producers *producers, const struct producer_event *event,
                     struct producer_ended_txn *out_ended);

/* Batches of a producer, of its present epoch, that came before those that are known: oldest first, at most
 * PRODUCER_BATCHES_KEPT, without a gap. It is not cut any more. */
void producers_recall(struct producers *producers, int64_t producer_id,
                      const struct producer_batch *earlier, uint32_t count);

/* Puts back an entry from a snapshot. */
void producers_load(struct producers *producers, const struct producer *entry);

/* What was applied is written: it can no longer be taken back. */
void producers_settle(struct producers *producers);
/* Takes back what was applied for offsets >= end_offset. */
void producers_undo(struct producers *producers, int64_t end_offset);

/* Without an open transaction, and last heard of expiration_ms before now or earlier. Neither number is
 * negative; the producer's timestamps may be any. */
bool producer_is_expired(const struct producer *producer, int64_t now_ms, int64_t expiration_ms);
/* Drops those who are. */
void producers_expire(struct producers *producers, int64_t now_ms, int64_t expiration_ms);

/* First offset of the earliest transaction that is open or whose marker is at or above `end`: the high
 * watermark, or the flushed end; -1. */
int64_t producers_first_unstable(const struct producers *producers, int64_t end);
/* What transactions that have ended are remembered for. */
struct producers_bounds {
    int64_t high_watermark;
    int64_t flushed_end;
    int64_t segment_base; /* of the segment that is written to */
};
/* Forgets transactions whose markers are below the high watermark, and on stable storage unless all of them lies in the segment
 * that is written to: not each time, but before they are many more than the others were the last time. Whoever moves the high
 * watermark calls this. */
void producers_forget_ended(struct producers *producers, const struct producers_bounds *bounds);
