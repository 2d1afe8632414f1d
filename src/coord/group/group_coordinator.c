/* The public face of group_coordinator.h: birth, loading, steps, figures. */
#include "base/mem.h"
#include "coord/group/group_int.h"

#include <stdarg.h>

/* ---- birth and death -------------------------------------------------------------------------------- */

struct group_coordinator *group_coordinator_new(const struct group_settings *settings,
                                                uint64_t hash_seed)
{
    struct group_coordinator *c = MEM_NEW(struct group_coordinator);
    c->settings = *settings;
    c->hash_seed = hash_seed;
    c->next_write_id = 1;
    names_init(&c->names, hash_seed);
    map_init(&c->groups, hash_seed);
    list_init(&c->group_list);
    list_init(&c->writes);
    pending_offsets_init(&c->pending, hash_seed);
    arena_init(&c->load_arena, SIZE_MAX);
    topic_hashes_init(&c->topic_hashes, hash_seed);
    c->topics_version = -1;
    c->write_deadline.kind = DEADLINE_WRITE;
    c->expiry_deadline.kind = DEADLINE_EXPIRY;
    c->expiry_at = &c->group_list;
    return c;
}

void group_coordinator_set_settings(struct group_coordinator *c,
                                    const struct group_settings *settings)
{
    c->settings = *settings;
}

int32_t coord__group_setting(const struct group_coordinator *c, const struct group *group,
                             const struct config_bounded *setting)
{
    const struct bytes own =
        c->image == NULL ? BYTES_NULL
                         : metadata_config_value(c->image, METADATA_CONFIG_GROUP, group_id(group),
                                                 bytes_from_text(setting_get(setting->id)->name));
    return config_bounded_value(setting, own);
}

static void forget_deadlines(struct group_coordinator *c)
{
    while (c->deadlines.heap.count > 0)
        deadline_cancel(&c->deadlines, c->deadlines.heap.items[0]);
}

/* Nobody is answered. */
static void abandon(struct group *group)
{
    if (group->membership == NULL)
        return;
    for (struct map_walk w = { 0 }; map_next(&group->membership->members, &w);) {
        struct member *member = w.value;
        member->join.is_parked = false;
        member->sync.is_parked = false;
    }
}

void group_coordinator_free(struct group_coordinator *c)
{
    if (c == NULL)
        return;
    forget_deadlines(c);
    pending_offsets_deinit(&c->pending, &c->names);
    for (struct list *link; (link = list_pop_front(&c->writes)) != NULL;)
        write_free(LIST_ENTRY(link, struct write, link), &c->names);
    for (struct list *link; (link = list_pop_front(&c->group_list)) != NULL;) {
        struct group *group = LIST_ENTRY(link, struct group, link);
        abandon(group);
        group->is_listed = false;
        group_free(group, &c->names);
    }
    map_deinit(&c->groups);
    names_deinit(&c->names);
    deadlines_deinit(&c->deadlines);
    VEC_DEINIT(&c->records);
    VEC_DEINIT(&c->draft.records);
    topic_hashes_deinit(&c->topic_hashes);
    metadata_image_unref(c->image);
    arena_deinit(&c->load_arena);
    mem_free(c);
}

void group_effects_init(struct group_effects *effects)
{
    *effects = (struct group_effects){ .deadline_ms = INT64_MAX };
    arena_init(&effects->arena, SIZE_MAX);
}

void group_effects_clear(struct group_effects *effects)
{
    for (size_t i = 0; i < effects->spent.count; i++)
        arena_deinit(&effects->spent.items[i]);
    effects->spent.count = 0;
    effects->appends.count = 0;
    effects->answers.count = 0;
    effects->resolutions.count = 0;
    coord_lines_clear(&effects->lines);
    arena_reset(&effects->arena);
}

