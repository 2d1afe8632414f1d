/* See producer.h. */
#include "client/producer.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "client/cluster.h"
#include "client/partitioner.h"
#include "client/settings.h"
#include "wire/kafka_error.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <string.h>

#define PRODUCE_VERSION_NAMES   12 /* the last version that names topics by name */
#define IN_FLIGHT_PER_PARTITION 5  /* as many batches as a broker remembers sequences of */
#define RECORD_OVERHEAD         70 /* of one record and its batch, at most */

struct batch {
    struct list link;
    struct queue *queue;
    struct batch_builder builder;
    VEC(void *) contexts;
    size_t bytes; /* what it takes of buffer.memory */
    int64_t born_ns;
    uint32_t attempts;
    bool has_sequence;
};

/* One partition. */
struct queue {
    struct list link; /* in producer->queues */
    char *topic;
    int32_t partition;
    struct batch *open;
    struct list ready; /* closed, in order */
    uint32_t in_flight;
    int32_t next_sequence;
    int64_t not_before_ns; /* after a failure */
    bool is_retrying;      /* what was sent comes back; nothing new leaves before it is all here */
};

struct topic_state {
    int32_t sticky; /* partition of records without key; -1: choose */
};

/* One Produce request. */
struct flight {
    struct list link;
    struct producer *producer;
    struct client_call call;
    struct produce_request request;
    struct arena arena;
    int32_t leader;
    size_t bytes;
    VEC(struct batch *) batches;
};

struct producer {
    struct client_loop loop;
    struct io *io;
    struct cluster *cluster;
    struct client_settings settings;
    struct producer_owner owner;
    struct codec_contexts *codecs;
    enum codec codec;
    int codec_level;
    int16_t acks;
    bool is_idempotent;
    int64_t batch_bytes;
    int64_t linger_ns;
    int64_t delivery_ns;
    int64_t block_ms;
    int64_t request_bytes_max;
    int64_t memory_max;
    int64_t memory_used;
    int64_t retries;
    uint32_t in_flight_max;
    struct rng rng;

    struct list queues; /* every partition that was written to, in order */
    struct map by_name; /* "topic/partition" → struct queue */
    struct map topics;  /* name → struct topic_state */
    struct list flights;
    struct map_i64 leaders_busy; /* leader → flights + 1, as a pointer's number */
    struct io_timer pump;
    uint64_t pending;
    bool is_flushing;
    bool is_closing;

    struct client_call id_call;
    struct init_producer_id_request id_request;
    int64_t producer_id; /* -1: none yet */
    int16_t producer_epoch;
    int64_t id_not_before_ns;
};

static void pump_soon(struct producer *p)
{
    io_timer_arm(p->io, &p->pump, 0);
}

/* ---- ends of batches ------------------------------------------------------------------------- */

static void batch_free(struct producer *p, struct batch *b)
{
    p->memory_used -= (int64_t)b->bytes;
    list_remove(&b->link);
    batch_builder_deinit(&b->builder);
    VEC_DEINIT(&b->contexts);
    mem_free(b);
}

static void deliver(struct producer *p, struct batch *b, int16_t error, int64_t base_offset,
                    const char *words)
{
    for (size_t i = 0; i < b->contexts.count; i++) {
        const struct producer_delivery delivery = {
            .context = b->contexts.items[i],
            .topic = bytes_from_text(b->queue->topic),
            .partition = b->queue->partition,
            .offset = base_offset < 0 ? -1 : base_offset + (int64_t)i,
            .error = error,
            .words = words,
        };
        p->pending--;
        p->owner.on_delivery(p->owner.context, &delivery);
    }
    batch_free(p, b);
}

/* Back into the queue, in order of sequence. */
static void put_back(struct producer *p, struct batch *b)
{
    struct queue *q = b->queue;
    struct list *before = &q->ready;
    LIST_FOR_EACH(&q->ready, link)
    {
        const struct batch *other = LIST_ENTRY(link, struct batch, link);
        if (!other->has_sequence ||
            other->builder.options.base_sequence > b->builder.options.base_sequence) {
            before = link;
            break;
        }
    }
    if (!b->has_sequence && before != &q->ready)
        before = q->ready.next;
    list_push_back(before, &b->link); /* in front of `before` */
    q->is_retrying = true;
    q->not_before_ns = io_monotonic_ns(p->io) + p->settings.retry_backoff_ms * NS_PER_MS;
}

