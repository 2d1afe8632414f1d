/* Bits that flip on the disk: found, named once, and never served. */
#include "log/sample_test.h"

#include "base/mem.h"
#include "log/log_int.h"
#include "log/segment_checks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_PATH "/d/t-0/00000000000000000000.log"
#define BATCHES    6

/* A log of a few batches in one sealed segment, and what was written. */
struct scene {
    struct sim_disk *disk;
    struct log *log;
    struct log_config config;
    uint8_t *written; /* of the first segment */
    size_t written_bytes;
    struct batch_view batches[BATCHES];
    uint32_t told; /* how often the owner heard of damage */
    struct err_note note;
    uint32_t checks; /* that were waited for */
    uint32_t builds; /* of indexes, as well */
};

static void on_damaged(void *context, struct log *log, const struct err_note *note)
{
    struct scene *scene = context;
    (void)log;
    scene->told++;
    scene->note = *note;
}

static void reopen(struct scene *scene)
{
    if (scene->log != NULL)
        log_abandon(scene->log);
    scene->log = sample_open(
        &(struct sample_open){ .fs = sim_disk_fs(scene->disk), .config = &scene->config });
    scene->log->place.may_sleep = false;
    scene->log->owner = (struct log_owner){ .on_damaged = on_damaged, .context = scene };
    scene->told = scene->checks = 0;
}

static void begin(struct scene *scene, uint32_t index_interval_bytes)
{
    *scene = (struct scene){ .disk = sim_disk_new(1), .config = sample_log_config() };
    scene->config.index_interval_bytes = index_interval_bytes;
    struct log *log = sample_open(
        &(struct sample_open){ .fs = sim_disk_fs(scene->disk), .config = &scene->config });
    for (int i = 0; i < BATCHES; i++)
        sample_append(log, &(struct sample_batch){ .count = 1 + i % 3 });
    EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
    sample_append(log, &(struct sample_batch){ .count = 2 });
    EXPECT_OK(log_close(log, true, NULL, NULL));
    EXPECT_OK(sim_disk_look(scene->disk, SIM_VOLATILE, FIRST_PATH, &scene->written,
                            &scene->written_bytes));
    struct bytes rest = bytes_from(scene->written, scene->written_bytes);
    for (int i = 0; i < BATCHES; i++) {
        EXPECT(batch_parse(rest, &scene->batches[i]) > 0);
        rest = bytes_slice(rest, scene->batches[i].bytes.size, SIZE_MAX);
    }
}

static void end(struct scene *scene)
{
    log_abandon(scene->log);
    mem_free(scene->written);
    sim_disk_free(scene->disk);
}

/* BATCHES: the end. */
static size_t position_of(const struct scene *scene, int batch)
{
    return batch == BATCHES ? scene->written_bytes
                            : (size_t)(scene->batches[batch].bytes.data - scene->written);
}

/* As a shard reads: what takes waiting is run as a job. The piece's bytes are in the arena. */
static int read_at(struct scene *scene, int64_t offset, uint32_t bytes_max, struct arena *arena,
                   struct bytes *out)
{
    const struct log_read request = { .offset = offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = bytes_max,
                                      .min_one = true,
                                      .copy_max = UINT32_MAX,
                                      .arena = arena };
    struct log_piece piece = { 0 };
    struct log_wait wait = { 0 };
    int r;
    for (int i = 0; (r = log_read(scene->log, &request, &piece, &wait, NULL)) == -ERR_WOULD_BLOCK;
         i++) {
        EXPECT(i < 20);
        scene->checks += wait.check != NULL;
        scene->builds += wait.build != NULL;
        log_wait_run(&wait);
    }
    if (r == 0)
        *out = bytes_from(piece.data, piece.size_bytes);
    return r;
}

static int find_time(struct scene *scene, int64_t timestamp, struct log_time_offset *out)
{
    struct log_wait wait = { 0 };
    int r;
    while ((r = log_offset_for_time(scene->log, timestamp, false, out, &wait, NULL)) ==
           -ERR_WOULD_BLOCK)
        log_wait_run(&wait);
    return r;
}

