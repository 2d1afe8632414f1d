/* What the files of the transaction coordinator share: the coordinator itself, and how they write, answer and arm.
 *
 * Within a step `c->effects` and `c->event` are set.
 */
#pragma once

#include "base/map.h"
#include "coord/txn/txn.h"
#include "coord/txn/txn_coordinator.h"
#include "wire/api.h"

/* A partition that could not take its marker, and a record that ends a transaction and could not be written, are tried again
 * after this. */
#define TXN_RETRY_MS 100

enum txn_deadline_kind {
    TXN_DEADLINE_ABORTS, /* in struct txn_coordinator */
    TXN_DEADLINE_EXPIRY, /* the same */
    TXN_DEADLINE_WRITE,  /* in struct txn_write */
    TXN_DEADLINE_RETRY,  /* in struct txn */
    TXN_DEADLINE_LIST,   /* in struct txn_coordinator */
};

/* A request that waits for a producer id; or, api_key -1, the transactions that take too long: one of them at a time. */
struct txn_want {
    struct list link; /* oldest first */
    uint64_t id;
    struct txn_request request;
};

/* A record, or several tombstones, on their way into the log. */
struct txn_write {
    struct list link; /* oldest first */
    uint64_t id;
    VEC(struct txn *) txns;   /* that change when it is written */
    struct deadline give_up;  /* then its asker is told that it failed */
    struct txn_request asker; /* who waits for it; api_key -1: nobody */
    bool is_fence;            /* an abort that somebody else than the producer wants */
};

struct txn_coordinator {
    enum coordinator_state state;
    struct txn_settings settings;
    struct names names;
    struct map txns;        /* id → struct txn */
    struct list txn_list;   /* the same, in order of creation */
    struct list open;       /* the Ongoing */
    struct map_i64 endings; /* → struct txn, while MARKING */
    uint64_t next_ending;
    struct deadlines deadlines;
    struct deadline abort_deadline;
    struct deadline expiry_deadline;
    struct list *
        abort_at; /* the open one that the round of aborts looks at next; the list's head between rounds */
    struct list *expiry_at; /* the id that expiry looks at next; the list's head between rounds */
    struct list writes;     /* struct txn_write, oldest first */
    uint64_t next_write_id;
    struct list wants; /* struct txn_want, oldest first */
    bool has_overdue_want;
    struct list listings; /* ListTransactions under way, oldest first */
    struct deadline listing_deadline;
    uint64_t next_want_id;
    int64_t spare_producer_id; /* that nobody has; -1: none */
    struct arena load_arena;
    struct txn_stats stats; /* counters only */

    const struct txn_event *event;
    struct txn_effects *effects;
};

/* `transactional id "…": …` for the operator. */
void coord__txn_tell(struct txn_coordinator *c, enum coord_line_kind kind, const struct txn *txn,
                     const char *format, ...) PRINTF_LIKE(4, 5);

/* ---- ids and records (records.c) -------------------------------------------------------------------- */

struct txn *coord__txn_find(const struct txn_coordinator *c, struct bytes id); /* NULL */
struct txn *coord__txn_create(struct txn_coordinator *c, struct bytes id);
bool coord__txn_is_there(
    const struct txn *txn); /* not NULL, and not without a record in the log yet */
void coord__txn_remove(struct txn_coordinator *c, struct txn *txn);
/* Now it is what `values` say (taken over), at load and when they are written. */
void coord__txn_become(struct txn_coordinator *c, struct txn *txn, struct txn_values *values);
/* The bytes of a record; values NULL: a tombstone. False: more than a batch holds. */
bool coord__txn_record(struct txn_coordinator *c, const struct txn *txn,
                       const struct txn_values *values, struct coord_record *out);

/* ---- writes (write.c) ---------------------------------------------------------------------------------- */

/* Writes `next` (taken over), for an asker or NULL. Whatever comes of it is told to the asker. False: it cannot be written,
 * nothing has changed, the asker was told. */
bool coord__txn_write(struct txn_coordinator *c, struct txn *txn, struct txn_values *next,
                      const struct txn_request *asker, bool is_fence);
