/* KRaft snapshot files: names, writing, reading. */
#include "raft/snapshot.h"

#include "raft/control.h"
#include "raft/raft.h"

#include <stdio.h>
#include <string.h>

#define OFFSET_DIGITS 20
#define EPOCH_DIGITS  10
#define NAME_SUFFIX   ".checkpoint"
#define PART_SUFFIX   ".part"
#define DELETED       ".deleted"

/* Snapshots are read back whole batches at a time, so those are kept smaller than they might be. */
#define BATCH_BYTES_WANTED (1 << 20)

int snapshot_id_compare(struct snapshot_id a, struct snapshot_id b)
{
    if (a.end_offset != b.end_offset)
        return a.end_offset < b.end_offset ? -1 : 1;
    return (a.epoch > b.epoch) - (a.epoch < b.epoch);
}

void snapshot_name(struct snapshot_id id, const char *suffix, char out[SNAPSHOT_NAME_SIZE])
{
    const int size =
        snprintf(out, SNAPSHOT_NAME_SIZE, "%020" PRId64 "-%010" PRId32 NAME_SUFFIX "%s",
                 id.end_offset, id.epoch, suffix);
    ASSERT(size > 0 && size < SNAPSHOT_NAME_SIZE);
}

static bool are_digits(struct bytes b)
{
    for (size_t i = 0; i < b.size; i++) {
        if (b.data[i] < '0' || b.data[i] > '9')
            return false;
    }
    return true;
}

static bool ends_with(struct bytes b, const char *suffix)
{
    const size_t size = strlen(suffix);
    return b.size >= size && memcmp(b.data + b.size - size, suffix, size) == 0;
}

enum snapshot_file_kind snapshot_name_parse(struct bytes name, struct snapshot_id *out)
{
    const size_t number_size = OFFSET_DIGITS + 1 + EPOCH_DIGITS;
    const struct bytes offset_text = bytes_slice(name, 0, OFFSET_DIGITS);
    const struct bytes epoch_text = bytes_slice(name, OFFSET_DIGITS + 1, EPOCH_DIGITS);
    int64_t offset;
    int64_t epoch;
    if (name.size <= number_size || name.data[OFFSET_DIGITS] != '-' || !are_digits(offset_text) ||
        !are_digits(epoch_text) || bytes_to_i64(offset_text, &offset) < 0 ||
        bytes_to_i64(epoch_text, &epoch) < 0 || epoch > INT32_MAX)
        return SNAPSHOT_FILE_NONE;
    const struct bytes rest = bytes_slice(name, number_size, name.size);
    enum snapshot_file_kind kind = SNAPSHOT_FILE_NONE;
    if (bytes_equal_text(rest, NAME_SUFFIX))
        kind = SNAPSHOT_FILE_WHOLE;
    else if (bytes_equal_text(rest, NAME_SUFFIX DELETED))
        kind = SNAPSHOT_FILE_DELETED;
    else if (ends_with(rest, NAME_SUFFIX PART_SUFFIX)) /* Kafka: a random infix before it */
        kind = SNAPSHOT_FILE_PART;
    if (kind != SNAPSHOT_FILE_NONE)
        *out = (struct snapshot_id){ .end_offset = offset, .epoch = (int32_t)epoch };
    return kind;
}

/* ---- writing ------------------------------------------------------------------------------------ */

static struct batch_options data_options(const struct snapshot_writer *w)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.base_offset = w->next_offset;
    options.leader_epoch = w->id.epoch;
    options.size_bytes_max = SNAPSHOT_BATCH_BYTES_MAX;
    return options;
}

static int keep_error(struct snapshot_writer *w, int r)
{
    if (r < 0 && w->error == 0)
        w->error = r;
    return w->error;
}

/* Hands out the batch in hand, if it has records. */
static int put_batch(struct snapshot_writer *w, struct batch_builder *b)
{
    if (w->error < 0 || b->record_count == 0)
        return w->error;
    struct bytes batch;
    int r = batch_builder_finish(b, &batch);
    if (r == 0)
        r = w->sink.put(w->sink.context, batch);
    if (r < 0)
        return keep_error(w, r);
    w->next_offset += b->record_count;
    w->size_bytes += batch.size;
    return 0;
}

int snapshot_writer_open(struct snapshot_writer *w, const struct snapshot_header *header,
                         int64_t wall_ms, struct snapshot_sink sink)
{
    *w = (struct snapshot_writer){ .sink = sink, .id = header->id, .wall_ms = wall_ms };
    struct batch_builder control;
    control_batch_init(&control, 0, header->id.epoch, SNAPSHOT_BATCH_BYTES_MAX);
    raft_control_put_snapshot_header(&control, wall_ms, header->last_contained_log_timestamp);
    if (header->kraft_version >= 1) {
        raft_control_put_kraft_version(&control, wall_ms, header->kraft_version);
        raft_control_put_voters(&control, wall_ms, header->voters);
    }
    (void)put_batch(w, &control); /* kept in w->error */
    batch_builder_deinit(&control);
    const struct batch_options options = data_options(w);
    batch_builder_init(&w->batch, &options);
    return w->error;
}

