/* See membership.h. */
#include "coord/group/membership.h"

#include "base/mem.h"
#include "coord/group/subscription.h"

#include <string.h>

/* ---- protocols --------------------------------------------------------------------------------- */

size_t member_protocols_bytes(const struct join_group_request_protocol *items, int32_t count)
{
    const size_t item_count = count < 0 ? 0 : (size_t)count;
    size_t bytes = sizeof(struct member_protocols) + item_count * sizeof(struct member_protocol);
    for (size_t i = 0; i < item_count; i++)
        bytes += items[i].name.size + items[i].metadata.size;
    return bytes;
}

struct member_protocols *member_protocols_new(const struct join_group_request_protocol *items,
                                              int32_t count, uint64_t hash_seed)
{
    const size_t item_count = count < 0 ? 0 : (size_t)count;
    struct map seen;
    map_init(&seen, hash_seed);
    const size_t bytes = member_protocols_bytes(items, count);
    struct member_protocols *out = mem_alloc(bytes);
    out->bytes = bytes;
    out->count = 0;
    uint8_t *at = (uint8_t *)&out->items[item_count];
    for (size_t i = 0; i < item_count; i++) {
        if (map_put(&seen, items[i].name, out) != NULL)
            continue; /* said before: the first counts */
        struct member_protocol *item = &out->items[out->count++];
        item->name = bytes_append(&at, items[i].name);
        item->metadata = bytes_append(&at, items[i].metadata);
    }
    map_deinit(&seen);
    return out;
}

struct bytes member_metadata(const struct member *member, struct bytes protocol)
{
    for (uint32_t i = 0; i < member->protocols->count; i++) {
        if (bytes_equal(member->protocols->items[i].name, protocol))
            return member->protocols->items[i].metadata;
    }
    return BYTES_NULL;
}

bool member_protocol_same(const struct member_protocol *a, uint32_t a_count,
                          const struct member_protocol *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (!bytes_equal(a[i].name, b[i].name) || !bytes_equal(a[i].metadata, b[i].metadata))
            return false;
    }
    return true;
}

bool member_has_protocols(const struct member *member, const struct member_protocols *protocols)
{
    return member_protocol_same(member->protocols->items, member->protocols->count,
                                protocols->items, protocols->count);
}

/* ---- votes --------------------------------------------------------------------------------------- */

static void vote(struct membership *membership, const struct member *member, bool is_for)
{
    void (*tally)(struct map *, struct bytes) = is_for ? map_tally_add : map_tally_drop;
    for (uint32_t i = 0; i < member->protocols->count; i++)
        tally(&membership->votes, member->protocols->items[i].name);
}

/* Whether all members do. */
static bool all_speak(const struct membership *membership, struct bytes protocol)
{
    return map_tally(&membership->votes, protocol) == map_count(&membership->members);
}

bool membership_speaks(const struct membership *membership,
                       const struct member_protocols *protocols)
{
    for (uint32_t i = 0; i < protocols->count; i++) {
        if (all_speak(membership, protocols->items[i].name))
            return true;
    }
    return false;
}

/* The first of its protocols that all members speak. */
static struct bytes preference(const struct membership *membership, const struct member *member)
{
    for (uint32_t i = 0; i < member->protocols->count; i++) {
        const struct bytes name = member->protocols->items[i].name;
        if (all_speak(membership, name))
            return name;
    }
    return BYTES_NULL;
}

struct bytes membership_elect_protocol(const struct membership *membership)
{
    struct map votes;
    map_init(&votes, membership->votes.seed);
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        const struct bytes name = preference(membership, w.value);
        if (!bytes_is_null(name))
            map_tally_add(&votes, name);
    }
    uintptr_t most = 0;
    for (struct map_walk w = { 0 }; map_next(&votes, &w);)
        most = MAX(most, (uintptr_t)w.value);
    /* Names out of the members, since those in `votes` go with it. */
    struct bytes elected = BYTES_NULL;
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w) && bytes_is_null(elected);) {
        const struct bytes name = preference(membership, w.value);
        if (!bytes_is_null(name) && map_tally(&votes, name) == most)
            elected = name;
    }
    map_deinit(&votes);
    return elected;
}

static void bytes_assign(struct bytes *owned, struct bytes from)
{
    const struct bytes old = *owned;
    *owned = bytes_dup(from);
    bytes_free(old);
}

