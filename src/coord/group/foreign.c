/* See foreign.h. */
#include "coord/group/foreign.h"

#include "base/be.h"
#include "base/mem.h"

#include <string.h>

/* type, kind, whether each of its keys stands for a member */
static const struct {
    int16_t type;
    uint8_t kind;
    bool is_member;
} record_types[] = {
    { 10, GROUP_SHARE, true },    /* ShareGroupMemberMetadata */
    { 11, GROUP_SHARE, false },   /* ShareGroupMetadata */
    { 12, GROUP_SHARE, false },   /* ShareGroupTargetAssignmentMetadata */
    { 13, GROUP_SHARE, false },   /* ShareGroupTargetAssignmentMember */
    { 14, GROUP_SHARE, false },   /* ShareGroupCurrentMemberAssignment */
    { 15, GROUP_SHARE, false },   /* ShareGroupStatePartitionMetadata */
    { 17, GROUP_STREAMS, false }, /* StreamsGroupMetadata */
    { 19, GROUP_STREAMS, true },  /* StreamsGroupMemberMetadata */
    { 20, GROUP_STREAMS, false }, /* StreamsGroupTargetAssignmentMetadata */
    { 21, GROUP_STREAMS, false }, /* StreamsGroupTargetAssignmentMember */
    { 22, GROUP_STREAMS, false }, /* StreamsGroupCurrentMemberAssignment */
    { 23, GROUP_STREAMS, false }, /* StreamsGroupTopology */
};

bool foreign_kind(int16_t record_type, enum group_kind *out)
{
    for (size_t i = 0; i < ARRAY_LEN(record_types); i++) {
        if (record_types[i].type == record_type) {
            *out = record_types[i].kind;
            return true;
        }
    }
    return false;
}

static bool is_member_key(struct bytes key)
{
    if (key.size < 2)
        return false;
    const int16_t type = (int16_t)(key.data[0] << 8 | key.data[1]);
    for (size_t i = 0; i < ARRAY_LEN(record_types); i++) {
        if (record_types[i].type == type)
            return record_types[i].is_member;
    }
    return false;
}

void foreign_free(struct foreign *foreign)
{
    if (foreign == NULL)
        return;
    map_deinit(&foreign->keys);
    mem_free(foreign);
}

uint32_t foreign_member_count(const struct foreign *foreign)
{
    return foreign == NULL ? 0 : foreign->member_count;
}

static bool add(struct group *group, struct bytes key, uint64_t hash_seed)
{
    if (group->foreign == NULL) {
        group->foreign = MEM_NEW(struct foreign);
        map_init(&group->foreign->keys, hash_seed);
    }
    const bool was_alive = map_put(&group->foreign->keys, key, group) != NULL; /* a set */
    if (!was_alive && is_member_key(key))
        group->foreign->member_count++;
    return was_alive;
}

bool foreign_set(struct group *group, struct bytes key, bool is_alive, uint64_t hash_seed)
{
    if (is_alive)
        return add(group, key, hash_seed);
    if (group->foreign == NULL || map_remove(&group->foreign->keys, key) == NULL)
        return false;
    if (is_member_key(key))
        group->foreign->member_count--;
    if (map_count(&group->foreign->keys) == 0) {
        foreign_free(group->foreign);
        group->foreign = NULL;
    }
    return true;
}

/* A member's key: type, group id, member id, strings led by their size in two bytes. */
bool foreign_has_member(const struct group *group, struct bytes member_id)
{
    if (group->foreign == NULL)
        return false;
    for (struct map_walk w = { 0 }; map_next(&group->foreign->keys, &w);) {
        const size_t before = 2 + 2 + group->id_size + 2;
        if (is_member_key(w.key) && w.key.size >= before &&
            bytes_equal(bytes_slice(w.key, before, SIZE_MAX), member_id))
            return true;
    }
    return false;
}
