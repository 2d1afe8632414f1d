/* See history.h.
 *
 *   phase 1  clients create a topic and produce while the machine is killed, loses power, is slow, runs full, and
 *            connections break; after each restart a reader goes through every partition
 *   phase 2  the faults end; everything that may be asked for must be there, and producing must go on
 *
 * Promises that are checked:
 *   - what was acknowledged before a kill of the process is there afterwards, at its offset
 *   - after a power loss a log is whole as far as it reaches (what was flushed is the log's own tests' concern)
 *   - offsets are dense from the log's start; no two records were ever given one offset while both could be seen
 *   - a topic whose creation was acknowledged stays, under the same id; the cluster's id stays
 *   - once the faults end, the broker becomes ready and takes records again
 */
#include "history.h"

#include "base/be.h"
#include "base/mem.h"
#include "model.h"
#include "sim_broker.h"
#include "sim_peer.h"
#include "wire/batch.h"
#include "wire/kafka_error.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <stdio.h>

#define TOPIC            "orders"
#define PARTITIONS_MAX   3
#define CLIENTS_MAX      3
#define BATCH_MAX        5
#define FAULTS_NS        (20 * NS_PER_SECOND)
#define PATIENCE_NS      (120 * NS_PER_SECOND)
#define PAUSE_NS         (150 * NS_PER_MS)
#define PRODUCE_VERSION  12
#define FETCH_VERSION    12
#define METADATA_VERSION 12
#define CREATE_VERSION   7

struct history;

struct client {
    struct history *history;
    uint32_t id;
    uint32_t number_next;
    struct sim_peer *peer;
    /* The batch under way. */
    int32_t partition;
    uint32_t first;
    uint32_t count;
    uint64_t
        generation; /* of the machine when it was sent: an answer from before a power loss proves nothing */
    bool is_waiting;
};

struct history {
    struct sim_world *world;
    struct sim_broker *broker;
    struct sim_node *machine; /* of the clients */
    struct rng rng;
    uint32_t partition_count;
    uint32_t client_count;
    uint32_t crash_weight; /* of power losses, in a million */
    struct model_partition partitions[PARTITIONS_MAX];
    struct client clients[CLIENTS_MAX];
    struct sim_peer *reader;
    int32_t reading; /* the partition being read, or -1 */
    int64_t reading_offset;
    int16_t reading_error; /* of the last fetch */
    int64_t reading_end;   /* its high watermark when the reading began */
    bool is_reader_done;   /* one whole pass over all partitions */
    bool is_topic_created;
    struct uuid topic_id;
    bool are_faults_over;
    uint32_t crashes_seen;
    uint64_t
        generation; /* counts crashes: answers asked before one are not held against later logs */
    bool is_power_planned; /* a power loss may be what the next crash is */
    struct history_result result;
};

static int64_t now(const struct history *h)
{
    return sim_world_now_ns(h->world);
}

/* ---- producing ------------------------------------------------------------------------------- */

static void client_go_on(void *context);

static void client_later(struct client *c)
{
    const int64_t pause_ns = rng_between(&c->history->rng, NS_PER_MS, PAUSE_NS);
    sim_world_at(c->history->world, now(c->history) + pause_ns, client_go_on, c);
}

static void on_produced(void *context, const void *message)
{
    struct client *c = context;
    struct history *h = c->history;
    const struct produce_response *answer = message;
    c->is_waiting = false;
    if (answer != NULL && c->generation == h->generation) {
        if (answer->responses_count != 1 || answer->responses[0].partition_responses_count != 1)
            model_fail("a produce to one partition was answered for %d topics",
                       answer->responses_count);
        const struct produce_response_partition_produce_response *p =
            &answer->responses[0].partition_responses[0];
        if (p->error_code == 0) {
            for (uint32_t i = 0; i < c->count; i++)
                model_acknowledge(&h->partitions[c->partition], p->base_offset + i,
                                  (struct model_record){ .client = c->id, .number = c->first + i });
            h->result.acknowledged += c->count;
        }
    }
    client_later(c);
}

