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
#include "base/vec.h"
#include "log/place.h"
#include "log/producers.h"

#define TXN_INDEX_ENTRY_BYTES 34u
#define TXN_INDEX_BYTES_MAX   (1u << 30)

void txn_index_put(struct buf *out, const struct producer_ended_txn *ended);

/* Adds entries at the end of the segment's file; on failure none. */
MUST_CHECK int txn_index_append(const struct log_place *place, int64_t base_offset,
                                struct bytes entries);
/* Makes the file hold exactly these entries (absent when there are none); what is right already is
 * left alone. */
MUST_CHECK int txn_index_replace(const struct log_place *place, int64_t base_offset,
                                 struct bytes entries);
/* Drops entries whose marker is at or above end_offset, and what follows a damaged one: 1 when some are left, 0 when there
 * is no file any more. */
MUST_CHECK int txn_index_truncate(const struct log_place *place, int64_t base_offset,
                                  int64_t end_offset);

/* Borrowed, opened for reading; -ENOENT where there is none. is_swapping: see segment.h. */
MUST_CHECK int txn_index_file(struct log_file *slot, const struct log_place *place,
                              int64_t base_offset, bool is_swapping, struct io_file **out);

struct txn_index_search {
    int64_t offset;     /* those whose marker is not below it ... */
    int64_t end_offset; /* ... and that begin below this one */
    VEC(struct log_aborted_txn) found;
};
/* Adds what the file holds: 1 when no later file holds more, else 0; -ERR_CORRUPT; -ERR_WOULD_BLOCK with out_wait set,
 * unless may_sleep; or what io says. */
MUST_CHECK int txn_index_search(struct txn_index_search *search, struct io_file *file,
                                bool may_sleep, struct log_wait *out_wait);

typedef void txn_index_entry_fn(void *context, const struct producer_ended_txn *txn);
/* Tells of what can still be read of a segment's file, however damaged it is, in its order: of entries whose marker may lie in
 * [base_offset, end_offset), with a first_offset of -1 where it cannot be right. An absent file has none. 0, or what io says. */
MUST_CHECK int txn_index_salvage(const struct log_place *place, int64_t base_offset,
                                 int64_t end_offset, txn_index_entry_fn *entry, void *context);
/* Tells of every entry, in order, of a file that has to be right: 1, and tells of none, when it does not hold whole entries that a
 * segment from base_offset to end_offset may have. An absent file has none. end_offset INT64_MAX: of the active segment, where the last entry may not be whole yet. entry NULL: the file
 * is only looked at. */
MUST_CHECK int txn_index_read_right(const struct log_place *place, int64_t base_offset,
                                    int64_t end_offset, txn_index_entry_fn *entry, void *context);
