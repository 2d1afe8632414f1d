/* See node.h. */
#include "node/node.h"

#include "base/mem.h"
#include "config/config.h"
#include "config/listeners.h"
#include "log/dirs/log_dirs.h"
#include "metadata/image.h"
#include "metrics/metrics.h"
#include "node/assignments.h"
#include "node/broker.h"
#include "node/node_config.h"
#include "node/quorum.h"
#include "replica/replicas.h"
#include "server/fetch_session.h"
#include "server/groups.h"
#include "server/loggers.h"
#include "server/producer_ids.h"
#include "server/server.h"
#include "server/transactions.h"

#include <string.h>

#define TICK_MS              1000
#define SHUTDOWN_PATIENCE_MS 5000
#define SHUTDOWN_REQUESTS_MS 1000
#define SHUTDOWN_REST_MS     10
#define TURN_ROUNDS_MAX      64
#define SOCKETS_SCARCE       1000 /* a start with room for fewer says so */

enum node_state { NODE_NEW, NODE_STARTING, NODE_RUNNING, NODE_LEAVING, NODE_CLOSING, NODE_STOPPED };

struct node {
    struct shard shard;
    struct node_owner owner;
    enum node_state state;
    struct config *static_config; /* as the file says; shard.config has dynamic settings over it */
    struct node_descriptors descriptors;
    struct log_files *log_files;
    struct loggers loggers;
    struct fetch_sessions sessions;
    struct producer_ids producer_ids;
    struct quorum *quorum;
    struct broker *broker;
    struct assignments assignments;
    bool are_replicas_loaded;
    bool is_loading;
    bool has_failed;
    struct io_timer tick;
    struct io_timer retention;
    struct io_timer checkpoint;
    struct io_timer drain; /* at shutdown: requests in flight get this long */
    struct io_timer rest;  /* and jobs that nobody waits for come to their ends */
};

/* ---- the turn's end -------------------------------------------------------------------------- */

static void on_turn_end(void *context)
{
    struct node *node = context;
    struct shard *shard = &node->shard;
    /* Answers of one round, or their leaving, may start requests of the next: they came in already, so this ends. */
    for (int round = 0; round < TURN_ROUNDS_MAX; round++) {
        const bool has_started = server_resume(shard->server);
        const bool has_written = replicas_write(shard->replicas);
        if (has_started || has_written)
            continue;
        quorum_flush(node->quorum);
        if (!server_send(shard->server))
            return;
    }
    quorum_flush(node->quorum);
    (void)server_send(shard->server); /* the rest has a turn of its own */
}

/* ---- following the image --------------------------------------------------------------------- */

/* Told when one image's logs are open. */
struct applied {
    struct node *node;
    int64_t offset;
    bool has_other_topics; /* than the image before */
};

static void apply_coordinators(const struct shard *shard)
{
    groups_apply(shard->groups);             /* partitions of __consumer_offsets may have opened */
    transactions_apply(shard->transactions); /* and of __transaction_state */
}

static void on_applied(void *context)
{
    struct applied *applied = context;
    struct quorum *quorum = applied->node->quorum;
    const struct shard *shard = &applied->node->shard;
    const int64_t offset = applied->offset;
    if (applied->has_other_topics)
        assignments_follow(&applied->node->assignments);
    mem_free(applied);
    apply_coordinators(shard);
    if (quorum != NULL)
        quorum_applied(quorum, offset);
}

static void tell_loaded(const struct shard *shard)
{
    uint32_t open = 0;
    for (const struct partition *p = replicas_next(shard->replicas, NULL); p != NULL;
         p = replicas_next(shard->replicas, p))
        open += p->state == PARTITION_ONLINE;
    DIAG_INFO(shard->diag, "log", "%" PRIu32 " of %" PRIu32 " partitions are open", open,
              replicas_count(shard->replicas));
}

static void on_loaded(void *context)
{
    struct node *node = context;
    node->is_loading = false;
    node->are_replicas_loaded = true;
    tell_loaded(&node->shard);
    struct applied *applied = MEM_NEW(struct applied);
    *applied = (struct applied){ .node = node,
                                 .offset = node->shard.image->provenance.offset,
                                 .has_other_topics = true };
    replicas_apply(node->shard.replicas, node->shard.image, on_applied, applied);
    broker_ready(node->broker);
}

