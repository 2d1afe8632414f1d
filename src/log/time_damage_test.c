/* Damage of what tells times: a segment goes no earlier for it, nor is it kept for ever, and records are found by their times. */
#include "log/damage_scene_test.h"

#include "base/mem.h"
#include "log/log_int.h"

#include <string.h>

/* ---- times that decide what goes --------------------------------------------------------------- */

#define RETENTION_MS       INT64_C(60000)
#define MAX_TIMESTAMP_BYTE 35 /* within a batch */

/* Some batches, of one size but for the last, in a sealed segment and one behind it; closed. */
struct timed_scene {
    struct sim_disk *disk;
    struct io_fs *fs;
    struct log_config config;
    uint32_t batch_bytes;
    uint32_t last_batch; /* its position */
    int64_t end;
    int64_t modified_ms; /* of the first segment's file: somewhat later than all its times */
};

#define TIMED_LOG    "/d/t-0/00000000000000000000.log"
#define TIMED_TIMES  "/d/t-0/00000000000000000000.timeindex"
#define TIMED_INDEX  "/d/t-0/00000000000000000000.index"
#define TIMED_BEHIND "/d/t-0/00000000000000000020.log"
#define TIMED_COUNT  20

/* times: of `count` batches, after SAMPLE_NOW_MS. last_count: records of the last one, a millisecond from each to the next. */
static void timed_begin_count(struct timed_scene *scene, const int64_t *times, int count,
                              int32_t last_count)
{
    *scene = (struct timed_scene){ .disk = sim_disk_new(1), .config = sample_log_config() };
    scene->fs = sim_disk_fs(scene->disk);
    scene->config.retention_ms = RETENTION_MS;
    scene->config.index_interval_bytes = 256;
    scene->config.segment_bytes = 1 << 20;
    struct log *log =
        sample_open(&(struct sample_open){ .fs = scene->fs, .config = &scene->config });
    for (int i = 0; i < count; i++) {
        scene->last_batch = log->segments.items[0]->meter.size_bytes;
        sample_append(log, &(struct sample_batch){ .count = i + 1 < count ? 1 : last_count,
                                                   .value_bytes = 200,
                                                   .timestamp_ms = SAMPLE_NOW_MS + times[i] });
    }
    scene->batch_bytes = count > 1 ? scene->last_batch / ((uint32_t)count - 1) : 0;
    EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
    sample_append(log, &(struct sample_batch){ .timestamp_ms = SAMPLE_NOW_MS + 2 * RETENTION_MS });
    scene->end = log_offsets(log)->end;
    EXPECT_EQ(log_segment_count(log), 2);
    EXPECT_OK(log_close(log, true, NULL, NULL));
    scene->modified_ms = SAMPLE_NOW_MS + 1000;
    EXPECT_OK(io_fs_set_modified(scene->fs, TIMED_LOG, scene->modified_ms));
}

static void timed_begin(struct timed_scene *scene, const int64_t times[TIMED_COUNT],
                        int32_t last_count)
{
    timed_begin_count(scene, times, TIMED_COUNT, last_count);
}

static int64_t size_of(struct io_fs *fs, const char *path)
{
    struct io_stat st;
    EXPECT_OK(io_fs_stat(fs, path, &st));
    return st.size_bytes;
}

/* A look-up by jobs: the offset, or why there is none. */
static int64_t timed_find(struct log *log, int64_t timestamp_ms)
{
    struct log_time_offset found = { .offset = -1 };
    struct log_wait wait = { 0 };
    int r;
    while ((r = log_offset_for_time(log, timestamp_ms, false, &found, &wait, NULL)) ==
           -ERR_WOULD_BLOCK)
        log_wait_run(&wait);
    return r < 0 ? r : found.offset;
}

/* How many segments retention takes, which looks at them by jobs or by itself. */
static int timed_retain(struct timed_scene *scene, int64_t now_ms, bool may_sleep,
                        struct damage_heard *heard)
{
    const struct sample_open open = { .fs = scene->fs, .config = &scene->config };
    struct log *log = sample_open(&open);
    damage_listen(log, heard);
    if (!may_sleep)
        EXPECT_EQ(timed_find(log, INT64_MAX), -1); /* which has all segments tell their times */
    const int count = log_retain(log, now_ms, scene->end, NULL);
    if (count == 0)
        EXPECT_OK(log_close(log, true, NULL, NULL)); /* which mends indexes */
    else
        log_abandon(log);
    return count;
}

