/* See rig_test.h. */
#include "replica/rig_test.h"

#include "base/mem.h"
#include "wire/messages/partition_change_record.h"

#include <string.h>

#define CLUSTER "rigged"

static const char *const paths[REPLICA_RIG_DIRS_MAX] = { "/a", "/b" };

static void on_line(void *context, enum diag_level level, const char *part, const char *text)
{
    struct replica_rig *rig = context;
    (void)part;
    rig->line_counts[level]++;
    const size_t size = MIN(strlen(text), sizeof(rig->last_line) - 1);
    memcpy(rig->last_line, text, size);
    rig->last_line[size] = '\0';
}

static void on_directory_failed(void *context, const char *path, uint32_t left)
{
    struct replica_rig *rig = context;
    (void)path;
    rig->failed_dirs++;
    rig->dirs_left = left;
}

static void on_opened(void *context)
{
    struct replica_rig *rig = context;
    rig->late_count++;
}

static void on_turn_end(void *context)
{
    struct replica_rig *rig = context;
    if (rig->turn_end != NULL)
        rig->turn_end(rig->context);
    else
        (void)replicas_write(rig->replicas);
}

/* ---- lives ----------------------------------------------------------------------------------- */

static void format(struct replica_rig *rig)
{
    struct io_fs *fs = sim_disk_fs(sim_node_disk(rig->machine));
    for (uint32_t i = 0; i < rig->dir_count; i++) {
        struct meta_properties meta = { .version = 1,
                                        .node_id = REPLICA_RIG_NODE,
                                        .cluster_id = CLUSTER,
                                        .directory_id = sample_id((uint8_t)(50 + i)) };
        EXPECT_OK(io_fs_make_directories(fs, paths[i]));
        EXPECT_OK(meta_properties_write(fs, paths[i], &meta, 0, NULL));
    }
    EXPECT_OK(io_fs_sync_directory(fs, "/"));
}

void replica_rig_open(struct replica_rig *rig)
{
    struct err_note note = { 0 };
    rig->io = sim_node_io(rig->machine);
    rig->is_loaded = rig->is_closed = false;
    const struct log_dirs_params dirs_params = { .io = rig->io,
                                                 .paths = paths,
                                                 .path_count = rig->dir_count,
                                                 .node_id = REPLICA_RIG_NODE,
                                                 .cluster_id = BYTES_LITERAL(CLUSTER),
                                                 .seed = 1 };
    EXPECT_OK(log_dirs_open(&dirs_params, &rig->dirs, &note));
    rig->files = log_files_new(rig->io, LOG_FILES_OPEN_MIN);
    const struct replicas_params params = {
        .io = rig->io,
        .diag = &rig->diag,
        .node_id = REPLICA_RIG_NODE,
        .hash_seed = 1,
        .dirs = rig->dirs,
        .files = rig->files,
        .config = rig->config,
        .owner = { .on_directory_failed = on_directory_failed,
                   .on_opened = on_opened,
                   .context = rig },
    };
    rig->replicas = replicas_new(&params);
    io_on_turn_end(rig->io, on_turn_end, rig);
}

static void on_loaded(void *context)
{
    struct replica_rig *rig = context;
    rig->is_loaded = true;
}

static bool is_loaded(void *context)
{
    const struct replica_rig *rig = context;
    return rig->is_loaded;
}

void replica_rig_start(struct replica_rig *rig)
{
    replica_rig_open(rig);
    replicas_load(rig->replicas, rig->image, on_loaded, rig);
    replica_rig_until(rig, is_loaded, rig);
}

static void on_closed(void *context)
{
    struct replica_rig *rig = context;
    rig->is_closed = true;
}

static bool is_closed(void *context)
{
    const struct replica_rig *rig = context;
    return rig->is_closed && log_dirs_is_idle(rig->dirs) && log_files_is_idle(rig->files);
}

static void let_go(struct replica_rig *rig)
{
    replicas_free(TAKE(rig->replicas));
    log_files_free(TAKE(rig->files));
    log_dirs_free(TAKE(rig->dirs));
}

