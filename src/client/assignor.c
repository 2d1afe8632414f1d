/* See assignor.h. */
#include "client/assignor.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[] = { "range", "roundrobin" };
static const char *const classes[] = { "org.apache.kafka.clients.consumer.RangeAssignor",
                                       "org.apache.kafka.clients.consumer.RoundRobinAssignor" };

const char *assignor_name(enum assignor assignor)
{
    return names[assignor];
}

bool assignor_from_text(struct bytes text, enum assignor *out)
{
    const struct bytes prefix = BYTES_LITERAL("class "); /* the setting's default is printed so */
    if (bytes_starts_with(text, prefix))
        text = bytes_slice(text, prefix.size, text.size);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (bytes_equal_text(text, names[i]) || bytes_equal_text(text, classes[i])) {
            *out = (enum assignor)i;
            return true;
        }
    }
    return false;
}

/* Members with an instance id come first, in its order: they stay where they are over restarts. */
static int compare_members(const void *a, const void *b)
{
    const struct assignor_member *x = a;
    const struct assignor_member *y = b;
    const bool x_static = !bytes_is_null(x->instance_id);
    const bool y_static = !bytes_is_null(y->instance_id);
    if (x_static != y_static)
        return x_static ? -1 : 1;
    return x_static ? bytes_compare(x->instance_id, y->instance_id) : bytes_compare(x->id, y->id);
}

static int compare_topics(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static bool has_topic(const struct assignor_member *member, struct bytes topic)
{
    for (size_t i = 0; i < member->topic_count; i++) {
        if (bytes_equal(member->topics[i], topic))
            return true;
    }
    return false;
}

/* Every topic that somebody wants, once, in order. */
static struct bytes *all_topics(const struct assignor_member *members, size_t count,
                                struct arena *arena, size_t *out_count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += members[i].topic_count;
    struct bytes *all = ARENA_NEW_ARRAY(arena, struct bytes, total);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < members[i].topic_count; k++)
            all[used++] = members[i].topics[k];
    }
    if (used > 0)
        qsort(all, used, sizeof(*all), compare_topics);
    size_t kept = 0;
    for (size_t i = 0; i < used; i++) {
        if (kept == 0 || !bytes_equal(all[kept - 1], all[i]))
            all[kept++] = all[i];
    }
    *out_count = kept;
    return all;
}

static void give(struct assignor_member *member, struct bytes topic, int32_t partition,
                 int32_t count_max, struct arena *arena)
{
    struct assignor_share *share =
        member->share_count == 0 ? NULL : &member->shares[member->share_count - 1];
    if (share == NULL || !bytes_equal(share->topic, topic)) {
        share = &member->shares[member->share_count++];
        share->topic = topic;
        share->partitions = ARENA_NEW_ARRAY(arena, int32_t, (size_t)count_max);
    }
    share->partitions[share->count++] = partition;
}

/* The first members get one more where it does not divide. */
static void range(struct bytes topic, int32_t partitions, struct assignor_member *members,
                  size_t count, struct arena *arena)
{
    int32_t wanting = 0;
    for (size_t i = 0; i < count; i++)
        wanting += has_topic(&members[i], topic);
    if (wanting == 0)
        return;
    const int32_t each = partitions / wanting;
    int32_t more = partitions % wanting;
    int32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        if (!has_topic(&members[i], topic))
            continue;
        const int32_t end = next + each + (more > 0);
        more -= more > 0;
        for (; next < end; next++)
            give(&members[i], topic, next, each + 1, arena);
    }
}

static void round_robin(struct bytes topic, int32_t partitions, struct assignor_member *members,
                        size_t count, size_t *turn, struct arena *arena)
{
    bool is_wanted = false;
    for (size_t i = 0; i < count; i++)
        is_wanted = is_wanted || has_topic(&members[i], topic);
    for (int32_t p = 0; is_wanted && p < partitions; p++) {
        while (!has_topic(&members[*turn % count], topic))
            (*turn)++;
        give(&members[(*turn)++ % count], topic, p, partitions, arena);
    }
}

void assignor_assign(enum assignor assignor, const struct assignor_topics *topics,
                     struct assignor_member *members, size_t count, struct arena *arena)
{
    size_t topic_count;
    size_t turn = 0;
    if (count == 0)
        return;
    qsort(members, count, sizeof(*members), compare_members);
    const struct bytes *all = all_topics(members, count, arena, &topic_count);
    for (size_t i = 0; i < count; i++) {
        members[i].shares = ARENA_NEW_ARRAY(arena, struct assignor_share, topic_count);
        members[i].share_count = 0;
    }
    for (size_t t = 0; t < topic_count; t++) {
        const int32_t partitions = topics->partition_count(topics->context, all[t]);
        if (assignor == ASSIGNOR_RANGE)
            range(all[t], partitions, members, count, arena);
        else
            round_robin(all[t], partitions, members, count, &turn, arena);
    }
}
