/* What readers of committed data must leave out of what they read: see log.h, and txn_index.h for the files. */
#include "log/log_int.h"
#include "log/txn_index.h"

#include <errno.h>

/* Beyond which offset the piece holds nothing. */
static int find_end(struct log *log, uint32_t index, const struct log_piece *piece, int64_t *out,
                    struct log_wait *out_wait)
{
    struct segment *segment = log->segments.items[index];
    int r = log__load_indexes(log, segment, out_wait);
    if (r >= 0 && segment->is_replacement)
        r = 0; /* the piece may be of what was there before, and its position mean nothing here */
    else if (r >= 0)
        r = segment_bound_of_position(segment, &log->place,
                                      (uint32_t)piece->position + piece->size_bytes, out, out_wait);
    if (r == 0)
        *out = index + 1 < log->segments.count ? log->segments.items[index + 1]->meter.base_offset
                                               : log->offsets.end;
    return r < 0 ? r : 0;
}

static int search(struct log *log, uint32_t index, struct txn_index_search *search,
                  struct log_wait *out_wait)
{
    for (; index < log->segments.count; index++) {
        struct segment *segment = log->segments.items[index];
        struct io_file *file;
        int r = !segment->has_txn_index
                    ? -ENOENT
                    : txn_index_file(&segment->aborted, &log->place, segment->meter.base_offset,
                                     segment->is_swapping, &file);
        if (r == -ENOENT)
            continue;
        if (r == 0)
            r = txn_index_search(search, file, log->place.may_sleep, out_wait);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    return 0;
}

static int collect(struct log *log, const struct log_piece *piece, struct txn_index_search *wanted,
                   struct log_wait *out_wait)
{
    const uint32_t index = log__segment_index(log, piece->segment_base);
    const int r = find_end(log, index, piece, &wanted->end_offset, out_wait);
    return r < 0 ? r : search(log, index, wanted, out_wait);
}

int log_aborted_txns(struct log *log, int64_t offset, const struct log_piece *piece, bool may_sleep,
                     struct arena *arena, struct log_aborted *out, struct log_wait *wait,
                     struct err_note *note)
{
    *out = (struct log_aborted){ 0 };
    if (piece->segment_base < 0)
        return 0;
    struct txn_index_search wanted = { .offset = offset };
    struct log_call call = log__begin_call(log, may_sleep, wait);
    int r = collect(log, piece, &wanted, wait);
    log__end_call(log, &call);
    if (r == 0 && wanted.found.count > 0) {
        out->txns = arena_dup(arena, wanted.found.items,
                              wanted.found.count * sizeof(wanted.found.items[0]));
        out->count = (uint32_t)wanted.found.count;
        r = out->txns == NULL ? -ERR_LIMIT : 0;
    }
    VEC_DEINIT(&wanted.found);
    if (r < 0 && r != -ERR_WOULD_BLOCK)
        r = log__fail_read(log, batch_scan_is_damage(r) ? -ERR_CORRUPT : r, offset, note);
    return r;
}
