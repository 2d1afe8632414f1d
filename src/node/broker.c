/* See broker.h. */
#include "node/broker.h"

#include "base/mem.h"
#include "config/config.h"
#include "config/listeners.h"
#include "log/dirs/log_dirs.h"
#include "metadata/feature.h"
#include "metadata/image.h"
#include "server/controller_link.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/messages/broker_registration_request.h"
#include "wire/messages/broker_registration_response.h"
#include "wire/messages/controller_registration_request.h"

#define REGISTRATION_VERSION 4
#define HEARTBEAT_VERSION    2
#define RETRY_MS             100

enum broker_state {
    BROKER_REGISTERING,
    BROKER_STARTING,
    BROKER_RUNNING,
    BROKER_LEAVING,
    BROKER_GONE
};

struct broker {
    struct shard *shard;
    struct broker_owner owner;
    enum broker_state state;
    struct uuid incarnation_id;
    int64_t epoch;
    int64_t previous_epoch;
    bool is_ready;
    bool is_asking; /* a request is under way */
    bool is_controller_registered;
    struct io_timer timer;
    struct io_timer patience;
    struct arena arena; /* of the request under way */
    struct arena controller_arena;
    struct principal principal;
};

static void act(struct broker *b);

static void on_timer(struct io_timer *timer)
{
    act(CONTAINER_OF(timer, struct broker, timer));
}

static void leave_done(struct broker *b)
{
    if (b->state == BROKER_GONE)
        return;
    b->state = BROKER_GONE;
    io_timer_cancel(b->shard->io, &b->timer);
    io_timer_cancel(b->shard->io, &b->patience);
    b->owner.on_gone(b->owner.context);
}

static void on_patience(struct io_timer *timer)
{
    leave_done(CONTAINER_OF(timer, struct broker, patience));
}

struct broker *broker_new(struct shard *shard, const struct broker_owner *owner,
                          int64_t previous_epoch)
{
    struct broker *b = MEM_NEW(struct broker);
    *b = (struct broker){
        .shard = shard,
        .owner = *owner,
        .epoch = -1,
        .previous_epoch = previous_epoch,
        .incarnation_id = io_random_uuid(shard->io),
        .timer = { .fire = on_timer },
        .patience = { .fire = on_patience },
        .principal = PRINCIPAL_ANONYMOUS,
    };
    arena_init(&b->arena, 1u << 20);
    arena_init(&b->controller_arena, 1u << 20);
    return b;
}

void broker_free(struct broker *b)
{
    if (b == NULL)
        return;
    io_timer_cancel(b->shard->io, &b->timer);
    io_timer_cancel(b->shard->io, &b->patience);
    arena_deinit(&b->arena);
    arena_deinit(&b->controller_arena);
    mem_free(b);
}

int64_t broker_epoch(const struct broker *b)
{
    return b->epoch;
}

static void retry_after(struct broker *b, int64_t delay_ms)
{
    if (b->state != BROKER_GONE)
        io_timer_arm_after(b->shard->io, &b->timer, delay_ms);
}

/* ---- registration ---------------------------------------------------------------------------- */

static void fill_listeners(struct broker *b, struct broker_registration_request *request)
{
    const struct listeners *all = config_listeners(b->shard->config);
    request->listeners =
        broker_registration_request_listener_array(&b->arena, MAX(all->count, (size_t)1));
    for (size_t i = 0; i < all->count; i++) {
        const struct listener *listener = &all->items[i];
        if (listener->is_controller || !listener->is_advertised)
            continue;
        struct broker_registration_request_listener *out =
            &request->listeners[request->listeners_count++];
        out->name = bytes_from_text(listener->bind.name);
        out->host = bytes_from_text(listener->advertised.host);
        out->port = listener->advertised.port;
        out->security_protocol = (int16_t)listener->protocol;
    }
}

