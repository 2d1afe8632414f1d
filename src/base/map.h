/* Hash maps from bytes, or from 64-bit integers, to pointers.
 *
 * Open addressing; walks go in order of insertion (removed entries leave gaps that a rebuild
 * closes), so nothing about a walk depends on the hash or on addresses. Keys of a struct map are
 * copied into the map; values are borrowed: the map never frees them. A null key is the empty key.
 * Adding while walking is a bug; removing the current entry is fine.
 */
#pragma once

#include "base/bytes.h"

struct map_entry;

struct map {
    struct map_entry *entries; /* in order of insertion */
    uint32_t *slots;           /* index + 1 into entries; 0 free */
    uint32_t slot_count;       /* power of two, or 0 */
    uint32_t entry_begin;      /* no entry before it */
    uint32_t entry_end;        /* entries used, gaps included */
    uint32_t entry_capacity;
    uint32_t count;
    uint64_t seed;
};

/* The seed keys the hash: random on a real node, drawn from the run's seed in the simulator. */
void map_init(struct map *map, uint64_t seed);
void map_deinit(struct map *map);
void map_clear(struct map *map);
uint32_t map_count(const struct map *map);

void *map_get(const struct map *map, struct bytes key); /* NULL if absent */
void *map_put(struct map *map, struct bytes key,
              void *value); /* answers the old value or NULL; value != NULL */
void *map_remove(struct map *map, struct bytes key); /* answers the old value or NULL */

/* for (struct map_walk w = { 0 }; map_next(map, &w);) use(w.key, w.value); */
struct map_walk {
    uint32_t index;   /* of the next entry */
    struct bytes key; /* borrowed until the map changes */
    void *value;
};
bool map_next(const struct map *map, struct map_walk *walk);

/* A map that counts: its values are numbers, of which none is 0. */
uintptr_t map_tally(const struct map *map, struct bytes key);
void map_tally_add(struct map *map, struct bytes key);  /* one more */
void map_tally_drop(struct map *map, struct bytes key); /* one less than some */

/* The same with integer keys. */
struct map_i64 {
    struct map map;
};
void map_i64_init(struct map_i64 *map, uint64_t seed);
void map_i64_deinit(struct map_i64 *map);
void map_i64_clear(struct map_i64 *map);
uint32_t map_i64_count(const struct map_i64 *map);
void *map_i64_get(const struct map_i64 *map, int64_t key);
void *map_i64_put(struct map_i64 *map, int64_t key, void *value);
void *map_i64_remove(struct map_i64 *map, int64_t key);
struct map_i64_walk {
    struct map_walk walk;
    int64_t key;
    void *value;
};
bool map_i64_next(const struct map_i64 *map, struct map_i64_walk *walk);
