/* Names, checkpoint files, identity, epochs: each form as Kafka writes it, and each way it can be
 * wrong. */
#include "base/mem.h"
#include "log/calendar.h"
#include "log/dirs/meta_properties.h"
#include "log/dirs/offset_checkpoint.h"
#include "log/epochs.h"
#include "log/names.h"
#include "log/sample_test.h"
#include "log/small_files.h"

#include <string.h>

/* ---- names --------------------------------------------------------------------------------- */

TEST(log_name, is_read_as_it_is_written)
{
    static const char *const stages[] = { "", ".deleted", ".cleaned", ".swap" };
    for (int kind = 0; kind < LOG_NAME_KINDS; kind++) {
        for (size_t stage = 0; stage < ARRAY_LEN(stages); stage++) {
            const struct log_name name = { (enum log_name_kind)kind, (enum log_name_stage)stage,
                                           INT64_MAX };
            AUTO(mem_freep) char *path = log_name_path("/d", name);
            const struct log_name found = log_name_parse(path + 3);
            EXPECT_EQ(found.kind, name.kind);
            EXPECT_EQ(found.stage, name.stage);
            EXPECT_EQ(found.base_offset, name.base_offset);
        }
    }
    AUTO(mem_freep)
    char *path =
        log_name_path("/d", (struct log_name){ .kind = LOG_NAME_TIME_INDEX, .base_offset = 42 });
    EXPECT_TEXT(path, "/d/00000000000000000042.timeindex");
}

TEST(log_name, is_of_no_kind_when_anything_is_off)
{
    static const char *const strange[] = {
        "",
        "x",
        ".log",
        "42.log",
        "00000000000000000042",
        "00000000000000000042.logs",
        "0000000000000000004x.log",
        "-0000000000000000042.log",
        "99999999999999999999.log",
        "000000000000000000042.log",
        "00000000000000000042.log.deleted.swap",
        "00000000000000000123-0000000001.checkpoint",
        "leader-epoch-checkpoint",
    };
    for (size_t i = 0; i < ARRAY_LEN(strange); i++)
        EXPECT_EQ(log_name_parse(strange[i]).kind, LOG_NAME_KINDS);
}

TEST(log_directory_name, tells_topic_partition_and_state)
{
    static const struct {
        const char *name;
        enum log_directory_kind kind;
        const char *topic;
        int32_t partition;
    } cases[] = {
        { "orders-0", LOG_DIRECTORY_LIVE, "orders", 0 },
        { "a-b-c-12", LOG_DIRECTORY_LIVE, "a-b-c", 12 },
        { "with.dots-2147483647", LOG_DIRECTORY_LIVE, "with.dots", INT32_MAX },
        { "o-1.0af0-delete", LOG_DIRECTORY_DELETE, "o", 1 },
        { "o.p-1.0af0-stray", LOG_DIRECTORY_STRAY, "o.p", 1 },
        { "o-1.0af0-future", LOG_DIRECTORY_FUTURE, "o", 1 },
        { "o-1-delete", LOG_DIRECTORY_OTHER, NULL, 0 },
        { "orders", LOG_DIRECTORY_OTHER, NULL, 0 },
        { "orders-", LOG_DIRECTORY_OTHER, NULL, 0 },
        { "-0", LOG_DIRECTORY_OTHER, NULL, 0 },
        { "orders--1", LOG_DIRECTORY_LIVE, "orders-", 1 },
        { "orders-2147483648", LOG_DIRECTORY_OTHER, NULL, 0 },
        { "or ders-1", LOG_DIRECTORY_OTHER, NULL, 0 },
        { ".-1", LOG_DIRECTORY_OTHER, NULL, 0 },
        { "", LOG_DIRECTORY_OTHER, NULL, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct log_directory_name found;
        log_directory_name_parse(cases[i].name, &found);
        if (found.kind != cases[i].kind)
            test_fail(__FILE__, __LINE__, "%s is of kind %d", cases[i].name, found.kind);
        if (cases[i].topic != NULL) {
            EXPECT_TEXT(found.topic, cases[i].topic);
            EXPECT_EQ(found.partition, cases[i].partition);
        }
    }
    char topic[TOPIC_NAME_BYTES_MAX + 1];
    memset(topic, 'x', sizeof(topic) - 1);
    topic[TOPIC_NAME_BYTES_MAX] = '\0';
    AUTO(mem_freep)
    char *name = log_directory_name(topic, 100, (struct uuid){ { 0xff } }, LOG_DELETE_SUFFIX);
    EXPECT_EQ(strlen(name), LOG_DIRECTORY_NAME_MAX);
    struct log_directory_name found;
    log_directory_name_parse(name, &found);
    EXPECT_EQ(found.kind, LOG_DIRECTORY_DELETE);
}

/* ---- checkpoints --------------------------------------------------------------------------- */

static void put_text(struct io_fs *fs, const char *path, const char *text)
{
    struct io_file *file;
    EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file));
    EXPECT_OK(io_file_write(file, 0, text, strlen(text)));
    io_file_unref(file);
}

