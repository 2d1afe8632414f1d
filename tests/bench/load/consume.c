/* A load of Fetch requests: every connection reads its share of the partitions to the end, one request at a time, as a
 * plain consumer does (no sessions). CRCs of all batches are checked, and records counted.
 */
#include "load.h"

#include "asker.h"
#include "base/mem.h"
#include "peer.h"
#include "wire/api.h"
#include "wire/batch.h"
#include "wire/crc32c.h"
#include "wire/kafka_error.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"

#include <stdio.h>

#define FETCH_VERSION   11
#define MAX_WAIT_MS     500
#define FETCH_BYTES_MAX (50 << 20) /* as Kafka's consumer asks */
#define ANSWER_SPARE    (1u << 20)

struct consuming {
    const struct load_options *options;
    struct askers askers;
    int64_t *offsets; /* of each partition: the next one to read */
    int64_t *ends;
    int64_t *want_to_come; /* bare: bytes that this connection still waits for */
    int32_t busy_count;    /* connections that have something left */
    int64_t records;
    int64_t bytes;
    uint32_t crcs; /* bare: so that they are not computed for nothing */
    struct arena arena;
};

/* ---- asking ---------------------------------------------------------------------------------- */

static void ask_next(struct consuming *c, int32_t index)
{
    const struct load_options *options = c->options;
    struct fetch_request request = fetch_request_default;
    struct fetch_request_topic topic = fetch_request_topic_default;
    arena_reset(&c->arena);
    topic.topic = bytes_from_text(options->topic);
    topic.partitions = fetch_request_partition_array(&c->arena, (size_t)options->partitions);
    for (int32_t i = index; i < options->partitions; i += options->connections) {
        if (c->offsets[i] >= c->ends[i])
            continue;
        struct fetch_request_partition *p = &topic.partitions[topic.partitions_count++];
        p->partition = i;
        p->fetch_offset = c->offsets[i];
        p->partition_max_bytes = options->fetch_bytes;
    }
    if (topic.partitions_count == 0 || (options->is_bare && c->want_to_come[index] <= 0)) {
        c->busy_count--;
        return;
    }
    request.max_wait_ms = MAX_WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES_MAX;
    request.topics = &topic;
    request.topics_count = 1;
    askers_ask(&c->askers, index, API_FETCH, FETCH_VERSION, &request);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void read_batches(struct consuming *c, const struct fetch_response_partition_data *data)
{
    struct bytes rest = bytes_from(data->records.data, data->records.size);
    struct batch_view batch;
    int size;
    while ((size = batch_parse(rest, &batch)) > 0) {
        if (batch_check_crc(&batch) < 0 ||
            batch_last_offset(&batch) < c->offsets[data->partition_index])
            load_fail("partition %d: a bad batch at offset %" PRId64, data->partition_index,
                      batch.base_offset);
        c->offsets[data->partition_index] = batch_last_offset(&batch) + 1;
        c->records += batch.record_count;
        c->bytes += size;
        rest = bytes_slice(rest, (size_t)size, rest.size);
    }
    if (size != -ERR_OVERRUN) /* the last one may be cut */
        load_fail("partition %d: no batch", data->partition_index);
}

static void read_answer(struct consuming *c, struct bytes answer)
{
    arena_reset(&c->arena);
    struct reader r = reader_from(bytes_slice(answer, 4, answer.size));
    struct fetch_response response;
    struct err_note note = { 0 };
    if (fetch_response_decode(FETCH_VERSION, &r, &c->arena, &response, &note) < 0)
        load_fail("decode an answer: %s", note.text);
    if (response.error_code != KAFKA_NONE)
        load_fail("fetch: %s", kafka_error_name(response.error_code));
    for (int32_t t = 0; t < response.responses_count; t++) {
        const struct fetch_response_fetchable_topic_response *topic = &response.responses[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct fetch_response_partition_data *data = &topic->partitions[i];
            if (data->error_code != KAFKA_NONE || data->partition_index < 0 ||
                data->partition_index >= c->options->partitions)
                load_fail("fetch of partition %d: %s", data->partition_index,
                          kafka_error_name(data->error_code));
            read_batches(c, data);
        }
    }
}

static void on_answer(void *context, int32_t index, struct bytes answer)
{
    struct consuming *c = context;
    if (c->options->is_bare) {
        c->bytes += (int64_t)answer.size;
        c->want_to_come[index] -= (int64_t)answer.size;
        c->crcs ^=
            crc32c(0, answer.data, answer.size); /* as much to do as with a broker's batches */
    } else {
        read_answer(c, answer);
    }
    ask_next(c, index);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static size_t answer_bytes_max(const struct load_options *options)
{
    const int64_t partitions =
        (options->partitions + options->connections - 1) / options->connections;
    return (size_t)(partitions * options->fetch_bytes) + ANSWER_SPARE;
}

static void open_partitions(struct consuming *c)
{
    const struct load_options *options = c->options;
    c->offsets = MEM_NEW_ARRAY(int64_t, (size_t)options->partitions);
    c->ends = MEM_NEW_ARRAY(int64_t, (size_t)options->partitions);
    c->want_to_come = MEM_NEW_ARRAY(int64_t, (size_t)options->connections);
    c->busy_count = options->connections;
    for (int32_t i = 0; i < options->connections; i++)
        c->want_to_come[i] = options->bytes / options->connections;
    if (!options->is_bare)
        (void)load_end_offsets(options, c->ends);
    for (int32_t i = 0; options->is_bare && i < options->partitions; i++)
        c->ends[i] = INT64_MAX;
    arena_init(&c->arena, SIZE_MAX);
}

static void close_partitions(struct consuming *c)
{
    mem_free(c->offsets);
    mem_free(c->ends);
    mem_free(c->want_to_come);
    arena_deinit(&c->arena);
}

void load_consume(const struct load_options *options)
{
    struct consuming c = { .options = options };
    open_partitions(&c);
    int64_t expected = 0;
    for (int32_t i = 0; !options->is_bare && i < options->partitions; i++)
        expected += c.ends[i];
    askers_open(&c.askers, options, answer_bytes_max(options));
    const int64_t start_ns = load_now_ns();
    for (int32_t i = 0; i < options->connections; i++)
        ask_next(&c, i);
    while (c.busy_count > 0)
        askers_wait(&c.askers, -1, on_answer, &c);
    const double seconds = (double)(load_now_ns() - start_ns) / NS_PER_SECOND;
    askers_close(&c.askers);
    close_partitions(&c);
    if (!options->is_bare && c.records != expected)
        load_fail("%" PRId64 " records were read, %" PRId64 " are in the log", c.records, expected);
    printf("{\"records\":%" PRId64 ",\"bytes\":%" PRId64 ",\"seconds\":%.6f}\n", c.records, c.bytes,
           seconds);
}
