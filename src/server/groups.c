/* See groups.h. */
#include "server/groups.h"

#include "base/mem.h"
#include "base/vec.h"
#include "config/config.h"
#include "coord/assignor/assignor.h"
#include "coord/group/group_coordinator.h"
#include "metadata/diff.h"
#include "metadata/image.h"
#include "replica/partition.h"
#include "server/coord_log.h"
#include "server/server_int.h"
#include "server/topic_lookup.h"
#include "wire/messages/write_txn_markers_response.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

struct deleted_topic {
    char *name;
    struct uuid id;
};

/* What belongs to a partition beside its coordinator. */
struct slot {
    struct group_effects effects;
    bool is_stepping;
    VEC(struct deleted_topic) deleted; /* while it could not be told */
};

struct groups {
    struct shard *shard;
    struct config *config;        /* as of the last apply; counted */
    struct metadata_image *image; /* the same */
    struct group_settings settings;
    struct coord_logs logs; /* of __consumer_offsets */
    struct map_i64 asks;    /* token → struct group_ask */
    uint64_t next_token;
    struct list resolving; /* struct resolving */
};

/* An expression that jobs resolve, part by part. */
struct resolving {
    struct io_job job;
    struct list link;
    struct groups *groups;
    struct coord_log *log;               /* NULL: it has gone, and nobody wants the result */
    struct group_resolution *resolution; /* owned */
    bool is_done;
};

/* ---- settings ---------------------------------------------------------------------------------------- */

static enum migration_policy migration_policy_of(const struct config *config)
{
    static const struct {
        const char *name;
        enum migration_policy policy;
    } policies[] = { { "disabled", MIGRATION_DISABLED },
                     { "downgrade", MIGRATION_DOWNGRADE },
                     { "upgrade", MIGRATION_UPGRADE },
                     { "bidirectional", MIGRATION_BIDIRECTIONAL } };
    const char *text = config_text(config, SETTING_BROKER_GROUP_CONSUMER_MIGRATION_POLICY);
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        if (strcasecmp(text, policies[i].name) == 0)
            return policies[i].policy;
    }
    return MIGRATION_DISABLED;
}

static void add_assignor(struct group_settings *settings, enum assignor assignor)
{
    for (uint32_t i = 0; i < settings->assignor_count; i++) {
        if (settings->assignors[i] == assignor)
            return;
    }
    settings->assignors[settings->assignor_count++] = (uint8_t)assignor; /* each once: they fit */
}

/* In the order in which they are named. A broker that names others does not start (config/rules.c). */
static void take_assignors(const struct config *config, struct group_settings *out)
{
    const struct config_list names = config_list(config, SETTING_BROKER_GROUP_CONSUMER_ASSIGNORS);
    _Static_assert(ASSIGNOR_COUNT == GROUP_ASSIGNORS_MAX, "each has its place");
    out->assignor_count = 0;
    for (size_t i = 0; i < names.count; i++) {
        const char *name = config_consumer_assignor(names.items[i]);
        enum assignor assignor;
        if (name != NULL && group_assignor_by_name(bytes_from_text(name), &assignor) == 0)
            add_assignor(out, assignor);
    }
    ASSERT(out->assignor_count > 0);
}

static void take_consumer_settings(const struct config *config, struct group_settings *out)
{
    out->consumer_session_timeout_ms =
        config_bounded_for_groups(config, SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS);
    out->consumer_heartbeat_interval_ms =
        config_bounded_for_groups(config, SETTING_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS);
    out->consumer_assignment_interval_ms =
        config_bounded_for_groups(config, SETTING_GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS);
    out->consumer_count_max = (int32_t)config_i64(config, SETTING_BROKER_GROUP_CONSUMER_MAX_SIZE);
    out->regex_refresh_interval_ms =
        (int32_t)config_i64(config, SETTING_BROKER_GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS);
    out->migration_policy = (uint8_t)migration_policy_of(config);
    take_assignors(config, out);
}

