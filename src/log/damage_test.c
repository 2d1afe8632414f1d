/* Every kind of damage to every file beside the batches: the log opens, tells of it, and lacks
 * nothing. */
#include "log/damage_scene_test.h"

#include "base/mem.h"
#include "log/log_int.h"
#include "log/names.h"
#include "log/small_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void check_scene(struct damage_scene *scene, bool is_clean, const char *where)
{
    const struct sample_open open = { .fs = sim_disk_fs(scene->disk),
                                      .is_unclean = !is_clean,
                                      .recovery_point = scene->offsets.flushed_end };
    struct log *log = sample_open(&open);
    history_expect(&scene->history, log, where);
    struct log_producer producer;
    if (!log_producer_get(log, 4, &producer) || producer.last_sequence != scene->last_sequence)
        test_fail(__FILE__, __LINE__, "%s: the producer is lost", where);
    if (log_epoch_latest(log) != 5 || log_epoch_of(log, 59) != 0 || log_epoch_of(log, 60) != 5)
        test_fail(__FILE__, __LINE__, "%s: epochs are lost", where);
    for (int i = 0; i < 12; i++) {
        struct log_time_offset found;
        struct log_wait wait = { 0 };
        EXPECT_OK(log_offset_for_time(log, SAMPLE_NOW_MS + 30 * i, true, &found, &wait, NULL));
        if (found.offset != 9 * i)
            test_fail(__FILE__, __LINE__, "%s: by time: %" PRId64 ", not %d", where, found.offset,
                      9 * i);
    }
    const struct sample_batch next = { .has_producer = true,
                                       .producer_id = 4,
                                       .sequence = ++scene->last_sequence,
                                       .base_offset = log_offsets(log)->end,
                                       .leader_epoch = 5 };
    EXPECT_EQ(history_plan(&scene->history, log, LOG_ORIGIN_REPLICATION, sample_batch(&next)).error,
              KAFKA_NONE);
    EXPECT_OK(history_write(&scene->history, log));
    history_expect(&scene->history, log, where);
    log_abandon(log);
}

/* Which damage of which file must come without loss. Snapshots are asked for after a clean shutdown
 * only as long as one is left. */
static void try_damage(const char *suffix, enum damage damage, bool is_clean, bool all_files)
{
    struct damage_scene scene;
    damage_scene_begin(&scene);
    struct io_fs *fs = sim_disk_fs(scene.disk);
    struct io_names names;
    EXPECT_OK(io_fs_list(fs, "/d/t-0", 1000, &names));
    uint32_t damaged = 0;
    for (uint32_t i = names.count; i > 0; i--) {
        const char *name = names.items[i - 1];
        const size_t size = strlen(name);
        if (size < strlen(suffix) || strcmp(name + size - strlen(suffix), suffix) != 0)
            continue;
        AUTO(mem_freep) char *path = mem_printf("/d/t-0/%s", name);
        damage_file(fs, path, damage);
        damaged++;
        if (!all_files)
            break;
    }
    EXPECT(damaged > 0);
    io_names_deinit(&names);
    char where[120];
    snprintf(where, sizeof(where), "%s of %s%s, %s", damage_names[damage],
             all_files ? "all " : "the last ", suffix, is_clean ? "clean" : "unclean");
    check_scene(&scene, is_clean, where);
    check_scene(&scene, false,
                where); /* what was mended stays so; the append above is lost to nobody */
    damage_scene_end(&scene);
}

TEST(log_damage, of_indexes_costs_nothing)
{
    for (int damage = 0; damage < DAMAGES; damage++) {
        for (int i = 0; i < 4; i++) {
            try_damage(".index", (enum damage)damage, i % 2 == 0, i < 2);
            try_damage(".timeindex", (enum damage)damage, i % 2 == 0, i < 2);
        }
    }
}

