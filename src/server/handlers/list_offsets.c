/* ListOffsets: offsets by time, and the special ones (KIP-79, KIP-207, KIP-405, KIP-734, KIP-1005, KIP-1023). */
#include "base/map.h"
#include "server/api_handler.h"
#include "server/authorize.h"
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

struct list_offsets {
    struct request *request;
    struct list_offsets_response *response;
    int32_t topic; /* next to answer: reading may have to wait for the disk in between */
    int32_t partition;
    struct io_job job;
    struct log_wait wait;
};

static void go_on(struct list_offsets *op);

static void warm_run(struct io_job *job)
{
    struct list_offsets *op = CONTAINER_OF(job, struct list_offsets, job);
    log_wait_run(&op->wait);
}

static void warm_done(struct io_job *job)
{
    go_on(CONTAINER_OF(job, struct list_offsets, job));
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

/* Which partitions are asked for more than once. Names may be long: each gets a number first. */
static void find_twice(struct list_offsets *op)
{
    const struct list_offsets_request *asked = op->request->message;
    struct map numbers;
    struct map_i64 seen;
    map_init(&numbers, op->request->shard->hash_seed);
    map_i64_init(&seen, op->request->shard->hash_seed);
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const struct list_offsets_request_topic *topic = &asked->topics[t];
        uintptr_t number = (uintptr_t)map_get(&numbers, topic->name);
        if (number == 0) {
            number = map_count(&numbers) + (uintptr_t)1;
            (void)map_put(&numbers, topic->name, (void *)number);
        }
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const int64_t key =
                (int64_t)(number << 32 | (uint32_t)topic->partitions[i].partition_index);
            struct list_offsets_response_partition_response *out =
                &op->response->topics[t].partitions[i];
            struct list_offsets_response_partition_response *first = map_i64_put(&seen, key, out);
            if (first != NULL)
                first->error_code = out->error_code = KAFKA_INVALID_REQUEST;
        }
    }
    map_deinit(&numbers);
    map_i64_deinit(&seen);
}

static int answer_one(struct list_offsets *op, const struct list_offsets_request_topic *topic_asked,
                      const struct list_offsets_request_partition *asked,
                      struct list_offsets_response_partition_response *out)
{
    struct request *request = op->request;
    const bool is_named_twice = out->error_code == KAFKA_INVALID_REQUEST;
    *out = list_offsets_response_partition_response_default;
    out->partition_index = asked->partition_index;
    const struct metadata_topic *topic = NULL;
    struct partition *p = NULL;
    enum kafka_error error = topic_lookup(request->shard, topic_asked->name, UUID_ZERO, &topic);
    if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, topic_asked->name))
        error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (request->version < version_of(asked->timestamp))
        error = KAFKA_UNSUPPORTED_VERSION;
    else if (is_named_twice)
        error = KAFKA_INVALID_REQUEST;
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, asked->partition_index,
                                 asked->current_leader_epoch, &p);
    out->error_code = (int16_t)error;
    return error == KAFKA_NONE ? answer_time(op, p, asked->timestamp, out) : 0;
}

static void go_on(struct list_offsets *op)
{
    const struct list_offsets_request *asked = op->request->message;
    for (; op->topic < asked->topics_count; op->topic++, op->partition = 0) {
        const struct list_offsets_request_topic *topic = &asked->topics[op->topic];
        for (; op->partition < topic->partitions_count; op->partition++) {
            if (answer_one(op, topic, &topic->partitions[op->partition],
                           &op->response->topics[op->topic].partitions[op->partition]) == 0)
                continue;
            op->job = (struct io_job){ .run = warm_run, .done = warm_done };
            io_submit(op->request->shard->io, NULL, &op->job);
            return;
        }
    }
    request_reply(op->request, op->response);
}

static void handle(struct request *request)
{
    const struct list_offsets_request *asked = request->message;
    struct list_offsets *op = REQUEST_NEW(request, struct list_offsets);
    op->request = request;
    op->response = REQUEST_NEW(request, struct list_offsets_response);
    *op->response = list_offsets_response_default;
    op->response->topics_count = asked->topics_count;
    op->response->topics =
        list_offsets_response_topic_response_array(&request->arena, (size_t)asked->topics_count);
    for (int32_t t = 0; t < asked->topics_count; t++) {
        struct list_offsets_response_topic_response *out = &op->response->topics[t];
        out->name = asked->topics[t].name;
        out->partitions_count = asked->topics[t].partitions_count;
        out->partitions = list_offsets_response_partition_response_array(
            &request->arena, (size_t)out->partitions_count);
    }
    find_twice(op);
    go_on(op);
}

const struct api_handler list_offsets_handler = {
    .api_key = API_LIST_OFFSETS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
