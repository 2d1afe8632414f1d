/* See segment_checks.h. */
#include "log/segment_checks.h"

#include "base/mem.h"
#include "log/log.h"

#define PAGE_BYTES 4096u

static struct segment_checks *checks_of(struct segment *segment)
{
    if (segment->checks == NULL) {
        segment->checks = MEM_NEW(struct segment_checks);
        segment->checks->reference_count = 1;
        segment->checks->misfit_position = -1;
    }
    return segment->checks;
}

void segment_checks_unref(struct segment_checks *checks)
{
    if (checks == NULL || --checks->reference_count > 0)
        return;
    checked_ranges_deinit(&checks->ranges);
    damages_deinit(&checks->damages);
    mem_free(checks);
}

/* ---- what is known --------------------------------------------------------------------------- */

uint32_t segment_good_end(const struct segment *segment, uint32_t position)
{
    const struct checked_range *range =
        segment->checks == NULL ? NULL : checked_ranges_find(&segment->checks->ranges, position);
    uint32_t end = range == NULL ? position : range->end;
    if (segment_damage_at(segment, position) != NULL)
        return position;
    if (end >= segment->good_from)
        end = MAX(end, segment->meter.size_bytes);
    const struct damaged_batch *damage =
        segment->checks == NULL ? NULL : damages_next(&segment->checks->damages, position);
    return damage == NULL ? end : MIN(end, damage->position);
}

struct damaged_batch *segment_damage_at(const struct segment *segment, uint32_t position)
{
    return segment->checks == NULL ? NULL : damages_find(&segment->checks->damages, position);
}

void segment_forget_checked(struct segment *segment, uint32_t begin, uint32_t end)
{
    const uint32_t size_bytes = segment->meter.size_bytes;
    if (end > segment->good_from) {
        if (begin > segment->good_from)
            checked_ranges_add(&checks_of(segment)->ranges,
                               (struct checked_range){
                                   .begin = segment->good_from, .end = begin, .next_offset = -1 });
        segment->good_from = size_bytes;
    }
    if (segment->checks != NULL)
        checked_ranges_forget(&segment->checks->ranges, begin, end);
}

/* As segment_forget_checked, of ends that need not be those of batches: what has bytes of it goes as a whole. */
static void forget_whole(struct segment *segment, uint32_t begin, uint32_t end)
{
    if (end > segment->good_from)
        segment->good_from = segment->meter.size_bytes;
    if (segment->checks != NULL)
        checked_ranges_drop(&segment->checks->ranges, begin, end);
}

/* Pages come into memory whole: what shares one with the ends of [begin, end), and is not there, comes unseen. */
static void forget_neighbours(struct segment *segment, struct io_file *file, uint32_t begin,
                              uint32_t end)
{
    const uint32_t first = begin - begin % PAGE_BYTES;
    const uint32_t behind =
        MIN(end + (PAGE_BYTES - end % PAGE_BYTES) % PAGE_BYTES, segment->meter.size_bytes);
    if (first < begin && !io_file_is_cached(file, begin, 1))
        forget_whole(segment, first, begin);
    if (end < behind && !io_file_is_cached(file, end, 1))
        forget_whole(segment, end, behind);
}

void segment_forget_pages(struct segment *segment, struct io_file *file, uint32_t begin,
                          uint32_t end)
{
    forget_neighbours(segment, file, begin, end);
    forget_whole(segment, begin, end);
}

void segment_checks_cut(struct segment *segment, uint32_t position)
{
    segment->good_from = MIN(segment->good_from, position);
    segment_checks_unref(TAKE(segment->checks));
}

