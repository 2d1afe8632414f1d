/* DescribeTransactions: each id's coordinator is asked; answers in the order of the request (KIP-664). */
#include "server/api_handler.h"
#include "server/authorize.h"
#include "server/steps.h"
#include "server/transactions.h"
#include "wire/messages/describe_transactions_request.h"
#include "wire/messages/describe_transactions_response.h"

struct describe_transactions;

/* One id: a coordinator of its own to each, so that none is asked for what is not its. */
struct part {
    struct transaction_ask ask;
    struct describe_transactions *op;
    struct describe_transactions_request question;
    struct describe_transactions_response_transaction_state *out;
};

struct describe_transactions {
    struct request *request;
    struct describe_transactions_response response;
    struct steps steps;
    int32_t next; /* to be asked */
    int32_t left; /* parts to be answered, and one while they are asked */
};

static void part_done(struct describe_transactions *op)
{
    if (--op->left == 0)
        request_reply(op->request, &op->response);
}

/* Topics that the principal may know of. */
static void copy_topics(struct request *request,
                        const struct describe_transactions_response_transaction_state *told,
                        struct describe_transactions_response_transaction_state *out)
{
    struct arena *arena = &request->arena;
    out->topics =
        describe_transactions_response_topic_data_array(arena, (size_t)told->topics_count);
    out->topics_count = 0;
    for (int32_t i = 0; i < told->topics_count; i++) {
        const struct describe_transactions_response_topic_data *topic = &told->topics[i];
        if (!authorize(request, ACL_DESCRIBE, ACL_TOPIC, topic->topic))
            continue;
        struct describe_transactions_response_topic_data *copy = &out->topics[out->topics_count++];
        copy->topic =
            bytes_from(arena_dup(arena, topic->topic.data, topic->topic.size), topic->topic.size);
        copy->partitions =
            arena_dup(arena, topic->partitions, (size_t)topic->partitions_count * sizeof(int32_t));
        copy->partitions_count = topic->partitions_count;
    }
}

static void on_answer(struct transaction_ask *ask, void *response)
{
    struct part *part = CONTAINER_OF(ask, struct part, ask);
    const struct describe_transactions_response *answer = response;
    const struct describe_transactions_response_transaction_state *told =
        &answer->transaction_states[0];
    const struct bytes id = part->out->transactional_id;
    *part->out = *told; /* the state's name is constant */
    part->out->transactional_id = id;
    copy_topics(part->op->request, told, part->out);
    part_done(part->op);
}

static void ask_id(struct describe_transactions *op, struct bytes *id,
                   struct describe_transactions_response_transaction_state *out)
{
    struct request *request = op->request;
    out->transactional_id = *id;
    if (!authorize(request, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, *id)) {
        out->error_code = KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        return;
    }
    if (!request_has_room(request)) {
        out->error_code = KAFKA_INVALID_REQUEST; /* too many for one answer */
        return;
    }
    if (id->size == 0) {
        out->error_code = KAFKA_INVALID_REQUEST; /* before it is asked whose it is */
        return;
    }
    struct part *part = REQUEST_NEW(request, struct part);
    part->op = op;
    part->out = out;
    describe_transactions_request_init(&part->question);
    part->question.transactional_ids = id;
    part->question.transactional_ids_count = 1;
    part->ask = (struct transaction_ask){ .request = { .api_key = API_DESCRIBE_TRANSACTIONS,
                                                       .version = request->version,
                                                       .message = &part->question },
                                          .arena = &request->arena,
                                          .done = on_answer };
    op->left++;
    transactions_ask(request->shard, transactions_partition_of(request->shard, *id), &part->ask);
}

static enum steps_result step(struct steps *steps)
{
    struct describe_transactions *op = CONTAINER_OF(steps, struct describe_transactions, steps);
    const struct describe_transactions_request *asked = steps->request->message;
    for (; op->next < asked->transactional_ids_count; op->next++) {
        if (!steps_may_add(steps, 10))
            return STEPS_MORE;
        ask_id(op, &asked->transactional_ids[op->next], &op->response.transaction_states[op->next]);
    }
    return STEPS_DONE;
}

static void end(struct steps *steps)
{
    part_done(CONTAINER_OF(steps, struct describe_transactions, steps));
}

static void handle(struct request *request)
{
    const struct describe_transactions_request *asked = request->message;
    struct describe_transactions *op = REQUEST_NEW(request, struct describe_transactions);
    op->request = request;
    op->left = 1;
    describe_transactions_response_init(&op->response);
    op->response.transaction_states = describe_transactions_response_transaction_state_array(
        &request->arena, (size_t)asked->transactional_ids_count);
    op->response.transaction_states_count = asked->transactional_ids_count;
    steps_begin(&op->steps, request, step, end);
}

const struct api_handler describe_transactions_handler = {
    .api_key = API_DESCRIBE_TRANSACTIONS,
    .listeners = API_ON_BROKER,
    .handle = handle,
};
