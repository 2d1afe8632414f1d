/* See quorum.h. */
#include "node/quorum.h"

#include "base/mem.h"
#include "base/rng.h"
#include "config/config.h"
#include "node/controller_calls.h"
#include "node/controller_rules.h"
#include "node/metadata_log.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/record_frame.h"

#define SNAPSHOT_CLEAN_MS 60000

/* A decision on its way: its records are appended up to `offset`, its answer waits until that is committed, and
 * applied here where a client will rely on it. */
struct ask {
    struct list link;
    struct arena arena; /* records and answer */
    int64_t offset;     /* exclusive */
    bool needs_shards;
    int32_t held_broker_id; /* whose heartbeat it is (controller_hold_session); -1 */
    const void *response;
    void (*done)(void *context, enum kafka_error error, const void *response);
    void *context;
};

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

    struct metadata_log log;
    struct raft *raft;
    struct io_timer raft_timer;
    struct io_job_queue *persist_queue;
    VEC(struct raft_event)
    events; /* to be stepped: completions met while effects are carried out */
    bool is_stepping;
    bool is_flush_wanted;  /* at the turn's end */
    int persist_error;     /* of the latest attempt */
    bool is_failed_append; /* later appends of the same step are dropped */
    uint64_t failed_appends;
    bool is_stopped;
    bool is_settling;
    int32_t activate_epoch; /* RAFT_DO_LEAD has come and is not done yet; -1 */

    struct controller *controller;
    struct controller_rules rules;
    struct io_timer controller_timer;

    struct metadata_loader *loader; /* committed records only */
    struct metadata_image *image;
    int64_t applied_offset; /* exclusive: by this node's shards */
    struct list asks;       /* in order of their offsets */

    struct snapshot_settings snapshot_settings;
    struct snapshot_progress snapshot_progress;
    struct io_timer clean_timer;
    uint32_t jobs; /* under way */

    void (*on_closed)(void *context);
    void *on_closed_context;
};

static void settle(struct quorum *q);
static void activate(struct quorum *q, int32_t epoch);

static int64_t now_ms(const struct quorum *q)
{
    return io_monotonic_ns(q->io) / NS_PER_MS;
}

/* ---- raft's effects -------------------------------------------------------------------------- */

static void feed(struct quorum *q, struct raft_event event);

static void stop(struct quorum *q, const struct err_note *note)
{
    if (q->is_stopped)
        return;
    q->is_stopped = true;
    q->owner.on_stop(q->owner.context, note);
}

struct persist_job {
    struct io_job job;
    struct quorum *quorum;
    struct shared *content;
    char *path;
    int result;
};

static void persist_run(struct io_job *job)
{
    struct persist_job *p = CONTAINER_OF(job, struct persist_job, job);
    p->result = io_fs_replace(io_get_fs(p->quorum->io), p->path,
                              bytes_from(p->content->data, p->content->size));
}

static void persist_done(struct io_job *job)
{
    struct persist_job *p = CONTAINER_OF(job, struct persist_job, job);
    struct quorum *q = p->quorum;
    if (p->result < 0 && p->result != q->persist_error) /* not with every attempt */
        DIAG_ERROR(q->diag, "raft", "%s cannot be written, which is tried until it can: %s",
                   p->path, err_sentence(p->result));
    else if (p->result == 0 && q->persist_error < 0)
        DIAG_INFO(q->diag, "raft", "%s can be written again", p->path);
    q->persist_error = p->result;
    const struct raft_event event = { .type = p->result < 0 ? RAFT_ON_PERSIST_FAILED
                                                            : RAFT_ON_PERSISTED };
    shared_unref(p->content);
    mem_free(p->path);
    mem_free(p);
    q->jobs--;
    feed(q, event);
}

static void persist(struct quorum *q, struct shared *content)
{
    struct persist_job *p = MEM_NEW(struct persist_job);
    *p = (struct persist_job){
        .job = { .run = persist_run, .done = persist_done },
        .quorum = q,
        .content = shared_ref(content),
        .path = metadata_log_quorum_state_path(&q->log),
    };
    q->jobs++;
    io_submit(q->io, q->persist_queue, &p->job);
}

