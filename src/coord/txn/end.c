/* EndTxn, and transactions that are ended for their producer.
 *
 * A client of transaction version 2 gets a new epoch with each end (KIP-890), so that what it sent before cannot slip into
 * the next transaction; and may abort though it has written nothing. It asks again with the epoch that it had ("retry"):
 *
 *                    abort, retry   abort, now    commit, retry  commit, now
 *   Empty            FENCED         end           FENCED         INVALID_TXN_STATE
 *   Ongoing          FENCED         end           FENCED         end
 *   Prepare…         CONCURRENT     FENCED        CONCURRENT     FENCED
 *   CompleteAbort    NONE           end           INVALID        INVALID
 *   CompleteCommit   INVALID        end           NONE           INVALID
 *
 * A client before that keeps its epoch; there is no retry to tell apart:
 *
 *                    abort          commit
 *   Empty            INVALID        INVALID
 *   Ongoing          end            end
 *   Prepare…         CONCURRENT     CONCURRENT
 *   Complete…        NONE where it was the same end, else INVALID
 */
#include "coord/txn/txn_int.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/init_producer_id_request.h"

/* ---- what is to be written ---------------------------------------------------------------------------------- */

/* PrepareCommit or PrepareAbort. */
static void prepare(const struct txn_coordinator *c, const struct txn *txn, bool is_commit,
                    int16_t client_version, struct txn_values *out)
{
    txn_values_copy(out, &txn->now);
    if (txn->now.state != TXN_ONGOING)
        out->start_ms = c->event->wall_ms; /* nothing was added: it begins and ends now */
    out->state = is_commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT;
    out->previous_producer_id = out->producer_id;
    out->next_producer_id = TXN_NO_PRODUCER_ID;
    out->update_ms = c->event->wall_ms;
    out->client_version = client_version;
}

void coord__txn_complete_values(const struct txn_coordinator *c, const struct txn *txn,
                                struct txn_values *out)
{
    *out = txn->now;
    out->partitions = (struct txn_partitions){ 0 };
    out->state = txn->now.state == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    out->previous_producer_id = txn->now.producer_id;
    out->next_producer_id = TXN_NO_PRODUCER_ID;
    out->update_ms = c->event->wall_ms;
    if (txn->now.client_version >= 2 && txn->now.next_producer_id != TXN_NO_PRODUCER_ID) {
        out->producer_id = txn->now.next_producer_id;
        out->epoch = 0;
    }
}

/* The end itself raises the epoch; the producer may still name the one before. */
static void raise_epoch(const struct txn *txn, struct txn_values *out)
{
    out->last_epoch = txn->now.epoch;
    if (txn->now.epoch < TXN_EPOCH_MAX)
        out->epoch = (int16_t)(txn->now.epoch + 1);
}

/* An end that raises the last epoch brings another producer id. False: it waits for one. */
static bool take_next_producer_id(struct txn_coordinator *c, const struct txn_request *asker,
                                  const struct txn *txn, bool raises_epoch, int64_t *out)
{
    *out = TXN_NO_PRODUCER_ID;
    return !raises_epoch || !txn_is_epoch_exhausted(txn->now.epoch) ||
           coord__txn_take_producer_id(c, asker, out);
}

/* ---- for somebody else ------------------------------------------------------------------------------------------ */

static void tell_fenced(struct txn_coordinator *c, const struct txn *txn, int16_t epoch,
                        const struct txn_request *asker)
{
    if (asker == NULL) {
        coord__txn_tell(c, COORD_LINE_WARN, txn,
                        "the transaction of producer %" PRId64 " epoch %d is aborted: it was open "
                        "for longer than its timeout of %" PRId32 " ms",
                        txn->now.producer_id, epoch, txn->now.timeout_ms);
        return;
    }
    const struct init_producer_id_request *asked = asker->message;
    coord__txn_tell(c, COORD_LINE_INFO, txn,
                    "the transaction of producer %" PRId64 " epoch %d is aborted: %s",
                    txn->now.producer_id, epoch,
                    asked->producer_id == TXN_NO_PRODUCER_ID ? "another producer takes the id over"
                                                             : "its producer begins anew");
}

/* In a cluster of version 2 the abort raises the epoch as every end does, or brings another producer id: its producer may go on
 * by name. Before that the epoch is raised at once in memory, whatever becomes of the record, and the producer is fenced for good. */
void coord__txn_fence(struct txn_coordinator *c, struct txn *txn, const struct txn_request *asker)
{
    struct txn_values next;
    int64_t next_producer_id;
    const int16_t epoch = txn_logged_epoch(txn);
    const bool is_new = c->settings.transaction_version >= 2;
    if (!take_next_producer_id(c, asker, txn, is_new, &next_producer_id))
        return;
    if (!is_new) {
        if (!txn->is_epoch_ahead && txn->now.epoch < TXN_EPOCH_MAX) {
            txn->now.epoch++;
            txn->is_epoch_ahead = true;
        }
        txn->now.last_epoch = TXN_NO_EPOCH;
    }
    prepare(c, txn, false, is_new ? 2 : 0, &next);
    next.next_producer_id = next_producer_id;
    if (is_new)
        raise_epoch(txn, &next);
    if (coord__txn_write(c, txn, &next, asker, true)) /* it tells the asker what comes of it */
        tell_fenced(c, txn, epoch, asker);
}

