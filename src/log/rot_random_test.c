/* Random bits flip in sealed segments of random logs, and in their indexes, over several lives of a process: whatever the log says is held
 * against what was written.
 *
 * A history is told by its seed alone, which a failure names: `unit_log --seed N log_rot_random` begins with it. Reads and look-ups are those of a
 * shard, by jobs: who may sleep believes what is there. No bit flips in a base offset or leader epoch, which no CRC covers.
 *
 * What nobody can know is not asked for, or does not happen:
 *   - Of a damaged batch nothing but the last change of its file tells of its time: a later time in it protects no segment.
 *   - Of a time index with flipped bits nobody knows whether it was right about a damaged batch, so that such a segment may be kept for longer.
 *   - A flipped time of a batch that its index agrees with, and an entry that has become another batch's with its very time, would be believed.
 *   - A batch with a flipped length and another flipped bit, with nothing whole behind it, would look as if the file had been cut there.
 */
#include "log/sample_test.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/vec.h"
#include "log/log_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HISTORIES    1000
#define SEGMENTS_MAX 4
#define WAITS_MAX    50
#define MAX_TIME_AT  35 /* in a batch */
#define RETENTION_MS INT64_C(100000000)

struct written_batch {
    uint32_t segment;
    uint32_t position;
    uint32_t size_bytes;
    int64_t first_offset;
    int64_t last_offset;
    int64_t first_ms;
    int64_t step_ms;
    int64_t max_ms;
    bool is_told; /* in this life */
};

struct written_segment {
    int64_t base_offset;
    int64_t modified_ms;
    uint8_t *right; /* its bytes as they were written, */
    uint8_t *now;   /* and as they are */
    size_t size_bytes;
    bool is_index_flipped[2]; /* since it was last written */
    uint32_t index_told[2];   /* in this life */
    bool are_times_doubted;   /* its time index had a flipped bit at some time */
};

struct scene {
    uint64_t seed;
    struct rng rng;
    struct sim_disk *disk;
    struct log_config config;
    struct log *log;
    VEC(struct written_batch) batches;
    struct written_segment segments[SEGMENTS_MAX];
    uint32_t segment_count; /* the last is active, and stays whole */
    uint32_t first_segment; /* what is before has left */
    int64_t end;
    bool rotted; /* in this life */
};

static const char *const index_names[] = { "index", "timeindex" };

