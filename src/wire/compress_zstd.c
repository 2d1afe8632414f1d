/* Zstandard (RFC 8878, KIP-110) by libzstd. See compress.h. */
#include "wire/compress_int.h"

#include "base/be.h"
#include "base/mem.h"

#include <zstd.h>

#define WINDOW_LOG_MAX 27 /* what Apache Kafka's reader accepts; level 22 writes it */
#define LEVEL_MIN      (-131072)
#define LEVEL_MAX      22
#define LEVEL_DEFAULT  3

struct zstd_decoder {
    struct decompressor base;
    ZSTD_DCtx *context;
    bool is_inside_frame;
    bool is_begun; /* a frame was met */
};

static struct zstd_decoder *zstd_decoder_of(struct decompressor *d)
{
    return CONTAINER_OF(d, struct zstd_decoder, base);
}

static struct decompressor *zstd_decoder_new(void)
{
    struct zstd_decoder *z = MEM_NEW(struct zstd_decoder);
    z->context = ZSTD_createDCtx();
    ASSERT(z->context != NULL);
    const size_t r = ZSTD_DCtx_setParameter(z->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    ASSERT(!ZSTD_isError(r));
    return &z->base;
}

static void zstd_decoder_start(struct decompressor *d)
{
    struct zstd_decoder *z = zstd_decoder_of(d);
    z->is_inside_frame = false;
    z->is_begun = false;
    (void)ZSTD_DCtx_reset(z->context, ZSTD_reset_session_only); /* cannot fail for a session */
}

/* Whether RFC 8878's frames begin here. The library also reads formats from before 1.0, which no client of
 * Kafka ever wrote. */
static bool is_frame_start(struct bytes input)
{
    if (input.size < 4)
        return false;
    const uint32_t magic = __builtin_bswap32(be_load_u32(input.data));
    return magic == ZSTD_MAGICNUMBER ||
           (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

static int64_t zstd_decoder_read(struct decompressor *d, uint8_t *out, size_t size)
{
    struct zstd_decoder *z = zstd_decoder_of(d);
    ZSTD_outBuffer made = { .dst = out, .size = size, .pos = 0 };
    while (made.pos == 0) {
        if (d->input.size == 0 && !z->is_inside_frame && z->is_begun) {
            d->is_over = true;
            return 0;
        }
        if (!z->is_inside_frame && !is_frame_start(d->input))
            return -ERR_CORRUPT;
        z->is_begun = true;
        ZSTD_inBuffer given = { .src = d->input.data, .size = d->input.size, .pos = 0 };
        const size_t r = ZSTD_decompressStream(z->context, &made, &given);
        if (ZSTD_isError(r))
            return -ERR_CORRUPT;
        if (given.pos == 0 && made.pos == 0)
            return -ERR_CORRUPT; /* the input ends inside a frame */
        decompressor_advance(d, given.pos);
        z->is_inside_frame = r != 0;
    }
    return (int64_t)made.pos;
}

static size_t zstd_decoder_memory(struct decompressor *d)
{
    return ZSTD_sizeof_DCtx(zstd_decoder_of(d)->context);
}

static void zstd_decoder_free(struct decompressor *d)
{
    (void)ZSTD_freeDCtx(zstd_decoder_of(d)->context); /* fails for static contexts only */
    mem_free(zstd_decoder_of(d));
}

static void *zstd_encoder_new(void)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ASSERT(context != NULL);
    return context;
}

/* In one call, so that the frame tells its content size and its window is no larger than that. */
static int zstd_encode(void *encoder, int level, struct bytes input, struct buf *out)
{
    const size_t r = ZSTD_CCtx_setParameter(encoder, ZSTD_c_compressionLevel, level);
    ASSERT(!ZSTD_isError(r)); /* libzstd clamps */

    const size_t bound = ZSTD_compressBound(input.size);
    const bool is_roomy = bound <= out->size_max - out->size;
    AUTO(mem_freep)
    uint8_t *aside = is_roomy ? NULL : mem_alloc(bound); /* it may fit all the same */
    uint8_t *to = is_roomy ? buf_extend(out, bound) : aside;
    const size_t size = ZSTD_compress2(encoder, to, bound, input.data, input.size);
    ASSERT(!ZSTD_isError(size)); /* too little room is the only failure */
    if (is_roomy)
        out->size -= bound - size;
    else
        buf_put(out, aside, size);
    return 0;
}

static size_t zstd_encoder_memory(const void *encoder)
{
    return ZSTD_sizeof_CCtx(encoder);
}

static void zstd_encoder_free(void *encoder)
{
    (void)ZSTD_freeCCtx(encoder); /* as above */
}

const struct codec_driver codec_zstd = {
    .name = "zstd",
    .level_default = LEVEL_DEFAULT,
    .level_min = LEVEL_MIN,
    .level_max = LEVEL_MAX,
    .decoder_new = zstd_decoder_new,
    .decoder_start = zstd_decoder_start,
    .decoder_read = zstd_decoder_read,
    .decoder_memory = zstd_decoder_memory,
    .decoder_free = zstd_decoder_free,
    .encoder_new = zstd_encoder_new,
    .encode = zstd_encode,
    .encoder_memory = zstd_encoder_memory,
    .encoder_free = zstd_encoder_free,
};
