/* Members of consumer groups that go: because they say so, or because nothing is heard of them (KIP-848). */
#include "base/mem.h"
#include "coord/group/consumer_int.h"

/* ---- deadlines -------------------------------------------------------------------------------------- */

static int32_t session_ms(const struct group_coordinator *c, const struct consumer *consumer)
{
    return consumer->profile->is_classic
               ? consumer->profile->session_timeout_ms
               : coord__group_setting(c, consumer->group, &c->settings.consumer_session_timeout_ms);
}

static void arm(struct group_coordinator *c, struct deadline *deadline, enum deadline_kind kind,
                int32_t after_ms)
{
    deadline->kind = (uint8_t)kind;
    deadline_arm(&c->deadlines, deadline, c->event->now_ms + MAX(after_ms, 0));
}

void coord__renew_consumer(struct group_coordinator *c, struct consumer *consumer)
{
    arm(c, &consumer->session, DEADLINE_CONSUMER_SESSION, session_ms(c, consumer));
}

void coord__arm_consumer(struct group_coordinator *c, struct consumer *consumer)
{
    if (!deadline_is_armed(&consumer->session))
        coord__renew_consumer(c, consumer);
    const bool revokes = group_consumer_now(consumer)->step == CONSUMER_UNREVOKED;
    if (!revokes || consumer->profile->is_classic)
        deadline_cancel(&c->deadlines, &consumer->revocation);
    else if (!deadline_is_armed(&consumer->revocation))
        arm(c, &consumer->revocation, DEADLINE_CONSUMER_REVOCATION,
            consumer->profile->rebalance_timeout_ms);
}

/* After a load even members of the classic protocol have a session as long as the others', as in Kafka: they cannot know
 * yet that they have to find their coordinator anew. */
void coord__arm_consumers(struct group_coordinator *c, struct consumer_group *group)
{
    struct consumer *consumer;
    for (struct map_walk w = { 0 }; consumer_group_next(group, &w, &consumer);) {
        arm(c, &consumer->session, DEADLINE_CONSUMER_SESSION,
            coord__group_setting(c, group->group, &c->settings.consumer_session_timeout_ms));
        if (group_consumer_now(consumer)->step == CONSUMER_UNREVOKED)
            arm(c, &consumer->revocation, DEADLINE_CONSUMER_REVOCATION,
                consumer->profile->rebalance_timeout_ms);
    }
}

void coord__disarm_consumers(struct group_coordinator *c, struct consumer_group *group)
{
    deadline_cancel(&c->deadlines, &group->regex);
    for (struct map_walk w = { 0 }; map_next(&group->members, &w);)
        group_consumer_disarm(w.value, &c->deadlines);
}

/* ---- fencing ------------------------------------------------------------------------------------------ */

/* An expression that nobody subscribes to any more is forgotten. */
static void forget_regexes(struct group_coordinator *c, struct group *group,
                           const struct bytes *regexes, size_t count)
{
    struct map known;
    map_init(&known, c->hash_seed);
    for (size_t i = 0; i < count; i++) {
        if (regexes[i].size > 0 && map_put(&known, regexes[i], group) == NULL &&
            consumer_group_regex_subscribers(group->consumer, regexes[i]) == 0)
            coord__put_regex(c, group, regexes[i], NULL);
    }
    map_deinit(&known);
}

static void remove_members(struct group_coordinator *c, struct group *group,
                           struct consumer *const *consumers, size_t count)
{
    struct bytes *regexes = ARENA_NEW_ARRAY(&c->effects->arena, struct bytes, count);
    for (size_t i = 0; i < count; i++)
        regexes[i] = coord__copy(&c->effects->arena, consumers[i]->profile->regex);
    for (size_t i = 0; i < count; i++)
        coord__put_member_tombstones(c, group, group_consumer_id(consumers[i]));
    forget_regexes(c, group, regexes, count);
    coord__raise_epoch(c, group, coord__consumer_metadata_hash(c, group->consumer));
}

static void tell_gone(struct group_coordinator *c, const struct group *group,
                      struct consumer *const *consumers, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        coord__tell(c, COORD_LINE_MEMBER, group, "%s %s", coord__who_consumer(c, consumers[i]),
                    what);
}

void coord__consumers_fence(struct group_coordinator *c, struct group *group,
                            struct consumer *const *consumers, size_t count, const char *what)
{
    tell_gone(c, group, consumers, count, what);
    uint32_t classic_count = 0;
    for (size_t i = 0; i < count; i++)
        classic_count += consumers[i]->profile->is_classic ? 1 : 0;
    if (!coord__can_downgrade(c, group->consumer, (uint32_t)count, classic_count)) {
        remove_members(c, group, consumers, count);
        return;
    }
    coord__downgrade(c, group, consumers, count, true);
    if (coord__draft_fits(c))
        return;
    coord__tell(c, COORD_LINE_WARN, group,
                "it stays one of the consumer protocol: as a classic one it does not "
                "fit in a batch");
    coord__draft_undo(c);
    coord__draft_begin(c);
    tell_gone(c, group, consumers, count, what);
    remove_members(c, group, consumers, count);
}

static const char *why_expired(struct group_coordinator *c, const struct consumer *consumer,
                               enum deadline_kind kind)
{
    const bool is_session = kind == DEADLINE_CONSUMER_SESSION;
    return arena_printf(
        &c->effects->arena, "has expired: %s %" PRId32 " ms",
        is_session                       ? "nothing was heard of it for"
        : kind == DEADLINE_CONSUMER_JOIN ? "it did not join again within"
        : kind == DEADLINE_CONSUMER_SYNC ? "it did not ask for its assignment within"
                                         : "it did not give up its partitions within",
        is_session ? session_ms(c, consumer) : consumer->profile->rebalance_timeout_ms);
}

void coord__on_consumer_deadline(struct group_coordinator *c, struct consumer *consumer,
                                 enum deadline_kind kind)
{
    coord__draft_begin(c);
    coord__consumers_fence(c, consumer->group, &consumer, 1, why_expired(c, consumer, kind));
    struct write *write;
    /* Should it not be written, the member is back with a whole session. */
    IGNORE_RESULT(coord__draft_append(c, &write));
}
