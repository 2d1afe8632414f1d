/* Requests out of words. */
#include "coord_rig_parts.h"

#include "base/be.h"
#include "wire/api.h"
#include "wire/messages/consumer_group_describe_request.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/describe_groups_request.h"
#include "wire/messages/heartbeat_request.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/list_groups_request.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_delete_request.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/txn_offset_commit_request.h"

#include <string.h>

static struct bytes group_word(struct command *command)
{
    const char *word = command_word_or(command, 1, "-");
    return bytes_from_text(strcmp(word, "-") == 0 ? "" : word);
}

static struct bytes text_or_null(struct command *command, const char *name)
{
    return bytes_from_text(command_option(command, name, NULL));
}

/* "t-1" cut into its two halves. */
static int32_t cut_partition(struct command *command, char *text)
{
    return (int32_t)number(command, cut_at(command, text, '-'));
}

/* "t-0+t-1"; a topic for each. */
static void put_partitions(struct command *command, struct arena *arena, const char *list,
                           struct buf *out)
{
    int32_t count;
    char **items = split(arena, list, '+', &count);
    buf_put_i32(out, count);
    for (int32_t i = 0; i < count; i++) {
        const int32_t partition = cut_partition(command, items[i]);
        buf_put_i16(out, (int16_t)strlen(items[i]));
        buf_put_text(out, items[i]);
        buf_put_i32(out, 1);
        buf_put_i32(out, partition);
    }
}

/* `owned` null: of version 0, which does not tell. */
static struct bytes subscription(struct command *command, struct arena *arena, const char *topics,
                                 const char *owned)
{
    int32_t count;
    char **names = split(arena, topics, ',', &count);
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_put_i16(&out, owned == NULL ? 0 : 1);
    buf_put_i32(&out, count);
    for (int32_t i = 0; i < count; i++) {
        buf_put_i16(&out, (int16_t)strlen(names[i]));
        buf_put_text(&out, names[i]);
    }
    buf_put_i32(&out, -1);
    if (owned != NULL)
        put_partitions(command, arena, owned, &out);
    const struct bytes result = bytes_from(arena_dup(arena, out.data, out.size), out.size);
    buf_deinit(&out);
    return result;
}

static void *join(struct rig *rig, struct command *command)
{
    struct join_group_request *m = ARENA_NEW(&rig->arena, struct join_group_request);
    join_group_request_init(m);
    m->group_id = group_word(command);
    m->session_timeout_ms = (int32_t)command_number(command, "session", 10000);
    m->rebalance_timeout_ms = (int32_t)command_number(command, "rebalance", 60000);
    m->member_id = rig_member_id(rig, command_option(command, "id", "-"));
    m->group_instance_id = text_or_null(command, "inst");
    m->protocol_type = bytes_from_text(command_option(command, "type", "consumer"));
    char **names =
        split(&rig->arena, command_option(command, "protocols", "range"), ',', &m->protocols_count);
    m->protocols = join_group_request_protocol_array(&rig->arena, (size_t)m->protocols_count);
    const char *raw = command_option(command, "meta", NULL);
    for (int32_t i = 0; i < m->protocols_count; i++) {
        m->protocols[i].name = bytes_from_text(names[i]);
        m->protocols[i].metadata =
            raw != NULL ? bytes_from_text(raw)
                        : subscription(command, &rig->arena, command_option(command, "topics", "t"),
                                       command_option(command, "owned", NULL));
    }
    return m;
}

/* "=t-0+t-1", a ConsumerProtocolAssignment of these, or any text. */
static struct bytes assignment(struct command *command, struct arena *arena, char *text)
{
    if (strcmp(text, "custom") == 0) /* nothing, and a word of the assignor's own */
        return BYTES_LITERAL("\0\0\0\0\0\0\0\0\0\1u");
    if (*text != '=')
        return bytes_from_text(text);
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_put_i16(&out, 0);
    put_partitions(command, arena, text + 1, &out);
    buf_put_i32(&out, -1);
    const struct bytes result = bytes_from(arena_dup(arena, out.data, out.size), out.size);
    buf_deinit(&out);
    return result;
}

