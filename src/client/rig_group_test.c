/* See rig_test.h: the coordinator of one classic group, without time-outs: who joins waits until every member has come. */
#include "client/rig_test.h"

#include "base/mem.h"
#include "wire/kafka_error.h"
#include "wire/messages/heartbeat_request.h"
#include "wire/messages/heartbeat_response.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/leave_group_response.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"

#include <string.h>

struct member {
    char *id;
    uint8_t *subscription; /* of the first protocol; NULL: it has not come back with its id */
    size_t subscription_size;
    char *protocol;
    uint8_t *assignment; /* NULL: not given yet */
    size_t assignment_size;
    struct rig_request *waiting; /* to join or to sync; may be gone with its connection */
};

struct committed {
    char *topic;
    int32_t partition;
    int64_t offset;
    int32_t epoch;
};

struct rig_group {
    VEC(struct member) members; /* the first leads */
    VEC(struct committed) committed;
    int32_t generation;
    bool is_preparing; /* members are to join */
    uint32_t next_member;
};

void rig_group_begin(struct client_rig *rig)
{
    rig->group = MEM_NEW(struct rig_group);
}

static void member_free(struct member *m)
{
    mem_free(m->id);
    mem_free(m->subscription);
    mem_free(m->protocol);
    mem_free(m->assignment);
}

void rig_group_forget_members(struct client_rig *rig)
{
    struct rig_group *g = rig->group;
    for (size_t i = 0; i < g->members.count; i++)
        member_free(&g->members.items[i]);
    g->members.count = 0;
}

void rig_group_end(struct client_rig *rig)
{
    struct rig_group *g = rig->group;
    rig_group_forget_members(rig);
    VEC_DEINIT(&g->members);
    for (size_t i = 0; i < g->committed.count; i++)
        mem_free(g->committed.items[i].topic);
    VEC_DEINIT(&g->committed);
    mem_free(g);
}

uint32_t rig_group_members(const struct client_rig *rig)
{
    return (uint32_t)rig->group->members.count;
}

int32_t rig_group_generation(const struct client_rig *rig)
{
    return rig->group->generation;
}

static struct member *member_of(struct rig_group *g, struct bytes id)
{
    for (size_t i = 0; i < g->members.count; i++) {
        if (bytes_equal_text(id, g->members.items[i].id))
            return &g->members.items[i];
    }
    return NULL;
}

/* A request that waits leaves its member when it goes. */
static void no_longer_waits(struct rig_request *request)
{
    struct rig_group *g = request->rig->group;
    for (size_t i = 0; i < g->members.count; i++) {
        if (g->members.items[i].waiting == request)
            g->members.items[i].waiting = NULL;
    }
}

static void wait(struct member *m, struct rig_request *request)
{
    EXPECT(m != NULL);
    m->waiting = request;
    request->on_gone = no_longer_waits;
}

/* ---- answers to sync ------------------------------------------------------------------------- */

static void answer_sync(struct rig_request *request, int16_t error, const struct member *m)
{
    struct sync_group_response response = sync_group_response_default;
    response.error_code = error;
    response.protocol_type = BYTES_LITERAL("consumer");
    response.protocol_name = m == NULL ? BYTES_NULL : bytes_from_text(m->protocol);
    if (m != NULL)
        response.assignment = bytes_from(m->assignment, m->assignment_size);
    rig_answer(request, &response);
}

/* Members are to join again: those that wait for their share of the last generation are told. */
static void prepare(struct rig_group *g)
{
    g->is_preparing = true;
    for (size_t i = 0; i < g->members.count; i++) {
        struct member *m = &g->members.items[i];
        if (m->waiting != NULL && m->waiting->api_key == API_SYNC_GROUP)
            answer_sync(TAKE(m->waiting), KAFKA_REBALANCE_IN_PROGRESS, NULL);
    }
}

/* ---- joining --------------------------------------------------------------------------------- */

static void answer_join(struct rig_request *request, int16_t error, const char *member_id)
{
    struct rig_group *g = request->rig->group;
    struct join_group_response response = join_group_response_default;
    response.error_code = error;
    response.member_id = bytes_from_text(member_id);
    response.protocol_name = BYTES_LITERAL("");
    if (error == KAFKA_NONE) {
        const struct member *leader = &g->members.items[0];
        response.generation_id = g->generation;
        response.protocol_type = BYTES_LITERAL("consumer");
        response.protocol_name = bytes_from_text(leader->protocol);
        response.leader = bytes_from_text(leader->id);
        if (strcmp(leader->id, member_id) == 0) {
            const size_t count = g->members.count + request->rig->ghost_count;
            response.members = join_group_response_member_array(&request->arena, count);
            response.members_count = (int32_t)count;
            for (size_t i = g->members.count; i < count; i++)
                response.members[i].metadata = request->rig->ghost_subscription;
            for (size_t i = 0; i < g->members.count; i++) {
                const struct member *m = &g->members.items[i];
                response.members[i].member_id = bytes_from_text(m->id);
                response.members[i].group_instance_id = BYTES_NULL;
                response.members[i].metadata = bytes_from(m->subscription, m->subscription_size);
            }
        }
    }
    rig_answer(request, &response);
}

