/* Reading: from an offset to a piece of a segment file. See log.h.
 *
 *   1. the segment that the offset belongs to
 *   2. where in it: at the tail from memory (log_tail); else the index leads near, and headers are
 * walked
 *   3. where to stop: the size of the segment, the batch at which end_offset begins, or one that is damaged
 *   4. whether all of it is known to be good, and in memory; else a job reads and checks it first (segment_checks.h)
 * What a file must be read for is asked of the page cache only, unless the caller may sleep.
 */
#include "log/batch_search.h"
#include "log/log_int.h"
#include "log/segment_checks.h"

#include "base/mem.h"

#include <errno.h>

#define WARM_BYTES (64u << 10) /* read at once by a job that warms */

/* ---- waiting --------------------------------------------------------------------------------- */

void log_wait_deinit(struct log_wait *wait)
{
    io_file_unref(TAKE(wait->file));
    mem_free(TAKE(wait->search));
    segment_build_free(TAKE(wait->build));
    segment_checks_take(TAKE(wait->check));
}

void log_wait_run(struct log_wait *wait)
{
    if (wait->check != NULL) {
        piece_check_run(wait->check, wait->file);
        io_file_unref(TAKE(wait->file));
        return;
    }
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
            *out = (struct segment_found){ .position = from,
                                           .base_offset = offset,
                                           .damage = segment_damage_at(segment, from) };
            return 1;
        }
    }
    const int r = log__load_indexes(log, segment, out_wait);
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

static struct batch_clue clue_at(const struct segment_found *found, uint32_t position)
{
    return (struct batch_clue){
        .first_offset = position == found->position ? found->base_offset : -1,
        .last_offset = -1,
    };
}

/* Cuts the piece where a damaged batch begins, and where checking it would take more than a step; asks for a check where it
 * has not been checked so far. */
static int trust_piece(struct log *log, struct segment *segment, const struct segment_found *found,
                       struct log_piece *piece, struct log_wait *out_wait)
{
    const uint32_t begin = (uint32_t)piece->position;
    const uint32_t end = begin + piece->size_bytes;
    const uint32_t good_end = segment_good_end(segment, begin);
    if (good_end >= end)
        return 0;
    if (segment_damage_at(segment, good_end) == NULL && good_end - begin < CHECK_STEP_BYTES)
        return segment_ask_check(segment, &log->place, good_end, clue_at(found, good_end), end,
                                 out_wait);
    piece->is_cut_short = true;
    piece->size_bytes = good_end - begin;
    return good_end > begin ? 0 : -ERR_DAMAGED;
}

static int ask_piece(struct log *log, struct segment *segment, const struct segment_found *found,
                     const struct log_piece *piece, struct log_wait *out_wait)
{
    const uint32_t begin = (uint32_t)piece->position;
    return segment_ask_check(segment, &log->place, begin, clue_at(found, begin),
                             begin + piece->size_bytes, out_wait);
}

/* 1 when the bytes were copied, 0 when the arena or the cache does not have them. */
static int copy(const struct log_read *request, struct io_file *file, struct log_piece *piece)
{
    uint8_t *data = arena_alloc(request->arena, piece->size_bytes);
    if (data == NULL)
        return 0;
    const int64_t n = io_file_read_cached(file, piece->position, data, piece->size_bytes);
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
                      const struct segment_found *found, struct log_piece *piece,
                      struct log_wait *out_wait)
{
    int r = trust_piece(log, segment, found, piece, out_wait);
    if (r < 0)
        return r;
    struct io_file *file;
    r = segment_file(segment, &log->place, false, &file);
    if (r < 0)
        return r;
    if (request->arena != NULL && piece->size_bytes <= request->copy_max) {
        r = copy(request, file, piece);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    if (!io_file_is_cached(file, piece->position, piece->size_bytes))
        return ask_piece(log, segment, found, piece, out_wait);
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
    if (n == -EAGAIN)
        return segment_ask_check(segment, &log->place, (uint32_t)found->position,
                                 clue_at(found, (uint32_t)found->position),
                                 (uint32_t)found->position + BATCH_PREFIX_BYTES, out_wait);
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

/* Whether a segment, by what locate has answered, holds nothing from the offset on. */
static bool ends_below(struct log *log, struct segment *segment, int r,
                       const struct segment_found *found)
{
    if (r > 0)
        return found->damage != NULL && log__pass_cut(log, segment, found->damage);
    if (r == 0)
        log__tell_end(log, segment);
    return r == 0;
}

static int read_from(struct log *log, const struct log_read *request, struct log_piece *piece,
                     struct log_wait *out_wait)
{
    struct segment_found found;
    uint32_t index = log__segment_index(log, request->offset);
    int r = locate(log, log->segments.items[index], request->offset, &found, out_wait);
    /* Compaction may have left nothing between the last batch of a segment and the next segment, or its file was cut. */
    while (index + 1 < log->segments.count &&
           ends_below(log, log->segments.items[index], r, &found)) {
        index++;
        r = locate(log, log->segments.items[index], request->offset, &found, out_wait);
    }
    if (r <= 0)
        return r;
    struct segment *segment = log->segments.items[index];
    piece->position = found.position;
    piece->segment_base = segment->meter.base_offset;
    if (found.damage != NULL)
        return -ERR_DAMAGED;
    uint32_t end;
    r = locate_end(log, segment, index, request->end_offset, &end, out_wait);
    if (r == 0)
        r = bound(log, segment, request, &found, end, piece, out_wait);
    if (r < 0 || piece->size_bytes == 0)
        return r;
    return make_piece(log, segment, request, &found, piece, out_wait);
}

struct log_call log__begin_call(struct log *log, bool may_sleep, struct log_wait *wait)
{
    segment_checks_take(TAKE(wait->check));
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

/* Answers -ERR_DAMAGED, with words; the owner hears them the first time. */
static int tell_damage(struct log *log, const struct log_piece *piece, struct err_note *note)
{
    const struct segment *segment =
        log->segments.items[log__segment_index(log, piece->segment_base)];
    return log__tell_damage(log, segment, segment_damage_at(segment, (uint32_t)piece->position),
                            note);
}

/* One try. */
static int read_once(struct log *log, const struct log_read *request, struct log_piece *piece,
                     struct log_wait *wait)
{
    struct log_call call = log__begin_call(log, request->may_sleep, wait);
    int r = 0;
    *piece = (struct log_piece){ .segment_base = -1 };
    if (request->offset < log->offsets.start || request->offset > log->offsets.end)
        r = -ERR_OFFSET_OUT_OF_RANGE;
    else if (request->offset < MIN(request->end_offset, log->offsets.end))
        r = read_from(log, request, piece, wait);
    log__end_call(log, &call);
    return r;
}

int log_read(struct log *log, const struct log_read *request, struct log_piece *out,
             struct log_wait *wait, struct err_note *note)
{
    struct log_piece piece;
    int r;
    while ((r = read_once(log, request, &piece, wait)) == -ERR_WOULD_BLOCK && request->may_sleep)
        log_wait_run(wait);
    if (r == -ERR_WOULD_BLOCK || r == -ERR_OFFSET_OUT_OF_RANGE)
        return r;
    if (r == -ERR_DAMAGED)
        return tell_damage(log, &piece, note);
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
