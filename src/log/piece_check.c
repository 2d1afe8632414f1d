/* See piece_check.h. */
#include "log/piece_check.h"

#include "log/batch_length.h"

#include "base/be.h"
#include "base/mem.h"

/* What is to be known of a batch for its neighbours' sake. */
struct walked {
    uint32_t position;
    uint32_t end;
    int64_t first; /* magic 0 and 1: the last one */
    int64_t last;
    int32_t epoch; /* -1: none */
};

struct walk {
    struct piece_check *check;
    struct io_file *file; /* borrowed */
    struct batch_scan scan;
    bool has_held;
    struct walked held;  /* its CRC is right; the next one is to come */
    int64_t next_offset; /* behind the last good batch; -1: not known */
    int32_t epoch;       /* of that; -1: not known */
};

static struct walked walked_of(const struct scanned_batch *batch)
{
    return (struct walked){
        .position = (uint32_t)batch->position,
        .end = (uint32_t)batch->position + batch->size_bytes,
        .first = batch->magic == BATCH_MAGIC ? batch->base_offset : batch->last_offset,
        .last = batch->last_offset,
        .epoch = batch->leader_epoch,
    };
}

/* ---- a damaged batch ------------------------------------------------------------------------- */

static bool read_header(const struct walk *w, uint32_t position, struct scanned_batch *out)
{
    return batch_scan_header(w->file, position, w->check->limit, out);
}

/* The size of the damaged batch by its length; 0: that does not tell. */
static uint32_t find_size(const struct walk *w, uint32_t position)
{
    const struct batch_bounds bounds = { .file = w->file,
                                         .limit = w->check->stop,
                                         .first_offset = MAX(w->next_offset, w->check->base_offset),
                                         .last_offset = w->check->offset_limit };
    return batch_length_find(&bounds, position);
}

/* Where the next whole batch begins, from a position on; 0: nowhere before what is known; or what io says. */
static int64_t find_next(const struct walk *w, uint32_t from)
{
    const struct piece_check *check = w->check;
    const int64_t size = io_file_size(w->file);
    struct batch_scan scan;
    batch_scan_init(&scan, w->file, from, MIN(size, (int64_t)check->stop), BATCH_SCAN_WINDOW_LARGE);
    scan.may_sleep = true;
    const int64_t last_offset = MIN(check->base_offset + INT32_MAX, check->offset_limit);
    const int r =
        size < 0 ? (int)size
                 : batch_scan_search(&scan, MAX(w->next_offset, check->base_offset), last_offset);
    batch_scan_deinit(&scan);
    return r > 0 ? scan.position : r;
}

/* Where nothing whole follows. What is known does, and in a segment that is written to what is still to come will. */
static uint32_t end_without_next(const struct walk *w)
{
    return w->check->stop < w->check->limit || w->check->offset_limit == INT64_MAX ? w->check->stop
                                                                                   : 0;
}

/* The first offset of what follows, which is in the next segment where nobody knows where the batch ends; -1: not known. */
static int64_t offset_behind(const struct walk *w, const struct damaged_batch *damage)
{
    const uint32_t end = damage->position + damage->size_bytes;
    struct scanned_batch batch;
    if (damage->size_bytes == 0 || end == w->check->limit)
        return w->check->offset_limit == INT64_MAX ? -1 : w->check->offset_limit + 1;
    if (!read_header(w, end, &batch) || batch.magic != BATCH_MAGIC)
        return -1;
    return batch.base_offset;
}

/* The last offset where what is behind is no whole batch that tells: by the offset that begins there all the same, or by the batch's own
 * header, as long as no whole batch behind has it, or a lower one. INT64_MAX: not known. */
