/* A segment from within: what segment.c, segment_build.c, segment_load.c and segment_find.c share. No other file includes it. */
#pragma once

#include "log/segment.h"

/* Both answer -ERR_WOULD_BLOCK, with out_wait set. Of a scan the bytes come into memory unseen: what is read there later is checked then. */
MUST_CHECK int segment__wait_for_scan(struct segment *segment, const struct batch_scan *scan,
                                      struct log_wait *out_wait);
MUST_CHECK int segment__wait_for_index(const struct index_wait *wait, struct log_wait *out_wait);

/* From a batch on, by their headers, to the first that reaches the offset: 1, or 0 with the last one that was met, if any. A position that is
 * no batch's beginning, and a batch that is damaged: as batch_scan_next. */
MUST_CHECK int segment__find_header(struct segment *segment, const struct log_place *place,
                                    uint32_t position, int64_t offset, bool checks_crc,
                                    struct scanned_batch *out, struct log_wait *out_wait);