static void ascending_times(int64_t out[TIMED_COUNT])
{
    for (int i = 0; i < TIMED_COUNT; i++)
        out[i] = i;
}

/* Each entry of it is right, and the last one that is left says less than the batches behind it: the segment is no older for that, its
 * records are found by their times, and the index is told of once and made good. */
TEST(log_damage, of_the_end_of_a_time_index_takes_no_segment_away)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    for (int may_sleep = 0; may_sleep < 2; may_sleep++) {
        bool is_cut = true;
        for (int left = 1; is_cut; left++) {
            struct timed_scene scene;
            timed_begin(&scene, times, 1);
            struct io_file *file;
            EXPECT_OK(io_file_open(scene.fs, TIMED_TIMES, IO_OPEN_READ | IO_OPEN_WRITE, &file));
            is_cut = io_file_size(file) > left * (int64_t)INDEX_ENTRY_TIME;
            if (is_cut)
                EXPECT_OK(io_file_truncate(file, left * (int64_t)INDEX_ENTRY_TIME));
            io_file_unref(file);
            struct damage_heard heard;
            const int64_t newest = SAMPLE_NOW_MS + TIMED_COUNT - 1;
            for (int life = 0; life < 2; life++) {
                EXPECT_EQ(timed_retain(&scene, newest + RETENTION_MS, may_sleep, &heard), 0);
                EXPECT_EQ(heard.mended, life == 0 && is_cut);
                EXPECT_EQ(heard.damaged, 0);
            }
            EXPECT_EQ(timed_retain(&scene, newest + RETENTION_MS + 1, may_sleep, &heard), 1);
            sim_disk_free(scene.disk);
        }
    }
}

/* The latest time may be that of any batch, and several may have it: then the index ends before the segment does, and is right. */
TEST(log_damage, of_a_time_index_is_not_seen_where_later_batches_are_of_earlier_times)
{
    for (int may_sleep = 0; may_sleep < 2; may_sleep++) {
        for (int latest = 0; latest < TIMED_COUNT; latest++) {
            struct timed_scene scene;
            int64_t times[TIMED_COUNT];
            ascending_times(times);
            for (int i = latest; i < TIMED_COUNT; i++)
                times[i] = TIMED_COUNT - 1 - (i - latest) / 2;
            timed_begin(&scene, times, 1);
            const int64_t newest = SAMPLE_NOW_MS + TIMED_COUNT - 1;
            const struct sample_open open = { .fs = scene.fs, .config = &scene.config };
            struct log *log = sample_open(&open);
            struct damage_heard heard;
            damage_listen(log, &heard);
            struct log_time_offset found;
            struct log_wait wait = { 0 };
            int r;
            while ((r = log_offset_for_time(log, newest, may_sleep, &found, &wait, NULL)) ==
                   -ERR_WOULD_BLOCK) {
                EXPECT(wait.build == NULL || wait.build->is_tail);
                log_wait_run(&wait);
            }
            EXPECT_OK(r);
            EXPECT_EQ(found.offset, latest);
            EXPECT_EQ(log_retain(log, newest + RETENTION_MS, scene.end, NULL), 0);
            EXPECT_EQ(heard.mended, 0);
            EXPECT_EQ(log_retain(log, newest + RETENTION_MS + 1, scene.end, NULL), 1);
            log_abandon(log);
            sim_disk_free(scene.disk);
        }
    }
}

/* One bit of the time of any batch, far into the future: the segment goes when its file is old. Not before that, whichever other damage there is
 * of the index, and the index is not told of as wrong. */
