/* Arenas: limits, alignment, independence of what was handed out, reuse. */
#include "base/arena.h"
#include "base/test.h"

#include <string.h>

/* Rounding counts, so a maximum of n * 16 gives exactly n small pieces and then nothing, for ever. */
TEST(arena_alloc, gives_exactly_its_maximum_in_small_pieces)
{
    for (size_t pieces = 0; pieces < 200; pieces++) {
        struct arena arena;
        arena_init(&arena, pieces * 16);
        for (size_t i = 0; i < pieces; i++) {
            uint8_t *p = arena_alloc(&arena, i % 17);
            EXPECT(p != NULL);
            EXPECT_EQ((uintptr_t)p % 16, 0);
            memset(p, 0xff, i % 17);
        }
        EXPECT(arena_alloc(&arena, 0) == NULL);
        EXPECT_EQ(arena.used_bytes, pieces * 16);
        arena_deinit(&arena);
    }
}

/* For every size around the chunk sizes: the maximum itself fits, one byte more never does. */
TEST(arena_alloc, takes_one_piece_as_large_as_the_maximum_and_none_larger)
{
    for (size_t size = 16; size <= 256 * 1024; size = size < 4096 ? size + 16 : size * 2) {
        struct arena arena;
        arena_init(&arena, size);
        EXPECT(arena_alloc(&arena, size + 1) == NULL);
        EXPECT_EQ(arena.used_bytes, 0);
        uint8_t *p = arena_alloc(&arena, size);
        EXPECT(p != NULL);
        memset(p, 1, size);
        EXPECT(arena_alloc(&arena, 1) == NULL);
        arena_deinit(&arena);
    }
}

TEST(arena_alloc, refuses_sizes_whose_rounding_or_product_overflows)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    EXPECT(arena_alloc(&arena, SIZE_MAX) == NULL);
    EXPECT(arena_alloc(&arena, SIZE_MAX - 14) == NULL);
    EXPECT(arena_zalloc(&arena, SIZE_MAX / 2, 3) == NULL);
    EXPECT_EQ(arena.used_bytes, 0);
    EXPECT(arena_alloc(&arena, 1) != NULL);
    for (size_t size = SIZE_MAX - 30; size != 0; size++)
        EXPECT(arena_alloc(&arena, size) == NULL);
    EXPECT_EQ(arena.used_bytes, 16);
    arena_deinit(&arena);
}

/* Each piece is filled with its own number and read back at the end: no two overlap, whatever the mixture of
 * small, chunk-sized and larger requests, also after the arena was reset. */
TEST(arena_alloc, keeps_pieces_apart_for_random_sizes)
{
    struct rng rng = rng_from_seed(context->seed);
    struct arena arena;
    arena_init(&arena, 16 * 1024 * 1024);
    for (int round = 0; round < 20; round++) {
        struct {
            uint8_t *data;
            size_t size;
        } pieces[300];
        for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
            const uint64_t bound = rng_chance(&rng, 20000)    ? 200000
                                   : rng_chance(&rng, 200000) ? 5000
                                                              : 100;
            pieces[i].size = rng_below(&rng, bound);
            pieces[i].data = arena_alloc(&arena, pieces[i].size);
            EXPECT(pieces[i].data != NULL);
            memset(pieces[i].data, (int)(i & 0xff), pieces[i].size);
        }
        for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
            for (size_t k = 0; k < pieces[i].size; k++)
                EXPECT_EQ(pieces[i].data[k], i & 0xff);
        }
        arena_reset(&arena);
        EXPECT_EQ(arena.used_bytes, 0);
    }
    arena_deinit(&arena);
}

/* What a reset keeps is one chunk of ordinary size: an arena that once served a large request is small again. */
TEST(arena_reset, keeps_one_ordinary_chunk_at_most)
{
    struct arena arena;
    arena_init(&arena, 10 * 1024 * 1024);
    arena_reset(&arena);
    EXPECT(arena.chunks == NULL);
    EXPECT(arena_alloc(&arena, 1024 * 1024) != NULL);
    arena_reset(&arena);
    EXPECT(arena.chunks == NULL);

    void *first = arena_alloc(&arena, 8);
    EXPECT(arena_alloc(&arena, 1024 * 1024) != NULL);
    arena_reset(&arena);
    EXPECT(arena.chunks != NULL);
    EXPECT(arena_alloc(&arena, 8) == first);
    arena_deinit(&arena);
}

TEST(arena_deinit, is_fine_twice_and_on_a_zeroed_arena)
{
    struct arena arena = { 0 };
    arena_deinit(&arena);
    arena_deinit(&arena);
    EXPECT(arena_alloc(&arena, 1) == NULL);
    arena_init(&arena, 100);
    EXPECT(arena_alloc(&arena, 1) != NULL);
    arena_deinit(&arena);
    arena_deinit(&arena);
    EXPECT(arena_alloc(&arena, 1) != NULL); /* and it may be used again */
    arena_deinit(&arena);
}

TEST(arena_zalloc, zeroes_memory_that_was_used_before)
{
    struct arena arena;
    arena_init(&arena, 4096);
    memset(arena_alloc(&arena, 512), 0xff, 512);
    arena_reset(&arena);
    const uint8_t *p = arena_zalloc(&arena, 16, 32);
    for (size_t i = 0; i < 512; i++)
        EXPECT_EQ(p[i], 0);
    arena_deinit(&arena);
}

TEST(arena_dup, copies_and_respects_the_limit)
{
    struct arena arena;
    arena_init(&arena, 32);
    const char *copy = arena_dup(&arena, "kept", 5);
    EXPECT_TEXT(copy, "kept");
    EXPECT(arena_dup(&arena, NULL, 0) != NULL);
    EXPECT(arena_dup(&arena, "x", 1) == NULL);
    arena_deinit(&arena);
}

TEST(arena_must_zalloc, stops_where_the_caller_reserved_too_little)
{
    struct arena arena;
    arena_init(&arena, 64);
    EXPECT(ARENA_NEW_ARRAY(&arena, uint64_t, 4) != NULL);
    EXPECT_STOPS((void)ARENA_NEW_ARRAY(&arena, uint64_t, 5));
    EXPECT_STOPS(arena_printf(&arena, "%s", "this text is longer than the thirty-two bytes left"));
    EXPECT_TEXT(arena_printf(&arena, "%s %d", "fits", 7), "fits 7");
    arena_deinit(&arena);
}