static struct group_settings settings_of(const struct config *config)
{
    return (struct group_settings){
        .session_timeout_ms_min =
            (int32_t)config_i64(config, SETTING_BROKER_GROUP_MIN_SESSION_TIMEOUT_MS),
        .session_timeout_ms_max =
            (int32_t)config_i64(config, SETTING_BROKER_GROUP_MAX_SESSION_TIMEOUT_MS),
        .initial_rebalance_delay_ms =
            (int32_t)config_i64(config, SETTING_BROKER_GROUP_INITIAL_REBALANCE_DELAY_MS),
        .member_count_max = (int32_t)config_i64(config, SETTING_BROKER_GROUP_MAX_SIZE),
        .metadata_length_max =
            (int32_t)MAX(config_i64(config, SETTING_BROKER_OFFSET_METADATA_MAX_BYTES), INT64_C(0)),
        .offsets_retention_ms =
            config_i64(config, SETTING_BROKER_OFFSETS_RETENTION_MINUTES) * 60 * MS_PER_SECOND,
        .retention_check_interval_ms =
            config_i64(config, SETTING_BROKER_OFFSETS_RETENTION_CHECK_INTERVAL_MS),
        .commit_timeout_ms = config_i64(config, SETTING_BROKER_OFFSETS_COMMIT_TIMEOUT_MS),
        .batch_bytes_max = (uint32_t)config_i64(config, SETTING_BROKER_MESSAGE_MAX_BYTES),
    };
}

/* max.message.bytes of the partition itself. */
static struct group_settings settings_for(const struct coord_log *log)
{
    const struct groups *groups = log->logs->owner;
    struct group_settings settings = groups->settings;
    settings.batch_bytes_max = coord_log_batch_bytes_max(log, settings.batch_bytes_max);
    return settings;
}

/* ---- expressions ----------------------------------------------------------------------------------------- */

static void step(struct coord_log *log, struct group_event event);

static void resolving_free(struct resolving *resolving)
{
    list_remove(&resolving->link);
    group_resolution_free(resolving->resolution);
    mem_free(resolving);
}

static void resolving_run(struct io_job *job)
{
    struct resolving *resolving = CONTAINER_OF(job, struct resolving, job);
    resolving->is_done = group_resolution_work(resolving->resolution);
}

static void resolving_done(struct io_job *job)
{
    struct resolving *resolving = CONTAINER_OF(job, struct resolving, job);
    struct coord_log *log = resolving->log;
    struct coord_logs *logs = &resolving->groups->logs;
    if (log != NULL && !resolving->is_done) {
        io_submit(logs->shard->io, NULL, job);
        return;
    }
    if (log != NULL)
        step(log, (struct group_event){ .type = GROUP_ON_RESOLVED,
                                        .resolution = resolving->resolution });
    resolving_free(resolving);
    coord_logs_job_ended(logs);
}

static void resolve(struct coord_log *log, struct group_resolution *resolution)
{
    struct groups *groups = log->logs->owner;
    struct resolving *resolving = MEM_NEW(struct resolving);
    resolving->job =
        (struct io_job){ .run = resolving_run, .done = resolving_done, .is_long = true };
    resolving->groups = groups;
    resolving->log = log;
    resolving->resolution = resolution;
    list_push_back(&groups->resolving, &resolving->link);
    coord_logs_job_begun(log->logs);
    io_submit(log->logs->shard->io, NULL, &resolving->job);
}

static void forget_resolving(const struct coord_log *log)
{
    const struct groups *groups = log->logs->owner;
    LIST_FOR_EACH(&groups->resolving, link)
    {
        struct resolving *resolving = LIST_ENTRY(link, struct resolving, link);
        if (resolving->log == log)
            resolving->log = NULL;
    }
}

/* ---- carrying out --------------------------------------------------------------------------------------- */

static void answer(struct groups *groups, const struct coord_answer *answer)
{
    struct group_ask *ask = map_i64_remove(&groups->asks, (int64_t)answer->token);
    if (ask != NULL)
        ask->done(ask, answer->message);
}

/* Appends in order; where one is refused the others must not be tried, and fail with it. */
static void carry_out(struct coord_log *log, struct group_event *out_failed)
{
    struct slot *slot = log->own;
    struct group_effects *effects = &slot->effects;
    struct group_event failed = { .type = GROUP_ON_APPENDED };
    out_failed->type = GROUP_ON_TIMER;
    if (!coord_log_append(log, effects->appends.items, effects->appends.count,
                          &failed.appended.write_id, &failed.appended.error))
        *out_failed = failed;
    for (size_t i = 0; i < effects->answers.count; i++)
        answer(log->logs->owner, &effects->answers.items[i]);
    for (size_t i = 0; i < effects->resolutions.count; i++)
        resolve(log, effects->resolutions.items[i]);
    coord_log_print(log, &effects->lines);
    coord_log_arm(log, effects->deadline_ms);
    group_effects_clear(effects);
}

