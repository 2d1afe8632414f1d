/* Chunks are a list, the one being filled at its head:
 *
 *     chunks -> [ header | used | next .. end ] -> [ header | full ] -> [ header | one large request ]
 *
 * A request that would not fit a chunk of the largest size gets a chunk of its own behind the head, so
 * that the rest of the head stays in use. Under the address sanitizer everything not handed out is
 * poisoned, with a gap after each allocation.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#if ADDRESS_SANITIZER
#    include <sanitizer/asan_interface.h>
#    define GAP_BYTES              ((size_t)16)
#    define HIDE(pointer, size)    ASAN_POISON_MEMORY_REGION((pointer), (size))
#    define UNCOVER(pointer, size) ASAN_UNPOISON_MEMORY_REGION((pointer), (size))
#else
#    define GAP_BYTES              ((size_t)0)
#    define HIDE(pointer, size)    ((void)(pointer), (void)(size))
#    define UNCOVER(pointer, size) ((void)(pointer), (void)(size))
#endif

#define ALIGN_BYTES       ((size_t)16)
#define CHUNK_BYTES_FIRST ((size_t)1024)
#define CHUNK_BYTES_LAST  ((size_t)64 * 1024)

struct arena_chunk {
    struct arena_chunk *older;
    size_t size_bytes; /* of data */
    _Alignas(16) uint8_t data[];
};
_Static_assert(_Alignof(max_align_t) <= 16, "arena memory must suit any type");
_Static_assert(sizeof(struct arena_chunk) % 16 == 0, "data must begin aligned");

void arena_init(struct arena *arena, size_t used_bytes_max)
{
    *arena =
        (struct arena){ .used_bytes_max = used_bytes_max, .chunk_bytes_next = CHUNK_BYTES_FIRST };
}

static struct arena_chunk *chunk_new(size_t size_bytes)
{
    ASSERT(size_bytes <= SIZE_MAX - sizeof(struct arena_chunk));
    struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + size_bytes);
    chunk->size_bytes = size_bytes;
    HIDE(chunk->data, size_bytes);
    return chunk;
}

static void chunks_free(struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *older = chunk->older;
        UNCOVER(chunk->data, chunk->size_bytes);
        mem_free(chunk);
        chunk = older;
    }
}

void arena_deinit(struct arena *arena)
{
    chunks_free(arena->chunks);
    arena_init(arena, arena->used_bytes_max);
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *kept = arena->chunks;
    if (kept == NULL || kept->size_bytes > CHUNK_BYTES_LAST) {
        arena_deinit(arena);
        return;
    }
    chunks_free(kept->older);
    kept->older = NULL;
    HIDE(kept->data, kept->size_bytes);
    arena->next = kept->data;
    arena->end = kept->data + kept->size_bytes;
    arena->used_bytes = 0;
}

static uint8_t *take_from_own_chunk(struct arena *arena, size_t rounded_bytes)
{
    struct arena_chunk *chunk = chunk_new(rounded_bytes);
    if (arena->chunks == NULL) {
        chunk->older = NULL;
        arena->chunks = chunk;
        arena->next = arena->end = chunk->data + rounded_bytes;
    } else {
        chunk->older = arena->chunks->older;
        arena->chunks->older = chunk;
    }
    return chunk->data;
}

static void add_chunk(struct arena *arena, size_t wanted_bytes)
{
    size_t size_bytes = arena->chunk_bytes_next;
    while (size_bytes < wanted_bytes)
        size_bytes *= 2;
    struct arena_chunk *chunk = chunk_new(size_bytes);
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    arena->next = chunk->data;
    arena->end = chunk->data + size_bytes;
    arena->chunk_bytes_next = MIN(size_bytes * 2, CHUNK_BYTES_LAST);
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    const size_t left_bytes = arena->used_bytes_max - arena->used_bytes;
    if (size_bytes > left_bytes)
        return NULL;
    const size_t rounded_bytes =
        (MAX(size_bytes, (size_t)1) + ALIGN_BYTES - 1) & ~(ALIGN_BYTES - 1);
    if (rounded_bytes < size_bytes || rounded_bytes > left_bytes)
        return NULL;

    uint8_t *out;
    const size_t wanted_bytes = rounded_bytes + GAP_BYTES;
    if (wanted_bytes > CHUNK_BYTES_LAST) {
        out = take_from_own_chunk(arena, rounded_bytes);
    } else {
        if (wanted_bytes > (size_t)(arena->end - arena->next))
            add_chunk(arena, wanted_bytes);
        out = arena->next;
        arena->next += wanted_bytes;
    }
    arena->used_bytes += rounded_bytes;
    UNCOVER(out, size_bytes);
    return out;
}

void *arena_zalloc(struct arena *arena, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        return NULL;
    void *out = arena_alloc(arena, total_bytes);
    if (out != NULL)
        memset(out, 0, total_bytes);
    return out;
}

void *arena_dup(struct arena *arena, const void *bytes, size_t size_bytes)
{
    void *out = arena_alloc(arena, size_bytes);
    if (out != NULL && size_bytes > 0)
        memcpy(out, bytes, size_bytes);
    return out;
}

void *arena_must_zalloc(struct arena *arena, size_t count, size_t size_bytes)
{
    void *out = arena_zalloc(arena, count, size_bytes);
    ASSERT(out != NULL);
    return out;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    ASSERT(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    ASSERT(text != NULL);
    (void)vsnprintf(text, (size_t)length + 1, format, again); /* measured above */
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}