void group_effects_deinit(struct group_effects *effects)
{
    group_effects_clear(effects);
    arena_deinit(&effects->arena);
    VEC_DEINIT(&effects->appends);
    VEC_DEINIT(&effects->answers);
    VEC_DEINIT(&effects->resolutions);
    coord_lines_deinit(&effects->lines);
    VEC_DEINIT(&effects->spent);
}

void coord__tell(struct group_coordinator *c, enum coord_line_kind kind, const struct group *group,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    coord_lines_about(&c->effects->lines, &c->effects->arena, kind, "group", group_id(group),
                      format, args);
    va_end(args);
}

const char *coord__quoted(struct group_coordinator *c, struct bytes text)
{
    return coord_quoted(&c->effects->arena, text);
}

const char *coord__who(struct group_coordinator *c, struct bytes member_id, struct bytes client_id,
                       struct bytes client_host)
{
    return arena_printf(&c->effects->arena, "member %s of client %s at %s",
                        coord__quoted(c, member_id), coord__quoted(c, client_id),
                        coord__quoted(c, client_host));
}

/* ---- groups ------------------------------------------------------------------------------------------ */

struct group *coord__find(const struct group_coordinator *c, struct bytes id)
{
    return map_get(&c->groups, id);
}

struct group *coord__create(struct group_coordinator *c, struct bytes id, int64_t wall_ms)
{
    struct group *group = group_new(id, wall_ms);
    void *old = map_put(&c->groups, id, group);
    ASSERT(old == NULL);
    list_push_back(&c->group_list, &group->link);
    group->is_listed = true;
    return group;
}

void coord__undo_creation(struct write *write, struct group *group)
{
    VEC_ADD(&write->undos, ((struct undo){ .kind = UNDO_CREATED, .group = group }));
}

static void disperse_member(struct group_coordinator *c, struct membership *membership,
                            struct member *member, enum kafka_error error)
{
    struct parked parked;
    if (member_unpark_join(membership, member, &parked))
        coord__answer_join_error(c, &parked, member->id, error);
    if (member_unpark_sync(member, &parked))
        coord__answer_sync(c, &parked, error, member->group, member);
    deadline_cancel(&c->deadlines, &member->session);
}

void coord__quiesce(struct group_coordinator *c, struct membership *membership,
                    enum kafka_error error)
{
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);)
        disperse_member(c, membership, w.value, error);
    for (struct map_walk w = { 0 }; map_next(&membership->pending, &w);) {
        struct pending_member *pending = w.value;
        deadline_cancel(&c->deadlines, &pending->session);
        membership_remove_pending(membership, pending);
    }
    deadline_cancel(&c->deadlines, &membership->join_deadline);
    deadline_cancel(&c->deadlines, &membership->sync_deadline);
}

void coord__disperse(struct group_coordinator *c, struct group *group, enum kafka_error error)
{
    struct membership *membership = group->membership;
    if (membership == NULL)
        return;
    coord__quiesce(c, membership, error);
    membership_free(membership);
    group->membership = NULL;
    group->state = GROUP_EMPTY;
}

void coord__remove(struct group_coordinator *c, struct group *group, struct write *write)
{
    ASSERT(group->is_listed && group->membership == NULL);
    if (c->expiry_at == &group->link)
        c->expiry_at = group->link.next;
    list_remove(&group->link);
    (void)map_remove(&c->groups, group_id(group)); /* it is listed */
    group->is_listed = false;
    if (write != NULL)
        VEC_ADD(&write->undos, ((struct undo){ .kind = UNDO_REMOVED, .group = group }));
    else
        group_free(group, &c->names);
}

/* ---- loading ------------------------------------------------------------------------------------------- */

