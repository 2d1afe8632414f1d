/* See transaction_markers.h. */
#include "server/transaction_markers.h"

#include "metadata/image.h"
#include "replica/replicas.h"
#include "server/topic_lookup.h"
#include "wire/control_record.h"

#include <string.h>

static void on_written(struct append_wait *wait, enum kafka_error error)
{
    struct transaction_marker_write *write =
        CONTAINER_OF(wait, struct transaction_marker_write, wait);
    write->done(write, error, false);
}

static void on_timer(struct io_timer *timer)
{
    struct transaction_marker_write *write =
        CONTAINER_OF(timer, struct transaction_marker_write, timer);
    write->done(write, write->error, write->is_gone);
}

static void conclude_later(struct transaction_marker_write *write, enum kafka_error error,
                           bool is_gone)
{
    write->error = error;
    write->is_gone = is_gone;
    write->timer.fire = on_timer;
    io_timer_arm_after(write->shard->io, &write->timer, 0);
}

static enum kafka_error append(const struct transaction_marker_write *write, struct partition *p,
                               struct append_wait *wait)
{
    const int64_t now_ms = io_now_ms(write->shard->io);
    const struct transaction_marker marker = {
        .type = write->is_commit ? CONTROL_COMMIT : CONTROL_ABORT,
        .leader_epoch = -1,
        .timestamp_ms = now_ms,
        .producer_id = write->producer_id,
        .producer_epoch = write->producer_epoch,
        .coordinator_epoch = write->coordinator_epoch,
    };
    struct shared *batch = shared_new(TRANSACTION_MARKER_BYTES);
    transaction_marker_encode(&marker, batch->data);
    const struct log_append planned = { .owner = batch,
                                        .records = batch->data,
                                        .size_bytes = TRANSACTION_MARKER_BYTES,
                                        .origin = LOG_ORIGIN_COORDINATOR,
                                        .now_ms = now_ms,
                                        .transaction_version = write->transaction_version };
    struct log_append_result result;
    partition_append(p, &planned, wait, &result);
    shared_unref(batch);
    return result.error;
}

void transaction_marker_write(struct shard *shard, struct transaction_marker_write *write)
{
    write->shard = shard;
    write->wait = (struct append_wait){ .is_all = true, .done = on_written };
    const struct metadata_topic *topic = metadata_topic_by_name(shard->image, write->topic);
    const struct metadata_partition *told =
        topic == NULL ? NULL : metadata_topic_partition(topic, write->partition);
    if (told == NULL) {
        conclude_later(write, KAFKA_NONE, true);
        return;
    }
    struct partition *p = NULL;
    enum kafka_error error = partition_lookup(shard, topic, write->partition, -1, &p);
    if (error == KAFKA_NONE)
        error = append(write, p, &write->wait);
    if (error != KAFKA_NONE)
        conclude_later(write, error, false);
}
