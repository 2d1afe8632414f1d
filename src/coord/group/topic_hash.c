/* See topic_hash.h. */
#include "coord/group/topic_hash.h"

#include "base/buf.h"
#include "base/mem.h"
#include "coord/java_string.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void topic_hashes_init(struct topic_hashes *hashes, uint64_t hash_seed)
{
    map_init(&hashes->by_name, hash_seed);
}

void topic_hashes_deinit(struct topic_hashes *hashes)
{
    for (struct map_walk w = { 0 }; map_next(&hashes->by_name, &w);)
        mem_free(w.value);
    map_deinit(&hashes->by_name);
}

void topic_hashes_forget(struct topic_hashes *hashes, struct bytes name)
{
    mem_free(map_remove(&hashes->by_name, name));
}

/* ---- what is hashed ------------------------------------------------------------------------------- */

static void put_i32(struct buf *out, int32_t value)
{
    for (int shift = 0; shift < 32; shift += 8)
        buf_put_u8(out, (uint8_t)((uint32_t)value >> shift));
}

static void put_i64(struct buf *out, int64_t value)
{
    for (int shift = 0; shift < 64; shift += 8)
        buf_put_u8(out, (uint8_t)((uint64_t)value >> shift));
}

/* Half of an id, whose bytes stand in the order of the wire. */
static void put_half(struct buf *out, const uint8_t bytes[8])
{
    for (int i = 7; i >= 0; i--)
        buf_put_u8(out, bytes[i]);
}

static void put_text(struct buf *out, struct bytes text)
{
    java_string_put_units(text, out);
    put_i32(out, (int32_t)java_string_length(text));
}

/* Of brokers that have one; the same as often as it comes. */
static void put_racks(struct buf *out, const struct metadata_image *image,
                      const struct metadata_partition *partition)
{
    struct bytes *racks = MEM_NEW_ARRAY(struct bytes, (size_t)partition->replica_count + 1);
    const int32_t *replicas = metadata_partition_replicas(partition);
    size_t count = 0;
    for (uint16_t i = 0; i < partition->replica_count; i++) {
        const struct metadata_broker *broker = metadata_broker_get(image, replicas[i]);
        if (broker != NULL && !bytes_is_null(broker->rack))
            racks[count++] = broker->rack;
    }
    qsort(racks, count, sizeof(*racks), bytes_compare_items);
    for (size_t i = 0; i < count; i++) {
        put_i32(out, (int32_t)java_string_length(racks[i]));
        put_text(out, racks[i]);
    }
    mem_free(racks);
}

/* ---- hashes ------------------------------------------------------------------------------------------- */

static int64_t hash_of(const struct buf *bytes)
{
    return (int64_t)XXH3_64bits(bytes->data, bytes->size);
}

int64_t topic_hash(const struct metadata_image *image, const struct metadata_topic *topic)
{
    const uint32_t count = metadata_topic_partition_count(topic);
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX / 2);
    buf_put_u8(&bytes, 0); /* which computation this is */
    put_half(&bytes, &topic->id.bytes[0]);
    put_half(&bytes, &topic->id.bytes[8]);
    put_text(&bytes, topic->name);
    put_i32(&bytes, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        const struct metadata_partition *partition = metadata_topic_partition(topic, (int32_t)i);
        put_i32(&bytes, (int32_t)i);
        if (partition != NULL)
            put_racks(&bytes, image, partition);
    }
    const int64_t hash = hash_of(&bytes);
    buf_deinit(&bytes);
    return hash;
}

static int64_t known_hash(struct topic_hashes *hashes, const struct metadata_image *image,
                          const struct metadata_topic *topic)
{
    int64_t *hash = map_get(&hashes->by_name, topic->name);
    if (hash == NULL) {
        hash = MEM_NEW(int64_t);
        *hash = topic_hash(image, topic);
        (void)map_put(&hashes->by_name, topic->name, hash); /* it was not there */
    }
    return *hash;
}

int64_t topic_hashes_of_group(struct topic_hashes *hashes, const struct metadata_image *image,
                              const struct bytes *names, size_t count)
{
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX / 2);
    for (size_t i = 0; image != NULL && i < count; i++) {
        const struct metadata_topic *topic = metadata_topic_by_name(image, names[i]);
        if (topic != NULL)
            put_i64(&bytes, known_hash(hashes, image, topic));
    }
    const int64_t hash = bytes.size == 0 ? 0 : hash_of(&bytes);
    buf_deinit(&bytes);
    return hash;
}
