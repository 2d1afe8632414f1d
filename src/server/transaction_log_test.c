/* The partition's side of transactions through the whole pipeline: transactional batches and offsets, their verification, and
 * the markers that end them. */
#include "server/world_test.h"

#include "base/mem.h"
#include "log/sample_test.h"
#include "server/transactions.h"
#include "wire/messages/add_offsets_to_txn_request.h"
#include "wire/messages/add_offsets_to_txn_response.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"
#include "wire/messages/txn_offset_commit_request.h"
#include "wire/messages/txn_offset_commit_response.h"
#include "wire/messages/write_txn_markers_request.h"
#include "wire/messages/write_txn_markers_response.h"

#define GROUP BYTES_LITERAL("G")

static void add_partition(struct world *w, int16_t epoch)
{
    struct add_partitions_to_txn_request m = add_partitions_to_txn_request_default;
    struct add_partitions_to_txn_request_topic topic = add_partitions_to_txn_request_topic_default;
    int32_t partitions[] = { 0 };
    topic.name = BYTES_LITERAL("t");
    topic.partitions = partitions;
    topic.partitions_count = 1;
    m.v3_and_below_transactional_id = WORLD_TRANSACTIONAL_ID;
    m.v3_and_below_producer_id = WORLD_FIRST_PRODUCER_ID;
    m.v3_and_below_producer_epoch = epoch;
    m.v3_and_below_topics = &topic;
    m.v3_and_below_topics_count = 1;
    const struct add_partitions_to_txn_response *answer =
        world_call(w, API_ADD_PARTITIONS_TO_TXN, 3, &m);
    EXPECT_EQ(answer->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code,
              KAFKA_NONE);
}

static struct partition *partition_of(const struct world *w, int32_t index)
{
    return replicas_get(w->rig.shard.replicas, w->topic, index);
}

/* ---- Produce --------------------------------------------------------------------------------- */

struct batch_wanted {
    int32_t partition;
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence;
};

/* A request with a batch for each of `count`; all of topic t. */
static void make_produce(struct world *w, const struct batch_wanted *wanted, int32_t count,
                         int16_t version, struct produce_request *out)
{
    *out = produce_request_default;
    out->transactional_id = WORLD_TRANSACTIONAL_ID;
    out->acks = -1;
    out->timeout_ms = 1000;
    out->topic_data = produce_request_topic_produce_data_array(&w->arena, 1);
    out->topic_data_count = 1;
    out->topic_data[0].name = version >= 13 ? BYTES_LITERAL("") : BYTES_LITERAL("t");
    if (version >= 13)
        out->topic_data[0].topic_id = w->topic;
    out->topic_data[0].partition_data =
        produce_request_partition_produce_data_array(&w->arena, (size_t)count);
    out->topic_data[0].partition_data_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct shared *batch = sample_batch(&(struct sample_batch){
            .has_producer = true,
            .producer_id =
                wanted[i].producer_id == 0 ? WORLD_FIRST_PRODUCER_ID : wanted[i].producer_id,
            .producer_epoch = wanted[i].epoch,
            .sequence = wanted[i].sequence,
            .attributes = BATCH_TRANSACTIONAL });
        out->topic_data[0].partition_data[i].index = wanted[i].partition;
        out->topic_data[0].partition_data[i].records.data =
            arena_dup(&w->arena, batch->data, batch->size);
        out->topic_data[0].partition_data[i].records.size = batch->size;
        shared_unref(batch);
    }
}

static const struct produce_response_partition_produce_response *
produce(struct world *w, int16_t version, const struct batch_wanted *wanted, int32_t count)
{
    struct produce_request m;
    make_produce(w, wanted, count, version, &m);
    const struct produce_response *answer = world_call(w, API_PRODUCE, version, &m);
    EXPECT_EQ(answer->responses[0].partition_responses_count, count);
    return answer->responses[0].partition_responses;
}

static int16_t produce_one(struct world *w, int16_t version, struct batch_wanted wanted)
{
    return produce(w, version, &wanted, 1)[0].error_code;
}