#define FAIL(scene, ...) fail_at(__LINE__, scene, __VA_ARGS__)
NORETURN static void fail_at(int line, const struct scene *scene, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void fail_at(int line, const struct scene *scene, const char *format, ...)
{
    char words[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    test_fail(__FILE__, line, "seed %" PRIu64 ": %s", scene->seed, words);
}

static bool chance(struct scene *scene, uint32_t percent)
{
    return rng_chance(&scene->rng, percent * 10000);
}

static uint32_t below(struct scene *scene, size_t bound)
{
    return (uint32_t)rng_below(&scene->rng, bound);
}

static char *path_of(const struct scene *scene, uint32_t segment, const char *suffix)
{
    return mem_printf("/d/t-0/%020" PRId64 ".%s", scene->segments[segment].base_offset, suffix);
}

/* ---- what is true ----------------------------------------------------------------------------- */

static bool is_damaged(const struct scene *scene, const struct written_batch *batch)
{
    const struct written_segment *segment = &scene->segments[batch->segment];
    return memcmp(segment->right + batch->position, segment->now + batch->position,
                  batch->size_bytes) != 0;
}

static bool is_here(const struct scene *scene, const struct written_batch *batch)
{
    return batch->segment >= scene->first_segment;
}

static struct written_batch *batch_with(struct scene *scene, int64_t offset)
{
    for (size_t i = 0; i < scene->batches.count; i++) {
        if (scene->batches.items[i].last_offset >= offset)
            return &scene->batches.items[i];
    }
    FAIL(scene, "no batch has offset %" PRId64, offset);
}

static bool has_damage(const struct scene *scene, uint32_t segment)
{
    for (size_t i = 0; i < scene->batches.count; i++) {
        if (scene->batches.items[i].segment == segment &&
            is_damaged(scene, &scene->batches.items[i]))
            return true;
    }
    return false;
}

/* As far as it can be known. */
static int64_t newest_of(const struct scene *scene, uint32_t segment)
{
    int64_t newest = -1;
    for (size_t i = 0; i < scene->batches.count; i++) {
        const struct written_batch *batch = &scene->batches.items[i];
        if (batch->segment != segment)
            continue;
        newest = MAX(newest, is_damaged(scene, batch)
                                 ? MIN(batch->max_ms, scene->segments[segment].modified_ms)
                                 : batch->max_ms);
    }
    return newest;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static int64_t draw_time(struct scene *scene, int64_t *clock_ms)
{
    *clock_ms += below(scene, 20);
    if (chance(scene, 4))
        return *clock_ms + below(scene, 1u << 30); /* of the future */
    if (chance(scene, 4))
        return *clock_ms - below(scene, 1u << 30);
    return chance(scene, 30) ? *clock_ms - below(scene, 100) : *clock_ms;
}

static void append_one(struct scene *scene, int64_t *clock_ms, int32_t *epoch,
                       uint32_t value_bytes_max)
{
    struct log *log = scene->log;
    *epoch += chance(scene, 8);
    const struct sample_batch sample = { .count = 1 + (int32_t)below(scene, 5),
                                         .value_bytes = 1 + below(scene, value_bytes_max),
                                         .timestamp_ms = draw_time(scene, clock_ms),
                                         .step_ms = chance(scene, 70) ? 1 : -1,
                                         .base_offset = log_offsets(log)->end,
                                         .leader_epoch = *epoch };
    struct shared *shared = sample_batch(&sample);
    const uint32_t size_bytes = (uint32_t)shared->size;
    const struct log_append_result result = sample_plan(log, LOG_ORIGIN_REPLICATION, shared);
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT_OK(log_write(log, NULL));
    const struct written_batch batch = {
        .segment = scene->segment_count - 1,
        .position = log__active(log)->meter.size_bytes - size_bytes,
        .size_bytes = size_bytes,
        .first_offset = sample.base_offset,
        .last_offset = log_offsets(log)->end - 1,
        .first_ms = sample.timestamp_ms,
        .step_ms = sample.step_ms,
        .max_ms = sample.timestamp_ms + (sample.step_ms > 0 ? sample.count - 1 : 0),
    };
    VEC_ADD(&scene->batches, batch);
}

static void add_segment(struct scene *scene)
{
    if (scene->segment_count > 0)
        EXPECT_OK(log_roll(scene->log, SAMPLE_NOW_MS, NULL));
    scene->segments[scene->segment_count++] =
        (struct written_segment){ .base_offset = log_offsets(scene->log)->end,
                                  .modified_ms = SAMPLE_NOW_MS };
}

/* As a log that is attached opens its files. */
static void read_without_ahead(struct log *log)
{
    for (size_t i = 0; i < log->segments.count; i++) {
        struct io_file *file;
        EXPECT_OK(segment_file(log->segments.items[i], &log->place, false, &file));
        io_file_no_read_ahead(file);
    }
}

static void open_log(struct scene *scene, bool is_unclean);

static void write_log(struct scene *scene)
{
    static const uint32_t intervals[] = { 1, 100, 256, 1000, 4096, 100000 };
    static const uint32_t values[] = { 1, 30, 300, 1500, 20000 };
    scene->config = sample_log_config();
    scene->config.segment_bytes = 1u << 24;
    scene->config.segment_ms = INT64_MAX / 2;
    scene->config.segment_index_bytes = 1u << 20;
    scene->config.retention_ms = RETENTION_MS;
    scene->config.index_interval_bytes = intervals[below(scene, ARRAY_LEN(intervals))];
    const uint32_t value_bytes_max = values[below(scene, chance(scene, 20) ? 5 : 4)];
    int64_t clock_ms = SAMPLE_NOW_MS - 1000;
    int32_t epoch = 0;
    open_log(scene, false);
    const uint32_t sealed = 1 + below(scene, SEGMENTS_MAX - 1);
    for (uint32_t i = 0; i < sealed; i++) {
        add_segment(scene);
        const uint32_t count = 1 + below(scene, chance(scene, 40) ? 4 : 20);
        for (uint32_t k = 0; k < count; k++)
            append_one(scene, &clock_ms, &epoch, value_bytes_max);
    }
    add_segment(scene);
    append_one(scene, &clock_ms, &epoch, value_bytes_max);
    read_without_ahead(scene->log);
    scene->end = log_offsets(scene->log)->end;
    EXPECT_EQ(log_segment_count(scene->log), scene->segment_count);
    for (uint32_t i = 0; i < scene->segment_count; i++) {
        struct written_segment *segment = &scene->segments[i];
        AUTO(mem_freep) char *path = path_of(scene, i, "log");
        EXPECT_OK(
            sim_disk_look(scene->disk, SIM_VOLATILE, path, &segment->right, &segment->size_bytes));
        segment->now = mem_dup(segment->right, segment->size_bytes);
    }
}

/* ---- what the owner hears --------------------------------------------------------------------- */

static void hear_damage(struct scene *scene, const char *text)
{
    int64_t base = -1;
    uint32_t position = 0;
    int64_t from = -1;
    int64_t to = INT64_MAX;
    const char *file = strstr(text, "/d/t-0/");
    const char *at = strstr(text, "the batch at byte ");
    if (file == NULL || at == NULL || sscanf(file, "/d/t-0/%" SCNd64, &base) != 1 ||
        sscanf(at, "the batch at byte %" SCNu32 ", offsets from %" SCNd64 " to %" SCNd64, &position,
               &from, &to) < 2)
        FAIL(scene, "heard: %s", text);
    struct written_batch *batch = batch_with(scene, from);
    if (batch->first_offset != from || batch->position != position ||
        scene->segments[batch->segment].base_offset != base || !is_damaged(scene, batch) ||
        batch->is_told)
        FAIL(scene, "heard: %s", text);
    batch->is_told = true;
    for (size_t i = 0; i < scene->batches.count; i++) {
        const struct written_batch *other = &scene->batches.items[i];
        if (other->last_offset >= from && other->first_offset <= to && !is_damaged(scene, other))
            FAIL(scene, "of what has offset %" PRId64 ", and is whole, was heard: %s",
                 other->first_offset, text);
    }
}

static void hear_mended(struct scene *scene, const char *text)
{
    for (uint32_t i = 0; i + 1 < scene->segment_count; i++) {
        for (int kind = 0; kind < 2; kind++) {
            AUTO(mem_freep) char *path = path_of(scene, i, index_names[kind]);
            const char *at = strstr(text, path);
            if (at == NULL || at[strlen(path)] != ' ')
                continue;
            struct written_segment *segment = &scene->segments[i];
            if (!segment->is_index_flipped[kind] ||
                (segment->index_told[kind]++ > 0 && !scene->rotted))
                FAIL(scene, "heard: %s", text);
            return;
        }
    }
    FAIL(scene, "heard: %s", text);
}

static void on_damaged(void *context, struct log *log, const struct err_note *note)
{
    (void)log;
    hear_damage(context, note->text);
}

static void on_mended(void *context, struct log *log, const struct err_note *note)
{
    (void)log;
    hear_mended(context, note->text);
}

/* ---- lives ------------------------------------------------------------------------------------ */

static void open_log(struct scene *scene, bool is_unclean)
{
    for (uint32_t i = 0; i < scene->segment_count; i++)
        memset(scene->segments[i].index_told, 0, sizeof(scene->segments[i].index_told));
    for (size_t i = 0; i < scene->batches.count; i++)
        scene->batches.items[i].is_told = false;
    scene->rotted = false;
    scene->log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(scene->disk),
                                                    .config = &scene->config,
                                                    .is_unclean = is_unclean,
                                                    .recovery_point = scene->end });
    scene->log->owner =
        (struct log_owner){ .on_damaged = on_damaged, .on_mended = on_mended, .context = scene };
    scene->log->place.may_sleep = false;
    read_without_ahead(scene->log);
    if (scene->end == 0)
        return;
    EXPECT_EQ(log_offsets(scene->log)->end, scene->end);
    const struct log_recovery recovery = log_recovery(scene->log);
    for (uint32_t i = 0; i < recovery.note_count; i++) {
        const char *text = recovery.notes[i].text;
        if (strstr(text, "built anew") != NULL)
            hear_mended(scene, text);
    }
}

static void end_life(struct scene *scene, bool is_well)
{
    if (!is_well) {
        log_abandon(TAKE(scene->log));
        return;
    }
    EXPECT_OK(log_close(TAKE(scene->log), true, NULL, NULL));
    for (uint32_t i = 0; i < scene->segment_count; i++) {
        struct written_segment *segment = &scene->segments[i];
        if (segment->index_told[0] + segment->index_told[1] > 0 && !scene->rotted)
            memset(segment->is_index_flipped, 0, sizeof(segment->is_index_flipped));
    }
}

static void set_modified(struct scene *scene)
{
    for (uint32_t i = scene->first_segment; i < scene->segment_count; i++) {
        AUTO(mem_freep) char *path = path_of(scene, i, "log");
        scene->segments[i].modified_ms = SAMPLE_NOW_MS + below(scene, 3000);
        EXPECT_OK(
            io_fs_set_modified(sim_disk_fs(scene->disk), path, scene->segments[i].modified_ms));
    }
}

/* ---- flips ------------------------------------------------------------------------------------ */

/* One bit, while the log is open only where the byte is not in memory. */
static bool flip(struct scene *scene, const char *path, uint32_t position, uint32_t bit)
{
    if (scene->log == NULL) {
        EXPECT_OK(sim_disk_flip_bit(scene->disk, path, position, bit));
    } else {
        const int r = sim_disk_rot(scene->disk, path, position, bit);
        EXPECT_OK(r);
        if (r == 0)
            return false;
        scene->rotted = true;
    }
    return true;
}

static bool is_length_damaged(const struct scene *scene, const struct written_batch *batch)
{
    const struct written_segment *segment = &scene->segments[batch->segment];
    return memcmp(segment->right + batch->position, segment->now + batch->position, 12) != 0;
}

/* Whether an entry of the time index says the same as the damaged header of the batch that it names. */
static bool agrees_with_damage(struct scene *scene, uint32_t segment)
{
    const struct written_segment *at = &scene->segments[segment];
    AUTO(mem_freep) char *path = path_of(scene, segment, index_names[INDEX_TIME]);
    AUTO(mem_freep) uint8_t *bytes = NULL;
    size_t size;
    EXPECT_OK(sim_disk_look(scene->disk, SIM_VOLATILE, path, &bytes, &size));
    for (size_t i = 0; i + INDEX_ENTRY_TIME <= size; i += INDEX_ENTRY_TIME) {
        const struct index_entry entry = index_decode(INDEX_TIME, bytes + i);
        const int64_t offset = at->base_offset + entry.value;
        if (offset >= scene->end || batch_with(scene, offset)->segment != segment)
            continue;
        const struct written_batch *batch = batch_with(scene, offset);
        const int64_t told = be_load_i64(at->now + batch->position + MAX_TIME_AT);
        if (told != batch->max_ms && entry.key == told)
            return true;
    }
    return false;
}

static void flip_in_batch(struct scene *scene, uint32_t segment)
{
    uint32_t first = 0;
    while (scene->batches.items[first].segment != segment)
        first++;
    uint32_t count = 0;
    while (scene->batches.items[first + count].segment == segment)
        count++;
    const uint32_t nth = chance(scene, 30) ? count - 1 : below(scene, count);
    const struct written_batch *batch = &scene->batches.items[first + nth];
    static const uint32_t fields[] = { 8, 9, 10, 11, 16, 23, 24, 25, 26, 35, 37, 39, 40, 41, 42 };
    uint32_t byte = chance(scene, 50)   ? fields[below(scene, ARRAY_LEN(fields))]
                    : chance(scene, 60) ? 16 + below(scene, BATCH_OVERHEAD_BYTES - 16)
                                        : 16 + below(scene, batch->size_bytes - 16);
    /* A batch that lies to be longer than its file, with nothing whole behind it, and no other way to be known, looks as if the file
     * had been cut. */
    if (is_damaged(scene, batch) && (byte < 12 || is_length_damaged(scene, batch)))
        return;
    const uint32_t position = batch->position + byte;
    if (scene->segments[segment].right[position] != scene->segments[segment].now[position])
        return; /* it might be right again */
    const uint32_t bit = below(scene, 8);
    AUTO(mem_freep) char *path = path_of(scene, segment, "log");
    for (int tries = 0; tries < 2 && flip(scene, path, position, bit); tries++) {
        scene->segments[segment].now[position] ^= (uint8_t)(1u << bit);
        if (!agrees_with_damage(scene, segment))
            return;
    }
}

/* Whether an entry of a time index names a batch with its time. */
static bool is_entry_right(struct scene *scene, uint32_t segment, const char *path, uint32_t nth)
{
    AUTO(mem_freep) uint8_t *bytes = NULL;
    size_t size;
    EXPECT_OK(sim_disk_look(scene->disk, SIM_VOLATILE, path, &bytes, &size));
    const struct index_entry entry =
        index_decode(INDEX_TIME, bytes + (size_t)nth * INDEX_ENTRY_TIME);
    const int64_t offset = scene->segments[segment].base_offset + entry.value;
    return offset < scene->end && batch_with(scene, offset)->max_ms == entry.key;
}

static void flip_in_index(struct scene *scene, uint32_t segment)
{
    const uint32_t kind = below(scene, 2);
    const uint32_t entry_bytes = index_entry_bytes((enum index_kind)kind);
    AUTO(mem_freep) char *path = path_of(scene, segment, index_names[kind]);
    struct io_stat st;
    EXPECT_OK(io_fs_stat(sim_disk_fs(scene->disk), path, &st));
    const uint32_t count = (uint32_t)st.size_bytes / entry_bytes;
    if (count == 0)
        return;
    const uint32_t nth = chance(scene, 50) ? count - 1 : below(scene, count);
    const uint32_t byte =
        chance(scene, 50) ? below(scene, entry_bytes) : entry_bytes - 1 - below(scene, 2);
    const uint32_t bit = below(scene, 8);
    if (!flip(scene, path, nth * entry_bytes + byte, bit))
        return;
    if (kind == INDEX_TIME &&
        (is_entry_right(scene, segment, path, nth) || agrees_with_damage(scene, segment)) &&
        flip(scene, path, nth * entry_bytes + byte, bit))
        return;
    scene->segments[segment].is_index_flipped[kind] = true;
    scene->segments[segment].are_times_doubted |= kind == INDEX_TIME;
}

static void flip_one(struct scene *scene)
{
    const uint32_t first = scene->first_segment;
    if (first + 1 >= scene->segment_count)
        return;
    const uint32_t segment =
        chance(scene, 60) ? first : first + below(scene, scene->segment_count - 1 - first);
    if (chance(scene, 60))
        flip_in_batch(scene, segment);
    else
        flip_in_index(scene, segment);
}

/* ---- reading ---------------------------------------------------------------------------------- */

static void wait_for(struct scene *scene, struct log_wait *wait, int *tries)
{
    if (++*tries > WAITS_MAX)
        FAIL(scene, "it does not end");
    log_wait_run(wait);
}

static void read_one(struct scene *scene, int64_t offset)
{
    struct arena arena;
    arena_init(&arena, 1u << 25);
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = chance(scene, 60) ? 1 : 1u << 20,
                                      .min_one = true,
                                      .copy_max = UINT32_MAX,
                                      .arena = &arena };
    struct log_piece piece = { 0 };
    struct log_wait wait = { 0 };
    struct err_note note = { "" };
    int tries = 0;
    int r;
    while ((r = log_read(scene->log, &request, &piece, &wait, &note)) == -ERR_WOULD_BLOCK)
        wait_for(scene, &wait, &tries);
    const struct written_batch *batch = batch_with(scene, offset);
    if (r != (is_damaged(scene, batch) ? -ERR_DAMAGED : 0))
        FAIL(scene, "read at %" PRId64 " of %s batch: %s: %s", offset,
             is_damaged(scene, batch) ? "a damaged" : "a whole", r < 0 ? err_name(r) : "served",
             note.text);
    const struct written_segment *segment = &scene->segments[batch->segment];
    if (r == 0 && (piece.size_bytes < batch->size_bytes || piece.position != batch->position ||
                   piece.segment_base != segment->base_offset ||
                   piece.position + piece.size_bytes > (int64_t)segment->size_bytes ||
                   memcmp(piece.data, segment->right + piece.position, piece.size_bytes) != 0))
        FAIL(scene, "read at %" PRId64 ": other bytes", offset);
    arena_deinit(&arena);
}