static bool is_over(const struct producer *p, const struct batch *b, int64_t now_ns)
{
    return now_ns - b->born_ns >= p->delivery_ns;
}

static void failed(struct producer *p, struct batch *b, int16_t error, const char *words)
{
    const bool is_late = is_over(p, b, io_monotonic_ns(p->io));
    /* A batch behind one that failed is out of order until that one is in. */
    const bool is_behind =
        p->is_idempotent && error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && b->queue->is_retrying;
    const bool may_retry = kafka_error_is_retriable(error) || is_behind;
    if (error == KAFKA_DUPLICATE_SEQUENCE_NUMBER) {
        deliver(p, b, KAFKA_NONE, -1, NULL);
    } else if (may_retry && !is_late && b->attempts <= p->retries) {
        put_back(p, b);
    } else {
        if (p->is_idempotent && b->has_sequence)
            p->producer_id = -1; /* a hole in the sequence: a new id begins anew */
        deliver(p, b, is_late && may_retry ? KAFKA_REQUEST_TIMED_OUT : error, -1, words);
    }
}

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

static void on_batch_answer(struct producer *p, struct flight *f, struct batch *b)
{
    struct queue *q = b->queue;
    q->in_flight--;
    if (f->call.result < 0) {
        if (!p->is_closing)
            (void)cluster_refresh(p->cluster);
        failed(p, b, KAFKA_NETWORK_EXCEPTION, f->call.note.text);
        return;
    }
    if (p->acks == 0) {
        deliver(p, b, KAFKA_NONE, -1, NULL);
        return;
    }
    const struct produce_response_partition_produce_response *answer =
        find_answer(f->call.response, q);
    if (answer == NULL) {
        failed(p, b, KAFKA_UNKNOWN_SERVER_ERROR, "the broker's answer lacks the partition");
        return;
    }
    if (answer->error_code == KAFKA_NONE) {
        deliver(p, b, KAFKA_NONE, answer->base_offset, NULL);
        return;
    }
    if (kafka_error_is_retriable(answer->error_code)) {
        cluster_set_leader(p->cluster, bytes_from_text(q->topic), q->partition,
                           answer->current_leader.leader_id, answer->current_leader.leader_epoch);
        (void)cluster_refresh(p->cluster);
    }
    char *words = bytes_to_text(answer->error_message);
    failed(p, b, answer->error_code,
           words == NULL ? kafka_error_sentence(answer->error_code) : words);
    mem_free(words);
}

static void flight_free(struct flight *f)
{
    list_remove(&f->link);
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
        on_batch_answer(p, f, f->batches.items[i]);
    flight_free(f);
    pump_soon(p);
}

/* ---- producer id ----------------------------------------------------------------------------- */

static void on_producer_id(struct client_call *call)
{
    struct producer *p = call->context;
    const struct init_producer_id_response *response = call->response;
    if (call->result == 0 && response->error_code == KAFKA_NONE) {
        p->producer_id = response->producer_id;
        p->producer_epoch = response->producer_epoch;
        LIST_FOR_EACH(&p->queues, link)
        {
            struct queue *q = LIST_ENTRY(link, struct queue, link);
            q->next_sequence = 0;
            LIST_FOR_EACH(&q->ready, batch_link)
            {
                LIST_ENTRY(batch_link, struct batch, link)->has_sequence = false;
            }
        }
    } else {
        cluster_pass_over(p->cluster, call->result);
        p->id_not_before_ns = io_monotonic_ns(p->io) + p->settings.retry_backoff_ms * NS_PER_MS;
    }
    if (call->result != -ERR_CANCELLED)
        pump_soon(p);
}