/* One bit of a file's byte at that place, counted through all files with the suffix. False: they are not so long. */
static bool flip_bit(struct sim_disk *disk, const char *suffix, int64_t byte)
{
    struct io_names names;
    bool was_flipped = false;
    EXPECT_OK(io_fs_list(sim_disk_fs(disk), "/d/t-0", 1000, &names));
    for (uint32_t i = 0; i < names.count && !was_flipped; i++) {
        const char *end = strchr(names.items[i], '.');
        struct io_stat st;
        if (end == NULL || strcmp(end, suffix) != 0)
            continue;
        AUTO(mem_freep) char *path = mem_printf("/d/t-0/%s", names.items[i]);
        EXPECT_OK(io_fs_stat(sim_disk_fs(disk), path, &st));
        was_flipped = byte < st.size_bytes;
        if (was_flipped)
            EXPECT_OK(sim_disk_flip_bit(disk, path, byte, (unsigned)(byte % 8)));
        byte -= st.size_bytes;
    }
    io_names_deinit(&names);
    return was_flipped;
}

/* An entry that looks like one is believed only as far as the batch that it leads to says the same. */
TEST(log_damage, of_a_bit_of_an_index_costs_nothing)
{
    static const char *const suffixes[] = { ".index", ".timeindex" };
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        bool is_within = true;
        for (int64_t byte = 0; is_within; byte++) {
            struct damage_scene scene;
            damage_scene_begin(&scene);
            is_within = flip_bit(scene.disk, suffixes[i], byte);
            char where[60];
            snprintf(where, sizeof(where), "byte %" PRId64 " of all %s", byte, suffixes[i]);
            check_scene(&scene, true, where);
            damage_scene_end(&scene);
        }
    }
}

TEST(log_damage, of_producer_snapshots_costs_nothing)
{
    for (int damage = GONE; damage < DAMAGES; damage++) {
        try_damage(".snapshot", (enum damage)damage, true, false);
        try_damage(".snapshot", (enum damage)damage, false, false);
        try_damage(".snapshot", (enum damage)damage, false, true);
        /* Without any, a clean shutdown means that there never was one, as in Kafka. */
        if (damage != GONE)
            try_damage(".snapshot", (enum damage)damage, true, true);
    }
}

TEST(log_damage, of_the_epoch_checkpoint_costs_nothing)
{
    for (int damage = 0; damage < DAMAGES; damage++) {
        /* An absent or empty file is what a log from before epochs has: only a scan finds them. */
        if (damage == GONE || damage == EMPTY)
            continue;
        try_damage("leader-epoch-checkpoint", (enum damage)damage, true, true);
        try_damage("leader-epoch-checkpoint", (enum damage)damage, false, true);
    }
}

TEST(log_damage, of_partition_metadata_and_aborted_transactions_costs_nothing)
{
    for (int damage = 0; damage < DAMAGES; damage++) {
        try_damage("partition.metadata", (enum damage)damage, true, true);
        try_damage("partition.metadata", (enum damage)damage, false, true);
        try_damage(".txnindex", (enum damage)damage, false, true);
    }
}

/* The directory of another topic of the same name, made after this one was deleted. */
TEST(log_open, refuses_the_directory_of_another_topic_id)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    log_abandon(sample_open(&(struct sample_open){ .fs = fs }));
    EXPECT_OK(partition_metadata_write(fs, "/d/t-0", (struct uuid){ { 9 } }, NULL));
    struct log *log;
    struct err_note note = { "" };
    EXPECT_ERR(sample_try_open(&(struct sample_open){ .fs = fs }, &log, &note), ERR_EXISTS);
    EXPECT(strstr(note.text, "/d/t-0") != NULL);
    sim_disk_free(disk);
}

static void put_name(struct io_fs *fs, const char *name, struct bytes content)
{
    AUTO(mem_freep) char *path = mem_printf("/d/t-0/%s", name);
    struct io_file *file;
    EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file));
    EXPECT_OK(io_file_write(file, 0, content.data, content.size));
    io_file_unref(file);
}

static bool has_name(struct io_fs *fs, const char *name)
{
    AUTO(mem_freep) char *path = mem_printf("/d/t-0/%s", name);
    struct io_stat st;
    return io_fs_stat(fs, path, &st) == 0;
}

/* Files that deletion, compaction and a split segment leave behind when they are interrupted; the
 * files of others stay. */