/* ---- looking up ------------------------------------------------------------------------------- */

/* The time of the record with an offset. */
static int64_t time_of(const struct written_batch *batch, int64_t offset)
{
    return batch->first_ms + batch->step_ms * (offset - batch->first_offset);
}

/* The first record of whole batches with such a time: its offset, or -1. */
static int64_t first_with_time(struct scene *scene, int64_t timestamp)
{
    for (size_t i = 0; i < scene->batches.count; i++) {
        const struct written_batch *batch = &scene->batches.items[i];
        if (!is_here(scene, batch) || is_damaged(scene, batch))
            continue;
        for (int64_t offset = batch->first_offset; offset <= batch->last_offset; offset++) {
            if (time_of(batch, offset) >= timestamp)
                return offset;
        }
    }
    return -1;
}

/* Whether a damaged batch may have such a time, by all that can be known, below an offset. */
static bool may_be_damaged(struct scene *scene, int64_t timestamp, int64_t offset)
{
    for (size_t i = 0; i < scene->batches.count; i++) {
        const struct written_batch *batch = &scene->batches.items[i];
        if (is_here(scene, batch) && is_damaged(scene, batch) &&
            (offset < 0 || batch->first_offset < offset) &&
            (scene->segments[batch->segment].modified_ms >= timestamp ||
             newest_of(scene, batch->segment) >= timestamp || batch->max_ms >= timestamp ||
             scene->segments[batch->segment].are_times_doubted))
            return true;
    }
    return false;
}

