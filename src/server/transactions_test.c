/* Transactions through the whole pipeline: from InitProducerId to the markers in the partitions. */
#include "server/transactions.h"

#include "base/mem.h"
#include "server/transaction_questions.h"
#include "server/world_test.h"
#include "wire/batch.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"
#include "wire/messages/describe_transactions_request.h"
#include "wire/messages/describe_transactions_response.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/list_transactions_request.h"
#include "wire/messages/list_transactions_response.h"

/* As clients before version 2 ask it: partitions 0 … count - 1 of t. */
static const struct add_partitions_to_txn_response_topic_result *
add_partitions(struct world *w, const char *name, int32_t count)
{
    struct add_partitions_to_txn_request m = add_partitions_to_txn_request_default;
    struct add_partitions_to_txn_request_topic topic = add_partitions_to_txn_request_topic_default;
    int32_t partitions[8];
    topic.name = bytes_from_text(name);
    topic.partitions = partitions;
    topic.partitions_count = count;
    for (int32_t i = 0; i < count; i++)
        partitions[i] = i;
    m.v3_and_below_transactional_id = WORLD_TRANSACTIONAL_ID;
    m.v3_and_below_producer_id = WORLD_FIRST_PRODUCER_ID;
    m.v3_and_below_topics = &topic;
    m.v3_and_below_topics_count = 1;
    const struct add_partitions_to_txn_response *answer =
        world_call(w, API_ADD_PARTITIONS_TO_TXN, 3, &m);
    EXPECT_EQ(answer->results_by_topic_v3_and_below_count, 1);
    return answer->results_by_topic_v3_and_below;
}

static int16_t first_error(const struct add_partitions_to_txn_response_topic_result *result)
{
    return result->results_by_partition[0].partition_error_code;
}

static int64_t end_of(struct world *w, int32_t index)
{
    return partition_readable_end(replicas_get(w->rig.shard.replicas, w->topic, index),
                                  FETCH_HIGH_WATERMARK);
}

TEST(transactions, a_commit_marks_every_partition)
{
    struct world w;
    world_begin(&w, context->seed);
    EXPECT_EQ(world_init_producer(&w), 0);
    EXPECT_EQ(first_error(add_partitions(&w, "t", 2)), KAFKA_NONE);
    EXPECT_EQ(end_of(&w, 0), 0);
    EXPECT_EQ(world_end_transaction(&w, 4, 0, true), KAFKA_NONE);
    EXPECT_EQ(end_of(&w, 0), 1);
    EXPECT_EQ(end_of(&w, 1), 1);
    EXPECT_EQ(world_end_transaction(&w, 4, 0, true), KAFKA_NONE); /* again: it has ended */
    EXPECT_EQ(world_end_transaction(&w, 4, 0, false), KAFKA_INVALID_TXN_STATE);
    EXPECT_EQ(end_of(&w, 0), 1);
    EXPECT_EQ(world_init_producer(&w), 1);
    EXPECT_EQ(world_end_transaction(&w, 4, 0, true), KAFKA_PRODUCER_FENCED);
    world_end(&w);
}

/* What an answer would take is known before any of it is built. */
TEST(transactions, more_partitions_than_memory_holds_are_not_looked_at)
{
    enum { COUNT = 1000000 };
    struct world w;
    struct add_partitions_to_txn_request m = add_partitions_to_txn_request_default;
    struct add_partitions_to_txn_request_topic topic = add_partitions_to_txn_request_topic_default;
    world_begin(&w, context->seed);
    topic.name = BYTES_LITERAL("t");
    topic.partitions = MEM_NEW_ARRAY(int32_t, COUNT);
    topic.partitions_count = COUNT;
    m.v3_and_below_transactional_id = WORLD_TRANSACTIONAL_ID;
    m.v3_and_below_topics = &topic;
    m.v3_and_below_topics_count = 1;
    world_send(&w, API_ADD_PARTITIONS_TO_TXN, 3, &m);
    server_rig_run_ms(&w.rig, 5000);
    server_rig_expect_line(&w.rig, "AddPartitionsToTxn version 3 asks for 1000000 parts");
    mem_free(topic.partitions);
    world_leave(&w);
    world_end(&w);
}