void replica_rig_stop(struct replica_rig *rig)
{
    replicas_close(rig->replicas, 7, on_closed, rig);
    replica_rig_until(rig, is_closed, rig);
    io_on_turn_end(rig->io, NULL, NULL);
    let_go(rig);
    sim_node_restart(rig->machine);
}

static void on_crash(void *context)
{
    struct replica_rig *rig = context;
    io_on_turn_end(rig->io, NULL, NULL);
    sim_node_end_jobs(rig->machine);
    if (rig->ending != NULL)
        rig->ending(rig->context);
    replicas_abandon(rig->replicas);
    if (rig->ended != NULL)
        rig->ended(rig->context);
    sim_node_end_jobs(rig->machine);
    let_go(rig);
}

static bool is_gone(void *context)
{
    const struct replica_rig *rig = context;
    return rig->replicas == NULL;
}

void replica_rig_crash(struct replica_rig *rig, enum sim_crash kind)
{
    sim_node_crash(rig->machine, kind);
    replica_rig_until(rig, is_gone, rig);
    sim_node_restart(rig->machine);
}

void replica_rig_begin(struct replica_rig *rig, uint64_t seed, uint32_t dir_count,
                       const char *settings)
{
    *rig = (struct replica_rig){ .dir_count = dir_count };
    rig->diag = (struct diag){ .line = on_line, .context = rig };
    rig->world = sim_world_new(seed);
    rig->machine = sim_node_new(rig->world, "broker");
    sim_node_set_on_crash(rig->machine, on_crash, rig);
    AUTO(mem_freep)
    char *text = mem_printf("process.roles=broker,controller\nnode.id=%d\nlog.dirs=/a\n"
                            "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                            "controller.listener.names=CONTROLLER\n"
                            "controller.quorum.bootstrap.servers=broker:9093\n%s\n",
                            REPLICA_RIG_NODE, settings);
    struct config_problems problems = { 0 };
    if (config_load(SETTING_KIND_BROKER, bytes_from_text(text), "rig", CONFIG_OVERRIDES_NONE,
                    &rig->config, &problems) < 0)
        test_fail(__FILE__, __LINE__, "%s", problems.list.items[0].text);
    config_problems_deinit(&problems);
    rig->loader = metadata_loader_new(NULL);
    sample_broker(rig->loader, REPLICA_RIG_NODE, 0, false);
    sample_broker(rig->loader, REPLICA_RIG_OTHER_NODE, 0, false);
    rig->image = metadata_loader_publish(rig->loader);
    format(rig);
    replica_rig_start(rig);
}

void replica_rig_end(struct replica_rig *rig)
{
    if (rig->replicas != NULL)
        replica_rig_crash(rig, SIM_PROCESS_KILLED);
    metadata_image_unref(rig->image);
    metadata_loader_free(rig->loader);
    config_unref(rig->config);
    sim_world_free(rig->world);
}

/* ---- the image ------------------------------------------------------------------------------- */

static void on_applied(void *context)
{
    struct replica_rig *rig = context;
    rig->applied_count++;
}

struct awaited {
    const struct replica_rig *rig;
    uint32_t applied_count;
};

static bool is_applied(void *context)
{
    const struct awaited *awaited = context;
    return awaited->rig->applied_count > awaited->applied_count;
}

void replica_rig_apply(struct replica_rig *rig)
{
    struct awaited awaited = { .rig = rig, .applied_count = rig->applied_count };
    metadata_image_unref(rig->image);
    rig->image = metadata_loader_publish(rig->loader);
    if (rig->replicas == NULL)
        return; /* found at the next start */
    replicas_apply(rig->replicas, rig->image, on_applied, rig);
    replica_rig_until(rig, is_applied, &awaited);
}

/* One for each replica. */
static void put_directories(struct replica_rig *rig, struct uuid topic, int32_t partition,
                            struct uuid directory, int32_t replica_count)
{
    struct uuid directories[REPLICA_RIG_OTHER_NODE] = { directory, directory };
    struct partition_change_record record;
    partition_change_record_init(&record);
    record.partition_id = partition;
    record.topic_id = topic;
    record.directories = directories;
    record.directories_count = replica_count;
    sample_put(rig->loader, &partition_change_record_message, 2, &record);
}

