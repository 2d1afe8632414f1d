/* Shared by what makes batches. */
#pragma once

#include "wire/batch.h"

/* Writes the header of the batch `out`, whose records are there already, and seals it. header->bytes, magic and
 * crc are not looked at. */
void batch__store_header(uint8_t *out, const struct batch_view *header, size_t size_bytes);