/* Neither appends nor answers call back into a step: what an append came to is told at the turn's end. */
static void step(struct coord_log *log, struct group_event event)
{
    struct slot *slot = log->own;
    struct io *io = log->logs->shard->io;
    ASSERT(!slot->is_stepping && log->state == COORD_LOG_SERVING);
    slot->is_stepping = true;
    bool has_failed;
    do {
        event.now_ms = io_monotonic_ns(io) / NS_PER_MS;
        event.wall_ms = io_now_ms(io);
        io_random(io, event.random, sizeof(event.random));
        group_coordinator_step(log->coordinator, &event, &slot->effects);
        carry_out(log, &event);
        has_failed = event.type == GROUP_ON_APPENDED;
    } while (has_failed);
    slot->is_stepping = false;
}

static void on_appended(struct coord_log *log, uint64_t write_id, enum kafka_error error)
{
    step(log, (struct group_event){ .type = GROUP_ON_APPENDED,
                                    .appended = { .write_id = write_id, .error = error } });
}

static void on_timer(struct coord_log *log)
{
    step(log, (struct group_event){ .type = GROUP_ON_TIMER });
}

/* ---- topics that go --------------------------------------------------------------------------------------- */

static void forget_deleted(struct slot *slot)
{
    for (size_t i = 0; i < slot->deleted.count; i++)
        mem_free(slot->deleted.items[i].name);
    VEC_DEINIT(&slot->deleted);
}

static void tell_deleted(struct coord_log *log)
{
    struct slot *slot = log->own;
    if (log->state != COORD_LOG_SERVING || slot->deleted.count == 0)
        return;
    VEC(struct group_topic_deleted) topics = { 0 };
    for (size_t i = 0; i < slot->deleted.count; i++)
        VEC_ADD(&topics,
                ((struct group_topic_deleted){ .name = bytes_from_text(slot->deleted.items[i].name),
                                               .id = slot->deleted.items[i].id }));
    step(log, (struct group_event){
                  .type = GROUP_ON_TOPICS_DELETED,
                  .topics_deleted = { .items = topics.items, .count = (uint32_t)topics.count } });
    VEC_DEINIT(&topics);
    forget_deleted(slot);
}

static void on_topic(void *context, const struct metadata_topic *before,
                     const struct metadata_topic *after)
{
    struct groups *groups = context;
    if (after != NULL)
        return;
    LIST_FOR_EACH(&groups->logs.all, link)
    {
        struct slot *slot = LIST_ENTRY(link, struct coord_log, link)->own;
        VEC_ADD(&slot->deleted,
                ((struct deleted_topic){ .name = bytes_to_text(before->name), .id = before->id }));
    }
}

static void tell_image(struct coord_log *log)
{
    const struct groups *groups = log->logs->owner;
    if (log->state == COORD_LOG_SERVING && groups->image != NULL)
        step(log, (struct group_event){ .type = GROUP_ON_IMAGE, .image = groups->image });
}

/* ---- as a kind of coordinator ---------------------------------------------------------------------------------- */

static void *coordinator_new(struct coord_log *log)
{
    const struct group_settings settings = settings_for(log);
    return group_coordinator_new(&settings, log->logs->shard->hash_seed);
}

static void coordinator_free(void *coordinator)
{
    group_coordinator_free(coordinator);
}

static int replay(void *coordinator, int64_t producer_id, struct bytes key, struct bytes value,
                  struct err_note *note)
{
    return group_coordinator_replay(coordinator, producer_id, key, value, note);
}

static void end_transaction(void *coordinator, int64_t producer_id, bool is_commit)
{
    group_coordinator_end_transaction(coordinator, producer_id, is_commit);
}

static void on_open(struct coord_log *log)
{
    struct slot *slot = MEM_NEW(struct slot);
    group_effects_init(&slot->effects);
    log->own = slot;
}

static void on_loaded(struct coord_log *log, bool is_loaded)
{
    const struct group_settings settings = settings_for(log);
    group_coordinator_set_settings(log->coordinator, &settings);
    tell_image(log);
    step(log, (struct group_event){ .type = is_loaded ? GROUP_ON_LOADED : GROUP_ON_LOAD_FAILED });
    tell_deleted(log);
}

static void on_unload(struct coord_log *log)
{
    step(log, (struct group_event){ .type = GROUP_ON_UNLOAD });
}

static void on_close(struct coord_log *log)
{
    struct slot *slot = log->own;
    forget_resolving(log);
    group_effects_deinit(&slot->effects);
    forget_deleted(slot);
    mem_free(slot);
}

