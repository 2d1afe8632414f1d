/* The log directories of a node. On the kernel's files, with a real loop. */
#include "log/dirs/log_dirs.h"

#include "base/mem.h"
#include "log/sample_test.h"
#include "log/small_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct scene {
    struct epoll_workers *workers;
    struct io *io;
    char *paths[2]; /* <test directory>/a and /b */
    uint32_t path_count;
    const char *metadata_path; /* NULL: as the first */
    int32_t node_id;
    struct bytes cluster_id;
    struct log_dirs *dirs;
    struct err_note note;
    /* of a load */
    bool is_done;
    uint32_t log_count;
    uint32_t error_count;
    uint32_t strays;
    int64_t end_offset_sum;
    uint32_t scanned;
};

static void scene_begin(struct scene *scene, const struct test_context *context)
{
    *scene = (struct scene){ .path_count = 1, .node_id = 3, .cluster_id = BYTES_LITERAL("one") };
    scene->workers = epoll_workers_new(3);
    EXPECT_OK(epoll_io_new(scene->workers, &scene->io, NULL));
    scene->paths[0] = mem_printf("%s/a", context->directory);
    scene->paths[1] = mem_printf("%s/b", context->directory);
}

static void scene_close(struct scene *scene)
{
    while (scene->dirs != NULL && !log_dirs_is_idle(scene->dirs))
        EXPECT_OK(epoll_io_turn(scene->io, 100));
    log_dirs_free(scene->dirs);
    scene->dirs = NULL;
}

static void scene_end(struct scene *scene)
{
    scene_close(scene);
    epoll_io_free(scene->io);
    epoll_workers_free(scene->workers);
    mem_free(scene->paths[0]);
    mem_free(scene->paths[1]);
}

static void format(const char *path, const char *cluster_id, int32_t node_id, uint8_t id)
{
    struct meta_properties meta = { .version = 1,
                                    .node_id = node_id,
                                    .directory_id = { { id, 2, 3, 4, 5, 6 } } };
    snprintf(meta.cluster_id, sizeof(meta.cluster_id), "%s", cluster_id);
    EXPECT_OK(io_fs_make_directories(posix_fs(), path));
    EXPECT_OK(meta_properties_write(posix_fs(), path, &meta, SAMPLE_NOW_MS, NULL));
}

static int try_open(struct scene *scene)
{
    const struct log_dirs_params params = { .io = scene->io,
                                            .paths = (const char *const *)scene->paths,
                                            .path_count = scene->path_count,
                                            .metadata_path = scene->metadata_path,
                                            .node_id = scene->node_id,
                                            .cluster_id = scene->cluster_id };
    scene->note.text[0] = '\0';
    return log_dirs_open(&params, &scene->dirs, &scene->note);
}

static void expect_open(struct scene *scene)
{
    const int r = try_open(scene);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", err_name(r), scene->note.text);
}

/* Refused with the error, in words that name `words`. */
static void expect_refused(struct scene *scene, int error, const char *words)
{
    const int r = try_open(scene);
    if (r != -error || strstr(scene->note.text, words) == NULL)
        test_fail(__FILE__, __LINE__, "%s: '%s' lacks '%s'", err_name(r), scene->note.text, words);
    EXPECT(scene->dirs == NULL);
}

static void put_text(const char *path, const char *text)
{
    EXPECT_OK(io_fs_replace(posix_fs(), path, bytes_from_text(text)));
}

/* ---- opening ------------------------------------------------------------------------------- */

