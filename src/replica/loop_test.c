/* What retention and compaction do on the loop itself: nothing that waits for the disk, also where all is cold, and indexes are
 * damaged. */
#include "replica/rig_test.h"

#include "base/mem.h"
#include "log/clean/log_clean.h"

#include <stdio.h>

#define PARTITIONS 150 /* more than retention looks at in one turn */
#define SEGMENTS   4   /* of each, closed ones */

/* Calls that wait for a device. Not among them: what README.md of the log leaves to the loop. */
#define WAITING_CALLS                                                                              \
    ((unsigned)SIM_READ_COLD | SIM_SYNC | SIM_SYNC_DIRECTORY | SIM_RENAME | SIM_UNLINK |           \
     SIM_LIST | SIM_REMOVE_DIRECTORY | SIM_SET_MODIFIED)

struct loop_calls {
    struct replica_rig rig;
    uint32_t waiting_count;
    uint64_t read_bytes;
    struct io_timer timer;
};

static void on_loop_call(void *context, enum sim_call call, const char *path, uint64_t size_bytes)
{
    struct loop_calls *calls = context;
    if ((call & WAITING_CALLS) != 0) {
        calls->waiting_count++;
        printf("call %#x of %s on the loop\n", (unsigned)call, path);
    }
    calls->read_bytes += (call & SIM_READ) != 0 ? size_bytes : 0;
}

static struct partition *at(const struct loop_calls *calls, struct uuid topic, int32_t index)
{
    return replicas_get(calls->rig.replicas, topic, index);
}

static void fill(struct loop_calls *calls, struct uuid topic, int32_t partitions)
{
    for (int32_t i = 0; i < partitions * SEGMENTS; i++) {
        struct partition *p = at(calls, topic, i / SEGMENTS);
        struct rig_append append;
        replica_rig_append(p, 3, true, &append);
        replica_rig_turn(&calls->rig);
        EXPECT_EQ(append.error, KAFKA_NONE);
        EXPECT_OK(log_roll(p->log, SAMPLE_NOW_MS, NULL));
    }
}

/* Zeros in the place of the last entry, as a crash of another broker leaves what it had set aside. */
static void damage(struct loop_calls *calls, const char *path)
{
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    const uint8_t zeros[24] = { 0 };
    EXPECT_OK(
        io_file_open(sim_disk_fs(sim_node_disk(calls->rig.machine)), path, IO_OPEN_WRITE, &file));
    EXPECT_OK(io_file_write(file, 0, zeros, sizeof(zeros)));
    EXPECT_OK(io_file_sync(file));
}

/* A new life, in which nothing is in memory but what opening has read, and each call of the loop is looked at. */
static void begin_again(struct loop_calls *calls)
{
    replica_rig_stop(&calls->rig);
    damage(calls, "/a/t-7/00000000000000000000.timeindex");
    damage(calls, "/a/t-8/00000000000000000000.index");
    damage(calls, "/a/c-0/00000000000000000003.timeindex");
    replica_rig_start(&calls->rig);
    sim_disk_cool(sim_node_disk(calls->rig.machine), 1000000);
    sim_node_set_on_loop_call(calls->rig.machine, on_loop_call, calls);
}

static void on_retain(struct io_timer *timer)
{
    struct loop_calls *calls = CONTAINER_OF(timer, struct loop_calls, timer);
    replicas_retain(calls->rig.replicas, io_now_ms(calls->rig.io));
}

TEST(replicas_loop, waits_for_no_disk_in_retention_and_compaction)
{
    struct loop_calls calls = { .timer = { .fire = on_retain } };
    struct replica_rig *rig = &calls.rig;
    replica_rig_begin(rig, context->seed, 1,
                      "log.retention.ms=3600000\nlog.cleaner.backoff.ms=100\n"
                      "log.message.timestamp.before.max.ms=9223372036854775807\n"
                      "log.message.timestamp.after.max.ms=9223372036854775807\n");
    const struct uuid topic = replica_rig_topic(rig, "t", PARTITIONS);
    const struct uuid compacted = replica_rig_topic(rig, "c", 1);
    fill(&calls, topic, PARTITIONS);
    fill(&calls, compacted, 1);
    replica_rig_run_ms(rig, 1000);
    begin_again(&calls);
    sample_config(rig->loader, METADATA_CONFIG_TOPIC, "c", "cleanup.policy", "compact");
    sample_config(rig->loader, METADATA_CONFIG_TOPIC, "c", "min.compaction.lag.ms", "1000");
    replica_rig_apply(rig);

    io_timer_arm_after(rig->io, &calls.timer, 0);
    replica_rig_run_ms(rig, 5000);
    for (int32_t i = 0; i < PARTITIONS; i++)
        EXPECT_EQ(partition_log_start(at(&calls, topic, i)), 3 * SEGMENTS);
    EXPECT(log_cleaned_end(at(&calls, compacted, 0)->log) > 0);
    EXPECT_EQ(log_segment_count(at(&calls, compacted, 0)->log), 2);
    EXPECT_EQ(calls.waiting_count, 0);
    EXPECT(calls.read_bytes < 1u << 20);
    sim_node_set_on_loop_call(rig->machine, NULL, NULL);
    replica_rig_end(rig);
}