static void complete_if_all_are_here(struct rig_group *g)
{
    for (size_t i = 0; i < g->members.count;) {
        if (g->members.items[i].subscription == NULL) {
            member_free(&g->members.items[i]);
            VEC_REMOVE_AT(&g->members, i);
        } else if (g->members.items[i].waiting == NULL) {
            return;
        } else {
            i++;
        }
    }
    g->is_preparing = false;
    g->generation++;
    for (size_t i = 0; i < g->members.count; i++)
        mem_free(TAKE(g->members.items[i].assignment));
    for (size_t i = 0; i < g->members.count; i++)
        answer_join(TAKE(g->members.items[i].waiting), KAFKA_NONE, g->members.items[i].id);
}

static void join(struct rig_request *request)
{
    struct rig_group *g = request->rig->group;
    const struct join_group_request *asked = request->message;
    AUTO(mem_freep) char *id = bytes_to_text(asked->member_id);
    if (request->refusal != KAFKA_NONE) {
        answer_join(request, request->refusal, id);
        return;
    }
    if (asked->member_id.size == 0) { /* KIP-394 */
        AUTO(mem_freep) char *made = mem_printf("member-%u", ++g->next_member);
        VEC_ADD(&g->members, ((struct member){ .id = mem_strdup(made) }));
        answer_join(request, KAFKA_MEMBER_ID_REQUIRED, made);
        return;
    }
    struct member *m = member_of(g, asked->member_id);
    if (m == NULL) {
        answer_join(request, KAFKA_UNKNOWN_MEMBER_ID, id);
        return;
    }
    mem_free(m->subscription);
    mem_free(m->protocol);
    m->subscription = mem_dup(asked->protocols[0].metadata.data, asked->protocols[0].metadata.size);
    m->subscription_size = asked->protocols[0].metadata.size;
    m->protocol = bytes_to_text(asked->protocols[0].name);
    prepare(g); /* which may serve other requests */
    wait(member_of(g, asked->member_id), request);
    complete_if_all_are_here(g);
}

/* ---- syncing --------------------------------------------------------------------------------- */

static int16_t judge_member(const struct rig_request *request, struct bytes id, int32_t generation)
{
    const struct rig_group *g = request->rig->group;
    if (request->refusal != KAFKA_NONE)
        return request->refusal;
    if (request->broker->id != request->rig->coordinator)
        return KAFKA_NOT_COORDINATOR;
    if (member_of(request->rig->group, id) == NULL)
        return KAFKA_UNKNOWN_MEMBER_ID;
    return generation == g->generation ? KAFKA_NONE : KAFKA_ILLEGAL_GENERATION;
}

