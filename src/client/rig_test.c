/* See rig_test.h: the world, connections and rules; what every broker answers alike. */
#include "client/rig_test.h"

#include "base/be.h"
#include "base/mem.h"
#include "wire/kafka_error.h"
#include "wire/messages/api_versions_response.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/end_txn_response.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/init_producer_id_request.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/list_groups_response.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"

#include <stdio.h>
#include <string.h>

#define FRAME_BYTES_MAX (64u << 20)
#define ARENA_BYTES_MAX (256u << 20)
#define PATIENCE_NS     (600 * NS_PER_SECOND)

/* One connection, at the broker. */
struct rig_wire {
    struct list link; /* in broker->wires */
    struct rig_broker *broker;
    struct io *io;
    struct io_socket *socket;
    struct buf in;
    struct buf out;
    struct list requests; /* in order; the first is being served */
    bool is_serving;
};

/* ---- connections ----------------------------------------------------------------------------- */

static void request_free(struct rig_request *request)
{
    if (request->on_gone != NULL)
        request->on_gone(request);
    io_timer_cancel(request->io, &request->timer);
    list_remove(&request->link);
    arena_deinit(&request->arena);
    mem_free(request->frame);
    mem_free(request);
}

static void wire_close(struct rig_wire *wire)
{
    list_remove(&wire->link);
    while (!list_is_empty(&wire->requests))
        request_free(LIST_ENTRY(wire->requests.next, struct rig_request, link));
    io_socket_close(wire->socket);
    buf_deinit(&wire->in);
    buf_deinit(&wire->out);
    mem_free(wire);
}

static void send_some(struct rig_wire *wire)
{
    while (wire->out.size > 0) {
        const struct iovec part = { .iov_base = wire->out.data, .iov_len = wire->out.size };
        const int64_t n = io_socket_sendv(wire->socket, &part, 1, false);
        if (n < 0)
            break; /* full, or broken: reading tells */
        memmove(wire->out.data, wire->out.data + n, wire->out.size - (size_t)n);
        wire->out.size -= (size_t)n;
    }
    io_socket_set_interest(wire->socket, IO_READABLE | (wire->out.size > 0 ? IO_WRITABLE : 0u));
}

static void serve_first(struct rig_wire *wire);

void rig_answer(struct rig_request *request, const void *response)
{
    struct rig_wire *wire = request->wire;
    if (request->is_lossy) {
        wire_close(wire);
        return;
    }
    if (request->is_silent) {
        request_free(request);
        serve_first(wire);
        return;
    }
    const struct api *api = api_get(request->api_key);
    int16_t version = request->version;
    if (request->api_key == API_API_VERSIONS && request->rig->is_old)
        version = 0;
    struct err_note note = { 0 };
    const int64_t size = wire_size(api->response, version, response, &note);
    if (size < 0)
        test_fail(__FILE__, __LINE__, "%s", note.text);
    const bool has_tags = api_response_header_version(request->api_key, request->version) >= 1;
    struct writer w = writer_to(&wire->out);
    write_i32(&w, (int32_t)(4 + (has_tags ? 1 : 0) + size));
    write_i32(&w, request->correlation_id + (request->is_garbled ? 77 : 0));
    if (has_tags)
        write_uvarint(&w, 0);
    EXPECT_OK(wire_encode(api->response, version, response, &w, &note));
    request_free(request);
    send_some(wire);
    serve_first(wire);
}

void rig_wake(struct rig_broker *broker, int16_t api_key)
{
    LIST_FOR_EACH(&broker->wires, link)
    {
        const struct rig_wire *wire = LIST_ENTRY(link, struct rig_wire, link);
        if (list_is_empty(&wire->requests))
            continue;
        struct rig_request *r = LIST_ENTRY(wire->requests.next, struct rig_request, link);
        if (r->api_key == api_key && io_timer_is_armed(&r->timer))
            io_timer_arm(r->io, &r->timer, 0);
    }
}

/* ---- what all answer ------------------------------------------------------------------------- */

/* Groups of nothing: five bytes each. */
static void answer_list_groups(struct rig_request *request)
{
    struct list_groups_response response = list_groups_response_default;
    response.groups_count = request->rig->listed_groups;
    response.groups =
        list_groups_response_listed_group_array(&request->arena, (size_t)response.groups_count);
    rig_answer(request, &response);
}