TEST(log_dirs, tell_what_is_wrong_with_a_directory)
{
    struct scene scene;
    scene_begin(&scene, context);
    expect_refused(&scene, ERR_NOT_FORMATTED, "kafka-storage.sh format");

    format(scene.paths[0], "two", 3, 1);
    expect_refused(&scene, ERR_WRONG_CLUSTER, "belongs to cluster two, not one");
    format(scene.paths[0], "one", 4, 1);
    expect_refused(&scene, ERR_WRONG_CLUSTER, "node 4, not 3");

    AUTO(mem_freep) char *path = mem_printf("%s/meta.properties", scene.paths[0]);
    static const struct {
        const char *text;
        int error;
        const char *words;
    } bad[] = {
        { "version=2\n", ERR_VERSION, "version 2" },
        { "version=x\n", ERR_MALFORMED, "version is 'x'" },
        { "version=1\ncluster.id=one\n", ERR_MALFORMED, "node.id" },
        { "version=1\nnode.id=3\n", ERR_MALFORMED, "cluster.id" },
        { "version=1\nnode.id=-3\ncluster.id=one\n", ERR_MALFORMED, "node.id is '-3'" },
        { "version=1\nnode.id=3\ncluster.id=one\ndirectory.id=short\n", ERR_MALFORMED, "short" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        put_text(path, bad[i].text);
        expect_refused(&scene, bad[i].error, bad[i].words);
    }
    scene.path_count = 2;
    format(scene.paths[0], "one", 3, 1);
    format(scene.paths[1], "two", 3, 2);
    expect_refused(&scene, ERR_WRONG_CLUSTER, scene.paths[1]);
    format(scene.paths[1], "one", 3, 1);
    expect_refused(&scene, ERR_EXISTS, "directory.id");
    char *other = scene.paths[1];
    scene.paths[1] = scene.paths[0];
    expect_refused(&scene, ERR_EXISTS, "twice");
    scene.paths[1] = other;
    scene_end(&scene);
}

TEST(log_dirs, are_locked_while_open)
{
    struct scene first;
    struct scene second;
    scene_begin(&first, context);
    scene_begin(&second, context);
    format(first.paths[0], "one", 3, 1);
    expect_open(&first);
    expect_refused(&second, ERR_LOCKED, "in use by another process");
    scene_close(&first);
    expect_open(&second);
    scene_end(&first);
    scene_end(&second);
}

/* An empty one may be a disk that is not mounted: nothing is made there. One that cannot be used is left out. */
TEST(log_dirs, refuse_an_empty_directory_and_leave_out_a_bad_one)
{
    struct scene scene;
    scene_begin(&scene, context);
    scene.path_count = 2;
    format(scene.paths[0], "one", 3, 1);
    expect_refused(&scene, ERR_NOT_FORMATTED, scene.paths[1]);
    struct io_stat st;
    EXPECT_ERR(io_fs_stat(posix_fs(), scene.paths[1], &st), ENOENT);
    EXPECT_OK(io_fs_make_directories(posix_fs(), scene.paths[1]));
    expect_refused(&scene, ERR_NOT_FORMATTED, "mount its disk");
    struct io_names names;
    EXPECT_OK(io_fs_list(posix_fs(), scene.paths[1], 10, &names));
    EXPECT_EQ(names.count, 0);
    io_names_deinit(&names);

    EXPECT_OK(io_fs_remove_tree(posix_fs(), scene.paths[1]));
    put_text(scene.paths[1], "a file where a directory should be");
    expect_open(&scene);
    EXPECT(log_dirs_at(scene.dirs, 0)->is_online);
    EXPECT(!log_dirs_at(scene.dirs, 1)->is_online);
    EXPECT(strstr(log_dirs_failure(scene.dirs, 1)->text, scene.paths[1]) != NULL);
    EXPECT_EQ(log_dirs_choose(scene.dirs), 0);
    EXPECT_EQ(log_dirs_fail(scene.dirs, 0), 0);
    EXPECT_ERR(log_dirs_choose(scene.dirs), ERR_NOT_FOUND);
    scene_end(&scene);
}

/* metadata.log.dir, where it is not among log.dirs: locked and looked after, but no place for partitions. */
TEST(log_dirs, keep_the_metadata_directory_apart)
{
    struct scene scene;
    scene_begin(&scene, context);
    scene.metadata_path = scene.paths[1];
    format(scene.paths[0], "one", 3, 1);
    expect_refused(&scene, ERR_NOT_FORMATTED, scene.paths[1]);
    format(scene.paths[1], "one", 3, 2);
    expect_open(&scene);
    EXPECT_EQ(log_dirs_count(scene.dirs), 2);
    EXPECT_EQ(log_dirs_find(scene.dirs, scene.paths[1]), 1);
    EXPECT(log_dirs_at(scene.dirs, 1)->is_for_metadata);
    EXPECT(!log_dirs_at(scene.dirs, 0)->is_for_metadata);
    log_dirs_place(scene.dirs, 0);
    EXPECT_EQ(log_dirs_choose(scene.dirs), 0);
    EXPECT_EQ(log_dirs_fail(scene.dirs, 0), 0); /* it does not count */
    scene_close(&scene);

    scene.metadata_path = scene.paths[0];
    expect_open(&scene);
    EXPECT_EQ(log_dirs_count(scene.dirs), 1);
    EXPECT(!log_dirs_at(scene.dirs, 0)->is_for_metadata);
    scene_end(&scene);
}

TEST(log_dirs, choose_the_directory_with_the_fewest_partitions)
{
    struct scene scene;
    scene_begin(&scene, context);
    scene.path_count = 2;
    format(scene.paths[0], "one", 3, 1);
    format(scene.paths[1], "one", 3, 2);
    expect_open(&scene);
    static const int expected[] = { 0, 1, 0, 1, 0 };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        EXPECT_EQ(log_dirs_choose(scene.dirs), expected[i]);
        log_dirs_place(scene.dirs, (uint32_t)expected[i]);
    }
    log_dirs_unplace(scene.dirs, 0);
    log_dirs_unplace(scene.dirs, 0);
    EXPECT_EQ(log_dirs_choose(scene.dirs), 0);
    EXPECT_EQ(log_dirs_find(scene.dirs, scene.paths[1]), 1);
    EXPECT_ERR(log_dirs_find(scene.dirs, "/nowhere"), ERR_NOT_FOUND);
    scene_end(&scene);
}

