/* Produce requests: which batches go to whom, when, and what the answers mean; and the producer's id. */
#include "client/producer_int.h"

#include "wire/kafka_error.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/produce_response.h"

#include <string.h>

#define PRODUCE_VERSION_NAMES 12 /* the last version that names topics by name */

/* ---- answers --------------------------------------------------------------------------------- */

static int32_t busy(const struct producer *p, int32_t leader)
{
    return (int32_t)(uintptr_t)map_i64_get(&p->leaders_busy, leader);
}

static void add_busy(struct producer *p, int32_t leader, int32_t more)
{
    const int32_t count = busy(p, leader) + more;
    if (count == 0)
        (void)map_i64_remove(&p->leaders_busy, leader);
    else
        (void)map_i64_put(&p->leaders_busy, leader, (void *)(uintptr_t)count);
}

static const struct produce_response_partition_produce_response *
find_answer(const struct produce_response *response, const struct queue *q)
{
    for (int32_t i = 0; i < response->responses_count; i++) {
        const struct produce_response_topic_produce_response *topic = &response->responses[i];
        if (!bytes_equal_text(topic->name, q->topic))
            continue;
        for (int32_t k = 0; k < topic->partition_responses_count; k++) {
            if (topic->partition_responses[k].index == q->partition)
                return &topic->partition_responses[k];
        }
    }
    return NULL;
}

static void on_refused(struct producer *p, struct batch *b,
                       const struct produce_response_partition_produce_response *answer)
{
    const struct queue *q = b->queue;
    if (kafka_error_is_retriable(answer->error_code)) {
        cluster_set_leader(p->cluster, bytes_from_text(q->topic), q->partition,
                           answer->current_leader.leader_id, answer->current_leader.leader_epoch);
        (void)cluster_refresh(p->cluster);
    }
    AUTO(mem_freep) char *words = bytes_to_text(answer->error_message);
    producer__failed(p, b, answer->error_code,
                     words == NULL ? kafka_error_sentence(answer->error_code) : words, answer);
}

static void on_batch_answer(struct producer *p, const struct client_call *call, struct batch *b)
{
    producer__landed(b);
    if (call->result < 0) {
        if (!p->is_closing)
            (void)cluster_refresh(p->cluster);
        if (!call->was_begun)
            producer__not_tried(b);
        producer__failed(p, b,
                         call->result == -ERR_VERSION ? KAFKA_UNSUPPORTED_VERSION
                                                      : KAFKA_NETWORK_EXCEPTION,
                         call->note.text, NULL);
        return;
    }
    if (p->acks == 0) {
        producer__deliver(p, b, KAFKA_NONE, -1, NULL);
        return;
    }
    const struct produce_response_partition_produce_response *answer =
        find_answer(call->response, b->queue);
    if (answer == NULL)
        producer__failed(p, b, KAFKA_UNKNOWN_SERVER_ERROR,
                         "the broker's answer lacks the partition", NULL);
    else if (answer->error_code == KAFKA_NONE)
        producer__deliver(p, b, KAFKA_NONE, answer->base_offset, NULL);
    else
        on_refused(p, b, answer);
}

static void flight_free(struct flight *f)
{
    client_call_deinit(&f->call);
    arena_deinit(&f->arena);
    VEC_DEINIT(&f->batches);
    mem_free(f);
}

static void on_produced(struct client_call *call)
{
    struct flight *f = call->context;
    struct producer *p = f->producer;
    add_busy(p, f->leader, -1);
    for (size_t i = 0; i < f->batches.count; i++)
        on_batch_answer(p, call, f->batches.items[i]);
    flight_free(f);
    producer__pump_soon(p);
}

/* ---- producer id ----------------------------------------------------------------------------- */

/* None will be given: what needs one is given up. */
static void fail_without_id(struct producer *p, int16_t error, const char *words)
{
    LIST_FOR_EACH(&p->queues, link)
    {
        struct queue *q = LIST_ENTRY(link, struct queue, link);
        if (q->sequenced == 0 && (q->producer_id < 0 || q->has_gap))
            producer__fail_queue(p, q, error, words);
    }
}