static void answer_api_versions(struct rig_request *request)
{
    static const int16_t keys[] = { API_PRODUCE,       API_FETCH,
                                    API_LIST_OFFSETS,  API_METADATA,
                                    API_OFFSET_COMMIT, API_OFFSET_FETCH,
                                    API_JOIN_GROUP,    API_HEARTBEAT,
                                    API_LEAVE_GROUP,   API_SYNC_GROUP,
                                    API_API_VERSIONS,  API_FIND_COORDINATOR,
                                    API_CREATE_TOPICS, API_INIT_PRODUCER_ID,
                                    API_END_TXN,       API_LIST_GROUPS };
    struct api_versions_response_api_version versions[ARRAY_LEN(keys)];
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct api *api = api_get(keys[i]);
        versions[i] =
            (struct api_versions_response_api_version){ .api_key = keys[i],
                                                        .min_version = api->version_min,
                                                        .max_version = api->version_max_stable };
    }
    struct api_versions_response response = api_versions_response_default;
    response.error_code = request->refusal;
    if (request->rig->is_old && request->version > 0)
        response.error_code = KAFKA_UNSUPPORTED_VERSION;
    response.api_keys = versions;
    response.api_keys_count = ARRAY_LEN(versions);
    struct api_versions_response_finalized_feature_key feature = {
        .name = BYTES_LITERAL("transaction.version"),
        .max_version_level = request->rig->transaction_version,
    };
    response.finalized_features = &feature;
    response.finalized_features_count = 1;
    rig_answer(request, &response);
}

static void tell_topic(const struct client_rig *rig, const struct rig_topic *topic,
                       struct arena *arena, struct metadata_response_topic *out)
{
    (void)rig;
    out->name = bytes_from_text(topic->name);
    out->topic_id = topic->id;
    out->error_code = topic->error;
    out->is_internal = topic->is_internal;
    if (topic->error != KAFKA_NONE)
        return;
    out->partitions = metadata_response_partition_array(arena, (size_t)topic->count);
    out->partitions_count = topic->count;
    for (int32_t i = 0; i < topic->count; i++) {
        const struct rig_partition *p = &topic->partitions[i];
        out->partitions[i].partition_index = i;
        out->partitions[i].error_code = p->leader < 0 ? KAFKA_LEADER_NOT_AVAILABLE : KAFKA_NONE;
        out->partitions[i].leader_id = p->leader;
        out->partitions[i].leader_epoch = p->leader_epoch;
    }
}