TEST(offset_checkpoint, comes_back_as_it_was_written)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct offset_checkpoint written = { 0 };
    offset_checkpoint_add(&written, "a", 0, 0);
    offset_checkpoint_add(&written, "a.b-c_d", INT32_MAX, INT64_MAX);
    EXPECT_OK(offset_checkpoint_write(fs, "/c", &written, NULL, NULL));
    AUTO(mem_freep) uint8_t *text = NULL;
    size_t size;
    EXPECT_OK(io_fs_read_whole(fs, "/c", 1000, &text, &size));
    EXPECT_TEXT((const char *)text, "0\n2\na 0 0\na.b-c_d 2147483647 9223372036854775807\n");
    struct offset_checkpoint found;
    EXPECT_OK(offset_checkpoint_read(fs, "/c", &found, NULL));
    EXPECT_EQ(found.entries.count, 2);
    EXPECT_TEXT(found.entries.items[1].topic, "a.b-c_d");
    EXPECT_EQ(found.entries.items[1].partition, INT32_MAX);
    EXPECT_EQ(found.entries.items[1].offset, INT64_MAX);
    offset_checkpoint_deinit(&written);
    offset_checkpoint_deinit(&found);
    EXPECT_OK(offset_checkpoint_read(fs, "/absent", &found, NULL));
    EXPECT_EQ(found.entries.count, 0);
    sim_disk_free(disk);
}

/* An idle broker lets the disk sleep; and what failed is written again. */
TEST(offset_checkpoint, is_written_when_it_says_something_new)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct offset_checkpoint entries = { 0 };
    uint64_t written = 0;
    offset_checkpoint_add(&entries, "a", 0, 1);
    offset_checkpoint_add(&entries, "a", 1, 1);
    EXPECT_OK(offset_checkpoint_write(fs, "/c", &entries, &written, NULL));
    const uint64_t changes = sim_disk_change_count(disk);
    EXPECT_OK(offset_checkpoint_write(fs, "/c", &entries, &written, NULL));
    EXPECT_EQ(sim_disk_change_count(disk), changes);

    entries.entries.items[1].offset = 2;
    sim_disk_add_fault(
        disk, &(struct sim_fault){ .calls = SIM_WRITE, .path_part = "/c", .error = -ENOSPC });
    EXPECT_ERR(offset_checkpoint_write(fs, "/c", &entries, &written, NULL), ENOSPC);
    sim_disk_clear_faults(disk);
    EXPECT_OK(offset_checkpoint_write(fs, "/c", &entries, &written, NULL));
    struct offset_checkpoint found;
    EXPECT_OK(offset_checkpoint_read(fs, "/c", &found, NULL));
    EXPECT_EQ(found.entries.items[1].offset, 2);
    offset_checkpoint_deinit(&found);
    offset_checkpoint_deinit(&entries);
    sim_disk_free(disk);
}

TEST(offset_checkpoint, is_refused_with_file_and_line)
{
    static const struct {
        const char *text;
        int error;
        const char *words;
    } cases[] = {
        { "1\n0\n", ERR_VERSION, "version 1" },
        { "x\n0\n", ERR_MALFORMED, "line 1" },
        { "0\n-1\n", ERR_MALFORMED, "line 2" },
        { "0\n1\n", ERR_MALFORMED, "announces 1" },
        { "0\n1\na 0 1\nb 0 1\n", ERR_MALFORMED, "announces 1" },
        { "0\n1\na 0\n", ERR_MALFORMED, "line 3" },
        { "0\n1\na 0 1 2\n", ERR_MALFORMED, "line 3" },
        { "0\n1\na x 1\n", ERR_MALFORMED, "'x'" },
        { "0\n1\na 0 -1\n", ERR_MALFORMED, "'-1'" },
        { "0\n1\na 0 9223372036854775808\n", ERR_MALFORMED, "line 3" },
        { "0\n1\n\n", ERR_MALFORMED, "line 3" },
        { "0\n1\n a 0 1\n", ERR_MALFORMED, "line 3" },
    };
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put_text(fs, "/c", cases[i].text);
        struct offset_checkpoint found;
        struct err_note note = { "" };
        EXPECT_ERR(offset_checkpoint_read(fs, "/c", &found, &note), cases[i].error);
        EXPECT_EQ(found.entries.count, 0);
        if (strstr(note.text, cases[i].words) == NULL || strstr(note.text, "/c") == NULL)
            test_fail(__FILE__, __LINE__, "'%s' lacks '%s'", note.text, cases[i].words);
    }
    sim_disk_free(disk);
}

/* ---- epochs -------------------------------------------------------------------------------- */

