/* Kafka's codecs, each by its own library (zlib, snappy, lz4, zstd), as streams in bounded memory.
 *
 * Framing as Java clients and librdkafka write it: gzip as RFC 1952; snappy raw or in xerial blocks
 * (magic 82 53 4e 41 50 50 59 00), both accepted; lz4 as LZ4 frame (KIP-57); zstd as zstd frame
 * (KIP-110). Decompression of one batch is bounded by the caller, who pulls chunk by chunk.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum codec { CODEC_NONE = 0, CODEC_GZIP = 1, CODEC_SNAPPY = 2, CODEC_LZ4 = 3, CODEC_ZSTD = 4 };

#define COMPRESS_LEVEL_DEFAULT INT32_MIN /* the default of the codec's setting in Kafka */

const char *codec_name(enum codec codec);                          /* "none", "gzip", … */
MUST_CHECK int codec_from_name(struct bytes name, enum codec *out); /* -ERR_INVALID_ARGUMENT; "uncompressed" is none */

struct decompressor;

/* `input` is borrowed until close. codec is not CODEC_NONE. */
MUST_CHECK int decompressor_open(enum codec codec, struct bytes input, struct decompressor **out);
/* Fills up to `size` bytes: the count, 0 at the end of the input, -ERR_CORRUPT. */
MUST_CHECK int64_t decompressor_read(struct decompressor *d, uint8_t *out, size_t size);
void decompressor_close(struct decompressor *d); /* NULL is fine */

/* Appends the compressed form of input to out. -ERR_INVALID_ARGUMENT for a level outside the codec's
 * range; -ERR_LIMIT when out is full. */
MUST_CHECK int compress(enum codec codec, int level, struct bytes input, struct buf *out);
