/* See painter.h. */
#include "painter.h"

#include "base/mem.h"
#include "base/vec.h"
#include "client.h"
#include "commits.h"
#include "model.h"
#include "ownership.h"
#include "portrait.h"
#include "txns.h"
#include "wire/kafka_error.h"
#include "wire/messages/consumer_group_describe_request.h"
#include "wire/messages/consumer_group_describe_response.h"
#include "wire/messages/describe_configs_request.h"
#include "wire/messages/describe_configs_response.h"
#include "wire/messages/describe_groups_request.h"
#include "wire/messages/describe_groups_response.h"
#include "wire/messages/describe_log_dirs_request.h"
#include "wire/messages/describe_log_dirs_response.h"
#include "wire/messages/describe_producers_request.h"
#include "wire/messages/describe_producers_response.h"
#include "wire/messages/describe_transactions_request.h"
#include "wire/messages/describe_transactions_response.h"
#include "wire/messages/list_groups_request.h"
#include "wire/messages/list_groups_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

#include <string.h>

#define METADATA_VERSION  12
#define CONFIGS_VERSION   4
#define OFFSETS_VERSION   9
#define PRODUCERS_VERSION 0
#define LIST_VERSION      5
#define DESCRIBE_VERSION  6
#define CONSUMER_VERSION  1
#define FETCH_VERSION     9
#define DIRS_VERSION      4
#define TXNS_VERSION      0
#define RESOURCE_TOPIC    2
#define SOURCE_TOPIC      1
#define LATEST            (-1)
#define EARLIEST          (-2)

/* A log to be looked at: those of the metadata. */
struct log_name {
    char *topic; /* owned */
    int32_t partition;
    enum portrait_part part;
    bool is_trimmed; /* its start moves as time passes */
    bool grows;      /* its ends do, also at rest */
};

enum step {
    STEP_METADATA,
    STEP_CONFIGS,
    STEP_LOGS,
    STEP_DIRS,
    STEP_GROUPS,
    STEP_OFFSETS,
    STEP_TXNS,
    STEP_DONE
};

struct painter {
    struct client client; /* first */
    enum step step;
    uint32_t index;            /* of what the step goes through */
    struct portrait *portrait; /* owned; NULL: nothing is asked for */
    VEC(struct log_name) logs;
    int64_t end; /* of the log at `index` */
    struct commits_look look;
};

/* ---- steps --------------------------------------------------------------------------------------- */

static void next_step(struct painter *p)
{
    p->step++;
    p->index = 0;
    client_at_once(&p->client);
}

/* An answer that is missing or says that it is too early: the same is asked again. */
static bool must_repeat(struct painter *p, const void *answer, int16_t error, const char *what)
{
    if (answer != NULL && error == KAFKA_NONE)
        return false;
    /* A log may be made yet: of groups since a first member looked for its coordinator, of a topic since a disk was full. */
    if (answer != NULL && error != KAFKA_COORDINATOR_LOAD_IN_PROGRESS &&
        error != KAFKA_NOT_COORDINATOR && error != KAFKA_COORDINATOR_NOT_AVAILABLE &&
        error != KAFKA_NOT_LEADER_OR_FOLLOWER &&
        !(error == KAFKA_KAFKA_STORAGE_ERROR && scene_may_be_full(p->client.scene)))
        model_fail("at rest, %s is answered with %s", what, kafka_error_name(error));
    client_again(&p->client);
    return true;
}

/* Of the others the size changes as time passes. */
static bool has_steady_size(const struct painter *p, struct bytes topic)
{
    struct model *model = p->client.scene->model;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        const struct model_plan *plan = model_plan(model, i);
        if (bytes_equal_text(topic, plan->name))
            return !plan->is_trimmed && !plan->is_compacted;
    }
    return false; /* the logs of coordinators are compacted */
}

static enum portrait_part part_of(const struct painter *p, struct bytes topic, bool *out_is_trimmed)
{
    struct model *model = p->client.scene->model;
    *out_is_trimmed = false;
    for (uint32_t i = 0; i < model_plan_count(model); i++) {
        const struct model_plan *plan = model_plan(model, i);
        if (!bytes_equal_text(topic, plan->name))
            continue;
        *out_is_trimmed = plan->is_trimmed;
        /* A coordinator that forgot in a power loss that it had written a marker, writes it again. */
        const bool is_steady =
            txns_id_count(p->client.scene->txns) == 0 || p->client.scene->is_flushed;
        return plan->is_synced && is_steady ? PORTRAIT_SYNCED : PORTRAIT_LOGS;
    }
    return p->client.scene->is_flushed ? PORTRAIT_SYNCED : PORTRAIT_LOGS;
}

