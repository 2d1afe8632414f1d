/* The checksums, by every way they are computed. */
#include "wire/crc32c.h"

#include "base/mem.h"
#include "base/test.h"

/* By the definition: one bit at a time, reflected polynomial 0x1EDC6F41. */
static uint32_t crc32c_by_definition(uint32_t crc, const uint8_t *p, size_t size_bytes)
{
    crc = ~crc;
    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78 & (0 - (crc & 1)));
    }
    return ~crc;
}

/* RFC 3720, appendix B.4, and the check value of the CRC catalogues. */
TEST(crc32c, gives_the_published_values)
{
    uint8_t run[32] = { 0 };
    EXPECT_EQ(crc32c(0, "123456789", 9), 0xe3069283);
    EXPECT_EQ(crc32c(0, run, 32), 0x8a9136aa);
    for (uint8_t i = 0; i < 32; i++)
        run[i] = 0xff;
    EXPECT_EQ(crc32c(0, run, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        run[i] = i;
    EXPECT_EQ(crc32c(0, run, 32), 0x46dd794e);
    EXPECT_EQ(crc32c(0, NULL, 0), 0);
    EXPECT_EQ(crc32_ieee(0, "123456789", 9), 0xcbf43926);
    EXPECT_EQ(crc32_ieee(7, NULL, 0), 7);
}

/* Every length up to past the longest run of lanes, at every alignment; both ways agree with the definition. */
TEST(crc32c, agrees_with_the_definition_at_every_length)
{
    enum { BYTES = 3 * 2048 + 3 * 256 + 80 };
    uint8_t bytes[BYTES + 8];
    struct rng rng = rng_from_seed(context->seed);
    rng_fill(&rng, bytes, sizeof(bytes));
    for (size_t alignment = 0; alignment < 8; alignment++) {
        uint32_t wanted = 0;
        for (size_t size = 0; size < BYTES; size++) {
            EXPECT_EQ(crc32c(0, bytes + alignment, size), wanted);
            if (size % 7 == 0)
                EXPECT_EQ(crc32c_with_tables(0, bytes + alignment, size), wanted);
            wanted = crc32c_by_definition(wanted, bytes + alignment + size, 1);
        }
    }
}

/* A sum may be continued from any cut. */
TEST(crc32c, continues_at_every_cut)
{
    enum { BYTES = 3 * 2048 + 100 };
    uint8_t bytes[BYTES];
    struct rng rng = rng_from_seed(context->seed);
    rng_fill(&rng, bytes, sizeof(bytes));
    const uint32_t whole = crc32c(0, bytes, BYTES);
    for (size_t cut = 0; cut <= BYTES; cut++)
        EXPECT_EQ(crc32c(crc32c(0, bytes, cut), bytes + cut, BYTES - cut), whole);
}