/* Reads every offset of the segment, in steps, and compares with what was written. `flipped`: the batch that is damaged. */
static bool is_rest_served(struct scene *scene, int flipped, uint32_t bytes_max, int64_t step,
                           bool *out_is_told)
{
    const int64_t end = batch_last_offset(&scene->batches[BATCHES - 1]) + 1;
    bool is_right = true;
    uint32_t failed = 0;
    for (int64_t i = 0, offset = 0; i < end; i++, offset = (offset + step) % end) {
        struct arena arena;
        arena_init(&arena, 1u << 20);
        struct bytes got = BYTES_NULL;
        const int r = read_at(scene, offset, bytes_max, &arena, &got);
        int batch = 0;
        while (batch_last_offset(&scene->batches[batch]) < offset)
            batch++;
        failed += r == -ERR_DAMAGED;
        if (batch == flipped) {
            is_right &= r == -ERR_DAMAGED;
        } else {
            const struct bytes wanted =
                bytes_slice(bytes_from(scene->written, scene->written_bytes),
                            position_of(scene, batch), got.size);
            is_right &=
                r == 0 && got.size >= scene->batches[batch].bytes.size && bytes_equal(got, wanted);
            const bool reaches = batch < flipped &&
                                 position_of(scene, batch) + got.size > position_of(scene, flipped);
            is_right &= !reaches;
        }
        arena_deinit(&arena);
    }
    *out_is_told = failed > 0 && scene->told == 1;
    return is_right;
}

/* Whether a bit of it can be known: of the base offset and the leader epoch, which no CRC covers, by the batches on both sides. */
static bool can_be_known(int batch, size_t byte)
{
    const bool is_epoch = byte >= 12 && byte < 16;
    return !is_epoch || (batch > 0 && batch < BATCHES - 1);
}

static void check_flip(struct scene *scene, int batch, size_t byte, unsigned bit)
{
    const int64_t position = (int64_t)(position_of(scene, batch) + byte);
    EXPECT_OK(sim_disk_flip_bit(scene->disk, FIRST_PATH, position, bit));
    char name[80];
    (void)snprintf(name, sizeof(name), "byte %zu, offsets from %" PRId64 " to %" PRId64 ",",
                   position_of(scene, batch), scene->batches[batch].base_offset,
                   batch_last_offset(&scene->batches[batch]));
    for (int way = 0; way < 3; way++) {
        reopen(scene);
        bool is_told;
        const bool is_right =
            is_rest_served(scene, batch, way == 0 ? 10000 : 1, way == 2 ? 7 : 1, &is_told);
        if (!is_right || !is_told || strstr(scene->note.text, name) == NULL ||
            strstr(scene->note.text, FIRST_PATH) == NULL)
            test_fail(__FILE__, __LINE__, "batch %d, byte %zu, bit %u, way %d: %s%s: %s", batch,
                      byte, bit, way, is_right ? "" : "served otherwise, ",
                      is_told ? "told once" : "not told once", scene->note.text);
    }
    EXPECT_OK(sim_disk_flip_bit(scene->disk, FIRST_PATH, position, bit));
}

/* Of each batch each bit: what is not damaged can be read by each offset, the piece before ends at the damage, and the one line
 * has place and offsets. */
TEST(log_rot, of_any_bit_is_found_and_named_and_costs_its_batch_alone)
{
    static const uint32_t intervals[] = { 1, 100000 }; /* an entry for each batch, or none */
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
        struct scene scene;
        begin(&scene, intervals[i]);
        for (int batch = 0; batch < BATCHES; batch++) {
            for (size_t byte = 0; byte < scene.batches[batch].bytes.size; byte++) {
                for (unsigned bit = 0; bit < 8 && can_be_known(batch, byte); bit++)
                    check_flip(&scene, batch, byte, bit);
            }
        }
        end(&scene);
    }
}

/* A read at a damaged batch's first offset names that batch and its offsets. */
static void expect_named(struct scene *scene, int batch)
{
    const int64_t first = scene->batches[batch].base_offset;
    const int64_t last = batch_last_offset(&scene->batches[batch]);
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct bytes got;
    char name[80];
    (void)snprintf(name, sizeof(name), "byte %zu, offsets from %" PRId64 " to %" PRId64 ",",
                   position_of(scene, batch), first, last);
    const int r = read_at(scene, first, 1, &arena, &got);
    if (r != -ERR_DAMAGED || strstr(scene->note.text, name) == NULL)
        test_fail(__FILE__, __LINE__, "batch %d: %d: %s", batch, r, scene->note.text);
    arena_deinit(&arena);
}

