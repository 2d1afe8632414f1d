/* Messages: round trips, truncation, versions, limits and words of failures. */
#include "wire/message.h"

#include "base/test.h"
#include "wire/api.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/request_header.h"

static struct bytes text(const char *words)
{
    return bytes_from_text(words);
}

TEST(message, fetch_request_comes_back_from_its_bytes_and_prints)
{
    struct fetch_request request = fetch_request_default;
    request.max_wait_ms = 500;
    request.rack_id = text("rack \"1\"");
    request.replica_id = -1;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    request.topics = fetch_request_topic_array(&arena, 1);
    request.topics_count = 1;
    request.topics[0].topic = text("words");
    request.topics[0].partitions = fetch_request_partition_array(&arena, 2);
    request.topics[0].partitions_count = 2;
    request.topics[0].partitions[1].partition = 7;
    request.topics[0].partitions[1].fetch_offset = INT64_C(1) << 40;

    struct buf buf;
    buf_init(&buf, 1 << 16);
    struct writer w = writer_to(&buf);
    struct err_note note;
    EXPECT_OK(fetch_request_encode(12, &request, &w, &note));
    EXPECT_EQ(fetch_request_size(12, &request, NULL), buf.size);

    struct fetch_request back;
    struct reader r = reader_from(buf_view(&buf));
    EXPECT_OK(fetch_request_decode(12, &r, &arena, &back, &note));
    EXPECT_EQ(reader_left(&r), 0);
    EXPECT_EQ(back.max_bytes, INT32_MAX);
    EXPECT_EQ(back.topics[0].partitions[1].fetch_offset, INT64_C(1) << 40);

    struct buf json;
    buf_init(&json, 1 << 16);
    fetch_request_print(12, &back, &json);
    buf_put_u8(&json, 0);
    EXPECT_TEXT(
        (const char *)json.data,
        "{\"replicaId\":-1,\"maxWaitMs\":500,\"minBytes\":0,\"maxBytes\":2147483647,"
        "\"isolationLevel\":0,\"sessionId\":0,\"sessionEpoch\":-1,\"topics\":[{\"topic\":"
        "\"words\",\"partitions\":[{\"partition\":0,\"currentLeaderEpoch\":-1,\"fetchOffset\":0,"
        "\"lastFetchedEpoch\":-1,\"logStartOffset\":-1,\"partitionMaxBytes\":0},{\"partition\":"
        "7,\"currentLeaderEpoch\":-1,\"fetchOffset\":1099511627776,\"lastFetchedEpoch\":-1,"
        "\"logStartOffset\":-1,\"partitionMaxBytes\":0}]}],\"forgottenTopicsData\":[],"
        "\"rackId\":\"rack \\\"1\\\"\"}");
    buf_deinit(&json);
    buf_deinit(&buf);
    arena_deinit(&arena);
}

TEST(message, names_the_field_that_a_version_lacks)
{
    struct fetch_request request = fetch_request_default;
    request.topics = &(struct fetch_request_topic){ 0 };
    request.topics_count = 1;
    struct fetch_request_partition partition = fetch_request_partition_default;
    partition.last_fetched_epoch = 3; /* from version 12 on, not ignorable */
    request.topics[0] = fetch_request_topic_default;
    request.topics[0].partitions = &partition;
    request.topics[0].partitions_count = 1;
    struct err_note note;
    EXPECT_ERR(fetch_request_size(11, &request, &note), ERR_VERSION);
    EXPECT_TEXT(note.text,
                "FetchRequest: topics: [0]: partitions: [0]: lastFetchedEpoch is set, but "
                "version 11 has no such field");
}

TEST(message, finds_every_message_by_its_name)
{
    uint32_t count;
    const struct wire_message *const *all = wire_messages(&count);
    EXPECT(count > 260);
    for (uint32_t i = 0; i < count; i++)
        EXPECT(wire_message_by_name(text(all[i]->name)) == all[i]);
    EXPECT(wire_message_by_name(text("FetchRequests")) == NULL);
    EXPECT(wire_message_by_name(text("")) == NULL);
}

TEST(api, knows_the_versions_of_headers)
{
    EXPECT(api_get(-1) == NULL && api_get(API_KEY_COUNT) == NULL);
    EXPECT_EQ(api_get(API_FETCH)->version_max, 18);
    EXPECT(api_get(API_FETCH)->request == &fetch_request_message);
    EXPECT_EQ(api_get(API_INIT_PRODUCER_ID)->version_max_stable, 5);
    EXPECT_EQ(api_request_header_version(API_FETCH, 11), 1);
    EXPECT_EQ(api_request_header_version(API_FETCH, 12), 2);
    EXPECT_EQ(api_response_header_version(API_FETCH, 12), 1);
    EXPECT_EQ(api_response_header_version(API_API_VERSIONS, 4), 0);
    EXPECT_EQ(api_request_header_version(API_SASL_HANDSHAKE, 1), 1);
    EXPECT_EQ(api_request_header_version(API_LEADER_AND_ISR, 0), -1);
}