static struct epochs epochs_of_pairs(const int64_t (*pairs)[2], size_t count)
{
    struct epochs epochs = { 0 };
    for (size_t i = 0; i < count; i++)
        epochs_assign(&epochs, (int32_t)pairs[i][0], pairs[i][1]);
    return epochs;
}

TEST(epochs, answer_ends_as_kip_101_asks)
{
    static const int64_t pairs[][2] = { { 2, 10 }, { 3, 20 }, { 7, 30 } };
    struct epochs epochs = epochs_of_pairs(pairs, ARRAY_LEN(pairs));
    static const int64_t expected[][3] = {
        /* asked, epoch, end */
        { -1, -1, -1 }, { 0, 0, 10 }, { 1, 1, 10 }, { 2, 2, 20 },  { 3, 3, 30 },
        { 4, 3, 30 },   { 6, 3, 30 }, { 7, 7, 99 }, { 8, -1, -1 }, { -9, -9, 10 },
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct log_epoch_end end = epochs_end_of(&epochs, (int32_t)expected[i][0], 99);
        EXPECT_EQ(end.leader_epoch, expected[i][1]);
        EXPECT_EQ(end.end_offset, expected[i][2]);
    }
    struct epochs none = { 0 };
    EXPECT_EQ(epochs_end_of(&none, -9, 99).end_offset, -1);
    EXPECT_EQ(epochs_of(&epochs, 9), -1);
    EXPECT_EQ(epochs_of(&epochs, 10), 2);
    EXPECT_EQ(epochs_of(&epochs, 29), 3);
    EXPECT_EQ(epochs_of(&epochs, 1000), 7);
    epochs_deinit(&epochs);
}

TEST(epochs, drop_what_contradicts_a_new_one)
{
    static const int64_t pairs[][2] = { { 2, 10 }, { 3, 20 }, { 7, 30 } };
    static const struct {
        int64_t added[2];
        size_t count;
        int64_t last_offset;
    } cases[] = {
        { { 7, 35 }, 3, 30 }, /* the same epoch goes on */
        { { 7, 25 }, 3, 25 }, /* it began earlier than was known */
        { { 8, 30 }, 3, 30 }, /* 7 had no records */
        { { 8, 31 }, 4, 31 }, { { 5, 40 }, 3, 40 }, { { 1, 5 }, 1, 5 }, { { -1, 50 }, 3, 30 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct epochs epochs = epochs_of_pairs(pairs, ARRAY_LEN(pairs));
        epochs_assign(&epochs, (int32_t)cases[i].added[0], cases[i].added[1]);
        EXPECT_EQ(epochs.entries.count, cases[i].count);
        EXPECT_EQ(epochs.entries.items[epochs.entries.count - 1].start_offset,
                  cases[i].last_offset);
        epochs_deinit(&epochs);
    }
}

TEST(epochs, are_cut_at_both_ends)
{
    static const int64_t pairs[][2] = { { 2, 10 }, { 3, 20 }, { 7, 30 } };
    for (int64_t at = 5; at < 40; at++) {
        struct epochs epochs = epochs_of_pairs(pairs, ARRAY_LEN(pairs));
        epochs.is_dirty = false;
        epochs_truncate_from_end(&epochs, at);
        EXPECT_EQ(epochs.entries.count, at <= 10 ? 0 : at <= 20 ? 1 : at <= 30 ? 2 : 3);
        EXPECT_EQ(epochs.is_dirty, at <= 30);
        epochs_deinit(&epochs);

        epochs = epochs_of_pairs(pairs, ARRAY_LEN(pairs));
        epochs.is_dirty = false;
        epochs_truncate_from_start(&epochs, at);
        EXPECT_EQ(epochs.entries.count, at < 20 ? 3 : at < 30 ? 2 : 1);
        EXPECT_EQ(epochs.entries.items[0].start_offset, MAX(at, INT64_C(10)));
        EXPECT_EQ(epochs.is_dirty, at > 10);
        epochs_deinit(&epochs);
    }
}

TEST(epochs, come_back_from_their_file)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    put_text(fs, "/leader-epoch-checkpoint", "0\n2\n0 0\n3 4711\n");
    struct epochs epochs;
    EXPECT_OK(epochs_read(fs, "", &epochs, NULL));
    EXPECT_EQ(epochs.entries.count, 2);
    EXPECT(!epochs.is_dirty);
    struct buf text;
    buf_init(&text, 1000);
    epochs_encode(&epochs, &text);
    EXPECT_BYTES(buf_view(&text), BYTES_LITERAL("0\n2\n0 0\n3 4711\n"));
    buf_deinit(&text);
    epochs_deinit(&epochs);
    static const char *const bad[] = { "0\n1\n0\n", "0\n1\n-1 0\n", "0\n2\n0 0\n",
                                       "0\n1\n0 0 0\n" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_text(fs, "/leader-epoch-checkpoint", bad[i]);
        EXPECT_ERR(epochs_read(fs, "", &epochs, NULL), ERR_MALFORMED);
        EXPECT_EQ(epochs.entries.count, 0);
    }
    sim_disk_free(disk);
}

