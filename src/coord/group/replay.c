/* What the records of __consumer_offsets mean in memory: the same at load and when one is appended. */
#include "base/mem.h"
#include "coord/group/group_int.h"
#include "wire/messages/group_metadata_key.h"
#include "wire/messages/group_metadata_value.h"
#include "wire/messages/legacy_offset_commit_key.h"
#include "wire/messages/legacy_offset_commit_value.h"
#include "wire/messages/offset_commit_key.h"
#include "wire/messages/offset_commit_value.h"
#include "wire/record_frame.h"

/* ---- offsets -------------------------------------------------------------------------------------- */

static struct group *find_or_create(struct group_coordinator *c, struct bytes id,
                                    struct write *write)
{
    struct group *group = coord__find(c, id);
    if (group == NULL) {
        group = coord__create(c, id, c->event == NULL ? -1 : c->event->wall_ms);
        if (write != NULL)
            coord__undo_creation(write, group);
    }
    return group;
}

/* NULL where nothing is undone: at load. */
static struct pending_changes *changes_for(const struct write *write,
                                           struct pending_changes *changes)
{
    return write == NULL ? NULL : changes;
}

static void keep_changes(struct write *write, struct pending_changes *changes)
{
    for (size_t i = 0; i < changes->items.count; i++)
        VEC_ADD(&write->undos, ((struct undo){ .kind = UNDO_PENDING,
                                               .group = changes->items.items[i].group,
                                               .pending = changes->items.items[i] }));
    VEC_DEINIT(&changes->items);
}

/* value NULL: a tombstone. */
static void replay_offset(struct group_coordinator *c, int64_t producer_id, struct bytes group_id,
                          struct bytes topic, int32_t partition, const struct offset_value *value,
                          struct write *write)
{
    struct group *group =
        value == NULL ? coord__find(c, group_id) : find_or_create(c, group_id, write);
    if (group == NULL)
        return;
    struct name *name = name_ref_text(&c->names, topic);
    struct pending_changes kept = { 0 };
    struct pending_changes *changes = changes_for(write, &kept);
    if (value != NULL && producer_id != -1) {
        pending_offsets_put(&c->pending, &c->names, producer_id, group, name, partition, value,
                            changes);
    } else {
        struct offset_saved saved;
        offsets_set(&group->offsets, &c->names, name, partition, value, &saved);
        if (write != NULL)
            VEC_ADD(&write->undos,
                    ((struct undo){ .kind = UNDO_OFFSET, .group = group, .offset = saved }));
        else
            offset_saved_deinit(&saved, &c->names);
        if (value != NULL)
            pending_offsets_overtake(&c->pending, group, name, partition, changes);
        else
            pending_offsets_remove(&c->pending, &c->names, group, name, partition, changes);
    }
    keep_changes(write, &kept);
    name_unref(&c->names, name);
}

static void replay_offset_record(struct group_coordinator *c, int64_t producer_id,
                                 const struct record *record, struct write *write)
{
    const struct offset_commit_key *key = record->key;
    const struct offset_commit_value *told = record->value;
    if (told == NULL) {
        replay_offset(c, producer_id, key->group, key->topic, key->partition, NULL, write);
        return;
    }
    const struct offset_value value = { .offset = told->offset,
                                        .committed_ms = told->commit_timestamp,
                                        .expire_ms = told->expire_timestamp,
                                        .metadata = told->metadata,
                                        .topic_id = told->topic_id,
                                        .leader_epoch = told->leader_epoch };
    replay_offset(c, producer_id, key->group, key->topic, key->partition, &value, write);
}

