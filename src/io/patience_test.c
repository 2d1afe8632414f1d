/* When polling is earned, and when it ends. */
#include "base/test.h"
#include "io/patience.h"

#define SHORT_NS (PATIENCE_POLL_NS - 1)

static struct patience hopeful(void)
{
    struct patience patience = { 0 };
    for (uint32_t i = 0; i < 2 * PATIENCE_TRIES_MAX; i++)
        patience_on_waited(&patience, SHORT_NS);
    return patience;
}

TEST(patience, begins_without_polling)
{
    struct patience patience = { 0 };
    EXPECT_EQ(patience_poll_ns(&patience), 0);
    patience_on_waited(&patience, PATIENCE_POLL_NS);
    EXPECT_EQ(patience_poll_ns(&patience), 0);
}

TEST(patience, polls_after_one_short_wait)
{
    struct patience patience = { 0 };
    patience_on_waited(&patience, SHORT_NS);
    EXPECT_EQ(patience_poll_ns(&patience), PATIENCE_POLL_NS);
}

/* What an idle client costs after a busy time is bounded. */
TEST(patience, sleeps_again_after_so_many_waits_that_were_long)
{
    struct patience patience = hopeful();
    uint32_t polls = 0;
    while (patience_poll_ns(&patience) > 0) {
        patience_on_waited(&patience, PATIENCE_POLL_NS);
        polls++;
        EXPECT(polls <= PATIENCE_TRIES_MAX);
    }
    EXPECT_EQ(polls, PATIENCE_TRIES_MAX);
}

TEST(patience, does_not_poll_after_a_turn_that_moved_much)
{
    struct patience patience = hopeful();
    patience_on_moved(&patience, PATIENCE_BYTES_MAX);
    EXPECT_EQ(patience_poll_ns(&patience), PATIENCE_POLL_NS);
    patience_on_moved(&patience, PATIENCE_BYTES_MAX);
    patience_on_moved(&patience, 1);
    EXPECT_EQ(patience_poll_ns(&patience), 0);
    EXPECT_EQ(patience_poll_ns(&patience), 0); /* and has to learn anew */
    patience_on_waited(&patience, SHORT_NS);
    EXPECT_EQ(patience_poll_ns(&patience), PATIENCE_POLL_NS);
}
