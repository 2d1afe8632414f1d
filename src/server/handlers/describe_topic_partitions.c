/* DescribeTopicPartitions: topics in order of their names, page by page (KIP-966). */
#include "base/topic_name.h"
#include "config/config.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/cluster_view.h"
#include "server/topic_lookup.h"
#include "wire/messages/describe_topic_partitions_request.h"
#include "wire/messages/describe_topic_partitions_response.h"

#include <stdlib.h>

struct page {
    struct request *request;
    struct describe_topic_partitions_response *response;
    int32_t partitions_left;
};

static int32_t *copy_ids(struct arena *arena, const int32_t *ids, int32_t count)
{
    return arena_dup(arena, ids, (size_t)count * sizeof(*ids));
}

static void fill_partition(struct request *request, const struct metadata_partition *told,
                           struct describe_topic_partitions_response_partition *out)
{
    struct arena *arena = &request->arena;
    out->partition_index = told->id;
    out->leader_id = told->leader;
    out->leader_epoch = told->leader_epoch;
    out->replica_nodes_count = told->replica_count;
    out->replica_nodes = copy_ids(arena, metadata_partition_replicas(told), told->replica_count);
    out->isr_nodes_count = told->isr_count;
    out->isr_nodes = copy_ids(arena, metadata_partition_isr(told), told->isr_count);
    out->eligible_leader_replicas_count = told->elr_count;
    out->eligible_leader_replicas = copy_ids(arena, metadata_partition_elr(told), told->elr_count);
    out->last_known_elr_count = told->last_known_elr_count;
    out->last_known_elr =
        copy_ids(arena, metadata_partition_last_known_elr(told), told->last_known_elr_count);
    out->offline_replicas = REQUEST_NEW_ARRAY(request, int32_t, told->replica_count);
    for (int32_t i = 0; i < told->replica_count; i++) {
        if (broker_endpoint(request, out->replica_nodes[i]) == NULL)
            out->offline_replicas[out->offline_replicas_count++] = out->replica_nodes[i];
    }
    if (broker_endpoint(request, told->leader) == NULL) {
        out->error_code = told->leader == METADATA_LEADER_NONE ? KAFKA_LEADER_NOT_AVAILABLE
                                                               : KAFKA_LISTENER_NOT_FOUND;
        out->leader_id = METADATA_LEADER_NONE;
    }
}

static void set_cursor(struct page *page, struct bytes topic, int32_t partition)
{
    struct describe_topic_partitions_response_cursor *cursor =
        REQUEST_NEW(page->request, struct describe_topic_partitions_response_cursor);
    *cursor = describe_topic_partitions_response_cursor_default;
    cursor->topic_name = topic;
    cursor->partition_index = partition;
    page->response->next_cursor = cursor;
}

/* False: the page is full, and the cursor is set. */
static bool add_topic(struct page *page, const struct metadata_topic *topic,
                      int32_t first_partition)
{
    if (page->partitions_left <= 0) {
        set_cursor(page, topic->name, first_partition);
        return false;
    }
    struct request *request = page->request;
    struct describe_topic_partitions_response_topic *out =
        &page->response->topics[page->response->topics_count++];
    const uint32_t count = metadata_topic_partition_count(topic);
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    out->topic_authorized_operations = authorized_operations(request, ACL_TOPIC, topic->name);
    out->partitions = describe_topic_partitions_response_partition_array(
        &request->arena, MIN((size_t)count, (size_t)page->partitions_left));
    struct metadata_walk walk;
    const struct metadata_partition *told;
    for (metadata_walk_partitions_at(&walk, topic, first_partition);
         (told = metadata_next_partition(&walk)) != NULL;) {
        if (page->partitions_left == 0) {
            set_cursor(page, topic->name, told->id);
            return false;
        }
        fill_partition(request, told, &out->partitions[out->partitions_count++]);
        page->partitions_left--;
    }
    return true;
}

