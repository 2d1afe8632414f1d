/* See transaction_questions.h. */
#include "server/transaction_questions.h"

#include "config/config.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"

#define ADD_PARTITIONS_VERSION 5

/* ---- the question ------------------------------------------------------------------------------------------ */

/* How many partitions from `first` on are of one topic. */
static uint32_t run_length(const struct transaction_question *question, uint32_t first)
{
    uint32_t end = first + 1;
    while (end < question->partition_count &&
           bytes_equal(question->partitions[end].topic, question->partitions[first].topic))
        end++;
    return end - first;
}

static void put_topics(const struct transaction_question *question,
                       struct add_partitions_to_txn_request_transaction *out)
{
    struct arena *arena = question->arena;
    out->topics = add_partitions_to_txn_request_topic_array(arena, question->partition_count);
    for (uint32_t i = 0; i < question->partition_count;) {
        struct add_partitions_to_txn_request_topic *topic = &out->topics[out->topics_count++];
        const uint32_t count = run_length(question, i);
        topic->name = question->partitions[i].topic;
        topic->partitions = ARENA_NEW_ARRAY(arena, int32_t, count);
        topic->partitions_count = (int32_t)count;
        for (uint32_t j = 0; j < count; j++)
            topic->partitions[j] = question->partitions[i++].partition;
    }
}

static const void *build(const struct transaction_question *question)
{
    struct add_partitions_to_txn_request *m =
        ARENA_NEW(question->arena, struct add_partitions_to_txn_request);
    add_partitions_to_txn_request_init(m);
    m->transactions = add_partitions_to_txn_request_transaction_array(question->arena, 1);
    m->transactions_count = 1;
    m->transactions[0].transactional_id = question->transactional_id;
    m->transactions[0].producer_id = question->producer_id;
    m->transactions[0].producer_epoch = question->producer_epoch;
    m->transactions[0].verify_only = question->support != TRANSACTION_ADD;
    put_topics(question, &m->transactions[0]);
    return m;
}

/* ---- the answer -------------------------------------------------------------------------------------------- */

static enum kafka_error told(const struct transaction_question *question, int16_t code)
{
    if (code == KAFKA_PRODUCER_FENCED)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (code == KAFKA_TRANSACTION_ABORTABLE && question->support == TRANSACTION_VERIFY_OLD)
        return KAFKA_INVALID_TXN_STATE;
    return (enum kafka_error)code;
}

/* In the order in which it was asked. */
static void take(struct transaction_question *question,
                 const struct add_partitions_to_txn_response_result *result)
{
    uint32_t at = 0;
    for (int32_t i = 0; i < result->topic_results_count; i++) {
        const struct add_partitions_to_txn_response_topic_result *topic = &result->topic_results[i];
        for (int32_t j = 0; j < topic->results_by_partition_count; j++)
            question->partitions[at++].error =
                told(question, topic->results_by_partition[j].partition_error_code);
    }
    ASSERT(at == question->partition_count);
}

static bool waits(struct transaction_question *question)
{
    const struct config *config = question->shard->config;
    const int64_t now_ms = io_monotonic_ns(question->shard->io) / NS_PER_MS;
    if (question->support != TRANSACTION_ADD || question->partition_count == 0 ||
        question->partitions[0].error != KAFKA_CONCURRENT_TRANSACTIONS ||
        now_ms >= question->give_up_ms)
        return false;
    list_push_back(transactions_questions(question->shard), &question->link);
    io_timer_arm_after(question->shard->io, &question->timer,
                       config_i64(config, SETTING_BROKER_ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS));
    return true;
}

static void on_answer(struct transaction_ask *ask, void *response)
{
    struct transaction_question *question = CONTAINER_OF(ask, struct transaction_question, ask);
    const struct add_partitions_to_txn_response *answer = response;
    take(question, &answer->results_by_transaction[0]);
    if (!waits(question))
        question->done(question);
}

static void ask(struct transaction_question *question)
{
    transactions_ask(question->shard,
                     transactions_partition_of(question->shard, question->transactional_id),
                     &question->ask);
}

static void on_timer(struct io_timer *timer)
{
    struct transaction_question *question = CONTAINER_OF(timer, struct transaction_question, timer);
    list_remove(&question->link);
    question->again(question);
    ask(question);
}

void transaction_questions_end(struct list *waiting)
{
    for (struct list *link; (link = list_pop_front(waiting)) != NULL;) {
        struct transaction_question *question = LIST_ENTRY(link, struct transaction_question, link);
        io_timer_cancel(question->shard->io, &question->timer);
        question->done(question);
    }
}

void transaction_question_ask(struct shard *shard, struct transaction_question *question)
{
    const int64_t patience_ms =
        config_i64(shard->config, SETTING_BROKER_ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS);
    question->shard = shard;
    question->timer = (struct io_timer){ .fire = on_timer };
    question->give_up_ms = io_monotonic_ns(shard->io) / NS_PER_MS + patience_ms;
    question->ask = (struct transaction_ask){ .request = { .api_key = API_ADD_PARTITIONS_TO_TXN,
                                                           .version = ADD_PARTITIONS_VERSION,
                                                           .message = build(question) },
                                              .arena = question->arena,
                                              .done = on_answer };
    ask(question);
}