TEST(log_damage, of_the_time_of_a_batch_keeps_no_segment_for_ever)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    times[TIMED_COUNT / 2] = TIMED_COUNT - 1; /* so that the index ends there */
    for (int batch = 0; batch < TIMED_COUNT; batch++) {
        for (int is_missing = 0; is_missing < 2; is_missing++) {
            struct timed_scene scene;
            timed_begin(&scene, times, 1);
            const int64_t at = (int64_t)batch * scene.batch_bytes + MAX_TIMESTAMP_BYTE + 2;
            EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_LOG, at, 2)); /* 2^42 ms */
            if (is_missing)
                damage_file(scene.fs, TIMED_TIMES, GONE);
            struct damage_heard heard;
            const int64_t newest = SAMPLE_NOW_MS + TIMED_COUNT - 1;
            EXPECT_EQ(timed_retain(&scene, newest + RETENTION_MS, true, &heard), 0);
            EXPECT_EQ(heard.mended, 0);
            EXPECT_EQ(timed_retain(&scene, scene.modified_ms + RETENTION_MS + 1, true, &heard), 1);
            sim_disk_free(scene.disk);
        }
    }
}

/* Times of the future that whole batches have are what their writers said: with their index or without it they count. */
TEST(log_damage, of_a_time_index_makes_no_time_of_the_future_an_earlier_one)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    times[3] = RETENTION_MS * 1000;
    for (int is_missing = 0; is_missing < 2; is_missing++) {
        struct timed_scene scene;
        timed_begin(&scene, times, 1);
        if (is_missing)
            damage_file(scene.fs, TIMED_TIMES, GONE);
        struct damage_heard heard;
        EXPECT_EQ(timed_retain(&scene, SAMPLE_NOW_MS + RETENTION_MS * 1001, true, &heard), 0);
        EXPECT(timed_retain(&scene, SAMPLE_NOW_MS + RETENTION_MS * 1001 + 1, true, &heard) > 0);
        sim_disk_free(scene.disk);
    }
}

/* The last entry says too little, and the batch that it names too much, so that neither can be believed: when the file was changed can. */
TEST(log_damage, of_an_entry_and_of_the_time_of_its_batch_takes_no_segment_away)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    struct timed_scene scene;
    timed_begin(&scene, times, 1);
    const int64_t size = size_of(scene.fs, TIMED_TIMES);
    EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_TIMES, size - INDEX_ENTRY_TIME + 2, 0));
    EXPECT_OK(
        sim_disk_flip_bit(scene.disk, TIMED_LOG, scene.last_batch + MAX_TIMESTAMP_BYTE + 2, 2));
    struct damage_heard heard;
    EXPECT_EQ(timed_retain(&scene, scene.modified_ms + RETENTION_MS, true, &heard), 0);
    EXPECT_EQ(timed_retain(&scene, scene.modified_ms + RETENTION_MS + 1, true, &heard), 1);
    sim_disk_free(scene.disk);
}

/* ---- damage of batches beside it ---------------------------------------------------------------- */

static void flip_entry(struct timed_scene *scene, int64_t newest_ms)
{
    uint32_t bit = 20; /* of the last entry's time, one that is set: it becomes an earlier one */
    while ((newest_ms >> bit & 1) == 0)
        bit++;
    const int64_t size = size_of(scene->fs, TIMED_TIMES);
    const int64_t at = size - INDEX_ENTRY_TIME + 7 - bit / 8;
    EXPECT_OK(sim_disk_flip_bit(scene->disk, TIMED_TIMES, at, bit % 8));
}

/* A batch that nobody gets past hides no times behind it, whatever has become of the index. */
TEST(log_damage, of_a_time_index_and_of_a_batch_hides_no_later_times)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    const int64_t newest = SAMPLE_NOW_MS + TIMED_COUNT - 1;
    for (int way = 0; way < 6; way++) {
        /* One that a look-up passes by the index, and one on the way to the newest time. */
        const bool is_passed = way >= 3;
        const int64_t batch = is_passed ? 1 : TIMED_COUNT - 2;
        struct timed_scene scene;
        timed_begin(&scene, times, 1);
        const int64_t at = batch * (int64_t)scene.batch_bytes + BATCH_PREFIX_BYTES - 1;
        EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_LOG, at, 4));
        if (way % 3 == 0)
            flip_entry(&scene, newest);
        else
            damage_file(scene.fs, TIMED_TIMES, way % 3 == 1 ? GONE : NOISE);
        struct damage_heard heard;
        for (int life = 0; life < 2; life++)
            EXPECT_EQ(timed_retain(&scene, scene.modified_ms + RETENTION_MS, !is_passed, &heard),
                      0);
        EXPECT_EQ(timed_retain(&scene, scene.modified_ms + RETENTION_MS + 1, !is_passed, &heard),
                  1);
        sim_disk_free(scene.disk);
    }
}