/* Type 0, from before Kafka 0.9. */
static void replay_legacy_offset(struct group_coordinator *c, int64_t producer_id,
                                 const struct record *record, struct write *write)
{
    const struct legacy_offset_commit_key *key = record->key;
    const struct legacy_offset_commit_value *told = record->value;
    if (told == NULL) {
        replay_offset(c, producer_id, key->group, key->topic, key->partition, NULL, write);
        return;
    }
    const struct offset_value value = { .offset = told->offset,
                                        .committed_ms = told->commit_timestamp,
                                        .expire_ms = -1,
                                        .metadata = told->metadata,
                                        .leader_epoch = -1 };
    replay_offset(c, producer_id, key->group, key->topic, key->partition, &value, write);
}

/* ---- classic groups ---------------------------------------------------------------------------------- */

static void load_member(struct group_coordinator *c, struct membership *membership,
                        const struct group_metadata_value *value,
                        const struct group_metadata_value_member_metadata *told)
{
    if (membership_get(membership, told->member_id) != NULL)
        return; /* twice in one record: no Kafka writes that */
    const bool is_static = !bytes_is_null(told->group_instance_id) &&
                           membership_by_instance(membership, told->group_instance_id) == NULL;
    const struct join_group_request_protocol protocol = { .name = value->protocol,
                                                          .metadata = told->subscription };
    const struct member_params params = {
        .id = told->member_id,
        .instance_id = is_static ? told->group_instance_id : BYTES_NULL,
        .client_id = told->client_id,
        .client_host = told->client_host,
        /* Version 0 had one timeout for both. */
        .rebalance_timeout_ms =
            told->rebalance_timeout == -1 ? told->session_timeout : told->rebalance_timeout,
        .session_timeout_ms = told->session_timeout,
        .protocols = member_protocols_new(&protocol, 1, c->hash_seed),
    };
    member_set_assignment(membership_add(membership, &params), told->assignment);
}

static void load_members(struct group_coordinator *c, struct group *group,
                         const struct group_metadata_value *value)
{
    struct membership *membership = group_membership(group, c->hash_seed);
    membership_set_protocol(membership, value->protocol);
    for (int32_t i = 0; i < value->members_count; i++)
        load_member(c, membership, value, &value->members[i]);
    struct member *leader = membership_get(membership, value->leader);
    if (leader != NULL)
        membership->leader = leader;
    if (group_uses_consumers(group))
        membership_learn_topics(membership);
}

/* While loading only: what this node appends itself is in memory already. */
static void load_group(struct group_coordinator *c, struct bytes id,
                       const struct group_metadata_value *value)
{
    struct group *group = find_or_create(c, id, NULL);
    coord__set_aside(c, group, KAFKA_NONE, NULL);
    group->protocol_type =
        value->protocol_type.size == 0 ? NULL : name_ref_text(&c->names, value->protocol_type);
    group->kind = GROUP_CLASSIC;
    group->generation = value->generation;
    group->state = value->members_count == 0      ? GROUP_EMPTY
                   : bytes_is_null(value->leader) ? GROUP_PREPARING
                                                  : GROUP_STABLE;
    group->state_changed_ms = value->current_state_timestamp;
    if (value->members_count > 0)
        load_members(c, group, value);
}

/* What is left of a group that was deleted: nothing, or what its offsets need. */
static void replay_group_tombstone(struct group_coordinator *c, struct bytes id,
                                   struct write *write)
{
    struct group *group = coord__find(c, id);
    if (group == NULL || group->kind != GROUP_CLASSIC)
        return;
    coord__disperse(c, group, KAFKA_UNKNOWN_MEMBER_ID);
    if (group_is_void(group)) {
        coord__remove(c, group, write);
        return;
    }
    name_unref(&c->names, group->protocol_type);
    group->protocol_type = NULL;
    group->state = GROUP_EMPTY;
    group->generation = 0;
}

static void replay_group_record(struct group_coordinator *c, const struct record *record,
                                struct write *write)
{
    const struct group_metadata_key *key = record->key;
    if (record->value == NULL)
        replay_group_tombstone(c, key->group, write);
    else if (write == NULL)
        load_group(c, key->group, record->value);
}

/* ---- consumer groups ---------------------------------------------------------------------------------- */

