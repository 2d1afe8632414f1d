/* The coordinator of the transactions whose state lies in one partition of __transaction_state: producer ids and epochs of
 * transactional ids, the partitions of open transactions, and how these end (KIP-98, 360, 447, 588, 664, 890; of KIP-939 what
 * 4.3.1 serves).
 *
 * A pure state machine, txn_coordinator_step(coordinator, event, effects): it decides, its owner (server/transactions) does. No
 * clock, no chance, no files. The states of the coordinator are those of coordinator.h; those of a transactional id:
 *
 *              InitProducerId             AddPartitionsToTxn
 *      (none) ───────────────► Empty ───────────────────────► Ongoing ◄───────────┐
 *                                ▲ │ abort of a version 2 client │ EndTxn, timeout, │ AddPartitionsToTxn
 *                                │ └───────────┐      ┌──────────┤ a new producer   │
 *                 InitProducerId │             ▼      ▼          ▼                  │
 *                                │        PrepareAbort      PrepareCommit           │
 *                                │             │ all markers     │ are written      │
 *                                │             ▼                 ▼                  │
 *                                └────── CompleteAbort     CompleteCommit ──────────┘
 *
 * What is written and what is seen
 * - A transactional id has at most one record under way. It takes effect in memory when it is written (TXN_ON_APPENDED): until
 *   then everyone who wants to change the id is told CONCURRENT_TRANSACTIONS, as Kafka's clients expect it, and there is
 *   nothing to undo when it fails. What is told of an id is therefore always in the log. (In clusters of transaction version 0
 *   or 1 an abort for somebody else also fences at once, as in Kafka: the epoch that it raises counts in memory before it is
 *   written, and even if that fails; it is not told.)
 * - PrepareCommit and PrepareAbort decide a transaction: the answer to EndTxn leaves, and a marker goes out for each of its
 *   partitions (effects.markers), again and again until each is written or gone; then Complete… is written. A coordinator that
 *   loads a log with a Prepare… goes on from there.
 * - A transaction that is open for too long, or whose id another producer takes over, is aborted under a higher epoch, which
 *   fences the producer that began it.
 * - Epochs end at 32766: the id then gets a new producer id (effects.id_wants).
 *
 * Threads: one, the shard's.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"
#include "coord/coordinator.h"
#include "coord/lines.h"
#include "wire/kafka_error.h"

struct txn_coordinator;

/* Settings of the broker and the cluster; may change while it runs. */
struct txn_settings {
    int32_t timeout_ms_max;       /* transaction.max.timeout.ms */
    bool allows_two_phase_commit; /* transaction.two.phase.commit.enable */
    int64_t abort_interval_ms;    /* transaction.abort.timed.out.transaction.cleanup.interval.ms */
    int64_t expiration_ms;        /* transactional.id.expiration.ms */
    int64_t expiry_interval_ms;   /* transaction.remove.expired.transaction.cleanup.interval.ms */
    int16_t
        transaction_version;  /* the finalized level of the feature transaction.version: 0 to 2 */
    uint32_t batch_bytes_max; /* max.message.bytes of __transaction_state */
};

/* What a ListTransactions asks for, made once for all coordinators: a request may name a million ids and states. */
struct txn_filter {
    uint32_t states;             /* bits of enum txn_state */
    const int64_t *producer_ids; /* ascending, of the request */
    int32_t producer_id_count;   /* 0: any */
};
struct list_transactions_request;
/* Sorts the producer ids of the request. Any thread. */
void txn_filter_init(struct txn_filter *filter, struct list_transactions_request *asked);

/* ---- events ------------------------------------------------------------------------------------ */

/* A client's or broker's request, decoded. `message` is the struct of its API's request and stays valid until the answer:
 *
 *   InitProducerId        with a transactional id
 *   AddPartitionsToTxn    in the form of version 4 and later with one transaction, whatever the version; so AddOffsetsToTxn
 *                         is asked too, as the partition of __consumer_offsets
 *   EndTxn
 *   DescribeTransactions  with ids of this partition only
 *   ListTransactions      with the filter made of it; names of states, producer ids and the pattern are not looked at
 *
 * The version tells which errors a client understands and how it runs transactions. */
struct txn_request {
    uint64_t token;  /* the owner's; comes back in the answer */
    int16_t api_key; /* enum api_key */
    int16_t version;
    const void *message;
    const struct txn_filter *filter; /* ListTransactions: stays valid as the message does */
};

/* What became of a marker. */
struct txn_marker_result {
    uint64_t ending; /* as in the marker */
    struct bytes topic;
    int32_t partition;
    enum kafka_error error;    /* NONE: written */
    bool is_gone;              /* the partition does not exist any more: nobody needs the marker */
    int32_t coordinator_epoch; /* that the owner sent with it */
    struct bytes why;          /* of an error, for the operator; may be empty */
};

