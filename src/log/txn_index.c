/* Aborted transactions on disk: see txn_index.h. */
#include "log/txn_index.h"

#include "base/be.h"
#include "base/mem.h"
#include "log/names.h"

#include <errno.h>

#define TXN_INDEX_VERSION 0
#define AT_FIRST_OFFSET   10
#define AT_LAST_OFFSET    18
#define WINDOW_ENTRIES    120u /* one read: about 4 KiB */

struct entry {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
    int64_t last_stable_offset;
};

static struct entry entry_at(const uint8_t *bytes)
{
    return (struct entry){ .producer_id = be_load_i64(bytes + 2),
                           .first_offset = be_load_i64(bytes + AT_FIRST_OFFSET),
                           .last_offset = be_load_i64(bytes + AT_LAST_OFFSET),
                           .last_stable_offset = be_load_i64(bytes + 26) };
}

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
    int r = io_file_open(place->fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file);
    if (r < 0)
        return r;
    const int64_t size = io_file_size(file);
    if (size < 0)
        return (int)size;
    r = io_file_write(file, size, entries.data, entries.size);
    if (r == 0)
        return 0;
    const int cut = io_file_truncate(file, size); /* a part of them would spoil those to come */
    return cut < 0 ? cut : r;
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
    int r = io_fs_read_whole(place->fs, path, TXN_INDEX_BYTES_MAX, &data, &size);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    size_t kept = 0;
    while (kept + TXN_INDEX_ENTRY_BYTES <= size && be_load_i16(data + kept) == TXN_INDEX_VERSION &&
           be_load_i64(data + kept + AT_LAST_OFFSET) < end_offset)
        kept += TXN_INDEX_ENTRY_BYTES;
    if (kept == 0)
        return io_fs_unlink(place->fs, path);
    if (kept == size)
        return 1;
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    r = io_file_open(place->fs, path, IO_OPEN_WRITE, &file);
    if (r == 0)
        r = io_file_truncate(file, (int64_t)kept); /* needs no room */
    return r < 0 ? r : 1;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* An absent file is an empty one. -ERR_LIMIT: no file of ours is so large. */
static int read_whole(const struct log_place *place, int64_t base_offset, uint8_t **out_data,
                      size_t *out_size)
{
    AUTO(mem_freep) char *path = path_of(place, base_offset);
    const int r = io_fs_read_whole(place->fs, path, TXN_INDEX_BYTES_MAX, out_data, out_size);
    if (r != -ENOENT)
        return r;
    *out_size = 0;
    return 0;
}

/* 0, or 1 when an entry is not what it should be. */
static int check_entries(const uint8_t *data, size_t size, int64_t base_offset, int64_t end_offset)
{
    int64_t last_offset = base_offset - 1;
    if (size % TXN_INDEX_ENTRY_BYTES != 0)
        return 1;
    for (size_t at = 0; at < size; at += TXN_INDEX_ENTRY_BYTES) {
        const struct entry entry = entry_at(data + at);
        /* The last stable offset is that of a transaction that was open, or follows the marker. */
        if (be_load_i16(data + at) != TXN_INDEX_VERSION || entry.producer_id < 0 ||
            entry.first_offset < 0 || entry.first_offset >= entry.last_offset ||
            entry.last_offset <= last_offset || entry.last_offset >= end_offset ||
            entry.last_stable_offset < 0 || entry.last_stable_offset > entry.last_offset + 1)
            return 1;
        last_offset = entry.last_offset;
    }
    return 0;
}

int txn_index_file(struct log_file *slot, const struct log_place *place, int64_t base_offset,
                   bool is_swapping, struct io_file **out)
{
    const struct log_name name = { .kind = LOG_NAME_TXN_INDEX, .base_offset = base_offset };
    return log_place_file(place, slot, name, is_swapping, IO_OPEN_READ, out);
}

/* Entries [first, first + count) of the file. */
static int read_entries(struct io_file *file, int64_t first, uint32_t count, bool may_sleep,
                        uint8_t *out, struct log_wait *out_wait)
{
    const int64_t position = first * TXN_INDEX_ENTRY_BYTES;
    const size_t size = (size_t)count * TXN_INDEX_ENTRY_BYTES;
    const int64_t n = may_sleep ? io_file_read(file, position, out, size)
                                : io_file_read_cached(file, position, out, size);
    if (n == -EAGAIN) {
        *out_wait = (struct log_wait){ .file = io_file_ref(file),
                                       .position = position,
                                       .size_bytes = (int64_t)size };
        return -ERR_WOULD_BLOCK;
    }
    return n < 0 ? (int)n : (size_t)n == size ? 0 : -ERR_CORRUPT;
}

