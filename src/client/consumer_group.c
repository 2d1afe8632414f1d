/* A member of a classic group: coordinator, join, sync, heartbeats (Kafka protocol guide; KIP-394, KIP-345).
 *
 *   lost → finding → unjoined → joining → (leading →) syncing → member
 * What a broker says against it leads back to unjoined (a new generation) or lost (another coordinator).
 */
#include "client/consumer_int.h"

#include "base/be.h"
#include "wire/kafka_error.h"
#include "wire/messages/consumer_protocol_assignment.h"
#include "wire/messages/consumer_protocol_subscription.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/heartbeat_request.h"
#include "wire/messages/heartbeat_response.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"

#include <string.h>

#define FIND_COORDINATOR_VERSION_ONE_KEY 3
#define PROTOCOL_TYPE                    "consumer"
#define JOIN_MARGIN_MS                   5000
#define LEAVE_WAIT_MS                    2000
#define LEAVE_GROUP_VERSION_ONE_MEMBER   2 /* the last that names one */

/* ---- shared ---------------------------------------------------------------------------------- */

struct bytes consumer__instance_id(const struct consumer *c)
{
    return bytes_from_text(config_text(c->config, SETTING_CONSUMER_GROUP_INSTANCE_ID));
}

static void set_member(struct consumer *c, struct bytes id)
{
    mem_free(c->member_id);
    c->member_id = bytes_is_null(id) ? mem_strdup("") : bytes_to_text(id);
}

static void revoke(struct consumer *c)
{
    if (c->positions.count > 0 && c->owner.on_revoked != NULL)
        c->owner.on_revoked(c->owner.context);
    consumer__commit_missed(c);
    consumer__drop_positions(c);
}

void consumer__lose_coordinator(struct consumer *c)
{
    c->coordinator = -1;
    c->group_not_before_ns = consumer__retry_at(c);
    if (c->group != GROUP_NONE)
        c->group = c->group == GROUP_MEMBER ? GROUP_MEMBER : GROUP_LOST;
}

static void rejoin(struct consumer *c)
{
    revoke(c);
    c->group = c->coordinator < 0 ? GROUP_LOST : GROUP_UNJOINED;
    consumer__tick_soon(c);
}

void consumer__group_error(struct consumer *c, int16_t error)
{
    switch (error) {
    case KAFKA_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_NOT_COORDINATOR:
        consumer__lose_coordinator(c);
        break;
    case KAFKA_UNKNOWN_MEMBER_ID:
        set_member(c, BYTES_NULL);
        rejoin(c);
        break;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_REBALANCE_IN_PROGRESS:
        rejoin(c);
        break;
    default:
        if (kafka_error_is_retriable(error))
            rejoin(c);
        else
            consumer__fail(c, -ERR_PROTOCOL, "Group %s: %s", c->group_id,
                           kafka_error_sentence(error));
        break;
    }
    c->group_not_before_ns = MAX(c->group_not_before_ns, consumer__retry_at(c));
}

void consumer__send(struct consumer *c, struct client_call *call, enum api_key key,
                    const void *request, void (*done)(struct client_call *))
{
    ASSERT(c->coordinator >= 0); /* and a broker that is known stays so */
    call->key = key;
    call->request = request;
    call->done = done;
    call->context = c;
    channel_send(cluster_coordinator(c->cluster, c->coordinator), call);
}

/* What asking again does not help against: no common version, an answer that is more than this client takes. */
static bool fail_for_good(struct consumer *c, const struct client_call *call)
{
    const bool is_final = call->result == -ERR_VERSION || call->result == -ERR_LIMIT;
    if (is_final)
        consumer__fail(c, call->result, "Group %s: %s", c->group_id, call->note.text);
    return is_final;
}

/* ---- coordinator ----------------------------------------------------------------------------- */

