/* LZ4 frames (KIP-57) by liblz4. See compress.h.
 *
 *   magic 04 22 4d 18, FLG, BD, [content size u64], HC, then (size u32 little-endian, block)*, 00 00 00 00
 *
 * FLG: bits 7-6 version 01, 5 blocks are independent, 4 block checksums, 3 content size, 2 content checksum,
 * 1 reserved, 0 dictionary. Apache Kafka refuses dependent blocks, dictionaries and anything reserved, so that a frame
 * accepted here can be read by every consumer. HC is the second byte of XXH32 over FLG … content size; for magic 0
 * old clients summed the frame's magic too.
 */
#include "wire/compress_int.h"

#include "base/mem.h"

#include <lz4.h>
#include <lz4frame.h>
#include <lz4hc.h>
#include <string.h>

#define LEVEL_DEFAULT    9 /* at which Apache Kafka uses the fast compressor all the same */
#define LEVEL_MIN        1
#define LEVEL_MAX        17
#define BLOCK_BYTES      ((size_t)64 << 10)
#define BLOCK_STORED     UINT32_C(0x80000000) /* in a block's size: not compressed */
#define HEADER_BYTES     7
#define HEADER_BYTES_MAX 15 /* with a content size */

enum {
    FLG_VERSION_MASK = 0xc0,
    FLG_VERSION = 0x40,
    FLG_INDEPENDENT = 0x20,
    FLG_CONTENT_SIZE = 0x08,
    FLG_RESERVED = 0x02,
    FLG_DICTIONARY = 0x01,
};

struct lz4_decoder {
    struct decompressor base;
    LZ4F_dctx *context;
    bool is_begun;
    size_t
        block_bytes_max; /* largest block of any frame so far: what the context's memory grew to */
};

static struct lz4_decoder *lz4_decoder_of(struct decompressor *d)
{
    return CONTAINER_OF(d, struct lz4_decoder, base);
}

static struct decompressor *lz4_decoder_new(void)
{
    struct lz4_decoder *l = MEM_NEW(struct lz4_decoder);
    const LZ4F_errorCode_t r = LZ4F_createDecompressionContext(&l->context, LZ4F_VERSION);
    ASSERT(!LZ4F_isError(r));
    return &l->base;
}

static void lz4_decoder_start(struct decompressor *d)
{
    LZ4F_resetDecompressionContext(lz4_decoder_of(d)->context);
    lz4_decoder_of(d)->is_begun = false;
}

static uint32_t rotate_left(uint32_t v, int bits)
{
    return v << bits | v >> (32 - bits);
}

/* XXH32 with seed 0 of fewer than 16 bytes (xxHash specification, "XXH32 algorithm", steps 4 to 7). */
static uint32_t xxh32_short(const uint8_t *p, size_t size_bytes)
{
    const uint32_t prime_1 = 2654435761U;
    const uint32_t prime_2 = 2246822519U;
    const uint32_t prime_3 = 3266489917U;
    const uint32_t prime_4 = 668265263U;
    const uint32_t prime_5 = 374761393U;
    ASSERT(size_bytes < 16);

    uint32_t h = prime_5 + (uint32_t)size_bytes;
    for (; size_bytes >= 4; p += 4, size_bytes -= 4) {
        const uint32_t word =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        h = rotate_left(h + word * prime_3, 17) * prime_4;
    }
    for (; size_bytes > 0; p++, size_bytes--)
        h = rotate_left(h + *p * prime_5, 11) * prime_1;
    h = (h ^ h >> 15) * prime_2;
    h = (h ^ h >> 13) * prime_3;
    return h ^ h >> 16;
}

/* Judges the frame's header as Apache Kafka does, and hands it to the library. */
static int begin_frame(struct lz4_decoder *l)
{
    struct bytes *input = &l->base.input;
    if (input->size < HEADER_BYTES)
        return -ERR_CORRUPT;
    const uint8_t flags = input->data[4];
    if ((flags & FLG_VERSION_MASK) != FLG_VERSION || (flags & FLG_INDEPENDENT) == 0 ||
        (flags & (FLG_RESERVED | FLG_DICTIONARY)) != 0)
        return -ERR_CORRUPT;
    const size_t size = (flags & FLG_CONTENT_SIZE) != 0 ? HEADER_BYTES_MAX : HEADER_BYTES;
    if (input->size < size)
        return -ERR_CORRUPT;

    uint8_t header[HEADER_BYTES_MAX];
    memcpy(header, input->data, size);
    if (l->base.is_magic_0)
        header[size - 1] = (uint8_t)(xxh32_short(header + 4, size - 5) >> 8);
    LZ4F_frameInfo_t info;
    size_t taken = size;
    if (LZ4F_isError(LZ4F_getFrameInfo(l->context, &info, header, &taken)) || taken != size)
        return -ERR_CORRUPT;
    const size_t block_bytes = (size_t)1 << (8 + 2 * (unsigned)info.blockSizeID);
    l->block_bytes_max = MAX(l->block_bytes_max, block_bytes);
    decompressor_advance(&l->base, size);
    return 0;
}