TEST(log_open, clears_leftovers_and_leaves_strangers_alone)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    log_abandon(sample_open(&(struct sample_open){ .fs = fs }));
    static const char *const gone[] = {
        "00000000000000000007.log.deleted",
        "00000000000000000007.timeindex.deleted",
        "00000000000000000007.snapshot.deleted",
        "00000000000000000003.log.cleaned",
        "00000000000000000003.index.cleaned",
        "00000000000000000005.log.swap",
        "00000000000000000004.index",
        "00000000000000000004.txnindex",
    };
    static const char *const kept[] = { "00000000000000000123-0000000001.checkpoint.deleted",
                                        "quorum-state", "notes.txt", "0000.log", "x.index" };
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        put_name(fs, gone[i], BYTES_LITERAL("x"));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        put_name(fs, kept[i], BYTES_LITERAL("x"));
    log_abandon(sample_open(&(struct sample_open){ .fs = fs, .is_unclean = true }));
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        EXPECT(!has_name(fs, gone[i]));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        EXPECT(has_name(fs, kept[i]));
    sim_disk_free(disk);
}

/* A compaction had its result ready as .swap files, and was stopped before, or while, it replaced
 * the originals. */
TEST(log_open, completes_an_interrupted_swap)
{
    for (int removed = 0; removed <= 2; removed++) {
        struct sim_disk *disk = sim_disk_new(1);
        struct io_fs *fs = sim_disk_fs(disk);
        struct log *log = sample_open(&(struct sample_open){ .fs = fs });
        for (int i = 0; i < 3; i++) {
            sample_append(log, &(struct sample_batch){ .count = 2 });
            EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
        }
        sample_append(log, &(struct sample_batch){ 0 });
        const struct bytes all = sample_read_all(log, 0);
        EXPECT_OK(log_close(log, true, NULL, NULL));
        struct batch_view second;
        struct batch_view first;
        EXPECT(batch_parse(all, &first) > 0);
        EXPECT(batch_parse(bytes_slice(all, first.bytes.size, all.size), &second) > 0);
        /* Segments 0 and 2 become one that has only offsets 2 and 3. */
        put_name(fs, "00000000000000000000.log.swap", second.bytes);
        put_name(fs, "00000000000000000000.index.swap", bytes_from("", 0));
        put_name(fs, "00000000000000000000.timeindex.swap", bytes_from("", 0));
        for (int i = 0; i < removed; i++) {
            AUTO(mem_freep) char *path = mem_printf("/d/t-0/%020d.log", 2 * i);
            EXPECT_OK(io_fs_unlink(fs, path));
        }
        log = sample_open(&(struct sample_open){ .fs = fs });
        EXPECT_EQ(log_segment_count(log), 3);
        EXPECT_EQ(log_segment_base(log, 1), 4);
        EXPECT_EQ(log_offsets(log)->end, 7);
        EXPECT(!has_name(fs, "00000000000000000002.log"));
        EXPECT(!has_name(fs, "00000000000000000000.log.swap"));
        log_abandon(log);
        bytes_free(all);
        sim_disk_free(disk);
    }
}

/* Files removed behind our back: the log begins anew where its start was checkpointed. */
TEST(log_open, begins_at_the_checkpointed_start_when_the_files_end_below)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct log *log =
        sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk), .log_start_offset = 500 });
    EXPECT_EQ(log_offsets(log)->start, 500);
    EXPECT_EQ(log_offsets(log)->end, 500);
    EXPECT_EQ(sample_append(log, &(struct sample_batch){ 0 }), 500);
    EXPECT_OK(log_close(log, true, NULL, NULL));
    log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk), .log_start_offset = 900 });
    EXPECT_EQ(log_offsets(log)->start, 900);
    EXPECT_EQ(log_offsets(log)->end, 900);
    EXPECT_EQ(log_recovery(log).note_count, 1);
    log_abandon(log);
    sim_disk_free(disk);
}

