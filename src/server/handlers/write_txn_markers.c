/* WriteTxnMarkers: a transaction coordinator tells partitions how transactions end (KIP-98, KIP-1228). */
#include "metadata/image.h"
#include "replica/replicas.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/topic_lookup.h"
#include "server/transaction_markers.h"
#include "wire/messages/write_txn_markers_request.h"
#include "wire/messages/write_txn_markers_response.h"

struct marking;

struct marking_part {
    struct transaction_marker_write write;
    struct marking *marking;
    struct write_txn_markers_response_writable_txn_marker_partition_result *out;
};

struct marking {
    struct request *request;
    struct write_txn_markers_response response;
    struct marking_part *parts;
    uint32_t part_count;
    uint32_t waiting_count;
    bool
        is_refused; /* a marker that cannot be written: those after it are not, and no partition is answered otherwise */
};

static void set_all(struct marking *marking, enum kafka_error error)
{
    for (int32_t i = 0; i < marking->response.markers_count; i++) {
        struct write_txn_markers_response_writable_txn_marker_result *marker =
            &marking->response.markers[i];
        for (int32_t j = 0; j < marker->topics_count; j++) {
            for (int32_t k = 0; k < marker->topics[j].partitions_count; k++)
                marker->topics[j].partitions[k].error_code = (int16_t)error;
        }
    }
}

static void finish(struct marking *marking)
{
    if (marking->is_refused)
        set_all(marking, KAFKA_UNKNOWN_SERVER_ERROR);
    request_reply(marking->request, &marking->response);
}

static void on_done(struct transaction_marker_write *write, enum kafka_error error, bool is_gone)
{
    struct marking_part *part = CONTAINER_OF(write, struct marking_part, write);
    struct marking *marking = part->marking;
    part->out->error_code = (int16_t)(is_gone ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : error);
    if (--marking->waiting_count == 0)
        finish(marking);
}

/* As Kafka answers: what is not open here is unknown, whoever leads it. */
static bool is_here(const struct shard *shard, struct bytes name, int32_t index)
{
    const struct metadata_topic *topic = metadata_topic_by_name(shard->image, name);
    const struct partition *p =
        topic == NULL ? NULL : replicas_get(shard->replicas, topic->id, index);
    return p != NULL && p->state == PARTITION_ONLINE;
}

/* No batch can be of such a producer, or of such an epoch of one. Other negative numbers are written, as Kafka writes them. */
static bool is_impossible(const struct write_txn_markers_request_writable_txn_marker *asked)
{
    return asked->producer_id == -1 || asked->producer_epoch == -1;
}

static void add_topic(struct marking *marking,
                      const struct write_txn_markers_request_writable_txn_marker *asked,
                      const struct write_txn_markers_request_writable_txn_marker_topic *topic,
                      struct write_txn_markers_response_writable_txn_marker_topic_result *out)
{
    struct request *request = marking->request;
    out->name = topic->name;
    out->partitions_count = topic->partition_indexes_count;
    out->partitions = write_txn_markers_response_writable_txn_marker_partition_result_array(
        &request->arena, (size_t)out->partitions_count);
    for (int32_t i = 0; i < topic->partition_indexes_count; i++) {
        const int32_t index = topic->partition_indexes[i];
        out->partitions[i].partition_index = index;
        if (!is_here(request->shard, topic->name, index)) {
            out->partitions[i].error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        /* The group coordinator refuses its partition alone. */
        marking->is_refused |=
            is_impossible(asked) && !bytes_equal_text(topic->name, TOPIC_CONSUMER_OFFSETS);
        if (is_impossible(asked) || marking->is_refused) {
            out->partitions[i].error_code = KAFKA_UNKNOWN_SERVER_ERROR;
            continue;
        }
        struct marking_part *part = &marking->parts[marking->part_count++];
        part->marking = marking;
        part->out = &out->partitions[i];
        part->write = (struct transaction_marker_write){
            .topic = topic->name,
            .partition = index,
            .producer_id = asked->producer_id,
            .producer_epoch = asked->producer_epoch,
            .transaction_version = request->version >= 2 ? asked->transaction_version : 0,
            .coordinator_epoch = asked->coordinator_epoch,
            .is_commit = asked->transaction_result,
            .done = on_done,
        };
    }
}

static uint32_t count_partitions(const struct write_txn_markers_request *asked)
{
    uint32_t count = 0;
    for (int32_t i = 0; i < asked->markers_count; i++) {
        for (int32_t j = 0; j < asked->markers[i].topics_count; j++)
            count += (uint32_t)asked->markers[i].topics[j].partition_indexes_count;
    }
    return count;
}

/* The answer in the shape of the request, and what is to be written. */
static void lay_out(struct marking *marking)
{
    struct request *request = marking->request;
    const struct write_txn_markers_request *asked = request->message;
    struct arena *arena = &request->arena;
    struct write_txn_markers_response *response = &marking->response;
    write_txn_markers_response_init(response);
    response->markers = write_txn_markers_response_writable_txn_marker_result_array(
        arena, (size_t)asked->markers_count);
    response->markers_count = asked->markers_count;
    for (int32_t i = 0; i < asked->markers_count; i++) {
        const struct write_txn_markers_request_writable_txn_marker *marker = &asked->markers[i];
        struct write_txn_markers_response_writable_txn_marker_result *out = &response->markers[i];
        out->producer_id = marker->producer_id;
        out->topics_count = marker->topics_count;
        out->topics = write_txn_markers_response_writable_txn_marker_topic_result_array(
            arena, (size_t)marker->topics_count);
        for (int32_t j = 0; j < marker->topics_count; j++)
            add_topic(marking, marker, &marker->topics[j], &out->topics[j]);
    }
}

static void refuse(struct marking *marking)
{
    for (uint32_t i = 0; i < marking->part_count; i++)
        marking->parts[i].out->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    request_reply(marking->request, &marking->response);
}

static void handle(struct request *request)
{
    const uint32_t count = count_partitions(request->message);
    if (!request_reserve(request, count, sizeof(struct marking_part)))
        return;
    struct marking *marking = REQUEST_NEW(request, struct marking);
    marking->request = request;
    marking->parts = REQUEST_NEW_ARRAY(request, struct marking_part, count);
    lay_out(marking);
    if (!authorize(request, ACL_ALTER, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster")) &&
        !authorize(request, ACL_CLUSTER_ACTION, ACL_CLUSTER, BYTES_LITERAL("kafka-cluster"))) {
        refuse(marking);
        return;
    }
    if (marking->part_count == 0) {
        finish(marking);
        return;
    }
    /* Each is answered at a turn's end at the earliest. */
    marking->waiting_count = marking->part_count;
    for (uint32_t i = 0; i < marking->part_count; i++)
        transaction_marker_write(request->shard, &marking->parts[i].write);
}

const struct api_handler write_txn_markers_handler = {
    .api_key = API_WRITE_TXN_MARKERS,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
