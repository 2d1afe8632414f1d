/* A .snapshot of producers.
 *
 * Input: the file, whose CRC is made right first, since no mutation would find it. Property: what
 * decodes encodes to what decodes to the same.
 */
#include "fuzz.h"

#include "base/be.h"
#include "base/mem.h"
#include "log/producer_snapshot.h"
#include "wire/crc32c.h"

static void encode(const struct producers *producers, struct buf *out)
{
    buf_init(out, PRODUCER_SNAPSHOT_BYTES_MAX);
    producer_snapshot_encode(producers, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(mem_freep) uint8_t *bytes = mem_dup(data, size);
    if (size > 6)
        be_store_u32(bytes + 2, crc32c(0, bytes + 6, size - 6));
    struct producers first;
    struct producers second;
    producers_init(&first, 1);
    producers_init(&second, 1);
    if (producer_snapshot_decode(bytes_from(bytes, size), 0, INT64_MAX, &first) == 0) {
        struct buf once;
        struct buf twice;
        encode(&first, &once);
        ASSERT(producer_snapshot_decode(buf_view(&once), 0, INT64_MAX, &second) == 0);
        encode(&second, &twice);
        ASSERT(producers_count(&first) == producers_count(&second));
        ASSERT(bytes_equal(buf_view(&once), buf_view(&twice)));
        ASSERT(producers_first_unstable(&first, 0) == producers_first_unstable(&second, 0));
        buf_deinit(&once);
        buf_deinit(&twice);
    }
    producers_deinit(&first);
    producers_deinit(&second);
    return 0;
}
