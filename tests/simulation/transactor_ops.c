/* What a transactor does in a transaction: sends records; consumes and commits offsets. */
#include "base/mem.h"
#include "model.h"
#include "records.h"
#include "sim_broker.h"
#include "transactor_own.h"
#include "wire/batch.h"
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

#include <stdio.h>

#define PRODUCE_VERSION_OLD    11 /* by name, after AddPartitionsToTxn */
#define PRODUCE_VERSION        13 /* adds the partition itself (KIP-890) */
#define ADD_PARTITIONS_VERSION 3
#define ADD_OFFSETS_VERSION    3
#define COMMIT_VERSION_OLD     3
#define COMMIT_VERSION         5
#define FETCH_VERSION          9
#define PADDING_BYTES          200
#define PRODUCE_WAIT_MS        5000
#define CONSUMED_MAX           5 /* records at once */

static struct txns *txns_of(const struct transactor *t)
{
    return t->client.scene->txns;
}

/* ---- batches --------------------------------------------------------------------------------- */

static struct txn_stream *stream_of(struct transactor *t, struct model_partition *partition)
{
    for (uint32_t i = 0; i < t->stream_count; i++) {
        if (t->streams[i]->partition == partition)
            return t->streams[i];
    }
    if (t->stream_count == STREAMS_MAX)
        return NULL;
    struct txn_stream *s = MEM_NEW(struct txn_stream);
    s->partition = partition;
    t->streams[t->stream_count++] = s;
    return s;
}

static void drop_part(struct transactor *t, uint32_t index)
{
    buf_deinit(&t->parts[index].batch);
    t->part_count--;
    for (uint32_t i = index; i < t->part_count; i++)
        t->parts[i] = t->parts[i + 1];
}

void transactor_drop_parts(struct transactor *t)
{
    while (t->part_count > 0)
        drop_part(t, t->part_count - 1);
}

static void add_record(struct transactor *t, struct batch_builder *builder, struct txn_part *part,
                       uint32_t i)
{
    struct rng *rng = &t->client.rng;
    const struct model_record record = { .client = t->author, .number = part->first + i };
    const struct record_style style = { .padding_bytes_max = PADDING_BYTES,
                                        .has_keys =
                                            part->stream->partition->topic->plan->is_compacted };
    txns_add_record(txns_of(t), t->txn, record);
    part->timestamps_ms[i] = io_now_ms(sim_node_io(t->client.scene->machine));
    part->records[i] = records_add(builder, rng, &style, record, part->timestamps_ms[i]);
}

static void build(struct transactor *t, struct txn_stream *stream)
{
    struct txn_part *part = &t->parts[t->part_count++];
    *part = (struct txn_part){ .stream = stream,
                               .first = t->number_next,
                               .count = 1 + (uint32_t)rng_below(&t->client.rng, RECORDS_MAX) };
    t->number_next += part->count;
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.attributes = BATCH_TRANSACTIONAL;
    options.codec = rng_chance(&t->client.rng, 100000) ? CODEC_LZ4 : CODEC_NONE;
    options.producer_id = t->epoch.producer_id;
    options.producer_epoch = t->epoch.epoch;
    options.base_sequence = part->base_sequence = stream->sequence_next;
    options.contexts = t->client.scene->codecs;
    stream->sequence_next += (int32_t)part->count;
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    for (uint32_t i = 0; i < part->count; i++)
        add_record(t, &builder, part, i);
    struct bytes batch;
    const int r = batch_builder_finish(&builder, &batch);
    ASSERT(r == 0);
    buf_init(&part->batch, batch.size);
    buf_put(&part->batch, batch.data, batch.size);
    batch_builder_deinit(&builder);
}

