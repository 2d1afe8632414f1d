/* What kafka-consumer-groups asks a cluster. */
#include "cli/groups.h"

#include "wire/kafka_error.h"
#include "wire/messages/consumer_group_describe_request.h"
#include "wire/messages/consumer_group_describe_response.h"
#include "wire/messages/consumer_protocol_assignment.h"
#include "wire/messages/describe_groups_request.h"
#include "wire/messages/describe_groups_response.h"
#include "wire/messages/list_groups_request.h"
#include "wire/messages/list_groups_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

#include <stdlib.h>

#define OFFSET_FETCH_VERSION_ONE_GROUP 7

static struct bytes keep(struct groups_run *run, struct bytes b)
{
    return bytes_is_null(b) ? b : bytes_from(arena_dup(&run->arena, b.data, b.size), b.size);
}

struct groups_offset *groups_find(struct groups_offsets *offsets, struct bytes topic,
                                  int32_t partition)
{
    for (size_t i = 0; i < offsets->list.count; i++) {
        struct groups_offset *o = &offsets->list.items[i];
        if (o->partition == partition && bytes_equal(o->topic, topic))
            return o;
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const struct groups_offset *x = a;
    const struct groups_offset *y = b;
    const int by_topic = bytes_compare(x->topic, y->topic);
    return by_topic != 0 ? by_topic : (x->partition > y->partition) - (x->partition < y->partition);
}

void groups_sort(struct groups_offsets *offsets)
{
    if (offsets->list.count > 1)
        qsort(offsets->list.items, offsets->list.count, sizeof(*offsets->list.items), compare);
}

/* Whether a coordinator's refusal may be over in a moment: then it is asked again. */
static bool may_ask_again(struct groups_run *run, struct bytes group, int16_t error,
                          int64_t deadline_ns)
{
    if (!kafka_error_is_retriable(error))
        return false;
    admin_forget_coordinator(run->remote.admin, group);
    return admin_pause(run->remote.admin, deadline_ns) == 0;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static void add_assigned(struct groups_run *run, struct bytes topic, int32_t partition,
                         struct groups_offsets *out)
{
    VEC_ADD(&out->list, ((struct groups_offset){ .topic = keep(run, topic),
                                                 .partition = partition,
                                                 .committed = -1,
                                                 .leader_epoch = -1,
                                                 .start = -1,
                                                 .end = -1 }));
}

static void take_assignment(struct groups_run *run, struct bytes bytes, struct groups_offsets *out)
{
    struct reader r = reader_from(bytes);
    int16_t version = read_i16(&r);
    if (version > consumer_protocol_assignment_message.version_max)
        version = consumer_protocol_assignment_message.version_max;
    struct consumer_protocol_assignment a;
    consumer_protocol_assignment_init(&a);
    if (bytes.size == 0 || version < 0 ||
        consumer_protocol_assignment_decode(version, &r, &run->arena, &a, NULL) < 0)
        return;
    for (int32_t i = 0; i < a.assigned_partitions_count; i++) {
        for (int32_t k = 0; k < a.assigned_partitions[i].partitions_count; k++)
            add_assigned(run, a.assigned_partitions[i].topic,
                         a.assigned_partitions[i].partitions[k], out);
    }
    groups_sort(out);
}

static void take_group(struct groups_run *run,
                       const struct describe_groups_response_described_group *from,
                       struct groups_group *out)
{
    *out = (struct groups_group){ .id = keep(run, from->group_id),
                                  .state = keep(run, from->group_state),
                                  .protocol = keep(run, from->protocol_data) };
    for (int32_t i = 0; i < from->members_count; i++) {
        const struct describe_groups_response_described_group_member *m = &from->members[i];
        struct groups_member *member = VEC_PUSH(&out->members);
        member->id = keep(run, m->member_id);
        member->instance_id = keep(run, m->group_instance_id);
        member->client_id = keep(run, m->client_id);
        member->host = keep(run, m->client_host);
        take_assignment(run, keep(run, m->member_assignment), &member->assigned);
    }
}

void groups_group_deinit(struct groups_group *group)
{
    for (size_t i = 0; i < group->members.count; i++) {
        VEC_DEINIT(&group->members.items[i].assigned.list);
        VEC_DEINIT(&group->members.items[i].target.list);
    }
    VEC_DEINIT(&group->members);
}

static void take_partitions(struct groups_run *run,
                            const struct consumer_group_describe_response_assignment *from,
                            struct groups_offsets *out)
{
    for (int32_t i = 0; i < from->topic_partitions_count; i++) {
        for (int32_t k = 0; k < from->topic_partitions[i].partitions_count; k++)
            add_assigned(run, from->topic_partitions[i].topic_name,
                         from->topic_partitions[i].partitions[k], out);
    }
    groups_sort(out);
}

static void take_consumer_group(struct groups_run *run,
                                const struct consumer_group_describe_response_described_group *from,
                                struct groups_group *out)
{
    *out = (struct groups_group){ .id = keep(run, from->group_id),
                                  .state = keep(run, from->group_state),
                                  .protocol = keep(run, from->assignor_name),
                                  .is_consumer = true,
                                  .epoch = from->group_epoch,
                                  .assignment_epoch = from->assignment_epoch };
    for (int32_t i = 0; i < from->members_count; i++) {
        const struct consumer_group_describe_response_member *m = &from->members[i];
        struct groups_member *member = VEC_PUSH(&out->members);
        member->id = keep(run, m->member_id);
        member->instance_id = keep(run, m->instance_id);
        member->client_id = keep(run, m->client_id);
        member->host = keep(run, m->client_host);
        member->epoch = m->member_epoch;
        member->is_classic = m->member_type == 0;
        take_partitions(run, &m->assignment, &member->assigned);
        take_partitions(run, &m->target_assignment, &member->target);
    }
}

/* What DescribeGroups does not know may be a group of the consumer protocol. -ERR_NOT_FOUND: it is none; a broker that has never
 * heard of that protocol has no such groups. */
static int describe_consumer_group(struct groups_run *run, struct bytes group,
                                   struct groups_group *out)
{
    const int64_t deadline_ns = admin_deadline(run->remote.admin);
    struct consumer_group_describe_request request = consumer_group_describe_request_default;
    request.group_ids = &group;
    request.group_ids_count = 1;
    for (;;) {
        struct client_call call = { .key = API_CONSUMER_GROUP_DESCRIBE, .request = &request };
        int r = admin_call(run->remote.admin, ADMIN_GROUP(group), &call, &run->note);
        const struct consumer_group_describe_response *response = call.response;
        int16_t error = KAFKA_UNKNOWN_SERVER_ERROR;
        if (r == 0 && response->groups_count == 1)
            error = response->groups[0].error_code;
        if (r == 0 && error == KAFKA_NONE)
            take_consumer_group(run, &response->groups[0], out);
        client_call_deinit(&call);
        if (r == -ERR_VERSION || (r == 0 && error == KAFKA_GROUP_ID_NOT_FOUND))
            return err_note(&run->note, -ERR_NOT_FOUND, "Group %.*s not found.",
                            BYTES_PRINTF(group));
        if (r < 0 || error == KAFKA_NONE)
            return r;
        if (!may_ask_again(run, group, error, deadline_ns))
            return err_note(&run->note, -ERR_PROTOCOL, "%s", kafka_error_sentence(error));
    }
}

int groups_describe(struct groups_run *run, struct bytes group, struct groups_group *out)
{
    const int64_t deadline_ns = admin_deadline(run->remote.admin);
    struct describe_groups_request request = describe_groups_request_default;
    request.groups = &group;
    request.groups_count = 1;
    for (;;) {
        struct client_call call = { .key = API_DESCRIBE_GROUPS, .request = &request };
        int r = admin_call(run->remote.admin, ADMIN_GROUP(group), &call, &run->note);
        const struct describe_groups_response *response = call.response;
        int16_t error = KAFKA_UNKNOWN_SERVER_ERROR;
        if (r == 0 && response->groups_count == 1) {
            error = response->groups[0].error_code;
            if (error == KAFKA_NONE && bytes_equal_text(response->groups[0].group_state, "Dead"))
                error = KAFKA_GROUP_ID_NOT_FOUND; /* before version 6 the state says it */
            if (error == KAFKA_NONE)
                take_group(run, &response->groups[0], out);
        }
        client_call_deinit(&call);
        if (r < 0 || error == KAFKA_NONE)
            return r;
        if (error == KAFKA_GROUP_ID_NOT_FOUND)
            return describe_consumer_group(run, group, out);
        if (!may_ask_again(run, group, error, deadline_ns))
            return err_note(&run->note, -ERR_PROTOCOL, "%s", kafka_error_sentence(error));
    }
}

static int compare_listed(const void *a, const void *b)
{
    return bytes_compare(((const struct groups_listed *)a)->id,
                         ((const struct groups_listed *)b)->id);
}

static int list_of_broker(struct groups_run *run, int32_t broker, struct groups_list *out)
{
    struct list_groups_request request = list_groups_request_default;
    struct client_call call = { .key = API_LIST_GROUPS, .request = &request };
    int r = admin_call(run->remote.admin, ADMIN_BROKER(broker), &call, &run->note);
    const struct list_groups_response *response = call.response;
    if (r == 0 && response->error_code != KAFKA_NONE)
        r = err_note(&run->note, -ERR_PROTOCOL, "%s", kafka_error_sentence(response->error_code));
    for (int32_t i = 0; r == 0 && i < response->groups_count; i++) {
        const struct list_groups_response_listed_group *g = &response->groups[i];
        if (!bytes_equal_text(g->protocol_type, "consumer") && g->protocol_type.size > 0)
            continue;
        VEC_ADD(&out->list, ((struct groups_listed){ .id = keep(run, g->group_id),
                                                     .state = keep(run, g->group_state),
                                                     .type = keep(run, g->group_type) }));
    }
    client_call_deinit(&call);
    return r;
}

int groups_list(struct groups_run *run, struct groups_list *out)
{
    int r = admin_refresh(run->remote.admin, NULL, 0, false, &run->note);
    const struct cluster_ids ids = cluster_broker_ids(admin_cluster(run->remote.admin));
    for (size_t i = 0; r == 0 && i < ids.count; i++)
        r = list_of_broker(run, ids.items[i], out);
    if (out->list.count > 1)
        qsort(out->list.items, out->list.count, sizeof(*out->list.items), compare_listed);
    return r;
}

int groups_chosen(struct groups_run *run, struct bytes **out, size_t *out_count)
{
    if (!cli_has(run->options, "all-groups")) {
        const size_t count = cli_count(run->options, "group");
        *out = ARENA_NEW_ARRAY(&run->arena, struct bytes, count);
        *out_count = count;
        for (size_t i = 0; i < count; i++)
            (*out)[i] = bytes_from_text(cli_text_at(run->options, "group", i));
        return 0;
    }
    struct groups_list list = { 0 };
    const int r = groups_list(run, &list);
    *out = ARENA_NEW_ARRAY(&run->arena, struct bytes, list.list.count);
    *out_count = list.list.count;
    for (size_t i = 0; i < list.list.count; i++)
        (*out)[i] = list.list.items[i].id;
    VEC_DEINIT(&list.list);
    return r;
}

/* ---- offsets --------------------------------------------------------------------------------- */

int groups_committed(struct groups_run *run, struct bytes group, struct groups_offsets *out)
{
    const int64_t deadline_ns = admin_deadline(run->remote.admin);
    struct offset_fetch_request request = offset_fetch_request_default;
    request.group_id = group;
    request.topics = NULL;
    request.topics_count = -1;
    for (;;) {
        struct client_call call = { .key = API_OFFSET_FETCH,
                                    .request = &request,
                                    .version_max = OFFSET_FETCH_VERSION_ONE_GROUP };
        int r = admin_call(run->remote.admin, ADMIN_GROUP(group), &call, &run->note);
        const struct offset_fetch_response *response = call.response;
        const int16_t error = r == 0 ? response->error_code : (int16_t)KAFKA_NONE;
        for (int32_t i = 0; r == 0 && error == KAFKA_NONE && i < response->topics_count; i++) {
            const struct offset_fetch_response_topic *t = &response->topics[i];
            for (int32_t k = 0; k < t->partitions_count; k++) {
                if (t->partitions[k].error_code != KAFKA_NONE ||
                    t->partitions[k].committed_offset < 0)
                    continue;
                VEC_ADD(&out->list, ((struct groups_offset){
                                        .topic = keep(run, t->name),
                                        .partition = t->partitions[k].partition_index,
                                        .committed = t->partitions[k].committed_offset,
                                        .leader_epoch = t->partitions[k].committed_leader_epoch,
                                        .start = -1,
                                        .end = -1 }));
            }
        }
        client_call_deinit(&call);
        if (r < 0 || error == KAFKA_NONE) {
            groups_sort(out);
            return r;
        }
        if (!may_ask_again(run, group, error, deadline_ns))
            return err_note(&run->note, -ERR_PROTOCOL, "%s", kafka_error_sentence(error));
    }
}

/* Those of one leader, each as a topic of its own. */
static int ask_leader(struct groups_run *run, struct groups_offsets *offsets, int32_t leader,
                      int64_t timestamp)
{
    struct cluster *cluster = admin_cluster(run->remote.admin);
    struct list_offsets_request request = list_offsets_request_default;
    request.replica_id = -1;
    request.topics = list_offsets_request_topic_array(&run->arena, offsets->list.count);
    for (size_t i = 0; i < offsets->list.count; i++) {
        const struct groups_offset *o = &offsets->list.items[i];
        const struct cluster_partition *at = cluster_partition(cluster, o->topic, o->partition);
        if (at == NULL || at->leader != leader)
            continue;
        struct list_offsets_request_topic *t = &request.topics[request.topics_count++];
        t->name = o->topic;
        t->partitions = list_offsets_request_partition_array(&run->arena, 1);
        t->partitions_count = 1;
        t->partitions[0].partition_index = o->partition;
        t->partitions[0].timestamp = timestamp;
    }
    if (request.topics_count == 0)
        return 0;
    struct client_call call = { .key = API_LIST_OFFSETS, .request = &request };
    const int r = admin_call(run->remote.admin, ADMIN_BROKER(leader), &call, &run->note);
    const struct list_offsets_response *response = call.response;
    for (int32_t i = 0; r == 0 && i < response->topics_count; i++) {
        for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
            const struct list_offsets_response_partition_response *p =
                &response->topics[i].partitions[k];
            struct groups_offset *o =
                groups_find(offsets, response->topics[i].name, p->partition_index);
            if (o == NULL || p->error_code != KAFKA_NONE)
                continue;
            if (timestamp == -2)
                o->start = p->offset;
            else
                o->end = p->offset;
        }
    }
    client_call_deinit(&call);
    return r;
}

int groups_log_offsets(struct groups_run *run, struct groups_offsets *offsets, int64_t timestamp)
{
    struct bytes *topics = ARENA_NEW_ARRAY(&run->arena, struct bytes, offsets->list.count);
    size_t count = 0;
    for (size_t i = 0; i < offsets->list.count; i++) {
        if (count == 0 || !bytes_equal(topics[count - 1], offsets->list.items[i].topic))
            topics[count++] = offsets->list.items[i].topic;
    }
    int r = admin_refresh(run->remote.admin, topics, count, false, &run->note);
    const struct cluster_ids ids = cluster_broker_ids(admin_cluster(run->remote.admin));
    for (size_t i = 0; r == 0 && i < ids.count; i++)
        r = ask_leader(run, offsets, ids.items[i], timestamp);
    return r;
}
