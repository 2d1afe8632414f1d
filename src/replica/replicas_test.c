/* All partitions of a shard: loaded, created and deleted, closed well and badly, and directories that fill up or fail. */
#include "replica/rig_test.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static struct io_fs *fs_of(struct replica_rig *rig)
{
    return sim_disk_fs(sim_node_disk(rig->machine));
}

static bool exists(struct replica_rig *rig, const char *path)
{
    struct io_stat stat;
    return io_fs_stat(fs_of(rig), path, &stat) == 0;
}

/* How many names in `dir` contain `part`. */
static uint32_t count_names(struct replica_rig *rig, const char *dir, const char *part)
{
    struct io_names names;
    EXPECT_OK(io_fs_list(fs_of(rig), dir, 1000, &names));
    uint32_t count = 0;
    for (uint32_t i = 0; i < names.count; i++)
        count += strstr(names.items[i], part) != NULL;
    io_names_deinit(&names);
    return count;
}

static void append(struct replica_rig *rig, struct uuid topic, int32_t index, int32_t count)
{
    struct rig_append append;
    replica_rig_append(replicas_get(rig->replicas, topic, index), count, true, &append);
    replica_rig_turn(rig);
    EXPECT_EQ(append.done_count, 1);
    EXPECT_EQ(append.error, KAFKA_NONE);
}

static int64_t end_of(struct replica_rig *rig, struct uuid topic, int32_t index)
{
    const struct partition *p = replicas_get(rig->replicas, topic, index);
    EXPECT(p != NULL && p->state == PARTITION_ONLINE);
    return log_offsets(p->log)->end;
}

static uint32_t unlimited(const struct replica_rig *rig)
{
    return rig->line_counts[DIAG_ERROR] + rig->line_counts[DIAG_WARN];
}

/* ---- lives ----------------------------------------------------------------------------------- */

/* What was closed well is there again without a scan, whatever has been created and deleted while nobody was up. */
TEST(replicas_load, opens_what_the_directories_hold_and_the_image_knows)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 2, "log.dirs=/a,/b");
    const struct uuid kept = replica_rig_topic(&rig, "kept", 4);
    const struct uuid gone = replica_rig_topic(&rig, "gone", 1);
    for (int32_t i = 0; i < 4; i++)
        append(&rig, kept, i, i + 1);
    append(&rig, gone, 0, 1);
    replica_rig_stop(&rig);
    EXPECT(exists(&rig, "/a/.kafka_cleanshutdown"));
    EXPECT(exists(&rig, "/b/.kafka_cleanshutdown"));

    replica_rig_delete(&rig, gone);
    const struct uuid fresh = replica_rig_topic(&rig, "fresh", 2);
    replica_rig_start(&rig);
    EXPECT_EQ(replicas_count(rig.replicas), 6);
    for (int32_t i = 0; i < 4; i++) {
        EXPECT_EQ(end_of(&rig, kept, i), i + 1);
        EXPECT_EQ(replicas_get(rig.replicas, kept, i)->high_watermark, i + 1);
        EXPECT_EQ(log_recovery(replicas_get(rig.replicas, kept, i)->log).segments_scanned, 0);
    }
    EXPECT_EQ(end_of(&rig, fresh, 1), 0);
    EXPECT(replicas_get(rig.replicas, gone, 0) == NULL);
    EXPECT_EQ(count_names(&rig, "/a", "gone") + count_names(&rig, "/b", "gone"), 1);
    EXPECT_EQ(count_names(&rig, "/a", "-stray") + count_names(&rig, "/b", "-stray"), 1);
    replica_rig_end(&rig);
}

/* A topic that an earlier life created is deleted like any other. */
TEST(replicas_delete, removes_what_an_earlier_life_created)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "log.segment.delete.delay.ms=3000");
    const struct uuid topic = replica_rig_topic(&rig, "t", 3);
    replica_rig_stop(&rig);
    replica_rig_start(&rig);
    replica_rig_delete(&rig, topic);
    EXPECT_EQ(replicas_count(rig.replicas), 0);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(count_names(&rig, "/a", "-delete"), 3);
    replica_rig_run_ms(&rig, 4000);
    EXPECT_EQ(count_names(&rig, "/a", "-delete"), 0);
    EXPECT(!exists(&rig, "/a/t-0"));
    EXPECT_EQ(unlimited(&rig), 0);
    replica_rig_end(&rig);
}

/* A crash at any change of the disk while topics come and go: the next start holds what the image says, each partition
 * whole, and can delete it. */
