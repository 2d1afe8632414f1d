/* Produce: batches to the logs of the partitions this node leads (KIP-98, KIP-467, KIP-516, KIP-890, KIP-951).
 *
 * Appends are planned at once, so that order holds; the answer leaves when each is as safe as acks asks,
 * or has failed. Nobody waits longer than the request's timeout for acks=all.
 *
 * Batches that hold more records than a shard checks in passing, compressed as they may be, are checked by a job; what follows on
 * the connection starts when they are planned.
 *
 * Batches that open a transaction on their partition wait for the word of the transaction coordinator, which from version 12 on
 * makes the partition part of the transaction. What follows on the connection waits too: the sequences of a producer keep their order.
 */
#include "base/map.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/topic_lookup.h"
#include "server/transaction_questions.h"
#include "wire/batch.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <string.h>

#define ADMIN_CLIENT_ID "__admin_client"
#define VERSION_ADDS                                                                               \
    12 /* from here on a batch makes its partition part of the transaction (KIP-890) */

struct produce;

/* One partition's append on its way to safety. */
struct produce_part {
    struct append_wait wait;
    struct produce *produce;
    struct produce_response_partition_produce_response *answer;
    const struct produce_request_topic_produce_data *topic;
    const struct produce_request_partition_produce_data *data;
    struct batch_view batch; /* what data holds, once it is checked */
    uint64_t guard;          /* of the verification that is under way, or has ended well */
    struct log_append append;
    struct log_config *config; /* a long one's, for its check */
    uint32_t asked_as;         /* its partition in the question */
};

