/* See auditor.h.
 *
 *   metadata ──► for each partition: where it starts ──► pieces up to the end ──► offsets by time, and by epoch ──► the next
 */
#include "auditor.h"

#include "client.h"
#include "model.h"
#include "records.h"
#include "rot.h"
#include "sim_broker.h"
#include "txns.h"
#include "wire/batch.h"
#include "wire/control_record.h"
#include "wire/kafka_error.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/offset_for_leader_epoch_request.h"
#include "wire/messages/offset_for_leader_epoch_response.h"

#include <stdio.h>

#define METADATA_VERSION 12
#define FETCH_VERSION    13
#define FETCH_WAITING    17 /* a newer one, now and then */
#define LIST_VERSION     9
#define EPOCH_VERSION    4
#define RECORD_BYTES_MAX (1u << 20)
#define FETCH_BYTES_MAX  (1 << 20)
#define PAUSE_MIN_NS     (50 * NS_PER_MS)
#define PAUSE_LEAST_NS   (200 * NS_PER_MS) /* the longest between two turns: drawn for each history */
#define PAUSE_MOST_NS    (2000 * NS_PER_MS)
#define EARLIEST         (-2)

/* Where an epoch of the log begins, by its batches. */
struct epoch_start {
    int32_t epoch;
    int64_t offset;
};

struct auditor {
    struct client client; /* first */
    uint64_t life;        /* of the broker, when the question was asked */
    uint32_t rounds;
    uint32_t plan; /* which is read */
    uint32_t index;
    struct model_partition *partition; /* of it */
    int64_t start;
    int64_t offset; /* the next to be read */
    int64_t end;    /* of the log, when the reading began; -1: not told yet */
    VEC(struct epoch_start) epochs;
    VEC(int64_t) missed; /* offsets that did not come, of a compacted topic */
    const struct model_topic *asked[MODEL_TOPICS_MAX]; /* for metadata of them */
    bool is_committed;                                 /* only what is committed is to be seen */
    VEC(struct fetch_response_aborted_transaction)
    aborted;               /* in what was fetched, that are to come */
    VEC(int64_t) aborting; /* producers in whose they are */
    int64_t known_start;   /* of the model, when the question was asked */
    int64_t known_end;
    size_t epoch_asked;
    bool has_passed_damage; /* a batch of the partition could not be read */
    int16_t error;          /* of the last answer that had one */
    char words[200];
};

struct client *auditor_client(struct auditor *r)
{
    return &r->client;
}

uint32_t auditor_rounds(const struct auditor *r)
{
    return r->life == r->client.scene->life ? r->rounds : 0;
}

const char *auditor_words(struct auditor *r)
{
    (void)snprintf(r->words, sizeof(r->words),
                   "topic %u, partition %u, offset %" PRId64 " of %" PRId64
                   "; the last error was %s",
                   r->plan, r->index, r->offset, r->end, kafka_error_name(r->error));
    return r->words;
}

static const char *topic_name(const struct auditor *r)
{
    return r->partition->topic->plan->name;
}

static void next_partition(struct auditor *r)
{
    r->partition = NULL;
    r->index++;
    client_again(&r->client);
}

/* The partition is begun again, after a pause. */
static void again(struct auditor *r)
{
    r->partition = NULL;
    client_again(&r->client);
}

/* On a full disk a new log may have to wait until there is a directory for it. */
static bool is_of_full_disk(enum kafka_error error)
{
    return error == KAFKA_KAFKA_STORAGE_ERROR || error == KAFKA_NOT_LEADER_OR_FOLLOWER;
}

/* An answer with an error, or none: the partition is tried again, or left. */
static void on_error(struct auditor *r, enum kafka_error error)
{
    const struct scene *scene = r->client.scene;
    const struct model_topic *topic = r->partition->topic;
    r->error = (int16_t)error;
    /* What is damaged is damaged in the next life, too. */
    if (error == KAFKA_CORRUPT_MESSAGE && rot_has(scene->rot, r->partition)) {
        next_partition(r);
        return;
    }
    const bool is_leaving = topic->state != MODEL_TOPIC_PRESENT;
    const bool is_ending = r->life != scene->life || sim_broker_is_stopping(scene->broker);
    const bool may_be =
        is_leaving || is_ending || (is_of_full_disk(error) && scene_may_be_full(scene));
    if (!may_be)
        model_fail("%s-%d cannot be read at offset %" PRId64 ": %s", topic_name(r),
                   r->partition->index, r->offset, kafka_error_name((int16_t)error));
    if (is_leaving)
        next_partition(r);
    else
        again(r);
}

