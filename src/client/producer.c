/* See producer.h: settings, and taking records. */
#include "client/producer.h"

#include "client/partitioner.h"
#include "client/producer_int.h"
#include "wire/kafka_error.h"

#include <string.h>

#define RECORD_OVERHEAD 70 /* of one record and its batch, at most */

/* ---- taking records -------------------------------------------------------------------------- */

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

/* Of those that can be written to now, where there are any (KIP-480). */
static int32_t choose_any(struct producer *p, const struct cluster_topic *topic)
{
    int32_t count = 0;
    for (int32_t i = 0; i < topic->partition_count; i++)
        count += topic->partitions[i].leader >= 0;
    if (count == 0)
        return (int32_t)rng_below(&p->rng, (uint64_t)topic->partition_count);
    int32_t nth = (int32_t)rng_below(&p->rng, (uint64_t)count);
    for (int32_t i = 0;; i++) {
        if (topic->partitions[i].leader >= 0 && nth-- == 0)
            return i;
    }
}

static int choose_partition(struct producer *p, const struct producer_record *record,
                            struct topic_state *state, int32_t *out, struct err_note *note)
{
    const struct cluster_topic *topic = cluster_topic(p->cluster, record->topic);
    if (cluster_is_nowhere(p->cluster))
        return cluster_nowhere(p->cluster, note);
    if (topic == NULL)
        return -ERR_WOULD_BLOCK;
    if (kafka_error_is_retriable(topic->error) ||
        (topic->error == KAFKA_NONE && topic->partition_count == 0)) {
        (void)cluster_refresh(p->cluster);
        return -ERR_WOULD_BLOCK;
    }
    if (topic->error != KAFKA_NONE)
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
    if (state->sticky < 0 || state->sticky >= topic->partition_count ||
        topic->partitions[state->sticky].leader < 0)
        state->sticky = choose_any(p, topic);
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

static int check_size(const struct producer *p, size_t bytes, struct err_note *note)
{
    if (bytes > (size_t)p->request_bytes_max)
        return err_note(note, -ERR_LIMIT,
                        "The message is %zu bytes when serialized which is larger than %" PRId64
                        ", which is the value of the max.request.size configuration.",
                        bytes, p->request_bytes_max);
    if (bytes > (size_t)p->memory_max)
        return err_note(note, -ERR_LIMIT,
                        "The message is %zu bytes when serialized which is larger than the total "
                        "memory buffer you have configured with the buffer.memory configuration.",
                        bytes);
    return 0;
}

int producer_send(struct producer *p, const struct producer_record *record, struct err_note *note)
{
    const size_t bytes = record_bytes(record);
    struct topic_state *state = state_of(p, record->topic);
    int32_t partition = -1;
    p->is_short = false;
    int r = producer__transaction_check(p, note);
    if (r == 0)
        r = check_size(p, bytes, note);
    if (r == 0)
        r = choose_partition(p, record, state, &partition, note);
    if (r < 0)
        return r;
    struct queue *q = producer__queue_of(p, record->topic, partition);
    const int64_t timestamp = record->timestamp_ms < 0 ? io_now_ms(p->io) : record->timestamp_ms;
    for (;;) {
        const bool is_new = q->open == NULL;
        if (is_new && p->memory_used > 0 &&
            p->memory_used + (int64_t)MAX((size_t)p->batch_bytes, bytes) > p->memory_max) {
            p->is_short = true;
            producer__pump_soon(p);
            return -ERR_WOULD_BLOCK;
        }
        if (is_new)
            producer__open_batch(p, q, bytes);
        r = batch_builder_add(&q->open->builder, timestamp, record->key, record->value,
                              record->headers, record->header_count);
        if (r == 0)
            break;
        ASSERT(!is_new); /* an empty batch was made for it */
        producer__close_batch(q);
        state->sticky = -1;
    }
    VEC_ADD(&q->open->contexts, record->context);
    p->pending++;
    if (q->open->contexts.count == 1 || !list_is_empty(&q->ready))
        producer__pump_soon(p);
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
    return a->result != -ERR_WOULD_BLOCK;
}

int producer_send_wait(struct producer *p, const struct producer_record *record,
                       struct err_note *note)
{
    struct attempt a = { .producer = p, .record = record, .note = note };
    const int r = client_loop_wait(&p->loop, is_accepted, &a,
                                   io_monotonic_ns(p->io) + p->block_ms * NS_PER_MS);
    if (r == -ERR_TIMEOUT)
        return p->is_short
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
    producer__pump_soon(p);
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
    const char *codec = config_text(config, SETTING_PRODUCER_COMPRESSION_TYPE);
    if (codec_from_name(bytes_from_text(codec), &p->codec) < 0)
        return err_note(note, -ERR_INVALID_SETTING, "compression.type %s is unknown", codec);
    p->codec_level = codec_level_from(config, p->codec);
    p->acks = acks_from(config);
    p->is_idempotent = config_bool(config, SETTING_PRODUCER_ENABLE_IDEMPOTENCE) && p->acks == -1 &&
                       config_i64(config, SETTING_PRODUCER_RETRIES) > 0;
    if (!config_is_null(config, SETTING_PRODUCER_TRANSACTIONAL_ID)) {
        if (!p->is_idempotent)
            return err_note(note, -ERR_INVALID_SETTING,
                            "Cannot set a transactional.id without also enabling idempotence.");
        p->transaction.state = TRANSACTION_NO_ID;
        p->transaction.id = config_text(config, SETTING_PRODUCER_TRANSACTIONAL_ID);
        p->transaction.timeout_ms =
            (int32_t)config_i64(config, SETTING_PRODUCER_TRANSACTION_TIMEOUT_MS);
    }
    p->batch_bytes = MAX(config_i64(config, SETTING_PRODUCER_BATCH_SIZE), INT64_C(1));
    const int64_t linger_ms =
        MIN(config_i64(config, SETTING_PRODUCER_LINGER_MS), (int64_t)INT32_MAX);
    p->linger_ns = linger_ms * NS_PER_MS;
    /* A record that lingers has time for a request after that. */
    p->delivery_ns = MAX(config_i64(config, SETTING_PRODUCER_DELIVERY_TIMEOUT_MS),
                         linger_ms + p->settings.request_timeout_ms) *
                     NS_PER_MS;
    p->block_ms = MIN(config_i64(config, SETTING_PRODUCER_MAX_BLOCK_MS), CLIENT_MS_MAX);
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
    if (p->pending > 0 || producer__transaction_acts(p))
        producer__pump_soon(p);
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
    p->transaction.coordinator = -1;
    p->pump.fire = producer__pump;
    p->codecs = codec_contexts_new();
    list_init(&p->queues);
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

void producer_free(struct producer *p)
{
    if (p == NULL)
        return;
    p->is_closing = true;
    p->retries = -1; /* what comes back now is not sent again */
    cluster_free(p->cluster);
    while (!list_is_empty(&p->queues))
        producer__queue_free(p, LIST_ENTRY(p->queues.next, struct queue, link));
    io_timer_cancel(p->io, &p->pump);
    client_call_deinit(&p->id_call);
    client_call_deinit(&p->transaction.call);
    for (struct map_walk w = { 0 }; map_next(&p->topics, &w);)
        mem_free(w.value);
    map_deinit(&p->topics);
    map_deinit(&p->by_name);
    map_i64_deinit(&p->leaders_busy);
    codec_contexts_free(p->codecs);
    mem_free(p);
}
