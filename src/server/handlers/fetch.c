/* Fetch: pieces of logs to consumers and followers (KIP-74, KIP-227, KIP-320, KIP-392, KIP-516).
 *
 *   assess ──► enough, an error, or nobody wants to wait ──► answer
 *      ▲  └──► watch the partitions and the clock ──┐
 *      └──────────── woken by an append ◄───────────┘
 *
 * Assessing compares offsets, and looks up positions only where min_bytes asks for more than one. Records leave as file regions; small pieces are copied into the
 * answer. Bytes that are not in memory, or have not been checked since they came there, are read through by a job first, so that a
 * cold reader holds up nobody else, and a damaged batch is sent to nobody.
 */
#include "base/vec.h"
#include "config/config.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/fetch_session.h"
#include "server/topic_lookup.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"

#define COPY_BYTES_MAX (16u << 10) /* below this a copy costs less than a sendfile of its own */

/* What is read for one answer. Where bytes have to come into memory first it stands until they have, and goes on. */
struct reading {
    struct fetch_partition **row; /* as it stood at the beginning: who is served moves to its end */
    uint32_t row_count;
    uint32_t next;                              /* of the row: to be read */
    struct fetch_response_partition_data *data; /* `count` of them are told */
    struct log_piece *pieces;
    struct fetch_partition **told;
    struct file_region *regions;
    uint32_t count;
    uint32_t region_count;
    uint64_t bytes_left;
    bool has_records;
};

struct fetch {
    struct request *request;
    struct fetch_context context;
    int16_t version;
    int32_t max_wait_ms;
    int32_t min_bytes;
    uint32_t max_bytes;
    int32_t replica_id; /* of the follower that asks; negative: a consumer */
    enum fetch_isolation isolation;
    struct fetch_watch *watches; /* while waiting: one for each partition that is here */
    uint32_t watch_count;
    struct io_timer timeout;
    struct io_job warm_job;
    struct log_wait warm;
    bool is_warming; /* the job is under way */
    bool is_gone;    /* the peer left meanwhile */
    struct reading reading;
    uint32_t partition_count;
};

static void read_on(struct fetch *fetch);
static void consider(struct fetch *fetch, bool is_waiting);

/* ---- one partition --------------------------------------------------------------------------- */

/* A follower may read what it is a replica of, and follows another broker. */
static bool is_follower_of(const struct fetch *fetch, const struct metadata_topic *topic,
                           int32_t index)
{
    const struct metadata_partition *told = metadata_topic_partition(topic, index);
    if (told == NULL || fetch->replica_id == fetch->request->shard->node_id)
        return false;
    const int32_t *replicas = metadata_partition_replicas(told);
    for (int32_t i = 0; i < told->replica_count; i++) {
        if (replicas[i] == fetch->replica_id)
            return true;
    }
    return false;
}

static enum kafka_error find(const struct fetch *fetch, struct fetch_partition *asked,
                             struct partition **out)
{
    const struct shard *shard = fetch->request->shard;
    const struct metadata_topic *topic = NULL;
    enum kafka_error error = topic_lookup(shard, asked->topic, asked->topic_id, &topic);
    const struct bytes name = topic != NULL ? topic->name : asked->topic;
    if (!authorize(fetch->request, ACL_READ, ACL_TOPIC, name))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (error != KAFKA_NONE)
        return fetch->version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID
                                    : error; /* an id of zeros is one, too */
    error = partition_lookup(shard, topic, asked->index, asked->current_leader_epoch, out);
    if (error == KAFKA_NONE && fetch->replica_id >= 0 &&
        !is_follower_of(fetch, topic, asked->index))
        error = KAFKA_NOT_LEADER_OR_FOLLOWER;
    return error;
}

/* Errors of the request, before a log is asked. Kafka tells them with an empty array of aborted transactions, all
 * others with a null one. */
