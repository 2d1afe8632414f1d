/* See embedded.h. */
#include "embedded.h"

#include "base/be.h"
#include "commits.h"
#include "model.h"
#include "wire/messages/consumer_protocol_assignment.h"
#include "wire/messages/consumer_protocol_subscription.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define ARENA_BYTES_MAX    ((size_t)64 << 10)
#define ASSIGNMENT_VERSION 1

uint32_t embedded_existing(const struct scene *scene)
{
    uint32_t keys = 0;
    for (uint32_t k = 0; k < commits_key_count(scene->commits); k++) {
        if (model_has_topic(scene->model, commits_key(scene->commits, k).topic))
            keys |= 1u << k;
    }
    return keys;
}

static void write_message(const struct wire_message *message, int16_t version, const void *in,
                          struct buf *out)
{
    buf_put_i16(out, version);
    struct writer w = writer_to(out);
    const int r = wire_encode(message, version, in, &w, NULL);
    ASSERT(r == 0);
}

static void read_message(const struct wire_message *message, struct bytes bytes,
                         struct arena *arena, void *out)
{
    struct reader r = reader_from(bytes);
    const int16_t version = read_i16(&r);
    if (version < 0 || version > message->version_max ||
        wire_decode(message, version, &r, arena, out, NULL) < 0)
        model_fail("a member of a classic group is told %zu bytes, which are no %s", bytes.size,
                   message->name);
}

static uint32_t read_keys(const struct scene *scene, struct bytes topic, const int32_t *partitions,
                          int32_t count)
{
    uint32_t keys = 0;
    for (int32_t i = 0; i < count; i++) {
        const int key = commits_find_key(scene->commits, topic, partitions[i]);
        if (key < 0 || (keys & (1u << key)) != 0)
            model_fail("a member of a classic group is told of %.*s-%d, which is no partition, or "
                       "twice",
                       BYTES_PRINTF(topic), partitions[i]);
        keys |= 1u << key;
    }
    return keys;
}

/* ---- subscriptions ------------------------------------------------------------------------------ */

void embedded_write_subscription(const struct scene *scene, int16_t version,
                                 const struct embedded_subscription *told, struct buf *out)
{
    struct bytes topics[COMMITS_KEYS_MAX];
    struct consumer_protocol_subscription_topic_partition owned[COMMITS_KEYS_MAX];
    int32_t partitions[COMMITS_KEYS_MAX];
    struct consumer_protocol_subscription subscription = consumer_protocol_subscription_default;
    subscription.topics = topics;
    /* Where cooperative-sticky tells the generation of the last share, too; version 1 has no other place for it. */
    uint8_t back_in[sizeof(int32_t)];
    be_store_u32(back_in, (uint32_t)told->back_in);
    subscription.user_data = told->back_in == 0 ? BYTES_NULL : bytes_from(back_in, sizeof(back_in));
    subscription.owned_partitions = owned;
    subscription.generation_id = told->generation;
    subscription.rack_id = BYTES_NULL;
    for (uint32_t k = 0; k < commits_key_count(scene->commits); k++) {
        const struct commits_key key = commits_key(scene->commits, k);
        partitions[k] = key.partition;
        if ((told->wants & (1u << k)) != 0 && key.partition == 0)
            topics[subscription.topics_count++] = bytes_from_text(key.topic);
        if ((told->owned & (1u << k)) != 0)
            owned[subscription.owned_partitions_count++] =
                (struct consumer_protocol_subscription_topic_partition){
                    .topic = bytes_from_text(key.topic),
                    .partitions = &partitions[k],
                    .partitions_count = 1
                };
    }
    write_message(&consumer_protocol_subscription_message, version, &subscription, out);
}

struct embedded_subscription embedded_read_subscription(const struct scene *scene,
                                                        struct bytes metadata)
{
    struct arena arena;
    struct consumer_protocol_subscription told;
    arena_init(&arena, ARENA_BYTES_MAX);
    read_message(&consumer_protocol_subscription_message, metadata, &arena, &told);
    struct embedded_subscription out = { .generation = told.generation_id };
    for (int32_t i = 0; i < told.topics_count; i++) {
        for (uint32_t k = 0; k < commits_key_count(scene->commits); k++) {
            if (bytes_equal_text(told.topics[i], commits_key(scene->commits, k).topic))
                out.wants |= 1u << k;
        }
    }
    for (int32_t i = 0; i < told.owned_partitions_count; i++)
        out.owned |=
            read_keys(scene, told.owned_partitions[i].topic, told.owned_partitions[i].partitions,
                      told.owned_partitions[i].partitions_count);
    arena_deinit(&arena);
    return out;
}

/* ---- assignments -------------------------------------------------------------------------------- */

void embedded_write_assignment(const struct scene *scene, uint32_t keys, struct buf *out)
{
    struct consumer_protocol_assignment_topic_partition topics[COMMITS_KEYS_MAX];
    int32_t partitions[COMMITS_KEYS_MAX];
    struct consumer_protocol_assignment assignment = consumer_protocol_assignment_default;
    assignment.assigned_partitions = topics;
    assignment.user_data = BYTES_NULL;
    for (uint32_t k = 0; k < commits_key_count(scene->commits); k++) {
        const struct commits_key key = commits_key(scene->commits, k);
        partitions[k] = key.partition;
        if ((keys & (1u << k)) != 0)
            topics[assignment.assigned_partitions_count++] =
                (struct consumer_protocol_assignment_topic_partition){ .topic = bytes_from_text(
                                                                           key.topic),
                                                                       .partitions = &partitions[k],
                                                                       .partitions_count = 1 };
    }
    write_message(&consumer_protocol_assignment_message, ASSIGNMENT_VERSION, &assignment, out);
}

uint32_t embedded_read_assignment(const struct scene *scene, struct bytes assignment)
{
    if (assignment.size == 0)
        return 0;
    struct arena arena;
    struct consumer_protocol_assignment told;
    uint32_t keys = 0;
    arena_init(&arena, ARENA_BYTES_MAX);
    read_message(&consumer_protocol_assignment_message, assignment, &arena, &told);
    for (int32_t i = 0; i < told.assigned_partitions_count; i++)
        keys |= read_keys(scene, told.assigned_partitions[i].topic,
                          told.assigned_partitions[i].partitions,
                          told.assigned_partitions[i].partitions_count);
    arena_deinit(&arena);
    return keys;
}
