/* Aborted transactions as readers of committed data are told of them: whatever was read from wherever, who leaves out what
 * he is told to leave out sees what was committed, and nothing else. */
#include "log/sample_test.h"

#include "base/mem.h"
#include "base/rng.h"
#include "log/log_int.h"
#include "log/names.h"
#include "log/txn_index.h"
#include "wire/control_record.h"

#include <errno.h>
#include <string.h>

#define PRODUCERS 6
#define STEPS     400

enum fate { OPEN, COMMITTED, ABORTED, MARKER };

/* What was written: of each offset, whose it is and what became of it. */
struct story {
    struct rng rng;
    VEC(struct {
        int64_t producer_id;
        enum fate fate;
    })
    offsets;
    int64_t txn_first[PRODUCERS]; /* -1: none is open */
    int32_t sequence[PRODUCERS];
};

static void tell(struct story *story, struct log *log, int64_t producer_id, enum fate fate)
{
    while ((int64_t)story->offsets.count < log_offsets(log)->end) {
        VEC_PUSH(&story->offsets);
        story->offsets.items[story->offsets.count - 1].producer_id = producer_id;
        story->offsets.items[story->offsets.count - 1].fate = fate;
    }
}

static void end_txn(struct story *story, struct log *log, int32_t i, bool is_commit)
{
    const struct log_append_result result =
        sample_plan(log, LOG_ORIGIN_COORDINATOR, sample_marker(i, 0, is_commit, 0));
    EXPECT_EQ(result.error, KAFKA_NONE);
    EXPECT_OK(log_write(log, NULL));
    for (size_t at = (size_t)story->txn_first[i]; at < story->offsets.count; at++) {
        if (story->offsets.items[at].producer_id == i && story->offsets.items[at].fate == OPEN)
            story->offsets.items[at].fate = is_commit ? COMMITTED : ABORTED;
    }
    story->txn_first[i] = -1;
    tell(story, log, i, MARKER);
}

static void step(struct story *story, struct log *log)
{
    const int32_t i = (int32_t)rng_below(&story->rng, PRODUCERS + 1);
    if (i == PRODUCERS) {
        sample_append(log, &(struct sample_batch){ .count = 2 });
        tell(story, log, -1, COMMITTED);
        return;
    }
    const uint64_t choice = rng_below(&story->rng, 4);
    if (story->txn_first[i] >= 0 && choice < 2) {
        end_txn(story, log, i, choice == 0);
        return;
    }
    const struct sample_batch sample = { .count = 1 + (int32_t)rng_below(&story->rng, 3),
                                         .has_producer = true,
                                         .producer_id = i,
                                         .sequence = story->sequence[i],
                                         .attributes = BATCH_TRANSACTIONAL };
    const int64_t at = sample_append(log, &sample);
    story->sequence[i] += sample.count;
    if (story->txn_first[i] < 0)
        story->txn_first[i] = at;
    tell(story, log, i, OPEN);
}

static void story_init(struct story *story, struct log *log, uint64_t seed)
{
    *story = (struct story){ .rng = rng_from_seed(seed) };
    for (int i = 0; i < PRODUCERS; i++)
        story->txn_first[i] = -1;
    for (int i = 0; i < STEPS; i++)
        step(story, log);
}

static int64_t stable_end(struct log *log)
{
    const int64_t end = log_offsets(log)->end;
    const int64_t unstable = log_first_unstable_offset(log, end);
    return unstable < 0 ? end : unstable;
}

/* One batch for a reader who was told of `aborted`; true when he takes it. As Kafka's consumer decides. */
static bool takes(const struct batch_view *batch, const struct log_aborted *aborted,
                  bool is_left_out[PRODUCERS])
{
    for (uint32_t i = 0; i < aborted->count; i++) {
        if (aborted->txns[i].first_offset <= batch_last_offset(batch) &&
            aborted->txns[i].first_offset >= batch->base_offset)
            is_left_out[aborted->txns[i].producer_id] = true;
    }
    if ((batch->attributes & BATCH_CONTROL) != 0) {
        is_left_out[batch->producer_id] = false;
        return false;
    }
    return (batch->attributes & BATCH_TRANSACTIONAL) == 0 || !is_left_out[batch->producer_id];
}

