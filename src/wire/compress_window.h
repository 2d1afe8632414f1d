/* A sliding view of what a compressed stream holds: the reader looks at what is there, moves on, and
 * asks for more when the rest is not enough.
 *
 * Memory: a chunk of 96 KiB, lent by the contexts where there are some; it doubles only when it is full of
 * bytes that the reader still wants, so a length that lies costs nothing.
 */
#pragma once

#include "wire/compress.h"

struct compress_window {
    struct codec_contexts *contexts;   /* borrowed; may be NULL */
    struct decompressor *decompressor; /* owned; NULL: not open */
    struct buf chunk;                  /* owned */
    size_t position;                   /* of the next byte in chunk */
    uint64_t total_bytes;              /* that came out of the stream so far */
    bool is_over;                      /* nothing comes after what is there */
};

/* A zeroed window is closed. Errors as decompressor_open. `input` and contexts are borrowed until close. */
MUST_CHECK int compress_window_open(struct compress_window *w, struct codec_contexts *contexts,
                                    enum codec codec, struct bytes input, bool is_magic_0);
void compress_window_close(struct compress_window *w); /* closed already: fine */

/* What is there; valid until the next fill. */
static inline struct bytes compress_window_view(const struct compress_window *w)
{
    return bytes_from(w->chunk.data + w->position, w->chunk.size - w->position);
}
/* size_bytes are there. */
static inline void compress_window_advance(struct compress_window *w, size_t size_bytes)
{
    w->position += size_bytes;
}

/* Gets more behind what is there. Returns how many bytes came, 0 when the stream is over, or -ERR_CORRUPT. */
MUST_CHECK int64_t compress_window_fill(struct compress_window *w);
