/* kafka-dump-log: indexes, held against the segment that lies beside them, and producer snapshots. */
#include "cli/dump_log.h"

#include "base/be.h"
#include "wire/messages/producer_snapshot.h"

#include <string.h>

#define OFFSET_ENTRY_BYTES      8
#define TIME_ENTRY_BYTES        12
#define TRANSACTION_ENTRY_BYTES 34
#define INDEX_BYTES_MAX         (1u << 30)
#define SNAPSHOT_BYTES_MAX      (1u << 30)
#define BATCH_BYTES_MAX         (256u << 20)

/* ---- files ----------------------------------------------------------------------------------- */

static int unreadable(struct dump *d, const char *path, int result)
{
    cli_err(d->context, "%s cannot be read: %s\n", path, err_sentence(result));
    return result;
}

/* A whole file. The bytes are in the arena. */
static int read_whole(struct dump *d, struct io_file *file, const char *path, uint32_t bytes_max,
                      struct bytes *out)
{
    const int64_t size = io_file_size(file);
    if (size < 0)
        return unreadable(d, path, (int)size);
    if (size > bytes_max)
        return unreadable(d, path, -ERR_LIMIT);
    uint8_t *bytes = arena_must_zalloc(&d->arena, (size_t)size + 1, 1);
    const int64_t n = io_file_read(file, 0, bytes, (size_t)size);
    if (n < 0)
        return unreadable(d, path, (int)n);
    *out = bytes_from(bytes, (size_t)n);
    return 0;
}

/* The base offset in a file's name. */
static int base_offset(struct dump *d, const char *path, int64_t *out)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    if (bytes_to_i64(bytes_from(name, strcspn(name, ".")), out) == 0)
        return 0;
    cli_err(d->context, "%s: its name tells no offset\n", path);
    return -ERR_MALFORMED;
}

/* The path of the file beside this one that has another suffix, in the arena. */
static const char *beside(struct dump *d, const char *path, const char *suffix)
{
    const char *dot = strrchr(path, '.');
    return arena_printf(&d->arena, "%.*s%s", (int)(dot - path), path, suffix);
}

struct segment {
    struct io_file *file;
    const char *path;
    struct buf buffer;
};

static int segment_open(struct dump *d, const char *index_path, struct segment *out)
{
    *out = (struct segment){ .path = beside(d, index_path, ".log") };
    buf_init(&out->buffer, BATCH_BYTES_MAX);
    const int r = io_file_open(io_get_fs(d->context->io), out->path, IO_OPEN_READ, &out->file);
    return r < 0 ? unreadable(d, out->path, r) : 0;
}

static void segment_close(struct segment *segment)
{
    if (segment->file != NULL)
        io_file_unref(segment->file);
    buf_deinit(&segment->buffer);
}

/* ---- offset indexes -------------------------------------------------------------------------- */

struct offset_entry {
    int64_t offset;
    int64_t position;
};

static struct offset_entry offset_entry_at(struct bytes index, size_t i, int64_t base)
{
    const uint8_t *at = index.data + i * OFFSET_ENTRY_BYTES;
    return (struct offset_entry){ .offset = base + be_load_u32(at),
                                  .position = be_load_u32(at + 4) };
}

/* What a start would look at before it trusts the file. */
static int check_size(struct dump *d, const char *path, struct bytes index, size_t entry_bytes)
{
    if (index.size % entry_bytes == 0)
        return 0;
    cli_err(d->context,
            "Index file %s is corrupt, found %zu bytes which is neither positive nor a multiple of "
            "%zu.\n",
            path, index.size, entry_bytes);
    return -ERR_CORRUPT;
}

static void verify_offset(struct dump *d, const char *path, struct segment *log,
                          struct offset_entry entry)
{
    struct dump_batch batch;
    const int r = dump_read_batch(log->file, entry.position, &log->buffer, &batch);
    const int64_t found = r > 0 ? batch.last_offset : -1;
    if (found != entry.offset)
        dump_find(d, DUMP_INDEX_MISMATCH, path, entry.offset, found);
}