struct produce {
    struct request *request;
    struct produce_response *response;
    struct produce_part *parts;
    int32_t part_count;
    int32_t
        waiting_count; /* parts that are not safe yet; and one while the question has no answer, or a job checks */
    struct io_timer timeout;
    struct transaction_question question;
    struct produce_part **asked; /* whose partitions the question is about, in its order */
    int32_t asked_count;
    struct io_job check;              /* of the long ones */
    struct produce_part **long_parts; /* in the order of the request */
    int32_t long_count;
    bool is_gone; /* the peer left meanwhile */
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
    for (int32_t i = 0; i < produce->part_count; i++) {
        struct produce_part *part = &produce->parts[i];
        if (!list_is_linked(&part->wait.link))
            continue;
        list_remove(&part->wait.link);
        produce->waiting_count--;
    }
    produce->is_gone = true;
    if (produce->waiting_count == 0) /* else on_verified or check_done finishes */
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

/* Whether the records are one batch of magic 2, whose codec the version allows (KIP-110): then *out is it; else an error with the
 * note. */
static enum kafka_error check_records(int16_t version, struct bytes records, struct batch_view *out,
                                      struct err_note *note)
{
    const int size = bytes_is_null(records) ? -ERR_OVERRUN : batch_parse(records, out);
    if (size == -ERR_OVERRUN) {
        (void)err_note(note, 0, "%zu bytes hold no whole record batch", records.size);
        return KAFKA_INVALID_RECORD;
    }
    if (size == -ERR_VERSION) {
        (void)err_note(note, 0, "The batch has magic %d; only magic 2 is taken", out->magic);
        return out->magic < BATCH_MAGIC ? KAFKA_INVALID_RECORD : KAFKA_CORRUPT_MESSAGE;
    }
    if (size < 0) {
        (void)err_note(note, 0, "The batch announces an impossible length");
        return KAFKA_CORRUPT_MESSAGE;
    }
    if (version < 7 && batch_codec(out) == CODEC_ZSTD) {
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

/* Whether the coordinator must be asked before the batch is appended: then the part has its guard. */
static bool needs_verification(const struct produce *produce, const struct partition *p,
                               struct produce_part *part)
{
    const struct request *request = produce->request;
    const struct batch_view *batch = &part->batch;
    if ((batch->attributes & BATCH_TRANSACTIONAL) == 0 || batch->producer_id < 0 ||
        (request->version < VERSION_ADDS && !log_config(p->log)->transaction_verification))
        return false;
    part->guard = log_verification_begin(p->log, batch->producer_id, batch->producer_epoch,
                                         batch->base_sequence, io_now_ms(request->shard->io));
    return part->guard != 0;
}

static void refuse(struct produce *produce, const struct metadata_topic *topic,
                   struct produce_part *part, enum kafka_error error, const struct err_note *note)
{
    if (note != NULL && note->text[0] != '\0')
        part->answer->error_message =
            bytes_from_text(arena_printf(&produce->request->arena, "%s", note->text));
    answer_error(part->answer, error);
    add_current_leader(produce->request, topic, part->answer);
}

/* Whether the batch is more than the shard may look at; else part->append.checked may be set. What follows one in its request
 * waits as well, so that batches of one partition keep their order. */
static bool is_long(const struct produce *produce, const struct partition *partition,
                    struct produce_part *part)
{
    const struct log_config *config = log_config(partition->log);
    if (produce->long_count > 0)
        return true;
    if (batch_codec(&part->batch) == CODEC_NONE &&
        (config->compression_is_producers || config->compression == CODEC_NONE))
        return false;
    part->append.checked = log_append_check_quickly(partition->log, &part->append);
    return part->append.checked == NULL;
}

static void plan(struct produce *produce, struct partition *partition, struct produce_part *part)
{
    struct request *request = produce->request;
    const struct produce_request *asked = request->message;
    part->wait = (struct append_wait){ .is_all = asked->acks == -1, .done = on_safe };
    struct log_append_result result;
    partition_append(partition, &part->append, produce->is_gone ? NULL : &part->wait, &result);
    log_append_checked_free(TAKE(part->append.checked));
    fill_answer(request, &result, part->answer);
    if (result.error == KAFKA_NONE && !produce->is_gone)
        produce->waiting_count++;
}

static void append(struct produce *produce, struct partition *partition, struct produce_part *part)
{
    struct request *request = produce->request;
    /* The frame is this request's until it is answered: patching it in place is the one copy that is not made. */
    part->append = (struct log_append){
        .owner = request->frame,
        .records = (uint8_t *)(uintptr_t)part->data->records.data,
        .size_bytes = (uint32_t)part->data->records.size,
        .origin = LOG_ORIGIN_CLIENT,
        .now_ms = io_now_ms(request->shard->io),
        .verification_guard = part->guard,
        .transaction_version = request->version >= VERSION_ADDS ? 2 : -1,
        .arena = &request->arena,
    };
    if (!is_long(produce, partition, part)) {
        plan(produce, partition, part);
        return;
    }
    part->config = arena_dup(&request->arena, log_config(partition->log), sizeof(*part->config));
    produce->long_parts[produce->long_count++] = part;
    request_hold_back(request);
}

/* One partition: plans its append, has it wait for its verification, or answers why not. */
static void produce_one(struct produce *produce, const struct metadata_topic *topic,
                        enum kafka_error topic_error, struct produce_part *part)
{
    struct request *request = produce->request;
    const struct produce_request_partition_produce_data *data = part->data;
    struct partition *partition = NULL;

    enum kafka_error error = topic_error;
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, data->index, -1, &partition);
    struct err_note note = { 0 };
    if (error == KAFKA_NONE)
        error = check_records(request->version, bytes_from(data->records.data, data->records.size),
                              &part->batch, &note);
    if (error != KAFKA_NONE)
        refuse(produce, topic, part, error, &note);
    else if (needs_verification(produce, partition, part))
        produce->asked[produce->asked_count++] = part;
    else
        append(produce, partition, part);
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

struct transactional {
    bool is_transactional;
    bool is_mixed; /* of more than one producer */
    int64_t producer_id;
    int16_t producer_epoch;
};

static struct transactional look_for_transaction(const struct produce_request *asked)
{
    struct transactional found = { 0 };
    for (int32_t t = 0; t < asked->topic_data_count; t++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data[t];
        for (int32_t i = 0; i < data->partition_data_count; i++) {
            const struct wire_records *records = &data->partition_data[i].records;
            struct batch_view batch;
            if (records->data != NULL &&
                batch_parse_header(bytes_from(records->data, records->size), &batch) >= 0 &&
                (batch.attributes & BATCH_TRANSACTIONAL) != 0) {
                found.is_mixed |=
                    found.is_transactional && (found.producer_id != batch.producer_id ||
                                               found.producer_epoch != batch.producer_epoch);
                found.is_transactional = true;
                found.producer_id = batch.producer_id;
                found.producer_epoch = batch.producer_epoch;
            }
        }
    }
    return found;
}

/* What concerns the whole request: then nothing of it is appended. */
static enum kafka_error check_request(const struct request *request)
{
    const struct produce_request *asked = request->message;
    const struct transactional found = look_for_transaction(asked);
    if (found.is_transactional &&
        (bytes_is_null(asked->transactional_id) ||
         !authorize(request, ACL_WRITE, ACL_TRANSACTIONAL_ID, asked->transactional_id)))
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (asked->acks < -1 || asked->acks > 1)
        return KAFKA_INVALID_REQUIRED_ACKS;
    return found.is_mixed ? KAFKA_INVALID_PRODUCER_ID_MAPPING : KAFKA_NONE;
}

static void wait_or_finish(struct produce *produce)
{
    struct request *request = produce->request;
    const struct produce_request *asked = request->message;
    if (produce->waiting_count == 0)
        finish(produce);
    else if (asked->acks == -1)
        io_timer_arm_after(request->shard->io, &produce->timeout, MAX(asked->timeout_ms, 0));
}

/* ---- verification ---------------------------------------------------------------------------- */

/* What the coordinator said, as producers understand it: errors that older ones might take for the end of the producer become
 * one after which they just try again. */
static enum kafka_error told(const struct request *request, enum kafka_error error,
                             struct err_note *note)
{
    const bool is_retriable =
        error == KAFKA_NETWORK_EXCEPTION || error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
        error == KAFKA_COORDINATOR_NOT_AVAILABLE || error == KAFKA_NOT_COORDINATOR ||
        (error == KAFKA_CONCURRENT_TRANSACTIONS && request->version < VERSION_ADDS);
    if (error == KAFKA_INVALID_TXN_STATE)
        (void)err_note(note, 0, "Partition was not added to the transaction");
    if (!is_retriable)
        return error;
    (void)err_note(note, 0,
                   "Unable to verify the partition has been added to the transaction. Underlying "
                   "error: %s",
                   kafka_error_name((int16_t)error));
    return KAFKA_NOT_ENOUGH_REPLICAS;
}

/* Time has passed: everything is looked up again. `then` gets the partition. */
static void go_on(struct produce *produce, struct produce_part *part, enum kafka_error error,
                  void (*then)(struct produce *produce, struct partition *partition,
                               struct produce_part *part))
{
    struct request *request = produce->request;
    struct err_note note = { 0 };
    error = told(request, error, &note);
    const struct metadata_topic *topic = NULL;
    struct partition *partition = NULL;
    if (error == KAFKA_NONE)
        error = check_topic(request, part->topic, &topic);
    if (error == KAFKA_NONE)
        error = partition_lookup(request->shard, topic, part->data->index, -1, &partition);
    if (error == KAFKA_NONE)
        then(produce, partition, part);
    else
        refuse(produce, topic, part, error, &note);
    log_append_checked_free(TAKE(part->append.checked)); /* where it was refused */
}

/* ---- long batches ------------------------------------------------------------------------------ */

/* On a worker, which has the request's arena meanwhile. */
static void check_run(struct io_job *job)
{
    struct produce *produce = CONTAINER_OF(job, struct produce, check);
    for (int32_t i = 0; i < produce->long_count; i++) {
        struct produce_part *part = produce->long_parts[i];
        part->append.checked = log_append_check(part->config, &part->append);
    }
}

static void check_done(struct io_job *job)
{
    struct produce *produce = CONTAINER_OF(job, struct produce, check);
    produce->waiting_count--;
    for (int32_t i = 0; i < produce->long_count; i++)
        go_on(produce, produce->long_parts[i], KAFKA_NONE, plan);
    request_let_follow(produce->request);
    wait_or_finish(produce);
}

static void check_or_wait(struct produce *produce)
{
    struct request *request = produce->request;
    if (produce->long_count == 0) {
        request_let_follow(request);
        wait_or_finish(produce);
        return;
    }
    produce->waiting_count++;
    produce->check = (struct io_job){ .run = check_run, .done = check_done, .is_long = true };
    io_submit(request->shard->io, NULL, &produce->check);
}

static void on_verified(struct transaction_question *question)
{
    struct produce *produce = CONTAINER_OF(question, struct produce, question);
    produce->waiting_count--;
    for (int32_t i = 0; i < produce->asked_count; i++)
        go_on(produce, produce->asked[i], question->partitions[produce->asked[i]->asked_as].error,
              append);
    check_or_wait(produce);
}

static void on_again(struct transaction_question *question)
{
    struct produce *produce = CONTAINER_OF(question, struct produce, question);
    for (int32_t i = 0; i < produce->asked_count; i++) {
        struct produce_part *part = produce->asked[i];
        const struct metadata_topic *topic = NULL;
        struct partition *partition = NULL;
        if (check_topic(produce->request, part->topic, &topic) == KAFKA_NONE &&
            partition_lookup(produce->request->shard, topic, part->data->index, -1, &partition) ==
                KAFKA_NONE)
            (void)needs_verification(produce, partition, part); /* the guard */
    }
}

static enum transaction_support support_of(int16_t version)
{
    return version >= VERSION_ADDS       ? TRANSACTION_ADD
           : version == VERSION_ADDS - 1 ? TRANSACTION_VERIFY
                                         : TRANSACTION_VERIFY_OLD;
}

/* Each partition once, though a request may have two batches for it. `places`: of those put before, their place and one. */
static void put_partition(struct produce *produce, struct produce_part *part, struct map *places)
{
    struct request *request = produce->request;
    struct transaction_question *question = &produce->question;
    const struct metadata_topic *topic = NULL;
    (void)topic_lookup(request->shard, part->topic->name, part->topic->topic_id,
                       &topic); /* it was there just now */
    uint8_t key[sizeof(topic->id) + sizeof(part->data->index)];
    memcpy(key, &topic->id, sizeof(topic->id));
    memcpy(key + sizeof(topic->id), &part->data->index, sizeof(part->data->index));
    const uintptr_t known = (uintptr_t)map_get(places, bytes_from(key, sizeof(key)));
    part->asked_as = known != 0 ? (uint32_t)(known - 1) : question->partition_count;
    if (known != 0)
        return;
    question->partitions[question->partition_count++] = (struct transaction_partition){
        .topic = bytes_from(arena_dup(&request->arena, topic->name.data, topic->name.size),
                            topic->name.size),
        .partition = part->data->index,
    };
    (void)map_put(places, bytes_from(key, sizeof(key)),
                  (void *)(uintptr_t)question->partition_count); /* it was not there */
}

static void ask_coordinator(struct produce *produce)
{
    struct request *request = produce->request;
    const struct produce_request *asked = request->message;
    const struct transactional transaction = look_for_transaction(asked);
    struct transaction_question *question = &produce->question;
    *question = (struct transaction_question){
        .transactional_id = asked->transactional_id,
        .producer_id = transaction.producer_id,
        .producer_epoch = transaction.producer_epoch,
        .support = support_of(request->version),
        .partitions =
            REQUEST_NEW_ARRAY(request, struct transaction_partition, produce->asked_count),
        .arena = &request->arena,
        .done = on_verified,
        .again = on_again,
    };
    struct map places;
    map_init(&places, request->shard->hash_seed);
    for (int32_t i = 0; i < produce->asked_count; i++)
        put_partition(produce, produce->asked[i], &places);
    map_deinit(&places);
    produce->waiting_count++;
    request_hold_back(request);
    transaction_question_ask(request->shard, question);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int32_t count_parts(const struct produce_request *asked)
{
    int32_t count = 0;
    for (int32_t t = 0; t < asked->topic_data_count; t++)
        count += asked->topic_data[t].partition_data_count;
    return count;
}

static struct produce *begin(struct request *request)
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
    produce->asked = REQUEST_NEW_ARRAY(request, struct produce_part *, produce->part_count);
    produce->long_parts = REQUEST_NEW_ARRAY(request, struct produce_part *, produce->part_count);
    response->responses = produce_response_topic_produce_response_array(
        &request->arena, (size_t)asked->topic_data_count);
    return produce;
}

/* Its partitions take the parts from `parts` on. */
static void produce_topic(struct produce *produce,
                          const struct produce_request_topic_produce_data *data,
                          enum kafka_error request_error, struct produce_part *parts)
{
    struct produce_response *response = produce->response;
    struct produce_response_topic_produce_response *answer =
        &response->responses[response->responses_count++];
    answer->name = data->name;
    answer->topic_id = data->topic_id;
    answer->partition_responses_count = data->partition_data_count;
    answer->partition_responses = produce_response_partition_produce_response_array(
        &produce->request->arena, (size_t)data->partition_data_count);

    const struct metadata_topic *topic = NULL;
    const enum kafka_error error =
        request_error == KAFKA_NONE ? check_topic(produce->request, data, &topic) : request_error;
    for (int32_t i = 0; i < data->partition_data_count; i++) {
        struct produce_part *part = &parts[i];
        part->produce = produce;
        part->answer = &answer->partition_responses[i];
        part->answer->index = data->partition_data[i].index;
        part->topic = data;
        part->data = &data->partition_data[i];
        produce_one(produce, topic, error, part);
    }
}

static void handle(struct request *request)
{
    const struct produce_request *asked = request->message;
    struct produce *produce = begin(request);
    const enum kafka_error request_error = check_request(request);
    struct produce_part *parts = produce->parts;
    for (int32_t t = 0; t < asked->topic_data_count; t++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data[t];
        if (data->partition_data_count == 0)
            continue; /* as in Kafka, of which nothing is told */
        produce_topic(produce, data, request_error, parts);
        parts += data->partition_data_count;
    }
    request->wait = produce;
    request->on_gone = on_gone;
    if (produce->asked_count > 0)
        ask_coordinator(produce);
    else
        check_or_wait(produce);
}

/* The records. */
static size_t load_bytes(const void *message)
{
    const struct produce_request *asked = message;
    size_t bytes = 0;
    for (int32_t t = 0; t < asked->topic_data_count; t++) {
        const struct produce_request_topic_produce_data *data = &asked->topic_data[t];
        for (int32_t i = 0; i < data->partition_data_count; i++)
            bytes += data->partition_data[i].records.size;
    }
    return bytes;
}

const struct api_handler produce_handler = {
    .api_key = API_PRODUCE,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .may_pipeline = true,
    .answers_little = true,
    .load_bytes = load_bytes,
};
