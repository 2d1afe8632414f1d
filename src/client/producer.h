/* Producing: records are gathered into a batch per partition, batches into a request per leader.
 *
 *   open batch → (full, linger.ms over, or flushed) → queue of the partition → in flight → delivered
 *
 * Idempotent by default (KIP-98): every batch carries the producer's id, epoch and the sequence of its first record, given when the
 * batch first leaves; a batch that is sent again carries the same, and batches of a partition are sent again in order. What is given
 * up leaves a gap that no broker lets pass: the partition goes on in the next epoch. Records without a key stay on one partition for
 * a batch, then on another (KIP-480, KIP-794).
 * Threads: the loop's.
 */
#pragma once

#include "base/diag.h"
#include "client/loop.h"
#include "config/config.h"
#include "wire/batch.h"

struct producer;

struct producer_record {
    struct bytes topic;
    int32_t partition;    /* -1: by key, or any */
    int64_t timestamp_ms; /* -1: now */
    struct bytes key;     /* may be null, as may be value */
    struct bytes value;
    const struct record_header *headers;
    int32_t header_count;
    void *context; /* given back on delivery */
};

struct producer_delivery {
    void *context; /* the record's */
    struct bytes topic;
    int32_t partition;
    int64_t offset;    /* -1: not known (acks=0, or it failed) */
    int16_t error;     /* enum kafka_error: KAFKA_NONE, or why it was not written */
    const char *words; /* for a failure */
};

/* Called once for each record that was accepted, in order within a partition. May not free the producer. */
struct producer_owner {
    void (*on_delivery)(void *context, const struct producer_delivery *delivery);
    void *context;
};

/* config: of kind producer, borrowed until free, as is diag. -ERR_INVALID_SETTING. */
MUST_CHECK int producer_new(const struct client_loop *loop, const struct config *config,
                            const struct diag *diag, const struct producer_owner *owner,
                            struct producer **out, struct err_note *note);
/* What is not delivered is given up, and its owner told. NULL is fine. */
void producer_free(struct producer *producer);

/* Takes a copy of the record. 0, or with nothing changed:
 *   -ERR_WOULD_BLOCK  the topic's partitions are being asked for, or buffer.memory is used up: turn the loop, try again
 *   -ERR_LIMIT        larger than max.request.size
 *   -ERR_NOT_FOUND    no such partition, or the topic cannot be had (the note says why)
 *   -ERR_INVALID_SETTING  no bootstrap server's name is one
 *   -ERR_PROTOCOL     the transaction can only be aborted, or all is over (the note says why) */
MUST_CHECK int producer_send(struct producer *producer, const struct producer_record *record,
                             struct err_note *note);
/* The same, turning the loop up to max.block.ms while it would block: -ERR_TIMEOUT, -ERR_CANCELLED. */
MUST_CHECK int producer_send_wait(struct producer *producer, const struct producer_record *record,
                                  struct err_note *note);
/* Sends what is gathered without waiting for linger.ms, and turns the loop until all is delivered or given up: 0 or
 * -ERR_CANCELLED. */
MUST_CHECK int producer_flush(struct producer *producer);
uint64_t producer_pending(const struct producer *producer); /* records accepted and not delivered */

/* ---- transactions (KIP-98, KIP-890) ---------------------------------------------------------------
 *
 * With transactional.id set, records are sent in transactions only: producer_init_transactions once, which fences whoever had the id
 * before; then begin, producer_send…, and commit or abort, again and again. The cluster has to run transaction.version 2.
 * Those that ask the coordinator turn the loop, up to max.block.ms for its answer: 0, or -ERR_TIMEOUT (it is asked on, and the same
 * call waits for it again; the other way to end it is refused then: -ERR_PROTOCOL), -ERR_CANCELLED, -ERR_INVALID_SETTING as above, or -ERR_PROTOCOL with words of the note: the transaction can
 * only be aborted, because something of it was given up; or, when aborting says so too, the producer is of no use any more.
 */
MUST_CHECK int producer_init_transactions(struct producer *producer, struct err_note *note);
MUST_CHECK int producer_begin_transaction(struct producer *producer, struct err_note *note);
/* Flushes before. */
MUST_CHECK int producer_commit_transaction(struct producer *producer, struct err_note *note);
/* What is not under way yet is given up. */
MUST_CHECK int producer_abort_transaction(struct producer *producer, struct err_note *note);