static void answer_metadata(struct rig_request *request)
{
    struct client_rig *rig = request->rig;
    const struct metadata_request *asked = request->message;
    struct arena *arena = &request->arena;
    struct metadata_response response = metadata_response_default;
    response.cluster_id = BYTES_LITERAL("rigged");
    response.controller_id = 1;
    response.brokers = metadata_response_broker_array(arena, CLIENT_RIG_BROKERS);
    for (size_t i = 0; i < CLIENT_RIG_BROKERS; i++) {
        if (rig->brokers[i].id == rig->hidden_broker)
            continue;
        struct metadata_response_broker *b = &response.brokers[response.brokers_count++];
        b->node_id = rig->brokers[i].id;
        b->host = bytes_from_text(rig->brokers[i].host);
        b->port = CLIENT_RIG_PORT;
        b->rack = BYTES_NULL;
    }
    const size_t count = asked->topics_count < 0 ? rig->topics.count : (size_t)asked->topics_count;
    response.topics = metadata_response_topic_array(arena, count);
    response.topics_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct metadata_response_topic *out = &response.topics[i];
        const struct rig_topic *topic = asked->topics_count < 0
                                            ? rig->topics.items[i]
                                            : client_rig_find(rig, asked->topics[i].name);
        if (topic != NULL) {
            tell_topic(rig, topic, arena, out);
        } else {
            out->name = asked->topics[i].name;
            out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    rig_answer(request, &response);
}

static int16_t coordinator_error(const struct rig_request *request)
{
    if (request->refusal != KAFKA_NONE)
        return request->refusal;
    return request->broker->id == request->rig->coordinator ? KAFKA_NONE : KAFKA_NOT_COORDINATOR;
}

static void answer_producer_id(struct rig_request *request)
{
    struct init_producer_id_response response = init_producer_id_response_default;
    const struct init_producer_id_request *asked = request->message;
    struct client_rig *rig = request->rig;
    const bool is_transactional = !bytes_is_null(asked->transactional_id);
    response.error_code = is_transactional ? coordinator_error(request) : request->refusal;
    if (response.error_code == KAFKA_NONE && !is_transactional) {
        response.producer_id = rig->next_producer_id++;
    } else if (response.error_code == KAFKA_NONE) {
        if (rig->transaction.producer_id == 0)
            rig->transaction.producer_id = rig->next_producer_id++;
        else
            rig->transaction.epoch++;
        response.producer_id = rig->transaction.producer_id;
        response.producer_epoch = rig->transaction.epoch;
    }
    rig_answer(request, &response);
}

/* In the second version of transactions: each end begins an epoch, and is told again to who asks again. */
static void answer_end(struct rig_request *request)
{
    const struct end_txn_request *asked = request->message;
    struct client_rig *rig = request->rig;
    struct end_txn_response response = end_txn_response_default;
    const bool is_again = asked->producer_epoch + 1 == rig->transaction.epoch &&
                          asked->committed == rig->transaction.was_commit;
    EXPECT(request->version >= 5);
    response.error_code = coordinator_error(request);
    if (response.error_code == KAFKA_NONE && !is_again &&
        asked->producer_epoch != rig->transaction.epoch)
        response.error_code = KAFKA_PRODUCER_FENCED;
    if (response.error_code == KAFKA_NONE) {
        rig->transaction.commits += !is_again && asked->committed;
        rig->transaction.aborts += !is_again && !asked->committed;
        rig->transaction.was_commit = asked->committed;
        rig->transaction.epoch += !is_again;
        response.producer_id = rig->transaction.producer_id;
        response.producer_epoch = rig->transaction.epoch;
    }
    rig_answer(request, &response);
}

static void answer_coordinator(struct rig_request *request)
{
    struct find_coordinator_response response = find_coordinator_response_default;
    const struct client_rig *rig = request->rig;
    response.error_code = request->refusal;
    response.node_id = rig->coordinator;
    if (rig->coordinator > 0)
        response.host = bytes_from_text(rig->brokers[rig->coordinator - 1].host);
    response.port = CLIENT_RIG_PORT;
    rig_answer(request, &response);
}

static void serve(struct rig_request *request)
{
    switch (request->api_key) {
    case API_LIST_GROUPS:
        answer_list_groups(request);
        break;
    case API_API_VERSIONS:
        answer_api_versions(request);
        break;
    case API_METADATA:
        answer_metadata(request);
        break;
    case API_INIT_PRODUCER_ID:
        answer_producer_id(request);
        break;
    case API_END_TXN:
        answer_end(request);
        break;
    case API_FIND_COORDINATOR:
        answer_coordinator(request);
        break;
    case API_PRODUCE:
        rig_produce(request);
        break;
    case API_FETCH:
        rig_fetch(request);
        break;
    case API_LIST_OFFSETS:
        rig_list_offsets(request);
        break;
    default:
        rig_group_serve(request);
        break;
    }
}

/* ---- rules ----------------------------------------------------------------------------------- */

void client_rig_rule(struct client_rig *rig, struct rig_rule rule)
{
    rule.times = MAX(rule.times, 1u);
    VEC_ADD(&rig->rules, rule);
}

static bool take_rule(struct client_rig *rig, const struct rig_request *request,
                      struct rig_rule *out)
{
    for (size_t i = 0; i < rig->rules.count; i++) {
        struct rig_rule *rule = &rig->rules.items[i];
        if (rule->api_key != request->api_key ||
            (rule->broker != 0 && rule->broker != request->broker->id))
            continue;
        *out = *rule;
        if (--rule->times == 0)
            VEC_REMOVE_AT(&rig->rules, i);
        return true;
    }
    return false;
}

static void begin_to_serve(struct rig_request *request)
{
    struct rig_rule rule;
    if (!take_rule(request->rig, request, &rule)) {
        serve(request);
        return;
    }
    switch (rule.deed) {
    case RIG_REFUSE:
        request->refusal = rule.error;
        break;
    case RIG_HOLD:
        request->is_held = true;
        return;
    case RIG_LOSE:
        wire_close(request->wire);
        return;
    case RIG_DO_AND_LOSE:
        request->is_lossy = true;
        break;
    case RIG_GARBLE:
        request->is_garbled = true;
        break;
    case RIG_BABBLE:
        buf_put_text(&request->wire->out, "HTTP/1.1 400 Bad Request\r\n\r\n");
        send_some(request->wire);
        return;
    }
    serve(request);
}

/* Answers come in the order of requests: one waits, and those behind it. */
static void serve_first(struct rig_wire *wire)
{
    if (!list_is_empty(&wire->requests))
        begin_to_serve(LIST_ENTRY(wire->requests.next, struct rig_request, link));
}

static struct rig_request *next_held(const struct client_rig *rig)
{
    for (size_t i = 0; i < CLIENT_RIG_BROKERS; i++) {
        LIST_FOR_EACH(&rig->brokers[i].wires, link)
        {
            const struct rig_wire *wire = LIST_ENTRY(link, struct rig_wire, link);
            if (list_is_empty(&wire->requests))
                continue;
            struct rig_request *r = LIST_ENTRY(wire->requests.next, struct rig_request, link);
            if (r->is_held)
                return r;
        }
    }
    return NULL;
}

void client_rig_release(struct client_rig *rig)
{
    for (struct rig_request *r; (r = next_held(rig)) != NULL;) {
        r->is_held = false;
        serve(r);
    }
}

uint32_t client_rig_held(const struct client_rig *rig)
{
    uint32_t count = 0;
    for (size_t i = 0; i < CLIENT_RIG_BROKERS; i++) {
        LIST_FOR_EACH(&rig->brokers[i].wires, link)
        {
            LIST_FOR_EACH(&LIST_ENTRY(link, struct rig_wire, link)->requests, request_link)
            {
                count += LIST_ENTRY(request_link, struct rig_request, link)->is_held;
            }
        }
    }
    return count;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static struct rig_request *decode(struct rig_wire *wire, struct bytes frame)
{
    struct rig_request *request = MEM_NEW(struct rig_request);
    request->broker = wire->broker;
    request->rig = wire->broker->rig;
    request->wire = wire;
    request->io = wire->io;
    request->frame = mem_dup(frame.data, frame.size);
    arena_init(&request->arena, ARENA_BYTES_MAX);
    struct reader r = reader_from(bytes_from(request->frame, frame.size));
    request->api_key = read_i16(&r);
    request->version = read_i16(&r);
    request->correlation_id = read_i32(&r);
    const int16_t name_size = read_i16(&r);
    if (name_size > 0)
        (void)read_run(&r, (size_t)name_size);
    const struct api *api = api_get(request->api_key);
    if (api_request_header_version(request->api_key, request->version) >= 2)
        EXPECT_EQ(read_uvarint(&r), 0);
    void *message = arena_must_zalloc(&request->arena, 1, api->request->struct_bytes);
    struct err_note note = { 0 };
    if (wire_decode(api->request, request->version, &r, &request->arena, message, &note) < 0)
        test_fail(__FILE__, __LINE__, "%s: %s", api->name, note.text);
    EXPECT_EQ(reader_left(&r), 0);
    request->message = message;
    request->rig->counts[request->api_key]++;
    return request;
}

/* All frames that are here; the first of a connection at rest is served. */
static void take_frames(struct rig_wire *wire)
{
    size_t at = 0;
    while (wire->in.size - at >= 4 && wire->in.size - at - 4 >= be_load_u32(wire->in.data + at)) {
        const size_t size = be_load_u32(wire->in.data + at);
        struct rig_request *request = decode(wire, bytes_from(wire->in.data + at + 4, size));
        list_push_back(&wire->requests, &request->link);
        at += 4 + size;
    }
    memmove(wire->in.data, wire->in.data + at, wire->in.size - at);
    wire->in.size -= at;
}

static void on_ready(void *context, unsigned ready)
{
    struct rig_wire *wire = context;
    if ((ready & IO_WRITABLE) != 0)
        send_some(wire);
    if ((ready & IO_READABLE) == 0)
        return;
    uint8_t bytes[8192];
    const int64_t n = io_socket_recv(wire->socket, bytes, sizeof(bytes));
    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        wire_close(wire);
        return;
    }
    buf_put(&wire->in, bytes, (size_t)n);
    const bool is_idle = list_is_empty(&wire->requests);
    take_frames(wire);
    if (is_idle)
        serve_first(wire);
}

static void on_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct rig_broker *broker = context;
    (void)peer;
    struct rig_wire *wire = MEM_NEW(struct rig_wire);
    wire->broker = broker;
    wire->io = sim_node_io(broker->node);
    wire->socket = socket;
    buf_init(&wire->in, FRAME_BYTES_MAX);
    buf_init(&wire->out, FRAME_BYTES_MAX);
    list_init(&wire->requests);
    list_push_back(&broker->wires, &wire->link);
    broker->accepted++;
    io_socket_set_owner(socket, &(struct io_socket_owner){ .on_ready = on_ready, .context = wire });
    io_socket_set_interest(socket, IO_READABLE);
}

