/* The batches of a partition: their order, their sequences, and what becomes of them when they fail. */
#include "client/producer_int.h"

#include "wire/kafka_error.h"
#include "wire/messages/produce_response.h"

#define IN_FLIGHT_PER_PARTITION 5 /* as many batches as a broker remembers sequences of */

/* ---- birth and death ------------------------------------------------------------------------- */

struct queue *producer__queue_of(struct producer *p, struct bytes topic, int32_t partition)
{
    char *name = mem_printf("%.*s/%" PRId32, BYTES_PRINTF(topic), partition);
    struct queue *q = map_get(&p->by_name, bytes_from_text(name));
    if (q == NULL) {
        q = MEM_NEW(struct queue);
        q->topic = bytes_to_text(topic);
        q->partition = partition;
        q->producer_id = -1;
        list_init(&q->ready);
        list_init(&q->flying);
        list_push_back(&p->queues, &q->link);
        (void)map_put(&p->by_name, bytes_from_text(name), q);
    }
    mem_free(name);
    return q;
}

void producer__fail_queue(struct producer *p, struct queue *q, int16_t error, const char *words)
{
    producer__close_batch(q);
    while (!list_is_empty(&q->ready)) {
        struct batch *b = LIST_ENTRY(q->ready.next, struct batch, link);
        q->has_gap |= b->has_sequence;
        producer__deliver(p, b, error, -1, words);
    }
}

void producer__queue_free(struct producer *p, struct queue *q)
{
    producer__fail_queue(p, q, KAFKA_REQUEST_TIMED_OUT, "the producer was closed");
    list_remove(&q->link);
    mem_free(q->topic);
    mem_free(q);
}

void producer__open_batch(struct producer *p, struct queue *q, size_t record_bytes)
{
    struct batch *b = MEM_NEW(struct batch);
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = p->codec;
    options.codec_level = p->codec_level;
    if (p->transaction.state != TRANSACTION_NONE)
        options.attributes |= BATCH_TRANSACTIONAL;
    options.contexts = p->codecs;
    options.size_bytes_max = MAX((size_t)p->batch_bytes, record_bytes + BATCH_OVERHEAD_BYTES);
    batch_builder_init(&b->builder, &options);
    b->queue = q;
    b->number = q->next_number++;
    b->born_ns = io_monotonic_ns(p->io);
    b->bytes = options.size_bytes_max;
    p->memory_used += (int64_t)b->bytes;
    q->open = b;
}

void producer__close_batch(struct queue *q)
{
    if (q->open != NULL)
        list_push_back(&q->ready, &TAKE(q->open)->link);
}

static void unsequence(struct batch *b)
{
    b->queue->sequenced -= b->has_sequence;
    b->has_sequence = false;
}

static void batch_free(struct producer *p, struct batch *b)
{
    unsequence(b);
    p->memory_used -= (int64_t)b->bytes;
    list_remove(&b->link);
    batch_builder_deinit(&b->builder);
    VEC_DEINIT(&b->contexts);
    mem_free(b);
}

static void deliver_one(struct producer *p, const struct batch *b, size_t index,
                        struct producer_delivery *delivery)
{
    delivery->context = b->contexts.items[index];
    delivery->topic = bytes_from_text(b->queue->topic);
    delivery->partition = b->queue->partition;
    p->pending--;
    p->owner.on_delivery(p->owner.context, delivery);
}

void producer__deliver(struct producer *p, struct batch *b, int16_t error, int64_t base_offset,
                       const char *words)
{
    b->queue->is_anchored |= error == KAFKA_NONE && b->has_sequence;
    if (error != KAFKA_NONE)
        producer__transaction_fail(p, words);
    else
        b->queue->failure = KAFKA_NONE;
    for (size_t i = 0; i < b->contexts.count; i++) {
        struct producer_delivery delivery = { .offset =
                                                  base_offset < 0 ? -1 : base_offset + (int64_t)i,
                                              .error = error,
                                              .words = words };
        deliver_one(p, b, i, &delivery);
    }
    batch_free(p, b);
}

typedef struct produce_response_batch_index_and_error_message record_error;

/* What the broker says of each record of a batch: an array (heap), with NULL where another one is wrong. */
static const record_error **
sort_record_errors(const struct produce_response_partition_produce_response *answer, size_t count)
{
    const record_error **errors = MEM_NEW_ARRAY(const record_error *, count);
    for (int32_t i = 0; i < answer->record_errors_count; i++) {
        const record_error *told = &answer->record_errors[i];
        if (told->batch_index >= 0 && (size_t)told->batch_index < count)
            errors[told->batch_index] = told;
    }
    return errors;
}

