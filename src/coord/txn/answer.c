/* Answers of the transaction coordinator, of success and of failure. */
#include "coord/txn/txn_int.h"
#include "wire/messages/add_partitions_to_txn_request.h"
#include "wire/messages/add_partitions_to_txn_response.h"
#include "wire/messages/describe_transactions_request.h"
#include "wire/messages/describe_transactions_response.h"
#include "wire/messages/end_txn_response.h"
#include "wire/messages/init_producer_id_response.h"
#include "wire/messages/list_transactions_response.h"

/* ---- by API ------------------------------------------------------------------------------------------ */

static struct init_producer_id_response *init_response(struct arena *arena)
{
    struct init_producer_id_response *out = ARENA_NEW(arena, struct init_producer_id_response);
    init_producer_id_response_init(out);
    out->producer_epoch = TXN_NO_EPOCH;
    return out;
}

static struct end_txn_response *end_response(struct arena *arena)
{
    struct end_txn_response *out = ARENA_NEW(arena, struct end_txn_response);
    end_txn_response_init(out);
    return out;
}

static void tell_topic(struct arena *arena, const struct add_partitions_to_txn_request_topic *in,
                       enum kafka_error error,
                       struct add_partitions_to_txn_response_topic_result *out)
{
    out->name = in->name;
    out->results_by_partition =
        add_partitions_to_txn_response_partition_result_array(arena, (size_t)in->partitions_count);
    out->results_by_partition_count = in->partitions_count;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        out->results_by_partition[i].partition_index = in->partitions[i];
        out->results_by_partition[i].partition_error_code = (int16_t)error;
    }
}

static struct add_partitions_to_txn_response *
partitions_response(const struct add_partitions_to_txn_request *in, enum kafka_error error,
                    struct arena *arena)
{
    const struct add_partitions_to_txn_request_transaction *asked = &in->transactions[0];
    struct add_partitions_to_txn_response *out =
        ARENA_NEW(arena, struct add_partitions_to_txn_response);
    add_partitions_to_txn_response_init(out);
    out->results_by_transaction = add_partitions_to_txn_response_result_array(arena, 1);
    out->results_by_transaction_count = 1;
    out->results_by_transaction[0].transactional_id = asked->transactional_id;
    out->results_by_transaction[0].topic_results =
        add_partitions_to_txn_response_topic_result_array(arena, (size_t)asked->topics_count);
    out->results_by_transaction[0].topic_results_count = asked->topics_count;
    for (int32_t i = 0; i < asked->topics_count; i++)
        tell_topic(arena, &asked->topics[i], error,
                   &out->results_by_transaction[0].topic_results[i]);
    return out;
}

static void *refuse_describe(const struct describe_transactions_request *in, enum kafka_error error,
                             struct arena *arena)
{
    struct describe_transactions_response *out =
        ARENA_NEW(arena, struct describe_transactions_response);
    describe_transactions_response_init(out);
    out->transaction_states = describe_transactions_response_transaction_state_array(
        arena, (size_t)in->transactional_ids_count);
    out->transaction_states_count = in->transactional_ids_count;
    for (int32_t i = 0; i < in->transactional_ids_count; i++) {
        out->transaction_states[i].transactional_id = in->transactional_ids[i];
        out->transaction_states[i].error_code = (int16_t)error;
    }
    return out;
}

/* Clients of these versions and later know PRODUCER_FENCED (KIP-588). */
static int16_t knows_fenced_from(int16_t api_key)
{
    return api_key == API_INIT_PRODUCER_ID ? 4 : 2;
}

static enum kafka_error understood(const struct txn_request *request, enum kafka_error error)
{
    return error == KAFKA_PRODUCER_FENCED && request->version < knows_fenced_from(request->api_key)
               ? KAFKA_INVALID_PRODUCER_EPOCH
               : error;
}

void *txn_refusal(const struct txn_request *request, enum kafka_error error, struct arena *arena)
{
    error = understood(request, error);
    if (request->api_key == API_INIT_PRODUCER_ID) {
        struct init_producer_id_response *out = init_response(arena);
        out->error_code = (int16_t)error;
        return out;
    }
    if (request->api_key == API_ADD_PARTITIONS_TO_TXN)
        return partitions_response(request->message, error, arena);
    if (request->api_key == API_END_TXN) {
        struct end_txn_response *out = end_response(arena);
        out->error_code = (int16_t)error;
        return out;
    }
    if (request->api_key == API_DESCRIBE_TRANSACTIONS)
        return refuse_describe(request->message, error, arena);
    ASSERT(request->api_key == API_LIST_TRANSACTIONS);
    struct list_transactions_response *out = ARENA_NEW(arena, struct list_transactions_response);
    list_transactions_response_init(out);
    out->error_code = (int16_t)error;
    return out;
}

/* ---- to the one who asked -------------------------------------------------------------------------------- */

void coord__txn_answer(struct txn_coordinator *c, const struct txn_request *request, void *message)
{
    VEC_ADD(&c->effects->answers,
            ((struct coord_answer){
                .token = request->token, .api_key = request->api_key, .message = message }));
}

void coord__txn_refuse(struct txn_coordinator *c, const struct txn_request *request,
                       enum kafka_error error)
{
    coord__txn_answer(c, request, txn_refusal(request, error, &c->effects->arena));
}

void coord__txn_answer_partitions(struct txn_coordinator *c, const struct txn_request *request,
                                  enum kafka_error error)
{
    coord__txn_answer(c, request, partitions_response(request->message, error, &c->effects->arena));
}

void coord__txn_answer_ended(struct txn_coordinator *c, const struct txn_request *request,
                             int64_t producer_id, int16_t epoch)
{
    struct end_txn_response *out = end_response(&c->effects->arena);
    out->producer_id = producer_id;
    out->producer_epoch = epoch;
    coord__txn_answer(c, request, out);
}

/* What the producer goes on with is known already, though it is not Complete… yet. Before version 2 it keeps what it has. */
static void answer_prepared(struct txn_coordinator *c, const struct txn_request *request,
                            const struct txn *txn)
{
    struct txn_values complete;
    coord__txn_complete_values(c, txn, &complete);
    if (txn->now.client_version >= 2)
        coord__txn_answer_ended(c, request, complete.producer_id, complete.epoch);
    else
        coord__txn_answer_ended(c, request, TXN_NO_PRODUCER_ID, TXN_NO_EPOCH);
    txn_values_deinit(&complete, &c->names);
}

void coord__txn_answer_written(struct txn_coordinator *c, const struct txn_request *request,
                               const struct txn *txn, bool is_fence)
{
    if (is_fence) {
        coord__txn_refuse(c, request, KAFKA_CONCURRENT_TRANSACTIONS);
    } else if (request->api_key == API_INIT_PRODUCER_ID) {
        struct init_producer_id_response *out = init_response(&c->effects->arena);
        out->producer_id = txn->now.producer_id;
        out->producer_epoch = txn->now.epoch;
        coord__txn_answer(c, request, out);
    } else if (request->api_key == API_ADD_PARTITIONS_TO_TXN) {
        coord__txn_answer_partitions(c, request, KAFKA_NONE);
    } else {
        ASSERT(request->api_key == API_END_TXN);
        answer_prepared(c, request, txn);
    }
}