TEST(replicas_load, finds_its_way_after_a_crash_at_every_change)
{
    for (uint64_t nth = 1; nth < 60; nth += 2) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed + nth, 2, "log.dirs=/a,/b");
        const struct uuid old = replica_rig_topic(&rig, "old", 2);
        append(&rig, old, 0, 3);
        sim_disk_crash_at(sim_node_disk(rig.machine), nth,
                          nth % 4 == 1 ? SIM_POWER_LOST : SIM_PROCESS_KILLED);
        sample_topic(rig.loader, "new", sample_id(77));
        sample_partition(rig.loader, sample_id(77), 0, &(int32_t){ REPLICA_RIG_NODE }, 1);
        sample_partition(rig.loader, sample_id(77), 1, &(int32_t){ REPLICA_RIG_NODE }, 1);
        sample_remove_topic(rig.loader, old);
        metadata_image_unref(rig.image);
        rig.image = metadata_loader_publish(rig.loader);
        replicas_apply(rig.replicas, rig.image, NULL, NULL);
        replica_rig_run_ms(&rig, 1000);
        if (rig.replicas != NULL)
            replica_rig_crash(&rig, SIM_POWER_LOST);
        else
            sim_node_restart(rig.machine);
        sim_disk_crash_at(sim_node_disk(rig.machine), 0, SIM_POWER_LOST);

        replica_rig_start(&rig);
        EXPECT_EQ(replicas_count(rig.replicas), 2);
        EXPECT_EQ(end_of(&rig, sample_id(77), 0), 0);
        append(&rig, sample_id(77), 1, 1);
        replica_rig_delete(&rig, sample_id(77));
        replica_rig_stop(&rig);
        replica_rig_start(&rig);
        EXPECT_EQ(replicas_count(rig.replicas), 0);
        EXPECT_EQ(rig.failed_dirs, 0);
        replica_rig_end(&rig);
    }
}

/* Where the directory of a deleted topic is removed, a power loss may bring it back under its old name, but not without the id that
 * tells whose it is: a topic made since may have that name. */
TEST(replicas_delete, takes_nothing_from_a_directory_whose_old_name_may_come_back)
{
    for (uint64_t i = 0; i < 600; i++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed + i, 1, "");
        struct log *log = sample_open(&(struct sample_open){ .fs = fs_of(&rig), .log_dir = "/a" });
        sample_append(log, &(struct sample_batch){ .count = 3 });
        log_flush(log);
        struct uuid unique = { { 1 } };
        char *path;
        EXPECT_OK(log_delete(log, unique, &path, NULL));
        sim_disk_crash_at(sim_node_disk(rig.machine), 1 + i % 6, SIM_POWER_LOST);
        log_dirs_remove_later(rig.dirs, 0, path, 0);
        mem_free(path);
        replica_rig_run_ms(&rig, 1000);
        EXPECT(rig.replicas == NULL);
        sim_node_restart(rig.machine);
        EXPECT(!exists(&rig, "/a/t-0") || exists(&rig, "/a/t-0/partition.metadata"));
        sim_disk_crash_at(sim_node_disk(rig.machine), 0, SIM_POWER_LOST);
        replica_rig_start(&rig);
        replica_rig_end(&rig);
    }
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

static bool is_set(void *context)
{
    return *(const bool *)context;
}

/* Stopped before anything was loaded: nothing is known of the logs, so nothing is said of them. The life before did not
 * end well, and that must not be forgotten. */
TEST(replicas_close, marks_nothing_clean_that_it_has_not_seen)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    append(&rig, topic, 0, 5);
    replicas_checkpoint(rig.replicas);
    replica_rig_run_ms(&rig, 1000);
    replica_rig_crash(&rig, SIM_PROCESS_KILLED);

    replica_rig_open(&rig);
    replica_rig_stop(&rig);
    EXPECT(!exists(&rig, "/a/.kafka_cleanshutdown"));
    replica_rig_start(&rig);
    EXPECT_EQ(end_of(&rig, topic, 0), 5);
    EXPECT_EQ(replicas_get(rig.replicas, topic, 0)->high_watermark, 5);
    replica_rig_end(&rig);
}

/* A stop waits for logs that are being opened, and answers who waits. */
TEST(replicas_close, waits_for_logs_that_are_being_opened)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid shared = replica_rig_shared_topic(&rig, "s", 1);
    struct rig_append waits;
    replica_rig_append(replicas_get(rig.replicas, shared, 0), 1, true, &waits);
    replica_rig_turn(&rig);
    sample_topic(rig.loader, "t", sample_id(9));
    for (int32_t i = 0; i < 20; i++)
        sample_partition(rig.loader, sample_id(9), i, &(int32_t){ REPLICA_RIG_NODE }, 1);
    metadata_image_unref(rig.image);
    rig.image = metadata_loader_publish(rig.loader);
    replicas_apply(rig.replicas, rig.image, NULL, NULL);
    EXPECT_EQ(replicas_get(rig.replicas, sample_id(9), 19)->state, PARTITION_OPENING);
    replica_rig_stop(&rig);
    EXPECT_EQ(waits.done_count, 1);
    EXPECT_EQ(waits.error, KAFKA_NOT_LEADER_OR_FOLLOWER);
    replica_rig_start(&rig);
    EXPECT_EQ(replicas_count(rig.replicas), 21);
    EXPECT_EQ(end_of(&rig, shared, 0), 1);
    replica_rig_end(&rig);
}

/* A stop that comes while logs are loaded begins none of those that are missing: the name of one may be held by a checkpoint,
 * and the one that would let it go is not written on the way out. */
