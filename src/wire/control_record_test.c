/* Control records and transaction markers. */
#include "wire/control_record.h"

#include "base/be.h"
#include "base/test.h"

TEST(control_record, tells_types_and_skips_those_to_come)
{
    static const struct {
        uint8_t key[6];
        size_t size;
        int r;
        enum control_type type;
        const char *name;
    } cases[] = {
        { { 0, 0, 0, 0 }, 4, 0, CONTROL_ABORT, "ABORT" },
        { { 0, 0, 0, 1 }, 4, 0, CONTROL_COMMIT, "COMMIT" },
        { { 0, 0, 0, 2 }, 4, 0, CONTROL_LEADER_CHANGE, "LEADER_CHANGE" },
        { { 0, 0, 0, 3 }, 4, 0, CONTROL_SNAPSHOT_HEADER, "SNAPSHOT_HEADER" },
        { { 0, 0, 0, 4 }, 4, 0, CONTROL_SNAPSHOT_FOOTER, "SNAPSHOT_FOOTER" },
        { { 0, 0, 0, 5 }, 4, 0, CONTROL_KRAFT_VERSION, "KRAFT_VERSION" },
        { { 0, 0, 0, 6 }, 4, 0, CONTROL_KRAFT_VOTERS, "KRAFT_VOTERS" },
        { { 0, 0, 0, 7 }, 4, 0, CONTROL_UNKNOWN, "UNKNOWN" },
        { { 0, 0, 0xff, 0xff }, 4, 0, CONTROL_UNKNOWN, "UNKNOWN" },
        { { 0, 9, 0, 1, 7, 7 }, 6, 0, CONTROL_COMMIT, "COMMIT" },
        { { 0xff, 0xff, 0, 1 }, 4, -ERR_MALFORMED, 0, NULL },
        { { 0, 0, 0 }, 3, -ERR_MALFORMED, 0, NULL },
        { { 0 }, 0, -ERR_MALFORMED, 0, NULL },
    };
    enum control_type type;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        EXPECT_EQ(control_record_parse(bytes_from(cases[i].key, cases[i].size), &type), cases[i].r);
        if (cases[i].r == 0) {
            EXPECT_EQ(type, cases[i].type);
            EXPECT_TEXT(control_type_name(type), cases[i].name);
        }
    }
    EXPECT_ERR(control_record_parse(BYTES_NULL, &type), ERR_MALFORMED);
}

/* The head of a snapshot: two records in one batch. */
TEST(control_batch, holds_its_records)
{
    AUTO(batch_builder_deinit) struct batch_builder b;
    control_batch_init(&b, 100, 7, 1000);
    EXPECT_OK(control_batch_add(&b, CONTROL_SNAPSHOT_HEADER, 5, BYTES_LITERAL("header")));
    EXPECT_OK(control_batch_add(&b, CONTROL_KRAFT_VERSION, 6, BYTES_LITERAL("version")));
    struct bytes batch;
    struct batch_view view;
    EXPECT_OK(batch_builder_finish(&b, &batch));
    EXPECT_EQ(batch_parse(batch, &view), batch.size);
    EXPECT_OK(batch_check_crc(&view));
    EXPECT_EQ(view.attributes, BATCH_CONTROL);
    EXPECT_EQ(view.base_offset, 100);
    EXPECT_EQ(view.leader_epoch, 7);
    EXPECT_EQ(view.producer_id, -1);
    EXPECT_EQ(view.producer_epoch, -1);
    EXPECT_EQ(view.base_sequence, -1);
    EXPECT_EQ(view.max_timestamp, 6);

    static const enum control_type types[] = { CONTROL_SNAPSHOT_HEADER, CONTROL_KRAFT_VERSION };
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, &view, NULL, 1000);
    struct record record;
    enum control_type type;
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(record_walk_next(&walk, &record), 1);
        EXPECT_EQ(record.offset, 100 + i);
        EXPECT_OK(control_record_parse(record.key, &type));
        EXPECT_EQ(type, types[i]);
        EXPECT_BYTES(record.value, i == 0 ? BYTES_LITERAL("header") : BYTES_LITERAL("version"));
    }
    EXPECT_EQ(record_walk_next(&walk, &record), 0);
}

TEST(transaction_marker, is_read_as_written)
{
    static const enum control_type types[] = { CONTROL_ABORT, CONTROL_COMMIT };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct transaction_marker marker = {
            .type = types[i],
            .base_offset = 55,
            .leader_epoch = -1,
            .timestamp_ms = 1234567890123,
            .producer_id = 4000,
            .producer_epoch = 3,
            .coordinator_epoch = 17,
        };
        uint8_t bytes[TRANSACTION_MARKER_BYTES];
        transaction_marker_encode(&marker, bytes);
        struct batch_view view;
        EXPECT_EQ(batch_parse(bytes_from(bytes, sizeof(bytes)), &view), sizeof(bytes));
        EXPECT_OK(batch_check_crc(&view));
        EXPECT_EQ(view.attributes, BATCH_CONTROL | BATCH_TRANSACTIONAL);
        EXPECT_EQ(view.base_offset, 55);
        EXPECT_EQ(view.leader_epoch, -1);
        EXPECT_EQ(view.producer_id, 4000);
        EXPECT_EQ(view.producer_epoch, 3);
        EXPECT_EQ(view.base_sequence, -1);
        struct record record;
        AUTO(record_walk_deinit) struct record_walk walk;
        record_walk_init(&walk, &view, NULL, 1000);
        EXPECT_EQ(record_walk_next(&walk, &record), 1);
        EXPECT_EQ(record.timestamp, marker.timestamp_ms);
        enum control_type type;
        int32_t coordinator_epoch;
        EXPECT_OK(control_record_parse(record.key, &type));
        EXPECT_EQ(type, types[i]);
        EXPECT_OK(transaction_marker_parse(record.value, &coordinator_epoch));
        EXPECT_EQ(coordinator_epoch, 17);
    }
    int32_t coordinator_epoch;
    EXPECT_ERR(transaction_marker_parse(BYTES_NULL, &coordinator_epoch), ERR_MALFORMED);
    EXPECT_ERR(transaction_marker_parse(bytes_from("\0\0\0\0\1", 5), &coordinator_epoch),
               ERR_MALFORMED);
    EXPECT_ERR(transaction_marker_parse(bytes_from("\xff\0\0\0\0\1", 6), &coordinator_epoch),
               ERR_MALFORMED);
    EXPECT_OK(transaction_marker_parse(bytes_from("\0\1\0\0\0\1more", 10), &coordinator_epoch));
    EXPECT_EQ(coordinator_epoch, 1);
}