TEST(log_dirs, take_the_mark_of_a_clean_shutdown_once)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    EXPECT_OK(log_dir_mark_clean(posix_fs(), scene.paths[0], 264, NULL));
    expect_open(&scene);
    EXPECT(log_dirs_at(scene.dirs, 0)->had_clean_shutdown);
    EXPECT_EQ(log_dirs_at(scene.dirs, 0)->previous_broker_epoch, 264);
    scene_close(&scene);
    expect_open(&scene);
    EXPECT(!log_dirs_at(scene.dirs, 0)->had_clean_shutdown);
    EXPECT_EQ(log_dirs_at(scene.dirs, 0)->previous_broker_epoch, -1);
    scene_close(&scene);
    AUTO(mem_freep) char *path = mem_printf("%s/.kafka_cleanshutdown", scene.paths[0]);
    put_text(path, ""); /* from before KIP-966 */
    expect_open(&scene);
    EXPECT(log_dirs_at(scene.dirs, 0)->had_clean_shutdown);
    EXPECT_EQ(log_dirs_at(scene.dirs, 0)->previous_broker_epoch, -1);
    scene_end(&scene);
}

/* ---- checkpoints --------------------------------------------------------------------------- */

static void count_done(void *context, uint32_t index, int error)
{
    (void)index;
    EXPECT_OK(error);
    (*(int *)context)++;
}

/* Requests for one file are joined: the last one's content wins, and each is answered. */
TEST(log_dirs, write_checkpoints_and_read_them_at_the_next_open)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    expect_open(&scene);
    int done = 0;
    for (int64_t i = 0; i < 10; i++) {
        struct offset_checkpoint entries = { 0 };
        offset_checkpoint_add(&entries, "a", 0, 100 + i);
        offset_checkpoint_add(&entries, "a", 1, 200 + i);
        log_dirs_checkpoint(scene.dirs, 0, LOG_CHECKPOINT_HIGH_WATERMARK, &entries, count_done,
                            &done);
        EXPECT_EQ(entries.entries.count, 0);
    }
    scene_close(&scene);
    EXPECT_EQ(done, 10);
    expect_open(&scene);
    EXPECT_EQ(log_dirs_checkpointed(scene.dirs, 0, LOG_CHECKPOINT_HIGH_WATERMARK, "a", 0), 109);
    EXPECT_EQ(log_dirs_checkpointed(scene.dirs, 0, LOG_CHECKPOINT_HIGH_WATERMARK, "a", 1), 209);
    EXPECT_EQ(log_dirs_checkpointed(scene.dirs, 0, LOG_CHECKPOINT_HIGH_WATERMARK, "a", 2), 0);
    EXPECT_EQ(log_dirs_checkpointed(scene.dirs, 0, LOG_CHECKPOINT_RECOVERY_POINT, "a", 0), 0);
    scene_end(&scene);
}

static void count_failed(void *context, uint32_t index, int error)
{
    (void)index;
    (*(int *)context) += error < 0;
}