/* Expressions that they subscribe by are resolved anew after a restart, and every now and then. */
static bool has_subscribers(const struct painter *p)
{
    const struct commits *commits = p->client.scene->commits;
    for (uint32_t i = 0; i < commits_group_count(commits); i++) {
        if (commits_has_subscribers(commits, i))
            return true;
    }
    return false;
}

static void on_metadata(void *context, const void *message)
{
    struct painter *p = context;
    const struct metadata_response *answer = message;
    if (must_repeat(p, answer, KAFKA_NONE, "Metadata"))
        return;
    for (int32_t i = 0; i < answer->topics_count; i++) {
        const struct metadata_response_topic *topic = &answer->topics[i];
        char id[UUID_TEXT_SIZE];
        uuid_to_text(topic->topic_id, id);
        portrait_add(p->portrait, PORTRAIT_METADATA, "topic %.*s %s %s, %d partitions, internal %d",
                     BYTES_PRINTF(topic->name), id, kafka_error_name(topic->error_code),
                     topic->partitions_count, topic->is_internal);
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct log_name *log = VEC_PUSH(&p->logs);
            log->topic = bytes_to_text(topic->name);
            log->partition = topic->partitions[k].partition_index;
            log->part = part_of(p, topic->name, &log->is_trimmed);
            log->grows = bytes_equal_text(topic->name, "__consumer_offsets") && has_subscribers(p);
        }
    }
    next_step(p);
}

static void ask_metadata(struct painter *p)
{
    struct metadata_request request = metadata_request_default;
    request.topics = NULL;
    request.topics_count = -1;
    request.allow_auto_topic_creation = false;
    client_ask(&p->client, API_METADATA, METADATA_VERSION, &request, on_metadata, p);
}

static void on_configs(void *context, const void *message)
{
    struct painter *p = context;
    const struct describe_configs_response *answer = message;
    const int16_t error = answer == NULL ? KAFKA_NONE : answer->results[0].error_code;
    if (must_repeat(p, answer, error, "DescribeConfigs"))
        return;
    const struct describe_configs_response_result *told = &answer->results[0];
    for (int32_t i = 0; i < told->configs_count; i++) {
        if (told->configs[i].config_source == SOURCE_TOPIC)
            portrait_add(p->portrait, PORTRAIT_METADATA, "setting %.*s %.*s=%.*s",
                         BYTES_PRINTF(told->resource_name), BYTES_PRINTF(told->configs[i].name),
                         BYTES_PRINTF(told->configs[i].value));
    }
    p->index++;
    client_at_once(&p->client);
}

static void ask_configs(struct painter *p)
{
    struct model *model = p->client.scene->model;
    if (p->index == model_plan_count(model)) {
        next_step(p);
        return;
    }
    struct describe_configs_request_resource resource = describe_configs_request_resource_default;
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = bytes_from_text(model_plan(model, p->index)->name);
    resource.configuration_keys = NULL;
    resource.configuration_keys_count = -1;
    struct describe_configs_request request = describe_configs_request_default;
    request.resources = &resource;
    request.resources_count = 1;
    client_ask(&p->client, API_DESCRIBE_CONFIGS, CONFIGS_VERSION, &request, on_configs, p);
}

/* ---- logs ---------------------------------------------------------------------------------------- */

static void next_log(struct painter *p)
{
    p->index++;
    client_at_once(&p->client);
}

/* Of what compaction leaves of a batch the newest record may be an older one: a snapshot from before says another time than the log. */
static int64_t time_of(const struct log_name *log,
                       const struct describe_producers_response_producer_state *producer)
{
    const bool is_compacted = strcmp(log->topic, MODEL_COMPACTED) == 0 || log->topic[0] == '_';
    return is_compacted ? -1 : producer->last_timestamp;
}