void membership_set_protocol(struct membership *membership, struct bytes protocol)
{
    bytes_assign(&membership->protocol, protocol);
}

void membership_learn_topics(struct membership *membership)
{
    map_clear(&membership->topics);
    membership->knows_topics = true;
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        const struct bytes metadata = member_metadata(w.value, membership->protocol);
        if (subscription_topics(metadata, &membership->topics) < 0) {
            map_clear(&membership->topics);
            membership->knows_topics = false;
            return;
        }
    }
}

/* ---- members -------------------------------------------------------------------------------------- */

struct membership *membership_new(struct group *group, uint64_t hash_seed)
{
    struct membership *membership = MEM_NEW(struct membership);
    membership->group = group;
    map_init(&membership->members, hash_seed);
    map_init(&membership->instances, hash_seed);
    map_init(&membership->pending, hash_seed);
    map_init(&membership->votes, hash_seed);
    map_init(&membership->topics, hash_seed);
    return membership;
}

static void member_free(struct member *member)
{
    ASSERT(!member->join.is_parked && !member->sync.is_parked);
    ASSERT(!deadline_is_armed(&member->session));
    mem_free(member->protocols);
    bytes_free(member->assignment);
    mem_free(member);
}

void membership_free(struct membership *membership)
{
    if (membership == NULL)
        return;
    ASSERT(!deadline_is_armed(&membership->join_deadline) &&
           !deadline_is_armed(&membership->sync_deadline));
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);)
        member_free(w.value);
    for (struct map_walk w = { 0 }; map_next(&membership->pending, &w);) {
        const struct pending_member *pending = w.value;
        ASSERT(!deadline_is_armed(&pending->session));
        mem_free(w.value);
    }
    map_deinit(&membership->members);
    map_deinit(&membership->instances);
    map_deinit(&membership->pending);
    map_deinit(&membership->votes);
    map_deinit(&membership->topics);
    bytes_free(membership->protocol);
    mem_free(membership);
}

struct member *membership_get(const struct membership *membership, struct bytes id)
{
    return membership == NULL ? NULL : map_get(&membership->members, id);
}

struct member *membership_by_instance(const struct membership *membership, struct bytes instance_id)
{
    return membership == NULL ? NULL : map_get(&membership->instances, instance_id);
}

static struct member *member_new(struct group *group, const struct member_params *params)
{
    struct member *member =
        mem_zalloc(sizeof(*member) + params->id.size + params->instance_id.size +
                   params->client_id.size + params->client_host.size);
    uint8_t *at = (uint8_t *)member->text;
    member->group = group;
    member->id = bytes_append(&at, params->id);
    member->instance_id = bytes_append(&at, params->instance_id);
    member->client_id = bytes_append(&at, params->client_id);
    member->client_host = bytes_append(&at, params->client_host);
    member->rebalance_timeout_ms = params->rebalance_timeout_ms;
    member->session_timeout_ms = params->session_timeout_ms;
    member->protocols = params->protocols;
    return member;
}

static void enter(struct membership *membership, struct member *member)
{
    void *old = map_put(&membership->members, member->id, member);
    ASSERT(old == NULL);
    if (!bytes_is_null(member->instance_id)) {
        old = map_put(&membership->instances, member->instance_id, member);
        ASSERT(old == NULL);
    }
}

static void leave(struct membership *membership, struct member *member)
{
    (void)map_remove(&membership->members, member->id); /* it is there */
    if (!bytes_is_null(member->instance_id))
        (void)map_remove(&membership->instances, member->instance_id);
}

struct member *membership_add(struct membership *membership, const struct member_params *params)
{
    struct member *member = member_new(membership->group, params);
    enter(membership, member);
    membership->protocols_bytes += member->protocols->bytes;
    vote(membership, member, true);
    if (membership->leader == NULL)
        membership->leader = member;
    return member;
}

static struct member *oldest(const struct membership *membership)
{
    struct map_walk w = { 0 };
    return map_next(&membership->members, &w) ? w.value : NULL;
}

void membership_remove(struct membership *membership, struct member *member)
{
    member_set_sync_due(membership, member, false);
    membership->protocols_bytes -= member->protocols->bytes;
    vote(membership, member, false);
    leave(membership, member);
    if (membership->leader == member)
        membership->leader = oldest(membership);
    member_free(member);
}

