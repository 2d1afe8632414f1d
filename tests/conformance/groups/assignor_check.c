/* This project's side of the comparison with Apache Kafka's assignors (see run and AssignorCheck.java).
 *
 *   assignor_check OUT SEED COUNT   COUNT random groups, and what our assignors make of them
 *
 * The file, big-endian; a text is size i32 (-1: null) and its bytes, a set is count i32, then topic i32, partition i32 of each:
 *   count i32, then per case
 *   assignor text, topics i32, per topic: id 16 bytes, partitions i32
 *   members i32, per member: id text, instance id text, subscribed topics i32, topic i32 …, set before, set after
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "coord/assignor/assignor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX    24
#define TOPICS_MAX     8
#define PARTITIONS_MAX 16
#define ID_SIZE        24
#define ARENA_MAX      ((size_t)1 << 20)
#define FILE_MAX       ((size_t)1 << 30)

struct world {
    struct assignor_group group;
    struct assignor_member members[MEMBERS_MAX];
    struct assignor_topic topics[TOPICS_MAX];
    char ids[MEMBERS_MAX][ID_SIZE];
    char instances[MEMBERS_MAX][ID_SIZE];
    uint32_t subscriptions[MEMBERS_MAX][TOPICS_MAX];
    struct assignor_partition owned[MEMBERS_MAX][TOPICS_MAX * PARTITIONS_MAX];
};

static int compare_topics(const void *a, const void *b)
{
    return uuid_compare(((const struct assignor_topic *)a)->id,
                        ((const struct assignor_topic *)b)->id);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Characters whose order by bytes is not that of Java's strings are among them. */
static void draw_id(struct rng *rng, char out[ID_SIZE], uint32_t number)
{
    static const char *const heads[] = {
        "m", "M", "\xef\xbf\xbd", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", ""
    };
    snprintf(out, ID_SIZE, "%s%08" PRIx32 "-%" PRIu32, heads[rng_below(rng, ARRAY_LEN(heads))],
             (uint32_t)rng_u64(rng), number);
}

static void draw_topics(struct world *w, struct rng *rng)
{
    w->group.topic_count = 1 + (uint32_t)rng_below(rng, TOPICS_MAX);
    const uint32_t partitions_max = 1 + (uint32_t)rng_below(rng, PARTITIONS_MAX);
    for (uint32_t i = 0; i < w->group.topic_count; i++) {
        rng_fill(rng, w->topics[i].id.bytes, sizeof(w->topics[i].id.bytes));
        w->topics[i].partition_count = 1 + (uint32_t)rng_below(rng, partitions_max);
    }
    qsort(w->topics, w->group.topic_count, sizeof(w->topics[0]), compare_topics);
}

static void draw_subscription(struct world *w, struct rng *rng, uint32_t member,
                              uint32_t missing_ppm)
{
    for (uint32_t i = 0; i < w->group.topic_count; i++) {
        if (!rng_chance(rng, missing_ppm))
            w->subscriptions[member][w->members[member].topic_count++] = i;
    }
    if (w->members[member].topic_count == 0) /* Kafka never asks about such a group */
        w->subscriptions[member][w->members[member].topic_count++] = 0;
}

static void draw_members(struct world *w, struct rng *rng)
{
    static const uint32_t missing_ppm[] = { 0, 0, 100000, 300000, 600000 };
    const uint32_t missing = missing_ppm[rng_below(rng, ARRAY_LEN(missing_ppm))];
    const uint32_t static_ppm = (uint32_t)rng_below(rng, 3) * 400000;
    w->group.member_count = 1 + (uint32_t)rng_below(rng, MEMBERS_MAX);
    for (uint32_t i = 0; i < w->group.member_count; i++)
        draw_id(rng, w->ids[i], i);
    qsort(w->ids, w->group.member_count, sizeof(w->ids[0]), compare_ids);
    for (uint32_t i = 0; i < w->group.member_count; i++) {
        struct assignor_member *member = &w->members[i];
        member->member_id = bytes_from_text(w->ids[i]);
        if (rng_chance(rng, static_ppm)) {
            draw_id(rng, w->instances[i], i);
            member->instance_id = bytes_from_text(w->instances[i]);
        }
        member->topics = w->subscriptions[i];
        member->owned = w->owned[i];
        draw_subscription(w, rng, i, missing);
    }
}