static struct uuid add_topic(struct replica_rig *rig, const char *name, int32_t partitions,
                             int32_t replica_count)
{
    static const int32_t replicas[] = { REPLICA_RIG_NODE, REPLICA_RIG_OTHER_NODE };
    struct uuid id = { { 0x40, [6] = 0x40, [8] = 0x80 } };
    memcpy(id.bytes + 9, name, MIN(strlen(name), (size_t)7));
    sample_topic(rig->loader, name, id);
    for (int32_t i = 0; i < partitions; i++) {
        sample_partition(rig->loader, id, i, replicas, replica_count);
        put_directories(rig, id, i, METADATA_DIRECTORY_UNASSIGNED, replica_count);
    }
    replica_rig_apply(rig);
    return id;
}

struct uuid replica_rig_topic(struct replica_rig *rig, const char *name, int32_t partitions)
{
    return add_topic(rig, name, partitions, 1);
}

struct uuid replica_rig_shared_topic(struct replica_rig *rig, const char *name, int32_t partitions)
{
    return add_topic(rig, name, partitions, 2);
}

void replica_rig_change(struct replica_rig *rig, struct uuid topic, int32_t partition,
                        int32_t leader, const int32_t *isr, int32_t isr_count)
{
    int32_t ids[REPLICA_RIG_OTHER_NODE] = { 0 };
    memcpy(ids, isr, (size_t)isr_count * sizeof(*isr));
    struct partition_change_record record;
    partition_change_record_init(&record);
    record.partition_id = partition;
    record.topic_id = topic;
    record.isr = ids;
    record.isr_count = isr_count;
    record.leader = leader;
    sample_put(rig->loader, &partition_change_record_message, 2, &record);
    replica_rig_apply(rig);
}

void replica_rig_assign(struct replica_rig *rig, struct uuid topic, int32_t partition,
                        struct uuid directory)
{
    put_directories(rig, topic, partition, directory, 1);
    replica_rig_apply(rig);
}

void replica_rig_delete(struct replica_rig *rig, struct uuid topic)
{
    sample_remove_topic(rig->loader, topic);
    replica_rig_apply(rig);
}

/* ---- time ------------------------------------------------------------------------------------ */

void replica_rig_run_ms(struct replica_rig *rig, int64_t ms)
{
    sim_world_run_for(rig->world, ms * NS_PER_MS);
}

void replica_rig_until(struct replica_rig *rig, bool (*is_true)(void *context), void *context)
{
    EXPECT(sim_world_run_until_true(rig->world, 60 * NS_PER_SECOND, is_true, context));
}

struct bell {
    struct io_timer timer;
    bool has_rung;
};

static void ring(struct io_timer *timer)
{
    CONTAINER_OF(timer, struct bell, timer)->has_rung = true;
}

static bool has_rung(void *context)
{
    const struct bell *bell = context;
    return bell->has_rung;
}

void replica_rig_turn(struct replica_rig *rig)
{
    struct bell bell = { .timer = { .fire = ring } };
    io_timer_arm_after(rig->io, &bell.timer, 0);
    replica_rig_until(rig, has_rung, &bell);
}

/* ---- appends --------------------------------------------------------------------------------- */

static void on_done(struct append_wait *wait, enum kafka_error error)
{
    struct rig_append *append = CONTAINER_OF(wait, struct rig_append, wait);
    append->done_count++;
    append->error = error;
}

void replica_rig_append(struct partition *p, int32_t record_count, bool is_all,
                        struct rig_append *append)
{
    struct shared *batch = sample_batch(&(struct sample_batch){ .count = record_count });
    *append = (struct rig_append){ .wait = { .is_all = is_all, .done = on_done } };
    const struct log_append planned = { .owner = batch,
                                        .records = batch->data,
                                        .size_bytes = (uint32_t)batch->size,
                                        .origin = LOG_ORIGIN_CLIENT,
                                        .now_ms = SAMPLE_NOW_MS,
                                        .transaction_version = -1 };
    partition_append(p, &planned, &append->wait, &append->result);
    shared_unref(batch);
}