TEST(transactions, partitions_that_cannot_be_added_keep_the_others_out)
{
    struct world w;
    world_begin(&w, context->seed);
    EXPECT_EQ(world_init_producer(&w), 0);
    const struct add_partitions_to_txn_response_topic_result *result = add_partitions(&w, "t", 3);
    EXPECT_EQ(first_error(result), KAFKA_OPERATION_NOT_ATTEMPTED);
    EXPECT_EQ(result->results_by_partition[2].partition_error_code,
              KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_EQ(first_error(add_partitions(&w, "u", 1)), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_EQ(first_error(add_partitions(&w, "__transaction_state", 1)),
              KAFKA_TOPIC_AUTHORIZATION_FAILED);
    EXPECT_EQ(world_end_transaction(&w, 4, 0, true),
              KAFKA_INVALID_TXN_STATE); /* nothing was added */
    world_end(&w);
}

TEST(transactions, administrators_see_what_is_open)
{
    struct world w;
    world_begin(&w, context->seed);
    EXPECT_EQ(world_init_producer(&w), 0);
    EXPECT_EQ(first_error(add_partitions(&w, "t", 2)), KAFKA_NONE);

    struct bytes ids[] = { WORLD_TRANSACTIONAL_ID, BYTES_LITERAL("nobody"), BYTES_LITERAL("") };
    struct describe_transactions_request describe = describe_transactions_request_default;
    describe.transactional_ids = ids;
    describe.transactional_ids_count = 3;
    const struct describe_transactions_response *told =
        world_call(&w, API_DESCRIBE_TRANSACTIONS, 0, &describe);
    EXPECT_EQ(told->transaction_states_count, 3);
    EXPECT_BYTES(told->transaction_states[0].transaction_state, BYTES_LITERAL("Ongoing"));
    EXPECT_EQ(told->transaction_states[0].topics_count, 1);
    EXPECT_EQ(told->transaction_states[0].topics[0].partitions_count, 2);
    EXPECT_EQ(told->transaction_states[1].error_code, KAFKA_TRANSACTIONAL_ID_NOT_FOUND);
    EXPECT_EQ(told->transaction_states[2].error_code, KAFKA_INVALID_REQUEST);

    struct bytes states[] = { BYTES_LITERAL("Ongoing"), BYTES_LITERAL("Nowhere") };
    struct list_transactions_request list = list_transactions_request_default;
    list.state_filters = states;
    list.state_filters_count = 2;
    const struct list_transactions_response *listed =
        world_call(&w, API_LIST_TRANSACTIONS, 2, &list);
    EXPECT_EQ(listed->transaction_states_count, 1);
    EXPECT_BYTES(listed->transaction_states[0].transactional_id, WORLD_TRANSACTIONAL_ID);
    EXPECT_EQ(listed->unknown_state_filters_count, 1);
    world_end(&w);
}

static const struct list_transactions_response *list_by(struct world *w, const char *pattern)
{
    struct list_transactions_request list = list_transactions_request_default;
    list.transactional_id_pattern = bytes_from_text(pattern);
    return world_call(w, API_LIST_TRANSACTIONS, 2, &list);
}

TEST(transactions, patterns_describe_whole_ids_and_bad_ones_are_refused)
{
    struct world w;
    world_begin(&w, context->seed);
    EXPECT_EQ(world_init_producer(&w), 0);
    const char *const hits[] = { "", ".*", "T", "(?i)t+", "[S-U]", "S|T" };
    for (size_t i = 0; i < ARRAY_LEN(hits); i++)
        EXPECT_EQ(list_by(&w, hits[i])->transaction_states_count, 1);
    const char *const misses[] = { "U", "^$", "[^T]", "TT?.", ".." };
    for (size_t i = 0; i < ARRAY_LEN(misses); i++) {
        EXPECT_EQ(list_by(&w, misses[i])->error_code, KAFKA_NONE);
        EXPECT_EQ(list_by(&w, misses[i])->transaction_states_count, 0);
    }
    EXPECT_EQ(list_by(&w, "(ab(cd")->error_code, KAFKA_INVALID_REGULAR_EXPRESSION);
    EXPECT_EQ(list_by(&w, "(ab(cd")->transaction_states_count, 0);
    world_end(&w);
}

TEST(transactions, the_coordinator_of_an_id_is_found)
{
    struct world w;
    world_begin(&w, context->seed);
    struct bytes ids[] = { WORLD_TRANSACTIONAL_ID };
    struct find_coordinator_request m = find_coordinator_request_default;
    m.key_type = 1;
    m.coordinator_keys = ids;
    m.coordinator_keys_count = 1;
    const struct find_coordinator_response *answer = world_call(&w, API_FIND_COORDINATOR, 4, &m);
    EXPECT_EQ(answer->coordinators[0].error_code, KAFKA_NONE);
    EXPECT_EQ(answer->coordinators[0].node_id, w.rig.shard.node_id);
    world_end(&w);
}

/* ---- questions -------------------------------------------------------------------------------------------- */

struct asked {
    struct transaction_question question;
    struct transaction_partition partitions[2];
    bool is_answered;
    int again_count;
};

static void on_answered(struct transaction_question *question)
{
    CONTAINER_OF(question, struct asked, question)->is_answered = true;
}

static void on_again(struct transaction_question *question)
{
    CONTAINER_OF(question, struct asked, question)->again_count++;
}

static void ask(struct world *w, struct asked *asked, int16_t epoch,
                enum transaction_support support)
{
    *asked = (struct asked){ 0 };
    for (int32_t i = 0; i < 2; i++)
        asked->partitions[i] =
            (struct transaction_partition){ .topic = BYTES_LITERAL("t"), .partition = i };
    asked->question = (struct transaction_question){ .transactional_id = WORLD_TRANSACTIONAL_ID,
                                                     .producer_id = WORLD_FIRST_PRODUCER_ID,
                                                     .producer_epoch = epoch,
                                                     .support = support,
                                                     .partitions = asked->partitions,
                                                     .partition_count = 2,
                                                     .arena = &w->arena,
                                                     .done = on_answered,
                                                     .again = on_again };
    transaction_question_ask(&w->rig.shard, &asked->question);
}

TEST(transaction_question, tells_whether_a_partition_is_part_of_the_transaction)
{
    struct world w;
    struct asked asked;
    world_begin(&w, context->seed);
    EXPECT_EQ(world_init_producer(&w), 0);
    EXPECT_EQ(first_error(add_partitions(&w, "t", 1)), KAFKA_NONE);
    ask(&w, &asked, 0, TRANSACTION_VERIFY);
    EXPECT(asked.is_answered);
    EXPECT_EQ(asked.partitions[0].error, KAFKA_NONE);
    EXPECT_EQ(asked.partitions[1].error, KAFKA_TRANSACTION_ABORTABLE);
    ask(&w, &asked, 0, TRANSACTION_VERIFY_OLD);
    EXPECT_EQ(asked.partitions[1].error, KAFKA_INVALID_TXN_STATE);
    ask(&w, &asked, 1, TRANSACTION_VERIFY);
    EXPECT_EQ(asked.partitions[0].error, KAFKA_INVALID_PRODUCER_EPOCH);
    ask(&w, &asked, 0, TRANSACTION_ADD);
    EXPECT(!asked.is_answered); /* it is written first */
    replica_rig_turn(&w.rig.base);
    EXPECT(asked.is_answered);
    EXPECT_EQ(asked.partitions[1].error, KAFKA_NONE);
    EXPECT_EQ(world_end_transaction(&w, 4, 0, true), KAFKA_NONE);
    EXPECT_EQ(end_of(&w, 1), 1);
    world_end(&w);
}

/* However many topics there are, and in whatever order: the question's room grows with its partitions, not with their square. */
TEST(transaction_question, takes_room_for_each_partition_once)
{
    enum { COUNT = 10000 };
    struct world w;
    struct asked asked = { 0 };
    world_begin(&w, context->seed);
    EXPECT_EQ(world_init_producer(&w), 0);
    EXPECT_EQ(first_error(add_partitions(&w, "t", 1)), KAFKA_NONE);
    struct transaction_partition *many = MEM_NEW_ARRAY(struct transaction_partition, COUNT);
    for (int32_t i = 0; i < COUNT; i++)
        many[i] = (struct transaction_partition){ .topic = i % 2 == 0 ? BYTES_LITERAL("t")
                                                                      : BYTES_LITERAL("nowhere"),
                                                  .partition = i / 2 };
    asked.question = (struct transaction_question){ .transactional_id = WORLD_TRANSACTIONAL_ID,
                                                    .producer_id = WORLD_FIRST_PRODUCER_ID,
                                                    .support = TRANSACTION_VERIFY,
                                                    .partitions = many,
                                                    .partition_count = COUNT,
                                                    .arena = &w.arena,
                                                    .done = on_answered };
    transaction_question_ask(&w.rig.shard, &asked.question);
    EXPECT(asked.is_answered);
    for (int32_t i = 0; i < COUNT; i++)
        EXPECT_EQ(many[i].error, i == 0 ? KAFKA_NONE : KAFKA_TRANSACTION_ABORTABLE);
    world_end(&w);
    mem_free(many);
}

/* The last transaction is still being ended when the next one begins: the question waits a little, not for ever. */
TEST(transaction_question, waits_for_the_transaction_before)
{
    struct world w;
    struct asked first;
    struct asked second;
    world_begin(&w, context->seed);
    EXPECT_EQ(world_init_producer(&w), 0);
    ask(&w, &first, 0, TRANSACTION_ADD);
    ask(&w, &second, 0, TRANSACTION_ADD); /* while the first is being written */
    EXPECT(!second.is_answered);
    replica_rig_turn(&w.rig.base);
    EXPECT(first.is_answered);
    EXPECT(!second.is_answered);
    server_rig_run_ms(&w.rig, 30); /* add.partitions.to.txn.retry.backoff.ms */
    EXPECT(second.is_answered);
    EXPECT_EQ(second.again_count, 1);
    EXPECT_EQ(first.again_count, 0);
    EXPECT_EQ(second.partitions[0].error, KAFKA_NONE);
    /* One that waits when everything closes is answered. */
    ask(&w, &first, 0, TRANSACTION_VERIFY);
    EXPECT_EQ(world_end_transaction(&w, 4, 0, false), KAFKA_NONE);
    ask(&w, &first, 0, TRANSACTION_ADD);
    ask(&w, &second, 0, TRANSACTION_ADD);
    transactions_close(w.rig.shard.transactions, NULL, NULL);
    EXPECT(first.is_answered && second.is_answered);
    world_end(&w);
}
