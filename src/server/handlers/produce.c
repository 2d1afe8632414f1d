/* Produce: batches to the logs of the partitions this node leads (KIP-98, KIP-467, KIP-516, KIP-951).
 *
 * Appends are planned at once, so that order holds; the answer leaves when each is as safe as acks asks,
 * or has failed. Nobody waits longer than the request's timeout for acks=all.
 */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/topic_lookup.h"
#include "wire/batch.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#define ADMIN_CLIENT_ID "__admin_client"

struct produce;

/* One partition's append on its way to safety. */
struct produce_part {
    struct append_wait wait;
    struct produce *produce;
    struct produce_response_partition_produce_response *answer;
};

struct produce {
    struct request *request;
    struct produce_response *response;
    struct produce_part *parts;
    int32_t part_count;
    int32_t waiting_count;
    struct io_timer timeout;
};

static struct bytes sentence(enum kafka_error error)
{
    return bytes_from_text(kafka_error_sentence((int16_t)error));
}

static void answer_error(struct produce_response_partition_produce_response *answer,
                         enum kafka_error error)
{
    answer->error_code = (int16_t)error;
    answer->base_offset = -1;
    answer->log_append_time_ms = -1;
    answer->log_start_offset = -1;
    if (bytes_is_null(answer->error_message))
        answer->error_message = sentence(error);
}

/* KIP-951: who leads now, so that the client need not ask. */
static void add_current_leader(struct request *request, const struct metadata_topic *topic,
                               struct produce_response_partition_produce_response *answer)
{
    const struct metadata_partition *told = topic == NULL || request->version < 10
                                                ? NULL
                                                : metadata_topic_partition(topic, answer->index);
    if (told == NULL || (answer->error_code != KAFKA_NOT_LEADER_OR_FOLLOWER &&
                         answer->error_code != KAFKA_FENCED_LEADER_EPOCH))
        return;
    answer->current_leader.leader_id = told->leader;
    answer->current_leader.leader_epoch = told->leader_epoch;
}

static void finish(struct produce *produce)
{
    struct request *request = produce->request;
    const struct produce_request *asked = request->message;
    io_timer_cancel(request->shard->io, &produce->timeout);
    if (asked->acks != 0) {
        request_reply(request, produce->response);
        return;
    }
    /* Without answers a client can only learn of a failure by losing its connection. */
    for (int32_t i = 0; i < produce->part_count; i++) {
        const struct produce_response_partition_produce_response *answer = produce->parts[i].answer;
        if (answer->error_code != KAFKA_NONE) {
            request_fail(request, "a produce request with acks=0 failed: %s",
                         kafka_error_name(answer->error_code));
            return;
        }
    }
    request_finish_without_reply(request);
}

static void on_safe(struct append_wait *wait, enum kafka_error error)
{
    struct produce_part *part = CONTAINER_OF(wait, struct produce_part, wait);
    struct produce *produce = part->produce;
    if (error != KAFKA_NONE)
        answer_error(part->answer, error);
    if (--produce->waiting_count == 0)
        finish(produce);
}

static void on_timeout(struct io_timer *timer)
{
    struct produce *produce = CONTAINER_OF(timer, struct produce, timeout);
    for (int32_t i = 0; i < produce->part_count; i++) {
        struct produce_part *part = &produce->parts[i];
        if (!list_is_linked(&part->wait.link))
            continue;
        list_remove(&part->wait.link);
        produce->waiting_count--;
        answer_error(part->answer, KAFKA_REQUEST_TIMED_OUT);
    }
    finish(produce);
}

/* What was planned is written all the same; nobody is there to hear of it. */
static void on_gone(struct request *request)
{
    struct produce *produce = request->wait;
    for (int32_t i = 0; i < produce->part_count; i++)
        list_remove(&produce->parts[i].wait.link);
    finish(produce);
}

/* Errors after which Kafka does not tell where the log starts; what a record is refused for, it tells with it. */
static bool hides_log_start(enum kafka_error error)
{
    return error == KAFKA_CORRUPT_MESSAGE || error == KAFKA_MESSAGE_TOO_LARGE ||
           error == KAFKA_RECORD_LIST_TOO_LARGE || error == KAFKA_KAFKA_STORAGE_ERROR ||
           error == KAFKA_NOT_LEADER_OR_FOLLOWER;
}

