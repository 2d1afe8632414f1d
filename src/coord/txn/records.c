/* Transactional ids in memory, and what the records of __transaction_state mean: the same at load and when one is written. */
#include "base/mem.h"
#include "coord/record.h"
#include "coord/txn/txn_int.h"
#include "wire/messages/transaction_log_key.h"
#include "wire/messages/transaction_log_value.h"
#include "wire/record_frame.h"

/* ---- ids ---------------------------------------------------------------------------------------------- */

struct txn *coord__txn_find(const struct txn_coordinator *c, struct bytes id)
{
    return map_get(&c->txns, id);
}

bool coord__txn_is_there(const struct txn *txn)
{
    return txn != NULL && txn->now.epoch != TXN_NO_EPOCH && txn->now.state != TXN_DEAD;
}

struct txn *coord__txn_create(struct txn_coordinator *c, struct bytes id)
{
    struct txn *txn = txn_new(id);
    void *old = map_put(&c->txns, id, txn);
    ASSERT(old == NULL);
    list_push_back(&c->txn_list, &txn->link);
    txn->retry.kind = TXN_DEADLINE_RETRY;
    return txn;
}

static void leave_open(struct txn_coordinator *c, struct txn *txn)
{
    if (c->abort_at == &txn->open_link)
        c->abort_at = txn->open_link.next;
    list_remove(&txn->open_link);
}

void coord__txn_remove(struct txn_coordinator *c, struct txn *txn)
{
    if (c->expiry_at == &txn->link)
        c->expiry_at = txn->link.next;
    coord__txn_listings_pass(c, txn);
    list_remove(&txn->link);
    leave_open(c, txn);
    (void)map_remove(&c->txns, txn_id(txn)); /* it is there */
    txn_free(txn, &c->names);
}

void coord__txn_become(struct txn_coordinator *c, struct txn *txn, struct txn_values *values)
{
    txn_values_deinit(&txn->now, &c->names);
    txn->now = *values;
    *values = (struct txn_values){ 0 };
    txn->is_epoch_ahead = false;
    if (txn->now.state != TXN_ONGOING)
        leave_open(c, txn);
    else if (!list_is_linked(&txn->open_link))
        list_push_back(&c->open, &txn->open_link);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static void read_partitions(struct txn_coordinator *c, const struct transaction_log_value *told,
                            struct txn_partitions *out)
{
    for (int32_t i = 0; i < told->transaction_partitions_count; i++) {
        const struct transaction_log_value_partitions_schema *topic =
            &told->transaction_partitions[i];
        for (int32_t j = 0; j < topic->partition_ids_count; j++)
            (void)txn_partitions_add(out, &c->names, topic->topic, topic->partition_ids[j]);
    }
}

static int replay_value(struct txn_coordinator *c, struct bytes id,
                        const struct transaction_log_value *told, struct err_note *note)
{
    if (told->transaction_status < 0 || told->transaction_status >= TXN_STATE_COUNT)
        return err_note(note, -ERR_MALFORMED, "state %d of transactional id \"%.*s\" is none",
                        told->transaction_status, BYTES_PRINTF(id));
    struct txn_values values = {
        .producer_id = told->producer_id,
        .previous_producer_id = told->previous_producer_id,
        .next_producer_id = told->next_producer_id,
        .epoch = told->producer_epoch,
        .last_epoch = TXN_NO_EPOCH,
        .client_version = told->client_transaction_version,
        .state = (enum txn_state)told->transaction_status,
        .timeout_ms = told->transaction_timeout_ms,
        .start_ms = told->transaction_start_timestamp_ms,
        .update_ms = told->transaction_last_update_timestamp_ms,
    };
    if (values.state != TXN_EMPTY)
        read_partitions(c, told, &values.partitions);
    struct txn *txn = coord__txn_find(c, id);
    coord__txn_become(c, txn != NULL ? txn : coord__txn_create(c, id), &values);
    return 0;
}

int txn_coordinator_replay(struct txn_coordinator *c, struct bytes key, struct bytes value,
                           struct err_note *note)
{
    ASSERT(c->state == COORDINATOR_LOADING);
    arena_reset(&c->load_arena);
    struct framed_record framed_key = { 0 };
    int r =
        coordinator_key_decode(WIRE_KIND_TRANSACTION_KEY, key, &c->load_arena, &framed_key, note);
    if (r == -ERR_UNKNOWN_RECORD)
        return 0;
    if (r < 0)
        return err_note_prefix(note, r, "a record's key");
    const struct transaction_log_key *told = framed_key.value;
    if (bytes_is_null(value)) {
        struct txn *txn = coord__txn_find(c, told->transactional_id);
        if (txn != NULL)
            coord__txn_remove(c, txn);
        return 0;
    }
    struct framed_record framed_value = { 0 };
    r = coordinator_value_decode(&framed_key, value, &c->load_arena, &framed_value, note);
    if (r < 0)
        return err_note_prefix(note, r, "the value of transactional id \"%.*s\"",
                               BYTES_PRINTF(told->transactional_id));
    return replay_value(c, told->transactional_id, framed_value.value, note);
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static void tell_partitions(struct arena *arena, const struct txn_partitions *set,
                            struct transaction_log_value *out)
{
    out->transaction_partitions =
        transaction_log_value_partitions_schema_array(arena, set->topics.count);
    out->transaction_partitions_count = (int32_t)set->topics.count;
    for (size_t i = 0; i < set->topics.count; i++) {
        struct transaction_log_value_partitions_schema *topic = &out->transaction_partitions[i];
        topic->topic = name_text(set->topics.items[i].name);
        topic->partition_ids = set->topics.items[i].partitions.items;
        topic->partition_ids_count = (int32_t)set->topics.items[i].partitions.count;
    }
}

bool coord__txn_record(struct txn_coordinator *c, const struct txn *txn,
                       const struct txn_values *values, struct coord_record *out)
{
    struct arena *arena = &c->effects->arena;
    struct transaction_log_key key = transaction_log_key_default;
    struct transaction_log_value told = transaction_log_value_default;
    struct record record = { .key_type = &transaction_log_key_message, .key = &key };
    key.transactional_id = txn_id(txn);
    if (values != NULL) {
        told.producer_id = values->producer_id;
        told.producer_epoch = values->epoch;
        told.transaction_timeout_ms = values->timeout_ms;
        told.transaction_status = (int8_t)values->state;
        told.transaction_last_update_timestamp_ms = values->update_ms;
        told.transaction_start_timestamp_ms = values->start_ms;
        told.transaction_partitions_count = -1;
        if (values->state != TXN_EMPTY)
            tell_partitions(arena, &values->partitions, &told);
        record.value_type = &transaction_log_value_message;
        record.value = &told;
        /* Version 1 came with transaction.version 1; what it adds is lost in version 0, as in Kafka. */
        record.value_version = c->settings.transaction_version >= 1 ? 1 : 0;
        if (record.value_version >= 1) {
            told.previous_producer_id = values->previous_producer_id;
            told.next_producer_id = values->next_producer_id;
            told.client_transaction_version = values->client_version;
        }
    }
    return coord__record_encode(&record, c->settings.batch_bytes_max, arena, out) &&
           BATCH_OVERHEAD_BYTES + coord__record_bytes(out) <= c->settings.batch_bytes_max;
}