static void append(struct quorum *q, const struct raft_effect *effect)
{
    if (q->is_failed_append)
        return;
    const struct log_append planned = {
        .owner = effect->append.batch,
        .records = effect->append.batch->data,
        .size_bytes = (uint32_t)effect->append.batch->size,
        .origin = LOG_ORIGIN_RAFT_LEADER,
        .leader_epoch = effect->append.epoch,
        .now_ms = io_now_ms(q->io),
        .transaction_version = -1,
    };
    struct log_append_result result;
    struct err_note note = { 0 };
    log_append_plan(q->log.log, &planned, &result);
    const int written = result.error == KAFKA_NONE ? log_write(q->log.log, &note) : -EIO;
    if (written == 0)
        return;
    q->is_failed_append = true;
    q->failed_appends++;
    DIAG_ERROR(q->diag, "metadata", "an append to the metadata log failed: %s: %s",
               result.error == KAFKA_NONE ? err_sentence(written)
                                          : kafka_error_name((int16_t)result.error),
               note.text);
    feed(q, (struct raft_event){ .type = RAFT_ON_APPEND_FAILED,
                                 .failed_offset = effect->append.base_offset });
}

static void truncate_log(struct quorum *q, int64_t offset)
{
    struct err_note note = { 0 };
    if (log_truncate(q->log.log, offset, io_now_ms(q->io), &note) < 0)
        stop(q, &note);
}

static void commit(struct quorum *q, int64_t to)
{
    const int64_t from = metadata_loader_working(q->loader)->provenance.offset + 1;
    int64_t bytes = 0;
    struct err_note note = { 0 };
    if (metadata_log_replay(&q->log, from, to, q->loader, &bytes, &note) < 0) {
        stop(q, &note);
        return;
    }
    snapshot_progress_committed(&q->snapshot_progress, bytes, now_ms(q));
}

static void finish_ask(struct quorum *q, struct ask *ask, enum kafka_error error,
                       const void *response)
{
    if (ask->held_broker_id >= 0)
        controller_release_session(q->controller, ask->held_broker_id, now_ms(q));
    if (ask->done != NULL)
        ask->done(ask->context, error, response);
    arena_deinit(&ask->arena);
    mem_free(ask);
}

static void fail_asks(struct quorum *q, enum kafka_error error)
{
    struct list failed;
    list_init(&failed);
    while (!list_is_empty(&q->asks))
        list_push_back(&failed, list_pop_front(&q->asks));
    struct list *link;
    while ((link = list_pop_front(&failed)) != NULL)
        finish_ask(q, LIST_ENTRY(link, struct ask, link), error, NULL);
}

static void carry_out(struct quorum *q, const struct raft_effect *effect)
{
    switch (effect->type) {
    case RAFT_DO_PERSIST:
        persist(q, effect->content);
        return;
    case RAFT_DO_APPEND:
        append(q, effect);
        return;
    case RAFT_DO_FLUSH:
        q->is_flush_wanted = true;
        return;
    case RAFT_DO_TRUNCATE:
        truncate_log(q, effect->offset);
        return;
    case RAFT_DO_COMMIT:
        commit(q, effect->commit.to_offset);
        return;
    case RAFT_DO_LEADER_CHANGED:
        DIAG_INFO(q->diag, "raft", "leader of epoch %d is node %d", effect->leader.epoch,
                  effect->leader.leader_id);
        return;
    case RAFT_DO_LEAD:
        activate(q, effect->leader.epoch);
        return;
    case RAFT_DO_UNLEAD:
        controller_deactivate(q->controller);
        fail_asks(q, KAFKA_NOT_CONTROLLER);
        return;
    case RAFT_DO_ARM_TIMER:
        io_timer_arm(q->io, &q->raft_timer, effect->deadline_ms * NS_PER_MS);
        return;
    case RAFT_DO_STOP:
        stop(q, effect->note);
        return;
    case RAFT_DO_SEND_VOTE:
    case RAFT_DO_SEND_BEGIN_EPOCH:
    case RAFT_DO_SEND_END_EPOCH:
    case RAFT_DO_ANSWER_VOTE:
    case RAFT_DO_ANSWER_EPOCH:
        /* A quorum of one has nobody to talk to; quorum_open refuses larger ones until the peer channel carries these. */
        return;
    }
}

