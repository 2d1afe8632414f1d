/* ListOffsets: offsets by time, and the special ones (KIP-79, KIP-207, KIP-405, KIP-734, KIP-1005, KIP-1023). */
#include "base/buf.h"
#include "base/map.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/steps.h"
#include "server/topic_lookup.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"

enum {
    TIME_LATEST = -1,
    TIME_EARLIEST = -2,
    TIME_MAX = -3,
    TIME_EARLIEST_LOCAL = -4,
    TIME_LATEST_TIERED = -5,
    TIME_EARLIEST_PENDING_UPLOAD = -6,
};

/* One partition that is asked for, once. */
struct asked_partition {
    const struct list_offsets_request_topic *topic;
    const struct list_offsets_request_partition *asked;
    struct list_offsets_response_partition_response *out;
    bool is_twice; /* it is asked for again: refused, as in Kafka */
};

struct list_offsets {
    struct steps steps;
    struct request *request;
    struct list_offsets_response *response;
    struct asked_partition *row;
    int32_t count;
    int32_t next; /* to answer: reading may have to wait for the disk in between */
    struct io_job job;
    struct log_wait wait;
};

/* The log says what is to be done first: bytes read, or a long batch looked through. */
static void wait_run(struct io_job *job)
{
    struct list_offsets *op = CONTAINER_OF(job, struct list_offsets, job);
    log_wait_run(&op->wait);
}

static void wait_done(struct io_job *job)
{
    steps_go_on(&CONTAINER_OF(job, struct list_offsets, job)->steps);
}

/* The first version that knows a special timestamp. */
static int16_t version_of(int64_t timestamp)
{
    switch (timestamp) {
    case TIME_MAX:
        return 7;
    case TIME_EARLIEST_LOCAL:
        return 8;
    case TIME_LATEST_TIERED:
        return 9;
    case TIME_EARLIEST_PENDING_UPLOAD:
        return 11;
    default:
        return timestamp < TIME_EARLIEST_PENDING_UPLOAD ? INT16_MAX : 0;
    }
}

static void set(const struct list_offsets *op, struct list_offsets_response_partition_response *out,
                struct log_time_offset found)
{
    out->offset = found.offset;
    out->timestamp = found.timestamp;
    out->leader_epoch = op->request->version >= 4 ? found.leader_epoch : -1;
}

/* By time or the largest timestamp. 0, or -ERR_WOULD_BLOCK with op->wait set. */
static int find(struct list_offsets *op, struct partition *p, int64_t timestamp,
                int64_t readable_end, struct list_offsets_response_partition_response *out)
{
    struct log_time_offset found = { .offset = -1, .timestamp = -1, .leader_epoch = -1 };
    struct err_note note = { 0 };
    const int r = timestamp == TIME_MAX
                      ? log_offset_of_max_time(p->log, false, &found, &op->wait, &note)
                      : log_offset_for_time(p->log, timestamp, false, &found, &op->wait, &note);
    if (r == -ERR_WOULD_BLOCK)
        return r;
    if (r == -ERR_DAMAGED) { /* which the log has told of, once */
        out->error_code = KAFKA_CORRUPT_MESSAGE;
        return 0;
    }
    if (r < 0) {
        out->error_code = KAFKA_KAFKA_STORAGE_ERROR;
        DIAG_ERROR(op->request->shard->diag, "log", "%s-%d cannot be searched: %s: %s", p->topic,
                   p->index, err_sentence(r), note.text);
        return 0;
    }
    if (found.offset >= 0 && found.offset < readable_end)
        set(op, out, found);
    return 0;
}

static int answer_time(struct list_offsets *op, struct partition *p, int64_t timestamp,
                       struct list_offsets_response_partition_response *out)
{
    const struct list_offsets_request *asked = op->request->message;
    const enum fetch_isolation isolation = asked->replica_id >= 0        ? FETCH_LOG_END
                                           : asked->isolation_level == 1 ? FETCH_COMMITTED
                                                                         : FETCH_HIGH_WATERMARK;
    const int64_t readable_end = partition_readable_end(p, isolation);
    const struct log_offsets *offsets = log_offsets(p->log);
    switch (timestamp) {
    case TIME_LATEST:
        set(op, out, (struct log_time_offset){ readable_end, -1, p->leader_epoch });
        return 0;
    case TIME_EARLIEST:
        set(op, out, (struct log_time_offset){ offsets->start, -1, log_epoch_of_start(p->log) });
        return 0;
    case TIME_EARLIEST_LOCAL:
        set(op, out,
            (struct log_time_offset){ offsets->local_start, -1,
                                      log_epoch_of(p->log, offsets->local_start) });
        return 0;
    case TIME_LATEST_TIERED:
    case TIME_EARLIEST_PENDING_UPLOAD:
        set(op, out, (struct log_time_offset){ -1, -1, -1 }); /* nothing is tiered */
        return 0;
    default:
        return find(op, p, timestamp, readable_end, out);
    }
}

