/* Offsets in transactions: TxnOffsetCommit, and the markers that end transactions on this partition (KIP-98, 447, 890).
 *
 * Their records are those of OffsetCommit in batches of the transaction. They wait in pending_offsets until the marker.
 */
#include "coord/group/group_int.h"

#include "wire/messages/txn_offset_commit_request.h"
#include "wire/messages/txn_offset_commit_response.h"
#include "wire/messages/write_txn_markers_response.h"

static void record_partition(struct group_coordinator *c,
                             const struct txn_offset_commit_request *request,
                             const struct txn_offset_commit_request_topic *topic,
                             const struct txn_offset_commit_request_partition *partition)
{
    const struct offset_value value = {
        .offset = partition->committed_offset,
        .committed_ms = c->event->wall_ms,
        .expire_ms = -1,
        .metadata = bytes_is_null(partition->committed_metadata) ? BYTES_LITERAL("")
                                                                 : partition->committed_metadata,
        .leader_epoch = partition->committed_leader_epoch,
    };
    coord__record_offset(c, request->group_id, topic->name, partition->partition_index, &value);
}

static void record_all(struct group_coordinator *c, const struct txn_offset_commit_request *request)
{
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct txn_offset_commit_request_topic *topic = &request->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            if (!coord__is_metadata_too_long(c, topic->partitions[j].committed_metadata))
                record_partition(c, request, topic, &topic->partitions[j]);
        }
    }
}

static struct txn_offset_commit_response *tell(struct group_coordinator *c,
                                               const struct txn_offset_commit_request *request)
{
    struct txn_offset_commit_response *out =
        group_refusal(&c->event->request, KAFKA_NONE, coord__arena(c));
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct txn_offset_commit_request_topic *topic = &request->topics[i];
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            if (coord__is_metadata_too_long(c, topic->partitions[j].committed_metadata))
                out->topics[i].partitions[j].error_code = KAFKA_OFFSET_METADATA_TOO_LARGE;
        }
    }
    return out;
}

/* Topics come by name alone: of one that is not there nobody can say whose it is. */
static enum kafka_error check_partitions(const struct group_coordinator *c,
                                         const struct group *group,
                                         const struct offset_committer *committer)
{
    const struct txn_offset_commit_request *request = c->event->request.message;
    const struct consumer *behind = coord__committer_behind(group, committer);
    enum kafka_error error = KAFKA_NONE;
    for (int32_t i = 0; behind != NULL && i < request->topics_count; i++) {
        const struct txn_offset_commit_request_topic *topic = &request->topics[i];
        const struct metadata_topic *known =
            c->image == NULL ? NULL : metadata_topic_by_name(c->image, topic->name);
        const struct uuid id = known == NULL ? UUID_ZERO : known->id;
        for (int32_t j = 0; error == KAFKA_NONE && j < topic->partitions_count; j++) {
            if (!coord__is_metadata_too_long(c, topic->partitions[j].committed_metadata))
                error = coord__check_commit(behind, committer, id,
                                            topic->partitions[j].partition_index);
        }
    }
    return error;
}

void coord__txn_offset_commit(struct group_coordinator *c)
{
    const struct txn_offset_commit_request *request = c->event->request.message;
    const struct coord_transaction transaction = {
        .producer_id = request->producer_id,
        .producer_epoch = request->producer_epoch,
        .verification_guard = c->event->request.verification_guard,
    };
    const struct offset_committer committer = { .member_id = request->member_id,
                                                .instance_id = request->group_instance_id,
                                                .generation = request->generation_id,
                                                .is_transactional = true };
    const struct group *group = coord__find(c, request->group_id);
    enum kafka_error error = coord__check_committer(c, group, &committer);
    if (error == KAFKA_NONE)
        error = check_partitions(c, group, &committer);
    if (error == KAFKA_NONE) {
        record_all(c, request);
        struct write *write;
        error = coord__append_in(c, APPEND_AS_ONE | APPEND_REPLAY, &transaction, &write);
    }
    if (error != KAFKA_NONE)
        coord__refuse(c, error);
    else
        coord__answer(c, tell(c, request));
}

/* ---- markers ---------------------------------------------------------------------------------- */

static struct write_txn_markers_response_writable_txn_marker_partition_result *
result_in(struct arena *arena, enum kafka_error error)
{
    struct write_txn_markers_response_writable_txn_marker_partition_result *out =
        write_txn_markers_response_writable_txn_marker_partition_result_array(arena, 1);
    out->error_code = (int16_t)error;
    return out;
}

void coord__end_transaction(struct group_coordinator *c)
{
    const struct group_transaction_end *asked = &c->event->transaction_end;
    if (c->state != COORDINATOR_ACTIVE) {
        coord__answer_now(c, asked->token, API_WRITE_TXN_MARKERS,
                          result_in(&c->effects->arena, c->state == COORDINATOR_LOADING
                                                            ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS
                                                            : KAFKA_NOT_COORDINATOR));
        return;
    }
    struct coord_transaction end = asked->end;
    end.is_end = true;
    struct write *write;
    const enum kafka_error error = coord__append_in(c, 0, &end, &write);
    ASSERT(error == KAFKA_NONE); /* it has no records */
    VEC_ADD(&write->answers,
            ((struct deferred_answer){ .token = asked->token,
                                       .api_key = API_WRITE_TXN_MARKERS,
                                       .message = result_in(&write->arena, KAFKA_NONE) }));
}
