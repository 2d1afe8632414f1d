/* See consumer.h. */
#include "client/consumer.h"

#include "client/consumer_int.h"
#include "wire/kafka_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TURN_EVERY_NS (50 * NS_PER_MS)

/* ---- shared ---------------------------------------------------------------------------------- */

void consumer__tick_soon(struct consumer *c)
{
    if (!c->is_closing)
        io_timer_arm(c->io, &c->tick, 0);
}

void consumer__fail(struct consumer *c, int code, const char *format, ...)
{
    if (c->error < 0)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->note.text, sizeof(c->note.text), format, args);
    va_end(args);
    c->error = code;
}

int64_t consumer__retry_at(const struct consumer *c)
{
    return io_monotonic_ns(c->io) + c->settings.retry_backoff_ms * NS_PER_MS;
}

struct position *consumer__position(struct consumer *c, struct bytes topic, int32_t partition)
{
    for (size_t i = 0; i < c->positions.count; i++) {
        struct position *p = c->positions.items[i];
        if (p->partition == partition && bytes_equal_text(topic, p->topic))
            return p;
    }
    return NULL;
}

void consumer__add_position(struct consumer *c, struct bytes topic, int32_t partition,
                            int64_t offset)
{
    if (consumer__position(c, topic, partition) != NULL)
        return;
    struct position *p = MEM_NEW(struct position);
    p->topic = bytes_to_text(topic);
    p->partition = partition;
    p->offset = offset;
    p->committed = -1;
    p->epoch = -1;
    p->replica = -1;
    VEC_ADD(&c->positions, p);
}

void consumer__drop_positions(struct consumer *c)
{
    consumer__drop_chunks(c);
    for (size_t i = 0; i < c->positions.count; i++) {
        mem_free(c->positions.items[i]->topic);
        mem_free(c->positions.items[i]);
    }
    c->positions.count = 0;
    c->given = NULL;
}

/* ---- what is wanted -------------------------------------------------------------------------- */

void consumer_assign(struct consumer *c, struct bytes topic, int32_t partition, int64_t offset)
{
    c->wishes = mem_reallocarray(c->wishes, c->wish_count + 1, sizeof(*c->wishes));
    c->wishes[c->wish_count++] =
        (struct wish){ .topic = bytes_to_text(topic), .partition = partition, .offset = offset };
    cluster_want(c->cluster, topic);
    (void)cluster_refresh(c->cluster);
}

/* Such a group takes members of the classic protocol, too, and its partitions are read all the same. */
static void tell_of_protocol(const struct consumer *c)
{
    if (c->group_id != NULL &&
        strcasecmp(config_text(c->config, SETTING_CONSUMER_GROUP_PROTOCOL), "consumer") == 0)
        DIAG_WARN(c->diag, "consumer",
                  "group.protocol=consumer is not possible yet: group %s is joined in the classic "
                  "protocol",
                  c->group_id);
}

/* A member that subscribes to more joins again when the metadata that is asked for has come. */
static void begin_membership(struct consumer *c)
{
    if (c->group != GROUP_NONE)
        return;
    tell_of_protocol(c);
    c->group = GROUP_LOST;
}

void consumer_subscribe(struct consumer *c, struct bytes topic)
{
    VEC_ADD(&c->topics, bytes_to_text(topic));
    begin_membership(c);
    cluster_want(c->cluster, topic);
    (void)cluster_refresh(c->cluster);
}

void consumer_subscribe_matching(struct consumer *c, const struct consumer_filter *filter)
{
    c->filter = *filter;
    c->has_filter = true;
    begin_membership(c);
    cluster_want_all(c->cluster);
    (void)cluster_refresh(c->cluster);
}

/* Wishes become positions when it is known what the topic has. */
static void expand_wishes(struct consumer *c)
{
    for (size_t i = 0; i < c->wish_count; i++) {
        struct wish *w = &c->wishes[i];
        const struct bytes name = bytes_from_text(w->topic);
        const struct cluster_topic *topic = cluster_topic(c->cluster, name);
        if (w->is_done || topic == NULL || topic->error != KAFKA_NONE)
            continue;
        w->is_done = true;
        if (w->partition >= topic->partition_count)
            consumer__fail(c, -ERR_NOT_FOUND, "Partition %s-%" PRId32 " is not there", w->topic,
                           w->partition);
        for (int32_t k = 0; k < topic->partition_count; k++) {
            if (w->partition < 0 || w->partition == k)
                consumer__add_position(c, name, k, w->offset);
        }
    }
}

