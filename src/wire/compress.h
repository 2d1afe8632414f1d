/* Kafka's codecs, each by its own library (zlib, snappy, lz4, zstd), as streams in bounded memory.
 *
 * What is read, and what Apache Kafka 4.3.1 reads too:
 *   gzip    RFC 1952, one or more members
 *   snappy  raw, or in xerial blocks: 82 53 4e 41 50 50 59 00, version i32, least version i32 (1), then
 *           (length i32, raw snappy)*; the header may come again between blocks
 *   lz4     one LZ4 frame with independent blocks, no dictionary (KIP-57)
 *   zstd    one or more zstd frames (KIP-110)
 * and what is written: gzip, xerial blocks of 32 KiB, an lz4 frame of 64 KiB blocks, a zstd frame that tells its
 * content size. Bytes after the compressed stream are an error: Apache Kafka ignores them after gzip and
 * lz4, but no client writes them.
 *
 * Memory of one decompressor: gzip 40 KiB; xerial and lz4 one block (at most 4 MiB, plus as much input); raw
 * snappy the whole output, which is at most 22 times the input and 256 MiB; zstd the frame's window, at most 128 MiB
 * (level 22 asks for that much), of which only what is really decompressed gets touched.
 *
 * Threads: contexts, and whatever is opened with them, belong to one thread at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum codec { CODEC_NONE = 0, CODEC_GZIP = 1, CODEC_SNAPPY = 2, CODEC_LZ4 = 3, CODEC_ZSTD = 4 };
#define CODEC_COUNT 5

#define COMPRESS_LEVEL_DEFAULT INT32_MIN /* the default of the codec's setting in Kafka */

const char *
codec_name(enum codec codec); /* "none", "gzip", …; "unknown" for numbers that are no codec */
MUST_CHECK int codec_from_name(struct bytes name,
                               enum codec *out); /* -ERR_INVALID_ARGUMENT; "uncompressed" is none */
bool codec_has_level(enum codec codec,
                     int level); /* gzip -1 and 1..9, lz4 1..17, zstd -131072..22 */

/* Memory of the libraries that is dear to make, kept for the next stream: at most one idle
 * decompressor and compressor per codec, and none that grew past 4 MiB. A shard owns one. */
struct codec_contexts;
struct codec_contexts *codec_contexts_new(void);
void codec_contexts_free(
    struct codec_contexts
        *contexts); /* after every decompressor opened with it is closed; NULL is fine */

struct decompressor;

/* contexts may be NULL. `input` is borrowed until close.
 * Returns 0 or -ERR_UNSUPPORTED (CODEC_NONE, or a number that is no codec: bits from a stranger). */
MUST_CHECK int decompressor_open(struct codec_contexts *contexts, enum codec codec,
                                 struct bytes input, struct decompressor **out);
/* The lz4 frames of messages with magic 0, whose header checksum old clients computed wrongly (KIP-57):
 * it is not looked at. For the other codecs the same as decompressor_open. */
MUST_CHECK int decompressor_open_magic_0(struct codec_contexts *contexts, enum codec codec,
                                         struct bytes input, struct decompressor **out);
/* Fills up to `size` (> 0) bytes: the count, 0 at the end of the input, -ERR_CORRUPT (again at every later call).
 * The end is told only when the stream is whole and nothing follows it. */
MUST_CHECK int64_t decompressor_read(struct decompressor *d, uint8_t *out, size_t size);
void decompressor_close(struct decompressor *d); /* NULL is fine */
void decompressor_closep(struct decompressor **d);

/* Appends the compressed form of input to out; CODEC_NONE copies. contexts may be NULL.
 * Returns 0; with out->size as before: -ERR_INVALID_ARGUMENT for a level outside the codec's range or an
 * unknown codec, -ERR_LIMIT when out's maximum does not hold the result. */
MUST_CHECK int codec_compress(struct codec_contexts *contexts, enum codec codec, int level,
                              struct bytes input, struct buf *out);
