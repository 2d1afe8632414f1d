/* The sparse indexes of one segment: from offset to position, and from time to offset.
 *
 *   .index      8 bytes an entry    offset - base i32, position i32
 *                                   the last offset of a batch, and where the batch begins
 *   .timeindex  12 bytes an entry   timestamp i64, offset - base i32
 *                                   the largest timestamp so far, and the last offset of its batch
 *
 * Big-endian; entries ascend in both columns, but for the offset of one that names a damaged batch in a time index. Kafka preallocates the files of the segment it writes
 * to, so that one that was killed has a tail of zeros. New entries gather in memory and go to the
 * file many at a time; the file of the segment being written to may therefore lag behind, and is
 * what it should be after a clean close. Nothing is lost when entries are: a lookup then begins
 * further ahead. Inside this folder only. Threads: the log's.
 */
#pragma once

#include "log/log_files.h"
#include "log/place.h"

enum index_kind { INDEX_OFFSET, INDEX_TIME };

#define INDEX_PENDING_MAX  64u
#define INDEX_ENTRY_OFFSET 8u
#define INDEX_ENTRY_TIME   12u

/* Why an index file is of no use. */
enum index_fault {
    INDEX_IS_RIGHT,
    INDEX_IS_MISSING,
    INDEX_IS_EMPTY,
    INDEX_HAS_ODD_SIZE,   /* no multiple of an entry's */
    INDEX_ENDS_BADLY,     /* its last entry is none of this segment */
    INDEX_HAS_WRONG_TIME, /* the last batch it names is of another time, or not there */
    INDEX_LACKS_TIMES,    /* a batch behind the last that it names is later */
    INDEX_MISLEADS,       /* where it led to, no batch of its offset begins */
};

struct index {
    enum index_kind kind;
    enum index_fault fault; /* found, and not told yet (log__tell_mended) */
    bool is_ready;          /* disk_count is known */
    bool has_file;          /* it was there when the log was opened */
    bool is_dirty;          /* the file was written since the last sync */
    uint32_t disk_count;    /* entries in the file */
    uint32_t pending_count; /* entries after them, in memory */
    uint8_t *pending;       /* owned; NULL when there is none */
    struct log_file file;
};

struct index_entry {
    int64_t key;    /* offset - base, or timestamp */
    uint32_t value; /* position, or offset - base */
};

void index_init(struct index *index, enum index_kind kind);
void index_deinit(struct index *index,
                  struct log_files *files); /* closes the file; pending entries are lost */

static inline uint32_t index_entry_bytes(enum index_kind kind)
{
    return kind == INDEX_OFFSET ? INDEX_ENTRY_OFFSET : INDEX_ENTRY_TIME;
}
static inline uint32_t index_count(const struct index *index) /* ready ones only */
{
    return index->disk_count + index->pending_count;
}

/* Where an index belongs. */
struct index_place {
    const struct log_place *log;
    int64_t base_offset;
    bool is_swapping; /* see segment.h */
};

/* What entries of a segment may say at most. */
struct index_limits {
    uint32_t segment_bytes;  /* positions lie below */
    int64_t relative_offset; /* offset - base */
};

/* Where a read of the file would have to wait: set with -ERR_WOULD_BLOCK, when place.log->may_sleep is false. */
struct index_wait {
    struct io_file *file; /* borrowed */
    int64_t position;
    int64_t size_bytes;
};

/* Finds out how many entries the file holds. What does not fit (no file beside batches, a size that
 * is no multiple, zeros at the end, a last entry outside of the limits) makes it count as empty, and is its fault: 1
 * is answered then, else 0; or -ERR_WOULD_BLOCK, or what io says. */
MUST_CHECK int index_load(struct index *index, struct index_place place, struct index_limits limits,
                          struct index_wait *out_wait);

/* Adds one, in order. Room is made by index_flush when INDEX_PENDING_MAX are pending. */
void index_add(struct index *index, struct index_entry entry);
bool index_is_pending_full(const struct index *index);
/* Writes the pending entries to the file. On failure they stay pending. */
MUST_CHECK int index_flush(struct index *index, struct index_place place);
/* Gives up pending entries that cannot be written: the index becomes sparser. */
void index_drop_pending(struct index *index);

/* The last entry whose key is at most `key`: 1, or 0 when there is none. Or -ERR_WOULD_BLOCK,
 * -ERR_CORRUPT (it is not there, or is no entry: keys are not negative), or what io says. The index is ready. */
MUST_CHECK int index_find(struct index *index, struct index_place place, int64_t key,
                          struct index_entry *out, struct index_wait *out_wait);
/* The first entry whose value is at least `value`; as index_find. */
MUST_CHECK int index_find_value(struct index *index, struct index_place place, uint32_t value,
                                struct index_entry *out, struct index_wait *out_wait);
/* The last entry of all; as index_find. */
MUST_CHECK int index_last(struct index *index, struct index_place place, struct index_entry *out,
                          struct index_wait *out_wait);

/* Writes what is pending and cuts the file to its entries, making it if it is absent: what a reader
 * of a sealed segment finds. */
MUST_CHECK int index_seal(struct index *index, struct index_place place);

/* Makes the index hold exactly these entries (in file form), having compared them with the file:
 * what is there already is not written again, and up to INDEX_PENDING_MAX further ones stay
 * pending. */
MUST_CHECK int index_replace(struct index *index, struct index_place place, const uint8_t *entries,
                             uint32_t count);

/* Makes the index hold exactly these entries (in file form), all of them in memory: the file is not touched, and stays as useless
 * as it was until index_seal writes them. `entries` is taken. */
void index_adopt(struct index *index, uint8_t *entries, uint32_t count);

/* Borrowed; opened for writing. */
MUST_CHECK int index_file(struct index *index, struct index_place place, bool create,
                          struct io_file **out);

void index_encode(enum index_kind kind, struct index_entry entry, uint8_t *out);
struct index_entry index_decode(enum index_kind kind, const uint8_t *bytes);
