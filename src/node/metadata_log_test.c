/* The files behind the quorum: what is told of those that are not whole. */
#include "node/metadata_log.h"

#include "base/test.h"
#include "sim/sim_world.h"

#include <errno.h>

#define SNAPSHOTS "/a/__cluster_metadata-0/"

static void write_file(struct io_fs *fs, const char *path, struct bytes bytes)
{
    struct io_file *file;
    EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    EXPECT_OK(io_file_write(file, 0, bytes.data, bytes.size));
    io_file_unref(file);
}

static void on_line(void *context, enum diag_level level, const char *part, const char *text)
{
    (void)part;
    (void)text;
    *(int *)context += level == DIAG_WARN;
}

/* A snapshot that cannot be opened is told of with its own trouble, whatever is wrong with one before it. */
TEST(metadata_log, tells_what_is_wrong_with_the_newest_snapshot)
{
    struct sim_world *world = sim_world_new(context->seed);
    struct sim_node *machine = sim_node_new(world, "broker");
    struct io_fs *fs = io_get_fs(sim_node_io(machine));
    static const uint8_t garbage[200];
    EXPECT_OK(io_fs_make_directories(fs, SNAPSHOTS));
    write_file(fs, SNAPSHOTS "00000000000000000010-0000000001.checkpoint",
               bytes_from(garbage, sizeof(garbage)));
    write_file(fs, SNAPSHOTS "00000000000000000020-0000000001.checkpoint",
               bytes_from(garbage, sizeof(garbage)));
    sim_disk_add_fault(
        sim_node_disk(machine),
        &(struct sim_fault){ .calls = SIM_OPEN, .path_part = "020-", .error = -EACCES });
    int warnings = 0;
    const struct diag diag = { .line = on_line, .context = &warnings };
    const struct metadata_log_params params = { .io = sim_node_io(machine),
                                                .diag = &diag,
                                                .log_dir = "/a" };
    const struct log_owner owner = { 0 };
    struct metadata_log log;
    struct err_note note = { 0 };
    EXPECT_ERR(metadata_log_open(&log, &params, &owner, &note), EACCES);
    EXPECT_TEXT(note.text, "snapshot " SNAPSHOTS
                           "00000000000000000020-0000000001.checkpoint: Permission denied");
    EXPECT_EQ(warnings, 1); /* of the older one */
    sim_world_free(world);
}
