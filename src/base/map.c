/* Entries lie in an array in order of insertion; slots hold their places, found by hash.
 *
 *     slots    [ 0 ][ 2 ][ 0 ][ 3 ][ 1 ][ 0 ][ 0 ][ 0 ]      index + 1, linear probing, at most 3/4 full
 *     entries  [ a ][ b ][ c ]                               a removed one stays as a gap (value NULL)
 *
 * Removal moves later slots of the same run back, so that slots need no tombstones. Gaps are closed when
 * the entries are full: in place if a quarter of them are gaps, else into an array of twice the size. Those at either end are
 * not walked over: who always removes the oldest finds the next one at once.
 */
#include "base/map.h"

#include "base/be.h"
#include "base/mem.h"

#include <string.h>

#define ENTRIES_FIRST    ((uint32_t)6)
#define KEY_BYTES_WITHIN 16 /* keys up to an id's size need no memory of their own */

struct map_entry {
    void *value; /* NULL: a gap */
    uint32_t hash;
    uint32_t key_size;
    union {
        uint8_t within[KEY_BYTES_WITHIN];
        uint8_t *heap; /* owned */
    } key;
};

void map_init(struct map *map, uint64_t seed)
{
    *map = (struct map){ .seed = seed };
}

static struct bytes entry_key(const struct map_entry *entry)
{
    const uint8_t *data = entry->key_size <= KEY_BYTES_WITHIN ? entry->key.within : entry->key.heap;
    return bytes_from(data, entry->key_size);
}

static void entry_clear(struct map_entry *entry)
{
    if (entry->value != NULL && entry->key_size > KEY_BYTES_WITHIN)
        mem_free(entry->key.heap);
    *entry = (struct map_entry){ 0 };
}

void map_clear(struct map *map)
{
    for (uint32_t i = 0; i < map->entry_end; i++)
        entry_clear(&map->entries[i]);
    if (map->slot_count > 0)
        memset(map->slots, 0, map->slot_count * sizeof(*map->slots));
    map->entry_begin = map->entry_end = 0;
    map->count = 0;
}

void map_deinit(struct map *map)
{
    map_clear(map);
    mem_free(map->entries);
    mem_free(map->slots);
    map_init(map, map->seed);
}

uint32_t map_count(const struct map *map)
{
    return map->count;
}

static uint32_t hash_of(const struct map *map, struct bytes key)
{
    const uint64_t hash = bytes_hash(key, map->seed);
    return (uint32_t)(hash ^ (hash >> 32));
}

/* The slot that names the key, or the free slot where it would go. Needs a free slot. */
static uint32_t slot_find(const struct map *map, struct bytes key, uint32_t hash)
{
    const uint32_t mask = map->slot_count - 1;
    for (uint32_t slot = hash & mask;; slot = (slot + 1) & mask) {
        if (map->slots[slot] == 0)
            return slot;
        const struct map_entry *entry = &map->entries[map->slots[slot] - 1];
        if (entry->hash == hash && entry->key_size == key.size &&
            (key.size == 0 || memcmp(entry_key(entry).data, key.data, key.size) == 0))
            return slot;
    }
}

void *map_get(const struct map *map, struct bytes key)
{
    if (map->count == 0)
        return NULL;
    const uint32_t place = map->slots[slot_find(map, key, hash_of(map, key))];
    return place == 0 ? NULL : map->entries[place - 1].value;
}

static void entries_compact(struct map *map)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < map->entry_end; i++) {
        if (map->entries[i].value != NULL)
            map->entries[end++] = map->entries[i];
    }
    map->entry_begin = 0;
    map->entry_end = end;
}

static void slots_rebuild(struct map *map)
{
    memset(map->slots, 0, map->slot_count * sizeof(*map->slots));
    const uint32_t mask = map->slot_count - 1;
    for (uint32_t i = 0; i < map->entry_end; i++) {
        uint32_t slot = map->entries[i].hash & mask;
        while (map->slots[slot] != 0)
            slot = (slot + 1) & mask;
        map->slots[slot] = i + 1;
    }
}

/* Makes room for one more entry. Places change: not during a walk. */
static void make_room(struct map *map)
{
    if (map->entry_end < map->entry_capacity)
        return;
    const uint32_t gap_count = map->entry_end - map->count;
    entries_compact(map);
    if (map->entry_capacity == 0 || gap_count < map->entry_capacity / 4) {
        ASSERT(map->entry_capacity <= UINT32_MAX / 4);
        map->entry_capacity = map->entry_capacity == 0 ? ENTRIES_FIRST : map->entry_capacity * 2;
        map->entries = mem_reallocarray(map->entries, map->entry_capacity, sizeof(*map->entries));
        map->slot_count = map->entry_capacity / 3 * 4; /* 8, 16, 32, … */
        map->slots = mem_reallocarray(map->slots, map->slot_count, sizeof(*map->slots));
    }
    slots_rebuild(map);
}

