/* Positions that are asked for, fetches, and the records in their answers. */
#include "client/consumer_int.h"

#include "wire/control_record.h"
#include "wire/kafka_error.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"

#include <string.h>

#define FETCH_VERSION_NAMES 12 /* the last version that names topics by name */
#define RECORD_BYTES_MAX    (1u << 30)
#define ISOLATION_COMMITTED 1
#define WAIT_MARGIN_MS      5000

/* A Fetch or ListOffsets request to one leader. */
struct fetch {
    struct list link;
    struct consumer *consumer;
    struct client_call call;
    struct arena arena;
    union {
        struct fetch_request fetch;
        struct list_offsets_request list;
    } request;
    int32_t broker;
    uint32_t chunk_count;
    VEC(struct position *) positions; /* emptied when they are dropped */
    size_t next;                      /* answers come in the order of the request, as a rule */
};

static void fetch_unuse(struct fetch *f)
{
    if (f->call.is_open_ || f->chunk_count > 0)
        return;
    list_remove(&f->link);
    client_call_deinit(&f->call);
    arena_deinit(&f->arena);
    VEC_DEINIT(&f->positions);
    mem_free(f);
}

static void chunk_free(struct consumer *c, struct chunk *k)
{
    list_remove(&k->link);
    if (k->is_walking)
        record_walk_deinit(&k->walk);
    VEC_DEINIT(&k->aborting);
    k->position->has_chunk = false;
    k->fetch->chunk_count--;
    fetch_unuse(k->fetch);
    mem_free(k);
    consumer__tick_soon(c);
}

void consumer__drop_chunks(struct consumer *c)
{
    while (!list_is_empty(&c->chunks))
        chunk_free(c, LIST_ENTRY(c->chunks.next, struct chunk, link));
    LIST_FOR_EACH(&c->fetches, link)
    {
        LIST_ENTRY(link, struct fetch, link)->positions.count = 0;
    }
}