static void apply_dynamic_config(struct node *node, const struct metadata_image *before)
{
    struct shard *shard = &node->shard;
    if (!node_config_has_changed(before, shard->image, shard->node_id))
        return;
    struct config *config =
        node_config_effective(node->static_config, shard->image, shard->node_id, shard->diag);
    config_unref(shard->config);
    shard->config = config;
    replicas_set_config(shard->replicas, config);
    const struct server_limits limits = node_config_server_limits(config, &node->descriptors);
    server_set_limits(shard->server, &limits);
}

static void on_image(void *context, struct metadata_image *image)
{
    struct node *node = context;
    struct metadata_image *before = node->shard.image;
    node->shard.image = metadata_image_ref(image);
    apply_dynamic_config(node, before);
    const bool has_other_topics = before->topics_by_id.root != image->topics_by_id.root;
    metadata_image_unref(before);
    apply_coordinators(&node->shard);
    if (!node->are_replicas_loaded) {
        quorum_applied(node->quorum, image->provenance.offset); /* nobody holds a partition yet */
        return;
    }
    struct applied *applied = MEM_NEW(struct applied);
    *applied = (struct applied){ .node = node,
                                 .offset = image->provenance.offset,
                                 .has_other_topics = has_other_topics };
    replicas_apply(node->shard.replicas, image, on_applied, applied);
}

/* ---- the broker's life ----------------------------------------------------------------------- */

/* Once: what follows from a failure is not another one. */
static void fail(struct node *node, const struct err_note *note)
{
    if (node->has_failed)
        return;
    node->has_failed = true;
    node->owner.on_failed(node->owner.context, note);
}

static void on_registered(void *context)
{
    struct node *node = context;
    if (node->are_replicas_loaded || node->is_loading)
        return;
    node->is_loading = true;
    replicas_load(node->shard.replicas, node->shard.image, on_loaded, node);
}

/* Every address is taken before anything else is touched: a port that somebody has ends the start at once. Who comes is let
 * in later. */
static int take_addresses(struct node *node, struct err_note *note)
{
    const struct listeners *all = config_listeners(node->static_config);
    for (size_t i = 0; i < all->count; i++) {
        const struct listener_params params = {
            .name = all->items[i].bind.name,
            .kind = all->items[i].is_controller ? API_ON_CONTROLLER : API_ON_BROKER,
            .host = all->items[i].bind.host,
            .port = (uint16_t)all->items[i].bind.port,
            .is_held = true,
        };
        const int r = server_listen(node->shard.server, &params, note);
        if (r < 0)
            return r;
    }
    return 0;
}

static void accept_on(struct node *node, enum api_listener kind)
{
    const struct listeners *all = config_listeners(node->static_config);
    server_accept(node->shard.server, kind);
    for (size_t i = 0; i < all->count; i++) {
        const struct endpoint *bind = &all->items[i].bind;
        if (all->items[i].is_controller == (kind == API_ON_CONTROLLER))
            DIAG_INFO(node->shard.diag, "server", "listening on %s://%s:%u", bind->name, bind->host,
                      node_port(node, bind->name));
    }
}

static void on_running(void *context)
{
    struct node *node = context;
    accept_on(node, API_ON_BROKER);
    node->state = NODE_RUNNING;
    node->owner.on_ready(node->owner.context);
}

static void on_refused(void *context, enum kafka_error error)
{
    struct err_note note;
    (void)err_note(&note, -ERR_PROTOCOL, "the controller refuses this broker: %s",
                   kafka_error_sentence((int16_t)error));
    fail(context, &note);
}

static void on_active(void *context)
{
    struct node *node = context;
    broker_controller_active(node->broker);
}

static void on_quorum_stop(void *context, const struct err_note *note)
{
    struct node *node = context;
    fail(node, note);
}