static void on_producers(void *context, const void *message)
{
    struct painter *p = context;
    const struct describe_producers_response *answer = message;
    const int16_t error = answer == NULL ? KAFKA_NONE : answer->topics[0].partitions[0].error_code;
    if (must_repeat(p, answer, error, "DescribeProducers"))
        return;
    const struct log_name *log = &p->logs.items[p->index];
    const struct describe_producers_response_partition_response *told =
        &answer->topics[0].partitions[0];
    for (int32_t i = 0; i < told->active_producers_count; i++) {
        const struct describe_producers_response_producer_state *producer =
            &told->active_producers[i];
        portrait_add(p->portrait, log->part,
                     "producer %" PRId64 " of %s-%d: epoch %d, sequence %d, time %" PRId64
                     ", coordinator epoch %d, transaction from %" PRId64,
                     producer->producer_id, log->topic, log->partition, producer->producer_epoch,
                     producer->last_sequence, time_of(log, producer), producer->coordinator_epoch,
                     producer->current_txn_start_offset);
    }
    next_log(p);
}

static void ask_producers(struct painter *p)
{
    struct log_name *log = &p->logs.items[p->index];
    struct describe_producers_request_topic_request topic =
        describe_producers_request_topic_request_default;
    topic.name = bytes_from_text(log->topic);
    topic.partition_indexes = &log->partition;
    topic.partition_indexes_count = 1;
    struct describe_producers_request request = describe_producers_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    client_ask(&p->client, API_DESCRIBE_PRODUCERS, PRODUCERS_VERSION, &request, on_producers, p);
}

static void ask_offset(struct painter *p, int64_t timestamp, bool is_committed,
                       sim_peer_answer *answer)
{
    const struct log_name *log = &p->logs.items[p->index];
    struct list_offsets_request_partition partition = list_offsets_request_partition_default;
    partition.partition_index = log->partition;
    partition.timestamp = timestamp;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    topic.name = bytes_from_text(log->topic);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    struct list_offsets_request request = list_offsets_request_default;
    request.replica_id = -1;
    request.isolation_level = is_committed;
    request.topics = &topic;
    request.topics_count = 1;
    client_ask(&p->client, API_LIST_OFFSETS, OFFSETS_VERSION, &request, answer, p);
}

/* False: it is asked again. */
static bool has_offset(struct painter *p, const struct list_offsets_response *answer)
{
    const int16_t error = answer == NULL ? KAFKA_NONE : answer->topics[0].partitions[0].error_code;
    return !must_repeat(p, answer, error, "ListOffsets");
}

static bool take_offset(struct painter *p, const struct list_offsets_response *answer,
                        const char *what)
{
    if (!has_offset(p, answer))
        return false;
    const struct log_name *log = &p->logs.items[p->index];
    if (!log->grows)
        portrait_add(p->portrait, log->part, "log %s-%d: %s %" PRId64, log->topic, log->partition,
                     what, answer->topics[0].partitions[0].offset);
    return true;
}

static void on_start(void *context, const void *message)
{
    struct painter *p = context;
    if (take_offset(p, message, "start"))
        ask_producers(p);
}

static void on_stable_end(void *context, const void *message)
{
    struct painter *p = context;
    const struct list_offsets_response *answer = message;
    const struct log_name *log = &p->logs.items[p->index];
    /* A start that moves takes with it the stable end that a broken transaction holds back. */
    if (log->is_trimmed ? !has_offset(p, answer) : !take_offset(p, answer, "stable end"))
        return;
    const int64_t offset = answer->topics[0].partitions[0].offset;
    if (offset < p->end && txns_are_whole(p->client.scene->txns))
        model_fail("at rest, %s-%d ends at offset %" PRId64 ", and since %" PRId64
                   " it has a transaction that nobody ends",
                   log->topic, log->partition, p->end, offset);
    /* Where records are deleted the start moves, and whose records are gone may be forgotten. */
    if (p->logs.items[p->index].is_trimmed)
        next_log(p);
    else
        ask_offset(p, EARLIEST, false, on_start);
}

static void on_end(void *context, const void *message)
{
    struct painter *p = context;
    const struct list_offsets_response *answer = message;
    if (!take_offset(p, answer, "end"))
        return;
    p->end = answer->topics[0].partitions[0].offset;
    ask_offset(p, LATEST, true, on_stable_end);
}

static void ask_logs(struct painter *p)
{
    if (p->index == p->logs.count)
        next_step(p);
    else
        ask_offset(p, LATEST, false, on_end);
}