static void update_subscription(struct consumer *c)
{
    if (c->has_filter) {
        for (size_t i = 0; i < c->topics.count; i++)
            mem_free(c->topics.items[i]);
        c->topics.count = 0;
        for (struct map_walk w = { 0 }; map_next(cluster_topics(c->cluster), &w);) {
            const struct cluster_topic *topic = w.value;
            const bool is_hidden = topic->is_internal &&
                                   config_bool(c->config, SETTING_CONSUMER_EXCLUDE_INTERNAL_TOPICS);
            if (topic->error == KAFKA_NONE && !is_hidden &&
                c->filter.matches(c->filter.context, w.key))
                VEC_ADD(&c->topics, mem_strdup(topic->name));
        }
    }
    if (c->group != GROUP_NONE)
        consumer__group_changed(c);
}

static void on_metadata(void *context, int result)
{
    struct consumer *c = context;
    if (cluster_is_nowhere(c->cluster) && c->error == 0)
        c->error = cluster_nowhere(c->cluster, &c->note);
    if (result < 0 || c->is_closing)
        return;
    expand_wishes(c);
    update_subscription(c);
    consumer__tick_soon(c);
}

static bool lacks_topics(const struct consumer *c)
{
    for (size_t i = 0; i < c->wish_count; i++) {
        if (!c->wishes[i].is_done)
            return true;
    }
    for (size_t i = 0; i < c->topics.count; i++) {
        const struct cluster_topic *topic =
            cluster_topic(c->cluster, bytes_from_text(c->topics.items[i]));
        if (topic == NULL || topic->error != KAFKA_NONE)
            return true;
    }
    return false;
}

static void on_tick(struct io_timer *timer)
{
    struct consumer *c = CONTAINER_OF(timer, struct consumer, tick);
    const int64_t now_ns = io_monotonic_ns(c->io);
    if (c->group != GROUP_NONE)
        consumer__group_tick(c, now_ns);
    consumer__commit_tick(c, now_ns);
    consumer__lookup(c, now_ns);
    consumer__fetch_tick(c, now_ns);
    if (lacks_topics(c))
        (void)cluster_refresh(c->cluster);
    if (!io_timer_is_armed(&c->tick))
        io_timer_arm_after(c->io, &c->tick, c->settings.retry_backoff_ms);
}

/* ---- polling --------------------------------------------------------------------------------- */

static bool has_something(void *context)
{
    const struct consumer *c = context;
    return c->error < 0 || !list_is_empty(&c->chunks);
}

/* However much there is to poll, heartbeats go on. */
static int turn_if_due(struct consumer *c, int64_t now_ns)
{
    if (now_ns - c->turned_ns < TURN_EVERY_NS)
        return 0;
    c->turned_ns = now_ns;
    return client_loop_turn(&c->loop);
}

int consumer_poll(struct consumer *c, int64_t timeout_ms, struct consumer_record *out,
                  struct err_note *note)
{
    c->given = NULL; /* what was polled before is consumed */
    const int64_t now_ns = io_monotonic_ns(c->io);
    const int64_t deadline_ns =
        timeout_ms > CLIENT_MS_MAX ? INT64_MAX : now_ns + timeout_ms * NS_PER_MS;
    int r = turn_if_due(c, now_ns);
    while (r == 0) {
        r = c->error < 0 ? c->error : consumer__next(c, out);
        if (r != 0)
            break;
        r = client_loop_wait(&c->loop, has_something, c, deadline_ns);
        c->turned_ns = io_monotonic_ns(c->io);
        if (r == -ERR_TIMEOUT)
            return 0;
    }
    if (r > 0)
        return r;
    return err_note(note, r, "%s",
                    r == c->error && c->note.text[0] != '\0' ? c->note.text : err_sentence(r));
}

