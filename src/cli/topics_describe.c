/* `kafka-topics --describe`: a line a topic, a line a partition, with what is not as it should be picked out on demand. */
#include "cli/topics.h"

#include "wire/kafka_error.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/describe_configs_response.h"
#include "wire/messages/describe_topic_partitions_request.h"
#include "wire/messages/describe_topic_partitions_response.h"

#define RESOURCE_TOPIC        2
#define SOURCE_DEFAULT_CONFIG 5
#define PARTITION_LIMIT       2000

typedef struct describe_topic_partitions_response_topic topic_t;
typedef struct describe_topic_partitions_response_partition partition_t;

struct filter {
    bool under_replicated;
    bool unavailable;
    bool under_min_isr;
    bool at_min_isr;
    bool with_overrides;
};

static bool filters_partitions(const struct filter *f)
{
    return f->under_replicated || f->unavailable || f->under_min_isr || f->at_min_isr;
}

struct settings {
    struct bytes text; /* "a=b,c=d": what is not default */
    int64_t min_insync_replicas;
};

/* ---- asking ---------------------------------------------------------------------------------- */

static int ask_settings(struct topics_run *tool, struct client_call *call)
{
    struct describe_configs_request request = describe_configs_request_default;
    request.resources = describe_configs_request_resource_array(&tool->arena, tool->names.count);
    request.resources_count = (int32_t)tool->names.count;
    for (size_t i = 0; i < tool->names.count; i++) {
        request.resources[i].resource_type = RESOURCE_TOPIC;
        request.resources[i].resource_name = tool->names.items[i];
        request.resources[i].configuration_keys = NULL;
        request.resources[i].configuration_keys_count = -1;
    }
    *call = (struct client_call){ .key = API_DESCRIBE_CONFIGS, .request = &request };
    return admin_call(tool->remote.admin, ADMIN_ANY, call, &tool->note);
}

