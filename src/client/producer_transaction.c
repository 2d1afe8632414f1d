/* Transactions: the coordinator and what is asked of it (KIP-98, in the second version of KIP-890).
 *
 *   no id → (InitProducerId) → idle → open → (all delivered) → ending → (EndTxn) → idle, under the next epoch
 *   any of them → over, for good
 *
 * A batch makes its partition part of the transaction by itself. All partitions count under one identity; with each end it is
 * another one, and sequences begin anew. A record that is given up leaves a gap: then the transaction can only be aborted.
 */
#include "client/producer_int.h"

#include "wire/kafka_error.h"
#include "wire/messages/api_versions_response.h"
#include "wire/messages/end_txn_response.h"
#include "wire/messages/find_coordinator_response.h"
#include "wire/messages/init_producer_id_response.h"

#define FIND_COORDINATOR_VERSION_ONE_KEY 3
#define KEY_TYPE_TRANSACTION             1
#define TRANSACTION_VERSION              2 /* the level of the feature that is spoken here */

/* ---- what comes of a question ------------------------------------------------------------------- */

static void finish_for_good(struct transaction *t, const char *words)
{
    t->state = TRANSACTION_OVER;
    (void)err_note(&t->why, -ERR_PROTOCOL, "%s", words);
}

static void again(struct producer *p)
{
    struct transaction *t = &p->transaction;
    t->not_before_ns =
        io_monotonic_ns(p->io) + client_retry_backoff_ns(&p->settings, t->failures++, &p->rng);
}

/* Whether there is an answer without an error. Else it is asked again later, or all is over. */
static bool is_good(struct producer *p, const struct client_call *call, int16_t error)
{
    struct transaction *t = &p->transaction;
    if (call->result == 0 && error == KAFKA_NONE) {
        t->failures = 0;
        return true;
    }
    if (call->result == -ERR_VERSION) {
        finish_for_good(t, call->note.text);
    } else if (call->result < 0 || error == KAFKA_NOT_COORDINATOR ||
               error == KAFKA_COORDINATOR_NOT_AVAILABLE) {
        t->coordinator = -1;
        again(p);
    } else if (kafka_error_is_retriable(error)) {
        again(p);
    } else {
        finish_for_good(t, kafka_error_sentence(error));
    }
    return false;
}

/* ---- the coordinator ------------------------------------------------------------------------------ */

static void on_found(struct client_call *call)
{
    struct producer *p = call->context;
    const struct find_coordinator_response *response = call->response;
    if (call->result == -ERR_CANCELLED)
        return;
    if (call->result < 0)
        cluster_pass_over(p->cluster, call->result, call->note.text);
    if (is_good(p, call, call->result < 0 ? KAFKA_NONE : response->error_code)) {
        p->transaction.coordinator = response->node_id;
        if (cluster_coordinator(p->cluster, response->node_id) == NULL) {
            (void)cluster_refresh(p->cluster);
            p->transaction.coordinator = -1;
            again(p);
        }
    }
    producer__pump_soon(p);
}

static void find_coordinator(struct producer *p)
{
    struct transaction *t = &p->transaction;
    find_coordinator_request_init(&t->find);
    t->find.key = bytes_from_text(t->id);
    t->find.key_type = KEY_TYPE_TRANSACTION;
    t->call.key = API_FIND_COORDINATOR;
    t->call.version_max = FIND_COORDINATOR_VERSION_ONE_KEY;
    t->call.request = &t->find;
    t->call.done = on_found;
    channel_send(cluster_any(p->cluster), &t->call);
}

/* ---- the id ------------------------------------------------------------------------------------------ */

static int16_t transaction_version(const struct api_versions_response *told)
{
    for (int32_t i = 0; i < told->finalized_features_count; i++) {
        if (bytes_equal_text(told->finalized_features[i].name, "transaction.version"))
            return told->finalized_features[i].max_version_level;
    }
    return 0;
}