static bool is_commit_over(void *context)
{
    const struct consumer *c = context;
    return c->error < 0 || (!c->wants_commit && !c->commit_call.is_open_);
}

int consumer_commit(struct consumer *c, struct err_note *note)
{
    if (c->group_id == NULL)
        return 0;
    c->given = NULL;
    c->commit_result = 0;
    consumer__commit(c);
    const int64_t timeout_ms = config_i64(c->config, SETTING_CONSUMER_DEFAULT_API_TIMEOUT_MS);
    const int r = client_loop_wait(&c->loop, is_commit_over, c,
                                   io_monotonic_ns(c->io) + timeout_ms * NS_PER_MS);
    if (r < 0)
        return err_note(note, r, "offsets were not committed: %s", err_sentence(r));
    if (c->error < 0)
        return err_note(note, c->error, "offsets were not committed: %s", c->note.text);
    return c->commit_result < 0 ? err_note(note, c->commit_result, "offsets were not committed: %s",
                                           c->commit_note.text)
                                : 0;
}

/* ---- birth and death ------------------------------------------------------------------------- */

static int take_reset(struct consumer *c, struct err_note *note)
{
    const char *reset = config_text(c->config, SETTING_CONSUMER_AUTO_OFFSET_RESET);
    if (strcasecmp(reset, "latest") == 0)
        c->reset = CONSUMER_OFFSET_LATEST;
    else if (strcasecmp(reset, "earliest") == 0)
        c->reset = CONSUMER_OFFSET_EARLIEST;
    else if (strcasecmp(reset, "none") != 0)
        return err_note(note, -ERR_UNSUPPORTED,
                        "auto.offset.reset=%s is not possible yet; latest, earliest and none are",
                        reset);
    return 0;
}

int consumer_new(const struct client_loop *loop, const struct config *config,
                 const struct diag *diag, const struct consumer_owner *owner, struct consumer **out,
                 struct err_note *note)
{
    struct consumer *c = MEM_NEW(struct consumer);
    c->loop = *loop;
    c->io = loop->io;
    c->config = config;
    c->diag = diag;
    c->settings = client_settings_from(config);
    if (owner != NULL)
        c->owner = *owner;
    c->codecs = codec_contexts_new();
    c->tick.fire = on_tick;
    c->group_id = config_text(config, SETTING_CONSUMER_GROUP_ID);
    c->member_id = mem_strdup("");
    c->generation = -1;
    c->coordinator = -1;
    c->is_isolated =
        strcmp(config_text(config, SETTING_CONSUMER_ISOLATION_LEVEL), "read_committed") == 0;
    list_init(&c->chunks);
    list_init(&c->fetches);
    int r = take_reset(c, note);
    const struct cluster_params params = {
        .io = c->io,
        .settings = c->settings,
        .bootstrap = client_bootstrap_servers(config),
        .allows_topic_creation = config_bool(config, SETTING_CONSUMER_ALLOW_AUTO_CREATE_TOPICS),
        .diag = diag,
        .owner = { .on_metadata = on_metadata, .context = c },
    };
    if (r == 0)
        r = cluster_new(&params, &c->cluster, note);
    if (r < 0)
        consumer_free(c);
    else
        *out = c;
    return r;
}

void consumer_free(struct consumer *c)
{
    if (c == NULL)
        return;
    c->given = NULL;
    if (c->cluster != NULL)
        consumer__leave(c);
    c->is_closing = true;
    io_timer_cancel(c->io, &c->tick);
    cluster_free(c->cluster);
    consumer__drop_positions(c);
    consumer__group_deinit(c);
    io_timer_cancel(c->io, &c->tick);
    VEC_DEINIT(&c->positions);
    for (size_t i = 0; i < c->topics.count; i++)
        mem_free(c->topics.items[i]);
    VEC_DEINIT(&c->topics);
    for (size_t i = 0; i < c->wish_count; i++)
        mem_free(c->wishes[i].topic);
    mem_free(c->wishes);
    mem_free(c->member_id);
    mem_free(c->protocol);
    codec_contexts_free(c->codecs);
    mem_free(c);
}
