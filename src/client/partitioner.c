/* See partitioner.h. MurmurHash 2, 32 bits, by its published definition, with the seed that Kafka chose. */
#include "client/partitioner.h"

#define SEED  0x9747b28cu
#define MIX   0x5bd1e995u
#define SHIFT 24

uint32_t partitioner_murmur2(struct bytes key)
{
    uint32_t hash = SEED ^ (uint32_t)key.size;
    size_t at = 0;
    for (; at + 4 <= key.size; at += 4) {
        uint32_t word = (uint32_t)key.data[at] | (uint32_t)key.data[at + 1] << 8 |
                        (uint32_t)key.data[at + 2] << 16 | (uint32_t)key.data[at + 3] << 24;
        word *= MIX;
        word ^= word >> SHIFT;
        hash = hash * MIX ^ word * MIX;
    }
    const size_t left = key.size - at;
    for (size_t i = left; i > 0; i--)
        hash ^= (uint32_t)key.data[at + i - 1] << (8 * (i - 1));
    if (left > 0)
        hash *= MIX;
    hash ^= hash >> 13;
    hash *= MIX;
    return hash ^ hash >> 15;
}

int32_t partitioner_of_key(struct bytes key, int32_t partition_count)
{
    return (int32_t)((partitioner_murmur2(key) & INT32_MAX) % (uint32_t)partition_count);
}