static int step_one(struct quorum *q, struct raft_event event, struct err_note *note)
{
    struct raft_effects effects = { 0 };
    event.now_ms = now_ms(q);
    event.wall_ms = io_now_ms(q->io);
    event.random = rng_u64(&q->rng);
    const int r = raft_step(q->raft, &event, &effects, note);
    if (r < 0)
        return r;
    q->is_failed_append = false;
    for (uint32_t i = 0; i < effects.count; i++)
        carry_out(q, &effects.items[i]);
    raft_effects_clear(&effects);
    return 0;
}

/* Steps an event and all that follow from it, then lets go of what they committed. */
static int step(struct quorum *q, struct raft_event event, struct err_note *note)
{
    ASSERT(!q->is_stepping);
    q->is_stepping = true;
    const int r = step_one(q, event, note);
    while (q->events.count > 0) {
        const struct raft_event next = q->events.items[0];
        VEC_REMOVE_AT(&q->events, 0);
        struct err_note event_note = { 0 };
        if (step_one(q, next, &event_note) < 0)
            stop(q, &event_note);
    }
    q->is_stepping = false;
    return r;
}

static void feed(struct quorum *q, struct raft_event event)
{
    if (q->log.log == NULL)
        return; /* closing: nothing follows from it any more */
    if (q->is_stepping) {
        VEC_ADD(&q->events, event);
        return;
    }
    struct err_note note = { 0 };
    if (step(q, event, &note) < 0)
        stop(q, &note);
    settle(q);
}

static void on_flushed(void *context, struct log *log)
{
    struct quorum *q = context;
    feed(q, (struct raft_event){ .type = RAFT_ON_FLUSHED,
                                 .flushed_offset = log_offsets(log)->flushed_end });
}

static void on_log_failed(void *context, struct log *log, int error, const struct err_note *note)
{
    struct quorum *q = context;
    (void)log;
    (void)error;
    stop(q, note);
}

static void on_raft_timer(struct io_timer *timer)
{
    feed(CONTAINER_OF(timer, struct quorum, raft_timer),
         (struct raft_event){ .type = RAFT_ON_TIMER });
}

void quorum_flush(struct quorum *q)
{
    if (!q->is_flush_wanted || q->log.log == NULL)
        return;
    q->is_flush_wanted = false;
    log_flush(q->log.log);
}

/* ---- decisions ------------------------------------------------------------------------------- */

static struct ask *
ask_new(void (*done)(void *context, enum kafka_error error, const void *response), void *context)
{
    struct ask *ask = MEM_NEW(struct ask);
    ask->held_broker_id = -1;
    ask->done = done;
    ask->context = context;
    arena_init(&ask->arena, CONTROLLER_ARENA_BYTES_MAX);
    return ask;
}