/* ---- EndTxn -------------------------------------------------------------------------------------------------------- */

static enum txn_state wanted_state(bool is_commit, enum txn_state commit, enum txn_state abort)
{
    return is_commit ? commit : abort;
}

/* What answers it at once. NONE and *out_ends: it ends the transaction; NONE else: it has ended already. */
static enum kafka_error judge_old(const struct txn *txn, const struct end_txn_request *asked,
                                  bool *out_ends)
{
    const enum txn_state state = txn->now.state;
    if (txn->now.producer_id != asked->producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (txn->now.epoch != asked->producer_epoch)
        return KAFKA_PRODUCER_FENCED;
    if (txn->pending != TXN_IDLE)
        return KAFKA_CONCURRENT_TRANSACTIONS;
    *out_ends = state == TXN_ONGOING;
    if (*out_ends ||
        state == wanted_state(asked->committed, TXN_COMPLETE_COMMIT, TXN_COMPLETE_ABORT))
        return KAFKA_NONE;
    return KAFKA_INVALID_TXN_STATE;
}

static bool is_epoch_valid(const struct txn_values *now, int16_t epoch, bool is_retry)
{
    switch (now->state) {
    case TXN_PREPARE_COMMIT:
    case TXN_PREPARE_ABORT:
        return now->epoch == epoch + 1;
    case TXN_COMPLETE_COMMIT:
    case TXN_COMPLETE_ABORT:
        return is_retry || now->epoch == epoch;
    case TXN_EMPTY:
    case TXN_ONGOING:
    case TXN_DEAD:
    case TXN_PREPARE_EPOCH_FENCE:
        break;
    }
    return now->epoch == epoch;
}

/* A client of version 2. */
static enum kafka_error judge(const struct txn *txn, const struct end_txn_request *asked,
                              bool *out_ends)
{
    const struct txn_values *now = &txn->now;
    const bool has_rotated = now->previous_producer_id == asked->producer_id &&
                             asked->producer_epoch == TXN_EPOCH_MAX - 1 && now->epoch == 0;
    /* An end of a client of old raised no epoch: whoever has the one before was fenced, and does not ask again. */
    const bool is_retry =
        now->client_version >= 2 && (has_rotated || now->epoch == asked->producer_epoch + 1);
    if (now->producer_id != asked->producer_id && !has_rotated)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (!is_epoch_valid(now, asked->producer_epoch, is_retry))
        return KAFKA_PRODUCER_FENCED;
    if (txn->pending != TXN_IDLE)
        return KAFKA_CONCURRENT_TRANSACTIONS;
    if (is_retry) {
        const enum txn_state ended =
            wanted_state(asked->committed, TXN_COMPLETE_COMMIT, TXN_COMPLETE_ABORT);
        return now->state == ended ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
    }
    *out_ends = now->state == TXN_ONGOING || !asked->committed;
    return *out_ends ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
}

static void end(struct txn_coordinator *c, const struct txn_request *request, struct txn *txn,
                int16_t client_version)
{
    const struct end_txn_request *asked = request->message;
    int64_t next_producer_id;
    if (!take_next_producer_id(c, request, txn, client_version >= 2, &next_producer_id))
        return;
    struct txn_values next;
    prepare(c, txn, asked->committed, client_version, &next);
    next.next_producer_id = next_producer_id;
    if (client_version >= 2)
        raise_epoch(txn, &next);
    (void)coord__txn_write(c, txn, &next, request, false); /* it tells what comes of it */
}

void coord__txn_end(struct txn_coordinator *c, const struct txn_request *request)
{
    const struct end_txn_request *asked = request->message;
    const int16_t client_version = request->version > 4 ? 2 : 0;
    struct txn *txn = coord__txn_find(c, asked->transactional_id);
    enum kafka_error error = KAFKA_NONE;
    bool ends = false;
    if (asked->transactional_id.size == 0)
        error = KAFKA_INVALID_REQUEST;
    else if (txn == NULL)
        error = KAFKA_INVALID_PRODUCER_ID_MAPPING;
    else
        error = client_version >= 2 ? judge(txn, asked, &ends) : judge_old(txn, asked, &ends);
    if (error != KAFKA_NONE)
        coord__txn_refuse(c, request, error);
    else if (ends)
        end(c, request, txn, client_version);
    else if (client_version >= 2)
        coord__txn_answer_ended(c, request, txn->now.producer_id, txn->now.epoch);
    else
        coord__txn_answer_ended(c, request, TXN_NO_PRODUCER_ID, TXN_NO_EPOCH);
}
