/* Messages: round trips, truncation, versions, limits and words of failures. */
#include "wire/message.h"

#include "base/mem.h"
#include "base/test.h"
#include "wire/api.h"
#include "wire/message_random.h"
#include "wire/messages/api_versions_response.h"
#include "wire/messages/client_quota_record.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/consumer_group_member_metadata_value.h"
#include "wire/messages/envelope_request.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/request_header.h"

#include <string.h>

/* What a round trip needs. */
struct bench {
    struct arena arena;
    struct buf buf;
    struct buf second;
    struct err_note note;
};

static void bench_init(struct bench *b)
{
    arena_init(&b->arena, (size_t)64 << 20);
    buf_init(&b->buf, (size_t)16 << 20);
    buf_init(&b->second, (size_t)16 << 20);
    b->note.text[0] = '\0';
}

static void bench_clear(struct bench *b)
{
    arena_reset(&b->arena);
    buf_clear(&b->buf);
    buf_clear(&b->second);
}

static void bench_deinit(struct bench *b)
{
    arena_deinit(&b->arena);
    buf_deinit(&b->buf);
    buf_deinit(&b->second);
}

static int encode(struct bench *b, const struct wire_message *m, int16_t version, const void *in)
{
    buf_clear(&b->buf);
    struct writer w = writer_to(&b->buf);
    return wire_encode(m, version, in, &w, &b->note);
}

static int decode(struct bench *b, const struct wire_message *m, int16_t version,
                  struct bytes input, void *out)
{
    struct reader r = reader_from(input);
    return wire_decode(m, version, &r, &b->arena, out, &b->note);
}

/* `for` every message and version. */
struct walk {
    uint32_t index;
    const struct wire_message *message;
    int16_t version;
};

static bool walk_next(struct walk *walk)
{
    uint32_t count;
    const struct wire_message *const *all = wire_messages(&count);
    if (walk->message != NULL && walk->version < walk->message->version_max) {
        walk->version++;
        return true;
    }
    if (walk->index == count)
        return false;
    walk->message = all[walk->index++];
    walk->version = walk->message->version_min;
    return true;
}

static void *random_instance(struct bench *b, const struct walk *at, enum wire_random_style style,
                             struct rng *rng)
{
    void *instance = arena_must_zalloc(&b->arena, 1, at->message->struct_bytes);
    wire_random(at->message, at->version, style, rng, &b->arena, instance);
    return instance;
}

/* What is decoded encodes to the same bytes, size tells their number, and JSON can be printed. */
TEST(message, comes_back_from_its_bytes_in_every_version)
{
    struct bench b;
    bench_init(&b);
    struct rng rng = rng_from_seed(context->seed);
    uint32_t seen = 0;
    for (struct walk at = { 0 }; walk_next(&at); seen++) {
        for (uint32_t n = 0; n < 6; n++, bench_clear(&b)) {
            const enum wire_random_style style =
                n < 2 ? (enum wire_random_style)n : WIRE_RANDOM_MIXED;
            const void *in = random_instance(&b, &at, style, &rng);
            EXPECT_OK(encode(&b, at.message, at.version, in));
            EXPECT_EQ(wire_size(at.message, at.version, in, &b.note), b.buf.size);
            void *back = arena_must_zalloc(&b.arena, 1, at.message->struct_bytes);
            struct reader r = reader_from(buf_view(&b.buf));
            EXPECT_OK(wire_decode(at.message, at.version, &r, &b.arena, back, &b.note));
            EXPECT_EQ(reader_left(&r), 0);
            struct writer w = writer_to(&b.second);
            EXPECT_OK(wire_encode(at.message, at.version, back, &w, &b.note));
            EXPECT_BYTES(buf_view(&b.second), buf_view(&b.buf));
            buf_clear(&b.second);
            wire_print(at.message, at.version, back, &b.second);
            EXPECT(buf_is_ok(&b.second) && b.second.data[0] == '{');
        }
    }
    EXPECT(seen > 700);
    bench_deinit(&b);
}