static void on_found(struct client_call *call)
{
    struct consumer *c = call->context;
    const struct find_coordinator_response *response = call->response;
    arena_deinit(&c->group_arena);
    if (c->is_closing)
        return;
    c->coordinator = -1;
    if (call->result < 0) {
        if (!fail_for_good(c, call))
            cluster_pass_over(c->cluster, call->result, call->note.text);
    } else if (response->error_code == KAFKA_NONE &&
               cluster_broker(c->cluster, response->node_id) != NULL) {
        c->coordinator = response->node_id;
    } else if (response->error_code == KAFKA_NONE) {
        (void)cluster_refresh(c->cluster);
    } else if (!kafka_error_is_retriable(response->error_code)) {
        consumer__fail(c, -ERR_PROTOCOL, "Group %s: %s", c->group_id,
                       kafka_error_sentence(response->error_code));
    }
    if (c->group == GROUP_FINDING)
        c->group = c->coordinator < 0 ? GROUP_LOST : GROUP_UNJOINED;
    if (c->coordinator < 0)
        c->group_not_before_ns = consumer__retry_at(c);
    consumer__tick_soon(c);
}

void consumer__find_coordinator(struct consumer *c)
{
    if (c->group_call.is_open_ || cluster_generation(c->cluster) == 0)
        return;
    arena_deinit(&c->group_arena);
    arena_init(&c->group_arena, CLIENT_ARENA_BYTES_MAX);
    struct find_coordinator_request *request =
        ARENA_NEW(&c->group_arena, struct find_coordinator_request);
    find_coordinator_request_init(request);
    request->key = bytes_from_text(c->group_id);
    c->group_call.key = API_FIND_COORDINATOR;
    c->group_call.request = request;
    c->group_call.version_max = FIND_COORDINATOR_VERSION_ONE_KEY;
    c->group_call.timeout_ms = 0;
    c->group_call.done = on_found;
    c->group_call.context = c;
    if (c->group == GROUP_LOST)
        c->group = GROUP_FINDING;
    channel_send(cluster_any(c->cluster), &c->group_call);
}

/* ---- sync ------------------------------------------------------------------------------------ */

static void take_assignment(struct consumer *c, struct bytes bytes)
{
    struct arena arena;
    arena_init(&arena, CLIENT_ARENA_BYTES_MAX);
    struct consumer_protocol_assignment assignment;
    struct reader r = reader_from(bytes);
    int16_t known = read_i16(&r);
    if (known > consumer_protocol_assignment_message.version_max)
        known = consumer_protocol_assignment_message.version_max;
    struct err_note note = { 0 };
    consumer_protocol_assignment_init(&assignment);
    const int e = bytes.size == 0
                      ? 0
                      : consumer_protocol_assignment_decode(known, &r, &arena, &assignment, &note);
    if (e < 0)
        consumer__fail(c, e, "Group %s: the assignment cannot be read: %s", c->group_id, note.text);
    for (int32_t i = 0; e == 0 && i < assignment.assigned_partitions_count; i++) {
        const struct consumer_protocol_assignment_topic_partition *t =
            &assignment.assigned_partitions[i];
        for (int32_t k = 0; k < t->partitions_count; k++)
            consumer__add_position(c, t->topic, t->partitions[k], CONSUMER_OFFSET_GROUP);
    }
    arena_deinit(&arena);
}

static void on_synced(struct client_call *call)
{
    struct consumer *c = call->context;
    const struct sync_group_response *response = call->response;
    arena_deinit(&c->group_arena);
    if (c->is_closing)
        return;
    (void)fail_for_good(c, call);
    if (call->result < 0) {
        consumer__lose_coordinator(c);
        c->group = GROUP_LOST;
    } else if (response->error_code != KAFKA_NONE) {
        c->group = GROUP_UNJOINED;
        consumer__group_error(c, response->error_code);
    } else {
        c->group = GROUP_MEMBER;
        take_assignment(c, response->assignment);
        if (c->owner.on_assigned != NULL)
            c->owner.on_assigned(c->owner.context, c->positions.count);
        c->heartbeat_ns = io_monotonic_ns(c->io);
        c->commit_ns = c->heartbeat_ns;
    }
    consumer__tick_soon(c);
}

/* Joins and syncs wait for other members. */
static int32_t rebalance_timeout_ms(const struct consumer *c)
{
    const int64_t ms =
        config_i64(c->config, SETTING_CONSUMER_MAX_POLL_INTERVAL_MS) + JOIN_MARGIN_MS;
    return (int32_t)MIN(ms, (int64_t)INT32_MAX);
}