static void find_time(struct scene *scene, int64_t timestamp)
{
    struct log_time_offset found = { .offset = -2 };
    struct log_wait wait = { 0 };
    struct err_note note = { "" };
    int tries = 0;
    int r;
    while ((r = log_offset_for_time(scene->log, timestamp, false, &found, &wait, &note)) ==
           -ERR_WOULD_BLOCK)
        wait_for(scene, &wait, &tries);
    const int64_t wanted = first_with_time(scene, timestamp);
    const bool is_right =
        r == -ERR_DAMAGED
            ? may_be_damaged(scene, timestamp, wanted)
            : r == 0 && found.offset == wanted &&
                  (wanted < 0 || found.timestamp == time_of(batch_with(scene, wanted), wanted));
    if (!is_right)
        FAIL(scene, "time %" PRId64 ": %s: offset %" PRId64 ", not %" PRId64 ": %s",
             timestamp - SAMPLE_NOW_MS, r < 0 ? err_name(r) : "found", found.offset, wanted,
             note.text);
}

static void find_max(struct scene *scene)
{
    struct log_time_offset found = { .offset = -2 };
    struct log_wait wait = { 0 };
    struct err_note note = { "" };
    int tries = 0;
    int r;
    while ((r = log_offset_of_max_time(scene->log, false, &found, &wait, &note)) ==
           -ERR_WOULD_BLOCK)
        wait_for(scene, &wait, &tries);
    int64_t newest = -1;
    for (size_t i = 0; i < scene->batches.count; i++) {
        if (is_here(scene, &scene->batches.items[i]) &&
            !is_damaged(scene, &scene->batches.items[i]))
            newest = MAX(newest, scene->batches.items[i].max_ms);
    }
    const int64_t wanted = first_with_time(scene, newest);
    const bool is_right = r == -ERR_DAMAGED
                              ? may_be_damaged(scene, newest, -1)
                              : r == 0 && found.offset == wanted && found.timestamp == newest;
    if (!is_right)
        FAIL(scene, "newest: %s: offset %" PRId64 ", not %" PRId64 ": %s",
             r < 0 ? err_name(r) : "found", found.offset, wanted, note.text);
}

