/* The latest offset of each key in the dirty part of a log: what compaction asks of every record.
 *
 * Bounded from birth. Kafka keeps 24 bytes a key: an MD5 and an offset. Here it is 16, so that the same
 * log.cleaner.dedupe.buffer.size holds half as many keys again:
 *
 *   88 bits  of a SipHash-1-3 of the key, keyed anew for each cleaning
 *   40 bits  offset - base + 1; 0 is a free slot
 *
 * Keys that hash alike are taken for one, so that the older would be lost. Among ten million keys the chance of a pair is one
 * in ten million million; and nobody can choose keys that do, since the hash is keyed (MD5 is not).
 *
 * Entries are kept in order of their hashes in an array with gaps (linear probing, each entry at or after the place that its
 * hash points to), so that a key that is not there is known after as few steps as one that is. Inside this folder only.
 * Threads: one at a time.
 */
#pragma once

#include "base/bytes.h"

#define CLEAN_MAP_ENTRY_BYTES 16u
#define CLEAN_MAP_SPAN_MAX    ((INT64_C(1) << 40) - 2) /* of offsets, from the base on */

struct clean_map_entry;

struct clean_map {
    struct clean_map_entry *entries; /* owned */
    uint64_t slot_count;             /* that hashes point to */
    uint64_t entry_end;              /* and some more, for those that come after the last of them */
    uint64_t count;
    uint64_t count_max;
    int64_t base_offset;
    uint64_t seed;
};

/* bytes_max: of all its memory. load_factor: how full it may become (taken to be from 0.05 to 0.95). keys_max: no more
 * will come; a map for fewer keys than bytes_max allows is smaller. One that can hold none at all still holds a few. */
void clean_map_init(struct clean_map *map, size_t bytes_max, double load_factor, uint64_t keys_max,
                    int64_t base_offset, uint64_t seed);
void clean_map_deinit(struct clean_map *map); /* zeroed or released: fine */

/* The key's hash, for what follows; memory is told that it will be asked for. Whoever has many keys at hand foresees some of
 * them before the first is put or got: a place in the map is hardly ever in a cache, and one waits for all of them at once. */
struct wide_hash clean_map_foresee(const struct clean_map *map, struct bytes key);

/* Notes the offset for the key, which is not below one noted before. False when there is no room for another key, or the offset
 * is too far from the base: nothing has changed, and what comes from there on is for the next cleaning. */
bool clean_map_put(struct clean_map *map, struct wide_hash hash, int64_t offset);
/* -1: the key is not in it. */
int64_t clean_map_get(const struct clean_map *map, struct wide_hash hash);