static int64_t last_by_headers(const struct walk *w, const uint8_t *header, size_t size_bytes,
                               const struct damaged_batch *damage)
{
    const uint32_t end = damage->position + damage->size_bytes;
    if (damage->size_bytes == 0 || end == w->check->limit)
        return INT64_MAX;
    const int64_t next = find_next(w, end);
    if (next < 0)
        return INT64_MAX;
    struct scanned_batch whole;
    const int64_t limit = next > 0 && read_header(w, (uint32_t)next, &whole)
                              ? whole.base_offset - 1
                              : w->check->offset_limit;
    uint8_t bytes[sizeof(int64_t)];
    const bool is_read = io_file_read(w->file, end, bytes, sizeof(bytes)) == sizeof(bytes);
    const int64_t behind = is_read ? be_load_i64(bytes) : -1;
    if (next != end && behind > damage->first_offset && behind - 1 <= limit)
        return behind - 1;
    struct batch_view view;
    const bool is_parsed = batch_parse_header(bytes_from(header, size_bytes), &view) > 0;
    const int64_t last = is_parsed ? damage->first_offset + view.last_offset_delta : INT64_MAX;
    return last >= damage->first_offset && last <= limit ? last : INT64_MAX;
}

/* All that may be its: its own header is not to be believed where the batches around it tell. */
static void find_offsets(const struct walk *w, const uint8_t *header, size_t size_bytes,
                         struct damaged_batch *out)
{
    const int64_t behind = offset_behind(w, out);
    const int64_t told = size_bytes < sizeof(int64_t) ? -1 : be_load_i64(header);
    out->first_offset = MAX(w->next_offset, w->check->base_offset);
    out->last_offset = behind < 0 ? INT64_MAX : behind - 1;
    const int64_t highest = MIN(w->check->base_offset + INT32_MAX, w->check->offset_limit);
    if (w->next_offset < 0 && told > out->first_offset && told <= MIN(out->last_offset, highest))
        out->first_offset = told;
    if (behind < 0)
        out->last_offset = last_by_headers(w, header, size_bytes, out);
}

static void find_crcs(const struct walk *w, struct damaged_batch *out)
{
    AUTO(mem_freep) uint8_t *bytes = mem_alloc(out->size_bytes);
    if (io_file_read(w->file, out->position, bytes, out->size_bytes) != out->size_bytes)
        return;
    const struct bytes batch = bytes_from(bytes, out->size_bytes);
    out->crc_expected = batch_crc_stored(batch);
    out->crc_found = batch_crc_computed(batch);
    if (out->crc_expected == out->crc_found)
        out->cause = DAMAGE_OF_HEADER;
}

/* Whether the file ends within the batch, by the length that it tells. */
static bool is_cut_off(const struct walk *w, uint32_t position, const uint8_t *header, int64_t n)
{
    const int size = n < BATCH_PREFIX_BYTES ? BATCH_PREFIX_BYTES
                                            : batch_size(bytes_from(header, BATCH_PREFIX_BYTES));
    return size > 0 && (int64_t)position + size > w->check->limit;
}

/* A batch whose length does not tell where it ends takes along what is not whole behind it. search_from: what is before is its own
 * for sure. 0, or what io says. */
static int find_extent(const struct walk *w, uint32_t search_from, bool is_cut,
                       struct damaged_batch *out)
{
    const int64_t next = find_next(w, search_from);
    if (next < 0)
        return (int)next;
    const uint32_t end = next > 0 ? (uint32_t)next : end_without_next(w);
    out->size_bytes = end > 0 ? end - out->position : 0;
    if (out->cause == DAMAGE_OF_CRC && next > 0)
        out->cause = DAMAGE_OF_LENGTH;
    else if (out->cause == DAMAGE_OF_CRC)
        out->cause = is_cut ? DAMAGE_OF_END : DAMAGE_OF_HEADER;
    return 0;
}

/* crc_end: where it ends by its length when its CRC is right; 0: it is not. Nothing is noted where the device fails. */
static void note_damage(struct walk *w, uint32_t position, uint32_t crc_end)
{
    uint8_t header[BATCH_OVERHEAD_BYTES] = { 0 };
    const int64_t n = io_file_read(w->file, position, header, sizeof(header));
    struct damaged_batch damage = { .position = position,
                                    .cause = crc_end > 0 ? DAMAGE_OF_ORDER : DAMAGE_OF_CRC,
                                    .size_bytes = find_size(w, position) };
    const bool is_by_length = damage.size_bytes > 0;
    int r = n < 0 ? (int)n : 0;
    if (r == 0 && !is_by_length)
        r = find_extent(w, crc_end > 0 ? crc_end : position + 1, is_cut_off(w, position, header, n),
                        &damage);
    if (r < 0) {
        if (w->check->good_end == w->check->begin)
            w->check->error = r;
        return;
    }
    if (is_by_length) /* which may be what was wrong with it */
        batch_length_put(header, damage.size_bytes);
    find_offsets(w, header, (size_t)n, &damage);
    if (damage.cause == DAMAGE_OF_CRC)
        find_crcs(w, &damage);
    w->check->has_damage = true;
    w->check->damage = damage;
}

