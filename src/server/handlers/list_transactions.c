/* ListTransactions: the transactional ids of every coordinator of this broker (KIP-664, KIP-994, KIP-1152). */
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
    struct pattern *pattern; /* owned; NULL: every id is asked for */
    struct part *parts;      /* one for each partition of __transaction_state */
    int32_t part_count;
    size_t count;
};

static void finish(struct gather *gather)
{
    struct list_transactions *op = CONTAINER_OF(gather, struct list_transactions, gather);
    struct list_transactions_response response = list_transactions_response_default;
    response.error_code = (int16_t)gather->error;
    if (gather->error == KAFKA_NONE) {
        struct arena *arena = &op->request->arena;
        txn_tell_unknown_states(op->request->message, arena, &response);
        response.transaction_states =
            list_transactions_response_transaction_state_array(arena, op->count);
        for (int32_t i = 0; i < op->part_count; i++) {
            for (int32_t j = 0; j < op->parts[i].count; j++)
                response.transaction_states[response.transaction_states_count++] =
                    op->parts[i].states[j];
        }
    }
    pattern_free(op->pattern);
    request_reply(op->request, &response);
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

/* ---- patterns ------------------------------------------------------------------------------------------- */

static bool matches(const void *pattern, struct bytes id)
{
    return pattern_matches(pattern, id);
}

/* An empty pattern is none. */
static int take_pattern(struct list_transactions *op, struct bytes text,
                        struct txn_request *question)
{
    if (text.size == 0)
        return 0;
    const int r = pattern_compile(text, &op->pattern, NULL);
    question->pattern = op->pattern;
    question->matches_pattern = matches;
    return r;
}

/* ---- the request ------------------------------------------------------------------------------------------ */

static void ask_all(struct list_transactions *op, struct txn_request question)
{
    struct request *request = op->request;
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

static void handle(struct request *request)
{
    const struct list_transactions_request *asked = request->message;
    struct list_transactions *op = REQUEST_NEW(request, struct list_transactions);
    op->request = request;
    gather_begin(&op->gather, finish);
    struct txn_request question = { .api_key = API_LIST_TRANSACTIONS,
                                    .version = request->version,
                                    .message = asked };
    if (take_pattern(op, asked->transactional_id_pattern, &question) < 0)
        op->gather.error = KAFKA_INVALID_REGULAR_EXPRESSION;
    else
        ask_all(op, question);
    gather_end(&op->gather);
}

const struct api_handler list_transactions_handler = {
    .api_key = API_LIST_TRANSACTIONS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
