/* See rig_test.h. */
#include "server/rig_test.h"

#include "base/be.h"
#include "server/groups.h"
#include "server/transactions.h"
#include "wire/messages/api_versions_request.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/produce_request.h"

#include <string.h>

#define FRAME_BYTES_MAX (256u << 20)
#define PATIENCE_NS     (60 * NS_PER_SECOND)

/* ---- the shard ------------------------------------------------------------------------------- */

static void on_turn_end(void *context)
{
    struct server_rig *rig = context;
    for (;;) {
        const bool has_started = server_resume(rig->shard.server);
        const bool has_written = replicas_write(rig->shard.replicas);
        if (!has_started && !has_written && !server_send(rig->shard.server))
            return;
    }
}

static void ask(struct controller_link *link, int16_t api_key, int16_t version, const void *message,
                const struct principal *principal,
                void (*done)(void *context, enum kafka_error error, const void *response),
                void *context)
{
    struct server_rig *rig = CONTAINER_OF(link, struct server_rig, link);
    (void)version;
    EXPECT(strcmp(principal->name, "ANONYMOUS") == 0);
    EXPECT(rig->ask_count < SERVER_RIG_ASKS_MAX);
    rig->asks[rig->ask_count++] = (struct rig_ask){
        .api_key = api_key, .message = message, .done = done, .context = context
    };
}

void server_rig_answer(struct server_rig *rig, enum kafka_error error, const void *response)
{
    EXPECT(rig->ask_count > 0);
    const struct rig_ask asked = rig->asks[0];
    rig->ask_count--;
    memmove(rig->asks, rig->asks + 1, rig->ask_count * sizeof(rig->asks[0]));
    asked.done(asked.context, error, response);
    on_turn_end(rig); /* the test is no part of a turn */
}

static int32_t controller_id(struct controller_link *link)
{
    (void)link;
    return REPLICA_RIG_NODE;
}

static int16_t kraft_version(struct quorum_view *view)
{
    (void)view;
    return 1;
}

static int64_t broker_epoch(void *context)
{
    (void)context;
    return 7;
}

static void on_ending(void *context)
{
    struct server_rig *rig = context;
    server_close(rig->shard.server);
    while (rig->ask_count > 0)
        server_rig_answer(rig, KAFKA_NOT_CONTROLLER, NULL);
}

static void on_ended(void *context)
{
    struct server_rig *rig = context;
    groups_close(rig->shard.groups, NULL, NULL);
    transactions_close(rig->shard.transactions, NULL, NULL);
    server_free(TAKE(rig->shard.server));
    groups_free(TAKE(rig->shard.groups));
    transactions_free(TAKE(rig->shard.transactions));
}

static void listen_on(struct server_rig *rig, const char *name, enum api_listener kind,
                      uint16_t port)
{
    struct err_note note = { 0 };
    const struct listener_params params = { .name = name, .kind = kind, .port = port };
    EXPECT_OK(server_listen(rig->shard.server, &params, &note));
}

void server_rig_begin(struct server_rig *rig, uint64_t seed, const char *settings)
{
    *rig = (struct server_rig){ 0 };
    replica_rig_begin(&rig->base, seed, 1, settings);
    rig->base.context = rig;
    rig->base.turn_end = on_turn_end;
    rig->base.ending = on_ending;
    rig->base.ended = on_ended;
    rig->clients = sim_node_new(rig->base.world, "clients");
    rig->link = (struct controller_link){ .ask = ask, .controller_id = controller_id };
    rig->view = (struct quorum_view){ .kraft_version = kraft_version };
    rig->limits = (struct server_limits){
        .frame_bytes_max = 100u << 20,
        .memory_bytes_max = 256u << 20,
        .idle_ms_max = 600000,
        .frame_ms_max = 30000,
        .connection_count_max = INT32_MAX,
        .socket_count_max = INT32_MAX,
        .connection_count_max_per_ip = INT32_MAX,
        .send_buffer_bytes = -1,
        .receive_buffer_bytes = -1,
        .backlog = 50,
    };
    loggers_init(&rig->loggers, &rig->base.diag);
    struct shard *shard = &rig->shard;
    *shard = (struct shard){
        .io = rig->base.io,
        .diag = &rig->loggers.diag,
        .loggers = &rig->loggers,
        .hash_seed = 3,
        .node_id = REPLICA_RIG_NODE,
        .cluster_id = "rigged",
        .config = config_ref(rig->base.config),
        .image = metadata_image_ref(rig->base.image),
        .replicas = rig->base.replicas,
        .sessions = &rig->sessions,
        .log_dirs = rig->base.dirs,
        .controller = &rig->link,
        .quorum = &rig->view,
        .producer_ids = &rig->producer_ids,
    };
    fetch_sessions_init(&rig->sessions, 10, shard->hash_seed);
    producer_ids_init(&rig->producer_ids, shard, broker_epoch, rig);
    map_init(&shard->topics_in_creation, shard->hash_seed);
    EXPECT_OK(server_new(shard, &rig->limits, &shard->server));
    shard->groups = groups_new(shard);
    shard->transactions = transactions_new(shard);
    listen_on(rig, "PLAINTEXT", API_ON_BROKER, SERVER_RIG_PORT);
    listen_on(rig, "CONTROLLER", API_ON_CONTROLLER, SERVER_RIG_CONTROLLER_PORT);
}

