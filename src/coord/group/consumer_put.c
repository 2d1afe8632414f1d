/* Records of consumer groups on their way into the log: on the draft, and those of a group that goes. */
#include "coord/group/consumer_int.h"

/* ---- records ------------------------------------------------------------------------------------- */

static void put(struct group_coordinator *c, const struct group *group,
                const struct consumer_change *change)
{
    struct record record;
    consumer_record_from(&c->effects->arena, coord__copy(&c->effects->arena, group_id(group)),
                         change, &record);
    coord__draft_put(c, &record);
}

void coord__put_profile(struct group_coordinator *c, const struct group *group,
                        struct bytes member_id, const struct consumer_profile *profile)
{
    put(c, group,
        &(struct consumer_change){ .part = CONSUMER_PROFILE,
                                   .key = member_id,
                                   .is_there = profile != NULL,
                                   .profile = (struct consumer_profile *)(uintptr_t)profile });
}

void coord__put_target(struct group_coordinator *c, const struct group *group,
                       struct bytes member_id, const struct assignment *target)
{
    put(c, group,
        &(struct consumer_change){ .part = CONSUMER_TARGET,
                                   .key = member_id,
                                   .is_there = true,
                                   .target = (struct assignment *)(uintptr_t)target });
}

void coord__put_state(struct group_coordinator *c, const struct group *group,
                      struct bytes member_id, const struct consumer_state *state)
{
    put(c, group,
        &(struct consumer_change){ .part = CONSUMER_STATE,
                                   .key = member_id,
                                   .is_there = true,
                                   .state = (struct consumer_state *)(uintptr_t)state });
}

void coord__put_epoch(struct group_coordinator *c, const struct group *group, int32_t epoch,
                      int64_t metadata_hash)
{
    put(c, group,
        &(struct consumer_change){
            .part = CONSUMER_EPOCH, .is_there = true, .epoch = epoch, .number = metadata_hash });
}

void coord__raise_epoch(struct group_coordinator *c, const struct group *group,
                        int64_t metadata_hash)
{
    const int32_t epoch = group->consumer->epoch;
    coord__put_epoch(c, group, epoch == INT32_MAX ? epoch : epoch + 1, metadata_hash);
    coord__tell(c, COORD_LINE_INFO, group, "epoch %" PRId32 ", members %" PRIu32 "%s",
                group->consumer->epoch, group->consumer->member_count,
                group->consumer->member_count == 0 ? ": it is empty" : "");
}

void coord__put_assignment_epoch(struct group_coordinator *c, const struct group *group,
                                 int32_t epoch, int64_t assigned_ms)
{
    put(c, group,
        &(struct consumer_change){ .part = CONSUMER_ASSIGNMENT_EPOCH,
                                   .is_there = true,
                                   .epoch = epoch,
                                   .number = assigned_ms });
}

void coord__put_regex(struct group_coordinator *c, const struct group *group, struct bytes regex,
                      const struct resolved_regex *resolved)
{
    put(c, group,
        &(struct consumer_change){ .part = CONSUMER_REGEX,
                                   .key = regex,
                                   .is_there = resolved != NULL,
                                   .resolved = (struct resolved_regex *)(uintptr_t)resolved });
}

void coord__put_partition_metadata_tombstone(struct group_coordinator *c, const struct group *group)
{
    put(c, group, &(struct consumer_change){ .part = CONSUMER_PARTITION_METADATA });
}

void coord__put_member_tombstones(struct group_coordinator *c, const struct group *group,
                                  struct bytes member_id)
{
    static const enum consumer_part parts[] = { CONSUMER_STATE, CONSUMER_TARGET, CONSUMER_PROFILE };
    const struct bytes id = coord__copy(&c->effects->arena, member_id); /* the member goes */
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        put(c, group, &(struct consumer_change){ .part = parts[i], .key = id });
}

/* ---- the end of a group ------------------------------------------------------------------------------- */

static void record_tombstone(struct group_coordinator *c, const struct group *group,
                             enum consumer_part part, struct bytes key)
{
    /* Copied: with the records before it the member goes, the group perhaps too. */
    struct arena *arena = &c->effects->arena;
    const struct consumer_change change = { .part = part,
                                            .key = bytes_is_null(key) ? BYTES_NULL
                                                                      : coord__copy(arena, key) };
    struct record record;
    consumer_record_from(arena, coord__copy(arena, group_id(group)), &change, &record);
    VEC_ADD(&c->records, record);
}

static void record_member_tombstones(struct group_coordinator *c, const struct group *group,
                                     enum consumer_part part)
{
    for (struct map_walk w = { 0 }; map_next(&group->consumer->members, &w);)
        record_tombstone(c, group, part, group_consumer_id(w.value));
}

void coord__record_consumer_tombstones(struct group_coordinator *c, const struct group *group)
{
    record_member_tombstones(c, group, CONSUMER_STATE);
    record_member_tombstones(c, group, CONSUMER_TARGET);
    record_tombstone(c, group, CONSUMER_ASSIGNMENT_EPOCH, BYTES_NULL);
    record_member_tombstones(c, group, CONSUMER_PROFILE);
    for (struct map_walk w = { 0 }; map_next(&group->consumer->regexes, &w);) {
        const struct consumer_regex *regex = w.value;
        if (regex->resolved != NULL)
            record_tombstone(c, group, CONSUMER_REGEX, w.key);
    }
    record_tombstone(c, group, CONSUMER_PARTITION_METADATA, BYTES_NULL);
    record_tombstone(c, group, CONSUMER_EPOCH, BYTES_NULL);
}