static void fill_features(struct broker *b, struct broker_registration_request *request)
{
    uint32_t count;
    const struct feature *all = features(&count);
    request->features = broker_registration_request_feature_array(&b->arena, count);
    request->features_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        request->features[i].name = bytes_from_text(all[i].name);
        request->features[i].min_supported_version = all[i].min;
        request->features[i].max_supported_version = all[i].max;
    }
}

static void fill_directories(struct broker *b, struct broker_registration_request *request)
{
    const uint32_t count = log_dirs_count(b->shard->log_dirs);
    request->log_dirs = ARENA_NEW_ARRAY(&b->arena, struct uuid, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct log_dir *dir = log_dirs_at(b->shard->log_dirs, i);
        if (dir->is_online && !dir->is_for_metadata)
            request->log_dirs[request->log_dirs_count++] = dir->id;
    }
}

static void on_registration(void *context, enum kafka_error error, const void *response)
{
    struct broker *b = context;
    const struct broker_registration_response *answer = response;
    b->is_asking = false;
    if (b->state != BROKER_REGISTERING)
        return;
    if (error != KAFKA_NONE) {
        retry_after(b, RETRY_MS);
        return;
    }
    if (answer->error_code != KAFKA_NONE) {
        DIAG_ERROR(b->shard->diag, "broker", "the controller refuses this broker: %s",
                   kafka_error_sentence(answer->error_code));
        b->owner.on_refused(b->owner.context, (enum kafka_error)answer->error_code);
        return;
    }
    b->epoch = answer->broker_epoch;
    b->state = BROKER_STARTING;
    b->owner.on_registered(b->owner.context);
}

static void send_registration(struct broker *b)
{
    const struct shard *shard = b->shard;
    arena_reset(&b->arena);
    struct broker_registration_request *request =
        ARENA_NEW(&b->arena, struct broker_registration_request);
    *request = broker_registration_request_default;
    request->broker_id = shard->node_id;
    request->cluster_id = bytes_from_text(shard->cluster_id);
    request->incarnation_id = b->incarnation_id;
    request->rack = bytes_from_text(config_text(shard->config, SETTING_BROKER_BROKER_RACK));
    request->previous_broker_epoch = b->previous_epoch;
    fill_listeners(b, request);
    fill_features(b, request);
    fill_directories(b, request);
    b->is_asking = true;
    shard->controller->ask(shard->controller, API_BROKER_REGISTRATION, REGISTRATION_VERSION,
                           request, &b->principal, on_registration, b);
}

/* A controller tells the others what it can do (KIP-919). */
static void on_controller_registration(void *context, enum kafka_error error, const void *response)
{
    struct broker *b = context;
    (void)response;
    b->is_controller_registered = error == KAFKA_NONE;
}