int segment_trust(struct segment *segment, const struct log_place *place, uint32_t position,
                  struct batch_clue clue, uint32_t wanted_end, struct segment_trust *out,
                  struct log_wait *out_wait)
{
    *out = (struct segment_trust){ .end = segment->meter.size_bytes };
    if (place->may_sleep)
        return SEGMENT_GOOD;
    out->end = segment_good_end(segment, position);
    if (out->end > position)
        return SEGMENT_GOOD;
    out->damage = segment_damage_at(segment, position);
    if (out->damage != NULL)
        return SEGMENT_DAMAGED;
    if (clue.last_offset >= 0 && segment->checks != NULL &&
        segment->checks->misfit_position == position &&
        segment->checks->misfit_offset == clue.last_offset)
        return SEGMENT_MISFIT;
    return segment_ask_check(segment, place, position, clue, wanted_end, out_wait);
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* Where a check that begins there need not go on: what lies behind is known, and stays so. */
static uint32_t find_stop(const struct segment *segment, uint32_t begin)
{
    const struct checked_range *next = checked_ranges_next(&segment->checks->ranges, begin);
    const uint32_t stop = next == NULL ? segment->meter.size_bytes : next->begin;
    return segment->good_from > begin ? MIN(stop, segment->good_from) : stop;
}

/* How far one job goes. */
static uint32_t step_end(const struct segment *segment, uint32_t begin, uint32_t wanted_end)
{
    const uint32_t step_bytes = MIN(find_stop(segment, begin) - begin, CHECK_STEP_BYTES);
    return MIN(MAX(wanted_end, begin + 1), begin + step_bytes);
}

/* How far it may look at bytes. */
static uint32_t seen_end(const struct segment *segment, uint32_t begin, uint32_t wanted_end)
{
    const uint32_t until = step_end(segment, begin, wanted_end);
    return until + MIN(find_stop(segment, begin) - until, 2 * CHECK_AHEAD_BYTES);
}

/* Each range that goes for it lets the check look further. */
static void forget_neighbours_of_check(struct segment *segment, struct io_file *file,
                                       uint32_t begin, uint32_t wanted_end)
{
    uint32_t end;
    do {
        end = seen_end(segment, begin, wanted_end);
        forget_neighbours(segment, file, begin, end);
    } while (end != seen_end(segment, begin, wanted_end));
}

/* A batch's beginning for sure, which the position an index tells is not. */
static uint32_t range_begin(const struct segment *segment, uint32_t position)
{
    const struct checked_range *range = checked_ranges_find(&segment->checks->ranges, position);
    if (range != NULL)
        return range->begin;
    return position >= segment->good_from ? segment->good_from : position;
}

/* The first offset that a batch at a position may have; -1: not known. */
static int64_t offset_at(const struct segment *segment, uint32_t position)
{
    const struct checked_range *before = checked_ranges_before(&segment->checks->ranges, position);
    return before == NULL ? -1 : before->next_offset;
}

static struct piece_check *check_new(struct segment *segment, uint32_t begin,
                                     struct batch_clue clue, uint32_t wanted_end)
{
    struct segment_checks *checks = segment->checks;
    struct piece_check *check = MEM_NEW(struct piece_check);
    checks->reference_count++;
    *check = (struct piece_check){
        .checks = checks,
        .begin = begin,
        .wanted_end = wanted_end,
        .stop = find_stop(segment, begin),
        .limit = segment->meter.size_bytes,
        .base_offset = segment->meter.base_offset,
        .offset_limit = segment->is_sealed ? segment->offset_limit : INT64_MAX,
        .next_offset = clue.first_offset,
        .expected_last = clue.last_offset,
    };
    return check;
}

int segment_ask_check(struct segment *segment, const struct log_place *place, uint32_t begin,
                      struct batch_clue clue, uint32_t wanted_end, struct log_wait *out_wait)
{
    ASSERT(out_wait != NULL && begin < segment->meter.size_bytes);
    struct segment_checks *checks = checks_of(segment);
    const int error = checks->error;
    checks->error = 0;
    if (error < 0 && checks->error_position == begin)
        return error;
    struct io_file *file;
    const int r = segment_file(segment, place, false, &file);
    if (r < 0)
        return r;
    /* Who asks for what is good misses it in memory: then it is as good as unknown, what was appended here included. */
    const uint32_t from = clue.last_offset < 0 ? begin : range_begin(segment, begin);
    if (segment_good_end(segment, begin) > begin)
        segment_forget_checked(segment, from, MIN(wanted_end, segment->meter.size_bytes));
    /* What was known of the batches before stays true when their bytes have left memory. */
    clue.first_offset = MAX(clue.first_offset, offset_at(segment, begin));
    forget_neighbours_of_check(segment, file, begin, wanted_end);
    const uint32_t until = step_end(segment, begin, wanted_end);
    segment_forget_checked(segment, from, seen_end(segment, begin, wanted_end));
    *out_wait = (struct log_wait){ .file = io_file_ref(file),
                                   .position = begin,
                                   .size_bytes = until - begin,
                                   .check = check_new(segment, begin, clue, until) };
    return -ERR_WOULD_BLOCK;
}

/* A damaged batch whose end is known belongs to what was checked: who walks on need not ask again for what is before it. */
static void learn(struct segment_checks *checks, const struct piece_check *check)
{
    struct checked_range range = { .begin = check->begin,
                                   .end = check->good_end,
                                   .next_offset = check->next_offset };
    const struct damaged_batch *damage = &check->damage;
    if (check->has_damage && damage->size_bytes > 0) {
        range.end += damage->size_bytes;
        range.next_offset = damage->last_offset == INT64_MAX ? -1 : damage->last_offset + 1;
    }
    checked_ranges_add(&checks->ranges, range);
    if (check->has_damage) {
        const int64_t dropped = damages_add(&checks->damages, damage);
        if (dropped >= 0) /* it is no exception to what is good any more */
            checked_ranges_forget(&checks->ranges, (uint32_t)dropped, (uint32_t)dropped + 1);
    }
    if (check->is_misfit) {
        checks->misfit_position = check->begin;
        checks->misfit_offset = check->expected_last;
    }
    checks->error = check->error;
    checks->error_position = check->begin;
}

void segment_checks_take(struct piece_check *check)
{
    if (check == NULL)
        return;
    if (check->is_done)
        learn(check->checks, check);
    segment_checks_unref(check->checks);
    mem_free(check);
}