static void walk_offsets(struct dump *d, const char *path, struct bytes index, int64_t base,
                         struct segment *log)
{
    for (size_t i = 0; i < index.size / OFFSET_ENTRY_BYTES; i++) {
        const struct offset_entry entry = offset_entry_at(index, i, base);
        if (entry.offset == base && i > 0)
            return; /* the zeros of a file made ahead */
        verify_offset(d, path, log, entry);
        if (!d->verifies_only)
            cli_out(d->context, "offset: %" PRId64 " position: %" PRId64 "\n", entry.offset,
                    entry.position);
    }
}

int dump_offset_index(struct dump *d, struct io_file *file, const char *path)
{
    int64_t base;
    struct bytes index;
    int r = base_offset(d, path, &base);
    if (r == 0)
        r = read_whole(d, file, path, INDEX_BYTES_MAX, &index);
    if (r < 0)
        return r;
    if (index.size < OFFSET_ENTRY_BYTES) {
        cli_out(d->context, "%s is empty.\n", path);
        return 0;
    }
    if (d->checks_only) {
        r = check_size(d, path, index, OFFSET_ENTRY_BYTES);
        if (r == 0)
            cli_out(d->context, "%s passed sanity check.\n", path);
        return r;
    }
    struct segment log;
    r = segment_open(d, path, &log);
    if (r == 0)
        walk_offsets(d, path, index, base, &log);
    segment_close(&log);
    return r;
}

/* ---- time indexes ---------------------------------------------------------------------------- */

struct time_walk {
    struct dump *dump;
    const char *path;
    struct segment log;
    struct bytes times;
    struct bytes offsets; /* of the offset index beside; empty: none */
    int64_t base;
};

