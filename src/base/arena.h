/* An arena: many small allocations, released together.
 *
 * Memory comes in chunks that double up to a bound; a request larger than a chunk gets its own.
 * An arena has a maximum from birth; every allocation counts rounded up to 16 bytes. Lifetimes: usually one request. Passed, never global.
 * Threads: one at a time.
 */
#pragma once

#include "base/base.h"

#include <stdarg.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first; owned */
    uint8_t *next;              /* first free byte of the newest chunk */
    uint8_t *end;
    size_t used_bytes; /* sum of what was handed out, alignment included */
    size_t used_bytes_max;
    size_t chunk_bytes_next; /* size of the next chunk */
};

/* Allocates nothing yet. */
void arena_init(struct arena *arena, size_t used_bytes_max);

/* Frees every chunk. A zeroed or already released arena is fine. */
void arena_deinit(struct arena *arena);

/* Gives back everything but keeps (at most) one chunk for reuse. */
void arena_reset(struct arena *arena);

/* Memory aligned for any type, valid until reset or deinit; NULL when used_bytes_max would be
 * passed, and only then. arena_alloc leaves it uninitialised, arena_zalloc zeroes it. */
void *arena_alloc(struct arena *arena, size_t size_bytes);
void *arena_zalloc(struct arena *arena, size_t count, size_t size_bytes);
void *arena_dup(struct arena *arena, const void *bytes, size_t size_bytes);

/* Like the above where the caller has reserved by its limit: running out is a bug and stops. */
void *arena_must_zalloc(struct arena *arena, size_t count, size_t size_bytes);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *arena, const char *format, va_list args) PRINTF_LIKE(2, 0);
#define ARENA_NEW(arena, type) ((type *)arena_must_zalloc((arena), 1, sizeof(type)))
#define ARENA_NEW_ARRAY(arena, type, count)                                                        \
    ((type *)arena_must_zalloc((arena), (count), sizeof(type)))
