/* The indexes of a segment, on disk and in memory: see index.h. */
#include "log/index.h"

#include "base/be.h"
#include "base/mem.h"
#include "log/names.h"

#include <errno.h>

#define WINDOW_ENTRIES 340u /* one read near the end of a search: about 4 KiB */

void index_init(struct index *index, enum index_kind kind)
{
    *index = (struct index){ .kind = kind };
}

void index_drop_pending(struct index *index)
{
    mem_free(index->pending);
    index->pending = NULL;
    index->pending_count = 0;
}

void index_deinit(struct index *index, struct log_files *files)
{
    log_file_close(files, &index->file);
    index_drop_pending(index);
}

/* ---- one entry ------------------------------------------------------------------------------- */

void index_encode(enum index_kind kind, struct index_entry entry, uint8_t *out)
{
    if (kind == INDEX_OFFSET) {
        be_store_u32(out, (uint32_t)entry.key);
        be_store_u32(out + 4, entry.value);
    } else {
        be_store_u64(out, (uint64_t)entry.key);
        be_store_u32(out + 8, entry.value);
    }
}

struct index_entry index_decode(enum index_kind kind, const uint8_t *bytes)
{
    if (kind == INDEX_OFFSET)
        return (struct index_entry){ be_load_i32(bytes), be_load_u32(bytes + 4) };
    return (struct index_entry){ be_load_i64(bytes), be_load_u32(bytes + 8) };
}

static const uint8_t *pending_at(const struct index *index, uint32_t i)
{
    return index->pending + (size_t)i * index_entry_bytes(index->kind);
}

/* Where a search ends: both columns ascend. */
struct bound {
    bool is_of_value; /* below are values less than `limit`; else keys of at most `limit` */
    int64_t limit;
};

static bool is_below(struct index_entry entry, struct bound bound)
{
    return bound.is_of_value ? (int64_t)entry.value < bound.limit : entry.key <= bound.limit;
}

/* How many of `count` entries in file form are below the bound. */
static uint32_t count_below(enum index_kind kind, const uint8_t *entries, uint32_t count,
                            struct bound bound)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (is_below(index_decode(kind, entries + (size_t)middle * index_entry_bytes(kind)), bound))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- the file -------------------------------------------------------------------------------- */

int index_file(struct index *index, struct index_place place, bool create, struct io_file **out)
{
    const struct log_name name = {
        .kind = index->kind == INDEX_OFFSET ? LOG_NAME_OFFSET_INDEX : LOG_NAME_TIME_INDEX,
        .base_offset = place.base_offset,
    };
    return log_place_file(place.log, &index->file, name, place.is_swapping,
                          IO_OPEN_READ | IO_OPEN_WRITE | (create ? IO_OPEN_CREATE : 0), out);
}

/* Entries [first, first + count) of the file; -ERR_CORRUPT when they are not there. */
static int read_entries(struct index *index, struct index_place place, uint32_t first,
                        uint32_t count, uint8_t *out, struct index_wait *out_wait)
{
    const uint32_t entry_bytes = index_entry_bytes(index->kind);
    const int64_t position = (int64_t)first * entry_bytes;
    const size_t size = (size_t)count * entry_bytes;
    struct io_file *file;
    const int r = index_file(index, place, false, &file);
    if (r < 0)
        return r == -ENOENT ? -ERR_CORRUPT : r;
    const int64_t n = place.log->may_sleep ? io_file_read(file, position, out, size)
                                           : io_file_read_cached(file, position, out, size);
    if (n == -EAGAIN) {
        *out_wait = (struct index_wait){ file, position, (int64_t)size };
        return -ERR_WOULD_BLOCK;
    }
    if (n < 0)
        return (int)n;
    return (size_t)n == size ? 0 : -ERR_CORRUPT;
}

/* Whether an entry can be the last one of a segment: zeros are what was preallocated and never
 * written. */
static bool is_plausible(enum index_kind kind, struct index_entry entry, struct index_limits limits)
{
    if (kind == INDEX_OFFSET) {
        return entry.key > 0 && entry.key <= limits.relative_offset && entry.value > 0 &&
               entry.value < limits.segment_bytes;
    }
    return entry.key >= 0 && (int64_t)entry.value <= limits.relative_offset &&
           (entry.key > 0 || entry.value > 0);
}

static int find_fault(struct index *index, enum index_fault fault)
{
    index->is_ready = true;
    index->fault = fault;
    return 1;
}

