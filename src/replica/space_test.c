/* Directories that become full: who is refused, who goes on, and how it ends. */
#include "replica/replicas_int.h"
#include "replica/rig_test.h"

#include <errno.h>
#include <string.h>

#define KIB INT64_C(1024)

static struct sim_disk *disk_of(const struct replica_rig *rig)
{
    return sim_node_disk(rig->machine);
}

static void leave_free(struct replica_rig *rig, int64_t bytes)
{
    sim_disk_set_capacity(disk_of(rig), sim_disk_used_bytes(disk_of(rig)) + bytes);
}

/* As node's timer, and the measurement that follows. */
static void tick(struct replica_rig *rig)
{
    replicas_tick(rig->replicas, SAMPLE_NOW_MS);
    replica_rig_run_ms(rig, 100);
}

static enum kafka_error append(struct partition *p, enum log_origin origin, struct arena *arena,
                               struct bytes *out_message)
{
    struct shared *batch = sample_batch(&(struct sample_batch){ .count = 1 });
    const struct log_append planned = { .owner = batch,
                                        .records = batch->data,
                                        .size_bytes = (uint32_t)batch->size,
                                        .origin = origin,
                                        .now_ms = SAMPLE_NOW_MS,
                                        .transaction_version = -1,
                                        .arena = arena };
    struct log_append_result result;
    partition_append(p, &planned, NULL, &result);
    shared_unref(batch);
    if (out_message != NULL)
        *out_message = result.message;
    return result.error;
}

static enum kafka_error client_append(struct replica_rig *rig, struct partition *p)
{
    const enum kafka_error error = append(p, LOG_ORIGIN_CLIENT, NULL, NULL);
    replica_rig_turn(rig);
    return error;
}

static enum kafka_error coordinator_append(struct replica_rig *rig, struct partition *p)
{
    const enum kafka_error error = append(p, LOG_ORIGIN_COORDINATOR, NULL, NULL);
    replica_rig_turn(rig);
    return error;
}

static struct partition *begin(struct replica_rig *rig, uint64_t seed, const char *settings)
{
    replica_rig_begin(rig, seed, 1, settings);
    const struct uuid topic = replica_rig_topic(rig, "t", 1);
    return replicas_get(rig->replicas, topic, 0);
}

/* Clients stop at the mark, coordinators at a quarter of it; each gets the error that is tried again. Both go on when there is
 * space, an eighth above the mark. The operator reads one line of the beginning and one of the end. */
TEST(space, stops_appends_at_the_mark_and_resumes_them)
{
    struct replica_rig rig;
    struct partition *p =
        begin(&rig, context->seed, "ottla.disk.min.free.bytes=131072\nottla.disk.reserve.bytes=0");
    leave_free(&rig, 144 * KIB);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);

    leave_free(&rig, 124 * KIB);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(coordinator_append(&rig, p), KAFKA_NONE);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT(strstr(rig.last_line, "/a: 126976 bytes are free") != NULL);
    EXPECT(strstr(rig.last_line, "131072") != NULL);

    leave_free(&rig, 24 * KIB);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(coordinator_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(partition_check_leader(p, -1), KAFKA_NONE);
    EXPECT_EQ(partition_readable_end(p, FETCH_HIGH_WATERMARK), 2);

    leave_free(&rig, 136 * KIB); /* above the mark, not by an eighth */
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(coordinator_append(&rig, p), KAFKA_NONE);
    tick(&rig);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);

    leave_free(&rig, 160 * KIB);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
    EXPECT(strstr(rig.last_line, "/a: appends succeed again: 163840 bytes are free") != NULL);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT_EQ(rig.failed_dirs, 0);
    EXPECT_EQ(log_offsets(p->log)->end, 4);
    replica_rig_end(&rig);
}