static void sync_group(struct rig_request *request)
{
    struct rig_group *g = request->rig->group;
    const struct sync_group_request *asked = request->message;
    const int16_t error = judge_member(request, asked->member_id, asked->generation_id);
    if (error != KAFKA_NONE || g->is_preparing) {
        answer_sync(request, error != KAFKA_NONE ? error : KAFKA_REBALANCE_IN_PROGRESS, NULL);
        return;
    }
    wait(member_of(g, asked->member_id), request);
    for (int32_t i = 0; i < asked->assignments_count; i++) {
        struct member *m = member_of(g, asked->assignments[i].member_id);
        EXPECT(m != NULL);
        mem_free(m->assignment);
        m->assignment_size = asked->assignments[i].assignment.size;
        m->assignment = mem_dup(asked->assignments[i].assignment.data, m->assignment_size);
    }
    for (size_t i = 0; i < g->members.count; i++) {
        struct member *m = &g->members.items[i];
        if (m->waiting != NULL && m->assignment != NULL)
            answer_sync(TAKE(m->waiting), KAFKA_NONE, m);
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void heartbeat(struct rig_request *request)
{
    const struct heartbeat_request *asked = request->message;
    struct heartbeat_response response = heartbeat_response_default;
    response.error_code = judge_member(request, asked->member_id, asked->generation_id);
    if (response.error_code == KAFKA_NONE && request->rig->group->is_preparing)
        response.error_code = KAFKA_REBALANCE_IN_PROGRESS;
    rig_answer(request, &response);
}

static void leave(struct rig_request *request)
{
    struct rig_group *g = request->rig->group;
    const struct leave_group_request *asked = request->message;
    struct leave_group_response response = leave_group_response_default;
    for (size_t i = 0; i < g->members.count; i++) {
        if (!bytes_equal_text(asked->member_id, g->members.items[i].id))
            continue;
        member_free(&g->members.items[i]);
        VEC_REMOVE_AT(&g->members, i);
        prepare(g);
        break;
    }
    rig_answer(request, &response);
    if (g->is_preparing)
        complete_if_all_are_here(g);
}

static struct committed *find_committed(struct rig_group *g, struct bytes topic, int32_t partition)
{
    for (size_t i = 0; i < g->committed.count; i++) {
        struct committed *c = &g->committed.items[i];
        if (c->partition == partition && bytes_equal_text(topic, c->topic))
            return c;
    }
    return NULL;
}

int64_t rig_group_committed(const struct client_rig *rig, const char *topic, int32_t partition)
{
    const struct committed *c = find_committed(rig->group, bytes_from_text(topic), partition);
    return c == NULL ? -1 : c->offset;
}

int32_t rig_group_committed_epoch(const struct client_rig *rig, const char *topic,
                                  int32_t partition)
{
    const struct committed *c = find_committed(rig->group, bytes_from_text(topic), partition);
    return c == NULL ? -1 : c->epoch;
}

static void keep(struct rig_group *g, struct bytes topic,
                 const struct offset_commit_request_partition *from)
{
    struct committed *c = find_committed(g, topic, from->partition_index);
    if (c == NULL) {
        VEC_ADD(&g->committed, ((struct committed){ .topic = bytes_to_text(topic),
                                                    .partition = from->partition_index }));
        c = &g->committed.items[g->committed.count - 1];
    }
    c->offset = from->committed_offset;
    c->epoch = from->committed_leader_epoch;
}

static void commit(struct rig_request *request)
{
    const struct offset_commit_request *asked = request->message;
    int16_t error = request->refusal;
    if (error == KAFKA_NONE && request->broker->id != request->rig->coordinator)
        error = KAFKA_NOT_COORDINATOR;
    if (error == KAFKA_NONE && asked->generation_id_or_member_epoch >= 0)
        error = judge_member(request, asked->member_id, asked->generation_id_or_member_epoch);
    struct offset_commit_response response = offset_commit_response_default;
    response.topics =
        offset_commit_response_topic_array(&request->arena, (size_t)asked->topics_count);
    response.topics_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        const struct offset_commit_request_topic *from = &asked->topics[i];
        struct offset_commit_response_topic *to = &response.topics[i];
        to->name = from->name;
        to->partitions_count = from->partitions_count;
        to->partitions =
            offset_commit_response_partition_array(&request->arena, (size_t)from->partitions_count);
        for (int32_t k = 0; k < from->partitions_count; k++) {
            to->partitions[k].partition_index = from->partitions[k].partition_index;
            to->partitions[k].error_code = error;
            if (error == KAFKA_NONE)
                keep(request->rig->group, from->name, &from->partitions[k]);
        }
    }
    rig_answer(request, &response);
}

static void look_up(struct rig_request *request)
{
    const struct offset_fetch_request *asked = request->message;
    struct offset_fetch_response response = offset_fetch_response_default;
    response.error_code = request->refusal;
    if (response.error_code == KAFKA_NONE && request->broker->id != request->rig->coordinator)
        response.error_code = KAFKA_NOT_COORDINATOR;
    response.topics =
        offset_fetch_response_topic_array(&request->arena, (size_t)asked->topics_count);
    response.topics_count = response.error_code == KAFKA_NONE ? asked->topics_count : 0;
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct offset_fetch_request_topic *from = &asked->topics[i];
        struct offset_fetch_response_topic *to = &response.topics[i];
        to->name = from->name;
        to->partitions_count = from->partition_indexes_count;
        to->partitions = offset_fetch_response_partition_array(
            &request->arena, (size_t)from->partition_indexes_count);
        for (int32_t k = 0; k < to->partitions_count; k++) {
            const struct committed *c =
                find_committed(request->rig->group, from->name, from->partition_indexes[k]);
            to->partitions[k].partition_index = from->partition_indexes[k];
            to->partitions[k].committed_offset = c == NULL ? -1 : c->offset;
            to->partitions[k].committed_leader_epoch = c == NULL ? -1 : c->epoch;
        }
    }
    rig_answer(request, &response);
}

void rig_group_serve(struct rig_request *request)
{
    switch (request->api_key) {
    case API_JOIN_GROUP:
        join(request);
        break;
    case API_SYNC_GROUP:
        sync_group(request);
        break;
    case API_HEARTBEAT:
        heartbeat(request);
        break;
    case API_LEAVE_GROUP:
        leave(request);
        break;
    case API_OFFSET_COMMIT:
        commit(request);
        break;
    case API_OFFSET_FETCH:
        look_up(request);
        break;
    default:
        test_fail(__FILE__, __LINE__, "no rigged broker knows API %d", request->api_key);
    }
}
