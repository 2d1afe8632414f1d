/* See quorum.h. */
#include "node/quorum.h"

#include "base/mem.h"
#include "base/rng.h"
#include "config/config.h"
#include "node/controller_calls.h"
#include "node/controller_rules.h"
#include "node/decisions.h"
#include "node/raft_shell.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/record_frame.h"

#define SNAPSHOT_CLEAN_MS 60000

struct quorum {
    struct controller_link link; /* first: handlers see this */
    struct quorum_view view;
    struct io *io;
    const struct diag *diag;
    struct config *config;
    struct quorum_owner owner;
    int32_t node_id;
    char *log_dir;
    struct rng rng;

    struct raft_shell shell;
    struct decisions decisions;
    bool is_stopped;
    bool is_settling;
    int32_t activate_epoch; /* raft leads in it, and the controller is not active yet; -1 */

    struct controller *controller;
    struct controller_rules rules;
    struct io_timer controller_timer;

    struct metadata_loader *loader; /* committed records only */
    struct metadata_image *image;

    struct snapshot_settings snapshot_settings;
    struct snapshot_progress snapshot_progress;
    struct io_timer clean_timer;
    uint32_t snapshot_jobs; /* under way */

    void (*on_closed)(void *context);
    void *on_closed_context;
};

static int64_t now_ms(const struct quorum *q)
{
    return io_monotonic_ns(q->io) / NS_PER_MS;
}

static void settle(struct quorum *q);

static void on_stop(void *context, const struct err_note *note)
{
    struct quorum *q = context;
    if (q->is_stopped)
        return;
    q->is_stopped = true;
    q->owner.on_stop(q->owner.context, note);
}

static bool on_full(void *context)
{
    const struct quorum *q = context;
    return q->owner.on_full != NULL && q->owner.on_full(q->owner.context);
}

static void on_commit(void *context, int64_t to)
{
    struct quorum *q = context;
    const int64_t from = metadata_loader_working(q->loader)->provenance.offset + 1;
    int64_t bytes = 0;
    struct err_note note = { 0 };
    if (metadata_log_replay(&q->shell.log, from, to, q->loader, &bytes, &note) < 0) {
        on_stop(q, &note);
        return;
    }
    snapshot_progress_committed(&q->snapshot_progress, bytes, now_ms(q));
}

/* ---- decisions ------------------------------------------------------------------------------- */

static void on_decision_end(void *context, const struct decision *decision)
{
    struct quorum *q = context;
    if (decision->held_broker_id >= 0)
        controller_release_session(q->controller, decision->held_broker_id, now_ms(q));
}

static struct controller_call call_of(struct quorum *q, struct decision *decision)
{
    return (struct controller_call){
        .now_ms = now_ms(q),
        .wall_ms = io_now_ms(q->io),
        .next_offset = raft_next_offset(q->shell.raft),
        .rng = &q->rng,
        .arena = &decision->arena,
    };
}

/* Encodes `count` records to values in the arena. */
static struct bytes *encode_records(struct arena *arena, const struct metadata_record *records,
                                    uint32_t count)
{
    struct bytes *values = ARENA_NEW_ARRAY(arena, struct bytes, count);
    struct buf buf;
    buf_init(&buf, RAFT_BATCH_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        buf_clear(&buf);
        struct writer w = writer_to(&buf);
        struct err_note note = { 0 };
        const int r = record_frame_encode(records[i].message, records[i].version, records[i].value,
                                          &w, &note);
        ASSERT(r == 0 && buf_is_ok(&buf)); /* the controller makes records that can be written */
        values[i] = bytes_from(arena_dup(arena, buf.data, buf.size), buf.size);
    }
    buf_deinit(&buf);
    return values;
}

