/* See damage_scene_test.h. */
#include "log/damage_scene_test.h"

#include "base/mem.h"
#include "log/log_int.h"

const char *const damage_names[DAMAGES] = { "gone",  "empty", "cut by 1",  "cut in half",
                                            "zeros", "noise", "zero tail", "noise tail" };

void damage_file(struct io_fs *fs, const char *path, enum damage damage)
{
    if (damage == GONE) {
        EXPECT_OK(io_fs_unlink(fs, path));
        return;
    }
    struct io_file *file;
    EXPECT_OK(io_file_open(fs, path, IO_OPEN_WRITE, &file));
    const int64_t size = io_file_size(file);
    AUTO(mem_freep) uint8_t *bytes = mem_zalloc((size_t)size + 100);
    struct rng rng = rng_from_seed(3);
    if (damage == NOISE || damage == NOISE_TAIL)
        rng_fill(&rng, bytes, (size_t)size + 100);
    switch (damage) {
    case EMPTY:
        EXPECT_OK(io_file_truncate(file, 0));
        break;
    case CUT_BY_1:
        EXPECT_OK(io_file_truncate(file, MAX(size - 1, INT64_C(0))));
        break;
    case CUT_IN_HALF:
        EXPECT_OK(io_file_truncate(file, size / 2));
        break;
    case ZEROS:
    case NOISE:
        EXPECT_OK(io_file_write(file, 0, bytes, (size_t)size));
        break;
    case ZERO_TAIL:
    case NOISE_TAIL:
        EXPECT_OK(io_file_write(file, size, bytes, 96)); /* a multiple of both entry sizes */
        break;
    case GONE:
    case DAMAGES:
        break;
    }
    io_file_unref(file);
}

void damage_scene_begin(struct damage_scene *scene)
{
    *scene = (struct damage_scene){ .disk = sim_disk_new(1) };
    struct log *log = sample_open(&(struct sample_open){ .fs = sim_disk_fs(scene->disk) });
    for (int32_t i = 0; i < 40; i++) {
        const struct sample_batch sample = { .count = 3,
                                             .value_bytes = 60,
                                             .timestamp_ms = SAMPLE_NOW_MS + 10 * i,
                                             .has_producer = true,
                                             .producer_id = 4,
                                             .sequence = 3 * i,
                                             .base_offset = 3 * i,
                                             .leader_epoch = i < 20 ? 0 : 5 };
        EXPECT_EQ(
            history_plan(&scene->history, log, LOG_ORIGIN_REPLICATION, sample_batch(&sample)).error,
            KAFKA_NONE);
        EXPECT_OK(history_write(&scene->history, log));
    }
    const struct sample_batch in_txn = { .has_producer = true,
                                         .producer_id = 9,
                                         .attributes = BATCH_TRANSACTIONAL,
                                         .base_offset = 120,
                                         .leader_epoch = 5 };
    history_plan(&scene->history, log, LOG_ORIGIN_REPLICATION, sample_batch(&in_txn));
    struct shared *marker = sample_marker(9, 0, false, 0);
    batch_set_base_offset(marker->data, 121);
    batch_set_leader_epoch(marker->data, 5);
    history_plan(&scene->history, log, LOG_ORIGIN_REPLICATION, marker);
    EXPECT_OK(history_write(&scene->history, log));
    scene->last_sequence = 119;
    EXPECT_EQ(log_epoch_latest(log), 5);
    EXPECT(log_segment_count(log) >= 3);
    EXPECT_OK(log_close(log, true, &scene->offsets, NULL));
}

void damage_scene_end(struct damage_scene *scene)
{
    history_deinit(&scene->history);
    sim_disk_free(scene->disk);
}

static void on_mended(void *context, struct log *log, const struct err_note *note)
{
    struct damage_heard *heard = context;
    (void)log;
    if (heard->mended++ == 0)
        heard->first_mended = *note;
    heard->last_mended = *note;
}

static void on_damaged(void *context, struct log *log, const struct err_note *note)
{
    struct damage_heard *heard = context;
    (void)log;
    heard->damaged++;
    heard->last_damaged = *note;
}

void damage_listen(struct log *log, struct damage_heard *heard)
{
    *heard = (struct damage_heard){ 0 };
    log->owner =
        (struct log_owner){ .on_mended = on_mended, .on_damaged = on_damaged, .context = heard };
}

/* ---- by jobs --------------------------------------------------------------------------------- */

uint32_t read_by_jobs(struct log *log, int64_t offset)
{
    struct arena arena;
    arena_init(&arena, 1u << 16);
    const struct log_read request = { .offset = offset,
                                      .end_offset = offset + 1,
                                      .bytes_max = 1u << 15,
                                      .copy_max = UINT32_MAX,
                                      .arena = &arena };
    struct log_piece piece;
    struct log_wait wait = { 0 };
    uint32_t built = 0;
    int r;
    while ((r = log_read(log, &request, &piece, &wait, NULL)) == -ERR_WOULD_BLOCK) {
        built += wait.build != NULL && !wait.build->is_tail;
        log_wait_run(&wait);
    }
    EXPECT_OK(r);
    EXPECT(wait.file == NULL && wait.build == NULL);
    struct batch_view view;
    EXPECT(batch_parse(bytes_from(piece.data, piece.size_bytes), &view) > 0);
    EXPECT_EQ(view.base_offset, offset);
    arena_deinit(&arena);
    return built;
}

uint32_t find_by_jobs(struct log *log, int64_t offset)
{
    struct log_time_offset found = { 0 };
    struct log_wait wait = { 0 };
    uint32_t built = 0;
    int r;
    while ((r = log_offset_for_time(log, SAMPLE_NOW_MS + offset, false, &found, &wait, NULL)) ==
           -ERR_WOULD_BLOCK) {
        built += wait.build != NULL && !wait.build->is_tail;
        log_wait_run(&wait);
    }
    EXPECT_OK(r);
    EXPECT(wait.file == NULL && wait.build == NULL);
    EXPECT_EQ(found.offset, offset);
    return built;
}
