/* Subscriptions of classic consumers. */
#include "base/map.h"
#include "base/mem.h"
#include "base/test.h"
#include "coord/group/subscription.h"

/* Cut anywhere, it is no subscription; whole, and with anything behind it, it is. */
TEST(subscription, topics_are_read_from_every_version_and_from_nothing_shorter)
{
    static const uint8_t whole[] = { 0,   3,   0,   0,   0,   2, 0, 1, 'a', 0, 2, 'b',
                                     'c', 255, 255, 255, 255, 0, 0, 0, 0,   9, 9 };
    const size_t needed = 13;
    for (size_t size = 0; size <= sizeof(whole); size++) {
        struct map topics;
        map_init(&topics, 1);
        uint8_t *copy = mem_dup(whole, size); /* so that reading past the cut is seen */
        const int r = subscription_topics(bytes_from(copy, size), &topics);
        if (size < needed) {
            EXPECT(r < 0);
        } else {
            EXPECT_EQ(r, 0);
            EXPECT_EQ(map_count(&topics), 2);
            EXPECT(map_get(&topics, BYTES_LITERAL("bc")) != NULL);
        }
        mem_free(copy);
        map_deinit(&topics);
    }
    struct map topics;
    map_init(&topics, 1);
    EXPECT(subscription_topics(BYTES_LITERAL("\xff\xff\0\0\0\0"), &topics) < 0);
    EXPECT(subscription_topics(BYTES_LITERAL("\0\0\xff\xff\xff\xff"), &topics) < 0);
    map_deinit(&topics);
}