/* The metadata log is not the replicas'. What it must not lose is remembered beside what theirs need not scan. */
static void add_recovery_points(void *context, uint32_t dir_index, struct offset_checkpoint *out)
{
    const struct node *node = context;
    const char *path = log_dirs_at(node->shard.log_dirs, dir_index)->path;
    const int64_t offset = quorum_committed_offset(node->quorum);
    if (offset > 0 && strcmp(path, config_metadata_log_dir(node->static_config)) == 0)
        offset_checkpoint_add(out, METADATA_TOPIC_NAME, 0, offset);
}

static void on_directory_failed(void *context, const char *path, uint32_t left)
{
    struct node *node = context;
    struct err_note note;
    const bool is_metadata = strcmp(path, config_metadata_log_dir(node->static_config)) == 0;
    if (left > 0 && !is_metadata)
        return;
    (void)err_note(&note, -EIO, "log directory %s has failed, and %s", path,
                   is_metadata ? "it holds the metadata log" : "no other is left");
    fail(node, &note);
}

/* No image tells of it, and the next may be far. */
static void on_opened(void *context)
{
    struct node *node = context;
    apply_coordinators(&node->shard);
    assignments_follow(&node->assignments);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void on_tick(struct io_timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, tick);
    replicas_tick(node->shard.replicas, io_now_ms(node->shard.io));
    io_timer_arm_after(node->shard.io, timer, TICK_MS);
}

static void on_retention(struct io_timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, retention);
    replicas_retain(node->shard.replicas, io_now_ms(node->shard.io));
    io_timer_arm_after(
        node->shard.io, timer,
        config_i64(node->shard.config, SETTING_BROKER_LOG_RETENTION_CHECK_INTERVAL_MS));
}

/* All kinds together, as often as one of them is wanted; what has not changed is not written. */
static int64_t checkpoint_interval_ms(const struct config *config)
{
    const int64_t wanted =
        MIN(config_i64(config, SETTING_BROKER_REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS),
            MIN(config_i64(config, SETTING_BROKER_LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS),
                config_i64(config, SETTING_BROKER_LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS)));
    return MAX(wanted, 1);
}

static void on_checkpoint(struct io_timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, checkpoint);
    const struct config *config = node->shard.config;
    replicas_checkpoint(node->shard.replicas);
    io_timer_arm_after(node->shard.io, timer, checkpoint_interval_ms(config));
}

/* ---- birth ----------------------------------------------------------------------------------- */

static void on_gone(void *context);
static void on_drained(struct io_timer *timer);
static void on_rest(struct io_timer *timer);

static void tell_failed_dirs(const struct node *node)
{
    const struct log_dirs *dirs = node->shard.log_dirs;
    for (uint32_t i = 0; i < log_dirs_count(dirs); i++) {
        if (!log_dirs_at(dirs, i)->is_online)
            DIAG_ERROR(node->shard.diag, "log", "log directory %s goes offline: %s",
                       log_dirs_at(dirs, i)->path, log_dirs_failure(dirs, i)->text);
    }
}

static int open_dirs(struct node *node, struct err_note *note)
{
    const struct config_list paths = config_log_dirs(node->static_config);
    const struct log_dirs_params params = {
        .io = node->shard.io,
        .paths = paths.items,
        .path_count = (uint32_t)paths.count,
        .metadata_path = config_metadata_log_dir(node->static_config),
        .node_id = node->shard.node_id,
        .cluster_id = BYTES_NULL,
        .seed = node->shard.hash_seed,
    };
    const int r = log_dirs_open(&params, &node->shard.log_dirs, note);
    if (r < 0)
        return r;
    tell_failed_dirs(node);
    const struct meta_properties *meta = log_dirs_meta(node->shard.log_dirs);
    if (meta->version == 0)
        return err_note(note, -ERR_VERSION,
                        "%s/%s is of version 0, from a cluster with ZooKeeper; it must be migrated "
                        "to KRaft by Apache Kafka 3.9 first",
                        log_dirs_at(node->shard.log_dirs, 0)->path, META_PROPERTIES_NAME);
    memcpy(node->shard.cluster_id, meta->cluster_id,
           MIN(sizeof(node->shard.cluster_id) - 1, strlen(meta->cluster_id)));
    return 0;
}