TEST(message, fails_cleanly_at_every_cut)
{
    struct bench b;
    bench_init(&b);
    struct rng rng = rng_from_seed(context->seed);
    for (struct walk at = { 0 }; walk_next(&at); bench_clear(&b)) {
        EXPECT_OK(
            encode(&b, at.message, at.version, random_instance(&b, &at, WIRE_RANDOM_FULL, &rng)));
        uint8_t *back = arena_must_zalloc(&b.arena, 1, at.message->struct_bytes);
        for (size_t cut = 0; cut < b.buf.size; cut++) {
            /* In memory of its own, so that a sanitizer sees one byte too many. */
            AUTO(mem_freep) uint8_t *input = mem_dup(b.buf.data, cut);
            const int r = decode(&b, at.message, at.version, bytes_from(input, cut), back);
            EXPECT(r == -ERR_OVERRUN || r == -ERR_LIMIT);
        }
    }
    bench_deinit(&b);
}

/* Whatever the bytes are: an answer, and memory in proportion to them. The factor is the largest C struct
 * over the fewest bytes that stand for it. */
TEST(message, stays_within_bounds_when_bytes_are_changed)
{
    struct bench b;
    bench_init(&b);
    struct rng rng = rng_from_seed(context->seed);
    for (struct walk at = { 0 }; walk_next(&at); bench_clear(&b)) {
        EXPECT_OK(
            encode(&b, at.message, at.version, random_instance(&b, &at, WIRE_RANDOM_FULL, &rng)));
        for (uint32_t n = 0; n < 40 && b.buf.size > 0; n++) {
            const size_t at_byte = rng_below(&rng, b.buf.size);
            const uint8_t old = b.buf.data[at_byte];
            b.buf.data[at_byte] = (uint8_t)rng_u64(&rng);
            struct arena small;
            arena_init(&small, 256 * b.buf.size + 1024);
            void *back = arena_must_zalloc(&b.arena, 1, at.message->struct_bytes);
            struct reader r = reader_from(buf_view(&b.buf));
            const int result = wire_decode(at.message, at.version, &r, &small, back, &b.note);
            EXPECT(result <= 0);
            if (result == 0)
                EXPECT(wire_size(at.message, at.version, back, &b.note) >= 0);
            arena_deinit(&small);
            b.buf.data[at_byte] = old;
        }
    }
    bench_deinit(&b);
}

TEST(message, prints_as_kafka_does)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    request.max_wait_ms = 500;
    request.rack_id = BYTES_LITERAL("rack \"1\"");
    request.topics = fetch_request_topic_array(&b.arena, 1);
    request.topics_count = 1;
    request.topics[0].topic = BYTES_LITERAL("words");
    request.topics[0].partitions = fetch_request_partition_array(&b.arena, 1);
    request.topics[0].partitions_count = 1;
    request.topics[0].partitions[0].fetch_offset = INT64_C(1) << 40;
    fetch_request_print(12, &request, &b.buf);
    buf_put_u8(&b.buf, 0);
    EXPECT_TEXT(
        (const char *)b.buf.data,
        "{\"replicaId\":-1,\"maxWaitMs\":500,\"minBytes\":0,\"maxBytes\":2147483647,"
        "\"isolationLevel\":0,\"sessionId\":0,\"sessionEpoch\":-1,\"topics\":[{\"topic\":"
        "\"words\",\"partitions\":[{\"partition\":0,\"currentLeaderEpoch\":-1,\"fetchOffset\":"
        "1099511627776,\"lastFetchedEpoch\":-1,\"logStartOffset\":-1,\"partitionMaxBytes\":0}]}],"
        "\"forgottenTopicsData\":[],\"rackId\":\"rack \\\"1\\\"\"}");
    bench_deinit(&b);
}

static void expect_double(struct bench *b, double value, const char *wanted)
{
    struct client_quota_record record = client_quota_record_default;
    record.key = BYTES_LITERAL("k");
    record.value = value;
    buf_clear(&b->buf);
    client_quota_record_print(0, &record, &b->buf);
    buf_put_u8(&b->buf, 0);
    AUTO(mem_freep)
    char *text = mem_printf("{\"entity\":[],\"key\":\"k\",\"value\":%s,\"remove\":false}", wanted);
    EXPECT_TEXT((const char *)b->buf.data, text);
}