/* Appends what the controller decided. */
static int append_decision(struct quorum *q, struct decision *decision,
                           const struct controller_result *result, struct err_note *note)
{
    uint32_t from = 0;
    while (from < result->record_count) {
        uint32_t count = result->record_count - from;
        if (!result->is_atomic)
            count = MIN(count, (uint32_t)RAFT_BATCH_RECORDS_MAX);
        const int64_t base_offset = raft_next_offset(q->shell.raft);
        const struct bytes *values =
            encode_records(&decision->arena, result->records + from, count);
        const int r =
            raft_shell_append(&q->shell, controller_epoch(q->controller), values, count, note);
        if (r < 0)
            return r;
        if (controller_is_active(q->controller))
            controller_replay(q->controller, base_offset, result->records + from, count, now_ms(q));
        from += count;
    }
    return 0;
}

/* Nobody else could decide it. Clients are told what an operator can act on; brokers ask again as when they find no controller. */
static enum kafka_error undecided(const struct quorum *q, const struct decision *decision)
{
    return decision->needs_shards && !q->is_stopped && raft_shell_is_full(&q->shell)
               ? KAFKA_KAFKA_STORAGE_ERROR
               : KAFKA_NOT_CONTROLLER;
}

static void decide(struct quorum *q, struct decision *decision,
                   const struct controller_result *result)
{
    struct err_note note = { 0 };
    decision->response = result->response;
    const int r = append_decision(q, decision, result, &note);
    if (r < 0) {
        if (!raft_shell_is_full(&q->shell)) /* else it is known */
            DIAG_WARN(q->diag, "controller", "a decision could not be appended: %s: %s",
                      err_sentence(r), note.text);
        decisions_finish(&q->decisions, decision,
                         r == -ERR_LIMIT ? KAFKA_POLICY_VIOLATION : undecided(q, decision), NULL);
    } else {
        decisions_wait(&q->decisions, decision, raft_next_offset(q->shell.raft));
    }
    settle(q);
}

/* What brokers tell the controller, and no client asks for. A heartbeat above all must not wait for the logs of a new
 * topic with thousands of partitions: without an answer it is not followed by another, and the broker is fenced. */
static bool is_between_brokers(int16_t api_key)
{
    return api_key == API_BROKER_REGISTRATION || api_key == API_BROKER_HEARTBEAT ||
           api_key == API_CONTROLLER_REGISTRATION || api_key == API_ALLOCATE_PRODUCER_IDS ||
           api_key == API_ASSIGN_REPLICAS_TO_DIRS;
}

static void hold_session(struct quorum *q, struct decision *decision,
                         const struct broker_heartbeat_request *request,
                         const struct broker_heartbeat_response *response)
{
    if (response->error_code != KAFKA_NONE)
        return;
    decision->held_broker_id = request->broker_id;
    controller_hold_session(q->controller, request->broker_id);
}

static void link_ask(struct controller_link *link, int16_t api_key, int16_t version,
                     const void *message, const struct principal *principal,
                     void (*done)(void *context, enum kafka_error error, const void *response),
                     void *context)
{
    struct quorum *q = CONTAINER_OF(link, struct quorum, link);
    (void)principal; /* in a cluster it travels with the forwarded request */
    struct decision *decision = decision_new(done, context);
    decision->needs_shards = !is_between_brokers(api_key);
    const struct controller_call call = call_of(q, decision);
    struct controller_result result = { 0 };
    if (q->is_stopped ||
        controller_call(q->controller, &call, api_key, version, message, &result) < 0) {
        decisions_finish(&q->decisions, decision, undecided(q, decision), NULL);
        return;
    }
    if (api_key == API_BROKER_HEARTBEAT)
        hold_session(q, decision, message, result.response);
    decide(q, decision, &result);
}

static int32_t link_controller_id(struct controller_link *link)
{
    return raft_leader_id(CONTAINER_OF(link, struct quorum, link)->shell.raft);
}

/* Runs within a step, so its records are appended by settle. */
static void on_lead(void *context, int32_t epoch)
{
    struct quorum *q = context;
    if (!q->is_stopped) /* else it came to lead while it closes */
        q->activate_epoch = epoch;
}

