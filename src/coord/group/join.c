/* JoinGroup: who may come in, under which id, and whether that begins a rebalance (KIP-62, 345, 394, 814). */
#include "base/mem.h"
#include "coord/group/group_int.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"

#include <string.h>

/* KIP-394: from here on a client without an id gets one and has to come again with it. */
#define VERSION_NEEDS_MEMBER_ID     4
/* KIP-814: from here on a static leader that comes back may be told to skip the assignment. */
#define VERSION_CAN_SKIP_ASSIGNMENT 9

#define UUID_JAVA_SIZE 36

/* As java.util.UUID.randomUUID prints itself. */
static void print_uuid(const uint8_t random[16], char out[UUID_JAVA_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    const struct uuid id = uuid_from_random(random);
    size_t at = 0;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digits[id.bytes[i] >> 4];
        out[at++] = digits[id.bytes[i] & 0xf];
    }
    ASSERT(at == UUID_JAVA_SIZE);
}

/* "<client id or instance id>-<uuid>", at most as long as a string may be. */
static struct bytes make_member_id(struct group_coordinator *c, struct bytes prefix)
{
    const size_t size_max = INT16_MAX - 1 - UUID_JAVA_SIZE;
    prefix = bytes_utf8_prefix(prefix, size_max);
    const size_t size = prefix.size + 1 + UUID_JAVA_SIZE;
    char *text = ARENA_NEW_ARRAY(&c->effects->arena, char, size);
    if (prefix.size > 0)
        memcpy(text, prefix.data, prefix.size);
    text[prefix.size] = '-';
    print_uuid(c->event->random, text + prefix.size + 1);
    return bytes_from(text, size);
}

/* ---- small things ---------------------------------------------------------------------------------------- */

static const struct join_group_request *asked(const struct group_coordinator *c)
{
    return c->event->request.message;
}

static struct parked parked_here(const struct group_coordinator *c)
{
    return (struct parked){ .token = c->event->request.token,
                            .version = c->event->request.version };
}

static void refuse(struct group_coordinator *c, struct bytes member_id, enum kafka_error error)
{
    const struct parked parked = parked_here(c);
    coord__answer_join_error(c, &parked, member_id, error);
}

static int32_t rebalance_timeout_ms(const struct group_coordinator *c)
{
    /* Version 0 has one timeout for both. */
    return c->event->request.version == 0 ? asked(c)->session_timeout_ms
                                          : asked(c)->rebalance_timeout_ms;
}

static struct member_protocols *copy_protocols(const struct group_coordinator *c)
{
    return member_protocols_new(asked(c)->protocols, asked(c)->protocols_count, c->hash_seed);
}

/* ---- members that come and change -------------------------------------------------------------------------- */

static void add_member(struct group_coordinator *c, struct group *group, struct bytes member_id)
{
    const struct join_group_request *request = asked(c);
    struct membership *membership = group_membership(group, c->hash_seed);
    struct pending_member *pending = membership_get_pending(membership, member_id);
    if (pending != NULL) {
        deadline_cancel(&c->deadlines, &pending->session);
        membership_remove_pending(membership, pending);
    }
    if (map_count(&membership->members) == 0) {
        name_unref(&c->names, group->protocol_type);
        group->protocol_type = name_ref_text(&c->names, request->protocol_type);
    }
    const struct member_params params = { .id = member_id,
                                          .instance_id = request->group_instance_id,
                                          .client_id = c->event->request.client_id,
                                          .client_host = c->event->request.client_host,
                                          .rebalance_timeout_ms = rebalance_timeout_ms(c),
                                          .session_timeout_ms = request->session_timeout_ms,
                                          .protocols = copy_protocols(c) };
    struct member *member = membership_add(membership, &params);
    member->is_new = true;
    member_park_join(membership, member, parked_here(c));
    if (group->state == GROUP_PREPARING && group->is_first_rebalance)
        membership->has_new_member = true;
    coord__renew_session(c, member, NEW_MEMBER_TIMEOUT_MS);
    coord__rebalance_or_complete(c, group, "a member joined");
}

