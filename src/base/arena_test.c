/* Arenas: alignment, limits, reuse. */
#include "base/arena.h"
#include "base/test.h"

#include <string.h>

/* Alignment counts, so a maximum of n * 16 gives exactly n small pieces and then nothing, for ever. */
TEST(arena_alloc, gives_exactly_its_maximum)
{
    for (size_t pieces = 0; pieces < 200; pieces++) {
        struct arena arena;
        arena_init(&arena, pieces * 16);
        for (size_t i = 0; i < pieces; i++) {
            uint8_t *p = arena_alloc(&arena, i % 16);
            EXPECT(p != NULL);
            EXPECT_EQ((uintptr_t)p % 16, 0);
            memset(p, 0xff, i % 16);
        }
        EXPECT(arena_alloc(&arena, 0) == NULL);
        EXPECT_EQ(arena.used_bytes, pieces * 16);
        arena_deinit(&arena);
    }
}