enum txn_event_type {
    TXN_ON_LOADED,      /* every record was replayed: serve */
    TXN_ON_LOAD_FAILED, /* the log cannot be read */
    TXN_ON_UNLOAD,      /* this node leads the partition no longer, or stops */
    TXN_ON_REQUEST,
    TXN_ON_APPENDED,    /* an append is as safe as it was asked to be, or has failed */
    TXN_ON_PRODUCER_ID, /* an id that was wanted has come, or cannot be had */
    TXN_ON_MARKERS,     /* what became of some markers, in any order */
    TXN_ON_TIMER,       /* effects.deadline_ms has come; early or late does no harm */
};

struct txn_event {
    enum txn_event_type type;
    int64_t now_ms;  /* monotonic */
    int64_t wall_ms; /* Unix time: what is written, timeouts, expiry; never compared with now_ms */
    union {
        struct txn_request request;
        struct {
            uint64_t write_id;
            enum kafka_error error;
        } appended;
        struct {
            uint64_t want_id;
            enum kafka_error error;
            int64_t producer_id;
        } producer_id;
        struct {
            const struct txn_marker_result *items; /* borrowed for the call */
            uint32_t count;
        } markers;
    };
};

/* ---- effects ------------------------------------------------------------------------------------- */

/* A marker that a partition is to be told, by WriteTxnMarkers to the broker that leads it. The owner adds the coordinator's
 * epoch, which is the leader epoch of the partition of __transaction_state. One TXN_ON_MARKERS result must follow each, unless
 * UNLOAD comes first; the owner need not try again. */
struct txn_marker {
    uint64_t ending; /* names this end of this transaction */
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t transaction_version; /* of the transaction */
    bool is_commit;
    struct bytes topic;
    int32_t partition;
};

/* What is in them is valid until txn_effects_clear. */
struct txn_effects {
    VEC(struct coord_append) appends; /* first these, in order */
    VEC(struct coord_answer) answers;
    VEC(struct txn_marker) markers;
    VEC(uint64_t) id_wants; /* each wants a producer id; TXN_ON_PRODUCER_ID must follow, once */
    int64_t
        deadline_ms; /* when to come back with TXN_ON_TIMER; INT64_MAX: never. Replaces the last one */
    struct coord_lines lines; /* for the operator */
    struct arena arena;
};
void txn_effects_init(struct txn_effects *effects);
void txn_effects_clear(struct txn_effects *effects); /* before the next step */
void txn_effects_deinit(struct txn_effects *effects);

/* ---- the coordinator ------------------------------------------------------------------------------- */

/* LOADING, empty. hash_seed keys its tables. */
struct txn_coordinator *txn_coordinator_new(const struct txn_settings *settings,
                                            uint64_t hash_seed);
/* Whatever still waits is forgotten without an answer. NULL is fine. */
void txn_coordinator_free(struct txn_coordinator *coordinator);
void txn_coordinator_set_settings(struct txn_coordinator *coordinator,
                                  const struct txn_settings *settings);

/* While LOADING: a record of the partition, in order of offsets. Types that this build does not know are passed over.
 * -ERR_MALFORMED, -ERR_OVERRUN, -ERR_VERSION, -ERR_LIMIT: a record that cannot be read, or tells of a state that none can be
 * in; the note names it, nothing changed. */
MUST_CHECK int txn_coordinator_replay(struct txn_coordinator *coordinator, struct bytes key,
                                      struct bytes value, struct err_note *note);

/* One event. `effects` is empty on entry. */
void txn_coordinator_step(struct txn_coordinator *coordinator, const struct txn_event *event,
                          struct txn_effects *effects);

/* The answer that refuses a request with an error, in the arena: for partitions without a coordinator here. */
void *txn_refusal(const struct txn_request *request, enum kafka_error error, struct arena *arena);

/* Which of the state filters of ListTransactions no state bears; `out` points into `asked`. */
struct list_transactions_response;
void txn_tell_unknown_states(const struct list_transactions_request *asked, struct arena *arena,
                             struct list_transactions_response *out);

/* The partition of __transaction_state that a transactional id belongs to. */
int32_t txn_partition_for(struct bytes transactional_id, int32_t partition_count);

struct txn_stats {
    uint64_t id_count;
    uint64_t open_count;   /* Ongoing */
    uint64_t ending_count; /* Prepare…: markers are on their way */
    uint64_t pending_write_count;
    /* since birth */
    uint64_t commit_count; /* decided, not requests */
    uint64_t abort_count;
    uint64_t timeout_count; /* of the aborts */
    uint64_t expired_count; /* ids */
};
void txn_coordinator_stats(const struct txn_coordinator *coordinator, struct txn_stats *out);

/* Everything that a reload of the log would bring back, one line for each id in order of ids, for tests. */
void txn_coordinator_print(const struct txn_coordinator *coordinator, struct buf *out);
