/* See groups.h. */
#include "server/groups.h"

#include "base/mem.h"
#include "base/vec.h"
#include "config/config.h"
#include "coord/group_coordinator.h"
#include "metadata/diff.h"
#include "metadata/image.h"
#include "replica/replicas.h"
#include "server/groups_load.h"
#include "server/server_int.h"
#include "wire/batch.h"

#include <arpa/inet.h>
#include <string.h>

#define TOPIC_NAME "__consumer_offsets"
/* Partitions that are read at once: each holds a slice in memory. */
#define LOADS_MAX  4

enum slot_state {
    SLOT_WAITING, /* for its log to be open, or for its turn to be read */
    SLOT_LOADING,
    SLOT_SERVING, /* or failed: the coordinator knows what to answer */
};

struct deleted_topic {
    char *name;
    struct uuid id;
};

/* One partition that this node leads. */
struct slot {
    struct list link; /* in groups->slots */
    struct groups *groups;
    struct uuid topic_id;
    int32_t partition;
    enum slot_state state;
    struct group_coordinator *coordinator; /* owned; while LOADING the load's */
    struct group_load *load;
    struct group_effects effects;
    struct io_timer timer;
    bool is_stepping;
    VEC(struct deleted_topic) deleted; /* while it could not be told */
};

/* An append that is under way. Outlives its slot. */
struct write_wait {
    struct append_wait wait;
    struct list link; /* in groups->waits */
    struct groups *groups;
    struct slot *slot; /* NULL: it has gone */
    uint64_t write_id;
};

struct groups {
    struct shard *shard;
    struct config *config;        /* as of the last apply; counted */
    struct metadata_image *image; /* the same */
    struct group_settings settings;
    struct uuid topic_id; /* of __consumer_offsets; zero: there is none */
    int32_t partition_count;
    struct list slots;
    struct slot **by_partition; /* partition_count of them; NULL where another node leads */
    struct list waits;
    struct map_i64 asks; /* token → struct group_ask */
    uint64_t next_token;
    uint32_t load_count;
    uint32_t loaded_count; /* since the last line about it */
    uint64_t loaded_records;
    int64_t load_begun_ns;
    bool is_closed;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* ---- settings ---------------------------------------------------------------------------------------- */

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
static struct group_settings settings_for(const struct slot *slot)
{
    struct group_settings settings = slot->groups->settings;
    const struct partition *p =
        replicas_get(slot->groups->shard->replicas, slot->topic_id, slot->partition);
    if (p != NULL && p->log != NULL)
        settings.batch_bytes_max = log_config(p->log)->message_bytes_max;
    return settings;
}

/* ---- carrying out --------------------------------------------------------------------------------------- */

static void step(struct slot *slot, struct group_event event);

static void on_written(struct append_wait *wait, enum kafka_error error)
{
    struct write_wait *write = CONTAINER_OF(wait, struct write_wait, wait);
    struct slot *slot = write->slot;
    const uint64_t write_id = write->write_id;
    list_remove(&write->link);
    mem_free(write);
    if (slot != NULL)
        step(slot, (struct group_event){ .type = GROUP_ON_APPENDED,
                                         .appended = { .write_id = write_id, .error = error } });
}

/* One batch as Apache Kafka's coordinator writes it. */
static struct shared *build_batch(const struct slot *slot, const struct coord_append *append)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.codec = (enum codec)config_i64(slot->groups->config,
                                           SETTING_BROKER_OFFSETS_TOPIC_COMPRESSION_CODEC);
    options.base_sequence = 0;
    struct batch_builder builder;
    batch_builder_init(&builder, &options);
    const int64_t now_ms = io_now_ms(slot->groups->shard->io);
    int r = 0;
    for (uint32_t i = 0; i < append->record_count && r == 0; i++)
        r = batch_builder_add(&builder, now_ms, append->records[i].key, append->records[i].value,
                              NULL, 0);
    struct bytes whole = BYTES_NULL;
    if (r == 0)
        r = batch_builder_finish(&builder, &whole);
    struct shared *batch = NULL;
    if (r == 0) {
        batch = shared_new(whole.size);
        memcpy(batch->data, whole.data, whole.size);
    }
    batch_builder_deinit(&builder);
    return batch;
}

