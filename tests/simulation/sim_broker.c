/* See sim_broker.h. */
#include "sim_broker.h"

#include "base/arena.h"
#include "base/mem.h"
#include "config/config.h"
#include "log/dirs/log_dirs.h"
#include "log/dirs/meta_properties.h"
#include "metadata/bootstrap.h"
#include "metadata/feature.h"
#include "model.h"
#include "node/node.h"
#include "raft/raft.h"
#include "raft/snapshot.h"
#include "wire/record_frame.h"

#include <stdio.h>
#include <string.h>

#define BOOTSTRAP_BYTES_MAX (64u << 10)
#define NODE_ID             1
#define CLUSTER_ID          "simulated-cluster-0000"
#define OPEN_FILES_MAX      256

enum phase {
    PHASE_STARTING,
    PHASE_READY,
    PHASE_STOPPING,
    PHASE_DOWN, /* until it is started again */
};

struct sim_broker {
    struct sim_world *world;
    struct sim_node *machine;
    struct config *config;
    struct diag diag;
    int64_t groups_loaded_ns; /* INT64_MAX: not yet */
    struct node *node;        /* owned; of the running incarnation */
    enum phase phase;
    int64_t restart_delay_ns;
    struct sim_broker_owner owner;
    bool is_verbose;
};

/* ---- formatting ------------------------------------------------------------------------------ */

static void write_file(struct io_fs *fs, const char *path, struct bytes content)
{
    const int r = io_fs_replace(fs, path, content);
    ASSERT(r == 0); /* a healthy simulated disk */
}

static void write_bootstrap(struct io_fs *fs, int16_t transaction_version)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct metadata_record *records = NULL;
    uint32_t count = 0;
    const struct metadata_bootstrap_feature feature = {
        .name = BYTES_LITERAL(FEATURE_TRANSACTION_VERSION), .level = transaction_version
    };
    const int r =
        metadata_bootstrap_records(METADATA_LEVEL_MAX, &feature, 1, &arena, &records, &count, NULL);
    ASSERT(r == 0);
    struct bytes *values = ARENA_NEW_ARRAY(&arena, struct bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        struct buf buf;
        buf_init(&buf, BOOTSTRAP_BYTES_MAX);
        struct writer w = writer_to(&buf);
        const int encoded =
            record_frame_encode(records[i].message, records[i].version, records[i].value, &w, NULL);
        ASSERT(encoded == 0);
        values[i] = bytes_from(arena_dup(&arena, buf.data, buf.size), buf.size);
        buf_deinit(&buf);
    }
    struct buf out;
    buf_init(&out, BOOTSTRAP_BYTES_MAX);
    snapshot_print_bootstrap(values, count, 0, &out);
    write_file(fs, SIM_BROKER_DIR "/bootstrap.checkpoint", buf_view(&out));
    buf_deinit(&out);
    arena_deinit(&arena);
}

static void write_voters(struct io_fs *fs, struct uuid directory_id)
{
    struct raft_endpoint endpoint = { .name = mem_strdup("CONTROLLER"),
                                      .host = mem_strdup("10.0.0.1"),
                                      .port = 9093 };
    const struct raft_voter voter = { .id = NODE_ID,
                                      .directory_id = directory_id,
                                      .endpoints = &endpoint,
                                      .endpoint_count = 1,
                                      .kraft_version_max = RAFT_KRAFT_VERSION_MAX };
    struct raft_voters voters = { 0 };
    const int r = raft_voters_add(&voters, &voter, NULL);
    ASSERT(r == 0);
    struct buf out;
    buf_init(&out, BOOTSTRAP_BYTES_MAX);
    snapshot_print_voters(&voters, 0, &out);
    write_file(fs,
               SIM_BROKER_DIR "/__cluster_metadata-0/00000000000000000000-0000000000.checkpoint",
               buf_view(&out));
    buf_deinit(&out);
    raft_voters_deinit(&voters);
    mem_free(endpoint.name);
    mem_free(endpoint.host);
}