struct member *membership_rename(struct membership *membership, struct member *member,
                                 struct bytes new_id)
{
    const struct member_params params = { .id = new_id,
                                          .instance_id = member->instance_id,
                                          .client_id = member->client_id,
                                          .client_host = member->client_host,
                                          .rebalance_timeout_ms = member->rebalance_timeout_ms,
                                          .session_timeout_ms = member->session_timeout_ms,
                                          .protocols = TAKE(member->protocols) };
    struct member *renamed = member_new(member->group, &params);
    renamed->assignment = member->assignment;
    renamed->is_sync_due = member->is_sync_due;
    member->assignment = BYTES_NULL;
    leave(membership, member);
    enter(membership, renamed);
    if (membership->leader == member)
        membership->leader = renamed;
    member_free(member);
    return renamed;
}

void membership_set_protocols(struct membership *membership, struct member *member,
                              struct member_protocols *protocols)
{
    vote(membership, member, false);
    membership->protocols_bytes -= member->protocols->bytes;
    membership->protocols_bytes += protocols->bytes;
    mem_free(member->protocols);
    member->protocols = protocols;
    vote(membership, member, true);
}

void member_set_assignment(struct member *member, struct bytes assignment)
{
    bytes_assign(&member->assignment, assignment.size == 0 ? BYTES_NULL : assignment);
}

/* ---- who waits --------------------------------------------------------------------------------------- */

void member_park_join(struct membership *membership, struct member *member, struct parked parked)
{
    ASSERT(!member->join.is_parked);
    parked.is_parked = true;
    member->join = parked;
    membership->joining_count++;
}

bool member_unpark_join(struct membership *membership, struct member *member, struct parked *out)
{
    if (!member->join.is_parked)
        return false;
    *out = member->join;
    member->join.is_parked = false;
    membership->joining_count--;
    return true;
}

bool member_unpark_sync(struct member *member, struct parked *out)
{
    if (!member->sync.is_parked)
        return false;
    *out = member->sync;
    member->sync.is_parked = false;
    return true;
}

void member_set_sync_due(struct membership *membership, struct member *member, bool is_due)
{
    if (member->is_sync_due == is_due)
        return;
    member->is_sync_due = is_due;
    membership->sync_due_count += is_due ? 1 : UINT32_MAX;
}

bool membership_elect_leader(struct membership *membership)
{
    if (membership->leader == NULL)
        return false;
    if (membership->leader->join.is_parked)
        return true;
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        struct member *member = w.value;
        if (member->join.is_parked) {
            membership->leader = member;
            return true;
        }
    }
    return false;
}

int32_t membership_rebalance_timeout_ms(const struct membership *membership)
{
    int32_t longest_ms = 0;
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        const struct member *member = w.value;
        longest_ms = MAX(longest_ms, member->rebalance_timeout_ms);
    }
    return longest_ms;
}

bool membership_all_joined(const struct membership *membership)
{
    return map_count(&membership->members) == membership->joining_count &&
           map_count(&membership->pending) == 0;
}

bool membership_is_vacant(const struct membership *membership)
{
    return map_count(&membership->members) == 0 && map_count(&membership->pending) == 0;
}

/* ---- ids that were handed out ----------------------------------------------------------------------- */

struct pending_member *membership_add_pending(struct membership *membership, struct bytes id)
{
    struct pending_member *pending = mem_zalloc(sizeof(*pending) + id.size);
    pending->group = membership->group;
    pending->id_size = (uint32_t)id.size;
    memcpy(pending->id, id.data, id.size);
    void *old = map_put(&membership->pending, id, pending);
    ASSERT(old == NULL);
    return pending;
}

struct pending_member *membership_get_pending(const struct membership *membership, struct bytes id)
{
    return membership == NULL ? NULL : map_get(&membership->pending, id);
}

void membership_remove_pending(struct membership *membership, struct pending_member *pending)
{
    ASSERT(!deadline_is_armed(&pending->session));
    (void)map_remove(&membership->pending, bytes_from(pending->id, pending->id_size));
    mem_free(pending);
}

struct pending_member *membership_oldest_pending(const struct membership *membership)
{
    struct map_walk w = { 0 };
    return map_next(&membership->pending, &w) ? w.value : NULL;
}
