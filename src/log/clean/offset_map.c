/* Hashes in order, with gaps: see offset_map.h. */
#include "log/clean/offset_map.h"

#include "base/mem.h"

#include <string.h>

#define LOAD_FACTOR_MAX 0.95
#define LOAD_FACTOR_MIN 0.05
#define KEYS_MIN        8u
#define SLACK_MIN       64u /* entries behind the last slot, for those that find theirs taken */
#define SLACK_MAX       4096u /* more are needed once in a lifetime; then the map says that it is full */

#define OFFSET_BITS 40u
#define OFFSET_MASK ((UINT64_C(1) << OFFSET_BITS) - 1)

struct clean_map_entry {
    uint64_t hash_high;
    uint64_t rest; /* 24 more bits of the hash, and the offset */
};

_Static_assert(sizeof(struct clean_map_entry) == CLEAN_MAP_ENTRY_BYTES, "as the header says");

static uint64_t slack_of(uint64_t slot_count)
{
    return MIN(MAX(slot_count / 64, (uint64_t)SLACK_MIN), (uint64_t)SLACK_MAX);
}

void clean_map_init(struct clean_map *map, size_t bytes_max, double load_factor, uint64_t keys_max,
                    int64_t base_offset, uint64_t seed)
{
    const double load = load_factor >= LOAD_FACTOR_MIN /* what is no number is not */
                            ? MIN(load_factor, LOAD_FACTOR_MAX)
                            : LOAD_FACTOR_MIN;
    const uint64_t entries_max = bytes_max / CLEAN_MAP_ENTRY_BYTES;
    const uint64_t slack = slack_of(entries_max);
    uint64_t slots = entries_max > slack ? entries_max - slack : 0;
    uint64_t keys = (uint64_t)((double)slots * load);
    if (keys_max < keys) {
        keys = keys_max;
        slots = (uint64_t)((double)keys / load) + 1;
    }
    if (keys < KEYS_MIN) {
        keys = KEYS_MIN;
        slots = 2 * KEYS_MIN;
    }
    *map = (struct clean_map){
        .slot_count = slots,
        .entry_end = slots + slack_of(slots),
        .count_max = keys,
        .base_offset = base_offset,
        .seed = seed,
    };
    const size_t size_bytes = map->entry_end * sizeof(struct clean_map_entry);
    map->entries = mem_zalloc(size_bytes);
    mem_use_large_pages(map->entries, size_bytes);
}

void clean_map_deinit(struct clean_map *map)
{
    mem_free(map->entries);
    map->entries = NULL;
}

static uint64_t slot_of(const struct clean_map *map, struct wide_hash hash)
{
    return (uint64_t)((unsigned __int128)hash.high * map->slot_count >> 64);
}

struct wide_hash clean_map_foresee(const struct clean_map *map, struct bytes key)
{
    const struct wide_hash hash = bytes_hash_wide(key, map->seed);
    __builtin_prefetch(&map->entries[slot_of(map, hash)]);
    return hash;
}

/* Where the entries of this hash begin or would begin: the first place from its slot on that is free, or holds as large a
 * hash. */
static uint64_t find(const struct clean_map *map, struct wide_hash hash)
{
    const uint64_t tag = hash.low >> OFFSET_BITS;
    uint64_t at = slot_of(map, hash);
    for (; at < map->entry_end; at++) {
        const struct clean_map_entry *entry = &map->entries[at];
        if ((entry->rest & OFFSET_MASK) == 0 || entry->hash_high > hash.high ||
            (entry->hash_high == hash.high && entry->rest >> OFFSET_BITS >= tag))
            break;
    }
    return at;
}

static bool is_at(const struct clean_map *map, uint64_t at, struct wide_hash hash)
{
    const struct clean_map_entry *entry = &map->entries[at];
    return at < map->entry_end && (entry->rest & OFFSET_MASK) != 0 &&
           entry->hash_high == hash.high && entry->rest >> OFFSET_BITS == hash.low >> OFFSET_BITS;
}

/* Moves what stands from `at` on up to the next gap by one. False: there is no gap. */
static bool make_room(struct clean_map *map, uint64_t at)
{
    uint64_t gap = at;
    while (gap < map->entry_end && (map->entries[gap].rest & OFFSET_MASK) != 0)
        gap++;
    if (gap == map->entry_end)
        return false;
    memmove(&map->entries[at + 1], &map->entries[at], (gap - at) * sizeof(map->entries[0]));
    return true;
}

bool clean_map_put(struct clean_map *map, struct wide_hash hash, int64_t offset)
{
    const int64_t relative = offset - map->base_offset;
    ASSERT(relative >= 0);
    if (relative > CLEAN_MAP_SPAN_MAX)
        return false;
    const uint64_t at = find(map, hash);
    if (!is_at(map, at, hash)) {
        if (map->count == map->count_max || at == map->entry_end || !make_room(map, at))
            return false;
        map->count++;
    }
    map->entries[at] = (struct clean_map_entry){
        .hash_high = hash.high,
        .rest = (hash.low & ~OFFSET_MASK) | (uint64_t)(relative + 1),
    };
    return true;
}

int64_t clean_map_get(const struct clean_map *map, struct wide_hash hash)
{
    const uint64_t at = find(map, hash);
    if (!is_at(map, at, hash))
        return -1;
    return map->base_offset + (int64_t)(map->entries[at].rest & OFFSET_MASK) - 1;
}