static void check_batches(const struct story *story, struct bytes rest,
                          const struct log_aborted *aborted, int64_t offset)
{
    bool is_left_out[PRODUCERS] = { false };
    for (uint32_t i = 0; i < aborted->count; i++) /* begun before what was read */
        is_left_out[aborted->txns[i].producer_id] |= aborted->txns[i].first_offset < offset;
    struct batch_view batch;
    while (batch_parse(rest, &batch) > 0) {
        const bool is_taken = takes(&batch, aborted, is_left_out);
        for (int64_t at = batch.base_offset; at <= batch_last_offset(&batch); at++)
            EXPECT_EQ(is_taken, story->offsets.items[at].fate == COMMITTED);
        rest = bytes_slice(rest, batch.bytes.size, rest.size);
    }
}

/* From every offset, in pieces of some sizes. */
static void check_story(const struct story *story, struct log *log)
{
    static const uint32_t sizes[] = { 1, 500, 3000, UINT32_MAX };
    uint64_t told = 0;
    for (int64_t offset = log_offsets(log)->start; offset < stable_end(log); offset++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct arena arena;
            arena_init(&arena, 1u << 24);
            const struct log_read read = { .offset = offset,
                                           .end_offset = stable_end(log),
                                           .bytes_max = sizes[i],
                                           .min_one = true,
                                           .may_sleep = true,
                                           .copy_max = UINT32_MAX,
                                           .arena = &arena };
            struct log_piece piece;
            struct log_wait wait = { 0 };
            struct log_aborted aborted;
            EXPECT_OK(log_read(log, &read, &piece, &wait, NULL));
            EXPECT_OK(log_aborted_txns(log, offset, &piece, true, &arena, &aborted, &wait, NULL));
            check_batches(story, bytes_from(piece.data, piece.size_bytes), &aborted, offset);
            told += aborted.count;
            arena_deinit(&arena);
        }
    }
    EXPECT(told > 0);
}

TEST(log_aborted_txns, let_readers_see_what_was_committed_and_nothing_else)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk) });
    struct story story;
    story_init(&story, log, context->seed);
    EXPECT(log_segment_count(log) > 3);
    check_story(&story, log);
    /* After a clean stop, and after a crash that lost nothing. */
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(log_close(log, true, NULL, NULL));
        log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(disk), .is_unclean = i == 1 });
        check_story(&story, log);
        for (int step_index = 0; step_index < 50; step_index++)
            step(&story, log);
        check_story(&story, log);
    }
    VEC_DEINIT(&story.offsets);
    log_abandon(log);
    sim_disk_free(disk);
}

static char *index_path(int64_t base_offset)
{
    return log_name_path(
        "/d/t-0", (struct log_name){ .kind = LOG_NAME_TXN_INDEX, .base_offset = base_offset });
}

/* Of very many things that were mended a few are told one by one, and all are counted. */
TEST(log_aborted_txns, are_built_anew_for_any_number_of_segments)
{
    enum { SEGMENTS = LOG_NOTES_MAX + 4 };
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    struct story story;
    story_init(&story, log, 3);
    while (log_segment_count(log) < SEGMENTS)
        step(&story, log);
    VEC(int64_t) bases = { 0 };
    for (uint32_t i = 0; i < log_segment_count(log); i++)
        VEC_ADD(&bases, log_segment_base(log, i));
    EXPECT_OK(log_close(log, true, NULL, NULL));
    uint32_t damaged = 0;
    for (size_t i = 0; i < bases.count; i++) {
        AUTO(mem_freep) char *path = index_path(bases.items[i]);
        damaged += sim_disk_flip_bit(disk, path, 1, 0) == 0; /* its version */
    }
    EXPECT(damaged > LOG_NOTES_MAX);
    log = sample_open(&(struct sample_open){ .fs = fs });
    EXPECT_EQ(log_recovery(log).note_count, LOG_NOTES_MAX);
    EXPECT_EQ(log_recovery(log).more_count, damaged - LOG_NOTES_MAX);
    check_story(&story, log);
    VEC_DEINIT(&bases);
    VEC_DEINIT(&story.offsets);
    log_abandon(log);
    sim_disk_free(disk);
}

