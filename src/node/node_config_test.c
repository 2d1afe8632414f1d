/* See node_config.h. */
#include "node/node_config.h"

#include "base/test.h"
#include "log/log_files.h"

/* However few there are: everybody gets some, and together no more than there is. */
TEST(node_config, divides_every_number_of_descriptors)
{
    for (uint32_t dirs = 1; dirs <= 256; dirs += 51) {
        for (uint32_t all = 64; all < 100000; all += all / 16) {
            const struct node_descriptors d = node_config_descriptors(all, dirs);
            EXPECT(d.log_files >= LOG_FILES_OPEN_MIN);
            EXPECT(d.sockets >= d.log_files);
            EXPECT(d.sockets + d.log_files + all / 4 >= all); /* the reserve does not take it all */
            EXPECT(d.sockets + d.log_files < all);
            if (all >= 4096)
                EXPECT(all - d.sockets - d.log_files >= 96 + dirs);
        }
    }
}