static bool has_producer_id(struct producer *p, int64_t now_ns)
{
    if (!p->is_idempotent || p->producer_id >= 0)
        return true;
    /* Batches that carry the old id come back first. */
    if (p->id_call.is_open_ || !list_is_empty(&p->flights))
        return false;
    if (now_ns < p->id_not_before_ns) {
        io_timer_arm(p->io, &p->pump, p->id_not_before_ns);
        return false;
    }
    init_producer_id_request_init(&p->id_request);
    p->id_request.transactional_id = BYTES_NULL;
    p->id_request.transaction_timeout_ms = INT32_MAX;
    p->id_call.key = API_INIT_PRODUCER_ID;
    p->id_call.request = &p->id_request;
    p->id_call.done = on_producer_id;
    p->id_call.context = p;
    channel_send(cluster_any(p->cluster), &p->id_call);
    return false;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void close_batch(struct queue *q)
{
    if (q->open != NULL)
        list_push_back(&q->ready, &TAKE(q->open)->link);
}

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
    arena_init(&f->arena, SIZE_MAX);
    produce_request_init(&f->request);
    f->request.transactional_id = BYTES_NULL;
    f->request.acks = p->acks;
    f->request.timeout_ms = (int32_t)p->settings.request_timeout_ms;
    list_push_back(&p->flights, &f->link);
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

static int seal(struct producer *p, struct batch *b, struct bytes *out)
{
    if (p->is_idempotent && !b->has_sequence) {
        b->builder.options.producer_id = p->producer_id;
        b->builder.options.producer_epoch = p->producer_epoch;
        b->builder.options.base_sequence = b->queue->next_sequence;
        /* Sequences go round after INT32_MAX. */
        b->queue->next_sequence =
            (int32_t)(((int64_t)b->queue->next_sequence + b->builder.record_count) & INT32_MAX);
        b->has_sequence = true;
    }
    return batch_builder_finish(&b->builder, out);
}

/* Whether the queue's first batch may leave now; if only time is lacking, *wake says when. */
static bool is_ready(struct producer *p, struct queue *q, int64_t now_ns, int64_t *wake)
{
    if (list_is_empty(&q->ready) && q->open == NULL)
        return false;
    if (q->is_retrying && q->in_flight > 0)
        return false;
    q->is_retrying = false;
    if (now_ns < q->not_before_ns) {
        *wake = MIN(*wake, q->not_before_ns);
        return false;
    }
    if (q->in_flight >= (p->is_idempotent ? IN_FLIGHT_PER_PARTITION : p->in_flight_max))
        return false;
    if (list_is_empty(&q->ready)) {
        const bool is_due = p->is_flushing || now_ns - q->open->born_ns >= p->linger_ns;
        if (!is_due) {
            *wake = MIN(*wake, q->open->born_ns + p->linger_ns);
            return false;
        }
        close_batch(q);
    }
    return true;
}

static void drop_late(struct producer *p, struct queue *q, int64_t now_ns)
{
    if (q->in_flight > 0)
        return;
    if (q->open != NULL && is_over(p, q->open, now_ns))
        close_batch(q);
    while (!list_is_empty(&q->ready)) {
        struct batch *b = LIST_ENTRY(q->ready.next, struct batch, link);
        if (!is_over(p, b, now_ns))
            break;
        if (b->has_sequence)
            p->producer_id = -1;
        deliver(p, b, KAFKA_REQUEST_TIMED_OUT, -1, "delivery.timeout.ms is over");
    }
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
    drop_late(p, q, now_ns);
    if (!is_ready(p, q, now_ns, wake))
        return;
    const struct cluster_partition *at =
        cluster_partition(p->cluster, bytes_from_text(q->topic), q->partition);
    if (at == NULL || at->leader < 0 || cluster_broker(p->cluster, at->leader) == NULL) {
        q->not_before_ns = now_ns + p->settings.retry_backoff_ms * NS_PER_MS;
        *wake = MIN(*wake, q->not_before_ns);
        (void)cluster_refresh(p->cluster);
        return;
    }
    struct batch *b = LIST_ENTRY(q->ready.next, struct batch, link);
    struct flight *f = open_flight(p, open, at->leader, batch_builder_size(&b->builder));
    if (f == NULL)
        return;
    list_remove(&b->link);
    struct bytes sealed;
    const int r = seal(p, b, &sealed);
    if (r < 0) {
        deliver(p, b, KAFKA_UNKNOWN_SERVER_ERROR, -1, err_sentence(r));
        return;
    }
    b->attempts++;
    q->in_flight++;
    add_to_flight(f, b, sealed);
}

static void on_pump(struct io_timer *timer)
{
    struct producer *p = CONTAINER_OF(timer, struct producer, pump);
    const int64_t now_ns = io_monotonic_ns(p->io);
    int64_t wake = INT64_MAX;
    if (p->pending == 0)
        return;
    if (!has_producer_id(p, now_ns)) {
        LIST_FOR_EACH(&p->queues, link)
        {
            drop_late(p, LIST_ENTRY(link, struct queue, link), now_ns);
        }
        if (!io_timer_is_armed(&p->pump))
            io_timer_arm_after(p->io, &p->pump, p->settings.retry_backoff_ms);
        return;
    }
    struct map_i64 open;
    map_i64_init(&open, 0);
    LIST_FOR_EACH(&p->queues, link)
    {
        take_from(p, LIST_ENTRY(link, struct queue, link), &open, now_ns, &wake);
    }
    for (struct map_i64_walk w = { 0 }; map_i64_next(&open, &w);) {
        struct flight *f = w.value;
        if (f->batches.count == 0)
            flight_free(f);
        else
            send_flight(p, f);
    }
    map_i64_deinit(&open);
    if (wake != INT64_MAX && !io_timer_is_armed(&p->pump))
        io_timer_arm(p->io, &p->pump, wake);
}

/* ---- taking records -------------------------------------------------------------------------- */

static struct queue *queue_of(struct producer *p, struct bytes topic, int32_t partition)
{
    char *name = mem_printf("%.*s/%" PRId32, BYTES_PRINTF(topic), partition);
    struct queue *q = map_get(&p->by_name, bytes_from_text(name));
    if (q == NULL) {
        q = MEM_NEW(struct queue);
        q->topic = bytes_to_text(topic);
        q->partition = partition;
        list_init(&q->ready);
        list_push_back(&p->queues, &q->link);
        (void)map_put(&p->by_name, bytes_from_text(name), q);
    }
    mem_free(name);
    return q;
}

static struct topic_state *state_of(struct producer *p, struct bytes topic)
{
    struct topic_state *state = map_get(&p->topics, topic);
    if (state == NULL) {
        state = MEM_NEW(struct topic_state);
        state->sticky = -1;
        (void)map_put(&p->topics, topic, state);
        cluster_want(p->cluster, topic);
        (void)cluster_refresh(p->cluster);
    }
    return state;
}

static int choose_partition(struct producer *p, const struct producer_record *record,
                            struct topic_state *state, int32_t *out, struct err_note *note)
{
    const struct cluster_topic *topic = cluster_topic(p->cluster, record->topic);
    if (cluster_is_nowhere(p->cluster))
        return cluster_nowhere(p->cluster, note);
    if (topic == NULL || topic->error == KAFKA_LEADER_NOT_AVAILABLE ||
        topic->error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION)
        return -ERR_WOULD_BLOCK;
    if (topic->error != KAFKA_NONE || topic->partition_count == 0)
        return err_note(note, -ERR_NOT_FOUND, "%s", kafka_error_sentence(topic->error));
    *out = record->partition;
    if (record->partition >= topic->partition_count)
        return err_note(note, -ERR_NOT_FOUND,
                        "Partition %" PRId32 " of topic %.*s is not there: it has %" PRId32,
                        record->partition, BYTES_PRINTF(record->topic), topic->partition_count);
    if (record->partition >= 0)
        return 0;
    if (!bytes_is_null(record->key)) {
        *out = partitioner_of_key(record->key, topic->partition_count);
        return 0;
    }
    if (state->sticky < 0 || state->sticky >= topic->partition_count)
        state->sticky = (int32_t)rng_below(&p->rng, (uint64_t)topic->partition_count);
    *out = state->sticky;
    return 0;
}

static size_t record_bytes(const struct producer_record *record)
{
    size_t bytes = RECORD_OVERHEAD + record->key.size + record->value.size;
    for (int32_t i = 0; i < record->header_count; i++)
        bytes += record->headers[i].key.size + record->headers[i].value.size + 10;
    return bytes;
}

static struct batch *batch_new(struct producer *p, struct queue *q, size_t bytes)
{
    struct batch *b = MEM_NEW(struct batch);
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = p->codec;
    options.codec_level = p->codec_level;
    options.contexts = p->codecs;
    options.size_bytes_max = MAX((size_t)p->batch_bytes, bytes + BATCH_OVERHEAD_BYTES);
    batch_builder_init(&b->builder, &options);
    b->queue = q;
    b->born_ns = io_monotonic_ns(p->io);
    b->bytes = options.size_bytes_max;
    p->memory_used += (int64_t)b->bytes;
    return b;
}

int producer_send(struct producer *p, const struct producer_record *record, struct err_note *note)
{
    const size_t bytes = record_bytes(record);
    if (bytes > (size_t)p->request_bytes_max)
        return err_note(note, -ERR_LIMIT,
                        "The message is %zu bytes when serialized which is larger than %" PRId64
                        ", which is the value of the max.request.size configuration.",
                        bytes, p->request_bytes_max);
    struct topic_state *state = state_of(p, record->topic);
    int32_t partition = -1;
    int r = choose_partition(p, record, state, &partition, note);
    if (r < 0)
        return r;
    struct queue *q = queue_of(p, record->topic, partition);
    const int64_t timestamp = record->timestamp_ms < 0 ? io_now_ms(p->io) : record->timestamp_ms;
    for (;;) {
        const bool is_new = q->open == NULL;
        if (is_new && p->memory_used > 0 &&
            p->memory_used + (int64_t)MAX((size_t)p->batch_bytes, bytes) > p->memory_max) {
            pump_soon(p);
            return -ERR_WOULD_BLOCK;
        }
        if (is_new)
            q->open = batch_new(p, q, bytes);
        r = batch_builder_add(&q->open->builder, timestamp, record->key, record->value,
                              record->headers, record->header_count);
        if (r == 0)
            break;
        ASSERT(!is_new); /* an empty batch was made for it */
        close_batch(q);
        state->sticky = -1;
    }
    VEC_ADD(&q->open->contexts, record->context);
    p->pending++;
    if (!list_is_empty(&q->ready) || p->linger_ns == 0 || q->open->contexts.count == 1)
        if (!io_timer_is_armed(&p->pump) || !list_is_empty(&q->ready))
            pump_soon(p);
    return 0;
}

struct attempt {
    struct producer *producer;
    const struct producer_record *record;
    struct err_note *note;
    int result;
};

static bool is_accepted(void *context)
{
    struct attempt *a = context;
    a->result = producer_send(a->producer, a->record, a->note);
    if (a->result == -ERR_WOULD_BLOCK &&
        cluster_topic(a->producer->cluster, a->record->topic) != NULL &&
        a->producer->memory_used == 0)
        (void)cluster_refresh(a->producer->cluster);
    return a->result != -ERR_WOULD_BLOCK;
}

int producer_send_wait(struct producer *p, const struct producer_record *record,
                       struct err_note *note)
{
    struct attempt a = { .producer = p, .record = record, .note = note };
    const int r = client_loop_wait(&p->loop, is_accepted, &a,
                                   io_monotonic_ns(p->io) + p->block_ms * NS_PER_MS);
    if (r == -ERR_TIMEOUT)
        return p->memory_used > 0
                   ? err_note(note, r,
                              "No room for the record in buffer.memory (%" PRId64
                              " bytes) after %" PRId64 " ms.",
                              p->memory_max, p->block_ms)
                   : err_note(note, r, "Topic %.*s not present in metadata after %" PRId64 " ms.",
                              BYTES_PRINTF(record->topic), p->block_ms);
    return r < 0 ? r : a.result;
}

static bool is_empty(void *context)
{
    const struct producer *p = context;
    return p->pending == 0;
}

int producer_flush(struct producer *p)
{
    p->is_flushing = true;
    pump_soon(p);
    const int r = client_loop_wait(&p->loop, is_empty, p, INT64_MAX);
    p->is_flushing = false;
    return r;
}

uint64_t producer_pending(const struct producer *p)
{
    return p->pending;
}

/* ---- birth and death ------------------------------------------------------------------------- */

static int16_t acks_from(const struct config *config)
{
    const char *text = config_text(config, SETTING_PRODUCER_ACKS);
    if (strcmp(text, "0") == 0)
        return 0;
    return strcmp(text, "1") == 0 ? 1 : -1;
}

static int codec_level_from(const struct config *config, enum codec codec)
{
    switch (codec) {
    case CODEC_GZIP:
        return (int)config_i64(config, SETTING_PRODUCER_COMPRESSION_GZIP_LEVEL);
    case CODEC_LZ4:
        return (int)config_i64(config, SETTING_PRODUCER_COMPRESSION_LZ4_LEVEL);
    case CODEC_ZSTD:
        return (int)config_i64(config, SETTING_PRODUCER_COMPRESSION_ZSTD_LEVEL);
    case CODEC_NONE:
    case CODEC_SNAPPY:
        break;
    }
    return COMPRESS_LEVEL_DEFAULT;
}

static int take_settings(struct producer *p, const struct config *config, struct err_note *note)
{
    if (!config_is_null(config, SETTING_PRODUCER_TRANSACTIONAL_ID))
        return err_note(note, -ERR_UNSUPPORTED,
                        "transactional.id is set; this client has no transactions yet");
    const char *codec = config_text(config, SETTING_PRODUCER_COMPRESSION_TYPE);
    if (codec_from_name(bytes_from_text(codec), &p->codec) < 0)
        return err_note(note, -ERR_INVALID_SETTING, "compression.type %s is unknown", codec);
    p->codec_level = codec_level_from(config, p->codec);
    p->acks = acks_from(config);
    p->is_idempotent = config_bool(config, SETTING_PRODUCER_ENABLE_IDEMPOTENCE) && p->acks == -1 &&
                       config_i64(config, SETTING_PRODUCER_RETRIES) > 0;
    p->batch_bytes = MAX(config_i64(config, SETTING_PRODUCER_BATCH_SIZE), INT64_C(1));
    p->linger_ns = config_i64(config, SETTING_PRODUCER_LINGER_MS) * NS_PER_MS;
    p->delivery_ns = config_i64(config, SETTING_PRODUCER_DELIVERY_TIMEOUT_MS) * NS_PER_MS;
    p->block_ms = config_i64(config, SETTING_PRODUCER_MAX_BLOCK_MS);
    p->request_bytes_max = config_i64(config, SETTING_PRODUCER_MAX_REQUEST_SIZE);
    p->memory_max = config_i64(config, SETTING_PRODUCER_BUFFER_MEMORY);
    p->retries = config_i64(config, SETTING_PRODUCER_RETRIES);
    p->in_flight_max =
        (uint32_t)config_i64(config, SETTING_PRODUCER_MAX_IN_FLIGHT_REQUESTS_PER_CONNECTION);
    return 0;
}

static void on_metadata(void *context, int result)
{
    struct producer *p = context;
    (void)result; /* a failure is tried again by the cluster */
    if (p->pending > 0)
        pump_soon(p);
}

int producer_new(const struct client_loop *loop, const struct config *config,
                 const struct diag *diag, const struct producer_owner *owner, struct producer **out,
                 struct err_note *note)
{
    struct producer *p = MEM_NEW(struct producer);
    p->loop = *loop;
    p->io = loop->io;
    p->owner = *owner;
    p->settings = client_settings_from(config);
    p->producer_id = -1;
    p->pump.fire = on_pump;
    p->codecs = codec_contexts_new();
    list_init(&p->queues);
    list_init(&p->flights);
    uint64_t seed;
    io_random(p->io, &seed, sizeof(seed));
    p->rng = rng_from_seed(seed);
    map_init(&p->by_name, seed);
    map_init(&p->topics, seed);
    map_i64_init(&p->leaders_busy, seed);
    int r = take_settings(p, config, note);
    const struct cluster_params params = {
        .io = p->io,
        .settings = p->settings,
        .bootstrap = client_bootstrap_servers(config),
        .allows_topic_creation = true,
        .diag = diag,
        .owner = { .on_metadata = on_metadata, .context = p },
    };
    if (r == 0)
        r = cluster_new(&params, &p->cluster, note);
    if (r < 0)
        producer_free(p);
    else
        *out = p;
    return r;
}

static void queue_free(struct producer *p, struct queue *q)
{
    close_batch(q);
    while (!list_is_empty(&q->ready))
        deliver(p, LIST_ENTRY(q->ready.next, struct batch, link), KAFKA_REQUEST_TIMED_OUT, -1,
                "the producer was closed");
    list_remove(&q->link);
    mem_free(q->topic);
    mem_free(q);
}

void producer_free(struct producer *p)
{
    if (p == NULL)
        return;
    p->is_closing = true;
    p->retries = -1; /* what comes back now is not sent again */
    cluster_free(p->cluster);
    while (!list_is_empty(&p->queues))
        queue_free(p, LIST_ENTRY(p->queues.next, struct queue, link));
    io_timer_cancel(p->io, &p->pump);
    client_call_deinit(&p->id_call);
    for (struct map_walk w = { 0 }; map_next(&p->topics, &w);)
        mem_free(w.value);
    map_deinit(&p->topics);
    map_deinit(&p->by_name);
    map_i64_deinit(&p->leaders_busy);
    codec_contexts_free(p->codecs);
    mem_free(p);
}