static void fill_answer(struct request *request, const struct log_append_result *result,
                        struct produce_response_partition_produce_response *answer)
{
    answer->error_code = (int16_t)result->error;
    answer->base_offset = result->first_offset;
    answer->log_append_time_ms = result->append_time_ms;
    answer->log_start_offset = result->log_start_offset;
    if (result->error == KAFKA_NONE)
        return;
    if (hides_log_start(result->error))
        answer->log_start_offset = -1;
    answer->error_message =
        bytes_is_null(result->message) ? sentence(result->error) : result->message;
    if (result->record_error_count == 0)
        return;
    answer->record_errors = produce_response_batch_index_and_error_message_array(
        &request->arena, (size_t)result->record_error_count);
    answer->record_errors_count = result->record_error_count;
    for (int32_t i = 0; i < result->record_error_count; i++) {
        answer->record_errors[i].batch_index = result->record_errors[i].batch_index;
        answer->record_errors[i].batch_index_error_message = result->record_errors[i].message;
    }
}

/* Whether the records are one batch of magic 2, whose codec the version allows (KIP-110); else an error with the note. */
static enum kafka_error check_records(int16_t version, struct bytes records, struct err_note *note)
{
    struct batch_view batch;
    const int size = bytes_is_null(records) ? -ERR_OVERRUN : batch_parse(records, &batch);
    if (size == -ERR_OVERRUN) {
        (void)err_note(note, 0, "%zu bytes hold no whole record batch", records.size);
        return KAFKA_INVALID_RECORD;
    }
    if (size == -ERR_VERSION) {
        (void)err_note(note, 0, "The batch has magic %d; only magic 2 is taken", batch.magic);
        return batch.magic < BATCH_MAGIC ? KAFKA_INVALID_RECORD : KAFKA_CORRUPT_MESSAGE;
    }
    if (size < 0) {
        (void)err_note(note, 0, "The batch announces an impossible length");
        return KAFKA_CORRUPT_MESSAGE;
    }
    if (version < 7 && batch_codec(&batch) == CODEC_ZSTD) {
        (void)err_note(note, 0, "zstd needs version 7 of Produce, and this is %d", version);
        return KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
    }
    struct batch_view second;
    if (batch_parse(bytes_slice(records, (size_t)size, records.size), &second) != -ERR_OVERRUN) {
        (void)err_note(note, 0, "More than one batch for one partition");
        return KAFKA_INVALID_RECORD;
    }
    return KAFKA_NONE;
}

/* One partition: plans its append, or answers why not. */
static void produce_one(struct produce *produce, const struct metadata_topic *topic,
                        enum kafka_error topic_error,
                        const struct produce_request_partition_produce_data *data,
                        struct produce_part *part)
{
    struct request *request = produce->request;
    const struct produce_request *asked = request->message;
    struct partition *partition = NULL;

    enum kafka_error error = topic_error;
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, data->index, -1, &partition);
    struct err_note note = { 0 };
    if (error == KAFKA_NONE)
        error = check_records(request->version, bytes_from(data->records.data, data->records.size),
                              &note);
    if (error != KAFKA_NONE) {
        if (note.text[0] != '\0')
            part->answer->error_message =
                bytes_from_text(arena_printf(&request->arena, "%s", note.text));
        answer_error(part->answer, error);
        add_current_leader(request, topic, part->answer);
        return;
    }
    /* The frame is this request's until it is answered: patching it in place is the one copy that is not made. */
    const struct log_append append = {
        .owner = request->frame,
        .records = (uint8_t *)(uintptr_t)data->records.data,
        .size_bytes = (uint32_t)data->records.size,
        .origin = LOG_ORIGIN_CLIENT,
        .now_ms = io_now_ms(request->shard->io),
        .transaction_version = -1,
        .arena = &request->arena,
    };
    part->wait = (struct append_wait){ .is_all = asked->acks == -1, .done = on_safe };
    struct log_append_result result;
    partition_append(partition, &append, &part->wait, &result);
    fill_answer(request, &result, part->answer);
    if (result.error == KAFKA_NONE)
        produce->waiting_count++;
}

