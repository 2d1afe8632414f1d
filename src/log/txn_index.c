/* Aborted transactions on disk: see txn_index.h. */
#include "log/txn_index.h"

#include "base/be.h"
#include "base/mem.h"
#include "log/names.h"

#include <errno.h>

#define TXN_INDEX_VERSION 0
#define AT_LAST_OFFSET    18

void txn_index_put(struct buf *out, const struct producer_ended_txn *ended)
{
    buf_put_i16(out, TXN_INDEX_VERSION);
    buf_put_i64(out, ended->producer_id);
    buf_put_i64(out, ended->first_offset);
    buf_put_i64(out, ended->marker_offset);
    buf_put_i64(out, ended->last_stable_offset);
}

static char *path_of(const struct log_place *place, int64_t base_offset)
{
    return log_name_path(place->directory, (struct log_name){ .kind = LOG_NAME_TXN_INDEX,
                                                              .base_offset = base_offset });
}

int txn_index_append(const struct log_place *place, int64_t base_offset, struct bytes entries)
{
    if (entries.size == 0)
        return 0;
    AUTO(mem_freep) char *path = path_of(place, base_offset);
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    const int r = io_file_open(place->fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    if (r < 0)
        return r;
    const int64_t size = io_file_size(file);
    if (size < 0)
        return (int)size;
    return io_file_write(file, size, entries.data, entries.size);
}

static int write_all(const struct log_place *place, const char *path, struct bytes entries)
{
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    const int r =
        io_file_open(place->fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    return r < 0 ? r : io_file_write(file, 0, entries.data, entries.size);
}

int txn_index_replace(const struct log_place *place, int64_t base_offset, struct bytes entries)
{
    AUTO(mem_freep) char *path = path_of(place, base_offset);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    int r = io_fs_read_whole(place->fs, path, TXN_INDEX_BYTES_MAX, &data, &size);
    if (r == -ENOENT)
        return entries.size == 0 ? 0 : write_all(place, path, entries);
    if (r < 0 && r != -ERR_LIMIT)
        return r;
    if (r == 0 && size > 0 && bytes_equal(bytes_from(data, size), entries))
        return 0;
    if (entries.size > 0)
        return write_all(place, path, entries);
    r = io_fs_unlink(place->fs, path);
    return r == -ENOENT ? 0 : r;
}

int txn_index_truncate(const struct log_place *place, int64_t base_offset, int64_t end_offset)
{
    AUTO(mem_freep) char *path = path_of(place, base_offset);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    const int r = io_fs_read_whole(place->fs, path, TXN_INDEX_BYTES_MAX, &data, &size);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    size_t kept = 0;
    while (kept + TXN_INDEX_ENTRY_BYTES <= size && be_load_i16(data + kept) == TXN_INDEX_VERSION &&
           be_load_i64(data + kept + AT_LAST_OFFSET) < end_offset)
        kept += TXN_INDEX_ENTRY_BYTES;
    return kept == size ? 0 : txn_index_replace(place, base_offset, bytes_from(data, kept));
}