/* Of two neighbours each is named with its own offsets, also where the first one's length is what was wrong, or the second one looks like
 * a batch of an old format; and nothing tells where the last one of the segment would end. */
TEST(log_rot, of_two_neighbours_is_named_of_each)
{
    static const struct {
        size_t byte;
        unsigned bit;
    } firsts[] = { { 10, 2 }, { 9, 6 }, { 8, 7 }, { 26, 5 }, { 70, 1 } },
      seconds[] = { { 16, 7 }, { 16, 1 } };
    for (int batch = 0; batch + 1 < BATCHES; batch++) {
        for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
            for (size_t k = 0; k < ARRAY_LEN(seconds); k++) {
                if (firsts[i].byte > 10 && seconds[k].bit == 7)
                    continue; /* of two whose headers do not lead on, nobody knows where the second begins */
                struct scene scene;
                begin(&scene, 100000);
                EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_PATH,
                                            (int64_t)(position_of(&scene, batch) + firsts[i].byte),
                                            firsts[i].bit));
                EXPECT_OK(sim_disk_flip_bit(
                    scene.disk, FIRST_PATH,
                    (int64_t)(position_of(&scene, batch + 1) + seconds[k].byte), seconds[k].bit));
                reopen(&scene);
                expect_named(&scene, batch);
                expect_named(&scene, batch + 1);
                EXPECT_EQ(scene.told, 2);
                end(&scene);
            }
        }
    }
}

static struct segment *first_segment(const struct scene *scene)
{
    return scene->log->segments.items[0];
}

static void expect_readable(struct scene *scene, uint32_t checks)
{
    bool is_told;
    scene->checks = 0;
    EXPECT(is_rest_served(scene, BATCHES, 10000, 1, &is_told));
    EXPECT_EQ(scene->told, 0);
    EXPECT_EQ(scene->checks, checks);
}

/* The first read of a process checks; later ones do not; what left memory is checked again. */
TEST(log_rot, is_looked_for_once_for_as_long_as_the_bytes_stay_in_memory)
{
    struct scene scene;
    begin(&scene, 256);
    reopen(&scene);
    EXPECT(first_segment(&scene)->checks == NULL);
    expect_readable(&scene, 1);
    expect_readable(&scene, 0);
    sim_disk_cool(scene.disk, 1000000);
    expect_readable(&scene, 1);
    expect_readable(&scene, 0);
    end(&scene);
}

/* What was just written is good, until it leaves memory. */
TEST(log_rot, is_not_looked_for_in_what_was_just_written)
{
    struct scene scene;
    begin(&scene, 256);
    reopen(&scene);
    const int64_t offset = sample_append(scene.log, &(struct sample_batch){ .count = 2 });
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct bytes got;
    EXPECT_OK(read_at(&scene, offset, 10000, &arena, &got));
    EXPECT_EQ(scene.checks, 0);
    EXPECT_OK(log_close(TAKE(scene.log), true, NULL, NULL));
    reopen(&scene);
    EXPECT_OK(read_at(&scene, offset, 10000, &arena, &got));
    EXPECT(scene.checks > 0);
    arena_deinit(&arena);
    end(&scene);
}

/* A bit that flips after the bytes were checked, while they are not in memory. */
TEST(log_rot, of_bytes_that_were_checked_and_left_memory_is_found)
{
    struct scene scene;
    begin(&scene, 256);
    reopen(&scene);
    expect_readable(&scene, 1);
    sim_disk_cool(scene.disk, 1000000);
    EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_PATH, (int64_t)position_of(&scene, 3) + 70, 1));
    bool is_told;
    EXPECT(is_rest_served(&scene, 3, 10000, 1, &is_told));
    EXPECT(is_told);
    end(&scene);
}

/* Who looks at headers alone brings pages into memory that hold more. */
TEST(log_rot, of_bytes_that_come_into_memory_beside_others_is_found)
{
    enum { DAMAGED = 1 };
    struct scene scene;
    begin(&scene, 1);
    reopen(&scene);
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct bytes got;
    EXPECT_OK(read_at(&scene, batch_last_offset(&scene.batches[DAMAGED]), 1, &arena, &got));
    EXPECT_EQ(segment_good_end(first_segment(&scene), 0), 0);
    EXPECT(segment_good_end(first_segment(&scene), (uint32_t)position_of(&scene, DAMAGED)) > 0);
    sim_disk_cool(scene.disk, 1000000);
    EXPECT_OK(
        sim_disk_flip_bit(scene.disk, FIRST_PATH, (int64_t)position_of(&scene, DAMAGED) + 70, 1));
    struct log_time_offset found;
    EXPECT_OK(find_time(&scene, INT64_MAX, &found)); /* so that times are read */
    bool is_told;
    EXPECT(is_rest_served(&scene, DAMAGED, 10000, 1, &is_told));
    EXPECT(is_told);
    arena_deinit(&arena);
    end(&scene);
}