/* The request tells anew what the member can and wants. Of two joins of one member the newer is the one that waits. */
static void update_member(struct group_coordinator *c, struct group *group, struct member *member)
{
    struct parked older;
    if (member_unpark_join(group->membership, member, &older))
        coord__answer_join_error(c, &older, member->id, KAFKA_REBALANCE_IN_PROGRESS);
    membership_set_protocols(group->membership, member, copy_protocols(c));
    member->rebalance_timeout_ms = rebalance_timeout_ms(c);
    member->session_timeout_ms = asked(c)->session_timeout_ms;
    member_park_join(group->membership, member, parked_here(c));
}

static void update_and_rebalance(struct group_coordinator *c, struct group *group,
                                 struct member *member)
{
    update_member(c, group, member);
    coord__rebalance_or_complete(c, group, "a member joined again");
}

/* ---- static members that come back (KIP-345) ------------------------------------------------------------------ */

/* The one who used the old id, if it is still about, is a double: it is told so. */
static struct member *rename_member(struct group_coordinator *c, struct group *group,
                                    struct member *member, struct bytes new_id)
{
    struct parked parked;
    if (member_unpark_join(group->membership, member, &parked))
        coord__answer_join_error(c, &parked, member->id, KAFKA_FENCED_INSTANCE_ID);
    if (member_unpark_sync(member, &parked))
        coord__answer_sync(c, &parked, KAFKA_FENCED_INSTANCE_ID, group, member);
    const bool is_new = member->is_new;
    deadline_cancel(&c->deadlines, &member->session);
    struct member *renamed = membership_rename(group->membership, member, new_id);
    renamed->is_new = is_new;
    coord__renew_session(c, renamed, renamed->session_timeout_ms);
    return renamed;
}

/* The generation goes on with the member under its new id, when that is in the log. */
static void store_static_member(struct group_coordinator *c, struct group *group,
                                const struct member *member, struct bytes id_before,
                                struct bytes leader_before)
{
    coord__record_group(c, group);
    struct sequel sequel = { .kind = SEQUEL_STATIC_MEMBER,
                             .group = group,
                             .generation = group->generation,
                             .member_id = member->id,
                             .member_id_before = id_before,
                             .leader_before = leader_before };
    struct write *write;
    const enum kafka_error error = coord__append(c, APPEND_AS_ONE, &write);
    if (error != KAFKA_NONE) {
        coord__static_member_stored(c, &sequel, error);
        return;
    }
    sequel.member_id = coord__copy(&write->arena, member->id);
    sequel.member_id_before = coord__copy(&write->arena, id_before);
    sequel.leader_before = coord__copy(&write->arena, leader_before);
    write->sequel = sequel;
}

static void answer_returned(struct group_coordinator *c, struct group *group, struct member *member,
                            const struct sequel *sequel)
{
    struct parked parked;
    if (!member_unpark_join(group->membership, member, &parked))
        return;
    const bool is_leader = group->membership->leader == member;
    if (parked.version >= VERSION_CAN_SKIP_ASSIGNMENT) {
        coord__answer_joined(c, &parked, group, member);
        struct join_group_response *told =
            c->effects->answers.items[c->effects->answers.count - 1].message;
        told->skip_assignment = is_leader;
        return;
    }
    /* Older clients are told of the leader before them, so that a leader does not assign anew within a generation. */
    struct arena *arena = &c->effects->arena;
    struct join_group_response *told = coord__join_answer(c);
    told->generation_id = group->generation;
    told->protocol_type = coord__copy(arena, name_text(group->protocol_type));
    told->protocol_name = coord__copy(arena, group->membership->protocol);
    told->leader = coord__copy(arena, sequel->leader_before);
    told->member_id = coord__copy(arena, member->id);
    coord__answer_join(c, &parked, told);
}

