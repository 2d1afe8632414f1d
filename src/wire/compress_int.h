/* What one codec gives the rest of compress: a way to read, a way to write, and their dear parts kept. */
#pragma once

#include "wire/compress.h"

/* The head of every codec's decoder, which puts its own fields behind it. */
struct decompressor {
    const struct codec_driver *driver;
    struct codec_contexts *contexts; /* where it goes when closed; may be NULL */
    struct bytes input;              /* not read yet */
    bool is_magic_0;                 /* lz4: do not look at the header's checksum */
    bool is_over;                    /* whole, and nothing follows */
    int error;
};

struct codec_driver {
    const char *name;
    int level_default;
    int level_min;
    int level_max;
    struct decompressor *(*decoder_new)(void);
    void (*decoder_start)(struct decompressor *d); /* on a new input, new or used before */
    /* Up to size bytes, at least one but where it sets is_over; -ERR_CORRUPT. Not called again after either. */
    int64_t (*decoder_read)(struct decompressor *d, uint8_t *out, size_t size);
    size_t (*decoder_memory)(struct decompressor *d);
    void (*decoder_free)(struct decompressor *d);

    void *(*encoder_new)(void);
    int (*encode)(void *encoder, int level, struct bytes input,
                  struct buf *out); /* as codec_compress() */
    size_t (*encoder_memory)(const void *encoder);
    void (*encoder_free)(void *encoder);
};

extern const struct codec_driver codec_gzip;
extern const struct codec_driver codec_snappy;
extern const struct codec_driver codec_lz4;
extern const struct codec_driver codec_zstd;

static inline void decompressor_advance(struct decompressor *d, size_t size_bytes)
{
    d->input.data += size_bytes;
    d->input.size -= size_bytes;
}

/* The memory of one window, kept between streams; contexts may be NULL. */
struct buf codec_contexts_take_chunk(struct codec_contexts *contexts);
void codec_contexts_give_chunk(struct codec_contexts *contexts, struct buf *chunk);
