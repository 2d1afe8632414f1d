/* See admin.h. */
#include "client/admin.h"

#include "base/mem.h"
#include "client/settings.h"
#include "wire/kafka_error.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"

#define FIND_COORDINATOR_VERSION_ONE_KEY 3 /* the last in which a request asks about one */
#define COORDINATOR_GROUP                0

struct admin {
    struct client_loop loop;
    struct client_settings settings;
    int64_t api_timeout_ms;
    struct cluster *cluster;
    struct map coordinators; /* group → its id + 1 as a pointer's number */
};

static bool is_answered(void *context)
{
    const struct client_call *call = context;
    return !call->is_open_;
}

static void on_done(struct client_call *call)
{
    (void)call; /* the waiter looks by itself */
}

int64_t admin_deadline(const struct admin *admin)
{
    return io_monotonic_ns(admin->loop.io) + admin->api_timeout_ms * NS_PER_MS;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

int admin_pause(struct admin *admin, int64_t deadline_ns)
{
    const int64_t now = io_monotonic_ns(admin->loop.io);
    if (now >= deadline_ns)
        return -ERR_TIMEOUT;
    const int r = client_loop_wait(&admin->loop, never, NULL,
                                   now + admin->settings.retry_backoff_ms * NS_PER_MS);
    return r == -ERR_TIMEOUT ? 0 : r;
}

struct refresh {
    const struct cluster *cluster;
    uint64_t ticket;
};

static bool is_refreshed(void *context)
{
    const struct refresh *refresh = context;
    return cluster_is_refreshed(refresh->cluster, refresh->ticket) ||
           cluster_is_nowhere(refresh->cluster);
}

int admin_refresh(struct admin *admin, const struct bytes *topics, size_t count, bool all,
                  struct err_note *note)
{
    for (size_t i = 0; i < count; i++)
        cluster_want(admin->cluster, topics[i]);
    if (all)
        cluster_want_all(admin->cluster);
    struct refresh refresh = { .cluster = admin->cluster,
                               .ticket = cluster_refresh(admin->cluster) };
    const int r = client_loop_wait(&admin->loop, is_refreshed, &refresh, admin_deadline(admin));
    if (r == 0 && cluster_is_nowhere(admin->cluster))
        return cluster_nowhere(admin->cluster, note);
    return r < 0 ? err_note(note, r, "Timed out waiting for a node assignment: no broker answers")
                 : 0;
}

static int find_coordinator(struct admin *admin, struct bytes group, int64_t deadline_ns,
                            int32_t *out, struct err_note *note)
{
    const uintptr_t known = (uintptr_t)map_get(&admin->coordinators, group);
    if (known != 0) {
        *out = (int32_t)(known - 1);
        return 0;
    }
    struct find_coordinator_request request = find_coordinator_request_default;
    request.key = group;
    request.key_type = COORDINATOR_GROUP;
    for (;;) {
        struct client_call call = { .key = API_FIND_COORDINATOR,
                                    .request = &request,
                                    .version_max = FIND_COORDINATOR_VERSION_ONE_KEY };
        int r = admin_call(admin, ADMIN_ANY, &call, note);
        int16_t error = KAFKA_NONE;
        if (r == 0) {
            const struct find_coordinator_response *response = call.response;
            error = response->error_code;
            *out = response->node_id;
        }
        client_call_deinit(&call);
        if (r < 0)
            return r;
        if (error == KAFKA_NONE)
            break;
        if (!kafka_error_is_retriable(error))
            return err_note(note, -ERR_NOT_FOUND, "%s", kafka_error_sentence(error));
        r = admin_pause(admin, deadline_ns);
        if (r < 0)
            return err_note(note, r, "%s", kafka_error_sentence(error));
    }
    (void)map_put(&admin->coordinators, group, (void *)((uintptr_t)*out + 1));
    return 0;
}

static int find(struct admin *admin, struct admin_target target, int64_t deadline_ns,
                struct channel **out, struct err_note *note)
{
    int32_t id = target.id;
    int r = 0;
    if (target.route == ADMIN_TO_ANY || target.route == ADMIN_TO_CONTROLLER) {
        *out = cluster_any(admin->cluster);
        return 0;
    }
    if (target.route == ADMIN_TO_GROUP)
        r = find_coordinator(admin, target.key, deadline_ns, &id, note);
    if (r < 0)
        return r;
    *out = cluster_broker(admin->cluster, id);
    if (*out == NULL) {
        r = admin_refresh(admin, NULL, 0, false, note);
        if (r < 0)
            return r;
        *out = cluster_broker(admin->cluster, id);
    }
    return *out == NULL ? err_note(note, -ERR_NOT_FOUND, "There is no broker %" PRId32, id) : 0;
}

static bool may_try_again(int result)
{
    return result != -ERR_VERSION && result != -ERR_CANCELLED && result != -ERR_MALFORMED &&
           result != -ERR_LIMIT && result != -ERR_PROTOCOL;
}

int admin_call(struct admin *admin, struct admin_target target, struct client_call *call,
               struct err_note *note)
{
    const int64_t deadline_ns = admin_deadline(admin);
    call->done = on_done;
    for (;;) {
        struct channel *connection;
        int r = find(admin, target, deadline_ns, &connection, note);
        if (r < 0)
            return r;
        channel_send(connection, call);
        r = client_loop_wait(&admin->loop, is_answered, call, INT64_MAX);
        if (r < 0) {
            client_call_cancel(call);
            return err_note(note, r, "%s", err_sentence(r));
        }
        if (call->result == 0)
            return 0;
        cluster_pass_over(admin->cluster, call->result, call->note.text);
        if (cluster_is_nowhere(admin->cluster))
            return cluster_nowhere(admin->cluster, note);
        if (target.route == ADMIN_TO_GROUP)
            admin_forget_coordinator(admin, target.key);
        if (!may_try_again(call->result))
            return err_note(note, call->result, "%s", call->note.text);
        r = admin_pause(admin, deadline_ns);
        if (r < 0)
            return err_note(note, r, "Timed out waiting for a node assignment. %s",
                            call->note.text);
    }
}

void admin_forget_coordinator(struct admin *admin, struct bytes group)
{
    (void)map_remove(&admin->coordinators, group);
}

bool admin_coordinator_id(const struct admin *admin, struct bytes group, int32_t *out)
{
    const uintptr_t known = (uintptr_t)map_get(&admin->coordinators, group);
    if (known != 0)
        *out = (int32_t)(known - 1);
    return known != 0;
}

struct channel *admin_coordinator(struct admin *admin, struct bytes group)
{
    int32_t id;
    return admin_coordinator_id(admin, group, &id) ? cluster_broker(admin->cluster, id) : NULL;
}

struct cluster *admin_cluster(struct admin *admin)
{
    return admin->cluster;
}

static int64_t api_timeout(const struct config *config)
{
    switch (config_kind(config)) {
    case SETTING_KIND_CONSUMER:
        return config_i64(config, SETTING_CONSUMER_DEFAULT_API_TIMEOUT_MS);
    case SETTING_KIND_PRODUCER:
        return config_i64(config, SETTING_PRODUCER_MAX_BLOCK_MS);
    case SETTING_KIND_ADMIN:
    case SETTING_KIND_BROKER:
    case SETTING_KIND_TOPIC:
    case SETTING_KIND_GROUP:
    case SETTING_KIND_CLIENT_METRICS:
    case SETTING_KIND_COUNT:
        break;
    }
    return config_i64(config, SETTING_ADMIN_DEFAULT_API_TIMEOUT_MS);
}

int admin_new(const struct client_loop *loop, const struct config *config, const struct diag *diag,
              struct admin **out, struct err_note *note)
{
    struct admin *admin = MEM_NEW(struct admin);
    admin->loop = *loop;
    admin->settings = client_settings_from(config);
    admin->api_timeout_ms = api_timeout(config);
    uint64_t seed;
    io_random(loop->io, &seed, sizeof(seed));
    map_init(&admin->coordinators, seed);
    const struct cluster_params params = {
        .io = loop->io,
        .settings = admin->settings,
        .bootstrap = client_bootstrap_servers(config),
        .diag = diag,
    };
    const int r = cluster_new(&params, &admin->cluster, note);
    if (r < 0)
        admin_free(admin);
    else
        *out = admin;
    return r;
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    cluster_free(admin->cluster);
    map_deinit(&admin->coordinators);
    mem_free(admin);
}