/* What kafka-storage format --standalone leaves. */
static void format(struct sim_broker *broker, int16_t transaction_version)
{
    struct io_fs *fs = sim_disk_fs(sim_node_disk(broker->machine));
    int r = io_fs_make_directories(fs, SIM_BROKER_DIR "/__cluster_metadata-0");
    ASSERT(r == 0);
    struct meta_properties meta = { .version = 1, .node_id = NODE_ID };
    (void)memcpy(meta.cluster_id, CLUSTER_ID, sizeof(CLUSTER_ID));
    meta.directory_id = uuid_draw_from_rng(sim_world_rng(broker->world));
    write_bootstrap(fs, transaction_version);
    write_voters(fs, meta.directory_id);
    r = meta_properties_write(fs, SIM_BROKER_DIR, &meta, 0, NULL);
    ASSERT(r == 0);
    r = io_fs_sync_directory(fs, SIM_BROKER_DIR);
    ASSERT(r == 0);
    r = io_fs_sync_directory(fs, "/");
    ASSERT(r == 0);
}

static void on_line(void *context, enum diag_level level, const char *part, const char *text)
{
    struct sim_broker *broker = context;
    if (sim_node_is_down(broker->machine))
        return; /* the last words of what is dead already */
    sim_world_mark(broker->world, text, level, 0);
    if (broker->is_verbose)
        (void)printf("%12.6f %s %s (%s)\n",
                     (double)sim_world_now_ns(broker->world) / (double)NS_PER_SECOND,
                     diag_level_name(level), text, part);
    if (strcmp(part, "groups") == 0 && strstr(text, " are loaded, in ") != NULL)
        broker->groups_loaded_ns = sim_world_now_ns(broker->world);
    if (level == DIAG_ERROR)
        broker->owner.on_error(broker->owner.context, text);
}

/* ---- a life ---------------------------------------------------------------------------------- */

static void on_ready(void *context)
{
    struct sim_broker *broker = context;
    if (broker->phase == PHASE_STARTING)
        broker->phase = PHASE_READY;
}

static void start(void *context);

static void start_later(struct sim_broker *broker)
{
    broker->phase = PHASE_DOWN;
    sim_world_at(broker->world, sim_world_now_ns(broker->world) + broker->restart_delay_ns, start,
                 broker);
}

static void on_stopped_outside(void *context)
{
    struct sim_broker *broker = context;
    if (broker->phase != PHASE_STOPPING)
        return; /* it has crashed meanwhile */
    broker->owner.on_end(broker->owner.context, SIM_BROKER_STOPPED);
    node_free(TAKE(broker->node));
    start_later(broker);
}

static void on_stopped(void *context)
{
    struct sim_broker *broker = context;
    sim_world_at(broker->world, sim_world_now_ns(broker->world), on_stopped_outside, broker);
}

static void end_process(void *context)
{
    sim_node_crash(context, SIM_PROCESS_KILLED);
}

/* The process ends; that is for the world to do, and not in the midst of the node. */
static void on_failed(void *context, const struct err_note *note)
{
    struct sim_broker *broker = context;
    if (sim_node_is_down(broker->machine))
        return; /* the disk died under it: on_crash follows */
    broker->owner.on_failed(broker->owner.context, note->text, broker->phase == PHASE_STARTING);
    broker->phase = PHASE_STOPPING;
    sim_world_at(broker->world, sim_world_now_ns(broker->world), end_process, broker->machine);
}

static void start(void *context)
{
    struct sim_broker *broker = context;
    if (broker->phase != PHASE_DOWN)
        return;
    sim_node_restart(broker->machine);
    broker->phase = PHASE_STARTING;
    broker->groups_loaded_ns = INT64_MAX;
    const struct node_params params = {
        .io = sim_node_io(broker->machine),
        .config = broker->config,
        .diag = &broker->diag,
        .owner = { .on_ready = on_ready,
                   .on_stopped = on_stopped,
                   .on_failed = on_failed,
                   .context = broker },
        .open_files_max = OPEN_FILES_MAX,
    };
    struct err_note note = { 0 };
    if (node_new(&params, &broker->node, &note) < 0)
        on_failed(broker, &note);
    else
        node_start(broker->node);
}

static void on_crash(void *context)
{
    struct sim_broker *broker = context;
    const bool was_up = broker->phase != PHASE_DOWN;
    sim_node_end_jobs(broker->machine);
    node_free(TAKE(broker->node));
    broker->owner.on_end(broker->owner.context, SIM_BROKER_CRASHED);
    if (was_up)
        start_later(broker);
}

static bool ends_with(const char *path, const char *end)
{
    const size_t size = strlen(path);
    return size >= strlen(end) && strcmp(path + size - strlen(end), end) == 0;
}