void server_rig_end(struct server_rig *rig)
{
    struct shard *shard = &rig->shard;
    replica_rig_crash(&rig->base, SIM_PROCESS_KILLED);
    fetch_sessions_deinit(&rig->sessions);
    producer_ids_deinit(&rig->producer_ids);
    map_deinit(&shard->topics_in_creation);
    metadata_image_unref(shard->image);
    config_unref(shard->config);
    replica_rig_end(&rig->base);
}

void server_rig_set_limits(struct server_rig *rig)
{
    server_set_limits(rig->shard.server, &rig->limits);
}

void server_rig_set_memory(struct server_rig *rig, size_t bytes_max)
{
    rig->limits.memory_bytes_max = bytes_max;
    server_rig_set_limits(rig);
}

static void take_image(struct server_rig *rig)
{
    metadata_image_unref(rig->shard.image);
    rig->shard.image = metadata_image_ref(rig->base.image);
    groups_apply(rig->shard.groups);
    transactions_apply(rig->shard.transactions);
}

void server_rig_apply(struct server_rig *rig)
{
    replica_rig_apply(&rig->base);
    take_image(rig);
}

struct uuid server_rig_topic(struct server_rig *rig, const char *name, int32_t partitions)
{
    const struct uuid id = replica_rig_topic(&rig->base, name, partitions);
    take_image(rig);
    return id;
}

struct uuid server_rig_shared_topic(struct server_rig *rig, const char *name, int32_t partitions)
{
    const struct uuid id = replica_rig_shared_topic(&rig->base, name, partitions);
    take_image(rig);
    return id;
}

void server_rig_commit(struct server_rig *rig, struct uuid topic)
{
    static const int32_t alone[] = { REPLICA_RIG_NODE };
    replica_rig_change(&rig->base, topic, 0, REPLICA_RIG_NODE, alone, 1);
    take_image(rig);
    replica_rig_turn(&rig->base);
}

void server_rig_run_ms(struct server_rig *rig, int64_t ms)
{
    replica_rig_run_ms(&rig->base, ms);
}

