/* Records on their way into the log: what changes when one is written, and who is told. */
#include "base/mem.h"
#include "coord/txn/txn_int.h"

/* What an append's error means to clients of a coordinator. */
static enum kafka_error told_error(enum kafka_error error)
{
    if (error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || error == KAFKA_NOT_ENOUGH_REPLICAS ||
        error == KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND || error == KAFKA_REQUEST_TIMED_OUT)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (error == KAFKA_NOT_LEADER_OR_FOLLOWER || error == KAFKA_KAFKA_STORAGE_ERROR)
        return KAFKA_NOT_COORDINATOR;
    if (error == KAFKA_MESSAGE_TOO_LARGE || error == KAFKA_RECORD_LIST_TOO_LARGE)
        return KAFKA_UNKNOWN_SERVER_ERROR;
    return error;
}

/* ---- into the log ---------------------------------------------------------------------------------------- */

struct txn_write *coord__txn_write_begin(struct txn_coordinator *c)
{
    struct txn_write *write = MEM_NEW(struct txn_write);
    write->id = c->next_write_id++;
    write->asker.api_key = -1;
    write->give_up.kind = TXN_DEADLINE_WRITE;
    list_push_back(&c->writes, &write->link);
    return write;
}

void coord__txn_append(struct txn_coordinator *c, const struct txn_write *write,
                       const struct coord_record *records, uint32_t count)
{
    VEC_ADD(&c->effects->appends,
            ((struct coord_append){
                .write_id = write->id, .records = records, .record_count = count }));
}

bool coord__txn_write(struct txn_coordinator *c, struct txn *txn, struct txn_values *next,
                      const struct txn_request *asker, bool is_fence)
{
    struct coord_record *record = ARENA_NEW(&c->effects->arena, struct coord_record);
    if (!coord__txn_record(c, txn, next, record)) {
        txn_values_deinit(next, &c->names);
        if (asker != NULL)
            coord__txn_refuse(c, asker, KAFKA_UNKNOWN_SERVER_ERROR);
        return false;
    }
    struct txn_write *write = coord__txn_write_begin(c);
    VEC_ADD(&write->txns, txn);
    write->is_fence = is_fence;
    if (asker != NULL) {
        write->asker = *asker;
        deadline_arm(&c->deadlines, &write->give_up, c->event->now_ms + next->timeout_ms);
    }
    const bool is_end = next->state == TXN_COMPLETE_COMMIT || next->state == TXN_COMPLETE_ABORT;
    txn->pending = is_end ? TXN_COMPLETING : TXN_WRITING;
    txn->next = *next;
    *next = (struct txn_values){ 0 };
    coord__txn_append(c, write, record, 1);
    return true;
}

/* ---- out of it ---------------------------------------------------------------------------------------------- */

void coord__txn_write_free(struct txn_coordinator *c, struct txn_write *write)
{
    list_remove(&write->link);
    deadline_cancel(&c->deadlines, &write->give_up);
    VEC_DEINIT(&write->txns);
    mem_free(write);
}

static void tell(struct txn_coordinator *c, struct txn_write *write, enum kafka_error error)
{
    if (write->asker.api_key == -1)
        return;
    coord__txn_refuse(c, &write->asker, told_error(error));
    write->asker.api_key = -1;
}

static void on_written(struct txn_coordinator *c, struct txn_write *write, struct txn *txn)
{
    if (txn->pending == TXN_EXPIRING) {
        c->stats.expired_count++;
        coord__txn_tell(c, COORD_LINE_INFO, txn, "expired: nobody has used it for %" PRId64 " ms",
                        c->settings.expiration_ms);
        coord__txn_remove(c, txn);
        return;
    }
    txn->pending = TXN_IDLE;
    coord__txn_become(c, txn, &txn->next);
    if (write->asker.api_key != -1) {
        coord__txn_answer_written(c, &write->asker, txn, write->is_fence);
        write->asker.api_key = -1;
    }
    if (txn->now.state == TXN_PREPARE_COMMIT || txn->now.state == TXN_PREPARE_ABORT) {
        uint64_t *counter =
            txn->now.state == TXN_PREPARE_COMMIT ? &c->stats.commit_count : &c->stats.abort_count;
        (*counter)++;
        coord__txn_begin_marking(c, txn);
    }
}

static void on_failed(struct txn_coordinator *c, struct txn *txn)
{
    if (txn->pending == TXN_COMPLETING) { /* it is decided, and must be told to the log some day */
        deadline_arm(&c->deadlines, &txn->retry, c->event->now_ms + TXN_RETRY_MS);
        return;
    }
    txn->pending = TXN_IDLE;
    txn_values_deinit(&txn->next, &c->names);
    if (txn->now.epoch == TXN_NO_EPOCH)
        coord__txn_remove(c, txn); /* it never was */
}

static struct txn_write *find(struct txn_coordinator *c, uint64_t write_id)
{
    LIST_FOR_EACH(&c->writes, link)
    {
        struct txn_write *write = LIST_ENTRY(link, struct txn_write, link);
        if (write->id == write_id)
            return write;
    }
    return NULL;
}

/* It, and what was written after it. */
static void fail_from(struct txn_coordinator *c, struct txn_write *first, enum kafka_error error)
{
    for (struct list *link = &first->link; link != &c->writes;) {
        struct txn_write *write = LIST_ENTRY(link, struct txn_write, link);
        link = link->next;
        for (size_t i = 0; i < write->txns.count; i++)
            on_failed(c, write->txns.items[i]);
        tell(c, write, error);
        coord__txn_write_free(c, write);
    }
}

void coord__txn_write_done(struct txn_coordinator *c, uint64_t write_id, enum kafka_error error)
{
    struct txn_write *write = find(c, write_id);
    if (write == NULL)
        return; /* it failed with an earlier one */
    if (error != KAFKA_NONE) {
        fail_from(c, write, error);
        return;
    }
    for (size_t i = 0; i < write->txns.count; i++)
        on_written(c, write, write->txns.items[i]);
    coord__txn_write_free(c, write);
}

/* The id stays as it is until it is known what became of the record. */
void coord__txn_write_give_up(struct txn_coordinator *c, struct txn_write *write)
{
    tell(c, write, KAFKA_REQUEST_TIMED_OUT);
}

void coord__txn_writes_abandon(struct txn_coordinator *c, enum kafka_error error)
{
    LIST_FOR_EACH(&c->writes, link)
    {
        struct txn_write *write = LIST_ENTRY(link, struct txn_write, link);
        tell(c, write, error);
        coord__txn_write_free(c, write);
    }
}