void coord__txn_write_done(struct txn_coordinator *c, uint64_t write_id, enum kafka_error error);
void coord__txn_write_give_up(struct txn_coordinator *c, struct txn_write *write);
struct txn_write *coord__txn_write_begin(struct txn_coordinator *c);
/* Appends the records of a write that was begun. */
void coord__txn_append(struct txn_coordinator *c, const struct txn_write *write,
                       const struct coord_record *records, uint32_t count);
void coord__txn_writes_abandon(struct txn_coordinator *c, enum kafka_error error);
void coord__txn_write_free(struct txn_coordinator *c, struct txn_write *write);

/* ---- answers (answer.c) ---------------------------------------------------------------------------------- */

void coord__txn_answer(struct txn_coordinator *c, const struct txn_request *request, void *message);
/* As the client understands it: older ones know INVALID_PRODUCER_EPOCH only. */
void coord__txn_refuse(struct txn_coordinator *c, const struct txn_request *request,
                       enum kafka_error error);
/* AddPartitionsToTxn: the same for every partition. */
void coord__txn_answer_partitions(struct txn_coordinator *c, const struct txn_request *request,
                                  enum kafka_error error);
/* A change that was asked for is written. */
void coord__txn_answer_written(struct txn_coordinator *c, const struct txn_request *request,
                               const struct txn *txn, bool is_fence);
void coord__txn_answer_ended(struct txn_coordinator *c, const struct txn_request *request,
                             int64_t producer_id, int16_t epoch);

/* ---- producer ids (init.c) ------------------------------------------------------------------------------- */

/* A producer id that nobody has. False: the request waits for one, and is then handled again from its start; so is what is
 * overdue, where `request` is NULL. */
bool coord__txn_take_producer_id(struct txn_coordinator *c, const struct txn_request *request,
                                 int64_t *out);
void coord__txn_on_producer_id(struct txn_coordinator *c);

/* ---- requests -------------------------------------------------------------------------------------------------- */

void coord__txn_handle(struct txn_coordinator *c, const struct txn_request *request);
void coord__txn_init_producer_id(struct txn_coordinator *c, const struct txn_request *request);
void coord__txn_add_partitions(struct txn_coordinator *c, const struct txn_request *request);
void coord__txn_end(struct txn_coordinator *c, const struct txn_request *request);
void coord__txn_describe(struct txn_coordinator *c, const struct txn_request *request);
void coord__txn_list(struct txn_coordinator *c, const struct txn_request *request);

/* A slice of the oldest listing. */
void coord__txn_list_more(struct txn_coordinator *c);
void coord__txn_listings_pass(struct txn_coordinator *c, const struct txn *txn); /* it goes */
/* Answers them with the error, or forgets them. */
void coord__txn_listings_end(struct txn_coordinator *c, bool refuses, enum kafka_error error);

/* ---- ends (end.c, marking.c) ------------------------------------------------------------------------------ */

/* Aborts an open transaction under a higher epoch, for an InitProducerId that wants the id (it is told
 * CONCURRENT_TRANSACTIONS) or, NULL, because its time is over. It stays as it is while it waits for a producer id. */
void coord__txn_fence(struct txn_coordinator *c, struct txn *txn, const struct txn_request *asker);
/* It has become Prepare…. */
void coord__txn_begin_marking(struct txn_coordinator *c, struct txn *txn);
void coord__txn_on_markers(struct txn_coordinator *c);
void coord__txn_on_retry(struct txn_coordinator *c, struct txn *txn);
/* What a transaction in Prepare… becomes when its markers are written. */
void coord__txn_complete_values(const struct txn_coordinator *c, const struct txn *txn,
                                struct txn_values *out);

/* ---- time (expiry.c) --------------------------------------------------------------------------------------------- */

void coord__txn_abort_overdue(struct txn_coordinator *c);
void coord__txn_expire(struct txn_coordinator *c);
void coord__txn_arm_rounds(struct txn_coordinator *c);