TEST(replicas_close, begins_nothing_when_the_logs_are_loaded)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    append(&rig, topic, 0, 5);
    replicas_checkpoint(rig.replicas);
    replica_rig_run_ms(&rig, 1000);
    replica_rig_crash(&rig, SIM_PROCESS_KILLED);
    EXPECT_OK(io_fs_remove_tree(fs_of(&rig), "/a/t-0"));

    replica_rig_open(&rig);
    bool is_loaded = false;
    replicas_load(rig.replicas, rig.image, on_closed, &is_loaded);
    EXPECT(!is_loaded);
    replica_rig_stop(&rig);
    EXPECT(!exists(&rig, "/a/t-0"));
    replica_rig_start(&rig);
    EXPECT_EQ(end_of(&rig, topic, 0), 0);
    replica_rig_end(&rig);
}

/* A log that cannot be closed well leaves its directory unmarked, so that the next start looks at it. */
TEST(replicas_close, leaves_a_directory_unmarked_where_a_log_did_not_close)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 2, "log.dirs=/a,/b");
    const struct uuid topic = replica_rig_topic(&rig, "t", 2);
    append(&rig, topic, 0, 1);
    append(&rig, topic, 1, 1);
    sim_disk_add_fault(
        sim_node_disk(rig.machine),
        &(struct sim_fault){ .calls = SIM_SYNC, .path_part = "/a/t-", .error = -EIO });
    bool is_closed = false;
    replicas_close(rig.replicas, 1, on_closed, &is_closed);
    replica_rig_until(&rig, is_set, &is_closed);
    EXPECT(!exists(&rig, "/a/.kafka_cleanshutdown"));
    EXPECT(exists(&rig, "/b/.kafka_cleanshutdown"));
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    sim_disk_clear_faults(sim_node_disk(rig.machine));
    replica_rig_end(&rig);
}

/* ---- coming and going ------------------------------------------------------------------------ */

/* Deleted before its log was there: it is removed as soon as it is, and a topic of the same name is another one. */
TEST(replicas_delete, comes_back_to_a_log_that_is_being_opened)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    sample_topic(rig.loader, "t", sample_id(1));
    sample_partition(rig.loader, sample_id(1), 0, &(int32_t){ REPLICA_RIG_NODE }, 1);
    metadata_image_unref(rig.image);
    rig.image = metadata_loader_publish(rig.loader);
    replicas_apply(rig.replicas, rig.image, NULL, NULL);
    EXPECT_EQ(replicas_get(rig.replicas, sample_id(1), 0)->state, PARTITION_OPENING);
    replica_rig_delete(&rig, sample_id(1));
    EXPECT(replicas_get(rig.replicas, sample_id(1), 0) == NULL);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(count_names(&rig, "/a", "t-0."), 1);
    EXPECT(!exists(&rig, "/a/t-0"));
    EXPECT_EQ(unlimited(&rig), 0);

    const struct uuid again = replica_rig_topic(&rig, "t", 1);
    append(&rig, again, 0, 1);
    EXPECT_EQ(end_of(&rig, again, 0), 1);
    replica_rig_end(&rig);
}

/* New partitions go where there are the fewest, also after a restart. */
TEST(replicas_open, spreads_partitions_over_the_directories)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 2, "log.dirs=/a,/b");
    (void)replica_rig_topic(&rig, "one", 5);
    replica_rig_stop(&rig);
    replica_rig_start(&rig);
    (void)replica_rig_topic(&rig, "two", 5);
    EXPECT_EQ(count_names(&rig, "/a", "-"), 5 + count_names(&rig, "/a", "checkpoint"));
    EXPECT_EQ(count_names(&rig, "/b", "-"), 5 + count_names(&rig, "/b", "checkpoint"));
    replica_rig_end(&rig);
}

/* No space for a new topic: it is offline, nothing else is, and it is opened when there is space. */
TEST(replicas_open, tries_again_what_found_no_space)
{
    for (uint64_t skip = 0; skip < 12; skip++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed + skip, 1, "");
        const struct uuid old = replica_rig_topic(&rig, "old", 1);
        sim_disk_add_fault(sim_node_disk(rig.machine),
                           &(struct sim_fault){ .calls = SIM_CREATE | SIM_MAKE_DIRECTORY |
                                                         SIM_WRITE | SIM_ALLOCATE,
                                                .path_part = "t-0",
                                                .skip = skip,
                                                .error = -ENOSPC });
        const struct uuid topic = replica_rig_topic(&rig, "t", 1);
        const struct partition *p = replicas_get(rig.replicas, topic, 0);
        for (int tick = 0; tick < 3 && p->state != PARTITION_ONLINE; tick++) {
            EXPECT_EQ(partition_check_leader(p, -1), KAFKA_KAFKA_STORAGE_ERROR);
            replicas_tick(rig.replicas, SAMPLE_NOW_MS);
            replica_rig_run_ms(&rig, 1000);
        }
        EXPECT_EQ(rig.failed_dirs, 0);
        append(&rig, old, 0, 1);

        sim_disk_clear_faults(sim_node_disk(rig.machine));
        replica_rig_run_ms(&rig, 10000); /* it is not tried each second */
        replicas_tick(rig.replicas, SAMPLE_NOW_MS);
        replica_rig_run_ms(&rig, 1000);
        append(&rig, topic, 0, 2);
        replica_rig_stop(&rig);
        replica_rig_start(&rig);
        EXPECT_EQ(end_of(&rig, topic, 0), 2);
        replica_rig_end(&rig);
    }
}