/* Who is told that it is written relies on it. */
TEST(log_dirs, tell_of_an_overtaken_checkpoint_when_the_later_one_is_written)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    expect_open(&scene);
    AUTO(mem_freep) char *taken = mem_printf("%s/replication-offset-checkpoint", scene.paths[0]);
    EXPECT_OK(io_fs_make_directories(posix_fs(), taken)); /* where no file can be written */
    int failed = 0;
    int told = 0;
    for (int64_t i = 0; i < 4; i++) {
        struct offset_checkpoint entries = { 0 };
        offset_checkpoint_add(&entries, "a", 0, i);
        log_dirs_checkpoint(scene.dirs, 0, LOG_CHECKPOINT_HIGH_WATERMARK, &entries, count_failed,
                            &failed);
        struct offset_checkpoint starts = { 0 };
        offset_checkpoint_add(&starts, "a", 0, i);
        log_dirs_checkpoint(scene.dirs, 0, LOG_CHECKPOINT_LOG_START, &starts, count_done, &told);
    }
    EXPECT_EQ(told, 0); /* nothing has been written */
    scene_close(&scene);
    EXPECT_EQ(told, 4);
    EXPECT_EQ(failed, 4);
    scene_end(&scene);
}

/* ---- loading ------------------------------------------------------------------------------- */

static const struct uuid topic_id = { { 7 } };

static bool want(void *context, const char *topic, int32_t partition, struct uuid *out_topic_id,
                 struct log_config *out_config)
{
    struct scene *scene = context;
    (void)partition;
    *out_topic_id = topic_id;
    *out_config = sample_log_config();
    scene->strays += strcmp(topic, "stray") == 0;
    return strcmp(topic, "stray") != 0;
}

static void on_log(void *context, uint32_t dir_index, struct log *log, int error,
                   const struct err_note *note)
{
    struct scene *scene = context;
    EXPECT(dir_index < scene->path_count);
    if (log == NULL) {
        EXPECT(error < 0 && note->text[0] != '\0');
        scene->error_count++;
        return;
    }
    scene->log_count++;
    scene->end_offset_sum += log_offsets(log)->end;
    scene->scanned += log_recovery(log).segments_scanned;
    EXPECT(uuid_equal(log_topic_id(log), topic_id));
    EXPECT_OK(log_close(log, true, NULL, NULL));
}

static void on_done(void *context)
{
    struct scene *scene = context;
    EXPECT(!scene->is_done);
    scene->is_done = true;
}

static void load(struct scene *scene)
{
    scene->is_done = false;
    scene->log_count = scene->error_count = scene->strays = scene->scanned = 0;
    scene->end_offset_sum = 0;
    log_dirs_load(&(struct log_load){ .dirs = scene->dirs,
                                      .jobs_per_dir = 2,
                                      .now_ms = SAMPLE_NOW_MS,
                                      .want = want,
                                      .on_log = on_log,
                                      .on_done = on_done,
                                      .context = scene });
    while (!scene->is_done || !log_dirs_is_idle(scene->dirs))
        EXPECT_OK(epoll_io_turn(scene->io, 100));
}

static void make_log_of(struct uuid id, const char *log_dir, const char *topic, int32_t partition,
                        int count)
{
    const struct log_config config = sample_log_config();
    const struct log_params params = { .fs = posix_fs(),
                                       .log_dir = log_dir,
                                       .topic = topic,
                                       .partition = partition,
                                       .topic_id = id,
                                       .config = &config,
                                       .create = true,
                                       .had_clean_shutdown = true,
                                       .now_ms = SAMPLE_NOW_MS };
    struct log *log;
    EXPECT_OK(log_open(&params, &log, NULL));
    for (int i = 0; i < count; i++)
        sample_append(log, &(struct sample_batch){ 0 });
    EXPECT_OK(log_close(log, false, NULL, NULL));
}

static void make_log(const char *log_dir, const char *topic, int32_t partition, int count)
{
    make_log_of(topic_id, log_dir, topic, partition, count);
}

static uint32_t count_names(const char *path, const char *part)
{
    struct io_names names;
    EXPECT_OK(io_fs_list(posix_fs(), path, 1000, &names));
    uint32_t count = 0;
    for (uint32_t i = 0; i < names.count; i++)
        count += strstr(names.items[i], part) != NULL;
    io_names_deinit(&names);
    return count;
}

