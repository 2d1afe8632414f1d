/* Compaction of a shard's logs: which is next, how fast, what interrupts it, and what is left of it in the checkpoint. */
#include "replica/rig_test.h"

#include "base/mem.h"
#include "log/clean/log_clean.h"

#include <string.h>

#define SETTINGS "log.cleanup.policy=compact\nlog.cleaner.backoff.ms=100\n"

static struct partition *partition_of(struct replica_rig *rig, struct uuid topic)
{
    return replicas_get(rig->replicas, topic, 0);
}

/* Segments of three records each, which all have the same key, and an active one. */
static void fill(struct replica_rig *rig, struct uuid topic, int segments)
{
    for (int i = 0; i < segments; i++) {
        struct rig_append append;
        replica_rig_append(partition_of(rig, topic), 3, true, &append);
        replica_rig_turn(rig);
        EXPECT_EQ(append.error, KAFKA_NONE);
        EXPECT_OK(log_roll(partition_of(rig, topic)->log, SAMPLE_NOW_MS, NULL));
    }
}

/* How many records are left below the end, and the last of them is the newest. */
static int64_t count_records(struct replica_rig *rig, struct uuid topic)
{
    struct log *log = partition_of(rig, topic)->log;
    const struct bytes all = sample_read_all(log, log_offsets(log)->start);
    struct bytes rest = all;
    int64_t count = 0;
    struct batch_view view;
    for (; batch_parse(rest, &view) > 0; rest = bytes_slice(rest, view.bytes.size, rest.size))
        count += view.record_count;
    bytes_free(all);
    return count;
}

static int64_t checkpointed(struct replica_rig *rig, const char *topic)
{
    struct offset_checkpoint file;
    EXPECT_OK(offset_checkpoint_read(sim_disk_fs(sim_node_disk(rig->machine)),
                                     "/a/cleaner-offset-checkpoint", &file, NULL));
    int64_t found = -1;
    for (size_t i = 0; i < file.entries.count; i++) {
        if (strcmp(file.entries.items[i].topic, topic) == 0)
            found = file.entries.items[i].offset;
    }
    offset_checkpoint_deinit(&file);
    return found;
}

TEST(replicas_clean, compacts_what_is_due_and_remembers_it)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, SETTINGS);
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    fill(&rig, topic, 4);
    replica_rig_run_ms(&rig, 2000);
    EXPECT_EQ(log_cleaned_end(partition_of(&rig, topic)->log), 12);
    EXPECT_EQ(log_segment_count(partition_of(&rig, topic)->log), 2);
    EXPECT_EQ(count_records(&rig, topic), 1);
    EXPECT_EQ(log_offsets(partition_of(&rig, topic)->log)->start, 0);
    EXPECT_EQ(checkpointed(&rig, "t"), 12);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR] + rig.line_counts[DIAG_WARN], 0);

    /* A life later it goes on there, with what has come since; twice, of which one end was good. */
    replica_rig_crash(&rig, SIM_POWER_LOST);
    replica_rig_start(&rig);
    EXPECT_EQ(log_cleaned_end(partition_of(&rig, topic)->log), 12);
    fill(&rig, topic, 4);
    replica_rig_run_ms(&rig, 2000);
    EXPECT_EQ(checkpointed(&rig, "t"), 24);
    EXPECT_EQ(count_records(&rig, topic), 1);
    replica_rig_stop(&rig);
    EXPECT_EQ(checkpointed(&rig, "t"), 24);
    replica_rig_start(&rig);
    EXPECT_EQ(count_records(&rig, topic), 1);
    replica_rig_end(&rig);
}

/* What is below the last stable offset only; nothing where the cleaner is off, or the topic is not compacted. */
TEST(replicas_clean, leaves_alone_what_is_not_committed)
{
    static const char *const settings[] = { SETTINGS, SETTINGS "log.cleaner.enable=false",
                                            "log.cleaner.backoff.ms=100" };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed, 1, settings[i]);
        const struct uuid topic =
            i == 0 ? replica_rig_shared_topic(&rig, "t", 1) : replica_rig_topic(&rig, "t", 1);
        for (int n = 0; n < 4; n++) {
            struct rig_append append;
            replica_rig_append(partition_of(&rig, topic), 3, false, &append);
            replica_rig_turn(&rig);
            EXPECT_OK(log_roll(partition_of(&rig, topic)->log, SAMPLE_NOW_MS, NULL));
        }
        replica_rig_run_ms(&rig, 2000);
        EXPECT_EQ(log_segment_count(partition_of(&rig, topic)->log), 5);
        EXPECT_EQ(count_records(&rig, topic), 12);
        EXPECT_EQ(checkpointed(&rig, "t"), -1);
        replica_rig_end(&rig);
    }
}