/* Deleted while it waits for space: nothing is left of it. */
TEST(replicas_delete, forgets_what_found_no_space)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    sim_disk_add_fault(
        sim_node_disk(rig.machine),
        &(struct sim_fault){ .calls = SIM_CHANGES, .path_part = "t-0", .error = -ENOSPC });
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    replica_rig_delete(&rig, topic);
    EXPECT_EQ(replicas_count(rig.replicas), 0);
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(replicas_count(rig.replicas), 0);
    replica_rig_end(&rig);
}

/* A disk without space to rename a deleted topic's directory is not a broken one. */
TEST(replicas_delete, leaves_the_directory_online_when_there_is_no_space)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    const struct uuid other = replica_rig_topic(&rig, "other", 1);
    sim_disk_add_fault(sim_node_disk(rig.machine),
                       &(struct sim_fault){ .calls = SIM_RENAME, .error = -ENOSPC });
    replica_rig_delete(&rig, topic);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(rig.failed_dirs, 0);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    append(&rig, other, 0, 1);
    sim_disk_clear_faults(sim_node_disk(rig.machine));
    replica_rig_stop(&rig);
    replica_rig_start(&rig);
    EXPECT_EQ(replicas_count(rig.replicas), 1);
    replica_rig_end(&rig);
}

/* A directory that cannot make a log is offline; the next topic goes to the other. */
TEST(replicas_open, takes_a_directory_offline_that_cannot_make_a_log)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 2, "log.dirs=/a,/b");
    sim_disk_add_fault(
        sim_node_disk(rig.machine),
        &(struct sim_fault){ .calls = SIM_MAKE_DIRECTORY, .path_part = "/a/", .error = -EIO });
    const struct uuid bad = replica_rig_topic(&rig, "bad", 1);
    replica_rig_turn(&rig);
    EXPECT_EQ(replicas_get(rig.replicas, bad, 0)->state, PARTITION_OFFLINE);
    EXPECT_EQ(rig.failed_dirs, 1);
    EXPECT_EQ(rig.dirs_left, 1);
    const struct uuid good = replica_rig_topic(&rig, "good", 2);
    append(&rig, good, 0, 1);
    append(&rig, good, 1, 1);
    EXPECT_EQ(count_names(&rig, "/b", "good-"), 2);
    replica_rig_delete(&rig, bad);
    EXPECT_EQ(replicas_count(rig.replicas), 2);
    replica_rig_end(&rig);
}

/* As a node tells the metadata where its replicas are. */
static void assign_all(struct replica_rig *rig)
{
    for (const struct partition *p = replicas_next(rig->replicas, NULL); p != NULL;
         p = replicas_next(rig->replicas, p))
        replica_rig_assign(rig, p->topic_id, p->index,
                           log_dirs_at(rig->dirs, p->log_dir_index)->id);
}

static int32_t first_in(const struct replica_rig *rig, uint32_t log_dir_index)
{
    const struct partition *p = replicas_next(rig->replicas, NULL);
    while (p->log_dir_index != log_dir_index)
        p = replicas_next(rig->replicas, p);
    return p->index;
}

