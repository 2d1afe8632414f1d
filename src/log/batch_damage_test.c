/* Damage of batches: of those that were flushed each is named, and takes nothing else away; what is missing is told. */
#include "log/damage_scene_test.h"

#include "base/mem.h"
#include "log/log_int.h"

#include <stdio.h>
#include <string.h>

/* ---- batches ------------------------------------------------------------------------------- */

static uint64_t digest_of_logs(struct io_fs *fs)
{
    struct io_names names;
    uint64_t digest = 0;
    EXPECT_OK(io_fs_list(fs, "/d/t-0", 1000, &names));
    for (uint32_t i = 0; i < names.count; i++) {
        if (strstr(names.items[i], ".log") == NULL)
            continue;
        AUTO(mem_freep) char *path = mem_printf("/d/t-0/%s", names.items[i]);
        AUTO(mem_freep) uint8_t *bytes = NULL;
        size_t size;
        EXPECT_OK(io_fs_read_whole(fs, path, 1u << 20, &bytes, &size));
        digest = bytes_hash(bytes_from(bytes, size), digest);
    }
    io_names_deinit(&names);
    return digest;
}

/* Where nobody else has the batches, what was flushed is never cut off: opening fails, names the byte, and keeps what is
 * there. Damage of what was not flushed is what a crash leaves. */
TEST(log_damage, of_flushed_batches_is_refused_where_nobody_else_has_them)
{
    for (int damage = EMPTY; damage < DAMAGES; damage++) {
        for (int is_last = 0; is_last < 2; is_last++) {
            struct damage_scene scene;
            damage_scene_begin(&scene);
            struct io_fs *fs = sim_disk_fs(scene.disk);
            struct io_names names;
            EXPECT_OK(io_fs_list(fs, "/d/t-0", 1000, &names));
            const char *name = NULL;
            for (uint32_t i = 0; i < names.count; i++) {
                if (strstr(names.items[i], ".log") != NULL && (is_last || name == NULL))
                    name = names.items[i];
            }
            AUTO(mem_freep) char *path = mem_printf("/d/t-0/%s", name);
            damage_file(fs, path, (enum damage)damage);
            const uint64_t digest = digest_of_logs(fs);
            struct log *log = NULL;
            struct err_note note = { "" };
            const int r = sample_try_open(
                &(struct sample_open){
                    .fs = fs, .is_unclean = true, .flushed_offset = scene.offsets.flushed_end },
                &log, &note);
            const bool is_beyond = is_last && (damage == ZERO_TAIL || damage == NOISE_TAIL);
            if (is_beyond) {
                EXPECT_OK(r);
                EXPECT_EQ(log_offsets(log)->end, scene.offsets.end);
                log_abandon(log);
            } else {
                EXPECT_EQ(r, -ERR_CORRUPT);
                EXPECT(strstr(note.text, ".log is damaged or cut off at byte ") != NULL);
                EXPECT_EQ(digest_of_logs(fs), digest);
            }
            io_names_deinit(&names);
            damage_scene_end(&scene);
        }
    }
}

/* A batch's offset lies before its CRC. One that no segment of this base could hold is damage, and not a gap. */
TEST(log_damage, of_an_offset_beyond_its_segment_is_cut)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    for (int i = 0; i < 3; i++)
        sample_append(log, &(struct sample_batch){ .count = 2 });
    EXPECT_OK(log_close(log, true, NULL, NULL));
    AUTO(mem_freep) uint8_t *bytes = NULL;
    size_t size;
    EXPECT_OK(io_fs_read_whole(fs, "/d/t-0/00000000000000000000.log", 1u << 20, &bytes, &size));
    const int64_t third = (int64_t)(size / 3 * 2);
    EXPECT_OK(sim_disk_flip_bit(disk, "/d/t-0/00000000000000000000.log", third + 3, 2));
    log = sample_open(&(struct sample_open){ .fs = fs, .is_unclean = true });
    EXPECT_EQ(log_offsets(log)->end, 4);
    EXPECT_EQ(log_recovery(log).bytes_cut, (int64_t)(size / 3));
    log_abandon(log);
    sim_disk_free(disk);
}