static enum kafka_error check_topic(struct request *request,
                                    const struct produce_request_topic_produce_data *data,
                                    const struct metadata_topic **out)
{
    const enum kafka_error error = topic_lookup(request->shard, data->name, data->topic_id, out);
    const struct bytes name = *out != NULL ? (*out)->name : data->name;
    if (!authorize(request, ACL_WRITE, ACL_TOPIC, name))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (error == KAFKA_NONE && topic_is_internal(name) &&
        !bytes_equal_text(request->client_id, ADMIN_CLIENT_ID))
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    if (error != KAFKA_NONE && request->version >= 13)
        return KAFKA_UNKNOWN_TOPIC_ID; /* an id of zeros is one, too */
    return error;
}

static bool is_transactional(const struct produce_request *asked)
{
    for (int32_t t = 0; t < asked->topic_data_count; t++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data[t];
        for (int32_t i = 0; i < data->partition_data_count; i++) {
            const struct wire_records *records = &data->partition_data[i].records;
            struct batch_view batch;
            if (records->data != NULL &&
                batch_parse_header(bytes_from(records->data, records->size), &batch) >= 0 &&
                (batch.attributes & BATCH_TRANSACTIONAL) != 0)
                return true;
        }
    }
    return false;
}

/* What concerns the whole request: then nothing of it is appended. */
static enum kafka_error check_request(const struct request *request)
{
    const struct produce_request *asked = request->message;
    if (is_transactional(asked) &&
        (bytes_is_null(asked->transactional_id) ||
         !authorize(request, ACL_WRITE, ACL_TRANSACTIONAL_ID, asked->transactional_id)))
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return asked->acks < -1 || asked->acks > 1 ? KAFKA_INVALID_REQUIRED_ACKS : KAFKA_NONE;
}

static int32_t count_parts(const struct produce_request *asked)
{
    int32_t count = 0;
    for (int32_t t = 0; t < asked->topic_data_count; t++)
        count += asked->topic_data[t].partition_data_count;
    return count;
}

static void handle(struct request *request)
{
    const struct produce_request *asked = request->message;
    struct produce *produce = REQUEST_NEW(request, struct produce);
    struct produce_response *response = REQUEST_NEW(request, struct produce_response);
    *response = produce_response_default;
    *produce = (struct produce){ .request = request,
                                 .response = response,
                                 .part_count = count_parts(asked) };
    produce->timeout.fire = on_timeout;
    produce->parts = REQUEST_NEW_ARRAY(request, struct produce_part, produce->part_count);
    response->responses = produce_response_topic_produce_response_array(
        &request->arena, (size_t)asked->topic_data_count);

    const enum kafka_error request_error = check_request(request);
    int32_t next_part = 0;
    for (int32_t t = 0; t < asked->topic_data_count; t++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data[t];
        if (data->partition_data_count == 0)
            continue; /* as in Kafka, of which nothing is told */
        struct produce_response_topic_produce_response *answer =
            &response->responses[response->responses_count++];
        answer->name = data->name;
        answer->topic_id = data->topic_id;
        answer->partition_responses_count = data->partition_data_count;
        answer->partition_responses = produce_response_partition_produce_response_array(
            &request->arena, (size_t)data->partition_data_count);

        const struct metadata_topic *topic = NULL;
        const enum kafka_error error =
            request_error == KAFKA_NONE ? check_topic(request, data, &topic) : request_error;
        for (int32_t i = 0; i < data->partition_data_count; i++) {
            struct produce_part *part = &produce->parts[next_part++];
            part->produce = produce;
            part->answer = &answer->partition_responses[i];
            part->answer->index = data->partition_data[i].index;
            produce_one(produce, topic, error, &data->partition_data[i], part);
        }
    }
    request->wait = produce;
    request->on_gone = on_gone;
    if (produce->waiting_count == 0)
        finish(produce);
    else if (asked->acks == -1)
        io_timer_arm_after(request->shard->io, &produce->timeout, MAX(asked->timeout_ms, 0));
}

const struct api_handler produce_handler = {
    .api_key = API_PRODUCE,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .may_pipeline = true,
};