static void load_sessions(struct group_coordinator *c, struct group *group)
{
    struct membership *membership = group->membership;
    if (group->consumer != NULL) {
        consumer_group_take_in(group->consumer);
        coord__arm_consumers(c, group->consumer);
    }
    if (membership == NULL)
        return;
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        struct member *member = w.value;
        coord__renew_session(c, member, member->session_timeout_ms);
    }
    if (group->state == GROUP_PREPARING)
        coord__resume_rebalance(c, group);
    /* group.max.size may have become smaller: the last to rejoin will not find room. */
    if ((int64_t)map_count(&membership->members) > c->settings.member_count_max)
        coord__prepare_rebalance(c, group, "group.max.size has become smaller");
}

static void on_loaded(struct group_coordinator *c)
{
    if (c->state != COORDINATOR_LOADING)
        return;
    c->state = COORDINATOR_ACTIVE;
    arena_deinit(&c->load_arena);
    LIST_FOR_EACH(&c->group_list, link)
    load_sessions(c, LIST_ENTRY(link, struct group, link));
    coord__end_expiry_round(c);
}

static void unload(struct group_coordinator *c)
{
    if (c->state == COORDINATOR_CLOSED)
        return;
    coord__writes_abandon(c, KAFKA_NOT_COORDINATOR);
    LIST_FOR_EACH(&c->group_list, link)
    coord__disperse(c, LIST_ENTRY(link, struct group, link), KAFKA_NOT_COORDINATOR);
    forget_deadlines(c);
    c->state = COORDINATOR_CLOSED;
}

/* ---- steps ---------------------------------------------------------------------------------------------- */

static void on_request(struct group_coordinator *c)
{
    if (c->state != COORDINATOR_ACTIVE) {
        coord__refuse(c, c->state == COORDINATOR_LOADING ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS
                                                         : KAFKA_NOT_COORDINATOR);
        return;
    }
    switch (c->event->request.api_key) {
    case API_JOIN_GROUP:
        coord__join(c);
        break;
    case API_SYNC_GROUP:
        coord__sync(c);
        break;
    case API_HEARTBEAT:
        coord__heartbeat(c);
        break;
    case API_LEAVE_GROUP:
        coord__leave(c);
        break;
    case API_OFFSET_COMMIT:
        coord__offset_commit(c);
        break;
    case API_TXN_OFFSET_COMMIT:
        coord__txn_offset_commit(c);
        break;
    case API_OFFSET_FETCH:
        coord__offset_fetch(c);
        break;
    case API_OFFSET_DELETE:
        coord__offset_delete(c);
        break;
    case API_LIST_GROUPS:
        coord__list(c);
        break;
    case API_DESCRIBE_GROUPS:
        coord__describe(c);
        break;
    case API_CONSUMER_GROUP_HEARTBEAT:
        coord__consumer_heartbeat(c);
        break;
    case API_CONSUMER_GROUP_DESCRIBE:
        coord__consumer_describe(c);
        break;
    default:
        ASSERT(c->event->request.api_key == API_DELETE_GROUPS);
        coord__delete(c);
        break;
    }
}

static void on_deadline(struct group_coordinator *c, struct deadline *deadline)
{
    switch ((enum deadline_kind)deadline->kind) {
    case DEADLINE_SESSION:
        coord__on_session_expired(c, CONTAINER_OF(deadline, struct member, session));
        break;
    case DEADLINE_PENDING:
        coord__on_pending_expired(c, CONTAINER_OF(deadline, struct pending_member, session));
        break;
    case DEADLINE_JOIN:
        coord__on_join_deadline(c, CONTAINER_OF(deadline, struct membership, join_deadline)->group);
        break;
    case DEADLINE_SYNC:
        coord__on_sync_deadline(c, CONTAINER_OF(deadline, struct membership, sync_deadline)->group);
        break;
    case DEADLINE_EXPIRY:
        coord__expire(c);
        break;
    case DEADLINE_WRITE:
        coord__writes_give_up(c);
        break;
    case DEADLINE_CONSUMER_SESSION:
        coord__on_consumer_deadline(c, CONTAINER_OF(deadline, struct consumer, session),
                                    DEADLINE_CONSUMER_SESSION);
        break;
    case DEADLINE_CONSUMER_REVOCATION:
        coord__on_consumer_deadline(c, CONTAINER_OF(deadline, struct consumer, revocation),
                                    DEADLINE_CONSUMER_REVOCATION);
        break;
    case DEADLINE_CONSUMER_JOIN:
        coord__on_consumer_deadline(c, CONTAINER_OF(deadline, struct consumer, join),
                                    DEADLINE_CONSUMER_JOIN);
        break;
    case DEADLINE_CONSUMER_SYNC:
        coord__on_consumer_deadline(c, CONTAINER_OF(deadline, struct consumer, sync),
                                    DEADLINE_CONSUMER_SYNC);
        break;
    case DEADLINE_REGEX:
        coord__on_regex_deadline(c, CONTAINER_OF(deadline, struct consumer_group, regex));
        break;
    }
}

