/* What is known of transactions. Stands outside the code under test.
 *
 * Promises that are checked here:
 *   - a transaction is seen whole or not at all by those who read what is committed: each of its records, and each offset
 *     that was committed in it; what is not committed is never seen; what was acknowledged as committed always is
 *   - what a group has consumed in transactions is consumed once: each offset that was committed begins where the one before it ended
 *   - an epoch of a transactional id is given out once, and whoever has an older one (a zombie) has no effect any more
 *
 * How a transaction ended is learnt from whoever tells it first: the answer to EndTxn, a reader that sees or misses a record,
 * an offset that is fetched. All the others must then agree.
 *
 * A power loss may take what is not flushed, and so break transactions that are in several logs, and give epochs out again. From
 * then on nothing is held against anyone, unless all is flushed before it is acknowledged (scene.is_flushed).
 */
#pragma once

#include "commits.h"
#include "model.h"

#define TXNS_IDS_MAX 2 /* transactional ids */

struct txns;

struct txns *txns_new(const struct scene *scene);
void txns_free(struct txns *txns);
uint32_t txns_id_count(const struct txns *txns); /* 0: nobody writes in transactions */
const char *txns_id_name(const struct txns *txns, uint32_t id);
/* Whose offsets are committed in its transactions alone. */
const char *txns_group_name(const struct txns *txns, uint32_t id);

/* Whether the promises hold: no power loss took what was not flushed. */
bool txns_are_whole(const struct txns *txns);

/* ---- epochs ---------------------------------------------------------------------------------- */

struct txns_epoch {
    int64_t producer_id; /* -1: none */
    int16_t epoch;
};

/* Whether `a` was given out before `b`. */
bool txns_epoch_is_before(struct txns_epoch a, struct txns_epoch b);
/* The newest that anyone was told. */
struct txns_epoch txns_newest(const struct txns *txns, uint32_t id);
/* An epoch was told: by InitProducerId (is_new: to nobody before), or for the next transaction. */
void txns_told_epoch(struct txns *txns, uint32_t id, struct txns_epoch epoch, bool is_new);
/* Something was taken of a producer with that epoch, when `newest` was known. */
void txns_taken(const struct txns *txns, uint32_t id, struct txns_epoch epoch,
                struct txns_epoch newest, const char *what);

/* ---- transactions ---------------------------------------------------------------------------- */

/* Answers its number. */
uint32_t txns_begin(struct txns *txns, uint32_t id);
void txns_add_record(struct txns *txns, uint32_t txn, struct model_record record);
/* Its group has consumed from `from`, which transaction `after` had left (0: none), up to `to`. */
void txns_add_offset(struct txns *txns, uint32_t txn, uint32_t key, uint32_t after, int64_t from,
                     int64_t to);
bool txns_can_add_offset(const struct txns *txns, uint32_t txn); /* there is room for one */
/* It is about to be asked for; before that it cannot come about. */
void txns_may_commit(struct txns *txns, uint32_t txn);

enum txns_end {
    TXNS_COMMITTED,
    TXNS_ABORTED, /* or refused, and so never committed */
};
void txns_ended(struct txns *txns, uint32_t txn, enum txns_end end, const char *how);
/* Transactions that were acknowledged as committed, of that id. */
uint64_t txns_committed_count(const struct txns *txns, uint32_t id);

/* ---- what is seen of them -------------------------------------------------------------------- */

/* A reader of what is committed has passed a record, and was to see it or not. */
void txns_passed(struct txns *txns, struct model_record record, bool is_seen,
                 const struct model_partition *partition, int64_t offset);

/* Whether a record counts: 1, or 0 when its transaction was aborted; -1: it is not known. context: struct txns. */
int txns_is_in_force(void *context, struct model_record record);

/* How things stood when the question was asked. */
struct txns_look {
    uint32_t done; /* the last transaction with such an offset that was acknowledged; 0: none */
};
struct txns_look txns_look(const struct txns *txns, uint32_t id, uint32_t key);
/* The offset of its group, as it was told (-1: none). Answers the transaction that has left it; 0: none. */
uint32_t txns_told_offset(struct txns *txns, uint32_t id, uint32_t key,
                          const struct txns_look *look, int64_t offset, struct bytes metadata);
char *txns_metadata(uint32_t txn); /* heap */
