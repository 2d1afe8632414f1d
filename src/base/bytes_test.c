/* Borrowed bytes: comparison, numbers, UTF-8, hash. */
#include "base/bytes.h"
#include "base/test.h"

TEST(bytes_to_i64, takes_the_whole_range_and_nothing_beyond)
{
    int64_t v = 0;
    EXPECT_OK(bytes_to_i64(bytes_from_text("9223372036854775807"), &v));
    EXPECT_EQ(v, INT64_MAX);
    EXPECT_OK(bytes_to_i64(bytes_from_text("-9223372036854775808"), &v));
    EXPECT_EQ(v, INT64_MIN);
    EXPECT_ERR(bytes_to_i64(bytes_from_text("9223372036854775808"), &v), ERR_LIMIT);
    EXPECT_ERR(bytes_to_i64(bytes_from_text("-9223372036854775809"), &v), ERR_LIMIT);
    EXPECT_EQ(v, INT64_MIN);
}
