/* A load of transactions, one after the other on each connection: records to the topic's partitions in one Produce
 * request, then EndTxn, in the second generation of the protocol (KIP-890: partitions join by being written to, and
 * each transaction has an epoch of its own). `requests` is how many transactions there are in all, `records` how many
 * each has: one to each of so many partitions in turn, or to all of them an equal share. With a `rate` a connection
 * begins its transactions on a schedule, those of all connections evenly apart, or when the one before has ended.
 *
 * A commit takes from EndTxn to its answer; the markers follow. A Produce that comes before they are there is refused
 * with CONCURRENT_TRANSACTIONS and sent again, as Kafka's clients do; the time of a transaction counts that.
 */
#include "load.h"

#include "asker.h"
#include "base/be.h"
#include "base/mem.h"
#include "latency.h"
#include "peer.h"
#include "value.h"
#include "wire/api.h"
#include "wire/batch.h"
#include "wire/kafka_error.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/end_txn_response.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define INIT_PRODUCER_ID_VERSION 5
#define END_TXN_VERSION          5 /* the first that answers with the next epoch */
#define PRODUCE_VERSION          12
#define TIMEOUT_MS               60000
#define ANSWER_BYTES_MAX         (64u << 10)
#define AGAIN_AFTER_NS           (20 * NS_PER_MS) /* as Java's producer does */
#define ASK_EVERY_US             20000
#define ASK_TIMES_MAX            3000 /* a minute */
#define MARKERS_EVERY_US         5000

/* Where a batch says who made it. */
enum { AT_PRODUCER_ID = 43, AT_PRODUCER_EPOCH = 51 };

enum stage { STAGE_PRODUCE, STAGE_WAITING, STAGE_END, STAGE_DONE };

struct producer_lane {
    enum stage stage;
    char *transactional_id; /* owned */
    int64_t producer_id;
    int16_t producer_epoch;
    int64_t share; /* transactions in all */
    int64_t done;
    int64_t begin_ns; /* of this transaction */
    int64_t end_ns;   /* of its EndTxn */
    int64_t due_ns;   /* waiting: when its records are sent, or sent again */
};

struct transacting {
    const struct load_options *options;
    struct askers askers;
    struct producer_lane *lanes;
    int32_t partitions_each; /* that a transaction writes to */
    struct batch_builder builder;
    struct bytes
        batch; /* what goes to each of them; the builder's, written over for each request */
    struct latency commits;
    struct latency wholes;
    struct arena arena; /* of one message */
    int64_t start_ns;
    int64_t done;
    int64_t again_count;
};

/* ---- asking ---------------------------------------------------------------------------------- */

/* The batch as this producer's; a new epoch begins with sequence 0. */
static struct wire_records records_of(struct transacting *t, const struct producer_lane *lane)
{
    uint8_t *bytes = t->builder.out.data;
    ASSERT(bytes == t->batch.data);
    be_store_u64(bytes + AT_PRODUCER_ID, (uint64_t)lane->producer_id);
    be_store_u16(bytes + AT_PRODUCER_EPOCH, (uint16_t)lane->producer_epoch);
    batch_seal(bytes, t->batch.size);
    return (struct wire_records){ .data = bytes, .size = t->batch.size };
}

static void send_records(struct transacting *t, int32_t index)
{
    struct producer_lane *lane = &t->lanes[index];
    const struct load_options *options = t->options;
    struct produce_request request = produce_request_default;
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_default;
    arena_reset(&t->arena);
    request.transactional_id = bytes_from_text(lane->transactional_id);
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    topic.name = bytes_from_text(options->topic);
    topic.partition_data_count = t->partitions_each;
    topic.partition_data =
        produce_request_partition_produce_data_array(&t->arena, (size_t)topic.partition_data_count);
    const struct wire_records records = records_of(t, lane);
    for (int32_t i = 0; i < topic.partition_data_count; i++) {
        topic.partition_data[i].index = (int32_t)((index + lane->done + i) % options->partitions);
        topic.partition_data[i].records = records;
    }
    lane->stage = STAGE_PRODUCE;
    askers_ask(&t->askers, index, API_PRODUCE, PRODUCE_VERSION, &request);
}

static void send_end(struct transacting *t, int32_t index)
{
    struct producer_lane *lane = &t->lanes[index];
    struct end_txn_request request = end_txn_request_default;
    request.transactional_id = bytes_from_text(lane->transactional_id);
    request.producer_id = lane->producer_id;
    request.producer_epoch = lane->producer_epoch;
    request.committed = true;
    lane->stage = STAGE_END;
    lane->end_ns = load_now_ns();
    askers_ask(&t->askers, index, API_END_TXN, END_TXN_VERSION, &request);
}