static const struct coord_kind group_kind = {
    .topic = TOPIC_CONSUMER_OFFSETS,
    .logger = "groups",
    .things = "groups",
    .base_sequence = 0,
    .coordinator_new = coordinator_new,
    .coordinator_free = coordinator_free,
    .replay = replay,
    .end_transaction = end_transaction,
    .on_open = on_open,
    .on_loaded = on_loaded,
    .on_appended = on_appended,
    .on_timer = on_timer,
    .on_unload = on_unload,
    .on_close = on_close,
};

/* ---- what it follows ------------------------------------------------------------------------------------------ */

static void follow_config(struct groups *groups)
{
    if (groups->config == groups->shard->config)
        return;
    config_unref(groups->config);
    groups->config = config_ref(groups->shard->config);
    groups->settings = settings_of(groups->config);
    take_consumer_settings(groups->config, &groups->settings);
    groups->logs.slice_bytes =
        (uint32_t)config_i64(groups->config, SETTING_BROKER_OFFSETS_LOAD_BUFFER_SIZE);
    groups->logs.codec =
        (enum codec)config_i64(groups->config, SETTING_BROKER_OFFSETS_TOPIC_COMPRESSION_CODEC);
}

static void refresh_settings(struct groups *groups)
{
    LIST_FOR_EACH(&groups->logs.all, link)
    {
        struct coord_log *log = LIST_ENTRY(link, struct coord_log, link);
        const struct group_settings settings = settings_for(log);
        if (log->state == COORD_LOG_SERVING)
            group_coordinator_set_settings(log->coordinator, &settings);
    }
}