int index_load(struct index *index, struct index_place place, struct index_limits limits,
               struct index_wait *out_wait)
{
    if (index->is_ready)
        return 0;
    struct io_file *file;
    int r = index_file(index, place, false, &file);
    if (r == -ENOENT && limits.segment_bytes > 0)
        return find_fault(index, INDEX_IS_MISSING);
    const int64_t size = r == -ENOENT ? 0 : r < 0 ? r : io_file_size(file);
    if (size < 0)
        return (int)size;
    const uint32_t entry_bytes = index_entry_bytes(index->kind);
    if (size % entry_bytes != 0 || size > INT32_MAX)
        return find_fault(index, INDEX_HAS_ODD_SIZE);
    const uint32_t count = (uint32_t)(size / entry_bytes);
    uint8_t last[INDEX_ENTRY_TIME];
    r = count == 0 ? 0 : read_entries(index, place, count - 1, 1, last, out_wait);
    if (r < 0 && r != -ERR_CORRUPT)
        return r;
    if (r < 0 || (count > 0 && !is_plausible(index->kind, index_decode(index->kind, last), limits)))
        return find_fault(index, INDEX_ENDS_BADLY);
    index->is_ready = true;
    index->disk_count = count;
    return 0;
}

/* ---- adding ---------------------------------------------------------------------------------- */

bool index_is_pending_full(const struct index *index)
{
    return index->pending_count >= INDEX_PENDING_MAX; /* more were adopted */
}

void index_add(struct index *index, struct index_entry entry)
{
    ASSERT(index->is_ready && index->pending_count < INDEX_PENDING_MAX);
    const uint32_t entry_bytes = index_entry_bytes(index->kind);
    if (index->pending == NULL)
        index->pending = mem_alloc((size_t)INDEX_PENDING_MAX * entry_bytes);
    index_encode(index->kind, entry, index->pending + (size_t)index->pending_count * entry_bytes);
    index->pending_count++;
}

int index_flush(struct index *index, struct index_place place)
{
    if (index->pending_count == 0)
        return 0;
    const uint32_t entry_bytes = index_entry_bytes(index->kind);
    struct io_file *file;
    int r = index_file(index, place, true, &file);
    if (r < 0)
        return r;
    r = io_file_write(file, (int64_t)index->disk_count * entry_bytes, index->pending,
                      (size_t)index->pending_count * entry_bytes);
    if (r < 0)
        return r;
    index->is_dirty = true;
    index->disk_count += index->pending_count;
    index_drop_pending(index);
    return 0;
}

int index_seal(struct index *index, struct index_place place)
{
    ASSERT(index->is_ready);
    int r = index_flush(index, place);
    if (r < 0)
        return r;
    struct io_file *file;
    r = index_file(index, place, true, &file);
    if (r < 0)
        return r;
    const int64_t wanted = (int64_t)index->disk_count * index_entry_bytes(index->kind);
    const int64_t size = io_file_size(file);
    if (size < 0)
        return (int)size;
    if (size == wanted)
        return 0;
    index->is_dirty = true;
    return io_file_truncate(file, wanted);
}

/* ---- lookups --------------------------------------------------------------------------------- */

/* How many entries of the file are below the bound, and the last of them, if there is one. */
static int find_on_disk(struct index *index, struct index_place place, struct bound bound,
                        uint32_t *out_count, struct index_entry *out, struct index_wait *out_wait)
{
    const uint32_t entry_bytes = index_entry_bytes(index->kind);
    uint32_t low = 0; /* entries before it are below */
    uint32_t high = index->disk_count;
    struct index_entry below = { 0 };
    while (high - low > WINDOW_ENTRIES) {
        const uint32_t middle = low + (high - low) / 2;
        uint8_t bytes[INDEX_ENTRY_TIME];
        const int r = read_entries(index, place, middle, 1, bytes, out_wait);
        if (r < 0)
            return r;
        const struct index_entry entry = index_decode(index->kind, bytes);
        if (is_below(entry, bound)) {
            low = middle + 1;
            below = entry;
        } else {
            high = middle;
        }
    }
    if (low < high) {
        uint8_t window[WINDOW_ENTRIES * INDEX_ENTRY_TIME];
        const int r = read_entries(index, place, low, high - low, window, out_wait);
        if (r < 0)
            return r;
        const uint32_t n = count_below(index->kind, window, high - low, bound);
        if (n > 0)
            below = index_decode(index->kind, window + (size_t)(n - 1) * entry_bytes);
        low += n;
    }
    *out_count = low;
    *out = below;
    return 0;
}

