/* The naive model: see history_test.h. */
#include "log/history_test.h"

#include "base/mem.h"

void history_deinit(struct history *history)
{
    for (size_t i = 0; i < history->ever.count; i++)
        bytes_free(history->ever.items[i].bytes);
    VEC_DEINIT(&history->ever);
    VEC_DEINIT(&history->batches);
    VEC_DEINIT(&history->planned);
}

struct log_append_result history_plan(struct history *history, struct log *log,
                                      enum log_origin origin, struct shared *batch)
{
    struct shared *held = shared_ref(batch);
    const struct log_append_result result = sample_plan(log, origin, batch);
    if (result.error == KAFKA_NONE && !result.is_duplicate) {
        const struct history_batch planned = {
            .base_offset = result.first_offset,
            .last_offset = result.last_offset,
            .bytes = bytes_from(mem_dup(held->data, held->size), held->size),
        };
        VEC_ADD(&history->ever, planned);
        VEC_ADD(&history->planned, planned);
    }
    shared_unref(held);
    return result;
}

int history_write(struct history *history, struct log *log)
{
    struct err_note note = { "" };
    const int r = log_write(log, &note);
    for (size_t i = 0; i < history->planned.count; i++) {
        if (history->planned.items[i].last_offset < log_offsets(log)->end)
            VEC_ADD(&history->batches, history->planned.items[i]);
    }
    history->planned.count = 0;
    return r;
}

void history_truncate(struct history *history, int64_t offset)
{
    while (history->batches.count > 0 &&
           history->batches.items[history->batches.count - 1].last_offset >= offset)
        history->batches.count--;
}

int64_t history_end(const struct history *history, int64_t empty_end)
{
    return history->batches.count == 0
               ? empty_end
               : history->batches.items[history->batches.count - 1].last_offset + 1;
}

/* The batch that reading at `offset` answers; bytes in the arena. */
static struct bytes read_batch(struct log *log, int64_t offset, struct arena *arena,
                               const char *where)
{
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = 1,
                                      .min_one = true,
                                      .may_sleep = true,
                                      .copy_max = UINT32_MAX,
                                      .arena = arena };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    struct err_note note = { "" };
    const int r = log_read(log, &request, &piece, &wait, &note);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s: read at %" PRId64 ": %s: %s", where, offset, err_name(r),
                  note.text);
    return bytes_from(piece.data, piece.size_bytes);
}

static void expect_batch(struct log *log, const struct history_batch *batch, int64_t offset,
                         const char *where)
{
    struct arena arena;
    arena_init(&arena, 1u << 26);
    const struct bytes found = read_batch(log, offset, &arena, where);
    if (!bytes_equal(found, batch->bytes))
        test_fail(__FILE__, __LINE__,
                  "%s: offset %" PRId64 ": %zu bytes that are not the batch appended", where,
                  offset, found.size);
    arena_deinit(&arena);
}

void history_expect(const struct history *history, struct log *log, const char *where)
{
    const struct log_offsets *offsets = log_offsets(log);
    for (size_t i = 0; i < history->batches.count; i++) {
        const struct history_batch *batch = &history->batches.items[i];
        if (batch->last_offset < offsets->start)
            continue;
        expect_batch(log, batch, MAX(batch->base_offset, offsets->start), where);
        expect_batch(log, batch, batch->last_offset, where);
    }
    const int64_t end = history_end(history, offsets->end);
    if (end != offsets->end)
        test_fail(__FILE__, __LINE__, "%s: the end is %" PRId64 ", the last batch ends at %" PRId64,
                  where, offsets->end, end);
}

static const struct history_batch *find_ever(const struct history *history, struct bytes bytes)
{
    for (size_t i = history->ever.count; i > 0; i--) {
        if (bytes_equal(history->ever.items[i - 1].bytes, bytes))
            return &history->ever.items[i - 1];
    }
    return NULL;
}

void history_resync(struct history *history, struct log *log, int64_t safe_end, const char *where)
{
    const struct log_offsets *offsets = log_offsets(log);
    const int64_t safe = MIN(safe_end, history_end(history, 0));
    if (offsets->end < safe)
        test_fail(__FILE__, __LINE__, "%s: the end is %" PRId64 ", below %" PRId64, where,
                  offsets->end, safe);
    for (size_t i = 0; i < history->batches.count; i++) {
        const struct history_batch *batch = &history->batches.items[i];
        if (batch->last_offset < safe && batch->base_offset >= offsets->start)
            expect_batch(log, batch, batch->base_offset, where);
    }
    history->batches.count = 0;
    for (int64_t offset = offsets->start; offset < offsets->end;) {
        struct arena arena;
        arena_init(&arena, 1u << 26);
        const struct history_batch *batch =
            find_ever(history, read_batch(log, offset, &arena, where));
        if (batch == NULL || batch->base_offset > offset || batch->last_offset < offset)
            test_fail(__FILE__, __LINE__,
                      "%s: offset %" PRId64 ": not what was ever appended there, but %" PRId64
                      " to %" PRId64,
                      where, offset, batch == NULL ? -1 : batch->base_offset,
                      batch == NULL ? -1 : batch->last_offset);
        VEC_ADD(&history->batches, *batch);
        offset = batch->last_offset + 1;
        arena_deinit(&arena);
    }
}