/* The first entry whose marker is not below the offset: markers ascend. */
static int find_first(const struct txn_index_search *search, struct io_file *file, int64_t count,
                      bool may_sleep, int64_t *out, struct log_wait *out_wait)
{
    int64_t low = 0;
    int64_t high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        uint8_t bytes[TXN_INDEX_ENTRY_BYTES];
        const int r = read_entries(file, middle, 1, may_sleep, bytes, out_wait);
        if (r < 0)
            return r;
        if (entry_at(bytes).last_offset < search->offset)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return 0;
}

/* 1 when no later entry can be among them: what was stable as of the entry reaches beyond the end. */
static int search_entry(struct txn_index_search *search, const uint8_t *bytes)
{
    if (be_load_i16(bytes) != TXN_INDEX_VERSION)
        return -ERR_CORRUPT;
    const struct entry entry = entry_at(bytes);
    if (entry.last_offset >= search->offset && entry.first_offset < search->end_offset)
        VEC_ADD(&search->found, ((struct log_aborted_txn){ .producer_id = entry.producer_id,
                                                           .first_offset = entry.first_offset }));
    return entry.last_stable_offset >= search->end_offset ? 1 : 0;
}

int txn_index_search(struct txn_index_search *search, struct io_file *file, bool may_sleep,
                     struct log_wait *out_wait)
{
    const int64_t size = io_file_size(file);
    if (size < 0)
        return (int)size;
    if (size % TXN_INDEX_ENTRY_BYTES != 0)
        return -ERR_CORRUPT;
    const int64_t count = size / TXN_INDEX_ENTRY_BYTES;
    int64_t next = 0;
    int r = find_first(search, file, count, may_sleep, &next, out_wait);
    while (r == 0 && next < count) {
        uint8_t window[WINDOW_ENTRIES * TXN_INDEX_ENTRY_BYTES];
        const uint32_t n = (uint32_t)MIN(count - next, (int64_t)WINDOW_ENTRIES);
        r = read_entries(file, next, n, may_sleep, window, out_wait);
        for (uint32_t i = 0; i < n && r == 0; i++)
            r = search_entry(search, window + (size_t)i * TXN_INDEX_ENTRY_BYTES);
        next += n;
    }
    return r;
}

static struct producer_ended_txn ended_of(struct entry entry)
{
    return (struct producer_ended_txn){ .producer_id = entry.producer_id,
                                        .first_offset = entry.first_offset,
                                        .marker_offset = entry.last_offset,
                                        .last_stable_offset = entry.last_stable_offset,
                                        .is_aborted = true };
}

static void tell_entries(const uint8_t *data, size_t size, txn_index_entry_fn *entry, void *context)
{
    for (size_t at = 0; at + TXN_INDEX_ENTRY_BYTES <= size; at += TXN_INDEX_ENTRY_BYTES) {
        const struct producer_ended_txn ended = ended_of(entry_at(data + at));
        entry(context, &ended);
    }
}

/* A flipped bit spoils one member of an entry: the others are as good as before. False: not even whose it is can be told. */
static bool salvage_entry(const uint8_t *bytes, int64_t base_offset, int64_t end_offset,
                          struct producer_ended_txn *out)
{
    const uint32_t wrong_bits = (uint32_t)(uint16_t)be_load_i16(bytes) ^ TXN_INDEX_VERSION;
    struct entry entry = entry_at(bytes);
    if ((wrong_bits & (wrong_bits - 1)) != 0 || entry.producer_id < 0 ||
        entry.last_offset < base_offset || entry.last_offset >= end_offset)
        return false;
    if (entry.first_offset >= entry.last_offset)
        entry.first_offset = -1;
    entry.first_offset = MAX(entry.first_offset, -1);
    /* One that is too low costs a look at later entries; one that is too high hides them. */
    if (entry.last_stable_offset < 0 || entry.last_stable_offset > entry.last_offset + 1)
        entry.last_stable_offset = 0;
    *out = ended_of(entry);
    return true;
}

int txn_index_salvage(const struct log_place *place, int64_t base_offset, int64_t end_offset,
                      txn_index_entry_fn *entry, void *context)
{
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    const int r = read_whole(place, base_offset, &data, &size);
    if (r < 0)
        return r == -ERR_LIMIT ? 0 : r;
    for (size_t at = 0; at + TXN_INDEX_ENTRY_BYTES <= size; at += TXN_INDEX_ENTRY_BYTES) {
        struct producer_ended_txn ended;
        if (salvage_entry(data + at, base_offset, end_offset, &ended))
            entry(context, &ended);
    }
    return 0;
}

int txn_index_read_right(const struct log_place *place, int64_t base_offset, int64_t end_offset,
                         txn_index_entry_fn *entry, void *context)
{
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    const int r = read_whole(place, base_offset, &data, &size);
    if (r < 0)
        return r == -ERR_LIMIT ? 1 : r;
    if (end_offset == INT64_MAX)
        size -= size % TXN_INDEX_ENTRY_BYTES;
    if (check_entries(data, size, base_offset, end_offset) != 0)
        return 1;
    if (entry != NULL)
        tell_entries(data, size, entry, context);
    return 0;
}
