/* See cluster.h. */
#include "client/cluster.h"

#include "base/host_port.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/vec.h"
#include "client/settings.h"
#include "wire/kafka_error.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"

#include <string.h>

#define PARTITION_INDEX_MAX 1000000 /* a larger one is nonsense, and not made an array of */

struct broker {
    int32_t id;
    char *host;
    uint16_t port;
    struct channel *connection;  /* NULL until it is asked for */
    struct channel *coordinator; /* the same */
};

struct server {
    char *host;
    uint16_t port;
    struct channel *connection;
};

struct cluster {
    struct io *io;
    struct client_settings settings;
    bool allows_topic_creation;
    const struct diag *diag;
    struct cluster_owner owner;
    VEC(struct server) bootstrap;
    struct map_i64 brokers; /* id → struct broker */
    VEC(int32_t) ids;
    struct map topics; /* name → struct cluster_topic */
    struct map wanted; /* name → the cluster itself, as a mark */
    bool wants_all;
    uint32_t turn;       /* of the next server that is tried */
    uint32_t unresolved; /* how many in a row had names that nobody knows */
    uint64_t generation;

    struct client_call call;
    struct metadata_request request;
    struct arena request_arena;
    uint64_t ticket; /* of the latest refresh that was asked for */
    uint64_t ticket_sent;
    uint64_t ticket_answered;
    bool has_news; /* something is wanted that was not asked about yet */
    uint32_t failure_count;
    int64_t not_before_ns; /* the next request, but for news */
    struct rng rng;
    struct io_timer retry; /* sends it */
    struct io_timer age;
};

/* ---- topics ---------------------------------------------------------------------------------- */

static void topic_free(struct cluster_topic *topic)
{
    mem_free(topic->name);
    mem_free(topic->partitions);
    mem_free(topic);
}

static void drop_topics(struct cluster *c)
{
    for (struct map_walk w = { 0 }; map_next(&c->topics, &w);)
        topic_free(w.value);
    map_clear(&c->topics);
}

static void set_partitions(struct cluster_topic *topic, const struct metadata_response_topic *from)
{
    int32_t count = 0;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        const int32_t index = from->partitions[i].partition_index;
        if (index >= 0 && index < PARTITION_INDEX_MAX)
            count = MAX(count, index + 1);
    }
    topic->partitions = MEM_NEW_ARRAY(struct cluster_partition, (size_t)count);
    topic->partition_count = count;
    for (int32_t i = 0; i < count; i++)
        topic->partitions[i] = (struct cluster_partition){
            .index = i, .leader = -1, .leader_epoch = -1, .error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION
        };
    for (int32_t i = 0; i < from->partitions_count; i++) {
        const struct metadata_response_partition *p = &from->partitions[i];
        if (p->partition_index < 0 || p->partition_index >= count)
            continue;
        topic->partitions[p->partition_index] =
            (struct cluster_partition){ .index = p->partition_index,
                                        .leader = p->leader_id,
                                        .leader_epoch = p->leader_epoch,
                                        .error = p->error_code };
    }
}

/* An answer that is older than what we know (a stale broker) does not take a leader back. */
static void keep_newer_leaders(struct cluster_topic *topic, const struct cluster_topic *old)
{
    if (!uuid_equal(topic->id, old->id))
        return;
    for (int32_t i = 0; i < MIN(topic->partition_count, old->partition_count); i++) {
        if (old->partitions[i].leader_epoch > topic->partitions[i].leader_epoch)
            topic->partitions[i] = old->partitions[i];
    }
}

static void put_topic(struct cluster *c, const struct metadata_response_topic *from)
{
    if (bytes_is_null(from->name))
        return;
    struct cluster_topic *topic = MEM_NEW(struct cluster_topic);
    topic->name = bytes_to_text(from->name);
    topic->id = from->topic_id;
    topic->error = from->error_code;
    topic->is_internal = from->is_internal;
    set_partitions(topic, from);
    struct cluster_topic *old = map_put(&c->topics, from->name, topic);
    if (old != NULL) {
        keep_newer_leaders(topic, old);
        topic_free(old);
    }
}

