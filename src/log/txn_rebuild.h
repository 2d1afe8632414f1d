/* The aborted transactions of one segment told anew, where its .txnindex is damaged: by its batches, and where these are damaged
 * too, by what can still be read of the old file.
 *
 * A batch whose CRC or place is wrong tells nothing. An old entry is believed where the batches cannot know better: its marker is
 * damaged, or a batch that may have begun or ended a transaction of its producer before the marker is.
 *
 * Inside this folder only. Threads: the log's, which waits for the disk.
 */
#pragma once

#include "log/log_int.h"

/* Puts entries into `out`. The log's producers are to be those of the segment's base offset; afterwards they are those of
 * end_offset, as far as what is whole tells. start_offset: from where on they were found out; end_offset: where the segment ends. 0, or what io says. */
MUST_CHECK int txn_rebuild(struct log *log, struct segment *segment, int64_t start_offset,
                           int64_t end_offset, struct buf *out);