/* Where to begin to look for an offset. */
static int64_t position_of(const struct time_walk *w, int64_t offset)
{
    size_t low = 0;
    size_t high = w->offsets.size / OFFSET_ENTRY_BYTES;
    /* The zeros of a file made ahead are not part of the order. */
    while (high > 1 && offset_entry_at(w->offsets, high - 1, w->base).offset == w->base)
        high--;
    if (high == 0 || offset_entry_at(w->offsets, 0, w->base).offset > offset)
        return 0;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (offset_entry_at(w->offsets, middle, w->base).offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return offset_entry_at(w->offsets, low, w->base).position;
}

static int64_t largest_timestamp(const struct dump_batch *batch)
{
    struct dump_walk walk;
    struct record record;
    int64_t largest = -1;
    dump_walk_init(&walk, batch);
    while (dump_walk_next(&walk, &record) > 0)
        largest = MAX(largest, record.timestamp);
    dump_walk_deinit(&walk);
    return largest;
}

static void verify_time(struct time_walk *w, int64_t timestamp, int64_t offset, int64_t before)
{
    struct dump_batch batch;
    int64_t position = position_of(w, offset);
    int r;
    while ((r = dump_read_batch(w->log.file, position, &w->log.buffer, &batch)) > 0 &&
           batch.last_offset < offset)
        position += (int64_t)batch.size_bytes;
    if (r <= 0 || batch.last_offset != offset) {
        dump_find(w->dump, DUMP_TIME_NOT_FOUND, w->path, offset, r <= 0 ? -1 : batch.last_offset);
        return;
    }
    const int64_t found = largest_timestamp(&batch);
    if (found != timestamp)
        dump_find(w->dump, DUMP_TIME_MISMATCH, w->path, timestamp, found);
    if (before >= timestamp)
        dump_find(w->dump, DUMP_TIME_ORDER, w->path, timestamp, before);
}

static void walk_times(struct time_walk *w)
{
    int64_t before = -1;
    for (size_t i = 0; i < w->times.size / TIME_ENTRY_BYTES; i++) {
        const uint8_t *at = w->times.data + i * TIME_ENTRY_BYTES;
        const int64_t timestamp = be_load_i64(at);
        const int64_t offset = w->base + be_load_u32(at + 8);
        if (offset == w->base && i > 0)
            return;
        verify_time(w, timestamp, offset, before);
        if (!w->dump->verifies_only)
            cli_out(w->dump->context, "timestamp: %" PRId64 " offset: %" PRId64 "\n", timestamp,
                    offset);
        before = timestamp;
    }
}

static void read_offsets_beside(struct time_walk *w)
{
    struct io_file *file = NULL;
    const char *path = beside(w->dump, w->path, ".index");
    if (io_file_open(io_get_fs(w->dump->context->io), path, IO_OPEN_READ, &file) < 0)
        return; /* the log is walked from its beginning then */
    if (read_whole(w->dump, file, path, INDEX_BYTES_MAX, &w->offsets) < 0)
        w->offsets = BYTES_NULL;
    io_file_unref(file);
}

int dump_time_index(struct dump *d, struct io_file *file, const char *path)
{
    struct time_walk w = { .dump = d, .path = path };
    int r = base_offset(d, path, &w.base);
    if (r == 0)
        r = read_whole(d, file, path, INDEX_BYTES_MAX, &w.times);
    if (r < 0)
        return r;
    if (d->checks_only) {
        r = check_size(d, path, w.times, TIME_ENTRY_BYTES);
        if (r == 0)
            cli_out(d->context, "%s passed sanity check.\n", path);
        return r;
    }
    read_offsets_beside(&w);
    r = segment_open(d, path, &w.log);
    if (r == 0)
        walk_times(&w);
    segment_close(&w.log);
    return r;
}

/* ---- transactions and producers -------------------------------------------------------------- */

int dump_transaction_index(struct dump *d, struct io_file *file, const char *path)
{
    struct bytes index;
    const int r = read_whole(d, file, path, INDEX_BYTES_MAX, &index);
    for (size_t i = 0; r == 0 && i < index.size / TRANSACTION_ENTRY_BYTES; i++) {
        const uint8_t *at = index.data + i * TRANSACTION_ENTRY_BYTES;
        cli_out(d->context,
                "version: %d producerId: %" PRId64 " firstOffset: %" PRId64 " lastOffset: %" PRId64
                " lastStableOffset: %" PRId64 "\n",
                (int16_t)be_load_u16(at), be_load_i64(at + 2), be_load_i64(at + 10),
                be_load_i64(at + 18), be_load_i64(at + 26));
    }
    return r;
}

static void print_producer(struct dump *d, const struct producer_snapshot_producer_entry *e)
{
    cli_out(d->context,
            "producerId: %" PRId64 " producerEpoch: %d coordinatorEpoch: %" PRId32
            " currentTxnFirstOffset: ",
            e->producer_id, e->epoch, e->coordinator_epoch);
    if (e->current_txn_first_offset < 0)
        cli_out(d->context, "OptionalLong.empty");
    else
        cli_out(d->context, "OptionalLong[%" PRId64 "]", e->current_txn_first_offset);
    cli_out(d->context, " lastTimestamp: %" PRId64, e->timestamp);
    if (e->last_offset >= 0)
        cli_out(d->context,
                " firstSequence: %" PRId32 " lastSequence: %" PRId32 " lastOffset: %" PRId64
                " offsetDelta: %" PRId32 " timestamp: %" PRId64,
                e->last_sequence - e->offset_delta, e->last_sequence, e->last_offset,
                e->offset_delta, e->timestamp);
    cli_out(d->context, "\n");
}

/* version i16, message; a damaged one is told and is no failure, as in Kafka. */
int dump_producer_snapshot(struct dump *d, struct io_file *file, const char *path)
{
    struct bytes content;
    struct err_note note = { 0 };
    struct producer_snapshot snapshot;
    int r = read_whole(d, file, path, SNAPSHOT_BYTES_MAX, &content);
    if (r < 0)
        return r;
    struct reader reader = reader_from(content);
    const int16_t version = read_i16(&reader);
    r = reader_is_ok(&reader)
            ? wire_decode(&producer_snapshot_message, version, &reader, &d->arena, &snapshot, &note)
            : -ERR_OVERRUN;
    if (r < 0)
        cli_err(d->context, "%s: %s\n", path, note.text[0] == '\0' ? err_sentence(r) : note.text);
    for (int32_t i = 0; r == 0 && i < snapshot.producer_entries_count; i++)
        print_producer(d, &snapshot.producer_entries[i]);
    return 0;
}