TEST(message, prints_real_numbers_as_java_does)
{
    struct bench b;
    bench_init(&b);
    expect_double(&b, 0, "0.0");
    expect_double(&b, -0.0, "-0.0");
    expect_double(&b, 1, "1.0");
    expect_double(&b, -2.5, "-2.5");
    expect_double(&b, 0.001, "0.001");
    expect_double(&b, 0.00123, "0.00123");
    expect_double(&b, 0.0001, "1.0E-4");
    expect_double(&b, 9999999, "9999999.0");
    expect_double(&b, 1e7, "1.0E7");
    expect_double(&b, 123456789, "1.23456789E8");
    expect_double(&b, 0.1, "0.1");
    expect_double(&b, 1048576, "1048576.0");
    expect_double(&b, 1e300, "1.0E300");
    expect_double(&b, __builtin_nan(""), "\"NaN\"");
    expect_double(&b, -__builtin_inf(), "\"-Infinity\"");
    bench_deinit(&b);
}

TEST(message, prints_binary_as_base64_and_records_as_their_size)
{
    struct bench b;
    bench_init(&b);
    static const char *const wanted[] = { "", "AA==", "AAE=", "AAEC", "AAEC/w==" };
    for (size_t size = 0; size < ARRAY_LEN(wanted); size++) {
        struct envelope_request request = envelope_request_default;
        request.request_data = bytes_from("\x00\x01\x02\xff", size);
        request.client_host_address = bytes_from("\x7f\x00\x00\x01", 4);
        buf_clear(&b.buf);
        envelope_request_print(0, &request, &b.buf);
        buf_put_u8(&b.buf, 0);
        AUTO(mem_freep)
        char *text = mem_printf("{\"requestData\":\"%s\",\"requestPrincipal\":\"\","
                                "\"clientHostAddress\":\"fwAAAQ==\"}",
                                wanted[size]);
        EXPECT_TEXT((const char *)b.buf.data, text);
    }
    struct fetch_response_partition_data data = fetch_response_partition_data_default;
    data.records = (struct wire_records){ .data = (const uint8_t *)"abc", .size = 3 };
    struct fetch_response_fetchable_topic_response topic =
        fetch_response_fetchable_topic_response_default;
    topic.partitions = &data;
    topic.partitions_count = 1;
    struct fetch_response response = fetch_response_default;
    response.responses = &topic;
    response.responses_count = 1;
    buf_clear(&b.buf);
    fetch_response_print(4, &response, &b.buf);
    buf_put_u8(&b.buf, 0);
    EXPECT_TEXT(
        (const char *)b.buf.data,
        "{\"throttleTimeMs\":0,\"responses\":[{\"topic\":\"\",\"partitions\":[{\"partitionIndex\":"
        "0,"
        "\"errorCode\":0,\"highWatermark\":0,\"lastStableOffset\":-1,\"abortedTransactions\":[],"
        "\"recordsSizeInBytes\":3}]}]}");
    bench_deinit(&b);
}