static void find_some(struct scene *scene)
{
    const struct written_batch *batch = &scene->batches.items[below(scene, scene->batches.count)];
    if (chance(scene, 20))
        find_max(scene);
    else
        find_time(scene, batch->max_ms + below(scene, 3) - 1);
}

/* ---- retention -------------------------------------------------------------------------------- */

/* By jobs: as log__look_at does it. */
static void load_times(struct scene *scene, struct segment *segment)
{
    struct log_wait wait = { 0 };
    int tries = 0;
    int r;
    do {
        struct log_call call = log__begin_call(scene->log, false, &wait);
        r = log__load_times(scene->log, segment, &wait);
        log__end_call(scene->log, &call);
        if (r == -ERR_WOULD_BLOCK)
            wait_for(scene, &wait, &tries);
    } while (r == -ERR_WOULD_BLOCK);
    if (r < 0)
        FAIL(scene, "times: %s", err_name(r));
}

static int retain_at(struct scene *scene, bool may_sleep, int64_t now_ms)
{
    for (size_t i = 0; i < scene->log->segments.count && !may_sleep; i++)
        load_times(scene, scene->log->segments.items[i]);
    const int count =
        log_retain(scene->log, now_ms, scene->segments[scene->segment_count - 1].base_offset, NULL);
    EXPECT_OK(count);
    return count;
}