static int answer_one(struct list_offsets *op, const struct asked_partition *item)
{
    struct request *request = op->request;
    const struct list_offsets_request_partition *asked = item->asked;
    struct list_offsets_response_partition_response *out = item->out;
    *out = list_offsets_response_partition_response_default;
    out->partition_index = asked->partition_index;
    const struct metadata_topic *topic = NULL;
    struct partition *p = NULL;
    enum kafka_error error = topic_lookup(request->shard, item->topic->name, UUID_ZERO, &topic);
    if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, item->topic->name))
        error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (request->version < version_of(asked->timestamp))
        error = KAFKA_UNSUPPORTED_VERSION;
    else if (item->is_twice)
        error = KAFKA_INVALID_REQUEST;
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, asked->partition_index,
                                 asked->current_leader_epoch, &p);
    if (error == KAFKA_NONE && asked->current_leader_epoch < -1)
        error = KAFKA_FENCED_LEADER_EPOCH; /* -1 alone means none */
    out->error_code = (int16_t)error;
    return error == KAFKA_NONE ? answer_time(op, p, asked->timestamp, out) : 0;
}

/* A look through indexes and a batch costs as much as many that only look up what is known. */
static uint32_t cost_of(int64_t timestamp)
{
    return timestamp >= 0 || timestamp == TIME_MAX ? 20 : 1;
}

static enum steps_result step(struct steps *steps)
{
    struct list_offsets *op = CONTAINER_OF(steps, struct list_offsets, steps);
    for (; op->next < op->count; op->next++) {
        const struct asked_partition *item = &op->row[op->next];
        if (!steps_may_add(steps, cost_of(item->asked->timestamp)))
            return STEPS_MORE;
        if (answer_one(op, item) == 0) {
            log_wait_deinit(&op->wait); /* where the partition went away meanwhile */
            continue;
        }
        op->job = (struct io_job){ .run = wait_run, .done = wait_done, .is_long = true };
        io_submit(op->request->shard->io, NULL, &op->job);
        return STEPS_WAIT;
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    struct list_offsets *op = CONTAINER_OF(steps, struct list_offsets, steps);
    log_wait_deinit(&op->wait); /* where the peer went away meanwhile */
    request_reply(op->request, op->response);
}

/* ---- what is asked ---------------------------------------------------------------------------- */

#define KEY_BYTES_MAX (1u << 20) /* above what a text of the protocol can hold */

/* Name and index, as one key of a map. */
static struct bytes key_of(struct buf *space, struct bytes name, int32_t index)
{
    buf_clear(space);
    buf_put_i32(space, index);
    buf_put(space, name.data, name.size);
    return bytes_from(space->data, space->size);
}

static int32_t count_partitions(const struct list_offsets_request *asked)
{
    int32_t count = 0;
    for (int32_t t = 0; t < asked->topics_count; t++)
        count += asked->topics[t].partitions_count;
    return count;
}

/* Lays out the answer: each partition once. */
static void lay_out(struct list_offsets *op)
{
    struct request *request = op->request;
    const struct list_offsets_request *asked = request->message;
    struct map seen; /* name and index → struct asked_partition */
    struct buf key;
    map_init(&seen, request->shard->hash_seed);
    buf_init(&key, KEY_BYTES_MAX);
    op->row = REQUEST_NEW_ARRAY(request, struct asked_partition, count_partitions(asked));
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const struct list_offsets_request_topic *topic = &asked->topics[t];
        struct list_offsets_response_topic_response *out = &op->response->topics[t];
        out->name = topic->name;
        out->partitions = list_offsets_response_partition_response_array(
            &request->arena, (size_t)topic->partitions_count);
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            struct asked_partition *item = &op->row[op->count];
            const struct bytes id = key_of(&key, topic->name, topic->partitions[i].partition_index);
            struct asked_partition *former = map_get(&seen, id);
            if (former != NULL) {
                former->is_twice = true;
                continue;
            }
            (void)map_put(&seen, id, item); /* it was not there */
            *item = (struct asked_partition){ .topic = topic,
                                              .asked = &topic->partitions[i],
                                              .out = &out->partitions[out->partitions_count++] };
            op->count++;
        }
    }
    buf_deinit(&key);
    map_deinit(&seen);
}

static void handle(struct request *request)
{
    const struct list_offsets_request *asked = request->message;
    struct list_offsets *op = REQUEST_NEW(request, struct list_offsets);
    *op = (struct list_offsets){ .request = request };
    op->response = REQUEST_NEW(request, struct list_offsets_response);
    *op->response = list_offsets_response_default;
    op->response->topics_count = asked->topics_count;
    op->response->topics =
        list_offsets_response_topic_response_array(&request->arena, (size_t)asked->topics_count);
    lay_out(op);
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler list_offsets_handler = {
    .api_key = API_LIST_OFFSETS,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