static struct controller_call call_of(struct quorum *q, struct ask *ask)
{
    return (struct controller_call){
        .now_ms = now_ms(q),
        .wall_ms = io_now_ms(q->io),
        .next_offset = raft_next_offset(q->raft),
        .rng = &q->rng,
        .arena = &ask->arena,
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

static int append_values(struct quorum *q, const struct bytes *values, uint32_t count,
                         struct err_note *note)
{
    const uint64_t failed_before = q->failed_appends;
    const int r = step(q,
                       (struct raft_event){ .type = RAFT_ON_APPEND,
                                            .append = { .epoch = controller_epoch(q->controller),
                                                        .values = values,
                                                        .value_count = count } },
                       note);
    /* Raft has taken it back by now, and resigned: nobody will hear that it is committed. */
    if (r == 0 && q->failed_appends != failed_before)
        return err_note(note, -ERR_NOT_LEADER, "the metadata log could not be written");
    return r;
}

/* Appends what the controller decided and keeps the ask until it is committed. */
static int append_decision(struct quorum *q, struct ask *ask,
                           const struct controller_result *result, struct err_note *note)
{
    uint32_t from = 0;
    while (from < result->record_count) {
        uint32_t count = result->record_count - from;
        if (!result->is_atomic)
            count = MIN(count, (uint32_t)RAFT_BATCH_RECORDS_MAX);
        const int64_t base_offset = raft_next_offset(q->raft);
        const struct bytes *values = encode_records(&ask->arena, result->records + from, count);
        const int r = append_values(q, values, count, note);
        if (r < 0)
            return r;
        if (controller_is_active(q->controller))
            controller_replay(q->controller, base_offset, result->records + from, count, now_ms(q));
        from += count;
    }
    return 0;
}

static void decide(struct quorum *q, struct ask *ask, const struct controller_result *result)
{
    struct err_note note = { 0 };
    ask->response = result->response;
    const int r = append_decision(q, ask, result, &note);
    if (r < 0) {
        DIAG_WARN(q->diag, "controller", "a decision could not be appended: %s: %s",
                  err_sentence(r), note.text);
        finish_ask(q, ask, r == -ERR_LIMIT ? KAFKA_POLICY_VIOLATION : KAFKA_NOT_CONTROLLER, NULL);
    } else {
        ask->offset = raft_next_offset(q->raft);
        list_push_back(&q->asks, &ask->link);
    }
    settle(q);
}

/* What brokers tell the controller, and no client asks for. A heartbeat above all must not wait for the logs of a new
 * topic with thousands of partitions: without an answer it is not followed by another, and the broker is fenced. */
static bool is_between_brokers(int16_t api_key)
{
    return api_key == API_BROKER_REGISTRATION || api_key == API_BROKER_HEARTBEAT ||
           api_key == API_CONTROLLER_REGISTRATION || api_key == API_ALLOCATE_PRODUCER_IDS;
}

static void hold_session(struct quorum *q, struct ask *ask,
                         const struct broker_heartbeat_request *request,
                         const struct broker_heartbeat_response *response)
{
    if (response->error_code != KAFKA_NONE)
        return;
    ask->held_broker_id = request->broker_id;
    controller_hold_session(q->controller, request->broker_id);
}

static void link_ask(struct controller_link *link, int16_t api_key, int16_t version,
                     const void *message, const struct principal *principal,
                     void (*done)(void *context, enum kafka_error error, const void *response),
                     void *context)
{
    struct quorum *q = CONTAINER_OF(link, struct quorum, link);
    (void)principal; /* in a cluster it travels with the forwarded request */
    struct ask *ask = ask_new(done, context);
    ask->needs_shards = !is_between_brokers(api_key);
    const struct controller_call call = call_of(q, ask);
    struct controller_result result = { 0 };
    if (q->is_stopped ||
        controller_call(q->controller, &call, api_key, version, message, &result) < 0) {
        finish_ask(q, ask, KAFKA_NOT_CONTROLLER, NULL);
        return;
    }
    if (api_key == API_BROKER_HEARTBEAT)
        hold_session(q, ask, message, result.response);
    decide(q, ask, &result);
}

static int32_t link_controller_id(struct controller_link *link)
{
    return raft_leader_id(CONTAINER_OF(link, struct quorum, link)->raft);
}

/* Runs within a step (RAFT_DO_LEAD), so its records are appended by settle. */
static void activate(struct quorum *q, int32_t epoch)
{
    if (!q->is_stopped) /* else it came to lead while it closes */
        q->activate_epoch = epoch;
}

static void activate_now(struct quorum *q)
{
    const int32_t epoch = q->activate_epoch;
    q->activate_epoch = -1;
    struct ask *ask = ask_new(NULL, NULL);
    struct metadata_record *bootstrap = NULL;
    uint32_t bootstrap_count = 0;
    struct err_note note = { 0 };
    if (metadata_image_is_empty(q->image) &&
        metadata_log_bootstrap(&q->log, q->log_dir, &ask->arena, &bootstrap, &bootstrap_count,
                               &note) < 0) {
        finish_ask(q, ask, KAFKA_NONE, NULL);
        stop(q, &note);
        return;
    }
    const struct controller_call call = call_of(q, ask);
    struct controller_result result = { 0 };
    controller_activate(q->controller, &call, epoch, q->image,
                        metadata_loader_transaction_offset(q->loader), bootstrap, bootstrap_count,
                        &result);
    decide(q, ask, &result);
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
    struct ask *ask = ask_new(NULL, NULL);
    const struct controller_call call = call_of(q, ask);
    struct controller_result result = { 0 };
    controller_on_timer(q->controller, &call, &result);
    decide(q, ask, &result);
}

/* ---- what is committed ----------------------------------------------------------------------- */

static void on_snapshot(void *context, int error)
{
    struct quorum *q = context;
    q->jobs--;
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
    q->jobs++;
    metadata_log_write_snapshot(&q->log, q->image, q->image->provenance.timestamp_ms, q->raft,
                                on_snapshot, q);
}

static void finish_close(struct quorum *q);

static struct ask *find_answerable(struct quorum *q)
{
    const int64_t committed_offset = q->image->provenance.offset + 1;
    LIST_FOR_EACH(&q->asks, link)
    {
        struct ask *ask = LIST_ENTRY(link, struct ask, link);
        if (ask->offset > committed_offset)
            return NULL;
        if (!ask->needs_shards || ask->offset <= q->applied_offset)
            return ask;
    }
    return NULL;
}

static void release_asks(struct quorum *q)
{
    struct ask *ask;
    while ((ask = find_answerable(q)) != NULL) {
        list_remove(&ask->link);
        finish_ask(q, ask, KAFKA_NONE, ask->response);
    }
}

static void settle(struct quorum *q)
{
    if (q->is_stepping || q->is_settling)
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
        release_asks(q);
        if (q->activate_epoch >= 0) {
            activate_now(q);
            q->owner.on_active(q->owner.context);
        }
    } while (q->activate_epoch >= 0);
    q->is_settling = false;
    arm_controller_timer(q);
    consider_snapshot(q);
    finish_close(q);
}

void quorum_applied(struct quorum *q, int64_t offset)
{
    q->applied_offset = MAX(q->applied_offset, offset + 1);
    if (!q->is_settling)
        release_asks(q);
}

static void on_clean_timer(struct io_timer *timer)
{
    struct quorum *q = CONTAINER_OF(timer, struct quorum, clean_timer);
    metadata_log_clean(&q->log, &q->snapshot_settings);
    consider_snapshot(q);
    io_timer_arm_after(q->io, &q->clean_timer, SNAPSHOT_CLEAN_MS);
}

/* ---- views ----------------------------------------------------------------------------------- */

static int16_t view_kraft_version(struct quorum_view *view)
{
    return raft_kraft_version(CONTAINER_OF(view, struct quorum, view)->raft);
}

static void view_describe(struct quorum_view *view, const struct describe_quorum_request *request,
                          int16_t version, struct arena *arena,
                          struct describe_quorum_response *out)
{
    struct quorum *q = CONTAINER_OF(view, struct quorum, view);
    raft_describe_quorum(q->raft, request, version, io_now_ms(q->io), arena, out);
}

struct metadata_image *quorum_image(const struct quorum *q)
{
    return q->image;
}

int64_t quorum_committed_offset(const struct quorum *q)
{
    if (q->log.log == NULL)
        return 0;
    return MIN(q->image->provenance.offset + 1, log_offsets(q->log.log)->flushed_end);
}

struct controller_link *quorum_controller(struct quorum *q)
{
    return &q->link;
}

struct quorum_view *quorum_view(struct quorum *q)
{
    return &q->view;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static struct raft *new_raft(const struct quorum *q, const struct quorum_params *params,
                             const struct raft_voters *voters)
{
    const struct raft_settings settings = {
        .node_id = params->node_id,
        .directory_id = params->directory_id,
        .static_voters = voters->count == 0 ? NULL : voters,
        .election_timeout_ms =
            config_i64(q->config, SETTING_BROKER_CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS),
        .election_backoff_max_ms =
            config_i64(q->config, SETTING_BROKER_CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS),
        .fetch_timeout_ms =
            config_i64(q->config, SETTING_BROKER_CONTROLLER_QUORUM_FETCH_TIMEOUT_MS),
    };
    return raft_new(&settings);
}

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

/* controller.quorum.voters as text again: the parser of voters takes it whole. */
static int static_voters(const struct config *config, struct raft_voters *out,
                         struct err_note *note)
{
    const char *text = config_value_text(config, SETTING_BROKER_CONTROLLER_QUORUM_VOTERS);
    const struct config_list names = config_list(config, SETTING_BROKER_CONTROLLER_LISTENER_NAMES);
    return raft_voters_from_setting(
        bytes_from_text(text == NULL ? "" : text),
        bytes_from_text(names.count == 0 ? "CONTROLLER" : names.items[0]), out, note);
}

/* What this build cannot run, or what could never elect a leader. */
static int check_voters(const struct quorum *q, const struct quorum_params *params,
                        struct err_note *note)
{
    const struct raft_voters *voters = raft_voters(q->raft);
    if (voters->count > 1)
        return err_note(note, -ERR_UNSUPPORTED,
                        "the metadata quorum has %u voters; this build runs quorums of one only",
                        voters->count);
    if (raft_voters_has(voters, params->node_id, params->directory_id))
        return 0;
    const struct raft_voter *voter = raft_voters_get(voters, params->node_id);
    if (voter == NULL)
        return err_note(note, -ERR_WRONG_CLUSTER,
                        "node %" PRId32
                        " is no voter of the metadata quorum in %s, so nobody could lead it",
                        params->node_id, params->log_dir);
    char wanted[UUID_TEXT_SIZE];
    char found[UUID_TEXT_SIZE];
    uuid_to_text(voter->directory_id, wanted);
    uuid_to_text(params->directory_id, found);
    return err_note(note, -ERR_WRONG_CLUSTER,
                    "%s/meta.properties has directory.id %s, but the metadata log there knows this "
                    "voter as %s: "
                    "put that directory.id back",
                    params->log_dir, found, wanted);
}

static int load(struct quorum *q, const struct quorum_params *params, struct err_note *note)
{
    const struct metadata_log_params log_params = { .io = q->io,
                                                    .diag = q->diag,
                                                    .files = params->files,
                                                    .log_dir = params->log_dir,
                                                    .committed_offset = params->committed_offset,
                                                    .seed = params->hash_seed };
    const struct log_owner owner = { .on_flushed = on_flushed,
                                     .on_failed = on_log_failed,
                                     .context = q };
    struct raft_voters voters = { 0 };
    int r = static_voters(q->config, &voters, note);
    if (r == 0)
        r = metadata_log_open(&q->log, &log_params, &owner, note);
    if (r == 0) {
        q->raft = new_raft(q, params, &voters);
        q->controller = new_controller(q, params);
        struct raft_event event = { .type = RAFT_ON_START };
        r = metadata_log_load(&q->log, q->raft, q->loader, &event.start, note);
        if (r == 0)
            r = check_voters(q, params, note);
        if (r == 0)
            r = step(q, event, note);
        mem_free((void *)(uintptr_t)event.start.quorum_state.data);
    }
    raft_voters_deinit(&voters);
    return r;
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
        .raft_timer = { .fire = on_raft_timer },
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
    list_init(&q->asks);
    q->persist_queue = io_job_queue_new(q->io);
    q->loader = metadata_loader_new(NULL);
    q->image = metadata_image_new();
    const int r = load(q, params, note);
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
    if (q->on_closed == NULL || q->jobs > 0 || q->log.log == NULL)
        return;
    struct close_job *c = MEM_NEW(struct close_job);
    *c = (struct close_job){ .job = { .run = close_run, .done = close_done }, .quorum = q };
    metadata_log_detach(&q->log, on_detached, c);
}

static void cancel_timers(struct quorum *q)
{
    io_timer_cancel(q->io, &q->raft_timer);
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
    fail_asks(q, KAFKA_NOT_CONTROLLER);
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
    ASSERT(q->jobs == 0 && list_is_empty(&q->asks));
    io_job_queue_free(q->io, q->persist_queue);
    metadata_log_abandon(&q->log);
    raft_free(q->raft);
    controller_free(q->controller);
    controller_rules_deinit(&q->rules);
    metadata_loader_free(q->loader);
    metadata_image_unref(q->image);
    config_unref(q->config);
    VEC_DEINIT(&q->events);
    mem_free(q->log_dir);
    mem_free(q);
}