/* Given up for the sake of single records, each of which is told its own (KIP-467). Of several the code says INVALID_RECORD, as in
 * Kafka's client: the partition's is that of one of them. */
static void deliver_record_errors(struct producer *p, struct batch *b, const char *words,
                                  const struct produce_response_partition_produce_response *answer)
{
    producer__transaction_fail(p, words);
    const record_error **errors = sort_record_errors(answer, b->contexts.count);
    for (size_t i = 0; i < b->contexts.count; i++) {
        const record_error *own = errors[i];
        AUTO(mem_freep)
        char *text = own == NULL ? NULL : bytes_to_text(own->batch_index_error_message);
        struct producer_delivery delivery = {
            .offset = -1,
            .error = own != NULL && answer->record_errors_count == 1 ? answer->error_code
                                                                     : KAFKA_INVALID_RECORD,
            .words = own == NULL    ? "another record of its batch is invalid"
                     : text != NULL ? text
                                    : words,
        };
        deliver_one(p, b, i, &delivery);
    }
    mem_free(errors);
    batch_free(p, b);
}

/* ---- failures -------------------------------------------------------------------------------- */

static struct batch *first_of(const struct queue *q)
{
    return list_is_empty(&q->ready) ? NULL : LIST_ENTRY(q->ready.next, struct batch, link);
}

static void put_back(struct producer *p, struct batch *b, int16_t error)
{
    struct queue *q = b->queue;
    q->failure = error;
    struct list *before = &q->ready;
    LIST_FOR_EACH(&q->ready, link)
    {
        if (LIST_ENTRY(link, struct batch, link)->number > b->number) {
            before = link;
            break;
        }
    }
    list_push_back(before, &b->link); /* in front of `before` */
    const uint32_t failure_count = b->attempts == 0 ? 0 : b->attempts - 1;
    q->not_before_ns =
        io_monotonic_ns(p->io) + client_retry_backoff_ns(&p->settings, failure_count, &p->rng);
}

static bool follows_a_sequence(const struct list *batches, uint64_t number)
{
    LIST_FOR_EACH(batches, link)
    {
        const struct batch *b = LIST_ENTRY(link, struct batch, link);
        if (b->number >= number)
            return false;
        if (b->has_sequence)
            return true;
    }
    return false;
}

/* The broker misses what came before this batch, and nothing before it is on its way: that is lost. All that carries a sequence
 * is counted anew. None of it is written, since brokers write in sequence alone; what is under way comes back, or is too late:
 * of an epoch that is over. */
static void lose_sequences(struct queue *q)
{
    q->has_gap = true;
    struct list *const lists[] = { &q->ready, &q->flying };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        LIST_FOR_EACH(lists[i], link)
        {
            unsequence(LIST_ENTRY(link, struct batch, link));
        }
    }
}

static bool is_over(const struct producer *p, const struct batch *b, int64_t now_ns)
{
    return now_ns - b->born_ns >= p->delivery_ns;
}

void producer__failed(struct producer *p, struct batch *b, int16_t error, const char *words,
                      const struct produce_response_partition_produce_response *answer)
{
    struct queue *q = b->queue;
    const bool is_late = is_over(p, b, io_monotonic_ns(p->io));
    const bool is_out_of_order = p->is_idempotent && (error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER ||
                                                      error == KAFKA_UNKNOWN_PRODUCER_ID);
    const bool is_lost = is_out_of_order && b->has_sequence &&
                         !follows_a_sequence(&q->ready, b->number) &&
                         !follows_a_sequence(&q->flying, b->number);
    /* The sequences of a transaction begin anew with the next one only. */
    const bool may_retry = (kafka_error_is_retriable(error) || is_out_of_order) &&
                           !(is_lost && p->transaction.state != TRANSACTION_NONE);
    if (error == KAFKA_DUPLICATE_SEQUENCE_NUMBER) {
        producer__deliver(p, b, KAFKA_NONE, -1, NULL);
    } else if (may_retry && !is_late && b->attempts <= p->retries) {
        put_back(p, b, error);
        if (is_lost)
            lose_sequences(q);
    } else if (!may_retry && answer != NULL && answer->record_errors_count > 0) {
        q->has_gap |= b->has_sequence;
        deliver_record_errors(p, b, words, answer);
    } else {
        q->has_gap |= b->has_sequence;
        producer__deliver(p, b, is_late && may_retry ? KAFKA_REQUEST_TIMED_OUT : error, -1, words);
    }
}