/* ---- brokers --------------------------------------------------------------------------------- */

/* The connection of a bootstrap server that turns out to be this broker. */
static struct channel *adopt(struct cluster *c, const char *host, uint16_t port)
{
    for (size_t i = 0; i < c->bootstrap.count; i++) {
        struct server *s = &c->bootstrap.items[i];
        if (s->connection != NULL && s->port == port && strcmp(s->host, host) == 0)
            return TAKE(s->connection);
    }
    return NULL;
}

static void put_broker(struct cluster *c, const struct metadata_response_broker *from)
{
    if (from->port <= 0 || from->port > UINT16_MAX)
        return;
    VEC_ADD(&c->ids, from->node_id);
    struct broker *broker = map_i64_get(&c->brokers, from->node_id);
    if (broker != NULL && broker->port == from->port && bytes_equal_text(from->host, broker->host))
        return;
    if (broker == NULL) {
        broker = MEM_NEW(struct broker);
        broker->id = from->node_id;
        (void)map_i64_put(&c->brokers, from->node_id, broker);
    }
    mem_free(broker->host);
    broker->host = bytes_to_text(from->host);
    broker->port = (uint16_t)from->port;
    if (broker->connection == NULL)
        broker->connection = adopt(c, broker->host, broker->port);
    else /* not ended: this answer may have come by it */
        channel_move(broker->connection, broker->host, broker->port);
    if (broker->coordinator != NULL)
        channel_move(broker->coordinator, broker->host, broker->port);
}

static struct channel *made(const struct cluster *c, const struct broker *broker,
                            struct channel **connection)
{
    if (*connection == NULL)
        *connection = channel_new(c->io, &c->settings, broker->host, broker->port);
    return *connection;
}

struct channel *cluster_broker(struct cluster *c, int32_t id)
{
    struct broker *broker = map_i64_get(&c->brokers, id);
    return broker == NULL ? NULL : made(c, broker, &broker->connection);
}

struct channel *cluster_coordinator(struct cluster *c, int32_t id)
{
    struct broker *broker = map_i64_get(&c->brokers, id);
    return broker == NULL ? NULL : made(c, broker, &broker->coordinator);
}

static struct channel *server_channel(struct cluster *c, struct server *server)
{
    if (server->connection == NULL)
        server->connection = channel_new(c->io, &c->settings, server->host, server->port);
    return server->connection;
}

struct channel *cluster_any(struct cluster *c)
{
    for (size_t i = 0; i < c->bootstrap.count; i++) {
        struct server *s = &c->bootstrap.items[i];
        if (s->connection != NULL && channel_is_ready(s->connection))
            return s->connection;
    }
    for (size_t i = 0; i < c->ids.count; i++) {
        const struct broker *b = map_i64_get(&c->brokers, c->ids.items[i]);
        if (b->connection != NULL && channel_is_ready(b->connection))
            return b->connection;
    }
    /* Brokers that are known and bootstrap servers in turn: a cluster may have moved altogether (KIP-899). */
    const size_t at = c->turn % (c->ids.count + c->bootstrap.count);
    if (at < c->ids.count)
        return cluster_broker(c, c->ids.items[at]);
    return server_channel(c, &c->bootstrap.items[at - c->ids.count]);
}

void cluster_pass_over(struct cluster *c, int result, const char *words)
{
    if (result < 0 && result != -ERR_CANCELLED)
        DIAG_WARN(c->diag, "client", "Connection could not be used: %s. Node may not be available.",
                  words);
    c->turn++;
    c->unresolved = result == -ERR_NOT_FOUND ? c->unresolved + 1 : 0;
}

bool cluster_is_nowhere(const struct cluster *c)
{
    return c->generation == 0 && c->unresolved >= c->bootstrap.count;
}