/* One partition each of some topics. A client of old names topics, and so cannot tell one from the next of its name. */
static void build_parts(struct transactor *t)
{
    struct model *model = t->client.scene->model;
    const uint32_t count = model_plan_count(model);
    const uint32_t first = (uint32_t)rng_below(&t->client.rng, count);
    const uint32_t wanted = 1 + (uint32_t)rng_below(&t->client.rng, PARTS_MAX);
    for (uint32_t i = 0; i < count && t->part_count < wanted; i++) {
        struct model_topic *topic = model_plan(model, (first + i) % count)->topic;
        if (topic == NULL || topic->state != MODEL_TOPIC_PRESENT ||
            (topic->plan->is_brief && t->is_old))
            continue;
        const uint64_t index = rng_below(&t->client.rng, topic->plan->partition_count);
        struct txn_stream *stream = stream_of(t, &topic->partitions[index]);
        if (stream != NULL)
            build(t, stream);
    }
}

/* ---- sending records ------------------------------------------------------------------------- */

static void acknowledge(struct transactor *t, const struct txn_part *part, int64_t base_offset,
                        int64_t append_time_ms)
{
    struct scene *scene = t->client.scene;
    struct model_partition *partition = part->stream->partition;
    const bool has_append_time = partition->topic->plan->has_append_time;
    /* An epoch that is given out again makes a duplicate of what its first owner has sent. */
    const bool counts = txns_are_whole(scene->txns);
    transactor_was_taken(t, "a batch");
    for (uint32_t i = 0; i < part->count && counts; i++)
        model_acknowledge(scene->model, partition, base_offset + i, part->records[i],
                          has_append_time ? append_time_ms : part->timestamps_ms[i]);
    scene->acknowledged += counts ? part->count : 0;
}

/* Whether the batch may be refused so; it is sent again. */
static bool may_refuse(const struct transactor *t, const struct txn_part *part, int16_t error)
{
    const struct scene *scene = t->client.scene;
    const struct model_topic *topic = part->stream->partition->topic;
    if (t->life != scene->life)
        return error == KAFKA_NOT_LEADER_OR_FOLLOWER || error == KAFKA_KAFKA_STORAGE_ERROR;
    switch ((int)error) {
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        return sim_broker_is_stopping(scene->broker) || scene_may_be_full(scene) ||
               topic->state != MODEL_TOPIC_PRESENT;
    case KAFKA_KAFKA_STORAGE_ERROR:
        return scene_may_be_full(scene);
    case KAFKA_REQUEST_TIMED_OUT:
        return topic->plan->is_synced || scene_may_be_slow(scene);
    default:
        return false;
    }
}

static bool is_gone(const struct txn_part *part, int16_t error)
{
    return part->stream->partition->topic->state != MODEL_TOPIC_PRESENT &&
           (error == KAFKA_UNKNOWN_TOPIC_ID || error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
            error == KAFKA_NOT_LEADER_OR_FOLLOWER);
}

static const struct produce_response_partition_produce_response *
find_answer(const struct transactor *t, const struct txn_part *part,
            const struct produce_response *answer)
{
    const struct model_topic *topic = part->stream->partition->topic;
    for (int32_t i = 0; i < answer->responses_count; i++) {
        const struct produce_response_topic_produce_response *told = &answer->responses[i];
        const bool is_it = t->is_old ? bytes_equal_text(told->name, topic->plan->name)
                                     : uuid_equal(told->topic_id, topic->id);
        if (is_it && told->partition_responses_count == 1 &&
            told->partition_responses[0].index == part->stream->partition->index)
            return &told->partition_responses[0];
    }
    model_fail("%s: a batch to %s-%d has no answer", t->name, topic->plan->name,
               part->stream->partition->index);
}

/* A batch whose records may have been deleted is not known any more when it comes again. */
static bool may_be_forgotten(const struct txn_part *part, int16_t error)
{
    return error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && part->is_again &&
           (part->stream->partition->topic->plan->is_trimmed ||
            part->stream->partition->topic->plan->is_compacted);
}