/* What becomes of a time index. */
enum index_damage { NONE, LEADS_NOWHERE, LOST, TOO_EARLY, INDEX_DAMAGES };

static void damage_times(struct timed_scene *scene, enum index_damage damage, int64_t newest_ms)
{
    const int64_t size = size_of(scene->fs, TIMED_TIMES);
    if (damage == LEADS_NOWHERE)
        EXPECT_OK(sim_disk_flip_bit(scene->disk, TIMED_TIMES, size - 3, 6));
    if (damage == LOST)
        damage_file(scene->fs, TIMED_TIMES, GONE);
    if (damage == TOO_EARLY)
        flip_entry(scene, newest_ms);
}

/* The batch with the newest time, wherever it lies, is damaged, in its time or elsewhere, and the index too: no life takes the segment before its
 * time, and only the first finds something to mend. */
static void expect_kept(int count, int newest, int64_t byte, enum index_damage damage,
                        bool may_sleep)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    times[newest] = 500;
    const int64_t newest_ms = SAMPLE_NOW_MS + times[newest];
    struct timed_scene scene;
    timed_begin_count(&scene, times, count, 1);
    const int64_t at = (int64_t)newest * scene.batch_bytes + byte;
    EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_LOG, at, 0)); /* of the time: to an earlier one */
    damage_times(&scene, damage, newest_ms);
    struct damage_heard heard;
    for (int life = 0; life < 3; life++) {
        EXPECT_EQ(timed_retain(&scene, newest_ms + RETENTION_MS, may_sleep, &heard), 0);
        EXPECT(life == 0 || heard.mended == 0);
    }
    EXPECT_EQ(timed_retain(&scene, scene.modified_ms + RETENTION_MS + 1, may_sleep, &heard), 1);
    sim_disk_free(scene.disk);
}

TEST(log_damage, of_the_newest_batch_and_of_the_time_index_takes_no_segment_away)
{
    static const int counts[] = { 1, 2, TIMED_COUNT };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        for (int newest = 0; newest < counts[i]; newest++) {
            for (enum index_damage damage = NONE; damage < INDEX_DAMAGES; damage++) {
                for (int may_sleep = 0; may_sleep < 2; may_sleep++) {
                    expect_kept(counts[i], newest, MAX_TIMESTAMP_BYTE + 2, damage, may_sleep);
                    expect_kept(counts[i], newest, BATCH_OVERHEAD_BYTES + 50, damage, may_sleep);
                }
            }
        }
    }
}

/* The last entry of the time index names a damaged batch, and an earlier time than a whole one before it has. */
TEST(log_damage, of_a_batch_that_a_time_index_names_hides_no_later_time)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    enum { NEWEST = TIMED_COUNT / 2 };
    times[NEWEST] = 5000; /* after the file's last change */
    const int64_t newest = SAMPLE_NOW_MS + times[NEWEST];
    for (int may_sleep = 0; may_sleep < 2; may_sleep++) {
        struct timed_scene scene;
        timed_begin(&scene, times, 1);
        const int64_t size = size_of(scene.fs, TIMED_TIMES);
        flip_entry(&scene, newest);
        EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_TIMES, size - 1, 0));
        EXPECT_OK(sim_disk_flip_bit(
            scene.disk, TIMED_LOG,
            (NEWEST + 1) * (int64_t)scene.batch_bytes + MAX_TIMESTAMP_BYTE + 7, 0));
        struct damage_heard heard;
        EXPECT_EQ(timed_retain(&scene, newest + RETENTION_MS, may_sleep, &heard), 0);
        EXPECT_EQ(timed_retain(&scene, newest + RETENTION_MS + 1, may_sleep, &heard), 1);
        sim_disk_free(scene.disk);
    }
}