static enum kafka_error append(struct slot *slot, const struct coord_append *decided)
{
    struct groups *groups = slot->groups;
    struct partition *p = replicas_get(groups->shard->replicas, slot->topic_id, slot->partition);
    if (p == NULL)
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    struct shared *batch = build_batch(slot, decided);
    if (batch == NULL)
        return KAFKA_MESSAGE_TOO_LARGE;
    struct write_wait *write = MEM_NEW(struct write_wait);
    *write = (struct write_wait){ .wait = { .is_all = true, .done = on_written },
                                  .groups = groups,
                                  .slot = slot,
                                  .write_id = decided->write_id };
    const struct log_append planned = { .owner = batch,
                                        .records = batch->data,
                                        .size_bytes = (uint32_t)batch->size,
                                        .origin = LOG_ORIGIN_COORDINATOR,
                                        .now_ms = io_now_ms(groups->shard->io),
                                        .transaction_version = -1 };
    struct log_append_result result;
    partition_append(p, &planned, &write->wait, &result);
    shared_unref(batch);
    if (result.error != KAFKA_NONE) {
        mem_free(write);
        return result.error;
    }
    list_push_back(&groups->waits, &write->link);
    return KAFKA_NONE;
}

static void answer(struct groups *groups, const struct coord_answer *answer)
{
    struct group_ask *ask = map_i64_remove(&groups->asks, (int64_t)answer->token);
    if (ask != NULL)
        ask->done(ask, answer->message);
}

static void arm(struct slot *slot, int64_t deadline_ms)
{
    struct io *io = slot->groups->shard->io;
    if (deadline_ms == INT64_MAX)
        io_timer_cancel(io, &slot->timer);
    else
        io_timer_arm(io, &slot->timer, deadline_ms * NS_PER_MS);
}

/* Appends in order; where one is refused the others must not be tried, and fail with it. */
static void carry_out(struct slot *slot, struct group_event *out_failed)
{
    struct group_effects *effects = &slot->effects;
    out_failed->type = GROUP_ON_TIMER;
    for (size_t i = 0; i < effects->appends.count; i++) {
        const enum kafka_error error = append(slot, &effects->appends.items[i]);
        if (error == KAFKA_NONE)
            continue;
        *out_failed = (struct group_event){
            .type = GROUP_ON_APPENDED,
            .appended = { .write_id = effects->appends.items[i].write_id, .error = error },
        };
        break;
    }
    for (size_t i = 0; i < effects->answers.count; i++)
        answer(slot->groups, &effects->answers.items[i]);
    arm(slot, effects->deadline_ms);
    group_effects_clear(effects);
}

/* Neither appends nor answers call back into a step: what an append came to is told at the turn's end. */
static void step(struct slot *slot, struct group_event event)
{
    ASSERT(!slot->is_stepping && slot->state == SLOT_SERVING);
    struct io *io = slot->groups->shard->io;
    slot->is_stepping = true;
    bool has_failed;
    do {
        event.now_ms = io_monotonic_ns(io) / NS_PER_MS;
        event.wall_ms = io_now_ms(io);
        io_random(io, event.random, sizeof(event.random));
        group_coordinator_step(slot->coordinator, &event, &slot->effects);
        carry_out(slot, &event);
        has_failed = event.type == GROUP_ON_APPENDED;
    } while (has_failed);
    slot->is_stepping = false;
}

static void on_timer(struct io_timer *timer)
{
    step(CONTAINER_OF(timer, struct slot, timer), (struct group_event){ .type = GROUP_ON_TIMER });
}

/* ---- topics that go --------------------------------------------------------------------------------------- */

static void forget_deleted(struct slot *slot)
{
    for (size_t i = 0; i < slot->deleted.count; i++)
        mem_free(slot->deleted.items[i].name);
    VEC_DEINIT(&slot->deleted);
}