TEST(log_load, opens_every_partition_and_sorts_out_the_rest)
{
    struct scene scene;
    scene_begin(&scene, context);
    scene.path_count = 2;
    format(scene.paths[0], "one", 3, 1);
    format(scene.paths[1], "one", 3, 2);
    for (int32_t i = 0; i < 50; i++)
        make_log(scene.paths[i % 2], "orders", i, i % 4);
    make_log(scene.paths[0], "stray", 0, 1);
    make_log(scene.paths[0], "__cluster_metadata", 0, 1);
    static const char *const others[] = { "orders-99.0123456789abcdef0123456789abcdef-delete",
                                          "notes", "remote-log-index-cache",
                                          "orders-5.0123456789abcdef0123456789abcdef-future" };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        AUTO(mem_freep) char *path = mem_printf("%s/%s", scene.paths[0], others[i]);
        EXPECT_OK(io_fs_make_directories(posix_fs(), path));
    }
    EXPECT_OK(log_dir_mark_clean(posix_fs(), scene.paths[0], 1, NULL));
    EXPECT_OK(log_dir_mark_clean(posix_fs(), scene.paths[1], 1, NULL));
    expect_open(&scene);
    load(&scene);
    EXPECT_EQ(scene.log_count, 50);
    EXPECT_EQ(scene.error_count, 0);
    EXPECT_EQ(scene.scanned, 0);
    EXPECT_EQ(scene.strays, 1);
    EXPECT_EQ(scene.end_offset_sum, 12 * (0 + 1 + 2 + 3) + 0 + 1);
    EXPECT_EQ(count_names(scene.paths[0], "-delete"), 0);
    EXPECT_EQ(count_names(scene.paths[0], "stray-0"), 1);
    EXPECT_EQ(count_names(scene.paths[0], "-stray"), 1);
    EXPECT_EQ(count_names(scene.paths[0], "-future"), 1);
    EXPECT_EQ(count_names(scene.paths[0], "notes"), 1);
    scene_close(&scene);

    expect_open(&scene); /* without the mark everything is read through */
    load(&scene);
    EXPECT_EQ(scene.log_count, 50);
    EXPECT_EQ(scene.scanned, 50);
    scene_end(&scene);
}

/* A partition that cannot be opened is told of; the others are loaded all the same. */
TEST(log_load, tells_of_a_log_that_cannot_be_opened)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    make_log(scene.paths[0], "orders", 0, 2);
    make_log(scene.paths[0], "orders", 1, 2);
    AUTO(mem_freep)
    char *path = mem_printf("%s/orders-0/00000000000000000000.log", scene.paths[0]);
    EXPECT_OK(io_fs_unlink(posix_fs(), path));
    EXPECT_OK(io_fs_make_directory(posix_fs(), path)); /* a directory where a segment should be */
    expect_open(&scene);
    load(&scene);
    EXPECT_EQ(scene.log_count, 1);
    EXPECT_EQ(scene.error_count, 1);
    scene_end(&scene);
}

/* Deleted and created anew under one name, with a crash that took back the rename of the old directory. */
TEST(log_load, sets_aside_what_belongs_to_another_topic_of_that_name)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    make_log(scene.paths[0], "orders", 0, 2);
    make_log_of((struct uuid){ { 8 } }, scene.paths[0], "orders", 1, 2);
    expect_open(&scene);
    load(&scene);
    EXPECT_EQ(scene.log_count, 1);
    EXPECT_EQ(scene.error_count, 0);
    EXPECT_EQ(count_names(scene.paths[0], "orders-1."), 1);
    EXPECT_EQ(count_names(scene.paths[0], "-stray"), 1);
    scene_end(&scene);
}

/* Apache Kafka would set a directory without an id aside: it gets one. */
TEST(log_load, gives_the_topic_id_to_a_log_that_lost_it)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    make_log(scene.paths[0], "orders", 0, 2);
    make_log(scene.paths[0], "orders", 1, 2);
    AUTO(mem_freep) char *path = mem_printf("%s/orders-0/partition.metadata", scene.paths[0]);
    EXPECT_OK(io_fs_unlink(posix_fs(), path));
    AUTO(mem_freep) char *torn = mem_printf("%s/orders-1/partition.metadata", scene.paths[0]);
    EXPECT_OK(io_fs_replace(posix_fs(), torn, BYTES_LITERAL("version: 0\ntop")));
    expect_open(&scene);
    load(&scene); /* on_log looks at the id */
    EXPECT_EQ(scene.log_count, 2);
    struct uuid found;
    AUTO(mem_freep) char *directory = mem_printf("%s/orders-0", scene.paths[0]);
    EXPECT_OK(partition_metadata_read(posix_fs(), directory, &found, NULL));
    EXPECT(uuid_equal(found, topic_id));
    scene_end(&scene);
}