static int64_t lz4_decoder_read(struct decompressor *d, uint8_t *out, size_t size)
{
    struct lz4_decoder *l = lz4_decoder_of(d);
    if (!l->is_begun) {
        const int r = begin_frame(l);
        if (r < 0)
            return r;
        l->is_begun = true;
    }
    for (;;) {
        size_t made = size;
        size_t taken = d->input.size;
        const size_t r = LZ4F_decompress(l->context, out, &made, d->input.data, &taken, NULL);
        if (LZ4F_isError(r))
            return -ERR_CORRUPT;
        decompressor_advance(d, taken);
        if (r == 0) { /* the frame is whole: only one is read, by Apache Kafka too */
            d->is_over = true;
            return d->input.size > 0 ? -ERR_CORRUPT : (int64_t)made;
        }
        if (made > 0)
            return (int64_t)made;
        if (taken == 0)
            return -ERR_CORRUPT; /* the input ends inside the frame */
    }
}

static size_t lz4_decoder_memory(struct decompressor *d)
{
    return 2 * lz4_decoder_of(d)->block_bytes_max;
}

static void lz4_decoder_free(struct decompressor *d)
{
    (void)LZ4F_freeDecompressionContext(lz4_decoder_of(d)->context); /* tells the stage it was in */
    mem_free(lz4_decoder_of(d));
}

/* States of the two compressors; the second is made when first used. */
struct lz4_encoder {
    void *fast;
    void *high;
};

static void *lz4_encoder_new(void)
{
    return MEM_NEW(struct lz4_encoder);
}

static int compress_block(struct lz4_encoder *e, int level, struct bytes block, char *out, int room)
{
    const char *data = (const char *)block.data;
    const int size = (int)block.size;
    if (level == LEVEL_DEFAULT) {
        if (e->fast == NULL)
            e->fast = mem_alloc((size_t)LZ4_sizeofState());
        return LZ4_compress_fast_extState(e->fast, data, out, size, room, 1);
    }
    if (e->high == NULL)
        e->high = mem_alloc((size_t)LZ4_sizeofStateHC());
    return LZ4_compress_HC_extStateHC(e->high, data, out, size, room, level); /* it clamps to 12 */
}

static void put_le32(struct buf *out, uint32_t value)
{
    buf_put_i32(out, (int32_t)__builtin_bswap32(value));
}

static int lz4_encode(void *encoder, int level, struct bytes input, struct buf *out)
{
    static const uint8_t header[HEADER_BYTES] = { 0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82 };
    buf_put(out, header, sizeof(header));
    AUTO(mem_freep) char *compressed = mem_alloc(BLOCK_BYTES);
    while (input.size > 0 && buf_is_ok(out)) {
        const struct bytes block = bytes_slice(input, 0, BLOCK_BYTES);
        input = bytes_slice(input, block.size, input.size);
        /* Room for less than the block: what does not shrink is stored. */
        const int size = compress_block(encoder, level, block, compressed, (int)block.size - 1);
        if (size > 0) {
            put_le32(out, (uint32_t)size);
            buf_put(out, compressed, (size_t)size);
        } else {
            put_le32(out, (uint32_t)block.size | BLOCK_STORED);
            buf_put_bytes(out, block);
        }
    }
    put_le32(out, 0);
    return 0;
}

static size_t lz4_encoder_memory(const void *encoder)
{
    const struct lz4_encoder *e = encoder;
    return (e->fast == NULL ? 0 : (size_t)LZ4_sizeofState()) +
           (e->high == NULL ? 0 : (size_t)LZ4_sizeofStateHC());
}

static void lz4_encoder_free(void *encoder)
{
    struct lz4_encoder *e = encoder;
    mem_free(e->fast);
    mem_free(e->high);
    mem_free(e);
}

const struct codec_driver codec_lz4 = {
    .name = "lz4",
    .level_default = LEVEL_DEFAULT,
    .level_min = LEVEL_MIN,
    .level_max = LEVEL_MAX,
    .decoder_new = lz4_decoder_new,
    .decoder_start = lz4_decoder_start,
    .decoder_read = lz4_decoder_read,
    .decoder_memory = lz4_decoder_memory,
    .decoder_free = lz4_decoder_free,
    .encoder_new = lz4_encoder_new,
    .encode = lz4_encode,
    .encoder_memory = lz4_encoder_memory,
    .encoder_free = lz4_encoder_free,
};