/* False: it was given up, with all the others. */
static bool take_part(struct transactor *t, uint32_t index, const struct produce_response *answer)
{
    struct txn_part *part = &t->parts[index];
    const struct produce_response_partition_produce_response *told = find_answer(t, part, answer);
    part->is_again = true;
    t->error = told->error_code;
    if (told->error_code == KAFKA_NONE) {
        acknowledge(t, part, told->base_offset, told->log_append_time_ms);
        drop_part(t, index);
    } else if (is_gone(part, told->error_code)) {
        drop_part(t, index);
    } else if (may_be_forgotten(part, told->error_code)) {
        transactor_give_up(t);
        return false;
    } else if (!may_refuse(t, part, told->error_code)) {
        char what[160];
        (void)snprintf(what, sizeof(what), "a batch to %s-%d from sequence %d on (%.*s)",
                       part->stream->partition->topic->plan->name, part->stream->partition->index,
                       part->base_sequence, BYTES_PRINTF(told->error_message));
        transactor_on_error(t, told->error_code, COORDINATOR_OF_TRANSACTIONS, what);
        return t->txn != 0;
    }
    return true;
}

static void on_produced(void *context, const void *message)
{
    struct transactor *t = context;
    for (uint32_t i = 0; message == NULL && i < t->part_count; i++)
        t->parts[i].is_again = true;
    for (uint32_t i = t->part_count; message != NULL && i > 0; i--) {
        if (!take_part(t, i - 1, message))
            break;
    }
    client_again(&t->client);
}

static void produce(struct transactor *t)
{
    struct produce_request_partition_produce_data data[PARTS_MAX];
    struct produce_request_topic_produce_data topics[PARTS_MAX];
    for (uint32_t i = 0; i < t->part_count; i++) {
        const struct txn_part *part = &t->parts[i];
        data[i] = produce_request_partition_produce_data_default;
        data[i].index = part->stream->partition->index;
        data[i].records =
            (struct wire_records){ .data = part->batch.data, .size = part->batch.size };
        topics[i] = produce_request_topic_produce_data_default;
        if (t->is_old)
            topics[i].name = bytes_from_text(part->stream->partition->topic->plan->name);
        else
            topics[i].topic_id = part->stream->partition->topic->id;
        topics[i].partition_data = &data[i];
        topics[i].partition_data_count = 1;
    }
    struct produce_request request = produce_request_default;
    request.transactional_id = transactor_id(t);
    request.acks = -1;
    request.timeout_ms = PRODUCE_WAIT_MS;
    request.topic_data = topics;
    request.topic_data_count = (int32_t)t->part_count;
    t->is_begun = true;
    transactor_asks(t);
    client_ask(&t->client, API_PRODUCE, t->is_old ? PRODUCE_VERSION_OLD : PRODUCE_VERSION, &request,
               on_produced, t);
}

static void on_added(void *context, const void *message)
{
    struct transactor *t = context;
    const struct add_partitions_to_txn_response *answer = message;
    if (answer == NULL) {
        client_again(&t->client);
        return;
    }
    for (int32_t i = 0; i < answer->results_by_topic_v3_and_below_count; i++) {
        const int16_t error =
            answer->results_by_topic_v3_and_below[i].results_by_partition[0].partition_error_code;
        if (error != KAFKA_NONE) {
            transactor_on_error(t, error, COORDINATOR_OF_TRANSACTIONS, "an AddPartitionsToTxn");
            return;
        }
    }
    transactor_was_taken(t, "an AddPartitionsToTxn");
    for (uint32_t i = 0; i < t->part_count; i++)
        t->parts[i].stream->is_added = true;
    client_at_once(&t->client);
}

