/* What time ends: transactions that are open for longer than their producer asked for, and transactional ids that nobody has
 * used for long. Rounds go in slices, so that a step stays short. */
#include "base/mem.h"
#include "coord/record.h"
#include "coord/txn/txn_int.h"

#define SLICE_IDS_MAX        2000
#define SLICE_TOMBSTONES_MAX 1000
#define SLICE_ABORTS_MAX     100

void coord__txn_arm_rounds(struct txn_coordinator *c)
{
    const int64_t now_ms = c->event->now_ms;
    deadline_arm(&c->deadlines, &c->abort_deadline, now_ms + c->settings.abort_interval_ms);
    deadline_arm(&c->deadlines, &c->expiry_deadline, now_ms + c->settings.expiry_interval_ms);
}

/* ---- transactions ---------------------------------------------------------------------------------------- */

static bool is_overdue(const struct txn_coordinator *c, const struct txn *txn)
{
    return txn->pending == TXN_IDLE && txn->now.timeout_ms != TXN_NO_TIMEOUT_MS &&
           /* wraps, as Java's: a record may say any time */
           (int64_t)((uint64_t)txn->now.start_ms + (uint64_t)txn->now.timeout_ms) <
               c->event->wall_ms;
}

void coord__txn_abort_overdue(struct txn_coordinator *c)
{
    uint32_t looked_at = 0;
    uint32_t fenced = 0;
    if (c->abort_at == &c->open)
        c->abort_at = c->open.next;
    while (c->abort_at != &c->open && looked_at < SLICE_IDS_MAX && fenced < SLICE_ABORTS_MAX) {
        struct txn *txn = LIST_ENTRY(c->abort_at, struct txn, open_link);
        c->abort_at = c->abort_at->next;
        looked_at++;
        if (!is_overdue(c, txn))
            continue;
        coord__txn_fence(c, txn, NULL);
        fenced += txn->pending != TXN_IDLE; /* else it waits for a producer id */
    }
    c->stats.timeout_count += fenced;
    const bool is_done = c->abort_at == &c->open;
    deadline_arm(&c->deadlines, &c->abort_deadline,
                 c->event->now_ms + (is_done ? c->settings.abort_interval_ms : 0));
}

/* ---- ids --------------------------------------------------------------------------------------------------- */

static bool is_expired(const struct txn_coordinator *c, const struct txn *txn)
{
    const bool is_at_rest = txn->now.state == TXN_EMPTY || txn->now.state == TXN_COMPLETE_COMMIT ||
                            txn->now.state == TXN_COMPLETE_ABORT;
    return txn->pending == TXN_IDLE && is_at_rest &&
           txn->now.update_ms <= c->event->wall_ms - c->settings.expiration_ms;
}

/* Tombstones of one batch. */
struct round {
    struct coord_record *records;
    uint32_t count;
    size_t bytes;
    struct txn_write *write;
};

static void flush(struct txn_coordinator *c, struct round *round)
{
    if (round->count > 0)
        coord__txn_append(c, round->write, round->records, round->count);
    *round = (struct round){ 0 };
}

static void bury(struct txn_coordinator *c, struct round *round, struct txn *txn)
{
    struct coord_record record;
    if (!coord__txn_record(c, txn, NULL, &record))
        return;
    const size_t size = coord__record_bytes(&record);
    if (round->count > 0 && round->bytes + size > c->settings.batch_bytes_max)
        flush(c, round);
    if (round->count == 0) {
        round->records =
            ARENA_NEW_ARRAY(&c->effects->arena, struct coord_record, (size_t)SLICE_TOMBSTONES_MAX);
        round->bytes = BATCH_OVERHEAD_BYTES;
        round->write = coord__txn_write_begin(c);
    }
    round->records[round->count++] = record;
    round->bytes += size;
    VEC_ADD(&round->write->txns, txn);
    txn->pending = TXN_EXPIRING;
}

void coord__txn_expire(struct txn_coordinator *c)
{
    struct round round = { 0 };
    uint32_t looked_at = 0;
    uint32_t buried = 0;
    if (c->expiry_at == &c->txn_list)
        c->expiry_at = c->txn_list.next;
    while (c->expiry_at != &c->txn_list && looked_at < SLICE_IDS_MAX &&
           buried < SLICE_TOMBSTONES_MAX) {
        struct txn *txn = LIST_ENTRY(c->expiry_at, struct txn, link);
        c->expiry_at = c->expiry_at->next;
        looked_at++;
        if (is_expired(c, txn)) {
            bury(c, &round, txn);
            buried++;
        }
    }
    flush(c, &round);
    const bool is_done = c->expiry_at == &c->txn_list;
    deadline_arm(&c->deadlines, &c->expiry_deadline,
                 c->event->now_ms + (is_done ? c->settings.expiry_interval_ms : 0));
}
