/* Tests that end in every way a test can end, for harness_check.py to look at. Not part of unit_base. */
#include "base/mem.h"
#include "base/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(fixture, passes)
{
    EXPECT_EQ(1, 1);
}
TEST(fixture, fails_eq)
{
    const int two = 2;
    EXPECT_EQ(two + 2, 5);
}
TEST(fixture, fails_condition)
{
    EXPECT(context == NULL);
}
TEST(fixture, fails_ok)
{
    EXPECT_OK(-ERR_CORRUPT);
}
TEST(fixture, fails_err)
{
    EXPECT_ERR(-ERR_CORRUPT, ERR_LIMIT);
}
TEST(fixture, fails_err_by_success)
{
    EXPECT_ERR(0, ERR_LIMIT);
}
TEST(fixture, fails_text)
{
    EXPECT_TEXT("is", "ought");
}
TEST(fixture, fails_text_null)
{
    EXPECT_TEXT(NULL, "ought");
}
TEST(fixture, fails_bytes)
{
    EXPECT_BYTES(BYTES_LITERAL("same, is"), BYTES_LITERAL("same, was"));
}
TEST(fixture, fails_stops)
{
    EXPECT_STOPS((void)strlen("goes on"));
}
TEST(fixture, crashes)
{
    abort();
}
TEST(fixture, exits_early)
{
    _exit(7);
}
TEST(fixture, hangs)
{
    for (;;)
        pause();
}
TEST(fixture, directory_is_empty_and_own)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/file", context->directory);
    EXPECT(access(path, F_OK) != 0);
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    EXPECT_EQ(fclose(file), 0);
    printf("directory %s\n", context->directory);
}
TEST(fixture, seed_is_given)
{
    printf("seed is %" PRIu64 "\n", context->seed);
}
