/* The codecs side by side, and the memory kept between streams. See compress.h. */
#include "wire/compress_int.h"

#include "base/mem.h"

/* What has grown past it is freed, not kept. Java producers and librdkafka write zstd frames that ask for a window
 * of 2 MiB, whatever they hold; making that anew for each batch costs more than decompressing it. Only the pages that
 * frames really fill are touched. */
#define IDLE_MEMORY_BYTES_MAX ((size_t)4 << 20)

struct codec_contexts {
    struct decompressor *decoders[CODEC_COUNT]; /* idle; owned; NULL: none yet, or in use */
    void *encoders[CODEC_COUNT];
    struct buf chunk; /* empty while a window has it */
};

static const struct codec_driver *const drivers[CODEC_COUNT] = {
    [CODEC_GZIP] = &codec_gzip,
    [CODEC_SNAPPY] = &codec_snappy,
    [CODEC_LZ4] = &codec_lz4,
    [CODEC_ZSTD] = &codec_zstd,
};

/* NULL for CODEC_NONE and for numbers that are no codec. */
static const struct codec_driver *driver_of(enum codec codec)
{
    return (unsigned)codec < CODEC_COUNT ? drivers[codec] : NULL;
}

static enum codec codec_of(const struct codec_driver *driver)
{
    enum codec codec = CODEC_GZIP;
    while (drivers[codec] != driver)
        codec++;
    return codec;
}

const char *codec_name(enum codec codec)
{
    const struct codec_driver *driver = driver_of(codec);
    if (driver != NULL)
        return driver->name;
    return codec == CODEC_NONE ? "none" : "unknown";
}

int codec_from_name(struct bytes name, enum codec *out)
{
    enum codec codec = CODEC_NONE;
    while (codec < CODEC_COUNT && !bytes_equal_text(name, codec_name(codec)))
        codec++;
    if (bytes_equal_text(name, "uncompressed"))
        codec = CODEC_NONE;
    if (codec == CODEC_COUNT)
        return -ERR_INVALID_ARGUMENT;
    *out = codec;
    return 0;
}

bool codec_has_level(enum codec codec, int level)
{
    if (level == COMPRESS_LEVEL_DEFAULT)
        return codec == CODEC_NONE || driver_of(codec) != NULL;
    const struct codec_driver *driver = driver_of(codec);
    if (driver == NULL)
        return false;
    return level == driver->level_default ||
           (level >= driver->level_min && level <= driver->level_max);
}

struct codec_contexts *codec_contexts_new(void)
{
    struct codec_contexts *contexts = MEM_NEW(struct codec_contexts);
    buf_init(&contexts->chunk, SIZE_MAX);
    return contexts;
}

void codec_contexts_free(struct codec_contexts *contexts)
{
    if (contexts == NULL)
        return;
    for (enum codec codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        if (contexts->decoders[codec] != NULL)
            drivers[codec]->decoder_free(contexts->decoders[codec]);
        if (contexts->encoders[codec] != NULL)
            drivers[codec]->encoder_free(contexts->encoders[codec]);
    }
    buf_deinit(&contexts->chunk);
    mem_free(contexts);
}

struct buf codec_contexts_take_chunk(struct codec_contexts *contexts)
{
    struct buf chunk;
    buf_init(&chunk, SIZE_MAX);
    if (contexts != NULL) {
        chunk = contexts->chunk;
        buf_init(&contexts->chunk, SIZE_MAX);
    }
    return chunk;
}

void codec_contexts_give_chunk(struct codec_contexts *contexts, struct buf *chunk)
{
    if (contexts != NULL && contexts->chunk.data == NULL &&
        chunk->capacity <= IDLE_MEMORY_BYTES_MAX) {
        contexts->chunk = *chunk;
        buf_init(chunk, SIZE_MAX);
    }
    buf_deinit(chunk);
}

static int open_stream(struct codec_contexts *contexts, enum codec codec, struct bytes input,
                       bool is_magic_0, struct decompressor **out)
{
    const struct codec_driver *driver = driver_of(codec);
    if (driver == NULL)
        return -ERR_UNSUPPORTED;

    struct decompressor *d = contexts == NULL ? NULL : TAKE(contexts->decoders[codec]);
    if (d == NULL)
        d = driver->decoder_new();
    d->driver = driver;
    d->contexts = contexts;
    d->input = input.data == NULL ? BYTES_LITERAL("") : input;
    d->is_magic_0 = is_magic_0;
    d->is_over = false;
    d->error = 0;
    driver->decoder_start(d);
    *out = d;
    return 0;
}

int decompressor_open(struct codec_contexts *contexts, enum codec codec, struct bytes input,
                      struct decompressor **out)
{
    return open_stream(contexts, codec, input, false, out);
}

int decompressor_open_magic_0(struct codec_contexts *contexts, enum codec codec, struct bytes input,
                              struct decompressor **out)
{
    return open_stream(contexts, codec, input, true, out);
}

int64_t decompressor_read(struct decompressor *d, uint8_t *out, size_t size)
{
    ASSERT(size > 0);
    if (d->error < 0 || d->is_over)
        return d->error;
    const int64_t count = d->driver->decoder_read(d, out, size);
    if (count < 0)
        d->error = (int)count;
    ASSERT(count != 0 || d->is_over);
    return count;
}

void decompressor_close(struct decompressor *d)
{
    if (d == NULL)
        return;
    const struct codec_driver *driver = d->driver;
    struct codec_contexts *contexts = d->contexts;
    struct decompressor **place = contexts == NULL ? NULL : &contexts->decoders[codec_of(driver)];
    if (place != NULL && *place == NULL && driver->decoder_memory(d) <= IDLE_MEMORY_BYTES_MAX)
        *place = d;
    else
        driver->decoder_free(d);
}

void decompressor_closep(struct decompressor **d)
{
    decompressor_close(*d);
}

static void encoder_release(struct codec_contexts *contexts, enum codec codec, void *encoder)
{
    const struct codec_driver *driver = drivers[codec];
    if (contexts != NULL && contexts->encoders[codec] == NULL &&
        driver->encoder_memory(encoder) <= IDLE_MEMORY_BYTES_MAX)
        contexts->encoders[codec] = encoder;
    else
        driver->encoder_free(encoder);
}

int codec_compress(struct codec_contexts *contexts, enum codec codec, int level, struct bytes input,
                   struct buf *out)
{
    if (!codec_has_level(codec, level))
        return -ERR_INVALID_ARGUMENT;
    if (out->failed)
        return -ERR_LIMIT;
    const struct codec_driver *driver = driver_of(codec);
    const size_t size_before = out->size;
    int r = 0;
    if (driver == NULL) {
        buf_put_bytes(out, input);
    } else {
        void *encoder = contexts == NULL ? NULL : TAKE(contexts->encoders[codec]);
        if (encoder == NULL)
            encoder = driver->encoder_new();
        r = driver->encode(encoder, level == COMPRESS_LEVEL_DEFAULT ? driver->level_default : level,
                           input.data == NULL ? BYTES_LITERAL("") : input, out);
        encoder_release(contexts, codec, encoder);
    }
    if (out->failed)
        r = -ERR_LIMIT;
    if (r < 0) {
        out->size = size_before;
        out->failed = false;
    }
    return r;
}