/* What src/log/README.md leaves to the loop: the first roll of a log syncs its directory; a full disk costs a time index its file,
 * a write that failed the entry of the aborted transaction that it would have ended, or the reserve. And what src/node/README.md does:
 * old metadata snapshots go now and then. */
static bool may_wait(enum sim_call call, const char *path)
{
    if (call == SIM_UNLINK)
        return ends_with(path, ".timeindex") || ends_with(path, ".txnindex") ||
               ends_with(path, ".checkpoint") || ends_with(path, LOG_RESERVE_NAME);
    return call == SIM_SYNC_DIRECTORY && strcmp(path, SIM_BROKER_DIR) != 0;
}

/* Calls that wait for a device are a job's, once the node serves: whoever else is served waits with the loop. Cold reads are not
 * looked at here, since a piece that is sent may be cold in its midst (see src/replica/loop_test.c). */
static void on_loop_call(void *context, enum sim_call call, const char *path, uint64_t size_bytes)
{
    const struct sim_broker *broker = context;
    const unsigned waiting = (unsigned)SIM_SYNC | SIM_SYNC_DIRECTORY | SIM_RENAME | SIM_UNLINK |
                             SIM_LIST | SIM_REMOVE_DIRECTORY | SIM_SET_MODIFIED;
    if (broker->phase == PHASE_READY && (call & waiting) != 0 && !may_wait(call, path))
        model_fail("the loop waits for the disk: call %#x of %s (%" PRIu64 " bytes)",
                   (unsigned)call, path, size_bytes);
}

struct sim_broker *sim_broker_new(struct sim_world *world, const char *settings,
                                  int16_t transaction_version, const struct sim_broker_owner *owner,
                                  bool is_verbose)
{
    struct sim_broker *broker = MEM_NEW(struct sim_broker);
    broker->world = world;
    broker->owner = *owner;
    broker->is_verbose = is_verbose;
    broker->diag = (struct diag){ .line = on_line, .context = broker, .level_min = DIAG_INFO };
    broker->machine = sim_node_new(world, "broker1");
    broker->phase = PHASE_DOWN;
    sim_node_set_on_crash(broker->machine, on_crash, broker);
    sim_node_set_on_loop_call(broker->machine, on_loop_call, broker);

    char *text = mem_printf(
        "process.roles=broker,controller\nnode.id=%d\n"
        "listeners=PLAINTEXT://:%d,CONTROLLER://:9093\n"
        "advertised.listeners=PLAINTEXT://broker1:%d,CONTROLLER://broker1:9093\n"
        "controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=broker1:9093\n"
        "log.dirs=%s\noffsets.topic.replication.factor=1\n"
        "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n%s\n",
        NODE_ID, SIM_BROKER_PORT, SIM_BROKER_PORT, SIM_BROKER_DIR, settings);
    struct config_problems problems = { 0 };
    const int r = config_load(SETTING_KIND_BROKER, bytes_from_text(text), "server.properties",
                              CONFIG_OVERRIDES_NONE, &broker->config, &problems);
    if (r < 0)
        model_fail("the settings of a history are refused: %s", problems.list.items[0].text);
    config_problems_deinit(&problems);
    mem_free(text);
    format(broker, transaction_version);
    return broker;
}

void sim_broker_free(struct sim_broker *broker)
{
    node_free(broker->node);
    config_unref(broker->config);
    mem_free(broker);
}

struct sim_node *sim_broker_node(struct sim_broker *broker)
{
    return broker->machine;
}

bool sim_broker_is_ready(const struct sim_broker *broker)
{
    return broker->phase == PHASE_READY;
}

bool sim_broker_is_down(const struct sim_broker *broker)
{
    return broker->phase == PHASE_DOWN;
}

int64_t sim_broker_groups_loaded_ns(const struct sim_broker *broker)
{
    return broker->groups_loaded_ns;
}

void sim_broker_start(struct sim_broker *broker)
{
    start(broker);
}

void sim_broker_stop(struct sim_broker *broker)
{
    if (broker->phase != PHASE_STARTING && broker->phase != PHASE_READY)
        return;
    broker->phase = PHASE_STOPPING;
    node_stop(broker->node);
}

bool sim_broker_is_stopping(const struct sim_broker *broker)
{
    return broker->phase == PHASE_STOPPING;
}

void sim_broker_set_restart_delay_ns(struct sim_broker *broker, int64_t delay_ns)
{
    broker->restart_delay_ns = delay_ns;
}