/* A client that must say itself what its transaction is about, and forgets to. */
TEST(produce, asks_the_coordinator_about_a_transaction_that_is_not_open_here)
{
    struct world w;
    world_begin(&w, context->seed);
    const int16_t epoch = world_init_producer(&w);
    const struct batch_wanted first = { .epoch = epoch };
    EXPECT_EQ(produce_one(&w, 10, first), KAFKA_INVALID_TXN_STATE);
    EXPECT_EQ(produce_one(&w, 11, first), KAFKA_TRANSACTION_ABORTABLE);
    EXPECT_EQ(log_offsets(partition_of(&w, 0)->log)->end, 0);
    add_partition(&w, epoch);
    EXPECT_EQ(produce_one(&w, 11, first), KAFKA_NONE);
    EXPECT_EQ(produce_one(&w, 11, (struct batch_wanted){ .epoch = epoch, .sequence = 1 }),
              KAFKA_NONE); /* it is open: nobody is asked */
    EXPECT_EQ(produce_one(&w, 11, (struct batch_wanted){ .epoch = epoch + 1 }),
              KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(partition_last_stable_offset(partition_of(&w, 0)), 0);
    EXPECT_EQ(world_end_transaction(&w, 4, epoch, true), KAFKA_NONE);
    server_rig_run_ms(&w.rig, 10);
    EXPECT_EQ(partition_last_stable_offset(partition_of(&w, 0)), 3);
    EXPECT_EQ(produce_one(&w, 11, (struct batch_wanted){ .epoch = epoch, .sequence = 2 }),
              KAFKA_TRANSACTION_ABORTABLE); /* the next transaction has not been told of */
    world_end(&w);
}

/* From version 12 on the batch itself makes its partitions part of the transaction, each once. */
TEST(produce, adds_its_partitions_to_the_transaction)
{
    for (int16_t version = 12; version <= 13; version++) {
        struct world w;
        world_begin(&w, context->seed);
        const int16_t epoch = world_init_producer(&w);
        const struct batch_wanted wanted[] = { { .partition = 0, .epoch = epoch },
                                               { .partition = 1, .epoch = epoch },
                                               { .partition = 0, .epoch = epoch, .sequence = 1 },
                                               { .partition = 7, .epoch = epoch } };
        const struct produce_response_partition_produce_response *told =
            produce(&w, version, wanted, ARRAY_LEN(wanted));
        for (size_t i = 0; i < 3; i++)
            EXPECT_EQ(told[i].error_code, KAFKA_NONE);
        EXPECT_EQ(told[3].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        EXPECT_EQ(world_end_transaction(&w, 4, epoch, false), KAFKA_NONE);
        server_rig_run_ms(&w.rig, 10);
        for (int32_t i = 0; i < 2; i++) {
            EXPECT_EQ(log_offsets(partition_of(&w, i)->log)->end, 3 - i);
            EXPECT_EQ(partition_last_stable_offset(partition_of(&w, i)), 3 - i);
        }
        world_end(&w);
    }
}

/* Requests that follow before the coordinator has answered keep their order. */
TEST(produce, keeps_the_order_of_batches_that_wait_for_the_coordinator)
{
    struct world w;
    world_begin(&w, context->seed);
    const int16_t epoch = world_init_producer(&w);
    for (int32_t i = 0; i < 5; i++) {
        struct produce_request m;
        make_produce(&w, &(struct batch_wanted){ .epoch = epoch, .sequence = i }, 1, 12, &m);
        world_send(&w, API_PRODUCE, 12, &m);
    }
    server_rig_run_ms(&w.rig, 500);
    for (int32_t i = 0; i < 5; i++) {
        const struct produce_response *answer =
            world_take(&w, API_PRODUCE, 12, w.correlation_id - 4 + i);
        EXPECT_EQ(answer->responses[0].partition_responses[0].error_code, KAFKA_NONE);
        EXPECT_EQ(answer->responses[0].partition_responses[0].base_offset, i);
    }
    world_end(&w);
}

/* Who leaves while the coordinator is asked is not answered; the batch is written all the same. */
TEST(produce, forgets_who_left_while_the_coordinator_was_asked)
{
    struct world w;
    world_begin(&w, context->seed);
    const int16_t epoch = world_init_producer(&w);
    struct produce_request m;
    make_produce(&w, &(struct batch_wanted){ .epoch = epoch }, 1, 12, &m);
    world_send(&w, API_PRODUCE, 12, &m);
    world_leave(&w);
    EXPECT(log_offsets(partition_of(&w, 0)->log)->end <= 1);
    world_end(&w);
}

/* One partition is in the transaction and safe at once, the other waits for the coordinator: one answer, when both are. */
TEST(produce, answers_when_its_last_partition_is_safe)
{
    for (int leaves = 0; leaves < 2; leaves++) {
        struct world w;
        world_begin(&w, context->seed);
        const int16_t epoch = world_init_producer(&w);
        EXPECT_EQ(produce_one(&w, 12, (struct batch_wanted){ .epoch = epoch }), KAFKA_NONE);
        const struct batch_wanted both[] = { { .partition = 0, .epoch = epoch, .sequence = 1 },
                                             { .partition = 1, .epoch = epoch } };
        if (leaves) {
            struct produce_request m;
            make_produce(&w, both, 2, 12, &m);
            world_send(&w, API_PRODUCE, 12, &m);
            server_rig_run_ms(&w.rig, 1);
            world_leave(&w);
        } else {
            const struct produce_response_partition_produce_response *told =
                produce(&w, 12, both, 2);
            EXPECT_EQ(told[0].error_code, KAFKA_NONE);
            EXPECT_EQ(told[0].base_offset, 1);
            EXPECT_EQ(told[1].error_code, KAFKA_NONE);
            EXPECT_EQ(log_offsets(partition_of(&w, 1)->log)->end, 1);
        }
        EXPECT_EQ(world_end_transaction(&w, 4, epoch, true), KAFKA_NONE);
        world_end(&w);
    }
}

TEST(produce, takes_batches_of_one_transaction_only)
{
    struct world w;
    world_begin(&w, context->seed);
    const int16_t epoch = world_init_producer(&w);
    const struct batch_wanted wanted[] = { { .partition = 0, .epoch = epoch },
                                           { .partition = 1, .producer_id = 77 } };
    const struct produce_response_partition_produce_response *told = produce(&w, 12, wanted, 2);
    EXPECT_EQ(told[0].error_code, KAFKA_INVALID_PRODUCER_ID_MAPPING);
    EXPECT_EQ(told[1].error_code, KAFKA_INVALID_PRODUCER_ID_MAPPING);
    world_end(&w);
}

/* ---- WriteTxnMarkers ------------------------------------------------------------------------- */

static int16_t mark(struct world *w, int16_t version, const char *topic_name, int32_t partition,
                    int16_t epoch, int32_t coordinator_epoch)
{
    struct write_txn_markers_request_writable_txn_marker_topic topic =
        write_txn_markers_request_writable_txn_marker_topic_default;
    struct write_txn_markers_request_writable_txn_marker marker =
        write_txn_markers_request_writable_txn_marker_default;
    struct write_txn_markers_request m = write_txn_markers_request_default;
    int32_t indexes[] = { partition, 9 };
    topic.name = bytes_from_text(topic_name);
    topic.partition_indexes = indexes;
    topic.partition_indexes_count = 2;
    marker.producer_id = WORLD_FIRST_PRODUCER_ID;
    marker.producer_epoch = epoch;
    marker.coordinator_epoch = coordinator_epoch;
    marker.transaction_version = version >= 2 ? 2 : 0;
    marker.topics = &topic;
    marker.topics_count = 1;
    m.markers = &marker;
    m.markers_count = 1;
    const struct write_txn_markers_response *answer =
        world_call(w, API_WRITE_TXN_MARKERS, version, &m);
    EXPECT_EQ(answer->markers_count, 1);
    EXPECT_EQ(answer->markers[0].producer_id, WORLD_FIRST_PRODUCER_ID);
    EXPECT_EQ(answer->markers[0].topics[0].partitions_count, 2);
    EXPECT_EQ(answer->markers[0].topics[0].partitions[1].error_code,
              epoch == -1 ? KAFKA_UNKNOWN_SERVER_ERROR : KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    return answer->markers[0].topics[0].partitions[0].error_code;
}

TEST(write_txn_markers, answers_for_each_partition)
{
    struct world w;
    world_begin(&w, context->seed);
    const int16_t epoch = world_init_producer(&w);
    EXPECT_EQ(produce_one(&w, 12, (struct batch_wanted){ .epoch = epoch }), KAFKA_NONE);
    EXPECT_EQ(mark(&w, 1, "t", 3, epoch, 5), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_EQ(mark(&w, 1, "u", 0, epoch, 5), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    EXPECT_EQ(mark(&w, 1, "t", 0, epoch - 2, 5), KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(mark(&w, 1, "t", 0, -1, 5), KAFKA_UNKNOWN_SERVER_ERROR); /* all of the request */
    EXPECT_EQ(mark(&w, 2, "t", 0, epoch, 5), KAFKA_INVALID_PRODUCER_EPOCH);
    EXPECT_EQ(mark(&w, 2, "t", 0, epoch + 1, 5), KAFKA_NONE);
    EXPECT_EQ(mark(&w, 1, "t", 0, epoch + 1, 4), KAFKA_TRANSACTION_COORDINATOR_FENCED);
    EXPECT_EQ(partition_last_stable_offset(partition_of(&w, 0)), 2);
    EXPECT_EQ(mark(&w, 1, "__consumer_offsets", 0, epoch, 5), KAFKA_NONE);
    EXPECT_EQ(mark(&w, 1, "__consumer_offsets", 0, epoch, 4), KAFKA_TRANSACTION_COORDINATOR_FENCED);
    EXPECT_EQ(mark(&w, 1, "__consumer_offsets", 0, epoch, 5),
              KAFKA_NONE); /* it goes on after that */
    world_end(&w);
}

/* ---- TxnOffsetCommit ------------------------------------------------------------------------- */

static int16_t commit_offset(struct world *w, int16_t version, int16_t epoch, int64_t offset)
{
    struct txn_offset_commit_request m = txn_offset_commit_request_default;
    struct txn_offset_commit_request_topic topics[2];
    struct txn_offset_commit_request_partition partition =
        txn_offset_commit_request_partition_default;
    for (size_t i = 0; i < 2; i++) {
        topics[i] = txn_offset_commit_request_topic_default;
        topics[i].name = i == 0 ? BYTES_LITERAL("unknown") : BYTES_LITERAL("t");
        topics[i].partitions = &partition;
        topics[i].partitions_count = 1;
    }
    partition.committed_offset = offset;
    m.transactional_id = WORLD_TRANSACTIONAL_ID;
    m.group_id = GROUP;
    m.producer_id = WORLD_FIRST_PRODUCER_ID;
    m.producer_epoch = epoch;
    m.topics = topics;
    m.topics_count = 2;
    const struct txn_offset_commit_response *answer =
        world_call(w, API_TXN_OFFSET_COMMIT, version, &m);
    EXPECT_EQ(answer->topics_count, 2);
    EXPECT_EQ(answer->topics[0].partitions[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    return answer->topics[1].partitions[0].error_code;
}

/* The committed offset; -1: none; or, where it is not stable, minus the error. */
static int64_t committed(struct world *w)
{
    struct offset_fetch_request m = offset_fetch_request_default;
    struct offset_fetch_request_group group = offset_fetch_request_group_default;
    struct offset_fetch_request_topics topic = offset_fetch_request_topics_default;
    int32_t indexes[] = { 0 };
    topic.name = BYTES_LITERAL("t");
    topic.partition_indexes = indexes;
    topic.partition_indexes_count = 1;
    group.group_id = GROUP;
    group.topics = &topic;
    group.topics_count = 1;
    m.groups = &group;
    m.groups_count = 1;
    m.require_stable = true;
    const struct offset_fetch_response *answer = world_call(w, API_OFFSET_FETCH, 8, &m);
    const struct offset_fetch_response_partitions *told =
        &answer->groups[0].topics[0].partitions[0];
    return told->error_code != KAFKA_NONE ? -told->error_code : told->committed_offset;
}

static void add_offsets(struct world *w, int16_t version, int16_t epoch)
{
    struct add_offsets_to_txn_request m = add_offsets_to_txn_request_default;
    m.transactional_id = WORLD_TRANSACTIONAL_ID;
    m.producer_id = WORLD_FIRST_PRODUCER_ID;
    m.producer_epoch = epoch;
    m.group_id = GROUP;
    const struct add_offsets_to_txn_response *answer =
        world_call(w, API_ADD_OFFSETS_TO_TXN, version, &m);
    EXPECT_EQ(answer->error_code, KAFKA_NONE);
}

/* Whoever asks this is a client before transaction version 2; of a later one the record would say so, and be longer. */
TEST(add_offsets_to_txn, leaves_the_same_record_in_every_version)
{
    int64_t size = 0;
    for (int16_t version = 0; version <= 4; version++) {
        struct world w;
        world_begin(&w, context->seed);
        add_offsets(&w, version, world_init_producer(&w));
        const int32_t index = transactions_partition_of(&w.rig.shard, WORLD_TRANSACTIONAL_ID);
        const struct partition *p = replicas_get(w.rig.shard.replicas, w.transactions_topic, index);
        EXPECT(version == 0 || log_size_bytes(p->log) == size);
        size = log_size_bytes(p->log);
        world_end(&w);
    }
}

/* Or librdkafka asks for ever: it looks for the group's coordinator only afterwards. */
TEST(add_offsets_to_txn, has_the_topic_of_groups_created)
{
    struct world w = { 0 };
    struct add_offsets_to_txn_request m = add_offsets_to_txn_request_default;
    m.transactional_id = WORLD_TRANSACTIONAL_ID;
    m.group_id = GROUP;
    server_rig_begin(&w.rig, context->seed, "");
    arena_init(&w.arena, WORLD_ARENA_MAX);
    rig_peer_connect(&w.rig, &w.peer, SERVER_RIG_PORT);
    world_send(&w, API_ADD_OFFSETS_TO_TXN, 3, &m);
    server_rig_run_ms(&w.rig, 100);
    const struct add_offsets_to_txn_response *answer =
        world_take(&w, API_ADD_OFFSETS_TO_TXN, 3, w.correlation_id);
    EXPECT_EQ(answer->error_code, KAFKA_COORDINATOR_NOT_AVAILABLE);
    EXPECT_EQ(w.rig.ask_count, 1);
    EXPECT_EQ(w.rig.asks[0].api_key, API_CREATE_TOPICS);
    world_end(&w);
}

TEST(txn_offset_commit, counts_when_its_transaction_commits)
{
    for (int16_t version = 0; version <= 5; version++) {
        struct world w;
        world_begin(&w, context->seed);
        const int16_t epoch = world_init_producer(&w);
        if (version < 5) {
            EXPECT_EQ(commit_offset(&w, version, epoch, 10),
                      version == 4 ? KAFKA_TRANSACTION_ABORTABLE : KAFKA_INVALID_TXN_STATE);
            add_offsets(&w, 3, epoch);
        }
        EXPECT_EQ(committed(&w), -1);
        EXPECT_EQ(commit_offset(&w, version, epoch, 11), KAFKA_NONE);
        EXPECT_EQ(commit_offset(&w, version, epoch, 12), KAFKA_NONE);
        EXPECT_EQ(committed(&w), -KAFKA_UNSTABLE_OFFSET_COMMIT);
        EXPECT_EQ(world_end_transaction(&w, 4, epoch, true), KAFKA_NONE);
        server_rig_run_ms(&w.rig, 10);
        EXPECT_EQ(committed(&w), 12);
        world_end(&w);
    }
}

TEST(txn_offset_commit, leaves_nothing_when_its_transaction_is_aborted)
{
    struct world w;
    world_begin(&w, context->seed);
    const int16_t epoch = world_init_producer(&w);
    EXPECT_EQ(commit_offset(&w, 5, epoch, 11), KAFKA_NONE);
    EXPECT_EQ(world_end_transaction(&w, 4, epoch, false), KAFKA_NONE);
    server_rig_run_ms(&w.rig, 10);
    EXPECT_EQ(committed(&w), -1);
    EXPECT_EQ(commit_offset(&w, 5, epoch + 1, 11), KAFKA_INVALID_PRODUCER_EPOCH);
    world_end(&w);
}