static void on_unlead(void *context)
{
    struct quorum *q = context;
    controller_deactivate(q->controller);
    decisions_fail(&q->decisions, KAFKA_NOT_CONTROLLER);
}

static void activate(struct quorum *q)
{
    const int32_t epoch = q->activate_epoch;
    q->activate_epoch = -1;
    struct decision *decision = decision_new(NULL, NULL);
    struct metadata_record *bootstrap = NULL;
    uint32_t bootstrap_count = 0;
    struct err_note note = { 0 };
    if (metadata_image_is_empty(q->image) &&
        metadata_log_bootstrap(&q->shell.log, q->log_dir, &decision->arena, &bootstrap,
                               &bootstrap_count, &note) < 0) {
        decisions_finish(&q->decisions, decision, KAFKA_NONE, NULL);
        on_stop(q, &note);
        return;
    }
    const struct controller_call call = call_of(q, decision);
    struct controller_result result = { 0 };
    controller_activate(q->controller, &call, epoch, q->image,
                        metadata_loader_transaction_offset(q->loader), bootstrap, bootstrap_count,
                        &result);
    decide(q, decision, &result);
}

static void arm_controller_timer(struct quorum *q)
{
    const int64_t deadline_ms = controller_deadline_ms(q->controller);
    if (deadline_ms == INT64_MAX)
        io_timer_cancel(q->io, &q->controller_timer);
    else
        io_timer_arm(q->io, &q->controller_timer, deadline_ms * NS_PER_MS);
}

static void on_controller_timer(struct io_timer *timer)
{
    struct quorum *q = CONTAINER_OF(timer, struct quorum, controller_timer);
    if (q->is_stopped || !controller_is_active(q->controller))
        return;
    struct decision *decision = decision_new(NULL, NULL);
    const struct controller_call call = call_of(q, decision);
    struct controller_result result = { 0 };
    controller_on_timer(q->controller, &call, &result);
    decide(q, decision, &result);
}

/* ---- what is committed ----------------------------------------------------------------------- */

static void on_snapshot(void *context, int error)
{
    struct quorum *q = context;
    q->snapshot_jobs--;
    snapshot_progress_ended(&q->snapshot_progress);
    if (error < 0)
        DIAG_ERROR(q->diag, "metadata", "a metadata snapshot cannot be written: %s",
                   err_sentence(error));
    settle(q);
}

static void consider_snapshot(struct quorum *q)
{
    if (q->is_stopped || q->on_closed != NULL ||
        snapshot_is_due(&q->snapshot_progress, &q->snapshot_settings, now_ms(q)) ==
            SNAPSHOT_NOT_DUE)
        return;
    snapshot_progress_started(&q->snapshot_progress);
    q->snapshot_jobs++;
    metadata_log_write_snapshot(&q->shell.log, q->image, q->image->provenance.timestamp_ms,
                                q->shell.raft, on_snapshot, q);
}

static void finish_close(struct quorum *q);

static void settle(struct quorum *q)
{
    if (q->shell.is_stepping || q->is_settling)
        return;
    q->is_settling = true;
    do {
        struct metadata_image *image = metadata_loader_publish(q->loader);
        if (image != q->image) {
            metadata_image_unref(q->image);
            q->image = image;
            q->owner.on_image(q->owner.context, image);
        } else {
            metadata_image_unref(image);
        }
        decisions_release(&q->decisions, q->image->provenance.offset + 1);
        if (q->activate_epoch >= 0) {
            activate(q);
            q->owner.on_active(q->owner.context);
        }
    } while (q->activate_epoch >= 0);
    q->is_settling = false;
    arm_controller_timer(q);
    consider_snapshot(q);
    finish_close(q);
}

static void on_settled(void *context)
{
    settle(context);
}

void quorum_applied(struct quorum *q, int64_t offset)
{
    q->decisions.applied_offset = MAX(q->decisions.applied_offset, offset + 1);
    if (!q->is_settling)
        decisions_release(&q->decisions, q->image->provenance.offset + 1);
}