/* ---- batches that are not there ---------------------------------------------------------------- */

/* As a shard reads all of it: how many batches are served. */
static int64_t walk_by_jobs(struct log *log)
{
    int64_t offset = 0;
    int64_t served = 0;
    while (offset < log_offsets(log)->end) {
        struct arena arena;
        arena_init(&arena, 1u << 16);
        const struct log_read request = { .offset = offset,
                                          .end_offset = INT64_MAX,
                                          .bytes_max = 1,
                                          .min_one = true,
                                          .copy_max = UINT32_MAX,
                                          .arena = &arena };
        struct log_piece piece;
        struct log_wait wait = { 0 };
        struct batch_view view;
        int r;
        while ((r = log_read(log, &request, &piece, &wait, NULL)) == -ERR_WOULD_BLOCK)
            log_wait_run(&wait);
        EXPECT_OK(r);
        EXPECT(batch_parse(bytes_from(piece.data, piece.size_bytes), &view) > 0);
        offset = batch_last_offset(&view) + 1;
        arena_deinit(&arena);
        served++;
    }
    return served;
}

/* A segment that was cut while the node was down: readers pass over what is missing, as Apache Kafka's do, and the owner hears once
 * where the file ends and what is not there. Under compaction a segment may end early, but in the midst of a batch it may not. */
TEST(log_damage, by_a_cut_of_a_sealed_segment_is_told_once)
{
    for (int is_compacted = 0; is_compacted < 2; is_compacted++) {
        struct log_config config = sample_log_config();
        config.cleanup_compact = is_compacted != 0;
        struct sim_disk *disk = sim_disk_new(1);
        struct io_fs *fs = sim_disk_fs(disk);
        const struct sample_open open = { .fs = fs, .config = &config };
        struct log *log = sample_open(&open);
        while (log_segment_count(log) < 3)
            sample_append(log, &(struct sample_batch){ .value_bytes = 200 });
        const int64_t second = log_segment_base(log, 1);
        const int64_t end = log_offsets(log)->end;
        EXPECT_OK(log_close(log, true, NULL, NULL));
        AUTO(mem_freep) uint8_t *bytes = NULL;
        size_t size;
        const char *path = "/d/t-0/00000000000000000000.log";
        EXPECT_OK(io_fs_read_whole(fs, path, 1u << 20, &bytes, &size));
        const size_t batch = size / (size_t)second;

        for (size_t cut = 0; cut < size; cut += cut % batch == 0 ? 7 : batch - 7) {
            EXPECT_OK(io_fs_replace(fs, path, bytes_from(bytes, cut)));
            struct damage_heard heard;
            log = sample_open(&open);
            damage_listen(log, &heard);
            const int64_t left = (int64_t)(cut / batch);
            const bool is_whole = cut % batch == 0;
            EXPECT_EQ(walk_by_jobs(log), left + end - second);
            EXPECT_EQ(heard.damaged, !is_whole || is_compacted == 0);
            char words[100];
            snprintf(words, sizeof(words),
                     is_whole ? "ends at byte %zu, before offset %" PRId64
                              : "the batch at byte %zu, offsets from %" PRId64,
                     is_whole ? cut : cut / batch * batch, left);
            if (heard.damaged > 0 && (strstr(heard.last_damaged.text, words) == NULL ||
                                      strstr(heard.last_damaged.text, path) == NULL))
                test_fail(__FILE__, __LINE__, "cut at %zu: %s", cut, heard.last_damaged.text);
            snprintf(words, sizeof(words),
                     is_whole ? "begins with offset %" PRId64 : " to %" PRId64 ",",
                     is_whole ? second : second - 1);
            EXPECT(heard.damaged == 0 || strstr(heard.last_damaged.text, words) != NULL);
            (void)walk_by_jobs(log);
            EXPECT_EQ(heard.damaged, !is_whole || is_compacted == 0);
            log_abandon(log);
        }
        sim_disk_free(disk);
    }
}