static void keep_consumer_change(struct write *write, struct group *group,
                                 struct consumer_change *before)
{
    if (write == NULL) {
        consumer_change_deinit(before, false);
        return;
    }
    before->key = bytes_dup(before->key);
    VEC_ADD(&write->undos,
            ((struct undo){ .kind = UNDO_CONSUMER, .group = group, .consumer = *before }));
}

static void replay_consumer(struct group_coordinator *c, const struct record *record,
                            struct write *write)
{
    struct arena *scratch = write == NULL ? &c->load_arena : &c->effects->arena;
    struct bytes id;
    struct consumer_change change;
    consumer_record_read(record, scratch, &id, &change);
    const bool is_tombstone = !change.is_there;
    struct group *group = is_tombstone ? coord__find(c, id) : find_or_create(c, id, write);
    if (group == NULL || (is_tombstone && group->kind != GROUP_CONSUMER)) {
        consumer_change_deinit(&change, false);
        return;
    }
    consumer_group_swap(coord__become_consumer(c, group, write), &change);
    keep_consumer_change(write, group, &change);
    /* A draft builds on the group, and puts more. */
    const bool is_draft = write != NULL && write == c->draft.write;
    if (!is_tombstone || is_draft || !consumer_group_is_blank(group->consumer))
        return;
    coord__set_aside(c, group, KAFKA_UNKNOWN_MEMBER_ID, write); /* what is left are offsets */
    if (group_is_void(group))
        coord__remove(c, group, write);
}

/* ---- other protocols ------------------------------------------------------------------------------------ */

/* Every key of theirs begins with the group's id, after the type. */
static struct bytes key_group_id(struct bytes key)
{
    struct reader r = reader_from(key);
    (void)read_i16(&r); /* the type, known already */
    const int16_t size = read_i16(&r);
    const struct bytes id = read_run(&r, size < 0 ? 0 : (size_t)size);
    return reader_is_ok(&r) ? id : BYTES_NULL;
}

static void replay_foreign(struct group_coordinator *c, struct bytes key, bool is_alive,
                           enum group_kind kind, struct write *write)
{
    const struct bytes id = key_group_id(key);
    struct group *group = is_alive ? find_or_create(c, id, write) : coord__find(c, id);
    if (group == NULL)
        return;
    const uint8_t kind_before = group->kind;
    const bool was_alive = foreign_set(group, key, is_alive, c->hash_seed);
    if (is_alive) {
        if (group->kind == GROUP_CLASSIC)
            coord__disperse(c, group, KAFKA_UNKNOWN_MEMBER_ID); /* it was converted (KIP-848) */
        else if (group->kind == GROUP_CONSUMER)
            coord__set_aside(c, group, KAFKA_UNKNOWN_MEMBER_ID, write);
        group->kind = (uint8_t)kind;
        return;
    }
    if (group->foreign == NULL && (group->kind == GROUP_SHARE || group->kind == GROUP_STREAMS)) {
        group->kind = GROUP_CLASSIC; /* what is left are offsets */
        group->state = GROUP_EMPTY;
    }
    if (was_alive && write != NULL)
        VEC_ADD(&write->undos,
                ((struct undo){ .kind = UNDO_FOREIGN,
                                .group = group,
                                .foreign = { .key = bytes_dup(key), .group_kind = kind_before } }));
    if (group_is_void(group))
        coord__remove(c, group, write);
}

/* ---- all --------------------------------------------------------------------------------------------------- */

void coord__replay(struct group_coordinator *c, int64_t producer_id, const struct record *record,
                   struct write *write)
{
    if (record->key == NULL) { /* a tombstone for another protocol's record */
        replay_foreign(c, record->raw_key, false, GROUP_CLASSIC, write);
        return;
    }
    if (record->key_type == &offset_commit_key_message)
        replay_offset_record(c, producer_id, record, write);
    else if (record->key_type == &legacy_offset_commit_key_message)
        replay_legacy_offset(c, producer_id, record, write);
    else if (record->key_type == &group_metadata_key_message)
        replay_group_record(c, record, write);
    else if (consumer_record_is(record->key_type))
        replay_consumer(c, record, write);
}

