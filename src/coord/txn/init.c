/* InitProducerId of a transactional id: a producer takes it over, and everyone before it is fenced (KIP-98); or goes on with it
 * after an error, under the next epoch (KIP-360). */
#include "base/mem.h"
#include "coord/txn/txn_int.h"
#include "wire/messages/init_producer_id_request.h"

/* ---- producer ids ---------------------------------------------------------------------------------------- */

bool coord__txn_take_producer_id(struct txn_coordinator *c, const struct txn_request *request,
                                 int64_t *out)
{
    if (c->spare_producer_id != TXN_NO_PRODUCER_ID) {
        *out = c->spare_producer_id;
        c->spare_producer_id = TXN_NO_PRODUCER_ID;
        return true;
    }
    if (request == NULL && c->has_overdue_want)
        return false;
    struct txn_want *want = MEM_NEW(struct txn_want);
    want->id = c->next_want_id++;
    want->request = request != NULL ? *request : (struct txn_request){ .api_key = -1 };
    c->has_overdue_want |= request == NULL;
    list_push_back(&c->wants, &want->link);
    VEC_ADD(&c->effects->id_wants, want->id);
    return false;
}

/* Without one the next round asks again. */
static void on_overdue_id(struct txn_coordinator *c, enum kafka_error error)
{
    c->has_overdue_want = false;
    c->abort_at = &c->open; /* the one that waited may lie behind it */
    if (error == KAFKA_NONE)
        coord__txn_abort_overdue(c);
}

/* Whoever wanted it may have no need of it any more: then the next one gets it. */
void coord__txn_on_producer_id(struct txn_coordinator *c)
{
    struct txn_want *want = NULL;
    LIST_FOR_EACH(&c->wants, link)
    {
        struct txn_want *each = LIST_ENTRY(link, struct txn_want, link);
        if (each->id == c->event->producer_id.want_id)
            want = each;
    }
    if (want == NULL)
        return;
    const struct txn_request request = want->request;
    list_remove(&want->link);
    mem_free(want);
    const enum kafka_error error = c->event->producer_id.error;
    if (error == KAFKA_NONE)
        c->spare_producer_id = c->event->producer_id.producer_id;
    if (request.api_key == -1)
        on_overdue_id(c, error);
    else if (error != KAFKA_NONE)
        coord__txn_refuse(c, &request, error);
    else
        coord__txn_handle(c, &request);
}

/* ---- whose it is ------------------------------------------------------------------------------------------- */

/* A producer that names itself goes on with its own id; or with the one before, whose epochs were exhausted, when it asks
 * again because it did not hear the answer. */
static bool may_go_on(const struct txn_values *now, const struct init_producer_id_request *asked)
{
    return asked->producer_id == TXN_NO_PRODUCER_ID || now->epoch == TXN_NO_EPOCH ||
           asked->producer_id == now->producer_id ||
           (asked->producer_id == now->previous_producer_id &&
            txn_is_epoch_exhausted(asked->producer_epoch));
}

static void begin_anew(struct txn_values *next, int32_t timeout_ms, int64_t wall_ms)
{
    next->previous_producer_id = next->producer_id;
    next->state = TXN_EMPTY;
    next->timeout_ms = timeout_ms;
    next->start_ms = -1;
    next->update_ms = wall_ms;
}

/* The next epoch; false: the producer names one that was fenced. */
static bool raise_epoch(const struct txn_values *now, const struct init_producer_id_request *asked,
                        struct txn_values *next)
{
    next->epoch = (int16_t)(now->epoch + 1);
    if (asked->producer_id == TXN_NO_PRODUCER_ID) {
        next->last_epoch = TXN_NO_EPOCH;
    } else if (now->epoch == TXN_NO_EPOCH || asked->producer_epoch == now->epoch) {
        next->last_epoch = now->epoch;
    } else if (asked->producer_epoch == now->last_epoch) {
        next->epoch = now->epoch; /* it asks again */
        next->last_epoch = now->last_epoch;
    } else {
        return false;
    }
    return true;
}

/* No epoch is left to give: another producer id takes its place. */
static bool is_rotation(const struct txn_values *now, const struct init_producer_id_request *asked)
{
    return txn_is_epoch_exhausted(now->epoch) &&
           (asked->producer_id == TXN_NO_PRODUCER_ID || asked->producer_epoch == now->epoch);
}