/* A fetch response leaves as encoded bytes with regions of files between them (design: fetch). */
TEST(message, counts_records_that_stay_in_a_file)
{
    struct bench b;
    bench_init(&b);
    int file = 0;
    struct fetch_response_partition_data data[2] = { fetch_response_partition_data_default,
                                                     fetch_response_partition_data_default };
    data[0].records = (struct wire_records){ .region = &file, .size = 1000 };
    data[1].records = (struct wire_records){ .data = (const uint8_t *)"", .size = 0 };
    struct fetch_response_fetchable_topic_response topic =
        fetch_response_fetchable_topic_response_default;
    topic.partitions = data;
    topic.partitions_count = 2;
    struct fetch_response response = fetch_response_default;
    response.responses = &topic;
    response.responses_count = 1;
    for (int16_t version = 4; version <= 18; version++) {
        struct writer_gap gaps[2];
        buf_clear(&b.buf);
        struct writer w = writer_with_gaps(&b.buf, gaps, 2);
        EXPECT_OK(fetch_response_encode(version, &response, &w, &b.note));
        EXPECT_EQ(w.gap_count, 1);
        EXPECT_EQ(gaps[0].size_bytes, 1000);
        EXPECT(gaps[0].region == &file);
        EXPECT_EQ(fetch_response_size(version, &response, &b.note), b.buf.size + 1000);
        /* With the region's bytes put in, it is a whole response. */
        uint8_t *whole = arena_must_zalloc(&b.arena, 1, b.buf.size + 1000);
        memcpy(whole, b.buf.data, gaps[0].position);
        memcpy(whole + gaps[0].position + 1000, b.buf.data + gaps[0].position,
               b.buf.size - gaps[0].position);
        struct fetch_response back;
        EXPECT_OK(decode(&b, &fetch_response_message, version, bytes_from(whole, b.buf.size + 1000),
                         &back));
        EXPECT_EQ(back.responses[0].partitions[0].records.size, 1000);
        EXPECT(back.responses[0].partitions[1].records.data != NULL);
    }
    bench_deinit(&b);
}

TEST(message, refuses_a_field_that_the_version_lacks)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request_partition partition = fetch_request_partition_default;
    struct fetch_request_topic topic = fetch_request_topic_default;
    struct fetch_request request = fetch_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    partition.current_leader_epoch = 5; /* from version 9 on, and ignorable */
    EXPECT_OK(encode(&b, &fetch_request_message, 8, &request));
    partition.last_fetched_epoch = 3; /* from version 12 on, and not */
    EXPECT_ERR(encode(&b, &fetch_request_message, 11, &request), ERR_VERSION);
    EXPECT_TEXT(b.note.text,
                "FetchRequest: topics: [0]: partitions: [0]: lastFetchedEpoch is set, but "
                "version 11 has no such field");
    EXPECT_ERR(fetch_request_size(11, &request, NULL), ERR_VERSION);
    EXPECT_OK(encode(&b, &fetch_request_message, 12, &request));
    bench_deinit(&b);
}

TEST(message, refuses_versions_that_it_does_not_know)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    EXPECT_ERR(fetch_request_size(3, &request, &b.note), ERR_VERSION);
    EXPECT_TEXT(b.note.text, "FetchRequest version 3: versions 4 to 18 are known");
    EXPECT_ERR(encode(&b, &fetch_request_message, 19, &request), ERR_VERSION);
    EXPECT_ERR(decode(&b, &fetch_request_message, -1, BYTES_LITERAL("abc"), &request), ERR_VERSION);
    bench_deinit(&b);
}

TEST(message, refuses_null_where_it_is_not_allowed)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    request.rack_id = BYTES_NULL;
    EXPECT_ERR(encode(&b, &fetch_request_message, 11, &request), ERR_MALFORMED);
    EXPECT_TEXT(b.note.text, "FetchRequest: rackId: null is not allowed in version 11");
    request = fetch_request_default;
    request.topics_count = -1;
    EXPECT_ERR(encode(&b, &fetch_request_message, 4, &request), ERR_MALFORMED);
    /* The same from outside: the array of topics of version 4 begins at byte 17. */
    request.topics_count = 0;
    EXPECT_OK(encode(&b, &fetch_request_message, 4, &request));
    memset(b.buf.data + 17, 0xff, 4);
    EXPECT_ERR(decode(&b, &fetch_request_message, 4, buf_view(&b.buf), &request), ERR_MALFORMED);
    EXPECT_TEXT(b.note.text, "FetchRequest: topics: null is not allowed in version 4, byte 21");
    bench_deinit(&b);
}

