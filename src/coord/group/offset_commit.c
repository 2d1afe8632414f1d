/* OffsetCommit: by members of a generation, and by those who manage their partitions alone (KIP-62, 211, 345, 848). */
#include "coord/group/group_int.h"

#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"

/* From here on a group that is not there is told apart from a wrong generation. */
#define VERSION_GROUP_NOT_FOUND 9

static enum kafka_error check_unknown(const struct group_coordinator *c,
                                      const struct offset_committer *committer)
{
    if (committer->generation < 0)
        return KAFKA_NONE; /* a simple group comes into being */
    const bool is_told_apart =
        !committer->is_transactional && c->event->request.version >= VERSION_GROUP_NOT_FOUND;
    return is_told_apart ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_ILLEGAL_GENERATION;
}

/* Who manages partitions alone; in a transaction that is allowed beside members, too. */
static bool is_anonymous(const struct offset_committer *committer)
{
    return committer->generation < 0 && committer->member_id.size == 0 &&
           bytes_is_null(committer->instance_id);
}

static bool may_be_anyone(const struct group *group, const struct offset_committer *committer)
{
    return (committer->generation < 0 && group_is_empty(group)) ||
           (committer->is_transactional && is_anonymous(committer));
}

static enum kafka_error wrong_epoch(const struct consumer *consumer,
                                    const struct offset_committer *committer)
{
    return consumer->profile->is_classic || committer->is_transactional ? KAFKA_ILLEGAL_GENERATION
                                                                        : KAFKA_STALE_MEMBER_EPOCH;
}

/* An epoch behind is looked at for each partition: coord__check_commit. */
static enum kafka_error check_consumer(const struct group_coordinator *c, const struct group *group,
                                       const struct offset_committer *committer)
{
    if (may_be_anyone(group, committer))
        return KAFKA_NONE;
    const struct consumer *consumer = consumer_group_member(group->consumer, committer->member_id);
    if (consumer == NULL)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (!committer->is_transactional && !consumer->profile->is_classic &&
        c->event->request.version < VERSION_GROUP_NOT_FOUND)
        return KAFKA_UNSUPPORTED_VERSION;
    return committer->generation > group_consumer_now(consumer)->epoch
               ? wrong_epoch(consumer, committer)
               : KAFKA_NONE;
}

const struct consumer *coord__committer_behind(const struct group *group,
                                               const struct offset_committer *committer)
{
    if (group == NULL || group->kind != GROUP_CONSUMER || may_be_anyone(group, committer))
        return NULL;
    const struct consumer *consumer = consumer_group_member(group->consumer, committer->member_id);
    return committer->generation == group_consumer_now(consumer)->epoch ? NULL : consumer;
}

enum kafka_error coord__check_commit(const struct consumer *behind,
                                     const struct offset_committer *committer, struct uuid topic_id,
                                     int32_t partition)
{
    const struct consumer_state *now = group_consumer_now(behind);
    const struct assigned_topic *topic = assignment_topic(now->assigned, topic_id);
    int32_t index = assigned_index(topic, partition);
    if (index < 0) {
        topic = assignment_topic(now->revoking, topic_id);
        index = assigned_index(topic, partition);
    }
    return index < 0 || committer->generation < topic->epochs[index]
               ? wrong_epoch(behind, committer)
               : KAFKA_NONE;
}

/* Members of other protocols cannot live here; an empty group may be written to by administrators. */
static enum kafka_error check_foreign(const struct group_coordinator *c, const struct group *group,
                                      const struct offset_committer *committer)
{
    if (committer->generation < 0 && group_is_empty(group))
        return KAFKA_NONE;
    if (committer->is_transactional)
        return is_anonymous(committer)                           ? KAFKA_NONE
               : foreign_has_member(group, committer->member_id) ? KAFKA_ILLEGAL_GENERATION
                                                                 : KAFKA_UNKNOWN_MEMBER_ID;
    if (foreign_has_member(group, committer->member_id) &&
        c->event->request.version < VERSION_GROUP_NOT_FOUND)
        return KAFKA_UNSUPPORTED_VERSION;
    return KAFKA_UNKNOWN_MEMBER_ID;
}