static void send_controller_registration(struct broker *b)
{
    const struct shard *shard = b->shard;
    const struct listeners *all = config_listeners(shard->config);
    arena_reset(&b->controller_arena);
    struct controller_registration_request *request =
        ARENA_NEW(&b->controller_arena, struct controller_registration_request);
    *request = controller_registration_request_default;
    request->controller_id = shard->node_id;
    request->incarnation_id = b->incarnation_id;
    request->listeners = controller_registration_request_listener_array(&b->controller_arena,
                                                                        MAX(all->count, (size_t)1));
    for (size_t i = 0; i < all->count; i++) {
        if (!all->items[i].is_controller)
            continue;
        const struct endpoint *endpoint =
            all->items[i].is_advertised ? &all->items[i].advertised : &all->items[i].bind;
        struct controller_registration_request_listener *out =
            &request->listeners[request->listeners_count++];
        out->name = bytes_from_text(endpoint->name);
        out->host = bytes_from_text(endpoint->host[0] == '\0' ? "localhost" : endpoint->host);
        out->port = (uint16_t)endpoint->port;
        out->security_protocol = (int16_t)all->items[i].protocol;
    }
    uint32_t count;
    const struct feature *features_known = features(&count);
    request->features = controller_registration_request_feature_array(&b->controller_arena, count);
    request->features_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        request->features[i].name = bytes_from_text(features_known[i].name);
        request->features[i].min_supported_version = features_known[i].min;
        request->features[i].max_supported_version = features_known[i].max;
    }
    shard->controller->ask(shard->controller, API_CONTROLLER_REGISTRATION, 0, request,
                           &b->principal, on_controller_registration, b);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void on_heartbeat(void *context, enum kafka_error error, const void *response)
{
    struct broker *b = context;
    const struct broker_heartbeat_response *answer = response;
    b->is_asking = false;
    const int64_t interval_ms =
        config_i64(b->shard->config, SETTING_BROKER_BROKER_HEARTBEAT_INTERVAL_MS);
    if (error != KAFKA_NONE || answer->error_code != KAFKA_NONE) {
        retry_after(b, RETRY_MS);
        return;
    }
    if (b->state == BROKER_LEAVING) {
        if (answer->should_shut_down)
            leave_done(b);
        else
            retry_after(b, RETRY_MS);
        return;
    }
    if (b->state == BROKER_STARTING && b->is_ready && !answer->is_fenced) {
        b->state = BROKER_RUNNING;
        b->owner.on_running(b->owner.context);
    }
    retry_after(b, b->state == BROKER_STARTING && b->is_ready ? RETRY_MS : interval_ms);
}

static void send_heartbeat(struct broker *b)
{
    const struct shard *shard = b->shard;
    arena_reset(&b->arena);
    struct broker_heartbeat_request *request =
        ARENA_NEW(&b->arena, struct broker_heartbeat_request);
    *request = broker_heartbeat_request_default;
    request->broker_id = shard->node_id;
    request->broker_epoch = b->epoch;
    request->current_metadata_offset = shard->image->provenance.offset;
    request->want_fence = !b->is_ready;
    request->want_shut_down = b->state == BROKER_LEAVING;
    request->offline_log_dirs =
        ARENA_NEW_ARRAY(&b->arena, struct uuid, log_dirs_count(shard->log_dirs));
    for (uint32_t i = 0; i < log_dirs_count(shard->log_dirs); i++) {
        const struct log_dir *dir = log_dirs_at(shard->log_dirs, i);
        if (!dir->is_online && !dir->is_for_metadata && !uuid_is_zero(dir->id))
            request->offline_log_dirs[request->offline_log_dirs_count++] = dir->id;
    }
    b->is_asking = true;
    shard->controller->ask(shard->controller, API_BROKER_HEARTBEAT, HEARTBEAT_VERSION, request,
                           &b->principal, on_heartbeat, b);
}

/* Does what the state asks for next, unless a request is under way (its answer comes back here). */
static void act(struct broker *b)
{
    if (b->is_asking) {
        retry_after(b, RETRY_MS);
        return;
    }
    switch (b->state) {
    case BROKER_REGISTERING:
        send_registration(b);
        return;
    case BROKER_STARTING:
    case BROKER_RUNNING:
    case BROKER_LEAVING:
        send_heartbeat(b);
        return;
    case BROKER_GONE:
        return;
    }
}

void broker_controller_active(struct broker *b)
{
    if (!b->is_controller_registered && config_has_role_controller(b->shard->config))
        send_controller_registration(b);
    io_timer_cancel(b->shard->io, &b->timer);
    act(b);
}

void broker_ready(struct broker *b)
{
    b->is_ready = true;
    io_timer_cancel(b->shard->io, &b->timer);
    act(b);
}

void broker_leave(struct broker *b, int64_t patience_ms)
{
    if (b->state == BROKER_GONE)
        return;
    const bool was_known = b->state == BROKER_RUNNING;
    b->state = BROKER_LEAVING;
    io_timer_cancel(b->shard->io, &b->timer);
    io_timer_arm_after(b->shard->io, &b->patience, was_known ? patience_ms : 0);
    if (was_known)
        act(b);
}