static void take_id(struct producer *p, const struct init_producer_id_response *response)
{
    struct transaction *t = &p->transaction;
    const struct api_versions_response *told =
        channel_versions(cluster_coordinator(p->cluster, t->coordinator));
    const int16_t version = told == NULL ? 0 : transaction_version(told);
    p->producer_id = response->producer_id;
    p->producer_epoch = response->producer_epoch;
    t->state = TRANSACTION_IDLE;
    if (version >= TRANSACTION_VERSION)
        return;
    t->state = TRANSACTION_OVER;
    (void)err_note(&t->why, -ERR_PROTOCOL,
                   "the cluster's transaction.version is %d, this client needs %d", version,
                   TRANSACTION_VERSION);
}

static void on_id(struct client_call *call)
{
    struct producer *p = call->context;
    const struct init_producer_id_response *response = call->response;
    if (call->result == -ERR_CANCELLED)
        return;
    if (is_good(p, call, call->result < 0 ? KAFKA_NONE : response->error_code))
        take_id(p, response);
    producer__pump_soon(p);
}

static void ask_id(struct producer *p)
{
    struct transaction *t = &p->transaction;
    init_producer_id_request_init(&p->id_request);
    p->id_request.transactional_id = bytes_from_text(t->id);
    p->id_request.transaction_timeout_ms = t->timeout_ms;
    t->call.key = API_INIT_PRODUCER_ID;
    t->call.version_max = 0;
    t->call.request = &p->id_request;
    t->call.done = on_id;
    channel_send(cluster_coordinator(p->cluster, t->coordinator), &t->call);
}

/* ---- the end ------------------------------------------------------------------------------------------- */

static void begin_epoch(struct producer *p, int64_t producer_id, int16_t epoch)
{
    p->producer_id = producer_id;
    p->producer_epoch = epoch;
    LIST_FOR_EACH(&p->queues, link)
    {
        struct queue *q = LIST_ENTRY(link, struct queue, link);
        ASSERT(q->sequenced == 0);
        q->producer_id = -1;
        q->has_gap = q->is_anchored = false;
    }
    p->transaction.must_abort = p->transaction.has_records = false;
    p->transaction.state = TRANSACTION_IDLE;
}

static void on_ended(struct client_call *call)
{
    struct producer *p = call->context;
    struct transaction *t = &p->transaction;
    const struct end_txn_response *response = call->response;
    if (call->result == -ERR_CANCELLED)
        return;
    const int16_t error = call->result < 0 ? KAFKA_NONE : response->error_code;
    if (error == KAFKA_TRANSACTION_ABORTABLE && t->is_commit) {
        t->state = TRANSACTION_OPEN;
        producer__transaction_fail(p, kafka_error_sentence(error));
    } else if (is_good(p, call, error)) {
        begin_epoch(p, response->producer_id, response->producer_epoch);
    }
    producer__pump_soon(p);
}

static void ask_end(struct producer *p)
{
    struct transaction *t = &p->transaction;
    end_txn_request_init(&t->end);
    t->end.transactional_id = bytes_from_text(t->id);
    t->end.producer_id = p->producer_id;
    t->end.producer_epoch = p->producer_epoch;
    t->end.committed = t->is_commit;
    t->call.key = API_END_TXN;
    t->call.version_max = 0; /* the cluster runs the version that begins an epoch with it */
    t->call.request = &t->end;
    t->call.done = on_ended;
    channel_send(cluster_coordinator(p->cluster, t->coordinator), &t->call);
}

/* ---- steps ---------------------------------------------------------------------------------------------- */

/* What waits can never leave any more: its sequences end here. */
static void give_up(struct producer *p, const char *words)
{
    LIST_FOR_EACH(&p->queues, link)
    {
        producer__fail_queue(p, LIST_ENTRY(link, struct queue, link), KAFKA_TRANSACTION_ABORTABLE,
                             words);
    }
}

bool producer__transaction_acts(const struct producer *p)
{
    return p->transaction.state == TRANSACTION_NO_ID || p->transaction.state == TRANSACTION_ENDING;
}

void producer__transaction_step(struct producer *p, int64_t now_ns, int64_t *wake)
{
    struct transaction *t = &p->transaction;
    if (t->state == TRANSACTION_OPEN && t->must_abort)
        give_up(p, "a record of the transaction before this one was not written");
    if (!producer__transaction_acts(p) || t->call.is_open_)
        return;
    if (now_ns < t->not_before_ns) {
        *wake = MIN(*wake, t->not_before_ns);
        return;
    }
    client_call_deinit(&t->call);
    t->call.context = p;
    if (t->coordinator < 0)
        find_coordinator(p);
    else if (t->state == TRANSACTION_NO_ID)
        ask_id(p);
    else
        ask_end(p);
}