int cluster_nowhere(const struct cluster *c, struct err_note *note)
{
    ASSERT(cluster_is_nowhere(c));
    return err_note(note, -ERR_INVALID_SETTING,
                    "No resolvable bootstrap urls given in bootstrap.servers: there is no host %s",
                    c->bootstrap.items[0].host);
}

/* ---- refreshing ------------------------------------------------------------------------------ */

static void tell(struct cluster *c, int result)
{
    if (c->owner.on_metadata != NULL)
        c->owner.on_metadata(c->owner.context, result);
}

static void take_answer(struct cluster *c, const struct metadata_response *response)
{
    c->ids.count = 0;
    for (int32_t i = 0; i < response->brokers_count; i++)
        put_broker(c, &response->brokers[i]);
    if (c->wants_all)
        drop_topics(c);
    for (int32_t i = 0; i < response->topics_count; i++)
        put_topic(c, &response->topics[i]);
    c->generation++;
}

static void ask_again(struct cluster *c);

static void on_metadata(struct client_call *call)
{
    struct cluster *c = call->context;
    const int result = call->result;
    arena_deinit(&c->request_arena);
    if (result == -ERR_CANCELLED)
        return;
    const int64_t now_ns = io_monotonic_ns(c->io);
    if (result < 0) {
        cluster_pass_over(c, result, call->note.text);
        c->has_news = false;
        c->not_before_ns =
            now_ns + client_retry_backoff_ns(&c->settings, c->failure_count++, &c->rng);
    } else {
        take_answer(c, call->response);
        client_call_deinit(call);
        c->failure_count = 0;
        c->ticket_answered = c->ticket_sent;
        c->not_before_ns = now_ns + c->settings.retry_backoff_ms * NS_PER_MS;
        io_timer_arm_after(c->io, &c->age, c->settings.metadata_max_age_ms);
    }
    if (result < 0 || c->ticket > c->ticket_answered)
        ask_again(c);
    tell(c, result);
}

static void ask(struct cluster *c)
{
    io_timer_cancel(c->io, &c->retry);
    c->has_news = false;
    c->ticket_sent = c->ticket;
    arena_init(&c->request_arena, CLIENT_ARENA_BYTES_MAX);
    metadata_request_init(&c->request);
    c->request.allow_auto_topic_creation = c->allows_topic_creation;
    if (c->wants_all) {
        c->request.topics = NULL;
        c->request.topics_count = -1;
    } else {
        const uint32_t count = map_count(&c->wanted);
        c->request.topics = metadata_request_topic_array(&c->request_arena, count);
        for (struct map_walk w = { 0 }; map_next(&c->wanted, &w);)
            c->request.topics[c->request.topics_count++].name =
                bytes_from(arena_dup(&c->request_arena, w.key.data, w.key.size), w.key.size);
    }
    c->call.key = API_METADATA;
    c->call.request = &c->request;
    c->call.done = on_metadata;
    c->call.context = c;
    channel_send(cluster_any(c), &c->call);
}

/* As soon as may be. */
static void ask_again(struct cluster *c)
{
    if (c->call.is_open_)
        return;
    if (c->has_news || io_monotonic_ns(c->io) >= c->not_before_ns)
        ask(c);
    else
        io_timer_arm(c->io, &c->retry, c->not_before_ns);
}

static void on_retry(struct io_timer *timer)
{
    ask_again(CONTAINER_OF(timer, struct cluster, retry));
}

static void on_age(struct io_timer *timer)
{
    (void)cluster_refresh(CONTAINER_OF(timer, struct cluster, age));
}

uint64_t cluster_refresh(struct cluster *c)
{
    c->ticket++;
    ask_again(c);
    return c->ticket;
}

bool cluster_is_refreshed(const struct cluster *c, uint64_t ticket)
{
    return c->ticket_answered >= ticket;
}

/* ---- face ------------------------------------------------------------------------------------ */

