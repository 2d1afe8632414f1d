/* Clients and a broker that answers whatever it likes.
 *
 * Input: u8 who asks (an admin client, a consumer of its own partitions, one in a group, a producer), then for each request that
 * comes u8 what it is answered:
 *     0 …  99   what a broker would say; of a fetch with u16 size and the records of each partition
 *   100 … 159   u16 size, and that as the body
 *   160 … 219   u32 seed of a random answer that can be encoded, or (odd) its first half
 *   220 … 229   what a broker would say to another request
 *   230 … 244   u8 size, and that instead of an answer
 *   from 245 on nothing: the connection ends
 * When the input is over every connection ends. Properties: no overrun, no stop, no end of memory; each call ends; what a
 * producer took is told of once.
 */
#include "fuzz.h"

#include "base/be.h"
#include "base/list.h"
#include "base/mem.h"
#include "client/admin.h"
#include "client/consumer.h"
#include "client/producer.h"
#include "sim/sim_world.h"
#include "wire/kafka_error.h"
#include "wire/message_random.h"
#include "wire/messages/api_versions_response.h"
#include "wire/messages/describe_cluster_request.h"
#include "wire/messages/describe_groups_request.h"
#include "wire/messages/fetch_request.h"
#include "wire/messages/fetch_response.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"
#include "wire/messages/metadata_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"
#include "wire/messages/sync_group_request.h"
#include "wire/messages/sync_group_response.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <string.h>

#define PORT            9092
#define PARTITIONS      3
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define FRAME_BYTES_MAX (256u << 20)
#define OVER            255 /* what is answered when the input is over */

static const char settings_all[] = "bootstrap.servers=broker:9092\nrequest.timeout.ms=1000\n"
                                   "default.api.timeout.ms=3000\nretry.backoff.ms=100\n";
static const char settings_consumer[] =
    "group.id=g\nauto.offset.reset=earliest\nfetch.max.wait.ms=100\n"
    "heartbeat.interval.ms=300\nauto.commit.interval.ms=500\n";
static const char settings_producer[] =
    "delivery.timeout.ms=3000\nlinger.ms=0\nmax.block.ms=2000\nbatch.size=1000\n";

struct broker {
    struct reader input;
    struct sim_world *world;
    struct io *io;
    struct io_listener *listener;
    struct list wires;
    struct arena arena; /* of the request at hand */
};

struct wire {
    struct list link;
    struct broker *broker;
    struct io_socket *socket;
    struct buf in;
    struct buf out;
};

struct asked {
    int16_t key;
    int16_t version;
    int32_t correlation_id;
    const struct api *api;
    const void *message; /* NULL: not read */
};

/* ---- what a broker would say ------------------------------------------------------------------ */

static void say_versions(struct broker *b, struct api_versions_response *out)
{
    out->api_keys = api_versions_response_api_version_array(&b->arena, API_KEY_COUNT);
    for (int16_t key = 0; key < API_KEY_COUNT; key++) {
        const struct api *api = api_get(key);
        if (api == NULL)
            continue;
        struct api_versions_response_api_version *v = &out->api_keys[out->api_keys_count++];
        v->api_key = key;
        v->min_version = api->version_min;
        v->max_version = api->version_max_stable;
    }
}

static void say_metadata(struct broker *b, struct metadata_response *out)
{
    out->brokers = metadata_response_broker_array(&b->arena, 1);
    out->brokers_count = 1;
    out->brokers[0].node_id = 1;
    out->brokers[0].host = BYTES_LITERAL("broker");
    out->brokers[0].port = PORT;
    out->controller_id = 1;
    out->topics = metadata_response_topic_array(&b->arena, 1);
    out->topics_count = 1;
    out->topics[0].name = BYTES_LITERAL("t");
    out->topics[0].partitions = metadata_response_partition_array(&b->arena, PARTITIONS);
    out->topics[0].partitions_count = PARTITIONS;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        out->topics[0].partitions[i].partition_index = i;
        out->topics[0].partitions[i].leader_id = 1;
        out->topics[0].partitions[i].leader_epoch = 5;
    }
}