static void give_up_late(struct producer *p, struct batch *b)
{
    struct queue *q = b->queue;
    AUTO(mem_freep)
    char *words = q->failure == KAFKA_NONE
                      ? mem_strdup("delivery.timeout.ms is over")
                      : mem_printf("delivery.timeout.ms is over; the last try ended with %s",
                                   kafka_error_name(q->failure));
    q->has_gap |= b->has_sequence;
    producer__deliver(p, b, KAFKA_REQUEST_TIMED_OUT, -1, words);
}

void producer__drop_late(struct producer *p, struct queue *q, int64_t now_ns, int64_t *wake)
{
    if (q->in_flight > 0)
        return; /* in order: not before those that are under way */
    if (q->open != NULL && is_over(p, q->open, now_ns))
        producer__close_batch(q);
    for (struct batch *b; (b = first_of(q)) != NULL && is_over(p, b, now_ns);)
        give_up_late(p, b);
    const struct batch *next = first_of(q) == NULL ? q->open : first_of(q);
    if (next != NULL)
        *wake = MIN(*wake, next->born_ns + p->delivery_ns);
}

/* ---- leaving --------------------------------------------------------------------------------- */

/* Whether a batch without a sequence may get one: all that have one are of the identity that counts from now on. */
static bool has_identity(struct producer *p, struct queue *q)
{
    if (!p->is_idempotent || (!q->has_gap && q->producer_id >= 0))
        return true;
    if (q->sequenced > 0 || (q->has_gap && p->transaction.state != TRANSACTION_NONE))
        return false;
    if (q->has_gap && q->producer_id == p->producer_id && q->producer_epoch == INT16_MAX) {
        p->producer_id = -1; /* used up */
        producer__pump_soon(p);
    }
    if (p->producer_id < 0)
        return false;
    if (q->producer_id == p->producer_id) {
        q->producer_epoch++;
    } else {
        q->producer_id = p->producer_id;
        q->producer_epoch = p->producer_epoch;
    }
    q->next_sequence = 0;
    q->has_gap = q->is_anchored = false;
    return true;
}

/* What is sent again goes alone: brokers remember a few batches only, and if others passed it, could no longer tell that it is
 * there already. So does the first of an identity, since a broker that knows nothing of it takes any sequence. */
static uint32_t in_flight_max(const struct producer *p, const struct queue *q)
{
    const bool is_repeated =
        !list_is_empty(&q->flying) && LIST_ENTRY(q->flying.next, struct batch, link)->attempts > 1;
    if (is_repeated || (p->is_idempotent && !q->is_anchored))
        return 1;
    return p->is_idempotent ? IN_FLIGHT_PER_PARTITION : p->in_flight_max;
}

struct batch *producer__next_batch(struct producer *p, struct queue *q, int64_t now_ns,
                                   int64_t *wake)
{
    if (list_is_empty(&q->ready) && q->open == NULL)
        return NULL;
    if (now_ns < q->not_before_ns) {
        *wake = MIN(*wake, q->not_before_ns);
        return NULL;
    }
    if (q->in_flight >= in_flight_max(p, q))
        return NULL;
    if (list_is_empty(&q->ready)) {
        const bool is_due =
            p->is_flushing || p->is_short || now_ns - q->open->born_ns >= p->linger_ns;
        if (!is_due) {
            *wake = MIN(*wake, q->open->born_ns + p->linger_ns);
            return NULL;
        }
        producer__close_batch(q);
    }
    struct batch *b = LIST_ENTRY(q->ready.next, struct batch, link);
    if (b->attempts > 0 && q->in_flight > 0)
        return NULL;
    return b->has_sequence || has_identity(p, q) ? b : NULL;
}

int producer__take(struct producer *p, struct batch *b, struct bytes *out)
{
    struct queue *q = b->queue;
    list_remove(&b->link);
    list_push_back(&q->flying, &b->link);
    q->in_flight++;
    b->attempts++;
    if (p->is_idempotent && !b->has_sequence) {
        b->builder.options.producer_id = q->producer_id;
        b->builder.options.producer_epoch = q->producer_epoch;
        b->builder.options.base_sequence = q->next_sequence;
        /* Sequences go round after INT32_MAX. */
        q->next_sequence =
            (int32_t)(((int64_t)q->next_sequence + b->builder.record_count) & INT32_MAX);
        b->has_sequence = true;
        q->sequenced++;
        p->transaction.has_records = true;
    }
    const int r = batch_builder_finish(&b->builder, out);
    if (r < 0)
        producer__landed(b);
    return r;
}

void producer__landed(struct batch *b)
{
    list_remove(&b->link);
    b->queue->in_flight--;
}

void producer__not_tried(struct batch *b)
{
    b->attempts--;
}