static void on_producer_id(struct client_call *call)
{
    struct producer *p = call->context;
    const struct init_producer_id_response *response = call->response;
    if (call->result == -ERR_CANCELLED)
        return;
    if (call->result == 0 && response->error_code == KAFKA_NONE) {
        p->producer_id = response->producer_id;
        p->producer_epoch = response->producer_epoch;
        p->id_failures = 0;
    } else {
        cluster_pass_over(p->cluster, call->result, call->note.text);
        p->id_not_before_ns = io_monotonic_ns(p->io) +
                              client_retry_backoff_ns(&p->settings, p->id_failures++, &p->rng);
        if (call->result == -ERR_VERSION)
            fail_without_id(p, KAFKA_UNSUPPORTED_VERSION, call->note.text);
        else if (call->result == 0 && !kafka_error_is_retriable(response->error_code))
            fail_without_id(p, response->error_code, kafka_error_sentence(response->error_code));
    }
    producer__pump_soon(p);
}

static void ask_producer_id(struct producer *p, int64_t now_ns, int64_t *wake)
{
    if (!p->is_idempotent || p->transaction.state != TRANSACTION_NONE || p->producer_id >= 0 ||
        p->id_call.is_open_)
        return;
    if (now_ns < p->id_not_before_ns) {
        *wake = MIN(*wake, p->id_not_before_ns);
        return;
    }
    init_producer_id_request_init(&p->id_request);
    p->id_request.transactional_id = BYTES_NULL;
    p->id_request.transaction_timeout_ms = INT32_MAX;
    p->id_call.key = API_INIT_PRODUCER_ID;
    p->id_call.request = &p->id_request;
    p->id_call.done = on_producer_id;
    p->id_call.context = p;
    channel_send(cluster_any(p->cluster), &p->id_call);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct produce_request_topic_produce_data *topic_of(struct flight *f, const char *name)
{
    struct produce_request *r = &f->request;
    for (int32_t i = 0; i < r->topic_data_count; i++) {
        if (bytes_equal_text(r->topic_data[i].name, name))
            return &r->topic_data[i];
    }
    /* Doubles when full; what was before stays in the arena until the request is over. */
    if ((r->topic_data_count & (r->topic_data_count - 1)) == 0) {
        struct produce_request_topic_produce_data *more = produce_request_topic_produce_data_array(
            &f->arena, (size_t)MAX(r->topic_data_count * 2, 1));
        if (r->topic_data_count > 0)
            memcpy(more, r->topic_data, (size_t)r->topic_data_count * sizeof(*more));
        r->topic_data = more;
    }
    struct produce_request_topic_produce_data *topic = &r->topic_data[r->topic_data_count++];
    topic->name = bytes_from_text(name);
    return topic;
}

static void add_to_flight(struct flight *f, struct batch *b, struct bytes sealed)
{
    struct produce_request_topic_produce_data *topic = topic_of(f, b->queue->topic);
    const int32_t count = topic->partition_data_count;
    if ((count & (count - 1)) == 0) {
        struct produce_request_partition_produce_data *more =
            produce_request_partition_produce_data_array(&f->arena, (size_t)MAX(count * 2, 1));
        if (count > 0)
            memcpy(more, topic->partition_data, (size_t)count * sizeof(*more));
        topic->partition_data = more;
    }
    struct produce_request_partition_produce_data *partition = &topic->partition_data[count];
    topic->partition_data_count++;
    partition->index = b->queue->partition;
    partition->records = (struct wire_records){ .data = sealed.data, .size = sealed.size };
    VEC_ADD(&f->batches, b);
    f->bytes += sealed.size;
}

static struct flight *flight_new(struct producer *p, int32_t leader)
{
    struct flight *f = MEM_NEW(struct flight);
    f->producer = p;
    f->leader = leader;
    arena_init(&f->arena, CLIENT_ARENA_BYTES_MAX);
    produce_request_init(&f->request);
    f->request.transactional_id = bytes_from_text(p->transaction.id);
    f->request.acks = p->acks;
    f->request.timeout_ms = (int32_t)p->settings.request_timeout_ms;
    return f;
}

static void send_flight(struct producer *p, struct flight *f)
{
    f->call.key = API_PRODUCE;
    f->call.request = &f->request;
    f->call.version_max = PRODUCE_VERSION_NAMES;
    f->call.has_no_answer = p->acks == 0;
    f->call.done = on_produced;
    f->call.context = f;
    add_busy(p, f->leader, 1);
    channel_send(cluster_broker(p->cluster, f->leader), &f->call);
}

/* The request to `leader` that is being put together in this pump, with room for `bytes` more. */
static struct flight *open_flight(struct producer *p, struct map_i64 *open, int32_t leader,
                                  size_t bytes)
{
    struct flight *f = map_i64_get(open, leader);
    if (f != NULL && f->bytes + bytes <= (size_t)p->request_bytes_max)
        return f;
    if (f != NULL) {
        (void)map_i64_remove(open, leader);
        send_flight(p, f);
    }
    if (busy(p, leader) >= (int32_t)p->in_flight_max)
        return NULL;
    f = flight_new(p, leader);
    (void)map_i64_put(open, leader, f);
    return f;
}

static void take_from(struct producer *p, struct queue *q, struct map_i64 *open, int64_t now_ns,
                      int64_t *wake)
{
    producer__drop_late(p, q, now_ns, wake);
    struct batch *b = producer__next_batch(p, q, now_ns, wake);
    if (b == NULL)
        return;
    const struct cluster_partition *at =
        cluster_partition(p->cluster, bytes_from_text(q->topic), q->partition);
    if (at == NULL || at->leader < 0 || cluster_broker(p->cluster, at->leader) == NULL) {
        q->not_before_ns = now_ns + p->settings.retry_backoff_ms * NS_PER_MS;
        *wake = MIN(*wake, q->not_before_ns);
        (void)cluster_refresh(p->cluster);
        return;
    }
    struct flight *f = open_flight(p, open, at->leader, batch_builder_size(&b->builder));
    if (f == NULL)
        return;
    struct bytes sealed;
    const int r = producer__take(p, b, &sealed);
    if (r < 0) {
        producer__failed(p, b, KAFKA_UNKNOWN_SERVER_ERROR, err_sentence(r), NULL);
        return;
    }
    add_to_flight(f, b, sealed);
}

/* One batch of each partition at most, as brokers want it, in a request to each leader. Whether there was any. */
static bool send_round(struct producer *p, int64_t now_ns, int64_t *wake)
{
    struct map_i64 open;
    map_i64_init(&open, 0);
    LIST_FOR_EACH(&p->queues, link)
    {
        take_from(p, LIST_ENTRY(link, struct queue, link), &open, now_ns, wake);
    }
    bool has_sent = false;
    for (struct map_i64_walk w = { 0 }; map_i64_next(&open, &w);) {
        struct flight *f = w.value;
        if (f->batches.count == 0) {
            flight_free(f);
        } else {
            send_flight(p, f);
            has_sent = true;
        }
    }
    map_i64_deinit(&open);
    return has_sent;
}

void producer__pump(struct io_timer *timer)
{
    struct producer *p = CONTAINER_OF(timer, struct producer, pump);
    const int64_t now_ns = io_monotonic_ns(p->io);
    int64_t wake = INT64_MAX;
    if (p->pending == 0 && !producer__transaction_acts(p))
        return;
    producer__transaction_step(p, now_ns, &wake);
    ask_producer_id(p, now_ns, &wake);
    while (send_round(p, now_ns, &wake))
        continue;
    if (wake != INT64_MAX && !io_timer_is_armed(&p->pump))
        io_timer_arm(p->io, &p->pump, wake);
}