/* Whether an answer is of use: it came, and from the broker that was asked. */
static bool is_fresh(struct auditor *r, const void *answer)
{
    if (answer != NULL && r->life == r->client.scene->life)
        return true;
    again(r);
    return false;
}

/* ---- offsets by epoch ------------------------------------------------------------------------ */

static void ask_epoch(struct auditor *r);

static void on_epoch(void *context, const void *message)
{
    struct auditor *r = context;
    const struct offset_for_leader_epoch_response *answer = message;
    if (!is_fresh(r, answer))
        return;
    const struct offset_for_leader_epoch_response_epoch_end_offset *told =
        &answer->topics[0].partitions[0];
    if (told->error_code != KAFKA_NONE) {
        on_error(r, (enum kafka_error)told->error_code);
        return;
    }
    const struct epoch_start *asked = &r->epochs.items[r->epoch_asked];
    const bool is_last = r->epoch_asked + 1 == r->epochs.count;
    const int64_t end = is_last ? r->end : asked[1].offset;
    if (r->partition->topic->plan->is_trimmed && told->end_offset != end) {
        next_partition(r); /* its records were deleted meanwhile */
        return;
    }
    /* Records may have come since, of this epoch or the next: then it ends no earlier. */
    if (told->leader_epoch != asked->epoch ||
        (is_last ? told->end_offset < end : told->end_offset != end))
        model_fail("%s-%d: epoch %d ends at offset %" PRId64
                   " by its batches, and the answer is epoch %d, offset %" PRId64,
                   topic_name(r), r->partition->index, asked->epoch, end, told->leader_epoch,
                   told->end_offset);
    r->epoch_asked++;
    ask_epoch(r);
}

static void ask_epoch(struct auditor *r)
{
    const bool has_moved = r->partition->start != r->start && r->partition->topic->plan->is_trimmed;
    /* Where an epoch begins may be what could not be read. */
    if (r->epoch_asked >= r->epochs.count || r->has_passed_damage ||
        r->partition->topic->plan->is_brief || has_moved) {
        next_partition(r);
        return;
    }
    struct offset_for_leader_epoch_request_offset_for_leader_partition partition =
        offset_for_leader_epoch_request_offset_for_leader_partition_default;
    partition.partition = r->partition->index;
    partition.leader_epoch = r->epochs.items[r->epoch_asked].epoch;
    struct offset_for_leader_epoch_request_offset_for_leader_topic topic =
        offset_for_leader_epoch_request_offset_for_leader_topic_default;
    topic.topic = bytes_from_text(topic_name(r));
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct offset_for_leader_epoch_request request = offset_for_leader_epoch_request_default;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    client_ask(&r->client, API_OFFSET_FOR_LEADER_EPOCH, EPOCH_VERSION, &request, on_epoch, r);
}

/* ---- offsets by time ------------------------------------------------------------------------- */

static void ask_list(struct auditor *r, int64_t timestamp_ms, sim_peer_answer *answer)
{
    struct list_offsets_request_partition partition = list_offsets_request_partition_default;
    partition.partition_index = r->partition->index;
    partition.timestamp = timestamp_ms;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    topic.name = bytes_from_text(topic_name(r));
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct list_offsets_request request = list_offsets_request_default;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    client_ask(&r->client, API_LIST_OFFSETS, LIST_VERSION, &request, answer, r);
}

/* The first record of [start, end), all of which were read, that is so young. */
static int64_t first_since(const struct auditor *r, int64_t timestamp_ms)
{
    for (int64_t i = r->start; i < r->end; i++) {
        if (r->partition->slots.items[i].timestamp_ms >= timestamp_ms)
            return i;
    }
    return -1;
}