static bool is_cleaning(void *context)
{
    const struct partition *p = context;
    return log_is_cleaning(p->log);
}

static bool is_cleaned(void *context)
{
    const struct partition *p = context;
    return log_cleaned_end(p->log) > 0;
}

/* All is read twice, and a little written: at 1 KB a second that takes its time. */
TEST(replicas_clean, keeps_to_its_bytes_a_second)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1,
                      "log.cleanup.policy=compact\nlog.cleaner.backoff.ms=20000\n"
                      "log.cleaner.io.max.bytes.per.second=1000");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    replica_rig_run_ms(&rig, 1000); /* the first round finds nothing */
    fill(&rig, topic, 30);
    struct partition *p = partition_of(&rig, topic);
    const int64_t bytes = 2 * log_size_bytes(p->log);
    replica_rig_until(&rig, is_cleaning, p);
    const int64_t before_ns = io_monotonic_ns(rig.io);
    replica_rig_until(&rig, is_cleaned, p);
    const int64_t took_ms = (io_monotonic_ns(rig.io) - before_ns) / NS_PER_MS;
    EXPECT_EQ(log_cleaned_end(p->log), 90);
    if (took_ms < bytes - 1000 || took_ms > bytes + 1000)
        test_fail(__FILE__, __LINE__, "%" PRId64 " bytes took %" PRId64 " ms", bytes, took_ms);
    replica_rig_end(&rig);
}

/* Between two steps, and in the midst of one, whichever it is. */
TEST(replicas_clean, gives_way_to_deletion_to_the_end_and_to_a_new_policy)
{
    static const char *const paces[] = { SETTINGS,
                                         SETTINGS "log.cleaner.io.max.bytes.per.second=300" };
    for (uint64_t i = 0; i < 120; i++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed + i, 1, paces[i % 2]);
        const struct uuid topic = replica_rig_topic(&rig, "t", 1);
        fill(&rig, topic, 4);
        replica_rig_until(&rig, is_cleaning, partition_of(&rig, topic));
        for (uint64_t turn = 0; turn < i / 6; turn++)
            replica_rig_turn(&rig);
        if (i % 3 == 0) {
            replica_rig_delete(&rig, topic);
            replica_rig_run_ms(&rig, 5000);
            EXPECT_EQ(replicas_count(rig.replicas), 0);
        } else if (i % 3 == 1) {
            replica_rig_stop(&rig);
            replica_rig_start(&rig);
            EXPECT_EQ(log_offsets(partition_of(&rig, topic)->log)->end, 12);
        } else {
            struct partition *p = partition_of(&rig, topic);
            struct log_config config = *log_config(p->log);
            config.cleanup_compact = false;
            log_set_config(p->log, &config);
            replica_rig_run_ms(&rig, 5000);
            EXPECT(!log_is_cleaning(p->log));
            EXPECT(count_records(&rig, topic) == 12 || log_cleaned_end(p->log) == 12 ||
                   log_segment_count(p->log) == 2);
        }
        EXPECT_EQ(rig.failed_dirs, 0);
        EXPECT_EQ(rig.line_counts[DIAG_ERROR], 0);
        replica_rig_end(&rig);
    }
}

/* Whoever reads finds every offset's batch or the next one, between any two file calls of the worker, with files that are opened
 * anew each time. */
TEST(replicas_clean, is_not_noticed_by_readers)
{
    for (uint64_t i = 0; i < 5; i++) {
        struct replica_rig rig;
        replica_rig_begin(&rig, context->seed + i, 1,
                          "log.cleanup.policy=compact\nlog.cleaner.backoff.ms=20000");
        const struct uuid topic = replica_rig_topic(&rig, "t", 1);
        replica_rig_run_ms(&rig, 1000);
        fill(&rig, topic, 20);
        log_files_set_open_max(rig.files, LOG_FILES_OPEN_MIN);
        struct partition *p = partition_of(&rig, topic);
        replica_rig_until(&rig, is_cleaning, p);
        int64_t before = 60;
        uint32_t turns = 0;
        for (; log_is_cleaning(p->log); turns++) {
            const int64_t count = count_records(&rig, topic);
            EXPECT(count >= 1 && count <= before);
            before = count;
            replica_rig_turn(&rig);
        }
        EXPECT(turns > 50);
        EXPECT_EQ(count_records(&rig, topic), 1);
        replica_rig_end(&rig);
    }
}