static bool is_before_reading(enum kafka_error error)
{
    return error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || error == KAFKA_UNKNOWN_TOPIC_ID ||
           error == KAFKA_TOPIC_AUTHORIZATION_FAILED;
}

/* KIP-595 and KIP-320: does the reader's history follow ours? False: it diverges from `*out_end` on. */
static enum kafka_error check_history(const struct partition *p,
                                      const struct fetch_partition *asked,
                                      struct log_epoch_end *out_end, bool *out_diverges)
{
    *out_diverges = false;
    if (asked->last_fetched_epoch < 0)
        return KAFKA_NONE;
    *out_end = log_end_offset_for_epoch(p->log, asked->last_fetched_epoch);
    if (out_end->end_offset < 0)
        return KAFKA_OFFSET_OUT_OF_RANGE;
    *out_diverges = out_end->leader_epoch < asked->last_fetched_epoch ||
                    out_end->end_offset < asked->fetch_offset;
    return KAFKA_NONE;
}

static bool is_in_range(const struct partition *p, int64_t offset)
{
    const struct log_offsets *offsets = log_offsets(p->log);
    return offset >= offsets->start && offset <= offsets->end;
}

/* How many bytes a read would give now; only looked at when more than one is wanted. -1: it cannot be told without
 * waiting. */
static int64_t measure(struct partition *p, const struct fetch_partition *asked, int64_t end,
                       int64_t wanted_bytes)
{
    if (wanted_bytes <= 1)
        return 1;
    const struct log_read read = {
        .offset = asked->fetch_offset,
        .end_offset = end,
        .bytes_max = (uint32_t)MAX(asked->max_bytes, 0),
        .min_one = true,
    };
    struct log_piece piece = { 0 };
    struct log_wait wait = { 0 };
    if (log_read(p->log, &read, &piece, &wait, NULL) < 0) {
        log_wait_deinit(&wait);
        return -1;
    }
    io_file_unref(piece.file);
    return piece.is_cut_short ? -1 : (int64_t)piece.size_bytes; /* to wait brings no more */
}

/* Bytes that are there to read (where more than `wanted_bytes`, as many may be told), or -1 when the partition wants an answer
 * at once. */