/* ---- brokers --------------------------------------------------------------------------------- */

void client_rig_stop(struct client_rig *rig, int32_t id)
{
    struct rig_broker *broker = &rig->brokers[id - 1];
    io_listener_close(TAKE(broker->listener));
    while (!list_is_empty(&broker->wires))
        wire_close(LIST_ENTRY(broker->wires.next, struct rig_wire, link));
}

void client_rig_start(struct client_rig *rig, int32_t id)
{
    struct rig_broker *broker = &rig->brokers[id - 1];
    const struct io_listener_owner owner = { .on_accept = on_accept, .context = broker };
    EXPECT_OK(io_listen(sim_node_io(broker->node), "", CLIENT_RIG_PORT, 50, &owner,
                        &broker->listener, NULL));
}

void client_rig_move(struct client_rig *rig, int32_t id)
{
    struct rig_broker *broker = &rig->brokers[id - 1];
    io_listener_close(TAKE(broker->listener));
    broker->node = rig->elsewhere;
    broker->host = "elsewhere";
    client_rig_start(rig, id);
}

void client_rig_lead(struct rig_topic *topic, int32_t partition, int32_t leader)
{
    topic->partitions[partition].leader = leader;
    topic->partitions[partition].leader_epoch++;
}

struct rig_topic *client_rig_topic(struct client_rig *rig, const char *name, int32_t partitions)
{
    struct rig_topic *topic = MEM_NEW(struct rig_topic);
    topic->name = mem_strdup(name);
    topic->id.bytes[0] = 1;
    topic->id.bytes[15] = (uint8_t)(rig->topics.count + 1);
    topic->count = partitions;
    topic->partitions = MEM_NEW_ARRAY(struct rig_partition, (size_t)partitions);
    for (int32_t i = 0; i < partitions; i++)
        topic->partitions[i] = (struct rig_partition){ .leader = 1 + i % CLIENT_RIG_BROKERS,
                                                       .leader_epoch = 5,
                                                       .read_replica = -1 };
    VEC_ADD(&rig->topics, topic);
    return topic;
}