static void tell_taken_over(struct txn_coordinator *c, const struct txn *txn, int64_t producer_id,
                            int16_t epoch)
{
    if (txn->now.epoch == TXN_NO_EPOCH)
        return; /* it is the first */
    coord__txn_tell(c, COORD_LINE_INFO, txn,
                    "producer %" PRId64 " epoch %d takes over and fences producer %" PRId64
                    " epoch %d",
                    producer_id, epoch, txn->now.producer_id, txn_logged_epoch(txn));
}

static void give_epoch(struct txn_coordinator *c, const struct txn_request *request,
                       struct txn *txn, int32_t timeout_ms)
{
    const struct init_producer_id_request *asked = request->message;
    struct txn_values next = txn->now;
    next.partitions = (struct txn_partitions){ 0 };
    begin_anew(&next, timeout_ms, c->event->wall_ms);
    if (is_rotation(&txn->now, asked)) {
        if (!coord__txn_take_producer_id(c, request, &next.producer_id))
            return;
        next.epoch = 0;
        next.last_epoch = asked->producer_epoch; /* TXN_NO_EPOCH of who does not name itself */
    } else if (!raise_epoch(&txn->now, asked, &next)) {
        coord__txn_refuse(c, request, KAFKA_PRODUCER_FENCED);
        return;
    }
    const int64_t producer_id = next.producer_id;
    const int16_t epoch = next.epoch;
    if (coord__txn_write(c, txn, &next, request, false) && asked->producer_id == TXN_NO_PRODUCER_ID)
        tell_taken_over(c, txn, producer_id, epoch);
}

/* ---- the request ---------------------------------------------------------------------------------------------- */

static enum kafka_error check(const struct txn_coordinator *c,
                              const struct init_producer_id_request *asked)
{
    if (asked->transactional_id.size == 0)
        return KAFKA_INVALID_REQUEST;
    if (asked->enable2_pc && !c->settings.allows_two_phase_commit)
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (asked->keep_prepared_txn)
        return KAFKA_UNSUPPORTED_VERSION; /* 4.3.1 does not serve it yet */
    if (!asked->enable2_pc && (asked->transaction_timeout_ms <= 0 ||
                               asked->transaction_timeout_ms > c->settings.timeout_ms_max))
        return KAFKA_INVALID_TRANSACTION_TIMEOUT;
    return KAFKA_NONE;
}

static struct txn *find_or_create(struct txn_coordinator *c, const struct txn_request *request)
{
    const struct init_producer_id_request *asked = request->message;
    struct txn *txn = coord__txn_find(c, asked->transactional_id);
    int64_t producer_id;
    if (txn != NULL || !coord__txn_take_producer_id(c, request, &producer_id))
        return txn;
    txn = coord__txn_create(c, asked->transactional_id);
    txn->now.producer_id = producer_id;
    return txn;
}

void coord__txn_init_producer_id(struct txn_coordinator *c, const struct txn_request *request)
{
    const struct init_producer_id_request *asked = request->message;
    const enum kafka_error error = check(c, asked);
    if (error != KAFKA_NONE) {
        coord__txn_refuse(c, request, error);
        return;
    }
    struct txn *txn = find_or_create(c, request);
    if (txn == NULL)
        return; /* it waits for a producer id */
    const int32_t timeout_ms =
        asked->enable2_pc ? TXN_NO_TIMEOUT_MS : asked->transaction_timeout_ms;
    if (txn->pending != TXN_IDLE)
        coord__txn_refuse(c, request, KAFKA_CONCURRENT_TRANSACTIONS);
    else if (!may_go_on(&txn->now, asked))
        coord__txn_refuse(c, request, KAFKA_PRODUCER_FENCED);
    else if (txn->now.state == TXN_ONGOING)
        coord__txn_fence(c, txn, request);
    else
        give_epoch(c, request, txn, timeout_ms);
    if (txn->pending == TXN_IDLE && txn->now.epoch == TXN_NO_EPOCH)
        coord__txn_remove(c, txn); /* it did not come to be */
}