static int add_server(struct cluster *c, const char *text, struct err_note *note)
{
    struct host_port place;
    if (host_port_parse(bytes_from_text(text), &place, NULL) < 0 || place.host.size == 0 ||
        place.port == 0)
        return err_note(note, -ERR_INVALID_SETTING,
                        "Invalid url in bootstrap.servers: %s (host:port is wanted)", text);
    VEC_ADD(&c->bootstrap,
            ((struct server){ .host = mem_strndup((const char *)place.host.data, place.host.size),
                              .port = place.port }));
    return 0;
}

int cluster_new(const struct cluster_params *params, struct cluster **out, struct err_note *note)
{
    struct cluster *c = MEM_NEW(struct cluster);
    c->io = params->io;
    c->settings = params->settings;
    c->allows_topic_creation = params->allows_topic_creation;
    c->diag = params->diag;
    c->owner = params->owner;
    c->retry.fire = on_retry;
    c->age.fire = on_age;
    uint64_t seed;
    io_random(c->io, &seed, sizeof(seed));
    c->rng = rng_from_seed(seed);
    map_init(&c->topics, seed);
    map_init(&c->wanted, seed);
    map_i64_init(&c->brokers, seed);
    int r = 0;
    for (size_t i = 0; r == 0 && i < params->bootstrap.count; i++)
        r = add_server(c, params->bootstrap.items[i], note);
    if (r == 0 && c->bootstrap.count == 0)
        r = err_note(note, -ERR_INVALID_SETTING, "No bootstrap server is given");
    if (r < 0)
        cluster_free(c);
    else
        *out = c;
    return r;
}

void cluster_free(struct cluster *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->bootstrap.count; i++) {
        channel_free(c->bootstrap.items[i].connection);
        mem_free(c->bootstrap.items[i].host);
    }
    VEC_DEINIT(&c->bootstrap);
    for (struct map_i64_walk w = { 0 }; map_i64_next(&c->brokers, &w);) {
        struct broker *broker = w.value;
        channel_free(broker->connection);
        channel_free(broker->coordinator);
        mem_free(broker->host);
        mem_free(broker);
    }
    drop_topics(c);
    io_timer_cancel(c->io, &c->retry);
    io_timer_cancel(c->io, &c->age);
    client_call_deinit(&c->call);
    arena_deinit(&c->request_arena);
    map_i64_deinit(&c->brokers);
    map_deinit(&c->topics);
    map_deinit(&c->wanted);
    VEC_DEINIT(&c->ids);
    mem_free(c);
}

void cluster_want(struct cluster *c, struct bytes topic)
{
    if (map_put(&c->wanted, topic, c) == NULL)
        c->has_news = true;
}

void cluster_want_all(struct cluster *c)
{
    c->has_news |= !c->wants_all;
    c->wants_all = true;
}

uint64_t cluster_generation(const struct cluster *c)
{
    return c->generation;
}

const struct cluster_topic *cluster_topic(const struct cluster *c, struct bytes name)
{
    return map_get(&c->topics, name);
}

const struct cluster_partition *cluster_partition(const struct cluster *c, struct bytes topic,
                                                  int32_t index)
{
    const struct cluster_topic *t = cluster_topic(c, topic);
    return t == NULL || index < 0 || index >= t->partition_count ? NULL : &t->partitions[index];
}

const struct map *cluster_topics(const struct cluster *c)
{
    return &c->topics;
}

struct cluster_ids cluster_broker_ids(const struct cluster *c)
{
    return (struct cluster_ids){ .items = c->ids.items, .count = c->ids.count };
}

void cluster_set_leader(struct cluster *c, struct bytes topic, int32_t partition, int32_t leader,
                        int32_t leader_epoch)
{
    struct cluster_topic *t = map_get(&c->topics, topic);
    if (t == NULL || partition < 0 || partition >= t->partition_count)
        return;
    struct cluster_partition *p = &t->partitions[partition];
    if (leader_epoch <= p->leader_epoch || map_i64_get(&c->brokers, leader) == NULL)
        return;
    p->leader = leader;
    p->leader_epoch = leader_epoch;
    p->error = KAFKA_NONE;
}