void coord__replay_end(struct group_coordinator *c, int64_t producer_id, bool is_commit,
                       struct write *write)
{
    struct pending_changes kept = { 0 };
    pending_offsets_end(&c->pending, &c->names, producer_id, is_commit, changes_for(write, &kept));
    keep_changes(write, &kept);
}

static int note_record(struct err_note *note, int code, const struct framed_record *key)
{
    return err_note_prefix(note, code, "the value of a %s record", key->message->name);
}

int group_coordinator_replay(struct group_coordinator *c, int64_t producer_id, struct bytes key,
                             struct bytes value, struct err_note *note)
{
    ASSERT(c->state == COORDINATOR_LOADING);
    arena_reset(&c->load_arena);
    struct framed_record framed_key = { 0 };
    int r = coordinator_key_decode(WIRE_KIND_GROUP_KEY, key, &c->load_arena, &framed_key, note);
    if (r == -ERR_UNKNOWN_RECORD)
        return 0;
    if (r < 0)
        return err_note_prefix(note, r, "a record's key");
    enum group_kind kind;
    if (foreign_kind(framed_key.message->id, &kind)) {
        replay_foreign(c, key, !bytes_is_null(value), kind, NULL);
        return 0;
    }
    struct framed_record framed_value = { 0 };
    if (!bytes_is_null(value)) {
        r = coordinator_value_decode(&framed_key, value, &c->load_arena, &framed_value, note);
        if (r < 0)
            return note_record(note, r, &framed_key);
    }
    const struct record record = { .key_type = framed_key.message,
                                   .key = framed_key.value,
                                   .value = framed_value.value };
    coord__replay(c, producer_id, &record, NULL);
    return 0;
}

void group_coordinator_end_transaction(struct group_coordinator *c, int64_t producer_id,
                                       bool is_commit)
{
    ASSERT(c->state == COORDINATOR_LOADING);
    coord__replay_end(c, producer_id, is_commit, NULL);
}

/* ---- records to append ---------------------------------------------------------------------------------------- */

static void add(struct group_coordinator *c, const struct record *record)
{
    VEC_ADD(&c->records, *record);
}

void coord__record_offset(struct group_coordinator *c, struct bytes id, struct bytes topic,
                          int32_t partition, const struct offset_value *value)
{
    struct arena *arena = &c->effects->arena;
    struct offset_commit_key *key = ARENA_NEW(arena, struct offset_commit_key);
    offset_commit_key_init(key);
    key->group = id;
    key->topic = topic;
    key->partition = partition;
    struct record record = { .key_type = &offset_commit_key_message, .key = key };
    if (value != NULL) {
        struct offset_commit_value *told = ARENA_NEW(arena, struct offset_commit_value);
        offset_commit_value_init(told);
        told->offset = value->offset;
        told->leader_epoch = value->leader_epoch;
        told->metadata = value->metadata;
        told->commit_timestamp = value->committed_ms;
        told->expire_timestamp = value->expire_ms;
        record.value_type = &offset_commit_value_message;
        record.value = told;
        /* As Kafka 4.3. Version 1 alone can hold an expiry, and it cannot hold a topic id: it is not told in memory either, lest
         * a restart change what is known. */
        record.value_version = value->expire_ms != -1 ? 1 : 4;
        if (record.value_version == 4)
            told->topic_id = value->topic_id;
    }
    add(c, &record);
}

static const struct group_metadata_key *group_key(struct group_coordinator *c, struct bytes id)
{
    struct group_metadata_key *key = ARENA_NEW(&c->effects->arena, struct group_metadata_key);
    group_metadata_key_init(key);
    key->group = id;
    return key;
}