static void tell_deleted(struct slot *slot)
{
    if (slot->state != SLOT_SERVING || slot->deleted.count == 0)
        return;
    VEC(struct group_topic_deleted) topics = { 0 };
    for (size_t i = 0; i < slot->deleted.count; i++)
        VEC_ADD(&topics,
                ((struct group_topic_deleted){ .name = bytes_from_text(slot->deleted.items[i].name),
                                               .id = slot->deleted.items[i].id }));
    step(slot, (struct group_event){
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
    LIST_FOR_EACH(&groups->slots, link)
    {
        struct slot *slot = LIST_ENTRY(link, struct slot, link);
        VEC_ADD(&slot->deleted,
                ((struct deleted_topic){ .name = bytes_to_text(before->name), .id = before->id }));
    }
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

static void load_more(struct groups *groups);

static void tell_loaded(struct groups *groups)
{
    if (groups->load_count > 0 || groups->loaded_count == 0)
        return;
    const int64_t took_ns = io_monotonic_ns(groups->shard->io) - groups->load_begun_ns;
    DIAG_INFO(groups->shard->diag, "groups",
              "%u partitions of " TOPIC_NAME " with %" PRIu64 " records are loaded, in %" PRId64
              " ms",
              groups->loaded_count, groups->loaded_records, took_ns / NS_PER_MS);
    groups->loaded_count = 0;
    groups->loaded_records = 0;
}

static void close_if_idle(struct groups *groups)
{
    if (!groups->is_closed || groups->load_count > 0 || groups->on_closed == NULL)
        return;
    void (*on_closed)(void *context) = groups->on_closed;
    groups->on_closed = NULL;
    on_closed(groups->closed_context);
}

static void on_loaded(void *context, void *owner, struct group_coordinator *coordinator,
                      const struct group_load_result *result)
{
    struct groups *groups = context;
    struct slot *slot = owner;
    groups->load_count--;
    if (slot == NULL) {
        group_coordinator_free(coordinator);
    } else {
        slot->load = NULL;
        slot->state = SLOT_SERVING;
        groups->loaded_count++;
        groups->loaded_records += result->record_count;
        if (result->error < 0)
            DIAG_ERROR(groups->shard->diag, "groups",
                       TOPIC_NAME "-%d cannot be loaded, its groups are not served: %s",
                       slot->partition, result->note->text);
        const struct group_settings settings = settings_for(slot);
        group_coordinator_set_settings(coordinator, &settings);
        step(slot, (struct group_event){ .type = result->error < 0 ? GROUP_ON_LOAD_FAILED
                                                                   : GROUP_ON_LOADED });
        tell_deleted(slot);
    }
    load_more(groups);
    tell_loaded(groups);
    close_if_idle(groups);
}

static void start_load(struct groups *groups, struct slot *slot)
{
    const struct group_settings settings = settings_for(slot);
    slot->coordinator = group_coordinator_new(&settings, groups->shard->hash_seed);
    slot->state = SLOT_LOADING;
    if (groups->load_count++ == 0)
        groups->load_begun_ns = io_monotonic_ns(groups->shard->io);
    const struct group_load_params params = {
        .io = groups->shard->io,
        .replicas = groups->shard->replicas,
        .topic_id = slot->topic_id,
        .partition = slot->partition,
        .slice_bytes =
            (uint32_t)config_i64(groups->config, SETTING_BROKER_OFFSETS_LOAD_BUFFER_SIZE),
        .coordinator = slot->coordinator,
        .done = on_loaded,
        .context = groups,
        .owner = slot,
    };
    slot->load = group_load_start(&params);
}

/* Those whose logs are open, a few at a time. */
static void load_more(struct groups *groups)
{
    LIST_FOR_EACH(&groups->slots, link)
    {
        struct slot *slot = LIST_ENTRY(link, struct slot, link);
        if (groups->load_count == LOADS_MAX || groups->is_closed)
            return;
        const struct partition *p =
            replicas_get(groups->shard->replicas, slot->topic_id, slot->partition);
        if (slot->state == SLOT_WAITING && p != NULL && p->state == PARTITION_ONLINE)
            start_load(groups, slot);
    }
}

/* ---- slots that come and go ---------------------------------------------------------------------------------- */

static void slot_open(struct groups *groups, int32_t partition)
{
    struct slot *slot = MEM_NEW(struct slot);
    slot->groups = groups;
    slot->topic_id = groups->topic_id;
    slot->partition = partition;
    slot->timer.fire = on_timer;
    group_effects_init(&slot->effects);
    list_push_back(&groups->slots, &slot->link);
    groups->by_partition[partition] = slot;
}

static void slot_free(struct slot *slot)
{
    LIST_FOR_EACH(&slot->groups->waits, link)
    {
        struct write_wait *write = LIST_ENTRY(link, struct write_wait, link);
        if (write->slot == slot)
            write->slot = NULL;
    }
    list_remove(&slot->link);
    io_timer_cancel(slot->groups->shard->io, &slot->timer);
    if (slot->load != NULL)
        group_load_disown(slot->load);
    else
        group_coordinator_free(slot->coordinator);
    group_effects_deinit(&slot->effects);
    forget_deleted(slot);
    mem_free(slot);
}

/* Leadership has gone: everyone who waits is told to look elsewhere. */
static void slot_close(struct slot *slot)
{
    slot->groups->by_partition[slot->partition] = NULL;
    if (slot->state == SLOT_SERVING)
        step(slot, (struct group_event){ .type = GROUP_ON_UNLOAD });
    slot_free(slot);
}

static void close_all(struct groups *groups)
{
    LIST_FOR_EACH(&groups->slots, link)
    slot_close(LIST_ENTRY(link, struct slot, link));
}

static bool is_led_here(const struct groups *groups, const struct metadata_topic *topic,
                        int32_t partition)
{
    const struct metadata_partition *told = metadata_topic_partition(topic, partition);
    return told != NULL && told->leader == groups->shard->node_id;
}

static void follow_topic(struct groups *groups)
{
    const struct metadata_topic *topic =
        metadata_topic_by_name(groups->image, BYTES_LITERAL(TOPIC_NAME));
    const struct uuid topic_id = topic == NULL ? UUID_ZERO : topic->id;
    const int32_t count = topic == NULL ? 0 : (int32_t)metadata_topic_partition_count(topic);
    if (!uuid_equal(topic_id, groups->topic_id) || count < groups->partition_count)
        close_all(groups);
    if (count > groups->partition_count || !uuid_equal(topic_id, groups->topic_id)) {
        groups->by_partition = mem_reallocarray(groups->by_partition, (size_t)MAX(count, 1),
                                                sizeof(*groups->by_partition));
        const int32_t kept = uuid_equal(topic_id, groups->topic_id) ? groups->partition_count : 0;
        for (int32_t i = kept; i < count; i++)
            groups->by_partition[i] = NULL;
    }
    groups->topic_id = topic_id;
    groups->partition_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct slot *slot = groups->by_partition[i];
        const bool is_ours = is_led_here(groups, topic, i);
        if (slot != NULL && !is_ours)
            slot_close(slot);
        else if (slot == NULL && is_ours)
            slot_open(groups, i);
    }
}

static void follow_config(struct groups *groups)
{
    if (groups->config == groups->shard->config)
        return;
    config_unref(groups->config);
    groups->config = config_ref(groups->shard->config);
    groups->settings = settings_of(groups->config);
}

static void refresh_settings(struct groups *groups)
{
    LIST_FOR_EACH(&groups->slots, link)
    {
        struct slot *slot = LIST_ENTRY(link, struct slot, link);
        const struct group_settings settings = settings_for(slot);
        if (slot->state == SLOT_SERVING)
            group_coordinator_set_settings(slot->coordinator, &settings);
    }
}

void groups_apply(struct groups *groups)
{
    if (groups->is_closed)
        return;
    follow_config(groups);
    if (groups->image != groups->shard->image) {
        const struct metadata_observer observer = { .context = groups, .on_topic = on_topic };
        struct metadata_image *before = groups->image;
        groups->image = metadata_image_ref(groups->shard->image);
        metadata_image_diff(before, groups->image, &observer);
        metadata_image_unref(before);
        follow_topic(groups);
        LIST_FOR_EACH(&groups->slots, link)
        tell_deleted(LIST_ENTRY(link, struct slot, link));
    }
    refresh_settings(groups);
    load_more(groups);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct groups *groups_new(struct shard *shard)
{
    struct groups *groups = MEM_NEW(struct groups);
    groups->shard = shard;
    groups->next_token = 1;
    list_init(&groups->slots);
    list_init(&groups->waits);
    map_i64_init(&groups->asks, shard->hash_seed);
    follow_config(groups);
    return groups;
}

void groups_close(struct groups *groups, void (*done)(void *context), void *context)
{
    groups->is_closed = true;
    groups->on_closed = done;
    groups->closed_context = context;
    close_all(groups);
    close_if_idle(groups);
}

void groups_free(struct groups *groups)
{
    if (groups == NULL)
        return;
    LIST_FOR_EACH(&groups->slots, link)
    slot_free(LIST_ENTRY(link, struct slot, link));
    LIST_FOR_EACH(&groups->waits, link)
    mem_free(LIST_ENTRY(link, struct write_wait, link));
    map_i64_deinit(&groups->asks);
    mem_free(groups->by_partition);
    metadata_image_unref(groups->image);
    config_unref(groups->config);
    mem_free(groups);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

int32_t groups_partition_count(const struct shard *shard)
{
    return shard->groups->partition_count;
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
    return (struct group_request){ .api_key = request->api->key,
                                   .version = request->version,
                                   .client_id = request->client_id,
                                   .client_host = client_host(request),
                                   .message = message };
}

void groups_ask(struct request *request, int32_t partition, const void *message,
                struct group_ask *ask)
{
    struct groups *groups = request->shard->groups;
    struct group_event event = { .type = GROUP_ON_REQUEST, .request = describe(request, message) };
    struct slot *slot = partition < 0 || partition >= groups->partition_count
                            ? NULL
                            : groups->by_partition[partition];
    if (slot == NULL || slot->state != SLOT_SERVING) {
        const enum kafka_error error =
            slot == NULL ? KAFKA_NOT_COORDINATOR : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
        ask->done(ask, group_refusal(&event.request, error, &request->arena));
        return;
    }
    event.request.token = groups->next_token++;
    (void)map_i64_put(&groups->asks, (int64_t)event.request.token, ask); /* tokens are new */
    step(slot, event);
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
