/* CRC-32C (Castagnoli), as record batches carry it (KIP-98). Hardware instructions where the CPU has
 * them (x86-64 with SSE4.2 and PCLMULQDQ), tables elsewhere; the same answer everywhere. */
#pragma once

#include "base/base.h"

uint32_t crc32c(uint32_t crc, const void *bytes,
                size_t size_bytes); /* start with crc 0; may be continued */

/* The two ways by name, for tests and benchmarks. */
bool crc32c_has_instruction(void);
uint32_t crc32c_with_tables(uint32_t crc, const void *bytes, size_t size_bytes);

/* CRC-32 (IEEE), of message sets with magic 0 and 1. */
uint32_t crc32_ieee(uint32_t crc, const void *bytes, size_t size_bytes);
