/* gzip (RFC 1952) by zlib. See compress.h. */
#include "wire/compress_int.h"

#include "base/mem.h"

#include <limits.h>
#include <zlib.h>

#define WINDOW_BITS_GZIP (15 + 16) /* zlib's way to ask for gzip headers */
#define MEMORY_LEVEL     8
#define CHUNK_BYTES      ((size_t)8 << 10)

struct gzip_decoder {
    struct decompressor base;
    z_stream stream;
};

static struct decompressor *gzip_decoder_new(void)
{
    struct gzip_decoder *d = MEM_NEW(struct gzip_decoder);
    const int r = inflateInit2(&d->stream, WINDOW_BITS_GZIP);
    ASSERT(r == Z_OK); /* it fails for want of memory only */
    return &d->base;
}

static struct gzip_decoder *gzip_decoder_of(struct decompressor *d)
{
    return CONTAINER_OF(d, struct gzip_decoder, base);
}

static void gzip_decoder_start(struct decompressor *d)
{
    const int r = inflateReset(&gzip_decoder_of(d)->stream);
    ASSERT(r == Z_OK);
}

static int64_t gzip_decoder_read(struct decompressor *d, uint8_t *out, size_t size)
{
    z_stream *stream = &gzip_decoder_of(d)->stream;
    const uInt wanted = (uInt)MIN(size, (size_t)UINT_MAX);
    stream->next_out = out;
    stream->avail_out = wanted;
    while (stream->avail_out == wanted) {
        const uInt given = (uInt)MIN(d->input.size, (size_t)UINT_MAX);
        stream->next_in = (z_const Bytef *)(uintptr_t)d->input.data; /* zlib does not write there */
        stream->avail_in = given;
        const int r = inflate(stream, Z_NO_FLUSH);
        decompressor_advance(d, given - stream->avail_in);
        if (r == Z_STREAM_END) {
            if (d->input.size == 0) {
                d->is_over = true;
                break;
            }
            gzip_decoder_start(d); /* one more member */
        } else if (r != Z_OK) {
            return -ERR_CORRUPT; /* bad data, or Z_BUF_ERROR: the input ends too early */
        }
    }
    return (int64_t)(wanted - stream->avail_out);
}

static size_t gzip_decoder_memory(struct decompressor *d)
{
    (void)d;
    return (size_t)40 << 10;
}

static void gzip_decoder_free(struct decompressor *d)
{
    (void)inflateEnd(&gzip_decoder_of(d)->stream); /* fails for foreign pointers only */
    mem_free(gzip_decoder_of(d));
}

struct gzip_encoder {
    z_stream stream;
};

static void *gzip_encoder_new(void)
{
    struct gzip_encoder *e = MEM_NEW(struct gzip_encoder);
    const int r = deflateInit2(&e->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS_GZIP,
                               MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    ASSERT(r == Z_OK);
    return e;
}

static int gzip_encode(void *encoder, int level, struct bytes input, struct buf *out)
{
    z_stream *stream = &((struct gzip_encoder *)encoder)->stream;
    int r = deflateReset(stream);
    ASSERT(r == Z_OK);
    r = deflateParams(stream, level, Z_DEFAULT_STRATEGY); /* nothing was written yet: no output */
    ASSERT(r == Z_OK);
    stream->avail_in = 0; /* a rest of the input before, if that did not fit its buffer */
    do {
        if (stream->avail_in == 0) {
            stream->next_in = (z_const Bytef *)(uintptr_t)input.data;
            stream->avail_in = (uInt)MIN(input.size, (size_t)UINT_MAX);
            input.data += stream->avail_in;
            input.size -= stream->avail_in;
        }
        uint8_t chunk[CHUNK_BYTES];
        stream->next_out = chunk;
        stream->avail_out = sizeof(chunk);
        r = deflate(stream, input.size == 0 ? Z_FINISH : Z_NO_FLUSH);
        ASSERT(r == Z_OK || r == Z_STREAM_END);
        buf_put(out, chunk, sizeof(chunk) - stream->avail_out);
    } while (r != Z_STREAM_END && buf_is_ok(out));
    return 0;
}

static size_t gzip_encoder_memory(const void *encoder)
{
    (void)encoder;
    return (size_t)264 << 10;
}

static void gzip_encoder_free(void *encoder)
{
    (void)deflateEnd(&((struct gzip_encoder *)encoder)->stream); /* may say that data was dropped */
    mem_free(encoder);
}

const struct codec_driver codec_gzip = {
    .name = "gzip",
    .level_default = Z_DEFAULT_COMPRESSION,
    .level_min = Z_BEST_SPEED,
    .level_max = Z_BEST_COMPRESSION,
    .decoder_new = gzip_decoder_new,
    .decoder_start = gzip_decoder_start,
    .decoder_read = gzip_decoder_read,
    .decoder_memory = gzip_decoder_memory,
    .decoder_free = gzip_decoder_free,
    .encoder_new = gzip_encoder_new,
    .encode = gzip_encode,
    .encoder_memory = gzip_encoder_memory,
    .encoder_free = gzip_encoder_free,
};