/* ---- batches that had been flushed --------------------------------------------------------- */

/* A byte of the magic, of the length, and of what only the CRC tells of. */
static const int64_t batch_bytes[] = { 16, 9, 40 };

/* What reading answers: 1: the batch as it was written, 0: anything else, or the error. */
static int read_batch(struct log *log, const struct history_batch *batch)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    const struct log_read request = { .offset = batch->last_offset,
                                      .end_offset = INT64_MAX,
                                      .bytes_max = 1,
                                      .min_one = true,
                                      .copy_max = UINT32_MAX,
                                      .arena = &arena };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    int r;
    while ((r = log_read(log, &request, &piece, &wait, NULL)) == -ERR_WOULD_BLOCK)
        log_wait_run(&wait);
    if (r >= 0)
        r = bytes_equal(bytes_from(piece.data, piece.size_bytes), batch->bytes);
    arena_deinit(&arena);
    return r;
}

static bool reads_as_written(struct log *log, const struct history_batch *batch)
{
    return read_batch(log, batch) == 1;
}

/* Where a batch of the scene lies. */
struct batch_at {
    int64_t segment;
    int64_t position;
};

static struct batch_at find_batch(const struct damage_scene *scene, struct io_fs *fs, size_t nth)
{
    struct batch_at at = { 0 };
    for (size_t i = 0; i <= nth; i++) {
        AUTO(mem_freep)
        char *path =
            mem_printf("/d/t-0/%020" PRId64 ".log", scene->history.batches.items[i].base_offset);
        struct io_stat st;
        if (io_fs_stat(fs, path, &st) == 0)
            at = (struct batch_at){ .segment = scene->history.batches.items[i].base_offset };
        if (i < nth)
            at.position += (int64_t)scene->history.batches.items[i].bytes.size;
    }
    return at;
}

static bool begins_segment(const struct damage_scene *scene, struct io_fs *fs, size_t nth)
{
    return find_batch(scene, fs, nth).segment == scene->history.batches.items[nth].base_offset;
}

static void expect_only_one_lost(const struct damage_scene *scene, struct log *log, size_t damaged,
                                 size_t count, const char *where)
{
    for (size_t i = 0; i < count; i++) {
        if (reads_as_written(log, &scene->history.batches.items[i]) == (i == damaged))
            test_fail(__FILE__, __LINE__, "%s: batch %zu of %zu", where, i, count);
    }
}

/* One damaged batch below the recovery point, anywhere: it alone is lost, it is named, and its bytes stay. Only at the very end,
 * where nothing follows, it is cut off. */
TEST(log_damage, of_a_flushed_batch_takes_nothing_else_away)
{
    struct damage_scene scene;
    damage_scene_begin(&scene);
    const size_t count = scene.history.batches.count;
    damage_scene_end(&scene);
    for (size_t nth = 0; nth < count; nth++) {
        for (size_t byte = 0; byte < ARRAY_LEN(batch_bytes); byte++) {
            damage_scene_begin(&scene);
            struct io_fs *fs = sim_disk_fs(scene.disk);
            const struct batch_at at = find_batch(&scene, fs, nth);
            AUTO(mem_freep) char *path = mem_printf("/d/t-0/%020" PRId64 ".log", at.segment);
            EXPECT_OK(sim_disk_flip_bit(scene.disk, path, at.position + batch_bytes[byte], 0));
            char where[80];
            snprintf(where, sizeof(where), "batch %zu, byte %" PRId64, nth, batch_bytes[byte]);
            const int64_t end = scene.offsets.end;
            const bool is_last = nth + 1 == count;
            const bool is_before = nth + 1 < count && begins_segment(&scene, fs, nth + 1);
            const int64_t next_base =
                is_last ? end : scene.history.batches.items[nth + 1].base_offset;
            for (int lag = 0; lag < 2; lag++) {
                const uint64_t digest = digest_of_logs(fs);
                const int64_t recovery_point = lag == 0 ? MAX(next_base, INT64_C(1)) : end - 1;
                struct log *log = sample_open(&(struct sample_open){
                    .fs = fs, .is_unclean = true, .recovery_point = recovery_point });
                EXPECT_EQ(log_offsets(log)->end, is_last ? end - 1 : end);
                const bool was_seen = is_last || !is_before || log_recovery(log).note_count > 0;
                if (!was_seen && batch_bytes[byte] != 40 && lag == 0)
                    test_fail(__FILE__, __LINE__, "%s: nothing is said", where);
                expect_only_one_lost(&scene, log, nth, is_last ? count - 1 : count, where);
                if (!is_last)
                    EXPECT_EQ(digest_of_logs(fs), digest);
                log_abandon(log);
            }
            damage_scene_end(&scene);
        }
    }
}