static void *sync_group(struct rig *rig, struct command *command)
{
    struct sync_group_request *m = ARENA_NEW(&rig->arena, struct sync_group_request);
    sync_group_request_init(m);
    m->group_id = group_word(command);
    m->generation_id = (int32_t)command_number(command, "gen", 1);
    m->member_id = rig_member_id(rig, command_option(command, "id", "-"));
    m->group_instance_id = text_or_null(command, "inst");
    m->protocol_type = text_or_null(command, "type");
    m->protocol_name = text_or_null(command, "protocol");
    char **items =
        split(&rig->arena, command_option(command, "assign", NULL), ',', &m->assignments_count);
    m->assignments = sync_group_request_assignment_array(&rig->arena, (size_t)m->assignments_count);
    for (int32_t i = 0; i < m->assignments_count; i++) {
        char *what = cut_at(command, items[i], ':');
        m->assignments[i].member_id = rig_member_id(rig, items[i]);
        m->assignments[i].assignment = assignment(command, &rig->arena, what);
    }
    return m;
}

static void *heartbeat(struct rig *rig, struct command *command)
{
    struct heartbeat_request *m = ARENA_NEW(&rig->arena, struct heartbeat_request);
    heartbeat_request_init(m);
    m->group_id = group_word(command);
    m->generation_id = (int32_t)command_number(command, "gen", 1);
    m->member_id = rig_member_id(rig, command_option(command, "id", "-"));
    m->group_instance_id = text_or_null(command, "inst");
    return m;
}

/* members=a,b/instance,-/instance */
static void *leave(struct rig *rig, struct command *command)
{
    struct leave_group_request *m = ARENA_NEW(&rig->arena, struct leave_group_request);
    leave_group_request_init(m);
    m->group_id = group_word(command);
    m->member_id = rig_member_id(rig, command_option(command, "id", "-"));
    char **items =
        split(&rig->arena, command_option(command, "members", NULL), ',', &m->members_count);
    m->members = leave_group_request_member_identity_array(&rig->arena, (size_t)m->members_count);
    for (int32_t i = 0; i < m->members_count; i++) {
        char *slash = strchr(items[i], '/');
        if (slash != NULL) {
            *slash = '\0';
            m->members[i].group_instance_id = bytes_from_text(slash + 1);
        }
        m->members[i].member_id = rig_member_id(rig, items[i]);
    }
    return m;
}

/* t-0:5, t-0:5:metadata or t-0:5:metadata:epoch; one topic for each */
static void *commit(struct rig *rig, struct command *command)
{
    struct arena *arena = &rig->arena;
    struct offset_commit_request *m = ARENA_NEW(arena, struct offset_commit_request);
    offset_commit_request_init(m);
    m->group_id = group_word(command);
    m->generation_id_or_member_epoch = (int32_t)command_number(command, "gen", -1);
    m->member_id = rig_member_id(rig, command_option(command, "id", "-"));
    m->group_instance_id = text_or_null(command, "inst");
    m->retention_time_ms = command_number(command, "retention", -1);
    char **items = split(arena, command_option(command, "offsets", NULL), ',', &m->topics_count);
    m->topics = offset_commit_request_topic_array(arena, (size_t)m->topics_count);
    for (int32_t i = 0; i < m->topics_count; i++) {
        int32_t count;
        char **parts = split(arena, items[i], ':', &count);
        struct offset_commit_request_topic *topic = &m->topics[i];
        topic->partitions = offset_commit_request_partition_array(arena, 1);
        topic->partitions_count = 1;
        topic->partitions[0].partition_index = cut_partition(command, parts[0]);
        topic->name = bytes_from_text(parts[0]);
        topic->topic_id = rig_topic_id(command_option(command, "as", parts[0]));
        topic->partitions[0].committed_offset = number(command, count > 1 ? parts[1] : NULL);
        topic->partitions[0].committed_metadata = bytes_from_text(count > 2 ? parts[2] : NULL);
        topic->partitions[0].committed_leader_epoch =
            count > 3 ? (int32_t)number(command, parts[3]) : -1;
    }
    return m;
}