static void retain(struct scene *scene, bool may_sleep, bool takes)
{
    const uint32_t first = scene->first_segment;
    if (first + 1 >= scene->segment_count)
        return;
    const int64_t newest = newest_of(scene, first);
    if (retain_at(scene, may_sleep, newest + RETENTION_MS) != 0)
        FAIL(scene, "segment %u went too early", first);
    if (!takes)
        return;
    int64_t from = newest;
    if (has_damage(scene, first)) {
        if (scene->segments[first].are_times_doubted)
            return;
        from = MAX(from, scene->segments[first].modified_ms);
        for (size_t i = 0; i < scene->batches.count; i++) {
            if (scene->batches.items[i].segment == first)
                from = MAX(from, scene->batches.items[i].max_ms);
        }
    }
    const int count = retain_at(scene, may_sleep, from + RETENTION_MS + 1);
    if (count == 0)
        FAIL(scene, "segment %u is kept", first);
    for (int i = 1; i < count; i++) {
        if (newest_of(scene, first + (uint32_t)i) > from)
            FAIL(scene, "segment %u went too early", first + (uint32_t)i);
    }
    scene->first_segment += (uint32_t)count;
}

/* ---- a history -------------------------------------------------------------------------------- */

static int64_t start_of(const struct scene *scene)
{
    return scene->segments[scene->first_segment].base_offset;
}