/* ---- batch after batch ----------------------------------------------------------------------- */

/* Whether the batch that is held cannot be right since this one follows it. That one of the two is wrong is sure; which one is
 * told by what lies before both. */
static bool is_contradicted(const struct walk *w, const struct walked *next)
{
    const struct walked *held = &w->held;
    const bool is_first = held->position == w->check->begin;
    const bool fits_before = held->first == w->next_offset ||
                             (held->position == 0 && held->first == w->check->base_offset) ||
                             (is_first && w->check->expected_last >= 0);
    if (next->first <= held->last && !fits_before)
        return true;
    /* -1: of nobody who led; markers may have been written so. */
    return w->epoch >= 0 && next->epoch == w->epoch && held->epoch != w->epoch && held->epoch != -1;
}

static void accept_held(struct walk *w)
{
    w->check->good_end = w->held.end;
    w->next_offset = w->held.last + 1;
    w->epoch = w->held.epoch;
    w->has_held = false;
}

/* Whether the index leads to another batch, or to none. */
static bool is_misfit(const struct walk *w, int r, const struct scanned_batch *batch)
{
    if (w->check->expected_last < 0 || w->has_held || w->check->good_end > w->check->begin)
        return false;
    if (r > 0)
        return batch->last_offset != w->check->expected_last;
    struct scanned_batch header;
    return !read_header(w, w->check->begin, &header) ||
           header.last_offset != w->check->expected_last;
}

/* One batch further: 1, or 0 when the walk has come to its end. */
static int step(struct walk *w)
{
    struct piece_check *check = w->check;
    struct scanned_batch batch;
    w->scan.may_sleep = check->good_end < check->wanted_end;
    const int r = batch_scan_next(&w->scan, &batch);
    const bool is_damage = r < 0 && batch_scan_is_damage(r);
    if (r < 0 && !is_damage) {
        if (check->good_end == check->begin)
            check->error = r;
        return 0;
    }
    if (r != 0 && is_misfit(w, r, &batch)) {
        check->is_misfit = true;
        return 0;
    }
    const struct walked next = r > 0 ? walked_of(&batch) : (struct walked){ 0 };
    if (w->has_held && r > 0 && is_contradicted(w, &next)) {
        note_damage(w, w->held.position, w->held.end);
        return 0;
    }
    if (w->has_held)
        accept_held(w);
    const bool is_misplaced = r > 0 && (next.first < MAX(w->next_offset, check->base_offset) ||
                                        next.last > check->offset_limit);
    if (is_damage)
        note_damage(w, (uint32_t)w->scan.position, 0);
    else if (is_misplaced)
        note_damage(w, next.position, next.end);
    if (r <= 0 || is_misplaced)
        return 0;
    w->held = next;
    w->has_held = true;
    return check->good_end < (int64_t)check->wanted_end + CHECK_AHEAD_BYTES;
}

void piece_check_run(struct piece_check *check, struct io_file *file)
{
    struct walk w = {
        .check = check, .file = file, .next_offset = check->next_offset, .epoch = -1
    };
    check->good_end = check->begin;
    const uint32_t wanted = check->wanted_end - check->begin;
    io_file_will_read(file, check->begin, wanted);
    batch_scan_init(&w.scan, file, check->begin, check->stop,
                    MIN(MAX(wanted, BATCH_SCAN_WINDOW_SMALL), BATCH_SCAN_WINDOW_LARGE));
    w.scan.crc_from = 0;
    while (step(&w) > 0) {
    }
    batch_scan_deinit(&w.scan);
    if (!check->has_damage && !check->is_misfit && check->error == 0 &&
        check->good_end < check->stop)
        io_file_will_read(file, check->good_end,
                          MIN(check->stop - check->good_end, CHECK_AHEAD_BYTES));
    check->next_offset = w.next_offset;
    check->is_done = true;
}