static void say_coordinator(struct broker *b, int16_t version,
                            struct find_coordinator_response *out)
{
    if (version < 4) {
        out->node_id = 1;
        out->host = BYTES_LITERAL("broker");
        out->port = PORT;
        return;
    }
    out->coordinators = find_coordinator_response_coordinator_array(&b->arena, 1);
    out->coordinators_count = 1;
    out->coordinators[0].key = BYTES_LITERAL("g");
    out->coordinators[0].node_id = 1;
    out->coordinators[0].host = BYTES_LITERAL("broker");
    out->coordinators[0].port = PORT;
}

/* It leads, alone. */
static void say_joined(struct broker *b, const struct join_group_request *asked,
                       struct join_group_response *out)
{
    out->generation_id = 1;
    out->protocol_type = BYTES_LITERAL("consumer");
    out->protocol_name = asked->protocols_count > 0 ? asked->protocols[0].name : BYTES_NULL;
    out->leader = out->member_id = BYTES_LITERAL("m");
    out->members = join_group_response_member_array(&b->arena, 1);
    out->members_count = 1;
    out->members[0].member_id = out->member_id;
    out->members[0].metadata =
        asked->protocols_count > 0 ? asked->protocols[0].metadata : BYTES_LITERAL("");
}

static void say_fetched(struct broker *b, const struct fetch_request *asked,
                        struct fetch_response *out)
{
    out->responses =
        fetch_response_fetchable_topic_response_array(&b->arena, (size_t)asked->topics_count);
    out->responses_count = asked->topics_count;
    for (int32_t t = 0; t < asked->topics_count; t++) {
        struct fetch_response_fetchable_topic_response *topic = &out->responses[t];
        const int32_t count = asked->topics[t].partitions_count;
        topic->topic = asked->topics[t].topic;
        topic->partitions = fetch_response_partition_data_array(&b->arena, (size_t)count);
        topic->partitions_count = count;
        for (int32_t i = 0; i < count; i++) {
            const struct bytes records = read_run(&b->input, read_u16(&b->input));
            topic->partitions[i].partition_index = asked->topics[t].partitions[i].partition;
            topic->partitions[i].high_watermark = topic->partitions[i].last_stable_offset = 100;
            topic->partitions[i].records =
                (struct wire_records){ .data = records.data, .size = records.size };
        }
    }
}

static void say_offsets(struct broker *b, const struct list_offsets_request *asked,
                        struct list_offsets_response *out)
{
    out->topics =
        list_offsets_response_topic_response_array(&b->arena, (size_t)asked->topics_count);
    out->topics_count = asked->topics_count;
    for (int32_t t = 0; t < asked->topics_count; t++) {
        const int32_t count = asked->topics[t].partitions_count;
        out->topics[t].name = asked->topics[t].name;
        out->topics[t].partitions =
            list_offsets_response_partition_response_array(&b->arena, (size_t)count);
        out->topics[t].partitions_count = count;
        for (int32_t i = 0; i < count; i++) {
            out->topics[t].partitions[i].partition_index =
                asked->topics[t].partitions[i].partition_index;
            out->topics[t].partitions[i].offset = 0;
        }
    }
}

/* Its own share. */
static void say_synced(const struct sync_group_request *asked, struct sync_group_response *out)
{
    if (asked->assignments_count > 0)
        out->assignment = asked->assignments[0].assignment;
}

/* None is committed. */
static void say_committed(struct broker *b, const struct offset_fetch_request *asked,
                          struct offset_fetch_response *out)
{
    const size_t count = (size_t)MAX(asked->topics_count, 0);
    out->topics = offset_fetch_response_topic_array(&b->arena, count);
    out->topics_count = (int32_t)count;
    for (size_t t = 0; t < count; t++) {
        const int32_t partitions = asked->topics[t].partition_indexes_count;
        struct offset_fetch_response_topic *topic = &out->topics[t];
        topic->name = asked->topics[t].name;
        topic->partitions = offset_fetch_response_partition_array(&b->arena, (size_t)partitions);
        topic->partitions_count = partitions;
        for (int32_t i = 0; i < partitions; i++) {
            topic->partitions[i].partition_index = asked->topics[t].partition_indexes[i];
            topic->partitions[i].committed_offset = -1;
        }
    }
}