void groups_apply(struct groups *groups)
{
    if (groups->logs.is_closed)
        return;
    follow_config(groups);
    if (groups->image != groups->shard->image) {
        const struct metadata_observer observer = { .context = groups, .on_topic = on_topic };
        struct metadata_image *before = groups->image;
        groups->image = metadata_image_ref(groups->shard->image);
        metadata_image_diff(before, groups->image, &observer);
        metadata_image_unref(before);
        coord_logs_follow(&groups->logs, groups->image);
        LIST_FOR_EACH(&groups->logs.all, link)
        tell_image(LIST_ENTRY(link, struct coord_log, link));
        LIST_FOR_EACH(&groups->logs.all, link)
        tell_deleted(LIST_ENTRY(link, struct coord_log, link));
    }
    refresh_settings(groups);
    coord_logs_load(&groups->logs);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct groups *groups_new(struct shard *shard)
{
    struct groups *groups = MEM_NEW(struct groups);
    groups->shard = shard;
    groups->next_token = 1;
    list_init(&groups->resolving);
    coord_logs_init(&groups->logs, &group_kind, shard, groups);
    map_i64_init(&groups->asks, shard->hash_seed);
    follow_config(groups);
    return groups;
}

void groups_close(struct groups *groups, void (*done)(void *context), void *context)
{
    coord_logs_close(&groups->logs, done, context);
}

void groups_free(struct groups *groups)
{
    if (groups == NULL)
        return;
    coord_logs_deinit(&groups->logs);
    while (!list_is_empty(&groups->resolving)) /* the loop has ended */
        resolving_free(LIST_ENTRY(groups->resolving.next, struct resolving, link));
    map_i64_deinit(&groups->asks);
    metadata_image_unref(groups->image);
    config_unref(groups->config);
    mem_free(groups);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

bool groups_serve_consumers(const struct shard *shard)
{
    return metadata_feature_level(shard->image, BYTES_LITERAL("group.version")) >= 1 &&
           config_list_has(shard->config, SETTING_BROKER_GROUP_COORDINATOR_REBALANCE_PROTOCOLS,
                           "consumer");
}

int32_t groups_partition_count(const struct shard *shard)
{
    return shard->groups->logs.partition_count;
}

int32_t groups_partition_of(const struct shard *shard, struct bytes group_id)
{
    const int32_t count = groups_partition_count(shard);
    return count == 0 ? -1 : group_partition_for(group_id, count);
}

/* "/10.0.0.1" or "/0:0:0:0:0:0:0:1", as java.net.InetAddress prints itself; so it stands in the log. */
static struct bytes client_host(struct request *request)
{
    const char *host = request->connection == NULL ? "" : request->connection->peer.host;
    uint8_t v6[16];
    if (inet_pton(AF_INET6, host, v6) != 1)
        return bytes_from_text(arena_printf(&request->arena, "/%s", host));
    unsigned words[8];
    for (size_t i = 0; i < 8; i++)
        words[i] = (unsigned)(v6[2 * i] << 8 | v6[2 * i + 1]);
    return bytes_from_text(arena_printf(&request->arena, "/%x:%x:%x:%x:%x:%x:%x:%x", words[0],
                                        words[1], words[2], words[3], words[4], words[5], words[6],
                                        words[7]));
}

static struct group_request describe(struct request *request, const void *message)
{
    const struct bytes client_id = request->client_id;
    return (struct group_request){ .api_key = request->api->key,
                                   .version = request->version,
                                   .client_id =
                                       bytes_is_null(client_id) ? BYTES_LITERAL("") : client_id,
                                   .client_host = client_host(request),
                                   .message = message };
}

void groups_ask(struct request *request, int32_t partition, const void *message,
                struct group_ask *ask)
{
    struct groups *groups = request->shard->groups;
    struct group_event event = { .type = GROUP_ON_REQUEST, .request = describe(request, message) };
    event.request.verification_guard = ask->verification_guard;
    event.request.regex_fault = ask->regex_fault;
    enum kafka_error error = KAFKA_NONE;
    struct coord_log *log = coord_logs_serving(&groups->logs, partition, &error);
    if (log == NULL) {
        ask->done(ask, group_refusal(&event.request, error, &request->arena));
        return;
    }
    event.request.token = groups->next_token++;
    (void)map_i64_put(&groups->asks, (int64_t)event.request.token, ask); /* tokens are new */
    step(log, event);
}

/* A request that is one question, whose answer it gets. */
struct forward {
    struct group_ask ask;
    bool *is_answered; /* NULL: nobody asks any more */
};

static void reply(struct group_ask *ask, void *response)
{
    struct forward *forward = CONTAINER_OF(ask, struct forward, ask);
    if (forward->is_answered != NULL)
        *forward->is_answered = true;
    request_reply(ask->request, response);
}

/* Whether it was answered at once; then the request is gone. */
static bool forward(struct request *request, struct bytes group_id)
{
    bool is_answered = false;
    struct forward *forward = REQUEST_NEW(request, struct forward);
    *forward = (struct forward){ .ask = { .request = request, .done = reply },
                                 .is_answered = &is_answered };
    groups_ask(request, groups_partition_of(request->shard, group_id), request->message,
               &forward->ask);
    if (!is_answered)
        forward->is_answered = NULL;
    return is_answered;
}

void groups_forward(struct request *request, struct bytes group_id)
{
    (void)forward(request, group_id);
}

void groups_forward_and_wait(struct request *request, struct bytes group_id)
{
    if (!forward(request, group_id))
        request_release_input(request);
}

void groups_refuse(struct request *request, enum kafka_error error)
{
    const struct group_request asked = describe(request, request->message);
    request_reply(request, group_refusal(&asked, error, &request->arena));
}

/* ---- ends of transactions ---------------------------------------------------------------------------------------- */

/* A transaction coordinator does not expect the errors of another coordinator: it tries again. */
static enum kafka_error error_of_end(enum kafka_error error)
{
    return error == KAFKA_NOT_COORDINATOR || error == KAFKA_COORDINATOR_NOT_AVAILABLE ||
                   error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS
               ? KAFKA_NOT_LEADER_OR_FOLLOWER
               : error;
}

static void on_ended(struct group_ask *ask, void *response)
{
    const struct write_txn_markers_response_writable_txn_marker_partition_result *result = response;
    struct group_end *end = CONTAINER_OF(ask, struct group_end, ask);
    end->done(end, error_of_end((enum kafka_error)result->error_code));
}

void groups_end_transaction(struct shard *shard, int32_t partition,
                            const struct partition_marker *marker, struct group_end *end)
{
    struct groups *groups = shard->groups;
    enum kafka_error error;
    struct coord_log *log = coord_logs_serving(&groups->logs, partition, &error);
    if (log == NULL) {
        end->done(end, error_of_end(error));
        return;
    }
    end->ask = (struct group_ask){ .done = on_ended };
    const struct group_transaction_end asked = {
        .token = groups->next_token++,
        .end = { .producer_id = marker->producer_id,
                 .producer_epoch = marker->producer_epoch,
                 .is_commit = marker->is_commit,
                 .coordinator_epoch = marker->coordinator_epoch,
                 .transaction_version = marker->transaction_version },
    };
    (void)map_i64_put(&groups->asks, (int64_t)asked.token, &end->ask); /* tokens are new */
    step(log, (struct group_event){ .type = GROUP_ON_TRANSACTION_END, .transaction_end = asked });
}
