/* Transactions on the way: see txns.h. */
#include "log/clean/txns.h"

#include "base/mem.h"

#include <stdlib.h>

void clean_txns_init(struct clean_txns *txns, int64_t log_start, uint64_t seed)
{
    *txns = (struct clean_txns){ .log_start = log_start };
    map_i64_init(&txns->open_aborted, seed);
    map_i64_init(&txns->open_committed, seed);
    map_i64_init(&txns->open_known, seed);
}

void clean_txns_deinit(struct clean_txns *txns)
{
    VEC_DEINIT(&txns->aborted);
    map_i64_deinit(&txns->open_aborted);
    map_i64_deinit(&txns->open_committed);
    map_i64_deinit(&txns->open_known);
}

void clean_txns_add(struct clean_txns *txns, const struct producer_ended_txn *aborted)
{
    VEC_ADD(&txns->aborted, ((struct clean_txn){ .ended = *aborted }));
}

static int by_first_offset(const void *a, const void *b)
{
    const struct clean_txn *left = a;
    const struct clean_txn *right = b;
    return (left->ended.first_offset > right->ended.first_offset) -
           (left->ended.first_offset < right->ended.first_offset);
}

void clean_txns_begin(struct clean_txns *txns, int64_t offset)
{
    txns->begin_offset = offset;
    map_i64_clear(&txns->open_aborted);
    map_i64_clear(&txns->open_committed);
    map_i64_clear(&txns->open_known);
    txns->next = 0;
    for (size_t i = 0; i < txns->aborted.count; i++)
        txns->aborted.items[i].is_observed = false;
    if (txns->aborted.count > 1)
        qsort(txns->aborted.items, txns->aborted.count, sizeof(txns->aborted.items[0]),
              by_first_offset);
}

/* Those that begin at or before the offset are open now. */
static void open_up_to(struct clean_txns *txns, int64_t offset)
{
    for (; txns->next < txns->aborted.count; txns->next++) {
        struct clean_txn *txn = &txns->aborted.items[txns->next];
        if (txn->ended.first_offset > offset)
            return;
        if (txn->ended.marker_offset >= txns->begin_offset &&
            map_i64_get(&txns->open_aborted, txn->ended.producer_id) == NULL)
            (void)map_i64_put(&txns->open_aborted, txn->ended.producer_id, txn);
    }
}

bool clean_txns_on_data(struct clean_txns *txns, const struct batch_view *batch)
{
    open_up_to(txns, batch_last_offset(batch));
    if ((batch->attributes & BATCH_TRANSACTIONAL) == 0)
        return false;
    struct clean_txn *txn = map_i64_get(&txns->open_aborted, batch->producer_id);
    if (txn == NULL) {
        (void)map_i64_put(&txns->open_committed, batch->producer_id, txns);
        if (batch_last_offset(batch) >= txns->log_start)
            (void)map_i64_put(&txns->open_known, batch->producer_id, txns);
        return false;
    }
    txn->is_observed = true;
    return true;
}

static int on_abort(struct clean_txns *txns, int64_t producer_id, struct clean_marker *out)
{
    const struct clean_txn *txn = map_i64_remove(&txns->open_aborted, producer_id);
    (void)map_i64_remove(&txns->open_committed, producer_id);
    if (map_i64_remove(&txns->open_known, producer_id) != NULL && txn == NULL)
        return -ERR_NOT_FOUND;
    const bool is_observed = txn != NULL && txn->is_observed;
    *out = (struct clean_marker){ .is_spent = !is_observed,
                                  .aborted = is_observed ? &txn->ended : NULL };
    return 0;
}

/* Whether records of it were met. */
static bool on_commit(struct clean_txns *txns, int64_t producer_id)
{
    (void)map_i64_remove(&txns->open_known, producer_id);
    return map_i64_remove(&txns->open_committed, producer_id) != NULL;
}

int clean_txns_on_control(struct clean_txns *txns, const struct batch_view *batch,
                          struct clean_marker *out)
{
    *out = (struct clean_marker){ 0 };
    open_up_to(txns, batch_last_offset(batch));
    struct producer_event event;
    if (producer_event_read(batch, &event) < 0)
        return 0;
    if (!event.has_marker) /* one that was cleaned before, and stayed for its place */
        out->is_spent = true;
    else if (event.marker_type == CONTROL_ABORT)
        return on_abort(txns, batch->producer_id, out);
    else
        out->is_spent = !on_commit(txns, batch->producer_id);
    return 0;
}