static const struct list_offsets_response_partition_response *
take_list(struct auditor *r, const struct list_offsets_response *answer)
{
    if (!is_fresh(r, answer))
        return NULL;
    const struct list_offsets_response_partition_response *told = &answer->topics[0].partitions[0];
    if (told->error_code == KAFKA_NONE)
        return told;
    on_error(r, (enum kafka_error)told->error_code);
    return NULL;
}

static void on_time(void *context, const void *message)
{
    struct auditor *r = context;
    const struct list_offsets_response_partition_response *told = take_list(r, message);
    if (told == NULL)
        return;
    /* It was the time of the record at r->offset. Where records are deleted the first may be gone. */
    const int64_t timestamp_ms = r->partition->slots.items[r->offset].timestamp_ms;
    const int64_t first = first_since(r, timestamp_ms);
    if (told->offset != first && !r->partition->topic->plan->is_trimmed)
        model_fail("%s-%d: the first record since %" PRId64 " is at offset %" PRId64
                   ", and the answer is %" PRId64,
                   topic_name(r), r->partition->index, timestamp_ms, first, told->offset);
    r->epoch_asked = 0;
    ask_epoch(r);
}

/* All of the partition has been read. */
static void on_end(struct auditor *r)
{
    const struct model_plan *plan = r->partition->topic->plan;
    struct scene *scene = r->client.scene;
    /* After a power loss what is newer may be behind a transaction that nobody ends any more. */
    if (!r->is_committed || txns_are_whole(scene->txns))
        scene->compacted +=
            model_missed(r->partition, r->missed.items, r->missed.count, r->offset,
                         io_now_ms(sim_node_io(scene->machine)), txns_is_in_force, scene->txns);
    if (r->end <= r->start || plan->is_brief || plan->is_compacted) {
        next_partition(r);
        return;
    }
    r->offset = rng_between(&r->client.rng, r->start, r->end - 1);
    ask_list(r, r->partition->slots.items[r->offset].timestamp_ms, on_time);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Compaction has left nothing before that offset. */
static void miss_until(struct auditor *r, int64_t offset)
{
    for (; r->offset < offset; r->offset++)
        VEC_ADD(&r->missed, r->offset);
}

/* end: the high watermark, or the last stable offset. */
static void check_offset(struct auditor *r, const struct record *record, int64_t end)
{
    if (r->partition->topic->plan->is_compacted)
        miss_until(r, record->offset);
    if (record->offset != r->offset)
        model_fail("%s-%d: offset %" PRId64 " was to come, and %" PRId64 " came", topic_name(r),
                   r->partition->index, r->offset, record->offset);
    if (record->offset >= end)
        model_fail("%s-%d: offset %" PRId64 " is served above the %s %" PRId64, topic_name(r),
                   r->partition->index, record->offset,
                   r->is_committed ? "last stable offset" : "high watermark", end);
}

static void check_record(struct auditor *r, const struct record *record, bool is_seen)
{
    struct scene *scene = r->client.scene;
    struct model_record of;
    if (!records_parse(record, &of))
        model_fail("%s-%d: the record at offset %" PRId64 " is nobody's", topic_name(r),
                   r->partition->index, record->offset);
    model_read(scene->model, r->partition, record->offset, of, record->timestamp);
    if (r->is_committed)
        txns_passed(scene->txns, of, is_seen, r->partition, record->offset);
    scene->read++;
}

/* ---- what is committed, as readers tell it by themselves (KIP-98) ---------------------------- */

static void begin_aborted(struct auditor *r, const struct fetch_response_partition_data *data)
{
    r->aborted.count = r->aborting.count = 0;
    for (int32_t i = 0; i < data->aborted_transactions_count; i++)
        VEC_ADD(&r->aborted, data->aborted_transactions[i]);
}

static void forget_aborting(struct auditor *r, int64_t producer_id)
{
    for (size_t i = r->aborting.count; i > 0; i--) {
        if (r->aborting.items[i - 1] == producer_id)
            VEC_REMOVE_AT(&r->aborting, i - 1);
    }
}

/* Those that have begun by the end of this batch. */
static void take_aborted(struct auditor *r, const struct batch_view *batch)
{
    for (size_t i = r->aborted.count; i > 0; i--) {
        if (r->aborted.items[i - 1].first_offset > batch_last_offset(batch))
            continue;
        VEC_ADD(&r->aborting, r->aborted.items[i - 1].producer_id);
        VEC_REMOVE_AT(&r->aborted, i - 1);
    }
}

static bool is_left_out(struct auditor *r, const struct batch_view *batch)
{
    take_aborted(r, batch);
    for (size_t i = 0; i < r->aborting.count; i++) {
        if (r->aborting.items[i] == batch->producer_id)
            return (batch->attributes & BATCH_TRANSACTIONAL) != 0;
    }
    return false;
}

static void check_marker(struct auditor *r, const struct batch_view *batch,
                         const struct record *record)
{
    enum control_type type;
    if (control_record_parse(record->key, &type) < 0 ||
        (type != CONTROL_ABORT && type != CONTROL_COMMIT))
        model_fail("%s-%d: the marker at offset %" PRId64 " is none", topic_name(r),
                   r->partition->index, record->offset);
    if (type == CONTROL_ABORT)
        forget_aborting(r, batch->producer_id);
    model_read_marker(r->partition, record->offset, record->timestamp);
}

static void check_epoch(struct auditor *r, const struct batch_view *batch)
{
    const struct epoch_start *last =
        r->epochs.count == 0 ? NULL : &r->epochs.items[r->epochs.count - 1];
    if (last != NULL && batch->leader_epoch < last->epoch)
        model_fail("%s-%d: the batch at offset %" PRId64 " is of epoch %d, after epoch %d",
                   topic_name(r), r->partition->index, batch->base_offset, batch->leader_epoch,
                   last->epoch);
    if (last == NULL || batch->leader_epoch > last->epoch)
        VEC_ADD(&r->epochs, ((struct epoch_start){ .epoch = batch->leader_epoch,
                                                   .offset = batch->base_offset }));
}

static void check_batch(struct auditor *r, const struct batch_view *batch, int64_t end)
{
    const bool is_control = (batch->attributes & BATCH_CONTROL) != 0;
    const bool is_seen = !is_left_out(r, batch);
    if (batch_check_crc(batch) < 0)
        model_fail("%s-%d: the batch at offset %" PRId64 " has a wrong CRC", topic_name(r),
                   r->partition->index, batch->base_offset);
    if (batch_last_offset(batch) >= r->offset)
        check_epoch(r, batch);
    AUTO(record_walk_deinit) struct record_walk walk;
    struct record record;
    record_walk_init(&walk, batch, r->client.scene->codecs, RECORD_BYTES_MAX);
    int n;
    while ((n = record_walk_next(&walk, &record)) > 0) {
        if (record.offset < r->offset)
            continue;
        check_offset(r, &record, end);
        if (is_control)
            check_marker(r, batch, &record);
        else
            check_record(r, &record, is_seen);
        r->offset++;
    }
    if (r->partition->topic->plan->is_compacted)
        miss_until(r, batch_last_offset(batch) + 1);
    if (n < 0)
        model_fail("%s-%d: a record at offset %" PRId64 " cannot be read: %s", topic_name(r),
                   r->partition->index, r->offset, err_name(n));
}

static void check_records(struct auditor *r, struct bytes records, int64_t end)
{
    struct batch_view batch;
    while (records.size > 0 && batch_parse(records, &batch) > 0) {
        records = bytes_slice(records, batch.bytes.size, records.size - batch.bytes.size);
        check_batch(r, &batch, end);
    }
}

static void fetch(struct auditor *r);

/* The batch there is damaged, and nothing is told but that: what lies behind it is read. False: it is not damaged. */
static bool pass_damage(struct auditor *r, const struct fetch_response_partition_data *data)
{
    const struct scene *scene = r->client.scene;
    int64_t next;
    if (!rot_covers(scene->rot, r->partition, r->offset, &next))
        return false;
    if (data->records.size > 0)
        model_fail("%s-%d: records are served at offset %" PRId64 " beside an error", topic_name(r),
                   r->partition->index, r->offset);
    rot_told(scene->rot, r->partition, r->offset);
    if (r->end < 0)
        r->end = r->is_committed ? data->last_stable_offset : data->high_watermark;
    r->has_passed_damage = true;
    r->offset = MIN(next, r->end);
    if (r->offset < r->end)
        fetch(r);
    else
        on_end(r);
    return true;
}

static void on_fetched(void *context, const void *message)
{
    struct auditor *r = context;
    const struct fetch_response *answer = message;
    if (!is_fresh(r, answer))
        return;
    if (answer->error_code != KAFKA_NONE || answer->responses_count != 1)
        model_fail("a fetch of one partition is answered with %s",
                   kafka_error_name(answer->error_code));
    const struct fetch_response_partition_data *data = &answer->responses[0].partitions[0];
    if (data->error_code == KAFKA_OFFSET_OUT_OF_RANGE && r->partition->topic->plan->is_trimmed) {
        again(r); /* records went while they were read */
        return;
    }
    if (data->error_code == KAFKA_CORRUPT_MESSAGE && pass_damage(r, data))
        return;
    if (data->error_code != KAFKA_NONE) {
        on_error(r, (enum kafka_error)data->error_code);
        return;
    }
    if (data->high_watermark < r->known_end)
        model_fail("%s-%d: the high watermark is %" PRId64 ", and offset %" PRId64
                   " was told or acknowledged before",
                   topic_name(r), r->partition->index, data->high_watermark, r->known_end - 1);
    r->partition->known_end = MAX(r->partition->known_end, data->high_watermark);
    model_told_start(r->partition, data->log_start_offset, r->known_start,
                     io_now_ms(sim_node_io(r->client.scene->machine)));
    if (data->last_stable_offset < 0 || data->last_stable_offset > data->high_watermark)
        model_fail(
            "%s-%d: the last stable offset is %" PRId64 ", and the high watermark is %" PRId64,
            topic_name(r), r->partition->index, data->last_stable_offset, data->high_watermark);
    const int64_t end = r->is_committed ? data->last_stable_offset : data->high_watermark;
    if (r->end < 0)
        r->end = end;
    const int64_t before = r->offset;
    const size_t missed = r->missed.count;
    begin_aborted(r, data);
    check_records(r, bytes_from(data->records.data, data->records.size), end);
    /* What took their place may be newer than all that was to be read. */
    if (r->missed.count > missed)
        r->end = MAX(r->end, end);
    /* What is left of a compacted log may go on with what is not stable. */
    const bool may_go_on_above = r->partition->topic->plan->is_compacted && r->is_committed;
    if (r->offset == before && may_go_on_above)
        r->end = before;
    else if (r->offset == before && before < end)
        model_fail("%s-%d: nothing is served at offset %" PRId64 " below the %s %" PRId64,
                   topic_name(r), r->partition->index, before,
                   r->is_committed ? "last stable offset" : "high watermark", end);
    if (r->offset < r->end)
        fetch(r);
    else
        on_end(r);
}

static void fetch(struct auditor *r)
{
    struct rng *rng = &r->client.rng;
    struct fetch_request_partition partition = fetch_request_partition_default;
    partition.partition = r->partition->index;
    partition.fetch_offset = r->offset;
    partition.partition_max_bytes =
        rng_chance(rng, 700000) ? FETCH_BYTES_MAX : (int32_t)rng_between(rng, 1, 20000);
    struct fetch_request_topic topic = fetch_request_topic_default;
    topic.topic_id = r->partition->topic->id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct fetch_request request = fetch_request_default;
    request.isolation_level = r->is_committed;
    request.max_wait_ms = rng_chance(rng, 100000) ? 500 : 0;
    request.min_bytes = rng_chance(rng, 100000) ? 5000 : 1;
    request.max_bytes = FETCH_BYTES_MAX;
    request.topics = &topic;
    request.topics_count = 1;
    r->known_start = r->partition->start;
    r->known_end = r->partition->known_end;
    client_ask(&r->client, API_FETCH, rng_chance(rng, 500000) ? FETCH_VERSION : FETCH_WAITING,
               &request, on_fetched, r);
}

static void on_start(void *context, const void *message)
{
    struct auditor *r = context;
    const struct list_offsets_response_partition_response *told = take_list(r, message);
    if (told == NULL)
        return;
    model_told_start(r->partition, told->offset, r->known_start,
                     io_now_ms(sim_node_io(r->client.scene->machine)));
    r->start = r->offset = told->offset;
    fetch(r);
}

static void begin_partition(struct auditor *r)
{
    r->start = r->offset = 0;
    r->end = -1;
    r->epochs.count = r->missed.count = 0;
    r->known_start = r->partition->start;
    r->has_passed_damage = false;
    r->is_committed = rng_chance(&r->client.rng, 500000);
    if (r->partition->topic->plan->is_trimmed)
        ask_list(r, EARLIEST, on_start);
    else
        fetch(r);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void check_topic(struct auditor *r, const struct metadata_response_topic *told)
{
    struct model *model = r->client.scene->model;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        struct model_plan *plan = model_plan(model, i);
        if (!bytes_equal_text(told->name, plan->name))
            continue;
        const struct model_topic *topic = plan->topic;
        if (topic == NULL || topic != r->asked[i] || topic->state != MODEL_TOPIC_PRESENT)
            return;
        if (told->error_code != KAFKA_NONE)
            model_fail("topic %s was created, and is gone: %s", plan->name,
                       kafka_error_name(told->error_code));
        if (!uuid_equal(told->topic_id, topic->id))
            model_fail("topic %s has another id now", plan->name);
        if (told->partitions_count != (int32_t)plan->partition_count)
            model_fail("topic %s has %d partitions now", plan->name, told->partitions_count);
    }
}

static void on_metadata(void *context, const void *message)
{
    struct auditor *r = context;
    const struct metadata_response *answer = message;
    if (!is_fresh(r, answer))
        return;
    if (!bytes_equal_text(answer->cluster_id, "simulated-cluster-0000"))
        model_fail("the cluster's id is '%.*s' now", BYTES_PRINTF(answer->cluster_id));
    for (int32_t i = 0; i < answer->topics_count; i++)
        check_topic(r, &answer->topics[i]);
    r->plan = r->index = 0;
    client_again(&r->client);
}

static void begin_round(struct auditor *r)
{
    struct model *model = r->client.scene->model;
    struct metadata_request_topic topics[MODEL_TOPICS_MAX];
    struct metadata_request request = metadata_request_default;
    request.topics = topics;
    request.topics_count = 0;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        r->asked[i] = model_plan(model, i)->topic;
        if (r->asked[i] == NULL)
            continue;
        topics[request.topics_count] = metadata_request_topic_default;
        topics[request.topics_count++].name = bytes_from_text(model_plan(model, i)->name);
    }
    request.allow_auto_topic_creation = false;
    client_ask(&r->client, API_METADATA, METADATA_VERSION, &request, on_metadata, r);
}