static int next_batch(struct snapshot_writer *w)
{
    const int r = put_batch(w, &w->batch);
    const struct batch_options options = data_options(w);
    batch_builder_reset(&w->batch, &options);
    return r;
}

int snapshot_writer_add(struct snapshot_writer *w, struct bytes value)
{
    if (w->error < 0)
        return w->error;
    if (w->batch.record_count > 0 &&
        batch_builder_size(&w->batch) + value.size > BATCH_BYTES_WANTED && next_batch(w) < 0)
        return w->error;
    return keep_error(w, batch_builder_add(&w->batch, w->wall_ms, BYTES_NULL, value, NULL, 0));
}

int snapshot_writer_finish(struct snapshot_writer *w)
{
    if (next_batch(w) < 0)
        return w->error;
    struct batch_builder control;
    control_batch_init(&control, w->next_offset, w->id.epoch, SNAPSHOT_BATCH_BYTES_MAX);
    raft_control_put_snapshot_footer(&control, w->wall_ms);
    (void)put_batch(w, &control);
    batch_builder_deinit(&control);
    return w->error;
}

void snapshot_writer_deinit(struct snapshot_writer *w)
{
    batch_builder_deinit(&w->batch);
}

/* ---- reading ------------------------------------------------------------------------------------ */

void snapshot_reader_init(struct snapshot_reader *r, struct snapshot_source source)
{
    *r = (struct snapshot_reader){ .source = source };
    buf_init(&r->batch, SNAPSHOT_BATCH_BYTES_MAX);
}

static void close_walk(struct snapshot_reader *r)
{
    if (r->walk_is_open)
        record_walk_deinit(&r->walk);
    r->walk_is_open = false;
}

void snapshot_reader_deinit(struct snapshot_reader *r)
{
    close_walk(r);
    buf_deinit(&r->batch);
}

/* Exactly size bytes at the reader's position, appended to its buffer. */
static int read_more(struct snapshot_reader *r, size_t size, struct err_note *note)
{
    const int64_t at = r->position + (int64_t)r->batch.size;
    uint8_t *place = buf_extend(&r->batch, size);
    ASSERT(place != NULL); /* sizes were checked against the maximum */
    const int64_t got = r->source.read(r->source.context, at, place, size);
    if (got < 0)
        return err_note(note, (int)got, "byte %" PRId64 " cannot be read", at);
    if ((size_t)got < size) {
        r->batch.size -= size - (size_t)got;
        return err_note(note, -ERR_OVERRUN,
                        "the file ends at byte %" PRId64 ", inside a batch or before its footer",
                        at + got);
    }
    return 0;
}

/* Reads one batch into the buffer: 1, 0 at the end of the file, or an error. */
static int read_batch(struct snapshot_reader *r, struct err_note *note)
{
    uint8_t probe;
    buf_clear(&r->batch);
    const int64_t got = r->source.read(r->source.context, r->position, &probe, 1);
    if (got < 0)
        return err_note(note, (int)got, "byte %" PRId64 " cannot be read", r->position);
    if (got == 0)
        return 0;
    int e = read_more(r, BATCH_PREFIX_BYTES, note);
    if (e < 0)
        return e;
    const int size = batch_size(buf_view(&r->batch));
    if (size < 0)
        return err_note(note, size, "byte %" PRId64 ": %s", r->position, err_sentence(size));
    if (size > SNAPSHOT_BATCH_BYTES_MAX) {
        return err_note(note, -ERR_LIMIT,
                        "byte %" PRId64 ": a batch of %d bytes; at most %d are read", r->position,
                        size, SNAPSHOT_BATCH_BYTES_MAX);
    }
    if ((size_t)size < r->batch.size)
        return err_note(note, -ERR_CORRUPT, "byte %" PRId64 ": a batch of %d bytes", r->position,
                        size);
    e = read_more(r, (size_t)size - r->batch.size, note);
    if (e < 0)
        return e;
    e = batch_parse(buf_view(&r->batch), &r->view);
    if (e >= 0)
        e = batch_check_crc(&r->view);
    if (e < 0)
        return err_note(note, e, "byte %" PRId64 ": %s", r->position, err_sentence(e));
    return 1;
}