void server_rig_expect_line(const struct server_rig *rig, const char *part)
{
    if (strstr(rig->base.last_line, part) == NULL)
        test_fail(__FILE__, __LINE__, "the last line is \"%s\", without \"%s\"",
                  rig->base.last_line, part);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static void send_more(struct rig_peer *peer)
{
    while (peer->out.size > 0) {
        const struct iovec part = { .iov_base = peer->out.data, .iov_len = peer->out.size };
        const int64_t n = io_socket_sendv(peer->socket, &part, 1, false);
        if (n < 0)
            break; /* full, or broken: reading tells */
        memmove(peer->out.data, peer->out.data + n, peer->out.size - (size_t)n);
        peer->out.size -= (size_t)n;
    }
    io_socket_set_interest(peer->socket, (peer->is_deaf ? 0u : IO_READABLE) |
                                             (peer->out.size > 0 ? IO_WRITABLE : 0u));
}

static void receive(struct rig_peer *peer)
{
    uint8_t bytes[8192];
    const int64_t n = io_socket_recv(peer->socket, bytes, sizeof(bytes));
    if (n > 0) {
        buf_put(&peer->in, bytes, (size_t)n);
    } else if (n != -EAGAIN) {
        peer->is_ended = true;
        peer->error = (int)n;
        io_socket_set_interest(peer->socket, 0);
    }
}

static void on_ready(void *context, unsigned ready)
{
    struct rig_peer *peer = context;
    const int status = io_socket_status(peer->socket);
    peer->is_connected |= status == 0;
    if (status < 0 && status != -EINPROGRESS) {
        peer->is_ended = true;
        peer->error = status;
        io_socket_set_interest(peer->socket, 0);
        return;
    }
    if ((ready & IO_READABLE) != 0 && !peer->is_deaf)
        receive(peer);
    if (!peer->is_ended)
        send_more(peer);
}

static bool is_settled(void *context)
{
    const struct rig_peer *peer = context;
    return peer->is_connected || peer->is_ended;
}

void rig_peer_connect(struct server_rig *rig, struct rig_peer *peer, uint16_t port)
{
    *peer = (struct rig_peer){ .rig = rig };
    buf_init(&peer->in, FRAME_BYTES_MAX);
    buf_init(&peer->out, FRAME_BYTES_MAX);
    const struct io_socket_owner owner = { .on_ready = on_ready, .context = peer };
    EXPECT_OK(io_connect(sim_node_io(rig->clients), "broker", port, &owner, &peer->socket, NULL));
    io_socket_set_interest(peer->socket, IO_WRITABLE);
    EXPECT(sim_world_run_until_true(rig->base.world, PATIENCE_NS, is_settled, peer));
    EXPECT(peer->is_connected);
}

void rig_peer_send(struct rig_peer *peer, struct bytes bytes)
{
    buf_put_bytes(&peer->out, bytes);
    if (!peer->is_ended)
        send_more(peer);
}

void rig_peer_set_deaf(struct rig_peer *peer, bool is_deaf)
{
    peer->is_deaf = is_deaf;
    send_more(peer);
}

void rig_peer_close(struct rig_peer *peer)
{
    io_socket_close(TAKE(peer->socket));
    buf_deinit(&peer->in);
    buf_deinit(&peer->out);
}

size_t rig_peer_waiting(const struct rig_peer *peer)
{
    return peer->in.size - peer->taken;
}

/* ---- requests -------------------------------------------------------------------------------- */

void rig_put_request(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                     const void *message)
{
    const struct api *api = api_get(api_key);
    const int16_t header_version = api_request_header_version(api_key, version);
    struct err_note note = { 0 };
    const int64_t size = wire_size(api->request, version, message, &note);
    if (size < 0)
        test_fail(__FILE__, __LINE__, "%s", note.text);
    struct writer w = writer_to(out);
    write_i32(&w, (int32_t)(14 + (header_version >= 2 ? 1 : 0) + size));
    write_i16(&w, api_key);
    write_i16(&w, version);
    write_i32(&w, correlation_id);
    write_i16(&w, 4);
    write_run(&w, BYTES_LITERAL("unit"));
    if (header_version >= 2)
        write_uvarint(&w, 0);
    EXPECT_OK(wire_encode(api->request, version, message, &w, &note));
    EXPECT(buf_is_ok(out));
}

int32_t rig_peer_take(struct rig_peer *peer, int16_t api_key, int16_t version, struct arena *arena,
                      const void **out_message)
{
    const struct api *api = api_get(api_key);
    const struct bytes rest = bytes_slice(buf_view(&peer->in), peer->taken, SIZE_MAX);
    if (rest.size < 4 || rest.size - 4 < be_load_u32(rest.data))
        return -1;
    const size_t size = be_load_u32(rest.data);
    peer->taken += 4 + size;
    struct reader r = reader_from(bytes_slice(rest, 4, size));
    const int32_t correlation_id = read_i32(&r);
    if (api_response_header_version(api_key, version) >= 1)
        EXPECT_EQ(read_uvarint(&r), 0);
    if (out_message == NULL)
        return correlation_id;
    void *message = arena_must_zalloc(arena, 1, api->response->struct_bytes);
    struct err_note note = { 0 };
    if (wire_decode(api->response, version, &r, arena, message, &note) < 0)
        test_fail(__FILE__, __LINE__, "%s", note.text);
    EXPECT_EQ(reader_left(&r), 0);
    *out_message = message;
    return correlation_id;
}

void rig_put_api_versions(struct buf *out, int32_t correlation_id)
{
    struct api_versions_request request = api_versions_request_default;
    request.client_software_name = BYTES_LITERAL("unit");
    request.client_software_version = BYTES_LITERAL("1");
    rig_put_request(out, API_API_VERSIONS, RIG_API_VERSIONS_VERSION, correlation_id, &request);
}

void rig_put_metadata(struct buf *out, int32_t correlation_id, const char *topic)
{
    struct metadata_request request = metadata_request_default;
    struct metadata_request_topic wanted = metadata_request_topic_default;
    wanted.name = bytes_from_text(topic);
    request.topics = &wanted;
    request.topics_count = topic == NULL ? -1 : 1;
    request.allow_auto_topic_creation = false;
    rig_put_request(out, API_METADATA, RIG_METADATA_VERSION, correlation_id, &request);
}

int32_t rig_peer_take_id(struct rig_peer *peer, int16_t api_key, int16_t version)
{
    return rig_peer_take(peer, api_key, version, NULL, NULL);
}

struct buf rig_buf(void)
{
    struct buf buf;
    buf_init(&buf, FRAME_BYTES_MAX);
    return buf;
}

void rig_put_produce(struct buf *out, int32_t correlation_id, int16_t acks, const char *topic,
                     int32_t record_count)
{
    rig_put_produce_of(out, correlation_id, acks, topic,
                       &(struct sample_batch){ .count = record_count });
}

void rig_put_produce_of(struct buf *out, int32_t correlation_id, int16_t acks, const char *topic,
                        const struct sample_batch *sample)
{
    struct shared *batch = sample_batch(sample);
    struct produce_request_partition_produce_data data =
        produce_request_partition_produce_data_default;
    data.records = (struct wire_records){ .data = batch->data, .size = batch->size };
    struct produce_request_topic_produce_data wanted = produce_request_topic_produce_data_default;
    wanted.name = bytes_from_text(topic);
    wanted.partition_data = &data;
    wanted.partition_data_count = 1;
    struct produce_request request = produce_request_default;
    request.transactional_id = BYTES_NULL;
    request.acks = acks;
    request.timeout_ms = 100000;
    request.topic_data = &wanted;
    request.topic_data_count = 1;
    rig_put_request(out, API_PRODUCE, RIG_PRODUCE_VERSION, correlation_id, &request);
    shared_unref(batch);
}