/* Starts where reads of `path_part` fail: /b is offline, and so is what lies in it, but nothing else. */
static void start_without_b(struct replica_rig *rig, struct uuid topic, int32_t in_a, int32_t in_b,
                            const char *path_part, uint32_t calls)
{
    sim_disk_add_fault(
        sim_node_disk(rig->machine),
        &(struct sim_fault){ .calls = calls, .path_part = path_part, .error = -EIO });
    replica_rig_start(rig);
    EXPECT_EQ(replicas_get(rig->replicas, topic, in_b)->state, PARTITION_OFFLINE);
    replica_rig_turn(rig);
    EXPECT(!log_dirs_at(rig->dirs, 1)->is_online);
    EXPECT_EQ(end_of(rig, topic, in_a), 3);
    EXPECT_EQ(replicas_get(rig->replicas, topic, in_b)->state, PARTITION_OFFLINE);
    struct rig_append refused;
    replica_rig_append(replicas_get(rig->replicas, topic, in_b), 1, true, &refused);
    EXPECT_EQ(refused.result.error, KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(count_names(rig, "/a", "left-"), 1);
    sim_disk_clear_faults(sim_node_disk(rig->machine));
}

/* What a directory holds that fails at start, or of which one log cannot be opened, is not begun anew in the other: it is
 * there again with the directory. */
TEST(replicas_load, begins_nothing_anew_that_may_lie_in_a_failed_directory)
{
    static const struct {
        const char *path_part;
        uint32_t calls;
        bool is_assigned;
        uint32_t warnings; /* of what is not begun anew */
        uint32_t errors;
    } cases[] = {
        { "/b/meta.properties", SIM_READ, true, 1, 0 }, /* node.c tells of the directory */
        { "/b", SIM_LIST, true, 1, 1 },
        { "/b/left-", SIM_LIST, true, 0, 2 },  /* of the log, and of its directory */
        { "/b/left-", SIM_LIST, false, 0, 2 }, /* it was found, if not assigned */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed, 2, "log.dirs=/a,/b");
        const struct uuid topic = replica_rig_topic(&rig, "left", 2);
        const int32_t in_a = first_in(&rig, 0);
        const int32_t in_b = first_in(&rig, 1);
        append(&rig, topic, in_a, 3);
        append(&rig, topic, in_b, 5);
        if (cases[i].is_assigned)
            assign_all(&rig);
        replica_rig_stop(&rig);
        EXPECT_EQ(unlimited(&rig), 0);
        start_without_b(&rig, topic, in_a, in_b, cases[i].path_part, cases[i].calls);
        EXPECT_EQ(rig.line_counts[DIAG_WARN], cases[i].warnings);
        EXPECT_EQ(rig.line_counts[DIAG_ERROR], cases[i].errors);

        /* What is new goes to the other. */
        const struct uuid other = replica_rig_topic(&rig, "new", 2);
        append(&rig, other, 0, 1);
        append(&rig, other, 1, 1);
        EXPECT_EQ(count_names(&rig, "/a", "new-"), 2);

        replica_rig_stop(&rig);
        replica_rig_start(&rig);
        EXPECT_EQ(end_of(&rig, topic, in_a), 3);
        EXPECT_EQ(end_of(&rig, topic, in_b), 5);
        EXPECT_EQ(end_of(&rig, other, 0), 1);
        replica_rig_end(&rig);
    }
}

/* Another directory fails while a log is being opened in it: the log is not used. */
TEST(replicas_open, does_not_use_a_log_whose_directory_failed_meanwhile)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid old = replica_rig_topic(&rig, "old", 1);
    sim_disk_add_fault(
        sim_node_disk(rig.machine),
        &(struct sim_fault){ .calls = SIM_WRITE, .path_part = "/old-0/", .error = -EIO });
    struct rig_append append;
    replica_rig_append(replicas_get(rig.replicas, old, 0), 1, true, &append);
    sample_topic(rig.loader, "t", sample_id(9));
    sample_partition(rig.loader, sample_id(9), 0, &(int32_t){ REPLICA_RIG_NODE }, 1);
    metadata_image_unref(rig.image);
    rig.image = metadata_loader_publish(rig.loader);
    replicas_apply(rig.replicas, rig.image, NULL, NULL);
    (void)replicas_write(rig.replicas); /* fails, and takes the directory offline */
    EXPECT_EQ(rig.failed_dirs, 1);
    EXPECT_EQ(rig.dirs_left, 0);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(replicas_get(rig.replicas, sample_id(9), 0)->state, PARTITION_OFFLINE);
    const struct uuid nowhere = replica_rig_topic(&rig, "n", 1);
    EXPECT_EQ(replicas_get(rig.replicas, nowhere, 0)->state, PARTITION_OFFLINE);
    replica_rig_end(&rig);
}

/* ---- settings and housekeeping --------------------------------------------------------------- */

/* Of a topic, and of the broker for those that have none of their own: at once, for logs that are open. */
TEST(replicas_apply, gives_logs_their_new_settings)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid own = replica_rig_topic(&rig, "own", 1);
    const struct uuid plain = replica_rig_topic(&rig, "plain", 1);
    sample_config(rig.loader, METADATA_CONFIG_TOPIC, "own", "retention.ms", "1234");
    sample_config(rig.loader, METADATA_CONFIG_TOPIC, "nobody", "retention.ms", "1");
    replica_rig_apply(&rig);
    EXPECT_EQ(log_config(replicas_get(rig.replicas, own, 0)->log)->retention_ms, 1234);
    const struct config_override changed = { .name = BYTES_LITERAL("log.retention.ms"),
                                             .value = BYTES_LITERAL("77777") };
    struct config_problems problems = { 0 };
    struct config *config =
        config_with_dynamic(rig.config, (struct config_overrides){ .items = &changed, .count = 1 },
                            CONFIG_OVERRIDES_NONE, &problems);
    replicas_set_config(rig.replicas, config);
    config_unref(config);
    config_problems_deinit(&problems);
    EXPECT_EQ(log_config(replicas_get(rig.replicas, own, 0)->log)->retention_ms, 1234);
    EXPECT_EQ(log_config(replicas_get(rig.replicas, plain, 0)->log)->retention_ms, 77777);
    sample_config(rig.loader, METADATA_CONFIG_TOPIC, "own", "retention.ms", NULL);
    replica_rig_apply(&rig);
    EXPECT_EQ(log_config(replicas_get(rig.replicas, own, 0)->log)->retention_ms, 77777);
    replica_rig_end(&rig);
}

