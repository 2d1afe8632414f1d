/* Reading: from an offset to a piece of a segment file. See log.h.
 *
 *   1. the segment that the offset belongs to
 *   2. where in it: at the tail from memory (log_tail); else the index leads near, and headers are
 * walked
 *   3. where to stop: the size of the segment, or the batch at which end_offset begins
 * What a file must be read for is asked of the page cache only, unless the caller may sleep.
 */
#include "log/batch_search.h"
#include "log/log_int.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define WARM_BYTES (64u << 10) /* read at once by a job that warms */
/* So much at the end of the active segment is in memory, having been written just now. */
#define HOT_BYTES  (4u << 20)

/* ---- waiting --------------------------------------------------------------------------------- */

void log_wait_deinit(struct log_wait *wait)
{
    io_file_unref(TAKE(wait->file));
    mem_free(TAKE(wait->search));
    segment_build_free(TAKE(wait->build));
}

void log_wait_run(struct log_wait *wait)
{
    if (wait->build != NULL && !wait->build->is_done) {
        segment_build_run(wait->build, wait->file);
        io_file_unref(TAKE(wait->file));
        return;
    }
    if (wait->search != NULL && !wait->search->is_done) {
        long_search_run(wait->search, wait->file, wait->position);
        io_file_unref(TAKE(wait->file));
        return;
    }
    AUTO(mem_freep) uint8_t *scratch = mem_alloc(WARM_BYTES);
    io_file_will_read(wait->file, wait->position, wait->size_bytes);
    while (wait->size_bytes > 0) {
        const size_t size = (size_t)MIN(wait->size_bytes, (int64_t)WARM_BYTES);
        const int64_t n = io_file_read(wait->file, wait->position, scratch, size);
        if (n <= 0)
            break; /* the call that is repeated meets the error itself */
        wait->position += n;
        wait->size_bytes -= n;
    }
    io_file_unref(TAKE(wait->file)); /* how far a search has got stays */
}

/* ---- positions ------------------------------------------------------------------------------- */

/* 1 with the first batch that reaches `offset`; 0 when the segment ends below it. At a run's exact
 * start the batch's size stays 0: not looked at. */
static int locate(struct log *log, struct segment *segment, int64_t offset,
                  struct segment_found *out, struct log_wait *out_wait)
{
    uint32_t from = 0;
    bool is_exact = false;
    if (segment == log__active(log)) {
        if (offset >= log->offsets.end)
            return 0;
        if (log__tail_find(log, offset, &from, &is_exact) && is_exact) {
            *out = (struct segment_found){ .position = from, .base_offset = offset };
            return 1;
        }
    }
    const int r =
        segment_load_indexes(segment, &log->place, log->config.index_interval_bytes, out_wait);
    return r < 0 ? r : segment_find(segment, &log->place, offset, from, out, out_wait);
}

/* The position at which reading of the segment must stop. */
static int locate_end(struct log *log, struct segment *segment, uint32_t index, int64_t end_offset,
                      uint32_t *out, struct log_wait *out_wait)
{
    *out = segment->meter.size_bytes;
    const int64_t segment_end = index + 1 < log->segments.count
                                    ? log->segments.items[index + 1]->meter.base_offset
                                    : log->offsets.end;
    if (end_offset >= segment_end)
        return 0;
    struct segment_found found;
    const int r = locate(log, segment, end_offset, &found, out_wait);
    if (r > 0)
        *out = (uint32_t)found.position;
    return r < 0 ? r : 0;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* Whether the bytes can be had without the disk; probed at both ends, which is where read-ahead has
 * not come by. */
static int probe(const struct log *log, const struct segment *segment, struct io_file *file,
                 const struct log_piece *piece, struct log_wait *out_wait)
{
    if (segment == log__active(log) &&
        piece->position + HOT_BYTES >= (int64_t)segment->meter.size_bytes)
        return 0;
    const int64_t ends[] = { piece->position, piece->position + piece->size_bytes - 1 };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        uint8_t byte;
        const int64_t n = io_file_read_cached(file, ends[i], &byte, 1);
        if (n == -EAGAIN) {
            *out_wait = (struct log_wait){ .file = io_file_ref(file),
                                           .position = piece->position,
                                           .size_bytes = piece->size_bytes };
            return -ERR_WOULD_BLOCK;
        }
        if (n < 0)
            return (int)n;
    }
    return 0;
}

/* 1 when the bytes were copied, 0 when the arena or the cache does not have them. */
static int copy(const struct log_read *request, struct io_file *file, struct log_piece *piece)
{
    uint8_t *data = arena_alloc(request->arena, piece->size_bytes);
    if (data == NULL)
        return 0;
    const int64_t n = request->may_sleep
                          ? io_file_read(file, piece->position, data, piece->size_bytes)
                          : io_file_read_cached(file, piece->position, data, piece->size_bytes);
    if (n == -EAGAIN)
        return 0;
    if (n < 0)
        return (int)n;
    if (n < piece->size_bytes)
        return -ERR_CORRUPT;
    piece->data = data;
    return 1;
}

