/* A log on the disk, read from outside: what of it is sure to stay when the power is lost. */
#include "disk_log.h"

#include "base/mem.h"
#include "base/test.h"
#include "rot.h"
#include "sim_broker.h"
#include "wire/batch.h"

#define TOPIC     "__consumer_offsets" /* compaction leaves gaps in it */
#define DIRECTORY SIM_BROKER_DIR "/" TOPIC "-0"

/* Names of segments by their base offset, and of those that compaction makes. */
#define SEGMENT(base) "0000000000000000000" #base ".log"
#define SWAP(base)    SEGMENT(base) ".swap"
#define DELETED(base) SEGMENT(base) ".deleted"

static void sync_names(struct sim_disk *disk)
{
    EXPECT_OK(io_fs_sync_directory(sim_disk_fs(disk), DIRECTORY));
}

static struct sim_disk *disk_with_directory(uint64_t seed)
{
    struct sim_disk *disk = sim_disk_new(seed);
    struct io_fs *fs = sim_disk_fs(disk);
    EXPECT_OK(io_fs_make_directories(fs, DIRECTORY));
    EXPECT_OK(io_fs_sync_directory(fs, "/"));
    EXPECT_OK(io_fs_sync_directory(fs, SIM_BROKER_DIR));
    EXPECT_OK(io_fs_replace(fs, DIRECTORY "/partition.metadata",
                            BYTES_LITERAL("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ")));
    sync_names(disk);
    return disk;
}

static struct io_file *file_open(struct sim_disk *disk, const char *name)
{
    AUTO(mem_freep) char *path = mem_printf(DIRECTORY "/%s", name);
    struct io_file *file = NULL;
    EXPECT_OK(io_file_open(sim_disk_fs(disk), path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    return file;
}

static void sync_file(struct sim_disk *disk, const char *name)
{
    AUTO(io_file_unrefp) struct io_file *file = file_open(disk, name);
    EXPECT_OK(io_file_sync(file));
}

/* A batch of two records, which is not flushed. */
static void append(struct sim_disk *disk, const char *name, int64_t base_offset)
{
    AUTO(mem_freep) char *path = mem_printf(DIRECTORY "/%s", name);
    AUTO(io_file_unrefp) struct io_file *file = file_open(disk, name);
    struct io_stat st;
    EXPECT_OK(io_fs_stat(sim_disk_fs(disk), path, &st));
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.base_offset = base_offset;
    options.leader_epoch = 0;
    struct batch_builder builder;
    struct bytes batch;
    batch_builder_init(&builder, &options);
    for (int i = 0; i < 2; i++)
        EXPECT_OK(
            batch_builder_add(&builder, i, BYTES_LITERAL("key"), BYTES_LITERAL("value"), NULL, 0));
    EXPECT_OK(batch_builder_finish(&builder, &batch));
    EXPECT_OK(io_file_write(file, st.size_bytes, batch.data, batch.size));
    batch_builder_deinit(&builder);
}

static void append_flushed(struct sim_disk *disk, const char *name, int64_t base_offset)
{
    append(disk, name, base_offset);
    sync_file(disk, name);
    sync_names(disk);
}

static void rename_to(struct sim_disk *disk, const char *from, const char *to)
{
    AUTO(mem_freep) char *old = mem_printf(DIRECTORY "/%s", from);
    AUTO(mem_freep) char *new = mem_printf(DIRECTORY "/%s", to);
    EXPECT_OK(io_fs_rename(sim_disk_fs(disk), old, new));
}

static int64_t end_of(const struct sim_disk *disk, enum sim_view view)
{
    struct rot *rot = rot_new(NULL); /* no bit has flipped */
    struct disk_log log = { .disk = disk, .rot = rot, .view = view };
    disk_log_scan(&log, TOPIC, 0);
    const int64_t end = log.end;
    disk_log_deinit(&log);
    rot_free(rot);
    return end;
}

TEST(disk_log, ends_before_what_is_not_flushed)
{
    struct sim_disk *disk = disk_with_directory(context->seed);
    append_flushed(disk, SEGMENT(0), 0);
    append_flushed(disk, SEGMENT(4), 4);
    append(disk, SEGMENT(0), 2);
    EXPECT_EQ(end_of(disk, SIM_VOLATILE), 6);
    EXPECT_EQ(end_of(disk, SIM_STABLE), 2);
    sim_disk_free(disk);
}

/* The third segment has its name already, and one that compaction made is about to take the place of the first: it tells nothing
 * of what is missing behind the second. (Seed 1215124: a commit that had not been flushed counted as one that cannot go.) */
TEST(disk_log, ends_before_what_is_not_flushed_while_compaction_replaces_an_earlier_segment)
{
    struct sim_disk *disk = disk_with_directory(context->seed);
    append_flushed(disk, SEGMENT(0), 0);
    append_flushed(disk, SWAP(0), 0);
    append_flushed(disk, SEGMENT(2), 2);
    append(disk, SEGMENT(2), 4);
    io_file_unref(file_open(disk, SEGMENT(6)));
    sync_names(disk);
    append(disk, SEGMENT(6), 6);
    rename_to(disk, SEGMENT(0), DELETED(0));
    EXPECT_EQ(end_of(disk, SIM_VOLATILE), 8);
    EXPECT_EQ(end_of(disk, SIM_STABLE), 4);
    sim_disk_free(disk);
}

/* Nothing was lost there, however far the node has come with the new segment, which ends where the gap begins. */
TEST(disk_log, goes_on_behind_a_gap_while_compaction_replaces_the_segment_before_it)
{
    struct sim_disk *disk = disk_with_directory(context->seed);
    append_flushed(disk, SEGMENT(0), 0);
    append_flushed(disk, SEGMENT(2), 2);
    append_flushed(disk, SEGMENT(6), 6);
    EXPECT_EQ(end_of(disk, SIM_STABLE), 8);
    append_flushed(disk, SWAP(0), 0);
    append_flushed(disk, SWAP(0), 2);
    EXPECT_EQ(end_of(disk, SIM_STABLE), 8);
    rename_to(disk, SEGMENT(0), DELETED(0));
    rename_to(disk, SEGMENT(2), DELETED(2));
    EXPECT_EQ(end_of(disk, SIM_VOLATILE), 8);
    EXPECT_EQ(end_of(disk, SIM_STABLE), 8);
    sync_names(disk);
    EXPECT_EQ(end_of(disk, SIM_STABLE), 8);
    sim_disk_free(disk);
}