static int64_t checkpointed(struct replica_rig *rig, enum log_checkpoint_kind kind,
                            const char *topic, int32_t partition)
{
    AUTO(mem_freep) char *path = mem_printf("/a/%s", log_checkpoint_file_name(kind));
    struct offset_checkpoint file = { 0 };
    int64_t found = -1;
    EXPECT_OK(offset_checkpoint_read(fs_of(rig), path, &file, NULL));
    for (size_t i = 0; i < file.entries.count; i++) {
        if (strcmp(file.entries.items[i].topic, topic) == 0 &&
            file.entries.items[i].partition == partition)
            found = file.entries.items[i].offset;
    }
    offset_checkpoint_deinit(&file);
    return found;
}

/* The files say what is so: committed below this, and where a log starts when that is not its first segment's base. */
TEST(replicas_checkpoint, writes_what_is_committed_and_where_logs_start)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_topic(&rig, "t", 2);
    append(&rig, topic, 0, 6);
    append(&rig, topic, 1, 2);
    struct partition *p = replicas_get(rig.replicas, topic, 0);
    EXPECT_EQ(log_advance_start(p->log, 4, p->high_watermark), 1);
    replicas_checkpoint(rig.replicas);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(checkpointed(&rig, LOG_CHECKPOINT_HIGH_WATERMARK, "t", 0), 6);
    EXPECT_EQ(checkpointed(&rig, LOG_CHECKPOINT_HIGH_WATERMARK, "t", 1), 2);
    EXPECT_EQ(checkpointed(&rig, LOG_CHECKPOINT_LOG_START, "t", 0), 4);
    EXPECT_EQ(checkpointed(&rig, LOG_CHECKPOINT_LOG_START, "t", 1), -1);
    replica_rig_crash(&rig, SIM_PROCESS_KILLED);
    replica_rig_start(&rig);
    EXPECT_EQ(partition_log_start(replicas_get(rig.replicas, topic, 0)), 4);

    /* A full disk, or a process without descriptors, keeps the old files, and the directory. */
    static const int shortages[] = { -ENOSPC, -EMFILE, -ENFILE, -ENOMEM };
    for (size_t i = 0; i < ARRAY_LEN(shortages); i++) {
        sim_disk_add_fault(sim_node_disk(rig.machine),
                           &(struct sim_fault){ .calls = SIM_CREATE | SIM_WRITE,
                                                .path_part = "checkpoint",
                                                .error = shortages[i] });
        replicas_checkpoint(rig.replicas);
        replica_rig_run_ms(&rig, 1000);
        EXPECT_EQ(rig.failed_dirs, 0);
        sim_disk_clear_faults(sim_node_disk(rig.machine));
        EXPECT_EQ(checkpointed(&rig, LOG_CHECKPOINT_HIGH_WATERMARK, "t", 0), 6);
    }
    replica_rig_end(&rig);
}

/* Old segments go, up to what is committed and not beyond. */
TEST(replicas_retain, removes_segments_below_the_high_watermark)
{
    struct replica_rig rig;
    replica_rig_begin(
        &rig, context->seed, 1,
        "log.retention.ms=1000\nlog.segment.bytes=1048576\nlog.message.timestamp.after.max.ms="
        "9223372036854775807");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    const struct uuid shared = replica_rig_shared_topic(&rig, "s", 1);
    struct rig_append appends[2];
    for (int i = 0; i < 3; i++) {
        replica_rig_append(replicas_get(rig.replicas, topic, 0), 1, false, &appends[0]);
        replica_rig_append(replicas_get(rig.replicas, shared, 0), 1, false, &appends[1]);
        replica_rig_turn(&rig);
        EXPECT_OK(log_roll(replicas_get(rig.replicas, topic, 0)->log, SAMPLE_NOW_MS, NULL));
        EXPECT_OK(log_roll(replicas_get(rig.replicas, shared, 0)->log, SAMPLE_NOW_MS, NULL));
    }
    replica_rig_run_ms(&rig, 1000); /* for them to be flushed */
    replicas_retain(rig.replicas, SAMPLE_NOW_MS + 100000);
    EXPECT_EQ(partition_log_start(replicas_get(rig.replicas, topic, 0)), 3);
    EXPECT_EQ(partition_log_start(replicas_get(rig.replicas, shared, 0)), 0);
    EXPECT_EQ(rig.line_counts[DIAG_INFO], 1);
    replica_rig_run_ms(&rig, 1000);
    replica_rig_end(&rig);
}

/* The segment that is written to goes too, when the snapshot of its producers is written: retention goes on by itself then. */
TEST(replicas_retain, waits_for_the_snapshot_of_the_producers)
{
    struct replica_rig rig;
    replica_rig_begin(
        &rig, context->seed, 1,
        "log.retention.ms=1000\nlog.message.timestamp.after.max.ms=9223372036854775807");
    struct partition *p = replicas_get(rig.replicas, replica_rig_topic(&rig, "t", 1), 0);
    struct shared *batch =
        sample_batch(&(struct sample_batch){ .has_producer = true, .producer_id = 5 });
    const struct log_append planned = { .owner = batch,
                                        .records = batch->data,
                                        .size_bytes = (uint32_t)batch->size,
                                        .origin = LOG_ORIGIN_CLIENT,
                                        .now_ms = SAMPLE_NOW_MS,
                                        .transaction_version = -1 };
    struct log_append_result result;
    partition_append(p, &planned, NULL, &result);
    shared_unref(batch);
    EXPECT_EQ(result.error, KAFKA_NONE);
    replica_rig_turn(&rig);
    log_flush(p->log);
    replica_rig_run_ms(&rig, 1000);
    replicas_retain(rig.replicas, SAMPLE_NOW_MS + 100000);
    EXPECT_EQ(partition_log_start(p), 0);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(partition_log_start(p), 1);
    EXPECT_EQ(log_segment_count(p->log), 1);
    EXPECT_EQ(rig.line_counts[DIAG_INFO], 1);
    replica_rig_end(&rig);
}