/* Each byte of a file, one after the other, is something else, and the file is cut everywhere. */
TEST(log_aborted_txns, come_from_the_batches_when_their_file_is_damaged)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    struct story story;
    story_init(&story, log, 3);
    const int64_t base_offset = log_segment_base(log, 1);
    AUTO(mem_freep) char *path = index_path(base_offset);
    EXPECT_OK(log_close(log, true, NULL, NULL));
    AUTO(mem_freep) uint8_t *right = NULL;
    size_t size;
    EXPECT_OK(io_fs_read_whole(fs, path, 1u << 20, &right, &size));
    EXPECT(size > TXN_INDEX_ENTRY_BYTES);
    for (size_t cut = 1; cut < 2 * TXN_INDEX_ENTRY_BYTES; cut++) {
        struct io_file *file;
        EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE, &file));
        if (cut % TXN_INDEX_ENTRY_BYTES == 0) {
            EXPECT_OK(
                io_file_write(file, (int64_t)cut, "\xff", 1)); /* a version that there is not */
        } else {
            EXPECT_OK(io_file_truncate(file, (int64_t)cut));
        }
        io_file_unref(file);
        log = sample_open(&(struct sample_open){ .fs = fs });
        EXPECT(log_recovery(log).note_count > 0);
        EXPECT_OK(log_close(log, true, NULL, NULL));
        AUTO(mem_freep) uint8_t *found = NULL;
        size_t found_size;
        EXPECT_OK(io_fs_read_whole(fs, path, 1u << 20, &found, &found_size));
        EXPECT_EQ(found_size, size);
        EXPECT_EQ(memcmp(found, right, size), 0);
    }
    log = sample_open(&(struct sample_open){ .fs = fs });
    EXPECT_EQ(log_recovery(log).note_count, 0);
    check_story(&story, log);
    VEC_DEINIT(&story.offsets);
    log_abandon(log);
    sim_disk_free(disk);
}

/* How far a piece reaches is told by the offset index, which a flipped bit makes tell of other batches. */
TEST(log_aborted_txns, are_all_told_when_a_bit_of_an_offset_index_flips)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    struct story story;
    story_init(&story, log, 3);
    AUTO(mem_freep)
    char *path =
        log_name_path("/d/t-0", (struct log_name){ .kind = LOG_NAME_OFFSET_INDEX,
                                                   .base_offset = log_segment_base(log, 1) });
    EXPECT_OK(log_close(log, true, NULL, NULL));
    AUTO(mem_freep) uint8_t *right = NULL;
    size_t size;
    EXPECT_OK(io_fs_read_whole(fs, path, 1u << 20, &right, &size));
    EXPECT(size > 0);
    for (size_t byte = 3; byte < size; byte += 4) {
        const uint8_t wrong = right[byte] ^ (uint8_t)(1u << byte % 8);
        struct io_file *file;
        EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE, &file));
        EXPECT_OK(io_file_write(file, 0, right, size));
        EXPECT_OK(io_file_write(file, (int64_t)byte, &wrong, 1));
        io_file_unref(file);
        log = sample_open(&(struct sample_open){ .fs = fs });
        check_story(&story, log);
        log_abandon(log);
    }
    VEC_DEINIT(&story.offsets);
    sim_disk_free(disk);
}

/* On a disk that is full a marker is not written without its entry, nor an entry kept without its marker. */
TEST(log_aborted_txns, are_told_of_with_the_marker_or_not_at_all)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log_config config = sample_log_config();
    config.segment_bytes = 1 << 20;
    struct log *log = sample_open(&(struct sample_open){ .fs = fs, .config = &config });
    const struct sample_batch data = { .has_producer = true, .attributes = BATCH_TRANSACTIONAL };
    struct sample_batch next = data;
    AUTO(mem_freep) char *path = index_path(0);
    int64_t told = 0;
    for (int64_t room = 0; room < 200; room++) {
        next.sequence = (int32_t)room;
        sample_append(log, &next);
        const int64_t end = log_offsets(log)->end;
        sim_disk_set_capacity(disk, sim_disk_used_bytes(disk) + 64 * room);
        EXPECT_EQ(sample_plan(log, LOG_ORIGIN_COORDINATOR, sample_marker(0, 0, false, 0)).error,
                  KAFKA_NONE);
        struct err_note note = { "" };
        const int r = log_write(log, &note);
        if (r != 0 && r != -ENOSPC)
            test_fail(__FILE__, __LINE__, "%s: %s", err_name(r), note.text);
        told += r == 0;
        sim_disk_set_capacity(disk, 0);
        EXPECT_EQ(log_offsets(log)->end, r == 0 ? end + 1 : end);
        struct io_stat st = { 0 };
        const int found = io_fs_stat(fs, path, &st);
        EXPECT(found == 0 || found == -ENOENT);
        EXPECT_EQ(st.size_bytes, told * TXN_INDEX_ENTRY_BYTES);
        if (r == 0)
            continue;
        EXPECT_EQ(sample_plan(log, LOG_ORIGIN_COORDINATOR, sample_marker(0, 0, true, 0)).error,
                  KAFKA_NONE);
        EXPECT_OK(log_write(log, NULL));
    }
    EXPECT(told > 0);
    log_abandon(log);
    sim_disk_free(disk);
}