static void produce(struct client *c)
{
    struct history *h = c->history;
    c->partition = (int32_t)rng_below(&h->rng, h->partition_count);
    c->first = c->number_next;
    c->count = 1 + (uint32_t)rng_below(&h->rng, BATCH_MAX);
    c->number_next += c->count;

    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = (enum codec)rng_below(&h->rng, 5);
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    uint8_t padding[300] = { 0 };
    for (uint32_t i = 0; i < c->count; i++) {
        be_store_u32(padding, c->id);
        be_store_u32(padding + 4, c->first + i);
        const size_t size = 8 + (size_t)rng_below(&h->rng, sizeof(padding) - 8);
        const int r = batch_builder_add(&builder, io_now_ms(sim_node_io(h->machine)), BYTES_NULL,
                                        bytes_from(padding, size), NULL, 0);
        ASSERT(r == 0);
    }
    struct bytes batch;
    const int finished = batch_builder_finish(&builder, &batch);
    ASSERT(finished == 0);

    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_default;
    data.index = c->partition;
    data.records = (struct wire_records){ .data = batch.data, .size = batch.size };
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_default;
    topic.name = BYTES_LITERAL(TOPIC);
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    struct produce_request request = produce_request_default;
    request.acks = rng_chance(&h->rng, 500000) ? 1 : -1;
    request.timeout_ms = 5000;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    c->is_waiting = true;
    c->generation = h->generation;
    if (sim_peer_ask(c->peer, API_PRODUCE, PRODUCE_VERSION, &request, on_produced, c) < 0) {
        c->is_waiting = false;
        client_later(c);
    }
    batch_builder_deinit(&builder);
}

static void on_created(void *context, const void *message)
{
    struct client *c = context;
    struct history *h = c->history;
    const struct create_topics_response *answer = message;
    if (answer != NULL && answer->topics_count == 1 && answer->topics[0].error_code == 0) {
        h->is_topic_created = true;
        h->topic_id = answer->topics[0].topic_id;
    } else if (answer != NULL && answer->topics[0].error_code == KAFKA_TOPIC_ALREADY_EXISTS) {
        h->is_topic_created = true; /* an answer was lost */
    }
    client_later(c);
}

static void create_topic(struct client *c)
{
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_default;
    topic.name = BYTES_LITERAL(TOPIC);
    topic.num_partitions = (int32_t)c->history->partition_count;
    topic.replication_factor = 1;
    struct create_topics_request_creatable_topic_config configs[2];
    create_topics_request_creatable_topic_config_init(&configs[0]);
    create_topics_request_creatable_topic_config_init(&configs[1]);
    configs[0].name = BYTES_LITERAL("segment.bytes");
    configs[0].value = BYTES_LITERAL("1048576");
    configs[1].name = BYTES_LITERAL("index.interval.bytes");
    configs[1].value = BYTES_LITERAL("256");
    topic.configs = configs;
    topic.configs_count = 2;
    struct create_topics_request request = create_topics_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    if (sim_peer_ask(c->peer, API_CREATE_TOPICS, CREATE_VERSION, &request, on_created, c) < 0)
        client_later(c);
}

static void on_open(void *context, bool is_open)
{
    (void)is_open; /* either way: the next look decides */
    client_later(context);
}