enum kafka_error coord__check_committer(const struct group_coordinator *c,
                                        const struct group *group,
                                        const struct offset_committer *committer)
{
    if (group == NULL)
        return check_unknown(c, committer);
    if (group->kind == GROUP_CONSUMER)
        return check_consumer(c, group, committer);
    if (group->kind != GROUP_CLASSIC)
        return check_foreign(c, group, committer);
    if (committer->generation < 0 && group->state == GROUP_EMPTY)
        return KAFKA_NONE;
    if (is_anonymous(committer))
        return committer->is_transactional ? KAFKA_NONE : KAFKA_UNKNOWN_MEMBER_ID;
    const enum kafka_error error =
        coord__check_member(group, committer->member_id, committer->instance_id);
    if (error != KAFKA_NONE)
        return error;
    if (committer->generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    return !committer->is_transactional && group->state == GROUP_COMPLETING
               ? KAFKA_REBALANCE_IN_PROGRESS
               : KAFKA_NONE;
}

bool coord__is_metadata_too_long(const struct group_coordinator *c, struct bytes metadata)
{
    return metadata.size > (size_t)c->settings.metadata_length_max &&
           java_string_length(metadata) > (size_t)c->settings.metadata_length_max;
}

static void record_partition(struct group_coordinator *c,
                             const struct offset_commit_request *request,
                             const struct offset_commit_request_topic *topic,
                             const struct offset_commit_request_partition *partition)
{
    const int64_t wall_ms = c->event->wall_ms;
    const struct offset_value value = {
        .offset = partition->committed_offset,
        .committed_ms = wall_ms,
        /* Versions 2 to 4 may say how long it is to be kept. */
        .expire_ms = request->retention_time_ms == -1
                         ? -1
                         : i64_add_clamped(wall_ms, request->retention_time_ms),
        .metadata = bytes_is_null(partition->committed_metadata) ? BYTES_LITERAL("")
                                                                 : partition->committed_metadata,
        .topic_id = topic->topic_id,
        .leader_epoch = partition->committed_leader_epoch,
    };
    coord__record_offset(c, request->group_id, topic->name, partition->partition_index, &value);
}

static enum kafka_error check_partitions(const struct group_coordinator *c,
                                         const struct group *group,
                                         const struct offset_committer *committer)
{
    const struct offset_commit_request *request = c->event->request.message;
    const struct consumer *behind = coord__committer_behind(group, committer);
    enum kafka_error error = KAFKA_NONE;
    for (int32_t i = 0; behind != NULL && i < request->topics_count; i++) {
        const struct offset_commit_request_topic *topic = &request->topics[i];
        for (int32_t j = 0; error == KAFKA_NONE && j < topic->partitions_count; j++) {
            if (!coord__is_metadata_too_long(c, topic->partitions[j].committed_metadata))
                error = coord__check_commit(behind, committer, topic->topic_id,
                                            topic->partitions[j].partition_index);
        }
    }
    return error;
}

static void record_all(struct group_coordinator *c, const struct offset_commit_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct offset_commit_request_topic *topic = &request->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            if (!coord__is_metadata_too_long(c, topic->partitions[j].committed_metadata))
                record_partition(c, request, topic, &topic->partitions[j]);
        }
    }
}

static struct offset_commit_response *tell(struct group_coordinator *c,
                                           const struct offset_commit_request *request)
{
    struct arena *arena = coord__arena(c);
    struct offset_commit_response *out = group_refusal(&c->event->request, KAFKA_NONE, arena);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct offset_commit_request_topic *topic = &request->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            if (coord__is_metadata_too_long(c, topic->partitions[j].committed_metadata))
                out->topics[i].partitions[j].error_code = KAFKA_OFFSET_METADATA_TOO_LARGE;
        }
    }
    return out;
}

/* A commit is a sign of life, but where the generation is not settled. */
static void renew_session(struct group_coordinator *c, const struct group *group,
                          struct bytes member_id)
{
    if (group == NULL || group->kind != GROUP_CLASSIC ||
        (group->state != GROUP_STABLE && group->state != GROUP_PREPARING))
        return;
    struct member *member = membership_get(group->membership, member_id);
    if (member != NULL)
        coord__renew_session(c, member, member->session_timeout_ms);
}

void coord__offset_commit(struct group_coordinator *c)
{
    const struct offset_commit_request *request = c->event->request.message;
    const struct group *group = coord__find(c, request->group_id);
    const struct offset_committer committer = { .member_id = request->member_id,
                                                .instance_id = request->group_instance_id,
                                                .generation =
                                                    request->generation_id_or_member_epoch };
    enum kafka_error error = coord__check_committer(c, group, &committer);
    if (error == KAFKA_NONE)
        error = check_partitions(c, group, &committer);
    if (error == KAFKA_NONE) {
        renew_session(c, group, request->member_id);
        record_all(c, request);
        struct write *write;
        error = coord__append(c, APPEND_AS_ONE | APPEND_REPLAY, &write);
    }
    if (error != KAFKA_NONE)
        coord__refuse(c, error);
    else
        coord__answer(c, tell(c, request));
}
