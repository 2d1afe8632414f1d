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

/* A topic, and one who wants it. */
struct want {
    struct bytes topic;
    size_t member; /* in the order of members */
};

static int compare_wants(const void *a, const void *b)
{
    const struct want *x = a;
    const struct want *y = b;
    const int by_topic = bytes_compare(x->topic, y->topic);
    return by_topic != 0 ? by_topic : (x->member > y->member) - (x->member < y->member);
}

/* Who wants what, each once, by topic and then by member; counts in share_count how many topics each wants. */
static struct want *list_wants(struct assignor_member *members, size_t count, struct arena *arena,
                               size_t *out_count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += members[i].topic_count;
    struct want *wants = ARENA_NEW_ARRAY(arena, struct want, total);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        members[i].share_count = 0;
        for (size_t k = 0; k < members[i].topic_count; k++)
            wants[used++] = (struct want){ .topic = members[i].topics[k], .member = i };
    }
    if (used > 0)
        qsort(wants, used, sizeof(*wants), compare_wants);
    size_t kept = 0;
    for (size_t i = 0; i < used; i++) {
        if (kept > 0 && compare_wants(&wants[kept - 1], &wants[i]) == 0)
            continue;
        members[wants[i].member].share_count++;
        wants[kept++] = wants[i];
    }
    *out_count = kept;
    return wants;
}

/* At most count_max of a topic to one member. */
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

/* One topic, wanted by `count` members. The first of them get one more where it does not divide. */
static void range(const struct want *wants, size_t count, int32_t partitions,
                  struct assignor_member *members, struct arena *arena)
{
    const int32_t each = (int32_t)((size_t)partitions / count);
    const size_t more = (size_t)partitions % count;
    int32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        const int32_t end = next + each + (i < more);
        for (; next < end; next++)
            give(&members[wants[i].member], wants[i].topic, next, each + 1, arena);
    }
}

/* *turn: the member whose turn it is; who does not want the topic is passed over. */
static void round_robin(const struct want *wants, size_t count, int32_t partitions,
                        struct assignor_member *members, size_t *turn, struct arena *arena)
{
    const int32_t each_max = (int32_t)((size_t)partitions / count) + 1;
    size_t at = 0;
    while (at < count && wants[at].member < *turn)
        at++;
    for (int32_t p = 0; p < partitions; p++) {
        at %= count;
        give(&members[wants[at].member], wants[at].topic, p, each_max, arena);
        *turn = wants[at++].member + 1;
    }
}

void assignor_assign(enum assignor assignor, const struct assignor_topics *topics,
                     struct assignor_member *members, size_t count, struct arena *arena)
{
    if (count == 0)
        return;
    qsort(members, count, sizeof(*members), compare_members);
    size_t want_count;
    const struct want *wants = list_wants(members, count, arena, &want_count);
    for (size_t i = 0; i < count; i++) {
        members[i].shares = ARENA_NEW_ARRAY(arena, struct assignor_share, members[i].share_count);
        members[i].share_count = 0;
    }
    size_t turn = 0;
    for (size_t from = 0, to; from < want_count; from = to) {
        for (to = from + 1; to < want_count && bytes_equal(wants[to].topic, wants[from].topic);)
            to++;
        const int32_t partitions = topics->partition_count(topics->context, wants[from].topic);
        if (assignor == ASSIGNOR_RANGE)
            range(wants + from, to - from, partitions, members, arena);
        else
            round_robin(wants + from, to - from, partitions, members, &turn, arena);
    }
}