/* Offsets as those of commit, in the transaction of producer= with epoch= */
static void *txn_commit(struct rig *rig, struct command *command)
{
    struct arena *arena = &rig->arena;
    struct txn_offset_commit_request *m = ARENA_NEW(arena, struct txn_offset_commit_request);
    txn_offset_commit_request_init(m);
    m->group_id = group_word(command);
    m->transactional_id = BYTES_LITERAL("tx");
    m->producer_id = command_number(command, "producer", 1);
    m->producer_epoch = (int16_t)command_number(command, "epoch", 0);
    m->generation_id = (int32_t)command_number(command, "gen", -1);
    m->member_id = rig_member_id(rig, command_option(command, "id", "-"));
    m->group_instance_id = text_or_null(command, "inst");
    char **items = split(arena, command_option(command, "offsets", NULL), ',', &m->topics_count);
    m->topics = txn_offset_commit_request_topic_array(arena, (size_t)m->topics_count);
    for (int32_t i = 0; i < m->topics_count; i++) {
        int32_t count;
        char **parts = split(arena, items[i], ':', &count);
        struct txn_offset_commit_request_topic *topic = &m->topics[i];
        topic->partitions = txn_offset_commit_request_partition_array(arena, 1);
        topic->partitions_count = 1;
        topic->partitions[0].partition_index = cut_partition(command, parts[0]);
        topic->name = bytes_from_text(parts[0]);
        topic->partitions[0].committed_offset = number(command, count > 1 ? parts[1] : NULL);
        topic->partitions[0].committed_metadata = bytes_from_text(count > 2 ? parts[2] : NULL);
        topic->partitions[0].committed_leader_epoch =
            count > 3 ? (int32_t)number(command, parts[3]) : -1;
    }
    return m;
}

static void *fetch(struct rig *rig, struct command *command)
{
    struct arena *arena = &rig->arena;
    struct offset_fetch_request *m = ARENA_NEW(arena, struct offset_fetch_request);
    offset_fetch_request_init(m);
    m->require_stable = command_has(command, "stable");
    m->groups = offset_fetch_request_group_array(arena, 1);
    m->groups_count = 1;
    struct offset_fetch_request_group *group = &m->groups[0];
    group->group_id = group_word(command);
    if (command_option(command, "id", NULL) != NULL)
        group->member_id = rig_member_id(rig, command_option(command, "id", NULL));
    group->member_epoch = (int32_t)command_number(command, "epoch", -1);
    const char *wanted = command_option(command, "parts", NULL);
    if (wanted == NULL) {
        group->topics = NULL;
        group->topics_count = -1;
        return m;
    }
    char **items = split(arena, wanted, ',', &group->topics_count);
    group->topics = offset_fetch_request_topics_array(arena, (size_t)group->topics_count);
    for (int32_t i = 0; i < group->topics_count; i++) {
        group->topics[i].partition_indexes = ARENA_NEW(arena, int32_t);
        group->topics[i].partition_indexes_count = 1;
        group->topics[i].partition_indexes[0] = cut_partition(command, items[i]);
        group->topics[i].name = bytes_from_text(items[i]);
        const char *as = command_option(command, "as", NULL);
        if (as != NULL)
            group->topics[i].topic_id = rig_topic_id(as);
    }
    return m;
}

static void *offset_delete(struct rig *rig, struct command *command)
{
    struct arena *arena = &rig->arena;
    struct offset_delete_request *m = ARENA_NEW(arena, struct offset_delete_request);
    offset_delete_request_init(m);
    m->group_id = group_word(command);
    char **items = split(arena, command_option(command, "parts", NULL), ',', &m->topics_count);
    m->topics = offset_delete_request_topic_array(arena, (size_t)m->topics_count);
    for (int32_t i = 0; i < m->topics_count; i++) {
        m->topics[i].partitions = offset_delete_request_partition_array(arena, 1);
        m->topics[i].partitions_count = 1;
        m->topics[i].partitions[0].partition_index = cut_partition(command, items[i]);
        m->topics[i].name = bytes_from_text(items[i]);
    }
    return m;
}

static struct bytes *texts(struct arena *arena, const char *list, int32_t *out_count)
{
    char **items = split(arena, list, ',', out_count);
    struct bytes *out = ARENA_NEW_ARRAY(arena, struct bytes, (size_t)*out_count + 1);
    for (int32_t i = 0; i < *out_count; i++)
        out[i] = bytes_from_text(strcmp(items[i], "-") == 0 ? "" : items[i]);
    return out;
}

static void *list(struct rig *rig, struct command *command)
{
    struct list_groups_request *m = ARENA_NEW(&rig->arena, struct list_groups_request);
    list_groups_request_init(m);
    m->states_filter =
        texts(&rig->arena, command_option(command, "states", NULL), &m->states_filter_count);
    m->types_filter =
        texts(&rig->arena, command_option(command, "types", NULL), &m->types_filter_count);
    group_reduce_filters(m);
    return m;
}

static void *describe(struct rig *rig, struct command *command)
{
    struct describe_groups_request *m = ARENA_NEW(&rig->arena, struct describe_groups_request);
    describe_groups_request_init(m);
    m->groups = texts(&rig->arena, command_word(command, 1), &m->groups_count);
    return m;
}