static int make_piece(struct log *log, struct segment *segment, const struct log_read *request,
                      struct log_piece *piece, struct log_wait *out_wait)
{
    struct io_file *file;
    int r = segment_file(segment, &log->place, false, &file);
    if (r < 0)
        return r;
    if (request->arena != NULL && piece->size_bytes <= request->copy_max) {
        r = copy(request, file, piece);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    if (!request->may_sleep) {
        r = probe(log, segment, file, piece, out_wait);
        if (r < 0)
            return r;
    }
    piece->file = io_file_ref(file);
    return 0;
}

/* The size of the batch at a position that is known from memory. */
static int batch_size_at(struct log *log, struct segment *segment, struct segment_found *found,
                         struct log_wait *out_wait)
{
    if (found->size_bytes > 0)
        return 0;
    struct io_file *file;
    int r = segment_file(segment, &log->place, false, &file);
    if (r < 0)
        return r;
    uint8_t prefix[BATCH_PREFIX_BYTES];
    const int64_t n = log->place.may_sleep
                          ? io_file_read(file, found->position, prefix, sizeof(prefix))
                          : io_file_read_cached(file, found->position, prefix, sizeof(prefix));
    if (n == -EAGAIN) {
        *out_wait = (struct log_wait){ .file = io_file_ref(file),
                                       .position = found->position,
                                       .size_bytes = sizeof(prefix) };
        return -ERR_WOULD_BLOCK;
    }
    if (n < 0)
        return (int)n;
    r = batch_size(bytes_from(prefix, (size_t)n));
    if (r < 0)
        return -ERR_CORRUPT;
    found->size_bytes = (uint32_t)r;
    return 0;
}

/* How much of [position, end) is answered. */
static int bound(struct log *log, struct segment *segment, const struct log_read *request,
                 struct segment_found *found, uint32_t end, struct log_piece *piece,
                 struct log_wait *out_wait)
{
    const uint32_t available = end > found->position ? end - (uint32_t)found->position : 0;
    piece->size_bytes = MIN(available, request->bytes_max);
    if (available <= request->bytes_max)
        return 0;
    const int r = batch_size_at(log, segment, found, out_wait);
    if (r < 0)
        return r;
    if (found->size_bytes <= request->bytes_max)
        return 0;
    if (request->min_one)
        piece->size_bytes = MIN(available, found->size_bytes);
    else
        piece->first_is_cut = true;
    return 0;
}

static int read_from(struct log *log, const struct log_read *request, struct log_piece *piece,
                     struct log_wait *out_wait)
{
    struct segment_found found;
    uint32_t index = log__segment_index(log, request->offset);
    int r = locate(log, log->segments.items[index], request->offset, &found, out_wait);
    /* Compaction may have left nothing between the last batch of a segment and the next segment. */
    while (r == 0 && index + 1 < log->segments.count) {
        index++;
        r = locate(log, log->segments.items[index], request->offset, &found, out_wait);
    }
    if (r <= 0)
        return r;
    struct segment *segment = log->segments.items[index];
    uint32_t end;
    r = locate_end(log, segment, index, request->end_offset, &end, out_wait);
    if (r == 0)
        r = bound(log, segment, request, &found, end, piece, out_wait);
    if (r < 0 || piece->size_bytes == 0)
        return r;
    piece->position = found.position;
    piece->segment_base = segment->meter.base_offset;
    return make_piece(log, segment, request, piece, out_wait);
}

struct log_call log__begin_call(struct log *log, bool may_sleep, struct log_wait *wait)
{
    const struct log_call call = { .may_sleep_before = log->place.may_sleep,
                                   .built = TAKE(wait->build) };
    ASSERT(wait->file == NULL && log->place.built == NULL);
    log->place.may_sleep = may_sleep;
    log->place.built = call.built;
    return call;
}

void log__end_call(struct log *log, struct log_call *call)
{
    log->place.may_sleep = call->may_sleep_before;
    log->place.built = NULL;
    segment_build_free(TAKE(call->built));
}

int log_read(struct log *log, const struct log_read *request, struct log_piece *out,
             struct log_wait *wait, struct err_note *note)
{
    struct log_piece piece = { .segment_base = -1 };
    struct log_call call = log__begin_call(log, request->may_sleep, wait);
    int r = 0;
    if (request->offset < log->offsets.start || request->offset > log->offsets.end)
        r = -ERR_OFFSET_OUT_OF_RANGE;
    else if (request->offset < MIN(request->end_offset, log->offsets.end))
        r = read_from(log, request, &piece, wait);
    log__end_call(log, &call);
    if (r == -ERR_WOULD_BLOCK || r == -ERR_OFFSET_OUT_OF_RANGE)
        return r;
    if (r < 0) {
        r = batch_scan_is_damage(r) ? -ERR_CORRUPT : r;
        return log__fail_read(log, r, request->offset, note);
    }
    *out = piece;
    return 0;
}

int log__fail_read(struct log *log, int error, int64_t offset, struct err_note *note)
{
    err_note(note, error, "read %s at offset %" PRId64 ": %s", log->place.directory, offset,
             err_sentence(error));
    return error;
}
