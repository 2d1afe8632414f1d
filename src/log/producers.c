/* The producers of one log: see producers.h. */
#include "log/producers.h"

#include <string.h>

#define TXNS_KEPT   16   /* ended ones, before it is worth while to look for them */
#define AWAITED_MAX 1000 /* more are as good as none: a full disk refuses all */

struct producer_undo {
    int64_t offset; /* first of the batch that changed it */
    int64_t producer_id;
    bool was_absent;
    int32_t first_sequence; /* of the batch */
    int16_t epoch;
    bool began_txn;    /* a transaction was added at before.txn_first_offset's place */
    int64_t ended_txn; /* first offset of the transaction that a marker ended; -1 */
    struct producer before;
};

void producers_init(struct producers *producers, uint64_t seed)
{
    *producers = (struct producers){ 0 };
    map_i64_init(&producers->by_id, seed);
    map_i64_init(&producers->awaited, seed);
    map_i64_init(&producers->verifications, seed);
}

static void forget_awaited(struct producers *producers)
{
    for (struct map_i64_walk walk = { 0 }; map_i64_next(&producers->awaited, &walk);)
        mem_free(walk.value);
    map_i64_clear(&producers->awaited);
}

static void forget_verification(struct producers *producers, int64_t producer_id)
{
    mem_free(map_i64_remove(&producers->verifications, producer_id));
}

static void forget_verifications(struct producers *producers, int64_t before_ms)
{
    for (struct map_i64_walk walk = { 0 }; map_i64_next(&producers->verifications, &walk);) {
        const struct producer_verification *verification = walk.value;
        if (verification->since_ms <= before_ms)
            forget_verification(producers, walk.key);
    }
}

void producers_clear(struct producers *producers)
{
    forget_awaited(producers);
    forget_verifications(producers, INT64_MAX);
    for (struct map_i64_walk walk = { 0 }; map_i64_next(&producers->by_id, &walk);)
        mem_free(walk.value);
    map_i64_clear(&producers->by_id);
    producers->txns.count = producers->txn_first_open = producers->txn_count_swept = 0;
    producers->undo.count = 0;
}

void producers_deinit(struct producers *producers)
{
    producers_clear(producers);
    map_i64_deinit(&producers->by_id);
    map_i64_deinit(&producers->awaited);
    map_i64_deinit(&producers->verifications);
    VEC_DEINIT(&producers->txns);
    VEC_DEINIT(&producers->undo);
}

uint32_t producers_count(const struct producers *producers)
{
    return map_i64_count(&producers->by_id);
}

const struct producer *producers_get(const struct producers *producers, int64_t producer_id)
{
    return map_i64_get(&producers->by_id, producer_id);
}

static struct producer producer_empty(int64_t id)
{
    return (struct producer){
        .id = id, .epoch = -1, .coordinator_epoch = -1, .last_timestamp = -1, .txn_first_offset = -1
    };
}

/* ---- what a batch brings --------------------------------------------------------------------- */

/* Sequences run from 0 to INT32_MAX and begin again at 0. */
static int32_t sequence_after(int32_t sequence, int32_t increment)
{
    if (sequence > INT32_MAX - increment)
        return increment - (INT32_MAX - sequence) - 1;
    return sequence + increment;
}

static int read_marker(const struct batch_view *batch, struct producer_event *event)
{
    struct record_walk walk;
    struct record record;
    record_walk_init(&walk, batch, NULL, (uint32_t)batch->bytes.size);
    int r = record_walk_next(&walk, &record);
    if (r > 0) {
        event->has_marker = true;
        event->timestamp = record.timestamp;
        r = control_record_parse(record.key, &event->marker_type);
        if (r >= 0 && event->marker_type != CONTROL_ABORT && event->marker_type != CONTROL_COMMIT)
            r = -ERR_MALFORMED;
        if (r >= 0)
            r = transaction_marker_parse(record.value, &event->coordinator_epoch);
    }
    record_walk_deinit(&walk);
    return r < 0 ? r : 0;
}