/* False: nothing is to be added. */
static bool add_partitions(struct transactor *t)
{
    struct add_partitions_to_txn_request_topic topics[PARTS_MAX];
    int32_t count = 0;
    for (uint32_t i = 0; i < t->part_count; i++) {
        struct model_partition *partition = t->parts[i].stream->partition;
        if (t->parts[i].stream->is_added)
            continue;
        topics[count] = add_partitions_to_txn_request_topic_default;
        topics[count].name = bytes_from_text(partition->topic->plan->name);
        topics[count].partitions = &partition->index;
        topics[count++].partitions_count = 1;
    }
    if (count == 0)
        return false;
    struct add_partitions_to_txn_request request = add_partitions_to_txn_request_default;
    request.v3_and_below_transactional_id = transactor_id(t);
    request.v3_and_below_producer_id = t->epoch.producer_id;
    request.v3_and_below_producer_epoch = t->epoch.epoch;
    request.v3_and_below_topics = topics;
    request.v3_and_below_topics_count = count;
    t->is_begun = true;
    transactor_asks(t);
    client_ask(&t->client, API_ADD_PARTITIONS_TO_TXN, ADD_PARTITIONS_VERSION, &request, on_added,
               t);
    return true;
}

/* ---- consuming ------------------------------------------------------------------------------- */

static struct bytes group_of(const struct transactor *t)
{
    return bytes_from_text(txns_group_name(txns_of(t), t->id));
}

static void on_committed(void *context, const void *message)
{
    struct transactor *t = context;
    const struct txn_offset_commit_response *answer = message;
    if (answer == NULL) {
        client_again(&t->client);
        return;
    }
    const int16_t error = answer->topics[0].partitions[0].error_code;
    if (error != KAFKA_NONE) {
        transactor_on_error(t, error, COORDINATOR_OF_GROUP, "a TxnOffsetCommit");
        return;
    }
    transactor_was_taken(t, "a TxnOffsetCommit");
    t->consuming = CONSUMING_NOTHING;
    t->client.scene->acknowledged++;
    client_again(&t->client);
}