static void act(struct client *client)
{
    struct auditor *r = CONTAINER_OF(client, struct auditor, client);
    struct model *model = client->scene->model;
    if (r->life != client->scene->life) {
        r->life = client->scene->life;
        r->rounds = 0;
        r->plan = UINT32_MAX;
    }
    if (r->plan == UINT32_MAX) {
        begin_round(r);
        return;
    }
    while (r->plan < model_plan_count(model)) {
        struct model_topic *topic = model_plan(model, r->plan)->topic;
        if (topic != NULL && r->index < topic->plan->partition_count) {
            r->partition = &topic->partitions[r->index];
            begin_partition(r);
            return;
        }
        r->plan++;
        r->index = 0;
    }
    r->rounds++;
    r->plan = UINT32_MAX;
    client_again(client);
}

struct auditor *auditor_new(struct scene *scene)
{
    struct auditor *r = MEM_NEW(struct auditor);
    r->plan = UINT32_MAX;
    client_init(&r->client, scene, "auditor", act);
    r->client.pause_min_ns = PAUSE_MIN_NS;
    r->client.pause_max_ns = rng_between(&r->client.rng, PAUSE_LEAST_NS, PAUSE_MOST_NS);
    return r;
}

void auditor_free(struct auditor *r)
{
    client_deinit(&r->client);
    VEC_DEINIT(&r->epochs);
    VEC_DEINIT(&r->missed);
    VEC_DEINIT(&r->aborted);
    VEC_DEINIT(&r->aborting);
    mem_free(r);
}
