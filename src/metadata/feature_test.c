/* Feature levels and the records that a new cluster begins with. */
#include "metadata/feature.h"

#include "base/test.h"
#include "metadata/bootstrap.h"
#include "wire/messages/feature_level_record.h"

#include <string.h>

TEST(metadata_feature, levels_have_names_both_ways)
{
    for (int16_t level = METADATA_LEVEL_MIN; level <= METADATA_LEVEL_MAX; level++) {
        int16_t back = 0;
        EXPECT_OK(
            metadata_level_from_text(bytes_from_text(metadata_level_name(level)), &back, NULL));
        EXPECT_EQ(back, level);
    }
    EXPECT(metadata_level_name(METADATA_LEVEL_MIN - 1) == NULL);
    EXPECT(metadata_level_name(METADATA_LEVEL_MAX + 1) == NULL);
    const struct {
        const char *text;
        int16_t level;
    } releases[] = { { "3.3", 7 },    { "3.9", 21 },   { "4.0", 25 },
                     { "4.0.1", 25 }, { "4.3.1", 30 }, { "4.3", 30 } };
    for (size_t i = 0; i < ARRAY_LEN(releases); i++) {
        int16_t level = 0;
        EXPECT_OK(metadata_level_from_text(bytes_from_text(releases[i].text), &level, NULL));
        EXPECT_EQ(level, releases[i].level);
    }
    const char *bad[] = { "", "4", "4.", "4.9", "2.8", "3.3-IV0", "4.3-IV00", "4.3-IV0x", "30" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int16_t level;
        struct err_note note;
        EXPECT_ERR(metadata_level_from_text(bytes_from_text(bad[i]), &level, &note),
                   ERR_INVALID_ARGUMENT);
        EXPECT(strstr(note.text, "3.3-IV3") != NULL);
    }
}

static void expect_records(int16_t level, const struct metadata_bootstrap_feature *chosen,
                           uint32_t chosen_count, const char *wanted)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct metadata_record *records;
    uint32_t count;
    EXPECT_OK(
        metadata_bootstrap_records(level, chosen, chosen_count, &arena, &records, &count, NULL));
    struct buf out;
    buf_init(&out, 4096);
    for (uint32_t i = 0; i < count; i++) {
        const struct feature_level_record *record = records[i].value;
        EXPECT_EQ(records[i].version, 0);
        buf_printf(&out, "%.*s=%d ", BYTES_PRINTF(record->name), record->feature_level);
    }
    buf_put_u8(&out, 0);
    EXPECT_TEXT((char *)out.data, wanted);
    buf_deinit(&out);
    arena_deinit(&arena);
}

/* As kafka-storage format of 4.3.1 printed them. */
TEST(metadata_bootstrap, levels_of_a_new_cluster)
{
    expect_records(
        30, NULL, 0,
        "metadata.version=30 eligible.leader.replicas.version=1 group.version=1 share.version=1 "
        "streams.version=1 transaction.version=2 ");
    expect_records(
        28, NULL, 0,
        "metadata.version=28 eligible.leader.replicas.version=1 group.version=1 share.version=1 "
        "transaction.version=2 ");
    expect_records(25, NULL, 0, "metadata.version=25 group.version=1 transaction.version=2 ");
    expect_records(23, NULL, 0, "metadata.version=23 group.version=1 ");
    expect_records(7, NULL, 0, "metadata.version=7 ");
    const struct metadata_bootstrap_feature chosen[] = {
        { .name = BYTES_LITERAL("transaction.version"), .level = 0 },
        { .name = BYTES_LITERAL("eligible.leader.replicas.version"), .level = 1 },
        { .name = BYTES_LITERAL("kraft.version"), .level = 1 },
    };
    expect_records(25, chosen, 3,
                   "metadata.version=25 eligible.leader.replicas.version=1 group.version=1 ");
}

TEST(metadata_bootstrap, refuses_levels_that_cannot_be)
{
    const struct {
        int16_t metadata_level;
        struct metadata_bootstrap_feature feature;
        const char *words;
    } cases[] = {
        { 30,
          { BYTES_LITERAL("nope.version"), 1 },
          "Supported features are: eligible.leader.replicas.version, group.version" },
        { 30, { BYTES_LITERAL("group.version"), 7 }, "0 to 1" },
        { 30, { BYTES_LITERAL("group.version"), -1 }, "0 to 1" },
        { 21,
          { BYTES_LITERAL("eligible.leader.replicas.version"), 1 },
          "metadata.version level 23" },
        { 30, { BYTES_LITERAL("metadata.version"), 30 }, "Unsupported feature" },
        { 31, { BYTES_LITERAL("group.version"), 1 }, "7 to 30" },
        { 6, { BYTES_LITERAL("group.version"), 1 }, "7 to 30" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct metadata_record *records;
        uint32_t count;
        struct err_note note;
        EXPECT_ERR(metadata_bootstrap_records(cases[i].metadata_level, &cases[i].feature, 1, &arena,
                                              &records, &count, &note),
                   ERR_INVALID_ARGUMENT);
        EXPECT(strstr(note.text, cases[i].words) != NULL);
        arena_deinit(&arena);
    }
}