static struct shared *batch_of_size(uint32_t size_bytes, int64_t base_offset)
{
    struct sample_batch sample = { .base_offset = base_offset, .value_bytes = 1 };
    for (;;) {
        struct shared *batch = sample_batch(&sample);
        if (batch->size >= size_bytes) {
            EXPECT_EQ(batch->size, size_bytes);
            return batch;
        }
        shared_unref(batch);
        sample.value_bytes++;
    }
}

/* With one bit flipped the first batch's length leads to the third batch, as if the second were part of it. */
TEST(log_damage, of_a_length_that_leads_to_a_later_batch_takes_nothing_else_away)
{
    for (int is_unclean = 0; is_unclean < 2; is_unclean++) {
        struct damage_scene scene = { .disk = sim_disk_new(1) };
        struct io_fs *fs = sim_disk_fs(scene.disk);
        struct log *log = sample_open(&(struct sample_open){ .fs = fs });
        const uint32_t sizes[] = { 80, 128, 90, 100 };
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
            EXPECT_EQ(history_plan(&scene.history, log, LOG_ORIGIN_REPLICATION,
                                   batch_of_size(sizes[i], (int64_t)i))
                          .error,
                      KAFKA_NONE);
        EXPECT_OK(history_write(&scene.history, log));
        EXPECT_EQ(log_segment_count(log), 1);
        EXPECT_OK(log_close(log, true, &scene.offsets, NULL));

        EXPECT_OK(sim_disk_flip_bit(scene.disk, "/d/t-0/00000000000000000000.log", 11, 7));
        log = sample_open(&(struct sample_open){
            .fs = fs, .is_unclean = is_unclean, .recovery_point = scene.offsets.flushed_end });
        EXPECT_EQ(log_offsets(log)->end, 4);
        expect_only_one_lost(&scene, log, 0, ARRAY_LEN(sizes), is_unclean ? "unclean" : "clean");
        log_abandon(log);
        damage_scene_end(&scene);
    }
}

/* ---- damage over several batches --------------------------------------------------------------- */

#define WIDE_PATH   "/d/t-0/00000000000000000000.log"
#define WIDE_COUNT  200
#define WIDE_PAGE   4096
#define WIDE_HEADER 61

enum wide_damage { WIDE_IN_PAGE, WIDE_OF_HEADER, WIDE_OF_LENGTH, WIDE_TO_END, WIDE_DAMAGES };

/* One segment of many small batches, of which some are damaged. */
struct wide_scene {
    struct sim_disk *disk;
    struct history history;
    struct log_config config;
    struct log *log;
    struct damage_heard heard;
    size_t first; /* of the damaged ones */
    size_t behind;
};

static void wide_append(struct wide_scene *scene, int64_t offset)
{
    const struct sample_batch sample = { .value_bytes = 480,
                                         .timestamp_ms = SAMPLE_NOW_MS + 10 * offset,
                                         .base_offset = offset };
    EXPECT_EQ(
        history_plan(&scene->history, scene->log, LOG_ORIGIN_REPLICATION, sample_batch(&sample))
            .error,
        KAFKA_NONE);
    EXPECT_OK(history_write(&scene->history, scene->log));
}