TEST(message, refuses_text_that_is_too_long)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    request.rack_id = bytes_from(arena_must_zalloc(&b.arena, 1, 40000), 32767);
    EXPECT_OK(encode(&b, &fetch_request_message, 11, &request));
    EXPECT_OK(encode(&b, &fetch_request_message, 12, &request));
    request.rack_id.size++;
    EXPECT_ERR(encode(&b, &fetch_request_message, 11, &request), ERR_MALFORMED);
    EXPECT_ERR(encode(&b, &fetch_request_message, 12, &request), ERR_MALFORMED);
    EXPECT_TEXT(b.note.text, "FetchRequest: rackId: 32768 bytes of text, at most 32767 fit");
    bench_deinit(&b);
}

/* Counts are held against what is left before memory is taken for them. */
TEST(message, refuses_counts_that_cannot_be)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    EXPECT_OK(encode(&b, &fetch_request_message, 4, &request));
    static const uint8_t counts[][4] = { { 0x7f, 0xff, 0xff, 0xff }, { 0, 0, 0, 1 } };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        memcpy(b.buf.data + 17, counts[i], 4);
        EXPECT_ERR(decode(&b, &fetch_request_message, 4, buf_view(&b.buf), &request), ERR_LIMIT);
        EXPECT_EQ(b.arena.used_bytes, 0);
    }
    EXPECT_TEXT(b.note.text, "FetchRequest: topics: 1 elements announced, 0 bytes left, byte 21");
    bench_deinit(&b);
}

TEST(message, refuses_more_memory_than_the_arena_may_give)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    request.topics = fetch_request_topic_array(&b.arena, 1000);
    request.topics_count = 1000;
    EXPECT_OK(encode(&b, &fetch_request_message, 4, &request));
    struct arena small;
    arena_init(&small, 4096);
    struct reader r = reader_from(buf_view(&b.buf));
    EXPECT_ERR(fetch_request_decode(4, &r, &small, &request, &b.note), ERR_LIMIT);
    EXPECT(
        bytes_starts_with(bytes_from_text(b.note.text), BYTES_LITERAL("FetchRequest: topics: ")));
    arena_deinit(&small);
    bench_deinit(&b);
}

TEST(message, fails_when_the_buffer_is_full)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    struct buf tiny;
    buf_init(&tiny, 10);
    struct writer w = writer_to(&tiny);
    EXPECT_ERR(fetch_request_encode(4, &request, &w, &b.note), ERR_LIMIT);
    buf_deinit(&tiny);
    bench_deinit(&b);
}

TEST(message, keeps_tags_that_it_does_not_know)
{
    struct bench b;
    bench_init(&b);
    struct wire_tag tags[] = { { .tag = 7, .value = BYTES_LITERAL("seven") },
                               { .tag = 4000000000u, .value = BYTES_LITERAL("") } };
    struct request_header header = request_header_default;
    header.client_id = BYTES_LITERAL("me");
    header.unknown_tags = (struct wire_tags){ .items = tags, .count = 2 };
    EXPECT_OK(encode(&b, &request_header_message, 2, &header));
    struct request_header back;
    EXPECT_OK(decode(&b, &request_header_message, 2, buf_view(&b.buf), &back));
    EXPECT_EQ(back.unknown_tags.count, 2);
    EXPECT_EQ(back.unknown_tags.items[0].tag, 7);
    EXPECT_BYTES(back.unknown_tags.items[0].value, BYTES_LITERAL("seven"));
    EXPECT_EQ(back.unknown_tags.items[1].tag, 4000000000u);

    tags[1].tag = 7;
    EXPECT_ERR(encode(&b, &request_header_message, 2, &header), ERR_MALFORMED);
    /* A tag that the schema knows cannot be an unknown one. */
    struct fetch_request request = fetch_request_default;
    tags[0].tag = 1;
    request.unknown_tags = header.unknown_tags;
    EXPECT_ERR(encode(&b, &fetch_request_message, 12, &request), ERR_MALFORMED);
    bench_deinit(&b);
}