/* What the metadata log must hold. Where nothing tells, but partitions lie here, it is not empty. */
static int64_t committed_offset(const struct log_dirs *dirs, uint32_t index)
{
    const int64_t offset =
        log_dirs_checkpointed(dirs, index, LOG_CHECKPOINT_RECOVERY_POINT, METADATA_TOPIC_NAME, 0);
    if (offset > 0)
        return offset;
    char *partition = log_dirs_find_partition(dirs);
    const bool has_partition = partition != NULL;
    mem_free(partition);
    return has_partition ? 1 : 0;
}

static uint32_t metadata_dir_index(const struct node *node)
{
    const int index =
        log_dirs_find(node->shard.log_dirs, config_metadata_log_dir(node->static_config));
    ASSERT(index >= 0); /* open_dirs has named it */
    return (uint32_t)index;
}

static bool on_full(void *context)
{
    const struct node *node = context;
    return replicas_release_reserve(node->shard.replicas);
}

static int open_quorum(struct node *node, struct err_note *note)
{
    const char *dir = config_metadata_log_dir(node->static_config);
    const uint32_t index = metadata_dir_index(node);
    const struct log_dir *log_dir = log_dirs_at(node->shard.log_dirs, index);
    if (!log_dir->is_online)
        return err_note(note, -EIO, "log directory %s has failed, and it holds the metadata log",
                        dir);
    const struct quorum_params params = {
        .io = node->shard.io,
        .diag = node->shard.diag,
        .config = node->static_config,
        .current_config = &node->shard.config,
        .files = node->log_files,
        .log_dir = dir,
        .committed_offset = committed_offset(node->shard.log_dirs, index),
        .cluster_id = node->shard.cluster_id,
        .node_id = node->shard.node_id,
        .directory_id = log_dir->id,
        .hash_seed = node->shard.hash_seed,
        .owner = { .on_image = on_image,
                   .on_active = on_active,
                   .on_stop = on_quorum_stop,
                   .on_full = on_full,
                   .context = node },
    };
    return quorum_open(&params, &node->quorum, note);
}

static int64_t epoch_of_broker(void *context)
{
    const struct node *node = context;
    return broker_epoch(node->broker);
}

static void divide_descriptors(struct node *node, uint32_t open_files_max)
{
    node->descriptors =
        node_config_descriptors(open_files_max, log_dirs_count(node->shard.log_dirs));
    if (node->descriptors.sockets < SOCKETS_SCARCE)
        DIAG_WARN(
            node->shard.diag, "node",
            "the limit of open files is %u (ulimit -n): at most %u connections and %u files of "
            "logs are open at a time",
            open_files_max, node->descriptors.sockets, node->descriptors.log_files);
}

static void make_rooms(struct node *node)
{
    struct shard *shard = &node->shard;
    node->log_files = log_files_new(shard->io, node->descriptors.log_files);
    const struct replicas_params replicas_params = {
        .io = shard->io,
        .diag = shard->diag,
        .node_id = shard->node_id,
        .hash_seed = shard->hash_seed,
        .dirs = shard->log_dirs,
        .metadata_dir_index = metadata_dir_index(node),
        .files = node->log_files,
        .config = shard->config,
        .owner = { .on_directory_failed = on_directory_failed,
                   .on_opened = on_opened,
                   .add_recovery_points = add_recovery_points,
                   .context = node },
    };
    shard->replicas = replicas_new(&replicas_params);
    fetch_sessions_init(
        &node->sessions,
        (uint32_t)config_i64(shard->config,
                             SETTING_BROKER_MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS),
        shard->hash_seed);
    shard->sessions = &node->sessions;
    map_init(&shard->topics_in_creation, shard->hash_seed);
    producer_ids_init(&node->producer_ids, shard, epoch_of_broker, node);
    shard->producer_ids = &node->producer_ids;
    shard->groups = groups_new(shard);
    shard->transactions = transactions_new(shard);
    const struct broker_owner broker_owner = { .on_registered = on_registered,
                                               .on_running = on_running,
                                               .on_refused = on_refused,
                                               .on_gone = on_gone,
                                               .context = node };
    assignments_init(&node->assignments, shard, epoch_of_broker, node);
    node->broker =
        broker_new(shard, &broker_owner, log_dirs_at(shard->log_dirs, 0)->previous_broker_epoch);
}