/* Back to the id that the log knows; the client tries again. */
static void revert_static_member(struct group_coordinator *c, struct group *group,
                                 struct member *member, const struct sequel *sequel,
                                 enum kafka_error error)
{
    struct arena *arena = &c->effects->arena;
    struct parked parked;
    if (member_unpark_join(group->membership, member, &parked)) {
        struct join_group_response *told = coord__join_answer(c);
        told->error_code = (int16_t)error;
        told->generation_id = group->generation;
        told->protocol_type = coord__copy(arena, name_text(group->protocol_type));
        told->protocol_name = coord__copy(arena, group->membership->protocol);
        told->leader = coord__copy(arena, sequel->leader_before);
        coord__answer_join(c, &parked, told);
    }
    if (membership_get(group->membership, sequel->member_id_before) == NULL)
        (void)rename_member(c, group, member, sequel->member_id_before); /* the member goes on */
}

void coord__static_member_stored(struct group_coordinator *c, const struct sequel *sequel,
                                 enum kafka_error error)
{
    struct group *group = sequel->group;
    struct member *member = membership_get(group->membership, sequel->member_id);
    if (member == NULL)
        return; /* replaced again, or gone; whoever waited has been told */
    if (error != KAFKA_NONE)
        revert_static_member(c, group, member, sequel, error);
    else if (group->generation == sequel->generation && group->state == GROUP_STABLE)
        answer_returned(c, group, member, sequel);
    /* Else a rebalance began meanwhile, and its end answers. */
}

static void return_of_static_member(struct group_coordinator *c, struct group *group,
                                    struct member *old, struct bytes new_id)
{
    struct membership *membership = group->membership;
    struct arena *arena = &c->effects->arena;
    const struct bytes id_before = coord__copy(arena, old->id);
    const struct bytes leader_before = coord__copy(arena, membership->leader->id);
    coord__tell(c, COORD_LINE_MEMBER, group, "static member %s came back: %s fences member %s",
                coord__quoted(c, old->instance_id),
                coord__who(c, new_id, c->event->request.client_id, c->event->request.client_host),
                coord__quoted(c, id_before));
    struct member *member = rename_member(c, group, old, new_id);
    update_member(c, group, member);
    if (group->state == GROUP_STABLE) {
        if (bytes_equal(membership_elect_protocol(membership), membership->protocol))
            store_static_member(c, group, member, id_before, leader_before);
        else
            coord__rebalance_or_complete(c, group, "a static member came back");
    } else if (group->state == GROUP_COMPLETING) {
        /* The leader may be assigning to the old id at this moment. */
        coord__prepare_rebalance(c, group, "a static member came back");
    } else {
        coord__maybe_complete_join(c, group);
    }
}

/* ---- the request -------------------------------------------------------------------------------------------------- */

static bool has_room(const struct group_coordinator *c, const struct group *group,
                     struct bytes member_id)
{
    if (group->state == GROUP_EMPTY)
        return true;
    const struct membership *membership = group->membership;
    const struct member *member = membership_get(membership, member_id);
    if (group->state == GROUP_PREPARING) {
        /* Those that wait are counted, not all: when group.max.size became smaller, the last to rejoin must go. */
        return (member != NULL && member->join.is_parked) ||
               (int64_t)membership->joining_count < c->settings.member_count_max;
    }
    return member != NULL ||
           (int64_t)map_count(&membership->members) < c->settings.member_count_max;
}

/* What a stable group has must fit into one batch of __consumer_offsets: one protocol's metadata and the assignment of each
 * member. Members may speak several protocols, most of them two or three. */
#define PROTOCOLS_BATCHES_MAX 16u