static int64_t assess_one(const struct fetch *fetch, struct fetch_partition *asked,
                          int64_t wanted_bytes)
{
    struct partition *p = NULL;
    if (find(fetch, asked, &p) != KAFKA_NONE)
        return -1;
    struct log_epoch_end end;
    bool diverges;
    if (!is_in_range(p, asked->fetch_offset) ||
        check_history(p, asked, &end, &diverges) != KAFKA_NONE || diverges)
        return -1;
    const int64_t readable_end = partition_readable_end(p, fetch->isolation);
    if (asked->fetch_offset >= readable_end)
        return 0;
    return measure(p, asked, readable_end, wanted_bytes);
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* Nobody will see what was read. */
static void reading_drop(struct reading *reading)
{
    for (uint32_t i = 0; i < reading->count; i++)
        io_file_unref(reading->pieces[i].file);
    reading->count = 0;
}

static void fail_read(const struct fetch *fetch, const struct partition *p, int64_t offset, int r,
                      const struct err_note *note, struct fetch_response_partition_data *data)
{
    data->error_code = r == -ERR_OFFSET_OUT_OF_RANGE            ? KAFKA_OFFSET_OUT_OF_RANGE
                       : r == -ERR_CORRUPT || r == -ERR_DAMAGED ? KAFKA_CORRUPT_MESSAGE
                                                                : KAFKA_KAFKA_STORAGE_ERROR;
    if (r != -ERR_OFFSET_OUT_OF_RANGE && r != -ERR_DAMAGED) /* which the log has told of, once */
        DIAG_ERROR(fetch->request->shard->diag, "log",
                   "reading %s-%d at offset %" PRId64 " failed: %s: %s", p->topic, p->index, offset,
                   err_sentence(r), note->text);
}

/* What a reader of committed data is to leave out of the piece (KIP-98). As log_aborted_txns. */
static int read_aborted(struct fetch *fetch, struct partition *p, int64_t offset,
                        const struct log_piece *piece, struct fetch_response_partition_data *data,
                        struct err_note *note)
{
    struct arena *arena = &fetch->request->arena;
    struct log_aborted aborted;
    const int r =
        log_aborted_txns(p->log, offset, piece, false, arena, &aborted, &fetch->warm, note);
    if (r < 0)
        return r;
    data->aborted_transactions =
        fetch_response_aborted_transaction_array(arena, (size_t)aborted.count);
    data->aborted_transactions_count = (int32_t)aborted.count;
    for (uint32_t i = 0; i < aborted.count; i++) {
        data->aborted_transactions[i].producer_id = aborted.txns[i].producer_id;
        data->aborted_transactions[i].first_offset = aborted.txns[i].first_offset;
    }
    return 0;
}

/* 0, or -ERR_WOULD_BLOCK with fetch->warm set. */
static int read_records(struct fetch *fetch, struct partition *p,
                        const struct fetch_partition *asked, struct reading *reading,
                        struct fetch_response_partition_data *data, struct log_piece *piece)
{
    if (reading->has_records && reading->bytes_left == 0) { /* full: the next fetch reads it */
        if (fetch->isolation == FETCH_COMMITTED)
            data->aborted_transactions_count = 0;
        return 0;
    }
    const struct log_read read = {
        .offset = asked->fetch_offset,
        .end_offset = partition_readable_end(p, fetch->isolation),
        .bytes_max = (uint32_t)MIN((uint64_t)MAX(asked->max_bytes, 0), reading->bytes_left),
        .min_one = !reading->has_records,
        .copy_max = COPY_BYTES_MAX,
        .arena = &fetch->request->arena,
    };
    struct err_note note = { 0 };
    int r = log_read(p->log, &read, piece, &fetch->warm, &note);
    /* As Kafka: an incomplete batch is of no use to a reader that is not to get one whole. */
    if (r == 0 && piece->first_is_cut) {
        io_file_unref(TAKE(piece->file));
        piece->size_bytes = 0;
    } else if (r == 0 && fetch->isolation == FETCH_COMMITTED) {
        r = read_aborted(fetch, p, asked->fetch_offset, piece, data, &note);
    }
    if (r < 0) {
        io_file_unref(TAKE(piece->file));
        piece->size_bytes = 0;
        if (r != -ERR_WOULD_BLOCK)
            fail_read(fetch, p, asked->fetch_offset, r, &note, data);
        return r == -ERR_WOULD_BLOCK ? r : 0;
    }
    if (piece->size_bytes == 0)
        return 0;
    data->records.size = piece->size_bytes;
    if (piece->file == NULL) {
        data->records.data = piece->data;
    } else {
        struct file_region *region = &reading->regions[reading->region_count++];
        *region = (struct file_region){ .file = piece->file, .position = piece->position };
        data->records.data = NULL;
        data->records.region = region;
    }
    reading->has_records = true;
    reading->bytes_left -= MIN(reading->bytes_left, piece->size_bytes);
    return 0;
}

/* KIP-951: where the reader finds the leader. */
static void tell_leader(const struct fetch *fetch, const struct fetch_partition *asked,
                        struct fetch_response_partition_data *data)
{
    const bool is_elsewhere = data->error_code == KAFKA_NOT_LEADER_OR_FOLLOWER ||
                              data->error_code == KAFKA_FENCED_LEADER_EPOCH;
    if (fetch->version < 16 || !is_elsewhere)
        return;
    const struct metadata_topic *topic = NULL;
    (void)topic_lookup(fetch->request->shard, asked->topic, asked->topic_id,
                       &topic); /* it is there: it has a leader */
    const struct metadata_partition *told =
        topic == NULL ? NULL : metadata_topic_partition(topic, asked->index);
    data->current_leader.leader_id = told == NULL ? -1 : told->leader;
    data->current_leader.leader_epoch = told == NULL ? -1 : told->leader_epoch;
}

/* As read_records. */
static int read_one(struct fetch *fetch, struct fetch_partition *asked, struct reading *reading,
                    struct fetch_response_partition_data *data, struct log_piece *piece)
{
    struct partition *p = NULL;
    *data = fetch_response_partition_data_default;
    data->partition_index = asked->index;
    data->high_watermark = -1;
    data->records.data = (const uint8_t *)"";
    data->aborted_transactions_count = -1;

    enum kafka_error error = find(fetch, asked, &p);
    struct log_epoch_end end = { 0 };
    bool diverges = false;
    if (error == KAFKA_NONE)
        error = check_history(p, asked, &end, &diverges);
    if (error == KAFKA_NONE && !diverges && !is_in_range(p, asked->fetch_offset))
        error = KAFKA_OFFSET_OUT_OF_RANGE;
    data->error_code = (int16_t)error;
    if (error != KAFKA_NONE) {
        if (is_before_reading(error))
            data->aborted_transactions_count = 0;
        tell_leader(fetch, asked, data);
        return 0;
    }
    data->high_watermark = p->high_watermark;
    data->last_stable_offset = partition_last_stable_offset(p);
    data->log_start_offset = partition_log_start(p);
    if (diverges) {
        data->diverging_epoch.epoch = end.leader_epoch;
        data->diverging_epoch.end_offset = end.end_offset;
        return 0;
    }
    return read_records(fetch, p, asked, reading, data, piece);
}

/* Partitions of one topic that stand side by side share its entry. */
static void group_by_topic(struct fetch *fetch, struct fetch_response *response)
{
    struct arena *arena = &fetch->request->arena;
    const struct reading *reading = &fetch->reading;
    struct fetch_partition *const *told = reading->told;
    response->responses =
        fetch_response_fetchable_topic_response_array(arena, MAX(reading->count, 1u));
    for (uint32_t i = 0; i < reading->count; i++) {
        struct fetch_response_fetchable_topic_response *topic =
            response->responses_count == 0 ? NULL
                                           : &response->responses[response->responses_count - 1];
        if (topic == NULL || !uuid_equal(topic->topic_id, told[i]->topic_id) ||
            (uuid_is_zero(topic->topic_id) && !bytes_equal(topic->topic, told[i]->topic))) {
            topic = &response->responses[response->responses_count++];
            topic->topic = bytes_is_null(told[i]->topic) ? BYTES_LITERAL("") : told[i]->topic;
            topic->topic_id = told[i]->topic_id;
            topic->partitions = &reading->data[i];
        }
        topic->partitions_count++;
    }
}

static void warm_run(struct io_job *job)
{
    struct fetch *fetch = CONTAINER_OF(job, struct fetch, warm_job);
    log_wait_run(&fetch->warm);
}

static void answer_alone(struct fetch *fetch, enum kafka_error error)
{
    struct fetch_response response = fetch_response_default;
    response.error_code = (int16_t)error;
    response.session_id = fetch_context_finish(&fetch->context);
    request_reply(fetch->request, &response);
}

static void warm_done(struct io_job *job)
{
    struct fetch *fetch = CONTAINER_OF(job, struct fetch, warm_job);
    fetch->is_warming = false;
    if (fetch->is_gone) {
        log_wait_deinit(&fetch->warm);
        answer_alone(fetch, KAFKA_NONE);
    } else {
        read_on(fetch);
    }
}

static void send_answer(struct fetch *fetch)
{
    struct request *request = fetch->request;
    struct fetch_response response = fetch_response_default;
    group_by_topic(fetch, &response);
    response.session_id = fetch_context_finish(&fetch->context);
    request->region_count = fetch->reading.region_count;
    VEC(struct io_file *) held = { 0 };
    for (uint32_t i = 0; i < fetch->reading.count; i++) {
        if (fetch->reading.pieces[i].file != NULL)
            VEC_ADD(&held, fetch->reading.pieces[i].file);
    }
    request_reply(request, &response);
    /* The answer took references of its own. */
    for (size_t i = 0; i < held.count; i++)
        io_file_unref(held.items[i]);
    VEC_DEINIT(&held);
}

/* Reads the rest of the row, and answers; or waits for bytes to come into memory. */
static void read_on(struct fetch *fetch)
{
    struct reading *r = &fetch->reading;
    for (; r->next < r->row_count; r->next++) {
        struct fetch_partition *asked = r->row[r->next];
        struct fetch_response_partition_data *data = &r->data[r->count];
        struct log_piece *piece = &r->pieces[r->count];
        *piece = (struct log_piece){ 0 };
        if (read_one(fetch, asked, r, data, piece) == -ERR_WOULD_BLOCK) {
            fetch->warm_job =
                (struct io_job){ .run = warm_run, .done = warm_done, .is_long = true };
            fetch->is_warming = true;
            io_submit(fetch->request->shard->io, NULL, &fetch->warm_job);
            return;
        }
        log_wait_deinit(&fetch->warm); /* where the partition went away meanwhile */
        r->told[r->count] = asked;
        if (fetch_context_tells(&fetch->context, asked, (enum kafka_error)data->error_code,
                                data->high_watermark, data->log_start_offset,
                                data->records.size > 0, data->diverging_epoch.epoch >= 0))
            r->count++;
    }
    send_answer(fetch);
}

static void answer(struct fetch *fetch)
{
    struct request *request = fetch->request;
    const uint32_t count = MAX(fetch->partition_count, 1u);
    struct reading *r = &fetch->reading;
    *r = (struct reading){
        .row = REQUEST_NEW_ARRAY(request, struct fetch_partition *, count),
        .data = fetch_response_partition_data_array(&request->arena, count),
        .pieces = REQUEST_NEW_ARRAY(request, struct log_piece, count),
        .told = REQUEST_NEW_ARRAY(request, struct fetch_partition *, count),
        .regions = REQUEST_NEW_ARRAY(request, struct file_region, count),
        .bytes_left = fetch->max_bytes,
    };
    LIST_FOR_EACH(fetch->context.partitions, link)
    r->row[r->row_count++] = LIST_ENTRY(link, struct fetch_partition, link);
    ASSERT(r->row_count <= count);
    read_on(fetch);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void stop_waiting(struct fetch *fetch)
{
    for (uint32_t i = 0; i < fetch->watch_count; i++)
        fetch_watch_remove(&fetch->watches[i]);
    fetch->watch_count = 0;
    io_timer_cancel(fetch->request->shard->io, &fetch->timeout);
}

static void on_wake(struct fetch_watch *watch)
{
    struct fetch *fetch = watch->owner;
    for (uint32_t i = 0; i < fetch->watch_count; i++)
        fetch_watch_remove(&fetch->watches[i]);
    consider(fetch, true);
}

static void on_timeout(struct io_timer *timer)
{
    struct fetch *fetch = CONTAINER_OF(timer, struct fetch, timeout);
    stop_waiting(fetch);
    answer(fetch);
}

static void on_gone(struct request *request)
{
    struct fetch *fetch = request->wait;
    fetch->is_gone = true;
    reading_drop(&fetch->reading);
    if (fetch->is_warming)
        return; /* warm_done finishes */
    stop_waiting(fetch);
    answer_alone(fetch, KAFKA_NONE);
}

/* Keeps of the request only what its answer needs: names of topics move to the arena. */
static void begin_to_wait(struct fetch *fetch)
{
    struct request *request = fetch->request;
    if (fetch->context.session == NULL) {
        const uint8_t *before =
            NULL; /* partitions of a topic stand side by side, and share its name */
        const uint8_t *copy = NULL;
        LIST_FOR_EACH(fetch->context.partitions, link)
        {
            struct fetch_partition *p = LIST_ENTRY(link, struct fetch_partition, link);
            if (bytes_is_null(p->topic))
                continue;
            if (p->topic.data != before)
                copy = arena_dup(&request->arena, p->topic.data, p->topic.size);
            before = p->topic.data;
            p->topic.data = copy;
        }
    }
    request_release_input(request);
    fetch->watches = REQUEST_NEW_ARRAY(request, struct fetch_watch, fetch->partition_count);
    fetch->timeout.fire = on_timeout;
    io_timer_arm_after(request->shard->io, &fetch->timeout, fetch->max_wait_ms);
}

static void consider(struct fetch *fetch, bool is_waiting)
{
    int64_t available_bytes = 0;
    bool must_answer = fetch->max_wait_ms <= 0 || fetch->partition_count == 0;
    LIST_FOR_EACH(fetch->context.partitions, link)
    {
        const int64_t bytes =
            must_answer ? -1
                        : assess_one(fetch, LIST_ENTRY(link, struct fetch_partition, link),
                                     fetch->min_bytes - available_bytes);
        if (bytes < 0)
            must_answer = true;
        else
            available_bytes += bytes;
    }
    const bool is_enough = must_answer || available_bytes >= fetch->min_bytes;
    if (is_enough || !(is_waiting || request_may_wait(fetch->request))) {
        if (is_waiting)
            stop_waiting(fetch);
        answer(fetch);
        return;
    }
    if (!is_waiting)
        begin_to_wait(fetch);
    fetch->watch_count = 0;
    LIST_FOR_EACH(fetch->context.partitions, link)
    {
        struct partition *p = NULL;
        if (find(fetch, LIST_ENTRY(link, struct fetch_partition, link), &p) != KAFKA_NONE)
            continue; /* cannot be: assessed just now */
        struct fetch_watch *watch = &fetch->watches[fetch->watch_count++];
        *watch = (struct fetch_watch){ .owner = fetch, .wake = on_wake };
        partition_watch(p, watch);
    }
}

static void handle(struct request *request)
{
    const struct fetch_request *asked = request->message;
    const struct shard *shard = request->shard;
    struct fetch *fetch = REQUEST_NEW(request, struct fetch);
    const uint32_t broker_bytes_max =
        (uint32_t)config_i64(shard->config, SETTING_BROKER_FETCH_MAX_BYTES);
    fetch->request = request;
    fetch->version = request->version;
    fetch->max_wait_ms = asked->max_wait_ms;
    fetch->max_bytes = MIN((uint32_t)MAX(asked->max_bytes, 0), broker_bytes_max);
    fetch->min_bytes = (int32_t)MIN((int64_t)asked->min_bytes, (int64_t)fetch->max_bytes);
    fetch->replica_id =
        request->version >= 15 ? asked->replica_state.replica_id : asked->replica_id;
    fetch->isolation = fetch->replica_id >= 0        ? FETCH_LOG_END
                       : asked->isolation_level == 1 ? FETCH_COMMITTED
                                                     : FETCH_HIGH_WATERMARK;
    request->wait = fetch;
    request->on_gone = on_gone;

    uint32_t random;
    io_random(shard->io, &random, sizeof(random));
    fetch_context_init(&fetch->context, shard->sessions, asked, request->version,
                       io_now_ms(shard->io), random, &request->arena);
    if (fetch->context.error != KAFKA_NONE) {
        answer_alone(fetch, fetch->context.error);
        return;
    }
    LIST_FOR_EACH(fetch->context.partitions, link)
    fetch->partition_count++;
    consider(fetch, false);
}

const struct api_handler fetch_handler = {
    .api_key = API_FETCH,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