int node_new(const struct node_params *params, struct node **out, struct err_note *note)
{
    struct node *node = MEM_NEW(struct node);
    struct shard *shard = &node->shard;
    node->owner = params->owner;
    node->static_config = config_ref(params->config);
    node->tick.fire = on_tick;
    node->retention.fire = on_retention;
    node->checkpoint.fire = on_checkpoint;
    node->drain.fire = on_drained;
    node->rest.fire = on_rest;
    shard->io = params->io;
    loggers_init(&node->loggers, params->diag);
    shard->loggers = &node->loggers;
    shard->diag = &node->loggers.diag;
    shard->config = config_ref(params->config);
    shard->node_id = (int32_t)config_i64(params->config, SETTING_BROKER_NODE_ID);
    shard->image = metadata_image_new();
    io_random(shard->io, &shard->hash_seed, sizeof(shard->hash_seed));

    int r = 0;
    if (!config_has_role_broker(params->config) || !config_has_role_controller(params->config))
        r = err_note(
            note, -ERR_UNSUPPORTED,
            "process.roles=%s: this build runs nodes that are broker and controller at once",
            config_value_text(params->config, SETTING_BROKER_PROCESS_ROLES));
    if (r == 0)
        r = open_dirs(node, note);
    if (r == 0) {
        divide_descriptors(node, params->open_files_max);
        make_rooms(node);
        const struct server_limits limits =
            node_config_server_limits(shard->config, &node->descriptors);
        r = server_new(shard, &limits, &shard->server);
    }
    if (r == 0)
        r = take_addresses(node, note);
    if (r == 0)
        r = open_quorum(node, note);
    if (r < 0) {
        node_free(node);
        return r;
    }
    shard->controller = quorum_controller(node->quorum);
    shard->quorum = quorum_view(node->quorum);
    io_on_turn_end(shard->io, on_turn_end, node);
    *out = node;
    return 0;
}

void node_start(struct node *node)
{
    node->state = NODE_STARTING;
    accept_on(node, API_ON_CONTROLLER);
    on_tick(&node->tick);
    io_timer_arm_after(node->shard.io, &node->retention,
                       config_i64(node->shard.config, SETTING_BROKER_LOG_INITIAL_TASK_DELAY_MS));
    io_timer_arm_after(node->shard.io, &node->checkpoint,
                       config_i64(node->shard.config, SETTING_BROKER_LOG_INITIAL_TASK_DELAY_MS));
    quorum_start(node->quorum);
}

uint16_t node_port(const struct node *node, const char *listener_name)
{
    return server_listener_port(node->shard.server, listener_name);
}

/* ---- death ----------------------------------------------------------------------------------- */

static void cancel_timers(struct node *node)
{
    struct io *io = node->shard.io;
    io_timer_cancel(io, &node->tick);
    io_timer_cancel(io, &node->retention);
    io_timer_cancel(io, &node->checkpoint);
    io_timer_cancel(io, &node->drain);
    io_timer_cancel(io, &node->rest);
    if (node->assignments.shard != NULL)
        assignments_stop(&node->assignments);
}

/* Removals of files and reads for requests whose peers have left: they end by themselves. */
static bool is_at_rest(const struct node *node)
{
    return log_dirs_is_idle(node->shard.log_dirs) && log_files_is_idle(node->log_files) &&
           server_is_idle(node->shard.server);
}

static void on_rest(struct io_timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, rest);
    if (!is_at_rest(node)) {
        io_timer_arm_after(node->shard.io, timer, SHUTDOWN_REST_MS);
        return;
    }
    node->state = NODE_STOPPED;
    node->owner.on_stopped(node->owner.context);
}

