/* Shared by what makes batches. */
#pragma once

#include "wire/batch.h"

/* Writes the header of the batch `out`, whose records are there already, and seals it. header->bytes, magic and
 * crc are not looked at. */
void batch__store_header(uint8_t *out, const struct batch_view *header, size_t size_bytes);

/* Appends all records, decompressed, to `out`. 0, -ERR_CORRUPT, -ERR_UNSUPPORTED, or -ERR_LIMIT: out's maximum, which is to be one byte
 * more than is allowed. */
MUST_CHECK int batch__unpack(const struct batch_view *batch, struct codec_contexts *contexts,
                             struct buf *out);
