/* The records of groups of other protocols (share KIP-932, streams KIP-1071): which keys are alive.
 *
 * Enough to leave such a group in peace, to tell whether it has members, and to delete it. The coordinator of those
 * protocols will replace this.
 */
#pragma once

#include "base/map.h"
#include "coord/group/group.h"

struct foreign {
    struct map keys;       /* whole keys, as in the log */
    uint32_t member_count; /* of them those that stand for members */
};

/* The kind of group whose record type this is; false: none of these (classic, or unknown). */
bool foreign_kind(int16_t record_type, enum group_kind *out);

void foreign_free(struct foreign *foreign);                   /* NULL is fine */
uint32_t foreign_member_count(const struct foreign *foreign); /* NULL: 0 */
/* Notes that a key is alive or not; answers whether it was. The group's `foreign` comes and goes with its keys. */
bool foreign_set(struct group *group, struct bytes key, bool is_alive, uint64_t hash_seed);
/* Whether the group has this member (a key of its member records). */
bool foreign_has_member(const struct group *group, struct bytes member_id);