static void on_dirs(void *context, const void *message)
{
    struct painter *p = context;
    const struct describe_log_dirs_response *answer = message;
    if (must_repeat(p, answer, answer == NULL ? KAFKA_NONE : answer->error_code, "DescribeLogDirs"))
        return;
    for (int32_t i = 0; i < answer->results_count; i++) {
        const struct describe_log_dirs_response_result *dir = &answer->results[i];
        portrait_add(p->portrait, PORTRAIT_METADATA, "directory %.*s: %s",
                     BYTES_PRINTF(dir->log_dir), kafka_error_name(dir->error_code));
        for (int32_t t = 0; t < dir->topics_count; t++) {
            const struct describe_log_dirs_response_topic *topic = &dir->topics[t];
            bool is_trimmed;
            const enum portrait_part part = part_of(p, topic->name, &is_trimmed);
            for (int32_t k = 0; k < topic->partitions_count && has_steady_size(p, topic->name); k++)
                portrait_add(p->portrait, part, "log %.*s-%d in %.*s: %" PRId64 " bytes",
                             BYTES_PRINTF(topic->name), topic->partitions[k].partition_index,
                             BYTES_PRINTF(dir->log_dir), topic->partitions[k].partition_size);
        }
    }
    next_step(p);
}

static void ask_dirs(struct painter *p)
{
    struct describe_log_dirs_request request = describe_log_dirs_request_default;
    request.topics = NULL;
    request.topics_count = -1;
    client_ask(&p->client, API_DESCRIBE_LOG_DIRS, DIRS_VERSION, &request, on_dirs, p);
}

/* ---- groups -------------------------------------------------------------------------------------- */

static void next_group(struct painter *p)
{
    p->index++;
    client_at_once(&p->client);
}

/* True: another one is looked at, or this one again, because its members are on their way. */
static bool has_no_group(struct painter *p, const void *answer, int16_t error, struct bytes state,
                         const char *what)
{
    if (error == KAFKA_GROUP_ID_NOT_FOUND) { /* a power loss may have taken it */
        portrait_add(p->portrait, PORTRAIT_GROUPS, "group %u: none", p->index);
        next_group(p);
        return true;
    }
    if (must_repeat(p, answer, error, what))
        return true;
    const bool is_settled = bytes_equal_text(state, "Stable") || bytes_equal_text(state, "Empty");
    if (!is_settled)
        client_again(&p->client);
    return !is_settled;
}

static void on_group(void *context, const void *message)
{
    struct painter *p = context;
    const struct describe_groups_response *answer = message;
    const struct describe_groups_response_described_group *group =
        answer == NULL ? &describe_groups_response_described_group_default : &answer->groups[0];
    if (has_no_group(p, answer, group->error_code, group->group_state, "DescribeGroups"))
        return;
    portrait_add(p->portrait, PORTRAIT_GROUPS, "group %.*s: %.*s, %.*s %.*s",
                 BYTES_PRINTF(group->group_id), BYTES_PRINTF(group->group_state),
                 BYTES_PRINTF(group->protocol_type), BYTES_PRINTF(group->protocol_data));
    for (int32_t i = 0; i < group->members_count; i++) {
        const struct describe_groups_response_described_group_member *member = &group->members[i];
        portrait_add(
            p->portrait, PORTRAIT_GROUPS,
            "member %.*s of %.*s: instance %.*s, client %.*s at %.*s, metadata %.*s, assignment "
            "%" PRIx64,
            BYTES_PRINTF(member->member_id), BYTES_PRINTF(group->group_id),
            BYTES_PRINTF(member->group_instance_id), BYTES_PRINTF(member->client_id),
            BYTES_PRINTF(member->client_host), BYTES_PRINTF(member->member_metadata),
            bytes_hash(member->member_assignment, 0));
    }
    next_group(p);
}

static void ask_classic_group(struct painter *p)
{
    struct bytes name = bytes_from_text(commits_group_name(p->client.scene->commits, p->index));
    struct describe_groups_request request = describe_groups_request_default;
    request.groups = &name;
    request.groups_count = 1;
    client_ask(&p->client, API_DESCRIBE_GROUPS, DESCRIBE_VERSION, &request, on_group, p);
}

static void add_assignment(struct painter *p, struct bytes member, const char *what,
                           const struct consumer_group_describe_response_assignment *told)
{
    for (int32_t i = 0; i < told->topic_partitions_count; i++) {
        const struct consumer_group_describe_response_topic_partitions *topic =
            &told->topic_partitions[i];
        for (int32_t k = 0; k < topic->partitions_count; k++)
            portrait_add(p->portrait, PORTRAIT_GROUPS, "member %.*s %s %.*s-%d",
                         BYTES_PRINTF(member), what, BYTES_PRINTF(topic->topic_name),
                         topic->partitions[k]);
    }
}