TEST(replicas_clean, sets_a_damaged_log_aside_and_goes_on_with_the_others)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, SETTINGS);
    const struct uuid bad = replica_rig_topic(&rig, "bad", 1);
    fill(&rig, bad, 4);
    EXPECT_OK(
        sim_disk_flip_bit(sim_node_disk(rig.machine), "/a/bad-0/00000000000000000003.log", 80, 3));
    replica_rig_run_ms(&rig, 2000);
    const struct uuid good = replica_rig_topic(&rig, "good", 1);
    fill(&rig, good, 4);
    replica_rig_run_ms(&rig, 2000);
    EXPECT(log_is_set_aside(partition_of(&rig, bad)->log));
    EXPECT_EQ(log_segment_count(partition_of(&rig, bad)->log), 5);
    EXPECT_EQ(checkpointed(&rig, "good"), 12);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 1);
    EXPECT_EQ(rig.failed_dirs, 0);
    EXPECT_EQ(partition_of(&rig, bad)->state, PARTITION_ONLINE);
    replica_rig_end(&rig);
}

TEST(replicas_clean, tries_again_when_there_is_space)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, SETTINGS);
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    sim_disk_add_fault(
        sim_node_disk(rig.machine),
        &(struct sim_fault){ .calls = SIM_WRITE, .path_part = ".cleaned", .error = -28 });
    fill(&rig, topic, 4);
    replica_rig_run_ms(&rig, 2000);
    EXPECT_EQ(rig.line_counts[DIAG_WARN], 1);
    EXPECT_EQ(count_records(&rig, topic), 12);
    sim_disk_clear_faults(sim_node_disk(rig.machine));
    replica_rig_run_ms(&rig, 2000);
    EXPECT_EQ(count_records(&rig, topic), 1);
    EXPECT_EQ(rig.failed_dirs, 0);
    replica_rig_end(&rig);
}

/* Descriptors that are lacking while it looks what there is to do are no damage: it says so, once, and goes on. */
TEST(replicas_clean, looks_again_when_there_are_descriptors)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, SETTINGS "log.cleaner.max.compaction.lag.ms=1\n");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    fill(&rig, topic, 4);
    replica_rig_stop(&rig);
    sim_disk_add_fault(sim_node_disk(rig.machine),
                       &(struct sim_fault){ .calls = SIM_OPEN | SIM_READ | SIM_READ_COLD,
                                            .path_part = "03.log",
                                            .error = -24 });
    replica_rig_start(&rig); /* it does not know yet from when its records are */
    replica_rig_run_ms(&rig, 2000);
    EXPECT_EQ(rig.line_counts[DIAG_ERROR], 0);
    EXPECT_EQ(rig.line_counts[DIAG_WARN], 1);
    EXPECT(strstr(rig.last_line, "will be tried again") != NULL);
    EXPECT_EQ(log_segment_count(partition_of(&rig, topic)->log), 5);
    sim_disk_clear_faults(sim_node_disk(rig.machine));
    replica_rig_run_ms(&rig, 2000);
    EXPECT_EQ(count_records(&rig, topic), 1);
    replica_rig_end(&rig);
}

/* One that does not fit is no reason not to clean the others, however much more it needs it; and it is not told of each time. */
TEST(replicas_clean, goes_on_with_others_where_one_finds_no_space)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1, SETTINGS);
    sim_disk_add_fault(sim_node_disk(rig.machine),
                       &(struct sim_fault){ .calls = SIM_WRITE,
                                            .path_part = "large-0/00000000000000000000.log.cleaned",
                                            .error = -28 });
    const struct uuid large = replica_rig_topic(&rig, "large", 1);
    fill(&rig, large, 8);
    const struct uuid small = replica_rig_topic(&rig, "small", 1);
    fill(&rig, small, 2);
    replica_rig_run_ms(&rig, 3000);
    EXPECT_EQ(count_records(&rig, large), 24);
    EXPECT_EQ(count_records(&rig, small), 1);
    fill(&rig, small, 2);
    replica_rig_run_ms(&rig, 3000);
    EXPECT_EQ(count_records(&rig, small), 1);
    EXPECT_EQ(rig.line_counts[DIAG_WARN], 1);
    replica_rig_end(&rig);
}

/* compact,delete: what is old goes altogether. */
TEST(replicas_clean, deletes_old_segments_of_a_topic_with_both_policies)
{
    struct replica_rig rig;
    replica_rig_begin(&rig, context->seed, 1,
                      "log.cleanup.policy=compact,delete\nlog.cleaner.backoff.ms=100\n"
                      "log.cleaner.min.cleanable.ratio=1\nlog.retention.ms=1000");
    const struct uuid topic = replica_rig_topic(&rig, "t", 1);
    fill(&rig, topic, 3);
    replica_rig_run_ms(&rig, 2000);
    const struct log *log = partition_of(&rig, topic)->log;
    EXPECT_EQ(log_offsets(log)->start, 9);
    EXPECT_EQ(log_segment_count(log), 1);
    replica_rig_end(&rig);
}