static void begin(struct transacting *t, int32_t index)
{
    struct producer_lane *lane = &t->lanes[index];
    if (lane->done == lane->share) {
        lane->stage = STAGE_DONE;
        return;
    }
    const double rate = t->options->rate;
    const int64_t nth = lane->done * t->options->connections + index;
    lane->begin_ns = load_now_ns();
    if (rate > 0)
        lane->due_ns =
            t->start_ns + (int64_t)((double)nth * NS_PER_SECOND / (rate * t->options->connections));
    if (rate > 0 && lane->begin_ns < lane->due_ns) {
        lane->begin_ns = lane->due_ns;
        lane->stage = STAGE_WAITING;
    } else {
        send_records(t, index);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void on_produced(struct transacting *t, int32_t index, struct bytes answer)
{
    struct producer_lane *lane = &t->lanes[index];
    struct produce_response response;
    load_decode(API_PRODUCE, PRODUCE_VERSION, answer, &t->arena, &response);
    if (response.responses_count != 1 ||
        response.responses[0].partition_responses_count != t->partitions_each)
        load_fail("an answer does not tell of %d partitions", t->partitions_each);
    bool is_early = false;
    for (int32_t i = 0; i < t->partitions_each; i++) {
        const int16_t error = response.responses[0].partition_responses[i].error_code;
        is_early |= error == KAFKA_CONCURRENT_TRANSACTIONS;
        if (error != KAFKA_NONE && error != KAFKA_CONCURRENT_TRANSACTIONS)
            load_fail("%s: produce: %s", lane->transactional_id, kafka_error_name(error));
    }
    if (!is_early) {
        send_end(t, index);
        return;
    }
    t->again_count++;
    lane->stage = STAGE_WAITING;
    lane->due_ns = load_now_ns() + AGAIN_AFTER_NS;
}

static void on_ended(struct transacting *t, int32_t index, struct bytes answer)
{
    struct producer_lane *lane = &t->lanes[index];
    struct end_txn_response response;
    load_decode(API_END_TXN, END_TXN_VERSION, answer, &t->arena, &response);
    if (response.error_code != KAFKA_NONE)
        load_fail("%s: commit: %s", lane->transactional_id, kafka_error_name(response.error_code));
    const int64_t now_ns = load_now_ns();
    latency_add(&t->commits, now_ns - lane->end_ns);
    latency_add(&t->wholes, now_ns - lane->begin_ns);
    lane->producer_id = response.producer_id;
    lane->producer_epoch = response.producer_epoch;
    lane->done++;
    t->done++;
    begin(t, index);
}

static void on_answer(void *context, int32_t index, struct bytes answer)
{
    struct transacting *t = context;
    arena_reset(&t->arena);
    if (t->lanes[index].stage == STAGE_PRODUCE)
        on_produced(t, index, answer);
    else
        on_ended(t, index, answer);
}

/* Sends those whose time has come; how long until the next one's, negative: there is none. */
static int64_t send_due(struct transacting *t)
{
    const int64_t now_ns = load_now_ns();
    int64_t wait_ns = -1;
    for (int32_t i = 0; i < t->options->connections; i++) {
        const struct producer_lane *lane = &t->lanes[i];
        if (lane->stage != STAGE_WAITING)
            continue;
        const int64_t left_ns = lane->due_ns - now_ns;
        if (left_ns <= 0)
            send_records(t, i);
        else if (wait_ns < 0 || left_ns < wait_ns)
            wait_ns = left_ns;
    }
    return wait_ns;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void build_batch(struct transacting *t)
{
    const struct load_options *options = t->options;
    t->partitions_each = MIN(options->records, options->partitions);
    if (options->records % t->partitions_each != 0)
        load_fail("%d records do not go equally to %d partitions", options->records,
                  options->partitions);
    struct batch_options how = BATCH_OPTIONS_NONE;
    how.attributes = BATCH_TRANSACTIONAL;
    how.producer_id = 0;
    how.producer_epoch = 0;
    how.base_sequence = 0;
    batch_builder_init(&t->builder, &how);
    struct rng rng = rng_from_seed(1);
    uint8_t *value = mem_alloc((size_t)options->record_bytes);
    const int64_t now_ms = (int64_t)time(NULL) * MS_PER_SECOND;
    for (int32_t i = 0; i < options->records / t->partitions_each; i++) {
        bench_fill_value(&rng, value, (size_t)options->record_bytes);
        const struct bytes bytes = bytes_from(value, (size_t)options->record_bytes);
        if (batch_builder_add(&t->builder, now_ms, BYTES_NULL, bytes, NULL, 0) < 0)
            load_fail("a batch of %d records is too large", options->records);
    }
    mem_free(value);
    if (batch_builder_finish(&t->builder, &t->batch) < 0)
        load_fail("cannot build a batch");
}

/* Until the coordinator serves, and what a run before left behind is done. */
static void init_producer(struct transacting *t, int fd, struct producer_lane *lane)
{
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transactional_id = bytes_from_text(lane->transactional_id);
    request.transaction_timeout_ms = TIMEOUT_MS;
    struct init_producer_id_response response;
    for (int i = 0; i < ASK_TIMES_MAX; i++) {
        arena_reset(&t->arena);
        load_ask(fd, API_INIT_PRODUCER_ID, INIT_PRODUCER_ID_VERSION, &request, &t->arena,
                 &response);
        if (response.error_code == KAFKA_NONE) {
            lane->producer_id = response.producer_id;
            lane->producer_epoch = response.producer_epoch;
            return;
        }
        (void)usleep(ASK_EVERY_US); /* a nap that is cut short does no harm */
    }
    load_fail("%s: no producer id: %s", lane->transactional_id,
              kafka_error_name(response.error_code));
}

static void open_lanes(struct transacting *t)
{
    const struct load_options *options = t->options;
    t->lanes = MEM_NEW_ARRAY(struct producer_lane, (size_t)options->connections);
    load_find_coordinator(options, LOAD_COORDINATOR_OF_TRANSACTION);
    const int fd = load_connect(options);
    for (int32_t i = 0; i < options->connections; i++) {
        struct producer_lane *lane = &t->lanes[i];
        lane->transactional_id = mem_printf("%s-%d", options->topic, i);
        lane->share = options->requests / options->connections +
                      (i < options->requests % options->connections ? 1 : 0);
        init_producer(t, fd, lane);
    }
    (void)close(fd); /* a socket has nothing to tell at its close */
}

static void close_lanes(struct transacting *t)
{
    for (int32_t i = 0; i < t->options->connections; i++)
        mem_free(t->lanes[i].transactional_id);
    mem_free(t->lanes);
}

/* Every record, and a marker in each partition of each transaction, or the broker has not done its work. */
static void await_markers(const struct transacting *t, int64_t before)
{
    const struct load_options *options = t->options;
    const int64_t wanted = options->requests * (options->records + t->partitions_each);
    int64_t added = 0;
    for (int i = 0; i < ASK_TIMES_MAX; i++) {
        added = load_end_offsets(options, NULL) - before;
        if (added == wanted)
            return;
        (void)usleep(MARKERS_EVERY_US); /* a nap that is cut short does no harm */
    }
    load_fail("%" PRId64 " records and markers are in the log, %" PRId64 " were to be", added,
              wanted);
}

void load_transact(const struct load_options *options)
{
    struct transacting t = { .options = options };
    arena_init(&t.arena, SIZE_MAX);
    latency_init(&t.commits, (size_t)options->requests);
    latency_init(&t.wholes, (size_t)options->requests);
    build_batch(&t);
    open_lanes(&t);
    const int64_t before = load_end_offsets(options, NULL);
    askers_open(&t.askers, options, ANSWER_BYTES_MAX);
    t.start_ns = load_now_ns();
    for (int32_t i = 0; i < options->connections; i++)
        begin(&t, i);
    while (t.done < options->requests)
        askers_wait(&t.askers, send_due(&t), on_answer, &t);
    const double seconds = (double)(load_now_ns() - t.start_ns) / NS_PER_SECOND;
    askers_close(&t.askers);
    await_markers(&t, before);
    printf("{\"transactions\":%" PRId64 ",\"seconds\":%.6f,\"again\":%" PRId64, options->requests,
           seconds, t.again_count);
    latency_print(&t.commits, "commit_");
    latency_print(&t.wholes, "");
    printf("}\n");
    close_lanes(&t);
    batch_builder_deinit(&t.builder);
    latency_deinit(&t.commits);
    latency_deinit(&t.wholes);
    arena_deinit(&t.arena);
}
