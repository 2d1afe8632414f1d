/* DescribeTransactions (KIP-664), and the state as text. */
#include "base/mem.h"
#include "coord/txn/txn_int.h"
#include "wire/messages/describe_transactions_request.h"
#include "wire/messages/describe_transactions_response.h"

#include <stdlib.h>

static struct bytes copy(struct arena *arena, struct bytes b)
{
    return bytes_from(arena_dup(arena, b.data, b.size), b.size);
}

/* ---- DescribeTransactions ---------------------------------------------------------------------------------- */

static void tell_partitions(struct arena *arena, const struct txn_partitions *set,
                            struct describe_transactions_response_transaction_state *out)
{
    out->topics = describe_transactions_response_topic_data_array(arena, set->topics.count);
    out->topics_count = (int32_t)set->topics.count;
    for (size_t i = 0; i < set->topics.count; i++) {
        const struct txn_topic *topic = &set->topics.items[i];
        const size_t count = topic->partitions.count;
        out->topics[i].topic = copy(arena, name_text(topic->name));
        out->topics[i].partitions =
            arena_dup(arena, topic->partitions.items, count * sizeof(int32_t));
        out->topics[i].partitions_count = (int32_t)count;
    }
}

static void describe(struct txn_coordinator *c, struct bytes id,
                     struct describe_transactions_response_transaction_state *out)
{
    const struct txn *txn = coord__txn_find(c, id);
    out->transactional_id = id;
    if (id.size == 0 || !coord__txn_is_there(txn)) {
        out->error_code = id.size == 0 ? KAFKA_INVALID_REQUEST : KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
        return;
    }
    out->producer_id = txn->now.producer_id;
    out->producer_epoch = txn_logged_epoch(txn);
    out->transaction_state = bytes_from_text(txn_state_name(txn->now.state));
    out->transaction_timeout_ms = txn->now.timeout_ms;
    out->transaction_start_time_ms = txn->now.start_ms;
    tell_partitions(&c->effects->arena, &txn->now.partitions, out);
}

void coord__txn_describe(struct txn_coordinator *c, const struct txn_request *request)
{
    const struct describe_transactions_request *asked = request->message;
    struct arena *arena = &c->effects->arena;
    struct describe_transactions_response *out =
        ARENA_NEW(arena, struct describe_transactions_response);
    describe_transactions_response_init(out);
    out->transaction_states = describe_transactions_response_transaction_state_array(
        arena, (size_t)asked->transactional_ids_count);
    out->transaction_states_count = asked->transactional_ids_count;
    for (int32_t i = 0; i < asked->transactional_ids_count; i++)
        describe(c, asked->transactional_ids[i], &out->transaction_states[i]);
    coord__txn_answer(c, request, out);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void print_partitions(struct buf *out, const struct txn_partitions *set)
{
    for (size_t i = 0; i < set->topics.count; i++) {
        const struct txn_topic *topic = &set->topics.items[i];
        for (size_t j = 0; j < topic->partitions.count; j++)
            buf_printf(out, " %.*s-%d", BYTES_PRINTF(name_text(topic->name)),
                       topic->partitions.items[j]);
    }
}

static void print_txn(struct buf *out, const struct txn *txn)
{
    const struct txn_values *now = &txn->now;
    buf_put_json_string(out, txn_id(txn));
    buf_printf(out,
               " %s producer %" PRId64 " epoch %d previous %" PRId64 " next %" PRId64
               " timeout %d version %d start %" PRId64 " update %" PRId64 " partitions",
               txn_state_name(now->state), now->producer_id, txn_logged_epoch(txn),
               now->previous_producer_id, now->next_producer_id, now->timeout_ms,
               now->client_version, now->start_ms, now->update_ms);
    print_partitions(out, &now->partitions);
    buf_put_text(out, "\n");
}

static int by_id(const void *a, const void *b)
{
    const struct txn *const *x = a;
    const struct txn *const *y = b;
    return bytes_compare(txn_id(*x), txn_id(*y));
}

void txn_coordinator_print(const struct txn_coordinator *c, struct buf *out)
{
    const struct txn **sorted =
        MEM_NEW_ARRAY(const struct txn *, MAX(map_count(&c->txns), (uint32_t)1));
    size_t count = 0;
    LIST_FOR_EACH(&c->txn_list, link)
    {
        const struct txn *txn = LIST_ENTRY(link, struct txn, link);
        if (txn->now.epoch != TXN_NO_EPOCH)
            sorted[count++] = txn;
    }
    qsort(sorted, count, sizeof(*sorted), by_id);
    for (size_t i = 0; i < count; i++)
        print_txn(out, sorted[i]);
    mem_free(sorted);
}