/* Whole batches that are missing leave no torn one behind, so nothing is cut; and yet they had been flushed. */
TEST(log_open, tells_of_batches_that_were_flushed_and_are_not_there)
{
    for (int is_unclean = 0; is_unclean < 2; is_unclean++) {
        struct sim_disk *disk = sim_disk_new(1);
        struct io_fs *fs = sim_disk_fs(disk);
        struct log *log = sample_open(&(struct sample_open){ .fs = fs });
        sample_append(log, &(struct sample_batch){ .count = 2 });
        EXPECT_OK(log_close(log, true, NULL, NULL));
        const struct sample_open open = { .fs = fs, .is_unclean = is_unclean, .recovery_point = 2 };
        log = sample_open(&open);
        EXPECT_EQ(log_recovery(log).note_count, 0);
        log_abandon(log);
        EXPECT_OK(io_fs_unlink(fs, "/d/t-0/00000000000000000000.log"));
        log = sample_open(&open);
        EXPECT_EQ(log_offsets(log)->end, 0);
        const struct log_recovery recovery = log_recovery(log);
        EXPECT(recovery.note_count > 0 &&
               strstr(recovery.notes[recovery.note_count - 1].text, "had been flushed") != NULL);
        log_abandon(log);
        sim_disk_free(disk);
    }
}

/* ---- by jobs --------------------------------------------------------------------------------- */

static int count_change(void *context, enum sim_call call, const char *path, uint64_t size_bytes)
{
    uint32_t *changes = context;
    (void)path;
    (void)size_bytes;
    *changes += (call & SIM_CHANGES) != 0;
    return 0;
}

/* Who reads from a shard neither reads a segment through nor writes; the close mends the files. Each is told of once. */
TEST(log_damage, of_an_index_is_mended_by_a_job_and_by_the_close)
{
    for (int damage = EMPTY; damage < DAMAGES; damage++) {
        struct sim_disk *disk = sim_disk_new(context->seed);
        struct io_fs *fs = sim_disk_fs(disk);
        struct log *log = sample_open(&(struct sample_open){ .fs = fs });
        for (int64_t i = 0; log_segment_count(log) < 4; i++)
            sample_append(log, &(struct sample_batch){ .value_bytes = 200,
                                                       .timestamp_ms = SAMPLE_NOW_MS + i });
        const int64_t second = log_segment_base(log, 1);
        const int64_t third = log_segment_base(log, 2);
        AUTO(mem_freep)
        char *index =
            segment_path(log->segments.items[1], &log->place, LOG_NAME_OFFSET_INDEX, LOG_NAME_LIVE);
        AUTO(mem_freep)
        char *times =
            segment_path(log->segments.items[2], &log->place, LOG_NAME_TIME_INDEX, LOG_NAME_LIVE);
        EXPECT_OK(log_close(log, true, NULL, NULL));
        damage_file(fs, index, (enum damage)damage);
        damage_file(fs, times, (enum damage)damage);

        uint32_t built = 0;
        for (int life = 0; life < 2; life++) {
            struct damage_heard heard;
            log = sample_open(&(struct sample_open){ .fs = fs });
            damage_listen(log, &heard);
            sim_disk_cool(disk, 1000000);
            uint32_t changes = 0;
            sim_disk_set_hooks(
                disk, &(struct sim_disk_hooks){ .context = &changes, .on_call = count_change });
            built = read_by_jobs(log, second + 3) + find_by_jobs(log, third + 3);
            EXPECT_EQ(heard.mended, built);
            if (built == 2)
                EXPECT(strstr(heard.first_mended.text, index) != NULL);
            if (built > 0 && heard.mended > 0)
                EXPECT(strstr(heard.last_mended.text, times) != NULL ||
                       strstr(heard.last_mended.text, index) != NULL);
            (void)read_by_jobs(log, second + 3);
            EXPECT_EQ(heard.mended, built);
            EXPECT_EQ(heard.damaged, 0);
            EXPECT_EQ(changes, 0);
            sim_disk_set_hooks(disk, &(struct sim_disk_hooks){ 0 });
            /* An offset index that lacks entries is sparse, and may be believed. */
            EXPECT(life > 0 || built > 0);
            EXPECT_OK(log_close(log, true, NULL, NULL));
        }
        EXPECT_EQ(built, 0);
        sim_disk_free(disk);
    }
}