/* A log that is cut back to before its only aborted transaction goes on. */
TEST(log_aborted_txns, are_gone_where_the_log_is_cut)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    AUTO(mem_freep) char *path = index_path(0);
    for (int32_t i = 0; i < 3; i++) {
        sample_append(log, &(struct sample_batch){ .has_producer = true,
                                                   .attributes = BATCH_TRANSACTIONAL,
                                                   .sequence = i });
        EXPECT_EQ(sample_plan(log, LOG_ORIGIN_COORDINATOR, sample_marker(0, 0, false, 0)).error,
                  KAFKA_NONE);
        EXPECT_OK(log_write(log, NULL));
    }
    for (int64_t cut = 5; cut >= 0; cut--) {
        EXPECT_OK(log_truncate(log, cut, SAMPLE_NOW_MS, NULL));
        struct io_stat st = { 0 };
        EXPECT_EQ(io_fs_stat(fs, path, &st), cut < 2 ? -ENOENT : 0);
        EXPECT_EQ(st.size_bytes, cut / 2 * TXN_INDEX_ENTRY_BYTES);
        EXPECT_EQ(log_first_unstable_offset(log, cut), cut % 2 == 0 ? -1 : cut - 1);
    }
    sample_append(log, &(struct sample_batch){ .count = 1 });
    EXPECT_OK(log_close(log, true, NULL, NULL));
    sim_disk_free(disk);
}

/* ---- beside a damaged batch ------------------------------------------------------------------- */

/* A sealed segment on a disk, with its .txnindex, as both were before anything was damaged. */
struct rot_scene {
    struct sim_disk *disk;
    struct story story;
    int64_t base_offset;
    int64_t next_base; /* of the segment after it */
    char *log_path;
    char *index_path;
    uint8_t *log_bytes;
    size_t log_size;
    uint8_t *index_bytes;
    size_t index_size;
};

static void rot_begin(struct rot_scene *scene)
{
    *scene = (struct rot_scene){ .disk = sim_disk_new(1) };
    struct io_fs *fs = sim_disk_fs(scene->disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    story_init(&scene->story, log, 3);
    EXPECT(log_segment_count(log) > 3);
    scene->base_offset = log_segment_base(log, 1);
    scene->next_base = log_segment_base(log, 2);
    EXPECT_OK(log_close(log, true, NULL, NULL));
    scene->index_path = index_path(scene->base_offset);
    scene->log_path = log_name_path(
        "/d/t-0", (struct log_name){ .kind = LOG_NAME_LOG, .base_offset = scene->base_offset });
    EXPECT_OK(io_fs_read_whole(fs, scene->log_path, 1u << 20, &scene->log_bytes, &scene->log_size));
    EXPECT_OK(
        io_fs_read_whole(fs, scene->index_path, 1u << 20, &scene->index_bytes, &scene->index_size));
    EXPECT(scene->index_size > 3 * TXN_INDEX_ENTRY_BYTES);
}

static void rot_end(struct rot_scene *scene)
{
    mem_free(scene->log_path);
    mem_free(scene->index_path);
    mem_free(scene->log_bytes);
    mem_free(scene->index_bytes);
    VEC_DEINIT(&scene->story.offsets);
    sim_disk_free(scene->disk);
}

static void write_whole(struct rot_scene *scene, const char *path, const uint8_t *data, size_t size)
{
    struct io_file *file;
    EXPECT_OK(
        io_file_open(sim_disk_fs(scene->disk), path, IO_OPEN_WRITE | IO_OPEN_TRUNCATE, &file));
    EXPECT_OK(io_file_write(file, 0, data, size));
    io_file_unref(file);
}

/* All of a segment's offsets but those of the damaged batch, one batch at a time and as much as there is. */
static void check_beside(const struct rot_scene *scene, struct log *log,
                         const struct batch_view *damaged)
{
    for (int64_t offset = scene->base_offset; offset < scene->next_base; offset++) {
        struct arena arena;
        arena_init(&arena, 1u << 24);
        const struct log_read read = { .offset = offset,
                                       .end_offset = stable_end(log),
                                       .bytes_max = offset % 2 == 0 ? 1 : UINT32_MAX,
                                       .min_one = true,
                                       .copy_max = UINT32_MAX,
                                       .arena = &arena };
        struct log_piece piece;
        struct log_wait wait = { 0 };
        struct log_aborted aborted;
        int r;
        while ((r = log_read(log, &read, &piece, &wait, NULL)) == -ERR_WOULD_BLOCK)
            log_wait_run(&wait);
        if (offset >= damaged->base_offset && offset <= batch_last_offset(damaged)) {
            EXPECT_EQ(r, -ERR_DAMAGED);
        } else {
            EXPECT_OK(r);
            EXPECT_OK(log_aborted_txns(log, offset, &piece, true, &arena, &aborted, &wait, NULL));
            check_batches(&scene->story, bytes_from(piece.data, piece.size_bytes), &aborted,
                          offset);
        }
        arena_deinit(&arena);
    }
}

/* One bit of a batch and one of an entry, or a byte too many behind all entries. */
struct rot {
    size_t batch_byte;
    unsigned batch_bit;
    size_t entry_byte; /* TXN_INDEX_ENTRY_BYTES: it is appended */
};

static void check_rot(struct rot_scene *scene, const struct batch_view *batch,
                      const struct rot *rot, bool is_unclean)
{
    const int64_t position = batch->bytes.data - scene->log_bytes;
    const size_t entries = scene->index_size / TXN_INDEX_ENTRY_BYTES;
    const size_t entry = (size_t)batch->base_offset % entries * TXN_INDEX_ENTRY_BYTES;
    EXPECT_OK(sim_disk_flip_bit(scene->disk, scene->log_path, position + (int64_t)rot->batch_byte,
                                rot->batch_bit));
    if (rot->entry_byte < TXN_INDEX_ENTRY_BYTES) {
        EXPECT_OK(sim_disk_flip_bit(scene->disk, scene->index_path,
                                    (int64_t)(entry + rot->entry_byte), 6));
    } else {
        AUTO(mem_freep) uint8_t *longer = mem_alloc(scene->index_size + 1);
        memcpy(longer, scene->index_bytes, scene->index_size);
        longer[scene->index_size] = 0;
        write_whole(scene, scene->index_path, longer, scene->index_size + 1);
    }
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(scene->disk),
                                                         .is_unclean = is_unclean,
                                                         .recovery_point = scene->next_base - 1 });
    EXPECT(log_recovery(log).note_count > 0);
    check_beside(scene, log, batch);
    log_abandon(log);
    write_whole(scene, scene->log_path, scene->log_bytes, scene->log_size);
    write_whole(scene, scene->index_path, scene->index_bytes, scene->index_size);
}