static void add_unknown(struct page *page, struct bytes name)
{
    struct describe_topic_partitions_response_topic *out =
        &page->response->topics[page->response->topics_count++];
    out->name = name;
    out->error_code = topic_name_is_legal(name, NULL) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                                      : KAFKA_INVALID_TOPIC_EXCEPTION;
    out->topic_authorized_operations = authorized_operations(page->request, ACL_TOPIC, name);
}

static void add_named(struct page *page, const struct describe_topic_partitions_request *asked)
{
    struct bytes *names = REQUEST_NEW_ARRAY(page->request, struct bytes, asked->topics_count);
    for (int32_t i = 0; i < asked->topics_count; i++)
        names[i] = asked->topics[i].name;
    qsort(names, (size_t)asked->topics_count, sizeof(*names), bytes_compare_items);
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (i > 0 && bytes_equal(names[i], names[i - 1]))
            continue;
        int32_t first_partition = 0;
        if (asked->cursor != NULL) {
            const int order = bytes_compare(names[i], asked->cursor->topic_name);
            if (order < 0)
                continue;
            first_partition = order == 0 ? asked->cursor->partition_index : 0;
        }
        const struct metadata_topic *topic =
            metadata_topic_by_name(page->request->shard->image, names[i]);
        if (topic == NULL)
            add_unknown(page, names[i]);
        else if (!add_topic(page, topic, first_partition))
            return;
    }
}

static void add_all(struct page *page, const struct describe_topic_partitions_request *asked)
{
    const struct bytes from = asked->cursor == NULL ? BYTES_LITERAL("") : asked->cursor->topic_name;
    struct metadata_walk walk;
    const struct metadata_topic *topic;
    for (metadata_walk_topics_at(&walk, page->request->shard->image, from);
         (topic = metadata_next_topic(&walk)) != NULL;) {
        const bool is_cursor = asked->cursor != NULL && bytes_equal(topic->name, from);
        if (!add_topic(page, topic, is_cursor ? asked->cursor->partition_index : 0))
            return;
    }
}

/* A cursor stands at a partition of a topic that is asked for. */
static bool cursor_is_legal(const struct describe_topic_partitions_request *asked)
{
    if (asked->cursor->partition_index < 0)
        return false;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        if (bytes_equal(asked->topics[i].name, asked->cursor->topic_name))
            return true;
    }
    return asked->topics_count == 0;
}

static void refuse(struct request *request)
{
    const struct describe_topic_partitions_request *asked = request->message;
    struct describe_topic_partitions_response response = describe_topic_partitions_response_default;
    response.topics = describe_topic_partitions_response_topic_array(&request->arena,
                                                                     (size_t)asked->topics_count);
    response.topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        response.topics[i].name = asked->topics[i].name;
        response.topics[i].error_code = KAFKA_INVALID_REQUEST;
    }
    request_reply(request, &response);
}

static void handle(struct request *request)
{
    const struct describe_topic_partitions_request *asked = request->message;
    const int32_t limit = (int32_t)config_i64(request->shard->config,
                                              SETTING_BROKER_MAX_REQUEST_PARTITION_SIZE_LIMIT);
    if (asked->cursor != NULL && !cursor_is_legal(asked)) {
        refuse(request);
        return;
    }
    struct describe_topic_partitions_response response = describe_topic_partitions_response_default;
    struct page page = {
        .request = request,
        .response = &response,
        .partitions_left = MAX(MIN(asked->response_partition_limit, limit), 1),
    };
    const size_t topics_max = asked->topics_count > 0
                                  ? (size_t)asked->topics_count
                                  : metadata_tree_count(&request->shard->image->topics_by_name);
    response.topics = describe_topic_partitions_response_topic_array(&request->arena, topics_max);
    if (asked->topics_count > 0)
        add_named(&page, asked);
    else
        add_all(&page, asked);
    request_reply(request, &response);
}

const struct api_handler describe_topic_partitions_handler = {
    .api_key = API_DESCRIBE_TOPIC_PARTITIONS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
