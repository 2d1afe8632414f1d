/* The aborted transactions of one segment, <base offset>.txnindex: what read_committed readers must
 * leave out (KIP-98).
 *
 *   34 bytes an entry, in order of their markers; the file is absent where there is none:
 *   byte  0  version             i16   0
 *         2  producer_id         i64
 *        10  first_offset        i64
 *        18  last_offset         i64   the marker's
 *        26  last_stable_offset  i64   as of the marker
 *
 * Inside this folder only.
 */
#pragma once

#include "base/buf.h"
#include "log/place.h"
#include "log/producers.h"

#define TXN_INDEX_ENTRY_BYTES 34u
#define TXN_INDEX_BYTES_MAX   (1u << 30)

void txn_index_put(struct buf *out, const struct producer_ended_txn *ended);

/* Adds entries at the end of the segment's file. */
MUST_CHECK int txn_index_append(const struct log_place *place, int64_t base_offset,
                                struct bytes entries);
/* Makes the file hold exactly these entries (absent when there are none); what is right already is
 * left alone. */
MUST_CHECK int txn_index_replace(const struct log_place *place, int64_t base_offset,
                                 struct bytes entries);
/* Drops entries whose marker is at or above end_offset, and what follows a damaged one. */
MUST_CHECK int txn_index_truncate(const struct log_place *place, int64_t base_offset,
                                  int64_t end_offset);