TEST(message, refuses_tags_that_break_the_rules)
{
    /* ResponseHeader version 1: four bytes of correlation id, then tags. */
    static const struct {
        uint8_t bytes[8];
        size_t size;
        int error;
    } cases[] = {
        { { 2, 5, 0, 5, 0 }, 5, ERR_MALFORMED }, /* twice */
        { { 2, 5, 0, 4, 0 }, 5, ERR_MALFORMED }, /* out of order */
        { { 1, 5, 9, 1 }, 4, ERR_OVERRUN },      /* longer than what is left */
        { { 9, 5, 0, 6, 0 }, 5, ERR_LIMIT },     /* more than could be there */
        { { 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0 },
          7,
          ERR_MALFORMED } /* a number that does not end */
    };
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t input[12] = { 0 };
        memcpy(input + 4, cases[i].bytes, cases[i].size);
        uint8_t out[64];
        const struct wire_message *m = wire_message_by_name(BYTES_LITERAL("ResponseHeader"));
        EXPECT(m->struct_bytes <= sizeof(out));
        EXPECT_ERR(decode(&b, m, 1, bytes_from(input, 4 + cases[i].size), out), cases[i].error);
    }
    bench_deinit(&b);
}

/* Kafka refuses it too: a known tag must belong to the version and fill its size. */
TEST(message, refuses_a_known_tag_of_another_version_or_size)
{
    struct bench b;
    bench_init(&b);
    struct fetch_request request = fetch_request_default;
    EXPECT_OK(encode(&b, &fetch_request_message, 14, &request));
    b.buf.data[b.buf.size - 1] = 1; /* one tag: replica_state, which begins with version 15 */
    buf_put_u8(&b.buf, 1);
    buf_put_u8(&b.buf, 0);
    EXPECT_ERR(decode(&b, &fetch_request_message, 14, buf_view(&b.buf), &request), ERR_MALFORMED);
    EXPECT_TEXT(b.note.text, "FetchRequest: replicaState (tag 1) does not exist in version 14");
    request = fetch_request_default;
    request.cluster_id = BYTES_LITERAL("c");
    EXPECT_OK(encode(&b, &fetch_request_message, 12, &request));
    EXPECT_OK(decode(&b, &fetch_request_message, 12, buf_view(&b.buf), &request));
    /* … count 1, tag 0, size 2, length 2, 'c' at the end */
    EXPECT_EQ(b.buf.data[b.buf.size - 3], 2);
    b.buf.data[b.buf.size - 3] = 1;
    EXPECT_ERR(decode(&b, &fetch_request_message, 12, buf_view(&b.buf), &request), ERR_OVERRUN);
    buf_put_u8(&b.buf, 0);
    b.buf.data[b.buf.size - 4] = 3;
    EXPECT_ERR(decode(&b, &fetch_request_message, 12, buf_view(&b.buf), &request), ERR_MALFORMED);
    EXPECT(strstr(b.note.text, "clusterId (tag 0) ends at byte") != NULL);
    bench_deinit(&b);
}

TEST(message, tells_an_absent_struct_from_one_at_its_defaults)
{
    struct bench b;
    bench_init(&b);
    struct consumer_group_heartbeat_response response = consumer_group_heartbeat_response_default;
    struct consumer_group_heartbeat_response back;
    EXPECT_OK(encode(&b, &consumer_group_heartbeat_response_message, 0, &response));
    EXPECT_OK(decode(&b, &consumer_group_heartbeat_response_message, 0, buf_view(&b.buf), &back));
    EXPECT(back.assignment == NULL);
    struct consumer_group_heartbeat_response_assignment assignment =
        consumer_group_heartbeat_response_assignment_default;
    response.assignment = &assignment;
    EXPECT_OK(encode(&b, &consumer_group_heartbeat_response_message, 0, &response));
    EXPECT_OK(decode(&b, &consumer_group_heartbeat_response_message, 0, buf_view(&b.buf), &back));
    EXPECT(back.assignment != NULL && back.assignment->topic_partitions_count == 0);

    /* Here absent means a struct at its defaults, and null is written (seen in Apache Kafka 4.3.1). */
    struct consumer_group_member_metadata_value value =
        consumer_group_member_metadata_value_default;
    struct consumer_group_member_metadata_value value_back;
    const struct wire_message *m = &consumer_group_member_metadata_value_message;
    EXPECT_OK(encode(&b, m, 0, &value));
    const size_t size_absent = b.buf.size;
    EXPECT_OK(decode(&b, m, 0, buf_view(&b.buf), &value_back));
    EXPECT(value_back.classic_member_metadata != NULL);
    value.classic_member_metadata = NULL;
    EXPECT_OK(encode(&b, m, 0, &value));
    EXPECT_EQ(b.buf.size, size_absent + 3);
    EXPECT_OK(decode(&b, m, 0, buf_view(&b.buf), &value_back));
    EXPECT(value_back.classic_member_metadata == NULL);
    bench_deinit(&b);
}