void *map_put(struct map *map, struct bytes key, void *value)
{
    ASSERT(value != NULL);
    ASSERT(key.size <= UINT32_MAX);
    const uint32_t hash = hash_of(map, key);
    if (map->count > 0) {
        const uint32_t place = map->slots[slot_find(map, key, hash)];
        if (place != 0) {
            struct map_entry *entry = &map->entries[place - 1];
            void *old = entry->value;
            entry->value = value;
            return old;
        }
    }
    make_room(map);
    map->slots[slot_find(map, key, hash)] = map->entry_end + 1;
    struct map_entry *entry = &map->entries[map->entry_end++];
    *entry = (struct map_entry){ .value = value, .hash = hash, .key_size = (uint32_t)key.size };
    if (key.size > KEY_BYTES_WITHIN)
        entry->key.heap = mem_dup(key.data, key.size);
    else if (key.size > 0)
        memcpy(entry->key.within, key.data, key.size);
    map->count++;
    return NULL;
}

/* Frees a slot and closes the run behind it: an entry moves back unless its own hash lies after the hole. */
static void slot_free(struct map *map, uint32_t hole)
{
    const uint32_t mask = map->slot_count - 1;
    for (uint32_t slot = (hole + 1) & mask; map->slots[slot] != 0; slot = (slot + 1) & mask) {
        const uint32_t home = map->entries[map->slots[slot] - 1].hash & mask;
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            map->slots[hole] = map->slots[slot];
            hole = slot;
        }
    }
    map->slots[hole] = 0;
}

void *map_remove(struct map *map, struct bytes key)
{
    if (map->count == 0)
        return NULL;
    const uint32_t slot = slot_find(map, key, hash_of(map, key));
    if (map->slots[slot] == 0)
        return NULL;
    struct map_entry *entry = &map->entries[map->slots[slot] - 1];
    void *old = entry->value;
    slot_free(map, slot);
    entry_clear(entry);
    map->count--;
    if (map->count == 0)
        map->entry_begin = map->entry_end = 0;
    while (map->entry_end > 0 && map->entries[map->entry_end - 1].value == NULL)
        map->entry_end--;
    while (map->entry_begin < map->entry_end && map->entries[map->entry_begin].value == NULL)
        map->entry_begin++;
    return old;
}

bool map_next(const struct map *map, struct map_walk *walk)
{
    for (walk->index = MAX(walk->index, map->entry_begin); walk->index < map->entry_end;
         walk->index++) {
        const struct map_entry *entry = &map->entries[walk->index];
        if (entry->value == NULL)
            continue;
        walk->key = entry_key(entry);
        walk->value = entry->value;
        walk->index++;
        return true;
    }
    return false;
}

uintptr_t map_tally(const struct map *map, struct bytes key)
{
    return (uintptr_t)map_get(map, key);
}

void map_tally_add(struct map *map, struct bytes key)
{
    (void)map_put(map, key, (void *)(map_tally(map, key) + 1));
}

void map_tally_drop(struct map *map, struct bytes key)
{
    const uintptr_t count = map_tally(map, key);
    ASSERT(count > 0);
    if (count == 1)
        (void)map_remove(map, key);
    else
        (void)map_put(map, key, (void *)(count - 1));
}

struct i64_key {
    uint8_t bytes[8];
};

static struct i64_key i64_key_from(int64_t key)
{
    struct i64_key out;
    be_store_u64(out.bytes, (uint64_t)key);
    return out;
}

void map_i64_init(struct map_i64 *map, uint64_t seed)
{
    map_init(&map->map, seed);
}

void map_i64_deinit(struct map_i64 *map)
{
    map_deinit(&map->map);
}

void map_i64_clear(struct map_i64 *map)
{
    map_clear(&map->map);
}

uint32_t map_i64_count(const struct map_i64 *map)
{
    return map_count(&map->map);
}

void *map_i64_get(const struct map_i64 *map, int64_t key)
{
    const struct i64_key k = i64_key_from(key);
    return map_get(&map->map, bytes_from(k.bytes, sizeof(k.bytes)));
}

void *map_i64_put(struct map_i64 *map, int64_t key, void *value)
{
    const struct i64_key k = i64_key_from(key);
    return map_put(&map->map, bytes_from(k.bytes, sizeof(k.bytes)), value);
}

void *map_i64_remove(struct map_i64 *map, int64_t key)
{
    const struct i64_key k = i64_key_from(key);
    return map_remove(&map->map, bytes_from(k.bytes, sizeof(k.bytes)));
}

bool map_i64_next(const struct map_i64 *map, struct map_i64_walk *walk)
{
    if (!map_next(&map->map, &walk->walk))
        return false;
    walk->key = be_load_i64(walk->walk.key.data);
    walk->value = walk->walk.value;
    return true;
}