static size_t wide_batch_bytes(const struct wide_scene *scene)
{
    return scene->history.batches.items[0].bytes.size;
}

static void wide_damage(struct wide_scene *scene, enum wide_damage damage)
{
    const size_t one = wide_batch_bytes(scene);
    struct io_file *file;
    EXPECT_OK(io_file_open(sim_disk_fs(scene->disk), WIDE_PATH, IO_OPEN_WRITE, &file));
    const int64_t size = (int64_t)(WIDE_COUNT * one);
    int64_t begin = 5 * WIDE_PAGE;
    int64_t end = begin + WIDE_PAGE;
    if (damage == WIDE_OF_HEADER || damage == WIDE_OF_LENGTH) {
        begin = 40 * (int64_t)one + (damage == WIDE_OF_LENGTH ? 9 : 0);
        end = begin + (damage == WIDE_OF_LENGTH ? 2 : WIDE_HEADER);
    } else if (damage == WIDE_TO_END) {
        begin = 21 * WIDE_PAGE + 100;
        end = size;
    }
    AUTO(mem_freep) uint8_t *bytes = mem_zalloc((size_t)(end - begin));
    if (damage == WIDE_OF_LENGTH)
        memcpy(bytes, "\x01\x03", 2);
    EXPECT_OK(io_file_write(file, begin, bytes, (size_t)(end - begin)));
    io_file_unref(file);
    scene->first = (size_t)begin / one;
    scene->behind = ((size_t)end + one - 1) / one;
}

static void wide_begin(struct wide_scene *scene, bool is_sealed, enum wide_damage damage,
                       uint32_t index_interval_bytes)
{
    *scene = (struct wide_scene){ .disk = sim_disk_new(1), .config = sample_log_config() };
    scene->config.segment_bytes = 1u << 20;
    scene->config.index_interval_bytes = index_interval_bytes;
    const struct sample_open open = { .fs = sim_disk_fs(scene->disk), .config = &scene->config };
    scene->log = sample_open(&open);
    for (int64_t i = 0; i < WIDE_COUNT; i++)
        wide_append(scene, i);
    if (is_sealed) {
        EXPECT_OK(log_roll(scene->log, SAMPLE_NOW_MS, NULL));
        wide_append(scene, WIDE_COUNT);
    }
    EXPECT_OK(log_close(scene->log, true, NULL, NULL));
    scene->log = sample_open(&open);
    wide_damage(scene, damage);
    damage_listen(scene->log, &scene->heard);
}

static void wide_end(struct wide_scene *scene)
{
    log_abandon(scene->log);
    history_deinit(&scene->history);
    sim_disk_free(scene->disk);
}

static void wide_expect_one(struct wide_scene *scene, size_t i, const char *where)
{
    const bool is_damaged = i >= scene->first && i < scene->behind;
    if (read_batch(scene->log, &scene->history.batches.items[i]) != (is_damaged ? -ERR_DAMAGED : 1))
        test_fail(__FILE__, __LINE__, "%s: batch %zu, of which %zu to %zu are damaged", where, i,
                  scene->first, scene->behind - 1);
}

static void wide_expect_told(struct wide_scene *scene, bool is_open, const char *where)
{
    char words[80];
    if (is_open)
        snprintf(words, sizeof(words), "offsets from %zu on, is damaged: ", scene->first);
    else
        snprintf(words, sizeof(words), "offsets from %zu to %zu, is damaged: ", scene->first,
                 scene->behind - 1);
    if (scene->heard.damaged != 1 || strstr(scene->heard.last_damaged.text, words) == NULL)
        test_fail(__FILE__, __LINE__, "%s: told %u times: %s", where, scene->heard.damaged,
                  scene->heard.last_damaged.text);
}

