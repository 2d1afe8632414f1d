/* See producer.h. */
#include "producer.h"

#include "client.h"
#include "model.h"
#include "records.h"
#include "sim_broker.h"
#include "wire/batch.h"
#include "wire/kafka_error.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <stdio.h>

#define RECORDS_MAX     5
#define IN_FLIGHT_MAX   5
#define PADDING_BYTES   300
#define SPREAD_MS       2000 /* timestamps are up to so much behind the clock */
#define VERSION         13   /* by topic id (KIP-516) */
#define INIT_VERSION    4
#define STREAMS_MAX     64
#define PRODUCE_WAIT_MS 5000
#define PAUSE_LEAST_NS  (30 * NS_PER_MS) /* the longest between two turns: drawn for each */
#define PAUSE_MOST_NS   (600 * NS_PER_MS)

struct stream;

/* A batch that was built, until its outcome is known or given up. */
struct outgoing {
    struct list link; /* in its stream, by sequence */
    struct stream *stream;
    uint64_t place; /* among the batches of its stream */
    uint32_t first; /* number of its first record */
    uint32_t count;
    struct model_record records[RECORDS_MAX];
    int64_t timestamps_ms[RECORDS_MAX];
    int32_t base_sequence; /* -1: plain */
    struct buf batch;
    bool is_sent;          /* and not answered */
    bool is_again;         /* it was sent before */
    uint64_t power_losses; /* when it was sent */
    uint64_t life;         /* the same, plus one; 0: not sent yet */
};

/* What a producer sends to one partition. */
struct stream {
    struct producer *producer;
    struct model_partition *partition;
    struct list outgoing;
    uint32_t sent_count; /* of them, those that are not answered */
    uint64_t built;      /* batches, ever */
    int32_t sequence_next;
    bool is_begun;         /* a batch was acknowledged */
    bool is_overtaken;     /* the first was a later one, while the first ones had no place yet */
    uint64_t power_losses; /* when the last batch was acknowledged, or the first one built */
};

struct producer {
    struct client client; /* first */
    uint32_t id;
    uint32_t number_next;
    bool is_idempotent;
    uint32_t compressed_in_a_million; /* batches */
    int64_t producer_id;              /* -1: is to be asked for */
    int16_t producer_epoch;
    bool must_begin_anew; /* with another id, when nothing is in flight */
    struct stream *streams[STREAMS_MAX];
    uint32_t stream_count;
};

struct client *producer_client(struct producer *p)
{
    return &p->client;
}

/* ---- streams --------------------------------------------------------------------------------- */

static struct stream *stream_of(struct producer *p, struct model_partition *partition)
{
    for (uint32_t i = 0; i < p->stream_count; i++) {
        if (p->streams[i]->partition == partition)
            return p->streams[i];
    }
    if (p->stream_count == STREAMS_MAX)
        return NULL;
    struct stream *s = MEM_NEW(struct stream);
    s->producer = p;
    s->partition = partition;
    s->power_losses = p->client.scene->power_losses;
    list_init(&s->outgoing);
    p->streams[p->stream_count++] = s;
    return s;
}

static void outgoing_free(struct outgoing *o)
{
    ASSERT(!o->is_sent);
    list_remove(&o->link);
    buf_deinit(&o->batch);
    mem_free(o);
}

/* Gives up what is not in flight. */
static void stream_clear(struct stream *s)
{
    LIST_FOR_EACH(&s->outgoing, link)
    {
        struct outgoing *o = LIST_ENTRY(link, struct outgoing, link);
        if (!o->is_sent)
            outgoing_free(o);
    }
}

static struct outgoing *first_of(const struct stream *s)
{
    return list_is_empty(&s->outgoing) ? NULL : LIST_ENTRY(s->outgoing.next, struct outgoing, link);
}

static uint32_t in_flight(const struct producer *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->stream_count; i++)
        count += p->streams[i]->sent_count;
    return count;
}

/* ---- building -------------------------------------------------------------------------------- */

