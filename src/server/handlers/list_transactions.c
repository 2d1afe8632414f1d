/* ListTransactions: the transactional ids of every coordinator of this broker (KIP-664, KIP-994, KIP-1152). Very many filters are made
 * ready, and ids held against a pattern, by jobs. */
#include "pattern/pattern.h"
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/gather.h"
#include "server/transactions.h"
#include "wire/messages/list_transactions_request.h"
#include "wire/messages/list_transactions_response.h"

struct list_transactions;

struct part {
    struct transaction_ask ask;
    struct list_transactions *op;
    struct list_transactions_response_transaction_state *states;
    int32_t count;
};

struct list_transactions {
    struct gather gather;
    struct request *request;
    struct txn_filter filter;
    struct pattern *pattern; /* owned; NULL: every id is asked for */
    int pattern_error;       /* of making it */
    struct part *parts;      /* one for each partition of __transaction_state */
    int32_t part_count;
    size_t count;
    struct list_transactions_response response;
    struct io_job job;
    int32_t matched_count; /* of the response's transactions, that were held against the pattern */
};

static void reply(struct list_transactions *op)
{
    pattern_free(op->pattern);
    request_reply(op->request, &op->response);
}

static void submit(struct list_transactions *op, void (*run)(struct io_job *job),
                   void (*done)(struct io_job *job))
{
    op->job = (struct io_job){ .run = run, .done = done, .is_long = true };
    io_submit(op->request->shard->io, NULL, &op->job);
}

/* ---- the pattern ---------------------------------------------------------------------------------------- */

/* What matches moves up to what has matched before. */
static void match_run(struct io_job *job)
{
    struct list_transactions *op = CONTAINER_OF(job, struct list_transactions, job);
    struct list_transactions_response *response = &op->response;
    const int32_t count = (int32_t)op->count;
    for (uint64_t work = 0; work < PATTERN_PART_WORK_MAX && op->matched_count < count;) {
        const struct list_transactions_response_transaction_state *state =
            &response->transaction_states[op->matched_count++];
        work += pattern_work(op->pattern, state->transactional_id.size);
        if (pattern_matches(op->pattern, state->transactional_id))
            response->transaction_states[response->transaction_states_count++] = *state;
    }
}

static void match_done(struct io_job *job)
{
    struct list_transactions *op = CONTAINER_OF(job, struct list_transactions, job);
    const bool is_done = (size_t)op->matched_count == op->count;
    if (is_done || op->request->connection == NULL)
        reply(op);
    else
        submit(op, match_run, match_done);
}

/* ---- answers of coordinators ------------------------------------------------------------------------------ */

static void finish(struct gather *gather)
{
    struct list_transactions *op = CONTAINER_OF(gather, struct list_transactions, gather);
    struct list_transactions_response *response = &op->response;
    if (gather->error != KAFKA_NONE) {
        *response = list_transactions_response_default;
        response->error_code = (int16_t)gather->error;
        reply(op);
        return;
    }
    struct arena *arena = &op->request->arena;
    size_t count = 0;
    response->transaction_states =
        list_transactions_response_transaction_state_array(arena, op->count);
    for (int32_t i = 0; i < op->part_count; i++) {
        for (int32_t j = 0; j < op->parts[i].count; j++)
            response->transaction_states[count++] = op->parts[i].states[j];
    }
    if (op->pattern != NULL) {
        submit(op, match_run, match_done);
        return;
    }
    response->transaction_states_count = (int32_t)count;
    reply(op);
}

/* False: they do not fit into one answer. */
static bool take(struct part *part, const struct list_transactions_response *told)
{
    struct request *request = part->op->request;
    struct arena *arena = &request->arena;
    if ((size_t)told->transaction_states_count > REQUEST_ROOM_BYTES_MAX / sizeof(*part->states))
        return false;
    part->states = list_transactions_response_transaction_state_array(
        arena, (size_t)told->transaction_states_count);
    for (int32_t i = 0; i < told->transaction_states_count; i++) {
        if (!request_has_room(request))
            return false;
        const struct list_transactions_response_transaction_state *state =
            &told->transaction_states[i];
        const struct bytes id = state->transactional_id;
        if (!authorize(request, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, id))
            continue;
        struct list_transactions_response_transaction_state *out = &part->states[part->count++];
        *out = *state; /* the state's name is constant */
        out->transactional_id = bytes_from(arena_dup(arena, id.data, id.size), id.size);
    }
    part->op->count += (size_t)part->count;
    return true;
}

static void on_answer(struct transaction_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    struct list_transactions *op = part->op;
    const struct list_transactions_response *told = response;
    if (gather_takes(&op->gather, told->error_code) && !take(part, told))
        op->gather.error = KAFKA_INVALID_REQUEST; /* too many for one answer */
    gather_end(&op->gather);
}

/* ---- the request ------------------------------------------------------------------------------------------ */

static void ask_all(struct list_transactions *op)
{
    struct request *request = op->request;
    const struct txn_request question = { .api_key = API_LIST_TRANSACTIONS,
                                          .version = request->version,
                                          .message = request->message,
                                          .filter = &op->filter };
    op->part_count = transactions_partition_count(request->shard);
    op->parts = REQUEST_NEW_ARRAY(request, struct part, op->part_count);
    for (int32_t i = 0; i < op->part_count; i++) {
        op->parts[i].op = op;
        op->parts[i].ask = (struct transaction_ask){ .request = question,
                                                     .arena = &request->arena,
                                                     .done = on_answer };
        gather_expect(&op->gather);
        transactions_ask(request->shard, i, &op->parts[i].ask);
    }
}

/* An empty pattern is none. */
static void prepare_run(struct io_job *job)
{
    struct list_transactions *op = CONTAINER_OF(job, struct list_transactions, job);
    struct list_transactions_request *asked = op->request->message;
    txn_filter_init(&op->filter, asked);
    txn_tell_unknown_states(asked, &op->request->arena, &op->response);
    if (asked->transactional_id_pattern.size > 0)
        op->pattern_error = pattern_compile(asked->transactional_id_pattern, &op->pattern, NULL);
}

static void prepare_done(struct io_job *job)
{
    struct list_transactions *op = CONTAINER_OF(job, struct list_transactions, job);
    if (op->pattern_error < 0)
        op->gather.error = KAFKA_INVALID_REGULAR_EXPRESSION;
    else
        ask_all(op);
    gather_end(&op->gather);
}

/* Above this, filters are made ready by a job. */
#define FILTERS_MAX 1000

static bool is_long(const struct list_transactions_request *asked)
{
    return asked->transactional_id_pattern.size > 0 || asked->state_filters_count > FILTERS_MAX ||
           asked->producer_id_filters_count > FILTERS_MAX;
}

static void handle(struct request *request)
{
    struct list_transactions *op = REQUEST_NEW(request, struct list_transactions);
    op->request = request;
    op->response = list_transactions_response_default;
    gather_begin(&op->gather, finish);
    if (is_long(request->message)) {
        submit(op, prepare_run, prepare_done);
        return;
    }
    prepare_run(&op->job);
    prepare_done(&op->job);
}

const struct api_handler list_transactions_handler = {
    .api_key = API_LIST_TRANSACTIONS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