static void send_sync(struct consumer *c, struct sync_group_request *request)
{
    request->group_id = bytes_from_text(c->group_id);
    request->generation_id = c->generation;
    request->member_id = bytes_from_text(c->member_id);
    request->group_instance_id = consumer__instance_id(c);
    request->protocol_type = BYTES_LITERAL(PROTOCOL_TYPE);
    request->protocol_name = bytes_from_text(c->protocol);
    c->group = GROUP_SYNCING;
    c->group_call.version_max = 0;
    c->group_call.timeout_ms = rebalance_timeout_ms(c);
    consumer__send(c, &c->group_call, API_SYNC_GROUP, request, on_synced);
}

/* ---- leading --------------------------------------------------------------------------------- */

static int32_t partition_count(void *context, struct bytes topic)
{
    const struct consumer *c = context;
    const struct cluster_topic *t = cluster_topic(c->cluster, topic);
    return t == NULL || t->error != KAFKA_NONE ? 0 : t->partition_count;
}

static struct bytes encode_assignment(struct arena *arena, const struct assignor_member *member)
{
    struct consumer_protocol_assignment a = consumer_protocol_assignment_default;
    a.user_data = BYTES_NULL;
    a.assigned_partitions =
        consumer_protocol_assignment_topic_partition_array(arena, member->share_count);
    a.assigned_partitions_count = (int32_t)member->share_count;
    for (size_t i = 0; i < member->share_count; i++) {
        a.assigned_partitions[i].topic = member->shares[i].topic;
        a.assigned_partitions[i].partitions = member->shares[i].partitions;
        a.assigned_partitions[i].partitions_count = member->shares[i].count;
    }
    struct buf buf;
    buf_init(&buf, CLIENT_ARENA_BYTES_MAX);
    struct writer w = writer_to(&buf);
    write_i16(&w, 0);
    const int r = consumer_protocol_assignment_encode(0, &a, &w, NULL);
    ASSERT(r == 0);
    const struct bytes out = bytes_from(arena_dup(arena, buf.data, buf.size), buf.size);
    buf_deinit(&buf);
    return out;
}

/* A member whose subscription cannot be read gets nothing, and the others their share. */
static void decode_member(struct arena *arena, const struct join_group_response_member *from,
                          struct assignor_member *out)
{
    *out =
        (struct assignor_member){ .id = from->member_id, .instance_id = from->group_instance_id };
    struct reader r = reader_from(from->metadata);
    int16_t version = read_i16(&r);
    if (version > consumer_protocol_subscription_message.version_max)
        version = consumer_protocol_subscription_message.version_max;
    struct consumer_protocol_subscription s;
    consumer_protocol_subscription_init(&s);
    if (version < 0 || consumer_protocol_subscription_decode(version, &r, arena, &s, NULL) < 0)
        return;
    out->topics = s.topics;
    out->topic_count = (size_t)s.topics_count;
}

/* More than groups have. A broker that tells of more is not believed: sharing out takes memory for each topic of each member. */
#define LEAD_MEMBER_BYTES 64u /* what a member counts as, besides its subscription */
#define LEAD_BYTES_MAX    (128u << 20)
#define LEAD_TOPICS_MAX   (4u << 20)

static void refuse_to_lead(struct consumer *c, const struct join_group_response *response)
{
    consumer__fail(c, -ERR_PROTOCOL,
                   "Group %s: the subscriptions of its %" PRId32
                   " members are more than this client shares out (%u topics, %u bytes)",
                   c->group_id, response->members_count, LEAD_TOPICS_MAX, LEAD_BYTES_MAX);
}

/* The members of the group; NULL: too much. */
static struct assignor_member *decode_members(struct arena *arena,
                                              const struct join_group_response *response)
{
    const size_t count = (size_t)response->members_count;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += LEAD_MEMBER_BYTES + response->members[i].metadata.size;
    if (bytes > LEAD_BYTES_MAX)
        return NULL;
    struct assignor_member *members = ARENA_NEW_ARRAY(arena, struct assignor_member, count);
    uint64_t topics = 0;
    for (size_t i = 0; i < count; i++) {
        decode_member(arena, &response->members[i], &members[i]);
        topics += members[i].topic_count;
    }
    return topics > LEAD_TOPICS_MAX ? NULL : members;
}

