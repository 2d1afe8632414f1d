/* See transaction_markers.h. */
#include "server/transaction_markers.h"

#include "metadata/image.h"
#include "replica/replicas.h"
#include "server/topic_lookup.h"

#include <stdio.h>

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

static void on_group_ended(struct group_end *end, enum kafka_error error)
{
    struct transaction_marker_write *write =
        CONTAINER_OF(end, struct transaction_marker_write, group_end);
    if (write->is_asking)
        conclude_later(write, error, false);
    else
        write->done(write, error, false);
}

/* The group coordinator writes it, so that the offsets count from there on. */
static void end_in_group(struct transaction_marker_write *write,
                         const struct partition_marker *marker)
{
    write->group_end.done = on_group_ended;
    write->is_asking = true;
    groups_end_transaction(write->shard, write->partition, marker, &write->group_end);
    write->is_asking = false;
}

static void end_in_partition(struct transaction_marker_write *write, struct partition *p,
                             const struct partition_marker *marker)
{
    struct log_append_result result;
    partition_end_transaction(p, marker, &write->wait, &result);
    if (result.error == KAFKA_NONE)
        return;
    (void)snprintf(write->why, sizeof(write->why), "%.*s",
                   BYTES_PRINTF(result.message)); /* truncation is fine in a message */
    conclude_later(write, result.error, false);
}

void transaction_marker_write(struct shard *shard, struct transaction_marker_write *write)
{
    write->shard = shard;
    write->wait = (struct append_wait){ .done = on_written };
    const struct metadata_topic *topic = metadata_topic_by_name(shard->image, write->topic);
    const struct metadata_partition *told =
        topic == NULL ? NULL : metadata_topic_partition(topic, write->partition);
    if (told == NULL) {
        conclude_later(write, KAFKA_NONE, true);
        return;
    }
    const struct partition_marker marker = { .producer_id = write->producer_id,
                                             .producer_epoch = write->producer_epoch,
                                             .coordinator_epoch = write->coordinator_epoch,
                                             .transaction_version = write->transaction_version,
                                             .is_commit = write->is_commit,
                                             .now_ms = io_now_ms(shard->io) };
    struct partition *p = NULL;
    const enum kafka_error error = partition_lookup(shard, topic, write->partition, -1, &p);
    if (error != KAFKA_NONE)
        conclude_later(write, error, false);
    else if (bytes_equal_text(write->topic, TOPIC_CONSUMER_OFFSETS))
        end_in_group(write, &marker);
    else
        end_in_partition(write, p, &marker);
}
