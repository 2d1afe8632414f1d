/* See rig_test.h: partitions, written and read. */
#include "client/rig_test.h"

#include "base/mem.h"
#include "wire/kafka_error.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <string.h>

#define RECORD_BYTES_MAX (16u << 20)

void rig_topic_free(struct rig_topic *topic)
{
    for (int32_t i = 0; i < topic->count; i++) {
        struct rig_partition *p = &topic->partitions[i];
        for (size_t k = 0; k < p->batches.count; k++)
            mem_free(p->batches.items[k].data);
        VEC_DEINIT(&p->batches);
        VEC_DEINIT(&p->producers);
        VEC_DEINIT(&p->aborted);
    }
    mem_free(topic->partitions);
    mem_free(topic->name);
    mem_free(topic);
}

static struct rig_partition *find(const struct rig_request *request, struct bytes topic,
                                  int32_t index, int16_t *error)
{
    struct rig_topic *t = client_rig_find(request->rig, topic);
    *error = KAFKA_NONE;
    if (t == NULL || index < 0 || index >= t->count) {
        *error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    if (t->partitions[index].leader != request->broker->id)
        *error = KAFKA_NOT_LEADER_OR_FOLLOWER;
    if (request->refusal != KAFKA_NONE)
        *error = request->refusal;
    return &t->partitions[index];
}

/* ---- writing --------------------------------------------------------------------------------- */

int64_t rig_append(struct rig_partition *p, struct bytes batch)
{
    struct batch_view view;
    struct rig_batch kept = { .data = mem_dup(batch.data, batch.size), .size = batch.size };
    batch_set_base_offset(kept.data, p->end_offset);
    batch_set_leader_epoch(kept.data, p->leader_epoch);
    EXPECT_EQ(batch_parse(bytes_from(kept.data, kept.size), &view), (int)batch.size);
    EXPECT_OK(batch_check_crc(&view));
    kept.base_offset = view.base_offset;
    kept.last_offset = batch_last_offset(&view);
    VEC_ADD(&p->batches, kept);
    p->end_offset = kept.last_offset + 1;
    return kept.base_offset;
}

void rig_append_numbers(struct rig_partition *p, int32_t from, int32_t count)
{
    struct batch_builder b;
    const struct batch_options options = BATCH_OPTIONS_NONE;
    batch_builder_init(&b, &options);
    for (int32_t i = from; i < from + count; i++) {
        AUTO(mem_freep) char *text = mem_printf("%" PRId32, i);
        EXPECT_OK(batch_builder_add(&b, 1000 + i, BYTES_NULL, bytes_from_text(text), NULL, 0));
    }
    struct bytes whole;
    EXPECT_OK(batch_builder_finish(&b, &whole));
    (void)rig_append(p, whole);
    batch_builder_deinit(&b);
}

static struct rig_producer *producer_of(struct rig_partition *p, int64_t id)
{
    for (size_t i = 0; i < p->producers.count; i++) {
        if (p->producers.items[i].id == id)
            return &p->producers.items[i];
    }
    VEC_ADD(&p->producers, ((struct rig_producer){ .id = id, .epoch = -1, .last_sequence = -1 }));
    return &p->producers.items[p->producers.count - 1];
}

/* As brokers judge (KIP-98): KAFKA_NONE with *duplicate >= 0 for what is there already. */
static int16_t judge(const struct rig_producer *producer, const struct batch_view *view,
                     int64_t *duplicate)
{
    const int32_t last = view->base_sequence + view->last_offset_delta;
    *duplicate = -1;
    if (producer->epoch > view->producer_epoch)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (producer->epoch < view->producer_epoch)
        return view->base_sequence == 0 || producer->epoch < 0 ? KAFKA_NONE
                                                               : KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    for (uint32_t i = 0; i < producer->recent_count; i++) {
        if (producer->recent[i].first == view->base_sequence && producer->recent[i].last == last)
            *duplicate = producer->recent[i].offset;
    }
    if (*duplicate >= 0 || view->base_sequence == producer->last_sequence + 1)
        return KAFKA_NONE;
    return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static void remember(struct rig_producer *producer, const struct batch_view *view, int64_t offset)
{
    if (producer->epoch != view->producer_epoch)
        producer->recent_count = 0;
    if (producer->recent_count == ARRAY_LEN(producer->recent)) {
        memmove(producer->recent, producer->recent + 1,
                sizeof(producer->recent) - sizeof(producer->recent[0]));
        producer->recent_count--;
    }
    producer->epoch = view->producer_epoch;
    producer->last_sequence = view->base_sequence + view->last_offset_delta;
    producer->recent[producer->recent_count].first = view->base_sequence;
    producer->recent[producer->recent_count].last = producer->last_sequence;
    producer->recent[producer->recent_count++].offset = offset;
}

static int16_t write(struct rig_partition *p, struct bytes batch, int64_t *offset)
{
    struct batch_view view;
    EXPECT_EQ(batch_parse(batch, &view), (int)batch.size);
    if (view.producer_id < 0) {
        *offset = rig_append(p, batch);
        return KAFKA_NONE;
    }
    struct rig_producer *producer = producer_of(p, view.producer_id);
    const int16_t error = judge(producer, &view, offset);
    if (error != KAFKA_NONE || *offset >= 0)
        return error;
    *offset = rig_append(p, batch);
    remember(producer, &view, *offset);
    return KAFKA_NONE;
}

/* What brokers say of single records beside these errors (KIP-467): the second one is at fault, and of several the third is, too,
 * without a word. */
static void tell_records(struct rig_request *request,
                         struct produce_response_partition_produce_response *out)
{
    if (out->error_code != KAFKA_INVALID_RECORD && out->error_code != KAFKA_INVALID_TIMESTAMP)
        return;
    out->error_message = BYTES_LITERAL("records have been rejected");
    out->record_errors_count = out->error_code == KAFKA_INVALID_RECORD ? 2 : 1;
    out->record_errors = produce_response_batch_index_and_error_message_array(
        &request->arena, (size_t)out->record_errors_count);
    out->record_errors[0].batch_index = 1;
    out->record_errors[0].batch_index_error_message = BYTES_LITERAL("it has no key");
    if (out->record_errors_count == 2) {
        out->record_errors[1].batch_index = 2;
        out->record_errors[1].batch_index_error_message = BYTES_NULL;
    }
}

/* Who waits for records looks again. */
static void wake_fetches(struct client_rig *rig);

void rig_produce(struct rig_request *request)
{
    const struct produce_request *asked = request->message;
    struct produce_response response = produce_response_default;
    response.responses = produce_response_topic_produce_response_array(
        &request->arena, (size_t)asked->topic_data_count);
    response.responses_count = asked->topic_data_count;
    for (int32_t i = 0; i < asked->topic_data_count; i++) {
        const struct produce_request_topic_produce_data *from = &asked->topic_data[i];
        struct produce_response_topic_produce_response *to = &response.responses[i];
        to->name = from->name;
        to->partition_responses = produce_response_partition_produce_response_array(
            &request->arena, (size_t)from->partition_data_count);
        to->partition_responses_count = from->partition_data_count;
        for (int32_t k = 0; k < from->partition_data_count; k++) {
            struct produce_response_partition_produce_response *out = &to->partition_responses[k];
            const struct produce_request_partition_produce_data *data = &from->partition_data[k];
            out->index = data->index;
            out->base_offset = -1;
            out->error_message = BYTES_NULL;
            struct rig_partition *p = find(request, from->name, data->index, &out->error_code);
            if (out->error_code == KAFKA_NONE)
                out->error_code =
                    write(p, bytes_from(data->records.data, data->records.size), &out->base_offset);
            tell_records(request, out);
        }
    }
    struct client_rig *rig = request->rig;
    if (asked->acks == 0)
        request->is_silent = true;
    rig_answer(request, &response);
    wake_fetches(rig);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The whole batches from that offset on, one at least, in the request's arena. */
static struct bytes read_from(const struct rig_partition *p, int64_t offset, size_t bytes_max,
                              struct arena *arena)
{
    size_t first = 0;
    while (first < p->batches.count && p->batches.items[first].last_offset < offset)
        first++;
    size_t size = 0;
    size_t end = first;
    while (end < p->batches.count &&
           (end == first || size + p->batches.items[end].size <= bytes_max))
        size += p->batches.items[end++].size;
    uint8_t *out = arena_alloc(arena, size);
    size_t at = 0;
    for (size_t i = first; i < end; i++) {
        memcpy(out + at, p->batches.items[i].data, p->batches.items[i].size);
        at += p->batches.items[i].size;
    }
    return bytes_from(out, size);
}

static size_t read_one(struct rig_request *request, struct bytes topic,
                       const struct fetch_request_partition *asked,
                       struct fetch_response_partition_data *out)
{
    out->partition_index = asked->partition;
    out->records = (struct wire_records){ .data = (const uint8_t *)"", .size = 0 };
    struct rig_partition *p = find(request, topic, asked->partition, &out->error_code);
    if (p != NULL && out->error_code == KAFKA_NOT_LEADER_OR_FOLLOWER &&
        p->read_replica == request->broker->id)
        out->error_code = KAFKA_NONE;
    if (out->error_code != KAFKA_NONE)
        return 0;
    out->high_watermark = p->end_offset;
    out->log_start_offset = p->start_offset;
    const struct fetch_request *whole = request->message;
    if (p->read_replica > 0 && p->read_replica != request->broker->id && whole->rack_id.size > 0) {
        out->preferred_read_replica = p->read_replica;
        return 1;
    }
    if (asked->fetch_offset < p->start_offset || asked->fetch_offset > p->end_offset) {
        out->error_code = KAFKA_OFFSET_OUT_OF_RANGE;
        return 1;
    }
    const struct bytes batches =
        read_from(p, asked->fetch_offset, (size_t)asked->partition_max_bytes, &request->arena);
    out->records = (struct wire_records){ .data = batches.data, .size = batches.size };
    out->aborted_transactions_count = (int32_t)p->aborted.count;
    out->aborted_transactions =
        fetch_response_aborted_transaction_array(&request->arena, p->aborted.count);
    for (size_t i = 0; i < p->aborted.count; i++) {
        out->aborted_transactions[i].producer_id = p->aborted.items[i].producer_id;
        out->aborted_transactions[i].first_offset = p->aborted.items[i].first_offset;
    }
    return batches.size;
}

static void fetch(struct rig_request *request, bool is_last)
{
    const struct fetch_request *asked = request->message;
    struct fetch_response response = fetch_response_default;
    response.responses =
        fetch_response_fetchable_topic_response_array(&request->arena, (size_t)asked->topics_count);
    response.responses_count = asked->topics_count;
    size_t size = 0;
    bool has_error = request->refusal != KAFKA_NONE;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct fetch_request_topic *from = &asked->topics[i];
        struct fetch_response_fetchable_topic_response *to = &response.responses[i];
        to->topic = from->topic;
        to->partitions =
            fetch_response_partition_data_array(&request->arena, (size_t)from->partitions_count);
        to->partitions_count = from->partitions_count;
        for (int32_t k = 0; k < from->partitions_count; k++) {
            size += read_one(request, from->topic, &from->partitions[k], &to->partitions[k]);
            has_error |= to->partitions[k].error_code != KAFKA_NONE;
        }
    }
    if (size == 0 && !has_error && !is_last && asked->max_wait_ms > 0)
        return;
    rig_answer(request, &response);
}

static void on_waited(struct io_timer *timer)
{
    fetch(CONTAINER_OF(timer, struct rig_request, timer), true);
}

void rig_fetch(struct rig_request *request)
{
    const struct fetch_request *asked = request->message;
    request->timer.fire = on_waited;
    io_timer_arm_after(request->io, &request->timer, asked->max_wait_ms);
    fetch(request, false);
}

static void wake_fetches(struct client_rig *rig)
{
    for (size_t i = 0; i < CLIENT_RIG_BROKERS; i++)
        rig_wake(&rig->brokers[i], API_FETCH);
}

void rig_list_offsets(struct rig_request *request)
{
    const struct list_offsets_request *asked = request->message;
    struct list_offsets_response response = list_offsets_response_default;
    response.topics =
        list_offsets_response_topic_response_array(&request->arena, (size_t)asked->topics_count);
    response.topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct list_offsets_request_topic *from = &asked->topics[i];
        struct list_offsets_response_topic_response *to = &response.topics[i];
        to->name = from->name;
        to->partitions = list_offsets_response_partition_response_array(
            &request->arena, (size_t)from->partitions_count);
        to->partitions_count = from->partitions_count;
        for (int32_t k = 0; k < from->partitions_count; k++) {
            to->partitions[k].partition_index = from->partitions[k].partition_index;
            const struct rig_partition *p =
                find(request, from->name, from->partitions[k].partition_index,
                     &to->partitions[k].error_code);
            if (to->partitions[k].error_code == KAFKA_NONE)
                to->partitions[k].offset =
                    from->partitions[k].timestamp == -2 ? p->start_offset : p->end_offset;
        }
    }
    rig_answer(request, &response);
}

/* ---- looking --------------------------------------------------------------------------------- */

void rig_expect_numbers(const struct rig_partition *p, int32_t count)
{
    int32_t next = 0;
    for (size_t i = 0; i < p->batches.count; i++) {
        struct batch_view view;
        EXPECT(batch_parse(bytes_from(p->batches.items[i].data, p->batches.items[i].size), &view) >
               0);
        struct record_walk walk;
        record_walk_init(&walk, &view, NULL, RECORD_BYTES_MAX);
        struct record record;
        int r;
        while ((r = record_walk_next(&walk, &record)) > 0) {
            int64_t number;
            EXPECT_OK(bytes_to_i64(record.value, &number));
            EXPECT_EQ(number, next);
            next++;
        }
        EXPECT_OK(r);
        record_walk_deinit(&walk);
    }
    EXPECT_EQ(next, count);
}
