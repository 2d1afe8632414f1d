/* The text files of a log directory: what was written by another version, or only in part.
 *
 * Input: a byte, then the file: 0 offsets by partition, 1 leader epochs, 2 meta.properties, 3
 * partition.metadata, 4 clean shutdown. Property: what is read can be written, and is read again as
 * the same.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "log/dirs/meta_properties.h"
#include "log/dirs/offset_checkpoint.h"
#include "log/epochs.h"
#include "log/small_files.h"
#include "sim/sim_disk.h"

#include <string.h>

static void put_file(struct io_fs *fs, const char *path, const uint8_t *data, size_t size)
{
    struct io_file *file;
    ASSERT(io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file) == 0);
    ASSERT(io_file_write(file, 0, data, size) == 0);
    io_file_unref(file);
}

static void try_offsets(struct io_fs *fs)
{
    struct offset_checkpoint first;
    struct offset_checkpoint second;
    if (offset_checkpoint_read(fs, "/d/f", &first, NULL) < 0)
        return;
    /* A NUL ends a topic here, and so may leave it empty: no such line is ever written. */
    bool has_empty = false;
    for (size_t i = 0; i < first.entries.count; i++)
        has_empty |= first.entries.items[i].topic[0] == '\0';
    if (!has_empty) {
        ASSERT(offset_checkpoint_write(fs, "/d/g", &first, NULL, NULL) == 0);
        ASSERT(offset_checkpoint_read(fs, "/d/g", &second, NULL) == 0);
        ASSERT(second.entries.count == first.entries.count);
        for (size_t i = 0; i < first.entries.count; i++) {
            ASSERT(strcmp(first.entries.items[i].topic, second.entries.items[i].topic) == 0);
            ASSERT(first.entries.items[i].offset == second.entries.items[i].offset);
        }
        offset_checkpoint_deinit(&second);
    }
    offset_checkpoint_deinit(&first);
}

static void try_epochs(struct io_fs *fs)
{
    struct epochs first;
    struct epochs second;
    if (epochs_read(fs, "/d", &first, NULL) < 0)
        return;
    struct buf text;
    buf_init(&text, EPOCHS_FILE_BYTES_MAX);
    epochs_encode(&first, &text);
    put_file(fs, "/d/" EPOCHS_FILE_NAME, text.data, text.size);
    ASSERT(epochs_read(fs, "/d", &second, NULL) == 0);
    ASSERT(first.entries.count == second.entries.count);
    for (size_t i = 1; i < first.entries.count; i++) {
        ASSERT(first.entries.items[i].epoch > first.entries.items[i - 1].epoch);
        ASSERT(first.entries.items[i].start_offset > first.entries.items[i - 1].start_offset);
    }
    buf_deinit(&text);
    epochs_deinit(&first);
    epochs_deinit(&second);
}

static void try_meta(struct io_fs *fs)
{
    struct meta_properties first;
    struct meta_properties second;
    if (meta_properties_read(fs, "/d", &first, NULL) < 0 || first.version == 0)
        return;
    ASSERT(meta_properties_write(fs, "/d", &first, 0, NULL) == 0);
    ASSERT(meta_properties_read(fs, "/d", &second, NULL) == 0);
    ASSERT(first.node_id == second.node_id && strcmp(first.cluster_id, second.cluster_id) == 0);
    ASSERT(uuid_equal(first.directory_id, second.directory_id));
}

static void try_partition(struct io_fs *fs)
{
    struct uuid first;
    struct uuid second;
    if (partition_metadata_read(fs, "/d", &first, NULL) < 0 || uuid_is_zero(first))
        return;
    ASSERT(partition_metadata_write(fs, "/d", first, NULL) == 0);
    ASSERT(partition_metadata_read(fs, "/d", &second, NULL) == 0);
    ASSERT(uuid_equal(first, second));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = { "/d/f", "/d/" EPOCHS_FILE_NAME, "/d/" META_PROPERTIES_NAME,
                                         "/d/" PARTITION_METADATA_NAME, "/d/" CLEAN_SHUTDOWN_NAME };
    if (size == 0)
        return 0;
    const size_t kind = data[0] % ARRAY_LEN(paths);
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    ASSERT(io_fs_make_directory(fs, "/d") == 0);
    put_file(fs, paths[kind], data + 1, size - 1);
    int64_t epoch;
    switch (kind) {
    case 0:
        try_offsets(fs);
        break;
    case 1:
        try_epochs(fs);
        break;
    case 2:
        try_meta(fs);
        break;
    case 3:
        try_partition(fs);
        break;
    default:
        ASSERT(clean_shutdown_take(fs, "/d", &epoch, NULL) == 1);
        ASSERT(epoch >= -1);
    }
    sim_disk_free(disk);
    return 0;
}