static bool has_memory(struct group_coordinator *c, const struct group *group)
{
    const struct join_group_request *request = asked(c);
    const struct membership *membership = group->membership;
    const struct member *member =
        request->member_id.size > 0 ? membership_get(membership, request->member_id)
        : bytes_is_null(request->group_instance_id)
            ? NULL
            : membership_by_instance(membership, request->group_instance_id);
    const size_t bytes = (membership == NULL ? 0 : membership->protocols_bytes) -
                         (member == NULL ? 0 : member->protocols->bytes) +
                         member_protocols_bytes(request->protocols, request->protocols_count);
    const uint64_t bytes_max = (uint64_t)PROTOCOLS_BATCHES_MAX * c->settings.batch_bytes_max;
    if (bytes <= bytes_max)
        return true;
    coord__tell(c, COORD_LINE_WARN, group,
                "with one more member the metadata of its protocols would have %zu bytes, above "
                "%" PRIu64
                ", which is %u times max.message.bytes of __consumer_offsets: the member "
                "is refused (GROUP_MAX_SIZE_REACHED)",
                bytes, bytes_max, PROTOCOLS_BATCHES_MAX);
    return false;
}

static bool speaks_with_group(const struct group_coordinator *c, const struct group *group)
{
    const struct join_group_request *request = asked(c);
    if (group->state == GROUP_EMPTY)
        return request->protocol_type.size > 0 && request->protocols_count > 0;
    if (!bytes_equal(name_text(group->protocol_type), request->protocol_type))
        return false;
    struct member_protocols *protocols = copy_protocols(c);
    const bool speaks = membership_speaks(group->membership, protocols);
    mem_free(protocols);
    return speaks;
}

static void hand_out_id(struct group_coordinator *c, struct group *group, struct bytes member_id)
{
    struct membership *membership = group_membership(group, c->hash_seed);
    if (map_count(&membership->pending) >= MEMBERSHIP_PENDING_MAX) {
        struct pending_member *oldest = membership_oldest_pending(membership);
        deadline_cancel(&c->deadlines, &oldest->session);
        membership_remove_pending(membership, oldest);
    }
    struct pending_member *pending = membership_add_pending(membership, member_id);
    pending->session.kind = DEADLINE_PENDING;
    deadline_arm(&c->deadlines, &pending->session, c->event->now_ms + asked(c)->session_timeout_ms);
    refuse(c, member_id, KAFKA_MEMBER_ID_REQUIRED);
}