static void add_record(struct producer *p, struct batch_builder *builder, struct outgoing *o,
                       uint32_t i)
{
    struct rng *rng = &p->client.rng;
    int64_t timestamp_ms = io_now_ms(sim_node_io(p->client.scene->machine));
    if (rng_chance(rng, 300000))
        timestamp_ms -= rng_between(rng, 0, SPREAD_MS);
    o->timestamps_ms[i] = timestamp_ms;
    const struct record_style style = { .padding_bytes_max = PADDING_BYTES,
                                        .has_keys =
                                            o->stream->partition->topic->plan->is_compacted };
    const struct model_record record = { .client = p->id, .number = o->first + i };
    o->records[i] = records_add(builder, rng, &style, record, timestamp_ms);
}

static struct outgoing *build(struct producer *p, struct stream *s)
{
    struct outgoing *o = MEM_NEW(struct outgoing);
    o->stream = s;
    o->place = s->built++;
    o->first = p->number_next;
    o->count = 1 + (uint32_t)rng_below(&p->client.rng, RECORDS_MAX);
    o->base_sequence = -1;
    p->number_next += o->count;
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = rng_chance(&p->client.rng, p->compressed_in_a_million)
                        ? (enum codec)rng_between(&p->client.rng, CODEC_GZIP, CODEC_ZSTD)
                        : CODEC_NONE;
    if (p->is_idempotent) {
        o->base_sequence = s->sequence_next;
        s->sequence_next += (int32_t)o->count;
        options.producer_id = p->producer_id;
        options.producer_epoch = p->producer_epoch;
        options.base_sequence = o->base_sequence;
    }
    options.contexts = p->client.scene->codecs;
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    for (uint32_t i = 0; i < o->count; i++)
        add_record(p, &builder, o, i);
    struct bytes batch;
    const int r = batch_builder_finish(&builder, &batch);
    ASSERT(r == 0);
    buf_init(&o->batch, batch.size);
    buf_put(&o->batch, batch.data, batch.size);
    batch_builder_deinit(&builder);
    list_push_back(&s->outgoing, &o->link);
    return o;
}

/* ---- answers --------------------------------------------------------------------------------- */

static int64_t newest_of(const struct outgoing *o)
{
    int64_t newest = o->timestamps_ms[0];
    for (uint32_t i = 1; i < o->count; i++)
        newest = MAX(newest, o->timestamps_ms[i]);
    return newest;
}

static void acknowledge(struct producer *p, struct outgoing *o, int64_t base_offset,
                        int64_t append_time_ms)
{
    struct scene *scene = p->client.scene;
    struct model_partition *partition = o->stream->partition;
    const bool has_append_time = partition->topic->plan->has_append_time;
    /* Of a duplicate the time of the first is answered: of what compaction has left of it. */
    const bool may_be_duplicate =
        o->is_again && (append_time_ms == newest_of(o) || partition->topic->plan->is_compacted);
    if (has_append_time != (append_time_ms >= 0) && !may_be_duplicate)
        model_fail("%s-%d: the append time %" PRId64 " is answered", partition->topic->plan->name,
                   partition->index, append_time_ms);
    /* What was not flushed may be gone meanwhile. */
    const bool counts = o->power_losses == scene->power_losses || partition->topic->plan->is_synced;
    for (uint32_t i = 0; i < o->count && counts; i++)
        model_acknowledge(scene->model, partition, base_offset + i, o->records[i],
                          has_append_time ? append_time_ms : o->timestamps_ms[i]);
    scene->acknowledged += counts ? o->count : 0;
    /* A power loss may have taken all that the node knew of the producer. */
    const bool is_known = o->stream->is_begun && (partition->topic->plan->is_synced ||
                                                  o->stream->power_losses == o->power_losses);
    if (!is_known && first_of(o->stream) != o && scene_may_be_full(scene))
        o->stream->is_overtaken = true;
    o->stream->is_begun = true;
    o->stream->power_losses = o->power_losses;
}

/* Whether the broker may answer so, now; else it is a broken promise. */
static bool may_refuse(const struct outgoing *o, enum kafka_error error)
{
    const struct scene *scene = o->stream->producer->client.scene;
    if (o->life != scene->life + 1)
        return true; /* it was said on the way out */
    switch ((int)error) {
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
        return o->stream->partition->topic->state != MODEL_TOPIC_PRESENT;
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
        return sim_broker_is_stopping(scene->broker) || scene_may_be_full(scene) ||
               o->stream->partition->topic->state != MODEL_TOPIC_PRESENT;
    case KAFKA_KAFKA_STORAGE_ERROR:
        return scene_may_be_full(scene);
    case KAFKA_REQUEST_TIMED_OUT:
        return o->stream->partition->topic->plan->is_synced; /* a slow disk may take its time */
    default:
        return false;
    }
}