static void client_go_on(void *context)
{
    struct client *c = context;
    if (c->is_waiting)
        return;
    if (!sim_peer_is_open(c->peer))
        sim_peer_connect(c->peer, on_open, c);
    else if (!c->history->is_topic_created && c->id == 0)
        create_topic(c);
    else
        produce(c);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void reader_go_on(void *context);

static void reader_later(struct history *h)
{
    sim_world_at(h->world, now(h) + rng_between(&h->rng, PAUSE_NS, 4 * PAUSE_NS), reader_go_on, h);
}

/* Checks the records of one answer against what is known; answers the offset after the last whole batch. */
static int64_t check_records(struct history *h, int32_t partition, int64_t offset,
                             struct bytes records, int64_t end)
{
    struct batch_view batch;
    while (records.size > 0 && batch_parse(records, &batch) > 0) {
        records = bytes_slice(records, batch.bytes.size, records.size - batch.bytes.size);
        if (batch_check_crc(&batch) < 0)
            model_fail("partition %d: the batch at offset %" PRId64 " has a wrong CRC", partition,
                       batch.base_offset);
        struct record_walk walk;
        struct record record;
        record_walk_init(&walk, &batch, NULL, 1u << 20);
        int r;
        while ((r = record_walk_next(&walk, &record)) > 0) {
            if (record.offset < offset)
                continue;
            if (record.offset != offset || record.value.size < 8)
                model_fail("partition %d: offset %" PRId64 " was to come, and %" PRId64 " came",
                           partition, offset, record.offset);
            if (record.offset >= end)
                model_fail("partition %d: offset %" PRId64
                           " is served above the high watermark %" PRId64,
                           partition, record.offset, end);
            model_read(&h->partitions[partition], record.offset,
                       (struct model_record){ .client = be_load_u32(record.value.data),
                                              .number = be_load_u32(record.value.data + 4) });
            h->result.read++;
            offset++;
        }
        record_walk_deinit(&walk);
        if (r < 0)
            model_fail("partition %d: a record at offset %" PRId64 " cannot be read: %s", partition,
                       offset, err_name(r));
    }
    return offset;
}

struct fetch_state {
    struct history *history;
    int64_t offset;
    int64_t acknowledged_end; /* when the question was asked: the answer must know of it */
    uint64_t generation;
};

static void fetch_from(struct history *h, int64_t offset);

static void on_fetched(void *context, const void *message)
{
    struct fetch_state *state = context;
    struct history *h = state->history;
    const int64_t from = state->offset;
    const bool is_fresh = state->generation == h->generation;
    const int64_t acknowledged_end = state->acknowledged_end;
    mem_free(state);
    const struct fetch_response *answer = message;
    if (answer == NULL || answer->error_code != 0 || answer->responses_count != 1 || !is_fresh) {
        reader_later(h);
        return;
    }
    const struct fetch_response_partition_data *data = &answer->responses[0].partitions[0];
    struct model_partition *p = &h->partitions[h->reading];
    h->reading_offset = from;
    h->reading_error = data->error_code;
    if (data->error_code != 0) {
        if (data->error_code == KAFKA_OFFSET_OUT_OF_RANGE ||
            data->error_code == KAFKA_CORRUPT_MESSAGE)
            model_fail("partition %d: offset %" PRId64 " is refused: %s", h->reading, from,
                       kafka_error_name(data->error_code));
        reader_later(h);
        return;
    }
    if (data->high_watermark < acknowledged_end)
        model_fail("partition %d: the high watermark is %" PRId64 ", but offset %" PRId64
                   " was acknowledged",
                   h->reading, data->high_watermark, acknowledged_end - 1);
    if (data->high_watermark < p->read_end)
        model_fail("partition %d: the high watermark went back from %" PRId64 " to %" PRId64,
                   h->reading, p->read_end, data->high_watermark);
    p->read_end = data->high_watermark;
    if (from == 0)
        h->reading_end = data->high_watermark;
    const int64_t next =
        check_records(h, h->reading, from, bytes_from(data->records.data, data->records.size),
                      data->high_watermark);
    if (next < data->high_watermark && next == from)
        model_fail("partition %d: nothing is served at offset %" PRId64
                   " below the high watermark %" PRId64,
                   h->reading, from, data->high_watermark);
    if (next < h->reading_end) {
        fetch_from(h, next);
        return;
    }
    h->reading++;
    if (h->reading < (int32_t)h->partition_count) {
        fetch_from(h, 0);
        return;
    }
    h->reading = -1;
    h->is_reader_done = true;
    reader_later(h);
}

static void fetch_from(struct history *h, int64_t offset)
{
    struct fetch_request_partition partition = fetch_request_partition_default;
    partition.partition = h->reading;
    partition.fetch_offset = offset;
    partition.partition_max_bytes = h->are_faults_over || rng_chance(&h->rng, 700000)
                                        ? 1 << 20
                                        : (int32_t)rng_between(&h->rng, 1, 20000);
    struct fetch_request_topic topic = fetch_request_topic_default;
    topic.topic = BYTES_LITERAL(TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct fetch_request request = fetch_request_default;
    request.max_wait_ms = 0;
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    struct fetch_state *state = MEM_NEW(struct fetch_state);
    *state = (struct fetch_state){
        .history = h,
        .offset = offset,
        .acknowledged_end = h->partitions[h->reading].acknowledged_end,
        .generation = h->generation,
    };
    if (sim_peer_ask(h->reader, API_FETCH, FETCH_VERSION, &request, on_fetched, state) < 0) {
        mem_free(state);
        reader_later(h);
    }
}

static void on_metadata(void *context, const void *message)
{
    struct history *h = context;
    const struct metadata_response *answer = message;
    if (answer == NULL) {
        reader_later(h);
        return;
    }
    if (!bytes_equal_text(answer->cluster_id, "simulated-cluster-0000"))
        model_fail("the cluster's id is '%.*s' now", BYTES_PRINTF(answer->cluster_id));
    if (h->is_topic_created) {
        if (answer->topics_count != 1 || answer->topics[0].error_code != 0)
            model_fail("topic " TOPIC " was created, and is gone");
        if (!uuid_is_zero(h->topic_id) && !uuid_equal(h->topic_id, answer->topics[0].topic_id))
            model_fail("topic " TOPIC " has another id now");
        if (answer->topics[0].partitions_count != (int32_t)h->partition_count)
            model_fail("topic " TOPIC " has %d partitions now", answer->topics[0].partitions_count);
        h->reading = 0;
        fetch_from(h, 0);
        return;
    }
    reader_later(h);
}

static void on_reader_open(void *context, bool is_open)
{
    (void)is_open;
    reader_later(context);
}

static void reader_go_on(void *context)
{
    struct history *h = context;
    if (!sim_peer_is_open(h->reader)) {
        sim_peer_connect(h->reader, on_reader_open, h);
        return;
    }
    struct metadata_request_topic topic = metadata_request_topic_default;
    topic.name = BYTES_LITERAL(TOPIC);
    struct metadata_request request = metadata_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    if (sim_peer_ask(h->reader, API_METADATA, METADATA_VERSION, &request, on_metadata, h) < 0)
        reader_later(h);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void plan_fault(struct history *h);

static void fault(void *context)
{
    struct history *h = context;
    if (h->are_faults_over)
        return;
    struct sim_node *machine = sim_broker_node(h->broker);
    if (!sim_node_is_down(machine)) {
        const bool is_power = rng_chance(&h->rng, h->crash_weight);
        const enum sim_crash kind = is_power ? SIM_POWER_LOST : SIM_PROCESS_KILLED;
        h->is_power_planned |= is_power;
        if (rng_chance(&h->rng, 600000))
            sim_disk_crash_at(sim_node_disk(machine), 1 + rng_below(&h->rng, 40), kind);
        else {
            sim_disk_crash_at(sim_node_disk(machine), 0, kind);
            sim_node_crash(machine, kind);
        }
    }
    plan_fault(h);
}

static void plan_fault(struct history *h)
{
    sim_world_at(h->world, now(h) + rng_between(&h->rng, 50 * NS_PER_MS, 3 * NS_PER_SECOND), fault,
                 h);
}

static void end_faults(struct history *h)
{
    h->are_faults_over = true;
    sim_disk_crash_at(sim_node_disk(sim_broker_node(h->broker)), 0, SIM_PROCESS_KILLED);
    const struct sim_link calm = sim_link_default();
    sim_world_set_link(h->world, &calm);
}

static void draw_weather(struct history *h)
{
    struct sim_link link = sim_link_default();
    if (rng_chance(&h->rng, 500000))
        link.partial_in_a_million = 200000;
    if (rng_chance(&h->rng, 300000))
        link.reset_in_a_million = 5000;
    sim_world_set_link(h->world, &link);
    h->crash_weight = rng_chance(&h->rng, 400000) ? 0 : (uint32_t)rng_below(&h->rng, 700000);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void count_crashes(struct history *h)
{
    const uint32_t crashes = sim_node_crash_count(sim_broker_node(h->broker));
    if (crashes == h->crashes_seen)
        return;
    h->crashes_seen = crashes;
    h->generation++;
    /* What was not flushed may be gone after a power loss, and its offsets are given out again. */
    for (uint32_t i = 0; i < h->partition_count && h->is_power_planned; i++)
        model_forget_from(&h->partitions[i], 0);
    h->is_power_planned = false;
    h->is_reader_done = false;
}

static void print_line(void *context, int64_t now_ns, const char *text)
{
    (void)context;
    (void)printf("%12.6f %s\n", (double)now_ns / (double)NS_PER_SECOND, text);
}

static void run_until(struct history *h, int64_t end_ns)
{
    while (now(h) < end_ns && sim_world_step(h->world)) {
        count_crashes(h);
        if (sim_broker_failure(h->broker)[0] != '\0')
            model_fail("the broker gave up: %s", sim_broker_failure(h->broker));
    }
}

/* After the faults: ready, read through, and taking records again. */
static void demand_progress(struct history *h)
{
    const uint64_t acknowledged = h->result.acknowledged;
    const int64_t patience_end = now(h) + PATIENCE_NS;
    h->is_reader_done = false;
    while (now(h) < patience_end && (!sim_broker_is_ready(h->broker) || !h->is_reader_done ||
                                     h->result.acknowledged <= acknowledged + 10))
        run_until(h, now(h) + NS_PER_SECOND);
    if (!sim_broker_is_ready(h->broker))
        model_fail("the faults ended two minutes ago, and the broker is not ready");
    if (h->result.acknowledged <= acknowledged + 10)
        model_fail("the faults ended two minutes ago, and nothing is taken");
    if (!h->is_reader_done)
        model_fail("the faults ended two minutes ago, and the logs cannot be read through: "
                   "partition %d, at offset %" PRId64 " of %" PRId64 "; the last answer was %s",
                   h->reading, h->reading_offset, h->reading_end,
                   kafka_error_name(h->reading_error));
}

void history_run(const struct history_options *options, struct history_result *out)
{
    struct history *h = MEM_NEW(struct history);
    h->rng = rng_from_seed(options->seed ^ UINT64_C(0x9e3779b97f4a7c15));
    h->world = sim_world_new(options->seed);
    if (options->is_verbose)
        sim_world_set_log(h->world, print_line, NULL);
    h->partition_count = 1 + (uint32_t)rng_below(&h->rng, PARTITIONS_MAX);
    h->client_count = 1 + (uint32_t)rng_below(&h->rng, CLIENTS_MAX);
    h->reading = -1;
    h->broker = sim_broker_new(h->world, "log.segment.delete.delay.ms=1000", options->is_verbose);
    h->machine = sim_node_new(h->world, "clients");
    draw_weather(h);
    sim_broker_start(h->broker);
    for (uint32_t i = 0; i < h->client_count; i++) {
        struct client *c = &h->clients[i];
        *c = (struct client){ .history = h, .id = i };
        c->peer = sim_peer_new(h->machine, "broker1", SIM_BROKER_PORT);
        client_later(c);
    }
    h->reader = sim_peer_new(h->machine, "broker1", SIM_BROKER_PORT);
    reader_later(h);
    plan_fault(h);
    run_until(h, now(h) + FAULTS_NS);
    end_faults(h);
    demand_progress(h);
    h->result.crashes = h->crashes_seen;
    h->result.trace = sim_world_trace(h->world);
    *out = h->result;
}