TEST(message, starts_as_its_defaults)
{
    struct fetch_request request;
    memset(&request, 0xaa, sizeof(request));
    wire_init(&fetch_request_message, &request);
    EXPECT_EQ(request.replica_id, -1);
    EXPECT_EQ(request.max_bytes, INT32_MAX);
    EXPECT(bytes_is_null(request.cluster_id));
    EXPECT(!bytes_is_null(request.rack_id));
    EXPECT_EQ(request.replica_state.replica_epoch, -1);
    struct arena arena;
    arena_init(&arena, 1024);
    EXPECT_EQ(fetch_request_partition_array(&arena, 3)[2].high_watermark, INT64_MAX);
    EXPECT(fetch_request_partition_array(&arena, 1000) == NULL);
    arena_deinit(&arena);
}

TEST(message, is_found_by_its_name)
{
    uint32_t count;
    const struct wire_message *const *all = wire_messages(&count);
    EXPECT(count > 260);
    for (uint32_t i = 0; i < count; i++)
        EXPECT(wire_message_by_name(bytes_from_text(all[i]->name)) == all[i]);
    EXPECT(wire_message_by_name(BYTES_LITERAL("FetchRequests")) == NULL);
    EXPECT(wire_message_by_name(BYTES_LITERAL("LeaderAndIsrRequest")) == NULL);
    EXPECT(wire_message_by_name(BYTES_LITERAL("")) == NULL);
}

TEST(api, names_messages_and_listeners_of_every_key)
{
    EXPECT(api_get(-1) == NULL && api_get(API_KEY_COUNT) == NULL);
    for (int16_t key = 0; key < API_KEY_COUNT; key++) {
        const struct api *api = api_get(key);
        EXPECT_EQ(api->key, key);
        EXPECT((api->listeners == 0) == (api->request == NULL));
        EXPECT((api->request == NULL) == (api->version_max < api->version_min));
        if (api->request == NULL)
            continue;
        EXPECT(api->request->api_key == key && api->response->api_key == key);
        EXPECT_EQ(api->request->version_max, api->version_max);
        EXPECT_EQ(api->response->version_min, api->version_min);
    }
    EXPECT(api_get(API_FETCH)->request == &fetch_request_message);
    EXPECT_EQ(api_get(API_FETCH)->listeners, API_ON_BROKER | API_ON_CONTROLLER);
    EXPECT_EQ(api_get(API_INIT_PRODUCER_ID)->version_max, 6);
    EXPECT_EQ(api_get(API_INIT_PRODUCER_ID)->version_max_stable, 5);
    EXPECT_TEXT(api_get(API_LEADER_AND_ISR)->name, "LeaderAndIsr");
}

TEST(api, knows_the_versions_of_headers)
{
    EXPECT_EQ(api_request_header_version(API_FETCH, 11), 1);
    EXPECT_EQ(api_request_header_version(API_FETCH, 12), 2);
    EXPECT_EQ(api_request_header_version(API_SASL_HANDSHAKE, 1), 1); /* never flexible */
    EXPECT_EQ(api_request_header_version(API_LEADER_AND_ISR, 0), -1);
    EXPECT_EQ(api_request_header_version(API_KEY_COUNT, 0), -1);
    EXPECT_EQ(api_response_header_version(API_FETCH, 11), 0);
    EXPECT_EQ(api_response_header_version(API_FETCH, 12), 1);
    EXPECT_EQ(api_response_header_version(API_API_VERSIONS, 4), 0);
    EXPECT_EQ(api_response_header_version(-5, 4), -1);
}