/* Where the newest time is not known, that is the answer; what is whole, and not right behind the damage, is found by its time. */
TEST(log_damage, of_the_newest_batch_hides_no_other_times)
{
    int64_t times[TIMED_COUNT];
    for (int newest = 0; newest < TIMED_COUNT; newest++) {
        ascending_times(times);
        struct timed_scene scene;
        timed_begin(&scene, times, 1);
        const int64_t at = (int64_t)newest * scene.batch_bytes + MAX_TIMESTAMP_BYTE + 2;
        EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_LOG, at, 0));
        damage_file(scene.fs, TIMED_TIMES, GONE);
        EXPECT_OK(io_fs_unlink(scene.fs, TIMED_BEHIND));
        for (int life = 0; life < 2; life++) {
            struct log *log =
                sample_open(&(struct sample_open){ .fs = scene.fs, .config = &scene.config });
            struct damage_heard heard;
            damage_listen(log, &heard);
            struct log_time_offset found;
            struct log_wait wait = { 0 };
            int r;
            while ((r = log_offset_of_max_time(log, false, &found, &wait, NULL)) ==
                   -ERR_WOULD_BLOCK)
                log_wait_run(&wait);
            EXPECT_EQ(r, -ERR_DAMAGED);
            EXPECT_EQ(heard.damaged, 1);
            for (int i = 0; i < TIMED_COUNT; i++) {
                const int64_t answer = timed_find(log, SAMPLE_NOW_MS + i);
                EXPECT_EQ(answer, i == newest || i == newest + 1 ? -ERR_DAMAGED : i);
            }
            EXPECT_OK(log_close(log, true, NULL, NULL));
        }
        sim_disk_free(scene.disk);
    }
}

#define LAST_OFFSET_DELTA_END 27 /* within a batch */

/* The batch before the newest says to have all offsets of the segment and more, and has by chance the time that the last entry has become. */
TEST(log_damage, of_where_a_batch_ends_leads_to_no_older_time)
{
    static const int64_t times[] = { 6, 6 + 16 };
    const int64_t newest = SAMPLE_NOW_MS + times[1];
    struct timed_scene scene;
    timed_begin_count(&scene, times, ARRAY_LEN(times), 1);
    damage_file(scene.fs, TIMED_INDEX,
                EMPTY); /* as where it is sparse: headers lead from the first batch on */
    const int64_t key_end = size_of(scene.fs, TIMED_TIMES) - INDEX_ENTRY_TIME + 8;
    EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_TIMES, key_end - 1, 4));
    EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_LOG, LAST_OFFSET_DELTA_END - 4, 2));
    EXPECT_OK(
        sim_disk_flip_bit(scene.disk, TIMED_LOG, scene.last_batch + BATCH_OVERHEAD_BYTES + 9, 0));
    struct damage_heard heard;
    for (int may_sleep = 0; may_sleep < 2; may_sleep++)
        EXPECT_EQ(timed_retain(&scene, newest + RETENTION_MS, may_sleep, &heard), 0);
    sim_disk_free(scene.disk);
}

/* A last batch that says to have fewer offsets than it has is damaged: nothing is lost behind it, and the time index that names it is right,
 * or, where its last entry is damaged too, is mended, and no reason to take the segment for old. */
TEST(log_damage, of_where_a_last_batch_ends_is_no_loss)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    const int64_t newest = SAMPLE_NOW_MS + TIMED_COUNT;
    enum { RIGHT, MISSING, EARLIER, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct timed_scene scene;
        timed_begin(&scene, times, 2);
        const int64_t at = (int64_t)scene.last_batch + LAST_OFFSET_DELTA_END - 1;
        EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_LOG, at, 0));
        if (way == MISSING)
            damage_file(scene.fs, TIMED_TIMES, GONE);
        if (way == EARLIER)
            flip_entry(&scene, newest);
        struct damage_heard heard;
        struct log *log =
            sample_open(&(struct sample_open){ .fs = scene.fs, .config = &scene.config });
        damage_listen(log, &heard);
        EXPECT_EQ(find_by_jobs(log, 1), way == EARLIER);
        EXPECT_EQ(log->segments.items[0]->meter.max_timestamp, scene.modified_ms);
        EXPECT_EQ(heard.damaged, 0);
        EXPECT_EQ(heard.mended, way == EARLIER);
        EXPECT_EQ(log_recovery(log).note_count, way == MISSING ? 1u : 0u);
        log_abandon(log);
        sim_disk_free(scene.disk);
    }
}