/* Header first, once; footer last, once. */
static int check_place(struct snapshot_reader *r, enum control_type type, bool is_first,
                       struct err_note *note)
{
    if (is_first != (type == CONTROL_SNAPSHOT_HEADER)) {
        return err_note(note, -ERR_CORRUPT, "byte %" PRId64 ": %s", r->position,
                        is_first ? "the file does not begin with a snapshot header"
                                 : "a second snapshot header");
    }
    return 0;
}

static int look_at_control(struct snapshot_reader *r, struct err_note *note)
{
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, &r->view, NULL, SNAPSHOT_BATCH_BYTES_MAX);
    struct record record;
    int e;
    for (bool is_first = !r->has_header; (e = record_walk_next(&walk, &record)) > 0;
         is_first = false) {
        struct raft_control control;
        e = raft_control_parse(&record, &control, note);
        if (e < 0)
            return err_note_prefix(note, e, "byte %" PRId64, r->position);
        e = check_place(r, control.type, is_first, note);
        if (control.type == CONTROL_SNAPSHOT_HEADER && e == 0) {
            r->has_header = true;
            r->last_contained_log_timestamp = control.last_contained_log_timestamp;
        }
        r->has_footer = control.type == CONTROL_SNAPSHOT_FOOTER;
        raft_control_deinit(&control);
        if (e < 0)
            return e;
    }
    if (e < 0)
        return err_note(note, e, "byte %" PRId64 ": a control batch is broken", r->position);
    return 0;
}

int snapshot_reader_next_batch(struct snapshot_reader *r, struct batch_view *out,
                               struct err_note *note)
{
    close_walk(r);
    int e = read_batch(r, note);
    if (e < 0)
        return e;
    if (e == 0) {
        if (!r->has_footer) {
            return err_note(note, -ERR_OVERRUN,
                            "the file ends at byte %" PRId64 " without a footer", r->position);
        }
        return 0;
    }
    if (r->has_footer)
        return err_note(note, -ERR_CORRUPT, "byte %" PRId64 ": something follows the footer",
                        r->position);
    if ((r->view.attributes & BATCH_CONTROL) != 0)
        e = look_at_control(r, note);
    else if (!r->has_header)
        e = err_note(note, -ERR_CORRUPT, "the file does not begin with a snapshot header");
    if (e < 0)
        return e;
    r->position += (int64_t)r->view.bytes.size;
    *out = r->view;
    return 1;
}

int snapshot_reader_next(struct snapshot_reader *r, struct bytes *out_value, struct err_note *note)
{
    for (;;) {
        struct record record;
        int e = r->walk_is_open ? record_walk_next(&r->walk, &record) : 0;
        if (e > 0) {
            *out_value = record.value;
            return 1;
        }
        if (e < 0) {
            return err_note(note, e, "the batch before byte %" PRId64 " is broken", r->position);
        }
        struct batch_view batch;
        e = snapshot_reader_next_batch(r, &batch, note);
        if (e <= 0)
            return e;
        if ((batch.attributes & BATCH_CONTROL) == 0) {
            record_walk_init(&r->walk, &r->view, NULL, SNAPSHOT_BATCH_BYTES_MAX);
            r->walk_is_open = true;
        }
    }
}

/* ---- what formatting writes ------------------------------------------------------------------------ */

static int put_in_buf(void *context, struct bytes bytes)
{
    buf_put_bytes(context, bytes);
    return 0;
}

void snapshot_print_bootstrap(const struct bytes *values, uint32_t value_count, int64_t wall_ms,
                              struct buf *out)
{
    const struct snapshot_header header = { .id = { .end_offset = 0, .epoch = 0 } };
    const struct snapshot_sink sink = { .put = put_in_buf, .context = out };
    struct snapshot_writer w;
    int r = snapshot_writer_open(&w, &header, wall_ms, sink);
    for (uint32_t i = 0; r == 0 && i < value_count; i++)
        r = snapshot_writer_add(&w, values[i]);
    if (r == 0)
        r = snapshot_writer_finish(&w);
    if (r < 0)
        out->failed = true; /* a record too large for any batch */
    snapshot_writer_deinit(&w);
}

void snapshot_print_voters(const struct raft_voters *voters, int64_t wall_ms, struct buf *out)
{
    const struct snapshot_header header = { .id = { .end_offset = 0, .epoch = 0 },
                                            .last_contained_log_timestamp = wall_ms,
                                            .kraft_version = RAFT_KRAFT_VERSION_MAX,
                                            .voters = voters };
    const struct snapshot_sink sink = { .put = put_in_buf, .context = out };
    struct snapshot_writer w;
    int r = snapshot_writer_open(&w, &header, wall_ms, sink);
    if (r == 0)
        r = snapshot_writer_finish(&w);
    ASSERT(r == 0);
    snapshot_writer_deinit(&w);
}