/* ---- identity ------------------------------------------------------------------------------ */

TEST(meta_properties, come_back_as_they_were_written)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct meta_properties meta = { .version = 1,
                                    .node_id = INT32_MAX,
                                    .cluster_id = "a = b:#!\\ c",
                                    .directory_id = { { 9, 8, 7 } } };
    EXPECT_OK(meta_properties_write(fs, "/", &meta, SAMPLE_NOW_MS, NULL));
    struct meta_properties found;
    EXPECT_OK(meta_properties_read(fs, "/", &found, NULL));
    EXPECT_EQ(found.version, 1);
    EXPECT_EQ(found.node_id, INT32_MAX);
    EXPECT_TEXT(found.cluster_id, meta.cluster_id);
    EXPECT(uuid_equal(found.directory_id, meta.directory_id));

    put_text(fs, "/meta.properties", "broker.id=5\n"); /* version 0, which is not named */
    EXPECT_OK(meta_properties_read(fs, "/", &found, NULL));
    EXPECT_EQ(found.version, 0);
    EXPECT_EQ(found.node_id, 5);
    EXPECT_TEXT(found.cluster_id, "");
    put_text(fs, "/meta.properties", ""); /* and this says nothing */
    EXPECT_ERR(meta_properties_read(fs, "/", &found, NULL), ERR_MALFORMED);
    put_text(fs, "/meta.properties", "cluster.id=x\nnode.id=1\n");
    EXPECT_ERR(meta_properties_read(fs, "/", &found, NULL), ERR_MALFORMED);
    EXPECT_ERR(meta_properties_read(fs, "/nowhere", &found, NULL), 2 /* ENOENT */);
    sim_disk_free(disk);
}

TEST(calendar, prints_moments_as_java_does)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { 0, "Thu Jan 01 00:00:00 UTC 1970" },
        { 951782400000, "Tue Feb 29 00:00:00 UTC 2000" },
        { 1700000000123, "Tue Nov 14 22:13:20 UTC 2023" },
        { 4107542399000, "Sun Feb 28 23:59:59 UTC 2100" },
        { 4107542400000, "Mon Mar 01 00:00:00 UTC 2100" },
        { -1, "Wed Dec 31 23:59:59 UTC 1969" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[CALENDAR_TEXT_SIZE];
        calendar_java_text(cases[i].ms, text);
        EXPECT_TEXT(text, cases[i].text);
    }
}

TEST(partition_metadata, has_kafkas_form)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct uuid id;
    EXPECT_OK(uuid_from_text(BYTES_LITERAL("p7aiRLnVRsqHbryItLdjxA"), &id));
    EXPECT_OK(partition_metadata_write(fs, "", id, NULL));
    AUTO(mem_freep) uint8_t *text = NULL;
    size_t size;
    EXPECT_OK(io_fs_read_whole(fs, "/partition.metadata", 1000, &text, &size));
    EXPECT_TEXT((const char *)text, "version: 0\ntopic_id: p7aiRLnVRsqHbryItLdjxA");
    struct uuid found;
    EXPECT_OK(partition_metadata_read(fs, "", &found, NULL));
    EXPECT(uuid_equal(found, id));
    /* Later versions are read as this one, as Kafka reads them: it would not be safe to go back otherwise. So is a flipped digit. */
    put_text(fs, "/partition.metadata", "version: 8\ntopic_id: p7aiRLnVRsqHbryItLdjxA");
    EXPECT_OK(partition_metadata_read(fs, "", &found, NULL));
    EXPECT(uuid_equal(found, id));
    put_text(fs, "/partition.metadata", "version: -1\ntopic_id: p7aiRLnVRsqHbryItLdjxA");
    EXPECT_ERR(partition_metadata_read(fs, "", &found, NULL), ERR_VERSION);
    put_text(fs, "/partition.metadata", "version: 0\ntopic_id: p7aiRLnVRsqH");
    EXPECT_ERR(partition_metadata_read(fs, "", &found, NULL), ERR_OVERRUN);
    put_text(fs, "/partition.metadata", "version: 0\ntopic_id: p7aiRLnVRsqH*ryItLdjxA");
    EXPECT_ERR(partition_metadata_read(fs, "", &found, NULL), ERR_MALFORMED);
    put_text(fs, "/partition.metadata", "version: 0\nt\x7fpic_id: p7aiRL");
    EXPECT_ERR(partition_metadata_read(fs, "", &found, NULL), ERR_MALFORMED);
    sim_disk_free(disk);
}