/* ---- damage of the other index ------------------------------------------------------------------ */

/* A bit of the offset index, and one of the time index or none (-1): the newest time is what it was, and only what is wrong is mended. */
static void expect_newest(int64_t byte, unsigned bit, int time_bit)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    const int64_t newest = SAMPLE_NOW_MS + TIMED_COUNT - 1;
    struct timed_scene scene;
    timed_begin(&scene, times, 1);
    const int64_t size = size_of(scene.fs, TIMED_TIMES);
    EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_INDEX, byte, bit));
    if (time_bit >= 0)
        EXPECT_OK(sim_disk_flip_bit(scene.disk, TIMED_TIMES,
                                    size - INDEX_ENTRY_TIME + 7 - time_bit / 8,
                                    (unsigned)time_bit % 8));
    struct log *log = sample_open(&(struct sample_open){ .fs = scene.fs, .config = &scene.config });
    struct damage_heard heard;
    damage_listen(log, &heard);
    EXPECT_EQ(timed_find(log, INT64_MAX), -1);
    EXPECT_EQ(log->segments.items[0]->meter.max_timestamp, newest);
    EXPECT_EQ(heard.damaged, 0);
    if (time_bit < 0 && heard.mended > 0)
        EXPECT(strstr(heard.first_mended.text, TIMED_INDEX " ") != NULL && heard.mended == 1);
    log_abandon(log);
    sim_disk_free(scene.disk);
}

TEST(log_damage, of_an_offset_index_is_not_held_against_times)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    struct timed_scene scene;
    timed_begin(&scene, times, 1);
    const int64_t size = size_of(scene.fs, TIMED_INDEX);
    sim_disk_free(scene.disk);
    for (int64_t byte = 0; byte < size; byte++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            expect_newest(byte, bit, -1);
            expect_newest(byte, bit, 40); /* the last entry is later than all batches */
        }
    }
}

/* ---- damage of what has the newest time --------------------------------------------------------- */

static int64_t find_newest(struct timed_scene *scene)
{
    struct log *log =
        sample_open(&(struct sample_open){ .fs = scene->fs, .config = &scene->config });
    struct log_time_offset found = { .offset = -1 };
    struct log_wait wait = { 0 };
    int r;
    while ((r = log_offset_of_max_time(log, false, &found, &wait, NULL)) == -ERR_WOULD_BLOCK)
        log_wait_run(&wait);
    log_abandon(log);
    return r < 0 ? r : found.offset;
}

/* The file was changed after all other times, and so may a damaged batch have been, wherever it lies, or one that is cut off: who asks for the
 * newest record is told so, and not that there is none. */
TEST(log_damage, of_what_may_be_newest_does_not_make_a_log_look_empty)
{
    int64_t times[TIMED_COUNT];
    ascending_times(times);
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        struct timed_scene scene;
        timed_begin(&scene, times, 1);
        struct io_file *file;
        EXPECT_OK(io_file_open(scene.fs, TIMED_LOG, IO_OPEN_READ | IO_OPEN_WRITE, &file));
        if (is_cut)
            EXPECT_OK(io_file_truncate(file, io_file_size(file) - 1));
        io_file_unref(file);
        damage_file(scene.fs, TIMED_INDEX, EMPTY); /* headers lead from the first batch on */
        const int64_t before = (int64_t)scene.last_batch - scene.batch_bytes;
        if (!is_cut) /* it says to reach to the last batch, which the time index names */
            EXPECT_OK(
                sim_disk_flip_bit(scene.disk, TIMED_LOG, before + LAST_OFFSET_DELTA_END - 1, 5));
        EXPECT_OK(io_fs_set_modified(scene.fs, TIMED_LOG, SAMPLE_NOW_MS + 3 * RETENTION_MS));
        EXPECT_EQ(find_newest(&scene), -ERR_DAMAGED);
        sim_disk_free(scene.disk);
    }
}