int index_find(struct index *index, struct index_place place, int64_t key, struct index_entry *out,
               struct index_wait *out_wait)
{
    ASSERT(index->is_ready);
    const struct bound bound = { .limit = key };
    uint32_t n = count_below(index->kind, index->pending, index->pending_count, bound);
    if (n > 0) {
        *out = index_decode(index->kind, pending_at(index, n - 1));
        return 1;
    }
    struct index_entry found;
    const int r = find_on_disk(index, place, bound, &n, &found, out_wait);
    if (r < 0 || n == 0)
        return r;
    *out = found;
    return found.key < 0 ? -ERR_CORRUPT : 1;
}

int index_find_value(struct index *index, struct index_place place, uint32_t value,
                     struct index_entry *out, struct index_wait *out_wait)
{
    ASSERT(index->is_ready);
    const struct bound bound = { .is_of_value = true, .limit = value };
    uint32_t n;
    struct index_entry before;
    int r = find_on_disk(index, place, bound, &n, &before, out_wait);
    if (r < 0)
        return r;
    if (n < index->disk_count) {
        uint8_t bytes[INDEX_ENTRY_TIME];
        r = read_entries(index, place, n, 1, bytes, out_wait);
        if (r < 0)
            return r;
        *out = index_decode(index->kind, bytes);
        return 1;
    }
    n = count_below(index->kind, index->pending, index->pending_count, bound);
    if (n == index->pending_count)
        return 0;
    *out = index_decode(index->kind, pending_at(index, n));
    return 1;
}

int index_last(struct index *index, struct index_place place, struct index_entry *out,
               struct index_wait *out_wait)
{
    ASSERT(index->is_ready);
    if (index_count(index) == 0)
        return 0;
    if (index->pending_count > 0) {
        *out = index_decode(index->kind, pending_at(index, index->pending_count - 1));
        return 1;
    }
    uint8_t bytes[INDEX_ENTRY_TIME];
    const int r = read_entries(index, place, index->disk_count - 1, 1, bytes, out_wait);
    if (r < 0)
        return r;
    *out = index_decode(index->kind, bytes);
    return 1;
}

/* ---- replacing ------------------------------------------------------------------------------- */

/* How many of the entries stand in the file already, from its beginning. */
static int count_equal(struct index *index, struct index_place place, const uint8_t *entries,
                       uint32_t count, uint32_t *out, int64_t *out_file_size)
{
    const uint32_t entry_bytes = index_entry_bytes(index->kind);
    *out = 0;
    *out_file_size = 0;
    struct io_file *file;
    const int r = index_file(index, place, false, &file);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    *out_file_size = io_file_size(file);
    if (*out_file_size < 0)
        return (int)*out_file_size;
    const size_t size = (size_t)MIN((int64_t)count * entry_bytes, *out_file_size);
    if (size == 0)
        return 0;
    AUTO(mem_freep) uint8_t *found = mem_alloc(size);
    const int64_t n = io_file_read(file, 0, found, size);
    if (n < 0)
        return (int)n;
    size_t same = 0;
    while (same < (size_t)n && found[same] == entries[same])
        same++;
    *out = (uint32_t)(same / entry_bytes);
    return 0;
}

int index_replace(struct index *index, struct index_place place, const uint8_t *entries,
                  uint32_t count)
{
    const uint32_t entry_bytes = index_entry_bytes(index->kind);
    uint32_t equal;
    int64_t file_size;
    int r = count_equal(index, place, entries, count, &equal, &file_size);
    if (r < 0)
        return r;
    index_drop_pending(index);
    index->is_ready = true;
    index->disk_count = equal;
    if (count - equal > INDEX_PENDING_MAX) {
        struct io_file *file;
        r = index_file(index, place, true, &file);
        if (r == 0) {
            r = io_file_write(file, (int64_t)equal * entry_bytes,
                              entries + (size_t)equal * entry_bytes,
                              (size_t)(count - equal) * entry_bytes);
        }
        if (r < 0)
            return r;
        index->disk_count = count;
        index->is_dirty = true;
    }
    for (uint32_t i = index->disk_count; i < count; i++)
        index_add(index, index_decode(index->kind, entries + (size_t)i * entry_bytes));
    if (file_size > (int64_t)index->disk_count * entry_bytes) {
        struct io_file *file;
        r = index_file(index, place, true, &file);
        if (r == 0)
            r = io_file_truncate(file, (int64_t)index->disk_count * entry_bytes);
        index->is_dirty = true;
    }
    return r;
}

void index_adopt(struct index *index, uint8_t *entries, uint32_t count)
{
    index_drop_pending(index);
    index->pending = entries;
    index->pending_count = count;
    index->disk_count = 0;
    index->is_ready = true;
}
