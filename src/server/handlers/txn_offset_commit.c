/* TxnOffsetCommit: topics are looked up and the transaction is verified here (KIP-890), the rest is coord/group/txn_offset_commit.c.
 *
 *   sort ──► the partition of __consumer_offsets has the transaction open ───────────────────► group coordinator ──► answer
 *                └── not yet: ask the transaction coordinator, or have it added (version 5) ──┘
 */
#include "coord/group/group_coordinator.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/groups.h"
#include "server/topic_lookup.h"
#include "server/transaction_questions.h"
#include "wire/messages/txn_offset_commit_request.h"
#include "wire/messages/txn_offset_commit_response.h"

#define VERSION_LOADING 2 /* from here on clients know COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296) */

struct commit {
    struct group_ask ask;
    struct transaction_question question;
    struct transaction_partition asked;          /* of the question */
    int32_t partition;                           /* of __consumer_offsets */
    struct txn_offset_commit_request wanted;     /* what exists */
    struct txn_offset_commit_response *response; /* of all that was asked */
    int16_t *
        *awaited; /* the codes in it that are the coordinator's to say, in the order of `wanted` */
    size_t awaited_count;
};

/* ---- topics ---------------------------------------------------------------------------------- */

static enum kafka_error look_up(struct request *request, struct bytes name,
                                const struct metadata_topic **out)
{
    const enum kafka_error error = topic_lookup(request->shard, name, UUID_ZERO, out);
    return authorize(request, ACL_READ, ACL_TOPIC, name) ? error : KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

/* Which of a topic's partitions are there; those go to `wanted`. */
static void sort_topic(struct commit *commit, const struct txn_offset_commit_request_topic *asked,
                       struct txn_offset_commit_request_topic *wanted,
                       struct txn_offset_commit_response_topic *out)
{
    struct request *request = commit->ask.request;
    const struct metadata_topic *topic = NULL;
    const enum kafka_error error = look_up(request, asked->name, &topic);
    const size_t count = (size_t)asked->partitions_count;
    out->name = asked->name;
    out->partitions = txn_offset_commit_response_partition_array(&request->arena, count);
    out->partitions_count = asked->partitions_count;
    wanted->name = asked->name;
    wanted->partitions = txn_offset_commit_request_partition_array(&request->arena, count);
    for (int32_t i = 0; i < asked->partitions_count; i++) {
        const int32_t index = asked->partitions[i].partition_index;
        out->partitions[i].partition_index = index;
        out->partitions[i].error_code = (int16_t)error;
        if (error != KAFKA_NONE)
            continue;
        if (metadata_topic_partition(topic, index) == NULL) {
            out->partitions[i].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        commit->awaited[commit->awaited_count++] = &out->partitions[i].error_code;
        wanted->partitions[wanted->partitions_count++] = asked->partitions[i];
    }
}

static struct commit *sort_topics(struct request *request)
{
    const struct txn_offset_commit_request *asked = request->message;
    struct commit *commit = REQUEST_NEW(request, struct commit);
    const size_t count = (size_t)asked->topics_count;
    commit->ask.request = request;
    commit->wanted = *asked;
    commit->wanted.topics = txn_offset_commit_request_topic_array(&request->arena, count);
    commit->wanted.topics_count = 0;
    commit->response = REQUEST_NEW(request, struct txn_offset_commit_response);
    txn_offset_commit_response_init(commit->response);
    commit->response->topics = txn_offset_commit_response_topic_array(&request->arena, count);
    size_t partition_count = 0;
    for (int32_t i = 0; i < asked->topics_count; i++)
        partition_count += (size_t)asked->topics[i].partitions_count;
    commit->awaited = REQUEST_NEW_ARRAY(request, int16_t *, partition_count);
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (asked->topics[i].partitions_count == 0)
            continue; /* as in Kafka, of which nothing is told */
        struct txn_offset_commit_request_topic *wanted =
            &commit->wanted.topics[commit->wanted.topics_count];
        sort_topic(commit, &asked->topics[i], wanted,
                   &commit->response->topics[commit->response->topics_count++]);
        if (wanted->partitions_count > 0)
            commit->wanted.topics_count++;
    }
    return commit;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static enum kafka_error told(const struct request *request, int16_t code)
{
    if (code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS && request->version < VERSION_LOADING)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    return (enum kafka_error)code;
}

static void merge(struct commit *commit, const struct txn_offset_commit_response *answered)
{
    size_t next = 0;
    for (int32_t i = 0; i < answered->topics_count; i++) {
        for (int32_t j = 0; j < answered->topics[i].partitions_count; j++)
            *commit->awaited[next++] =
                (int16_t)told(commit->ask.request, answered->topics[i].partitions[j].error_code);
    }
    ASSERT(next == commit->awaited_count);
}

static void on_answer(struct group_ask *ask, void *response)
{
    struct commit *commit = CONTAINER_OF(ask, struct commit, ask);
    merge(commit, response);
    request_reply(ask->request, commit->response);
}

/* The answer for all that awaits one. */
static void fail(struct commit *commit, enum kafka_error error)
{
    struct request *request = commit->ask.request;
    const struct group_request asked = { .api_key = API_TXN_OFFSET_COMMIT,
                                         .version = request->version,
                                         .message = &commit->wanted };
    on_answer(&commit->ask, group_refusal(&asked, error, &request->arena));
}

/* ---- the transaction ------------------------------------------------------------------------- */

static void on_verified(struct transaction_question *question)
{
    struct commit *commit = CONTAINER_OF(question, struct commit, question);
    const enum kafka_error error = commit->asked.error;
    /* A retriable error that older clients might not know; this one needs no new look-up. */
    if (error == KAFKA_NETWORK_EXCEPTION)
        fail(commit, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    else if (error != KAFKA_NONE)
        fail(commit, group_error_of_append(error));
    else
        groups_ask(commit->ask.request, commit->partition, &commit->wanted, &commit->ask);
}

static enum transaction_support support_of(int16_t version)
{
    return version >= 5   ? TRANSACTION_ADD
           : version == 4 ? TRANSACTION_VERIFY
                          : TRANSACTION_VERIFY_OLD;
}

/* 0: nobody need be asked, or the group's coordinator is not here, which it will say itself. */
static uint64_t begin_verification(const struct commit *commit)
{
    const struct request *request = commit->ask.request;
    const struct metadata_topic *topic =
        metadata_topic_by_name(request->shard->image, BYTES_LITERAL(TOPIC_CONSUMER_OFFSETS));
    struct partition *p = NULL;
    if (topic == NULL ||
        partition_lookup(request->shard, topic, commit->partition, -1, &p) != KAFKA_NONE ||
        (support_of(request->version) != TRANSACTION_ADD &&
         !log_config(p->log)->transaction_verification))
        return 0;
    return log_verification_begin(p->log, commit->wanted.producer_id, commit->wanted.producer_epoch,
                                  -1, io_now_ms(request->shard->io));
}

static void on_again(struct transaction_question *question)
{
    struct commit *commit = CONTAINER_OF(question, struct commit, question);
    commit->ask.verification_guard = begin_verification(commit);
}

static void ask(struct commit *commit)
{
    struct request *request = commit->ask.request;
    commit->ask.done = on_answer;
    commit->partition = groups_partition_of(request->shard, commit->wanted.group_id);
    commit->ask.verification_guard = begin_verification(commit);
    if (commit->ask.verification_guard == 0) {
        groups_ask(request, commit->partition, &commit->wanted, &commit->ask);
        return;
    }
    commit->asked = (struct transaction_partition){ .topic = BYTES_LITERAL(TOPIC_CONSUMER_OFFSETS),
                                                    .partition = commit->partition };
    commit->question =
        (struct transaction_question){ .transactional_id = commit->wanted.transactional_id,
                                       .producer_id = commit->wanted.producer_id,
                                       .producer_epoch = commit->wanted.producer_epoch,
                                       .support = support_of(request->version),
                                       .partitions = &commit->asked,
                                       .partition_count = 1,
                                       .arena = &request->arena,
                                       .done = on_verified,
                                       .again = on_again };
    transaction_question_ask(request->shard, &commit->question);
}

static void handle(struct request *request)
{
    const struct txn_offset_commit_request *asked = request->message;
    if (!authorize(request, ACL_WRITE, ACL_TRANSACTIONAL_ID, asked->transactional_id)) {
        groups_refuse(request, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        return;
    }
    if (!authorize(request, ACL_READ, ACL_GROUP, asked->group_id)) {
        groups_refuse(request, KAFKA_GROUP_AUTHORIZATION_FAILED);
        return;
    }
    struct commit *commit = sort_topics(request);
    if (commit->wanted.topics_count == 0)
        request_reply(request, commit->response);
    else if (asked->group_id.size == 0)
        fail(commit, KAFKA_INVALID_GROUP_ID);
    else
        ask(commit);
}

const struct api_handler txn_offset_commit_handler = {
    .api_key = API_TXN_OFFSET_COMMIT,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
