/* Snappy, raw or in xerial's blocks, by libsnappy. See compress.h.
 *
 * Raw snappy has no blocks: a copy may reach back to the first byte, so the whole output is made at once
 * in memory. It says its size first; what it says is believed only as far as the input can fill it.
 */
#include "wire/compress_int.h"

#include "base/be.h"
#include "base/mem.h"

#include <snappy-c.h>

#define XERIAL_HEADER_BYTES 16
#define XERIAL_MAGIC_BYTES  8
#define XERIAL_VERSION      1 /* the one that exists; a stream may ask for at least it */
#define BLOCK_BYTES         ((size_t)32 << 10) /* of what is written; as the Java library */
#define BLOCK_BYTES_MAX     ((size_t)256 << 20)
#define RATIO_MAX           22 /* the densest element makes 64 bytes of 3 */

static const uint8_t xerial_magic[XERIAL_MAGIC_BYTES] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0 };

struct snappy_decoder {
    struct decompressor base;
    bool is_begun;
    bool is_xerial;
    struct buf block; /* decompressed, where the caller's memory was too small for it */
    size_t block_position;
};

static struct snappy_decoder *snappy_decoder_of(struct decompressor *d)
{
    return CONTAINER_OF(d, struct snappy_decoder, base);
}

static struct decompressor *snappy_decoder_new(void)
{
    struct snappy_decoder *d = MEM_NEW(struct snappy_decoder);
    buf_init(&d->block, BLOCK_BYTES_MAX);
    return &d->base;
}

static void snappy_decoder_start(struct decompressor *d)
{
    struct snappy_decoder *s = snappy_decoder_of(d);
    s->is_begun = false;
    s->is_xerial = false;
    s->block_position = 0;
    buf_clear(&s->block);
}

static bool is_xerial_header(struct bytes input)
{
    return input.size >= XERIAL_HEADER_BYTES &&
           memcmp(input.data, xerial_magic, XERIAL_MAGIC_BYTES) == 0;
}

/* Cuts the next raw snappy run off the input: *out is null at the end. */
static int next_run(struct decompressor *d, struct bytes *out)
{
    struct snappy_decoder *s = snappy_decoder_of(d);
    *out = BYTES_NULL;
    if (!s->is_begun) {
        s->is_begun = true;
        s->is_xerial = is_xerial_header(d->input);
        if (!s->is_xerial) {
            *out = d->input;
            decompressor_advance(d, d->input.size);
            return 0;
        }
    }
    while (s->is_xerial &&
           is_xerial_header(d->input)) { /* streams that were put one after another */
        if (be_load_i32(d->input.data + 12) < XERIAL_VERSION)
            return -ERR_CORRUPT;
        decompressor_advance(d, XERIAL_HEADER_BYTES);
    }
    if (d->input.size == 0)
        return 0;
    if (d->input.size < 4)
        return -ERR_CORRUPT;
    const uint32_t size = be_load_u32(d->input.data);
    decompressor_advance(d, 4);
    if (size > d->input.size)
        return -ERR_CORRUPT;
    *out = bytes_slice(d->input, 0, size);
    decompressor_advance(d, size);
    return 0;
}

/* Decompresses a run into `out` if it fits there, else into the decoder's block. */
static int64_t decode_run(struct snappy_decoder *s, struct bytes run, uint8_t *out, size_t size)
{
    size_t length;
    const char *compressed = (const char *)run.data;
    if (snappy_uncompressed_length(compressed, run.size, &length) != SNAPPY_OK ||
        length > BLOCK_BYTES_MAX || length > run.size * RATIO_MAX)
        return -ERR_CORRUPT;
    const bool is_direct = length <= size;
    if (!is_direct) {
        buf_clear(&s->block);
        s->block_position = 0;
        out = buf_extend(&s->block, length);
        ASSERT(out != NULL);
    }
    if (snappy_uncompress(compressed, run.size, (char *)out, &length) != SNAPPY_OK)
        return -ERR_CORRUPT;
    return is_direct ? (int64_t)length : 0;
}

static int64_t snappy_decoder_read(struct decompressor *d, uint8_t *out, size_t size)
{
    struct snappy_decoder *s = snappy_decoder_of(d);
    for (;;) {
        const size_t kept = MIN(size, s->block.size - s->block_position);
        if (kept > 0) {
            memcpy(out, s->block.data + s->block_position, kept);
            s->block_position += kept;
            return (int64_t)kept;
        }
        if (s->is_begun && d->input.size == 0) {
            d->is_over = true;
            return 0;
        }
        struct bytes run;
        const int r = next_run(d, &run);
        if (r < 0)
            return r;
        const int64_t count = bytes_is_null(run) ? 0 : decode_run(s, run, out, size);
        if (count != 0)
            return count;
    }
}

static size_t snappy_decoder_memory(struct decompressor *d)
{
    return snappy_decoder_of(d)->block.capacity;
}

static void snappy_decoder_free(struct decompressor *d)
{
    buf_deinit(&snappy_decoder_of(d)->block);
    mem_free(snappy_decoder_of(d));
}

/* libsnappy keeps no state to be reused: an encoder is room for one compressed block. */
struct snappy_encoder {
    char block[BLOCK_BYTES + BLOCK_BYTES / 6 + 32]; /* the library's bound */
};

static void *snappy_encoder_new(void)
{
    return mem_alloc(sizeof(struct snappy_encoder));
}

static int snappy_encode(void *encoder, int level, struct bytes input, struct buf *out)
{
    struct snappy_encoder *e = encoder;
    (void)level;
    buf_put(out, xerial_magic, XERIAL_MAGIC_BYTES);
    buf_put_i32(out, XERIAL_VERSION);
    buf_put_i32(out, XERIAL_VERSION);
    while (input.size > 0 && buf_is_ok(out)) {
        const struct bytes block = bytes_slice(input, 0, BLOCK_BYTES);
        input = bytes_slice(input, block.size, input.size);
        size_t size = sizeof(e->block);
        const snappy_status status =
            snappy_compress((const char *)block.data, block.size, e->block, &size);
        ASSERT(status == SNAPPY_OK); /* too little room is the only failure */
        buf_put_i32(out, (int32_t)size);
        buf_put(out, e->block, size);
    }
    return 0;
}

static size_t snappy_encoder_memory(const void *encoder)
{
    (void)encoder;
    return sizeof(struct snappy_encoder);
}

const struct codec_driver codec_snappy = {
    .name = "snappy",
    .level_default = 0,
    .level_min = 0,
    .level_max = 0,
    .decoder_new = snappy_decoder_new,
    .decoder_start = snappy_decoder_start,
    .decoder_read = snappy_decoder_read,
    .decoder_memory = snappy_decoder_memory,
    .decoder_free = snappy_decoder_free,
    .encoder_new = snappy_encoder_new,
    .encode = snappy_encode,
    .encoder_memory = snappy_encoder_memory,
    .encoder_free = mem_free,
};