static void on_clean_timer(struct io_timer *timer)
{
    struct quorum *q = CONTAINER_OF(timer, struct quorum, clean_timer);
    metadata_log_clean(&q->shell.log, &q->snapshot_settings);
    consider_snapshot(q);
    io_timer_arm_after(q->io, &q->clean_timer, SNAPSHOT_CLEAN_MS);
}

/* ---- views ----------------------------------------------------------------------------------- */

static int16_t view_kraft_version(struct quorum_view *view)
{
    return raft_kraft_version(CONTAINER_OF(view, struct quorum, view)->shell.raft);
}

static void view_describe(struct quorum_view *view, const struct describe_quorum_request *request,
                          int16_t version, struct arena *arena,
                          struct describe_quorum_response *out)
{
    struct quorum *q = CONTAINER_OF(view, struct quorum, view);
    raft_describe_quorum(q->shell.raft, request, version, io_now_ms(q->io), arena, out);
}

struct metadata_image *quorum_image(const struct quorum *q)
{
    return q->image;
}

int64_t quorum_committed_offset(const struct quorum *q)
{
    if (q->shell.log.log == NULL)
        return 0;
    return MIN(q->image->provenance.offset + 1, log_offsets(q->shell.log.log)->flushed_end);
}

struct controller_link *quorum_controller(struct quorum *q)
{
    return &q->link;
}

struct quorum_view *quorum_view(struct quorum *q)
{
    return &q->view;
}

void quorum_flush(struct quorum *q)
{
    raft_shell_flush(&q->shell);
}

/* ---- opening --------------------------------------------------------------------------------- */

static struct controller *new_controller(struct quorum *q, const struct quorum_params *params)
{
    q->rules.broker = params->current_config;
    const struct controller_settings settings = {
        .node_id = params->node_id,
        .cluster_id = bytes_from_text(params->cluster_id),
        .default_replication_factor =
            (int16_t)config_i64(q->config, SETTING_BROKER_DEFAULT_REPLICATION_FACTOR),
        .num_partitions = (int32_t)config_i64(q->config, SETTING_BROKER_NUM_PARTITIONS),
        .min_insync_replicas = (int32_t)config_i64(q->config, SETTING_BROKER_MIN_INSYNC_REPLICAS),
        .broker_session_timeout_ms =
            config_i64(q->config, SETTING_BROKER_BROKER_SESSION_TIMEOUT_MS),
        .max_idle_interval_ms = config_i64(q->config, SETTING_BROKER_METADATA_MAX_IDLE_INTERVAL_MS),
        .rules = controller_rules_face(&q->rules),
    };
    return controller_new(&settings);
}

static int open_raft(struct quorum *q, const struct quorum_params *params, struct err_note *note)
{
    const struct raft_shell_params shell_params = { .io = q->io,
                                                    .diag = q->diag,
                                                    .config = q->config,
                                                    .files = params->files,
                                                    .loader = q->loader,
                                                    .log_dir = params->log_dir,
                                                    .committed_offset = params->committed_offset,
                                                    .node_id = params->node_id,
                                                    .directory_id = params->directory_id,
                                                    .hash_seed = params->hash_seed,
                                                    .rng = &q->rng,
                                                    .owner = { .on_commit = on_commit,
                                                               .on_lead = on_lead,
                                                               .on_unlead = on_unlead,
                                                               .on_settled = on_settled,
                                                               .on_stop = on_stop,
                                                               .on_full = on_full,
                                                               .context = q } };
    return raft_shell_open(&q->shell, &shell_params, note);
}

