/* See batch_length.h. */
#include "log/batch_length.h"

#include "base/be.h"
#include "base/mem.h"

#define LENGTH_AT       8 /* see wire/batch.h and wire/legacy.h */
#define LENGTH_BITS     32
#define BEFORE_BYTES    12          /* which the length does not count */
#define TRIED_BYTES_MAX (16u << 20) /* of a size that leads nowhere */

/* Whether a batch may begin there, or the file ends. */
static bool is_boundary(const struct batch_bounds *bounds, int64_t position)
{
    struct scanned_batch batch;
    if (position >= bounds->limit)
        return position == bounds->limit;
    return batch_scan_header(bounds->file, position, bounds->limit, &batch) &&
           batch.base_offset >= bounds->first_offset && batch.last_offset <= bounds->last_offset;
}

/* Whether the CRC is right, were the batch so long. */
static bool is_whole(const struct batch_bounds *bounds, int64_t position, uint32_t size_bytes)
{
    AUTO(mem_freep) uint8_t *bytes = mem_alloc(size_bytes);
    if (io_file_read(bounds->file, position, bytes, size_bytes) != size_bytes)
        return false;
    const struct bytes batch = bytes_from(bytes, size_bytes);
    return batch_crc_stored(batch) == batch_crc_computed(batch);
}

/* The size with one bit of the length flipped back, by which the CRC is right; 0: none. leads_on: a batch begins behind it. Else what is
 * behind may be damaged, too, and all sizes are tried that do not take long. */
static uint32_t find_flipped(const struct batch_bounds *bounds, int64_t position, uint32_t length,
                             bool leads_on)
{
    for (uint32_t bit = 0; bit < LENGTH_BITS; bit++) {
        const uint32_t other = length ^ (1u << bit);
        const int64_t end = position + other + BEFORE_BYTES;
        if (other < BATCH_PREFIX_BYTES || end > bounds->limit)
            continue;
        if ((leads_on ? is_boundary(bounds, end) : other <= TRIED_BYTES_MAX) &&
            is_whole(bounds, position, other + BEFORE_BYTES))
            return other + BEFORE_BYTES;
    }
    return 0;
}

uint32_t batch_length_find(const struct batch_bounds *bounds, int64_t position)
{
    uint8_t prefix[BATCH_PREFIX_BYTES];
    if (position + BATCH_PREFIX_BYTES > bounds->limit ||
        io_file_read(bounds->file, position, prefix, sizeof(prefix)) != sizeof(prefix))
        return 0;
    const uint32_t length = be_load_u32(prefix + LENGTH_AT);
    const uint32_t flipped = find_flipped(bounds, position, length, true);
    if (flipped > 0)
        return flipped;
    const int size = batch_size(bytes_from(prefix, sizeof(prefix)));
    if (size > 0 && is_boundary(bounds, position + size))
        return (uint32_t)size;
    return find_flipped(bounds, position, length, false);
}

void batch_length_put(uint8_t *prefix, uint32_t size_bytes)
{
    be_store_u32(prefix + LENGTH_AT, size_bytes - BEFORE_BYTES);
}