static int64_t wide_offset_for_time(struct wide_scene *scene, int64_t timestamp)
{
    struct log_time_offset found = { .offset = -1 };
    struct log_wait wait = { 0 };
    int r;
    while ((r = log_offset_for_time(scene->log, timestamp, false, &found, &wait, NULL)) ==
           -ERR_WOULD_BLOCK)
        log_wait_run(&wait);
    return r < 0 ? r : found.offset;
}

/* Where the length of a damaged batch does not tell where it ends, the next whole one does: all before and behind is served, in whatever
 * order it is asked for, and the owner hears once which offsets are not. */
TEST(log_damage, over_several_batches_takes_nothing_behind_it_away)
{
    static const size_t steps[] = { 1, WIDE_COUNT - 1, 77, 131 };
    for (int damage = 0; damage < WIDE_DAMAGES; damage++) {
        for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
            for (size_t order = 0; order < ARRAY_LEN(steps); order++) {
                struct wide_scene scene;
                char where[80];
                snprintf(where, sizeof(where), "damage %d, %s, steps of %zu", damage,
                         is_sealed ? "sealed" : "active", steps[order]);
                wide_begin(&scene, is_sealed, (enum wide_damage)damage, WIDE_PAGE);
                size_t i = order < 2 ? 0 : 150;
                for (int n = 0; n < WIDE_COUNT; n++, i = (i + steps[order]) % WIDE_COUNT)
                    wide_expect_one(&scene, i, where);
                wide_expect_told(&scene, damage == WIDE_TO_END && !is_sealed, where);
                /* An index that leads into the damage is right, and serves on. */
                EXPECT(index_count(&scene.log->segments.items[0]->offsets) > 0);
                wide_end(&scene);
            }
        }
    }
}

/* An index that leads to a damaged batch whose header is whole, in the midst of what is damaged, makes nobody serve it. */
TEST(log_damage, within_which_an_index_leads_is_not_served)
{
    static const size_t orders[][2] = { { 40, 41 }, { 41, 40 } };
    for (size_t order = 0; order < ARRAY_LEN(orders); order++) {
        struct wide_scene scene;
        wide_begin(&scene, true, WIDE_OF_HEADER, 1);
        scene.behind++;
        const size_t second = 41 * wide_batch_bytes(&scene);
        EXPECT_OK(sim_disk_flip_bit(scene.disk, WIDE_PATH, (int64_t)second + 100, 3));
        for (size_t i = 0; i < 2; i++)
            wide_expect_one(&scene, orders[order][i], "of two");
        for (size_t i = 0; i < WIDE_COUNT; i++)
            wide_expect_one(&scene, i, "of all");
        EXPECT_EQ(scene.heard.damaged, 1 + order);
        wide_end(&scene);
    }
}

/* Whoever looks for the end of a damaged batch looks at no bytes that were known to be good, and are not in memory any more: they would come
 * back unseen. */
TEST(log_damage, brings_nothing_else_into_memory_unseen)
{
    uint32_t flipped = 0;
    for (uint32_t round = 0; round < 60; round++) {
        struct wide_scene scene;
        wide_begin(&scene, true, WIDE_OF_HEADER, WIDE_PAGE);
        struct io_file *file;
        EXPECT_OK(segment_file(scene.log->segments.items[0], &scene.log->place, false, &file));
        io_file_no_read_ahead(file); /* as of a log that is attached */
        wide_expect_one(&scene, 100, "before");
        sim_disk_cool(scene.disk, 200000 + 10000 * round);
        /* Of a length of zero the bits are tried one by one. */
        const size_t reached = 40 * wide_batch_bytes(&scene) + (1u << 16);
        const size_t batch = reached / wide_batch_bytes(&scene);
        const int64_t position = (int64_t)(batch * wide_batch_bytes(&scene)) + 100;
        const int r = sim_disk_rot(scene.disk, WIDE_PATH, position, 3);
        EXPECT_OK(r);
        flipped += r > 0;
        wide_expect_one(&scene, 40, "damaged");
        if (r > 0 && read_batch(scene.log, &scene.history.batches.items[batch]) != -ERR_DAMAGED)
            test_fail(__FILE__, __LINE__, "round %u: served", round);
        wide_end(&scene);
    }
    EXPECT(flipped > 0);
}