int producer_event_read(const struct batch_view *batch, struct producer_event *out)
{
    *out = (struct producer_event){
        .producer_id = batch->producer_id,
        .epoch = batch->producer_epoch,
        .is_transactional = (batch->attributes & BATCH_TRANSACTIONAL) != 0,
        .is_marker = (batch->attributes & BATCH_CONTROL) != 0,
        .first_sequence = batch->base_sequence,
        .last_sequence = batch->base_sequence < 0
                             ? -1
                             : sequence_after(batch->base_sequence, batch->last_offset_delta),
        .first_offset = batch->base_offset,
        .last_offset = batch_last_offset(batch),
        .timestamp = batch->max_timestamp,
    };
    return out->is_marker ? read_marker(batch, out) : 0;
}

/* ---- verification ---------------------------------------------------------------------------- */

uint64_t producers_verify(struct producers *producers, int64_t producer_id, int16_t epoch,
                          int32_t sequence, int64_t now_ms)
{
    const struct producer *producer = producers_get(producers, producer_id);
    if (producer != NULL && producer->txn_first_offset >= 0 && producer->epoch == epoch)
        return 0;
    struct producer_verification *verification =
        map_i64_get(&producers->verifications, producer_id);
    if (verification == NULL) {
        verification = MEM_NEW(struct producer_verification);
        *verification = (struct producer_verification){ .guard = ++producers->last_guard,
                                                        .since_ms = now_ms,
                                                        .lowest_sequence = sequence,
                                                        .epoch = epoch };
        (void)map_i64_put(&producers->verifications, producer_id, verification); /* was not there */
    }
    if (epoch > verification->epoch) {
        verification->epoch = epoch;
        verification->lowest_sequence = sequence;
    } else if (epoch == verification->epoch) {
        verification->lowest_sequence = MIN(verification->lowest_sequence, sequence);
    }
    return verification->guard;
}