static struct position *position_in(struct fetch *f, struct bytes topic, int32_t partition)
{
    for (size_t i = 0; i < f->positions.count; i++) {
        struct position *p = f->positions.items[(f->next + i) % f->positions.count];
        if (p->partition == partition && bytes_equal_text(topic, p->topic)) {
            f->next = (f->next + i + 1) % f->positions.count;
            return p;
        }
    }
    return NULL;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void out_of_range(struct consumer *c, struct position *p)
{
    if (c->reset == 0)
        consumer__fail(c, -ERR_NOT_FOUND,
                       "Fetch position %" PRId64 " is out of range for partition %s-%" PRId32
                       ", and auto.offset.reset is none",
                       p->offset, p->topic, p->partition);
    p->offset = c->reset;
    p->not_before_ns = 0;
}

static void refused(const struct fetch *f, struct position *p, int16_t error)
{
    struct consumer *c = f->consumer;
    const bool is_of_replica = p->replica == f->broker;
    p->not_before_ns = consumer__retry_at(c);
    p->replica = -1; /* the leader knows better */
    if (kafka_error_is_retriable(error) || (error == KAFKA_OFFSET_OUT_OF_RANGE && is_of_replica))
        (void)cluster_refresh(c->cluster);
    else if (error == KAFKA_OFFSET_OUT_OF_RANGE)
        out_of_range(c, p);
    else
        consumer__fail(c, -ERR_PROTOCOL, "%s-%" PRId32 ": %s", p->topic, p->partition,
                       kafka_error_sentence(error));
}

static void take_partition(struct fetch *f, struct bytes topic,
                           const struct fetch_response_partition_data *data)
{
    struct consumer *c = f->consumer;
    struct position *p = position_in(f, topic, data->partition_index);
    if (p == NULL)
        return;
    if (data->error_code != KAFKA_NONE) {
        refused(f, p, data->error_code);
        return;
    }
    if (data->preferred_read_replica >= 0) {
        p->replica = data->preferred_read_replica;
        p->replica_until_ns = io_monotonic_ns(c->io) + c->settings.metadata_max_age_ms * NS_PER_MS;
    }
    if (data->records.size == 0)
        return;
    struct chunk *k = MEM_NEW(struct chunk);
    k->fetch = f;
    k->position = p;
    k->rest = bytes_from(data->records.data, data->records.size);
    k->aborted = data->aborted_transactions;
    k->aborted_count = data->aborted_transactions_count;
    p->has_chunk = true;
    f->chunk_count++;
    list_push_back(&c->chunks, &k->link);
}

static void free_positions(struct fetch *f, bool has_failed)
{
    struct consumer *c = f->consumer;
    for (size_t i = 0; i < f->positions.count; i++) {
        struct position *p = f->positions.items[i];
        p->is_busy = false;
        if (!has_failed)
            continue;
        p->not_before_ns = consumer__retry_at(c);
        p->replica = -1;
    }
    if (has_failed && !c->is_closing)
        (void)cluster_refresh(c->cluster);
    consumer__tick_soon(c);
}

static void on_fetched(struct client_call *call)
{
    struct fetch *f = call->context;
    const struct fetch_response *response = call->response;
    const bool has_failed = call->result < 0 || response->error_code != KAFKA_NONE;
    free_positions(f, has_failed);
    for (int32_t i = 0; !has_failed && i < response->responses_count; i++) {
        const struct fetch_response_fetchable_topic_response *topic = &response->responses[i];
        for (int32_t k = 0; k < topic->partitions_count; k++)
            take_partition(f, topic->topic, &topic->partitions[k]);
    }
    fetch_unuse(f);
}

static void on_listed(struct client_call *call)
{
    struct fetch *f = call->context;
    const struct list_offsets_response *response = call->response;
    free_positions(f, call->result < 0);
    for (int32_t i = 0; call->result == 0 && i < response->topics_count; i++) {
        const struct list_offsets_response_topic_response *topic = &response->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            const struct list_offsets_response_partition_response *data = &topic->partitions[k];
            struct position *p = position_in(f, topic->name, data->partition_index);
            if (p == NULL)
                continue;
            if (data->error_code != KAFKA_NONE) {
                refused(f, p, data->error_code);
                continue;
            }
            p->offset = MAX(data->offset, 0);
            p->epoch = data->leader_epoch;
        }
    }
    fetch_unuse(f);
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct fetch *fetch_new(struct consumer *c, int32_t broker)
{
    struct fetch *f = MEM_NEW(struct fetch);
    f->consumer = c;
    f->broker = broker;
    arena_init(&f->arena, CLIENT_ARENA_BYTES_MAX);
    list_push_back(&c->fetches, &f->link);
    return f;
}

/* Each position is a topic of its own in the request: simple, and brokers take it. */
static void send_fetch(struct consumer *c, struct fetch *f)
{
    struct fetch_request *r = &f->request.fetch;
    fetch_request_init(r);
    r->max_wait_ms = (int32_t)config_i64(c->config, SETTING_CONSUMER_FETCH_MAX_WAIT_MS);
    r->min_bytes = (int32_t)config_i64(c->config, SETTING_CONSUMER_FETCH_MIN_BYTES);
    r->max_bytes = (int32_t)config_i64(c->config, SETTING_CONSUMER_FETCH_MAX_BYTES);
    r->isolation_level = c->is_isolated ? ISOLATION_COMMITTED : 0;
    r->rack_id = bytes_from_text(config_text(c->config, SETTING_CONSUMER_CLIENT_RACK));
    r->topics = fetch_request_topic_array(&f->arena, f->positions.count);
    for (size_t i = 0; i < f->positions.count; i++) {
        const struct position *p = f->positions.items[i];
        struct fetch_request_topic *topic = &r->topics[r->topics_count];
        if (r->topics_count > 0 &&
            bytes_equal_text(r->topics[r->topics_count - 1].topic, p->topic)) {
            topic = &r->topics[r->topics_count - 1];
        } else {
            r->topics_count++;
            topic->topic =
                bytes_from(arena_dup(&f->arena, p->topic, strlen(p->topic)), strlen(p->topic));
            topic->partitions = fetch_request_partition_array(&f->arena, f->positions.count - i);
        }
        struct fetch_request_partition *partition = &topic->partitions[topic->partitions_count++];
        partition->partition = p->partition;
        partition->fetch_offset = p->offset;
        partition->partition_max_bytes =
            (int32_t)config_i64(c->config, SETTING_CONSUMER_MAX_PARTITION_FETCH_BYTES);
    }
    f->call.key = API_FETCH;
    f->call.request = r;
    f->call.version_max = FETCH_VERSION_NAMES;
    f->call.done = on_fetched;
    f->call.timeout_ms =
        (int32_t)MAX(c->settings.request_timeout_ms, (int64_t)r->max_wait_ms + WAIT_MARGIN_MS);
}

static void send_list(struct consumer *c, struct fetch *f)
{
    struct list_offsets_request *r = &f->request.list;
    list_offsets_request_init(r);
    r->replica_id = -1;
    r->isolation_level = c->is_isolated ? ISOLATION_COMMITTED : 0;
    r->topics = list_offsets_request_topic_array(&f->arena, f->positions.count);
    r->topics_count = (int32_t)f->positions.count;
    for (size_t i = 0; i < f->positions.count; i++) {
        const struct position *p = f->positions.items[i];
        r->topics[i].name =
            bytes_from(arena_dup(&f->arena, p->topic, strlen(p->topic)), strlen(p->topic));
        r->topics[i].partitions = list_offsets_request_partition_array(&f->arena, 1);
        r->topics[i].partitions_count = 1;
        r->topics[i].partitions[0].partition_index = p->partition;
        r->topics[i].partitions[0].timestamp = p->offset; /* -1 latest, -2 earliest */
    }
    f->call.key = API_LIST_OFFSETS;
    f->call.request = r;
    f->call.done = on_listed;
}

static bool is_wanted(const struct position *p, bool is_fetch, int64_t now_ns)
{
    if (p->is_busy || p->has_chunk || now_ns < p->not_before_ns)
        return false;
    return is_fetch ? p->offset >= 0
                    : p->offset == CONSUMER_OFFSET_LATEST || p->offset == CONSUMER_OFFSET_EARLIEST;
}

/* Whom to ask about the position: its leader, or the replica that the leader sent us to, for a while. -1: nobody is known. */
static int32_t whom_to_ask(struct consumer *c, struct position *p, bool is_fetch, int64_t now_ns)
{
    if (is_fetch && p->replica >= 0 && now_ns < p->replica_until_ns &&
        cluster_broker(c->cluster, p->replica) != NULL)
        return p->replica;
    p->replica = -1;
    const struct cluster_partition *at =
        cluster_partition(c->cluster, bytes_from_text(p->topic), p->partition);
    return at == NULL || at->leader < 0 || cluster_broker(c->cluster, at->leader) == NULL
               ? -1
               : at->leader;
}

/* One request of a kind to each broker that has something for us. */
static void ask(struct consumer *c, bool is_fetch, int64_t now_ns)
{
    struct map_i64 by_broker;
    map_i64_init(&by_broker, 0);
    for (size_t i = 0; i < c->positions.count; i++) {
        struct position *p = c->positions.items[i];
        if (!is_wanted(p, is_fetch, now_ns))
            continue;
        const int32_t broker = whom_to_ask(c, p, is_fetch, now_ns);
        if (broker < 0) {
            p->not_before_ns = consumer__retry_at(c);
            (void)cluster_refresh(c->cluster);
            continue;
        }
        struct fetch *f = map_i64_get(&by_broker, broker);
        if (f == NULL) {
            f = fetch_new(c, broker);
            (void)map_i64_put(&by_broker, broker, f);
        }
        VEC_ADD(&f->positions, p);
        p->is_busy = true;
    }
    for (struct map_i64_walk w = { 0 }; map_i64_next(&by_broker, &w);) {
        struct fetch *f = w.value;
        if (is_fetch)
            send_fetch(c, f);
        else
            send_list(c, f);
        f->call.context = f;
        channel_send(cluster_broker(c->cluster, f->broker), &f->call);
    }
    map_i64_deinit(&by_broker);
}

void consumer__fetch_tick(struct consumer *c, int64_t now_ns)
{
    ask(c, false, now_ns);
    ask(c, true, now_ns);
}

/* ---- records --------------------------------------------------------------------------------- */

static bool is_aborting(const struct chunk *k, int64_t producer_id)
{
    for (size_t i = 0; i < k->aborting.count; i++) {
        if (k->aborting.items[i] == producer_id)
            return true;
    }
    return false;
}

/* A marker ends its producer's transaction. */
static void end_transaction(struct chunk *k)
{
    for (size_t i = 0; i < k->aborting.count; i++) {
        if (k->aborting.items[i] == k->batch.producer_id) {
            VEC_REMOVE_AT(&k->aborting, i);
            return;
        }
    }
}

/* Whether the batch's records are for the application. Aborted transactions are listed by first offset (KIP-98). */
static bool is_for_us(const struct consumer *c, struct chunk *k)
{
    while (c->is_isolated && k->aborted_next < k->aborted_count &&
           k->aborted[k->aborted_next].first_offset <= batch_last_offset(&k->batch))
        VEC_ADD(&k->aborting, k->aborted[k->aborted_next++].producer_id);
    if ((k->batch.attributes & BATCH_CONTROL) != 0) {
        end_transaction(k);
        return false;
    }
    return !c->is_isolated || (k->batch.attributes & BATCH_TRANSACTIONAL) == 0 ||
           !is_aborting(k, k->batch.producer_id);
}

/* 1 with a batch to walk, 0 at the end of the chunk (a batch that was cut counts as the end), or -ERR_CORRUPT. */
static int next_batch(struct consumer *c, struct chunk *k)
{
    for (;;) {
        const int size = batch_parse(k->rest, &k->batch);
        if (size == -ERR_OVERRUN)
            return 0;
        if (size < 0 || (config_bool(c->config, SETTING_CONSUMER_CHECK_CRCS) &&
                         batch_check_crc(&k->batch) < 0)) {
            consumer__fail(c, -ERR_CORRUPT,
                           "Record batch for partition %s-%" PRId32 " at offset %" PRId64
                           " is invalid",
                           k->position->topic, k->position->partition, k->position->offset);
            return -ERR_CORRUPT;
        }
        k->rest = bytes_slice(k->rest, (size_t)size, k->rest.size - (size_t)size);
        if (batch_last_offset(&k->batch) < k->position->offset)
            continue;
        if (is_for_us(c, k)) {
            record_walk_init(&k->walk, &k->batch, c->codecs, RECORD_BYTES_MAX);
            k->is_walking = true;
            return 1;
        }
        k->position->offset = batch_last_offset(&k->batch) + 1;
        k->position->epoch = k->batch.leader_epoch;
    }
}

/* 1 with a record, 0 at the end of the chunk, or negative. */
static int next_record(struct consumer *c, struct chunk *k, struct consumer_record *out)
{
    for (;;) {
        if (!k->is_walking) {
            const int r = next_batch(c, k);
            if (r <= 0)
                return r;
        }
        const int r = record_walk_next(&k->walk, &out->record);
        if (r < 0) {
            consumer__fail(c, r, "A record of %s-%" PRId32 " at offset %" PRId64 " is broken: %s",
                           k->position->topic, k->position->partition, k->position->offset,
                           err_sentence(r));
            return r;
        }
        if (r == 0) {
            record_walk_deinit(&k->walk);
            k->is_walking = false;
            k->position->offset =
                batch_last_offset(&k->batch) + 1; /* compaction may end it earlier */
            k->position->epoch = k->batch.leader_epoch;
        } else if (out->record.offset >= k->position->offset) {
            return 1;
        }
    }
}

int consumer__next(struct consumer *c, struct consumer_record *out)
{
    while (!list_is_empty(&c->chunks)) {
        struct chunk *k = LIST_ENTRY(c->chunks.next, struct chunk, link);
        const int r = next_record(c, k, out);
        if (r < 0)
            return r;
        if (r > 0) {
            out->topic = bytes_from_text(k->position->topic);
            out->partition = k->position->partition;
            out->leader_epoch = k->batch.leader_epoch;
            out->is_append_time = (k->batch.attributes & BATCH_LOG_APPEND_TIME) != 0;
            c->given = k->position;
            c->given_offset = out->record.offset;
            c->given_epoch = k->position->epoch;
            k->position->offset = out->record.offset + 1;
            k->position->epoch = k->batch.leader_epoch;
            return 1;
        }
        chunk_free(c, k);
    }
    return 0;
}