/* The answer to join stays in group_call until sync is sent: everything here is made in the arena first. */
static void lead(struct consumer *c)
{
    if (c->coordinator < 0) {
        c->group = GROUP_LOST;
        return;
    }
    const struct join_group_response *response = c->group_call.response;
    const size_t count = (size_t)response->members_count;
    struct arena *arena = &c->group_arena;
    struct assignor_member *members = decode_members(arena, response);
    if (members == NULL) {
        refuse_to_lead(c, response);
        return;
    }
    bool lacks = false;
    for (size_t i = 0; i < count; i++) {
        members[i].id = bytes_from(arena_dup(arena, members[i].id.data, members[i].id.size),
                                   members[i].id.size);
        for (size_t k = 0; k < members[i].topic_count; k++) {
            if (cluster_topic(c->cluster, members[i].topics[k]) == NULL) {
                cluster_want(c->cluster, members[i].topics[k]);
                lacks = true;
            }
        }
    }
    if (lacks && c->group != GROUP_LEADING) {
        c->group = GROUP_LEADING; /* once; what is not known then is not there */
        c->leading_ticket = cluster_refresh(c->cluster);
        return;
    }
    enum assignor assignor = ASSIGNOR_RANGE;
    (void)assignor_from_text(bytes_from_text(c->protocol), &assignor); /* it is one of ours */
    const struct assignor_topics topics = { .partition_count = partition_count, .context = c };
    assignor_assign(assignor, &topics, members, count, arena);
    struct sync_group_request *request = ARENA_NEW(arena, struct sync_group_request);
    sync_group_request_init(request);
    request->assignments = sync_group_request_assignment_array(arena, count);
    request->assignments_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        request->assignments[i].member_id = members[i].id;
        request->assignments[i].assignment = encode_assignment(arena, &members[i]);
    }
    send_sync(c, request);
}

/* ---- join ------------------------------------------------------------------------------------ */

/* In. Who leads shares out; the others wait for their share. */
static void take_membership(struct consumer *c, const struct join_group_response *response)
{
    c->generation = response->generation_id;
    mem_free(c->protocol);
    c->protocol = bytes_is_null(response->protocol_name) ? mem_strdup("")
                                                         : bytes_to_text(response->protocol_name);
    if (bytes_equal(response->leader, response->member_id)) {
        lead(c);
        return;
    }
    struct sync_group_request *request = ARENA_NEW(&c->group_arena, struct sync_group_request);
    sync_group_request_init(request);
    send_sync(c, request);
}

static void on_joined(struct client_call *call)
{
    struct consumer *c = call->context;
    const struct join_group_response *response = call->response;
    arena_deinit(&c->group_arena);
    if (c->is_closing)
        return;
    arena_init(&c->group_arena, CLIENT_ARENA_BYTES_MAX);
    const int16_t error = call->result < 0 ? KAFKA_NONE : response->error_code;
    if (call->result == 0 && (error == KAFKA_NONE || error == KAFKA_MEMBER_ID_REQUIRED))
        set_member(c, response->member_id); /* KIP-394: to come again with */
    (void)fail_for_good(c, call);
    if (call->result < 0 || c->coordinator < 0) { /* another call may have lost it meanwhile */
        consumer__lose_coordinator(c);
        c->group = GROUP_LOST;
    } else if (error == KAFKA_MEMBER_ID_REQUIRED) {
        c->group = GROUP_UNJOINED; /* at once again */
    } else if (error != KAFKA_NONE) {
        c->group = GROUP_UNJOINED;
        consumer__group_error(c, error);
    } else {
        take_membership(c, response);
    }
    consumer__tick_soon(c);
}

static struct bytes encode_subscription(struct consumer *c)
{
    struct consumer_protocol_subscription s = consumer_protocol_subscription_default;
    struct bytes *topics = ARENA_NEW_ARRAY(&c->group_arena, struct bytes, c->topics.count);
    for (size_t i = 0; i < c->topics.count; i++)
        topics[i] = bytes_from_text(c->topics.items[i]);
    s.topics = topics;
    s.topics_count = (int32_t)c->topics.count;
    s.user_data = BYTES_NULL;
    struct buf buf;
    buf_init(&buf, CLIENT_ARENA_BYTES_MAX);
    struct writer w = writer_to(&buf);
    write_i16(&w, 1);
    const int r = consumer_protocol_subscription_encode(1, &s, &w, NULL);
    ASSERT(r == 0);
    const struct bytes out = bytes_from(arena_dup(&c->group_arena, buf.data, buf.size), buf.size);
    buf_deinit(&buf);
    return out;
}

