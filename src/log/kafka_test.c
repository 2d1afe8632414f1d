/* Directories that Apache Kafka 4.3.1 wrote (tests/data/log): read as they are, and written the
 * same way. */
#include "log/sample_test.h"

#include "base/mem.h"
#include "log/dirs/log_dirs.h"
#include "log/log_int.h"
#include "log/small_files.h"

#include <stdio.h>
#include <string.h>

static void read_file(struct io_fs *fs, const char *path, uint8_t **out, size_t *out_size)
{
    const int r = io_fs_read_whole(fs, path, 1u << 24, out, out_size);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "read %s: %s", path, err_name(r));
}

/* Copies <data>/<state>/<name> of the project to /d/<name> of the simulated disk. */
static void copy_directory(struct sim_disk *disk, const char *state, const char *name)
{
    struct io_fs *fs = sim_disk_fs(disk);
    AUTO(mem_freep) char *from = mem_printf("%s/%s/%s", LOG_TEST_DATA, state, name);
    AUTO(mem_freep) char *to = mem_printf("/d/%s", name);
    EXPECT_OK(io_fs_make_directories(fs, to));
    struct io_names names;
    EXPECT_OK(io_fs_list(posix_fs(), from, 1000, &names));
    EXPECT(names.count > 0);
    for (uint32_t i = 0; i < names.count; i++) {
        AUTO(mem_freep) char *source = mem_printf("%s/%s", from, names.items[i]);
        AUTO(mem_freep) char *target = mem_printf("%s/%s", to, names.items[i]);
        AUTO(mem_freep) uint8_t *data = NULL;
        size_t size;
        read_file(posix_fs(), source, &data, &size);
        struct io_file *file;
        EXPECT_OK(io_file_open(fs, target, IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
        EXPECT_OK(io_file_write(file, 0, data, size));
        io_file_unref(file);
    }
    io_names_deinit(&names);
}

struct fixture {
    const char *topic;
    int32_t partition;
    int64_t end_offset;
    uint32_t segment_bytes;
    uint32_t index_interval_bytes;
};
static const struct fixture fixtures[] = {
    { "plain", 0, 180, 4096, 64 },
    { "plain", 1, 0, 4096, 64 },
    { "txn", 0, 303, 8192, 256 },
    { "abort", 0, 151, 8192, 256 },
};

static struct log *open_fixture(struct sim_disk *disk, const struct fixture *fixture, bool is_clean,
                                const char *log_dir)
{
    struct log_config config = LOG_CONFIG_DEFAULT;
    config.segment_bytes = fixture->segment_bytes;
    config.index_interval_bytes = fixture->index_interval_bytes;
    config.producer_id_expiration_ms = INT64_MAX;
    const struct log_params params = { .fs = sim_disk_fs(disk),
                                       .log_dir = log_dir,
                                       .topic = fixture->topic,
                                       .partition = fixture->partition,
                                       .config = &config,
                                       .create = true,
                                       .had_clean_shutdown = is_clean,
                                       .now_ms = SAMPLE_NOW_MS };
    EXPECT_OK(io_fs_make_directories(params.fs, log_dir));
    struct log *log;
    struct err_note note = { "" };
    const int r = log_open(&params, &log, &note);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s-%d: %s", fixture->topic, fixture->partition, note.text);
    return log;
}

static void directory_name(const struct fixture *fixture, char *out, size_t size)
{
    snprintf(out, size, "%s-%d", fixture->topic, fixture->partition);
}

TEST(log_kafka, reads_what_kafka_closed_well_without_a_scan)
{
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        struct sim_disk *disk = sim_disk_new(1);
        char name[64];
        directory_name(&fixtures[i], name, sizeof(name));
        copy_directory(disk, "clean", name);
        struct log *log = open_fixture(disk, &fixtures[i], true, "/d");
        EXPECT_EQ(log_recovery(log).segments_scanned, 0);
        EXPECT_EQ(log_recovery(log).note_count, 0);
        EXPECT_EQ(log_offsets(log)->end, fixtures[i].end_offset);
        EXPECT_EQ(log_offsets(log)->start, 0);
        EXPECT(!uuid_is_zero(log_topic_id(log)));
        sample_expect_readable(log);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

TEST(log_kafka, recovers_what_kafka_left_when_it_was_killed)
{
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        if (strcmp(fixtures[i].topic, "plain") == 0 && fixtures[i].partition == 1)
            continue; /* there is no such copy */
        struct sim_disk *disk = sim_disk_new(1);
        char name[64];
        directory_name(&fixtures[i], name, sizeof(name));
        copy_directory(disk, "killed", name);
        struct log *log = open_fixture(disk, &fixtures[i], false, "/d");
        EXPECT_EQ(log_recovery(log).bytes_cut, 0);
        EXPECT_EQ(log_offsets(log)->end, fixtures[i].end_offset);
        sample_expect_readable(log);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* The same file in the project's copy and on the simulated disk. */
static void expect_same_file(struct sim_disk *disk, const char *log_dir, const char *directory,
                             const char *name)
{
    AUTO(mem_freep) char *theirs = mem_printf("%s/clean/%s/%s", LOG_TEST_DATA, directory, name);
    AUTO(mem_freep) char *ours = mem_printf("%s/%s/%s", log_dir, directory, name);
    AUTO(mem_freep) uint8_t *expected = NULL;
    AUTO(mem_freep) uint8_t *found = NULL;
    size_t expected_size;
    size_t found_size;
    read_file(posix_fs(), theirs, &expected, &expected_size);
    read_file(sim_disk_fs(disk), ours, &found, &found_size);
    if (expected_size != found_size || memcmp(expected, found, found_size) != 0)
        test_fail(__FILE__, __LINE__, "%s: %zu bytes that differ from Kafka's %zu", ours,
                  found_size, expected_size);
}

/* After recovery and a clean close each file is, byte for byte, what Kafka's own recovery and close
 * made of the same directory: indexes, aborted transactions, producer snapshots. */
TEST(log_kafka, recovers_and_closes_to_the_same_bytes_as_kafka)
{
    static const char *const names[][2] = {
        { "plain-0", "00000000000000000000.index" },
        { "plain-0", "00000000000000000000.timeindex" },
        { "plain-0", "00000000000000000176.index" },
        { "plain-0", "00000000000000000176.timeindex" },
        { "plain-0", "00000000000000000180.snapshot" },
        { "txn-0", "00000000000000000000.index" },
        { "txn-0", "00000000000000000000.timeindex" },
        { "txn-0", "00000000000000000283.index" },
        { "txn-0", "00000000000000000283.timeindex" },
        { "txn-0", "00000000000000000283.snapshot" },
        { "txn-0", "00000000000000000303.snapshot" },
        { "abort-0", "00000000000000000000.index" },
        { "abort-0", "00000000000000000000.timeindex" },
        { "abort-0", "00000000000000000000.txnindex" },
        { "abort-0", "00000000000000000151.snapshot" },
        { "abort-0", "partition.metadata" },
    };
    struct sim_disk *disk = sim_disk_new(1);
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        if (fixtures[i].end_offset == 0)
            continue;
        char name[64];
        directory_name(&fixtures[i], name, sizeof(name));
        copy_directory(disk, "killed", name);
        EXPECT_OK(log_close(open_fixture(disk, &fixtures[i], false, "/d"), true, NULL, NULL));
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_same_file(disk, "/d", names[i][0], names[i][1]);
    sim_disk_free(disk);
}

/* Kafka's batches, appended as a follower does, end up in the same segments with the same
 * indexes. */
TEST(log_kafka, writes_the_same_files_from_the_same_batches)
{
    static const char *const names[][2] = {
        { "plain-0", "00000000000000000000.log" },
        { "plain-0", "00000000000000000000.index" },
        { "plain-0", "00000000000000000000.timeindex" },
        { "plain-0", "00000000000000000176.log" },
        { "plain-0", "00000000000000000176.timeindex" },
        { "plain-0", "00000000000000000176.snapshot" },
        { "txn-0", "00000000000000000000.log" },
        { "txn-0", "00000000000000000000.index" },
        { "txn-0", "00000000000000000000.timeindex" },
        { "txn-0", "00000000000000000283.log" },
        { "txn-0", "00000000000000000283.index" },
        { "txn-0", "00000000000000000283.timeindex" },
        { "txn-0", "00000000000000000283.snapshot" },
        { "abort-0", "00000000000000000000.log" },
        { "abort-0", "00000000000000000000.index" },
        { "abort-0", "00000000000000000000.timeindex" },
        { "abort-0", "00000000000000000000.txnindex" },
    };
    struct sim_disk *disk = sim_disk_new(1);
    for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
        char name[64];
        directory_name(&fixtures[i], name, sizeof(name));
        copy_directory(disk, "clean", name);
        struct log *source = open_fixture(disk, &fixtures[i], true, "/d");
        struct log *log = open_fixture(disk, &fixtures[i], true, "/e");
        const struct bytes all = sample_read_all(source, 0);
        struct bytes rest = all;
        struct batch_view view;
        while (batch_parse(rest, &view) > 0) {
            struct shared *batch = shared_new(view.bytes.size);
            memcpy(batch->data, view.bytes.data, view.bytes.size);
            const struct log_append_result result = sample_plan(log, LOG_ORIGIN_REPLICATION, batch);
            EXPECT_EQ(result.error, KAFKA_NONE);
            EXPECT_OK(log_write(log, NULL));
            rest = bytes_slice(rest, view.bytes.size, rest.size);
        }
        EXPECT_EQ(log_offsets(log)->end, fixtures[i].end_offset);
        bytes_free(all);
        log_abandon(source);
        EXPECT_OK(log_close(log, true, NULL, NULL));
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        expect_same_file(disk, "/e", names[i][0], names[i][1]);
    sim_disk_free(disk);
}

TEST(log_kafka, reads_checkpoints_and_identity)
{
    struct offset_checkpoint checkpoint;
    EXPECT_OK(offset_checkpoint_read(
        posix_fs(), LOG_TEST_DATA "/clean/recovery-point-offset-checkpoint", &checkpoint, NULL));
    EXPECT_EQ(checkpoint.entries.count, 3);
    EXPECT_TEXT(checkpoint.entries.items[0].topic, "txn");
    EXPECT_EQ(checkpoint.entries.items[0].offset, 303);
    offset_checkpoint_deinit(&checkpoint);
    /* An empty file, as Kafka makes it at its first start. */
    EXPECT_OK(offset_checkpoint_read(posix_fs(), LOG_TEST_DATA "/clean/cleaner-offset-checkpoint",
                                     &checkpoint, NULL));
    EXPECT_EQ(checkpoint.entries.count, 0);

    struct meta_properties meta;
    EXPECT_OK(meta_properties_read(posix_fs(), LOG_TEST_DATA "/clean", &meta, NULL));
    EXPECT_EQ(meta.version, 1);
    EXPECT_EQ(meta.node_id, 1);
    EXPECT_TEXT(meta.cluster_id, "DKzXOLa1RT2DSvm2Z0ioug");
    char id[UUID_TEXT_SIZE];
    uuid_to_text(meta.directory_id, id);
    EXPECT_TEXT(id, "zdIFPzyuTLiIJkkiFfwmKA");
}