static void add_group(struct group_coordinator *c, struct bytes id,
                      const struct group_metadata_value *value)
{
    add(c, &(struct record){ .key_type = &group_metadata_key_message,
                             .key = group_key(c, id),
                             .value_type = &group_metadata_value_message,
                             .value_version = 3,
                             .value = value });
}

/* Without a leader when it is to rebalance: so it is loaded again. */
static void tell_members(struct arena *arena, const struct group *group,
                         struct group_metadata_value *out)
{
    const struct membership *membership = group->membership;
    out->protocol = membership->protocol;
    out->leader = group->state == GROUP_PREPARING ? BYTES_NULL : membership->leader->id;
    out->members =
        group_metadata_value_member_metadata_array(arena, map_count(&membership->members));
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        const struct member *member = w.value;
        struct group_metadata_value_member_metadata *told = &out->members[out->members_count++];
        told->member_id = member->id;
        told->group_instance_id = member->instance_id;
        told->client_id = member->client_id;
        told->client_host = member->client_host;
        told->rebalance_timeout = member->rebalance_timeout_ms;
        told->session_timeout = member->session_timeout_ms;
        told->subscription = member_metadata(member, membership->protocol);
        if (bytes_is_null(told->subscription))
            told->subscription = BYTES_LITERAL("");
        if (member->assignment.size > 0)
            told->assignment = member->assignment;
    }
}

void coord__record_group(struct group_coordinator *c, const struct group *group)
{
    struct arena *arena = &c->effects->arena;
    struct group_metadata_value *value = ARENA_NEW(arena, struct group_metadata_value);
    group_metadata_value_init(value);
    if (group->protocol_type != NULL)
        value->protocol_type = name_text(group->protocol_type);
    value->generation = group->generation;
    value->protocol = BYTES_NULL;
    value->leader = BYTES_NULL;
    value->current_state_timestamp = group->state_changed_ms;
    if (group->state != GROUP_EMPTY)
        tell_members(arena, group, value);
    add_group(c, group_id(group), value);
}

void coord__record_empty_group(struct group_coordinator *c, const struct group *group)
{
    struct group_metadata_value *value = ARENA_NEW(&c->effects->arena, struct group_metadata_value);
    group_metadata_value_init(value);
    value->protocol = BYTES_NULL;
    value->leader = BYTES_NULL;
    value->current_state_timestamp = group->state_changed_ms;
    add_group(c, group_id(group), value);
}

void coord__record_group_tombstone(struct group_coordinator *c, struct bytes id)
{
    add(c, &(struct record){ .key_type = &group_metadata_key_message, .key = group_key(c, id) });
}

void coord__record_foreign_tombstones(struct group_coordinator *c, const struct group *group)
{
    if (group->foreign == NULL)
        return;
    for (struct map_walk w = { 0 }; map_next(&group->foreign->keys, &w);)
        add(c, &(struct record){ .raw_key = coord__copy(&c->effects->arena, w.key) });
}

void coord__record_offset_tombstones(struct group_coordinator *c, const struct group *group)
{
    struct arena *arena = &c->effects->arena;
    for (uint32_t i = 0; i < group->offsets.topic_count; i++) {
        const struct offset_topic *topic = &group->offsets.topics[i];
        const struct bytes name = coord__copy(arena, name_text(topic->name));
        for (uint32_t j = 0; j < topic->count; j++)
            coord__record_offset(c, group_id(group), name, topic->items[j].partition, NULL);
    }
    for (struct pending_walk w = { 0 }; pending_offsets_next(group, &w);) {
        const struct offset_topic *topic = offsets_topic(&group->offsets, w.offset->offset.name);
        if (offset_topic_get(topic, w.offset->offset.partition) != NULL)
            continue;
        const struct bytes name = coord__copy(arena, name_text(w.offset->offset.name));
        coord__record_offset(c, group_id(group), name, w.offset->offset.partition, NULL);
    }
}