static void add_subscriber(struct painter *p, struct bytes group,
                           const struct consumer_group_describe_response_member *member)
{
    portrait_add(
        p->portrait, PORTRAIT_GROUPS,
        "member %.*s of %.*s: instance %.*s, epoch %d, client %.*s at %.*s, expression %.*s",
        BYTES_PRINTF(member->member_id), BYTES_PRINTF(group), BYTES_PRINTF(member->instance_id),
        member->member_epoch, BYTES_PRINTF(member->client_id), BYTES_PRINTF(member->client_host),
        BYTES_PRINTF(member->subscribed_topic_regex));
    for (int32_t i = 0; i < member->subscribed_topic_names_count; i++)
        portrait_add(p->portrait, PORTRAIT_GROUPS, "member %.*s subscribes to %.*s",
                     BYTES_PRINTF(member->member_id),
                     BYTES_PRINTF(member->subscribed_topic_names[i]));
    add_assignment(p, member->member_id, "has", &member->assignment);
    add_assignment(p, member->member_id, "is to have", &member->target_assignment);
}

static void on_consumer_group(void *context, const void *message)
{
    struct painter *p = context;
    const struct consumer_group_describe_response *answer = message;
    const struct consumer_group_describe_response_described_group *group =
        answer == NULL ? &consumer_group_describe_response_described_group_default
                       : &answer->groups[0];
    if (group->error_code == KAFKA_GROUP_ID_NOT_FOUND &&
        commits_is_mixed(p->client.scene->commits, p->index)) {
        ask_classic_group(p); /* it may be one, now */
        return;
    }
    if (has_no_group(p, answer, group->error_code, group->group_state, "ConsumerGroupDescribe"))
        return;
    ownership_told_group(p->client.scene->ownership, p->index, group->group_epoch);
    portrait_add(p->portrait, PORTRAIT_GROUPS, "group %.*s: %.*s, epoch %d, assignment's %d, %.*s",
                 BYTES_PRINTF(group->group_id), BYTES_PRINTF(group->group_state),
                 group->group_epoch, group->assignment_epoch, BYTES_PRINTF(group->assignor_name));
    for (int32_t i = 0; i < group->members_count; i++)
        add_subscriber(p, group->group_id, &group->members[i]);
    next_group(p);
}

static void ask_consumer_group(struct painter *p)
{
    struct bytes name = bytes_from_text(commits_group_name(p->client.scene->commits, p->index));
    struct consumer_group_describe_request request = consumer_group_describe_request_default;
    request.group_ids = &name;
    request.group_ids_count = 1;
    client_ask(&p->client, API_CONSUMER_GROUP_DESCRIBE, CONSUMER_VERSION, &request,
               on_consumer_group, p);
}

static void ask_groups(struct painter *p)
{
    const struct commits *commits = p->client.scene->commits;
    if (p->index == commits_group_count(commits)) {
        next_step(p);
        return;
    }
    if (commits_has_subscribers(commits, p->index))
        ask_consumer_group(p);
    else
        ask_classic_group(p);
}

static void on_offsets(void *context, const void *message)
{
    struct painter *p = context;
    const struct offset_fetch_response *answer = message;
    const int16_t error = answer == NULL ? KAFKA_NONE : answer->groups[0].error_code;
    if (must_repeat(p, answer, error, "OffsetFetch"))
        return;
    const struct offset_fetch_response_group *group = &answer->groups[0];
    for (int32_t i = 0; i < group->topics_count; i++) {
        const struct offset_fetch_response_topics *topic = &group->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            const struct offset_fetch_response_partitions *told = &topic->partitions[k];
            const int key =
                commits_find_key(p->client.scene->commits, topic->name, told->partition_index);
            if (key < 0)
                model_fail("%.*s has an offset for %.*s-%d", BYTES_PRINTF(group->group_id),
                           BYTES_PRINTF(topic->name), told->partition_index);
            commits_told(p->client.scene->commits, p->index, (uint32_t)key, &p->look,
                         told->committed_offset, told->metadata);
            portrait_add(p->portrait, PORTRAIT_GROUPS,
                         "offset of %.*s in %.*s-%d: %" PRId64 " %.*s, epoch %d",
                         BYTES_PRINTF(group->group_id), BYTES_PRINTF(topic->name),
                         told->partition_index, told->committed_offset,
                         BYTES_PRINTF(told->metadata), told->committed_leader_epoch);
        }
    }
    p->index++;
    client_at_once(&p->client);
}