#define DEADLINES_A_STEP 64

/* Those that were due when the step began, or the first of them: what is left, and what they arm for now, comes with the next
 * one. */
static void on_timer(struct group_coordinator *c)
{
    const uint64_t sequence_end = c->deadlines.sequence;
    int left = DEADLINES_A_STEP;
    while (left-- > 0 && deadlines_next_ms(&c->deadlines) <= c->event->now_ms &&
           c->deadlines.heap.items[0]->sequence < sequence_end)
        on_deadline(c, deadlines_take_due(&c->deadlines, c->event->now_ms));
}

/* For the oldest write whose answers still wait. */
static void arm_write_deadline(struct group_coordinator *c)
{
    LIST_FOR_EACH(&c->writes, link)
    {
        const struct write *write = LIST_ENTRY(link, struct write, link);
        if (write->was_given_up)
            continue;
        if (c->write_deadline.at_ms != write->give_up_ms || !deadline_is_armed(&c->write_deadline))
            deadline_arm(&c->deadlines, &c->write_deadline, write->give_up_ms);
        return;
    }
    deadline_cancel(&c->deadlines, &c->write_deadline);
}

void group_coordinator_step(struct group_coordinator *c, const struct group_event *event,
                            struct group_effects *effects)
{
    ASSERT(effects->appends.count == 0 && effects->answers.count == 0 &&
           effects->lines.items.count == 0 && effects->spent.count == 0);
    c->event = event;
    c->effects = effects;
    switch (event->type) {
    case GROUP_ON_LOADED:
        on_loaded(c);
        break;
    case GROUP_ON_LOAD_FAILED:
        if (c->state == COORDINATOR_LOADING)
            c->state = COORDINATOR_FAILED;
        break;
    case GROUP_ON_UNLOAD:
        unload(c);
        break;
    case GROUP_ON_REQUEST:
        on_request(c);
        break;
    case GROUP_ON_APPENDED:
        coord__write_done(c, event->appended.write_id, event->appended.error);
        break;
    case GROUP_ON_TIMER:
        on_timer(c);
        break;
    case GROUP_ON_TRANSACTION_END:
        coord__end_transaction(c);
        break;
    case GROUP_ON_TOPICS_DELETED:
        if (c->state == COORDINATOR_ACTIVE)
            coord__delete_topics(c, event->topics_deleted.items, event->topics_deleted.count);
        break;
    case GROUP_ON_IMAGE:
        coord__on_image(c);
        break;
    case GROUP_ON_RESOLVED:
        coord__on_resolved(c);
        break;
    }
    ASSERT(c->records.count == 0 && c->draft.write == NULL);
    if (c->state == COORDINATOR_ACTIVE)
        arm_write_deadline(c);
    coord_lines_end(&effects->lines, &effects->arena);
    effects->deadline_ms = deadlines_next_ms(&c->deadlines);
    c->event = NULL;
    c->effects = NULL;
}

/* ---- what is told ------------------------------------------------------------------------------------------ */

int32_t group_partition_for(struct bytes id, int32_t partition_count)
{
    return java_partition_for(id, partition_count);
}
