/* A load of Produce requests: as fast as answers come, or by a schedule that nothing can delay; of the same bytes each
 * time, or of records that have one of so many keys. It ends with the last request, after so many seconds, or, if that is asked
 * for, when standard input does.
 *
 * With a schedule request n of all is due at start + n / (connections x rate), on connection n % connections, and
 * its latency counts from then on, whether it could be sent or had to wait for those before it.
 */
#include "load.h"

#include "base/be.h"
#include "base/mem.h"
#include "latency.h"
#include "link.h"
#include "peer.h"
#include "value.h"
#include "wire/api.h"
#include "wire/batch.h"
#include "wire/kafka_error.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PRODUCE_VERSION  12 /* the last one that names topics by name */
#define TIMEOUT_MS       30000
#define ANSWER_BYTES_MAX (16u << 10)
#define LOOK_EVERY_NS    (10 * NS_PER_MS) /* whether standard input has ended */
#define KEY_BYTES        8
#define VALUES_COUNT     4096 /* of different ones, used in turn: more than a codec looks back */

/* What one connection has to do. */
struct lane {
    int64_t share;      /* requests in all */
    int64_t due;        /* how many of them may be sent by now */
    int64_t sent;       /* the number of the next one */
    int64_t answered;   /* answers come in order */
    int64_t *begins_ns; /* of those in flight, by number % in_flight */
    struct buf request; /* with keys: the one being sent */
    struct link_frame frame;
};

/* What records with keys are made of. */
struct keyed {
    struct rng rng;
    struct batch_builder builder;
    uint8_t *values; /* owned */
    int64_t used;    /* of them, so far */
};

struct producing {
    const struct load_options *options;
    struct links links;
    struct lane *lanes;
    struct link_frame *frames; /* one for each partition; without keys */
    struct keyed keyed;
    struct latency latency;
    struct arena arena; /* of one answer */
    int64_t start_ns;
    int64_t look_ns;  /* when to look next whether it is over */
    int64_t due;      /* with a schedule: the next request of all */
    int64_t total;    /* requests of all */
    int64_t answered; /* of them */
    int64_t bytes;    /* of requests */
    bool is_over;     /* before all requests were sent; no more is */
};

/* ---- requests -------------------------------------------------------------------------------- */

static struct bytes build_batch(const struct load_options *options, struct batch_builder *builder)
{
    struct batch_options how = BATCH_OPTIONS_NONE;
    how.codec = options->codec;
    batch_builder_init(builder, &how);
    struct rng rng = rng_from_seed(1);
    uint8_t *value = mem_alloc((size_t)options->record_bytes);
    const int64_t now_ms = (int64_t)time(NULL) * MS_PER_SECOND;
    for (int32_t i = 0; i < options->records; i++) {
        bench_fill_value(&rng, value, (size_t)options->record_bytes);
        const struct bytes bytes = bytes_from(value, (size_t)options->record_bytes);
        if (batch_builder_add(builder, now_ms, BYTES_NULL, bytes, NULL, 0) < 0)
            load_fail("a batch of %d records is too large", options->records);
    }
    mem_free(value);
    struct bytes batch;
    if (batch_builder_finish(builder, &batch) < 0)
        load_fail("cannot build a batch");
    return batch;
}

static void put_frame(const struct load_options *options, struct bytes batch, int32_t partition,
                      struct buf *out)
{
    struct produce_request request = produce_request_default;
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_default;
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_default;
    request.acks = options->acks;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    topic.name = bytes_from_text(options->topic);
    topic.partition_data = &data;
    topic.partition_data_count = 1;
    data.index = partition;
    data.records.data = batch.data;
    data.records.size = batch.size;
    load_put_request(out, API_PRODUCE, PRODUCE_VERSION, 0, &request);
}

static void build_frames(struct producing *p)
{
    struct batch_builder builder;
    const struct bytes batch = build_batch(p->options, &builder);
    p->frames = MEM_NEW_ARRAY(struct link_frame, (size_t)p->options->partitions);
    for (int32_t i = 0; i < p->options->partitions; i++) {
        struct buf out;
        buf_init(&out, INT32_MAX);
        put_frame(p->options, batch, i, &out);
        p->frames[i].size = out.size;
        p->frames[i].bytes = buf_take(&out);
    }
    batch_builder_deinit(&builder);
}

static void init_keyed(struct producing *p)
{
    const size_t size = (size_t)p->options->record_bytes;
    p->keyed.rng = rng_from_seed(1);
    p->keyed.values = mem_alloc(VALUES_COUNT * size);
    for (size_t i = 0; i < VALUES_COUNT; i++)
        bench_fill_value(&p->keyed.rng, p->keyed.values + i * size, size);
    const struct batch_options how = BATCH_OPTIONS_NONE;
    batch_builder_init(&p->keyed.builder, &how);
}