static void check_written(int batch, size_t byte)
{
    struct scene scene = { .disk = sim_disk_new(1), .config = sample_log_config() };
    reopen(&scene);
    int64_t offset = 0;
    uint32_t position = 0;
    for (int i = 0; i < BATCHES; i++) {
        if (i == batch) {
            offset = log_offsets(scene.log)->end;
            position = log__active(scene.log)->meter.size_bytes;
        }
        sample_append(scene.log, &(struct sample_batch){ .count = 1 + i % 3 });
    }
    log_flush(scene.log);
    sim_disk_cool(scene.disk, 1000000);
    EXPECT_EQ(sim_disk_rot(scene.disk, FIRST_PATH, (int64_t)(position + byte), 6), 1);
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct bytes got;
    char words[64];
    (void)snprintf(words, sizeof(words), "byte %" PRIu32 ", offsets from %" PRId64 " ", position,
                   offset);
    const int r = read_at(&scene, offset, 1, &arena, &got);
    if (r != -ERR_DAMAGED || scene.told != 1 || strstr(scene.note.text, words) == NULL)
        test_fail(__FILE__, __LINE__, "batch %d, byte %zu: %d, told %u: %s", batch, byte, r,
                  scene.told, scene.note.text);
    arena_deinit(&arena);
    end(&scene);
}

/* Nobody has looked at the batches before it since they were written: the line names its own offsets all the same. */
TEST(log_rot, of_what_was_written_and_left_memory_is_named_by_its_own_offsets)
{
    for (int batch = 0; batch < BATCHES; batch++) {
        for (size_t byte = 8; byte < BATCH_OVERHEAD_BYTES; byte += byte == 11 ? 5 : 1)
            check_written(batch, byte); /* but of the leader epoch */
    }
}

/* A job reads while the log is cut and written anew: what it has found is of bytes that are gone. */
TEST(log_rot, that_a_job_found_before_a_cut_is_not_held_against_what_came_after)
{
    struct scene scene;
    begin(&scene, 256);
    reopen(&scene);
    EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_PATH, (int64_t)position_of(&scene, 4) + 70, 1));
    const int64_t cut = scene.batches[4].base_offset;
    const struct log_read request = {
        .offset = cut, .end_offset = INT64_MAX, .bytes_max = 10000, .min_one = true
    };
    struct log_piece piece = { 0 };
    struct log_wait wait = { 0 };
    EXPECT_ERR(log_read(scene.log, &request, &piece, &wait, NULL), ERR_WOULD_BLOCK);
    log_wait_run(&wait);
    EXPECT_OK(log_truncate(scene.log, cut, SAMPLE_NOW_MS, NULL));
    EXPECT_EQ(sample_append(scene.log, &(struct sample_batch){ .count = 2 }), cut);
    EXPECT_OK(log_read(scene.log, &request, &piece, &wait, NULL));
    EXPECT_EQ(piece.position, (int64_t)position_of(&scene, 4));
    EXPECT_EQ(scene.told, 0);
    io_file_unref(piece.file);
    end(&scene);
}

/* The same where the log is gone by the time the job is through. */
TEST(log_rot, that_a_job_found_in_a_log_that_is_gone_is_forgotten)
{
    struct scene scene;
    begin(&scene, 256);
    reopen(&scene);
    const struct log_read request = { .end_offset = INT64_MAX, .bytes_max = 10000 };
    struct log_piece piece = { 0 };
    struct log_wait wait = { 0 };
    EXPECT_ERR(log_read(scene.log, &request, &piece, &wait, NULL), ERR_WOULD_BLOCK);
    log_abandon(TAKE(scene.log));
    log_wait_run(&wait);
    log_wait_deinit(&wait);
    reopen(&scene);
    end(&scene);
}

