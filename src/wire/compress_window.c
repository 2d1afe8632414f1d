/* A sliding view of a compressed stream. See compress_window.h. */
#include "wire/compress_window.h"

#include "wire/compress_int.h"

#include <string.h>

/* An lz4 block of 64 KiB goes straight into the chunk as long as the rest before it is below 32 KiB. */
#define CHUNK_BYTES ((size_t)96 << 10)

int compress_window_open(struct compress_window *w, struct codec_contexts *contexts,
                         enum codec codec, struct bytes input, bool is_magic_0)
{
    *w = (struct compress_window){ .contexts = contexts };
    const int r = is_magic_0 ? decompressor_open_magic_0(contexts, codec, input, &w->decompressor)
                             : decompressor_open(contexts, codec, input, &w->decompressor);
    if (r < 0)
        return r;
    w->chunk = codec_contexts_take_chunk(contexts);
    if (w->chunk.capacity < CHUNK_BYTES) {
        const uint8_t *chunk = buf_extend(&w->chunk, CHUNK_BYTES);
        ASSERT(chunk != NULL);
    }
    buf_clear(&w->chunk);
    return 0;
}

void compress_window_close(struct compress_window *w)
{
    if (w->decompressor == NULL)
        return;
    decompressor_close(TAKE(w->decompressor));
    codec_contexts_give_chunk(w->contexts, &w->chunk);
}

int64_t compress_window_fill(struct compress_window *w)
{
    if (w->is_over)
        return 0;
    struct buf *chunk = &w->chunk;
    const size_t rest = chunk->size - w->position;
    if (w->position > 0) {
        memmove(chunk->data, chunk->data + w->position, rest);
        w->position = 0;
        chunk->size = rest;
    }
    const size_t room = rest < chunk->capacity ? chunk->capacity - rest : chunk->capacity;
    uint8_t *out = buf_extend(chunk, room);
    ASSERT(out != NULL); /* a chunk has no maximum: it is full of bytes that really came */
    const int64_t count = decompressor_read(w->decompressor, out, room);
    chunk->size = rest + (size_t)MAX(count, 0);
    w->total_bytes += (uint64_t)MAX(count, 0);
    w->is_over = count == 0;
    return count;
}
