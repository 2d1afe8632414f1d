/* EndTxn: commits or aborts a transaction (KIP-98, KIP-890). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/transactions.h"
#include "wire/messages/end_txn_request.h"
#include "wire/messages/end_txn_response.h"

struct end_txn {
    struct transaction_ask ask;
    struct request *request;
};

static void on_answer(struct transaction_ask *ask, void *response)
{
    request_reply(CONTAINER_OF(ask, struct end_txn, ask)->request, response);
}

static void handle(struct request *request)
{
    const struct end_txn_request *asked = request->message;
    if (!authorize(request, ACL_WRITE, ACL_TRANSACTIONAL_ID, asked->transactional_id)) {
        struct end_txn_response response = end_txn_response_default;
        response.error_code = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        request_reply(request, &response);
        return;
    }
    struct end_txn *op = REQUEST_NEW(request, struct end_txn);
    op->request = request;
    op->ask = (struct transaction_ask){
        .request = { .api_key = API_END_TXN, .version = request->version, .message = asked },
        .arena = &request->arena,
        .done = on_answer
    };
    transactions_ask(request->shard,
                     transactions_partition_of(request->shard, asked->transactional_id), &op->ask);
}

const struct api_handler end_txn_handler = {
    .api_key = API_END_TXN,
    .listeners = API_ON_BROKER,
    .handle = handle,
    .answers_little = true,
};