static void *consumers(struct rig *rig, struct command *command)
{
    struct consumer_group_describe_request *m =
        ARENA_NEW(&rig->arena, struct consumer_group_describe_request);
    consumer_group_describe_request_init(m);
    m->group_ids = texts(&rig->arena, command_word(command, 1), &m->group_ids_count);
    return m;
}

/* "t-0,t-1,u-0"; a topic for each, "-" for none at all. */
static void own(struct command *command, struct arena *arena, const char *list,
                struct consumer_group_heartbeat_request *m)
{
    if (list == NULL)
        return;
    char **items =
        split(arena, strcmp(list, "-") == 0 ? NULL : list, ',', &m->topic_partitions_count);
    m->topic_partitions = consumer_group_heartbeat_request_topic_partitions_array(
        arena, (size_t)m->topic_partitions_count + 1);
    for (int32_t i = 0; i < m->topic_partitions_count; i++) {
        m->topic_partitions[i].partitions = ARENA_NEW(arena, int32_t);
        m->topic_partitions[i].partitions_count = 1;
        m->topic_partitions[i].partitions[0] = cut_partition(command, items[i]);
        m->topic_partitions[i].topic_id = rig_topic_id(items[i]);
    }
}

/* With epoch 0 everything that a first request must tell. */
static void *beat(struct rig *rig, struct command *command)
{
    struct consumer_group_heartbeat_request *m =
        ARENA_NEW(&rig->arena, struct consumer_group_heartbeat_request);
    consumer_group_heartbeat_request_init(m);
    m->group_id = group_word(command);
    m->member_id = rig_member_id(rig, command_option(command, "id", "-"));
    m->member_epoch = (int32_t)command_number(command, "epoch", 0);
    const bool joins = m->member_epoch == 0;
    m->instance_id = text_or_null(command, "inst");
    m->rack_id = text_or_null(command, "rack");
    m->rebalance_timeout_ms = (int32_t)command_number(command, "rebalance", joins ? 60000 : -1);
    m->subscribed_topic_regex = text_or_null(command, "regex");
    const bool names_by_default = joins && bytes_is_null(m->subscribed_topic_regex);
    const char *names = command_option(command, "topics", names_by_default ? "t" : NULL);
    if (names != NULL)
        m->subscribed_topic_names = texts(&rig->arena, strcmp(names, "-") == 0 ? NULL : names,
                                          &m->subscribed_topic_names_count);
    m->server_assignor = text_or_null(command, "assignor");
    own(command, &rig->arena, command_option(command, "owned", joins ? "-" : NULL), m);
    return m;
}

static void *delete_groups(struct rig *rig, struct command *command)
{
    struct delete_groups_request *m = ARENA_NEW(&rig->arena, struct delete_groups_request);
    delete_groups_request_init(m);
    m->groups_names = texts(&rig->arena, command_word(command, 1), &m->groups_names_count);
    return m;
}

const void *rig_request(struct rig *rig, struct command *command, int16_t *out_api_key,
                        int16_t *out_version)
{
    static const struct {
        const char *word;
        int16_t api_key;
        void *(*make)(struct rig *rig, struct command *command);
    } requests[] = {
        { "join", API_JOIN_GROUP, join },
        { "sync", API_SYNC_GROUP, sync_group },
        { "heartbeat", API_HEARTBEAT, heartbeat },
        { "leave", API_LEAVE_GROUP, leave },
        { "commit", API_OFFSET_COMMIT, commit },
        { "txn-commit", API_TXN_OFFSET_COMMIT, txn_commit },
        { "fetch", API_OFFSET_FETCH, fetch },
        { "delete-offsets", API_OFFSET_DELETE, offset_delete },
        { "list", API_LIST_GROUPS, list },
        { "describe", API_DESCRIBE_GROUPS, describe },
        { "delete", API_DELETE_GROUPS, delete_groups },
        { "beat", API_CONSUMER_GROUP_HEARTBEAT, beat },
        { "consumers", API_CONSUMER_GROUP_DESCRIBE, consumers },
    };
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        if (strcmp(command->words[0], requests[i].word) != 0)
            continue;
        *out_api_key = requests[i].api_key;
        *out_version =
            (int16_t)command_number(command, "v", api_get(*out_api_key)->version_max_stable);
        return requests[i].make(rig, command);
    }
    return NULL;
}