/* A look-up by time that a damaged batch lies in the way of names it; others do not. */
TEST(log_rot, is_named_to_who_looks_for_a_time)
{
    struct scene scene;
    begin(&scene, 1);
    EXPECT_OK(log_close(sample_open(&(struct sample_open){ .fs = sim_disk_fs(scene.disk),
                                                           .config = &scene.config }),
                        true, NULL, NULL));
    struct log_time_offset found;
    reopen(&scene);
    EXPECT_OK(find_time(&scene, SAMPLE_NOW_MS, &found));
    EXPECT_EQ(found.offset, 0);
    EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_PATH, 35 + 3, 2)); /* its largest timestamp */
    reopen(&scene);
    EXPECT_ERR(find_time(&scene, SAMPLE_NOW_MS, &found), ERR_DAMAGED);
    EXPECT_EQ(scene.told, 1);
    EXPECT_ERR(find_time(&scene, SAMPLE_NOW_MS, &found), ERR_DAMAGED);
    EXPECT_EQ(scene.told, 1);
    EXPECT(strstr(scene.note.text, FIRST_PATH) != NULL);
    end(&scene);
}

/* The same where the batches had been checked, and have been brought into memory anew without anybody's knowing. */
TEST(log_rot, of_what_was_checked_is_named_to_who_looks_for_a_time)
{
    for (int batch = 1; batch <= 2; batch++) {
        struct scene scene;
        begin(&scene, 10000);
        reopen(&scene);
        expect_readable(&scene, 1);
        struct log_time_offset found;
        EXPECT_OK(find_time(&scene, SAMPLE_NOW_MS + 1, &found));
        const int64_t length = (int64_t)position_of(&scene, batch) + 8;
        EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_PATH, length, 5));
        EXPECT_ERR(find_time(&scene, SAMPLE_NOW_MS + 2, &found), ERR_DAMAGED);
        EXPECT_EQ(scene.told, 1);
        end(&scene);
    }
}

/* A damaged index leads nowhere good: that is no damage of the batches. */
#define FIRST_INDEX "/d/t-0/00000000000000000000.index"

/* A bit of an index, and the sign of its entry's offset with it. */
static void flip_in_index(struct scene *scene, size_t byte, unsigned bit, bool is_signed)
{
    EXPECT_OK(sim_disk_flip_bit(scene->disk, FIRST_INDEX, (int64_t)byte, bit));
    if (is_signed)
        EXPECT_OK(sim_disk_flip_bit(scene->disk, FIRST_INDEX,
                                    (int64_t)(byte - byte % INDEX_ENTRY_OFFSET), 7));
}

TEST(log_rot, of_an_index_is_not_held_against_the_batches)
{
    struct scene scene;
    begin(&scene, 1);
    uint8_t *index;
    size_t size;
    EXPECT_OK(sim_disk_look(scene.disk, SIM_VOLATILE, FIRST_INDEX, &index, &size));
    mem_free(index);
    EXPECT(size >= 3 * INDEX_ENTRY_OFFSET);
    for (size_t byte = 0; byte < size; byte++) {
        for (unsigned i = 0; i < 16; i++) {
            flip_in_index(&scene, byte, i % 8, i >= 8);
            bool is_told;
            for (int64_t step = 1; step <= 7; step += 6) {
                reopen(&scene);
                EXPECT(is_rest_served(&scene, BATCHES, 1, step, &is_told));
                EXPECT_EQ(scene.told, 0);
            }
            reopen(&scene);
            log_abandon(TAKE(scene.log));
            flip_in_index(&scene, byte, i % 8, i >= 8);
        }
    }
    reopen(&scene);
    end(&scene);
}

/* It leads into the midst of batches that were known to be good, and are in memory but for some of what is there: what is still known ends where
 * a batch does. */
TEST(log_rot, of_an_index_cuts_what_is_known_at_no_place_within_a_batch)
{
    struct scene scene;
    begin(&scene, 1);
    reopen(&scene);
    bool is_told;
    EXPECT(is_rest_served(&scene, BATCHES, 10000, 1, &is_told));
    struct segment *segment = first_segment(&scene);
    const uint32_t size_bytes = (uint32_t)scene.written_bytes;
    EXPECT_EQ(segment_good_end(segment, 0), size_bytes);
    const struct batch_clue clue = { .first_offset = -1,
                                     .last_offset = batch_last_offset(&scene.batches[2]) };
    struct log_wait wait = { 0 };
    EXPECT_ERR(segment_ask_check(segment, &scene.log->place, (uint32_t)position_of(&scene, 2) + 5,
                                 clue, size_bytes, &wait),
               ERR_WOULD_BLOCK);
    EXPECT_EQ(segment_good_end(segment, 0), 0);
    log_wait_run(&wait);
    log_wait_deinit(&wait);
    EXPECT(is_rest_served(&scene, BATCHES, 10000, 1, &is_told));
    EXPECT_EQ(scene.told, 0);
    end(&scene);
}

