/* A load of Produce requests: as fast as answers come, or by a schedule that nothing can delay.
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

#include <stdio.h>
#include <time.h>

#define PRODUCE_VERSION  12 /* the last one that names topics by name */
#define TIMEOUT_MS       30000
#define ANSWER_BYTES_MAX (16u << 10)

/* What one connection has to do. */
struct lane {
    int64_t share;      /* requests in all */
    int64_t due;        /* how many of them may be sent by now */
    int64_t sent;       /* the number of the next one */
    int64_t answered;   /* answers come in order */
    int64_t *begins_ns; /* of those in flight, by number % in_flight */
};

struct producing {
    const struct load_options *options;
    struct links links;
    struct lane *lanes;
    struct link_frame *frames; /* one for each partition */
    struct latency latency;
    struct arena arena; /* of one answer */
    int64_t start_ns;
    int64_t due;      /* with a schedule: the next request of all */
    int64_t answered; /* of all */
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

static struct link_frame build_frame(const struct load_options *options, struct bytes batch,
                                     int32_t partition)
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
    struct buf out;
    buf_init(&out, INT32_MAX);
    load_put_request(&out, API_PRODUCE, PRODUCE_VERSION, 0, &request);
    struct link_frame frame = { .size = out.size };
    frame.bytes = buf_take(&out);
    return frame;
}

static void build_frames(struct producing *p)
{
    struct batch_builder builder;
    const struct bytes batch = build_batch(p->options, &builder);
    p->frames = MEM_NEW_ARRAY(struct link_frame, (size_t)p->options->partitions);
    for (int32_t i = 0; i < p->options->partitions; i++)
        p->frames[i] = build_frame(p->options, batch, i);
    batch_builder_deinit(&builder);
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
        const struct link_frame *frame = &p->frames[(index + lane->sent) % options->partitions];
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
    while (p->due < p->options->requests && due_ns(p, p->due) <= now_ns) {
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
    }
}

static void run(struct producing *p)
{
    p->start_ns = load_now_ns();
    for (int32_t i = 0; i < p->options->connections; i++) {
        send_due(p, i);
        link_watch_output(&p->links, i);
    }
    while (p->answered < p->options->requests) {
        int64_t wait_ns = -1;
        if (p->options->rate > 0) {
            release_due(p);
            if (p->due < p->options->requests)
                wait_ns = MAX(due_ns(p, p->due) - load_now_ns(), INT64_C(0));
        }
        links_wait(&p->links, wait_ns, on_event, p);
    }
}

static void report(struct producing *p, double seconds)
{
    const struct load_options *options = p->options;
    printf("{\"requests\":%" PRId64 ",\"records\":%" PRId64 ",\"bytes\":%" PRId64
           ",\"seconds\":%.6f,\"connect_seconds\":%.6f,\"connects_again\":%d",
           options->requests, options->requests * options->records,
           options->requests * (int64_t)p->frames[0].size, seconds, p->links.connect_seconds,
           p->links.again_count);
    latency_print(&p->latency);
    printf("}\n");
}

void load_produce(const struct load_options *options)
{
    struct producing p = { .options = options };
    build_frames(&p);
    open_lanes(&p);
    latency_init(&p.latency, (size_t)options->requests);
    arena_init(&p.arena, SIZE_MAX);
    const int64_t before = options->is_bare ? 0 : load_end_offsets(options, NULL);
    links_open(&p.links, options, ANSWER_BYTES_MAX);
    run(&p);
    const double seconds = (double)(load_now_ns() - p.start_ns) / NS_PER_SECOND;
    links_close(&p.links);
    if (!options->is_bare) {
        const int64_t added = load_end_offsets(options, NULL) - before;
        if (added != options->requests * options->records)
            load_fail("%" PRId64 " records were acknowledged, %" PRId64 " are in the log",
                      options->requests * options->records, added);
    }
    report(&p, seconds);

    for (int32_t i = 0; i < options->connections; i++)
        mem_free(p.lanes[i].begins_ns);
    for (int32_t i = 0; i < options->partitions; i++)
        mem_free(p.frames[i].bytes);
    mem_free(p.lanes);
    mem_free(p.frames);
    latency_deinit(&p.latency);
    arena_deinit(&p.arena);
}