static struct settings settings_of(struct topics_run *tool,
                                   const struct describe_configs_response *all, struct bytes name)
{
    struct settings out = { .text = BYTES_LITERAL(""), .min_insync_replicas = 1 };
    struct buf text;
    buf_init(&text, SIZE_MAX);
    for (int32_t i = 0; i < all->results_count; i++) {
        const struct describe_configs_response_result *result = &all->results[i];
        if (!bytes_equal(result->resource_name, name))
            continue;
        for (int32_t k = 0; k < result->configs_count; k++) {
            const struct describe_configs_response_resource_result *c = &result->configs[k];
            if (bytes_equal_text(c->name, "min.insync.replicas"))
                IGNORE_RESULT(bytes_to_i64(c->value, &out.min_insync_replicas)); /* 1 stays */
            if (c->config_source != SOURCE_DEFAULT_CONFIG)
                buf_printf(&text, "%s%.*s=%.*s", text.size == 0 ? "" : ",", BYTES_PRINTF(c->name),
                           BYTES_PRINTF(c->value));
        }
    }
    out.text = bytes_from(arena_dup(&tool->arena, buf_view(&text).data, text.size), text.size);
    buf_deinit(&text);
    return out;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void put_ids(struct buf *out, const char *words, const int32_t *ids, int32_t count)
{
    buf_printf(out, "\t%s: ", words);
    if (count < 0)
        buf_put_text(out, "N/A");
    for (int32_t i = 0; i < count; i++)
        buf_printf(out, "%s%" PRId32, i == 0 ? "" : ",", ids[i]);
}

static bool passes(const struct filter *f, const partition_t *p, const struct settings *settings)
{
    return !filters_partitions(f) ||
           (f->under_replicated && p->isr_nodes_count < p->replica_nodes_count) ||
           (f->unavailable && p->leader_id < 0) ||
           (f->under_min_isr && p->isr_nodes_count < settings->min_insync_replicas) ||
           (f->at_min_isr && p->isr_nodes_count == settings->min_insync_replicas);
}

static void print_partition(struct topics_run *tool, const topic_t *topic, const partition_t *p)
{
    struct buf line;
    buf_init(&line, SIZE_MAX);
    buf_printf(&line, "\tTopic: %.*s\tPartition: %" PRId32, BYTES_PRINTF(topic->name),
               p->partition_index);
    if (p->leader_id < 0)
        buf_put_text(&line, "\tLeader: none");
    else
        buf_printf(&line, "\tLeader: %" PRId32, p->leader_id);
    put_ids(&line, "Replicas", p->replica_nodes, p->replica_nodes_count);
    put_ids(&line, "Isr", p->isr_nodes, p->isr_nodes_count);
    put_ids(&line, "Elr", p->eligible_leader_replicas, p->eligible_leader_replicas_count);
    put_ids(&line, "LastKnownElr", p->last_known_elr, p->last_known_elr_count);
    cli_out(tool->context, "%.*s\n", BYTES_PRINTF(buf_view(&line)));
    buf_deinit(&line);
}

static void print_head(struct topics_run *tool, const topic_t *topic, int64_t partition_count,
                       const struct settings *settings)
{
    char id[UUID_TEXT_SIZE];
    uuid_to_text(topic->topic_id, id);
    cli_out(tool->context,
            "Topic: %.*s\tTopicId: %s\tPartitionCount: %" PRId64 "\tReplicationFactor: %" PRId32
            "\tConfigs: %.*s\n",
            BYTES_PRINTF(topic->name), id, partition_count,
            topic->partitions_count == 0 ? 0 : topic->partitions[0].replica_nodes_count,
            BYTES_PRINTF(settings->text));
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* One topic's partitions come in pages; its head needs the count of all. */
struct walk {
    struct topics_run *tool;
    struct filter filter;
    struct client_call settings_call;
    const struct describe_configs_response *settings_all;
    int32_t limit;
};

struct page_list {
    VEC(struct client_call *) calls;
};

static int ask_page(struct walk *w, struct bytes name, int32_t from, struct client_call *call)
{
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default;
    struct describe_topic_partitions_request_topic_request topic =
        describe_topic_partitions_request_topic_request_default;
    struct describe_topic_partitions_request_cursor cursor =
        describe_topic_partitions_request_cursor_default;
    topic.name = name;
    request.topics = &topic;
    request.topics_count = 1;
    request.response_partition_limit = w->limit;
    cursor.topic_name = name;
    cursor.partition_index = from;
    request.cursor = from > 0 ? &cursor : NULL;
    *call = (struct client_call){ .key = API_DESCRIBE_TOPIC_PARTITIONS, .request = &request };
    return admin_call(w->tool->remote.admin, ADMIN_ANY, call, &w->tool->note);
}

static int take_page(struct walk *w, struct page_list *pages, struct bytes name, int32_t from,
                     int32_t *out_next)
{
    struct client_call *call = MEM_NEW(struct client_call);
    VEC_ADD(&pages->calls, call);
    const int r = ask_page(w, name, from, call);
    if (r < 0)
        return r;
    const struct describe_topic_partitions_response *response = call->response;
    if (response->topics_count != 1)
        return err_note(&w->tool->note, -ERR_PROTOCOL,
                        "the broker told of %" PRId32 " topics where one was asked for",
                        response->topics_count);
    const topic_t *topic = &response->topics[0];
    if (topic->error_code != KAFKA_NONE)
        return err_note(&w->tool->note, -ERR_NOT_FOUND, "%s",
                        kafka_error_sentence(topic->error_code));
    const int32_t next =
        response->next_cursor != NULL && bytes_equal(response->next_cursor->topic_name, name)
            ? response->next_cursor->partition_index
            : -1;
    if (next >= 0 && next <= from)
        return err_note(&w->tool->note, -ERR_PROTOCOL, "the broker's pages do not go forward");
    *out_next = next;
    return 0;
}

static void print_topic(struct walk *w, const struct page_list *pages, struct bytes name)
{
    const struct settings settings = settings_of(w->tool, w->settings_all, name);
    int64_t count = 0;
    for (size_t i = 0; i < pages->calls.count; i++) {
        const struct describe_topic_partitions_response *r = pages->calls.items[i]->response;
        count += r->topics[0].partitions_count;
    }
    const struct describe_topic_partitions_response *first = pages->calls.items[0]->response;
    if (!filters_partitions(&w->filter) && (!w->filter.with_overrides || settings.text.size > 0))
        print_head(w->tool, &first->topics[0], count, &settings);
    if (w->filter.with_overrides)
        return;
    for (size_t i = 0; i < pages->calls.count; i++) {
        const struct describe_topic_partitions_response *r = pages->calls.items[i]->response;
        const topic_t *topic = &r->topics[0];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            if (passes(&w->filter, &topic->partitions[k], &settings))
                print_partition(w->tool, topic, &topic->partitions[k]);
        }
    }
}

static int describe_topic(struct walk *w, struct bytes name)
{
    struct page_list pages = { 0 };
    int32_t from = 0;
    int r = 0;
    while (r == 0 && from >= 0)
        r = take_page(w, &pages, name, from, &from);
    if (r == 0)
        print_topic(w, &pages, name);
    for (size_t i = 0; i < pages.calls.count; i++) {
        client_call_deinit(pages.calls.items[i]);
        mem_free(pages.calls.items[i]);
    }
    VEC_DEINIT(&pages.calls);
    return r;
}

int topics_describe(struct topics_run *tool)
{
    const struct cli_options *o = tool->options;
    struct walk w = {
        .tool = tool,
        .filter = { .under_replicated = cli_has(o, "under-replicated-partitions"),
                    .unavailable = cli_has(o, "unavailable-partitions"),
                    .under_min_isr = cli_has(o, "under-min-isr-partitions"),
                    .at_min_isr = cli_has(o, "at-min-isr-partitions"),
                    .with_overrides = cli_has(o, "topics-with-overrides") },
        .limit = (int32_t)cli_number(o, "partition-size-limit-per-response", PARTITION_LIMIT),
    };
    int r = ask_settings(tool, &w.settings_call);
    w.settings_all = w.settings_call.response;
    for (size_t i = 0; r == 0 && i < tool->names.count; i++)
        r = describe_topic(&w, tool->names.items[i]);
    client_call_deinit(&w.settings_call);
    return r;
}