/* It leads to a batch that is damaged, on the way to an offset that is not of it. */
TEST(log_rot, of_an_index_that_leads_to_a_damaged_batch_hides_no_other)
{
    enum { DAMAGED = 2 };
    struct scene scene;
    begin(&scene, 1);
    EXPECT_OK(
        sim_disk_flip_bit(scene.disk, FIRST_PATH, (int64_t)position_of(&scene, DAMAGED) + 70, 1));
    /* The entry of the damaged batch names an offset of the one before. */
    EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_INDEX, INDEX_ENTRY_OFFSET + 3, 2));
    for (int64_t step = 1; step <= 7; step += 6) {
        reopen(&scene);
        bool is_told;
        EXPECT(is_rest_served(&scene, DAMAGED, 1, step, &is_told));
        EXPECT(is_told);
    }
    end(&scene);
}

/* The one that is made anew leads to the same place, rightly. */
TEST(log_rot, of_an_index_is_forgotten_with_it)
{
    struct scene scene;
    begin(&scene, 1);
    EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_INDEX, INDEX_ENTRY_OFFSET + 3, 0));
    reopen(&scene);
    const int64_t last = batch_last_offset(&scene.batches[2]);
    const int64_t offsets[] = { last - 1, last, last, last };
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        struct arena arena;
        arena_init(&arena, 1u << 20);
        struct bytes got;
        EXPECT_OK(read_at(&scene, offsets[i], 1, &arena, &got));
        EXPECT_EQ(scene.builds, i > 0);
        arena_deinit(&arena);
    }
    end(&scene);
}

/* Nothing is known of what lies before it. */
TEST(log_rot, that_an_index_leads_to_is_named_by_its_own_offsets)
{
    for (int batch = 1; batch < BATCHES; batch++) {
        struct scene scene;
        begin(&scene, 1);
        EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_PATH,
                                    (int64_t)(position_of(&scene, batch) + 16), 1));
        reopen(&scene);
        struct arena arena;
        arena_init(&arena, 1u << 20);
        struct bytes got;
        EXPECT_ERR(read_at(&scene, batch_last_offset(&scene.batches[batch]), 1, &arena, &got),
                   ERR_DAMAGED);
        expect_named(&scene, batch);
        EXPECT_EQ(scene.told, 1);
        arena_deinit(&arena);
        end(&scene);
    }
}

/* A device that cannot read is asked once for each read, and its answer is passed on. */
TEST(log_rot, that_the_device_itself_finds_is_an_error_of_the_device)
{
    struct scene scene;
    begin(&scene, 256);
    reopen(&scene);
    sim_disk_cool(scene.disk, 1000000);
    sim_disk_add_fault(
        scene.disk,
        &(struct sim_fault){ .calls = SIM_READ_COLD, .path_part = ".log", .error = -EIO });
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct bytes got;
    EXPECT_EQ(read_at(&scene, 0, 10000, &arena, &got), -EIO);
    EXPECT_EQ(scene.told, 0);
    sim_disk_clear_faults(scene.disk);
    EXPECT_OK(read_at(&scene, 0, 10000, &arena, &got));
    arena_deinit(&arena);
    end(&scene);
}