void producer__transaction_fail(struct producer *p, const char *words)
{
    struct transaction *t = &p->transaction;
    if (t->state != TRANSACTION_OPEN || t->must_abort)
        return;
    t->must_abort = true;
    (void)err_note(&t->why, -ERR_PROTOCOL, "%s", words);
    producer__pump_soon(p);
}

int producer__transaction_check(const struct producer *p, struct err_note *note)
{
    const struct transaction *t = &p->transaction;
    if (t->state == TRANSACTION_OVER || t->must_abort)
        return err_note(note, -ERR_PROTOCOL, "%s", t->why.text);
    ASSERT(t->state == TRANSACTION_NONE || t->state == TRANSACTION_OPEN);
    return 0;
}

/* ---- the blocking face ------------------------------------------------------------------------------------- */

static bool is_settled(void *context)
{
    const struct producer *p = context;
    return !producer__transaction_acts(p) || cluster_is_nowhere(p->cluster);
}

static int settle(struct producer *p, const char *what, struct err_note *note)
{
    struct transaction *t = &p->transaction;
    producer__pump_soon(p);
    const int r =
        client_loop_wait(&p->loop, is_settled, p, io_monotonic_ns(p->io) + p->block_ms * NS_PER_MS);
    if (r == -ERR_TIMEOUT)
        return err_note(note, r, "Timeout expired after %" PRId64 "ms while awaiting %s",
                        p->block_ms, what);
    if (r < 0)
        return r;
    if (cluster_is_nowhere(p->cluster))
        return cluster_nowhere(p->cluster, note);
    if (t->state == TRANSACTION_OVER || t->must_abort)
        return err_note(note, -ERR_PROTOCOL, "%s", t->why.text);
    return 0;
}

int producer_init_transactions(struct producer *p, struct err_note *note)
{
    ASSERT(p->transaction.state != TRANSACTION_NONE);
    return settle(p, "InitProducerId", note);
}

int producer_begin_transaction(struct producer *p, struct err_note *note)
{
    struct transaction *t = &p->transaction;
    if (t->state == TRANSACTION_OVER)
        return err_note(note, -ERR_PROTOCOL, "%s", t->why.text);
    ASSERT(t->state == TRANSACTION_IDLE);
    t->state = TRANSACTION_OPEN;
    return 0;
}

/* Whose commit timed out may not abort after it: it may be committed by now. */
static int check_end(const struct producer *p, bool is_commit, struct err_note *note)
{
    const struct transaction *t = &p->transaction;
    if (t->state == TRANSACTION_OPEN || !t->is_end_untold || t->is_commit == is_commit)
        return 0;
    return err_note(note, -ERR_PROTOCOL,
                    "the transaction was to be %s, and may be: ask for that again",
                    t->is_commit ? "committed" : "aborted");
}

static int end(struct producer *p, bool is_commit, struct err_note *note)
{
    struct transaction *t = &p->transaction;
    ASSERT(p->pending == 0);
    if (t->state == TRANSACTION_OPEN) {
        t->is_commit = is_commit;
        if (is_commit && t->must_abort)
            return err_note(note, -ERR_PROTOCOL, "%s", t->why.text);
        t->must_abort = false;
        t->state = t->has_records ? TRANSACTION_ENDING : TRANSACTION_IDLE;
    }
    const int r = settle(p, "EndTxn", note);
    t->is_end_untold = r < 0;
    return r;
}

int producer_commit_transaction(struct producer *p, struct err_note *note)
{
    int r = check_end(p, true, note);
    if (r == 0)
        r = producer_flush(p);
    return r < 0 ? r : end(p, true, note);
}

int producer_abort_transaction(struct producer *p, struct err_note *note)
{
    int r = check_end(p, false, note);
    if (r < 0)
        return r;
    give_up(p, "the transaction is aborted");
    r = producer_flush(p); /* what is under way */
    return r < 0 ? r : end(p, false, note);
}