/* A target before: of some members, which the partitions favour unequally. */
static void draw_owned(struct world *w, struct rng *rng)
{
    const uint32_t owners = 1 + (uint32_t)rng_below(rng, w->group.member_count);
    const uint32_t free_ppm = (uint32_t)rng_below(rng, 4) * 300000;
    for (uint32_t i = 0; i < w->group.topic_count; i++) {
        for (uint32_t j = 0; j < w->topics[i].partition_count; j++) {
            if (rng_chance(rng, free_ppm))
                continue;
            const uint32_t member = (uint32_t)rng_below(rng, 1 + rng_below(rng, owners));
            w->owned[member][w->members[member].owned_count++] =
                (struct assignor_partition){ .topic = i, .partition = j };
        }
    }
}

static void put_text(struct buf *out, struct bytes text)
{
    buf_put_i32(out, bytes_is_null(text) ? -1 : (int32_t)text.size);
    buf_put_bytes(out, text);
}

static void put_set(struct buf *out, const struct assignor_partition *items, uint32_t count)
{
    buf_put_i32(out, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        buf_put_i32(out, (int32_t)items[i].topic);
        buf_put_i32(out, (int32_t)items[i].partition);
    }
}

static void put_case(struct buf *out, const struct world *w, enum assignor assignor,
                     const struct assignor_share *shares)
{
    put_text(out, bytes_from_text(group_assignor_name(assignor)));
    buf_put_i32(out, (int32_t)w->group.topic_count);
    for (uint32_t i = 0; i < w->group.topic_count; i++) {
        buf_put(out, w->topics[i].id.bytes, sizeof(w->topics[i].id.bytes));
        buf_put_i32(out, (int32_t)w->topics[i].partition_count);
    }
    buf_put_i32(out, (int32_t)w->group.member_count);
    for (uint32_t i = 0; i < w->group.member_count; i++) {
        const struct assignor_member *member = &w->members[i];
        put_text(out, member->member_id);
        put_text(out, member->instance_id);
        buf_put_i32(out, (int32_t)member->topic_count);
        for (uint32_t j = 0; j < member->topic_count; j++)
            buf_put_i32(out, (int32_t)member->topics[j]);
        put_set(out, member->owned, member->owned_count);
        put_set(out, shares[i].partitions, shares[i].partition_count);
    }
}

static int one_case(struct rng *rng, struct buf *out)
{
    struct world *w = MEM_NEW(struct world);
    w->group.members = w->members;
    w->group.topics = w->topics;
    draw_topics(w, rng);
    draw_members(w, rng);
    draw_owned(w, rng);
    const enum assignor assignor = rng_chance(rng, 250000) ? ASSIGNOR_RANGE : ASSIGNOR_UNIFORM;
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    const struct assignor_share *shares = NULL;
    const int r = group_assignor_assign(assignor, &w->group, &arena, &shares);
    if (r == 0)
        put_case(out, w, assignor, shares);
    arena_deinit(&arena);
    mem_free(w);
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: assignor_check OUT SEED COUNT\n");
        return 2;
    }
    struct rng rng = rng_from_seed(strtoull(argv[2], NULL, 10));
    const int32_t count = (int32_t)strtol(argv[3], NULL, 10);
    struct buf out;
    buf_init(&out, FILE_MAX);
    buf_put_i32(&out, count);
    int r = 0;
    for (int32_t i = 0; i < count && r == 0; i++)
        r = one_case(&rng, &out);
    FILE *file = fopen(argv[1], "wb");
    const bool is_written = r == 0 && buf_is_ok(&out) && file != NULL &&
                            fwrite(out.data, 1, out.size, file) == out.size;
    if (file == NULL || fclose(file) != 0 || !is_written) {
        fprintf(stderr, "assignor_check: %s was not written\n", argv[1]);
        return 1;
    }
    buf_deinit(&out);
    return 0;
}
