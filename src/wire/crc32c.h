/* CRC-32C (Castagnoli), as record batches carry it (KIP-98). Hardware instructions where the CPU has
 * them, chosen once by the compiler's CPU dispatch, tables elsewhere; the same answer everywhere. */
#pragma once

#include "base/base.h"

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size_bytes); /* start with crc 0; may be continued */

/* CRC-32 (IEEE), of message sets with magic 0 and 1. */
uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t size_bytes);