static void put_key(uint64_t number, uint8_t out[KEY_BYTES])
{
    for (int i = KEY_BYTES - 1; i >= 0; i--, number >>= 4)
        out[i] = (uint8_t) "0123456789abcdef"[number & 15];
}

/* The lane's next request: its link sends one at a time. */
static const struct link_frame *build_keyed(struct producing *p, struct lane *lane,
                                            int32_t partition)
{
    const struct load_options *options = p->options;
    struct keyed *keyed = &p->keyed;
    struct batch_options how = BATCH_OPTIONS_NONE;
    how.codec = options->codec;
    batch_builder_reset(&keyed->builder, &how);
    const int64_t now_ms = (int64_t)time(NULL) * MS_PER_SECOND;
    const size_t size = (size_t)options->record_bytes;
    for (int32_t i = 0; i < options->records; i++) {
        uint8_t key[KEY_BYTES];
        put_key(rng_below(&keyed->rng, (uint64_t)options->keys), key);
        const uint8_t *value = keyed->values + (size_t)(keyed->used++ % VALUES_COUNT) * size;
        if (batch_builder_add(&keyed->builder, now_ms, bytes_from(key, KEY_BYTES),
                              bytes_from(value, size), NULL, 0) < 0)
            load_fail("a batch of %d records is too large", options->records);
    }
    struct bytes batch;
    if (batch_builder_finish(&keyed->builder, &batch) < 0)
        load_fail("cannot build a batch");
    buf_clear(&lane->request);
    put_frame(options, batch, partition, &lane->request);
    lane->frame = (struct link_frame){ .bytes = lane->request.data, .size = lane->request.size };
    return &lane->frame;
}

/* ---- sending --------------------------------------------------------------------------------- */

static int64_t due_ns(const struct producing *p, int64_t n)
{
    const double apart_ns = NS_PER_SECOND / (p->options->rate * p->options->connections);
    return p->start_ns + (int64_t)((double)n * apart_ns);
}

static void send_due(struct producing *p, int32_t index)
{
    struct link *link = &p->links.items[index];
    struct lane *lane = &p->lanes[index];
    const struct load_options *options = p->options;
    if (link->frame != NULL && !link_send(link, NULL, 0))
        return;
    while (lane->sent < lane->due && lane->sent - lane->answered < options->in_flight) {
        const int32_t partition = (int32_t)((index + lane->sent) % options->partitions);
        const struct link_frame *frame =
            options->keys > 0 ? build_keyed(p, lane, partition) : &p->frames[partition];
        p->bytes += (int64_t)frame->size;
        lane->begins_ns[lane->sent % options->in_flight] =
            options->rate > 0 ? due_ns(p, lane->sent * options->connections + index)
                              : load_now_ns();
        const bool is_sent = link_send(link, frame, (int32_t)lane->sent++);
        if (!is_sent)
            return;
    }
}