struct rig_topic *client_rig_find(struct client_rig *rig, struct bytes name)
{
    for (size_t i = 0; i < rig->topics.count; i++) {
        if (bytes_equal_text(name, rig->topics.items[i]->name))
            return rig->topics.items[i];
    }
    return NULL;
}

/* ---- the world ------------------------------------------------------------------------------- */

void client_rig_run_ms(struct client_rig *rig, int64_t ms)
{
    sim_world_run_for(rig->world, ms * NS_PER_MS);
}

void client_rig_until(struct client_rig *rig, bool (*is_true)(void *context), void *context)
{
    EXPECT(sim_world_run_until_true(rig->world, PATIENCE_NS, is_true, context));
}

static void on_line(void *context, enum diag_level level, const char *part, const char *text)
{
    struct client_rig *rig = context;
    (void)level;
    (void)part;
    (void)snprintf(rig->last_line, sizeof(rig->last_line), "%s", text);
}

void client_rig_begin(struct client_rig *rig, uint64_t seed, enum setting_kind kind,
                      const char *settings)
{
    *rig =
        (struct client_rig){ .coordinator = 2, .next_producer_id = 1000, .transaction_version = 2 };
    rig->diag = (struct diag){ .line = on_line, .context = rig };
    rig->world = sim_world_new(seed);
    for (int32_t i = 0; i < CLIENT_RIG_BROKERS; i++) {
        static const char *const names[CLIENT_RIG_BROKERS] = { "broker1", "broker2", "broker3" };
        struct rig_broker *broker = &rig->brokers[i];
        *broker = (struct rig_broker){ .rig = rig, .id = i + 1, .host = names[i] };
        broker->node = sim_node_new(rig->world, names[i]);
        list_init(&broker->wires);
        client_rig_start(rig, i + 1);
    }
    rig->elsewhere = sim_node_new(rig->world, "elsewhere");
    rig->machine = sim_node_new(rig->world, "client");
    rig->loop = (struct client_loop){ .io = sim_node_io(rig->machine), .turn = sim_world_turn };
    AUTO(mem_freep)
    char *text = mem_printf("bootstrap.servers=" CLIENT_RIG_SERVERS "\n%s\n", settings);
    struct config_problems problems = { 0 };
    if (config_load(kind, bytes_from_text(text), "rig", CONFIG_OVERRIDES_NONE, &rig->config,
                    &problems) < 0)
        test_fail(__FILE__, __LINE__, "%s", problems.list.items[0].text);
    config_problems_deinit(&problems);
    rig_group_begin(rig);
}

void client_rig_end(struct client_rig *rig)
{
    for (int32_t i = 0; i < CLIENT_RIG_BROKERS; i++)
        client_rig_stop(rig, i + 1);
    for (size_t i = 0; i < rig->topics.count; i++)
        rig_topic_free(rig->topics.items[i]);
    VEC_DEINIT(&rig->topics);
    VEC_DEINIT(&rig->rules);
    rig_group_end(rig);
    config_unref(rig->config);
    sim_world_free(rig->world);
}