static int64_t count_partitions(struct consumer *c)
{
    int64_t count = 0;
    for (size_t i = 0; i < c->topics.count; i++)
        count += 1 + partition_count(c, bytes_from_text(c->topics.items[i]));
    return count;
}

static void put_protocols(struct consumer *c, struct join_group_request *request)
{
    const struct config_list wanted =
        config_list(c->config, SETTING_CONSUMER_PARTITION_ASSIGNMENT_STRATEGY);
    request->protocols = join_group_request_protocol_array(&c->group_arena, wanted.count + 1);
    for (size_t i = 0; i < wanted.count; i++) {
        enum assignor assignor;
        if (!assignor_from_text(bytes_from_text(wanted.items[i]), &assignor))
            continue;
        struct join_group_request_protocol *p = &request->protocols[request->protocols_count++];
        p->name = bytes_from_text(assignor_name(assignor));
        p->metadata = encode_subscription(c);
    }
    if (request->protocols_count == 0)
        consumer__fail(c, -ERR_UNSUPPORTED,
                       "partition.assignment.strategy names no strategy of this client: range and "
                       "roundrobin are");
}

static void join(struct consumer *c)
{
    arena_deinit(&c->group_arena);
    arena_init(&c->group_arena, CLIENT_ARENA_BYTES_MAX);
    struct join_group_request *request = ARENA_NEW(&c->group_arena, struct join_group_request);
    join_group_request_init(request);
    request->group_id = bytes_from_text(c->group_id);
    request->session_timeout_ms =
        (int32_t)config_i64(c->config, SETTING_CONSUMER_SESSION_TIMEOUT_MS);
    request->rebalance_timeout_ms =
        (int32_t)config_i64(c->config, SETTING_CONSUMER_MAX_POLL_INTERVAL_MS);
    const size_t id_size = strlen(c->member_id);
    request->member_id = bytes_from(arena_dup(&c->group_arena, c->member_id, id_size), id_size);
    request->group_instance_id = consumer__instance_id(c);
    request->protocol_type = BYTES_LITERAL(PROTOCOL_TYPE);
    request->reason = BYTES_NULL;
    put_protocols(c, request);
    if (c->error < 0)
        return;
    c->partitions_seen = count_partitions(c);
    c->group = GROUP_JOINING;
    c->group_call.version_max = 0;
    c->group_call.timeout_ms = rebalance_timeout_ms(c);
    consumer__send(c, &c->group_call, API_JOIN_GROUP, request, on_joined);
}