/* What was never flushed and lost its id in a crash may be of a topic that was deleted, and whose name another has now. */
TEST(log_load, sets_aside_what_lost_its_topic_id_before_it_was_flushed)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    for (int32_t i = 0; i < 2; i++) {
        make_log(scene.paths[0], "orders", i, 2);
        AUTO(mem_freep)
        char *path = mem_printf("%s/orders-%d/partition.metadata", scene.paths[0], i);
        EXPECT_OK(io_fs_replace(posix_fs(), path, BYTES_LITERAL("version: 0\ntop")));
    }
    AUTO(mem_freep)
    char *path = mem_printf("%s/recovery-point-offset-checkpoint", scene.paths[0]);
    EXPECT_OK(io_fs_replace(posix_fs(), path, BYTES_LITERAL("0\n1\norders 0 1\n")));
    expect_open(&scene);
    load(&scene);
    EXPECT_EQ(scene.log_count, 1);
    EXPECT_EQ(scene.error_count, 0);
    EXPECT_EQ(count_names(scene.paths[0], "orders-1."), 1);
    EXPECT_EQ(count_names(scene.paths[0], "-stray"), 1);
    scene_end(&scene);
}

/* A log that was flushed, long before a checkpoint tells of it, has had its id, and so has one whose file no loss of power
 * explains: they are the topic's of that name, whatever became of the file. */
TEST(log_load, never_sets_aside_what_was_flushed_for_want_of_its_topic_id)
{
    static const char zeros[43];
    const struct bytes contents[] = {
        BYTES_NULL, bytes_from(zeros, sizeof(zeros)), BYTES_LITERAL("version: 0\ntop"),
        BYTES_LITERAL(""), BYTES_LITERAL("#ersion: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA")
    };
    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        struct sim_disk *disk = sim_disk_new(1);
        struct io_fs *fs = sim_disk_fs(disk);
        struct log *log = sample_open(&(struct sample_open){ .fs = fs });
        sample_append(log, &(struct sample_batch){ .count = 3 });
        log_flush(log);
        EXPECT_EQ(log_offsets(log)->flushed_end, 3);
        log_abandon(log);
        EXPECT_OK(contents[i].data == NULL
                      ? io_fs_unlink(fs, "/d/t-0/partition.metadata")
                      : io_fs_replace(fs, "/d/t-0/partition.metadata", contents[i]));
        log = sample_open(&(struct sample_open){ .fs = fs, .is_unclean = true });
        EXPECT_EQ(log_offsets(log)->end, 3);
        const struct log_recovery recovery = log_recovery(log);
        EXPECT(recovery.note_count > 0 &&
               strstr(recovery.notes[0].text, "/d/t-0/partition.metadata") != NULL);
        log_abandon(log);
        struct uuid found;
        EXPECT_OK(partition_metadata_read(fs, "/d/t-0", &found, NULL));
        EXPECT(uuid_equal(found, sample_topic_id));
        sim_disk_free(disk);
    }
}

/* No bit of the file that flips costs more than the file. In the id it makes another topic's of it: that one is set aside. */
TEST(log_load, survives_any_bit_of_the_topic_id_file)
{
    static const char text[] = "version: 0\ntopic_id: ";
    struct sim_disk *disk = sim_disk_new(1);
    struct io_fs *fs = sim_disk_fs(disk);
    struct log *log = sample_open(&(struct sample_open){ .fs = fs });
    sample_append(log, &(struct sample_batch){ .count = 3 });
    EXPECT_OK(log_close(log, true, NULL, NULL));
    for (size_t byte = 0; byte < sizeof(text) - 1; byte++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            EXPECT_OK(sim_disk_flip_bit(disk, "/d/t-0/partition.metadata", (int64_t)byte, bit));
            log = sample_open(&(struct sample_open){ .fs = fs });
            EXPECT_EQ(log_offsets(log)->end, 3);
            log_abandon(log);
            EXPECT_OK(partition_metadata_write(fs, "/d/t-0", sample_topic_id, NULL));
        }
    }
    sim_disk_free(disk);
}

TEST(log_load, ends_at_once_in_an_empty_directory)
{
    struct scene scene;
    scene_begin(&scene, context);
    format(scene.paths[0], "one", 3, 1);
    expect_open(&scene);
    load(&scene);
    EXPECT_EQ(scene.log_count, 0);
    /* From now on it is known what was flushed. */
    EXPECT_EQ(count_names(scene.paths[0], "recovery-point-offset-checkpoint"), 1);
    scene_end(&scene);
}