static void say(struct broker *b, const struct asked *asked, void *out)
{
    switch (asked->key) {
    case API_API_VERSIONS:
        say_versions(b, out);
        break;
    case API_METADATA:
        say_metadata(b, out);
        break;
    case API_FIND_COORDINATOR:
        say_coordinator(b, asked->version, out);
        break;
    case API_JOIN_GROUP:
        say_joined(b, asked->message, out);
        break;
    case API_FETCH:
        say_fetched(b, asked->message, out);
        break;
    case API_LIST_OFFSETS:
        say_offsets(b, asked->message, out);
        break;
    case API_SYNC_GROUP:
        say_synced(asked->message, out);
        break;
    case API_OFFSET_FETCH:
        say_committed(b, asked->message, out);
        break;
    case API_INIT_PRODUCER_ID:
        ((struct init_producer_id_response *)out)->producer_id = 1000;
        break;
    default:
        break; /* an answer of defaults: nothing went wrong */
    }
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void put_frame(struct wire *wire, const struct asked *asked, struct bytes body,
                      int32_t correlation_id)
{
    const bool has_tags = api_response_header_version(asked->key, asked->version) >= 1;
    buf_put_i32(&wire->out, (int32_t)(4 + (has_tags ? 1u : 0u) + body.size));
    buf_put_i32(&wire->out, correlation_id);
    if (has_tags)
        buf_put_u8(&wire->out, 0);
    buf_put(&wire->out, body.data, body.size);
}

static void put_message(struct wire *wire, const struct asked *asked, const void *message,
                        bool is_cut, int32_t correlation_id)
{
    struct buf body;
    buf_init(&body, FRAME_BYTES_MAX);
    struct writer w = writer_to(&body);
    struct err_note note = { 0 };
    ASSERT(wire_size(asked->api->response, asked->version, message, &note) >= 0);
    ASSERT(wire_encode(asked->api->response, asked->version, message, &w, &note) == 0);
    put_frame(wire, asked, bytes_slice(buf_view(&body), 0, is_cut ? body.size / 2 : body.size),
              correlation_id);
    buf_deinit(&body);
}

static void put_honest(struct wire *wire, const struct asked *asked, int32_t correlation_id)
{
    struct broker *b = wire->broker;
    void *message = arena_must_zalloc(&b->arena, 1, asked->api->response->struct_bytes);
    struct rng none = rng_from_seed(0);
    wire_random(asked->api->response, asked->version, WIRE_RANDOM_DEFAULTS, &none, &b->arena,
                message);
    if (asked->message != NULL)
        say(b, asked, message);
    put_message(wire, asked, message, false, correlation_id);
}

static void put_random(struct wire *wire, const struct asked *asked, bool is_cut)
{
    struct broker *b = wire->broker;
    struct rng rng = rng_from_seed((uint32_t)read_i32(&b->input));
    void *message = arena_must_zalloc(&b->arena, 1, asked->api->response->struct_bytes);
    wire_random(asked->api->response, asked->version, WIRE_RANDOM_MIXED, &rng, &b->arena, message);
    put_message(wire, asked, message, is_cut, asked->correlation_id);
}

/* False: the connection is to end. */
static bool answer(struct wire *wire, const struct asked *asked)
{
    struct reader *input = &wire->broker->input;
    const uint8_t what =
        reader_is_ok(input) && reader_left(input) > 0 ? (uint8_t)read_i8(input) : OVER;
    if (what < 100)
        put_honest(wire, asked, asked->correlation_id);
    else if (what < 160)
        put_frame(wire, asked, read_run(input, read_u16(input)), asked->correlation_id);
    else if (what < 220)
        put_random(wire, asked, what % 2 == 1);
    else if (what < 230)
        put_honest(wire, asked, asked->correlation_id + 1);
    else if (what < 245) {
        const struct bytes raw = read_run(input, (uint8_t)read_i8(input));
        buf_put(&wire->out, raw.data, raw.size);
    }
    return what < 245;
}

/* ---- connections ------------------------------------------------------------------------------ */

static void wire_close(struct wire *wire)
{
    list_remove(&wire->link);
    io_socket_close(wire->socket);
    buf_deinit(&wire->in);
    buf_deinit(&wire->out);
    mem_free(wire);
}

static void send_some(struct wire *wire)
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

static bool serve(struct wire *wire, struct bytes frame)
{
    struct broker *b = wire->broker;
    struct reader r = reader_from(frame);
    struct asked asked = { .key = read_i16(&r), .version = read_i16(&r) };
    asked.correlation_id = read_i32(&r);
    (void)read_run(&r, (size_t)MAX(read_i16(&r), 0));
    asked.api = api_get(asked.key);
    ASSERT(asked.api != NULL);
    if (api_request_header_version(asked.key, asked.version) >= 2)
        (void)read_uvarint(&r);
    arena_init(&b->arena, ARENA_BYTES_MAX);
    void *message = arena_must_zalloc(&b->arena, 1, asked.api->request->struct_bytes);
    if (wire_decode(asked.api->request, asked.version, &r, &b->arena, message, NULL) == 0)
        asked.message = message;
    ASSERT(asked.message != NULL); /* our own client has made it */
    const bool goes_on = answer(wire, &asked);
    arena_deinit(&b->arena);
    return goes_on;
}

static void on_ready(void *context, unsigned ready)
{
    struct wire *wire = context;
    if ((ready & IO_WRITABLE) != 0)
        send_some(wire);
    if ((ready & IO_READABLE) == 0)
        return;
    uint8_t bytes[8192];
    const int64_t n = io_socket_recv(wire->socket, bytes, sizeof(bytes));
    if (n == -EAGAIN)
        return;
    bool goes_on = n > 0;
    if (goes_on)
        buf_put(&wire->in, bytes, (size_t)n);
    while (goes_on && wire->in.size >= 4 && wire->in.size - 4 >= be_load_u32(wire->in.data)) {
        const size_t size = 4 + (size_t)be_load_u32(wire->in.data);
        goes_on = serve(wire, bytes_from(wire->in.data + 4, size - 4));
        memmove(wire->in.data, wire->in.data + size, wire->in.size - size);
        wire->in.size -= size;
    }
    if (goes_on)
        send_some(wire);
    else
        wire_close(wire);
}

static void on_accept(void *context, struct io_socket *socket, const struct io_address *peer)
{
    struct broker *b = context;
    (void)peer;
    struct wire *wire = MEM_NEW(struct wire);
    wire->broker = b;
    wire->socket = socket;
    buf_init(&wire->in, FRAME_BYTES_MAX);
    buf_init(&wire->out, FRAME_BYTES_MAX);
    list_push_back(&b->wires, &wire->link);
    io_socket_set_owner(socket, &(struct io_socket_owner){ .on_ready = on_ready, .context = wire });
    io_socket_set_interest(socket, IO_READABLE);
}

/* ---- who asks --------------------------------------------------------------------------------- */

static void on_line(void *context, enum diag_level level, const char *part, const char *text)
{
    (void)context;
    (void)level;
    (void)part;
    ASSERT(text[0] != '\0');
}

static const struct diag diag = { .line = on_line };

static void ask_as_admin(const struct client_loop *loop, const struct config *config)
{
    struct admin *admin = NULL;
    ASSERT(admin_new(loop, config, &diag, &admin, NULL) == 0);
    struct err_note note = { 0 };
    (void)!admin_refresh(admin, NULL, 0, true, &note);
    struct describe_cluster_request cluster = describe_cluster_request_default;
    struct client_call call = { .key = API_DESCRIBE_CLUSTER, .request = &cluster };
    (void)!admin_call(admin, ADMIN_CONTROLLER, &call, &note);
    client_call_deinit(&call);
    struct bytes group = BYTES_LITERAL("g");
    struct describe_groups_request groups = describe_groups_request_default;
    groups.groups = &group;
    groups.groups_count = 1;
    call = (struct client_call){ .key = API_DESCRIBE_GROUPS, .request = &groups };
    (void)!admin_call(admin, ADMIN_GROUP(group), &call, &note);
    client_call_deinit(&call);
    admin_free(admin);
}

static void consume(const struct client_loop *loop, const struct config *config, bool in_group)
{
    struct consumer *consumer = NULL;
    ASSERT(consumer_new(loop, config, &diag, NULL, &consumer, NULL) == 0);
    if (in_group)
        consumer_subscribe(consumer, BYTES_LITERAL("t"));
    else
        consumer_assign(consumer, BYTES_LITERAL("t"), -1, CONSUMER_OFFSET_EARLIEST);
    struct err_note note = { 0 };
    struct consumer_record record;
    int r = 0;
    for (int i = 0; i < 30 && r >= 0; i++) {
        r = consumer_poll(consumer, 300, &record, &note);
        ASSERT(r >= 0 || note.text[0] != '\0');
        ASSERT(r <= 0 || record.partition >= 0);
    }
    if (in_group)
        (void)!consumer_commit(consumer, &note);
    consumer_free(consumer);
}

static void on_delivery(void *context, const struct producer_delivery *delivery)
{
    uint32_t *told = context;
    const uint32_t bit = 1u << (uintptr_t)delivery->context;
    ASSERT((*told & bit) == 0);
    ASSERT(delivery->error == KAFKA_NONE || delivery->words != NULL);
    *told |= bit;
}

static void produce(const struct client_loop *loop, const struct config *config)
{
    uint32_t taken = 0;
    uint32_t told = 0;
    const struct producer_owner owner = { .on_delivery = on_delivery, .context = &told };
    struct producer *producer = NULL;
    ASSERT(producer_new(loop, config, &diag, &owner, &producer, NULL) == 0);
    for (uintptr_t i = 0; i < 8; i++) {
        const struct producer_record record = { .topic = BYTES_LITERAL("t"),
                                                .partition = (int32_t)(i % 4) - 1,
                                                .timestamp_ms = -1,
                                                .value = BYTES_LITERAL("value"),
                                                .context = (void *)i };
        struct err_note note = { 0 };
        if (producer_send_wait(producer, &record, &note) == 0)
            taken |= 1u << i;
    }
    (void)!producer_flush(producer);
    producer_free(producer);
    ASSERT(told == taken);
}

static void ask(struct sim_node *machine, uint8_t who)
{
    static const enum setting_kind kinds[] = { SETTING_KIND_ADMIN, SETTING_KIND_CONSUMER,
                                               SETTING_KIND_CONSUMER, SETTING_KIND_PRODUCER };
    const char *own = who % 4 == 0 ? "" : who % 4 == 3 ? settings_producer : settings_consumer;
    AUTO(mem_freep) char *text = mem_printf("%s%s", settings_all, own);
    struct config *config = NULL;
    struct config_problems problems = { 0 };
    ASSERT(config_load(kinds[who % 4], bytes_from_text(text), "fuzz", CONFIG_OVERRIDES_NONE,
                       &config, &problems) == 0);
    config_problems_deinit(&problems);
    const struct client_loop loop = { .io = sim_node_io(machine), .turn = sim_world_turn };

    switch (who % 4) {
    case 0:
        ask_as_admin(&loop, config);
        break;
    case 3:
        produce(&loop, config);
        break;
    default:
        consume(&loop, config, who % 4 == 2);
        break;
    }
    config_unref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct broker b = { .input = reader_from(bytes_from(data + 1, size - 1)) };
    list_init(&b.wires);
    b.world = sim_world_new(1);
    b.io = sim_node_io(sim_node_new(b.world, "broker"));
    ASSERT(io_listen(b.io, "", PORT, 50,
                     &(struct io_listener_owner){ .on_accept = on_accept, .context = &b },
                     &b.listener, NULL) == 0);
    ask(sim_node_new(b.world, "client"), data[0]);
    io_listener_close(b.listener);
    while (!list_is_empty(&b.wires))
        wire_close(LIST_ENTRY(b.wires.next, struct wire, link));
    sim_world_free(b.world);
    return 0;
}
