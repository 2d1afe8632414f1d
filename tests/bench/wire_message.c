/* What the interpreter of messages costs: nanoseconds and bytes per message, encode and decode.
 *
 *   wire_message [milliseconds per line]
 */
#include "base/rng.h"
#include "wire/messages/api_versions_response.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"
#include "wire/messages/request_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TOPIC BYTES_LITERAL("a-topic-of-usual-length")

struct bench {
    struct arena data;  /* the instance */
    struct arena arena; /* of one decoding */
    struct buf buf;
    double line_ms;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

static void check(int result, const struct err_note *note)
{
    if (result >= 0)
        return;
    fprintf(stderr, "%s\n", note->text);
    exit(1);
}

static void encode_once(struct bench *b, const struct wire_message *m, int16_t version,
                        const void *in)
{
    struct err_note note;
    buf_clear(&b->buf);
    struct writer w = writer_to(&b->buf);
    check(wire_encode(m, version, in, &w, &note), &note);
}

static void decode_once(struct bench *b, const struct wire_message *m, int16_t version, void *out)
{
    struct err_note note;
    struct reader r = reader_from(buf_view(&b->buf));
    check(wire_decode(m, version, &r, &b->arena, out, &note), &note);
    arena_reset(&b->arena);
}

static void measure(struct bench *b, const char *what, const struct wire_message *m,
                    int16_t version, const void *in)
{
    double ns[2];
    void *out = arena_must_zalloc(&b->data, 1, m->struct_bytes);
    for (int is_decode = 0; is_decode < 2; is_decode++) {
        const int64_t start = now_ns();
        int64_t spent = 0;
        uint64_t rounds = 0;
        while (spent < (int64_t)(b->line_ms * 1e6)) {
            for (int i = 0; i < 16; i++, rounds++) {
                if (is_decode)
                    decode_once(b, m, version, out);
                else
                    encode_once(b, m, version, in);
            }
            spent = now_ns() - start;
        }
        ns[is_decode] = (double)spent / (double)rounds;
    }
    printf("%-34s v%-3d %8zu %10.0f %10.0f\n", what, version, b->buf.size, ns[0], ns[1]);
}

static void produce(struct bench *b, int32_t partitions)
{
    struct produce_request request = produce_request_default;
    request.topic_data = produce_request_topic_produce_data_array(&b->data, 1);
    request.topic_data_count = 1;
    request.topic_data->name = TOPIC;
    request.topic_data->partition_data =
        produce_request_partition_produce_data_array(&b->data, (size_t)partitions);
    request.topic_data->partition_data_count = partitions;
    struct produce_response response = produce_response_default;
    response.responses = produce_response_topic_produce_response_array(&b->data, 1);
    response.responses_count = 1;
    response.responses->name = TOPIC;
    response.responses->partition_responses =
        produce_response_partition_produce_response_array(&b->data, (size_t)partitions);
    response.responses->partition_responses_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        request.topic_data->partition_data[i].index = i;
        request.topic_data->partition_data[i].records =
            (struct wire_records){ .data = arena_must_zalloc(&b->data, 1, 170), .size = 170 };
        response.responses->partition_responses[i].index = i;
    }
    char what[64];
    (void)snprintf(what, sizeof(what), "ProduceRequest, partitions: %d", partitions);
    measure(b, what, &produce_request_message, 9, &request);
    (void)snprintf(what, sizeof(what), "ProduceResponse, partitions: %d", partitions);
    measure(b, what, &produce_response_message, 9, &response);
}

static void fetch(struct bench *b, int32_t partitions)
{
    struct fetch_request request = fetch_request_default;
    request.topics = fetch_request_topic_array(&b->data, 1);
    request.topics_count = 1;
    request.topics->partitions = fetch_request_partition_array(&b->data, (size_t)partitions);
    request.topics->partitions_count = partitions;
    struct fetch_response response = fetch_response_default;
    response.responses = fetch_response_fetchable_topic_response_array(&b->data, 1);
    response.responses_count = 1;
    response.responses->partitions =
        fetch_response_partition_data_array(&b->data, (size_t)partitions);
    response.responses->partitions_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        request.topics->partitions[i].partition = i;
        response.responses->partitions[i].partition_index = i;
        response.responses->partitions[i].records =
            (struct wire_records){ .data = (const uint8_t *)"" };
    }
    char what[64];
    (void)snprintf(what, sizeof(what), "FetchRequest, partitions: %d", partitions);
    measure(b, what, &fetch_request_message, 17, &request);
    (void)snprintf(what, sizeof(what), "FetchResponse, partitions: %d", partitions);
    measure(b, what, &fetch_response_message, 17, &response);
}

static void metadata(struct bench *b, int32_t partitions)
{
    static int32_t replicas[3] = { 1, 2, 3 };
    struct metadata_response response = metadata_response_default;
    response.topics = metadata_response_topic_array(&b->data, 1);
    response.topics_count = 1;
    response.topics->name = TOPIC;
    response.topics->partitions = metadata_response_partition_array(&b->data, (size_t)partitions);
    response.topics->partitions_count = partitions;
    for (int32_t i = 0; i < partitions; i++) {
        struct metadata_response_partition *p = &response.topics->partitions[i];
        p->partition_index = i;
        p->replica_nodes = p->isr_nodes = replicas;
        p->replica_nodes_count = p->isr_nodes_count = 3;
    }
    measure(b, "MetadataResponse, partitions: 1000", &metadata_response_message, 12, &response);
}

static void small(struct bench *b)
{
    struct request_header header = request_header_default;
    header.client_id = BYTES_LITERAL("console-producer");
    measure(b, "RequestHeader", &request_header_message, 2, &header);
    struct api_versions_response response = api_versions_response_default;
    response.api_keys = api_versions_response_api_version_array(&b->data, 60);
    response.api_keys_count = 60;
    measure(b, "ApiVersionsResponse, keys: 60", &api_versions_response_message, 4, &response);
}

int main(int argc, char **argv)
{
    struct bench b = { .line_ms = argc > 1 ? strtod(argv[1], NULL) : 300 };
    arena_init(&b.data, (size_t)64 << 20);
    arena_init(&b.arena, (size_t)64 << 20);
    buf_init(&b.buf, (size_t)16 << 20);
    printf("%-34s %-4s %8s %10s %10s\n", "message", "", "bytes", "encode ns", "decode ns");
    small(&b);
    produce(&b, 1);
    produce(&b, 100);
    fetch(&b, 1);
    fetch(&b, 100);
    metadata(&b, 1000);
    buf_deinit(&b.buf);
    arena_deinit(&b.arena);
    arena_deinit(&b.data);
    return 0;
}