static void ask_offsets(struct painter *p)
{
    const struct commits *commits = p->client.scene->commits;
    if (p->index == commits_group_count(commits)) {
        next_step(p);
        return;
    }
    struct offset_fetch_request_group group = offset_fetch_request_group_default;
    group.group_id = bytes_from_text(commits_group_name(commits, p->index));
    group.member_id = BYTES_NULL;
    group.topics = NULL;
    group.topics_count = -1;
    struct offset_fetch_request request = offset_fetch_request_default;
    request.groups = &group;
    request.groups_count = 1;
    p->look = commits_look(commits, p->index);
    client_ask(&p->client, API_OFFSET_FETCH, FETCH_VERSION, &request, on_offsets, p);
}

/* ---- transactions -------------------------------------------------------------------------------- */

static void on_txn(void *context, const void *message)
{
    struct painter *p = context;
    const struct describe_transactions_response *answer = message;
    const int16_t error = answer == NULL ? KAFKA_NONE : answer->transaction_states[0].error_code;
    if (error != KAFKA_TRANSACTIONAL_ID_NOT_FOUND &&
        must_repeat(p, answer, error, "DescribeTransactions"))
        return;
    const struct describe_transactions_response_transaction_state *told =
        &answer->transaction_states[0];
    portrait_add(p->portrait, p->client.scene->is_flushed ? PORTRAIT_SYNCED : PORTRAIT_GROUPS,
                 "transaction of %.*s: %s, %.*s, producer %" PRId64
                 ", epoch %d, timeout %d, %d topics",
                 BYTES_PRINTF(told->transactional_id), kafka_error_name(error),
                 BYTES_PRINTF(told->transaction_state), told->producer_id, told->producer_epoch,
                 told->transaction_timeout_ms, told->topics_count);
    p->index++;
    client_at_once(&p->client);
}

static void ask_txns(struct painter *p)
{
    const struct txns *txns = p->client.scene->txns;
    if (p->index == txns_id_count(txns)) {
        next_step(p);
        return;
    }
    struct bytes id = bytes_from_text(txns_id_name(txns, p->index));
    struct describe_transactions_request request = describe_transactions_request_default;
    request.transactional_ids = &id;
    request.transactional_ids_count = 1;
    client_ask(&p->client, API_DESCRIBE_TRANSACTIONS, TXNS_VERSION, &request, on_txn, p);
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static void act(struct client *client)
{
    struct painter *p = CONTAINER_OF(client, struct painter, client);
    if (p->portrait == NULL || client_is_waiting(client))
        return;
    switch (p->step) {
    case STEP_METADATA:
        ask_metadata(p);
        return;
    case STEP_CONFIGS:
        ask_configs(p);
        return;
    case STEP_LOGS:
        ask_logs(p);
        return;
    case STEP_DIRS:
        ask_dirs(p);
        return;
    case STEP_GROUPS:
        ask_groups(p);
        return;
    case STEP_OFFSETS:
        ask_offsets(p);
        return;
    case STEP_TXNS:
        ask_txns(p);
        return;
    case STEP_DONE:
        return;
    }
}

struct painter *painter_new(struct scene *scene)
{
    struct painter *p = MEM_NEW(struct painter);
    client_init(&p->client, scene, "painter", act);
    p->client.works_at_rest = true;
    return p;
}

static void forget_logs(struct painter *p)
{
    for (size_t i = 0; i < p->logs.count; i++)
        mem_free(p->logs.items[i].topic);
    p->logs.count = 0;
}

void painter_free(struct painter *p)
{
    client_deinit(&p->client);
    portrait_free(p->portrait);
    forget_logs(p);
    VEC_DEINIT(&p->logs);
    mem_free(p);
}

void painter_begin(struct painter *p)
{
    ASSERT(p->portrait == NULL);
    p->portrait = portrait_new();
    p->step = STEP_METADATA;
    p->index = 0;
    forget_logs(p);
    client_at_once(&p->client);
}

struct portrait *painter_take(struct painter *p)
{
    if (p->portrait == NULL || p->step != STEP_DONE)
        return NULL;
    portrait_sort(p->portrait);
    return TAKE(p->portrait);
}