/* Between two ticks a client may write gigabytes: it is stopped at the mark all the same, and not by the end of the disk. */
TEST(space, is_measured_while_it_is_used)
{
    struct replica_rig rig;
    struct partition *p = begin(&rig, context->seed, "ottla.disk.min.free.bytes=1048576");
    leave_free(&rig, 3 * 1024 * KIB);
    tick(&rig);
    enum kafka_error error = KAFKA_NONE;
    for (int i = 0; i < 10000 && error == KAFKA_NONE; i++) {
        struct rig_append append;
        replica_rig_append(p, 50, false, &append);
        replica_rig_turn(&rig);
        error = append.result.error == KAFKA_NONE ? append.error : append.result.error;
    }
    EXPECT_EQ(error, KAFKA_KAFKA_STORAGE_ERROR);
    const int64_t left = io_fs_free_bytes(io_get_fs(rig.io), "/a");
    EXPECT(left < 1024 * KIB);
    EXPECT(left > 512 * KIB);
    EXPECT_EQ(coordinator_append(&rig, p), KAFKA_NONE);
    replica_rig_end(&rig);
}

static uint32_t count_deleted(struct replica_rig *rig)
{
    struct io_names names;
    uint32_t count = 0;
    EXPECT_OK(io_fs_list(sim_disk_fs(disk_of(rig)), "/a/t-0", 1000, &names));
    for (uint32_t i = 0; i < names.count; i++)
        count += strstr(names.items[i], ".deleted") != NULL;
    io_names_deinit(&names);
    return count;
}

/* Whoever becomes full looks at once what may go, long before it is time for retention: at the mark, and where a write has failed. What
 * goes leaves no file for a minute, as it does where there is space. */