/* ---- what was flushed ------------------------------------------------------------------------- */

/* What a killed process left in the page cache is no flushed log, though this process has not written to it. */
TEST(replicas_load, syncs_what_a_killed_process_left)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed + seed, 1, "");
        const struct uuid topic = replica_rig_topic(&rig, "t", 1);
        struct rig_append append;
        replica_rig_append(replicas_get(rig.replicas, topic, 0), 3, false, &append);
        replica_rig_turn(&rig);
        replica_rig_crash(&rig, SIM_PROCESS_KILLED);
        replica_rig_start(&rig);
        log_flush(replicas_get(rig.replicas, topic, 0)->log);
        replica_rig_run_ms(&rig, 1000);
        EXPECT_EQ(log_offsets(replicas_get(rig.replicas, topic, 0)->log)->flushed_end, 3);
        replica_rig_crash(&rig, SIM_POWER_LOST);
        replica_rig_start(&rig);
        EXPECT_EQ(log_offsets(replicas_get(rig.replicas, topic, 0)->log)->end, 3);
        replica_rig_end(&rig);
    }
}

/* Whoever waits for a flush hears of it, also when a descriptor or space was wanting at first. */
TEST(replicas_flush, is_tried_again_after_a_shortage)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    struct partition *p = replicas_get(rig.replicas, topic, 0);
    struct rig_append append;
    replica_rig_append(p, 3, false, &append);
    replica_rig_turn(&rig);
    sim_disk_add_fault(
        sim_node_disk(rig.machine),
        &(struct sim_fault){
            .calls = SIM_OPEN, .path_part = "partition.metadata", .count = 1, .error = -EMFILE });
    log_flush(p->log);
    replica_rig_run_ms(&rig, 200);
    EXPECT_EQ(log_offsets(p->log)->flushed_end, 0);
    replica_rig_run_ms(&rig, 2000);
    EXPECT_EQ(log_offsets(p->log)->flushed_end, 3);
    EXPECT_EQ(rig.failed_dirs, 0);
    replica_rig_end(&rig);
}

static void expect_acknowledged_when_flushed(uint64_t seed, const char *settings)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, seed, 1, settings);
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    struct partition *p = replicas_get(rig.replicas, topic, 0);
    struct rig_append appends[2];
    replica_rig_append(p, 3, false, &appends[0]);
    replica_rig_append(p, 1, true, &appends[1]);
    (void)replicas_write(rig.replicas);
    EXPECT_EQ(log_offsets(p->log)->end, 4);
    EXPECT_EQ(appends[0].done_count + appends[1].done_count, 0);
    EXPECT_EQ(p->high_watermark, 0);
    replica_rig_run_ms(&rig, 1000);
    EXPECT_EQ(appends[0].done_count, 1);
    EXPECT_EQ(appends[1].done_count, 1);
    EXPECT_EQ(appends[1].error, KAFKA_NONE);
    EXPECT_EQ(p->high_watermark, 4);
    replica_rig_end(&rig);
}

/* Under flush.messages=1 an append is acknowledged, and readable, when it is on stable storage. */
TEST(partition_append, is_acknowledged_when_flushed_where_flush_messages_says_so)
{
    expect_acknowledged_when_flushed(context->seed, "log.flush.interval.messages=1");
}

TEST(partition_append, is_acknowledged_when_flushed_where_the_setting_of_that_name_says_so)
{
    expect_acknowledged_when_flushed(
        context->seed, "ottla.flush.before.ack=true\nlog.flush.interval.messages=1000");
}

/* What a flush could not put on stable storage is missing to the one behind it too, which has other files. */
TEST(partition_append, is_not_acknowledged_behind_a_flush_that_failed)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "log.flush.interval.messages=1");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    struct partition *p = replicas_get(rig.replicas, topic, 0);
    struct sim_disk *disk = sim_node_disk(rig.machine);
    sim_disk_add_fault(disk, &(struct sim_fault){ .calls = SIM_OPEN,
                                                  .path_part = "partition.metadata",
                                                  .count = 1,
                                                  .error = -EMFILE });
    enum { COUNT_MAX = 200 };
    AUTO(mem_freep) struct rig_append *appends = MEM_NEW_ARRAY(struct rig_append, COUNT_MAX);
    size_t count = 0;
    while (count < COUNT_MAX && log_offsets(p->log)->flushed_end == 0) {
        replica_rig_append(p, 1, true, &appends[count++]);
        replica_rig_turn(&rig);
    }
    replica_rig_run_ms(&rig, log_offsets(p->log)->flushed_end == 0 ? 1000 : 0);
    AUTO(mem_freep) uint8_t *content = NULL;
    size_t size = 0;
    EXPECT_OK(sim_disk_look(disk, SIM_STABLE, "/a/t-0/partition.metadata", &content, &size));
    EXPECT(size > 0);
    replica_rig_run_ms(&rig, 1000);
    for (size_t i = 0; i < count; i++)
        EXPECT_EQ(appends[i].error, KAFKA_NONE);
    EXPECT_EQ(log_offsets(p->log)->flushed_end, (int64_t)count);
    replica_rig_end(&rig);
}