static void on_quorum_closed(void *context)
{
    struct node *node = context;
    log_files_end_removals(node->log_files);
    log_dirs_end_removals(node->shard.log_dirs);
    on_rest(&node->rest);
}

static void on_replicas_closed(void *context)
{
    struct node *node = context;
    quorum_close(node->quorum, on_quorum_closed, node);
}

static void close_all(struct node *node)
{
    if (node->state == NODE_CLOSING)
        return;
    node->state = NODE_CLOSING;
    cancel_timers(node);
    server_close(node->shard.server); /* whoever asks now would hear of logs that are closed */
    replicas_close(node->shard.replicas, broker_epoch(node->broker), on_replicas_closed, node);
}

static void on_drained(struct io_timer *timer)
{
    close_all(CONTAINER_OF(timer, struct node, drain));
}

static void on_transactions_closed(void *context)
{
    struct node *node = context;
    if (server_is_idle(node->shard.server))
        close_all(node);
    else
        io_timer_arm_after(node->shard.io, &node->drain, SHUTDOWN_REQUESTS_MS);
}

static void on_groups_closed(void *context)
{
    struct node *node = context;
    transactions_close(node->shard.transactions, on_transactions_closed, node);
}

static void on_gone(void *context)
{
    struct node *node = context;
    server_stop_accepting(node->shard.server);
    groups_close(node->shard.groups, on_groups_closed, node); /* JoinGroup would wait for minutes */
}

void node_stop(struct node *node)
{
    if (node->state >= NODE_LEAVING)
        return;
    node->state = NODE_LEAVING;
    broker_leave(node->broker, SHUTDOWN_PATIENCE_MS);
}

/* What a power failure could take back of what was acknowledged. */
static void tell_unflushed(const struct node *node)
{
    const struct shard *shard = &node->shard;
    struct metrics *metrics = metrics_new();
    replicas_measure(shard->replicas, metrics);
    for (uint32_t i = 0; i < log_dirs_count(shard->log_dirs); i++) {
        const struct log_dir *dir = log_dirs_at(shard->log_dirs, i);
        const struct metric_labels *labels = METRIC_LABELS(dir->path);
        if (dir->is_online && !dir->is_for_metadata)
            DIAG_INFO(shard->diag, "log",
                      "%s: %" PRId64 " offsets (%" PRId64
                      " bytes) are acknowledged and not flushed",
                      dir->path, *metrics_gauge(metrics, METRIC_UNFLUSHED_OFFSETS, labels),
                      *metrics_gauge(metrics, METRIC_UNFLUSHED_BYTES, labels));
    }
    metrics_free(metrics);
}

void node_tell(const struct node *node)
{
    const struct shard *shard = &node->shard;
    DIAG_INFO(shard->diag, "node", "node %d: replicas of %u partitions", shard->node_id,
              replicas_count(shard->replicas));
    tell_unflushed(node);
    server_tell(shard->server);
}

void node_free(struct node *node)
{
    if (node == NULL)
        return;
    struct shard *shard = &node->shard;
    cancel_timers(node);
    io_on_turn_end(shard->io, NULL, NULL);
    /* Requests point to everything else, and what they wait for to them: all are answered, to nobody, first. */
    server_close(shard->server);
    replicas_abandon(shard->replicas);
    if (shard->groups != NULL)
        groups_close(shard->groups, NULL, NULL);
    if (shard->transactions != NULL)
        transactions_close(shard->transactions, NULL, NULL);
    quorum_resign(node->quorum);
    server_free(shard->server);
    broker_free(node->broker);
    quorum_free(node->quorum);
    replicas_free(shard->replicas);
    groups_free(shard->groups);
    transactions_free(shard->transactions);
    assignments_deinit(&node->assignments);
    fetch_sessions_deinit(&node->sessions);
    producer_ids_deinit(&node->producer_ids);
    map_deinit(&shard->topics_in_creation);
    log_files_free(node->log_files);
    log_dirs_free(shard->log_dirs);
    metadata_image_unref(shard->image);
    config_unref(shard->config);
    config_unref(node->static_config);
    mem_free(node);
}