TEST(space, lets_retention_look_when_a_directory_becomes_full)
{
    for (int is_by_others = 0; is_by_others < 2; is_by_others++) {
        struct replica_rig rig;
        struct partition *p = begin(
            &rig, context->seed,
            "ottla.disk.min.free.bytes=65536\nottla.disk.reserve.bytes=0\nlog.retention.bytes=0");
        for (int i = 0; i < 3; i++) {
            struct rig_append written;
            replica_rig_append(p, 100, false, &written);
            replica_rig_turn(&rig);
            EXPECT_OK(log_roll(p->log, SAMPLE_NOW_MS, NULL));
        }
        replica_rig_run_ms(&rig, 1000); /* for them to be flushed */
        tick(&rig);
        EXPECT_EQ(partition_log_start(p), 0);
        if (is_by_others != 0) {
            leave_free(&rig, 0);
            struct rig_append full;
            replica_rig_append(p, 1000, false, &full);
            replica_rig_turn(&rig);
            EXPECT_EQ(full.error, KAFKA_KAFKA_STORAGE_ERROR);
        } else {
            leave_free(&rig, 60 * KIB);
            tick(&rig);
            EXPECT_EQ(client_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
        }
        tick(&rig);
        EXPECT_EQ(partition_log_start(p), 300);
        EXPECT(count_deleted(&rig) > 0);
        tick(&rig);
        EXPECT_EQ(count_deleted(&rig), 0);
        replica_rig_end(&rig);
    }
}

/* Somebody else fills the disk at once: the write fails, what was acknowledged stays, and no second line is printed for the mark.
 * Then space returns, and appends go on with the next offset. */
TEST(space, survives_a_disk_that_others_fill)
{
    struct replica_rig rig;
    struct partition *p =
        begin(&rig, context->seed, "ottla.disk.min.free.bytes=65536\nottla.disk.reserve.bytes=0");
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
    leave_free(&rig, 0);
    struct rig_append full;
    replica_rig_append(p, 1000, false, &full);
    EXPECT_EQ(full.result.error, KAFKA_NONE);
    replica_rig_turn(&rig);
    EXPECT_EQ(full.error, KAFKA_KAFKA_STORAGE_ERROR);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT_EQ(log_failure(p->log), 0);

    sim_disk_set_capacity(disk_of(&rig), 0);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
    EXPECT_EQ(log_offsets(p->log)->end, 2);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT(strstr(rig.last_line, "appends succeed again") != NULL);
    replica_rig_end(&rig);
}

/* By default a small disk is not all mark. */
TEST(space, leaves_small_disks_usable)
{
    struct replica_rig rig;
    struct partition *p = begin(&rig, context->seed, "");
    sim_disk_set_capacity(disk_of(&rig), 8 * 1024 * KIB);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
    leave_free(&rig, 1);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
    replica_rig_end(&rig);
}

/* More than the disk has: nobody can write, but somebody is told why, in the log and in the answer. */
TEST(space, tells_of_an_enormous_mark)
{
    struct replica_rig rig;
    struct partition *p =
        begin(&rig, context->seed, "ottla.disk.min.free.bytes=9223372036854775807");
    tick(&rig);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT(strstr(rig.last_line, "ottla.disk.min.free.bytes keeps 9223372036854775807") != NULL);
    struct arena arena;
    arena_init(&arena, 1u << 16);
    struct bytes message;
    EXPECT_EQ(append(p, LOG_ORIGIN_CLIENT, &arena, &message), KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT(memmem(message.data, message.size, "9223372036854775807", 19) != NULL);
    arena_deinit(&arena);
    replica_rig_end(&rig);
}

static int64_t reserve_bytes(const struct replica_rig *rig)
{
    struct io_stat st;
    return io_fs_stat(io_get_fs(rig->io), "/a/" LOG_RESERVE_NAME, &st) < 0 ? 0 : st.allocated_bytes;
}

/* The reserve is there while there is space, is given up once, and comes back when there is space again. */
TEST(space, keeps_a_reserve_for_the_metadata_log)
{
    struct replica_rig rig;
    (void)begin(&rig, context->seed,
                "ottla.disk.min.free.bytes=65536\nottla.disk.reserve.bytes=40960");
    tick(&rig);
    EXPECT_EQ(reserve_bytes(&rig), 40960);
    leave_free(&rig, 0);
    tick(&rig);
    EXPECT_EQ(reserve_bytes(&rig), 40960);
    EXPECT(replicas_release_reserve(rig.replicas));
    EXPECT(!replicas_release_reserve(rig.replicas));
    EXPECT(io_fs_free_bytes(io_get_fs(rig.io), "/a") >= 40960);
    tick(&rig);
    EXPECT_EQ(reserve_bytes(&rig), 0);
    sim_disk_set_capacity(disk_of(&rig), 0);
    tick(&rig);
    EXPECT_EQ(reserve_bytes(&rig), 40960);
    replica_rig_stop(&rig);
    replica_rig_start(&rig); /* it is there from the first moment of the next life */
    EXPECT(replicas_release_reserve(rig.replicas));
    replica_rig_end(&rig);
}

/* What a reserve that was given up leaves is for the metadata log: neither clients nor new topics have it, though it lies above
 * the mark. */
TEST(space, keeps_what_was_given_up_for_a_start)
{
    struct replica_rig rig;
    struct partition *p = begin(
        &rig, context->seed, "ottla.disk.min.free.bytes=65536\nottla.disk.reserve.bytes=1048576");
    tick(&rig);
    EXPECT(!replicas_lacks_space_for_logs(rig.replicas));
    leave_free(&rig, 20 * KIB); /* above a quarter of the mark */
    tick(&rig);
    EXPECT(!replicas_lacks_space_for_logs(rig.replicas));
    leave_free(&rig, 10 * KIB);
    tick(&rig);
    EXPECT(replicas_lacks_space_for_logs(rig.replicas));

    EXPECT(replicas_release_reserve(rig.replicas));
    tick(&rig);
    EXPECT(io_fs_free_bytes(io_get_fs(rig.io), "/a") > 1024 * KIB);
    EXPECT_EQ(client_append(&rig, p), KAFKA_KAFKA_STORAGE_ERROR);
    EXPECT_EQ(coordinator_append(&rig, p), KAFKA_NONE);
    EXPECT(replicas_lacks_space_for_logs(rig.replicas));

    leave_free(&rig, 3072 * KIB);
    tick(&rig);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
    EXPECT(!replicas_lacks_space_for_logs(rig.replicas));
    replica_rig_end(&rig);
}

static void set_reserve(struct replica_rig *rig, const char *bytes)
{
    const struct config_override changed = { .name = BYTES_LITERAL("ottla.disk.reserve.bytes"),
                                             .value = bytes_from_text(bytes) };
    struct config_problems problems = { 0 };
    struct config *config =
        config_with_dynamic(rig->config, (struct config_overrides){ .items = &changed, .count = 1 },
                            CONFIG_OVERRIDES_NONE, &problems);
    EXPECT_EQ(problems.list.count, 0);
    config_unref(rig->config);
    rig->config = config;
    config_problems_deinit(&problems);
}

/* Who wants the space of the reserve back gets it on a full disk too, at once or with the next start. */
TEST(space, gives_the_reserve_back_on_a_full_disk)
{
    for (int is_next_start = 0; is_next_start < 2; is_next_start++) {
        struct replica_rig rig;
        (void)begin(&rig, context->seed,
                    "ottla.disk.min.free.bytes=65536\nottla.disk.reserve.bytes=81920");
        tick(&rig);
        EXPECT_EQ(reserve_bytes(&rig), 81920);
        leave_free(&rig, 4096);
        tick(&rig);
        if (is_next_start == 0) {
            static const int64_t less[] = { 61440, 20480 }; /* that needs no space either */
            for (size_t i = 0; i < ARRAY_LEN(less); i++) {
                AUTO(mem_freep) char *text = mem_printf("%" PRId64, less[i]);
                set_reserve(&rig, text);
                replicas_set_config(rig.replicas, rig.config);
                tick(&rig);
                EXPECT_EQ(reserve_bytes(&rig), less[i]);
            }
        }
        set_reserve(&rig, "0");
        if (is_next_start == 0) {
            replicas_set_config(rig.replicas, rig.config);
        } else {
            replica_rig_crash(&rig, SIM_PROCESS_KILLED);
            replica_rig_start(&rig);
        }
        tick(&rig);
        EXPECT_EQ(reserve_bytes(&rig), 0);
        replica_rig_end(&rig);
    }
}

/* Where no mark is, nobody asks the file system with each append; and what is appended while it is asked counts afterwards. */
TEST(space, is_measured_no_more_than_it_need_be)
{
    struct replica_rig rig;
    struct partition *p = begin(&rig, context->seed, "ottla.disk.min.free.bytes=0");
    struct replicas_dir *dir = &rig.replicas->dir_states[0];
    tick(&rig);
    EXPECT(!dir->is_measuring);
    struct rig_append append;
    for (int64_t bytes = 0; bytes < 200 * KIB; bytes = log_size_bytes(p->log)) {
        replica_rig_append(p, 500, false, &append);
        replica_rig_turn(&rig);
        EXPECT(!dir->is_measuring);
    }
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    EXPECT(dir->is_measuring);
    EXPECT_EQ(dir->unmeasured_bytes, 0);
    dir->unmeasured_bytes = 7;
    replicas__measure(rig.replicas, 0);
    EXPECT_EQ(dir->unmeasured_bytes, 7);
    replica_rig_end(&rig);
}

/* A file system that cannot do it is told of once, and is no bad one. */
TEST(space, goes_on_without_a_reserve)
{
    struct replica_rig rig;
    struct partition *p = begin(&rig, context->seed, "ottla.disk.reserve.bytes=40960");
    sim_disk_add_fault(disk_of(&rig), &(struct sim_fault){ .calls = SIM_ALLOCATE,
                                                           .path_part = LOG_RESERVE_NAME,
                                                           .error = -EOPNOTSUPP });
    for (int i = 0; i < 3; i++)
        tick(&rig);
    EXPECT_EQ(rig.line_counts[DIAG_WARN], 1);
    EXPECT(strstr(rig.last_line, "ottla.disk.reserve.bytes") != NULL);
    EXPECT_EQ(reserve_bytes(&rig), 0);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
    EXPECT_EQ(rig.failed_dirs, 0);
    replica_rig_end(&rig);
}

/* ---- starting -------------------------------------------------------------------------------- */

/* A log that cannot be opened for want of space is one of a directory that is well: it is opened when there is space, as it was to
 * be at the start; and its checkpoints are kept until then, over however that life ends. */
TEST(space, opens_later_what_a_start_could_not)
{
    for (int how = 0; how < 3; how++) {
        struct replica_rig rig;
        struct partition *p = begin(&rig, context->seed, "");
        const struct uuid id = p->topic_id;
        struct rig_append written;
        replica_rig_append(p, 50, false, &written);
        replica_rig_turn(&rig);
        log_flush(p->log);
        replica_rig_run_ms(&rig, 1000);
        EXPECT_EQ(log_advance_start(p->log, 20, 50), 1);
        replicas_checkpoint(rig.replicas);
        replica_rig_run_ms(&rig, 1000);
        replica_rig_crash(&rig, SIM_PROCESS_KILLED);

        EXPECT_OK(io_fs_unlink(sim_disk_fs(disk_of(&rig)), "/a/t-0/partition.metadata"));
        sim_disk_add_fault(disk_of(&rig), &(struct sim_fault){ .calls = SIM_CREATE | SIM_WRITE,
                                                               .path_part = "t-0/partition",
                                                               .error = -ENOSPC });
        replica_rig_start(&rig);
        p = replicas_get(rig.replicas, id, 0);
        EXPECT_EQ(partition_check_leader(p, -1), KAFKA_KAFKA_STORAGE_ERROR);
        tick(&rig);
        tick(&rig);
        EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
        EXPECT_EQ(rig.failed_dirs, 0);
        replicas_checkpoint(rig.replicas);
        replica_rig_run_ms(&rig, 1000);
        if (how == 0)
            replica_rig_crash(&rig, SIM_POWER_LOST);
        else if (how == 1)
            replica_rig_stop(&rig);
        sim_disk_clear_faults(disk_of(&rig));
        if (how == 2)
            tick(&rig);
        else
            replica_rig_start(&rig);
        p = replicas_get(rig.replicas, id, 0);
        EXPECT_EQ(partition_check_leader(p, -1), KAFKA_NONE);
        EXPECT_EQ(log_offsets(p->log)->start, 20);
        EXPECT_EQ(log_offsets(p->log)->flushed_end, 49); /* as far as it was checkpointed */
        EXPECT_EQ(p->high_watermark, 50);
        EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
        EXPECT_EQ(log_offsets(p->log)->end, 51);
        EXPECT(!log_dirs_at(rig.dirs, 0)->had_clean_shutdown);
        replica_rig_end(&rig);
    }
}

/* A log of 50 records that the next life cannot open for want of space, or of descriptors: then its directory says which topic it
 * is of. */
static struct uuid begin_short(struct replica_rig *rig, uint64_t seed, bool says_topic)
{
    struct partition *p = begin(rig, seed, "");
    const struct uuid id = p->topic_id;
    struct rig_append written;
    replica_rig_append(p, 50, false, &written);
    replica_rig_turn(rig);
    log_flush(p->log);
    replica_rig_run_ms(rig, 1000);
    replicas_checkpoint(rig->replicas);
    replica_rig_run_ms(rig, 1000);
    replica_rig_crash(rig, SIM_PROCESS_KILLED);
    if (!says_topic)
        EXPECT_OK(io_fs_unlink(sim_disk_fs(disk_of(rig)), "/a/t-0/partition.metadata"));
    sim_disk_add_fault(disk_of(rig),
                       &(struct sim_fault){ .calls = SIM_OPEN | SIM_CREATE | SIM_WRITE,
                                            .path_part = says_topic ? "t-0/0" : "t-0/partition",
                                            .error = says_topic ? -EMFILE : -ENOSPC });
    replica_rig_start(rig);
    return id;
}

/* Deleted while it waits, or while it is being tried: its directory goes, and nothing of it is the next topic's of its name. */
TEST(space, lets_a_log_be_deleted_that_waits)
{
    for (int how = 0; how < 4; how++) {
        struct replica_rig rig;
        const struct uuid id = begin_short(&rig, context->seed, how % 2 == 0);
        if (how / 2 == 1) {
            replicas_tick(rig.replicas, SAMPLE_NOW_MS);
            EXPECT_EQ(replicas_get(rig.replicas, id, 0)->state, PARTITION_OPENING);
        }
        replica_rig_delete(&rig, id);
        sim_disk_clear_faults(disk_of(&rig));
        sample_topic(rig.loader, "t", sample_id(9));
        sample_partition(rig.loader, sample_id(9), 0, &(int32_t){ REPLICA_RIG_NODE }, 1);
        replica_rig_apply(&rig);
        replica_rig_run_ms(&rig, 1000);
        const struct partition *p = replicas_get(rig.replicas, sample_id(9), 0);
        EXPECT_EQ(rig.failed_dirs, 0);
        EXPECT_EQ(partition_check_leader(p, -1), KAFKA_NONE);
        EXPECT_EQ(log_offsets(p->log)->end, 0);
        replica_rig_run_ms(&rig, 100000);
        replica_rig_stop(&rig);
        struct io_names names;
        EXPECT_OK(io_fs_list(sim_disk_fs(disk_of(&rig)), "/a", 100, &names));
        for (uint32_t i = 0; i < names.count; i++)
            EXPECT(strstr(names.items[i], "t-0.") == NULL);
        io_names_deinit(&names);
        replica_rig_start(&rig);
        EXPECT(log_dirs_at(rig.dirs, 0)->had_clean_shutdown);
        replica_rig_end(&rig);
    }
}

static uint32_t count_in(const struct replica_rig *rig, enum partition_state state)
{
    uint32_t count = 0;
    for (const struct partition *p = NULL; (p = replicas_next(rig->replicas, p)) != NULL;)
        count += p->state == state;
    return count;
}

static int64_t recovery_points_size(const struct replica_rig *rig)
{
    struct io_stat st;
    EXPECT_OK(io_fs_stat(io_get_fs(rig->io), "/a/recovery-point-offset-checkpoint", &st));
    return st.size_bytes;
}

/* Where recovery points were lost, what waits must not be said to be flushed up to 0: the next start would cut it at a hole. */
TEST(space, claims_no_recovery_point_that_is_not_known)
{
    struct replica_rig rig;
    (void)begin_short(&rig, context->seed, true);
    replica_rig_crash(&rig, SIM_PROCESS_KILLED);
    EXPECT_OK(io_fs_unlink(sim_disk_fs(disk_of(&rig)), "/a/recovery-point-offset-checkpoint"));
    replica_rig_start(&rig);
    for (int life = 0; life < 2; life++) {
        const struct partition *p = replicas_next(rig.replicas, NULL);
        EXPECT(p->again != NULL && !p->again->is_recovery_point_known);
        replicas_checkpoint(rig.replicas);
        replica_rig_run_ms(&rig, 1000);
        EXPECT_EQ(recovery_points_size(&rig), 0);
        replica_rig_crash(&rig, SIM_POWER_LOST);
        replica_rig_start(&rig);
    }
    sim_disk_clear_faults(disk_of(&rig));
    tick(&rig);
    EXPECT_EQ(count_in(&rig, PARTITION_ONLINE), 1);
    replicas_checkpoint(rig.replicas);
    replica_rig_run_ms(&rig, 1000);
    EXPECT(recovery_points_size(&rig) > 0);
    replica_rig_end(&rig);
}

/* What stands in a new log's place is no reason to give up all others of the directory. */
TEST(space, keeps_a_directory_where_one_place_is_taken)
{
    struct replica_rig rig;
    struct partition *p = begin(&rig, context->seed, "");
    EXPECT_OK(io_fs_rename(io_get_fs(rig.io), "/a/t-0", "/a/u-0"));
    const struct uuid taken = replica_rig_topic(&rig, "u", 1);
    replica_rig_turn(&rig);
    EXPECT_EQ(replicas_get(rig.replicas, taken, 0)->state, PARTITION_OFFLINE);
    EXPECT_EQ(rig.failed_dirs, 0);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT_EQ(client_append(&rig, p), KAFKA_NONE);
    replica_rig_end(&rig);
}

static void count_applied(void *context)
{
    ++*(int *)context;
}

/* Each try may read a log from end to end, in vain: one at a time, not each second, and nobody waits for it. */
TEST(space, tries_to_open_without_haste)
{
    struct replica_rig rig;
    (void)begin(&rig, context->seed, "");
    (void)replica_rig_topic(&rig, "two", 1);
    (void)replica_rig_topic(&rig, "three", 1);
    replica_rig_crash(&rig, SIM_PROCESS_KILLED);
    sim_disk_add_fault(disk_of(&rig), &(struct sim_fault){ .calls = SIM_OPEN | SIM_CREATE,
                                                           .path_part = "-0/0",
                                                           .error = -ENOSPC });
    replica_rig_start(&rig);
    EXPECT_EQ(count_in(&rig, PARTITION_OFFLINE), 3);
    const struct partition *first = replicas_next(rig.replicas, NULL);

    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    EXPECT_EQ(count_in(&rig, PARTITION_OPENING), 1);
    EXPECT_EQ(first->state, PARTITION_OPENING);
    int applied = 0;
    replicas_apply(rig.replicas, rig.image, count_applied, &applied);
    EXPECT_EQ(applied, 1);
    replica_rig_run_ms(&rig, 500);
    EXPECT_EQ(count_in(&rig, PARTITION_OFFLINE), 3);
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    EXPECT_EQ(count_in(&rig, PARTITION_OPENING), 0);
    replica_rig_run_ms(&rig, 1000);
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    EXPECT_EQ(count_in(&rig, PARTITION_OPENING), 1);
    EXPECT_EQ(first->state, PARTITION_OFFLINE); /* the others may need less */
    replica_rig_run_ms(&rig, 1500);
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    EXPECT_EQ(count_in(&rig, PARTITION_OPENING), 0);
    EXPECT_EQ(rig.late_count, 0);

    sim_disk_clear_faults(disk_of(&rig));
    replica_rig_run_ms(&rig, 1000);
    tick(&rig);
    EXPECT_EQ(count_in(&rig, PARTITION_ONLINE), 3);
    EXPECT_EQ(rig.late_count, 3);
    replica_rig_stop(&rig);
    replica_rig_start(&rig);
    EXPECT(log_dirs_at(rig.dirs, 0)->had_clean_shutdown);
    replica_rig_end(&rig);
}

/* The end waits for one that is being tried. */
TEST(space, ends_in_the_midst_of_opening_later)
{
    struct replica_rig rig;
    const struct uuid id = begin_short(&rig, context->seed, true);
    sim_disk_clear_faults(disk_of(&rig));
    replicas_tick(rig.replicas, SAMPLE_NOW_MS);
    EXPECT_EQ(replicas_get(rig.replicas, id, 0)->state, PARTITION_OPENING);
    replica_rig_stop(&rig);
    EXPECT_EQ(rig.late_count, 0);
    replica_rig_start(&rig);
    EXPECT(log_dirs_at(rig.dirs, 0)->had_clean_shutdown);
    EXPECT_EQ(log_offsets(replicas_get(rig.replicas, id, 0)->log)->end, 50);
    replica_rig_end(&rig);
}
