/* See peer.h. */
#include "peer.h"

#include "base/be.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/api.h"
#include "wire/kafka_error.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/find_coordinator_request.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/incremental_alter_configs_request.h"
#include "wire/messages/incremental_alter_configs_response.h"
#include "wire/messages/list_offsets_request.h"
#include "wire/messages/list_offsets_response.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64 << 20)
#define ASK_EVERY_US     20000
#define ASK_TIMES_MAX    7500 /* 150 seconds */
#define ASK_A_PART_US    50   /* the more partitions there are, the more it costs to ask */
#define LEADERS_WAIT_NS  (400 * NS_PER_SECOND) /* Apache Kafka makes thousands of logs one by one */
#define TIMESTAMP_LATEST (-1)

int load_try_connect(const struct load_options *options)
{
    if (options->host == NULL)
        load_fail("--broker HOST:PORT is needed");
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(options->port) };
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1)
        load_fail("%s is no IPv4 address", options->host);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        load_fail("socket: %s", err_sentence(-errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    const int error = -errno;
    (void)close(fd); /* never connected */
    return error;
}

int load_connect(const struct load_options *options)
{
    const int fd = load_try_connect(options);
    if (fd < 0)
        load_fail("connect to %s:%u: %s", options->host, options->port, err_sentence(fd));
    return fd;
}

/* ---- one request and its answer -------------------------------------------------------------- */

void load_put_request(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                      const void *message)
{
    const size_t start = out->size;
    struct writer w = writer_to(out);
    write_i32(&w, 0); /* the size, below */
    write_i16(&w, api_key);
    write_i16(&w, version);
    write_i32(&w, correlation_id);
    write_i16(&w, (int16_t)strlen(LOAD_CLIENT_ID));
    write_run(&w, BYTES_LITERAL(LOAD_CLIENT_ID));
    if (api_request_header_version(api_key, version) >= 2)
        write_uvarint(&w, 0);
    struct err_note note = { 0 };
    const struct api *api = api_get(api_key);
    if (wire_encode(api->request, version, message, &w, &note) < 0 || !buf_is_ok(out))
        load_fail("encode %s: %s", api->name, note.text);
    be_store_u32(out->data + start, (uint32_t)(out->size - start - 4));
}

static void send_all(int fd, struct bytes bytes)
{
    while (bytes.size > 0) {
        const ssize_t n = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (n <= 0)
            load_fail("send: %s", err_sentence(-errno));
        bytes = bytes_slice(bytes, (size_t)n, bytes.size);
    }
}

static void recv_all(int fd, uint8_t *out, size_t size)
{
    for (size_t have = 0; have < size;) {
        const ssize_t n = recv(fd, out + have, size - have, 0);
        if (n <= 0)
            load_fail("recv: %s",
                      n == 0 ? "the broker closed the connection" : err_sentence(-errno));
        have += (size_t)n;
    }
}

void load_ask(int fd, int16_t api_key, int16_t version, const void *message, struct arena *arena,
              void *out)
{
    struct buf request;
    buf_init(&request, INT32_MAX);
    load_put_request(&request, api_key, version, 1, message);
    send_all(fd, buf_view(&request));
    buf_deinit(&request);

    uint8_t prefix[4];
    recv_all(fd, prefix, sizeof(prefix));
    const uint32_t size = be_load_u32(prefix);
    if (size > ANSWER_BYTES_MAX)
        load_fail("an answer of %u bytes", size);
    uint8_t *answer = arena_alloc(arena, size);
    recv_all(fd, answer, size);
    load_decode(api_key, version, bytes_from(answer, size), arena, out);
}

void load_decode(int16_t api_key, int16_t version, struct bytes answer, struct arena *arena,
                 void *out)
{
    const struct api *api = api_get(api_key);
    const size_t header = api_response_header_version(api_key, version) >= 1 ? 5 : 4;
    if (answer.size < header)
        load_fail("an answer to %s of %zu bytes", api->name, answer.size);
    struct reader r = reader_from(bytes_slice(answer, header, answer.size));
    struct err_note note = { 0 };
    if (wire_decode(api->response, version, &r, arena, out, &note) < 0)
        load_fail("decode the answer to %s: %s", api->name, note.text);
}

static void check(const char *what, const char *topic, int16_t error)
{
    if (error != KAFKA_NONE)
        load_fail("%s %s: %s", what, topic, kafka_error_name(error));
}

/* A connection for some questions, and what was answered. */
struct visit {
    int fd;
    struct arena arena;
};

static void visit_begin(struct visit *visit, const struct load_options *options)
{
    arena_init(&visit->arena, SIZE_MAX);
    visit->fd = load_connect(options);
}

static void visit_end(struct visit *visit)
{
    (void)close(visit->fd); /* a socket has nothing to tell at its close */
    arena_deinit(&visit->arena);
}

/* ---- the questions --------------------------------------------------------------------------- */

#define CREATE_TOPICS_VERSION    5
#define LIST_OFFSETS_VERSION     4
#define ALTER_CONFIGS_VERSION    1
#define FIND_COORDINATOR_VERSION 3
#define RESOURCE_TOPIC           2
#define SETTINGS_MAX             16

void load_hello(const struct load_options *options)
{
    static const uint8_t hello[] = {
        0, 0, 0, 10, 0, API_API_VERSIONS, 0, 0, 0, 0, 0, 0, 0xff, 0xff
    };
    const int fd = load_connect(options);
    send_all(fd, bytes_from(hello, sizeof(hello)));
    uint8_t prefix[4];
    recv_all(fd, prefix, sizeof(prefix));
    (void)close(fd); /* a socket has nothing to tell at its close */
}

/* The answer lives in the arena. */
static const struct list_offsets_response_topic_response *
ask_ends(int fd, const struct load_options *options, struct arena *arena)
{
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    request.replica_id = -1;
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = bytes_from_text(options->topic);
    topic.partitions = list_offsets_request_partition_array(arena, (size_t)options->partitions);
    topic.partitions_count = options->partitions;
    for (int32_t i = 0; i < options->partitions; i++) {
        topic.partitions[i].partition_index = i;
        topic.partitions[i].timestamp = TIMESTAMP_LATEST;
    }
    struct list_offsets_response answer;
    load_ask(fd, API_LIST_OFFSETS, LIST_OFFSETS_VERSION, &request, arena, &answer);
    if (answer.topics_count != 1 || answer.topics[0].partitions_count != options->partitions)
        load_fail("ListOffsets did not answer for every partition");
    return &answer.topics[0];
}

/* Apache Kafka tells of a leader some time before that leader knows. */
static void wait_for_leaders(int fd, const struct load_options *options, struct arena *arena)
{
    const int64_t end_ns = load_now_ns() + LEADERS_WAIT_NS;
    while (load_now_ns() < end_ns) {
        arena_reset(arena);
        const struct list_offsets_response_topic_response *told = ask_ends(fd, options, arena);
        int32_t good_count = 0;
        for (int32_t p = 0; p < options->partitions; p++)
            good_count += told->partitions[p].error_code == KAFKA_NONE;
        if (good_count == options->partitions)
            return;
        (void)usleep(ASK_EVERY_US + (useconds_t)options->partitions * ASK_A_PART_US); /* or less */
    }
    load_fail("topic %s has no leaders", options->topic);
}

/* NAME=VALUE,…: the next one from *rest on, behind so many; false: there is none. */
static bool next_setting(struct bytes *rest, int32_t count, struct bytes *out_name,
                         struct bytes *out_value)
{
    if (rest->size == 0)
        return false;
    const uint8_t *comma = memchr(rest->data, ',', rest->size);
    const size_t size = comma == NULL ? rest->size : (size_t)(comma - rest->data);
    const uint8_t *equals = memchr(rest->data, '=', size);
    if (equals == NULL)
        load_fail("a setting is NAME=VALUE");
    if (count == SETTINGS_MAX)
        load_fail("more than %d settings", SETTINGS_MAX);
    const size_t name = (size_t)(equals - rest->data);
    *out_name = bytes_slice(*rest, 0, name);
    *out_value = bytes_slice(*rest, name + 1, size - name - 1);
    *rest = bytes_slice(*rest, MIN(size + 1, rest->size), rest->size);
    return true;
}

void load_create_topic(const struct load_options *options)
{
    struct visit visit;
    visit_begin(&visit, options);
    struct create_topics_request_creatable_topic_config settings[SETTINGS_MAX];
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_default;
    topic.name = bytes_from_text(options->topic);
    topic.num_partitions = options->partitions;
    topic.replication_factor = 1;
    topic.configs = settings;
    struct bytes rest = bytes_from_text(options->config);
    for (struct bytes name, value; next_setting(&rest, topic.configs_count, &name, &value);)
        settings[topic.configs_count++] =
            (struct create_topics_request_creatable_topic_config){ .name = name, .value = value };
    request.topics = &topic;
    request.topics_count = 1;
    struct create_topics_response answer;
    load_ask(visit.fd, API_CREATE_TOPICS, CREATE_TOPICS_VERSION, &request, &visit.arena, &answer);
    if (answer.topics_count != 1)
        load_fail("CreateTopics was answered for %d topics", answer.topics_count);
    check("create topic", options->topic, answer.topics[0].error_code);
    wait_for_leaders(visit.fd, options, &visit.arena);
    visit_end(&visit);
}

int64_t load_end_offsets(const struct load_options *options, int64_t *out_ends)
{
    struct visit visit;
    visit_begin(&visit, options);
    const struct list_offsets_response_topic_response *told =
        ask_ends(visit.fd, options, &visit.arena);
    int64_t sum = 0;
    for (int32_t i = 0; i < options->partitions; i++) {
        const struct list_offsets_response_partition_response *p = &told->partitions[i];
        check("list offsets of", options->topic, p->error_code);
        sum += p->offset;
        if (out_ends != NULL)
            out_ends[p->partition_index] = p->offset;
    }
    visit_end(&visit);
    return sum;
}

void load_alter_topic(const struct load_options *options)
{
    struct visit visit;
    visit_begin(&visit, options);
    struct incremental_alter_configs_request_alterable_config settings[SETTINGS_MAX];
    struct incremental_alter_configs_request_alter_configs_resource topic =
        incremental_alter_configs_request_alter_configs_resource_default;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    topic.resource_type = RESOURCE_TOPIC;
    topic.resource_name = bytes_from_text(options->topic);
    topic.configs = settings;
    struct bytes rest = bytes_from_text(options->config);
    for (struct bytes name, value; next_setting(&rest, topic.configs_count, &name, &value);)
        settings[topic.configs_count++] =
            (struct incremental_alter_configs_request_alterable_config){ .name = name,
                                                                         .value = value };
    request.resources = &topic;
    request.resources_count = 1;
    struct incremental_alter_configs_response answer;
    load_ask(visit.fd, API_INCREMENTAL_ALTER_CONFIGS, ALTER_CONFIGS_VERSION, &request, &visit.arena,
             &answer);
    if (answer.responses_count != 1)
        load_fail("IncrementalAlterConfigs was answered for %d topics", answer.responses_count);
    check("alter topic", options->topic, answer.responses[0].error_code);
    visit_end(&visit);
}

void load_find_coordinator(const struct load_options *options, enum load_coordinator of)
{
    struct visit visit;
    visit_begin(&visit, options);
    struct find_coordinator_request request = find_coordinator_request_default;
    struct find_coordinator_response answer;
    request.key = bytes_from_text(options->group);
    request.key_type = (int8_t)of;
    for (int i = 0; i < ASK_TIMES_MAX; i++) {
        arena_reset(&visit.arena);
        load_ask(visit.fd, API_FIND_COORDINATOR, FIND_COORDINATOR_VERSION, &request, &visit.arena,
                 &answer);
        if (answer.error_code == KAFKA_NONE)
            break;
        (void)usleep(ASK_EVERY_US); /* a nap that is cut short does no harm */
    }
    check("find the coordinator of", options->group, answer.error_code);
    visit_end(&visit);
}
