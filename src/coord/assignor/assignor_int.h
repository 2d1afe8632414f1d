/* What the assignors have in common: a map of who owns which partition, all partitions of a group in one row.
 *
 *   topic    0            1        2
 *   owners   5 5 7 7 7 .  5 7 5 7  7 7      a member's index, or ASSIGNOR__NOBODY
 *            ^            ^        ^    ^   topic_first, one more at the end
 */
#pragma once

#include "coord/assignor/assignor.h"

#define ASSIGNOR__NOBODY UINT32_MAX

struct assignor__map {
    const struct assignor_group *group;
    uint32_t *topic_first; /* index of a topic's first partition */
    uint32_t *owners;
    uint32_t partition_count; /* of all topics */
};

/* They fill map->owners; everything they take is the arena's. -ERR_LIMIT as in assignor.h. */
MUST_CHECK int assignor__range(struct assignor__map *map, struct arena *arena);
MUST_CHECK int assignor__uniform(struct assignor__map *map, struct arena *arena);

/* Topics that the same members subscribe to: among these their partitions may be handed about at will. */
struct assignor__pool {
    uint32_t *topics; /* ascending */
    uint32_t topic_count;
    uint32_t *members; /* ascending */
    uint32_t member_count;
    uint32_t partition_count; /* of its topics */
};

/* Every topic is in one pool. Those come first whose topics are hardest to share out: most partitions for a member, then fewest
 * members, then lowest topic. */
MUST_CHECK int assignor__pools(const struct assignor_group *group, struct arena *arena,
                               struct assignor__pool **out, uint32_t *out_count);