static void join_as_new(struct group_coordinator *c, struct group *group)
{
    const struct join_group_request *request = asked(c);
    if (!speaks_with_group(c, group)) {
        refuse(c, BYTES_LITERAL(""), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    const struct bytes instance_id = request->group_instance_id;
    const bool is_static = !bytes_is_null(instance_id);
    const struct bytes member_id =
        make_member_id(c, is_static ? instance_id : c->event->request.client_id);
    struct member *known =
        is_static ? membership_by_instance(group->membership, instance_id) : NULL;
    if (known != NULL)
        return_of_static_member(c, group, known, member_id);
    else if (!is_static && c->event->request.version >= VERSION_NEEDS_MEMBER_ID)
        hand_out_id(c, group, member_id);
    else
        add_member(c, group, member_id);
}

/* A member of this generation that asks again is told again, if nothing has changed. */
static void rejoin(struct group_coordinator *c, struct group *group, struct member *member)
{
    struct member_protocols *protocols = copy_protocols(c);
    const bool is_same = member_has_protocols(member, protocols);
    mem_free(protocols);
    const bool is_leader = group->membership->leader == member;
    const bool is_told_again = (group->state == GROUP_COMPLETING && is_same) ||
                               (group->state == GROUP_STABLE && is_same && !is_leader);
    if (!is_told_again) {
        /* A leader asks in a stable group because what it assigns has changed, such as the partitions of a topic. */
        update_and_rebalance(c, group, member);
        return;
    }
    const struct parked parked = parked_here(c);
    coord__answer_joined(c, &parked, group, member);
}

static void join_with_id(struct group_coordinator *c, struct group *group)
{
    const struct join_group_request *request = asked(c);
    const struct bytes member_id = request->member_id;
    if (!speaks_with_group(c, group)) {
        refuse(c, member_id, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    if (membership_get_pending(group->membership, member_id) != NULL) {
        if (!bytes_is_null(request->group_instance_id))
            refuse(
                c, BYTES_LITERAL(""),
                KAFKA_UNKNOWN_SERVER_ERROR); /* as Kafka: no such id is ever given to static ones */
        else
            add_member(c, group, member_id);
        return;
    }
    const enum kafka_error error =
        coord__check_member(group, member_id, request->group_instance_id);
    if (error != KAFKA_NONE)
        refuse(c, member_id, error);
    else
        rejoin(c, group, membership_get(group->membership, member_id));
}

/* An empty group of another protocol becomes a classic one: its records go, its offsets stay. */
static enum kafka_error take_over(struct group_coordinator *c, struct group *group,
                                  struct group **out /* NULL: nothing of it is left */)
{
    const struct bytes id = coord__copy(&c->effects->arena, group_id(group));
    if (group->kind == GROUP_CONSUMER)
        coord__record_consumer_tombstones(c, group);
    coord__record_foreign_tombstones(c, group);
    struct write *write;
    const enum kafka_error error = coord__append(c, APPEND_REPLAY, &write);
    if (error != KAFKA_NONE)
        return error;
    *out = coord__find(c, id); /* because it has offsets */
    if (*out != NULL)
        (*out)->state_changed_ms = c->event->wall_ms;
    coord_lines_add(&c->effects->lines, &c->effects->arena, COORD_LINE_INFO,
                    "group %s: empty, and from now on one of the classic protocol",
                    coord__quoted(c, id));
    return KAFKA_NONE;
}

static void refuse_for_room(struct group_coordinator *c, struct group *group)
{
    struct member *member = membership_get(group->membership, asked(c)->member_id);
    refuse(c, BYTES_LITERAL(""), KAFKA_GROUP_MAX_SIZE_REACHED);
    if (member != NULL) {
        coord__tell(c, COORD_LINE_WARN, group,
                    "%s was put out: there is no room (GROUP_MAX_SIZE_REACHED)",
                    coord__who(c, member->id, member->client_id, member->client_host));
        coord__remove_member(c, member);
        coord__maybe_complete_join(c, group);
    }
}

/* So that the group is there after a restart, and may be deleted. */
static void store_new_group(struct group_coordinator *c, struct group *group, bool is_new)
{
    coord__record_empty_group(c, group);
    struct write *write;
    if (coord__append(c, APPEND_AS_ONE, &write) == KAFKA_NONE && is_new)
        coord__undo_creation(write, group);
}

void coord__join(struct group_coordinator *c)
{
    const struct join_group_request *request = asked(c);
    const bool has_id = request->member_id.size > 0;
    if (request->group_id.size == 0) {
        coord__refuse(c, KAFKA_INVALID_GROUP_ID);
        return;
    }
    if (request->session_timeout_ms < c->settings.session_timeout_ms_min ||
        request->session_timeout_ms > c->settings.session_timeout_ms_max) {
        coord__refuse(c, KAFKA_INVALID_SESSION_TIMEOUT);
        return;
    }
    struct group *group = coord__find(c, request->group_id);
    const bool is_foreign = group != NULL && group->kind != GROUP_CLASSIC;
    if (is_foreign && group->kind == GROUP_CONSUMER && !group_is_empty(group)) {
        coord__join_consumer_group(c, group);
        return;
    }
    if (is_foreign && (group->kind == GROUP_SHARE || !group_is_empty(group))) {
        refuse(c, BYTES_LITERAL(""), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    if (has_id && (group == NULL || is_foreign)) {
        refuse(c, request->member_id, KAFKA_UNKNOWN_MEMBER_ID);
        return;
    }
    const enum kafka_error error = is_foreign ? take_over(c, group, &group) : KAFKA_NONE;
    if (error != KAFKA_NONE) {
        refuse(c, BYTES_LITERAL(""), error);
        return;
    }
    const bool is_new = group == NULL;
    if (is_new)
        group = coord__create(c, request->group_id, c->event->wall_ms);
    if (!has_room(c, group, request->member_id) || !has_memory(c, group))
        refuse_for_room(c, group);
    else if (has_id)
        join_with_id(c, group);
    else
        join_as_new(c, group);
    if (is_new || is_foreign)
        store_new_group(c, group, is_new);
}