/* Lets requests out whose time has come. */
static void release_due(struct producing *p)
{
    const int64_t now_ns = load_now_ns();
    while (p->due < p->total && due_ns(p, p->due) <= now_ns) {
        const int32_t index = (int32_t)(p->due++ % p->options->connections);
        p->lanes[index].due++;
        send_due(p, index);
        link_watch_output(&p->links, index);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

static void check_answer(struct producing *p, struct bytes answer)
{
    arena_reset(&p->arena);
    struct reader r = reader_from(bytes_slice(answer, 5, answer.size));
    struct produce_response response;
    struct err_note note = { 0 };
    if (produce_response_decode(PRODUCE_VERSION, &r, &p->arena, &response, &note) < 0)
        load_fail("decode an answer: %s", note.text);
    if (response.responses_count != 1 || response.responses[0].partition_responses_count != 1)
        load_fail("an answer does not tell of one partition");
    const struct produce_response_partition_produce_response *told =
        &response.responses[0].partition_responses[0];
    if (told->error_code != KAFKA_NONE)
        load_fail("produce to partition %d: %s", told->index, kafka_error_name(told->error_code));
    if (told->base_offset < 0)
        load_fail("produce to partition %d: base offset %" PRId64, told->index, told->base_offset);
}

static void on_event(void *context, int32_t index, bool can_read, bool can_write)
{
    struct producing *p = context;
    struct link *link = &p->links.items[index];
    struct lane *lane = &p->lanes[index];
    if (can_read) {
        link_receive(link);
        size_t at = 0;
        for (struct bytes answer; link_next_answer(link, &at, &answer);) {
            if (be_load_i32(answer.data) != (int32_t)lane->answered)
                load_fail("an answer out of order");
            if (!p->options->is_bare)
                check_answer(p, answer);
            latency_add(&p->latency,
                        load_now_ns() - lane->begins_ns[lane->answered % p->options->in_flight]);
            lane->answered++;
            p->answered++;
        }
        link_consume(link, at);
    }
    if (can_read || can_write) {
        send_due(p, index);
        link_watch_output(&p->links, index);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void open_lanes(struct producing *p)
{
    const struct load_options *options = p->options;
    p->lanes = MEM_NEW_ARRAY(struct lane, (size_t)options->connections);
    for (int32_t i = 0; i < options->connections; i++) {
        struct lane *lane = &p->lanes[i];
        lane->share = options->requests / options->connections +
                      (i < options->requests % options->connections ? 1 : 0);
        lane->due = options->rate > 0 ? 0 : lane->share;
        lane->begins_ns = MEM_NEW_ARRAY(int64_t, (size_t)options->in_flight);
        buf_init(&lane->request, INT32_MAX);
    }
}

static bool has_input_ended(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    return poll(&input, 1, 0) > 0;
}

/* Whether it is time to end before all requests are sent; how long until that is to be asked again. */
static bool look_whether_over(struct producing *p, int64_t *out_wait_ns)
{
    const struct load_options *options = p->options;
    const int64_t now_ns = load_now_ns();
    if (now_ns >= p->look_ns) {
        p->look_ns = options->until_eof ? now_ns + LOOK_EVERY_NS : INT64_MAX;
        const int64_t end_ns = p->start_ns + (int64_t)(options->seconds * NS_PER_SECOND);
        if (options->seconds > 0) {
            if (now_ns >= end_ns)
                return true;
            p->look_ns = MIN(p->look_ns, end_ns);
        }
        if (options->until_eof && has_input_ended())
            return true;
    }
    *out_wait_ns = p->look_ns == INT64_MAX ? -1 : p->look_ns - now_ns;
    return false;
}

/* What was sent is all there is. */
static void end_early(struct producing *p)
{
    p->is_over = true;
    p->total = 0;
    for (int32_t i = 0; i < p->options->connections; i++) {
        p->lanes[i].due = p->lanes[i].sent;
        p->total += p->lanes[i].sent;
    }
}

static void run(struct producing *p)
{
    p->start_ns = load_now_ns();
    for (int32_t i = 0; i < p->options->connections; i++) {
        send_due(p, i);
        link_watch_output(&p->links, i);
    }
    while (p->answered < p->total) {
        int64_t wait_ns = -1;
        if (!p->is_over && look_whether_over(p, &wait_ns)) {
            end_early(p);
            continue;
        }
        if (!p->is_over && p->options->rate > 0) {
            release_due(p);
            if (p->due < p->total) {
                const int64_t due_in_ns = MAX(due_ns(p, p->due) - load_now_ns(), INT64_C(0));
                wait_ns = wait_ns < 0 ? due_in_ns : MIN(wait_ns, due_in_ns);
            }
        }
        links_wait(&p->links, wait_ns, on_event, p);
    }
}

static void report(struct producing *p, double seconds)
{
    printf("{\"requests\":%" PRId64 ",\"records\":%" PRId64 ",\"bytes\":%" PRId64
           ",\"seconds\":%.6f,\"connect_seconds\":%.6f,\"connects_again\":%d",
           p->total, p->total * p->options->records, p->bytes, seconds, p->links.connect_seconds,
           p->links.again_count);
    latency_print(&p->latency, "");
    printf("}\n");
}

static void check_ends(const struct producing *p, int64_t before)
{
    const int64_t added = load_end_offsets(p->options, NULL) - before;
    const int64_t acknowledged = p->total * p->options->records;
    if (added != acknowledged)
        load_fail("%" PRId64 " records were acknowledged, %" PRId64 " are in the log", acknowledged,
                  added);
}

static void producing_init(struct producing *p, const struct load_options *options)
{
    *p = (struct producing){ .options = options, .total = options->requests };
    if (options->keys > 0)
        init_keyed(p);
    else
        build_frames(p);
    open_lanes(p);
    latency_init(&p->latency, (size_t)options->requests);
    arena_init(&p->arena, SIZE_MAX);
}

static void producing_deinit(struct producing *p)
{
    for (int32_t i = 0; i < p->options->connections; i++) {
        mem_free(p->lanes[i].begins_ns);
        buf_deinit(&p->lanes[i].request);
    }
    for (int32_t i = 0; p->frames != NULL && i < p->options->partitions; i++)
        mem_free(p->frames[i].bytes);
    if (p->options->keys > 0)
        batch_builder_deinit(&p->keyed.builder);
    mem_free(p->keyed.values);
    mem_free(p->lanes);
    mem_free(p->frames);
    latency_deinit(&p->latency);
    arena_deinit(&p->arena);
}

void load_produce(const struct load_options *options)
{
    struct producing p;
    producing_init(&p, options);
    const int64_t before = options->is_bare ? 0 : load_end_offsets(options, NULL);
    links_open(&p.links, options, ANSWER_BYTES_MAX);
    run(&p);
    const double seconds = (double)(load_now_ns() - p.start_ns) / NS_PER_SECOND;
    links_close(&p.links);
    if (!options->is_bare)
        check_ends(&p, before);
    report(&p, seconds);
    producing_deinit(&p);
}