/* A sequence is refused: rightly, when one before it was not taken, or was and has been lost. Where a producer is not known its
 * first batch has any sequence, as in Kafka: the ones before it may have been refused because the log was not there yet. */
static void on_gap(struct producer *p, struct outgoing *o, struct bytes words)
{
    const struct model_topic *topic = o->stream->partition->topic;
    if (first_of(o->stream) != o || topic->state == MODEL_TOPIC_GONE)
        return; /* it is sent again behind those before it, or these were given up with their topic */
    const bool is_kept =
        topic->plan->is_synced || o->stream->power_losses == p->client.scene->power_losses;
    /* It may have been taken when it was sent before, and its records have been deleted since, or compacted. */
    const bool may_be_deleted =
        (topic->plan->is_trimmed || topic->plan->is_compacted) && o->is_again;
    /* Sent along with it before, one behind it may have been the first that found the log there, and its answer was lost. */
    const bool may_be_overtaken =
        !o->stream->is_begun && o->is_again && scene_may_be_full(p->client.scene);
    if (is_kept && !may_be_deleted && !may_be_overtaken && !o->stream->is_overtaken)
        model_fail(
            "%s-%d: sequence %d of producer %" PRId64
            " is refused, though all before it were acknowledged, and nothing was lost: %.*s",
            topic->plan->name, o->stream->partition->index, o->base_sequence, p->producer_id,
            BYTES_PRINTF(words));
    p->must_begin_anew = true;
}

static void on_refused(struct producer *p, struct outgoing *o,
                       const struct produce_response_partition_produce_response *answer)
{
    const enum kafka_error error = (enum kafka_error)answer->error_code;
    if (error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER && p->is_idempotent)
        on_gap(p, o, answer->error_message);
    else if (!may_refuse(o, error))
        model_fail("%s-%d: a batch of producer %u is refused: %s: %.*s",
                   o->stream->partition->topic->plan->name, o->stream->partition->index, p->id,
                   kafka_error_name(answer->error_code), BYTES_PRINTF(answer->error_message));
}