static void check_rots(bool is_unclean)
{
    static const struct rot rots[] = {
        { 7, 0, TXN_INDEX_ENTRY_BYTES }, /* the base offset */
        { 7, 2, TXN_INDEX_ENTRY_BYTES },
        { 7, 6, TXN_INDEX_ENTRY_BYTES },
        { 4, 0, TXN_INDEX_ENTRY_BYTES },
        { 11, 0, TXN_INDEX_ENTRY_BYTES }, /* the length: short by one, or long */
        { 10, 1, TXN_INDEX_ENTRY_BYTES }, /* far beyond the next batches */
        { 8, 6, TXN_INDEX_ENTRY_BYTES },  /* beyond the file */
        { 22, 5, TXN_INDEX_ENTRY_BYTES }, /* the attribute of control batches */
        { 50, 0, TXN_INDEX_ENTRY_BYTES }, /* the producer id */
        { 68, 0, TXN_INDEX_ENTRY_BYTES }, /* within the record: of a marker, its kind */
        { 69, 0, TXN_INDEX_ENTRY_BYTES },
        { 70, 0, TXN_INDEX_ENTRY_BYTES },
        { 71, 0, TXN_INDEX_ENTRY_BYTES },
        { 68, 0, 0 },  /* the version of an entry */
        { 50, 0, 26 }, /* its last stable offset */
        { 10, 1, 1 },
    };
    struct rot_scene scene;
    rot_begin(&scene);
    struct bytes rest = bytes_from(scene.log_bytes, scene.log_size);
    struct batch_view batch;
    while (batch_parse(rest, &batch) > 0 && batch.base_offset < scene.next_base - is_unclean) {
        /* A base offset that is too high is believed by recovery, and what follows it is damaged. */
        for (size_t i = is_unclean ? 4 : 0; i < ARRAY_LEN(rots); i++)
            check_rot(&scene, &batch, &rots[i], is_unclean);
        rest = bytes_slice(rest, batch.bytes.size, rest.size);
    }
    rot_end(&scene);
}

/* Whichever batch is damaged with the file: the log opens, and the rest of every transaction is what it was. */
TEST(log_aborted_txns, are_what_they_were_when_a_batch_is_damaged_with_their_file)
{
    check_rots(false);
}

/* The same after a crash, where all of it had been flushed. */
TEST(log_aborted_txns, are_what_they_were_after_a_crash_when_a_batch_is_damaged_with_their_file)
{
    check_rots(true);
}