static bool is_verified(const struct producer_check *check,
                        const struct producer_verification *verification)
{
    return check->transaction_verified ||
           (verification != NULL && verification->guard == check->verification_guard);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static struct producer_verdict refuse(enum kafka_error error)
{
    return (struct producer_verdict){ .error = error };
}

static const struct producer_batch *find_duplicate(const struct producer *producer,
                                                   const struct producer_event *event)
{
    if (producer->epoch != event->epoch)
        return NULL;
    for (uint32_t i = 0; i < producer->batch_count; i++) {
        const struct producer_batch *batch = &producer->batches[i];
        /* The first sequence, which the state does not keep, follows from the count of offsets. */
        const int64_t first = (int64_t)batch->last_sequence - batch->offset_delta;
        const int64_t first_wrapped = first < 0 ? first + INT32_MAX + INT64_C(1) : first;
        if (batch->last_sequence == event->last_sequence && first_wrapped == event->first_sequence)
            return batch;
    }
    return NULL;
}

static enum kafka_error check_epoch(const struct producer *producer,
                                    const struct producer_event *event,
                                    const struct producer_check *check, struct err_note *note)
{
    /* From transaction version 2 on the coordinator raises the epoch before each marker, so that a
     * marker of the present epoch is late (KIP-1228) unless it repeats one that has ended the
     * transaction already. */
    const bool is_strict = event->is_marker && check->transaction_version >= 2;
    if (event->epoch > producer->epoch || (!is_strict && event->epoch == producer->epoch))
        return KAFKA_NONE;
    if (is_strict && event->epoch == producer->epoch && producer->txn_first_offset < 0)
        return KAFKA_NONE;
    err_note(note, 0,
             "Epoch %d of producer %" PRId64 " is %s the last seen epoch %d at offset %" PRId64,
             event->epoch, event->producer_id, is_strict ? "not above" : "smaller than",
             producer->epoch, event->first_offset);
    return KAFKA_INVALID_PRODUCER_EPOCH;
}

/* Of a producer that is not known (any more) any sequence may begin, but for clients of transaction version 2: they begin each
 * transaction with an epoch of its own, and so with 0. */
static enum kafka_error check_first_sequence(const struct producer_event *event,
                                             const struct producer_check *check,
                                             struct err_note *note)
{
    if (!event->is_transactional || check->transaction_version < 2 || event->first_sequence == 0)
        return KAFKA_NONE;
    err_note(note, 0,
             "Out of order sequence of producer %" PRId64 " at offset %" PRId64 ": %" PRId32
             " came, and its transaction must begin with 0",
             event->producer_id, event->first_offset, event->first_sequence);
    return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static enum kafka_error check_sequence(const struct producer *producer,
                                       const struct producer_event *event,
                                       const struct producer_check *check,
                                       const struct producer_verification *verification,
                                       struct err_note *note)
{
    /* What a producer of another epoch has asked says nothing of this one: it may be a zombie, which is to disturb nobody. */
    if (verification != NULL && verification->epoch == event->epoch &&
        event->first_sequence > verification->lowest_sequence) {
        err_note(note, 0,
                 "Out of order sequence of producer %" PRId64 " at offset %" PRId64 ": %" PRId32
                 " came, and an earlier one, %" PRId32 ", is to be written first",
                 event->producer_id, event->first_offset, event->first_sequence,
                 verification->lowest_sequence);
        return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    if (producer->epoch < 0)
        return check_first_sequence(event, check, note);
    if (event->epoch != producer->epoch) {
        if (event->first_sequence == 0)
            return KAFKA_NONE;
        err_note(note, 0,
                 "Sequence %" PRId32 " of producer %" PRId64
                 " begins its epoch %d, which must begin with 0 (last seen epoch %d)",
                 event->first_sequence, event->producer_id, event->epoch, producer->epoch);
        return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    const int32_t last = producer->batch_count == 0
                             ? -1
                             : producer->batches[producer->batch_count - 1].last_sequence;
    const bool follows = event->first_sequence == (int64_t)last + 1 ||
                         (event->first_sequence == 0 && last == INT32_MAX);
    if (follows)
        return KAFKA_NONE;
    err_note(note, 0,
             "Out of order sequence of producer %" PRId64 " at offset %" PRId64 ": %" PRId32
             " came after %" PRId32,
             event->producer_id, event->first_offset, event->first_sequence, last);
    return KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static enum kafka_error check_marker(const struct producer *producer,
                                     const struct producer_event *event,
                                     const struct producer_check *check, struct err_note *note)
{
    if (!event->has_marker)
        return KAFKA_NONE;
    const enum kafka_error error = check_epoch(producer, event, check, note);
    if (error != KAFKA_NONE || event->coordinator_epoch >= producer->coordinator_epoch)
        return error;
    err_note(note, 0,
             "Coordinator epoch %" PRId32 " for producer %" PRId64
             " is smaller than the last seen one, %" PRId32,
             event->coordinator_epoch, event->producer_id, producer->coordinator_epoch);
    return KAFKA_TRANSACTION_COORDINATOR_FENCED;
}

static enum kafka_error check_transaction(const struct producer *producer,
                                          const struct producer_event *event,
                                          const struct producer_check *check,
                                          const struct producer_verification *verification,
                                          struct err_note *note)
{
    if (!event->is_transactional) {
        if (producer->txn_first_offset < 0)
            return KAFKA_NONE;
        err_note(note, 0,
                 "Producer %" PRId64 " wrote outside of its transaction open since offset %" PRId64,
                 event->producer_id, producer->txn_first_offset);
        return KAFKA_INVALID_TXN_STATE;
    }
    if (producer->txn_first_offset >= 0 && producer->epoch == event->epoch)
        return KAFKA_NONE;
    if (is_verified(check, verification) || event->epoch < producer->epoch)
        return KAFKA_NONE; /* a stale epoch is told by check_epoch */
    err_note(note, 0, "The batch of producer %" PRId64 " is not part of an ongoing transaction",
             event->producer_id);
    return KAFKA_INVALID_TXN_STATE;
}

static enum kafka_error check_data(const struct producer *producer,
                                   const struct producer_event *event,
                                   const struct producer_check *check,
                                   const struct producer_verification *verification,
                                   struct err_note *note)
{
    enum kafka_error error = KAFKA_NONE;
    if (event->is_transactional)
        error = check_transaction(producer, event, check, verification, note);
    if (error == KAFKA_NONE)
        error = check_epoch(producer, event, check, note);
    if (error == KAFKA_NONE && check->origin == LOG_ORIGIN_CLIENT)
        error = check_sequence(producer, event, check, verification, note);
    if (error == KAFKA_NONE && !event->is_transactional)
        error = check_transaction(producer, event, check, verification, note);
    return error;
}

/* False: a batch before it must come again first. */
static bool is_awaited(const struct producers *producers, const struct producer_event *event,
                       struct err_note *note)
{
    const struct producer_awaited *awaited = map_i64_get(&producers->awaited, event->producer_id);
    if (awaited == NULL || awaited->epoch != event->epoch ||
        awaited->first_sequence == event->first_sequence)
        return true;
    err_note(note, 0,
             "Out of order sequence of producer %" PRId64 " at offset %" PRId64 ": %" PRId32
             " came, but %" PRId32 " could not be written and is to come again first",
             event->producer_id, event->first_offset, event->first_sequence,
             awaited->first_sequence);
    return false;
}

struct producer_verdict producers_check(const struct producers *producers,
                                        const struct producer_event *event,
                                        const struct producer_check *check, struct err_note *note)
{
    const struct producer *known = producers_get(producers, event->producer_id);
    const struct producer unknown = producer_empty(event->producer_id);
    const struct producer *producer = known != NULL ? known : &unknown;
    if (event->is_marker)
        return refuse(check_marker(producer, event, check, note));

    const struct producer_batch *original =
        check->origin == LOG_ORIGIN_CLIENT ? find_duplicate(producer, event) : NULL;
    if (original != NULL) {
        return (struct producer_verdict){
            .is_duplicate = true,
            .first_offset = original->last_offset - original->offset_delta,
            .last_offset = original->last_offset,
            .timestamp = original->timestamp,
        };
    }
    if (known == NULL && check->origin == LOG_ORIGIN_CLIENT && !is_awaited(producers, event, note))
        return refuse(KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    const struct producer_verification *verification =
        map_i64_get(&producers->verifications, event->producer_id);
    return refuse(check_data(producer, event, check, verification, note));
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Of the first transaction that begins at the offset or later. */
static size_t txn_index_of(const struct producers *producers, int64_t first_offset)
{
    size_t low = 0;
    size_t high = producers->txns.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (producers->txns.items[middle].first_offset < first_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool txn_find(const struct producers *producers, int64_t first_offset, size_t *out_at)
{
    const size_t at = txn_index_of(producers, first_offset);
    if (at == producers->txns.count || producers->txns.items[at].first_offset != first_offset)
        return false;
    *out_at = at;
    return true;
}

static void txn_skip_ended(struct producers *producers)
{
    while (producers->txn_first_open < producers->txns.count &&
           producers->txns.items[producers->txn_first_open].marker_offset >= 0)
        producers->txn_first_open++;
}

static void txn_add(struct producers *producers, struct producer_txn txn)
{
    const size_t at = txn_index_of(producers, txn.first_offset);
    VEC_ADD(&producers->txns, txn);
    for (size_t i = producers->txns.count - 1; i > at; i--)
        producers->txns.items[i] = producers->txns.items[i - 1];
    producers->txns.items[at] = txn;
    producers->txn_first_open = MIN(producers->txn_first_open, at);
}

static void txn_remove(struct producers *producers, int64_t first_offset)
{
    size_t at;
    if (!txn_find(producers, first_offset, &at))
        return;
    VEC_REMOVE_AT(&producers->txns, at);
    producers->txn_first_open -= at < producers->txn_first_open;
    txn_skip_ended(producers);
}

static void txn_set_marker(struct producers *producers, int64_t first_offset, int64_t marker_offset)
{
    size_t at;
    if (!txn_find(producers, first_offset, &at))
        return;
    producers->txns.items[at].marker_offset = marker_offset;
    if (marker_offset < 0)
        producers->txn_first_open = MIN(producers->txn_first_open, at);
    txn_skip_ended(producers);
}

static void producer_set_epoch(struct producer *producer, int16_t epoch)
{
    if (producer->epoch == epoch)
        return;
    producer->epoch = epoch;
    producer->batch_count = 0;
    producer->is_cut = false;
}

static void producer_add_batch(struct producer *producer, struct producer_batch batch)
{
    if (producer->batch_count == PRODUCER_BATCHES_KEPT) {
        memmove(&producer->batches[0], &producer->batches[1],
                (PRODUCER_BATCHES_KEPT - 1) * sizeof(producer->batches[0]));
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] = batch;
    producer->is_cut &= producer->batch_count < PRODUCER_BATCHES_KEPT;
}

static struct producer_undo *remember(struct producers *producers, struct producer *producer,
                                      bool was_absent, const struct producer_event *event)
{
    struct producer_undo *undo = VEC_PUSH(&producers->undo);
    undo->offset = event->first_offset;
    undo->producer_id = producer->id;
    undo->was_absent = was_absent;
    undo->ended_txn = -1;
    undo->first_sequence = event->first_sequence;
    undo->epoch = event->epoch;
    undo->before = *producer;
    return undo;
}

static void apply_data(struct producers *producers, struct producer *producer,
                       const struct producer_event *event, struct producer_undo *undo)
{
    producer_set_epoch(producer, event->epoch);
    producer_add_batch(producer,
                       (struct producer_batch){
                           .last_sequence = event->last_sequence,
                           .offset_delta = (int32_t)(event->last_offset - event->first_offset),
                           .last_offset = event->last_offset,
                           .timestamp = event->timestamp,
                       });
    producer->last_timestamp = event->timestamp;
    if (!event->is_transactional || producer->txn_first_offset >= 0)
        return;
    producer->txn_first_offset = event->first_offset;
    undo->began_txn = true;
    txn_add(producers, (struct producer_txn){ .first_offset = event->first_offset,
                                              .marker_offset = -1,
                                              .producer_id = event->producer_id });
}

/* The earliest transaction that stays open when this producer's is out of the way, or what follows
 * the marker. */
static int64_t stable_without(const struct producers *producers, int64_t producer_id,
                              int64_t marker_offset)
{
    for (size_t i = producers->txn_first_open; i < producers->txns.count; i++) {
        const struct producer_txn *txn = &producers->txns.items[i];
        if (txn->marker_offset < 0 && txn->producer_id != producer_id)
            return txn->first_offset;
    }
    return marker_offset + 1;
}

static bool apply_marker(struct producers *producers, struct producer *producer,
                         const struct producer_event *event, struct producer_undo *undo,
                         struct producer_ended_txn *out_ended)
{
    const int64_t first_offset = producer->txn_first_offset;
    producer_set_epoch(producer, event->epoch);
    producer->coordinator_epoch = event->coordinator_epoch;
    producer->last_timestamp = event->timestamp;
    producer->txn_first_offset = -1;
    if (first_offset < 0)
        return false;
    undo->ended_txn = first_offset;
    txn_set_marker(producers, first_offset, event->first_offset);
    if (out_ended != NULL) {
        *out_ended = (struct producer_ended_txn){
            .producer_id = event->producer_id,
            .first_offset = first_offset,
            .marker_offset = event->first_offset,
            .last_stable_offset =
                stable_without(producers, event->producer_id, event->first_offset),
            .is_aborted = event->marker_type == CONTROL_ABORT,
        };
    }
    return true;
}

bool producers_apply(struct producers *producers, const struct producer_event *event,
                     struct producer_ended_txn *out_ended)
{
    if (event->is_marker && !event->has_marker)
        return false;
    struct producer *producer = map_i64_get(&producers->by_id, event->producer_id);
    const bool was_absent = producer == NULL;
    if (was_absent) {
        producer = MEM_NEW(struct producer);
        *producer = producer_empty(event->producer_id);
        map_i64_put(&producers->by_id, event->producer_id, producer);
    }
    if (event->is_transactional)
        forget_verification(producers, event->producer_id);
    struct producer_undo *undo = remember(producers, producer, was_absent, event);
    if (event->is_marker)
        return apply_marker(producers, producer, event, undo, out_ended);
    apply_data(producers, producer, event, undo);
    return false;
}

void producers_recall(struct producers *producers, int64_t producer_id,
                      const struct producer_batch *earlier, uint32_t count)
{
    struct producer *producer = map_i64_get(&producers->by_id, producer_id);
    ASSERT(producer != NULL && count <= PRODUCER_BATCHES_KEPT);
    producer->is_cut = false;
    const uint32_t kept = MIN(count, (uint32_t)(PRODUCER_BATCHES_KEPT - producer->batch_count));
    memmove(&producer->batches[kept], &producer->batches[0],
            producer->batch_count * sizeof(producer->batches[0]));
    memcpy(&producer->batches[0], &earlier[count - kept], kept * sizeof(producer->batches[0]));
    producer->batch_count = (uint8_t)(producer->batch_count + kept);
}

void producers_load(struct producers *producers, const struct producer *entry)
{
    struct producer *producer = mem_dup(entry, sizeof(*entry));
    struct producer *replaced = map_i64_put(&producers->by_id, entry->id, producer);
    if (replaced != NULL && replaced->txn_first_offset >= 0)
        txn_remove(producers, replaced->txn_first_offset);
    mem_free(replaced);
    if (entry->txn_first_offset >= 0) {
        txn_add(producers, (struct producer_txn){ .first_offset = entry->txn_first_offset,
                                                  .marker_offset = -1,
                                                  .producer_id = entry->id });
    }
}

void producers_settle(struct producers *producers)
{
    for (size_t i = 0; i < producers->undo.count && map_i64_count(&producers->awaited) > 0; i++)
        mem_free(map_i64_remove(&producers->awaited, producers->undo.items[i].producer_id));
    producers->undo.count = 0;
}

static void await(struct producers *producers, const struct producer_undo *undo)
{
    if (undo->first_sequence < 0)
        return; /* a marker */
    if (map_i64_count(&producers->awaited) == AWAITED_MAX)
        forget_awaited(producers);
    struct producer_awaited *awaited = MEM_NEW(struct producer_awaited);
    *awaited =
        (struct producer_awaited){ .epoch = undo->epoch, .first_sequence = undo->first_sequence };
    mem_free(map_i64_put(&producers->awaited, undo->producer_id, awaited));
}

static void undo_one(struct producers *producers, const struct producer_undo *undo)
{
    struct producer *producer = map_i64_get(&producers->by_id, undo->producer_id);
    ASSERT(producer !=
           NULL); /* nobody is dropped while a batch of theirs is planned: they are not idle */
    if (undo->began_txn)
        txn_remove(producers, producer->txn_first_offset);
    if (undo->ended_txn >= 0)
        txn_set_marker(producers, undo->ended_txn, -1);
    if (undo->was_absent) {
        mem_free(map_i64_remove(&producers->by_id, undo->producer_id));
        await(producers, undo);
    } else {
        *producer = undo->before;
    }
}

void producers_undo(struct producers *producers, int64_t end_offset)
{
    while (producers->undo.count > 0 &&
           producers->undo.items[producers->undo.count - 1].offset >= end_offset) {
        undo_one(producers, &producers->undo.items[producers->undo.count - 1]);
        producers->undo.count--;
    }
    producers_settle(producers);
}

bool producer_is_expired(const struct producer *producer, int64_t now_ms, int64_t expiration_ms)
{
    ASSERT(now_ms >= 0 && expiration_ms >= 0);
    /* A timestamp may be any number, so that `now_ms - last_timestamp` might overflow. */
    return producer->txn_first_offset < 0 && producer->last_timestamp <= now_ms - expiration_ms;
}

void producers_expire(struct producers *producers, int64_t now_ms, int64_t expiration_ms)
{
    ASSERT(producers->undo.count == 0);
    forget_awaited(producers);
    forget_verifications(producers, now_ms - expiration_ms);
    for (struct map_i64_walk walk = { 0 }; map_i64_next(&producers->by_id, &walk);) {
        const struct producer *producer = walk.value;
        if (producer_is_expired(producer, now_ms, expiration_ms))
            mem_free(map_i64_remove(&producers->by_id, walk.key));
    }
}

static bool is_unstable(const struct producer_txn *txn, int64_t end)
{
    return txn->marker_offset < 0 || txn->marker_offset >= end;
}

int64_t producers_first_unstable(const struct producers *producers, int64_t end)
{
    for (size_t i = 0; i < producers->txns.count; i++) {
        if (is_unstable(&producers->txns.items[i], end))
            return producers->txns.items[i].first_offset;
    }
    return -1;
}

/* Compaction takes whole segments that are on stable storage. Where a transaction lies in one segment, its marker is there too. */
static bool is_remembered(const struct producer_txn *txn, const struct producers_bounds *bounds)
{
    return is_unstable(txn, bounds->high_watermark) ||
           (txn->first_offset < bounds->segment_base && is_unstable(txn, bounds->flushed_end));
}

void producers_forget_ended(struct producers *producers, const struct producers_bounds *bounds)
{
    if (producers->txns.count <= 2 * producers->txn_count_swept + TXNS_KEPT)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < producers->txns.count; i++) {
        if (is_remembered(&producers->txns.items[i], bounds))
            producers->txns.items[kept++] = producers->txns.items[i];
    }
    producers->txns.count = producers->txn_count_swept = kept;
    producers->txn_first_open = 0;
    txn_skip_ended(producers);
}