static void commit_offset(struct transactor *t)
{
    const struct commits_key key = commits_key(t->client.scene->commits, t->key);
    AUTO(mem_freep) char *metadata = txns_metadata(t->txn);
    struct txn_offset_commit_request_partition partition =
        txn_offset_commit_request_partition_default;
    partition.partition_index = key.partition;
    partition.committed_offset = t->to;
    partition.committed_metadata = bytes_from_text(metadata);
    struct txn_offset_commit_request_topic topic = txn_offset_commit_request_topic_default;
    topic.name = bytes_from_text(key.topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct txn_offset_commit_request request = txn_offset_commit_request_default;
    request.transactional_id = transactor_id(t);
    request.group_id = group_of(t);
    request.producer_id = t->epoch.producer_id;
    request.producer_epoch = t->epoch.epoch;
    request.topics = &topic;
    request.topics_count = 1;
    t->is_begun = true;
    transactor_asks(t);
    client_ask(&t->client, API_TXN_OFFSET_COMMIT, t->is_old ? COMMIT_VERSION_OLD : COMMIT_VERSION,
               &request, on_committed, t);
}

static void on_group_added(void *context, const void *message)
{
    struct transactor *t = context;
    const struct add_offsets_to_txn_response *answer = message;
    if (answer == NULL) {
        client_again(&t->client);
        return;
    }
    if (answer->error_code != KAFKA_NONE) {
        transactor_on_error(t, answer->error_code, COORDINATOR_OF_TRANSACTIONS,
                            "an AddOffsetsToTxn");
        return;
    }
    transactor_was_taken(t, "an AddOffsetsToTxn");
    t->is_group_added = true;
    t->consuming = CONSUMING_COMMIT;
    client_again(&t->client);
}

static void add_group(struct transactor *t)
{
    struct add_offsets_to_txn_request request = add_offsets_to_txn_request_default;
    request.transactional_id = transactor_id(t);
    request.producer_id = t->epoch.producer_id;
    request.producer_epoch = t->epoch.epoch;
    request.group_id = group_of(t);
    t->is_begun = true;
    transactor_asks(t);
    client_ask(&t->client, API_ADD_OFFSETS_TO_TXN, ADD_OFFSETS_VERSION, &request, on_group_added,
               t);
}

static void on_fetched(void *context, const void *message)
{
    struct transactor *t = context;
    const struct offset_fetch_response *answer = message;
    if (answer == NULL || t->life != t->client.scene->life) {
        client_again(&t->client);
        return;
    }
    const struct offset_fetch_response_group *group = &answer->groups[0];
    const struct offset_fetch_response_partitions *told =
        group->topics_count == 0 ? NULL : &group->topics[0].partitions[0];
    const int16_t error = told == NULL ? group->error_code : told->error_code;
    if (error != KAFKA_NONE || told == NULL) {
        transactor_on_error(t, error, COORDINATOR_OF_GROUP, "an OffsetFetch");
        return;
    }
    t->after = txns_told_offset(txns_of(t), t->id, t->key, &t->look, told->committed_offset,
                                told->metadata);
    t->from = MAX(told->committed_offset, INT64_C(0));
    t->to = t->from + rng_between(&t->client.rng, 1, CONSUMED_MAX);
    txns_add_offset(txns_of(t), t->txn, t->key, t->after, t->from, t->to);
    t->consumed |= 1u << t->key;
    t->consuming = t->is_old && !t->is_group_added ? CONSUMING_ADD : CONSUMING_COMMIT;
    client_at_once(&t->client);
}

static void fetch_offset(struct transactor *t)
{
    const struct commits_key key = commits_key(t->client.scene->commits, t->key);
    int32_t partition = key.partition;
    struct offset_fetch_request_topics topic = offset_fetch_request_topics_default;
    topic.name = bytes_from_text(key.topic);
    topic.partition_indexes = &partition;
    topic.partition_indexes_count = 1;
    struct offset_fetch_request_group group = offset_fetch_request_group_default;
    group.group_id = group_of(t);
    group.member_id = BYTES_NULL;
    group.topics = &topic;
    group.topics_count = 1;
    struct offset_fetch_request request = offset_fetch_request_default;
    request.groups = &group;
    request.groups_count = 1;
    request.require_stable = true;
    t->look = txns_look(txns_of(t), t->id, t->key);
    transactor_asks(t);
    client_ask(&t->client, API_OFFSET_FETCH, FETCH_VERSION, &request, on_fetched, t);
}

/* ---- the whole ------------------------------------------------------------------------------- */

void transactor_begin_op(struct transactor *t)
{
    const struct commits *commits = t->client.scene->commits;
    const uint32_t key = (uint32_t)rng_below(&t->client.rng, MAX(commits_key_count(commits), 1u));
    const bool can_consume =
        key < commits_key_count(commits) && (t->consumed & 1u << key) == 0 &&
        txns_can_add_offset(txns_of(t), t->txn) &&
        model_has_topic(t->client.scene->model, commits_key(commits, key).topic);
    if (can_consume && rng_chance(&t->client.rng, 300000)) {
        t->key = key;
        t->consuming = CONSUMING_FETCH;
    } else {
        build_parts(t);
    }
    client_at_once(&t->client);
}

bool transactor_continue(struct transactor *t)
{
    /* What a transaction holds back that lost its coordinator's word in a power loss, may never be told. */
    if (t->consuming == CONSUMING_FETCH && t->client.scene->is_resting)
        t->consuming = CONSUMING_NOTHING;
    if (t->part_count > 0) {
        if (!t->is_old || !add_partitions(t))
            produce(t);
        return true;
    }
    switch (t->consuming) {
    case CONSUMING_NOTHING:
        return false;
    case CONSUMING_FETCH:
        fetch_offset(t);
        return true;
    case CONSUMING_ADD:
        add_group(t);
        return true;
    case CONSUMING_COMMIT:
        commit_offset(t);
        return true;
    }
    return false;
}
