/* The markers of a transaction that was decided: each partition is told until it knows, then the transaction is complete. */
#include "base/mem.h"
#include "coord/txn/txn_int.h"

static void send_marker(struct txn_coordinator *c, const struct txn *txn, struct bytes topic,
                        int32_t partition)
{
    struct arena *arena = &c->effects->arena;
    const struct txn_marker marker = {
        .ending = txn->ending,
        .producer_id = txn->now.producer_id,
        .producer_epoch = txn->now.epoch,
        .transaction_version = txn->now.client_version,
        .is_commit = txn->now.state == TXN_PREPARE_COMMIT,
        .topic = bytes_from(arena_dup(arena, topic.data, topic.size), topic.size),
        .partition = partition,
    };
    VEC_ADD(&c->effects->markers, marker);
}

static void send_all(struct txn_coordinator *c, const struct txn *txn,
                     const struct txn_partitions *set)
{
    for (size_t i = 0; i < set->topics.count; i++) {
        const struct txn_topic *topic = &set->topics.items[i];
        for (size_t j = 0; j < topic->partitions.count; j++)
            send_marker(c, txn, name_text(topic->name), topic->partitions.items[j]);
    }
}

static void write_complete(struct txn_coordinator *c, struct txn *txn)
{
    struct txn_values next;
    txn->pending = TXN_COMPLETING;
    coord__txn_complete_values(c, txn, &next);
    if (!coord__txn_write(c, txn, &next, NULL, false)) /* max.message.bytes became that small */
        deadline_arm(&c->deadlines, &txn->retry, c->event->now_ms + TXN_RETRY_MS);
}

static void finish_if_all_know(struct txn_coordinator *c, struct txn *txn)
{
    if (txn->now.partitions.count > 0)
        return;
    (void)map_i64_remove(&c->endings, (int64_t)txn->ending); /* it is there */
    deadline_cancel(&c->deadlines, &txn->retry);
    write_complete(c, txn);
}

void coord__txn_begin_marking(struct txn_coordinator *c, struct txn *txn)
{
    txn->pending = TXN_MARKING;
    txn->ending = c->next_ending++;
    (void)map_i64_put(&c->endings, (int64_t)txn->ending, txn); /* endings are new */
    send_all(c, txn, &txn->now.partitions);
    finish_if_all_know(c, txn);
}

/* ---- what comes back --------------------------------------------------------------------------------------------- */

enum marker_fate {
    MARKER_DONE,  /* the partition knows, or need not */
    MARKER_AGAIN, /* not now */
    MARKER_NEVER, /* another coordinator has taken over; this one will hear of it */
};

static enum marker_fate fate(const struct txn_marker_result *result)
{
    if (result->is_gone || result->error == KAFKA_NONE)
        return MARKER_DONE;
    /* A marker with this epoch or a later one is there already; or a format that knows no transactions. */
    if (result->error == KAFKA_INVALID_PRODUCER_EPOCH ||
        result->error == KAFKA_UNSUPPORTED_FOR_MESSAGE_FORMAT ||
        result->error == KAFKA_UNSUPPORTED_VERSION)
        return MARKER_DONE;
    return result->error == KAFKA_TRANSACTION_COORDINATOR_FENCED ? MARKER_NEVER : MARKER_AGAIN;
}

static void tell_never(struct txn_coordinator *c, const struct txn *txn,
                       const struct txn_marker_result *result)
{
    coord__txn_tell(
        c, COORD_LINE_ERROR, txn,
        "its transaction stays in %s, and readers of committed records wait: partition %" PRId32
        " of topic %s refuses the marker of producer %" PRId64
        " epoch %d from coordinator epoch %" PRId32 " (%s)%s%.*s",
        txn_state_name(txn->now.state), result->partition,
        coord_quoted(&c->effects->arena, result->topic), txn->now.producer_id, txn->now.epoch,
        result->coordinator_epoch, kafka_error_name((int16_t)result->error),
        result->why.size > 0 ? ": " : "", BYTES_PRINTF(result->why));
}

static void on_result(struct txn_coordinator *c, const struct txn_marker_result *result)
{
    struct txn *txn = map_i64_get(&c->endings, (int64_t)result->ending);
    if (txn == NULL)
        return;
    switch (fate(result)) {
    case MARKER_DONE:
        (void)txn_partitions_remove(&txn->now.partitions, &c->names, result->topic,
                                    result->partition);
        finish_if_all_know(c, txn);
        break;
    case MARKER_AGAIN:
        (void)txn_partitions_add(&txn->unsent, &c->names, result->topic, result->partition);
        if (!deadline_is_armed(&txn->retry))
            deadline_arm(&c->deadlines, &txn->retry, c->event->now_ms + TXN_RETRY_MS);
        break;
    case MARKER_NEVER:
        tell_never(c, txn, result);
        break;
    }
}

void coord__txn_on_markers(struct txn_coordinator *c)
{
    for (uint32_t i = 0; i < c->event->markers.count; i++)
        on_result(c, &c->event->markers.items[i]);
}

void coord__txn_on_retry(struct txn_coordinator *c, struct txn *txn)
{
    if (txn->pending == TXN_COMPLETING) {
        txn_values_deinit(&txn->next, &c->names);
        write_complete(c, txn);
        return;
    }
    send_all(c, txn, &txn->unsent);
    txn_partitions_deinit(&txn->unsent, &c->names);
}