static void on_produced(void *context, const void *message)
{
    struct outgoing *o = context;
    struct stream *s = o->stream;
    struct producer *p = s->producer;
    const struct produce_response *answer = message;
    o->is_sent = false;
    s->sent_count--;
    bool is_over = !p->is_idempotent;
    if (answer != NULL) {
        if (answer->responses_count != 1 || answer->responses[0].partition_responses_count != 1)
            model_fail("a produce to one partition was answered for %d topics",
                       answer->responses_count);
        const struct produce_response_partition_produce_response *part =
            &answer->responses[0].partition_responses[0];
        if (part->error_code == KAFKA_NONE) {
            acknowledge(p, o, part->base_offset, part->log_append_time_ms);
            is_over = true;
        } else {
            on_refused(p, o, part);
        }
    }
    if (is_over)
        outgoing_free(o);
    client_again(&p->client);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send_batch(struct producer *p, struct outgoing *o)
{
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_default;
    data.index = o->stream->partition->index;
    data.records = (struct wire_records){ .data = o->batch.data, .size = o->batch.size };
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_default;
    topic.topic_id = o->stream->partition->topic->id;
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    struct produce_request request = produce_request_default;
    request.acks = rng_chance(&p->client.rng, 500000) ? 1 : -1;
    request.timeout_ms = PRODUCE_WAIT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    o->is_again = o->life != 0;
    o->is_sent = true;
    o->stream->sent_count++;
    o->power_losses = p->client.scene->power_losses;
    o->life = p->client.scene->life + 1;
    client_ask(&p->client, API_PRODUCE, VERSION, &request, on_produced, o);
}

static void on_id(void *context, const void *message)
{
    struct producer *p = context;
    const struct init_producer_id_response *answer = message;
    if (answer != NULL && answer->error_code == KAFKA_NONE) {
        model_producer_id(p->client.scene->model, answer->producer_id);
        p->producer_id = answer->producer_id;
        p->producer_epoch = answer->producer_epoch;
    }
    client_again(&p->client);
}

static void ask_id(struct producer *p)
{
    struct init_producer_id_request request = init_producer_id_request_default;
    request.transactional_id = BYTES_NULL;
    request.transaction_timeout_ms = 60000;
    client_ask(&p->client, API_INIT_PRODUCER_ID, INIT_VERSION, &request, on_id, p);
}

/* Batches that were not taken go again, in order, once nothing of their stream is in flight. Whether there were any. */
static bool send_again(struct producer *p)
{
    bool has_any = false;
    for (uint32_t i = 0; i < p->stream_count; i++) {
        struct stream *s = p->streams[i];
        if (s->partition->topic->state == MODEL_TOPIC_GONE)
            stream_clear(s);
        if (list_is_empty(&s->outgoing) || s->sent_count > 0)
            continue;
        has_any = true;
        LIST_FOR_EACH(&s->outgoing, link)
        {
            if (!sim_peer_is_open(p->client.peer))
                return true;
            send_batch(p, LIST_ENTRY(link, struct outgoing, link));
        }
    }
    return has_any;
}

static void begin_anew(struct producer *p)
{
    for (uint32_t i = 0; i < p->stream_count; i++) {
        stream_clear(p->streams[i]);
        p->streams[i]->sequence_next = 0;
        p->streams[i]->is_begun = p->streams[i]->is_overtaken = false;
        p->streams[i]->power_losses = p->client.scene->power_losses;
    }
    p->must_begin_anew = false;
    p->producer_id = -1;
}

/* A new batch; to a partition of which nothing waits to be sent again. Not so far behind one that may yet be sent again that a broker, which
 * knows the last five of a producer, would not take that for a duplicate any more. */
static void send_new(struct producer *p)
{
    struct model_partition *partition =
        model_choose_partition(p->client.scene->model, &p->client.rng);
    struct stream *s = partition == NULL ? NULL : stream_of(p, partition);
    if (s == NULL)
        return;
    const struct outgoing *first = first_of(s);
    if (first != NULL && s->built - first->place >= IN_FLIGHT_MAX)
        return;
    LIST_FOR_EACH(&s->outgoing, link)
    {
        if (!LIST_ENTRY(link, struct outgoing, link)->is_sent)
            return;
    }
    send_batch(p, build(p, s));
}

static void act(struct client *client)
{
    struct producer *p = CONTAINER_OF(client, struct producer, client);
    if (p->must_begin_anew && in_flight(p) == 0)
        begin_anew(p);
    if (p->is_idempotent && p->producer_id < 0) {
        ask_id(p);
        return;
    }
    if (!p->must_begin_anew) {
        (void)send_again(p);
        for (uint64_t i = 1 + rng_below(&client->rng, 3); i > 0; i--)
            send_new(p);
    }
    client_again(client);
}

struct producer *producer_new(struct scene *scene, uint32_t index)
{
    struct producer *p = MEM_NEW(struct producer);
    char name[32];
    (void)snprintf(name, sizeof(name), "producer%u", index);
    p->id = model_client_new(scene->model);
    p->producer_id = -1;
    client_init(&p->client, scene, name, act);
    p->is_idempotent = rng_chance(&p->client.rng, 500000);
    p->client.pause_max_ns = rng_between(&p->client.rng, PAUSE_LEAST_NS, PAUSE_MOST_NS);
    static const uint32_t compressed[] = { 0, 100000, 500000 };
    p->compressed_in_a_million = compressed[rng_below(&p->client.rng, ARRAY_LEN(compressed))];
    return p;
}

void producer_free(struct producer *p)
{
    client_deinit(&p->client);
    for (uint32_t i = 0; i < p->stream_count; i++) {
        LIST_FOR_EACH(&p->streams[i]->outgoing, link)
        LIST_ENTRY(link, struct outgoing, link)->is_sent = false;
        stream_clear(p->streams[i]);
        mem_free(p->streams[i]);
    }
    mem_free(p);
}
