/* The range assignor: see assignor.h.
 *
 * A topic of 8 partitions and three subscribers: 0 1 2 | 3 4 5 | 6 7.
 */
#include "coord/assignor/assignor_int.h"
#include "coord/java_string.h"

#include <stdlib.h>

/* Static members first, by instance id, then the others by member id: a static member that comes back gets what it had. */
static int compare_members(const void *a, const void *b)
{
    const struct assignor_member *x = *(const struct assignor_member *const *)a;
    const struct assignor_member *y = *(const struct assignor_member *const *)b;
    const bool is_x_static = !bytes_is_null(x->instance_id);
    const bool is_y_static = !bytes_is_null(y->instance_id);
    if (is_x_static != is_y_static)
        return is_x_static ? -1 : 1;
    return is_x_static ? java_string_compare(x->instance_id, y->instance_id)
                       : java_string_compare(x->member_id, y->member_id);
}

struct progress {
    uint32_t subscriber_count;
    uint32_t subscribers_seen;
    uint32_t next; /* the first partition that nobody has yet */
};

static void give_range(struct assignor__map *map, struct progress *progress, uint32_t topic,
                       uint32_t member)
{
    const uint32_t count = map->group->topics[topic].partition_count;
    const uint32_t extra = progress->subscribers_seen < count % progress->subscriber_count ? 1 : 0;
    const uint32_t end = progress->next + count / progress->subscriber_count + extra;
    for (uint32_t i = progress->next; i < end; i++)
        map->owners[map->topic_first[topic] + i] = member;
    progress->next = end;
    progress->subscribers_seen++;
}

int assignor__range(struct assignor__map *map, struct arena *arena)
{
    const struct assignor_group *group = map->group;
    struct progress *progress = arena_zalloc(arena, group->topic_count, sizeof(*progress));
    const struct assignor_member **order =
        arena_alloc(arena, (size_t)group->member_count * sizeof(const struct assignor_member *));
    if (progress == NULL || order == NULL)
        return -ERR_LIMIT;
    for (uint32_t i = 0; i < group->member_count; i++) {
        order[i] = &group->members[i];
        for (uint32_t j = 0; j < order[i]->topic_count; j++)
            progress[order[i]->topics[j]].subscriber_count++;
    }
    qsort(order, group->member_count, sizeof(*order), compare_members);
    for (uint32_t i = 0; i < group->member_count; i++) {
        for (uint32_t j = 0; j < order[i]->topic_count; j++) {
            const uint32_t topic = order[i]->topics[j];
            give_range(map, &progress[topic], topic, (uint32_t)(order[i] - group->members));
        }
    }
    return 0;
}