/* An append that is followed by another one, when it is told of. */
struct followed {
    struct rig_append append;
    struct partition *next;
    struct rig_append follower;
};

static void append_follower(struct append_wait *wait, enum kafka_error error)
{
    struct followed *f = CONTAINER_OF(wait, struct followed, append.wait);
    f->append.error = error;
    f->append.done_count++;
    replica_rig_append(f->next, 1, true, &f->follower);
}

/* Who is told in a turn may append to a partition that was written in it and whose own are not told yet, as markers do. */
TEST(partition_append, is_written_though_its_partition_was_just_now)
{
    for (int to_itself = 0; to_itself < 2; to_itself++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed, 1, "");
        const struct uuid topic = replica_rig_topic(&rig, "t", 2);
        struct partition *first = replicas_get(rig.replicas, topic, 0);
        struct followed f = { .next = to_itself ? first : replicas_get(rig.replicas, topic, 1) };
        struct rig_append other;
        replica_rig_append(first, 1, true, &f.append);
        f.append.wait.done = append_follower;
        replica_rig_append(f.next, 3, true, &other);
        replica_rig_turn(&rig);
        replica_rig_turn(&rig);
        EXPECT_EQ(f.append.done_count, 1);
        EXPECT_EQ(other.done_count, 1);
        EXPECT_EQ(f.follower.done_count, 1);
        EXPECT_EQ(f.follower.error, KAFKA_NONE);
        EXPECT_EQ(log_offsets(f.next->log)->end, to_itself ? 5 : 4);
        EXPECT(list_is_empty(&f.next->append_waits));
        replica_rig_end(&rig);
    }
}

/* A write that fails takes its own appends back, not those that are planned when it is told of. */
TEST(partition_append, that_follows_one_that_failed_goes_on)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, "");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    struct partition *p = replicas_get(rig.replicas, topic, 0);
    struct followed f = { .next = p };
    replica_rig_append(p, 1, true, &f.append);
    f.append.wait.done = append_follower;
    struct rig_append other;
    replica_rig_append(p, 3, true, &other);
    sim_disk_add_fault(sim_node_disk(rig.machine),
                       &(struct sim_fault){
                           .calls = SIM_WRITE, .path_part = ".log", .count = 1, .error = -ENOSPC });
    replica_rig_turn(&rig);
    replica_rig_turn(&rig);
    EXPECT_EQ(f.append.error, KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(other.error, KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(f.follower.done_count, 1);
    EXPECT_EQ(f.follower.error, KAFKA_NONE);
    EXPECT_EQ(log_offsets(p->log)->end, 1);
    replica_rig_end(&rig);
}

/* ---- names that are used again ---------------------------------------------------------------- */

static void make_and_fill(struct replica_rig *rig, int32_t record_count, struct uuid *out)
{
    *out = replica_rig_topic(rig, "t", 1);
    struct rig_append append;
    replica_rig_append(replicas_get(rig->replicas, *out, 0), record_count, false, &append);
    replica_rig_turn(rig);
}

/* Checkpoints know logs by name: what they say of a deleted topic must not be believed of the next of its name, whenever the
 * machine goes down. */
TEST(replicas_delete, leaves_nothing_to_the_next_topic_of_the_name)
{
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed + seed, 1, "");
        struct uuid topic;
        make_and_fill(&rig, 50, &topic);
        struct partition *p = replicas_get(rig.replicas, topic, 0);
        log_flush(p->log);
        replica_rig_run_ms(&rig, 1000);
        EXPECT_EQ(log_advance_start(p->log, 20, p->high_watermark), 1);
        replicas_checkpoint(rig.replicas);
        replica_rig_run_ms(&rig, 1000);
        replica_rig_delete(&rig, topic);
        if (seed % 3 == 0) { /* the checkpoints are of the life before */
            replica_rig_crash(&rig, SIM_PROCESS_KILLED);
            replica_rig_start(&rig);
        }
        make_and_fill(&rig, 4, &topic);
        replica_rig_crash(&rig, SIM_PROCESS_KILLED);
        replica_rig_start(&rig);
        const struct log_offsets *offsets = log_offsets(replicas_get(rig.replicas, topic, 0)->log);
        EXPECT_EQ(offsets->start, 0);
        EXPECT_EQ(offsets->end, 4);
        EXPECT_EQ(offsets->flushed_end, 0);
        replica_rig_end(&rig);
    }
}