/* What had been flushed is not cut off after a crash: whole segments would go with it. */
TEST(log_rot, of_a_flushed_segment_takes_nothing_with_it_when_a_crash_is_recovered_from)
{
    struct scene scene;
    begin(&scene, 256);
    const int64_t base = batch_last_offset(&scene.batches[BATCHES - 1]) + 1;
    const int64_t position = (int64_t)position_of(&scene, BATCHES - 1);
    EXPECT_OK(sim_disk_flip_bit(scene.disk, FIRST_PATH, position + 25, 4)); /* the last offset */
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(scene.disk),
                                                         .config = &scene.config,
                                                         .is_unclean = true,
                                                         .recovery_point = base });
    EXPECT_EQ(log_offsets(log)->end, base + 2);
    EXPECT_EQ(log_recovery(log).bytes_cut, 0);
    EXPECT_EQ(log_recovery(log).note_count, 1);
    EXPECT(strstr(log_recovery(log).notes[0].text, FIRST_PATH " is damaged at byte ") != NULL);
    EXPECT_OK(log_close(log, true, NULL, NULL));
    reopen(&scene);
    bool is_told;
    EXPECT(is_rest_served(&scene, BATCHES - 1, 1, 1, &is_told));
    EXPECT(is_told);
    end(&scene);
}

/* ---- what is remembered of it ------------------------------------------------------------------ */

/* A set of bytes told naively, beside the ranges: these never know of a byte that it does not. */
TEST(checked_ranges, know_of_no_byte_that_was_not_added_or_was_forgotten)
{
    struct rng rng = rng_from_seed(context->seed);
    for (int round = 0; round < 200; round++) {
        struct checked_ranges ranges = { 0 };
        bool is_good[200] = { false };
        uint32_t remembered = 0;
        for (int i = 0; i < 60; i++) {
            const uint32_t begin = (uint32_t)rng_below(&rng, ARRAY_LEN(is_good));
            const uint32_t end = begin + (uint32_t)rng_below(&rng, ARRAY_LEN(is_good) - begin + 1);
            const bool adds = rng_chance(&rng, 800000);
            if (adds)
                checked_ranges_add(&ranges, (struct checked_range){ begin, end, (int64_t)end * 2 });
            else
                checked_ranges_forget(&ranges, begin, end);
            for (uint32_t at = begin; at < end; at++)
                is_good[at] = adds;
            if (adds && begin < end) {
                const struct checked_range *range = checked_ranges_find(&ranges, begin);
                EXPECT(range != NULL && range->begin <= begin && range->end >= end);
            }
            EXPECT(ranges.count <= CHECKED_RANGES_MAX);
            for (uint32_t at = 0; at < ARRAY_LEN(is_good); at++) {
                const struct checked_range *range = checked_ranges_find(&ranges, at);
                EXPECT(range == NULL || is_good[at]);
                EXPECT(range == NULL || range->next_offset == -1 ||
                       range->next_offset == (int64_t)range->end * 2);
                remembered += range != NULL;
            }
            for (uint32_t k = 0; k + 1 < ranges.count; k++)
                EXPECT(ranges.items[k].end < ranges.items[k + 1].begin);
        }
        EXPECT(remembered > 0);
        checked_ranges_deinit(&ranges);
    }
}

TEST(damages, are_kept_up_to_a_bound_the_oldest_going_first)
{
    struct damages damages = { 0 };
    for (uint32_t i = 0; i < DAMAGES_MAX; i++)
        EXPECT_EQ(damages_add(&damages, &(struct damaged_batch){ .position = 1000 - 10 * i }), -1);
    EXPECT_EQ(damages_add(&damages, &(struct damaged_batch){ .position = 1000 }), -1);
    EXPECT_EQ(damages_next(&damages, 991)->position, 1000);
    EXPECT_EQ(damages_add(&damages, &(struct damaged_batch){ .position = 5 }), 1000);
    EXPECT(damages_next(&damages, 991) == NULL);
    EXPECT_EQ(damages_next(&damages, 0)->position, 5);
    EXPECT_EQ(damages_next(&damages, 6)->position, 1000 - 10 * (DAMAGES_MAX - 1));
    damages_deinit(&damages);
}

/* By the time that it is looked at again, what is behind it may be damaged, too. */
TEST(damages, are_as_the_last_look_at_them_told)
{
    struct damages damages = { 0 };
    EXPECT_EQ(damages_add(&damages, &(struct damaged_batch){ .position = 10, .size_bytes = 20 }),
              -1);
    damages_find(&damages, 10)->is_told = true;
    EXPECT(damages_find(&damages, 40) == NULL);
    EXPECT_EQ(damages_add(&damages, &(struct damaged_batch){ .position = 10, .size_bytes = 50 }),
              -1);
    EXPECT_EQ(damages_find(&damages, 40)->position, 10);
    EXPECT(damages_find(&damages, 40)->is_told);
    damages_deinit(&damages);
}