/* An entry in the middle that leads elsewhere is found by who is led there, told of once, and made good: it is no damage of batches. */
TEST(log_damage, of_an_entry_within_an_index_is_told_once_and_mended)
{
    struct sim_disk *disk = sim_disk_new(context->seed);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    for (int64_t i = 0; log_segment_count(log) < 3; i++)
        sample_append(log, &(struct sample_batch){ .value_bytes = 200 });
    const int64_t second = log_segment_base(log, 1);
    AUTO(mem_freep)
    char *index =
        segment_path(log->segments.items[0], &log->place, LOG_NAME_OFFSET_INDEX, LOG_NAME_LIVE);
    EXPECT_OK(log_close(log, true, NULL, NULL));
    EXPECT_OK(sim_disk_flip_bit(disk, index, INDEX_ENTRY_OFFSET * 2 + 7, 3)); /* its position */
    for (int life = 0; life < 2; life++) {
        struct damage_heard heard;
        log = sample_open(&(struct sample_open){ .fs = fs });
        damage_listen(log, &heard);
        for (int round = 0; round < 3; round++) {
            for (int64_t offset = 0; offset < second; offset++)
                (void)read_by_jobs(log, offset);
        }
        EXPECT_EQ(heard.mended, life == 0);
        EXPECT(life > 0 || strstr(heard.last_mended.text, index) != NULL);
        EXPECT_EQ(heard.damaged, 0);
        EXPECT_OK(log_close(log, true, NULL, NULL));
    }
    sim_disk_free(disk);
}

/* What opening itself needs is told by its notes, a file each. */
TEST(log_damage, of_indexes_that_opening_meets_is_among_its_notes)
{
    static const char *const suffixes[] = { ".index", ".timeindex" };
    for (int damage = 0; damage < DAMAGES; damage++) {
        for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
            struct sim_disk *disk = sim_disk_new(1);
            struct io_fs *fs = sim_disk_fs(disk);
            struct log *log = sample_open(&(struct sample_open){ .fs = fs });
            for (int k = 0; k < 10; k++)
                sample_append(log, &(struct sample_batch){ .value_bytes = 200,
                                                           .timestamp_ms = SAMPLE_NOW_MS + k });
            EXPECT_EQ(log_segment_count(log), 1);
            EXPECT_OK(log_close(log, true, NULL, NULL));
            AUTO(mem_freep) char *path = mem_printf("/d/t-0/%020d%s", 0, suffixes[i]);
            damage_file(fs, path, (enum damage)damage);
            log = sample_open(&(struct sample_open){ .fs = fs });
            const struct log_recovery recovery = log_recovery(log);
            /* An offset index that is cut where an entry ends is believed, as is one without any of a short file. */
            const bool may_be_believed =
                (i == 0 && (damage == CUT_IN_HALF || damage == EMPTY)) || damage == NOISE_TAIL;
            if (!may_be_believed)
                EXPECT_EQ(recovery.note_count, 1);
            EXPECT(recovery.note_count <= 1);
            EXPECT(recovery.note_count == 0 || strstr(recovery.notes[0].text, path) != NULL);
            EXPECT_EQ(log_offsets(log)->end, 10);
            EXPECT_OK(log_close(log, true, NULL, NULL));
            log = sample_open(&(struct sample_open){ .fs = fs });
            EXPECT_EQ(log_recovery(log).note_count, 0);
            log_abandon(log);
            sim_disk_free(disk);
        }
    }
}

/* A time that is in doubt, since both the entry and the batch that it names are damaged, makes no segment old. */
TEST(log_damage, of_an_entry_and_its_batch_takes_no_segment_away)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct log_config config = sample_log_config();
    config.retention_ms = 60000;
    const struct sample_open open = { .fs = sim_disk_fs(disk), .config = &config };
    struct log *log = sample_open(&open);
    sample_append(log, &(struct sample_batch){ .count = 3 });
    EXPECT_OK(log_roll(log, SAMPLE_NOW_MS, NULL));
    sample_append(log, &(struct sample_batch){ .count = 3 });
    EXPECT_OK(log_close(log, true, NULL, NULL));
    EXPECT_OK(sim_disk_flip_bit(disk, "/d/t-0/00000000000000000000.timeindex", 2, 0)); /* 2^40 ms */
    EXPECT_OK(sim_disk_flip_bit(disk, "/d/t-0/00000000000000000000.log", 65, 0));
    log = sample_open(&open);
    EXPECT_EQ(log_retain(log, SAMPLE_NOW_MS, 6, NULL), 0);
    EXPECT_EQ(log_offsets(log)->start, 0);
    log_abandon(log);
    sim_disk_free(disk);
}