static void act(struct scene *scene)
{
    if (chance(scene, 12)) {
        sim_disk_cool(scene->disk, chance(scene, 50) ? 1000000 : 300000);
    }
    if (chance(scene, 4)) {
        sim_disk_cool(scene->disk, 1000000);
        flip_one(scene);
    }
    if (chance(scene, 10))
        retain(scene, false, false);
    else if (chance(scene, 40))
        find_some(scene);
    else
        read_one(scene, rng_between(&scene->rng, start_of(scene), scene->end - 1));
}

static void check_all(struct scene *scene)
{
    for (int64_t offset = start_of(scene); offset < scene->end; offset++)
        read_one(scene, offset);
    for (size_t i = 0; i < scene->batches.count; i++)
        find_time(scene, scene->batches.items[i].max_ms);
    find_max(scene);
}

static void live(struct scene *scene)
{
    if (chance(scene, 50))
        sim_disk_cool(scene->disk, 1000000);
    if (chance(scene, 20))
        retain(scene, true, chance(scene, 30));
    const uint32_t count = below(scene, 20);
    for (uint32_t i = 0; i < count; i++)
        act(scene);
    if (chance(scene, 20))
        check_all(scene);
    if (chance(scene, 20))
        retain(scene, false, true);
}

static void run_history(uint64_t seed)
{
    struct scene scene = { .seed = seed, .rng = rng_from_seed(seed), .disk = sim_disk_new(seed) };
    write_log(&scene);
    if (chance(&scene, 30)) {
        log_flush(scene.log);
        live(&scene);
    }
    end_life(&scene, true);
    set_modified(&scene);
    const uint32_t lives = 1 + below(&scene, 4);
    for (uint32_t i = 0; i < lives; i++) {
        const uint32_t flips = i == 0 ? 1 + below(&scene, 3) : below(&scene, 2);
        for (uint32_t k = 0; k < flips; k++)
            flip_one(&scene);
        open_log(&scene, chance(&scene, 30));
        live(&scene);
        if (i + 1 == lives)
            check_all(&scene);
        end_life(&scene, chance(&scene, 60));
    }
    for (uint32_t i = 0; i < scene.segment_count; i++) {
        mem_free(scene.segments[i].right);
        mem_free(scene.segments[i].now);
    }
    VEC_DEINIT(&scene.batches);
    sim_disk_free(scene.disk);
}

TEST(log_rot_random, is_told_and_served_as_it_is)
{
    for (uint64_t i = 0; i < HISTORIES; i++)
        run_history(context->seed + i);
}