int quorum_open(const struct quorum_params *params, struct quorum **out, struct err_note *note)
{
    struct quorum *q = MEM_NEW(struct quorum);
    uint64_t seed;
    io_random(params->io, &seed, sizeof(seed));
    *q = (struct quorum){
        .link = { .ask = link_ask, .controller_id = link_controller_id },
        .view = { .kraft_version = view_kraft_version, .describe = view_describe },
        .io = params->io,
        .diag = params->diag,
        .config = config_ref(params->config),
        .owner = params->owner,
        .node_id = params->node_id,
        .log_dir = mem_strdup(params->log_dir),
        .rng = rng_from_seed(seed),
        .controller_timer = { .fire = on_controller_timer },
        .clean_timer = { .fire = on_clean_timer },
        .activate_epoch = -1,
        .snapshot_settings = {
            .record_bytes_between =
                config_i64(params->config, SETTING_BROKER_METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS),
            .interval_ms_max = config_i64(params->config, SETTING_BROKER_METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS),
            .retention_bytes = config_i64(params->config, SETTING_BROKER_METADATA_MAX_RETENTION_BYTES),
            .retention_ms = config_i64(params->config, SETTING_BROKER_METADATA_MAX_RETENTION_MS),
        },
    };
    decisions_init(&q->decisions, on_decision_end, q);
    q->loader = metadata_loader_new(NULL);
    q->image = metadata_image_new();
    q->controller = new_controller(q, params);
    const int r = open_raft(q, params, note);
    if (r < 0) {
        quorum_free(q);
        return r;
    }
    *out = q;
    io_timer_arm_after(q->io, &q->clean_timer, SNAPSHOT_CLEAN_MS);
    return 0;
}

void quorum_start(struct quorum *q)
{
    settle(q);
    quorum_flush(q);
}

/* ---- closing --------------------------------------------------------------------------------- */

struct close_job {
    struct io_job job;
    struct quorum *quorum;
    struct log *log;
    int result;
    struct err_note note;
};

static void close_run(struct io_job *job)
{
    struct close_job *c = CONTAINER_OF(job, struct close_job, job);
    c->result = log_close(c->log, true, NULL, &c->note);
}

static void close_done(struct io_job *job)
{
    struct close_job *c = CONTAINER_OF(job, struct close_job, job);
    struct quorum *q = c->quorum;
    if (c->result < 0)
        DIAG_ERROR(q->diag, "metadata", "the metadata log did not close well: %s", c->note.text);
    mem_free(c);
    q->on_closed(q->on_closed_context);
}

static void on_detached(void *context, struct log *log)
{
    struct close_job *c = context;
    c->log = log;
    io_submit(c->quorum->io, NULL, &c->job);
}

static void finish_close(struct quorum *q)
{
    if (q->on_closed == NULL || q->snapshot_jobs > 0 || q->shell.jobs > 0 ||
        q->shell.log.log == NULL)
        return;
    struct close_job *c = MEM_NEW(struct close_job);
    *c = (struct close_job){ .job = { .run = close_run, .done = close_done }, .quorum = q };
    metadata_log_detach(&q->shell.log, on_detached, c);
}

static void cancel_timers(struct quorum *q)
{
    raft_shell_cancel(&q->shell);
    io_timer_cancel(q->io, &q->controller_timer);
    io_timer_cancel(q->io, &q->clean_timer);
}

void quorum_resign(struct quorum *q)
{
    if (q == NULL)
        return;
    q->is_stopped = true;
    q->activate_epoch = -1;
    controller_deactivate(q->controller);
    decisions_fail(&q->decisions, KAFKA_NOT_CONTROLLER);
    cancel_timers(q);
}

void quorum_close(struct quorum *q, void (*done)(void *context), void *context)
{
    quorum_resign(q);
    q->on_closed = done;
    q->on_closed_context = context;
    finish_close(q);
}

void quorum_free(struct quorum *q)
{
    if (q == NULL)
        return;
    cancel_timers(q);
    ASSERT(q->snapshot_jobs == 0 && list_is_empty(&q->decisions.waiting));
    raft_shell_deinit(&q->shell);
    controller_free(q->controller);
    controller_rules_deinit(&q->rules);
    metadata_loader_free(q->loader);
    metadata_image_unref(q->image);
    config_unref(q->config);
    mem_free(q->log_dir);
    mem_free(q);
}