void consumer__group_changed(struct consumer *c)
{
    if (c->group == GROUP_MEMBER && count_partitions(c) != c->partitions_seen) {
        if (config_bool(c->config, SETTING_CONSUMER_ENABLE_AUTO_COMMIT))
            consumer__commit(c);
        rejoin(c);
    } else if (c->group == GROUP_LEADING && cluster_is_refreshed(c->cluster, c->leading_ticket)) {
        lead(c);
    }
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void on_heartbeat(struct client_call *call)
{
    struct consumer *c = call->context;
    const struct heartbeat_response *response = call->response;
    arena_deinit(&c->heartbeat_arena);
    if (c->is_closing || c->group != GROUP_MEMBER)
        return;
    if (call->result < 0) {
        consumer__lose_coordinator(c);
    } else if (response->error_code == KAFKA_REBALANCE_IN_PROGRESS) {
        if (config_bool(c->config, SETTING_CONSUMER_ENABLE_AUTO_COMMIT))
            consumer__commit(c);
        rejoin(c);
        c->group_not_before_ns = 0;
    } else if (response->error_code != KAFKA_NONE) {
        consumer__group_error(c, response->error_code);
    }
}

static void heartbeat(struct consumer *c, int64_t now_ns)
{
    const int64_t interval_ns =
        config_i64(c->config, SETTING_CONSUMER_HEARTBEAT_INTERVAL_MS) * NS_PER_MS;
    if (c->heartbeat_call.is_open_ || now_ns - c->heartbeat_ns < interval_ns)
        return;
    c->heartbeat_ns = now_ns;
    arena_deinit(&c->heartbeat_arena);
    arena_init(&c->heartbeat_arena, CLIENT_ARENA_BYTES_MAX);
    struct heartbeat_request *request = ARENA_NEW(&c->heartbeat_arena, struct heartbeat_request);
    heartbeat_request_init(request);
    request->group_id = bytes_from_text(c->group_id);
    request->generation_id = c->generation;
    const size_t id_size = strlen(c->member_id);
    request->member_id = bytes_from(arena_dup(&c->heartbeat_arena, c->member_id, id_size), id_size);
    request->group_instance_id = consumer__instance_id(c);
    consumer__send(c, &c->heartbeat_call, API_HEARTBEAT, request, on_heartbeat);
}

/* ---- steps ----------------------------------------------------------------------------------- */

void consumer__group_tick(struct consumer *c, int64_t now_ns)
{
    if (c->group_id == NULL) {
        consumer__fail(c, -ERR_INVALID_SETTING,
                       "To use the group management or offset commit APIs, you must provide a "
                       "valid group.id in the consumer configuration.");
        return;
    }
    if (c->group == GROUP_MEMBER && c->coordinator >= 0)
        heartbeat(c, now_ns);
    if (now_ns < c->group_not_before_ns || c->group_call.is_open_)
        return;
    if (c->coordinator < 0 && (c->group == GROUP_LOST || c->group == GROUP_MEMBER))
        consumer__find_coordinator(c);
    else if ((c->group == GROUP_LOST || c->group == GROUP_UNJOINED) &&
             cluster_generation(c->cluster) > 0)
        join(c);
}

static void on_left(struct client_call *call)
{
    (void)call; /* whether it was heard changes nothing */
}

static bool is_committed(void *context)
{
    const struct consumer *c = context;
    return !c->wants_commit && !c->commit_call.is_open_;
}

static bool has_left(void *context)
{
    const struct consumer *c = context;
    return !c->heartbeat_call.is_open_;
}

/* Whoever has an id is in the group, or about to be: the broker waits for it, and shares out to it, until it is told. What
 * waits for others (a join, a sync, offsets of a transaction) is given up first: a broker reads nothing behind it. A static member
 * comes back. */
static void say_goodbye(struct consumer *c, const struct client_loop *loop, int64_t deadline_ns)
{
    if (c->member_id[0] == '\0' || !bytes_is_null(consumer__instance_id(c)))
        return;
    client_call_cancel(&c->group_call);
    client_call_cancel(&c->lookup_call);
    IGNORE_RESULT(client_loop_wait(loop, has_left, c, deadline_ns)); /* a heartbeat under way */
    if (c->heartbeat_call.is_open_ || c->coordinator < 0)
        return;
    struct leave_group_request request = leave_group_request_default;
    request.group_id = bytes_from_text(c->group_id);
    request.member_id = bytes_from_text(c->member_id);
    c->heartbeat_call.version_max = LEAVE_GROUP_VERSION_ONE_MEMBER;
    consumer__send(c, &c->heartbeat_call, API_LEAVE_GROUP, &request, on_left);
    IGNORE_RESULT(client_loop_wait(loop, has_left, c, deadline_ns));
    client_call_cancel(&c->heartbeat_call);
}

/* Commits, then says good-bye, both within a short time. */
void consumer__leave(struct consumer *c)
{
    if (c->group_id == NULL)
        return;
    struct client_loop loop = c->loop;
    loop.is_interrupted = NULL;
    const int64_t deadline_ns = io_monotonic_ns(c->io) + LEAVE_WAIT_MS * NS_PER_MS;
    if (config_bool(c->config, SETTING_CONSUMER_ENABLE_AUTO_COMMIT) &&
        consumer__has_uncommitted(c)) {
        c->wants_commit = true;
        consumer__tick_soon(c);
        IGNORE_RESULT(client_loop_wait(&loop, is_committed, c, deadline_ns)); /* then without it */
    }
    c->is_closing = true; /* nothing else is begun */
    io_timer_cancel(c->io, &c->tick);
    say_goodbye(c, &loop, deadline_ns);
}

void consumer__group_deinit(struct consumer *c)
{
    struct client_call *const calls[] = { &c->group_call, &c->commit_call, &c->heartbeat_call,
                                          &c->lookup_call };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        client_call_deinit(calls[i]);
    arena_deinit(&c->group_arena);
    arena_deinit(&c->commit_arena);
    arena_deinit(&c->heartbeat_arena);
    arena_deinit(&c->lookup_arena);
}
