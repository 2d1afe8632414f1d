/* The small words: assertions, scope cleanup, arithmetic helpers, memory, big-endian access. */
#include "base/base.h"
#include "base/be.h"
#include "base/mem.h"
#include "base/test.h"

#include <string.h>

TEST(assert, stops_in_every_build)
{
    volatile int three = 3;
    ASSERT(three == 3);
    EXPECT_STOPS(ASSERT(three == 4));
}

static void count_cleanup(int **place)
{
    if (*place != NULL)
        (**place)++;
}

TEST(auto, runs_when_the_scope_ends_unless_taken)
{
    int count = 0;
    {
        AUTO(count_cleanup) int *a = &count;
        EXPECT(a != NULL);
    }
    EXPECT_EQ(count, 1);
    int *kept;
    {
        AUTO(count_cleanup) int *b = &count;
        kept = TAKE(b);
        EXPECT(b == NULL);
    }
    EXPECT(kept == &count);
    EXPECT_EQ(count, 1);
}

TEST(min_max, evaluate_once_and_nest)
{
    int calls = 0;
    EXPECT_EQ(MIN(++calls, 10), 1);
    EXPECT_EQ(MAX(++calls, 1), 2);
    EXPECT_EQ(MAX(MIN(3, 5), MIN(4, 2)), 3);
    EXPECT_EQ(MIN(INT64_MIN, INT64_C(0)), INT64_MIN);
    EXPECT_EQ(MAX(UINT64_MAX, UINT64_C(0)), UINT64_MAX);
}

TEST(i64, stops_at_the_ends_of_its_range)
{
    EXPECT_EQ(i64_add_clamped(40, 2), 42);
    EXPECT_EQ(i64_add_clamped(INT64_MAX, 1), INT64_MAX);
    EXPECT_EQ(i64_add_clamped(-2, INT64_MIN), INT64_MIN);
    EXPECT_EQ(i64_sub_clamped(40, 42), -2);
    EXPECT_EQ(i64_sub_clamped(INT64_MIN, 1), INT64_MIN);
    EXPECT_EQ(i64_sub_clamped(0, INT64_MIN), INT64_MAX);
}

TEST(container_of, finds_the_struct_around_a_member)
{
    struct outer {
        char a;
        int b;
    } outer = { 0 };
    int *b = &outer.b;
    EXPECT(CONTAINER_OF(b, struct outer, b) == &outer);
}

TEST(be, loads_what_it_stores_at_every_alignment)
{
    uint8_t place[24];
    for (size_t at = 0; at < 8; at++) {
        be_store_u16(place + at, 0x8001);
        EXPECT_EQ(place[at], 0x80);
        EXPECT_EQ(be_load_u16(place + at), 0x8001);
        EXPECT_EQ(be_load_i16(place + at), INT16_MIN + 1);
        be_store_u32(place + at, 0x80000001);
        EXPECT_EQ(place[at], 0x80);
        EXPECT_EQ(be_load_u32(place + at), 0x80000001);
        EXPECT_EQ(be_load_i32(place + at), INT32_MIN + 1);
        be_store_u64(place + at, UINT64_C(0x8000000000000001));
        EXPECT_EQ(place[at], 0x80);
        EXPECT_EQ(be_load_u64(place + at), UINT64_C(0x8000000000000001));
        EXPECT_EQ(be_load_i64(place + at), INT64_MIN + 1);
    }
}

TEST(mem, gives_a_pointer_of_its_own_for_size_zero)
{
    void *pointers[] = {
        mem_alloc(0),
        mem_zalloc(0),
        mem_calloc(0, 8),
        mem_calloc(8, 0),
        mem_realloc(NULL, 0),
        mem_dup(NULL, 0),
        mem_reallocarray(NULL, 0, 8),
        mem_realloc(mem_alloc(5), 0),
    };
    for (size_t i = 0; i < ARRAY_LEN(pointers); i++) {
        EXPECT(pointers[i] != NULL);
        for (size_t k = 0; k < i; k++)
            EXPECT(pointers[i] != pointers[k]);
    }
    for (size_t i = 0; i < ARRAY_LEN(pointers); i++)
        mem_free(pointers[i]);
    mem_free(NULL);
}

TEST(mem, zeroes_and_keeps_content_through_realloc)
{
    uint8_t *p = MEM_NEW_ARRAY(uint8_t, 100);
    for (size_t i = 0; i < 100; i++)
        EXPECT_EQ(p[i], 0);
    memset(p, 9, 100);
    p = mem_reallocarray(p, 1000, 10);
    for (size_t i = 0; i < 100; i++)
        EXPECT_EQ(p[i], 9);
    mem_free(p);
}

#if !ADDRESS_SANITIZER && !THREAD_SANITIZER /* they have their own, louder, end for absurd sizes */
TEST(mem, stops_when_there_is_none)
{
    volatile size_t absurd = SIZE_MAX / 4;
    EXPECT_STOPS(mem_free(mem_alloc(absurd)));
    EXPECT_STOPS(mem_free(mem_calloc(absurd, 8)));
    EXPECT_STOPS(mem_free(mem_realloc(NULL, absurd)));
}
#endif

TEST(mem, stops_when_a_product_overflows)
{
    volatile size_t many = SIZE_MAX / 4;
    EXPECT_STOPS(mem_free(mem_reallocarray(NULL, many, 8)));
}

TEST(mem, copies_text)
{
    AUTO(mem_freep) char *a = mem_strdup("whole");
    AUTO(mem_freep) char *b = mem_strndup("whole", 3);
    AUTO(mem_freep) char *c = mem_strndup("ab", 300);
    AUTO(mem_freep) char *d = mem_printf("%s-%d", "x", 42);
    AUTO(mem_freep) char *e = mem_dup("ab", 3);
    AUTO(mem_freep) char *nothing = NULL;
    EXPECT_TEXT(a, "whole");
    EXPECT_TEXT(b, "who");
    EXPECT_TEXT(c, "ab");
    EXPECT_TEXT(d, "x-42");
    EXPECT_TEXT(e, "ab");
    EXPECT(nothing == NULL);
}