/* Of a segment that is written to, what comes behind damage that reaches to its end is read as ever. */
TEST(log_damage, to_the_end_of_the_active_segment_does_not_reach_what_is_appended)
{
    for (int is_read_before = 0; is_read_before < 2; is_read_before++) {
        struct wide_scene scene;
        wide_begin(&scene, false, WIDE_TO_END, WIDE_PAGE);
        if (is_read_before)
            wide_expect_one(&scene, scene.first, "before");
        for (int64_t i = 0; i < 20; i++)
            wide_append(&scene, WIDE_COUNT + i);
        for (size_t i = 0; i < WIDE_COUNT + 20; i++)
            wide_expect_one(&scene, i, "behind");
        EXPECT_EQ(scene.heard.damaged, 1);
        wide_end(&scene);
    }
}

/* Nobody who asks for a time behind the damage is led into it. */
TEST(log_damage, over_several_batches_hides_no_times_behind_it)
{
    for (int damage = 0; damage < WIDE_TO_END; damage++) {
        for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
            for (int is_read_before = 0; is_read_before < 2; is_read_before++) {
                struct wide_scene scene;
                wide_begin(&scene, is_sealed, (enum wide_damage)damage, WIDE_PAGE);
                if (is_read_before)
                    wide_expect_one(&scene, scene.first, "before");
                for (int64_t i = WIDE_COUNT - 1; i >= (int64_t)scene.behind + 20; i--)
                    EXPECT_EQ(wide_offset_for_time(&scene, SAMPLE_NOW_MS + 10 * i), i);
                for (int64_t i = 0; i < (int64_t)scene.first; i++)
                    EXPECT_EQ(wide_offset_for_time(&scene, SAMPLE_NOW_MS + 10 * i), i);
                wide_end(&scene);
            }
        }
    }
}

/* What a producer had in flight before a restart is known again as it is sent again, whatever is damaged before it. */
TEST(log_damage, of_older_batches_keeps_duplicates_known)
{
    enum { COUNT = 12, IN_FLIGHT = 5 };
    for (int64_t damaged = 0; damaged < COUNT - IN_FLIGHT; damaged++) {
        for (size_t byte = 0; byte < ARRAY_LEN(batch_bytes); byte++) {
            struct sim_disk *disk = sim_disk_new(1);
            struct io_fs *fs = sim_disk_fs(disk);
            struct sample_batch sample = { .has_producer = true, .producer_id = 4 };
            struct log *log = sample_open(&(struct sample_open){ .fs = fs });
            for (sample.sequence = 0; sample.sequence < COUNT; sample.sequence++)
                EXPECT_EQ(sample_append(log, &sample), sample.sequence);
            EXPECT_OK(log_close(log, true, NULL, NULL));

            struct shared *one = sample_batch(&sample);
            EXPECT_OK(sim_disk_flip_bit(disk, "/d/t-0/00000000000000000000.log",
                                        damaged * (int64_t)one->size + batch_bytes[byte], 0));
            shared_unref(one);
            log = sample_open(&(struct sample_open){ .fs = fs });
            EXPECT_EQ(log_segment_count(log), 1);
            for (sample.sequence = COUNT - IN_FLIGHT; sample.sequence < COUNT; sample.sequence++) {
                const struct log_append_result result =
                    sample_plan(log, LOG_ORIGIN_CLIENT, sample_batch(&sample));
                EXPECT(result.is_duplicate);
                EXPECT_EQ(result.first_offset, sample.sequence);
            }
            log_abandon(log);
            sim_disk_free(disk);
        }
    }
}
