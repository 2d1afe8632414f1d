/* The file form of a log's producers as of an offset, <offset>.snapshot (message ProducerSnapshot).
 *
 *   byte 0  version            i16   1
 *        2  crc                u32   CRC-32C of byte 6 to the end
 *        6  count              i32
 *       10  46 bytes a producer:
 *           +0  producer_id        i64
 *           +8  epoch              i16
 *           +10 last_sequence      i32   -1: none
 *           +14 last_offset        i64   -1: none
 *           +22 offset_delta       i32   last offset - first offset of its last batch
 *           +26 timestamp          i64
 *           +34 coordinator_epoch  i32   -1: none
 *           +38 txn_first_offset   i64   -1: none
 *
 * Of the last five batches only the newest is kept, as in Kafka; the others are looked for in the log when a duplicate of
 * one of them may have come (log__recall_batches). Inside this folder only.
 */
#pragma once

#include "base/buf.h"
#include "log/producers.h"

#define PRODUCER_SNAPSHOT_BYTES_MAX (1u << 30)

/* Appends the file's bytes. */
void producer_snapshot_encode(const struct producers *producers, struct buf *out);

/* Adds the entries to producers, but for those that have expired. -ERR_MALFORMED, -ERR_VERSION,
 * -ERR_CORRUPT (CRC): nothing was added. */
MUST_CHECK int producer_snapshot_decode(struct bytes content, int64_t now_ms, int64_t expiration_ms,
                                        struct producers *producers);
